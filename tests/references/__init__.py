"""Exact answers for every problem of `problems`: `load(name)`. Made by `make_references.py`."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

FILE = Path(__file__).with_name("references.npz")


class Reference(NamedTuple):
    """Points (m, n), and there the value (m,), gradient (m, n) and Hessian (m, n, n), correctly rounded."""

    points: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray


def load(name: str) -> Reference:
    """The reference of the problem of this name."""
    with np.load(FILE) as stored:
        return Reference(*(stored[f"{name}/{part}"] for part in Reference._fields))
