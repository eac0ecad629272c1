"""Results do not depend on threads, batches or places in them; calls from other threads and forked children work."""

import math
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import numba
import numpy as np
import pytest
from functions import rosenbrock, rosenbrock_gradient
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcurv as fc
from fastcurv import _repeat as repeat
from fastcurv.backends import _kernels, _pace, cpu
from fastcurv.backends._layout import span

ALWAYS, NEVER = 0.0, 1e9
rng = np.random.default_rng(11)
FEW = rng.uniform(-1.5, 1.5, (3, 60))
MANY = rng.uniform(-1.5, 1.5, (300, 7))
V = rng.normal(size=60)
several = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")


def everything(c):
    fields = ("value", "gradient", "eigenvalues", "eigenvalue_error", "gradient_curvature", "index", "nullity", "kind")
    return (*(getattr(c, name) for name in fields), *(v for v in vars(c)["_found"].values()))


def hvp(x, v=None, **options):
    return fc.hvp(rosenbrock, x, V[: x.shape[-1]] if v is None else v, **options)


def symmetric(x):
    """Matrices made of points."""
    return x[..., :, None] * x[..., None, :] + np.eye(x.shape[-1]) * np.sin(1e3 * x)[..., :, None]


def waves(x):
    return math.exp(0.3 * x[0]) * math.sin(x[1] + x[0] ** 2) + math.sqrt(1.0 + x[0] ** 2 * x[1] ** 2)


EXTRAS = ("eigenvectors", "hessian", "newton_step")
WITH_GRADIENT = {"grad": rosenbrock_gradient}
CALLS = {
    "value": lambda x: (fc.value(rosenbrock, x),),
    "gradient": lambda x: (fc.gradient(rosenbrock, x),),
    "gradient order 6": lambda x: (fc.gradient(rosenbrock, x, order=6),),
    "jacobian": lambda x: (fc.jacobian(rosenbrock_gradient, x),),
    "hessian": lambda x: (fc.hessian(rosenbrock, x),),
    "hessian central": lambda x: (fc.hessian(rosenbrock, x, method="central"),),
    "hessian n = 2, waves, central": lambda x: (fc.hessian(waves, x[..., :2], method="central"),),
    "hessian 4-point, order 4": lambda x: (fc.hessian(rosenbrock, x, stencil="4-point", order=4),),
    "hessian order 4": lambda x: (fc.hessian(rosenbrock, x, order=4),),
    "hessian order 4 and error": lambda x: fc.hessian(rosenbrock, x, order=4, return_error=True),
    "hessian n = 2, waves": lambda x: (fc.hessian(waves, x[..., :2]),),
    "hessian grad": lambda x: fc.hessian(rosenbrock, x, return_error=True, **WITH_GRADIENT),
    "hessian forward": lambda x: (fc.hessian(rosenbrock, x, method="forward"),),
    "hessian bounds": lambda x: (fc.hessian(rosenbrock, x, bounds=(-1.5, 1.5)),),
    "hvp": lambda x: (hvp(x),),
    "hvp central": lambda x: hvp(x, method="central", return_error=True),
    "hvp bounds": lambda x: hvp(x, bounds=(-1.5, 1.5), return_error=True),
    "hvp grad": lambda x: (hvp(x, **WITH_GRADIENT),),
    "vhv": lambda x: fc.vhv(rosenbrock, x, V[: x.shape[-1]], return_error=True),
    "vhv central": lambda x: fc.vhv(rosenbrock, x, V[: x.shape[-1]], method="central", return_error=True),
    "quadratic_model": lambda x: (lambda m: (m.value, m.gradient, m.hessian, m.hessian_error))(
        fc.quadratic_model(rosenbrock, x)
    ),
    "curvature": lambda x: everything(fc.curvature(rosenbrock, x, extra=EXTRAS)),
    "curvature central": lambda x: everything(fc.curvature(rosenbrock, x, extra=EXTRAS, method="central")),
    "curvature grad": lambda x: everything(fc.curvature(rosenbrock, x, extra=EXTRAS, **WITH_GRADIENT)),
    "eigh": lambda x: fc.eigh(symmetric(x)),
    "eigvalsh": lambda x: (fc.eigvalsh(symmetric(x)),),
}
table = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert np.array_equal(one, other, equal_nan=True)
        if one.dtype.kind == "f":
            assert np.array_equal(np.signbit(one), np.signbit(other))


