"""A person's own list: theirs and their teams' submissions, by phase and page, with scores as far as they may see."""

from datetime import timedelta

import pytest

from submissions.intake.listing import ListedPage, own_phases, own_submissions, phase_for_another
from submissions.storage.records import PhaseRecord, SubmissionRecord, TeamMemberRecord, TeamRecord
from submissions.storage.roles import Permission
from submissions.storage.states import Reason, State
from tests.records import START, Records


def listed(
    records: Records, user_id: int, *, phase_id: int | None = None, page: int = 1, per_page: int = 50
) -> ListedPage:
    with records.db.read() as session:
        return own_submissions(session, user_id, phase_id=phase_id, page=page, per_page=per_page)


def ids(page: ListedPage) -> list[int]:
    return [one.submission_id for one in page.items]


def team_of(records: Records, phase_id: int, *members: int) -> int:
    with records.db.write() as session:
        competition_id = session.get_one(PhaseRecord, phase_id).competition_id
        team = TeamRecord(competition_id=competition_id, name="Norms", name_key="norms", invite_key="k")
        session.add(team)
        session.flush()
        for user_id in members:
            session.add(TeamMemberRecord(team_id=team.id, user_id=user_id, competition_id=competition_id))
        return team.id


def test_the_list_is_ones_own_newest_first(records: Records) -> None:
    phase = records.phase()
    older = records.submission(phase, records.ann, cmi=(0.1, 0.2))
    records.submission(phase, records.bob)
    newer = records.submission(phase, records.ann, reason=Reason.CRASHED, parent_id=older)
    page = listed(records, records.ann)
    assert [(one.submission_id, one.state, one.reason, one.score, one.parent_id) for one in page.items] == [
        (newer, State.FAILED, Reason.CRASHED, None, older),
        (older, State.SCORED, None, 15.0, None),
    ]
    assert (page.items[0].phase_title, page.items[0].competition_title) == ("Main phase", "Predict the gap")
    assert (page.total, page.pages) == (2, 1)


def test_a_team_mates_submissions_are_listed_with_who_made_them(records: Records) -> None:
    phase = records.phase()
    team_id = team_of(records, phase, records.ann, records.bob)
    own = records.submission(phase, records.ann, team_id=team_id)
    theirs = records.submission(phase, records.bob, team_id=team_id)
    alone = records.submission(phase, records.bob)
    assert [(one.submission_id, one.made_by) for one in listed(records, records.ann).items] == [
        (theirs, "bob"),
        (own, None),
    ]
    assert ids(listed(records, records.bob)) == [alone, theirs, own]


def test_pages_and_phases_part_the_list_without_loss(records: Records) -> None:
    first, second = records.phase(), records.phase("next")
    made = [records.submission(phase, records.ann) for phase in (first, first, second, first, second)]
    pages = [listed(records, records.ann, page=number, per_page=2) for number in (1, 2, 3, 4)]
    assert [one for page in pages for one in ids(page)] == made[::-1]
    assert {(page.total, page.pages) for page in pages} == {(5, 3)}
    assert ids(listed(records, records.ann, phase_id=second)) == [made[4], made[2]]
    assert listed(records, records.ann, phase_id=second, per_page=1).pages == 2
    with records.db.read() as session:
        assert {(one.phase_id, one.count) for one in own_phases(session, records.ann)} == {(first, 3), (second, 2)}
        assert own_phases(session, records.bob) == []


def test_a_hidden_phase_is_listed_for_organizers_alone(records: Records) -> None:
    hidden = records.submission(records.phase("secret", hidden=True), records.ann)
    assert ids(listed(records, records.ann)) == []
    with records.db.read() as session:
        assert ids(own_submissions(session, records.ann, permissions=frozenset({Permission.SEE_HIDDEN}))) == [hidden]
        assert own_phases(session, records.ann) == []


def test_the_ladder_shows_what_it_released_and_a_freeze_hides_nothing_from_oneself(records: Records) -> None:
    ladder = records.phase("ladder", uses_ladder=True)
    frozen = records.phase("frozen", freezes_at=START)
    records.submission(ladder, records.ann, cmi=(0.1, 0.2), shown_score=14.0)
    withheld = records.submission(ladder, records.ann, cmi=(0.1, 0.2))
    with records.db.write() as session:
        session.get_one(SubmissionRecord, withheld).shown_score = None
    records.submission(frozen, records.ann, cmi=(0.1, 0.2))
    assert [one.score for one in listed(records, records.ann).items] == [15.0, None, 14.0]


@pytest.mark.parametrize(
    ("closes", "other", "expected"),
    [(False, True, "main"), (True, True, "next"), (True, False, None), (False, False, "main")],
)
def test_it_is_sent_once_more_to_its_own_phase_or_to_one_that_is_open(
    records: Records, closes: bool, other: bool, expected: str | None
) -> None:
    phase = records.phase(closes_at=START + timedelta(days=1) if closes else None)
    if other:
        records.phase("next")
    records.phase("secret", hidden=True)
    records.phase("elsewhere", competition="another")
    records.submission(phase, records.ann)
    assert [one.resubmit_to for one in listed(records, records.ann).items] == [expected]
    with records.db.read() as session:
        found = phase_for_another(session, session.get_one(PhaseRecord, phase), START + timedelta(days=2))
    assert (found and found.slug) == expected
