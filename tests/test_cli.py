"""The command line: in the process, and as a user starts it."""

import functools
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import fastcurv as fc
import fastcurv._curvature
import fastcurv._scan
import fastcurv.landscapes
from fastcurv._cli import main

xr = pytest.importorskip("xarray")
pytest.importorskip("zarr")
pytest.importorskip("matplotlib")

MULLER_BROWN = ["scan", "muller_brown", "--grid", "x=-1.5:1.2:30", "--grid", "y=-0.2:2:20"]


@pytest.fixture(autouse=True)
def _clean_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model_of_the_user.py"
    path.write_text(
        textwrap.dedent(
            """
            import helper_of_the_user

            number = 3

            def loss(x, weight, data):
                return helper_of_the_user.square(x[0]) * weight + data[1] * x[1] * x[2]
            """
        )
    )
    (tmp_path / "helper_of_the_user.py").write_text("def square(t):\n    return t * t\n")
    yield path
    for name in (path.stem, "helper_of_the_user"):
        sys.modules.pop(name, None)


def lines(text):
    return text.strip().splitlines()


def test_scan_store_picture_and_summary(tmp_path, capfd):
    store, picture = tmp_path / "mb.zarr", tmp_path / "mb.png"
    assert main([*MULLER_BROWN, "--store", str(store), "--plot", str(picture)]) == 0
    captured = capfd.readouterr()
    first, second, third, fourth = lines(captured.out)
    assert first.startswith("muller_brown: 600 points in ")
    assert first.endswith(" points/s")
    assert second.startswith("Hessian: ")
    counts = [int(part.split()[-1]) for part in second.removeprefix("Hessian: ").split(",")]
    assert sum(counts) == 600
    assert third == f"store: {store}"
    assert main([*MULLER_BROWN, "--store", str(store)]) == 0
    assert lines(capfd.readouterr().out)[0] == "muller_brown: 600 points, all of which were in the store"
    assert fourth == f"picture: {picture}"
    assert "600/600" in captured.err
    assert picture.read_bytes().startswith(b"\x89PNG")
    direct = fc.scan(fc.landscapes.muller_brown, fc.Grid(x=(-1.5, 1.2, 30), y=(-0.2, 2, 20)), progress=False)
    xr.testing.assert_identical(xr.open_zarr(store).load(), direct)


