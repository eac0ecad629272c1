"""pytest-benchmark over the case table: `pytest benchmarks --benchmark-enable --benchmark-only`.

With `--benchmark-disable` (the default here) everything runs once: a quick pass.
"""

import numpy as np
import pytest

import fastcurv as fc

from .bench_eigen import NUMBER
from .cases import CASES, MORE_CASES, symmetric_matrices


def over(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name.replace(" ", "-"))


over_cases = over(CASES)
over_sizes = pytest.mark.parametrize("n", NUMBER)


@over_cases
@pytest.mark.benchmark(group="gradient")
def test_gradient(benchmark, case):
    benchmark(fc.gradient, case.fun, case.points(), case.args, method="central")


@over_cases
@pytest.mark.benchmark(group="hessian")
def test_hessian(benchmark, case):
    benchmark(fc.hessian, case.fun, case.points(), case.args, method="central")


@over(CASES + MORE_CASES)
@pytest.mark.benchmark(group="exact hessian")
def test_exact_hessian(benchmark, case):
    benchmark(fc.hessian, case.fun, case.points(), case.args, method="exact")


@over_cases
@pytest.mark.benchmark(group="hvp")
def test_hvp(benchmark, case):
    benchmark(fc.hvp, case.fun, case.points(), np.ones(case.n), case.args, method="central")


@over_cases
@pytest.mark.benchmark(group="curvature")
def test_curvature(benchmark, case):
    benchmark(fc.curvature, case.fun, case.points(), case.args, method="central")


@over_sizes
@pytest.mark.benchmark(group="eigh")
def test_eigh(benchmark, n):
    benchmark(fc.eigh, symmetric_matrices(NUMBER[n], n))


@over_sizes
@pytest.mark.benchmark(group="eigvalsh")
def test_eigvalsh(benchmark, n):
    benchmark(fc.eigvalsh, symmetric_matrices(NUMBER[n], n))
