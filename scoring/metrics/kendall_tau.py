"""Kendall's τ-a over all pairs of networks."""

from scoring.metric import Direction, Metric

METRIC = Metric(
    key="kendall_tau",
    title="Kendall's τ-a",
    symbol="τ",
    help="Kendall's rank correlation",
    group="Rank correlation",
    direction=Direction.HIGHER,
    order=20,
    compute=lambda zoo: zoo.kendall.tau_a,
    standard_error=lambda zoo: zoo.kendall.standard_error_a,
    note="ties count 0",
    short="tau",
    signed=True,
    on_leaderboard=True,
)
