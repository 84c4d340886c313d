"""Targets in decimals: differences of shares that are equal as people write them are equal here too.

`model_zoo.manifest` calls it. `scoring.decimals` does the same for scores, and explains why; a test holds the two to
each other.
"""

import math
from collections.abc import Mapping

DIGITS = 12
_NOISE = 1e-3  # of the last digit


def rounded_differences(differences: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Round differences to 12 decimals, or to 12 significant digits of an operand above 1.

    Differences within a thousandth of the last digit of each other are rounded alike.

    Parameters
    ----------
    differences : mapping
        By network id, the difference and the largest magnitude of its operands. One beyond float64 stays infinite.

    Returns
    -------
    dict
        By network id, in the same order.
    """
    rounded = dict.fromkeys(differences, 0.0)
    number, last, last_noise = 0.0, -math.inf, 0.0
    for identifier, (difference, operand) in sorted(differences.items(), key=lambda entry: entry[1][0]):
        if math.isinf(difference):
            rounded[identifier] = difference
            continue
        digits = DIGITS - math.ceil(math.log10(max(1.0, operand, abs(difference))))
        noise = _NOISE / 10.0**digits / 2
        if difference / 2 - last / 2 > max(noise, last_noise):
            up, down = 10.0 ** max(digits, 0), 10.0 ** max(-digits, 0)
            number = round(difference * up / down) / up * down
        rounded[identifier] = number
        last, last_noise = difference, noise
    return rounded


def rounded_number(number: float) -> float:
    """Round a number to 12 significant digits of its own; a whole number stays as it is."""
    return number if number.is_integer() else float(f"{number:.{DIGITS}g}")
