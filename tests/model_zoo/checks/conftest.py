import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.model_zoo.checks.zoos import make_sound_zoo


@pytest.fixture(autouse=True)
def one_thread_per_network() -> Iterator[None]:
    """As in `python -m model_zoo.checks`: networks this small lose by more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def sound_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 networks without a fault, each with its initial weights, a sibling and a trajectory."""
    return make_sound_zoo(tmp_path_factory.mktemp("zoos") / "sound", extended=True)


@pytest.fixture
def folder(sound_zoo: Path, tmp_path: Path) -> Path:
    """A copy of it to break."""
    shutil.copytree(sound_zoo, tmp_path / "zoo")
    return tmp_path / "zoo"
