"""Who may use which route, and see what its URL names: deny by default. Called before every view.

Every view is marked with `allow`; one without a mark answers 403 to everybody, and so does one of the API that names
no scope. A hidden phase, and a hidden submission, do not exist (404) for anyone but organizers; a submission's owner
still sees it when hidden: its author, or a member of its team. The records that the URL names are loaded here once;
views take them with `the_competition()` and its sisters.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, ParamSpec, TypeVar, cast

from flask import Flask, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import contains_eager

from server.auth import bearer
from server.auth.bearer import is_api_request
from server.auth.login import Account, current_account
from server.config import services
from submissions.leaderboard.entrants import is_member, team_ids_of
from submissions.people.tokens import Scope
from submissions.storage.records import CompetitionRecord, PhaseRecord, SubmissionRecord

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_MARK = "gengap_allowed"
_SCOPE = "gengap_scope"


class Who(StrEnum):
    """The least a person must be to use a route."""

    VISITOR = "visitor"  # anyone, also without an account
    PARTICIPANT = "participant"  # anyone with an account
    OWNER = "owner"  # whose submission it is, or whose team's, and organizers
    ORGANIZER = "organizer"


def allow(
    who: Who, scope: Scope | None = None
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Declare who may use the decorated view; in the API also which scope a token must have."""

    def mark(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        setattr(view, _MARK, who)
        setattr(view, _SCOPE, scope)
        return view

    return mark


def declared(view: Callable[..., Any]) -> Who | None:
    """Whom a view allows, None where it does not say."""
    return getattr(view, _MARK, None)


def declared_scope(view: Callable[..., Any]) -> Scope | None:
    """What a view of the API wants of a token, None where it does not say, and for pages."""
    return getattr(view, _SCOPE, None)


def init_app(app: Flask) -> None:
    app.before_request(_enforce)


def the_competition() -> CompetitionRecord:
    """The competition that the URL names. The reader may see it."""
    return cast(CompetitionRecord, g.competition)


def the_phase() -> PhaseRecord:
    """The phase that the URL names, with its competition. The reader may see it."""
    return cast(PhaseRecord, g.phase)


def the_submission() -> SubmissionRecord:
    """The submission that the URL names, with its phase and competition. The reader may see it."""
    return cast(SubmissionRecord, g.submission)


def named_in_query(submission_id: int) -> SubmissionRecord:
    """A submission that the URL names after its question mark. 404 where the reader may not see it."""
    return _found(_submission(submission_id, current_account()))


def is_owner(account: Account | None, submission: SubmissionRecord) -> bool:
    """Whether the reader made this submission, or is in the team that it was made for."""
    if account is None:
        return False
    if account.id == submission.user_id or submission.team_id is None:
        return account.id == submission.user_id
    known: bool | None = g.get("of_their_team", {}).get(submission.id)
    if known is not None:
        return known
    with services().db.read() as session:
        return is_member(session, submission, account.id)


def is_owner_or_organizer(account: Account | None, submission: SubmissionRecord) -> bool:
    return account is not None and (account.is_organizer or is_owner(account, submission))


def visible_competitions(account: Account | None) -> Select[CompetitionRecord]:
    """Competitions with the phases that the reader may see; one without any such phase does not appear."""
    query = (
        select(CompetitionRecord)
        .join(CompetitionRecord.phases)
        .options(contains_eager(CompetitionRecord.phases))
        .order_by(CompetitionRecord.id.desc(), PhaseRecord.opens_at)
    )
    return query if _sees_all(account) else query.where(PhaseRecord.hidden.is_(False))


def _enforce() -> ResponseReturnValue | None:
    if request.endpoint is None:
        return None
    view = current_app.view_functions[request.endpoint]
    who, scope = declared(view), declared_scope(view)
    if who is None or is_api_request() != (scope is not None):
        current_app.logger.error("The route %s does not declare who may use it.", request.endpoint)
        abort(403)
    if scope is not None:
        bearer.require(scope)
    account = current_account()
    _load_named(request.view_args or {}, account)
    if _may(who, account):
        return None
    if account is not None:
        abort(403)
    if scope is not None:
        raise bearer.no_token()
    has_page = request.url_rule is not None and "GET" in (request.url_rule.methods or ())
    wanted = request.full_path.rstrip("?") if has_page else url_for("home.home")
    return redirect(url_for("accounts.log_in_form", next=wanted))


def _may(who: Who, account: Account | None) -> bool:
    if who is Who.VISITOR:
        return True
    if account is None:
        return False
    if who is Who.OWNER:
        return is_owner_or_organizer(account, the_submission())
    return account.is_organizer if who is Who.ORGANIZER else True


def _load_named(names: Mapping[str, Any], account: Account | None) -> None:
    if "submission_id" in names:
        g.submission = _found(_submission(names["submission_id"], account))
    elif "phase_slug" in names:
        g.phase = _found(_phase(names["competition_slug"], names["phase_slug"], account))
    elif "competition_slug" in names:
        query = visible_competitions(account).where(CompetitionRecord.slug == names["competition_slug"])
        with services().db.read() as session:
            g.competition = _found(session.scalars(query).unique().one_or_none())


def _submission(submission_id: int, account: Account | None) -> SubmissionRecord | None:
    reader = account.id if account is not None else None
    of_their_team = and_(SubmissionRecord.team_id.is_not(None), SubmissionRecord.team_id.in_(team_ids_of(reader)))
    query = (
        select(SubmissionRecord, of_their_team)
        .join(SubmissionRecord.phase)
        .join(PhaseRecord.competition)
        .options(contains_eager(SubmissionRecord.phase).contains_eager(PhaseRecord.competition))
        .where(SubmissionRecord.id == submission_id)
    )
    if not _sees_all(account):
        is_seen = or_(SubmissionRecord.is_hidden.is_(False), SubmissionRecord.user_id == reader, of_their_team)
        query = query.where(PhaseRecord.hidden.is_(False), is_seen)
    with services().db.read() as session:
        found = session.execute(query).one_or_none()
    if found is None:
        return None
    submission, is_of_their_team = found
    g.setdefault("of_their_team", {})[submission_id] = is_of_their_team  # so that `is_owner` need not ask again
    return submission


def _phase(competition_slug: str, phase_slug: str, account: Account | None) -> PhaseRecord | None:
    query = (
        select(PhaseRecord)
        .join(PhaseRecord.competition)
        .options(contains_eager(PhaseRecord.competition))
        .where(CompetitionRecord.slug == competition_slug, PhaseRecord.slug == phase_slug)
    )
    with services().db.read() as session:
        return session.scalar(query if _sees_all(account) else query.where(PhaseRecord.hidden.is_(False)))


def _found(record: Result | None) -> Result:
    if record is None:
        abort(404)
    return record


def _sees_all(account: Account | None) -> bool:
    return account is not None and account.is_organizer
