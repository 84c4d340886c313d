"""The demo's content: zoos, organizer, competition and baselines; what exists already is kept."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from model_zoo.store import ZooStore
from submissions.baselines import DEMO, baseline_source
from submissions.competitions.competitions import create_competition, find_phase
from submissions.intake import submit
from submissions.intake.bundle import BundleLimits, read_bundle
from submissions.intake.bundle_store import BundleStore
from submissions.people.accounts import create_organizer, system_user
from submissions.storage.database import Database
from submissions.storage.records import PhaseRecord, SubmissionRecord, UserRecord, utc_now
from submissions.storage.roles import Role
from submissions.zoos.registry import register_zoo

ORGANIZER = "organizer"
COMPETITION = "demo"
PHASE = "digits"
ZOOS = ("digits-mlp", "digits-cnn")
TEXT = (
    "Predict which networks generalize. Two zoos of networks were trained on one hundred scans of handwritten "
    "digits over a grid of hyperparameters; your measure sees one network and its training data at a time and "
    "returns one number, higher for a larger generalization gap. The closer its order comes to the true gaps, "
    "whatever the hyperparameters, the higher it scores."
)


@dataclass(frozen=True)
class Demo:
    """The demo's content. `organizer_password` is None if the organizer existed already."""

    phase_id: int
    organizer_password: str | None

    @property
    def leaderboard_path(self) -> str:
        return f"/competitions/{COMPETITION}/{PHASE}/leaderboard"

    @property
    def submit_path(self) -> str:
        return f"/competitions/{COMPETITION}/{PHASE}/submit"


def prepare(db: Database, store: BundleStore, zoos: ZooStore, zoo_folders: Callable[[], Sequence[Path]]) -> Demo:
    """Bring the database to the demo's state; what an earlier start has created is kept.

    zoo_folders: trains the demo's zoos if necessary; from then on they are in the store.
    """
    with db.read() as session:
        has_organizer = session.scalar(select(UserRecord.id).where(UserRecord.role == Role.ORGANIZER)) is not None
        phase = find_phase(session, COMPETITION, PHASE)
    password = None
    if not has_organizer:
        password = secrets.token_urlsafe(12)
        create_organizer(db, ORGANIZER, password)
    phase_id = None if phase is None else phase.id
    if phase_id is None:
        zoo_ids = [register_zoo(db, zoos, folder) for folder in zoo_folders()]
        phase_id = create_competition(
            db,
            slug=COMPETITION,
            title="Predicting generalization on handwritten digits",
            text=TEXT,
            phase=PhaseRecord(slug=PHASE, title="Both digit zoos", opens_at=utc_now(), shows_logs=True),
            zoo_ids=zoo_ids,
        )
    _submit_baselines(db, store, phase_id)
    return Demo(phase_id, password)


def _submit_baselines(db: Database, store: BundleStore, phase_id: int) -> None:
    owner = system_user(db)
    with db.read() as session:
        known = set(
            session.scalars(
                select(SubmissionRecord.name).where(SubmissionRecord.phase_id == phase_id, SubmissionRecord.is_baseline)
            )
        )
    for baseline in DEMO:
        if baseline.name not in known:
            bundle = read_bundle(baseline.filename, baseline_source(baseline.name), BundleLimits())
            submit.submit(
                db, store, phase_id=phase_id, user_id=owner, name=baseline.name, bundle=bundle, is_baseline=True
            )