def at(workers, call, x):
    """Results with so many threads, whatever the call costs."""
    with pytest.MonkeyPatch.context() as patch, fc.threads(workers):
        patch.setattr(_pace, "WORTH_THREADS", ALWAYS if workers > 1 else NEVER)
        return call(x)


# ---- the same bits


@several
@table
def test_threads_do_not_matter(call):
    for x in (FEW, FEW[:2], FEW[:1], FEW[0], MANY, MANY[:5]):
        same(at(2, call, x), at(1, call, x))


@several
@table
def test_batches_and_places_do_not_matter(call):
    alone = at(1, call, MANY)

    @settings(max_examples=12, deadline=None)
    @given(
        st.integers(1, 2),
        st.one_of(
            st.slices(300).map(lambda s: np.arange(300)[s]),
            st.permutations(range(12)).map(np.array),
            st.lists(st.integers(0, 299), max_size=5).map(lambda some: np.array(some, int)),
        ),
    )
    def check(workers, places):
        same(at(workers, call, MANY[places]), [result[places] for result in alone])

    check()
    same([result.reshape(300, *result.shape[2:]) for result in at(2, call, MANY.reshape(20, 15, 7))], alone)
    for b in (0, 7, 299):
        same(at(2, call, MANY[b]), [result[b] for result in alone])
    few = at(1, call, np.concatenate([FEW, FEW[::-1], FEW]))
    for b in (0, 4):
        same(at(2, call, np.concatenate([FEW, FEW[::-1], FEW])[b]), [result[b] for result in few])


def test_sums_do_not_depend_on_the_batch():
    """Those of NumPy that follow the kernels."""
    x, v = rng.uniform(-1.5, 1.5, (40, 2)), rng.normal(size=(40, 2))
    bounds = ([-2.0, -2.0], [2.0, 2.0])
    calls = [
        lambda x, v: fc.vhv(rosenbrock, x, v, bounds=bounds),
        lambda x, v: fc.hvp(rosenbrock, x, v, bounds=bounds),
        lambda x, v: fc.curvature(rosenbrock, x, extra=("hessian",)).along(v),
        lambda x, v: fc.curvature(rosenbrock, x, extra=("eigenvectors",)).along(v),
        lambda x, v: fc.quadratic_model(rosenbrock, x)(x + v),
        lambda x, v: fc.quadratic_model(rosenbrock, x).minimizer(),
    ]
    for call in calls:
        alone = np.array([call(x[b], v[b]) for b in range(40)])
        assert np.array_equal(call(x, v), alone, equal_nan=True)


def test_blocks_of_directions():
    v = rng.normal(size=(4, 7))
    together = at(1, lambda x: hvp(x, v), MANY[0])
    for workers in (1, 2) if numba.config.NUMBA_NUM_THREADS > 1 else (1,):
        same(at(workers, lambda x: hvp(x, v), MANY[0]), together)
        for k in range(4):
            same([at(workers, lambda x, k=k: hvp(x, v[k]), MANY[0])], [together[k]])
        same([at(workers, lambda x: hvp(x, np.tile(v, (9, 1, 1))), MANY[:9])[0]], [together])


