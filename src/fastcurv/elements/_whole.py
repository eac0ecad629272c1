"""What takes arrays of elements as a whole, or makes them: sums and other reductions, products, ``np.array``."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload_attribute
from numba.np import arraymath

from ..backends._native import intrinsic
from ._broadcasting import as_array, at, results, shape_of
from ._teaching import overload, overload_method, register_jitable
from ._types import Element, LazyVector, dimensions, holds_elements, is_array, is_lazy, is_real


def _reduction(name: str, body: Callable, *, method: bool = True) -> None:
    """A function of all elements, and the method of that name."""

    def typed(a):
        if is_lazy(a):
            return lambda a: body(as_array(a))
        return (lambda a: body(a)) if holds_elements(a) else None

    overload(getattr(np, name))(typed)
    if method:
        overload_method(LazyVector, name)(typed)


@register_jitable
def _sum(a):
    shape = shape_of(a)
    total = 0.0
    for i in range(shape[0]):
        for j in range(shape[1]):
            total += at(a, i, j)
    return total


@register_jitable
def _prod(a):
    shape = shape_of(a)
    total = 1.0
    for i in range(shape[0]):
        for j in range(shape[1]):
            total *= at(a, i, j)
    return total


@register_jitable
def _mean(a):
    return _sum(a) / a.size


@register_jitable
def _var(a):
    mean, total = _mean(a), 0.0
    for k in range(a.size):
        rest = a.flat[k] - mean
        total += rest * rest
    return total / a.size


@register_jitable
def _std(a):
    return np.sqrt(_var(a))


@register_jitable
def _least(a):
    found = a.flat[0]
    for k in range(1, a.size):
        found = min(found, a.flat[k])
    return found


@register_jitable
def _greatest(a):
    found = a.flat[0]
    for k in range(1, a.size):
        found = max(found, a.flat[k])
    return found


@overload(arraymath._numpy_sum, target="cpu")
def _sum_method(a, axis, dtype):
    """What the method `sum` of Numba's arrays calls."""
    return (
        (lambda a, axis, dtype: _sum(a))
        if holds_elements(a) and isinstance(axis, types.NoneType | types.Omitted)
        else None
    )


for _name, _body in {
    "sum": _sum,
    "prod": _prod,
    "mean": _mean,
    "var": _var,
    "std": _std,
    "min": _least,
    "max": _greatest,
}.items():
    _reduction(_name, _body)


def _as_array_method(x):
    return lambda x: as_array(x)


for _name in ("copy", "ravel", "flatten"):
    overload_method(LazyVector, _name)(_as_array_method)
overload_attribute(LazyVector, "T")(_as_array_method)


@overload_method(LazyVector, "reshape")
def _reshape_method(x, shape, columns=None):
    if isinstance(columns, types.Integer):
        return lambda x, shape, columns=None: as_array(x).reshape((shape, columns))
    return lambda x, shape, columns=None: as_array(x).reshape(shape)


@overload(np.reshape)
def _reshape(a, newshape):
    return (lambda a, newshape: as_array(a).reshape(newshape)) if is_lazy(a) else None


@overload(np.roll)
def _roll(a, shift):
    return (lambda a, shift: np.roll(as_array(a), shift)) if is_lazy(a) else None


@overload(np.diff)
def _diff(a):
    return (lambda a: a[1:] - a[:-1]) if _is_vector(a) else None


@overload(np.cumsum)
def _cumsum(a):
    if not _is_vector(a):
        return None

    def impl(a):
        found = np.empty(len(a), a.dtype)
        for k in range(len(a)):
            found[k] = a[k] + found[k - 1] if k > 0 else a[k]
        return found

    return impl


def _is_vector(a: Any) -> bool:
    return is_lazy(a) or (holds_elements(a) and a.ndim == 1)


@overload(np.copy)
@overload(np.ascontiguousarray)
def _copied(x):
    return (lambda x: as_array(x)) if is_lazy(x) else None


