"""eigh and eigvalsh: spectra of many symmetric matrices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._inputs import read_only, square_matrices
from .backends import cpu
from .backends._layout import span
from .function import compiled
from .symmetric import eigensystem, eigenvalues, work_size


class EighResult(NamedTuple):
    """Eigenvalues, shape B + (n,), ascending; eigenvectors, shape B + (n, n), in columns."""

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray


def eigh(a: Any) -> EighResult:
    """Eigenvalues and eigenvectors of many real symmetric matrices.

    Parameters
    ----------
    a : array_like, shape B + (n, n)
        Only lower triangles are read. float32 is computed in float32, all else in float64.

    Returns
    -------
    EighResult
        ``eigenvalues``, shape B + (n,), ascending, and ``eigenvectors``, shape B + (n, n), orthonormal, in columns.
        NaN for a matrix that holds NaN or infinity, and for that matrix alone.

    Notes
    -----
    Householder tridiagonalisation and QL with implicit shifts, one matrix at a time, many matrices in parallel. The
    result for a matrix does not depend on the others, nor on the number of threads.

    Examples
    --------
    >>> import fastcurv as fc
    >>> eigenvalues, vectors = fc.eigh([[2.0, 1.0], [1.0, 2.0]])
    >>> eigenvalues.round(12)
    array([1., 3.])
    """
    return EighResult(*_solve(a, True))


def eigvalsh(a: Any, *, subset: str | None = None) -> np.ndarray:
    """Eigenvalues of many real symmetric matrices.

    Parameters
    ----------
    a : array_like, shape B + (n, n)
        As for `eigh`.
    subset : {None, "extremes"}
        All eigenvalues, or the smallest and the largest.

    Returns
    -------
    ndarray, shape B + (n,), or B + (2,)
        Ascending.

    Examples
    --------
    >>> import fastcurv as fc
    >>> fc.eigvalsh([[[2.0, 1.0], [1.0, 2.0]], [[1.0, 0.0], [0.0, 5.0]]]).round(12)
    array([[1., 3.],
           [1., 5.]])
    """
    if subset not in (None, "extremes"):
        raise ValueError(f"subset must be None or 'extremes', got {subset!r}")
    found = _solve(a, False)[0]
    if subset is None:
        return found
    if found.shape[-1] == 0:
        raise ValueError("subset='extremes' needs matrices of at least one row, got shape (..., 0, 0)")
    return found[..., [0, -1]]


def _solve(a: Any, vectors: bool) -> tuple[np.ndarray, np.ndarray]:
    array = square_matrices(a)
    n = array.shape[-1]
    count = int(np.prod(array.shape[:-2]))
    w = np.empty((count, n), array.dtype)
    z = np.empty((count, n, n) if vectors else (0, 0, 0), array.dtype)
    if w.size:
        size = n * n + work_size(n) + cpu.APART

        def arguments(workers: int) -> tuple:
            return read_only(array.reshape(count, n, n)), w, z, np.empty((workers, size), array.dtype)

        # about 4 n³ operations with vectors, a third of it without
        cpu.launch_plain(cpu.Operation(_block, (vectors,)), count, 1e-9 * n**3 + 1e-7, arguments)
    return w.reshape((*array.shape[:-2], n)), z.reshape(array.shape if vectors else (0,))


def _block(vectors):
    solve_values, solve_vectors = compiled(eigenvalues, "symmetric"), compiled(eigensystem, "symmetric")

    def block(task, worker, layout, matrices, w, z, scratch):
        n = matrices.shape[1]
        a = scratch[worker, : n * n].reshape((n, n))
        work = scratch[worker, n * n :]
        first, last = span(layout, task, len(matrices))
        for b in range(first, last):
            for i in range(n):
                for j in range(i + 1):
                    a[i, j] = matrices[b, i, j]
            if vectors:
                solve_vectors(a, w[b], z[b], work)
            else:
                solve_values(a, w[b], work)

    return block
