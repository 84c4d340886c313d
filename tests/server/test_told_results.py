"""What pages and the API tell of a result where the phase, its zoos or its teams have changed since it was scored."""

from submissions.people import teams
from submissions.storage.records import PhaseRecord, TeamRecord
from tests.scoring.jackknives import of_mean
from tests.server.api.clients import script
from tests.server.site import Site


def test_the_ladder_shows_nobody_the_score_of_a_former_team_mate(site: Site) -> None:
    phase = site.phase(zoos=("zoo",), uses_ladder=True)
    with site.db.read() as session:
        competition = session.get_one(PhaseRecord, phase).competition_id
    team = teams.create_team(site.db, competition, site.ann, "gaps")
    with site.db.read() as session:
        key = session.get_one(TeamRecord, team).invite_key
    teams.join_team(site.db, key, site.bob)
    teams.leave_team(site.db, competition, site.bob)
    for number, name in ((0.2, "first"), (0.77, "secret of ann")):  # after bob has left
        site.submission(
            phase, site.ann, jackknives=[of_mean([number] * 4)], name=name, entrant=f"t{team}", team_id=team
        )
    own = [site.submission(phase, site.bob, jackknives=[of_mean([number] * 4)]) for number in (0.3, 0.9, 0.4)]
    told = [script(site, "bob").get(f"/submissions/{one}").get_json()["score"] for one in own]
    assert told == [None, 90.0, 90.0]
    assert "77" not in site.browser("bob").get(f"/submissions/{own[0]}").text


def test_a_score_in_the_place_of_another_shows_nobody_who_is_behind_an_alias(site: Site) -> None:
    phase = site.phase(zoos=("zoo",), uses_ladder=True)
    released = site.submission(phase, site.ann, jackknives=[of_mean([0.77] * 4)], alias="Fox")
    other = site.submission(phase, site.ann, jackknives=[of_mean([0.3] * 4)], alias="Hare")
    for reader, expected in (("bob", [77.0, None]), (None, [77.0, None]), ("ann", [77.0, 77.0])):
        told = [script(site, reader).get(f"/submissions/{one}").get_json()["score"] for one in (released, other)]
        assert told == expected
    assert "has not released" in site.browser().get(f"/submissions/{other}").text
