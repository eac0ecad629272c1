"""Traced functions: derivatives on the graph, programs of terms, what is traced again, when a trace is trusted."""

import math
import subprocess
import sys

import numpy as np
import pytest
import references
from functions import rosenbrock
from problems import PROBLEMS, problem
from published import PUBLISHED

import fastcurv as fc
from fastcurv import _by_tracing as by_tracing
from fastcurv import _launch as launch
from fastcurv import tracing
from fastcurv._errors import TracingError
from fastcurv._plan import Options
from fastcurv.backends import _kernels, _pace
from fastcurv.tracing._derivatives import Differentiator
from fastcurv.tracing._emission import LONG, TOGETHER
from fastcurv.tracing._graph import Graph
from fastcurv.tracing._program import Wanted
from fastcurv.tracing._symbols import Trace
from fastcurv.tracing._values import values

rng = np.random.default_rng(29)
LIBRARY = [*PROBLEMS, *PUBLISHED]
BOUND = 1e-13


def agrees(found, expected, tolerance=1e-12):
    scale = np.abs(expected).max()
    return np.abs(found - expected).max() <= tolerance * (scale if scale > 0 else 1)


# ---- derivatives on the graph, evaluated in plain Python


def traced(fun, n, args=()):
    """A trace, ready to be differentiated, and the function of x that evaluates nodes."""
    found = tracing.trace(fun, n, args)
    work = Trace(tracing.flattened(args))
    work.graph = found.graph
    shared = tracing.flattened(args)
    return found, Differentiator(work), lambda nodes, x: values(found.graph, nodes, {"x": x, "shared": shared})


@pytest.mark.parametrize("case", LIBRARY, ids=lambda case: case.name)
def test_derivatives_on_the_graph(case):
    exact = references.load(case.name)
    n = exact.points.shape[1]
    found, work, evaluate = traced(case.fun, n, case.args)
    (root,) = found.outputs
    gradient, hessian = work.hessian(root)
    assert work.gradient(root).keys() == gradient.keys()
    graph = found.graph
    v = rng.standard_normal(n)
    directions = {i: graph.constant(v[i]) for i in range(n)}
    product, form = work.product(root, directions), work.form(root, directions)
    for x, f, g, H in zip(
        *(part[:2] for part in (exact.points, exact.value, exact.gradient, exact.hessian)), strict=True
    ):
        scale, bend = np.abs(g).max() + np.abs(H * x).max(), np.abs(H).max()
        assert abs(evaluate([root], x)[0] - f) <= BOUND * max(abs(f), scale)
        own, full = np.zeros(n), np.zeros((n, n))
        own[list(gradient)] = evaluate(list(gradient.values()), x)
        for (i, j), entry in zip(hessian, evaluate(list(hessian.values()), x), strict=True):
            full[i, j] = full[j, i] = entry
        assert np.abs(own - g).max() <= BOUND * scale
        assert np.abs(full - H).max() <= BOUND * bend
        along = np.zeros(n)
        along[list(product)] = evaluate(list(product.values()), x)
        assert np.abs(along - H @ v).max() <= 10 * BOUND * bend * np.abs(v).max()
        assert abs(evaluate([form], x)[0] - v @ H @ v) <= 10 * BOUND * bend * (v @ v) * n


def test_what_is_not_simplified():
    graph = Graph()
    x, zero = graph.leaf("x", 0), graph.constant(0.0)
    for node in (graph.multiply(zero, x), graph.subtract(x, x), graph.divide(x, x)):
        assert not graph.is_constant(node)
    for left, right in ((math.inf, 0.0), (math.nan, 1.0)):
        product = graph.value(graph.multiply(graph.constant(left), graph.constant(right)))
        assert math.isnan(product)
    assert graph.constant(-0.0) != graph.constant(0.0)
    assert graph.add(x, zero) == x == graph.multiply(graph.constant(1.0), x) == graph.divide(x, graph.constant(1.0))
    assert graph.negative(graph.negative(x)) == x


def test_a_branch_not_taken_does_no_harm():
    def f(x):
        return (math.sqrt(x[0]) * x[1] if x[0] > 0 else x[0] ** 2) + x[1] ** 3

    for x in ([-1.0, 2.0], [4.0, 2.0]):
        found = fc.hessian(f, x, method="traced")
        expected = [[2.0, 0.0], [0.0, 12.0]] if x[0] < 0 else [[-0.25 * 2.0 / 8.0, 0.25], [0.25, 12.0]]
        assert np.allclose(found, expected, rtol=1e-14)


def test_what_is_divided_by_itself_is_one():
    def f(x):
        return x[0] ** 2 * x[1] if x[0] / x[0] == 1.0 else x[1]

    X = rng.standard_normal((500, 2))
    assert (fc.value(f, X) == X[:, 0] ** 2 * X[:, 1]).all()
    found = fc.gradient(f, X, method="traced")
    np.testing.assert_allclose(found, np.stack([2 * X[:, 0] * X[:, 1], X[:, 0] ** 2], axis=1), rtol=1e-14)


