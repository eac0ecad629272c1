"""The definitions that everything else is tested against, themselves tested: by hand formulas and exactly."""

from fractions import Fraction

import numpy as np
import oracle
import pytest
from problems import PROBLEMS, problem
from references import load
from references.make_references import reference
from references.taylor import derivatives

# Largest relative error of the Hessian over a function's points: targets.md.
HESSIAN_TARGETS = {2: 5e-6, 4: 1e-7, 6: 2e-8, 8: 5e-9}


def relative(found, exact):
    return np.max(np.abs(found - exact)) / np.max(np.abs(exact))


def at_first_points(p, number):
    answers = load(p.name)
    for k in range(number):
        yield (lambda x: p.fun(x, *p.args)), p.points[k], answers.gradient[k], answers.hessian[k]


@pytest.mark.parametrize("p", PROBLEMS, ids=lambda p: p.name)
def test_references_belong_to_the_problems(p):
    answers = load(p.name)
    np.testing.assert_array_equal(answers.points, p.points)
    for x, value in zip(p.points[:5], answers.value[:5], strict=True):
        assert p.fun(x, *p.args) == pytest.approx(value, rel=1e-12)
    np.testing.assert_array_equal(answers.hessian, np.swapaxes(answers.hessian, 1, 2))


def test_references_are_reproducible():
    made, stored = reference(problem("quartic")), load("quartic")
    for a, b in zip(made, stored, strict=True):
        np.testing.assert_array_equal(a, b)


def test_taylor_numbers_by_hand():
    x = np.array([0.5, -1.25])
    value, g, H = derivatives(problem("rosenbrock 2").fun, x)
    a, b = x
    assert float(value) == 100 * (b - a * a) ** 2 + (1 - a) ** 2
    np.testing.assert_array_equal(g.astype(float), [-400 * a * (b - a * a) - 2 * (1 - a), 200 * (b - a * a)])
    np.testing.assert_array_equal(H.astype(float), [[1200 * a * a - 400 * b + 2, -400 * a], [-400 * a, 200]])


@pytest.mark.parametrize("name", ["logistic", "tanh regression", "ackley 8", "lennard_jones 4"])
def test_references_agree_with_differences_at_order_8(name):
    for f, x, g, H in at_first_points(problem(name), 2):
        assert relative(oracle.gradient(f, x, 8), g) <= 3e-12
        assert relative(oracle.hessian(f, x, 8), H) <= 5e-10


@pytest.mark.parametrize("p", PROBLEMS, ids=lambda p: p.name)
@pytest.mark.parametrize("stencil", ["economical", "4-point"])
def test_central_differences_meet_the_targets(p, stencil):
    for f, x, g, H in at_first_points(p, 2):
        assert relative(oracle.gradient(f, x, 2), g) <= 1e-8
        for order, target in HESSIAN_TARGETS.items():
            if order <= 4 or p.n <= 5:
                assert relative(oracle.hessian(f, x, order, stencil), H) <= target
        v = np.linspace(-1.0, 1.0, p.n)
        assert relative(oracle.hvp(f, x, v), H @ v) <= 5e-6
        assert relative(oracle.forward_hessian(f, x), H) <= 1e-3
        assert relative(oracle.forward_gradient(f, x), g) <= 2e-6


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("sides", [(1, 1), (-1, 1), (0, -1), (0, 0)])
def test_one_sided_differences(order, sides):
    tolerance = {2: 3e-4, 4: 3e-5, 6: 1e-5}[order]
    for f, x, g, H in at_first_points(problem("himmelblau"), 3):
        assert relative(oracle.one_sided_gradient(f, x, sides, order), g) <= 1e-7
        assert relative(oracle.one_sided_hessian(f, x, sides, order), H) <= tolerance


def test_second_derivatives_from_a_gradient():
    p = problem("himmelblau")

    def grad(x):
        first, second = x[0] * x[0] + x[1] - 11.0, x[0] + x[1] * x[1] - 7.0
        return np.array([4.0 * x[0] * first + 2.0 * second, 2.0 * first + 4.0 * x[1] * second])

    for _, x, g, H in at_first_points(p, 3):
        assert relative(grad(x), g) <= 1e-14
        v = np.array([1.0, -2.0])
        for order in (2, 4):
            assert relative(oracle.hessian_from_gradient(grad, x, order), H) <= 1e-8
            assert relative(oracle.hvp_from_gradient(grad, x, v, order), H @ v) <= 1e-8


