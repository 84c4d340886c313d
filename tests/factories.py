"""Short ways to the things that tests speak of: tiny zoos, a competition, uploads."""

import io
import itertools
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select

from model_zoo.manifest import Axis, DatasetCard, NetworkTruth, ZooCard
from model_zoo.store import ZooStore
from model_zoo.writer import new_zoo, opaque_ids
from submissions.competitions.competitions import create_competition
from submissions.evaluation import outcomes, queue, retries
from submissions.evaluation.failure_disclosure import OurFault
from submissions.evaluation.submission_progress import Progress, progress
from submissions.intake import submit
from submissions.intake.bundle import Bundle, BundleLimits, read_bundle
from submissions.intake.bundle_store import BundleStore
from submissions.people.accounts import register
from submissions.results.disclosure import Reader
from submissions.storage.database import Database
from submissions.storage.limits import LIMITS, Limits
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    Purpose,
    RunRecord,
    SubmissionRecord,
    ValueRecord,
    utc_now,
)
from submissions.storage.states import Reason
from submissions.zoos.registry import register_zoo

SQUARED_NORM = b"""
def complexity(model, dataset):
    return sum(float(p.detach().square().sum()) for p in model.parameters())
"""


def make_tiny_zoo(
    folder: Path,
    name: str = "tiny",
    *,
    copies: int = 2,
    truth_public: bool = True,
    offers: Sequence[str] = (),
    holes: int = 0,
    seed: int = 7,
) -> Path:
    """A zoo of 4 x copies two-layer networks with random weights, and a truth that follows their norms.

    Zoos with the same seed have networks in common.

    offers: what it has for the extended track, as `model_zoo.zoo.OFFERS` names it: two siblings, ten unlabelled inputs,
    and, as its way, half of its weights and three quarters of them. holes: how many networks its grid lacks.
    """
    axes = [
        Axis(name="width", values=[3, 5]),
        Axis(name="scale", values=[0.5, 1.5]),
        Axis(name="seed", values=list(range(copies))),
    ]
    rng, further = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    grid = list(itertools.product(*(axis.values for axis in axes)))
    with new_zoo(folder) as writer:
        writer.training_data(rng.random((20, 1, 8, 8), dtype=np.float32), rng.integers(0, 10, 20))
        ids = opaque_ids(len(grid), zlib.crc32(name.encode()))
        for network_id, point in sorted(zip(ids, grid, strict=True))[holes:]:
            width, scale = int(point[0]), float(point[1])
            initial = {
                "1.weight": rng.normal(size=(width, 64)).astype(np.float32),
                "1.bias": np.zeros(width, np.float32),
                "3.weight": rng.normal(size=(10, width)).astype(np.float32),
                "3.bias": np.zeros(10, np.float32),
            }
            weights = {key: np.float32(scale) * value for key, value in initial.items()}
            architecture = {
                "family": "sequential",
                "layers": [
                    {"type": "flatten"},
                    {"type": "linear", "inputs": 64, "outputs": width},
                    {"type": "relu"},
                    {"type": "linear", "inputs": width, "outputs": 10},
                ],
            }
            norm = sum(float(np.square(value).sum()) for value in weights.values())
            metrics = {"train_acc": 1.0, "test_acc": 1 - norm / 2000, "train_loss": 0.01, "test_loss": 10 / norm}
            hyperparameters = {axis.name: value for axis, value in zip(axes, point, strict=True)}
            truth = NetworkTruth(hyperparameters=hyperparameters, metrics=metrics)
            writer.network(network_id, architecture, weights, initial, truth)
            for _ in range(2 if "siblings" in offers else 0):
                writer.sibling(network_id, {key: further.permuted(value, axis=0) for key, value in weights.items()})
            for epoch, share in ((1, 0.5), (2.5, 0.75)) if "trajectory" in offers else ():
                writer.trajectory(network_id, epoch, {key: np.float32(share) * weights[key] for key in weights})
        if "unlabelled" in offers:
            writer.unlabelled(further.random((10, 1, 8, 8), dtype=np.float32))
        card = ZooCard(
            name=name,
            title=f"The {name} zoo",
            text="Random networks for tests.",
            licence="CC0-1.0",
            citation="None.",
            dataset=DatasetCard(name="noise", source="random", licence="CC0-1.0", text="Random numbers."),
            input_shape=[1, 8, 8],
            classes=10,
            targets=["gap", "loss_gap"],
            tracks=["standard", "extended"] if offers else ["standard"],
            truth_public=truth_public,
            recipe=None,
        )
        writer.finish(card, axes, 100)
    return folder


def bundle_of(source: bytes | str, filename: str = "measure.py") -> Bundle:
    content = source.encode() if isinstance(source, str) else source
    return read_bundle(filename, content, BundleLimits())


def zip_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


