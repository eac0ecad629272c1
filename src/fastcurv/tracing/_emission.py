"""Machine code of programs: one point in each lane of a vector, or plain numbers, by the same emitter.

The code is ``evaluate(inputs, results, (shared, indices, constants))``: coordinates and the points' own numbers, one
after the other; one result for each slot; the numbers that all points share; the tables of `Program.tables`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from ..backends._native import WORD, intrinsic
from ..numbers._expressions import DOUBLE, Emitter, Expression
from ..numbers._rules import integer_power, tanh_by_exp
from ..simd import Vector
from ._graph import Graph
from ._program import INDEXED, Class, Columns, Program

#: instances that are computed together where all add to the same results, and operations of them all
TOGETHER, MOST_TOGETHER = 4, 4_500
#: operations of a basic block of a line longer than LONG: what LLVM takes to schedule one grows with the square of its
#: length; shorter lines, and all for CUDA, stay whole, for where they are cut memory cannot become registers
BLOCK, LONG = 200, 1_000


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
            values = [self.spread(value, ir.VectorType(DOUBLE, kind.count)) for value in values]
        return Expression(self, self.builder.select(condition.value, *values))

    def single(self, x: Expression) -> Expression:
        kind = x.value.type
        narrow = ir.VectorType(ir.FloatType(), kind.count) if isinstance(kind, ir.VectorType) else ir.FloatType()
        return Expression(self, self.builder.fpext(self.builder.fptrunc(x.value, narrow), kind))

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


_OPERATORS: dict[str, Callable] = {
    "add": lambda m, a, b: a + b, "sub": lambda m, a, b: a - b, "mul": lambda m, a, b: a * b,
    "div": lambda m, a, b: a / b, "neg": lambda m, a: -a, "abs": lambda m, a: abs(a),
    "lt": lambda m, a, b: a < b, "le": lambda m, a, b: a <= b, "eq": lambda m, a, b: a == b,
    "ne": lambda m, a, b: a != b, "and": lambda m, a, b: m.logical("and_", a, b),
    "or": lambda m, a, b: m.logical("or_", a, b),
    "not": lambda m, a: m.not_(a), "unsigned": lambda m, a: a + 0.0,
}  # fmt: skip


class _Instance:
    """The nodes of a graph as expressions, each written when it is first needed: what is written early lives long."""

    def __init__(self, m: LaneEmitter, graph: Graph, leaf: Callable[[str, int], Expression]):
        self._m, self._graph, self._leaf = m, graph, leaf
        self._found: dict[int, Any] = {}
        self.written = 0

    def __call__(self, output: int) -> Any:
        """The expression of a node, or its value if it is a constant."""
        stack = [output]
        while stack:
            a = stack[-1]
            missing = [k for k in self._graph.operands(a) if not self._is_there(k)]
            if missing:
                stack += reversed(missing)
                continue
            if not self._is_there(a):
                self._found[a] = self._written(a)
                self.written += 1
            stack.pop()
        return self._get(output)

    def _is_there(self, a: int) -> bool:
        return a in self._found or self._graph.operations[a] in ("constant", "shared")

    def _get(self, a: int) -> Any:
        operation = self._graph.operations[a]
        if operation == "constant":
            return self._graph.value(a)
        # read for each use: it takes no register then, but is part of the instruction
        return self._leaf(operation, self._graph.arguments[a][0]) if operation == "shared" else self._found[a]

    def _written(self, a: int) -> Any:
        m, operation, operands = self._m, self._graph.operations[a], self._graph.operands(a)
        if not operands:
            return self._leaf(operation, self._graph.arguments[a][0])
        values = [self._get(k) for k in operands]
        if operation == "where":
            return m.where(*values)
        if not any(isinstance(value, Expression) for value in values):
            values[0] = Expression(m, m.constant(values[0]))
        if operation == "power":
            return integer_power(m, values[0], self._graph.arguments[a][1])[0]
        return _OPERATORS[operation](m, *values) if operation in _OPERATORS else getattr(m, operation)(*values)


class _Tables:
    """Columns of a program's tables, as code reads them: each class has its own part of the indices and constants."""

    def __init__(self, builder: ir.IRBuilder, indices: Any, constants: Any):
        self._builder, self._next = builder, {"indices": 0, "constants": 0}
        self._data = {"indices": indices, "constants": constants}

    def reader(self, columns: Columns, which: str) -> Callable[[Any, int], Any]:
        """A function of instance and column: the entry, read or computed."""
        builder, first, width = self._builder, self._next[which], len(columns.varying)
        self._next[which] += width * columns.count
        kind = WORD if which == "indices" else DOUBLE
        place = {column: k for k, column in enumerate(columns.varying)}

        def read(instance: Any, column: int) -> Any:
            if (known := columns.known[column]) is not None:
                start, step = (ir.Constant(kind, number) for number in known)
                return start if known[1] == 0 else builder.add(builder.mul(instance, step), start)
            offset = builder.add(
                builder.mul(instance, ir.Constant(WORD, width)), ir.Constant(WORD, first + place[column])
            )
            return builder.load(builder.gep(self._data[which], [offset]))

        return read


