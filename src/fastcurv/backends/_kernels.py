"""Kernels: the compiled loop of an operation over points, for some functions.

An operation is a factory of blocks: given evaluators of the user's functions and what is known at compile time, it
returns a plain function ``block(task, worker, layout, points, arguments, *data)``. Kernels are kept by the identity of
all they were made from, in the process and on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

from numba.core.compiler_lock import global_compiler_lock

from .._interrupts import uninterrupted
from ..function import (
    DiskCache,
    Pointer,
    compiled,
    package_digest,
    play,
    play_vector,
    record,
    record_vector,
)
from ..simd import vector_library
from ._arguments import NOTHING_PACKED, Kinds, Packed, unpacker
from ._native import bind, run
from ._pace import Pace
from ._templates import LINKED, LinkedCache, Recipe


class Role(NamedTuple):
    """A user's function and what a block takes it for: one number, a vector, or a vector of one number."""

    function: Any  # a UserFunction, a Program, Lines, or a Length
    #: "scalar", "vector" or "row"; "number" or "numbers" where they carry derivatives; "traced" of programs; "lines";
    #: "length"
    kind: str

    def key(self, mode: str) -> tuple[str, str]:
        """What identifies it in a kernel of some mode: those of templates, records and plays serve all functions."""
        is_told = mode == "native" or (self.kind == "length" and mode != "template")
        return self.function.key if is_told else "", self.kind


class Length(NamedTuple):
    """The number of coordinates, which a kernel is told but its block is not: it takes ``length(points.shape[1])``."""

    n: int  # 0: any
    lasting: bool = True

    @property
    def key(self) -> str:
        """What identifies it."""
        return str(self)

    def evaluator(self) -> Callable:
        """The block's function."""
        known = self.n

        def length(n):
            return known

        def any_length(n):
            return n

        return length if known else any_length


#: kinds of roles for numbers that carry derivatives
CARRYING = ("number", "numbers")


class Operation(NamedTuple):
    """A factory of blocks and what is known of them at compile time."""

    factory: Callable[..., Callable]
    known: tuple[Any, ...] = ()
    in_lanes: bool = False  # whether functions are evaluated at several points at once
    calls: bool = False  # whether functions are called, in memory; else they are inlined


class Kernel:
    """The compiled loop of an operation over points, for some functions; one compilation for each set of types."""

    def __init__(self, operation: Operation, roles: tuple[Role | None, ...], mode: str):
        self._made_of = operation, roles, mode
        self.entries: dict[int, Any] = {}
        self.pace = Pace()
        self.ran: set[Any] = set()  # for which arguments, and types of points

    def entry(self, packed: Packed = NOTHING_PACKED) -> Any:
        """What runs it, for functions with such arguments."""
        found = self.entries.get(packed.identity)
        if found is None:
            with uninterrupted(), global_compiler_lock:  # the one lock of all that compiles, which forks wait for
                found = self.entries.get(packed.identity)
                if found is None:
                    found = self.entries[packed.identity] = _entry(*self._made_of, packed.kinds)
        return found


def _evaluators(roles: tuple[Role | None, ...], mode: str, kinds: Kinds) -> list[Callable | None]:
    """What blocks call, of functions with such arguments; where one is a C function, they are its own."""
    unpacked, is_for_c = unpacker(kinds), any(role and isinstance(role.function, Pointer) for role in roles)
    nothing = unpacker(Kinds())

    def evaluator(role: Role) -> Callable:
        given = nothing if is_for_c and not isinstance(role.function, Pointer) else unpacked
        return _AT_POINTS.get(role.kind, _number_at)(_evaluator(role, mode), given)

    return [role and evaluator(role) for role in roles]


def _blocks(operation: Operation, roles: tuple[Role | None, ...]) -> tuple[tuple[str | None, ...], Callable]:
    """The kinds of roles, and ``make_block(*evaluators)``."""
    forms = tuple(role and role.kind for role in roles)

    def make_block(*evaluators):
        return operation.factory(*map(_in_role, forms, evaluators), *operation.known)

    return forms, make_block