def pieces(x):
    r = math.sqrt(x[0] * x[0] + x[1] * x[1])
    if r < 1.0:
        return x[0] * x[0] + x[1] * x[1]
    if r < 2.0:
        return 2.0 * r - 1.0
    return r * r * 0.25 + 2.0


def guarded(x):
    if x[0] <= 0.0:
        return x[0] ** 3 + x[1]
    t = math.sqrt(x[0])
    return t * x[1] if t > 1.0 else t * t * t


def chosen_twice(x):
    t = math.sqrt(x[0])
    a = t if x[1] < 0.0 else x[0]
    b = t if x[1] < 1.0 else x[1]
    return a * b


def chosen_by_arrays(x):
    return np.sum(np.where(x > 0, np.sqrt(x), x)) * np.sum(np.where(x > 0.5, np.sqrt(x), x))


def chosen_in_turns(x):
    s = 0.0
    for i in range(2):
        if x[0] > i:
            s += x[0] / x[1]
        else:
            s += x[0] * x[0]
    return s


def least_of_what_grows(x):
    v = x[0] * 1.0
    for _ in range(3):
        v += min(2.0**v, x[0] ** 2) + x[1]
    return v


def guarded_rows(x, a):
    s = 0.0
    for r in range(len(a)):
        t = math.log(x[0]) * a[r]
        s += t * x[1] if x[0] > 0.0 else x[1] * x[1] * a[r]
        s += t if x[0] > 1.0 else x[0] * x[0]
    return s


@pytest.mark.parametrize(
    ("fun", "args"),
    [(f, ()) for f in (pieces, guarded, chosen_twice, chosen_by_arrays, chosen_in_turns, least_of_what_grows)]
    + [(guarded_rows, (np.linspace(0.5, 2.0, n),)) for n in (3, 12)],
)
def test_branches_of_several_choices_do_no_harm(fun, args):
    """What several choices take, or leave, is NaN or infinite where none takes it."""
    X = np.array([[0.0, 0.0], [-1.5, 2.0], [-2.0, 0.7], [-0.5, 0.0], [1e4, 0.3], [0.3, 0.2], [1.2, 0.9], [3.0, -1.0]])
    v = np.array([0.7, -1.3])
    for take in (fc.gradient, fc.hessian):
        expected = take(fun, X, args, method="hyperdual")
        assert np.isfinite(expected).any(axis=0).all()
        np.testing.assert_allclose(take(fun, X, args, method="traced"), expected, rtol=1e-12, atol=1e-13)
    for take in (fc.hvp, fc.vhv):
        expected = take(fun, X, v, args, method="hyperdual")
        np.testing.assert_allclose(take(fun, X, v, args, method="traced"), expected, rtol=1e-12, atol=1e-13)


# ---- sums of terms


def regression(w, A, y):
    s = 0.0
    for r in range(A.shape[0]):
        z = -y[r]
        for k in range(len(w)):
            z += A[r, k] * w[k]
        s += math.log(1.0 + z * z)
    return s / len(y)


@pytest.mark.parametrize("rows", [1, 4, 5, 8, 31, 64, 65, 134])
def test_rows_of_data(rows):
    """Rows are computed four at a time, those left over one by one; sums of products by at most 64."""
    A, y, w = rng.standard_normal((rows, 7)), rng.standard_normal(rows), rng.standard_normal((5, 7))
    z = w @ A.T - y
    bend = 2 * (1 - z * z) / (1 + z * z) ** 2
    expected = np.einsum("br,ri,rj->bij", bend, A, A) / rows
    assert agrees(fc.hessian(regression, w, (A, y), method="traced"), expected)
    slope = np.einsum("br,ri->bi", 2 * z / (1 + z * z), A) / rows
    assert agrees(fc.gradient(regression, w, (A, y), method="traced"), slope)


def test_sums_of_products_in_registers():
    """Two nodes, each times one number or two, in loops over numbers and in tables; other results beside them."""

    def fun(x, A, b):
        s = 0.1 * x[0] ** 2
        for r in range(20):
            z, t = b[r], 0.0
            for i in range(6):
                z += A[r, i] * x[i]
                t += math.cos(r + 7.0 * i * i) * x[i]
            s += math.exp(0.2 * z) * (1.0 if z > 0.0 else 0.5) + math.sin(t) * x[5]
        return s

    A, b = rng.standard_normal((20, 6)), rng.standard_normal(20)
    x = rng.standard_normal((11, 6))
    found, expected = (fc.quadratic_model(fun, x, (A, b), method=method) for method in ("traced", "hyperdual"))
    for name in ("value", "gradient", "hessian"):
        assert agrees(getattr(found, name), getattr(expected, name))
    bad = A.copy()
    bad[3, 4] = np.inf
    assert np.isnan(fc.hessian(fun, x, (bad, b), method="traced")).all()


