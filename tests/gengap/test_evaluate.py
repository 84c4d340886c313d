"""`gengap.evaluate`: a function of a notebook gets the numbers of the same code in a file, and shows itself."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import gengap
from gengap.function_source import FunctionSourceError, file_of

SCALE = 2.0
WEIGHTS = {"first": (1, 2), "second": [3]}


def squared(network: nn.Module) -> float:
    return SCALE * sum(float(p.detach().square().sum()) for p in network.parameters())


class Offset:
    by = WEIGHTS["first"][1]


def complexity(model, dataset):  # type: ignore[no-untyped-def]
    confidence = functional.softmax(model(dataset.inputs), dim=1).max()
    return squared(model) + Offset.by + float(torch.rand(())) + math.log(2) + np.float64(confidence.item())


def test_a_function_gives_the_numbers_of_its_file(tmp_path: Path, tiny_zoo: Path) -> None:
    by_function = gengap.evaluate(complexity, tiny_zoo)
    file = tmp_path / "measure.py"
    file.write_bytes(by_function.source)
    by_file = gengap.evaluate(file, str(tiny_zoo))
    assert by_function.reason is None, by_function.detail
    assert by_function.values == by_file.values
    assert len(by_function.values) == 8
    assert by_function.report is not None
    assert by_file.report is not None
    assert by_function.report.score == by_file.report.score


def test_a_result_shows_itself(tiny_zoo: Path) -> None:
    evaluation = gengap.evaluate(complexity, tiny_zoo, networks=4)
    shown = evaluation._repr_html_()
    assert f"{evaluation.report.score:.2f}" in shown if evaluation.report else False
    assert "<svg" in shown
    (network,) = list(evaluation.values)[:1]
    alone = gengap.evaluate(complexity, tiny_zoo, only=[network])
    assert alone.values == {network: evaluation.values[network]}
    assert repr(alone.values[network]) in alone._repr_html_()


def test_the_example_of_the_documentation_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "participant.md").read_text()
    (example,) = re.findall(r"```python\n(from gengap import evaluate\n.+?)```", page, re.DOTALL)
    names = {"complexity": complexity}
    exec(compile(f"{example.replace('evaluate(complexity', 'shown = evaluate(complexity')}", "docs", "exec"), names)
    assert len(names["shown"].values) == 8  # type: ignore[attr-defined]


def failing(model, dataset):  # type: ignore[no-untyped-def]
    raise ValueError("<b>")


def test_a_failure_says_where(tiny_zoo: Path) -> None:
    evaluation = gengap.evaluate(failing, tiny_zoo, networks=4)
    assert evaluation.reason == "raised"
    assert "ValueError at complexity.py line 2" in (evaluation.detail or "")
    assert "<b>" not in evaluation._repr_html_()


TENSOR = torch.ones(1)


def with_tensor(model, dataset):  # type: ignore[no-untyped-def]
    return float(TENSOR)


def test_what_a_file_cannot_hold_is_named() -> None:
    with pytest.raises(FunctionSourceError, match="uses TENSOR, a Tensor of the notebook"):
        file_of(with_tensor)
    with pytest.raises(FunctionSourceError, match="must be a function written with def"):
        file_of(lambda model, dataset: 1.0)  # noqa: ARG005
    inner = 3

    def within(model, dataset):  # type: ignore[no-untyped-def]
        return inner

    with pytest.raises(FunctionSourceError, match="variables of the function around it"):
        file_of(within)


def test_another_name_becomes_complexity() -> None:
    assert file_of(failing).endswith("complexity = failing\n")
