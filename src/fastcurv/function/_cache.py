"""The disk cache of compiled kernels.

Numba's own cache identifies a kernel by the source file of the kernel, so it misses whenever a kernel closes over a
user's function and serves stale code after an edit of an inner one. Here the key is a digest of all that the code
was made from. Entries hold machine code and pickles: the folder must be the user's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import stat
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

import numba
from numba.core import serialize
from numba.core.codegen import RuntimeLinker
from numba.core.compiler import CompileResult

MAX_BYTES = 512 * 2**20
#: a process looks through the folder when it begins to write and again after so many bytes: this takes tens of
#: milliseconds where there are thousands of kernels
LOOK_BYTES = 8 * 2**20
_SUFFIX = ".kernel"


def folder() -> Path:
    """Where compiled kernels are kept: ``FASTCURV_CACHE_DIR``, or the platform's folder for caches."""
    if chosen := os.environ.get("FASTCURV_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", _home() / "AppData" / "Local")) / "fastcurv" / "cache"
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches" / "fastcurv"
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "fastcurv"


def _home() -> Path:
    """The user's folder; where there is none, as in some containers, one that cannot be made, which is told."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull) / "no home"


def refusal(path: Path) -> str | None:
    """Why a folder must not be used as a cache, or None. A missing one is made, for its owner alone."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        return f"it cannot be made or read ({error.strerror})"
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a folder"
    if sys.platform != "win32":
        if status.st_uid != os.geteuid():
            return "it belongs to another user, whose code would be run"
        if status.st_mode & 0o077:
            return f"others may enter it; run: chmod 700 '{path}'"
    return None


class DiskCache:
    """What Numba's dispatcher asks of a cache, keyed by the digest of everything a kernel is made from.

    The package itself need not be part of that digest.
    """

    def __init__(self, digest: str):
        self._digest = digest
        self.hits = 0

    @property
    def cache_path(self) -> str:
        return str(folder())

    def load_overload(self, signature, target_context):
        """The compiled function for a signature, or None."""
        target_context.refresh()  # loads Numba's runtime, which machine code from disk needs too
        known = self.load(signature, target_context)
        if known is None:
            return None
        try:
            found = CompileResult._rebuild(target_context, *known)
        except Exception:  # made by other code than this: as good as absent, and compiled anew
            return None
        self.hits += 1
        return found

    def load(self, signature, target_context):
        """What was kept for a signature, or None; a damaged entry is removed and counts as absent."""
        path = self._path(signature, target_context.codegen())
        if path is None:
            return None
        try:
            content = path.read_bytes()
        except OSError:
            return None
        checksum, payload = content[:32], content[32:]
        if _checksum(path, payload) != checksum:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the last use: what is used least goes first
        try:
            return pickle.loads(payload)
        except Exception:  # names a module that is gone
            return None

    def save_overload(self, signature, result) -> None:
        """Keep a compiled function, unless it holds addresses of this process."""
        library = result.library
        if library.has_dynamic_globals or _is_linked_late(library) or any(not part.can_cache for part in result.lifted):
            return
        self.save(signature, result.target_context, result._reduce())

    def save(self, signature, target_context, content) -> None:
        """Keep what can be pickled."""
        path = self._path(signature, target_context.codegen())
        if path is None:
            return
        payload = serialize.dumps(content)
        with contextlib.suppress(OSError):  # a full or read-only disk costs the next process a compilation
            _write(path, _checksum(path, payload) + payload)
            _limit(path.parent, len(payload))

    def flush(self) -> None:
        """Numba calls this before it recompiles; entries of another digest are never wrong, so nothing to do."""

    def _path(self, signature, codegen) -> Path | None:
        directory = folder()
        if reason := refusal(directory):
            _warn_once(directory, reason)
            return None
        identity = (
            self._digest, str(signature), package_digest(), codegen.magic_tuple(), numba.__version__, sys.version,
        )  # fmt: skip
        return directory / (hashlib.blake2b(repr(identity).encode(), digest_size=20).hexdigest() + _SUFFIX)


def _is_linked_late(library) -> bool:
    """Whether code calls functions whose addresses are filled in once it is in memory: only Numba's linker does that.

    It is so where functions call each other, or themselves with other types.
    """
    return any(variable.name.startswith(RuntimeLinker.PREFIX) for variable in library._final_module.global_variables)


def _checksum(path: Path, payload: bytes) -> bytes:
    """Of an entry under its own name: one that was put in the place of another is damaged, too."""
    return hashlib.sha256(path.name.encode() + payload).digest()


def _write(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:  # an interrupt, too, leaves no temporary file behind
        Path(temporary).unlink(missing_ok=True)
        raise


_unseen: dict[Path, int] = {}


def _limit(directory: Path, written: int) -> None:
    """Keep a folder, to which so many bytes were just written, within its limit, or nearly so."""
    _unseen[directory] = _unseen.get(directory, LOOK_BYTES) + written
    if _unseen[directory] > LOOK_BYTES:
        _unseen[directory] = 0
        _shrink(directory, MAX_BYTES)


def _shrink(directory: Path, limit: int) -> None:
    """Remove the entries that were not used for longest until the rest fits."""
    entries = []
    for path in directory.glob("*" + _SUFFIX):
        with contextlib.suppress(OSError):  # another process may just have removed it
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    excess = sum(size for _, size, _ in entries) - limit
    for _, size, path in sorted(entries):
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= size


_warned: set[Path] = set()


def _warn_once(directory: Path, reason: str) -> None:
    if directory not in _warned:
        _warned.add(directory)
        warnings.warn(
            f"the cache folder {directory} is not used: {reason}. Kernels are compiled anew in every process; "
            "FASTCURV_CACHE_DIR names another folder",
            RuntimeWarning,
            stacklevel=2,
        )


@cache
def package_digest() -> str:
    """A digest of the source that kernels are compiled from: those of another version are never used."""
    root = Path(__file__).parent.parent
    digest = hashlib.blake2b(digest_size=20)
    for path in sorted(
        [*root.glob("*/*.py"), *(root / f"{name}.py" for name in ("_call", "_eigen", "_read_outs", "_rounding"))]
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()
