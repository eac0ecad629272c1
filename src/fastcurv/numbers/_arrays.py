"""Arrays of numbers: what NumPy's element-wise expressions, sums and products do with them.

An array of numbers is one of Numba's own, made by ``np.empty(m, x.dtype)`` and the like; indexing, slices and iteration
are inherited. A seeded vector becomes one where an operation takes it as a whole.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.core.typing.templates import AttributeTemplate
from numba.core.typing.templates import infer_getattr as numba_infer_getattr
from numba.extending import lower_getattr, overload, overload_method, register_jitable
from numba.np import arraymath

from ..backends._native import intrinsic
from ._operations import NUMPY_NAMES
from ._rules import UNARY
from ._types import Number, is_real
from ._vector import SeededVector

infer_getattr: Any = numba_infer_getattr


def is_seeded(kind: types.Type) -> bool:
    """Whether this is x, or a slice of it."""
    return isinstance(kind, SeededVector)


def is_numbers(kind: types.Type) -> bool:
    """Whether this is an array of numbers."""
    return isinstance(kind, types.Array) and isinstance(kind.dtype, Number) and kind.ndim <= 2


def is_array(kind: types.Type) -> bool:
    """Whether this is an array of numbers or of real ones, or x."""
    real = isinstance(kind, types.Array) and is_real(kind.dtype) and kind.ndim <= 2
    return real or is_numbers(kind) or is_seeded(kind)


def is_element(kind: types.Type) -> bool:
    """Whether this goes with every element of an array."""
    return isinstance(kind, Number) or is_real(kind)


def as_array(x):
    """x as an array of numbers; arrays and single numbers as they are."""
    return x


@overload(as_array)
def _as_array(x):
    def of_seeded(x):
        found = np.empty(len(x), x.dtype)
        for i in range(len(x)):
            found[i] = x[i]
        return found

    return of_seeded if is_seeded(x) else lambda x: x


def at(a, i, j):
    """a[i, j] of an array that is broadcast to two dimensions, or a single number."""
    return a


@overload(at)
def _at(a, i, j):
    if not isinstance(a, types.Array):
        return lambda a, i, j: a
    if a.ndim == 1:
        return lambda a, i, j: a[j if len(a) > 1 else 0]
    return lambda a, i, j: a[i if a.shape[0] > 1 else 0, j if a.shape[1] > 1 else 0]


def common_shape(a, b):
    """The shape, in two dimensions, that two arrays are broadcast to."""
    return a.shape


@overload(common_shape)
def _common_shape(a, b):
    def impl(a, b):
        shape_a, shape_b = shape_of(a), shape_of(b)
        for k in range(2):
            if shape_a[k] != shape_b[k] and shape_a[k] != 1 and shape_b[k] != 1:
                raise ValueError("arrays of these shapes cannot be broadcast together")
        rows = shape_b[0] if shape_a[0] == 1 else shape_a[0]
        return rows, (shape_b[1] if shape_a[1] == 1 else shape_a[1])

    return impl


def shape_of(a):
    """The shape in two dimensions."""
    return a.shape


@overload(shape_of)
def _shape_of(a):
    if not isinstance(a, types.Array):
        return lambda a: (1, 1)
    return (lambda a: (1, len(a))) if a.ndim == 1 else (lambda a: a.shape)


def results(a, b, shape):
    """An array for numbers made from a and b, of one dimension where both have no more."""
    return np.empty(shape, a.dtype)


@overload(results)
def _results(a, b, shape):
    flat = max(_dimensions(a), _dimensions(b)) == 1
    if isinstance(getattr(a, "dtype", a), Number):
        return (
            (lambda a, b, shape: np.empty(shape[1], a.dtype)) if flat else lambda a, b, shape: np.empty(shape, a.dtype)
        )
    return (lambda a, b, shape: np.empty(shape[1], b.dtype)) if flat else lambda a, b, shape: np.empty(shape, b.dtype)


def put(found, i, j, value):
    """found[i, j] = value, in as many dimensions as there are."""
    found[i, j] = value


@overload(put)
def _put(found, i, j, value):
    def flat(found, i, j, value):
        found[j] = value

    def matrix(found, i, j, value):
        found[i, j] = value

    return flat if found.ndim == 1 else matrix


@infer_getattr
class _NumberAttributes(AttributeTemplate):
    key = Number

    def resolve_dtype(self, number):
        return types.DType(number.curved)


@lower_getattr(Number, "dtype")
def _dtype(context, builder, kind, value):
    return context.get_dummy_value()


def _dimensions(kind: types.Type) -> int:
    return kind.ndim if isinstance(kind, types.Array) else int(is_seeded(kind))


def _is_ours(a: types.Type, b: types.Type) -> bool:
    """Whether an element-wise operation takes at least one array, and numbers that carry derivatives."""
    kinds = (a, b)
    carries = any(is_numbers(kind) or is_seeded(kind) or isinstance(kind, Number) for kind in kinds)
    return carries and any(map(is_array, kinds)) and all(is_array(kind) or is_element(kind) for kind in kinds)


def _element_wise(function: Callable, *, truth: bool = False) -> None:
    """An operation of two arrays, or of an array and a number."""

    @overload(function, prefer_literal=True)
    def on_arrays(a, b):  # pyright: ignore[reportUnusedFunction]
        exponent = getattr(b, "literal_value", None) if function in (operator.pow, np.power) else None

        def numbers(a, b):
            shape = common_shape(a, b)
            found = results(a, b, shape)
            for i in range(shape[0]):
                for j in range(shape[1]):
                    put(found, i, j, function(at(a, i, j), at(b, i, j)))
            return found

        def powers(a, b):
            shape = common_shape(a, b)
            found = results(a, b, shape)
            for i in range(shape[0]):
                for j in range(shape[1]):
                    put(found, i, j, at(a, i, j) ** exponent)
            return found

        def truths(a, b):
            shape = common_shape(a, b)
            found = np.empty(shape[1], np.bool_)
            for j in range(shape[1]):
                found[j] = function(at(a, 0, j), at(b, 0, j))
            return found

        if not _is_ours(a, b) or (truth and max(_dimensions(a), _dimensions(b)) > 1):
            return None
        if is_seeded(a) or is_seeded(b):
            return lambda a, b: function(as_array(a), as_array(b))
        if truth:
            return truths
        return numbers if exponent is None else powers


def _in_place(function: Callable, operation: Callable) -> None:
    """``a += b`` and the like, of an array of numbers.

    For the target "cpu", so that it is asked before Numba's own for all targets, which fails on such arrays.
    """

    @overload(function, target="cpu")
    def on_arrays(a, b):  # pyright: ignore[reportUnusedFunction]
        def impl(a, b):
            other = as_array(b)
            shape = common_shape(a, other)
            for i in range(shape[0]):
                for j in range(shape[1]):
                    put(a, i, j, operation(at(a, i, j), at(other, i, j)))
            return a

        return impl if is_numbers(a) and (is_array(b) or is_element(b)) else None


def _each(function: Callable) -> None:
    """A function of each element of an array."""

    @overload(function)
    def on_array(a):  # pyright: ignore[reportUnusedFunction]
        if is_seeded(a):
            return lambda a: function(as_array(a))
        if not is_numbers(a):
            return None

        def impl(a):
            shape = shape_of(a)
            found = results(a, a, shape)
            for i in range(shape[0]):
                for j in range(shape[1]):
                    put(found, i, j, function(at(a, i, j)))
            return found

        return impl


for _function in (
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod,
    np.add, np.subtract, np.multiply, np.divide, np.power, np.minimum, np.maximum, np.hypot, np.arctan2,
):  # fmt: skip
    _element_wise(_function)
for _function in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
    _element_wise(_function, truth=True)
for _function, _operation in {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}.items():  # fmt: skip
    _in_place(_function, _operation)
for _function in (operator.neg, operator.pos, abs, np.abs, np.fabs, np.square, np.negative, np.reciprocal):
    _each(_function)
for _name in UNARY.keys() - {"abs"}:
    if _found := getattr(np, NUMPY_NAMES.get(_name, _name), None):
        _each(_found)


def _reduction(name: str, body: Callable, *, method: bool = True) -> None:
    """A function of all elements, and the method of that name."""

    def typed(a):
        if is_seeded(a):
            return lambda a: body(as_array(a))
        return (lambda a: body(a)) if is_numbers(a) else None

    overload(getattr(np, name))(typed)
    if method:
        overload_method(SeededVector, name)(typed)


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
        (lambda a, axis, dtype: _sum(a)) if is_numbers(a) and isinstance(axis, types.NoneType | types.Omitted) else None
    )


for _name, _body in {"sum": _sum, "prod": _prod, "mean": _mean, "min": _least, "max": _greatest}.items():
    _reduction(_name, _body)


@overload_method(SeededVector, "copy")
def _copy(x):
    return lambda x: as_array(x)


@overload(np.copy)
@overload(np.ascontiguousarray)
def _copied(x):
    return (lambda x: as_array(x)) if is_seeded(x) else None


@intrinsic
def alike(typing_context, values):
    """A tuple of numbers, some of them real, as one of equal types."""
    uniform = types.UniTuple(_number_of(values.types), len(values))

    def codegen(context, builder, signature, arguments):
        return context.cast(builder, arguments[0], signature.args[0], uniform)

    return uniform(values), codegen


def _number_of(kinds: Any) -> Number | None:
    """The type that arrays of these have, if one carries derivatives and the others can be converted to it."""
    found = next((kind.curved for kind in kinds if isinstance(kind, Number)), None)
    return found if found and all(isinstance(kind, Number) or is_real(kind) for kind in kinds) else None


@overload(np.array, target="cpu")
@overload(np.asarray, target="cpu")
def _array(x):
    if is_seeded(x):
        return lambda x: as_array(x)
    if isinstance(x, types.List) and isinstance(x.dtype, Number):
        return lambda x: _filled(x, x[0])
    kinds: Any = getattr(x, "types", ()) if isinstance(x, types.BaseTuple) else ()
    if _number_of(kinds):
        first = next(k for k, kind in enumerate(kinds) if isinstance(kind, Number))
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
    return (lambda x: np.zeros(len(x), x.dtype)) if is_seeded(x) else None


@overload(np.empty_like, target="cpu")
def _empty_like(x):
    return (lambda x: np.empty(len(x), x.dtype)) if is_seeded(x) else None


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
    if not (is_array(a) and is_array(b) and any(is_numbers(kind) or is_seeded(kind) for kind in (a, b))):
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

    shape = _dimensions(a), _dimensions(b)
    if shape == (1, 1):
        return lambda a, b: _inner(a, b)
    if is_seeded(a) or is_seeded(b):
        return lambda a, b: np.dot(as_array(a), as_array(b))
    if shape == (2, 1):
        return number_matrix_vector if is_numbers(a) else matrix_vector
    if shape == (1, 2):
        return vector_matrix if is_numbers(a) else number_vector_matrix
    return matrices


overload(operator.matmul)(_product)
overload(np.dot)(_product)
overload(np.vdot)(_product)
overload_method(SeededVector, "dot")(_product)


@overload(np.linalg.norm)
def _norm(a):
    if not (is_seeded(a) or (is_numbers(a) and a.ndim == 1)):
        return None
    return lambda a: np.sqrt(_inner(a, a))


@overload(np.where)
def _where(condition, a, b):
    if isinstance(condition, types.Boolean) and any(isinstance(kind, Number) for kind in (a, b)):
        return lambda condition, a, b: a if condition else b
    if not (isinstance(condition, types.Array) and condition.ndim == 1 and _is_ours(a, b)):
        return None

    def impl(condition, a, b):
        first, second = as_array(a), as_array(b)
        found = results(first, second, (1, len(condition)))
        for j in range(len(condition)):
            found[j] = at(first, 0, j) if condition[j] else at(second, 0, j)
        return found

    return impl