def pairs(x, strength):
    """Every pair of coordinates, with constants of their own."""
    s = 0.0
    for i in range(len(x)):
        for j in range(i):
            s += strength * (2.0 + 0.1 * i * j) * math.exp(-((x[i] - x[j]) ** 2))
    return s


def test_terms_of_one_shape_are_one_loop():
    x = rng.standard_normal((11, 24))
    program = tracing.program(tracing.trace(pairs, 24, (0.5,)), tracing.Wanted(second=True))
    assert [c.count for c in program.classes] == [24 * 23 // 2]
    d = x[:, :, None] - x[:, None]
    i, j = np.indices((24, 24))
    bend = 0.5 * (2 + 0.1 * i * j) * (4 * d * d - 2) * np.exp(-d * d)
    bend[:, range(24), range(24)] = 0
    expected = -bend
    expected[:, range(24), range(24)] = bend.sum(axis=2)
    assert agrees(fc.hessian(pairs, x, (0.5,), method="traced"), expected)
    assert agrees(fc.hessian(pairs, x, (1.5,), method="traced"), 3 * expected)


@pytest.mark.parametrize("name", ["rosenbrock 8", "ackley 8", "tanh regression"])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 60])
def test_ragged_batches(name, count):
    case, exact = problem(name), references.load(name)
    x = exact.points[:count]
    found = fc.hessian(case.fun, x, case.args, method="traced")
    assert agrees(found, exact.hessian[:count], BOUND)
    alone = fc.hessian(case.fun, x[-1], case.args, method="traced")
    assert np.array_equal(alone, found[-1])


# ---- arguments


def powers(x, exponent, scale):
    s = 0.0
    for i in range(len(x)):
        s += scale[i] * x[i] ** exponent
    return s


def test_new_values_of_arguments():
    """Numbers and arrays of another value are no new program; integers that steer the function are."""
    x = rng.uniform(0.5, 2.0, (9, 5))
    before = len(_kernels._known)
    for exponent in (2, 3, 4, 2):
        for scale in rng.uniform(1.0, 2.0, (2, 5)):
            found = fc.hessian(powers, x, (exponent, scale), method="traced")
            expected = np.zeros((9, 5, 5))
            expected[:, range(5), range(5)] = exponent * (exponent - 1) * scale * x ** (exponent - 2)
            assert agrees(found, expected)
    assert len(_kernels._known) - before == 4  # values of f, by the compiled function, and a program for each exponent


def test_arguments_that_steer_and_never_settle():
    x = np.ones((2, 3))
    scale = np.ones(3)
    for exponent in range(2, 4 + by_tracing.MOST_VERSIONS):
        found = fc.gradient(powers, x, (exponent, scale), method="traced")
        assert agrees(found, np.full((2, 3), float(exponent)))
    for exponent in (30, 2):
        assert agrees(fc.gradient(powers, x, (exponent, scale)), np.full((2, 3), float(exponent)))
    assert max(map(len, launch.call(powers, x, (2, scale)).function.traced.values())) <= by_tracing.MOST_VERSIONS


def test_exact_derivatives_of_what_never_settles():
    """Beyond, and only where arguments are new, the next method."""
    x, traced = np.ones((2, 3)), []
    for exponent in (*range(2, 4 + by_tracing.MOST_VERSIONS), 2):
        call = launch.call(lambda_powers, x, (exponent,))
        assert agrees(fc.gradient(lambda_powers, x, (exponent,)), np.full((2, 3), float(exponent)))
        traced.append(fc.explain(lambda_powers, x, (exponent,)).method.startswith("traced"))
    assert call.function.traced
    assert traced == [True] * by_tracing.MOST_VERSIONS + [False] * 2 + [True]


def lambda_powers(x, exponent):
    s = 0.0
    for i in range(len(x)):
        s += x[i] ** exponent
    return s


def cross_entropy(w, A, y):
    s = 0.0
    for r in range(len(y)):
        z = A[r] @ w
        if y[r] == 1:
            s += math.log1p(math.exp(-z))
        else:
            s += math.log1p(math.exp(z))
    return s


def squares(w, A, y):
    return np.sum((2 * y - 1 - A @ w) ** 2)


def test_new_labels():
    """Integers that are numbers, or are only compared, are new numbers of the same program."""
    A = rng.normal(size=(12, 3))
    w = rng.normal(size=(9, 3))
    before, labels = len(_kernels._known), [rng.integers(0, 2, 12) for _ in range(12)]
    for y in labels:
        p = 1.0 / (1.0 + np.exp(-w @ A.T))
        assert agrees(fc.hessian(cross_entropy, w, (A, y), method="traced"), A.T * (p * (1 - p))[:, None] @ A)
        assert agrees(fc.gradient(cross_entropy, w, (A, y), method="traced"), (p - y) @ A)
        assert agrees(fc.gradient(squares, w, (A, y), method="traced"), 2.0 * (w @ A.T - 2 * y + 1) @ A)
    # values by the compiled functions; two programs of the first, one of the second
    assert len(_kernels._known) - before <= 2 + 2 * 2 + 1


