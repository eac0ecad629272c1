"""The eigensolver against mpmath at 50 digits, LAPACK, and the definition of an eigensystem."""

from decimal import Decimal, localcontext

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard, hilbert, lapack, qr

import fastcurv as fc
from fastcurv._eigen import compiled_stages, in_lanes
from fastcurv._inputs import read_only
from fastcurv._read_outs import group_reader
from fastcurv.backends import _kernels
from fastcurv.function import _compile, compiled
from fastcurv.simd import lane_array, native_lanes, splat
from fastcurv.symmetric import Way, _ql, _solve, _tridiagonal, choose_lanes
from fastcurv.symmetric._limits import LIMITS

from .test_stress import blocks

DTYPES = (np.float32, np.float64)
RESIDUAL = 25  # in eps ||A||_2
ORTHOGONALITY = 30  # in eps, to n = 64
AGREEMENT = 40  # in eps ||A||_2, between values alone and values with vectors


def symmetric(rng, eigenvalues):
    """A dense symmetric matrix with about these eigenvalues."""
    n = len(eigenvalues)
    Q = qr(rng.standard_normal((n, n)))[0]
    A = (Q * eigenvalues) @ Q.T
    return (A + A.T) / 2


def exponent(A):
    """The k with 2^(k-1) <= max|A| < 2^k."""
    return int(np.frexp(np.abs(A).max(initial=0))[1])


def normalised(x, k):
    """2^-k x, in extended precision where the platform has it."""
    return np.ldexp(x.astype(np.longdouble), -k)


def defects(A, w, V):
    """max_j ||A v_j - lambda_j v_j|| / ||A||_2 and max|V'V - I|, in eps; A of any scale."""
    eps = np.finfo(A.dtype).eps
    k = exponent(A)
    A, w, V = normalised(A, k), normalised(w, k), V.astype(np.longdouble)
    norm = np.abs(np.linalg.eigvalsh(A.astype(np.float64))).max() or 1.0
    residual = np.sqrt(((A @ V - V * w) ** 2).sum(axis=0)).max() / norm
    orthogonality = np.abs(V.T @ V - np.eye(len(w))).max()
    return float(residual / eps), float(orthogonality / eps)


def rounding_of_result(A):
    """What rounding an eigenvalue to a subnormal number may add to the error, in eps ||A||, about."""
    info = np.finfo(A.dtype)
    largest = float(np.abs(A).max(initial=0))
    return float(info.smallest_subnormal) / largest / float(info.eps) if largest > 0 else 0.0


def check(A, solve):
    """[(w, V), ...] and [w, ...] for A (order 64 at most), in every way, which satisfy everything that is promised."""
    systems, values = solve(A)
    slack, k = rounding_of_result(A), exponent(A)
    norm = np.abs(np.linalg.eigvalsh(normalised(A, k).astype(np.float64))).max()
    for w, V in systems:
        assert w.dtype == V.dtype == A.dtype
        assert np.all(np.diff(w) >= 0)
        residual, orthogonality = defects(A, w, V)
        assert residual <= RESIDUAL + slack * np.sqrt(len(A))
        assert orthogonality <= ORTHOGONALITY
        for alone in values:
            assert alone.dtype == A.dtype
            assert np.all(np.diff(alone) >= 0)
            gap = np.abs(normalised(w, k) - normalised(alone, k)).max()
            assert gap <= (AGREEMENT + 2 * slack) * np.finfo(A.dtype).eps * norm
    return systems, values


def every_spectrum(found):
    """All eigenvalues that `solve` found."""
    systems, values = found
    return [w for w, _ in systems] + values


def wilkinson(m):
    """W(2m+1)+: pairs of eigenvalues that agree to many digits."""
    return np.diag(np.abs(np.arange(-m, m + 1.0))) + np.eye(2 * m + 1, k=1) + np.eye(2 * m + 1, k=-1)


def glued_wilkinson():
    """Two W7+ with a weak bond."""
    A = np.kron(np.eye(2), wilkinson(3))
    A[7, 6] = A[6, 7] = 1e-9
    return A


def graded(powers):
    """D M D: entries over the whole range of powers."""
    D = 10.0 ** np.asarray(powers)
    M = symmetric(np.random.default_rng(5), np.arange(1.0, len(D) + 1))
    return D[:, None] * M * D


RNG = np.random.default_rng(7)
HARD = {
    "wilkinson": wilkinson(5),
    "glued": glued_wilkinson(),
    "hilbert": hilbert(8),
    "clustered": symmetric(RNG, [1, 1 + 1e-14, 1 + 1e-13, 1, 1, 2, 2, -1]),
    "graded down": graded([150, 80, 3, -40, -110, -150]),
    "graded up": graded([-150, -110, -40, 3, 80, 150]),
    "graded in float32": graded([15, 8, 1, -4, -11, -15]),
    "graded mildly": graded([-4, 3, 0, 2, -1, 4]),
    "huge": 1e300 * symmetric(RNG, np.arange(-3.0, 4)),
    "tiny": 1e-300 * symmetric(RNG, np.arange(-3.0, 4)),
    "subnormal": np.ldexp(np.rint(1e3 * symmetric(RNG, np.arange(-3.0, 4))), -1074),
    "smallest": np.ldexp(np.ones((3, 3)), -1074),
    "rank 1": np.outer(np.arange(1.0, 8), np.arange(1.0, 8)),
    "ones": np.ones((9, 9)),
    "weak row": np.array([[1, 0.5, 1e-130], [0.5, 1, 1e-130], [1e-130, 1e-130, 0]]),
    "weak row in float32": np.array([[1, 0.5, 1e-11], [0.5, 1, 1e-11], [1e-11, 1e-11, 0]]),
    "zero": np.zeros((5, 5)),
    "identity": np.eye(6),
    "diagonal": np.diag([3.0, -1, 2, 0, 1e-200, 1e200]),
    "exchange": np.eye(7)[::-1].copy(),
    "exchange of pairs": np.kron(np.eye(3), [[0.0, 1], [1, 0]]),
    "second difference": 2 * np.eye(10) - np.eye(10, k=1) - np.eye(10, k=-1),
    "arrow": np.diag(np.arange(8.0)) + np.outer(np.eye(8)[0], np.ones(8)) + np.outer(np.ones(8), np.eye(8)[0]),
    "pair": np.array([[1.0, 1e-9], [1e-9, 1.0]]),
    "pair, far apart": np.array([[1e200, 1.0], [1.0, -1e-200]]),
    "pair, antidiagonal": np.array([[0.0, -2.0], [-2.0, 0.0]]),
}


