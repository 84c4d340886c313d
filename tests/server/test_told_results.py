"""What pages and the API tell of a result where the phase, its zoos or its teams have changed since it was scored."""

import io
import json
import re
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from submissions.competitions.phase_zoos import attach_zoo, detach_zoo, rerun_outdated
from submissions.competitions.phases import PhaseError, change_phase, plan_of
from submissions.evaluation import outcomes
from submissions.leaderboard import rank_intervals
from submissions.people import teams
from submissions.people.account_export import write_export
from submissions.storage.records import (
    PhaseRecord,
    ShowsScores,
    StandingRecord,
    SubmissionRecord,
    TeamRecord,
    Tells,
    utc_now,
)
from submissions.storage.states import State
from tests.records import START
from tests.scoring.jackknives import of_mean
from tests.server.api.clients import script
from tests.server.site import Browser, Site

BOARD = "/competitions/demo/main/leaderboard"


def _numbers(site: Site, reader: str | None, path: str) -> set[str]:
    """The numbers on a page, but for those of times."""
    return _numbers_in(site.browser(reader), path)


def _numbers_in(browser: Browser, path: str) -> set[str]:
    return set(re.findall(r"(?<![\d:.])\d+(?:\.\d+)?(?![\d:])", browser.get(path).text))


def _change(site: Site, phase: int, **settings: object) -> None:
    with site.db.read() as session:
        plan = plan_of(session.get_one(PhaseRecord, phase)).changed(settings)
    change_phase(site.db, phase, plan, user_id=site.olga)


