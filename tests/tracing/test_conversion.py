"""Functions traced once on symbols, evaluated at numbers, against the same functions run by Python at these numbers."""

# ruff: noqa: E701, E731, F821, F841, F842, RET504, RET505, RUF021, SIM108, SIM222, SIM223

import ast
import contextlib
import functools
import itertools
import linecache
import operator
import traceback
import types
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcurv.tracing._conversion import Hooks, converted
from fastcurv.tracing._rewriting import rewritten


class Refused(Exception):  # noqa: N818
    """A symbolic condition was asked for its value."""


class Symbol:
    """An expression: an operation and its operands, or the number of an argument."""

    def __init__(self, operation, *operands):
        self.operation, self.operands = operation, operands

    def __bool__(self):
        raise Refused

    __hash__ = object.__hash__


class Condition(Symbol):
    pass


def _method(operation, kind, swap=False):
    def method(self, other=None):
        operands = (self,) if operation in (operator.neg, operator.abs) else (self, other)
        return kind(operation, *(operands[::-1] if swap else operands))

    return method


for _name in ("add", "sub", "mul", "truediv", "neg", "abs"):
    setattr(Symbol, f"__{_name}__", _method(getattr(operator, _name), Symbol))
    setattr(Symbol, f"__r{_name}__", _method(getattr(operator, _name), Symbol, swap=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Symbol, f"__{_name}__", _method(getattr(operator, _name), Condition))


def select(condition, a, b):
    """Is not called: an expression of it evaluates the one side only, as Python does."""
    raise AssertionError


def evaluated(thing, x, known=None):
    known = {} if known is None else known
    if isinstance(thing, (list, tuple)):
        return type(thing)(evaluated(item, x, known) for item in thing)
    if isinstance(thing, dict):
        return {key: evaluated(item, x, known) for key, item in thing.items()}
    if isinstance(thing, np.ndarray):
        return [evaluated(item, x, known) for item in thing.tolist()]
    if not isinstance(thing, Symbol):
        return thing
    if thing not in known:
        if thing.operation is None:
            value = x[thing.operands[0]]
        elif thing.operation is select:
            condition, a, b = thing.operands
            value = evaluated(a if evaluated(condition, x, known) else b, x, known)
        else:
            value = thing.operation(*(evaluated(operand, x, known) for operand in thing.operands))
        known[thing] = value
    return known[thing]


def merge(condition, a, b):
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape:
        merged = np.empty(a.shape, object)
        for index in np.ndindex(a.shape):
            merged[index] = merge(condition, a[index], b[index])
        return merged
    if isinstance(a, (tuple, list)) and type(a) is type(b) and len(a) == len(b):
        return type(a)(merge(condition, p, q) for p, q in zip(a, b, strict=True))
    if isinstance(a, (Symbol, int, float)) and isinstance(b, (Symbol, int, float)):
        kind = Condition if all(isinstance(p, (Condition, bool)) for p in (a, b)) else Symbol
        return kind(select, condition, a, b)
    raise TypeError(f"{a!r} and {b!r} do not merge")


HOOKS = Hooks(
    is_symbolic=lambda condition: isinstance(condition, Condition),
    merge=merge,
    both=lambda a, b: Condition(lambda p, q: p and q, a, b),
    either=lambda a, b: Condition(lambda p, q: p or q, a, b),
    negation=lambda a: Condition(operator.not_, a),
    under=contextlib.nullcontext,
)


def twin(function, hooks=HOOKS):
    namespace = dict(function.__globals__)
    made = converted(function, namespace, function.__closure__ or (), hooks)
    namespace.update({name: made for name, value in namespace.items() if value is function})
    return made


def is_converted(function):
    return twin(function).__code__ is not function.__code__


def traced(function, arguments=2, hooks=HOOKS):
    return on_symbols(twin(function, hooks), arguments)


def on_symbols(function, arguments=2):
    return function(*(Symbol(None, k) for k in range(arguments)))


POINTS = list(itertools.product([-3, -1.5, -1, 0, 0.5, 1, 2, 4.25], repeat=2))


def check(function, points=POINTS):
    """One trace gives what Python does at every point; so does the twin at numbers."""
    made = twin(function)
    result = on_symbols(made)
    for x in points:
        expected = repr(evaluated(function(*x), x))
        assert repr(evaluated(result, x)) == expected, x
        assert repr(evaluated(made(*x), x)) == expected, x


def from_source(text, name, **namespace):
    """A function whose source is where `inspect` and tracebacks find that of a notebook's cell."""
    file = f"<cell {next(_cells)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), namespace)
    return namespace[name]


_cells = itertools.count()
CASES = []


def case(function):
    CASES.append(function)
    return function


def noted(tag):
    """A decorator with an argument; decorates as a closure that conversion does not see."""
    return lambda function: function


@case
def ternary(x, y):
    return x if x > 0 else -y


@case
def nested_ternaries(x, y):
    return (x if y > 1 else 2) if x > 0 else (3 if y < 0 else y)


@case
def ternary_that_guards(x, y):
    return 1 / x if x != 0 else y


@case
def assigns_both(x, y):
    if x > y:
        z = x - y
    else:
        z = y - x
    return z


@case
def assigns_one(x, y):
    z = y
    if x > 0:
        z = x
    return z


@case
def assigns_else_only(x, y):
    z = 7
    if x > 0:
        pass
    else:
        z = x * y
    return z


@case
def elif_chain(x, y):
    if x < -1:
        z = 1
    elif x < 0:
        z = 2
    elif x < 1:
        z = y
    else:
        z = 4
    return z


@case
def elif_without_else(x, y):
    z = 0
    if x < -1:
        z = 1
    elif y < 0:
        z = 2
    return z + x


@case
def nested_ifs(x, y):
    z = 0
    if x > 0:
        z = 1
        if y > 0:
            z = z + x
            if x > y:
                z = z * 2
        else:
            z = z - y
    else:
        if y > x:
            z = y
    return z


@case
def concrete_inside_symbolic(x, y):
    n = 3
    if x > 0:
        if n > 2:
            z = x
        else:
            z = undefined
    else:
        z = y
    return z


@case
def symbolic_inside_concrete(x, y):
    z = 1
    for k in range(4):
        if k % 2:
            if x > k:
                z += y
            else:
                z -= 1
        elif k > 2:
            z = undefined
    return z


@case
def swaps(x, y):
    if x > y:
        x, y = y, x
    return x - 2 * y


@case
def starred_targets(x, y):
    first, *rest = x, y, 3
    if x > 0:
        first, *rest = 3, y, x
    return first, rest[0], rest[1]


@case
def augmented(x, y):
    z = 1
    if x > 0:
        z += x
        z *= y
    else:
        z -= 1
    return z


@case
def reads_own_old_value(x, y):
    z = x
    if z > 0:
        z = z - 1
        w = z * 2
    else:
        w = z * 3
        z = w + 1
    return z, w


@case
def loop_with_if(x, y):
    z = 0
    for k in range(-2, 3):
        if x > k:
            z += k * y
    return z


@case
def loop_in_branch(x, y):
    z = 0
    if x > 0:
        for k in range(3):
            z += k * x
            if z > y:
                z -= y
    else:
        for k in range(2):
            z -= k
    return z, k


@case
def early_return(x, y):
    if x > 0:
        return y
    return x


@case
def early_returns(x, y):
    if x < -1:
        return 1
    z = x * 2
    if y < 0:
        return z
    z = z + y
    if z > 3:
        z = 3
    return z


@case
def nested_returns(x, y):
    if x > 0:
        if y > 0:
            return 1
        z = x + y
        if z > 0:
            return z
    else:
        return 4
    return z * 2


@case
def returns_in_elif(x, y):
    if x > 1:
        return 1
    elif y > 1:
        z = 5
    else:
        return 3
    return z + x


@case
def return_in_else(x, y):
    if x > 0:
        z = x
    else:
        return y
    z = z + 1
    return z


@case
def returns_on_all_paths(x, y):
    if x > 0:
        if y > 0:
            return x, y
        else:
            return y, 1
    else:
        return 0, 0


@case
def return_in_the_last_step_of_a_loop(x, y):
    for k in range(3):
        if k == 2:
            if x > 0:
                return y * k
            else:
                return k
    return None


@case
def return_in_with(x, y):
    with contextlib.nullcontext():
        if x > 0:
            return y
        return 2


@case
def if_in_try(x, y):
    try:
        if x > 0:
            z = y
        else:
            z = 1
    finally:
        y = 2
    return z + y


@case
def list_element(x, y):
    values = [1, x, y]
    if x > 0:
        values[0] = y
        values[2] += values[0]
    else:
        values[1] = 0
    return values


@case
def array_element(x, y):
    values = np.array([1, x, y], object)
    if x > 0:
        values[0] = y
        values[1:] *= 2
    return values, values.sum()


@case
def array_in_place(x, y):
    values = np.array([[1, x], [y, 2]], object)
    same = values
    if x > y:
        values += 1
    elif x > 0:
        values[:, 0] = values[:, 1]
    return same


@case
def loop_of_elements(x, y):
    values = [x, y, 1, 2]
    for k in range(3):
        if values[k] > values[k + 1]:
            values[k], values[k + 1] = values[k + 1], values[k]
    return values


@case
def list_of_lists(x, y):
    rows = [[1, 2], [x, y]]
    if x > 0:
        rows[0][1] = y
        row = rows[1]
        row[0] = 5
    return rows


@case
def list_through_another_name(x, y):
    values = [x, y]
    alias = values
    if x > 0:
        other = alias
        other[0] = 3
    alias[1] = 4
    return values


@case
def new_list_in_branch(x, y):
    if x > 0:
        values = [x]
        values.append(y)
    else:
        values = [y, 2]
    values.append(3)
    return values


@case
def list_of_a_nested_function(x, y):
    values = [1, 2]

    def put(k, value):
        values[k] = value

    if x > 0:
        put(0, y)
    else:
        put(1, x)
    return values


@case
def constants_in_a_typed_array(x, y):
    weights = np.array([1.5, 2.5])
    z = 0.0
    for k in range(2):
        if x > weights[k]:
            z += y * weights[k]
    return z


@case
def conjunction(x, y):
    return 1 if x > 0 and y > 0 else 0


@case
def disjunction(x, y):
    return 1 if x > 0 or y > 0 or x == y else 0


@case
def negation(x, y):
    return 1 if not x > 0 else (2 if not (y > 0 and not x > 1) else 3)


@case
def mixed_conditions(x, y):
    n = 3
    if n > 2 and x > 0 or (n < 0 and undefined):
        z = 1
    elif x > -1 and n:
        z = 2
    else:
        z = 3
    return z


@case
def values_of_and_and_or(x, y):
    return (0 or x), (0 and x), (1 and y), ([] or y), (None and undefined), (2 or undefined)


@case
def chained_comparison(x, y):
    return x if -1 < x <= y < 3 else y


@case
def chained_plain_comparison(x, y):
    a, b = 1, [1]
    return x if 0 < a < 3 else y, 0 < a > 5 < undefined, a in b != a is not None, 0 not in b == [1]


@case
def a_condition_is_a_value(x, y):
    found = x > 0
    if y > 0:
        found = found and x < 2
    return 1 if found else 2


@case
def lambdas(x, y):
    clip = lambda t: t if t > 0 else 0
    return clip(x) + (lambda s, *, t=y: s * t if s < t else s)(x)


@case
def comprehensions(x, y):
    values = [t if t > 0 else -k for k, t in enumerate([x, y])]
    return sum(v if 0 < v < 2 else 1 for v in values), [
        [u if x > k else v for u in values] for k, v in enumerate(values)
    ]


@case
def comprehension_over_a_ternary(x, y):
    return [v + 1 for v in ([x, y] if x > 0 else [y, 1])]


@case
def a_comprehension_binds_nothing(x, y):
    k = 5
    if x > 0:
        z = sum([k * y for k in range(3)])
    else:
        z = 1
    return z + k


@case
def lists_in_returned_tuples(x, y):
    terms = [1, 2]
    if x > 0:
        return terms, terms[0]
    terms[0] = y
    return terms, x


@case
def the_same_list_is_returned(x, y):
    terms = [y]
    if x > 0:
        return terms
    terms[0] = x
    return terms


@case
def nested_functions(x, y):
    def larger(a, b=y):
        if a > b:
            return a
        return b

    if x > 0:
        z = larger(x)
    else:
        z = larger(y, 1)
    return z


@case
def a_function_of_each_branch_is_called_in_it(x, y):
    if x > 0:

        def g(t):
            return t if t < y else y

        z = g(x)
    else:
        z = 0
    return z


@case
def recursion(x, y, n=3):
    if n == 0:
        return x
    z = recursion(x, y, n - 1)
    return z if z > y else z + 1


@case
@noted("one")
@noted(tag=lambda: 0)
def decorated(x, y):
    return x if x > y else y


@case
def defaults(x, y, a=3, *rest, b: float = 2, c=(1, 2), **more) -> float:
    if x > a:
        return y * b
    return c[0]


@case
def docstring(x, y):
    """Not code."""
    if x > 0:
        y = 1
    return y


@case
def walrus_in_a_test(x, y):
    if (z := x * y) > 1:
        y = z
    return y + z


@case
def walrus_in_a_branch(x, y):
    z = 1
    if x > 0:
        y = (z := x) + 1
    return y, z


@case
def expression_statement(x, y):
    if x > 0:
        abs(y)
        "text"
    return x


@case
def annotated_assignment(x, y):
    if x > 0:
        z: float = y
        w: float
    else:
        z: float = 1
    return z


@case
def unbound_and_not_read(x, y):
    if x > 0:
        t = x * y
        z = t + t
    else:
        z = 1
    return z


@case
def unbound_and_bound_again(x, y):
    if x > 0:
        t = x
    t = y
    if y > 0:
        t = 1
    return t


def _closure():
    scale, offset = 3, 1

    def closure(x, y):
        if x > offset:
            return scale * y
        return offset

    return closure


class Model:
    factor = 2

    def method(self, x, y):
        """Indented, with
        a docstring that is not."""
        if x > 0:
            return self.factor * y
        return (lambda: self.factor if y > 0 else 0)()


CASES.append(_closure())


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__qualname__)
def test_one_trace_serves_all_points(function):
    assert is_converted(function)
    check(function)