# ---- when a trace is trusted, and what takes over


def test_integers_that_are_not_pythons_are_told():
    """Compiled, 10**-k is undefined for an integer k: what is differentiated then is not what Python computes."""

    def fun(x):
        s = 0.0
        for k in range(3):
            s += x[0] ** 2 * 10 ** (-k)
        return s

    with pytest.warns(RuntimeWarning, match=r"1\.11 when traced, nan when compiled.*write 10\.0\*\*-k"):
        assert np.isnan(fc.gradient(fun, [1.0])).all()
    with pytest.raises(fc.CompilationError, match="Python gives what the trace does"):
        fc.gradient(fun, [1.0], method="traced")


def test_powers_of_integers_that_may_be_fractions():
    """What raises when compiled has no value when traced, whatever came before, and wherever it is in a batch."""

    def fraction(x, k):
        return x[0] ** 2 * 10**-k + 4 * x[1]

    def fraction_of_difference(x, k):
        return x[0] ** 2 * (k - 1) ** -2 + x[1] * abs(-k) ** (2 * k - 3)

    x = np.array([[1.5, 2.0], [0.5, 1.0]])
    with pytest.warns(RuntimeWarning, match="write 10"):
        assert [fc.curvature(fraction, x, (k,)).status.tolist() for k in (0, 2, 0)] == [[0, 0], [-6, -6], [0, 0]]
    points, own = np.tile(x, (500, 1)), np.zeros(1000, int)
    own[777] = 2
    status = fc.curvature(fraction, points, point_args=(own,)).status
    assert np.array_equal(status, np.where(own == 2, -6, 0))
    assert fc.curvature(fraction_of_difference, x, point_args=(np.array([2, 3]),)).status.tolist() == [0, -6]
    with pytest.raises(fc.CompilationError, match="may be a fraction"):
        fc.hessian(fraction, points, point_args=(own,), method="traced")


@pytest.mark.parametrize(
    "exponent",
    [
        lambda k: -max(k, 0), lambda k: -(k % 6), lambda k: np.minimum(-k, 7), lambda k: -np.where(k > 0, k, 1),
        lambda k: -(k if k > 0 else 1), lambda k: 2 - round(k + 1), lambda k: -((k > 1) + 1), lambda k: -np.sign(k) * k,
    ],
)  # fmt: skip
def test_integers_are_known_through_what_keeps_them_integers(exponent):
    def fun(x, k):
        return x[0] ** 2 * 2.0 * 3 ** exponent(k) + x[1]

    with pytest.raises(fc.CompilationError, match="may be a fraction"):
        fc.gradient(fun, np.ones((2, 2)), point_args=(np.array([1, 4]),), method="traced")


def test_powers_of_the_points_own_integers():
    def fun(x, k):
        constant = (2 * k) ** -1.0 + (2.0 * k) ** -1 + float(k) ** -1 + (k / 2) ** -2 + (k + 0.0) ** -3
        return k**3 * x[0] ** k + (k + 1) ** 2 * 2.0**-k * x[1] ** 2 + constant + x[0] * x[1] / k**2

    x, k = np.array([[1.5, 2.0], [0.5, -1.0], [2.0, 0.25]]), np.array([1, 2, 3])
    found = fc.hessian(fun, x, point_args=(k,), method="traced")
    assert agrees(found[:, 0, 0], k**4 * (k - 1) * x[:, 0] ** (k - 2.0))
    assert agrees(found[:, 1, 1], 2 * (k + 1) ** 2 * 2.0**-k)
    assert agrees(found[:, 0, 1], 1 / k**2)


def test_a_trace_that_is_wrong_is_not_used(monkeypatch):
    def square(x):
        return x[0] ** 2 + x[1] ** 2

    def cube(x):
        return x[0] ** 3 + x[1] ** 2

    right = tracing.trace
    monkeypatch.setattr(tracing, "trace", lambda function, *rest, **more: right(cube, *rest, **more))
    x = np.array([[1.5, 2.0], [3.0, 1.0]])
    with pytest.raises(fc.CompilationError, match=r"square gives .* when traced, .* when compiled"):
        fc.hessian(square, x, method="traced")
    assert np.array_equal(fc.hessian(square, x), np.broadcast_to(2 * np.eye(2), (2, 2, 2)))
    assert "hyperdual (auto:" in fc.explain(square, x).method
    assert "when compiled" in fc.explain(square, x).method


