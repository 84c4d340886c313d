"""Phases with thousands of submissions, written straight into a database, and the naive way to a leaderboard.

`benchmarks.pages` measures pages over them; by itself this does nothing.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from flask import Flask, render_template, url_for
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from scoring import Truth, report
from scoring.statistics.jackknife import standard_error_of
from server.app import create_app
from server.auth.access import Who, allow, the_phase
from server.config import services
from server.forms.board_query import Links, asked
from server.pages.competition.leaderboard import METRIC_NAMES, METRIC_TITLES, cells_html
from submissions.leaderboard import board_page, standings
from submissions.leaderboard.model import METRICS, Board, Query, Row
from submissions.results.disclosure import board_disclosure
from submissions.storage.records import EvaluationRecord, PhaseRecord, StandingRecord, SubmissionRecord, UserRecord
from submissions.storage.states import State
from tests.records import START, Records

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SUBMISSIONS = 20
NETWORKS = 96
_AT_A_TIME = 5000


def fill(records: Records, slug: str, entrants: int, submissions: int = SUBMISSIONS) -> int:
    """A phase with so many people and so many scored submissions of each, over two zoos; its id."""
    phase_id = records.phase(slug, competition=slug)
    rng = random.Random(entrants)
    with records.db.write() as session:
        first = (session.query(UserRecord).count()) + 1000
        people = [{"id": first + i, "name": f"{slug}-{i}", "name_key": f"{slug}-{i}"} for i in range(entrants)]
        _insert(session, UserRecord, [_person(**one) for one in people])
        zoos = [link.zoo_id for link in session.get_one(PhaseRecord, phase_id).zoo_links]
        start = (session.query(SubmissionRecord).count()) + 1
        made: list[dict[str, Any]] = []
        evaluations: list[dict[str, Any]] = []
        for place in range(entrants * submissions):
            person = people[place % entrants]
            scores = [rng.uniform(0, 0.5) for _ in zoos]
            at = START + timedelta(seconds=place)
            made.append(
                {
                    **_SUBMISSION,
                    **{"id": start + place, "phase_id": phase_id, "user_id": person["id"], "name": f"Measure {place}"},
                    **{"entrant": f"u{person['id']}", "score": 50 * sum(scores), "standard_error": 4.2},
                    **{"created_at": at, "started_at": at, "finished_at": at + timedelta(minutes=5)},
                }
            )
            evaluations += [
                {
                    **{"submission_id": start + place, "zoo_id": zoo, "attempt": 1, "position": position},
                    **{"networks": NETWORKS, "state": State.SCORED, "cmi": cmi, "standard_error": 0.06},
                    **{"kendall_tau": cmi**0.5, "granulated_kendall": cmi / 2, "sign_error": 0.5 - cmi / 2},
                }
                for position, (zoo, cmi) in enumerate(zip(zoos, scores, strict=True))
            ]
        _insert(session, SubmissionRecord, made)
        _insert(session, EvaluationRecord, evaluations)
        standings.rebuild(session, phase_id)
    return phase_id


_SUBMISSION: Mapping[str, Any] = {
    **{"filename": "measure.py", "bundle_sha256": "0" * 64, "state": State.SCORED, "attempt": 1, "priority": 0},
    **{"spends_quota": True, "is_baseline": False, "is_reference": False, "is_chosen": False, "is_released": False},
    **{"is_hidden": False, "is_disqualified": False, "description": "", "link": "", "track": "standard", "needs": []},
}


def _person(**fields: object) -> dict[str, object]:
    return {"role": "participant", "wants_mail": True, "created_at": START, **fields}


def _insert(session: Session, record: type[Any], rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _AT_A_TIME):
        session.execute(insert(record), rows[start : start + _AT_A_TIME])


def give_reports(records: Records, phase_id: int) -> None:
    """A whole report, with a jackknife of its own, for what counts on the phase's board."""
    random_numbers = np.random.default_rng(phase_id)
    template = _report(random_numbers)
    shared = random_numbers.normal(size=(2, NETWORKS))
    with records.db.write() as session:
        counted = select(EvaluationRecord.id, EvaluationRecord.cmi, EvaluationRecord.position).join(
            StandingRecord, StandingRecord.submission_id == EvaluationRecord.submission_id
        )
        for evaluation_id, cmi, position in session.execute(counted.where(StandingRecord.phase_id == phase_id)).all():
            own = random_numbers.normal(size=NETWORKS)
            left_out = (cmi or 0.0) + 0.004 * (0.5 * shared[position] + own)
            jackknife = {
                "estimate": cmi,
                "standard_error": standard_error_of(left_out),
                "left_out": dict(zip(template["jackknife"]["left_out"], left_out.tolist(), strict=True)),
            }
            session.execute(
                update(EvaluationRecord)
                .where(EvaluationRecord.id == evaluation_id)
                .values(report={**template, "jackknife": jackknife})
            )


