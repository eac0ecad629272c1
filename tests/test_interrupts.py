"""Ctrl-C, in processes of their own."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

BEFORE = """
import os, signal, threading
import numpy as np
import fastcurv as fc

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have processes in the background ignore it

def loop(k):
    def f(x):  # branches: not traced
        total, j = 0.0, 0
        while j < k + 0 * x[0]:
            total += x[0] ** 2 * np.sin(x[1])
            j += 1
        return total
    return f

def press():
    os.kill(os.getpid(), signal.SIGINT)

x = [0.3, -0.7]
"""


def run(script, tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", BEFORE + textwrap.dedent(script)],
        env={**os.environ, "FASTCURV_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_while_llvm_compiles(tmp_path):
    """LLVM's callbacks drop exceptions. The call is interrupted all the same, and the next one is exact."""
    script = """
    from numba.core.registry import cpu_target

    fc.hessian(loop(2), x)
    codegen = cpu_target.target_context.codegen()
    kind, armed = codegen._library_class, [True]

    def compiled(module, buffer):
        if armed:
            armed.clear()
            press()
        return kind._object_compiled_hook(module, buffer)

    codegen._engine._ee.set_object_cache(compiled, kind._object_getbuffer_hook)
    f = loop(3)
    try:
        fc.hessian(f, x)
    except KeyboardInterrupt:
        print("interrupted")
    print(fc.explain(f, x).method.split()[0])
    print(abs(fc.hessian(f, x) - 3 * np.array(
        [[2 * np.sin(-0.7), 0.6 * np.cos(-0.7)], [0.6 * np.cos(-0.7), -0.09 * np.sin(-0.7)]])).max() < 1e-14)
    print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    """
    assert run(script, tmp_path) == ["interrupted", "hyperdual", "True", "True"]


@pytest.mark.parametrize("threads", [1, 2])
def test_long_calls_are_left_between_tasks(threads, tmp_path):
    """First calls, whose time is not known, and later ones. What was computed is the same as ever."""
    script = f"""
    fc.set_threads({threads})
    fc.value(loop(2), x)  # imports
    f, points = loop(20_000), np.random.default_rng(0).uniform(-1, 1, (1_000_000, 2))
    for _ in range(2):
        out = np.full(len(points), np.nan)
        threading.Timer(1.5, press).start()
        try:
            fc.value(f, points, out=out)
        except KeyboardInterrupt:
            print(np.isnan(out[-1]))
    done = ~np.isnan(out)
    print(done.any(), np.array_equal(out[done][:100], fc.value(f, points[done][:100])))
    """
    assert run(script, tmp_path) == ["True", "True", "True True"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("again", [False, True])
def test_first_calls_of_slow_functions_are_left(threads, again, tmp_path):
    """Tasks are small until it is known what they take: 1024 points of this one would be 30 s."""
    script = f"""
    import time

    fc.set_threads({threads})
    fc.hessian(loop(2), x, method="central")  # imports
    f, points = loop(300_000), np.random.default_rng(0).uniform(-1, 1, (4096, 2))
    if {again}:
        fc.hessian(f, points[:1], method="central")
    pressed = []
    threading.Timer(2.5, lambda: (pressed.append(time.perf_counter()), press())).start()
    try:
        fc.hessian(f, points, method="central")
    except KeyboardInterrupt:
        print(time.perf_counter() - pressed[0] < 8)
    few = fc.hessian(f, points[:20], method="central")
    print(np.array_equal(few[:3], fc.hessian(f, points[:3], method="central")))
    """
    assert run(script, tmp_path) == ["True", "True"]
