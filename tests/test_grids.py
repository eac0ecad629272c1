"""Grids: their blocks against the points made all at once."""

import json
import math
import pickle

import dask.array as dask_array
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcurv as fc

finite = st.floats(-1e300, 1e300)
lengths = st.integers(0, 6)
axes = st.one_of(
    st.tuples(finite, finite, lengths).filter(lambda axis: math.isfinite(axis[1] - axis[0])),
    st.lists(finite, max_size=6),
    finite,
)


def coordinates(axis):
    if isinstance(axis, tuple):
        return np.linspace(*axis)
    return np.atleast_1d(np.array(axis, float))


def all_points(grid):
    return grid.block(0, grid.size)


def in_blocks(grid, length):
    starts = range(0, grid.size, length)
    blocks = [grid.block(start, min(start + length, grid.size)) for start in starts]
    return np.concatenate([np.empty((0, grid.n), grid.dtype), *blocks])


@settings(deadline=None)
@given(st.lists(axes, min_size=1, max_size=4).filter(lambda a: not all(isinstance(x, float) for x in a)))
def test_grid_is_the_meshgrid_bit_for_bit(values):
    grid = fc.Grid(**{f"x{k}": axis for k, axis in enumerate(values)})
    mesh = np.meshgrid(*map(coordinates, values), indexing="ij")
    expected = np.stack([m.ravel() for m in mesh], axis=-1)
    for length in (1, 2, 7, 1000):
        assert in_blocks(grid, length).tobytes() == expected.tobytes()
    varying = [f"x{k}" for k, axis in enumerate(values) if not isinstance(axis, float)]
    assert grid.dims == tuple(varying)
    assert grid.shape == tuple(len(coordinates(axis)) for axis in values if not isinstance(axis, float))
    assert list(grid.coords) == varying


@settings(deadline=None)
@given(st.data())
def test_any_run_of_a_grid(data):
    grid = fc.Grid(x=(0, 1, 3), y=2.0, z=(0, 1, 4), w=[3.0, 1.0])
    start = data.draw(st.integers(0, grid.size))
    stop = data.draw(st.integers(start, grid.size))
    np.testing.assert_array_equal(grid.block(start, stop), all_points(grid)[start:stop])


def test_a_long_grid_is_not_made_as_a_whole():
    grid = fc.Grid(**{f"x{k}": (0, 1, 1000) for k in range(6)})
    assert grid.size == 10**18
    np.testing.assert_array_equal(grid.block(10**18 - 1, 10**18), np.ones((1, 6)))
    index = [7, 0, 999, 5, 123, 456]
    flat = int("".join(f"{i:03d}" for i in index))
    np.testing.assert_array_equal(grid.block(flat, flat + 1)[0], np.linspace(0, 1, 1000)[index])


def test_plane():
    origin, u, v = np.array([1.0, 2, 3]), np.array([1.0, 0, 0.1]), np.array([0, 2.0, 0])
    plane = fc.Plane(origin, u, v, extent=((-1, 1), (0, 3)), shape=(5, 4))
    a, b = np.linspace(-1, 1, 5), np.linspace(0, 3, 4)
    expected = np.array([(origin + i * u) + j * v for i in a for j in b])
    for length in (1, 3, 100):
        np.testing.assert_array_equal(in_blocks(plane, length), expected)
    assert plane.dims == ("a", "b")
    assert plane.shape == (5, 4)
    np.testing.assert_array_equal(plane.coords["b"], b)
    assert fc.Plane(origin, u, v, (-1, 1), 3).shape == (3, 3)


def test_line():
    line = fc.Line([1, 2], [3, -4], extent=(-1, 1), num=5)
    t = np.linspace(-1, 1, 5)
    np.testing.assert_array_equal(in_blocks(line, 2), np.array([1.0, 2]) + t[:, None] * np.array([3.0, -4]))
    assert line.dims == ("t",)
    np.testing.assert_array_equal(line.coords["t"], t)


