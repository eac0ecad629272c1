"""Functions made to fool a tracer: each is right, or refused with its reason and its line; see `fooling`."""

# ruff: noqa: PT017, RET503, SIM105

import copy
import importlib.util
import inspect
import itertools
import math
import re
import types

import numpy as np
import oracle
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from tracing import fooling
from tracing.fooling import FOOLS, REFUSED, RIGHT, TABLE

import fastcurv as fc
from fastcurv import tracing
from fastcurv._by_tracing import Version
from fastcurv._errors import TracingError
from fastcurv.tracing import Wanted, _program
from fastcurv.tracing._values import values

CASES = list(TABLE.values())
#: refusals of what a function returns, which no line of it raises
SAID_OF_RESULTS = "takes the place of a number"


def points(n):
    """Some at random, with coordinates of all signs, and some where conditions of simple numbers change."""
    rng = np.random.default_rng(n)
    signs = [np.resize(s, n) for s in ((1.0, 1.0, 1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, -1.0, -1.0))]
    special = itertools.product((-1.0, 0.0, 1.0), repeat=3)
    at_random = np.abs(rng.normal(size=(16, n))) * (signs * 4)
    return [*at_random, *(np.resize(p, n) for p in special)]


class Versions:
    """A function as it is traced for calls that follow each other, as `_by_tracing` keeps it."""

    def __init__(self, function, n, own=()):
        self.function, self.n, self.own, self.found = function, n, own, {}

    def traced(self, args):
        shared = tracing.flattened(args)
        versions = self.found.setdefault(tracing.others(args), [])
        version = next((version for version in versions if version.fits(shared)), None)
        if version is None:
            made = tracing.trace(self.function, self.n, args, self.own, again=len(versions) == 1)
            version = Version(made, shared)
            versions.append(version)
        return version.traced


def expected(function, x, args):
    """What Python gives; None where it raises for want of a value."""
    with np.errstate(all="ignore"):
        try:
            return np.atleast_1d(np.array(function(x.copy(), *copy.deepcopy(args)), float))
        except (ValueError, ZeroDivisionError, OverflowError):
            return None


def value(traced, x, args):
    leaves = {"x": x, "shared": tracing.flattened(args), "own": x}
    return np.array(values(traced.graph, traced.outputs, leaves), float)


def lines_of(function, seen=None):
    """Lines of a function and of what it calls, by file."""
    seen = {} if seen is None else seen
    function = inspect.unwrap(getattr(function, "py_func", function))
    if not isinstance(function, types.FunctionType) or function in seen:
        return seen
    lines, first = inspect.getsourcelines(function)
    seen[function] = (inspect.getsourcefile(function), range(first, first + len(lines)))
    for name in fooling.np.unique([*function.__code__.co_names]):
        called = function.__globals__.get(name)
        lines_of(called, seen)
        if isinstance(called, types.ModuleType):
            for attribute in (
                set(function.__code__.co_names) & vars(called).keys() if called is fooling.functions else ()
            ):
                lines_of(vars(called)[attribute], seen)
    return seen


def check_refusal(error, function):
    """A refusal names the function, the reason and the line, in the function or a helper."""
    text = str(error)
    assert text.startswith(f"{function.__qualname__} cannot be traced: ")
    if SAID_OF_RESULTS in text:
        return
    found = re.search(r"\n  at (.*?), line (\d+)", text)
    assert found, text
    assert any(file == found[1] and int(found[2]) in lines for file, lines in lines_of(function).values()), text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.function.__name__)
def test_values_are_those_of_python(case):
    versions = Versions(case.function, case.n)
    for args in case.calls:
        try:
            traced = versions.traced(args)
        except TracingError as error:
            assert case.asked != RIGHT, error
            check_refusal(error, case.function)
            continue
        assert case.asked != REFUSED
        for x in points(case.n):
            right, found = expected(case.function, x, args), value(traced, x, args)
            if right is None:
                assert not np.isfinite(found).all()
            else:
                scale = np.abs(right).max(where=np.isfinite(right), initial=1.0)
                np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-13 * scale, err_msg=f"at {x} of {args}")


