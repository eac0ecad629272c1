"""What people write: every construct differentiates exactly, beside differences of the plain Python function."""

import math

import numpy as np
import oracle
import pytest

import fastcurv as fc

X = np.array([[0.35, 0.45, 0.7, 0.9], [-0.6, 1.2, 0.4, -0.8]])
A = np.array([[0.5, -1.0, 2.0, 0.3], [1.5, 0.2, -0.7, 1.0], [0.1, 0.9, 0.4, -2.0]])


def early_return(x):
    if x[0] < 0.0:
        return x[1] ** 3 * x[2]
    return math.exp(x[0] * x[1])


def iterate_to_convergence(x):
    y = 1.0 + x[0] * x[0]  # Newton's square root of it
    root = y
    while abs(root * root - y) > 1e-14 * y:
        root = 0.5 * (root + y / root)
    return root * x[1]


def _power(a, k):
    return 1.0 if k == 0 else a * _power(a, k - 1)


def recursion(x):
    return _power(x[0] + x[1], 4) + x[2] * x[3]


def break_and_continue(x):
    s = 0.0
    for i in range(100):
        if i % 3 == 1:
            continue
        if i > 3 * len(x):
            break
        s += x[i % len(x)] ** 2 * x[(i + 1) % len(x)]
    return s


def nested_branches(x):
    s = 0
    for i in range(len(x)):
        t = x[i]
        if t > 0.3:
            if x[i - 1] > t:
                s += t**3 * x[i - 1]
            else:
                s -= math.sin(t * x[0])
        elif abs(t) < 0.7:
            s -= math.exp(t) * x[i - 1]
        else:
            s += max(t, x[i - 1]) * t
    return s


def integer_arithmetic(x):
    k = int(10 * abs(x[0]) + 0.25) % len(x)
    j = (k * 3 + len(x) // 2) % len(x)
    return x[k] ** 2 * x[j] + x[-1] * x[-2] + round(x[1]) * x[0] ** 2 + math.floor(x[2]) * x[3]


def closures(x):
    scale = x[0] * 2.0

    def g(a, b=3.0):
        return a * b * scale

    return g(x[1]) * g(x[2], x[3])


def tuples(x):
    a, b = x[0], x[1]
    pair = (a * b, a + b)
    swapped = pair[1], pair[0]
    return swapped[0] ** 2 * swapped[1] + x[2] * x[3]


def lists(x):
    found = [x[0] ** 2, x[1] * x[2]]
    for i in range(len(x)):
        found.append(x[i] * found[-1])
    squares = [v * v for v in x]
    return sum(found) * squares[1] + max(found) + min(squares)


def slices(x):
    head, tail, even, backwards = x[:2], x[-2:], x[::2], x[::-1]
    return head[0] * tail[1] ** 2 + even[1] * backwards[0] * len(even) + x[1:][1:][0] ** 3


def iteration(x):
    s = 0.0
    for v in x:
        s += v**3
    for i, v in enumerate(x[1:]):
        s += i * v * v * x[0]
    for a, b in zip(x[:-1], x[1:]):  # noqa: B905, RUF007  what people write, and Numba knows
        s += a * b * b
    return s


def unified_accumulators(x):
    s, product, count = 0, 1, 0
    for i in range(len(x)):
        s += x[i]
        product *= x[i] + 2.0
        count += x[i] > 0.0
    return s * s + product + count * x[0] ** 2


def work_arrays(x):
    a = np.empty(len(x), x.dtype)
    b = np.zeros((2, 2), x.dtype)
    for i in range(x.size):
        a[i] = x[i] * x[i - 1]
    b[0, 1] = a[0] * a[1]
    b[1, 0] = 2.0
    a[1:3] = a[2:4]
    a[0] = 1.0
    return a[0] * a[1] * b[0, 1] * b[1, 0] + x.shape[0] * a[3] ** 2


def numpy_sums(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2) + x.sum() * np.mean(x)


def numpy_functions(x):
    whole = np.exp(x)
    s = np.sum(np.exp(-(x**2)) * np.cos(2.0 * np.pi * x)) + np.sqrt(np.sum(x * x)) + np.arctan2(x[0], x[1])
    return s + whole[0] * np.sum(np.logaddexp(x, whole))


def numpy_products(x, A):
    r = A @ x - 1.0
    return np.dot(r, r) + x @ (A.T @ (A @ x)) + np.linalg.norm(x) + np.prod(x)


def numpy_arrays(x):
    a = np.array([x[0] * x[1], x[2] ** 2, 3.0, x[3]])
    y = x.copy()
    y[0] = y[1] * 2.0
    y += a
    y[1:] *= 2.0
    chosen = np.where(x > 0.5, x, x**2)
    return np.sum(a * a) + y.sum() * np.max(chosen) + np.sum(np.zeros_like(x) + y * chosen)


def of_x_then_made_of_it(x):
    u = x
    for _ in range(3):
        u = u + 0.1 * (np.roll(u, 1) - 2.0 * u + np.roll(u, -1)) * u
    v = x
    while len(v) > 2:
        v = v[1:]
    w = x if x[0] > 0.0 else 2.0 * x
    return np.sum(u**3) + v[0] * v[1] ** 2 + w[0] * w[2]


def shapes(x):
    W = x.reshape(2, 2)
    V, U = x[1:].copy(), np.reshape(x, (2, -1))
    return np.sum(np.tanh(W @ V[:2] + x[:2]) ** 2) + np.sum(W.T @ U) * x.ravel()[1] + x.reshape((4,))[0] * x.T[3] ** 2


def statistics(x):
    return x.var() * x.mean() + np.std(x) ** 3 + np.sum(np.cumsum(x) ** 2 * x) + np.sum(np.diff(x) ** 3)


def mixed_kinds(x, p, flag, k):
    s = np.float32(2.0) * x[0] + True * x[1] + k * x[2] + p[0] / x[3]
    if flag:
        s = s**k + 2.0 ** x[0] + abs(x[1]) ** x[0] + (x[2] + 3) ** 1.5
    return s


def half_constant(x):
    return x[0] ** 2 if x[0] > 0.0 else 1


PROGRAMS = {
    early_return: (), iterate_to_convergence: (), recursion: (), break_and_continue: (), nested_branches: (),
    integer_arithmetic: (), closures: (), tuples: (), lists: (), slices: (), iteration: (),
    unified_accumulators: (), work_arrays: (), numpy_sums: (), numpy_functions: (), numpy_products: (A,),
    numpy_arrays: (), of_x_then_made_of_it: (), shapes: (), statistics: (),
    mixed_kinds: (np.array([0.5]), True, 3), half_constant: (),
}  # fmt: skip


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda function: function.__name__)
def test_program(function):
    args = PROGRAMS[function]

    def plain(x):
        return function(x, *args)

    model = fc.quadratic_model(function, X, args, method="hyperdual")
    H = np.array([oracle.hessian(plain, x, order=6) for x in X])
    g = np.array([oracle.gradient(plain, x, order=6) for x in X])
    np.testing.assert_array_equal(model.hessian, model.hessian.swapaxes(-1, -2))
    np.testing.assert_allclose(model.value, [plain(x) for x in X], rtol=1e-13)
    np.testing.assert_allclose(model.hessian, H, rtol=0, atol=1e-7 * np.abs(H).max())
    np.testing.assert_allclose(model.gradient, g, rtol=0, atol=1e-9 * (np.abs(H).max() + np.abs(g).max()))


