"""The evaluation of a measure on a zoo of this machine, in the server's sandbox and with the server's scoring.

`gengap evaluate` and the notebooks' `gengap.evaluate` both call it, so they give the same numbers bit for bit.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import scoring
from model_zoo import Zoo
from server.commands.errors import InputError
from submissions.intake.bundle import Bundle
from submissions.storage.states import Reason, State
from submissions.zoos import tracks
from worker.failures import describe
from worker.sandbox.pool import SandboxPool
from worker.sandbox.protocol import Code, Failure, Limits, LineTime, Profile, SandboxError
from worker.zoo_evaluation import evaluate_zoo

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Repeats:
    """What evaluating a measure again showed.

    Attributes
    ----------
    times : int
        How often each network was evaluated: twice with the same random numbers, from the third time on with others.
    is_deterministic : bool
        Whether the same random numbers gave the same value, to the last bit, on every network.
    differing : tuple of str
        The networks on which they did not.
    noise : float or None
        Standard deviation of a network's values over other random numbers (the root of the networks' mean variance),
        divided by the standard deviation of the values over the networks. None for fewer than three times, or if the
        values are all equal.
    scores : tuple of float
        The score of each time, where the networks could be scored.
    """

    times: int
    is_deterministic: bool
    differing: tuple[str, ...]
    noise: float | None
    scores: tuple[float, ...]


@dataclass
class LocalEvaluation:
    """What an evaluation gave, as far as it came.

    Attributes
    ----------
    networks : tuple of str
        The ids of the networks to evaluate.
    truth : Truth or None
        Of these networks; None if they are evaluated without a score.
    values : dict of str to float
        Network id to value.
    output : dict of str to str
        Network id to the end of what the measure printed there, where it printed anything.
    profiles : dict of str to Profile
        Network id to where the time went, if asked for.
    repeats : Repeats or None
        If asked for.
    report : ZooReport or None
        The scores, once every network has its value.
    reason, detail : Reason, str or None
        Why the measure failed, if it did.
    is_interrupted : bool
        Whether it was stopped before its end.
    seconds : float
        From the start of the sandbox to the end.
    """

    zoo: Zoo
    networks: tuple[str, ...]
    truth: scoring.Truth | None
    values: dict[str, float] = field(default_factory=dict)
    output: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    repeats: Repeats | None = None
    report: scoring.ZooReport | None = None
    reason: Reason | None = None
    detail: str | None = None
    is_interrupted: bool = False
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """How it ended: scored, failed, interrupted, or evaluated (values without a score)."""
        if self.reason is not None:
            return State.FAILED
        if self.is_interrupted:
            return "interrupted"
        return "evaluated" if self.report is None else State.SCORED

    def fail(self, reason: Reason, detail: str) -> None:
        """Note why the measure failed."""
        self.reason, self.detail = reason, detail


def chosen_networks(
    zoo: Zoo, target: str, networks: int | None, only: Sequence[str]
) -> tuple[tuple[str, ...], scoring.Truth | None]:
    """Return which networks to evaluate, and their truth; None if they are not a zoo that can be scored.

    All faults of the zoo are found here, before anything is evaluated.

    Raises
    ------
    InputError
        If a network is not in the zoo.
    ScoringError
        If the zoo cannot be scored.
    ZooError
        If it has no truth.
    """
    if only:
        known = {network.id for network in zoo.networks}
        if unknown := sorted(set(only) - known):
            raise InputError(
                f"The zoo {zoo.name} has no network {unknown[0]!r}; its first are {', '.join(sorted(known)[:3])}."
            )
        return tuple(dict.fromkeys(only)), None
    truth = scoring.Truth.from_gengap(zoo.truth().model_dump(), target)
    truth.grid.require_scorable()
    if networks is not None:
        truth = scoring.sub_grid(truth, networks)
    known_truth = set(truth.ids)
    return tuple(network.id for network in zoo.networks if network.id in known_truth), truth


def evaluate_here(
    evaluation: LocalEvaluation,
    bundle: Bundle,
    limits: Limits,
    pool: SandboxPool,
    *,
    times: int = 1,
    is_profiled: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> None:
    """Evaluate a measure and fill in what it gave. An interrupt (Ctrl-C) ends it with what there is.

    The pool is closed afterwards.

    Raises
    ------
    InputError
        If the zoo lacks what the measure needs, or the sandbox does not work here.
    ScoringError
        If the values cannot be scored.
    """
    zoo = evaluation.zoo
    if (refusal := tracks.refusal(bundle.needs, [(zoo.name, zoo.offers)])) is not None:
        raise InputError(refusal)
    begin = time.monotonic()
    code = Code(bundle.files, bundle.sha256, bundle.track)
    runs: list[dict[str, float]] = [evaluation.values, *({} for _ in range(times - 1))]
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        progress(done, times * len(evaluation.networks))

    try:
        with closing(pool):
            for number, values in enumerate(runs):
                draw = max(0, number - 1)  # the second time has the same random numbers as the first
                _collect(pool, evaluation, code, limits, values, tell, draw, is_profiled and number == 0)
                if evaluation.reason is not None:
                    break
    except SandboxError as error:
        raise InputError(f"The sandbox does not work here ({error}). Run: gengap doctor") from error
    except KeyboardInterrupt:
        evaluation.is_interrupted = True
    evaluation.seconds = round(time.monotonic() - begin, 3)
    whole = [values for values in runs if len(values) == len(evaluation.networks)]
    if evaluation.truth is not None and whole and evaluation.reason is None:
        evaluation.report = scoring.report(evaluation.truth, evaluation.values)
    if len(whole) > 1:
        evaluation.repeats = _repeats(whole, evaluation.truth)


def _collect(
    pool: SandboxPool,
    evaluation: LocalEvaluation,
    code: Code,
    limits: Limits,
    values: dict[str, float],
    tell: Callable[[], None],
    draw: int,
    is_profiled: bool,
) -> None:
    outcomes = evaluate_zoo(
        pool,
        evaluation.zoo,
        code,
        limits,
        network_ids=evaluation.networks,
        draw=draw,
        is_profiled=is_profiled,
    )
    with closing(outcomes):
        for network_id, outcome in outcomes:
            if outcome.log and values is evaluation.values:
                evaluation.output[network_id] = outcome.log
            if isinstance(outcome, Failure):
                evaluation.fail(outcome.reason, describe(outcome))
                return
            if outcome.profile is not None:
                evaluation.profiles[network_id] = outcome.profile
            values[network_id] = outcome.value
            tell()


def _repeats(runs: Sequence[Mapping[str, float]], truth: scoring.Truth | None) -> Repeats:
    first, again = runs[0], runs[1]
    differing = tuple(sorted(network for network in first if first[network] != again[network]))
    others = [first, *runs[2:]]
    noise = None
    if len(others) > 1:
        spread = statistics.pstdev(first.values())
        variance = statistics.fmean(statistics.variance([run[network] for run in others]) for network in first)
        noise = variance**0.5 / spread if spread > 0 else None
    scores = () if truth is None else tuple(scoring.report(truth, run).score for run in runs)
    return Repeats(len(runs), not differing, differing, noise, scores)


def slowest_lines(profiles: Mapping[str, Profile], most: int = 10) -> list[LineTime]:
    """Return the measure's slowest lines, with their mean seconds per network, the slowest first."""
    seconds: dict[tuple[str, int], float] = {}
    for profile in profiles.values():
        for line in profile.lines:
            key = line.file, line.line
            seconds[key] = seconds.get(key, 0.0) + line.seconds / len(profiles)
    ranked = sorted(seconds.items(), key=lambda item: -item[1])[:most]
    return [LineTime(file, line, mean) for (file, line), mean in ranked]