def test_a_trace_without_a_value_where_there_is_one_is_not_used():
    """1 / 1e-309 overflows, the quotient does not."""

    def quotient(x):
        return x[0] / x[1]

    x = np.array([[1.0, 2.0], [1e-310, 1e-309]])
    with pytest.raises(fc.CompilationError, match=r"gives inf when traced, 0\.0999"):
        fc.curvature(quotient, x, method="traced")
    assert np.allclose(fc.curvature(quotient, x).value, [0.5, 0.1])


def test_where_nothing_can_be_told_numbers_serve():
    def root(x):
        return math.sqrt(x[0]) * x[1]

    assert np.isnan(fc.hessian(root, [-1.0, 1.0])).all()
    assert np.isnan(fc.hessian(root, [-1.0, 1.0], method="traced")).all()
    assert np.isfinite(fc.hessian(root, [4.0, 1.0], method="traced")).all()


def newton(x):
    """The root of y³ + y = x_0, by iterations until they stop changing it."""
    y = x[0]
    step = 1.0
    while abs(step) > 1e-14:
        step = (y**3 + y - x[0]) / (3 * y * y + 1)
        y -= step
    return y * x[1]


def test_explain_tells_why_not():
    x = [1.0, 2.0]
    method = fc.explain(newton, x).method
    assert method.startswith("hyperdual (auto: newton cannot be traced: its control flow")
    assert "while abs(step) > 1e-14" in method
    with pytest.raises(fc.CompilationError, match="while abs"):
        fc.hessian(newton, x, method="traced")
    assert fc.explain(rosenbrock, x).method.startswith("traced (auto")
    assert fc.explain(rosenbrock, x, method="hyperdual").method == "hyperdual (asked for)"


def volume(x):
    return np.linalg.det(np.outer(x, x) + np.eye(2))


def test_explain_names_what_is_not_known():
    method = fc.explain(volume, [1.0, 2.0]).method
    assert method.startswith("central, order 2 (auto: volume cannot be traced: NumPy's det is not traced at ")
    assert "volume cannot be evaluated in numbers that carry derivatives: there is no det for such arguments" in method


@pytest.mark.parametrize(
    ("fun", "reason"),
    [
        (lambda x: x[x > 0.0].sum(), "a mask, or an array of indices, depends on x or on arguments"),
        (lambda x: x[0] * int(x[1] > 0.0), "a condition that depends on x is taken for a number"),
    ],
)
def test_reasons_are_not_those_of_numpy(fun, reason):
    with pytest.raises(TracingError, match=reason):
        tracing.trace(fun, 2, ())


def test_what_is_too_long_for_a_line():
    """Neither a sum nor short: no code is made of it."""

    def nested(x):
        s = 1.0
        for i in range(len(x)):
            s = math.sin(s * x[i] + x[i - 1])
        return s

    x = rng.standard_normal((2, 120))
    with pytest.raises(fc.CompilationError, match="operations that no loop repeats"):
        fc.hessian(nested, x, method="traced")
    assert "no loop repeats" in fc.explain(nested, x).method
    assert "no loop repeats" in str(fc.trace(nested, 120))


def orbit(p, t, y):
    """A fit of a state that each step changes: every term has all steps before it."""
    u, s = p[0], 0.0
    for k in range(len(t)):
        a = p[1] * u - p[2] * u * u
        u = u + t[k] * (a + p[1] * (u + 0.5 * t[k] * a))
        s += (u - y[k]) ** 2
    return s


@pytest.mark.parametrize("steps", [50, 800])
@pytest.mark.parametrize("wanted", [Wanted(first=True), Wanted(second=True)])
def test_what_terms_have_in_common_is_not_taken_apart(steps, wanted, monkeypatch):
    """Else work grows with the square of the number of steps: minutes, until it is known that it is too much."""
    visited, needed = [], Graph.needed

    def counted(graph, outputs):
        found = needed(graph, outputs)
        visited.append(len(found))
        return found

    monkeypatch.setattr(Graph, "needed", counted)
    traced = tracing.trace(orbit, 3, (np.full(steps, 0.01), np.ones(steps)))
    if steps > 50:
        with pytest.raises(TracingError, match="operations that no loop repeats"):
            tracing.program(traced, wanted)
    else:
        assert tracing.program(traced, wanted).is_straight
    assert sum(visited) < 100 * len(traced.graph)


def test_a_fit_of_a_state_is_right():
    p, t, y = np.array([0.3, 1.2, 0.4]), np.full(50, 0.02), rng.uniform(0.3, 0.6, 50)
    for derivative in (fc.gradient, fc.hessian):
        expected = derivative(orbit, p, (t, y), method="hyperdual")
        assert agrees(derivative(orbit, p, (t, y), method="traced")[None], expected[None])


# ---- sparse Hessians


def chain(x):
    s = 0.0
    for i in range(len(x) - 1):
        s += (x[i + 1] - x[i] ** 2) ** 2 + 0.1 * math.cos(x[i] * x[i + 1])
    return s


