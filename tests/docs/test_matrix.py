"""The sandbox's page explains every layer that the probe matrix names, and the matrix names every layer."""

import re

from tests.docs.tables import DOCS, MATRIX, probes_of
from tests.worker.sandbox.probes import Layer


def test_each_layer_is_explained_once() -> None:
    page = (DOCS / "sandbox.md").read_text()
    table = page[page.index("| layer | what it stops") :].partition("\n\n")[0]
    assert re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[1:] == list(Layer)


def test_each_layer_is_tried_by_some_probe() -> None:
    used = {layer for module in MATRIX for _, probe in probes_of(module) for layer in probe.stopped_by}
    assert used == set(Layer)


def test_no_attack_is_listed_twice() -> None:
    attacks = [(module.__name__, probe.attack) for module in MATRIX for _, probe in probes_of(module)]
    assert len(attacks) == len(set(attacks))
