"""Where the links in mails lead: verifying an address, choosing a new password; and asking for such a mail.

Opening a link changes nothing, because programs that look through mails open links too: each page has a button.
"""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.auth import login
from server.auth.access import Who, allow
from server.auth.devices import remember_device
from server.config import services
from server.forms.fields import text_field
from submissions.people import accounts
from submissions.people.accounts import EMAIL_LENGTH, AccountError
from submissions.people.mailed_links import read_link
from submissions.people.passwords import PASSWORD_LENGTHS
from worker.hints import send_mail_hint

pages = Blueprint("links", __name__)


@pages.get("/verify/<mailed_link:token>")
@allow(Who.VISITOR)
def verify_form(token: str) -> ResponseReturnValue:
    with services().db.read() as session:
        link = read_link(session, services().settings.secret_key(), "verify", token)
    if link is None:
        return _spent()
    return render_template("account/verify.html", token=token, name=link.user.name, address=link.address)


@pages.post("/verify/<mailed_link:token>")
@allow(Who.VISITOR)
def verify(token: str) -> ResponseReturnValue:
    user = accounts.verify_email(services().db, services().settings.secret_key(), token)
    if user is None:
        return _spent()
    send_mail_hint(services().settings)
    flash(f"Thank you, {user.name}: your address {user.email} is verified.")
    return redirect(url_for("home.home" if login.current_account() is None else "account.show"))


@pages.get("/reset")
@allow(Who.VISITOR)
def ask_form() -> str:
    return render_template("account/ask_to_reset.html")


@pages.post("/reset")
@allow(Who.VISITOR)
def ask_to_reset() -> ResponseReturnValue:
    email = text_field("email", EMAIL_LENGTH)
    accounts.ask_to_reset(services().db, services().settings.secret_key(), email)
    send_mail_hint(services().settings)
    flash("If there is an account with this address, a mail with a link is on its way to it.")
    return redirect(url_for("accounts.log_in_form"))


@pages.get("/reset/<mailed_link:token>")
@allow(Who.VISITOR)
def reset_form(token: str) -> ResponseReturnValue:
    return _reset_page(token)


@pages.post("/reset/<mailed_link:token>")
@allow(Who.VISITOR)
def reset(token: str) -> ResponseReturnValue:
    secret = services().settings.secret_key()
    try:
        user = accounts.reset_password(services().db, secret, token, request.form.get("password", ""))
    except AccountError as error:
        return _reset_page(token, error.messages["password"], 422)
    if user is None:
        return _spent(is_reset=True)
    send_mail_hint(services().settings)
    login.log_out()
    remember_device(user)
    flash("Your password has changed, and all your sessions have ended. Log in with the new one.")
    return redirect(url_for("accounts.log_in_form"))


def _reset_page(token: str, message: str = "", code: int = 200) -> ResponseReturnValue:
    user = accounts.reset_user(services().db, services().settings.secret_key(), token)
    if user is None:
        return _spent(is_reset=True)
    page = render_template(
        "account/reset.html", token=token, name=user.name, message=message, password_lengths=PASSWORD_LENGTHS
    )
    return page, code


def _spent(*, is_reset: bool = False) -> ResponseReturnValue:
    return render_template("account/spent.html", is_reset=is_reset), 404
