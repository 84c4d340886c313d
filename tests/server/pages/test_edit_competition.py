"""The organizers' page for a competition: what is typed stands on its page, what is wrong is told and not lost."""

from sqlalchemy import select

from submissions.storage.records import ActRecord, CompetitionRecord
from tests.server.site import Site


def _competition(site: Site) -> CompetitionRecord:
    with site.db.read() as session:
        return session.scalars(select(CompetitionRecord)).one()


def test_an_announcement_stands_on_the_page_until_it_is_withdrawn(site: Site) -> None:
    site.phase()
    page = f"/organizer/competitions/{_competition(site).id}"
    olga, visitor = site.browser("olga"), site.browser()
    answer = olga.post(f"{page}/announcements", {"headline": "A zoo more", "message": "One.\r\n\r\n<b>Two.</b>"})
    assert answer.location == page
    shown = visitor.get("/competitions/demo").text
    assert "A zoo more" in shown
    assert "<p>&lt;b&gt;Two.&lt;/b&gt;</p>" in shown
    assert olga.post(f"{page}/announcements/1/withdraw").location == page
    assert "A zoo more" not in visitor.get("/competitions/demo").text
    assert "withdrawn already" in olga.get(olga.post(f"{page}/announcements/1/withdraw").location).text
    with site.db.read() as session:
        acts = [(act.act, act.detail) for act in session.scalars(select(ActRecord).order_by(ActRecord.id))]
    assert acts[-2:] == [("announced", "demo: A zoo more"), ("withdrew", "demo: A zoo more")]


def test_an_announcement_without_a_headline_is_refused_and_its_text_kept(site: Site) -> None:
    site.phase()
    answer = site.browser("olga").post(
        f"/organizer/competitions/{_competition(site).id}/announcements", {"headline": " ", "message": "Long text"}
    )
    assert answer.status_code == 422
    assert "Give the announcement a title" in answer.text
    assert "Long text</textarea>" in answer.text


def test_texts_and_rules_are_changed(site: Site) -> None:
    site.phase()
    page = f"/organizer/competitions/{_competition(site).id}"
    typed = {"title": "Digits", "text": "First.\r\n\r\nSecond.", "rules": "Be kind.", "team_members": "3"}
    assert site.browser("olga").post(page, typed).location == page
    changed = _competition(site)
    assert (changed.title, changed.text, changed.rules) == ("Digits", "First.\n\nSecond.", "Be kind.")
    assert changed.team_members == 3
    assert "Be kind." in site.browser().get("/competitions/demo").text


def test_what_cannot_be_taken_is_told_at_its_field_and_changes_nothing(site: Site) -> None:
    site.phase()
    page = f"/organizer/competitions/{_competition(site).id}"
    answer = site.browser("olga").post(page, {"title": "", "text": "Kept", "team_members": "many"})
    assert answer.status_code == 422
    assert "Give the competition a title" in answer.text
    assert "Give from 1 to 50 members" in answer.text
    assert "Kept</textarea>" in answer.text
    assert _competition(site).title == "Predict the gap"


def test_an_announcement_of_another_competition_is_not_withdrawn_here(site: Site) -> None:
    site.phase()
    site.phase("open", competition="other")
    with site.db.read() as session:
        first, second = session.scalars(select(CompetitionRecord.id).order_by(CompetitionRecord.id))
    olga = site.browser("olga")
    olga.post(f"/organizer/competitions/{first}/announcements", {"headline": "Stays"})
    olga.post(f"/organizer/competitions/{second}/announcements/1/withdraw")
    assert "Stays" in site.browser().get("/competitions/demo").text
