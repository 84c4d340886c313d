"""The rows every board shows beside the measures: what chance gets, and what the hyperparameters alone would.

They depend on the zoo alone, so they are made once per zoo. `scoring.report` puts them beside a score.
"""

from dataclasses import dataclass

import numpy as np

from scoring.cmi import ConditionalMutualInformation
from scoring.pairs import FloatArray
from scoring.regression import additive_fit
from scoring.truth import Truth
from scoring.uncertainty import Progress, RandomFloor, random_floor, silent
from scoring.variants import Variant

ORACLE_DIGITS = 12  # of the fit's range: what rounding parted is a tie again


@dataclass(frozen=True)
class References:
    """random_floor: what chance gets. hyperparameter_oracle: the CMI, from 0 to 1, of the additive model of the axes.

    The oracle is fitted to the truth itself: no measure that only recognises hyperparameters, one by one, can
    be expected to do better.
    """

    variant: Variant
    target: str
    networks: int
    random_floor: RandomFloor
    hyperparameter_oracle: float


def references(
    truth: Truth, variant: Variant = "pgdl2020", *, draws: int = 1000, seed: int = 0, progress: Progress = silent
) -> References:
    """The reference rows of a zoo. draws: how many random predictors, at least 1.

    Raises TruthError if the zoo cannot be scored.
    """
    cmi = ConditionalMutualInformation(truth.targets, truth.grid, variant)
    oracle = hyperparameter_oracle(cmi, truth.targets)  # first: it raises where nothing can be scored
    floor = random_floor(cmi, draws, seed, progress)
    return References(variant, truth.target, len(truth.ids), floor, oracle)


def hyperparameter_oracle(cmi: ConditionalMutualInformation, targets: FloatArray) -> float:
    """The CMI of the additive model of the axes, fitted to the targets (float64 of shape (n,)) by least squares."""
    fitted = additive_fit(targets, cmi.grid)
    low, high = fitted.min(), fitted.max()
    if high > low:
        fitted = np.round((fitted - low) / (high - low), ORACLE_DIGITS)
    return cmi.score(fitted).minimum
