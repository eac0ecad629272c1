"""Symbols: what a user's function computes with while it is traced.

Whatever asks a symbol for its value raises, unless the value is that of arguments alone: then it is taken as it is now,
and the trace serves calls with these arguments only (`Trace.fixed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._errors import TracingError
from ..numbers._rules import MOST_FACTORS
from ._graph import Graph
from ._values import values

#: functions whose derivatives are zero
ROUNDINGS = ("floor", "ceil", "trunc", "rint")

#: operations that give integers of integers, and those that give truth values
OF_INTEGERS = {
    "add", "sub", "mul", "neg", "abs", "mod", "power", "pow", "maximum", "minimum", "max", "min", "sign",
    "unsigned", *ROUNDINGS,
}  # fmt: skip
CONDITIONS = {"lt", "le", "eq", "ne", "and", "or", "not"}


class Trace:
    """A graph that is being made, and the arguments whose values were asked for."""

    def __init__(self, shared: np.ndarray, graph: Graph | None = None):
        self.graph = Graph() if graph is None else graph
        self.shared = shared
        self.fixed: set[int] = set()  # by number among the shared arguments
        self.own_integers: set[int] = set()  # leaves, by node
        self.elements: set[int] = set()  # of arrays of integers, by node
        self.compares_elements = False  # whether their comparisons are open

    def value(self, node: int) -> float:
        """What arguments alone give, which fixes them."""
        graph = self.graph
        if graph.operations[node] == "shared":
            (number,) = graph.arguments[node]
            self.fixed.add(number)
            return float(self.shared[number])
        leaves = [k for k in graph.needed([node]) if graph.operations[k] in ("x", "own", "shared")]
        if any(graph.operations[k] != "shared" for k in leaves):
            raise TracingError("its control flow, an index or an integer depends on x or on arguments of the points")
        self.fixed.update(graph.arguments[k][0] for k in leaves)
        return values(graph, [node], {"shared": self.shared})[0]

    def has_elements(self, nodes: Iterable[int]) -> bool:
        """Whether nodes are made of integers in arrays."""
        return not self.elements.isdisjoint(self.graph.needed(nodes))

    def integers_of(self, node: int) -> set[int] | None:
        """The points' own integers and truth values that a node is made of, where it may be an integer; else None."""
        graph, found, left = self.graph, set(), [node]
        while left:
            k = left.pop()
            operation, arguments = graph.operations[k], graph.arguments[k]
            if operation in CONDITIONS or k in self.own_integers:
                found.add(k)
            elif operation == "where":
                found.add(k)
                left += arguments[1:]
            elif operation in ("constant", "shared"):
                number = arguments[0] if operation == "constant" else self.shared[arguments[0]]
                if not float(number).is_integer():
                    return None
            elif operation in OF_INTEGERS:
                left += arguments[:1] if operation == "power" else arguments
            else:
                return None
        return found


def is_whole(x: Any) -> bool:
    """Whether this is an integer, or a symbol of one."""
    return isinstance(x, (int, np.integer)) or (isinstance(x, Symbol) and x.is_integer)


def _is_float(x: Any) -> bool:
    """Whether this is known to be a float."""
    return isinstance(x, (float, np.floating)) or (isinstance(x, Symbol) and x.is_float)


def operand(trace: Trace, x: Any) -> int | None:
    """The node of a symbol or of a real number; None of anything else."""
    if isinstance(x, Condition):
        x = x.number()
    if isinstance(x, Symbol):
        if x.trace is not trace:
            raise TracingError("a function remembers what it was given when it was traced before")
        return x.node
    if isinstance(x, (int, float, np.integer, np.floating, np.bool_)):
        return trace.graph.constant(float(x))
    return None


class _Traced:
    """A node of a graph that is being made."""

    __slots__ = ("is_integer", "node", "trace")

    def __init__(self, trace: Trace, node: int, is_integer: bool = False):
        self.trace, self.node, self.is_integer = trace, node, is_integer

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        from ._arrays import apply_ufunc  # arrays hold symbols

        return apply_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, kinds: Any, args: tuple, options: dict) -> Any:
        from ._arrays import apply_function

        return apply_function(function, args, options)

    def __hash__(self):
        """That of the value, as sets and dicts take it."""
        return hash(self.trace.value(self.node))


