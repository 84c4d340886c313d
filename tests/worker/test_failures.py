"""A failure in words, for somebody who runs a measure on their own machine."""

from submissions.storage.states import Reason
from worker.failures import describe
from worker.sandbox.protocol import Failure


def test_everything_that_is_known_is_described() -> None:
    failure = Failure(Reason.RAISED, "w0 at x.py line 9", "x.py", 9, "the message", "the log")
    assert describe(failure) == "w0 at x.py line 9: the message\nIt printed:\nthe log"


def test_what_is_not_known_is_left_out() -> None:
    assert describe(Failure(Reason.TIME_LIMIT, "longer than 60 s")) == "longer than 60 s"
