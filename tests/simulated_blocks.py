"""Blocks of threads in Numba's simulator of CUDA, of which one thread runs at a time.

The simulator's own asks all threads of a block, without a pause, whether they wait at a barrier: that took half of the
time of its tests. Here each runs to the next barrier or to its end, in an order that is another one after each barrier:
what is read before a barrier makes it known shows, whichever thread it is of.
"""

from __future__ import annotations

import random
from threading import Lock
from typing import Any

import numpy as np
from numba.cuda.simulator.kernel import BlockManager, BlockThread  # pyright: ignore[reportMissingImports]


class Thread(BlockThread):
    """A thread that runs when it is told to."""

    def __init__(self, *what: Any):
        super().__init__(*what)
        self._may_go, self._waits, self.has_ended = Lock(), Lock(), False
        self._may_go.acquire()
        self._waits.acquire()

    def proceed(self) -> None:
        """Let it run to the next barrier, or to its end."""
        if self.ident is None:
            self.start()
        else:
            self._may_go.release()
        self._waits.acquire()

    def run(self) -> None:
        super().run()  # which keeps what is raised
        self.has_ended = True
        self._waits.release()

    def syncthreads(self) -> None:
        """A barrier."""
        self._waits.release()
        self._may_go.acquire()
        if self.abort:
            raise RuntimeError("another thread of the block has failed")


class Block(BlockManager):
    """A block of threads."""

    def run(self, grid_point: tuple[int, ...], *arguments: Any) -> None:
        """Run all of them to their ends."""
        places = np.ndindex(*self._block_dim)
        threads = [Thread(lambda: self._f(*arguments), self, grid_point, place, self._debug) for place in places]
        in_turn = random.Random(0)
        while threads:
            in_turn.shuffle(threads)
            for thread in threads:
                thread.proceed()
                if thread.exception:
                    self._end(threads)
                    error, traceback = thread.exception
                    raise error.with_traceback(traceback)
            threads = [thread for thread in threads if not thread.has_ended]

    @staticmethod
    def _end(threads: list[Thread]) -> None:
        """Let all that wait at a barrier end there."""
        for thread in threads:
            thread.abort = True
            if thread.ident is not None and not thread.has_ended:
                thread.proceed()
