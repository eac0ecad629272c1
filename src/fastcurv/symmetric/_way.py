"""How a group of matrices is solved, and what of it is where in scratch."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fastcurv.simd import native_lanes

from ._packing import spaced, stride_of

#: sweeps whose rotations are collected before they are applied to one matrix after the other
SWEEPS_TOGETHER = 16


class Way(NamedTuple):
    """How a group of matrices is solved.

    A group has `parts` parts of `lanes` matrices: wide vectors hide the latency of QL, narrower ones keep
    tridiagonalisation in registers and cache.
    """

    dtype: str
    #: "values", "long values", rounded less, or "corrected values", by factorisations; with vectors: "lanes" or
    #: "matrix", QL, rotations in lanes or matrix by matrix; "twisted" or "twisted matrix", twisted factorisations,
    #: transformed back likewise, which leave some matrices to others
    kind: str
    lanes: int
    parts: int
    #: the order, 2 or 3, of matrices for Jacobi's method; else 0, for any
    n: int = 0

    @property
    def group(self) -> int:
        """Matrices in a group."""
        return self.lanes * self.parts

    @property
    def vectors(self) -> bool:
        """Whether eigenvectors are computed."""
        return not self.kind.endswith("values")

    @property
    def register(self) -> int:
        """Lanes of the vectors that a single matrix is worked on with; 0 where that is not done."""
        return native_lanes(self.dtype) if self.kind.endswith("matrix") else 0

    @property
    def in_register(self) -> int:
        """Lanes that fill a register, or all of a part: what many numbers are needed of at once is done in so many."""
        return min(self.lanes, native_lanes(self.dtype))

    @property
    def unit(self) -> int:
        """Lanes of which rows of packed matrices take a whole number: all where they are unpacked as one row."""
        return self.lanes if self.kind == "lanes" else self.in_register

    @property
    def is_twisted(self) -> bool:
        """Whether eigenvectors of tridiagonal matrices are found by themselves, not by rotations."""
        return self.kind.startswith("twisted")

    @property
    def is_factored(self) -> bool:
        """Whether tridiagonal matrices are factorised."""
        return self.is_twisted or self.kind == "corrected values"

    @property
    def block(self) -> int:
        """Lanes, and entries of a matrix, that are transposed together: entries of a matrix fill such a block."""
        return min(native_lanes(self.dtype), {2: 4, 3: 8}.get(self.n, 16), max(self.lanes, self.register))

    @property
    def tag(self) -> str:
        """All of it in one word."""
        return "_".join(map(str, (np.dtype(self.dtype).name, *self[1:]))).replace(" ", "_")


class Scratch(NamedTuple):
    """Offsets into scratch, in elements; packed matrices of one part are at 0."""

    #: d, e, and two more vectors of length n, each of all lanes; then scales, and flags of lanes that did not converge
    vectors: int
    #: matrix by matrix: rows of Q', `stride` elements apart; in lanes: those of `block` matrices, unpacked
    z: int
    stride: int
    #: cosines and sines, `room` elements each, and where those of a matrix are gathered
    rotations: int
    room: int
    gathered: int
    end: int
    #: by twisted factorisations: fifteen more vectors of all lanes and four numbers; then eigenvectors, in rows
    pivots: int
    rows: int


def scratch(n, lanes, unit, parts, register, is_factored):
    """`Scratch` of a group; `register` is 0 unless vectors are computed matrix by matrix."""
    group, apart = lanes * parts, stride_of(n, lanes, unit)
    vectors = n * apart
    z = vectors + (4 * n + 2) * group
    factors = 15 * spaced(n * group, group) + 4 * group
    size = n * stride_of(n, group, unit) + factors if is_factored else 0
    if register == 0:
        end = z + vectors
        return Scratch(vectors, z, apart // lanes, end, 0, end, end + size, end, end + factors)
    columns = -(-n // register) * register
    stride = (columns // register | 1) * register  # an odd number of cache lines: columns meet in no one set
    rotations = z + group * columns * stride
    if is_factored:  # reflectors of each matrix, then its eigenvectors
        end = rotations + group * columns * stride + register
        return Scratch(vectors, z, stride, rotations, 0, end, end + size, end, end + factors)
    room = (SWEEPS_TOGETHER * n + 2 * n + register) * group
    gathered = rotations + 2 * room
    width = 2 * SWEEPS_TOGETHER * lanes
    return Scratch(
        vectors, z, stride, rotations, room, gathered, gathered + stride * max(width, 4 * register), gathered, gathered
    )


@lru_cache(maxsize=1024)
def work_size(way: Way, n: int) -> int:
    """Elements of scratch for a group of matrices of order n."""
    return scratch(n, way.lanes, way.unit, way.parts, way.register, way.is_factored).end


@lru_cache(maxsize=1024)
def places_size(way: Way, n: int) -> int:
    """Integers of scratch."""
    return 2 * n + (2 * SWEEPS_TOGETHER * way.group if way.kind == "matrix" else 0)
