"""Make references.npz, published.npz and single.npz: values, gradients and Hessians, to 50 digits, then rounded.

Run in the folder tests/: python -m references.make_references [references | published | single]. Takes some minutes.
"""

import sys

import numpy as np
from problems import PROBLEMS
from published import PUBLISHED

from references import FILES, SINGLE, Reference
from references.taylor import derivatives


def reference(problem, points=None) -> Reference:
    """Exact answers at points, or all those of a problem, as float64."""
    points = problem.points if points is None else points
    rows = [derivatives(problem.fun, x, problem.args) for x in points]
    value, gradient, hessian = (np.array([np.float64(row[k]) for row in rows]) for k in range(3))
    return Reference(points, value, gradient, hessian)


def main(wanted):
    for file, problems in zip((*FILES, SINGLE), (PROBLEMS, PUBLISHED, [*PROBLEMS, *PUBLISHED]), strict=True):
        if wanted and file.stem not in wanted:
            continue
        arrays = {}
        for problem in problems:
            made = reference(problem, problem.points[:4].astype(np.float32).astype(float) if file == SINGLE else None)
            arrays |= {f"{problem.name}/{part}": getattr(made, part) for part in Reference._fields}
            print(problem.name, made.hessian.shape)
        np.savez_compressed(file, **arrays)


if __name__ == "__main__":
    main(sys.argv[1:])
