"""value, gradient, jacobian, hessian, quadratic_model: what a user calls for derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _launch as launch
from . import _repeat as repeat
from ._call import on_device
from ._errors import LengthError
from ._inputs import flag, lives_on_device, new_array, output, overflown, poison, rounded
from ._model import QuadraticModel
from ._plan import Options
from .backends._kernels import Role
from .function import Compiled, user_function


def value(
    fun: Callable, x: Any, args: tuple = (), *, point_args: tuple = (), device: str = "auto", out: Any = None
) -> Any:
    """Values of a function at many points.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)`` at one point x of shape (n,) returns one real number: a plain Python function within
        Numba's nopython subset, a Numba dispatcher, ``vectorized(...)``, or a C pointer.
    x : array_like, shape B + (n,)
        Points along the last axis.
    args : tuple
        Arguments that all points share: numbers and arrays. Where integers, as indices or bounds of loops, or booleans
        steer `fun`, it is looked at again for new ones.
    point_args : tuple of array_like, each of shape B + (...)
        Arguments of each point, its own slice, after `args`.
    device : {"auto", "cpu", "cuda", "cuda:1", ...}
        Where to compute; "auto" is where `x` lives, "cuda" every CUDA device where `x` is NumPy's. There functions are
        Python functions whose arguments are numbers and arrays. Exact derivatives are computed in the precision of `x`,
        arguments and literals beside it included; differences, and values of functions that cannot be traced, in
        float64. Arrays of CuPy, torch and JAX are worked on where they are, float32 or float64 and C-contiguous, and
        results are arrays of the same kind there; `point_args` and `out` live beside them. So may `noise`, and arrays
        of floats in `args`, which are taken for float64 there; all else in `args` is read on the host, and all of it in
        the first call with such arguments. Sparse Hessians are given on the host.
    out : ndarray, optional
        Where to put the result: of its shape and type, C-contiguous, writeable, and sharing no memory with `x`, `args`
        or `point_args`. Also a memmap.

    Returns
    -------
    ndarray, shape B
        A number at one point. NaN where `fun` raised.

    Raises
    ------
    CompilationError
        If Numba cannot compile `fun`: `vectorized` is the way out.
    TypeError, ValueError
        If an argument is not what it must be, which the message says by name.
    DeviceError
        If `device` is a GPU that is not there, or does not serve the call.

    Examples
    --------
    >>> import fastcurv as fc
    >>> fc.value(lambda x: x[0] ** 2 + x[1], [[1.0, 2.0], [3.0, 4.0]])
    array([ 3., 13.])
    """
    if lives_on_device(x):
        return on_device().of_array(value, fun, x, args, point_args, device, Options(), out)
    call = launch.call(fun, x, args, point_args, device)
    result = output(out, call.batch, call.x.dtype, **call.points._asdict())
    launch.values(call, result.reshape(-1))
    return result if call.batch or out is not None else result[()]


def gradient(
    fun: Callable,
    x: Any,
    args: tuple = (),
    *,
    method: str = "auto",
    order: int = 2,
    rel_step: Any = None,
    abs_step: Any = None,
    noise: Any = None,
    bounds: Any = None,
    return_error: bool = False,
    point_args: tuple = (),
    device: str = "auto",
    out: Any = None,
) -> Any:
    """Gradients of a function at many points.

    Parameters
    ----------
    fun, x, args, point_args, device, out
        As for `value`.
    method : {"auto", "exact", "traced", "hyperdual", "central", "forward"}
        "exact" is exact to rounding: "traced", where `fun` is an expression of x, differentiated as such, else
        "hyperdual", by numbers that carry derivatives. "auto" takes it unless neither serves `fun` (`explain` tells
        why) or an option of differences is given.
    order : {2, 4, 6, 8}
        Order of accuracy of central differences: 2n, 4n, 6n, 8n evaluations (and one) per point. 2, the default, leaves
        the choice of the method; another asks for differences.
    rel_step, abs_step : float or array_like, shape (n,), optional
        Step lengths in units of max(1, |x_i|), or as they are: give `abs_step` where |x_i| is much less than 1, and
        where `fun` changes within much less than |x_i|. By default they balance truncation and rounding.
    noise : float or array_like, shape B, optional
        Absolute level of noise of `fun` (see `estimate_noise`); wider steps are taken.
    bounds : optional
        ``(lower, upper)``, `scipy.optimize.Bounds` or n pairs: `fun` is never evaluated outside; stencils near a bound
        are one-sided. Points outside give NaN. Of two coordinates only two tuples are pairs: ``[(0, 1), (0, 5)]`` are
        those of each coordinate, ``[[0, 1], [0, 5]]`` are lower and upper bounds.
    return_error : bool
        Return ``(gradient, error)`` with an estimate of the absolute error of each entry: of truncation, and of
        rounding in the formulas of the derivatives: exact ones are then evaluated again, a few roundings away.
        Cancellation inside `fun` itself, as of sin(x)/x near 0, may not show there: `check` shows it. Near `bounds`
        differences are then taken with shorter steps, for those of the estimate must fit, too.

    Returns
    -------
    ndarray, shape B + (n,)
        With `return_error` a pair of such arrays, the gradients and their errors.
    Raises
    ------
    CompilationError, TypeError, ValueError, DeviceError
        As for `value`.

    Notes
    -----
    Exact gradients err by a few eps times the rounding of `fun` itself. Those of differences err by near eps**(2/3),
    4e-11, at order 2 and 1e-13 at order 8, relative, for smooth, well-scaled functions.

    Examples
    --------
    >>> import fastcurv as fc
    >>> fc.gradient(lambda x: x[0] ** 2 * x[1], [3.0, 2.0]).round(6)
    array([12.,  9.])
    """
    key = None
    if (
        rel_step is abs_step is noise is bounds is None
        and return_error is False
        and (out is None or type(out) is np.ndarray)
    ):
        key = repeat.key_of(fun, x, args, point_args, device, method, order, "gradient")
        if key is not None and (repeated := repeat.again(key, x, args, out)) is not None:
            return repeated
    options = Options(method, order, rel_step, abs_step, None, noise, bounds)
    errors = flag(return_error, "return_error")
    if lives_on_device(x):
        return on_device().of_array(gradient, fun, x, args, point_args, device, options, out, return_error=errors)
    call = launch.call(fun, x, args, point_args, device, options=options)
    result = _first(call, Role(call.function, "row"), None, errors, out)
    if key is not None:
        repeat.remember(key, call)
    return result


def jacobian(
    fun: Callable,
    x: Any,
    args: tuple = (),
    *,
    method: str = "auto",
    order: int = 2,
    rel_step: Any = None,
    abs_step: Any = None,
    noise: Any = None,
    bounds: Any = None,
    return_error: bool = False,
    point_args: tuple = (),
    device: str = "auto",
    out: Any = None,
) -> Any:
    """Jacobians of a vector-valued function at many points.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)`` returns m real numbers as a tuple, a list or a 1-D array.
    x, args, method, order, rel_step, abs_step, noise, bounds, return_error, point_args, device, out
        As for `gradient`.

    Returns
    -------
    ndarray, shape B + (m, n)
        Row r is the gradient of component r. With `return_error` a pair of such arrays.

    Raises
    ------
    CompilationError, TypeError, ValueError, DeviceError
        As for `value`.

    Examples
    --------
    >>> import fastcurv as fc
    >>> fc.jacobian(lambda x: (x[0] * x[1], x[0] + x[1]), [3.0, 2.0]).round(6)
    array([[2., 3.],
           [1., 1.]])
    """
    options = Options(method, order, rel_step, abs_step, None, noise, bounds)
    errors = flag(return_error, "return_error")
    if lives_on_device(x):
        return on_device().of_array(jacobian, fun, x, args, point_args, device, options, out, return_error=errors)
    call = launch.call(fun, x, args, point_args, device, vector=True, options=options)
    if call.length is None:
        raise launch.unknown_length(call)
    m = call.length
    if isinstance(out, np.ndarray) and out.ndim > 1 and out.shape[-2] != m:
        m = launch.length_again(call) or m
    return _first(call._replace(length=m), Role(call.function, "vector"), m, errors, out)


def _first(call: launch.Call, role: Role, m: int | None, errors: bool, out: Any) -> Any:
    """A Jacobian of m rows, or a gradient (m is None)."""
    count, n = call.shape
    shape = (*call.batch, n) if m is None else (*call.batch, m, n)
    result = output(out, shape, call.x.dtype, **call.points._asdict())
    rows = m or 1
    J = result.reshape(count, rows, n)
    try:
        found = launch.first_order(call, role, rows, errors, J)
    except LengthError as error:
        if error.length == 0:
            raise ValueError(f"{call.function.name} returned no values; expected at least one") from None
        return _first(call._replace(length=error.length), role, error.length, errors, out)
    if m is not None and count and np.isnan(J[0]).all() and np.isnan(J).all():
        known = launch.length_again(call)  # numbers among the arguments may decide on it
        if known not in (None, m):
            return _first(call._replace(length=known), role, known, errors, out)
    poison(overflown(J), J, *([found.error] if errors else []))
    return (result, rounded(found.error, result.dtype).reshape(shape)) if errors else result


def hessian(
    fun: Callable,
    x: Any,
    args: tuple = (),
    *,
    grad: Callable | None = None,
    method: str = "auto",
    order: int = 2,
    rel_step: Any = None,
    abs_step: Any = None,
    stencil: str | None = None,
    noise: Any = None,
    bounds: Any = None,
    return_error: bool = False,
    sparse: bool = False,
    point_args: tuple = (),
    device: str = "auto",
    out: Any = None,
) -> Any:
    """Hessians of a function at many points.

    Parameters
    ----------
    fun, x, args, method, rel_step, abs_step, noise, bounds, return_error, point_args, device, out
        As for `gradient`.
    grad : callable, optional
        The gradient of `fun`, ``grad(x, *args)`` with n values: Hessians are its first derivatives.
    order : {2, 4, 6, 8}
        Order of accuracy of central differences; order 2m takes m n (n + 1) + 1 evaluations per point.
    stencil : {"economical", "4-point"}, optional
        For mixed derivatives; the 4-point stencil takes nearly twice the evaluations and is less sensitive to noise:
        the default where `noise` is given.
    sparse : bool
        Leave out entries that vanish for every x: for functions that can be traced, n may be in the thousands.

    Returns
    -------
    ndarray, shape B + (n, n)
        Exactly symmetric; with `return_error` a pair of such arrays. With `sparse` a `scipy.sparse.csr_array` at one
        point; of a batch, `SparseHessians`: values, shape B + (m,), on one pattern, and ``H[b]`` for the matrix of a
        point. Errors are values on that pattern.

    Raises
    ------
    CompilationError, TypeError, ValueError, DeviceError
        As for `value`; with `sparse` also what cannot be traced, or asks for differences.

    Notes
    -----
    Worst relative errors over smooth, well-scaled functions: 2e-14 of exact Hessians, 5e-6 where devices compute them
    in float32, 1.1e-6, 1.5e-8, 1.2e-9, 4.9e-10 of differences of orders 2, 4, 6, 8. Exact ones are taken by edge
    pushing (Gower & Mello, Optim. Methods Softw. 27, 2012) on the expression that a function is when it is traced, or
    by hyper-dual numbers (Fike & Alonso, AIAA 2011-886).

    Examples
    --------
    >>> import fastcurv as fc
    >>> fc.hessian(lambda x: x[0] ** 2 * x[1], [3.0, 2.0]).round(4)
    array([[4., 6.],
           [6., 0.]])
    """
    key = None
    is_plain = return_error is False and sparse is False and (out is None or type(out) is np.ndarray)
    if grad is rel_step is abs_step is stencil is noise is bounds is None and is_plain:
        key = repeat.key_of(fun, x, args, point_args, device, method, order)
        if key is not None and (repeated := repeat.again(key, x, args, out)) is not None:
            return repeated
    options = Options(method, order, rel_step, abs_step, stencil, noise, bounds)
    errors = flag(return_error, "return_error")
    if lives_on_device(x):
        more = {"return_error": errors, "grad": grad, "sparse": flag(sparse, "sparse")}
        return on_device().of_array(hessian, fun, x, args, point_args, device, options, out, **more)
    if flag(sparse, "sparse"):
        return _sparse(fun, x, args, point_args, device, grad, options, errors, out)
    call = launch.call(fun, x, args, point_args, device, grad, options=options)
    count, n = call.shape
    shape = (*call.batch, n, n)
    result = output(out, shape, call.x.dtype, **call.points._asdict())
    H = result.reshape(count, n, n)
    found = launch.second_order(call, errors=errors, out=H, with_noise=errors)
    poison(overflown(H), H, *([found.hessian_error] if errors else []))
    if key is not None:
        repeat.remember(key, call)
    return (result, rounded(found.hessian_error, result.dtype).reshape(shape)) if errors else result


def _sparse(fun, x, args, point_args, device, grad, options: Options, errors: bool, out: Any) -> Any:
    """Hessians without the entries that vanish everywhere."""
    of_others = {
        "method": options.method not in ("auto", "exact", "traced"),
        "order": options.order != 2,
        **{name: getattr(options, name) is not None for name in ("rel_step", "abs_step", "stencil", "noise")},
        "grad": grad is not None,
        "out": out is not None,
    }
    if any(of_others.values()):
        names = ", ".join(name for name, is_given in of_others.items() if is_given)
        raise ValueError(f"sparse=True takes derivatives of fun by tracing it: {names} cannot apply; leave it out")
    if not isinstance(function := user_function(fun), Compiled):
        raise ValueError(
            f"sparse=True takes derivatives of fun by tracing it: {function.name} is no Python function of one point"
        )
    call = launch.call(fun, x, args, point_args, device, None, options=options._replace(method="traced"))
    found, error = launch.sparse_hessians(call, errors)
    poison(overflown(found.values), found.values, *([error] if errors else []))
    found = found._replace(values=found.values.reshape(*call.batch, found.values.shape[-1]))
    result = found if call.batch else found[()]
    return (result, rounded(error, found.values.dtype).reshape(found.values.shape)) if errors else result


def quadratic_model(
    fun: Callable,
    x: Any,
    args: tuple = (),
    *,
    grad: Callable | None = None,
    method: str = "auto",
    order: int = 2,
    rel_step: Any = None,
    abs_step: Any = None,
    stencil: str | None = None,
    noise: Any = None,
    bounds: Any = None,
    point_args: tuple = (),
    device: str = "auto",
) -> QuadraticModel:
    """Second-order Taylor models of a function around points.

    Parameters
    ----------
    fun, x, args, grad, method, order, rel_step, abs_step, stencil, noise, bounds, point_args, device
        As for `hessian`.

    Returns
    -------
    QuadraticModel
        m(y) = f + g'(y - x) + (y - x)' H (y - x) / 2, with ``.point .value .gradient .hessian``, ``.minimizer()``
        and ``.decrease(step)``.

    Raises
    ------
    CompilationError, TypeError, ValueError, DeviceError
        As for `value`.

    Examples
    --------
    >>> import fastcurv as fc
    >>> model = fc.quadratic_model(lambda x: (x[0] - 1) ** 2 + 2 * x[1] ** 2, [3.0, 2.0])
    >>> abs(model.minimizer().round(5))
    array([1., 0.])
    """
    options = Options(method, order, rel_step, abs_step, stencil, noise, bounds)
    if lives_on_device(x):
        return on_device().of_array(quadratic_model, fun, x, args, point_args, device, options, grad=grad)
    call = launch.call(fun, x, args, point_args, device, grad, options=options)
    count, n = call.shape
    H = new_array((count, n, n), call.x.dtype)
    found = launch.second_order(call, errors=True, out=H)
    value, g = rounded(found.value, H.dtype), rounded(found.gradient, H.dtype)
    poison(overflown(value, g, H), g, H, found.hessian_error)
    largest = found.hessian_error.max(axis=(1, 2), keepdims=True)
    scale = np.where((largest > 0) & (largest < np.inf), largest, 1.0)  # against overflow of squares
    error = scale[:, 0, 0] * np.sqrt(((found.hessian_error / scale) ** 2).sum(axis=(1, 2)))
    return QuadraticModel(
        point=call.x.reshape((*call.batch, n)).copy(),
        value=value.reshape(call.batch)[()],
        gradient=g.reshape((*call.batch, n)),
        hessian=H.reshape((*call.batch, n, n)),
        hessian_error=error.reshape(call.batch),
    )
