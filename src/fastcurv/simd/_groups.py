"""Blocks that work on one point or on a group of points, one in each lane, as `lanes` says (1: plain numbers).

`lanes` is known at compile time. Numbers in the memory of such a block are arrays of vectors, or of numbers: Numba's
own, so that a user's function sees an ordinary x.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from ..backends._native import WORD, intrinsic
from ._arrays import move, unpack, vector_at
from ._operations import shuffled
from ._types import Vector


def _kind(element: types.Type, lanes: types.Type) -> Any:
    """The type of a number in a block of so many lanes; None unless these are known."""
    known = getattr(lanes, "literal_value", None)
    return known and (element if known == 1 else Vector(element, known))


def lanes_kind(lanes: int) -> types.Array:
    """The type of an x in lanes, as functions see it."""
    return types.Array(Vector(types.float64, lanes), 1, "C", readonly=True)


@intrinsic
def first_aligned(typing_context, memory):
    """The offset in a flat array of numbers from which vectors do not straddle cache lines; less than 64 bytes."""
    size = ir.Constant(WORD, memory.dtype.bitwidth // 8)

    def codegen(context, builder, sig, values):
        address = builder.ptrtoint(context.make_array(memory)(context, builder, values[0]).data, WORD)
        bytes_over = builder.and_(builder.neg(address), ir.Constant(WORD, 63))
        return builder.udiv(bytes_over, size)

    return types.intp(memory), codegen


def own_row(rows, worker):
    """A worker's row of scratch, from where vectors do not straddle cache lines."""
    row = rows[worker]
    return row[first_aligned(row) :]


@intrinsic
def numbers(typing_context, memory, offset, shape, lanes, room):
    """Part of a flat array of numbers, as an array of as many of these, or vectors, as `shape` says.

    Where `room`, known at compile time, is not 0, an array of its own for so many, on the stack: with known indices it
    lives in registers.
    """
    kind = _kind(memory.dtype, lanes)
    if kind is None or not isinstance(room, types.IntegerLiteral):
        return None
    ndim = len(shape) if isinstance(shape, types.BaseTuple) else 1
    found = types.Array(kind, ndim, "C")

    def codegen(context, builder, sig, values):
        if room.literal_value:
            own = ir.ArrayType(context.get_data_type(kind), room.literal_value)
            data = cgutils.alloca_once(builder, own)
            data.align = 64  # vectors do not straddle cache lines
            owner = None
        else:
            view = context.make_array(memory)(context, builder, values[0])
            data, owner = builder.gep(view.data, [values[1]]), view.meminfo
        sizes = cgutils.unpack_tuple(builder, values[2]) if ndim > 1 else [values[2]]
        return _array(context, builder, found, data, sizes, owner)

    sizes = types.UniTuple(types.intp, ndim) if ndim > 1 else types.intp
    return found(memory, types.intp, sizes, lanes, room), codegen


def _array(context, builder, kind: types.Array, data, sizes: list, owner):
    """An array at a place in memory, which it keeps alive if it is on the heap."""
    from numba.np.arrayobj import populate_array  # slow to import, and loaded by then

    array = context.make_array(kind)(context, builder)
    item = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [item]
    for size in reversed(sizes[1:]):
        strides.insert(0, builder.mul(strides[0], size))
    populate_array(array, builder.bitcast(data, array.data.type), sizes, strides, item, meminfo=owner)
    if owner is not None and context.enable_nrt:  # CUDA devices count no references
        context.nrt.incref(builder, kind, array._getvalue())
    return array._getvalue()


@intrinsic
def flat(typing_context, array):
    """All numbers of a contiguous array of numbers or vectors, in the order in which they lie in memory."""
    if array.layout != "C":
        return None
    element, lanes = (array.dtype.element, array.dtype.lanes) if isinstance(array.dtype, Vector) else (array.dtype, 1)
    found = types.Array(element, 1, "C", readonly=not array.mutable)

    def codegen(context, builder, sig, values):
        view = context.make_array(array)(context, builder, values[0])
        size = builder.mul(view.nitems, ir.Constant(WORD, lanes))
        return _array(context, builder, found, view.data, [size], view.meminfo)

    return found(array), codegen


def _places(builder, where: list, lanes: int) -> list:
    """Where the numbers of lanes lie, by (start, stride, last); those after the last where that does."""
    found, (start, stride, last) = [], where
    for lane in range(lanes):
        number = ir.Constant(WORD, lane)
        within = builder.select(builder.icmp_signed("<", number, last), number, last)
        found.append(builder.add(start, builder.mul(within, stride)))
    return found


@intrinsic
def take(typing_context, source, start, stride, last, lanes):
    """source[start + min(lane, last) stride] of a flat array, in each lane, as float64."""
    kind = _kind(types.float64, lanes)
    if kind is None:
        return None

    def codegen(context, builder, sig, values):
        data = context.make_array(source)(context, builder, values[0]).data

        def read(place):
            return context.cast(builder, builder.load(builder.gep(data, [place])), source.dtype, types.float64)

        if kind == types.float64:
            return read(values[1])
        found = ir.Constant(kind.llvm, ir.Undefined)
        for lane, place in enumerate(_places(builder, values[1:4], kind.lanes)):
            found = builder.insert_element(found, read(place), ir.Constant(cgutils.int32_t, lane))
        return found

    word = types.intp
    return kind(source, word, word, word, lanes), codegen


