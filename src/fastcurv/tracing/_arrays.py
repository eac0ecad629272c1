"""NumPy on symbols: arrays of them, and what takes the place of NumPy, `math` and builtins in a traced function.

Arrays are object arrays whose ufuncs, comparisons among them, are applied entry by entry; the rest is NumPy's own.
"""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .._errors import TracingError
from ._functions import FUNCTIONS, NUMPY_FUNCTIONS, greatest, greatest_or_nan, least, least_or_nan, where
from ._integers import Integers, told
from ._symbols import Condition, Symbol, _Traced


class Array(np.ndarray):
    """An array of symbols and numbers."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return apply_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function, types, args, kwargs):
        return apply_function(function, args, kwargs)

    def astype(self, dtype, *args, **kwargs):
        """Itself, for real numbers: those of symbols have one type only."""
        if not _is_double(dtype):
            raise TracingError(f"an array that depends on x is converted to {np.dtype(dtype)}")
        return self.copy()

    def var(self, axis=None, *, ddof=0):
        return np.var(self, axis=axis, ddof=ddof)

    def std(self, axis=None, *, ddof=0):
        return np.std(self, axis=axis, ddof=ddof)


def real(values: np.ndarray, dtype: Any) -> Any:
    """An object array of integers as one of reals."""
    if not _is_double(dtype):
        raise TracingError(f"an array of integers is converted to {np.dtype(dtype)}")
    return np.frompyfunc(_float, 1, 1)(values).view(Array)


def array(values: Any) -> Any:
    """An object array as one of symbols; anything else as it is."""
    return values.view(Array) if isinstance(values, np.ndarray) and values.dtype == object else values


def _plain(value: Any) -> Any:
    """What NumPy takes as it is, in place of a symbol or an array of symbols."""
    if isinstance(value, Array):
        return value.view(np.ndarray)
    if isinstance(value, Integers):
        return value.symbols
    if isinstance(value, _Traced):
        scalar = np.empty((), object)
        scalar[()] = value
        return scalar
    if isinstance(value, (tuple, list)):
        return type(value)(map(_plain, value)) if type(value) in (tuple, list) else value
    return value


def _result(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == object:
        return value.view(Array) if value.ndim else value[()]
    return value


@functools.cache
def _entrywise(name: str, operands: int) -> np.ufunc:
    function = NUMPY_FUNCTIONS[name]

    def apply(*values: Any) -> Any:
        if any(isinstance(value, _Traced) for value in values):
            return function(*values)
        found = getattr(np, name)(*values)
        return found.item() if isinstance(found, np.generic) else found

    return np.frompyfunc(apply, operands, 1)


#: ufuncs that NumPy applies to objects by their operators
_BY_OPERATORS = (np.add, np.subtract, np.multiply, np.true_divide, np.matmul, np.floor_divide)


def apply_ufunc(ufunc: Any, method: str, inputs: tuple, options: dict) -> Any:
    """A ufunc of symbols."""
    if out := options.get("out"):
        options["out"] = tuple(map(_plain, out))
    options.pop("casting", None)
    if ufunc in _BY_OPERATORS:
        found = getattr(ufunc, method)(*map(_plain, inputs), **options)
    elif ufunc.__name__ in NUMPY_FUNCTIONS and ufunc is getattr(np, ufunc.__name__):
        apply = getattr(_entrywise(ufunc.__name__, ufunc.nin), method)
        found = (functools.partial(_reduced, apply) if method == "reduce" else apply)(*map(_plain, inputs), **options)
    else:
        raise TracingError(f"np.{ufunc.__name__} is not traced")
    if any(isinstance(value, Integers) for value in inputs) and isinstance(found, np.ndarray) and not out:
        found = told(found)
    return out[0] if out else _result(found)


def _where(condition: Any, *branches: Any) -> Any:
    if len(branches) != 2:
        raise TracingError("np.where(condition) depends on x")
    if all(np.asarray(_plain(branch)).dtype.kind in "iu" for branch in branches):
        raise TracingError("np.where between integers is not traced")
    return np.frompyfunc(where, 3, 1)(_plain(condition), *map(_plain, branches))


def _reduced(reduce: Callable, a: Any, axis: Any = 0, **options: Any) -> Any:
    """Over an axis, or over all (None) in their order: NumPy does not know that this makes no difference."""
    if axis is None and not options.get("keepdims"):
        a, axis = np.asarray(a).reshape(-1), 0
    return reduce(a, axis=axis, **options)


def _extreme(combine: Callable) -> Callable:
    ufunc = np.frompyfunc(combine, 2, 1)

    def reduce(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
        return _reduced(ufunc.reduce, _plain(a), axis, keepdims=keepdims)

    return reduce


def _norm(x: Any, *options: Any, **more: Any) -> Any:
    x = np.asarray(_plain(x))
    if options or more:
        raise TracingError("np.linalg.norm with options is not traced")
    return (x.reshape(-1) ** 2).sum() ** 0.5


def _variance(a: Any, axis: Any = None, *, ddof: float = 0) -> Any:
    a = np.asarray(_plain(a))
    mean = a.mean(axis=axis, keepdims=True)
    count = a.size // max(1, mean.size)
    return ((a - mean) ** 2).sum(axis=axis) / (count - ddof)


def _nan_to_num(a: Any, copy: bool = True, nan: float = 0.0) -> Any:
    if not copy:
        raise TracingError("np.nan_to_num in place is not traced")
    largest = np.finfo(float).max

    def finite(x: Any) -> Any:
        return where(x != x, nan, where(x == math.inf, largest, where(x == -math.inf, -largest, x)))

    return np.frompyfunc(finite, 1, 1)(_plain(a))


def _clip(a: Any, low: Any = None, high: Any = None) -> Any:
    a = _plain(a)
    a = a if low is None else _entrywise("maximum", 2)(a, _plain(low))
    return a if high is None else _entrywise("minimum", 2)(a, _plain(high))


def _filled(number: float | None) -> Callable:
    def make(like: Any, *args: Any, **options: Any) -> Any:
        return _new(number, np.shape(_plain(like)))

    return make


#: functions of NumPy that are no ufuncs, where its own do not serve
_REPLACED: dict[Any, Callable] = {
    np.where: _where, np.max: _extreme(greatest_or_nan), np.min: _extreme(least_or_nan), np.linalg.norm: _norm,
    np.clip: _clip, np.var: _variance, np.std: lambda a, axis=None, **more: _variance(a, axis, **more) ** 0.5,
    np.nan_to_num: _nan_to_num, np.zeros_like: _filled(0.0), np.ones_like: _filled(1.0), np.empty_like: _filled(0.0),
}  # fmt: skip
_ASKS = (np.argmax, np.argmin, np.argsort, np.sort, np.searchsorted, np.nonzero, np.unique, np.median, np.allclose)


def apply_function(function: Any, args: tuple, options: dict) -> Any:
    """A function of NumPy of arrays of symbols."""
    if function in _ASKS:
        raise TracingError(f"np.{function.__name__} asks for the values of what depends on x")
    if function in _REPLACED:
        return _result(_REPLACED[function](*args, **options))
    return _result(function(*map(_plain, args), **{name: _plain(value) for name, value in options.items()}))


def _new(number: float | None, shape: Any) -> Any:
    found = np.empty(shape, object)
    found[...] = number
    return found.view(Array)


def _creator(function: Callable, number: float | None) -> Callable:
    """`np.zeros` and the like, for arrays that may hold symbols."""

    def create(shape: Any, dtype: Any = np.float64, **options: Any) -> Any:
        return _new(number, shape) if _is_double(dtype) else function(shape, dtype, **options)

    return create


def _is_double(dtype: Any) -> bool:
    """Whether arrays of a type may hold symbols: of float64, or of the type of x; no others hold x unrounded."""
    if dtype is _float:
        return True
    found = np.dtype(dtype)
    if found.kind == "f" and found != np.float64:
        raise TracingError(f"arrays of {found} are not traced: make them with x.dtype")
    return found.kind in "fO"


def _full(shape: Any, value: Any, dtype: Any = None) -> Any:
    if dtype is None and _is_whole(value):
        return np.full(shape, int(value))
    return _new(value, shape) if dtype is None or _is_double(dtype) else np.full(shape, value, dtype)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) or (isinstance(value, Symbol) and value.is_integer)


def _array(values: Any, dtype: Any = None, **options: Any) -> Any:
    if dtype is not None and not _is_double(dtype):
        return np.array(values, dtype, **options)
    found = np.array(values, object)
    if dtype is None and all(map(_is_whole, found.flat)):
        return np.array([int(value) for value in found.flat], np.int64).reshape(found.shape)
    if not any(isinstance(value, _Traced) for value in found.flat):
        return np.array(values, None if dtype is _float else dtype, **options)
    return found.view(Array)


def _asarray(values: Any, dtype: Any = None) -> Any:
    return values if isinstance(values, np.ndarray) and dtype is None else _array(values, dtype)


def _dispatching(original: Callable, function: Callable) -> Callable:
    """A function that is another one for symbols."""

    @functools.wraps(original)
    def apply(*operands: Any) -> Any:
        if any(isinstance(x, _Traced) for x in operands):
            return function(*operands)
        return original(*operands)

    return apply


def _folded(original: Callable, combine: Callable) -> Callable:
    """Python's min or max."""

    def apply(*operands: Any, **options: Any) -> Any:
        items = list(operands[0]) if len(operands) == 1 else list(operands)
        if not any(isinstance(x, _Traced) for x in items):
            return original(items, **options)
        if options:
            raise TracingError(f"{original.__name__} with options is not traced")
        return functools.reduce(combine, items)

    return apply


