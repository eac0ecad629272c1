"""Negative powers of 0 as IEEE 754 has them: Numba's raise ZeroDivisionError, whatever the error model."""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.imputils import lower_builtin
from numba.core.typing import signature
from numba.cpython.numbers import int_power_impl, static_power_impl


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


for _function in (operator.pow, operator.ipow):
    lower_builtin(_function, types.Float, types.IntegerLiteral)(_known_power)
for _function in (operator.pow, operator.ipow, pow):
    for _kind in types.signed_domain:
        lower_builtin(_function, types.Float, _kind)(_integer_power)
