"""What exact derivatives are known to: bounds on the rounding of their evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._inputs import dot

DOUBLE = np.dtype(np.float64)
#: in units of eps times the largest entry at a point (15 seen, 45 in an ill-conditioned formula)
ROUNDING = 64
#: relative distance of points that results are compared with, in units of eps
NEARBY = 8


def eps_of(dtype: np.dtype) -> float:
    """Twice what a number of a type is rounded by."""
    return float(np.finfo(dtype).eps)


def rounding_of(dtype: np.dtype, arithmetic: np.dtype = DOUBLE) -> float:
    """Of results that are computed in one type and stored in another."""
    return ROUNDING * eps_of(arithmetic) + (eps_of(dtype) / 2 if dtype != arithmetic else 0.0)


def of_rows(rows: np.ndarray, dtype: Any = None, arithmetic: np.dtype = DOUBLE) -> np.ndarray:
    """Of each entry as much as of the largest along the last axis; `dtype` is that of results, where it is another."""
    largest = np.abs(rows).max(axis=-1, keepdims=True, initial=0.0)
    return np.broadcast_to(rounding_of(dtype or rows.dtype, arithmetic) * largest, rows.shape).copy()


def of_forms(directions: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Of v'Hv, whose terms may cancel: what H v is known to is what bounds it."""
    return dot(np.abs(directions), errors)


def nearby(x: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Points a few roundings away, within bounds, where the same formulas round otherwise."""
    signs = np.where(np.arange(x.shape[1]) % 3 == 1, -1.0, 1.0).astype(x.dtype)
    with np.errstate(invalid="ignore", over="ignore"):  # infinite coordinates
        found = x + NEARBY * eps_of(x.dtype) * signs * np.abs(x)
    if len(bounds):
        found = np.where((bounds[0] <= x) & (x <= bounds[1]), found.clip(bounds[0], bounds[1]), x)
    return found.astype(x.dtype, copy=False)


def add_noise(errors: np.ndarray, results: np.ndarray, others: np.ndarray, axes: tuple[int, ...]) -> None:
    """Add to errors by how much results differ from those nearby, most of all along some axes.

    Where terms cancel, rounding is not in proportion to results.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        noise = np.abs(results - others)
    noise[~np.isfinite(noise)] = 0.0
    errors += noise.max(axis=axes, keepdims=True, initial=0.0) if axes else noise


def largest_in_row(x, i, H, r, bend, lever):
    """max|H_ij|, max|H_ij x_j|, with row i of the lower triangle, which is row r of H, besides what is known."""
    for j in range(i + 1):
        entry = abs(H[r, j])
        bend = max(bend, entry)
        lever = max(lever, max(entry * abs(x[i]), entry * abs(x[j])))
    return bend, lever


def largest_of(x, g, H, n, zero):
    """max|g_i|, max|H_ij|, max|H_ij x_j| at a point, or at one in each lane; NaN where H has none. `zero` is of the
    type to be found in.
    """
    slope = bend = lever = zero * H[0, 0]
    for i in range(n):
        slope = max(slope, abs(g[i]))
        bend, lever = largest_in_row(x, i, H, i, bend, lever)
    poison = zero * H[0, 0]
    return slope, bend + poison, lever + poison


def estimate_errors(x, g, H, g_error, H_error, rounding, zero=0.0):
    """In each entry as much as in the largest, and in gradients that of x besides; `zero` as in `largest_of`."""
    n = len(g)
    slope, bend, lever = largest_of(x, g, H, n, zero)
    for i in range(n):
        g_error[i] = rounding * (slope + lever)
        for j in range(n):
            H_error[i, j] = rounding * bend


def estimate_all(
    x: np.ndarray, g: np.ndarray, H: np.ndarray, g_error: np.ndarray, H_error: np.ndarray, arithmetic: Any = DOUBLE
) -> None:
    """The same of all points, whose type is that of results: of gradients (N, n) and Hessians (N, n, n)."""
    rounding, bend = rounding_of(x.dtype, arithmetic), np.abs(H).max(axis=(1, 2), initial=0.0)
    lever = np.abs(H * x[:, None]).max(axis=(1, 2), initial=0.0)
    slope = np.abs(g).max(axis=1, initial=0.0) + lever
    g_error[...], H_error[...] = rounding * slope[:, None], rounding * bend[:, None, None]
