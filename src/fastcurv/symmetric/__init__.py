"""The batched symmetric eigensolver: matrices side by side in the lanes of vectors.

Plain functions in Numba's nopython subset over `fastcurv.simd`, to be compiled without any fast-math flag.
"""

from ._packing import pack, stride_of, unpack_columns, unpack_rows, unpack_values
from ._solve import stages
from ._sweeps import cyclic_sweep, diagonalised, in_order, triangle, turned
from ._way import Way, places_size, scratch, work_size
from ._ways import LEFT_IN_DOUBLE, LEFT_TO_LAPACK, choose, choose_lanes

__all__ = [
    "LEFT_IN_DOUBLE", "LEFT_TO_LAPACK", "Way", "choose", "choose_lanes", "cyclic_sweep", "diagonalised", "in_order",
    "pack", "places_size", "scratch", "stages", "stride_of", "triangle", "turned", "unpack_columns", "unpack_rows",
    "unpack_values", "work_size",
]  # fmt: skip
