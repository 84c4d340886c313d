"""How long things are kept: the sweep that deletes what no promise needs any more, a bounded part at a time.

Nothing that a score, a leaderboard or a person's list of submissions shows is deleted. Every worker calls `step` with
each of its sweeps; a pass over everything begins at most once an hour.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from submissions.intake.bundle_store import FOLDERS, BundleStore
from submissions.people.sessions import IDLE
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.queries import parts
from submissions.storage.records import (
    EvaluationRecord,
    FailureRecord,
    JobState,
    NotificationRecord,
    PictureRecord,
    RunRecord,
    SessionRecord,
    SubmissionRecord,
    ValueRecord,
    ZooJobRecord,
    ZooUploadRecord,
    utc_now,
)
from submissions.storage.states import OPEN
from submissions.whole_files import PART, remove_old

CHUNK = 1000
PASS_EVERY_S = 3600.0
LEFT_FILES_AGE_S = 24 * 3600.0

# Deletes what follows a place, and returns the place where the next step goes on; None at the end.
_Part = Callable[[Session, int], int | None]


@dataclass
class Retention:
    """The sweep of one worker. It is not shared between threads."""

    db: Database
    settings: Settings
    _next_pass_at: float = field(default=0.0, init=False)
    _places: dict[str, int] = field(default_factory=dict, init=False)

    def step(self, now: datetime | None = None) -> None:
        """Do a bounded part of a pass, or nothing until the next one begins."""
        parts_of_pass = self._parts(now or utc_now())
        if not self._places:
            if time.monotonic() < self._next_pass_at:
                return
            self._next_pass_at = time.monotonic() + PASS_EVERY_S
            self._places = dict.fromkeys(parts_of_pass, 0)
            remove_left_files(self.db, self.settings)
        for name, place in list(self._places.items()):
            with self.db.write() as session:
                following = parts_of_pass[name](session, place)
            if following is None:
                del self._places[name]
            else:
                self._places[name] = following

    @property
    def is_idle(self) -> bool:
        """Whether the last pass is complete."""
        return not self._places

    def _parts(self, now: datetime) -> Mapping[str, _Part]:
        """What is deleted, by name, without what the settings keep for ever (0 days)."""
        settings, store = self.settings, BundleStore(self.settings.store_folder)
        days: Mapping[str, tuple[int, Callable[[datetime], _Part]]] = {
            "notifications": (settings.keep_notifications_days, _notifications),
            "runs": (settings.keep_old_runs_days, _runs),
            "values": (settings.keep_old_values_days, _values),
            "jobs": (settings.keep_jobs_days, _jobs),
            "sessions": (IDLE.days, _sessions),
            "bundles": (settings.keep_unused_bundles_days, lambda before: _bundles(store, before)),
        }
        return {name: part(now - timedelta(days=kept)) for name, (kept, part) in days.items() if kept}


def remove_left_files(db: Database, settings: Settings, age_s: float = LEFT_FILES_AGE_S) -> int:
    """Remove what processes that were killed have left in our folders: unfinished files, and folders of work.

    Returns
    -------
    int
        How many files and folders were removed.
    """
    home, store = settings.home, settings.store_folder
    zoos = settings.effective_store_url.removeprefix("file://")
    patterns = [
        (home, f"{PART}*"),
        (home, ".publish-*"),
        (home / "broker", f"*/{PART}*"),
        (home / "broker", "*/.taken-*"),
        (store, "??/.*"),
        (home / "kits", "*/.making-*"),
        *((Path(tempfile.gettempdir()), f"gengap-{work}-*") for work in ("layers", "check", "selftest")),
    ]
    if "://" not in zoos:
        patterns.append((Path(zoos), "**/.unfinished-*"))
    found = [path for folder, pattern in patterns for path in folder.glob(pattern)]
    with db.read() as session:
        is_open = ZooJobRecord.state.in_([state for state in JobState if not state.is_final])
        working = {str(job_id) for job_id in session.scalars(select(ZooJobRecord.id).where(is_open))}
    jobs = [path for path in (home / "zoo_jobs").glob("*") if path.name.isdigit() and path.name not in working]
    return remove_old([*found, *jobs], age_s)


def _notifications(before: datetime) -> _Part:
    """Read and unread ones. They are about as old as their ids say, so that no index of times is needed."""

    def part(session: Session, place: int) -> int | None:
        query = select(NotificationRecord.id, NotificationRecord.at).where(NotificationRecord.id > place)
        rows = session.execute(query.order_by(NotificationRecord.id).limit(CHUNK)).all()
        old = [one.id for one in rows if one.at <= before]
        for ids in parts(old):
            session.execute(delete(NotificationRecord).where(NotificationRecord.id.in_(ids)))
        return rows[-1].id if old and len(rows) == CHUNK else None

    return part


def _runs(before: datetime) -> _Part:
    def remove(session: Session, evaluation_ids: Sequence[int]) -> None:
        run_ids = select(RunRecord.id).where(RunRecord.evaluation_id.in_(evaluation_ids))
        session.execute(delete(FailureRecord).where(FailureRecord.run_id.in_(run_ids)))
        session.execute(delete(RunRecord).where(RunRecord.evaluation_id.in_(evaluation_ids)))

    return _of_old_attempts(before, remove)


def _values(before: datetime) -> _Part:
    def remove(session: Session, evaluation_ids: Sequence[int]) -> None:
        session.execute(delete(ValueRecord).where(ValueRecord.evaluation_id.in_(evaluation_ids)))
        session.execute(delete(PictureRecord).where(PictureRecord.evaluation_id.in_(evaluation_ids)))

    return _of_old_attempts(before, remove)


def _of_old_attempts(before: datetime, remove: Callable[[Session, Sequence[int]], None]) -> _Part:
    """Remove something of the evaluations of attempts that another one, ended by then, has replaced."""

    def part(session: Session, place: int) -> int | None:
        end = place + CHUNK
        old = session.scalars(
            select(EvaluationRecord.id)
            .join(SubmissionRecord, SubmissionRecord.id == EvaluationRecord.submission_id)
            .where(
                EvaluationRecord.id.between(place + 1, end),
                EvaluationRecord.attempt < SubmissionRecord.attempt,
                SubmissionRecord.state.not_in(OPEN),
                SubmissionRecord.finished_at <= before,
            )
        ).all()
        for ids in parts(old):
            remove(session, ids)
        last = session.scalar(select(func.max(EvaluationRecord.id))) or 0
        return end if end < last else None

    return part


def _jobs(before: datetime) -> _Part:
    def part(session: Session, place: int) -> int | None:
        is_final = ZooJobRecord.state.in_([state for state in JobState if state.is_final])
        in_use = select(ZooUploadRecord.job_id).where(ZooUploadRecord.job_id.is_not(None))
        old = select(ZooJobRecord.id).where(
            is_final, ZooJobRecord.finished_at <= before, ZooJobRecord.id.not_in(in_use)
        )
        ids = session.scalars(old.order_by(ZooJobRecord.id).limit(CHUNK)).all()
        for some in parts(ids):
            session.execute(delete(ZooJobRecord).where(ZooJobRecord.id.in_(some)))
        return place if len(ids) == CHUNK else None

    return part


def _sessions(before: datetime) -> _Part:
    def part(session: Session, place: int) -> int | None:
        ids = session.scalars(select(SessionRecord.id).where(SessionRecord.seen_at <= before).limit(CHUNK)).all()
        for some in parts(ids):  # who has used one meanwhile keeps it
            session.execute(delete(SessionRecord).where(SessionRecord.id.in_(some), SessionRecord.seen_at <= before))
        return place if len(ids) == CHUNK else None

    return part


def _bundles(store: BundleStore, before: datetime) -> _Part:
    """Uploads that no submission uses, of a request that failed after they were stored; a folder at a time."""

    def part(session: Session, place: int) -> int | None:
        def used(digests: Sequence[str]) -> set[str]:
            in_use = select(SubmissionRecord.bundle_sha256)
            found = [session.scalars(in_use.where(SubmissionRecord.bundle_sha256.in_(some))) for some in parts(digests)]
            return {digest for digests in found for digest in digests}

        store.remove_unused(place, used, before)
        return place + 1 if place + 1 < FOLDERS else None

    return part
