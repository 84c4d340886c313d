"""The verdict is a pure function of the evidence; whatever a participant's process sends is borne."""

import json
import signal
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions.storage.states import Reason
from worker.sandbox.protocol import Failure, Limits, SandboxError, Value, seed_of
from worker.sandbox.verdict import LOG_TAIL_BYTES, Evidence, Stop, clean, judge

LIMITS = Limits()


def evidence(
    frame: bytes = b"",
    *,
    report: object = None,
    log: bytes = b"",
    status: int | None = 0,
    stopped: Stop | None = None,
    out_of_memory: bool = False,
) -> Evidence:
    raw = report if isinstance(report, bytes) else json.dumps(report).encode()
    return Evidence(stopped, frame, raw, log, status, out_of_memory, 0.5, 0.25, 1000)


def frame(tag: bytes, value: float = 0.0) -> bytes:
    return struct.pack("<cd", tag, value)


def reason_of(seen: Evidence) -> Reason:
    outcome = judge(seen, LIMITS)
    assert isinstance(outcome, Failure)
    return outcome.reason


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_finite_frame_is_its_value_to_the_last_bit(value: float) -> None:
    assert judge(evidence(frame(b"v", value)), LIMITS) == Value(value, 0.5, 0.25, 1000)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_finiteness_is_decided_outside(value: float) -> None:
    assert reason_of(evidence(frame(b"v", value))) is Reason.NOT_FINITE


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (evidence(frame(b"v"), stopped=Stop.WALL), Reason.TIME_LIMIT),
        (evidence(frame(b"v"), stopped=Stop.CPU), Reason.TIME_LIMIT),
        (evidence(frame(b"v"), stopped=Stop.LOG), Reason.OUTPUT_FLOOD),
        (evidence(frame(b"v"), stopped=Stop.MEMORY), Reason.MEMORY_LIMIT),
        (evidence(frame(b"v"), stopped=Stop.PROTOCOL), Reason.PROTOCOL),
        (evidence(frame(b"v"), out_of_memory=True), Reason.MEMORY_LIMIT),
        (evidence(status=signal.SIGXCPU), Reason.TIME_LIMIT),
        (evidence(status=signal.SIGSEGV), Reason.CRASHED),
        (evidence(status=70), Reason.CRASHED),
        (evidence(status=0), Reason.CRASHED),
        (evidence(frame(b"v") * 2), Reason.PROTOCOL),
        (evidence(b"v"), Reason.PROTOCOL),
        (evidence(frame(b"?")), Reason.PROTOCOL),
        (evidence(frame(b"x"), report=b"+"), Reason.PROTOCOL),
        (evidence(frame(b"x"), report=b'+{"class": "WeightsError"}'), Reason.PROTOCOL),
        (evidence(frame(b"n")), Reason.NOT_A_NUMBER),
        (evidence(frame(b"f")), Reason.NOT_FINITE),
        (evidence(frame(b"i")), Reason.IMPORT_ERROR),
        (evidence(frame(b"m")), Reason.MISSING_FUNCTION),
        (evidence(frame(b"r"), report={"class": "ValueError"}), Reason.RAISED),
        (evidence(frame(b"r"), report={"class": "MemoryError"}), Reason.MEMORY_LIMIT),
    ],
)
def test_each_kind_of_evidence_has_its_reason(seen: Evidence, reason: Reason) -> None:
    assert reason_of(seen) is reason


@pytest.mark.parametrize(
    "seen",
    [
        evidence(frame(b"v", 1.0), stopped=Stop.INTERRUPT),
        evidence(frame(b"v", 1.0), status=None),
        evidence(frame(b"x"), report={"class": "WeightsError", "message": "no such tensor"}),
    ],
)
def test_our_own_faults_are_not_the_measures(seen: Evidence) -> None:
    with pytest.raises(SandboxError):
        judge(seen, LIMITS)


@given(
    tag=st.sampled_from([b"n", b"f", b"r", b"i", b"m"]),
    report=st.one_of(
        st.binary(max_size=200),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), st.lists, max_leaves=5),
        st.dictionaries(
            st.sampled_from(["class", "file", "line", "message"]),
            st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()),
        ),
    ),
    log=st.binary(max_size=300),
)
def test_any_report_and_log_make_a_failure_of_plain_text(tag: bytes, report: object, log: bytes) -> None:
    raw = report if isinstance(report, bytes) else json.dumps(report).encode()
    outcome = judge(evidence(frame(tag), report=b"+" + raw, log=log), LIMITS)
    assert isinstance(outcome, Failure)
    for text in (outcome.detail, outcome.message or "", outcome.file or "", outcome.log or ""):
        assert not any(ord(character) < 32 and character not in "\t\n" for character in text)
        assert "\x1b" not in text


@given(st.text())
def test_cleaning_is_idempotent(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "red link"),
        (b"\x9b31mC1 \xc2\x9b32mencoded", "\ufffd31mC1 32mencoded"),
        (b"10%\r20%\r\r\n30%\r\n", "10%\n20%\n30%"),
        ("left \u202e thgir\u2069 \u200fmark".encode(), "left  thgir mark"),
        (b"caf\xc3\xa9 \xff\xfe", "café \ufffd\ufffd"),
        (b"a\x00b\x08c\tkept\nline", "abc\tkept\nline"),
    ],
)
def test_what_was_printed_becomes_plain_text(printed: bytes, shown: str) -> None:
    outcome = judge(evidence(frame(b"r"), log=printed), LIMITS)
    assert isinstance(outcome, Failure)
    assert outcome.log == shown