def test_method():
    made = twin(Model.method)
    result = made(Model(), Symbol(None, 0), Symbol(None, 1))
    for x in POINTS:
        assert evaluated(result, x) == made(Model(), *x) == Model().method(*x)


BRANCHES = {
    "while": "while False: pass",
    "break": "break",
    "continue": "continue",
    "raise": "raise ValueError(z)",
    "del": "del z",
    "try": "try: z = 1\n            finally: pass",
    "with": "with open('none'): pass",
    "assert": "assert z == 1",
    "import": "import math",
    "match": "match z:\n                case 1: pass",
    "return in a loop": "for z in range(2): return z",
    "return of nothing": "return",
    "return on one of two paths": "\n            if y > 0: return 1\n            z = 2",
    "attribute": "f.z = 1",
    "attribute's element": "f.z[0] = 1",
    "element of a result": "(lambda: [1])()[0] = 1",
}


@pytest.mark.parametrize("branch", BRANCHES.values(), ids=BRANCHES)
def test_what_is_not_converted_refuses_a_symbol_and_works_on_numbers(branch):
    source = f"""
def f(x, y):
    z = 1
    for k in range(2):
        if x > 0 or k:
            {branch}
        else:
            z = y if x < 0 else 4
    return z
"""
    function = from_source(source, "f")
    function.z = [0]
    made = twin(function)
    made.__globals__["f"] = function
    assert is_converted(function)
    with pytest.raises(Refused):
        traced(function)
    for x in POINTS:
        assert outcome(made, x) == outcome(function, x)


