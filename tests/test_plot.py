"""Pictures: axes, labels, legends and what they refuse. How they look is for eyes; see CONTRIBUTING."""

import math
import pydoc
from types import SimpleNamespace

import numpy as np
import pytest

import fastcurv as fc
import fastcurv.landscapes
import fastcurv.plot

matplotlib = pytest.importorskip("matplotlib")
xr = pytest.importorskip("xarray")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

PICTURES = ("landscape", "eigenvalue_ratio", "condition")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def himmelblau():
    grid = fc.Grid(x=(-5, 5, 60), y=(-4, 4, 50))
    return fc.scan(fc.landscapes.himmelblau, grid, progress=False)


@pytest.fixture(scope="module")
def row(himmelblau):
    return himmelblau.sel(y=1.0, method="nearest")


def made(definiteness=0, condition_number=2.0, **variables):
    """A dataset of a scan, 4 x 3, with constant variables unless arrays are given."""
    shape = (4, 3)
    values = {
        "value": np.arange(12.0).reshape(shape),
        "definiteness": np.broadcast_to(definiteness, shape).astype(np.int8),
        "condition_number": np.broadcast_to(condition_number, shape).astype(float),
        **{name: np.broadcast_to(value, shape).astype(float) for name, value in variables.items()},
    }
    members = list(fc.Definiteness)
    ds = xr.Dataset({name: (("p", "q"), value) for name, value in values.items()})
    ds["definiteness"].attrs = {
        "flag_values": [int(m) for m in members],
        "flag_meanings": " ".join(m.name for m in members),
    }
    return ds.assign_coords(p=np.linspace(0, 3, 4), q=[0.0, 1.0, 5.0])


def drawn(picture, ds, *what):
    """The axes after a full drawing, which is where matplotlib fails if it does."""
    ax = getattr(fc.plot, picture)(ds, *what)
    ax.figure.canvas.draw()
    return ax


def legend(ax):
    return [] if ax.get_legend() is None else [text.get_text() for text in ax.get_legend().get_texts()]


def bar_label(ax):
    (bar,) = (other for other in ax.figure.axes if other is not ax)
    return bar.get_ylabel()


@pytest.mark.parametrize("module", [fc.plot, fc.landscapes])
def test_modules_show_what_is_public(module):
    assert sorted(dir(module)) == sorted(module.__all__)
    assert "fastcurv._" not in pydoc.render_doc(module, renderer=pydoc.plaintext)


@pytest.mark.parametrize("picture", PICTURES)
def test_axes_are_named_and_returned(himmelblau, picture):
    ax = drawn(picture, himmelblau)
    assert isinstance(ax, matplotlib.axes.Axes)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    assert ax.get_title() == "himmelblau"
    assert ax.get_xlim() == pytest.approx((-5, 5), abs=0.2)
    assert ax.get_ylim() == pytest.approx((-4, 4), abs=0.2)
    assert bar_label(ax)


@pytest.mark.parametrize("picture", [*PICTURES, "profile", "spectrum"])
def test_given_axes_are_used(himmelblau, row, picture):
    _, ax = plt.subplots()
    ds = {"profile": row, "spectrum": [1.0, 2.0]}.get(picture, himmelblau)
    assert getattr(fc.plot, picture)(ds, ax=ax) is ax
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_legends_are_not_printed_over_other_axes(himmelblau, layout):
    figure, axes = plt.subplots(2, 2, figsize=(10, 8), layout=layout)
    for ax in axes.flat:
        fc.plot.landscape(himmelblau, ax=ax)
    figure.canvas.draw()
    boxes = [ax.get_legend().get_window_extent() for ax in axes.flat]
    others = [ax.get_window_extent() for ax in axes.flat]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for j, other in enumerate(others) if j != k)
        assert box.overlaps(others[k]) == (layout is None)


@pytest.mark.parametrize("member", list(fc.Definiteness))
def test_the_legend_names_what_is_there_and_nothing_else(member):
    words = {"INVALID": "invalid", "NOT_COMPUTED": "not computed yet"}
    word = words.get(member.name, member.name.lower().removesuffix("definite"))
    (label,) = legend(drawn("landscape", made(int(member))))
    assert label.startswith(word)
    assert label.endswith("(100.0 %)")