class Symbol(_Traced):
    """A real number. One of arguments that are integers, `is_integer`, is one of integers that are known when asked.

    One that `is_float` is none of them, whatever its value.
    """

    __slots__ = ("is_float",)

    def __init__(self, trace: Trace, node: int, is_integer: bool = False, is_float: bool = False):
        self.trace, self.node, self.is_integer, self.is_float = trace, node, is_integer, is_float

    def _with(self, other: Any, make: Callable[..., int], swap: bool = False) -> Any:
        b = operand(self.trace, other)
        if b is None:
            return NotImplemented
        whole = self.is_integer and is_whole(other)
        graph = self.trace.graph
        found = make(graph, *((b, self.node) if swap else (self.node, b)))
        if whole and make is Graph.multiply:  # of integers, whose zero has no sign
            found = graph.node("unsigned", found)
        return Symbol(self.trace, found, whole, self.is_float or _is_float(other))

    def _refuse_fraction(self, base: Any, exponent: Any) -> None:
        """Compiled code refuses powers of integers that are none, which a graph of real numbers cannot tell."""
        if is_whole(base) and is_whole(exponent) and int(exponent) < 0:
            nodes = [x.node for x in (base, exponent) if isinstance(x, Symbol)]
            if self.trace.has_elements(nodes):
                raise TracingError("a negative power of an integer is none")
        if not self.trace.own_integers or _is_float(base) or _is_float(exponent):
            return
        nodes = operand(self.trace, base), operand(self.trace, exponent)
        if None not in nodes:
            own = [self.trace.integers_of(node) for node in nodes]  # pyright: ignore[reportArgumentType]
            if None not in own and any(own) and (isinstance(exponent, Symbol) or exponent < 0):
                raise TracingError("a power of integers, of which one is the points' own, may be a fraction")

    def __add__(self, other):
        return self._with(other, Graph.add)

    def __radd__(self, other):
        return self._with(other, Graph.add, swap=True)

    def __sub__(self, other):
        return self._with(other, Graph.subtract)

    def __rsub__(self, other):
        return self._with(other, Graph.subtract, swap=True)

    def __mul__(self, other):
        return self._with(other, Graph.multiply)

    def __rmul__(self, other):
        return self._with(other, Graph.multiply, swap=True)

    def __truediv__(self, other):
        found = self._with(other, Graph.divide)
        return found if found is NotImplemented else found.real()

    def __rtruediv__(self, other):
        found = self._with(other, Graph.divide, swap=True)
        return found if found is NotImplemented else found.real()

    def real(self) -> Symbol:
        """The same as a float."""
        return Symbol(self.trace, self.node, is_float=True)

    def __neg__(self):
        if self.is_integer:  # whose zero has no sign
            graph = self.trace.graph
            return Symbol(self.trace, graph.node("unsigned", graph.negative(self.node)), True)
        return Symbol(self.trace, self.trace.graph.negative(self.node), is_float=self.is_float)

    def __pos__(self):
        return self

    def __abs__(self):
        return Symbol(self.trace, self.trace.graph.node("abs", self.node), self.is_integer, self.is_float)

    def __pow__(self, exponent):
        self._refuse_fraction(self, exponent)
        if self.is_integer and isinstance(exponent, int):
            return int(self) ** exponent
        if isinstance(exponent, Symbol) and exponent.is_integer:
            exponent = int(exponent)
        if isinstance(exponent, (int, float, np.number)):
            if float(exponent).is_integer() and abs(exponent) <= MOST_FACTORS:
                return Symbol(self.trace, self.trace.graph.power(self.node, int(exponent)))
            if exponent == 0.5:
                return Symbol(self.trace, self.trace.graph.node("sqrt", self.node))
        return self._with(exponent, lambda graph, a, b: graph.node("pow", a, b))

    def __rpow__(self, base):
        self._refuse_fraction(base, self)
        if self.is_integer and is_whole(base):
            return base ** int(self)
        return self._with(base, lambda graph, a, b: graph.node("pow", a, b), swap=True)

    def __mod__(self, other):
        if self.is_integer and is_whole(other):
            return int(self) % int(other)
        return self._with(other, lambda graph, a, b: graph.node("mod", a, b))

    def __rmod__(self, other):
        if self.is_integer and is_whole(other):
            return int(other) % int(self)
        return self._with(other, lambda graph, a, b: graph.node("mod", a, b), swap=True)

    def __floordiv__(self, other):
        if self.is_integer and is_whole(other):
            return int(self) // int(other)
        raise TracingError("a // b is not traced")

    def __rfloordiv__(self, other):
        if self.is_integer and is_whole(other):
            return int(other) // int(self)
        raise TracingError("a // b is not traced")

    def _compare(self, other: Any, operation: str, swap: bool = False) -> Any:
        b = operand(self.trace, other)
        if b is None:
            return NotImplemented
        operands = (b, self.node) if swap else (self.node, b)
        is_known = self.is_integer and is_whole(other)
        if self.trace.compares_elements:
            is_known = is_known and not self.trace.has_elements(operands)
        return Condition(self.trace, self.trace.graph.node(operation, *operands), is_known)

    def __lt__(self, other):
        return self._compare(other, "lt")

    def __le__(self, other):
        return self._compare(other, "le")

    def __gt__(self, other):
        return self._compare(other, "lt", swap=True)

    def __ge__(self, other):
        return self._compare(other, "le", swap=True)

    def __eq__(self, other):
        return self._compare(other, "eq")

    def __ne__(self, other):
        return self._compare(other, "ne")

    def __index__(self):
        if not self.is_integer:
            raise TracingError("an index or a length depends on x, or on an argument that is no integer")
        return int(self.trace.value(self.node))

    def __int__(self):
        return int(self.trace.value(self.node))

    def __float__(self):
        return float(self.trace.value(self.node))

    def __str__(self):
        return str(int(self) if self.is_integer else float(self))

    def __format__(self, specification):
        return format(int(self) if self.is_integer else float(self), specification)

    def __bool__(self):
        return bool(self.trace.value(self.node))

    def __round__(self, digits=None):
        if digits is not None:
            raise TracingError("round(x, digits) is not traced")
        return self.function("rint")

    def __floor__(self):
        return self.function("floor")

    def __ceil__(self):
        return self.function("ceil")

    def __trunc__(self):
        return self.function("trunc")

    def function(self, name: str, *others: Any) -> Symbol:
        """An elementary function of this and others."""
        nodes = [constant(self.trace, other).node for other in others]
        return Symbol(self.trace, self.trace.graph.node(name, self.node, *nodes))

    __hash__ = _Traced.__hash__


