"""Central differences of several points at once: what runs in lanes, and that results are those of one at a time."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.extending import overload

import fastcurv as fc
from fastcurv import _by_tracing, _launch
from fastcurv import _repeat as repeat
from fastcurv.function import user_function
from fastcurv.simd import vector_library

rng = np.random.default_rng(17)
X = rng.normal(size=(21, 5))
DATA = rng.normal(size=(6, 5))


def smooth(x):
    s = 0.0
    for i in range(len(x)):
        s += math.exp(0.3 * x[i]) * math.sin(x[i - 1]) + x[i] ** 3
    return s + math.sqrt(1.0 + x[0] * x[0]) - max(x[1], 0.5, x[2])


def in_numpy(x, A):
    z = A @ x
    return np.sum(np.log1p(np.exp(-z))) + 0.5 * np.dot(x, x) + np.sum(x[1:] * x[:-1])


def of_a_whole_array(x):
    return np.sum(x**2) + np.sum(np.sin(x))


def with_lists(x):
    pair = [x[0] * x[1], 2.0]
    pair.append(math.cos(x[2]))
    total = (0.0, x[3])
    for term in pair:
        total = (total[0] + term, total[1])
    return total[0] * total[1] + (6.0 + float(x[4])) ** -2


def without_branches(x):
    y = np.where(x[0] > 0.2, x[0] ** 3, x[1] * x[0]) + (x[2] < x[3]) * x[2] ** 2
    return y + np.maximum(x[4], 0.1 * x[4]) ** 2 + np.abs(x[1]) ** 2.5


def branching(x):
    return x[0] ** 2 * x[1] if x[0] > 0.0 else math.sin(x[1]) * x[2]


def stopping(x):
    s, term = 0.0, x[0]
    while abs(term) > 1e-12:
        s += term
        term *= 0.25
    return s * x[1]


def data_in_a_float_array(x):
    y = np.zeros(2)
    y[0] = x[0] * x[1]
    return y[0] ** 2


def components(x):
    return x[0] * x[1], math.exp(x[2]), 3, x[4] ** 2


def gradient_of_smooth(x):
    g = np.zeros(len(x), x.dtype)
    for i in range(len(x)):
        g[i] += 0.3 * math.exp(0.3 * x[i]) * math.sin(x[i - 1]) + 3.0 * x[i] ** 2
        g[i - 1] += math.exp(0.3 * x[i]) * math.cos(x[i - 1])
    g[0] += x[0] / math.sqrt(1.0 + x[0] * x[0])
    return g


def smooth_without_kinks(x):
    s = 0.0
    for i in range(len(x)):
        s += math.exp(0.3 * x[i]) * math.sin(x[i - 1]) + x[i] ** 3
    return s + math.sqrt(1.0 + x[0] * x[0])


def why_not(fun):
    """Why lanes were refused; empty where they were not."""
    return [reason for (what, *_), reason in user_function(fun).refused.items() if what.startswith("lanes")]


@pytest.mark.parametrize(
    ("fun", "args"),
    [(smooth, ()), (in_numpy, (DATA,)), (with_lists, ()), (without_branches, ())],
    ids=["math", "NumPy", "lists", "masks"],
)
def test_what_people_write_runs_in_lanes(fun, args):
    H = fc.hessian(fun, X, args, method="central")
    assert not why_not(fun)
    exact = fc.hessian(fun, X, args, method="hyperdual")
    assert (np.abs(H - exact) <= 2e-6 * np.abs(exact).max(axis=(1, 2), keepdims=True)).all()


@pytest.mark.parametrize(
    ("fun", "how"),
    [
        (branching, "8 points at once, in lanes, of the expression that it is of x (it branches on x"),
        (data_in_a_float_array, "8 points at once, in lanes, of the expression"),
        (stopping, "one point after the other"),
    ],
)
def test_what_cannot_is_evaluated_as_an_expression_or_one_by_one(fun, how):
    H = fc.hessian(fun, X, method="central")
    (reason,) = why_not(fun)
    assert "at several points at once" in reason
    assert "line" in reason
    exact = fc.hessian(fun, X, method="hyperdual") if fun is not data_in_a_float_array else two_variables(X)
    assert (np.abs(H - exact) <= 1e-5 * (1.0 + np.abs(exact).max(axis=(1, 2), keepdims=True))).all()
    assert how in fc.explain(fun, X, method="central").evaluations


def test_rows_of_data_are_taken_side_by_side():
    """Of functions that lanes can run, too: their differences are the same but for rounding."""
    data = rng.normal(size=(150, 5))
    found = fc.hessian(in_numpy, X, (data,), method="central")
    explained = fc.explain(in_numpy, X, (data,), method="central").evaluations
    assert "in lanes, of the expression that it is of x, rows of data side by side" in explained
    with _launch.without_expressions():
        expected = fc.hessian(in_numpy, X, (data,), method="central")
        assert fc.explain(in_numpy, X, (data,), method="central").evaluations.endswith("8 points at once, in lanes")
    assert not np.array_equal(found, expected)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def ratio_of_likelihoods(x, data):
    """Of two distributions with heavy tails: the terms of a row nearly cancel."""
    ratio = 0.0
    for r in range(data.shape[0]):
        ratio += math.log(x[0] + data[r, 0] * data[r, 0])
        ratio -= math.log(x[1] + data[r, 0] * data[r, 0])
    return ratio


def softmax_of_labels(x, data, labels):
    loss = 0.0
    for r in range(data.shape[0]):
        total = 0.0
        for c in range(2):
            score = x[3 * c]
            for j in range(2):
                score += x[3 * c + 1 + j] * data[r, j]
            if c == labels[r]:
                loss -= score
            total += math.exp(score)
        loss += math.log(total)
    return loss / data.shape[0]


def with_labels(data):
    return data, (data[:, 0] > 2.0).astype(int)


@pytest.mark.parametrize(
    ("fun", "n", "args"), [(ratio_of_likelihoods, 2, lambda data: (data,)), (softmax_of_labels, 6, with_labels)]
)
@pytest.mark.parametrize("is_sorted", [True, False])
def test_rows_that_cancel_do_so_one_by_one(fun, n, args, is_sorted):
    """Summed over all rows each by itself, their terms would leave noise that the function itself has not."""
    data = rng.normal(2.0, 1.0, size=(300, 2))
    args = args(data[np.argsort(data[:, 0])] if is_sorted else data)
    x = rng.uniform(0.9, 1.1, (40, n))
    exact = fc.hessian(fun, x, args)
    found = fc.hessian(fun, x, args, method="central", order=8)
    with _launch.without_expressions():
        expected = fc.hessian(fun, x, args, method="central", order=8)
    noise, expected_noise = np.abs(found - exact).mean(axis=(1, 2)), np.abs(expected - exact).mean(axis=(1, 2))
    assert np.median(noise) <= 2 * np.median(expected_noise)
    if is_sorted:
        assert "rows of data side by side" in fc.explain(fun, x, args, method="central").evaluations


def branching_with_data(x, data, scale):
    s = 0.0
    for r in range(data.shape[0]):
        z = 0.0
        for i in range(len(x)):
            z += data[r, i] * x[i]
        if abs(z) < scale:
            s += math.exp(0.3 * z)
        elif z > 0.0:
            s += scale * z**2
    return s


def branches_of(x, data, scale):
    return [branching_with_data(x, data, scale), x[0] if x[1] > 0.0 else x[2] ** 2]


@pytest.mark.parametrize("order", [2, 6])
def test_every_operation_of_an_expression(order):
    """Against the function itself, one point after the other: stencils are the same, rounding is not."""
    args, options = (DATA, 0.8), {"method": "central", "order": order}
    v = rng.normal(size=X.shape)
    calls = [
        lambda: fc.gradient(branching_with_data, X, args, **options),
        lambda: fc.gradient(branching_with_data, X, args, noise=1e-8, **options),
        lambda: fc.hessian(branching_with_data, X, args, **options),
        lambda: fc.hvp(branching_with_data, X, v, args, **options),
        lambda: fc.jacobian(branches_of, X, args, **options),
        lambda: fc.curvature(branching_with_data, X, args, **options).eigenvalues,
    ]
    found = [call() for call in calls]
    with _launch.without_expressions():
        expected = [call() for call in calls]
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a - b).max() <= 2e-6 * np.abs(b).max()
    assert not all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_values_that_steer_an_expression_decide_on_it():
    """Also in calls that come again and again: 0.8 is a symbol, 2.0 says how often a loop runs."""

    def fun(x, scale, count):
        s = scale * x[0]
        for _ in range(int(count)):
            s += x[0] ** 3 if x[0] > 0.0 else scale * x[1] ** 2
        return s

    for _ in range(30):
        for scale, count in ((0.8, 2.0), (0.8, 3.0), (0.5, 2.0)):
            H = fc.hessian(fun, np.array([[1.0, 0.0], [-1.0, 2.0]]), (scale, count), method="central")
            expected = [[[6.0 * count, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 2.0 * count * scale]]]
            assert np.abs(H - expected).max() <= 1e-5


def test_repeated_calls_of_an_expression():
    x = X[:3]
    key = repeat.key_of(branching_with_data, x, (DATA, 0.8), (), "auto", "central", 2)
    for _ in range(1000):
        fc.hessian(branching_with_data, x, (DATA, 0.8), method="central")
        if key in repeat._repeats:
            break
    assert key in repeat._repeats
    for scale in (0.8, 0.3, math.nan):
        found = fc.hessian(branching_with_data, x, (DATA, scale), method="central")
        checked = fc.hessian(branching_with_data, x, (DATA, scale), method="central", out=np.empty((3, 5, 5)))
        assert np.array_equal(found, checked, equal_nan=True)


def test_what_is_wrong_as_an_expression_is_evaluated_itself():
    """What the function reads says nothing when it is traced: the trace is held against the compiled function."""
    steps = [0]

    def count(x):
        steps[0] += 1
        return steps[0]

    @overload(count)
    def compiled_count(x):
        return lambda x: 1

    def fun(x):
        return x[0] ** 2 * count(x) if x[0] > 0.0 else 0.0 * x[1]

    H = fc.hessian(fun, [[1.0, 2.0], [3.0, 4.0]], method="central")
    assert np.abs(H[:, 0, 0] - 2.0).max() <= 1e-5
    assert "one point after the other" in fc.explain(fun, [1.0, 2.0], method="central").evaluations


def test_check_takes_differences_of_the_function_itself(monkeypatch):
    monkeypatch.setattr(_by_tracing, "as_expression", None)
    away_from_the_kink = X[np.abs(X[:, 0]) > 0.2]
    assert fc.check(branching, away_from_the_kink).worst < 1e-5


def two_variables(x):
    """The Hessian of x0² x1²."""
    H = np.zeros((len(x), 5, 5))
    H[:, 0, 0], H[:, 1, 1] = 2.0 * x[:, 1] ** 2, 2.0 * x[:, 0] ** 2
    H[:, 0, 1] = H[:, 1, 0] = 4.0 * x[:, 0] * x[:, 1]
    return H


def test_expressions_of_arrays_run_in_lanes_of_a_process_that_did_nothing_before():
    script = """
