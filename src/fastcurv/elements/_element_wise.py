"""Element-wise expressions of arrays of elements, as NumPy broadcasts them.

An array of elements is one of Numba's own, made by ``np.empty(m, x.dtype)`` and the like; indexing, slices and
iteration are inherited.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
from numba import types

from ._broadcasting import as_array, at, common_shape, put, results, shape_of
from ._teaching import overload
from ._types import NUMPY_NAMES, Element, dimensions, holds_elements, is_array, is_lazy, is_ours, is_single


def _element_wise(function: Callable, *, truth: bool = False) -> None:
    """An operation of two arrays, or of an array and a number."""

    @overload(function, prefer_literal=True)
    def on_arrays(a, b):  # pyright: ignore[reportUnusedFunction]
        exponent = getattr(b, "literal_value", None) if function in (operator.pow, np.power) else None

        def elements(a, b):
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

        if not is_ours(a, b) or (truth and max(dimensions(a), dimensions(b)) > 1):
            return None
        if is_lazy(a) or is_lazy(b):
            return lambda a, b: function(as_array(a), as_array(b))
        if truth:
            return truths
        return elements if exponent is None else powers


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

        return impl if holds_elements(a) and (is_array(b) or is_single(b)) else None


def _each(function: Callable) -> None:
    """A function of each element of an array."""

    @overload(function)
    def on_array(a):  # pyright: ignore[reportUnusedFunction]
        if is_lazy(a):
            return lambda a: function(as_array(a))
        if not holds_elements(a):
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
    np.logaddexp, np.logaddexp2,
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
for _name in (
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "exp", "exp2",
    "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt",
):  # fmt: skip
    _each(getattr(np, NUMPY_NAMES.get(_name, _name)))


@overload(np.where)
def _where(condition, a, b):
    if isinstance(condition, types.Boolean) and any(isinstance(kind, Element) for kind in (a, b)):
        return lambda condition, a, b: a if condition else b
    if not (isinstance(condition, types.Array) and condition.ndim == 1 and is_ours(a, b)):
        return None

    def impl(condition, a, b):
        first, second = as_array(a), as_array(b)
        found = results(first, second, (1, len(condition)))
        for j in range(len(condition)):
            found[j] = at(first, 0, j) if condition[j] else at(second, 0, j)
        return found

    return impl