def outcome(function, x):
    try:
        return function(*x)
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize(
    "body",
    [
        "global z\n    z = 1\n    return 1 if x > y else 2",
        "z = 1\n    def g():\n        nonlocal z\n        z = 2\n    if x > y: g()\n    return z",
        "while x > y: x = y\n    return x",
        "assert x > y",
        "return [k for k in (1, 2) if x > k]",
        "return (z := 1) if x > y else 2",
        "return x > y and (z := 1)",
        "return 0 < x < (z := y)",
        "return len(locals()) if x > y else 2",
        "class A: pass\n    return 1 if x > y else 2",
    ],
)
def test_what_else_refuses_a_symbol(body):
    function = from_source(f"def f(x, y):\n    {body}\n", "f")
    with pytest.raises(Refused):
        traced(function)


def test_a_name_that_one_side_binds_is_unbound():
    def one_side(x, y):
        if x > 0:
            z = y
        return z

    def deleted(x, y):
        if x > 0:
            z = y
        del z
        return x

    def other_side(x, y):
        if x > 0:
            z = y
        elif z:
            w = 1
        return y

    for function in (one_side, deleted, other_side):
        with pytest.raises(UnboundLocalError, match="'z'"):
            traced(function)
    assert twin(one_side)(1, 2) == 2
    with pytest.raises(UnboundLocalError, match="'z'"):
        twin(one_side)(-1, 2)


