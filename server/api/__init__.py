"""The API under /api/v1: JSON for scripts, described by an OpenAPI document that is generated from these routes."""

from flask_openapi3.openapi import OpenAPI

from server.api.account import account, notifications, teams, tokens
from server.api.competition import boards, competitions
from server.api.organizer import phases, uploads, zoos
from server.api.submission import moderation, results, submissions, submitting

PARTS = (
    *(competitions, boards, submitting, submissions, results, teams, account, notifications, tokens),
    *(phases, moderation, zoos, uploads),
)


def init_app(app: OpenAPI) -> None:
    """Register every part. Where two have routes at one address, both stand in the document."""
    for part in PARTS:
        blueprint = part.routes.blueprint
        before = dict(app.paths)
        app.register_api(blueprint)
        for path in before.keys() & blueprint.paths.keys():
            added = {method: operation for method, operation in blueprint.paths[path] if operation is not None}
            app.paths[path] = before[path].model_copy(update=added)
