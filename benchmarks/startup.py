"""Figures of fresh processes: import time, and the first Hessian with empty and with filled caches."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORT = """
import time, numba, numpy
start = time.perf_counter()
import fastcurv
print(time.perf_counter() - start)
"""

FIRST_HESSIAN = """
import time
import fastcurv as fc
import numpy as np

def rosenbrock(x):
    s = 0.0
    for i in range(len(x) - 1):
        s += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return s

x = np.ones((100, 2))
start = time.perf_counter()
fc.hessian(rosenbrock, x)
print(time.perf_counter() - start)
"""


def _seconds(script: str, folder: str, environment: dict[str, str]) -> float:
    """What `script`, run from a file in a fresh process, prints last; byte code is kept for the next, as usual."""
    environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{folder}/bytecode"} | environment
    path = Path(folder) / "measured.py"
    path.write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, path], env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def import_seconds(repeats: int = 5) -> float:
    """Seconds that `import fastcurv` adds to numba and numpy: the fastest of some processes."""
    with tempfile.TemporaryDirectory() as folder:
        return min(_seconds(IMPORT, folder, {}) for _ in range(repeats))


def first_hessian_seconds() -> tuple[float, float]:
    """Seconds of the first call after the import: with empty caches, and in a second process."""
    with tempfile.TemporaryDirectory() as folder:
        first, caches = (
            {"FASTCURV_CACHE_DIR": f"{folder}/fastcurv{k}", "NUMBA_CACHE_DIR": f"{folder}/numba{k}"} for k in range(2)
        )
        _seconds(FIRST_HESSIAN, folder, first)  # makes the byte code of all that is imported on the way, as pip does
        return _seconds(FIRST_HESSIAN, folder, caches), _seconds(FIRST_HESSIAN, folder, caches)
