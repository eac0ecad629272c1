"""value, gradient, jacobian, hessian, hvp, quadratic_model against the oracle and analytic answers."""

import ctypes
import functools
import gc
import math
import warnings

import numpy as np
import oracle
import pytest
from functions import many_rosenbrock, rosenbrock, rosenbrock_gradient, rosenbrock_hessian
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numba import carray, cfunc, njit, types
from scipy import LowLevelCallable
from scipy.optimize import Bounds

import fastcurv as fc
from fastcurv import _call
from fastcurv import _repeat as repeat
from fastcurv.function import user_function

ORDERS = (2, 4, 6, 8)
rng = np.random.default_rng(5)
X2, X5 = rng.uniform(-1.5, 1.5, (40, 2)), rng.uniform(-1.5, 1.5, (40, 5))


def close(found, expected, tolerance):
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("stencil", ["economical", "4-point"])
def test_hessian_is_the_oracle(order, stencil):
    found = fc.hessian(many_rosenbrock, X5[:3], order=order, stencil=stencil)
    for x, H in zip(X5, found, strict=False):
        expected = oracle.hessian(rosenbrock, x, order, stencil)
        # the same formula, another order of summation: rounding of f over h²
        close(H, expected, 3e-7 if order == 2 else 2e-9)


@pytest.mark.parametrize("order", ORDERS)
def test_gradient_is_the_oracle(order):
    found = fc.gradient(many_rosenbrock, X5[:3], order=order)
    for x, g in zip(X5, found, strict=False):
        close(g, oracle.gradient(rosenbrock, x, order), 1e-9)


def test_forward_differences_are_the_oracle():
    H, g = (
        fc.hessian(many_rosenbrock, X5[:3], method="forward"),
        fc.gradient(many_rosenbrock, X5[:3], method="forward"),
    )
    for b in range(3):
        close(H[b], oracle.forward_hessian(rosenbrock, X5[b]), 1e-4)
        close(g[b], oracle.forward_gradient(rosenbrock, X5[b]), 1e-7)


@pytest.mark.parametrize("order", ORDERS)
def test_products_are_the_oracle(order):
    v = rng.normal(size=5)
    found = fc.hvp(many_rosenbrock, X5[0], v, order=order)
    close(found, rosenbrock_hessian(X5[0]) @ v, 5e-6)
    close(found, oracle.hvp(rosenbrock, X5[0], v, order), 1e-5)


@pytest.mark.parametrize("order", ORDERS)
def test_second_derivatives_along_vectors(order):
    """v'Hv by every method, for one vector and for blocks; its error estimate; near bounds and from a gradient."""
    x, v = X5[:9], rng.normal(size=(9, 2, 5))
    expected = np.einsum("bki,bij,bkj->bk", v, np.array([rosenbrock_hessian(point) for point in x]), v)
    found, error = fc.vhv(rosenbrock, x, v, order=order, method="central", return_error=True)
    assert found.shape == error.shape == (9, 2)
    close(found, expected, 2e-6)
    assert (np.abs(found - expected) <= error).all()
    assert np.median(error / np.abs(expected)) <= 1e-3
    one = fc.vhv(rosenbrock, x[0], v[0, 0], order=order, method="central")
    assert one == found[0, 0]
    assert np.ndim(one) == 0


def test_second_derivatives_along_vectors_otherwise():
    x, v = X5[:9], rng.normal(size=(9, 5))
    expected = np.einsum("bi,bij,bj->b", v, np.array([rosenbrock_hessian(point) for point in x]), v)
    close(fc.vhv(rosenbrock, x, v, method="forward"), expected, 1e-3)
    close(fc.vhv(rosenbrock, x, v, grad=rosenbrock_gradient), expected, 1e-8)
    bounds = (x.min(axis=0), x.max(axis=0))
    found, error = fc.vhv(rosenbrock, x, v, bounds=bounds, method="central", return_error=True)
    close(found, expected, 1e-4)
    assert (np.abs(found - expected) <= error).all()
    assert np.array_equal(fc.vhv(rosenbrock, x, np.zeros((9, 5)), method="central"), np.zeros(9))
    assert fc.vhv(rosenbrock, x.astype(np.float32), v.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 17])
def test_every_n(n):
    """Each small n has a kernel of its own, the others share one."""
    x = rng.uniform(-1.5, 1.5, (7, n))
    x[0] = 1.0
    expected = np.array([rosenbrock_hessian(point) for point in x])
    assert np.abs(fc.hessian(rosenbrock, x) - expected).max() <= 2e-6 * max(1.0, np.abs(expected).max())


def test_repeated_calls():
    """Short calls are remembered, with what they depend on."""
    factor = 1.0

    def fun(x):
        return factor * x[0] ** 3 * x[1] + math.log(x[1])

    x = np.array([[0.3, 0.7], [-1.0, 2.0]])

    def checked(x):
        return fc.hessian(fun, x, stencil=None, point_args=(), bounds=(-np.inf, np.inf))

    def is_remembered(x):
        return repeat.key_of(fun, x, (), (), "auto", "auto", 2) in repeat._repeats

    first = fc.hessian(fun, x)
    for kind in (x, x.astype(np.float32), x[0].copy()):
        for _ in range(1000):
            fc.hessian(fun, kind)
            if is_remembered(kind):
                break
        assert is_remembered(kind)
        found = fc.hessian(fun, kind)
        assert found.dtype == kind.dtype
        assert np.array_equal(found, checked(kind))
    assert fc.hessian(fun, x) is not fc.hessian(fun, x)
    out = np.full((2, 2, 2), 7.0)
    assert fc.hessian(fun, x, out=out) is out
    assert np.array_equal(out, first)
    unaligned = np.zeros(65, np.uint8)[1:].view(np.float64)  # as in a file after a header
    assert not unaligned.flags.aligned
    assert np.array_equal(fc.hessian(fun, x, out=unaligned.reshape(2, 2, 2)), first)
    unaligned[:4] = x.ravel()
    assert np.array_equal(fc.hessian(fun, unaligned[:4].reshape(2, 2)), first)
    for wrong in (out[:1], out.astype(np.float32), out.swapaxes(1, 2)[::-1]):
        with pytest.raises(ValueError, match="out must"):
            fc.hessian(fun, x, out=wrong)
    other = np.array([[1.0, -1.0], [5.0, 0.1]])  # the logarithm is NaN at the first
    assert np.array_equal(fc.hessian(fun, other), checked(other), equal_nan=True)
    assert np.isnan(fc.hessian(fun, other)[0]).all()
    for wrong in ({"order": 2.0}, {"method": ["auto"]}, {"device": "gpu"}, {"args": [1.0]}, {"point_args": other}):
        with pytest.raises((TypeError, ValueError)):
            fc.hessian(fun, x, **wrong)
    factor = 3.0
    assert np.array_equal(fc.hessian(fun, x), checked(x))
    assert not np.array_equal(fc.hessian(fun, x), first)


