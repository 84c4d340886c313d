"""The download of a competition's starting kit."""

from flask import Blueprint, Response

from server.auth.access import Who, allow
from server.downloads.starting_kit import starting_kit

pages = Blueprint("kit", __name__)


@pages.get("/competitions/<competition:competition_slug>/kit.zip")
@allow(Who.VISITOR)
def download(**_named: object) -> Response:
    return starting_kit()
