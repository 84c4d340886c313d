"""A person's own account: name, address, password, mails; the export of their data and deleting the account."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.auth import login
from server.auth.access import Who, allow
from server.config import services
from server.downloads.account_export import account_export
from server.forms.fields import text_field
from submissions.people import accounts
from submissions.people.account_deletion import DeletionRefused, delete_account
from submissions.people.accounts import EMAIL_LENGTH, AccountError
from submissions.people.passwords import PASSWORD_LENGTHS
from submissions.storage.name_keys import NAME_LENGTHS
from worker.hints import send_mail_hint

pages = Blueprint("account", __name__)

_WAIT = "Too many mails were sent to this address in the last hour. Look for them in your spam folder, too."


@pages.get("/account")
@allow(Who.PARTICIPANT)
def show() -> str:
    return _page()


@pages.post("/account/name")
@allow(Who.PARTICIPANT)
def change_name() -> ResponseReturnValue:
    name = text_field("name", NAME_LENGTHS[1] + 1)
    try:
        name = accounts.change_name(services().db, login.the_account().id, name)
    except AccountError as error:
        return _page(error.messages, name=name), 422
    flash(f"Your name is now {name}.")
    return redirect(url_for("account.show"))


@pages.post("/account/email")
@allow(Who.PARTICIPANT)
def change_email() -> ResponseReturnValue:
    email, password = text_field("email", EMAIL_LENGTH + 1), request.form.get("email_current", "")
    secret = services().settings.secret_key()
    try:
        accounts.change_email(services().db, secret, login.the_account().id, password, email)
    except AccountError as error:
        messages = {"email_current" if field == "current" else field: text for field, text in error.messages.items()}
        return _page(messages, email=email), 422
    send_mail_hint(services().settings)
    flash(f"A mail with a link is on its way to {email}. Your address changes once you have followed it.")
    return redirect(url_for("account.show"))


@pages.post("/account/password")
@allow(Who.PARTICIPANT)
def change_password() -> ResponseReturnValue:
    account = login.the_account()
    try:
        accounts.change_password(
            services().db,
            account.id,
            request.form.get("current", ""),
            request.form.get("password", ""),
            kept_session_id=account.session_id,
        )
    except AccountError as error:
        return _page(error.messages), 422
    send_mail_hint(services().settings)
    flash("Your password has changed, and all your other sessions have ended.")
    return redirect(url_for("account.show"))


@pages.post("/account/mail")
@allow(Who.PARTICIPANT)
def set_wants_mail() -> ResponseReturnValue:
    wants_mail = "wants_mail" in request.form
    accounts.set_wants_mail(services().db, login.the_account().id, wants_mail)
    flash("You get mails about your submissions." if wants_mail else "You get no more mails about your submissions.")
    return redirect(url_for("account.show"))


@pages.post("/account/verify")
@allow(Who.PARTICIPANT)
def ask_to_verify() -> ResponseReturnValue:
    was_sent = accounts.ask_to_verify(services().db, services().settings.secret_key(), login.the_account().id)
    send_mail_hint(services().settings)
    flash("A mail with a link is on its way to you." if was_sent else _WAIT)
    return redirect(url_for("account.show"))


@pages.get("/account/export")
@allow(Who.PARTICIPANT)
def export() -> Response:
    return account_export()


@pages.get("/account/delete")
@allow(Who.PARTICIPANT)
def delete_form() -> str:
    return render_template("account/delete.html", message="")


@pages.post("/account/delete")
@allow(Who.PARTICIPANT)
def delete() -> ResponseReturnValue:
    try:
        delete_account(services().db, login.the_account().id, request.form.get("password", ""))
    except DeletionRefused as error:
        return render_template("account/delete.html", message=str(error)), 422
    login.log_out()
    flash("Your account is deleted. Thank you for having taken part.")
    return redirect(url_for("home.home"))


def _page(messages: dict[str, str] | None = None, *, name: str | None = None, email: str = "") -> str:
    user = accounts.account_of(services().db, login.the_account().id)
    return render_template(
        "account/show.html",
        user=user,
        name=user.name if name is None else name,
        email=email,
        messages=messages or {},
        name_lengths=NAME_LENGTHS,
        password_lengths=PASSWORD_LENGTHS,
        verified_mail_needed=services().settings.verified_mail_needed,
    )