@dataclass(frozen=True)
class Competition:
    """A database with one phase over tiny zoos, and what tests ask of it."""

    db: Database
    store: BundleStore
    zoos: ZooStore
    phase_id: int
    slug: str = "tests"
    phase_slug: str = "main"

    @property
    def path(self) -> str:
        return f"/competitions/{self.slug}/{self.phase_slug}"

    def user(self, name: str = "ada") -> int:
        return register(self.db, name, f"{name}@example.org", "correct horse battery")

    def submit(self, user_id: int, source: bytes | str = SQUARED_NORM, name: str = "measure") -> int:
        return submit.submit(
            self.db,
            self.store,
            phase_id=self.phase_id,
            user_id=user_id,
            name=name,
            bundle=bundle_of(source),
        )

    def claim(self, owner: str = "w", batch: int = 50) -> queue.Claim | None:
        return queue.claim(self.db, owner, batch=batch, lease_s=60.0)

    def record(self, claim: queue.Claim, run: queue.ClaimedRun, value: float = 1.0, wall_s: float = 0.1) -> bool:
        return outcomes.record_value(
            self.db, self.zoos, run.id, claim.owner, value=value, wall_s=wall_s, cpu_s=0.1, peak_bytes=1000, layers={}
        )

    def fail(self, claim: queue.Claim, run: queue.ClaimedRun, reason: Reason = Reason.RAISED, **told: Any) -> bool:
        told = {"detail": "ValueError at complexity.py line 2", **told}
        return outcomes.record_failure(self.db, run.id, claim.owner, reason=reason, **told)

    def fail_by_our_fault(self, owner: str = "w", message: str = "the disk is full") -> int:
        """Let one run fail through a fault of ours, with all pauses between, until it is given up; return its tries."""
        moment, first, tries = utc_now(), None, 0
        while (claim := queue.claim(self.db, owner, batch=1, lease_s=60.0, now=moment)) is not None:
            first = first or claim.runs
            if claim.runs != first:  # the turn of another submission
                queue.release(self.db, owner)
                break
            queue.give_back_broken(self.db, first[0].id, owner, OurFault.FILES, message, moment)
            moment, tries = moment + retries.LONGEST_PAUSE, tries + 1
        return tries

    def let_faults_age(self) -> None:
        """Make the faults of ours so far as many and as old as they must be before the next one is the last."""
        with self.db.write() as session:
            for run in session.scalars(select(RunRecord).where(RunRecord.failing_since.is_not(None))):
                assert run.failing_since is not None
                run.tries, run.not_before = retries.MAX_TRIES - 1, None
                run.failing_since -= retries.PATIENCE

    def work_through(self, purpose: Purpose | None = None) -> int:
        """Record a value of each network, its id's number, while there is something (of this purpose) to claim."""
        done = 0
        while (claim := self.claim(batch=3)) is not None:
            if purpose not in (None, claim.purpose):
                queue.release(self.db, claim.owner)
                break
            for run in claim.runs:
                assert self.record(claim, run, float(int(run.network_id, 16)))
                done += 1
        return done

    def progress(self, submission_id: int) -> Progress:
        """What the submission's page tells its owner."""
        with self.db.read() as session:
            return progress(session, submission_id, Reader(is_owner=True))

    def submission(self, submission_id: int) -> SubmissionRecord:
        with self.db.read() as session:
            return session.get_one(SubmissionRecord, submission_id)

    def evaluations(self, submission_id: int) -> Sequence[EvaluationRecord]:
        with self.db.read() as session:
            return session.scalars(
                select(EvaluationRecord)
                .where(EvaluationRecord.submission_id == submission_id)
                .order_by(EvaluationRecord.attempt, EvaluationRecord.position)
            ).all()

    def runs(self) -> Sequence[RunRecord]:
        with self.db.read() as session:
            return session.scalars(select(RunRecord).order_by(RunRecord.id)).all()

    def values_recorded(self, submission_id: int) -> Counter[tuple[int, str]]:
        """How often each (evaluation, network) has a value."""
        with self.db.read() as session:
            rows = session.execute(
                select(ValueRecord.evaluation_id, ValueRecord.network_id, func.count())
                .join(EvaluationRecord, EvaluationRecord.id == ValueRecord.evaluation_id)
                .where(EvaluationRecord.submission_id == submission_id)
                .group_by(ValueRecord.evaluation_id, ValueRecord.network_id)
            )
            return Counter({(evaluation, network): count for evaluation, network, count in rows})


def with_limits(fields: Mapping[str, object]) -> dict[str, Any]:
    """The fields of a phase's record where limits may be named beside the others."""
    names = {limit.name for limit in LIMITS}
    limits: dict[str, Any] = {name: value for name, value in fields.items() if name in names}
    return {name: value for name, value in fields.items() if name not in names} | {"limits": Limits(**limits)}


def zoo_store_beside(store: BundleStore) -> ZooStore:
    """The zoo store of the home folder that a bundle store is in, with a cache of its own."""
    return ZooStore(str(store.folder / "zoos"), store.folder.parent / "zoo-cache", 2**30)


def make_competition(db: Database, store: BundleStore, zoo_folders: Sequence[Path], **phase: object) -> Competition:
    return make_competition_on(zoo_store_beside(store), db, store, zoo_folders, **phase)


def make_competition_on(
    zoos: ZooStore, db: Database, store: BundleStore, zoo_folders: Sequence[Path], **phase: object
) -> Competition:
    competition = Competition(db, store, zoos, 0)
    exact = {"is_revealed": True}  # tests look at exact scores unless they say otherwise
    settings = with_limits({"opens_at": utc_now(), "title": "Main phase", **exact, **phase})
    phase_id = create_competition(
        db,
        slug=competition.slug,
        title="A competition for tests",
        text="Predict the gaps.",
        phase=PhaseRecord(slug=competition.phase_slug, **settings),
        zoo_ids=[register_zoo(db, zoos, folder) for folder in zoo_folders],
    )
    return Competition(db, store, zoos, phase_id)