def table_of(columns):
    """A table as code reads it: columns that grow evenly, and those that vary."""
    rows = np.arange(columns.count)[:, None]
    found = np.array([known or (0, 0) for known in columns.known], float).reshape(-1, 2)
    table = found[:, 0] + rows * found[:, 1]
    table[:, columns.varying] = columns.packed().reshape(columns.count, -1)
    return table


def run(program, x, shared, own=()):
    """The slots of a program, by the slow evaluator: what its machine code computes."""
    slots, inputs = np.zeros(program.slots), np.concatenate([x, own])
    with np.errstate(all="ignore"):
        for c in program.classes:
            tables, places = {kind: table_of(columns) for kind, columns in c.leaves.items()}, table_of(c.slots)
            for k in range(c.count):
                leaves = {kind: inputs[tables[kind][k].astype(int)] for kind in ("x", "own")}
                leaves["shared"] = shared[tables["shared"][k].astype(int)]
                leaves["table"] = tables["table"][k]
                np.add.at(slots, places[k].astype(int), np.array(values(c.graph, c.outputs, leaves), float))
    return slots


def derivatives(traced, x, shared, split=False):
    """Gradient, Hessian, Hessian times (1, 2, ..) and its quadratic form, each by its own program."""
    n, v = len(x), np.arange(1.0, len(x) + 1.0)
    g, H, product = np.zeros(n), np.zeros((n, n)), np.zeros(n)
    with pytest.MonkeyPatch.context() as patch:
        if split:
            patch.setattr(_program, "MAX_STRAIGHT", 0)
        made = tracing.program(traced, Wanted(first=True))
        slots = run(made, x, shared)
        for (_, i), slot in made.first.items():
            g[i] = slots[slot]
        made = tracing.program(traced, Wanted(second=True))
        slots = run(made, x, shared)
        for (i, j), slot in made.second.items():
            H[i, j] = H[j, i] = slots[slot]
        made = tracing.program(traced, Wanted(product=True, direction=n))
        slots = run(made, x, shared, v)
        for (_, i), slot in made.first.items():
            product[i] = slots[slot]
        made = tracing.program(traced, Wanted(form=True, direction=n))
        slots = run(made, x, shared, v)
        form = sum(slots[slot] for slot in made.first.values())
    return g, H, product, form


def differences(function, x, args):
    """Gradient and Hessian by differences; None near a kink, where two kinds of them disagree, or of no value."""

    def plain(y):
        found = expected(function, y, args)
        return math.nan if found is None else found[0]

    with np.errstate(all="ignore"):
        g, H = (f(plain, x, order=6) for f in (oracle.gradient, oracle.hessian))
        other_g, other_H = oracle.gradient(plain, x, order=4), oracle.hessian(plain, x, order=4)
        scale = 1.0 + abs(plain(x)) + np.abs(g).max() + np.abs(H).max()
        is_smooth = np.abs(g - other_g).max() < 1e-6 * scale and np.abs(H - other_H).max() < 1e-5 * scale
    return (g, H, scale) if is_smooth else None


def check_derivatives(traced, function, x, args, split):
    """Whether there are any, and all kinds of them are those of differences.

    Where a number on the way is infinite, as x / 0 is, derivatives need not be, and exact ones are NaN.
    """
    right, graph = differences(function, x, args), traced.graph
    numbers = values(graph, list(graph.needed(traced.outputs)), {"x": x, "shared": tracing.flattened(args)})
    if right is None or not np.isfinite(np.array(numbers, float)).all():
        return False
    g, H, scale = right
    v = np.arange(1.0, len(x) + 1.0)
    second = tracing.program(traced, Wanted(second=True)).second
    for i, j in itertools.combinations_with_replacement(range(len(x)), 2):
        assert (i, j) in second or abs(H[i, j]) < 1e-5 * scale, f"{i}, {j} is said to vanish"
    found = derivatives(traced, x, tracing.flattened(args), split)
    for got, want in zip(found, (g, H, H @ v, v @ H @ v), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * scale * len(x) ** 4, err_msg=f"at {x} of {args}")
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.function.__name__)
def test_derivatives_are_those_of_differences(case):
    versions = Versions(case.function, case.n)
    for args in case.calls:
        try:
            traced = versions.traced(args)
        except TracingError:
            continue
        if len(traced.outputs) == 1 and np.isfinite(tracing.flattened(args)).all() | (case.asked == RIGHT):
            for k, x in enumerate(points(case.n)[:4]):
                check_derivatives(traced, case.function, x, args, split=k % 2 == 1)