@several
def test_work_within_a_point_is_shared(monkeypatch):
    """One point of many coordinates has a task for every thread."""
    monkeypatch.setattr(repeat, "_repeats", {})
    monkeypatch.setattr(_pace, "WORTH_THREADS", ALWAYS)
    plans = []
    original = cpu.shares

    def shares(*arguments):
        plans.append(original(*arguments))
        return plans[-1]

    monkeypatch.setattr(cpu, "shares", shares)
    with fc.threads(2):
        for call in (fc.hessian, fc.gradient):
            plans.clear()
            call(rosenbrock, FEW[0], method="hyperdual")  # traced, eight points are no more work than one
            assert plans[0].workers == 2
            assert plans[0].tasks >= 2


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("points", [1, 7, 8, 9, 500, 5000, 70_001])
@pytest.mark.parametrize("pause", [0.0, 1e-4, 1.0])
def test_tasks_that_grow_cover_all_points_once(workers, lanes, points, pause, monkeypatch):
    """Whatever a call takes: those of functions whose pace is not known begin small."""
    for together in (1, 8, 64):
        shared = cpu.shares(points, 1, workers, 0, together, lanes, 1024, False)
        assert shared.layout[0] * lanes <= max(8, together)
        seen, now = np.zeros(-(-points // lanes), int), [0.0]

        def entry(address, first, last, workers, layout, seen=seen, now=now, together=together):
            now[0] += pause * (last - first)
            for task in range(first, last):
                begin, end = span(layout, task, len(seen))
                seen[begin:end] += 1
                assert begin * lanes % together == 0

        monkeypatch.setattr(cpu, "perf_counter", lambda now=now: now[0])
        cpu._run(entry, 0, shared, shared.workers, None)
        assert (seen == 1).all()


def test_short_calls_stay_on_their_thread(monkeypatch):
    granted = []
    original = cpu.loop

    def loop(workers):
        granted.append(workers)
        return original(workers)

    fc.gradient(rosenbrock, MANY[0])  # a first call also tries the function
    monkeypatch.setattr(cpu, "loop", loop)
    for kernel in _kernels._known.values():  # which other tests made parallel, whatever the cost
        monkeypatch.setattr(kernel, "pace", _pace.Pace())
    monkeypatch.setattr(repeat, "_repeats", {})  # a call that is remembered does not ask the launcher
    fc.gradient(rosenbrock, MANY[0])
    assert granted == [1]


@several
def test_short_calls_return_to_their_thread(monkeypatch):
    """A call that was disturbed seems long; those after it, which take 10 µs, must not stay parallel for ever."""
    granted = []
    original = cpu.loop
    clock = count()

    def loop(workers):
        granted.append(workers)
        return original(workers)

    fc.gradient(rosenbrock, MANY[0], method="central")
    monkeypatch.setattr(cpu, "loop", loop)
    monkeypatch.setattr(cpu, "perf_counter", lambda: 1e-5 * next(clock))
    for kernel in _kernels._known.values():
        monkeypatch.setattr(kernel, "pace", _pace.Pace())
        kernel.pace.seconds = 1e-3
    while 1 not in granted and len(granted) < 100:
        fc.gradient(rosenbrock, MANY[0], method="central")
    assert granted[0] > 1
    assert granted[-1] == 1


def pace_of(work, threads, waking, calls, evaluations=1000, pace=None):
    """What is learned of so much work (seconds) in so many calls, and how many workers each had."""
    pace, workers = pace or _pace.Pace(), []
    for _ in range(calls):
        workers.append(pace.workers(evaluations, threads))
        seconds = work / workers[-1] + (waking if workers[-1] > 1 else 0.0)
        pace.note(seconds + _pace.CALL, evaluations, workers[-1])
    return pace, workers


@pytest.mark.parametrize("threads", [2, 16, 64])
@pytest.mark.parametrize("waking", [0.0, 1e-5, 6e-5])
@pytest.mark.parametrize("before", [1e-9, 2e-8, 1e-5])
@pytest.mark.parametrize("work", [1e-5, 4e-5, 1e-4, 3e-4, 2e-3, 0.1])
def test_the_pace_is_learned(work, before, waking, threads):
    """Whatever waking threads takes and was guessed before: short work ends up on one thread, long work on all, and
    never goes back.
    """
    pace = _pace.Pace()
    pace.seconds = before
    pace, workers = pace_of(work, threads, waking, 80, pace=pace)
    assert workers[-40:] == [threads if work > _pace.WORTH_THREADS else 1] * 40
    assert pace.is_settled()
    assert pace.seconds * 1000 <= 1.01 * (work + threads * waking)
    assert pace.seconds * 1000 >= 0.99 * work
    assert workers.count(1) <= 9 or work < _pace.WORTH_THREADS


def test_calls_that_take_no_time_of_their_own_settle():
    """What is left of them beside what any call takes is chance."""
    pace = _pace.Pace()
    for k in range(20):
        pace.note(_pace.CALL * (1.02 + 0.4 * (k % 3)), 20, 1)
    assert pace.is_settled()


def test_a_disturbed_call_is_forgotten():
    pace, _ = pace_of(2e-5, 2, 6e-5, 20)
    for _ in range(3):
        pace.note(1e-2, 1000, 1)
        assert not pace.is_settled()
        pace, workers = pace_of(2e-5, 2, 6e-5, 30, pace=pace)
        assert workers[-10:] == [1] * 10


@several
def test_calls_that_come_again_keep_their_threads(monkeypatch):
    """Prepared calls of 0.2 to 10 ms run on all threads."""
    granted = []
    original = repeat.loop

    def loop(workers):
        granted.append(workers)
        return original(workers)

    monkeypatch.setattr(repeat, "loop", loop)
    monkeypatch.setattr(_pace, "WORTH_THREADS", 1e-6)
    monkeypatch.setattr(repeat, "SHORT", 1.0)
    x = rng.uniform(-1.5, 1.5, (3001, 7))
    for method in ("traced", "hyperdual", "central"):
        granted.clear()
        first = fc.hessian(rosenbrock, x, method=method)
        for _ in range(1000):  # beside other work it takes a while to know the pace
            same([fc.hessian(rosenbrock, x, method=method)], [first])
            if len(granted) > 5:
                break
        assert len(granted) > 5
        assert set(granted) == {numba.config.NUMBA_NUM_THREADS}


@several
def test_calls_that_became_long_are_planned_again(monkeypatch):
    """A function may take longer at other points than where it was timed."""
    x = np.zeros((40, 2))
    for _ in range(1000):  # beside other work it takes a while to know the pace
        fc.hessian(slow_away_from_zero, x, method="central")
        if any(key[0]() is slow_away_from_zero for key in repeat._repeats):
            break
    assert any(key[0]() is slow_away_from_zero for key in repeat._repeats)
    fc.hessian(slow_away_from_zero, x + 1, method="central")
    assert not any(key[0]() is slow_away_from_zero for key in repeat._repeats)


def slow_away_from_zero(x):
    s = x[0] * x[1]
    for _ in range(20_000 if abs(x[0]) > 0.5 else 1):
        s = 0.5 * s + math.cos(s)
    return s


# ---- how many threads


def test_number_of_threads():
    most = numba.config.NUMBA_NUM_THREADS
    assert fc.get_threads() == most
    with fc.threads(1):
        assert fc.get_threads() == 1
        with fc.threads(most):
            assert fc.get_threads() == most
        assert fc.get_threads() == 1
        with pytest.raises(ZeroDivisionError), fc.threads(most):
            raise ZeroDivisionError
        assert fc.get_threads() == 1
    try:
        fc.set_threads(np.int64(1))
        assert fc.get_threads() == 1
        assert type(fc.get_threads()) is int
        with fc.threads(most):
            assert fc.get_threads() == most
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(fc.get_threads).result() == 1  # set for all threads
    finally:
        fc.set_threads(most)


@pytest.mark.parametrize("k", [0, -1, numba.config.NUMBA_NUM_THREADS + 1, 1.0, "1", None, True])
def test_wrong_number_of_threads(k):
    before = fc.get_threads()
    message = rf"^k must be an integer from 1 to {numba.config.NUMBA_NUM_THREADS}, got .*NUMBA_NUM_THREADS"
    with pytest.raises(ValueError, match=message):
        fc.set_threads(k)
    with pytest.raises(ValueError, match=message), fc.threads(k):
        raise AssertionError("entered")
    assert fc.get_threads() == before


@several
def test_threads_belong_to_the_context():
    inside, checked = threading.Barrier(2, timeout=20), threading.Barrier(2, timeout=20)

    def other():
        with fc.threads(1):
            inside.wait()
            checked.wait()
            return fc.get_threads()

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(other)
        inside.wait()
        assert fc.get_threads() == numba.config.NUMBA_NUM_THREADS
        with fc.threads(2):
            checked.wait()
            assert found.result(timeout=20) == 1


# ---- threads of the caller, and forks, in processes of their own

HEAD = """
import multiprocessing, os, signal, sys, threading, time, warnings
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from functions import rosenbrock, rosenbrock_gradient
import fastcurv as fc
from fastcurv.backends import _pace

warnings.filterwarnings("error")
warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
_pace.WORTH_THREADS = 0.0  # every call is parallel
rng = np.random.default_rng(3)
MANY, FEW, A = rng.uniform(-1, 1, (64, 7)), rng.uniform(-1, 1, (1, 30)), rng.normal(size=(50, 6, 6))

def results():
    c = fc.curvature(rosenbrock, MANY, extra=("newton_step",))
    return [
        fc.hessian(rosenbrock, MANY), fc.hessian(rosenbrock, FEW), fc.gradient(rosenbrock, FEW),
        c.value, c.gradient, c.eigenvalues, c.eigenvalue_error, c.index, fc.eigvalsh(A),
    ]

def same(found):
    return all(np.array_equal(one, other) for one, other in zip(found, EXPECTED, strict=True))

def in_child(what, seconds=120):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if what() else 2
        finally:
            os._exit(code)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "no answer"
"""
LAYERS = ["default", "omp", "workqueue"]


def in_process(script, layer):
    """Run a script under a threading layer, and return what it printed."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "NUMBA_NUM_THREADS": "2"}
    environment.pop("NUMBA_THREADING_LAYER", None)
    if layer != "default":
        environment["NUMBA_THREADING_LAYER"] = layer
    done = subprocess.run(
        [sys.executable, "-c", HEAD + textwrap.dedent(script)],
        env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"the library of Numba's threading layer {layer} is not installed")
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


@pytest.mark.parametrize("layer", LAYERS)
def test_calls_from_many_threads(layer):
    printed = in_process(
        """
        with fc.threads(1):
            EXPECTED = results()
        start = threading.Barrier(8, timeout=60)

        def work(k):
            start.wait()
            return all(same(results()) for _ in range(12))

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == [True] * 8
        import numba
        print(numba.threading_layer())
        """,
        layer,
    )
    assert layer in ("default", printed[0])


fork = pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="no safe fork here")


@fork
@pytest.mark.parametrize("layer", LAYERS)
def test_forked_children(layer):
    """Of a parent that has not started threads, of one that has, and while another thread computes."""
    printed = in_process(
        """
        def first():
            global EXPECTED
            with fc.threads(1):
                EXPECTED = results()
            return same(results())

        print("before threads", in_child(first))
        with fc.threads(1):
            EXPECTED = results()
        print("after serial calls", in_child(lambda: same(results())))
        assert same(results())
        print("after parallel calls", in_child(lambda: same(results())))
        print("grandchild", in_child(lambda: same(results()) and in_child(lambda: same(results())) == 0))

        def fresh(x):  # compiled in the child
            return x[0] ** 4 + x[0] * x[1]

        print("compiling", in_child(lambda: bool(np.isfinite(fc.hessian(fresh, MANY)).all())))
        with multiprocessing.get_context("fork").Pool(2) as pool:
            found = pool.map_async(np.linalg.norm, [np.ones(3)] * 4).get(60)
            print("pool", 0 if all(same(r) for r in [pool.apply_async(results).get(60) for _ in range(3)]) else 2)

        stop, errors = threading.Event(), []
        def busy():
            while not stop.is_set():
                if not same(results()):
                    errors.append("wrong")
        workers = [threading.Thread(target=busy) for _ in range(2)]
        for worker in workers:
            worker.start()
        codes = {in_child(lambda: same(results()), 60) for _ in range(10)}
        stop.set()
        for worker in workers:
            worker.join()
        print("while another thread computes", *codes, *errors)
        assert same(results())
        """,
        layer,
    )
    wanted = "before threads|after serial calls|after parallel calls|grandchild|compiling|pool"
    assert printed[:-1] == [f"{name} 0" for name in [*wanted.split("|"), "while another thread computes"]]


@fork
@pytest.mark.parametrize("layer", LAYERS)
def test_forked_after_others_started_the_threads(layer):
    """Numba's threads may have been started by the user's own parallel functions."""
    printed = in_process(
        """
        from numba import njit, prange

        @njit(parallel=True)
        def own(x):
            total = 0.0
            for i in prange(len(x)):
                total += x[i]
            return total

        assert own(np.ones(100)) == 100.0

        def child():
            global EXPECTED
            with fc.threads(1):
                EXPECTED = results()
            return same(results())

        print(in_child(child))
        """,
        layer,
    )
    assert printed[0] == "0"


@fork
def test_forked_while_another_thread_compiles():
    """The child does not wait for a lock that the parent's thread will never release there."""
    printed = in_process(
        """
        def slow(x):  # compiled while the child is forked
            return x[0] ** 4 + x[0] * x[1] + x[1] ** 3

        def other(x):
            return x[0] ** 2 + x[0] * x[1] ** 2

        fc.hessian(other, MANY)
        worker = threading.Thread(target=fc.gradient, args=(slow, MANY))
        worker.start()
        for _ in range(3):
            time.sleep(0.1)
            print(in_child(lambda: bool(np.isfinite(fc.gradient(other, MANY)).all()), 60))
        worker.join()
        """,
        "default",
    )
    assert printed[:-1] == ["0"] * 3


@fork
def test_forked_while_another_thread_prepares():
    """The child computes attributes that the parent's thread was computing (under Python 3.11 they once had a lock)."""
    printed = in_process(
        """
        from fastcurv.tracing import Program

        def other(x):
            return x[0] ** 2 + x[0] * x[1] ** 2

        def another(x):
            return x[0] ** 2 + 3 * x[0] * x[1] ** 2

        fc.gradient(rosenbrock, MANY)
        attribute = vars(Program)["operations"]
        compute, entered, leave = attribute.func, threading.Event(), threading.Event()

        def slowly(program):
            entered.set()
            leave.wait(120)
            return compute(program)

        attribute.func = slowly
        worker = threading.Thread(target=fc.gradient, args=(other, MANY))
        worker.start()
        assert entered.wait(120)
        attribute.func = compute
        print(in_child(lambda: bool(np.isfinite(fc.gradient(another, MANY)).all()), 60))
        leave.set()
        worker.join()
        """,
        "default",
    )
    assert printed[:-1] == ["0"]


@fork
def test_forked_while_another_thread_calls_llvm():
    """It need not compile: the collection of garbage gives code back, too."""
    printed = in_process(
        """
        from llvmlite.binding import ffi

        def other(x):
            return x[0] ** 2 + x[0] * x[1] ** 2

        entered = threading.Event()

        def work():
            with ffi.lib._lock:
                entered.set()
                time.sleep(0.5)

        fc.gradient(rosenbrock, MANY)
        worker = threading.Thread(target=work)
        worker.start()
        assert entered.wait(60)
        print(in_child(lambda: bool(np.isfinite(fc.gradient(other, MANY)).all()), 30))
        worker.join()
        print(np.isfinite(fc.gradient(other, MANY)).all())
        """,
        "default",
    )
    assert printed[:-1] == ["0", "True"]
