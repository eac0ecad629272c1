"""check, explain, show_versions and estimate_noise."""

import ctypes
import json
import math
import re

import numpy as np
import pytest
from functions import many_rosenbrock, rosenbrock, rosenbrock_gradient

import fastcurv as fc
from fastcurv import _launch as launch

rng = np.random.default_rng(23)
EPS = np.finfo(float).eps


# ---- check: a function with faults to choose from


def faulty(x, kink, ripple, wrong):
    """Smooth but for a kink at x_0 = 0.5, a ripple too short for any step, and NaN where x_4 < -2."""
    f = kink * abs(x[0] - 0.5) + ripple * math.sin(1e9 * x[1]) + math.log(2.0 + x[4])
    for i in range(len(x)):
        f += (1.0 + i) * x[i] ** 2 + 0.3 * x[i] * x[i - 1]
    return f + 0.0 * wrong


def faulty_gradient(x, kink, ripple, wrong):
    """Its gradient but for component 2, wrong by `wrong` x_3² where x_0 > 1.5."""
    n = len(x)
    g = np.empty(n)
    for i in range(n):
        g[i] = 2.0 * (1.0 + i) * x[i] + 0.3 * (x[i - 1] + x[(i + 1) % n])
    g[0] += math.copysign(kink, x[0] - 0.5)
    g[1] += 1e9 * ripple * math.cos(1e9 * x[1])
    g[4] += 1.0 / (2.0 + x[4])
    if x[0] > 1.5:
        g[2] += wrong * x[3] ** 2
    return g


def points():
    x = rng.uniform(0.6, 1.2, (2, 3, 9))
    x[1, 2, 0] = 2.0
    return x


def by_name(found):
    return {(d.derivative, *d.between): d for d in found.differences}


def test_check_finds_nothing_wrong_with_a_smooth_function():
    found = fc.check(faulty, points(), (0.0, 0.0, 0.0), grad=faulty_gradient)
    assert found.worst < 1e-6
    assert found.skipped == 0
    assert [d.derivative for d in found.differences] == [
        "gradient", "Hessian", "gradient", "Hessian", "Jacobian of grad", "value",
    ]  # fmt: skip
    without = fc.check(faulty, points(), (0.0, 0.0, 0.0))
    assert [d.between for d in without.differences] == [("traced", "order 6")] * 2 + [("compiled", "Python's")]
    assert without.worst < 1e-6
    assert without.worst == max(d.relative for d in without.differences)


def test_check_finds_nothing_wrong_at_a_minimum():
    """Nothing but errors is left of the gradient there."""
    found = fc.check(rosenbrock, np.ones(5), grad=rosenbrock_gradient)
    assert found.worst < 1e-6


def test_check_finds_a_wrong_gradient():
    found = fc.check(faulty, points(), (0.0, 0.0, 0.1), grad=faulty_gradient)
    differences = by_name(found)
    gradient = differences["gradient", "grad", "order 6"]
    assert gradient.point == (1, 2)
    assert gradient.entry == (2,)
    asymmetry = differences["Jacobian of grad", "itself", "its transpose"]
    assert asymmetry.point == (1, 2)
    assert asymmetry.entry in ((2, 3), (3, 2))
    assert asymmetry.relative > 1e-3
    hessian = differences["Hessian", "the Jacobian of grad", "order 6"]
    assert hessian.point == (1, 2)
    assert set(hessian.entry) == {2, 3}
    assert differences["Hessian", "traced", "order 6"].relative < 1e-6  # fun itself is right
    assert differences["gradient", "traced", "order 6"].relative < 1e-8
    assert found.worst >= gradient.relative
    assert "point (1, 2), entry (2,)" in str(gradient)
    for difference in found.differences:
        assert str(difference) in str(found).splitlines()


def test_differences_are_what_they_say():
    """Absolute: between the two; relative: to the entry, or to what it changes by."""
    x, args = points(), (0.0, 0.0, 0.1)
    gradient = by_name(fc.check(faulty, x, args, grad=faulty_gradient))["gradient", "grad", "order 6"]
    exact = faulty_gradient(x[1, 2], 0.0, 0.0, 0.0)
    wrong = faulty_gradient(x[1, 2], *args)
    assert gradient.absolute == pytest.approx(0.1 * x[1, 2, 3] ** 2, rel=1e-6)
    change = 2.0 * 3.0 * max(1.0, abs(x[1, 2, 2]))
    largest = max(abs(exact[2]), abs(wrong[2]), change)
    assert gradient.relative == pytest.approx(gradient.absolute / largest, rel=1e-6)


