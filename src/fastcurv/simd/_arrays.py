"""Vectors in memory: loads and stores, arrays of vectors, and transpositions in registers.

Offsets count elements, from 0, and are not checked.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, signature
from numba.extending import models, register_model

from ..backends._native import WORD, intrinsic
from ..elements import is_real
from ._operations import FIRST, infer_global
from ._types import Vector, broadcast

#: lines that are written to a matrix before those of the next: what LLVM takes grows with the square of their number
MOST_LINES = 128


class LaneArray(types.Type):
    """A view of memory as a vector array a[i] or a[i, j]; a[i] of the latter is a row."""

    def __init__(self, vector: Vector, ndim: int):
        self.vector, self.ndim = vector, ndim
        super().__init__(name=f"LaneArray({vector}, {ndim})")


@register_model(LaneArray)
class _LaneArrayModel(models.StructModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, [("data", types.voidptr), ("stride", types.intp)])


def _aligned(kind: Vector) -> int:
    """Vectors need no more alignment than their elements."""
    return kind.element.bitwidth // 8  # pyright: ignore[reportAttributeAccessIssue]


def _data(context, builder, array_type, array):
    return context.make_array(array_type)(context, builder, array).data


def vector_at(builder, data, offset, kind: Vector):
    """A pointer to the vector that begins at an element of an array."""
    return builder.bitcast(builder.gep(data, [offset]), kind.llvm.as_pointer())


def _is_flat(array: types.Type) -> bool:
    return isinstance(array, types.Array) and array.ndim == 1 and array.layout == "C"


@intrinsic
def lane_array(typing_context, array, offset, shape, lanes):
    """Part of a flat array, from an offset on, as an array of vectors of so many lanes (known at compile time).

    `shape` is a length, or (rows, stride) of rows that begin so many elements apart; vectors of a row are contiguous.
    """
    if not (_is_flat(array) and isinstance(lanes, types.IntegerLiteral)):
        return None
    ndim = len(shape) if isinstance(shape, types.BaseTuple) else 1
    kind = LaneArray(Vector(array.dtype, lanes.literal_value), ndim)
    sizes = types.UniTuple(types.intp, 2) if ndim == 2 else types.intp

    def codegen(context, builder, sig, values):
        view = cgutils.create_struct_proxy(kind)(context, builder)
        first = builder.gep(_data(context, builder, array, values[0]), [values[1]])
        view.data = builder.bitcast(first, cgutils.voidptr_t)
        view.stride = builder.extract_value(values[2], 1) if ndim == 2 else values[2]
        return view._getvalue()

    return kind(array, types.intp, sizes, lanes), codegen


def _row(context, builder, kind: LaneArray, view, row):
    """A pointer to the first vector of a row, or of all where there is only one."""
    first = builder.bitcast(view.data, context.get_data_type(kind.vector.element).as_pointer())
    if row is not None:
        first = builder.gep(first, [builder.mul(row, view.stride)])
    return builder.bitcast(first, kind.vector.llvm.as_pointer())


def _element(context, builder, kind: LaneArray, value, index_type, index):
    """A pointer to the vector at an index."""
    view = cgutils.create_struct_proxy(kind)(context, builder, value=value)
    row = None
    if isinstance(index_type, types.BaseTuple):
        row, index = cgutils.unpack_tuple(builder, index)
    return builder.gep(_row(context, builder, kind, view, row), [index])


def _index(kind: LaneArray, index: types.Type) -> types.Type | None:
    """The type of a full index."""
    if kind.ndim == 1 and isinstance(index, types.Integer):
        return types.intp
    pair = isinstance(index, types.BaseTuple) and all(isinstance(part, types.Integer) for part in index.types)  # pyright: ignore
    return types.UniTuple(types.intp, 2) if kind.ndim == 2 and pair else None


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    metadata = FIRST

    def generic(self, args, kws):
        array, index = args
        if not isinstance(array, LaneArray):
            return None
        if array.ndim == 2 and isinstance(index, types.Integer):
            return signature(LaneArray(array.vector, 1), array, types.intp)
        full = _index(array, index)
        return full and signature(array.vector, array, full)


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    metadata = FIRST

    def generic(self, args, kws):
        array, index, value = args
        if not isinstance(array, LaneArray):
            return None
        full = _index(array, index)
        fits = value == array.vector or is_real(value)
        return signature(types.void, array, full, array.vector) if full and fits else None


@lower_builtin(operator.getitem, LaneArray, types.Any)
def _get(context, builder, sig, values):
    kind, index_type = sig.args
    if isinstance(sig.return_type, LaneArray):
        view = cgutils.create_struct_proxy(kind)(context, builder, value=values[0])
        row = cgutils.create_struct_proxy(sig.return_type)(context, builder)
        first = _row(context, builder, kind, view, values[1])
        row.data, row.stride = builder.bitcast(first, cgutils.voidptr_t), view.stride
        return row._getvalue()
    place = _element(context, builder, kind, values[0], index_type, values[1])
    return builder.load(place, align=_aligned(kind.vector))


@lower_builtin(operator.setitem, LaneArray, types.Any, Vector)
def _set(context, builder, sig, values):
    kind, index_type, _ = sig.args
    place = _element(context, builder, kind, values[0], index_type, values[1])
    builder.store(values[2], place, align=_aligned(kind.vector))
    return context.get_dummy_value()


@intrinsic
def load(typing_context, array, offset, lanes):
    """The vector of so many neighbours (known at compile time) of a flat array, from an offset on."""
    if not (_is_flat(array) and isinstance(lanes, types.IntegerLiteral)):
        return None
    kind = Vector(array.dtype, lanes.literal_value)

    def codegen(context, builder, sig, values):
        place = vector_at(builder, _data(context, builder, array, values[0]), values[1], kind)
        return builder.load(place, align=_aligned(kind))

    return kind(array, types.intp, lanes), codegen


@intrinsic
def spread(typing_context, array, offset, like):
    """The number at an offset of a flat array in every lane of a vector of the type of `like`."""
    if not (_is_flat(array) and isinstance(like, Vector) and like.element == array.dtype):
        return None

    def codegen(context, builder, sig, values):
        number = builder.load(builder.gep(_data(context, builder, array, values[0]), [values[1]]))
        return broadcast(context, builder, like, array.dtype, number)

    return like(array, types.intp, like), codegen


@intrinsic
def store(typing_context, array, offset, v):
    """Write a vector into a flat array, from an offset on."""
    if not (_is_flat(array) and isinstance(v, Vector) and v.element == array.dtype):
        return None

    def codegen(context, builder, sig, values):
        place = vector_at(builder, _data(context, builder, array, values[0]), values[1], v)
        builder.store(values[2], place, align=_aligned(v))
        return context.get_dummy_value()

    return types.void(array, types.intp, v), codegen


def transposed(builder, rows: list, lanes: int) -> list:
    """As many vectors as they have lanes (a power of two), transposed by exchanging ever larger squares."""
    rows, side = list(rows), 1
    while side < lanes:
        upper = [j if not j & side else lanes + j - side for j in range(lanes)]
        lower = [j + side if not j & side else lanes + j for j in range(lanes)]
        picks = [ir.Constant(ir.VectorType(cgutils.int32_t, lanes), order) for order in (upper, lower)]
        for i in range(lanes):
            if not i & side:
                a, b = rows[i], rows[i + side]
                rows[i], rows[i + side] = (builder.shuffle_vector(a, b, order) for order in picks)
        side *= 2
    return rows


def move(context, builder, kind: Vector, target, offset, stride, sources, addend=None):
    """Store the transpose of the vectors at `sources`, `stride` elements apart from `offset` on."""
    rows = [builder.load(source, align=_aligned(kind)) for source in sources]
    if addend is not None:
        rows = [builder.fadd(row, addend) for row in rows]
    for k, row in enumerate(transposed(builder, rows, kind.lanes)):
        place = builder.add(offset, builder.mul(stride, ir.Constant(WORD, k)))
        builder.store(row, vector_at(builder, target, place, kind), align=_aligned(kind))
    return context.get_dummy_value()


def _transpose(target, source, lanes, addend=None):
    if not (_is_flat(source) and _is_flat(target) and isinstance(lanes, types.IntegerLiteral)):
        return None
    kind = Vector(source.dtype, lanes.literal_value)

    def codegen(context, builder, sig, values):
        goal, to, to_stride, origin, start, stride = values[:6]
        data = _data(context, builder, source, origin)
        sources = [
            vector_at(builder, data, builder.add(start, builder.mul(stride, ir.Constant(WORD, k))), kind)
            for k in range(kind.lanes)
        ]
        added = addend and broadcast(context, builder, kind, source.dtype, values[6])
        return move(context, builder, kind, _data(context, builder, target, goal), to, to_stride, sources, added)

    word, more = types.intp, (addend and [source.dtype]) or []
    return types.void(target, word, word, source, word, word, *more, lanes), codegen


@intrinsic
def transpose(typing_context, target, to, to_stride, source, start, stride, lanes):
    """target[to + k to_stride + l] = source[start + l stride + k] for k, l < lanes, of flat arrays."""
    return _transpose(target, source, lanes)


@intrinsic
def transpose_and_add(typing_context, target, to, to_stride, source, start, stride, addend, lanes):
    """The same with `addend` added to each entry."""
    return _transpose(target, source, lanes, addend)


def unpack(source, size, lanes, lane, target, to, apart, block):
    """target[to + l apart + k] = source[k lanes + lane + l] for k < size, l < block, both flat."""
    if size < block:
        for k in range(size):
            for other in range(block):
                target[to + other * apart + k] = source[k * lanes + lane + other]
        return
    for k in range(0, size, block):
        place = k if k + block <= size else size - block
        transpose(target, to + place, apart, source, place * lanes + lane, lanes, block)


def line_writer(positions: Sequence[int], starts: Sequence[int], zero: int, size: int, lanes: int) -> Callable:
    """``write(source, target)``: target[l size + positions[k]] = source[starts[k] + l] for l < lanes, both flat.

    The others of `size` numbers, at least `lanes`, are source[zero + l], which is 0: of one that it knows, the compiler
    makes memset. They are written in order, `lanes` at once; where they do not fill a line, the last overlaps.
    """
    lines = {min(first, size - lanes): dict[int, int]() for first in range(0, size, lanes)}
    for first, entries in lines.items():
        inside = ((p - first, start) for p, start in zip(positions, starts, strict=True) if first <= p < first + lanes)
        entries.update(inside)

    def write_some(context, builder, kind, source, target, some):
        """Some lines of one matrix; `source`: its element type, and where its lane is."""

        def read(start):
            number = builder.load(builder.gep(source[1], [ir.Constant(WORD, start)]))
            return context.cast(builder, number, source[0], kind.element)

        zeros = broadcast(context, builder, kind, kind.element, read(zero))
        for line, entries in some:
            found = ir.Constant(kind.llvm, None) if entries else zeros
            for place, start in entries.items():
                found = builder.insert_element(found, read(start), ir.Constant(cgutils.int32_t, place))
            builder.store(found, vector_at(builder, target, ir.Constant(WORD, line), kind), align=_aligned(kind))

    @intrinsic
    def write(typing_context, source, target):
        def codegen(context, builder, sig, values):
            data = [_data(context, builder, *pair) for pair in zip(sig.args, values, strict=True)]
            for first in range(0, len(lines), MOST_LINES):
                with cgutils.for_range(builder, ir.Constant(WORD, lanes)) as loop:
                    places = [loop.index, builder.mul(loop.index, ir.Constant(WORD, size))]
                    here, there = (builder.gep(array, [place]) for array, place in zip(data, places, strict=True))
                    some = [*lines.items()][first : first + MOST_LINES]
                    write_some(context, builder, Vector(target.dtype, lanes), (source.dtype, here), there, some)
            return context.get_dummy_value()

        return types.void(source, target), codegen

    return write


@intrinsic
def transpose_rows(typing_context, target, to, to_stride, source, starts, first, addend, lanes):
    """target[to + k to_stride + l] = source[starts[first + l] + k] + addend for k, l < lanes, of flat arrays."""
    flat = _is_flat(source) and _is_flat(target) and _is_flat(starts) and starts.dtype == types.intp
    if not (flat and isinstance(lanes, types.IntegerLiteral)):
        return None
    kind = Vector(source.dtype, lanes.literal_value)

    def codegen(context, builder, sig, values):
        goal, to, to_stride, origin, table, first, addend, _ = values
        data, places = _data(context, builder, source, origin), _data(context, builder, starts, table)
        sources = [
            vector_at(
                builder, data, builder.load(builder.gep(places, [builder.add(first, ir.Constant(WORD, k))])), kind
            )
            for k in range(kind.lanes)
        ]
        addend = broadcast(context, builder, kind, source.dtype, addend)
        return move(context, builder, kind, _data(context, builder, target, goal), to, to_stride, sources, addend)

    word = types.intp
    return types.void(target, word, word, source, starts, word, source.dtype, lanes), codegen
