"""Pure rules of a leaderboard: which of an entrant's submissions counts, and which score of each may be seen.

They depend only on the recorded scores and the order in which submissions were accepted, which is that of their
numbers, never on when an evaluation ended, but for a freeze. `submissions.leaderboard.standings` stores the results.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace
from datetime import datetime
from itertools import islice

from scoring import Jackknives, Ladder, Release
from submissions.results.disclosure import SCORE_DIGITS, Sight, board_disclosure, is_frozen
from submissions.storage.records import CountRule, PhaseRecord, Tells
from submissions.storage.states import State

_AT_A_TIME = 100  # submissions whose jackknives are read together
Load = Callable[[Sequence[int]], Mapping[int, Jackknives]]  # submission ids → the jackknives that there are


@dataclass(frozen=True)
class Rules:
    """The organizers' settings of a phase's leaderboard; the fields are those of `PhaseRecord`."""

    count_rule: CountRule
    uses_ladder: bool
    score_step: float
    freezes_at: datetime | None
    has_secret_truth: bool = False
    is_revealed: bool = False
    tells: Tells = Tells.SCORES

    @property
    def step(self) -> float | None:
        """The distance of the scores that the board shows; None if it shows exact ones, rounded."""
        return self.score_step if board_disclosure(self).sight is Sight.STEPS else None

    def compared(self, entry: "Entry") -> float:
        """Return the score by which an entrant's best is found: no finer than what is shown of a secret truth."""
        return (entry.score if self.step is None else entry.score_in_steps) or 0.0

    def shown(self, entry: "Entry") -> float | None:
        """Return the score of a submission as the board shows it without the Ladder."""
        if entry.final_score is None:
            return None
        return round(entry.final_score, SCORE_DIGITS) if self.step is None else entry.score_in_steps


def rules_of(phase: PhaseRecord) -> Rules:
    """Return the rules of a phase's leaderboard."""
    return Rules(*(getattr(phase, field.name) for field in fields(Rules)))


@dataclass(frozen=True)
class Entry:
    """A submission of one entrant, as far as standings depend on it; the fields are those of `SubmissionRecord`.

    score_in_steps: its score as it is told where a zoo's truth is secret, None elsewhere; it follows from the zoos'.
    was_scored: whether an earlier attempt had a score, at least on one zoo.
    """

    id: int
    state: State
    score: float | None
    standard_error: float | None
    shown_score: float | None
    lower_bound: float | None
    is_released: bool
    is_chosen: bool
    is_hidden: bool
    is_disqualified: bool
    is_baseline: bool
    is_reference: bool
    track: str
    created_at: datetime
    finished_at: datetime | None
    was_told: bool = False
    score_in_steps: float | None = None
    was_scored: bool = False

    @property
    def final_score(self) -> float | None:
        """The score; None unless the submission is scored."""
        return self.score if self.state is State.SCORED else None

    @property
    def is_out(self) -> bool:
        """Whether the submission cannot count, because organizers took it out."""
        return self.is_hidden or self.is_disqualified

    @property
    def is_eligible(self) -> bool:
        """Whether the submission may count: it has a score, and nobody took it out."""
        return self.final_score is not None and not self.is_out

    @property
    def is_awaited(self) -> bool:
        """Whether the submission may still get a score, its first or, evaluated again, another."""
        return not self.state.is_final and not self.is_out

    @property
    def is_shown(self) -> bool:
        """Whether the submission has a score that may be seen."""
        return self.shown_score is not None


def decided(
    entries: Sequence[Entry],
    rules: Rules,
    load: Load,
    *,
    others: Sequence[Entry] = (),
    anew: bool = False,
    forget: bool = False,
) -> tuple[Entry, ...]:
    """Decide which score of each submission may be seen.

    Without the Ladder this is the rounded score. The Ladder takes the submissions in the order in which they were
    accepted, those of `others` too, and decides on each by what was shown before it. Of one that it does not release,
    the entrant's own last released score is shown, never one of `others`. Whatever comes after one that is awaited
    keeps what is shown of it, or is not decided yet: so the result follows from order and scores alone. A submission
    whose later attempt has ended without a score shows nothing, but the Ladder remembers the try, and its release. A
    score that was told before the phase used the Ladder has given away more than a release, and counts as that.

    Parameters
    ----------
    entries : Sequence[Entry]
        All submissions of one entrant.
    load : Load
        Returns jackknives; called for no more submissions than necessary.
    others : Sequence[Entry], optional
        The submissions of all other entrants that share a person with this one.
    anew : bool, optional
        Decide everything again, as after a change of a score.
    forget : bool, optional
        Keep nothing of what is shown, as after a change of the rules by which it was decided.

    Returns
    -------
    tuple[Entry, ...]
        The entrant's submissions with the decisions.
    """
    if not rules.uses_ladder or any(entry.is_baseline for entry in entries):
        return tuple(
            replace(entry, shown_score=rules.shown(entry), lower_bound=None, is_released=False) for entry in entries
        )
    own = {entry.id for entry in entries}
    history = sorted((*entries, *others), key=lambda entry: entry.id)
    kept = (
        0
        if anew or forget or others or any(entry.is_shown and _is_gone(entry) for entry in entries)
        else _kept(history)
    )
    climb = _Climb(history, own, rules.score_step, load, forget)
    now = [climb.again() if place < kept else climb.next() for place in range(len(history))]
    return tuple(entry for entry in now if entry.id in own)


