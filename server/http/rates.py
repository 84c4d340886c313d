"""Rate limits: one for every route, generous for reading, tight for password attempts and mails.

Wrong passwords are also counted for the account that they are tried for: see `server.http.guesses`.
Requests are counted per account, for visitors per address; password attempts always per address. Routes that the table
does not name have the limit of their method. Counts are kept in this process, or in Redis if that is the broker. A
Redis that does not answer within `REDIS_S` is left out for a while; then each process counts for itself.
"""

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from flask import Flask, current_app, request
from flask_limiter import Limiter
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.exceptions import TooManyRequests

from server.auth.login import current_account
from server.config import services
from server.http.guesses import limits_of_guesses
from submissions.settings import Settings
from submissions.storage.installation import installation_id


class Rate(StrEnum):
    """Classes of requests that are counted together; each has its setting."""

    READING = "rate_reading"
    POLLING = "rate_polling"
    CHANGING = "rate_changing"
    SUBMITTING = "rate_submitting"
    LOG_IN = "rate_log_in"
    REGISTERING = "rate_registering"
    MAIL = "rate_mail"
    GUESSING = "rate_guessing"
    GUESSING_ANYWHERE = "rate_guessing_anywhere"


UNCOUNTED = frozenset({"static.file", "health.healthz"})
RATES: Mapping[str, Rate] = {
    "submissions.status": Rate.POLLING,
    "accounts.log_in": Rate.LOG_IN,
    "api_tokens.log_in": Rate.LOG_IN,
    "account.change_password": Rate.LOG_IN,
    "account.change_email": Rate.LOG_IN,
    "account.delete": Rate.LOG_IN,
    "account.ask_to_verify": Rate.MAIL,
    "links.ask_to_reset": Rate.MAIL,
    "links.reset": Rate.LOG_IN,
    "links.verify": Rate.LOG_IN,
    "accounts.register_account": Rate.REGISTERING,
    "api_account.register": Rate.REGISTERING,
    "api_account.change_password": Rate.LOG_IN,
    "api_account.change_email": Rate.LOG_IN,
    "api_account.delete": Rate.LOG_IN,
    "api_account.ask_to_verify": Rate.MAIL,
    "api_account.ask_to_reset": Rate.MAIL,
    "api_account.reset": Rate.LOG_IN,
    "api_account.verify": Rate.LOG_IN,
    "submit.upload": Rate.SUBMITTING,
    "api_submitting.create": Rate.SUBMITTING,
    "zoo_uploads.append_piece": Rate.READING,  # thousands of pieces make one zoo
    "api_uploads.append_piece": Rate.READING,
}
_BY_ADDRESS = frozenset({Rate.LOG_IN, Rate.REGISTERING, Rate.MAIL})
_NAMELESS = UNCOUNTED | {""}
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_EXTENSION = "gengap_limiter"
_INSTALLATION = "gengap_installation"
REDIS_S = 0.05  # the longest that a request waits for it
_IMPATIENT: dict[str, Any] = {
    "socket_timeout": REDIS_S,
    "socket_connect_timeout": REDIS_S,
    "retry": Retry(NoBackoff(), 0),
}


def init_app(app: Flask, settings: Settings) -> None:
    """Count every request; must run after the account is known and before any other query."""
    is_shared = settings.broker_url.startswith("redis")
    limiter = Limiter(
        _whose_here if is_shared else _whose,
        app=app,
        default_limits=[
            _limit,
            *limits_of_guesses(),
        ],
        request_identifier=lambda: "" if (request.endpoint or "") in _NAMELESS else _rate(),  # "": not counted
        storage_uri=settings.broker_url if is_shared else "memory://",
        storage_options=_IMPATIENT if is_shared else {},
        in_memory_fallback_enabled=True,  # pages go on where Redis does not
        swallow_errors=True,  # so do requests that meet it at the moment in which another one falls back
        key_prefix="gengap",
    )
    app.extensions[_EXTENSION] = limiter


def tell_when(error: TooManyRequests) -> None:
    """Add Retry-After to the error: the seconds until the next request is accepted."""
    limiter: Limiter = current_app.extensions[_EXTENSION]
    limit = limiter.current_limit
    error.retry_after = 1 if limit is None else max(1, int(limit.reset_at - time.time()))


def _limit() -> str:
    limit: str = getattr(services().settings, _rate())
    return limit


def _rate() -> Rate:
    return RATES.get(request.endpoint or "", Rate.READING if request.method in _READS else Rate.CHANGING)


def _whose() -> str:
    account = None if _rate() in _BY_ADDRESS else current_account()
    return f"account {account.id}" if account is not None else f"address {request.remote_addr}"


def _whose_here() -> str:
    """Return whose request it is, apart from those to other installations that use the same Redis."""
    if _INSTALLATION not in current_app.extensions:
        current_app.extensions[_INSTALLATION] = installation_id(services().db)
    return f"{current_app.extensions[_INSTALLATION]} {_whose()}"
