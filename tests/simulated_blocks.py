"""Blocks of threads in Numba's simulator of CUDA, of which one thread runs at a time.

The simulator's own asks all threads of a block, without a pause, whether they wait at a barrier: that took half of the
time of its tests. Here each runs to the next barrier or to its end, in an order that is another one after each barrier:
what is read before a barrier makes it known shows, whichever thread it is of.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.cuda.simulator.kernel import BlockManager, BlockThread  # pyright: ignore[reportMissingImports]
from numba.cuda.simulator.kernelapi import Dim3  # pyright: ignore[reportMissingImports]


class Thread(BlockThread):
    """A thread that runs when it is told to, of one block after the other."""

    def __init__(self):
        threading.Thread.__init__(self, daemon=True)
        self._may_go, self._waits = threading.Lock(), threading.Lock()
        self._may_go.acquire()
        self._waits.acquire()
        self.start()

    def enter(self, block: Block, function: Callable[[], None], at: tuple[int, ...], place: tuple[int, ...]) -> None:
        """Be one of a block."""
        self._manager, self._function = block, function
        self.blockIdx, self.threadIdx = Dim3(*at), Dim3(*place)
        self.thread_id = int(np.ravel_multi_index(place, block._block_dim, order="F"))
        self.exception, self.has_ended, self.abort = None, False, False

    def proceed(self) -> None:
        """Let it run to the next barrier, or to its end."""
        self._may_go.release()
        self._waits.acquire()

    def run(self) -> None:
        while True:
            self._may_go.acquire()
            self._run_function()
            self.has_ended = True
            self._waits.release()

    def _run_function(self) -> None:
        """Unless it is to end; what it was given is let go of."""
        try:
            if not self.abort:
                self._function()
        except Exception as error:
            error.add_note(f"In thread {self.threadIdx} of block {self.blockIdx}.")
            self.exception = error
        finally:
            del self._function

    def syncthreads(self) -> None:
        """A barrier."""
        self._waits.release()
        self._may_go.acquire()
        if self.abort:
            raise RuntimeError("another thread of the block has failed")


class Block(BlockManager):
    """A block of threads."""

    _idle: list[Thread] = []  # noqa: RUF012  shared: to start a thread takes longer than most kernels do

    def run(self, grid_point: tuple[int, ...], *arguments: Any) -> None:
        """Run all of them to their ends."""
        places = list(np.ndindex(*self._block_dim))
        while len(self._idle) < len(places):
            self._idle.append(Thread())
        threads = [self._idle.pop() for _ in places]
        for thread, place in zip(threads, places, strict=True):
            thread.enter(self, lambda: self._f(*arguments), grid_point, place)
        in_turn = random.Random(0)
        while threads:
            in_turn.shuffle(threads)
            for thread in threads:
                thread.proceed()
                if thread.exception:
                    error = thread.exception
                    self._end(threads)
                    raise error
            self._idle.extend(thread for thread in threads if thread.has_ended)
            threads = [thread for thread in threads if not thread.has_ended]

    def _end(self, threads: list[Thread]) -> None:
        """Let all that wait, at a barrier or for their turn, end there."""
        for thread in threads:
            if not thread.has_ended:
                thread.abort = True
                thread.proceed()
            thread.exception = None
        self._idle.extend(threads)
