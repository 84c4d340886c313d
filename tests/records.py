"""Competitions and submissions in any state, written straight to the database for tests of what reads them."""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from model_zoo.store import ZooStore
from scoring import Jackknife, plain
from scoring.decisions.comparison import competition_estimate
from submissions.competitions.competitions import find_competition
from submissions.leaderboard import standings
from submissions.people.accounts import register, system_user
from submissions.storage.database import Database
from submissions.storage.records import (
    CompetitionRecord,
    EvaluationRecord,
    FailureRecord,
    PhaseRecord,
    PhaseZooRecord,
    Purpose,
    RunRecord,
    SubmissionRecord,
    ValueRecord,
    ZooRecord,
    utc_now,
)
from submissions.storage.states import Reason, State
from submissions.zoos.registry import register_zoo
from tests.factories import with_limits

PASSWORD = "correct horse battery"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


AXES: Mapping[str, Sequence[float]] = {"width": [16, 32, 64], "learning rate": [0.1, 0.5], "weight.decay": [0, 0.001]}


def write_zoo(
    folder: Path,
    name: str,
    *,
    truth_public: bool = True,
    axes: Mapping[str, Sequence[float]] = AXES,
    effect: Mapping[str, float] | None = None,
) -> Path:
    """A zoo folder with a real manifest and truth and empty weights: no page looks at weights.

    effect: of some axes, what each step along them adds to the gap.
    """
    networks = {
        hashlib.sha256(f"{name}{index}".encode()).hexdigest()[:12]: (
            dict(zip(axes, settings, strict=True)),
            0.05
            + 0.04 * math.sin(index) ** 2
            + 0.01 * (index % 3)
            + sum(step * axes[axis].index(settings[list(axes).index(axis)]) for axis, step in (effect or {}).items()),
        )
        for index, settings in enumerate(itertools.product(*axes.values()))
    }
    listed = [
        {
            "id": network,
            "architecture": {"family": "sequential", "layers": []},
            "weights": f"public/networks/{network}.safetensors",
        }
        for network in sorted(networks)
    ]
    truth = {
        "format": 1,
        "axes": [{"name": axis, "values": list(values)} for axis, values in axes.items()],
        "test_size": 1297,
        "networks": {
            network: {
                "hyperparameters": hyperparameters,
                "metrics": {"train_acc": 1.0, "test_acc": 1 - gap},
                "source": None,
            }
            for network, (hyperparameters, gap) in networks.items()
        },
    }
    files = {
        "public/networks.json": json.dumps({"format": 1, "networks": listed}).encode(),
        "public/train.safetensors": b"",
        "private/truth.json": json.dumps(truth).encode(),
        **{f"public/networks/{network}.safetensors": b"" for network in networks},
    }
    manifest = {
        "format": 1,
        "name": name,
        "title": name.replace("-", " ").capitalize(),
        "text": "Networks on scans of handwritten digits.",
        "dataset": {"name": "Digits", "source": "UCI optical recognition", "licence": "CC BY 4.0"},
        "input_shape": [1, 8, 8],
        "classes": 10,
        "truth_public": truth_public,
        "files": {
            path: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for path, content in files.items()
        },
    }
    for path, content in {**files, "zoo.json": json.dumps(manifest).encode()}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


