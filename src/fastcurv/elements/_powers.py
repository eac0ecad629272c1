"""Negative powers: of floats as IEEE 754 has them, of integers an exception, as NumPy has it.

Numba's powers of 0.0 raise ZeroDivisionError, whatever the error model, and those of integers are cut to integers:
10**-k is 0, and 0**-k the least of them.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.imputils import lower_builtin
from numba.core.typing import signature
from numba.cpython.numbers import int_power_impl, static_power_impl
from numba.np.ufunc_db import get_ufunc_info

from ..function._error_model import is_in_force


def _inverse(builder: ir.IRBuilder, x: Any) -> Any:
    return builder.fdiv(ir.Constant(x.type, 1.0), x)


def _known_power(context, builder, sig, values):
    """A power of a float whose exponent is written in the code."""
    base, exponent = sig.args
    if exponent.value >= 0 or context.error_model.raise_on_fp_zero_division:
        return static_power_impl(context, builder, sig, values)
    positive = signature(sig.return_type, base, types.literal(-exponent.value))
    return _inverse(builder, static_power_impl(context, builder, positive, values))


def _integer_power(context, builder, sig, values):
    """A power of a float and an integer."""
    if context.error_model.raise_on_fp_zero_division:
        return int_power_impl(context, builder, sig, values)
    base, exponent = values
    is_negative = builder.icmp_signed("<", exponent, exponent.type(0))
    magnitude = builder.select(is_negative, builder.neg(exponent), exponent)
    power = int_power_impl(context, builder, sig, [base, magnitude])
    return builder.select(is_negative, _inverse(builder, power), power)


def _refuse(base, exponent):
    """NumPy's rule, in its words."""
    if exponent < 0 and base != 1 and base != -1:
        raise ValueError("Integers to negative integer powers are not allowed.")


def _power_of_integers(context, builder, sig, values):
    if is_in_force():
        context.compile_internal(builder, _refuse, signature(types.none, *sig.args), values)
    return int_power_impl(context, builder, sig, values)


def _known_power_of_integer(context, builder, sig, values):
    """A power of an integer whose exponent is written in the code."""
    base, exponent = sig.args
    if exponent.value < 0 and is_in_force():
        known = context.get_constant(types.intp, exponent.value)
        return _power_of_integers(context, builder, signature(sig.return_type, base, types.intp), [values[0], known])
    return static_power_impl(context, builder, sig, values)


for _function in (operator.pow, operator.ipow):
    lower_builtin(_function, types.Integer, types.IntegerLiteral)(_known_power_of_integer)
    lower_builtin(_function, types.Float, types.IntegerLiteral)(_known_power)
for _function in (operator.pow, operator.ipow, pow):
    lower_builtin(_function, types.Integer, types.Integer)(_power_of_integers)
    for _kind in types.signed_domain:
        lower_builtin(_function, types.Float, _kind)(_integer_power)

_loops = get_ufunc_info(np.power)
_loops.update({kinds: _power_of_integers for kinds in _loops if np.dtype(kinds[0]).kind == "i"})
