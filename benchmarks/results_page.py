"""The text of docs/results.md: every number in it and every list of measures is computed. `benchmarks.results` asks.

Sentences that name measures are made from rules that stand beside them, so that the page stays true when it is made
anew. Of PGDL the published numbers are written down here with their source.
"""

import math
import textwrap
from collections.abc import Callable, Sequence
from statistics import median

import torch

from benchmarks.results_pictures import by_measure
from model_zoo.manifest import ZooManifest
from server.commands.local.baselines_scores import Row, ZooScores
from server.commands.local.baselines_values import State

TASKS = ("1", "2", "4", "5", "6", "7", "8", "9")
# 100 x CMI as published by the teams and in later papers, in the order of TASKS; None where not published.
PUBLISHED: dict[str, tuple[float | None, ...]] = {
    "Davies-Bouldin times mixup": (25.22, 22.19, 31.79, 15.92, 43.99, 12.59, 9.24, 25.86),
    "Mixup margin": (1.11, 47.33, 43.22, 34.57, 11.46, 21.98, 1.48, 20.78),
    "Augment margin": (15.66, 48.34, 47.22, 22.82, 8.67, 11.97, 1.28, 15.25),
    "Label variation of mixtures": (6.07, 6.44, None, None, 13.90, 7.56, 16.23, 2.28),
    "kV-margin": (5.83, 29.11, 36.45, 17.51, 6.27, 2.11, 1.89, 13.89),
    "kV-GN-margin": (18.17, 45.24, 30.78, 15.66, 4.48, 3.91, 0.58, 21.85),
}
SURE = 2.0  # standard errors beyond which a sign is not chance's
LISTED = 8
GUESSES = {"Constant", "Random number"}
NONE = "–"
WINNER = "Davies-Bouldin times mixup"


def page(results: Sequence[ZooScores], zoos: Sequence[tuple[ZooManifest, int]]) -> str:
    """The whole page. zoos: the manifests and how many networks each has, in the order of `results`."""
    rows = {name: found for name, found in by_measure(results).items() if name not in GUESSES}
    complete = {name: _known(found) for name, found in rows.items() if all(row is not None for row in found)}
    parts = [
        _head(results, zoos),
        _short(results),
        _robust(results, complete),
        _flips(results, rows),
        _groups(complete),
        _extended(results, rows),
        _cost(complete),
        _published(results, rows),
        *(_table(zoo) for zoo in results),
        _again(results),
    ]
    return "\n\n".join(_filled(paragraph) for part in parts for paragraph in part.strip().split("\n\n") if part) + "\n"


def _filled(paragraph: str) -> str:
    """A paragraph of prose broken into lines anew; tables, lists, headings and pictures as they are."""
    is_prose = not paragraph.startswith(("|", "#", "!", "- "))
    return textwrap.fill(paragraph, 118, break_long_words=False, break_on_hyphens=False) if is_prose else paragraph


def _head(results: Sequence[ZooScores], zoos: Sequence[tuple[ZooManifest, int]]) -> str:
    measures = len({row.measure for zoo in results for row in zoo.rows})
    described = "\n".join(
        f"| `{card.name}` | {networks} | {card.text} | {zoo.floor.random_percentile_95:.2f} "
        f"| {zoo.floor.hyperparameter_oracle:.2f} |"
        for (card, networks), zoo in zip(zoos, results, strict=True)
    )
    return f"""
# What the literature's measures get

Theory and experiment have left us with dozens of numbers that should tell how well a network generalizes. Here are
{measures} of them, [as they ship with Gengap](measures.md), on four zoos that anybody can train in minutes.
The score is [100 × CMI](metrics.md): what a measure knows of the gap that no two hyperparameters tell. τ-a is Kendall's
rank correlation with the gap itself, Ψ the same where one hyperparameter alone varies, and the sign-error says how
often a measure orders two networks the wrong way, over environments.

| zoo | networks | what it is | 95 % of random predictors below | hyperparameter oracle |
|---|---|---|---|---|
{described}

Small zoos, small networks, one data set: what holds here is a hint, what fails here has a counterexample.
"""