def test_quiet_scans_say_nothing(capfd):
    assert main([*MULLER_BROWN, "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


def test_file_function_args_method_quantities(tmp_path, model, capfd):
    np.savez(tmp_path / "data.npz", weight=2.0, data=np.array([0.0, 3.0]))
    store = tmp_path / "s.zarr"
    command = ["scan", f"{model}:loss", "--grid", "a=-1:1:3", "--grid", "b=1,2,4", "--grid", "c=-0.5"]
    command += [
        "--args",
        str(tmp_path / "data.npz"),
        "--method",
        "central",
        "--quantities",
        "value, laplacian",
    ]
    assert main([*command, "--store", str(store), "--name", "the loss"]) == 0
    ds = xr.open_zarr(store)
    assert set(ds.data_vars) == {"value", "laplacian"}
    assert (ds.attrs["function"], ds.attrs["method"]) == ("the loss", "central")
    A, B = np.meshgrid([-1, 0, 1], [1, 2, 4], indexing="ij")
    np.testing.assert_allclose(ds.value, 2 * A**2 + 3 * B * -0.5)
    assert "Hessian" not in capfd.readouterr().out


def test_module_function_from_the_current_folder(model, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", np.array(1.0), np.ones(2))
    axes = ["--grid", "a=0:1:2", "--grid", "b=0", "--grid", "c=0"]
    assert main(["scan", "model_of_the_user:loss", *axes, "--args", "data.npz", "--quiet"]) == 0


@pytest.mark.parametrize("kind", [None, "landscape", "eigenvalue_ratio", "condition"])
def test_plot(tmp_path, kind, capfd):
    store, picture = tmp_path / "s.zarr", tmp_path / "p.png"
    assert main([*MULLER_BROWN, "--store", str(store), "--quiet"]) == 0
    more = [] if kind is None else ["--kind", kind]
    assert main(["plot", str(store), "-o", str(picture), *more]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert capfd.readouterr() == (f"picture: {picture}\n", "")


def test_plot_of_one_axis_is_a_profile(tmp_path, capfd):
    picture = tmp_path / "p.svg"
    axes = ["--grid", "x=-1.5:1.2:30", "--grid", "y=0.5"]
    assert main(["scan", "muller_brown", *axes, "--plot", str(picture), "--quiet"]) == 0
    assert "<svg" in picture.read_text()
    assert main(["scan", "muller_brown", *axes, "--store", str(tmp_path / "s"), "--quiet"]) == 0
    assert main(["plot", str(tmp_path / "s"), "-o", str(picture), "--kind", "landscape"]) == 1
    assert "2-D" in capfd.readouterr().err


def test_incomplete_stores_are_drawn_with_a_word(tmp_path, capfd):
    store = tmp_path / "s.zarr"
    grid = fc.Grid(x=(-1.5, 1.2, 30), y=(-0.2, 2, 20))
    fc.scan(fc.landscapes.muller_brown, grid, store=store, chunk=100, progress=False)
    (store / "scan" / "done" / "c.4").unlink()
    assert main(["plot", str(store), "-o", str(tmp_path / "p.png")]) == 0
    assert "incomplete: 5 of 6 blocks" in capfd.readouterr().err


def test_folders_of_pictures_are_made(tmp_path):
    store, picture = tmp_path / "s.zarr", tmp_path / "new" / "er" / "p.png"
    assert main([*MULLER_BROWN, "--store", str(store), "--plot", str(picture), "--quiet"]) == 0
    assert main(["plot", str(store), "-o", str(tmp_path / "other" / "P.PNG")]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "other" / "P.PNG").is_file()


@pytest.mark.parametrize("chunk", ["value/c.0.0", "definiteness/c.0.0", "x/c.0"])
def test_damaged_stores_are_not_drawn(tmp_path, chunk, capfd):
    store = tmp_path / "s.zarr"
    assert main([*MULLER_BROWN, "--store", str(store), "--quiet"]) == 0
    content = (store / chunk).read_bytes()
    (store / chunk).write_bytes(content[:-5])
    assert main(["plot", str(store), "-o", str(tmp_path / "p.png")]) == 1
    (line,) = lines(capfd.readouterr().err)
    assert line.startswith(f"fastcurv: StoreError: {store} is damaged (")


@pytest.mark.parametrize("lost", ["value/c.0.0", "x/c.0", "x", "value"])
def test_stores_with_lost_parts_are_not_drawn(tmp_path, lost, capfd):
    store = tmp_path / "s.zarr"
    assert main([*MULLER_BROWN, "--store", str(store), "--quiet"]) == 0
    part = store / lost
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink()
    assert main(["plot", str(store), "-o", str(tmp_path / "p.png")]) == 1
    (line,) = lines(capfd.readouterr().err)
    assert line.startswith(f"fastcurv: StoreError: {store} is damaged (")


def test_version(capfd):
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"fastcurv {fc.__version__}\n"


def test_info(capfd):
    assert main(["info"]) == 0
    assert "numba" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "usage: fastcurv"),
        (["scan"], "FUN"),
        (["scan", "muller_brown"], "--grid"),
        (["scan", "muller_brown", "--grid", "x=1:2"], "NAME=START:STOP:NUMBER.*'x=1:2'"),
        (["scan", "muller_brown", "--grid", "x=0:1:3.5"], "'x=0:1:3.5'"),
        (["scan", "muller_brown", "--grid", "x=0:inf:3"], "'x=0:inf:3'"),
        (["scan", "muller_brown", "--grid", "x=0:1:-3"], "'x=0:1:-3'"),
        (["scan", "muller_brown", "--grid", "=0:1:3"], "'=0:1:3'"),
        (["scan", "muller_brown", "--grid", "x=0", "--grid", "y=0"], "at least one axis"),
        (["scan", "muller_brown", "--grid", "x=0:1:3", "--grid", "x=0"], "axis x is there twice"),
        (["scan", "muler_brown", "--grid", "x=0:1:3"], "'muler_brown' is no landscape.*muller_brown"),
        ([*MULLER_BROWN, "--quantities", "valeu"], "no 'valeu'; there are value"),
        (["plot", "s.zarr"], "-o"),
        (["plot", "s.zarr", "-o", "p.png", "--kind", "pie"], "pie"),
        (["draw"], "draw"),
        ([*MULLER_BROWN, "--method", "no such"], "'no such'.*auto.*central"),
        (["scan", "models/model.py", "--grid", "x=0:1:3"], "which function of models/model.py.*models/model.py:NAME"),
        ([*MULLER_BROWN, "--plot", "p"], r"--plot.*\.pdf, .*\.png, .*got 'p'"),
        ([*MULLER_BROWN, "--plot", "p.xyz"], "--plot.*got 'p.xyz'"),
        ([*MULLER_BROWN, "--plot", "folder.png"], "--plot.*folder.png is a folder"),
        ([*MULLER_BROWN, "--plot", "file/p.png"], "--plot.*cannot write file/p.png: .*file is no folder"),
        ([*MULLER_BROWN, "--grid", "z=0:1:3", "--plot", "p.png"], "--plot.*one axis or two, got x, y, z; .* z=0.5"),
        (["scan", "muller_brown", "--grid", "x=0:1:3", "--grid", "y=0:1:1", "--plot", "p.png"], "--plot.*none along y"),
        (["scan", "muller_brown", "--grid", "x=0:1:3", "--grid", "y=2,2", "--plot", "p.png"], "--plot.*none along y"),
        (["scan", ":good", "--grid", "x=0:1:3"], "which module or file has good.*MODULE:good"),
        (["plot", "s.zarr", "-o", "s.zarr/p.png"], "-o: s.zarr/p.png would lie in the store"),
        (["scan", "muller_brown", "--grid", "x=0:1:1", "--grid", "y=0", "--plot", "p.png"], "--plot.*two coordinates"),
        ([*MULLER_BROWN, "--quantities", "value", "--plot", "p.png"], "--plot.*landscape needs definiteness"),
        (["plot", "s.zarr", "-o", "p.xyz"], "-o.*got 'p.xyz'"),
        (["scan", "models/model.py:", "--grid", "x=0:1:3"], "which function of models/model.py:.*models/model.py:NAME"),
        ([*MULLER_BROWN, "--store", "s.png", "--plot", "s.png"], "--plot: s.png would lie in the store"),
        ([*MULLER_BROWN, "--store", "s", "--plot", "s/p.png"], "--plot: s/p.png would lie in the store"),
    ],
)
def test_usage(arguments, words, capfd, tmp_path, monkeypatch):
    import re

    def never(*_, **__):
        raise AssertionError("something was computed")

    monkeypatch.setattr(fc, "scan", never)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    assert main(arguments) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert re.search(words, captured.err)
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scan", "nowhere/model.py:f", "--grid", "x=0:1:3"], "no file nowhere/model.py"),
        (["scan", "no_such_module_here:f", "--grid", "x=0:1:3"], "no_such_module_here"),
        (["scan", "math:no_such_function", "--grid", "x=0:1:3"], "math has no no_such_function"),
        ([*MULLER_BROWN, "--args", "nowhere.npz"], "nowhere.npz"),
        (["scan", "rosenbrock", "--grid", "value=0:1:3", "--grid", "y=0"], "axis name 'value'"),
        (["scan", "himmelblau", "--grid", "x=-5:5:3"], "himmelblau was evaluated in plain Python at x = [-5.]"),
        (["plot", "nowhere.zarr", "-o", "p.png"], "there is no store"),
        (["scan", "colorsys:rgb_to_hsv", "--grid", "r=0:1:3"], "arguments after x are given by --args DATA.npz"),
    ],
)
def test_failures_are_one_line(arguments, words, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, *(["--quiet"] if arguments[0] == "scan" else [])]) == 1
    captured = capfd.readouterr()
    assert captured.out == ""
    (line,) = lines(captured.err)
    assert line.startswith("fastcurv: ")
    assert words in line


