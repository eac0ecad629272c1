"""The types of vectors and masks, and what converts to them."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typeconv import Conversion
from numba.extending import lower_cast, models, register_model

from ..elements import Element, is_real

_ELEMENTS: dict[Any, ir.Type] = {
    types.float64: ir.DoubleType(),
    types.float32: ir.FloatType(),
    types.boolean: ir.IntType(1),
}


class Vector(Element):
    """So many lanes of float64, float32 or, for a mask, boolean."""

    def __init__(self, element: types.Type, lanes: int):
        self.element, self.lanes = element, lanes
        super().__init__(name=f"Vector({element}, {lanes})")

    @property
    def llvm(self) -> ir.VectorType:
        """The LLVM type."""
        return ir.VectorType(_ELEMENTS[self.element], self.lanes)

    @property
    def mask(self) -> Vector:
        """What comparisons of such vectors give."""
        return Vector(types.boolean, self.lanes)

    @property
    def is_mask(self) -> bool:
        """Whether the lanes are booleans."""
        return self.element == types.boolean

    @property
    def suffix(self) -> str:
        """What LLVM appends to the names of intrinsics for this type."""
        return f"v{self.lanes}{ {types.float64: 'f64', types.float32: 'f32', types.boolean: 'i1'}[self.element] }"

    def can_convert_from(self, typingctx, other):
        return Conversion.safe if is_real(other) or self._counts(other) else None

    def unify(self, typingctx, other):
        return self if is_real(other) or self._counts(other) else None

    def _counts(self, other: types.Type) -> bool:
        """Whether this is of numbers and the other its mask, which stands for 0 and 1."""
        return other == self.mask and not self.is_mask


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, kind.llvm)

    def get_data_type(self):
        """In memory vectors are packed: they need no more alignment than any number."""
        return ir.LiteralStructType([self.get_value_type()], packed=True)

    def as_data(self, builder, value):
        """A vector as it is in memory."""
        return builder.insert_value(ir.Constant(self.get_data_type(), ir.Undefined), value, 0)

    def from_data(self, builder, value):
        """A vector from what is in memory."""
        return builder.extract_value(value, 0)

    def load_from_data_pointer(self, builder, ptr, align=None):
        """A vector from where it is in memory."""
        return self.from_data(builder, builder.load(ptr, align=1))


def is_real_vector(kind: types.Type) -> bool:
    """Whether this is a vector of floating-point numbers."""
    return isinstance(kind, Vector) and not kind.is_mask


def broadcast(context, builder, kind: Vector, source: types.Type, value):
    """A scalar as a vector of equal lanes; a vector of this type as it is."""
    if source == kind:
        return value
    scalar = context.cast(builder, value, source, kind.element)
    undefined = ir.Constant(kind.llvm, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(cgutils.int32_t, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(cgutils.int32_t, kind.lanes), None))


@lower_cast(types.Number, Vector)
@lower_cast(types.Boolean, Vector)
def _cast(context, builder, source, target, value):
    return broadcast(context, builder, target, source, value)


@lower_cast(Vector, Vector)
def _cast_mask(context, builder, source, target, value):
    """A mask as numbers 0 and 1."""
    return value if source == target else builder.uitofp(value, target.llvm)
