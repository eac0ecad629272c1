"""The store of a scan: resumed after any interruption, refused when it is another's or damaged."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcurv as fc
import fastcurv._curvature
import fastcurv._scan
import fastcurv.landscapes
from fastcurv._store import Blocks, ScanStore

xr = pytest.importorskip("xarray")
pytest.importorskip("zarr")

GRID = {"x": (-2, 2, 24), "y": (-1, 3, 25)}
QUANTITIES = ("value", "gradient", "eigenvalues", "definiteness", "index", "status")


def scanned(store=None, fun=fc.landscapes.rosenbrock, grid=GRID, **options):
    options = {"quantities": QUANTITIES, "chunk": 100, "progress": False, **options}
    return fc.scan(fun, fc.Grid(**grid), store=store, **options)


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(1, 60))
def test_blocks_are_runs_that_cover_the_grid_once(shape, points):
    blocks = Blocks.of(tuple(shape), points)
    number = np.arange(np.prod(shape)).reshape(shape)
    runs = [blocks.run(k) for k in range(len(blocks))]
    assert [start for start, _ in runs] == [0, *(stop for _, stop in runs)][: len(runs)]
    assert not runs or runs[-1][1] == number.size
    for k, (start, stop) in enumerate(runs):
        np.testing.assert_array_equal(number[blocks.region(k)].ravel(), np.arange(start, stop))
    assert np.prod(blocks.chunk) <= points
    if number.size >= points:
        assert np.prod(blocks.chunk) >= points / 4


@pytest.mark.parametrize(
    ("shape", "chunk"),
    [
        ((1000, 1000), (250, 1000)),
        ((10**9,), (262_124,)),
        ((10,) * 10, (1, 1, 1, 1, 2, 10, 10, 10, 10, 10)),
        ((3, 5), (3, 5)),
    ],
)
def test_blocks_of_usual_grids(shape, chunk):
    assert Blocks.of(shape, 1 << 18).chunk == chunk


@pytest.mark.parametrize("chunk", [10, 100, 125, None])  # 125: the last block is shorter
def test_a_store_is_the_dataset(tmp_path, chunk):
    path = tmp_path / "scan.zarr"
    direct = scanned()
    for _ in range(2):
        xr.testing.assert_identical(scanned(path, chunk=chunk).load(), direct)
    opened = xr.open_zarr(path)  # as a user does, and without a warning
    xr.testing.assert_identical(opened.load(), direct)
    assert opened.definiteness.attrs["flag_meanings"].split()[0].isupper()
    assert list(tmp_path.iterdir()) == [path]


class Interruption:
    """Lets some blocks be computed and then raises; counts the calls."""

    def __init__(self, monkeypatch, after, error=KeyboardInterrupt):
        self.calls, self.points = 0, 0
        genuine = fastcurv._curvature.curvature

        @functools.wraps(genuine)
        def curvature(fun, x, *args, **options):
            if self.calls == after:
                raise error
            self.calls += 1
            self.points += len(x)
            return genuine(fun, x, *args, **options)

        monkeypatch.setattr(fastcurv._curvature, "curvature", curvature)


@pytest.mark.parametrize("after", [1, 3, 5])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_scans_go_on(tmp_path, after, error):
    path = tmp_path / "scan.zarr"
    direct = scanned()
    with pytest.MonkeyPatch.context() as patch:
        Interruption(patch, after, error)
        with pytest.raises(error):
            scanned(path)
    with pytest.MonkeyPatch.context() as patch:
        rest = Interruption(patch, None)
        again = scanned(path, chunk=7)  # blocks stay those of the store
    assert rest.calls == 6 - after
    assert rest.points == 600 - 100 * after
    xr.testing.assert_identical(again.load(), direct)
    with pytest.MonkeyPatch.context() as patch:
        nothing = Interruption(patch, 0)
        xr.testing.assert_identical(scanned(path).load(), direct)
    assert nothing.calls == 0


@pytest.mark.parametrize("interrupted", [False, True])
def test_blocks_without_a_finite_number_are_there(tmp_path, interrupted):
    """Their chunks hold nothing but the fill value, which Zarr writes only if it is told to."""
    path = tmp_path / "scan.zarr"
    grid = {"x": (-1, 1, 10), "y": (0, 1, 10)}
    options = {
        "fun": lambda x: np.sqrt(x[0]) * x[1] ** 2,
        "grid": grid,
        "chunk": 10,
        "quantities": ("value", "kind", "best_step", "hessian"),
    }
    direct = scanned(**options)
    assert np.isnan(direct.value).sum() == 50
    if interrupted:
        with pytest.MonkeyPatch.context() as patch:
            Interruption(patch, 3)
            with pytest.raises(KeyboardInterrupt):
                scanned(path, **options)
    for _ in range(2):
        xr.testing.assert_identical(scanned(path, **options).load(), direct)


def test_what_an_interrupted_scan_lacks_is_said(tmp_path):
    path = tmp_path / "scan.zarr"
    integers = ("index", "nullity", "definiteness", "kind", "status")
    with pytest.MonkeyPatch.context() as patch:
        Interruption(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            scanned(path, quantities=("value", *integers))
    ds = xr.open_zarr(path).load()
    missing = np.isnan(ds.value.values)
    assert missing.sum() == 300
    for name in integers:
        assert ((ds[name].values == -2) == missing).all()
    for name in ("definiteness", "kind", "status"):
        words = dict(zip(ds[name].flag_values, ds[name].flag_meanings.split(), strict=True))
        assert words[-2].lower() == "not_computed"
    assert fc.Definiteness(-2).name == fc.Kind(-2).name == "NOT_COMPUTED"
    assert "not computed yet" in fc.STATUS[-2]
    assert "-2 not computed yet" in ds.index.long_name


def test_interrupted_before_the_first_block_leaves_nothing(tmp_path, monkeypatch):
    Interruption(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt):
        scanned(tmp_path / "scan.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_killed_while_writing(tmp_path):
    path = tmp_path / "scan.zarr"
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal, sys
            import fastcurv as fc
            import fastcurv.landscapes
            from fastcurv._store import ScanStore

            class Deadly:
                def __init__(self, array):
                    self.array = array
                def __setitem__(self, region, values):
                    os.kill(os.getpid(), signal.SIGKILL)

            write = ScanStore.write
            def write_or_die(store, k, values):
                if k == 3:  # some arrays of the block are there, the others and the flag are not
                    store._arrays["index"] = Deadly(store._arrays["index"])
                write(store, k, values)

            if sys.argv[2] == "die":
                ScanStore.write = write_or_die
            ds = fc.scan(fc.landscapes.rosenbrock, fc.Grid(x=(-2, 2, 24), y=(-1, 3, 25)),
                store=sys.argv[1], chunk=100,
                quantities=("value", "gradient", "eigenvalues", "definiteness", "index", "status"),
                progress=False)
            """
        )
    )
    run = [sys.executable, str(script), str(path)]
    died = subprocess.run([*run, "die"], check=False, capture_output=True, timeout=120)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    flags = sorted(p.name for p in (path / "scan" / "done").glob("c.*"))
    assert flags == ["c.0", "c.1", "c.2"]
    subprocess.run([*run, "live"], check=True, timeout=120)
    xr.testing.assert_identical(xr.open_zarr(path).load(), scanned())


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        ({"grid": {**GRID, "y": (-1, 3.5, 25)}}, "grid.axes"),
        ({"quantities": ("value",)}, "quantities"),
        ({"method": "forward"}, "method"),
        ({"rel_step": 0.01}, "options.rel_step"),
        ({"bounds": ([-9, -9], [9, 9])}, "options.bounds"),
        ({"fun": lambda x: x[0] * x[1]}, "function"),
    ],
)
def test_the_store_of_another_scan_is_refused(tmp_path, change, entry):
    path = tmp_path / "scan.zarr"
    before = scanned(path).load()
    with pytest.raises(fc.StoreError, match=rf"another scan, which differs in .*{entry}.*another path or delete"):
        scanned(path, **change)
    xr.testing.assert_identical(xr.open_zarr(path).load(), before)


