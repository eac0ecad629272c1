"""Memory of scratch: kept for the next call, and lent to one at a time."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from fastcurv.backends import _scratch
from fastcurv.backends._scratch import KEPT, LEAST, scratch_array


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(_scratch, "_free", {})


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_kept_until_the_next_call():
    first = scratch_array((2, LEAST), float)
    where = address(first)
    assert first.shape == (2, LEAST)
    assert first.dtype == float
    assert first.flags.writeable
    view = first[1].reshape(-1)[5:]
    del first
    other = scratch_array((2, LEAST), float)
    assert not np.shares_memory(other, view)  # a view keeps it
    del view, other
    assert where in {address(scratch_array((LEAST,), np.float32)) for _ in range(2)}


def test_only_so_much_is_kept():
    arrays = [scratch_array((KEPT // 3,), np.uint8) for _ in range(5)]
    assert len({address(a) for a in arrays}) == 5
    del arrays
    assert 0 < sum(memory.nbytes for memory in _scratch._free.values()) <= KEPT
    before = list(_scratch._free)
    scratch_array((KEPT + 1,), np.uint8)
    scratch_array((LEAST - 1,), np.uint8)
    assert list(_scratch._free) == before


def test_no_two_threads_are_lent_the_same():
    wrong = []

    def work(number):
        for k in range(300):
            a = scratch_array((LEAST + 1000 * (k % 3),), np.uint8)
            a[:] = number
            if not (a == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


ALLOCATES = """
import resource
import numpy as np
import fastcurv as fc

rows = np.linspace(0.0, 1.0, 2000)
x = np.full((4, 10), 0.5)

def fun(x, rows):
    return np.sum(np.exp(rows * x[0]) + rows * x[1])

for _ in range(3):
    fc.hessian(fun, x, (rows,), method="hyperdual")
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fc.hessian(fun, x, (rows,), method="hyperdual")
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that gives memory back")
def test_functions_that_allocate_take_no_new_pages():
    """Arrays of 2,000 numbers with all their derivatives are megabytes: 18,000 faults an Hessian, if each were new."""
    run = subprocess.run([sys.executable, "-c", ALLOCATES], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 1000