def test_the_picture_is_not_transposed():
    codes = np.zeros((4, 3), np.int8)
    codes[3, 0] = int(fc.Definiteness.INDEFINITE)  # largest p, smallest q: right, below
    codes[:] = np.where(codes, codes, int(fc.Definiteness.POSITIVE))
    ax = drawn("landscape", made(codes))
    (cells,) = ax.collections[:1]
    corner = cells.get_array().reshape(3, 4)
    assert np.argwhere(corner != corner[2, 0]).tolist() == [[0, 3]]


def test_landscape_levels_reach_wells_and_plateaus():
    grid = fc.Grid(x=(-2, 2, 101), y=(-1, 3, 101))
    ax = drawn("landscape", fc.scan(fc.landscapes.rosenbrock, grid, progress=False))
    levels = next(c.levels for c in ax.collections if hasattr(c, "levels"))
    assert levels[0] < 1
    assert levels[-1] > 300
    assert np.all(np.diff(levels) > 0)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_constant_or_invalid_values_still_draw(value):
    drawn("landscape", made(value=value))


def test_two_distinct_values_still_draw():
    drawn("landscape", made(value=np.array([0.0, 1, 1])))


def test_eigenvalue_ratio_is_that_of_li_et_al_where_there_is_negative_curvature():
    low = np.array([[-1.0, 1, -4], [-2, 0, np.nan], [-1, -2, 1], [1, 1, 1]])
    high = np.array([[4.0, 1, -2], [0, 1, np.nan], [1, 8, 1], [1, 1, 1]])
    ax = drawn("eigenvalue_ratio", made(eigenvalue_min=low, eigenvalue_max=high))
    cells = ax.collections[0].get_array().reshape(3, 4).T
    expected = [[0.25, 0, 2], [2, 0, np.nan], [1, 0.25, 0], [0, 0, 0]]  # 2: beyond the scale
    np.testing.assert_array_equal(np.ma.filled(cells, np.nan), expected)
    edge, invalid = legend(ax)
    assert "edge of the convex" in edge
    assert invalid == "invalid (8.3 %)"


def test_full_patterns_are_not_empty_ones():
    full, diagonal = (lambda x: (x[0] + x[1] + x[2]) ** 4), (lambda x: x[0] ** 4 + x[1] ** 4 + x[2] ** 4)
    for fun, entries in ((full, 9), (diagonal, 3)):
        (image,) = fc.plot.sparsity(fc.trace(fun, 3)).get_images()
        blue = image.to_rgba(image.get_array())[..., 0] < 0.5
        assert blue.sum() == entries


def test_the_ratio_is_not_that_of_rounding_errors():
    """Where no eigenvalue can be told from zero, and beside convex directions."""
    grid = fc.Grid(x=(-2, 2, 30), y=(-1, 3, 20))
    for fun, method in (
        (lambda x: math.exp(-0.3 * x[0] + 0.7 * x[1]), "auto"),
        (lambda x: x[0] + 2 * x[1] + 0.3 * x[0], "central"),
    ):
        ds = fc.scan(fun, grid, method=method, progress=False)
        ax = fc.plot.eigenvalue_ratio(ds)
        (image,) = ax.get_images()
        assert (image.get_array() == 0).all()
        assert ax.get_legend() is None


def test_levels_that_lie_close_have_labels_of_their_own():
    ds = fc.scan(lambda x: 1000 + 0.01 * (x[0] ** 2 + x[1] ** 2), fc.Grid(x=(-2, 2, 30), y=(-1, 3, 20)), progress=False)
    _, bar = fc.plot.landscape(ds).get_figure().axes
    labels = [text.get_text() for text in bar.get_yticklabels()]
    assert len(set(labels)) == len(labels) > 4