def test_the_function_of_another_scan_is_named(tmp_path):
    path = tmp_path / "scan.zarr"
    scanned(path)
    with pytest.raises(fc.StoreError, match=r"function \(rosenbrock [0-9a-f]{12}... there, himmelblau [0-9a-f]{12}..."):
        scanned(path, fc.landscapes.himmelblau)
    scanned(path, name="the same, by another name")


def test_args_belong_to_the_key(tmp_path):
    def weighted(x, w, a):
        return w * x[0] ** 2 + a[0] * a[1] * x[1] ** 2

    def run(*args):
        return fc.scan(weighted, fc.Grid(x=(0, 1, 3), y=0.5), args, store=tmp_path / "s", progress=False)

    run(2.0, np.array([1.0, 2.0]))
    run(2.0, np.array([1.0, 2.0]))
    for args in [(3.0, np.array([1.0, 2.0])), (2.0, np.array([2.0, 1.0])), (2.0, np.array([1, 2]))]:
        with pytest.raises(fc.StoreError, match="args"):
            run(*args)


def test_samples_that_changed_are_other_points(tmp_path):
    points = np.ones((5, 2))
    samples = fc.Samples(points)
    fc.scan(fc.landscapes.rosenbrock, samples, store=tmp_path / "s", progress=False)
    fc.scan(fc.landscapes.rosenbrock, samples, store=tmp_path / "s", progress=False)
    points[3] = 2.0
    with pytest.raises(fc.StoreError, match="grid"):
        fc.scan(fc.landscapes.rosenbrock, samples, store=tmp_path / "s", progress=False)


