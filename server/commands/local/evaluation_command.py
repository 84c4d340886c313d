"""The work of `gengap evaluate`: what its options ask for, printed or as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

import scoring
from model_zoo import ZooError
from scoring.plain import plain
from server.commands.bars import bars
from server.commands.common import find_zoo, heed_interrupts
from server.commands.errors import InputError, ending_with
from server.commands.limit_options import limits_among
from server.commands.local.evaluation_tables import print_evaluation
from server.commands.local.local_evaluation import LocalEvaluation, chosen_networks, evaluate_here
from server.commands.local.score import compare, read_json
from server.commands.local.score_tables import Compared
from server.commands.output_files import write_named
from submissions.intake.bundle import Bundle, BundleError, BundleLimits, read_bundle
from submissions.settings import Settings
from worker.sandbox.pool import SandboxPool
from worker.sandbox.protocol import Limits

MEASURE_FAILED = 1
INTERRUPTED = 130  # as of a program that SIGINT ended
PLOTS = (".svg", ".png")


def run(
    file: Path, zoo_name: str, options: Mapping[str, Any], settings: Settings, pool: SandboxPool, *, as_json: bool
) -> int:
    """Evaluate, print and write what the options ask for; return the exit status. Raises InputError."""
    heed_interrupts()
    if options["networks"] is not None and options["only"]:
        raise InputError("--networks and --only exclude each other; choose one.")
    if options["plot"] is not None and options["plot"].suffix.lower() not in PLOTS:
        raise InputError(f"--plot writes {' or '.join(PLOTS)}; {options['plot']} is neither.")
    with ending_with(InputError, ZooError, scoring.ScoringError):
        zoo = find_zoo(zoo_name, settings)
        networks, truth = chosen_networks(zoo, options["target"], options["networks"], options["only"])
        other = None if options["other_file"] is None else _read_other(options["other_file"], truth)
        evaluation = LocalEvaluation(zoo, networks, truth)
        bundle = _read(file, settings, evaluation)
        if bundle is not None:
            _evaluate(evaluation, bundle, Limits(**limits_among(options)), pool, options)
        compared = None
        if evaluation.report is not None and other is not None and truth is not None:
            compared = compare(evaluation.report, scoring.report(truth, other))
    if options["save"] is not None:
        write_named(options["save"], json.dumps(evaluation.values, indent=2).encode() + b"\n")
    if options["plot"] is not None and evaluation.values and truth is not None:
        _plot(options["plot"], evaluation)
    if as_json:
        click.echo(json.dumps(_as_json(evaluation, compared, options), allow_nan=False))
    else:
        print_evaluation(evaluation, bundle, compared, shows_output=options["show_output"])
    if evaluation.reason is not None:
        return MEASURE_FAILED
    return INTERRUPTED if evaluation.is_interrupted else 0


def _read(file: Path, settings: Settings, evaluation: LocalEvaluation) -> Bundle | None:
    try:
        return read_bundle(file.name, file.read_bytes(), BundleLimits.of(settings))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except BundleError as error:
        if error.reason is None:
            raise InputError(str(error)) from error
        evaluation.fail(error.reason, str(error))
        return None


def _evaluate(
    evaluation: LocalEvaluation, bundle: Bundle, limits: Limits, pool: SandboxPool, options: Mapping[str, Any]
) -> None:
    """Evaluate the measure, with a progress bar on stderr."""
    with bars(BarColumn(), MofNCompleteColumn(), TextColumn("networks"), TimeElapsedColumn()) as tell:
        times = options["repeat"] or 1
        tell(evaluation.zoo.name, 0, times * len(evaluation.networks))
        evaluate_here(
            evaluation,
            bundle,
            limits,
            pool,
            times=times,
            is_profiled=options["profile"],
            progress=lambda done, total: tell(evaluation.zoo.name, done, total),
        )


def _read_other(path: Path, truth: scoring.Truth | None) -> dict[str, float]:
    """Return the other measure's values on the networks of `truth`. Raises InputError before anything is evaluated."""
    if truth is None:
        raise InputError("--compare needs scores, which --only does not give.")
    content = read_json(path, "compare")
    if isinstance(content, dict) and isinstance(content.get("values"), dict):
        content = content["values"]
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a JSON object: network id → number, or the output of --json")
    wanted = set(truth.ids)
    values = {network: value for network, value in content.items() if network in wanted}
    try:
        truth.align(values)
    except scoring.ScoringError as error:
        raise InputError(f"the compare file {str(path)!r}: {error}") from error
    return values


def _as_json(evaluation: LocalEvaluation, compared: Compared | None, options: Mapping[str, Any]) -> dict[str, object]:
    """Return the output of --json. Scores are null unless `state` is scored; `values` maps network id to value.

    score, standard_error: from 0 to 100; cmi: from 0 to 1. standard_error is null also if the jackknife is undefined.
    """
    report = evaluation.report
    answer: dict[str, object] = {
        "zoo": evaluation.zoo.name,
        "state": evaluation.state,
        "reason": evaluation.reason,
        "detail": evaluation.detail,
        "score": report.score if report else None,
        "standard_error": report.standard_error if report else None,
        "cmi": report.cmi.minimum if report else None,
        "kendall_tau": report.kendall.tau_a if report else None,
        "networks": len(evaluation.networks),
        "values": evaluation.values,
        "seconds": evaluation.seconds,
    }
    if options["show_output"]:
        answer["output"] = evaluation.output
    if options["profile"]:
        answer["profile"] = {network: asdict(profile) for network, profile in evaluation.profiles.items()}
    if evaluation.repeats is not None:
        answer["repeats"] = asdict(evaluation.repeats)
    if compared is not None:
        answer["comparison"] = plain(compared)
    return answer


def _plot(path: Path, evaluation: LocalEvaluation) -> None:
    from server.charts.drawing import drawn  # noqa: PLC0415  (its library costs 0.1 s, which only a picture is worth)
    from server.commands.local.evaluation_chart import chart_of  # noqa: PLC0415

    write_named(path, drawn(chart_of(evaluation), path.suffix.lower()))
