"""Make references.npz and published.npz: value, gradient and Hessian of every problem, to 50 digits, then rounded.

Run in the folder tests/: python -m references.make_references [references | published]. Takes some minutes.
"""

import sys

import numpy as np
from problems import PROBLEMS
from published import PUBLISHED

from references import FILES, Reference
from references.taylor import derivatives


def reference(problem) -> Reference:
    """Exact answers at all points of a problem, as float64."""
    rows = [derivatives(problem.fun, x, problem.args) for x in problem.points]
    value, gradient, hessian = (np.array([np.float64(row[k]) for row in rows]) for k in range(3))
    return Reference(problem.points, value, gradient, hessian)


def main(wanted):
    for file, problems in zip(FILES, (PROBLEMS, PUBLISHED), strict=True):
        if wanted and file.stem not in wanted:
            continue
        arrays = {}
        for problem in problems:
            made = reference(problem)
            arrays |= {f"{problem.name}/{part}": getattr(made, part) for part in Reference._fields}
            print(problem.name, made.hessian.shape)
        np.savez_compressed(file, **arrays)


if __name__ == "__main__":
    main(sys.argv[1:])
