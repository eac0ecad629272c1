"""Identity, compilation with helpers, the memo, the disk cache, and what is said where compilation fails."""

import functools
import gc
import importlib
import math
import os
import subprocess
import sys
import textwrap
import weakref
from collections import namedtuple
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import njit, types, vectorize
from scipy.interpolate import CubicSpline

import fastcurv as fc
from fastcurv._plan import Plan
from fastcurv.backends import _kernels, _templates
from fastcurv.function import _cache as cache
from fastcurv.function import _compile, digest, user_function

SCALE = 2.0


def helper(t):
    return SCALE * t * t


def with_helper(x):
    return helper(x[0]) + x[1]


def factorial_like(k):
    if k <= 1:
        return 1.0
    return k * factorial_like(k - 1)


def recursive(x):
    return factorial_like(4) * x[0] * x[0]


def test_undecorated_helpers_are_compiled():
    assert fc.value(with_helper, [3.0, 1.0]) == 19.0
    assert fc.value(recursive, [3.0]) == 216.0
    inner = njit(helper)

    def closure(x):
        return inner(x[0]) + math.sin(0.0)

    assert fc.value(closure, [3.0]) == 18.0


def test_parameters_with_defaults():
    def f(x, a=2.0, b=(1.0, 3.0)):
        return a * x[0] ** 2 + b[1] * x[1]

    def g(x, scale=2.0):
        return (scale * x[0], x[1])

    assert fc.value(f, [3.0, 1.0]) == 21.0
    assert fc.value(f, [3.0, 1.0], args=(1.0,)) == 12.0
    assert fc.value(f, [[3.0, 1.0]], point_args=([5.0],)) == 48.0
    np.testing.assert_allclose(fc.hessian(f, [3.0, 1.0]), [[4, 0], [0, 0]], atol=1e-5)
    np.testing.assert_allclose(fc.curvature(f, [3.0, 1.0]).eigenvalues, [0, 4], atol=1e-5)
    np.testing.assert_allclose(fc.jacobian(g, [3.0, 1.0]), [[2, 0], [0, 1]], atol=1e-8)


def test_helpers_in_modules(tmp_path, monkeypatch):
    (tmp_path / "inner_module.py").write_text("def g(t):\n    return h(t) + 1.0\n\ndef h(t):\n    return 2.0 * t\n")
    monkeypatch.syspath_prepend(tmp_path)
    inner_module = importlib.import_module("inner_module")

    def fun(x):
        return inner_module.g(x[0])

    assert fc.value(fun, [3.0]) == 7.0


def test_a_package_whose_name_begins_as_ours_is_not_ours():
    """Its functions may be written anew under their names, so kernels cannot share what is compiled of them."""
    namespace = {}
    exec(compile("def fun(x):\n    return x[0]\n", f"{Path(fc.__file__).parent}_more/module.py", "exec"), namespace)
    assert not _compile._is_shared(namespace["fun"])
    assert _compile._is_shared(fc.landscapes.himmelblau)


def make(c):
    return lambda x: c * x[0]


def test_digest_tells_functions_apart():
    assert digest(make(2.0)) == digest(make(2.0))
    assert digest(make(2.0)) != digest(make(3.0))
    assert digest(make(0.0)) != digest(make(-0.0))
    assert digest(make(1)) != digest(make(1.0))
    assert digest(make(np.ones(3))) != digest(make(np.zeros(3)))
    assert digest(make(np.ones(3))) != digest(make(np.ones((3, 1))))
    assert digest(make(object())) is None
    assert digest(fc.vectorized(len)) is None


def as_sum(c):
    @functools.wraps(np.sum)
    def fun(x):
        return c * x[0] ** 2

    return fun


def squared(c):
    @vectorize
    def fun(t):
        return c * t * t

    return fun


def method_of(c):
    return CubicSpline([0.0, 1.0, 2.0], [0.0, c, 0.0]).derivative


def scaled(c, *, keyword):
    def fun(x, *, scale=c):
        return scale * x[0]

    return fun if keyword else lambda x, scale=c: scale * x[0]


