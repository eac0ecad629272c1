"""How wide the vectors of the processor are that code is compiled for."""

from __future__ import annotations

import platform
from functools import cache

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba.core.registry import cpu_target


@cache
def probe() -> str:
    """The assembly of a wide fused multiply-add: NUMBA_CPU_NAME and features together decide what it uses."""
    machine: object = cpu_target.target_context.codegen()._tm  # pyright: ignore[reportAttributeAccessIssue]
    module = ir.Module()
    module.triple = machine.triple  # pyright: ignore[reportAttributeAccessIssue]
    kind = ir.VectorType(ir.DoubleType(), 16)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [kind.as_pointer()]), "probe")
    builder = ir.IRBuilder(function.append_basic_block())
    x = builder.load(function.args[0], align=8)
    fma = ir.Function(module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.v{kind.count}f64")
    builder.store(builder.call(fma, [x, x, x]), function.args[0], align=8)
    builder.ret_void()
    return machine.emit_assembly(llvm.parse_assembly(str(module)))  # pyright: ignore[reportAttributeAccessIssue]


def has_avx512() -> bool:
    """Whether registers of 64 bytes, and approximate reciprocals to 14 bits, are there."""
    return "zmm" in probe()


def has_fma() -> bool:
    """Whether products and sums are fused by the processor."""
    return "fmadd" in probe() or "fmla" in probe()


@cache
def native_bytes() -> int:
    """Bytes of a vector register: 64 (AVX-512), 32 (AVX, AVX2) or 16 (SSE2, NEON)."""
    if has_avx512():
        return 64
    return 32 if "ymm" in probe() else 16


def native_lanes(dtype) -> int:
    """Numbers of a type in a vector register."""
    return native_bytes() // np.dtype(dtype).itemsize


def registers() -> int:
    """Vector registers: 16, or 32 with AVX-512 and on ARM."""
    return 32 if has_avx512() or platform.machine() in ("aarch64", "arm64") else 16
