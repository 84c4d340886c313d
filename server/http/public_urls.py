"""Absolute addresses of pages, for papers, mails, starting kits and other sites. Called by pages and templates.

The setting `public_url` is the site's address, and requests for another host are refused. Without it the address comes
from the request; a result made for one request must then not be sent to another, because the client chooses the host
name.
"""

from typing import Any
from urllib.parse import urlsplit

from flask import Flask, abort, request, url_for

from server.config import services

ON_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})  # for organizers and monitoring on the machine itself
FOR_ANY_HOST = "health.healthz"  # load balancers ask by address


def init_app(app: Flask) -> None:
    app.before_request(_refuse_other_hosts)
    app.add_template_global(full_address)


def site_address() -> str:
    """Return the address of this site without a trailing slash."""
    return (services().settings.public_url or request.host_url).rstrip("/")


def full_address(endpoint: str, **values: Any) -> str:
    """Return the absolute address of a page, for use outside of this site."""
    return site_address() + url_for(endpoint, **values)


def _refuse_other_hosts() -> None:
    public_url = services().settings.public_url
    if not public_url or request.endpoint == FOR_ANY_HOST:
        return
    try:
        asked = urlsplit(f"//{request.host}").hostname
    except ValueError:
        abort(400)
    if asked not in ON_THIS_MACHINE | {urlsplit(public_url).hostname}:
        abort(400)
