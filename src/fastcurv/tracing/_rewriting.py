"""The source of a function rewritten so that an `if` on a symbolic condition takes both sides.

The new source is the user's, except that `a if c else b`, `and`, `or`, `not` and `a < b < c` call `Runtime`, and

    if c:              choice = runtime.choice(call, c, locals(), ...)
        y = a          if choice.body:
    else:                  y = a
        y = b          if choice.symbolic:
                           (y,) = choice.restored(locals(), ('y',))   # as before
                           if y is unbound: del y
                       if choice.orelse:
                           y = b
                       if choice.symbolic:
                           (y,) = choice.merged(locals(), ('y',))
                           if y is unbound: del y

An ordinary condition makes one of `body` and `orelse` true, a symbolic one both: one copy of every statement serves,
and a trace runs it once however deep ifs are nested. There are no blocks but `if`, as Python nests 20 of others at most
and an `elif` is in the one before it; one `with ... as call` around the whole closes what an exception leaves open.
What follows an `if` of which one side ends in `return` moves into the other side; where both do, the values that they
return are assigned and merged.

Lists and arrays change in place: their contents are put back and merged as well (`_Watch`). An `if` that jumps, or does
what cannot be put back, stays as it is, so that a symbolic condition refuses to be a bool. What the functions called in
a branch do to objects, files or random numbers is for `hooks.under` to refuse.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from textwrap import indent
from typing import Any

from ._branches import RETURN

#: names that no user has: of the runtime among the globals, of locals
RUNTIME = "__fastcurv__"
_CALL = "__fastcurv_call__"

Function = ast.FunctionDef | ast.Lambda


def rewritten(node: Function) -> Function:
    """A function's node, changed in place; `ast.unparse` shows what is going to run."""
    return _Rewriting().visit(node)


class _Rewriting(ast.NodeTransformer):
    def __init__(self):
        self._choices = 0
        #: whether the statement is in an `if` that merges what its sides return
        self._merging = False

    def visit_FunctionDef(self, node: ast.FunctionDef):
        if any(isinstance(part, ast.Yield | ast.YieldFrom) for part in in_scope(node.body)):
            return node
        outer = self._choices, self._merging
        self._choices, self._merging = 0, False
        node.body = _normalised(node.body)
        self.generic_visit(node)
        if self._choices:
            start = ast.get_docstring(node, clean=False) is not None
            whole = statements(f"with {RUNTIME}.call({RUNTIME}.scope()) as {_CALL}: pass", node)[0]
            whole.body, node.body[start:] = node.body[start:], [whole]
        self._choices, self._merging = outer
        return node

    def visit_ClassDef(self, node: ast.ClassDef | ast.AsyncFunctionDef):
        return node

    visit_AsyncFunctionDef = visit_ClassDef  # noqa: N815  as `ast` names it

    def visit_If(self, node: ast.If):
        if not _is_convertible(node):
            return self.generic_visit(node)
        self._choices += 1
        choice = f"__fastcurv_{self._choices}__"
        parts = list(in_scope(node.body + node.orelse))
        bound = sorted({name for part in parts if (name := _bound(part))})
        stored = tuple(sorted({name for part in parts if (name := _stored(part))}))
        named = tuple(sorted({part.id for part in ast.walk(node) if isinstance(part, ast.Name)}))
        returns = any(isinstance(part, ast.Return) for part in parts)
        outer, self._merging = self._merging, self._merging or returns
        self.generic_visit(node)
        self._merging = outer
        made = statements(
            f"{choice} = {RUNTIME}.choice({_CALL}, None, {RUNTIME}.scope(), {named}, {stored})\n"
            f"if {choice}.body: pass\n"
            f"if {choice}.symbolic:\n{_rebinding(f'{choice}.restored', bound)}\n"
            f"if {choice}.orelse: pass\n"
            f"if {choice}.symbolic:\n{_rebinding(f'{choice}.merged', [RETURN] if returns else bound)}\n"
            f"return {RETURN}",
            node.test,
        )
        made[0].value.args[1] = node.test
        made[1].body, made[3].body = node.body, node.orelse or made[3].body
        return made if returns and not self._merging else made[:-1]

    def visit_Return(self, node: ast.Return):
        self.generic_visit(node)
        if not self._merging:
            return node
        assignment = statements(f"{RETURN} = None", node)[0]
        assignment.value = node.value
        return assignment

    def visit_IfExp(self, node: ast.IfExp):
        self.generic_visit(node)
        sides = [node.body, node.orelse]
        return _call("choose", node, node.test, *map(_thunk, sides)) if _can_be_thunks(sides) else node

    def visit_BoolOp(self, node: ast.BoolOp):
        self.generic_visit(node)
        first, *rest = node.values
        name = "conjunction" if isinstance(node.op, ast.And) else "disjunction"
        return _call(name, node, first, *map(_thunk, rest)) if _can_be_thunks(rest) else node

    def visit_UnaryOp(self, node: ast.UnaryOp):
        self.generic_visit(node)
        return _call("negation", node, node.operand) if isinstance(node.op, ast.Not) else node

    def visit_Compare(self, node: ast.Compare):
        self.generic_visit(node)
        if len(node.ops) == 1 or not _can_be_thunks(node.comparators):
            return node
        links: list[ast.expr] = []
        for op, operand in zip(node.ops, node.comparators, strict=True):
            comparison = statements("lambda left, right: left == right", node)[0].value
            comparison.body.ops = [op]
            links += [_thunk(operand), comparison]
        return _call("chain", node, node.left, *links)


