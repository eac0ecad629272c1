"""`scan`: blocks of points through `curvature` into an `xarray.Dataset`, in memory or in a Zarr store.

The size of a block, the key of a store and the attributes of the dataset live here; quantities are a table of
`_quantities`, points come from `_grids`, files are `_store`'s business, and nothing is differentiated here.
"""

import inspect
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcurv._errors import StoreError
from fastcurv._grids import _Points
from fastcurv._identity import described, function_digest
from fastcurv._inputs import flag, refuse_masked
from fastcurv._optional import _require
from fastcurv._quantities import DEFAULT, INNER_DIMS, QUANTITIES, variable
from fastcurv._store import Blocks, Variable, create_store, open_dataset, open_store

if TYPE_CHECKING:
    from concurrent.futures import Future

    import xarray


# Options of `curvature` that a scan sets itself.
_OWN = {"fun", "x", "args", "extra"}

# Working memory of a block. At n = 2 it allows 2^18 points: 2 MB for each quantity, where writing a chunk
# costs little beyond its bytes, and some 10 ms of the cheapest kernels, against 0.1 ms for a call.
_BLOCK_BYTES = 1 << 26
_BLOCK_POINTS = 1 << 18
_BLOCK_SECONDS = 5.0
_TIMED_POINTS = 16


def scan(
    fun: Any,
    grid: Any,
    args: tuple[Any, ...] = (),
    *,
    quantities: Sequence[str] = DEFAULT,
    store: str | os.PathLike[str] | None = None,
    name: str | None = None,
    chunk: int | None = None,
    cluster: None = None,
    progress: bool = True,
    resume: bool = True,
    **options: Any,
) -> "xarray.Dataset":
    """Curvature at every point of a grid, as a labelled dataset.

    Parameters
    ----------
    fun : callable
        Function of one point, as everywhere in fastcurv.
    grid : Grid, Plane, Line or Samples
        The points; they are made block by block.
    args : tuple
        Further arguments of `fun`.
    quantities : sequence of str
        Fields of `Curvature` to keep. `hessian`, `eigenvectors` and `newton_step` are computed when named.
    store : path, optional
        Folder of a Zarr v3 store. The blocks are written there as they are done, in bounded memory; the
        same call again resumes an interrupted scan and computes only what is missing.
    name : str, optional
        What the function is called in the dataset. It identifies the function in a store if that has no
        digest of its own (`vectorized` and C functions): then it is required, and telling two apart is up
        to you.
    chunk : int, optional
        Points in a block, at most. Only a whole block is saved. Default: as many as are computed in some seconds,
        going by a few points in the middle of the grid, and fit 64 MiB; at most 262,144. A store keeps the blocks
        that it was made with.
    cluster : None
        Scans on clusters are not supported yet.
    progress : bool
        Show a progress bar with points per second on stderr.
    resume : bool
        False: refuse a store that exists already, even one of the same scan.
    **options
        Those of `curvature`: `method`, `order`, `rel_step`, `bounds`, `critical_tol` and so on. The arrays in
        `point_args` have the leading shape `grid.shape`.

    Returns
    -------
    xarray.Dataset
        Dimensions: the axes of the grid, `mode` for eigenvalues, `coordinate` for gradients. Enumerations
        carry CF's `flag_values` and `flag_meanings`. With `store`, data are read from there when used.

    Raises
    ------
    ValueError, TypeError
        An argument is not as described; nothing has been computed or written.
    StoreError
        The store holds another scan, is damaged, or exists and `resume` is False. It is left as it is.
    ImportError
        xarray, zarr or tqdm is missing: ``pip install "fastcurv[scan]"``.

    Notes
    -----
    The dataset is bit for bit the same in memory, in a store, and however often a scan was interrupted. A
    store belongs to one function, args, grid, method, options and quantities; versions are recorded, not
    compared.

    Examples
    --------
    >>> import fastcurv as fc
    >>> def saddle(x):
    ...     return x[0]**2 - x[1]**2
    >>> ds = fc.scan(saddle, fc.Grid(x=(-1, 1, 5), y=(0, 1, 3)), progress=False)
    >>> dict(ds.sizes)
    {'x': 5, 'y': 3}
    >>> int(ds.index.sel(x=0.5, y=0))
    1
    """
    if not isinstance(grid, _Points):
        raise TypeError(f"grid: expected Grid, Plane, Line or Samples, got {type(grid).__name__}")
    if cluster is not None:
        raise ValueError(f"cluster: clusters are not supported yet, so only None is accepted, got {cluster!r}")
    if not isinstance(args, tuple):
        raise TypeError(f"args: expected a tuple, got {type(args).__name__}; a single argument is (a,)")
    if name is not None and not (isinstance(name, str) and name):
        raise TypeError(f"name: expected a string that is not empty, got {name!r}")
    progress, resume = flag(progress, "progress"), flag(resume, "resume")
    chosen = _chosen(quantities, grid)
    points = _points_per_block(chunk, grid.n, chosen)
    _check_options(options)
    of_block = _sliced_options(options, grid)
    method = _method(fun, grid, args, {**options, **of_block(0, 1)})
    for module in ("xarray", "tqdm") if store is None else ("xarray", "tqdm", "zarr"):
        _require(module, "scan")

    variables = [variable(quantity, grid) for quantity in chosen]
    extra = tuple(quantity for quantity in chosen if QUANTITIES[quantity].extra)
    digest = function_digest(fun)

    def compute(start: int, stop: int) -> dict[str, np.ndarray]:
        from fastcurv._curvature import curvature

        points = grid.block(start, stop)
        result = curvature(fun, points, args, extra=extra, **{**options, **of_block(start, stop)})
        return {v.name: np.asarray(getattr(result, v.name)).astype(v.dtype, copy=False) for v in variables}

    def block() -> int:
        return points if chunk is not None else _points_in_time(compute, grid.size, points)

    attrs = _attributes(fun, digest, grid, name, method, options)
    bar = _bar(grid.size, attrs["function"], progress)
    if store is None:
        data = _in_memory(compute, grid, variables, block(), bar)
        return _dataset(data, variables, grid, attrs)
    if not isinstance(store, str | os.PathLike):
        raise TypeError(f"store: expected a path, got {type(store).__name__}")
    path = Path(os.path.realpath(store))  # where links lead
    key = _key(fun, digest, grid, args, name, chosen, method, options)
    _to_store(path, key, compute, grid, variables, block, attrs, bar, resume)
    return open_dataset(path)[list(chosen)]


