"""A zoo with one measure's values, and the results that several metrics share, each computed once.

`scoring.report` makes one for each report; the metrics in `scoring.metrics` read it.
"""

from dataclasses import dataclass
from functools import cached_property

from scoring.grid import FloatArray, Grid
from scoring.statistics.cmi import Cmi, ConditionalMutualInformation
from scoring.statistics.granulated import GranulatedKendall, granulated_kendall
from scoring.statistics.jackknife import Jackknife, jackknife
from scoring.statistics.rank import Correlations, KendallTau, correlations, kendall_tau
from scoring.statistics.regression import Regression, regression
from scoring.statistics.sign_error import RobustSignError, TestSets, robust_sign_error
from scoring.statistics.variants import Variant
from scoring.truth import Truth


@dataclass(frozen=True, eq=False)
class PreparedZoo:
    """One zoo's truth with the values of one measure.

    Every property is computed at its first use and kept.

    Parameters
    ----------
    truth : Truth
        The target and the grid of the zoo's n networks.
    values : ndarray of float64, shape (n,)
        The measure's values, finite, in the order of ``truth.ids`` (see `Truth.align`).
    variant : {"pgdl2020", "symmetrised", "paper"}
        The variant of the CMI.
    test_sets : {"independent", "shared"}
        Which bound weighs the pairs of the robust sign-error.
    """

    truth: Truth
    values: FloatArray
    variant: Variant = "pgdl2020"
    test_sets: TestSets = "independent"

    @property
    def targets(self) -> FloatArray:
        """The targets, float64 of shape (n,), in the order of ``truth.ids``."""
        return self.truth.targets

    @property
    def grid(self) -> Grid:
        """The hyperparameters of the n networks."""
        return self.truth.grid

    @cached_property
    def cmi_scorer(self) -> ConditionalMutualInformation:
        """The CMI of this zoo for any values. Raises TruthError if the zoo cannot be scored."""
        return ConditionalMutualInformation(self.targets, self.grid, self.variant)

    @cached_property
    def cmi(self) -> Cmi:
        """The CMI under every conditioning set, and the smallest. Raises TruthError if the zoo cannot be scored."""
        return self.cmi_scorer.score(self.values)

    @cached_property
    def jackknife(self) -> Jackknife | None:
        """The jackknife of the CMI; None if nothing is left to predict without one of the networks."""
        return jackknife(self.cmi_scorer, self.values)

    @cached_property
    def kendall(self) -> KendallTau:
        """Kendall's τ-a with its standard error, and τ-b."""
        return kendall_tau(self.values, self.targets)

    @cached_property
    def correlations(self) -> Correlations:
        """Spearman's ρ and Pearson's r."""
        return correlations(self.values, self.targets)

    @cached_property
    def granulated(self) -> GranulatedKendall:
        """Kendall's τ-a along each axis, and the mean over the axes. Raises GridError if the grid is incomplete."""
        return granulated_kendall(self.values, self.targets, self.grid)

    @cached_property
    def regression(self) -> Regression:
        """Least squares on the values and on the hyperparameters. Raises GridError if the grid is incomplete."""
        return regression(self.values, self.targets, self.grid)

    @cached_property
    def sign_error(self) -> RobustSignError | None:
        """The robust sign-error; None if it does not apply to the target or the test set's size is not known."""
        if not self.truth.is_of_test_accuracy or self.truth.test_examples is None:
            return None
        return robust_sign_error(self.values, self.targets, self.grid, self.truth.test_examples, self.test_sets)
