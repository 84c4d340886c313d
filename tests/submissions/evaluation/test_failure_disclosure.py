"""What is told of a failure: everything on a public zoo or with logs, else the reason and nothing that was chosen."""

import dataclasses
import io
import itertools
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from submissions.evaluation.failure_disclosure import (
    OUR_FAULT,
    FailureText,
    failure_told,
    limits_text,
    seen_states,
    tells_all,
)
from submissions.evaluation.page_state import page_state
from submissions.evaluation.submission_progress import progress
from submissions.intake.bundle_store import BundleStore
from submissions.people.account_export import write_export
from submissions.results.disclosure import Reader, disclosure
from submissions.storage.database import Database
from submissions.storage.limits import Limits
from submissions.storage.records import (
    FailureRecord,
    NotificationRecord,
    PhaseRecord,
    SubmissionRecord,
    TimeRule,
    utc_now,
)
from submissions.storage.roles import PERMISSIONS, Role
from submissions.storage.states import Reason, State
from tests.factories import Competition, make_competition, make_tiny_zoo

OWNER = Reader(is_owner=True)
TEXTS = st.builds(FailureText, st.text(), st.none() | st.text(), st.none() | st.text())
WORDS = FailureText("w0_17 at complexity.py line 59", "the message", "the log")


def phase(*, shows_logs: bool = False, time_rule: TimeRule = TimeRule.PER_NETWORK, **limits: Any) -> PhaseRecord:
    return PhaseRecord(
        slug="p", title="P", opens_at=utc_now(), shows_logs=shows_logs, time_rule=time_rule, limits=Limits(**limits)
    )


@given(TEXTS, TEXTS, st.sampled_from(Reason))
def test_on_a_hidden_zoo_without_logs_two_failures_of_one_reason_look_the_same(
    one: FailureText, other: FailureText, reason: Reason
) -> None:
    first, second = (failure_told(text, reason, phase(), truth_public=False) for text in (one, other))
    assert first == second
    assert (first.message, first.log) == (None, None)


@pytest.mark.parametrize(("shows_logs", "truth_public"), [(True, False), (False, True), (True, True)])
def test_on_a_public_zoo_or_with_logs_everything_is_told(shows_logs: bool, truth_public: bool) -> None:
    shown = phase(shows_logs=shows_logs)
    assert tells_all(shown, truth_public=truth_public)
    assert failure_told(WORDS, Reason.RAISED, shown, truth_public=truth_public) == WORDS


@pytest.mark.parametrize(
    ("reason", "settings", "text"),
    [
        (Reason.TIME_LIMIT, {"wall_s": 60.0}, "longer than 60 s"),
        (Reason.TIME_LIMIT, {"wall_s": 60.0, "cpu_s": 30.0}, "longer than 60 s, or more processor time than 30 s"),
        (
            Reason.TIME_LIMIT,
            {"wall_s": 10.0, "time_rule": TimeRule.POOLED},
            "longer than 10 s for each network, counted over all networks of a zoo together (pooled)",
        ),
        (Reason.MEMORY_LIMIT, {"memory_bytes": 2**30}, "more than 1024 MiB"),
        (Reason.OUTPUT_FLOOD, {"log_bytes": 1000}, "more than 1000 bytes of output"),
        (Reason.CRASHED, {}, ""),
        (Reason.RAISED, {}, ""),
    ],
)
def test_a_broken_limit_is_told_from_the_phase_alone(reason: Reason, settings: dict[str, Any], text: str) -> None:
    assert limits_text(reason, phase(**settings)) == text


@given(st.permutations([State.FAILED, State.SCORED, State.CANCELLED, State.CANCELLED]))
def test_states_of_hidden_zoos_do_not_tell_where_a_measure_failed(states: list[State]) -> None:
    assert seen_states([(state, False) for state in states]) == [State.FAILED] * 4


def test_states_of_public_zoos_are_told_and_those_of_hidden_ones_are_not() -> None:
    public, hidden = True, False
    assert seen_states([(State.FAILED, public), (State.SCORED, hidden)]) == [State.FAILED, State.CANCELLED]
    assert seen_states([(State.SCORED, public), (State.FAILED, hidden)]) == [State.SCORED, State.FAILED]
    assert seen_states([(State.SCORED, public), (State.RUNNING, hidden)]) == [State.SCORED, State.RUNNING]


@pytest.fixture
def hidden(any_db: Database, store: BundleStore, tmp_path: Path) -> Competition:
    """A phase over two zoos whose truth is hidden, without logs."""
    zoos = [
        make_tiny_zoo(tmp_path / name, name, copies=n, truth_public=False) for n, name in ((2, "two"), (3, "three"))
    ]
    return make_competition(any_db, store, zoos, smoke_networks=0, is_revealed=False)


