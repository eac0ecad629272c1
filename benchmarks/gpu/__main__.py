"""`python -m benchmarks.gpu`: whether it is right on a CUDA device, then how fast, in a given time. Prints Markdown.

Needs nothing from the network, and of other libraries only those that are to be compared with. Each section is a
process of its own: a kernel that fails ends all work of its process with the device, and no library can be stopped.
Ends with 1 where something is wrong, or there is no device.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import _checks, _rates, _spectra_checks, _tests
from ._device import ROOT, cuda, prepare
from ._report import OUT_OF_TIME, Result, Row, Section, Setting

DEVICE = Section("device", "What the device does", _rates.CEILINGS, _rates.device)
CHECKS = (
    Section("tests", "Tests of the suite that need a device", _tests.HEADER, _tests.tests),
    Section("traced", "Derivatives of expressions", _checks.HEADER, _checks.traced),
    Section("solvers", "Eigenvalues and eigenvectors", _checks.HEADER, _spectra_checks.solvers),
    Section("curvature", "Curvature", _checks.HEADER, _spectra_checks.curvature),
    Section("numbers", "Numbers that carry derivatives", _checks.HEADER, _checks.numbers),
    Section("differences", "Differences", _checks.HEADER, _checks.differences),
)
"""Run beside each other, as far as there are processors: much of their time compilers take."""
RATES = (
    Section("hessians", "Hessians and their eigenvalues", _rates.SPECTRA, _rates.hessians, 16),
    Section("eigen", "Solvers", _rates.SOLVERS, _rates.solvers, 6),
    Section("launches", "Calls at one point", _rates.LAUNCHES, _rates.launches, 1),
    Section("first", "First calls, nothing on disk", _rates.FIRST, _rates.first_calls, 2, fresh_caches=True),
    Section("second", "The same in a second process", _rates.FIRST, _rates.first_calls, 1, fresh_caches=True),
    Section("jobs", "Hessians of a function that is no expression", _rates.JOBS, _rates.jobs, 2),
)
"""One after the other; each has its share of the time that those before it have left."""
SECTIONS = (DEVICE, *CHECKS, *RATES)
PART_OF_DEVICE, PART_OF_CHECKS = 0.1, 0.4
"""Of the time, at most."""
LEAST, GRACE = 5.0, 8.0
"""Seconds: with less a section is not begun; so long before its end it begins nothing new."""


def main() -> int:
    """0, or 1 where something failed."""
    given = _arguments()
    if not cuda.is_available():
        print("no CUDA device was found: not measured", file=sys.stderr)
        return 1
    if given.section:
        prepare()
        section = next(section for section in SECTIONS if section.name == given.section)
        end = time.monotonic() + given.seconds
        section.write(Setting(given.quick, given.seed, end, given.begin), given.rows)
        return 0
    end = time.monotonic() + given.seconds
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
    head = f"## CUDA devices\n\nSeed {given.seed}.\n"
    print(head, flush=True)
    results = []
    with tempfile.TemporaryDirectory() as name:
        for found in sections(end, given, Path(name)):
            results.append(found)
            print(found.markdown(), flush=True)
            if given.out:
                write(given.out, head, given.seed, results)
    failed = [result.section.name for result in results if result.failed]
    print(f"FAILED: {', '.join(failed)}" if failed else "Nothing failed.")
    return 1 if failed else 0


def sections(end: float, given: argparse.Namespace, folder: Path) -> Iterator[Result]:
    """Those that are chosen: what it is, whether it is right, how fast."""
    if DEVICE.name in given.only:
        yield run(DEVICE, PART_OF_DEVICE * (end - time.monotonic()), given, folder)
    yield from checks(end, given, folder)
    yield from rates(end, given, folder)


def checks(end: float, given: argparse.Namespace, folder: Path) -> Iterator[Result]:
    """Those that are chosen, each as soon as those before it are there."""
    chosen = [section for section in CHECKS if section.name in given.only]
    workers = min(len(chosen), max(1, (os.cpu_count() or 1) // 2))
    others = any(section.name in given.only for section in RATES)
    until = time.monotonic() + (PART_OF_CHECKS if others else 1.0) * (end - time.monotonic())

    def one(k: int) -> Result:
        left = until - time.monotonic()
        return run(chosen[k], min(left, left * workers / (len(chosen) - k)), given, folder)

    if chosen:
        with ThreadPoolExecutor(workers) as pool:
            try:
                yield from pool.map(one, range(len(chosen)))
            except BaseException:  # Ctrl-C, too
                pool.shutdown(wait=False, cancel_futures=True)
                for process in _running:
                    _end(process)
                raise


def rates(end: float, given: argparse.Namespace, folder: Path) -> Iterator[Result]:
    """Those that are chosen: nothing else computes meanwhile."""
    chosen = [section for section in RATES if section.name in given.only]
    for k, section in enumerate(chosen):
        share = section.share / sum(later.share for later in chosen[k:])
        yield run(section, share * (end - time.monotonic()), given, folder)


def _arguments() -> argparse.Namespace:
    names = [section.name for section in SECTIONS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--seconds", type=float, default=400.0, help="for everything together (400)")
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="SECTION", help=f"of {', '.join(names)}"
    )
    parser.add_argument("--out", type=Path, help="folder for results.md, results.json, and what sections say")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of random points (a new one)")
    parser.add_argument("--quick", action="store_true", help="a few points of each kind: whether it runs")
    parser.add_argument("--section", choices=names, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--begin", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(section: Section, seconds: float, given: argparse.Namespace, folder: Path) -> Result:
    """A section in its own process, which is ended when its time is over; in another where one fails before that."""
    start, result, begin = time.monotonic(), Result(section, [], 0.0), 0
    while True:
        left = seconds - (time.monotonic() - start)
        if left < LEAST:
            result.stopped = result.stopped or f"The rest is {OUT_OF_TIME}."
            break
        rows = folder / f"{section.name}{begin}.jsonl"
        code, said = _code_of(section, begin, left, given, folder, rows)
        found, begun, has_row = Result.read(rows)
        result.rows += found
        if code is None:
            result.stopped = f"The rest is {OUT_OF_TIME}, stopped after {seconds:.0f} s."
        elif code and begun is None:
            result.stopped = f"FAILED: the section ended with {code}: {said}"
        elif code and begun is not None:
            begin = begun.task + 1
            if not has_row:
                result.rows.append(Row([begun.name, f"FAILED: its process ended with {code}: {said}"], failed=True))
            continue
        break
    result.seconds = time.monotonic() - start
    return result


def _code_of(
    section: Section, begin: int, seconds: float, given: argparse.Namespace, folder: Path, rows: Path
) -> tuple[int | None, str]:
    """How the process of a section ends, None where it must be ended, and what it says last."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--section", section.name, "--rows", str(rows)]
    command += ["--begin", str(begin), "--seconds", str(max(LEAST, seconds - GRACE)), "--seed", str(given.seed)]
    command += ["--quick"] * given.quick
    with ((given.out or folder) / f"{section.name}.log").open("a+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=_environment(section, folder), stderr=log, stdout=log, start_new_session=True
        )
        _running.append(process)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        log.seek(0)
        return code, " ".join(log.read().strip().splitlines()[-1:])[:300].replace("|", "/")


_running: list[subprocess.Popen] = []


def _end(process: subprocess.Popen) -> None:
    """End a section's process, and all that it started, if there are any left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _environment(section: Section, folder: Path) -> dict[str, str]:
    """Of its process; both that measure first calls have the same caches, which were empty."""
    # JAX is to leave others their share of the memory
    found = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if section.fresh_caches:
        for name in ("FASTCURV_CACHE_DIR", "NUMBA_CACHE_DIR", "CUDA_CACHE_PATH"):
            place = folder / name
            place.mkdir(mode=0o700, exist_ok=True)
            found[name] = str(place)
    return found


def write(out: Path, head: str, seed: int, results: list[Result]) -> None:
    """What is known so far."""
    text = "\n".join([head, *(result.markdown() for result in results)])
    (out / "results.md").write_text(text, encoding="utf-8")
    plain = {"head": head, "seed": seed, "sections": [result.plain() for result in results]}
    (out / "results.json").write_text(json.dumps(plain, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