def _float(x: Any = 0.0) -> Any:
    if isinstance(x, Condition):
        return x.number()
    return x.real() if isinstance(x, Symbol) else float(x)


def _asking(original: Callable) -> Callable:
    """A builtin that asks what kind of thing a symbol is."""

    def ask(thing: Any, *rest: Any) -> Any:
        if isinstance(thing, (_Traced, Array, Integers)):
            raise TracingError(f"{original.__name__}(...) of what depends on x, or of an argument, is not traced")
        return original(thing, *rest)

    return ask


_MATH = {name: _dispatching(original, FUNCTIONS[name]) for name, original in vars(math).items() if name in FUNCTIONS}
_NUMPY = {
    "zeros": _creator(np.zeros, 0.0), "empty": _creator(np.empty, 0.0), "ones": _creator(np.ones, 1.0), "full": _full,
    "array": _array, "asarray": _asarray, "ascontiguousarray": _asarray, "float64": _float,
    "isscalar": _asking(np.isscalar),
}  # fmt: skip


def _print(*values: Any, **options: Any) -> None:
    raise TracingError("it prints, and symbols are no numbers")


_BUILTINS = {
    "print": _print,
    "min": _folded(min, least), "max": _folded(max, greatest), "float": _float, "isinstance": _asking(isinstance),
    "type": _asking(type), "hasattr": _asking(hasattr),
}  # fmt: skip

