"""eigh and eigvalsh: batches of matrices, against numpy.linalg and the definition of an eigensystem."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcurv as fc
from fastcurv.symmetric import choose

DTYPES = (np.float32, np.float64)
rng = np.random.default_rng(17)


def symmetric(*shape, dtype=np.float64):
    M = rng.standard_normal(shape)
    return (M + M.swapaxes(-1, -2)).astype(dtype)


def check(A, w, V, values):
    """An eigensystem of A, and LAPACK's eigenvalues, to 40 eps ||A||; beyond n = 160 LAPACK's own, with vectors and
    without, differ by more.
    """
    n, eps = A.shape[-1], np.finfo(w.dtype).eps
    exact, A = np.linalg.eigvalsh(A.astype(float)), A.astype(float)
    norm = np.abs(exact).max(axis=-1, initial=0)[..., None]
    for found in (w, values):
        assert (np.diff(found, axis=-1) >= 0).all()
        assert (np.abs(found - exact) <= max(40, n / 4) * eps * norm).all()
    V = V.astype(float)
    assert np.abs(V.swapaxes(-1, -2) @ V - np.eye(n)).max(initial=0) <= 60 * eps
    assert (np.linalg.norm(A @ V - V * w[..., None, :].astype(float), axis=-2) <= 60 * eps * norm).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 16, 33])
def test_batches_are_numpys(n, dtype):
    A = symmetric(50, n, n, dtype=dtype)
    found = fc.eigh(A)
    assert isinstance(found, fc.EighResult)
    assert found.eigenvalues.dtype == found.eigenvectors.dtype == dtype
    values = fc.eigvalsh(A)
    assert values.dtype == dtype
    check(A, *found, values)
    assert np.array_equal(fc.eigvalsh(A, subset="extremes"), values[:, [0, -1]])


@pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 3), (2, 1, 3), (0,), (3, 0), (0, 4)])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_shapes(batch, n):
    A = symmetric(*batch, n, n)
    w, V = fc.eigh(A)
    values = fc.eigvalsh(A)
    assert w.shape == values.shape == (*batch, n)
    assert V.shape == (*batch, n, n)
    check(A, w, V, values)
    if n:
        assert fc.eigvalsh(A, subset="extremes").shape == (*batch, 2)
    else:
        with pytest.raises(ValueError, match="at least one row"):
            fc.eigvalsh(A, subset="extremes")


def bits(*arrays):
    """What is in arrays, to the last bit and the sign of zero."""
    return [np.ascontiguousarray(array).tobytes() for array in arrays]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 6, 17, 33, 64])
def test_results_depend_on_the_matrix_alone(n, dtype):
    """Not on its neighbours (here also not finite, zero, diagonal or graded), its place, the batch or the threads."""
    A = symmetric(70, n, n, dtype=dtype)
    A[7] = np.diag(np.arange(n)) - 2 * np.eye(n)
    A[8] = 0
    A[9] *= np.outer(10.0 ** -np.arange(n), 10.0 ** -np.arange(n)).astype(dtype)
    w, V = fc.eigh(A)
    values = fc.eigvalsh(A)
    for k in (0, 1, 7, 8, 9, 17, 69):
        found, alone = fc.eigh(A[k]), fc.eigvalsh(A[k])
        assert bits(*found, alone) == bits(w[k], V[k], values[k])
    order = rng.permutation(70)
    spoilt = A[order]
    bad = rng.random(70) < 0.3
    spoilt[bad, 0, 0] = np.nan
    found, moved = fc.eigh(spoilt), fc.eigvalsh(spoilt)
    good = order[~bad]
    assert bits(found.eigenvalues[~bad], found.eigenvectors[~bad], moved[~bad]) == bits(w[good], V[good], values[good])
    assert np.isnan(moved[bad]).all()
    with fc.threads(1):
        assert bits(*fc.eigh(A), fc.eigvalsh(A)) == bits(w, V, values)


def test_few_large_matrices_go_to_lapack():
    for n, count in ((400, 1), (400, 4)):
        assert choose(np.dtype(float), n, count, True) is None
        A = symmetric(count, n, n)
        w, V = fc.eigh(A)
        check(A, w, V, w)
    assert np.isnan(fc.eigh(np.full((1, 400, 400), np.nan)).eigenvectors).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_only_the_lower_triangle_is_read(dtype):
    A = symmetric(4, 5, 5, dtype=dtype)
    upper = ~np.tri(5, dtype=bool)
    w, V = fc.eigh(A)
    for junk in (np.nan, np.inf, 1e30):
        spoilt = A.copy()
        spoilt[:, upper] = junk
        kept = spoilt.copy()
        assert np.array_equal(fc.eigh(spoilt).eigenvalues, w)
        assert np.array_equal(fc.eigh(spoilt).eigenvectors, V)
        assert np.array_equal(fc.eigvalsh(spoilt), fc.eigvalsh(A))
        assert np.array_equal(spoilt, kept, equal_nan=True)  # the input is left alone


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_matrices_that_are_not_finite_harm_no_other(n, dtype):
    A = symmetric(40, n, n, dtype=dtype)
    bad = A.copy()
    spoilt = [0, 7, 8, 39]
    for k, value in zip(spoilt, (np.nan, np.inf, -np.inf, np.nan), strict=True):
        bad[k, rng.integers(n), 0] = value
    others = np.setdiff1d(np.arange(40), spoilt)
    w, V = fc.eigh(bad)
    assert np.isnan(w[spoilt]).all()
    assert np.isnan(V[spoilt]).all()
    assert np.isnan(fc.eigvalsh(bad)[spoilt]).all()
    assert np.isnan(fc.eigvalsh(bad, subset="extremes")[spoilt]).all()
    assert np.array_equal(w[others], fc.eigh(A).eigenvalues[others])
    assert np.array_equal(V[others], fc.eigh(A).eigenvectors[others])
    assert np.array_equal(fc.eigvalsh(bad)[others], fc.eigvalsh(A)[others])


def test_known_spectra():
    Q = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    spectra = np.array(
        [np.arange(6.0), np.full(6, 2.0), np.zeros(6), [-3, -3, 0, 0, 5, 5], 10.0 ** np.arange(-9, 9, 3)]
    )
    w = fc.eigvalsh((Q * spectra[:, None]) @ Q.T)
    np.testing.assert_allclose(w, spectra, rtol=0, atol=1e-14 * max(1, spectra.max()))
    exact = np.array([[-3.0, 0, 2], [1, 1, 7]])
    found = fc.eigh([np.diag(d) for d in exact])
    assert np.array_equal(found.eigenvalues, exact)
    assert np.array_equal(np.abs(found.eigenvectors), np.broadcast_to(np.eye(3), (2, 3, 3)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_scales_near_the_ends_of_the_range(dtype):
    """A power of two as a factor of A is one of its eigenvalues."""
    info = np.finfo(dtype)
    A = symmetric(5, 4, 4, dtype=dtype)
    w, V = fc.eigh(A)
    for power in (info.maxexp - 4, info.minexp + info.nmant + 6):
        found = fc.eigh(np.ldexp(A, power))
        assert np.array_equal(found.eigenvalues, np.ldexp(w, power))
        assert np.array_equal(found.eigenvectors, V)


layouts = st.sampled_from(
    ["as it is", "fortran", "every other", "backwards", "swapped axes", "byte-swapped", "read-only", "list"]
)


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(0, 9),
    batch=st.lists(st.integers(0, 4), max_size=3),
    dtype=st.sampled_from(DTYPES),
    layout=layouts,
    seed=st.integers(0, 2**32 - 1),
)
def test_any_layout(n, batch, dtype, layout, seed):
    M = np.random.default_rng(seed).standard_normal((*batch, n, n))
    A = (M + M.swapaxes(-1, -2)).astype(dtype)
    expected = fc.eigh(A)
    if layout == "fortran":
        given_ = np.asfortranarray(A)
    elif layout == "every other":
        given_ = np.repeat(np.repeat(A, 2, axis=-1), 3, axis=-2)[..., ::3, ::2]
    elif layout == "backwards":
        given_ = np.ascontiguousarray(A[..., ::-1, ::-1])[..., ::-1, ::-1]
    elif layout == "swapped axes":
        given_ = A.swapaxes(-1, -2)
    elif layout == "byte-swapped":
        given_ = A.astype(A.dtype.newbyteorder())
    elif layout == "read-only":
        given_ = A.copy()
        given_.flags.writeable = False
    elif layout == "list" and A.size and dtype == np.float64:
        given_ = A.tolist()
    else:
        given_ = A
    w, V = fc.eigh(given_)
    assert w.dtype == V.dtype == dtype
    assert w.flags.writeable
    assert np.array_equal(w, expected.eigenvalues)
    assert np.array_equal(V, expected.eigenvectors)
    check(A, w, V, fc.eigvalsh(given_))


@settings(max_examples=60, deadline=None)
@given(
    entries=st.lists(st.integers(-3, 3), min_size=1, max_size=36),
    shift=st.integers(-5, 5),
    dtype=st.sampled_from(DTYPES),
)
def test_shifts_and_signs(entries, shift, dtype):
    """Eigenvalues of A + s I are those of A plus s, of -A those of A turned round; their sum is the trace."""
    n = int(np.sqrt(len(entries)))
    M = np.array(entries[: n * n], dtype).reshape(n, n)
    A = np.tril(M) + np.tril(M, -1).T
    w, moved, turned = fc.eigvalsh(np.stack([A, A + dtype(shift) * np.eye(n, dtype=dtype), -A]))
    tolerance = 100 * np.finfo(dtype).eps * (np.abs(A).sum() + abs(shift))
    np.testing.assert_allclose(moved, w + shift, rtol=0, atol=tolerance)
    np.testing.assert_allclose(-turned[::-1], w, rtol=0, atol=tolerance)
    np.testing.assert_allclose(w.sum(), np.trace(A), rtol=0, atol=n * tolerance)


def test_types_of_entries():
    integers = np.array([[2, 1], [1, 2]])
    for a in (integers, integers.astype(np.int8), integers.astype(np.float16), [[2, 1], [1, 2]]):
        w, V = fc.eigh(a)
        assert w.dtype == V.dtype == np.float64
        np.testing.assert_allclose(w, [1, 3], rtol=1e-15)
    assert fc.eigvalsh(np.array([[True]])).tolist() == [1.0]


@pytest.mark.parametrize("solve", [fc.eigh, fc.eigvalsh])
def test_errors_name_the_argument(solve):
    for a in (3.0, [1.0, 2.0], np.zeros((2, 3)), np.zeros((4, 2, 3))):
        with pytest.raises(ValueError, match="a must hold square matrices along its last two axes, got shape"):
            solve(a)
    for a in (np.eye(2, dtype=complex), np.array([[None]]), [["a"]], np.eye(2, dtype=np.longdouble)):
        with pytest.raises(TypeError, match="a must hold real numbers"):
            solve(a)
    with pytest.raises(TypeError, match="a must be an array"):
        solve([[1.0, 2.0], [3.0]])


def test_unknown_subset():
    for subset in ("extreme", "all", 2, (0, 1)):
        with pytest.raises(ValueError, match="subset must be None or 'extremes', got"):
            fc.eigvalsh(np.eye(2), subset=subset)


def test_a_matrix_that_lapack_does_not_solve_harms_no_other(monkeypatch):
    A = symmetric(3, 400, 400)
    expected = fc.eigh(A)

    def eigh(a, solve=np.linalg.eigh):
        if np.array_equal(a, A[1]):
            raise np.linalg.LinAlgError("Eigenvalues did not converge")
        return solve(a)

    monkeypatch.setattr(np.linalg, "eigh", eigh)
    w, V = fc.eigh(A)
    assert np.isnan(w[1]).all()
    assert np.isnan(V[1]).all()
    assert np.array_equal(w[::2], expected.eigenvalues[::2])
    assert np.array_equal(V[::2], expected.eigenvectors[::2])


def test_lapack_in_python_threads_leaves_the_blas_threads_as_they_were():
    """They are limited meanwhile: bits depend on their number."""
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    before, A = threads(), symmetric(1, 400, 400)
    w, V = fc.eigh(A)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(fc.eigh, [A] * 12):
            assert bits(*found) == bits(w, V)
    assert threads() == before


ONLY_SOLVES = """
import sys
import fastcurv as fc
fc.eigh([[2.0, 1.0], [1.0, 2.0]])
fc.eigvalsh([[2.0, 1.0], [1.0, 2.0]])
print([name for name in sys.modules if name.startswith("fastcurv.numbers")])
"""


def test_solvers_load_no_numbers_that_carry_derivatives(tmp_path):
    """What these teach Numba would change the types of `math` while solvers are compiled."""
    environment = {**os.environ, "FASTCURV_CACHE_DIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", ONLY_SOLVES], env=environment, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.strip()) == (0, "[]"), run.stderr
