"""Idempotency keys: reserved once, answered alike, and one submission for two simultaneous sends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from submissions.intake import submit
from submissions.intake.bundle_store import BundleStore
from submissions.storage import idempotency
from submissions.storage.database import Database
from submissions.storage.idempotency import Answer, KeyReused, Unanswered, begin, keep, release, sweep
from submissions.storage.records import SubmissionRecord, utc_now
from tests.factories import SQUARED_NORM, Competition, bundle_of, make_competition
from tests.overlap import overlap

KEY, REQUEST, OTHER_REQUEST = "k" * 64, "r" * 64, "o" * 64


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "WAIT_S", 0.0)


@pytest.mark.both_databases
def test_the_first_request_is_carried_out_and_later_ones_get_its_answer(any_db: Database) -> None:
    assert begin(any_db, KEY, REQUEST, user_id=None) is None
    with pytest.raises(Unanswered):
        begin(any_db, KEY, REQUEST, user_id=None)
    assert begin(any_db, KEY, REQUEST, user_id=None, can_resume=True) is None
    keep(any_db, KEY, Answer(201, "/here", "{}"))
    assert begin(any_db, KEY, REQUEST, user_id=None) == Answer(201, "/here", "{}")
    with pytest.raises(KeyReused):
        begin(any_db, KEY, OTHER_REQUEST, user_id=None)
    release(any_db, KEY)  # too late
    assert begin(any_db, KEY, REQUEST, user_id=None) == Answer(201, "/here", "{}")


def test_after_a_refusal_the_key_is_free(any_db: Database) -> None:
    begin(any_db, KEY, REQUEST, user_id=None)
    release(any_db, KEY)
    assert begin(any_db, KEY, OTHER_REQUEST, user_id=None) is None


def test_a_key_is_kept_for_a_day(any_db: Database) -> None:
    begin(any_db, KEY, REQUEST, user_id=None)
    keep(any_db, KEY, Answer(201))
    assert sweep(any_db, utc_now() + timedelta(hours=23)) == 0
    assert sweep(any_db, utc_now() + timedelta(hours=25)) == 1
    assert begin(any_db, KEY, OTHER_REQUEST, user_id=None) is None


@pytest.mark.parametrize("any_db", ["postgresql"], indirect=True)
class TestSimultaneousSends:
    """Of one measure, with real threads."""

    @pytest.fixture
    def competition(self, any_db: Database, store: BundleStore, tiny_zoo: Path) -> Competition:
        return make_competition(any_db, store, [tiny_zoo], daily_quota=1, smoke_networks=0)

    def sending(self, competition: Competition, user_id: int) -> Callable[[], int]:
        bundle = bundle_of(SQUARED_NORM)

        def send() -> int:
            return submit.submit(
                competition.db,
                competition.store,
                phase_id=competition.phase_id,
                user_id=user_id,
                name="twice",
                bundle=bundle,
                key_sha256=KEY,
            )

        return send

    def submissions(self, db: Database) -> int | None:
        with db.read() as session:
            return session.scalar(select(func.count()).select_from(SubmissionRecord))

    def test_who_waits_for_the_first_ones_transaction_gets_its_submission(self, competition: Competition) -> None:
        ada = competition.user()
        begin(competition.db, KEY, REQUEST, user_id=ada)
        first, second = overlap(competition.db, self.sending(competition, ada), self.sending(competition, ada))
        assert first == second
        assert self.submissions(competition.db) == 1

    def test_many_at_once_make_one_submission_and_get_its_id(
        self, competition: Competition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(idempotency, "WAIT_S", 30.0)
        ada = competition.user()
        send, db = self.sending(competition, ada), competition.db

        def request(_number: int) -> str | None:
            earlier = begin(db, KEY, REQUEST, user_id=ada)
            if earlier is None:
                earlier = Answer(201, f"/submissions/{send()}")
                keep(db, KEY, earlier)
            return earlier.location

        with ThreadPoolExecutor(8) as threads:
            answers = set(threads.map(request, range(8)))
        assert len(answers) == 1
        assert self.submissions(db) == 1