def with_twice(c):
    class Pair(NamedTuple):
        a: float

        def times(self):
            return c * self.a

    return Pair(1.0)


RECORD = np.zeros(1, [("a", float), ("b", float)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (as_sum(1.0), as_sum(7.0)),
        (make(as_sum(1.0)), make(as_sum(7.0))),
        (make(np.sum), make(as_sum(1.0))),
        (make(squared(1.0)), make(squared(7.0))),
        (make(method_of(1.0)), make(method_of(7.0))),
        (make(np.vectorize(make(1.0))), make(np.vectorize(make(7.0)))),
        (make(type("sum", (), {"__module__": "numpy"})), make(type("sum", (), {"__module__": "numpy"}))),
        (make(namedtuple("Pair", "a b")(1.0, 2.0)), make(namedtuple("Pair", "b a")(1.0, 2.0))),
        (make(namedtuple("tuple", "a b")(1.0, 2.0)), make((1.0, 2.0))),
        (make(with_twice(1.0)), make(with_twice(7.0))),
        (make(RECORD), make(RECORD.view([("b", float), ("a", float)]))),
        (make(RECORD[0]), make(RECORD.view([("b", float), ("a", float)])[0])),
        (make(np.ma.array([1.0], mask=[True])), make(np.ma.array([1.0], mask=[False]))),
        (scaled(1.0, keyword=True), scaled(7.0, keyword=True)),
        (scaled(1.0, keyword=False), scaled(7.0, keyword=False)),
    ],
)
def test_digest_tells_apart_what_has_the_same_name(one, other):
    assert user_function(one).key != user_function(other).key


def test_what_libraries_have_is_named_in_digests():
    for thing in (np.sum, np.sin, np.linalg.norm, math.sin, np.random.rand, np.float64, ValueError, len, np.ones(2)):
        assert digest(make(thing)) is not None
    assert digest(make(namedtuple("Pair", "a b")(1.0, 2.0))) == digest(make(namedtuple("Pair", "a b")(1.0, 2.0)))


def test_functions_with_a_librarys_name_have_their_own_values():
    assert [fc.value(as_sum(c), [2.0]) for c in (1.0, 7.0)] == [4.0, 28.0]
    assert [fc.hessian(as_sum(c), [2.0])[0, 0] for c in (1.0, 7.0)] == [2.0, 14.0]
    helper = as_sum(3.0)
    assert fc.value(lambda x: helper(x), [2.0]) == 12.0
    first, second = (namedtuple("Pair", names)(1.0, 2.0) for names in ("a b", "b a"))
    assert [fc.value(lambda x, p=p: p.a * x[0], [1.0]) for p in (first, second)] == [1.0, 2.0]


def test_defaults_of_keyword_only_parameters_are_watched():
    fun = scaled(2.0, keyword=True)
    before = digest(fun)
    fun.__kwdefaults__ = {"scale": 5.0}
    assert digest(fun) != before


def test_digest_follows_helpers_defaults_and_globals(monkeypatch):
    before = digest(with_helper)
    assert digest(njit(with_helper)) == before
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 5.0)
    assert digest(with_helper) != before
    assert fc.value(with_helper, [3.0, 1.0]) == 46.0
    monkeypatch.undo()
    assert digest(with_helper) == before
    assert fc.value(with_helper, [3.0, 1.0]) == 19.0


def test_functions_read_attributes_of_their_own_of_one_module():
    """Each is in the digest, and in the modules that stand in for it, also in modules that hold each other."""
    settings, inner = types_module("settings", a=1.0, b=2.0), types_module("inner", c=3.0, d=4.0)
    settings.inner, inner.outer = inner, settings

    def helper(t):
        return settings.b * t * t * settings.inner.d

    def fun(x):
        return settings.a * x[0] ** 2 * settings.inner.c + helper(x[0])

    for owner, name in ((None, ""), (settings, "a"), (settings, "b"), (inner, "c"), (inner, "d")):
        before = digest(fun)
        if owner is not None:
            setattr(owner, name, 10.0)
            assert digest(fun) != before
        expected = 2 * fun([1.0])
        for method in ("auto", "hyperdual", "central"):
            assert fc.hessian(fun, [1.0], method=method)[0, 0] == pytest.approx(expected, rel=1e-6)