def test_lists_keep_their_lengths():
    def appends(x, y):
        values = []
        if x > 0:
            values.append(y)
        return values

    def appends_elsewhere(x, y):
        values, put = [], lambda value: values.append(value)
        if x > 0:
            y = 1
        else:
            put(y)
        return values

    def appends_in_an_expression(x, y):
        values = [1]
        return values.append(x) if x > 0 else values

    def pops_from_a_nested_list(x, y):
        values = ([x, y], 1)
        x > 0 and values[0].pop()
        return values

    def adds_to(x, y):
        values = [x]
        if x > 0:
            values += [y]
        return values

    def returns_it(x, y):
        values = [x]
        if x > 0:
            return values, 1
        values.append(y)
        return values, 2

    def is_given_it(x, y, values=[]):  # noqa: B006
        if x > 0:
            return 1
        values.append(y)
        return y

    with pytest.raises(TypeError, match="a list changes its length"):
        traced(returns_it)
    with pytest.raises(TypeError, match="a list changes its length"):
        traced(is_given_it)
    for function in (appends, appends_elsewhere, appends_in_an_expression, pops_from_a_nested_list, adds_to):
        with pytest.raises(TypeError, match="a list changes its length under a condition that depends on x"):
            traced(function)
        assert twin(function)(1, 2) == function(1, 2)


