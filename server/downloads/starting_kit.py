"""The starting kit of the competition that the URL names."""

from flask import Response, abort, current_app, send_file

from model_zoo import ZooError
from server.auth.access import the_competition
from server.config import services
from server.http.public_urls import full_address
from submissions.competitions.starting_kit import kit_file, kit_plan


def starting_kit() -> Response:
    """Return the kit as a zip; 404 if the competition has no public zoo."""
    competition = the_competition()
    page_url = full_address("competitions.show", competition_slug=competition.slug)
    with services().db.read() as session:
        plan = kit_plan(session, competition, competition.phases, page_url)
    if plan is None:
        abort(404)
    try:
        path = kit_file(services().settings, services().zoos, plan)
    except ZooError:
        current_app.logger.exception("The kit of %s cannot be made.", competition.slug)
        abort(503)
    response = send_file(path, download_name=plan.filename, as_attachment=True, etag=path.stem)
    response.headers["Cache-Control"] = "private, no-cache"
    return response
