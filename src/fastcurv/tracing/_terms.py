"""The terms that a function is a sum of, and their shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from typing import NamedTuple

from ._graph import Graph

#: terms of a sum that are worth being split
LEAST_TERMS = 8
#: how many terms, on average, may contain a node of a sum that is split (a state that grows with each is in all of
#: them): fewer, but at least so many, where those are more than so many nodes
MOST_OWNERS, LEAST_OWNERS, MANY_NODES = 30, 3, 1_000_000
#: nodes, and the outputs that they are terms of
Part = tuple[list[int], list[int]]


def terms_of(graph: Graph, output: int, whole: Container[int]) -> list[int]:
    """Nodes that an output is the sum of; factors that do not change with x are multiplied out."""
    found = []
    stack = [(graph.constant(1.0), output)]
    while stack:
        factor, a = stack.pop()
        operation, arguments = graph.operations[a], graph.arguments[a]
        if a in whole and a != output:
            found.append(graph.multiply(factor, a))
        elif operation == "add":
            stack += [(factor, arguments[1]), (factor, arguments[0])]
        elif operation == "sub":
            stack += [(graph.negative(factor), arguments[1]), (factor, arguments[0])]
        elif operation == "neg":
            stack.append((graph.negative(factor), arguments[0]))
        elif operation == "mul" and not graph.active[arguments[0]] and _is_sum(graph, arguments[1]):
            stack.append((graph.multiply(factor, arguments[0]), arguments[1]))
        elif operation == "mul" and not graph.active[arguments[1]] and _is_sum(graph, arguments[0]):
            stack.append((graph.multiply(factor, arguments[1]), arguments[0]))
        elif operation == "div" and not graph.active[arguments[1]] and _is_sum(graph, arguments[0]):
            stack.append((graph.divide(factor, arguments[1]), arguments[0]))
        else:
            found.append(graph.multiply(factor, a))
    return found


def kept_whole(graph: Graph, outputs: Sequence[int]) -> set[int]:
    """Sums that stay one term where only values are wanted: what is added to longer sums, and what is used repeatedly.

    The terms of a row may cancel: summed over all rows each by itself, they would leave the rounding errors of sums
    far larger than the function, which differences see.
    """
    uses, lengths, found = Counter(outputs), dict[int, int](), set[int]()
    for a in graph.needed(outputs):
        operation, operands = graph.operations[a], graph.operands(a)
        changing = [k for k in operands if graph.active[k]]
        uses.update(operands)
        if operation in ("add", "sub"):
            lengths[a] = sum(lengths[k] for k in changing)
            found.update(k for k in changing if lengths[k] < LEAST_TERMS and 2 * lengths[k] <= lengths[a])
        else:
            lengths[a] = lengths[changing[0]] if operation in ("neg", "mul", "div") and len(changing) == 1 else 1
    return found | {a for a, count in uses.items() if count > 1}


def passes(graph: Graph, parts: list[Part]) -> list[Part]:
    """Terms of several shapes in turns, as those of a loop of several statements: those of each pass added up."""
    found, shapes = list[Part](), set[tuple]()
    for part in parts:
        shape = term_of(graph, *part).shape
        (node,), outputs = part
        if found and found[-1][1] == outputs and shape not in shapes:
            found[-1] = ([graph.add(found[-1][0][0], node)], outputs)
        else:
            found.append(part)
            shapes.clear()
        shapes.add(shape)
    return found


def add_up(graph: Graph, terms: list[int], most: int) -> list[int]:
    """Terms of the same coordinates that have more in common than these, added up again: it is computed once.

    Nothing where there is too much that terms have in common, or in one of them alone, more than `most` operations.
    """
    owners: dict[tuple, int] = {}  # by coordinates and node: the place of the first term that contains it
    found: list[int] = []
    nodes = len(graph.needed(terms))
    left = min(MOST_OWNERS * nodes, max(LEAST_OWNERS * nodes, MANY_NODES))
    for term in terms:
        needed = graph.needed([term])
        left -= len(needed)
        if left < 0 or len(needed) > 2 * most:  # leaves among them
            return []
        inner = [a for a in needed if graph.active[a]]
        coordinates = tuple(a for a in inner if graph.operations[a] == "x")
        keys = [(coordinates, a) for a in inner if graph.operations[a] != "x"]
        place = next((owners[key] for key in keys if key in owners), len(found))
        if place == len(found):
            found.append(term)
        else:
            found[place] = graph.add(found[place], term)
        for key in keys:
            owners.setdefault(key, place)
    return found


def _is_sum(graph: Graph, a: int) -> bool:
    """Whether a node is a sum, or a multiple of one."""
    while graph.operations[a] in ("neg", "mul", "div"):
        changing = [k for k in graph.operands(a) if graph.active[k]]
        if len(changing) != 1:
            return False
        a = changing[0]
    return graph.operations[a] in ("add", "sub")


class Term(NamedTuple):
    """A part of a function: its shape, the leaves it has, in order, and the outputs that it is a term of."""

    shape: tuple
    leaves: dict[str, list]
    outputs: list[int]

    @property
    def operations(self) -> int:
        return len(self.shape) - 1 - sum(map(len, self.leaves.values()))


def term_of(graph: Graph, roots: list[int], outputs: list[int]) -> Term:
    """The shape of some nodes, their leaves numbered in the order in which they are met."""
    operations, arguments_of = graph.operations, graph.arguments
    numbers: dict[int, int] = {}
    shape: list[tuple] = []
    leaves: dict[str, list] = {"constant": [], "x": [], "own": [], "shared": []}
    stack = list(reversed(roots))  # with the complement of a node whose operands are ready
    while stack:
        a = stack.pop()
        if a in numbers:
            continue
        is_ready = a < 0
        if is_ready:
            a = ~a
        operation, arguments = operations[a], arguments_of[a]
        if operation in leaves:
            entry = (operation, len(leaves[operation]))
            leaves[operation].append(arguments[0])
        elif not is_ready:
            stack.append(~a)
            stack += graph.operands(a)[::-1]
            continue
        elif operation == "power":
            entry = (operation, numbers[arguments[0]], arguments[1])
        else:
            entry = (operation, *[numbers[k] for k in arguments])
        numbers[a] = len(shape)
        shape.append(entry)
    shape.append(("roots", *(numbers[root] for root in roots)))
    return Term(tuple(shape), leaves, outputs)