class Condition(_Traced):
    """A truth value that is known for no x, or (`is_integer`) one of integer arguments, taken when asked."""

    __slots__ = ()

    @property
    def is_open(self) -> bool:
        """Whether both outcomes are to be traced."""
        return not self.is_integer

    def _with(self, other: Any, operation: str) -> Any:
        if isinstance(other, (bool, np.bool_)):
            keeps = bool(other) == (operation == "and")
            return self if keeps else bool(other)
        if not isinstance(other, Condition):
            return NotImplemented
        node = self.trace.graph.node(operation, self.node, other.node)
        return Condition(self.trace, node, self.is_integer and other.is_integer)

    def __and__(self, other):
        return self._with(other, "and")

    def __or__(self, other):
        return self._with(other, "or")

    def __invert__(self):
        return Condition(self.trace, self.trace.graph.opposite(self.node), self.is_integer)

    __rand__, __ror__ = __and__, __or__

    def __bool__(self):
        return bool(self.trace.value(self.node))

    def number(self) -> Symbol:
        """1 where it holds, else 0."""
        graph = self.trace.graph
        return Symbol(self.trace, graph.where(self.node, graph.constant(1.0), graph.constant(0.0)))

    def __add__(self, other):
        if isinstance(other, (bool, np.bool_, Condition)):  # NumPy and Numba disagree
            raise TracingError("a sum of truth values that depend on x is not traced")
        return self.number() + other

    def __sub__(self, other):
        return self.number() - other

    def __rsub__(self, other):
        return other - self.number()

    def __mul__(self, other):
        return self.number() * other

    __radd__, __rmul__ = __add__, __mul__

    def __eq__(self, other):
        return self.number() == other

    def __ne__(self, other):
        return self.number() != other

    __hash__ = _Traced.__hash__


def constant(trace: Trace, number: Any) -> Symbol:
    """A number as a symbol."""
    node = operand(trace, number)
    if node is None:
        raise TracingError(f"a {type(number).__name__} takes the place of a number")
    return Symbol(trace, node)
