"""asv: batched symmetric eigensolves, by size, batch and storage type."""

import fastcurv as fc

from .cases import symmetric_matrices

NUMBER = {2: 50_000, 3: 20_000, 4: 10_000, 8: 4_000, 16: 1_000, 24: 500, 32: 250, 64: 50, 128: 12}
"""Matrices in one measurement: 10-30 ms with LAPACK."""


class Sizes:
    params = (tuple(NUMBER), ("float64", "float32"))
    param_names = ("n", "dtype")

    def setup(self, n, dtype):
        self.a = symmetric_matrices(NUMBER[n], n).astype(dtype)

    def time_eigh(self, n, dtype):
        fc.eigh(self.a)

    def time_eigvalsh(self, n, dtype):
        fc.eigvalsh(self.a)


class Batches:
    """Small batches: where the call, not the solve, takes the time."""

    params = ((4, 16), (1, 2, 8, 64, 512))
    param_names = ("n", "batch")

    def setup(self, n, batch):
        self.a = symmetric_matrices(batch, n)

    def time_eigh(self, n, batch):
        fc.eigh(self.a)
