"""Workers on machines whose clocks are wrong take no lease from each other, and none too long."""

import os
from pathlib import Path

import pytest

from server.demo.processes import Child, environment_with, running
from submissions.intake.bundle_store import BundleStore
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.states import State
from tests.factories import make_competition
from tests.services import wait_until

DAY_S = 24 * 3600
MEASURE = """
import time


def complexity(model, dataset):
    time.sleep(0.4)
    return sum(float(p.detach().square().sum()) for p in model.parameters())
"""
SHIFTS_THE_CLOCK = """
import datetime, os, time

own, shift_s = time.time, float(os.environ["SHIFT_S"])
time.time = lambda: own() + shift_s


class Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=shift_s)


datetime.datetime = Shifted
"""


def shifted_worker(settings: Settings, folder: Path, shift_s: int) -> Child:
    """A worker whose Python shows a shifted time: it reads `sitecustomize` before anything else."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SHIFTS_THE_CLOCK)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = environment_with(settings.model_dump()) | {"PYTHONPATH": path, "SHIFT_S": str(shift_s)}
    return Child("worker", ("worker", "--slots", "1"), environment, folder / "log")


@pytest.mark.parametrize("shifts", [(60, -DAY_S), pytest.param((-60, DAY_S), marks=pytest.mark.thorough)], ids=str)
def test_workers_with_wrong_clocks_score_every_submission_and_lose_no_lease(
    any_db: Database, settings: Settings, tiny_zoo: Path, tmp_path: Path, shifts: tuple[int, int]
) -> None:
    settings = Settings(**(settings.model_dump() | {"database_url": any_db.url}))
    settings.make_home()
    competition = make_competition(any_db, BundleStore(settings.store_folder), [tiny_zoo], smoke_networks=0)
    submissions = [competition.submit(competition.user(name), MEASURE) for name in ("ada", "bob")]
    children = [shifted_worker(settings, tmp_path / str(shift_s), shift_s) for shift_s in shifts]
    with running(children):
        wait_until(lambda: all(competition.submission(one).state.is_final for one in submissions), "both submissions")
    assert [competition.submission(one).state for one in submissions] == [State.SCORED] * 2
    assert competition.runs() == []  # none was lost: each went with its value
    ends = [competition.submission(one).finished_at for one in submissions]
    starts = [competition.submission(one).created_at for one in submissions]
    assert all(0 < (end - start).total_seconds() < 3600 for start, end in zip(starts, ends, strict=True) if end)
