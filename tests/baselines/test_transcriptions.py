"""Each measure is what it is named after: it agrees with a transcription of its publication on trained networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from model_zoo import open_zoo
from submissions.baselines import BASELINES
from tests.baselines.transcriptions import TRANSCRIPTIONS
from tests.baselines.transcriptions.plain import Case
from tests.baselines.verification import KINDS as KINDS_OF_ZOOS
from tests.baselines.verification import case_of, difference, kept_rows, measured, transcribed

CLOSE = 1e-6
# A zoo, and the length of a network's chain there: of images, ten layers have batch norm and eight do not.
KINDS = {
    "dense": ("digits-mlp", 6),
    "convolutional": ("digits-cnn", 10),
    "dense, deep": ("digits-mlp", 8),
    "convolutional, plain": ("digits-cnn", 8),
}
QUICK = ("dense", "convolutional")
DEAR = {baseline.name for baseline in BASELINES if baseline.cost != "s"}
DIFFERENT = [name for name, entry in TRANSCRIPTIONS.items() if entry.published is not None]


def _marked(name: str, *kinds: str) -> object:
    """A case, thorough but for the two quick kinds of network, and for a dear measure but for the first of them."""
    is_quick = set(kinds) <= set(QUICK[:1] if name in DEAR else QUICK)
    return pytest.param(name, *kinds, marks=() if is_quick else pytest.mark.thorough)


@pytest.fixture(scope="module")
def cases(digits_mlp: Path, digits_cnn: Path) -> Mapping[str, Case]:
    return _Cases({"digits-mlp": digits_mlp, "digits-cnn": digits_cnn})


class _Cases(dict[str, Case]):
    """Made at the first look: the smallest network of a zoo with a chain of that length."""

    def __init__(self, zoos: Mapping[str, Path]) -> None:
        self._zoos = zoos

    def __missing__(self, kind: str) -> Case:
        name, length = KINDS[kind]
        zoo = open_zoo(self._zoos[name])
        entries = [entry for entry in zoo.networks if len(cast(list[object], entry.architecture["layers"])) == length]
        smallest = min(entries, key=lambda entry: entry.weights.stat().st_size)
        self[kind] = case_of(zoo, smallest.id)
        return self[kind]


def test_every_measure_has_a_transcription_with_its_source() -> None:
    assert TRANSCRIPTIONS.keys() == {baseline.name for baseline in BASELINES}
    assert all(entry.source for entry in TRANSCRIPTIONS.values())
    assert all((entry.published is None) == (entry.reason == "") for entry in TRANSCRIPTIONS.values())


def test_the_documentation_has_every_measure_on_both_kinds_of_network_and_all_agree() -> None:
    rows = kept_rows()
    for zoos in KINDS_OF_ZOOS.values():
        assert sorted(row["measure"] for row in rows if row["zoo"] in zoos) == sorted(TRANSCRIPTIONS)
    assert all(float(row["worst_difference"]) < CLOSE for row in rows)


@pytest.mark.parametrize(("name", "kind"), [_marked(name, kind) for name in TRANSCRIPTIONS for kind in KINDS])
def test_each_measure_is_its_formula(name: str, kind: str, cases: Mapping[str, Case]) -> None:
    case = cases[kind]
    expected = transcribed(TRANSCRIPTIONS[name].formula, case)
    assert difference(measured(name, case), expected) < CLOSE


@pytest.mark.parametrize(("name", "dense", "convolutional"), [_marked(name, *QUICK) for name in DIFFERENT])
def test_where_a_measure_has_a_reason_to_differ_from_its_publication_it_does_differ(
    name: str, dense: str, convolutional: str, cases: Mapping[str, Case]
) -> None:
    published = TRANSCRIPTIONS[name].published
    assert published is not None
    found = [
        difference(measured(name, case), transcribed(published, case)) for case in (cases[dense], cases[convolutional])
    ]
    assert max(found) > CLOSE
