"""eigh and eigvalsh: spectra of many symmetric matrices."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ._call import by_device, on_device
from ._inputs import lives_on_device, new_array, read_only, square_matrices
from ._plan import device_of
from .backends import cpu
from .backends._kernels import Operation
from .backends._layout import span
from .backends._threads import get_threads, one_at_a_time
from .function import compiled, inlined
from .simd import own_row, unpack
from .symmetric import (
    LEFT_IN_DOUBLE,
    LEFT_TO_LAPACK,
    Way,
    choose,
    choose_lanes,
    pack,
    places_size,
    scratch,
    stages,
    stride_of,
    unpack_columns,
    unpack_rows,
    unpack_values,
    work_size,
)


class EighResult(NamedTuple):
    """Eigenvalues, shape B + (n,), ascending; eigenvectors, shape B + (n, n), in columns."""

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray


def eigh(a: Any, *, device: str = "auto") -> EighResult:
    """Eigenvalues and eigenvectors of many real symmetric matrices.

    Parameters
    ----------
    a : array_like, shape B + (n, n)
        Only lower triangles are read. float32 is computed in float32, all else in float64.
    device : {"auto", "cpu", "cuda", "cuda:1", ...}
        Where to compute; "auto" is where `a` lives. CUDA devices solve matrices of up to 48 rows, values alone of up
        to 64, by Jacobi's method; larger ones by cuSOLVER.

    Returns
    -------
    EighResult
        ``eigenvalues``, shape B + (n,), ascending, and ``eigenvectors``, shape B + (n, n), orthonormal, in columns.
        NaN for a matrix that holds NaN or infinity, or does not converge, and for that matrix alone.

    Raises
    ------
    TypeError, ValueError
        If `a` holds no square matrices of real numbers.
    DeviceError
        If `device` is a GPU that is not there, or the matrices are large, and cuSOLVER is not there or refuses them.

    Notes
    -----
    Several matrices at once, one in each lane of the processor's vectors: Jacobi's method for n = 2 and 3, above
    Householder tridiagonalisation, QL without square roots, and vectors by twisted factorisations (Parlett & Dhillon,
    Linear Algebra Appl. 267, 1997); where eigenvalues are equal to rounding, vectors by inverse iteration, and where
    many are, by QL, above n = 32 in double precision, from n = 150 on by LAPACK. The result for a matrix does not
    depend on the others, its place, nor on the number of threads.
    LAPACK solves, with vectors, matrices of n = 512 and more, and batches of up to four from n = 400 on: there, and by
    cuSOLVER, the last digits may differ from those of the same matrix in another batch.

    Examples
    --------
    >>> import fastcurv as fc
    >>> eigenvalues, vectors = fc.eigh([[2.0, 1.0], [1.0, 2.0]])
    >>> eigenvalues.round(12)
    array([1., 3.])
    """
    return EighResult(*_solve(a, True, device))


def eigvalsh(a: Any, *, subset: str | None = None, device: str = "auto") -> np.ndarray:
    """Eigenvalues of many real symmetric matrices.

    Parameters
    ----------
    a : array_like, shape B + (n, n)
        As for `eigh`.
    subset : {None, "extremes"}
        All eigenvalues, or the smallest and the largest.
    device : {"auto", "cpu", "cuda", "cuda:1", ...}
        As for `eigh`.

    Returns
    -------
    ndarray, shape B + (n,), or B + (2,)
        Ascending.

    Raises
    ------
    TypeError, ValueError
        If `a` holds no square matrices of real numbers, or there is no such `subset`.
    DeviceError
        If `device` is a GPU that is not there, or the matrices are large, and cuSOLVER is not there or refuses them.

    Notes
    -----
    As of `eigh`; LAPACK solves batches of one, two or three matrices from n = 180, 256 and 450 on.

    Examples
    --------
    >>> import fastcurv as fc
    >>> fc.eigvalsh([[[2.0, 1.0], [1.0, 2.0]], [[1.0, 0.0], [0.0, 5.0]]]).round(12)
    array([[1., 3.],
           [1., 5.]])
    """
    if subset not in (None, "extremes"):
        raise ValueError(f"subset must be None or 'extremes', got {subset!r}")
    found = _solve(a, False, device)[0]
    if subset is None:
        return found
    if tuple(found.shape)[-1] == 0:
        raise ValueError("subset='extremes' needs matrices of at least one row, got shape (..., 0, 0)")
    return on_device().extremes(found, device) if lives_on_device(found) else found[..., [0, -1]]


def _solve(a: Any, vectors: bool, device: Any) -> tuple[Any, Any]:
    ordinal = device_of(device)
    if lives_on_device(a):
        return on_device().solve_array(a, vectors, device)
    array = square_matrices(a)
    if ordinal is not None:
        return by_device().solve(ordinal, array, vectors)
    n = array.shape[-1]
    matrices = read_only(array.reshape(prod(array.shape[:-2]), n, n))
    if matrices.size == 0:
        w, z = np.empty(matrices.shape[:2], array.dtype), np.empty(matrices.shape, array.dtype)
    elif (way := choose(array.dtype, n, len(matrices), vectors, get_threads())) is None:
        w, z = by_lapack(matrices, vectors)
    else:
        w, z = by_ways(matrices, way)
    return w.reshape((*array.shape[:-2], n)), z.reshape(array.shape if vectors else (0,))


def by_ways(matrices: np.ndarray, way: Way) -> tuple[np.ndarray, np.ndarray]:
    """The same by a way, and by others for the matrices that it leaves out."""
    w, z, failed = in_lanes(matrices, way)
    (rest,) = failed.nonzero()
    if rest.size:
        others = _left_out(read_only(matrices[rest]), way)
        with np.errstate(over="ignore", under="ignore"):  # numbers of double precision, rounded
            w[rest], z[rest if way.vectors else slice(0)] = (x.astype(w.dtype, copy=False) + 0 for x in others)
    return w, z


def _left_out(matrices: np.ndarray, way: Way) -> tuple[np.ndarray, np.ndarray]:
    """The same of matrices that a way left out: in double precision, by QL, or by LAPACK."""
    count, n, _ = matrices.shape
    if matrices.dtype == np.float32 and n >= LEFT_IN_DOUBLE and way.is_twisted:
        matrices = read_only(matrices.astype(np.float64))
        return by_ways(matrices, choose_lanes(matrices.dtype, n, count, True, get_threads()))
    if n >= LEFT_TO_LAPACK or not way.is_twisted:
        return by_lapack(matrices, way.vectors)
    return by_ways(matrices, choose_lanes(matrices.dtype, n, count, True, get_threads(), by_rotations=True))


def in_lanes(matrices: np.ndarray, way: Way) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues, eigenvectors (of none, unless the way gives them), and which matrices the way does not solve."""
    count, n, _ = matrices.shape
    known = _operation(way, n)
    w, failed = np.empty((count, n), matrices.dtype), np.empty(count, np.bool_)
    z = new_array((count if known.vectors else 0, n, n), matrices.dtype)

    def arguments(workers: int) -> tuple:
        work = cpu.scratch(workers, known.work, matrices.dtype)
        places = np.empty((workers, known.places + cpu.APART), np.intp)
        return matrices.reshape(-1), n, w.reshape(-1), z.reshape(-1), failed, work, places

    cpu.launch_plain(known.operation, -(-count // known.group), known.seconds, arguments)
    return w, z, failed


class _Known(NamedTuple):
    """What is known of a way at an order: sizes of scratch, and about how long a group takes."""

    operation: Operation
    group: int
    vectors: bool
    work: int
    places: int
    seconds: float


@lru_cache(maxsize=1024)
def _operation(way: Way, n: int) -> _Known:
    seconds = way.group * (3e-10 * n**3 + 1e-8 * n**2) / (1 if way.vectors else 3)
    return _Known(Operation(_block, (way,)), way.group, way.vectors, work_size(way, n), places_size(way, n), seconds)


def by_lapack(matrices: np.ndarray, vectors: bool) -> tuple[np.ndarray, np.ndarray]:
    """The same by LAPACK, several matrices at once; on one BLAS thread each, for bits depend on their number."""
    count, n, _ = matrices.shape
    w = np.full((count, n), np.nan, matrices.dtype)
    z = np.full((count if vectors else 0, n, n), np.nan, matrices.dtype)

    def solve(b: int) -> None:
        if np.isfinite(matrices[b]).all() or np.isfinite(np.tril(matrices[b])).all():
            with suppress(np.linalg.LinAlgError):  # of a matrix that does not converge: NaN
                if vectors:
                    w[b], z[b] = np.linalg.eigh(matrices[b])
                else:
                    w[b] = np.linalg.eigvalsh(matrices[b])

    with one_at_a_time("LAPACK"), _blas().limit(limits=1, user_api="blas"):  # the limit is that of the process
        if count == 1 or get_threads() == 1:
            for b in range(count):
                solve(b)
        else:
            from concurrent.futures import ThreadPoolExecutor  # slow to import

            with ThreadPoolExecutor(get_threads()) as pool:
                list(pool.map(solve, range(count)))
    return w, z


@cache
def _blas() -> Any:
    """The libraries that have threads of their own: to find them takes milliseconds."""
    from threadpoolctl import ThreadpoolController  # seldom needed, and slow to import

    return ThreadpoolController()


@cache
def compiled_stages(way: Way) -> tuple[Any, ...]:
    """The two stages of a way, for all kernels that solve.

    Their loops are short: calls within them would cost, and addresses that the compiler does not know.
    """
    tag = f"symmetric_{way.tag}"
    return tuple(compiled(stage, tag, exact=True, inline_helpers=True) for stage in stages(way))


def _block(way: Way):
    tag = f"symmetric_{way.tag}"
    reduce_part, finish = compiled_stages(way)
    packed, values_out = compiled(pack, tag), compiled(unpack_values, tag)
    unpacked, vectors_out = compiled(unpack, tag), compiled(unpack_rows, tag)
    columns_out = compiled(unpack_columns, tag)
    offsets, distance = inlined(scratch), inlined(stride_of)  # as in the stages, where they are compiled anyway
    lanes, parts, group, register, side, known = way.lanes, way.parts, way.group, way.register, way.block, way.n
    unit, is_factored = way.unit, way.is_factored
    packing, vectors, is_twisted = min(side, lanes), way.vectors, way.is_twisted
    small = min(side, 4)

    def block(task, worker, layout, matrices, n, w, z, failed, scratch_rows, places_rows):
        n = known if known > 0 else n
        count = len(failed)
        first, last = span(layout, task, -(-count // group))
        work, places = own_row(scratch_rows, worker), places_rows[worker]
        at, stride = offsets(n, lanes, unit, parts, register, is_factored), distance(n, lanes, unit)
        results = work[at.vectors :]
        order = results[2 * n * group :]
        others = results[4 * n * group :]
        rows = n if register == 0 else -(-n // register) * register
        for k in range(first, last):
            begin = k * group
            here = min(group, count - begin)
            for part in range(parts):
                present = min(max(here - part * lanes, 0), lanes)
                packed(matrices, (begin + part * lanes) * n * n, present, n, work, stride, lanes, packing)
                reduce_part(work, n, part, present)
            finish(work, places, n, here)
            values_out(results, n, here, w, begin * n, group)
            for lane in range(here):
                failed[begin + lane] = others[group + lane] != 0
            if vectors and known > 0 and here == group:
                for lane in range(0, group, side):
                    unpacked(work, n * n, lanes, lane, z, (begin + lane) * n * n, n * n, side)
            elif vectors and known > 0:
                for lane in range(0, here, side):
                    unpacked(work, n * n, lanes, lane, work, at.z + lane * n * n, n * n, side)
                for i in range(here * n * n):
                    z[begin * n * n + i] = work[at.z + i]
            elif is_twisted and register > 0:
                for lane in range(here):
                    for i in range(n):
                        row, target = at.z + (lane * rows + i) * at.stride, ((begin + lane) * n + i) * n
                        for k in range(n):
                            z[target + k] = work[row + k] + 0.0
            elif is_twisted:
                if n >= side:
                    columns_out(work, at.rows, stride, n, here, group, z, begin * n * n, n * n, n, side)
                else:
                    columns_out(work, at.rows, stride, n, here, group, z, begin * n * n, n * n, n, small)
            elif vectors:
                size = rows * at.stride
                if register == 0:
                    for lane in range(0, here, side):
                        unpacked(work, size, lanes, lane, work, at.z + lane * size, size, side)
                for lane in range(here):
                    row, target, poison = at.z + lane * size, (begin + lane) * n * n, others[lane] * 0
                    vectors_out(work, row, at.stride, order, n, z, target, lane, group, places, poison, side)

    return block
