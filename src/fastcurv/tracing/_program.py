"""Programs: derivatives of a traced function as a few straight lines of code, each run over tables of indices.

A sum is split into its terms; terms of one shape are a class, of which one element is differentiated and compiled, and
run for every instance: with what coordinates and arguments it reads, which constants, and to which results it adds. A
function that is no sum, or a short one, is a class of one instance: a straight line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from .._errors import TracingError
from .._lazy import cached_property
from ..backends._native import stack_array
from ._derivatives import Differentiator
from ._graph import Graph, rebuilt
from ._symbols import Trace
from ._terms import Part, Term, add_up, kept_whole, passes, term_of, terms_of
from ._ties import with_ties
from ._tracer import Traced

#: operations of a straight line, up to which a sum is not split
MAX_STRAIGHT = 1500
#: operations in all lines together, beyond which machine code takes too long to make
MOST_OPERATIONS = 12_000
#: results that these lines add to, or store; what LLVM takes grows faster with them
MOST_RESULTS = 5_000
#: instances of a loop that are worth being computed some at a time
LEAST_ROWS = 8
#: kinds of leaves that are found by an index
INDEXED = ("x", "own", "shared")


class Columns:
    """A table, one row for each instance; columns that are the same in all rows, or indices that grow by the same step
    from row to row, are constants of the code.
    """

    def __init__(self, table: np.ndarray):
        steps = np.diff(table, axis=0)
        is_even = (steps == steps[:1]).all(axis=0) if table.dtype == np.int64 else (table == table[:1]).all(axis=0)
        self.count = len(table)
        self.varying = np.flatnonzero(~is_even).tolist()
        self._table = table[:, self.varying]
        #: of each column (first, step), or None where it varies
        self.known: list[tuple | None] = [
            (table[0, k].item(), steps[0, k].item() if len(steps) else 0) if is_even[k] else None
            for k in range(table.shape[1])
        ]

    def packed(self) -> np.ndarray:
        """The columns that vary, row by row."""
        return np.ascontiguousarray(self._table).reshape(-1)

    @property
    def is_same(self) -> bool:
        """Whether all rows are alike."""
        return all(known is not None and known[1] == 0 for known in self.known)


class Class(NamedTuple):
    """Terms of one shape: the graph of an element, what each of its leaves is in each instance, and of each output to
    which slot it is added.
    """

    graph: Graph
    outputs: tuple[int, ...]
    leaves: dict[str, Columns]  # numbers of `INDEXED` leaves, values of "table" leaves
    slots: Columns

    @property
    def count(self) -> int:
        return self.slots.count

    @property
    def operations(self) -> int:
        """Of one instance."""
        return sum(bool(self.graph.operands(a)) for a in self.graph.needed(self.outputs))


class Program:
    """Results of a traced function, each in a slot: values, and derivatives that do not vanish; the last slot is 0."""

    #: for kernels: what is compiled from this may be kept on disk
    lasting = True
    name = "a traced function"

    def __init__(self, classes: tuple[Class, ...], slots: _Slots, is_in_order: bool):
        self.classes, self.slots = classes, slots.count + 1
        #: whether the terms of each sum are added in the order in which the function adds them
        self.is_in_order = is_in_order
        self.values, self.first, self.second = slots.values[: slots.outputs], slots.first, slots.second
        #: what backends made of it
        self.made: dict[str, Any] = {}

    @cached_property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices and constants of all classes, as the code reads them."""
        indices, constants = [np.zeros(0, np.int64)], [np.zeros(0)]
        for c in self.classes:
            indices += [*(c.leaves[kind].packed() for kind in INDEXED), c.slots.packed()]
            constants.append(c.leaves["table"].packed())
        return np.concatenate(indices), np.concatenate(constants)

    def evaluator(self) -> Callable:
        """``evaluate(inputs, results, args)``, to be compiled."""
        from ._emission import evaluator

        return evaluator(self)

    @cached_property
    def expression(self) -> Values:
        """The values alone, for blocks that evaluate functions."""
        return Values(self)

    @property
    def has_rows(self) -> bool:
        """Whether there are loops of which all instances add to the same results."""
        return any(c.count >= LEAST_ROWS and c.slots.is_same for c in self.classes)

    @property
    def is_straight(self) -> bool:
        """Whether it is one line of code."""
        return len(self.classes) == 1 and self.classes[0].count == 1

    @cached_property
    def operations(self) -> int:
        """Of all instances."""
        return sum(c.count * c.operations for c in self.classes)

    @cached_property
    def length(self) -> int:
        """Operations of the code."""
        return sum(c.operations for c in self.classes)

    @cached_property
    def key(self) -> str:
        """Identifies the code: programs with the same one differ in their tables only."""
        digest = hashlib.blake2b(str(self.slots).encode(), digest_size=20)
        for c in self.classes:
            known = [columns.known for columns in (*c.leaves.values(), c.slots)]
            code = [(a, c.graph.operations[a], c.graph.arguments[a]) for a in c.graph.needed(c.outputs)]
            digest.update(repr((code, c.outputs, c.count, known)).encode())
        return digest.hexdigest()


