"""How many threads a call may use, and the compiled loops that hand tasks to them.

Two faults of Numba's threading layers are guarded against: `workqueue` aborts the process when two Python threads
enter a parallel loop at once (the second to come runs serially here), and after a fork an OpenMP child that enters
one is killed (a child of a process that had used threads runs serially). Serial and parallel loops run the same
machine code, so results do not depend on which it was.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite.binding import ffi
from numba import prange, types
from numba.core import config
from numba.core.ccallback import CFunc
from numba.core.compiler_lock import global_compiler_lock
from numba.np.ufunc import parallel as numba_threads

from .._garbage import no_collection
from ..function import DiskCache
from ..function._compile import FLAGS
from ._native import call_task, next_task

_default: int | None = None
_override: contextvars.ContextVar[int | None] = contextvars.ContextVar("threads", default=None)
_parallel_lock = threading.Lock()
_locks: dict[str, Any] = {}
_launched = False
_forked_from_launched = False


def get_threads() -> int:
    """The number of CPU threads that calls from here may use.

    Examples
    --------
    >>> import fastcurv as fc
    >>> with fc.threads(1):
    ...     fc.get_threads()
    1
    """
    return _override.get() or _default or _most_threads()


def set_threads(k: int) -> None:
    """Set the number of CPU threads for all calls, from 1 to Numba's ``NUMBA_NUM_THREADS``.

    Results do not depend on it.

    Raises
    ------
    ValueError
        If there are not that many.
    """
    global _default
    _default = _checked(k)


@contextmanager
def threads(k: int) -> Iterator[None]:
    """Set the number of CPU threads for calls within a ``with`` block, in this thread.

    Raises
    ------
    ValueError
        If there are not that many.

    Examples
    --------
    >>> import fastcurv as fc
    >>> with fc.threads(1):
    ...     g = fc.gradient(lambda x: x[0] ** 2, [[1.0], [2.0]])
    """
    token = _override.set(_checked(k))
    try:
        yield
    finally:
        _override.reset(token)


def _most_threads() -> int:
    return config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue] (set when Numba is imported)


def _checked(k: int) -> int:
    most = _most_threads()
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= most:
        raise ValueError(
            f"k must be an integer from 1 to {most}, got {k!r}; NUMBA_NUM_THREADS, set before Python starts, raises it"
        )
    return int(k)


def serial_loop(task, data, first, last, workers):
    """Run tasks `first` to `last` - 1 one after another."""
    for index in range(first, last):
        call_task(task, data, index, 0)


def parallel_loop(task, data, first, last, workers):
    """Run tasks `first` to `last` - 1 on several threads, each taking the next one when it is done with its own."""
    counter = np.empty(1, np.int64)
    counter[0] = first
    for worker in prange(workers):
        index = next_task(counter)
        while index < last:
            call_task(task, data, index, worker)
            index = next_task(counter)


@cache
def _loop(parallel: bool) -> int:
    """The address of a loop."""
    body = parallel_loop if parallel else serial_loop
    made: Any = CFunc(body, ((types.intp,) * 5, types.void), {}, {**FLAGS, "parallel": parallel})
    made._cache = DiskCache(body.__name__)
    with no_collection():  # what Numba knows is loaded
        made.compile()
    return made.address


def may_run_parallel() -> bool:
    """Whether this process may start threads."""
    return not _forked_from_launched


def loop(workers: int) -> _Loop:
    """Address of the loop to use for so many workers, and how many it really gets, for the time of a ``with`` block."""
    return _serial if workers == 1 else _Parallel(workers)


def one_at_a_time(what: str) -> Any:
    """The lock of what one Python thread may do at a time, also from a handler of signals; in a forked child nobody
    holds it.
    """
    return _locks.setdefault(what, threading.RLock())


class _Loop:
    """The loop on the calling thread."""

    def __enter__(self) -> tuple[int, int]:
        return _loop(False), 1

    def __exit__(self, *exception: object) -> None:
        pass


_serial = _Loop()


class _Parallel(_Loop):
    """The loop on several threads, or on one where others cannot be had."""

    def __init__(self, workers: int):
        self._workers, self._mask = workers, 0
        self._locked = False

    def __enter__(self) -> tuple[int, int]:
        global _launched
        _launched = True  # before threads start: another Python thread may fork
        parallel = _loop(True)
        self._locked = numba.threading_layer() == "workqueue"
        if not self._locked or _parallel_lock.acquire(blocking=False):
            mask = numba.get_num_threads()
            if mask != self._workers:  # here and not in the loop, which could not be cached on disk then
                self._mask = mask
                numba.set_num_threads(self._workers)
            return parallel, self._workers
        self._locked = False
        return super().__enter__()

    def __exit__(self, *exception: object) -> None:
        if self._mask:
            numba.set_num_threads(self._mask)
        if self._locked:
            _parallel_lock.release()


#: held for the time of each call of LLVM, also by the collection of garbage, which needs no other lock
_llvm_lock: Any = ffi.lib._lock._lock


def _before_fork() -> None:
    global_compiler_lock.acquire()
    _llvm_lock.acquire()


def _after_fork_in_parent() -> None:
    _llvm_lock.release()
    global_compiler_lock.release()


def _after_fork_in_child() -> None:
    global _parallel_lock, _forked_from_launched
    _after_fork_in_parent()
    _parallel_lock = threading.Lock()
    _locks.clear()
    # Numba's threads may have been started by others, too
    _forked_from_launched = _launched or getattr(numba_threads, "_is_initialized", True)


if hasattr(os, "register_at_fork"):
    # a fork waits for what other threads compile: a child would wait for their locks for ever
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
