"""Arguments of users' functions, packed into memory: blocks pass its address on, and do not depend on their types.

A block calls f(x, point) with ``point = (raised, arguments, b)``: an array of one integer, set where the function
raises, the address of the packed arguments, and the number of the point. What f really takes,
``(raised, *args, *(array[b] for array in point_args))``, is read from there by code that is made for its types. Kernels
of CUDA devices are made for these types anyway, and have ``(args, point_args)`` itself in the place of the address.
"""

from __future__ import annotations

import hashlib
import operator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core import cgutils

from .._inputs import lives_on_device, read_only
from ..function import DiskCache, compiled
from ._native import WORD, borrowed, intrinsic

#: packed arguments take no more
MOST_BYTES = 2**15
#: arrays of numbers in LLVM's types, up to here, are read entry by entry
FEW = 16


class Kinds(NamedTuple):
    """The types of the arguments that all points share, and of those, by point, that each has."""

    shared: tuple[types.Type, ...] = ()
    own: tuple[types.Type, ...] = ()

    @property
    def identity(self) -> int:
        """The same number in every process; 0 where there are no arguments."""
        if not any(self):
            return 0
        return int.from_bytes(hashlib.blake2b(str(self).encode(), digest_size=7).digest(), "little")


class Packed(NamedTuple):
    """Packed arguments: where, and the identity of their kinds; they live as long as this does."""

    address: int
    identity: int
    values: tuple[tuple, tuple]
    memory: np.ndarray | None

    @property
    def kinds(self) -> Kinds:
        """The types of the arguments."""
        return kinds_of(*self.values)


def kinds_of(args: tuple, point_args: tuple) -> Kinds:
    """The types of arguments; of arrays on a device those that they would have on the host."""
    return Kinds(*(tuple(map(_kind, given)) for given in (args, point_args)))


def _kind(value: Any) -> Any:
    if isinstance(value, tuple):
        return types.BaseTuple.from_types(tuple(map(_kind, value)))
    if isinstance(value, np.ndarray) or not lives_on_device(value):
        return typeof(value)
    return typeof(read_only(np.empty((1,) * value.ndim, value.dtype)))


NOTHING_PACKED = Packed(0, 0, ((), ()), None)


def pack(args: tuple, point_args: tuple) -> Packed:
    """Pack arguments for the blocks that call a function with them."""
    if not (args or point_args):
        return NOTHING_PACKED
    memory = np.empty(MOST_BYTES // 8)
    address, identity = _packer()(memory, args, point_args)
    return Packed(address, identity, (args, point_args), memory)


@cache
def _packer() -> Any:
    def pack_arguments(memory, args, point_args):
        return _stored(memory, args, point_args)

    made: Any = compiled(pack_arguments, "arguments", entry=True)
    made._cache = DiskCache("arguments")
    return made


@intrinsic
def _stored(typing_context, memory, args, point_args):
    """Write arguments to memory; its address, and the identity of their kinds."""
    kinds = types.Tuple((args, point_args))

    def codegen(context, builder, signature, values):
        packed_type = context.get_value_type(kinds)
        if context.get_abi_sizeof(packed_type) > MOST_BYTES:
            raise ValueError(f"args and point_args take more than {MOST_BYTES} bytes; put their numbers into arrays")
        place = cgutils.create_struct_proxy(memory)(context, builder, value=values[0]).data
        packed = context.make_tuple(builder, kinds, values[1:])
        builder.store(packed, builder.bitcast(place, packed_type.as_pointer()))
        identity = ir.Constant(WORD, Kinds(args.types, point_args.types).identity)
        return context.make_tuple(builder, signature.return_type, [builder.ptrtoint(place, WORD), identity])

    return types.UniTuple(types.intp, 2)(memory, args, point_args), codegen


def _read(builder: Any, pointer: Any) -> Any:
    """What never changes at a pointer, number by number: loops that call a function need not read it again."""
    found = pointer.type.pointee
    if isinstance(found, ir.LiteralStructType) or (isinstance(found, ir.ArrayType) and found.count <= FEW):
        whole = ir.Constant(found, ir.Undefined)
        for k in range(len(found.elements) if isinstance(found, ir.LiteralStructType) else found.count):
            place = builder.gep(pointer, [ir.Constant(cgutils.int32_t, 0), ir.Constant(cgutils.int32_t, k)])
            whole = builder.insert_value(whole, _read(builder, place), k)
        return whole
    value = builder.load(pointer)
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


def unpacker(kinds: Kinds) -> Any:
    """``unpacked(point)``, an intrinsic: what a function takes at a point besides x."""
    stored = types.Tuple((types.Tuple(kinds.shared), types.Tuple(kinds.own)))

    @intrinsic
    def unpacked(typing_context, point):
        gets = [typing_context.resolve_function_type(operator.getitem, (kind, types.uintp), {}) for kind in kinds.own]
        result = types.Tuple((point.types[0], *kinds.shared, *(get.return_type for get in gets)))

        def codegen(context, builder, signature, values):
            raised, given, b = cgutils.unpack_tuple(builder, values[0])
            if isinstance(point.types[1], types.Integer):
                pointer = builder.inttoptr(given, context.get_value_type(stored).as_pointer())
                given = _read(builder, pointer)
            both = borrowed(context, builder, stored, given)
            shared, own = (cgutils.unpack_tuple(builder, builder.extract_value(both, k)) for k in range(2))
            items = [
                context.get_function(operator.getitem, get)(builder, (array, b))
                for get, array in zip(gets, own, strict=True)
            ]
            raised = borrowed(context, builder, point.types[0], raised)
            return context.make_tuple(builder, result, [raised, *shared, *items])

        return result(point), codegen

    return unpacked
