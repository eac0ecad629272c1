"""Compilation of a function together with the plain Python functions that it calls.

Numba alone refuses undecorated helpers ("untyped global"). Here a function is rebuilt over a copy of the globals and
closure values that it reads, in which every helper, also `module.helper` and the function itself, is compiled too.
The project's own kernels are plain functions compiled in the same way.
"""

from __future__ import annotations

import builtins
import linecache
import re
import traceback
import types
import weakref
from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core import errors
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.errors import UnsupportedBytecodeError
from numba.core.ir import Loc
from numba.core.registry import cpu_target

from .._errors import CompilationError, LanesError
from . import _error_model
from ._digest import globals_in, is_library, names_in
from ._parts import PACKAGE, KernelCompiler, PartCompiler, recursive

#: contraction to fma only (no-NaN flags break the detection of NaN, reassociation the solver)
FLAGS = {"error_model": _error_model.NAME, "fastmath": {"contract"}}


_njit: Any = njit
_context: Any = cpu_target.typing_context
#: dispatchers made here, which need no rebuilding
_ours: weakref.WeakSet[Dispatcher] = weakref.WeakSet()


def compiled(
    function,
    tag: str,
    *,
    frozen: Callable[[Any], Any] = lambda value: value,
    entry: bool = False,
    inline_helpers: bool = False,
    exact: bool = False,
    **flags,
) -> Dispatcher:
    """A dispatcher for a plain function or an existing dispatcher, its helpers compiled with it.

    `tag` becomes part of the names of all machine code: names must differ where code differs, also between kernels
    that were cached by different processes, or the linker takes one for the other. Functions of the package's modules
    have names of their own, and one dispatcher for all that call them. With `inline_helpers` LLVM inlines helpers;
    Numba's own inlining takes two fifths of the time of a large block, and loses statements. `exact` code and its
    helpers contract no operations. Only an `entry` can be called from Python. `frozen` gives the values that the code
    is to know its globals by.
    """
    common = {"fastmath": False} if exact else {}
    helper_flags = {**common, "forceinline": True} if inline_helpers else common
    if _is_shared(function) and not entry and not flags and helper_flags == common:
        return _shared(function, common)
    return _Rebuild(tag, helper_flags, frozen).dispatcher(function, entry, **common, **flags)


def inlined(function) -> Dispatcher:
    """The dispatcher of a function of the package that `exact` code with `inline_helpers` shares."""
    return _shared(function, {"fastmath": False, "forceinline": True})


class _Rebuild:
    def __init__(self, tag: str, helper_flags: dict[str, Any], frozen: Callable[[Any], Any] = lambda value: value):
        self._tag, self._helper_flags, self._frozen = tag, helper_flags, frozen
        self._made: dict[int, Dispatcher] = {}
        self._open: dict[int, types.FunctionType] = {}  # twins of functions whose helpers are being made
        self._modules: dict[int, types.ModuleType] = {}
        self._filled: set[tuple[int, frozenset[str]]] = set()

    def dispatcher(self, function, entry: bool = False, **flags: Any) -> Dispatcher:
        if isinstance(function, Dispatcher):
            function = function.py_func
        if id(function) in self._made:
            made = self._made[id(function)]
            if id(function) in self._open or made.py_func in recursive:
                recursive.update(self._open.values())
            return made
        code, names = function.__code__, frozenset(names_in(function.__code__))
        # the user's module may have another name, or none, where the code is loaded from disk
        namespace = {"__builtins__": builtins, "__name__": __package__}
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        defaults = self._frozen(function.__defaults__)
        twin = types.FunctionType(code, namespace, function.__name__, defaults, cells or None)
        twin.__qualname__, twin.__module__ = f"{function.__qualname__}_{self._tag}", __package__
        flags.setdefault("pipeline_class", KernelCompiler if entry else PartCompiler)
        flags = {**FLAGS, "no_cpython_wrapper": not entry, "no_cfunc_wrapper": True, **flags}
        self._made[id(function)] = made = _njit(**flags)(twin)
        _ours.add(made)
        self._open[id(function)] = twin
        for cell, original in zip(cells, function.__closure__ or (), strict=True):
            try:
                cell.cell_contents = self._substitute(original.cell_contents, names)
            except ValueError:  # an empty cell: Numba names the variable when it meets it
                continue
        for name in globals_in(code) & function.__globals__.keys():
            namespace[name] = self._substitute(function.__globals__[name], names)
        del self._open[id(function)]
        return made

    def _substitute(self, value, names: frozenset[str]):
        if isinstance(value, Dispatcher):
            return value if value in _ours else self.dispatcher(value, **self._helper_flags)
        if isinstance(value, types.FunctionType) and not is_library(value) and not _known(value):
            if _is_shared(value):
                return _shared(value, self._helper_flags)
            return self.dispatcher(value, **self._helper_flags)
        if isinstance(value, types.ModuleType) and not is_library(value):
            return self._module(value, names)
        return self._frozen(value)

    def _module(self, module: types.ModuleType, names: frozenset[str]) -> types.ModuleType:
        """A stand-in for a user's module, in which the functions the code may read are compiled."""
        twin = self._modules.setdefault(id(module), types.ModuleType(module.__name__))
        if (id(module), names) not in self._filled:
            self._filled.add((id(module), names))
            for name in names & vars(module).keys():
                setattr(twin, name, self._substitute(vars(module)[name], names))
        return twin