class Values:
    """A program in place of a user's function: ``f(x, args)`` or ``g(x, y, args)`` in whatever numbers x holds.

    Its arguments are the numbers that all points share, and the program's tables.
    """

    lasting = True
    name = "an expression"
    coarsest: Mapping[str, float] = MappingProxyType({})  # eps of values with fewer digits than points: there are none

    def __init__(self, program: Program):
        self.key = program.key
        self._write, self._slots = program.evaluator(), program.slots

    def scalar(self) -> Callable:
        write, slots = self._write, self._slots

        def evaluate(x, args):
            found = stack_array(slots, x)
            write(x, found, args[1:])
            return found[0]

        return evaluate

    def vector(self) -> Callable:
        write, slots = self._write, self._slots

        def evaluate(x, y, args):
            found = stack_array(slots, x)
            write(x, found, args[1:])
            for r in range(len(y)):
                y[r] = found[r]

        return evaluate


class Wanted(NamedTuple):
    """Which derivatives of a traced function are computed besides its values."""

    first: bool = False
    second: bool = False
    product: bool = False  # H v, among the first derivatives
    form: bool = False  # v'Hv, as the first derivative (0, 0)
    is_finite: bool = False  # whether all numbers that points share are known to be
    ties: bool = False  # whether results are not finite where a choice of the function is at a tie
    direction: int = 0  # where v begins among the coordinates and the points' own numbers

    @property
    def has_derivatives(self) -> bool:
        """Whether there are any."""
        return self.first or self.second or self.product or self.form

    @property
    def is_directed(self) -> bool:
        """Whether there is a v."""
        return self.product or self.form


def program(traced: Traced, wanted: Wanted, shape: tuple[int, int] | None = None) -> Program:
    """The code of a traced function and its derivatives, as a matrix of a shape or with slots where they do not vanish.

    That of a matrix is a straight line.

    Raises
    ------
    TracingError
        If it is too long.
    """
    outputs = traced.outputs
    if shape is not None:
        return _assembled(_straight(traced, wanted.ties), _MatrixSlots(len(outputs), wanted.ties, *shape), wanted)
    try:
        found = by_terms(traced, wanted)
    except TracingError:  # far too long
        found = None
    if found is None or found.length > MOST_OPERATIONS:
        found = by_terms(traced, wanted, joined=False)
    if found.operations <= MAX_STRAIGHT:
        found = _assembled(_straight(traced, wanted.ties), _Slots(len(outputs), wanted.ties), wanted)
    if found.length > MOST_OPERATIONS:
        raise TracingError(f"its derivatives are {found.length:,} operations that no loop repeats")
    if (results := sum(len(c.outputs) for c in found.classes)) > MOST_RESULTS:
        raise TracingError(f"its derivatives are {results:,} results that no loop repeats")
    return found