@intrinsic
def alike(typing_context, values):
    """A tuple of numbers, some of them real, as one of equal types."""
    uniform = types.UniTuple(_number_of(values.types), len(values))

    def codegen(context, builder, signature, arguments):
        return context.cast(builder, arguments[0], signature.args[0], uniform)

    return uniform(values), codegen


def _number_of(kinds: Any) -> Element | None:
    """The type that arrays of these have, if one carries derivatives and the others can be converted to it."""
    found = next((kind.curved for kind in kinds if isinstance(kind, Element)), None)
    return found if found and all(isinstance(kind, Element) or is_real(kind) for kind in kinds) else None


@overload(np.array, target="cpu")
@overload(np.asarray, target="cpu")
def _array(x):
    if is_lazy(x):
        return lambda x: as_array(x)
    if isinstance(x, types.List) and isinstance(x.dtype, Element):
        return lambda x: _filled(x, x[0])
    kinds: Any = getattr(x, "types", ()) if isinstance(x, types.BaseTuple) else ()
    if _number_of(kinds):
        first = next(k for k, kind in enumerate(kinds) if isinstance(kind, Element))
        return lambda x: _filled(alike(x), x[first])
    return None


@register_jitable
def _filled(values, like):
    found = np.empty(len(values), like.dtype)
    for k in range(len(values)):
        found[k] = values[k]
    return found


@overload(np.zeros_like, target="cpu")
def _zeros_like(x):
    return (lambda x: np.zeros(len(x), x.dtype)) if is_lazy(x) else None


@overload(np.empty_like, target="cpu")
def _empty_like(x):
    return (lambda x: np.empty(len(x), x.dtype)) if is_lazy(x) else None


@register_jitable
def _inner(a, b):
    if len(a) != len(b):
        raise ValueError("vectors of different lengths cannot be multiplied")
    total = 0.0
    for k in range(len(a)):
        total += a[k] * b[k]
    return total


def _product(a, b):
    """Of vectors and matrices, by the definition."""
    if not (is_array(a) and is_array(b) and any(holds_elements(kind) or is_lazy(kind) for kind in (a, b))):
        return None

    def matrix_vector(a, b):
        found = results(b[0], b, (1, a.shape[0]))
        for i in range(a.shape[0]):
            found[i] = _inner(a[i], b)
        return found

    def number_matrix_vector(a, b):
        found = results(a[0], a[0], (1, a.shape[0]))
        for i in range(a.shape[0]):
            found[i] = _inner(a[i], b)
        return found

    def vector_matrix(a, b):
        found = results(a, a, (1, b.shape[1]))
        for j in range(b.shape[1]):
            found[j] = _inner(a, b[:, j])
        return found

    def number_vector_matrix(a, b):
        found = results(b[0], b[0], (1, b.shape[1]))
        for j in range(b.shape[1]):
            found[j] = _inner(a, b[:, j])
        return found

    def matrices(a, b):
        found = results(a, b, (a.shape[0], b.shape[1]))
        for i in range(a.shape[0]):
            for j in range(b.shape[1]):
                found[i, j] = _inner(a[i], b[:, j])
        return found

    shape = dimensions(a), dimensions(b)
    if shape == (1, 1):
        return lambda a, b: _inner(a, b)
    if is_lazy(a) or is_lazy(b):
        return lambda a, b: np.dot(as_array(a), as_array(b))
    if shape == (2, 1):
        return number_matrix_vector if holds_elements(a) else matrix_vector
    if shape == (1, 2):
        return vector_matrix if holds_elements(a) else number_vector_matrix
    return matrices


overload(operator.matmul)(_product)
overload(np.dot)(_product)
overload(np.vdot)(_product)
overload_method(LazyVector, "dot")(_product)


@overload(np.linalg.norm)
def _norm(a):
    return (lambda a: np.sqrt(_inner(a, a))) if _is_vector(a) else None
