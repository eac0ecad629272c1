"""If-conversion: a twin of a user's function that takes both sides of a symbolic condition and merges them.

The twin's source is the user's, except that `a if c else b`, `and`, `or`, `not` and `a < b < c` call `_Runtime`, and

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
import copy
import inspect
import linecache
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import lru_cache, partial
from operator import is_
from textwrap import indent
from typing import Any, NamedTuple

import numpy as np

from ..function._digest import names_in


class Hooks(NamedTuple):
    """What a symbolic condition is and what is made of it."""

    is_symbolic: Callable[[Any], bool]
    #: of a condition and what a variable is after each branch
    merge: Callable[[Any, Any, Any], Any]
    #: of two conditions, at least one of them symbolic
    both: Callable[[Any, Any], Any]
    either: Callable[[Any, Any], Any]
    negation: Callable[[Any], Any]
    #: entered with the condition, or its negation, while a branch runs; its exit is told of an exception in the branch
    under: Callable[[Any], AbstractContextManager]


#: names that no user has: of the runtime among the globals, of locals, of the function while it is compiled
_RUNTIME = "__fastcurv__"
_CALL = "__fastcurv_call__"
_RETURN = "__fastcurv_return__"
_FUNCTION = "__fastcurv_function__"

_Function = ast.FunctionDef | ast.Lambda
_Thunk = types.FunctionType


def converted(
    function: types.FunctionType, namespace: dict[str, Any], cells: tuple, hooks: Hooks
) -> types.FunctionType:
    """A twin of a function over these globals and cells; its code is the original where the source is not certain."""
    original = function.__code__
    code = _converted_code(original, function.__globals__) or original
    namespace[_RUNTIME] = _Runtime(hooks, namespace)
    by_name = dict(zip(original.co_freevars, cells, strict=True))
    closure = tuple(by_name[name] for name in code.co_freevars)
    twin = types.FunctionType(code, namespace, function.__name__, function.__defaults__, closure)
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__qualname__, twin.__module__ = function.__qualname__, function.__module__
    return twin


def _converted_code(original: types.CodeType, module: dict[str, Any]) -> types.CodeType | None:
    if original.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # users have seen those of their source
            file = _file(_source(original, module))
            nodes = file.functions.get(original.co_firstlineno, [])
            # its places in the source among the rest, so that lambdas on a line are told apart
            node = next((node for node in nodes if _compiled(node, file, original) == original), None)
            if node is None or any(isinstance(part, ast.Global | ast.Nonlocal) for part in ast.walk(node)):
                return None  # calls may change variables that are not in sight of an `if`
            code = _compiled(rewritten(copy.deepcopy(node)), file, original)
    except (SyntaxError, ValueError, RecursionError):  # not Python (a notebook's magics), or nested too deeply
        return None
    return _requalified(code, code.co_qualname, original.co_qualname)


def _source(code: types.CodeType, module: dict[str, Any]) -> str:
    linecache.checkcache(code.co_filename)
    return "".join(linecache.getlines(code.co_filename, module))


class _File(NamedTuple):
    functions: dict[int, list[_Function]]  # by first line, as code objects count it
    imports: list[ast.stmt]  # of the module: Python has other instructions for methods of what is imported


@lru_cache(maxsize=16)
def _file(source: str) -> _File:
    tree = ast.parse(source)
    functions: dict[int, list[_Function]] = {}
    for node in ast.walk(tree):
        if isinstance(node, _Function):
            first = node.decorator_list[0] if isinstance(node, ast.FunctionDef) and node.decorator_list else node
            functions.setdefault(first.lineno, []).append(node)
    imports = [node for node in _in_scope([tree]) if isinstance(node, ast.Import | ast.ImportFrom)]
    return _File(functions, [node for node in imports if getattr(node, "module", None) != "__future__"])


def _compiled(node: _Function, file: _File, original: types.CodeType) -> types.CodeType:
    """The code of a function, compiled where the free variables of the original are local. Nothing of it is run."""
    node = copy.copy(node)
    if isinstance(node, ast.FunctionDef):
        node.name = _FUNCTION  # under its own, a call of itself would not be that of a global
    outer = _statements(f"def outer({', '.join(original.co_freevars)}): return None", node)[0]
    if isinstance(node, ast.Lambda):
        outer.body[0].value = node
    else:
        outer.body = [node]
    flags = original.co_flags & annotations.compiler_flag
    code = compile(ast.Module([*file.imports, outer], []), original.co_filename, "exec", flags, dont_inherit=True)
    name = getattr(node, "name", "<lambda>")
    found = [part for part in _codes(_codes(code)[0]) if part.co_name == name]
    if not found:
        raise ValueError(f"{original.co_qualname} is in the scope of parameters of types")
    # the last, as lambdas in its default values come before it
    return found[-1].replace(co_name=original.co_name, co_flags=original.co_flags)


def _codes(code: types.CodeType) -> list[types.CodeType]:
    return [part for part in code.co_consts if isinstance(part, types.CodeType)]


def _requalified(code: types.CodeType, old: str, new: str) -> types.CodeType:
    consts = [_requalified(part, old, new) if isinstance(part, types.CodeType) else part for part in code.co_consts]
    return code.replace(co_qualname=new + code.co_qualname.removeprefix(old), co_consts=tuple(consts))


def rewritten(node: _Function) -> _Function:
    """A function's node, changed in place; `ast.unparse` shows what is going to run."""
    return _Rewriting().visit(node)


