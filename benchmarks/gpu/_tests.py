"""The tests that need a device, by pytest, within their time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from ._device import IS_SIMULATED, ROOT
from ._report import OUT_OF_TIME, Row, Setting

TESTS = "tests/cuda/test_device.py"
HEADER = [TESTS, "tests"]
KINDS = ("PASSED", "FAILED", "ERROR", "SKIPPED")
WORKERS = max(1, (os.cpu_count() or 1) // 2)
"""Each compiles for itself, and has memory of the device; other checks run beside them."""


def tests(setting: Setting) -> Iterator[Row]:
    """How many passed; each that did not."""
    if find_spec("pytest") is None:
        yield Row(["not measured: pytest is not installed"])
        return
    command = [sys.executable, "-m", "pytest", TESTS, "-m", "gpu", "-v", "-rsfE", "--tb=line", "-p", "no:cacheprovider"]
    command += ["-o", "addopts=--import-mode=importlib"]
    if find_spec("xdist") is not None:
        command += ["-n", str(WORKERS)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        code = _code_of(command, max(1.0, setting.left), output)
        output.seek(0)
        yield from _told(output.read(), code)


def _code_of(command: list[str], seconds: float, output: Any) -> int | None:
    """What it ends with; None where it does not, and is ended. Its workers end with the section's process."""
    shown_at_once = os.environ | {"PYTHONUNBUFFERED": "1"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=shown_at_once, stdout=output, stderr=subprocess.STDOUT, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.returncode


def _told(text: str, code: int | None) -> Iterator[Row]:
    """What pytest said."""
    # of workers "[gw0] [ 10%] PASSED tests/...", else "tests/... PASSED [ 10%]"; then "FAILED tests/... - why"
    workers = re.findall(r"(?m)^\[gw\d+\].*? (PASSED|FAILED|ERROR|SKIPPED) (.+?) *$", text)
    alone = re.findall(r"(?m)^(tests/.+?) (PASSED|FAILED|ERROR|SKIPPED)\b", text)
    became = [*workers, *((kind, name) for name, kind in alone)]
    counts = Counter(kind for kind, _ in became)
    yield from (Row([kind.lower(), str(counts[kind])]) for kind in KINDS)
    why = dict(re.findall(r"(?m)^(?:FAILED|ERROR) (.+?)(?: - (.*))?$", text))
    for kind, name in became:
        if kind in ("FAILED", "ERROR"):
            yield Row([name, f"FAILED: {why.get(name, '')}".replace("|", "/")], failed=True)
    yield from (Row([reason]) for reason in re.findall(r"(?m)^SKIPPED \[.*$", text))
    if code == 0 and not counts["PASSED"] and not IS_SIMULATED:
        yield Row(["pytest", "FAILED: no test was run"], failed=True)
    if code is None:
        yield Row(["the rest", OUT_OF_TIME])
    elif code not in (0, 1):
        yield Row(["pytest", f"FAILED: it ended with {code}: {' '.join(text.split())[-300:]}"], failed=True)
