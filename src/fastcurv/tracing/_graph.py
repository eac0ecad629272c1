"""The expression graph: nodes that are made once for each operation on the same arguments, and never change.

A node is its number; its arguments have lower ones, so all can be computed in the order of their numbers. Numbers and
conditions are nodes of one graph.

Identities that are used: constants are folded; 0 + a, a - 0, 1 a and a / 1 are a, 0 - a is -a (up to the sign of a
zero); -a moves out of products and into sums; c (d a) is (c d) a for constants whose product is a normal number; a
selection between s + a and s + b is s and a selection between a and b; a / b is a (1 / b) where b changes with x.
Nothing is taken for equal that differs where a number is infinite or NaN: 0 a, a - a and a / a stay as they are.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable

import numpy as np

from .._errors import TracingError

#: leaves: a constant; coordinates of x, numbers that all points share, that each point has of its own, and constants
#: that are different in each instance of a program
LEAVES = ("constant", "x", "shared", "own", "table")
CONDITIONS = frozenset({"lt", "le", "eq", "ne", "and", "or", "not"})
#: nodes of one graph; beyond, differentiating it takes too long
MOST_NODES = 400_000


class Graph:
    """Nodes as parallel lists: what each one is, its arguments, and whether it changes with x."""

    def __init__(self, most: int = MOST_NODES):
        self.most = most
        self.operations: list[str] = []
        self.arguments: list[tuple] = []
        self.active: list[bool] = []
        self._known: dict[tuple, int] = {}

    def __len__(self) -> int:
        return len(self.operations)

    def node(self, operation: str, *arguments: int) -> int:
        """The node of an operation, as it is: without any identity."""
        key = (operation, *arguments)
        found = self._known.get(key)
        if found is None:
            active = self.active
            return self._new(key, operation, arguments, any(active[k] for k in arguments))
        return found

    def _new(self, key: tuple, operation: str, arguments: tuple, active: bool) -> int:
        found = len(self.operations)
        if found >= self.most:
            raise TracingError(f"it has more than {self.most:,} operations that no loop repeats")
        self.operations.append(operation)
        self.arguments.append(arguments)
        self.active.append(active)
        self._known[key] = found
        return found

    def leaf(self, kind: str, number: int) -> int:
        """A leaf by its kind and number."""
        key = (kind, number, None)
        found = self._known.get(key)
        return self._new(key, kind, (number,), kind == "x") if found is None else found

    def constant(self, value: float) -> int:
        """A constant; zeros of both signs are different ones."""
        value = float(value)
        key = ("constant", value.hex())
        found = self._known.get(key)
        return self._new(key, "constant", (value,), False) if found is None else found

    def power(self, a: int, exponent: int) -> int:
        """a to an integer that is known."""
        if self.is_constant(a):
            return self.constant(np.float64(self.value(a)) ** exponent)
        if exponent == 1:
            return a
        key = ("power", a, exponent, None)
        found = self._known.get(key)
        return self._new(key, "power", (a, exponent), self.active[a]) if found is None else found

    def is_constant(self, a: int) -> bool:
        return self.operations[a] == "constant"

    def value(self, a: int) -> float:
        """Of a constant."""
        return self.arguments[a][0]

    def is_number(self, a: int, number: float) -> bool:
        """Whether this is the constant of a value."""
        return self.operations[a] == "constant" and self.arguments[a][0] == number

    def add(self, a: int, b: int) -> int:
        """a + b."""
        if self.operations[a] == "constant":
            if self.operations[b] == "constant":
                return self.constant(self.value(a) + self.value(b))
            if self.value(a) == 0.0:
                return b
        elif self.is_number(b, 0.0):
            return a
        if self.operations[b] == "neg":
            return self.subtract(a, self.arguments[b][0])
        if self.operations[a] == "neg":
            return self.subtract(b, self.arguments[a][0])
        return self._commutative("add", a, b)

    def _commutative(self, operation: str, a: int, b: int) -> int:
        """The same node for both orders, and the same order in like terms of a sum: constants first."""
        swap = b < a if self.is_constant(a) == self.is_constant(b) else self.is_constant(b)
        return self.node(operation, b, a) if swap else self.node(operation, a, b)

    def subtract(self, a: int, b: int) -> int:
        """a - b."""
        if self.is_constant(b):
            if self.is_constant(a):
                return self.constant(self.value(a) - self.value(b))
            if self.value(b) == 0.0:
                return a
        elif self.is_number(a, 0.0):
            return self.negative(b)
        if self.operations[b] == "neg":
            return self.add(a, self.arguments[b][0])
        return self.node("sub", a, b)

    def negative(self, a: int) -> int:
        """-a."""
        if self.is_constant(a):
            return self.constant(-self.value(a))
        return self.arguments[a][0] if self.operations[a] == "neg" else self.node("neg", a)

    def multiply(self, a: int, b: int) -> int:
        """a b."""
        if self.is_constant(b):
            a, b = b, a
        if self.is_constant(a):
            return self._multiple(self.value(a), b)
        if self.operations[a] == "neg":
            return self.negative(self.multiply(self.arguments[a][0], b))
        if self.operations[b] == "neg":
            return self.negative(self.multiply(a, self.arguments[b][0]))
        return self._commutative("mul", a, b)

    def _multiple(self, factor: float, b: int) -> int:
        if self.is_constant(b):
            return self.constant(factor * self.value(b))
        if factor == 1.0:
            return b
        if factor == -1.0:
            return self.negative(b)
        if self.operations[b] == "neg":
            return self._multiple(-factor, self.arguments[b][0])
        if self.operations[b] == "mul" and self.is_constant(self.arguments[b][0]):
            product = factor * self.value(self.arguments[b][0])
            if sys.float_info.min <= abs(product) < math.inf:
                return self._multiple(product, self.arguments[b][1])
        return self.node("mul", self.constant(factor), b)

    def divide(self, a: int, b: int) -> int:
        """a / b, a product with the reciprocal where that is exact or, b changing with x, a part of the derivative."""
        if self.is_constant(b):
            divisor = np.float64(self.value(b))
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                if self.is_constant(a):
                    return self.constant(self.value(a) / divisor)
                inverse = float(1.0 / divisor)
            if abs(math.frexp(divisor)[0]) == 0.5 and sys.float_info.min <= abs(inverse) < math.inf:
                return self._multiple(inverse, a)
            return self.node("div", a, b)
        if self.operations[b] == "neg":
            return self.negative(self.divide(a, self.arguments[b][0]))
        if self.active[b] and not self.is_constant(a) and a != b:  # x / x is 1, x (1 / x) need not be
            return self.multiply(a, self.reciprocal(b))
        return self.node("div", a, b)

    def reciprocal(self, b: int) -> int:
        """1 / b."""
        return self.divide(self.constant(1.0), b)

    def where(self, condition: int, a: int, b: int) -> int:
        """a where the condition holds, else b."""
        if a == b:
            return a
        if self.operations[condition] == "not":
            return self.where(self.arguments[condition][0], b, a)
        common = [s for s in self._summands(a) if s in self._summands(b) and self.active[s]]
        if common:  # keeps sums separable
            rest = [self._summands(c)[common[-1]] for c in (a, b)]
            return self.add(common[-1], self.where(condition, *rest))
        return self.node("where", condition, a, b)

    def _summands(self, a: int) -> dict[int, int]:
        """What a may be the sum of with what rest."""
        found = {a: self.constant(0.0)}
        if self.operations[a] == "add":
            first, second = self.arguments[a]
            found[first], found[second] = second, first
        elif self.operations[a] == "sub":
            first, second = self.arguments[a]
            found[first] = self.negative(second)
        return found

    def opposite(self, condition: int) -> int:
        """not condition."""
        found = self.operations[condition] == "not"
        return self.arguments[condition][0] if found else self.node("not", condition)

    def operands(self, a: int) -> tuple[int, ...]:
        """The nodes that a node is computed from."""
        operation = self.operations[a]
        if operation in LEAVES:
            return ()
        return self.arguments[a][:1] if operation == "power" else self.arguments[a]

    def needed(self, outputs: Iterable[int]) -> list[int]:
        """All nodes that some are computed from, in order."""
        found: set[int] = set()
        stack = list(outputs)
        while stack:
            a = stack.pop()
            if a not in found:
                found.add(a)
                stack.extend(self.operands(a))
        return sorted(found)


def rebuilt(source: Graph, outputs: Iterable[int], target: Graph, leaf: Callable[[str, int], int]) -> dict[int, int]:
    """Nodes of another graph with leaves of their own, by the number each has in the source."""
    found: dict[int, int] = {}
    for a in source.needed(outputs):
        operation, arguments = source.operations[a], source.arguments[a]
        if operation == "constant":
            found[a] = target.constant(arguments[0])
        elif operation in LEAVES:
            found[a] = leaf(operation, arguments[0])
        elif operation == "power":
            found[a] = target.power(found[arguments[0]], arguments[1])
        elif operation in BUILDERS:
            found[a] = BUILDERS[operation](target, *(found[k] for k in arguments))
        else:
            found[a] = target.node(operation, *(found[k] for k in arguments))
    return found


#: operations for which identities are used
BUILDERS: dict[str, Callable[..., int]] = {
    "add": Graph.add, "sub": Graph.subtract, "neg": Graph.negative, "mul": Graph.multiply, "div": Graph.divide,
    "where": Graph.where, "not": Graph.opposite,
}  # fmt: skip