class _Rewriting(ast.NodeTransformer):
    def __init__(self):
        self._choices = 0
        #: whether the statement is in an `if` that merges what its sides return
        self._merging = False

    def visit_FunctionDef(self, node: ast.FunctionDef):
        if any(isinstance(part, ast.Yield | ast.YieldFrom) for part in _in_scope(node.body)):
            return node
        outer = self._choices, self._merging
        self._choices, self._merging = 0, False
        node.body = _normalised(node.body)
        self.generic_visit(node)
        if self._choices:
            start = ast.get_docstring(node, clean=False) is not None
            whole = _statements(f"with {_RUNTIME}.call({_RUNTIME}.scope()) as {_CALL}: pass", node)[0]
            whole.body, node.body[start:] = node.body[start:], [whole]
        self._choices, self._merging = outer
        return node

    def visit_ClassDef(self, node: ast.ClassDef | ast.AsyncFunctionDef):
        return node

    visit_AsyncFunctionDef = visit_ClassDef  # noqa: N815

    def visit_If(self, node: ast.If):
        if not _is_convertible(node):
            return self.generic_visit(node)
        self._choices += 1
        choice = f"__fastcurv_{self._choices}__"
        parts = list(_in_scope(node.body + node.orelse))
        bound = sorted({name for part in parts if (name := _bound(part))})
        stored = tuple(sorted({name for part in parts if (name := _stored(part))}))
        named = tuple(sorted({part.id for part in ast.walk(node) if isinstance(part, ast.Name)}))
        returns = any(isinstance(part, ast.Return) for part in parts)
        outer, self._merging = self._merging, self._merging or returns
        self.generic_visit(node)
        self._merging = outer
        made = _statements(
            f"{choice} = {_RUNTIME}.choice({_CALL}, None, {_RUNTIME}.scope(), {named}, {stored})\n"
            f"if {choice}.body: pass\n"
            f"if {choice}.symbolic:\n{_rebinding(f'{choice}.restored', bound)}\n"
            f"if {choice}.orelse: pass\n"
            f"if {choice}.symbolic:\n{_rebinding(f'{choice}.merged', [_RETURN] if returns else bound)}\n"
            f"return {_RETURN}",
            node.test,
        )
        made[0].value.args[1] = node.test
        made[1].body, made[3].body = node.body, node.orelse or made[3].body
        return made if returns and not self._merging else made[:-1]

    def visit_Return(self, node: ast.Return):
        self.generic_visit(node)
        if not self._merging:
            return node
        assignment = _statements(f"{_RETURN} = None", node)[0]
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
            comparison = _statements("lambda left, right: left == right", node)[0].value
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
    for part in _in_scope(node.body + node.orelse):
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
    return any(isinstance(part, ast.Return) for part in _in_scope(statements))


