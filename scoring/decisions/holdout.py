"""The Generic Holdout: one bit per submission of a private phase, at a level that accounts for the number of questions.

This module owns the level of each test and the budget of questions. It is called through `scoring`; the caller keeps
count of each team's questions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from scoring.decisions.comparison import Jackknives, compare, competition_estimate
from scoring.errors import HoldoutError

SMALLEST_LEVEL = 1e-300  # float64 ends near; z is 37 there
MOST_NODES = 10**300


@dataclass(frozen=True)
class GenericHoldout:
    """The rules of a private phase for one team.

    The team may ask `queries` questions, and no more once `yes_answers` of them were answered yes.

    Parameters
    ----------
    queries : int
        The number of questions, at least 1.
    yes_answers : int
        The number of yes answers after which the team may ask no more, from 1 to `queries`.
    delta : float
        The margin by which the reference has to be beaten, on the scale from 0 to 100; at least 0.
    alpha : float, optional
        An upper bound on the probability that a team ever gets a wrong yes, however it chooses its submissions by the
        answers; between 0 and 1.

    Raises
    ------
    HoldoutError
        If a number is out of its range, or if they leave each test a level below 1e-300.

    References
    ----------
    Nakkiran and Błasiok 2018, arXiv:1809.05596.
    """

    queries: int
    yes_answers: int
    delta: float
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if self.queries < 1:
            raise HoldoutError(f"a team may ask {self.queries} questions; allow at least 1")
        if not 1 <= self.yes_answers <= self.queries:
            raise HoldoutError(
                f"a team may get {self.yes_answers} yes answers to {self.queries} questions; "
                f"allow from 1 to {self.queries}"
            )
        if not 0 < self.alpha < 1:
            raise HoldoutError(f"alpha is {self.alpha}; it is a probability between 0 and 1, for example 0.05")
        if not 0 <= self.delta < math.inf:
            raise HoldoutError(f"delta is {self.delta}; it is a difference of scores, 0 or more")
        if self.level < SMALLEST_LEVEL:
            raise HoldoutError(
                f"{self.queries} questions with up to {self.yes_answers} yes answers leave each test a level "
                f"below {SMALLEST_LEVEL}, which no score can pass; allow fewer of them"
            )

    @property
    def level(self) -> float:
        """The level of each test: alpha / Σ C(queries, i) over i = 1 … yes_answers.

        Each question, with the answers before it, is a node of a decision tree, and the sum is the number of nodes:
        after j answers, fewer than `yes_answers` of them yes, there are Σ C(j, i) over i < yes_answers; summed over j
        < queries this is Σ C(queries, i) over i = 1 … yes_answers. The tree is fixed before the data, so the levels of
        the tests add up over its nodes.
        """
        nodes, combinations = 0, 1
        for yes in range(1, self.yes_answers + 1):
            combinations = combinations * (self.queries - yes + 1) // yes
            nodes += combinations
            if nodes > MOST_NODES:
                break  # the level is below the smallest already, and the sum may have millions of terms
        return float(Fraction(self.alpha) / nodes)

    def answer(self, new: Jackknives, reference: Jackknives | float, asked: int, granted: int) -> bool:
        """Whether the one-sided lower confidence bound of new − reference, at `level`, exceeds delta.

        Parameters
        ----------
        new : Mapping of str to Jackknife
            The submission's scores by zoo.
        reference : Mapping of str to Jackknife, or float
            Another submission's scores, compared by the jackknife of the difference, or a fixed score from 0 to 100.
        asked : int
            The number of questions that the team has asked before.
        granted : int
            The number of those that were answered yes.

        Returns
        -------
        bool
            The answer to the question.

        Raises
        ------
        HoldoutError
            If no question is left.
        ComparisonError
            If the reference was not scored on the same networks of the same zoos.
        """
        self._require_a_question_left(asked, granted)
        if isinstance(reference, Mapping):
            comparison = compare(new, reference)
            difference, standard_error = comparison.difference, comparison.standard_error
        else:
            estimate = competition_estimate(new)
            difference, standard_error = estimate.score - reference, estimate.standard_error
        # By symmetry z at 1 − level; 1 − level itself is 1 for a level below 1e-16.
        z = -NormalDist().inv_cdf(self.level)
        return difference - z * standard_error > self.delta

    def _require_a_question_left(self, asked: int, granted: int) -> None:
        if not 0 <= granted <= asked:
            raise HoldoutError(f"of {asked} questions asked, {granted} cannot have been answered yes")
        if asked >= self.queries:
            raise HoldoutError(
                f"all {self.queries} questions of this phase have been asked; no further one is answered"
            )
        if granted >= self.yes_answers:
            raise HoldoutError(
                f"{granted} questions were answered yes, as many as this phase allows; no further one is answered"
            )
