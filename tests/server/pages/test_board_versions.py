"""The leaderboard's cache: whatever changes a board, the next reader sees it, though the page before is kept."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from model_zoo.checks.report import CheckReport, Numbers, ReferenceNumbers
from server.app import create_app
from server.pages.competition import leaderboard
from submissions.competitions.competitions import CompetitionTexts, change_competition
from submissions.competitions.phase_zoos import attach_zoo, detach_zoo, replace_zoo
from submissions.competitions.phases import change_phase, plan_of, unfreeze
from submissions.evaluation import outcomes
from submissions.intake import moderation
from submissions.leaderboard import rank_intervals, standings
from submissions.people import accounts, teams
from submissions.people.account_deletion import delete_account
from submissions.storage.records import CountRule, PhaseRecord, utc_now
from submissions.zoos.registry import record_check
from tests.records import PASSWORD
from tests.server.site import Browser, Site

BOARD = "/competitions/demo/main/leaderboard"
FORMS = (BOARD, f"{BOARD}.csv", f"{BOARD}/history")


def _plan(site: Site, phase: int, **fields: object) -> None:
    with site.db.read() as session:
        plan = plan_of(session.get_one(PhaseRecord, phase))
    change_phase(site.db, phase, replace(plan, **fields), user_id=site.olga, confirmed=True)  # type: ignore[arg-type]


def _texts(site: Site, phase: int, title: str) -> None:
    with site.db.read() as session:
        competition_id = session.get_one(PhaseRecord, phase).competition_id
    change_competition(site.db, competition_id, CompetitionTexts(title, "", "", 5))


def _check(site: Site, zoo: str) -> None:
    """A zoo's check comes to its end, with what chance gets on the zoo."""
    references = ReferenceNumbers(
        target="gap", random_floor=3.0, random_floor_percentile_95=7.5, hyperparameter_oracle=25.0
    )
    numbers = Numbers(networks=[], axes=[], references=[references])
    report = CheckReport(zoo=zoo, title=zoo, manifest_sha256=None, items=[], numbers=numbers)
    record_check(site.db, site.zoo(zoo), report, user_id=site.olga)


def _doors(site: Site, phase: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything by which a board's page may change, in an order in which each does change it."""
    db, olga = site.db, site.olga
    site.submission(phase, site.ann, cmi=(0.1, 0.2), name="First")
    best = site.submission(phase, site.ann, cmi=(0.2, 0.2), name="Best", hours=1)
    yield "a score", lambda: site.submission(phase, site.bob, cmi=(0.3, 0.2), name="Bob's", hours=2)
    yield (
        "a baseline",
        lambda: site.submission(phase, site.system, cmi=(0.2, 0.2), name="Norm", is_baseline=True, is_reference=True),
    )
    waiting = site.submission(phase, site.bob, name="Waits", hours=3)
    yield "one more that waits", lambda: site.submission(phase, site.bob, name="Waits too", hours=4)
    yield "one cancelled", lambda: outcomes.cancel(db, waiting)
    yield "hidden", lambda: moderation.hide(db, best, True, user_id=olga)
    yield "shown again", lambda: moderation.hide(db, best, False, user_id=olga)
    yield "disqualified", lambda: moderation.disqualify(db, best, True, user_id=olga)
    yield "requalified", lambda: moderation.disqualify(db, best, False, user_id=olga)
    yield "run again", lambda: moderation.run_again(db, best, user_id=olga)
    yield "the phase's title", lambda: _plan(site, phase, title="Another title")
    yield "the phase's end", lambda: _plan(site, phase, closes_at=utc_now() - timedelta(seconds=1))
    yield "the phase's end later", lambda: _plan(site, phase, closes_at=utc_now() + timedelta(days=1))
    yield "the phase's beginning", lambda: _plan(site, phase, opens_at=utc_now() + timedelta(hours=1))
    yield "the rule", lambda: _plan(site, phase, count_rule=CountRule.CHOSEN)
    yield "a choice", lambda: standings.choose(db, site.submission(phase, site.ann, cmi=(0.0, 0.1), name="Poor"))
    yield "the rule back", lambda: _plan(site, phase, count_rule=CountRule.BEST)
    yield "the Ladder", lambda: _plan(site, phase, uses_ladder=True)
    yield "no Ladder", lambda: _plan(site, phase, uses_ladder=False)
    yield "frozen", lambda: _plan(site, phase, freezes_at=utc_now() + timedelta(days=2))
    yield "not frozen", lambda: unfreeze(db, phase, user_id=olga, confirmed=True)
    yield "the competition's title", lambda: _texts(site, phase, "Another competition")
    yield "a name", lambda: accounts.change_name(db, site.bob, "Robert")
    with db.read() as session:
        competition_id = session.get_one(PhaseRecord, phase).competition_id
    yield "a team", lambda: teams.create_team(db, competition_id, site.ann, "The-Gaps")
    yield "rank intervals", lambda: rank_intervals.work_out(db, phase)
    yield "a zoo's check", lambda: _check(site, "digits-mlp")
    yield "an account deleted", lambda: delete_account(db, site.bob, PASSWORD)
    more, other = site.zoo("digits-more"), site.next_version("digits-more")
    yield "a zoo more", lambda: attach_zoo(db, phase, more, olga)
    site.next_attempt(best, cmi=(0.4, 0.3, 0.2))
    yield "another zoo", lambda: replace_zoo(db, phase, more, other, olga)
    site.next_attempt(best, cmi=(0.4, 0.3, 0.2))
    yield "a zoo less", lambda: detach_zoo(db, phase, other, olga)


def _pages(reader: Browser, etags: Mapping[str, str]) -> dict[str, tuple[int, str, str]]:
    """Status, text and ETag of every form of the board, where the browser has a version of before."""
    answers = {path: reader.get(path, **({"If_None_Match": etags[path]} if path in etags else {})) for path in FORMS}
    return {path: (one.status_code, one.text, one.headers["ETag"]) for path, one in answers.items()}


def test_no_change_of_a_board_is_hidden_by_what_is_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    phase = site.phase(closes_at=utc_now() + timedelta(days=9))
    reader = site.browser()
    monkeypatch.setattr(leaderboard, "MOST_KEPT", 0)
    forgetful = Browser(create_app(site.settings))
    for name, change in _doors(site, phase):
        before = _pages(reader, {})
        change()
        after = _pages(reader, {path: etag for path, (_, _, etag) in before.items()})
        fresh = _pages(forgetful, {})
        assert fresh[BOARD][1] != before[BOARD][1], f"{name} changes nothing, so this shows nothing"
        for path in FORMS:
            status, text, _ = after[path]
            assert (before[path] if status == 304 else after[path])[1] == fresh[path][1], f"{path} after {name}"
            assert (text == "") == (status == 304)


def test_rank_intervals_stay_where_only_a_title_changes(site: Site) -> None:
    phase = site.phase()
    site.submission(phase, site.ann, cmi=(0.1, 0.2))
    reader = site.browser()
    assert "being computed" in reader.get(BOARD).text
    rank_intervals.work_out(site.db, phase)
    assert "being computed" not in reader.get(BOARD).text
    _plan(site, phase, title="Another title")
    page = reader.get(BOARD).text
    assert "Another title" in page
    assert "being computed" not in page
