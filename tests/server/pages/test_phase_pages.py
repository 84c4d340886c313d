"""The organizers' pages for phases: opening one over ready zoos, changing one, what is told where a field is wrong."""

from collections.abc import Mapping

import pytest
from sqlalchemy import select

from submissions.storage.limits import Limits
from submissions.storage.records import CompetitionRecord, PhaseRecord, ShowsScores, TimeRule
from tests.server.site import Site

FIELDS = {
    "competition": "+",
    "competition_title": "Spring",
    "competition_slug": "spring",
    "competition_text": "First.\r\n\r\nSecond.",
    "title": "Open phase",
    "slug": "open",
    "opens_at": "2027-03-01T12:00",
    "closes_at": "2027-06-01T00:00",
    "target": "gap",
    "wall_s": "2.5",
    "time_rule": "pooled",
    "memory_mib": "1024",
    "cpu_s": "",
    "daily_quota": "5",
    "daily_smoke_failures": "70",
    "total_quota": "30",
    "score_step": "0.5",
    "shows_scores": "after_close",
    "smoke_networks": "1",
    "repeat_networks": "3",
    "shows_logs": "on",
}


def phases(site: Site) -> list[PhaseRecord]:
    with site.db.read() as session:
        return list(session.scalars(select(PhaseRecord).order_by(PhaseRecord.id)))


def test_a_phase_is_opened_as_the_form_says_and_people_can_submit_to_it(site: Site) -> None:
    zoo, olga = site.checked("digits-mlp"), site.browser("olga")
    assert f'value="{zoo}" checked' in olga.get(f"/organizer/phases/new?zoo={zoo}").text
    answer = olga.post("/organizer/phases/new", FIELDS | {"zoos": zoo})
    (phase,) = phases(site)
    assert answer.location == f"/organizer/phases/{phase.id}"
    with site.db.read() as session:
        competition = session.scalars(select(CompetitionRecord)).one()
    assert (competition.slug, competition.title, competition.text) == ("spring", "Spring", "First.\n\nSecond.")
    assert f"{phase.opens_at:%Y-%m-%d %H:%M} {phase.closes_at:%Y-%m-%d}" == "2027-03-01 12:00 2027-06-01"
    assert phase.limits == Limits(wall_s=2.5, memory_bytes=2**30, cpu_s=None)
    assert phase.time_rule is TimeRule.POOLED
    assert (phase.daily_quota, phase.daily_smoke_failures, phase.smoke_networks) == (5, 70, 1)
    assert (phase.repeat_networks, phase.shows_logs, phase.hidden) == (3, True, False)
    assert (phase.total_quota, phase.score_step, phase.shows_scores) == (30, 0.5, ShowsScores.AFTER_CLOSE)
    assert "Open phase" in site.browser().get("/competitions/spring").text
    assert "Open phase" in olga.get("/organizer/phases/").text


def test_a_second_phase_goes_into_the_competition_that_is_chosen(site: Site) -> None:
    zoo, olga = site.checked("digits-mlp"), site.browser("olga")
    olga.post("/organizer/phases/new", FIELDS | {"zoos": zoo})
    olga.post("/organizer/phases/new", FIELDS | {"zoos": zoo, "competition": "spring", "slug": "final"})
    assert [phase.slug for phase in phases(site)] == ["open", "final"]
    assert len({phase.competition_id for phase in phases(site)}) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"opens_at": "tomorrow"}, "Give a day and a time in UTC"),
        ({"closes_at": "2027-03-01T12:00"}, "The phase must close after it opens."),
        ({"wall_s": "fast"}, "Give a number of seconds."),
        ({"wall_s": "nan"}, "Give from 0.1 to 86400 seconds."),
        ({"wall_s": "1e999"}, "Give from 0.1 to 86400 seconds."),
        ({"memory_mib": "-1"}, "Give a whole number."),
        ({"memory_mib": "1"}, "Give at least 64 MiB"),
        ({"daily_quota": "999999999999"}, "Give a whole number."),
        ({"slug": "Open Phase"}, "A phase&#39;s short name has"),
        ({"competition_slug": ""}, "A competition&#39;s short name has"),
        ({"competition_title": ""}, "Give the competition a title"),
        ({"competition": "none"}, "There is no competition none."),
        ({"zoos": ""}, "Choose at least one zoo."),
        ({"zoos": "99"}, "there is no zoo with id 99"),
    ],
)
def test_a_field_that_makes_no_sense_is_told_and_what_was_typed_stays(
    site: Site, changed: Mapping[str, str], said: str
) -> None:
    zoo = site.checked("digits-mlp")
    answer = site.browser("olga").post("/organizer/phases/new", {**FIELDS, "zoos": zoo, **changed})
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="Open phase"' in answer.text
    assert phases(site) == []


def test_a_phase_is_changed_and_not_changed_by_a_form_that_makes_no_sense(site: Site) -> None:
    site.checked("digits-mlp")
    phase, olga = site.phase(zoos=("digits-mlp",)), site.browser("olga")
    page = f"/organizer/phases/{phase}"
    answer = olga.post(page, FIELDS | {"title": "Final phase", "hidden": "on"})
    assert answer.location == page
    assert (phases(site)[0].title, phases(site)[0].hidden) == ("Final phase", True)
    refused = olga.post(page, FIELDS | {"title": "Other", "wall_s": "0"})
    assert refused.status_code == 422
    assert "Give from 0.1 to 86400 seconds." in refused.text
    assert phases(site)[0].title == "Final phase"


def test_what_becomes_visible_must_be_confirmed(site: Site) -> None:
    phase_id = site.phase(zoos=("hidden",), truth_public=False)
    olga, path = site.browser("olga"), f"/organizer/phases/{phase_id}"
    wanted = {**FIELDS, "is_revealed": "on"}
    refused = olga.post(path, wanted)
    assert refused.status_code == 422
    assert "a measure can print everything that it sees" in refused.text
    assert "Everybody sees all numbers of every result" in refused.text
    assert 'name="confirmed"' in refused.text
    (phase,) = phases(site)
    assert (phase.shows_logs, phase.is_revealed) == (False, False)
    assert olga.post(path, wanted | {"confirmed": "on"}).status_code == 302
    (phase,) = phases(site)
    assert (phase.shows_logs, phase.is_revealed) == (True, True)
    assert olga.post(path, wanted).status_code == 302  # nothing more becomes visible


def test_a_new_phase_that_shows_logs_over_a_secret_zoo_must_be_confirmed(site: Site) -> None:
    hidden, olga = site.zoo("hidden", truth_public=False), site.browser("olga")
    refused = olga.post("/organizer/phases/new", FIELDS | {"zoos": hidden})
    assert refused.status_code == 422
    assert "a measure can print everything that it sees" in refused.text
    assert phases(site) == []
    assert olga.post("/organizer/phases/new", FIELDS | {"zoos": hidden, "confirmed": "on"}).status_code == 302


def test_without_a_ready_zoo_the_page_leads_to_adding_one(site: Site) -> None:
    shown = site.browser("olga").get("/organizer/phases/new").text
    assert 'href="/organizer/zoos/"' in shown
    assert "Open the phase" not in shown


def test_a_phase_that_is_not_there_is_a_404(site: Site) -> None:
    olga = site.browser("olga")
    assert olga.get("/organizer/phases/99").status_code == 404
    assert olga.post("/organizer/phases/99", FIELDS).status_code == 404
