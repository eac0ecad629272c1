"""What the pictures of `plot` have in common: colours, axes, cells, legends, and the check of the dataset."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcurv._optional import _require
from fastcurv._quantities import INNER_DIMS, NOT_COMPUTED, QUANTITIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = 35.0  # points below the axes that ticks and the name of the axis take
_LONGEST_TITLE = 60
_TWO_COLUMNS = 4.0  # inches of axes that a legend of two columns fits below
_MOST = 1024  # coordinates drawn along an axis: more than a figure has pixels

# Okabe & Ito (2008), Color Universal Design; fills are mixed with white so that lines on them stay readable.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
GREY, DARK = "#999999", "#222222"
CATEGORIES = {
    "POSITIVE": (BLUE, "positive definite: convex"),
    "INDEFINITE": (ORANGE, "indefinite: saddle-shaped"),
    "NEGATIVE": (VERMILION, "negative definite: concave"),
    "SEMIDEFINITE": (GREEN, "semidefinite: not decidable"),
    "INVALID": (GREY, "invalid"),
    "NOT_COMPUTED": ("white", "not computed yet"),
}
_LEVELS = 24


#: how many axes pictures have, and the quantities that they need
NEEDED = {
    "landscape": (2, ("value", "definiteness")),
    "eigenvalue_ratio": (2, ("eigenvalue_min", "eigenvalue_max")),
    "condition": (2, ("condition_number",)),
    "profile": (1, ("value",)),
}


def needed_of(ds: Any, picture: str, *quantities: str, optional: Sequence[str] = ()) -> Any:
    """The needed variables of the dataset, and optional ones that it has; a clear error where they or the dimensions
    are not there.
    """
    dimensions, needed = NEEDED[picture]
    needed = quantities or needed
    if not hasattr(ds, "data_vars"):
        raise TypeError(f"ds: expected the xarray.Dataset of a scan, got {type(ds).__name__}")
    for name in needed:
        if name not in {**ds.data_vars, **QUANTITIES}:
            raise ValueError(f"quantity: there is no {name!r}; the dataset has {', '.join(map(str, ds.data_vars))}")
        if name not in ds.data_vars:
            names = ", ".join(repr(each) for each in needed)
            raise ValueError(
                f"ds: {picture} needs {name!r}, which is not in the dataset; "
                f"scan(..., quantities=({names},)) puts it there"
            )
    dims = grid_dims(ds)
    if len(dims) != dimensions:
        chosen = ", ".join(f"{dim}=..." for dim in dims[dimensions:])
        remedy = f"; choose a part of it: ds.sel({chosen}, method='nearest')" if chosen else ""
        raise ValueError(
            f"ds: {picture} draws a {dimensions}-D scan, and this one has {len(dims)} "
            f"{'axis' if len(dims) == 1 else 'axes'}: {', '.join(dims)}{remedy}"
        )
    if not all(ds.sizes[dim] for dim in dims):
        raise ValueError(f"ds: {picture} needs points, and the scan is empty: sizes {dict(ds.sizes)}")
    if dimensions == 2 and (alike := [dim for dim in dims if np.unique(ds[dim].values).size < 2]):
        raise ValueError(
            f"ds: {picture} needs two coordinates or more along both axes, got {dict(ds.sizes)}, of {alike[0]} one "
            f"value"
        )
    kept = (*needed, *_telling(ds), *(name for name in optional if name in ds.data_vars))
    return _with_whole_flags(ds[list(dict.fromkeys(kept))]).transpose(*dims, ...)


def _with_whole_flags(ds: Any) -> Any:
    """The dataset with enumerations as integers: of what `ds.where` leaves out they are NaN."""
    changed = {}
    for name, array in ds.data_vars.items():
        if "flag_values" in array.attrs and array.dtype.kind == "f":
            invalid = next(code for code, meaning in flags_of(array).items() if meaning == "INVALID")
            changed[name] = array.fillna(invalid).astype(np.int8)
    return ds.assign(changed)


def _telling(ds: Any) -> list[str]:
    """A variable that tells what was not computed yet, if there is one: of floats, NaN is what is invalid, too."""
    return [name for name in ("definiteness", "kind", "status", "index", "nullity") if name in ds.data_vars][:1]


def grid_dims(ds: Any) -> list[str]:
    """Axes of the grid, in its order: that of the variables, which the dataset itself does not keep."""
    first = next(iter(ds.data_vars.values()), ds)
    return [str(dim) for dim in first.dims if dim not in INNER_DIMS]


def thinned(ds: Any) -> Any:
    return ascending(ds.isel({dim: slice(None, None, -(-length // _MOST)) for dim, length in ds.sizes.items()}))


def ascending(ds: Any) -> Any:
    dims = grid_dims(ds)
    unsorted = [dim for dim in dims if np.any(np.diff(ds[dim].values) < 0)]
    return ds.sortby(unsorted) if unsorted else ds


def axes_or_new(ax: "Axes | None") -> "Axes":
    if ax is None:
        return _require("matplotlib.pyplot", "scan").subplots(figsize=(7.2, 5.4), layout="constrained")[1]
    if not isinstance(ax, _require("matplotlib.axes", "scan").Axes):
        raise TypeError(f"ax: expected matplotlib's axes, as plt.subplots()[1], got {type(ax).__name__}")
    return ax


def figure_of(ax: Any) -> Any:
    return ax.get_figure()


def titled(ax: Any, ds: Any) -> None:
    """The axes bear the name of the function, and where coordinates are fixed."""
    lines = []
    if "function" in ds.attrs:
        lines.append(str(ds.attrs["function"]))
    with suppress(TypeError, ValueError, AttributeError):  # of datasets that others have edited
        fixed = json.loads(ds.attrs.get("fixed_coordinates", "{}"))
        lines += filter(None, [", ".join(f"{name} = {value:.6g}" for name, value in fixed.items())])
    if lines:
        short = (line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 3]}..." for line in lines)
        ax.set_title("\n".join(short))


def finished(ax: Any, ds: Any) -> Any:
    horizontal, vertical = grid_dims(ds)
    ax.set_xlabel(horizontal)
    ax.set_ylabel(vertical)
    titled(ax, ds)
    return ax


def distinct(numbers: np.ndarray) -> list[str]:
    """Numbers as text, with as many digits as tell them apart."""
    for digits in range(4, 18):
        texts = [f"{number:.{digits}g}" for number in numbers]
        if len(set(texts)) == len(texts):
            break
    return texts


def label_of(ds: Any, name: str) -> str:
    """What it is called, without what its numbers stand for."""
    return str(ds[name].attrs.get("long_name", name)).partition(";")[0]


def draw_cells(ax: Any, ds: Any, values: np.ndarray, cmap: Any, **scale: Any) -> Any:
    """Values as coloured cells around the coordinates; where these are equidistant, an image is faster."""
    x, y = (edges_around(ds[dim].values) for dim in grid_dims(ds))
    if _equidistant(x) and _equidistant(y):
        return ax.imshow(
            values,
            cmap=cmap,
            extent=(x[0], x[-1], y[0], y[-1]),
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            **scale,
        )
    return ax.pcolormesh(x, y, values, cmap=cmap, rasterized=True, **scale)


def edges_around(x: np.ndarray) -> np.ndarray:
    """Borders of the cells around ascending coordinates."""
    if x.size == 1:
        return np.array([x[0] - 0.5, x[0] + 0.5])
    middle = x[:-1] + np.diff(x) / 2
    return np.r_[x[0] - (middle[0] - x[0]), middle, x[-1] + (x[-1] - middle[-1])]


def _equidistant(x: np.ndarray) -> bool:
    steps = np.diff(x)
    return bool(np.ptp(steps) <= 1e-6 * np.abs(steps).max())


def scale_for(ax: Any, variable: Any) -> None:
    """What numbers of this kind are read on: logarithms, integers, or the names that they stand for."""
    if variable.name == "condition_number":
        ax.set_yscale("log")
    elif "flag_meanings" in variable.attrs:
        names, present = flags_of(variable), np.unique(variable.values)
        ax.set_yticks(present, labels=[names[int(code)].lower().replace("_", " ") for code in present])
        ax.margins(y=0.2)
    elif variable.dtype.kind == "i":
        ax.yaxis.set_major_locator(_require("matplotlib.ticker", "scan").MaxNLocator(integer=True))


def flags_of(codes: Any) -> dict[int, str]:
    """Names of the numbers of an enumeration, as the dataset tells them."""
    return dict(zip(map(int, codes.attrs["flag_values"]), codes.attrs["flag_meanings"].split(), strict=True))


def fill_definiteness(ax: Any, ds: Any) -> list[Any]:
    colors = _require("matplotlib.colors", "scan")
    names, codes = flags_of(ds["definiteness"]), ds["definiteness"].values.T
    present = sorted({int(code) for code in np.unique(codes)})
    table = colors.ListedColormap([pale(CATEGORIES[names[code]][0]) for code in present])
    positions = np.searchsorted(present, codes)
    draw_cells(ax, ds, positions, table, vmin=-0.5, vmax=len(present) - 0.5)
    return category_handles(names, codes)


def category_handles(names: Mapping[int, str], codes: np.ndarray) -> list[Any]:
    codes_there, counts = np.unique(codes, return_counts=True)
    share = {names[int(code)]: count / codes.size for code, count in zip(codes_there, counts, strict=True)}
    return [
        _patch_handle(pale(color), f"{label} ({_percent(share[name])})")
        for name, (color, label) in CATEGORIES.items()
        if name in share
    ]


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 1e-3 else f"{100 * share:.1f} %"


def pale(color: str, strength: float = 0.45) -> tuple[float, float, float]:
    """The colour mixed with white."""
    red, green, blue = _require("matplotlib.colors", "scan").to_rgb(color)
    return tuple(1 - strength * (1 - part) for part in (red, green, blue))  # pyright: ignore[reportReturnType]


def mark(ax: Any, ds: Any, where: np.ndarray, color: str, label: str) -> list[Any]:
    """Cells that the colour scale cannot show, in one colour; nothing if there are none."""
    if not where.any():
        return []
    colors = _require("matplotlib.colors", "scan")
    draw_cells(ax, ds, np.ma.masked_where(~where, np.zeros(where.shape)), colors.ListedColormap([color]))
    return [_patch_handle(color, f"{label} ({_percent(where.mean())})")]


def mark_infinite(ax: Any, x: np.ndarray, values: np.ndarray) -> list[Any]:
    """Triangles at the upper and lower edge of a profile where its line leaves a gap; nothing if there are none."""
    handles = []
    for sign, edge, shape in ((1, 1.0, "^"), (-1, 0.0, "v")):
        where = values == sign * np.inf
        if where.any():
            places = np.full(np.count_nonzero(where), edge)
            label = f"{'-' if sign < 0 else ''}infinite ({_percent(where.mean())})"
            transform = ax.get_xaxis_transform()
            handles += ax.plot(x[where], places, shape, color=DARK, transform=transform, clip_on=False, label=label)
    return handles


def mark_missing(ax: Any, ds: Any, where: np.ndarray) -> list[Any]:
    """Cells that have no number, by why they have none: of those that were not computed the integers tell."""
    waiting = where & False
    for name in _telling(ds):
        waiting = where & (ds[name].values.T == NOT_COMPUTED)
    return [
        handle
        for cells, name in ((waiting, "NOT_COMPUTED"), (where & ~waiting, "INVALID"))
        for handle in mark(ax, ds, cells, *CATEGORIES[name])
    ]


def _patch_handle(color: Any, label: str) -> Any:
    return _require("matplotlib.patches", "scan").Patch(facecolor=color, edgecolor=DARK, linewidth=0.5, label=label)


def line_handle(label: str, effects: Any) -> Any:
    line = _require("matplotlib.lines", "scan").Line2D
    return line([], [], color="white", linewidth=1.2, path_effects=effects, label=label)


def legend_below(ax: Any, handles: Sequence[Any], inside: str = "upper right") -> None:
    """Below the axes: inside, it would hide the part of the landscape that happens to lie there.

    Inside all the same, in a corner, where nothing makes room for it: it would be printed over the axes below.
    """
    if not handles:
        return
    figure = figure_of(ax)
    place: dict[str, Any] = {"loc": inside, "framealpha": 0.85}
    if figure.get_layout_engine() is not None:
        # Two columns of small print stay narrower than wide axes; a wider legend would squeeze them.
        inches = ax.get_position().width * figure.get_figure().get_figwidth()
        columns = 2 if len(handles) > 1 and inches > _TWO_COLUMNS else 1
        below = _require("matplotlib.transforms", "scan").offset_copy(
            ax.transAxes, figure.get_figure(), y=-_LABELS, units="points"
        )
        place = {
            "loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "bbox_transform": below, "frameon": False,
            "ncols": columns,
        }  # fmt: skip
    ax.legend(handles=handles, fontsize="small", **place)


def quantile_levels(values: np.ndarray) -> np.ndarray:
    """Contour levels at quantiles of the finite values, closer at the low end; empty for a constant."""
    finite = values[np.isfinite(values)]
    if not finite.size or finite.min() == finite.max():
        return np.empty(0)
    share = ((np.arange(_LEVELS) + 0.5) / _LEVELS) ** 2
    levels = np.unique(np.quantile(finite, share))
    return levels[(levels > finite.min()) & (levels < finite.max())]