def _in_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
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
    values = f"{method}({_RUNTIME}.scope(), {tuple(names)})"
    assignment = f"({', '.join(names)},) = {values}" if names else values
    return indent("\n".join([assignment, *(f"if {name} is {_RUNTIME}.unbound: del {name}" for name in names)]), "    ")


def _statements(text: str, place: ast.AST) -> list[Any]:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        ast.copy_location(node, place)
    return tree.body


def _thunk(node: ast.expr) -> ast.Lambda:
    thunk = _statements("lambda: None", node)[0].value
    thunk.body = node
    return thunk


def _call(name: str, place: ast.expr, *arguments: ast.expr) -> ast.Call:
    call = _statements(f"{_RUNTIME}.{name}()", place)[0].value
    call.args = list(arguments)
    return call


class _Call:
    """A call of a twin: the branches that are open in it."""

    def __init__(self, scope: dict[str, Any]):
        #: arguments and free variables
        self.given = list(scope.values())
        self._open: list[AbstractContextManager] = []

    def __enter__(self) -> _Call:
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self._open and error is None:
            raise TypeError("an exception is caught outside of the condition on x under which it was raised")
        while self._open:
            self._open.pop().__exit__(kind, error, trace)

    def enter(self, context: AbstractContextManager) -> None:
        context.__enter__()
        self._open.append(context)

    def leave(self) -> None:
        self._open.pop().__exit__(None, None, None)


class _Runtime:
    """What twins call."""

    call = _Call
    scope = staticmethod(locals)
    unbound = object()

    def __init__(self, hooks: Hooks, namespace: dict[str, Any]):
        self.hooks, self.namespace = hooks, namespace
        self.choice = partial(_Choice, self)

    def choose(self, test, body: _Thunk, orelse: _Thunk):
        """`body if test else orelse`"""
        if not self.hooks.is_symbolic(test):
            return body() if test else orelse()
        return self.merged(test, *self._sides(test, body, orelse))

    def conjunction(self, value, *rest: _Thunk):
        """`value and ...`"""
        for operand in rest:
            if self.hooks.is_symbolic(value):
                value = self.hooks.both(value, self._sides(value, operand, _nothing)[0])
            elif value:
                value = operand()
            else:
                break
        return value

    def disjunction(self, value, *rest: _Thunk):
        """`value or ...`"""
        for operand in rest:
            if self.hooks.is_symbolic(value):
                value = self.hooks.either(value, self._sides(value, _nothing, operand)[1])
            elif value:
                break
            else:
                value = operand()
        return value

    def negation(self, value):
        """`not value`"""
        return self.hooks.negation(value) if self.hooks.is_symbolic(value) else not value

    def chain(self, left, *links: _Thunk):
        """`left < ...`, of links that are an operand and its comparison with the one before."""
        value = True
        for operand, comparison in zip(links[::2], links[1::2], strict=True):
            if self.hooks.is_symbolic(value):
                right = self._sides(value, operand, _nothing)[0]
                value = self.hooks.both(value, comparison(left, right))
            elif value:
                right = operand()
                value = comparison(left, right)
            else:
                break
            left = right
        return value

    def merged(self, test, a, b):
        return a if a is b else self.hooks.merge(test, a, b)

    def _sides(self, test, body: _Thunk, orelse: _Thunk) -> tuple[Any, Any]:
        reached = [self.namespace.get(name) for thunk in (body, orelse) for name in names_in(thunk.__code__)]
        for cell in (body.__closure__ or ()) + (orelse.__closure__ or ()):
            with suppress(ValueError):  # an empty one
                reached.append(cell.cell_contents)
        watch = _Watch(reached)
        with self.hooks.under(test):
            a = body()
        watch.turn()
        with self.hooks.under(self.hooks.negation(test)):
            b = orelse()
        watch.merge(partial(self.merged, test))
        return a, b


def _nothing() -> None:
    return None


