"""Full unrolling of loops over the coordinates, where the compiler knows how many there are.

In unrolled code the seeds of a number are constants, and what they are multiplied by folds. LLVM's own limit on code
that grows stops far earlier than this pays (Rosenbrock 8: 3x, Rastrigin 8: 2x). Loops over anything else are its own
affair.
"""

from __future__ import annotations

from typing import Any

from numba.core import ir
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.ir_utils import get_definition, guard
from numba.core.typed_passes import NopythonTypeInference

from ._vector import SeededVector

#: statements that one loop nest may grow to
MOST_STATEMENTS = 1500


@register_pass(mutates_CFG=False, analysis_only=True)
class FindLoops(AnalysisPass):
    """Tell the library which loops run over the coordinates."""

    _name = "find_loops_over_coordinates"

    def __init__(self):
        AnalysisPass.__init__(self)

    def run_pass(self, state):
        state.library.headers = _Search(state.func_ir, state.typemap).headers()
        return True


class _Search:
    def __init__(self, func_ir: Any, typemap: Any):
        self.func_ir, self.typemap = func_ir, typemap

    def headers(self) -> frozenset[int]:
        """Labels of the loops over coordinates that stay small enough."""
        found, blocks = set(), self.func_ir.blocks
        loops = compute_cfg_from_blocks(blocks).loops().values()
        for loop in loops:
            depth = sum(loop.header in outer.body for outer in loops)
            size = sum(len(blocks[label].body) for label in loop.body)
            length = max((kind.length for kind in self.typemap.values() if isinstance(kind, SeededVector)), default=0)
            if size * length**depth <= MOST_STATEMENTS and self._runs_over_coordinates(blocks[loop.header]):
                found.add(loop.header)
        return frozenset(found)

    def _runs_over_coordinates(self, header: Any) -> bool:
        for statement in header.body:
            if isinstance(statement, ir.Assign) and getattr(statement.value, "op", None) == "iternext":
                return self._is_iterator(statement.value.value)  # pyright: ignore[reportAttributeAccessIssue]
        return False

    def _defined(self, variable: Any) -> Any:
        return guard(get_definition, self.func_ir, variable)

    def _is_x(self, variable: Any) -> bool:
        return isinstance(self.typemap.get(variable.name), SeededVector)

    def _is_iterator(self, variable: Any) -> bool:
        """Whether this iterates over x, or a range that ends with a number made from its length."""
        made = self._defined(variable)
        if getattr(made, "op", None) != "getiter":
            return False
        if self._is_x(made.value):
            return True
        call = self._defined(made.value)
        if getattr(call, "op", None) != "call" or self._name(call.func) != "range":
            return False
        return self._is_length(call.args[0 if len(call.args) == 1 else 1])

    def _name(self, variable: Any) -> str:
        return getattr(getattr(self._defined(variable), "value", None), "__name__", "")

    def _is_length(self, variable: Any) -> bool:
        """Whether a number is made from the length of x: known to the compiler, once outer loops are unrolled."""
        made = self._defined(variable)
        op = getattr(made, "op", None)
        if op == "call":
            return self._name(made.func) == "len" and self._is_x(made.args[0])
        if op == "getattr":
            return made.attr in ("size", "shape") and self._is_x(made.value)
        if op in ("static_getitem", "getitem", "cast", "exhaust_iter"):
            return self._is_length(made.value)
        if op in ("binop", "inplace_binop"):
            return self._is_length(made.lhs) or self._is_length(made.rhs)
        if op == "pair_first":
            step = self._defined(made.value)
            return getattr(step, "op", None) == "iternext" and self._is_iterator(step.value)
        return False


def find_loops(pipeline: Any) -> None:
    """Let the pipeline of a function that is given such an x tell its library of its loops."""
    pipeline.add_pass_after(FindLoops, NopythonTypeInference)
    pipeline.finalize()
