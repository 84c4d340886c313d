"""Registering, logging in and logging out."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.auth import login
from server.auth.access import Who, allow
from server.config import services
from server.forms.fields import text_field
from server.http.idempotency import once
from submissions.people.accounts import EMAIL_LENGTH, AccountError, authenticate, register
from submissions.people.passwords import PASSWORD_LENGTHS
from submissions.storage.name_keys import NAME_LENGTHS
from worker.hints import send_mail_hint

pages = Blueprint("accounts", __name__)


def _log_in_again() -> None:
    """Log in the browser whose first registration, with the same password, was answered already."""
    user = authenticate(services().db, text_field("name", NAME_LENGTHS[1]), request.form.get("password", ""))
    if user is not None:
        login.log_in(user)


@pages.get("/register")
@allow(Who.VISITOR)
def register_form() -> ResponseReturnValue:
    return _register_page()


@pages.post("/register")
@allow(Who.VISITOR)
@once(on_repeat=_log_in_again)
def register_account() -> ResponseReturnValue:
    if not services().settings.registration_open:
        abort(403)
    name, email = text_field("name", NAME_LENGTHS[1] + 1), text_field("email", EMAIL_LENGTH + 1)
    password = request.form.get("password", "")
    try:
        register(services().db, name, email, password, secret=services().settings.secret_key())
    except AccountError as error:
        return _register_page(name, email, error.messages), 422
    user = authenticate(services().db, name, password)
    if user is None:
        abort(500)
    send_mail_hint(services().settings)
    login.log_in(user)
    flash(f"Welcome, {user.name}. Your account is ready; a mail to {user.email} asks you to verify the address.")
    return redirect(login.safe_next(url_for("home.home")))


@pages.get("/login")
@allow(Who.VISITOR)
def log_in_form() -> ResponseReturnValue:
    if login.current_account() is not None:
        return redirect(login.safe_next(url_for("home.home")))
    return _log_in_page()


@pages.post("/login")
@allow(Who.VISITOR)
def log_in() -> ResponseReturnValue:
    name = text_field("name", EMAIL_LENGTH)
    user = authenticate(services().db, name, request.form.get("password", ""))
    if user is None:
        return _log_in_page(name, "The name or the password is wrong."), 422
    login.log_in(user)
    return redirect(login.safe_next(url_for("home.home")))


@pages.post("/logout")
@allow(Who.PARTICIPANT)
def log_out() -> ResponseReturnValue:
    login.log_out()
    flash("You are logged out.")
    return redirect(url_for("home.home"))


def _register_page(name: str = "", email: str = "", messages: dict[str, str] | None = None) -> str:
    return render_template(
        "register.html",
        name=name,
        email=email,
        messages=messages or {},
        next=login.safe_next(""),
        is_open=services().settings.registration_open,
        name_lengths=NAME_LENGTHS,
        password_lengths=PASSWORD_LENGTHS,
    )


def _log_in_page(name: str = "", message: str = "") -> str:
    return render_template("login.html", name=name, message=message, next=login.safe_next(""))
