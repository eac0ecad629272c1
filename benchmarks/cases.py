"""The case table that asv, pytest-benchmark and the peers share: functions, data, points; deterministic.

Plain Python in Numba's subset: the classical functions are fastcurv's landscapes, the models are here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fastcurv.landscapes import (
    ackley,
    beale,
    booth,
    goldstein_price,
    griewank,
    himmelblau,
    lennard_jones,
    levy,
    michalewicz,
    muller_brown,
    quadratic_form,
    rastrigin,
    rosenbrock,
    six_hump_camel,
    styblinski_tang,
)

Sampler = Callable[[np.random.Generator, int, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Case:
    """A function R^n -> R with its data, and the points at which it is measured."""

    name: str
    fun: Callable[..., Any]
    n: int
    number: int
    """Points in one measurement: 1-100 ms of central differences, at most 8 MB of Hessians."""
    args: tuple[Any, ...] = ()
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


def hartmann(x, alpha, A, P):
    """-sum_i alpha_i exp(-sum_j A_ij (x_j - P_ij)²): Hartmann's family, here n = 6, Dixon and Szegö (1978)."""
    f = 0.0
    for i in range(len(alpha)):
        distance = 0.0
        for j in range(len(x)):
            distance += A[i, j] * (x[j] - P[i, j]) ** 2
        f -= alpha[i] * math.exp(-distance)
    return f


def gaussian_mixture(p, y):
    """Negative log-likelihood of y, but for a constant, under three Gaussians; Pearson (1894).

    Means p_0..p_2, log-scales p_3..p_5, logits of the second and third weight p_6, p_7.
    """
    precision = (math.exp(-p[3]), math.exp(-p[4]), math.exp(-p[5]))
    s = len(y) * math.log(1.0 + math.exp(p[6]) + math.exp(p[7]))
    for r in range(len(y)):
        z = (y[r] - p[0]) * precision[0]
        density = math.exp(-0.5 * z * z - p[3])
        for k in range(1, 3):
            z = (y[r] - p[k]) * precision[k]
            density += math.exp(p[5 + k] - 0.5 * z * z - p[3 + k])
        s -= math.log(density)
    return s


def cloth(x, springs, lengths):
    """Elastic energy of points in space joined by springs, after Provot (1995), Graphics Interface, 147-154."""
    energy = 0.0
    for e in range(len(lengths)):
        i, j = springs[e, 0], springs[e, 1]
        dx = x[3 * i] - x[3 * j]
        dy = x[3 * i + 1] - x[3 * j + 1]
        dz = x[3 * i + 2] - x[3 * j + 2]
        stretch = math.sqrt(dx * dx + dy * dy + dz * dz) - lengths[e]
        energy += 0.5 * stretch * stretch
    return energy


def minimal_surface(u, boundary):
    """Area of a surface over the unit square, two triangles a cell; u its inner heights, row by row.

    Of `boundary` only the rim counts. Averick, Carter, Moré and Xue (1992), The MINPACK-2 test problem
    collection, ANL/MCS-P153-0692, "Minimal surface area".
    """
    m = len(boundary) - 2
    h = 1.0 / (m + 1)
    area = 0.0
    for i in range(m + 1):
        for j in range(m + 1):
            a = u[m * (i - 1) + j - 1] if i > 0 and j > 0 else boundary[i, j]
            b = u[m * (i - 1) + j] if i > 0 and j < m else boundary[i, j + 1]
            c = u[m * i + j - 1] if i < m and j > 0 else boundary[i + 1, j]
            d = u[m * i + j] if i < m and j < m else boundary[i + 1, j + 1]
            area += math.sqrt(h * h + (b - a) * (b - a) + (c - a) * (c - a))
            area += math.sqrt(h * h + (b - d) * (b - d) + (c - d) * (c - d))
    return 0.5 * h * area


def potassium(p, v, t, g):
    """Squared error of a potassium conductance after steps of the voltage: a clamp experiment.

    g = p_5 n(t)^4, n from p_6 to its limit by the rates alpha = p_0 u / (exp(u) - 1), u = (p_1 - v) / p_2, and
    beta = p_3 exp(-v / p_4); Hodgkin and Huxley (1952), J. Physiol. 117, 500-544, equations 6-13.
    """
    s = 0.0
    for i in range(len(v)):
        u = (p[1] - v[i]) / p[2]
        alpha = p[0] * u / (math.exp(u) - 1.0)
        beta = p[3] * math.exp(-v[i] / p[4])
        rate = alpha + beta
        limit = alpha / rate
        for k in range(len(t)):
            gate = limit - (limit - p[6]) * math.exp(-rate * t[k])
            r = p[5] * gate**4 - g[i, k]
            s += r * r
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
NAMES = tuple(case.name for case in CASES)


def _box(low: float, high: float) -> Sampler:
    return lambda rng, number, n: rng.uniform(low, high, size=(number, n))


def _around(center: np.ndarray, spread: float | np.ndarray) -> Sampler:
    return lambda rng, number, n: center + spread * rng.normal(size=(number, n))