def block_of(operation: Operation, roles: tuple[Role | None, ...], kinds: Kinds) -> Callable:
    """The block of an operation for functions with such arguments, to be compiled for any target."""
    return _blocks(operation, roles)[1](*_evaluators(roles, "native", kinds))


def _entry(operation: Operation, roles: tuple[Role | None, ...], mode: str, kinds: Kinds) -> Any:
    digest = digest_of(operation, roles, mode, kinds)
    evaluators, (forms, make_block) = _evaluators(roles, mode, kinds), _blocks(operation, roles)
    make_entry = _bind_one if mode == "bind" else _run_all

    block = compiled(make_block(*evaluators), digest, inline_helpers=True)
    entry: Any = compiled(make_entry(block), digest, entry=True, nogil=True)
    entry._compile_for_args = uninterrupted()(entry._compile_for_args)  # what it does for arguments of new types
    cache: Any = DiskCache(digest) if all(role.function.lasting for role in roles if role) else None
    if mode != "bind" and any(forms) and all(form in LINKED for form in forms if form):
        recipe = Recipe(make_entry, make_block, forms, digest_of(operation, roles, "template"), operation.calls)
        cache = LinkedCache(recipe, evaluators, digest, cache)
    if cache:
        entry._cache = cache
    return entry


def _run_all(block):
    def run_all(loop, first, last, workers, *arguments):
        run(block, loop, first, last, workers, arguments)

    return run_all


def _bind_one(block):
    def bind_one(memory, *arguments):
        return bind(block, memory, arguments)

    return bind_one


_known: dict[Any, Kernel] = {}


def kernel(operation: Operation, roles: tuple[Role | None, ...] = (), mode: str = "native") -> Kernel:
    """The kernel of an operation for some functions, from memory if it was used before."""
    key = operation, mode, *(role and role.key(mode) for role in roles)
    found = _known.get(key)
    if found is None:
        with global_compiler_lock:
            found = _known.get(key)
            if found is None:
                found = _known[key] = Kernel(operation, roles, mode)
    return found


def _number_at(evaluate, unpacked):
    def call(x, point):
        return evaluate(x, unpacked(point))

    return call


def _vector_at(evaluate, unpacked):
    def call(x, y, point):
        evaluate(x, y, unpacked(point))

    return call


def _length_at(evaluate, unpacked):
    def call(n):
        return evaluate(n)

    return call


def _traced_at(evaluate, unpacked):
    def call(x, y, tables):
        evaluate(x, y, tables)

    return call


#: what a block calls, of other kinds of roles f(x, point)
_AT_POINTS = {"vector": _vector_at, "traced": _traced_at, "lines": _traced_at, "length": _length_at}
_RECORD = {"scalar": record, "vector": record_vector}
_PLAY = {"scalar": play, "vector": play_vector}


def _evaluator(role: Role, mode: str) -> Callable:
    """What evaluates a role's function as f(x, args) or, of vectors, g(x, y, args)."""
    if role.kind in ("traced", "lines", "length"):
        return role.function.evaluator()
    if role.kind == "number":
        return role.function.number()
    if role.kind == "numbers":
        return role.function.numbers()
    kind = "scalar" if role.kind == "row" else role.kind
    if mode == "native":
        return role.function.scalar() if kind == "scalar" else role.function.vector()
    return (_RECORD if mode == "record" else _PLAY)[kind]


def _in_role(kind: str | None, f: Any) -> Any:
    """What a block calls: an evaluator, of a row g(x, y, args)."""

    def g(x, y, args):
        y[0] = f(x, args)

    return g if kind == "row" else f


def digest_of(operation: Operation, roles: tuple[Role | None, ...], mode: str, kinds: Kinds | None = None) -> str:
    """Identifies a kernel in every process: its block, its functions, and the package itself."""
    identity = (
        operation.factory.__qualname__,
        operation.known,
        operation.in_lanes and vector_library(),
        mode,
        [role and role.key(mode) for role in roles],
        str(kinds),
        package_digest(),
    )
    return hashlib.blake2b(repr(identity).encode(), digest_size=20).hexdigest()
