"""Undefined operations in compiled functions: of floats as IEEE 754 has them, of integers exceptions."""

from __future__ import annotations

from typing import Any

from numba.core.callconv import NumpyErrorModel, error_models
from numba.core.targetconfig import ConfigStack

NAME = "fastcurv"


class _ErrorModel(NumpyErrorModel):
    """NumPy's error model has 0 for integers divided by zero, and Numba no other that leaves floats alone."""

    def fp_zero_division(self, builder: Any, exc_args: Any = None, loc: Any = None) -> bool:
        if not (exc_args and exc_args[0].startswith("integer ")):  # Numba's "integer division by zero" and the like
            return False
        self.call_conv.return_user_exc(builder, ZeroDivisionError, exc_args, loc)
        return True


def is_in_force() -> bool:
    """Whether the function being compiled has this model: for the bodies of ufuncs Numba puts NumPy's in its place."""
    flags = ConfigStack.top_or_none()
    return flags is not None and flags.error_model == NAME


error_models[NAME] = _ErrorModel