def test_titles_tell_fixed_coordinates_and_fit():
    ds = fc.scan(lambda x: x[0] ** 2 + x[1] * x[2], fc.Grid(x=(-2, 2, 9), y=(-1, 3, 9), z=0.5), progress=False)
    assert fc.plot.landscape(ds).get_title() == "<lambda>\nz = 0.5"
    name = "a" * 200
    assert fc.plot.landscape(ds.assign_attrs(function=name)).get_title() == f"{name[:57]}...\nz = 0.5"


@pytest.mark.parametrize("size", [(8, 2.5), (4, 4)])
def test_legends_leave_the_name_of_the_axis(himmelblau, size):
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    fc.plot.landscape(himmelblau, ax=ax)
    figure.draw_without_rendering()
    name, legend = (part.get_window_extent() for part in (ax.xaxis.label, ax.get_legend()))
    assert legend.y1 < name.y0


def test_condition_has_colours_for_singular_and_invalid():
    number = np.ones((4, 3))
    number[0, 0], number[1, 1] = np.inf, np.nan
    assert legend(drawn("condition", made(condition_number=number))) == [
        "singular: infinite (8.3 %)",
        "invalid (8.3 %)",
    ]
    assert legend(drawn("condition", made())) == []
    for only in (np.inf, np.nan):
        ax = drawn("condition", made(condition_number=only))
        assert len(legend(ax)) == 1
        assert ax.figure.axes == [ax]  # no bar of colours that are not there


@pytest.mark.parametrize("picture", PICTURES)
def test_what_is_not_computed_yet_is_not_called_invalid(picture):
    codes = np.zeros((4, 3), int)
    codes[0], codes[1, 1] = fc.Definiteness.NOT_COMPUTED, fc.Definiteness.INVALID
    number = np.where(codes < 0, np.nan, 2.0)
    ds = made(codes, number, value=number, eigenvalue_min=number, eigenvalue_max=number)
    texts = legend(drawn(picture, ds))
    assert texts[-2:] in (
        ["not computed yet (25.0 %)", "invalid (8.3 %)"],
        ["invalid (8.3 %)", "not computed yet (25.0 %)"],
    )
    other = ds.drop_vars("definiteness").assign(index=ds.definiteness) if picture != "landscape" else ds
    assert legend(drawn(picture, other)) == texts


@pytest.mark.parametrize("picture", PICTURES)
def test_unsorted_coordinates_are_sorted(himmelblau, picture):
    ax = drawn(picture, himmelblau.isel(x=slice(None, None, -1)))
    assert ax.get_xlim()[0] < ax.get_xlim()[1]


@pytest.mark.parametrize("picture", PICTURES)
def test_a_million_points_are_drawn(picture):
    x = np.linspace(0, 1, 1000)
    wave = np.sin(20 * x[:, None]) * np.cos(15 * x)
    values = {"value": wave, "eigenvalue_min": wave, "eigenvalue_max": wave + 2, "condition_number": wave**2}
    ds = xr.Dataset({name: (("x", "y"), value) for name, value in values.items()}, {"x": x, "y": x})
    codes = np.where(wave < 0, int(fc.Definiteness.INDEFINITE), int(fc.Definiteness.POSITIVE))
    ds["definiteness"] = ("x", "y"), codes.astype(np.int8), made().definiteness.attrs
    drawn(picture, ds)


def test_large_grids_are_thinned():
    big = made().isel(p=np.zeros(5000, int)).assign_coords(p=np.linspace(0, 1, 5000))
    ax = drawn("condition", big)
    cells = ax.collections[0].get_array() if ax.collections else ax.images[0].get_array()
    assert cells.size <= 3 * 1024


@pytest.mark.parametrize(
    ("picture", "variable"),
    [
        ("landscape", "value"),
        ("landscape", "definiteness"),
        ("eigenvalue_ratio", "eigenvalue_min"),
        ("eigenvalue_ratio", "eigenvalue_max"),
        ("condition", "condition_number"),
    ],
)
def test_missing_variables_are_named(himmelblau, picture, variable):
    with pytest.raises(ValueError, match=rf"'{variable}', which is not in the dataset; scan.*quantities="):
        getattr(fc.plot, picture)(himmelblau.drop_vars(variable))


