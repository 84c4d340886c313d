"""API tokens: created with a name and password or with another token, listed, revoked."""

from datetime import datetime

from flask import url_for
from pydantic import Field

from server.api.fields import Answer, Body, Line, Moment
from server.api.routes import Created, Routes
from server.auth.access import Who
from server.auth.bearer import the_holder
from server.auth.login import the_account
from server.config import services
from server.problems import Problem, faulty
from submissions.people.accounts import authenticate
from submissions.people.tokens import Scope, create_token, revoke_token, tokens_of

routes = Routes(90, "tokens", "Tokens", "Keys with which scripts can act for an account, within scopes.")


class Token(Answer):
    """A token, without its text, which is shown only once."""

    id: int
    name: str
    hint: str = Field(description="Its first letters")
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None = Field(description="Updated at most once a minute")
    expires_at: datetime | None


class Tokens(Answer):
    items: list[Token]


class NewToken(Answer):
    """A new token."""

    text: str = Field(description="What to send as Authorization: Bearer …; it is not shown again")
    token: Token


class TokenWanted(Body):
    name: Line = Field(description="Where it will be used", examples=["laptop"])
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    expires_at: Moment | None = Field(None, description="When it expires; null for never")


class LogIn(TokenWanted):
    user: Line = Field(description="The name or the email address of the account")
    password: str = Field(max_length=1000)


@routes.post("/log-in", Who.VISITOR, Scope.READ, is_secret=True)
def log_in(body: LogIn) -> Created[NewToken]:
    """Exchange a name and password for a token"""
    user = authenticate(services().db, body.user, body.password)
    if user is None:
        raise Problem(401, "The name or the password is wrong.")
    return _made(user.id, body)


@routes.get("/tokens", Who.PARTICIPANT)
def list_tokens() -> Tokens:
    """Your tokens"""
    return Tokens(items=[Token.of(one) for one in tokens_of(services().db, the_account().id)])


@routes.post("/tokens", Who.PARTICIPANT, Scope.ACCOUNT, is_secret=True)
def make(body: TokenWanted) -> Created[NewToken]:
    """Make a token

    Its scopes are limited to those of the token that creates it."""
    holder = the_holder()
    if holder is not None and not holder.scopes.issuperset(body.scopes):
        raise faulty({"scopes": "A token can only create tokens with scopes that it has itself."})
    return _made(the_account().id, body)


@routes.delete("/tokens/current", Who.PARTICIPANT, Scope.READ)
def revoke_current() -> None:
    """Revoke the token that this request comes with"""
    holder = the_holder()
    if holder is not None:
        revoke_token(services().db, holder.user.id, holder.token.id)


@routes.delete("/tokens/<api_token:token_id>", Who.PARTICIPANT, Scope.ACCOUNT)
def revoke(token_id: int) -> None:
    """Revoke one of your tokens"""
    if not revoke_token(services().db, the_account().id, token_id):
        raise Problem(404, "You have no token with this number.")


def _made(user_id: int, wanted: TokenWanted) -> Created[NewToken]:
    record, text = create_token(services().db, user_id, wanted.name, wanted.scopes, wanted.expires_at)
    return Created(NewToken(text=text, token=Token.of(record)), url_for("api_tokens.list_tokens"))