def by_terms(traced: Traced, wanted: Wanted, *, joined: bool = True) -> Program:
    """The code of sums, term by term; where they are `joined`, what terms have in common is computed once."""
    graph, outputs = traced.graph, traced.outputs

    def sums() -> list[Part]:
        whole = set() if wanted.has_derivatives else kept_whole(graph, outputs)
        found = list[Part]()
        for r, output in enumerate(outputs):
            terms = terms_of(graph, output, whole)
            found += [([a], [r]) for a in ((add_up(graph, terms, MOST_OPERATIONS) or [output]) if joined else terms)]
        return found

    case = joined, wanted.has_derivatives, wanted.ties
    shapes = _remembered(traced, case, lambda: with_ties(graph, sums(), len(outputs)) if wanted.ties else sums())
    if not (wanted.has_derivatives or shapes.are_in_order):
        shapes = _remembered(traced, (*case, "passes"), lambda: passes(graph, sums()))
    return _assembled(shapes, _Slots(len(outputs), wanted.ties), wanted)


class _Shapes(NamedTuple):
    """Terms by their shapes, and whether each sum has all terms of a shape in a row."""

    terms: tuple[list[Term], ...]
    are_in_order: bool


def _remembered(traced: Traced, case: tuple, parts: Callable[[], Iterable[Part]]) -> _Shapes:
    """The terms of a function, found once for all derivatives."""
    if case not in traced.shapes:
        traced.shapes[case] = _shapes(traced.graph, parts())
    return traced.shapes[case]


def _straight(traced: Traced, ties: bool) -> _Shapes:
    """All outputs as one term."""
    graph, outputs = traced.graph, traced.outputs
    whole = [(list(outputs), list(range(len(outputs))))]
    return _shapes(graph, with_ties(graph, whole, len(outputs)) if ties else whole)


def _shapes(graph: Graph, parts: Iterable[Part]) -> _Shapes:
    by_shape: dict[tuple, list[Term]] = {}
    runs = list[tuple]()  # shapes and outputs, wherever one of them changes
    length = 0
    for part in parts:
        term = term_of(graph, *part)
        alike = by_shape.setdefault(term.shape, [])
        length += 0 if alike else term.operations
        if length > MOST_OPERATIONS:
            raise TracingError(f"it has more than {MOST_OPERATIONS:,} operations that no loop repeats")
        alike.append(term._replace(shape=alike[0].shape) if alike else term)  # one tuple for all
        if (run := (term.shape, *term.outputs)) not in runs[-1:]:
            runs.append(run)
    return _Shapes(tuple(by_shape.values()), len(runs) == len(set(runs)))


class _Slots:
    """Slots as they are given to results."""

    def __init__(self, outputs: int, ties: bool):
        self.outputs = outputs
        self.values = list(range(outputs + ties))
        self.count = len(self.values)
        self.first: dict[tuple[int, int], int] = {}  # by output and coordinate
        self.second: dict[tuple[int, int], int] = {}  # by coordinates i <= j

    def of_first(self, output: int, i: int) -> list[int]:
        return [self._of(self.first, (output, i))]

    def of_second(self, i: int, j: int) -> list[int]:
        return [self._of(self.second, (i, j) if i <= j else (j, i))]

    def _of(self, known: dict[tuple[int, int], int], key: tuple[int, int]) -> int:
        if key not in known:
            known[key] = self.count
            self.count += 1
        return known[key]


class _MatrixSlots(_Slots):
    """The entries of one matrix row by row, those that are always zero among them; then the values."""

    def __init__(self, outputs: int, ties: bool, rows: int, columns: int):
        super().__init__(outputs, ties)
        self._columns, entries = columns, rows * columns
        self.count += entries
        self.values = list(range(entries, self.count))

    def of_first(self, output: int, i: int) -> list[int]:
        return [output * self._columns + i]

    def of_second(self, i: int, j: int) -> list[int]:
        return list({i * self._columns + j, j * self._columns + i})


def _assembled(shapes: _Shapes, slots: _Slots, wanted: Wanted) -> Program:
    """The program of terms."""
    classes = tuple(_class(terms, wanted, slots) for terms in shapes.terms)
    return Program(classes, slots, shapes.are_in_order)


