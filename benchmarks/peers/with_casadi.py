"""CasADi: the symbolic Hessian as generated C, looped over the points, gcc -O3 -march=native."""

import ctypes
import math
import subprocess
import tempfile
from pathlib import Path
from types import FunctionType, SimpleNamespace

import casadi  # pyright: ignore[reportMissingImports]
import numpy as np

from ..cases import Case
from .peer import Run

NAME = "CasADi -> C"
MOST_POINTS = None

SYMBOLIC_MATH = SimpleNamespace(
    pi=math.pi,
    e=math.e,
    **{name: getattr(casadi, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tanh")},
)

SLOW_TO_COMPILE = 30_000
"""Instructions from which gcc gets -O1: at 94,000 of them (MLP), -O3 takes 4 minutes."""

LARGE = 256
"""From this n on the nonzeros alone are computed, and put into zeros: dense, n = 1024 is a million statements of C."""

LOOP = """
#include <stdlib.h>
#include <string.h>
int hessians(const double* x, double* H, long number, long n) {
  casadi_int sz_arg, sz_res, sz_iw, sz_w;
  hessian_work(&sz_arg, &sz_res, &sz_iw, &sz_w);
  const double** arg = malloc(sz_arg * sizeof(double*));
  double** res = malloc(sz_res * sizeof(double*));
  casadi_int* iw = malloc((sz_iw + 1) * sizeof(casadi_int));
  double* w = malloc((sz_w + 1) * sizeof(double));
  const casadi_int* pattern = hessian_sparsity_out(0);
  const casadi_int* start = pattern + 2;      /* of the columns; 1: dense */
  const casadi_int* row = pattern + 3 + n;
  double* nonzeros = start[0] == 1 ? 0 : malloc(start[n] * sizeof(double));
  for (long s = 0; s < number; s++) {
    double* dense = H + s * n * n;
    arg[0] = x + s * n;
    res[0] = nonzeros ? nonzeros : dense;
    hessian(arg, res, iw, w, 0);
    if (!nonzeros) continue;
    memset(dense, 0, n * n * sizeof(double));
    for (long j = 0; j < n; j++)
      for (casadi_int k = start[j]; k < start[j + 1]; k++) dense[j * n + row[k]] = nonzeros[k];
  }
  free(arg); free(res); free(iw); free(w); free(nonzeros);
  return 0;
}
"""


def symbolic_hessian(case: Case) -> casadi.Function:
    """The case's plain function run on CasADi's symbols, its data as constants."""
    x = casadi.SX.sym("x", case.n)
    f = FunctionType(case.fun.__code__, {**case.fun.__globals__, "math": SYMBOLIC_MATH})
    value = f([x[i] for i in range(case.n)], *case.args)
    H = casadi.cse(casadi.hessian(value, x)[0])  # gcc finds the same in most cases; Gaussian mixture 1.6x faster
    return casadi.Function("hessian", [x], [H if case.n >= LARGE else casadi.densify(H)])


def prepare(case: Case, points: np.ndarray) -> Run | None:
    try:
        function = symbolic_hessian(case)
    except Exception:  # a branch on a symbol; CasADi raises bare exceptions
        return None
    with tempfile.TemporaryDirectory() as folder:
        generator = casadi.CodeGenerator("hessian.c")
        generator.add(function)
        source = Path(folder, "hessian.c")
        source.write_text(generator.dump() + LOOP, encoding="utf-8")
        library = source.with_suffix(".so")
        level = "-O3" if function.n_instructions() < SLOW_TO_COMPILE else "-O1"
        flags = [level, "-march=native", "-shared", "-fPIC", "-w"]
        subprocess.run(["gcc", *flags, source, "-o", library, "-lm"], check=True)
        hessians = ctypes.CDLL(str(library)).hessians
    double = np.ctypeslib.ndpointer(float, flags="C")
    hessians.argtypes = [double, double, ctypes.c_long, ctypes.c_long]

    def run():
        H = np.empty((len(points), case.n, case.n))
        hessians(points, H, len(points), case.n)
        return H

    return run