TABLE = [1, 2]


def test_lists_beyond_the_function_change_as_its_own():
    held = [3, 4]

    def function(x, y):
        if x > 0:
            TABLE[0] = y
            held[1] = x
        return TABLE[0] * held[1]

    def appends(x, y):
        if x > 0:
            TABLE.append(y)
        return 1

    result = traced(function)
    table, contents = list(TABLE), list(held)
    TABLE[:], held[:] = [1, 2], [3, 4]
    for x in [(1, 5), (-1, 5)]:
        expected = function(*x)
        assert (evaluated(table, x), evaluated(contents, x), evaluated(result, x)) == (TABLE, held, expected)
        TABLE[:], held[:] = [1, 2], [3, 4]
    with pytest.raises(TypeError, match="length"):
        traced(appends)
    TABLE[:] = [1, 2]


def test_what_cannot_hold_symbols_is_refused():
    def typed(x, y):
        values = np.zeros(2)
        if x > 0:
            values[0] = 1
        return values

    def other(x, y):
        values = {0: 1}
        if x > 0:
            values[0] = y
        return values

    with pytest.raises(TypeError, match="an array of float64 cannot hold what depends on x"):
        traced(typed)
    with pytest.raises(TypeError, match="an element of a dict is set under a condition that depends on x"):
        traced(other)
    assert twin(other)(1, 2) == {0: 2}