def test_points_are_such_that_derivatives_are_compared():
    compared = []
    for case in CASES:
        if case.asked == RIGHT:
            found = [differences(case.function, x, case.calls[-1]) is not None for x in points(case.n)[:4]]
            compared.append(any(found))
    assert np.mean(compared) > 0.9


def test_nothing_of_the_user_is_changed():
    """A trace writes to no list, dict, array or default of the user's."""
    numbers, nested, table = [0.0, 0.0], (np.zeros(2),), {"a": 0.0}

    def writes_to_a_list(x):
        numbers[0] = 2.0 * x[0]
        numbers.append(1.0)
        return numbers[0]

    def writes_into_a_tuple(x):
        nested[0][0] = 5.0
        return x[0] * nested[0][0]

    def writes_to_a_dict(x):
        table["a"] = x[0]
        return table["a"]

    def writes_to_a_default(x, work=np.zeros(2)):  # noqa: B008
        work[0] = 7.0
        return x[0] * work[0]

    def appends_to_a_default(x, found=[]):  # noqa: B006
        found.append(x[0])
        return found[0]

    for function in (
        writes_to_a_list, writes_into_a_tuple, writes_to_a_dict, writes_to_a_default, appends_to_a_default,
    ):  # fmt: skip
        try:
            tracing.trace(function, 3, ())
        except TracingError:
            continue
    assert (numbers, nested[0].tolist(), table) == ([0.0, 0.0], [0.0, 0.0], {"a": 0.0})
    assert (writes_to_a_default.__defaults__[0].tolist(), appends_to_a_default.__defaults__[0]) == ([0.0, 0.0], [])


def test_random_numbers_of_the_user_go_on():
    np.random.seed(3)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    try:
        tracing.trace(fooling.random_numbers, 3, ())
    except TracingError:
        pass
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def nothing(x):
    pass


def text(x):
    return "a"


def pair(x):
    return x[0], (x[1], x[2])


def matrix(x):
    return np.outer(x, x)


def nothing_on_one_side(x):
    if x[0] > 0.0:
        return x[1]


def complex_result(x):
    return 1j


@pytest.mark.parametrize("function", [nothing, text, pair, matrix, nothing_on_one_side, complex_result])
def test_results_that_are_no_numbers_are_refused(function):
    with pytest.raises(TracingError, match=f"{function.__name__} cannot be traced"):
        tracing.trace(function, 3, ())


def several(x):
    y = np.zeros(4, x.dtype)
    for i in range(3):
        if x[i] > 0.0:
            y[i] = x[i] * x[i - 1]
    y[3] = 2.0
    return y


def listed(x):
    return [x[0] * x[1], x[1] > 0.0, 3, x[2]]


def tuple_on_two_sides(x):
    if x[0] > 0.0:
        return x[0], x[1] * x[2]
    return x[2] ** 2, 1.0


def lengths_on_two_sides(x):
    if x[0] > 0.0:
        return [x[0]]
    return [x[1], x[2]]


view_returned = fooling._view_returned  # a function of two values


@pytest.mark.parametrize("function", [several, listed, tuple_on_two_sides, lengths_on_two_sides, view_returned])
def test_functions_of_several_values(function):
    try:
        traced = tracing.trace(function, 3, ())
    except TracingError:
        assert function in (lengths_on_two_sides, view_returned)
        return
    made = tracing.program(traced, Wanted(first=True))
    for x in points(3):
        np.testing.assert_allclose(value(traced, x, ()), expected(function, x, ()), rtol=1e-13)
    for x in points(3)[:8]:
        slots, J = run(made, x, np.zeros(0)), np.zeros((len(traced.outputs), 3))
        for (r, i), slot in made.first.items():
            J[r, i] = slots[slot]
        right = [oracle.gradient(lambda y, r=r: expected(function, y, ())[r], x, order=6) for r in range(len(J))]
        np.testing.assert_allclose(J, right, rtol=0, atol=1e-7)


