"""Numbers that carry derivatives: exact derivatives of any function that Numba compiles."""

from . import _arrays, _operations, _vector  # what they teach Numba
from ._evaluate import number_evaluator

__all__ = ["number_evaluator"]