def test_defaults_spelled_out_are_the_same_scan(tmp_path):
    scanned(tmp_path / "scan.zarr")
    scanned(tmp_path / "scan.zarr", method="traced", rel_step=None, quantities=QUANTITIES[::-1])


def test_resume_false_refuses_any_store(tmp_path):
    path = tmp_path / "scan.zarr"
    scanned(path, resume=False)
    with pytest.raises(fc.StoreError, match="exists and resume=False"):
        scanned(path, resume=False)


@pytest.mark.parametrize("what", ["file", "folder", "group"])
def test_what_is_no_store_is_left_alone(tmp_path, what):
    path = tmp_path / "precious"
    if what == "file":
        path.write_text("precious")
    elif what == "folder":
        path.mkdir()
        (path / "data").write_text("precious")
    else:
        xr.Dataset({"data": ("x", np.arange(3))}).to_zarr(path, zarr_format=3, consolidated=False)
    before = sorted(p.relative_to(path) for p in path.rglob("*"))
    with pytest.raises(fc.StoreError, match="no store of a scan"):
        scanned(path)
    assert sorted(p.relative_to(path) for p in path.rglob("*")) == before


def place(folder, what):
    """A path at which no store can be made."""
    (folder / "file").write_text("")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "closed").mkdir(mode=0o500)
    return folder / what


@pytest.mark.parametrize("what", ["file/scan.zarr", "file/deeper/scan.zarr", "loop", "loop/scan.zarr", "closed/scan"])
def test_impossible_places_are_refused_at_once(tmp_path, what, monkeypatch):
    path = place(tmp_path, what)
    if what == "closed/scan" and os.access(tmp_path / "closed", os.W_OK):
        pytest.skip("this user may write anywhere")

    @functools.wraps(fc._curvature.curvature)
    def never(*_, **__):
        raise AssertionError("something was computed")

    monkeypatch.setattr(fc._curvature, "curvature", never)
    with pytest.raises(fc.StoreError, match=r"(file|loop|closed) (is no folder|exists and is no store)"):
        scanned(path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("path", ["/proc/scan.zarr", "/proc/folder/scan.zarr"])
def test_folders_of_the_kernel_hold_no_stores(path):
    """Where the permissions of a folder promise what it refuses."""
    with pytest.raises(fc.StoreError, match=rf"^{path} cannot be made .*choose another path$"):
        scanned(Path(path))


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (".", tmp_path):
        with pytest.raises(fc.StoreError, match="is the current folder"):
            scanned(path)
    assert Path.cwd() == tmp_path


def test_a_store_that_another_scan_made_meanwhile(tmp_path, monkeypatch):
    """The one that is late says what to do, and leaves nothing behind."""
    made = fastcurv._scan.create_store

    def late(path, *rest):
        made(path, *rest)
        return made(path, *rest)

    monkeypatch.setattr(fastcurv._scan, "create_store", late)
    with pytest.raises(fc.StoreError, match="made by another scan meanwhile: run the same call again"):
        scanned(tmp_path / "s.zarr")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]
    assert scanned(tmp_path / "s.zarr").identical(scanned())