def _element(terms: list[Term]) -> tuple[Trace, list[int], np.ndarray]:
    """The graph of a shape and its roots, with the constants that all terms share; the table of the others."""
    table = np.array([term.leaves["constant"] for term in terms], np.float64).reshape(len(terms), -1)
    bits = table.view(np.int64)
    is_same = (bits == bits[0]).all(axis=0)
    places = np.cumsum(~is_same) - 1
    source, trace = Graph(), Trace(np.zeros(0), Graph(4 * MOST_OPERATIONS))
    nodes: list[int] = []
    *entries, (_, *roots) = terms[0].shape
    for operation, *numbers in entries:
        if operation == "constant":
            nodes.append(source.leaf("table", numbers[0]))
        elif operation in INDEXED:
            nodes.append(source.leaf(operation, numbers[0]))
        elif operation == "power":
            nodes.append(source.power(nodes[numbers[0]], numbers[1]))
        else:
            nodes.append(source.node(operation, *(nodes[k] for k in numbers)))

    def leaf(kind: str, number: int) -> int:
        if kind != "table":
            return trace.graph.leaf(kind, number)
        if is_same[number]:
            return trace.graph.constant(table[0, number])
        return trace.graph.leaf("table", int(places[number]))

    found = rebuilt(source, [nodes[k] for k in roots], trace.graph, leaf)
    return trace, [found[nodes[k]] for k in roots], table[:, ~is_same]


def _class(terms: list[Term], wanted: Wanted, slots: _Slots) -> Class:
    trace, roots, table = _element(terms)
    work, graph = Differentiator(trace, wanted.is_finite), trace.graph
    leaves = {kind: [list(term.leaves[kind]) for term in terms] for kind in INDEXED}
    kinds = {(tuple(term.outputs), tuple(term.leaves["x"])): None for term in terms}  # all rows of data are of one
    numbers = {kind: number for number, kind in enumerate(kinds)}
    which = np.array([numbers[tuple(term.outputs), tuple(term.leaves["x"])] for term in terms])
    nodes, columns = list[int](), list[np.ndarray]()

    def result(node: int, slots_of: Callable[[tuple[int, ...], tuple[int, ...]], list[int]]) -> None:
        """A node, and the slots that it is added to, by the outputs and coordinates of a term."""
        for column in np.array([slots_of(*kind) for kind in kinds], np.int64).T:
            nodes.append(node)
            columns.append(column[which])

    for k, root in enumerate(roots):
        result(root, lambda outputs, x, k=k: [slots.values[outputs[k]]])
    coordinates, own = len(leaves["x"][0]), len(leaves["own"][0])
    v = {i: graph.leaf("own", own + i) for i in range(coordinates)}
    if wanted.is_directed:
        rows = zip(leaves["own"], leaves["x"], strict=True)
        leaves["own"] = [[*row, *(wanted.direction + i for i in x)] for row, x in rows]
    for k, root in enumerate(roots):
        if terms[0].outputs[k] == slots.outputs:  # what tells of ties
            continue
        first, second = {}, {}
        if wanted.second:
            first, second = work.hessian(root)
        elif wanted.product:
            first = work.product(root, v)
        elif wanted.form:
            result(work.form(root, v), lambda outputs, x: slots.of_first(0, 0))
        elif wanted.first:
            first = work.gradient(root)
        if wanted.first or wanted.product:
            for i, d in first.items():
                result(d, lambda outputs, x, i=i, k=k: slots.of_first(outputs[k], x[i]))
        for (i, j), d in second.items():
            result(d, lambda outputs, x, i=i, j=j: slots.of_second(x[i], x[j]))
    tables = {kind: Columns(np.array(rows, np.int64).reshape(len(terms), -1)) for kind, rows in leaves.items()}
    tables["table"] = Columns(table)
    return Class(graph, tuple(nodes), tables, Columns(np.array(columns, np.int64).T.copy()))
