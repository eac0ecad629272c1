"""Tracing: a user's function run once on symbols; its derivatives as expressions, and these as code for lanes."""

from ._formulas import formulas, shapes
from ._lanes import straight_line
from ._program import Program, Wanted, program
from ._ties import may_tie
from ._tracer import Traced, flattened, numbers_of, others, trace
from ._values import largest

__all__ = [
    "Program", "Traced", "Wanted", "flattened", "formulas", "largest", "may_tie", "numbers_of", "others", "program",
    "shapes", "straight_line", "trace",
]  # fmt: skip
