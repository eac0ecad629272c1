"""Functions of one number, computed as such: much of what people write, as `s * s - s` or `exp(-z * z / 2)`.

An operation on numbers costs as many instructions as they have derivatives. Operations on one number, and on what
comes of it, are a function of one variable: that needs f, f' and f'' at a value, and the chain rule once. In each block
of statements, when types are known, the steps from a number (the root of a family) are done with a jet of one variable;
those of them that others use (its results) become numbers again.

f'' is formed before the derivatives of the root: constants beyond 1e150, or their inverses, may over- or underflow.
"""

from __future__ import annotations

import operator
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.core import ir
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.ir_utils import mk_unique_var
from numba.core.typed_passes import NopythonRewrites

from ..elements import is_real
from ._operations import OPERATIONS, compose, compose_and_add, variable
from ._types import Number
from ._vector import SeededVector


class _Step(NamedTuple):
    """A statement ``target = function(*operands)`` that makes a number of numbers and real ones.

    `function` is None where it is the same number by another name.
    """

    statement: Any
    function: Any
    operands: Sequence[ir.Var]

    @property
    def target(self) -> ir.Var:
        return self.statement.target


class _Names:
    """Which variables of a block hold the same: a coordinate, or what the same operation makes of the same.

    `changing` are those that are assigned to here, and here again or elsewhere: they stand for no one number.
    """

    def __init__(self, block: ir.Block, steps: dict[str, _Step], typemap: dict, assigned: Counter):
        statements = [statement for statement in block.body if isinstance(statement, ir.Assign)]
        self.changing = {s.target.name for s in statements if assigned[s.target.name] > 1}
        self._first: dict[str, Any] = {}
        known: dict[Any, str] = {}
        for statement in statements:
            name, value = statement.target.name, statement.value
            made: Any = value
            if name in self.changing:
                continue
            if isinstance(value, ir.Var):
                self._first[name] = name if value.name in self.changing else self._identity(value)
            elif isinstance(value, ir.Const | ir.Global | ir.FreeVar) and isinstance(value.value, int | float):
                self._first[name] = self._identity(value.value)
            elif name in steps:
                self._first[name] = known.setdefault(self._key(steps[name].function, *steps[name].operands), name)
            elif _is_coordinate(value, typemap):
                self._first[name] = known.setdefault(self._key("coordinate", made.value, made.index), name)
            elif getattr(value, "op", None) == "binop":
                self._first[name] = known.setdefault(self._key(made.fn, made.lhs, made.rhs), name)

    def first(self, variable: ir.Var) -> str:
        """The name by which a number is known first."""
        return self._first.get(variable.name, variable.name)

    def _key(self, function: Any, *operands: Any) -> tuple:
        return function, *map(self._identity, operands)

    def _identity(self, value: Any) -> Any:
        """What identifies an operand within the block: a name, or type and digits; what changes equals nothing."""
        if not isinstance(value, ir.Var):
            return type(value), repr(value)  # 0.0 and -0.0, 1 and True are different ones
        return object() if value.name in self.changing else self.first(value)


def _is_coordinate(value: Any, typemap: dict) -> bool:
    """Whether this reads a coordinate of x, which never changes."""
    is_read = getattr(value, "op", None) in ("getitem", "static_getitem")
    return is_read and isinstance(typemap[value.value.name], SeededVector)


@register_pass(mutates_CFG=False, analysis_only=False)
class Compose(FunctionPass):
    """Do functions of one number as such."""

    _name = "compose_functions_of_one_number"

    def __init__(self):
        FunctionPass.__init__(self)

    def run_pass(self, state):
        found = _Rewriting(state.func_ir, state.typemap, state.calltypes, state.typingctx)
        for block in state.func_ir.blocks.values():
            found.rewrite(block)
        return True


