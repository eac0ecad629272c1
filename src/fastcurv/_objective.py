"""A function as what `scipy.optimize.minimize` asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ._derivatives import gradient, hessian, value
from ._inputs import arguments
from ._products import hvp
from .function import Vectorized, user_function

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator


class Objective:
    """`fun`, `jac`, `hess`, `hessp` and `hess_operator` at one point, with the same options for all.

    Made by `objective`.
    """

    def __init__(self, fun: Callable, args: tuple, grad: Callable | None, options: dict[str, Any]):
        self._fun, self._args, self._grad, self._options = fun, args, grad, options

    def __repr__(self) -> str:
        name = getattr(self._fun, "__qualname__", repr(self._fun))
        given = "".join(f", {option}={value!r}" for option, value in self._options.items())
        return f"Objective of {name}{', with its own gradient' if self._grad is not None else ''}{given}"

    def fun(self, x: Any) -> float:
        """f(x)."""
        found = value(self._fun, x, self._args)
        if np.ndim(found):
            raise ValueError(f"x must be one point, shape (n,), got shape {np.shape(x)}")
        return float(found)

    def jac(self, x: Any) -> np.ndarray:
        """The gradient, shape (n,): the user's own if one was given."""
        if self._grad is not None:
            if isinstance(self._grad, Vectorized):
                return np.array(self._grad(np.asarray([x], float), *self._args)[0], float)
            return np.array(self._grad(np.asarray(x, float), *self._args), float)
        options = {name: option for name, option in self._options.items() if name != "stencil"}
        return gradient(self._fun, x, self._args, **options)

    def hess(self, x: Any) -> np.ndarray:
        """The Hessian, shape (n, n)."""
        return hessian(self._fun, x, self._args, grad=self._grad, **self._options)

    def hessp(self, x: Any, p: Any) -> np.ndarray:
        """The product of the Hessian with a vector, shape (n,)."""
        options = {name: option for name, option in self._options.items() if name != "stencil"}
        return hvp(self._fun, x, p, self._args, grad=self._grad, **options)

    def hess_operator(self, x: Any) -> LinearOperator:
        """The Hessian as a LinearOperator, which is never formed (for trust-constr and Newton-CG)."""
        from scipy.sparse.linalg import LinearOperator  # slow to import

        point = np.array(x, float)

        def product(p):
            return self.hessp(point, np.ravel(p))  # SciPy may give a column

        make: Any = LinearOperator  # its stubs describe another constructor
        return make((point.size, point.size), matvec=product, rmatvec=product, dtype=float)


def objective(fun: Callable, args: tuple = (), *, grad: Callable | None = None, **options: Any) -> Objective:
    """What `scipy.optimize.minimize` asks for, of a function.

    Parameters
    ----------
    fun, args, grad
        As for `hessian`.
    **options
        ``method``, ``order``, ``rel_step``, ``abs_step``, ``stencil``, ``noise``, ``bounds`` as for `hessian`.

    Returns
    -------
    Objective
        With ``.fun(x)``, ``.jac(x)``, ``.hess(x)``, ``.hessp(x, p)`` and ``.hess_operator(x)``, all with `args` in
        them: `minimize` is to be given none. Dense ``hess`` serves
        every method of SciPy that uses one; ``hessp`` serves Newton-CG, trust-ncg, trust-krylov and trust-constr;
        ``hess_operator`` serves Newton-CG and trust-constr.

    Examples
    --------
    >>> import fastcurv as fc
    >>> from scipy.optimize import minimize
    >>> problem = fc.objective(lambda x: (x[0] - 1) ** 2 + 10 * (x[1] - x[0] ** 2) ** 2)
    >>> found = minimize(problem.fun, [0.0, 0.0], jac=problem.jac, hess=problem.hess, method="trust-exact")
    >>> found.x.round(4)
    array([1., 1.])
    """
    known = ("method", "order", "rel_step", "abs_step", "stencil", "noise", "bounds")
    if unknown := sorted(set(options) - set(known)):
        raise TypeError(f"objective takes the options {', '.join(known)}; got {', '.join(unknown)}")
    user_function(fun)
    if grad is not None:
        user_function(grad, "grad")
    arguments(args)  # checked here, and given to the user's gradient as they are
    return Objective(fun, args, grad, options)
