"""One evaluation in plain Python before a function is compiled.

Compiled code does not check indices, and complains about types in its own terms; Python does both well. What a
compiled function would answer with NaN (a domain error, an explicit ``raise``) is no mistake in the function.
"""

from __future__ import annotations

import dis
import inspect
import numbers
import traceback
from contextlib import suppress

import numpy as np

#: what functions of arrays of points should be told
BY_BATCHES = "; a function of many points at once, shape (N, n), is given as fastcurv.vectorized(fun)"


def trial(
    function, points: np.ndarray, rows, args_at, *, vector: bool, coarsest: dict[str, float] | None = None
) -> int | None:
    """Evaluate `function` at some points until one answers; the number of its values (None if none answered).

    Parameters
    ----------
    function : callable
    points : ndarray, shape (N, n)
    rows : iterable of int
        Which points to try, in this order.
    args_at : callable
        The arguments of point b.
    vector : bool
        Whether a vector of values is expected, or one.
    coarsest : dict, optional
        Where the precision of the values is noted.
    """
    if code := getattr(function, "__code__", None):
        if code.co_flags & inspect.CO_VARARGS:
            several = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
            raise TypeError(
                f"{_name(function)} must have a parameter for each argument, got *{several}; name them, or give one "
                f"tuple or array in args"
            )
        names = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
        if names:
            raise TypeError(
                f"{_name(function)} must have no keyword-only parameters, which are not compiled, got "
                f"{', '.join(names)}; move them before the *, and give their values in args"
            )
    for b in rows:
        x = points[b].copy()
        x.flags.writeable = False
        try:
            with np.errstate(all="ignore"):
                result = function(x, *args_at(b))
        except Exception as error:
            if _is_data_dependent(error):
                continue
            if isinstance(error, ValueError) and "read-only" in str(error):
                raise ValueError(
                    f"{_name(function)} must not write to x, nor to arrays in args ({error}, at x = {x}); write to a "
                    f"copy, x.copy()"
                ) from error
            error.add_note(
                f"{_name(function)} was evaluated in plain Python at x = {x}, one point of shape {x.shape}, to check "
                f"it before compiling{BY_BATCHES if isinstance(error, np.exceptions.AxisError) else ''}"
            )
            raise
        # a complex number is the root of a negative one, NaN when compiled; if it is always, compiling tells
        if not vector and np.iscomplexobj(result):
            continue
        found = _length(result, function, x) if vector else _check_scalar(result, function, x)
        if coarsest is not None:
            note_precision(coarsest, points.dtype, result)
        return found
    return None


def note_precision(coarsest: dict[str, float], points: np.dtype, values) -> None:
    """Note eps of values that have fewer digits than the points: differences amplify what they are rounded by."""
    dtype = np.asarray(values).dtype
    if dtype.kind == "f" and dtype.itemsize < points.itemsize:
        coarsest[points.char] = max(float(np.finfo(dtype).eps), coarsest.get(points.char, 0.0))


def exception_at(function, x: np.ndarray, args: tuple) -> Exception | None:
    """What plain Python raises at a point."""
    try:
        with np.errstate(all="ignore"):
            function(x, *args)
    except Exception as error:
        return error
    return None


def repeats(function, x: np.ndarray, args: tuple) -> bool:
    """Whether plain Python gives the same values in two evaluations at a point, or none."""
    try:
        with np.errstate(all="ignore"):
            return bool(np.array_equal(function(x, *args), function(x, *args), equal_nan=True))
    except Exception:  # what compiled code has a value for
        return True


def values_at(function, x: np.ndarray, args: tuple) -> np.ndarray:
    """What plain Python gives at a point; nothing where it raises."""
    try:
        with np.errstate(all="ignore"):
            return np.atleast_1d(np.asarray(function(x, *args), float))
    except Exception:  # what compiled code has a value for
        return np.empty(0)


def _is_data_dependent(error: Exception) -> bool:
    """Whether the compiled function would give NaN: raised on purpose, or by the domain of an operation."""
    if isinstance(error, (AttributeError, NameError, ImportError)):  # libraries raise these on purpose
        return False
    if isinstance(error, ArithmeticError) or (isinstance(error, TypeError) and "complex" in str(error)):
        return True
    frame = list(traceback.walk_tb(error.__traceback__))[-1]
    last = [i for i in dis.get_instructions(frame[0].f_code) if i.offset <= error_offset(error)][-1]
    if last.opname in ("RAISE_VARARGS", "RERAISE"):
        return True
    if not isinstance(error, ValueError):
        return False
    if str(error).startswith("Integers to negative integer powers"):  # NumPy's
        return True
    return last.opname.startswith(("CALL", "PRECALL")) and _from_math(error)


def error_offset(error: Exception) -> int:
    """Offset of the instruction that raised, in the innermost frame."""
    tb = error.__traceback__
    assert tb is not None
    while tb.tb_next is not None:
        tb = tb.tb_next
    return tb.tb_lasti


def _from_math(error: ValueError) -> bool:
    return str(error).startswith(("math domain error", "math range error", "expected a "))


def _check_scalar(result, function, x) -> int:
    if isinstance(result, (numbers.Real, np.bool_)) or (isinstance(result, np.ndarray) and result.ndim == 0):
        return 1
    hint = "; return one entry of it, or use fastcurv.jacobian" if np.ndim(result) else ""
    raise TypeError(f"{_name(function)} must return one real number; at x = {x} it returned {_show(result)}{hint}")


def _length(result, function, x) -> int:
    values = None
    if isinstance(result, (tuple, list, np.ndarray)):
        with suppress(ValueError):  # ragged
            values = np.asarray(result)
    if values is None or values.ndim != 1 or values.dtype.kind not in "biufc":
        raise TypeError(
            f"{_name(function)} must return a tuple, a list or a 1-D array of real numbers; "
            f"at x = {x} it returned {_show(result)}"
        )
    if values.size == 0:
        raise ValueError(f"{_name(function)} returned no values at x = {x}; expected at least one")
    return values.size


def _show(result) -> str:
    if isinstance(result, np.ndarray):
        return f"an array of shape {result.shape} and type {result.dtype}"
    return f"{result!r} of type {type(result).__name__}"


def _name(function) -> str:
    return getattr(function, "__qualname__", repr(function))