def _in_memory(
    compute: Callable[[int, int], dict[str, np.ndarray]],
    grid: _Points,
    variables: Sequence[Variable],
    points: int,
    bar: Callable[[int], Any],
) -> dict[str, np.ndarray]:
    data = {v.name: np.empty((grid.size, *v.shape), v.dtype) for v in variables}
    with bar(0) as progress:
        for start in range(0, max(1, grid.size), points):  # an empty grid still has its arguments checked
            stop = min(start + points, grid.size)
            for name, values in compute(start, stop).items():
                data[name][start:stop] = values
            progress.update(stop - start)
    return data


def _to_store(
    path: Path,
    key: dict[str, Any],
    compute: Callable[[int, int], dict[str, np.ndarray]],
    grid: _Points,
    variables: Sequence[Variable],
    block: Callable[[], int],
    attrs: dict[str, Any],
    bar: Callable[[int], Any],
    resume: bool,
) -> None:
    """Compute the blocks that the store lacks; one is written while the next is computed."""
    from concurrent.futures import ThreadPoolExecutor  # slow to import

    store = open_store(path, key, variables, grid.coords, attrs["function"])
    if store is not None and not resume:
        raise StoreError(f"{path} exists and resume=False. Nothing was changed: choose another path or delete it")
    blocks = Blocks.of(grid.shape, block()) if store is None else store.blocks
    missing = list(range(len(blocks))) if store is None else store.missing
    left = sum(stop - start for start, stop in map(blocks.run, missing))
    if store is None and not missing:
        compute(0, 0)  # an empty grid still has its arguments checked
    try:
        with bar(grid.size - left) as progress, ThreadPoolExecutor(1, "fastcurv-store") as writer:
            pending: Future[None] | None = None
            for k in missing:
                start, stop = blocks.run(k)
                values = compute(start, stop)
                if store is None:  # only now: a function that fails at once leaves nothing behind
                    store = create_store(path, key, blocks, variables, grid.dims, grid.coords, attrs)
                if pending is not None:
                    pending.result()
                pending = writer.submit(store.write, k, values)
                progress.update(stop - start)
            if pending is not None:
                pending.result()
    except KeyboardInterrupt as error:
        left = [stop - start for start, stop in map(blocks.run, missing if store is None else store.missing)]
        kept = grid.size - sum(left)
        error.add_note(f"{kept:,} of {grid.size:,} points are in {path}, from where the same call goes on")
        raise
    if store is None:
        create_store(path, key, blocks, variables, grid.dims, grid.coords, attrs)


