"""The three kinds of function that a user may give, behind one interface for the kernels.

Kernels call ``f(x, args) -> float`` or ``g(x, y, args)`` where `args` is a tuple whose first entry is an array of one
integer, set where the function raised, and whose rest belongs to the kind: `native_args`.
"""

from __future__ import annotations

import ctypes
import math
import re
import types
import weakref
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numba.core import types as numba_types
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher
from numba.extending import overload

from ..backends._native import alike, call_c, call_guarded, scalar_evaluator
from ..elements import teach_arrays
from ._compile import compiled
from ._digest import Digest, digest
from ._refusals import Refusals
from ._trial import note_precision

Evaluator = Callable[..., Any]
#: bytes of points in one call of a vectorized function, unless it names its batch size
BATCH_BYTES = 2**26


class Compiled:
    """A plain Python function, or a dispatcher, that Numba compiles into the kernels."""

    def __init__(self, function, identity: Digest):
        self.function = function.py_func if isinstance(function, Dispatcher) else function
        self.identity = identity
        self.key = identity.hex
        self.lasting = identity.lasting
        self._dispatcher: Dispatcher | None = None
        self.checked: dict[Any, int] = {}  # what the plain Python trial found, by n and types of arguments
        self.coarsest: dict[str, float] = {}  # eps of the coarsest values seen, by the type of points
        code = self.function.__code__
        self.refused = Refusals(self.key, f"{code.co_filename}, {code.co_firstlineno}", self.lasting)
        self.traced: dict[Any, list] = {}  # expression graphs, by n and shapes of arguments
        self.ready: dict[Any, Any] = {}  # their programs, by case

    @property
    def name(self) -> str:
        return self.function.__qualname__

    @property
    def dispatcher(self) -> Dispatcher:
        if self._dispatcher is None:
            is_recursive = self.function.__name__ in self.function.__code__.co_names
            teach_arrays()  # x may be an array of elements
            self._dispatcher = compiled(
                self.function, self.key, frozen=self.identity.frozen, forceinline=not is_recursive
            )
        return self._dispatcher

    def scalar(self) -> Evaluator:
        return scalar_evaluator(self.dispatcher)

    def number(self) -> Evaluator:
        """f(x, args) for a seeded x: a number that carries derivatives."""
        from ..numbers._evaluate import number_evaluator  # slow to import

        return number_evaluator(self.dispatcher)

    def numbers(self) -> Evaluator:
        """(raised, values) for a seeded x."""
        f = self.dispatcher

        def evaluate(x, args):
            return call_guarded(f, x, args)

        return evaluate

    def vector(self) -> Evaluator:
        f = self.dispatcher

        def evaluate(x, y, args):
            raised, values = call_guarded(f, x, args)
            if raised or len(values) != len(y):
                args[0][0] = 1
                for r in range(len(y)):
                    y[r] = math.nan
            else:
                copy_values(values, y)

        return evaluate


class Pointer:
    """A C function ``double f(int n, double *x[, void *data])``."""

    lasting = True
    coarsest: Mapping[str, float] = MappingProxyType({})

    def __init__(self, address: int, data: int | None, keep: Any):
        self.address, self.data = address, data
        self._keep = keep
        self.key = "C pointer"

    @property
    def name(self) -> str:
        return f"the C function at {self.address:#x}"

    def scalar(self) -> Evaluator:
        def evaluate(x, args):
            return call_c(args[1], x, args[2])

        return evaluate

    @property
    def native_args(self) -> tuple:
        """What the evaluator is given: address and data of the function."""
        return (self.address, self.data)


