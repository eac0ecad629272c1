"""How many directions a number carries, from n alone: the same numbers for any batch, and few compilations."""

from __future__ import annotations

#: columns of a block, and its rows where n is large
LANES, ROWS = 8, 8
#: up to here a number carries all directions, and the compiler knows n
MAX_KNOWN = 8
#: rows and columns of blocks of threads of a device: four second derivatives share the evaluation of the rest
PAIR = 2
#: up to here second derivatives are numbers of their own, kept once: vectors of two or three gain nothing
MAX_JET = 3


def lanes_for(n: int) -> tuple[int, int]:
    """(lanes, n if the compiler is to know it, else 0) of dual numbers."""
    if n > MAX_KNOWN:
        return LANES, 0
    return next(lanes for lanes in (1, 2, 4, 8) if lanes >= n), n


def block_shape(n: int, in_registers: bool = False) -> tuple[int, int, int]:
    """(rows, lanes, known) of hyper-dual numbers; `in_registers` of a thread of a device, which has no vectors."""
    lanes, known = lanes_for(n)
    if in_registers and n > MAX_JET:
        return PAIR, PAIR, known
    return (known or ROWS), (n if n <= MAX_JET else lanes), known