def _bar(total: int, label: str, progress: bool) -> Callable[[int], Any]:
    """Start of a progress bar, given the points that are there already."""
    tqdm = _require("tqdm", "scan").tqdm
    return lambda done: tqdm(total=total, initial=done, desc=label, unit="pt", unit_scale=True, disable=not progress)


def _dataset(
    data: Mapping[str, np.ndarray], variables: Sequence[Variable], grid: _Points, attrs: dict[str, Any]
) -> "xarray.Dataset":
    xarray = _require("xarray", "scan")
    return xarray.Dataset(
        {v.name: (grid.dims + v.dims, data[v.name].reshape(grid.shape + v.shape), dict(v.attrs)) for v in variables},
        coords=grid.coords,
        attrs=attrs,
    )


def _chosen(quantities: Sequence[str], grid: _Points) -> tuple[str, ...]:
    """The quantities asked for, each once, in the order of the table."""
    named = tuple(quantities) if isinstance(quantities, Iterable) and not isinstance(quantities, str) else (quantities,)
    unknown = [quantity for quantity in named if not isinstance(quantity, str) or quantity not in QUANTITIES]
    if unknown or not named:
        got = ", ".join(map(repr, unknown)) or "none"
        raise ValueError(f"quantities: expected one or more of {', '.join(QUANTITIES)}; got {got}")
    taken = [dim for dim in grid.dims if dim in QUANTITIES or dim in {*INNER_DIMS, "scan"}]
    if taken:
        raise ValueError(f"grid: the axis name {taken[0]!r} has a meaning of its own in the dataset; choose another")
    return tuple(quantity for quantity in QUANTITIES if quantity in named)