def types_module(name, **attributes):
    module = ModuleType(name)
    vars(module).update(attributes)
    return module


def test_arrays_are_known_as_they_were_at_the_first_call():
    """Also to what is compiled later, which is found on disk by the digest of that time."""
    arrays = [np.array([1.0, 2.0]) for _ in range(4)]
    pair, settings = (1.0, (arrays[1], "name")), types_module("settings", weights=arrays[2])
    whole = arrays[0]

    def fun(x, last=arrays[3]):
        return whole[0] * x[0] ** 2 + pair[1][0][0] * x[0] ** 2 + settings.weights[0] * x[0] ** 2 + last[0] * x[0] ** 2

    def loop(x):  # not traced
        total = x[0]
        while total < 1:
            total += x[0]
        return fun(x) + 0 * total

    assert fc.value(fun, [2.0]) == fc.value(loop, [2.0]) == 16.0
    before = digest(fun)
    for array in arrays:
        array[0] = 10.0
    assert digest(fun) == before
    for method in ("auto", "hyperdual", "central"):
        for f in (fun, loop):
            assert fc.gradient(f, [2.0], method=method)[0] == pytest.approx(16.0)
    whole = arrays[0].copy()  # bound anew
    assert digest(fun) != before
    assert fc.value(fun, [2.0]) == 160.0


def test_one_compilation_for_every_n_and_batch():
    def fun(x):
        f = 0.0
        for i in range(len(x)):
            f += x[i] * x[i] * x[i]
        return f

    def made():
        return [kernel for key, kernel in _kernels._known.items() if user_function(fun).key in str(key)]

    for shape in ((17,), (30, 18), (2, 3, 20), (0, 30)):
        fc.hessian(fun, np.ones(shape), method="hyperdual")
    (one,) = made()
    assert [len(entry.overloads) for entry in one.entries.values()] == [1]
    fc.hessian(fun, np.ones((5, 3)), method="hyperdual")  # few coordinates: a kernel for each n
    assert len(made()) == 2


def test_a_function_made_anew_is_not_compiled_anew():
    fc.gradient(make(7.0), [1.0])
    kernels = len(_kernels._known)
    fc.gradient(make(7.0), [1.0])
    assert len(_kernels._known) == kernels


# ---- the disk cache, in processes of their own

