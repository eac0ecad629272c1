"""curvature: derivatives and spectra in one pass over the points, and what is read from them."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from . import _launch as launch
from ._call import on_device
from ._inputs import apply, check_broadcast, dot, lives_on_device, overflown, poison, real_array, rounded, vectors
from ._lazy import cached_property
from ._plan import Options
from ._spectra import of_rows, results_at
from ._ties import Results
from .differences._outcome import NOT_FINITE


class Definiteness(IntEnum):
    """Of a Hessian, at any point, by the eigenvalues that are certainly not zero (see `Curvature.eigenvalue_error`).

    - POSITIVE: all are positive; NEGATIVE: all are negative.
    - INDEFINITE: there are some of both signs, whatever the others are.
    - SEMIDEFINITE: cannot be decided: some cannot be told from zero, and the others have one sign, or there are none.
    - INVALID: something is not finite, or `fun` was not evaluated; `Curvature.status` tells why.
    - NOT_COMPUTED: only in the store of a scan that has not come to this point yet.
    """

    NOT_COMPUTED = -2
    INVALID = -1
    POSITIVE = 0
    NEGATIVE = 1
    INDEFINITE = 2
    SEMIDEFINITE = 3


class Kind(IntEnum):
    """Of a point: what a critical point is, or that it is none.

    Critical is where the gradient is small beside the Hessian, or no larger than its error (see `Curvature.kind`): how
    small, `critical_tol` says.

    - REGULAR: not critical.
    - MINIMUM, MAXIMUM, SADDLE: critical, and the Hessian is certainly positive definite, negative definite, or has
      eigenvalues of both signs.
    - INCONCLUSIVE: critical, and the Hessian does not decide: some eigenvalues cannot be told from zero, and the others
      have one sign, or there are none.
    - INVALID: something is not finite, or `fun` was not evaluated; `Curvature.status` tells why.
    - NOT_COMPUTED: only in the store of a scan that has not come to this point yet.
    """

    NOT_COMPUTED = -2
    INVALID = -1
    REGULAR = 0
    MINIMUM = 1
    MAXIMUM = 2
    SADDLE = 3
    INCONCLUSIVE = 4


#: what `Curvature.status` means, and what to do
STATUS = {
    0: "ok",
    -4: "eigenvalues did not converge: please report the point and its Hessian",
    -3: "not finite: fun, or a derivative of it, is NaN or infinite here; look at the point or at the steps",
    -5: "outside the bounds: fun was not evaluated; move the point or widen the bounds",
    -2: "not computed yet: the scan of this store has not come to this point; the same call goes on with it",
    -6: "fun raised: call fun(x) in plain Python at this point to see the exception",
}

EXTRAS = ("eigenvectors", "hessian", "newton_step")


#: of formulas whose results may be infinite
_QUIET: dict[str, Any] = {"divide": "ignore", "invalid": "ignore", "over": "ignore"}


class HeavyBall(NamedTuple):
    """Polyak's method at its best on a quadratic: step, momentum, and the factor of convergence per step."""

    step: np.ndarray
    momentum: np.ndarray
    rate: np.ndarray


