"""Whether the Ladder shows more than is true, whatever an entrant tries: a simulation whose truth is known.

Run with `python -m benchmarks.ladder`. A measure's score on a zoo is the mean of what each network contributes: its
true score, and luck that differs from network to network. To first order every score of `scoring` is such a mean, and
the jackknife of a mean is exact. All measures share the luck of a good one, and have luck of their own the more they
are changed, which costs them true score: so attackers can look for luck, keep what they found, and add it up.

Attackers know everything but the networks' luck: the rule, the true score of whatever they submit, its standard error.
Each makes so many submissions at a time as it expects to need for one release, since it learns only by releases. The
rule is that of the product, written for arrays, which is much faster; `test_ladder_attacks` holds it to the product's.
With `--product` all is also recorded in a database and decided by `submissions.leaderboard.standings`, and the two must
show exactly the same. That takes milliseconds a submission, and reads the whole history of an entrant each time, so it
is a few simulations by default. The rule of Gengap's first releases is simulated beside it.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.ladder_boards import ArrayBoard, Board, OldBoard, ProductBoard, Shown
from scoring.grid import FloatArray

SEED = 2015
SIZES = (48, 96, 256)
SIMULATIONS = 200
TRIES = 1000
OF_PRODUCT: Mapping[str, Any] = {
    "simulations": 4,
    "tries": 200,
    "networks": [48],
}  # with --product, unless asked otherwise
TRUTH = 45.0  # of the good measure; on 96 networks its standard error is 4.9
SPREAD = 48.0  # standard deviation of its networks' contributions
WEAK = 12.0  # change that makes a measure worthless
ACCOUNTS = (2, 5, 20, 100)
HONEST = (1, 5, 20)
TOLD = (20, 150, 600)
HEADINGS = ("attacker", "excess ≤ 1 SE", "median", "95 %", "shown", "truth", "releases")


class World:
    """Many simulations at once: the luck of the good measure on each zoo, and measures that are made of it."""

    def __init__(self, networks: int, simulations: int, seed: int) -> None:
        self.networks = networks
        self.simulations = simulations
        self.random = np.random.default_rng([seed, networks])
        self.luck = self.random.normal(size=(simulations, networks))

    def directions(self, measures: int) -> FloatArray:
        """Luck that nobody has looked at yet; shape (simulations, measures, networks)."""
        return self.random.normal(size=(self.simulations, measures, self.networks))

    def contributions(self, change: FloatArray, amount: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What networks contribute to the scores of measures, and the true scores.

        change: added to the good measure, (simulations, measures, networks); amount: its standard deviation in the
        population, (simulations, measures).
        """
        truth = true_score(amount)
        scale = SPREAD * np.sqrt(truth / TRUTH / (1 + amount**2))
        return truth[..., None] + scale[..., None] * (self.luck[:, None] + change), truth


def true_score(amount: FloatArray) -> FloatArray:
    """The true score of the good measure with so much change: the share of it that is left."""
    return TRUTH / (1 + amount**2)


@dataclass
class Best:
    """What is shown of each simulation's entrant at last: the score, its true score, score and standard error."""

    shown: FloatArray
    truth: FloatArray
    score: FloatArray
    error: FloatArray
    releases: FloatArray

    @property
    def excess(self) -> FloatArray:
        """How far the shown score exceeds the truth, in standard errors."""
        return (self.shown - self.truth) / self.error


class Attacker(Protocol):
    """Somebody who submits measures and is told what is shown."""

    def measures(self, count: int, board: Board) -> tuple[FloatArray, FloatArray]:
        """The next measures, as `World.contributions` takes them."""
        ...

    def told(self, shown: Shown) -> None:
        """What is shown of them."""
        ...


class Lottery:
    """Throws the first submission away, then tries unrelated measures until one is lucky."""

    def __init__(self, world: World, _tries: int, amount: float = 2.0) -> None:
        self._world = world
        self._amount = amount

    def measures(self, count: int, board: Board) -> tuple[FloatArray, FloatArray]:
        amount = np.full((self._world.simulations, count), self._amount if board.is_begun else WEAK)
        return amount[..., None] * self._world.directions(count), amount

    def told(self, shown: Shown) -> None:
        pass


