"""The smoke run: before everything else, on a public zoo, free of quota, and never part of a score."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from model_zoo import open_zoo
from model_zoo.store import ZooStore
from submissions.competitions.competitions import CompetitionError, create_competition
from submissions.competitions.starting_kit import kit_zoo
from submissions.evaluation import outcomes, queue
from submissions.evaluation.open_submissions import open_submissions
from submissions.evaluation.smoke_run import smoke_networks, smoke_zoo
from submissions.intake import submit
from submissions.intake.bundle_store import BundleStore
from submissions.intake.quota import Quota, quota_of
from submissions.leaderboard.board_page import page
from submissions.storage.database import Database
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    Purpose,
    SubmissionRecord,
    ZooRecord,
    ZooState,
    utc_now,
)
from submissions.storage.states import Reason, State
from submissions.zoos.registry import register_zoo
from tests.factories import Competition, bundle_of, make_competition, make_tiny_zoo

pytestmark = pytest.mark.both_databases


def quota(competition: Competition, user: int) -> Quota:
    with competition.db.read() as session:
        phase = session.get_one(PhaseRecord, competition.phase_id)
        return quota_of(session, phase, user, utc_now())


def fail_in_smoke(competition: Competition, user: int) -> int:
    submission = competition.submit(user)
    claim = competition.claim()
    assert claim is not None
    assert claim.purpose is Purpose.SMOKE
    assert competition.fail(claim, claim.runs[0])
    return submission


def test_the_smoke_run_tries_the_smallest_and_the_largest_network_of_the_public_zoo(
    smoked: Competition, tiny_zoo: Path
) -> None:
    smoked.submit(smoked.user())
    claim = smoked.claim()
    assert claim is not None
    assert claim.zoo_sha256 == open_zoo(tiny_zoo).manifest_sha256
    sizes = {network.id: network.weights.stat().st_size for network in open_zoo(tiny_zoo).networks}
    tried = [sizes[run.network_id] for run in claim.runs]
    assert tried == [min(sizes.values()), max(sizes.values())]
    assert tried[0] < tried[1]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 50])
def test_smoke_networks_are_distinct_and_always_the_same(tiny_zoo: Path, count: int) -> None:
    zoo = {network.id: network.weights.stat().st_size for network in open_zoo(tiny_zoo).networks}
    chosen = smoke_networks(zoo, count)
    assert len(set(chosen)) == len(chosen) == min(count, 8)
    assert chosen == smoke_networks(zoo, count)


def test_nothing_else_of_the_submission_may_be_claimed_while_it_is_in_its_smoke_run(smoked: Competition) -> None:
    submission = smoked.submit(smoked.user())
    assert queue.pending(smoked.db) == 2
    claim = smoked.claim()
    assert claim is not None
    assert smoked.claim("other") is None
    assert queue.pending(smoked.db) == 0
    assert smoked.record(claim, claim.runs[0])
    assert smoked.claim("other") is None
    assert smoked.progress(submission).is_in_smoke
    assert smoked.record(claim, claim.runs[1])
    assert queue.pending(smoked.db) == 20
    assert smoked.progress(submission).waits_after_smoke
    following = smoked.claim("other")
    assert following is not None
    assert following.purpose is Purpose.SCORE
    assert not smoked.progress(submission).waits_after_smoke


def test_other_submissions_do_not_wait_for_a_smoke_run(smoked: Competition) -> None:
    first, second = smoked.submit(smoked.user("ada")), smoked.submit(smoked.user("bob"))
    claims = [smoked.claim("one"), smoked.claim("two")]
    assert [claim and claim.submission_id for claim in claims] == [first, second]


def test_smoke_values_enter_no_score(smoked: Competition) -> None:
    submission = smoked.submit(smoked.user())
    claim = smoked.claim()
    assert claim is not None
    for run in claim.runs:
        assert smoked.record(claim, run, 1e9)
    gaps: dict[str, float] = {}
    for evaluation in smoked.evaluations(submission):
        with smoked.db.read() as session:
            zoo = session.get_one(ZooRecord, evaluation.zoo_id)
        gaps |= smoked.zoos.truth(zoo.manifest_sha256).gaps()
    while (claim := smoked.claim()) is not None:
        for run in claim.runs:
            assert smoked.record(claim, run, gaps[run.network_id])
    told = smoked.progress(submission)
    assert told.state is State.SCORED
    assert [(zoo.networks, zoo.done, zoo.kendall_tau) for zoo in told.zoos] == [(12, 12, 1.0), (8, 8, 1.0)]
    assert told.score == pytest.approx(100 * sum((zoo.cmi or 0) / 100 for zoo in told.zoos) / 2, abs=0.01)
    assert told.smoke is not None
    assert (told.smoke.state, told.smoke.networks, told.smoke.done) == (State.SCORED, 2, 2)
    assert [e.cmi for e in smoked.evaluations(submission) if e.purpose is Purpose.SMOKE] == [None]
    with smoked.db.read() as session:
        (row,) = page(session, smoked.phase_id).rows
    assert len(row.cells) == 2


def test_an_open_submission_is_listed_without_its_smoke_networks(smoked: Competition) -> None:
    smoked.submit(smoked.user())
    assert smoked.work_through(Purpose.SMOKE) == 2
    with smoked.db.read() as session:
        (listed,) = open_submissions(session, smoked.phase_id)
    assert (listed.done, listed.networks) == (0, 20)


def test_a_failure_in_the_smoke_run_ends_the_submission_and_spends_no_quota(smoked: Competition) -> None:
    user = smoked.user()
    submission = fail_in_smoke(smoked, user)
    told = smoked.progress(submission)
    assert (told.state, told.reason, told.spends_quota) == (State.FAILED, Reason.RAISED, False)
    assert told.failure is not None
    assert (told.failure.is_smoke, told.failure.ordinal, told.failure.networks) == (True, 1, 2)
    assert queue.pending(smoked.db) == 0
    assert quota(smoked, user).remaining == quota(smoked, user).daily


def test_a_submission_spends_quota_when_its_first_scored_run_begins(smoked: Competition) -> None:
    user = smoked.user()
    smoked.submit(user)
    assert (quota(smoked, user).spent, quota(smoked, user).held) == (0, 1)
    smoked.work_through(Purpose.SMOKE)
    assert (quota(smoked, user).spent, quota(smoked, user).held) == (1, 0)


def test_a_submission_that_has_not_begun_holds_its_place(any_db: Database, store: BundleStore, tiny_zoo: Path) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], daily_quota=2)
    user = competition.user()
    competition.submit(user)
    competition.submit(user)
    with pytest.raises(submit.SubmissionRefused, match="0 used, 2 waiting"):
        competition.submit(user)
    claim = competition.claim()
    assert claim is not None
    competition.fail(claim, claim.runs[0])
    competition.submit(user)


@pytest.mark.parametrize(("reached", "spent"), [("waiting", 0), ("trying", 0), ("passed", 0), ("begun", 1)])
def test_cancelling_spends_quota_only_once_a_scored_network_was_begun(
    smoked: Competition, reached: str, spent: int
) -> None:
    user = smoked.user()
    submission = smoked.submit(user)
    claim = None if reached == "waiting" else smoked.claim()
    if claim is not None and reached in ("passed", "begun"):
        assert all(smoked.record(claim, run) for run in claim.runs)
    if reached == "begun":
        assert smoked.claim(batch=1) is not None
    assert outcomes.cancel(smoked.db, submission)
    now = quota(smoked, user)
    assert (now.spent, now.held, now.unspent) == (spent, 0, 1 - spent)


def test_uploads_that_spend_no_quota_have_a_bound_of_their_own(
    any_db: Database, store: BundleStore, tiny_zoo: Path
) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], daily_smoke_failures=3)
    user = competition.user()
    for _ in range(2):
        fail_in_smoke(competition, user)
    assert outcomes.cancel(any_db, competition.submit(user))
    with pytest.raises(submit.SubmissionRefused, match=r"3 of your uploads .* failed in their smoke run"):
        competition.submit(user)
    competition.submit(competition.user("bob"))
    with any_db.write() as session:
        for submission in session.scalars(select(SubmissionRecord).where(SubmissionRecord.user_id == user)):
            submission.created_at -= timedelta(hours=25)
    competition.submit(user)


@pytest.mark.parametrize(("daily", "bound"), [(1, 50), (20, 200)])
def test_the_bound_on_smoke_failures_is_generous(
    any_db: Database, store: BundleStore, tiny_zoo: Path, daily: int, bound: int
) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], daily_quota=daily)
    assert quota(competition, competition.user()).unspent_limit == bound


def test_smoke_runs_go_before_the_same_entrants_other_runs_and_take_no_turn_of_others(smoked: Competition) -> None:
    ada, bob = smoked.user("ada"), smoked.user("bob")
    scored = smoked.submit(ada)
    smoked.work_through(Purpose.SMOKE)
    queue.release(smoked.db, "w")
    anew = smoked.submit(ada)
    uploads = [smoked.submit(bob) for _ in range(3)]
    turns = [(claim.submission_id, claim.purpose) for n in range(3) if (claim := smoked.claim(f"w{n}", batch=2))]
    assert turns == [(anew, Purpose.SMOKE), (uploads[0], Purpose.SMOKE), (scored, Purpose.SCORE)]


def test_a_smoke_run_that_is_our_fault_is_retried_and_breaks_the_submission_in_the_end(smoked: Competition) -> None:
    user = smoked.user()
    submission = smoked.submit(user)
    assert smoked.fail_by_our_fault() > 1
    assert smoked.submission(submission).state is State.BROKEN
    assert queue.pending(smoked.db) == 0
    assert quota(smoked, user).remaining == quota(smoked, user).daily


def test_a_rerun_is_tried_anew(smoked: Competition) -> None:
    submission = fail_in_smoke(smoked, smoked.user())
    assert outcomes.rerun(smoked.db, submission)
    assert smoked.progress(submission).is_in_smoke
    assert smoked.work_through() == 22
    told = smoked.progress(submission)
    assert (told.state, told.attempt, told.failure, told.spends_quota) == (State.SCORED, 2, None, True)


def test_a_baseline_needs_no_smoke_run(smoked: Competition) -> None:
    submission = submit.submit(
        smoked.db,
        smoked.store,
        phase_id=smoked.phase_id,
        user_id=smoked.user(),
        name="baseline",
        bundle=bundle_of("def complexity(model, dataset):\n    return 1.0\n"),
        is_baseline=True,
    )
    assert smoked.progress(submission).smoke is None
    assert queue.pending(smoked.db) == 20


def chosen(competition: Competition) -> str | None:
    with competition.db.read() as session:
        zoo = smoke_zoo(session, session.get_one(PhaseRecord, competition.phase_id))
        return None if zoo is None else zoo.name


def test_without_a_public_zoo_there_is_no_smoke_run(any_db: Database, store: BundleStore, other_zoo: Path) -> None:
    competition = make_competition(any_db, store, [other_zoo])
    submission = competition.submit(competition.user())
    assert chosen(competition) is None
    assert competition.progress(submission).smoke is None
    assert queue.pending(any_db) == 12


def test_a_public_zoo_of_another_phase_serves_but_never_one_of_a_hidden_phase(
    any_db: Database, store: BundleStore, zoos: ZooStore, other_zoo: Path, tmp_path: Path
) -> None:
    competition = make_competition(any_db, store, [other_zoo])
    third = register_zoo(any_db, zoos, make_tiny_zoo(tmp_path / "third", "third", seed=20))
    assert chosen(competition) == "third"
    hidden = PhaseRecord(slug="p", title="P", opens_at=utc_now(), hidden=True)
    create_competition(any_db, slug="secret", title="S", text="", phase=hidden, zoo_ids=[third])
    assert chosen(competition) is None
    shown = PhaseRecord(slug="p", title="P", opens_at=utc_now())
    fourth = register_zoo(any_db, zoos, make_tiny_zoo(tmp_path / "fourth", "fourth", seed=30))
    create_competition(any_db, slug="open", title="O", text="", phase=shown, zoo_ids=[fourth])
    assert chosen(competition) == "fourth"


def test_neither_smoke_run_nor_kit_choose_a_public_copy_of_a_zoo_that_is_hidden_elsewhere(
    any_db: Database, store: BundleStore, zoos: ZooStore, other_zoo: Path, tmp_path: Path
) -> None:
    competition = make_competition(any_db, store, [other_zoo])
    plain = register_zoo(any_db, zoos, make_tiny_zoo(tmp_path / "plain", "plain", seed=20))
    version = register_zoo(any_db, zoos, make_tiny_zoo(tmp_path / "version", "other", seed=30))
    shutil.copytree(other_zoo, tmp_path / "copy")
    manifest = json.loads((other_zoo / "zoo.json").read_text()) | {"name": "copy", "truth_public": True}
    (tmp_path / "copy" / "zoo.json").write_text(json.dumps(manifest))
    copy = register_zoo(any_db, zoos, tmp_path / "copy")
    with any_db.read() as session:
        found = session.get_one(PhaseRecord, competition.phase_id)
        assert kit_zoo(session, [found.id]) == smoke_zoo(session, found) == session.get_one(ZooRecord, plain)
    with any_db.write() as session:
        session.get_one(ZooRecord, plain).state = ZooState.FAILED
        assert kit_zoo(session, [competition.phase_id]) is None
    assert chosen(competition) is None
    for zoo in (version, copy):
        open_to_all = PhaseRecord(slug="p", title="P", opens_at=utc_now())
        with pytest.raises(CompetitionError, match="a version or copy of it is hidden"):
            create_competition(
                any_db, slug="new", title="N", text="", phase=open_to_all, zoo_ids=[zoo], smoke_zoo_id=zoo
            )


def test_the_organizer_chooses_the_smoke_zoo_among_public_ones(
    any_db: Database, store: BundleStore, zoos: ZooStore, tiny_zoo: Path, other_zoo: Path, tmp_path: Path
) -> None:
    tiny, other = register_zoo(any_db, zoos, tiny_zoo), register_zoo(any_db, zoos, other_zoo)
    third = register_zoo(any_db, zoos, make_tiny_zoo(tmp_path / "third", "third", seed=20))

    def make(slug: str, smoke: int) -> int:
        phase = PhaseRecord(slug="p", title="P", opens_at=utc_now())
        return create_competition(
            any_db, slug=slug, title="T", text="", phase=phase, zoo_ids=[tiny], smoke_zoo_id=smoke
        )

    assert chosen(Competition(any_db, store, zoos, make("good", third))) == "third"
    with pytest.raises(CompetitionError, match="'other' is not public"):
        make("hidden", other)
    with pytest.raises(CompetitionError, match="no zoo with id 99"):
        make("unknown", 99)


def test_a_phase_may_do_without_smoke_runs(competition: Competition) -> None:
    submission = competition.submit(competition.user())
    assert chosen(competition) is None
    with competition.db.read() as session:
        evaluations = session.scalars(
            select(EvaluationRecord).where(EvaluationRecord.submission_id == submission)
        ).all()
    assert {evaluation.purpose for evaluation in evaluations} == {Purpose.SCORE}
