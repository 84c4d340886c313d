"""The Ladder: which of its scores an entrant sees, so that many submissions do not reveal more than is certain.

This module decides which scores are released, how much of each is shown, and on which steps scores are shown. It is
called through `scoring`; the caller keeps an entrant's submissions in their order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

from scoring.decisions.comparison import DECIMALS, NEGLIGIBLE, SCALE, Jackknives, compare, competition_estimate
from scoring.errors import ComparisonError

LEVEL = 0.05  # the probability with which anything shown may exceed the truth by more than a standard error
# Degrees of freedom, calibrated in benchmarks/ladder.py: what every release gives away, and how much more for each
# factor e of the number of tries of which it is the first to be released; and the same for a try.
RELEASE, LUCK_OF_A_RELEASE = 0.5, 0.75
TRY, LUCK_OF_A_TRY = 1.0, 1.5
TOLD = 1.0  # what an exact score gives away that was told without the Ladder: it is known, and has cost no true score


@dataclass(frozen=True)
class Release:
    """What an entrant is shown after a submission.

    Attributes
    ----------
    shown : float
        The entrant's highest certified score so far, a point of the grid of steps from 0 to 100.
    lower_bound : float
        The lower confidence bound of the true score from which `shown` follows. Not to be shown.
    improved : bool
        Whether this submission is the one shown, the new best.
    """

    shown: float
    lower_bound: float
    improved: bool


@dataclass(frozen=True)
class Ladder:
    """An entrant's memory in one phase: what was shown, and how much the answers may have given away.

    Parameters
    ----------
    step : float
        The step on which scores are shown, above 0.
    shown : float or None, optional
        What is shown now; None before the first submission.
    lower_bound : float, optional
        Of the true score of the submission that is shown.
    degrees : float, optional
        Degrees of freedom that the releases so far, and scores told without the Ladder, have given away.
    tries : int, optional
        The submissions since the last release.
    """

    step: float
    shown: float | None = None
    lower_bound: float = 0.0
    degrees: float = 0.0
    tries: int = 0

    def factor(self, networks: int) -> float:
        """How many standard errors the next submission's lower bound lies below its estimate.

        It follows from a chi-square quantile c² at 1 − `LEVEL` (Wilson and Hilferty 1931). Were all releases' scores
        known exactly, together with the true ones, the luck of any next submission would have at most one degree of
        freedom for each release and one of its own. It has more where a submission may be the luckiest of several
        tries, and a release counts less, because what is built on it costs true score.

        The standard error comes from the same networks, and what fits them by luck makes it smaller: where luck is c of
        n networks' true standard errors, it is c/√(1 − c²/n) of the estimated ones.

        Parameters
        ----------
        networks : int
            The number of networks in all zoos.

        Returns
        -------
        float
            The factor; infinite where so few networks cannot show anything that is certain.
        """
        degrees = self.degrees + TRY + LUCK_OF_A_TRY * math.log(self.tries + 1)
        spread = 2 / (9 * degrees)
        square = degrees * (1 - spread + NormalDist().inv_cdf(1 - LEVEL) * math.sqrt(spread)) ** 3
        return math.sqrt(square / (1 - square / networks)) if square < networks else math.inf

    def may_release(self, score: float) -> bool:
        """Whether a submission with this score can be released at all, whatever its standard error is.

        Parameters
        ----------
        score : float
            From 0 to 100.

        Returns
        -------
        bool
            False if even the score itself is no higher on the grid than what is shown.
        """
        return self.shown is None or down_to_step(score, self.step) > self.shown

    def decide(self, new: Jackknives | None, best: Jackknives | None) -> Release:
        """Decide what is shown after a new submission.

        Its true score is at least its score less `factor` standard errors, and at least the best's lower bound plus
        the difference of the two scores less `factor` standard errors of this difference. With the larger of these
        bounds, the lower of score and bound + standard error may be shown. It is rounded down to the grid, and
        released if it is then higher than what is shown now. The first submission is always released.

        Parameters
        ----------
        new, best : Mapping of str to Jackknife, or None
            The scores by zoo of the new submission and of the one that is shown. Without the best's, or where they
            were not scored on the same networks, the first bound stands alone; without the new one's, nothing is
            certified.

        Returns
        -------
        Release
            What is shown now.
        """
        bound, certified = 0.0, 0.0
        if new is not None:
            estimate = competition_estimate(new)
            factor = self.factor(sum(len(zoo.left_out) for zoo in new.values()))
            bound = estimate.score - _times(factor, estimate.standard_error)
            if best is not None:
                bound = max(bound, self._continued(new, best, factor))
            certified = max(0.0, min(estimate.score, bound + estimate.standard_error))
        shown = down_to_step(certified, self.step)
        if self.shown is None or shown > self.shown:
            return Release(shown, min(max(0.0, bound), float(SCALE)), improved=True)
        return self.silence()

    def silence(self) -> Release:
        """What is shown after a submission that is not released: the same as before."""
        return Release(self.shown or 0.0, self.lower_bound, improved=False)

    def after(self, release: Release, *, was_told: bool = False) -> "Ladder":
        """The memory after what was decided.

        Parameters
        ----------
        release : Release
            The decision on a submission.
        was_told : bool, optional
            Whether the submission's score was told before, without the Ladder. It counts as one degree of freedom,
            because whoever knows the scores of d submissions can combine no more luck than that of d directions.

        Returns
        -------
        Ladder
            A new memory; this one stays as it is.
        """
        told = TOLD if was_told else 0.0
        if not release.improved:
            return replace(self, degrees=self.degrees + told, tries=self.tries + 1)
        return replace(
            self,
            shown=release.shown,
            lower_bound=release.lower_bound,
            degrees=self.degrees + max(told, RELEASE + LUCK_OF_A_RELEASE * math.log(self.tries + 1)),
            tries=0,
        )

    def _continued(self, new: Jackknives, best: Jackknives, factor: float) -> float:
        """The lower bound that follows from the best's."""
        try:
            comparison = compare(new, best)
        except ComparisonError:
            return -math.inf
        return self.lower_bound + comparison.difference - _times(factor, comparison.standard_error)