@intrinsic
def give(typing_context, v, target, start, stride, last):
    """target[start + lane stride] = v's lane, for lanes up to the last, of a flat array."""

    def codegen(context, builder, sig, values):
        data = context.make_array(target)(context, builder, values[1]).data

        def write(number, place):
            number = context.cast(builder, number, types.float64, target.dtype)
            builder.store(number, builder.gep(data, [place]))

        if v == types.float64:
            write(values[0], values[2])
            return context.get_dummy_value()
        numbers = [builder.extract_element(values[0], ir.Constant(cgutils.int32_t, k)) for k in range(v.lanes)]
        is_full = builder.icmp_signed("==", values[4], ir.Constant(WORD, v.lanes - 1))
        with builder.if_else(is_full, likely=True) as (full, ragged):
            with full:
                for lane, number in enumerate(numbers):
                    write(number, builder.add(values[2], builder.mul(values[3], ir.Constant(WORD, lane))))
            with ragged:  # lanes after the last write first, where the last does
                final = builder.extract_element(values[0], builder.trunc(values[4], cgutils.int32_t))
                for lane, place in enumerate(_places(builder, values[2:5], v.lanes)):
                    beyond = builder.icmp_signed(">", ir.Constant(WORD, lane), values[4])
                    write(builder.select(beyond, final, numbers[lane]), place)
        return context.get_dummy_value()

    word = types.intp
    return types.void(v, target, word, word, word), codegen


@intrinsic
def stored(typing_context, v, like):
    """A number or vector of float64, rounded to the type that an array stores."""

    def codegen(context, builder, sig, values):
        if like.dtype == types.float64:
            return values[0]
        narrow = ir.FloatType() if v == types.float64 else ir.VectorType(ir.FloatType(), v.lanes)
        return builder.fpext(builder.fptrunc(values[0], narrow), values[0].type)

    return v(v, like), codegen


def group_unpacker(lanes: int, transposes: bool, size: int = 0) -> Callable:
    """A plain function: target[to + l size + k] = source[k lanes + l] for k < size, l < count, both flat.

    `transposes`: both are float64, and the blocks of full groups are transposed in registers. `size`, where it is not
    0, is known at compile time, and source is in registers.
    """

    def one_by_one(source, size, count, target, to):
        for lane in range(count):
            for k in range(size):
                target[to + lane * size + k] = source[k * lanes + lane]

    def in_blocks(source, size, count, target, to):
        if count < lanes or size < 8:
            one_by_one(source, size, count, target, to)
        else:
            for lane in range(0, lanes, 8):
                unpack(source, size, lanes, lane, target, to + lane * size, size, 8)

    known = size

    def from_registers(source, size, count, target, to):
        give_group(source, lanes, known, count, target, to)

    if not transposes or lanes < 8:
        return one_by_one
    return from_registers if known else in_blocks


@intrinsic
def give_group(typing_context, source, lanes, size, count, target, to):
    """target[to + l size + k] = source[k lanes + l] for k < size, l < count, both flat and of float64.

    `lanes` and `size` are known at compile time.
    """
    lanes_known, size_known = (getattr(kind, "literal_value", None) for kind in (lanes, size))
    if lanes_known is None or size_known is None:
        return None
    block = max(width for width in (1, 2, 4, 8) if width <= size_known)
    kind = Vector(types.float64, block)

    def transposed_to(context, builder, origin, goal, to):
        for lane in range(0, lanes_known, block):
            for first in range(0, size_known, block):
                k = min(first, size_known - block)
                places = [(k + row) * lanes_known + lane for row in range(block)]
                sources = [vector_at(builder, origin, ir.Constant(WORD, place), kind) for place in places]
                offset = builder.add(to, ir.Constant(WORD, lane * size_known + k))
                move(context, builder, kind, goal, offset, ir.Constant(WORD, size_known), sources)

    def codegen(context, builder, sig, values):
        origin, goal = (
            context.make_array(kind)(context, builder, value).data
            for kind, value in ((source, values[0]), (target, values[4]))
        )
        is_full = builder.icmp_signed("==", values[3], ir.Constant(WORD, lanes_known))
        with builder.if_else(is_full, likely=True) as (full, ragged):
            with full:
                transposed_to(context, builder, origin, goal, values[5])
            with ragged:
                number = ir.DoubleType()
                tile = builder.bitcast(
                    cgutils.alloca_once(builder, ir.ArrayType(number, lanes_known * size_known)), number.as_pointer()
                )
                transposed_to(context, builder, origin, tile, ir.Constant(WORD, 0))
                with cgutils.for_range(builder, builder.mul(values[3], ir.Constant(WORD, size_known))) as loop:
                    place = builder.add(values[5], loop.index)
                    builder.store(builder.load(builder.gep(tile, [loop.index])), builder.gep(goal, [place]))
        return context.get_dummy_value()

    return types.void(source, lanes, size, types.intp, target, types.intp), codegen


@intrinsic
def read_group(typing_context, source, start, x, size):
    """x[i] = source[start + lane size + i], in each lane, for i < size (known at compile time); source is flat."""
    count = getattr(size, "literal_value", None)
    if count is None or not isinstance(x.dtype, Vector):
        return None
    lanes = x.dtype.lanes

    def codegen(context, builder, sig, values):
        view, target = (
            context.make_array(kind)(context, builder, value).data
            for kind, value in ((source, values[0]), (x, values[2]))
        )
        element = context.get_value_type(source.dtype)
        whole = ir.VectorType(element, lanes * count)
        first = builder.bitcast(builder.gep(view, [values[1]]), whole.as_pointer())
        numbers = builder.load(first, align=source.dtype.bitwidth // 8)
        vectors = builder.bitcast(target, x.dtype.llvm.as_pointer())
        for i in range(count):
            found = shuffled(builder, numbers, numbers, [lane * count + i for lane in range(lanes)])
            if source.dtype != types.float64:
                found = builder.fpext(found, x.dtype.llvm)
            builder.store(found, builder.gep(vectors, [ir.Constant(WORD, i)]), align=8)
        return context.get_dummy_value()

    return types.void(source, types.intp, x, size), codegen
