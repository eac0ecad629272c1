"""A million matrices of every kind, each held to what is promised: `pytest -m stress tests/symmetric`."""

import numpy as np
import pytest

import fastcurv as fc

BLOCK = 5000
BLOCKS = {1: 1, 2: 7, 3: 7, 4: 5, 5: 3, 8: 3, 13: 1, 16: 1, 24: 1, 33: 1, 40: 1, 64: 1}
"""Blocks of each size, of every kind and precision: 2,200,000 matrices in all."""


def blocks(kind, n, dtype, rng, number=BLOCK):
    """A block of so many matrices of order n."""
    limit = np.log10(float(np.finfo(dtype).max)) - 3
    if kind == "random":
        M = rng.standard_normal((number, n, n))
    elif kind == "integer":
        M = rng.integers(-3, 4, (number, n, n)).astype(float)
    elif kind == "clustered":
        Q = np.linalg.qr(rng.standard_normal((number, n, n)))[0]
        most, width = rng.integers(1, 5, (number, 1)), 10.0 ** rng.uniform(-3, 7, (number, 1))
        w = rng.integers(-most, most + 1, (number, n)) + np.finfo(dtype).eps * width * rng.standard_normal((number, n))
        w *= np.where(rng.random((number, 1)) < 0.3, 10.0 ** -rng.integers(0, 12, (number, n)), 1.0)
        M = (Q * w[:, None]) @ Q.swapaxes(1, 2)
    elif kind == "graded":
        Q = np.linalg.qr(rng.standard_normal((number, n, n)))[0]
        powers = 10.0 ** rng.uniform(0, 1.5, (number, 1)) * rng.random((number, n))
        width = np.finfo(dtype).eps * 10.0 ** rng.uniform(-2, 6, (number, 1))
        clusters = 10.0 ** -np.floor(powers) * (1 + width * rng.standard_normal((number, n)))
        w = np.where(rng.random((number, 1)) < 0.4, clusters, 10.0**-powers)
        w = np.where(rng.random((number, 1)) < 0.2, 1 - w, w) * rng.choice([-1, 1], (number, 1))
        w = w * np.where(rng.random((number, 1)) < 0.2, rng.choice([-1, 1], (number, n)), 1)
        M = (Q * w[:, None]) @ Q.swapaxes(1, 2)
    elif kind == "groups":
        Q = np.linalg.qr(rng.standard_normal((number, n, n)))[0]
        places = np.arange(n) // rng.integers(2, 6, (number, 1))
        gaps = np.finfo(dtype).eps * 10.0 ** rng.uniform(0, 5, (number, 1)) * rng.standard_normal((number, n))
        w = np.linspace(-1, 1, (n + 1) // 2)[places] + gaps
        M = (Q * w[:, None]) @ Q.swapaxes(1, 2)
    elif kind == "mixed scales":
        M = rng.choice([-1.0, 0.0, 1.0], (number, n, n)) * 10.0 ** rng.uniform(-limit, limit, (number, n, n))
    else:
        X = rng.standard_normal((number, n, n)) * (np.arange(n) < rng.integers(0, n + 1, (number, 1, 1)))
        M = X @ X.swapaxes(1, 2)
    M = np.tril(M) + np.tril(M, -1).swapaxes(1, 2)
    return M.astype(dtype)


def scaled(A):
    """Each matrix over the power of two next to its largest entry, and those exponents."""
    exponents = np.frexp(np.abs(A).max(axis=(1, 2)))[1]
    return np.ldexp(A.astype(np.longdouble), -exponents[:, None, None]), exponents


@pytest.mark.stress
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "kind", ["random", "integer", "clustered", "graded", "groups", "mixed scales", "rank deficient"]
)
def test_no_violation(kind, dtype):
    rng = np.random.default_rng(0)
    eps = float(np.finfo(dtype).eps)
    for n, count in BLOCKS.items():
        for _ in range(count):
            A = blocks(kind, n, dtype, rng)
            (w, V), values = fc.eigh(A), fc.eigvalsh(A)
            B, exponents = scaled(A)
            lost = 4 * np.sqrt(n) * np.ldexp(float(np.finfo(dtype).smallest_subnormal), -exponents)  # in rounding w
            v = V.astype(np.longdouble)
            d, alone = (np.ldexp(x.astype(np.longdouble), -exponents[:, None]) for x in (w, values))
            norm = np.abs(d).max(axis=1).astype(float)
            residual = np.sqrt(((B @ v - v * d[:, None]) ** 2).sum(axis=1)).max(axis=1).astype(float)
            orthogonality = np.abs(v.swapaxes(1, 2) @ v - np.eye(n)).max(axis=(1, 2)).astype(float)
            assert (np.diff(w, axis=1) >= 0).all()
            assert (np.diff(values, axis=1) >= 0).all()
            assert (residual <= 25 * eps * norm + lost).all(), (kind, n, (residual / norm).max() / eps)
            assert (orthogonality <= 30 * eps).all(), (kind, n, orthogonality.max() / eps)
            assert (np.abs(d - alone).max(axis=1) <= 40 * eps * norm + lost).all()
