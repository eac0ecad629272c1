"""asv: batched symmetric eigensolves, by size, batch and storage type."""

import fastcurv as fc

from .cases import symmetric_matrices

NUMBER = {2: 50_000, 3: 20_000, 4: 10_000, 8: 4_000, 16: 1_000, 24: 512, 32: 256, 64: 64, 128: 32}
"""Matrices in one measurement: 10-30 ms with LAPACK."""


class Sizes:
    params = tuple(NUMBER)
    param_names = ("n",)
    dtype = "float64"

    def setup(self, n):
        self.a = symmetric_matrices(NUMBER[n], n).astype(self.dtype)

    def time_eigh(self, _):
        fc.eigh(self.a)

    def time_eigvalsh(self, _):
        fc.eigvalsh(self.a)


class SizesFloat32(Sizes):
    params = (4, 16, 64)
    dtype = "float32"


class Batches:
    """Small batches: where the call, not the solve, takes the time."""

    params = ((4, 16), (1, 8, 512))
    param_names = ("n", "batch")

    def setup(self, n, batch):
        self.a = symmetric_matrices(batch, n)

    def time_eigh(self, n, batch):
        fc.eigh(self.a)
