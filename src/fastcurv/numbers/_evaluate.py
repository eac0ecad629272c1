"""A user's function at a seeded point, for the blocks; and what the blocks take from the numbers it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import overload

from fastcurv.simd import shuffled, transposed

from ..backends._native import WORD, call_at_point, intrinsic, signature_at_point
from ..elements import is_real
from ._expressions import Emitter, Row
from ._types import Number, packed, parts


def number_evaluator(dispatcher):
    """``evaluate(x, args) -> Number``: NaN, and the integer ``args[0][0]`` set, where the function raised."""

    @intrinsic
    def evaluate(typing_context, x, args):
        function = typing_context.resolve_value_type(dispatcher)  # that of its target: the CPU, or a CUDA device
        inner = signature_at_point(typing_context, function, x, args)
        if not (isinstance(inner.return_type, Number) or is_real(inner.return_type)):
            raise TypingError(f"the function must return one real number, got {inner.return_type}")
        number = x.number.curved

        def codegen(context, builder, signature, values):
            raised, *arguments = cgutils.unpack_tuple(builder, values[1])
            status, value = call_at_point(context, builder, function, inner, x, values[0], arguments)
            flag = cgutils.create_struct_proxy(args.types[0])(context, builder, value=raised).data
            known = builder.load(flag)
            builder.store(builder.or_(known, builder.zext(status.is_error, known.type)), flag)
            m = number.emitter(context, builder)
            found = parts(m, inner.return_type, value, number.rows)
            nan = m.constant(float("nan"))
            found.value.value = builder.select(status.is_error, nan, found.value.value)
            return packed(m, number, found)

        return number(x, args), codegen

    return evaluate


def _flat(context, builder, kind, array, offset):
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _put_number(m: Emitter, target: types.Array, pointer: Any, number: Any) -> None:
    """Write a number, in the type of the array; no negative zero."""
    number = m.builder.fadd(number, m.constant(0.0))
    m.builder.store(m.context.cast(m.builder, number, m.number, target.dtype), pointer)


def _put(m: Emitter, target: types.Array, pointer: Any, vector: Any, width: int) -> None:
    """Write the first `width` lanes of a vector, in the type of the array; no negative zeros."""
    builder, element = m.builder, m.context.get_data_type(target.dtype)
    if width == vector.type.count:
        vector = builder.fadd(vector, m.constant(0.0, vector.type))
        if element != m.real:
            convert = builder.fpext if m.is_single else builder.fptrunc
            vector = convert(vector, ir.VectorType(element, vector.type.count))
        place = builder.bitcast(pointer, vector.type.as_pointer())
        align = target.dtype.bitwidth // 8  # pyright: ignore[reportAttributeAccessIssue]
        builder.store(vector, place, align=align)
        return
    for lane in range(width):
        number = builder.extract_element(vector, ir.Constant(cgutils.int32_t, lane))
        _put_number(m, target, builder.gep(pointer, [ir.Constant(WORD, lane)]), number)


def _put_row(m: Emitter, target: types.Array, pointer: Any, row: Row) -> None:
    """Write the entries of a row, in the type of the array; no negative zeros."""
    for q, entry in enumerate(row.entries):
        _put_number(m, target, m.builder.gep(pointer, [ir.Constant(WORD, q)]), entry.value)


@intrinsic
def store_columns(typing_context, y, target, offset, width):
    """Write the first `width` first derivatives along the columns into a flat array, from an offset on."""
    if not isinstance(width, types.IntegerLiteral):
        return None

    def codegen(context, builder, sig, values):
        m = y.emitter(context, builder)
        pointer = _flat(context, builder, target, values[1], values[2])
        columns = parts(m, y, values[0], y.rows).columns
        if y.jet:
            _put_row(m, target, pointer, columns)
        else:
            _put(m, target, pointer, columns.value, width.literal_value)
        return context.get_dummy_value()

    return types.void(y, target, types.intp, width), codegen


@intrinsic
def store_cross(typing_context, y, target, offset, width):
    """Write the first `width` second derivatives of a number of one row into a flat array, from an offset on."""
    if not isinstance(width, types.IntegerLiteral):
        return None

    def codegen(context, builder, sig, values):
        m = y.emitter(context, builder)
        row = parts(m, y, values[0], y.rows).cross[0]
        _put(m, target, _flat(context, builder, target, values[1], values[2]), row.value, width.literal_value)
        return context.get_dummy_value()

    return types.void(y, target, types.intp, width), codegen


def _square(m: Emitter, y: Number, value: Any) -> list:
    """The rows of second derivatives, filled up with zeros to as many as there are columns."""
    rows = [row.value for row in parts(m, y, value, y.rows).cross]
    return rows + [m.constant(0.0, rows[0].type)] * (y.lanes - y.rows)


def _put_rows(m: Emitter, target: types.Array, array: Any, corner: Any, stride: Any, rows: list, width: int) -> None:
    for p, row in enumerate(rows[:width]):
        place = m.builder.add(corner, m.builder.mul(stride, ir.Constant(WORD, p)))
        _put(m, target, _flat(m.context, m.builder, target, array, place), row, width)


@intrinsic
def store_diagonal(typing_context, y, target, corner, stride):
    """Write a symmetric block: the second derivatives on and above the diagonal, and their mirror image.

    In registers: a loop over the triangle becomes scattered stores, which take as long as a cheap function.
    """

    def codegen(context, builder, sig, values):
        m = y.emitter(context, builder)
        if y.jet:
            for p, row in enumerate(parts(m, y, values[0], y.rows).cross):
                place = builder.add(values[2], builder.mul(values[3], ir.Constant(WORD, p)))
                _put_row(m, target, _flat(context, builder, target, values[1], place), row)
            return context.get_dummy_value()
        rows, lanes = _square(m, y, values[0]), y.lanes
        mirrored = [
            shuffled(builder, below, row, [lane if lane < p else lanes + lane for lane in range(lanes)])
            for p, (row, below) in enumerate(zip(rows, transposed(builder, rows, lanes), strict=True))
        ]
        _put_rows(m, target, values[1], values[2], values[3], mirrored, y.rows)
        return context.get_dummy_value()

    return types.void(y, target, types.intp, types.intp), codegen


@intrinsic
def store_pair(typing_context, y, target, corner, mirror, stride):
    """Write a square block above the diagonal at `corner`, and its transpose at `mirror`."""
    if y.rows != y.lanes:
        return None

    def codegen(context, builder, sig, values):
        m = y.emitter(context, builder)
        rows = _square(m, y, values[0])
        _put_rows(m, target, values[1], values[2], values[4], rows, y.lanes)
        _put_rows(m, target, values[1], values[3], values[4], transposed(builder, rows, y.lanes), y.lanes)
        return context.get_dummy_value()

    return types.void(y, target, types.intp, types.intp, types.intp), codegen


@intrinsic
def store_above(typing_context, y, target, corner, mirror, stride, count):
    """Write the first `count` rows of a block, not all, at `corner`, and their transpose at `mirror`.

    In a loop, for a Hessian has few such blocks: unrolled it took a fifth of the time to compile one.
    """

    def codegen(context, builder, sig, values):
        m = y.emitter(context, builder)
        _, array, corner, mirror, stride, count = values

        def put(p, row):
            place = builder.add(corner, builder.mul(stride, p))
            _put(m, target, _flat(context, builder, target, array, place), row, y.lanes)
            for lane in range(y.lanes):
                place = builder.add(builder.add(mirror, builder.mul(stride, ir.Constant(WORD, lane))), p)
                number = builder.extract_element(row, ir.Constant(cgutils.int32_t, lane))
                _put_number(m, target, _flat(context, builder, target, array, place), number)

        rows = _square(m, y, values[0])[: y.rows - 1]
        if len(rows) == 1:  # a device has them in registers
            put(ir.Constant(WORD, 0), rows[0])
            return context.get_dummy_value()
        block = cgutils.alloca_once(builder, rows[0].type, len(rows))
        for p, row in enumerate(rows):
            builder.store(row, cgutils.gep(builder, block, p), align=8)
        with cgutils.for_range(builder, count) as loop:
            put(loop.index, builder.load(builder.gep(block, [loop.index]), align=8))
        return context.get_dummy_value()

    word = types.intp
    return types.void(y, target, word, word, word, word), codegen


def _in_pairs(join: Callable, values: list) -> Any:
    """All values joined, by as short a chain as there is: what follows a point waits for it."""
    while len(values) > 1:
        values = [join(*values[k : k + 2]) if k + 1 < len(values) else values[k] for k in range(0, len(values), 2)]
    return values[0]


def _is_finite(builder: ir.IRBuilder, number: Any) -> Any:
    """Whether a number, or each lane of a vector, is finite.

    A number less itself is 0 or NaN: as an integer it is compared beside what multiplies, which is at work for f.
    """
    rest: Any = builder.fsub(number, number)
    if not isinstance(rest.type, ir.VectorType):
        bits = ir.IntType(64 if rest.type == ir.DoubleType() else 32)
        return builder.icmp_unsigned("==", builder.bitcast(rest, bits), ir.Constant(bits, 0))
    wrong: Any = builder.bitcast(builder.fcmp_unordered("uno", rest, rest), ir.IntType(rest.type.count))
    return builder.icmp_unsigned("==", wrong, ir.Constant(wrong.type, 0))


@intrinsic
def is_finite(typing_context, y, slopes):
    """Whether the value of a number and its derivatives are finite; first ones beside second ones only with `slopes`,
    which is known at compile time.
    """
    if not isinstance(slopes, types.IntegerLiteral):
        return None

    def codegen(context, builder, sig, values):
        m = y.emitter(context, builder)
        found = parts(m, y, values[0], y.rows)
        slopes_too = bool(slopes.literal_value or not found.cross)
        if y.jet:
            cross = [entry for p, row in enumerate(found.cross) for entry in row.entries[p:]]
            checked = [found.value, *cross, *(found.rows.entries if slopes_too else [])]
        else:
            checked = [found.value, *found.cross, *(slopes_too * [found.columns])]
        numbers = [m.spread(part.value, checked[-1].value.type) for part in checked]

        # a sum is finite only if all in it are; where it is not, it may have overflown
        fine = cgutils.alloca_once_value(builder, _is_finite(builder, _in_pairs(builder.fadd, numbers)))
        with builder.if_then(builder.not_(builder.load(fine)), likely=False):
            rests = [builder.fsub(number, number) for number in numbers]
            builder.store(_is_finite(builder, _in_pairs(builder.fadd, rests)), fine)
        return builder.load(fine)

    return types.boolean(y, slopes), codegen


@intrinsic
def _uniform(typing_context, values, x):
    uniform = types.UniTuple(x.number.curved, len(values))

    def codegen(context, builder, signature, arguments):
        return context.cast(builder, arguments[0], signature.args[0], uniform)

    return uniform(values, x), codegen


@intrinsic
def _as_number(typing_context, value, x):
    number = x.number.curved

    def codegen(context, builder, signature, arguments):
        return context.cast(builder, arguments[0], signature.args[0], number)

    return number(value, x), codegen


def entries(values, x):
    """What a function of vector values returned at x, such that entry r of it is a number or real."""
    return values


@overload(entries)
def _entries(values, x):
    if isinstance(values, types.BaseTuple):
        return lambda values, x: _uniform(values, x)
    return lambda values, x: values


def entry(values, r, x):
    """Entry r as a number."""
    return values[r]


@overload(entry)
def _entry(values, r, x):
    return lambda values, r, x: _as_number(values[r], x)
