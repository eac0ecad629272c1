"""What Numba must not rewrite, of ``np.array([...])`` and ``np.exp(x)``: it knows the types of NumPy only.

Nor powers of arrays of integers: what it makes of expressions of arrays has NumPy's error model, not ours.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.core import ir
from numba.core.inline_closurecall import RewriteArrayOfConsts
from numba.core.rewrites import rewrite_registry
from numba.np.ufunc.array_exprs import RewriteArrayExprs

from ..function._error_model import is_in_force
from ._types import Element, holds_elements

_rewrites = rewrite_registry.rewrites["after-inference"]


def _leave_alone(rewrite: type, concerns: Callable) -> None:
    """Keep one of Numba's from blocks with such types."""

    class Kept(rewrite):
        def match(self, func_ir, block, typemap, calltypes):
            if concerns(block, typemap):
                return False
            return super().match(func_ir, block, typemap, calltypes)

    _rewrites[_rewrites.index(rewrite)] = Kept


def _is_not_numpys(block: Any, typemap: dict) -> bool:
    return any(map(holds_elements, typemap.values())) or (is_in_force() and _has_integer_powers(block, typemap))


def _has_integer_powers(block: Any, typemap: dict) -> bool:
    for assignment in block.find_insts(ir.Assign):
        kind, value = typemap.get(assignment.target.name), assignment.value
        if isinstance(kind, types.Array) and isinstance(kind.dtype, types.Integer) and isinstance(value, ir.Expr):
            if value.op == "call" and getattr(typemap[value.func.name], "typing_key", None) is np.power:
                return True
            if value.op in ("binop", "inplace_binop") and value.fn in (operator.pow, operator.ipow):
                return True
    return False


_leave_alone(RewriteArrayOfConsts, lambda block, typemap: any(isinstance(kind, Element) for kind in typemap.values()))
_leave_alone(RewriteArrayExprs, _is_not_numpys)
