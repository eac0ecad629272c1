"""What `python -m benchmarks.gpu` does where something goes wrong; tests/cuda/test_simulator.py runs it whole."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from .gpu import _checks, _report
from .gpu.__main__ import SECTIONS
from .gpu._report import Begun, Result, Row, Section, Setting, rows_in_time
from .gpu._tests import _told


def setting(seconds=60.0):
    return Setting(quick=True, seed=1, end=time.monotonic() + seconds)


def test_without_a_device():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu"],
        cwd=Path(__file__).parents[1], env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no CUDA device was found: not measured" in done.stderr


def test_failures_and_time_that_is_over_show(tmp_path, monkeypatch):
    monkeypatch.setattr(_report, "is_broken", lambda: False)

    def fails():
        raise ValueError("a | b")

    tasks = [("wrong", fails), ("right", lambda: Row(["right", "1"]))]
    section = Section("name", "Title", ["a", "b"], lambda setting: rows_in_time(tasks, setting))
    section.write(setting(), tmp_path / "rows")
    result = Result(section, Result.read(tmp_path / "rows")[0], 1.0)
    assert result.failed
    assert "| wrong | FAILED: ValueError: a / b |\n| right | 1 |" in result.markdown()
    section.write(setting(-1.0), tmp_path / "rows")
    with (tmp_path / "rows").open("a") as file:
        file.write('[["a line that was not')
    result = Result(section, Result.read(tmp_path / "rows")[0], 1.0)
    assert not result.failed
    assert "| wrong | not measured: out of time |\n| right | not measured: out of time |" in result.markdown()
    assert "| not measured | - |" in Result(section, [], 0.0).markdown()


def test_a_section_goes_on_after_its_process_failed(tmp_path):
    def ends():
        raise SystemExit(1)

    tasks = [("first", lambda: Row(["first", "1"])), ("fatal", ends), ("last", lambda: Row(["last", "3"]))]
    section = Section("name", "Title", ["a", "b"], lambda setting: rows_in_time(tasks, setting))
    with pytest.raises(SystemExit):
        section.write(setting(), tmp_path / "rows")
    assert Result.read(tmp_path / "rows") == ([Row(["first", "1"])], Begun(1, "fatal"), False)
    section.write(replace(setting(), begin=2), tmp_path / "rows")
    assert Result.read(tmp_path / "rows") == ([Row(["last", "3"])], Begun(2, "last"), True)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_tables_are_those_of_the_results(section):
    results = (Path(__file__).parent / "RESULTS.md").read_text(encoding="utf-8")
    assert "\n".join(Result(section, [], 0.0).markdown().split("\n")[:4]) in results


def test_what_is_compared():
    x = np.array([1.0, np.nan, 3.0])
    assert _checks.near(x * (1 + 1e-13), x, 1e-11) < 0.1
    assert _checks.near(x * (1 + 1e-9), x, 1e-11) > 1
    for wrong, message in ((np.array([1.0, 2.0, 3.0]), "wrongly NaN"), (x[:2], "shape")):
        with pytest.raises(Exception, match=message):
            _checks.near(wrong, x, 1e-11)
    row = _checks.combined("what", 2, "float64", 3, {"good": lambda: 0.5, "bad": lambda: 2.0, "nan": lambda: np.nan})
    assert row.failed
    assert row.cells[-1] == "FAILED: bad: 2.00 times what is allowed; nan: nan times what is allowed"


@pytest.mark.parametrize(
    "text",
    [
        "tests/a.py::b[(1, 2)] PASSED [ 50%]\ntests/a.py::c FAILED [100%]\n",
        "[gw0] [ 50%] PASSED tests/a.py::b[(1, 2)] \n[gw1] [100%] FAILED tests/a.py::c \n",
    ],
    ids=["alone", "workers"],
)
def test_what_pytest_says(text):
    text += "FAILED tests/a.py::c - it | broke\n"
    rows = list(_told(text, 1))
    assert [row.cells for row in rows[:4]] == [["passed", "1"], ["failed", "1"], ["error", "0"], ["skipped", "0"]]
    assert rows[4:] == [Row(["tests/a.py::c", "FAILED: it / broke"], failed=True)]
    assert Row(["the rest", "not measured: out of time"]) in _told(text, None)
