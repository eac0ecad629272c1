"""What is done with results where they are: on the host, by NumPy; `backends/_cuda_results.py` has the same of devices.

What results are known to is in `_rounding`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._inputs import read_only, rounded
from ._rounding import add_noise, estimate_all, of_forms, of_rows
from ._rounding import nearby as _nearby
from .backends.cpu import Shares

__all__ = [
    "add_noise", "after", "entries", "estimate_all", "has_positive", "nearby", "of_forms", "of_rows", "own_numbers",
    "part", "repeated", "room", "settle", "symmetrise", "zeros",
]  # fmt: skip

room, zeros = np.empty, np.zeros


def settle(status: np.ndarray, shared: Shares, *results: np.ndarray) -> np.ndarray:
    """One status for each point; where a point had several tasks, what one of them found poisons all."""
    if not shared.is_within:
        return status
    parts, count = int(shared.layout[1]), len(results[0])
    status = status.reshape(-1, parts, shared.lanes).min(axis=1).reshape(-1)[:count].copy()
    for array in results:
        array[status != 0] = np.nan
    return status


def symmetrise(*matrices: np.ndarray) -> None:
    """The mean of matrices (N, n, n) and their transposes, in place."""
    for array in matrices:
        if array.size:
            array += array.swapaxes(1, 2)
            array *= 0.5


def nearby(x: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Points a few roundings away: see `_rounding`."""
    return read_only(_nearby(x, bounds))


def own_numbers(arrays: tuple[np.ndarray, ...], count: int) -> np.ndarray:
    """Arrays (N, ...) side by side as numbers of float64: what each point has of its own."""
    parts = [array.reshape(count, math.prod(array.shape[1:])) for array in arrays]
    return read_only(np.concatenate(parts, axis=1, dtype=np.float64)) if parts else np.zeros((count, 0))


def repeated(rows: Any, each: int) -> np.ndarray:
    """Each row so many times."""
    return rows if each == 1 else read_only(np.repeat(rows, each, axis=0))


def entries(numbers: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Some of the numbers."""
    return numbers[places]


def after(first: float, others: np.ndarray) -> np.ndarray:
    """A number, and others after it."""
    return np.concatenate([[first], others])


def has_positive(numbers: np.ndarray) -> bool:
    """Whether one of them is."""
    return bool((numbers > 0).any())


def part(rows: np.ndarray, *arrays: np.ndarray) -> None:
    """Copy rows of numbers into arrays (N, ...), so many columns to each as it has room for."""
    first = 0
    for array in arrays:
        width = math.prod(array.shape[1:])
        array[...] = rounded(rows[:, first : first + width].reshape(array.shape), array.dtype)
        first += width