def test_scale_weights_are_the_published_ones():
    assert oracle.scale_weights(2) == [1]
    assert oracle.scale_weights(4) == [Fraction(4, 3), Fraction(-1, 3)]
    assert oracle.scale_weights(6) == [Fraction(3, 2), Fraction(-3, 5), Fraction(1, 10)]
    assert oracle.scale_weights(8) == [Fraction(8, 5), Fraction(-4, 5), Fraction(8, 35), Fraction(-1, 35)]


def test_exact_weights():
    assert oracle.exact_weights([-1, 0, 1], 2) == [1, -2, 1]
    assert oracle.exact_weights([0, 1, 2], 1) == [Fraction(-3, 2), 2, Fraction(-1, 2)]
    for order in (2, 4, 6, 8):
        central = oracle.exact_weights(oracle.nodes(order, 2, 0), 2)
        scaled = [c / (k * k) for k, c in enumerate(oracle.scale_weights(order), 1)]
        assert central == [*reversed(scaled), -2 * sum(scaled), *scaled]
    for side in (-1, 0, 1):
        for derivative in (1, 2):
            t = oracle.nodes(4, derivative, side)
            for q, w in ((q, oracle.exact_weights(t, derivative)) for q in range(len(t))):
                exact = derivative if q == derivative else 0  # q! is 1 or 2
                assert sum(a * Fraction(b) ** q for a, b in zip(w, t, strict=True)) == exact


def test_the_error_estimate_covers():
    inside = []
    for p in PROBLEMS:
        for f, x, _, H in at_first_points(p, 3):
            inside.append((abs(oracle.hessian(f, x) - H) <= oracle.hessian_error(f, x)).ravel())
    assert np.mean(np.concatenate(inside)) >= 0.99


def test_read_outs_of_a_diagonal_bowl():
    out = oracle.read_outs(1.0, np.array([1.0, 1.0]), np.diag([1.0, 4.0]), 1e-9, x=np.zeros(2))
    assert (out["index"], out["nullity"], out["definiteness"], out["kind"]) == (0, 0, "POSITIVE", "REGULAR")
    assert out["condition_number"] == pytest.approx(4.0)
    assert out["gradient_curvature"] == pytest.approx(2.5)
    assert out["optimal_step"] == pytest.approx(0.4)
    assert out["uphill_step"] == pytest.approx(0.8)
    assert (out["max_stable_step"], out["best_step"]) == pytest.approx((0.5, 0.4))
    assert out["convergence_rate"] == pytest.approx(0.6)
    assert out["heavy_ball"] == pytest.approx((4.0 / 9.0, 1.0 / 9.0, 1.0 / 3.0))
    assert out["predicted_change"](0.4) == pytest.approx(-0.4)
    assert out["along"](np.array([0.0, 2.0])) == pytest.approx(4.0)
    np.testing.assert_allclose(out["newton_step"], [-1.0, -0.25])
    np.testing.assert_allclose(out["direction_rates"](0.25), [0.75, 0.0])


def test_read_outs_at_the_edges():
    saddle = oracle.read_outs(0.0, np.zeros(2), np.diag([-1.0, 2.0]), 1e-9, x=np.zeros(2))
    assert (saddle["definiteness"], saddle["kind"], saddle["index"]) == ("INDEFINITE", "SADDLE", 1)
    assert all(np.isnan(saddle[name]) for name in ("gradient_curvature", "optimal_step", "uphill_step"))
    assert np.isnan(saddle["max_stable_step"])
    flat = oracle.read_outs(0.0, np.array([1e200, 0.0]), np.diag([0.0, 2.0]), 1e-9, x=np.zeros(2))
    assert (flat["definiteness"], flat["nullity"], flat["condition_number"]) == ("SEMIDEFINITE", 1, np.inf)
    assert flat["optimal_step"] == flat["uphill_step"] == np.inf
    assert flat["gradient_norm"] == 1e200
    assert np.all(np.isnan(flat["newton_step"]))
    bad = oracle.read_outs(np.inf, np.array([1.0]), np.array([[1.0]]), 0.0, x=np.zeros(1))
    assert (bad["value"], bad["definiteness"], bad["index"]) == (np.inf, "INVALID", -1)
