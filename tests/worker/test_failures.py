"""What an author learns of a failure: all of it where logs are shown, else only what an honest failure could say."""

import pytest

from submissions.storage.states import Reason
from worker.failures import Told, describe, tell
from worker.sandbox.protocol import Failure

FILES = {
    "complexity.py": b"class BadLayer(Exception):\n    pass\n\n\ndef complexity(model, dataset):\n    raise BadLayer\n",
    "pictures.bin": b"SecretWeights",
}


def quiet(reason: Reason, detail: str, **fields: object) -> Told:
    return tell(Failure(reason, detail, **fields), FILES, shows_logs=False)  # type: ignore[arg-type]


def at(name: str, file: str = "complexity.py", line: int = 6) -> str:
    told = quiet(Reason.RAISED, f"{name} at {file} line {line}", file=file, line=line, message="m", log="l")
    assert (told.message, told.log) == (None, None)
    return told.detail


@pytest.mark.parametrize("name", ["ValueError", "KeyboardInterrupt", "LinAlgError", "BadLayer"])
def test_an_honest_exception_is_told_with_its_place(name: str) -> None:
    assert at(name) == f"{name} at complexity.py line 6"


@pytest.mark.parametrize("name", ["w0_17_w1_23", "SecretWeights", "0.25,0.5", "Bad", "x at y", "a" * 500])
def test_a_name_that_is_in_no_source_is_not_passed_on(name: str) -> None:
    assert "complexity.py line 6" in at(name)
    assert at(name).startswith("an exception")


@pytest.mark.parametrize("line", [8, 987_654])
def test_a_line_that_the_file_does_not_have_is_not_passed_on(line: int) -> None:
    assert at("ValueError", line=line) == "ValueError at complexity.py"


def test_a_file_that_is_not_in_the_upload_is_not_passed_on() -> None:
    assert at("ValueError", file="w0_17_w1_23.py") == "ValueError"


@pytest.mark.parametrize(
    "what",
    [
        "a NoneType",
        "a str",
        "a tensor of shape (3, 4) and type torch.float32",
        "a whole number beyond 2^53 that float64 cannot hold",
    ],
)
def test_an_honest_return_value_is_told(what: str) -> None:
    assert quiet(Reason.NOT_A_NUMBER, f"returned {what}").detail == f"returned {what}"


@pytest.mark.parametrize(
    "what", ["a w0_17", "a tensor of shape (1, 9999999) and type torch.int8", "an array of shape (1, 2, 3, 4, 5)", ""]
)
def test_a_made_up_return_value_is_not_passed_on(what: str) -> None:
    assert quiet(Reason.NOT_A_NUMBER, f"returned {what}").detail == "returned something else"


@pytest.mark.parametrize(
    "reason", [Reason.NOT_FINITE, Reason.MISSING_FUNCTION, Reason.MEMORY_LIMIT, Reason.NOT_A_NUMBER]
)
def test_a_report_that_names_a_class_where_none_belongs_is_not_passed_on(reason: Reason) -> None:
    assert quiet(reason, "w0_17").detail == "an exception"


@pytest.mark.parametrize(
    ("reason", "detail"),
    [
        (Reason.TIME_LIMIT, "longer than 60 s"),
        (Reason.MEMORY_LIMIT, "more than 2048 MiB"),
        (Reason.NOT_FINITE, "returned -inf"),
        (Reason.NOT_FINITE, "returned a number too large for a float64"),
        (Reason.CRASHED, "killed by SIGSEGV"),
        (Reason.OUTPUT_FLOOD, "more than 1048576 bytes of output"),
        (Reason.PROTOCOL, "7 bytes instead of one value"),
        (Reason.MISSING_FUNCTION, ""),
    ],
)
def test_what_was_judged_outside_is_told_as_it_is(reason: Reason, detail: str) -> None:
    assert quiet(reason, detail, message="secret", log="secret") == Told(detail, None, None)


def test_where_logs_are_shown_all_is_told() -> None:
    failure = Failure(Reason.RAISED, "w0 at x.py line 9", "x.py", 9, "the message", "the log")
    assert tell(failure, FILES, shows_logs=True) == Told("w0 at x.py line 9", "the message", "the log")
    assert describe(failure) == "w0 at x.py line 9: the message\nIt printed:\nthe log"
