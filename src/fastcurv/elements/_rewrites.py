"""What Numba's own rewriting of ``np.array([...])`` must leave alone: it knows the types of NumPy only."""

from __future__ import annotations

from numba.core.inline_closurecall import RewriteArrayOfConsts
from numba.core.rewrites import rewrite_registry

from ._types import Element


class _OfReals(RewriteArrayOfConsts):
    """Numba's, in functions without elements."""

    def match(self, func_ir, block, typemap, calltypes):
        if any(isinstance(kind, Element) for kind in typemap.values()):
            return False
        return super().match(func_ir, block, typemap, calltypes)


_rewrites = rewrite_registry.rewrites["after-inference"]
_rewrites[_rewrites.index(RewriteArrayOfConsts)] = _OfReals
