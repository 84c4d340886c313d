"""The entry point: everything that `scoring` computes for a measure's values, on one zoo and over a competition.

Workers, pages and `gengap score` call `report` and `competition`; docs/metrics.md explains every number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scoring.decisions.comparison import SCALE, Jackknives, competition_estimate
from scoring.errors import ComparisonError, ScoringError
from scoring.grid import FloatArray
from scoring.metric import Metric, Undefined, mean_over_zoos
from scoring.metrics import METRICS
from scoring.plain import plain
from scoring.prepared import PreparedZoo
from scoring.statistics.cmi import Cmi
from scoring.statistics.granulated import GranulatedKendall
from scoring.statistics.jackknife import Jackknife
from scoring.statistics.rank import Correlations, KendallTau
from scoring.statistics.reference import References
from scoring.statistics.regression import Regression
from scoring.statistics.sign_error import RobustSignError, TestSets
from scoring.statistics.uncertainty import (
    ROUNDING,
    NoiseFromTestSet,
    Permutation,
    Progress,
    nearest_rank,
    noise_from_test_set,
    permutation_test,
    silent,
)
from scoring.statistics.variants import Variant
from scoring.truth import Truth


@dataclass(frozen=True)
class Draws:
    """How many random draws a report makes.

    Parameters
    ----------
    permutations : int, optional
        Permutations of the values for the p-value; 0 omits it.
    test_sets : int, optional
        Redrawn test sets for the noise; 0 omits it.
    seed : int, optional
        Equal seeds give equal draws.
    """

    permutations: int = 1000
    test_sets: int = 300
    seed: int = 0


NO_DRAWS = Draws(permutations=0, test_sets=0)


@dataclass(frozen=True)
class ZooReport:
    """How well a measure's values order the networks of one zoo, and how sure that is. Zoo-level CMIs are from 0 to 1.

    Attributes
    ----------
    variant : {"pgdl2020", "symmetrised", "paper"}
        The variant of the CMI.
    target : str
        The name of the target.
    networks : int
        The number of networks.
    cmi : Cmi
        The score, with its whole table.
    jackknife : Jackknife or None
        The score's standard error; None if the target leaves nothing to predict without one of the networks.
    permutation : Permutation or None
        The score's p-value against chance; None without draws.
    noise : NoiseFromTestSet or None
        The score on other test sets. None without draws, or if the truth does not record test accuracies and the size
        of the test set.
    kendall, correlations, granulated : KendallTau, Correlations, GranulatedKendall
        Rank metrics.
    sign_error : RobustSignError or None
        None if the target is not made of test accuracies or the size of the test set is not known.
    regression : Regression
        Least squares on the values and on the hyperparameters.
    references : References or None
        The zoo's random floor and hyperparameter oracle, if they were given.
    metrics : Mapping of str to float or None
        Every metric of the registry by its key, not scaled; None if it is undefined.
    metric_errors : Mapping of str to float
        The standard errors of the metrics that have one, by key, not scaled.
    undefined : Mapping of str to str
        Why a metric is None, by key.
    """

    variant: Variant
    target: str
    networks: int
    cmi: Cmi
    jackknife: Jackknife | None
    permutation: Permutation | None
    noise: NoiseFromTestSet | None
    kendall: KendallTau
    correlations: Correlations
    granulated: GranulatedKendall
    sign_error: RobustSignError | None
    regression: Regression
    references: References | None
    metrics: Mapping[str, float | None]
    metric_errors: Mapping[str, float]
    undefined: Mapping[str, str]

    @property
    def score(self) -> float:
        """100 × CMI, the scale of leaderboards."""
        return SCALE * self.cmi.minimum

    @property
    def standard_error(self) -> float | None:
        """Of the score, on its scale."""
        return None if self.jackknife is None else SCALE * self.jackknife.standard_error

    @property
    def sign(self) -> int:
        """1 if larger values go with larger targets, −1 if with smaller, 0 if neither. CMI does not show it."""
        return self.kendall.sign

    def as_json(self) -> dict[str, Any]:
        """A JSON object of plain numbers, texts and lists, not rounded."""
        head = {"score": self.score, "standard_error": self.standard_error, "sign": self.sign}
        content = plain(self)
        assert isinstance(content, dict)
        return head | content


@dataclass(frozen=True)
class CompetitionReport:
    """A measure over the zoos of a competition.

    All but `kendall_tau` and `metrics` are on the scale from 0 to 100.

    Attributes
    ----------
    variant : {"pgdl2020", "symmetrised", "paper"}
        The variant of the CMI.
    target : str
        The name of the target.
    score : float
        100 × the unweighted mean of the zoos' CMI.
    standard_error : float or None
        100·√(Σ SE²)/T over T zoos; None if one zoo has none.
    p_value : float or None
        Of the mean against chance, from the zoos' permutations drawn side by side; None unless all have equally many.
    random_floor, random_floor_percentile_95, hyperparameter_oracle : float or None
        Of the mean; None unless all zoos have references.
    kendall_tau : float
        The unweighted mean of τ-a.
    metrics : Mapping of str to float or None
        Every metric by its key: the unweighted mean over the zoos, not scaled; None if one zoo has none.
    zoos : Mapping of str to ZooReport
        The reports by zoo.
    """

    variant: Variant
    target: str
    score: float
    standard_error: float | None
    p_value: float | None
    random_floor: float | None
    random_floor_percentile_95: float | None
    hyperparameter_oracle: float | None
    kendall_tau: float
    metrics: Mapping[str, float | None]
    zoos: Mapping[str, ZooReport]

    @property
    def jackknives(self) -> Jackknives:
        """The zoos' scores with jackknife: the input of `compare`, `rank_intervals`, `ladder` and `GenericHoldout`.

        Raises ScoringError if a zoo has none.
        """
        found: dict[str, Jackknife] = {}
        for name, zoo in self.zoos.items():
            if zoo.jackknife is None:
                raise ScoringError(
                    f"the zoo {name!r} has no jackknife: without one of its networks nothing is left to predict"
                )
            found[name] = zoo.jackknife
        return found

    def as_json(self) -> dict[str, Any]:
        """A JSON object of plain numbers, texts and lists, not rounded."""
        content = plain(replace(self, zoos={}))
        assert isinstance(content, dict)
        return content | {"zoos": {name: zoo.as_json() for name, zoo in self.zoos.items()}}


def report(
    truth: Truth,
    values: Mapping[str, float],
    variant: Variant = "pgdl2020",
    *,
    draws: Draws = NO_DRAWS,
    test_examples: int | None = None,
    test_sets: TestSets = "independent",
    references: References | None = None,
    progress: Progress = silent,
    metrics: Mapping[str, Metric] = METRICS,
) -> ZooReport:
    """Everything about one measure's values on a zoo.

    Parameters
    ----------
    truth : Truth
        The zoo's targets and grid.
    values : Mapping of str to float
        Network id to the measure's value.
    variant : {"pgdl2020", "symmetrised", "paper"}, optional
        The variant of the CMI.
    draws : Draws, optional
        By default there are none, so that permutation and noise are None.
    test_examples : int, optional
        The size of the test set, if the truth does not know it.
    test_sets : {"independent", "shared"}, optional
        Which bound weighs the pairs of the robust sign-error (see `robust_sign_error`); the published one by default.
    references : References, optional
        Of this zoo, target and variant, computed once by `scoring.references`.
    progress : callable, optional
        Called with a description, the draws done and the draws in total.
    metrics : Mapping of str to Metric, optional
        The registry; by default `scoring.METRICS`.

    Returns
    -------
    ZooReport
        All numbers, not rounded.

    Raises
    ------
    ValuesError
        If the values do not fit the truth's networks.
    TruthError
        If the zoo cannot be scored (its grid has holes, its target is constant, …).
    ComparisonError
        If the references are of another zoo.
    """
    if test_examples is not None:
        truth = replace(truth, test_examples=test_examples)
    zoo = PreparedZoo(truth, truth.align(values), variant, test_sets)
    if references is not None:
        _require_of_this_zoo(references, truth, variant)
    score = zoo.cmi  # first: it raises where the zoo cannot be scored
    measured = None if truth.test_examples is None else truth.test_accuracies()
    computed = {key: metric.compute(zoo) for key, metric in metrics.items()}
    errors = {key: metric.standard_error(zoo) for key, metric in metrics.items() if metric.standard_error is not None}
    return ZooReport(
        variant=variant,
        target=truth.target,
        networks=len(truth.ids),
        cmi=score,
        jackknife=zoo.jackknife,
        permutation=(
            permutation_test(zoo.cmi_scorer, zoo.values, draws.permutations, draws.seed, progress)
            if draws.permutations
            else None
        ),
        noise=_noise(zoo, measured, draws, progress),
        kendall=zoo.kendall,
        correlations=zoo.correlations,
        granulated=zoo.granulated,
        sign_error=zoo.sign_error,
        regression=zoo.regression,
        references=references,
        metrics={key: None if isinstance(value, Undefined) else value for key, value in computed.items()},
        metric_errors={key: error for key, error in errors.items() if error is not None},
        undefined={key: value.reason for key, value in computed.items() if isinstance(value, Undefined)},
    )


def competition(reports: Mapping[str, ZooReport]) -> CompetitionReport:
    """Combine the reports of one measure on the zoos of a competition.

    Parameters
    ----------
    reports : Mapping of str to ZooReport
        The reports by zoo.

    Returns
    -------
    CompetitionReport
        The means over the zoos.

    Raises
    ------
    ScoringError
        If there is no report.
    ComparisonError
        If the reports are not of one variant and one target.
    """
    zoos = list(reports.values())
    score = competition_score([zoo.cmi.minimum for zoo in zoos])
    kinds = sorted({f"{zoo.variant} of {zoo.target}" for zoo in zoos})
    if len(kinds) > 1:
        raise ComparisonError(f"the zoos were scored by {' and by '.join(kinds)}; score them alike")
    jackknives = {name: zoo.jackknife for name, zoo in reports.items() if zoo.jackknife is not None}
    permutations = [zoo.permutation for zoo in zoos if zoo.permutation is not None]
    known = [zoo.references for zoo in zoos if zoo.references is not None]
    floors = _side_by_side([reference.random_floor.scores for reference in known], len(zoos))
    return CompetitionReport(
        variant=zoos[0].variant,
        target=zoos[0].target,
        score=score,
        standard_error=competition_estimate(jackknives).standard_error if len(jackknives) == len(zoos) else None,
        p_value=_p_value(score, _side_by_side([permutation.scores for permutation in permutations], len(zoos))),
        random_floor=None if floors is None else float(floors.mean()),
        random_floor_percentile_95=None if floors is None else nearest_rank(floors, 95),
        hyperparameter_oracle=(
            SCALE * math.fsum(reference.hyperparameter_oracle for reference in known) / len(zoos)
            if len(known) == len(zoos)
            else None
        ),
        kendall_tau=math.fsum(zoo.kendall.tau_a for zoo in zoos) / len(zoos),
        metrics={key: mean_over_zoos([zoo.metrics.get(key) for zoo in zoos]) for key in zoos[0].metrics},
        zoos=dict(reports),
    )


def competition_score(zoo_cmis: Sequence[float]) -> float:
    """100 × the unweighted mean of the zoos' CMI.

    Parameters
    ----------
    zoo_cmis : sequence of float
        The CMI of each zoo, from 0 to 1.

    Returns
    -------
    float
        From 0 to 100.

    Raises
    ------
    ScoringError
        If there is no zoo.
    """
    if not zoo_cmis:
        raise ScoringError("a competition's score needs the CMI of at least one zoo")
    return SCALE * math.fsum(zoo_cmis) / len(zoo_cmis)


def _noise(
    zoo: PreparedZoo, measured: tuple[FloatArray, float] | None, draws: Draws, progress: Progress
) -> NoiseFromTestSet | None:
    if not draws.test_sets or zoo.truth.test_examples is None or measured is None:
        return None
    accuracies, slope = measured
    return noise_from_test_set(
        zoo.cmi_scorer,
        zoo.values,
        zoo.targets,
        accuracies,
        slope=slope,
        test_examples=zoo.truth.test_examples,
        draws=draws.test_sets,
        seed=draws.seed,
        progress=progress,
    )


def _require_of_this_zoo(references: References, truth: Truth, variant: Variant) -> None:
    theirs = (references.variant, references.target, references.networks)
    ours = (variant, truth.target, len(truth.ids))
    if theirs != ours:
        raise ComparisonError(
            f"the references are of {theirs[0]}, the target {theirs[1]!r} and {theirs[2]} networks; "
            f"the report needs those of {ours[0]}, {ours[1]!r} and {ours[2]} networks"
        )


def _side_by_side(draws: list[tuple[float, ...]], zoos: int) -> FloatArray | None:
    """The mean over the zoos of each draw, on the scale from 0 to 100; None unless every zoo has equally many."""
    if len(draws) < zoos or len({len(scores) for scores in draws}) != 1:
        return None
    means: FloatArray = SCALE * np.mean(draws, axis=0)
    return means


def _p_value(score: float, permuted: FloatArray | None) -> float | None:
    if permuted is None:
        return None
    return float(1 + np.count_nonzero(permuted >= score - SCALE * ROUNDING)) / (1 + len(permuted))
