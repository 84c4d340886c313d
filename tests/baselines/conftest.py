"""The helper package where a sandbox has it, on the import path; batch sizes as a test wants them."""

import sys
from collections.abc import Callable, Iterator

import pytest
import torch

from submissions.baselines import FOLDER

sys.path.insert(0, str(FOLDER))


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """On networks as small as these, threads cost more than they bring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def batches_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many examples go through a network at once."""
    return lambda size: monkeypatch.setattr("gengap_measures.data.BATCH_SIZE", size)
