"""Derivatives where a choice is at a tie: of functions that are smooth there, and at kinks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcurv as fc
from fastcurv import _by_tracing as by_tracing

rng = np.random.default_rng(11)


def softplus(x):
    """log(1 + exp(x_0)), as it does not overflow, and a square."""
    return max(x[0], 0.0) + math.log1p(math.exp(-abs(x[0]))) + x[1] ** 2


def softplus_of_the_negative(x):
    return -min(x[0], 0.0) + math.log1p(math.exp(-abs(x[0]))) + x[1] ** 2


def log_sum(x):
    """log(exp(x_0) + exp(x_1))."""
    return max(x[0], x[1]) + math.log1p(math.exp(-abs(x[0] - x[1])))


def log_sum_by_branches(x):
    if x[0] > x[1]:
        return x[0] + math.log1p(math.exp(x[1] - x[0]))
    return x[1] + math.log1p(math.exp(x[0] - x[1]))


def log_sum_by_where(x):
    a, b = np.where(x[0] >= x[1], x[0], x[1]), np.where(x[0] >= x[1], x[1], x[0])
    return a + np.log1p(np.exp(b - a))


def elu(x):
    """Its slope is continuous, its curvature is not."""
    return max(x[0], 0.0) + math.exp(min(x[0], 0.0)) - 1.0 + x[1] ** 2


def square_of_abs(x):
    return np.abs(x[0]) ** 2 + 3.0 * x[1] ** 2


def huber(x):
    return np.where(np.abs(x) <= 1.0, 0.5 * np.abs(x) ** 2, np.abs(x) - 0.5).sum()


def square_with_sign(x):
    return math.copysign(x[0], x[1]) ** 2 + x[1] ** 2


def product_unless_equal(x):
    return x[0] * x[1] if x[0] != x[1] else x[0] ** 2


def guarded(x):
    return 0.0 if x[0] == 1.0 else (x[0] - 1.0) ** 2 * x[1]


SIGMA = [[0.25, -0.25], [-0.25, 0.25]]
#: functions, points, and their gradients and Hessians there; None for those that have none
SMOOTH = {
    "softplus": (softplus, [0.0, 1.5], [0.5, 3.0], [[0.25, 0.0], [0.0, 2.0]]),
    "of the negative": (softplus_of_the_negative, [0.0, 1.5], [-0.5, 3.0], [[0.25, 0.0], [0.0, 2.0]]),
    "log sum": (log_sum, [1.25, 1.25], [0.5, 0.5], SIGMA),
    "log sum at 0": (log_sum, [0.0, 0.0], [0.5, 0.5], SIGMA),
    "by branches": (log_sum_by_branches, [-3.0, -3.0], [0.5, 0.5], SIGMA),
    "by where": (log_sum_by_where, [700.0, 700.0], [0.5, 0.5], SIGMA),
    "elu": (elu, [0.0, 2.0], [1.0, 4.0], None),
    "square": (square_of_abs, [0.0, 0.0], [0.0, 0.0], [[2.0, 0.0], [0.0, 6.0]]),
    "huber": (huber, [0.0, 0.5], [0.0, 0.5], [[1.0, 0.0], [0.0, 1.0]]),
    "huber at both": (huber, [0.0, 0.0], [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]),
    "not equal": (product_unless_equal, [1.5, 1.5], [1.5, 1.5], [[0.0, 1.0], [1.0, 0.0]]),
    "equal": (guarded, [1.0, 3.0], [0.0, 0.0], [[6.0, 0.0], [0.0, 0.0]]),
    "copysign": (square_with_sign, [0.0, 2.0], [0.0, 4.0], [[2.0, 0.0], [0.0, 2.0]]),
}
CASES = pytest.mark.parametrize(("fun", "x", "g", "H"), SMOOTH.values(), ids=SMOOTH)


def close(found, expected, rtol=1e-12):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-14)


@CASES
def test_smooth_at_a_tie(fun, x, g, H):
    close(fc.gradient(fun, x), g)
    for _ in range(4 * (H is not None)):  # repeated calls take another way
        close(fc.hessian(fun, x), H)


def test_all_derivatives_at_a_tie():
    v, (fun, x, g, H) = rng.normal(size=(3, 2)), SMOOTH["log sum"]
    close(fc.jacobian(lambda x: (fun(x), x[0]), x), [g, [1.0, 0.0]])
    close(fc.gradient(fun, x, return_error=True)[0], g)
    found, error = fc.hessian(fun, x, return_error=True)
    close(found, H)
    assert (error < 1e-12).all()
    close(fc.hessian(fun, x, sparse=True).toarray(), H)
    close(fc.hvp(fun, [x] * 3, v), v @ H)
    close(fc.hvp(fun, x, v[:2]), v[:2] @ H)
    close(fc.vhv(fun, x, v), np.einsum("ki,ij,kj->k", v, H, v))
    model = fc.quadratic_model(fun, x)
    close(model.gradient, g)
    close(model.hessian, H)
    single = fc.hessian(fun, np.array(x, np.float32))
    assert single.dtype == np.float32
    close(single, H, 1e-6)


@pytest.mark.parametrize("extra", [(), ("hessian", "eigenvectors", "newton_step")])
@pytest.mark.parametrize("name", ["log sum", "square"])
def test_curvature_at_a_tie(name, extra):
    fun, x, g, H = SMOOTH[name]
    found = fc.curvature(fun, [x, [0.75, -0.25]], extra=extra)
    assert (found.status == 0).all()
    assert found.value[0] == fc.value(fun, x)
    close(found.gradient[0], g)
    close(found.eigenvalues[0], np.linalg.eigvalsh(H))
    if extra:
        close(found.hessian[0], H)
    alone = fc.curvature(fun, [[0.75, -0.25]], extra=extra)
    assert np.array_equal(found.eigenvalues[1:], alone.eigenvalues)
    assert found.kind[1] == alone.kind[0]


def test_a_minimum_at_a_tie_is_one():
    assert fc.curvature(square_of_abs, [0.0, 0.0]).kind == fc.Kind.MINIMUM
    assert fc.curvature(huber, np.zeros(7)).kind == fc.Kind.MINIMUM


def absolute(x):
    return abs(x[0]) + x[1] ** 2


def rectified(x):
    return max(x[0], 0.0) + max(0.0, x[1])


def larger(x):
    return max(x[0], x[1]) + x[0] * x[1]


def product_of_abs(x):
    return 3.0 * abs(x[0] * x[1]) + x[0] ** 2 + x[1] ** 2


def products_of_abs(x):
    return abs(x[0] * x[2]) + 0.5 * abs(x[1] * x[3]) + np.sum(x * x)


def jump(x):
    return (1.0 + x[1] if x[0] > 0.0 else x[1]) ** 2


@pytest.mark.parametrize(
    ("fun", "x", "g", "H"),
    [
        (absolute, [0.0, 1.0], [0.0, 2.0], [[0.0, 0.0], [0.0, 2.0]]),
        (rectified, [0.0, 0.0], [1.0, 0.0], np.zeros((2, 2))),
        (larger, [2.0, 2.0], [3.0, 2.0], [[0.0, 1.0], [1.0, 0.0]]),
        (jump, [0.0, 1.0], [0.0, 2.0], [[0.0, 0.0], [0.0, 2.0]]),
        (product_of_abs, [0.0, 0.0], [0.0, 0.0], 2.0 * np.eye(2)),
        (products_of_abs, [0.0] * 4, [0.0] * 4, 2.0 * np.eye(4)),
    ],
)
def test_kinks_are_those_of_the_rules(fun, x, g, H):
    for method in ("traced", "hyperdual"):
        close(fc.gradient(fun, x, method=method), g)
        close(fc.hessian(fun, x, method=method), H)


def softplus_of_one(x):
    return max(x[0], 0.0) + math.log1p(math.exp(-abs(x[0]))) + abs(x[1]) + x[1] ** 2


def softplus_and_square(x):
    return max(x[0], 0.0) + math.log1p(math.exp(-abs(x[0]))) + max(x[1], 0.0) ** 2


def test_entries_are_settled_by_themselves():
    """What is smooth along one coordinate, and has a kink along another."""
    x = np.zeros(2)
    close(fc.gradient(softplus_of_one, x), [0.5, 0.0])
    close(fc.hessian(softplus_of_one, x), np.diag([0.25, 2.0]))
    close(fc.curvature(softplus_of_one, x).eigenvalues, [0.25, 2.0])
    close(fc.jacobian(lambda x: (softplus(x), abs(x[1])), x), [[0.5, 0.0], [0.0, 0.0]])
    close(fc.hessian(softplus_and_square, x)[0], [0.25, 0.0])
    close(fc.hvp(softplus_and_square, x, np.eye(2)[0]), [0.25, 0.0])


def test_what_has_no_derivatives_has_none():
    """Formulas nearby give huge numbers, the same on both sides."""
    for fun in (
        lambda x: abs(x[0]) ** 1.5 + x[1] ** 2,
        lambda x: math.log(abs(x[0])) + x[1] ** 2,
        lambda x: math.sqrt(abs(x[0])) + x[1] ** 2,
        lambda x: abs(x[0]) + math.sqrt(x[0] ** 2 + x[1] ** 2),
        lambda x: np.clip(x, 0.0, np.inf).sum() + np.log1p(np.exp(-np.sqrt(x * x))).sum(),
    ):
        assert np.isnan(fc.hessian(fun, np.zeros(2))).all()
        assert fc.curvature(fun, np.zeros(2)).status != 0


def test_at_a_bound_the_inside_counts():
    x = [0.0, 0.5]
    for bounds in ([(0.0, 5.0), (0.0, 5.0)], [(-5.0, 0.0), (0.0, 5.0)]):
        low, high = np.transpose(bounds)
        close(fc.gradient(softplus, x, bounds=(low, high)), [0.5, 1.0])
        close(fc.hessian(softplus, x, bounds=(low, high)), np.diag([0.25, 2.0]))


def test_exact_results_stay_exact():
    assert fc.gradient(lambda x: abs(x[0]) * x[0] + x[1], [0.0, 1.0]).tolist() == [0.0, 1.0]


def test_errors_in_single_precision():
    x = np.array([[0.0, 0.3]], np.float32)
    found, error = fc.gradient(softplus, x, return_error=True)
    assert (np.abs(found - [[0.5, 0.6]]) <= error + np.finfo(np.float32).eps * 0.3).all()
    beside = fc.curvature(softplus, np.array([[0.1, 0.3]], np.float32))
    assert 0.1 < fc.curvature(softplus, x).eigenvalue_error[0] / beside.eigenvalue_error[0] < 10.0


def test_a_trace_that_was_forgotten(monkeypatch):
    monkeypatch.setattr(by_tracing, "MOST_CASES", 3)

    def by_length(x):
        if len(x) == 2:
            return softplus(x)
        return np.sum(x * x)

    v = np.eye(2)[0]
    for n in (2, 3, 4):
        fc.gradient(by_length, np.zeros(n))
    close(fc.hvp(by_length, np.zeros(2), v), [0.25, 0.0])
    fc.gradient(by_length, np.zeros(5))
    fc.gradient(by_length, np.zeros(6))
    close(fc.hvp(by_length, np.zeros(2), v), [0.25, 0.0])


def test_other_points_are_left_alone():
    """Those beside a tie to the last bit, those that are not finite, and those outside."""
    x = rng.normal(size=(41, 2))
    expected = fc.hessian(log_sum, x)
    x[[3, 8, 40], 1] = x[[3, 8, 40], 0]
    x[5, 0], x[9, 1] = np.nan, np.inf
    rest = np.setdiff1d(np.arange(41), [3, 5, 8, 9, 40])
    found = fc.hessian(log_sum, x)
    assert np.array_equal(found[rest], expected[rest])
    close(found[[3, 8, 40]], [SIGMA] * 3)
    assert np.isnan(found[[5, 9]]).all()
    x[7] = 9.0
    bounded = fc.hessian(log_sum, x, bounds=(-8.0, 8.0))
    assert np.isnan(bounded[7]).all()
    close(bounded[[3, 8]], [SIGMA] * 2)
    edge = fc.hessian(log_sum, [8.0, 8.0], bounds=(-8.0, 8.0))
    assert np.isfinite(edge).all()  # of one side: the other is outside


def cross_entropy(w, X, y):
    z = X @ w
    return np.sum(np.maximum(z, 0.0) - y * z + np.log1p(np.exp(-np.abs(z))))


def cross_entropy_by_rows(w, X, y):
    s = 0.0
    for r in range(len(y)):
        m = (2 * y[r] - 1) * (X[r] @ w)
        s += max(-m, 0.0) + math.log1p(math.exp(-abs(m)))
    return s


@pytest.mark.parametrize("fun", [cross_entropy, cross_entropy_by_rows])
@pytest.mark.parametrize("kind", [float, int])
def test_logistic_regression_begins_at_zero(fun, kind):
    """All rows are at their tie."""
    X, y = rng.normal(size=(70, 4)), rng.integers(0, 2, 70).astype(kind)
    w = np.zeros((3, 4))
    w[1] = rng.normal(size=4)
    p = 1.0 / (1.0 + np.exp(-w @ X.T))
    close(fc.gradient(fun, w, (X, y)), (p - y) @ X)
    close(fc.hessian(fun, w, (X, y)), (X.T * (p * (1.0 - p))[:, None]) @ X)
    found = fc.curvature(fun, w, (X, y))
    close(found.eigenvalues, np.linalg.eigvalsh((X.T * (p * (1.0 - p))[:, None]) @ X))


def pairs(x, a):
    """log(exp(a_0 z) + exp(a_1 z)) of sums and differences, by max and by abs."""
    s = 0.0
    for i in range(len(x)):
        for z in (x[i] - x[i - 1], x[i] + x[i - 1], a * x[i]):
            s += max(z, -z) - abs(z) + abs(z * z) + max(z, 0.0) - min(-z, 0.0) * -1.0 + np.logaddexp(0.0, z)
            s += max(-z, 0.0) + math.log1p(math.exp(-abs(z)))
    return s


def pairs_plain(x, a):
    s = 0.0
    for i in range(len(x)):
        for z in (x[i] - x[i - 1], x[i] + x[i - 1], a * x[i]):
            s += z * z + math.log(1.0 + math.exp(z)) + math.log(1.0 + math.exp(-z))
    return s


coordinates = st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.0]) | st.floats(-2.0, 2.0, allow_subnormal=False)


@settings(deadline=None, max_examples=60)
@given(st.lists(coordinates, min_size=4, max_size=4), st.sampled_from([0.0, 1.0, -2.0]))
def test_a_function_of_many_choices_that_is_smooth(x, a):
    expected = fc.hessian(pairs_plain, x, (a,), method="hyperdual")
    close(fc.hessian(pairs, x, (a,), method="traced"), expected)
    close(fc.gradient(pairs, x, (a,), method="traced"), fc.gradient(pairs_plain, x, (a,), method="hyperdual"))


def test_points_own_arguments_at_ties():
    x, c = rng.normal(size=(9, 2)), rng.uniform(1.0, 2.0, 9)
    x[4, 0] = 0.0

    def scaled(x, c):
        return c * (max(x[0], 0.0) + math.log1p(math.exp(-abs(x[0])))) + x[1] ** 2

    p = 1.0 / (1.0 + np.exp(-x[:, 0]))
    close(fc.hessian(scaled, x, point_args=(c,))[:, 0, 0], c * p * (1.0 - p))


def made(c):
    """A function of its own."""

    def sum_of_softplus(x):
        s = c
        for i in range(len(x)):
            s += max(x[i], 0.0) + math.log1p(math.exp(-abs(x[i])))
        return s

    return sum_of_softplus


def test_a_function_that_is_first_seen_at_a_tie():
    """It is trusted all the same."""
    x = np.zeros(6)
    close(fc.hessian(made(1.0), x), 0.25 * np.eye(6))
    close(fc.gradient(made(2.0), x), np.full(6, 0.5))
    close(fc.hvp(made(3.0), x, np.ones(6)), np.full(6, 0.25))
    close(fc.hessian(made(4.0), x, sparse=True).toarray(), 0.25 * np.eye(6))
    close(fc.curvature(made(5.0), x).eigenvalues, np.full(6, 0.25))


def test_choices_that_are_always_at_a_tie():
    """A row of zeros is at its tie wherever x is."""
    X, y = rng.normal(size=(40, 5)), np.ones(40)
    X[7] = 0.0
    w = rng.normal(size=(5, 5))
    w[2] = 0.0
    p = 1.0 / (1.0 + np.exp(-w @ X.T))
    for fun in (cross_entropy, cross_entropy_by_rows):
        close(fc.hessian(fun, w, (X, y)), (X.T * (p * (1.0 - p))[:, None]) @ X)
        close(fc.gradient(fun, w, (X, y)), (p - y) @ X)
