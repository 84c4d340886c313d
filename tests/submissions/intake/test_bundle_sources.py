"""What a measure's source must be to be taken: read by Python, bounded, with a function that two arguments call."""

import pytest

from submissions.intake.bundle import MAX_SOURCE_BYTES, MAX_SOURCES_BYTES, BundleError, BundleLimits, read_bundle
from submissions.storage.states import Reason
from tests.submissions.intake.bundles import LIMITS, MEASURE, refusal, zipped


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"a = 1\nb = '\xff'\n", "m.py, line 2: not UTF-8 text; save it as UTF-8."),
        (b"a = 1\n\n\0", "m.py, line 3: a null byte; this is not a Python source."),
        (
            b"# coding: latin-1\n" + MEASURE,
            "m.py declares the encoding iso-8859-1; save it as UTF-8 without a coding comment.",
        ),
        (
            b"# coding: klingon\n" + MEASURE,
            "m.py: unknown encoding: klingon; save it as UTF-8 without a coding comment.",
        ),
        (MEASURE + b"x = (1,\n", "m.py, line 3: '(' was never closed."),
        (b"def complexity(model, dataset):\nreturn 1\n", "m.py, line 2: expected an indented block after"),
    ],
)
def test_a_source_that_python_cannot_read_is_refused_with_its_line(source: bytes, message: str) -> None:
    assert refusal("m.py", source).startswith(message)


def test_every_python_file_of_a_zip_is_checked_under_its_own_path() -> None:
    files = {"complexity.py": MEASURE, "lib/bad.py": b"a = 1\nb =\n"}
    assert refusal("m.zip", zipped(files)) == "lib/bad.py, line 2: invalid syntax."


def test_a_byte_order_mark_and_an_explicit_utf8_comment_are_fine() -> None:
    source = b"\xef\xbb\xbf# coding: utf-8\n" + MEASURE
    assert read_bundle("m.py", source, LIMITS).files["complexity.py"] == source


@pytest.mark.parametrize("source", [b"-" * 10**5 + b"1", b"a" + b".b" * 10**5, b"(" * 10**5, b"0" + b"1" * 10**5])
def test_a_source_made_to_exhaust_the_parser_is_refused(source: bytes) -> None:
    assert refusal("m.py", source).startswith("m.py")


def test_the_size_of_python_sources_is_bounded() -> None:
    comment = b"#" * MAX_SOURCE_BYTES + b"\n"
    assert "m.py is larger than 256 KiB" in refusal("m.py", comment)
    files = {f"part{i}.py": comment[1:] for i in range(MAX_SOURCES_BYTES // MAX_SOURCE_BYTES)}
    files["complexity.py"] = MEASURE
    limits = BundleLimits(2**20, 2**23, 20)
    assert "more than 1 MiB together" in refusal("m.zip", zipped(files), limits)


@pytest.mark.parametrize(
    "source",
    [
        "def complexity(model, dataset): return 1",
        "def complexity(model, dataset, scale=2.0, *, power=2): return 1",
        "def complexity(*arguments): return 1",
        "def complexity(model, /, *rest): return 1",
        "complexity = lambda model, dataset: 1",
        "complexity: object = len",
        "one, complexity = 1, max",
        "from scipy import complexity",
        "from scipy import squared as complexity",
        "from scipy import *",
        "import scipy as complexity",
        "try:\n    import scipy\nexcept ImportError:\n    def complexity(model, dataset): return 1",
        "if True:\n    def complexity(model, dataset): return 1",
        "import functools\n@functools.cache\ndef complexity(*a, **k): return 1",
        "def complexity(): pass\ndef complexity(model, dataset): return 1",
        "@decorate\ndef complexity(one): return 1",
    ],
)
def test_whatever_binds_complexity_at_module_level_is_accepted(source: str) -> None:
    assert read_bundle("m.py", source.encode(), LIMITS).files


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "def Complexity(model, dataset): return 1",
        "def outer():\n    def complexity(model, dataset): return 1",
        "class A:\n    def complexity(self, model): return 1",
        "complexity: object",
        "import complexity.norms as other",
        "print(complexity)",
        "# def complexity(model, dataset): return 1",
    ],
)
def test_a_source_without_the_function_is_refused(source: str) -> None:
    message = "m.py defines no function complexity(model, dataset) at its top level."
    assert refusal("m.py", source.encode()) == message


@pytest.mark.parametrize(
    "parameters",
    ["", "model", "model, dataset, context, more", "model, *, dataset", "model, dataset, *, scale", "*, m=1, d=2"],
)
def test_a_function_that_cannot_be_called_with_two_arguments_is_refused(parameters: str) -> None:
    source = f"\ndef complexity({parameters}): return 1"
    message = "m.py, line 2: complexity must be callable as complexity(model, dataset), with two arguments."
    assert refusal("m.py", source.encode()) == message


def test_an_async_function_and_a_class_are_refused() -> None:
    assert "is an async function" in refusal("m.py", b"async def complexity(model, dataset): return 1")
    assert "is a class" in refusal("m.py", b"class complexity: pass")


@pytest.mark.parametrize(
    ("filename", "content", "reason"),
    [
        ("m.py", b"def complexity(model, dataset)\n", Reason.IMPORT_ERROR),
        ("m.py", b"x = '\xff'\n", Reason.IMPORT_ERROR),
        ("m.py", b"x = 1\n", Reason.MISSING_FUNCTION),
        ("m.py", b"def complexity(model): return 1\n", Reason.MISSING_FUNCTION),
        ("m.py", b"", None),
        ("m.zip", b"PK", None),
    ],
)
def test_a_refusal_says_what_a_run_would_fail_with(filename: str, content: bytes, reason: Reason | None) -> None:
    with pytest.raises(BundleError) as caught:
        read_bundle(filename, content, LIMITS)
    assert caught.value.reason is reason