def chain_of_the_first(x):
    """Of nine coordinates; the others do not matter."""
    s = 0.0
    for i in range(8):
        s += (x[i + 1] - x[i] ** 2) ** 2 + 0.1 * math.cos(x[i] * x[i + 1])
    return s


def groups_of_six(x):
    """Squares along the diagonal, between which all vanishes."""
    s = 0.0
    for first in range(0, len(x) - 5, 6):
        t = 0.0
        for i in range(6):
            t += (i + 1.0) * x[first + i]
        s += math.cos(t)
    return s


@pytest.mark.parametrize("n", [17, 32, 67])  # hyper-dual numbers share one compilation from 17 on
@pytest.mark.parametrize(("fun", "is_sparse"), [(chain, True), (chain_of_the_first, True), (groups_of_six, False)])
def test_entries_that_vanish_are_not_moved(fun, is_sparse, n):
    """Whole rows and parts of rows, of full groups of points and of others; beside a point that is not finite."""
    X = rng.standard_normal((19, n))
    X[5, 1] = math.nan
    expected = fc.hessian(fun, X, method="hyperdual")
    found = fc.hessian(fun, X, method="traced")
    with_error, error = fc.hessian(fun, X, method="traced", return_error=True)
    for H in (found, with_error, *(fc.hessian(fun, X[:count], method="traced") for count in (1, 8, 19))):
        np.testing.assert_allclose(H, expected[: len(H)], rtol=1e-13, atol=1e-13 if is_sparse else 1e-12)
        assert np.isnan(H[5:6]).all()
    assert np.isfinite(np.delete(error, 5, axis=0)).all()
    single = fc.hessian(fun, X.astype(np.float32), method="traced")
    np.testing.assert_allclose(single, expected, rtol=1e-4, atol=1e-3)
    for count in (1, 8, 19):
        for offset in range(8):  # wherever the results lie, nothing beside them is written
            memory = np.full(count * n * n + 16, 7.0)
            out = memory[offset : offset + count * n * n].reshape(count, n, n)
            assert np.array_equal(fc.hessian(fun, X[:count], method="traced", out=out), found[:count], equal_nan=True)
            memory[offset : offset + count * n * n] = 7.0
            assert (memory == 7.0).all()
    call = launch.call(fun, X, (), options=Options("traced"))
    prepared, _, _ = by_tracing._ready(call, call.plan, Wanted(second=True))
    assert (len(prepared.positions) > 0) == is_sparse
    assert (prepared.lines is not None) == (is_sparse and n < 65)


def test_sparse_hessians():
    X = rng.standard_normal((2, 3, 12))
    dense, bound = fc.hessian(chain, X, return_error=True)
    H, error = fc.hessian(chain, X, sparse=True, return_error=True)
    assert H.shape == (2, 3, 12, 12)
    assert H.values.shape == error.shape == (2, 3, 12 + 2 * 11)
    for point in np.ndindex(2, 3):
        assert agrees(H[point].toarray(), dense[point])
        assert np.allclose(error[point], bound[point].max())
    with pytest.raises(IndexError, match="one point"):
        H[0]
    one = fc.hessian(chain, X[0, 0], sparse=True)
    assert one.format == "csr"
    assert agrees(one.toarray(), dense[0, 0])
    assert fc.hessian(chain, np.zeros((0, 5)), sparse=True).shape == (0, 5, 5)


def test_dense_hessians_that_are_mostly_zero():
    """They are cleared, and what does not vanish is put in."""
    X = rng.standard_normal((11, 250))
    H, dense = fc.hessian(chain, X, sparse=True), fc.hessian(chain, X, method="traced")
    for b in (0, 7, 8, 10):
        assert np.array_equal(H[b].toarray(), dense[b])


def test_sparse_hessians_of_ten_thousand_coordinates():
    n = 10_000
    x = rng.standard_normal(n)
    H = fc.hessian(chain, x, sparse=True)
    assert H.nnz == n + 2 * (n - 1)
    v = rng.standard_normal(n)
    assert agrees(H @ v, fc.hvp(chain, x, v, method="traced"))


def test_sparse_is_of_traced_functions():
    with pytest.raises(fc.CompilationError, match="while"):
        fc.hessian(newton, [1.0, 2.0], sparse=True)
    for options in ({"method": "central"}, {"grad": chain}, {"out": np.empty((5, 5))}):
        with pytest.raises(ValueError, match="sparse=True"):
            fc.hessian(chain, np.ones(5), sparse=True, **options)
    with pytest.raises(ValueError, match="method='traced'"):
        fc.hessian(chain, np.ones(5), grad=chain, method="traced")


@pytest.mark.parametrize("case", LIBRARY, ids=lambda case: case.name)
def test_no_entry_is_missed(case):
    """The pattern holds every entry that differs from zero."""
    exact = references.load(case.name)
    n = exact.points.shape[1]
    pattern = fc.trace(case.fun, n, case.args).sparsity.toarray()
    assert not exact.hessian[:, ~pattern].any()


