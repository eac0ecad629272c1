"""`scan` in memory: what the dataset holds, against `curvature` at the points themselves."""

import sys

import numpy as np
import pytest

import fastcurv as fc
import fastcurv._curvature
import fastcurv.landscapes
from fastcurv._quantities import QUANTITIES
from fastcurv._scan import DEFAULT

xr = pytest.importorskip("xarray")


def bowl(x):
    return x[0] ** 4 + x[0] * x[1] + 2 * x[1] ** 2


def quiet_scan(fun, grid, *args, **options):
    return fc.scan(fun, grid, *args, **{"progress": False, **options})


@pytest.mark.parametrize("chunk", [None, 1, 7, 1000])
def test_every_quantity_is_that_of_curvature(chunk):
    grid = fc.Grid(x=(-1, 1, 5), y=(-2, 2, 4))
    ds = quiet_scan(bowl, grid, quantities=tuple(QUANTITIES), chunk=chunk)
    c = fc.curvature(bowl, grid.block(0, 20), extra=("hessian", "eigenvectors", "newton_step"))
    assert set(ds.data_vars) == set(QUANTITIES)
    for name in QUANTITIES:
        field = np.asarray(getattr(c, name))
        assert ds[name].dims[:2] == ("x", "y")
        assert ds[name].dtype == field.dtype
        np.testing.assert_array_equal(ds[name].values.reshape(field.shape), field)
        assert ds[name].attrs["long_name"]
    assert ds.eigenvalues.dims[2:] == ("mode",)
    assert ds.gradient.dims[2:] == ds.newton_step.dims[2:] == ("coordinate",)
    assert ds.hessian.dims[2:] == ("coordinate", "coordinate_2")
    assert ds.eigenvectors.dims[2:] == ("coordinate", "mode")


def test_default_quantities_labels_and_attributes():
    grid = fc.Grid(x=(-1, 1, 5), y=[0.0, 3.0], z=0.5)

    def fun(x, w):
        return w * x[0] ** 2 + x[1] * x[2]

    ds = quiet_scan(fun, grid, (2.0,), method="central")
    assert tuple(ds.data_vars) == DEFAULT
    assert dict(ds.sizes) == {"x": 5, "y": 2}
    np.testing.assert_array_equal(ds.x, np.linspace(-1, 1, 5))
    np.testing.assert_array_equal(ds.y, [0, 3])
    assert float(ds.value.sel(x=0.5, y=3)) == pytest.approx(2.0)
    assert ds.attrs["function"] == "fun"
    assert len(ds.attrs["function_digest"]) >= 32
    assert ds.attrs["fixed_coordinates"] == '{"z": 0.5}'
    assert ds.attrs["method"] == "central"
    assert {"fastcurv_version", "numba_version", "numpy_version", "options", "grid"} <= set(ds.attrs)
    assert quiet_scan(fun, grid, (2.0,), name="a name").attrs["function"] == "a name"


def test_enumerations_follow_cf():
    ds = quiet_scan(bowl, fc.Grid(x=(-1, 1, 3), y=0.0), quantities=("definiteness", "kind", "status"))
    for name, enum in (("definiteness", fc.Definiteness), ("kind", fc.Kind)):
        attrs = ds[name].attrs
        meanings = dict(zip(attrs["flag_values"], attrs["flag_meanings"].split(), strict=True))
        assert meanings == {int(member): member.name for member in enum}
    attrs = ds.status.attrs
    assert dict(zip(attrs["flag_values"], attrs["flag_meanings"].split(), strict=True))[0] == "ok"
    assert len(attrs["flag_values"]) == len(fastcurv._curvature.STATUS)


@pytest.mark.parametrize(
    "grid",
    [
        fc.Plane([0.1, 0.2], [1, 1], [1, -1], (-1, 1), (4, 3)),
        fc.Line([0.1, 0.2], [1, 1], (-1, 1), 5),
        fc.Samples(np.random.default_rng(1).normal(size=(6, 2))),
    ],
    ids=["plane", "line", "samples"],
)
def test_other_grids(grid):
    ds = quiet_scan(bowl, grid, chunk=4)
    c = fc.curvature(bowl, grid.block(0, grid.size))
    assert ds.value.dims == grid.dims
    np.testing.assert_array_equal(ds.eigenvalue_min.values.ravel(), c.eigenvalue_min)


