"""The chain rule to second order, for numbers in parts: f, first derivatives d and e, second derivatives h.

For y = f(a): y_d = f' a_d, y_e = f' a_e, y_h = f' a_h + f'' a_d a_e; and so on for two arguments.
"""

from __future__ import annotations

from typing import Any

from ._types import Parts, split


def add(a: Parts, b: Parts) -> Parts:
    """a + b."""
    return a.each(lambda x, y: x + y, b)


def subtract(a: Parts, b: Parts) -> Parts:
    """a - b."""
    return a.each(lambda x, y: x - y, b)


def multiply(a: Parts, b: Parts) -> Parts:
    """a b."""

    def slope(a_d, b_d):
        return a.value * b_d + a_d * b.value

    cross = [
        slope(a_h, b_h) + a_d * b.columns + b_d * a.columns
        for a_d, b_d, a_h, b_h in zip(split(a.rows, a), split(b.rows, a), a.cross, b.cross, strict=True)
    ]
    return Parts(a.value * b.value, slope(a.rows, b.rows), slope(a.columns, b.columns), cross)


def divide(a: Parts, b: Parts) -> Parts:
    """q = a / b: q_d = (a_d - q b_d) / b, q_h = (a_h - q b_h - q_d b_e - b_d q_e) / b."""
    q, inverse = a.value / b.value, 1.0 / b.value

    def slope(a_d, b_d):
        return (a_d - q * b_d) * inverse

    rows, columns = slope(a.rows, b.rows), slope(a.columns, b.columns)
    cross = [
        (a_h - q * b_h - q_d * b.columns - b_d * columns) * inverse
        for a_h, b_h, q_d, b_d in zip(a.cross, b.cross, split(rows, a, once=True), split(b.rows, a), strict=True)
    ]
    return Parts(q, rows, columns, cross)


def chain(a: Parts, f: Any, slope: Any, bend: Any) -> Parts:
    """f(a), from f, f' and f'' at its value."""
    cross = [
        slope * a_h + bent * a.columns for bent, a_h in zip(split(bend * a.rows, a, once=True), a.cross, strict=True)
    ]
    return Parts(f, slope * a.rows, slope * a.columns, cross)


def add_chain(z: Parts, a: Parts, f: Any, slope: Any, bend: Any) -> Parts:
    """z + f(a): in this order two fused operations for a second derivative."""
    cross = [
        z_h + slope * a_h + bent * a.columns
        for z_h, bent, a_h in zip(z.cross, split(bend * a.rows, a, once=True), a.cross, strict=True)
    ]
    return Parts(z.value + f, z.rows + slope * a.rows, z.columns + slope * a.columns, cross)


def chain_two(a: Parts, b: Parts, f: Any, f_a: Any, f_b: Any, f_aa: Any, f_ab: Any, f_bb: Any) -> Parts:
    """f(a, b), from f and its derivatives at their values."""
    bent_a, bent_b = f_aa * a.rows + f_ab * b.rows, f_ab * a.rows + f_bb * b.rows
    cross = [
        f_a * a_h + f_b * b_h + along_a * a.columns + along_b * b.columns
        for along_a, along_b, a_h, b_h in zip(split(bent_a, a), split(bent_b, a), a.cross, b.cross, strict=True)
    ]
    return Parts(f, f_a * a.rows + f_b * b.rows, f_a * a.columns + f_b * b.columns, cross)
