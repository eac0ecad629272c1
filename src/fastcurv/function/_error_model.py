"""Division by zero in compiled functions: IEEE 754's for floats, an exception for integers, which have no infinity.

Of integers to negative powers compiled values are not Python's, those of 0 least: that is Numba's rule.
"""

from __future__ import annotations

from typing import Any

from numba.core.callconv import NumpyErrorModel, error_models

NAME = "fastcurv"


class _ErrorModel(NumpyErrorModel):
    """NumPy's error model has 0 for integers divided by zero, and Numba no other that leaves floats alone."""

    def fp_zero_division(self, builder: Any, exc_args: Any = None, loc: Any = None) -> bool:
        if not (exc_args and exc_args[0].startswith("integer ")):  # Numba's "integer division by zero" and the like
            return False
        self.call_conv.return_user_exc(builder, ZeroDivisionError, exc_args, loc)
        return True


error_models[NAME] = _ErrorModel
