"""What pages and the API tell of a result where the phase, its zoos or its teams have changed since it was scored."""

import io
import json
import re
import zipfile
from datetime import timedelta
from typing import Any

import pytest

from submissions.competitions.phase_zoos import attach_zoo, detach_zoo, rerun_outdated
from submissions.competitions.phases import change_phase, plan_of
from submissions.evaluation import outcomes
from submissions.people import teams
from submissions.people.account_export import write_export
from submissions.storage.records import PhaseRecord, ShowsScores, SubmissionRecord, TeamRecord, Tells
from submissions.storage.states import State
from tests.records import START
from tests.scoring.jackknives import of_mean
from tests.server.api.clients import script
from tests.server.site import Site

BOARD = "/competitions/demo/main/leaderboard"


def _numbers(site: Site, reader: str | None, path: str) -> set[str]:
    """The numbers on a page, but for those of times."""
    return set(re.findall(r"(?<![\d:.])\d+(?:\.\d+)?(?![\d:])", site.browser(reader).get(path).text))


def _change(site: Site, phase: int, **settings: object) -> None:
    with site.db.read() as session:
        plan = plan_of(session.get_one(PhaseRecord, phase)).changed(settings)
    change_phase(site.db, phase, plan, user_id=site.olga)


def _exported(site: Site) -> list[dict[str, Any]]:
    """The submissions in the export of ann's account."""
    file = io.BytesIO()
    write_export(site.db, site.app.extensions["gengap"].store, site.ann, file)
    with zipfile.ZipFile(file) as archive:
        submissions: list[dict[str, Any]] = json.loads(archive.read("submissions.json"))
    return submissions


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
    assert "77" not in _numbers(site, "bob", f"/submissions/{own[0]}")


def test_a_score_in_the_place_of_another_shows_nobody_who_is_behind_an_alias(site: Site) -> None:
    phase = site.phase(zoos=("zoo",), uses_ladder=True)
    released = site.submission(phase, site.ann, jackknives=[of_mean([0.77] * 4)], alias="Fox")
    other = site.submission(phase, site.ann, jackknives=[of_mean([0.3] * 4)], alias="Hare")
    for reader, expected in (("bob", [77.0, None]), (None, [77.0, None]), ("ann", [77.0, 77.0])):
        told = [script(site, reader).get(f"/submissions/{one}").get_json()["score"] for one in (released, other)]
        assert told == expected
    assert "has not released" in site.browser().get(f"/submissions/{other}").text


def _mixed_phase(site: Site) -> tuple[int, int]:
    """A phase over a public and a hidden zoo, and the number of the hidden one."""
    phase, hidden = site.phase(zoos=("open",)), site.zoo("hidden", truth_public=False)
    attach_zoo(site.db, phase, hidden, None, confirmed=True)
    return phase, hidden


def test_a_hidden_zoo_that_leaves_a_phase_counts_until_the_last_submission_runs_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase, hidden = _mixed_phase(site)
    first, second = (
        site.submission(phase, person, cmi=(0.2, cmi), name=name)
        for person, cmi, name in ((site.ann, 0.3042, "first"), (site.bob, 0.4064, "second"))
    )

    def crash(*_: object) -> bool:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(outcomes, "restart", crash)
        with pytest.raises(ConnectionError):
            detach_zoo(site.db, phase, hidden, None)
    doors = (
        *(f"/submissions/{first}", f"/submissions/{first}/result.json", f"/submissions/{first}/badge.svg", "/"),
        *(BOARD, f"{BOARD}.csv", f"{BOARD}.json?sort=cmi.open", f"{BOARD}/history.json"),
        f"/compare?a={first}&b={second}",
    )
    for reader in (None, "ann", "bob"):
        for door in doors:
            assert not {"25.21", "25.2", "30.42", "30.32"} & _numbers(site, reader, door)
        assert script(site, reader).get(f"/submissions/{first}").get_json()["score"] == 25.0
    rows = script(site).get("/competitions/demo/phases/main/leaderboard").get_json()["items"]
    assert [row["score"] for row in rows] == [30.0, 25.0]
    olga, change = script(site, "olga"), {"tells": "everything"}
    assert olga.patch("/competitions/demo/phases/main", change).status_code == 422  # until it is confirmed

    assert rerun_outdated(site.db) == 2
    site.end(first, (0.2042,))
    assert script(site).get(f"/submissions/{first}").get_json()["score"] == 20.42


