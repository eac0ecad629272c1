"""The eigensolver for real symmetric matrices: one matrix, scratch given by the caller, any dtype.

Plain functions in Numba's nopython subset, to be compiled (error_model="numpy", fastmath={"contract"})
together with the helpers that they call; they run uncompiled too, slowly.
"""

from fastcurv.symmetric._solve import eigensystem, eigenvalues, work_size

__all__ = ["eigensystem", "eigenvalues", "work_size"]
