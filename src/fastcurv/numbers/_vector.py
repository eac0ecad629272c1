"""What a function sees as x: a vector whose entries become numbers, with their seeds, as they are read.

Nothing is stored: x[k] is the coordinate, with the derivative 1 along the k-th direction. It serves any n and, by its
first row and column, any block of the Hessian. Slices are views.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, signature
from numba.core.typing.templates import infer_getattr as numba_infer_getattr
from numba.core.typing.templates import infer_global as numba_infer_global
from numba.cpython import slicing
from numba.extending import lower_cast, lower_getattr, models, overload_attribute, register_model

from ..backends._native import WORD, intrinsic
from ..elements import LazyVector
from . import _operations  # noqa: F401  what it teaches Numba: what functions do with the entries
from ._expressions import DERIVATIVE, ZERO, Expression, Row
from ._types import Number, Parts, packed

infer_global: Any = numba_infer_global
infer_getattr: Any = numba_infer_getattr


#: which parts of a number are derivatives along a given vector: bits
COORDINATES, ROWS, COLUMNS, BOTH = 0, 1, 2, 3
#: coordinates, those of rows apart, or the same for rows and columns
APART, SAME = 4, 8
#: numbers are of float32
SINGLE = 16


class SeededVector(LazyVector):
    """Coordinates of one point, stored as `element`; `length` is 0 unless it is known at compile time.

    The rows and columns of a number are derivatives along coordinates, or, as `along` says, along a vector given by
    its entries: ROWS, COLUMNS or BOTH of them. APART, SAME and
    SINGLE are forms of numbers.
    """

    def __init__(self, element: types.Type, rows: int, lanes: int, length: int, along: int):
        self.element, self.rows, self.lanes, self.length, self.along = element, rows, lanes, length, along
        self.number = Number(rows, lanes, True, bool(along & APART), bool(along & SAME), bool(along & SINGLE))
        super().__init__(name=f"SeededVector({element}, {rows}, {lanes}, {length}, {along})")

    @property
    def iterator_type(self) -> types.Type:
        return SeededIterator(self)

    @property
    def view(self) -> SeededVector:
        """The type of a slice."""
        return SeededVector(self.element, self.rows, self.lanes, 0, self.along)

    def unify(self, typingctx, other):
        """With what is made of x: ``u = x``, and then ``u = u + ...``, or ``u = u[1:]``."""
        if isinstance(other, SeededVector) and other.view == self.view:
            return self.view
        is_made_of_it = isinstance(other, types.Array) and other.ndim == 1 and other.dtype == self.number.curved
        return other if is_made_of_it else None

    def can_convert_to(self, typingctx, other):
        return Conversion.safe if self.unify(typingctx, other) == other else None

    def copy(self, **changes) -> SeededVector:
        """The type itself: it cannot be written to anyway."""
        return self


class SeededIterator(types.SimpleIteratorType):
    """Iterates over a `SeededVector`."""

    def __init__(self, vector: SeededVector):
        self.vector = vector
        super().__init__(f"SeededIterator({vector})", vector.number)


@register_model(SeededVector)
class _SeededVectorModel(models.StructModel):
    def __init__(self, manager, kind):
        members = [
            ("data", types.CPointer(kind.element)),
            ("along", types.CPointer(kind.element)),
            ("length", types.intp),
            ("first", types.intp),  # of the view, and the distance of its entries, in the vector
            ("stride", types.intp),
            ("row", types.intp),
            ("column", types.intp),
        ]
        super().__init__(manager, kind, members)


@register_model(SeededIterator)
class _SeededIteratorModel(models.StructModel):
    def __init__(self, manager, kind):
        members = [("vector", kind.vector), ("next", types.EphemeralPointer(types.intp))]
        super().__init__(manager, kind, members)


def seeded_kind(dtype) -> SeededVector:
    """The type of an x as functions see it, for a look at whether they can be compiled."""
    return SeededVector(from_dtype(dtype), 1, 1, 0, COORDINATES)


def _at(context, builder, array_type, array, row):
    """A pointer to a row of a matrix whose rows are contiguous."""
    view = context.make_array(array_type)(context, builder, array)
    offset = builder.mul(row, builder.extract_value(view.shape, 1))
    return builder.gep(view.data, [offset]), builder.extract_value(view.shape, 1)


@intrinsic
def seeded(typing_context, points, b, directions, d, row, column, along, rows, lanes, length):
    """Point b, with numbers of `rows` rows from coordinate `row` on, and `lanes` columns from `column` on.

    `along` says which of them are along row d of `directions`; it, `rows`, `lanes` and `length` (n, or 0) are known at
    compile time.
    """
    if not all(isinstance(kind, types.IntegerLiteral) for kind in (along, rows, lanes, length)):
        return None
    known = (kind.literal_value for kind in (rows, lanes, length, along))
    kind = SeededVector(points.dtype, *known)

    def codegen(context, builder, sig, values):
        vector = cgutils.create_struct_proxy(kind)(context, builder)
        vector.data, vector.length = _at(context, builder, points, values[0], values[1])
        vector.along, _ = _at(context, builder, directions, values[2], values[3])
        vector.first, vector.stride = ir.Constant(WORD, 0), ir.Constant(WORD, 1)
        vector.row, vector.column = values[4], values[5]
        return vector._getvalue()

    word = types.intp
    return kind(points, word, directions, word, word, word, along, rows, lanes, length), codegen


def _entry(context, builder, kind: SeededVector, vector, index):
    """The number at an index of the view."""
    number = kind.number
    m = number.emitter(context, builder)
    place = builder.add(vector.first, builder.mul(index, vector.stride))

    def read(pointer):
        entry = builder.load(builder.gep(pointer, [place]))
        return context.cast(builder, entry, kind.element, m.number)

    def seeds(first, count):
        """1 along the direction of this coordinate, of `count` coordinates from one on."""
        numbers = ir.VectorType(WORD, count)
        lane = m.spread(builder.sub(place, first), numbers)
        same = builder.icmp_signed("==", lane, ir.Constant(numbers, list(range(count))))
        kind = ir.VectorType(m.real, count)
        return Expression(m, builder.select(same, m.constant(1.0, kind), m.constant(0.0, kind)), DERIVATIVE)

    value = Expression(m, read(vector.data))
    along = Expression(m, read(vector.along), DERIVATIVE) if kind.along & BOTH else ZERO
    slopes: Any = along
    if kind.rows and not kind.along & ROWS:
        slopes = seeds(vector.row, number.row_lanes)
    if number.apart:
        slopes = Row(slopes.lane(p) for p in range(kind.rows))
    columns = along if kind.along & COLUMNS else slopes if number.jet else seeds(vector.column, kind.lanes)
    return packed(m, number, Parts(value, slopes, columns, [ZERO] * kind.rows))


def _length(context, builder, kind: SeededVector, value):
    if kind.length:
        return ir.Constant(WORD, kind.length)
    return cgutils.create_struct_proxy(kind)(context, builder, value=value).length


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args, kws):
        vector, index = args
        if isinstance(vector, SeededVector) and isinstance(index, types.Integer):
            return signature(vector.number, vector, types.intp)
        if isinstance(vector, SeededVector) and isinstance(index, types.SliceType):
            return signature(vector.view, vector, index)
        return None


@lower_builtin(operator.getitem, SeededVector, types.Integer)
def _get_number(context, builder, sig, values):
    kind = sig.args[0]
    vector = cgutils.create_struct_proxy(kind)(context, builder, value=values[0])
    index = values[1]
    wrapped = builder.add(index, _length(context, builder, kind, values[0]))
    index = builder.select(builder.icmp_signed("<", index, ir.Constant(WORD, 0)), wrapped, index)
    return _entry(context, builder, kind, vector, index)


@lower_builtin(operator.getitem, SeededVector, types.SliceType)
def _get_slice(context, builder, sig, values):
    vector = cgutils.create_struct_proxy(sig.args[0])(context, builder, value=values[0])
    found = cgutils.create_struct_proxy(sig.return_type)(context, builder, value=values[0])
    bounds = context.make_helper(builder, sig.args[1], value=values[1])
    slicing.guard_invalid_slice(context, builder, sig.args[1], bounds)
    slicing.fix_slice(builder, bounds, _length(context, builder, sig.args[0], values[0]))
    found.length = slicing.get_slice_length(builder, bounds)
    found.first = builder.add(vector.first, builder.mul(bounds.start, vector.stride))
    found.stride = builder.mul(vector.stride, bounds.step)
    return found._getvalue()


@lower_cast(SeededVector, SeededVector)
def _as_view(context, builder, source, target, value):
    return value


@lower_cast(SeededVector, types.Array)
def _as_array(context, builder, source, target, value):
    made = target.copy(layout="C", readonly=False)
    found = context.compile_internal(builder, lambda x: x.copy(), made(source), [value])
    return context.cast(builder, found, made, target)


@infer_global(len)
class _Len(AbstractTemplate):
    def generic(self, args, kws):
        if len(args) == 1 and isinstance(args[0], SeededVector):
            return signature(types.intp, *args)
        return None


@lower_builtin(len, SeededVector)
def _len(context, builder, sig, values):
    return _length(context, builder, sig.args[0], values[0])


@overload_attribute(SeededVector, "size")
def _size(x):
    return lambda x: len(x)


@overload_attribute(SeededVector, "shape")
def _shape(x):
    return lambda x: (len(x),)


@overload_attribute(SeededVector, "ndim")
def _ndim(x):
    return lambda x: 1


@infer_getattr
class _Attributes(AttributeTemplate):
    key = SeededVector

    def resolve_dtype(self, vector):
        """What arrays of numbers are made of: ``np.empty(m, x.dtype)``."""
        return types.DType(vector.number.curved)


@lower_getattr(SeededVector, "dtype")
def _dtype(context, builder, kind, value):
    return context.get_dummy_value()


@lower_builtin("getiter", SeededVector)
def _iterator(context, builder, sig, values):
    iterator = cgutils.create_struct_proxy(sig.return_type)(context, builder)
    iterator.vector = values[0]
    iterator.next = cgutils.alloca_once_value(builder, ir.Constant(WORD, 0))
    return iterator._getvalue()


def _next(context, builder, sig, values, result):
    kind = sig.args[0]
    iterator = cgutils.create_struct_proxy(kind)(context, builder, value=values[0])
    vector = cgutils.create_struct_proxy(kind.vector)(context, builder, value=iterator.vector)
    index = builder.load(iterator.next)
    is_valid = builder.icmp_signed("<", index, _length(context, builder, kind.vector, iterator.vector))
    result.set_valid(is_valid)
    with builder.if_then(is_valid):
        result.yield_(_entry(context, builder, kind.vector, vector, index))
        builder.store(builder.add(index, ir.Constant(WORD, 1)), iterator.next)


@lower_builtin("iternext", SeededIterator)
def _iternext(context, builder, sig, values):
    """`_next`, in a function of this module: what Numba's modules define is not taken over by numba-cuda."""
    advance: Any = iternext_impl(RefType.UNTRACKED)(_next)
    return advance(context, builder, sig, values)
