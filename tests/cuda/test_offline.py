"""Kernels compiled for devices that are not there, to PTX and on to machine code: registers, stack, spills.

`-s` prints them. A stack is needed by sine and cosine alone, whose code for large arguments has a table, and by results
that are looked up in a table, of functions of many coordinates.
"""

import itertools
import math
import re
import struct
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

import fastcurv as fc
from fastcurv import _launch as launch
from fastcurv import tracing
from fastcurv._plan import Options
from fastcurv.tracing import Wanted

PROCESSORS = [(8, 0), (9, 0)]
#: bytes of the table by which large arguments of sine and cosine are reduced
REDUCTION = 40


def rosenbrock(x):
    s = 0.0
    for i in range(len(x) - 1):
        s += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return s


def rastrigin(x):
    s = 0.0
    for i in range(len(x)):
        s += x[i] ** 2 - 10 * np.cos(2 * np.pi * x[i]) + 10
    return s


def muller_brown(x):
    s = 0.0
    for A, a, b, c, x_0, y_0 in (
        (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
        (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
        (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
        (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
    ):
        u, v = x[0] - x_0, x[1] - y_0
        s += A * np.exp(a * u * u + b * u * v + c * v * v)
    return s


HESSIAN, GRADIENT = Wanted(second=True), Wanted(first=True)
#: function, n, derivative, float32 points, most registers, bytes of stack
BUDGETS = [
    (rosenbrock, 2, HESSIAN, False, 40, 0),
    (rosenbrock, 2, HESSIAN, True, 40, 0),
    (rosenbrock, 4, HESSIAN, False, 48, 0),
    (rosenbrock, 8, HESSIAN, False, 64, 0),
    (rosenbrock, 8, GRADIENT, False, 64, 0),
    (rosenbrock, 8, Wanted(product=True, direction=8), False, 80, 0),
    (muller_brown, 2, HESSIAN, False, 96, 0),
    (rastrigin, 2, HESSIAN, False, 48, REDUCTION),
    (rastrigin, 8, HESSIAN, False, 72, REDUCTION),
    (rosenbrock, 16, HESSIAN, False, 96, 16 * 48),
]


def kernel_of(function, n, wanted, single, bounded=False):
    """A kernel and the types of its arguments, as launches make them."""
    from numba import types

    from fastcurv.backends import cuda

    traced = tracing.trace(function, n, ())
    made = tracing.program(traced, wanted)
    last, size = made.slots - 1, n * n if wanted.second else n
    slots = np.full(size, last)
    if wanted.second:
        for (i, j), slot in made.second.items():
            slots[i * n + j] = slots[j * n + i] = slot
    else:
        for (_, i), slot in made.first.items():
            slots[i] = slot
    extra = n if wanted.is_directed else 0
    entries = tuple(map(int, slots)) if size <= cuda.MOST_TOGETHER else ()
    shape = cuda.Shape(n, extra, made.slots, size, bounded, entries, single, values=0)
    number = types.float32 if single else types.float64

    def array(kind, ndim):
        return types.Array(kind, ndim, "C")

    double, word = types.float64, types.int64
    signature = (
        array(number, 2), array(double, 2), array(number, 1), array(word, 1), array(number, 1), array(double, 2),
        array(word, 1), array(number, 2),
    )  # fmt: skip
    return cuda.rows_kernel(cuda.device_function(made.evaluator()), shape), signature


def compiled(kernel, signature, processor):
    """PTX, and what the assembler says of the machine code made from it."""
    from cuda.bindings import nvjitlink
    from numba.cuda import compile as compile_kernel
    from numba.cuda import compiler, dispatcher

    device = SimpleNamespace(compute_capability=processor, name=b"offline")
    with (
        mock.patch.object(dispatcher, "get_current_device", return_value=device),
        mock.patch.object(compiler, "get_current_device", return_value=device),
    ):
        ptx, _ = compile_kernel(kernel, signature, cc=processor, device=False, abi="numba", output="ptx")
    text = ptx.encode() if isinstance(ptx, str) else ptx
    options = [f"-arch=sm_{processor[0]}{processor[1]}", "-verbose", "-Xptxas=-v"]
    linker = nvjitlink.create(len(options), options)
    try:
        nvjitlink.add_data(linker, nvjitlink.InputType.PTX, text, len(text), "kernel")
        nvjitlink.complete(linker)
        log = bytearray(nvjitlink.get_info_log_size(linker))
        nvjitlink.get_info_log(linker, log)
        cubin = bytearray(nvjitlink.get_linked_cubin_size(linker))
        nvjitlink.get_linked_cubin(linker, cubin)
    finally:
        nvjitlink.destroy(linker)
    patterns = {
        "registers": r"Used (\d+) registers", "stack": r"(\d+) bytes stack frame",
        "stores": r"(\d+) bytes spill stores", "loads": r"(\d+) bytes spill loads",
    }  # fmt: skip
    # of the kernel and of what it calls, as the slow way of sine
    used = {name: sum(map(int, re.findall(pattern, log.decode()))) for name, pattern in patterns.items()}
    return text, used | {"doubles": doubles_in(bytes(cubin))}


def doubles_in(cubin):
    """How many instructions of machine code multiply, add, do both, or compare, in double precision.

    Instructions of Volta and later take 16 bytes; their low nine bits say what they do: DMUL, DADD, DSETP, DFMA.
    """
    first_section, *_, size, count, _ = struct.unpack_from("<Q4xHHHHHH", cubin, 40)
    sections = [struct.unpack_from("<IIQQQQIIQQ", cubin, first_section + k * size) for k in range(count)]
    found = 0
    for _, kind, flags, _, offset, length, *_ in sections:
        if kind == 1 and flags & 4:  # contents, executable
            for at in range(offset, offset + length, 16):
                found += int.from_bytes(cubin[at : at + 2], "little") & 0x1FF in (0x28, 0x29, 0x2A, 0x2B)
    return found


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize(
    ("function", "n", "wanted", "single", "registers", "stack"),
    BUDGETS,
    ids=lambda value: getattr(value, "__name__", None),
)
def test_kernels_fit_into_registers(function, n, wanted, single, registers, stack, processor):
    ptx, used = compiled(*kernel_of(function, n, wanted, single), processor)
    print(function.__name__, n, processor, used)
    assert f".target sm_{processor[0]}{processor[1]}".encode() in ptx
    assert used["stores"] == used["loads"] == 0
    assert used["stack"] <= stack
    assert used["registers"] <= registers


@pytest.mark.parametrize(("n", "wanted", "registers"), [(8, HESSIAN, 72), (40, GRADIENT, 144)])
def test_bounds_take_few_registers_more(n, wanted, registers):
    _, used = compiled(*kernel_of(rosenbrock, n, wanted, False, bounded=True), (9, 0))
    print("bounded", n, used)
    assert used["stack"] == used["stores"] == used["loads"] == 0
    assert used["registers"] <= registers


def shared_bytes(ptx):
    """Of shared memory that a block of threads takes."""
    return sum(int(size) for size in re.findall(rb"\.shared [^\n]*\[(\d+)\];", ptx))


#: n, whether with vectors, most registers
SOLVERS = [(2, False, 40), (3, False, 64), (4, False, 80), (6, False, 128), (8, False, 208)]
SOLVERS += [(2, True, 48), (3, True, 80), (4, True, 128), (5, True, 184), (6, True, 240)]


def arrays(*kinds, single=False):
    """Types of arrays: of float64, or float32, and of integers, in some number of dimensions."""
    from numba import types

    real = types.float32 if single else types.float64
    return [types.Array(types.int64 if kind == "i" else real, ndim, "C") for kind, ndim in kinds]


def tables(single=False):
    from numba import types

    return types.Tuple(arrays(("f", 1), ("i", 1), ("f", 1), single=single))


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(("n", "vectors", "registers"), SOLVERS)
def test_solvers_fit_into_registers(n, vectors, registers, single, processor):
    from fastcurv.backends import _cuda_eigen as eigen
    from fastcurv.backends import _cuda_groups as groups

    assert n <= eigen.IN_REGISTERS[vectors]
    matrices, w, z = arrays(("f", 2), ("f", 2), ("f", 2 if vectors else 1), single=single)
    kernel = eigen.eigen_kernel(eigen.solver(n, vectors, groups.SINGLE if single else groups.DOUBLE))
    ptx, used = compiled(kernel, (matrices, tables(single), tables(single), w, z), processor)
    print(n, vectors, single, processor, used)
    assert (used["doubles"] == 0) == single
    assert 0 < shared_bytes(ptx) <= 48 * 1024
    assert used["stack"] == used["stores"] == used["loads"] == 0
    assert used["registers"] <= registers


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    ("n", "vectors", "registers"),
    [(7, True, 112), (16, True, 112), (48, True, 112), (9, False, 80), (32, False, 80), (64, False, 88)],
)
def test_groups_of_threads_fit_into_shared_memory(n, vectors, registers, single, processor):
    from fastcurv.backends import _cuda_eigen as eigen
    from fastcurv.backends import _cuda_groups as groups

    assert eigen.IN_REGISTERS[vectors] < n <= eigen.IN_SHARED_MEMORY[vectors]
    matrices, w, z = arrays(("f", 1), ("f", 2), ("f", 1), single=single)
    kernel = groups.group_kernel(n, vectors, groups.SINGLE if single else groups.DOUBLE)
    ptx, used = compiled(kernel, (matrices, tables(single), tables(single), w, z), processor)
    assert (used["doubles"] == 0) == single
    shared = shared_bytes(ptx)
    print(n, vectors, single, processor, used, shared)
    assert used["stack"] == used["stores"] == used["loads"] == 0
    assert used["registers"] <= registers
    assert 0 < shared <= 48 * 1024


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize("single", [False, True])
def test_what_surrounds_cusolver_fits_into_registers(single, processor):
    from numba import types

    from fastcurv.backends import _cusolver as cusolver

    n, number = types.int64, types.float32 if single else types.float64
    matrices, w, info = (types.Array(kind, ndim, "C") for kind, ndim in ((number, 1), (number, 2), (types.int32, 1)))
    (scales,) = arrays(("f", 1))
    for kernel, signature, registers in (
        (cusolver.scale, (matrices, n, matrices, scales), 48),
        (cusolver.clear, (scales,), 40),
        (cusolver.finish, (matrices, n, scales, info, types.boolean, w), 48),
        (cusolver._transpose.made(32).py_func, arrays(("f", 3), single=single), 72),
    ):
        _, used = compiled(kernel, tuple(signature), processor)
        print(kernel.__name__, single, processor, used)
        assert used["stack"] == used["stores"] == used["loads"] == 0
        assert used["registers"] <= registers


def rosenbrock_with_places(n):
    """A program with first and second derivatives, and the slots of its gradient and lower triangle."""
    program = tracing.program(tracing.trace(rosenbrock, n, ()), Wanted(first=True, second=True))
    zero = program.slots - 1
    slopes = tuple(program.first.get((0, i), zero) for i in range(n))
    return program, (slopes, tuple(program.second.get((j, i), zero) for i in range(n) for j in range(i + 1)))


def check_precision(ptx, used, single):
    """No instruction of code in single precision computes in double, or converts to it."""
    assert (used["doubles"] == 0) == (b".f64" not in ptx) == single


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize(
    ("n", "single", "registers"),
    [(2, False, 56), (4, False, 104), (6, False, 160), (2, True, 48), (4, True, 72), (6, True, 96)],
)
def test_curvature_fits_into_registers(n, single, registers, bounded, processor):
    from numba import types

    from fastcurv.backends import _cuda_curvature as curvature
    from fastcurv.backends import cuda
    from fastcurv.backends._cuda_groups import DOUBLE, SINGLE

    program, places = rosenbrock_with_places(n)
    f, precision = cuda.device_function(program.evaluator()), SINGLE if single else DOUBLE
    kernel = curvature.curvature_kernel(f, n, 0, program.slots, places, bounded, precision)
    points, own, bounds, rows = arrays(("f", 2), ("f", 2), ("f", 2), ("f", 2), single=single)
    number = types.float32 if single else types.float64
    ptx, used = compiled(kernel, (points, own, *[tables(single)] * 3, bounds, number, number, number, rows), processor)
    print("curvature", n, single, bounded, processor, used)
    check_precision(ptx, used, single)
    assert used["stack"] == used["stores"] == used["loads"] == 0
    assert used["registers"] <= registers


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize("single", [False, True])
def test_curvature_of_many_coordinates(single, processor):
    """What was found is looked up in a table: a stack holds it."""
    from numba import types

    from fastcurv.backends import _cuda_curvature as curvature
    from fastcurv.backends import _cuda_read_outs as read_outs
    from fastcurv.backends import cuda
    from fastcurv.backends._cuda_groups import DOUBLE, SINGLE

    n, number, precision = 12, *((types.float32, SINGLE) if single else (types.float64, DOUBLE))
    program, _ = rosenbrock_with_places(n)
    f = cuda.device_function(program.evaluator())
    derive = curvature.derivatives_kernel(f, n, 0, program.slots, False, precision)
    matrix, stack = arrays(("f", 2), ("f", 3), single=single)
    places = arrays(("i", 1))[0]
    ptx, used = compiled(derive, (matrix, matrix, tables(single), matrix, places, matrix, matrix, matrix), processor)
    print("derivatives", single, processor, used)
    check_precision(ptx, used, single)
    assert used["stores"] == used["loads"] == 0
    assert used["stack"] <= 8 * (program.slots + 1)
    assert used["registers"] <= 104
    for are_exact, known, registers in ((True, number, 104), (False, types.Tuple((matrix, stack)), 128)):
        arguments = matrix, matrix, matrix, stack, matrix, known, number, number, matrix
        ptx, used = compiled(read_outs.reading_kernel(n, are_exact, precision), arguments, processor)
        print("reading", are_exact, single, processor, used)
        check_precision(ptx, used, single)
        assert used["stores"] == used["loads"] == 0
        assert used["stack"] <= 8 * (3 * n + read_outs.width_of_rows(n) + 1)  # vectors, and what is read
        assert used["registers"] <= registers


@pytest.mark.parametrize(("n", "is_staged"), [(155, True), (156, False)])
def test_rows_of_hessians_fit_into_shared_memory(n, is_staged):
    from numba import types

    from fastcurv.backends import _cuda_read_outs as read_outs

    (matrix, stack), number = arrays(("f", 2), ("f", 3)), types.float64
    arguments = matrix, matrix, matrix, stack, matrix, number, number, number, matrix
    ptx, _ = compiled(read_outs.reading_kernel(n, are_exact=True), arguments, (9, 0))
    assert (0 < shared_bytes(ptx) <= 48 * 1024) if is_staged else shared_bytes(ptx) == 0


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
def test_what_is_done_with_results_fits_into_registers(processor):
    from numba import types

    from fastcurv.backends import _cuda_read_outs as read_outs
    from fastcurv.backends import _cuda_results as results

    word, number, flag = types.int64, types.float64, types.boolean
    rows, matrix, stack = arrays(("f", 1), ("f", 2), ("f", 3))
    singles, counts = types.Array(types.float32, 2, "C"), types.Array(types.int16, 2, "C")
    status, statuses = (types.Array(types.int8, ndim, "C") for ndim in (1, 2))
    halves, places, axes = types.Array(types.float16, 1, "C"), types.Array(word, 1, "C"), types.Array(word, 2, "C")
    seen = [
        (results._fill, (rows, number)),
        (results._poison_by_status, (status, word, rows)),
        (results._share, (rows, number, word, rows)),
        (results._share_with_lever, (rows, rows, number, word, rows)),
        (results._to_powers, (rows,)),
        (results._to_norms, (rows, rows)),
        (results._move, (singles, matrix, number, singles)),
        (results._add, (rows, rows, word)),
        (results._blank, (status, word, rows)),
        (results._repeat, (matrix, word, matrix)),
        (results._copy, (matrix, word, counts, word, word)),
        (results._add_rounding, (rows, rows, number)),
        (results._broadcast, (halves, axes, rows)),
        (results._gather, (rows, places, rows)),
        *((found, (rows, status)) for found in (results.has_positive, results.has_number, results.has_lost)),
        (results.has_no_level, (rows, status)),
        (read_outs._divide, (singles, word, word, matrix, stack, matrix)),
        (read_outs._invalidate, (singles, word, rows, word)),
    ]
    for run, signature in seen:
        check_small(run.made().py_func, (word, types.Tuple(signature)), processor)
    seen_by_rows = [
        (results._least, (statuses,), status),
        (results._largest, (singles,), rows),
        (results._dot, (singles, matrix, flag), rows),
        (results._apply, (stack, singles, word, flag), rows),
        (results._largest_lever, (matrix, singles), rows),
        (results._squares, (matrix, rows), rows),
        (results._largest_change, (singles, singles), rows),
        (results._is_lost, (matrix, flag), status),
        (read_outs._put_together, (stack, matrix), rows),
    ]
    for run, signature, found in seen_by_rows:
        check_small(run.made().py_func, (word, word, types.Tuple(signature), found), processor)
    for side, single in ((3, False), (32, False), (32, True)):
        check_small(results._symmetrise.made(side).py_func, arrays(("f", 3), single=single), processor)
    ours = {run for module in (results, read_outs) for run in vars(module).values() if hasattr(run, "made")}
    assert ours == {run for run, *_ in (*seen, *seen_by_rows)} | {results._symmetrise}


def check_small(kernel, signature, processor):
    ptx, used = compiled(kernel, tuple(signature), processor)
    print(processor, used, shared_bytes(ptx))
    assert shared_bytes(ptx) <= 48 * 1024
    assert used["stack"] == used["stores"] == used["loads"] == 0
    assert used["registers"] <= 72


def relaxation(x, a, w):
    """No expression of x."""
    s = 0.0
    for i in range(len(x) - 1):
        s += 100 * (x[i + 1] - a[i] * x[i] ** 2) ** 2 + w * math.exp(x[i])
    while s < 10.0:
        s = s * s + 1.0
    if s > 1e9:
        raise ValueError("too far")
    return s


def slopes(x, a, w):
    """No gradient of it, but so many values."""
    s = relaxation(x, a, w)
    return s * x[0], s + x[1]


def relaxation_alone(x):
    s = 0.5
    for i in range(len(x) - 1):
        s += 100 * (x[i + 1] - 1.5 * x[i] ** 2) ** 2 + 0.3 * math.exp(x[i]) / (1.0 + np.abs(x[i]))
    while s < 10.0:
        s = s * s + 1.0
    if s > 1e9:
        raise ValueError("too far")
    return s


def two_values_alone(x):
    s = relaxation_alone(x)
    return s * x[0], 2.0 * s + x[1]


def two_values(x, a, w):
    s = relaxation(x, a, w)
    return s, x[0] * s


EXACT, CENTRAL, FORWARD = ({"method": name} for name in ("hyperdual", "central", "forward"))
#: an argument of points
ONE_EACH = np.ones(3)
#: derivative, options, n, most registers, bytes of stack
OF_SLOPES = {"grad": slopes}
JOBS = [
    ("value", {}, 2, 80, 0),
    ("gradient", EXACT, 2, 96, 0),
    ("gradient", EXACT, 8, 128, 0),
    ("jacobian", EXACT, 2, 96, 0),
    ("hessian", EXACT, 2, 64, 0),
    ("hessian", EXACT | {"return_error": True}, 3, 106, 0),
    # arguments, which shared memory cannot be, are loaded before the loop over blocks
    ("hessian", EXACT, 8, 168, 0),
    ("hessian", EXACT, 12, 160, 0),
    ("hessian", EXACT, 46, 160, 0),
    ("hvp", EXACT, 4, 128, 0),
    ("vhv", EXACT, 4, 80, 0),
    ("gradient", CENTRAL, 4, 184, 256),
    ("jacobian", CENTRAL, 4, 184, 320),
    ("hessian", CENTRAL, 2, 96, 384),
    # of many points errors are in the thread's own memory
    ("hessian", CENTRAL | {"order": 4, "return_error": True}, 6, 200, 1392),
    ("hessian", CENTRAL, 12, 208, 3008),
    ("hessian", CENTRAL | {"bounds": (-2.0, 2.0)}, 4, 192, 576),
    ("hvp", FORWARD, 4, 224, 384),
    ("vhv", FORWARD, 4, 120, 384),
    ("gradient", FORWARD, 4, 200, 256),
    ("hvp", CENTRAL, 2, 224, 256),
    ("vhv", CENTRAL, 2, 80, 0),
    ("hessian", EXACT | OF_SLOPES, 2, 104, 0),
    ("hessian", CENTRAL | OF_SLOPES, 2, 200, 320),
    ("hvp", EXACT | OF_SLOPES, 2, 80, 0),
    ("hvp", CENTRAL | OF_SLOPES, 2, 80, 0),
    ("hessian", {"noise": 1e-3}, 2, 104, 0),  # by how much noise widens steps
]


def _name(value):
    return getattr(value, "__name__", str(value))


class HandedError(Exception):
    """What was to be launched: a job, its points and data, and how they are shared out."""


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize("many", [False, True], ids=["few", "many"])
@pytest.mark.parametrize(
    ("name", "options", "n", "registers", "stack"),
    JOBS,
    ids=lambda value: "-".join(map(_name, value.values())) if isinstance(value, dict) else None,
)
def test_jobs_fit_into_registers(name, options, n, registers, stack, many, processor, monkeypatch):
    """Blocks of the CPU, compiled for a device; the user's function raises, and takes arguments of points.

    Of few points differences are shared by several tasks, of many each has its own.
    """
    check_job(monkeypatch, name, options, n, registers, stack, many, processor)


#: those of float32 points, most registers for functions without arguments and with them
SINGLE_JOBS = [
    ("gradient", EXACT, 2, 64), ("gradient", EXACT, 8, 104), ("jacobian", EXACT, 2, 72), ("hessian", EXACT, 2, 56),
    ("hessian", EXACT | {"return_error": True, "bounds": (-2.0, 2.0)}, 3, 96), ("hessian", EXACT, 8, 112),
    ("hessian", EXACT, 12, 160), ("hvp", EXACT, 4, 104), ("vhv", EXACT, 4, 64), ("hvp", EXACT | OF_SLOPES, 2, 64),
    ("hessian", EXACT | OF_SLOPES, 2, 80),
]  # fmt: skip


@pytest.mark.parametrize("with_arguments", [False, True])
@pytest.mark.parametrize(
    ("name", "options", "n", "registers"),
    SINGLE_JOBS,
    ids=lambda value: "-".join(map(_name, value.values())) if isinstance(value, dict) else None,
)
def test_numbers_in_single_precision_take_no_doubles(name, options, n, registers, with_arguments, monkeypatch):
    """But to convert arguments that are doubles."""
    ptx = check_job(monkeypatch, name, options, n, registers, 0, True, (9, 0), True, with_arguments)
    assert with_arguments or b".f64" not in ptx


def of_rows(x, a, w):
    return relaxation(x, a, w[0]) + w[-1] * x[0]


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize("many", [False, True], ids=["few", "many"])
@pytest.mark.parametrize(("name", "options", "n", "registers"), [("hessian", EXACT, 6, 128), ("hvp", EXACT, 4, 128)])
def test_rows_of_points_own_arguments(name, options, n, registers, many, processor, monkeypatch):
    check_job(monkeypatch, name, options, n, registers, 0, many, processor, own=np.ones((3, 5)), function=of_rows)


def check_job(
    monkeypatch, name, options, n, registers, stack, many, processor, single=False, with_arguments=True,
    own=ONE_EACH, function=relaxation,
):  # fmt: skip
    """PTX of a job, which is within its budget."""
    from numba import typeof, types

    from fastcurv import _by_device
    from fastcurv.backends import _cuda_jobs as jobs
    from fastcurv.backends._arguments import kinds_of

    class Launcher(jobs.Launcher):
        def launch(self, job, points, data, plan, evaluations, items=None):
            raise HandedError(job, points, data, plan)

    def there(value):
        if isinstance(value, tuple):
            return types.Tuple(tuple(map(there, value)))
        kind = typeof(value)
        return types.Array(kind.dtype, kind.ndim, "C") if isinstance(kind, types.Array) else kind

    monkeypatch.setattr(_by_device, "require", lambda ordinal: None)
    monkeypatch.setattr(_by_device, "jobs", Launcher)
    monkeypatch.setattr(jobs, "ENOUGH", 1 if many else jobs.ENOUGH)
    x = np.ones((3, n), np.float32 if single else np.float64)
    given = {"args": (np.ones(n),), "point_args": (own,)} if with_arguments else {}
    functions = (two_values, function) if with_arguments else (two_values_alone, relaxation_alone)
    if not with_arguments and "grad" in options:
        options = options | {"grad": two_values_alone}
    with pytest.raises(HandedError) as handed:
        getattr(fc, name)(
            functions[name != "jacobian"],
            x,
            *([x] if name in ("hvp", "vhv") else []),
            **given,
            device="cuda",
            **options,
        )
    job, points, data, plan = handed.value.args
    made = jobs.kernels_of(job, kinds_of(points.args, points.point_args)).made(points, data, plan)
    arguments = made.arguments(1, plan.layout, points.x, (points.args, points.point_args), data)
    ptx, used = compiled(made.kernel.py_func, tuple(map(there, arguments)), processor)
    assert shared_bytes(ptx) == 0  # the launch says how much
    assert (made.teams is None) == (n > 44 and not many)
    if made.teams is not None:
        assert [place.kind for place in made.own] == ["read" if own.ndim > 1 else "row"] * with_arguments
        assert 0 < made.teams.shared_bytes <= 48 * 1024
        assert made.places[0].kind == "read"
    print(name, options, n, [place.kind for place in made.places + made.own], single, with_arguments, processor, used)
    assert (used["doubles"] == 0) == single
    assert used["stores"] == used["loads"] == 0
    assert used["stack"] <= stack
    assert used["registers"] <= registers
    return ptx


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize(
    ("n", "single", "registers"),
    [(2, False, 72), (4, False, 128), (5, False, 128), (2, True, 64), (4, True, 112), (5, True, 120)],
)
def test_curvature_by_numbers_in_one_kernel(n, single, registers, processor, monkeypatch):
    check_one_kernel(monkeypatch, Options("hyperdual"), n, single, registers, 0, processor)


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize(
    ("options", "n", "registers", "stack"),
    [(Options("central"), 2, 136, 320), (Options("central"), 5, 152, 832), (Options("forward"), 3, 160, 384)],
    ids=["central-2", "central-5", "forward-3"],
)
def test_curvature_by_differences_in_one_kernel(options, n, registers, stack, processor, monkeypatch):
    check_one_kernel(monkeypatch, options, n, False, registers, stack, processor)


def check_one_kernel(monkeypatch, options, n, single, registers, stack, processor):
    """Derivatives, spectrum and what is read, of functions that are not traced."""
    from numba import typeof, types

    from fastcurv import _by_device
    from fastcurv.backends import _cuda_fused as fused
    from fastcurv.backends._arguments import kinds_of

    def there(value):
        if isinstance(value, tuple):
            return types.Tuple(tuple(map(there, value)))
        kind = typeof(value)
        return types.Array(kind.dtype, kind.ndim, "C") if isinstance(kind, types.Array) else kind

    def handed(*given):
        raise HandedError(*given)

    monkeypatch.setattr(_by_device, "require", lambda ordinal: None)
    monkeypatch.setattr(_by_device, "rows_at_once", handed)
    x, real = np.ones((3, n), np.float32 if single else np.float64), types.float32 if single else types.float64
    fun, *given = (relaxation_alone, (), ()) if single else (relaxation, (np.ones(n),), (np.ones(3),))
    call = launch.call(fun, x, *given, "cuda", options=options)
    with pytest.raises(HandedError) as found:
        _by_device.read_there(call, 1e-6)
    job, points, data, *_ = found.value.args
    kernels = fused.kernels_of(job, kinds_of(points.args, points.point_args))
    places = fused.places_for(kernels.names, points.x, data, points.point_args)
    precision = fused.precision_in(kernels.names, data)
    kernel = fused.fused_kernel(kernels.block, kernels.names, places, n, precision)
    arguments = 1, fused.WHOLE, points.x, (points.args, points.point_args), data
    signature = *map(there, arguments), types.Tuple((tables(single),) * 2), real, real, types.Array(real, 2, "C")
    ptx, used = compiled(kernel, signature, processor)
    print("curvature at once", options.method, n, single, processor, used, shared_bytes(ptx))
    check_precision(ptx, used, single)
    assert shared_bytes(ptx) <= 48 * 1024
    assert used["stores"] == used["loads"] == 0
    assert used["stack"] <= stack
    assert used["registers"] <= registers


@pytest.mark.parametrize(
    ("fun", "reason"),
    [
        (lambda x: np.sum(x * x) if x[0] > 0 else x[0], "makes an array or a list"),
        (lambda x: np.linalg.det(np.empty((2, 2))) + x[0], "makes an array or a list"),
        (lambda x: sorted((x[0], x[1]))[0], "built-in function sorted"),
    ],
)
def test_what_a_device_cannot_run_is_named(fun, reason):
    from numba import types

    from fastcurv.backends import _cuda_jobs as jobs
    from fastcurv.backends._arguments import Kinds
    from fastcurv.backends._kernels import Operation, Role
    from fastcurv.backends.cpu import Job
    from fastcurv.differences._jacobian import value_block
    from fastcurv.function import user_function

    job = Job(Operation(value_block), Role(user_function(fun), "scalar"))
    kernel = jobs.tasks_kernel(jobs.kernels_of(job, Kinds()).block)
    points, values = arrays(("f", 2), ("f", 1))
    nothing, word = types.Tuple(()), types.int64
    signature = word, types.Array(word, 1, "C"), points, types.Tuple((nothing, nothing)), types.Tuple((values,))

    class Kernel:
        def typeof_pyval(self, kind):
            return kind

        def compile(self, kinds):
            compiled(kernel, kinds, (9, 0))

    with pytest.raises(fc.CompilationError, match=rf"(?s)for a CUDA device: .*{reason}.*Use device='cpu'"):
        jobs.compile_for(Kernel(), signature, job)


def test_functions_of_numpy_compile_for_numbers():
    """Nine to a kernel; numba-cuda itself has those of `math` alone."""
    from fastcurv.backends._cuda_numpy import ONE, TWO

    for given, formulas in (("x[0]", ONE), ("x[0], x[1]", TWO)):
        functions = list(formulas)
        for first in range(0, len(functions), 9):
            space = {f"f{k}": f for k, f in enumerate(functions[first : first + 9])}
            calls = (f"    y[{k}] = {name}({given})\n" for k, name in enumerate(list(space)))
            exec("def kernel(x, y):\n" + "".join(calls), space)
            vector = arrays(("f", 1))[0]
            compiled(space["kernel"], (vector, vector), (9, 0))


def test_what_is_not_a_number_stays_so():
    """CUDA's instructions for the larger and the smaller of two leave NaN out."""
    from fastcurv.backends import _cuda_numpy  # noqa: F401  what it teaches numba-cuda

    def kernel(x, y):
        y[0] = max(x[0], x[1])
        y[1] = min(x[0], x[1], x[2], 3.0)
        y[2] = max(x[0], 2, x[1])

    vector = arrays(("f", 1))[0]
    ptx, _ = compiled(kernel, (vector, vector), (9, 0))
    assert b"setp" in ptx
    assert b"max.f64" not in ptx
    assert b"min.f64" not in ptx


def test_blocks_call_no_tasks():
    """Of other kernels, by their address: an unknown function's stack would have to be reserved."""
    from numba import types

    from fastcurv.backends import _cuda_jobs as jobs
    from fastcurv.backends._arguments import Kinds
    from fastcurv.backends._kernels import Operation, Role
    from fastcurv.backends.cpu import Job
    from fastcurv.function import user_function
    from fastcurv.numbers._blocks import hessian_block

    job = Job(Operation(hessian_block, (2, 2, 2, False, False)), Role(user_function(lambda x: x[0] * x[1]), "number"))
    word, number, empty = types.int64, types.float64, types.Tuple(())
    points, statuses, hessians, words, vector = (
        types.Array(kind, ndim, "C")
        for kind, ndim in ((number, 2), (types.int8, 1), (number, 3), (word, 1), (number, 1))
    )
    data = types.Tuple((points, statuses, hessians, words, vector, points, points, hessians, number))
    kernel = jobs.tasks_kernel(jobs.kernels_of(job, Kinds()).block)
    ptx, _ = compiled(kernel, (word, words, points, types.Tuple((empty, empty)), data), (9, 0))
    assert b"prototype" not in ptx


def test_functions_of_numpy_are_numpys():
    from fastcurv.backends._cuda_numpy import ONE, TWO

    numbers = [0.0, -0.0, 0.3, -0.7, 0.5, 1.5, 2.5, -2.5, 3.0, 1e300, math.inf, -math.inf, math.nan]

    def by(formula, *x):
        """NumPy's answer where Python raises: devices follow IEEE 754."""
        try:
            return formula(*x)
        except (ValueError, OverflowError, ZeroDivisionError):
            return None

    with np.errstate(all="ignore"):
        for count, formulas in ((1, ONE), (2, TWO)):
            for function, formula in formulas.items():
                for x in itertools.product(numbers, repeat=count):
                    if function in (max, min):
                        continue  # Python's own
                    if function is np.power and x[0] == -math.inf:
                        continue  # NumPy takes a root in place of a power of 1/2, which C says is infinite
                    found, expected = by(formula, *x), function(*x)
                    if found is not None and not isinstance(found, complex):
                        np.testing.assert_allclose(found, expected, rtol=1e-15, err_msg=f"{function}{x}")


ONE_ARGUMENT = [
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "ceil", "cos", "cosh", "erf", "erfc", "exp", "exp2",
    "expm1", "fabs", "floor", "gamma", "lgamma", "log", "log10", "log1p", "log2", "sin", "sinh", "sqrt", "tan", "tanh",
    "trunc",
]  # fmt: skip
OTHERS = {
    "atan2": lambda x: math.atan2(x[0], x[1]),
    "copysign": lambda x: math.copysign(x[0], x[1]),
    "fmod": lambda x: math.fmod(x[0], x[1]),
    "hypot": lambda x: math.hypot(x[0], x[1]),
    "pow": lambda x: x[0] ** x[1],
    "integer powers": lambda x: x[0] ** 17 * x[1] ** -3,
    "powers of a number": lambda x: 2.5 ** x[0] * x[1],
    "rint": lambda x: np.rint(x[0]) * x[1],
    "logarithms of sums": lambda x: np.logaddexp(x[0], x[1]) * np.logaddexp2(x[0], 3.0),
    "min and max": lambda x: min(x[0], x[1]) * max(x[0], 3.0),
    "where": lambda x: np.where(x[0] > x[1], x[0] ** 2, -x[1]),
    "branches": lambda x: x[0] * x[1] if (x[0] > 0 and x[1] < 1) or not x[0] < 2 else x[1] ** 2,
}


#: functions of single precision whose code takes a few doubles: for arguments beyond 1e5; for series
SOME_DOUBLES = {"sin", "cos", "tan", "gamma", "lgamma"}


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("name", [name for name in ONE_ARGUMENT if hasattr(math, name)] + list(OTHERS))
def test_every_function_compiles(name, single):
    function = OTHERS.get(name) or (lambda x: getattr(math, name)(x[0]) * x[1])
    ptx, used = compiled(*kernel_of(function, 2, HESSIAN, single), (9, 0))
    print(name, used)
    if name != "lgamma":
        assert used["stores"] == used["loads"] == 0
    if single and name not in SOME_DOUBLES:
        assert b".f64" not in ptx
        assert used["doubles"] == 0


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: f"sm_{p[0]}{p[1]}")
@pytest.mark.parametrize(
    ("function", "n", "wanted"),
    [(rosenbrock, 4, HESSIAN), (rosenbrock, 70, GRADIENT), (muller_brown, 2, HESSIAN)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_single_precision_takes_no_doubles(function, n, wanted, processor):
    """Of which consumers' devices compute one where they compute 64 in single precision."""
    (ptx, single), (_, double) = (compiled(*kernel_of(function, n, wanted, s), processor) for s in (True, False))
    assert b".f64" not in ptx
    assert single["doubles"] == 0 < double["doubles"]


def test_arithmetic_is_ieee():
    """No approximations, no flushing of small numbers: divisions and roots are rounded, fused at most."""

    def roots(x):
        return np.sqrt(x[0]) / x[1] + 1.0 / x[0]

    for single, kind in ((False, b"f64"), (True, b"f32")):
        ptx, _ = compiled(*kernel_of(roots, 2, HESSIAN, single), (9, 0))
        assert b"sqrt.rn." + kind in ptx
        assert b"div.rn." + kind in ptx or b"rcp.rn." + kind in ptx
        assert b".approx." + kind not in ptx
        assert b".ftz" not in ptx