def _times(factor: float, standard_error: float) -> float:
    """The product, also of an infinite factor; an error that is a rounding error is none."""
    return factor * standard_error if standard_error > NEGLIGIBLE else 0.0


def in_steps(score: float, step: float) -> float:
    """Round a score to the grid of a step: its multiples from 0, and 100.

    Parameters
    ----------
    score : float
        From 0 to 100.
    step : float
        The distance of the grid's points, above 0; the last distance may be shorter.

    Returns
    -------
    float
        The nearest point, so off by half a step at most. Halfway between two multiples it is the even one, halfway to
        100 the multiple.
    """
    multiple = math.floor(round(score / step, DECIMALS))
    below, above = (min(round(step * factor, DECIMALS), float(SCALE)) for factor in (multiple, multiple + 1))
    lower, upper = round(score - below, DECIMALS), round(above - score, DECIMALS)
    is_upper_even = multiple % 2 == 1 and above == round(step * (multiple + 1), DECIMALS)
    return above if upper < lower or (upper == lower and is_upper_even) else below


def down_to_step(score: float, step: float) -> float:
    """Round a score down to the grid of a step.

    Parameters
    ----------
    score : float
        From 0 to 100.
    step : float
        As of `in_steps`.

    Returns
    -------
    float
        The highest point of the grid that is not above the score.
    """
    if score >= SCALE:
        return float(SCALE)
    return min(round(step * math.floor(round(score / step, DECIMALS)), DECIMALS), float(SCALE))


def ladder(history: Sequence[Jackknives], step: float = 1.0) -> tuple[Release, ...]:
    """What an entrant was shown after each of its submissions.

    Parameters
    ----------
    history : sequence of Mapping of str to Jackknife
        The submissions' scores by zoo, in the order in which they were accepted.
    step : float, optional
        The step on which scores are shown.

    Returns
    -------
    tuple of Release
        One for each submission.
    """
    memory, best = Ladder(step), None
    releases: list[Release] = []
    for new in history:
        release = memory.decide(new, best)
        memory = memory.after(release)
        best = new if release.improved else best
        releases.append(release)
    return tuple(releases)
