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

    Absolute errors of 5 eps max(1, |psi|); for x < 0 max(1, |psi|, log|x|), two terms of which may cancel.
    """
    if x <= 0.0:
        rest = distance(x)
        if rest == 0.0:
            return math.nan
        near, far = abs(rest), 0.5 - abs(rest)  # whichever is small has pi times it with a small error
        cotangent = 1.0 / math.tan(math.pi * near) if near < far else math.tan(math.pi * far)
        return digamma_positive(1.0 - x) - math.pi * math.copysign(cotangent, rest)
    return digamma_positive(x)


@register_jitable
def distance(x):
    """x less the nearest integer, exactly, for x <= 0; NaN for -inf."""
    if x == -math.inf:
        return math.nan
    rest = -(-x % 1.0)
    return rest + 1.0 if rest < -0.5 else rest


@register_jitable
def digamma_positive(x):
    """digamma for x > 0."""
    if x == math.inf:
        return x
    steps = math.ceil(SERIES - x) if x < SERIES else 0
    large = x + steps
    square = 1.0 / (large * large)
    series = 0.0
    for k in range(len(PSI_SERIES) - 1, -1, -1):
        series = (series + PSI_SERIES[k]) * square
    psi = math.log(large) - 0.5 / large - series
    for k in range(steps - 1, -1, -1):  # small terms first
        psi -= 1.0 / (x + k)
    return psi


def trigamma(x):
    """The second derivative of log gamma, in the same way."""
    if x <= 0.0:
        rest = distance(x)
        if rest == 0.0:
            return math.inf
        ratio = math.pi / math.sin(math.pi * rest)
        return ratio * ratio - trigamma_positive(1.0 - x)
    return trigamma_positive(x)


@register_jitable
def trigamma_positive(x):
    """trigamma for x > 0."""
    shift = 0.0
    while x < SERIES:
        inverse = 1.0 / x
        shift += inverse * inverse
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
