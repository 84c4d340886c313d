"""Access control: who may use which route and see what its URL names. Denies by default; called before every view.

Every view is marked with `allow`, and every parameter of its URL has a kind (`server.auth.parameters`). The application
does not start with a route that lacks either; a route added later answers 403 to everybody. Hidden phases and hidden
submissions do not exist (404) for anyone without `Permission.SEE_HIDDEN`; the owners of a hidden submission (its
author, or the members of its team) still see it. The records that the URL names are loaded here once; views get them
from `the_competition()`, `the_phase()`, `the_submission()` and `submission_named()`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ParamSpec, TypeVar, cast

from flask import Flask, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Select, select
from sqlalchemy.orm import contains_eager
from werkzeug.routing import Rule

from server.auth import bearer
from server.auth.login import Account, current_account, may
from server.auth.parameters import KINDS, Guard, id_in, kinds_in
from server.config import services
from submissions.intake.seen_submission import seen_submission
from submissions.leaderboard.entrants import is_member
from submissions.people.tokens import Scope
from submissions.storage.roles import NOTHING, Permission, Permissions
from submissions.storage.site_records import CompetitionRecord, PhaseRecord
from submissions.storage.submission_head import SubmissionHead

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_MARK = "gengap_declaration"


class Who(StrEnum):
    """Who may use a route that needs no permission."""

    VISITOR = "visitor"  # anyone, also without an account
    PARTICIPANT = "participant"  # anyone with an account


@dataclass(frozen=True)
class OwnerOr:
    """The owners of the submission that the URL names, and everybody who has the permission."""

    permission: Permission


Allowed = Who | OwnerOr | Permission | Permissions  # permissions: all of them are needed


@dataclass(frozen=True)
class Declaration:
    """What a view declares. query: query parameters that name submissions."""

    allowed: Allowed
    scope: Scope | None
    query: tuple[str, ...]

    @property
    def needed(self) -> Permissions:
        if isinstance(self.allowed, Who | OwnerOr):
            return NOTHING
        return frozenset({self.allowed}) if isinstance(self.allowed, Permission) else self.allowed


class UndeclaredRouteError(Exception):
    """A route does not say who may use it, or what its URL names."""


def allow(
    allowed: Allowed, scope: Scope | None = None, *, submissions_in_query: Iterable[str] = ()
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Declare who may use the decorated view; in the API also which scope a token must have.

    submissions_in_query: query parameters that name submissions, if they are given.
    """

    def mark(view: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        setattr(view, _MARK, Declaration(allowed, scope, tuple(submissions_in_query)))
        return view

    return mark


def declared(view: Callable[..., Any]) -> Declaration | None:
    """Return what a view declares, None if it declares nothing."""
    return getattr(view, _MARK, None)


def init_app(app: Flask) -> None:
    app.before_request(_enforce)


def check_routes(app: Flask) -> None:
    """Check all routes, once they are registered. Raises UndeclaredRouteError."""
    for rule in app.url_map.iter_rules():
        if fault := _fault(rule, declared(app.view_functions[rule.endpoint])):
            raise UndeclaredRouteError(f"The route {rule.endpoint} ({rule}) {fault}.")


def the_competition() -> CompetitionRecord:
    """The competition that the URL names. The reader may see it."""
    return cast(CompetitionRecord, g.competition)


def the_phase() -> PhaseRecord:
    """The phase that the URL names, with its competition. The reader may see it."""
    return cast(PhaseRecord, g.phase)


def the_submission() -> SubmissionHead:
    """The submission that the URL names, with its phase and competition. The reader may see it."""
    return cast(SubmissionHead, g.submission)


def submission_named(name: str) -> SubmissionHead | None:
    """The submission that this parameter of the URL names, None where it is not given. The reader may see it."""
    return cast(dict[str, SubmissionHead], g.submissions).get(name)


def is_owner(submission: SubmissionHead) -> bool:
    """Whether the reader made this submission, or is in the team that it was made for."""
    account = current_account()
    if account is None:
        return False
    if account.id == submission.user_id or submission.team_id is None:
        return account.id == submission.user_id
    known: bool | None = g.get("of_their_team", {}).get(submission.id)
    if known is not None:
        return known
    with services().db.read() as session:
        return is_member(session, submission, account.id)


def is_owner_or_may(submission: SubmissionHead, permission: Permission) -> bool:
    return may(permission) or is_owner(submission)


def may_open(endpoint: str) -> bool:
    """Whether the reader has the permissions that a route asks for."""
    declaration, account = declared(current_app.view_functions[endpoint]), current_account()
    return declaration is not None and account is not None and declaration.needed <= account.permissions


def visible_competitions() -> Select[CompetitionRecord]:
    """Competitions with the phases that the reader may see; one without any such phase does not appear."""
    query = (
        select(CompetitionRecord)
        .join(CompetitionRecord.phases)
        .options(contains_eager(CompetitionRecord.phases))
        .order_by(CompetitionRecord.id.desc(), PhaseRecord.opens_at)
    )
    return query if may(Permission.SEE_HIDDEN) else query.where(PhaseRecord.hidden.is_(False))


def _enforce() -> ResponseReturnValue | None:
    if request.url_rule is None:
        return None
    declaration = declared(current_app.view_functions[request.url_rule.endpoint])
    fault = _fault(request.url_rule, declaration)
    if declaration is None or fault is not None:
        current_app.logger.error("The route %s %s.", request.endpoint, fault)
        abort(403)
    if declaration.scope is not None:
        bearer.require(declaration.scope)
    account = current_account()
    _load(kinds_in(request.url_rule.rule), declaration.query)
    if _is_allowed(declaration, account):
        return None
    if account is not None:
        abort(403)
    if declaration.scope is not None:
        raise bearer.no_token()
    has_page = "GET" in (request.url_rule.methods or ())
    here = request.full_path if request.query_string else request.path
    return redirect(url_for("accounts.log_in_form", next=here if has_page else url_for("home.home")))


def _fault(rule: Rule, declaration: Declaration | None) -> str | None:
    """What a route fails to say, None for nothing."""
    if declaration is None:
        return "does not declare who may use it"
    if rule.rule.startswith(bearer.PREFIX) != (declaration.scope is not None):
        return "is of the API and names no scope, or names one and is not of the API"
    named = kinds_in(rule.rule)
    if unknown := rule.arguments - named.keys():
        return f"does not declare what {', '.join(sorted(unknown))} names"
    kinds = set(named.values())
    if "phase" in kinds and "competition" not in kinds:
        return "names a phase without its competition"
    if [kind for kind in ("competition", "phase") if list(named.values()).count(kind) > 1]:
        return "names two competitions or phases, of which only one would be loaded"
    if isinstance(declaration.allowed, OwnerOr) and "submission" not in kinds:
        return "allows an owner and names no submission"
    for kind in sorted(kinds):
        guard = KINDS[kind].guard
        if guard is Guard.OWN and declaration.allowed is Who.VISITOR:
            return f"names a person's {kind} and allows visitors"
        if isinstance(guard, frozenset) and not guard & declaration.needed:
            return f"names a {kind} and asks for none of: {', '.join(sorted(guard))}"
    return None


def _is_allowed(declaration: Declaration, account: Account | None) -> bool:
    if declaration.allowed is Who.VISITOR:
        return True
    if account is None:
        return False
    if isinstance(declaration.allowed, OwnerOr):
        return is_owner_or_may(the_submission(), declaration.allowed.permission)
    return declaration.needed <= account.permissions


def _load(kinds: Mapping[str, str], query: Iterable[str]) -> None:
    """Load what the URL names; 404 where the reader may not see it. query: as `Declaration` has it."""
    of_kind = {kind: name for name, kind in kinds.items()}
    values: Mapping[str, Any] = request.view_args or {}
    g.submissions = {name: _submission(values[name]) for name, kind in kinds.items() if kind == "submission"}
    if g.submissions:
        g.submission = next(iter(g.submissions.values()))
    for name in query:
        if text := request.args.get(name):
            g.submissions[name] = _submission(_found(id_in(text)))
    if "phase" in of_kind:
        g.phase = _phase(values[of_kind["competition"]], values[of_kind["phase"]])
    elif "competition" in of_kind:
        slug = values[of_kind["competition"]]
        with services().db.read() as session:
            visible = session.scalars(visible_competitions().where(CompetitionRecord.slug == slug))
            g.competition = _found(visible.unique().one_or_none())


def _submission(submission_id: int) -> SubmissionHead:
    account = current_account()
    reader = account.id if account is not None else None
    with services().db.read() as session:
        seen = seen_submission(session, submission_id, reader, sees_hidden=may(Permission.SEE_HIDDEN))
    submission, is_of_their_team = _found(seen)
    g.setdefault("of_their_team", {})[submission_id] = is_of_their_team  # so that `is_owner` need not ask again
    return submission


def _phase(competition_slug: str, phase_slug: str) -> PhaseRecord:
    query = (
        select(PhaseRecord)
        .join(PhaseRecord.competition)
        .options(contains_eager(PhaseRecord.competition))
        .where(CompetitionRecord.slug == competition_slug, PhaseRecord.slug == phase_slug)
    )
    if not may(Permission.SEE_HIDDEN):
        query = query.where(PhaseRecord.hidden.is_(False))
    with services().db.read() as session:
        return _found(session.scalar(query))


def _found(record: Result | None) -> Result:
    return record if record is not None else abort(404)
