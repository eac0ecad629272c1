"""Launches and indices of all operations in the simulator of CUDA, against the CPU: the code of programs is the same.

Run with NUMBA_ENABLE_CUDASIM=1.
"""

import contextlib
import copy
import gc
import json
import math
import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import simulated
from simulated import Foreign, memory_of

import fastcurv as fc
from fastcurv import _plan
from fastcurv.backends import _dlpack
from fastcurv.backends._dlpack import CUDA, Exported, Imported

rng = np.random.default_rng(3)
# kernels run in Python, where NumPy warns of what is infinite or NaN
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*encountered in scalar:RuntimeWarning"), pytest.mark.usefixtures("backend"),
]  # fmt: skip


def chain(x, a=1.0):
    s = 0.0
    for i in range(len(x) - 1):
        s += 100 * (x[i + 1] - a * x[i] ** 2) ** 2 + np.cos(x[i]) + math.log(4.0 + x[0])
    return s


def rows_of_data(x, A, y):
    return np.sum(np.log1p(np.exp(A @ x)) - y * (A @ x))


def several(x, a=1.0):
    return x[0] * x[-1] * a, np.exp(x[0]), x[-1] - 3.0


def weighted(x, w):
    return w * np.sum(x**3)


def until(x, a=1.0):
    """No expression of x: how often it turns depends on it."""
    s = a * x[0]
    while s < 10.0:
        s = s * s + 1.0 + x[-1] ** 2
    if x[0] < -4.0:
        raise ValueError("out of reach")
    return s * x[0] + x[len(x) // 2]


def until_by_parts(x, a=1.0):
    s = until(x, a)
    return s, s * x[-1], x[0] * x[-1]


def slope(x, a=1.0):
    """A gradient that cannot be traced, of some function."""
    g = np.empty(len(x), x.dtype)
    for i in range(len(x)):
        g[i] = x[i] * x[0]
        while g[i] < 1.0:
            g[i] = g[i] + a
    return g


def assert_same(name, fun, x, *more, method="traced", **options):
    expected = getattr(fc, name)(fun, x, *more, method=method, **options)
    found = getattr(fc, name)(fun, x, *more, method=method, device="cuda", **options)
    assert_close(name, found, expected, x, 1e-13)


def assert_close(name, found, expected, x, rtol):
    """Results, or pairs of results and errors.

    Of float32 points they are computed in float32 on devices, in float64 on the CPU: errors bound the difference.
    """
    found, expected = (tuple(map(np.asarray, r if isinstance(r, tuple) else (r,))) for r in (found, expected))
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=name)
        if a.dtype == np.float64:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12, err_msg=name)
    if x.dtype == np.float32:
        (result, *errors), truth = found, expected[0]
        of_a_point = tuple(range(x.ndim - 1, truth.ndim)) or None
        size = np.abs(np.nan_to_num(truth)).max(axis=of_a_point, keepdims=True, initial=0.0)
        room = errors[0] if errors else 2e-5 * size
        assert (np.nan_to_num(np.abs(result - truth)) <= np.nan_to_num(room)).all(), name


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("count", "n"), [(0, 2), (1, 2), (5, 2), (130, 3), (3, 9), (70, 8)])
def test_every_operation_at_ragged_sizes(count, n, dtype):
    x = rng.normal(size=(count, n)).astype(dtype)
    x[count // 2 :, 0][:1] = -5.0  # the logarithm is NaN
    v = rng.normal(size=x.shape).astype(dtype)
    fc.hessian(chain, np.ones((1, n), dtype), (1.5,))
    rtol = 1e-13 if dtype == np.float64 else 1e-6  # on the CPU f itself is computed in float32
    np.testing.assert_allclose(fc.value(chain, x, (1.5,), device="cuda"), fc.value(chain, x, (1.5,)), rtol=rtol)
    for name in ("gradient", "hessian"):
        assert_same(name, chain, x, (1.5,))
        if count:
            assert_same(name, chain, x, (1.5,), return_error=True)
    assert_same("jacobian", several, x, (2.0,))
    for name in ("hvp", "vhv"):
        assert_same(name, chain, x, v, (1.5,))


@pytest.mark.parametrize(
    ("count", "n", "dtype"), [(0, 2, np.float64), (5, 3, np.float64), (7, 4, np.float32), (3, 9, np.float64)]
)
def test_numbers_that_carry_derivatives(count, n, dtype):
    """Blocks of the CPU, a task to a thread."""
    x = rng.normal(size=(count, n)).astype(dtype)
    x[count // 2 :, 0][:1] = -5.0  # raises
    if count > 3:
        x[3, 0] = np.nan
    v = rng.normal(size=(count, 2, n)).astype(dtype)
    common = {"method": "hyperdual", "args": (1.5,)}
    np.testing.assert_allclose(fc.value(until, x, (1.5,), device="cuda"), fc.value(until, x, (1.5,)), rtol=1e-13)
    for name in ("gradient", "hessian"):
        assert_same(name, until, x, return_error=True, **common)
    assert_same("hessian", until, x, **common)
    assert_same("jacobian", until_by_parts, x, **common)
    for name in ("hvp", "vhv"):
        assert_same(name, until, x[:, None], v, return_error=True, **common)
    assert_same("hessian", chain, x, grad=slope, **common)


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (("hessian", "jacobian"), {"method": "central"}),
        (("hessian",), {"method": "central", "order": 6, "return_error": True}),
        (("gradient", "hvp", "vhv"), {"method": "forward", "return_error": True}),
        (("hessian", "gradient"), {"method": "central", "bounds": (-1.0, [1.0, 0.5, np.inf]), "return_error": True}),
        (("hessian", "hvp"), {"method": "central", "noise": np.linspace(1e-4, 1e-3, 7), "grad": slope}),
    ],
    ids=["central", "order", "forward", "bounds", "noise"],
)
def test_differences(names, options):
    x = rng.uniform(-1.0, 1.0, (7, 3))
    x[3, 0], x[4, 1] = -5.0, np.nan
    v = (rng.uniform(-1.0, 1.0, (7, 2, 3)),)
    for name in names:
        is_product = name in ("hvp", "vhv") and "noise" not in options
        points = x[:, None] if is_product else x.astype(np.float32) if name == "jacobian" else x
        more = v if is_product else (v[0][:, 0],) if name == "hvp" else ()
        assert_same(name, until_by_parts if name == "jacobian" else until, points, *more, args=(1.5,), **options)


def test_numbers_with_bounds_and_points_own_arguments():
    x = rng.uniform(-1.0, 1.0, (11, 4))
    own = rng.uniform(1.0, 2.0, 11)
    for name in ("gradient", "hessian"):
        assert_same(name, until, x, method="hyperdual", bounds=(-0.5, [1.0, 0.5, np.inf, 1.0]))
        assert_same(name, until, x, method="hyperdual", point_args=(own,), return_error=True)
    nothing = np.empty((11, 0))
    found = fc.gradient(lambda x, a, b: until(x, b) + a.size, x, point_args=(nothing, own), device="cuda")
    np.testing.assert_allclose(found, fc.gradient(until, x, point_args=(own,)), rtol=1e-13)
    model, expected = (fc.quadratic_model(until, x, device=device) for device in ("cuda", "cpu"))
    for name in ("value", "gradient", "hessian"):
        np.testing.assert_allclose(getattr(model, name), getattr(expected, name), rtol=1e-13)


@pytest.mark.usefixtures("_foreign")
@pytest.mark.parametrize(
    ("n", "dtype", "options", "names"),
    [
        (8, np.float64, {"method": "central"}, ["hessian"]),
        (9, np.float64, {"method": "central", "return_error": True}, ["hessian", "gradient"]),
        (3, np.float64, {"method": "forward", "noise": np.linspace(1e-4, 1e-3, 34)}, ["hvp", "hessian"]),
        (3, np.float32, {"method": "hyperdual"}, ["hessian", "jacobian", "vhv"]),
    ],
)
def test_a_task_for_each_of_many_points(n, dtype, options, names, monkeypatch):
    """More than a block has threads. Shared memory has room for what a thread has of its own, but not for Hessians of 9
    coordinates.
    """
    from fastcurv.backends import _cuda_jobs

    monkeypatch.setattr(_cuda_jobs, "ENOUGH", 1)
    x, v = rng.uniform(-1.0, 1.0, (2, 34, n)).astype(dtype)
    for name in names:
        more = (v,) if name in ("hvp", "vhv") else ()
        fun = until_by_parts if name == "jacobian" else until
        assert_same(name, fun, x, *more, point_args=(rng.uniform(1.0, 2.0, 34),), **options)
    assert_there(names[0], until, x[:33], *([v[:33]] if names[0] == "hvp" else []), method=options["method"])


@pytest.fixture
def made(monkeypatch):
    """The kernels that are launched over items, and how, in order; blocks of threads are as large as on a device."""
    from fastcurv.backends import _cuda_jobs, _cuda_tiles

    found, make = [], _cuda_jobs.JobKernels.made
    monkeypatch.setattr(_cuda_tiles, "SHARED_BYTES", 40_000)
    monkeypatch.setattr(_cuda_jobs.JobKernels, "made", lambda *given: found.append(make(*given)) or found[-1])
    return found


@pytest.mark.parametrize(
    ("count", "n", "dtype", "enough", "options", "names"),
    [
        (7, 8, np.float64, 1, {"method": "hyperdual"}, ["hessian"]),
        (5, 9, np.float64, 1, {"method": "hyperdual", "return_error": True}, ["hessian"]),
        (5, 9, np.float32, 1, {"method": "hyperdual"}, ["hessian", "jacobian", "hvp"]),
        (5, 11, np.float64, 1, {"method": "hyperdual", "grad": slope}, ["hessian"]),
        (5, 7, np.float64, 19, {"method": "central", "return_error": True}, ["hessian", "jacobian"]),
        (5, 6, np.float64, 14, {"bounds": (-0.9, 0.9), "method": "central", "return_error": True}, ["hessian"]),
        (3, 5, np.float32, 12, {"method": "forward", "noise": np.full(3, 1e-4)}, ["hvp", "hessian"]),
    ],
)
def test_tasks_that_share_points(count, n, dtype, enough, options, names, made, monkeypatch):
    """Ragged: the last block of threads has fewer points than others."""
    from fastcurv.backends import _cuda_jobs

    monkeypatch.setattr(_cuda_jobs, "ENOUGH", enough)
    x, v = rng.uniform(-1.0, 1.0, (2, count, n)).astype(dtype)
    x[1, 0], own = np.nan, {} if "grad" in options else {"point_args": (rng.uniform(1.0, 2.0, count),)}
    for name in names:
        made.clear()
        assert_same(name, until_by_parts if name == "jacobian" else until, x, *[v] * (name == "hvp"), **own, **options)
        (_, items, tasks, places, _, teams), *_ = [one for one in made if one.tasks > 1]
        assert (items, teams.team) == (count, tasks)
        assert teams.shared_bytes <= 48 * 1024
        assert {place.kind for place in places if place.size} - {"levels"} == {"read", "written"}
    assert teams.items > 1