def test_axes_of_another_kind(himmelblau):
    with pytest.raises(TypeError, match=r"ax: expected matplotlib's axes, .* got str"):
        fc.plot.landscape(himmelblau, ax="top left")


@pytest.mark.parametrize("picture", PICTURES)
def test_other_dimensions_are_refused(himmelblau, row, picture):
    with pytest.raises(ValueError, match="2-D scan, and this one has 1 axis: x"):
        getattr(fc.plot, picture)(row)
    with pytest.raises(ValueError, match=r"3 axes: x, y, z; choose .* ds.sel\(z=..., method='nearest'\)"):
        getattr(fc.plot, picture)(himmelblau.expand_dims(z=2).transpose("x", "y", "z"))
    with pytest.raises(ValueError, match="empty"):
        getattr(fc.plot, picture)(himmelblau.isel(x=slice(0)))
    for narrow in (himmelblau.isel(x=slice(1)), himmelblau.assign_coords(x=0 * himmelblau.x)):
        with pytest.raises(ValueError, match=r"two coordinates or more.* of x one value"):
            getattr(fc.plot, picture)(narrow)
    with pytest.raises(TypeError, match=r"ds: expected the xarray.Dataset of a scan, got ndarray"):
        getattr(fc.plot, picture)(np.ones((3, 3)))


def test_profile(row):
    ax = drawn("profile", row)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "function value f")
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), row.x)
    np.testing.assert_array_equal(line.get_ydata(), row.value)
    changes = np.count_nonzero(np.diff(row.definiteness.values))
    assert len(ax.patches) == changes + 1
    assert legend(ax)
    assert "smallest eigenvalue" in fc.plot.profile(row, "eigenvalue_min").get_ylabel()
    assert legend(fc.plot.profile(row.drop_vars("definiteness"))) == []


def test_a_profile_of_one_point_can_be_seen(row):
    (line,) = fc.plot.profile(row.isel(x=slice(1))).lines
    assert line.get_marker() == "o"


def test_gaps_of_infinite_numbers_are_marked(row):
    number = row.condition_number.where(row.x > 0, np.inf)
    ax = drawn("profile", row.assign(condition_number=number), "condition_number")
    assert legend(ax)[0].startswith("infinite (")
    assert len(ax.lines[1].get_xdata()) == (row.x <= 0).sum()


@pytest.mark.parametrize("picture", ["landscape", "profile"])
def test_what_is_left_out_is_invalid(himmelblau, picture):
    """`where` makes enumerations numbers with NaN."""
    left = himmelblau.where(himmelblau.value < 100)
    ax = drawn(picture, left if picture == "landscape" else left.isel(y=10))
    assert any(label.startswith("invalid") for label in legend(ax))


def test_profiles_are_on_scales_of_their_own(row):
    ax = fc.plot.profile(row, "condition_number")
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "condition number of the Hessian")
    ax = fc.plot.profile(row, "definiteness")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["positive", "negative", "indefinite"]
    assert ax.get_yticks().tolist() == [0, 1, 2]
    ax = fc.plot.profile(row, "index")
    assert ax.get_ylabel() == "number of certainly negative eigenvalues"
    assert all(tick == round(tick) for tick in ax.get_yticks())


def test_profile_refuses(himmelblau, row):
    with pytest.raises(ValueError, match=r"1-D scan, .* 2 axes: x, y; choose .* ds.sel\(y=..."):
        fc.plot.profile(himmelblau)
    with pytest.raises(ValueError, match="profile needs 'laplacian'"):
        fc.plot.profile(row, "laplacian")
    with pytest.raises(ValueError, match="quantity: gradient has more than one number"):
        fc.plot.profile(row.assign(gradient=(("x", "coordinate"), np.ones((60, 2)))), "gradient")

    with pytest.raises(ValueError, match="quantity: there is no 'valu'; the dataset has value, gradient_norm, "):
        fc.plot.profile(row, "valu")


@pytest.mark.parametrize("bad", [fc.landscapes.himmelblau, np.eye(3)])
def test_sparsity_refuses_what_is_not_traced(bad):
    with pytest.raises(TypeError, match=r"expression: expected what fastcurv.trace returns, got .*trace\(fun, n\)"):
        fc.plot.sparsity(bad)