SCRIPT = """
import sys
import fastcurv as fc
from fastcurv.backends import _kernels, _templates
import outer
print(fc.value(outer.f, [3.0, 1.0]), fc.gradient(outer.f, [3.0, 1.0]).round(6).tolist())
entries = [entry for kernel in _kernels._known.values() for entry in kernel.entries.values()]
print(sum(entry._cache.hits for entry in entries))
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "outer.py").write_text("import inner\n\n\ndef f(x):\n    return inner.g(x[0]) + x[1]\n")
    (tmp_path / "inner.py").write_text("def g(t):\n    return 2.0 * t\n")
    return tmp_path


def run(project, folder, script=SCRIPT, **environment):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        cwd=project,
        env={**os.environ, "FASTCURV_CACHE_DIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_edits_of_inner_functions_and_hits_in_new_processes(project, tmp_path):
    folder = tmp_path / "cache"
    assert run(project, folder) == ["7.0 [2.0, 1.0]", "0"]
    assert run(project, folder) == ["7.0 [2.0, 1.0]", "2"]
    (project / "inner.py").write_text("def g(t):\n    return 5.0 * t\n")
    assert run(project, folder) == ["16.0 [5.0, 1.0]", "0"]
    assert run(project, folder) == ["16.0 [5.0, 1.0]", "2"]
    # damaged: each in the place of another; cut, overwritten, emptied
    entries = sorted(folder.glob("*.kernel"))
    assert len(entries) >= 4
    contents = [entry.read_bytes() for entry in entries]
    for entry, content in zip(entries, contents[1:] + contents[:1], strict=True):
        entry.write_bytes(content)
    assert run(project, folder) == ["16.0 [5.0, 1.0]", "0"]
    for k, entry in enumerate(entries):
        content = entry.read_bytes()
        entry.write_bytes([content[: len(content) // 2], bytes(len(content)), b""][k % 3])
    assert run(project, folder) == ["16.0 [5.0, 1.0]", "0"]
    assert run(project, folder) == ["16.0 [5.0, 1.0]", "2"]
    assert folder.stat().st_mode & 0o777 == 0o700


RECURSIVE = """
import fastcurv as fc
import outer
print(fc.value(outer.f, [3.0]), fc.hessian(outer.f, [3.0]).tolist())
"""


def test_what_was_refused_is_not_tried_again_in_new_processes(project, tmp_path):
    """Of what types decide: attempts that fail take seconds. Another source is another function."""
    script = """
    import fastcurv as fc
    from fastcurv import _by_numbers
    from fastcurv.backends import cpu
    import outer

    tried = []
    for module, name in ((_by_numbers, "second_order"), (cpu, "_lanes_error")):
        def noted(*given, known=getattr(module, name), name=name, **more):
            tried.append(name)
            return known(*given, **more)
        setattr(module, name, noted)
    for _ in range(2):
        fc.hessian(outer.f, [3.0, 1.0])
    print(tried, "cannot be evaluated in numbers" in fc.explain(outer.f, [3.0, 1.0]).method)
    """
    whole = "import numpy as np\n\n\ndef f(x):\n    return np.float32(x[0]) * x[1]\n"
    (project / "outer.py").write_text(whole)
    assert run(project, tmp_path / "cache", script) == ["['second_order', '_lanes_error'] True"]
    assert run(project, tmp_path / "cache", script) == ["[] True"]
    (project / "outer.py").write_text(whole.replace("x[1]", "x[1] ** 2"))
    assert run(project, tmp_path / "cache", script) == ["['second_order', '_lanes_error'] True"]


SOLVES = """
import numpy as np


def f(x):
    A = np.array([[2.0 + x[0], x[1], 0.0], [x[1], 3.0, x[2]], [0.0, x[2], 4.0 + x[0]]])
    return np.linalg.slogdet(A)[1] + np.dot(x, np.linalg.solve(A, x))
"""


def test_long_functions_are_compiled_in_one_place(project, tmp_path):
    """Not inlined wherever a block calls them; the numbers are the same."""
    script = """
    import fastcurv as fc
    from fastcurv.backends import _machine
    import outer

    _machine.MOST_INLINED = LIMIT
    H = fc.hessian(outer.f, [0.3, 0.7, -0.4], method="central", order=4)
    print(H.tobytes().hex())
    """
    (project / "outer.py").write_text(SOLVES)
    texts = [run(project, tmp_path / f"cache {limit}", script.replace("LIMIT", str(limit))) for limit in (1, 10**9)]
    assert texts[0] == texts[1]


def test_recursion_in_new_processes(project, tmp_path):
    """The first call has a type of its own, a literal; the others are linked by Numba after the code was made."""
    (project / "outer.py").write_text(
        "def factorial(k):\n    return 1.0 if k <= 1 else k * factorial(k - 1)\n\n\n"
        "def f(x):\n    return factorial(4) * x[0] * x[0]\n"
    )
    for _ in range(2):
        assert run(project, tmp_path / "cache", RECURSIVE) == ["216.0 [[48.0]]"]


def test_functions_that_call_each_other(project, tmp_path):
    """`twice` is known already when `half` meets it, and is part of a circle nevertheless."""
    (project / "outer.py").write_text(
        "def start(t, k):\n    return t if k == 0 else twice(t, k - 1) + half(t, k - 1)\n\n\n"
        "def twice(t, k):\n    return 2.0 * t if k == 0 else start(2.0 * t, k - 1)\n\n\n"
        "def half(t, k):\n    return 0.5 * t if k == 0 else twice(0.5 * t, k - 1)\n\n\n"
        "def f(x):\n    return start(x[0] * x[0], 3)\n"
    )
    # start(t, 3) = twice(t, 2) + half(t, 2) = start(2t, 1) + start(t, 0) = 4t + t + t
    for _ in range(2):
        assert run(project, tmp_path / "cache", RECURSIVE) == ["54.0 [[12.0]]"]


def test_functions_that_print(project, tmp_path):
    """What is printed needs constants of the function, whichever kernel it is part of, and wherever that is from."""
    (project / "outer.py").write_text(
        "def f(x):\n    if x[0] > 2.5:\n        print('at', x[0], (1, 'of', 2))\n    return x[0] * x[0]\n"
    )
    script = "import fastcurv as fc, outer\nfor k in (2.0, 3.0):\n    print(fc.value(outer.f, [k]))"
    for _ in range(2):
        assert run(project, tmp_path / "cache", script) == ["4.0", "at 3.0 (1, 'of', 2)", "9.0"]


def chatty(x):
    y = np.exp(x)
    print("at", x[0], (x[1], 2, y), x, x[:1], np.outer(x, y).shape)
    print(np.outer(x, x))
    return y[0] * y[1] + x[0] ** 2


PRINTED = """at 2.0 (3.0, 2, array([ 7.3890561 , 20.08553692])) [2. 3.] [2.] (2, 2)
[[4. 6.]
 [6. 9.]]