def test_what_cannot_be_written_is_told_of_the_store(tmp_path, monkeypatch):
    """A full disk: what was written before is kept, and gone on with."""
    import zarr

    put, room = zarr.Array.__setitem__, [12]

    def full(array, region, values):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(28, "No space left on device")
        put(array, region, values)

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with pytest.raises(
        fc.StoreError, match=r"s.zarr cannot be written to \(OSError: .*No space left.*same call goes on"
    ):
        scanned(tmp_path / "s.zarr")
    monkeypatch.undo()
    assert scanned(tmp_path / "s.zarr").identical(scanned())


def test_links_lead_to_stores(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "scan.zarr")
    scanned(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert xr.open_zarr(tmp_path / "folder" / "scan.zarr").sizes["x"] == 24
    scanned(tmp_path / "link")  # goes on


def test_an_empty_folder_becomes_the_store(tmp_path):
    scanned(tmp_path)
    assert xr.open_zarr(tmp_path).sizes["x"] == 24


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: (path / "zarr.json").write_text("{"),
        lambda path: (path / "scan" / "zarr.json").unlink(),
        lambda path: (path / "scan" / "done" / "zarr.json").write_text("[]"),
        lambda path: (path / "value" / "zarr.json").unlink(),
        lambda path: (path / "value" / "c.2.0").unlink(),
        lambda path: (path / "value" / "c.2.0").write_bytes(b"1234"),
        lambda path: (path / "index" / "c.2.0").write_bytes(b""),
        lambda path: reshape(path / "value" / "zarr.json"),
        lambda path: (path / "x" / "c.0").unlink(),
        lambda path: (path / "x" / "c.0").write_bytes(b"1234"),
        lambda path: flip_a_bit(path / "x" / "c.0"),
        lambda path: (path / "x" / "zarr.json").unlink(),
        lambda path: shutil.rmtree(path / "y"),
    ],
)
def test_damaged_stores_are_refused(tmp_path, harm):
    path = tmp_path / "scan.zarr"
    scanned(path)
    harm(path)
    with pytest.raises(fc.StoreError, match=r"damaged.*delete it"):
        scanned(path)


def flip_a_bit(chunk):
    content = bytearray(chunk.read_bytes())
    content[17] ^= 1
    chunk.write_bytes(content)


def reshape(metadata):
    content = json.loads(metadata.read_text())
    content["shape"] = [3, 3]
    metadata.write_text(json.dumps(content))


def test_a_flipped_bit_is_noticed_when_read(tmp_path):
    path = tmp_path / "scan.zarr"
    ds = scanned(path)
    flip_a_bit(path / "value" / "c.2.0")
    with pytest.raises(Exception, match=r"[Cc]hecksum"):
        ds.value.load()


def test_a_failed_write_fails_the_scan(tmp_path, monkeypatch):
    def write(store, k, values):
        raise OSError("no space left on device")

    monkeypatch.setattr(ScanStore, "write", write)
    with pytest.raises(OSError, match="no space"):
        scanned(tmp_path / "scan.zarr")


def test_memory_is_bounded(tmp_path, monkeypatch):
    genuine = fastcurv._curvature.curvature

    @functools.wraps(genuine)
    def cheap(fun, x, *args, **options):
        zero = np.zeros(len(x))
        return SimpleNamespace(**dict.fromkeys(("value", "gradient_norm", "laplacian"), zero))

    monkeypatch.setattr(fastcurv._curvature, "curvature", cheap)
    tracemalloc.start()
    try:
        fc.scan(
            fc.landscapes.rosenbrock,
            fc.Grid(x=(0, 1, 2000), y=(0, 1, 1000)),
            quantities=("value", "gradient_norm", "laplacian"),
            store=tmp_path / "scan.zarr",
            chunk=50_000,
            progress=False,
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16e6  # the whole is 48 MB


def test_an_empty_grid(tmp_path):
    path = tmp_path / "scan.zarr"
    for _ in range(2):
        ds = scanned(path, grid={"x": (0, 1, 0), "y": (0, 1, 3)})
        assert dict(ds.sizes) == {"x": 0, "y": 3, "coordinate": 2, "mode": 2}


def test_two_scans_at_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    path = tmp_path / "scan.zarr"
    scanned(path)
    with ThreadPoolExecutor(2) as pool:
        for ds in pool.map(lambda _: scanned(path), range(2)):
            xr.testing.assert_identical(ds.load(), scanned())


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scanned("a/b.zarr")
    assert (tmp_path / "a" / "b.zarr" / "zarr.json").is_file()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.zarr"]