def test_tasks_of_several_directions_at_a_point(made, monkeypatch):
    """Several of which have one point, which is read for each; rows that are too long for that stay where they are."""
    from fastcurv.backends import _cuda_places

    x, v, own = rng.uniform(-1.0, 1.0, (3, 9)), rng.uniform(-1.0, 1.0, (3, 4, 9)), rng.uniform(1.0, 2.0, 3)
    for most in (_cuda_places.MOST_OF_OWN, 9):
        monkeypatch.setattr(_cuda_places, "MOST_OF_OWN", most)
        for method, tasks in (("hyperdual", 2), ("central", 9)):
            made.clear()
            assert_same("hvp", until, x, v, method=method, point_args=(own,))
            assert (made[-1].items, made[-1].tasks) == (12, tasks)
            assert made[-1].places[0].by_point
        assert_same("vhv", until, x, v, method="central", point_args=(own,))


def of_rows(x, a, w):
    """Of rows of a point's own."""
    return until(x, a[0]) * a[-1] + w[1] * x[0] ** 2 * w[0]


@pytest.mark.usefixtures("_foreign")
def test_rows_of_points_own_arguments(made, monkeypatch):
    """In shared memory, a thread's own, or where they are; shared by directions and by tasks."""
    from fastcurv.backends import _cuda_places

    x, v = rng.uniform(-1.0, 1.0, (3, 2)), rng.uniform(-1.0, 1.0, (3, 2, 2))
    own = rng.uniform(1.0, 2.0, (3, 4)), rng.uniform(1.0, 2.0, (3, 2)).astype(np.float32)
    given = {"method": "hyperdual", "point_args": own}
    with monkeypatch.context() as patch:
        for most, longest, kinds in ((9, 0, ("row", "read")), (7, 5, ("read long", "row")), (7, 0, ("row", "row"))):
            patch.setattr(_cuda_places, "MOST_OF_OWN", most)
            patch.setattr(_cuda_places, "MOST_LONG", longest)
            assert_same("hessian", of_rows, x, **given)
            assert tuple(place.kind + " long" * place.is_long for place in made[-1].own) == kinds
    assert_same("hvp", of_rows, x, v, **given)
    assert [(place.kind, place.by_point) for place in made[-1].own] == [("read", True)] * 2
    assert_same("hessian", of_rows, np.concatenate([x, x, x], axis=1), **given)
    assert made[-1].tasks > 1
    assert_same_curvature(of_rows, x, **given)


def test_more_tasks_than_threads_share_a_point(made, monkeypatch):
    """In rounds or, of few points, as threads of several blocks."""
    from fastcurv.backends import _cuda_jobs, _cuda_places, _cuda_tiles

    for module in (_cuda_jobs, _cuda_places, _cuda_tiles):
        monkeypatch.setattr(module, "MOST_SHARING", 4)
    x = rng.uniform(-1.0, 1.0, (3, 9))
    for enough, team in ((1, 4), (2**15, None)):
        monkeypatch.setattr(_cuda_jobs, "ENOUGH", enough)
        assert_same("hessian", until, x, method="hyperdual", return_error=True)
        assert made[-1].tasks == 15
        assert (made[-1].teams and made[-1].teams.team) == team


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_that_threads_keep_to_themselves(dtype, made, monkeypatch):
    """Those for which shared memory has no room, moved in pieces; or where they are, if they are longer yet."""
    from fastcurv.backends import _cuda_jobs, _cuda_places

    monkeypatch.setattr(_cuda_jobs, "ENOUGH", 1)
    x, v = rng.uniform(-1.0, 1.0, (2, 34, 7)).astype(dtype)
    for most, longest, kinds in ((10, 2048, (False, True)), (0, 2048, (True, True)), (0, 20, (True, False))):
        monkeypatch.setattr(_cuda_places, "MOST_OF_OWN", most)
        monkeypatch.setattr(_cuda_places, "MOST_LONG", longest)
        assert_same("hessian", until, x, method="central", return_error=dtype == np.float64)
        places = made[-1].places
        assert (places[0].is_long, any(place.is_long for place in places if len(place.shape) == 3)) == kinds
    assert_same("hvp", until, x[:5], np.repeat(v[:5, None], 2, axis=1), method="central")


def test_what_threads_have_of_their_own():
    """Short rows are in shared memory, while there is room; what all points share, or is empty, is itself."""
    from fastcurv.backends._cuda_places import MOST_LONG, MOST_OF_OWN, places_of, teams_for

    names = "steps", "scale", "noise", "status", "value", "gradient", "hessian", "hessian_error"

    def kinds(n, count, dtype=np.float64, tasks=1):
        one, levels = np.ones(1 if n < 8 else count), np.ones(2 if n < 8 else 1 + count)
        statuses = np.ones(count * tasks, np.int8)
        data = np.ones((3, n)), one, levels, statuses, np.ones(count), np.ones((count, n))
        matrices = np.ones((count, n, n), dtype), np.ones((0, 0, 0))
        places = places_of(names, np.ones((count, n), dtype), (*data, *matrices), count, tasks)
        teams = teams_for(places, tasks)
        assert teams.shared_bytes <= 48 * 1024
        assert teams.threads <= 256
        shared = sum(place.size for place in places if place.kind != "levels" and not place.is_long)
        assert shared <= MOST_OF_OWN * tasks
        assert sum(place.size for place in places if place.is_long) <= MOST_LONG
        found = [place.kind + " long" * place.is_long for place in places]
        return found, [place.single for place in places if place.size]

    assert kinds(2, 5) == (["read", "same", "same", "same", "row", "row", "written", "written", "same"], [False] * 3)
    assert kinds(3, 5, np.float32)[1] == [True, False, True]
    tail = ["same", "row", "levels", "row", "row"]
    assert kinds(9, 5)[0] == ["read", *tail, "written", "written long", "same"]
    assert kinds(76, 5)[0] == ["read", *tail, "written long", "row", "same"]
    assert kinds(77, 5)[0] == ["read long", *tail, "written long", "row", "same"]
    assert kinds(1, 1)[0] == ["row", "same", "same", "same", "row", "row", "row", "row", "same"]
    tail = ["same", "row", "levels", "tasks", "row"]
    assert kinds(9, 5, tasks=2)[0] == ["read", *tail, "written", "written", "same"]
    assert kinds(12, 5, tasks=2)[0] == ["read", *tail, "written", "row", "same"]
    assert kinds(69, 5, tasks=200)[0] == ["read", *tail, "written", "written", "same"]
    assert kinds(70, 5, tasks=200)[0] == ["read", *tail, "written", "row", "same"]
    own = np.ones((5, 3)), np.ones((5, 2), np.float32), np.ones((5, 2), np.int64), np.ones(5), np.ones((5, 0))
    places = places_of((), np.ones((5, 2)), (), 5, own=own)
    assert [place.kind for place in places] == ["read"] * 3 + ["row"] * 3
    assert [place.column for place in places[:3]] == [0, 2, 0]


@pytest.mark.parametrize(
    ("tasks", "size", "team", "items"),
    [(2, 8 * 50, 2, 16), (3, 8 * 73, 3, 32), (10, 8 * 73, 10, 3), (21, 8 * 157, 21, 3), (33, 8 * 400, 33, 3),
     (200, 8 * 4900, 200, 1), (256, 8 * 40, 256, 1), (257, 8 * 40, 129, 1), (528, 8 * 40, 176, 1)],
)  # fmt: skip
def test_teams_fill_warps(tasks, size, team, items, monkeypatch):
    from fastcurv.backends import _cuda_tiles

    monkeypatch.setattr(_cuda_tiles, "SHARED_BYTES", 40_000)
    assert _cuda_tiles.team_of(tasks) == team
    assert _cuda_tiles.teams_of(team, size) == items


def test_more_coordinates_than_a_piece():
    x, own = rng.uniform(-1.0, 1.0, (3, 35)), rng.uniform(1.0, 2.0, (3, 33))

    def fun(x, a):
        return np.sum(x[1:] ** 2 * x[:-1]) + np.sum(a**2) * x[0] ** 3

    for name in ("gradient", "hessian"):
        assert_same(name, fun, x, point_args=(own,))
    found, expected = (fc.curvature(fun, x[:, :3], point_args=(own,), device=device) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(found.kind, expected.kind)


def test_jobs_in_parts(monkeypatch):
    from fastcurv.backends import _cuda_jobs

    monkeypatch.setattr(_cuda_jobs, "CHUNK_BYTES", 8 * (4 + 16) * 3)
    monkeypatch.setattr(_cuda_jobs, "ordinals", lambda device: (0,))
    x, v = rng.uniform(-1.0, 1.0, (2, 13, 4))
    assert_same("hessian", until, x, method="hyperdual", point_args=(np.linspace(1.0, 2.0, 13),))
    assert_same("hessian", until, x, method="hyperdual", return_error=True)
    assert_same("hvp", until, x, v, method="hyperdual")


@pytest.mark.parametrize("n", [2, 9])
def test_numbers_in_single_precision(n):
    """Literals and arguments beside them are doubles; what is not finite is that of its point alone."""
    x, v = rng.uniform(-1.0, 1.0, (2, 9, n)).astype(np.float32)
    x[2, 0], own = np.nan, rng.uniform(1.0, 2.0, 9)
    common = {"method": "hyperdual", "point_args": (own,), "return_error": True}
    assert_same("jacobian", until_by_parts, x, **common)
    for name, more in (("hessian", ()), ("gradient", ()), ("hvp", (v,)), ("vhv", (v,))):
        assert_same(name, until, x, *more, **common)
    others = np.arange(9) != 2
    found, alone = (fc.hessian(until, a, method="hyperdual", device="cuda") for a in (x, x[others]))
    np.testing.assert_array_equal(found[others], alone)
    assert_same("hessian", until, x, method="hyperdual", bounds=(-0.9, 0.9))
    assert_same("hvp", until, x, v, method="hyperdual", bounds=(-0.9, 0.9), return_error=True)
    assert_same("hvp", until, x, v, method="exact", grad=slope)


def test_levels_of_noise_go_with_their_points(monkeypatch):
    from fastcurv.backends import _cuda_jobs, _cuda_transfers

    parts, begin = [], _cuda_transfers._Slot.begin
    monkeypatch.setattr(_cuda_jobs, "CHUNK_BYTES", 8 * (3 + 9) * 3)
    monkeypatch.setattr(_cuda_jobs, "ordinals", lambda device: (0,))
    monkeypatch.setattr(_cuda_transfers._Slot, "begin", lambda slot, part: parts.append(part) or begin(slot, part))
    x = rng.uniform(-1.0, 1.0, (13, 3))
    v = rng.uniform(-1.0, 1.0, x.shape)
    for noise in (np.geomspace(1e-8, 1e-2, 13), 1e-4):
        for name, more in (("hessian", ()), ("gradient", ()), ("hvp", (v,))):
            parts.clear()
            assert_same(name, until, x, *more, method="central", noise=noise, return_error=True)
            assert len(parts) > 1


def test_the_same_job_is_compiled_once(monkeypatch):
    """Also where options, which are checked anew, come again; other functions have kernels of their own."""
    from fastcurv.backends import _cuda_jobs

    made, compile_block = [], _cuda_jobs.compiled
    monkeypatch.setattr(_cuda_jobs, "_made", {})
    monkeypatch.setattr(_cuda_jobs, "compiled", lambda *a, **flags: made.append(a) or compile_block(*a, **flags))
    x = rng.uniform(-1.0, 1.0, (3, 2))
    for fun, expected in ((until, 1), (until, 1), (chain, 2), (until, 2)):
        found = fc.gradient(fun, x, method="central", bounds=(-2.0, 2.0), device="cuda")
        np.testing.assert_allclose(found, fc.gradient(fun, x, method="central", bounds=(-2.0, 2.0)), rtol=1e-13)
        assert len(made) == expected


@pytest.mark.parametrize("n", [2, 4])
def test_curvature_by_numbers(n):
    x = rng.uniform(-1.0, 1.0, (9, n))
    x[2, 0] = -5.0
    for extra in ((), ("hessian", "eigenvectors", "newton_step")):
        for fun in (until, chain):
            found, expected = (fc.curvature(fun, x, extra=extra, device=device) for device in ("cuda", "cpu"))
            for name in ("status", "index", "nullity", "kind"):
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
            for name in ("value", "gradient", "eigenvalues", "eigenvalue_error", *extra):
                a, b = np.abs(getattr(found, name)), np.abs(getattr(expected, name))
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=name)