class Curvature:
    """What `curvature` found at points of batch shape B with n coordinates.

    Attributes
    ----------
    value : ndarray, shape B
    gradient : ndarray, shape B + (n,)
    eigenvalues : ndarray, shape B + (n,)
        Of the Hessian, ascending.
    eigenvalue_error : ndarray, shape B
        A bound on the error of each eigenvalue: ||E||_F + n eps max|lambda| (Weyl), E the estimated error of the
        Hessian (see `return_error` of `gradient`): cancellation inside `fun` itself is not in it. eps is that of the
        arithmetic: what is computed in float32, as on devices, decides less.
    index, nullity : ndarray of int16, shape B
        How many eigenvalues are beyond that error negative, and how many cannot be told from zero; -1 where invalid.
    gradient_curvature : ndarray, shape B
        g'Hg / g'g; NaN where g = 0.
    status : ndarray of int8, shape B
        0, or why the point is invalid: see `fastcurv.STATUS`.
    eigenvectors, hessian, newton_step
        Only if named in `extra`: shapes B + (n, n), B + (n, n), B + (n,). The Newton step -H^-1 g leads to the
        saddle where H is indefinite, and is NaN where an eigenvalue cannot be told from zero.

    Notes
    -----
    From these it makes, when asked: `kind`, `definiteness`, `condition_number`, `eigenvalue_min`, `eigenvalue_max`,
    `laplacian` and `gradient_norm`; of one step down the gradient `optimal_step`, which lowers the model most,
    `uphill_step`, from which on it rises, and `predicted_change(step)`; of gradient descent to a minimum
    `max_stable_step`, `best_step`, of the least `convergence_rate`, `direction_rates(step)`, and `heavy_ball`, which
    has momentum; and `along(v)`, the second derivative along v. Each has a docstring of its own.
    """

    def __init__(self, batch: tuple[int, ...], n: int, found: dict[str, np.ndarray], critical: np.ndarray):
        self._batch, self._n, self._critical = batch, n, critical
        self._found = found

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._found[name]
        except KeyError:
            pass
        if name in EXTRAS:
            raise AttributeError(f"{name} was not computed; call curvature(..., extra=({name!r},))")
        raise AttributeError(f"Curvature has no field {name!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._found]

    def __repr__(self) -> str:
        points, coordinates = int(np.prod(self._batch)), self._n
        text = (
            f"Curvature of {points} point{'s' * (points != 1)} with {coordinates} coordinate{'s' * (coordinates != 1)}"
        )
        if points:
            text += f": {_counted(self.definiteness, Definiteness)}; {_counted(self.kind, Kind)}"
        if not self._batch:
            low, high = self.eigenvalue_min, self.eigenvalue_max
            text += (
                f"\nvalue {self.value:.6g}, gradient norm {self.gradient_norm:.3g}, "
                f"eigenvalues {low:.6g} to {high:.6g}, error {self.eigenvalue_error:.2g}"
            )
        return text

    @cached_property
    def eigenvalue_min(self) -> np.ndarray:
        """The smallest eigenvalue, shape B."""
        return self.eigenvalues[..., 0]

    @cached_property
    def eigenvalue_max(self) -> np.ndarray:
        """The largest eigenvalue, shape B."""
        return self.eigenvalues[..., -1]

    @cached_property
    def laplacian(self) -> np.ndarray:
        """The trace of the Hessian, shape B."""
        return np.asarray(self.eigenvalues.sum(axis=-1))

    @cached_property
    def gradient_norm(self) -> np.ndarray:
        """||g||_2, shape B; scaled against over- and underflow."""
        largest = np.abs(self.gradient).max(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            norm = largest * np.sqrt(((self.gradient / largest[..., None]) ** 2).sum(axis=-1))
        return np.where(largest == 0, largest, norm)

    @cached_property
    def definiteness(self) -> np.ndarray:
        """Of the Hessian, shape B, int8: codes of `Definiteness`."""
        positive = self._n - self.index - self.nullity
        return np.select(
            [self.index < 0, positive == self._n, self.index == self._n, (self.index > 0) & (positive > 0)],
            [Definiteness.INVALID, Definiteness.POSITIVE, Definiteness.NEGATIVE, Definiteness.INDEFINITE],
            Definiteness.SEMIDEFINITE,
        ).astype(np.int8)

    @cached_property
    def kind(self) -> np.ndarray:
        """Of the point, shape B, int8: codes of `Kind`.

        Critical where max |g_i| s_i <= tol max |H_ij| s_i s_j + max s_i e_g,i, s_i = max(1, |x_i|), tol =
        `critical_tol`, e_g the error of the gradient.
        """
        return np.select(
            [self.index < 0, self._critical == 0]
            + [self.definiteness == d for d in (Definiteness.POSITIVE, Definiteness.NEGATIVE, Definiteness.INDEFINITE)],
            [Kind.INVALID, Kind.REGULAR, Kind.MINIMUM, Kind.MAXIMUM, Kind.SADDLE],
            Kind.INCONCLUSIVE,
        ).astype(np.int8)

    @cached_property
    def condition_number(self) -> np.ndarray:
        """max|lambda| / min|lambda|, shape B; infinite where an eigenvalue cannot be told from zero."""
        magnitude = np.abs(self.eigenvalues)
        with np.errstate(**_QUIET):
            ratio = magnitude.max(axis=-1) / magnitude.min(axis=-1)
        return np.where(self.nullity > 0, np.asarray(np.inf, ratio.dtype), ratio)

    @cached_property
    def optimal_step(self) -> np.ndarray:
        """The gradient step that lowers the model most, g'g / g'Hg, shape B; infinite where the model has no lowest
        point along the gradient, NaN where g = 0.
        """
        c = self.gradient_curvature
        with np.errstate(**_QUIET):
            return np.where(c <= 0, np.asarray(np.inf, c.dtype), 1 / c)

    @cached_property
    def uphill_step(self) -> np.ndarray:
        """The gradient step beyond which the model rises, 2 g'g / g'Hg, shape B."""
        with np.errstate(**_QUIET):
            return np.asarray(2 * self.optimal_step)

    def predicted_change(self, step: Any) -> np.ndarray:
        """The change of the model by a gradient step, -step g'g + step² g'Hg / 2; `step` broadcasts with B."""
        step = self._steps(step)
        g = self.gradient_norm
        c = np.where(g == 0, np.asarray(0, g.dtype), self.gradient_curvature)
        with np.errstate(**_QUIET):
            return g * (g * (step * (0.5 * step * c - 1)))

    def _where_positive(self, formula: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """formula(mu, L) of the extreme eigenvalues where the smallest is certainly positive, else NaN."""
        mu, L = self.eigenvalue_min, self.eigenvalue_max
        with np.errstate(**_QUIET):
            return np.where(self.definiteness == Definiteness.POSITIVE, formula(mu, L), np.asarray(np.nan, mu.dtype))

    @cached_property
    def max_stable_step(self) -> np.ndarray:
        """The gradient step below which gradient descent converges on the model, 2 / L (a strict bound), shape B."""
        return self._where_positive(lambda mu, L: 2 / L)

    @cached_property
    def best_step(self) -> np.ndarray:
        """The constant step with the fastest convergence of gradient descent, 2 / (mu + L), shape B."""
        return self._where_positive(lambda mu, L: 1 / (0.5 * mu + 0.5 * L))

    @cached_property
    def convergence_rate(self) -> np.ndarray:
        """The factor of convergence per step at the best step, (kappa - 1) / (kappa + 1), shape B."""
        return self._where_positive(lambda mu, L: (0.5 * L - 0.5 * mu) / (0.5 * L + 0.5 * mu))

    @cached_property
    def heavy_ball(self) -> HeavyBall:
        """What momentum buys: step 4 / (√L + √mu)², momentum rate², rate (√kappa - 1) / (√kappa + 1) (Polyak 1964)."""
        rate = self._where_positive(lambda mu, L: (np.sqrt(L) - np.sqrt(mu)) / (np.sqrt(L) + np.sqrt(mu)))
        step = self._where_positive(lambda mu, L: (2 / (np.sqrt(L) + np.sqrt(mu))) ** 2)
        return HeavyBall(step, np.asarray(rate**2), rate)

    def direction_rates(self, step: Any) -> np.ndarray:
        """How the component along each eigenvector shrinks in a gradient step, 1 - step lambda_i, shape B + (n,)."""
        with np.errstate(**_QUIET):
            return 1 - self._steps(step)[..., None] * self.eigenvalues

    def _steps(self, step: Any) -> np.ndarray:
        """Step lengths that broadcast with B."""
        array = real_array(step, "step")
        check_broadcast(array.shape, "step", self._batch)
        with np.errstate(**_QUIET):
            return array.astype(self.eigenvalues.dtype)

    def along(self, v: Any) -> np.ndarray:
        """The curvature along directions v, v'Hv / v'v; v of shape B + (n,) (leading axes broadcast).

        Needs ``extra=("hessian",)`` or ``extra=("eigenvectors",)``.
        """
        u = vectors(v, "v", self._batch, self._n)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = u / np.abs(u).max(axis=-1, keepdims=True)
            square = (u * u).sum(axis=-1)
            if "eigenvectors" in self._found and "hessian" not in self._found:
                along = apply(np.ascontiguousarray(np.swapaxes(self.eigenvectors, -1, -2)), u)
                return (self.eigenvalues * along**2).sum(axis=-1) / square
            return dot(u, apply(self.hessian, u)) / square


def _counted(codes: np.ndarray, enumeration: type[IntEnum]) -> str:
    found, counts = np.unique(codes, return_counts=True)
    return ", ".join(f"{count} {enumeration(code).name}" for code, count in zip(found, counts, strict=True))


def curvature(
    fun: Callable,
    x: Any,
    args: tuple = (),
    *,
    extra: tuple[str, ...] = (),
    critical_tol: float | None = None,
    grad: Callable | None = None,
    method: str = "auto",
    order: int = 2,
    rel_step: Any = None,
    abs_step: Any = None,
    stencil: str | None = None,
    noise: Any = None,
    bounds: Any = None,
    point_args: tuple = (),
    device: str = "auto",
) -> Curvature:
    """Values, gradients, spectra of Hessians, and what they mean, at many points in one pass.

    Parameters
    ----------
    fun, x, args, grad, method, order, rel_step, abs_step, stencil, noise, bounds, point_args, device
        As for `hessian`.
    extra : tuple of str
        Fields to compute and keep besides: "eigenvectors", "hessian", "newton_step". Without them memory has no n²
        term in the number of points.
    critical_tol : float, optional
        How small a gradient counts as zero for `Curvature.kind`, relative to the Hessian; eps**(1/3) by default.

    Returns
    -------
    Curvature
        Of an array on a GPU its fields are arrays there. What is made of fields when asked is made on the host, and put
        there.

    Raises
    ------
    CompilationError, TypeError, ValueError, DeviceError
        As for `value`.

    Examples
    --------
    >>> import fastcurv as fc
    >>> def f(x):
    ...     return x[0] ** 2 - 3 * x[1] ** 2
    >>> c = fc.curvature(f, [[0.0, 0.0], [1.0, 1.0]])
    >>> c.eigenvalues.round(4)
    array([[-6.,  2.],
           [-6.,  2.]])
    >>> [fc.Kind(k).name for k in c.kind]
    ['SADDLE', 'REGULAR']
    """
    options = Options(method, order, rel_step, abs_step, stencil, noise, bounds)
    if lives_on_device(x):
        more = {"grad": grad, "extra": extra, "critical_tol": critical_tol}
        return on_device().of_array(curvature, fun, x, args, point_args, device, options, **more)
    wanted = checked_extras(extra)
    call = launch.call(fun, x, args, point_args, device, grad, options=options)
    return _shaped(call, results_at(call, wanted, checked_tolerance(critical_tol, call.x.dtype)))


def of_device_rows(call: launch.Call, batch: tuple[int, ...], rows: np.ndarray, extras: Results) -> Curvature:
    """From what a device read of each point of a batch, and found besides."""
    return _shaped(call._replace(batch=batch), of_rows(rows, call.shape[1]) | extras)


def _shaped(call: launch.Call, results: Results) -> Curvature:
    """Results of flattened points as those of the batch, in the type of the points."""
    critical = results.pop("critical")
    floats = {name: rounded(array, call.x.dtype) for name, array in results.items() if array.dtype.kind == "f"}
    results = results | floats
    decisive = (results[name] for name in ("value", "gradient", "eigenvalues", "hessian") if name in results)
    lost = overflown(*decisive)
    poison(lost, *(array for name, array in floats.items() if name != "value"))
    results["index"][lost] = results["nullity"][lost] = -1
    status = results["status"]
    status[lost] = np.where(status[lost] == 0, NOT_FINITE, status[lost])
    found = {name: array.reshape(call.batch + array.shape[1:]) for name, array in results.items()}
    return Curvature(call.batch, call.shape[1], found, critical.reshape(call.batch))


def checked_extras(extra: Any) -> tuple[str, ...]:
    if not isinstance(extra, (tuple, list)) or not all(name in EXTRAS for name in extra):
        raise ValueError(f"extra must be a tuple of names from {EXTRAS}, got {extra!r}")
    return tuple(extra)


def checked_tolerance(critical_tol: Any, dtype: np.dtype) -> float:
    """How small a gradient counts as zero, at points of a type."""
    try:
        if critical_tol is None or critical_tol >= 0:
            return float(np.finfo(dtype).eps) ** (1 / 3) if critical_tol is None else float(critical_tol)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"critical_tol must be a number of at least 0 or None, got {critical_tol!r}")
