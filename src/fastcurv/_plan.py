"""How derivatives are taken: the user's keywords, checked, as one immutable value, and the tables made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ._errors import DeviceError
from ._inputs import Limits, integer, limits, positive, real_numbers
from ._lazy import cached_property
from .differences import _tables as tables
from .function import Vectorized

METHODS = ("auto", "exact", "traced", "hyperdual", "central", "forward")
ORDERS = (2, 4, 6, 8)
#: in place of a device's number: all of them, for points on the host; where one is enough, the first
EVERY = -1
#: bytes of local memory of a thread: a device reserves as much for every thread that it can run at once
MOST_LOCAL = 65_536
STENCILS = ("economical", "4-point")
#: what is kept of a plan
MOST_KEPT = 256
Made = TypeVar("Made")


class Options(NamedTuple):
    """The keywords that say how differences are taken; `None` leaves a choice to us."""

    method: str = "auto"
    order: int = 2
    rel_step: Any = None
    abs_step: Any = None
    stencil: str | None = None
    noise: Any = None
    bounds: Any = None


class Formula(NamedTuple):
    """The tables of one call, as the blocks take them."""

    steps: np.ndarray  # (3, n): relative central, relative one-sided, absolute
    reach: np.ndarray  # of the central and the one-sided formula, in steps; NaN: there is no central one
    weights: np.ndarray  # (2, scales): c_k / 2k or, for second derivatives, c_k / k², of orders p and p + 2
    central: tables.Axis
    sided: tables.Axis
    amplification: Amplification


class Amplification(NamedTuple):
    """Sums of absolute weights, by which the error of f enters that of a derivative (times powers of 1 / h)."""

    first: np.ndarray  # first derivatives: central, one-sided
    central: np.ndarray  # away from bounds: first (order p + 2), pure second, mixed second
    sided: np.ndarray  # [side_i, side_j] mixed, [side, 2] pure, [side, 3] first (order p + 2); side 0 is central


@dataclass(frozen=True, eq=False)
class Plan:
    """How a call takes its derivatives: method, order, steps, bounds, noise."""

    method: str  # the one that is taken
    others: tuple[str, ...]  # those that are taken where it cannot be
    order: int
    n: int
    eps: float  # of points, or of values where that is larger
    in_double: bool  # points
    rel_step: np.ndarray | None
    abs_step: np.ndarray | None
    four_point: bool
    noise: np.ndarray  # absolute, per point, where that is, or one for all; 0: rounding only
    bounds: Limits
    device: int | None = None  # a CUDA device, by number, or EVERY; None: the CPU
    _made: dict[Any, Any] = field(default_factory=dict, init=False)  # by functions that `is_kept` marks

    @property
    def is_exact(self) -> bool:
        """Whether derivatives are exact to rounding, not differences."""
        return self.method in ("traced", "hyperdual")

    def arithmetic(self, dtype: np.dtype) -> np.dtype:
        """The type of numbers that derivatives at points of a type are computed in: on devices exact ones in that; else
        float64, for differences lose half of the digits.
        """
        return dtype if self.device is not None and self.is_exact else np.dtype(np.float64)

    @property
    def is_single(self) -> bool:
        """Whether derivatives are computed in float32."""
        return self.device is not None and self.is_exact and not self.in_double

    @cached_property
    def next(self) -> Plan:
        """The same by the method that is taken where this one cannot be."""
        return replace(self, method=self.others[0], others=self.others[1:])

    def on_device(self, ordinal: int) -> Plan:
        """The same on a CUDA device."""
        return replace(self, device=ordinal)

    def with_noise(self, levels: Any) -> Plan:
        """The same with levels of noise of points, where these are."""
        return replace(self, noise=levels)

    def of_points(self, part: slice) -> Plan:
        """The same for some of the points: of levels of noise those that are theirs."""
        return self if len(self.noise) == 1 else replace(self, noise=self.noise[part])

    def coarser(self, eps: float) -> Plan:
        """The same where values have no more digits than eps says."""
        return _coarser(self, eps)

    @cached_property
    def on_cpu(self) -> Plan:
        """The same on the CPU."""
        return replace(self, device=None)

    @cached_property
    def is_central(self) -> bool:
        """Whether every stencil is central: no bounds, and not forward differences."""
        return self.method == "central" and not self.bounds.any

    @cached_property
    def widens(self) -> bool:
        """Whether noise decides the steps."""
        return self.rel_step is None and self.abs_step is None and _where(self.noise).has_positive(self.noise)

    @cached_property
    def noise_levels(self) -> np.ndarray:
        """eps, and the level of noise of each point or of all: the larger of eps |f| and it is the error of f."""
        return _where(self.noise).after(self.eps, self.noise)

    def formula(self, derivative: int, with_error: bool, factor: float | None = None) -> Formula:
        """Step lengths and weights for first (1) or second (2) derivatives."""
        found = _formula(self.method, self.order, derivative, with_error, factor, self.eps, self.n, self.four_point)
        if self.abs_step is None and self.rel_step is None:
            return found
        steps = np.zeros((3, self.n))
        if self.abs_step is not None:
            steps[2] = self.abs_step
        else:
            steps[:2] = self.rel_step
        return found._replace(steps=steps)

    def exponent(self, derivative: int) -> float:
        """Of the level of noise in the step length: 1 / (p + d)."""
        return 1 / (self.order + derivative)


@lru_cache(maxsize=256)
def _formula(
    method: str,
    order: int,
    derivative: int,
    with_error: bool,
    factor: float | None,
    eps: float,
    n: int,
    four_point: bool,
) -> Formula:
    one_sided_order = min(order, tables.MAX_ONE_SIDED)
    sided = tables.one_sided_axis(one_sided_order, with_error)
    used = np.abs(sided.first if derivative == 1 else sided.second).sum(axis=0)
    steps = np.zeros((3, n))
    steps[:2] = tables.relative_step(one_sided_order, derivative, eps)
    reach = np.array([np.nan, np.flatnonzero(used)[-1]])
    weights, central = np.zeros((2, 0)), tables.central_axis(2, False)
    if method == "central":
        c, central = tables.scale_weights(order, with_error), tables.central_axis(order, with_error)
        k = np.arange(1, c.shape[1] + 1)
        weights = c / (2 * k) if derivative == 1 else c / k**2
        reach[0] = weights.shape[1]
        steps[0] = tables.relative_step(order, derivative, eps, factor)
    return Formula(steps, reach, weights, central, sided, _amplification(weights, central, sided, four_point))


def _amplification(weights: np.ndarray, central: tables.Axis, sided: tables.Axis, four_point: bool) -> Amplification:
    first, next_first = np.abs(central.first).sum(axis=1)
    # of pure differences 1, -2, 1; of mixed ones 4 of a quarter, or 8 halves (x itself counts twice)
    second = np.abs(weights[0]).sum()
    pure, mixed = 4 * second, (1 if four_point else 4) * second
    one_sided = np.abs(sided.first[0]).sum()
    by_side = np.outer([first, one_sided], [first, one_sided])
    by_side[0, 0] = mixed
    rest = [[np.abs(axis.second[0]).sum(), np.abs(axis.first[1]).sum()] for axis in (central, sided)]
    return Amplification(
        np.array([first, one_sided]),
        np.array([next_first, pure, mixed]),
        np.concatenate([by_side, rest], axis=1),
    )


def is_kept(make: Callable[..., Made]) -> Callable[..., Made]:
    """Of ``make(plan, *others)``: what it made is kept as long as the plan, which may hold the noise of each point.

    Nothing is of vectorized functions, which may hold large models.
    """

    @wraps(make)
    def kept(plan: Plan, *others: Any) -> Made:
        if any(map(_is_vectorized, others)):
            return make(plan, *others)
        key = make, *others
        found = plan._made.get(key)
        if found is None:
            if len(plan._made) >= MOST_KEPT:
                plan._made.clear()
            found = plan._made[key] = make(plan, *others)
        return found

    return kept


def _is_vectorized(thing: Any) -> bool:
    """Of a function, or of the role of one."""
    return isinstance(thing, Vectorized) or isinstance(getattr(thing, "function", None), Vectorized)


@is_kept
def _coarser(plan: Plan, eps: float) -> Plan:
    return replace(plan, eps=eps)


def plan(options: Options, n: int, batch: tuple[int, ...], dtype: np.dtype) -> Plan:
    """Check the keywords of a call at points of a shape."""
    if not isinstance(options.method, str) or options.method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {options.method!r}")
    if options.stencil is not None and options.stencil not in STENCILS:
        raise ValueError(f"stencil must be one of {STENCILS}, got {options.stencil!r}")
    is_common = options.rel_step is options.abs_step is options.noise is options.bounds is None
    if is_common and type(options.order) is int:
        return _common_plan(options.method, options.order, options.stencil, n, dtype)
    return _plan(options, n, batch, dtype)


@lru_cache(maxsize=256)
def _common_plan(method: str, order: int, stencil: str | None, n: int, dtype: np.dtype) -> Plan:
    return _plan(Options(method, order, stencil=stencil), n, (), dtype)


def _plan(options: Options, n: int, batch: tuple[int, ...], dtype: np.dtype) -> Plan:
    order = integer(options.order, "order", ORDERS)
    method, *others = _methods(options, order)
    if method == "forward":
        if order != 2:
            raise ValueError(f"order applies to method='central' only, got order={order} with method='forward'")
        order = 1
    if options.rel_step is not None and options.abs_step is not None:
        raise ValueError("rel_step and abs_step exclude each other; rel_step multiplies max(1, |x_i|)")
    if options.stencil is not None and method == "forward":
        raise ValueError("stencil applies to method='central' only")
    noise = _no_noise if options.noise is None else noise_at(options.noise, batch)
    return Plan(
        method=method,
        others=tuple(others),
        order=order,
        n=n,
        eps=float(np.finfo(dtype).eps),
        in_double=dtype == np.float64,
        rel_step=None if options.rel_step is None else positive(options.rel_step, "rel_step", (n,)),
        abs_step=None if options.abs_step is None else positive(options.abs_step, "abs_step", (n,)),
        four_point=options.stencil == "4-point" or (options.stencil is None and options.noise is not None),
        noise=noise,
        bounds=limits(options.bounds, n, dtype),
    )


_no_noise = np.zeros(1)


def _methods(options: Options, order: int) -> tuple[str, ...]:
    """The methods that are meant, best first: exact unless something is asked for that only differences have."""
    asked = [name for name in ("rel_step", "abs_step", "stencil", "noise") if getattr(options, name) is not None]
    if order != 2:
        asked.insert(0, "order")
    if options.method in ("exact", "traced", "hyperdual"):
        if asked:
            raise ValueError(f"{', '.join(asked)}: for differences only, got method={options.method!r}")
        return ("traced", "hyperdual") if options.method == "exact" else (options.method,)
    if options.method == "auto":
        return ("central",) if asked else ("traced", "hyperdual", "central")
    return (options.method,)


def noise_at(value: Any, batch: tuple[int, ...]) -> np.ndarray:
    """The absolute level of noise of each point."""
    try:
        array = real_numbers(value, "noise")
    except (TypeError, ValueError):
        raise ValueError(f"noise must be a number or an array of shape {batch}, got {value!r}") from None
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ValueError(f"noise must be finite and not negative, got {value!r}")
    if array.ndim == 0:
        return array.reshape(1)
    try:
        return np.ascontiguousarray(np.broadcast_to(array, batch)).reshape(-1)
    except ValueError:
        raise ValueError(f"noise must be a number or an array of shape {batch}, got shape {array.shape}") from None


def _where(array: Any) -> Any:
    from ._call import where  # which imports this module

    return where(array)


def check_local(size: int) -> None:
    """Make sure that a thread of a device has room for so many numbers of a point.

    Raises
    ------
    DeviceError
        If it has not.
    """
    if 8 * size > MOST_LOCAL:
        raise DeviceError(
            f"{8 * size:,} bytes of results at a point are more than the {MOST_LOCAL:,} that a thread of a device is "
            f"given in this version; use device='cpu' with NumPy arrays"
        )


def device_name(device: int) -> str:
    """What users call a CUDA device."""
    return "cuda" if device == EVERY else f"cuda:{device}"


def device_of(device: Any) -> int | None:
    """The number of a CUDA device, or EVERY; None for the CPU."""
    if isinstance(device, str):
        if device in ("auto", "cpu"):
            return None
        name, _, number = device.partition(":")
        if name == "cuda" and (device == "cuda" or number.isdecimal()):
            return int(number) if number else EVERY
    raise ValueError(f"device must be 'auto', 'cpu', 'cuda' or 'cuda:1' and so on, got {device!r}")
