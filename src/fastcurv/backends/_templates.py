"""Kernels from templates: a block is compiled once for all functions, and each function is linked into it.

Numba takes 0.5 to 3 s to infer the types of a block and to write its code, and some hundredths of a second for a user's
function. A template is that code, in LLVM's language, with calls of functions that are not there yet. A kernel is the
template under names of its own, together with what evaluates the user's function; LLVM optimises them as one piece.
"""

from __future__ import annotations

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
from ._machine import Entry, Joined, Machine, Request, call_by_addresses, evaluator_code, machine_code
from ._native import intrinsic

#: kinds of roles whose functions can be linked in: what they return does not depend on the user's function
LINKED = ("scalar", "number", "row", "vector", "traced", "lines", "length")


class Template(NamedTuple):
    """The code of an entry, compressed, and the functions it calls."""

    entry: Entry
    code: bytes
    requests: tuple[Request, ...]

    def linked(self, evaluators: list[Callable | None], tag: str, context: Any) -> CompileResult:
        """The compiled entry with the evaluators of all roles, and a tag of the same length in all names."""
        text, entry = zlib.decompress(self.code).decode(), self.entry.renamed(tag)
        library = context.codegen().create_library(entry.description.qualname)
        library.enable_object_caching()
        for role, symbol, arguments in self.requests:
            found = evaluator_code(evaluators, role, tag, arguments)
            text = text.replace(symbol, found.fndesc.llvm_func_name)
            library.add_linking_library(found.library)
        module = llvm.parse_assembly(text.replace(self.entry.tag, tag))
        module.name = library.name
        library._final_module.link_in(module)
        library.finalize()
        place_constants(library)
        return entry.result(library, context)


def _placeholder(role: int, kind: str, tag: str, requests: list[Request], calls: bool) -> Any:
    """An evaluator that is not there yet; which ones are needed is noted in `requests`."""

    def requested(result, *arguments):
        symbol = next((known.symbol for known in requests if (known.role, known.arguments) == (role, arguments)), None)
        if symbol is None:
            symbol = f"placeholder_{len(requests)}_{tag}"
            requests.append(Request(role, symbol, arguments))

        def codegen(context, builder, signature, values):
            if calls:
                call_by_addresses(context, builder, symbol, signature.args, values)
                return context.get_dummy_value()
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
        "number": number, "scalar": scalar, "row": scalar, "vector": vector, "traced": vector, "lines": vector,
        "length": length,
    }[kind]  # fmt: skip


class Recipe(NamedTuple):
    """How an entry is made: ``entry(block)`` of ``block(*evaluators)``; `kinds` of roles; an identity of all this.

    `calls`: functions are called, so that machine code is made once; else they are inlined.
    """

    entry: Callable
    block: Callable
    kinds: tuple[str | None, ...]
    identity: str
    calls: bool

    def template(self, signature: tuple, context: Any) -> Any:
        """The template for arguments of some types: from memory, from disk, or compiled."""
        key = self.identity, str(signature)
        found = _templates.get(key)
        if found is None:
            disk = DiskCache(self.identity)
            known = disk.load(signature, context)
            found = (Machine if self.calls else Template)(*known) if known else self._compiled(signature, context)
            if not known:
                disk.save(signature, context, tuple(found))
            _templates[key] = found
        return found

    def _compiled(self, signature: tuple, context: Any) -> Template | Machine:
        tag = hashlib.blake2b(repr((self.identity, str(signature))).encode(), digest_size=20).hexdigest()
        requests: list[Request] = []
        places = [kind and _placeholder(k, kind, tag, requests, self.calls) for k, kind in enumerate(self.kinds)]
        block = compiled(self.block(*places), tag, inline_helpers=True)
        made = compiled(self.entry(block), tag, entry=True, nogil=True, pipeline_class=PartCompiler)
        made.compile(signature)
        (found,) = made.overloads.values()
        found.fndesc.typemap = found.fndesc.calltypes = None  # large, and not needed any more
        entry = Entry(tag, found.fndesc, found.environment, found.signature, found.reload_init)
        text = found.library.simplified()
        if self.calls:
            return Machine(entry, machine_code(text, found.library.name, context), tuple(requests))
        return Template(entry, zlib.compress(text.encode(), 1), tuple(requests))


_templates: dict[tuple[str, str], Template | Machine] = {}


class LinkedCache:
    """What Numba's dispatcher asks of a cache, for an entry that is never compiled itself: from disk, else linked."""

    def __init__(self, recipe: Recipe, evaluators: list[Callable | None], digest: str, disk: DiskCache | None):
        self._recipe, self._evaluators, self._digest, self._disk = recipe, evaluators, digest, disk

    @property
    def hits(self) -> int:
        return self._disk.hits if self._disk else 0

    def load_overload(self, signature: Any, target_context: Any) -> CompileResult:
        """The compiled entry for arguments of some types."""
        if self._recipe.calls:
            return self._joined(signature, target_context)
        found = self._disk and self._disk.load_overload(signature, target_context)
        if found is None:
            with no_collection():
                template = self._recipe.template(signature, target_context)
                found = template.linked(self._evaluators, self._digest, target_context)
            if self._disk:
                self._disk.save_overload(signature, found)
        return found

    def _joined(self, signature: Any, target_context: Any) -> CompileResult:
        """The same of an entry that is machine code, with the functions it calls."""
        target_context.refresh()  # loads Numba's runtime, which machine code from disk needs too
        known = self._disk.load(signature, target_context) if self._disk else None
        if self._disk and known:
            self._disk.hits += 1
            return Joined(*known).result(target_context)
        with no_collection():
            template = self._recipe.template(signature, target_context)
            found = template.joined(self._evaluators, self._digest, target_context)
        if self._disk:
            self._disk.save(signature, target_context, tuple(found._replace(library=None)))
        return found.result(target_context)