def test_lambdas_on_one_line():
    pair = (lambda x, y: x if x > y else 1, lambda x, y: x if x > y else 2, lambda x, y: y if x > y else 1)
    same = [lambda x, y: x if x > y else y, lambda x, y: x if x > y else y]
    by_default = lambda x, y, key=lambda t: t if t > 1 else 2: key(x) if y > 0 else key(y)
    for function in (*pair, *same, by_default):
        assert is_converted(function)
    for function in (*pair, *same):
        check(function)
    assert evaluated(traced(by_default.__defaults__[0], 1), (3,)) == 3
    assert evaluated(on_symbols(functools.partial(twin(by_default), key=abs)), (-3, 1)) == 3


def test_source_that_is_not_there():
    namespace = {}
    exec("def f(x, y):\n    return x if x > y else y\ng = lambda x, y: x if x > y else y", namespace)
    for function in (namespace["f"], namespace["g"]):
        assert not is_converted(function)
        assert twin(function)(1, 2) == 2
        with pytest.raises(Refused):
            traced(function)


def test_generators_stay_as_they_are():
    def generator(x, y):
        yield x if x > y else y

    def nested(x, y):
        def items():
            if x > 0:
                yield y

        return list(items())

    assert not is_converted(generator)
    assert list(twin(generator)(1, 2)) == [2]
    assert twin(nested)(1, 2) == [2]
    with pytest.raises(Refused):
        traced(nested)


@pytest.mark.parametrize(
    "edited",
    [
        "def f(x, y):\n    return x if x > y else y + 1\n",
        "def f(x, y):\n    return x if x > 1 else y\n",
        "def f(x, y):\n    return x if x > 0.0 else y\n",
        "\ndef f(x, y):\n    return x if x > 0 else y\n",
        "def f(x, y):\n    return x if x > 0 else (\n",
        "",
    ],
)
def test_source_edited_since(tmp_path, edited):
    file = tmp_path / "module.py"
    file.write_text(source := "def f(x, y):\n    return x if x > 0 else y\n")
    exec(compile(source, str(file), "exec"), namespace := {})
    assert is_converted(namespace["f"])
    file.write_text(edited)
    assert not is_converted(namespace["f"])


def test_the_twin_has_the_name_and_defaults_of_the_function():
    made = []

    def recorded(value):
        made.append(value)
        return value

    def function(x, y=recorded(2), *, z: recorded("annotation") = recorded(3)):  # noqa: B008
        def inner(t):
            return t

        return (x if x > 0 else y + z), inner

    known = list(made)
    found = twin(function)
    assert made == known
    assert found(-1)[0] == 5
    assert (found.__name__, found.__qualname__) == (function.__name__, function.__qualname__)
    assert found(1)[1].__qualname__ == function(1)[1].__qualname__
    assert found.__code__.co_qualname == function.__code__.co_qualname
    assert found.__kwdefaults__ == {"z": 3}
    with pytest.raises(TypeError, match=r"function\(\) missing 1 required positional argument: 'x'"):
        found()


def test_cells_and_globals_are_those_given():
    scale = 2

    def function(x, y):
        return scale * x if x > LIMIT else offset

    offset = 1
    names = function.__code__.co_freevars
    cells = tuple(types.CellType({"scale": 5, "offset": 7}[name]) for name in names)
    made = converted(function, {"LIMIT": 10}, cells, HOOKS)
    assert (made(11, 0), made(9, 0)) == (55, 7)
    assert (scale, offset) == (2, 1)


def test_tracebacks_show_the_lines_of_the_source():
    def function(x, y):
        # a comment
        if x > 0:
            z = y

            z = z / 0
        return z

    def in_an_expression(x, y):
        return (
            y
            if x > 0
            else y
            / [][0]
        )  # fmt: skip

    for broken, offset in ((function, 5), (in_an_expression, 5)):
        with pytest.raises((TypeError, ZeroDivisionError, IndexError)) as caught:
            twin(broken)(1 if broken is function else -1, 1)
        frames = traceback.extract_tb(caught.value.__traceback__)
        assert (frames[-1].filename, frames[-1].lineno - broken.__code__.co_firstlineno) == (__file__, offset)
        assert linecache.getline(__file__, frames[-1].lineno).strip() == frames[-1].line
    assert twin(function).__code__.co_firstlineno == function.__code__.co_firstlineno


