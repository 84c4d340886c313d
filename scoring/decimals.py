"""Rounds targets so that those that are equal in decimal notation tie.

`scoring.truth` and `scoring.statistics.uncertainty` call it before anything is ordered. 0.9149 − 0.8549 and
0.9639 − 0.9039 are both 0.06, but as float64 they differ in the last digits. `model_zoo.decimals` does the same for
the pages and checks of a zoo; a test holds the two to each other.
"""

import numpy as np

from scoring.grid import FloatArray

DIGITS = 12
_NOISE = 1e-3  # of the last digit: far above the errors of a difference of float64, far below the digit


def rounded_differences(differences: FloatArray, operands: FloatArray) -> FloatArray:
    """Differences rounded to 12 decimals; if an operand is above 1, to 12 significant digits of it.

    A difference of two close numbers has lost leading digits, and its last ones are noise. So the digits are counted
    from the operands: for shares, whatever their difference is, 12 decimals. Differences that float64 alone tells apart
    (by a thousandth of the last digit) are rounded alike, also where the boundary of rounding is between them.

    Parameters
    ----------
    differences : ndarray of float64, shape (..., n)
        The differences, finite.
    operands : ndarray of float64, shape (..., n)
        The largest magnitude of the numbers that each difference was made of, as far as it is known.

    Returns
    -------
    ndarray of float64, shape (..., n)
        Each the float64 nearest to its decimal number (beyond 1e34 only close to it); never −0.0.
    """
    digits = DIGITS - np.ceil(np.log10(np.maximum(np.maximum(1.0, operands), np.abs(differences))))
    order = np.argsort(differences, axis=-1)
    ordered, digits = (np.take_along_axis(numbers, order, axis=-1) for numbers in (differences, digits))
    noise = _NOISE / 10.0**digits / 2
    is_first = np.ones(differences.shape, dtype=np.bool_)
    # halves, so that no difference overflows
    is_first[..., 1:] = np.diff(ordered / 2, axis=-1) > np.maximum(noise[..., 1:], noise[..., :-1])
    firsts = np.maximum.accumulate(np.where(is_first, np.arange(differences.shape[-1]), 0), axis=-1)
    # two whole powers of ten, since float64 holds no power of a tenth
    up, down = 10.0 ** np.maximum(digits, 0), 10.0 ** np.maximum(-digits, 0)
    rounded = np.rint(ordered * up / down) / up * down
    result = np.empty_like(differences)
    np.put_along_axis(result, order, np.take_along_axis(rounded, firsts, axis=-1), axis=-1)
    return result + 0.0


def rounded_numbers(numbers: FloatArray) -> FloatArray:
    """Numbers rounded to 12 significant digits of their own; whole numbers stay as they are.

    Parameters
    ----------
    numbers : ndarray of float64, shape (n,)
        The numbers, finite.

    Returns
    -------
    ndarray of float64, shape (n,)
        Each the float64 nearest to its decimal number; never −0.0.
    """
    rounded = [number if number.is_integer() else float(f"{number:.{DIGITS}g}") for number in numbers.tolist()]
    return np.array(rounded, dtype=np.float64) + 0.0
