"""Attributes that are computed when they are first asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypeVar

T_co = TypeVar("T_co", covariant=True)


class cached_property(functools.cached_property[T_co]):  # noqa: N801 (named as the one it takes the place of)
    """`functools.cached_property` without a lock.

    That of Python 3.11 holds a lock of all instances while it computes: threads waited for each other, and a child that
    was forked meanwhile waited for ever. Without it two threads may compute the same value.
    """

    def __init__(self, function: Callable[[Any], T_co]):
        super().__init__(function)
        self.lock = nullcontext()  # from Python 3.12 on nothing asks for it