def test_files_that_exit_have_failed(tmp_path, capfd):
    for k, code in enumerate(("0", "'usage'", "")):
        path = tmp_path / f"leaves_{k}.py"
        path.write_text(f"import sys\ndef f(x): return x[0] ** 2\nsys.exit({code})\n")
        assert main(["scan", f"{path}:f", "--grid", "x=0:1:3", "--quiet"]) == 1
        assert f"leaves_{k}.py called sys.exit({code or None})" in capfd.readouterr().err


def test_files_with_names_of_modules_replace_none(tmp_path, capfd):
    for name in ("copy", "fastcurv"):
        (tmp_path / f"{name}.py").write_text("def f(x): return x[0] ** 2\n")
        assert main(["scan", f"{tmp_path / name}.py:f", "--grid", "x=0:1:3", "--quiet"]) == 0, capfd.readouterr().err
        assert tmp_path not in Path(str(sys.modules[name].__file__)).parents


def test_empty_scans_are_gone_on_with(tmp_path):
    empty = ["scan", "rosenbrock", "--grid", "x=0:1:0", "--grid", "y=0:1:3", "--store", str(tmp_path / "e.zarr")]
    assert main(empty) == main(empty) == 0


def test_pickles_are_not_loaded(tmp_path, capfd):
    np.savez(tmp_path / "d.npz", np.array([{}], dtype=object))
    assert main([*MULLER_BROWN, "--args", str(tmp_path / "d.npz"), "--quiet"]) == 1
    error = capfd.readouterr().err
    assert "--args: expected an .npz file of arrays of numbers" in error
    assert "allow_pickle=False" in error
    for content in (b"no archive", b"PK\x03\x04 that is none", b""):
        (tmp_path / "d.npz").write_bytes(content)
        assert main([*MULLER_BROWN, "--args", str(tmp_path / "d.npz"), "--quiet"]) == 1
        assert "--args: expected an .npz file" in capfd.readouterr().err
    np.save(tmp_path / "d.npy", np.ones(3))
    assert main([*MULLER_BROWN, "--args", str(tmp_path / "d.npy"), "--quiet"]) == 1
    assert "expected an .npz file" in capfd.readouterr().err


