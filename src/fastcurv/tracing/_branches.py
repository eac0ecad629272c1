"""What rewritten functions call: both sides of a symbolic condition, one after the other, and their merge."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from operator import is_
from typing import Any, NamedTuple

import numpy as np

from ..function._digest import names_in

#: a local that no user has: what a function returns
RETURN = "__fastcurv_return__"

_Thunk = types.FunctionType
_CONSTANT = (int, float, str, type, types.ModuleType, types.BuiltinFunctionType, np.ufunc, np.dtype)


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


class Runtime:
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
        self, runtime: Runtime, call: _Call, test, scope: dict[str, Any], named: Sequence[str], stored: Sequence[str]
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
        return [self._before.get(name, Runtime.unbound) for name in names]

    def merged(self, scope: dict[str, Any], names: Sequence[str]) -> list[Any]:
        """After the else part: what variables are after both."""
        self._call.leave()
        merge = partial(self._runtime.merged, self._test)
        self._watch.merge(merge)  # before the values, of which those in tuples are merged by their contents
        both = self._after_body.keys() & scope.keys()
        values = [merge(self._after_body[name], scope[name]) if name in both else Runtime.unbound for name in names]
        del self._before, self._after_body, self._watch  # in which is the choice before
        return values


class _Watch:
    """The lists and arrays in reach of a branch: what they hold before and after it."""

    def __init__(self, values: Iterable[Any]):
        self._containers, others = _in_reach(values)
        self._before = self._now()
        self._others = [(other, _contents(other)) for other in others]

    def turn(self) -> None:
        """After the body: take what the containers hold and put back what they held before."""
        self._check_others()
        self._body = self._now()
        for container, before, body in zip(self._containers, self._before, self._body, strict=True):
            if not _same(before, body):
                _fill(container, before)

    def merge(self, merge: Callable[[Any, Any], Any]) -> None:
        """After the else part: fill the containers with what they hold after both."""
        self._check_others()
        for container, body, orelse in zip(self._containers, self._body, self._now(), strict=True):
            if _same(body, orelse):
                continue
            if len(body) != len(orelse):
                raise TypeError("a list changes its length under a condition that depends on x")
            if isinstance(body, np.ndarray) and body.dtype != object:
                raise TypeError(f"an array of {body.dtype} cannot hold what depends on x: make it with x.dtype")
            _fill(container, list(map(merge, body, orelse)))

    def _check_others(self) -> None:
        for other, before in self._others:
            if not _same(before, _contents(other)):
                raise TypeError(f"a {type(other).__qualname__} changes under a condition that depends on x")

    def _now(self) -> list[Any]:
        return [part.copy() if isinstance(part, list) else part.flatten() for part in self._containers]


def _in_reach(values: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """The lists and arrays among values and in each other, but for arrays that nobody can write to; other things that
    may change.
    """
    found: dict[int, Any] = {}
    others: dict[int, Any] = {}
    pending = list(values)
    while pending:
        value = pending.pop()
        if id(value) in found or id(value) in others or isinstance(value, (*_CONSTANT, _Call, _Choice)):
            continue
        if isinstance(value, tuple):
            pending += value
        elif isinstance(value, list):
            found[id(value)] = value
            pending += value
        elif isinstance(value, np.ndarray):
            if value.flags.writeable:
                found[id(value)] = value
        elif isinstance(value, types.FunctionType):
            others[id(value)] = value
            for cell in value.__closure__ or ():
                with suppress(ValueError):  # an empty one
                    pending.append(cell.cell_contents)
        elif hasattr(type(value), "__next__"):
            raise TypeError(f"a {type(value).__qualname__} is in reach of a condition that depends on x")
        elif isinstance(value, dict | set | bytearray | deque) or hasattr(value, "__dict__"):
            others[id(value)] = value
            pending += [] if hasattr(value, "__dict__") else _contents(value)
    return list(found.values()), list(others.values())


def _contents(thing: Any) -> list[Any]:
    """What a dict, a set, an object or the like holds; of functions, which variables they see."""
    if isinstance(thing, types.FunctionType):
        return [cell.cell_contents for cell in thing.__closure__ or () if cell != types.CellType()]
    held = vars(thing) if hasattr(thing, "__dict__") else thing
    return [*held, *held.values()] if isinstance(held, dict) else list(held)


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
