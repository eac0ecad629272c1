"""Numbers that carry derivatives: exact derivatives of any function that Numba compiles."""

from numba import from_dtype

from . import _arrays, _operations, _rewrites  # noqa: F401  what they teach Numba
from ._evaluate import number_evaluator
from ._vector import SeededVector

__all__ = ["number_evaluator", "seeded_kind"]


def seeded_kind(dtype) -> SeededVector:
    """The type of an x as functions see it, for a look at whether they can be compiled."""
    return SeededVector(from_dtype(dtype), 1, 1, 0, False)
