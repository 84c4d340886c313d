"""The score of one measure on one zoo and over the zoos of a competition. `scoring` exports it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scoring.cmi import ConditioningSet, Variant, conditional_mutual_information
from scoring.errors import ScoringError
from scoring.rank import kendall_tau
from scoring.truth import Truth


@dataclass(frozen=True)
class ZooScore:
    """How well a measure's values order the networks of one zoo.

    cmi: the zoo's score, from 0 to 1. cmi_table: conditioning set (axis names) → value; None where the set
    leaves the target no uncertainty and the variant leaves it out. attained_by: the set whose value is `cmi`.
    without_uncertainty: the sets that fix the order of the target. kendall_tau: τ-a, from −1 to 1;
    kendall_tau_b: corrected for ties, None for constant values. networks: how many. target: what was
    predicted.
    """

    variant: Variant
    target: str
    networks: int
    cmi: float
    cmi_table: Mapping[ConditioningSet, float | None]
    attained_by: ConditioningSet
    without_uncertainty: tuple[ConditioningSet, ...]
    kendall_tau: float
    kendall_tau_b: float | None

    @property
    def score(self) -> float:
        """100 × cmi: the scale of leaderboards."""
        return competition_score([self.cmi])

    @property
    def sign(self) -> int:
        """1 if larger values go with larger targets, −1 if with smaller, 0 if neither. CMI cannot tell."""
        return (self.kendall_tau > 0) - (self.kendall_tau < 0)

    def as_json(self) -> dict[str, object]:
        """A JSON object of plain numbers, texts and lists, not rounded."""
        return {
            "variant": self.variant,
            "target": self.target,
            "networks": self.networks,
            "cmi": self.cmi,
            "score": self.score,
            "attained_by": list(self.attained_by),
            "kendall_tau": self.kendall_tau,
            "kendall_tau_b": self.kendall_tau_b,
            "sign": self.sign,
            "cmi_table": [{"axes": list(axes), "cmi": value} for axes, value in self.cmi_table.items()],
            "without_uncertainty": [list(axes) for axes in self.without_uncertainty],
        }


def score_zoo(truth: Truth, values: Mapping[str, float], variant: Variant = "pgdl2020") -> ZooScore:
    """The score of values (network id → number) on a zoo.

    Raises ScoringError: a ValuesError if the values do not fit the truth's networks, a TruthError if the zoo
    cannot be scored (its grid has holes, its target is constant, …).
    """
    aligned = truth.align(values)
    cmi = conditional_mutual_information(aligned, truth.targets, truth.grid, variant)
    tau = kendall_tau(aligned, truth.targets)
    return ZooScore(
        variant=variant,
        target=truth.target,
        networks=len(truth.ids),
        cmi=cmi.minimum,
        cmi_table=cmi.table,
        attained_by=cmi.attained_by,
        without_uncertainty=cmi.without_uncertainty,
        kendall_tau=tau.tau_a,
        kendall_tau_b=tau.tau_b,
    )


def competition_score(zoo_scores: Sequence[float]) -> float:
    """100 × the unweighted mean of the zoos' CMI. Raises ScoringError if there is none."""
    if not zoo_scores:
        raise ScoringError("a competition score needs the score of at least one zoo")
    return 100 * sum(zoo_scores) / len(zoo_scores)
