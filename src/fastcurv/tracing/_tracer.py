"""The tracer: a user's function run once on symbols, its helpers with it, into an expression graph.

The function is rebuilt over a copy of the globals and closure values that it reads, in which NumPy, `math` and some
builtins know symbols, and in which an `if` that depends on x traces both sides (`_conversion`).
"""

from __future__ import annotations

import contextlib
import copy
import dis
import hashlib
import linecache
import re
import types
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numba.core.dispatcher import Dispatcher

from .._errors import LengthError, TracingError
from ..function._digest import globals_in, is_library, names_in
from ._arrays import BUILTINS, Array, choose, is_open, substitute
from ._conversion import Hooks, converted
from ._graph import Graph
from ._integers import Integers, may_be_symbols
from ._symbols import Symbol, Trace, constant

#: numbers in all arguments; beyond, a function is no longer a straight line of reasonable length
MOST_ARGUMENTS = 100_000


#: integers in arrays: symbols whose comparisons are open, or whose values are taken when asked, or constants
Way = Literal["compared", "asked", "constant"]


class Traced:
    """A function as a graph: one output for a scalar function, one for each value of others.

    It depends on the values of shared arguments that are `fixed`, by number.
    """

    def __init__(self, graph: Graph, outputs: tuple[int, ...], fixed: tuple[int, ...] = ()):
        self.graph, self.outputs, self.fixed = graph, outputs, fixed
        #: its terms by shapes, for programs
        self.shapes: dict[tuple, Any] = {}


def flattened(args: tuple) -> np.ndarray:
    """The real numbers among arguments, in order; booleans, strings and None are not among them."""
    parts = [part.reshape(-1) if isinstance(part, np.ndarray) else (part,) for part in numbers_of(args)]
    return np.concatenate(parts, dtype=np.float64) if parts else np.zeros(0)


def numbers_of(args: tuple) -> Iterator[Any]:
    """The arguments that are real numbers, or arrays of such, in order."""
    for value in args:
        if isinstance(value, tuple):
            yield from numbers_of(value)
        elif _is_symbolic(value):
            yield value


def _is_symbolic(value: Any) -> bool:
    """Whether an argument becomes symbols. Arrays of other types round."""
    if getattr(value, "ndim", 0):  # also on a device
        return value.dtype == np.float64 or may_be_symbols(value)
    return type(value) in (int, float, np.float64, np.int64)


def others(args: tuple) -> tuple:
    """What identifies the arguments beside their real numbers: shapes, and whatever is no number."""
    return tuple(map(_other, args))


def _other(value: Any) -> Any:
    if getattr(value, "ndim", 0):
        return tuple(value.shape), value.dtype.char, None if _is_symbolic(value) else _digest(value)
    if isinstance(value, tuple):
        return others(value)
    return type(value) if _is_symbolic(value) else (type(value), value)


def _digest(array: np.ndarray) -> bytes:
    return hashlib.blake2b(array.tobytes(), digest_size=20).digest()


class _Leaves:
    """Arguments as symbols, in the order of `flattened`; those of a point's own count on from its coordinates."""

    def __init__(self, trace: Trace, kind: str, first: int = 0, integers: Way = "asked"):
        self._trace, self._kind, self._count, self._integers = trace, kind, first, integers

    def __call__(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self, value))
        if not _is_symbolic(value) or (self._kind == "own" and _is_whole(value)):
            if np.iscomplexobj(value):
                raise TracingError("an argument is complex")
            if self._kind == "own":
                raise TracingError("the points' own arguments are not all numbers of float64")
            return value
        if isinstance(value, np.ndarray):
            return self._array(value)
        return self._symbol(isinstance(value, (int, np.integer)))

    def _array(self, values: np.ndarray) -> Any:
        first, whole = self._count, _is_whole(values)
        if whole and self._integers == "constant":
            self._count += values.size
            self._trace.fixed.update(range(first, self._count))
            return values
        found = np.empty(values.shape, object)
        found.reshape(-1)[:] = symbols = [self._symbol(whole) for _ in range(values.size)]
        found.flags.writeable = False
        if whole:
            self._trace.elements.update(symbol.node for symbol in symbols)
            self._trace.compares_elements = self._integers == "compared"
        if not found.ndim:
            return found[()]
        return Integers(found) if whole else found.view(Array)

    def _symbol(self, whole: bool) -> Symbol:
        self._count += 1
        node = self._trace.graph.leaf(self._kind, self._count - 1)
        if whole and self._kind == "own":
            self._trace.own_integers.add(node)
        return Symbol(self._trace, node, whole and self._kind == "shared")


