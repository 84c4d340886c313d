"""Granulated Kendall's Ψ: τ-a among networks that differ on one axis alone, averaged over the axes."""

from scoring.metric import Direction, Metric, Undefined
from scoring.prepared import PreparedZoo


def _psi(zoo: PreparedZoo) -> float | Undefined:
    psi = zoo.granulated.psi
    return Undefined("no axis varies") if psi is None else psi


METRIC = Metric(
    key="granulated_kendall",
    title="granulated Ψ",
    symbol="Ψ",
    help="granulated Kendall: the rank correlation where a single hyperparameter varies",
    group="Rank correlation",
    direction=Direction.HIGHER,
    order=40,
    compute=_psi,
    note="τ-a where one axis varies, averaged",
    short="psi",
    signed=True,
    on_leaderboard=True,
)
