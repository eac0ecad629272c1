"""Numbers that carry derivatives: exact derivatives of any function that Numba compiles."""

from numba import from_dtype

from ..elements import teach_arrays
from . import _operations  # noqa: F401  what it teaches Numba
from ._evaluate import number_evaluator
from ._vector import COORDINATES, SeededVector

teach_arrays()

__all__ = ["COORDINATES", "SeededVector", "number_evaluator", "seeded_kind"]


def seeded_kind(dtype) -> SeededVector:
    """The type of an x as functions see it, for a look at whether they can be compiled."""
    return SeededVector(from_dtype(dtype), 1, 1, 0, COORDINATES)
