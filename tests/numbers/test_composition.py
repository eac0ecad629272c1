"""Functions of one number are found among statements, and are what the statements are."""

import math
import random
from types import FunctionType
from typing import Any

import mpmath
import numpy as np
import pytest
from numba import from_dtype

import fastcurv as fc
from fastcurv.function import compiled
from fastcurv.numbers import _composition as composition
from fastcurv.numbers._vector import COORDINATES, SeededVector


def pair(x):
    r = (x[0] - x[1]) * (x[0] - x[1]) + x[2] * x[2]
    u = 1.0 / r
    s = u * u * u
    return 4.0 * (s * s - s)


def many(x):
    s = 0.0
    for i in range(len(x) - 1):
        s += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return s


def unrelated(x):
    return x[0] * x[1] + math.sin(x[2])


def results(x):
    a = math.exp(x[0])
    b = a * a
    return b * x[1] if a > 1.0 else a + x[1]


def one_each(x):
    a = math.exp(x[0])
    return a * x[1]


@pytest.mark.parametrize(
    ("function", "families"),
    # the steps of each function of one number, and those of them that others use
    [(pair, [(1, 1), (1, 1), (6, 1)]), (many, [(2, 1), (3, 2)]), (unrelated, []), (results, [(2, 2)])],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_what_is_composed(monkeypatch, function, families):
    by_jets, found = composition._Rewriting._by_jets, []

    def spy(self, root, family, results, names, sums):
        found.append((len(family), len(results)))
        return by_jets(self, root, family, results, names, sums)

    monkeypatch.setattr(composition._Rewriting, "_by_jets", spy)
    compiled(function, "composition").compile((SeededVector(from_dtype(np.dtype(float)), 8, 8, 0, COORDINATES),))
    assert sorted(found) == families


def source(seed: int, n: int) -> str:
    """A random program of 40 statements on n coordinates: names that come again, branches, loops, results of both."""
    rng, lines, depth = random.Random(seed), [f"def program_{seed}(x):", "    s = 0.0"], 1
    names = ["a", "b", "c", "d"]
    lines += [f"    {name} = x[{rng.randrange(n)}]" for name in names]

    def operand():
        return rng.choice([*names, *names, f"x[{rng.randrange(-n, n)}]", "0.5", "-1.25"])

    forms = (
        "{u} + {v}", "{u} - {v}", "0.5 * {u} * {v}", "{u} * {u} - {u}", "{u} / (1.5 + {v} * {v})", "-{u}",
        "math.sin({u}) * {v}", "math.exp(-{u} * {u})", "math.sqrt(2.0 + {u} ** 2)", "0.1 * {u} ** 3", "abs({u} + 3.0)",
        "max({u}, {v} - 9.0)", "math.log(2.0 + {u} * {u}) / 2.0", "math.tanh({u})", "{u}",
    )  # fmt: skip
    for _ in range(40):
        kind, indent = rng.random(), "    " * depth
        if kind < 0.1 and depth < 4:
            lines.append(f"{indent}if {rng.choice(names)} > {rng.uniform(-0.5, 0.5):.3f}:")
            depth += 1
        elif kind < 0.15 and depth < 4:
            lines.append(f"{indent}for _ in range({rng.randrange(1, 4)}):")
            depth += 1
        elif kind < 0.25:
            lines.append(f"{indent}s += {operand()} * {operand()}")
            depth = max(1, depth - rng.randrange(3))
            continue
        form = rng.choice(forms).format(u=operand(), v=operand())
        lines.append(f"{'    ' * depth}{rng.choice(names)} = math.tanh({form}) + 0.01 * ({form})")
    return "\n".join([*lines, "    return s + a * b + c * d", ""])


def plain(text: str, module: Any) -> Any:
    """The function of a program, with `math` that of floats, or mpmath's."""
    namespace = {"math": module}
    exec(text, namespace)  # what Numba compiles has no file
    return next(value for name, value in namespace.items() if name.startswith("program"))


def hessian_of(function: Any, x: np.ndarray) -> np.ndarray:
    """By differences with 60 digits."""
    with mpmath.workdps(60):
        h, n = mpmath.mpf(10) ** -18, len(x)

        def at(*moves):
            y = [mpmath.mpf(float(v)) for v in x]
            for i, sign in moves:
                y[i] += sign * h
            return mpmath.mpf(function(y))

        H = np.empty((n, n))
        for i in range(n):
            for j in range(n):
                signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
                H[i, j] = float(sum(p * q * at((i, p), (j, q)) for p, q in signs) / (4 * h * h))
        return H


@pytest.mark.parametrize("n", [2, 5, 11])
@pytest.mark.parametrize("seed", range(4))
def test_random_programs(seed, n):
    text = source(100 * n + seed, n)
    x = np.random.default_rng(seed).uniform(-1.0, 1.0, (3, n))
    expected = np.array([hessian_of(plain(text, mpmath), point) for point in x])
    found = fc.hessian(plain(text, math), x, method="hyperdual")
    scale = np.abs(expected).max(axis=(1, 2), keepdims=True)
    assert np.abs(found - expected).max() <= 1e-12 * scale.max(), text


INFINITY, ZERO, MINUS_ZERO = math.inf, 0.0, -0.0


def named_as_constants(x):
    inf = x[1] * x[1]
    p, q = min(x[0] * x[0], INFINITY), min(x[0] * x[0], inf)
    return p * p + math.exp(q) * q


def signs_of_zeros(x):
    s = math.copysign(x[0], ZERO) * math.copysign(x[0], MINUS_ZERO)
    return s * s + math.copysign(x[1], -0.0) * math.copysign(x[1], 0.0) * x[1]


def clamped_below(x):
    r = math.sqrt(x[0]) + math.sqrt(x[1])
    q = max(r, 2.0)
    return q * q + x[0] * x[1]


def clamped_norm(x):
    r = math.hypot(x[0] - 1.0, x[1])
    q = max(r, 0.1)
    return 1.0 / (q * q) + x[0] * x[1]


def clamped_above(x):
    r = x[0] / x[1]
    q = np.minimum(r, 10.0)
    return q * q * math.exp(-q) + x[0] * x[1]


def test_constants_are_no_names():
    x = np.array([2.0, 0.5])
    in_digits = FunctionType(named_as_constants.__code__, {**globals(), "math": mpmath})
    close(named_as_constants, x, hessian_of(in_digits, x))
    close(signs_of_zeros, x, [[12.0 * x[0] ** 2, 0.0], [0.0, -6.0 * x[1]]])


def close(function, x, expected):
    np.testing.assert_allclose(fc.hessian(function, x, method="hyperdual"), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("function", [clamped_below, clamped_norm, clamped_above], ids=lambda f: f.__name__)
def test_what_is_not_chosen_may_be_infinite(function):
    """At (1, 0) the number that is clamped has infinite derivatives, or none."""
    H = fc.hessian(function, [1.0, 0.0], method="hyperdual")
    assert np.array_equal(H, [[0.0, 1.0], [1.0, 0.0]])


@pytest.mark.parametrize(("step", "times"), [("c = c * c", 60), ("c = c * 0.999", 1200)])
def test_long_chains_of_real_numbers(step, times):
    """What is found about them grows with their length, not with the number of paths through them."""
    lines = ["def program(x, c):", *[f"    {step}"] * times, "    return x[0] * x[0] * c + x[1] * c", ""]
    H = fc.hessian(plain("\n".join(lines), math), [0.5, 0.25], (1.0,), method="hyperdual")
    c = 0.999**times if "0.999" in step else 1.0
    np.testing.assert_allclose(H, [[2.0 * c, 0.0], [0.0, 0.0]], rtol=1e-12)