class HillClimber:
    """Changes the best measure a little, on all networks or on a few, and keeps what is released."""

    def __init__(self, world: World, _tries: int, *, amount: float = 0.2, share: float = 1.0) -> None:
        self._world = world
        self._amount = amount
        self._share = share
        self._change = np.zeros((world.simulations, world.networks))
        self._variance = np.zeros(world.simulations)

    def measures(self, count: int, board: Board) -> tuple[FloatArray, FloatArray]:
        steps = self._world.directions(count)
        if self._share < 1:
            steps *= (self._world.random.random(steps.shape) < self._share) / math.sqrt(self._share)
        self._tried = self._change[:, None] + self._amount * steps
        self._variances = np.repeat(self._variance[:, None] + self._amount**2, count, axis=1)
        return self._tried, np.sqrt(self._variances)

    def told(self, shown: Shown) -> None:
        for simulation, place in shown.last_released():
            self._change[simulation] = self._tried[simulation, place]
            self._variance[simulation] = self._variances[simulation, place]


class Staircase:
    """Begins with a worthless measure and betters it slowly, with new luck at each try, which it keeps if released."""

    def __init__(self, world: World, _tries: int, *, amount: float = 0.3, pace: float = 0.985) -> None:
        self._world = world
        self._amount = amount
        self._pace = pace
        self._weak = world.directions(1)[:, 0]
        self._weakness = np.full(world.simulations, 4.0)
        self._kept = np.zeros((world.simulations, world.networks))
        self._variance = np.zeros(world.simulations)

    def measures(self, count: int, board: Board) -> tuple[FloatArray, FloatArray]:
        self._steps = self._world.directions(count)
        self._weaknesses = self._weakness[:, None] * self._pace ** np.arange(count)
        change = self._weaknesses[..., None] * self._weak[:, None] + self._kept[:, None] + self._amount * self._steps
        return change, np.sqrt(self._weaknesses**2 + self._variance[:, None] + self._amount**2)

    def told(self, shown: Shown) -> None:
        self._weakness = self._weaknesses[:, -1] * self._pace
        for simulation, place in shown.last_released():
            self._kept[simulation] += self._amount * self._steps[simulation, place]
            self._variance[simulation] += self._amount**2
            self._weakness[simulation] = self._weaknesses[simulation, place]


class Booster:
    """Weakens the measure to where one try in `odds` is released, collects the luck, and submits all of it together.

    It knows even the luck of the good measure, so that it finds that level at once.
    """

    AMOUNTS = np.exp(np.linspace(math.log(0.05), math.log(WEAK), 90))

    def __init__(self, world: World, tries: int, *, odds: int = 40, releases: int = 12) -> None:
        self._world = world
        self._left = tries
        self._wanted = releases
        self._quantile = NormalDist().inv_cdf(1 - 1 / odds)
        self._found = np.zeros((world.simulations, world.networks))
        self._count = np.zeros(world.simulations)
        truth = true_score(self.AMOUNTS)
        scale = SPREAD * np.sqrt(truth / TRUTH)
        self._error = scale / math.sqrt(world.networks)
        self._truth = truth
        share = 1 / np.sqrt(1 + self.AMOUNTS**2)
        self._level = truth + scale * share * world.luck.mean(axis=1)[:, None]
        self._deviation = self._error * self.AMOUNTS * share

    def measures(self, count: int, board: Board) -> tuple[FloatArray, FloatArray]:
        self._left -= count
        self._steps = self._world.directions(count)
        if not board.is_begun:
            self._is_final = np.zeros(self._world.simulations, dtype=bool)
            amount = np.full((self._world.simulations, count), WEAK)
            return WEAK * self._steps, amount
        needed = board.needed(self._error)
        reachable = self._level + self._quantile * self._deviation <= needed
        chosen = np.repeat(self.AMOUNTS[np.argmax(reachable, axis=1)][:, None], count, axis=1)
        change = chosen[..., None] * self._steps
        lucky = self._found / np.sqrt(np.maximum(self._count, 1))[:, None]
        score = self._level + self._deviation * math.sqrt(self._world.networks) * lucky.mean(axis=1)[:, None]
        excess = np.where(score >= needed, (board.certified(score, self._error) - self._truth) / self._error, -np.inf)
        ripe = (self._count >= self._wanted) | (self._left < 2 * count)
        self._is_final = ripe & (self._count > 0) & np.isfinite(excess.max(axis=1))
        final = np.repeat(self.AMOUNTS[np.argmax(excess, axis=1)][:, None], count, axis=1)
        together = final[..., None] * lucky[:, None] + 0.1 * self._steps * (np.arange(count) > 0)[:, None]
        is_final = self._is_final[:, None]
        return np.where(is_final[..., None], together, change), np.where(is_final, final, chosen)

    def told(self, shown: Shown) -> None:
        collects = shown.released & ~self._is_final[:, None]
        if shown.is_first:
            return
        self._found += (collects[..., None] * self._steps).sum(axis=1)
        self._count += collects.sum(axis=1)


