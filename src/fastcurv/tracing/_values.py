"""Values of nodes at one point, in Python's floats: slow, and for a person or a test to follow."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..numbers import _special
from ._graph import CONDITIONS, LEAVES, Graph

#: what the operations of a graph compute; further ones are NumPy's or `math`'s of the same name
OPERATIONS: dict[str, Callable] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "neg": operator.neg,
    "abs": abs, "lt": operator.lt, "le": operator.le, "eq": operator.eq, "ne": operator.ne,
    "and": operator.and_, "or": operator.or_, "not": np.logical_not, "where": lambda c, a, b: a if c else b,
    "power": lambda a, n: a**n, "pow": np.power, "short": lambda a: np.float64(np.float32(a)),
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "atan2": np.arctan2, "digamma": _special.digamma, "trigamma": _special.trigamma,
    "mod": np.mod, "fmod": np.fmod, "unsigned": lambda a: a + 0.0,
}  # fmt: skip


def values(graph: Graph, outputs: Sequence[int], leaves: Mapping[str, Any]) -> list[Any]:
    """Values of some nodes, from those of the leaves by kind."""
    known: dict[int, Any] = {}
    with np.errstate(all="ignore"):
        for a in graph.needed(outputs):
            operation, arguments = graph.operations[a], graph.arguments[a]
            if operation == "constant":
                known[a] = np.float64(arguments[0])
            elif operation in LEAVES:
                known[a] = np.float64(leaves[operation][arguments[0]])
            elif operation == "power":
                known[a] = known[arguments[0]] ** arguments[1]
            else:
                known[a] = _function(operation)(*(known[k] for k in arguments))
    return [known[a] for a in outputs]


def _function(name: str) -> Callable:
    found = OPERATIONS.get(name) or getattr(np, name, None)
    return found if found is not None else _or_nan(getattr(math, name))


def _or_nan(function: Callable) -> Callable:
    """A function of `math`, NaN where it raises."""

    def compute(*operands: float) -> float:
        try:
            return np.float64(function(*operands))
        except (ValueError, OverflowError):
            return np.float64(math.nan)

    return compute


def largest(traced: Any, x: Any, shared: Any, own: Any) -> float:
    """The largest number, of those that are finite, that comes up in a traced function at a point."""
    graph = traced.graph
    nodes = [a for a in graph.needed(traced.outputs) if graph.operations[a] not in CONDITIONS]
    with np.errstate(all="ignore"):
        found = np.abs(
            np.array(values(graph, nodes, {"x": x, "shared": shared, "own": np.concatenate([x, own])}), float)
        )
    return float(np.max(found, initial=0.0, where=np.isfinite(found)))