@pytest.mark.parametrize("kind", ["array", "big-endian", "strided", "memmap", "zarr", "dask", "list", "int", "float32"])
def test_samples(kind, tmp_path):
    points = np.arange(20.0).reshape(10, 2)
    given_points = points
    if kind == "big-endian":
        given_points = points.astype(">f8")
    elif kind == "strided":
        given_points = np.repeat(np.repeat(points, 2, 0), 3, 1)[::2, ::3]
    elif kind == "memmap":
        given_points = np.memmap(tmp_path / "points", float, "w+", shape=points.shape)
        given_points[:] = points
    elif kind == "zarr":
        given_points = zarr.create_array(tmp_path / "p.zarr", data=points, chunks=(3, 2))
    elif kind == "dask":
        given_points = dask_array.from_array(points, chunks=(4, 1))
    elif kind == "list":
        given_points = points.tolist()
    elif kind in {"int", "float32"}:
        given_points = points.astype(kind)
    samples = fc.Samples(given_points)
    assert (samples.dims, samples.shape, samples.n, samples.coords) == (("sample",), (10,), 2, {})
    assert samples.dtype == (np.float32 if kind == "float32" else np.float64)
    np.testing.assert_array_equal(in_blocks(samples, 3), points)
    if kind != "float32":
        assert samples.spec() == fc.Samples(points).spec()


@pytest.mark.parametrize("bad", [np.ones((3, 2), np.longdouble), np.ma.ones((3, 2))])
def test_points_lose_nothing_unsaid(bad):
    if bad.dtype == np.float64 and not isinstance(bad, np.ma.MaskedArray):
        pytest.skip("long doubles are doubles here")
    said = r"64 bits, got dtype|must not be a masked array|of dtype float128"
    for make in (
        lambda: fc.Samples(bad),
        lambda: fc.Grid(x=bad[0]),
        lambda: fc.Line(bad[0], [1.0, 0.0], (0, 1), 3),
        lambda: fc.Plane([0.0, 0.0], bad[0], [1.0, 0.0], (0, 1), 3),
    ):
        with pytest.raises(TypeError, match=said):
            make()


def test_samples_read_only_their_block():
    class Recorder:
        shape, dtype = (10**9, 3), np.dtype(float)
        read = ()

        def __getitem__(self, rows):
            Recorder.read += ((rows.start, rows.stop),)
            return np.zeros((rows.stop - rows.start, 3))

    fc.Samples(Recorder()).block(5, 8)
    assert Recorder.read == ((5, 8),)


def test_float32():
    x = np.linspace(0, 1, 3, dtype=np.float32)
    assert fc.Grid(x=x, y=0.1).dtype == np.float32
    assert fc.Grid(x=x, y=(0, 1, 2)).dtype == np.float64
    origin, direction = np.ones(2, np.float32), np.array([0.1, 0.2], np.float32)
    line = fc.Line(origin, direction, (0, 1), 4)
    exact = origin.astype(float) + np.linspace(0, 1, 4)[:, None] * direction.astype(float)
    assert line.block(0, 4).dtype == np.float32
    np.testing.assert_array_equal(line.block(0, 4), exact.astype(np.float32))


def test_immutable_and_independent_of_what_was_given():
    x = np.array([0.0, 1.0])
    grid = fc.Grid(x=x)
    x[0] = 7
    assert grid.block(0, 1)[0, 0] == 0
    grid.coords.clear()
    assert list(grid.coords) == ["x"]
    with pytest.raises(AttributeError, match="immutable"):
        grid.shape = (3,)
    with pytest.raises(AttributeError, match="immutable"):
        del grid.shape
    with pytest.raises(ValueError, match="read-only"):
        grid.coords["x"][0] = 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: fc.Grid(x=(0, 1, 3), y=[1, 2], z=0.5),
        lambda: fc.Plane([0, 0, 0], [1, 0, 0], [0, 1, 0], (0, 1), 3),
        lambda: fc.Line([0, 0], [1, 0], (0, 1), 3),
        lambda: fc.Samples(np.ones((3, 2))),
    ],
)
def test_spec_is_plain_and_repeatable_and_grids_can_be_pickled(make):
    import json

    grid = make()
    assert json.loads(json.dumps(grid.spec())) == make().spec()
    again = pickle.loads(pickle.dumps(grid))
    assert again.spec() == grid.spec()
    np.testing.assert_array_equal(again.block(0, grid.size), all_points(grid))
    assert "n = " in repr(grid)


