"""Traced derivatives where a choice that a function makes is at a tie, as `abs` is at 0.

Python takes one side. Where the function is smooth all the same, as stable forms of log(1 + exp(z)) are at z = 0, its
derivatives are those of its formulas a few roundings away, in any direction, all choices being made at one point. An
entry that is not the same in all directions belongs to a kink, and stays what the rules of `abs`, `max`, `min` give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._call import Call

#: roundings by which coordinates are moved, each by another number of them; one near 0 at least by so much
LEAST, SPREAD, FROM_ZERO = 4.0, 8.0, 2.0**-200
#: how much further each direction goes: what grows without bounds towards the tie is not the same in any two
FURTHER = 2.0
#: differences that are rounding, relative to the largest number, and beside what was 0
SAME, NOTHING = 1e-9, 2.0**-160
GOLDEN = 0.618033988749895

#: arrays by name, some of them with numbers for each point
Results = dict[str, Any]


def settle(
    call: Call,
    found: Results,
    told_by: np.ndarray,
    at: Callable[[Call, np.ndarray], Results],
    names: tuple[str, ...],
) -> None:
    """Put results at ties in place, in the arrays that were found, where they are NaN.

    `told_by` is NaN there, for each point. ``at(call, rows)`` takes results at points that stand for those in some
    rows; those of `names`, derivatives and their errors, are held against those nearby.
    """
    (rows,) = np.nonzero(np.isnan(told_by))
    if not len(rows):
        return
    by_rules = call._replace(tells_ties=False)
    plain = at(by_rules.at(rows, call.x[rows]), rows)
    near = [at(by_rules.at(rows, x), rows) for x in _nearby(call.x[rows].astype(np.float64), call.plan.bounds.rows)]
    for name, by_rule in plain.items():
        whole = found[name]
        if isinstance(whole, np.ndarray) and whole.size:
            beside = [results[name] for results in near]
            chosen = _of_all_sides(by_rule, beside, "error" in name) if name in names else by_rule
            each = len(whole) // len(call.x)
            with np.errstate(over="ignore"):
                whole[(rows[:, None] * each + np.arange(each)).reshape(-1)] = chosen


def _nearby(x: np.ndarray, bounds: np.ndarray) -> list[np.ndarray]:
    """Points around others, within bounds: on both sides, and so that any two coordinates move against each other."""
    n = x.shape[1]
    numbers = LEAST + SPREAD * (GOLDEN * np.arange(1, n + 1) % 1.0)  # what is equal moves apart
    signs = [np.ones(n), -np.ones(n)]
    signs += [1.0 - 2.0 * (np.arange(n) >> bit & 1) for bit in range((n - 1).bit_length())]
    found = []
    for k, sign in enumerate(signs):
        step = FURTHER**k * sign * numbers * np.maximum(FROM_ZERO, np.finfo(float).eps * np.abs(x))
        with np.errstate(invalid="ignore"):  # infinite coordinates
            moved, back = x + step, x - 0.5 * step
        if len(bounds):
            moved = np.where((bounds[0] <= moved) & (moved <= bounds[1]), moved, back)
        found.append(moved)
    return found


def _of_all_sides(plain: np.ndarray, beside: list[np.ndarray], are_errors: bool) -> np.ndarray:
    """The mean of what is nearby, entry by entry, where all are the same up to rounding; else what the rules give.

    So do they where that is the same, or is not finite.
    """
    rows = [a.reshape(len(a), -1) for a in beside]
    with np.errstate(invalid="ignore", over="ignore"):
        if are_errors:  # of float32, nearby is float64
            return np.where(np.isfinite(plain), np.fmax(plain, beside[0]), plain)
        slack = SAME * np.abs(rows[0]).max(axis=1, keepdims=True) + NOTHING
        mean, rule = 0.5 * rows[0] + 0.5 * rows[1], plain.reshape(len(plain), -1)
        are_same = (
            np.all([np.abs(a - rows[0]) <= slack for a in rows[1:]], axis=0) & np.isfinite(rule) & np.isfinite(mean)
        )
        chosen = np.where(are_same & (np.abs(rule - mean) > slack), mean, rule)
    return chosen.reshape(plain.shape)
