"""Standings on both databases, and against a slow recomputation over random histories of what can happen to them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from statistics import fmean

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from scoring import Jackknife, Release, ladder
from submissions.leaderboard import standings
from submissions.storage import board_version
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.records import CountRule, PhaseRecord, StandingRecord, SubmissionRecord
from submissions.storage.states import Reason, State
from tests.records import START, Records
from tests.scoring.jackknives import of_mean

pytestmark = pytest.mark.both_databases

LATER = START + timedelta(days=36500)  # has not come yet
NUMBERS = st.lists(st.integers(0, 20), min_size=4, max_size=4).map(lambda drawn: of_mean([n / 20 for n in drawn]))
RULES = st.fixed_dictionaries(
    {
        "count_rule": st.sampled_from(list(CountRule)),
        "uses_ladder": st.sampled_from([True, True, False]),
        "score_step": st.sampled_from([1.0, 5.0]),
        "freezes_at": st.sampled_from([None, START + timedelta(hours=3), LATER]),
    }
)
SCORES = st.lists(st.tuples(st.just("score"), st.sampled_from("aab"), NUMBERS), min_size=3, max_size=6)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("score"), st.sampled_from("ab"), NUMBERS),
        st.tuples(st.just("fail"), st.sampled_from("ab"), st.none()),
        st.tuples(st.just("hide"), st.integers(0, 9), st.booleans()),
        st.tuples(st.just("disqualify"), st.integers(0, 9), st.booleans()),
        st.tuples(st.just("choose"), st.integers(0, 9), st.none()),
        st.tuples(st.just("rerun"), st.integers(0, 9), st.none()),
        st.tuples(st.just("finish"), st.integers(0, 9), NUMBERS),
        st.tuples(st.just("rules"), RULES, st.none()),
        st.tuples(st.just("merge"), st.none(), st.none()),
    ),
    max_size=6,
)


@dataclass
class Told:
    """A submission as the slow twin remembers it."""

    id: int
    entrant: str
    jackknife: Jackknife | None
    scored_hour: int
    created_hour: int
    is_chosen: bool = False
    is_out: bool = False
    is_hidden: bool = False
    is_awaited: bool = False
    release: Release | None = None

    @property
    def is_gone(self) -> bool:
        return self.is_out or self.is_hidden


class Slow:
    """Everything from scratch, from the definitions."""

    def __init__(self, told: Sequence[Told], rules: dict[str, object]) -> None:
        self.told = told
        self.rules = rules

    def standing(self, entrant: str) -> tuple[int, float, int] | None:
        """The submission that counts, its score as shown, and how many submissions are taken into account."""
        eligible = [
            one
            for one in self.told
            if one.entrant == entrant and one.jackknife and not one.is_out and not one.is_hidden
        ]
        freeze = self.rules["freezes_at"]
        known = [one for one in eligible if freeze is None or START + timedelta(hours=one.scored_hour) < freeze]  # type: ignore[operator]
        if self.rules["uses_ladder"]:
            released = [
                (one.id, one.release.shown)
                for one in self.told
                if one.entrant == entrant
                and one.release is not None
                and one.release.improved
                and (one in known or (one.is_awaited and freeze in (None, LATER) and not one.is_gone))
            ]
            return (*released[-1], len(known)) if released else None
        if not known:
            return None
        candidates = known
        if self.rules["count_rule"] is CountRule.LAST:
            counts = max(known, key=lambda one: one.created_hour)
        else:
            if self.rules["count_rule"] is CountRule.CHOSEN and any(one.is_chosen for one in known):
                candidates = [one for one in known if one.is_chosen]
            counts = min(candidates, key=lambda one: (-self.score(one), one.created_hour))
        return counts.id, round(self.score(counts), 2), len(known)

    def settle(self, *, forget: bool = False) -> None:
        """Decide what the Ladder shows: before the first that is awaited by the definition, after it nothing new."""
        for entrant in "ab":
            own = [one for one in self.told if one.entrant == entrant]
            part = [one for one in own if not one.is_gone]
            wait = next((place for place, one in enumerate(part) if one.is_awaited), len(part))
            known = [{"zoo": one.jackknife} for one in part[:wait] if one.jackknife]
            for one, release in zip(part[:wait], ladder(known, float(str(self.rules["score_step"]))), strict=True):
                one.release = release
            for one in own:
                if one.is_gone or (forget and one in part[wait:]):
                    one.release = None

    @staticmethod
    def score(one: Told) -> float:
        assert one.jackknife is not None
        return 100 * one.jackknife.estimate


class History:
    """A phase over one zoo to which events happen, in the database and in the twin's memory."""

    def __init__(self, records: Records, number: int, rules: dict[str, object]) -> None:
        self.records = records
        self.phase = records.phase(f"phase{number}", zoos=("digits-mlp",), **rules)  # type: ignore[arg-type]
        self.rules = rules
        self.told: list[Told] = []
        self.hours = count(1)

    def score(self, entrant: str, jackknife: Jackknife) -> None:
        hour = next(self.hours)
        made = self.records.submission(self.phase, entrant=entrant, jackknives=[jackknife], hours=hour)
        self._scored(made, hour)
        self.told.append(Told(made, entrant, jackknife, hour, hour))
        self.settle()

    def settle(self, *, forget: bool = False) -> None:
        if self.rules["uses_ladder"]:
            Slow(self.told, self.rules).settle(forget=forget)

    def fail(self, entrant: str, _: None) -> None:
        self.records.submission(self.phase, entrant=entrant, reason=Reason.RAISED, hours=next(self.hours))

    def hide(self, place: int, is_hidden: bool) -> None:
        if (one := self._at(place)) is not None:
            one.is_hidden = is_hidden
            self._change(one, is_hidden=is_hidden)
            self.settle()

    def disqualify(self, place: int, is_out: bool) -> None:
        if (one := self._at(place)) is not None:
            one.is_out = is_out
            self._change(one, is_disqualified=is_out)
            self.settle()

    def choose(self, place: int, _: None) -> None:
        one = self._at(place)
        if one is None:
            return
        try:
            standings.choose(self.records.db, one.id)
        except standings.ChoiceRefused:
            return
        for other in self.told:
            if other.entrant == one.entrant:
                other.is_chosen = other is one

    def rerun(self, place: int, _: None) -> None:
        if (one := self._at(place)) is not None and one.jackknife is not None:
            one.jackknife, one.is_awaited = None, True
            self.records.next_attempt(one.id)
            self.settle()

    def finish(self, place: int, jackknife: Jackknife) -> None:
        one = self._at(place)
        if one is not None and one.jackknife is None:
            one.jackknife, one.scored_hour, one.is_awaited = jackknife, next(self.hours), False
            self.records.end(one.id, jackknives=[jackknife])
            self._scored(one.id, one.scored_hour)
            self.settle()

    def change_rules(self, rules: dict[str, object], _: None) -> None:
        forget = any(rules[name] != self.rules[name] for name in ("uses_ladder", "score_step"))
        self.rules = rules
        with self.records.db.write() as session:
            phase = session.get_one(PhaseRecord, self.phase)
            for name, value in rules.items():
                setattr(phase, name, value)
            standings.rebuild(session, self.phase, forget=forget)
        if forget and not rules["uses_ladder"]:
            for one in self.told:
                one.release = None
        self.settle(forget=forget)

    def merge(self, _first: None, _second: None) -> None:
        """All that was b's is a's now."""
        with self.records.db.write() as session:
            for one in self.told:
                session.get_one(SubmissionRecord, one.id).entrant = one.entrant = "a"
            standings.recount(session, self.phase, ["a", "b"], anew=True)
        self.settle()

    def check(self) -> None:
        """What is on record is what follows from the definitions, and what a rebuild would find."""
        slow = Slow(self.told, self.rules)
        expected = {entrant: found for entrant in "ab" if (found := slow.standing(entrant)) is not None}
        assert self.on_record() == expected

    def on_record(self) -> dict[str, tuple[int, float, int]]:
        with self.records.db.read() as session:
            rows = session.scalars(select(StandingRecord).where(StandingRecord.phase_id == self.phase))
            return {row.entrant: (row.submission_id, row.shown_score, row.scored) for row in rows}

    def _at(self, place: int) -> Told | None:
        return self.told[place % len(self.told)] if self.told else None

    def _change(self, one: Told, **flags: bool) -> None:
        with self.records.db.write() as session:
            submission = session.get_one(SubmissionRecord, one.id)
            for name, value in flags.items():
                setattr(submission, name, value)
            standings.update(session, submission)

    def _scored(self, submission_id: int, hour: int) -> None:
        """Let it have been scored at this hour."""
        with self.records.db.write() as session:
            submission = session.get_one(SubmissionRecord, submission_id)
            submission.finished_at = START + timedelta(hours=hour)
            standings.update(session, submission)


