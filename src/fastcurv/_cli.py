"""The command line: `fastcurv scan`, `fastcurv plot`, `fastcurv info`.

It parses, calls the public functions, and says in one line what went wrong. Exit status: 0; 1, failed; 2,
usage.
"""

import argparse
import importlib
import importlib.util
import inspect
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fastcurv import __version__
from fastcurv._drawing import NEEDED, grid_dims, needed_of, thinned
from fastcurv._errors import StoreError
from fastcurv._grid_arguments import count
from fastcurv._optional import _require
from fastcurv._plan import METHODS
from fastcurv._quantities import DEFAULT, QUANTITIES
from fastcurv._store import no_folder_above

_EXAMPLES = """\
examples:
  fastcurv scan muller_brown --grid x=-1.5:1.2:1000 --grid y=-0.2:2:1000 --store mb.zarr --plot mb.png
  fastcurv scan model.py:loss --grid a=-1:1:201 --grid b=-1:1:201 --grid c=0.5 --args data.npz --plot loss.png
  fastcurv plot mb.zarr -o condition.png --kind condition
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line on `argv`, by default the process's own arguments; returns the exit status."""
    options = argparse.Namespace()
    try:
        _parser().parse_args(argv, options)
        return options.run(options)
    except SystemExit as stop:  # argparse has printed the usage or the help
        return int(stop.code or 0)  # of argparse; what the user's code exits with is told before
    except KeyboardInterrupt as error:
        begun = "the same command goes on" if getattr(options, "store", None) else "nothing is kept; with --store it is"
        kept = getattr(error, "__notes__", None) or [begun]
        print(f"fastcurv: interrupted; {'; '.join(kept)}", file=sys.stderr)
    except BrokenPipeError:  # the reader of the output has gone, as in `fastcurv info | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        text = " ".join("; ".join([str(error), *getattr(error, "__notes__", ())]).split())
        print(f"fastcurv: {type(error).__name__}: {text}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    raw: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "epilog": _EXAMPLES}
    parser = argparse.ArgumentParser(
        prog="fastcurv", description="Gradients, Hessians and spectra of a function over a grid.", **raw
    )
    parser.add_argument("--version", action="version", version=f"fastcurv {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{scan,plot,info}")

    about = "Curvature at every point of a grid."
    scan = commands.add_parser("scan", help="curvature at every point of a grid", description=about, **raw)
    scan.add_argument(
        "fun",
        metavar="FUN",
        help="module:function, path/to/file.py:function, or the name of a landscape: " + ", ".join(_landscape_names()),
    )
    scan.add_argument(
        "--grid",
        metavar="NAME=START:STOP:NUMBER",
        action="append",
        required=True,
        type=_axis,
        help="an axis, both ends included; NAME=A,B,C: these coordinates; NAME=A: fixed there, where derivatives are "
        "still of all coordinates. Once for each coordinate of x, in order",
    )
    scan.add_argument(
        "--method",
        metavar="M",
        choices=METHODS,
        help=f"how derivatives are taken: {', '.join(METHODS)} (auto)",
    )
    scan.add_argument("--quantities", metavar="A,B", type=_quantities, help="fields of Curvature to keep")
    scan.add_argument(
        "--args",
        metavar="DATA.npz",
        type=Path,
        help="arguments of FUN after x: the arrays of this file in the order in which they were saved, "
        "whatever their names; arrays without axes become numbers",
    )
    scan.add_argument("--store", metavar="S", type=Path, help="Zarr store to write, or to go on with")
    scan.add_argument("--plot", metavar="P.png", type=_picture, help="picture to write; its ending is the format")
    scan.add_argument("--name", help="name of the function; identifies a vectorized one in a store")
    scan.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    scan.set_defaults(run=_scan, usage_error=scan.error)

    about = "Picture of a scan in a store."
    plot = commands.add_parser("plot", help="picture of a scan in a store", description=about, **raw)
    plot.add_argument("store", metavar="STORE", type=Path)
    plot.add_argument("-o", "--output", metavar="P.png", type=_picture, required=True, help="picture to write")
    plot.add_argument("--kind", choices=tuple(NEEDED), help="default: landscape for two axes, profile for one")
    plot.set_defaults(run=_plot, usage_error=plot.error)

    info = commands.add_parser("info", help="versions, processor, devices, cache folder")
    info.set_defaults(run=_info)
    return parser


def _scan(options: argparse.Namespace) -> int:
    import fastcurv

    axes: dict[str, Any] = {}
    for name, axis in options.grid:
        if name in axes:
            options.usage_error(f"argument --grid: the axis {name} is there twice")
        axes[name] = axis
    if all(isinstance(axis, float) for axis in axes.values()):
        options.usage_error("argument --grid: expected at least one axis that varies, as in x=-1:1:101")
    if options.fun.startswith(":"):
        options.usage_error(f"argument FUN: which module or file has {options.fun[1:]}? write MODULE{options.fun}")
    if options.fun.endswith((".py", ":")):
        options.usage_error(f"argument FUN: which function of {options.fun}? write {options.fun.rstrip(':')}:NAME")
    if ":" not in options.fun and options.fun not in _landscape_names():
        options.usage_error(
            f"argument FUN: {options.fun!r} is no landscape ({', '.join(_landscape_names())}); "
            "own functions are module:function or path/to/file.py:function"
        )
    grid = fastcurv.Grid(**axes)
    if options.plot is not None and (why := _undrawable(grid, options.quantities or DEFAULT)):
        options.usage_error(f"argument --plot: {why}")
    if options.store is not None and options.plot is not None and _is_in(options.store, options.plot):
        options.usage_error(f"argument --plot: {options.plot} would lie in the store; choose another file")
    fun = _function(options.fun)
    args = () if options.args is None else _arrays(options.args)
    chosen = {} if options.quantities is None else {"quantities": options.quantities}
    if options.method is not None:
        chosen["method"] = options.method

    held = _held(options.store)
    started = time.perf_counter()
    chosen.update(store=options.store, name=options.name, progress=not options.quiet)
    with _no_exit(options.fun):
        try:
            ds = fastcurv.scan(fun, grid, args, **chosen)
        except TypeError as error:
            if options.args is None and "required positional argument" in str(error):
                error.add_note("arguments after x are given by --args DATA.npz")
            raise
    seconds = time.perf_counter() - started
    if options.plot is not None:
        _draw(ds, options.plot, _kind(grid.dims))
    if not options.quiet:
        print(_summary(ds, grid.size, held, seconds))
        for what, path in (("store", options.store), ("picture", options.plot)):
            if path is not None:
                print(f"{what}: {path}")
    return 0


def _plot(options: argparse.Namespace) -> int:
    from fastcurv._store import blocks_done, loaded, open_dataset

    if _is_in(options.store, options.output):
        options.usage_error(f"argument -o: {options.output} would lie in the store; choose another file")
    ds = open_dataset(options.store)
    kind = options.kind or _kind(grid_dims(ds))
    part = needed_of(ds, kind)
    done, total = blocks_done(options.store)
    if done < total:
        print(f"fastcurv: {options.store} is incomplete: {done} of {total} blocks are drawn", file=sys.stderr)
    _draw(loaded(options.store, thinned(part) if len(grid_dims(part)) == 2 else part), options.output, kind)
    print(f"picture: {options.output}")
    return 0


def _is_in(store: Path, picture: Path) -> bool:
    """Whether a picture would lie in a store."""
    folder, file = store.resolve(), picture.resolve()
    return folder == file or folder in file.parents


def _info(options: argparse.Namespace) -> int:
    import fastcurv

    fastcurv.show_versions()
    return 0


def _held(store: Path | None) -> float:
    """Which part of the blocks is in a store already; what is wrong with it the scan tells."""
    from fastcurv._store import blocks_done

    with suppress(StoreError):
        done, total = (0, 1) if store is None or not store.exists() else blocks_done(store)
        return done / total if total else 1.0
    return 0.0


def _summary(ds: Any, size: int, held: float, seconds: float) -> str:
    done = f" in {seconds:.3g} s, {size / max(seconds, 1e-9):,.0f} points/s"
    if held > 0:
        done = f", {'all' if held == 1 else f'{held:.0%}'} of which were in the store"
    lines = [f"{ds.attrs['function']}: {size:,} points{done}"]
    if "definiteness" in ds:
        codes = ds["definiteness"]
        counts = dict.fromkeys(codes.attrs["flag_values"], 0)
        rows = max(1, (1 << 24) // max(1, size // max(1, codes.shape[0])))
        for start in range(0, codes.shape[0], rows):  # a store may hold more than fits in memory
            found, number = np.unique(codes[start : start + rows].values, return_counts=True)
            for code, count in zip(found, number, strict=True):
                counts[int(code)] += int(count)
        names = codes.attrs["flag_meanings"].lower().split()
        present = [f"{name} {count:,}" for name, count in zip(names, counts.values(), strict=True) if count]
        lines.append("Hessian: " + ", ".join(present))
    return "\n".join(lines)


def _kind(dims: Sequence[str]) -> str:
    """The picture of a scan with these axes, unless another is asked for."""
    return "profile" if len(dims) == 1 else "landscape"


def _undrawable(grid: Any, quantities: Sequence[str]) -> str | None:
    """Why a scan could not be drawn, known before it is made."""
    kind = _kind(grid.dims)
    axes, needed = NEEDED[kind]
    if len(grid.dims) > axes:
        return f"a picture has one axis or two, got {', '.join(grid.dims)}; fix the others, as in {grid.dims[-1]}=0.5"
    if alike := [dim for dim in grid.dims if np.unique(grid.coords[dim]).size < 2]:
        return f"a picture needs two coordinates or more along every axis, got one or none along {alike[0]}"
    if missing := [name for name in needed if name not in quantities]:
        return f"a {kind} needs {', '.join(missing)}; name it among --quantities"
    return None


def _draw(ds: Any, path: Path, kind: str) -> None:
    _require("matplotlib", "scan").use("Agg")
    from fastcurv import plot

    figure = getattr(plot, kind)(ds).get_figure()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    _require("matplotlib.pyplot", "scan").close(figure)


def _axis(text: str) -> tuple[str, Any]:
    """NAME=START:STOP:NUMBER, NAME=A,B,C or NAME=A as a name and an axis of `Grid`."""
    name, equals, value = text.partition("=")
    try:
        if not equals or not name:
            raise ValueError
        if ":" in value:
            start, stop, number = value.split(":")
            return name, (_finite(start), _finite(stop), count("NUMBER", int(number)))
        if "," in value:
            return name, [_finite(part) for part in value.split(",")]
        return name, _finite(value)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected NAME=START:STOP:NUMBER, NAME=A,B,C or NAME=A, got {text!r}"
        ) from None


def _picture(text: str) -> Path:
    """A file that matplotlib can write: of an ending that it knows, in a folder that is there or can be made."""
    formats = _require("matplotlib.backend_bases", "scan").FigureCanvasBase.get_supported_filetypes()
    path = Path(text)
    if path.suffix[1:].lower() not in formats:
        raise argparse.ArgumentTypeError(f"expected a file that ends in .{', .'.join(sorted(formats))}, got {text!r}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder; name a file in it")
    if above := no_folder_above(path):
        raise argparse.ArgumentTypeError(f"cannot write {text}: {above} is no folder that can be written to")
    return path


def _finite(text: str) -> float:
    value = float(text)
    if not np.isfinite(value):
        raise ValueError
    return value


def _quantities(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in QUANTITIES:
            raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {', '.join(QUANTITIES)}")
    return names


def _arrays(path: Path) -> tuple[Any, ...]:
    wanted = f"--args: expected an .npz file of arrays of numbers, as numpy.savez writes it, got {path}"
    try:
        with path.open("rb") as file:
            data = np.load(file, allow_pickle=False)
            if not hasattr(data, "files"):
                raise ValueError("it holds one array")
            arrays = [data[name] for name in data.files]
    except (ValueError, EOFError, OSError, BadZipFile) as error:
        raise ValueError(f"{wanted}: {error}") from error
    return tuple(array.item() if array.ndim == 0 else array for array in arrays)


def _landscape_names() -> list[str]:
    from fastcurv import landscapes

    named = ((name, getattr(landscapes, name)) for name in landscapes.__all__)
    # What is known about the functions is imported there from elsewhere.
    return [name for name, fun in named if inspect.isfunction(fun) and fun.__module__ == landscapes.__name__]


@contextmanager
def _no_exit(text: str) -> Iterator[None]:
    """Make a failure of the end of the process that the user's code asks for."""
    try:
        yield
    except SystemExit as stop:
        raise RuntimeError(f"{text} called sys.exit({stop.code!r})") from stop


def _function(text: str) -> Any:
    """What FUN names; files and modules are imported with their folder, or the current one, on the path."""
    place, colon, name = text.rpartition(":")
    if not colon:
        from fastcurv import landscapes

        return getattr(landscapes, name)
    if place.endswith(".py"):
        path = Path(place).resolve()
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {place}")
        sys.path.insert(0, str(path.parent))
        is_taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
        spec = importlib.util.spec_from_file_location(f"{path.stem}_py" if is_taken else path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        with _no_exit(place):
            spec.loader.exec_module(module)
    else:
        sys.path.insert(0, str(Path.cwd()))
        with _no_exit(place):
            module = importlib.import_module(place)
    if not hasattr(module, name):
        raise AttributeError(f"{place} has no {name}")
    return getattr(module, name)
