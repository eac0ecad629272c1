"""What users may give, and what happens to what they should not have given.

One table of calls goes through all of it. The shared functions are few, so that few kernels are compiled.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
import scipy.special
from functions import fragile, rosenbrock
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit

import fastcurv as fc
from fastcurv import _launch
from fastcurv._plan import Options
from fastcurv.backends import _kernels, _pace


def fragile_gradient(x):
    """The gradient of `fragile`, which fails where that does."""
    if x[1] > 10.0:
        raise ValueError("too large")
    g = np.empty(len(x), x.dtype)
    for i in range(len(x)):
        g[i] = 2.0 * x[i]
    if x[0] < 0.0:
        g[0] += math.log(x[0])
    return g


V = np.array([1.0, -2.0, 0.5, 3.0, 1.5])
EXTRAS = ("eigenvectors", "hessian", "newton_step")
READ_OUTS = (
    "gradient_norm", "laplacian", "condition_number", "optimal_step", "uphill_step", "max_stable_step", "best_step",
    "convergence_rate",
)  # fmt: skip


def everything_of_curvature(x, **options):
    c = fc.curvature(fragile, x, extra=EXTRAS, **options)
    fields = (
        "value",
        "gradient",
        "eigenvalues",
        "eigenvalue_error",
        "gradient_curvature",
        *EXTRAS,
        *READ_OUTS,
    )
    derived = [getattr(c, name) for name in fields] + [
        c.predicted_change(0.1),
        c.direction_rates(0.1),
        *c.heavy_ball,
    ]
    codes = [c.index, c.nullity, c.definiteness, c.kind, c.status]
    return (*derived, *codes)


def everything_of_the_model(x, **options):
    model = fc.quadratic_model(fragile, x, **options)
    return model.value, model.gradient, model.hessian, model.hessian_error.astype(model.hessian.dtype)


class Call(NamedTuple):
    run: Callable[..., Any]  # of points or matrices: results with their leading shape
    axes: int  # of one point or matrix
    has_value: bool  # whether the first result is the value of the function
    in_single: bool = True  # whether to compile it for float32, too: kernels take seconds
    is_exact: bool = False  # at the point alone: nothing is wrong but what is wrong there


def product(x, operation=fc.hvp, **options):
    """Products with `V`, in the type of x, whatever x is."""
    dtype = np.float32 if getattr(x, "dtype", None) in (np.dtype("<f4"), np.dtype(">f4")) else np.float64
    n = x.shape[-1] if isinstance(x, np.ndarray) and x.ndim else 5
    return (operation(fragile, x, np.resize(V, n).astype(dtype), **options),)


DERIVATIVES = {
    "gradient": Call(lambda x, **o: (fc.gradient(fragile, x, **o),), 1, False),
    "jacobian": Call(lambda x, **o: fc.jacobian(fragile_gradient, x, return_error=True, **o), 1, False, False),
    "hessian": Call(lambda x, **o: (fc.hessian(fragile, x, **o),), 1, False, False),
    "hessian and error": Call(lambda x, **o: fc.hessian(fragile, x, return_error=True, **o), 1, False),
    "hvp": Call(product, 1, False),
    "vhv": Call(lambda x, **o: product(x, fc.vhv, **o), 1, False, False),
    "quadratic_model": Call(everything_of_the_model, 1, True),
    "curvature": Call(everything_of_curvature, 1, True, False),
}
WITH_GRADIENT = {
    "hessian": Call(lambda x, **o: fc.hessian(fragile, x, grad=fragile_gradient, return_error=True, **o), 1, False),
    "hvp": Call(lambda x, **o: (fc.hvp(fragile, x, V[: x.shape[-1]], grad=fragile_gradient, **o),), 1, False),
    "curvature": Call(lambda x, **o: everything_of_curvature(x, grad=fragile_gradient, **o), 1, True),
}


def by(method, calls):
    """The calls by a method; names of exact ones tell."""
    return {
        f"{name}, exact" if method == "exact" else name: call._replace(
            run=lambda x, run=call.run, **options: run(x, **{"method": method, **options}),
            is_exact=method == "exact",
            in_single=call.in_single and (method != "exact" or name == "quadratic_model"),
        )
        for name, call in calls.items()
    }


DERIVATIVES = {**by("central", DERIVATIVES), **by("exact", DERIVATIVES)}
WITH_GRADIENT = {**by("central", WITH_GRADIENT), **by("exact", WITH_GRADIENT)}
OF_FUNCTIONS = {"value": Call(lambda x, **o: (fc.value(fragile, x, **o),), 1, True), **DERIVATIVES}
OF_MATRICES = {
    "eigh": Call(lambda a: fc.eigh(a), 2, False, False),
    "eigvalsh": Call(lambda a: (fc.eigvalsh(a),), 2, False, False),
    "extremes": Call(lambda a: (fc.eigvalsh(a, subset="extremes"),), 2, False, False),
}
CALLS = {**OF_FUNCTIONS, **OF_MATRICES}
IN_SINGLE = {name: call for name, call in CALLS.items() if call.in_single}


def bits(a):
    """Every bit of an array, all NaN being one."""
    a = np.array(a)
    if a.dtype.kind == "f":
        a[np.isnan(a)] = np.nan
    return a.dtype, a.shape, a.tobytes()


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert bits(one) == bits(other)


def table(calls):
    return pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in calls.items()])


# ---- points and shapes

REAL = [np.dtype(kind) for kind in ("f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")]


@st.composite
def layouts(draw, axes, in_single):
    """An array in some layout of memory, and the same numbers in the canonical one."""
    dtype = draw(st.sampled_from([*REAL, REAL[0], REAL[1]] if in_single else [REAL[0], *REAL[2:]]))
    batch = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    shape = (*batch, *[5] * axes)  # one n: kernels know it
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    steps = [draw(st.sampled_from([1, 1, -1, 2, -3])) for _ in shape]
    room = tuple(length * abs(step) for length, step in zip(shape, steps, strict=True))
    values = rng.uniform(0.5, 9.0, room).astype(dtype)
    if draw(st.booleans()):
        values = values.astype(dtype.newbyteorder(">"))
    values = np.array(values, order=draw(st.sampled_from("CF")))
    array = values[tuple(slice(None, None, step) for step in steps)]
    if batch and draw(st.booleans()):
        array = np.broadcast_to(array, (2, *shape))  # read-only, with a stride of zero
    if draw(st.booleans()):
        array.flags.writeable = False
    return array, np.array(array, np.float32 if dtype == np.float32 else np.float64, order="C")


@table(CALLS)
def test_layout_does_not_matter(call):
    @settings(max_examples=25, deadline=None)
    @given(pair=layouts(call.axes, call.in_single))
    def check(pair):
        array, canonical = pair
        before = array.copy()
        found = call.run(array)
        same(found, call.run(canonical))
        assert np.array_equal(array, before)
        for result in found:
            assert type(result) is np.ndarray or np.isscalar(result)
            assert result.shape[: array.ndim - call.axes] == array.shape[: array.ndim - call.axes]
            assert result.dtype.kind == "i" or result.dtype == canonical.dtype
            assert np.asarray(result).flags.c_contiguous or result.base is not None

    check()


def signatures():
    """How many types of arguments kernels were compiled for."""
    entries = [entry for kernel in _kernels._known.values() for entry in kernel.entries.values()]
    return sum(len(entry.overloads) for entry in entries)


@table(CALLS)
def test_layouts_share_what_is_compiled(call):
    x = np.random.default_rng(1).uniform(1.0, 2.0, (6, *[5] * call.axes))
    read_only = x.copy()
    read_only.flags.writeable = False
    with fc.threads(1):  # on a busy machine few points may seem worth several threads, and kernels of their own
        call.run(x)
        before = signatures()
        for array in (read_only, np.asfortranarray(x), x[::2], x.astype(">f8"), np.broadcast_to(x[0], x.shape)):
            call.run(array)
        assert signatures() == before


@table(CALLS)
def test_lists_are_arrays(call):
    x = np.arange(1, 26).reshape(5, 5)[: 5 if call.axes == 2 else 1]
    same(call.run(x.tolist()), call.run(x.astype(float)))
    same(call.run(tuple(map(tuple, x.tolist()))), call.run(x.astype(float)))


@table(CALLS)
def test_one_point_is_a_batch_of_one(call):
    x = np.random.default_rng(1).uniform(1.0, 2.0, [5] * call.axes)
    same(call.run(x), [result[0] for result in call.run(x[None])])
    same([result[0, 0] for result in call.run(x[None, None])], call.run(x))


@table(CALLS)
@pytest.mark.parametrize("batch", [(0,), (3, 0), (0, 2)])
def test_empty_batches(call, batch):
    tail = (5,) * call.axes
    shapes = [result.shape for result in call.run(np.ones(tail))]
    for dtype in (np.float64, np.float32) if call.in_single else (np.float64,):
        found = call.run(np.empty((*batch, *tail), dtype))
        assert [result.shape for result in found] == [batch + shape for shape in shapes]
        assert all(result.dtype in (dtype, np.int16, np.int8) for result in found)


def scaled_by_point(x, p):
    return [p * x[0], x[1]]


def test_jacobian_of_an_empty_batch_with_arguments_of_each_point():
    assert fc.jacobian(scaled_by_point, np.empty((0, 2)), point_args=(np.empty(0),)).shape == (0, 2, 2)


def test_values_of_one_point_are_numbers():
    assert fc.value(fragile, [1.0, 2.0]) == 5.0
    assert np.isscalar(fc.value(fragile, [1.0, 2.0]))
    assert np.isscalar(fc.quadratic_model(fragile, [1.0, 2.0]).value)


@table(IN_SINGLE)
def test_float32_is_near_float64(call):
    x = np.random.default_rng(2).uniform(1.0, 2.0, [3, *[5] * call.axes])
    single, double = call.run(x.astype(np.float32))[0], call.run(x)[0]
    assert single.dtype == np.float32
    assert np.abs(np.abs(single) - np.abs(double)).max() < 0.05 * np.abs(double).max()


NOT_REAL = {
    "complex": (np.ones((5, 5), complex), "dtype complex128"),
    "object": (np.array([[None] * 5] * 5), "dtype object"),
    "None": (None, "dtype object"),
    "string": ("12", "dtype <U2"),
    "strings": ([["1"] * 5] * 5, "dtype <U1"),
    "dates": (np.zeros((5, 5), "M8[s]"), r"dtype datetime64\[s\]"),
    "records": (np.zeros((5, 5), [("x", float)]), "dtype"),
    "huge integers": ([[2**70] * 5] * 5, "dtype object"),
    "ragged": ([[1.0, 2.0], [3.0]], "inhomogeneous"),
}
if np.dtype(np.longdouble).itemsize > 8:
    NOT_REAL["long double"] = (np.ones((5, 5), np.longdouble), "at most 64 bits")


@table(CALLS)
@pytest.mark.parametrize(("x", "message"), NOT_REAL.values(), ids=NOT_REAL)
def test_what_is_not_real_is_a_type_error(call, x, message):
    with pytest.raises(TypeError, match=f"^{'xa'[call.axes - 1]} must .*{message}"):
        call.run(x)


@table(OF_FUNCTIONS)
def test_points_must_have_coordinates(call):
    with pytest.raises(ValueError, match=r"^x must have at least one coordinate, got shape \(3, 0\)"):
        call.run(np.empty((3, 0)))
    with pytest.raises(ValueError, match=r"^x must hold a point along its last axis, got a single number"):
        call.run(3.0)


@table(OF_MATRICES)
def test_matrices_must_be_square(call):
    for shape in ((), (3,), (3, 2), (4, 3, 2)):
        with pytest.raises(ValueError, match=r"^a must hold square matrices along its last two axes, got shape"):
            call.run(np.ones(shape))


def test_matrices_without_rows():
    w, v = fc.eigh(np.empty((3, 0, 0)))
    assert (w.shape, v.shape) == ((3, 0), (3, 0, 0))
    assert fc.eigvalsh(np.empty((0, 0))).shape == (0,)
    with pytest.raises(ValueError, match=r"subset='extremes' needs matrices of at least one row"):
        fc.eigvalsh(np.empty((0, 0)), subset="extremes")


class Wrapped:
    """An array of another library, as NumPy sees it."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


