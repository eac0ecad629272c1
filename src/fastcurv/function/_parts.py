"""Numba's compiler, with less to do: for kernels, and for the functions that only others call, the parts of kernels.

Parts are optimised and translated once, in the kernel. Numba optimises each function together with all that it calls,
and makes machine code of it, before it does the same again for its caller. That doubles the time of a first call
(measured: 6.2 s to 3.5 s for an eigensolver), and gains nothing: the code that runs is the outermost function's.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class _NoEnvironment:
    """A code generator without the one thing that needs machine code: constants of a function run by itself."""

    def __init__(self, codegen: Any):
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, env_name: str, env: Any) -> None:
        """Nothing to set."""


class _Part(JITCodeLibrary):
    """A module to be linked into others: neither optimised, nor given to the execution engine."""

    @property
    def codegen(self):
        return _NoEnvironment(self._codegen)

    def _optimize_functions(self, ll_module):
        pass

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name):
        """None: it cannot be run."""
        self._ensure_finalized()
        return 0


class PartCompiler(Compiler):
    """Numba's compiler, for functions that only others call."""

    def define_pipelines(self):
        """Numba's own, into a library that is only linked."""
        codegen = self.state.targetctx.codegen()
        self.state.library = _Part(codegen, self.state.func_id.func_qualname)
        return super().define_pipelines()


class KernelCompiler(Compiler):
    """Numba's compiler, for functions that are called from Python."""

    def compile_extra(self, func):
        """Numba's own, undisturbed by the collection of garbage."""
        with _no_collection():
            return super().compile_extra(func)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Leave garbage for later: a compilation allocates hundreds of thousands of objects that live to its end, which
    collections in between would look through again and again (a fifth of the time).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
