"""What Numba must not rewrite, of ``np.array([...])`` and ``np.exp(x)``: it knows the types of NumPy only."""

from __future__ import annotations

from collections.abc import Callable

from numba.core.inline_closurecall import RewriteArrayOfConsts
from numba.core.rewrites import rewrite_registry
from numba.np.ufunc.array_exprs import RewriteArrayExprs

from ._types import Element, holds_elements

_rewrites = rewrite_registry.rewrites["after-inference"]


def _leave_alone(rewrite: type, concerns: Callable) -> None:
    """Keep one of Numba's from functions with such types."""

    class Kept(rewrite):
        def match(self, func_ir, block, typemap, calltypes):
            if any(map(concerns, typemap.values())):
                return False
            return super().match(func_ir, block, typemap, calltypes)

    _rewrites[_rewrites.index(rewrite)] = Kept


_leave_alone(RewriteArrayOfConsts, lambda kind: isinstance(kind, Element))
_leave_alone(RewriteArrayExprs, holds_elements)