import fastcurv as fc, numpy as np
import test_lanes
print(fc.explain(test_lanes.of_a_whole_array, np.ones((9, 5)), method="central").evaluations)
"""
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "8 points at once" in found.stdout


def test_reason_names_the_branch():
    fc.hessian(branching, X, method="central")
    assert "branches on x" in fc.explain(branching, X, method="central").evaluations
    assert "8 points at once" in fc.explain(smooth, X, method="central").evaluations


@pytest.mark.parametrize("order", [2, 4, 8])
def test_every_operation_in_lanes(order):
    """Against exact derivatives, with a group that is not full."""
    v = rng.normal(size=X.shape)
    for call in (fc.gradient, fc.hessian, lambda *args, **options: fc.hvp(args[0], args[1], v, **options)):
        exact = call(smooth_without_kinks, X, method="hyperdual")
        found, error = call(smooth_without_kinks, X, method="central", order=order, return_error=True)
        assert np.abs(found - exact).max() <= 2e-6 * np.abs(exact).max()
        assert (np.abs(found - exact) <= error).mean() >= 0.98
    exact = fc.jacobian(components, X, method="hyperdual")
    found = fc.jacobian(components, X, method="central", order=order)
    assert np.abs(found - exact).max() <= 1e-8 * np.abs(exact).max()
    assert not why_not(smooth_without_kinks)
    assert not why_not(components)


def test_user_gradient_in_lanes():
    exact = fc.hessian(smooth_without_kinks, X)
    found = fc.hessian(smooth_without_kinks, X, grad=gradient_of_smooth, method="central")
    assert np.abs(found - exact).max() <= 1e-8 * np.abs(exact).max()
    v = rng.normal(size=(21, 2, 5))
    products = fc.hvp(smooth_without_kinks, X, v, grad=gradient_of_smooth, method="central")
    assert np.abs(products - v @ exact).max() <= 1e-8 * np.abs(products).max()
    assert not why_not(gradient_of_smooth)


def test_a_lane_does_not_see_its_neighbours():
    """Also where the library of vector functions treats arguments apart: huge ones, infinities, NaN."""
    alone = fc.hessian(smooth, X, method="central")
    for bad in (math.nan, math.inf, -math.inf, 1e300, -1e5, 5e-324):
        for place in range(9):
            x = X.copy()
            x[place, 0] = bad
            found = fc.hessian(smooth, x, method="central")
            assert np.array_equal(np.delete(found, place, axis=0), np.delete(alone, place, axis=0))


def test_float32_points_are_steps_of_float32():
    x = X.astype(np.float32)
    found = fc.hessian(smooth_without_kinks, x, method="central")
    exact = fc.hessian(smooth_without_kinks, x.astype(np.float64))
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() <= 5e-3 * np.abs(exact).max()


def test_order_of_evaluations_is_shared_by_all_points_of_a_group():
    """A group in which only some points are finite reports each point by itself."""
    x = X[:8].copy()
    x[3] = math.nan
    c = fc.curvature(smooth_without_kinks, x, method="central")
    assert c.status.tolist() == [0, 0, 0, -3, 0, 0, 0, 0]
    assert np.isfinite(np.delete(c.eigenvalues, 3, axis=0)).all()
    assert np.isnan(c.eigenvalues[3]).all()


def test_vector_library_is_named_or_absent():
    assert vector_library() in (None, "libmvec", "libmvec, all functions")
