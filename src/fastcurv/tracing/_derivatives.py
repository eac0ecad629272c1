"""Derivatives on the graph: reverse gradients, Hessians by edge pushing, products of Hessians by forward over reverse.

Edge pushing (Gower & Mello, Optim. Methods Softw. 27, 2012): nodes are eliminated from the last to the first; what is
kept are adjoints, and second derivatives with respect to pairs of nodes, of which only those that do not vanish ever
come up: the sparsity of the Hessian is found on the way.

A derivative that is structurally zero drops whatever it is multiplied by, also infinities: that of a branch that is not
taken stays zero where the branch itself is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..numbers._rules import BINARY, UNARY, integer_power, power
from ._functions import Namespace
from ._graph import CONDITIONS, LEAVES
from ._symbols import ROUNDINGS, Symbol, Trace, operand


class Partials(NamedTuple):
    """Derivatives of a node with respect to what it is computed from, where they do not vanish: by one, by two."""

    first: list[tuple[int, int]]
    second: list[tuple[int, int, int]]


class Differentiator:
    """Derivatives of nodes of one graph, which grows by what they are computed from."""

    def __init__(self, trace: Trace, is_finite: bool = False):
        self.trace, self.graph = trace, trace.graph
        self._is_finite = is_finite  # all numbers that points share
        self.m = Namespace(trace)
        self.zero, self.one = self.graph.constant(0.0), self.graph.constant(1.0)
        self._partials: dict[int, Partials] = {}
        self._when: dict[int, int] = {}  # of derivatives that are zero by choice, unless a condition holds: that

    def times(self, a: int, b: int) -> int:
        """A product of derivatives: zeros win, also those by choice.

        Of a choice that x makes, and an argument that is known to be finite, the product is taken afterwards, once.
        """
        if self._vanishes(a) or self._vanishes(b):
            return self.zero
        conditions = [self._when[k] for k in dict.fromkeys((a, b)) if k in self._when]
        found = self._times(a, b, conditions)
        if conditions:
            self._when[found] = conditions[0] if len(conditions) == 1 else self._both(*conditions)
        return found

    def _times(self, a: int, b: int, conditions: list[int]) -> int:
        graph = self.graph
        for choice, factor in ((a, b), (b, a)):
            is_finite = self._is_finite and graph.operations[factor] == "shared"
            if graph.operations[choice] == "where" and any(map(self._vanishes, graph.arguments[choice][1:])):
                condition, yes, no = graph.arguments[choice]
                if not (is_finite and graph.active[condition]):
                    return graph.node("where", condition, self.times(yes, factor), self.times(no, factor))
            elif choice in self._when and not is_finite:  # of several choices, or within one
                return graph.node("where", self._when[choice], graph.multiply(a, b), self.zero)
        return graph.multiply(a, b)

    def plus(self, a: int, b: int) -> int:
        """A sum of derivatives; of choices by one condition, a choice, unless that takes more additions."""
        found = self._plus(a, b)
        if a in self._when and b in self._when and not self._is_one_of_two(self._when[a], self._when[b]):
            self._when[found] = self._either(self._when[a], self._when[b])
        return found

    def _plus(self, a: int, b: int) -> int:
        graph = self.graph
        if graph.operations[a] == graph.operations[b] == "where" and graph.arguments[a][0] == graph.arguments[b][0]:
            (condition, *first), (_, *second) = graph.arguments[a], graph.arguments[b]
            if any(self._vanishes(x) or self._vanishes(y) for x, y in zip(first, second, strict=True)):
                sums = [self.plus(x, y) for x, y in zip(first, second, strict=True)]
                return sums[0] if sums[0] == sums[1] else graph.node("where", condition, *sums)
        return graph.add(a, b)

    def _both(self, a: int, b: int) -> int:
        return a if a == b else self.graph.node("and", a, b)

    def _either(self, a: int, b: int) -> int:
        return a if a == b else self.graph.node("or", a, b)

    def _is_one_of_two(self, a: int, b: int) -> bool:
        """Whether two conditions are each other's opposite, so that one of them holds."""
        return self.graph.opposite(a) == b

    def _vanishes(self, a: int) -> bool:
        return self.graph.is_number(a, 0.0)

    def partials(self, a: int) -> Partials:
        """Derivatives of a node with respect to its operands that change with x."""
        found = self._partials.get(a)
        if found is None:
            found = self._partials[a] = self._of(self.graph.operations[a], a, self.graph.operands(a))
        return found

    def _of(self, operation: str, a: int, operands: tuple[int, ...]) -> Partials:
        graph = self.graph
        if operation in CONDITIONS or operation in ROUNDINGS or operation in LEAVES:
            return Partials([], [])
        if operation == "where":
            condition, yes, no = operands
            found = []
            for x, choice, when in (
                (yes, (self.one, self.zero), condition), (no, (self.zero, self.one), graph.opposite(condition)),
            ):  # fmt: skip
                if graph.active[x]:
                    found.append((x, graph.node("where", condition, *choice)))
                    self._when[found[-1][1]] = when
            return Partials(found, [])
        found = [self._node(derivative) for derivative in self._rule(operation, a, operands)]
        if len(operands) == 1:
            pairs = [(operands[0], operands[0])]
        else:
            x, y = operands
            if x == y:
                two_mixed = self.times(graph.constant(2.0), found[3])
                found = [self.plus(*found[:2]), self.plus(self.plus(found[2], two_mixed), found[4])]
                operands = operands[:1]
            pairs = [(x, x), (x, y), (y, y)]
        first = zip(operands, found[: len(operands)], strict=True)
        second = zip(pairs, found[len(operands) :], strict=False)
        return Partials(
            [(i, d) for i, d in first if graph.active[i] and not self._vanishes(d)],
            [(i, j, d) for (i, j), d in second if graph.active[i] and graph.active[j] and not self._vanishes(d)],
        )

    def _rule(self, operation: str, a: int, operands: tuple[int, ...]) -> tuple:
        """First and second derivatives, in the order of BINARY: f_x, f_y, f_xx, f_xy, f_yy."""
        m, symbols = self.m, [Symbol(self.trace, k) for k in operands]
        if operation == "add":
            return 1.0, 1.0, 0.0, 0.0, 0.0
        if operation == "sub":
            return 1.0, -1.0, 0.0, 0.0, 0.0
        if operation == "neg":
            return -1.0, 0.0
        if operation == "mul":
            return symbols[1], symbols[0], 0.0, 1.0, 0.0
        if operation == "div":
            inverse = 1.0 / symbols[1]
            slope = -Symbol(self.trace, a) * inverse
            return inverse, slope, 0.0, -inverse * inverse, -2.0 * slope * inverse
        if operation == "power":
            return integer_power(m, symbols[0], self.graph.arguments[a][1])[1:]
        if operation == "pow" and self.graph.is_constant(operands[1]):
            _, slope, bend = power(m, symbols[0], self.graph.value(operands[1]))
            return slope, 0.0, bend, 0.0, 0.0
        if operation in UNARY:
            return UNARY[operation](m, *symbols)[1:]
        return BINARY[operation](m, *symbols)[1:]

    def _node(self, derivative: Any) -> int:
        found = operand(self.trace, derivative)
        assert found is not None
        return found

    def gradient(self, output: int) -> dict[int, int]:
        """Derivatives with respect to the coordinates that the output depends on, by coordinate."""
        adjoints = {output: self.one} if self.graph.active[output] else {}
        return self._by_coordinate(self._swept(output, adjoints))

    def _swept(self, output: int, adjoints: dict[int, int]) -> dict[int, int]:
        for a in reversed(self.graph.needed([output])):
            if a in adjoints and self.graph.operations[a] != "x":
                adjoint = adjoints.pop(a)
                for i, d in self.partials(a).first:
                    self._accumulate(adjoints, i, self.times(d, adjoint))
        return adjoints

    def _accumulate(self, sums: dict[int, int], key: int, term: int) -> None:
        if not self._vanishes(term):
            sums[key] = self.plus(sums[key], term) if key in sums else term

    def _by_coordinate(self, found: dict[int, int]) -> dict[int, int]:
        return {self.graph.arguments[a][0]: d for a, d in sorted(found.items())}

    def hessian(self, output: int) -> tuple[dict[int, int], dict[tuple[int, int], int]]:
        """The gradient by coordinate, and second derivatives by coordinates i <= j, where they do not vanish."""
        graph = self.graph
        adjoints = {output: self.one} if graph.active[output] else {}
        edges: dict[int, dict[int, int]] = {}  # both ways
        for a in reversed(graph.needed([output])):
            if graph.operations[a] == "x" or not (a in adjoints or a in edges):
                continue
            partials = self.partials(a)
            own = edges.pop(a, {})
            for other in own:
                if other != a:
                    edges[other].pop(a)
            for other, weight in own.items():
                if other != a:
                    for i, d in partials.first:
                        term = self.times(d, weight)
                        self._push(edges, i, other, self.times(graph.constant(2.0), term) if i == other else term)
            if (weight := own.get(a)) is not None:
                for k, (i, d_i) in enumerate(partials.first):
                    along = self.times(d_i, weight)
                    for j, d_j in partials.first[k:]:
                        self._push(edges, i, j, self.times(along, d_j))
            if (adjoint := adjoints.pop(a, None)) is not None:
                for i, j, d in partials.second:
                    self._push(edges, i, j, self.times(d, adjoint))
                for i, d in partials.first:
                    self._accumulate(adjoints, i, self.times(d, adjoint))
        pairs = {}
        for a, row in edges.items():
            for b, d in row.items():
                i, j = graph.arguments[a][0], graph.arguments[b][0]
                if i <= j:
                    pairs[i, j] = d
        # column by column: nodes are eliminated from the last on, and what those of a column share was made with it
        return self._by_coordinate(adjoints), dict(sorted(pairs.items(), key=lambda item: item[0][::-1]))

    def _push(self, edges: dict[int, dict[int, int]], i: int, j: int, term: int) -> None:
        if self._vanishes(term):
            return
        for a, b in ((i, j), (j, i)) if i != j else ((i, i),):
            self._accumulate(edges.setdefault(a, {}), b, term)

    def _slopes(self, output: int, directions: dict[int, int]) -> dict[int, int]:
        """First derivatives of all nodes along directions, which have a node for each coordinate."""
        graph, slopes = self.graph, dict[int, int]()
        for a in graph.needed([output]):
            if graph.operations[a] == "x":
                slopes[a] = directions[graph.arguments[a][0]]
            elif graph.active[a]:
                for i, d in self.partials(a).first:
                    if i in slopes:
                        self._accumulate(slopes, a, self.times(d, slopes[i]))
        return slopes

    def _turns(self, a: int, slopes: dict[int, int]) -> Iterator[tuple[int, int]]:
        """Derivatives along the directions of the first derivatives of a node, by operand."""
        for i, j, d in self.partials(a).second:
            if j in slopes:
                yield i, self.times(d, slopes[j])
            if i != j and i in slopes:
                yield j, self.times(d, slopes[i])

    def product(self, output: int, directions: dict[int, int]) -> dict[int, int]:
        """H v by coordinate: the reverse sweep, differentiated along v."""
        graph, slopes = self.graph, self._slopes(output, directions)
        adjoints = {output: self.one} if graph.active[output] else {}
        found: dict[int, int] = {}
        for a in reversed(graph.needed([output])):
            if graph.operations[a] == "x" or not (a in adjoints or a in found):
                continue
            turned, adjoint = found.pop(a, self.zero), adjoints.pop(a, self.zero)
            for i, turn in self._turns(a, slopes):
                self._accumulate(found, i, self.times(turn, adjoint))
            for i, d in self.partials(a).first:
                self._accumulate(found, i, self.times(d, turned))
                self._accumulate(adjoints, i, self.times(d, adjoint))
        return self._by_coordinate(found)

    def form(self, output: int, directions: dict[int, int]) -> int:
        """v'Hv: second derivatives along v, forwards."""
        graph, slopes = self.graph, self._slopes(output, directions)
        bends: dict[int, int] = {}
        for a in graph.needed([output]):
            if a in slopes and graph.operations[a] != "x":
                for i, turn in self._turns(a, slopes):
                    if i in slopes:
                        self._accumulate(bends, a, self.times(turn, slopes[i]))
                for i, d in self.partials(a).first:
                    if i in bends:
                        self._accumulate(bends, a, self.times(d, bends[i]))
        return bends.get(output, self.zero)