def counting(entries: Sequence[Entry], rules: Rules) -> Entry | None:
    """Return the entrant's submission that appears on the board; None if there is none.

    A frozen board uses only submissions scored before the freeze. With the Ladder, the last released submission counts,
    whatever the rule, also while it is evaluated again; otherwise the last submitted, the chosen, or the best one.
    Among equals the earlier one counts.
    """
    if rules.uses_ladder and not any(entry.is_baseline for entry in entries):
        released = [
            one
            for one in entries
            if one.is_released
            and one.is_shown
            and not _is_gone(one)
            and not is_frozen(rules.freezes_at, one.finished_at)
        ]
        return max(released, key=lambda entry: entry.id, default=None)
    eligible = [entry for entry in entries if _is_on_board(entry, rules)]
    if rules.count_rule is CountRule.LAST:
        return max(eligible, key=lambda entry: (entry.created_at, entry.id), default=None)
    if rules.count_rule is CountRule.CHOSEN:
        eligible = [entry for entry in eligible if entry.is_chosen] or eligible
    return min(eligible, key=lambda entry: (-rules.compared(entry), entry.created_at, entry.id), default=None)


def on_board(entries: Sequence[Entry], rules: Rules) -> int:
    """Return how many of an entrant's submissions the board takes into account."""
    return sum(_is_on_board(entry, rules) for entry in entries)


def shown_error(entry: Entry, rules: Rules) -> float | None:
    """Return the standard error that may be seen beside a score, rounded; None where scores are shown in steps."""
    in_steps = rules.step is not None or (rules.uses_ladder and not entry.is_baseline)
    return None if in_steps or entry.standard_error is None else round(entry.standard_error, SCORE_DIGITS)


class _Climb:
    """The Ladder on its way through a history, one submission after the other.

    own: the submissions of the entrant for whom it decides; the others are only remembered.
    """

    def __init__(self, history: Sequence[Entry], own: Set[int], step: float, load: Load, forget: bool) -> None:
        self._coming = deque(history)
        self._own = own
        self._own_shown: float | None = None
        self._ladder = Ladder(step)
        self._load = load
        self._forget = forget
        self._loaded: dict[int, Jackknives | None] = {}
        self._best_id: int | None = None
        self._waits = False

    def again(self) -> Entry:
        """Repeat the next decision, which is on record."""
        entry = self._coming.popleft()
        if _is_gone(entry):
            self._remember_lost(entry)
            return entry
        release = self._ladder.silence()
        if entry.is_released:
            assert entry.shown_score is not None
            assert entry.lower_bound is not None
            release = Release(entry.shown_score, entry.lower_bound, improved=True)
        self._remember(entry, release)
        return entry

    def next(self) -> Entry:
        """Decide on the next submission, unless it or one before it is awaited."""
        entry = self._coming.popleft()
        if _is_gone(entry):
            self._remember_lost(entry)
            return replace(_undecided(entry), is_released=entry.is_released and not entry.is_out)
        self._waits = self._waits or entry.is_awaited
        if self._waits:
            return _undecided(entry) if self._forget else entry
        release = self._decision(entry)
        self._remember(entry, release)
        bound = release.lower_bound if release.improved else None
        return replace(entry, shown_score=self._own_shown, lower_bound=bound, is_released=release.improved)

    def _remember(self, entry: Entry, release: Release) -> None:
        self._ladder = self._ladder.after(release, was_told=entry.was_told)
        if release.improved:
            self._best_id = entry.id
            if entry.id in self._own:
                self._own_shown = release.shown

    def _remember_lost(self, entry: Entry) -> None:
        """Remember what a submission has given away whose last attempt has no score: what is shown does not change."""
        if not entry.is_out and (entry.is_released or entry.was_scored or entry.was_told):
            lost = replace(self._ladder.silence(), improved=entry.is_released)
            after = self._ladder.after(lost, was_told=entry.was_told)
            self._ladder = replace(after, shown=self._ladder.shown)

    def _decision(self, entry: Entry) -> Release:
        if not self._ladder.may_release(entry.score or 0.0):
            return self._ladder.silence()
        new = self._jackknives(entry.id)
        return self._ladder.decide(new, None if self._best_id is None else self._jackknives(self._best_id))

    def _jackknives(self, submission_id: int) -> Jackknives | None:
        """Return the submission's jackknives; they are read together with those that may be needed next."""
        if submission_id not in self._loaded:
            likely = (one.id for one in self._coming if self._ladder.may_release(one.final_score or 0.0))
            needed = [submission_id, *islice((one for one in likely if one not in self._loaded), _AT_A_TIME)]
            found = self._load(needed)
            self._loaded |= {one: found.get(one) for one in needed}
        return self._loaded[submission_id]


def _is_gone(entry: Entry) -> bool:
    """Whether the submission takes no part: it was taken out, or has ended without a score."""
    return not entry.is_eligible and not entry.is_awaited


def _undecided(entry: Entry) -> Entry:
    return replace(entry, shown_score=None, lower_bound=None, is_released=False)


def _kept(history: Sequence[Entry]) -> int:
    """Return the number of submissions at the beginning that keep their decisions."""
    return next((place for place, entry in enumerate(history) if not _is_decided(entry)), len(history))


def _is_decided(entry: Entry) -> bool:
    """Whether the decision on record holds. One of an older release has no lower bound, and is made again."""
    if _is_gone(entry):
        return True
    return entry.is_eligible and entry.is_shown and entry.is_released == (entry.lower_bound is not None)


def _is_on_board(entry: Entry, rules: Rules) -> bool:
    return entry.is_eligible and not is_frozen(rules.freezes_at, entry.finished_at)
