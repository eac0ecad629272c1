"""asv: a grid of points through `scan`, in memory and to a Zarr store."""

import tempfile
from pathlib import Path

import fastcurv as fc
from fastcurv.landscapes import muller_brown


class Scan:
    number = 1  # a store is written once: setup makes a new folder before every call
    timeout = 300

    def setup(self):
        self.folder = tempfile.TemporaryDirectory()
        self.grid = fc.Grid(x=(-1.5, 1.2, 300), y=(-0.2, 2.0, 300))
        fc.scan(muller_brown, fc.Grid(x=(0.0, 1.0, 4), y=(0.0, 1.0, 4)), progress=False)  # compiles

    def teardown(self):
        self.folder.cleanup()

    def time_in_memory(self):
        fc.scan(muller_brown, self.grid, progress=False)

    def time_to_store(self):
        fc.scan(muller_brown, self.grid, store=Path(self.folder.name) / "scan.zarr", progress=False)
