"""The Zarr v3 store of a scan: written block by block, resumed where it stopped, never overwritten.

A store is a Zarr group that `xarray.open_zarr` opens as the dataset of the scan. Beside the arrays of the
dataset it has a subgroup `scan`, which xarray does not look into: the key of the scan as attributes, and
`done`, one flag for each block in a chunk of its own. A flag is set only after everything else of its block
lies on disk, so a scan that ends at any instant loses at most the blocks it was working on.

A block is one chunk of every array and one run of the flattened grid. What the arrays mean is `_scan`'s
business; nothing is computed here.
"""

import json
import math
import os
import re
import shutil
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastcurv._errors import StoreError
from fastcurv._optional import _require

_FORMAT = 1
_HINT = "choose another path or delete it"


@dataclass(frozen=True)
class Variable:
    """One array of the dataset; `dims` and `shape` are those beyond the grid's, `fill` means not computed."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    fill: float | int
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Blocks:
    """The grid's points, cut into blocks of shape `chunk`; each is also a run of the flattened grid."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], points: int) -> "Blocks":
        """Blocks of at most `points` points and, where the shape allows, of at least a quarter of that.

        Trailing axes stay whole, leading axes are cut to single coordinates, and the axis between them is
        cut into equal parts: so every block is contiguous in C order.
        """
        chunk = [1] * len(shape)
        room = max(1, points)
        for axis in reversed(range(len(shape))):
            length = max(1, shape[axis])
            parts = -(-length // min(length, room))
            chunk[axis] = -(-length // parts)
            if parts > 1:
                break
            room //= length
        return cls(shape, tuple(chunk))

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(-(-length // step) for length, step in zip(self.shape, self.chunk, strict=True))

    def __len__(self) -> int:
        return math.prod(self.counts)

    def index(self, k: int) -> tuple[int, ...]:
        """Position of block k among the blocks along each axis."""
        return tuple(int(i) for i in np.unravel_index(k, self.counts))

    def region(self, k: int) -> tuple[slice, ...]:
        """Block k as slices of the grid's axes."""
        return tuple(
            slice(i * step, min((i + 1) * step, length))
            for i, step, length in zip(self.index(k), self.chunk, self.shape, strict=True)
        )

    def run(self, k: int) -> tuple[int, int]:
        """Block k as start and stop in the flattened grid."""
        region = self.region(k)
        start = 0
        for part, length in zip(region, self.shape, strict=True):
            start = start * length + part.start
        return start, start + math.prod(part.stop - part.start for part in region)


class ScanStore:
    """An open store; made by `open_store` or `create_store`."""

    def __init__(self, path: Path, group: Any, blocks: Blocks, variables: Sequence[Variable], done: np.ndarray):
        self.path = path
        self.blocks = blocks
        # a missing chunk is a lost one, and arrays do not keep this when they are opened again
        with _require("zarr", "scan").config.set({"array.write_empty_chunks": True}):
            self._arrays = {variable.name: group[variable.name] for variable in variables}
        self._flags = group["scan/done"]
        self._done = done

    @property
    def missing(self) -> list[int]:
        """Numbers of the blocks that are not there yet."""
        return [int(k) for k in np.flatnonzero(~self._done)]

    def write(self, k: int, values: Mapping[str, np.ndarray]) -> None:
        """Write block k, its points flattened, and set its flag last."""
        region = self.blocks.region(k)
        # Zarr accepts a region across chunks without a word and would then read, merge and rewrite
        # neighbours.
        assert all(part.start % step == 0 for part, step in zip(region, self.blocks.chunk, strict=True))
        shape = tuple(part.stop - part.start for part in region)
        try:
            for name, array in self._arrays.items():
                array[region] = values[name].reshape(shape + values[name].shape[1:])
            self._flags[k] = True
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written to ({_reason(error)}): what was written before is kept; the same call "
                f"goes on from there"
            ) from error
        self._done[k] = True


def open_store(
    path: Path,
    key: Mapping[str, Any],
    variables: Sequence[Variable],
    coords: Mapping[str, np.ndarray],
    function: str,
) -> ScanStore | None:
    """Open the store of the scan with this key to go on with it; None where there is nothing yet.

    `function` is only what errors call the function.

    Raises
    ------
    StoreError
        Something else lies there, another scan's store, or a damaged one; or nothing can be written there.
    """
    if not _occupied(path):
        if above := no_folder_above(path):
            raise StoreError(f"{path} cannot be made: {above} is no folder that can be written to; choose another path")
        if path.is_dir() and path.samefile(os.curdir):
            raise StoreError(f"{path} is the current folder, which a store would replace; name a folder in it")
        return None
    group, held, blocks, done = _read(path, mode="r+")
    there, here = _plain(held), _plain(key)
    if there.get("function") != here["function"]:
        there["function"] = f"{group.attrs.get('function')} {_short(there.get('function'))}"
        here["function"] = f"{function} {_short(here['function'])}"
    differing = list(_differences(there, here))
    if differing:
        raise StoreError(
            f"{path} holds another scan, which differs in {'; '.join(differing)}. Nothing was changed: {_HINT}"
        )
    for variable in variables:
        _check_array(path, group, variable, blocks, done)
    for name, values in coords.items():
        _check_coordinates(path, group, name, values)
    return ScanStore(path, group, blocks, variables, done)


def create_store(
    path: Path,
    key: Mapping[str, Any],
    blocks: Blocks,
    variables: Sequence[Variable],
    dims: tuple[str, ...],
    coords: Mapping[str, np.ndarray],
    attrs: Mapping[str, Any],
) -> ScanStore:
    """Make the store of a scan with all its blocks missing; it appears at `path` whole or not at all."""
    zarr = _require("zarr", "scan")
    codecs = _require("zarr.codecs", "scan")
    checksum = codecs.Crc32cCodec()
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    # Chunk files side by side ("c.0.1") instead of nested folders: writing takes half the time.
    common: dict[str, Any] = {"chunk_key_encoding": {"name": "default", "separator": "."}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        group = zarr.open_group(draft, mode="w-", zarr_format=3)
        for variable in variables:
            # Floating-point numbers of a scan hardly shrink (zstd: 1.3x) and compressing them costs 4x the
            # writing.
            squeeze = [] if variable.dtype.kind == "f" else [codecs.ZstdCodec(level=1)]
            group.create_array(
                variable.name,
                shape=blocks.shape + variable.shape,
                chunks=blocks.chunk + tuple(max(1, length) for length in variable.shape),
                dtype=variable.dtype,
                fill_value=variable.fill,
                compressors=[*squeeze, checksum],
                dimension_names=dims + variable.dims,
                attributes=dict(variable.attrs),
                **common,
            )
        for name, values in coords.items():
            array = group.create_array(
                name,
                shape=values.shape,
                chunks=(max(1, min(values.size, 1 << 20)),),
                dtype=values.dtype,
                fill_value=math.nan,
                compressors=[checksum],
                dimension_names=(name,),
                **common,
            )
            array[:] = values
        inner = group.create_group(
            "scan",
            attributes={"format": _FORMAT, "key": _plain(key), "shape": blocks.shape, "chunk": blocks.chunk},
        )
        inner.create_array(
            "done",
            shape=(len(blocks),),
            chunks=(1,),
            dtype=bool,
            fill_value=False,
            compressors=None,
            **common,
        )
        group.update_attributes(dict(attrs))
        with warnings.catch_warnings():  # or every xarray.open_zarr warns that it is missing
            warnings.filterwarnings("ignore", "Consolidated metadata", Warning)
            zarr.consolidate_metadata(draft, zarr_format=3)
        if path.is_dir():
            path.rmdir()  # an empty folder, which a rename replaces on POSIX only
        draft.rename(path)
    except BaseException as error:  # an interrupt, too, leaves no draft behind
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, OSError):
            if _occupied(path):
                raise StoreError(f"{path} was made by another scan meanwhile: run the same call again") from error
            raise StoreError(f"{path} cannot be made ({_reason(error)}): choose another path") from error
        raise
    group = zarr.open_group(path, mode="r+", zarr_format=3, use_consolidated=False)
    return ScanStore(path, group, blocks, variables, np.zeros(len(blocks), bool))


def open_dataset(path: Path) -> Any:
    """The scan at `path` as an `xarray.Dataset`, read when used; StoreError where there is none."""
    if not _occupied(path):
        raise StoreError(f"{path}: there is no store")
    group, _, blocks, done = _read(path, mode="r")
    for name, array in _made(path):
        is_coordinate = array.metadata.dimension_names == (name,)
        own = Blocks(array.shape, array.chunks) if is_coordinate else blocks
        variable = Variable(name, (), array.shape[len(own.shape) :], array.dtype, 0)
        _check_array(path, group, variable, own, np.ones(len(own), bool) if is_coordinate else done)
    xarray = _require("xarray", "scan")
    with _damage_told(path):  # coordinates are read at once
        return xarray.open_zarr(path, chunks=None, consolidated=False)


def _made(path: Path) -> list[tuple[str, Any]]:
    """The arrays that the store was made with, whether they are still there or not."""
    zarr = _require("zarr", "scan")
    try:
        return list(zarr.open_group(path, mode="r", zarr_format=3, use_consolidated=True).arrays())
    except Exception as error:
        raise StoreError(f"{path} is damaged ({_reason(error)}): {_HINT}") from error


def loaded(path: Path, part: Any) -> Any:
    """A part of the dataset of the store at `path`, read into memory."""
    with _damage_told(path):
        return part.load()


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Whatever Zarr and its codecs say about a broken chunk is said of the store."""
    try:
        yield
    except Exception as error:
        raise StoreError(f"{path} is damaged ({_reason(error)}): {_HINT}") from error


def blocks_done(path: Path) -> tuple[int, int]:
    """How many blocks of the scan at `path` are there, and how many there will be."""
    done = _read(path, mode="r")[3]
    return int(done.sum()), len(done)


def _occupied(path: Path) -> bool:
    return os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir()))


def no_folder_above(path: Path) -> Path | None:
    """What keeps `path` from being made: the nearest thing above it, if that is no folder that can be written to."""
    above = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    return None if above.is_dir() and os.access(above, os.W_OK | os.X_OK) else above


def _read(path: Path, mode: str) -> tuple[Any, dict[str, Any], Blocks, np.ndarray]:
    """The group, its key, its blocks and which of them are done."""
    zarr = _require("zarr", "scan")
    if not (path / "zarr.json").is_file():
        raise StoreError(f"{path} exists and is no store of a scan. Nothing was changed: {_HINT}")
    try:
        group = zarr.open_group(path, mode=mode, zarr_format=3, use_consolidated=False)
        inner = group["scan"]
        found = inner.attrs["format"]
        key = dict(inner.attrs["key"])
        blocks = Blocks(tuple(inner.attrs["shape"]), tuple(inner.attrs["chunk"]))
        flags = inner["done"].shape, inner["done"].dtype
        done = _flags_set(path / "scan" / "done", len(blocks))
    except Exception as error:  # whatever Zarr, JSON or the file system say about a broken file
        raise StoreError(f"{path} is damaged, or no store of a scan ({_reason(error)}): {_HINT}") from error
    if found != _FORMAT:
        raise StoreError(f"{path} has format {found}, written by another version of fastcurv: {_HINT}")
    if flags != ((len(blocks),), bool):
        raise StoreError(f"{path} is damaged (expected {len(blocks)} flags, found {flags}): {_HINT}")
    return group, key, blocks, done


def _flags_set(folder: Path, count: int) -> np.ndarray:
    """Which flags are set: those with a file. Reading thousands of chunks of one byte takes Zarr seconds."""
    done = np.zeros(count, bool)
    with os.scandir(folder) as entries:
        names = (re.fullmatch(r"c\.(\d+)", entry.name) for entry in entries)
        done[[int(name[1]) for name in names if name]] = True
    return done


def _check_array(path: Path, group: Any, variable: Variable, blocks: Blocks, done: np.ndarray) -> None:
    """The array is there as it was made, and so are the chunks of all blocks that are done."""
    try:
        array = group[variable.name]
        found = array.shape, array.chunks, array.dtype
    except Exception as error:
        raise StoreError(f"{path} is damaged ({variable.name}: {_reason(error)}): {_HINT}") from error
    expected = (
        blocks.shape + variable.shape,
        blocks.chunk + tuple(max(1, length) for length in variable.shape),
        variable.dtype,
    )
    if found != expected:
        raise StoreError(
            f"{path} is damaged (shape, chunks, type of {variable.name}: {found}, not {expected}): {_HINT}"
        )
    with os.scandir(path / variable.name) as entries:
        sizes = {entry.name: entry.stat().st_size for entry in entries}
    whole = math.prod(expected[1]) * variable.dtype.itemsize + 4  # the checksum
    for index in zip(*np.unravel_index(np.flatnonzero(done), blocks.counts), strict=True):
        name = ".".join(["c", *map(str, index), *("0" for _ in variable.shape)])
        size = sizes.get(name, 0)
        if size == 0 or (variable.dtype.kind == "f" and size != whole):
            state = f"has {size} bytes" if name in sizes else "is missing"
            raise StoreError(f"{path} is damaged (chunk {name} of {variable.name} {state}): {_HINT}")


def _check_coordinates(path: Path, group: Any, name: str, values: np.ndarray) -> None:
    """The coordinates are there as they were written: a lost chunk of them is read as NaN."""
    try:
        found = group[name][:]
    except Exception as error:
        raise StoreError(f"{path} is damaged (coordinates {name}: {_reason(error)}): {_HINT}") from error
    if not np.array_equal(found, values):
        raise StoreError(f"{path} is damaged (coordinates {name} are not those of the grid): {_HINT}")


def _plain(value: Any) -> Any:
    """The value as it comes back from JSON."""
    return json.loads(json.dumps(value))


def _differences(held: Any, new: Any, where: str = "") -> Iterator[str]:
    """The innermost entries in which two keys differ, in words."""
    if isinstance(held, dict) and isinstance(new, dict):
        for entry in {**held, **new}:
            yield from _differences(held.get(entry), new.get(entry), f"{where}.{entry}" if where else entry)
    elif isinstance(held, list) and isinstance(new, list) and len(held) == len(new):
        for k, (one, other) in enumerate(zip(held, new, strict=True)):
            yield from _differences(one, other, f"{where}[{k}]")
    elif held != new:
        yield f"{where} ({_short(held)} there, {_short(new)} here)"


def _short(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{40,64}", value):
        return value[:12] + "..."
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 160 else text[:157] + "..."


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no further word'}"[:200]
