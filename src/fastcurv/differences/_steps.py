"""Step lengths and sides at a point. Plain functions, compiled into the blocks that use them."""

from __future__ import annotations

import math

from fastcurv.simd import stored


def step_length(x, i, relative, absolute):
    """h = relative max(1, |x_i|) + absolute (one of the two is zero), such that x_i + h is a number of x's type."""
    start = x[i]
    x[i] = start + (relative * max(1.0, abs(float(start))) + absolute)
    h = float(x[i]) - float(start)
    x[i] = start
    return h


def central_step(x_i, relative, absolute, points):
    """The same of a coordinate, or of those in lanes, in the type that points are stored in."""
    return stored(x_i + (relative * max(1.0, abs(x_i)) + absolute), points) - x_i


def side_and_step(x, h_central, h_sided, lower, upper, central_reach, sided_reach):
    """Where the stencil of one coordinate lies within its bounds: (0, h) central, (1, h) upwards, (1, -h) downwards.

    Central if it fits, else one-sided, else the wider of the two shrunk to fit; h = 0 if the bounds leave no room.
    A central reach of NaN means one-sided in any case.
    """
    above, below = upper - x, x - lower
    if x + central_reach * h_central <= upper and x - central_reach * h_central >= lower:
        return 0, h_central
    if x + sided_reach * h_sided <= upper:
        return 1, h_sided
    if x - sided_reach * h_sided >= lower:
        return 1, -h_sided
    # shrunk by a few roundings more, so that x +- reach h, rounded, is within the bounds
    central, sided = (1 - 2**-50) * min(above, below) / central_reach, max(above, below) / sided_reach
    if central >= sided:
        return 0, central
    return 1, (sided if above >= below else -sided)


def axis_step(x, i, steps, widen, bounds, reach):
    """Side and signed step of coordinate i; `steps` holds relative central, relative one-sided and absolute steps."""
    central = step_length(x, i, steps[0, i] * widen, steps[2, i])
    sided = step_length(x, i, steps[1, i] * widen, steps[2, i])
    return side_and_step(float(x[i]), central, sided, bounds[0, i], bounds[1, i], reach[0], reach[1])


def within(value, i, bounds):
    """`value` of coordinate i moved into the bounds: the last node may lie one rounding outside."""
    return min(max(value, bounds[0, i]), bounds[1, i])


def is_outside(x, bounds):
    """Whether a point violates its bounds (NaN does, where there are any)."""
    for i in range(len(x)):  # noqa: SIM110  Numba compiles no generator in any()
        if is_beyond(x[i], bounds[0, i], bounds[1, i]):
            return True
    return False


def is_beyond(x_i, lower, upper):
    """The same of a coordinate."""
    return not (lower <= x_i <= upper or (math.isinf(lower) and math.isinf(upper) and lower < upper))
