"""The page of a person's API tokens: creating, listing and revoking them; a new token is shown once."""

from datetime import timedelta

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import Who, allow
from server.auth.login import the_account
from server.config import services
from server.forms.fields import text_field
from server.http.idempotency import once
from submissions.people.tokens import NAME_LENGTH, SCOPES, Scope, TokenError, create_token, revoke_token, tokens_of
from submissions.storage.site_records import utc_now

LIFETIMES = {"30": "30 days", "90": "90 days", "365": "a year", "": "no end"}  # days: in words

pages = Blueprint("tokens", __name__)


@pages.get("/account/tokens")
@allow(Who.PARTICIPANT)
def overview() -> str:
    return _page(scopes=[Scope.READ, Scope.SUBMIT])


@pages.post("/account/tokens")
@allow(Who.PARTICIPANT)
@once()
def create() -> ResponseReturnValue:
    """Show the page with the new token. It is shown only here, so caches and referrers must not keep it."""
    name, scopes = text_field("name", NAME_LENGTH + 1), request.form.getlist("scopes")
    days = request.form.get("days", "")
    if days not in LIFETIMES:
        abort(422)
    ends = utc_now() + timedelta(days=int(days)) if days else None
    try:
        record, text = create_token(services().db, the_account().id, name, scopes, ends)
    except TokenError as error:
        return _page(name=name, scopes=scopes, days=days, messages=error.messages), 422
    return _page(scopes=[Scope.READ, Scope.SUBMIT], made=(record.name, text))


@pages.post("/account/tokens/<api_token:token_id>/revoke")
@allow(Who.PARTICIPANT)
def revoke(token_id: int) -> ResponseReturnValue:
    if not revoke_token(services().db, the_account().id, token_id):
        abort(404)
    flash("The token is revoked and cannot be used any more.")
    return redirect(url_for("tokens.overview"))


def _page(
    *,
    scopes: list[Scope] | list[str],
    name: str = "",
    days: str = "90",
    messages: dict[str, str] | None = None,
    made: tuple[str, str] | None = None,
) -> str:
    account = the_account()
    offered = {scope: text for scope, text in SCOPES.items() if scope is not Scope.ORGANIZE or account.permissions}
    return render_template(
        "account/tokens.html",
        listed=tokens_of(services().db, account.id),
        offered=offered,
        lifetimes=LIFETIMES,
        scopes=[str(scope) for scope in scopes],
        name=name,
        days=days,
        messages=messages or {},
        made=made,
        now=utc_now(),
    )