def remembered(name, fun, x, args=()):
    """Call until the call is remembered."""
    key = repeat.key_of(fun, x, args, (), "auto", "auto", 2, name)
    for _ in range(1000):
        found = getattr(fc, name)(fun, x, args)
        if key in repeat._repeats:
            return found
    raise AssertionError("was not remembered")


@pytest.mark.parametrize("n", [2, 3, 9, 20])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_repeated_gradients(n, dtype):
    """Those of traced functions are remembered beside Hessians; results are those of checked calls."""

    def fun(x, a, k):
        s = a[k] * abs(x[0]) * x[1]
        for i in range(len(x)):
            s += np.log(x[i] + 3.0) * a[0]
        return s

    def checked(x, args):
        return fc.gradient(fun, x, args, bounds=(-np.inf, np.inf))

    x = rng.uniform(-1.0, 1.0, (7, n)).astype(dtype)
    args = np.array([0.5, 2.0]), 1
    remembered("hessian", fun, x, args)
    remembered("gradient", fun, x, args)
    for other in (x, -x, np.where(np.arange(n) == 0, 0.0, x), np.where(np.arange(n) == 1, -4.0, x)):  # a tie, NaN
        other = other.astype(dtype)
        for more in (args, (np.array([0.25, -1.0]), 1), (np.array([0.25, -1.0]), 0)):
            found = fc.gradient(fun, other, more)
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, checked(other, more))
            out = np.full(x.shape, 7.0, dtype)
            assert fc.gradient(fun, other, more, out=out) is out
            np.testing.assert_array_equal(out, found)
    with pytest.raises(ValueError, match="out must not share memory with x"):
        fc.gradient(fun, x, args, out=x)
    point = x[0].copy()
    remembered("gradient", fun, point, args)
    np.testing.assert_array_equal(fc.gradient(fun, point, args), checked(point, args))


def steep(x):
    return np.sum(x * x) + abs(x[0] - 7.0)


def test_what_overlaps_arguments_that_are_copied_is_taken():
    """However often a call was made before."""

    def fun(x, a):
        return a[0] * x[0] ** 2 + a[1] * x[1] ** 2

    x, numbers = np.array([1.0, 2.0]), np.arange(1.0, 7.0)
    remembered("gradient", fun, x, (np.array([1.0, 2.0]),))
    found = fc.gradient(fun, x, (numbers[::2][:2],), out=numbers[1:3])
    np.testing.assert_array_equal(found, [2.0, 12.0])