def test_interrupts_say_how_to_go_on(monkeypatch, capfd):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fc, "scan", interrupted)
    assert main(MULLER_BROWN) == 1
    assert "interrupted; nothing is kept; with --store it is" in capfd.readouterr().err
    assert main([*MULLER_BROWN, "--store", "s.zarr"]) == 1
    assert "interrupted; the same command goes on" in capfd.readouterr().err


def test_interrupted_scans_say_what_is_kept(monkeypatch, tmp_path, capfd):
    compute, calls = fc._curvature.curvature, []

    def pressed(*given, **options):
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return compute(*given, **options)

    monkeypatch.setattr(fc._curvature, "curvature", functools.wraps(compute)(pressed))
    monkeypatch.setattr(fastcurv._scan, "_BLOCK_SECONDS", 0.0)  # blocks of one point, after two timed calls
    store = ["--store", str(tmp_path / "s.zarr")]
    assert main([*MULLER_BROWN, *store]) == 1
    told = f"interrupted; 2 of 600 points are in {tmp_path / 's.zarr'}, from where the same call goes on"
    assert told in capfd.readouterr().err
    monkeypatch.undo()
    assert main([*MULLER_BROWN, *store]) == 0
    assert "0% of which were in the store" in capfd.readouterr().out


@pytest.mark.parametrize("command", [["--help"], ["scan", "--help"], ["plot", "--help"], ["info", "--help"]])
def test_help(command, capfd):
    assert main(command) == 0
    assert "usage: fastcurv" in capfd.readouterr().out


def test_as_a_process(tmp_path):
    store = tmp_path / "mb.zarr"
    run = [sys.executable, "-m", "fastcurv"]
    done = subprocess.run(
        [*run, *MULLER_BROWN, "--store", str(store)], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("muller_brown: 600 points")
    other = [*MULLER_BROWN[:-1], "y=-0.2:2:21", "--store", str(store)]
    refused = subprocess.run([*run, *other], check=False, capture_output=True, text=True, timeout=120)
    assert refused.returncode == 1
    assert "holds another scan" in lines(refused.stderr)[-1]
    usage = subprocess.run([*run, "scan"], check=False, capture_output=True, text=True, timeout=120)
    assert usage.returncode == 2