def everything_seen(competition: Competition, user: int, submission_id: int) -> str:
    """All that its author is told of a submission, less what names it and its moments."""
    with competition.db.read() as session:
        submission = session.get_one(SubmissionRecord, submission_id)
        assert submission.finished_at is not None
        assert submission.finished_at.microsecond == 0
        seen = dataclasses.asdict(progress(session, submission_id, OWNER))
        stages = page_state(session, submission, disclosure(submission.phase, submission, OWNER))
        notices = session.scalars(
            select(NotificationRecord).where(NotificationRecord.submission_id == submission_id)
        ).all()
        assert [notice.at for notice in notices] == [submission.finished_at.replace(second=0) + timedelta(minutes=1)]
        failure = session.scalars(select(FailureRecord).order_by(FailureRecord.run_id.desc())).first()
        assert failure is not None
        stored = (failure.detail, failure.message, failure.log)
    file = io.BytesIO()
    write_export(competition.db, competition.store, user, file)
    listed = json.loads(zipfile.ZipFile(file).read("submissions.json"))
    (export,) = [one for one in listed if one["id"] == submission_id]
    for content in (seen, export):
        for name in ("id", "submission_id", "code", "created_at", "started_at", "finished_at"):
            content.pop(name, None)
    return repr((seen, stages, [notice.text for notice in notices], export, stored))


@pytest.mark.both_databases
def test_a_failure_on_a_hidden_zoo_tells_its_author_the_reason_and_nothing_else(hidden: Competition) -> None:
    """Whichever network and zoo it fails on, after however many values, and whatever it says."""
    user = hidden.user()
    seen = set()
    for values_before, zoo_position, words in itertools.product((0, 3), (0, 1), (WORDS, FailureText("a b c"))):
        submission = hidden.submit(user)
        first = hidden.claim(batch=8)
        assert first is not None
        runs = list(first.runs)
        for run in runs[:values_before]:
            assert hidden.record(first, run, wall_s=values_before)
        failing, claim = runs[values_before], first
        if zoo_position == 1:
            for run in runs[values_before:]:
                assert hidden.record(first, run)
            second = hidden.claim(batch=1 + values_before)
            assert second is not None
            failing, claim = second.runs[values_before], second
        assert hidden.fail(claim, failing, **dataclasses.asdict(words), wall_s=1.5, cpu_s=1.25, peak_bytes=12345)
        seen.add(everything_seen(hidden, user, submission))
    assert len(seen) == 1
    (told_of_it,) = seen
    assert "The measure raised an exception." in told_of_it


@pytest.mark.both_databases
def test_while_it_runs_on_a_hidden_zoo_no_time_or_memory_is_told(hidden: Competition) -> None:
    """They would be told to the last digit before the measure fails."""
    submission = hidden.submit(hidden.user())
    claim = hidden.claim(batch=8)
    assert claim is not None
    assert hidden.record(claim, claim.runs[0], wall_s=1.23456)
    before = hidden.progress(submission).zoos[0]
    assert (before.done, before.mean_wall_s, before.longest_wall_s, before.peak_bytes) == (0, None, None, None)
    for run in claim.runs[1:]:
        assert hidden.record(claim, run)
    after = hidden.progress(submission).zoos[0]
    assert after.state is State.SCORED
    assert after.longest_wall_s is None


@pytest.mark.both_databases
def test_a_failure_on_a_public_zoo_is_told_whole_without_logs_too(smoked: Competition) -> None:
    submission = smoked.submit(smoked.user())
    claim = smoked.claim()
    assert claim is not None
    assert smoked.fail(claim, claim.runs[1], **dataclasses.asdict(WORDS))
    failure = smoked.progress(submission).failure
    assert failure is not None
    assert (failure.is_smoke, failure.zoo_title, failure.ordinal) == (True, "The tiny zoo", 2)
    assert FailureText(failure.detail, failure.message, failure.log) == WORDS


@pytest.mark.both_databases
def test_why_a_submission_is_broken_is_told_to_organizers_only(hidden: Competition) -> None:
    digest = "e" * 64
    secret = f"worker-7: /srv/gengap/cache/{digest}/public/networks/0123456789ab.safetensors: gone"
    author = hidden.user()
    submission = hidden.submit(author)
    tries = hidden.fail_by_our_fault(message=secret)
    organizer = Reader(permissions=PERMISSIONS[Role.ORGANIZER])
    with hidden.db.read() as session:
        told = [progress(session, submission, reader).detail for reader in (OWNER, Reader(), organizer)]
    text = f"A worker could not read or write a file (sha256 {digest}); the log of the workers says more"
    assert told == [OUR_FAULT, None, f"{text} ({tries} tries)"]
    exported = io.BytesIO()
    write_export(hidden.db, hidden.store, author, exported)
    archive = zipfile.ZipFile(exported)
    assert json.loads(archive.read("submissions.json"))[0]["detail"] == OUR_FAULT
    assert not any(b"0123456789ab" in archive.read(name) for name in archive.namelist())
