"""Kernels from templates: a block is compiled once for all functions, and each function is linked into it.

Numba takes 0.5 to 3 s to infer the types of a block and to write its code, and some hundredths of a second for a user's
function. A template is that code, in LLVM's language, with calls of functions that are not there yet. A kernel is the
template under names of its own, together with what evaluates the user's function; LLVM optimises them as one piece.
"""

from __future__ import annotations

import copy
import hashlib
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from numba import types
from numba.core import cgutils
from numba.core.compiler import CompileResult

from .._garbage import no_collection
from ..elements import Element
from ..function import DiskCache, compiled
from ..function._parts import PartCompiler, place_constants
from ._native import intrinsic

#: kinds of roles whose functions can be linked in: what they return does not depend on the user's function
LINKED = ("scalar", "number", "row", "vector", "traced", "length")


class Request(NamedTuple):
    """A function that a template calls: that of a role, by its number, for arguments of some types."""

    role: int
    symbol: str
    arguments: tuple[types.Type, ...]


class Template(NamedTuple):
    """The code of an entry, compressed, with `tag` in all names; and what else Numba knows of it."""

    tag: str
    code: bytes
    description: Any
    environment: Any
    signature: Any
    reload_init: Any
    requests: tuple[Request, ...]

    def linked(self, evaluators: list[Callable | None], tag: str, context: Any) -> CompileResult:
        """The compiled entry with the evaluators of all roles, and a tag of the same length in all names."""
        text = zlib.decompress(self.code).decode()
        description = copy.copy(self.description)
        for name in ("qualname", "unique_name", "mangled_name", "env_name"):
            setattr(description, name, getattr(description, name).replace(self.tag, tag))
        library = context.codegen().create_library(description.qualname)
        library.enable_object_caching()
        for role, symbol, arguments in self.requests:
            made = compiled(evaluators[role], f"{role}_{tag}", inline_helpers=True, forceinline=True)
            made.compile(arguments)
            (found,) = made.overloads.values()
            text = text.replace(symbol, found.fndesc.llvm_func_name)
            library.add_linking_library(found.library)
        module = llvm.parse_assembly(text.replace(self.tag, tag))
        module.name = library.name
        library._final_module.link_in(module)
        library.finalize()
        place_constants(library)
        return CompileResult(
            typing_context=context.typing_context,
            target_context=context,
            entry_point=context.get_executable(library, description, self.environment),
            typing_error=None,
            type_annotation="",
            signature=self.signature,
            library=library,
            call_helper=None,
            environment=self.environment,
            objectmode=False,
            lifted=(),
            fndesc=description,
            metadata=None,
            reload_init=self.reload_init,
            referenced_envs=(),
        )


def _placeholder(role: int, kind: str, tag: str, requests: list[Request]) -> Any:
    """An evaluator that is not there yet; which ones are needed is noted in `requests`."""

    def requested(result, *arguments):
        symbol = next((known.symbol for known in requests if (known.role, known.arguments) == (role, arguments)), None)
        if symbol is None:
            symbol = f"placeholder_{len(requests)}_{tag}"
            requests.append(Request(role, symbol, arguments))

        def codegen(context, builder, signature, values):
            convention = context.call_conv
            function_type = convention.get_function_type(signature.return_type, signature.args)
            function = cgutils.get_or_insert_function(builder.module, function_type, symbol)
            _, value = convention.call_function(builder, function, signature.return_type, signature.args, values)
            return value

        return result(*arguments), codegen

    @intrinsic
    def number(typing_context, x, args):
        return requested(x.number.curved, x, args)

    @intrinsic
    def scalar(typing_context, x, args):
        return requested(x.dtype if isinstance(x.dtype, Element) else types.float64, x, args)

    @intrinsic
    def vector(typing_context, x, y, args):
        return requested(types.none, x, y, args)

    @intrinsic
    def length(typing_context, n):
        return requested(types.intp, types.intp)

    return {
        "number": number, "scalar": scalar, "row": scalar, "vector": vector, "traced": vector, "length": length,
    }[kind]  # fmt: skip


class Recipe(NamedTuple):
    """How an entry is made: ``entry(block)`` of ``block(*evaluators)``; `kinds` of roles; an identity of all this."""

    entry: Callable
    block: Callable
    kinds: tuple[str | None, ...]
    identity: str

    def template(self, signature: tuple, context: Any) -> Template:
        """The template for arguments of some types: from memory, from disk, or compiled."""
        key = self.identity, str(signature)
        found = _templates.get(key)
        if found is None:
            disk = DiskCache(self.identity)
            known = disk.load(signature, context)
            found = Template(*known) if known else self._compiled(signature)
            if not known:
                disk.save(signature, context, tuple(found))
            _templates[key] = found
        return found

    def _compiled(self, signature: tuple) -> Template:
        tag = hashlib.blake2b(repr((self.identity, str(signature))).encode(), digest_size=20).hexdigest()
        requests: list[Request] = []
        places = [kind and _placeholder(k, kind, tag, requests) for k, kind in enumerate(self.kinds)]
        block = compiled(self.block(*places), tag, inline_helpers=True)
        made = compiled(self.entry(block), tag, entry=True, nogil=True, pipeline_class=PartCompiler)
        made.compile(signature)
        (found,) = made.overloads.values()
        found.fndesc.typemap = found.fndesc.calltypes = None  # large, and not needed any more
        code = zlib.compress(found.library.simplified().encode(), 1)
        return Template(tag, code, found.fndesc, found.environment, found.signature, found.reload_init, tuple(requests))


_templates: dict[tuple[str, str], Template] = {}


class LinkedCache:
    """What Numba's dispatcher asks of a cache, for an entry that is never compiled itself: from disk, else linked."""

    def __init__(self, recipe: Recipe, evaluators: list[Callable | None], digest: str, disk: DiskCache | None):
        self._recipe, self._evaluators, self._digest, self._disk = recipe, evaluators, digest, disk

    @property
    def hits(self) -> int:
        return self._disk.hits if self._disk else 0

    def load_overload(self, signature: Any, target_context: Any) -> CompileResult:
        """The compiled entry for arguments of some types."""
        found = self._disk and self._disk.load_overload(signature, target_context)
        if found is None:
            with no_collection():
                template = self._recipe.template(signature, target_context)
                found = template.linked(self._evaluators, self._digest, target_context)
            if self._disk:
                self._disk.save_overload(signature, found)
        return found