class Records:
    """A database with the people ann and bob, and ways to put competitions and submissions into it."""

    def __init__(self, db: Database, folder: Path, zoos: ZooStore | None = None) -> None:
        self.db = db
        self.folder = folder
        self._numbers = itertools.count(1)
        self.zoos = zoos or ZooStore(str(folder / "store" / "zoos"), folder / "zoo-cache", 2**30)
        self.ann = register(db, "ann", "ann@example.org", PASSWORD)
        self.bob = register(db, "bob", "bob@example.org", PASSWORD)
        self.system = system_user(db)

    def zoo(self, name: str, *, truth_public: bool = True) -> int:
        folder = self.folder / "zoos" / name
        made = folder if folder.exists() else write_zoo(folder, name, truth_public=truth_public)
        return register_zoo(self.db, self.zoos, made)

    def next_version(self, name: str) -> int:
        """The next version of a zoo."""
        folder = write_zoo(self.folder / "next" / name, name)
        manifest = json.loads((folder / "zoo.json").read_text())
        (folder / "zoo.json").write_text(json.dumps(manifest | {"text": "Fixed."}))
        return register_zoo(self.db, self.zoos, folder)

    def phase(
        self,
        slug: str = "main",
        *,
        competition: str = "demo",
        zoos: tuple[str, ...] = ("digits-mlp", "digits-cnn"),
        truth_public: bool = True,
        **fields: object,
    ) -> int:
        zoo_ids = [self.zoo(name, truth_public=truth_public) for name in zoos]
        with self.db.write() as session:
            found = find_competition(session, competition) or CompetitionRecord(
                slug=competition,
                title="Predict the gap",
                text="Two zoos of networks on handwritten digits.\n\nWho orders them best?",
            )
            values = with_limits({"title": f"{slug.capitalize()} phase", "opens_at": START, **fields})
            phase = PhaseRecord(slug=slug, competition=found, **values)
            session.add(phase)
            phase.zoo_links = [
                PhaseZooRecord(position=position, zoo=session.get_one(ZooRecord, zoo_id))
                for position, zoo_id in enumerate(zoo_ids)
            ]
            session.flush()
            return phase.id

    def submission(
        self,
        phase_id: int,
        user_id: int | None = None,
        *,
        cmi: tuple[float, ...] | None = None,
        jackknives: Sequence[Jackknife] = (),
        done: int = 0,
        reason: Reason | None = None,
        state: State | None = None,
        hours: int = 0,
        created_now: bool = False,
        name: str = "A measure",
        entrant: str | None = None,
        **fields: object,
    ) -> int:
        """A submission in any state: scored with `cmi` per zoo, failed with `reason`, else `done` values a zoo.

        jackknives: one per zoo, in the place of `cmi`. A scored submission stands on the leaderboard.
        """
        cmi = tuple(jackknife.estimate for jackknife in jackknives) or cmi
        implied = State.SCORED if cmi else State.FAILED if reason else State.RUNNING if done else State.QUEUED
        with self.db.write() as session:
            phase = session.get_one(PhaseRecord, phase_id)
            submission = SubmissionRecord(
                phase_id=phase_id,
                user_id=user_id or self.ann,
                name=name,
                entrant=entrant
                or (f"b{next(self._numbers)}" if fields.get("is_baseline") else f"u{user_id or self.ann}"),
                filename="measure.py",
                bundle_sha256="0" * 64,
                state=state or implied,
                reason=reason,
                score=100 * sum(cmi) / len(cmi) if cmi else None,
                created_at=utc_now() if created_now else START + timedelta(hours=hours),
                **fields,  # type: ignore[arg-type]
            )
            if submission.state is not State.QUEUED:
                submission.started_at = submission.created_at + timedelta(seconds=2)
            if submission.state.is_final:
                submission.finished_at = submission.created_at + timedelta(seconds=42)
            session.add(submission)
            session.flush()
            for position, zoo in enumerate(phase.zoos):
                evaluation = self._evaluate(session, submission, zoo, position, cmi[position] if cmi else None, done)
                if jackknives:
                    _put(evaluation, jackknives[position])
            if jackknives:
                submission.standard_error = _standard_error(jackknives)
            standings.update(session, submission)
            return submission.id

    @staticmethod
    def _scored(submission: SubmissionRecord) -> list[EvaluationRecord]:
        return [evaluation for evaluation in submission.evaluations if evaluation.purpose is Purpose.SCORE]

    def _evaluate(
        self,
        session: Session,
        submission: SubmissionRecord,
        zoo: ZooRecord,
        position: int,
        cmi: float | None,
        done: int,
    ) -> EvaluationRecord:
        networks = sorted(self.truth(zoo.name))
        evaluation = EvaluationRecord(
            zoo_id=zoo.id,
            attempt=submission.attempt,
            position=position,
            networks=len(networks),
            state=submission.state,
            cmi=cmi,
            kendall_tau=None if cmi is None else round(cmi**0.5, 6),
            submission=submission,
        )
        session.add(evaluation)
        session.flush()
        session.add_all(
            ValueRecord(evaluation_id=evaluation.id, network_id=network, value=1.5 * index - 3, wall_s=0.25)
            for index, network in enumerate(networks[: len(networks) if cmi is not None else done])
        )
        return evaluation

    def smoke(self, submission_id: int, state: State, done: int = 0, networks: int = 2) -> None:
        """Give a submission its smoke run, on the phase's first zoo, in any state."""
        with self.db.write() as session:
            submission = session.get_one(SubmissionRecord, submission_id)
            zoo = session.get_one(PhaseRecord, submission.phase_id).zoos[0]
            evaluation = EvaluationRecord(
                zoo_id=zoo.id,
                attempt=submission.attempt,
                purpose=Purpose.SMOKE,
                position=0,
                networks=networks,
                state=state,
                submission=submission,
            )
            session.add(evaluation)
            session.flush()
            for network in sorted(self.truth(zoo.name))[:done]:
                session.add(ValueRecord(evaluation_id=evaluation.id, network_id=network, value=0.5, wall_s=0.25))

    def end_smoke(self, submission_id: int) -> None:
        """Let the smoke run of a submission pass."""
        with self.db.write() as session:
            submission = session.get_one(SubmissionRecord, submission_id)
            submission.state = State.RUNNING
            evaluation = next(one for one in submission.evaluations if one.purpose is Purpose.SMOKE)
            evaluation.state = State.SCORED
            for network in sorted(self.truth(evaluation.zoo.name))[: evaluation.networks]:
                session.add(ValueRecord(evaluation_id=evaluation.id, network_id=network, value=0.5, wall_s=0.25))

    def failure(
        self,
        submission_id: int,
        ordinal: int,
        *,
        purpose: Purpose = Purpose.SCORE,
        detail: str = "ValueError at complexity.py line 3",
        message: str | None = None,
        log: str | None = None,
    ) -> None:
        """Put on record how a failed submission failed: on the how-manieth network of its first zoo."""
        with self.db.write() as session:
            submission = session.get_one(SubmissionRecord, submission_id)
            evaluation = next(one for one in submission.evaluations if one.purpose is purpose)
            evaluation.state = State.FAILED
            zoo = session.get_one(ZooRecord, evaluation.zoo_id)
            network = sorted(self.truth(zoo.name))[-1]
            run = RunRecord(evaluation_id=evaluation.id, network_id=network, position=ordinal - 1, state="failed")
            session.add(run)
            session.flush()
            assert submission.reason is not None
            submission.detail = detail
            session.add(FailureRecord(run_id=run.id, reason=submission.reason, detail=detail, message=message, log=log))

    def begin(self, submission_id: int, state: State) -> None:
        """Put the scored evaluations of a submission into this state."""
        with self.db.write() as session:
            for evaluation in self._scored(session.get_one(SubmissionRecord, submission_id)):
                evaluation.state = state

    def next_attempt(self, submission_id: int, *, cmi: tuple[float, ...] | None = None) -> None:
        """A re-run: queued anew, or scored with `cmi` already; the earlier attempt stays on record."""
        with self.db.write() as session:
            submission = session.get_one(SubmissionRecord, submission_id)
            submission.attempt += 1
            submission.state = State.SCORED if cmi else State.QUEUED
            submission.score = 100 * sum(cmi) / len(cmi) if cmi else None
            if not cmi:
                submission.finished_at = None
            phase = session.get_one(PhaseRecord, submission.phase_id)
            for position, zoo in enumerate(phase.zoos):
                self._evaluate(session, submission, zoo, position, cmi[position] if cmi else None, 0)
            standings.update(session, submission)

    def truth(self, zoo: str) -> dict[str, dict[str, dict[str, float]]]:
        """The networks in the truth of a zoo made here."""
        content = json.loads((self.folder / "zoos" / zoo / "private/truth.json").read_text())
        networks: dict[str, dict[str, dict[str, float]]] = content["networks"]
        return networks

    def add_values(self, submission_id: int, done: int, position: int = 0) -> None:
        """Give a running submission's evaluation at `position` its next values, `done` at most."""
        with self.db.write() as session:
            evaluation = self._scored(session.get_one(SubmissionRecord, submission_id))[position]
            zoo = session.get_one(ZooRecord, evaluation.zoo_id)
            have = set(
                session.scalars(select(ValueRecord.network_id).where(ValueRecord.evaluation_id == evaluation.id))
            )
            for network in sorted(set(self.truth(zoo.name)) - have)[:done]:
                session.add(ValueRecord(evaluation_id=evaluation.id, network_id=network, value=0.5, wall_s=0.25))

    def end(self, submission_id: int, cmi: tuple[float, ...] = (), *, jackknives: Sequence[Jackknife] = ()) -> None:
        """Give a running submission all its values and its score; jackknives: one per zoo, in the place of `cmi`."""
        cmi = tuple(jackknife.estimate for jackknife in jackknives) or cmi
        for position in range(len(cmi)):
            self.add_values(submission_id, 10**6, position)
        with self.db.write() as session:
            submission = session.get_one(SubmissionRecord, submission_id)
            submission.state = State.SCORED
            submission.score = 100 * sum(cmi) / len(cmi)
            submission.finished_at = START + timedelta(minutes=1)
            current = [one for one in self._scored(submission) if one.attempt == submission.attempt]
            for evaluation, score in zip(current, cmi, strict=True):
                evaluation.state, evaluation.cmi, evaluation.kendall_tau = State.SCORED, score, score
            for evaluation, jackknife in zip(current, jackknives, strict=False):
                _put(evaluation, jackknife)
            if jackknives:
                submission.standard_error = _standard_error(jackknives)
            standings.update(session, submission)


def _standard_error(jackknives: Sequence[Jackknife]) -> float:
    zoos = {str(place): jackknife for place, jackknife in enumerate(jackknives)}
    return competition_estimate(zoos).standard_error


def _put(evaluation: EvaluationRecord, jackknife: Jackknife) -> None:
    """Store a jackknife with an evaluation as scoring does."""
    evaluation.standard_error = jackknife.standard_error
    evaluation.report = {"jackknife": plain(jackknife)}