class Log:
    """Hooks that note which conditions are entered and left."""

    def __init__(self):
        self.entries, self.open = [], []
        self.hooks = HOOKS._replace(under=self.under)

    @contextlib.contextmanager
    def under(self, condition):
        self.open.append(condition)
        try:
            yield
        except BaseException as error:
            self.entries.append(type(error).__name__)
            raise
        finally:
            self.open.pop()

    def note(self, what, x):
        self.entries.append((what, [evaluated(condition, x) for condition in self.open]))


def test_branches_are_entered_under_their_conditions():
    log = Log()
    x = (1, -1)

    def function(a, b):
        if a > 0:
            log.note("body", x)
            z = log.note("nested", x) if b > 0 else log.note("nested else", x)
        else:
            log.note("else", x)
            z = None
        a > 0 and log.note("and", x)
        a > 0 or log.note("or", x)
        log.note("after", x)
        return z

    hooks = log.hooks._replace(merge=lambda *_: 0, both=lambda a, b: a, either=lambda a, b: a)
    traced(function, 2, hooks)
    assert log.entries == [
        ("body", [True]),
        ("nested", [True, False]),
        ("nested else", [True, True]),
        ("else", [False]),
        ("and", [True]),
        ("or", [False]),
        ("after", []),
    ]


def test_an_exception_closes_branches_and_may_not_be_caught_beyond_them():
    log = Log()

    def fails(x, y):
        for k in range(2):
            if x > 0:
                if y > k:
                    z = 1 / k
                else:
                    z = 2
            else:
                z = 3
        return z

    def catches(x, y):
        try:
            if x > 0:
                z = [][0]
            else:
                z = 1
        except IndexError:
            z = 2
        return z

    with pytest.raises(ZeroDivisionError):
        traced(fails, 2, log.hooks)
    assert log.entries == ["ZeroDivisionError"] * 2
    with pytest.raises(TypeError, match="an exception is caught"):
        traced(catches, 2, log.hooks)
    assert not log.open
    assert twin(catches)(1, 2) == 2


def test_a_choice_keeps_nothing_of_those_before():
    def counting(x, y):
        for k in range(5):
            held = Symbol(None, k)
            seen.add(held)
            if x > k:
                y += 1
            most.append(len(seen))
        return y

    seen, most = weakref.WeakSet(), []
    traced(counting)
    assert max(most) <= 2


def test_python_evaluates_as_always():
    """On numbers: what is evaluated, in which order, and how often something is asked for its truth."""

    def function(note):
        if note(0) or note(1) and note(2):
            note("body")
        elif not note(0):
            note("else")
        a = note("x") if note(0) else note("y")
        b = note(1) < note(2) < note(0) < note(5)
        return a, b, note(0) and note(1), note(0) or note([]) or note("last")

    def run(called):
        seen = []

        class Value:
            def __init__(self, value):
                self.value = value

            def __bool__(self):
                seen.append(("bool", self.value))
                return bool(self.value)

            def __lt__(self, other):
                seen.append((self.value, "<", other.value))
                return Value(self.value < other.value)

        def note(value):
            seen.append(value)
            return Value(value)

        return [part.value for part in called(note)], seen

    assert is_converted(function)
    assert run(twin(function)) == run(function)


def nest(depth):
    """A function of ifs inside each other: a marked statement in each side of each."""
    text = ["def f(x, y):", "    z = 0"]
    for level in range(depth):
        text += [f"{'    ' * (level + 1)}if x > {level}:", f"{'    ' * (level + 2)}z += {1000 + level}"]
    for level in reversed(range(depth)):
        text += [f"{'    ' * (level + 1)}else:", f"{'    ' * (level + 2)}z -= {2000 + level}"]
    return "\n".join([*text, "    return z", ""])