def test_spec_tells_points_apart():
    specs = [
        fc.Grid(x=(0, 1, 3), y=0.0),
        fc.Grid(x=(0, 1, 4), y=0.0),
        fc.Grid(x=[0, 0.25, 1], y=0.0),
        fc.Grid(x=(0, 1, 3), y=1.0),
        fc.Grid(x=(0, 1, 3), y=-0.0),
        fc.Grid(y=0.0, x=(0, 1, 3)),
        fc.Grid(x=np.array([0, 0.5, 1], np.float32), y=0.0),
        fc.Line([0, 0], [1, 0], (0, 1), 3),
        fc.Samples([[0, 0], [0.5, 0], [1, 0]]),
    ]
    plain = [json.loads(json.dumps(grid.spec())) for grid in specs]  # as a store holds them
    assert all(one != other for k, one in enumerate(plain) for other in plain[:k])
    assert fc.Grid(x=(0, 1, 3), y=0.0).spec() == fc.Grid(x=[0, 0.5, 1], y=0.0).spec()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: fc.Grid(), ValueError, "at least one varying axis.*curvature"),
        (lambda: fc.Grid(x=1.0), ValueError, "at least one varying axis"),
        (lambda: fc.Grid(x=(0, 1)), ValueError, r"axis x: expected \(start, stop, number\).*tuple of 2"),
        (lambda: fc.Grid(x=(0, 1, 2.5)), TypeError, "axis x: number: expected a whole number.*2.5"),
        (lambda: fc.Grid(x=(0, 1, -1)), ValueError, "axis x: number: .*-1"),
        (lambda: fc.Grid(x=(0, np.inf, 3)), ValueError, "axis x: stop: expected a finite number, got inf"),
        (lambda: fc.Grid(x=[0, np.nan]), ValueError, "axis x: expected finite numbers, got nan at index 1"),
        (lambda: fc.Grid(x=[[0, 1]]), ValueError, r"axis x: .*shape \(1, 2\)"),
        (lambda: fc.Grid(x="0:1:3"), TypeError, "axis x: .*'0:1:3'"),
        (lambda: fc.Grid(x=[1j]), TypeError, "axis x: .*complex"),
        (lambda: fc.Grid(x=True), TypeError, "axis x: .*True"),
        (lambda: fc.Grid(**{"E/kT": (0, 1, 3)}), ValueError, "axis 'E/kT': expected a name that can be one of a file"),
        (lambda: fc.Grid(**{"": (0, 1, 3)}), ValueError, "axis '': expected a name"),
        (lambda: fc.Grid(**{"..": (0, 1, 3)}), ValueError, r"axis '\.\.': expected a name"),
        (lambda: fc.Grid(x=(-1.7e308, 1.7e308, 3)), ValueError, "axis x: expected a range of finite length"),
        (lambda: fc.Line([0], [1], (-1.7e308, 1.7e308), 3), ValueError, "extent: expected a range of finite length"),
        (lambda: fc.Plane([0, 0], [1, 0], [0, 1, 0], (0, 1), 3), ValueError, "same length.*'v': 3"),
        (
            lambda: fc.Plane([0, 0], [1, 0], [0, 1], 1, 3),
            ValueError,
            r"extent: expected \(low, high\), got 1",
        ),
        (lambda: fc.Plane([0, 0], [1, 0], [0, 1], (0, 1), (3,)), ValueError, "shape: expected"),
        (lambda: fc.Line([[0]], [1], (0, 1), 3), ValueError, "origin: expected a vector"),
        (lambda: fc.Line([0], [np.inf], (0, 1), 3), ValueError, "direction: expected finite"),
        (lambda: fc.Line([0], [1], (0, 1), 3.0), TypeError, "num: "),
        (lambda: fc.Samples(np.ones(3)), ValueError, r"points: .*\(3,\).*points\[:, None\]"),
        (lambda: fc.Samples(np.ones((3, 0))), ValueError, "points: "),
        (lambda: fc.Samples(np.ones((3, 1), complex)), TypeError, "points: .*complex"),
        (lambda: fc.Grid(x=(0, 1, 3)).block(2, 4), ValueError, r"block\(2, 4\).*<= 3"),
    ],
)
def test_bad_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_coordinates_may_be_in_any_order_and_axes_empty():
    np.testing.assert_array_equal(all_points(fc.Grid(x=[2, 0, 1]))[:, 0], [2, 0, 1])
    empty = fc.Grid(x=(0, 1, 0), y=(0, 1, 3))
    assert (empty.size, empty.shape) == (0, (0, 3))
    assert all_points(empty).shape == (0, 2)
