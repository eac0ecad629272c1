"""Numba's compiler, with less to do: for kernels, and for the functions that only others call, the parts of kernels.

Parts are optimised and translated once, in the kernel. Numba optimises each function together with all that it calls,
and makes machine code of it, before it does the same again for its caller. That doubles the time of a first call
(measured: 6.2 s to 3.5 s for an eigensolver), and gains nothing: the code that runs is the outermost function's.
"""

from __future__ import annotations

import os
import re
import weakref
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite.binding as llvm
from numba.core import cgutils, typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import PassManager
from numba.core.environment import lookup_environment

from .._garbage import no_collection
from ..backends._native import align_stack


class _NoEnvironment:
    """A code generator that leaves constants to the kernel: to say where they are needs machine code."""

    def __init__(self, codegen: Any):
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, env_name: str, env: Any) -> None:
        """Nothing yet: see `place_constants`."""


class _Library(JITCodeLibrary):
    """A module in which stacks are aligned, and the loops of `headers`, by label, are marked for full unrolling."""

    headers: frozenset[int] = frozenset()

    def add_ir_module(self, ir_module):
        for function in ir_module.functions:
            if not function.is_declaration:
                align_stack(function)
        if not self.headers:
            super().add_ir_module(ir_module)
            return
        module = llvm.parse_assembly(_marked(cgutils.normalize_ir_text(str(ir_module)), self.headers))
        module.name = ir_module.name
        module.verify()
        self.add_llvm_module(module)


def _marked(text: str, headers: frozenset[int]) -> str:
    """LLVM's text with loop metadata at the branches that go back to headers."""
    number = max(map(int, re.findall(r"^!(\d+) =", text, re.MULTILINE)), default=-1) + 1
    lines, nodes, passed = [], [], set()
    for line in text.splitlines():
        if line.startswith("define"):
            passed = set()
        if label := re.match(r'"?B(\d+)(?:\.endif)*"?:', line):
            passed.add(int(label[1]))
        targets = {int(label) for label in re.findall(r'label %"?B(\d+)"?(?![\w.])', line)}
        if targets & passed & headers:
            nodes.append(f"!{number} = distinct !{{!{number}, !{number + 1}}}")
            nodes.append(f'!{number + 1} = !{{!"llvm.loop.unroll.full"}}')
            line += f", !llvm.loop !{number}"
            number += 2
        lines.append(line)
    return "\n".join([*lines, *nodes, ""])


class _Part(_Library):
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

    def simplified(self) -> str:
        """The code, each function of it optimised alone."""
        self._codegen.create_library(self.name)._optimize_functions(self._final_module)
        return str(self._final_module)

    def get_pointer_to_function(self, name):
        """None: it cannot be run."""
        self._ensure_finalized()
        return 0


#: where the package's own functions are
PACKAGE = f"{Path(__file__).parent.parent}{os.sep}"
#: functions that call themselves, also through others: Numba's linker fills in where they are
recursive: weakref.WeakSet[FunctionType] = weakref.WeakSet()
#: passes over closures, expressions of arrays, and what else the package's own functions do not hold
_OF_USERS = (
    untyped_passes.WithLifting, untyped_passes.InlineClosureLikes, untyped_passes.RewriteSemanticConstants,
    untyped_passes.RewriteDynamicRaises, untyped_passes.MakeFunctionToJitFunction, untyped_passes.InlineInlinables,
    untyped_passes.FindLiterallyCalls, untyped_passes.LiteralUnroll, untyped_passes.LiteralPropagationSubPipelinePass,
    typed_passes.NopythonRewrites,
)  # fmt: skip


def _shortened(pipeline: PassManager) -> PassManager:
    """The passes that the package's own functions need: a fifth of what Python does for a first `eigh` is saved."""
    short = PassManager(pipeline.pipeline_name)
    for known, description in pipeline.passes:
        if known not in _OF_USERS:
            short.add_pass(known, description)
    short.finalize()
    return short


class PartCompiler(Compiler):
    """Numba's compiler, for functions that only others call; it marks loops over coordinates of a known number."""

    def define_pipelines(self):
        """Numba's own, into a library that is only linked."""
        library = _Library if self.state.func_id.func in recursive else _Part
        self.state.library = library(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        pipelines = super().define_pipelines()
        if any(map(_makes_numbers, self.state.args)):
            from ..numbers import _composition, _unroll  # slow to import, and loaded by then

            if any(map(_knows_length, self.state.args)):
                _unroll.find_loops(pipelines[0])
            _composition.find_compositions(pipelines[0])
        elif self.state.func_id.filename.startswith(PACKAGE):
            pipelines = [_shortened(pipeline) for pipeline in pipelines]
        return pipelines


def _makes_numbers(kind: Any) -> bool:
    """Whether an argument is, or holds, a number that carries derivatives: along rows and columns."""
    return hasattr(getattr(kind, "dtype", kind), "rows")


def _knows_length(kind: Any) -> bool:
    """Whether the number of coordinates is part of the type of an argument."""
    return bool(getattr(kind, "length", 0))


def place_constants(library: Any) -> None:
    """Tell a kernel where the constants are of the functions that were linked into it: what is printed needs them."""
    for variable in library._final_module.global_variables:
        if (environment := lookup_environment(variable.name)) is not None:
            library.codegen.set_env(variable.name, environment)


class KernelCompiler(Compiler):
    """Numba's compiler, for functions that are called from Python."""

    def compile_extra(self, func):
        """Numba's own, undisturbed by the collection of garbage."""
        with no_collection():
            found = super().compile_extra(func)
            place_constants(found.library)
            return found
