"""Graphs as a person reads them: a formula for the result, and one for each expression that comes up more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._derivatives import Differentiator
from ._graph import LEAVES, Graph, rebuilt
from ._program import Wanted, by_terms
from ._symbols import Trace
from ._tracer import Traced

#: how operations are written, with how tightly they bind; others are functions
SIGNS = {
    "or": (" or ", 1), "and": (" and ", 2), "lt": (" < ", 3), "le": (" <= ", 3), "eq": (" == ", 3), "ne": (" != ", 3),
    "add": (" + ", 4), "sub": (" - ", 4), "mul": (" * ", 5), "div": (" / ", 5),
}  # fmt: skip
NEGATIVE, POWER, ATOM = 6, 7, 8
COMMUTE = ("or", "and", "add", "mul")
NAMES = {"x": "x", "shared": "a", "own": "p", "table": "c"}


def formulas(traced: Traced, order: int) -> list[str]:
    """Lines ``name = formula`` of a function f and, to some order, of its derivatives g[i] and H[i, j] (i <= j)."""
    work = Trace(np.zeros(0))
    copies = rebuilt(traced.graph, traced.outputs, work.graph, work.graph.leaf)
    (root,) = (copies[output] for output in traced.outputs)
    differentiator = Differentiator(work)
    results = {"f": root}
    if order > 0:
        first, second = differentiator.hessian(root) if order > 1 else (differentiator.gradient(root), {})
        results |= {f"g[{i}]": d for i, d in first.items()}
        results |= {f"H[{i}, {j}]": d for (i, j), d in sorted(second.items())}
    return written_out(work.graph, results)


class Shape(NamedTuple):
    """Terms of a sum that have one shape: how many there are, and the formula of one."""

    count: int
    lines: list[str]


def shapes(traced: Traced) -> list[Shape]:
    """The terms of a function, x[k] and a[k] being the k-th coordinates and arguments that a term reads."""
    found = by_terms(traced, Wanted())
    return [Shape(c.count, written_out(c.graph, {"term": c.outputs[0]})) for c in found.classes]


def written_out(graph: Graph, results: dict[str, int]) -> list[str]:
    """Lines ``name = formula``: shared expressions t0, t1, ..., then the results."""
    needed = graph.needed(results.values())
    uses = Counter(k for a in needed for k in graph.operands(a))
    uses.update(results.values())
    written: dict[int, tuple[str, int]] = {}
    lines = []
    for a in needed:
        text, binding = _written(graph, a, written)
        is_shared = uses[a] > 1 and graph.operations[a] not in LEAVES and a not in results.values()
        if is_shared:
            name = f"t{len(lines)}"
            lines.append(f"{name} = {text}")
            text, binding = name, ATOM
        written[a] = text, binding
    return lines + [f"{name} = {written[a][0]}" for name, a in results.items()]


def _written(graph: Graph, a: int, written: dict[int, tuple[str, int]]) -> tuple[str, int]:
    """The formula of a node, and how tightly it binds."""
    operation, arguments = graph.operations[a], graph.arguments[a]
    if operation == "constant":
        value = arguments[0]
        text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
        return text, ATOM if value >= 0 else NEGATIVE
    if operation in LEAVES:
        return f"{NAMES[operation]}[{arguments[0]}]", ATOM
    if operation == "power":
        return f"{_inside(written[arguments[0]], ATOM)}**{arguments[1]}", POWER
    operands: Sequence[tuple[str, int]] = [written[k] for k in arguments]
    if operation == "neg":
        return f"-{_inside(operands[0], NEGATIVE)}", NEGATIVE
    if operation == "not":
        return f"not {_inside(operands[0], 3)}", 3
    if operation == "where":
        condition, yes, no = (text for text, _ in operands)
        return f"({yes} if {condition} else {no})", ATOM
    if operation in SIGNS:
        sign, binding = SIGNS[operation]
        first, second = _inside(operands[0], binding), _inside(operands[1], binding + (operation not in COMMUTE))
        if operation in ("add", "sub") and second.startswith("-"):
            sign, second = SIGNS["sub" if operation == "add" else "add"][0], second[1:]
        return f"{first}{sign}{second}", binding
    return f"{operation}({', '.join(text for text, _ in operands)})", ATOM


def _inside(operand: tuple[str, int], binding: int) -> str:
    """An operand, in parentheses if it binds less tightly."""
    text, own = operand
    return text if own >= binding else f"({text})"
