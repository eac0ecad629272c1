"""Pictures of scans and spectra, drawn with matplotlib into axes of yours or of a new figure.

Functions take the dataset of a `scan` (`spectrum` also a `Curvature` or an array; `sparsity` a `trace`), draw into `ax`
or, without one, into a new figure, and return the matplotlib axes. Make figures of your own with
``plt.subplots(layout="constrained")``: then there is room for legends below the axes; else they lie within them.
Colours are Okabe and Ito's palette for categories, viridis for numbers: both can be told apart with colour-blind
eyes. Grids with more than 1,024 coordinates along an axis are thinned to every second, third, ... one before they
are drawn or even read.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcurv._drawing import (
    BLUE,
    CATEGORIES,
    DARK,
    GREY,
    VERMILION,
    ascending,
    axes_or_new,
    category_handles,
    distinct,
    draw_cells,
    edges_around,
    figure_of,
    fill_definiteness,
    finished,
    flags_of,
    grid_dims,
    label_of,
    legend_below,
    line_handle,
    mark,
    mark_infinite,
    mark_missing,
    needed_of,
    pale,
    quantile_levels,
    scale_for,
    thinned,
    titled,
)
from fastcurv._optional import _require
from fastcurv._trace import Expression

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

__all__ = ["condition", "eigenvalue_ratio", "landscape", "profile", "sparsity", "spectrum"]


def __dir__() -> list[str]:
    return __all__


def landscape(ds: "xarray.Dataset", *, ax: "Axes | None" = None) -> "Axes":
    """Contours of the value on a fill that shows the definiteness of the Hessian.

    Parameters
    ----------
    ds : xarray.Dataset
        Scan of a 2-D grid or plane, with `value` and `definiteness`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes
        First axis of the grid to the right, second upwards.

    Notes
    -----
    The contour levels are quantiles of the value, closer at the low end, so that wells and plateaus both get
    lines whatever the range of the function; the colour of a line is its rank, its number is on the colour
    bar.

    Examples
    --------
    >>> import fastcurv as fc
    >>> ds = fc.scan(fc.landscapes.himmelblau, fc.Grid(x=(-5, 5, 60), y=(-5, 5, 60)), progress=False)
    >>> ax = fc.plot.landscape(ds)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('x', 'y')
    """
    ds = thinned(needed_of(ds, "landscape"))
    ax = axes_or_new(ax)
    handles = fill_definiteness(ax, ds)
    value = ds["value"].values.T
    levels = quantile_levels(value)
    if levels.size:
        colors = _require("matplotlib.colors", "scan")
        x, y = (ds[dim].values for dim in grid_dims(ds))
        shades = colors.LinearSegmentedColormap.from_list("shades", ["black", "0.4", "white"])
        # Half a rank of room on both sides gives every level a band of its own on the colour bar.
        norm = colors.BoundaryNorm(np.arange(levels.size + 1) - 0.5, 256)
        ranks = shades(norm(np.arange(levels.size)))
        ax.contour(x, y, np.ma.masked_invalid(value), levels=levels, colors=ranks, linewidths=0.9)
        scale = _require("matplotlib.cm", "scan").ScalarMappable(norm, shades)
        bar = figure_of(ax).colorbar(scale, ax=ax, label=label_of(ds, "value"))
        shown = np.arange(0, levels.size, max(1, levels.size // 8))
        bar.minorticks_off()
        bar.set_ticks(shown, labels=distinct(levels[shown]))
    legend_below(ax, handles)
    return finished(ax, ds)


def eigenvalue_ratio(ds: "xarray.Dataset", *, ax: "Axes | None" = None) -> "Axes":
    """|lambda_min/lambda_max|: how much negative curvature there is beside the positive.

    Parameters
    ----------
    ds : xarray.Dataset
        Scan of a 2-D grid or plane, with `eigenvalue_min` and `eigenvalue_max`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Notes
    -----
    The map of Li et al.: near 0 the function is almost convex, large where negative curvature is significant.
    They take lambda_min for zero or negative, as it is in large networks. Where it is positive, the plain
    ratio would be that of a narrow or round well and look like negative curvature; 0 is drawn there
    instead, and a white line marks lambda_min = 0. So it is where lambda_min cannot be told from zero, if
    the dataset has `index`. Where no eigenvalue is positive the ratio is 1 or more.
    The scale ends at 1.

    References
    ----------
    H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein (2018), Visualizing the loss landscape of neural nets,
    NeurIPS 31, section 6.

    Examples
    --------
    >>> import fastcurv as fc
    >>> ds = fc.scan(fc.landscapes.himmelblau, fc.Grid(x=(-5, 5, 60), y=(-5, 5, 60)), progress=False)
    >>> ax = fc.plot.eigenvalue_ratio(ds)
    """
    ds = thinned(needed_of(ds, "eigenvalue_ratio", optional=("index",)))
    ax = axes_or_new(ax)
    low, high = ds["eigenvalue_min"].values.T, ds["eigenvalue_max"].values.T
    if "index" in ds:  # else it is not known which eigenvalues are zero to rounding
        low = np.where((ds["index"].values.T == 0) & (low < 0), 0.0, low)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(low >= 0, 0.0, np.abs(low / high))
    ratio = np.where(np.isnan(low) | np.isnan(high), np.nan, ratio)
    image = draw_cells(ax, ds, np.ma.masked_invalid(np.where(np.isinf(ratio), 2.0, ratio)), "viridis", vmin=0, vmax=1)
    label = "|λ$_{min}$/λ$_{max}$|, 0 where λ$_{min}$ ≥ 0"
    figure_of(ax).colorbar(image, ax=ax, extend="max", label=label)
    handles = []
    if np.nanmin(low, initial=np.inf) < 0 < np.nanmax(low, initial=-np.inf):
        x, y = (ds[dim].values for dim in grid_dims(ds))
        stroke = [_require("matplotlib.patheffects", "scan").withStroke(linewidth=2.4, foreground=DARK)]
        edge = ax.contour(x, y, np.ma.masked_invalid(low), levels=[0.0], colors="white", linewidths=1.2)
        edge.set_path_effects(stroke)
        handles.append(line_handle("λ$_{min}$ = 0, edge of the convex regions", stroke))
    handles += mark_missing(ax, ds, np.isnan(ratio))
    legend_below(ax, handles)
    return finished(ax, ds)


def condition(ds: "xarray.Dataset", *, ax: "Axes | None" = None) -> "Axes":
    """The condition number of the Hessian on a logarithmic colour scale.

    Parameters
    ----------
    ds : xarray.Dataset
        Scan of a 2-D grid or plane, with `condition_number`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Notes
    -----
    Singular Hessians (condition number inf) and invalid points have colours of their own, in the legend.
    The scale ends at the 99.5 % quantile, so that a few nearly singular points do not wash out the rest.

    Examples
    --------
    >>> import fastcurv as fc
    >>> ds = fc.scan(fc.landscapes.himmelblau, fc.Grid(x=(-5, 5, 60), y=(-5, 5, 60)), progress=False)
    >>> ax = fc.plot.condition(ds)
    """
    ds = thinned(needed_of(ds, "condition"))
    ax = axes_or_new(ax)
    colors = _require("matplotlib.colors", "scan")
    number = ds["condition_number"].values.T
    finite = number[np.isfinite(number)]
    if finite.size:
        top = max(float(np.quantile(finite, 0.995)), 10.0)
        norm = colors.LogNorm(1.0, top)
        image = draw_cells(ax, ds, np.ma.masked_invalid(number), "viridis", norm=norm)
        extend = "max" if finite.max() > top else "neither"
        figure_of(ax).colorbar(image, ax=ax, label=label_of(ds, "condition_number"), extend=extend)
    handles = mark(ax, ds, np.isposinf(number), VERMILION, "singular: infinite")
    handles += mark_missing(ax, ds, np.isnan(number))
    legend_below(ax, handles)
    return finished(ax, ds)


def spectrum(curvature: Any, *, ax: "Axes | None" = None) -> "Axes":
    """Eigenvalues of one Hessian, or how those of many are distributed, mode by mode.

    Parameters
    ----------
    curvature : Curvature, xarray.Dataset or array_like
        Anything with `eigenvalues`, or the eigenvalues themselves, shape (..., n), ascending.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Notes
    -----
    One Hessian: a marker for each eigenvalue, coloured by its sign; with `eigenvalue_error`, those that
    cannot be told from zero are shown as zero. Many: median, quartiles and the range from 5 to 95 % of each
    mode; points with a NaN are left out. The scale is linear near zero and logarithmic beyond.

    Examples
    --------
    >>> import fastcurv as fc
    >>> ax = fc.plot.spectrum([-2.0, 0.0, 0.5, 30.0])
    >>> ax.get_ylabel()
    'eigenvalue'
    """
    values, error = _eigenvalues(curvature)
    ax = axes_or_new(ax)
    if len(values) == 1:
        _draw_single(ax, values[0], 0.0 if error is None else float(error[0]))
    else:
        _draw_many(ax, values)
    ax.axhline(0, color=DARK, linewidth=0.8, zorder=0)
    size = np.abs(values)
    certain = size[size > (0.0 if error is None else error[:, None])]
    if certain.size and certain.max() > 1e3 * certain.min():
        small = max(float(np.quantile(certain, 0.1)), 1e-8 * float(certain.max()))
        ax.set_yscale("symlog", linthresh=10.0 ** np.floor(np.log10(small)))  # where a tick is
    ax.set_xlabel("mode")
    ax.set_ylabel("eigenvalue")
    ax.xaxis.set_major_locator(_require("matplotlib.ticker", "scan").MaxNLocator(integer=True, min_n_ticks=1))
    ax.margins(x=0.05, y=0.05)
    ax.autoscale_view()
    if hasattr(curvature, "data_vars"):
        titled(ax, curvature)
    legend_below(ax, ax.get_legend_handles_labels()[0], inside="upper left")  # the lowest come first
    return ax


def sparsity(expression: Any, *, ax: "Axes | None" = None) -> "Axes":
    """Which entries of the Hessian of a traced function do not vanish.

    Parameters
    ----------
    expression : Expression
        What `fastcurv.trace` found.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes
        Rows downwards, columns to the right, as in the matrix.

    Examples
    --------
    >>> import fastcurv as fc
    >>> ax = fc.plot.sparsity(fc.trace(lambda x: x[0] * x[1] + x[2] ** 2, 3))
    >>> ax.get_title()
    '3 of 9 entries do not vanish'
    """
    if not isinstance(expression, Expression):
        raise TypeError(
            f"expression: expected what fastcurv.trace returns, got {type(expression).__name__}; "
            "draw sparsity(fastcurv.trace(fun, n)), with n coordinates"
        )
    pattern, ax = expression.sparsity.tocoo(), axes_or_new(ax)
    n = expression.n
    # squares that touch while entries can be told apart, dots beyond
    ax.set_aspect("equal")
    if n <= 400:
        ax.imshow(
            pattern.toarray(),
            cmap=_require("matplotlib.colors", "scan").ListedColormap(["white", BLUE]),
            vmin=0,
            vmax=1,
        )
    else:
        ax.plot(pattern.col, pattern.row, ",", color=BLUE)
    edge = 0.5 + 0.015 * n  # the first and the last row are not hidden by the frame
    ax.set_xlim(-edge, n - 1 + edge)
    ax.set_ylim(n - 1 + edge, -edge)
    ax.set_xlabel("coordinate")
    ax.set_ylabel("coordinate")
    ax.set_title(f"{pattern.nnz:,} of {n * n:,} entries do not vanish")
    integers = _require("matplotlib.ticker", "scan").MaxNLocator(integer=True)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(integers)
    return ax


def profile(ds: "xarray.Dataset", quantity: str = "value", *, ax: "Axes | None" = None) -> "Axes":
    """One quantity along a line, on a fill that shows the definiteness of the Hessian where it is known.

    Parameters
    ----------
    ds : xarray.Dataset
        Scan of a `Line` or a 1-D grid, or a row of a larger one: ``ds.sel(y=0.5, method="nearest")``.
    quantity : str
        What to draw: any quantity with one number a point.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import fastcurv as fc
    >>> line = fc.Line([-0.558, 1.442], [1.181, -1.414], extent=(0, 1), num=101)
    >>> ds = fc.scan(fc.landscapes.muller_brown, line, progress=False)
    >>> ax = fc.plot.profile(ds)
    >>> ax.get_xlabel()
    't'
    """
    ds = needed_of(ds, "profile", quantity)
    if set(ds[quantity].dims) != set(grid_dims(ds)):
        raise ValueError(f"quantity: {quantity} has more than one number a point; draw one of them with ds.isel(...)")
    ds = ascending(ds)
    ax = axes_or_new(ax)
    (dim,) = grid_dims(ds)
    x = ds[dim].values
    style = "steps-mid" if ds[quantity].dtype.kind == "i" else "default"
    marker = "o" if x.size == 1 else None  # of which a line shows nothing
    ax.plot(x, ds[quantity].values, color=DARK, linewidth=1.6, drawstyle=style, marker=marker)
    scale_for(ax, ds[quantity])
    handles = mark_infinite(ax, x, ds[quantity].values)
    if "definiteness" in ds and x.size:
        names, codes = flags_of(ds["definiteness"]), ds["definiteness"].values
        edges = edges_around(x)
        starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
        for start, stop in zip(starts, [*starts[1:], codes.size], strict=True):
            color = pale(CATEGORIES[names[int(codes[start])]][0])
            ax.axvspan(edges[start], edges[stop], color=color, linewidth=0, zorder=0)
        handles = [*handles, *category_handles(names, codes)]
        ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel(dim)
    ax.set_ylabel(label_of(ds, quantity))
    titled(ax, ds)
    legend_below(ax, handles)
    return ax


def _eigenvalues(curvature: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Eigenvalues as (points, n) and their errors, without points that have none."""
    if hasattr(curvature, "data_vars"):
        if "eigenvalues" not in curvature.data_vars:
            raise ValueError(
                "curvature: spectrum needs 'eigenvalues', which is not in the dataset; "
                "scan(..., quantities=('eigenvalues',)) puts it there"
            )
        values = curvature["eigenvalues"].transpose(..., "mode").values
        error = curvature["eigenvalue_error"].values if "eigenvalue_error" in curvature.data_vars else None
    elif hasattr(curvature, "eigenvalues"):
        curvature = getattr(curvature, "on_host", curvature)
        values, error = np.asarray(curvature.eigenvalues), getattr(curvature, "eigenvalue_error", None)
    else:
        values, error = np.asarray(curvature), None
        if values.dtype.kind not in "fiu" or values.ndim == 0:
            raise TypeError(
                "curvature: expected a Curvature, the Dataset of a scan, or eigenvalues of shape (..., n), "
                f"got {type(curvature).__name__}"
            )
    values = values.reshape(math.prod(values.shape[:-1]), values.shape[-1]).astype(float)
    valid = np.isfinite(values).all(axis=1)
    if not values[valid].size:
        raise ValueError(f"curvature: spectrum needs finite eigenvalues, and none of the {len(values)} points has them")
    return values[valid], None if error is None else np.asarray(error, float).reshape(-1)[valid]


def _draw_single(ax: Any, values: np.ndarray, error: float) -> None:
    modes = np.arange(1, values.size + 1)
    sign = np.where(np.abs(values) <= error, 0, np.sign(values))
    for which, color, marker, label in (
        (-1, VERMILION, "v", "negative"),
        (0, GREY, "o", "zero"),
        (1, BLUE, "^", "positive"),
    ):
        at = sign == which
        if at.any():
            ax.vlines(modes[at], 0, values[at], color=color, linewidth=1)
            ax.plot(modes[at], values[at], marker, color=color, label=f"{label}: {at.sum()}")


def _draw_many(ax: Any, values: np.ndarray) -> None:
    modes = np.arange(1, values.shape[1] + 1)
    low, lower, median, upper, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    ax.vlines(modes, low, high, color=BLUE, linewidth=1.2, label=f"5 to 95 % of {len(values):,} points")
    ax.vlines(modes, lower, upper, color=BLUE, linewidth=5, alpha=0.5, label="quartiles")
    ax.plot(modes, median, "o", color=DARK, markersize=4, label="median")