def _short(results: Sequence[ZooScores]) -> str:
    """The first things that somebody asks."""
    firsts, ranks, above = [], [], []
    for zoo in results:
        scored = [row for row in zoo.rows if row.score is not None and row.measure not in GUESSES]
        if not scored:
            continue
        firsts.append(f"{scored[0].measure} on {zoo.zoo} ({_with_error(scored[0].score, scored[0].standard_error, 2)})")
        place = next((i for i, row in enumerate(scored, start=1) if row.measure == WINNER), None)
        ranks += [] if place is None else [f"{place} of {len(scored)} on {zoo.zoo}"]
        count = sum(_score(row) > zoo.floor.hyperparameter_oracle for row in scored)
        above.append(f"{count} on {zoo.zoo}")
    return f"""
## In short

- The first places: {"; ".join(firsts)}.
- The competition's winner of 2020, {WINNER}, comes in at place {", ".join(ranks)}.
- Above the oracle, which adds up the best guess from every hyperparameter: {", ".join(above)}.
"""


def _robust(results: Sequence[ZooScores], rows: dict[str, list[Row]]) -> str:
    floors = [zoo.floor.random_percentile_95 for zoo in results]
    above = [name for name, found in rows.items() if all(_score(r) > f for r, f in zip(found, floors, strict=True))]
    steady = [name for name in above if all((row.kendall_tau or 0.0) > 0 for row in rows[name])]
    steady.sort(key=lambda name: -_mean(rows[name], _score))
    constant = [name for name in above if name not in steady]
    by_tau = sorted(rows, key=lambda name: -min(row.kendall_tau or -1.0 for row in rows[name]))
    lines = [
        "## What is robust",
        "",
        f"Of {len(rows)} measures with a value for every network of all four zoos, {len(above)} score above what 95 % "
        f"of random predictors get on every one of them, and {len(steady)} of these point the right way each time:",
        "",
        "| measure | " + " | ".join(f"{zoo.zoo}" for zoo in results) + " | mean |",
        "|---|" + "---|" * (len(results) + 1),
    ]
    for name in steady[:LISTED]:
        lines.append(f"| {name} | {_scores(rows[name])} | **{_mean(rows[name], _score):.2f}** |")
    if not steady:
        lines.append("| none |" + " |" * (len(results) + 1))
    lines += [
        "",
        "![Kendall's tau of every measure on the four zoos](images/results-tau.svg)",
        "",
        "CMI does not ask for the sign, so look at the picture too: a mark right of the line is a zoo on which",
        "a higher value went with a larger gap.",
    ]
    if by_tau:
        least = min(row.kendall_tau or 0.0 for row in rows[by_tau[0]])
        lines += [
            f"The steadiest in τ is **{by_tau[0]}**, at least {least:+.2f} on every zoo, followed by",
            f"{_named(by_tau[1:5])}.",
        ]
    if constant:
        lines += [
            "",
            f"Informative everywhere, but with the sign turned on one zoo at least: {_named(constant)}.",
        ]
    return "\n".join(lines)


def _flips(results: Sequence[ZooScores], rows: dict[str, list[Row | None]]) -> str:
    turning, wrong = [], []
    for name, found in rows.items():
        signs = [_sign(row) for row in found if row is not None]
        if 1 in signs and -1 in signs:
            turning.append(name)
        elif len(signs) > 1 and all(sign == -1 for sign in signs):
            wrong.append(name)
    silent = [
        name
        for name, found in rows.items()
        if all(
            row is not None and _score(row) <= zoo.floor.random_percentile_95
            for row, zoo in zip(found, results, strict=True)
        )
    ]
    return f"""
## What is not

**Signs that turn.** {len(turning)} measures are right on one zoo and wrong on another, both by more than
{SURE:.0f} standard errors of τ: {_named(turning) or "none"}.
On one zoo alone, each of them would have looked like a finding.

**Wrong throughout.** {_wrong(wrong)}

**Nothing to say.** {len(silent)} measures stay below the 95 % of random predictors on all four zoos:
{_named(silent) or "none"}. {_constant(rows)}

![The ten best measures on each zoo with standard errors](images/results-best.svg)

The standard errors are wide: between neighbours of such a list there is rarely a difference that is not chance's.
"""


def _wrong(names: Sequence[str]) -> str:
    if not names:
        return f"No measure is wrong by more than {SURE:.0f} standard errors of τ on every zoo where it has a value."
    return (
        f"On every zoo where they have a value, τ is negative by as much: {_named(names)}. They are oriented as their "
        "papers claim. CMI does not mind the sign; whoever uses a measure does."
    )


