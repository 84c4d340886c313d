"""Imports that a sandbox cannot satisfy are named at upload; those that may work are left alone."""

import sys
from dataclasses import replace

import pytest

from submissions.intake.bundle import BundleError, read_bundle
from submissions.intake.imports import MODULES
from submissions.storage.states import Reason
from tests.submissions.intake.bundles import LIMITS, MEASURE, refusal, zipped


@pytest.mark.parametrize(
    ("line", "module", "instead"),
    [
        (b"import tensorflow as tf", "tensorflow", "write it with torch"),
        (b"from pandas.io import sql", "pandas", "NumPy arrays"),
        (b"import numpy, tqdm", "tqdm", "remove it"),
        (b"import nonsuch.part", "nonsuch", ""),
    ],
)
def test_a_module_that_is_not_there_is_named_with_its_line(line: bytes, module: str, instead: str) -> None:
    told = refusal("m.py", b"import torch\n" + line + b"\n" + MEASURE)
    assert told.startswith(f"m.py, line 2: no module {module} here.")
    assert instead in told


def test_it_fails_as_an_import_would() -> None:
    with pytest.raises(BundleError) as caught:
        read_bundle("m.py", b"import jax\n" + MEASURE, LIMITS)
    assert (caught.value.reason, caught.value.path, caught.value.line) == (Reason.IMPORT_ERROR, "m.py", 1)


@pytest.mark.parametrize(
    "source",
    [
        b"try:\n    import tensorflow\nexcept ImportError:\n    tensorflow = None\n",
        b"def unused():\n    import tensorflow\n",
        b"if False:\n    import tensorflow\n",
        b"import json, torch.nn.functional, numpy.linalg, scipy.stats, sklearn.cluster, gengap_measures\n",
        b"from __future__ import annotations\n",
        b"from collections.abc import Sequence\n",
    ],
)
def test_what_may_work_is_taken(source: bytes) -> None:
    read_bundle("m.py", source + MEASURE, LIMITS)


def test_the_files_of_a_zip_are_followed_as_far_as_they_are_imported() -> None:
    files = {
        "complexity.py": b"from lib.inner import tool\nimport helper\n" + MEASURE,
        "helper.py": b"import lib\n",
        "lib/__init__.py": b"",
        "lib/inner/__init__.py": b"",
        "lib/inner/tool.py": b"import jax\n",
        "tests/test_it.py": b"import pytest\n",
    }
    assert refusal("m.zip", zipped(files)).startswith("lib/inner/tool.py, line 1: no module jax here.")
    read_bundle("m.zip", zipped(files | {"lib/inner/tool.py": b""}), LIMITS)


def test_a_server_may_have_more() -> None:
    limits = replace(LIMITS, extra_modules=("einops",))
    read_bundle("m.py", b"import einops\n" + MEASURE, limits)
    assert "SciPy, scikit-learn, einops" in refusal("m.py", b"import jax\n" + MEASURE, limits)


def test_every_named_module_is_there() -> None:
    """In this environment, which is that of bubblewrap; the image has a test of its own."""
    import importlib.util  # noqa: PLC0415

    sandboxes_own = {"gengap_measures", "pip", "pkg_resources", "setuptools"}
    assert not [name for name in MODULES - sandboxes_own if importlib.util.find_spec(name) is None]
    assert not MODULES & sys.stdlib_module_names
