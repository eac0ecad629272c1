"""Machine code of blocks whose function is called, not inlined: made once, and joined by each function.

A template that was optimised with its functions' code (see `_templates`) is as slow to compile as it is long. Where a
function takes memory and gives memory, nothing is gained by that: the block is an object file, in which the function
has a name that nobody defines. A kernel is a copy of it under names of its own, and the function under that name.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.compiler import CompileResult

from ..function import compiled

#: lines of LLVM's code up to which a function is inlined wherever it is called
MOST_INLINED = 4000


class Request(NamedTuple):
    """A function that a template calls: that of a role, by its number, for arguments of some types."""

    role: int
    symbol: str
    arguments: tuple[types.Type, ...]


class Entry(NamedTuple):
    """What Numba knows of an entry besides its code; `tag` is in all of its names."""

    tag: str
    description: Any
    environment: Any
    signature: Any
    reload_init: Any

    def renamed(self, tag: str) -> Entry:
        """The same with another tag, of the same length."""
        description = copy.copy(self.description)
        for name in ("qualname", "unique_name", "mangled_name", "env_name"):
            setattr(description, name, getattr(description, name).replace(self.tag, tag))
        return self._replace(tag=tag, description=description)

    def result(self, library: Any, context: Any) -> CompileResult:
        """The compiled entry, whose code the execution engine has."""
        return CompileResult(
            typing_context=context.typing_context,
            target_context=context,
            entry_point=context.get_executable(library, self.description, self.environment),
            typing_error=None,
            type_annotation="",
            signature=self.signature,
            library=library,
            call_helper=None,
            environment=self.environment,
            objectmode=False,
            lifted=(),
            fndesc=self.description,
            metadata=None,
            reload_init=self.reload_init,
            referenced_envs=(),
        )


def evaluator_code(evaluators: list[Callable | None], role: int, tag: str, arguments: tuple) -> CompileResult:
    """What evaluates the function of a role, compiled to be linked: inlined, unless it is long and takes plain numbers.

    A block calls it in several places; a function that solves a system took 11 s to be linked in all of them, and 0.5 s
    in one.
    """
    found = _evaluator_code(evaluators[role], f"{role}_{tag}", arguments, forceinline=True)
    if isinstance(arguments[0], types.Array) and str(found.library._final_module).count("\n") > MOST_INLINED:
        found = _evaluator_code(evaluators[role], f"{role}_{tag}_", arguments)
        found.library._final_module.get_function(found.fndesc.llvm_func_name).add_function_attribute("noinline")
    return found


def _evaluator_code(evaluator: Callable | None, tag: str, arguments: tuple, **flags: Any) -> CompileResult:
    made = compiled(evaluator, tag, inline_helpers=True, **flags)
    made.compile(arguments)
    (found,) = made.overloads.values()
    return found


class Machine(NamedTuple):
    """An entry as an object file, compressed, and the functions it calls."""

    entry: Entry
    code: bytes
    requests: tuple[Request, ...]

    def joined(self, evaluators: list[Callable | None], tag: str, context: Any) -> Joined:
        """The entry with the evaluators of all roles, and a tag of the same length in all names."""
        library = context.codegen().create_library(f"{self.entry.description.qualname}.functions.{tag}")
        library.enable_object_caching()
        module = library.create_ir_module("functions")
        for role, symbol, arguments in self.requests:
            found = evaluator_code(evaluators, role, tag, arguments)
            library.add_linking_library(found.library)
            _define_by_addresses(context, module, symbol.replace(self.entry.tag, tag), found.fndesc)
        library.add_ir_module(module)
        library.finalize()
        code = zlib.decompress(self.code).replace(self.entry.tag.encode(), tag.encode())
        return Joined(self.entry.renamed(tag), code, library.serialize_using_object_code(), library)


def call_by_addresses(context: Any, builder: ir.IRBuilder, symbol: str, kinds: tuple, values: list) -> None:
    """Call a function that returns nothing with arrays, or tuples of them, by the addresses of what is in them."""
    addresses = _addresses(context, builder, kinds, values)
    signature = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t] * len(addresses))
    builder.call(cgutils.get_or_insert_function(builder.module, signature, symbol), addresses)


def _addresses(context: Any, builder: ir.IRBuilder, kinds: Sequence[types.Type], values: list) -> list:
    found = []
    for kind, value in zip(kinds, values, strict=True):
        if isinstance(kind, types.BaseTuple):
            found += _addresses(context, builder, kind.types, cgutils.unpack_tuple(builder, value))  # pyright: ignore
        else:
            data = context.make_array(kind)(context, builder, value).data
            found.append(builder.bitcast(data, cgutils.voidptr_t))
    return found


def _from_addresses(context: Any, builder: ir.IRBuilder, kind: types.Type, addresses: Iterator) -> Any:
    if isinstance(kind, types.BaseTuple):
        parts = [_from_addresses(context, builder, part, addresses) for part in kind.types]  # pyright: ignore
        return context.make_tuple(builder, kind, parts)
    array = context.make_array(kind)(context, builder)
    array.data = builder.bitcast(next(addresses), array.data.type)
    return array._getvalue()


def _define_by_addresses(context: Any, module: ir.Module, symbol: str, description: Any) -> None:
    """The function that `call_by_addresses` calls, of Numba's, which looks at nothing else of its arrays."""
    count = sum(map(_arrays_in, description.argtypes))
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t] * count), symbol)
    builder, addresses = ir.IRBuilder(function.append_basic_block()), iter(function.args)
    arguments = [_from_addresses(context, builder, kind, addresses) for kind in description.argtypes]
    kind = context.call_conv.get_function_type(description.restype, description.argtypes)
    inner = ir.Function(module, kind, description.llvm_func_name)
    context.call_conv.call_function(builder, inner, description.restype, description.argtypes, arguments)
    builder.ret_void()


def _arrays_in(kind: types.Type) -> int:
    return sum(map(_arrays_in, kind.types)) if isinstance(kind, types.BaseTuple) else 1  # pyright: ignore


class Joined(NamedTuple):
    """An entry, its object file, and the library of its functions: as it is kept on disk, or as it was just made."""

    entry: Entry
    code: bytes
    functions: Any
    library: Any = None

    def result(self, context: Any) -> CompileResult:
        """The compiled entry, given to the execution engine."""
        if self.entry.reload_init:
            for prepare in self.entry.reload_init:
                prepare()
        codegen = context.codegen()
        library = self.library or codegen.unserialize_library(self.functions)
        engine = codegen._engine
        engine._ee.add_object_file(llvm.ObjectFileRef.from_data(self.code))
        engine._defined_symbols.add(self.entry.description.llvm_cpython_wrapper_name)
        engine.finalize_object()
        return self.entry.result(library, context)


def machine_code(text: str, name: str, context: Any) -> bytes:
    """The object file of a module in LLVM's language, optimised as a whole; compressed."""
    library = context.codegen().create_library(name)
    library._final_module.link_in(llvm.parse_assembly(text))
    library._optimize_final_module()
    return zlib.compress(context.codegen()._tm.emit_object(library._final_module), 1)
