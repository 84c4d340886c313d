"""/healthz for monitoring: whether this process serves and reaches its database, and the state of the workers."""

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from server.auth.access import Who, allow
from server.auth.bearer import may_with_token
from server.auth.login import may
from server.config import services
from submissions.evaluation import queue
from submissions.evaluation.workers import Worker, known_workers
from submissions.people.tokens import Scope
from submissions.storage.roles import Permission
from submissions.storage.site_records import utc_now
from worker.sandbox.layers.layer_table import missing

pages = Blueprint("health", __name__)


@pages.get("/healthz")
@allow(Who.VISITOR)
def healthz() -> ResponseReturnValue:
    """Anybody may ask, so it costs one query; workers have no names here, and no reasons but the layers that they lack.

    The length of the queue is only for organizers, logged in or with a token: it tells when each network ends, also on
    hidden zoos. A token that does not show that it is an organizer's changes nothing.
    """
    db = services().db
    try:
        with db.read() as session:
            workers = known_workers(session, sweep_s=services().settings.sweep_s)
        sees_queue = may(Permission.MONITOR) or may_with_token(Permission.MONITOR, Scope.ORGANIZE)
        queued = {"pending_runs": queue.pending(db)} if sees_queue else {}
    except SQLAlchemyError:
        current_app.logger.exception("The database does not answer.")
        return {"database": "unreachable"}, 503
    told = [_told(worker) for worker in workers]
    takers = sum(bool(one["takes_work"]) for one in told)
    return {"database": "ok", **queued, "workers_that_take_work": takers, "workers": told}


def _told(worker: Worker) -> dict[str, object]:
    return {
        "backend": worker.backend,
        "slots": worker.slots,
        "is_alive": worker.is_alive,
        "takes_work": worker.is_alive and worker.refusal is None,
        "seen_s_ago": round((utc_now() - worker.seen_at).total_seconds(), 1),
        "layers": dict(worker.layers),
        "missing": missing(worker.layers, services().settings.sandbox_minimum),
    }
