"""Hessians whose structural zeros are left out: values on one pattern that all points share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class SparseHessians(NamedTuple):
    """Hessians at points of batch shape B, as compressed rows on one pattern; ``H[b]`` is that of one point.

    Attributes
    ----------
    values : ndarray, shape B + (m,)
        The entries that do not vanish everywhere, row by row, of both triangles.
    columns : ndarray of int, shape (m,)
        The column of each.
    row_starts : ndarray of int, shape (n + 1,)
        Row i has entries ``row_starts[i]`` to ``row_starts[i + 1] - 1``.
    """

    values: np.ndarray
    columns: np.ndarray
    row_starts: np.ndarray

    def __repr__(self) -> str:
        kept, all_ = len(self.columns), (len(self.row_starts) - 1) ** 2
        return f"SparseHessians of shape {self.shape}, {kept:,} of {all_:,} entries do not vanish"

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the dense Hessians, B + (n, n)."""
        n = len(self.row_starts) - 1
        return (*self.values.shape[:-1], n, n)

    def __getitem__(self, point: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The Hessian of one point, a `scipy.sparse.csr_array`, by its index in the batch."""
        from scipy.sparse import csr_array  # slow to import

        values = self.values[point]
        if values.ndim != 1:
            raise IndexError(f"H[...] is the Hessian of one point of a batch of shape {self.shape[:-2]}, got {point!r}")
        return csr_array((values, self.columns, self.row_starts), shape=self.shape[-2:])


def compressed(pairs: list[tuple[int, int]], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and starts of rows of places that are sorted row by row."""
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    return columns.copy(), np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
