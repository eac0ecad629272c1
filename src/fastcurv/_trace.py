"""trace: a user's function as an expression graph, to look at."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ._errors import TracingError
from ._inputs import arguments
from ._lazy import cached_property
from .function import Compiled, user_function


class Expression:
    """A function as the expression that it is of x, and its derivatives.

    Attributes
    ----------
    n : int
        The number of coordinates.
    formulas, gradient_formulas, hessian_formulas : list of str
        Lines ``name = formula``: expressions that come up more than once are called t0, t1, ...; f is the function,
        ``g[i]`` and ``H[i, j]`` (i <= j) its derivatives, those that do not vanish. Arguments are a[0], a[1], ...,
        number by number in their order. Written out for short functions; ``print`` shows a summary of any.
    operations : dict of str to int
        How many operations "f", "gradient" and "hessian" (each with those before it) take for a point. A
        `CompilationError` where there are too many for machine code; then exact derivatives are hyper-dual.
    sparsity : scipy.sparse.csr_array of bool, shape (n, n)
        Which entries of the Hessian do not vanish everywhere.
    """

    def __init__(self, name: str, n: int, traced: Any):
        self.name, self.n, self._traced = name, n, traced

    def _program(self, **wanted: bool) -> Any:
        from . import tracing  # slow to import

        return tracing.program(self._traced, tracing.Wanted(**wanted))

    @cached_property
    def _programs(self) -> dict[str, Any]:
        return {
            "f": self._program(),
            "gradient": self._program(first=True),
            "hessian": self._program(first=True, second=True),
        }

    @property
    def operations(self) -> dict[str, int]:
        return {name: program.operations for name, program in self._programs.items()}

    @cached_property
    def sparsity(self) -> Any:
        from scipy.sparse import csr_array

        pairs = [*self._programs["hessian"].second]
        rows, columns = np.array(pairs, int).reshape(-1, 2).T
        both = np.concatenate([rows, columns]), np.concatenate([columns, rows])
        return csr_array((np.ones(len(both[0]), bool), both), shape=(self.n, self.n))

    @property
    def formulas(self) -> list[str]:
        return self._formulas(0)

    @property
    def gradient_formulas(self) -> list[str]:
        return self._formulas(1)

    @property
    def hessian_formulas(self) -> list[str]:
        return self._formulas(2)

    def _formulas(self, order: int) -> list[str]:
        from . import tracing

        return tracing.formulas(self._traced, order)

    def __str__(self) -> str:
        name = f"{self.name}, {self.n} coordinate{'s' * (self.n != 1)}"
        try:
            counts, filled = self.operations, self.sparsity.nnz
        except TracingError as error:
            return f"{name}\nits derivatives are not traced: {error}"
        return "\n".join(
            [
                name,
                f"operations: {counts['f']:,} of f, {counts['gradient']:,} with its gradient, "
                f"{counts['hessian']:,} with its Hessian",
                f"Hessian: {filled:,} of {self.n**2:,} entries do not vanish",
                *map(_cut, self._terms()),
            ]
        )

    def _terms(self) -> list[str]:
        """The formulas of a short function; of a long sum, those of one term of each shape."""
        from . import tracing

        if self._programs["hessian"].is_straight:
            lines = self.formulas
            return lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 2], "...", lines[-1]]
        found = []
        for k, c in enumerate(tracing.shapes(self._traced)):
            found += [
                f"{'f = the sum' if k == 0 else 'and'} of {c.count} terms like",
                *(f"    {line}" for line in c.lines),
            ]
        return [*found, "(in each term its own coordinates and numbers count from 0: x[0], x[1], ..., a[0], ...)"]

    __repr__ = __str__


#: what `print` shows of formulas
MOST_LINES, MOST_CHARACTERS = 24, 160


def _number(n: Any) -> int:
    """How many coordinates."""
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"n must be a positive integer, got {n!r}") from None
    if count < 1:
        raise ValueError(f"n must be a positive integer, got {n!r}")
    return count


def _cut(line: str) -> str:
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 4] + " ..."


def trace(fun: Callable, n: int, args: tuple = ()) -> Expression:
    """A function as an expression of x, as ``method="traced"`` takes its derivatives.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)`` at one point x of shape (n,) returns one real number.
    n : int
        The number of coordinates.
    args : tuple
        Arguments: floats and arrays of floats become symbols; integers are taken as they are where they steer the
        function, as lengths and indices do.

    Returns
    -------
    Expression
        ``print`` shows its formulas, how many operations it takes, and how many entries of the Hessian do not vanish;
        `fastcurv.plot.sparsity` draws which.

    Raises
    ------
    CompilationError
        If the function is no expression of x, with the reason and the line: its control flow depends on x in a way
        that no choice between two values expresses, such as a `while` that ends when x says so.

    Notes
    -----
    The function is run once on symbols. Derivatives are taken by edge pushing (Gower & Mello, 2012), which finds the
    sparsity of the Hessian on the way.

    Examples
    --------
    >>> import fastcurv as fc
    >>> def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> print(fc.trace(rosenbrock, 2))
    rosenbrock, 2 coordinates
    operations: 7 of f, 13 with its gradient, 19 with its Hessian
    Hessian: 4 of 4 entries do not vanish
    f = 100 * (x[1] - x[0]**2)**2 + (1 - x[0])**2
    """
    function = user_function(fun)
    if not isinstance(function, Compiled):
        raise TypeError(f"fun must be a Python function or a numba.njit function, got {fun!r}: others are not traced")
    count = _number(n)
    from . import tracing  # slow to import

    found = tracing.trace(function.function, count, arguments(args), frozen=function.identity.frozen)
    if len(found.outputs) != 1:
        raise ValueError(f"fun must return one real number, got {len(found.outputs)}: {function.name}")
    return Expression(function.name, count, found)
