"""Memory that kernels work in, kept for the calls that follow.

The system gives memory a page at a time, on first use, and C's allocator returns what lies last: the pages of scratch
would take longer than the eigensolves of some dozen matrices, call after call, or not, as the heap happens to be.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np

#: kept in all, in bytes
KEPT = 2**26
#: less than this many bytes are not kept
LEAST = 2**17
#: the largest block by which glibc's allocator learns
LARGEST = 2**25

_free: dict[int, np.ndarray] = {}


def _keep_heap() -> None:
    """Let C's allocator keep what users' functions free: arrays of more than 128 KB would be new pages each time.

    Once so large a block was freed, glibc takes blocks up to that from the heap, and keeps twice as much (malloc(3),
    M_MMAP_THRESHOLD). A process that ever freed a large array behaves alike. No page of this one is touched.
    """
    np.empty(LARGEST - 2**16, np.uint8)


_keep_heap()


def scratch_array(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of any contents; its memory is kept once nothing refers to it or to a view of it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LEAST:
        return np.empty(shape, dtype)
    for key, memory in list(_free.items()):
        if memory.nbytes >= size and _free.pop(key, None) is not None:  # no other thread took it
            break
    else:
        memory = np.empty(size, np.uint8)
    lent = np.frombuffer(memory.data, np.uint8, size)  # the base of its views, as no view of an array is
    weakref.finalize(lent, _keep, memory).atexit = False
    return lent.view(dtype).reshape(shape)


def _keep(memory: np.ndarray) -> None:
    if memory.nbytes <= KEPT:
        _free[id(memory)] = memory
        for key in list(_free):  # the oldest go first; other threads may be here, too
            if sum(kept.nbytes for kept in list(_free.values())) <= KEPT:
                break
            _free.pop(key, None)