class _Rewriting:
    """The statements of a function, and their types."""

    def __init__(self, func_ir: Any, typemap: dict, calltypes: dict, context: Any):
        self._typemap, self._calltypes, self._context = typemap, calltypes, context
        statements = [statement for block in func_ir.blocks.values() for statement in block.body]
        self._assigned = Counter(s.target.name for s in statements if isinstance(s, ir.Assign))
        self._used = Counter(name for statement in statements for name in _uses(statement))

    def rewrite(self, block: ir.Block) -> None:
        """Do the functions of one number in a block as such."""
        steps = {step.target.name: step for step in map(self._step, block.body) if step is not None}
        names = _Names(block, steps, self._typemap, self._assigned)
        chosen: dict[str, tuple[list[_Step], set[str]]] = {}
        for root, family in self._families(steps.values(), names).items():
            used = Counter(v.name for step in family for v in step.operands)
            results = {step.target.name for step in family if self._used[step.target.name] > used[step.target.name]}
            operations = [step for step in family if step.function is not None]
            # of a square alone, too: it has one product for each derivative instead of two
            is_square = any(len(step.operands) > len(set(map(names.first, step.operands))) for step in operations)
            if is_square or len(operations) > len(results):
                chosen[root] = family, results
        sums = self._sums(steps.values(), set().union(*(results for _, results in chosen.values())))
        replaced: dict[int, list[ir.Assign]] = {}
        for root, (family, results) in chosen.items():
            replaced.update(self._by_jets(root, family, results, names, sums))
        block.body = [new for old in block.body for new in replaced.get(id(old), [old])]

    def _sums(self, steps: Iterable[_Step], results: set[str]) -> dict[str, _Step]:
        """By the name of a result: the step that adds it to another number, where it is used nowhere else."""
        found = {}
        for step in steps:
            if step.function in (operator.add, np.add) and all(map(self._is_number, step.operands)):
                name = next((v.name for v in step.operands if v.name in results and self._used[v.name] == 1), None)
                found |= {name: step} if name else {}
        return found

    def _families(self, steps: Iterable[_Step], names: _Names) -> dict[str, list[_Step]]:
        """Steps from a number, and from what comes of it, in order; by its name."""
        roots: dict[str, str] = {}
        found = defaultdict(list)
        for step in steps:
            numbers = {names.first(v) for v in step.operands if self._is_number(v)}
            origins = {roots.get(name, name) for name in numbers}
            if len(origins) == 1 and not names.changing & {*origins, step.target.name}:
                (root,) = origins
                roots[names.first(step.target)] = root
                found[root].append(step)
        return found

    def _step(self, statement: Any) -> _Step | None:
        if not isinstance(statement, ir.Assign) or not self._is_number(statement.target):
            return None
        value: Any = statement.value
        if isinstance(value, ir.Var):
            is_same = self._typemap[value.name] == self._typemap[statement.target.name]
            return _Step(statement, None, [value]) if is_same else None
        op = getattr(value, "op", None)
        if op in ("binop", "inplace_binop"):
            function, operands = value.immutable_fn if op == "inplace_binop" else value.fn, [value.lhs, value.rhs]
        elif op == "unary":
            function, operands = value.fn, [value.value]
        elif op == "call" and not value.kws and value.vararg is None:
            function, operands = getattr(self._typemap[value.func.name], "typing_key", None), value.args
        else:
            return None
        is_known = function in OPERATIONS and len(self._calltypes[value].args) == len(operands)
        are_numbers = all(self._is_number(v) or is_real(self._typemap[v.name]) for v in operands)
        return _Step(statement, function, operands) if is_known and are_numbers else None

    def _is_number(self, variable: ir.Var) -> bool:
        return isinstance(self._typemap[variable.name], Number)

    def _by_jets(
        self, root: str, family: list[_Step], results: set[str], names: _Names, sums: dict[str, _Step]
    ) -> dict[int, list[ir.Assign]]:
        """What each of the steps of a family becomes, and those that add its results to others."""
        number = ir.Var(family[0].target.scope, root, family[0].target.loc)
        made, jet = self._call(family[0].target, variable, [number])
        jets, found = {root: jet}, {}
        for step in family:
            name = names.first(step.target)
            if name not in jets:
                given = self._calltypes[step.statement.value].args
                operands = [jets.get(names.first(v), v) for v in step.operands]
                more, jets[name] = self._call(step.target, step.function, operands, given)
                made = made + more
            if (total := sums.get(step.target.name)) is not None:
                others = [v for v in total.operands if v.name != step.target.name]
                more, result = self._call(total.target, compose_and_add, [*others, number, jets[name]])
                found[id(total.statement)] = [*more, ir.Assign(result, total.target, total.target.loc)]
            elif step.target.name in results:
                more, result = self._call(step.target, compose, [number, jets[name]])
                made = [*made, *more, ir.Assign(result, step.target, step.target.loc)]
            found[id(step.statement)], made = made, []
        return found

    def _call(self, like: ir.Var, function: Any, operands: Sequence[ir.Var], given: Sequence[types.Type] | None = None):
        """Statements that call a function, and what gets its result; the types of real operands are `given`."""
        kinds = [self._typemap[v.name] for v in operands]
        if given is not None:
            kinds = [kind if isinstance(kind, Number) else known for kind, known in zip(kinds, given, strict=True)]
        known = self._context.resolve_value_type(function)
        signature = known.get_call_type(self._context, tuple(kinds), {})
        called, result = self._variable(like, "function", known), self._variable(like, "jet", signature.return_type)
        call = ir.Expr.call(called, tuple(operands), (), like.loc)
        self._calltypes[call] = signature
        held = ir.Global(getattr(function, "__name__", "function"), function, like.loc)
        return [ir.Assign(held, called, like.loc), ir.Assign(call, result, like.loc)], result

    def _variable(self, like: ir.Var, name: str, kind: types.Type) -> ir.Var:
        made = ir.Var(like.scope, mk_unique_var(f"${name}"), like.loc)
        self._typemap[made.name] = kind
        return made


def _uses(statement: Any) -> list[str]:
    """The names of variables that a statement reads, each as often as it does."""
    value = statement.value if isinstance(statement, ir.Assign) else statement
    variables = [value] if isinstance(value, ir.Var) else getattr(value, "list_vars", list)()
    return [v.name for v in variables]


def find_compositions(pipeline: Any) -> None:
    """Let the pipeline of a function that computes with numbers do functions of one number as such."""
    pipeline.add_pass_after(Compose, NopythonRewrites)
    pipeline.finalize()
