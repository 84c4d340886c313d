"""A plugin of pytest for `make mutants`: fast tests first, so that most mutants are killed in moments."""

import json
from pathlib import Path

import pytest

MEASURED = Path("mutmut-stats.json")  # mutmut writes it beside the tests once the unchanged code has passed


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if MEASURED.exists():
        seconds = json.loads(MEASURED.read_text())["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))
