"""The API does what its OpenAPI document says: schemathesis sends what it allows and forbids, and checks every answer.

Requests go to records that exist, so that most of them are carried out. What is sent is the same in every run.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, CheckFunction, load_all_checks
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from sqlalchemy import delete, update

from submissions.storage.records import ApiTokenRecord, JobKind, PhaseRecord, SubmissionRecord
from submissions.zoos.jobs import enqueue
from submissions.zoos.uploads import begin_upload
from tests.server.api.clients import ROOT, UNLIMITED, give_code, make_team, script
from tests.server.site import GOOD_MEASURE, Site

# How many requests each person sends to each route: allowed ones, and forbidden ones.
EXAMPLES: Mapping[str | None, tuple[int, int]] = {None: (1, 2), "ann": (4, 4), "olga": (6, 6)}

Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
load_all_checks()
# What the document allows may still make no sense: a name that is taken, a phase that closes before it opens. And what
# an organizer has hidden is not there (404) for a visitor, who would else be told to log in (401): test_api_access.
LEFT_OUT = ("positive_data_acceptance", "ignored_auth")


@dataclass(frozen=True)
class Described:
    """A site as its document describes it, and what its addresses name. still: where nothing changes, for reading."""

    site: Site
    operations: tuple[Operation, ...]
    names: dict[str, Any]
    still: dict[str, Any]
    carried_out: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    site = Site(tmp_path_factory.mktemp("described"), **UNLIMITED, zoo_sources=["/zoos"])
    phase = site.phase()
    submission = site.submission(phase, site.ann, cmi=(0.1, 0.2))
    give_code(site, submission, GOOD_MEASURE)
    names = {
        "competition_slug": "demo",
        "phase_slug": "main",
        "submission_id": submission,
        "other_id": site.submission(phase, site.bob, cmi=(0.2, 0.3)),
        "zoo_id": site.checked("digits-mlp"),
        "job_id": enqueue(site.db, JobKind.FOLDER, {"address": "/zoos/digits"}, site.olga),
        "upload_id": begin_upload(site.db, site.settings, "digits.zip", 10, site.olga),
        "invite_key": make_team(site, phase, site.bob),
        "zoo_name": "digits-mlp",
        "measure_name": "path-norm",
        "picture": "gaps",
        **dict.fromkeys(("token_id", "session_id", "announcement_id", "notification_id"), 1),
    }
    quiet = site.phase(competition="quiet")
    still: dict[str, Any] = {
        "competition_slug": "quiet",
        "submission_id": site.submission(quiet, site.ann, cmi=(0.1, 0.2)),
        "other_id": site.submission(quiet, site.bob, cmi=(0.2, 0.3)),
    }
    give_code(site, still["submission_id"], GOOD_MEASURE)
    schema = schemathesis.openapi.from_wsgi(f"{ROOT}/openapi.json", site.app)
    operations = tuple(result.ok() for result in schema.get_all_operations() if isinstance(result, Ok))
    yield Described(site, operations, names, still)
    site.close()


@pytest.mark.parametrize(
    "person", [pytest.param(p, marks=pytest.mark.thorough) if p != "olga" else p for p in EXAMPLES]
)
@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, pytest.param(GenerationMode.NEGATIVE, marks=pytest.mark.thorough)]
)
def test_every_route_does_what_the_document_says(
    described: Described, person: str | None, mode: GenerationMode
) -> None:
    allowed, forbidden = EXAMPLES[person]
    examples = allowed if mode is GenerationMode.POSITIVE else forbidden
    examples = min(examples, settings().max_examples // 10)  # two for `make test`
    failures = [
        failure
        for operation in described.operations
        if (failure := _failure(described, operation, person, mode, examples)) is not None
    ]
    assert not failures, "\n\n".join(failures)


def test_what_only_reads_is_carried_out_for_an_organizer(described: Described) -> None:
    reads = [one for one in described.operations if one.method == "get"]
    assert [_failure(described, one, "olga", GenerationMode.POSITIVE, 2) for one in reads] == [None] * len(reads)
    not_there = {one.label for one in reads} - described.carried_out.keys()
    assert not_there <= {"GET /api/v1/competitions/{competition_slug}/team"}  # olga is in none


def _failure(
    described: Described, operation: Operation, person: str | None, mode: GenerationMode, examples: int
) -> str | None:
    """What an operation did against the document; None where it did nothing."""
    names = described.names | (described.still if operation.method == "get" else {})
    fixed = {name: names[name] for name in _named(operation)}
    has_more = bool(operation.body) or bool(operation.query)
    if mode is GenerationMode.NEGATIVE and not has_more:
        if not fixed:
            return None  # there is nothing to get wrong
        fixed = {}
    _restore(described.site)
    token = script(described.site, person).token
    headers = {"Accept-Encoding": "identity"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    left_out = cast(list[CheckFunction], CHECKS.get_by_names(list(LEFT_OUT)))
    strategy = operation.as_strategy(mode, path_parameters=fixed or None)

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def send(case: Case[Any]) -> None:
        answer = case.call_and_validate(headers=headers, excluded_checks=left_out)
        described.carried_out.update([operation.label] if answer.status_code < 300 else [])

    try:
        send()
    except (Exception, ExceptionGroup) as error:  # noqa: BLE001  (told with all the others)
        return f"{operation.label}: {error}"
    return None


def _restore(site: Site) -> None:
    """Undo what keeps later requests from being carried out: used up tokens, and records that were hidden."""
    with site.db.write() as session:
        session.execute(delete(ApiTokenRecord))
        session.execute(update(PhaseRecord).values(hidden=False))
        session.execute(update(SubmissionRecord).values(is_hidden=False, is_disqualified=False))


def _named(operation: Operation) -> list[str]:
    return [parameter.name for parameter in operation.path_parameters]
