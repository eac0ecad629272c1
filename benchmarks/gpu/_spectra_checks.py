"""Whether spectra are right: curvature and what it reads, eigenvalues and eigenvectors, as `_checks` compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import fastcurv as fc

from ..cases import symmetric_matrices
from ._checks import LARGE, ODD, RAGGED, chain, combined, exact_to, near, points_of, ratio, relaxation
from ._device import here, poison_memory, there
from ._report import Begun, Row, Setting, WrongError, rows_in_time

MOST_WITH_VECTORS = 48
"""Above, and without vectors above 64, cuSOLVER solves: see tests/cuda/test_device.py."""


def curvature_row(fun: Callable, n: int, kind: str, extra: tuple[str, ...], count: int, setting: Setting) -> Row:
    """Everything that curvature finds, and what it reads of it."""
    count = 5 if setting.quick else count
    x = points_of(np.random.default_rng([setting.seed, 300 + n]), count, n, kind)
    expected = fc.curvature(fun, x.astype(np.float64), (1.5,), extra=(*extra, "hessian"))

    def check(points: Any, device: str) -> float:
        found = fc.curvature(fun, points, (1.5,), extra=extra, device=device)
        return _agreement(fun, found, expected, extra, kind)

    checks = {
        "from the host": lambda: check(x, "cuda"),
        "on the device": lambda: check(there(x), "auto"),
    }
    what = "curvature" if fun is chain else "curvature, no expression of x"
    return combined(f"{what}{''.join(f', {name}' for name in extra)}", n, kind, count, checks)


def _agreement(fun: Callable, found: Any, expected: fc.Curvature, extra: tuple[str, ...], kind: str) -> float:
    """Of all fields, the worst."""
    relative, of_largest = exact_to(kind)
    # errors, which decide on signs and kinds, are of the type of the points; by numbers that carry derivatives they are
    # found by evaluating again, which rounds otherwise on a device
    is_exact = kind == "float64" and fun is chain
    norm = np.abs(expected.eigenvalues).max(axis=-1)
    rows = [ratio(found.eigenvalues, expected.eigenvalues, relative * norm[:, None])]
    both = ((getattr(found, name), getattr(expected, name)) for name in ("value", "gradient"))
    rows += [near(*pair, relative, of_largest) for pair in both]
    bend, error = here(found.gradient_curvature), here(found.eigenvalue_error)
    rows.append(ratio(bend, expected.gradient_curvature, relative * norm))
    for name in ("status", "index", "nullity", "kind") if is_exact else ("status",):
        if wrong := np.count_nonzero(here(getattr(found, name)) != getattr(expected, name)):
            raise WrongError(f"{name} differs at {wrong} of {len(expected.value)} points")
    if is_exact:
        rows.append(ratio(error, expected.eigenvalue_error, 1e-3 * expected.eigenvalue_error + 1e-30))
    if "hessian" in extra:
        rows.append(ratio(found.hessian, expected.hessian, relative * norm[:, None, None]))
    H = expected.hessian
    if "eigenvectors" in extra:
        rows.append(_residual(H, here(found.eigenvalues), here(found.eigenvectors), relative))
    if "newton_step" in extra:
        step, g = here(found.newton_step), expected.gradient
        ratio(step * 0.0, expected.newton_step * 0.0, 1.0)
        left = np.abs(np.einsum("bij,bj->bi", H, step) + g).max(axis=-1)
        size = norm * np.abs(step).max(axis=-1) + np.abs(g).max(axis=-1)
        rows.append(float(np.nanmax(left / (relative * size), initial=0.0)))
    return max(rows)


def _residual(A: np.ndarray, w: np.ndarray, z: np.ndarray, allowed: float) -> float:
    """Of A z = z w, relative to A, and of z'z = 1, where there is no NaN."""
    whole = np.isfinite(A).all(axis=(1, 2))
    if (np.isnan(z).any(axis=(1, 2)) == whole).any():
        raise WrongError("eigenvectors are wrongly NaN, or not")
    A, w, z = (np.asarray(array[whole], np.float64) for array in (A, w, z))
    norm = np.maximum(np.linalg.norm(A, axis=(1, 2)), np.finfo(np.float64).tiny)
    residual = np.abs(A @ z - z * w[:, None]).max(axis=(1, 2)) / norm
    return float(max(residual.max(), np.abs(z.swapaxes(1, 2) @ z - np.eye(A.shape[1])).max()) / allowed)