def steered_by_condition(x, a):
    while a > 1.0:
        a -= 1.0
    return a * x[0]


def steered_by_index(x, k):
    return x[k] ** 2


def steered_by_range(x, k):
    s = 0.0
    for i in range(k):
        s += x[i]
    return s


def steered_by_division(x, k):
    return x[k // 2]


def chosen_by_a_point(x, a):
    return x[0] ** 2 * a if a > 0.0 else x[1] ** 3


def remainder_of_a_point(x, k):
    return x[0] ** 2 if k % 2 == 0 else x[1] ** 3


@pytest.mark.parametrize(
    ("function", "own"),
    [(steered_by_condition, 2.5), (steered_by_index, 1), (steered_by_range, 2), (steered_by_division, 2)],
)
def test_arguments_of_points_that_steer_are_refused(function, own):
    with pytest.raises(TracingError, match=", line "):
        tracing.trace(function, 3, (), (own,))


@pytest.mark.parametrize("function", [chosen_by_a_point, remainder_of_a_point])
def test_arguments_of_points_that_choose(function):
    traced = tracing.trace(function, 3, (), (1,))
    for x, a in itertools.product(points(3), (3, -1, 0, 2)):
        leaves = {"x": x, "shared": [], "own": [*x, a]}
        np.testing.assert_allclose(values(traced.graph, traced.outputs, leaves), function(x, a), rtol=1e-13)


def test_functions_without_source_are_right_or_refused():
    names = {}
    exec("def plain(x): return x[0] * abs(x[1])\ndef branch(x):\n if x[0] > 0: return x[1]\n return x[2]", names)
    traced = tracing.trace(names["plain"], 3, ())
    for x in points(3):
        np.testing.assert_allclose(value(traced, x, ()), names["plain"](x), rtol=1e-15)
    with pytest.raises(TracingError, match="line 3"):
        tracing.trace(names["branch"], 3, ())


# --- random programs

ATOMS = (
    "x[0]",
    "x[1]",
    "x[2]",
    "a",
    "b",
    "y[0]",
    "y[1]",
    "y[2]",
    "z[0]",
    "p",
    "q[0]",
    "q[1]",
    "k",
    "0.5",
    "1.25",
    "-2",
)
LOOPED = ("x[i]", "x[i - 1]", "x[(2 * i + k) % 3]", "y[i]", "y[(i + 1) % 3]", "q[i % 2]", "i")
FUNCTIONS = (
    "math.sin({})", "np.exp(-({})**2)", "np.tanh({})", "abs({})", "math.atan({})", "np.cos({})",
    "math.sqrt(1.5 + ({})**2)",
    "np.log(2.0 + abs({}))", "np.log({})", "np.sqrt({})", "(-({}))", "float({})", "np.sign({})", "round({})",
)  # fmt: skip
OPERATORS = (
    "({} + {})", "({} - {})", "({} * {})", "({} / (1.5 + abs({})))", "({} / {})", "min({}, {})", "max({}, {})",
    "np.maximum({}, {})", "(abs({}) + 0.5) ** np.tanh({})", "math.hypot({}, {} + 3.0)", "np.arctan2({}, 2.0 + {})",
    "({} % (1.0 + abs({})))",
)  # fmt: skip
COMPARISONS = (
    "{} < {}",
    "{} >= {}",
    "{} != {}",
    "0.0 < {} <= {}",
    "not {} > {}",
    "{} > 0.0 and {} < 1.0",
    "{} > 1.0 or {} < 0.0",
)


@st.composite
def expressions(draw, atoms, depth=3):
    kind = draw(st.integers(0, 5)) if depth else 0
    if kind <= 1:
        return draw(st.sampled_from(atoms))
    inner = [draw(expressions(atoms, depth - 1)) for _ in range(2)]
    if kind == 2:
        return draw(st.sampled_from(FUNCTIONS)).format(inner[0])
    if kind == 3:
        return f"({inner[0]}) ** {draw(st.sampled_from((0, 1, 2, 3, -1, 2.0, 'k')))}"
    if kind == 4:
        condition = draw(st.sampled_from(COMPARISONS)).format(*(draw(expressions(atoms, 1)) for _ in range(2)))
        return f"({inner[0]} if {condition} else {inner[1]})"
    return draw(st.sampled_from(OPERATORS)).format(*inner)


@st.composite
def statements(draw, atoms, depth=2):
    """Lines of a few statements."""
    lines = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.integers(0, 9 if depth else 5))
        expression = draw(expressions(atoms, 2))
        place = draw(
            st.sampled_from(("a", "b", "y[0]", "y[1]", "z[0]", *(("y[i]", "y[i - 1]") if "i" in atoms else ())))
        )
        if kind <= 2:
            lines.append(f"{place} = {expression}")
        elif kind == 3:
            lines.append(f"{place} {draw(st.sampled_from(('+=', '-=', '*=')))} {expression}")
        elif kind == 4:
            lines.append(
                draw(st.sampled_from(("z = y", "z = y[1:]", "y = y * 0.5", "y += x", "y[1:] = y[:2]", "z = y.copy()")))
            )
        elif kind == 5:
            lines.append("a, b = b, a")
        elif kind <= 7:
            condition = draw(st.sampled_from(COMPARISONS)).format(*(draw(expressions(atoms, 1)) for _ in range(2)))
            lines += [f"if {condition}:", *indented(draw(statements(atoms, depth - 1)))]
            if draw(st.booleans()):
                lines += ["else:", *indented(draw(statements(atoms, depth - 1)))]
            elif draw(st.booleans()):
                lines += ["    return a * b + y[0]"]
        else:
            bound = draw(st.sampled_from(("3", "len(x)", "k", "2")))
            lines += [f"for i in range({bound}):", *indented(draw(statements((*atoms, *LOOPED), 0)))]
    return lines