HARD_CASES = [
    pytest.param(A.astype(dtype), id=f"{name}-{dtype.__name__}")
    for name, A in HARD.items()
    for dtype in DTYPES
    if np.abs(A).max() < np.finfo(dtype).max
]


@pytest.mark.parametrize("A", HARD_CASES)
def test_hard_matrices_against_50_digits(A, solve):
    found = every_spectrum(check(A, solve))
    with mpmath.workdps(50):
        exact = mpmath.eigsy(mpmath.matrix(A.astype(float).tolist()), eigvals_only=True)
        exact = sorted(exact)
        norm = max(abs(x) for x in exact)
        tolerance = (RESIDUAL + rounding_of_result(A)) * float(np.finfo(A.dtype).eps) * norm
        for computed in found:
            error = max(abs(mpmath.mpf(float(x)) - y) for x, y in zip(computed, exact, strict=True))
            assert error <= tolerance


def tridiagonal(A):
    """Diagonal and couplings of Q'AQ, by Householder's reflections in extended precision."""
    A = normalised(A, exponent(A))
    n = len(A)
    for k in range(n - 2):
        u = A[k + 1 :, k].copy()
        norm = np.sqrt((u * u).sum())
        if norm == np.abs(u[0]):
            continue
        u[0] += np.copysign(norm, u[0])
        u /= np.sqrt((u * u).sum())
        A[k + 1 :] -= 2 * np.outer(u, u @ A[k + 1 :])
        A[:, k + 1 :] -= 2 * np.outer(A[:, k + 1 :] @ u, u)
    return np.diag(A), np.diag(A, 1)


def eigenvalues_below(d, e, shifts):
    """How many eigenvalues of a tridiagonal matrix lie below each shift: negative pivots, to 50 digits."""

    def exactly(x):  # a long double is the sum of two doubles
        high = x.astype(float)
        return np.array([Decimal(a) + Decimal(b) for a, b in zip(high, (x - high).astype(float), strict=True)])

    with localcontext(prec=50):
        d, e, shifts = exactly(d), exactly(e), exactly(shifts)
        pivot, count = d[0] - shifts, 0
        for i in range(len(d)):
            if i > 0:
                pivot = d[i] - shifts - e[i - 1] ** 2 / np.where(pivot == 0, Decimal("1e-60"), pivot)
            count = count + (pivot < 0)
    return count


LARGE = {
    "wilkinson": wilkinson(127),
    "glued": np.kron(np.eye(12), wilkinson(10)) + 1e-9 * (np.eye(252, k=1) + np.eye(252, k=-1)),
    "hilbert": hilbert(256),
    "clustered": symmetric(RNG, np.repeat([1, 1 + 1e-13, -1, 2], 64)),
    "graded": graded(np.linspace(150, -150, 200)),
    "graded in float32": graded(np.linspace(-15, 15, 200)),
    "huge": 1e300 * symmetric(RNG, np.arange(-128.0, 128)) / 128,
    "tiny": 1e-300 * symmetric(RNG, np.arange(-128.0, 128)),
    "rank 1": np.outer(np.arange(1.0, 257), np.arange(1.0, 257)),
    "permutation": np.eye(256)[:, np.arange(256) ^ 37],
}


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="the reference needs extended precision")
@pytest.mark.parametrize(
    "A",
    [
        pytest.param(A.astype(dtype), id=f"{name}-{dtype.__name__}")
        for name, A in LARGE.items()
        for dtype in DTYPES
        if np.finfo(dtype).tiny < np.abs(A).max() < np.finfo(dtype).max
    ],
)
def test_large_hard_matrices_against_50_digits(A, solve):
    """Every tenth eigenvalue, and the largest: Sturm counts a tolerance below and above it."""
    d, e = tridiagonal(A)
    numbers = np.unique(np.r_[0 : len(A) : 10, len(A) - 1])
    for w in every_spectrum(solve(A)):
        found = normalised(w, exponent(A))
        tolerance = RESIDUAL * np.finfo(A.dtype).eps * np.abs(found).max()
        assert (eigenvalues_below(d, e, found[numbers] - tolerance) <= numbers).all()
        assert (eigenvalues_below(d, e, found[numbers] + tolerance) > numbers).all()


def test_sturm_counts():
    """The reference for large matrices, on a spectrum that is known."""
    A = HARD["second difference"]
    exact = 2 - 2 * np.cos(np.pi * np.arange(1, 11) / 11)
    M = symmetric(np.random.default_rng(9), exact)
    for B in (A, M):
        d, e = tridiagonal(B)
        for gap, expected in ((-1e-13, 0), (1e-13, 1)):
            shifts = np.ldexp((exact + gap).astype(np.longdouble), -exponent(B))
            assert (eigenvalues_below(d, e, shifts) == np.arange(10) + expected).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 3, 9, 20])