# ---- functions as formulas


def test_formulas_are_what_they_say():
    def f(x, a):
        t = x[0] - a * x[1]
        return math.exp(-t * t) / (1.0 + x[2] ** 2) - (t if t > 0 else x[2]) * -3.0

    expression = fc.trace(f, 3, (0.7,))
    known = {"exp": math.exp, "sqrt": math.sqrt, "H": {}, "g": {}, "a": [0.7]}
    for x in rng.standard_normal((5, 3)):
        scope = {**known, "x": x, "H": {}, "g": {}}
        exec("\n".join(expression.hessian_formulas), scope)
        assert scope["f"] == pytest.approx(f(x, 0.7), rel=1e-14)
        H, g = fc.hessian(f, x, (0.7,), method="hyperdual"), fc.gradient(f, x, (0.7,), method="hyperdual")
        for (i, j), entry in scope["H"].items():
            assert entry == pytest.approx(H[i, j], rel=1e-12, abs=1e-13)
        for i, entry in scope["g"].items():
            assert entry == pytest.approx(g[i], rel=1e-12, abs=1e-13)
    counts = expression.operations
    assert 0 < counts["f"] < counts["gradient"] < counts["hessian"]
    assert len(expression.formulas) < len(expression.gradient_formulas) < len(expression.hessian_formulas)


def test_a_long_sum_is_shown_by_its_terms():
    shown = str(fc.trace(pairs, 24, (0.5,)))
    assert "the sum of 276 terms like" in shown
    assert "exp(" in shown
    assert all(len(line) <= 160 for line in shown.splitlines())


def test_what_cannot_be_traced_to_look_at():
    with pytest.raises(fc.CompilationError, match="while"):
        fc.trace(newton, 2)
    with pytest.raises(TypeError, match="Python function"):
        fc.trace(fc.vectorized(len), 2)
    for n, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="n must be a positive integer"):
            fc.trace(rosenbrock, n)


def test_sparsity_is_drawn():
    ax = fc.plot.sparsity(fc.trace(chain, 6))
    assert ax.get_xlabel() == ax.get_ylabel() == "coordinate"
    assert "16 of 36" in ax.get_title()


# ---- bad points


def risky(x):
    return math.log(x[0]) * x[1] + x[2] ** 2 / x[1]


@pytest.mark.parametrize("bounds", [None, ([0.1, 0.1, -9.0], [9.0, 9.0, 9.0])])
def test_one_bad_point_harms_no_other(bounds):
    good = rng.uniform(0.5, 3.0, (21, 3))
    bad = good.copy()
    bad[3, 0], bad[8, 1], bad[20, 2], bad[10] = -1.0, 0.0, np.inf, np.nan
    fine = np.isin(np.arange(21), [3, 8, 10, 20], invert=True)
    options = {"method": "traced", "bounds": bounds}
    for derivative in (fc.hessian, fc.gradient):
        found, expected = derivative(risky, bad, **options), derivative(risky, good, **options)
        assert np.array_equal(found[fine], expected[fine])
        assert np.isnan(found[~fine]).all()
    c, expected = (fc.curvature(risky, x, extra=("hessian",), **options) for x in (bad, good))
    outside = -5 if bounds else -3
    assert c.status[[3, 8, 10, 20]].tolist() == [outside, outside, -3 if bounds is None else -5, outside]
    assert np.array_equal(c.hessian[fine], expected.hessian[fine])
    assert np.array_equal(c.eigenvalues[fine], expected.eigenvalues[fine])
    assert np.isnan(c.gradient[~fine]).all()
    assert (c.index[~fine] == -1).all()
    assert (c.status[fine] == 0).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_bit(threads, monkeypatch):
    monkeypatch.setattr(_pace, "WORTH_THREADS", 0.0)
    x = rng.uniform(0.5, 3.0, (203, 3))
    with fc.threads(threads):
        H, c = fc.hessian(risky, x, method="traced"), fc.curvature(risky, x, method="traced")
    for b in (0, 7, 101, 202):
        assert np.array_equal(fc.hessian(risky, x[b], method="traced"), H[b])
        assert np.array_equal(fc.curvature(risky, x[b], method="traced").eigenvalues, c.eigenvalues[b])


def test_numbers_of_each_point():
    def f(x, p, q):
        return p * x[0] ** 2 + q[0] * x[0] * x[1] + q[1] * math.sin(x[1])

    x, p, q = rng.standard_normal((3, 4, 2)), rng.standard_normal((3, 4)), rng.standard_normal((3, 4, 2))
    H = fc.hessian(f, x, point_args=(p, q), method="traced")
    expected = np.empty((3, 4, 2, 2))
    expected[..., 0, 0], expected[..., 1, 1] = 2 * p, -q[..., 1] * np.sin(x[..., 1])
    expected[..., 0, 1] = expected[..., 1, 0] = q[..., 0]
    assert agrees(H, expected)
    v = rng.standard_normal((3, 4, 5, 2))
    product = fc.hvp(f, x, v, point_args=(p, q), method="traced")
    assert agrees(product, np.einsum("abij,abkj->abki", expected, v))
    form = fc.vhv(f, x, v, point_args=(p, q), method="traced")
    assert agrees(form, np.einsum("abki,abki->abk", product, v))


