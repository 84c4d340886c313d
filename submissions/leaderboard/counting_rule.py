"""Pure rules of a leaderboard: which of an entrant's submissions counts, and which score of each may be seen.

They depend only on the current submissions and the order in which they were scored. `submissions.leaderboard.standings`
stores the results.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from scoring import ComparisonError, Jackknives, in_steps, release, step_of
from submissions.results.disclosure import SCORE_DIGITS, Sight, board_disclosure, is_frozen
from submissions.storage.records import CountRule, PhaseRecord, Tells
from submissions.storage.states import State

LEAST_STEP = 1.0  # what the Ladder asks of a better score where no standard error is known
Load = Callable[[Sequence[int]], Mapping[int, Jackknives]]  # submission ids → the jackknives that there are


@dataclass(frozen=True)
class Rules:
    """The organizers' settings of a phase's leaderboard; the fields are those of `PhaseRecord`."""

    count_rule: CountRule
    uses_ladder: bool
    freezes_at: datetime | None
    has_secret_truth: bool = False
    is_revealed: bool = False
    tells: Tells = Tells.SCORES
    score_step: float = 1.0

    @property
    def step(self) -> float | None:
        """The distance of the scores that the board shows; None if it shows exact ones, rounded."""
        return self.score_step if board_disclosure(self).sight is Sight.STEPS else None

    def compared(self, entry: "Entry") -> float:
        """Return the score by which an entrant's best is found: no finer than what is shown of a secret truth."""
        return (entry.score if self.step is None else self.shown(entry.score)) or 0.0

    def shown(self, score: float | None) -> float | None:
        """Return a score as the board shows it."""
        if score is None:
            return None
        return round(score, SCORE_DIGITS) if self.step is None else in_steps(score, self.step)


def rules_of(phase: PhaseRecord) -> Rules:
    """Return the rules of a phase's leaderboard."""
    return Rules(*(getattr(phase, field.name) for field in fields(Rules)))


@dataclass(frozen=True)
class Entry:
    """A submission of one entrant, as far as standings depend on it; the fields are those of `SubmissionRecord`."""

    id: int
    state: State
    score: float | None
    standard_error: float | None
    shown_score: float | None
    is_released: bool
    is_chosen: bool
    is_hidden: bool
    is_disqualified: bool
    is_baseline: bool
    is_reference: bool
    track: str
    created_at: datetime
    finished_at: datetime | None

    @property
    def final_score(self) -> float | None:
        """The score; None unless the submission is scored."""
        return self.score if self.state is State.SCORED else None

    @property
    def is_eligible(self) -> bool:
        """Whether the submission may count: it has a score and is neither hidden nor disqualified."""
        return self.final_score is not None and not self.is_hidden and not self.is_disqualified

    @property
    def is_shown(self) -> bool:
        """Whether the submission has a score that may be seen."""
        return self.shown_score is not None

    @property
    def scored_at(self) -> tuple[datetime, int]:
        """The place in the order of scoring."""
        return self.finished_at or self.created_at, self.id


def decided(entries: Sequence[Entry], rules: Rules, load: Load, *, anew: bool = False) -> tuple[Entry, ...]:
    """Decide which score of each submission may be seen.

    Without the Ladder this is the rounded score. The Ladder processes the submissions in the order in which they were
    scored, and decides once: its decisions stay, unless an earlier submission was added or removed.

    Parameters
    ----------
    entries : Sequence[Entry]
        All submissions of one entrant.
    load : Load
        Returns jackknives; called for no more submissions than necessary.
    anew : bool, optional
        Decide everything again, as after a change of the rules.

    Returns
    -------
    tuple[Entry, ...]
        The same submissions with the decisions.
    """
    if not rules.uses_ladder or any(entry.is_baseline for entry in entries):
        return tuple(replace(entry, shown_score=rules.shown(entry.final_score), is_released=False) for entry in entries)
    history = sorted((entry for entry in entries if entry.is_eligible), key=lambda entry: entry.scored_at)
    out = [replace(entry, shown_score=None, is_released=False) for entry in entries if not entry.is_eligible]
    has_lost_one = any(entry.is_shown for entry in entries if not entry.is_eligible)
    kept = 0 if anew or has_lost_one else _decided_before(history)
    return (*history[:kept], *_climbed(history[:kept], history[kept:], load), *out)


def counting(entries: Sequence[Entry], rules: Rules) -> Entry | None:
    """Return the entrant's submission that appears on the board; None if there is none.

    A frozen board uses only submissions scored before the freeze. With the Ladder, the last released submission counts,
    whatever the rule; otherwise the last submitted, the chosen, or the best one. Among equals the earlier one counts.
    """
    eligible = [entry for entry in entries if _is_on_board(entry, rules)]
    if rules.uses_ladder and not any(entry.is_baseline for entry in eligible):
        released = [entry for entry in eligible if entry.is_released]
        return max(released, key=lambda entry: entry.scored_at, default=None)
    if rules.count_rule is CountRule.LAST:
        return max(eligible, key=lambda entry: (entry.created_at, entry.id), default=None)
    if rules.count_rule is CountRule.CHOSEN:
        eligible = [entry for entry in eligible if entry.is_chosen] or eligible
    return min(eligible, key=lambda entry: (-rules.compared(entry), entry.created_at, entry.id), default=None)


def on_board(entries: Sequence[Entry], rules: Rules) -> int:
    """Return how many of an entrant's submissions the board takes into account."""
    return sum(_is_on_board(entry, rules) for entry in entries)


def shown_error(entry: Entry, rules: Rules) -> float | None:
    """Return the standard error that may be seen beside a score, rounded; with the Ladder, the step of the score."""
    if rules.uses_ladder and not entry.is_baseline:
        return float(step_of(entry.standard_error or 0.0))
    if entry.standard_error is None or rules.step is not None:
        return None
    return round(entry.standard_error, SCORE_DIGITS)


def _is_on_board(entry: Entry, rules: Rules) -> bool:
    return entry.is_eligible and not is_frozen(rules.freezes_at, entry.finished_at)


def _decided_before(history: Sequence[Entry]) -> int:
    """Return the number of submissions at the beginning that keep their decisions."""
    return next((place for place, entry in enumerate(history) if not entry.is_shown), len(history))


def _climbed(before: Sequence[Entry], new: Sequence[Entry], load: Load) -> list[Entry]:
    """Return the new submissions with the Ladder's decisions, one after the other, after those decided `before`."""
    best = next((entry for entry in reversed(before) if entry.is_released), None)
    needed = [entry.id for entry in ([] if best is None else [best]) + list(new)]
    jackknives = load(needed) if len(needed) > 1 else {}
    climbed = []
    for entry in new:
        is_released = best is None or _is_better(entry, best, jackknives)
        best = entry if best is None or is_released else best
        shown = in_steps(best.score or 0.0, step_of(best.standard_error or 0.0))
        climbed.append(replace(entry, shown_score=shown, is_released=is_released))
    return climbed


def _is_better(new: Entry, best: Entry, jackknives: Mapping[int, Jackknives]) -> bool:
    """Compare by the standard error of the difference, or by the least step if it is unknown."""
    theirs, ours = jackknives.get(best.id), jackknives.get(new.id)
    if theirs is not None and ours is not None:
        try:
            return release(theirs, ours).improved
        except ComparisonError:  # scored before the phase's zoos changed, and about to be evaluated again
            pass
    return (new.score or 0.0) - (best.score or 0.0) > LEAST_STEP