def evaluator(program: Program) -> Callable:
    """``evaluate(inputs, results, args)`` of a program."""

    @intrinsic
    def evaluate(typing_context, inputs, results, args):
        def codegen(context, builder, signature, values):
            def data(kind, value):
                return context.make_array(kind)(context, builder, value).data

            shared, indices, constants = (
                data(kind, part)
                for kind, part in zip(args.types, cgutils.unpack_tuple(builder, values[2]), strict=True)
            )
            vector = context.get_value_type(inputs.dtype)
            m = LaneEmitter(context, builder)
            x, y = (
                builder.bitcast(data(kind, value), vector.as_pointer())
                for kind, value in ((inputs, values[0]), (results, values[1]))
            )
            _write(m, program, vector, x, y, shared, _Tables(builder, indices, constants))
            return context.get_dummy_value()

        return types.void(inputs, results, args), codegen

    def evaluate_all(x, y, args):
        evaluate(x, y, args)

    return evaluate_all


def _write(m: LaneEmitter, program: Program, vector: ir.Type, x: Any, y: Any, shared: Any, tables: _Tables) -> None:
    """The code of all classes."""
    builder = m.builder
    written = [known[0] for c in program.classes if c.count == 1 for known in c.slots.known if known is not None]
    direct = len(program.classes) == 1 and program.classes[0].count == 1
    zero = m.constant(0.0, vector)
    if direct:
        for slot in set(range(program.slots)) - set(written):
            builder.store(zero, builder.gep(y, [ir.Constant(WORD, slot)]), align=8)
    else:
        with cgutils.for_range(builder, ir.Constant(WORD, program.slots)) as loop:
            builder.store(zero, builder.gep(y, [loop.index]), align=8)
    for c in program.classes:
        code = _ClassCode(m, c, vector, (x, y, shared), tables)
        if c.count == 1:
            code.write([ir.Constant(WORD, 0)], adds=not direct)
            continue
        together = max(1, min(TOGETHER, MOST_TOGETHER // max(1, c.operations)))
        together = together if c.slots.is_same and c.count >= together else 1
        full = c.count // together
        with cgutils.for_range(builder, ir.Constant(WORD, full)) as loop:
            first = builder.mul(loop.index, ir.Constant(WORD, together))
            code.write([builder.add(first, ir.Constant(WORD, k)) for k in range(together)], adds=True)
        if c.count % together:
            with cgutils.for_range_slice(
                builder, ir.Constant(WORD, full * together), ir.Constant(WORD, c.count), ir.Constant(WORD, 1)
            ) as (instance, _):
                code.write([instance], adds=True)


class _ClassCode:
    """The code of a class, for some instances at a time."""

    def __init__(self, m: LaneEmitter, c: Class, vector: ir.Type, memory: tuple, tables: _Tables):
        self.m, self.c, self.vector, self.memory = m, c, vector, memory
        self.readers = {kind: tables.reader(c.leaves[kind], "indices") for kind in INDEXED}
        self.slot = tables.reader(c.slots, "indices")
        self.readers["table"] = tables.reader(c.leaves["table"], "constants")

    def write(self, instances: list, *, adds: bool) -> None:
        """Compute instances, and add them to the results or store them."""
        m, builder, y = self.m, self.m.builder, self.memory[1]
        found = [_Instance(m, self.c.graph, self._leaves(instance)) for instance in instances]
        end, parts = None, 1
        is_cut = len(instances) * self.c.operations > LONG and not m.is_for_cuda
        for k, output in enumerate(self.c.outputs):
            if is_cut and sum(instance.written for instance in found) > parts * BLOCK:
                end = end or builder.append_basic_block("end")
                self._begin_block(parts, end)
                parts += 1
            results = [instance(output) for instance in found]
            place = builder.gep(y, [self.slot(instances[0], k)])
            total = Expression(m, builder.load(place, align=8)) if adds else None
            for result in results:
                if not isinstance(result, Expression):
                    result = Expression(m, m.constant(result, self.vector))
                total = result if total is None else total + result
            builder.store(m.spread(total.value, self.vector), place, align=8)  # pyright: ignore
        if end is not None:
            builder.branch(end)
            builder.position_at_end(end)

    def _begin_block(self, number: int, end: ir.Block) -> None:
        """Go on in a block of its own, by a branch that is always taken, which LLVM cannot know."""
        builder, (x, y, _) = self.m.builder, self.memory
        other = builder.gep(y, [ir.Constant(WORD, number)])
        block = builder.append_basic_block("part")
        builder.cbranch(builder.icmp_unsigned("!=", x, other), block, end)
        builder.position_at_end(block)

    def _leaves(self, instance: Any) -> Callable[[str, int], Expression]:
        m, builder = self.m, self.m.builder
        x, _, shared = self.memory

        def leaf(kind: str, number: int) -> Expression:
            entry = self.readers[kind](instance, number)
            if kind in ("x", "own"):
                entry = builder.load(builder.gep(x, [entry]), align=8)
            elif kind == "shared":
                entry = builder.load(builder.gep(shared, [entry]))
            return Expression(m, entry)

        return leaf
