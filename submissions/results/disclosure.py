"""What a reader may be told of the results of a submission. Every number of a result passes through this module.

Pages, fragments, the API, exports, mails, the leaderboard and its history call it; nothing else decides.
docs/results-page.md has the table of who is told what, and when.

- A phase that shows scores after it closes tells nothing before, but to organizers. Nor does one whose shown scores
  were computed by older rules, until they are recomputed.
- A freeze keeps what was scored since then, or is being evaluated, from everybody but its owners.
- The Ladder tells nothing but the released score: a team would learn from the rest what the Ladder withholds. Of a
  submission that was not released it tells only its owners what it shows of their others: the same score twice would
  give away who is behind an alias, and what was scored after a freeze.
- While a zoo's truth is secret, the scores on it, and of its phase, are told in steps, and nothing else. An exact
  number that depends on a secret target reveals it: a measure can be written so that its correlation spells out the
  target of one network. Organizers can widen this for a phase (`Tells`), and reveal its results. The score of the phase
  then follows from those of its zoos as they are told, so it tells nothing more.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import fmean
from typing import Protocol, TypeVar

from scoring import METRICS, in_steps
from scoring.metric import Metric
from submissions.storage.records import PhaseRecord, SubmissionRecord, Tells, utc_now
from submissions.storage.roles import NOTHING, Permission, Permissions
from submissions.storage.submission_head import AnySubmission

Moment = TypeVar("Moment", datetime, datetime | None)

SCORE_DIGITS = 2
SCALE = METRICS["cmi"].scale  # a score is this times the mean CMI
TENTHS = 10  # how finely the progress on a zoo with secret truth is told


class Sight(StrEnum):
    """How much of a submission's results a reader is told."""

    NOTHING = "nothing"  # that it was scored, but not how
    SHOWN_SCORE = "shown_score"  # the score that the Ladder has released
    STEPS = "steps"  # scores in steps, and everything about zoos whose truth is public
    ALL = "all"

    @property
    def tells_zoos(self) -> bool:
        """Whether results on single zoos may be told."""
        return self in (Sight.ALL, Sight.STEPS)


@dataclass(frozen=True)
class Reader:
    """Who reads about a submission. is_owner: whether they, or their team, made it."""

    is_owner: bool = False
    permissions: Permissions = NOTHING

    @property
    def sees_everything(self) -> bool:
        """Whether they may see every submission as its author does, and all its scores."""
        return Permission.SEE_SUBMISSIONS in self.permissions

    @property
    def sees_secrets(self) -> bool:
        """Whether they may see hidden truths."""
        return Permission.MANAGE_ZOOS in self.permissions


EVERYBODY = Reader()


