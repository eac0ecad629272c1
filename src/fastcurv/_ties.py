"""Traced derivatives where a choice that a function makes is at a tie, as `abs` is at 0.

Python takes one side. Where the function is smooth all the same, as stable forms of log(1 + exp(z)) are at z = 0, its
derivatives are those of its formulas a few roundings away, all taken from the same side. There they are the same on
both sides; where they are not, the function has a kink, and they stay what the rules for `abs`, `max` and `min` give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._call import Call

#: roundings by which coordinates are moved, each by another number of them; one near 0 at least by so much
LEAST, SPREAD, FROM_ZERO = 4.0, 8.0, 2.0**-200
#: differences between two sides that are rounding, relative to the largest number, and beside what was 0
SAME, NOTHING = 1e-9, 2.0**-160
GOLDEN = 0.618033988749895

#: arrays by name, some of them with numbers for each point
Results = dict[str, Any]


def settle(
    call: Call,
    found: Results,
    told_by: np.ndarray,
    at: Callable[[Call, np.ndarray], Results],
    combine: Callable[[Results, Results, Results], Results],
) -> None:
    """Put results at ties in place, in the arrays that were found, where they are NaN.

    `told_by` is NaN there, for each point. ``at(call, rows)`` takes results at points that stand for those in some
    rows; ``combine(plain, one, other)`` makes of results by the rules, and of those on two sides, what they are.
    """
    (rows,) = np.nonzero(np.isnan(told_by))
    if not len(rows):
        return
    call_by_rules, x = call._replace(tells_ties=False), call.x[rows].astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite coordinates
        moved = [x + sign * _distances(x) for sign in (1.0, -1.0)]
    plain, one, other = (at(call_by_rules.at(rows, points), rows) for points in (call.x[rows], *moved))
    for name, chosen in combine(plain, one, other).items():
        whole = found[name]
        if isinstance(whole, np.ndarray) and whole.size:
            each = len(whole) // len(call.x)
            with np.errstate(over="ignore"):
                whole[(rows[:, None] * each + np.arange(each)).reshape(-1)] = chosen


def _distances(x: np.ndarray) -> np.ndarray:
    """How far coordinates are moved: what is equal moves apart."""
    numbers = LEAST + SPREAD * (GOLDEN * np.arange(1, x.shape[1] + 1) % 1.0)
    return numbers * np.maximum(FROM_ZERO, np.finfo(float).eps * np.abs(x))


def are_same(one: np.ndarray, other: np.ndarray, beside: Any = 0.0) -> np.ndarray:
    """Whether rows of two sides are the same up to rounding, also `beside` so much; not where they are not finite."""
    one, other = one.reshape(len(one), -1), other.reshape(len(other), -1)
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.abs(one).max(axis=1)
        return (np.abs(one - other).max(axis=1) <= SAME * (largest + beside) + NOTHING) & np.isfinite(largest)


def each_by_itself(*names: str) -> Callable[[Results, Results, Results], Results]:
    """Combines arrays of these names: the means of both sides where they are the same."""

    def combine(plain: Results, one: Results, other: Results) -> Results:
        def mean(name: str) -> np.ndarray:
            a, b = one[name], other[name]
            chosen = are_same(a, b).reshape(-1, *[1] * (a.ndim - 1))
            return np.where(chosen, 0.5 * a + 0.5 * b, plain[name])

        return {name: mean(name) if name in names and plain[name].size else plain[name] for name in plain}

    return combine
