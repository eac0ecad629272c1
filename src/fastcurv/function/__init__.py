"""The user's function: its kinds, its identity, its compilation together with its helpers, and the disk cache."""

from ._cache import DiskCache, folder, package_digest
from ._compile import cause_of, compilation_error, compiled, inlined
from ._digest import Digest
from ._kinds import (
    Compiled,
    Pointer,
    UserFunction,
    Vectorized,
    identity_of,
    play,
    play_vector,
    record,
    record_vector,
    user_function,
    vectorized,
)
from ._refusals import Refusals
from ._trial import exception_at, repeats, trial, values_at


def digest(fun) -> str | None:
    """The digest that identifies a compiled function in every process; None for other kinds."""
    function = user_function(fun)
    return function.key if isinstance(function, Compiled) and function.lasting else None


__all__ = [
    "Compiled", "Digest", "DiskCache", "Pointer", "Refusals", "UserFunction", "Vectorized", "cause_of",
    "compilation_error", "compiled", "digest", "exception_at", "folder", "identity_of", "inlined", "package_digest",
    "play", "play_vector", "record", "record_vector", "repeats", "trial", "user_function", "values_at", "vectorized",
]  # fmt: skip
