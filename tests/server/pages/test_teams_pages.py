"""The pages of teams: making one, inviting, joining, leaving, and what a team-mate may see and do."""

import re

import pytest
from sqlalchemy import update

from submissions.storage.records import PhaseRecord, utc_now
from submissions.storage.states import Reason
from tests.server.site import Browser, Site

TEAM = "/competitions/demo/team"
BOARD = "/competitions/demo/main/leaderboard"


def _link(browser: Browser) -> str:
    """The path of the invite link on the team's page."""
    (found,) = re.findall(r'value="https?://[^/"]+(/invitations/[\w-]+)"', browser.get(TEAM).text)
    return str(found)


def test_a_team_is_made_invited_to_joined_and_left(site: Site) -> None:
    phase = site.phase()
    site.submission(phase, site.bob, cmi=(0.3, 0.4), name="Bobs measure")
    ann, bob = site.browser("ann"), site.browser("bob")
    assert ann.post(TEAM, {"name": "The Gaps"}, form=TEAM).location == TEAM
    link = _link(ann)
    shown = bob.get(link).text
    assert "Join The Gaps?" in shown
    assert "<strong>ann</strong>" in shown
    assert "bob" not in ann.get(TEAM).text
    assert bob.post(link, form=link).location == TEAM
    for browser in (ann, bob):
        page = browser.get(TEAM).text
        assert ">ann" in page
        assert ">bob" in page
        assert "Bobs measure" in page
    assert "The Gaps" in site.browser().get(BOARD).text
    assert bob.post(f"{TEAM}/leave", form=TEAM).location == TEAM
    assert "Bobs measure" not in bob.get(TEAM).text
    assert "Bobs measure" in ann.get(TEAM).text


def test_a_visitor_with_a_link_logs_in_first_and_comes_back(site: Site) -> None:
    site.phase()
    link = f"/invitations/{site.team('gaps', site.ann)}"
    assert site.browser().get(link).location == f"/login?next={link}"


def test_opening_a_link_lets_nobody_in(site: Site) -> None:
    site.phase()
    key = site.team("gaps", site.ann)
    bob = site.browser("bob")
    bob.get(f"/invitations/{key}")
    assert "Create the team" in bob.get(TEAM).text


def test_a_new_link_makes_the_old_one_useless(site: Site) -> None:
    site.phase()
    old = f"/invitations/{site.team('gaps', site.ann)}"
    ann, bob = site.browser("ann"), site.browser("bob")
    ann.post(f"{TEAM}/invite", form=TEAM)
    assert bob.get(old).status_code == bob.post(old).status_code == 404
    assert bob.post(_link(ann)).location == TEAM


def test_a_faulty_name_is_told_beside_the_field(site: Site) -> None:
    site.phase()
    ann = site.browser("ann")
    answer = ann.post(TEAM, {"name": "<>"}, form=TEAM)
    assert answer.status_code == 422
    assert 'id="name-error"' in answer.text
    assert 'value="&lt;&gt;"' in answer.text


def test_who_is_in_another_team_is_told_so(site: Site) -> None:
    site.phase()
    link = f"/invitations/{site.team('gaps', site.ann)}"
    site.team("others", site.bob)
    bob = site.browser("bob")
    assert "You are in the team others" in bob.get(link).text
    refused = bob.post(link, form=TEAM)
    assert (refused.status_code, "Leave that one first" in refused.text) == (422, True)


def test_after_the_deadline_the_pages_say_why_there_is_no_button(site: Site) -> None:
    site.phase()
    link = f"/invitations/{site.team('gaps', site.ann)}"
    with site.db.write() as session:
        session.execute(update(PhaseRecord).values(closes_at=utc_now()))
    bob = site.browser("bob")
    for page in (bob.get(link), bob.get(TEAM), site.browser("ann").get(TEAM)):
        assert "Every phase of this competition has closed" in page.text
    assert "Join the team" not in bob.get(link).text
    assert bob.post(link, form="/my/teams").status_code == 422
    assert bob.post(TEAM, {"name": "late"}, form="/my/teams").status_code == 422


def test_the_list_tells_where_one_takes_part_alone(site: Site) -> None:
    site.phase()
    site.phase(competition="other")
    site.phase(competition="secret", hidden=True)
    site.team("gaps", site.ann)
    page = site.browser("ann").get("/my/teams").text
    assert page.count('href="/competitions/demo/team"') == 2
    assert page.count('href="/competitions/other/team"') == 1
    assert "secret" not in page


def test_a_team_mate_may_see_and_cancel_what_nobody_else_may(site: Site) -> None:
    phase = site.phase(shows_logs=True)
    failed = site.submission(phase, site.ann, reason=Reason.RAISED)
    site.failure(failed, 3, message="a private message")
    running = site.submission(phase, site.ann, done=1)
    key = site.team("gaps", site.ann)
    bob = site.browser("bob")
    assert "a private message" not in bob.get(f"/submissions/{failed}").text
    assert bob.post(f"/submissions/{running}/cancel").status_code == 403
    bob.post(f"/invitations/{key}")
    assert "a private message" in bob.get(f"/submissions/{failed}").text
    assert bob.post(f"/submissions/{running}/cancel").status_code == 302
    bob.post(f"{TEAM}/leave", form=TEAM)
    assert "a private message" not in bob.get(f"/submissions/{failed}").text


def test_a_hidden_submission_exists_for_the_team(site: Site) -> None:
    hidden = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2), is_hidden=True)
    bob = site.browser("bob")
    assert bob.get(f"/submissions/{hidden}").status_code == 404
    site.team("gaps", site.ann, site.bob)
    assert bob.get(f"/submissions/{hidden}").status_code == 200


def test_an_invitation_to_a_hidden_competition_is_none(site: Site) -> None:
    site.phase(hidden=True)
    link = f"/invitations/{site.team('gaps', site.ann)}"
    assert [site.browser(name).get(link).status_code for name in ("ann", "bob", "olga")] == [404, 404, 200]
    assert site.browser("bob").post(link).status_code == 404


@pytest.mark.parametrize("path", [f"/invitations/{'x' * 30}", "/invitations/short", "/competitions/none/team"])
def test_what_leads_to_no_team_is_a_404(site: Site, path: str) -> None:
    site.phase()
    assert site.browser("ann").get(path).status_code == 404
