"""Central differences in lanes, beside their own evaluations of f alone and the same kernel one point after the other.

`NUMBA_NUM_THREADS=1 python -m benchmarks.lanes`. Evaluations alone are as many as the stencil has, n² + n + 1; a
function that branches on x has none in lanes, but those of the expression that it is.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np

import fastcurv as fc
from fastcurv import _by_differences as by_differences
from fastcurv import _launch as launch
from fastcurv._inputs import new_array
from fastcurv._plan import Options
from fastcurv.backends._native import run
from fastcurv.backends._threads import loop
from fastcurv.function import compiled, user_function
from fastcurv.simd import first_aligned, numbers, take

from .cases import CASES, Case

ROUNDS = 21
MOST_NUMBERS = 2**17
"""Of results, which stay in a cache of 1 MB: bare evaluations write none."""


def evaluations_alone(case: Case, lanes: int):
    """evaluate(points, repeats, out, args): so many evaluations at each point; their sum keeps them from being dropped.

    As tasks are run, on a stack that begins at a cache line: where vectors straddled two, as the address of the stack
    happened to be, cosines took twice as long.
    """
    f = user_function(case.fun).scalar()  # pyright: ignore[reportAttributeAccessIssue]

    def block(task, worker, points, repeats, out, args):
        n = points.shape[1]
        memory = np.empty(8 + lanes * (n + 1))
        start = first_aligned(memory)
        x = numbers(memory, start, n, lanes, 0)
        total = numbers(memory, start + lanes * n, 1, lanes, 0)
        raised = np.zeros(1, np.int64)
        flat = points.reshape(-1)
        total[0] = 0.0
        for b in range(0, len(points), lanes):
            for i in range(n):
                x[i] = take(flat, b * n + i, n, lanes - 1, lanes)
            for r in range(repeats):
                x[r % n] = x[r % n] + 1e-9
                total[0] += f(x, (raised, *args))
        out[0] = memory[start + lanes * n]

    inner = compiled(block, f"alone_{lanes}", inline_helpers=True)

    def run_block(address, *arguments):
        run(inner, address, 0, 1, 1, arguments)

    entry = compiled(run_block, f"alone_{lanes}", entry=True)

    def evaluate(*arguments):
        with loop(1) as (address, _):
            entry(address, *arguments)

    return evaluate


def main() -> None:
    """Print the table."""
    print("| case | ns / Hessian | evaluations / Hessian | one by one / lanes |\n| --- | ---: | ---: | ---: |")
    for case in CASES:
        points = case.points(max(64, min(MOST_NUMBERS // case.n**2, case.number) // 8 * 8))
        count, n = points.shape
        asked = launch.call(case.fun, points, case.args, options=Options(method="central"))
        with launch.without_expressions():
            _, branches = launch.settled_lanes(asked)
        call, refused = launch.settled_lanes(asked)
        if refused:
            continue
        out, total, alone = new_array((count, n, n)), np.empty(1), evaluations_alone(case, call.lanes)

        def hessians(call, out=out) -> None:
            by_differences.second_order(call, call.plan, errors=False, out=out)

        runs: dict[str, Callable[[], None]] = {
            "lanes": lambda call=call, hessians=hessians: hessians(call),
            "one by one": lambda call=call, hessians=hessians: hessians(call.one_by_one),
        }
        if not branches:
            runs["alone"] = lambda x=points, alone=alone, n=n, args=case.args, total=total: alone(
                x, n * n + n + 1, total, args
            )
        for take_all in runs.values():
            take_all()
        best = dict.fromkeys(runs, np.inf)
        for _ in range(ROUNDS):
            for name, take_all in runs.items():
                start = perf_counter()
                take_all()
                best[name] = min(best[name], perf_counter() - start)
        print(
            f"| {case.name} | {best['lanes'] / count * 1e9:,.1f} "
            f"| {'-' if branches else format(best['alone'] / best['lanes'], '.2f')} "
            f"| {best['one by one'] / best['lanes']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    with fc.threads(1):
        main()