@pytest.mark.parametrize("n", [2, 9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_repeated_products(n, dtype):
    def fun(x, a):
        s = a * abs(x[0]) * x[1] ** 2
        for i in range(len(x)):
            s += np.log(x[i] + 3.0) * x[i]
        return s

    def checked(x, v, a):
        return fc.hvp(fun, x, np.stack([v, v], axis=-2), (a,))[..., 0, :]

    x, v = rng.uniform(-1.0, 1.0, (2, 7, n)).astype(dtype)
    key = repeat.key_of(fun, x, (0.5,), (), "auto", "auto", 2, "hvp")
    for _ in range(1000):
        fc.hvp(fun, x, v, (0.5,))
        if key in repeat._repeats:
            break
    assert key in repeat._repeats
    for other in (x, -x, np.where(np.arange(n) == 0, 0.0, x), np.where(np.arange(n) == 1, -4.0, x)):  # a tie, NaN
        other = other.astype(dtype)
        for w, a in ((v, 0.5), (2.0 * v, -1.5)):
            w = w.astype(dtype)
            found = fc.hvp(fun, other, w, (a,))
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, checked(other, w, a))
            out = np.full(x.shape, 7.0, dtype)
            assert fc.hvp(fun, other, w, (a,), out=out) is out
            np.testing.assert_array_equal(out, found)
    with pytest.raises(ValueError, match="out must not share memory with v"):
        fc.hvp(fun, x, v, (0.5,), out=v)
    large = np.full((1, n), 0.4 * np.finfo(dtype).max, dtype)
    with warnings.catch_warnings():  # sums of products may overflow
        warnings.simplefilter("error")
        np.testing.assert_array_equal(fc.hvp(steep, np.ones((1, n), dtype), large), 2 * large)
    np.testing.assert_array_equal(fc.hvp(fun, x, v[0], (0.5,)), fc.hvp(fun, x, np.tile(v[0], (7, 1)), (0.5,)))
    with pytest.raises(ValueError, match="v must have as many coordinates"):
        fc.hvp(fun, x, np.ones((7, n + 1)), (0.5,))


def test_gradients_that_are_not_traced_are_not_remembered():
    def fun(x):
        s = x[0]
        while s < 3.0:
            s = s * s + 1.5
        return s * x[1]

    x = np.ones((3, 2))
    for _ in range(20):
        found = fc.gradient(fun, x)
    assert repeat.key_of(fun, x, (), (), "auto", "auto", 2, "gradient") not in repeat._repeats
    np.testing.assert_array_equal(found, fc.gradient(fun, x, method="hyperdual"))


def test_functions_may_outlive_the_package(monkeypatch):
    """When Python ends, names of modules are None before the last functions go."""

    def made():
        return lambda x: x[0] ** 2 * x[1]

    first, fun = made(), made()  # of equal functions the first one is kept
    known = repeat._repeats
    for function in (first, fun):
        known.clear()
        for _ in range(1000):
            fc.hessian(function, np.ones((10, 2)))
            if known:
                break
    assert len(known) == 1
    monkeypatch.setattr(repeat, "_repeats", None)
    del fun, function
    gc.collect()
    assert not known


@pytest.mark.parametrize(("method", "bound"), [("auto", 1e-15), ("hyperdual", 1e-15), ("central", 1e-6)])
def test_repeated_calls_with_arguments(method, bound):
    """Numbers among the arguments may change; whatever else they are is looked at again."""

    def fun(x, a, b):
        return b * np.sum(a * x**3) + x[0] * x[-1] * a[0]

    hessian = functools.partial(fc.hessian, fun, method=method)
    x, a = rng.uniform(-1.0, 1.0, (5, 3)), rng.uniform(-1.0, 1.0, 3)
    key = repeat.key_of(fun, x, (a, 2.0), (), "auto", method, 2)
    for _ in range(1000):
        hessian(x, (a, 2.0))
        if key in repeat._repeats:
            break
    assert key in repeat._repeats

    def expected(a, b):
        H = np.zeros((5, 3, 3))
        H[:, range(3), range(3)] = 6.0 * b * a * x
        H[:, 0, 2] += a[0]
        H[:, 2, 0] += a[0]
        return H

    for b in (2.0, -3.0, math.inf, math.nan):
        found = hessian(x, (a, b))
        assert np.array_equal(found, hessian(x, (a, b), out=np.empty((5, 3, 3))), equal_nan=True)
        if math.isfinite(b):
            close(found, expected(a, b), bound)
    other = a.copy()
    other[0] = 5.0
    close(hessian(x, (other, 2.0)), expected(other, 2.0), bound)
    close(hessian(x, (a[::-1], 1)), expected(a[::-1], 1), bound)
    close(hessian(x, (list(a), 2.0)), expected(a, 2.0), bound)
    with pytest.raises(TypeError):
        hessian(x, (object(), 2.0))


@pytest.mark.parametrize(("method", "bound"), [("traced", 1e-15), ("hyperdual", 1e-15), ("central", 1e-6)])
def test_repeated_calls_with_integers(method, bound):
    """Integers may change, too, those that steer the function among them, and be too large for symbols."""

    def fun(x, pairs, labels, power):
        s = 0.0
        for k in range(pairs.shape[0]):
            s += labels[k] * (x[pairs[k, 0]] - x[pairs[k, 1]]) ** 4
        for _ in range(power):
            s *= 2.0
        return s

    def expected(x, pairs, labels, power):
        H = np.zeros((len(x), 4, 4))
        for (i, j), label in zip(pairs, labels, strict=True):
            second = 2.0**power * label * 12.0 * (x[:, i] - x[:, j]) ** 2
            for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
                H[:, a, b] += sign * second
        return H

    x = rng.uniform(-1.0, 1.0, (5, 4))
    first = np.array([[0, 1], [2, 3]]), np.array([1, 2]), 1
    key = repeat.key_of(fun, x, first, (), "auto", method, 2)
    for _ in range(1000):
        fc.hessian(fun, x, first, method=method)
        if key in repeat._repeats:
            break
    assert key in repeat._repeats
    for args in (
        first,
        (first[0], np.array([3, -1]), 1),
        (first[0], np.array([1, 2**21]), 1),
        (np.array([[0, 1], [2, 0]]), first[1], 1),
        (np.asfortranarray([[3, 1], [1, 0]]), first[1], 1),
        (first[0], first[1], 3),
        first,
    ):
        assert repeat.key_of(fun, x, args, (), "auto", method, 2) == key
        close(fc.hessian(fun, x, args, method=method), expected(x, *args), bound)


@pytest.mark.parametrize("order", ORDERS)
def test_user_gradient(order):
    expected = np.array([rosenbrock_hessian(x) for x in X5])
    H, error = fc.hessian(rosenbrock, X5, grad=rosenbrock_gradient, order=order, return_error=True)
    close(H, expected, 1e-8)
    assert np.array_equal(H, H.swapaxes(1, 2))
    assert (np.abs(H - expected) <= error).mean() >= 0.99
    v = rng.normal(size=X5.shape)
    close(
        fc.hvp(rosenbrock, X5, v, grad=rosenbrock_gradient, order=order),
        np.einsum("bij,bj->bi", expected, v),
        1e-8,
    )


def test_forward_with_a_user_gradient():
    expected = np.array([rosenbrock_hessian(x) for x in X5])
    close(fc.hessian(rosenbrock, X5, grad=rosenbrock_gradient, method="forward"), expected, 1e-5)
    v = np.ones(5)
    close(fc.hvp(rosenbrock, X5, v, grad=rosenbrock_gradient, method="forward"), expected @ v, 1e-5)


def test_products_broadcast():
    x, block = X5[:3], rng.normal(size=(3, 4, 5))
    H = np.array([rosenbrock_hessian(point) for point in x])
    close(fc.hvp(rosenbrock, x, block), np.einsum("bij,bkj->bki", H, block), 1e-5)
    close(fc.hvp(rosenbrock, x, block[0, 0]), H @ block[0, 0], 1e-5)
    close(fc.hvp(rosenbrock, x[0], block[0]), block[0] @ H[0], 1e-5)
    close(fc.hvp(rosenbrock, x[0], block), block @ H[0], 1e-5)
    assert np.array_equal(fc.hvp(rosenbrock, x[0], np.zeros(5)), np.zeros(5))


def test_sparse_hessians_are_summed_up():
    H = fc.hessian(lambda x: x[0] * x[1] + x[2] ** 2, np.ones((2, 3)), sparse=True)
    assert repr(H) == "SparseHessians of shape (2, 3, 3), 3 of 9 entries do not vanish"


# ---- three kinds of function


@cfunc(types.float64(types.intc, types.CPointer(types.float64)))
def c_rosenbrock(n, pointer):
    x = carray(pointer, (n,))
    f = 0.0
    for i in range(n - 1):
        f += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return f


@cfunc(types.float64(types.intc, types.CPointer(types.float64), types.voidptr))
def c_scaled(n, pointer, data):
    return carray(pointer, (n,))[0] ** 2 * carray(data, (1,), dtype=np.float64)[0]


def test_kinds_of_function_agree():
    kinds = (
        rosenbrock,
        njit(rosenbrock),
        c_rosenbrock,
        c_rosenbrock.ctypes,
        LowLevelCallable(c_rosenbrock.ctypes),
    )
    H = [fc.hessian(kind, X5, order=4) for kind in (*kinds, many_rosenbrock)]
    for other in H[1:-1]:
        close(other, H[0], 1e-8)  # the rounding of f, contracted in another way, over h²
    close(H[-1], H[0], 1e-9)
    g = [fc.gradient(kind, X5) for kind in (rosenbrock, c_rosenbrock, many_rosenbrock)]
    close(g[1], g[0], 1e-10)
    close(g[2], g[0], 1e-9)
    v = [fc.value(kind, X5) for kind in (rosenbrock, c_rosenbrock, many_rosenbrock)]
    close(v[1], v[0], 1e-15)


def test_c_function_with_data():
    data = ctypes.c_double(3.0)
    fun = LowLevelCallable(c_scaled.ctypes, ctypes.cast(ctypes.pointer(data), ctypes.c_void_p))
    assert fc.value(fun, [2.0]) == 12.0
    close(fc.hessian(fun, [2.0]), np.array([[6.0]]), 1e-6)


def test_c_function_with_a_compiled_gradient():
    H = np.array([rosenbrock_hessian(point) for point in X5])
    for bounds in (None, (-10.0 * np.ones(5), 10.0 * np.ones(5))):
        options: dict = {"grad": rosenbrock_gradient, "bounds": bounds}
        found, error = fc.hessian(c_rosenbrock, X5, return_error=True, **options)
        close(found, H, 1e-8)
        assert error.max() <= 1e-6
        model = fc.quadratic_model(c_rosenbrock, X5, **options)
        close(model.value, fc.value(c_rosenbrock, X5), 1e-15)
        close(model.gradient, np.array([rosenbrock_gradient(x) for x in X5]), 1e-14)
        close(fc.curvature(c_rosenbrock, X5, **options).eigenvalues, np.linalg.eigvalsh(H), 1e-8)
    close(fc.hvp(c_rosenbrock, X5, X5, grad=rosenbrock_gradient), np.einsum("bij,bj->bi", H, X5), 1e-8)


def test_c_function_refuses_what_it_cannot_take():
    with pytest.raises(TypeError, match="float64"):
        fc.value(c_rosenbrock, np.ones(2, np.float32))
    for x in (np.ones((3, 2)), np.ones((0, 2))):
        with pytest.raises(ValueError, match=r"^args: a C function takes none, got 1; put its data behind"):
            fc.value(c_rosenbrock, x, (1.0,))
        with pytest.raises(ValueError, match=r"^point_args: a C function takes none, got 2; put its data behind"):
            fc.hessian(c_rosenbrock, x, point_args=(np.ones(len(x)), np.ones(len(x))))
    undeclared = ctypes.pythonapi["Py_GetVersion"]  # whatever it does
    for argtypes in (None, [ctypes.c_int, ctypes.POINTER(ctypes.c_double)]):  # and the result is an int
        undeclared.argtypes = argtypes
        with pytest.raises(TypeError, match=r"^fun must be a C function whose types are set, got .*restype.*argtypes"):
            fc.hessian(undeclared, np.ones(2))
    wrong = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: x)
    with pytest.raises(TypeError, match="must be a C function"):
        fc.value(wrong, np.ones(2))