"""


def test_what_is_printed_are_numbers(capfd):
    """Whatever takes the place of numbers: those that carry derivatives, lanes, symbols."""
    x = np.array([2.0, 3.0])
    fc.value(chatty, x)
    capfd.readouterr()
    for method, call in (("auto", fc.hessian), ("hyperdual", fc.gradient)):
        call(chatty, x, method=method)
        assert capfd.readouterr() == (PRINTED, "")
    fc.gradient(chatty, x, method="central")
    found, errors = capfd.readouterr()
    assert errors == ""
    assert found.startswith(PRINTED)
    assert found.count("at ") == 5  # at x, and two points along each coordinate
    assert "it prints" in fc.explain(chatty, x).method


TEMPLATES = """
import sys
import fastcurv as fc
from fastcurv.backends import _templates
if "compile" not in sys.argv:
    _templates.Recipe._compiled = None
import outer
print(fc.hessian(outer.f, [3.0, 1.0], method="central").round(3).tolist())
"""


def test_a_new_function_needs_no_new_block(project, tmp_path):
    """In the same process and, from disk, in the next."""
    known = set(_templates._templates)
    for k in (3.0, 4.0, 5.0):
        assert fc.gradient(make(k), [2.0], method="central").round(6) == [k]
        assert len(_templates._templates.keys() - known) <= 1

    def fun(x, a, b):
        return a * x[0] * b[0]

    for args in [(2.0, (3.0, 1)), (2, np.array([3.0])), (2.0, np.array([[3.0]])[0].astype(np.float32))]:
        assert fc.gradient(fun, [2.0], args=args, method="central").round(6) == [6.0]
        assert len(_templates._templates.keys() - known) <= 1
    run(project, tmp_path / "cache", TEMPLATES.replace("sys.argv", "['compile']"))
    (project / "outer.py").write_text("def f(x):\n    return x[0] ** 2 * x[1]\n")
    assert run(project, tmp_path / "cache", TEMPLATES) == ["[[2.0, 6.0], [6.0, 0.0]]"]


def quartic(scale):
    def f(x):
        if x[0] > 1.5:
            raise ValueError("too large")
        return scale * (x[0] ** 2 * x[1] ** 2 + math.log(1.0 + x[2] * x[2]))

    return f


@pytest.mark.parametrize("method", ["exact", "central"])
def test_linked_code_is_that_of_one_piece(method, monkeypatch):
    x = np.random.default_rng(0).uniform(-2.0, 2.0, (40, 3))
    linked = fc.hessian(quartic(2.0), x, method=method)
    monkeypatch.setattr(_kernels, "LINKED", ())
    whole = fc.hessian(quartic(4.0), x, method=method)
    assert np.isnan(whole).any()
    assert np.allclose(whole, 2.0 * linked, rtol=1e-12 if method == "exact" else 1e-5, atol=1e-6, equal_nan=True)


def of_rows(scale):
    def f(x, data, shift):
        s = scale * x[1] ** 2
        for r in range(data.shape[0]):
            z = shift
            for i in range(len(x)):
                z += data[r, i] * x[i]
            s += scale * math.log(1.0 + math.exp(z)) + scale * math.sin(z) * x[r % 2]
        return s

    return f


def test_joined_code_is_that_of_one_piece(monkeypatch):
    """Blocks for traced functions, to which machine code of each function is given."""
    rng = np.random.default_rng(0)
    x, args = rng.uniform(-1.0, 1.0, (21, 2)), (rng.normal(size=(100, 2)), 0.3)

    def results(f):
        model = fc.quadratic_model(f, x, args)
        return fc.hessian(f, x, args), model.value, model.gradient, fc.curvature(f, x, args).eigenvalues

    joined = results(of_rows(2.0))
    monkeypatch.setattr(_kernels, "LINKED", ())
    for whole, part in zip(results(of_rows(4.0)), joined, strict=True):
        assert np.allclose(whole, 2.0 * part, rtol=1e-12, atol=1e-13, equal_nan=True)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX owners and modes")
def test_a_folder_of_others_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o755)
    assert "chmod 700" in cache.refusal(folder)
    folder.chmod(0o700)
    assert cache.refusal(folder) is None
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert "another user" in cache.refusal(folder)
    monkeypatch.setenv("FASTCURV_CACHE_DIR", str(folder))
    with pytest.warns(RuntimeWarning, match="is not used: it belongs to another user"):
        assert fc.value(lambda x: 11.0 * x[0], [2.0]) == 22.0
    assert not list(folder.iterdir())
    file = tmp_path / "file"
    file.write_text("")
    assert cache.refusal(file) is not None


def test_without_a_home_there_is_no_cache(monkeypatch):
    """In containers whose user has no entry among the users."""
    monkeypatch.delenv("FASTCURV_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def missing():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", missing)
    assert cache.refusal(cache.folder()) is not None


def test_the_cache_is_bounded(tmp_path, monkeypatch):
    """By what was used least lately; looked through by the first to write, and now and then."""
    monkeypatch.setattr(cache, "MAX_BYTES", 2500)
    monkeypatch.setattr(cache, "LOOK_BYTES", 1500)
    for k in range(5):
        path = tmp_path / f"{k}.kernel"
        path.write_bytes(bytes(1000))
        os.utime(path, (k, k))
    names = [["3.kernel", "4.kernel"], ["3.kernel", "4.kernel", "5.kernel"], ["5.kernel", "6.kernel"]]
    for k, left in zip((4, 5, 6), names, strict=True):
        path = tmp_path / f"{k}.kernel"
        path.write_bytes(bytes(1000))
        os.utime(path, (k, k))
        cache._limit(tmp_path, 1000)
        assert sorted(path.name for path in tmp_path.iterdir()) == left


# ---- the trial in plain Python, and errors of compilation


def test_mistakes_are_python_errors():
    def beyond(x):
        return x[2]

    with pytest.raises(IndexError) as caught:
        fc.value(beyond, [1.0, 2.0])
    assert "plain Python at x = [1. 2.], one point of shape (2,)" in caught.value.__notes__[0]
    with pytest.raises(np.exceptions.AxisError) as caught:
        fc.value(lambda X: np.sum(X**2, axis=1), np.ones((5, 2)))
    assert "is given as fastcurv.vectorized" in caught.value.__notes__[0]

    def writes(x):
        x[0] = 1.0
        return x[0]

    with pytest.raises(ValueError, match="read-only"):
        fc.value(writes, [1.0, 2.0])
    with pytest.raises(NameError):
        fc.value(lambda x: unknown_name, [1.0])  # noqa: F821  unknown on purpose
    with pytest.raises(TypeError):
        fc.value(lambda x, y: 1.0, [1.0])


@pytest.mark.parametrize(
    ("fun", "said"),
    [
        (lambda x: x, "must return one real number.*array of shape"),
        (lambda x: None, "must return one real number.*None"),
        (lambda x: 1j, "must return one real number on every path.*complex128"),
        (lambda x: x[0] if x[0] > 0.0 else None, "must return one real number on every path.*Option"),
        (lambda x: (x[0], x[1]), "use fastcurv.jacobian"),
        (lambda x: "text", "must return one real number.*text"),
    ],
)
def test_wrong_results_are_named(fun, said):
    with pytest.raises(TypeError, match=said):
        fc.gradient(fun, [1.0, 2.0])


@pytest.mark.parametrize(
    ("fun", "error", "said"),
    [
        (lambda x: 1.0, TypeError, "a tuple, a list or a 1-D array"),
        (lambda x: (), ValueError, "returned no values"),
        (lambda x: np.ones((2, 2)), TypeError, r"array of shape \(2, 2\)"),
        (lambda x: (x[0], 1j), TypeError, "a tuple, a list or a 1-D array of real numbers on every path.*complex128"),
    ],
)
def test_wrong_vectors_are_named(fun, error, said):
    with pytest.raises(error, match=said):
        fc.jacobian(fun, [1.0, 2.0])


def root(x):
    return math.sin(float(x[0]) ** 0.5) + x[1]


def test_roots_of_negative_numbers_are_no_mistake():
    """Python makes them complex, compiled code NaN."""
    found = fc.value(root, [[-1.0, 1.0], [-4.0, 0.0]])
    assert np.isnan(found).all()
    assert fc.value(root, [[-1.0, 1.0], [4.0, 0.0]])[1] == math.sin(2.0)
    found = fc.jacobian(lambda x: (root(x), float(x[0]) ** 0.5), [[-1.0, 1.0], [4.0, 0.0]])
    assert np.isnan(found[0]).all()
    assert found[1, 1, 0] == pytest.approx(0.25, rel=1e-9)


class Thing:
    factor = 2.0


THING = Thing()


def uses_an_object(x):
    y = 1.0
    return THING.factor * x[0] + y


def uses_a_method(x):
    y = x.tolist()
    return y[0]


@pytest.mark.parametrize("fun", [uses_an_object, uses_a_method])
def test_what_cannot_be_compiled_is_named_with_its_line(fun):
    for call in (fc.value, fc.hessian, fc.curvature):
        with pytest.raises(fc.CompilationError) as caught:
            call(fun, [1.0, 2.0])
        message = str(caught.value)
        assert fun.__name__ in message
        assert "vectorized" in message
        assert "test_function.py, line" in message
        assert ("THING.factor" if fun is uses_an_object else "tolist") in message


def test_types_of_locals_are_refused():
    with_locals: Any = njit(locals={"s": types.float32})

    @with_locals
    def rounded(x):
        s = 0.1 * x[0]
        return s * 1.0

    for fun in (rounded, lambda x: rounded(x)):
        for call in (fc.value, fc.hessian, fc.explain):
            with pytest.raises(TypeError, match=r"rounded was made by numba.njit with locals=\{'s': float32\}.*leave"):
                call(fun, [1.0])


def test_not_a_function():
    with pytest.raises(TypeError, match="fun must be callable, got 3"):
        fc.value(3, [1.0])
    with pytest.raises(TypeError, match="vectorized"):
        fc.value(Thing, [1.0])
    with pytest.raises(TypeError, match="grad must be callable"):
        fc.hessian(with_helper, [1.0, 2.0], grad="g")
    with pytest.raises(ValueError, match="grad must return 2 values"):
        fc.hessian(with_helper, [1.0, 2.0], grad=lambda x: (1.0, 2.0, 3.0))


def held(function):
    """A weak reference to a function after calls of all kinds."""
    x = np.ones((3, 2))
    for call in (fc.value, fc.gradient, fc.hessian, fc.curvature):
        call(function, x)
    fc.hessian(function, x, noise=1e-6)
    for _ in range(20):  # prepared
        fc.hessian(function, x)
    return weakref.ref(function)


def test_functions_made_anew_are_freed():
    """Of many with the same text and data one is kept, for what was compiled."""

    def made():
        data = np.full(1000, 3.0)
        return lambda x: data[0] * x[0] ** 2 + x[1] ** 3

    kept = [held(made()) for _ in range(5)]
    gc.collect()
    assert [function() is not None for function in kept] == [True, False, False, False, False]
    assert fc.value(made(), [1.0, 2.0]) == 11.0


def test_what_was_bound_anew_before_it_was_compiled_is_not_shared():
    """A call may be refused after its function was recognised."""

    def made(factor):
        def f(x):
            return factor * x[0] ** 2 + 0.125 * x[0]

        def bind(value):
            nonlocal factor
            factor = value

        return f, bind

    f, bind = made(2.0)
    with pytest.raises(ValueError, match="exakt"):
        fc.hessian(f, [1.0], method="exakt")
    bind(7.0)
    assert fc.value(made(2.0)[0], [1.0]) == 2.125
    for method in ("traced", "hyperdual", "central"):
        assert fc.hessian(made(2.0)[0], [1.0], method=method).round(3) == 4.0
        assert fc.hessian(f, [1.0], method=method).round(3) == 14.0


def test_unknown_attributes_of_libraries_are_mistakes():
    """NumPy raises them on purpose: they are no answer of the function."""
    with pytest.raises(AttributeError, match="'sine'"):
        fc.hessian(lambda x: np.sine(x[0]) + x[1] ** 2, [1.0, 2.0])  # pyright: ignore


def test_helpers_that_are_gone():
    helpers = [lambda x: x[0] ** 2]

    def f(x):
        return helpers[0](x)

    for power in (2, 3):
        with pytest.raises(fc.CompilationError):
            fc.value(f, [3.0])
        helpers[0] = lambda x, power=power: x[0] ** power


def test_models_are_freed():
    class Model:
        def __call__(self, X, *args):
            return (X**2).sum(axis=1)

    def used():
        model, x = Model(), np.ones((3, 2))
        function = fc.vectorized(model)
        fc.value(function, x)
        fc.gradient(function, x, noise=1e-6)
        fc.hessian(function, x)
        return weakref.ref(model)

    kept = [used() for _ in range(5)]
    gc.collect()
    assert sum(model() is not None for model in kept) <= 1  # kernels of all vectorized functions hold the first


def test_noise_is_freed():
    def noisy(x):
        return x[0] ** 2 * x[1]

    x = np.ones((4, 2))
    for level in (1e-6, 1e-5, 1e-4):
        noise = np.full(4, level)
        for call in (fc.gradient, fc.hessian, fc.curvature):
            call(noisy, x, noise=noise)
        fc.hvp(noisy, x, x, noise=noise)
    gc.collect()
    assert not [found for found in gc.get_objects() if type(found) is Plan and len(found.noise) > 1]


def test_cells_that_are_empty_yet():
    def outer():
        def f(x):
            return factor * x[0]

        with pytest.raises(NameError, match="factor"):
            fc.gradient(f, [1.0])
        factor = 2.0
        assert fc.gradient(f, [1.0]) == [2.0]
        factor = 3.0
        assert fc.gradient(f, [1.0]) == [3.0]

    outer()


def test_edits_are_noticed_by_functions_that_share_their_code():
    """Each function is watched for what it reads itself, also where another was compiled for it."""

    def pair():
        factor = 2.0

        def f(x):
            return factor * x[0] ** 2

        def bind(value):
            nonlocal factor
            factor = value

        return f, bind

    (f, bind_f), (g, bind_g) = pair(), pair()
    x = np.array([1.0])
    for function in (f, g):
        for _ in range(12):  # also where calls are prepared
            assert fc.hessian(function, x) == 4.0
    bind_g(5.0)
    for _ in range(12):
        assert fc.hessian(g, x) == 10.0
        assert fc.hessian(f, x) == 4.0
    bind_f(7.0)
    for _ in range(12):
        assert fc.hessian(f, x) == 14.0
        assert fc.hessian(g, x) == 10.0
    (h, _) = pair()
    assert fc.hessian(h, x) == 4.0
