"""The batched symmetric eigensolver: matrices side by side in the lanes of vectors.

Plain functions in Numba's nopython subset over `fastcurv.simd`, to be compiled without any fast-math flag.
"""

from ._packing import pack, unpack_rows, unpack_values, unpack_vectors
from ._solve import Way, places_size, register_of, scratch, stages, work_size
from ._ways import LAPACK, choose

__all__ = [
    "LAPACK", "Way", "choose", "pack", "places_size", "register_of", "scratch", "stages", "unpack_rows",
    "unpack_values", "unpack_vectors", "work_size",
]  # fmt: skip
