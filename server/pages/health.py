"""/healthz: whether this process serves and reaches its database, for proxies and monitors."""

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from server.access import Who, allow
from server.config import services
from submissions import queue

pages = Blueprint("health", __name__)


@pages.get("/healthz")
@allow(Who.VISITOR)
def healthz() -> ResponseReturnValue:
    try:
        pending = queue.pending(services().db)
    except SQLAlchemyError:
        current_app.logger.exception("The database does not answer.")
        return {"database": "unreachable"}, 503
    return {"database": "ok", "pending_runs": pending}