#: what a branch may consist of; others jump out of it, bind in their own ways or must not run where they would not
_STATEMENTS = (
    *(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Pass),
    *(ast.If, ast.For, ast.Return, ast.FunctionDef),
)
#: functions that are about the frame that calls them, which is another one in a lambda
_OF_THE_FRAME = {"super", "locals", "vars", "dir", "eval", "exec"}


def _is_convertible(node: ast.If) -> bool:
    for part in in_scope(node.body + node.orelse):
        if isinstance(part, ast.stmt) and not isinstance(part, _STATEMENTS):
            return False
        if isinstance(part, ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Store) and not _stored(part):
            return False
    return not _has_return([node]) or _ends_in_return([node])


def _normalised(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The same statements, where what follows an `if` of which one side ends in `return` is in its other side."""
    for index, statement in enumerate(statements):
        for field, value in ast.iter_fields(statement):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(statement, field, _normalised(value))
        rest = statements[index + 1 :]
        if not isinstance(statement, ast.If) or not rest:
            continue
        ends = _ends_in_return(statement.body), _ends_in_return(statement.orelse)
        if ends == (True, False):
            statement.orelse = _normalised(statement.orelse + rest)
            return statements[: index + 1]
        if ends == (False, True):
            statement.body = _normalised(statement.body + rest)
            return statements[: index + 1]
    return statements


def _ends_in_return(statements: Sequence[ast.stmt]) -> bool:
    """Whether every path ends in the `return` of a value, and `if`s alone tell the paths apart."""
    if not statements or _has_return(statements[:-1]):
        return False
    last = statements[-1]
    if isinstance(last, ast.If):
        return _ends_in_return(last.body) and _ends_in_return(last.orelse)
    if not isinstance(last, ast.Return) or last.value is None:
        return False
    return not (isinstance(last.value, ast.Constant) and last.value.value is None)


def _has_return(statements: Sequence[ast.stmt]) -> bool:
    return any(isinstance(part, ast.Return) for part in in_scope(statements))


def in_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Nodes and what is in them, but for functions, classes and what comprehensions bind."""
    pending = list(nodes)
    while pending:
        yield (node := pending.pop())
        if isinstance(node, ast.comprehension):
            pending += [node.iter, *node.ifs]
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)


def _bound(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return node.name if isinstance(node, ast.FunctionDef) else None


def _stored(node: ast.AST) -> str | None:
    """The name `y` of a target `y[i]` or `y[i][j]`."""
    if not (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)):
        return None
    base = node.value
    while isinstance(base, ast.Subscript):
        base = base.value
    return base.id if isinstance(base, ast.Name) else None


def _can_be_thunks(nodes: Iterable[ast.expr]) -> bool:
    """Whether expressions mean the same in a lambda, where a `:=` would bind in vain."""
    parts = [part for node in nodes for part in ast.walk(node)]
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return not names & _OF_THE_FRAME and not any(isinstance(part, ast.NamedExpr) for part in parts)


def _rebinding(method: str, names: list[str]) -> str:
    values = f"{method}({RUNTIME}.scope(), {tuple(names)})"
    assignment = f"({', '.join(names)},) = {values}" if names else values
    return indent("\n".join([assignment, *(f"if {name} is {RUNTIME}.unbound: del {name}" for name in names)]), "    ")


def statements(text: str, place: ast.AST) -> list[Any]:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        ast.copy_location(node, place)
    return tree.body


def _thunk(node: ast.expr) -> ast.Lambda:
    thunk = statements("lambda: None", node)[0].value
    thunk.body = node
    return thunk


def _call(name: str, place: ast.expr, *arguments: ast.expr) -> ast.Call:
    call = statements(f"{RUNTIME}.{name}()", place)[0].value
    call.args = list(arguments)
    return call
