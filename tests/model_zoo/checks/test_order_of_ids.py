"""Ids whose alphabetical order reveals the grid are found, in whatever order networks.json lists them."""

import random
from pathlib import Path

from model_zoo.checks import Verdict
from tests.model_zoo.checks.breaking import LIST, renamed
from tests.model_zoo.checks.zoos import check, edit, fired, item


def test_the_alphabetical_order_of_the_ids_is_looked_at_too(folder: Path) -> None:
    renamed(lambda known: f"abcdef{known.number + 100}x")(folder)
    edit(folder, LIST, lambda listed: random.Random(1).shuffle(listed["networks"]))
    report = check(folder)
    assert fired(report) == {"order": Verdict.ERROR}
    assert item(report, "order").text.startswith("The alphabetical order of the ids reveals hyperparameters: it runs")