@pytest.mark.parametrize(
    "options",
    [{}, {"method": "central"}, {"grad": slope}, {"bounds": (-0.9, 0.9)}, {"noise": 1e-3}, {"noise": np.full(9, 1e-3)}],
    ids=["hyperdual", "central", "grad", "bounds", "noise", "levels"],
)
def test_curvature_by_jobs_of_points_on_the_host(options, monkeypatch):
    """In parts, and without Hessians on the host where all points have the same noise."""
    from fastcurv import _by_device

    parts, read = [], _by_device.read_there
    monkeypatch.setattr(_by_device, "MATRIX_BYTES", 16 * 9 * 4)
    monkeypatch.setattr(_by_device, "read_there", lambda call, *more: parts.append(len(call.x)) or read(call, *more))
    x, own = rng.uniform(-1.0, 1.0, (9, 3)), {"point_args": (rng.uniform(1.0, 2.0, 9),), **options}
    x[2, 0] = np.nan
    if "grad" in own:
        del own["point_args"]
    found, expected = (fc.curvature(until, x, device=device, **own) for device in ("cuda", "cpu"))
    for name in ("status", "index", "nullity", "kind"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    for name in ("value", "gradient", "eigenvalues", "eigenvalue_error"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-6, err_msg=name)
    assert parts == ([] if np.ndim(options.get("noise")) else [4, 4, 1])


def test_bounds_points_own_arguments_and_data():
    x = rng.uniform(-1.0, 1.0, (11, 3))
    assert_same("hessian", chain, x, bounds=(-0.5, [1.0, 0.5, np.inf]))
    assert_same("gradient", weighted, x, point_args=(rng.normal(size=11),))
    A, y = rng.normal(size=(12, 3)), rng.integers(0, 2, 12).astype(float)
    assert_same("hessian", rows_of_data, x, (A, y))
    model = fc.quadratic_model(chain, x, device="cuda")
    expected = fc.quadratic_model(chain, x)
    for name in ("value", "gradient", "hessian"):
        np.testing.assert_allclose(getattr(model, name), getattr(expected, name), rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize("devices", [1, 3])
def test_more_points_than_fit_at_once(devices, backend, monkeypatch):
    """In parts of ten, of which each stream of each device works on one."""
    selected, select = [], backend.select
    for name in ("cuda", "_cuda_curvature"):
        module = import_module(f"fastcurv.backends.{name}")
        monkeypatch.setattr(module, "CHUNK_BYTES", 10 * 8 * 6)
        monkeypatch.setattr(module, "ordinals", lambda device: tuple(range(devices)))
    transfers = import_module("fastcurv.backends._cuda_transfers")
    monkeypatch.setattr(transfers, "select", lambda k: selected.append(k) or select(0))
    x = rng.normal(size=(67, 2))
    assert_same("hessian", chain, x)
    assert_same("gradient", weighted, x, point_args=(rng.normal(size=67),))
    np.testing.assert_allclose(
        fc.curvature(chain, x, device="cuda").eigenvalues, fc.curvature(chain, x).eigenvalues, rtol=1e-12, atol=1e-12
    )
    assert set(selected) == set(range(devices))


def test_an_error_in_a_part_waits_for_the_others(backend, monkeypatch):
    from fastcurv.backends import _cuda_transfers

    waited, wait = [], _cuda_transfers._Slot.wait
    monkeypatch.setattr(_cuda_transfers._Slot, "wait", lambda slot: waited.append(slot) or wait(slot))

    def double_until(end):
        def run(stream, count, source, target):
            for k in range(count):
                if source[k] >= end:
                    raise RuntimeError("too far")
                target[k] = 2.0 * source[k]

        return lambda ordinal: run

    x, y = np.arange(9.0), np.empty(9)
    _cuda_transfers.in_parts((0,), 2, (x,), (y,), double_until(9.0))
    np.testing.assert_array_equal(y, 2.0 * x)
    waited.clear()
    with pytest.raises(RuntimeError, match="too far"):
        _cuda_transfers.in_parts((0,), 2, (x,), (y,), double_until(6.0))
    assert len(set(waited[-2:])) == 2


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 6, 7])
def test_eigenvalues_and_vectors(n, dtype, backend, monkeypatch):
    from fastcurv.backends import _cuda_eigen

    monkeypatch.setattr(_cuda_eigen, "CHUNK_BYTES", 16 * max(1, n * n) * 7)  # several parts
    A = rng.normal(size=(2, 4, n, n)).astype(dtype)
    A = A + A.swapaxes(-1, -2)
    if n:
        limits = np.finfo(dtype)
        A[0, 0] *= limits.tiny * 16  # some entries lose their last digits
        A[0, 1] *= limits.max / 64
        A[0, 2], A[1, 1] = np.nan, 0.0
        A[1, 2] = np.eye(n)
        A[1, 3, 0, 0] = np.inf
    expected = fc.eigvalsh(A.astype(np.float64))
    w, z = fc.eigh(A, device="cuda")
    assert (w.dtype, z.dtype, z.shape) == (dtype, dtype, A.shape)
    np.testing.assert_array_equal(np.isnan(w), np.isnan(expected))
    eps = np.finfo(dtype).eps
    for at in np.ndindex(2, 4):
        if n and not np.isnan(w[at]).any():
            norm = np.abs(expected[at]).max()
            assert np.abs(w[at] - expected[at]).max() <= 10 * eps * norm
            norm = norm or 1.0
            residual = (A[at] / norm).astype(float) @ z[at] - z[at].astype(float) * (w[at] / norm)
            assert np.linalg.norm(residual, axis=0).max() <= 25 * eps
            assert np.abs(z[at].astype(float).T @ z[at] - np.eye(n)).max() <= 30 * eps
    values = fc.eigvalsh(A, device="cuda")
    np.testing.assert_allclose(values, w, rtol=0, atol=40 * eps * np.nanmax(np.abs(w), initial=1.0))
    if n:
        extremes = fc.eigvalsh(A, subset="extremes", device="cuda")
        np.testing.assert_array_equal(extremes, values[..., [0, -1]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [10, 17, pytest.param(33, marks=pytest.mark.stress)])
def test_matrices_of_groups_of_threads(n, dtype):
    """Spectra with gaps of many sizes, clusters and zeros, of matrices that are full."""
    Q = np.linalg.qr(rng.normal(size=(2, n, n)))[0]
    expected = np.sort([np.repeat([1.0, 1.0 + 1e-9, 2.0], n)[:n], np.geomspace(1e-12, 1.0, n) * (-1.0) ** np.arange(n)])
    A = (Q * expected[:, None]) @ Q.swapaxes(1, 2)
    A = (0.5 * (A + A.swapaxes(1, 2))).astype(dtype)
    w, z = found = fc.eigh(A, device="cuda")
    assert w.dtype == z.dtype == dtype
    eps = np.finfo(dtype).eps
    given, (w, z) = A.astype(float), (a.astype(float) for a in found)
    assert np.abs(w - np.linalg.eigvalsh(given)).max() <= 20 * eps * 2
    assert np.linalg.norm(given @ z - z * w[:, None], axis=1).max() <= 25 * eps * 2
    assert np.abs(z.swapaxes(1, 2) @ z - np.eye(n)).max() <= 30 * eps
    alone = fc.eigh(A[1], device="cuda")
    np.testing.assert_array_equal(alone.eigenvalues, w[1])  # whatever is beside it
    np.testing.assert_array_equal(alone.eigenvectors, z[1])


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
def test_curvature(n, backend, monkeypatch):
    from fastcurv.backends import _cuda_curvature

    def fun(x, a, scale):
        s = 0.0
        for i in range(len(x)):
            s += scale * (x[i] ** 4 - a[i] * x[i] ** 2) + x[i] * x[i - 1] + np.log(1.5 + x[0])
        return s

    monkeypatch.setattr(_cuda_curvature, "CHUNK_BYTES", 8 * (3 * n + 8) * 7)
    x = rng.uniform(-1.0, 1.0, (4, 4, n))
    x[1, 2], x[1, 2, 0] = 0.0, -1.75  # the logarithm is NaN
    x[3, 3, n - 1], x[2, 2, 0] = 0.99, np.nan  # outside
    common = {
        "args": (np.linspace(-1.0, 2.0, n),), "point_args": (rng.uniform(0.5, 1.0, (4, 4)),), "bounds": (-2.0, 0.95),
    }  # fmt: skip
    expected = fc.curvature(fun, x, **common)
    found = fc.curvature(fun, x, device="cuda", **common)
    for name in ("index", "nullity", "kind", "definiteness", "status"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
        assert getattr(found, name).dtype == getattr(expected, name).dtype
    for name in ("value", "gradient", "eigenvalues", "eigenvalue_error", "gradient_curvature", "condition_number"):
        a, b = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12 * (1 + n), err_msg=name)
    assert set(np.unique(found.status)) == {-5, -3, 0}
    assert fc.curvature(chain, rng.normal(size=(4, n)).astype(np.float32), device="cuda").value.dtype == np.float32


@pytest.mark.parametrize("n", [2, 9])
def test_curvature_in_single_precision(n):
    """Of points on the host, within bounds; what is not finite, or outside, is that of its point alone."""
    x = rng.uniform(-1.0, 1.0, (8, n)).astype(np.float32)
    x[3, 0], x[5] = -4.0, 9.0  # the logarithm is NaN; outside
    common = {"args": (1.5,), "bounds": (-5.0, 5.0)}
    for extra in ((), ("hessian", "newton_step")):
        found, expected = (fc.curvature(chain, x, extra=extra, device=device, **common) for device in ("cuda", "cpu"))
        assert set(found.status) == {-5, -3, 0}
        assert_close_curvature(found, expected)
    w = fc.curvature(chain, x, device="cuda", **common).eigenvalues
    others = found.status == 0
    np.testing.assert_array_equal(w[others], fc.curvature(chain, x[others], device="cuda", **common).eigenvalues)
    H = expected.hessian[others]
    assert (np.abs(found.hessian[others] - H) <= 2e-5 * np.abs(H).max(axis=(1, 2), keepdims=True)).all()


def test_curvature_in_single_precision_tells_what_it_cannot_decide():
    """An eigenvalue that float64 decides, and float32 does not."""
    x = np.array([[0.5, 0.5], [0.25, -0.5]], np.float32)
    found, expected = (fc.curvature(nearly_flat, x, device=device) for device in ("cuda", "cpu"))
    assert (expected.definiteness == fc.Definiteness.INDEFINITE).all()
    assert (found.definiteness == fc.Definiteness.SEMIDEFINITE).all()
    assert (found.nullity == 1).all()
    assert_close_curvature(found, expected)


def nearly_flat(x):
    return x[0] ** 2 - 1e-6 * x[1] ** 2


@pytest.mark.parametrize("options", [{}, {"method": "central"}], ids=["exact", "estimated"])
def test_curvature_of_rows_that_stay_where_they_are(options, monkeypatch):
    from fastcurv.backends import _cuda_read_outs

    monkeypatch.setattr(_cuda_read_outs, "LONGEST", 9)
    x = rng.uniform(-1.0, 1.0, (3, 10))
    found, expected = (fc.curvature(chain, x, device=device, **options) for device in ("cuda", "cpu"))
    np.testing.assert_array_equal(found.index, expected.index)
    for name in ("gradient", "eigenvalues", "eigenvalue_error", "gradient_curvature"):
        # estimates are differences of differences, of which rounding is a part
        rtol = 0.1 if options and name == "eigenvalue_error" else 1e-6
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=rtol, atol=1e-6, err_msg=name)


