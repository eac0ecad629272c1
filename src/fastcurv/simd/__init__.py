"""Explicit vectors for Numba: a `Vector` holds one number of each of several problems, its lanes.

LLVM does not reliably vectorise loops over problems; code written with these values is vector code by construction. A
body that has no branch on numbers works on lanes as on floats: arithmetic, comparisons, ``abs``, ``min``, ``max`` and
``math.*`` act on each lane, and `where` takes the place of ``if``. Scalars mix freely with vectors and take their
element type, also where a variable is first the one and then the other (``s = 0.0; s += v``).

Each operation gives the same bits for any number of lanes. Products and sums are fused where `fma` says so and nowhere
else; on processors without it, `fma` rounds twice.
"""

from . import _functions  # noqa: F401  what it teaches Numba
from ._arrays import (
    lane_array,
    line_writer,
    load,
    spread,
    store,
    transpose,
    transpose_and_add,
    transpose_rows,
    transposed,
    unpack,
)
from ._functions import vector_library
from ._groups import first_aligned, flat, give, group_unpacker, lanes_kind, numbers, own_row, read_group, stored, take
from ._operations import (
    all_lanes,
    any_lane,
    floor_power_of_two,
    fma,
    reciprocal,
    reciprocal_sqrt,
    reduce_max,
    reduce_min,
    reduce_sum,
    shuffle,
    shuffled,
    splat,
    where,
)
from ._types import Vector
from ._width import native_bytes, native_lanes, registers

__all__ = [
    "Vector",
    "all_lanes",
    "any_lane",
    "first_aligned",
    "flat",
    "floor_power_of_two",
    "fma",
    "give",
    "group_unpacker",
    "lane_array",
    "lanes_kind",
    "line_writer",
    "load",
    "native_bytes",
    "native_lanes",
    "numbers",
    "own_row",
    "read_group",
    "reciprocal",
    "reciprocal_sqrt",
    "reduce_max",
    "reduce_min",
    "reduce_sum",
    "registers",
    "shuffle",
    "shuffled",
    "splat",
    "spread",
    "store",
    "stored",
    "take",
    "transpose",
    "transpose_and_add",
    "transpose_rows",
    "transposed",
    "unpack",
    "vector_library",
    "where",
]  # fmt: skip