# ---- the disk cache


SECOND_PROCESS = """
import math
import numpy as np
import fastcurv as fc
from fastcurv.backends import _kernels

def f(x):
    return math.exp(x[0]) * x[1] + x[1] ** 2

print(fc.hessian(f, np.ones((3, 2)), method="traced").tolist())
entries = [entry for kernel in _kernels._known.values() for entry in kernel.entries.values()]
print(sum(entry._cache.hits for entry in entries), len(entries))
"""


def test_a_second_process_compiles_nothing(tmp_path):
    script = tmp_path / "again.py"
    script.write_text(SECOND_PROCESS)
    found = [
        subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.splitlines()
        for _ in range(2)
    ]
    assert found[0][0] == found[1][0]
    hits, kernels = found[1][1].split()
    assert int(hits) == int(kernels) > 0


# ---- what a new user found


@pytest.mark.parametrize(
    ("fun", "n"),
    [
        (lambda x: x[0] + x[1], 2),
        (lambda x: 3.0, 3),
        (lambda x: np.max(x), 30),
        pytest.param(lambda x: np.sum(x), 20, marks=pytest.mark.stress),
        pytest.param(lambda x: np.abs(x).sum(), 9, marks=pytest.mark.stress),
    ],
)
def test_hessians_that_vanish_everywhere(fun, n):
    x = np.linspace(-1.0, 1.0, n)
    H, error = fc.hessian(fun, x, method="traced", return_error=True)
    assert not H.any()
    assert not error.any()
    assert not fc.hessian(fun, np.tile(x, (20, 1)), method="traced").any()
    assert not fc.hvp(fun, x, np.ones(n), method="traced").any()
    assert fc.vhv(fun, x, np.ones(n), method="traced") == 0
    assert not fc.quadratic_model(fun, x, method="traced").hessian.any()
    assert fc.curvature(fun, x, method="traced").nullity == n
    assert fc.explain(fun, x).method.startswith("traced")


@pytest.mark.parametrize(
    "operation",
    [np.mod, np.fmod, np.arctan2, np.hypot, np.copysign, np.power, min, max, lambda a, b: a % b],
    ids=["mod", "fmod", "atan2", "hypot", "copysign", "power", "min", "max", "%"],
)
def test_constants_among_the_operands(operation):
    x = np.array([[1.3, 0.6], [0.4, 2.9], [2.9, 0.4]])

    def fun(x):
        return operation(x[0], 0.7) ** 2 + operation(0.7, x[1]) ** 2

    found, expected = (fc.quadratic_model(fun, x, method=method) for method in ("traced", "hyperdual"))
    for name in ("value", "gradient", "hessian"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-14, atol=1e-15)


def T():  # noqa: N802  as an attribute is
    """Named as the attribute of an array that the function below uses."""
    try:
        return 1
    except ValueError:
        return 2


def test_attributes_are_no_globals():
    def fun(x):
        return np.sum(x.reshape(2, 2).T @ np.ones(2)) + x[0] ** 2

    assert fc.hessian(fun, np.ones(4), method="traced")[0, 0] == 2.0


def test_long_lines_are_cut_into_blocks():
    """A sum of terms with some thousand operations each: results do not depend on where code is cut."""
    data = rng.normal(size=(9, 3))

    def fun(w, data):
        hidden = np.tanh(data @ w[:18].reshape(3, 6))
        return np.sum((hidden @ w[18:24]) ** 2)

    w = rng.normal(size=(3, 24))
    found = fc.hessian(fun, w, (data,), method="traced")
    assert agrees(found, fc.hessian(fun, w, (data,), method="central", order=8), 1e-7)
    program = tracing.program(tracing.trace(fun, 24, (data,)), tracing.Wanted(second=True))
    assert TOGETHER * max(c.operations for c in program.classes) > LONG


@pytest.mark.parametrize("fun", [lambda x: np.var(x) * x[0], lambda x: np.std(x), lambda x: np.var(x, ddof=1)])
def test_variances(fun):
    x = np.array([[0.3, 0.5, -0.9], [1.0, 2.0, 4.0]])
    found = tracing.trace(fun, 3, ())
    expected = [fun(point) for point in x]
    np.testing.assert_allclose(
        [values(found.graph, found.outputs, {"x": point})[0] for point in x], expected, rtol=1e-14
    )


def test_formulas_of_several_values_are_refused():
    with pytest.raises(ValueError, match="fun must return one real number, got 2"):
        fc.trace(lambda x: (x[0], x[1]), 2)
