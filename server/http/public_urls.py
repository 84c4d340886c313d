"""Absolute addresses of pages, for papers, mails, starting kits and other sites. Called by pages and templates.

The setting `public_url` is the site's address. Without it the address comes from the request; a result made for one
request must then not be sent to another, because the client chooses the host name.
"""

from typing import Any

from flask import Flask, request, url_for

from server.config import services


def init_app(app: Flask) -> None:
    app.add_template_global(full_address)


def site_address() -> str:
    """Return the address of this site without a trailing slash."""
    return (services().settings.public_url or request.host_url).rstrip("/")


def full_address(endpoint: str, **values: Any) -> str:
    """Return the absolute address of a page, for use outside of this site."""
    return site_address() + url_for(endpoint, **values)
