"""Matrices that are mostly zero, written in order by code that knows where the others are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from .._lazy import cached_property
from ..simd import line_writer


class Lines:
    """What writes the matrices of a group of points, of `size` numbers each.

    Those at `positions` begin at `starts` in results, all others are 0, as is the result that begins at `zero`.
    """

    #: for kernels: what is compiled from this may be kept on disk
    lasting = True
    name = "the order of a matrix"

    def __init__(self, positions: Sequence[int], starts: Sequence[int], zero: int, size: int, lanes: int):
        self._made_of = tuple(positions), tuple(starts), zero, size, lanes

    @cached_property
    def key(self) -> str:
        """What identifies it."""
        return hashlib.blake2b(repr(self._made_of).encode(), digest_size=20).hexdigest()

    def evaluator(self) -> Callable:
        """``write(results, target, ())``, to be compiled."""
        write = line_writer(*self._made_of)

        def write_all(y, target, args):
            write(y, target)

        return write_all