def test_a_wrong_entry_is_not_hidden_by_others():
    found = fc.check(steep, [0.0, 1.0], grad=wrong_in_one)
    assert by_name(found)["gradient", "grad", "order 6"].relative == pytest.approx(1 / 3, rel=1e-6)
    assert by_name(found)["gradient", "traced", "order 6"].relative < 1e-6


def steep(x):
    return 1000.0 * x[0] ** 2 + x[1]


def wrong_in_one(x):
    return np.array([2000.0 * x[0], 1.5])


def test_check_finds_a_kink():
    x = points()
    x[0, 1, 0] = 0.5 + 1e-6
    found = fc.check(faulty, x, (1.0, 0.0, 0.0))
    hessian = by_name(found)["Hessian", "traced", "order 6"]
    assert hessian.relative > 0.1
    assert hessian.point == (0, 1)
    assert hessian.entry == (0, 0)
    assert fc.check(faulty, points(), (1.0, 0.0, 0.0)).worst < 1e-6  # the others are away from it


def test_check_finds_noise():
    found = fc.check(faulty, points(), (0.0, 1e-6, 0.0))
    assert found.worst > 0.1
    assert 1 in by_name(found)["Hessian", "traced", "order 6"].entry
    wide = fc.check(faulty, points(), (0.0, 1e-6, 0.0), abs_step=0.1)
    assert wide.worst < 1e-2


def test_check_skips_points_that_are_not_finite():
    x = points()
    x[0, 0, 4], x[1, 0, 4], x[1, 2, 1] = -3.0, -2.5, np.nan
    found = fc.check(faulty, x, (0.0, 0.0, 0.0), grad=faulty_gradient)
    assert found.skipped == 3
    assert found.worst < 1e-6
    assert str(found).splitlines()[-1] == "3 points left out: not finite"
    for difference in found.differences:
        assert difference.point not in ((0, 0), (1, 0), (1, 2))
    hopeless = fc.check(faulty, x[1, 0], (0.0, 0.0, 0.0))
    assert (hopeless.skipped, hopeless.differences) == (1, ())
    assert math.isnan(hopeless.worst)


def test_check_of_one_point_and_of_none():
    one = fc.check(faulty, points()[0, 0], (0.0, 0.0, 0.0))
    assert [(d.point, len(d.entry)) for d in one.differences] == [((), 1), ((), 2), ((), 0)]
    assert str(one).endswith(" absolute")
    none = fc.check(faulty, np.empty((0, 9)), (0.0, 0.0, 0.0))
    assert (none.skipped, none.differences) == (0, ())
    assert math.isnan(none.worst)


FACTORS = np.array([1.0, 2.0])


def scaled(x):
    return FACTORS[0] * x[0] ** 2 + FACTORS[1] * x[1] ** 2


def overlapping(x):
    w = x * x
    w[1:] += w[:-1]
    while w[0] > 1e9:  # not traced, or it would be noticed
        w *= 0.5
    return np.sum(w * w)


def test_check_tells_what_python_gives(monkeypatch):
    """Arrays changed in place since a function was compiled; where Numba's arrays are not NumPy's."""
    X = np.array([[1.0, 2.0, 3.0], [0.5, 0.1, -2.0]])
    assert fc.check(scaled, X[:, :2]).worst < 1e-9
    monkeypatch.setitem(globals(), "FACTORS", FACTORS.copy())
    assert fc.value(scaled, X[0, :2]) == 9.0
    FACTORS[0] = -7.0
    for fun, expected in ((scaled, 8.0), (overlapping, 27.0)):
        found = fc.check(fun, X[:, : 2 if fun is scaled else 3])
        *_, of_values = found.differences
        assert (of_values.derivative, of_values.between) == ("value", ("compiled", "Python's"))
        assert (of_values.point, of_values.entry) == ((0,), ())
        assert of_values.absolute == pytest.approx(expected)
        assert found.worst == of_values.relative > 0.01
    assert [d.derivative for d in fc.check(many_rosenbrock, X).differences] == ["gradient", "Hessian"]