def test_float32():
    grid = fc.Grid(x=np.linspace(-1, 1, 3, dtype=np.float32), y=1.0)
    ds = quiet_scan(bowl, grid, quantities=("value", "index"))
    assert ds.value.dtype == np.float32
    assert ds.x.dtype == np.float32
    assert ds["index"].dtype == np.int16


def test_empty_grid():
    ds = quiet_scan(bowl, fc.Grid(x=(0, 1, 0), y=(0, 1, 3)), quantities=("value", "eigenvalues"))
    assert dict(ds.sizes) == {"x": 0, "y": 3, "mode": 2}
    with pytest.raises(ValueError, match="method"):
        quiet_scan(bowl, fc.Grid(x=(0, 1, 0), y=(0, 1, 3)), method="no such")


def test_point_args_belong_to_their_points():
    def shifted(x, p):
        return (x[0] - p[0]) ** 2 + p[1] * x[1] ** 2

    grid = fc.Grid(x=(-1, 1, 5), y=(-2, 2, 4))
    p = np.random.default_rng(2).uniform(1, 2, (5, 4, 2))
    ds = quiet_scan(shifted, grid, point_args=(p,), chunk=3)
    X, Y = np.meshgrid(ds.x, ds.y, indexing="ij")
    np.testing.assert_allclose(ds.value, (X - p[..., 0]) ** 2 + p[..., 1] * Y**2)
    with pytest.raises(ValueError, match=r"point_args\[0\]: expected leading shape \(5, 4\)"):
        quiet_scan(shifted, grid, point_args=(p[0],))


def test_noise_belongs_to_its_points():
    grid = fc.Grid(x=(-1, 1, 5), y=(-2, 2, 4))
    noise = np.random.default_rng(3).uniform(1e-9, 1e-3, (5, 4))
    ds = quiet_scan(bowl, grid, noise=noise, quantities="eigenvalue_max", chunk=3)
    c = fc.curvature(bowl, grid.block(0, 20), noise=noise.ravel())
    np.testing.assert_array_equal(ds.eigenvalue_max.values.ravel(), c.eigenvalue_max)
    with pytest.raises(ValueError, match=r"noise: expected a number or shape \(5, 4\)"):
        quiet_scan(bowl, grid, noise=noise[0])


def test_options_reach_curvature():
    grid = fc.Grid(x=(0.0, 1.0, 3), y=0.5)
    ds = quiet_scan(bowl, grid, bounds=([0.5, 0], [2, 2]), quantities=("value", "status"))
    assert ds.status.values.tolist() == [-5, 0, 0]
    coarse = quiet_scan(bowl, grid, method="central", rel_step=0.1, quantities=("laplacian",))
    assert not np.array_equal(coarse.laplacian, quiet_scan(bowl, grid, quantities=("laplacian",)).laplacian)


def test_vectorized_functions_need_a_name_for_a_store(tmp_path):
    pytest.importorskip("zarr")

    @fc.vectorized
    def fun(x):
        return (x**2).sum(-1)

    grid = fc.Grid(x=(-1, 1, 4), y=0.0)
    quiet_scan(fun, grid)
    with pytest.raises(ValueError, match=r"name: .*pass name="):
        quiet_scan(fun, grid, store=tmp_path / "scan.zarr")
    for _ in range(2):
        quiet_scan(fun, grid, store=tmp_path / "scan.zarr", name="sum of squares")
    with pytest.raises(fc.StoreError, match="function"):
        quiet_scan(fun, grid, store=tmp_path / "scan.zarr", name="another")


def test_arguments_without_a_digest_cannot_be_stored(tmp_path):
    pytest.importorskip("zarr")
    with pytest.raises(TypeError, match=r"args\[0\] must be a number, .* got object"):
        fc.scan(bowl, fc.Grid(x=(0, 1, 3), y=0.0), (object(),), store=tmp_path / "s", progress=False)


