"""The eigensolver in every way it can go, for one matrix among others."""

import numpy as np
import pytest

from fastcurv._eigen import by_ways, in_lanes
from fastcurv._inputs import read_only
from fastcurv.simd import native_lanes
from fastcurv.symmetric import Way, choose_lanes
from fastcurv.symmetric._ways import CORRECTED


def ways(dtype, n):
    """What `choose_lanes` takes for many matrices, and what it would take for larger ones.

    A single matrix goes its own way, whose bits `test_eigen` compares with those of a batch.
    """
    dtype, lanes = np.dtype(dtype), native_lanes(dtype)
    found = {choose_lanes(dtype, n, 1000, vectors) for vectors in (False, True)}
    if n > 3:
        kinds = ("values", "long values", "corrected values") if n <= CORRECTED else ("corrected values",)
        found |= {Way(dtype.str, kind, lanes, 2) for kind in kinds}
        found.add(choose_lanes(dtype, n, 1000, True, by_rotations=True))
    if n >= lanes:
        found.add(Way(dtype.str, "twisted", lanes, 1))
        found.add(Way(dtype.str, "matrix", lanes, 2))
        found.add(Way(dtype.str, "twisted matrix", lanes, 2))
    return found


@pytest.fixture(scope="session")
def solve():
    """solve(A) -> [(w, V) with vectors, ...], [w of values alone, ...]; the upper triangle of A is spoilt."""

    def solve(A):
        n = len(A)
        others = np.random.default_rng(n).standard_normal((5, n, n)).astype(A.dtype)
        batch = np.concatenate([others[:3], np.where(np.tri(n, dtype=bool), A, np.nan)[None], others[3:]]).astype(
            A.dtype
        )
        systems, values = [], []
        for way in sorted(ways(A.dtype, n)):
            w, V, failed = in_lanes(read_only(batch), way)
            if way.is_twisted:  # others solve what it leaves
                assert not failed[[0, 1, 2, 4, 5]].any()
                w, V = by_ways(read_only(batch), way)
            else:
                assert not failed.any()
            if way.vectors:
                systems.append((w[3], V[3]))
            else:
                values.append(w[3])
        return systems, values

    return solve