def _detach_and_crash(site: Site, phase: int, zoo_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a zoo from a phase, and end before the first submission runs again."""

    def crash(*_: object) -> bool:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(outcomes, "restart", crash)
        with pytest.raises(ConnectionError):
            detach_zoo(site.db, phase, zoo_id, None)


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

    _detach_and_crash(site, phase, hidden, monkeypatch)
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


def test_a_hidden_zoo_that_has_left_is_not_revealed_with_the_phase_before_the_submissions_run_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase, hidden = _mixed_phase(site)
    made = site.submission(phase, site.ann, cmi=(0.2, 0.3042))

    _detach_and_crash(site, phase, hidden, monkeypatch)
    with site.db.read() as session:
        revealed = plan_of(session.get_one(PhaseRecord, phase)).changed({"is_revealed": True})
    with pytest.raises(PhaseError, match="1 submissions still rest on the earlier ones"):
        change_phase(site.db, phase, revealed, user_id=site.olga, confirmed=True)
    assert rerun_outdated(site.db) == 1
    change_phase(site.db, phase, revealed, user_id=site.olga, confirmed=True)
    site.end(made, (0.2042,))
    for reader in (None, "ann", "bob"):
        for door in (f"/submissions/{made}", f"/submissions/{made}/result.json", BOARD, f"{BOARD}.csv"):
            assert not {"25.21", "30.42"} & _numbers(site, reader, door), (reader, door)


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


def _begin_freeze(site: Site, phase: int) -> None:
    """Let time pass until the freeze has begun."""
    with site.db.write() as session:
        session.get_one(PhaseRecord, phase).freezes_at = utc_now() - timedelta(minutes=1)


def test_a_submission_that_runs_again_when_a_freeze_begins_leaves_the_board_at_once(site: Site) -> None:
    phase = site.phase(zoos=("zoo",), uses_ladder=True, freezes_at=utc_now() + timedelta(days=1))
    first, better = (
        site.submission(phase, site.ann, jackknives=[of_mean([score] * 4)], hours=hours, name=f"measure {hours}")
        for hours, score in ((1, 0.31), (2, 0.57))
    )
    site.submission(phase, site.bob, jackknives=[of_mean([0.23] * 4)], hours=1, name="another")
    assert outcomes.rerun(site.db, better)
    doors = (BOARD, f"{BOARD}.csv", f"{BOARD}.json", f"{BOARD}/history", f"{BOARD}/history.json", "/")
    ann = site.browser("ann")
    tags = {door: site.browser().get(door).headers.get("ETag") for door in doors}
    assert "57" in _numbers(site, None, BOARD)  # until the freeze begins
    assert site.browser().get(f"/submissions/{better}/badge.svg").status_code == 200
    _begin_freeze(site, phase)
    for door in doors:
        for browser in (site.browser(), ann):
            assert not {"57", "57.0", "57.00"} & _numbers_in(browser, door), door
        if tag := tags[door]:
            assert site.browser().get(door, If_None_Match=tag).status_code == 200
    rows = script(site).get("/competitions/demo/phases/main/leaderboard").get_json()
    assert [(row["rank"], row["score"]) for row in rows["items"]] == [(1, 23.0)]
    assert (rows["total"], rows["entrants"]) == (1, 1)
    assert site.browser().get(f"/submissions/{better}/badge.svg").status_code == 404
    rank_intervals.catch_up(site.db)  # a worker, soon after
    rows = script(site).get("/competitions/demo/phases/main/leaderboard").get_json()
    assert [row["submission"] for row in rows["items"] if row["score"] == 31.0] == [first]
    assert not rank_intervals.catch_up(site.db)


@pytest.mark.parametrize("uses_ladder", [False, True])
def test_scores_of_an_older_release_are_withheld_until_they_are_made_anew(site: Site, uses_ladder: bool) -> None:
    phase = site.phase(zoos=("zoo",), truth_public=False, uses_ladder=uses_ladder)
    made = [
        site.submission(phase, person, jackknives=[of_mean([score] * 4)])
        for person, score in ((site.ann, 0.3142), (site.bob, 0.2042))
    ]
    with site.db.write() as session:  # as they were stored before there were steps
        session.get_one(PhaseRecord, phase).board_rules = 0
        for record in (*session.scalars(select(SubmissionRecord)), *session.scalars(select(StandingRecord))):
            assert record.shown_score is not None
            record.shown_score += 0.42
        for submission in session.scalars(select(SubmissionRecord)):
            submission.lower_bound = None
    old = {"31.42", "20.42", "31.4", "20.4"}
    doors = [f"/submissions/{one}{part}" for one in made for part in ("", "/status", "/badge.svg", "/result.json")]
    doors += [BOARD, f"{BOARD}.csv", f"{BOARD}.json", f"{BOARD}/history.json", "/", "/my/submissions"]
    for reader in (None, "ann", "bob"):
        browser = site.browser(reader)
        for door in (*doors, f"/compare?a={made[0]}"):
            assert not old & _numbers_in(browser, door), door
        assert script(site, reader).get(f"/submissions/{made[0]}").get_json()["score"] is None
        assert not script(site, reader).get("/competitions/demo/phases/main/leaderboard").get_json()["items"]
    assert [one["score"] for one in _exported(site)] == [None]
    assert "being computed anew" in site.browser().get(BOARD).text
    assert "being computed anew" in site.browser("ann").get(f"/submissions/{made[0]}").text
    assert script(site, "olga").get(f"/submissions/{made[0]}").get_json()["score"] == 31.42
    assert rank_intervals.catch_up(site.db) == 1
    rows = script(site).get("/competitions/demo/phases/main/leaderboard").get_json()["items"]
    assert [row["score"] for row in rows] == [31.0, 20.0]
    assert [one["score"] for one in _exported(site)] == [31.0]
    assert not rank_intervals.catch_up(site.db)


def test_a_board_that_shows_exact_scores_is_shown_while_it_is_made_anew(site: Site) -> None:
    phase = site.phase(zoos=("zoo",))
    site.submission(phase, site.ann, cmi=(0.3142,))
    with site.db.write() as session:
        session.get_one(PhaseRecord, phase).board_rules = 0
    assert "31.42" in _numbers(site, None, BOARD)