def eigen_row(n: int, kind: str, setting: Setting) -> Row:
    """Spectra of several kinds, with a matrix of NaN and one of zeros among them."""
    count = 3 if setting.quick else ODD
    eps = float(np.finfo(kind).eps)
    rng, checks = np.random.default_rng([setting.seed, 400 + n]), {}
    turned = np.linalg.qr(rng.normal(size=(n, n)))[0]
    for spectrum in ("random", "clustered", "graded"):
        A = turned @ symmetric_matrices(count, n, spectrum) @ turned.T
        A = (0.5 * (A + A.swapaxes(1, 2))).astype(kind)
        A[1], A[2] = np.nan, 0.0
        wide = A.astype(np.float64)
        expected = fc.eigvalsh(wide)
        allowed = 10 * eps * np.maximum(np.linalg.norm(wide, axis=(1, 2)), 1e-30)[:, None]

        def values(given: Callable, A=A, expected=expected, allowed=allowed, **more: Any) -> float:
            poison_memory(expected.size)
            return ratio(fc.eigvalsh(given(A), **more), expected, allowed)

        def vectors(given: Callable, A=A, expected=expected, allowed=allowed, **more: Any) -> float:
            poison_memory(A.size)
            w, z = map(here, fc.eigh(given(A), **more))
            return max(ratio(w, expected, allowed), _residual(A, w, z, 30 * eps))

        def ends(A=A, expected=expected, allowed=allowed) -> float:
            return ratio(fc.eigvalsh(A, subset="extremes", device="cuda"), expected[:, [0, -1]], allowed)

        checks[f"eigvalsh from the host, {spectrum}"] = partial(values, lambda a: a, device="cuda")
        checks[f"eigvalsh on the device, {spectrum}"] = partial(values, there)
        checks[f"the extremes, {spectrum}"] = ends
        if n <= MOST_WITH_VECTORS:
            checks[f"eigh from the host, {spectrum}"] = partial(vectors, lambda a: a, device="cuda")
            checks[f"eigh on the device, {spectrum}"] = partial(vectors, there)
    return combined("eigh, eigvalsh" if n <= MOST_WITH_VECTORS else "eigvalsh", n, kind, count, checks)


def curvature(setting: Setting) -> Iterator[Row | Begun]:
    """At points from the host and on the device."""
    everything = ("eigenvectors", "hessian", "newton_step")
    cases = [
        (chain, 2, "float64", (), 0), (chain, 4, "float32", (), 0), (chain, 9, "float64", (), 0),
        (relaxation, 3, "float64", everything, 0), (chain, 3, "float64", everything, 0),
        (chain, 8, "float64", (), 0), (chain, 16, "float32", (), 0), (chain, 32, "float64", (), 0),
        (chain, 2, "float64", (), LARGE),
    ]  # fmt: skip
    if setting.quick:
        cases = cases[:4]
    tasks = [
        (f"curvature, n = {n}, {kind}", partial(curvature_row, fun, n, kind, extra, large or RAGGED, setting))
        for fun, n, kind, extra, large in cases
    ]
    yield from rows_in_time(tasks, setting)


def solvers(setting: Setting) -> Iterator[Row | Begun]:
    """Up to the largest orders that are served."""
    orders = (2, 7) if setting.quick else (2, 4, 8, 16, 32, 1, 3, 5, 6, 7, 9, 12, 17, 24, 33, 48, 64)
    kinds = ("float64",) if setting.quick else ("float64", "float32")
    tasks = [(f"eigh, n = {n}, {kind}", partial(eigen_row, n, kind, setting)) for kind in kinds for n in orders]
    yield from rows_in_time(tasks, setting)
