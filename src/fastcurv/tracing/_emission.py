"""Machine code of programs: one point in each lane of a vector, or plain numbers, by the same emitter.

The code is ``evaluate(inputs, results, (shared, indices, constants))``: coordinates and the points' own numbers, one
after the other; one result for each slot; the numbers that all points share; the tables of `Program.tables`. Where
inputs are of single precision, so are all other numbers, and arithmetic is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .._lazy import cached_property
from ..backends._native import WORD, intrinsic
from ..numbers._expressions import Expression
from ..numbers._rules import integer_power
from ..simd import native_bytes
from ._emitter import LaneEmitter
from ._graph import Graph
from ._program import INDEXED, LEAST_ROWS, Class, Columns, Program

#: instances that are computed together where all add to the same results, twice as many of up to SHORT operations where
#: there are 32 registers; and operations of them all
TOGETHER, SHORT, MOST_TOGETHER = 4, 50, 4_500
#: results that are a node times numbers, where there are so many, are summed in registers
LEAST_USES = 4
#: of so many instances at a time, and so many vectors in all, such nodes are kept; registers that sums take
ROWS, MOST_KEPT, IN_REGISTERS = 64, 256, 10
#: operations of a basic block of a line longer than LONG: what LLVM takes to schedule one grows with the square of its
#: length; shorter lines, and all for CUDA, stay whole, for where they are cut memory cannot become registers
BLOCK, LONG = 200, 1_000


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
        self.m, self._graph, self._leaf = m, graph, leaf
        self._found: dict[int, Any] = {}
        self.written = 0

    def __call__(self, a: int) -> Any:
        """The expression of a node that was written, or its value if it is a constant."""
        operation = self._graph.operations[a]
        if operation == "constant":
            return self._graph.value(a)
        # read for each use: it takes no register then, but is part of the instruction
        return self._leaf(operation, self._graph.arguments[a][0]) if operation == "shared" else self._found[a]

    def missing(self, output: int) -> list[int]:
        """The nodes that a node needs and that are not written yet, in order; itself is the last."""
        found, seen, stack = [], set(), [output]
        while stack:
            a = stack[-1]
            missing = [k for k in self._graph.operands(a) if not self._is_there(k) and k not in seen]
            if missing:
                stack += reversed(missing)
                continue
            if not self._is_there(a) and a not in seen:
                found.append(a)
                seen.add(a)
            stack.pop()
        return found

    def write(self, a: int) -> None:
        """Write a node, whose operands are written."""
        self._found[a] = self._written(a)
        self.written += 1

    def _is_there(self, a: int) -> bool:
        return a in self._found or self._graph.operations[a] in ("constant", "shared")

    def _written(self, a: int) -> Any:
        m, operation, operands = self.m, self._graph.operations[a], self._graph.operands(a)
        if not operands:
            return self._leaf(operation, self._graph.arguments[a][0])
        values = [self(k) for k in operands]
        if operation == "where":
            return m.where(*values)
        if not any(isinstance(value, Expression) for value in values):
            values[0] = Expression(m, m.constant(values[0]))
        if operation == "power":
            return integer_power(m, values[0], self._graph.arguments[a][1])[0]
        return _OPERATORS[operation](m, *values) if operation in _OPERATORS else getattr(m, operation)(*values)


def _write_side_by_side(instances: list[_Instance], node: int) -> None:
    """Write a node and what it needs, of several instances in turns: while one waits, others go on.

    For CUDA one after the other: it has other threads meanwhile, and fewer registers to a thread.
    """
    nodes, m = instances[0].missing(node), instances[0].m
    pairs = [(instance, a) for a in nodes for instance in instances]
    for instance, a in [(i, a) for i in instances for a in nodes] if m.is_for_cuda else pairs:
        instance.write(a)


class _Tables:
    """Columns of a program's tables, as code reads them: each class has its own part of the indices and constants."""

    def __init__(self, m: LaneEmitter, indices: Any, constants: Any):
        self._m, self._builder, self._next = m, m.builder, {"indices": 0, "constants": 0}
        self._data = {"indices": indices, "constants": constants}

    def reader(self, columns: Columns, which: str) -> Callable[[Any, int], Any]:
        """A function of instance and column: the entry, read or computed."""
        builder, first, width = self._builder, self._next[which], len(columns.varying)
        self._next[which] += width * columns.count
        kind = WORD if which == "indices" else self._m.real
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
            m = LaneEmitter(context, builder, getattr(vector, "element", vector))
            assert all(context.get_value_type(part.dtype) == m.real for part in args.types[::2]), args
            x, y = (
                builder.bitcast(data(kind, value), vector.as_pointer())
                for kind, value in ((inputs, values[0]), (results, values[1]))
            )
            _write(m, program, vector, x, y, shared, _Tables(m, indices, constants))
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
            builder.store(zero, builder.gep(y, [ir.Constant(WORD, slot)]), align=m.bytes)
    else:
        with cgutils.for_range(builder, ir.Constant(WORD, program.slots)) as loop:
            builder.store(zero, builder.gep(y, [loop.index]), align=m.bytes)
    for c in program.classes:
        code = _ClassCode(m, c, vector, (x, y, shared), tables)
        if c.count == 1:
            code.write([ir.Constant(WORD, 0)], adds=not direct)
            continue
        has_room = c.operations <= SHORT and native_bytes() == 64 and not m.is_for_cuda
        together = 2 * TOGETHER if has_room else TOGETHER
        together = max(1, min(together, MOST_TOGETHER // max(1, c.operations)))
        together = together if c.slots.is_same and c.count >= together else 1
        if code.products:
            code.write_by_rows(together)
        else:
            code.write_all(ir.Constant(WORD, 0), ir.Constant(WORD, c.count), together)


class _Product(NamedTuple):
    """A result that is a node times one number or two that all points share."""

    result: int
    first: int | None
    second: int


class _ClassCode:
    """The code of a class, for some instances at a time."""

    def __init__(self, m: LaneEmitter, c: Class, vector: ir.Type, memory: tuple, tables: _Tables):
        self.m, self.c, self.vector, self.memory = m, c, vector, memory
        self.readers = {kind: tables.reader(c.leaves[kind], "indices") for kind in INDEXED}
        self.slot = tables.reader(c.slots, "indices")
        self.readers["table"] = tables.reader(c.leaves["table"], "constants")

    @cached_property
    def products(self) -> dict[int, list[_Product]]:
        """Results that are a node times one or two numbers that all points share, by that node."""
        c, found = self.c, dict[int, list[_Product]]()
        if not c.slots.is_same or c.count < LEAST_ROWS or not isinstance(self.vector, ir.VectorType):
            return {}
        for k, output in enumerate(c.outputs):
            leaf, node = self._factors(output)
            if leaf is not None:
                first, inner = self._factors(node)
                found.setdefault(inner, []).append(_Product(k, first, leaf))
        return {
            node: sorted(uses, key=lambda use: (use.first is not None, use.first))
            for node, uses in found.items()
            if len(uses) >= LEAST_USES
        }

    def _factors(self, node: int) -> tuple[int | None, int]:
        """(number that all points share, the rest), whose product a node is; else (None, the node)."""
        graph = self.c.graph
        if graph.operations[node] == "mul":
            a, b = graph.arguments[node]
            for leaf, rest in ((a, b), (b, a)):
                if graph.operations[leaf] in ("shared", "table") and graph.active[rest]:
                    return leaf, rest
        return None, node

    def write_by_rows(self, together: int) -> None:
        """Some instances at a time: first the nodes of `products`, kept in memory, then their sums in registers."""
        builder, nodes = self.m.builder, list(self.products)
        at_once = max(1, IN_REGISTERS * native_bytes() // (8 * self.vector.count))  # pyright: ignore[reportAttributeAccessIssue]
        rows = max(together, min(ROWS, MOST_KEPT // len(nodes)) // together * together)
        kept = cgutils.alloca_once(builder, ir.ArrayType(self.vector, rows * len(nodes)))
        kept.align = 64
        kept = builder.bitcast(kept, self.vector.as_pointer())
        count = ir.Constant(WORD, self.c.count)
        with cgutils.for_range(builder, ir.Constant(WORD, -(-self.c.count // rows))) as loop:
            first = builder.mul(loop.index, ir.Constant(WORD, rows))
            rest = builder.sub(count, first)
            is_full = builder.icmp_unsigned("<", ir.Constant(WORD, rows), rest)
            here = builder.select(is_full, ir.Constant(WORD, rows), rest)
            self.write_all(first, here, together, kept)
            for number, node in enumerate(nodes):
                uses = self.products[node]
                for start in range(0, len(uses), at_once):
                    self._add_products(uses[start : start + at_once], first, here, kept, number, len(nodes))

    def _add_products(self, uses: list[_Product], first: Any, count: Any, kept: Any, number: int, apart: int) -> None:
        """Add a node times numbers, summed over instances, to the results."""
        m, builder, y, graph = self.m, self.m.builder, self.memory[1], self.c.graph
        places = [builder.gep(y, [self.slot(first, use.result)]) for use in uses]
        sums = [cgutils.alloca_once_value(builder, builder.load(place, align=m.bytes)) for place in places]
        with cgutils.for_range(builder, count) as loop:
            place = builder.add(builder.mul(loop.index, ir.Constant(WORD, apart)), ir.Constant(WORD, number))
            node = Expression(m, builder.load(builder.gep(kept, [place]), align=m.bytes))
            leaf = self._leaves(builder.add(first, loop.index))

            def read(a: int) -> Expression:
                return leaf(graph.operations[a], graph.arguments[a][0])

            scaled: dict[int | None, Any] = {None: node}
            for use, total in zip(uses, sums, strict=True):
                if use.first is not None and use.first not in scaled:
                    scaled[use.first] = read(use.first) * node
                added = Expression(m, builder.load(total)) + read(use.second) * scaled[use.first]
                builder.store(added.value, total)
        for place, total in zip(places, sums, strict=True):
            builder.store(builder.load(total), place, align=m.bytes)

    def write_all(self, first: Any, count: Any, together: int, kept: Any = None) -> None:
        """Compute so many instances, and add them to the results."""
        builder, one = self.m.builder, ir.Constant(WORD, 1)
        size = ir.Constant(WORD, together)
        full = builder.udiv(count, size)
        with cgutils.for_range(builder, full) as loop:
            row = builder.mul(loop.index, size)
            self._write_rows([builder.add(row, ir.Constant(WORD, k)) for k in range(together)], first, kept)
        if self.c.count % together:  # also where `count` is of a part: of all but the last, `together` is a divisor
            with cgutils.for_range_slice(builder, builder.mul(full, size), count, one) as (row, _):
                self._write_rows([row], first, kept)

    def _write_rows(self, rows: list, first: Any, kept: Any) -> None:
        builder, nodes = self.m.builder, list(self.products)

        def keep(found: list[_Instance]) -> None:
            for row, instance in zip(rows, found, strict=True):
                for number, node in enumerate(nodes):
                    place = builder.add(builder.mul(row, ir.Constant(WORD, len(nodes))), ir.Constant(WORD, number))
                    value = self.m.spread(instance(node).value, self.vector)
                    builder.store(value, builder.gep(kept, [place]), align=self.m.bytes)

        self.write([builder.add(first, row) for row in rows], adds=True, keep=keep)

    def write(self, instances: list, *, adds: bool, keep: Callable | None = None) -> None:
        """Compute instances, and add them to the results or store them; without what is left to `_add_products`."""
        m, builder, y = self.m, self.m.builder, self.memory[1]
        found = [_Instance(m, self.c.graph, self._leaves(instance)) for instance in instances]
        end, parts = None, 1
        is_cut = len(instances) * self.c.operations > LONG and not m.is_for_cuda
        left = {use.result for uses in self.products.values() for use in uses}
        for k, output in enumerate(self.c.outputs):
            if k in left:
                continue
            if is_cut and sum(instance.written for instance in found) > parts * BLOCK:
                end = end or builder.append_basic_block("end")
                self._begin_block(parts, end)
                parts += 1
            _write_side_by_side(found, output)
            results = [instance(output) for instance in found]
            place = builder.gep(y, [self.slot(instances[0], k)])
            total = Expression(m, builder.load(place, align=m.bytes)) if adds else None
            for result in results:
                if not isinstance(result, Expression):
                    result = Expression(m, m.constant(result, self.vector))
                total = result if total is None else total + result
            builder.store(m.spread(total.value, self.vector), place, align=m.bytes)  # pyright: ignore
        for node in self.products:
            _write_side_by_side(found, node)
        if keep is not None:
            keep(found)
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
                entry = builder.load(builder.gep(x, [entry]), align=m.bytes)
            elif kind == "shared":
                entry = builder.load(builder.gep(shared, [entry]))
            return Expression(m, entry)

        return leaf
