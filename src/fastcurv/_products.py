"""hvp and vhv: what Hessians do to vectors, without the Hessians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import _launch as launch
from . import _repeat as repeat
from ._call import on_device
from ._inputs import (
    apply,
    broadcast_directions,
    dot,
    flag,
    is_ready,
    lives_on_device,
    new_array,
    output,
    points_array,
    poison,
    read_only,
    real_array,
    rounded,
)
from ._plan import Options
from ._rounding import of_forms


class _Directions(NamedTuple):
    """A checked call, and the same number of directions for each of its points."""

    call: launch.Call
    directions: np.ndarray  # (N k, n)
    shape: tuple[int, ...]  # of v, broadcast
    errors: bool

    @property
    def by_point(self) -> np.ndarray:
        """The directions of each point, (N, k, n)."""
        count, n = self.call.shape
        return self.directions.reshape(count, -1 if count else 1, n)


def _directions(
    fun: Any, x: Any, v: Any, args: Any, grad: Any, options: Options, return_error: Any, point_args: Any, device: Any
) -> _Directions:
    """Check points and directions, and broadcast their leading axes."""
    x_array, v_array = points_array(x), real_array(v, "v")
    batch, shape, _ = broadcast_directions(x_array.shape, v_array.shape)
    n = shape[-1]
    dtype = np.promote_types(x_array.dtype, v_array.dtype)
    points = np.ascontiguousarray(np.broadcast_to(x_array, (*batch, n)), dtype)
    errors = flag(return_error, "return_error")
    call = launch.call(fun, points, args, point_args, device, grad, options=options)
    directions = read_only(np.ascontiguousarray(np.broadcast_to(v_array, shape), dtype).reshape(-1, n))
    return _Directions(call, directions, shape, errors)


def hvp(
    fun: Callable,
    x: Any,
    v: Any,
    args: tuple = (),
    *,
    grad: Callable | None = None,
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
    """Products of Hessians with vectors, without the Hessians.

    Parameters
    ----------
    fun, x, args, method, order, noise, bounds, return_error, point_args, device, out
        As for `gradient`. Near `bounds` the Hessian is formed.
    v : array_like, shape B + (n,) or, a block of k vectors to each point, B + (k, n)
        Leading axes of `x` and `v` broadcast.
    grad : callable, optional
        The gradient of `fun`: one evaluation of it per product (by differences two, in place of 4n of `fun`).
    rel_step, abs_step : float or array_like, shape (n,), optional
        As for `gradient`, along each coordinate. The step t along `v` is such that the largest |t v_i|, in units of
        max(1, |x_i|) or as it is, is `rel_step` or `abs_step`, of an array its largest entry, whatever the length of
        `v`.

    Returns
    -------
    ndarray, of the shape of `v` (broadcast)
        With `return_error` a pair of such arrays.

    Raises
    ------
    CompilationError, TypeError, ValueError, DeviceError
        As for `value`.

    Examples
    --------
    >>> import fastcurv as fc
    >>> fc.hvp(lambda x: x[0] ** 2 * x[1], [3.0, 2.0], [1.0, 1.0]).round(4)
    array([10.,  6.])
    """
    key = None
    is_plain = return_error is False and (out is None or type(out) is np.ndarray)
    if grad is rel_step is abs_step is noise is bounds is None and is_plain and _are_alike(x, v):
        key = repeat.key_of(fun, x, args, point_args, device, method, order, "hvp")
        if key is not None and (repeated := repeat.again(key, x, args, out, v)) is not None:
            return repeated
    options = Options(method, order, rel_step, abs_step, None, noise, bounds)
    if lives_on_device(x):
        more = {"return_error": flag(return_error, "return_error"), "grad": grad}
        return on_device().of_array(hvp, fun, x, args, point_args, device, options, out, v, **more)
    given = _directions(fun, x, v, args, grad, options, return_error, point_args, device)
    call, n = given.call, given.shape[-1]
    result = output(out, given.shape, call.x.dtype, **call.points._asdict(), v=given.directions)
    if call.plan.bounds.any:
        H, second = _hessians(given)
        result.reshape(given.by_point.shape)[...] = apply(H[:, None], given.by_point)
        error = apply(second.hessian_error[:, None], np.abs(given.by_point)) if given.errors else np.empty(0)
    else:
        error = launch.products(call, given.directions, given.errors, result.reshape(-1, n)).error
    flat = result.reshape(-1, n)
    poison(np.flatnonzero(~np.isfinite(flat).all(axis=1)), flat, *([error.reshape(-1, n)] if given.errors else []))
    if key is not None:
        repeat.remember(key, call)
    return (result, rounded(error, result.dtype).reshape(given.shape)) if given.errors else result


def _are_alike(x: Any, v: Any) -> bool:
    """Whether points and directions are ready arrays of one shape and type."""
    return is_ready(x) and is_ready(v) and x.shape == v.shape and x.dtype == v.dtype


def _hessians(given: _Directions) -> tuple[np.ndarray, launch.Second]:
    """Where bounds need them: in double, for only what is made of them is rounded."""
    count, n = given.call.shape
    H = new_array((count, n, n))
    return H, launch.second_order(given.call, errors=given.errors, out=H, with_noise=given.errors)


def vhv(
    fun: Callable,
    x: Any,
    v: Any,
    args: tuple = (),
    *,
    grad: Callable | None = None,
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
    """v'Hv, the second derivative of a function along vectors, without the Hessian.

    Divided by v'v it is the curvature along v. Exact, it takes one evaluation for each vector; by differences of order
    p, p + 1.

    Parameters
    ----------
    fun, x, v, args, grad, method, order, rel_step, abs_step, noise, bounds, return_error, point_args, device, out
        As for `hvp`. With `grad` or `bounds` products H v are formed first.

    Returns
    -------
    ndarray, of the shape of `v` (broadcast) without its last axis
        A number for one direction. With `return_error` a pair of these.

    Raises
    ------
    CompilationError, TypeError, ValueError, DeviceError
        As for `value`.

    Examples
    --------
    >>> import fastcurv as fc
    >>> fc.vhv(lambda x: x[0] ** 2 * x[1], [3.0, 2.0], [[1.0, 1.0], [0.0, 1.0]]).round(4)
    array([16.,  0.])
    """
    options = Options(method, order, rel_step, abs_step, None, noise, bounds)
    if lives_on_device(x):
        more = {"return_error": flag(return_error, "return_error"), "grad": grad}
        return on_device().of_array(vhv, fun, x, args, point_args, device, options, out, v, **more)
    given = _directions(fun, x, v, args, grad, options, return_error, point_args, device)
    call, v_array = given.call, given.directions
    result = output(out, given.shape[:-1], call.x.dtype, **call.points._asdict(), v=v_array)
    flat, error = result.reshape(-1), np.empty(0)
    if call.plan.bounds.any:
        (H, second), v_array = _hessians(given), given.by_point
        flat[...] = dot(v_array, apply(H[:, None], v_array)).reshape(-1)
        if given.errors:
            size = np.abs(v_array)
            error = dot(size, apply(second.hessian_error[:, None], size))
    elif grad is not None:
        product = launch.products(call, v_array, given.errors, np.empty(v_array.shape))
        flat[...] = dot(v_array, product.product)
        if given.errors:
            error = of_forms(v_array, product.error) + np.finfo(flat.dtype).eps / 2 * np.abs(flat)
    else:
        error = launch.forms(call, v_array, given.errors, flat).error
    poison(np.flatnonzero(~np.isfinite(flat)), flat, *([error.reshape(-1)] if given.errors else []))
    result = result if result.ndim or out is not None else result[()]
    return (result, rounded(error, call.x.dtype).reshape(given.shape[:-1])[()]) if given.errors else result
