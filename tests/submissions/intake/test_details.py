"""What an author may say of a submission: checked texts, links that only lead somewhere, nobody else's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions.intake.details import (
    ALIAS_LENGTH,
    DESCRIPTION_LENGTH,
    LINK_LENGTH,
    NAME_LENGTH,
    DetailsError,
    details_of,
)
from submissions.intake.submit import SubmissionRefused, submit
from submissions.storage.records import PhaseRecord, SubmissionRecord, TeamRecord
from tests.factories import SQUARED_NORM, Competition, bundle_of

FIELDS = {"name", "description", "link", "alias"}


def faults(**texts: str) -> dict[str, str]:
    with pytest.raises(DetailsError) as caught:
        details_of(**{"name": "A measure", **texts})
    return caught.value.messages


def test_spaces_around_are_dropped_and_an_empty_alias_is_none() -> None:
    details = details_of("  A measure ", " Two\n\nparagraphs ", " https://example.org/x ", "  ")
    assert (details.name, details.description, details.link) == (
        "A measure",
        "Two\n\nparagraphs",
        "https://example.org/x",
    )
    assert details.alias is None


@pytest.mark.parametrize("name", ["", "   ", "x" * (NAME_LENGTH + 1), "two\nlines", "bell\a"])
def test_a_name_is_one_line_of_reasonable_length(name: str) -> None:
    assert faults(name=name).keys() == {"name"}


@pytest.mark.parametrize("alias", ["x" * (ALIAS_LENGTH + 1), "two\nlines", "\u3164\ufe0f"])
def test_an_alias_is_one_line_of_reasonable_length(alias: str) -> None:
    assert faults(alias=alias).keys() == {"alias"}


def test_each_fault_has_its_sentence() -> None:
    told = faults(name="", description="x" * (DESCRIPTION_LENGTH + 1), link="nowhere", alias="a\nb")
    assert told.keys() == {"name", "description", "link", "alias"}
    assert all(sentence.endswith(".") for sentence in told.values())


@pytest.mark.parametrize(
    "link",
    [
        "https://example.org",
        "http://localhost:8000/paper",
        "https://arxiv.org/abs/1912.02178",
        "HTTPS://EXAMPLE.ORG/a?b=c#d",
        "https://[::1]/x",
        "https://de.wikipedia.org/wiki/Übung",
    ],
)
def test_a_web_address_is_a_link(link: str) -> None:
    assert details_of("A measure", link=link).link == link


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JavaScript://example.org/%0aalert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//example.org/x",
        "example.org",
        "/submissions/1",
        "https://",
        "https:///x",
        "https://example.org@evil.example/",
        "https://ann:secret@example.org/",
        "https://example.org/a b",
        "https://example.org/\u202eevil",
        "https:\\\\example.org",
        "https://example.org:port/",
        "https://[::1",
        "https://example.org/" + "x" * LINK_LENGTH,
    ],
)
def test_what_is_no_plain_web_address_is_no_link(link: str) -> None:
    assert faults(link=link).keys() == {"link"}


@given(name=st.text(), description=st.text(), link=st.text(), alias=st.text())
def test_whatever_is_sent_is_details_or_sentences(name: str, description: str, link: str, alias: str) -> None:
    try:
        details = details_of(name, description, link, alias)
    except DetailsError:
        assert faults(name=name, description=description, link=link, alias=alias).keys() <= FIELDS
        return
    assert details_of(details.name, details.description, details.link, details.alias or "") == details
    assert details.link == "" or details.link.lower().startswith(("http://", "https://"))


def hand_in(competition: Competition, user_id: int, **details: str | int | None) -> int:
    return submit(
        competition.db,
        competition.store,
        phase_id=competition.phase_id,
        user_id=user_id,
        name="m",
        bundle=bundle_of(SQUARED_NORM),
        **details,  # type: ignore[arg-type]
    )


def test_what_an_author_says_is_kept_with_the_submission(competition: Competition) -> None:
    ada = competition.user()
    first = hand_in(competition, ada)
    second = hand_in(
        competition, ada, description="Better.", link="https://example.org", alias="Moriarty", parent_id=first
    )
    with competition.db.read() as session:
        kept = session.get_one(SubmissionRecord, second)
    assert (kept.description, kept.link, kept.alias) == ("Better.", "https://example.org", "Moriarty")
    assert (kept.parent_id, kept.track) == (first, "standard")


def test_nobody_appears_under_the_name_of_another_person_or_a_team(competition: Competition) -> None:
    ada = competition.user()
    competition.user("bob")
    with competition.db.write() as session:
        competition_id = session.get_one(PhaseRecord, competition.phase_id).competition_id
        session.add(TeamRecord(competition_id=competition_id, name="The Team", name_key="the team", invite_key="k"))
    for alias in ("BOB", "ВОВ", "b0b", "the team", "Deleted account 3", "Squared norm", "gengap"):
        with pytest.raises(SubmissionRefused, match=f"{alias} is the name of somebody else"):
            hand_in(competition, ada, alias=alias)
    assert hand_in(competition, ada, alias="Ada") > 0