def _points_per_block(chunk: int | None, n: int, chosen: Sequence[str]) -> int:
    if chunk is None:
        doubles = 20 + 3 * n + 2 * n * n * any(QUANTITIES[quantity].extra for quantity in chosen)
        fitting = max(1, _BLOCK_BYTES // (8 * doubles))
        return min(_BLOCK_POINTS, 1 << (fitting.bit_length() - 1))
    if not isinstance(chunk, Integral) or isinstance(chunk, bool) or chunk < 1:
        raise ValueError(f"chunk: expected a number of points, 1 or more, got {chunk!r}")
    return int(chunk)


def _points_in_time(compute: Callable[[int, int], dict[str, np.ndarray]], size: int, most: int) -> int:
    """So many points as take `_BLOCK_SECONDS`, a power of two, going by a few in the middle; at most so many.

    Between blocks progress is shown, and they are what an interrupt leaves.
    """
    few, start = min(_TIMED_POINTS, size // _TIMED_POINTS), size // 2
    if few == 0:
        return most
    seconds = 0.0
    for count in (1, few):  # the first call compiles
        began = perf_counter()
        compute(start, start + count)
        seconds = perf_counter() - began
    fitting = max(1, int(_BLOCK_SECONDS * few / max(seconds, 1e-9)))
    return min(most, 1 << (fitting.bit_length() - 1))


def _sliced_options(options: Mapping[str, Any], grid: _Points) -> Callable[[int, int], dict[str, Any]]:
    """The options that have a value for each point, as a function of the block."""
    point_args = options.get("point_args", ())
    if not isinstance(point_args, tuple):
        raise TypeError(f"point_args: expected a tuple of arrays, got {type(point_args).__name__}")
    arrays = [np.asarray(array) for array in point_args]
    for k, array in enumerate(arrays):
        refuse_masked(point_args[k], f"point_args[{k}]")
        if array.shape[: len(grid.shape)] != grid.shape:
            raise ValueError(
                f"point_args[{k}]: expected leading shape {grid.shape}, the grid's, got shape {array.shape}"
            )
    flat = [array.reshape(grid.size, *array.shape[len(grid.shape) :]) for array in arrays]
    noise = options.get("noise")
    if noise is not None and np.ndim(noise):
        refuse_masked(noise, "noise")
        if np.shape(noise) != grid.shape:
            raise ValueError(f"noise: expected a number or shape {grid.shape}, got shape {np.shape(noise)}")
        noise = np.asarray(noise).reshape(-1)

    def of_block(start: int, stop: int) -> dict[str, Any]:
        sliced: dict[str, Any] = {}
        if flat:
            sliced["point_args"] = tuple(array[start:stop] for array in flat)
        if isinstance(noise, np.ndarray) and noise.ndim:
            sliced["noise"] = noise[start:stop]
        return sliced

    return of_block


def _method(fun: Any, grid: _Points, args: tuple, options: Mapping[str, Any]) -> str:
    """What "auto" stands for: results by another method are not mixed into a store by a later version."""
    from fastcurv import _launch as launch
    from fastcurv._plan import Options

    point_args, device = options.get("point_args", ()), options.get("device", "auto")
    asked = Options(**{name: options[name] for name in Options._fields if name in options})
    x = grid.block(0, min(1, grid.size))
    call = launch.call(fun, x, args, point_args, device, options.get("grad"), options=asked)
    return launch.settled(call)[0].plan.method


def _check_options(options: Mapping[str, Any]) -> None:
    from fastcurv._curvature import curvature

    known = [option for option in inspect.signature(curvature).parameters if option not in _OWN]
    for option in options:
        if option not in known:
            raise TypeError(f"scan has no option {option!r}; besides its own it takes {', '.join(known)}")


def _attributes(
    fun: Any,
    digest: str | None,
    grid: _Points,
    name: str | None,
    method: str,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    import numba

    import fastcurv

    others = _others(options)
    return {
        "Conventions": "CF-1.11",
        "function": name or getattr(fun, "__name__", type(fun).__name__),
        **({} if digest is None else {"function_digest": digest}),
        "grid": repr(grid),
        **grid.attrs,
        "method": method,
        "options": json.dumps({option: described(option, others[option], unknown=repr) for option in sorted(others)}),
        "fastcurv_version": fastcurv.__version__,
        "numba_version": numba.__version__,
        "numpy_version": np.__version__,
    }


def _key(
    fun: Any,
    digest: str | None,
    grid: _Points,
    args: tuple[Any, ...],
    name: str | None,
    chosen: Sequence[str],
    method: str,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """What makes this scan this scan: entries by name, arrays as digests."""
    if digest is None and name is None:
        raise ValueError(
            f"name: a {type(fun).__name__} has no digest by which the store could tell it from another; "
            "pass name= and change it whenever the function changes"
        )

    def unknown(value: Any) -> str | None:
        return f"function of {name}" if name is not None and callable(value) else None

    others = _others(options)
    return {
        "function": digest or f"name {name}",
        "args": [described(f"args[{k}]", value, unknown) for k, value in enumerate(args)],
        "grid": grid.spec(),
        "method": method,
        "options": {option: described(option, others[option], unknown) for option in sorted(others)},
        "quantities": list(chosen),
    }


def _others(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options beside the method that are not at their defaults."""
    from fastcurv._curvature import curvature

    defaults = {name: parameter.default for name, parameter in inspect.signature(curvature).parameters.items()}
    return {
        option: value
        for option, value in options.items()
        if option != "method" and not (type(value) is type(defaults[option]) and _same(value, defaults[option]))
    }


def _same(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, str | int | float) and value == default)
