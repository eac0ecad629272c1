"""Functions that `math` lacks, as plain Python that Numba compiles: digamma, trigamma, the remainder of Python."""

from __future__ import annotations

import math

from numba.extending import register_jitable

#: B_2k / 2k and B_2k of the asymptotic series (Abramowitz & Stegun 6.3.18, 6.4.12), for x >= SERIES
SERIES = 10.0
PSI_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)
TRIGAMMA_SERIES = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def digamma(x):
    """The derivative of log gamma: recurrence to x >= 10, asymptotic series; reflection for x < 0.

    Absolute errors of a few eps max(1, |psi|).
    """
    if x <= 0.0:
        rest = x - round(x)
        if rest == 0.0 or x == -math.inf:
            return math.nan
        return digamma_positive(1.0 - x) - math.pi / math.tan(math.pi * rest)
    return digamma_positive(x)


@register_jitable
def digamma_positive(x):
    """digamma for x > 0."""
    if x == math.inf:
        return x
    shift = 0.0
    while x < SERIES:
        shift += 1.0 / x
        x += 1.0
    square = 1.0 / (x * x)
    series = 0.0
    for k in range(len(PSI_SERIES) - 1, -1, -1):
        series = (series + PSI_SERIES[k]) * square
    return math.log(x) - 0.5 / x - series - shift


def trigamma(x):
    """The second derivative of log gamma, in the same way."""
    if x <= 0.0:
        rest = x - round(x)
        if rest == 0.0 or x == -math.inf:
            return math.nan if x == -math.inf else math.inf
        sine = math.sin(math.pi * rest)
        return (math.pi / sine) ** 2 - trigamma_positive(1.0 - x)
    return trigamma_positive(x)


@register_jitable
def trigamma_positive(x):
    """trigamma for x > 0."""
    shift = 0.0
    while x < SERIES:
        shift += 1.0 / (x * x)
        x += 1.0
    inverse = 1.0 / x
    square = inverse * inverse
    series = 0.0
    for k in range(len(TRIGAMMA_SERIES) - 1, -1, -1):
        series = (series + TRIGAMMA_SERIES[k]) * square
    return inverse + 0.5 * square + series * inverse + shift


def mod(x, y):
    """x % y with the sign of y."""
    return x % y
