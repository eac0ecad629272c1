"""Where choices that a function makes are at a tie: there its formulas may be those of one side only.

A stable `max(z, 0) + log1p(exp(-abs(z)))` is smooth at z = 0, but no rule for the derivatives of `max` and `abs` at
their ties makes it so: both are to be taken from the same side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from ._graph import Graph
from ._terms import Part


def may_tie(graph: Graph, outputs: Iterable[int]) -> bool:
    """Whether there are points at which a choice is at a tie."""
    return any(_pair(graph, a) is not None for a in graph.needed(outputs))


def with_ties(graph: Graph, parts: Iterable[Part], output: int) -> Iterator[Part]:
    """Parts that also add to a further output: infinity where one of their choices is at a tie, else 0."""
    return (_with_ties(graph, *part, output) for part in parts)


def _with_ties(graph: Graph, roots: list[int], outputs: list[int], output: int) -> Part:
    pairs = {pair for a in graph.needed(roots) if (pair := _pair(graph, a)) is not None}
    if not pairs:
        return roots, outputs
    first, *others = (graph.node("eq", *pair) for pair in sorted(pairs))
    for other in others:
        first = graph.node("or", first, other)
    told = graph.where(first, graph.constant(math.inf), graph.constant(0.0))
    return [*roots, told], [*outputs, output]


def _pair(graph: Graph, a: int) -> tuple[int, int] | None:
    """What a choice compares, if it depends on x."""
    operation, arguments = graph.operations[a], graph.arguments[a]
    if not graph.active[a]:
        return None
    if operation in ("lt", "le", "eq", "ne") and arguments[0] != arguments[1]:
        return min(arguments), max(arguments)
    return (arguments[0], graph.constant(0.0)) if operation in ("abs", "copysign") else None
