"""Teams through the API: made, joined by an invitation, shown to members alone, left."""

from tests.server.api.clients import fields, script
from tests.server.site import Site

TEAM = "/competitions/demo/team"


def test_a_team_is_made_joined_and_left(site: Site) -> None:
    site.phase()
    ann, bob = script(site, "ann"), script(site, "bob")
    made = ann.post(TEAM, {"name": "The Norms"})
    assert made.status_code == 201
    invitation = f"/invitations/{made.get_json()['invite_key']}"
    seen = bob.get(invitation).get_json()
    assert (seen["name"], seen["competition"], [one["name"] for one in seen["members"]]) == (
        "The Norms",
        "demo",
        ["ann"],
    )
    assert "invite_key" not in seen
    joined = bob.post(f"{invitation}/accept").get_json()
    assert [one["name"] for one in joined["members"]] == ["ann", "bob"]
    assert joined == bob.get(TEAM).get_json() == bob.get("/teams").get_json()["items"][0]
    assert ann.delete(f"{TEAM}/me").status_code == 204
    assert ann.get(TEAM).status_code == 404
    assert ann.delete(f"{TEAM}/me").status_code == 404


def test_a_renewed_invitation_makes_the_old_one_worthless(site: Site) -> None:
    site.phase()
    ann, bob = script(site, "ann"), script(site, "bob")
    old = ann.post(TEAM, {"name": "The Norms"}).get_json()["invite_key"]
    new = ann.post(f"{TEAM}/invitation").get_json()["invite_key"]
    assert new != old
    assert bob.post(f"/invitations/{old}/accept").status_code == 404
    assert bob.post(f"/invitations/{new}/accept").status_code == 200


def test_nobody_is_in_two_teams_of_a_competition(site: Site) -> None:
    site.phase()
    ann = script(site, "ann")
    ann.post(TEAM, {"name": "The Norms"})
    refused = ann.post(TEAM, {"name": "The Margins"})
    assert (refused.status_code, fields(refused)) == (409, set())
    assert "already" in refused.get_json()["detail"]


def test_an_invitation_to_a_hidden_competition_leads_nowhere_for_participants(site: Site) -> None:
    site.phase(hidden=True)
    key = script(site, "olga").post(TEAM, {"name": "The Staff"}).get_json()["invite_key"]
    assert script(site, "ann").get(f"/invitations/{key}").status_code == 404
    assert script(site, "ann").post(f"/invitations/{key}/accept").status_code == 404
    assert script(site, "olga").get(f"/invitations/{key}").status_code == 200