class _Choice:
    """An `if`: the sides that run and, where it is symbolic, the values before and after the body."""

    def __init__(
        self, runtime: _Runtime, call: _Call, test, scope: dict[str, Any], named: Sequence[str], stored: Sequence[str]
    ):
        self.symbolic = runtime.hooks.is_symbolic(test)
        self.body = self.symbolic or bool(test)
        self.orelse = self.symbolic or not self.body
        if not self.symbolic:
            return
        self._runtime, self._call, self._test = runtime, call, test
        self._before = dict(scope)
        reached = {name: runtime.namespace.get(name) for name in named} | scope
        for value in (reached[name] for name in stored):
            if hasattr(value, "__setitem__") and not isinstance(value, list | np.ndarray):
                kind = type(value).__qualname__
                raise TypeError(f"an element of a {kind} is set under a condition that depends on x: use an array")
        self._watch = _Watch(reached.values())
        call.enter(runtime.hooks.under(test))

    def restored(self, scope: dict[str, Any], names: Sequence[str]) -> list[Any]:
        """After the body: what variables were before it."""
        self._after_body = dict(scope)
        self._watch.turn()
        self._call.leave()
        self._call.enter(self._runtime.hooks.under(self._runtime.hooks.negation(self._test)))
        return [self._before.get(name, _Runtime.unbound) for name in names]

    def merged(self, scope: dict[str, Any], names: Sequence[str]) -> list[Any]:
        """After the else part: what variables are after both."""
        self._call.leave()
        merge = partial(self._runtime.merged, self._test)
        alive = None
        if _RETURN in names:  # what is neither given nor returned ends with the call
            returned = [self._after_body[_RETURN], scope[_RETURN]]
            alive = [*self._call.given, *self._runtime.namespace.values(), *returned]
        self._watch.merge(merge, alive)  # before the values, of which those in tuples are merged by their contents
        both = self._after_body.keys() & scope.keys()
        values = [merge(self._after_body[name], scope[name]) if name in both else _Runtime.unbound for name in names]
        del self._before, self._after_body, self._watch  # in which is the choice before
        return values


class _Watch:
    """The lists and arrays in reach of a branch: what they hold before and after it."""

    def __init__(self, values: Iterable[Any]):
        self._containers = _containers(values)
        self._before = self._now()

    def turn(self) -> None:
        """After the body: take what the containers hold and put back what they held before."""
        self._body = self._now()
        for container, before, body in zip(self._containers, self._before, self._body, strict=True):
            if not _same(before, body):
                _fill(container, before)

    def merge(self, merge: Callable[[Any, Any], Any], alive: list[Any] | None = None) -> None:
        """After the else part: fill the containers, at least those in `alive`, with what they hold after both."""
        kept = None if alive is None else {id(container) for container in _containers(alive + self._body)}
        for container, body, orelse in zip(self._containers, self._body, self._now(), strict=True):
            if _same(body, orelse) or (kept is not None and id(container) not in kept):
                continue
            if len(body) != len(orelse):
                raise TypeError("a list changes its length under a condition that depends on x")
            if isinstance(body, np.ndarray) and body.dtype != object:
                raise TypeError(f"an array of {body.dtype} cannot hold what depends on x: make it with x.dtype")
            _fill(container, list(map(merge, body, orelse)))

    def _now(self) -> list[Any]:
        return [part.copy() if isinstance(part, list) else part.flatten() for part in self._containers]


def _containers(values: Iterable[Any]) -> list[Any]:
    """The lists and arrays among values and in each other, but for arrays that nobody can write to."""
    found: dict[int, Any] = {}
    pending = list(values)
    while pending:
        value = pending.pop()
        if isinstance(value, tuple):
            pending += value
        elif isinstance(value, list) and id(value) not in found:
            found[id(value)] = value
            pending += value
        elif isinstance(value, np.ndarray) and value.flags.writeable:
            found[id(value)] = value
    return list(found.values())


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and a.dtype != object:
        return a.tobytes() == b.tobytes()
    return len(a) == len(b) and all(map(is_, a, b))


def _fill(container: Any, values: Any) -> None:
    if isinstance(container, list):
        container[:] = values
    else:
        for index, value in zip(np.ndindex(container.shape), values, strict=True):
            container[index] = value
