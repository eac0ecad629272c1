"""Exact answers for every problem of `problems` and `published`: `load(name)`. Made by `make_references.py`."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

FILES = tuple(Path(__file__).with_name(name) for name in ("references.npz", "published.npz"))
#: the same of all problems, at four of their points rounded to single precision
SINGLE = Path(__file__).with_name("single.npz")


class Reference(NamedTuple):
    """Points (m, n), and there the value (m,), gradient (m, n) and Hessian (m, n, n), correctly rounded."""

    points: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray


def load(name: str, *, single: bool = False) -> Reference:
    """The reference of the problem of this name; at points of single precision, where that is wanted."""
    for file in (SINGLE,) if single else FILES:
        with np.load(file) as stored:
            if f"{name}/points" in stored:
                return Reference(*(stored[f"{name}/{part}"] for part in Reference._fields))
    raise KeyError(name)