def test_vectorized_batches():
    sizes = []

    def fun(X):
        sizes.append(len(X))
        return (X**3).sum(axis=1)

    found = fc.hessian(fc.vectorized(fun, batch_size=10), X5)
    close(found, np.array([np.diag(6 * x) for x in X5]), 1e-5)
    assert max(sizes) == 10
    assert sum(sizes) == 40 * 31
    sizes.clear()
    fc.gradient(fc.vectorized(fun), X5)
    assert sizes == [40 * 11]


def test_vectorized_vector_and_point_args():
    fun = fc.vectorized(lambda X, c, P: np.stack([c * X[:, 0] * X[:, 1], (P * X).sum(axis=1)], axis=1))
    P = rng.normal(size=(40, 2))
    J = fc.jacobian(fun, X2, (3.0,), point_args=(P,))
    close(J[:, 0], 3 * X2[:, ::-1], 1e-8)
    close(J[:, 1], P, 1e-8)


def test_vectorized_gradient():
    grad = fc.vectorized(lambda X: np.array([rosenbrock_gradient(x) for x in X]))
    expected = np.array([rosenbrock_hessian(x) for x in X5])
    close(fc.hessian(many_rosenbrock, X5, grad=grad), expected, 1e-8)
    model = fc.quadratic_model(many_rosenbrock, X5, grad=grad)
    close(model.gradient, np.array([rosenbrock_gradient(x) for x in X5]), 1e-14)
    close(model.value, np.array([rosenbrock(x) for x in X5]), 1e-14)
    with pytest.raises(TypeError, match="both be vectorized"):
        fc.hessian(many_rosenbrock, X5, grad=rosenbrock_gradient)


def test_vectorized_errors_reach_the_user():
    def fun(X):
        raise RuntimeError("service down")

    with pytest.raises(RuntimeError, match="service down"):
        fc.gradient(fc.vectorized(fun), X2)
    with pytest.raises(ValueError, match=r"must return an array of shape \(200,\)"):
        fc.gradient(fc.vectorized(lambda X: X), X2)


# ---- arguments


def quadratic(x, A, b, scale):
    f = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            f += 0.5 * scale * A[i, j] * x[i] * x[j]
        f += b[i] * x[i]
    return f