@dataclass(frozen=True)
class Disclosure:
    """What one reader may be told of one submission's results.

    Attributes
    ----------
    tells_secrets : bool
        Whether results on zoos with secret truth may be told like those on others.
    step : float
        Otherwise, the distance of the scores on these zoos.
    tells : Tells
        And what the phase tells of them beyond scores.
    sees_everything : bool
        Whether the reader may see every submission as its author does, and all its scores.
    """

    sight: Sight
    tells_secrets: bool
    step: float
    tells: Tells
    sees_everything: bool = False

    @property
    def of_the_past(self) -> "Disclosure":
        """What may be told of earlier attempts and of zoos that the phase has left, which it cannot reveal any more."""
        return self if self.sees_everything else replace(self, tells_secrets=False, tells=Tells.SCORES)

    @property
    def is_coarse(self) -> bool:
        """Whether anything about the results is withheld."""
        return self.sight is not Sight.ALL

    @property
    def digits(self) -> int:
        """The digits after the point of the scores that may be told."""
        return digits_of(None if self.sight is Sight.ALL else self.step)

    def score(self, exact: float | None, shown: float | None) -> float | None:
        """Return the score of the submission: `exact`, or the one that its leaderboard shows, or none."""
        return {Sight.ALL: exact, Sight.NOTHING: None}.get(self.sight, shown)

    def tells_all_of(self, *, truth_public: bool) -> bool:
        """Whether everything about the results on a zoo may be told."""
        return self.sight.tells_zoos and (truth_public or self.tells_secrets)

    def tells_costs(self, *, truth_public: bool) -> bool:
        """Whether time and memory per network on a zoo may be told, which a measure decides on what it has seen."""
        return self.tells_all_of(truth_public=truth_public) and (truth_public or self.sees_everything)

    def metric(self, metric: Metric, value: float | None, *, truth_public: bool) -> float | None:
        """Return the number that may be shown of a metric on one zoo, scaled as `Metric.shown` does.

        Parameters
        ----------
        value : float or None
            The metric as it was computed.
        truth_public : bool
            Whether the zoo's truth is public.
        """
        if self.tells_all_of(truth_public=truth_public):
            return metric.shown(value)
        if value is None or not self.sight.tells_zoos:
            return None
        if metric.key == "cmi":
            return in_steps(metric.scale * value, self.step)
        return metric.shown(value) if self.tells is Tells.METRICS and metric.on_leaderboard else None

    def value(self, metric: Metric, value: float | None, *, truth_public: bool) -> float | None:
        """Return the metric as it was computed, or where that may not be told, with the digits that may be."""
        if self.tells_all_of(truth_public=truth_public):
            return value
        shown = self.metric(metric, value, truth_public=truth_public)
        return None if shown is None else shown / metric.scale

    def moment(self, at: Moment) -> Moment:
        """Return a time that depends on how long the measure took, rounded up to minutes where results are withheld."""
        if at is None or not self.is_coarse:
            return at
        return at - timedelta(seconds=at.second, microseconds=at.microsecond) + timedelta(minutes=1)

    def done(self, done: int, networks: int, *, truth_public: bool) -> int:
        """Return the number of networks with a value, in tenths of all networks where results are withheld."""
        if not networks or done == networks or self.tells_all_of(truth_public=truth_public):
            return done
        return networks * (TENTHS * done // networks) // TENTHS


def disclosure(phase: PhaseRecord, submission: AnySubmission, reader: Reader) -> Disclosure:
    """Return what this reader may be told of the submission's results. The phase is the submission's."""
    board = board_disclosure(phase)
    if reader.sees_everything:
        return replace(board, sight=Sight.ALL, tells_secrets=True, sees_everything=True)
    if withholds_scores(phase, reader):
        return replace(board, sight=Sight.NOTHING)
    if not reader.is_owner and is_frozen(phase.freezes_at, submission.finished_at):
        return replace(board, sight=Sight.NOTHING)
    if phase.uses_ladder and not submission.is_baseline:
        is_told = reader.is_owner or submission.is_released
        return replace(board, sight=Sight.SHOWN_SCORE if is_told else Sight.NOTHING)
    return board


def withholds_scores(phase: PhaseRecord, reader: Reader) -> bool:
    """Whether the phase shows this reader no scores, ranks and leaderboard yet; organizers always see them.

    After an upgrade the scores on record may be finer than may be told now. They are withheld until a worker has
    recomputed them (`submissions.leaderboard.standings.catch_up`).
    """
    is_outdated = phase.has_old_board and shows_steps(phase)
    return (phase.withholds_scores or is_outdated) and not reader.sees_everything


class Telling(Protocol):
    """The settings of a phase that say how much it tells; the fields are those of `PhaseRecord`."""

    @property
    def is_revealed(self) -> bool:
        """Whether the results are revealed."""

    @property
    def tells(self) -> Tells:
        """What is told of results on secret truths beyond scores."""


class Secrecy(Telling, Protocol):
    """The settings of a phase on which it depends what may be told; the fields are those of `PhaseRecord`."""

    @property
    def has_secret_truth(self) -> bool:
        """Whether a zoo of the phase has a secret truth."""

    @property
    def score_step(self) -> float:
        """The distance of the scores that are told in steps."""


def tells_in_full(phase: Telling) -> bool:
    """Whether a phase with these settings tells everything about results on secret truths."""
    return phase.is_revealed or phase.tells is Tells.EVERYTHING


def board_disclosure(phase: Secrecy) -> Disclosure:
    """Return what everybody may be told of the submissions on a phase's leaderboard."""
    tells_secrets = tells_in_full(phase)
    sight = Sight.STEPS if phase.has_secret_truth and not tells_secrets else Sight.ALL
    return Disclosure(sight, tells_secrets, phase.score_step, phase.tells)


def shows_steps(phase: PhaseRecord) -> bool:
    """Whether a phase's leaderboard shows scores in steps, from which nobody can compute the exact ones."""
    return phase.uses_ladder or board_disclosure(phase).sight is Sight.STEPS


def score_in_steps(zoos: Collection[tuple[float, bool]], step: float) -> float:
    """Return the score that is told of a submission if a zoo's truth is secret.

    It is the mean of the scores that are told of the zoos, to the nearest step. The mean of the exact ones would tell
    more: where the scores on the other zoos are known, it would narrow the secret one to less than a step.

    Parameters
    ----------
    zoos : collection of (float, bool)
        The CMI on each zoo, from 0 to 1, and whether its truth is public.
    """
    told = [SCALE * cmi if truth_public else in_steps(SCALE * cmi, step) for cmi, truth_public in zoos]
    return in_steps(fmean(told), step)


def told_score(submission: SubmissionRecord, told: Disclosure) -> float | None:
    """Return the rounded score that a reader may be told."""
    score = told.score(submission.score, submission.shown_score)
    return None if score is None else round(score, SCORE_DIGITS)


def is_frozen(freezes_at: datetime | None, finished_at: datetime | None) -> bool:
    """Whether a freeze keeps a submission back: it ended after the freeze began, or has not ended yet and will."""
    return freezes_at is not None and (finished_at or utc_now()) >= freezes_at


def digits_of(step: float | None) -> int:
    """Return how many digits after the point scores in these steps have; two if they are exact."""
    if step is None:
        return SCORE_DIGITS
    exponent = Decimal(str(step)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else SCORE_DIGITS


def bits_of_submission(secret_zoos: int, step: float, tells: Tells) -> float | None:
    """Return how many bits about secret zoos one submission can give away at most, through its scores alone.

    A measure can choose its values so that each number that is told takes any of its possible values.

    Returns
    -------
    float or None
        None without a bound, where numbers are told with all their digits.
    """
    if not secret_zoos:
        return 0.0
    if tells is Tells.EVERYTHING:
        return None
    told = math.log2(math.ceil(100.0 / step) + 1)
    added = [_bits(metric) for metric in METRICS.values() if metric.on_leaderboard and metric.key != "cmi"]
    return secret_zoos * (told + (sum(added) if tells is Tells.METRICS else 0.0))


def _bits(metric: Metric) -> float:
    """Return the bits in a shown metric, which lies between −1 and 1 before it is scaled."""
    return math.log2(2 * metric.scale * 10**metric.digits + 1)
