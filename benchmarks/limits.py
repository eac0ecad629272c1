"""`python -m benchmarks.limits`: exact Hessians beside what one core can write, and multiply and add.

Writing: a fresh array of the same shape, filled with one number. Arithmetic: sums and products of the traced Hessian,
beside chains of fused multiply-adds (two operations each) in registers; divisions, roots and functions are counted, but
not among these.
"""

from collections.abc import Callable

import numpy as np

import fastcurv as fc
from fastcurv import tracing
from fastcurv.function import compiled
from fastcurv.simd import fma, native_lanes, numbers, splat

from .cases import CASES, MORE_CASES, Case
from .peers.measure import interleave, machine, one_cpu, significant, table

ROUNDS = 9
CHAINS, REPEATS = 10, 20_000
"""As many independent chains as the latency of two units asks for, and fit into registers."""


def multiply_adds() -> Callable[[], None]:
    """A run of CHAINS REPEATS fused multiply-adds of native vectors."""
    lanes, memory = native_lanes(np.float64), np.zeros(64)

    def run(memory):
        a = numbers(memory, 0, CHAINS, lanes, CHAINS)
        for k in range(CHAINS):
            a[k] = splat(1.0 + k, a[0])
        factor, addend = splat(0.999, a[0]), splat(1e-3, a[0])
        for _ in range(REPEATS):
            for k in range(CHAINS):
                a[k] = fma(a[k], factor, addend)
        out = numbers(memory, 0, 1, lanes, 0)
        out[0] = a[0]
        for k in range(1, CHAINS):
            out[0] = out[0] + a[k]

    made = compiled(run, "multiply_adds", entry=True)
    return lambda: made(memory)


def operations(case: Case) -> tuple[int, int]:
    """Sums and products of a traced Hessian; divisions, roots and functions."""
    program = tracing.program(tracing.trace(case.fun, case.n, case.args), tracing.Wanted(second=True))
    simple = functions = 0
    for c in program.classes:
        kinds = [
            (c.graph.operations[a], c.graph.arguments[a]) for a in c.graph.needed(c.outputs) if c.graph.operands(a)
        ]
        sums_of_terms = len(c.outputs) if c.count > 1 else 0
        simple += c.count * (sums_of_terms + sum(_products(*kind) for kind in kinds))
        functions += c.count * sum(kind not in ARITHMETIC + CHOICES for kind, _ in kinds)
    return simple, functions


ARITHMETIC = ("add", "sub", "mul", "power")
CHOICES = ("neg", "abs", "unsigned", "where", "lt", "le", "eq", "ne", "and", "or", "not")
"""Neither sums nor products, nor worth counting."""


def _products(kind: str, arguments: tuple) -> int:
    """How many sums or products an operation is."""
    if kind == "power":
        exponent = abs(arguments[1])
        return exponent.bit_length() + exponent.bit_count() - 2
    return int(kind in ARITHMETIC)


def main() -> None:
    """Print the table."""
    print(machine())
    rows = []
    with one_cpu(), fc.threads(1):
        peak = multiply_adds()
        peak()
        for case in (*CASES, *MORE_CASES):
            x = case.points()
            shape = (len(x), case.n, case.n)

            def hessians(case=case, x=x):
                return fc.hessian(case.fun, x, case.args)

            def write(shape=shape):
                np.empty(shape).fill(1.0)

            hessians()
            width = native_lanes(np.float64)
            runs = {
                "hessian": (hessians, len(x)),
                "write": (write, len(x)),
                "fma": (peak, 2 * width * CHAINS * REPEATS),
            }
            found = {name: timing.median for name, timing in interleave(runs, ROUNDS).items()}
            simple, functions = operations(case)
            rows.append(
                [
                    case.name,
                    significant(found["hessian"]),
                    f"{found['write'] / found['hessian']:.2f}",
                    f"{simple:,}",
                    f"{functions:,}",
                    f"{simple * found['fma'] / found['hessian']:.2f}",
                ]
            )
            print(f"{case.name}: {8 * case.n**2 / found['write']:.1f} GB/s, {1 / found['fma']:.1f} GF/s", flush=True)
    head = ["case", "ns", "of the limit of writing", "sums, products", "others", "of the limit of multiply-adds"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
