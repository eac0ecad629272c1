"""What sections find: rows and notes, a line each in a file, so that nothing is lost of a section that is stopped."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..peers.measure import table
from ._clock import cuda

OUT_OF_TIME = "not measured: out of time"


class WrongError(Exception):
    """A result that is not what it must be."""


@dataclass(frozen=True)
class Setting:
    """What a section is told."""

    quick: bool
    seed: int
    end: float
    """When to begin nothing new, by `time.monotonic`."""
    begin: int = 0
    """With which task, where a process before this one did not come to its end."""

    @property
    def left(self) -> float:
        """Seconds."""
        return self.end - time.monotonic()


class Row(NamedTuple):
    """Of a table; or a note below it, where there is one cell."""

    cells: list[str]
    failed: bool = False


class Begun(NamedTuple):
    """What is under way: the number of a task, and its name."""

    task: int
    name: str


def told(error: BaseException) -> str:
    """An exception in a line that fits into a cell."""
    text = " ".join(str(error).split()).replace("|", "/")
    text = text if isinstance(error, WrongError) else f"{type(error).__name__}: {text}"
    return text if len(text) <= 200 else f"{text[:197]}..."


def rows_in_time(tasks: Sequence[tuple[str, Callable[[], Row]]], setting: Setting) -> Iterator[Row | Begun]:
    """A row for each task: what it returns, or why there is nothing. No failure keeps others from being run.

    A process whose work with the device a task has ended is left; another goes on with the next.
    """
    for k, (name, task) in enumerate(tasks[setting.begin :], setting.begin):
        if setting.left <= 0:
            yield Row([name, OUT_OF_TIME])
            continue
        yield Begun(k, name)
        try:
            yield task()
        except Exception as error:
            yield Row([name, f"FAILED: {told(error)}"], failed=True)
            if is_broken():
                sys.exit(f"after {name} the device does nothing more for this process")


def is_broken() -> bool:
    """Whether nothing that this process asks of the device works any more, as after an access to foreign memory."""
    try:
        cuda.synchronize()
    except Exception:  # of any kind: drivers tell by many, and that there is one is what is asked
        return True
    return False


@dataclass
class Section:
    """A table of what `rows` finds, in so many shares of the time."""

    name: str
    title: str
    header: list[str]
    rows: Callable[[Setting], Iterator[Row | Begun]]
    share: float = 1.0
    fresh_caches: bool = False

    def write(self, setting: Setting, path: Path) -> None:
        """Find the rows, and write them one by one."""
        with path.open("w", encoding="utf-8") as file:
            for found in self.rows(setting):
                file.write(json.dumps(found) + "\n")
                file.flush()
                print(*found, file=sys.stderr, flush=True)


@dataclass
class Result:
    """What became of a section."""

    section: Section
    rows: list[Row]
    seconds: float
    stopped: str = ""
    """Why it ended before its end, or was not begun."""

    @property
    def failed(self) -> bool:
        return any(row.failed for row in self.rows) or self.stopped.startswith("FAILED")

    @staticmethod
    def read(path: Path) -> tuple[list[Row], Begun | None, bool]:
        """Of complete lines of the file that a section wrote: rows; what was begun last, and whether it has its row."""
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
        found = [Row(*a) if isinstance(a[0], list) else Begun(*a) for a in map(json.loads, lines)]
        begun = [what for what in found if isinstance(what, Begun)]
        return [what for what in found if isinstance(what, Row)], begun[-1] if begun else None, found[-1:] != begun[-1:]

    @property
    def notes(self) -> list[str]:
        """Each once: processes repeat them."""
        return list(dict.fromkeys(row.cells[0] for row in self.rows if len(row.cells) == 1))

    def markdown(self) -> str:
        """The table, its cells filled up, and what is to be said of it."""
        width = len(self.section.header)
        rows = [row.cells + ["-"] * (width - len(row.cells)) for row in self.rows if len(row.cells) > 1]
        notes = [*self.notes, self.stopped] if self.stopped else self.notes
        text = f"### {self.section.title}\n\n{table(self.section.header, rows or [_nothing(width)])}"
        return text + "".join(f"\n{note}\n" for note in notes)

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "name": self.section.name,
            "title": self.section.title,
            "header": self.section.header,
            "rows": [row.cells for row in self.rows if len(row.cells) > 1],
            "notes": self.notes,
            "failed": self.failed,
            "stopped": self.stopped,
            "seconds": round(self.seconds, 1),
        }


def _nothing(width: int) -> list[str]:
    return ["not measured", *["-"] * (width - 1)]