class Vectorized:
    """A Python callable on many points at once: made by `vectorized`."""

    lasting = True

    def __init__(self, function: Callable, batch_size: int | None):
        self.function, self.batch_size = function, batch_size
        self.key = f"vectorized {id(self)}"
        self.coarsest: dict[str, float] = {}  # eps of the coarsest values seen, by the type of points

    def __call__(self, x, *args):
        return self.function(x, *args)

    @property
    def name(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))

    def evaluate(self, x: np.ndarray, args: tuple, point_args: tuple, *, vector: bool) -> np.ndarray:
        """Values at the rows of x, shape (N, 1) or, of a vector, (N, m); `point_args` are those of each row."""
        size = self.batch_size or max(1, BATCH_BYTES // (8 * x.shape[1]))
        parts = []
        for start in range(0, len(x), size):
            rows = slice(start, start + size)
            part = x[rows]
            values = self.function(part, *args, *(array[rows] for array in point_args))
            if isinstance(values, np.ma.MaskedArray):
                values = np.ma.filled(values.astype(np.promote_types(values.dtype, np.float16)), np.nan)
            values = np.asarray(values)
            if values.dtype.kind not in "biuf":
                raise TypeError(f"{self.name} must return real numbers, got an array of type {values.dtype}")
            if len(values.shape) != 1 + vector or len(values) != len(part):
                expected = f"({len(part)}, m)" if vector else f"({len(part)},)"
                raise ValueError(
                    f"{self.name} must return an array of shape {expected} for {len(part)} points, "
                    f"got shape {values.shape}"
                )
            note_precision(self.coarsest, x.dtype, values)
            parts.append(values.astype(np.float64).reshape(len(part), -1))
        return np.concatenate(parts)

    def __repr__(self) -> str:
        return f"vectorized({self.name})"


def vectorized(fun: Callable, *, batch_size: int | None = None) -> Vectorized:
    """Mark a Python callable that takes many points at once, such as a simulator, a torch model or a service.

    Parameters
    ----------
    fun : callable
        ``fun(X, *args)`` with X of shape (N, n) returns N values, shape (N,), or, for `jacobian` and gradients,
        N rows, shape (N, m). It is called from the calling thread.
    batch_size : int, optional
        The most points in one call; by default as many as keep X within 64 MiB.

    Returns
    -------
    callable
        To be given as `fun` (or `grad`). Derivatives are taken by finite differences, whose points are collected
        over many x and evaluated in few large calls. An exception in `fun` ends the whole call.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcurv as fc
    >>> f = fc.vectorized(lambda X: np.sum(X**4, axis=1))
    >>> fc.hessian(f, [1.0, 2.0]).round(3)
    array([[12.,  0.],
           [ 0., 48.]])
    """
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {type(fun).__name__}")
    is_integer = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
    if batch_size is not None and not (is_integer and batch_size >= 1):
        raise ValueError(f"batch_size must be a positive integer or None, got {batch_size!r}")
    return Vectorized(fun, batch_size)


#: the type of what ctypes loads from libraries and makes of callbacks
_C_FUNCTION: Any = ctypes.CFUNCTYPE(None).__mro__[1]

SCALAR, VECTOR = 0, 1


def record(x, args):
    """Stands for f while the points that a block will ask for are collected."""
    _, tape, labels, _, counter, b = args
    note(x, tape, labels, counter, SCALAR, b)
    return 0.0


def record_vector(x, y, args):
    """Stands for g while the points that a block will ask for are collected."""
    _, tape, labels, _, counter, b = args
    note(x, tape, labels, counter, VECTOR, b)
    for r in range(len(y)):
        y[r] = 0.0


def note(x, tape, labels, counter, kind, b):
    """Write a point, the kind of function asked and the point's number to the tape; where it is full, only count."""
    place = counter[0]
    counter[0] += 1
    if place < len(tape):
        for i in range(len(x)):
            tape[place, i] = x[i]
        labels[place, 0], labels[place, 1] = kind, b


def play(x, args):
    """Stands for f while the block is given the values at the points collected."""
    _, _, _, answers, counter, _ = args
    counter[0] += 1
    return answers[counter[0] - 1, 0]


def play_vector(x, y, args):
    """Stands for g while the block is given the values at the points collected."""
    _, _, _, answers, counter, _ = args
    for r in range(len(y)):
        y[r] = answers[counter[0], r]
    counter[0] += 1


UserFunction = Compiled | Pointer | Vectorized

#: of functions that are still there: their digest, and what was made of the first one of the same text and digest
_known: weakref.WeakKeyDictionary[Any, tuple[Digest, Compiled]] = weakref.WeakKeyDictionary()
#: the latter, by digest and place in the source, and by digest alone
_by_place: dict[tuple, Compiled] = {}
_by_digest: dict[str, Compiled] = {}


def user_function(fun, name: str = "fun") -> UserFunction:
    """The function that a user gave, recognised and identified; `name` is the argument it was given as."""
    if type(fun) is types.FunctionType or isinstance(fun, Dispatcher):
        return _compiled(fun)
    if isinstance(fun, Vectorized):
        return fun
    if isinstance(fun, (CFunc, _C_FUNCTION)) or type(fun).__name__ == "LowLevelCallable":
        return _pointer(fun, name)
    if callable(fun):
        raise TypeError(
            f"{name} must be a Python function, a numba.njit function, a C pointer or fastcurv.vectorized(...), "
            f"got {fun!r}; write what it does as `def f(x, ...)`, with the numbers it holds in args, or wrap it with "
            "vectorized if it takes an (N, n) array"
        )
    raise TypeError(f"{name} must be callable, got {fun!r} of type {type(fun).__name__}")


def identity_of(fun) -> Digest:
    """The digest of a Python function that was given before, as it was then."""
    return _known[fun][0]


def _compiled(fun) -> Compiled:
    identity, found = _known.get(fun, (None, None))
    if identity is None or not identity.is_current():
        identity, found = digest(fun), None
    if found is None or (found.identity is not identity and not found.identity.is_current()):
        code, name = (getattr(getattr(fun, "py_func", fun), part) for part in ("__code__", "__qualname__"))
        place = identity.hex, code.co_filename, code.co_firstlineno, name
        found = _by_place.get(place)
        if found is None or not found.identity.is_current():
            found = _by_place[place] = Compiled(fun, identity)
            shared = _by_digest.setdefault(identity.hex, found)
            if shared is not found:
                if shared._dispatcher is None:  # what it would be made of now may have been bound anew
                    shared._dispatcher = found.dispatcher
                found._dispatcher, found.checked, found.refused = shared.dispatcher, shared.checked, shared.refused
                found.traced, found.ready, found.coarsest = shared.traced, shared.ready, shared.coarsest
        _known[fun] = identity, found
    return found


def _pointer(fun: Any, name: str) -> Pointer:
    from scipy import LowLevelCallable  # slow to import

    fun = fun.ctypes if isinstance(fun, CFunc) else fun
    if isinstance(fun, _C_FUNCTION) and (fun.argtypes is None or fun.restype is not ctypes.c_double):
        raise TypeError(
            f"{name} must be a C function whose types are set, got {fun!r}: set its restype to ctypes.c_double and its "
            f"argtypes to [ctypes.c_int, ctypes.POINTER(ctypes.c_double)] (and ctypes.c_void_p, for data)"
        )
    if not isinstance(fun, LowLevelCallable):
        fun = LowLevelCallable(fun)
    signature = re.sub(r"\s+", "", fun.signature)
    if signature not in ("double(int,double*)", "double(int,double*,void*)"):
        raise TypeError(
            f"{name} must be a C function `double (int, double *)` or `double (int, double *, void *)`, "
            f"got `{fun.signature}`"
        )
    capsule = tuple.__getitem__(fun, 0)  # SciPy hides it from users: `fun[0]` raises
    address = _capsule("GetPointer", capsule, _capsule("GetName", capsule))
    data = (_capsule("GetContext", capsule) or 0) if signature.count("*") == 2 else None
    return Pointer(address, data, fun)


def _capsule(what: str, capsule, *arguments):
    api = getattr(ctypes.pythonapi, f"PyCapsule_{what}")
    api.restype = ctypes.c_char_p if what == "GetName" else ctypes.c_void_p
    api.argtypes = [ctypes.py_object] + [ctypes.c_char_p] * len(arguments)
    return api(capsule, *arguments)


def copy_values(values, y):
    """``y[:] = values``, for what a vector-valued function may return: a tuple, a list or an array."""
    y[:] = values


@overload(copy_values)
def _copy_values(values, y):
    def copy_tuple(values, y):
        numbers = alike(values, y)
        for r in range(len(y)):
            y[r] = numbers[r]

    def copy_sequence(values, y):
        for r in range(len(y)):
            y[r] = values[r]

    return copy_tuple if isinstance(values, numba_types.BaseTuple) else copy_sequence