def returns_array(x):
    return np.array([x[0] * x[1], math.sin(x[2]), 2.0, x[3] ** 3])


def returns_list(x):
    return [x[0] * x[1], x[2] ** 2, x[3]]


def returns_tuple(x):
    return x[0] * x[1], 7, x[2] * 2.0, 1.5


def returns_work_array(x):
    y = np.empty(3, x.dtype)
    for i in range(3):
        y[i] = x[i] * x[i + 1]
    return y


def returns_expression(x, A):
    return A @ x**2


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (returns_array, ()),
        (returns_list, ()),
        (returns_tuple, ()),
        (returns_work_array, ()),
        (returns_expression, (A,)),
    ],
)
def test_jacobian(function, args):
    J = fc.jacobian(function, X, args, method="hyperdual")
    near = [oracle.gradient(lambda x: function(x, *args), x, order=6) for x in X]
    np.testing.assert_allclose(J, near, rtol=0, atol=1e-10)


def complex_number(x):
    return abs(complex(x[0], x[1])) * x[2]


def changing_array(x):
    a = np.zeros(3)
    a[0] = x[0] ** 2
    while a[0] > 2.0:
        a[0] *= 0.5
    return a[0] + x[1]


@pytest.mark.parametrize(
    ("function", "named"), [(changing_array, "a[0] = x[0] ** 2"), (complex_number, "complex(x[0]")]
)
def test_what_is_not_supported_is_named_and_taken_by_differences(function, named):
    with pytest.raises(fc.CompilationError, match="cannot be evaluated in numbers that carry derivatives") as caught:
        fc.hessian(function, X, method="hyperdual")
    assert named in str(caught.value)
    assert "test_programs.py, line" in str(caught.value)
    H = fc.hessian(function, X)
    assert np.array_equal(H, fc.hessian(function, X, method="central"))
    explained = fc.explain(function, X)
    assert explained.method.startswith("central, order 2 (auto: ")
    assert named in explained.method


def test_explain_tells_the_method():
    assert fc.explain(tuples, X).method.startswith("traced (auto")
    assert fc.explain(tuples, X, method="hyperdual").method == "hyperdual (asked for)"
    assert "option of differences" in fc.explain(tuples, X, order=4).method
    assert "vectorized" in fc.explain(fc.vectorized(lambda X: X[:, 0]), X).method


@pytest.mark.parametrize("options", [{"order": 4}, {"rel_step": 1e-3}, {"noise": 1e-9}, {"stencil": "4-point"}])
def test_options_of_differences_go_with_differences_only(options):
    with pytest.raises(ValueError, match="for differences only, got method='hyperdual'"):
        fc.hessian(tuples, X, method="hyperdual", **options)
    assert not np.array_equal(fc.hessian(tuples, X, **options), fc.hessian(tuples, X))


def test_functions_without_code_have_differences_only():
    fun = fc.vectorized(lambda X: (X**2).sum(axis=1))
    with pytest.raises(ValueError, match="needs compiled functions"):
        fc.hessian(fun, X, method="hyperdual")
    assert np.allclose(fc.hessian(fun, X), 2 * np.eye(4), atol=1e-6)