def indented(lines):
    return [f"    {line}" for line in lines]


@st.composite
def sources(draw):
    body = draw(statements(ATOMS))
    result = draw(expressions(ATOMS, 2))
    begin = ["a, b, y = x[0], x[1] * 0.5, x.copy()", "z = np.zeros(3)"]
    lines = [*begin, *body, f"return {result} + a * b + y[0] * y[1] - z[0]"]
    return "\n".join(["import math", "import numpy as np", "def function(x, p, q, k):", *indented(lines), ""])


COUNT = itertools.count()


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Source text as a function of a module that lies in a file, so that it is converted."""
    folder = tmp_path_factory.mktemp("programs")

    def load(source):
        name = f"program_{next(COUNT)}"
        (folder / f"{name}.py").write_text(source)
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.function

    return load


CALLS = ((0.75, np.array([1.5, -0.25]), 2), (-1.0, np.array([0.0, 2.0]), 1), (0.3, np.array([-0.5, 0.5]), 0))


# as they come: to make them smaller takes minutes
@settings(
    max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(source=sources())
def test_random_programs(imported, source):
    function = imported(source)
    versions = Versions(function, 3)
    for args in CALLS:
        try:
            expected(function, np.array([0.1, 0.2, 0.3]), args)
        except (TypeError, OverflowError):  # a complex number, for one
            assume(False)
        try:
            traced = versions.traced(args)
        except TracingError as error:
            assert ", line " in str(error)
            continue
        for x in points(3)[:16]:
            right, found = expected(function, x, args), value(traced, x, args)
            if right is not None and not (np.abs(right) > 1e12).any():
                np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-9)
        for k, x in enumerate(points(3)[:2]):
            check_derivatives(traced, function, x, args, split=k == 1)


# --- end to end

RNG = np.random.default_rng(5)
ANYWHERE = RNG.normal(size=(9, 3))
LEFT, RIGHT_SIDE = (np.abs(ANYWHERE) + 0.1) * [-1.0, 1.0, 1.0], np.abs(ANYWHERE) + 0.1
NEAR = 0.05 * RIGHT_SIDE
#: calls, of points and arguments, in an order in which what holds at first does not later
CALLS_OF = {
    "selects_in_a_sum": [(ANYWHERE, ())],
    "early_returns": [(RIGHT_SIDE, ()), (LEFT, ())],
    "logarithm_under_an_if": [(ANYWHERE, ())],
    "invalid_argument_on_the_other_side": [(ANYWHERE, (a,)) for a in (2.0, -1.0, math.nan)],
    "condition_on_a_real": [(ANYWHERE, (a,)) for a in (1.0, -1.0, 0.0, 2.0)],
    "integer_arithmetic": [(ANYWHERE, (k,)) for k in (5, -6, 1)],
    "table_of_indices": [(ANYWHERE, (np.array(p),)) for p in ([0, 2, 1, 1], [2, 2, 0, 1])],
    "bound_of_a_loop": [(ANYWHERE, (k,)) for k in (2, 0, 3)],
    "data_skipped": [(ANYWHERE, (np.array([1.0, math.nan, -2.0]),))] * 10,
    "member_of_a_set": [(ANYWHERE, (k,)) for k in (7, 1)],
    "member_of_a_dict": [(ANYWHERE, (k,)) for k in (7, 1)],
    "digits_compared": [(ANYWHERE, (k,)) for k in (12, 7)],
    "reciprocal_of_integers": [(ANYWHERE, (np.array(p),)) for p in ([1, 1], [2, 3])],
    "products_of_small_integers": [(ANYWHERE, (np.array(p, np.int8),)) for p in ([5, 1], [100, 100])],
    "products_of_single_precision": [(ANYWHERE, (np.array(p, np.float32),)) for p in ([5, 1], [0.1, 0.3])],
    "integer_part_or_else": [(NEAR, ()), (ANYWHERE, ())],
    "raised_and_caught": [(LEFT, ()), (RIGHT_SIDE, ())],
    "set_under_a_condition": [(RIGHT_SIDE, ()), (LEFT, ())],
    "iterator_under_a_condition": [(RIGHT_SIDE, ()), (LEFT, ())],
    "view_returned_on_both_sides": [(LEFT, ()), (RIGHT_SIDE, ())],
    "array_rebound_on_one_side": [(LEFT, ()), (RIGHT_SIDE, ())],
    "array_filled_under_conditions": [(RIGHT_SIDE, ()), (LEFT, ())],
    "chained_with_selects": [(RNG.normal(size=(9, 6)), ())],
    "over_edges": [(RNG.normal(size=(9, 6)), TABLE["over_edges"].calls[0])],
    **{
        name: [(RIGHT_SIDE, args) for args in TABLE[name].calls]
        for name in (
            "labels_as_numbers", "labels_as_a_vector", "labels_compared", "labels_that_choose", "functions_of_counts",
            "counts_of_loops", "integers_divided", "powers_of_counts", "sum_that_rounds", "negation_that_rounds",
            "zero_of_integers_has_no_sign", "large_integers", "integers_filled_with_integers",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS_OF)
def test_end_to_end(name):
    function, asked = TABLE[name].function, TABLE[name].asked
    for x, args in CALLS_OF[name]:
        try:
            H = fc.hessian(function, x, args, method="traced")
        except fc.CompilationError as error:
            assert asked == FOOLS, error
            assert str(error).startswith(function.__name__)
            continue
        try:
            right = fc.hessian(function, x, args, method="hyperdual")
        except fc.CompilationError:
            for point, found in zip(x, H, strict=True):
                if (by_differences := differences(function, point, args)) is not None:
                    np.testing.assert_allclose(found, by_differences[1], rtol=0, atol=1e-5 * by_differences[2])
            continue
        np.testing.assert_array_equal(np.isnan(H), np.isnan(right))
        np.testing.assert_allclose(H, right, rtol=0, atol=1e-10 * np.nanmax(np.abs(right), initial=1e-300))
        second = tracing.program(tracing.trace(function, x.shape[1], args), Wanted(second=True)).second
        vanishing = [(i, j) for i, j in np.ndindex(right.shape[1:]) if (min(i, j), max(i, j)) not in second]
        assert all((right[:, i, j] == 0.0)[np.isfinite(right[:, i, j])].all() for i, j in vanishing)


@pytest.mark.parametrize("name", ["root_of_the_negative", "selects_in_a_sum"])
def test_products_end_to_end(name):
    function, v = TABLE[name].function, np.array([1.0, -2.0, 3.0])
    for derivative in (fc.hvp, fc.vhv):
        found, right = (derivative(function, ANYWHERE, v, method=method) for method in ("traced", "hyperdual"))
        np.testing.assert_allclose(found, right, rtol=0, atol=1e-10 * np.abs(right).max())


def test_points_without_a_value_stay_alone():
    for name in ("selects_in_a_sum", "logarithm_under_an_if", "chained_with_selects"):
        function, (x, args) = TABLE[name].function, CALLS_OF[name][0]
        x = np.concatenate([x, x[::-1]])
        right = fc.hessian(function, x, args, method="traced")
        for bad in (math.nan, math.inf):
            spoilt = x.copy()
            spoilt[[3, 10], 1] = bad
            H = fc.hessian(function, spoilt, args, method="traced")
            rest = np.delete(np.arange(len(x)), [3, 10])
            np.testing.assert_array_equal(H[rest], right[rest])
            assert np.isnan(H[[3, 10]]).all()


def test_points_in_single_precision():
    x = ANYWHERE.astype(np.float32)
    H = fc.hessian(fooling.selects_in_a_sum, x, method="traced")
    right = fc.hessian(fooling.selects_in_a_sum, x.astype(np.float64), method="traced")
    assert H.dtype == np.float32
    np.testing.assert_allclose(H, right, rtol=0, atol=2.0 * np.finfo(np.float32).eps * np.abs(right).max())


def test_new_bindings_are_seen(monkeypatch):
    """Of globals, of attributes of modules, of closure values, of defaults, and of helpers."""
    OF_THE_USER.factor = 2.0
    weights, scale = np.array([1.0, 2.0]), 3.0

    def function(x, power=2):
        if scale > 0.0:
            return scale * weights[0] * x[0] ** power + OF_THE_USER.factor * MODULE_SCALE * helper(x[1], x[1])
        return x[2] ** 2

    def check(expected_diagonal):
        H = fc.hessian(function, [[1.5, 2.0, 0.5]], method="traced")[0]
        np.testing.assert_allclose(H, np.diag(expected_diagonal), rtol=1e-14)

    check([6.0, 4.0 * MODULE_SCALE, 0.0])
    OF_THE_USER.factor = 5.0
    check([6.0, 10.0 * MODULE_SCALE, 0.0])
    weights = np.array([4.0, 2.0])
    check([24.0, 10.0 * MODULE_SCALE, 0.0])
    function.__defaults__ = (3,)
    check([12.0 * 6.0 * 1.5, 10.0 * MODULE_SCALE, 0.0])
    monkeypatch.setitem(globals(), "MODULE_SCALE", 0.25)
    monkeypatch.setitem(globals(), "helper", lambda a, b: 3.0 * a * b)
    check([12.0 * 6.0 * 1.5, 7.5, 0.0])

    scale = -1.0
    check([0.0, 0.0, 2.0])


MODULE_SCALE, OF_THE_USER = 0.5, types.ModuleType("of_the_user")
helper = fooling._of_three


def test_new_bindings_in_a_module_of_a_closure_are_seen():
    """As of one that is imported where the function is made."""
    module = types.ModuleType("of_the_user")
    module.factor = 2.0

    def function(x):
        return module.factor * x[0] ** 2

    np.testing.assert_allclose(fc.hessian(function, [[1.5]], method="traced"), 4.0)
    module.factor = 5.0
    np.testing.assert_allclose(fc.hessian(function, [[1.5]], method="traced"), 10.0)


def test_a_function_that_cannot_be_traced_is_exact_by_numbers():
    x = ANYWHERE
    with pytest.raises(fc.CompilationError, match="line"):
        fc.hessian(fooling.break_on_x, x, method="traced")
    exact = fc.hessian(fooling.break_on_x, x, method="exact")
    np.testing.assert_array_equal(exact, fc.hessian(fooling.break_on_x, x, method="hyperdual"))


def test_a_refusal_for_some_arguments_is_not_one_for_others():
    """k = 0 divides by zero while it is traced."""
    with pytest.raises(fc.CompilationError):
        fc.hessian(divided, ANYWHERE, (0,), method="traced")
    np.testing.assert_allclose(fc.hessian(divided, ANYWHERE, (2,), method="traced")[:, 0, 0], 2.0 * 3)


def divided(x, k):
    return x[0] ** 2 * (7 // k)