def test_spectrum_of_one_hessian_decides_signs_against_the_error():
    eigenvalues = np.array([-5.0, -1e-9, 1e-9, 3.0, 4000.0])
    ax = fc.plot.spectrum(eigenvalues)
    assert legend(ax) == ["negative: 2", "positive: 3"]
    ax = fc.plot.spectrum(SimpleNamespace(eigenvalues=eigenvalues, eigenvalue_error=np.array(1e-6)))
    assert legend(ax) == ["negative: 1", "zero: 2", "positive: 2"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("mode", "eigenvalue")
    ax.figure.canvas.draw()


def test_spectrum_over_decades_can_be_read():
    """No marker on the frame, and a tick where the linear part ends: those around zero stay apart."""
    ax = fc.plot.spectrum([-300.0, -2.0, -1e-3, 1e-4, 1e-2, 1.0, 5.0, 40.0, 3000.0])
    ax.figure.canvas.draw()
    low, high = ax.get_ylim()
    assert low < -300.0
    assert high > 3000.0
    places = ax.transData.transform([(0.0, y) for y in ax.get_yticks() if low <= y <= high])[:, 1]
    labels = ax.yaxis.get_majorticklabels()
    assert np.diff(np.sort(places)).min() >= labels[0].get_window_extent().height


def test_spectrum_of_many_hessians():
    eigenvalues = np.sort(np.random.default_rng(4).normal(size=(7, 11, 5)))
    eigenvalues[0, 0] = np.nan
    ax = fc.plot.spectrum(eigenvalues)
    ax.figure.canvas.draw()
    medians = ax.lines[0].get_ydata()
    np.testing.assert_allclose(medians, np.nanmedian(eigenvalues, axis=(0, 1)))
    assert "76 points" in legend(ax)[0]


def test_the_legend_of_many_spectra_hides_none_of_them():
    """Eigenvalues rise with the mode: the corner above the first is free, also in axes that are given."""
    rng = np.random.default_rng(4)
    figure = plt.figure()
    ax = fc.plot.spectrum(np.sort(10.0 ** rng.uniform(-3, 3, (50, 12)), axis=-1), ax=figure.add_subplot())
    figure.canvas.draw()
    box = ax.get_legend().get_window_extent()
    band, median = ax.collections[0].get_paths()[0].vertices, ax.lines[0].get_xydata()
    assert not box.count_contains(ax.transData.transform(np.concatenate([band, median])))


def test_spectrum_of_datasets_and_curvatures():
    grid = fc.Grid(x=(-5, 5, 6), y=(-4, 4, 5))
    ds = fc.scan(fc.landscapes.himmelblau, grid, quantities=("eigenvalues", "eigenvalue_error"), progress=False)
    assert fc.plot.spectrum(ds).get_title() == "himmelblau"
    from_dataset = fc.plot.spectrum(ds).lines[0].get_ydata()
    from_curvature = fc.plot.spectrum(fc.curvature(fc.landscapes.himmelblau, grid.block(0, 30)))
    np.testing.assert_array_equal(from_dataset, from_curvature.lines[0].get_ydata())


@pytest.mark.parametrize("bad", ["x", 3.0, [1j, 2], None])
def test_spectrum_refuses_what_is_none(bad):
    with pytest.raises(TypeError, match="curvature: expected"):
        fc.plot.spectrum(bad)


def test_spectrum_refuses_what_has_none(himmelblau):
    with pytest.raises(ValueError, match=r"'eigenvalues', which is not in the dataset; scan"):
        fc.plot.spectrum(himmelblau)
    for empty in (np.full((3, 2), np.nan), np.empty((0, 2)), np.empty(0)):
        with pytest.raises(ValueError, match="finite eigenvalues"):
            fc.plot.spectrum(empty)


def test_all_zero_eigenvalues_still_draw():
    fc.plot.spectrum(np.zeros(3)).figure.canvas.draw()
    fc.plot.spectrum(np.zeros((4, 3))).figure.canvas.draw()