def test_check_asks_python_within_bounds_only(monkeypatch):
    seen = []
    monkeypatch.setattr("fastcurv._check.values_at", lambda fun, x, args: seen.append(x[0]) or np.array([x[0] ** 2]))
    found = fc.check(lambda x: x[0] ** 2, [[0.5], [3.0], [0.25]], bounds=([0.0], [1.0]))
    assert seen == [0.5, 0.25]
    assert found.skipped == 1
    assert found.worst < 1e-6


def test_check_refuses_other_options():
    for option in ("order", "method", "stencil", "extra"):
        with pytest.raises(TypeError, match=f"check takes the options rel_step, .*; got {option}"):
            fc.check(faulty, points(), (0.0, 0.0, 0.0), **{option: None})


# ---- explain

calls = []
pointer_to_double = ctypes.POINTER(ctypes.c_double)


@ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, pointer_to_double)
def counted(n, x):
    calls.append(n)
    return sum((i + 1) * x[i] ** 2 for i in range(n)) + x[0] * x[n - 1]


def evaluations(call, *arguments, **options):
    calls.clear()
    with fc.threads(1):
        call(*arguments, **options)
    return len(calls)


@pytest.mark.parametrize(
    ("n", "options"),
    [
        (3, {"order": 2}),
        (9, {"order": 2}),  # for other n of this order, other kernels take as many
        *((n, {"order": order}) for order in (4, 6, 8) for n in (1, 3, 9)),
        *((n, {"method": "forward"}) for n in (1, 3, 9)),
        (3, {"order": 4, "abs_step": 0.1}),
        (9, {"noise": 1e-6, "stencil": "economical"}),
        (3, {"noise": 1e-6, "stencil": "economical", "rel_step": 1e-3}),
    ],
    ids=str,
)
def test_explain_tells_the_number_of_evaluations(n, options):
    x = np.ones((3, n))
    counts = [evaluations(call, counted, x, **options) // 3 for call in (fc.hessian, fc.curvature)]
    assert fc.explain(counted, x, **options).evaluations == "{} of fun per point, {} in curvature".format(*counts)


def test_explain_takes_no_hessian_where_one_was_taken(monkeypatch):
    def untraceable(x):
        s = x[0] ** 2 * x[1]
        while s > 10.0:
            s *= 0.5
        return s

    x = np.array([[1.0, 2.0], [4.0, 3.0]])
    fc.hessian(untraceable, x)
    monkeypatch.setattr(launch, "second_order", lambda *call, **options: pytest.fail("taken again"))
    assert fc.explain(untraceable, x).method.startswith("hyperdual (auto:")


@pytest.mark.parametrize("order", [2, 6])
def test_explain_tells_the_number_of_evaluations_of_the_4_point_stencil(order):
    x, options = np.ones((3, 5)), {"order": order, "stencil": "4-point"}
    found = fc.explain(counted, x, **options).evaluations
    assert found.startswith(f"{evaluations(fc.hessian, counted, x, **options) // 3} of fun per point")


@pytest.mark.parametrize("order", [2, 6])
def test_explain_near_bounds_tells_the_most_evaluations(order):
    for at in (0.0, 0.5, 1.0):
        x, options = np.full((1, 3), at), {"bounds": (0.0, 1.0), "order": order}
        most = int(fc.explain(counted, x, **options).evaluations.split()[0])
        found = evaluations(fc.hessian, counted, x, **options)
        assert found <= most
        assert at == 0.5 or found > 0.5 * most


@pytest.mark.parametrize("order", [2, 6])
def test_bounds_that_are_far_take_no_evaluations(order):
    for call in (fc.hessian, fc.gradient, fc.curvature):
        free = evaluations(call, counted, np.ones((1, 4)), order=order)
        assert evaluations(call, counted, np.ones((1, 4)), order=order, bounds=(-9.0, 9.0)) == free


def test_explain_tells_the_number_of_evaluations_of_a_gradient():
    """Of the central differences of a gradient: 2n, 4n, .. and one."""
    for order in (2, 4, 6, 8):
        found = fc.explain(rosenbrock, np.ones(5), grad=rosenbrock_gradient, order=order)
        expected = f"{order * 5 + 1} of grad per point, {(order + 2) * 5 + 1} in curvature, one point after the other ("
        assert found.evaluations.startswith(expected)
        assert found.stencil == "central, the user's gradient"


def doubled(x):
    return 2.0 * x[0], 2.0 * x[1], x[2]


def test_explain_tells_what_was_chosen():
    x = np.ones((7, 3))
    found = fc.explain(rosenbrock, x, method="central")
    assert found.function.startswith("rosenbrock, compiled")
    assert found.method == "central, order 2 (asked for)"
    assert found.stencil == "central, economical"
    assert found.step == f"{EPS**0.25:.2g} max(1, |x_i|)"
    exact = fc.explain(rosenbrock, x)
    assert exact.method.startswith("traced (auto")
    assert exact.evaluations == "1 of fun per point, in 8 lanes, a point in each"
    assert "in one straight line" in exact.specialisation
    numbers = fc.explain(rosenbrock, x, method="hyperdual")
    assert numbers.evaluations == "1 of fun per point, in hyper-dual numbers of 3 x 3 second derivatives"
    by_gradient = fc.explain(rosenbrock, x, grad=doubled, method="exact")
    assert by_gradient.evaluations == "1 of grad per point, in dual numbers of 4 derivatives"
    assert fc.explain(rosenbrock, x, method="central", order=4).method == "central, order 4 (asked for)"
    assert fc.explain(rosenbrock, x, method="forward").stencil.startswith("forward")
    assert fc.explain(rosenbrock, x, stencil="4-point").stencil == "central, 4-point"
    assert fc.explain(rosenbrock, x, noise=1e-3).stencil == "central, 4-point"
    assert "noise" in fc.explain(rosenbrock, x, noise=1e-3).step
    assert fc.explain(rosenbrock, x, bounds=(0.0, 1.0), method="central").stencil.startswith("one-sided near bounds")
    assert fc.explain(rosenbrock, x, abs_step=0.125).step == "abs_step: [0.125 0.125 0.125]"
    assert fc.explain(rosenbrock, x, rel_step=0.125).step.startswith("0.12 max")
    assert (
        fc.explain(rosenbrock, x, grad=rosenbrock_gradient, method="central").step
        == f"{0.5 * EPS ** (1 / 3):.2g} max(1, |x_i|)"
    )
    single = fc.explain(rosenbrock, x.astype(np.float32), method="central").step
    assert single == f"{np.finfo(np.float32).eps ** 0.25:.2g} max(1, |x_i|)"
    for line, (name, value) in zip(str(found).splitlines(), vars(found).items(), strict=True):
        assert line.split(maxsplit=1) == [name, value]


def test_check_stays_within_bounds():
    """Also to see which methods serve a function: this one must be differenced."""
    seen = []

    def fun(x):
        return np.float32(x[0]) * x[1]

    def recorded(X):
        seen.append(X.copy())
        return X[:, 0] * X[:, 1]

    asked = []
    original = launch.settled

    def settled(call):
        asked.append(call.plan.bounds.any)
        return original(call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "settled", settled)
        for function in (fun, fc.vectorized(recorded)):
            assert not fc.check(function, [[1.0, 1.5]], bounds=([1.0, 1.0], [2.0, 2.0])).skipped
    assert all(asked)
    points = np.concatenate(seen)
    assert ((points >= 1) & (points <= 2)).all()


def test_explain_after_differences_of_branches():
    """What lanes refuse is said of differences alone."""

    def fun(x):
        return 0.5 * x[0] ** 2 if abs(x[0]) < 1 else abs(x[0]) - 0.5

    before = fc.explain(fun, [0.3]).method
    assert "traced" in before
    fc.check(fun, [0.3])
    assert fc.explain(fun, [0.3]).method == before
    assert "traced" in fc.explain(fun, [0.3], method="traced").method
    assert "in lanes, of the expression" in fc.explain(fun, [0.3], method="central").evaluations


def test_explain_of_what_cannot_be_compiled_for_numbers():
    def fun(x):
        y = np.empty(1)
        y[0] = x[0]
        return y[0] * x[0]

    with pytest.raises(fc.CompilationError, match="numbers that carry derivatives"):
        fc.hessian(fun, [2.0], method="hyperdual")
    found = fc.explain(fun, [2.0], method="hyperdual")
    assert found.method.startswith("none: ")
    assert {found.stencil, found.step, found.evaluations, found.specialisation} == {"none"}


def test_explain_kinds_of_function():
    x = np.ones((7, 3))
    assert "C function" in fc.explain(counted, x).function
    many = fc.explain(many_rosenbrock, x)
    assert "vectorized" in many.function
    assert many.threads.startswith("1: fun is called from the calling thread")


def test_explain_specialisation():
    numbers = {"method": "hyperdual"}
    assert fc.explain(rosenbrock, np.ones((7, 3)), **numbers).specialisation.startswith("n = 3; ")
    assert fc.explain(rosenbrock, np.ones((7, 30)), **numbers).specialisation == "one compilation for every n > 8"
    assert fc.explain(rosenbrock, np.ones((7, 3))).specialisation.startswith("n = 3, ")
    assert fc.explain(rosenbrock, np.ones((7, 3)), method="central").specialisation.startswith("n = 3, ")
    large = fc.explain(rosenbrock, np.ones((7, 30)), method="central")
    assert large.specialisation == "one compilation for every n > 8"
    for options in ({"order": 4}, {"stencil": "4-point"}, {"grad": rosenbrock_gradient, "method": "central"}):
        found = fc.explain(rosenbrock, np.ones((7, 3)), **options)
        assert found.specialisation == "one compilation for every n"


def test_explain_threads_and_device():
    with fc.threads(1):
        assert fc.explain(rosenbrock, np.ones((7, 3))).threads.startswith("up to 1 for 7 points")
    assert fc.explain(rosenbrock, np.ones((7, 3))).threads.startswith(f"up to {fc.get_threads()} for 7 points")
    assert fc.explain(rosenbrock, np.ones((7, 3)), device="cpu").device.startswith("cpu")


def test_explain_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTCURV_CACHE_DIR", str(tmp_path))
    assert fc.explain(rosenbrock, np.ones(3)).cache == f"on disk, in {tmp_path}"
    unknown = object()

    def without_identity(x):
        return x[0] ** 2 if unknown is not None else 0.0

    assert fc.explain(without_identity, np.ones(3)).cache.startswith("this process only")


def serialised(x):
    return x[0] ** 2 + len(json.dumps([1, 2]))


def test_what_numba_stumbles_over_is_a_compilation_error():
    """Numba fails with an IndexError of its own on a call with many keyword-only parameters."""
    for options in ({}, {"method": "central"}, {"method": "exact"}):
        with pytest.raises(fc.CompilationError, match="serialised cannot be compiled by Numba"):
            fc.hessian(serialised, np.ones(2), **options)
        if options != {"method": "exact"}:
            assert fc.explain(serialised, np.ones(2), **options).method.startswith("none: serialised cannot be")


def test_explain_tells_of_functions_that_are_none_of_x():
    def noisy(x):
        return x[0] ** 2 + np.random.normal(0.0, 1e-3)  # noqa: NPY002  what Numba knows

    told = fc.explain(noisy, [[1.5]]).method
    assert re.search(
        r"hyperdual \(auto: .*noisy gives different values at the same point, x = \[1\.5\]; .* noise=", told
    )


def test_explain_says_what_a_call_would_say():
    x = np.ones((7, 3))
    for options, error in (
        ({"method": "magic"}, ValueError),
        ({"order": 3}, ValueError),
        ({"device": "cuda"}, fc.DeviceError),
        ({"bounds": (1.0, 0.0)}, ValueError),
    ):
        with pytest.raises(error) as said:
            fc.hessian(rosenbrock, x, **options)
        with pytest.raises(error) as explained:
            fc.explain(rosenbrock, x, **options)
        assert str(said.value) == str(explained.value)
    with pytest.raises(TypeError, match=r"explain takes the options .*; got presicion"):
        fc.explain(rosenbrock, x, presicion=3)


# ---- show_versions


def test_show_versions(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FASTCURV_CACHE_DIR", str(tmp_path))
    fc.show_versions()
    printed = capsys.readouterr()
    assert printed.err == ""
    rows = dict(line.split(maxsplit=1) for line in printed.out.splitlines() if not line.startswith("cache folder"))
    assert rows["fastcurv"] == fc.__version__
    assert rows["numpy"] == np.__version__
    assert {"python", "numba", "llvmlite", "scipy", "xarray", "zarr", "platform", "cpu", "threads"} <= set(rows)
    assert f"cache folder   {tmp_path}" in printed.out.splitlines()


def test_show_versions_without_optional_packages(capsys, monkeypatch):
    from importlib import metadata

    version = metadata.version

    def absent(package):
        if package in ("xarray", "numba-cuda"):
            raise metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(metadata, "version", absent)
    fc.show_versions()
    assert "xarray         not installed" in capsys.readouterr().out.splitlines()


# ---- estimate_noise


@pytest.mark.parametrize("level", [10.0**k for k in range(-10, -1)], ids="{:.0e}".format)
def test_noise_is_estimated(level):
    """The median over points, of the standard deviation that was put in."""
    seed = np.random.default_rng(29)
    uniform = fc.vectorized(
        lambda X: 2 + np.cos(X.sum(axis=1)) + level * seed.uniform(-math.sqrt(3), math.sqrt(3), len(X))
    )
    normal = fc.vectorized(lambda X: np.exp(0.1 * X[:, 0]) + level * seed.normal(size=len(X)))
    rounded = fc.vectorized(lambda X: np.round((2 + np.sin(X.sum(axis=1))) / level) * level)
    x = rng.uniform(-1, 1, (60, 3))
    for fun in (uniform, normal):
        found = fc.estimate_noise(fun, x)
        assert np.isfinite(found).mean() >= 0.9
        assert level / 2 < np.nanmedian(found) < 2 * level
        assert np.nanmax(found) < 10 * level
    if level < 1e-3:  # a rounding error's standard deviation is 0.29 level
        found = fc.estimate_noise(rounded, x, rel_step=max(1e-10, level / 3))
        assert level / 20 < np.nanmedian(found) < level


@pytest.mark.parametrize("level", [1e-8, 1e-6, 1e-4, 1e-2, 0.1, 0.3, 1.0, 10.0])
def test_noise_may_be_large_beside_the_function(level):
    seed = np.random.default_rng(41)
    x = rng.uniform(-2, 2, (200, 3))
    for smooth in (
        lambda X: 2 + (X**2).sum(axis=1),
        lambda X: np.exp(X[:, 0]),
        lambda X: X[:, 0] - X[:, 1],
        lambda X: 1e3 * np.cos(X.sum(axis=1)),
    ):
        fun = fc.vectorized(lambda X, smooth=smooth: smooth(X) + level * seed.normal(size=len(X)))
        found = fc.estimate_noise(fun, x) / level
        assert np.isfinite(found).all()
        assert ((found > 0.5) & (found < 2)).mean() > 0.85
        assert found.max() < 4


def test_trends_are_no_noise():
    """Where f vanishes every spread is large beside it; what rounds there is the sampling of x."""
    for fun in (lambda X: X[:, 0] - 1.0, lambda X: (X[:, 0] - 1.0) ** 3, lambda X: X[:, 0] ** 2 - X[:, 1]):
        found = fc.estimate_noise(fc.vectorized(fun), np.ones(3))
        assert np.isnan(found) or found < 4 * EPS
    for fun in (lambda X: X[:, 0], lambda X: X[:, 0] ** 3, lambda X: np.sqrt(np.abs(X[:, 0]))):
        assert np.isnan(fc.estimate_noise(fc.vectorized(fun), np.zeros(3)))


def test_equal_values_of_close_points_are_no_constant():
    for fun, x in (
        (lambda x: x[0] ** 2 - 6 * x[0] + 9, 3.0),
        (lambda x: x[0] - 1.0, 1.0),
        (lambda x: np.log(x[0]), 1.0),
    ):
        found = fc.estimate_noise(fun, [x])
        assert np.isnan(found) or 0 < found < 100 * EPS


def test_constant_functions_have_no_noise():
    for constant in (0.0, 3.0, -1e300):
        fun = fc.vectorized(lambda X, constant=constant: np.full(len(X), constant))
        assert fc.estimate_noise(fun, np.ones((4, 2))).tolist() == [0.0] * 4
    still = fc.vectorized(lambda X: X[:, 0] + X[:, 1])  # along the default direction, (1, -1)
    assert fc.estimate_noise(still, np.ones(2)) <= EPS * 2


def test_noise_of_smooth_functions_is_their_rounding():
    x = rng.uniform(0.3, 1.5, (200, 3))
    for fun in (
        fc.vectorized(lambda X: np.exp(X).sum(axis=1)),
        fc.vectorized(lambda X: 1e20 * (np.sin(X).prod(axis=1) + 3)),
        fc.vectorized(lambda X: 1e-20 / (1 + (X**2).sum(axis=1))),
    ):
        found = fc.estimate_noise(fun, x) / (EPS * np.abs(fun(x)))
        assert np.isfinite(found).mean() >= 0.95
        assert 0.03 < np.nanmedian(found) < 3
        assert np.nanmax(found) < 20


def test_noise_that_cannot_be_told():
    nan = fc.vectorized(lambda X: np.where(X[:, 0] > 0, np.nan, np.inf))
    assert np.isnan(fc.estimate_noise(nan, [[1.0, 0.0], [-1.0, 0.0]])).all()
    through_zero = fc.vectorized(lambda X: X[:, 0])  # exact, and nothing but a trend
    assert np.isnan(fc.estimate_noise(through_zero, [0.0, 0.0]))


def test_noise_at_one_point_is_not_that_at_another():
    seed = np.random.default_rng(31)
    fun = fc.vectorized(lambda X, a, level: a + X[:, 0] + level * seed.normal(size=len(X)))
    level = np.array([[1e-3, 1e-6, 1e-9], [0.0, 1e-5, np.nan]])
    found = fc.estimate_noise(fun, np.ones((2, 3, 4)), (5.0,), point_args=(level,))
    assert found.shape == (2, 3)
    noisy = level > 0
    assert ((found > level / 5) & (found < 5 * level))[noisy].all()
    assert found[1, 0] < 1e-14
    assert np.isnan(found[1, 2])


def test_noise_shapes_and_types():
    seed = np.random.default_rng(37)
    fun = fc.vectorized(lambda X: 1 + 1e-3 * seed.normal(size=len(X)))
    one = fc.estimate_noise(fun, np.ones(3))
    assert np.ndim(one) == 0
    assert isinstance(one, np.float64)
    assert fc.estimate_noise(fun, np.ones((2, 3), np.float32)).dtype == np.float32
    assert fc.estimate_noise(fun, np.ones((0, 3))).shape == (0,)
    assert 1e-4 < one < 1e-2


def test_noise_direction():
    """Noise in x_1 alone is not seen along x_0."""
    fun = fc.vectorized(lambda X: 3 + X[:, 0] + 1e-6 * np.sin(1e14 * X[:, 1]))
    x = rng.uniform(0.5, 1, (40, 2))
    assert np.nanmedian(fc.estimate_noise(fun, x)) > 1e-7
    assert np.nanmedian(fc.estimate_noise(fun, x, direction=[1.0, 0.0])) < 1e-14
    assert np.nanmedian(fc.estimate_noise(fun, x, direction=[0, 1e200])) > 1e-7
    for direction in ([0.0, 0.0], [1.0], [np.nan, 1.0], 1.0):
        with pytest.raises(ValueError, match="direction must be a finite vector"):
            fc.estimate_noise(fun, x, direction=direction)
    for direction in ("x", [1j, 0.0], [[1.0], [1.0, 2.0]]):
        with pytest.raises(TypeError, match=r"^direction must (hold|be an array of) real numbers"):
            fc.estimate_noise(fun, x, direction=direction)
    for rel_step in (0.0, -1.0, np.nan, "small"):
        with pytest.raises(ValueError, match="rel_step must be"):
            fc.estimate_noise(fun, x, rel_step=rel_step)
