"""Values and names that are equal but written differently: the two rooms that read them agree about which they are."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from model_zoo import spelling as of_zoos
from scoring import spelling as of_scores

Values = Sequence[str | int | float | bool]
EQUAL: list[Values] = [
    (0.0, -0.0),
    (True, 1),
    (False, 0.0),
    (True, "1"),
    ("0.1", 0.1),
    ("0.1", "0.10"),
    ("0.0", "-0.0"),
    (1, 1.0),
    ("1e3", 1000),
    (2**60 + 1, str(2**60 + 1)),
    ("caf\u00e9", "cafe\u0301"),
    ("\uff11", 1),
    ("same", "same"),
]
DIFFERENT: list[Values] = [
    (0.1, 0.2),
    (True, False, 2),
    ("sgd", "SGD"),
    ("nan", "inf", "1"),
    (2**60 + 1, 2**60, 2**60 - 1),
    (2**53 + 1, float(2**53)),
    ("1.0.0", "1.0"),
    ("", "0", "none", "True"),
]


@pytest.mark.parametrize("values", EQUAL, ids=str)
def test_both_find_what_is_equal(values: Values) -> None:
    for order in permutations(values):
        for listed in (order, ("first", *order), (*order, "last")):
            assert of_scores.equal_values(listed) == of_zoos.equal_values(listed) == order


@pytest.mark.parametrize("values", DIFFERENT, ids=str)
def test_both_leave_what_differs(values: Values) -> None:
    assert (of_scores.equal_values(values), of_zoos.equal_values(values)) == (None, None)


@pytest.mark.parametrize("names", [("caf\u00e9", "cafe\u0301"), ("a", "a"), ("\uff41", "a"), ("\ufb01t", "fit")])
def test_both_find_equal_names(names: tuple[str, str]) -> None:
    assert of_scores.equal_names(["x", *names]) == of_zoos.equal_names(["x", *names]) == names


def test_names_are_no_numbers_and_have_their_case() -> None:
    names = ["1", "1.0", "a", "A", "True", "\u00e9", "e"]
    assert (of_scores.equal_names(names), of_zoos.equal_names(names)) == (None, None)
