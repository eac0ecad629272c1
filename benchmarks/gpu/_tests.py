"""The tests that need a device, by pytest, within their time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec

from ._device import ROOT
from ._report import OUT_OF_TIME, Row, Setting

HEADER = ["tests/cuda/test_device.py", "tests"]
MOST_WORKERS = 8
"""Each compiles for itself, and has a context on the device."""


def tests(setting: Setting) -> Iterator[Row]:
    """How many passed; each that did not."""
    if find_spec("pytest") is None:
        yield Row(["not measured: pytest is not installed"])
        return
    command = [sys.executable, "-m", "pytest", "tests/cuda/test_device.py", "-m", "gpu", "-v", "-rs", "--tb=line"]
    command += ["-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider"]
    if find_spec("xdist") is not None and not setting.quick:
        command += ["-n", str(min(MOST_WORKERS, os.cpu_count() or 1))]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            process.wait(max(1.0, setting.left))
            ended = True
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            ended = False
        output.seek(0)
        text = output.read()
    results = re.findall(r"(?m)\b(PASSED|FAILED|ERROR|SKIPPED)\b", "\n".join(_lines_of_tests(text)))
    counts = Counter(results)
    for kind in ("PASSED", "FAILED", "ERROR", "SKIPPED"):
        yield Row([kind.lower(), str(counts[kind])], failed=kind in ("FAILED", "ERROR") and counts[kind] > 0)
    for line in _lines_of_tests(text):
        if "FAILED" in line or "ERROR" in line:
            yield Row([line.strip().replace("|", "/"), "FAILED"], failed=True)
    reasons = re.findall(r"(?m)^(?:SKIPPED \[.*|E  .*|ERROR.*|.*: [A-Za-z.]*Error.*)$", text)
    yield from (Row([reason.strip().replace("|", "/")[:300]]) for reason in reasons[:20])
    if not ended:
        yield Row(["the rest", OUT_OF_TIME])
    elif process.returncode not in (0, 1):
        yield Row(["pytest", f"FAILED: it ended with {process.returncode}: {text[-300:]}"], failed=True)


def _lines_of_tests(text: str) -> list[str]:
    """Those that tell a test and what became of it, before the summary, with workers or without."""
    return re.findall(r"(?m)^(?:\[gw\d+\].*|tests/\S+::.*(?:PASSED|FAILED|ERROR|SKIPPED).*)$", text)
