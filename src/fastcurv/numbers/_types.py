"""Numbers that carry derivatives, as Numba types.

A hyper-dual number (Fike & Alonso, AIAA 2011-886) has a value f, first derivatives along `rows` directions d_p and
`lanes` directions e_q, and the second derivatives f_pq along both. With values and control flow scalar, and derivatives
in vectors, one evaluation of a function gives a block of a Hessian; a branch is taken once for all of it.
Without rows it is a dual number: a value and its first derivatives. All parts are of float64, or of float32; reals that
meet such a number become that, literals too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typeconv import Conversion
from numba.extending import lower_cast, models, register_model

from fastcurv.simd import Vector

from ..elements import Element, is_real
from ._expressions import DERIVATIVE, SEEDED, ZERO, Emitter, Expression, Row, entrywise


class Number(Element):
    """A dual (rows = 0) or hyper-dual number; one that is `linear` has no second derivatives.

    Derivatives along the rows are a vector, or `apart`: for an x of known length, whose seeds are constants, so that
    what is done for all rows on which nothing depends is done once. The columns of a `jet` are its rows, few enough to
    be apart, too: second derivatives are kept once. Parts are of `real` numbers, of float32 where it is `single`.
    """

    def __init__(
        self, rows: int, lanes: int, linear: bool, apart: bool = False, jet: bool = False, single: bool = False
    ):
        self.rows, self.lanes, self.linear, self.apart, self.jet = rows, lanes, linear or rows == 0, apart or jet, jet
        self.single, self.real = single, types.float32 if single else types.float64
        form = "jet" if jet else "apart" if apart else "vectors"
        second = "linear" if self.linear else "second"
        super().__init__(name=f"Number({rows}, {lanes}, {second}, {form}, {self.real})")

    def alike(self, linear: bool) -> Number:
        """The type of numbers with derivatives along the same, linear or not."""
        return Number(self.rows, self.lanes, linear, self.apart, self.jet, self.single)

    def emitter(self, context: Any, builder: ir.IRBuilder) -> Emitter:
        """What writes code that computes with such numbers."""
        return Emitter(context, builder, context.get_data_type(self.real))

    @property
    def row_lanes(self) -> int:
        """How many numbers the vector of derivatives along the rows has."""
        return 1 if self.rows == 1 else self.lanes

    @property
    def curved(self) -> Number:
        """The type of a nonlinear function of such a number."""
        return self.alike(False)

    def joined(self, other: types.Type) -> Number | None:
        """The type that holds this number and another, or a real number."""
        if isinstance(other, Number):
            return self.alike(self.linear and other.linear) if other.curved == self.curved else None
        return self if is_real(other) else None

    def shown(self, context: Any, builder: Any, value: Any) -> Any:
        """Its value, a double."""
        found = cgutils.create_struct_proxy(self)(context, builder, value=value).value
        return context.cast(builder, found, self.real, types.float64)

    def unify(self, typingctx, other):
        return self.joined(other)

    def can_convert_from(self, typingctx, other):
        if is_real(other):
            return Conversion.safe
        return Conversion.promote if isinstance(other, Number) and self.joined(other) == self else None


@register_model(Number)
class _NumberModel(models.StructModel):
    def __init__(self, manager, kind):
        real = kind.real
        members: list[Any] = [("value", real)]
        if kind.apart:
            members += [(f"row_{p}", real) for p in range(kind.rows)]
        elif kind.rows:
            members.append(("rows", Vector(real, kind.row_lanes)))
        if kind.jet:
            members += [(name, real) for names in _crosses(kind) for name in names]
        else:
            columns = Vector(real, kind.lanes)
            members += [("columns", columns), *((name, columns) for (name,) in _crosses(kind))]
        super().__init__(manager, kind, members)

    def get_data_type(self):
        """Packed: what is on the heap is aligned to 16 bytes at most."""
        return ir.LiteralStructType([model.get_data_type() for model in self._models], packed=True)


def _crosses(kind: Number) -> list[list[str]]:
    """The names of what holds second derivatives, by rows; of a jet on and above the diagonal."""
    if kind.linear:
        return []
    return [[f"cross_{p}_{q}" for q in range(p, kind.rows)] if kind.jet else [f"cross_{p}"] for p in range(kind.rows)]


class Parts:
    """The parts of a number in code that is being written; `ZERO` where a derivative is known to vanish."""

    def __init__(self, value: Any, rows: Any, columns: Any, cross: list):
        self.value, self.rows, self.columns, self.cross = value, rows, columns, cross

    def each(self, function: Callable, other: Parts | None = None) -> Parts:
        """The number whose parts are function(part) or function(part, other's part)."""
        operands = [self] if other is None else [self, other]
        return Parts(
            function(*(x.value for x in operands)),
            entrywise(function, *(x.rows for x in operands)),
            entrywise(function, *(x.columns for x in operands)),
            [entrywise(function, *crosses) for crosses in zip(*(x.cross for x in operands), strict=True)],
        )


def constant(value: Any, rows: int) -> Parts:
    """A number all of whose derivatives vanish."""
    return Parts(value, ZERO, ZERO, [ZERO] * rows)


#: rows from which on those that are made for one product with the columns each are read from memory
LEAST_IN_MEMORY = 4


def split(rows: Any, like: Parts, once: bool = False) -> list:
    """Derivatives along the rows one by one, as many as `like` has rows of second derivatives; used `once` or again."""
    size = len(like.cross)
    if isinstance(rows, Row):
        return rows.entries
    if rows is ZERO:
        return [ZERO] * size
    if once and size >= LEAST_IN_MEMORY and not rows.m.is_for_cuda:
        return rows.lanes_in_memory()[:size]
    return [rows.lane(p) for p in range(size)]


def parts(m: Emitter, kind: types.Type, value: Any, rows: int) -> Parts:
    """The parts of a number, or of a real one, of the type `kind`."""
    if not isinstance(kind, Number):
        return constant(Expression(m, m.context.cast(m.builder, value, kind, m.number)), rows)
    fields = cgutils.create_struct_proxy(kind)(m.context, m.builder, value=value)
    is_seeded = kind.apart and kind.rows > 1 and not m.is_for_cuda  # whose compiler does not tell constants

    def field(name):
        return Expression(m, getattr(fields, name), SEEDED if is_seeded else DERIVATIVE)

    def second(p):
        if kind.jet:
            return Row(field(f"cross_{min(p, q)}_{max(p, q)}") for q in range(rows))
        return field(f"cross_{p}")

    slopes: Any = ZERO
    if kind.apart:
        slopes = Row(field(f"row_{p}") for p in range(rows))
    elif rows:
        slopes = field("rows")
    cross = [ZERO if kind.linear else second(p) for p in range(rows)]
    return Parts(Expression(m, fields.value), slopes, slopes if kind.jet else field("columns"), cross)


def packed(m: Emitter, kind: Number, found: Parts) -> Any:
    """The LLVM value of a number of type `kind` with these parts."""
    fields = cgutils.create_struct_proxy(kind)(m.context, m.builder)
    vector, row_vector = ir.VectorType(m.real, kind.lanes), ir.VectorType(m.real, kind.row_lanes)

    def put(name, part, target):
        part = m.constant(0.0, target) if part is ZERO else m.spread(part.value, target)
        setattr(fields, name, part)

    put("value", found.value, m.real)
    if kind.apart:
        for p, row in enumerate(split(found.rows, found)):
            put(f"row_{p}", row, m.real)
    elif kind.rows:
        put("rows", found.rows, row_vector)
    if not kind.jet:
        put("columns", found.columns, vector)
    for names, cross in zip(_crosses(kind), found.cross, strict=False):
        if kind.jet:
            entries = cross.entries[-len(names) :] if isinstance(cross, Row) else [cross] * len(names)
            for name, entry in zip(names, entries, strict=True):
                put(name, entry, m.real)
        else:
            put(names[0], cross, vector)
    return fields._getvalue()


@lower_cast(types.Integer, Number)
@lower_cast(types.Float, Number)
@lower_cast(types.Boolean, Number)
@lower_cast(Number, Number)
def _cast(context, builder, source, target, value):
    if source == target:
        return value
    m = target.emitter(context, builder)
    return packed(m, target, parts(m, source, value, target.rows))
