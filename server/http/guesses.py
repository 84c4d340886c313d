"""Limits on wrong passwords for one account, whatever the address: few from one place, and not many from everywhere.

A place is a network of addresses (/24, of IPv6 /48), or a browser known for the account (`server.auth.devices`). Only
wrong passwords count. Whoever tries many can so keep unknown places from logging in to the account, but not its owner:
known browsers and open sessions have counts of their own, and a link for a new password makes the browser known. A
name counts whether or not it is an account's. An account's name and its address count apart.
"""

import hashlib
from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from flask import Response, request
from flask_limiter import Limit

from server.auth.devices import device_known_for
from server.auth.login import current_account
from server.config import services
from submissions.storage.name_keys import name_key

_NAMES = {"accounts.log_in": "name", "api_tokens.log_in": "user"}  # of a field, by endpoint
_OF_THE_ACCOUNT = frozenset(
    f"{part}.{view}" for part in ("account", "api_account") for view in ("change_password", "change_email", "delete")
)
_NETWORKS = {4: 24, 6: 48}
_WRONG = (401, 422)


def limits_of_guesses() -> list[Limit]:
    """Return the two limits, for one application."""
    return [
        Limit(
            lambda: services().settings.rate_guessing,
            key_function=lambda: f"{_account()} from {_place()}",
            scope="guesses",
            shared=True,
            exempt_when=lambda: not _tries_a_password(),
            deduct_when=_is_wrong,
        ),
        Limit(
            lambda: services().settings.rate_guessing_anywhere,
            key_function=_account,
            scope="all guesses",
            shared=True,
            exempt_when=lambda: not _tries_a_password() or _known_place() is not None,
            deduct_when=_is_wrong,
        ),
    ]


def _tries_a_password() -> bool:
    if request.endpoint in _OF_THE_ACCOUNT:
        return current_account() is not None
    return request.endpoint in _NAMES and request.method == "POST"


def _is_wrong(response: Response) -> bool:
    return response.status_code in _WRONG


def _account() -> str:
    return f"account {hashlib.sha256(name_key(_name()).encode()).hexdigest()}"


def _place() -> str:
    return _known_place() or f"network {_network(request.remote_addr or '')}"


def _known_place() -> str | None:
    if request.endpoint in _OF_THE_ACCOUNT:
        return "a session"
    device = device_known_for(_name())
    return None if device is None else f"device {device}"


def _name() -> str:
    """Return the name or address of the account whose password is tried."""
    account = current_account()
    if request.endpoint not in _NAMES:
        return "" if account is None else account.name
    typed = request.get_json(silent=True) if request.is_json else request.form
    found = typed.get(_NAMES[request.endpoint]) if isinstance(typed, Mapping) else None
    return found[:1000] if isinstance(found, str) else ""


def _network(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((found, _NETWORKS[found.version]), strict=False))
