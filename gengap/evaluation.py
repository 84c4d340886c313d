"""`evaluate`, and what it returns: values, scores and a picture that a notebook shows by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from gengap.function_source import file_of
from model_zoo import Zoo
from server.charts.drawing import drawn
from server.commands.common import find_zoo, settings_or_exit
from server.commands.local.evaluation_chart import chart_of
from server.commands.local.local_evaluation import LocalEvaluation, chosen_networks, evaluate_here
from submissions.intake.bundle import ENTRY_FILE, BundleLimits, read_bundle
from worker.sandbox.pool import make_pool
from worker.sandbox.protocol import Limits


@dataclass
class Evaluation(LocalEvaluation):
    """What a measure gave on a zoo. In a notebook it shows its score, a table and a picture.

    Its further attributes are those of `LocalEvaluation`: `values`, `report`, `output`, `profiles`, `repeats`, `reason`
    and `detail` of a failure.

    Attributes
    ----------
    source : bytes
        The file that was evaluated, to be submitted as it is.
    """

    source: bytes = b""

    def picture(self) -> str:
        """Return values against the target as SVG; empty if there is nothing to draw."""
        if self.truth is None or not self.values:
            return ""
        return drawn(chart_of(self), ".svg").decode()

    def _repr_html_(self) -> str:
        if self.reason is not None:
            return f"<p><strong>failed: {escape(self.reason)}</strong> <code>{escape(self.detail or '')}</code></p>"
        done = f"{len(self.values)} networks of {escape(self.zoo.name)}"
        if self.report is None:
            rows = "".join(f"<tr><td>{escape(name)}</td><td>{value!r}</td></tr>" for name, value in self.values.items())
            return f"<p>{done}, without a score</p><table>{rows}</table>"
        report, error = self.report, self.report.standard_error
        numbers = {
            "score (100 × CMI)": f"{report.score:.2f}" + ("" if error is None else f" ± {error:.2f}"),
            "Kendall's τ": f"{report.kendall.tau_a:+.3f}",
            "granulated Ψ": "–" if report.granulated.psi is None else f"{report.granulated.psi:+.3f}",
        }
        rows = "".join(f"<tr><td>{name}</td><td>{number}</td></tr>" for name, number in numbers.items())
        return f"<p>{done}</p><table>{rows}</table>{self.picture()}"


def evaluate(
    complexity: Callable[..., object] | str | Path,
    zoo: str | Path | Zoo,
    *,
    target: str = "gap",
    networks: int | None = None,
    only: Sequence[str] = (),
    repeat: int = 1,
    profile: bool = False,
    jobs: int | None = None,
    limits: Limits | None = None,
) -> Evaluation:
    """Evaluate a measure on a zoo as the server does: in its sandbox, with its random numbers and its scoring.

    Parameters
    ----------
    complexity : callable, str or Path
        A function of the notebook, or the path of a .py or .zip file. A function is written into a file of its own,
        with the imports, functions and constants that it uses.
    zoo : str, Path or Zoo
        A zoo folder, a zoo's name such as ``"digits-mlp"``, or an opened zoo.
    target : str, optional
        What the values should order.
    networks : int, optional
        Evaluate at most so many networks: a complete part of the grid, the same each time.
    only : sequence of str, optional
        Evaluate these networks alone, without a score.
    repeat : int, optional
        How often to evaluate; see `Repeats`.
    profile : bool, optional
        Whether to measure where the time goes.
    jobs : int, optional
        Networks evaluated at the same time; by default one for each processor.
    limits : Limits, optional
        By default those of a new phase.

    Returns
    -------
    Evaluation

    Raises
    ------
    FunctionSourceError
        If the function cannot be written as a file of its own.
    InputError, BundleError, ScoringError, ZooError
        If the zoo or the file cannot be used; the text says why.
    """
    if callable(complexity):
        name, content = ENTRY_FILE, file_of(complexity).encode()
    else:
        name, content = Path(complexity).name, Path(complexity).read_bytes()
    settings = settings_or_exit()
    opened = zoo if isinstance(zoo, Zoo) else find_zoo(str(zoo), settings)
    evaluation = Evaluation(opened, *chosen_networks(opened, target, networks, only), source=content)
    bundle = read_bundle(name, content, BundleLimits.of(settings))
    evaluate_here(
        evaluation,
        bundle,
        limits or Limits(),
        make_pool(settings, jobs or settings.worker_slots),
        times=repeat,
        is_profiled=profile,
    )
    return evaluation