ATTACKERS: dict[str, Callable[[World, int], Attacker]] = {
    "lottery": Lottery,
    "hill climbing": HillClimber,
    "few networks": lambda world, tries: HillClimber(world, tries, amount=0.3, share=0.06),
    "staircase": Staircase,
    "boosting, 1 in 40": Booster,
    "boosting, 1 in 10": lambda world, tries: Booster(world, tries, odds=10, releases=40),
}


def attack(attacker: Attacker, world: World, board: Board, tries: int, at_a_time: int) -> Best:
    """Let an attacker make so many submissions."""
    best = Best(*(np.zeros(world.simulations) for _ in range(5)))
    left = tries
    while left:
        count = min(left, at_a_time if board.is_begun else 1)
        left -= count
        submit(world, board, best, attacker.measures(count, board), attacker.told)
    return best


def submit(
    world: World,
    board: Board,
    best: Best,
    measures: tuple[FloatArray, FloatArray],
    told: Callable[[Shown], None] = lambda _: None,
) -> None:
    """Submit measures of every simulation, and note what is shown now."""
    contributions, truth = world.contributions(*measures)
    shown = board.submit(contributions)
    best.releases += shown.released.sum(axis=1)
    for simulation, place in shown.last_released():
        mine = contributions[simulation, place]
        best.shown[simulation] = shown.scores[simulation, place]
        best.truth[simulation] = truth[simulation, place]
        best.score[simulation] = mine.mean()
        best.error[simulation] = mine.std(ddof=1) / math.sqrt(world.networks)
    told(shown)


def honest(world: World, board: Board, submissions: int) -> tuple[Best, FloatArray]:
    """An entrant that betters a fair measure up to the good one; what is shown, and the loss in standard errors."""
    best = Best(*(np.zeros(world.simulations) for _ in range(5)))
    lacking = world.directions(1)
    for amount in np.linspace(1.2, 0, submissions) if submissions > 1 else [0.0]:
        submit(world, board, best, (amount * lacking, np.full((world.simulations, 1), amount)))
    contributions, truth = world.contributions(0 * lacking, np.zeros((world.simulations, 1)))
    error = contributions.std(axis=-1, ddof=1)[:, 0] / math.sqrt(world.networks)
    return best, (truth[:, 0] - best.shown) / error


def together(world: World, boards: Callable[[int], Board], accounts: int) -> Best:
    """What somebody gains with so many accounts: each shows the first score of a measure, the last one the ensemble."""
    lucky = np.zeros((world.simulations, world.networks))
    amount = np.ones((world.simulations, 1))
    for account in range(accounts - 1):
        step = world.directions(1)
        shown = Best(*(np.zeros(world.simulations) for _ in range(5)))
        submit(world, boards(account), shown, (step, amount))
        lucky += (shown.score - shown.truth)[:, None] * step[:, 0]  # as if the steps hid nothing
    norm = np.maximum(np.sqrt((lucky**2).mean(axis=1)), 1e-9)
    best = Best(*(np.zeros(world.simulations) for _ in range(5)))
    submit(world, boards(accounts - 1), best, (lucky[:, None] / norm[:, None, None], amount))
    return best


def told_before(
    world: World, board: ArrayBoard, told: int, *, amounts: Sequence[float] = (0.5,), counts: bool = True
) -> Best:
    """What somebody gains who was told so many exact scores before the Ladder was turned on: all their luck together.

    counts: whether the Ladder counts them as told, or as tries of which nothing was shown.
    """
    best = Best(*(np.zeros(world.simulations) for _ in range(5)))
    best.error += 1  # of those whom nothing more is shown
    steps, small = world.directions(told), np.full((world.simulations, told), 0.2)
    contributions, _ = world.contributions(small[..., None] * steps, small)
    board.submit(contributions, was_told=counts)
    lucky = (steps.mean(axis=-1, keepdims=True) * steps).sum(axis=1)
    lucky /= np.sqrt((lucky**2).mean(axis=1))[:, None]
    for amount in amounts:
        submit(world, board, best, (amount * lucky[:, None], np.full((world.simulations, 1), amount)))
    return best


def row(name: str, found: Best) -> Sequence[str]:
    excess = found.excess
    return (
        name,
        f"{np.mean(excess <= 1):.1%}",
        f"{np.median(excess):+.1f}",
        f"{np.quantile(excess, 0.95):+.1f}",
        f"{found.shown.mean():.0f}",
        f"{found.truth.mean():.0f}",
        f"{found.releases.mean():.0f}",
    )