@pytest.fixture(scope="module")
def make_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, object]], History]]:
    """Histories, each in a phase of its own of one database."""
    folder = tmp_path_factory.mktemp("standings")
    db = Database(f"sqlite:///{folder / 'gengap.sqlite'}")
    migrate(db)
    records, numbers = Records(db, folder), count()
    yield lambda rules: History(records, next(numbers), rules)
    db.close()


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(rules=RULES, scores=SCORES, events=EVENTS)
def test_standings_are_what_a_slow_recomputation_finds_whatever_has_happened(
    make_history: Callable[[dict[str, object]], History],
    rules: dict[str, object],
    scores: list[tuple[str, object, object]],
    events: list[tuple[str, object, object]],
) -> None:
    history = make_history(rules)
    for name, first, second in [*scores, *events]:
        getattr(history, "change_rules" if name == "rules" else name)(first, second)
    history.check()
    before = history.on_record()
    history.change_rules(history.rules, None)
    assert history.on_record() == before


def _standings(records: Records, phase_id: int) -> list[tuple[str, int, float]]:
    with records.db.read() as session:
        rows = session.scalars(
            select(StandingRecord).where(StandingRecord.phase_id == phase_id).order_by(StandingRecord.entrant)
        )
        return [(row.entrant, row.submission_id, row.shown_score) for row in rows]


