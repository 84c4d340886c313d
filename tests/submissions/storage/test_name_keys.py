"""Names that people could take for one another have one skeleton; a name has the same keys however it is typed."""

from unicodedata import normalize

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from submissions.storage.name_keys import is_name, name_key, plain_name, skeleton

# Letters with others that look the same, from Unicode's table of confusables.
ALIKE = {"a": "аɑа", "c": "сⅽ", "e": "еҽ", "i": "іı", "o": "оο0", "p": "рρ", "s": "ѕ", "x": "хⅹ", "y": "уγ", "l": "1Iӏ"}
letters = st.text("aceiopsxyltn", min_size=2, max_size=12)


@st.composite
def disguised(draw: st.DrawFn) -> tuple[str, str]:
    """A name, and one that looks the same."""
    name = draw(letters)
    return name, "".join(draw(st.sampled_from(letter + ALIKE.get(letter, ""))) for letter in name)


@given(disguised())
def test_what_looks_the_same_has_the_same_skeleton(pair: tuple[str, str]) -> None:
    assert skeleton(pair[0]) == skeleton(pair[1])


@example("%")
@given(st.text())
def test_a_skeleton_is_its_own_and_the_same_for_every_form_and_case_of_a_name(name: str) -> None:
    assert skeleton(skeleton(name)) == skeleton(name)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert skeleton(normalize(form, name)) == skeleton(name)
        assert name_key(normalize(form, name)) == name_key(name)


@given(letters)
def test_full_width_letters_and_small_ones_have_the_same_keys(name: str) -> None:
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in name)
    assert plain_name(f" {wide} ") == name
    assert name_key(wide.upper()) == name_key(name)


@given(st.text("abcdefghjknpqrstuvwyz", min_size=1), st.text("abcdefghjknpqrstuvwyz", min_size=1))
def test_different_plain_letters_have_different_skeletons(one: str, other: str) -> None:
    assume(one != other)
    assert skeleton(one) != skeleton(other)


@given(st.text(st.characters(categories=["L", "M", "Nd"]), min_size=1, max_size=30))
def test_a_name_that_is_accepted_is_visible_and_fits_its_column(text: str) -> None:
    name = plain_name(text)
    if not is_name(name, "._- "):
        return
    assert skeleton(name)
    assert name.isprintable()
    assert max(len(name), len(name_key(name))) <= 40


@pytest.mark.parametrize(
    "name", ["", "-a", " a", "a  b", "a@b", "a/b", "a\u200bb", "a\u3164", "\u0301a", "a\u202eb", "a\ufe0f"]
)
def test_what_is_no_name(name: str) -> None:
    assert not is_name(name, "._- ")
