"""The case table that asv, pytest-benchmark and the peers share: functions, data, points; deterministic.

Plain Python in Numba's subset: the classical functions are fastcurv's landscapes, the models are here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from fastcurv.landscapes import ackley, lennard_jones, muller_brown, rastrigin, rosenbrock

Sampler = Callable[[np.random.Generator, int, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Case:
    """A function R^n -> R with its data, and the points at which it is measured."""

    name: str
    fun: Callable[..., Any]
    n: int
    number: int
    """Points in one measurement: 1-100 ms of central differences, at most 8 MB of Hessians."""
    args: tuple[np.ndarray, ...] = ()
    sample: Sampler = lambda rng, number, n: rng.uniform(-1.0, 1.0, size=(number, n))

    def points(self, number: int | None = None) -> np.ndarray:
        """The case's points, shape (number, n): always the same ones."""
        return self.sample(np.random.default_rng(1), self.number if number is None else number, self.n)


def logistic_regression(w, A, y):
    """Negative log-likelihood of labels y = ±1 with a ridge."""
    s = 0.0
    for r in range(A.shape[0]):
        z = 0.0
        for k in range(A.shape[1]):
            z += A[r, k] * w[k]
        s += math.log(1.0 + math.exp(-y[r] * z))
    for k in range(len(w)):
        s += 0.05 * w[k] * w[k]
    return s


def mlp(w, A, y):
    """Mean squared error of a network with 3 inputs, 6 tanh units and 1 output: 18 + 6 + 6 + 1 weights."""
    s = 0.0
    for r in range(A.shape[0]):
        output = w[30]
        for h in range(6):
            z = w[18 + h]
            for k in range(3):
                z += A[r, k] * w[3 * h + k]
            output += w[24 + h] * math.tanh(z)
        d = output - y[r]
        s += d * d
    return s / A.shape[0]


def huber(w, A, y):
    """Huber's loss of a linear regression: quadratic to |r| = 1, linear beyond."""
    s = 0.0
    for r in range(A.shape[0]):
        z = -y[r]
        for k in range(A.shape[1]):
            z += A[r, k] * w[k]
        if z > 1.0:
            s += z - 0.5
        elif z < -1.0:
            s += -z - 0.5
        else:
            s += 0.5 * z * z
    return s


_rng = np.random.default_rng(0)
_A20 = _rng.normal(size=(64, 20))
_LABELS = np.sign(_rng.normal(size=64))
_A3 = _rng.normal(size=(64, 3))
_TARGETS = np.sin(_A3.sum(axis=1))
_RESPONSES = _rng.normal(size=64)


def _clusters(rng: np.random.Generator, number: int, n: int) -> np.ndarray:
    """Thirteen sites of a cubic lattice, shaken: no two atoms come close."""
    lattice = np.array([[i, j, k] for i in range(3) for j in range(3) for k in range(2)], dtype=float)
    return 1.2 * lattice.ravel()[:n] + 0.08 * rng.normal(size=(number, n))


def _away_from_kinks(rng: np.random.Generator, number: int, n: int) -> np.ndarray:
    """Weights with no residual within 0.01 of Huber's kinks, where a difference straddles two branches."""
    kept: list[np.ndarray] = []
    while sum(map(len, kept)) < number:
        w = rng.uniform(-1.0, 1.0, size=(4 * number, n))
        distance = np.abs(np.abs(w @ _A20.T - _RESPONSES) - 1.0)
        kept.append(w[distance.min(axis=1) > 0.01])
    return np.concatenate(kept)[:number].copy()


CASES = (
    Case("Rosenbrock 2", rosenbrock, 2, 50_000),
    Case("Müller-Brown 2", muller_brown, 2, 50_000),
    Case("Rosenbrock 4", rosenbrock, 4, 20_000),
    Case("Rosenbrock 8", rosenbrock, 8, 15_000),
    Case("Rosenbrock 16", rosenbrock, 16, 4_000),
    Case("Rosenbrock 32", rosenbrock, 32, 1_000),
    Case("Rastrigin 8", rastrigin, 8, 3_000),
    Case("Rastrigin 16", rastrigin, 16, 400),
    Case("Ackley 8", ackley, 8, 3_000),
    Case("Ackley 16", ackley, 16, 400),
    Case("logistic regression 20", logistic_regression, 20, 64, (_A20, _LABELS)),
    Case("Lennard-Jones 39", lennard_jones, 39, 128, sample=_clusters),
    Case("MLP 31", mlp, 31, 16, (_A3, _TARGETS)),
    Case("Huber 20", huber, 20, 128, (_A20, _RESPONSES), _away_from_kinks),
)
BY_NAME = {case.name: case for case in CASES}
NAMES = tuple(BY_NAME)


SPECTRA = ("random", "clustered", "graded")


@lru_cache(maxsize=4)
def symmetric_matrices(number: int, n: int, spectrum: str = "random") -> np.ndarray:
    """Symmetric matrices, shape (number, n, n); cached, for asv repeats a setup before every call.

    Random entries; or eigenvalues in three clusters of width 1e-10; or eigenvalues from 1 to 1e-16.
    """
    rng = np.random.default_rng(2)
    a = rng.normal(size=(number, n, n))
    if spectrum == "random":
        return a + np.swapaxes(a, -1, -2)
    q = np.linalg.qr(a)[0]
    if spectrum == "clustered":
        w = rng.integers(-1, 2, (number, n)) + 1e-10 * rng.normal(size=(number, n))
    else:
        w = np.broadcast_to(10.0 ** (-16 * np.arange(n) / n), (number, n))
    a = (q * w[:, None]) @ np.swapaxes(q, -1, -2)
    return (a + np.swapaxes(a, -1, -2)) / 2


@lru_cache(maxsize=4)
def case_with_points(name: str) -> tuple[Case, np.ndarray]:
    """The case and its points, cached likewise."""
    case = BY_NAME[name]
    return case, case.points()
