"""What functions that print show of elements, and of arrays of them: their values, as numbers and arrays of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core.imputils import lower_builtin
from numba.core.typing import signature
from numba.cpython.printimpl import print_item_impl_Any

from ..backends._native import intrinsic
from ._types import Element, LazyVector, holds_elements, is_lazy


@intrinsic
def value_of(typing_context, x):
    """The value of an element."""

    def codegen(context, builder, sig, values):
        return x.shown(context, builder, values[0])

    return types.float64(x), codegen


def values_in_line(a):
    """Of a vector."""
    found = np.empty(len(a))
    for i in range(len(a)):
        found[i] = value_of(a[i])
    return found


def values_in_rows(a):
    """Of a matrix."""
    rows, columns = a.shape
    found = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            found[i, j] = value_of(a[i, j])
    return found


class _Shown:
    """What is printed in place of values, and the arrays that are made for it."""

    def __init__(self, context: Any, builder: Any):
        self.context, self.builder, self.made = context, builder, list[tuple]()

    def of(self, kind: Any, value: Any) -> tuple[types.Type, Any]:
        """The type and the value."""
        context, builder = self.context, self.builder
        if isinstance(kind, Element):
            return types.float64, kind.shown(context, builder, value)
        if is_lazy(kind) or holds_elements(kind):
            found = types.Array(types.float64, getattr(kind, "ndim", 1), "C")
            values = values_in_line if found.ndim == 1 else values_in_rows
            self.made.append((found, context.compile_internal(builder, values, signature(found, kind), [value])))
            return self.made[-1]
        if isinstance(kind, types.BaseTuple):
            parts = [self.of(part, builder.extract_value(value, k)) for k, part in enumerate(kind)]  # pyright: ignore
            found = types.Tuple([part for part, _ in parts])
            if found.types != kind.types:  # pyright: ignore[reportAttributeAccessIssue]
                return found, context.make_tuple(builder, found, [part for _, part in parts])
        return kind, value


def _print(context, builder, sig, values):
    """Print what is shown."""
    shown = _Shown(context, builder)
    kind, value = shown.of(sig.args[0], values[0])
    print_item_impl_Any(context, builder, signature(types.none, kind), [value])
    for array in shown.made:
        context.nrt.decref(builder, *array)
    return context.get_dummy_value()


for _kind in (Element, LazyVector, types.Array, types.BaseTuple):
    lower_builtin("print_item", _kind)(_print)
