"""Keys of hidden zoos: what is derived from them, how they are read, and that nothing shows them."""

import hashlib
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model_zoo.manifest import ZooError
from model_zoo.recipes.keys import KEY_BYTES, ZooKey, new_key, read_key

KEY = ZooKey(key="0123456789abcdef" * 4, recipe_sha256="7" * 64)
hex_keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES).map(bytes.hex)
digests = st.none() | hex_keys
purposes = st.lists(
    st.text(max_size=5) | st.integers() | st.dictionaries(st.text(max_size=3), st.integers()), max_size=3
)


@given(hex_keys, digests)
def test_a_key_that_was_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, key: str, recipe: str) -> None:
    path = tmp_path_factory.getbasetemp() / "key.json"
    written = ZooKey(key=key, recipe_sha256=recipe)
    path.write_bytes(written.dump())
    assert read_key(path) == read_key(path, recipe) == written


@given(hex_keys, digests)
def test_a_key_may_be_written_as_digits_alone(
    tmp_path_factory: pytest.TempPathFactory, key: str, recipe: str | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "key"
    for text in (key, f"{key}\n", f"{key.upper()}\n"):
        path.write_text(text)
        assert read_key(path, recipe) == ZooKey(key=key, recipe_sha256=recipe)


@given(purposes, purposes, st.integers(1, 100))
def test_what_is_derived_is_the_same_for_the_same_purpose_alone(
    first: list[object], other: list[object], n: int
) -> None:
    assert KEY.derive(n, *first) == KEY.derive(n, *first)
    assert (KEY.derive(KEY_BYTES, *first) == KEY.derive(KEY_BYTES, *other)) == (
        json.dumps(first, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


def test_another_key_and_another_recipe_share_nothing() -> None:
    keys = [KEY, KEY.model_copy(update={"recipe_sha256": None}), new_key("7" * 64), new_key("7" * 64), new_key()]
    for one, other in itertools.combinations(keys, 2):
        assert set(one.ids(500)).isdisjoint(other.ids(500))
        assert not np.intersect1d(one.stream("test").random(500), other.stream("test").random(500)).size


def test_ids_are_different_opaque_and_in_no_order() -> None:
    ids = KEY.ids(500)
    assert len(set(ids)) == 500
    assert all(re.fullmatch("[0-9a-f]{12}", network_id) for network_id in ids)
    assert ids != sorted(ids)
    assert KEY.ids(300) == ids[:300]


def test_numbers_come_from_a_key_as_the_specification_says() -> None:
    """Who has kept a key must be able to make the zoo again with a later release."""

    def derived(count: int, purpose: str) -> bytes:
        return hashlib.shake_256(bytes.fromhex(KEY.key) + f'["{KEY.recipe_sha256}", {purpose}]'.encode()).digest(count)

    assert KEY.ids(2) == [derived(6, '"id", 0').hex(), derived(6, '"id", 1').hex()]
    words = [int.from_bytes(derived(48, '"test"')[start : start + 8], "little") for start in range(0, 48, 8)]
    philox = np.random.Philox(key=words[0] + (words[1] << 64), counter=np.array(words[2:], dtype=np.uint64))
    assert KEY.stream("test").bit_generator.random_raw(50).tolist() == philox.random_raw(50).tolist()


def test_a_key_is_never_shown() -> None:
    assert KEY.key not in f"{KEY!r} {KEY}"
    with pytest.raises(ValidationError) as raised:
        ZooKey(key="0123456789abcdef" * 5)
    assert "0123456789abcdef" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 characters"),
        (b"0123456789abcdef" * 3, "48 characters"),
        (b"0123456789abcdef" * 5, "80 characters"),
        (b"0123456789abcdeg" * 4, "or others than hexadecimal digits"),
        (b"\xff" * KEY_BYTES, "not a key"),
        (b'{"format": 1, "key": "0123456789abcdef"}', "key: String should match pattern"),
        (b'{"format": 2, "key": "' + b"0123456789abcdef" * 4 + b'"}', "format: Input should be 1"),
        (b'{"key": "0123456789abcdef', "not a key"),
    ],
)
def test_what_is_no_key_is_told_without_showing_it(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ZooError, match=message) as raised:
        read_key(tmp_path / "key")
    assert str(raised.value).startswith(f"{tmp_path / 'key'}: ")
    assert "64 hexadecimal digits (256 bits)" in str(raised.value)
    assert "01234567" not in str(raised.value)


def test_the_key_of_another_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_bytes(KEY.dump())
    with pytest.raises(ZooError, match=r"key\.json: .* from another recipe"):
        read_key(tmp_path / "key.json", "8" * 64)
    with pytest.raises(ZooError, match="none: the key cannot be read: No such file"):
        read_key(tmp_path / "none")