def _version(records: Records, phase_id: int) -> int:
    with records.db.read() as session:
        return session.get_one(PhaseRecord, phase_id).board_version


@pytest.mark.parametrize(("rule", "expected"), [(CountRule.BEST, 1), (CountRule.LAST, 2), (CountRule.CHOSEN, 1)])
def test_the_rule_says_which_submission_counts(records: Records, rule: CountRule, expected: int) -> None:
    phase = records.phase(zoos=("digits-mlp",), count_rule=rule)
    made = [records.submission(phase, cmi=(cmi,), hours=hours) for hours, cmi in enumerate((0.2, 0.4, 0.3))]
    assert [row[1] for row in _standings(records, phase)] == [made[expected]]


def test_the_chosen_submission_counts_until_another_is_chosen(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",), count_rule=CountRule.CHOSEN)
    best, other, third = (records.submission(phase, cmi=(cmi,)) for cmi in (0.4, 0.2, 0.3))
    standings.choose(records.db, other)
    assert [row[1] for row in _standings(records, phase)] == [other]
    standings.choose(records.db, third)
    assert [row[1] for row in _standings(records, phase)] == [third]
    assert best != third


@pytest.mark.parametrize(
    ("phase", "submission", "sentence"),
    [
        ({"count_rule": CountRule.BEST}, {"cmi": (0.2,)}, "you cannot choose one"),
        ({"count_rule": CountRule.CHOSEN, "uses_ladder": True}, {"cmi": (0.2,)}, "you cannot choose one"),
        ({"closes_at": START}, {"cmi": (0.2,)}, "has closed"),
        ({}, {"reason": Reason.RAISED}, "has a score"),
        ({}, {"cmi": (0.2,), "is_disqualified": True}, "cannot count"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_a_sentence(
    records: Records, phase: dict[str, object], submission: dict[str, object], sentence: str
) -> None:
    fields = {"count_rule": CountRule.CHOSEN, **phase}
    made = records.submission(records.phase(zoos=("digits-mlp",), **fields), **submission)  # type: ignore[arg-type]
    with pytest.raises(standings.ChoiceRefused, match=sentence):
        standings.choose(records.db, made)


def test_every_change_gives_the_board_another_version(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",), count_rule=CountRule.CHOSEN)
    versions = [_version(records, phase)]
    made = records.submission(phase, cmi=(0.2,))
    versions.append(_version(records, phase))
    standings.choose(records.db, made)
    versions.append(_version(records, phase))
    with records.db.write() as session:
        standings.rebuild(session, phase)
    versions.append(_version(records, phase))
    with records.db.write() as session:
        board_version.name_changed(session, [f"u{records.ann}"])
    versions.append(_version(records, phase))
    assert versions == sorted(set(versions))


def test_the_ladder_shows_a_better_score_only_where_it_is_better_by_more_than_chance(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",), uses_ladder=True)
    sure = [0.4, 0.42, 0.38, 0.4]
    made = [
        records.submission(phase, jackknives=[of_mean(numbers)], hours=hours)
        for hours, numbers in enumerate((sure, [0.43, 0.40, 0.44, 0.35], [number + 0.2 for number in sure]))
    ]  # of standard errors 0.8, 2.0 and 0.8; the third differs from the first by 20 for certain
    with records.db.read() as session:
        shown = [
            (one.shown_score, one.is_released) for one in session.scalars(select(SubmissionRecord)) if one.id in made
        ]
    assert shown == [(34.0, True), (34.0, False), (54.0, True)]
    assert _standings(records, phase) == [(f"u{records.ann}", made[2], 54.0)]


def test_a_baseline_climbs_no_ladder(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",), uses_ladder=True)
    records.submission(phase, records.system, cmi=(0.12345,), is_baseline=True, is_reference=True, entrant="b1")
    assert [(entrant, score) for entrant, _, score in _standings(records, phase)] == [("b1", 12.35)]


def test_what_is_scored_after_the_freeze_waits_for_its_end(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",), freezes_at=START + timedelta(hours=2))
    before = records.submission(phase, cmi=(0.2,), hours=1)
    after = records.submission(phase, cmi=(0.5,), hours=3)
    records.submission(phase, records.bob, cmi=(0.6,), hours=3)
    assert [row[1] for row in _standings(records, phase)] == [before]
    with records.db.write() as session:
        session.get_one(PhaseRecord, phase).freezes_at = None
        standings.rebuild(session, phase)
    assert _standings(records, phase)[0][1] == after
    assert len(_standings(records, phase)) == 2


def test_two_entrants_that_became_one_have_one_standing(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    records.submission(phase, records.ann, cmi=(0.2,))
    best = records.submission(phase, records.bob, cmi=(0.3,))
    with records.db.write() as session:
        for submission in session.scalars(select(SubmissionRecord)):
            submission.entrant = "t1"
        standings.recount(session, phase, [f"u{records.ann}", f"u{records.bob}", "t1"], anew=True)
    assert _standings(records, phase) == [("t1", best, 30.0)]


def test_of_two_histories_that_became_one_the_ladder_decides_anew(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",), uses_ladder=True)
    for hours, (user, number) in enumerate(((records.ann, 0.4), (records.bob, 0.6), (records.ann, 0.5))):
        records.submission(phase, user, jackknives=[of_mean([number] * 4)], hours=hours)
    with records.db.write() as session:
        for submission in session.scalars(select(SubmissionRecord)):
            submission.entrant = "t1"
        standings.recount(session, phase, [f"u{records.ann}", f"u{records.bob}", "t1"], anew=True)
    assert [(entrant, score) for entrant, _, score in _standings(records, phase)] == [("t1", 60.0)]
    with records.db.read() as session:
        shown = [one.shown_score for one in session.scalars(select(SubmissionRecord).order_by(SubmissionRecord.id))]
    assert shown == [40.0, 60.0, 60.0]


def test_a_score_and_its_standing_come_in_one_transaction(records: Records) -> None:
    phase = records.phase(zoos=("digits-mlp",))
    made = records.submission(phase, done=2)
    records.end(made, (0.25,))
    assert _standings(records, phase) == [(f"u{records.ann}", made, 25.0)]
    with records.db.read() as session:
        assert session.get_one(SubmissionRecord, made).shown_score == 25.0
        assert session.get_one(SubmissionRecord, made).state is State.SCORED


def test_the_twin_knows_the_ladder() -> None:
    """The slow recomputation is worth something: it finds the Ladder's own answer."""
    history = [of_mean([0.1, 0.1, 0.1, 0.1]), of_mean([0.5, 0.5, 0.5, 0.5])]
    told = [Told(number, "a", one, number, number) for number, one in enumerate(history)]
    rules: dict[str, object] = {"count_rule": CountRule.LAST, "uses_ladder": True, "freezes_at": None}
    slow = Slow(told, {**rules, "score_step": 1.0})
    slow.settle()
    assert slow.standing("a") == (1, 50.0, 2)
    assert math.isclose(fmean(one.estimate for one in history), 0.3)
