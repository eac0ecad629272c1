"""Programs of a traced function, the tables that their code reads, and where in their results lies what is wanted."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from . import tracing
from ._call import LANES, NOTHING, where
from ._inputs import read_only
from ._sparse import SparseHessians, compressed
from .backends._kernels import Operation, Role
from .backends.cpu import Job
from .tracing import Program, Traced, Wanted
from .tracing._frame import lanes_block, marked, small_block, traced_block
from .tracing._lines import Lines

#: coordinates up to which matrices are kept in registers
MAX_SMALL = 4
#: matrices of at least so many entries are written point by point where no more than so many of LANES neighbours differ
#: from zero, on average of those of which any does; else lanes are transposed
LEAST_SPARSE, MOST_SPARSE = 32, 3
#: kernels are told where zeros are, of up to so many entries
MOST_TOLD = 4096
#: what a block leaves of each point: matrices, also values, gradients and errors, or everything in lanes
Leaves = Literal["matrices", "all", "lanes"]
NO_STARTS = read_only(np.zeros(0, np.int64))


class Prepared(NamedTuple):
    """A program, the tables that its code reads, and where results lie.

    `entries` are those of `_frame`, and `lines` code that knows them. `shape` is that of a matrix that lies in
    registers, `lower` has its lower triangle where that stays in lanes.
    """

    program: Program
    tables: tuple[np.ndarray, np.ndarray]
    entries: np.ndarray = NO_STARTS
    positions: np.ndarray = NO_STARTS
    slopes: np.ndarray = NO_STARTS
    shape: tuple[int, int] | None = None
    lower: np.ndarray = NO_STARTS
    lines: Lines | None = None

    def job(self, dtype: np.dtype, bounded: bool, leaves: Leaves, together: int = LANES) -> Job:
        """What is to be run at points of a type; lanes are read once for so many together."""
        role, lines = Role(self.program, "traced"), self.lines and Role(self.lines, "lines")
        return _job(self.shape, dtype == np.float64, bounded, leaves, together, role, lines)

    def with_matrix(self, slots: dict[tuple[int, int], int], shape: tuple[int, int]) -> Prepared:
        """The same for matrices of a shape that have some slots."""
        rows, columns = np.array(list(slots), np.int64).reshape(-1, 2).T
        starts, size = np.fromiter(slots.values(), np.int64, len(slots)) * LANES, shape[0] * shape[1]
        positions, zero = rows * shape[1] + columns, (self.program.slots - 1) * LANES
        vectors = len(np.unique(positions // LANES))
        if size >= LEAST_SPARSE and 0 < len(slots) <= MOST_SPARSE * vectors:
            told = positions.tolist(), starts.tolist(), zero, size, LANES
            lines = Lines(*told) if size <= MOST_TOLD else None
            return self._replace(entries=read_only(starts), positions=read_only(positions), lines=lines)
        entries = np.full(size, zero)
        entries[positions] = starts
        return self._replace(entries=read_only(marked(entries, zero, LANES)))


def _both_triangles(slots: dict[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """Slots of a symmetric matrix, row by row."""
    return dict(sorted({**slots, **{(j, i): slot for (i, j), slot in slots.items()}}.items()))


class Version:
    """A function traced for arguments of some shapes, and its programs."""

    def __init__(self, traced: Traced, shared: np.ndarray):
        self.traced = traced
        self._fixed = np.array(traced.fixed, np.int64)
        self._values = self._steering(shared)
        self._prepared: dict[tuple[Wanted, bool, bool], Prepared] = {}
        self._sparse: dict[bool, tuple[Prepared, SparseHessians]] = {}
        self.is_trusted = False
        self.may_tie = tracing.may_tie(traced.graph, traced.outputs)

    def fits(self, shared: np.ndarray) -> bool:
        """Whether arguments steer the function as those did that it was traced with."""
        return not len(self._fixed) or self._steering(shared) == self._values

    def _steering(self, shared: np.ndarray) -> bytes:
        return where(shared).entries(shared, self._fixed).tobytes() if len(self._fixed) else b""

    def prepared(self, wanted: Wanted, n: int, may_be_small: bool, in_lanes: bool) -> Prepared:
        """The program for some derivatives: of second ones as n x n matrices, of first ones with a row for each value.

        `may_be_small`: where there are few, the matrix may lie in registers; `in_lanes`: all results stay in lanes.
        """
        wanted = wanted._replace(ties=wanted.ties and self.may_tie)
        case = wanted, may_be_small, in_lanes
        found = self._prepared.get(case)
        if found is None:
            made = self._in_lanes(wanted, n) if in_lanes else self._made(wanted, n, may_be_small)
            found = self._prepared[case] = made
        return found

    def _made(self, wanted: Wanted, n: int, may_be_small: bool) -> Prepared:
        made = tracing.program(self.traced, wanted)
        shape = (n, n) if wanted.second else (1, 1) if wanted.form else (len(self.traced.outputs), n)
        if may_be_small and n <= MAX_SMALL and shape[0] * shape[1] <= MAX_SMALL**2 and made.is_straight:
            made = tracing.program(self.traced, wanted, shape)
            return Prepared(made, _tables(made), shape=shape)
        found = Prepared(made, _tables(made))
        if not wanted.second:
            return found.with_matrix(made.first, shape)
        return found.with_matrix(_both_triangles(made.second), shape)._replace(slopes=_slopes(made, n))

    def _in_lanes(self, wanted: Wanted, n: int) -> Prepared:
        made = tracing.program(self.traced, wanted)
        lower = np.full(n * (n + 1) // 2, (made.slots - 1) * LANES)
        for (i, j), slot in made.second.items():
            i, j = max(i, j), min(i, j)
            lower[i * (i + 1) // 2 + j] = slot * LANES
        return Prepared(made, _tables(made), slopes=_slopes(made, n), lower=read_only(lower))

    def sparse(self, n: int, ties: bool) -> tuple[Prepared, SparseHessians]:
        """The program for second derivatives that do not vanish; their pattern, without values."""
        ties = ties and self.may_tie
        if ties not in self._sparse:
            made = tracing.program(self.traced, Wanted(second=True, ties=ties))
            slots = _both_triangles(made.second)
            starts = np.fromiter(slots.values(), np.int64, len(slots)) * LANES
            prepared = Prepared(made, _tables(made), entries=read_only(starts))
            pattern = SparseHessians(NOTHING, *map(read_only, compressed(list(slots), n)))
            self._sparse[ties] = prepared, pattern
        return self._sparse[ties]


def _slopes(program: Program, n: int) -> np.ndarray:
    """Where the entries of a gradient begin."""
    slopes = np.full(n, (program.slots - 1) * LANES)
    for (_, i), slot in program.first.items():
        slopes[i] = slot * LANES
    return read_only(slopes)


def _tables(program: Program) -> tuple[np.ndarray, np.ndarray]:
    indices, constants = program.tables
    return read_only(indices), read_only(constants)


@lru_cache(maxsize=256)
def _job(
    shape: tuple[int, int] | None,
    transposes: bool,
    bounded: bool,
    leaves: Leaves,
    together: int,
    role: Role,
    lines: Role | None,
) -> Job:
    if leaves == "lanes":
        return Job(Operation(lanes_block, (LANES, bounded, together, transposes), True, True), role)
    if shape is not None:
        n, size = shape[1], shape[0] * shape[1]
        return Job(Operation(small_block, (LANES, n, size, role.function.slots, transposes), True), role)
    return Job(Operation(traced_block, (LANES, bounded, leaves == "all", transposes), True, True), role, lines)