def test_range_of_the_precision(n, dtype, solve):
    """Multiplication of A by a power of two multiplies eigenvalues, and changes no bit otherwise."""
    info = np.finfo(dtype)
    A = symmetric(np.random.default_rng(3), np.linspace(-1, 1, n)).astype(dtype)
    found = every_spectrum(check(A, solve))
    for k in (info.maxexp - 2, info.minexp + info.nmant + 12):
        systems, values = solve(np.ldexp(A, k))
        for scaled, w in zip(every_spectrum((systems, values)), found, strict=True):
            np.testing.assert_array_equal(scaled[[0, -1]], np.ldexp(w, k)[[0, -1]])
        for _, V in systems:
            assert np.abs(V.T.astype(float) @ V - np.eye(n)).max() <= ORTHOGONALITY * info.eps
    check(np.ldexp(A, info.minexp - 4), solve)  # entries lose digits


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 17, 24, 31, 33, 48, 64])
def test_random_matrices_against_lapack(n, dtype, solve):
    rng = np.random.default_rng(n)
    for _ in range(3):
        M = rng.standard_normal((n, n))
        A = (M + M.T).astype(dtype)
        exact = np.linalg.eigvalsh(A.astype(np.float64))
        tolerance = AGREEMENT * np.finfo(dtype).eps * np.abs(exact).max()
        for w in every_spectrum(check(A, solve)):
            np.testing.assert_allclose(w, exact, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("dtype", "syevd"), [(np.float32, lapack.ssyevd), (np.float64, lapack.dsyevd)])
@pytest.mark.parametrize("n", [100, 128, 256])
def test_large_matrices_against_lapack(n, dtype, syevd, solve):
    """Residuals of QL grow with the root of n, those of LAPACK's divide and conquer do not: 2.3 times these at n = 128.

    Values alone, of QL without square roots here and there, differ from LAPACK's values with vectors by up to 34 eps
    at n = 256.
    """
    M = np.random.default_rng(0).standard_normal((n, n))
    A = (M + M.T).astype(dtype)
    lapack_w, lapack_V, info = syevd(A)
    assert info == 0
    _, lapack_orthogonality = defects(A, lapack_w, lapack_V)
    systems, values = solve(A)
    for w, V in systems:
        residual, orthogonality = defects(A, w, V)
        assert residual <= RESIDUAL
        assert orthogonality <= 2 * lapack_orthogonality
        for alone in values:
            assert np.abs(w - alone).max() <= AGREEMENT * np.finfo(dtype).eps * np.abs(w).max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [140, 256])
def test_values_alone_are_those_with_vectors(n, dtype):
    """QL's own largest eigenvalues of a matrix of order 256 are up to 47 eps off."""
    M = np.random.default_rng(n).standard_normal((40, n, n))
    A = (M + M.swapaxes(1, 2)).astype(dtype)
    w = fc.eigh(A)[0]
    assert np.abs(w - fc.eigvalsh(A)).max() <= 0.75 * AGREEMENT * np.finfo(dtype).eps * np.abs(w).max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [48, 64])
def test_vectors_of_large_matrices_are_of_unit_length(n, dtype, solve):
    """Of deficient rank above all: many rotations by small angles shorten vectors."""
    X = np.random.default_rng(2).standard_normal((n, 5))
    for _, V in check((X @ X.T).astype(dtype), solve)[0]:
        assert np.abs((V.astype(np.longdouble) ** 2).sum(axis=0) - 1).max() <= 2.5 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 3, 12, 40])
def test_eigenvectors_of_a_known_matrix(n, dtype, solve):
    """Second differences: lambda_k = 2 - 2 cos(k pi / (n+1)), v_k = sin(j k pi / (n+1))."""
    angles = np.pi * np.arange(1, n + 1) / (n + 1)
    exact = np.sqrt(2 / (n + 1)) * np.sin(np.outer(np.arange(1, n + 1), angles))
    tolerance = 100 * np.finfo(dtype).eps
    for w, V in check((2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)).astype(dtype), solve)[0]:
        np.testing.assert_allclose(w, 2 - 2 * np.cos(angles), rtol=0, atol=tolerance)
        cosines = np.abs((exact * V).sum(axis=0))
        np.testing.assert_allclose(cosines, 1, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 2, 3, 9, 17])
def test_not_finite(n, bad, dtype, solve):
    for i, k in {(0, 0), (n - 1, 0), (n - 1, n - 1), (n // 2, n // 2)}:
        A = np.eye(n, dtype=dtype)
        A[i, k] = bad
        systems, values = solve(A)
        for result in [*values, *(part for system in systems for part in system)]:
            assert np.isnan(result).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_order_one(dtype, solve):
    for x in (-3.5, 0.0, np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal):
        systems, values = solve(np.array([[x]], dtype))
        assert every_spectrum((systems, values)) == [dtype(x)] * (len(systems) + len(values))
        assert all(abs(V[0, 0]) == 1 for _, V in systems)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 3, 7, 18])
def test_diagonal_matrices_are_exact(n, dtype, solve):
    d = np.resize(np.array([2, -1, 1e10, 0, 3e-10, -1e-5, 2], dtype), n)
    systems, values = solve(np.diag(d))
    for w in every_spectrum((systems, values)):
        np.testing.assert_array_equal(w, np.sort(d))
    for _, V in systems:
        np.testing.assert_array_equal(np.abs(V).sum(axis=0), 1)


@pytest.fixture
def without_sweeps(monkeypatch):
    """Kernels that allow no sweeps: no matrix converges but those that need none."""
    monkeypatch.setattr(_ql, "SWEEPS_PER_EIGENVALUE", 0)
    monkeypatch.setattr(_solve, "SWEEPS_PER_EIGENVALUE", 0)
    monkeypatch.setattr(_kernels, "_known", {})
    monkeypatch.setattr(_kernels, "package_digest", lambda: "without sweeps")
    monkeypatch.setattr(_compile, "_rebuilds", {})
    for made in (compiled_stages, group_reader):
        made.cache_clear()
    yield
    for made in (compiled_stages, group_reader):
        made.cache_clear()