class RequiresGradient(Wrapped):
    """Like a torch tensor."""

    def detach(self):
        return Wrapped(self.values)

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")


class Tracer(Wrapped):
    """Like an array within jax.jit."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Attempting to convert a JAX tracer to a NumPy array")


class OnDevice(Wrapped):
    __cuda_array_interface__ = {}  # noqa: RUF012  only looked for, never read


@table(CALLS)
def test_arrays_of_other_libraries(call):
    x = np.random.default_rng(3).uniform(1.0, 2.0, (5, 5))
    same(call.run(Wrapped(x)), call.run(x))
    same(call.run(RequiresGradient(x)), call.run(x))
    with pytest.raises(TypeError, match=r"JAX tracer"):
        call.run(Tracer(x))
    # the device is not there, or what is called does not run on one
    with pytest.raises((TypeError, fc.DeviceError), match=r"^[xa] lives on a GPU|needs numba-cuda|no CUDA device"):
        call.run(OnDevice(x))


def test_the_model_keeps_its_point():
    x = np.ones(5)
    model = fc.quadratic_model(fragile, x)
    x[0] = 7.0
    assert model.point[0] == 1.0


# ---- out=

OUTPUTS = {
    "value": (lambda x, fun=fragile, **o: fc.value(fun, x, **o), ()),
    "gradient": (lambda x, fun=fragile, **o: fc.gradient(fun, x, **o), (5,)),
    "jacobian": (lambda x, fun=fragile_gradient, **o: fc.jacobian(fun, x, return_error=True, **o)[0], (5, 5)),
    "hessian": (lambda x, fun=fragile, **o: fc.hessian(fun, x, return_error=True, **o)[0], (5, 5)),
    "hvp": (lambda x, fun=fragile, **o: fc.hvp(fun, x, V.astype(np.asarray(x).dtype), **o), (5,)),
    "vhv": (lambda x, fun=fragile, **o: fc.vhv(fun, x, V.astype(np.asarray(x).dtype), **o), ()),
}


@pytest.mark.parametrize(("call", "tail"), OUTPUTS.values(), ids=OUTPUTS)
def test_out(call, tail, tmp_path):
    x = np.random.default_rng(4).uniform(1.0, 2.0, (2, 3, 5))
    expected = call(x)
    for dtype in (np.float64, np.float32) if tail == (5,) else (np.float64,):
        out = np.full((2, 3, *tail), np.nan, dtype)
        found = call(x.astype(dtype), out=out)
        assert found is out
        assert np.isfinite(out).all()
    same([call(x, out=np.empty_like(expected))], [expected])
    mapped = np.memmap(tmp_path / "out", np.float64, "w+", shape=expected.shape)
    call(x, out=mapped)
    same([np.asarray(np.memmap(tmp_path / "out", np.float64, "r", shape=expected.shape))], [expected])
    one = np.empty(tail)
    assert call(x[0, 0], out=one) is one
    same([one], [expected[0, 0]])
    assert call(x[:0], out=np.empty((0, 3, *tail))).shape == (0, 3, *tail)


@pytest.mark.parametrize(("call", "tail"), OUTPUTS.values(), ids=OUTPUTS)
def test_wrong_out(call, tail):
    x = np.ones((2, 3, 5))
    right = (2, 3, *tail)
    with pytest.raises(TypeError, match=r"^out must be a NumPy array, got list"):
        call(x, out=np.empty(right).tolist())
    for shape in ((3, 2, *tail), (6, *tail), (2, 3, 1, *tail)):
        with pytest.raises(ValueError, match=r"^out must have shape \(2, 3.*\) and dtype float64, got \("):
            call(x, out=np.empty(shape))
    for dtype in ("f4", "i8", "c16", ">f8"):
        with pytest.raises(ValueError, match=r"^out must have shape .* and dtype float64, got .* and "):
            call(x, out=np.empty(right, dtype))
    for out in (
        np.empty((2, 6, *tail))[:, ::2],
        np.asfortranarray(np.empty(right)),
        np.broadcast_to(0.0, right),
    ):
        with pytest.raises(ValueError, match=r"^out must be C-contiguous and writeable"):
            call(x, out=out)


def test_out_must_not_be_an_input():
    x, v = np.ones((4, 5)), np.ones((4, 5))
    for call in (lambda **o: fc.gradient(NEVER, x, **o), lambda **o: fc.hvp(NEVER, x, v, **o)):
        with pytest.raises(ValueError, match=r"^out must not share memory with x"):
            call(out=x)
    with pytest.raises(ValueError, match=r"^out must not share memory with v"):
        fc.hvp(NEVER, x, v, out=v)
    with pytest.raises(ValueError, match=r"^out must not share memory with x"):
        fc.value(NEVER, x, out=x[0, :4])


@pytest.mark.parametrize(("call", "tail"), OUTPUTS.values(), ids=OUTPUTS)
def test_out_must_not_be_an_argument(call, tail):
    out, anything = np.ones((4, *tail)), fc.vectorized(lambda x, *args: x)
    for where, options in {
        r"args\[0\]": {"args": (out,)},
        r"args\[1\]\[0\]": {"args": (2.0, (out.reshape(-1)[1:],))},
        r"point_args\[1\]": {"point_args": (np.ones(4), out)},
    }.items():
        with pytest.raises(ValueError, match=rf"^out must not share memory with {where}, .*; give another array"):
            call(np.ones((4, 5)), anything, out=out, **options)


# ---- one bad point never harms another

#: what makes a good point bad, and its status
FAULTS = {
    "nan": (2, math.nan, -3),
    "infinite": (2, math.inf, -3),
    "minus infinite": (2, -math.inf, -3),
    "domain": (0, -1.0, -3),
    "domain of the stencil": (0, 0.0, -3),
    "nan first": (0, math.nan, -3),
    "minus infinite first": (0, -math.inf, -3),
    "overflow": (2, 1e200, -3),
    "raises": (1, 11.0, -6),
    "stencil raises": (1, 10.0, -6),
    "infinite and raises": (1, math.inf, -6),
    "outside": (2, 9.0, -5),
}


def with_fault(x, fault):
    """A copy of a point with something wrong, and its status."""
    x = x.copy()
    if fault == "good":
        return x, 0
    place, value, status = FAULTS[fault]
    x[place % len(x)] = value
    return x, status


def value_of(x):
    try:
        return fragile(x)
    except ValueError:
        return math.nan


def check_bad_points(call, faults, n, seed, dtype, run=None):
    """Results at a mixture of points: those of the good ones as if alone, no others."""
    run = run or call.run
    good = np.random.default_rng(seed).uniform(0.5, 2.0, (len(faults), n)).astype(dtype)
    pairs = [with_fault(x, fault) for x, fault in zip(good, faults, strict=True)]
    x, status = np.array([x for x, _ in pairs]), np.array([s for _, s in pairs])
    found, alone = run(x), run(x[status == 0])
    same([result[status == 0] for result in found], alone)
    bad = status != 0
    if call.has_value:
        with np.errstate(all="ignore"):
            expected = np.array([value_of(point) if s != -5 else math.nan for point, s in pairs])
            assert np.allclose(found[0], expected.astype(dtype), rtol=1e-6, equal_nan=True)
    for result in found[call.has_value :]:
        if result.dtype.kind == "f":
            assert np.isnan(result[bad]).all()
    if len(found) > 10:
        index, nullity, definiteness, kind, reported = found[-5:]
        assert (reported == status).all()
        for codes in (index, nullity, definiteness, kind):
            assert (codes[bad] == -1).all()
            assert (codes[~bad] >= 0).all()
        assert fc.Definiteness.INVALID == fc.Kind.INVALID == -1
    return status


faults = st.lists(st.sampled_from(["good", *[name for name in FAULTS if name != "outside"]]), min_size=1, max_size=14)


@table(OF_FUNCTIONS)
def test_bad_points_harm_no_others(call):
    # a Jacobian needs a point that tells the number of values
    is_jacobian = call in (CALLS["jacobian"], CALLS["jacobian, exact"])
    mixtures = faults.map(lambda some: [*some, "good"]) if is_jacobian else faults

    @settings(max_examples=40, deadline=None)
    @given(mixtures, st.sampled_from([2, 5]), st.integers(0, 99), st.booleans())
    def check(some, n, seed, parallel):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_pace, "WORTH_THREADS", 0.0 if parallel else 1e9)
            if call is CALLS["value"] or call.is_exact:
                some = ["good" if "stencil" in fault else fault for fault in some]
            if is_jacobian:  # x² overflows, its gradient does not
                some = ["good" if fault == "overflow" else fault for fault in some]
            check_bad_points(call, some, n, seed, np.float64)

    check()


@table({name: call for name, call in IN_SINGLE.items() if name in OF_FUNCTIONS})
def test_bad_points_in_float32(call):
    some = ["raises", "good", "nan", "infinite", "good", "domain", "minus infinite", "raises", "good"]
    check_bad_points(call, some, 5, 1, np.float32)


@table(WITH_GRADIENT)
def test_bad_points_with_a_gradient(call):
    @settings(max_examples=20, deadline=None)
    @given(faults, st.integers(0, 99))
    def check(some, seed):
        some = ["good" if fault == "overflow" else fault for fault in some]
        if call is WITH_GRADIENT["hvp"] or call.is_exact:  # whose stencil does not hold x itself
            some = ["good" if "stencil" in fault else fault for fault in some]
        check_bad_points(call, [*some, "good"], 5, seed, np.float64)

    check()


@table(DERIVATIVES)
def test_points_outside_the_bounds_harm_no_others(call):
    bounds = ([-np.inf, -np.inf, 0.0, *[-np.inf] * 2], [np.inf, np.inf, 3.0, *[np.inf] * 2])
    names = [
        "good",
        "nan first",
        "domain",
        "raises",
        "outside",
        "outside",
        "domain of the stencil",
        "stencil raises",
    ]

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.sampled_from(names), min_size=1, max_size=10), st.integers(0, 99))
    def check(some, seed):
        some = [*some, "good"]
        if call.is_exact:
            some = ["good" if "stencil" in fault else fault for fault in some]
        check_bad_points(call, some, 5, seed, np.float64, run=lambda x: call.run(x, bounds=bounds))

    check()


def test_not_a_number_is_outside_bounds():
    c = fc.curvature(fragile, [[1.0, 1.0, math.nan, 1.0, 1.0], [1.0, 1.0, math.inf, 1.0, 1.0]], bounds=(0, 5))
    assert (c.status == -5).all()


@pytest.mark.parametrize("n", [2, 5])
def test_status_has_an_explanation(n):
    found = [status for *_, status in FAULTS.values()]
    assert set(fc.STATUS) == {0, -2, -4, *found} == {0, -2, -3, -4, -5, -6}
    assert all(len(text) >= 2 for text in fc.STATUS.values())


def test_many_bad_points_first():
    """The trial in plain Python that tells the number of values looks further than at the first few."""

    def fresh(x):  # not tried before
        return fragile_gradient(x)[:4]

    x = np.ones((40, 5))
    x[:39, 1] = 11.0
    with pytest.raises(ValueError, match=r"^fun: cannot tell how many values it returns"):
        fc.jacobian(fresh, x[:39])
    # what failed before was no verdict on the function
    assert _launch.call(fresh, x, (), vector=True).length == 4


def test_noise_beyond_measure():
    """Steps are of their largest length, and nothing overflows on the way (warnings are errors here)."""
    x = np.array([[0.5, 0.5], [1.0, 2.0]])
    largest, beyond = (fc.hessian(rosenbrock, x, method="central", noise=noise) for noise in (1e200, 1e300))
    assert np.isfinite(beyond).all()
    assert np.array_equal(largest, beyond)


def test_options_are_real_numbers():
    """Text is no number, and imaginary parts and masks are not dropped."""
    x, masked = [[0.5, 0.5]], np.ma.masked_array([0.1, 0.2], [False, True])
    for wrong in (np.array([0.1, 0.2j]), np.array(["0", "0"]), masked):
        for option in ("rel_step", "bounds"):
            value = (wrong, [1.0, 1.0]) if option == "bounds" else wrong
            with pytest.raises((ValueError, TypeError), match=option):
                fc.gradient(rosenbrock, x, method="central", **{option: value})
    with pytest.raises(ValueError, match="noise"):
        fc.gradient(rosenbrock, x, noise=1e-9 + 1j)
    for option in ("method", "device"):
        with pytest.raises(ValueError, match=f"{option} must be"):
            fc.gradient(rosenbrock, x, **{option: np.array(["auto", "cpu"])})


def test_integers_of_64_bits_in_any_order():
    def fun(x, k):
        return x[0] * 2.0 + k

    for k in (1, 2**63, -1, 2**64 - 1):
        assert fc.value(fun, [2.0], (k,)) == 4.0 + k


def test_objectives_are_of_functions_at_one_point():
    with pytest.raises(TypeError, match="fun must be"):
        fc.objective(5)
    with pytest.raises(TypeError, match="args must be a tuple"):
        fc.objective(rosenbrock, args=3)
    with pytest.raises(ValueError, match="x must be one point"):
        fc.objective(rosenbrock).fun(np.ones((3, 2)))
    with pytest.raises(ValueError, match="batch_size"):
        fc.vectorized(rosenbrock, batch_size=True)


def test_jacobian_shows_what_a_function_raises():
    def fun(x):
        if x[0] > -9:
            raise ArithmeticError("no such place")
        return x[0], x[1]

    for x, options, at in [
        ([[2.0, 3.0], [4.0, 5.0]], {}, "2. 3."),
        ([[2.0, 3.0]], {"bounds": (0.0, 1.0)}, "1. 1."),
        (np.empty((0, 2)), {}, "0. 0."),
    ]:
        with pytest.raises(ValueError, match=rf"at x = \[{at}\] it raised ArithmeticError: no such place"):
            fc.jacobian(fun, x, **options)


def test_all_points_bad():
    for call in (fc.gradient, fc.hessian):
        assert np.isnan(call(fragile, np.full((3, 5), 11.0))).all()


def new(name):
    """A logarithm that no call was made of: no point has told yet whether its trace is right."""
    return lambda x: math.log(x[0]) + math.exp(math.sin(x[0] * x[1])) * x[1] ** 1.3 + len(name) - len(name)


@pytest.mark.parametrize("method", ["auto", "traced"])
def test_all_points_bad_of_a_new_function(method):
    for bad, dtype in ((math.nan, np.float64), (-1.0, np.float32))[: 2 if method == "auto" else 1]:
        f, x = new(f"{method} {dtype}"), np.array([bad, 1.0], dtype)
        assert np.isnan(fc.hessian(f, x, method=method)).all()
        assert np.isnan(fc.gradient(f, x, method=method)).all()
        assert (fc.curvature(f, x, method=method).status == -3).all()
    outside = fc.hessian(new("1"), np.array([5.0, 5.0]), method=method, bounds=(0, 1))
    assert np.isnan(outside).all()


def test_all_points_bad_of_a_new_function_otherwise():
    x = np.array([-1.0, 1.0])
    assert np.isnan(fc.objective(new("2")).hess(x)).all()
    _, error = fc.hessian(new("4"), [x, x], sparse=True, return_error=True)
    assert np.isnan(error).all()
    found = fc.check(new("5"), x)
    assert (found.skipped, found.differences) == (1, ())
    told = fc.explain(new("6"), x)
    assert told.method.startswith("hyperdual (auto: ")
    assert "no finite value at the points tried" in told.method
    assert fc.explain(new("7"), x, method="traced").method == "traced (asked for)"
    assert fc.explain(new("9"), [x, -x, abs(x)]).method.startswith("traced (auto: ")


@pytest.mark.parametrize("call", [fc.hessian, fc.gradient])
@pytest.mark.parametrize("bad", [32, 2000])
def test_good_points_do_not_tell_of_their_neighbours_nor_of_earlier_calls(call, bad):
    """Whether a function is trusted is decided at points where it is finite, however few they are."""
    f = new(f"{call.__name__} {bad}")
    x = np.random.default_rng(3).uniform(0.2, 1.0, (bad + 1, 2))
    x[:, 0] *= -1
    x[-2, 0] *= -1
    first, alone, again = call(f, x), call(f, x[-2]), call(f, x)
    np.testing.assert_array_equal(first[-2], alone)
    np.testing.assert_array_equal(first, again)
    assert np.isfinite(alone).all()
    assert np.isnan(first).sum() == bad * alone.size


def whole(x):
    return float(int(x[0])) + x[1] ** 2


def test_a_bad_first_point_that_python_itself_refuses():
    """int(nan) is an exception in Python, and anything in compiled code."""
    assert fc.value(whole, [[math.nan, 1.0], [1.5, 1.0]])[1] == 2.0


TABLE = np.arange(10.0)


def looked_up(x):
    return TABLE[int(x[0])] * x[0] ** 2 + x[1]


def test_points_outside_bounds_are_not_tried_either():
    options = Options(bounds=([1.0, -np.inf], [1.9, np.inf]))
    for x in ([[20.0, 1.0]], [[20.0, 1.0], [math.nan, 1.0], [1.5, 1.0]]):
        with pytest.raises(IndexError):
            looked_up(x[0])
        _launch.call(looked_up, x, (), options=options)


def test_vectorized_is_not_evaluated_outside():
    seen = []

    def fun(X):
        seen.append(X.copy())
        return (X**2).sum(axis=1)

    f = fc.vectorized(fun)
    x = np.array([[20.0, 0.5], [0.5, 0.5], [math.nan, 0.5]])
    found = fc.gradient(f, x, bounds=(0.0, 1.0))
    assert np.isnan(found[[0, 2]]).all()
    same([found[1]], [fc.gradient(f, x[1], bounds=(0.0, 1.0))])
    evaluated = np.concatenate(seen)
    assert evaluated.min() >= 0.0
    assert evaluated.max() <= 1.0
    seen.clear()
    assert np.isnan(fc.gradient(f, x[:1], bounds=(0.0, 1.0))).all()
    assert not seen


def test_vectorized_tells_its_number_of_values_within_the_bounds():
    def fun(X):
        assert X.tolist() == [[0.5, 0.5]]
        raise ZeroDivisionError

    x = np.array([[20.0, 0.5], [math.nan, 0.5], [0.5, 0.5]])
    with pytest.raises(ZeroDivisionError):
        fc.jacobian(fc.vectorized(fun), x, bounds=(0.0, 1.0))


def test_jacobians_of_no_points_and_of_none_within_the_bounds():
    """The number of values is told by a point that is put within the bounds."""

    def fun(x):
        if x[0] < 1:
            raise ValueError("too low")
        return x[0] * x[1], x[0], x[1]

    by_rows = fc.vectorized(lambda X: np.stack([X[:, 0] * X[:, 1], X[:, 0], X[:, 1]], 1))
    for function in (fun, by_rows):
        for method in ("auto", "central"):
            options = {"bounds": (1.0, 2.0), "method": method}
            assert fc.jacobian(function, np.empty((0, 2)), **options).shape == (0, 3, 2)
            outside = fc.jacobian(function, [[0.0, 1.5], [math.nan, 3.0]], **options)
            assert outside.shape == (2, 3, 2)
            assert np.isnan(outside).all()


def test_a_gradient_leaves_nothing_behind_where_a_point_is_bad():
    """Outside the bounds, where the gradient raises in the stencil, and where the function itself is not finite."""

    def fun(x):
        return math.sqrt(x[0] + 1.0) + x[1] ** 2

    def grad(x):
        if x[0] > 3.0:
            raise ValueError("too far")
        return 0.5 * abs(x[0] + 1.0) ** -0.5, 2.0 * x[1]

    x = np.array([[0.5, 0.5], [9.0, 9.0], [3.0 - 1e-12, 0.5], [-2.0, 0.5]])
    for method in ("central", "hyperdual"):
        for bounds in (None, ([-5.0, -5.0], [4.0, 4.0])):
            stale = [np.full(size, 7.25) for size in (4, 8, 16) for _ in range(200)]
            del stale  # what was in memory that is used again
            model = fc.quadratic_model(fun, x, grad=grad, bounds=bounds, method=method)
            c = fc.curvature(fun, x, grad=grad, bounds=bounds, method=method)
            bad = [False, True, method == "central", True]
            for found in (model.gradient, model.hessian, c.gradient, c.eigenvalues):
                assert np.array_equal(np.isnan(found.reshape(4, -1)).all(axis=1), bad)
            for value in (model.value, c.value):
                assert np.array_equal(np.isnan(value), [False, bounds is not None, False, True])
            assert np.array_equal(c.status != 0, bad)


@table(OF_MATRICES)
def test_bad_matrices_harm_no_others(call):
    places = st.lists(st.sampled_from([None, None, math.nan, math.inf, -math.inf]), min_size=1, max_size=12)

    @settings(max_examples=25, deadline=None)
    @given(
        places,
        st.sampled_from([1, 2, 3, 5, 8]),
        st.integers(0, 99),
        st.booleans(),
    )
    def check(some, n, seed, single):
        dtype = np.float32 if single and call.in_single else np.float64
        rng = np.random.default_rng(seed)
        a = rng.normal(size=(len(some), n, n)).astype(dtype)
        a[:, *np.triu_indices(n, 1)] = np.nan  # only the lower triangle is read
        for b, bad in enumerate(some):
            if bad is not None:
                i = rng.integers(n)
                a[b, i, rng.integers(i + 1)] = bad
        good = np.array([bad is None for bad in some])
        found = call.run(a)
        same([result[good] for result in found], call.run(a[good]))
        for result in found:
            assert np.isnan(result[~good]).all()
            assert np.isfinite(result[good]).all()

    check()


# ---- what the arithmetic gives


def eighth(x, scale):
    return scale * (x[0] ** 8 + x[1] ** 2)


@pytest.mark.parametrize("method", ["traced", "central"])
def test_what_overflows_when_it_is_rounded_is_not_finite(method):
    """Results that are computed in double, of points in single precision: of x0^8, its gradient, its Hessian."""
    x, v = np.array([[1.0, 1.0], [1e5, 1.0], [1e6, 1.0]], np.float32), np.array([1.0, 0.0], np.float32)
    value = fc.value(eighth, x, (1.0,))
    assert np.isfinite(value).tolist() == [True, False, False]
    is_traced = method == "traced"
    c = fc.curvature(eighth, x, (1.0,), method=method, extra=EXTRAS if is_traced else ())
    assert c.status.tolist() == [0, -3, -3]
    assert c.index[1:].tolist() == c.nullity[1:].tolist() == [-1, -1]
    assert c.kind[1:].tolist() == c.definiteness[1:].tolist() == [-1, -1]
    np.testing.assert_array_equal(c.value, value)
    model = fc.quadratic_model(eighth, x, (1.0,), method=method)
    np.testing.assert_array_equal(model.value, value)
    derived = [c.gradient, c.eigenvalues, c.eigenvalue_error, c.gradient_curvature]
    derived += [model.gradient, model.hessian, model.hessian_error]
    if is_traced:
        derived += [c.eigenvectors, c.hessian, c.newton_step]
    for result in derived:
        assert np.isfinite(result[0]).all()
        assert np.isnan(result[1:]).all()

    def told(call, scale, *vectors):
        found, error = call(eighth, x, *vectors, (scale,), method=method, return_error=True)
        again = call(eighth, x, *vectors, (scale,), method=method)
        assert (np.isnan(again) == np.isnan(found)).all()
        assert (np.isnan(error) == np.isnan(found)).all()
        finite = np.isfinite(found).reshape(3, -1).all(axis=1)
        assert np.isnan(found[~finite]).all()
        return finite.tolist()

    assert told(fc.gradient, 1.0) == [True, True, False]
    assert told(fc.hessian, 1e10) == [True, False, False]
    if not is_traced:  # the rest is done alike for all methods
        return
    assert told(fc.hvp, 1e10, v) == [True, False, False]
    assert told(fc.vhv, 1e10, v) == [True, False, False]
    jacobian = fc.jacobian(lambda x: (x[0], 1e10 * x[0] ** 8), x, method=method)
    assert np.isnan(jacobian).all(axis=(1, 2)).tolist() == [False, True, True]
    assert np.isnan(fc.hessian(eighth, x, (1e10,), sparse=True).values[1:]).all()


def test_repeated_calls_that_overflow():
    x = np.array([1.0, 1.0], np.float32)
    for _ in range(20):
        assert np.isfinite(fc.hessian(eighth, x, (1e10,))).all()
    assert np.isnan(fc.hessian(eighth, np.array([1e6, 1.0], np.float32), (1e10,))).all()


def quotient(x):
    return x[0] / x[1]


def test_division_by_zero_is_ieee():
    found = fc.value(quotient, [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [1.0, -0.0], [1.0, 2.0]])
    same([found], [np.array([math.inf, -math.inf, math.nan, -math.inf, 0.5])])
    assert fc.value(quotient, [3, 0]) == math.inf  # integers are float64


def negative_powers(x, k, p):
    s, t = x[0], x[0]
    t **= -1
    one = 1.0  # of one type, also for float32
    return (one * s**-2, one * s**-3, one * s**p, one * pow(s, p), one * s**-2.0, one * t, one * s**-40, one * s**3)[k]


def test_negative_powers_of_zero_are_ieee():
    inf = math.inf
    x = np.array([0.0, -0.0, 2.0, -inf])
    expected = np.array(
        [
            [inf, inf, 0.25, 0.0], [inf, -inf, 0.125, -0.0], [inf, -inf, 0.125, -0.0], [inf, -inf, 0.125, -0.0],
            [inf, inf, 0.25, 0.0], [inf, -inf, 0.5, -0.0], [inf, inf, 2.0**-40, 0.0], [0.0, -0.0, 8.0, -inf],
        ]
    )  # fmt: skip
    for dtype in (np.float64, np.float32):
        for k, row in enumerate(expected):
            found = fc.value(negative_powers, x[:, None].astype(dtype), (k, -3))
            np.testing.assert_array_equal(found, row.astype(dtype))
            np.testing.assert_array_equal(np.signbit(found), np.signbit(row))
    for method in ("auto", "central"):
        c = fc.curvature(lambda x: x[0] ** -2 + x[0] ** -3, x[:3, None], method=method)
        np.testing.assert_array_equal(c.value, [inf, math.nan, 0.375])
        assert c.status.tolist() == [-3, -3, 0]


def test_powers_of_other_functions_are_left_alone():
    """What Numba compiles for others with Python's error model raises as before."""
    power = numba.njit(lambda x, k: x**-2 + x**k)
    fc.value(negative_powers, [1.0], (0, -3))
    assert power(2.0, -1) == 0.75
    with pytest.raises(ZeroDivisionError):
        power(0.0, 1)
    with pytest.raises(ZeroDivisionError):
        numba.njit(lambda x, k: x**k)(0.0, -1)


