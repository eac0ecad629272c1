"""Weights and step lengths of the difference formulas, from exact rationals.

Central formulas of order p = 2m combine the second-order formula at the scales h, 2h, .. mh: D_p = sum_k c_k D_2(kh)
with c_k = prod_{j != k} j² / (j² - k²), which removes the terms h², .. h^(2m-2) of the error (Richardson). One-sided
formulas of order p weigh the nodes 0, h, 2h, ..; the same formula with -h looks the other way.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from fractions import Fraction

#: step h = FACTOR[d][p] * eps**(1 / (p + d)) * max(1, |x_i|) for derivative d at accuracy order p
FACTOR = {
    1: {1: 1.0, 2: 0.5, 4: 0.25, 6: 0.2, 8: 0.15},
    2: {1: 1.0, 2: 1.0, 4: 0.5, 6: 0.3, 8: 0.2},
}
#: a product H v from values alone: the directional gradient along v and the coordinate share the error
PRODUCT_FACTOR = 0.5
#: one-sided formulas gain nothing beyond this order
MAX_ONE_SIDED = 6


class Axis(NamedTuple):
    """A difference formula along one axis, of order p in row 0 and p + 2 in row 1 (zeros where no error is wanted).

    Column 0 belongs to the point itself, column q to the q-th of `offsets`, in units of h.
    """

    offsets: np.ndarray
    first: np.ndarray
    second: np.ndarray


def central_scales(scales: int) -> list[Fraction]:
    """c_1, .. c_m, which combine second-order central formulas at h, 2h, .. mh to order 2m."""
    from fractions import Fraction  # slow to import

    numbers = range(1, scales + 1)
    return [prod((Fraction(j * j, j * j - k * k) for j in numbers if j != k), start=Fraction(1)) for k in numbers]


def one_sided(order: int, derivative: int) -> list[Fraction]:
    """Weights of the nodes 0, 1, .. for a derivative (times h**derivative) to the given order."""
    from fractions import Fraction  # slow to import

    count = order + derivative
    rows = [[Fraction(node) ** power for node in range(count)] for power in range(count)]
    right = [Fraction(2 if derivative == 2 else 1) if power == derivative else Fraction(0) for power in range(count)]
    return _solve(rows, right)


def _solve(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Gauss-Jordan elimination in exact arithmetic."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(len(rows)):
        pivot = next(r for r in range(column, len(rows)) if rows[r][column] != 0)
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for r, row in enumerate(rows):
            if r != column:
                rows[r] = [a - row[column] * b for a, b in zip(row, rows[column], strict=True)]
    return [row[-1] for row in rows]


@cache
def scale_weights(order: int, with_error: bool) -> np.ndarray:
    """c_k of order p in row 0; with the error, of order p + 2 in row 1 and one scale more."""
    scales = order // 2
    table = np.zeros((2, scales + with_error))
    table[0, :scales] = central_scales(scales)
    if with_error:
        table[1] = central_scales(scales + 1)
    return _frozen(table)


@cache
def central_axis(order: int, with_error: bool) -> Axis:
    """The central formulas as weights of the offsets 1, -1, 2, -2, ..."""
    c = scale_weights(order, with_error)
    k = np.arange(1, c.shape[1] + 1)
    first, second = np.zeros((2, 1 + 2 * len(k))), np.zeros((2, 1 + 2 * len(k)))
    first[:, 1::2], first[:, 2::2] = c / (2 * k), -c / (2 * k)
    second[:, 1::2] = second[:, 2::2] = c / k**2
    second[:, 0] = -2 * (c / k**2).sum(axis=1)
    return Axis(_frozen(np.stack([k, -k], axis=1).ravel().astype(float)), _frozen(first), _frozen(second))


@cache
def one_sided_axis(order: int, with_error: bool) -> Axis:
    """The one-sided formulas as weights of the offsets 1, 2, ..."""
    top = order + 2 * with_error
    first, second = np.zeros((2, top + 2)), np.zeros((2, top + 2))
    for row, p in enumerate((order, order + 2) if with_error else (order,)):
        first[row, : p + 1] = one_sided(p, 1)
        second[row, : p + 2] = one_sided(p, 2)
    return Axis(_frozen(np.arange(1.0, top + 2)), _frozen(first), _frozen(second))


def relative_step(order: int, derivative: int, eps: float, factor: float | None = None) -> float:
    """The step length in units of max(1, |x_i|) that balances truncation against rounding."""
    c = FACTOR[derivative][order] if factor is None else factor
    return c * eps ** (1 / (order + derivative))


def _frozen(table: np.ndarray) -> np.ndarray:
    table.flags.writeable = False
    return table
