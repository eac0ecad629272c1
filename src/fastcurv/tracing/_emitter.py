"""The functions of rules for lanes, or for plain numbers, as code that is being written."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from ..numbers._expressions import Emitter, Expression
from ..numbers._rules import tanh_by_exp
from ..simd import Vector


class LaneEmitter(Emitter):
    """The namespace of functions for lanes, or for plain numbers."""

    def _known(self, function: Any, operands: tuple) -> Expression:
        values = self.alike(*operands)
        kind = values[0].type
        if not isinstance(kind, ir.VectorType):
            return super()._known(function, operands)
        typing, vector = self.context.typing_context, Vector(types.float64, kind.count)  # pyright: ignore
        known = typing.resolve_value_type(function)
        signature = known.get_call_type(typing, (vector,) * len(values), {})
        return Expression(self, self.context.get_function(known, signature)(self.builder, values))

    def _call(self, function: Any, *operands: Any) -> Expression:
        values = self.alike(*operands)
        kind = values[0].type
        if not isinstance(kind, ir.VectorType):
            return super()._call(function, *operands)
        found = ir.Constant(kind, ir.Undefined)
        for lane in range(kind.count):  # pyright: ignore[reportAttributeAccessIssue]
            place = ir.Constant(cgutils.int32_t, lane)
            one = super()._call(function, *(Expression(self, self.builder.extract_element(v, place)) for v in values))
            found = self.builder.insert_element(found, one.value, place)
        return Expression(self, found)

    def where(self, condition: Expression | bool, a: Any, b: Any) -> Expression:
        """Lane by lane, where the condition has lanes."""
        if isinstance(condition, bool):
            return super().where(condition, a, b)
        values, kind = self.alike(a, b), condition.value.type
        if isinstance(kind, ir.VectorType):
            values = [self.spread(value, ir.VectorType(self.real, kind.count)) for value in values]
        return Expression(self, self.builder.select(condition.value, *values))

    def __getattr__(self, name: str) -> Callable:
        if name in ("ceil", "rint"):
            return lambda x: self.intrinsic(name, x)
        function = getattr(math, name)
        return lambda *operands: self._known(function, operands)

    def pow(self, x, y):
        return self._known(math.pow, (x, y))

    def tanh(self, x):
        return tanh_by_exp(self, x) if isinstance(x.value.type, ir.VectorType) else self._known(math.tanh, (x,))

    def logical(self, instruction: str, a: Expression, b: Expression) -> Expression:
        """Of two conditions, one of which may be the same for all lanes."""
        kind = next((x.value.type for x in (a, b) if isinstance(x.value.type, ir.VectorType)), a.value.type)
        values = (self.spread(x.value, kind) for x in (a, b))
        return Expression(self, getattr(self.builder, instruction)(*values))

    def not_(self, condition: Expression) -> Expression:
        return Expression(self, self.builder.not_(condition.value))
