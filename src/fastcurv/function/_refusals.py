"""Why derivatives of a function were not possible in some way: found once, by attempts that take seconds to fail."""

from __future__ import annotations

from typing import Any

from numba.core.registry import cpu_target

from ._cache import DiskCache


class Refusals:
    """Reasons by way, derivative and types of arguments, in memory and, of a `lasting` function, on disk.

    Parameters
    ----------
    key : str
        The digest of the function.
    place : str
        Where its source is: reasons name lines of it.
    lasting : bool
        Whether the digest identifies the function in other processes.
    """

    def __init__(self, key: str, place: str, lasting: bool):
        self._disk = DiskCache(f"{key} refused") if lasting else None
        self._place = place
        self._known: dict[Any, str | None] = {}
        self._kept: dict[str, str] | None = None

    def get(self, case: Any) -> str | None:
        """The reason, if there is one."""
        if case not in self._known:
            self._known[case] = self._on_disk().get(repr(case))
        return self._known[case]

    def __contains__(self, case: Any) -> bool:
        return self.get(case) is not None

    def items(self) -> list[tuple[Any, str]]:
        """The cases that were asked for and have a reason, with it."""
        return [(case, reason) for case, reason in self._known.items() if reason is not None]

    def note(self, case: Any, reason: str, lasting: bool = False) -> None:
        """Remember a reason; a `lasting` one, which types alone decide, in other processes, too."""
        self._known[case] = reason
        if lasting and self._disk is not None:
            self._kept = self._read() | self._on_disk() | {repr(case): reason}
            self._disk.save(self._place, cpu_target.target_context, self._kept)

    def _on_disk(self) -> dict[str, str]:
        if self._kept is None:
            self._kept = self._read()
        return self._kept

    def _read(self) -> dict[str, str]:
        return (self._disk and self._disk.load(self._place, cpu_target.target_context)) or {}
