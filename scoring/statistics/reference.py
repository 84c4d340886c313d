"""The rows that every board shows beside the measures: what chance gets, and what the hyperparameters alone would get.

They depend on the zoo alone, so they are computed once per zoo. `scoring.report` puts them beside a score.
"""

from dataclasses import dataclass

import numpy as np

from scoring.grid import FloatArray
from scoring.statistics.cmi import ConditionalMutualInformation
from scoring.statistics.regression import additive_fit
from scoring.statistics.uncertainty import Progress, RandomFloor, random_floor, silent
from scoring.statistics.variants import Variant
from scoring.truth import Truth

ORACLE_DIGITS = 12  # of the fit's range: ties that rounding separated are ties again


@dataclass(frozen=True)
class References:
    """The reference rows of a zoo.

    The oracle is fitted to the truth itself: no measure that only recognises hyperparameters, one by one, can be
    expected to do better.

    Attributes
    ----------
    variant : {"pgdl2020", "symmetrised", "paper"}
        The variant of the CMI.
    target : str
        The name of the target.
    networks : int
        The number of networks.
    random_floor : RandomFloor
        The CMI of random values.
    hyperparameter_oracle : float
        The CMI, from 0 to 1, of the additive model of the axes.
    """

    variant: Variant
    target: str
    networks: int
    random_floor: RandomFloor
    hyperparameter_oracle: float


def references(
    truth: Truth, variant: Variant = "pgdl2020", *, draws: int = 1000, seed: int = 0, progress: Progress = silent
) -> References:
    """Compute the reference rows of a zoo.

    Parameters
    ----------
    truth : Truth
        The zoo's targets and grid.
    variant : {"pgdl2020", "symmetrised", "paper"}, optional
        The variant of the CMI.
    draws : int, optional
        The number of random predictors, at least 1.
    seed : int, optional
        Equal seeds give equal draws.
    progress : callable, optional
        Called with a description, the draws done and the draws in total.

    Returns
    -------
    rows : References
        The random floor and the hyperparameter oracle.

    Raises
    ------
    TruthError
        If the zoo cannot be scored.
    """
    cmi = ConditionalMutualInformation(truth.targets, truth.grid, variant)
    oracle = hyperparameter_oracle(cmi, truth.targets)  # first: it raises where nothing can be scored
    floor = random_floor(cmi, draws, seed, progress)
    return References(variant, truth.target, len(truth.ids), floor, oracle)


def hyperparameter_oracle(cmi: ConditionalMutualInformation, targets: FloatArray) -> float:
    """The CMI of the additive model of the axes, fitted to the targets by least squares.

    Parameters
    ----------
    cmi : ConditionalMutualInformation
        The CMI on the zoo.
    targets : ndarray of float64, shape (n,)
        The targets, finite.

    Returns
    -------
    float
        From 0 to 1.
    """
    fitted = additive_fit(targets, cmi.grid)
    low, high = fitted.min(), fitted.max()
    if high > low:
        fitted = np.round((fitted - low) / (high - low), ORACLE_DIGITS)
    return cmi.score(fitted).minimum