def test_args():
    A = rng.normal(size=(2, 2))
    A = A + A.T
    b = np.array([1, 2])  # integers stay integers
    x = X2[:5]
    close(fc.hessian(quadratic, x, (A, b, 2)), np.broadcast_to(2 * A, (5, 2, 2)), 1e-6)
    g = fc.gradient(quadratic, x, (A, b, 2.0))
    close(g, 2 * x @ A + b, 1e-8)
    strided = np.asfortranarray(np.repeat(A, 2, axis=1))[:, ::2]
    assert np.array_equal(fc.gradient(quadratic, x, (strided, b, 2.0)), g)
    A.flags.writeable = False
    assert np.array_equal(fc.gradient(quadratic, x, (A, b, 2.0)), g)


def weighted(x, scale, p, q):
    return scale * (p[0] * x[0] ** 2 + p[1] * x[1] ** 2) + q * x[0] * x[1]


def test_point_args():
    p, q = rng.normal(size=(4, 10, 2)), rng.normal(size=(4, 10))
    x = X2.reshape(4, 10, 2)
    H = fc.hessian(weighted, x, (2.0,), point_args=(p, q))
    expected = np.zeros((4, 10, 2, 2))
    expected[..., 0, 0], expected[..., 1, 1] = 4 * p[..., 0], 4 * p[..., 1]
    expected[..., 0, 1] = expected[..., 1, 0] = q
    close(H, expected, 1e-6)
    with pytest.raises(ValueError, match=r"point_args\[1\] must have the leading shape"):
        fc.hessian(weighted, x, (2.0,), point_args=(p, q[0]))


# ---- vector-valued functions


def as_tuple(x):
    return x[0] * x[1], 3, x[0] > 0.0


def as_list(x):
    return [x[0] * x[1], x[0] + 1.0]


def as_array(x):
    y = np.empty(3, x.dtype)
    for i in range(3):
        y[i] = math.sin(x[0] * (i + 1)) * x[1]
    return y


def test_jacobian_of_tuples_lists_and_arrays():
    J = fc.jacobian(as_tuple, X2)
    close(J[:, 0], X2[:, ::-1], 1e-8)
    assert np.array_equal(J[:, 1:], np.zeros((40, 2, 2)))
    J = fc.jacobian(as_list, X2)
    close(J[:, 1], np.tile([1.0, 0.0], (40, 1)), 1e-8)
    k = np.arange(1, 4)
    x, y = X2[:, :1], X2[:, 1:]
    expected = np.stack([k * np.cos(x * k) * y, np.sin(x * k)], axis=-1)
    for order in ORDERS:
        J, error = fc.jacobian(as_array, X2, order=order, return_error=True)
        close(J, expected, 1e-8)
        assert (np.abs(J - expected) <= error).mean() >= 0.95  # 240 entries; pooled coverage: test_accuracy


def growing(x):
    return np.zeros(2 if x[0] < 1.0 else 3)


def powers_below(x, k):
    return x[0] ** np.arange(k)


def multiples(x, factors):
    y = np.empty(len(factors), x.dtype)
    for i, factor in enumerate(factors):
        y[i] = factor * x[0]
    return y


def times_up_to_one(x, step):
    return x[0] * np.arange(0.0, 1.0, step)


@pytest.mark.parametrize("method", ["auto", "hyperdual", "central", "forward"])
def test_arguments_decide_how_many_values_there_are(method):
    """Also where their types do not tell: memory is as large as the function's values, whatever it returned before."""
    for x in ([2.0], np.full((9, 1), 2.0)):
        for k in (3, 4, 2, 30, 4):
            J = fc.jacobian(powers_below, x, (k,), method=method)
            expected = np.arange(k) * 2.0 ** (np.arange(k) - 1)
            np.testing.assert_allclose(J[..., 0], np.broadcast_to(expected, J.shape[:-1]), rtol=1e-6)
        for factors in ((1.0, 2.0), (1.0, 2.0, 3.0), (5.0,), (1.0, 3.0)):
            J = fc.jacobian(multiples, x, (factors,), method=method)
            np.testing.assert_allclose(J[..., 0], np.broadcast_to(factors, J.shape[:-1]), rtol=1e-6)
        for step in (0.5, 0.25, 0.3, 0.5):
            J, error = fc.jacobian(times_up_to_one, x, (step,), method=method, return_error=True)
            assert error.shape == J.shape
            expected = np.arange(0.0, 1.0, step)
            np.testing.assert_allclose(J[..., 0], np.broadcast_to(expected, J.shape[:-1]), rtol=1e-6, atol=1e-9)


