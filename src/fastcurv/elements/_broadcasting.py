"""What operations on arrays of elements share: x as an array, shapes that are broadcast, room for results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core.typing.templates import AttributeTemplate
from numba.core.typing.templates import infer_getattr as numba_infer_getattr
from numba.extending import lower_getattr

from ._teaching import overload
from ._types import Element, dimensions, is_lazy

infer_getattr: Any = numba_infer_getattr


@infer_getattr
class _ElementAttributes(AttributeTemplate):
    key = Element

    def resolve_dtype(self, element):
        return types.DType(element.curved)


@lower_getattr(Element, "dtype")
def _dtype(context, builder, kind, value):
    return context.get_dummy_value()


def as_array(x):
    """x as an array of elements; arrays and single numbers as they are."""
    return x


@overload(as_array)
def _as_array(x):
    def of_lazy(x):
        found = np.empty(len(x), x.dtype)
        for i in range(len(x)):
            found[i] = x[i]
        return found

    return of_lazy if is_lazy(x) else lambda x: x


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
    """An array for elements made from a and b, of one dimension where both have no more."""
    return np.empty(shape, a.dtype)


@overload(results)
def _results(a, b, shape):
    flat = max(dimensions(a), dimensions(b)) == 1
    if isinstance(getattr(a, "dtype", a), Element):
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
