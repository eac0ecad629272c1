"""If-conversion: a twin of a user's function that takes both sides of a symbolic condition and merges them.

Its source is looked up, and used where it is certainly that of the function: it is rewritten by `_rewriting`, and what
the rewritten code calls is in `_branches`.
"""

from __future__ import annotations

import ast
import copy
import inspect
import linecache
import types
import warnings
from functools import lru_cache
from typing import Any, NamedTuple

from ._branches import Hooks, Runtime
from ._rewriting import RUNTIME, Function, in_scope, rewritten, statements

__all__ = ["Hooks", "converted"]

#: the name of a function while it is compiled
FUNCTION = "__fastcurv_function__"


def converted(
    function: types.FunctionType, namespace: dict[str, Any], cells: tuple, hooks: Hooks
) -> types.FunctionType:
    """A twin of a function over these globals and cells; its code is the original where the source is not certain."""
    original = function.__code__
    code = _converted_code(original, function.__globals__) or original
    namespace[RUNTIME] = Runtime(hooks, namespace)
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
    functions: dict[int, list[Function]]  # by first line, as code objects count it
    imports: list[ast.stmt]  # of the module: Python has other instructions for methods of what is imported


@lru_cache(maxsize=16)
def _file(source: str) -> _File:
    tree = ast.parse(source)
    functions: dict[int, list[Function]] = {}
    for node in ast.walk(tree):
        if isinstance(node, Function):
            first = node.decorator_list[0] if isinstance(node, ast.FunctionDef) and node.decorator_list else node
            functions.setdefault(first.lineno, []).append(node)
    imports = [node for node in in_scope([tree]) if isinstance(node, ast.Import | ast.ImportFrom)]
    return _File(functions, [node for node in imports if getattr(node, "module", None) != "__future__"])


def _compiled(node: Function, file: _File, original: types.CodeType) -> types.CodeType:
    """The code of a function, compiled where the free variables of the original are local. Nothing of it is run."""
    node = copy.copy(node)
    if isinstance(node, ast.FunctionDef):
        node.name = FUNCTION  # under its own, a call of itself would not be that of a global
    outer = statements(f"def outer({', '.join(original.co_freevars)}): return None", node)[0]
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
