"""Which matrices eigenvectors by twisted factorisations serve, and what becomes of the others."""

import numpy as np
import pytest

import fastcurv as fc
from fastcurv._eigen import in_lanes
from fastcurv.simd import native_lanes
from fastcurv.symmetric import Way, choose_lanes

from .test_symmetric import DTYPES, ORTHOGONALITY, RESIDUAL, defects, symmetric

KINDS = ("twisted", "twisted matrix")


def way(kind, dtype):
    lanes = native_lanes(np.dtype(dtype))
    return Way(np.dtype(dtype).str, kind, 2 * lanes if kind == "twisted" else lanes, 1 if kind == "twisted" else 2)


def spectrum(kind, n, rng):
    if kind == "random":
        return rng.standard_normal(n)
    if kind == "graded":
        return 10.0 ** (-16 * np.arange(n) / n)
    return rng.integers(-1, 2, n) + 1e-10 * rng.standard_normal(n)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("eigenvalues", ["random", "graded"])
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
@pytest.mark.parametrize("n", [12, 40])
def test_what_it_cannot_separate_is_left_to_ql(n, dtype):
    """Clusters narrower than rounding among others: each is solved, and changes no bit of its neighbours."""
    rng = np.random.default_rng(2)
    A = rng.standard_normal((50, n, n))
    A = (A + A.swapaxes(1, 2)).astype(dtype)
    clustered = np.arange(0, 50, 3)
    width = 1e-4 * np.finfo(dtype).eps
    mixed = A.copy()
    for b in clustered:
        mixed[b] = symmetric(rng, rng.integers(-1, 2, n) + width * rng.standard_normal(n))
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