#: what stands for names, functions and modules in a traced function
BUILTINS = {**vars(builtins), **_BUILTINS}
_FUNCTIONS = {
    **{getattr(math, name): function for name, function in _MATH.items()},
    **{getattr(np, name): function for name, function in _NUMPY.items()},
    **{getattr(builtins, name): function for name, function in _BUILTINS.items()},
}


class _StandIn(ModuleType):
    """A module of which some functions are others."""

    def __init__(self, module: ModuleType, functions: dict[str, Callable]):
        super().__init__(module.__name__)
        self._module = module
        vars(self).update(functions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


_MODULES = {math: _StandIn(math, _MATH), np: _StandIn(np, _NUMPY)}


def substitute(value: Any) -> Any:
    """What stands for a library's module or function in a traced function: itself, unless it is ours."""
    if isinstance(value, ModuleType):
        return _MODULES.get(value, value)
    try:
        return _FUNCTIONS.get(value, value)
    except TypeError:  # not hashable
        return value


def choose(condition: Any, a: Any, b: Any) -> Any:
    """What a variable is after an `if` whose condition depends on x, from what it is after each side."""
    if a is b:
        return a
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if np.shape(a) != np.shape(b):
            raise TracingError("an array has another shape on each side of an `if` that depends on x")
        for part in (a, b):
            _freeze(part)
        return _frozen(_result(np.frompyfunc(where, 3, 1)(_plain(condition), _plain(a), _plain(b))))
    if type(a) is type(b) is tuple and len(a) == len(b):
        return tuple(choose(condition, x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, list) or isinstance(b, list):
        raise TracingError("which list a variable is depends on x")
    is_number = [isinstance(x, (int, float, np.generic, _Traced)) for x in (a, b)]
    if all(is_number):
        return where(condition, a, b)
    if type(a) is type(b) and not is_number[0] and a == b:
        return a
    raise TracingError("a variable is a number on one side only of an `if` that depends on x")


def _freeze(array: Any) -> None:
    """No more writes to what may, or may not, be what a variable is."""
    while isinstance(array, np.ndarray):
        array.flags.writeable = False
        array = array.base


def _frozen(array: Any) -> Any:
    _freeze(array)
    return array


def is_open(condition: Any) -> bool:
    """Whether both outcomes of a condition are to be traced."""
    return isinstance(condition, Condition) and condition.is_open