def test_check_and_explain():
    x = np.array([[0.3, 0.4], [-0.5, 0.2], [0.1, -0.3]])
    assert fc.check(until, x, device="cuda").worst == pytest.approx(fc.check(until, x).worst, rel=1e-3)
    told = fc.explain(until, x, device="cuda")
    assert told.method.startswith("hyperdual (auto: until cannot be traced")
    assert told.evaluations == "1 of fun per point, in hyper-dual numbers of 2 x 2 second derivatives"
    assert told.device == "cuda"
    assert told.threads == "those of the device, a task to each"
    told = fc.explain(chain, x, device="cuda")
    assert told.evaluations.endswith("in a thread for each point")
    assert fc.explain(until, x, order=4, device="cuda").method.startswith("central, order 4 (auto: an option")


def test_what_is_not_served_is_named():
    with pytest.raises(fc.CompilationError, match=r"(?s)until cannot be traced"):
        fc.hessian(until, np.ones((3, 2)), method="traced", device="cuda")
    with pytest.raises(fc.DeviceError, match=r"device='cuda' runs Python functions .*device='cpu'"):
        fc.value(fc.vectorized(lambda X: X[:, 0]), np.ones((3, 2)), device="cuda")
    with pytest.raises(fc.DeviceError, match="there are 1 CUDA devices"):
        fc.hessian(chain, np.ones((3, 2)), device="cuda:5")


class ByDLPack:
    """An array of a library that speaks DLPack alone, and whose arrays cannot be written to."""

    def __init__(self, memory, keep=None):
        self.memory, self.keep = memory, keep

    def __dlpack_device__(self):
        return (CUDA, 0)

    def __dlpack__(self, *, stream):
        assert stream == 1  # kernels run on CUDA's default stream
        memory = self.memory
        return Exported(memory.ctypes.data, memory.shape, memory.dtype, (CUDA, 0), memory).__dlpack__()

    def __array_namespace__(self):
        return SimpleNamespace(from_dlpack=lambda a: ByDLPack(memory_of(found := Imported(a)), found))


class LikeJax(ByDLPack):
    """An array whose other interface says nothing of the stream that it is made on: it must not be read by that."""

    __cuda_array_interface__ = {  # noqa: RUF012  as libraries give it
        "shape": (5, 3), "typestr": "<f8", "data": (4096, False), "version": 2, "strides": None,
    }  # fmt: skip


class CudaAPIError(RuntimeError):
    """What numba-cuda says of the driver, by its name."""


@pytest.fixture
def _foreign(backend, monkeypatch):
    simulated.take_arrays_of_others(lambda *what: monkeypatch.setattr(*what, raising=False))


def on_host(found):
    """Results on a device, of any kind, as NumPy's."""
    if isinstance(found, tuple):
        return tuple(map(on_host, found))
    if isinstance(found, np.ndarray):
        return found
    return found.copy_to_host() if hasattr(found, "copy_to_host") else found.memory


def assert_there(name, fun, x, *more, **options):
    """The same of arrays on a device as of NumPy's, and in the user's own array."""
    given = dict(options)
    if "point_args" in options:
        given["point_args"] = tuple(map(Foreign, options["point_args"]))
    expected = getattr(fc, name)(fun, x, *more, **options)
    call = getattr(fc, name), fun, Foreign(x), *(a if isinstance(a, tuple) else Foreign(a) for a in more)
    found = on_host(call[0](*call[1:], **given))
    assert_close(name, found, expected, x, 1e-11)
    is_pair = isinstance(found, tuple)
    result = found[0] if is_pair else found
    room = Foreign(np.full(result.shape, 7.0, x.dtype))
    given_back = call[0](*call[1:], out=room, **given)
    assert (given_back[0] if is_pair else given_back) is room
    np.testing.assert_array_equal(room.memory, result)


