"""When a worker takes no work, and when it takes it again: faults in a row, and trials until it is well."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from model_zoo.store import ZooStore
from submissions.intake.bundle_store import BundleStore
from submissions.storage.database import Database
from tests.databases import ready
from tests.factories import make_competition
from worker import self_check
from worker.sandbox.layers import layer_check
from worker.sandbox.pool import SandboxPool
from worker.sandbox.protocol import Code, Limits, NetworkFiles, Outcome, SandboxError, Value
from worker.self_check import SelfCheck

PATH = "/a/path/of/this/machine"


class Trial:
    """A sandbox that answers whatever it is told to."""

    def __init__(self) -> None:
        self.held: Mapping[str, bool] = {"seccomp": True}
        self.value = 8.0
        self.starts = True

    @property
    def layers(self) -> Mapping[str, bool]:
        return self.held

    def start(self, measure: Code, limits: Limits) -> None:
        if not self.starts:
            raise SandboxError(f"{PATH} is missing")

    def warm(self) -> None: ...

    def forget_layers(self) -> None: ...

    def evaluate(self, network: NetworkFiles, seed: int, *, is_profiled: bool = False) -> Outcome:
        return Value(self.value, 0.1, 0.1, 1)

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class Worker:
    """A worker that tests itself, on a clock that the test moves."""

    def __init__(self, db: Database, store: BundleStore, zoos: ZooStore, patch: pytest.MonkeyPatch) -> None:
        self.trial = Trial()
        self.now = 1000.0
        self.said: list[str | None] = []
        self.check = SelfCheck(
            SandboxPool(1, lambda _slot: self.trial, lambda: None),
            db,
            store,
            zoos,
            minimum=("seccomp",),
            report=lambda _layers, refusal: self.said.append(refusal),
            pause_s=10.0,
        )
        patch.setattr(self_check, "time", SimpleNamespace(monotonic=lambda: self.now))

    def later(self, seconds: float) -> bool:
        """Whether it is well after one step, some seconds from now."""
        self.now += seconds
        self.check.step()
        return self.check.is_well

    def fails_on(self, *submissions: int) -> None:
        for one in submissions:
            self.check.note_fault(one)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = ready(Database(f"sqlite:///{tmp_path}/home/gengap.sqlite"))
    yield made
    made.close()


@pytest.fixture
def worker(db: Database, store: BundleStore, zoos: ZooStore, monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(db, store, zoos, monkeypatch)


def test_it_takes_no_work_before_its_first_trial(worker: Worker) -> None:
    assert not worker.check.is_well
    assert worker.later(0)
    assert worker.said == [None]


def test_a_sandbox_that_does_not_start_is_tried_at_growing_intervals(worker: Worker) -> None:
    worker.trial.starts = False
    assert not worker.later(0)
    worker.trial.starts = True
    assert not worker.later(9)
    assert worker.later(1)
    assert worker.said == ["Its sandbox does not start. Its log says why.", None]
    worker.fails_on(1, 2, 3)
    assert not worker.later(19)  # no network has got a value since
    assert worker.later(1)
    worker.check.note_value()
    worker.fails_on(1, 2, 3)
    assert worker.later(10)


def test_only_faults_in_a_row_on_different_submissions_count(worker: Worker) -> None:
    assert worker.later(0)
    worker.fails_on(1, 1, 1, 2)
    assert worker.check.is_well
    worker.check.note_value()
    worker.fails_on(3, 4)
    assert worker.check.is_well
    worker.fails_on(5)
    assert not worker.check.is_well
    assert not worker.later(0)
    assert worker.said == [None, "It failed on 3 submissions in a row and is testing itself."]


def test_a_wrong_value_of_our_measure_and_a_missing_layer_are_refusals(worker: Worker) -> None:
    worker.trial.value = 7.9
    assert not worker.later(0)
    worker.trial.value, worker.trial.held = 8.0, {"seccomp": False}
    assert not worker.later(10)
    assert worker.said == [
        "In its sandbox, a measure of ours does not get the right value.",
        "Its sandbox lacks seccomp.",
    ]


def test_a_layer_that_was_missing_for_a_moment_is_tried_again(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([{"seccomp": False}, {"seccomp": True}])
    monkeypatch.setattr(layer_check, "probe", lambda _sandbox: next(found))
    layers = layer_check.Layers()
    monkeypatch.setattr(Trial, "layers", property(lambda trial: layers.of(trial)), raising=False)
    monkeypatch.setattr(Trial, "forget_layers", lambda _trial: layers.forget())
    assert not worker.later(0)
    assert worker.later(10)
    assert worker.said == ["Its sandbox lacks seccomp.", None]


def test_after_faults_it_must_read_an_upload_and_a_zoo(
    worker: Worker, db: Database, store: BundleStore, tiny_zoo: Path
) -> None:
    competition = make_competition(db, store, (tiny_zoo,))
    competition.submit(competition.user())
    assert worker.later(0)
    away = store.folder.with_name("away")
    for part, refusal in ((store.folder, "the uploads"), (store.folder / "zoos", "the zoos")):
        worker.fails_on(1, 2, 3)
        part.rename(away)
        assert not worker.later(10_000)
        assert not worker.later(10_000)
        assert worker.said[-1] == f"It cannot read {refusal}. Its log says why."
        if part.exists():
            part.rmdir()
        away.rename(part)
        assert worker.later(10_000)
    assert not any(PATH in said or str(store.folder) in said for said in worker.said if said)