def _constant(rows: dict[str, list[Row | None]]) -> str:
    same = [
        name
        for name, found in rows.items()
        if all(row is not None and row.score == row.kendall_tau == row.kendall_standard_error == 0 for row in found)
    ]
    return f"Of these, one value for all networks of each zoo: {_named(same)}." if same else ""


def _groups(rows: dict[str, list[Row]]) -> str:
    groups: dict[str, list[str]] = {}
    for name, found in rows.items():
        groups.setdefault(found[0].group, []).append(name)
    lines = [
        "## By what they look at",
        "",
        "| group | measures | median score | best of the group | its mean score |",
        "|---|---|---|---|---|",
    ]
    ranked = []
    for group, names in groups.items():
        means = sorted((_mean(rows[name], _score), name) for name in names)
        middle = median(mean for mean, _ in means)
        ranked.append((middle, f"| {group} | {len(names)} | {middle:.2f} | {means[-1][1]} | {means[-1][0]:.2f} |"))
    lines += [line for _, line in sorted(ranked, reverse=True)]
    return "\n".join(lines)


def _extended(results: Sequence[ZooScores], rows: dict[str, list[Row | None]]) -> str:
    chosen = {
        name: found for name, found in rows.items() if any(row is not None and row.track == "extended" for row in found)
    }
    if not chosen:
        return ""
    offering = [place for place in range(len(results)) if any(found[place] is not None for found in chosen.values())]
    lines = [
        "## With siblings, test inputs and trajectories",
        "",
        "The [extended track](measure-api.md#the-extended-track) lets a measure see more. What more is worth, on the",
        "zoos that offer it:",
        "",
        "| measure | " + " | ".join(f"{results[place].zoo}: score | τ-a" for place in offering) + " |",
        "|---|" + "---|---|" * len(offering),
    ]
    for name in sorted(chosen, key=lambda each: -max(_score(row) for row in chosen[each] if row is not None)):
        cells = [
            f"{_with_error(row.score, row.standard_error, 2)} | {_signed(row.kendall_tau)}"
            if row
            else f"{NONE} | {NONE}"
            for row in (chosen[name][place] for place in offering)
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    bests = [
        f"{best.score:.2f} on {results[place].zoo} ({best.measure})"
        for place in offering
        if (
            best := next(
                (row for row in results[place].rows if row.score is not None and row.track == "standard"), None
            )
        )
        and best.score is not None
    ]
    lines += ["", f"The best of the standard track there: {', '.join(bests)}."]
    return "\n".join(lines)


def _cost(rows: dict[str, list[Row]]) -> str:
    timed = {name: _mean(found, lambda row: row.cpu_seconds or 0.0) for name, found in rows.items()}
    dearest = sorted(timed, key=lambda name: -timed[name])[:3]
    cheap = [name for name in timed if timed[name] <= 0.2]
    best_cheap = max(cheap, key=lambda name: _mean(rows[name], _score), default=None)
    best = max(rows, key=lambda name: _mean(rows[name], _score), default=None)
    if best is None or best_cheap is None:
        return ""
    best_score, cheap_score = (_mean(rows[name], _score) for name in (best, best_cheap))
    dearer = "" if best == best_cheap else f" The best of all, {best}, gets {best_score:.2f} for {timed[best]:.2f} s."
    return f"""
## What it costs

![Mean score against seconds per network](images/results-cost.svg)

A network costs {min(timed.values()):.2f} to {max(timed.values()):.1f} seconds of one processor; the dearest are
{_named(dearest)}. {len(cheap)} measures take at most 0.2 s, the start of a fresh process included. The best of them by
its mean over the zoos is {best_cheap}, with {cheap_score:.2f} for {timed[best_cheap]:.2f} s.{dearer}
"""


def _published(results: Sequence[ZooScores], rows: dict[str, list[Row | None]]) -> str:
    lines = [
        "## Beside the competition's numbers",
        "",
        "Scores published for the tasks of PGDL (NeurIPS 2020): by the teams, and in papers that followed.",
        "**These are other networks**, VGG, network in network and their like on CIFAR-10, SVHN, CINIC-10, Flowers,",
        "Pets and Fashion-MNIST, and the code that gave them is not ours. Only the order of magnitude compares.",
        "",
        "| measure | "
        + " | ".join(f"task {task}" for task in TASKS)
        + " | "
        + " | ".join(zoo.zoo for zoo in results)
        + " |",
        "|---|" + "---|" * (len(TASKS) + len(results)),
    ]
    for name, scores in PUBLISHED.items():
        theirs = " | ".join(NONE if score is None else f"{score:.2f}" for score in scores)
        own = " | ".join(
            NONE if row is None else f"**{_score(row):.2f}**" for row in rows.get(name, [None] * len(results))
        )
        lines.append(f"| {name} | {theirs} | {own} |")
    lines += [
        "",
        "In the competition's last phase, over all hidden tasks, 22.92 (Davies-Bouldin times mixup, the winner) and",
        "9.99 (label variation of mixtures, third place). Ours are in bold.",
    ]
    return "\n".join(lines)


def _table(zoo: ZooScores) -> str:
    lines = [
        f"## All measures on {zoo.zoo}",
        "",
        f"{zoo.networks} networks. Random predictors: mean {zoo.floor.random_mean:.2f}, 95 % below "
        f"{zoo.floor.random_percentile_95:.2f}; hyperparameter oracle {zoo.floor.hyperparameter_oracle:.2f}.",
        "",
        "| measure | score ± SE | τ-a ± SE | Ψ | sign-error | worst | s/network |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in zoo.rows:
        if row.score is not None:
            cells = (
                _with_error(row.score, row.standard_error, 2),
                _with_error(row.kendall_tau, row.kendall_standard_error, 3),
                _rounded(row.psi, 3),
                _rounded(row.sign_error_mean, 3),
                _rounded(row.sign_error_maximum, 3),
                _rounded(row.cpu_seconds, 2),
            )
            lines.append(f"| {row.measure} | " + " | ".join(cells) + " |")
    refused = [row for row in zoo.rows if row.state is State.REFUSED]
    others = [row for row in zoo.rows if row.state in (State.FAILED, State.UNFINISHED)]
    if refused:
        lines += ["", "Not applicable:", ""]
        lines += [f"- {row.measure}: {row.why}" for row in refused]
    if others:
        lines += ["", "**Missing:**", ""]
        lines += [
            f"- {row.measure}: {row.why} ({row.networks} of {zoo.networks} networks have a value)" for row in others
        ]
    return "\n".join(lines)


def _again(results: Sequence[ZooScores]) -> str:
    hours = sum((row.cpu_seconds or 0.0) * row.networks for zoo in results for row in zoo.rows) / 3600
    values = sum(row.networks for zoo in results for row in zoo.rows)
    version = torch.__version__.split("+")[0]
    return f"""
## Measured how

`python -m benchmarks.results` trains the zoos where they are not there yet, evaluates what has not been evaluated, and
writes this page, its pictures and [all numbers as CSV](results.csv). The {values:,} values here took {hours:.1f} hours
of one processor, with torch {version}, in the same sandbox as everyone's submissions. Seconds are the processor's, from
the fork to the value. Scores have a jackknife standard error over networks, the random floor 1000 draws. Nothing was
tuned to these zoos: each measure has the constants of its paper, or those that its file names as our choice.
"""


def _known(found: Sequence[Row | None]) -> list[Row]:
    return [row for row in found if row is not None]


def _score(row: Row) -> float:
    return row.score or 0.0


def _sign(row: Row) -> int:
    """1 or -1 where tau differs from 0 by more than `SURE` standard errors, else 0."""
    tau, error = row.kendall_tau, row.kendall_standard_error
    if tau is None or error is None or math.isnan(error) or abs(tau) <= SURE * error:
        return 0
    return 1 if tau > 0 else -1


def _mean(rows: Sequence[Row], of: Callable[[Row], float]) -> float:
    return sum(map(of, rows)) / len(rows)


def _scores(rows: Sequence[Row]) -> str:
    return " | ".join(_with_error(row.score, row.standard_error, 2) for row in rows)


def _named(names: Sequence[str]) -> str:
    return ", ".join(names)


def _with_error(number: float | None, error: float | None, digits: int) -> str:
    return _rounded(number, digits) + ("" if error is None else f" ± {error:.{digits}f}")


def _rounded(number: float | None, digits: int) -> str:
    return NONE if number is None else f"{number:.{digits}f}"


def _signed(number: float | None) -> str:
    return NONE if number is None else f"{number:+.2f}"