def test_one_copy_of_each_statement():
    source = nest(15)
    text = ast.unparse(rewritten(ast.parse(source).body[0]))
    for level in range(15):
        assert text.count(f"z += {1000 + level}") == text.count(f"z -= {2000 + level}") == 1
    check(from_source(source, "f"), [(k / 2, 0) for k in range(-1, 40)])


def test_long_chains():
    """Python has room for 20 blocks inside each other, which `elif`s are."""
    steps = [f"    {'el' if k else ''}if x < {k}:\n        z = {k} * y\n" for k in range(60)]
    chain = from_source(f"def f(x, y):\n{''.join(steps)}    else:\n        z = y\n    return z\n", "f")
    returns = [f"    if x < {k}: return {k} * y\n    y += 1\n" for k in range(60)]
    returning = from_source(f"def f(x, y):\n{''.join(returns)}    return y\n", "f")
    for function in (chain, returning):
        assert is_converted(function)
        check(function, [(k / 2, 3) for k in range(-1, 125)])


numbers = st.integers(-3, 3).map(str)
names = st.sampled_from(["x", "y", "a", "b"])
elements = st.builds("u[{}]".format, st.integers(0, 2)) | st.builds("w[{}]".format, st.integers(-2, 1))
operands = st.one_of(numbers, names, elements)
comparisons = st.builds("{} {} {}".format, operands, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), operands)
conditions = st.recursive(
    comparisons | st.builds("{} < {} <= {}".format, operands, operands, operands),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("(not {})".format, inner)
    ),
    max_leaves=3,
)
expressions = st.recursive(
    operands,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner)
        | st.builds("({} if {} else {})".format, inner, conditions, inner)
    ),
    max_leaves=4,
)


def block(statements):
    return st.lists(statements, min_size=1, max_size=3).map(lambda parts: [line for part in parts for line in part])


def indented(lines):
    return ["    " + line for line in lines]


assignments = st.builds(
    lambda target, sign, value: [f"{target} {sign}= {value}"],
    names | elements,
    st.sampled_from(["", "+", "-"]),
    expressions,
)
pairs = st.builds(lambda p, q, value: [f"{p}, {q} = {value}, {p}"], names, elements, expressions)
returned = st.builds(lambda value: [f"return {value}, y, a, b, u, w"], expressions)


def compound(inner):
    ifs = st.builds(
        lambda test, body, orelse: [f"if {test}:", *indented(body), *(["else:", *indented(orelse)] if orelse else [])],
        conditions,
        block(inner),
        st.just([]) | block(inner),
    )
    loops = st.builds(lambda k, body: [f"for k in range({k}):", *indented(body)], st.integers(0, 2), block(inner))
    return ifs | loops


def programs(*leaves):
    statements = st.recursive(st.one_of(assignments, pairs, *leaves), compound, max_leaves=6)
    return st.lists(block(statements), min_size=1, max_size=3).map(
        lambda blocks: "\n    ".join(
            [
                "def f(x, y):",
                "a, b, u, w = 1, y, [x, 2, 3], array([y, 1], object)",
                *(line for lines in blocks for line in lines),
                "return x, y, a, b, u, w\n",
            ]
        )
    )


INTEGERS = list(itertools.product([-2, 0, 1, 3], repeat=2))


@settings(max_examples=50, deadline=None)
@given(programs())
def test_random_programs(source):
    check(from_source(source, "f", array=np.array), INTEGERS)


@settings(max_examples=50, deadline=None)
@given(programs(returned))
def test_random_programs_that_return(source):
    """They refuse, or give what Python does."""
    function = from_source(source, "f", array=np.array)
    made = twin(function)
    try:
        result = on_symbols(made)
    except Refused:
        result = None
    for x in INTEGERS:
        expected = repr(evaluated(function(*x), x))
        assert repr(evaluated(made(*x), x)) == expected
        assert result is None or repr(evaluated(result, x)) == expected