def _report(random_numbers: np.random.Generator) -> dict[str, Any]:
    """What scoring says of random values on a grid like PGDL's task 1."""
    rows = np.array(list(np.ndindex(2, 2, 2, 3, 2, 2)))
    ids = [f"{number:012x}" for number in range(NETWORKS)]
    axes = {f"axis{axis}": list(range(size)) for axis, size in enumerate((2, 2, 2, 3, 2, 2))}
    truth = Truth.from_arrays(ids, random_numbers.normal(size=NETWORKS), axes, rows)
    return report(truth, dict(zip(ids, random_numbers.normal(size=NETWORKS).tolist(), strict=True))).as_json()


def change(records: Records, phase_id: int, rng: random.Random) -> None:
    """Some submission of the phase gets another score, as a worker would write it."""
    with records.db.write() as session:
        bounds = select(StandingRecord.submission_id).where(StandingRecord.phase_id == phase_id)
        submission = session.get_one(SubmissionRecord, rng.choice(session.scalars(bounds).all()))
        submission.score = rng.uniform(0, 50)
        standings.update(session, submission)


NOTHING = "/nothing"  # answers 304 at once: what the server alone costs


def app_with_naive_ways() -> Flask:
    """The application, and beside its own ways the naive ones, in the same processes.

    …/naive is a board that computes everything in the request; `NOTHING` answers nothing.
    """
    app = create_app()
    behind = app.wsgi_app

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] == NOTHING:
            start_response("304 NOT MODIFIED", [])
            return ()
        return behind(environ, start_response)

    app.wsgi_app = answer  # type: ignore[method-assign]

    @allow(Who.VISITOR)
    def naive(**_named: object) -> str:
        phase = the_phase()
        wanted = asked()
        with services().db.read() as session:
            real = board_page.page(session, phase.id, Query(size=1))
            board = _naive(session, phase.id, real)
        path = url_for("leaderboard.show", competition_slug=phase.competition.slug, phase_slug=phase.slug)
        fragment = render_template(
            "board/_board.html",
            **{"phase": phase, "board": board, "links": Links(board, wanted.show, path), "waiting": 0},
            **{"metrics": tuple(METRICS), "metric_names": METRIC_NAMES, "metric_titles": METRIC_TITLES},
            **{"all_metrics": tuple(METRICS), "is_frozen": False, "submission_path": "/submissions/"},
            cells={row.submission_id: cells_html(row.cells, tuple(METRICS)) for row in board.rows},
            reference_rows=[],
        )
        return render_template("leaderboard.html", phase=phase, board=fragment, mine="")

    rule = "/competitions/<competition:competition_slug>/<phase:phase_slug>/naive"
    app.add_url_rule(rule, "naive", naive)
    return app


def _naive(session: Session, phase_id: int, board: Board) -> Board:
    """All submissions read, the best of each entrant found and ranked, the first fifty shown: nothing kept."""
    phase = session.get_one(PhaseRecord, phase_id)
    best: dict[str, Any] = {}
    scored: dict[str, int] = {}
    everything = select(
        *(SubmissionRecord.id, SubmissionRecord.entrant, SubmissionRecord.score, SubmissionRecord.standard_error),
        *(SubmissionRecord.name, SubmissionRecord.track, SubmissionRecord.created_at, UserRecord.name.label("by")),
    ).where(
        SubmissionRecord.phase_id == phase_id,
        SubmissionRecord.state == State.SCORED,
        SubmissionRecord.is_hidden.is_(False),
        SubmissionRecord.is_disqualified.is_(False),
        UserRecord.id == SubmissionRecord.user_id,
    )
    for submission in session.execute(everything):
        scored[submission.entrant] = scored.get(submission.entrant, 0) + 1
        other = best.get(submission.entrant)
        if other is None or submission.score > other.score:
            best[submission.entrant] = submission
    ordered = sorted(best.values(), key=lambda one: -one.score)
    rows = [
        Row(
            rank=place,
            is_tied=False,
            lowest=None,
            highest=None,
            entrant=one.entrant,
            submission_id=one.id,
            name=one.name,
            by=one.by,
            is_alias=False,
            is_baseline=False,
            is_reference=False,
            track=one.track,
            score=round(one.score, 2),
            standard_error=one.standard_error,
            scored=scored[one.entrant],
            submitted_at=one.created_at,
        )
        for place, one in enumerate(ordered[:50], start=1)
    ]
    return replace(
        board,
        rows=board_page.with_cells(session, tuple(rows), board.columns, board_disclosure(phase)),
        total=len(ordered),
        pages=-(-len(ordered) // 50),
        query=replace(board.query, size=50),
    )