def test_a_score_of_the_last_submission_but_one_is_exact_once_nothing_rests_on_the_hidden_zoo(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase, hidden = _mixed_phase(site)
    made = [site.submission(phase, person, cmi=(0.2, 0.3)) for person in (site.ann, site.bob)]
    restart = outcomes.restart

    def restart_and_finish(db: object, submission_id: int) -> bool:
        is_done = restart(site.db, submission_id)
        if submission_id == made[0]:
            site.end(submission_id, (0.2042,))  # by a worker, while the other one still waits
        return is_done

    monkeypatch.setattr(outcomes, "restart", restart_and_finish)
    assert detach_zoo(site.db, phase, hidden, None) == 2
    assert script(site).get(f"/submissions/{made[0]}").get_json()["score"] == 20.42


def test_earlier_attempts_on_a_zoo_that_has_left_stay_in_steps_in_the_export(site: Site) -> None:
    phase, hidden = _mixed_phase(site)
    made = site.submission(phase, site.ann, cmi=(0.2, 0.3042))
    detach_zoo(site.db, phase, hidden, None)
    site.end(made, (0.2042,))
    _change(site, phase, tells=Tells.EVERYTHING)
    (told,) = _exported(site)
    assert told["score"] == pytest.approx(20.42)
    assert [(one["zoo"], one["attempt"], one["cmi"]) for one in told["evaluations"] if one["purpose"] == "score"] == [
        ("open@1", 1, 0.2),
        ("hidden@1", 1, 0.3),
        ("open@1", 2, 0.2042),
    ]


def test_a_cancelled_submission_tells_a_hidden_zoo_that_has_left_in_steps_whatever_is_revealed(site: Site) -> None:
    phase, hidden = _mixed_phase(site)
    made = site.submission(phase, site.ann, done=12)
    with site.db.write() as session:
        for one in session.get_one(SubmissionRecord, made).evaluations:
            if one.zoo_id == hidden:
                one.state, one.cmi, one.kendall_tau = State.SCORED, 0.3042, 0.4321
    assert outcomes.cancel(site.db, made)
    detach_zoo(site.db, phase, hidden, None)
    _change(site, phase, is_revealed=True)
    told = script(site, "ann").get(f"/submissions/{made}").get_json()
    assert [(zoo["cmi"], zoo["kendall_tau"]) for zoo in told["zoos"]] == [(None, None), (30.0, None)]
    assert not {"30.42", "0.432"} & _numbers(site, "ann", f"/submissions/{made}")
    (exported,) = _exported(site)
    (on_hidden,) = (one for one in exported["evaluations"] if one["zoo"] == "hidden@1")
    assert (on_hidden["cmi"], on_hidden["kendall_tau"]) == (0.3, None)
    later = site.submission(phase, site.bob, cmi=(0.2042,))
    assert script(site).get(f"/submissions/{later}").get_json()["score"] == 20.42


def test_the_score_of_a_phase_tells_nothing_that_the_scores_of_its_zoos_do_not(site: Site) -> None:
    phase, _ = _mixed_phase(site)
    for person, cmi in ((site.ann, 0.2951), (site.bob, 0.3049)):  # on the hidden zoo, both told as 30
        site.submission(phase, person, cmi=(0.15, cmi))  # so the exact means are 22.255 and 22.745
    rows = script(site).get("/competitions/demo/phases/main/leaderboard").get_json()["items"]
    assert [row["score"] for row in rows] == [22.0, 22.0]
    assert [[zoo["cmi"] for zoo in row["cells"]] for row in rows] == [[15.0, 30.0]] * 2


def test_organizers_see_the_leaderboard_of_a_phase_that_shows_scores_after_it_closes(site: Site) -> None:
    closes = START + timedelta(days=36500)
    phase = site.phase(zoos=("open",), shows_scores=ShowsScores.AFTER_CLOSE, closes_at=closes)
    made = site.submission(phase, site.ann, cmi=(0.2042,))
    site.submission(phase, site.olga, cmi=(0.1,), name="Another")  # an organizer may take part
    board, offered = "/competitions/demo/phases/main/leaderboard", f"/compare?a={made}"
    for reader in (None, "ann", "olga"):
        is_organizer, browser = reader == "olga", site.browser(reader)
        for _ in range(2):  # the second time from what the server keeps
            assert ("20.42" in browser.get(BOARD).text) == is_organizer
        assert ("20.42" in browser.get(f"{BOARD}.csv").text) == is_organizer
        assert ("best score" in browser.get("/").text) == is_organizer
        assert ("Another" in browser.get(offered).text) == is_organizer
        assert browser.get(f"/submissions/{made}/badge.svg").status_code == 404  # is for other sites
        for path in (board, f"{board}/history"):
            assert len(script(site, reader).get(path).get_json()["items"]) == (2 if is_organizer else 0)
    assert "Only organizers see this leaderboard" in site.browser("olga").get(BOARD).text
