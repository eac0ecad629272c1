"""Make references.npz: value, gradient and Hessian of every problem, to 50 digits, then rounded.

Run in the folder tests/: python -m references.make_references. Takes a minute or two.
"""

import numpy as np
from problems import PROBLEMS

from references import FILE, Reference
from references.taylor import derivatives


def reference(problem) -> Reference:
    """Exact answers at all points of a problem, as float64."""
    rows = [derivatives(problem.fun, x, problem.args) for x in problem.points]
    value, gradient, hessian = (np.array([np.float64(row[k]) for row in rows]) for k in range(3))
    return Reference(problem.points, value, gradient, hessian)


def main():
    arrays = {}
    for problem in PROBLEMS:
        made = reference(problem)
        arrays |= {f"{problem.name}/{part}": getattr(made, part) for part in Reference._fields}
        print(problem.name, made.hessian.shape)
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
