"""The level of noise of a function: ECnoise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _launch as launch
from ._derivatives import value
from ._inputs import positive, real_array

#: evaluations along the line
COUNT = 7
#: levels that differ by no more are the same
AGREEMENT = 4


def estimate_noise(
    fun: Callable,
    x: Any,
    args: tuple = (),
    *,
    direction: Any = None,
    rel_step: float = 1e-10,
    point_args: tuple = (),
    device: str = "auto",
) -> Any:
    """The level of noise of a function: the standard deviation of its values around a smooth one.

    Parameters
    ----------
    fun, x, args, point_args, device
        As for `value`.
    direction : array_like, shape (n,), optional
        Of the line that `fun` is evaluated on; by default one that no coordinate dominates.
    rel_step : float
        First spacing on the line, in units of max(1, |x_i|); it is widened or narrowed, at most four times and by
        factors of 100, until the differences show noise.

    Returns
    -------
    ndarray, shape B
        The absolute level, for the keyword `noise` of `gradient`, `hessian` and the others. 0 where `fun` is constant
        along the line; NaN where no spacing shows noise apart from the trend, or `fun` is not finite.

    Raises
    ------
    CompilationError, TypeError, ValueError, DeviceError
        As for `value`.

    Notes
    -----
    ECnoise: J. J. Moré and S. M. Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011) 1292-1314. Of
    the k-th differences of 7 values on a line, the mean square times (k!)² / (2k)! estimates the variance as soon as
    it stays the same from one k to the next. Where values differ by more than a tenth of the largest, it must also
    stay the same at a hundredth of the spacing: a trend would not.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcurv as fc
    >>> def rounded(x):
    ...     return np.round(1e6 * (x[0] ** 2 + x[1])) / 1e6
    >>> bool(1e-8 < fc.estimate_noise(rounded, [0.3, 0.7], rel_step=1e-4) < 1e-5)
    True
    """
    call = launch.call(fun, x, args, point_args, device)
    count, n = call.shape
    line = _direction(n) if direction is None else real_array(direction, "direction").astype(float)
    if line.shape != (n,) or not np.isfinite(line).all() or not line.any():
        raise ValueError(f"direction must be a finite vector of shape ({n},) that is not zero, got {direction!r}")
    line = line / np.abs(line).max()
    spacing = np.full(count, float(positive(rel_step, "rel_step", ())))
    noise, open_ = np.full(count, np.nan), np.arange(count)
    varies = np.zeros(count, bool)
    wider = np.full(count, np.nan)  # the level at a spacing 100 times as wide, if a trend might show there
    steps = np.arange(COUNT) - COUNT // 2
    for _ in range(5):
        if not len(open_):
            break
        points = call.x[open_]
        scale = np.maximum(1, np.abs(points).max(axis=1)) * spacing[open_]
        samples = (points[:, None, :] + (steps[:, None] * line) * scale[:, None, None]).astype(call.x.dtype)
        own = tuple(np.repeat(array[open_, None], COUNT, axis=1) for array in call.points.point_args)
        f = np.asarray(value(fun, samples, args, point_args=own, device=device), np.float64)
        found, verdict = ecnoise(f)
        # what is as large at a hundredth of the spacing is no trend, however large it is beside f
        steady = np.maximum(found, wider[open_]) <= AGREEMENT * np.minimum(found, wider[open_])
        found[steady] = np.hypot(found, wider[open_])[steady] / math.sqrt(2)
        verdict[steady & (verdict < 0)] = 0
        alike = (samples[:, 1:] == samples[:, :-1]).all(axis=2).any(axis=1)
        found[alike], verdict[alike] = np.nan, 0  # values of one point do not differ, whatever the noise
        varies[open_] |= found != 0
        noise[open_] = np.where(verdict < 0, np.nan, found)
        wider[open_] = np.where(verdict < 0, found, np.nan)
        spacing[open_] *= np.where(verdict > 0, 100.0, 0.01)
        open_ = open_[verdict != 0]
    noise[varies & (noise == 0)] = np.nan  # equal values at one spacing are no constant
    result = noise.astype(call.x.dtype).reshape(call.batch)
    return result if call.batch else result[()]


def _direction(n: int) -> np.ndarray:
    """A direction that no coordinate dominates, with signs and sizes that neither symmetry nor a lattice shares."""
    golden = (np.arange(1, n + 1) * (5**0.5 - 1) / 2) % 1
    return (-1.0) ** np.arange(n) * (0.5 + 0.5 * golden)


def ecnoise(f: Any) -> tuple[np.ndarray, np.ndarray]:
    """Level of noise from values on a line, shape (N, m), and whether the spacing was right.

    Returns
    -------
    noise : ndarray, shape (N,)
        NaN where differences do not tell, or half of the values are equal.
    verdict : ndarray, shape (N,)
        0: right, or hopeless (not finite); 1: too narrow, half of the values are equal; -1: too wide, a trend shows, or
        may: values differ by a tenth of the largest.
    """
    count, m = f.shape
    noise, verdict = np.full(count, np.nan), np.full(count, -1)
    finite = np.isfinite(f).all(axis=1)
    f = np.where(finite[:, None], f, 0.0)
    exponent = np.frexp(np.abs(f).max(axis=1))[1]
    f = np.ldexp(f, -exponent[:, None])  # whose squares neither over- nor underflow
    spread = f.max(axis=1) - f.min(axis=1)
    level, changes = np.empty((count, m - 1)), np.empty((count, m - 1), bool)
    difference = f
    for k in range(1, m):
        difference = np.diff(difference, axis=1)
        gamma = math.factorial(k) ** 2 / math.factorial(2 * k)
        level[:, k - 1] = np.sqrt(gamma * (difference**2).mean(axis=1))
        changes[:, k - 1] = (difference.max(axis=1) > 0) & (difference.min(axis=1) < 0)
    # the first k whose level agrees with the next two within a factor of 4, on differences of both signs
    for k in range(m - 3):
        window = level[:, k : k + 3]
        agrees = window.max(axis=1) <= AGREEMENT * window.min(axis=1)
        settled = agrees & changes[:, k] & np.isnan(noise)
        noise[settled], verdict[settled] = level[settled, k], 0
    ties = np.asarray(np.diff(np.sort(f, axis=1), axis=1) == 0, bool)
    equal = ties.sum(axis=1) >= m // 2
    verdict[equal], noise[equal] = 1, np.nan
    wide = ~equal & (spread > 0.1 * np.abs(f).max(axis=1))
    verdict[wide] = -1
    verdict[~finite], noise[~finite] = 0, np.nan
    constant = finite & (spread == 0)
    noise[constant] = 0.0
    return np.ldexp(noise, exponent), verdict
