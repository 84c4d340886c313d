"""The starting kit of the competition that the URL names."""

from flask import Response, abort, current_app, send_file
from werkzeug.exceptions import ServiceUnavailable

from model_zoo import ZooError
from server.auth.access import the_competition
from server.config import services
from submissions.competitions.starting_kit import KitBeingMadeError, kit_file, kit_plan

_RETRY_AFTER_S = 5


def starting_kit() -> Response:
    """Return the kit as a zip; 404 if the competition has no public zoo, 503 while it is being made.

    It is the same for everybody, whatever host name they asked for.
    """
    competition = the_competition()
    with services().db.read() as session:
        plan = kit_plan(session, competition, competition.phases, services().settings.effective_public_url)
    if plan is None:
        abort(404)
    try:
        path = kit_file(services().settings, services().zoos, plan)
    except KitBeingMadeError as error:
        raise ServiceUnavailable(str(error), retry_after=_RETRY_AFTER_S) from None
    except ZooError:
        current_app.logger.exception("The kit of %s cannot be made.", competition.slug)
        abort(503)
    response = send_file(path, download_name=plan.filename, as_attachment=True, etag=path.stem)
    response.headers["Cache-Control"] = "private, no-cache"
    return response