GRID = fc.Grid(x=(0, 1, 3), y=0.0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fc.scan(bowl, np.zeros((3, 2))), TypeError, "grid: expected Grid, Plane.*got ndarray"),
        (lambda: fc.scan(3, GRID), TypeError, "fun must be callable"),
        (lambda: fc.scan(bowl, GRID, 1.0), TypeError, r"args: expected a tuple, got float.*\(a,\)"),
        (lambda: fc.scan(bowl, GRID, cluster="tcp://"), ValueError, "cluster: .*not supported yet.*None"),
        (lambda: fc.scan(bowl, GRID, quantities=("valeu",)), ValueError, "quantities: .*laplacian.*'valeu'"),
        (lambda: fc.scan(bowl, GRID, quantities=()), ValueError, "quantities: .*none"),
        (lambda: fc.scan(bowl, GRID, chunk=0), ValueError, "chunk: .*0"),
        (lambda: fc.scan(bowl, GRID, chunk=1.5), ValueError, "chunk: .*1.5"),
        (lambda: fc.scan(bowl, GRID, store=7), TypeError, "store: expected a path, got int"),
        (lambda: fc.scan(bowl, GRID, name=""), TypeError, "name: "),
        (lambda: fc.scan(bowl, GRID, stepp=1), TypeError, "'stepp'.*critical_tol"),
        (lambda: fc.scan(bowl, GRID, out=1), TypeError, "'out'"),
        (lambda: fc.scan(bowl, GRID, method="no such"), ValueError, "method"),
        (lambda: fc.scan(bowl, fc.Grid(value=(0, 1, 3), y=0.0)), ValueError, "axis name 'value'"),
        (lambda: fc.scan(bowl, fc.Grid(mode=(0, 1, 3), y=0.0)), ValueError, "axis name 'mode'"),
    ],
)
def test_bad_arguments(call, error, words, capfd):
    with pytest.raises(error, match=words):
        call()


def test_one_quantity_may_be_a_string_and_repeats_do_not_matter():
    assert list(quiet_scan(bowl, GRID, quantities="value").data_vars) == ["value"]
    assert list(quiet_scan(bowl, GRID, quantities=["index", "value", "index"]).data_vars) == [
        "value",
        "index",
    ]


def test_progress_goes_to_stderr_and_is_closed(capfd):
    fc.scan(bowl, fc.Grid(x=(0, 1, 30), y=(0, 1, 40)))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "1.20k/1.20k" in captured.err
    assert "pt/s" in captured.err
    assert captured.err.endswith("\n")
    quiet_scan(bowl, GRID)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("module", ["xarray", "tqdm", "zarr"])
def test_missing_packages_name_the_extra(module, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'{module} is needed.*pip install "fastcurv\[scan\]"'):
        fc.scan(bowl, GRID, store=tmp_path / "s")
    assert not list(tmp_path.iterdir())


def test_muller_brown_extrema_lie_in_the_right_regions():
    grid = fc.Grid(x=(-1.5, 1.2, 136), y=(-0.2, 2.0, 111))
    ds = quiet_scan(fc.landscapes.muller_brown, grid)
    names = dict(zip(ds.definiteness.attrs["flag_values"], ds.definiteness.attrs["flag_meanings"].split(), strict=True))
    for point in fc.landscapes.critical_points(fc.landscapes.muller_brown):
        x, y = point.x
        there = ds.sel(x=x, y=y, method="nearest")
        assert names[int(there.definiteness)] == {"minimum": "POSITIVE", "saddle": "INDEFINITE"}[point.kind]
        assert float(there.value) == pytest.approx(point.value, rel=0.02)


@pytest.mark.parametrize("wrong", [{"progress": "no"}, {"resume": 1}, {"quantities": None}, {"quantities": 5}])
def test_options_of_a_scan_are_what_they_look_like(wrong):
    (name,) = wrong
    with pytest.raises((TypeError, ValueError), match=name):
        fc.scan(bowl, fc.Grid(x=(0.0, 1.0, 3), y=0.0), **wrong)