def trace(
    function: Callable,
    n: int,
    args: tuple,
    own: tuple = (),
    frozen: Callable[[Any], Any] = lambda value: value,
    again: bool = False,
) -> Traced:
    """The graph of a function of n coordinates, arguments that all points share, and those of one point.

    `frozen` gives the values that the function's globals are known by. A function that is traced `again`, for other
    arguments that steer it, takes both sides where integers in arrays are compared, if it then serves all of them.

    Raises
    ------
    TracingError
        With the reason, and the line.
    LengthError
        If there are no values.
    """
    if sum(np.size(part) for part in numbers_of((args, own)) if not _is_whole(part)) > MOST_ARGUMENTS:
        raise TracingError(f"{_name(function)} cannot be traced: its arguments have over {MOST_ARGUMENTS:,} numbers")
    if not any(map(_is_whole, numbers_of(args))):
        return _traced(function, n, args, own, frozen, "asked")
    for way in ("compared", "asked") if again else ("asked",):
        with contextlib.suppress(TracingError):
            found = _traced(function, n, args, own, frozen, way)
            if way == "asked" or not found.fixed:
                return found
    return _traced(function, n, args, own, frozen, "constant")


def _is_whole(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype == np.int64


def _traced(function: Callable, n: int, args: tuple, own: tuple, frozen: Callable[[Any], Any], integers: Way) -> Traced:
    """The graph, made in one of the ways to take integers in arrays."""
    run = Trace(flattened(args))
    x = np.empty(n, object)
    for i in range(n):
        x[i] = Symbol(run, run.graph.leaf("x", i))
    x.flags.writeable = False
    twins, random = _Twins(frozen), np.random.get_state()  # noqa: NPY002  the state that users share
    try:
        with np.errstate(all="ignore"):
            arguments = (*_Leaves(run, "shared", 0, integers)(args), *_Leaves(run, "own", n)(own))
            result = twins.twin(function)(x.view(Array), *arguments)
            outputs = _nodes(run, result)
    except Exception as error:  # whatever a user's function does with a symbol
        place = "" if ", line " in str(error) else twins.place(error)
        raise TracingError(f"{_name(function)} cannot be traced: {_reason(error)}{place}") from error
    finally:
        np.random.set_state(random)  # noqa: NPY002  as it was before
    if not outputs:
        raise LengthError(0)
    return Traced(run.graph, outputs, tuple(sorted(run.fixed)))


def _name(function: Callable) -> str:
    return getattr(function, "__qualname__", repr(function))


def _reason(error: Exception) -> str:
    if isinstance(error, TracingError):
        return str(error)
    text = str(error).partition("\n")[0]
    if isinstance(error, IndexError) and "arrays used as indices" in text:
        return "a mask, or an array of indices, depends on x or on arguments"
    if isinstance(error, ValueError) and text.endswith("read-only"):
        return "it writes to x, or to an array that is one or another as x says"
    if isinstance(error, RecursionError):
        return "how often it calls itself depends on x"
    if isinstance(error, TypeError) and "'Condition'" in text:
        return "a condition that depends on x is taken for a number"
    if isinstance(error, TypeError) and ("Symbol" in text or "dtype('O')" in text):
        name = re.search(r"ufunc '(\w+)'|callable (\w+) method", text)
        return f"NumPy's {name[1] or name[2]} is not traced" if name else "it calls what cannot be traced"
    return f"{type(error).__name__}: {text}"


def _nodes(run: Trace, result: Any) -> tuple[int, ...]:
    """The outputs: of a number, or of each in a tuple, a list or an array."""
    if isinstance(result, np.ndarray) and result.ndim == 0:
        result = result[()]
    values = result if isinstance(result, (tuple, list, np.ndarray)) else [result]
    return tuple(constant(run, value).node for value in values)


class _Twins:
    """Functions rebuilt to run on symbols."""

    def __init__(self, frozen: Callable[[Any], Any]):
        self._frozen = frozen
        self._made: dict[int, types.FunctionType] = {}
        self._modules: dict[int, types.ModuleType] = {}
        self._filled: set[tuple[int, frozenset[str]]] = set()
        self._namespaces: list[dict[str, Any]] = []

    def twin(self, function: Any) -> types.FunctionType:
        """A function, or that of a dispatcher."""
        if isinstance(function, Dispatcher):
            function = function.py_func
        if id(function) in self._made:
            return self._made[id(function)]
        code = function.__code__
        if any(step.opname in ("PUSH_EXC_INFO", "MATCH_CLASS") for step in dis.get_instructions(code)):
            raise TracingError(
                f"{function.__qualname__} handles exceptions or matches types, which may differ for symbols"
                f"\n  at {code.co_filename}, line {code.co_firstlineno}"
            )
        names = frozenset(names_in(function.__code__))
        namespace: dict[str, Any] = {"__builtins__": BUILTINS, "__name__": __name__}
        self._namespaces.append(namespace)
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        self._made[id(function)] = made = converted(function, namespace, cells, HOOKS)
        made.__defaults__, made.__kwdefaults__ = copy.deepcopy(
            (self._frozen(function.__defaults__), function.__kwdefaults__)
        )
        for cell, original in zip(cells, function.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # an empty cell
                cell.cell_contents = self._substitute(original.cell_contents, names)
        for name in globals_in(code) & function.__globals__.keys():
            namespace[name] = self._substitute(function.__globals__[name], names)
        return made

    def _substitute(self, value: Any, names: frozenset[str]) -> Any:
        found = substitute(value)
        if found is not value:
            return found
        if isinstance(value, (Dispatcher, types.FunctionType)) and not is_library(getattr(value, "py_func", value)):
            return self.twin(value)
        if isinstance(value, types.ModuleType) and not is_library(value):
            return self._module(value, names)
        if isinstance(value, (np.ndarray, list, tuple, dict, set, bytearray)):
            return copy.deepcopy(self._frozen(value))  # lest a function that writes to it changes the user's
        return value

    def _module(self, module: types.ModuleType, names: frozenset[str]) -> types.ModuleType:
        """A stand-in for a user's module."""
        twin = self._modules.setdefault(id(module), types.ModuleType(module.__name__))
        if (id(module), names) not in self._filled:
            self._filled.add((id(module), names))
            for name in names & vars(module).keys():
                setattr(twin, name, self._substitute(vars(module)[name], names))
        return twin

    def place(self, error: Exception) -> str:
        """The innermost line of the user's own where it was raised."""
        found, step = "", error.__traceback__
        while step is not None:
            frame = step.tb_frame
            if any(frame.f_globals is namespace for namespace in self._namespaces):
                file, line = frame.f_code.co_filename, step.tb_lineno
                source = linecache.getline(file, line).strip()
                found = f"\n  at {file}, line {line}{': ' + source if source else ''}"
            step = step.tb_next
        return found


@contextlib.contextmanager
def _under(condition: Any) -> Iterator[None]:
    """Both sides of an `if` are traced alike."""
    yield


HOOKS = Hooks(
    is_symbolic=is_open,
    merge=choose,
    both=lambda a, b: a & b,
    either=lambda a, b: a | b,
    negation=lambda a: ~a,
    under=_under,
)