#: what rebuilt functions of the package, by their module and the flags they are compiled with
_rebuilds: dict[Any, _Rebuild] = {}


def _is_shared(function) -> bool:
    """Whether a function is one of a module of the package, not made by another function."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename.startswith(PACKAGE) and function.__qualname__ == function.__name__


def _shared(function, flags: dict[str, Any]) -> Dispatcher:
    """The dispatcher of a function of the package, for all kernels: its types are inferred once in a process."""
    with global_compiler_lock:
        tag = "_".join([function.__module__, *map(str, flags)])
        if tag not in _rebuilds:
            _rebuilds[tag] = _Rebuild(tag, flags)
        return _rebuilds[tag].dispatcher(function, **flags)


def _known(function) -> bool:
    """Whether Numba can call this Python function by itself: it, or a library, registered an overload for it."""
    _context.refresh()
    try:
        _context.resolve_value_type(function)
    except (errors.NumbaError, ValueError):
        return False
    return True


def cause_of(error: Exception) -> Exception | None:
    """What to raise a CompilationError from: of Numba's own errors the message tells all that their traces do."""
    return None if isinstance(error, (errors.NumbaError, UnsupportedBytecodeError)) else error


def compilation_error(function, error: Exception, *, exact: bool = False, lanes: bool = False) -> CompilationError:
    """What could not be compiled, where, and the way out, from Numba's message.

    `exact`: of a function that compiles, but not for numbers that carry derivatives; `lanes`: not for lanes.
    """
    message = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    reason = _reason(message)
    if cause_of(error) is not None and reason not in _IN_WORDS.values():
        reason = f"Numba itself fails with {type(error).__name__}: {reason}"
    name = getattr(function, "__qualname__", repr(function))
    where = ""
    places = re.findall(r'File "([^"]+)", line (\d+)', message)
    found = [(file, int(line)) for file, line in places] or _where_inference_was(error)
    own = [place for place in found if not place[0].startswith(PACKAGE) and "/numba/" not in place[0]]
    if own:
        file, line = _resolved(function, own[0][0]), own[0][1]  # the innermost
        source = linecache.getline(file, line).strip()
        where = f"\n  at {file}, line {line}{': ' + source if source else ''}"
    elif code := getattr(function, "__code__", None):
        where = f"\n  in the function at {code.co_filename}, line {code.co_firstlineno}"
    if lanes:
        return LanesError(f"{name} cannot be evaluated at several points at once: {reason}{where}")
    if exact:
        return CompilationError(
            f"{name} cannot be evaluated in numbers that carry derivatives: {reason}{where}\n"
            f"Use method='central', or make arrays that hold results of x with np.empty(m, x.dtype)."
        )
    return CompilationError(
        f"{name} cannot be compiled by Numba: {reason}{where}\n"
        f"Write it within Numba's nopython subset, or wrap it as fastcurv.vectorized(fun), where fun is any Python "
        f"callable on an (N, n) array (finite differences only)."
    )


def _where_inference_was(error: Exception) -> list[tuple[str, int]]:
    """The innermost place whose types Numba inferred when it failed itself: such errors name none."""
    found = [getattr(frame.f_locals.get("self"), "loc", None) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [(loc.filename, loc.line) for loc in found if isinstance(loc, Loc)][-1:]


def _resolved(function, file: str) -> str:
    """Numba shortens file names; the full one when it is the function's own file."""
    full = getattr(getattr(function, "__code__", None), "co_filename", file)
    return full if full.endswith(file.lstrip(".")) else file


_NOISE = (
    "Failed in nopython mode",
    "During:",
    "File ",
    "Invalid use of",
    "<source",
    "raised from",
    "Overload",
)


#: what Numba has no words for, or only its own
_IN_WORDS = {
    "opcode (IMPORT_NAME)": "it imports a module where it is called; import that outside of it",
    "exception_match": "of exceptions all are caught or none: write `except Exception:`",
    "<module 'scipy": "SciPy is not compiled; math.erf, math.gamma and math.lgamma are",
    "<class 'numpy.ufunc'>": "ufuncs that are not NumPy's are not compiled; math.erf, math.gamma and math.lgamma are",
    "Function(<class 'bool'>)": "it branches on x",
    "'NoneType' object has no attribute 'args'": "it adds what is made from x to an array of other numbers, in place",
    "Function(<built-in function setitem>)": "it puts what is made from x into an array of other numbers",
}


def _reason(message: str) -> str:
    """The sentence of Numba's message that tells the cause: the first that is no frame, header or source line."""
    for line in message.splitlines():
        text = line.strip(" -:|")
        if text and not text.startswith(_NOISE) and not set(text) <= set("^~ "):
            unknown = re.match(r"No implementation of function Function\(<(?:built-in )?\w+ '?([\w.]+)", text)
            told = f"there is no {unknown[1]} for such arguments" if unknown else text
            return next((words for name, words in _IN_WORDS.items() if name in text), told)
    return message.strip().partition("\n")[0] or "an error inside Numba"
