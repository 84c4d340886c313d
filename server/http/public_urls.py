"""Addresses of pages for elsewhere: a paper, a mail, a kit, another site. Called by pages and templates.

The setting `public_url` says where the site is. Without it the request does, and then nothing made for one
request may be told to another: whoever asks chooses that name.
"""

from typing import Any

from flask import Flask, request, url_for

from server.config import services


def init_app(app: Flask) -> None:
    app.add_template_global(full_address)


def site_address() -> str:
    """Where this site is, without a slash at its end."""
    return (services().settings.public_url or request.host_url).rstrip("/")


def full_address(endpoint: str, **values: Any) -> str:
    """The whole address of a page, for readers who are not on this site."""
    return site_address() + url_for(endpoint, **values)
