"""Which addresses organizers may name: what lies below the allowed ones, however it is written, and nothing else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions.zoos.allowed_sources import SourceError, allowed_address, allowed_path

SOURCES = ("/data/zoos", "s3://bucket/zoos/")


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("/data/zoos", "/data/zoos"),
        ("/data//zoos/./digits/", "/data/zoos/digits"),
        ("//data/zoos/digits", "/data/zoos/digits"),
        ("s3://bucket/zoos/digits/", "s3://bucket/zoos/digits"),
    ],
)
def test_what_lies_below_an_allowed_address_is_given_in_its_plain_form(address: str, plain: str) -> None:
    assert allowed_address(address, SOURCES) == plain


@pytest.mark.parametrize(
    "address",
    ["/data/zoos2", "/data", "/", "s3://bucket/zoos2", "s3://bucket", "s3://other/zoos", "/etc/passwd", "/bucket/zoos"],
)
def test_what_lies_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(SourceError, match="is not below"):
        allowed_address(address, SOURCES)


@pytest.mark.parametrize("address", ["", "digits", "file:///data/zoos", "http://localhost/", "data/zoos", "~/zoos"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SourceError, match="Give an absolute folder"):
        allowed_address(address, SOURCES)


@pytest.mark.parametrize("address", ["/data/zoos/../../etc", "s3://bucket/zoos/../private", "/data/zoos/a\0b"])
def test_a_way_out_is_refused(address: str) -> None:
    with pytest.raises(SourceError, match="must not contain"):
        allowed_address(address, SOURCES)


def test_without_any_source_nobody_names_anything() -> None:
    with pytest.raises(SourceError, match="GENGAP_ZOO_SOURCES is empty"):
        allowed_address("/data/zoos", ())


@given(st.lists(st.sampled_from(["data", "zoos", ".", "..", "", "x", "s3:", "/"]), max_size=8))
def test_no_spelling_of_a_folder_leads_out(parts: list[str]) -> None:
    address = "/" + "/".join(parts)
    try:
        found = allowed_address(address, SOURCES)
    except SourceError:
        return
    assert Path(found).is_relative_to("/data/zoos")
    assert ".." not in Path(found).parts


def test_a_link_out_of_the_folder_is_refused_and_one_within_it_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "zoos", tmp_path / "private"
    for folder in (inside / "digits", outside):
        folder.mkdir(parents=True)
    (inside / "out").symlink_to(outside)
    (inside / "in").symlink_to(inside / "digits")
    sources = (str(inside),)
    assert allowed_path(str(inside / "in"), sources) == inside / "digits"
    with pytest.raises(SourceError, match="leads out of the folders"):
        allowed_path(str(inside / "out"), sources)
    with pytest.raises(SourceError, match="There is no"):
        allowed_path(str(inside / "none"), sources)


def test_an_allowed_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "digits").mkdir(parents=True)
    (tmp_path / "zoos").symlink_to(tmp_path / "real")
    assert allowed_path(str(tmp_path / "zoos" / "digits"), (str(tmp_path / "zoos"),)) == tmp_path / "real" / "digits"
