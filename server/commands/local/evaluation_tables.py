"""What `gengap evaluate` prints for people."""

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from server.commands.local.local_evaluation import LocalEvaluation, Repeats, slowest_lines
from server.commands.local.score_tables import Compared, print_report
from submissions.intake.bundle import Bundle
from submissions.storage.states import SENTENCES

_errors = Console(stderr=True)


def print_evaluation(
    evaluation: LocalEvaluation, bundle: Bundle | None, compared: Compared | None, *, shows_output: bool
) -> None:
    """Print what an evaluation gave: on stdout, but on stderr why the measure failed.

    bundle: the measure, for the text of its lines; None if it could not be read.
    """
    console = Console(highlight=False)
    if shows_output:
        _print_output(evaluation, console)
    if evaluation.reason is not None:
        _errors.print(f"[bold red]failed[/] {evaluation.reason}: {SENTENCES[evaluation.reason]}")
        _errors.print(evaluation.detail or "", markup=False, highlight=False)
    elif evaluation.is_interrupted:
        done, wanted = len(evaluation.values), len(evaluation.networks)
        _errors.print(f"[bold]Interrupted[/] after {done} of {wanted} networks.")
    if evaluation.reason is None:
        console.print(f"{evaluation.zoo.name}: {len(evaluation.values)} networks in {evaluation.seconds:.1f} s")
    if evaluation.report is None and evaluation.values:
        for network in evaluation.networks:
            if network in evaluation.values:
                console.print(f"{network}  {evaluation.values[network]!r}", markup=False)
    if evaluation.profiles:
        _print_profile(evaluation, bundle, console)
    if evaluation.repeats is not None:
        _print_repeats(evaluation.repeats, console)
    if evaluation.report is not None and evaluation.truth is not None:
        print_report(evaluation.report, evaluation.truth, compared=compared, other="the other measure")


def _print_output(evaluation: LocalEvaluation, console: Console) -> None:
    if not evaluation.output:
        console.print("The measure printed nothing.")
    for network in evaluation.networks:
        if network in evaluation.output:
            console.print(Text(network, style="bold"))
            console.print(evaluation.output[network], markup=False)


def _print_profile(evaluation: LocalEvaluation, bundle: Bundle | None, console: Console) -> None:
    profiles = list(evaluation.profiles.values())
    count = len(profiles)
    parts = Table("part", Column("ms per network", justify="right"), title="Where the time goes", box=box.SIMPLE_HEAD)
    passes = sum(profile.forward_passes for profile in profiles) / count
    for name, seconds in (
        ("load the network and its data", sum(profile.load_s for profile in profiles)),
        ("import the measure", sum(profile.import_s for profile in profiles)),
        ("the measure", sum(profile.measure_s for profile in profiles)),
        (f"  of it {passes:.4g} forward passes", sum(profile.forward_s for profile in profiles)),
    ):
        parts.add_row(name, f"{1000 * seconds / count:.1f}")
    console.print(parts)
    lines = Table(Column("line", justify="right"), Column("ms", justify="right"), "code", box=box.SIMPLE_HEAD)
    for line in slowest_lines(evaluation.profiles):
        lines.add_row(
            f"{line.file}:{line.line}", f"{1000 * line.seconds:.1f}", Text(_code(bundle, line.file, line.line))
        )
    console.print(lines)
    console.print("Timing the lines takes time itself; the shares matter more than the sums.")


def _code(bundle: Bundle | None, file: str, line: int) -> str:
    source = b"" if bundle is None else bundle.files.get(file, b"")
    lines = source.decode(errors="replace").splitlines()
    return lines[line - 1].strip() if 0 < line <= len(lines) else ""


def _print_repeats(repeats: Repeats, console: Console) -> None:
    if repeats.is_deterministic:
        console.print("Deterministic: the same random numbers gave the same values, to the last bit.")
    else:
        some = ", ".join(repeats.differing[:3]) + (" …" if len(repeats.differing) > 3 else "")
        console.print(
            f"[bold]Not deterministic[/]: with the same random numbers {len(repeats.differing)} networks got other "
            f"values ({some}).",
        )
    if repeats.times > 2:
        if repeats.noise is None:
            console.print("Noise: not defined, because all values are equal.")
        elif repeats.noise == 0:
            console.print("No noise: the values do not depend on the random numbers.")
        else:
            console.print(
                f"Noise: other random numbers move a network's value by {100 * repeats.noise:.3g} % of the spread "
                "between networks."
            )
    if repeats.scores:
        console.print("Scores of the times: " + ", ".join(f"{score:.2f}" for score in repeats.scores))