@pytest.mark.usefixtures("without_sweeps")
@pytest.mark.parametrize("n", [5, 30])
def test_what_does_not_converge_goes_to_lapack(n):
    """The others are left alone."""
    M = np.random.default_rng(1).standard_normal((3, n, n))
    A = M + M.swapaxes(1, 2)
    A[1] = np.diag(np.arange(n))
    for vectors in (False, True):
        way = choose_lanes(A.dtype, n, len(A), vectors)
        assert in_lanes(read_only(A), way)[2].tolist() == [True, False, True]
    w, V = fc.eigh(A)
    expected, expected_V = np.linalg.eigh(A)
    assert np.array_equal(w, expected)
    assert np.array_equal(V[[0, 2]], expected_V[[0, 2]])
    assert np.array_equal(fc.eigvalsh(A)[[0, 2]], np.linalg.eigvalsh(A)[[0, 2]])


@pytest.mark.usefixtures("without_sweeps")
def test_curvature_tells_what_does_not_converge():
    assert fc.curvature(lambda x: 0.5 * x[0] ** 2 + x[0] * x[1] * x[2] * x[3], np.ones(4)).status == -4


PROPERTY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def matrices(draw, kind):
    n = draw(st.integers(1, 40))
    dtype = draw(st.sampled_from(DTYPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "random":
        M = rng.uniform(-1, 1, (n, n))
    elif kind == "integer":
        M = rng.integers(-2, 3, (n, n)).astype(float)
    elif kind == "rank deficient":
        X = rng.standard_normal((n, draw(st.integers(0, n))))
        M = X @ X.T
    else:  # entries of every scale that the precision has
        limit = np.log10(float(np.finfo(dtype).max)) - 2
        M = rng.choice([-1.0, 0.0, 1.0], (n, n)) * 10.0 ** rng.uniform(-limit, limit, (n, n))
    return (np.tril(M) + np.tril(M, -1).T).astype(dtype)


@PROPERTY
@given(data=st.data())
@pytest.mark.parametrize("kind", ["random", "integer", "rank deficient", "mixed scales"])
def test_any_matrix(kind, data, solve):
    check(data.draw(matrices(kind)), solve)


@PROPERTY
@given(data=st.data())
def test_any_pair(data, solve):
    dtype = data.draw(st.sampled_from(DTYPES))
    limit = float(np.finfo(dtype).max) / 4
    entry = st.floats(-limit, limit, width=np.finfo(dtype).bits)
    a, b, c = (data.draw(entry) for _ in range(3))
    check(np.array([[a, b], [b, c]], dtype), solve)


# ---- which matrices twisted factorisations serve, and what becomes of the others

KINDS = ("twisted", "twisted matrix")


def way(kind, dtype):
    lanes = native_lanes(np.dtype(dtype))
    return Way(np.dtype(dtype).str, kind, 2 * lanes if kind == "twisted" else lanes, 1 if kind == "twisted" else 2)


def spectrum(kind, n, rng):
    if kind == "random":
        return rng.standard_normal(n)
    if kind == "graded":
        return 10.0 ** (-16 * np.arange(n) / n)
    if kind == "graded below":
        return -(10.0 ** (-16 * np.arange(n) / n))
    return rng.integers(-1, 2, n) + 1e-10 * rng.standard_normal(n)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("eigenvalues", ["random", "graded", "graded below"])
def test_it_serves_nearly_all(eigenvalues, kind, dtype):
    rng = np.random.default_rng(0)
    for n in (16, 33):
        A = np.array([symmetric(rng, spectrum(eigenvalues, n, rng)) for _ in range(100)]).astype(dtype)
        w, V, failed = in_lanes(A, way(kind, dtype))
        assert failed.sum() <= 1
        for b in np.flatnonzero(~failed):
            residual, orthogonality = defects(A[b], w[b], V[b])
            assert residual <= RESIDUAL
            assert orthogonality <= ORTHOGONALITY


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [20, 48])
def test_clusters_of_graded_matrices(n, dtype):
    """What is left of a vector when those of its cluster are taken out errs by more: it must lose all others, too."""
    rng, eps = np.random.default_rng(n), np.finfo(dtype).eps
    w = 10.0 ** -rng.integers(0, 18, (200, n)) * (
        1 + eps * 10.0 ** rng.uniform(0, 4, (200, 1)) * rng.standard_normal((200, n))
    )
    A = np.array([symmetric(rng, row) for row in w]).astype(dtype)
    values, V = fc.eigh(A)
    found = np.array([defects(*each) for each in zip(A, values, V, strict=True)])
    assert (found <= [RESIDUAL, ORTHOGONALITY]).all()


@pytest.mark.parametrize("seed", [89, 230])
def test_what_is_left_of_a_vector_is_one(seed):
    """20 eigenvalues within some ten eps: what others left of a vector was not looked at, residuals of 35 eps."""
    rng, eps = np.random.default_rng(seed), np.finfo(float).eps
    spectra = [
        np.r_[rng.uniform(-1, 1, 4), 0.6 + width * eps * rng.standard_normal(20)] for width in rng.uniform(5, 40, 400)
    ]
    A = np.array([symmetric(rng, w) for w in spectra])
    values, V = fc.eigh(A)
    assert max(defects(*each)[0] for each in zip(A, values, V, strict=True)) <= RESIDUAL


def pairs(rng, count, n, gap):
    """Dense matrices whose eigenvalues are pairs at equal distances, apart by about `gap`."""
    w = np.repeat(np.linspace(-1, 1, n // 2), 2) + gap * rng.standard_normal((count, n))
    return np.array([symmetric(rng, row) for row in w])


@pytest.mark.parametrize(("dtype", "seed"), [(np.float32, 23), (np.float64, 9)])
def test_vectors_of_pairs(dtype, seed):
    """Neighbours are just beyond intervals of one width; where a residual is large they are to be wider: 54 eps."""
    rng, eps = np.random.default_rng(seed), np.finfo(dtype).eps
    A = pairs(rng, 120, 64, eps * rng.choice([20, 50, 100, 300], (120, 1))).astype(dtype)
    values, V = fc.eigh(A)
    assert max(defects(*each)[1] for each in zip(A, values, V, strict=True)) <= ORTHOGONALITY


def test_corrections_do_not_lead_to_neighbours():
    """Pairs that are closer than QL's values alone may be wrong: both became the same one of the two, 57 eps."""
    rng, eps = np.random.default_rng(0), np.finfo(float).eps
    A = np.concatenate([pairs(rng, 40, 136, gap * eps) for gap in (35, 60)])
    found, expected = fc.eigvalsh(A), fc.eigh(A)[0]  # which are off by some six eps
    assert np.abs(found - expected).max() <= AGREEMENT * eps * np.abs(expected).max()


def test_values_of_reflections():
    """Eigenvalues 0.7 and -0.7: what rounding did in one sweep it did in all, 26 eps (LAPACK 16)."""
    rng, eps = np.random.default_rng(1), np.finfo(float).eps
    signs = np.sort(rng.choice([-1.0, 1.0], (600, 64)), axis=1)
    A = np.array([0.7 * symmetric(rng, row) for row in signs])
    assert np.abs(fc.eigvalsh(A) - 0.7 * signs).max() <= 20 * eps * 0.7


@pytest.mark.parametrize(("dtype", "seed"), [(np.float32, 13), (np.float64, 32)])
def test_vectors_beyond_a_cluster(dtype, seed):
    """Of 24 eigenvalues 22 are 1 to rounding, one lies where vectors were not made orthogonal before: 41 and 86 eps."""
    rng, eps = np.random.default_rng(seed), np.finfo(dtype).eps
    below = rng.uniform(0.9345, 0.9372, 400)
    A = np.array([symmetric(rng, np.r_[w, 0.9995, 1 + 2 * eps * rng.standard_normal(22)]) for w in below]).astype(dtype)
    values, V = fc.eigh(A)
    assert max(defects(*each)[1] for each in zip(A, values, V, strict=True)) <= ORTHOGONALITY


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_equal_eigenvalues_of_separate_blocks_have_vectors_of_their_own(kind, dtype):
    """Four times the same block: every eigenvalue is fourfold, and the tridiagonal matrix has four blocks."""
    rng = np.random.default_rng(1)
    A = np.array([np.kron(np.eye(4), symmetric(rng, rng.standard_normal(5))) for _ in range(20)]).astype(dtype)
    w, V, failed = in_lanes(A, way(kind, dtype))
    assert not failed.any()
    for b in range(len(A)):
        residual, orthogonality = defects(A[b], w[b], V[b])
        assert residual <= RESIDUAL
        assert orthogonality <= ORTHOGONALITY
        assert np.all((np.abs(V[b].reshape(4, 5, 20)).max(axis=1) > 0).sum(axis=0) == 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_serves_zero_matrices(kind, dtype):
    """Lanes without a matrix hold them: none may be taken for one whose vectors are to be found again."""
    for n in (16, 33):
        w, V, failed = in_lanes(np.zeros((3, n, n), dtype), way(kind, dtype))
        assert not failed.any()
        assert (w == 0).all()
        assert (np.eye(n) == V).all()


def clusters(rng, count, n, width):
    """Dense matrices of three eigenvalues, each n / 3 times but for `width`."""
    w = rng.integers(-1, 2, (count, n)) + width * rng.standard_normal((count, n))
    return np.array([symmetric(rng, row) for row in w])


@pytest.mark.parametrize("update", [_tridiagonal.update_by_twos, _tridiagonal.update_by_fours])
def test_rows_that_are_updated_together(update):
    """Two or four, as there are registers: T of a matrix in each of two lanes has its eigenvalues."""
    limits = LIMITS[np.dtype(np.float64)]

    def kernel(work, others, n):
        a = lane_array(work, 0, (n, 2 * n), 2)
        d, e = lane_array(others, 0, (n, 2), 2), lane_array(others, 2 * n, (n, 2), 2)
        q, y = lane_array(others, 4 * n, n, 2), lane_array(others, 6 * n, n, 2)
        one = splat(1.0, a[0, 0])
        _tridiagonal.tridiagonalise(a, n, one, one > 0.0, d, e, 0, q, y, (a, q, y), 1, update, limits)

    run = compiled(kernel, f"test_{update.__name__}", exact=True, inline_helpers=True, entry=True)
    rng = np.random.default_rng(7)
    for n in (3, 4, 5, 6, 7, 8, 9, 30):
        A = rng.standard_normal((2, n, n))
        A += np.swapaxes(A, 1, 2)
        work, others = A.transpose(1, 2, 0).flatten(), np.empty(8 * n)
        run(work, others, n)
        d, e = others[: 4 * n].reshape(2, n, 2)
        for k in range(2):
            T = np.diag(d[:, k]) + np.diag(e[:-1, k], 1) + np.diag(e[:-1, k], -1)
            exact = np.linalg.eigvalsh(A[k])
            assert np.abs(np.linalg.eigvalsh(T) - exact).max() <= 30 * np.finfo(float).eps * np.abs(exact).max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("n", "width", "share"), [(5, 0, 0), (16, 0, 0), (41, 0, 0), (64, 0, 0), (16, 1e2, 0.3), (40, 1e6, 0.05)]
)
def test_vectors_of_clusters(n, width, share, kind, dtype):
    """Of those as wide as QL's errors, but not equal, many are left to others."""
    A = clusters(np.random.default_rng(4), 60, n, width * np.finfo(dtype).eps).astype(dtype)
    w, V, failed = in_lanes(A, way(kind, dtype))
    assert failed.mean() <= share
    for b in np.flatnonzero(~failed):
        residual, orthogonality = defects(A[b], w[b], V[b])
        assert residual <= RESIDUAL
        assert orthogonality <= ORTHOGONALITY
        assert (np.diff(w[b]) >= 0).all()
    if width == 0:
        assert np.abs(w - np.round(w)).max() <= 10 * np.finfo(dtype).eps  # QL's are off by up to 25 eps, LAPACK's by 16


@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors_of_reflections(dtype):
    """By QL residuals were up to 28 eps, 21 of these (LAPACK 13)."""
    rng, eps = np.random.default_rng(3), np.finfo(dtype).eps
    A = np.array([symmetric(rng, row) for row in rng.choice([-1.0, 1.0], (300, 64))]).astype(dtype)
    w, V = fc.eigh(A)
    assert max(defects(*each)[0] for each in zip(A, w, V, strict=True)) <= 15
    assert np.abs(w - fc.eigvalsh(A)).max() <= 20 * eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_multiple_eigenvalues_of_several_blocks(dtype):
    """Some of one tridiagonal block, some of others: all of a cluster become one number, in order."""
    rng = np.random.default_rng(5)
    part = symmetric(rng, [0.0, 0.0, 0.0, 1.0, 1.0, 2.0])
    A = np.array([np.kron(np.diag(rng.permutation([1.0, 1.0, 0.5, 2.0])), part) for _ in range(40)]).astype(dtype)
    A[::3] += 1e-3 * np.finfo(dtype).eps * np.eye(24, dtype=dtype)[::-1]
    w, V = fc.eigh(A)
    assert (np.diff(w) >= 0).all()
    for each in zip(A, w, V, strict=True):
        residual, orthogonality = defects(*each)
        assert residual <= RESIDUAL
        assert orthogonality <= ORTHOGONALITY
    expected = np.sort(np.kron([1.0, 1.0, 0.5, 2.0], [0.0, 0.0, 0.0, 1.0, 1.0, 2.0]))
    assert np.abs(w - expected).max() <= 8 * np.finfo(dtype).eps * 4


@pytest.mark.parametrize(("dtype", "seed"), [(np.float64, 0), (np.float32, 1)])
@pytest.mark.parametrize("count", [1, 40])
def test_repeated_rows(count, dtype, seed):
    """Equal summands are rounded in one direction: of such matrices vectors were off by 30 eps, at n = 130 by 56."""
    rng = np.random.default_rng(seed)
    c = rng.integers(-2, 3, (40, 4, 4)).astype(float)
    A = np.array([np.kron(np.ones((16, 16)), x + x.T) for x in c]).astype(dtype)
    for M in A[:: 40 // count]:
        w, V = (x[0] for x in fc.eigh(np.array([M] * count)))
        residual, orthogonality = defects(M, w, V)
        assert residual <= 12
        assert orthogonality <= 12


def test_hadamard_matrix():
    n = 130
    A = hadamard(256)[:n, :n].astype(float)
    w, V = fc.eigh(np.array([A] * 16))
    residual, orthogonality = defects(A, w[0], V[0])
    assert residual <= 16  # LAPACK 8, before 56
    assert orthogonality <= 12


def test_factorisations_without_a_number_do_not_take_turns():
    """Of two eigenvalues at once each was factorised again as soon as the other was, without end."""
    eps = 2.0**-23
    d = [1, 0, 1, 1, -1, 0, 0, -1, -1, 1, -1, 0, 1, 1, 1, 1, 0, 0, 1, 0]
    e = [1e-8, 1e-8, 0, eps, 0, 1, 10 * eps, 10 * eps, 10 * eps, 1e-8, 0, 1e-8, 1e-8, 0, 0, 100 * eps, 100 * eps]
    e = [*e, 10 * eps, 1e-8]
    A = (np.diag(d) + np.diag(e, 1) + np.diag(e, -1)).astype(np.float32)
    w, V = fc.eigh(np.array([A] * 40))
    residual, orthogonality = defects(A, w[0], V[0])
    assert residual <= RESIDUAL
    assert orthogonality <= ORTHOGONALITY


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [24, 40])
def test_what_it_cannot_separate_is_left_to_ql(n, dtype):
    """Clusters of what rounding cannot tell apart, but not equal, among others: each is solved, and changes no bit."""
    rng = np.random.default_rng(2)
    A = rng.standard_normal((50, n, n))
    A = (A + A.swapaxes(1, 2)).astype(dtype)
    clustered = np.arange(0, 50, 3)
    mixed = A.copy()
    mixed[clustered] = clusters(rng, len(clustered), n, 45 * np.finfo(dtype).eps)
    _, _, failed = in_lanes(mixed, choose_lanes(np.dtype(dtype), n, 50, True))
    assert failed[clustered].any()
    assert not np.delete(failed, clustered).any()
    w, V = fc.eigh(mixed)
    for b in clustered:
        residual, orthogonality = defects(mixed[b], w[b], V[b])
        assert residual <= RESIDUAL
        assert orthogonality <= ORTHOGONALITY
    w_alone, V_alone = fc.eigh(A)
    others = np.delete(np.arange(50), clustered)
    np.testing.assert_array_equal(w[others], w_alone[others])
    np.testing.assert_array_equal(V[others], V_alone[others])


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_matrices_are_solved_one_by_one(dtype):
    """With the same bits as among others."""
    A = np.random.default_rng(4).standard_normal((20, 40, 40)).astype(dtype)
    assert choose_lanes(A.dtype, 40, 2, True).group == 1
    (w, V), expected = fc.eigh(A[3:5]), fc.eigh(A)
    np.testing.assert_array_equal(w, expected.eigenvalues[3:5])
    np.testing.assert_array_equal(V, expected.eigenvectors[3:5])


@pytest.mark.parametrize("seed", [60, 122])
def test_what_is_left_of_large_matrices_in_single_precision_is_solved_in_double(seed):
    """By QL residuals were up to 53 eps, and vectors orthogonal to 42 eps."""
    A = blocks("graded", 128, np.float32, np.random.default_rng(seed), 64)
    failed = in_lanes(read_only(A), choose_lanes(A.dtype, 128, 64, True))[2]
    assert failed.any()
    w, V = fc.eigh(A)
    for b in np.flatnonzero(failed):
        residual, orthogonality = defects(A[b], w[b], V[b])
        assert residual <= 2
        assert orthogonality <= 2
        assert (np.diff(w[b]) >= 0).all()


def test_eigenvalues_beyond_single_precision_are_infinite():
    """Those of matrices that are solved in double precision, too."""
    rng, limits = np.random.default_rng(3), np.finfo(np.float32)
    w = np.r_[np.zeros(48), 1 + 45 * limits.eps * rng.standard_normal(24)]
    A = np.array(3 * [1.5 * float(limits.max) * np.tril(symmetric(rng, w))], np.float32)
    assert in_lanes(read_only(A), choose_lanes(A.dtype, 72, 3, True))[2].all()
    w, V = fc.eigh(A)
    assert (w[:, -24:] == np.inf).all()
    np.testing.assert_allclose(V[0] @ V[0].T, np.eye(72), atol=1e-6)


def test_what_is_left_of_very_large_matrices_goes_to_lapack():
    rng = np.random.default_rng(3)
    A = np.stack([clusters(rng, 1, 160, 45 * np.finfo(float).eps)[0], symmetric(rng, rng.standard_normal(160))])
    A = np.tril(A) + np.tril(A, -1).swapaxes(1, 2)
    A = A[[0, 1, 0, 1]]
    assert in_lanes(read_only(A), choose_lanes(A.dtype, 160, 4, True))[2].tolist() == [True, False] * 2
    w, V = fc.eigh(A)
    expected = np.linalg.eigh(A[0])
    np.testing.assert_array_equal(w[0], expected.eigenvalues)
    np.testing.assert_array_equal(V[2], expected.eigenvectors)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vanishing_pivots(dtype):
    """Diagonals of 0 and 1 with tiny couplings: what takes the place of a pivot that vanishes must be negligible."""
    rng = np.random.default_rng(3)
    for n in (4, 5, 6, 8):
        A = np.zeros((4000, n, n), dtype)
        i = np.arange(n)
        A[:, i, i] = rng.integers(0, 2, (len(A), n))
        exponents = rng.integers(0, 12, (len(A), n - 1))
        A[:, i[1:], i[:-1]] = A[:, i[:-1], i[1:]] = np.where(exponents == 11, 0.0, 2.0**-exponents)
        exact = np.linalg.eigvalsh(A.astype(np.float64))
        error = np.abs(fc.eigvalsh(A) - exact).max(axis=1) / np.abs(exact).max(axis=1)
        assert error.max() <= 15 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entries", [(range(-2, 3), range(3)), ((0, 0.5, 1, 2.5), (0, 1, 2.0**-10, 2.0**-30))])
def test_pivots_that_vanish_exactly(entries, dtype):
    """Entries of few digits in several blocks: where no row of its own has a number, no vector is found."""
    rng, n = np.random.default_rng(1), 24
    d, e = rng.choice(entries[0], (3000, n)), rng.choice(entries[1], (3000, n - 1))
    A = np.array([np.diag(x) + np.diag(y, 1) + np.diag(y, -1) for x, y in zip(d, e, strict=True)], dtype)
    w, V = (found.astype(float) for found in fc.eigh(A))
    norm = np.abs(w).max(axis=1)[:, None]
    assert (np.linalg.norm(A @ V - V * w[:, None], axis=1) <= RESIDUAL * np.finfo(dtype).eps * norm).all()
    assert np.abs(V.swapaxes(1, 2) @ V - np.eye(n)).max() <= ORTHOGONALITY * np.finfo(dtype).eps


TRIDIAGONAL = [
    (np.float32, [1, 0, 0, 0, 0, 1], [2.0**-9, 2.0**-8, 1, 2.0**-9, 2.0**-9]),
    (np.float32, [0, 0, 0, 0], [1, 1e-4, 1e-9]),
    (np.float64, [0, 0, 0, 0, 0], [1e-50, 1, 1e-90, 1e-50]),
]


@pytest.mark.parametrize(("dtype", "d", "e"), TRIDIAGONAL)
def test_small_perturbations_of_zero_diagonals(dtype, d, e):
    """Where a pivot vanishes in every sweep: eigenvalues are right, and found by QL itself."""
    A = (np.diag(d) + np.diag(e, 1) + np.diag(e, -1)).astype(dtype)
    found, _, failed = in_lanes(np.stack([A] * 3), choose_lanes(np.dtype(dtype), len(A), 3, False))
    assert not failed.any()
    assert np.abs(found - np.linalg.eigvalsh(A.astype(float))).max() <= 8 * np.finfo(dtype).eps


@pytest.mark.parametrize(("dtype", "least"), [(np.float32, 18), (np.float64, 120)])
def test_tiny_couplings_converge(dtype, least):
    """QL finds all eigenvalues itself where couplings are as small as what it drops (LAPACK errs by 1e-10 for some)."""
    rng = np.random.default_rng(4)
    for n in (4, 5, 7):
        A = np.zeros((3000, n, n), dtype)
        i = np.arange(n)
        A[:, i, i] = rng.integers(-1, 2, (len(A), n))
        A[:, i[1:], i[:-1]] = A[:, i[:-1], i[1:]] = 10.0 ** -rng.uniform(0, least, (len(A), n - 1))
        way = choose_lanes(np.dtype(dtype), n, len(A), False)
        found, _, failed = in_lanes(A, way)
        assert not failed.any()
        numbers, tolerance = np.arange(n), 8 * np.finfo(dtype).eps
        for k in range(0, len(A), 20):
            d, e, w = A[k].diagonal().astype(float), A[k].diagonal(1).astype(float), found[k].astype(float)
            assert (eigenvalues_below(d, e, w - tolerance) <= numbers).all()
            assert (eigenvalues_below(d, e, w + tolerance) > numbers).all()


def test_rows_that_are_coupled_to_no_other_keep_their_eigenvalue():
    """Hessians of functions that leave out their last coordinates have exact zeros."""
    rng = np.random.default_rng(5)
    for last in (0.0, 3.0):
        A = np.zeros((200, 9, 9))
        block = rng.standard_normal((200, 6, 6))
        A[:, :6, :6] = block + block.transpose(0, 2, 1)
        A[:, [6, 7, 8], [6, 7, 8]] = last
        assert ((fc.eigvalsh(A) == last).sum(axis=1) == 3).all()


@pytest.mark.parametrize("seed", [21, 59])
def test_blocks_that_wait_are_not_rounded_in_every_sweep(seed):
    """Clusters give many blocks: where all were turned in every sweep, values alone were off by 31 to 35 eps."""
    n, rng = 96, np.random.default_rng(seed)
    A = np.array([symmetric(rng, spectrum("clustered", n, rng)) for _ in range(8)])
    assert np.abs(fc.eigvalsh(A) - np.linalg.eigh(A)[0]).max() <= 25 * np.finfo(float).eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [9, 40])
def test_values_do_not_depend_on_the_blocks_of_neighbours(n, dtype):
    """Bits of clustered matrices, whose blocks end anywhere, are the same alone and among any others."""
    rng, lanes = np.random.default_rng(n), native_lanes(dtype)
    kinds = [spectrum(kind, n, rng) for kind in ("clustered", "random", "graded") for _ in range(2 * lanes)]
    A = np.array([symmetric(rng, w) for w in kinds]).astype(dtype)
    A[::4, n // 2 :, : n // 2] = 0  # two blocks or more
    A[::4, : n // 2, n // 2 :] = 0
    kind = choose_lanes(np.dtype(dtype), n, len(A), False).kind
    alone = in_lanes(A, Way(np.dtype(dtype).str, kind, 1, 1))[0]
    for way in (Way(np.dtype(dtype).str, kind, lanes, 2), Way(np.dtype(dtype).str, kind, 2 * lanes, 1)):
        for _ in range(3):
            order = rng.permutation(len(A))
            group = A[order]
            group[::5] = np.nan
            found = in_lanes(group, way)[0]
            kept = np.arange(len(A)) % 5 > 0
            assert found[kept].tobytes() == alone[order][kept].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("neighbour", ["close", "graded", "graded below"])
def test_eigenvectors_do_not_depend_on_their_neighbours(neighbour, dtype):
    """Close eigenvalues have vectors made orthogonal, graded ones are factored in another way: neither of their group.

    Nor does random company change the vectors of such a matrix.
    """
    n, lanes, rng = 40, 2 * native_lanes(dtype), np.random.default_rng(0)
    A = rng.standard_normal((400, n, n))
    w = 1 + 1e-3 * np.arange(n) if neighbour == "close" else spectrum(neighbour, n, rng)
    A = (A + A.transpose(0, 2, 1)).astype(dtype)
    other = symmetric(rng, w).astype(dtype)[None]
    alone = in_lanes(np.concatenate([A, other]), Way(np.dtype(dtype).str, "twisted", 1, 1))[1]
    for k in range(0, len(A) - lanes, lanes - 1):
        group = np.concatenate([A[k : k + lanes - 1], other])
        found = in_lanes(group, Way(np.dtype(dtype).str, "twisted", lanes, 1))[1]
        assert np.array_equal(found[:-1], alone[k : k + lanes - 1])
        assert np.array_equal(found[-1], alone[-1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [8, 24, 30, 60, 64])
def test_of_low_rank_matrices_only_rounding_is_left(n, dtype):
    """Adjacency matrices of stars, and of cliques with loops: after two to four rows all is rounding errors."""
    rng, center = np.random.default_rng(n), np.arange(n) == n // 2
    star, middle = np.zeros((n, n)), np.zeros((n, n))
    star[0, 1:] = star[1:, 0] = 1
    middle[center] = middle[:, center] = 1
    middle[center, center] = 0
    clique = rng.integers(0, 4, (100, n))
    factors = np.linspace(0.5, 2, 100)[:, None, None]
    for M in (star, middle, clique[:, :, None] == clique[:, None]):
        A = (factors * M).astype(dtype)
        w, V = fc.eigh(A)
        for k in range(len(A)):
            residual, orthogonality = defects(A[k], w[k], V[k])
            assert residual <= RESIDUAL
            assert orthogonality <= ORTHOGONALITY


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 16, 33, 100])
def test_tridiagonal_matrices_are_what_they_are_among_others(n, dtype):
    """Where all of a group are, they are left as they are: the bits are those of transformations by nothing."""
    rng = np.random.default_rng(n)
    A, i = np.zeros((64, n, n), dtype), np.arange(n)
    A[:, i, i] = rng.standard_normal((64, n))
    A[:32, i[1:], i[:-1]] = A[:32, i[:-1], i[1:]] = rng.standard_normal((32, n - 1))
    mixed, full = A.copy(), rng.standard_normal((32, n, n))
    mixed[1::2] = full + np.swapaxes(full, 1, 2)
    (w, V), values = fc.eigh(A), fc.eigvalsh(A)
    (w_mixed, V_mixed), values_mixed = fc.eigh(mixed), fc.eigvalsh(mixed)
    for found, other in ((w, w_mixed), (V, V_mixed), (values, values_mixed)):
        assert found[::2].tobytes() == other[::2].tobytes()
    for k in (0, 1, 40):
        residual, orthogonality = defects(A[k], w[k], V[k])
        assert residual <= RESIDUAL
        assert orthogonality <= 2 * ORTHOGONALITY
        gap = np.abs(values[k] - np.linalg.eigvalsh(A[k].astype(float))).max()
        assert gap <= 5 * AGREEMENT * np.finfo(dtype).eps