_HARTMANN = (
    np.array([1.0, 1.2, 3.0, 3.2]),
    np.array(
        [
            [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
            [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
            [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
            [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
        ]
    ),
    1e-4
    * np.array(
        [
            [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
            [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
            [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
            [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
        ]
    ),
)

_IRIS = Path(__file__).parents[1] / "tests" / "data" / "iris.csv"
_PETALS = np.loadtxt(_IRIS, delimiter=",", skiprows=1, usecols=2)  # lengths of 150 petals, cm
_SPECIES = np.array([1.46, 4.26, 5.55, -1.76, -0.76, -0.60, 0.0, 0.0])  # means, log-scales; equal weights

# 4 x 4 points; springs to neighbours, along diagonals and, against bending, two points on
_GRID = np.array([[i, j, 0] for i in range(4) for j in range(4)])
_APART = np.abs(_GRID[:, None] - _GRID[None])[..., :2].max(-1)
_STRAIGHT = (_GRID[:, None] == _GRID[None])[..., :2].any(-1)
_SPRINGS = np.argwhere(np.triu((_APART == 1) | ((_APART == 2) & _STRAIGHT)))
_LENGTHS = np.linalg.norm(_GRID[_SPRINGS[:, 0]] - _GRID[_SPRINGS[:, 1]], axis=1)

_EDGE = np.linspace(0.0, 1.0, 34)
_SADDLE = _EDGE[:, None] ** 2 - _EDGE**2

_RATES = np.array([0.1, 10.0, 10.0, 0.125, 80.0, 36.0, 0.3177])  # the paper's, depolarization counted upwards
_VOLTAGES = np.array([26.0, 38.0, 63.0, 88.0, 109.0])  # mV; ms
_TIMES = np.linspace(0.5, 8.0, 12)


def _conductances() -> np.ndarray:
    """What the paper's rates give, shape (voltages, times), in mS/cm², with noise."""
    a, c, d, b, e, largest, start = _RATES
    u = (c - _VOLTAGES[:, None]) / d
    alpha, beta = a * u / (np.exp(u) - 1.0), b * np.exp(-_VOLTAGES[:, None] / e)
    limit = alpha / (alpha + beta)
    gate = limit - (limit - start) * np.exp(-(alpha + beta) * _TIMES)
    return largest * gate**4 + 0.2 * np.random.default_rng(3).normal(size=gate.shape)


MORE_CASES = (
    Case("Griewank 10", griewank, 10, 2_000, sample=_box(-5.0, 5.0)),
    Case("Levy 10", levy, 10, 2_000, sample=_box(-10.0, 10.0)),
    Case("Michalewicz 10", michalewicz, 10, 2_000, sample=_box(0.0, math.pi)),
    Case("Hartmann 6", hartmann, 6, 4_000, _HARTMANN, _box(0.0, 1.0)),
    Case("Gaussian mixture 8", gaussian_mixture, 8, 64, (_PETALS,), _around(_SPECIES, 0.2)),
    Case("cloth 48", cloth, 48, 128, (_SPRINGS, _LENGTHS), _around(_GRID.ravel(), 0.1)),
    Case("minimal surface 1024", minimal_surface, 1024, 2, (_SADDLE,), _around(_SADDLE[1:-1, 1:-1].ravel(), 0.01)),
    Case("Hodgkin-Huxley 7", potassium, 7, 256, (_VOLTAGES, _TIMES, _conductances()), _around(_RATES, 0.05 * _RATES)),
)
"""Without central differences in the suites of benchmarks: exact Hessians, by fastcurv and by `peers`."""
MORE_NAMES = tuple(case.name for case in MORE_CASES)

_A8 = _rng.normal(size=(8, 8))
_B8 = _rng.normal(size=8)

DEVICE_CASES = (
    *(Case(f"Rosenbrock {n}", rosenbrock, n, 64) for n in (2, 4, 8, 16, 32)),
    Case("Müller-Brown 2", muller_brown, 2, 64, sample=_box(-1.0, 1.0)),
    Case("Rastrigin 8", rastrigin, 8, 64, sample=_box(-5.12, 5.12)),
    Case("Ackley 8", ackley, 8, 64, sample=_box(-5.0, 5.0)),
    Case("Griewank 8", griewank, 8, 64, sample=_box(-5.0, 5.0)),
    Case("Levy 8", levy, 8, 64, sample=_box(-10.0, 10.0)),
    Case("Michalewicz 8", michalewicz, 8, 64, sample=_box(0.0, math.pi)),
    Case("Styblinski-Tang 8", styblinski_tang, 8, 64, sample=_box(-5.0, 5.0)),
    Case("quadratic form 8", quadratic_form, 8, 64, (_A8, _B8)),
    Case("Lennard-Jones 12", lennard_jones, 12, 64, sample=_clusters),
    Case("Himmelblau 2", himmelblau, 2, 64, sample=_box(-5.0, 5.0)),
    Case("six-hump camel 2", six_hump_camel, 2, 64, sample=_box(-2.0, 2.0)),
    Case("Beale 2", beale, 2, 64, sample=_box(-4.5, 4.5)),
    Case("Goldstein-Price 2", goldstein_price, 2, 64, sample=_box(-2.0, 2.0)),
    Case("Booth 2", booth, 2, 64, sample=_box(-10.0, 10.0)),
)
"""Hessians and eigenvalues on CUDA devices: orders, then all landscapes; as many points as there is memory for."""
BY_NAME = {case.name: case for case in (*CASES, *MORE_CASES)}


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
