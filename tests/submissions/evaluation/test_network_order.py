"""The order in which an evaluation comes to its networks."""

from submissions.evaluation.attempts import network_order


def test_the_order_of_networks_is_the_same_in_every_process() -> None:
    """On every version of Python, too, in the middle of an evaluation."""
    ids = [f"{number:02}" for number in range(12)]
    assert network_order(ids, 7) == ["06", "02", "07", "04", "08", "01", "09", "10", "05", "11", "00", "03"]
    assert network_order(reversed(ids), 7) == network_order(ids, 7)
    assert network_order(ids, 8) != network_order(ids, 7)