def test_what_is_nan_throughout_is_tried_once_more():
    """Not at each call, and without what a trial raises."""
    tried = []
    fc.jacobian(logarithms, [2.0], (1,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_call, "values_at", lambda function, x, args: tried.append(args) or np.zeros(2))
        for k in (1, 2, 1, 2, 1):
            assert np.isnan(fc.jacobian(logarithms, [-2.0], (k,), method="central")).all()
    assert len(tried) == 2

    def counted(x):
        k, s = int(x[0]), 0
        while s < k:
            s += 1
        return (x[0] * s, x[1] * x[0])

    fc.jacobian(counted, [2.0, 1.0])
    assert np.isnan(fc.jacobian(counted, [math.nan, 1.0])).all()


def logarithms(x, k):
    return (math.log(x[0]) * k, math.log(x[0]))


def test_no_values():
    for first in ((), (3,)):
        for k in first:
            fc.jacobian(powers_below, [2.0], (k,))
        with pytest.raises(ValueError, match="powers_below returned no values"):
            fc.jacobian(powers_below, [2.0], (0,))


def test_room_of_the_users_own_has_the_right_length():
    for method in ("auto", "hyperdual", "central"):
        for step in (0.5, 0.25, 0.5, 0.125):
            out = np.empty((round(1 / step), 1))
            assert fc.jacobian(times_up_to_one, [2.0], (step,), method=method, out=out) is out
            np.testing.assert_allclose(out[:, 0], np.arange(0.0, 1.0, step), atol=1e-9)
        with pytest.raises(ValueError, match="out must have shape"):
            fc.jacobian(times_up_to_one, [2.0], (0.5,), method=method, out=np.empty((3, 1)))


def test_a_function_that_fails_at_most_points_is_tried_at_some(monkeypatch):
    tried = []

    def late(x):
        tried.append(0)
        if x[0] < 0.5:
            raise ValueError("too early")
        return (x[0], 2 * x[0])

    x = np.linspace(0, 1, 100_000)[:, None]
    with pytest.raises(fc.CompilationError):  # Numba knows no list to append to
        fc.jacobian(late, x)
    assert len(tried) <= 100
    with pytest.raises(ValueError, match="too early"):
        fc.jacobian(lambda x: late(x - 2), x)


def test_jacobian_of_changing_length_is_nan():
    J = fc.jacobian(growing, [[0.0], [2.0]])
    assert np.isfinite(J[0]).all()
    assert np.isnan(J[1]).all()


FAR = np.array([1000.0, -30.0, 7.0])


def far_bowl(x):
    return (x[0] - 1000.0) ** 2 + 2 * (x[1] + 30.0) ** 2 + 3 * (x[2] - 7.0) ** 2


def far_slope(x):
    return 2 * (x[0] - 1000.0), 4 * (x[1] + 30.0), 6 * (x[2] - 7.0)


@pytest.mark.parametrize(
    "options",
    [{"method": "central"}, {"order": 8}, {"method": "forward"}, {"grad": far_slope, "method": "central"}],
)
def test_errors_of_products_know_the_rounding_of_nodes(options):
    """Near a minimum of 0 far from the origin f has hardly an error, but x + t v has."""
    rng = np.random.default_rng(2)
    x, v = FAR + 1e-3 * rng.standard_normal((300, 3)), rng.standard_normal((300, 3))
    for found, expected in (
        (fc.hvp(far_bowl, x, v, return_error=True, **options), v * [2, 4, 6]),
        (fc.vhv(far_bowl, x, v, return_error=True, **options), (v * v * [2, 4, 6]).sum(axis=1)),
    ):
        result, error = found
        assert (np.abs(result - expected) <= error).mean() >= 0.998
        assert error.max() <= 1e-2


def slopes(x):
    e, h = np.exp(x[0] * x[1]), np.exp(x[1] + x[2])
    return x[1] * e + x[2] ** 3, x[0] * e + h, 3 * x[2] ** 2 * x[0] + h


def of_three(x):
    return np.exp(x[0] * x[1]) + x[2] ** 3 * x[0] + np.exp(x[1] + x[2])


@pytest.mark.parametrize("options", [{"bounds": (-1, 1)}, {"grad": slopes}, {"grad": slopes, "bounds": (-1, 1)}])
def test_errors_of_products_in_float32(options):
    """Only what is made of Hessians, or of their products, is rounded."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-0.8, 0.8, (2000, 3)).astype(np.float32)
    v = rng.standard_normal((2000, 3)).astype(np.float32)
    product = np.einsum("kij,kj->ki", fc.hessian(of_three, x.astype(float)), v.astype(float))
    result, error = fc.hvp(of_three, x, v, return_error=True, **options)
    assert (np.abs(result - product) <= error).all()
    result, error = fc.vhv(of_three, x, v, return_error=True, **options)
    assert (np.abs(result - (product * v).sum(axis=1)) <= error).all()


def cubes(x):
    total = 0.0
    for i in range(len(x)):
        total += x[i] ** 3
    return np.float32(total)


@pytest.mark.parametrize("fun", [cubes, fc.vectorized(lambda x: (x**3).sum(axis=1).astype(np.float32))])
def test_values_of_fewer_digits_than_points(fun):
    """What a torch model returns: steps and errors are those of float32, from the first call on."""
    x = np.random.default_rng(3).uniform(-1, 1, (300, 3))
    hessian = 6 * x[:, :, None] * np.eye(3)
    for _ in range(2):
        H, error = fc.hessian(fun, x, return_error=True)
        assert (np.abs(H - hessian) <= error).mean() >= 0.998
        assert np.abs(H - hessian).max() <= 1e-2
    g, error = fc.gradient(fun, x, return_error=True)
    assert (np.abs(g - 3 * x**2) <= error).mean() >= 0.998
    found = fc.curvature(fun, x)
    assert (np.abs(found.eigenvalues - np.sort(6 * x, axis=1)).max(axis=1) <= found.eigenvalue_error).all()
    assert (found.index <= (x < 0).sum(axis=1)).all()


# ---- steps, noise, bounds


def cubic(x):
    return x[0] ** 3 + x[0] * x[1] ** 2


def test_steps_are_what_was_asked():
    x = np.array([2.0, 0.5])
    # a cubic: the error of the pure second difference is 0, of the first h² f'''/6 = h²
    for h in (1e-2, 0.25):
        g = fc.gradient(cubic, x, abs_step=h)
        assert g[0] - 12.25 == pytest.approx(h**2, rel=1e-6)
        g = fc.gradient(cubic, x, rel_step=h)
        assert g[0] - 12.25 == pytest.approx((2 * h) ** 2, rel=1e-6)
    g = fc.gradient(cubic, x, abs_step=[0.1, 1e-3])
    assert g[0] - 12.25 == pytest.approx(0.01, rel=1e-6)


def test_steps_along_vectors_do_not_depend_on_their_length():
    def quartic(x):
        return x[0] ** 4 / 4.0 + x[1] ** 2

    def slopes(x):
        return (x[0] ** 3, 2.0 * x[1])

    x, v, h = np.array([2.0, 0.5]), np.array([1.0, -0.5]), 0.25
    # of a cubic gradient the error of the first difference along v is h² v³, of a quartic that of the second h² v⁴ / 2
    for length in (1.0, 4.0, 2.0**-9):
        of_gradient = fc.hvp(quartic, x, length * v, grad=slopes, abs_step=h, method="central") / length
        np.testing.assert_allclose(of_gradient, [12.0 + h**2, -1.0], rtol=1e-12)
        largest = fc.hvp(quartic, x, length * v, grad=slopes, abs_step=[1e-3, h], method="central") / length
        np.testing.assert_array_equal(largest, of_gradient)
        form = fc.vhv(quartic, x, length * v, abs_step=h) / length**2
        np.testing.assert_allclose(form, 12.0 + 0.5 + h**2 / 2, rtol=1e-12)
    one, many = (fc.hvp(quartic, x, length * v, abs_step=h) / length for length in (1.0, 1024.0))
    np.testing.assert_allclose(one, many, rtol=1e-12)
    assert np.isnan(fc.hvp(quartic, [np.nan, 1.0], v, abs_step=h)).all()
    assert (fc.hvp(quartic, x, 0.0 * v, abs_step=h) == 0.0).all()


def test_noise_widens_steps_and_error_estimates():
    seed = np.random.default_rng(8)
    level = 1e-7
    noisy = fc.vectorized(lambda X: np.cos(X).prod(axis=1) + level * seed.uniform(-1, 1, len(X)))
    x = rng.uniform(-1, 1, (30, 3))
    c, s = np.cos(x), np.sin(x)
    exact = np.stack([-s[:, 0] * c[:, 1] * c[:, 2], -c[:, 0] * s[:, 1] * c[:, 2], -c[:, 0] * c[:, 1] * s[:, 2]], 1)
    estimate = fc.estimate_noise(noisy, x)
    assert 0.2 * level < np.median(estimate) < 3 * level
    plain = np.abs(fc.gradient(noisy, x) - exact).max()
    g, error = fc.gradient(noisy, x, noise=level, return_error=True)
    assert np.abs(g - exact).max() < 0.02 * plain
    assert (np.abs(g - exact) <= error).mean() > 0.98
    per_point = fc.gradient(noisy, x, noise=np.full(30, level))
    assert np.abs(per_point - exact).max() < 0.02 * plain
    H = fc.hessian(noisy, x, noise=level)
    assert np.abs(H[:, 0, 0] + c.prod(axis=1)).max() < 0.05


def test_noise_in_float32_of_functions_that_branch():
    def branching(x):
        if x[0] > 0.0:
            return x[0] ** 2
        return x[0] ** 3

    x = np.array([[1.0], [-1.0]], np.float32)
    for options in ({}, {"bounds": (-1, 1)}):
        g = fc.gradient(branching, x, noise=1e-4, **options)
        H = fc.hessian(branching, x, noise=1e-4, **options)
        assert g.dtype == H.dtype == np.float32
        np.testing.assert_allclose(g.ravel(), [2.0, 3.0], rtol=0.05)
        np.testing.assert_allclose(H.ravel(), [2.0, -6.0], rtol=0.5)


def test_no_noise_widens_no_steps():
    """Also where the function is 0 all around a point: the kink at 1 is far from 0.5."""
    H = fc.hessian(lambda x: max(x[0] - 1.0, 0.0) ** 2, [[0.5], [3.0]], noise=[0.0, 1e-3])
    np.testing.assert_allclose(H.ravel(), [0.0, 2.0], atol=1e-2)


@settings(max_examples=60, deadline=None)
@given(
    x=hnp.arrays(np.float64, (3, 2), elements=st.floats(-1, 1)),
    room=hnp.arrays(np.float64, (4, 2), elements=st.sampled_from([0.0, 1e-9, 1e-5, 1e-3, 0.1, 2.0])),
    order=st.sampled_from(ORDERS),
    method=st.sampled_from(["central", "forward"]),
)
def test_never_outside_bounds(x, room, order, method):
    lower, upper = x.min(axis=0) - room[0], x.max(axis=0) + room[1]
    seen = []

    def fun(X):
        seen.append(X.copy())
        return np.exp(X[:, 0]) * (2 + X[:, 1]) ** 2

    options = {"order": order} if method == "central" else {}
    f = fc.vectorized(fun)
    for call in (fc.gradient, fc.hessian, fc.curvature):
        call(f, x, bounds=(lower, upper), method=method, **options)
    seen = np.concatenate(seen)
    assert (seen >= lower).all()
    assert (seen <= upper).all()


def smooth(x):
    return math.exp(x[0]) * (2.0 + x[1]) ** 2


@pytest.mark.parametrize("order", ORDERS)
def test_accuracy_at_bounds(order):
    x = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1e-4, 0.5], [0.5, 0.5]])
    e, t = np.exp(x[:, 0]), 2 + x[:, 1]
    g = np.stack([e * t**2, 2 * e * t], axis=1)
    H = np.stack([np.stack([e * t**2, 2 * e * t], axis=1), np.stack([2 * e * t, 2 * e], axis=1)], axis=1)
    bounds = (np.zeros(2), np.ones(2))
    found, error = fc.hessian(smooth, x, bounds=bounds, order=order, return_error=True)
    close(found, H, {2: 2e-5, 4: 1e-6, 6: 2e-7, 8: 2e-7}[order])
    assert (np.abs(found - H) <= error).mean() >= 0.95
    found, error = fc.gradient(smooth, x, bounds=bounds, order=order, return_error=True)
    close(found, g, 1e-8 if order > 2 else 1e-7)
    assert (np.abs(found - g) <= error).mean() >= 0.9
    v = np.array([1.0, -2.0])
    close(fc.hvp(smooth, x, v, bounds=bounds, order=order), H @ v, {2: 2e-5, 4: 1e-6, 6: 2e-7, 8: 2e-7}[order])


def test_bounds_in_every_form():
    x = np.array([0.0, 1.0])
    forms = [
        (np.zeros(2), np.ones(2)), ([0, 0], [1, 1]), (0.0, 1.0), Bounds([0, 0], [1, 1]), [(0, 1), (0, 1)],
        ((0, 1), (0, 1)),
    ]  # fmt: skip
    found = [fc.gradient(smooth, x, bounds=form) for form in forms]
    for other in found[1:]:
        assert np.array_equal(other, found[0])
    half = fc.gradient(smooth, x, bounds=[(None, 1), (0, None)])
    assert np.isfinite(half).all()


def test_float32_points_stay_within_float64_bounds():
    lower, upper = np.array([0.1, 0.7]), np.array([0.3, 0.9])  # as float32: 0.1 and 0.3 above, 0.7 and 0.9 below
    seen = []

    def fun(X):
        seen.append(X.astype(float))
        return np.exp(X[:, 0]) * (2 + X[:, 1]) ** 2

    x = np.array([[0.1, 0.8], [0.2, 0.9], [0.29, 0.7]], np.float32)
    for call in (fc.gradient, fc.hessian):
        found = call(fc.vectorized(fun), x, bounds=(lower, upper))
        assert found.dtype == np.float32
        assert np.isfinite(found).all(axis=tuple(range(1, found.ndim))).tolist() == [True, True, False]
    evaluated = np.concatenate(seen)
    assert (evaluated >= lower).all()
    assert (evaluated <= upper).all()
    equal = fc.gradient(fc.vectorized(fun), np.array([0.2, 0.7], np.float32), bounds=([0, 0.7], [1, 0.7]))
    assert np.isfinite(equal).tolist() == [True, False]


def test_coinciding_bounds_leave_the_other_coordinates():
    g = fc.gradient(smooth, [0.5, 0.5], bounds=([0, 0.5], [1, 0.5]), method="central")
    assert g[0] == pytest.approx(math.exp(0.5) * 6.25, rel=1e-8)
    assert np.isnan(g[1])
    H = fc.hessian(smooth, [0.5, 0.5], bounds=([0, 0.5], [1, 0.5]), method="central")
    assert H[0, 0] == pytest.approx(math.exp(0.5) * 6.25, rel=1e-5)
    assert np.isnan(H[0, 1])
    assert np.isnan(H[1, 1])
    assert np.isfinite(fc.hessian(smooth, [0.5, 0.5], bounds=([0, 0.5], [1, 0.5]))).all()  # exact ones need no room


# ---- the quadratic model


def test_quadratic_model():
    model = fc.quadratic_model(rosenbrock, X5)
    y = X5 + 1e-3
    d = y - X5
    H = np.array([rosenbrock_hessian(x) for x in X5])
    g = np.array([rosenbrock_gradient(x) for x in X5])
    expected = model.value + (g * d).sum(1) + 0.5 * np.einsum("bi,bij,bj->b", d, H, d)
    close(model(y), expected, 1e-8)
    close(model.decrease(d), model.value - expected, 1e-4)
    minimizer = model.minimizer()
    positive = np.linalg.eigvalsh(H)[:, 0] > 1e-3
    assert np.isfinite(minimizer[positive]).all()
    assert np.isnan(minimizer[np.linalg.eigvalsh(H)[:, 0] < -1e-3]).all()
    newton = X5 - np.linalg.solve(H, g[..., None])[..., 0]
    close(minimizer[positive], newton[positive], 1e-5)
    with pytest.raises(ValueError, match="y must have 5 coordinates"):
        model([1.0, 2.0])


def test_quadratic_model_of_one_point():
    model = fc.quadratic_model(cubic, [1.0, 2.0])
    assert model.value == 5.0
    assert model([1.0, 2.0]) == model.value
    assert "2 coordinates" in repr(model)


# ---- weights


def test_weights_are_exact():
    from fractions import Fraction

    from fastcurv.differences import _tables as tables

    for order in ORDERS:
        assert [Fraction(c) for c in tables.central_scales(order // 2)] == [
            Fraction(c) for c in oracle.scale_weights(order)
        ]
        for derivative in (1, 2):
            nodes = list(range(order + derivative))
            assert tables.one_sided(order, derivative) == oracle.exact_weights(nodes, derivative)
            axis = tables.central_axis(order, True)
            m = order // 2
            for row, reach in ((0, m), (1, m + 1)):
                nodes = [0, *(sign * k for k in range(1, reach + 1) for sign in (1, -1))]
                exact = [float(w) for w in oracle.exact_weights(nodes, derivative)]
                table = (axis.first if derivative == 1 else axis.second)[row, : len(nodes)]
                assert np.allclose(table, exact, rtol=4e-16, atol=1e-17)


def chosen(x):
    return np.where(x[0] > 0, x[0] ** 2, x[0] ** 3)


def test_arrays_of_no_dimension_are_numbers():
    x = np.array([[-2.0], [3.0]])
    assert fc.value(chosen, x).tolist() == [-8.0, 9.0]
    for method in ("traced", "hyperdual", "central", "forward"):
        np.testing.assert_allclose(fc.gradient(chosen, x, method=method), [[12.0], [6.0]], rtol=1e-6)
    assert fc.objective(chosen).fun(x[0]) == -8.0
    assert fc.value(lambda x: np.where(x[0] > 0, 1, 2), x).tolist() == [2.0, 1.0]


def test_directions_that_overflow_are_nan_everywhere():
    def f(x):
        return x[0] ** 2 * x[1]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in ({}, {"bounds": (0, 2)}):
            assert np.isnan(fc.hvp(f, [0.7, 1.3], [np.inf, 0.0], **options)).all()
            assert np.isnan(fc.vhv(f, [0.7, 1.3], [1e200, 1e200], **options))
            assert np.isnan(fc.vhv(f, [0.7, 1.3], [1e200, 1e200], return_error=True, **options)).all()


def scaled_after_a_loop(x, a):
    s = 0.0
    while s < 2.0:  # not traced
        s += 1.0 + x[0] * x[0]
    return a * s + x[1]


def test_arrays_without_axes_are_numbers():
    expected = fc.hessian(scaled_after_a_loop, [0.3, 2.0], (2.0,), method="hyperdual")
    found = fc.hessian(scaled_after_a_loop, [0.3, 2.0], (np.array(2.0),))
    assert np.array_equal(found, expected)


def labelled(w, y):
    s = 0.0
    for r in range(len(y)):
        s += (w[0] - y[r]) ** 2 * w[1]
    return s


def test_integers_that_change_do_not_retrace_for_ever():
    """They are constants of a traced function; one that has seen many is taken by numbers."""
    for k in range(30):
        y = np.arange(k, k + 3)
        expected = [[6.0, 2 * (3 - y.sum())], [2 * (3 - y.sum()), 0.0]]
        np.testing.assert_allclose(fc.hessian(labelled, [1.0, 1.0], (y,)), expected, rtol=1e-14)
    assert sum(map(len, user_function(labelled).traced.values())) <= 16
