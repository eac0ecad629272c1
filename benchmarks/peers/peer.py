"""What every peer offers: a name, how many points it is given at most, and a prepared call."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..cases import Case

Run = Callable[[], Any]
"""Evaluates all the Hessians, shape (N, n, n), in the peer's own kind of array, newly allocated."""


class Peer(Protocol):
    NAME: str
    MOST_POINTS: int | None

    @staticmethod
    def prepare(case: Case, points: np.ndarray) -> Run | None:
        """Converts the points and compiles what can be; None where the peer cannot do the case."""
        ...