@pytest.mark.parametrize("letter", [b"x", b"\xff", "é".encode(), "😀".encode(), b"\x1b[1m", b"\r"])
def test_a_log_is_a_tail_of_at_most_64_kib_whatever_it_is_made_of(letter: bytes) -> None:
    outcome = judge(evidence(frame(b"r"), log=b"first" + letter * LOG_TAIL_BYTES + b"last"), LIMITS)
    assert isinstance(outcome, Failure)
    assert outcome.log is not None
    assert outcome.log.endswith("last")
    assert "first" not in outcome.log
    assert len(outcome.log.encode()) <= LOG_TAIL_BYTES


def test_a_forged_report_holds_nothing_that_a_database_would_refuse() -> None:
    report = b'{"class": "\\ud800\\u0000E", "file": "a\\udfff.py", "line": 1' + b"0" * 300 + b', "message": "\\ud83d"}'
    outcome = judge(evidence(frame(b"r"), report=report), LIMITS)
    assert isinstance(outcome, Failure)
    assert (outcome.detail, outcome.line, outcome.message) == ("?E", None, "?")


def test_the_cost_of_a_failure_is_told() -> None:
    outcome = judge(evidence(frame(b"r")), LIMITS)
    assert isinstance(outcome, Failure)
    assert (outcome.wall_s, outcome.cpu_s, outcome.peak_bytes) == (0.5, 0.25, 1000)


def test_both_clocks_say_what_the_limit_was() -> None:
    limits = Limits(wall_s=2, cpu_s=1.5)
    details = [judge(evidence(stopped=stopped), limits) for stopped in (Stop.WALL, Stop.CPU)]
    details.append(judge(evidence(status=signal.SIGXCPU), limits))
    assert [outcome.detail for outcome in details if isinstance(outcome, Failure)] == [
        "longer than 2 s",
        "more processor time than 1.5 s",
        "more processor time than 1.5 s",
    ]


def test_the_place_is_the_participants_own_line() -> None:
    report = b'+{"class": "ValueError", "file": "complexity.py", "line": 12, "message": "no"}'
    outcome = judge(evidence(frame(b"r"), report=report), LIMITS)
    assert isinstance(outcome, Failure)
    assert (outcome.detail, outcome.file, outcome.line, outcome.message) == (
        "ValueError at complexity.py line 12",
        "complexity.py",
        12,
        "no",
    )


def test_memory_ends_a_run_whatever_else_is_known_of_it() -> None:
    assert reason_of(evidence(status=None, out_of_memory=True)) is Reason.MEMORY_LIMIT
    report = {"class": "MemoryError"}
    assert reason_of(evidence(frame(b"r"), report=report)) is Reason.MEMORY_LIMIT
    assert reason_of(evidence(frame(b"i"), report=report)) is Reason.IMPORT_ERROR


@pytest.mark.parametrize(("line", "place"), [(1, 1), (10**6, 10**6), (0, None), (10**6 + 1, None), (True, None)])
def test_a_line_that_no_file_has_is_no_place(line: int, place: int | None) -> None:
    outcome = judge(evidence(frame(b"r"), report={"class": "E", "file": "a.py", "line": line}), LIMITS)
    assert isinstance(outcome, Failure)
    assert (outcome.line, outcome.detail) == (place, "E" if place is None else f"E at a.py line {place}")


def test_the_seed_of_a_network_is_the_same_everywhere_and_its_own() -> None:
    assert seed_of("code", "network") == 5107658077787583724
    assert seed_of("code", "other") != seed_of("code", "network") != seed_of("other", "network")
    assert 0 <= seed_of("code", "network") < 2**63


BEFORE_THE_MEASURE = [
    evidence(report=b"a", stopped=Stop.WALL),
    evidence(report=b"a", stopped=Stop.CPU),
    evidence(report=b"a", stopped=Stop.LOG),
    evidence(report=b"a", out_of_memory=True),
    evidence(report=b"a", status=signal.SIGSEGV),
    evidence(report=b"a", status=3 << 8),
    evidence(frame(b"v", 1.0), report=b"a"),
    evidence(frame(b"r"), report=b'a{"class": "ValueError"}'),
]


@pytest.mark.parametrize("seen", BEFORE_THE_MEASURE)
def test_what_happens_before_the_measure_begins_is_the_zoos_own_codes_doing(seen: Evidence) -> None:
    with pytest.raises(SandboxError, match=r"the zoo's architecture\.py, before the measure began: "):
        judge(seen, LIMITS)


def test_what_the_zoos_own_code_raised_is_told() -> None:
    seen = evidence(frame(b"x"), report=b'a{"class": "ArchitectureError", "message": "architecture.py line 2"}')
    with pytest.raises(SandboxError, match=r"could not load the network: .*architecture\.py line 2"):
        judge(seen, LIMITS)


@pytest.mark.parametrize("seen", BEFORE_THE_MEASURE)
def test_once_the_measure_has_begun_the_zoos_own_code_is_out_of_it(seen: Evidence) -> None:
    later = replace(seen, report=b"a+" + seen.report[1:])
    assert judge(later, LIMITS) == judge(replace(seen, report=b"+" + seen.report[1:]), LIMITS)


@pytest.mark.parametrize("limits", [Limits(wall_s=1.0), Limits(cpu_s=1.0)])
def test_a_clock_too_short_to_build_anything_accuses_no_zoo(limits: Limits) -> None:
    outcome = judge(evidence(report=b"a", stopped=Stop.WALL), limits)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.TIME_LIMIT
    with pytest.raises(SandboxError):
        judge(evidence(report=b"a", status=signal.SIGSEGV), limits)


def test_a_clock_of_ten_seconds_is_long_enough_to_build_a_network() -> None:
    seen = evidence(report=b"a", stopped=Stop.WALL)
    assert isinstance(judge(seen, Limits(wall_s=9.9)), Failure)
    with pytest.raises(SandboxError):
        judge(seen, Limits(wall_s=10.0))