def steep(x, scale):
    return scale * (x[0] ** 2 + x[1] ** 2)


@pytest.mark.parametrize("scale", [1e200, 1e307])
def test_no_warnings_of_overflow(scale):
    """Error estimates may overflow; warnings are errors here."""
    x = np.array([[1.0, 2.0], [1e-3, 1.0]])
    _, error = fc.hessian(steep, x, (scale,), return_error=True)
    model = fc.quadratic_model(steep, x, (scale,))
    assert (model.hessian_error >= error.max(axis=(1, 2))).all()


# ---- everything else is an exception, before any work

X = np.random.default_rng(7).uniform(1.0, 2.0, (4, 5))


def never(X, *args):
    raise AssertionError("work started")


NEVER = fc.vectorized(never)
ALL = ("value", "gradient", "jacobian", "hessian", "hvp", "quadratic_model", "curvature", "vhv")
G, J, H, P, M, C, Q = ALL[1:]
DIFFERENCES = ALL[1:]


def call_by_name(name, fun=NEVER, x=X, args=(), **options):
    if name in (P, Q):
        return getattr(fc, name)(fun, x, options.pop("v", V), args, **options)
    return getattr(fc, name)(fun, x, args, **options)


WRONG = [
    (ALL, {"device": "tpu"}, ValueError, "device must be 'auto', 'cpu', 'cuda' or 'cuda:1' and so on, got 'tpu'"),
    (ALL, {"device": 0}, ValueError, "device must be 'auto', 'cpu', 'cuda' or 'cuda:1' and so on, got 0"),
    (ALL, {"args": 1.0}, TypeError, r"args must be a tuple, got float; write \(1.0,\)"),
    (ALL, {"args": [1.0]}, TypeError, "args must be a tuple, got list"),
    (ALL, {"args": X}, TypeError, "args must be a tuple, got ndarray"),
    (ALL, {"args": (1, {})}, TypeError, r"args\[1\] must be a number, a string, an array or a tuple .*, got dict"),
    (ALL, {"args": (1, (2, {}))}, TypeError, r"args\[1\]\[1\] must be .*, got dict"),
    (ALL, {"args": (np.array(["a"]),)}, TypeError, r"args\[0\] must hold numbers, got dtype <U1"),
    (ALL, {"args": ([1, None],)}, TypeError, r"args\[0\] must hold numbers, got dtype object"),
    (ALL, {"args": ([[1], [1, 2]],)}, TypeError, r"args\[0\] must .* numbers"),
    (ALL, {"point_args": [np.ones(4)]}, TypeError, "point_args must be a tuple of arrays, got list"),
    (ALL, {"point_args": np.ones(4)}, TypeError, "point_args must be a tuple of arrays, got ndarray"),
    (ALL, {"point_args": 0}, TypeError, "point_args must be a tuple of arrays, got int"),
    (ALL, {"point_args": (np.ones(4), np.ones((5, 4)))}, ValueError,
     r"point_args\[1\] must have the leading shape of the points, \(4,\), got shape \(5, 4\)"),
    (ALL, {"point_args": (1.0,)}, ValueError, r"point_args\[0\] must have the leading shape .* got shape \(\)"),
    (ALL, {"point_args": (np.array(["a"] * 4),)}, TypeError, r"point_args\[0\] must hold numbers, got dtype <U1"),
    (ALL, {"point_args": ([[1], [1, 2], [1], [1]],)}, TypeError, r"point_args\[0\] must .* numbers"),
    (ALL, {"fun": 3}, TypeError, "fun must be callable, got 3 of type int"),
    (ALL, {"x": np.ma.array(X, mask=X > 0)}, TypeError, r"x must not be a masked array.* pass x.filled\(numpy.nan\)"),
    *[(ALL, {"args": (bad,)}, TypeError, r"args\[0\] must hold numbers of at most 64 bits, got dtype .*to float64")
      for bad in (np.longdouble(2), np.ones(2, np.longdouble), np.clongdouble(1)) if bad.itemsize > 8],
    *[(ALL, {"args": (bad,)}, TypeError, r"args\[0\] must hold numbers, got dtype")
      for bad in (np.datetime64("2020"), [2**70])],
    (ALL, {"args": (1.0, (2**70,))}, ValueError, r"args\[1\]\[0\] must be .* at most 64 bits, got 118.* a float"),
    (ALL, {"args": (np.ma.array([1.0], mask=[True]),)}, TypeError, r"args\[0\] must not be a masked array"),
    (ALL, {"point_args": (np.ma.ones(4),)}, TypeError, r"point_args\[0\] must not be a masked array"),
    (ALL, {"fun": None}, TypeError, "fun must be callable, got None"),
    (ALL, {"fun": math.sin}, TypeError, "fun must be a Python function.*def f"),
    (ALL, {"fun": np.sum}, TypeError, "fun must be a Python function"),
    (DIFFERENCES, {"method": "magic"}, ValueError, r"method must be one of \('auto', .*\), got 'magic'"),
    (DIFFERENCES, {"method": 3}, ValueError, "method must be one of .*, got 3"),
    (DIFFERENCES, {"method": ["central"]}, ValueError, r"method must be one of .*, got \['central'\]"),
    (DIFFERENCES, {"method": "forward", "order": 4}, ValueError, "order applies to method='central' only, got order=4"),
    (DIFFERENCES, {"order": 3}, ValueError, r"order must be one of \(2, 4, 6, 8\), got 3"),
    (DIFFERENCES, {"order": True}, ValueError, r"order must be one of .*, got True"),
    (DIFFERENCES, {"order": 2.0}, TypeError, r"order must be one of .*, got 2.0"),
    (DIFFERENCES, {"order": "2"}, TypeError, r"order must be one of .*, got '2'"),
    (DIFFERENCES, {"order": [2]}, TypeError, r"order must be one of .*, got \[2\]"),
    *[(DIFFERENCES, {step: bad}, ValueError, f"{step} must be positive and finite, got")
      for step in ("rel_step", "abs_step") for bad in (0.0, -1e-3, math.nan, math.inf, [1.0, 1.0, 1.0, 1.0, 0.0])],
    *[(DIFFERENCES, {step: bad}, ValueError, rf"{step} must be a number or an array of shape \(5,\), got")
      for step in ("rel_step", "abs_step") for bad in ("a", [1.0, 2.0], np.ones((2, 5)), 1j, {})],
    (DIFFERENCES, {"rel_step": 0.1, "abs_step": 0.1}, ValueError, "rel_step and abs_step exclude each other"),
    ((H, M, C), {"stencil": "9-point"}, ValueError, r"stencil must be one of \('economical', .*\), got '9-point'"),
    ((H, M, C), {"stencil": "4-point", "method": "forward"}, ValueError, "stencil applies to method='central' only"),
    *[(DIFFERENCES, {"noise": bad}, ValueError, "noise must be finite and not negative, got")
      for bad in (-1e-3, math.nan, math.inf, [1.0, 1.0, 1.0, -1.0])],
    (DIFFERENCES, {"noise": [1.0, 2.0]}, ValueError, r"noise must be a number or an array of shape \(4,\), got"),
    (DIFFERENCES, {"noise": "loud"}, ValueError, r"noise must be a number or an array of shape \(4,\), got 'loud'"),
    (DIFFERENCES, {"noise": {}}, ValueError, r"noise must be a number or an array of shape \(4,\), got {}"),
    (DIFFERENCES, {"bounds": (1, 0)}, ValueError, "bounds: lower must not exceed upper, got 1.0 and 0.0 for .* 0"),
    (DIFFERENCES, {"bounds": (0, [1, 1, -1, 1, 1])}, ValueError, "bounds: lower must not .* coordinate 2"),
    (DIFFERENCES, {"bounds": (0, math.nan)}, ValueError, "bounds: lower must not exceed upper, got 0.0 and nan"),
    *[(DIFFERENCES, {"bounds": bad}, ValueError, r"bounds must be \(lower, upper\) arrays, a .*Bounds or 5 pairs, got")
      for bad in (3, "ab", ([0, 0], [1, 1]), [(0, 1)] * 4, [(0, 1, 2)] * 5, ())],
    ((G, J, H, P), {"return_error": 1}, TypeError, "return_error must be True or False, got 1"),
    ((P,), {"v": V[:3]}, ValueError, r"v must have as many coordinates along its last .* as x, got .*\(3,\) and"),
    ((P,), {"v": 2.0}, ValueError, r"v must have as many coordinates .* as x, got shapes \(\) and \(4, 5\)"),
    ((P,), {"v": np.ones((3, 5))}, ValueError, r"v and x must broadcast in their leading axes, got .*\(3, 5\) and"),
    ((P,), {"v": np.ones((3, 2, 5))}, ValueError, r"v and x must broadcast in their leading axes, got .*\(3, 2, 5\)"),
    ((P,), {"v": V * 1j}, TypeError, "v must hold real numbers .*, got dtype complex128"),
    ((P,), {"v": [None] * 5}, TypeError, "v must hold real numbers .*, got dtype object"),
    ((H, P, M, C), {"grad": 3}, TypeError, "grad must be callable, got 3"),
    ((H, P, M, C), {"grad": fragile_gradient}, TypeError, "fun and grad must both be vectorized, or neither"),
    ((C,), {"extra": "hessian"}, ValueError, r"extra must be a tuple of names from \(.*\), got 'hessian'"),
    ((C,), {"extra": ("hessian", "index")}, ValueError, "extra must be a tuple of names from .*'index'"),
    ((C,), {"extra": 5}, ValueError, "extra must be a tuple of names from .*, got 5"),
    *[((C,), {"critical_tol": bad}, ValueError, "critical_tol must be a number of at least 0 or None, got")
      for bad in (-1.0, math.nan, "tight", [1.0, 2.0])],
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "error", "message"), [
    pytest.param(name, options, error, message, id=f"{name}-{next(reversed(options))}-{k}")
    for k, (names, options, error, message) in enumerate(WRONG) for name in names
])  # fmt: skip
def test_wrong_arguments_are_named_before_any_work(name, options, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call_by_name(name, **options)


def test_half_precision_arguments_are_those_of_double():
    for half in (np.float16(0.1), np.full((), 0.1, np.float16)):
        assert fc.value(lambda x, a: a * x[0], [3.0], (half,)) == 3.0 * float(np.float16(0.1))
    own = np.array([0.1, 0.2], np.float16)
    assert (fc.value(lambda x, a: a * x[0], [[1.0], [1.0]], point_args=(own,)) == own.astype(float)).all()


@pytest.mark.parametrize(
    ("fun", "options", "said"),
    [
        (fragile, {"order": 4}, "order cannot apply; leave it out"),
        (fragile, {"method": "central", "abs_step": 1e-3}, "method, abs_step cannot apply; leave it out"),
        (fragile, {"grad": fragile_gradient}, "grad cannot apply; leave it out"),
        (NEVER, {}, "never is no Python function of one point"),
    ],
)
def test_what_does_not_go_with_sparse_is_named(fun, options, said):
    with pytest.raises(ValueError, match=f"^sparse=True takes derivatives of fun by tracing it: {said}"):
        fc.hessian(fun, X, sparse=True, **options)


def test_wrong_arguments_of_read_outs():
    c = fc.curvature(fragile, X, extra=("hessian",))
    with pytest.raises(ValueError, match=r"^v must have 5 coordinates along its last axis, got shape \(4,\)"):
        c.along(np.ones(4))
    with pytest.raises(TypeError, match=r"^v must hold real numbers"):
        c.along(np.ones(5) * 1j)
    model = fc.quadratic_model(fragile, X)
    for call, name in ((c.along, "v"), (model, "y"), (model.decrease, "step")):
        with pytest.raises(ValueError, match=rf"^{name} must have 5 coordinates along its last axis, got shape \(\)"):
            call(0.1)
        with pytest.raises(ValueError, match=rf"^{name} must broadcast with points of .* \(4,\), got .*\(3,\)"):
            call(np.ones((3, 5)))
    for call in (c.direction_rates, c.predicted_change):
        with pytest.raises(ValueError, match=r"^step must broadcast with points of batch shape \(4,\), got .*\(3,\)"):
            call(np.ones(3))
        for bad in ("long", None, 1j):
            with pytest.raises(TypeError, match=r"^step must hold real numbers"):
                call(bad)
    for name in ("eigenvectors", "newton_step"):
        with pytest.raises(
            AttributeError, match=rf"{name} was not computed; call curvature\(..., extra=\('{name}',\)\)"
        ):
            getattr(c, name)
    with pytest.raises(AttributeError, match=r"Curvature has no field 'curl'"):
        c.curl  # noqa: B018  reading it raises
    with pytest.raises(ValueError, match=r"^subset must be None or 'extremes', got 'all'"):
        fc.eigvalsh(np.eye(3), subset="all")
    for bad in (0, -1, 2.0, "3"):
        with pytest.raises(ValueError, match=r"^batch_size must be a positive integer or None, got"):
            fc.vectorized(never, batch_size=bad)
    with pytest.raises(TypeError, match=r"^fun must be callable, got int"):
        fc.vectorized(3)


# ---- functions that are wrong, found out in plain Python


def returns_vector(x):
    return x


def returns_nothing(x):
    return ()


def returns_string(x):
    return "1"


def returns_ragged(x):
    return x[0], (x[1], 1.0)


def returns_matrix(x):
    return np.zeros((2, 2))


def reaches_too_far(x):
    return x[5]


def short_gradient(x):
    return x[:3]


def writes_to_x(x):
    x[0] = 0.0
    return x[1]


def writes_to_args(x, a):
    a += x
    return a[0]


def always_raises(x):
    raise ValueError("not " + "implemented")


def with_keywords(x, *, a=1.0, b):
    return a * x[0] + b


@pytest.mark.parametrize("call", [fc.value, fc.hessian, fc.explain])
def test_wrong_functions_say_what_to_do(call):
    x = np.array([1.0, 2.0])
    for function, args in ((writes_to_x, ()), (writes_to_args, (np.ones(2),))):
        with pytest.raises(
            ValueError, match=rf"^{function.__name__} must not write to x, nor .*; write to a copy, x.copy"
        ):
            call(function, x, args)
    with pytest.raises(TypeError, match=r"^with_keywords must have no keyword-only parameters, .* got a, b; move them"):
        call(with_keywords, x)
    message = r"^always_raises returns nothing on any path; at x = \[1. 2.\] it raised ValueError: not implemented"
    if call is fc.explain:
        assert re.search("none: " + message[1:], call(always_raises, x).method)
    else:
        with pytest.raises(fc.CompilationError, match=message):
            call(always_raises, x)


@pytest.mark.parametrize("x", [X, X[0]])
def test_wrong_functions(x):
    for name in set(ALL) - {J}:
        with pytest.raises(TypeError, match=r"returns_vector must return one real number.*use fastcurv.jacobian"):
            call_by_name(name, returns_vector, x)
        with pytest.raises(TypeError, match=r"returns_string must return one real number; .*'1' of type str"):
            call_by_name(name, returns_string, x)
    for fun in (fragile, returns_string, returns_matrix, returns_ragged):
        with pytest.raises(
            TypeError, match=f"{fun.__name__} must return a tuple, a list or a 1-D array of real numbers"
        ):
            fc.jacobian(fun, x)
    with pytest.raises(ValueError, match=r"returns_nothing returned no values .*; expected at least one"):
        fc.jacobian(returns_nothing, x)
    for name in ALL:
        with pytest.raises(IndexError) as caught:
            call_by_name(name, reaches_too_far, x)
        assert "reaches_too_far was evaluated in plain Python at x = " in caught.value.__notes__[0]
        with pytest.raises(TypeError, match=r"positional argument"):
            call_by_name(name, fragile, x, (1.0,))
    for name in (H, P, M, C):
        with pytest.raises(ValueError, match=r"^grad must return 5 values at points with 5 coordinates, got 3"):
            call_by_name(name, fragile, x, grad=short_gradient)
        with pytest.raises(TypeError, match=r"fragile must return a tuple, a list or a 1-D array"):
            call_by_name(name, fragile, x, grad=fragile)


def opens_a_file(x):
    with open(__file__) as file:  # noqa: PTH123  Numba is to meet `open` itself
        return x[0] + len(file.read())


def imports(x):
    import math

    return math.sin(x[0])


def test_imports_are_called_so():
    with pytest.raises(
        fc.CompilationError, match="imports cannot be compiled by Numba: it imports a module where it is"
    ):
        fc.value(imports, X)


def catches_one_kind(x):
    try:
        return math.log(x[0])
    except ValueError:
        return 0.0


def catches_all(x):
    try:
        if x[0] < 0.0:
            raise ValueError
        return x[0] ** 2
    except Exception:
        return 0.0


def of_scipy(x):
    return scipy.special.gammaln(x[0])


def of_an_ufunc_of_scipy(x):
    return expit(x[0])


@pytest.mark.parametrize(
    ("fun", "reason"),
    [
        (catches_one_kind, "of exceptions all are caught or none: write `except Exception:`"),
        (of_scipy, "SciPy is not compiled; math.erf, math.gamma and math.lgamma are"),
        (of_an_ufunc_of_scipy, "ufuncs that are not NumPy's are not compiled; math.erf"),
    ],
)
def test_what_numba_has_its_own_words_for(fun, reason):
    with pytest.raises(fc.CompilationError, match=f"{fun.__name__} cannot be compiled by Numba: {reason}"):
        fc.value(fun, X)


def test_all_exceptions_are_caught():
    assert fc.hessian(catches_all, [[2.0], [-2.0]]).ravel().tolist() == [2.0, 0.0]


def prints_nothing(x):
    return x[0] + len(str(open))


@pytest.mark.parametrize(
    ("call", "fun"), [(fc.value, opens_a_file), (fc.value, prints_nothing), (fc.curvature, prints_nothing)]
)
def test_what_does_not_compile_is_named_with_the_way_out(call, fun):
    with pytest.raises(fc.CompilationError) as caught:
        call(fun, X)
    for part in (fun.__name__, "test_bad_input.py, ", "line ", "vectorized"):
        assert part in str(caught.value)


def inverted_in_place(x, k):
    inverse = k.copy()
    inverse **= -1
    return x[0] ** 2 + inverse[0]


def test_a_second_type_of_arguments_may_not_compile():
    """Numba 0.68 raises an AttributeError at the power; NumPy, an OverflowError."""
    assert np.isnan(fc.value(inverted_in_place, X[0], (np.array([2]),)))
    message = r"inverted_in_place.*\n.*test_bad_input.py, line \d+: inverse \*\*= -1"
    with pytest.raises(fc.CompilationError, match=message):
        fc.value(inverted_in_place, X[0], (np.array([2], np.uint8),))


def of_several(x, *k):
    return k[0] * x[0] ** 2 + len(k)


def test_parameters_have_names():
    message = r"^of_several must have a parameter for each argument, got \*k; name them, or give one tuple"
    with pytest.raises(TypeError, match=message):
        fc.value(of_several, X, (3.0, 4.0))


def test_what_vectorized_functions_mask_is_not_a_number():
    f = fc.vectorized(lambda X: np.ma.log(X[:, 0]))
    np.testing.assert_array_equal(fc.value(f, [[1.0], [-3.0]]), [0.0, np.nan])
    assert np.isnan(fc.gradient(f, [[-3.0]])).all()
    assert fc.curvature(f, [[-3.0], [2.0]]).status.tolist() == [-3, 0]


def divided(x, k):
    return x[0] ** 2 * x[1] + 7 // k


def with_remainder(x, k):
    return x[0] ** 2 * x[1] + 7 % k


def with_both(x, k):
    return x[0] ** 2 * x[1] + divmod(7, k)[1]


def into_floats(x, k):
    return x[0] ** 2 * x[1] + 7 / k + 7.0 // k


@pytest.mark.parametrize("kind", [np.int64, np.uint16])
@pytest.mark.parametrize("fun", [divided, with_remainder, with_both, into_floats])
def test_division_of_integers_by_zero(fun, kind):
    """Integers have no infinity: the point raises, as in Python; quotients that are floats are IEEE's."""
    k = np.array([2, 0, 3, 0, 5], kind)
    x = np.array([3.0, 4.0])
    points = np.broadcast_to(x, (len(k), 2))
    is_float = fun is into_floats
    expected = [x[0] ** 2 * x[1] + (0.0 if is_float else fun(np.zeros(2), int(d))) if d else np.nan for d in k]
    for method in ("auto", "hyperdual", "central"):
        c = fc.curvature(fun, points, point_args=(k,), extra=["hessian"], method=method)
        good = k != 0
        # a trace has points' own integers for real numbers, whose remainder is NaN
        is_number = is_float or (fun is with_remainder and kind is np.int64 and method == "auto")
        assert (c.status == np.where(good, 0, -3 if is_number else -6)).all()
        if is_float:
            assert (c.value[~good] == np.inf).all()
        else:
            assert np.array_equal(c.value, expected, equal_nan=True)
        assert np.isnan(c.hessian[~good]).all()
        assert np.allclose(c.hessian[good], [[8.0, 6.0], [6.0, 0.0]], rtol=1e-5, atol=1e-4)
    assert np.array_equal(np.isnan(fc.value(fun, points, point_args=(k,))), ~good & (not is_float))


def whole_power(x, base, exponent):
    return x[0] ** 2 * x[1] + base**exponent


def whole_power_in_place(x, base, exponent):
    base **= exponent
    return x[0] ** 2 * x[1] + base


def whole_power_by_numpy(x, base, exponent):
    return x[0] ** 2 * x[1] + np.power(base, exponent)


def known_whole_power(x, base, exponent):
    return x[0] ** 2 * x[1] + (base**-2 if exponent < 0 else base**2)


@pytest.mark.parametrize("kind", [np.int64, np.int8])
@pytest.mark.parametrize("fun", [whole_power, whole_power_in_place, whole_power_by_numpy, known_whole_power])
def test_negative_powers_of_integers(fun, kind):
    """Python has fractions and NumPy an exception: those that are no integers raise, the others are what they are."""
    base = np.array([3, 0, -1, 1, 3, -1, 7, 0], kind)
    exponent = np.array([2, -2, -2, -2, -2, 2, -2, 2], kind)
    good = np.array([True, False, True, True, False, True, False, True])
    points = np.broadcast_to([3.0, 4.0], (len(base), 2))
    expected = np.where(good, 36.0 + base.astype(float) ** 2, np.nan)
    assert np.array_equal(fc.value(fun, points, point_args=(base, exponent)), expected, equal_nan=True)
    for method in ("auto", "hyperdual", "central"):
        c = fc.curvature(fun, points, point_args=(base, exponent), extra=["hessian"], method=method)
        assert np.array_equal(c.value, expected, equal_nan=True)
        assert (c.status == np.where(good, 0, -6)).all()
        assert np.isnan(c.hessian[~good]).all()
        assert np.allclose(c.hessian[good], [[8.0, 6.0], [6.0, 0.0]], rtol=1e-5, atol=1e-4)


def powers_of_wholes(x, base, exponent):
    return x[0] ** 2 * np.sum(base**exponent)


def powers_of_wholes_by_numpy(x, base, exponent):
    return x[0] ** 2 * np.sum(2 * np.power(base, exponent)) / 2


def powers_of_a_whole(x, base, exponent):
    return x[0] ** 2 * (base[0] ** exponent).sum()


@pytest.mark.parametrize("fun", [powers_of_wholes, powers_of_wholes_by_numpy, powers_of_a_whole])
def test_negative_powers_of_arrays_of_integers(fun):
    x, bases, exponents = np.full((3, 2), 2.0), np.array([[3, 2], [3, 3], [0, 0]]), np.array([[1, 2], [-1, 2], [2, -1]])
    first = 4.0 * fun(np.ones(2), bases[0], exponents[0])
    for method in ("auto", "hyperdual", "central"):
        c = fc.curvature(fun, x, point_args=(bases, exponents), method=method)
        assert c.status.tolist() == [0, -6, -6]
        assert np.array_equal(c.value, [first, np.nan, np.nan], equal_nan=True)
        each = [fc.curvature(fun, x[0], (b, e), method=method) for b, e in zip(bases, exponents, strict=True)]
        assert [int(one.status) for one in each] == [0, -6, -6]


def test_points_of_negative_powers_harm_no_others():
    x, exponent = np.ones((30, 2)), np.zeros(30, int)
    exponent[:20] = -2
    found = fc.value(whole_power, x, point_args=(np.full(30, 3), exponent))
    assert np.isnan(found[:20]).all()
    assert (found[20:] == 2.0).all()
    assert np.isnan(fc.value(whole_power, x[0], point_args=(np.int64(3), np.int64(-2))))
    assert np.isnan(fc.value(whole_power, x[0], (0, -1)))


def test_powers_of_integers_of_other_functions_are_left_alone():
    fc.value(whole_power, [1.0, 1.0], (2, 3))
    for power in (lambda x, k: x**k, lambda x, k: np.power(x, k), lambda x, k: x**-1 + 0 * k):
        assert numba.njit(power, error_model="numpy")(10, -1) == 0
        assert numba.njit(power)(10, -1) == 0


def test_noise_of_huge_and_tiny_values():
    def noisy(x, scale):
        return scale * (x[0] ** 2 + 1e-6 * math.sin(1e9 * x[0]))

    level = fc.estimate_noise(noisy, [1.0, 1.0], (1.0,))
    for exponent in (1000, -900):
        assert fc.estimate_noise(noisy, [1.0, 1.0], (2.0**exponent,)) == level * 2.0**exponent
