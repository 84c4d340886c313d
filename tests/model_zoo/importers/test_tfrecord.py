"""TFRecord files and the messages in them: what is written is read again, and damage is told."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from model_zoo import ZooError
from model_zoo.importers.tensorflow_files.protobuf import WireError, example_features, parse_tensor
from model_zoo.importers.tensorflow_files.tfrecord import masked_crc32c, records
from tests.model_zoo.importers import wire

FLOATS = arrays.arrays(
    np.float32, arrays.array_shapes(min_dims=0, max_dims=4, max_side=4), elements=st.floats(width=32, allow_nan=False)
)
INTEGERS = st.sampled_from([np.int32, np.int64]).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, max_side=4))
)
CONTENTS = st.lists(st.binary(max_size=60), max_size=6)


@given(st.binary(max_size=200))
def test_the_checksum_is_crc32c_by_its_definition_masked(content: bytes) -> None:
    crc = wire.crc32c(content)
    assert masked_crc32c(content) == ((crc >> 15) + (crc << 17) + 0xA282EAD8) % 2**32


def test_crc32c_has_its_published_check_value() -> None:
    assert wire.crc32c(b"123456789") == 0xE3069283


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records") / "shard_0.tfrecord"


@given(contents=CONTENTS)
def test_records_are_read_as_they_were_written(file: Path, contents: list[bytes]) -> None:
    file.write_bytes(wire.records(contents))
    assert list(records(file)) == contents


@given(contents=CONTENTS.filter(bool), data=st.data())
def test_a_flipped_bit_anywhere_is_found(file: Path, contents: list[bytes], data: st.DataObject) -> None:
    content = bytearray(wire.records(contents))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    with pytest.raises(ZooError, match=r"shard_0\.tfrecord: record \d+: .*fetch the file again"):
        list(records(file))


@given(contents=CONTENTS.filter(bool), data=st.data())
def test_a_file_that_ends_inside_a_record_is_found(file: Path, contents: list[bytes], data: st.DataObject) -> None:
    whole = wire.records(contents)
    last = len(wire.record(contents[-1]))
    cut = data.draw(st.integers(1, last - 1))
    file.write_bytes(whole[:-cut])
    with pytest.raises(ZooError, match=rf"shard_0\.tfrecord: record {len(contents) - 1}: .*truncated"):
        list(records(file))


@given(array=FLOATS | INTEGERS, storage=st.sampled_from(["content", "packed", "single"]))
def test_a_tensor_is_read_as_it_was_written(array: NDArray[Any], storage: wire.Storage) -> None:
    found = parse_tensor(wire.tensor(array, storage))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array, strict=True)


@given(array=FLOATS | INTEGERS, data=st.data(), storage=st.sampled_from(["packed", "single"]))
def test_the_last_single_value_stands_for_all_that_are_missing(
    array: NDArray[Any], data: st.DataObject, storage: wire.Storage
) -> None:
    kept = data.draw(st.integers(1, array.size))
    flat = array.reshape(-1).copy()
    flat[kept:] = flat[kept - 1]
    np.testing.assert_array_equal(parse_tensor(wire.tensor(array, storage, kept)), flat.reshape(array.shape))


def test_unknown_fields_of_every_wire_type_are_passed_over() -> None:
    strange = wire.integer(99, 7) + wire.message(98, b"xyz") + wire.varint(97 << 3 | 1) + bytes(8)
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(parse_tensor(strange + wire.tensor(array)), array)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (wire.integer(1, 7), "kind 7"),
        (
            wire.message(2, wire.message(2, wire.integer(1, 3))) + wire.message(4, b"1234"),
            r"4 bytes do not hold .*\(3,\)",
        ),
        (wire.message(2, wire.message(2, wire.integer(1, -1))), "unknown dimension"),
        (wire.message(2, wire.integer(3, 1)), "unknown rank"),
        (wire.message(2, wire.message(2, wire.integer(1, 2**40))), "more than"),
        (wire.tensor(np.zeros(2, np.int32), "packed") + wire.integer(7, 5), r"3 numbers for a tensor of shape \(2,\)"),
        (wire.integer(1, 3) + wire.integer(7, 2**40), "does not fit int32"),
        (wire.message(5, b"123"), "whole numbers of 4 bytes"),
        (wire.integer(5, 3), "not of float32"),
        (b"\x0b", "wire type 3"),
        (b"\x12\x7f\x00", "longer than its message"),
        (b"\xff", "longer than its message"),
        (b"\xff" * 10 + b"\x01", "more than 64 bits"),
    ],
)
def test_what_is_no_tensor_is_told(message: bytes, told: str) -> None:
    with pytest.raises(WireError, match=told):
        parse_tensor(message)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_an_error(content: bytes) -> None:
    for read in (parse_tensor, example_features):
        with contextlib.suppress(WireError):  # any other exception fails the test
            read(content)


@given(st.dictionaries(st.text(max_size=8), st.binary(max_size=30), max_size=4))
def test_an_examples_features_are_read_as_they_were_written(features: dict[str, bytes]) -> None:
    assert example_features(wire.example(features)) == features