@dataclass(frozen=True)
class Plan:
    """How much is simulated."""

    simulations: int
    tries: int
    at_a_time: int
    step: float
    by_product: bool

    def simulate(self, simulation: Callable[[ArrayBoard | ProductBoard], Best]) -> Best:
        """Return the outcome on a new board with the new rule, which is also that of the product.

        Raises
        ------
        SystemExit
            If the product shows something else.
        """
        found = simulation(ArrayBoard(self.simulations, self.step))
        if self.by_product:
            with tempfile.TemporaryDirectory() as folder:
                board = ProductBoard(Path(folder), self.simulations, self.step)
                by_product = simulation(board)
                board.close()
            for name, numbers in vars(found).items():
                if not np.array_equal(numbers, getattr(by_product, name)):
                    raise SystemExit(f"The product differs in {name}: {getattr(by_product, name)}, not {numbers}.")
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure whether the Ladder shows more than is true.")
    parser.add_argument("--simulations", type=int, help=f"default: {SIMULATIONS}")
    parser.add_argument("--tries", type=int, help=f"default: {TRIES}")
    parser.add_argument("--at-a-time", type=int, default=20, help="submissions of an attacker between two looks")
    parser.add_argument("--networks", type=int, action="append", help=f"of a zoo; default: {SIZES}")
    parser.add_argument("--attacker", action="append", choices=list(ATTACKERS), help="default: all")
    parser.add_argument("--step", type=float, default=1.0)
    parser.add_argument("--product", action="store_true", help=f"compare with the product; defaults: {OF_PRODUCT}")
    parser.set_defaults(**dict.fromkeys(OF_PRODUCT))
    given = parser.parse_args()
    all_of_it = {"simulations": SIMULATIONS, "tries": TRIES, "networks": SIZES}
    for name, default in (OF_PRODUCT if given.product else all_of_it).items():
        if getattr(given, name) is None:
            setattr(given, name, default)
    plan = Plan(given.simulations, given.tries, given.at_a_time, given.step, given.product)
    console = Console(width=110)
    for networks in given.networks:
        began = time.process_time()
        _print_attackers(console, plan, networks, given.attacker or list(ATTACKERS))
        _print_accounts(console, plan, networks)
        _print_told(console, plan, networks)
        _print_honest(console, plan, networks)
        console.print(f"{time.process_time() - began:.0f} s of one processor\n")


def _print_attackers(console: Console, plan: Plan, networks: int, attackers: Sequence[str]) -> None:
    table = Table(*HEADINGS, title=f"{networks} networks, {plan.simulations} simulations of {plan.tries} submissions")
    for name in attackers:

        def attacked(board: Board, name: str = name) -> Best:
            world = World(networks, plan.simulations, SEED)
            return attack(ATTACKERS[name](world, plan.tries), world, board, plan.tries, plan.at_a_time)

        table.add_row(*row(f"{name}, old rule", attacked(OldBoard())))
        table.add_row(*row(f"{name}, new rule", plan.simulate(attacked)))
    console.print(table)


def _print_accounts(console: Console, plan: Plan, networks: int) -> None:
    table = Table("accounts", *HEADINGS[1:], title="What several accounts gain")
    for accounts in ACCOUNTS:

        def gained(board: ArrayBoard | ProductBoard, accounts: int = accounts) -> Best:
            return together(World(networks, plan.simulations, SEED + 1), board.of_account, accounts)

        table.add_row(*row(str(accounts), plan.simulate(gained)))
    console.print(table)


def _print_told(console: Console, plan: Plan, networks: int) -> None:
    table = Table("scores", *HEADINGS[1:], title="What exact scores gain that were told before the Ladder")
    for told in TOLD:
        for counts, how in ((False, "as tries"), (True, "as told")):
            world = World(networks, plan.simulations, SEED + 3)
            found = told_before(world, ArrayBoard(plan.simulations, plan.step), told, counts=counts)
            table.add_row(*row(f"{told}, counted {how}", found))
    console.print(table)


def _print_honest(console: Console, plan: Plan, networks: int) -> None:
    table = Table("submissions", "shown below the truth, in SE (median)", "shown", "truth", title="An honest entrant")
    for submissions in HONEST:
        losses: list[FloatArray] = []

        def climbed(board: Board, submissions: int = submissions, losses: list[FloatArray] = losses) -> Best:
            found, loss = honest(World(networks, plan.simulations, SEED + 2), board, submissions)
            losses.append(loss)
            return found

        found = plan.simulate(climbed)
        loss = f"{np.median(losses[0]):.1f}"
        table.add_row(str(submissions), loss, f"{found.shown.mean():.0f}", f"{TRUTH:.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
