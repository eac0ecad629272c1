"""Whether it is right: every operation against the CPU, on fresh random points, into memory that held something else.

A row says how far from the CPU's a result is, as a part of what is allowed. What is NaN on the CPU must be NaN, and
nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import fastcurv as fc

from ..peers.measure import significant
from ._device import here, poison_memory, poisoned, there
from ._report import Begun, Row, Setting, WrongError, rows_in_time, told

HEADER = ["what", "n", "type", "points", "worst error / allowed", "result"]
EXACT = {"float64": 1e-11, "float32": 1e-6}
"""Allowed, relative to each number, and a hundredth of it to the largest: functions of a device round otherwise."""
IN_SINGLE = 1e-5
"""The same of derivatives that are computed in float32, relative to the largest, too."""
RAGGED, ODD = 1001, 333
"""Points: no multiple of a block of threads."""
LARGE = 3 * 2**20
"""More than a part that is sent to a device at once."""
Check = Callable[[], float]


def chain(x, a=1.0):
    """NaN where x_0 < -4."""
    s = 0.0
    for i in range(len(x) - 1):
        s += 100 * (x[i + 1] - a * x[i] ** 2) ** 2 + np.cos(x[i]) + math.log(4.0 + x[0])
    return s


def several(x, a=1.0):
    return x[0] * x[-1] * a, np.exp(x[0]), math.log(4.0 + x[0]) - x[-1]


def relaxation(x, a=1.0):
    """No expression of x: how often it turns depends on it."""
    s = a * x[0]
    while s < 10.0:
        s = s * s + 1.0 + x[-1] ** 2
    if x[0] < -4.0:
        raise ValueError("out of reach")
    return s * x[0] + x[len(x) // 2]


def relaxations(x, a=1.0):
    s = relaxation(x, a)
    return s, s * x[-1], x[0] * x[-1]


def ratio(found: Any, expected: np.ndarray, allowed: Any) -> float:
    """The largest error as a part of what is allowed."""
    found = here(found)
    if found.shape != expected.shape:
        raise WrongError(f"shape {found.shape} where {expected.shape} is expected")
    if (differ := np.isnan(found) != np.isnan(expected)).any():
        raise WrongError(f"{int(differ.sum())} of {found.size} are wrongly NaN, or not")
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(np.abs(found - expected) / allowed, initial=0.0))


def near(found: Any, expected: np.ndarray, relative: float, of_largest: float = 1e-2) -> float:
    """The same, where exact results are allowed their rounding."""
    scale = max(1.0, np.nanmax(np.abs(expected), initial=0.0))
    return ratio(found, expected, relative * (np.abs(expected) + of_largest * scale))


def exact_to(kind: str) -> tuple[float, float]:
    """What `near` allows exact derivatives, and what follows from them: of float32 points they are computed in that."""
    return (5 * IN_SINGLE, 1.0) if kind == "float32" else (10 * EXACT[kind], 1e-2)


def combined(what: str, n: int, kind: str, points: int, checks: dict[str, Check]) -> Row:
    """All checks of a row, each of which may fail by itself."""
    worst, wrong = 0.0, []
    for name, check in checks.items():
        try:
            found = check()
        except Exception as error:
            wrong.append(f"{name}: {told(error)}")
            continue
        worst = max(worst, found)
        if not found <= 1.0:
            wrong.append(f"{name}: {significant(found)} times what is allowed")
    result = f"FAILED: {'; '.join(wrong)}" if wrong else f"{len(checks)} agree"
    return Row([what, str(n), kind, f"{points:,}", significant(worst), result], bool(wrong))


def points_of(rng: np.random.Generator, count: int, n: int, kind: str) -> np.ndarray:
    """Random points; at an odd one the functions are NaN or raise, another is NaN."""
    x = rng.uniform(-1.5, 1.5, (count, n)).astype(kind)
    x[count // 2 | 1, 0] = -5.0
    x[1, -1] = np.nan
    return x


def both_ways(
    operation: Callable[..., Any], fun: Callable, arrays: tuple[np.ndarray, ...], compare: Callable, **options: Any
) -> dict[str, Check]:
    """From and to the host, on the device, and there into memory; `compare` is given what is found and expected."""
    name, args, own = operation.__name__, options.pop("args", (1.5,)), options.pop("point_args", ())
    wide = [array.astype(np.float64) for array in arrays]
    expected = operation(fun, *wide, args, point_args=own, **options)
    shape = (expected[0] if isinstance(expected, tuple) else expected).shape
    resident = {"point_args": tuple(map(there, own)), **options}

    def on_host() -> float:
        out = poisoned(shape, arrays[0].dtype)
        found = operation(fun, *arrays, args, point_args=own, device="cuda", out=out, **options)
        if (found[0] if isinstance(found, tuple) else found) is not out:
            raise WrongError("out is not what is returned")
        return compare(found, expected)

    def on_device() -> float:
        poison_memory(math.prod(shape))
        return compare(operation(fun, *map(there, arrays), args, **resident), expected)

    def into() -> float:
        out = there(poisoned(shape, arrays[0].dtype))
        found = operation(fun, *map(there, arrays), args, out=out, **resident)
        return compare((out, *found[1:]) if isinstance(found, tuple) else out, expected)

    return {f"{name} from the host": on_host, f"{name} on the device": on_device, f"{name} there, into out": into}


def traced_row(n: int, kind: str, setting: Setting) -> Row:
    """Functions that are expressions of x."""
    count = 5 if setting.quick else RAGGED
    rng = np.random.default_rng([setting.seed, n])
    x, v = points_of(rng, count, n, kind), rng.normal(size=(count, n)).astype(kind)
    compare, checks = partial(near, relative=EXACT[kind]), {}
    if kind == "float32":
        compare = partial(near, relative=IN_SINGLE, of_largest=1.0)
    for operation, more in ((fc.gradient, ()), (fc.hessian, ()), (fc.hvp, (v,)), (fc.vhv, (v,))):
        checks |= both_ways(operation, chain, (x, *more), compare, method="traced")
    checks |= both_ways(fc.value, chain, (x,), compare)
    checks |= both_ways(fc.jacobian, several, (x,), compare, method="traced")

    def model() -> float:
        found, expected = (fc.quadratic_model(chain, x, device=device) for device in ("cuda", "cpu"))
        return max(
            near(getattr(found, name), getattr(expected, name), 1e-11) for name in ("value", "gradient", "hessian")
        )

    checks |= {"quadratic_model": model} if kind == "float64" else {}
    return combined("traced: value, gradient, jacobian, hessian, hvp, vhv", n, kind, count, checks)


def options_row(n: int, setting: Setting) -> Row:
    """Of traced functions: bounds, arguments of each point, errors, methods by name."""
    count = 5 if setting.quick else ODD
    rng = np.random.default_rng([setting.seed, 100 + n])
    x, own = points_of(rng, count, n, "float64"), (rng.uniform(1.0, 2.0, count),)
    compare = partial(near, relative=EXACT["float64"])

    def first(found: Any, expected: Any) -> float:
        ratio(np.isnan(here(found[1])) * 1.0, np.isnan(expected[1]) * 1.0, 0.5)
        return compare(found[0], expected[0])

    checks = {}
    for operation in (fc.gradient, fc.hessian):
        for name, given, how in (
            ("bounds", {"bounds": (-1.0, 1.2), "args": ()}, compare),
            ("point_args", {"point_args": own, "args": ()}, compare),
            ("return_error", {"return_error": True}, first),
            ("exact", {"method": "exact"}, compare),
        ):
            made = both_ways(operation, chain, (x,), how, **given)
            checks |= {f"{where}, {name}": check for where, check in made.items()}
    return combined("traced: bounds, point_args, return_error", n, "float64", count, checks)


WAYS = {
    "hyperdual": {"method": "hyperdual"},
    "central": {"method": "central"},
    "order 4": {"method": "central", "order": 4},
    "order 6": {"method": "central", "order": 6},
    "order 8": {"method": "central", "order": 8},
    "forward": {"method": "forward"},
    "bounds": {"method": "central", "bounds": (-1.0, 1.2)},
    "hyperdual within bounds": {"method": "hyperdual", "bounds": (-1.0, 1.2)},
    "noise": {"method": "central", "noise": 1e-4},
}
"""How functions are differentiated that are no expressions of x."""


def numbers_row(way: str, n: int, kind: str, setting: Setting) -> Row:
    """A function that is no expression of x, with errors, and arguments of each point."""
    count = 5 if setting.quick else ODD
    rng = np.random.default_rng([setting.seed, 200 + n])
    x, v, own = (
        points_of(rng, count, n, kind),
        rng.normal(size=(count, n)).astype(kind),
        (rng.uniform(1.0, 2.0, count),),
    )

    def compare(found: Any, expected: Any) -> float:
        if "hyperdual" in way:
            return near(found[0], expected[0], *exact_to(kind))
        # differences enlarge the rounding of f, which is not that of the CPU: by as much as their errors say
        return ratio(found[0], expected[0], 2.0 * expected[1] + 1e-12)

    options: dict[str, Any] = {"point_args": own, "args": (), "return_error": True, **WAYS[way]}
    checks = {}
    for operation, fun, more in (
        (fc.gradient, relaxation, ()), (fc.jacobian, relaxations, ()), (fc.hessian, relaxation, ()),
        (fc.hvp, relaxation, (v,)), (fc.vhv, relaxation, (v,)),
    ):  # fmt: skip
        checks |= both_ways(operation, fun, (x, *more), compare, **options)
    if way == "hyperdual":
        checks |= both_ways(fc.value, relaxation, (x,), partial(near, relative=EXACT[kind]))
    return combined(f"{way}: gradient, jacobian, hessian, hvp, vhv", n, kind, count, checks)


def large_row(setting: Setting) -> Row:
    """More points than are sent to a device at once."""
    count = 7 if setting.quick else LARGE
    x = points_of(np.random.default_rng([setting.seed, 500]), count, 2, "float64")
    checks = {}
    for operation, fun, options in (
        (fc.value, chain, {}), (fc.hessian, chain, {}), (fc.hessian, relaxation, {"method": "hyperdual"}),
    ):  # fmt: skip
        made = both_ways(operation, fun, (x,), partial(near, relative=10 * EXACT["float64"]), **options)
        checks |= {f"{name} of {fun.__name__}": check for name, check in made.items()}
    return combined("points in parts: value, hessian", 2, "float64", count, checks)


def traced(setting: Setting) -> Iterator[Row | Begun]:
    """The sections of derivatives."""
    cases = [(2, "float64"), (3, "float32")] if setting.quick else [
        (2, "float64"), (8, "float64"), (32, "float64"), (4, "float32"), (16, "float32"),
    ]  # fmt: skip
    tasks = [(f"traced, n = {n}, {kind}", partial(traced_row, n, kind, setting)) for n, kind in cases]
    tasks += [
        (f"traced, options, n = {n}", partial(options_row, n, setting)) for n in ((3,) if setting.quick else (3, 9))
    ]
    tasks.append(("points in parts", partial(large_row, setting)))
    yield from rows_in_time(tasks, setting)


def numbers(setting: Setting) -> Iterator[Row | Begun]:
    """Numbers that carry derivatives."""
    cases = [("hyperdual", 3, "float64"), ("hyperdual", 4, "float32"), ("hyperdual within bounds", 3, "float64")]
    cases += [("hyperdual", 12, "float64"), ("hyperdual", 9, "float64")]
    if setting.quick:
        cases = [("hyperdual", 2, "float64")]
    tasks = [(f"{way}, n = {n}, {kind}", partial(numbers_row, way, n, kind, setting)) for way, n, kind in cases]
    yield from rows_in_time(tasks, setting)


def differences(setting: Setting) -> Iterator[Row | Begun]:
    """Central and forward ones."""
    ways = [way for way in WAYS if "hyperdual" not in way]
    cases = [*((way, 3) for way in ways), ("central", 12), ("forward", 12)]
    if setting.quick:
        cases = [("bounds", 2)]
    tasks = [(f"{way}, n = {n}", partial(numbers_row, way, n, "float64", setting)) for way, n in cases]
    yield from rows_in_time(tasks, setting)