@pytest.fixture
def _without_transfers(monkeypatch):
    """Points, once a function is known, must not go through the host."""
    from fastcurv.backends import _cuda_transfers

    seen = _cuda_transfers.in_parts

    def few(ordinals, rows, sources, *more, **options):
        assert len(sources[0]) <= 4, "points went through the host"
        return seen(ordinals, rows, sources, *more, **options)

    monkeypatch.setattr("fastcurv._on_device.SAMPLES", 4)
    for module in ("_cuda_jobs", "_cuda_curvature", "_cuda_eigen", "_cuda_transfers"):
        monkeypatch.setattr(import_module(f"fastcurv.backends.{module}"), "in_parts", few)


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arrays_on_a_device_stay_there(dtype):
    x, v = rng.normal(size=(2, 2, 4, 3)).astype(dtype)
    x[1, 3], x[0, 1, 0] = np.nan, -5.0  # where the logarithm is NaN
    for name, more in {"value": (), "gradient": (), "hessian": (), "hvp": (v,), "vhv": (v,)}.items():
        assert_there(name, chain, x, *more, (1.25,))
    assert_there("jacobian", several, x, (2.0,))
    own, label = rng.normal(size=(2, 4)), rng.integers(0, 3, (2, 4))
    assert_there("hessian", weighted, x, point_args=(own.astype(dtype),))
    assert_there("hvp", selected, x, v, point_args=(own, label))
    assert_there("gradient", chain, x, bounds=(-0.5, 0.5))


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_errors_of_exact_derivatives_stay_there(dtype):
    x, v = rng.uniform(-1.0, 1.0, (2, 6, 3)).astype(dtype)
    x[2], x[3, 1] = np.nan, 0.5
    options = {"return_error": True}
    for name, more in {"gradient": (), "hessian": (), "hvp": (v,)}.items():
        assert_there(name, cancelling, x, *more, **options)
        assert_there(name, until, x, *more, method="hyperdual", **options)
    assert_there("jacobian", several, x, (2.0,), **options)
    assert_there("gradient", cancelling, x, bounds=(-0.9, 0.5), **options)


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize(
    ("fun", "options"),
    [
        (chain, {}), (weighted, {"point_args": True}), (until, {"method": "hyperdual"}), (until, {"method": "central"}),
        (until, {"grad": slope}), (chain, {"bounds": (-2.0, 0.5)}), (chain, {"noise": 1e-3}),
    ],
    ids=["traced", "point_args", "hyperdual", "central", "grad", "bounds", "noise"],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_models_stay_there(fun, options, dtype):
    x, own = rng.normal(size=(2, 3, 3)).astype(dtype), rng.uniform(1.0, 2.0, (2, 3))
    there, here = ({**options, "point_args": (a,)} if "point_args" in options else options for a in (Foreign(own), own))
    found, expected = fc.quadratic_model(fun, Foreign(x), **there), fc.quadratic_model(fun, x, **here)
    by_differences = "noise" in options or options.get("method") == "central"
    tolerance = 2e-5 if dtype == np.float32 else 1e-7 if by_differences else 1e-9
    for name in ("point", "value", "gradient", "hessian", "hessian_error"):
        given, wanted = on_host(getattr(found, name)), np.asarray(getattr(expected, name))
        assert (given.shape, given.dtype) == (wanted.shape, wanted.dtype)
        if name == "hessian_error" and dtype == np.float32 and not by_differences:
            # arithmetic is in float32 there: 64 eps, not a half, or that and half of an entry's own
            np.testing.assert_array_equal(np.isnan(given), np.isnan(wanted))
            assert (np.isnan(wanted) | ((64 * wanted <= given) & (given <= 128.01 * wanted))).all()
            continue
        np.testing.assert_allclose(given, wanted, rtol=tolerance, atol=tolerance, err_msg=name)
    y = (x + 0.1).astype(dtype)
    own[...] = 100.0  # the model is that of the call
    np.testing.assert_allclose(on_host(found(Foreign(y))), expected(y), rtol=tolerance, atol=tolerance)


@pytest.mark.filterwarnings("ignore:.*overflow encountered in cast")  # as a device does without a word
@pytest.mark.usefixtures("_foreign", "_without_transfers")
def test_models_too_large_for_single_precision():
    x = np.tile(np.array([1e20, 1.0]), (5, 1)).astype(np.float32)
    x[0], x[1] = 1.0, 1e9
    found, expected = fc.quadratic_model(large, Foreign(x)), fc.quadratic_model(large, x)
    for name, factor in {"value": 1, "gradient": 1, "hessian": 1, "hessian_error": 128}.items():  # as above
        wanted = factor * getattr(expected, name)
        np.testing.assert_allclose(on_host(getattr(found, name)), wanted, rtol=1e-5, err_msg=name)


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize("n", [2, 9])
def test_values_of_models_stay_where_derivatives_are_not_finite(n):
    x = np.ones((3, n))
    x[0, 0], x[1, 0] = 0.0, 1e200
    for fun in (root, fourth_power):
        expected = fc.quadratic_model(fun, x)
        there = fc.quadratic_model(fun, Foreign(x))
        for found in (fc.quadratic_model(fun, x, device="cuda"), there.on_host):
            np.testing.assert_array_equal(found.value, expected.value)
            np.testing.assert_allclose(found.gradient, expected.gradient)


def root(x):
    return np.sqrt(x[0]) + x[1]


def fourth_power(x):
    return x[0] ** 4 + x[1]


@pytest.mark.usefixtures("_foreign")
@pytest.mark.parametrize("name", ["gradient", "hessian"])
def test_errors_where_exact_derivatives_fall_away(name, monkeypatch):
    """Numbers that the CPU compiles and a device does not: what is given are differences, and their errors."""
    from fastcurv.backends import _cuda_jobs, _cuda_resident

    def fun(x):
        s = x[0]
        while s < 3.0:
            s = s * s + 1.5
        return np.sin(s) * x[1] ** 3

    def refuse(made, arguments, job):
        if any(role and "number" in role.kind for role in job.roles):
            raise fc.CompilationError("not on a device")

    x = rng.uniform(0.5, 1.0, (5, 2))
    expected = getattr(fc, name)(fun, x, method="central", return_error=True)
    getattr(fc, name)(fun, x)
    for module in (_cuda_jobs, _cuda_resident):
        monkeypatch.setattr(module, "compile_for", refuse)
    found = getattr(fc, name)(fun, Foreign(x), return_error=True)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(on_host(a), b, rtol=1e-5)


@pytest.mark.usefixtures("_foreign")
@pytest.mark.parametrize("method", ["hyperdual", "central", "auto"])
def test_arguments_may_decide_on_the_number_of_values(method):
    def part(x, k):
        s = 1.0
        while s < 2.0:
            s += 1.0
        return x[:k]

    x = rng.normal(size=(3, 4))
    for k in (2, 3, 2):
        expected = fc.jacobian(part, x, (k,), method=method)
        np.testing.assert_allclose(on_host(fc.jacobian(part, Foreign(x), (k,), method=method)), expected, atol=1e-9)
        out = Foreign(np.full((3, k, 4), 7.0))
        assert fc.jacobian(part, Foreign(x), (k,), method=method, out=out) is out
        np.testing.assert_allclose(out.memory, expected, atol=1e-9)


@pytest.mark.usefixtures("_foreign")
def test_arguments_that_steer_functions_otherwise_in_each_call(monkeypatch):
    """Beyond the versions that are traced numbers serve, without samples each time."""
    from fastcurv import _on_device

    def power(x, k):
        s = 1.0
        for _ in range(k):
            s = s * x[0] + x[1]
        return s

    x = rng.normal(size=(6, 2))
    for k in range(20):
        np.testing.assert_allclose(
            on_host(fc.gradient(power, Foreign(x), (k,))), fc.gradient(power, x, (k,)), atol=1e-9
        )
    seen = []
    monkeypatch.setattr(_on_device.Given, "on_host", lambda given, rows: seen.append(rows))
    fc.gradient(power, Foreign(x), (19,))
    assert not seen


def cancelling(x):
    """Of which rounding is more than a few digits of the results."""
    return (1e6 + x[0] * x[1]) ** 2 - 1e12 + np.exp(x[2]) * x[0]


def selected(x, w, label):
    return w * x[label] ** 3 + x[0] * x[1]


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize(
    "options",
    [
        {"method": "hyperdual"}, {"method": "central"}, {"method": "forward"}, {"method": "central", "order": 4}, {},
        {"method": "central", "bounds": (-1.0, 0.5)},
    ],
    ids=str,
)  # fmt: skip
def test_jobs_over_arrays_that_stay_there(options):
    n = 5
    x, v = rng.uniform(-1.0, 1.0, (2, 9, n))
    x[3, 0], x[4, 1], own = -5.0, np.nan, rng.uniform(1.0, 2.0, 9)
    common = {"point_args": (own,), **options}
    assert_there("hessian", until, x, **common)
    assert_there("gradient", until, x, **common)
    assert_there("jacobian", until_by_parts, x, **common)
    if "bounds" not in options:
        assert_there("hvp", until, x, v, **common)
        assert_there("vhv", until, x, v, **common)
    if not options:
        assert_there("value", until, x, point_args=(own,))
        single = np.tile(np.array([1e20, 1.0]), (9, 1)).astype(np.float32)
        single[0] = 1.0
        assert_there("hessian", large, single)


def large(x):
    s = 1.0
    while s < 2.0:
        s = s + 1.0
    return s * x[0] ** 4 + x[1]


@pytest.mark.filterwarnings("ignore:.*overflow encountered in cast")  # as a device does without a word
@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize(
    "options",
    [{}, {"method": "central"}, {"method": "forward"}, {"method": "central", "order": 4}, {"noise": 1e-3}, "levels"],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_errors_of_differences_stay_there(options, dtype):
    x, v = rng.uniform(-1.0, 1.0, (2, 7, 3)).astype(dtype)
    x[3, 1] = np.nan
    options = {"noise": rng.uniform(0.0, 1e-2, 7)} if options == "levels" else options
    common = {"return_error": True, **options}
    for name, more in {"gradient": (), "hessian": (), "hvp": (v,), "vhv": (v,)}.items():
        assert_there(name, until, x, *more, **common)
    assert_there("jacobian", until_by_parts, x, **common)
    single = np.tile(np.array([1e20, 1.0]), (5, 1)).astype(dtype)
    single[0] = 1.0
    assert_there("hessian", large, single, **({} if "noise" in options else options), return_error=True)


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize("method", ["hyperdual", "central"])
@pytest.mark.parametrize("errors", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_derivatives_of_gradients_stay_there(method, errors, dtype):
    x, v = rng.uniform(-1.0, 1.0, (2, 6, 3)).astype(dtype)
    x[2, 0] = np.nan
    for name, more in {"hessian": (), "hvp": (v,), "vhv": (v,)}.items():
        assert_there(name, until, x, *more, grad=slope, method=method, return_error=errors)


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize(("fun", "method"), [(chain, "auto"), (until, "hyperdual"), (until, "central")])
@pytest.mark.parametrize("errors", [False, True])
def test_directions_stay_there(fun, method, errors):
    x, v = rng.uniform(-1.0, 1.0, (2, 6, 3))
    x[2, 0] = np.nan
    own = {"point_args": (rng.uniform(1.0, 2.0, 6),), "return_error": errors, "method": method}
    for name in ("hvp", "vhv"):
        assert_there(name, fun, x, np.stack([v, x, v], axis=1), **own)
        assert_there(name, fun, x, v[0], **own)
        assert_there(name, fun, x, v, bounds=(-0.9, 0.8), **own)
        assert_there(name, fun, x[0], v, method=method, return_error=errors)
    assert_there("hvp", fun, x, np.stack([v, x], axis=1), bounds=(-0.9, 0.8), **own)


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_coordinates_whose_bounds_coincide(dtype):
    """They have no derivative; the others of the point have."""
    x = np.ones((5, 2), dtype)
    x[:, 0] = rng.uniform(1.0, 2.0, 5)
    options = {"method": "central", "bounds": ([-5.0, 1.0], [5.0, 1.0])}
    for name in ("gradient", "hessian"):
        assert_there(name, until, x, **options)
        assert_there(name, until, x, return_error=True, **options)
    found, expected = fc.quadratic_model(until, Foreign(x), **options), fc.quadratic_model(until, x, **options)
    assert np.isfinite(expected.gradient[:, 0]).all()
    np.testing.assert_allclose(on_host(found.gradient), expected.gradient, rtol=1e-5)


def beyond_one(x):
    """Not defined at 0."""
    i = 0
    while x[i] < 1.0:
        i += 1
    return x[i] * x[0] ** 2, x[1]


def slope_beyond_one(x):
    i = 0
    while x[i] < 1.0:
        i += 1
    return 2 * x[i] * x[0], x[1] - x[1]


def square_beyond_one(x):
    return beyond_one(x)[0]


@pytest.mark.usefixtures("_foreign", "_without_transfers")
def test_functions_are_tried_at_the_points_alone():
    x, v = rng.uniform(1.0, 2.0, (2, 6, 2))
    assert_there("jacobian", beyond_one, x)
    assert_there("hessian", square_beyond_one, x, grad=slope_beyond_one)
    assert_there("hvp", square_beyond_one, x, v, grad=slope_beyond_one)


@pytest.mark.usefixtures("_foreign", "_without_transfers")
def test_curvature_of_many_points_in_parts(monkeypatch):
    from fastcurv.backends import _cuda_curvature as curvature

    monkeypatch.setattr(curvature, "SCRATCH_BYTES", 8 * 4 * sum(curvature.scratch_of(9)))
    x, own = rng.normal(size=(9, 9)), rng.uniform(1.0, 2.0, 9)
    found, expected = (
        fc.curvature(weighted, Foreign(x), point_args=(own,)),
        fc.curvature(weighted, x, point_args=(own,)),
    )
    for name in ("value", "gradient", "eigenvalues", "eigenvalue_error", "index"):
        np.testing.assert_allclose(on_host(getattr(found, name)), getattr(expected, name), rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("_foreign")
def test_what_the_host_puts_together():
    x, v = rng.uniform(-1.0, 1.0, (2, 7, 3))
    assert_there("hvp", chain, x[:, None], v)  # one of many ways to broadcast
    H = fc.hessian(chain, Foreign(x), sparse=True)
    np.testing.assert_allclose(H.values, fc.hessian(chain, x, sparse=True).values)
    model, expected = fc.quadratic_model(chain, Foreign(x)), fc.quadratic_model(chain, x)
    assert isinstance(model, fc.QuadraticModel)
    np.testing.assert_allclose(on_host(model(Foreign(v))), expected(v))
    np.testing.assert_allclose(on_host(model.decrease(v)), expected.decrease(v))
    np.testing.assert_allclose(on_host(model.minimizer()), expected.minimizer())
    assert fc.check(chain, Foreign(x)).worst == pytest.approx(fc.check(chain, x).worst, rel=1e-3)
    assert fc.explain(chain, Foreign(x)).device == "cuda:0"


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize("n", [2, 9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_curvature_stays_there(n, dtype):
    x = rng.normal(size=(2, 3, n)).astype(dtype)
    x[1, 1] = np.nan
    found, expected = fc.curvature(chain, Foreign(x), (1.5,)), fc.curvature(chain, x, (1.5,))
    assert isinstance(found, fc.Curvature)
    if dtype == np.float32:
        assert_close_curvature(found, expected)
        return
    for name in ("index", "nullity", "status", "kind", "definiteness"):
        a, b = on_host(getattr(found, name)), getattr(expected, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, err_msg=name)
    for name in (
        "value", "gradient", "eigenvalues", "eigenvalue_error", "gradient_curvature", "eigenvalue_min", "best_step",
        "condition_number",
    ):  # fmt: skip
        a, b = on_host(getattr(found, name)), getattr(expected, name)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-5, err_msg=name)
    assert repr(found) == repr(expected)
    np.testing.assert_allclose(on_host(found.heavy_ball.rate), expected.heavy_ball.rate, rtol=1e-9)
    step = np.full((2, 3), 0.01, dtype)
    np.testing.assert_allclose(
        on_host(found.predicted_change(Foreign(step))), expected.predicted_change(step), rtol=1e-3, atol=1e-3
    )
    with pytest.raises(AttributeError, match=r"hessian was not computed; call curvature\(\.\.\., extra"):
        found.hessian  # noqa: B018  that it raises is the test


class Shaped(ByDLPack):
    """One that tells its shape."""

    @property
    def shape(self):
        return self.memory.shape

    def __array_namespace__(self):
        return SimpleNamespace(from_dlpack=lambda a: Shaped(memory_of(found := Imported(a)), found))


@pytest.mark.usefixtures("_foreign")
def test_extremes_stay_there():
    A = rng.normal(size=(5, 4, 4))
    found = fc.eigvalsh(Shaped(A), subset="extremes")
    assert isinstance(found, ByDLPack)
    np.testing.assert_allclose(found.memory, fc.eigvalsh(A)[:, [0, -1]], atol=1e-13)


@pytest.mark.usefixtures("_foreign")
@pytest.mark.parametrize("what", ["curvature", "extremes", "model", "error"])
def test_results_are_complete_when_they_are_handed_over(what, backend, monkeypatch):
    """Whatever stream they are read on: the last launch comes before a synchronisation, and that before the array."""
    events, launch = [], backend.launch

    def launching(kernel, *arguments, **options):
        events.append("launch")
        launch(kernel, *arguments, **options)

    for module in ("_cuda_jobs", "_cuda_fused", "_cuda_curvature", "_cuda_over", "_cuda_eigen", "cuda"):
        monkeypatch.setattr(import_module(f"fastcurv.backends.{module}"), "launch", launching)
    monkeypatch.setattr(backend.cuda, "synchronize", lambda: events.append("synchronise"), raising=False)
    export = Exported.__dlpack__
    monkeypatch.setattr(Exported, "__dlpack__", lambda self, **given: events.append("read") or export(self, **given))
    x = rng.normal(size=(4, 3))
    if what == "curvature":
        fc.curvature(chain, Shaped(x))
    elif what == "extremes":
        fc.eigvalsh(Shaped(rng.normal(size=(4, 3, 3))), subset="extremes")
    elif what == "model":
        fc.quadratic_model(chain, Shaped(x)).hessian  # noqa: B018  it is made when it is asked for
    else:
        fc.gradient(chain, Shaped(x), return_error=True)
    waiting = False
    for event in events:
        assert not (event == "read" and waiting)
        waiting = event == "launch" or (waiting and event != "synchronise")
    assert events.count("read") >= 2


@pytest.mark.usefixtures("_foreign")
def test_what_arguments_on_a_device_must_be():
    x, v = rng.normal(size=(2, 6, 3))
    fc.hvp(chain, Foreign(x), Foreign(v))
    with pytest.raises(TypeError, match="v must hold real numbers"):
        fc.hvp(chain, Foreign(x), None)
    for method in ("central", "traced"):
        with pytest.raises(ValueError, match="out must not share memory with x"):
            fc.gradient(chain, out := Foreign(x), method=method, out=out)
    with pytest.raises(ValueError, match="out must not share memory with v"):
        fc.hvp(chain, Foreign(x), out := Foreign(v), out=out)
    elsewhere = Foreign(x[:, 0].copy())
    elsewhere.device = SimpleNamespace(id=1)
    with pytest.raises(ValueError, match=r"point_args\[0\] must live on cuda:0, as x does, got cuda:1"):
        fc.hessian(weighted, Foreign(x), point_args=(elsewhere,))
    masked = np.ma.MaskedArray(x[:, 0], mask=x[:, 0] > 0)
    with pytest.raises(TypeError, match=r"point_args\[0\] must not be a masked array"):
        fc.hessian(weighted, Foreign(x), point_args=(masked,))
    with pytest.raises(TypeError, match="v must not be a masked array"):
        fc.hvp(chain, Foreign(x), np.ma.MaskedArray(v, mask=v > 0))
    with pytest.raises(ValueError, match=r"sparse=True .* out cannot apply"):
        fc.hessian(chain, Foreign(x), sparse=True, out=Foreign(np.empty((6, 3, 3))))
    with pytest.raises(fc.DeviceError, match="use device='cpu' with NumPy arrays"):
        fc.gradient(fc.vectorized(lambda X: X[:, 0]), Foreign(x))


@pytest.mark.usefixtures("_foreign")
def test_arguments_of_other_kinds_beside_points_on_a_device():
    x, v, own = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)), rng.uniform(1.0, 2.0, (6, 4))
    expected = fc.hessian(weighted, x, point_args=(own[:, 2],))
    half = np.array([1.0, 2.0, 1.5, 0.5, 1.0, 3.0])
    np.testing.assert_allclose(
        on_host(fc.hessian(weighted, Foreign(x), point_args=(Foreign(half.astype(np.float16)),))),
        fc.hessian(weighted, x, point_args=(half,)),
    )
    for given in (own[:, 2], own[:, 2].astype(">f8"), own[:, 2].tolist()):
        np.testing.assert_allclose(on_host(fc.hessian(weighted, Foreign(x), point_args=(given,))), expected)
    for given in (v, v.tolist(), Foreign(v)):
        np.testing.assert_allclose(on_host(fc.hvp(chain, Foreign(x), given)), fc.hvp(chain, x, v), atol=1e-11)
    noise, tolerance = np.full(6, 1e-4), np.array(1e-3)
    np.testing.assert_allclose(
        on_host(fc.gradient(chain, Foreign(x), noise=Foreign(noise))), fc.gradient(chain, x, noise=noise), rtol=1e-6
    )
    found = fc.curvature(chain, Foreign(x), critical_tol=Foreign(tolerance), bounds=(Foreign(x.min(0)), np.inf))
    expected = fc.curvature(chain, x, critical_tol=1e-3, bounds=(x.min(0), np.inf))
    np.testing.assert_array_equal(on_host(found.kind), expected.kind)


@pytest.fixture
def transfers(_foreign, monkeypatch):
    """Bytes of everything that is sent to the device, or fetched from there."""
    from numba import cuda
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray  # pyright: ignore[reportMissingImports]

    seen = []

    def watched(move, size_of):
        return lambda *given, **options: seen.append(size_of(*given)) or move(*given, **options)

    def sent(room, a, *_):
        return a.nbytes if isinstance(a, np.ndarray) else 0

    monkeypatch.setattr(cuda, "to_device", watched(cuda.to_device, lambda a, *_: a.nbytes))
    monkeypatch.setattr(FakeCUDAArray, "copy_to_host", watched(FakeCUDAArray.copy_to_host, lambda a, *_: a.nbytes))
    monkeypatch.setattr(FakeCUDAArray, "copy_to_device", watched(FakeCUDAArray.copy_to_device, sent))
    return seen


def assert_moves_little(transfers, call_of, *sizes):
    """Of a function that is known, as many bytes whatever the size; ``call_of(size, there)`` calls with arrays that
    `there` makes of NumPy's.
    """
    moved = []
    for size in sizes:
        for found in ([], []):
            transfers.clear()
            found.append(call_of(size, Foreign))
            moved.append(sum(transfers))
            expected = call_of(size, lambda a: a)
            assert_close(
                "results", on_host(found[0]), expected, expected[0] if isinstance(expected, tuple) else expected, 1e-9
            )
    assert len(set(moved[1::2])) == 1
    assert moved[1] < 256


def of_data(x, given, k):
    A, (y, scale) = given
    return scale * np.sum(np.log1p(np.exp(A @ x)) - y * (A @ x)) + x[k]


def of_data_until(x, A, y):
    s = 0.0
    while s < 1.0:
        s += 1.0
    for r in range(len(A)):
        t = -y[r]
        for i in range(len(x)):
            t += A[r, i] * x[i]
        s += t**4
    return s


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method", ["traced", "hyperdual", "central"])
def test_data_that_points_share_stay_there(method, dtype, transfers):
    """Numbers, and integers by which a function is steered, among them; float32 is taken for float64."""

    def call(size, there):
        own = np.random.default_rng(5)
        x, A, y = own.uniform(-1.0, 1.0, (5, 3)), own.normal(size=(size, 3)), own.normal(size=size)
        A, y = (there(a.astype(dtype)) if there is Foreign else a.astype(dtype).astype(float) for a in (A, y))
        if method == "traced":
            return fc.hessian(of_data, there(x), ((A, (y, 1.5)), 2), method=method)
        return fc.hessian(of_data_until, there(x), (A, y), method=method, return_error=True)

    assert_moves_little(transfers, call, 40, 80)


def test_data_in_single_precision_and_curvature_of_it(transfers):
    def call(size, there):
        own = np.random.default_rng(5)
        A, y, x = own.normal(size=(size, 3)), own.normal(size=size), own.uniform(-1.0, 1.0, (5, 3))
        found = fc.curvature(of_data, there(x), ((there(A), (there(y), 1.5)), 2))
        return found.value, found.eigenvalues, fc.gradient(of_data_until, there(x), (there(A), there(y)))

    assert_moves_little(transfers, call, 40, 80)
    A, y, x = rng.normal(size=(40, 3)), rng.normal(size=40), rng.uniform(-1.0, 1.0, (5, 3)).astype(np.float32)
    for _ in range(2):
        found = fc.gradient(of_data, Foreign(x), ((Foreign(A), (Foreign(y), 1.5)), 2))
    np.testing.assert_allclose(on_host(found), fc.gradient(of_data, x, ((A, (y, 1.5)), 2)), rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("_foreign")
def test_data_on_a_device_that_are_not_finite():
    """Nothing of it may be taken for zero: 0 times inf is NaN."""

    def chosen(x, a):
        return a[0] * (x[0] if x[0] > 0.0 else x[1]) ** 2 + x[0]

    x = np.array([[1.0, 2.0], [-1.0, 3.0]])
    for first in (2.0, np.inf, 2.0):
        a = np.array([first, 1.0])
        for _ in range(2):
            np.testing.assert_array_equal(
                on_host(fc.gradient(chosen, Foreign(x), (Foreign(a),))), fc.gradient(chosen, x, (a,))
            )


@pytest.mark.usefixtures("_foreign")
def test_data_on_a_device_that_steer_a_function():
    """Integers and booleans are looked at in each call."""

    def steered(x, a, which, use):
        return a[which[0]] * x[which[1]] ** 2 + (x[0] * a[1] if use[0] else 0.0)

    x, a = rng.normal(size=(4, 3)), rng.normal(size=3)
    for which, use in (([0, 1], [True]), ([2, 0], [False]), ([0, 1], [True])):
        given = a, np.array(which), np.array(use)
        found = fc.gradient(steered, Foreign(x), tuple(map(Foreign, given)))
        np.testing.assert_allclose(on_host(found), fc.gradient(steered, x, given), rtol=1e-13)
    out = Foreign(x.copy())
    with pytest.raises(ValueError, match=r"out must not share memory with args\[1\]"):
        fc.gradient(weighted_by_all, Foreign(x), (2.0, (out,)), out=out)


def weighted_by_all(x, a, b):
    return a * x[0] ** 2 * np.sum(b[0])


@pytest.mark.parametrize("stencil", [None, "economical"])
def test_levels_of_noise_stay_there(stencil, transfers):
    def call(size, there, kind=float):
        own = np.random.default_rng(6)
        x, v, noise = own.uniform(-1.0, 1.0, (size, 3)), own.normal(size=(size, 3)), own.uniform(0.0, 1e-2, size)
        noise = noise.astype(kind)
        return (
            *fc.gradient(until, there(x), noise=there(noise), return_error=True),
            *fc.hessian(until, there(x), noise=there(noise), stencil=stencil, return_error=True),
            fc.hvp(until, there(x), there(v), noise=there(noise)),
            fc.gradient(until, there(x[:, None]), noise=there(noise[:1])),
        )

    assert_moves_little(transfers, call, 6, 12)
    np.testing.assert_allclose(on_host(call(6, Foreign, np.float32))[0], call(6, lambda a: a, np.float32)[0], rtol=1e-6)
    x = Foreign(rng.normal(size=(4, 3)))
    for wrong in (np.full(4, -1.0), np.full(4, np.nan), np.array([0.0, 0.0, np.inf, 0.0])):
        with pytest.raises(ValueError, match="noise must be finite and not negative"):
            fc.gradient(until, x, noise=Foreign(wrong))
    with pytest.raises(ValueError, match="noise must be a number or an array of shape"):
        fc.gradient(until, x, noise=Foreign(np.ones(3)))
    np.testing.assert_allclose(
        on_host(fc.gradient(until, x, noise=Foreign(np.array(1e-3)))),
        fc.gradient(until, x.memory, noise=1e-3),
        rtol=1e-6,
    )


@pytest.mark.parametrize(("fun", "method"), [(chain, "auto"), (until, "hyperdual"), (until, "central")])
def test_directions_and_points_that_broadcast_stay_there(fun, method, transfers):
    def call(size, there):
        own = np.random.default_rng(7)
        x, v, a = own.uniform(-1.0, 1.0, (size, 3)), own.normal(size=(size, 3)), own.uniform(1.0, 2.0, (size, 2))
        few, found = v[:2], []
        for name in ("hvp", "vhv"):
            take = getattr(fc, name)
            found += [
                take(fun, there(x[:, None]), there(few), method=method, point_args=(there(a),)),
                take(fun, there(x), there(few[None]), method=method),
                take(fun, there(x[0]), there(v), method=method),
                take(fun, there(x[:1]), there(v), method=method),
                take(fun, there(x.astype(np.float32)), there(v), method=method),
                take(fun, there(x), there(np.arange(3)), method=method),
            ]
        return (*found, *fc.hvp(fun, there(x), there(few[:1]), method=method, return_error=True))

    assert_moves_little(transfers, call, 6, 12)


def test_points_own_arguments_of_small_types_stay_there(transfers):
    def masked(x, use, a):
        return until(x, a) * (2.0 if use else 1.0)

    def call(size, there):
        own = np.random.default_rng(8)
        x, use, a = own.uniform(-1.0, 1.0, (size, 3)), own.random(size) < 0.5, own.uniform(1.0, 2.0, size)
        return fc.gradient(masked, there(x), point_args=(there(use), there(a.astype(np.float16))))

    assert_moves_little(transfers, call, 6, 12)


def test_jacobians_whose_arguments_may_decide_on_their_size_stay_there(transfers):
    def part(x, k):
        s = 1.0
        while s < 2.0:
            s += 1.0
        return x[:k] * s

    assert_moves_little(
        transfers,
        lambda size, there: fc.jacobian(part, there(np.linspace(0.0, 1.0, 4 * size).reshape(size, 4)), (2,)),
        6,
        12,
    )


@pytest.mark.parametrize(
    ("shape", "strides", "is_contiguous"),
    [
        ((1, 3), (0, 1), True), ((4, 1, 3), (3, 0, 1), True), ((2, 3), (1, 2), False), ((2, 3), (0, 1), False),
        ((), (), True), ((3, 1), (1, 7), True), ((3,), (2,), False),
    ],
)  # fmt: skip
def test_axes_of_length_one_may_have_any_stride(shape, strides, is_contiguous):
    """Those of CuPy's new axes are 0."""
    assert _dlpack._is_contiguous(shape, strides) == is_contiguous


@pytest.mark.usefixtures("_foreign")
def test_where_samples_do_not_tell():
    """Every second point raises, and these are the ones that are tried."""

    def lengths(x):
        if x[0] < 0.0:
            raise ValueError("out of reach")
        s = x[1]
        while s < 1.0:
            s = s + 1.0
        return s * x[0], x[1] * x[0]

    x = np.abs(rng.normal(size=(63, 2)))
    x[::2, 0] *= -1.0
    found, expected = fc.jacobian(lengths, Foreign(x)), fc.jacobian(lengths, x)
    np.testing.assert_allclose(on_host(found), expected, rtol=1e-12)


@pytest.mark.usefixtures("_foreign")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_that_are_not_finite_stay_what_they_are(dtype):
    def inverse(x):
        return 1.0 / x[0] + x[1]

    x = np.array([[0.0, 1.0], [2.0, 1.0], [np.nan, 0.0], [1e-38, 1.0]], dtype)
    with np.errstate(divide="ignore"):
        expected = fc.value(inverse, x)
        np.testing.assert_array_equal(on_host(fc.value(inverse, Foreign(x))), expected)
        np.testing.assert_array_equal(fc.value(inverse, x, device="cuda"), expected)
    assert np.isinf(expected[0])


@pytest.mark.usefixtures("_foreign")
def test_objects_of_results_there():
    x = rng.normal(size=(4, 3))
    c, expected = fc.curvature(chain, Foreign(x)), fc.curvature(chain, x)
    np.testing.assert_allclose(on_host(c.predicted_change(step=0.1)), expected.predicted_change(step=0.1))
    assert c.predicted_change.__doc__ == expected.predicted_change.__doc__
    assert not callable(c)
    assert copy.copy(c) is c
    kept = pickle.loads(pickle.dumps(c))
    np.testing.assert_allclose(kept.eigenvalues, expected.eigenvalues, atol=1e-9)
    assert isinstance(kept.kind, np.ndarray)
    model, expected = fc.quadratic_model(chain, Foreign(x)), fc.quadratic_model(chain, x)
    np.testing.assert_allclose(on_host(model(y=Foreign(x + 0.1))), expected(x + 0.1))
    np.testing.assert_allclose(on_host(model.decrease(step=0.1 * x)), expected.decrease(step=0.1 * x))
    fc.plot.spectrum(c)


def test_arrays_may_outlive_the_package():
    """Readers that let go of our arrays when Python ends, after the package's modules have gone."""
    code = """
import decimal, numpy as np
from fastcurv.backends._dlpack import CPU, Exported, Imported
a = np.arange(6.0)
decimal.kept = Imported(Exported(a.ctypes.data, a.shape, a.dtype, (CPU, 0), a))
decimal.other = Exported(a.ctypes.data, a.shape, a.dtype, (CPU, 0), a).__dlpack__()
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize(("n", "dtype"), [(3, np.float64), (3, np.float32), (7, np.float64)])
def test_extras_of_curvature_stay_there(n, dtype):
    extra = "newton_step", "hessian", "eigenvectors"
    x = rng.normal(size=(2, 3, n)).astype(dtype)
    x[0, 1], x[1, 1, 0] = np.nan, -4.5  # where the logarithm is NaN
    found, expected = (fc.curvature(chain, a, (1.5,), extra=extra) for a in (Foreign(x), x))
    single = dtype == np.float32
    for name in ("hessian", "newton_step", "status"):
        a, b = on_host(getattr(found, name)), getattr(expected, name)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-3 if single else 1e-8, atol=1e-3 if single else 1e-8, err_msg=name)
    z, w, H = (on_host(a) for a in (found.eigenvectors, found.eigenvalues, found.hessian))
    np.testing.assert_array_equal(np.isnan(z), np.isnan(expected.eigenvectors))
    largest = np.nanmax(np.abs(w))
    assert np.nanmax(np.abs(H @ z - z * w[..., None, :])) <= (1e-5 if single else 1e-13) * largest
    v = np.ones(n, dtype)
    np.testing.assert_allclose(on_host(found.along(v)), expected.along(v), rtol=1e-4 if single else 1e-10)
    flat = fc.curvature(quadratic, Foreign(x), extra=("newton_step",))
    np.testing.assert_array_equal(on_host(flat.nullity), fc.curvature(quadratic, x).nullity)
    assert np.isnan(on_host(flat.newton_step)).all()


def quadratic(x):
    """Flat in all directions but one."""
    return (x[0] + x[1]) ** 2


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize(
    "options",
    [{}, {"method": "central"}, {"grad": slope}, {"method": "central", "bounds": (-2.0, 0.5)}, {"noise": "levels"}],
    ids=["hyperdual", "central", "grad", "bounds", "noise"],
)
@pytest.mark.parametrize("n", [3, 9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_curvature_by_jobs_stays_there(options, n, dtype, monkeypatch):
    """A few points at once, without Hessians of all."""
    monkeypatch.setattr("fastcurv._by_device.MATRIX_BYTES", 16 * n * n * 4)
    x = rng.uniform(-1.0, 1.0, (2, 5, n)).astype(dtype)
    x[0, 1, 0] = np.nan
    options = {**options, "noise": rng.uniform(0.0, 1e-3, (2, 5))} if "noise" in options else options
    assert_same_curvature(until, x, **options)


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("method", "n"), [*(("hyperdual", n) for n in (1, 2, 5, 6)), ("central", 2), ("central", 6), ("forward", 3)]
)
def test_curvature_of_few_coordinates_takes_one_kernel(method, n, dtype, monkeypatch):
    """Of functions that are not traced, while a thread has room for what is found of a point."""
    from fastcurv import _by_device

    rows, at_once = [], _by_device.rows_at_once
    monkeypatch.setattr(_by_device, "rows_at_once", lambda *given: rows.append(at_once(*given)) or rows[-1])
    x, own = rng.uniform(-1.0, 1.0, (67, n)).astype(dtype), rng.uniform(1.0, 2.0, 67)
    x[3, 0] = np.nan
    assert_same_curvature(until_alone, x, method=method, bounds=(-0.95, 1.0))
    if method != "hyperdual":
        assert_same_curvature(until_alone, x[:5], method=method, noise=rng.uniform(0.0, 1e-6, 5))
    found, expected = (
        fc.curvature(until_alone, a, point_args=(b,), method=method) for a, b in ((Foreign(x), Foreign(own)), (x, own))
    )
    np.testing.assert_array_equal(on_host(found.kind), expected.kind)
    np.testing.assert_allclose(on_host(found.eigenvalues), expected.eigenvalues, rtol=1e-4, atol=1e-4)
    assert rows
    assert all((found is None) == (n > 5) for found in rows)


def until_alone(x, a=1.0):
    """Of any number of coordinates."""
    s = a
    for i in range(len(x)):
        s += (i + 1.0) * x[i] ** 2 * math.exp(x[0])
    while s < 10.0:
        s = s * s + 1.0
    return s


@pytest.mark.usefixtures("_foreign", "_without_transfers")
@pytest.mark.parametrize("method", ["hyperdual", "central"])
def test_extras_of_curvature_by_jobs_stay_there(method):
    x = rng.uniform(-1.0, 1.0, (6, 3))
    x[2, 1] = np.nan
    assert_same_curvature(until, x, method=method, extra=("hessian", "newton_step"))
    with pytest.raises(ValueError, match="critical_tol must be"):
        fc.curvature(chain, Foreign(x), critical_tol=-1.0)


@pytest.mark.usefixtures("_foreign")
def test_extras_of_curvature_by_numbers_in_single_precision():
    x, extra = rng.uniform(-1.0, 1.0, (6, 3)).astype(np.float32), ("hessian", "newton_step")
    x[2, 1] = np.nan
    expected = fc.curvature(until_alone, x, extra=extra)
    for points, device in ((Foreign(x), "auto"), (x, "cuda")):
        found = fc.curvature(until_alone, points, extra=extra, device=device)
        assert_close_curvature(found, expected)
        for name in extra:
            a, b = on_host(getattr(found, name)), getattr(expected, name)
            assert (a.shape, a.dtype) == (b.shape, np.float32)
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.nanmax(np.abs(b)), err_msg=name)


@pytest.mark.filterwarnings("ignore:.*overflow encountered in cast")  # as a device does without a word
@pytest.mark.usefixtures("_foreign", "_without_transfers")
def test_curvature_too_large_for_single_precision():
    x = np.tile(np.array([1e20, 1.0]), (5, 1)).astype(np.float32)
    x[0], x[1] = 1.0, 1e9
    assert_same_curvature(large, x)


def assert_same_curvature(fun, x, extra=(), **options):
    """The same of arrays on a device as of NumPy's."""
    found, expected = (fc.curvature(fun, a, extra=extra, **options) for a in (Foreign(x), x))
    if x.dtype == np.float32 and "noise" not in options and options.get("method") not in ("central", "forward"):
        assert_close_curvature(found, expected)
        return
    # what differences lose of the spectrum of a device, which rounds otherwise
    rtol, atol = (1e-3, 1e-3) if x.dtype == np.float32 else (1e-6, 1e-6)
    for name in ("index", "nullity", "status", "kind"):
        a, b = on_host(getattr(found, name)), getattr(expected, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, err_msg=name)
    for name in ("value", "gradient", "eigenvalues", "eigenvalue_error", "gradient_curvature", *extra):
        a, b = on_host(getattr(found, name)), getattr(expected, name)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=name)


def assert_close_curvature(found, expected):
    """Results that are computed in float32 beside those of the same points in float64: within what they are known to,
    and with the same decisions, where that allows for any.
    """
    eps, n = float(np.finfo(np.float32).eps), expected.gradient.shape[-1]
    w, error, truth = (
        on_host(a).astype(float) for a in (found.eigenvalues, found.eigenvalue_error, expected.eigenvalues)
    )
    np.testing.assert_array_equal(on_host(found.status), expected.status)
    fine = expected.status == 0
    for name in ("value", "gradient", "eigenvalues", "eigenvalue_error", "gradient_curvature"):
        a, b = on_host(getattr(found, name)), getattr(expected, name)
        assert (a.shape, a.dtype) == (b.shape, np.float32)
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=name)
    assert (np.abs(w - truth)[fine] <= error[fine][..., None]).all()
    largest = np.abs(truth).max(axis=-1)
    assert (error[fine] >= n * eps * largest[fine]).all()
    assert (error[fine] <= 1.01 * 65 * n * eps * largest[fine]).all()
    is_decided = fine & (np.abs(truth) > 2 * error[..., None]).all(axis=-1)
    for name in ("index", "nullity", "definiteness", "kind"):
        a, b = on_host(getattr(found, name)), getattr(expected, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a[is_decided | ~fine], b[is_decided | ~fine], err_msg=name)
    unknown = (np.abs(w) <= error[..., None]).sum(axis=-1)
    np.testing.assert_array_equal(on_host(found.nullity)[fine], unknown[fine])
    g, b = on_host(found.gradient)[fine], expected.gradient[fine]
    assert (np.abs(g - b).max(axis=-1, initial=0.0) <= 1e-5 * (np.abs(b).max(axis=-1) + largest[fine])).all()
    c, b = on_host(found.gradient_curvature)[fine], expected.gradient_curvature[fine]
    assert (np.abs(c - b) <= error[fine] + 1e-4 * largest[fine]).all()


@pytest.mark.usefixtures("_foreign")
def test_arrays_that_speak_dlpack_alone():
    """The same kind comes back, and everything is let go of."""
    x, A = rng.normal(size=(5, 3)), rng.normal(size=(4, 3, 3))
    for name, kind in (("value", ByDLPack), ("gradient", ByDLPack), ("hessian", LikeJax)):
        found = getattr(fc, name)(chain, kind(x), (1.25,))
        assert isinstance(found, ByDLPack)
        np.testing.assert_allclose(found.memory, getattr(fc, name)(chain, x, (1.25,)), atol=1e-12)
    w, z = fc.eigh(ByDLPack(A))
    np.testing.assert_allclose(w.memory, fc.eigvalsh(A), atol=1e-14)
    assert z.memory.shape == A.shape
    del found, w, z
    gc.collect()  # Numba, when it compiles, leaves errors whose tracebacks hold every caller
    assert not _dlpack._kept


@pytest.mark.usefixtures("_foreign")
def test_arrays_that_cannot_be_written_to(monkeypatch):
    x = rng.normal(size=(4, 3))
    monkeypatch.setattr(ByDLPack, "__module__", "jaxlib")
    with pytest.raises(TypeError, match="out: JAX's arrays cannot be written to; call without out"):
        fc.gradient(chain, ByDLPack(x), out=ByDLPack(x.copy()))


@pytest.mark.usefixtures("_foreign")
def test_no_points_and_other_devices(monkeypatch):
    x = rng.normal(size=(4, 3))
    fc.hessian(chain, Foreign(x))
    assert fc.hessian(chain, Foreign(x[:0])).shape == (0, 3, 3)
    elsewhere = Foreign(x)
    elsewhere.device = SimpleNamespace(id=1)
    with pytest.raises(ValueError, match="v must live on cuda:0, as x does, got cuda:1"):
        fc.hvp(chain, Foreign(x), elsewhere)
    with pytest.raises(ValueError, match=r"x lives on cuda:1, got device='cuda:0'"):
        fc.gradient(chain, elsewhere, device="cuda:0")
    monkeypatch.setattr(_plan, "MOST_LOCAL", 8 * 10)
    with pytest.raises(fc.DeviceError, match=r"bytes of results at a point .*device='cpu'"):
        fc.hessian(chain, np.ones((2, 5)), device="cuda")


def test_small_arrays_that_kernels_read_are_copied_once(backend):
    numbers = np.arange(3.0)
    first = backend.constant(numbers)
    assert backend.constant(numbers.copy()) is first
    numbers[0] = 7.0
    np.testing.assert_array_equal(backend.constant(numbers).copy_to_host(), [7.0, 1.0, 2.0])
    np.testing.assert_array_equal(first.copy_to_host(), [0.0, 1.0, 2.0])
    assert backend.constant(numbers.astype(np.float32)).dtype == np.float32
    large = np.zeros(backend.MOST_KEPT_BYTES)
    assert backend.constant(large) is not backend.constant(large)


def test_what_the_driver_says_of_memory(backend, monkeypatch):
    def fails(*shape, **options):
        raise CudaAPIError("[2] CUDA_ERROR_OUT_OF_MEMORY")

    x = np.ones((4, 3))
    monkeypatch.setattr(backend.cuda, "device_array", fails)
    for call in (lambda: fc.hessian(chain, x, device="cuda"), lambda: fc.eigvalsh(np.eye(3), device="cuda")):
        with pytest.raises(fc.DeviceError, match=r"the CUDA device failed: .*OUT_OF_MEMORY; use fewer points"):
            call()


@pytest.mark.usefixtures("_foreign")
def test_streams_are_those_of_the_arrays_device(backend, monkeypatch):
    """The protocol's stream 1 is that of the present device."""
    present, select = [], backend.select

    @contextlib.contextmanager
    def selecting(ordinal):
        present.append(ordinal)
        with select(0):
            yield
        present.pop()

    def given(a, *, stream):
        assert present[-1:] == [1]
        return ByDLPack.__dlpack__(a, stream=stream)

    class Elsewhere(ByDLPack):
        def __dlpack_device__(self):
            return (CUDA, 1)

        __dlpack__ = given

    for module in ("backends.cuda", "_on_device", "backends._cuda_eigen"):
        place = import_module(f"fastcurv.{module}")
        target, name = (place, "select") if hasattr(place, "select") else (place.backend, "select")
        monkeypatch.setattr(target, name, selecting)
    x = rng.normal(size=(4, 3))
    fc.hessian(chain, x)
    np.testing.assert_allclose(fc.hessian(chain, Elsewhere(x)).memory, fc.hessian(chain, x), atol=1e-12)
    np.testing.assert_allclose(fc.eigvalsh(Elsewhere(x[:3])).memory, fc.eigvalsh(x[:3]), atol=1e-14)


def test_matrices_with_strides_of_zero():
    A = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(fc.eigvalsh(A[None], device="cuda"), fc.eigvalsh(A)[None], rtol=1e-14)


@pytest.mark.usefixtures("_foreign")
def test_eigenvalues_stay_on_the_device():
    A = rng.normal(size=(5, 3, 3))
    w, z = fc.eigh(Foreign(A))
    np.testing.assert_allclose(w.copy_to_host(), fc.eigvalsh(A), atol=1e-14)
    assert np.abs(np.linalg.det(z.copy_to_host())) == pytest.approx(1.0)
    np.testing.assert_array_equal(fc.eigvalsh(Foreign(A)).copy_to_host(), w.copy_to_host())
    extremes = fc.eigvalsh(Foreign(A), subset="extremes").copy_to_host()
    np.testing.assert_array_equal(extremes, w.copy_to_host()[:, [0, -1]])
    with pytest.raises(ValueError, match="square matrices"):
        fc.eigvalsh(Foreign(A[0, :2]))


@pytest.mark.usefixtures("_foreign")
def test_wrong_arrays_on_a_device():
    x = rng.normal(size=(4, 3))
    for wrong, error, message in (
        ((Foreign(x.astype(int)),), TypeError, "x must be float32 or float64"),
        ((Foreign(x.T),), ValueError, "x must be C-contiguous"),
        ((Foreign(np.ones(())),), ValueError, "x must hold a point along its last axis"),
    ):
        with pytest.raises(error, match=message):
            fc.hessian(chain, *wrong)
    with pytest.raises(ValueError, match="v and x must broadcast"):
        fc.hvp(chain, Foreign(x), Foreign(x[:3]))
    with pytest.raises(ValueError, match="out must have shape"):
        fc.gradient(chain, Foreign(x), out=Foreign(x[:2].copy()))
    with pytest.raises(TypeError, match="use device='auto'"):
        fc.gradient(chain, Foreign(x), device="cpu")


def test_the_benchmark_of_devices_runs_whole(tmp_path):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "benchmarks.gpu", "--quick", "--seconds", "900", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    assert len(found["sections"]) == 13
    for section in found["sections"]:
        assert section["rows"], section
        assert not section["stopped"], section
        assert not any("not measured" in cell for row in section["rows"] for cell in row), section
