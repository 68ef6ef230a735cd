# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module tests against every PostgreSQL, and with every driver on the oldest and the newest Python.

As a program: ``matrix.py``, or ``matrix.py --versions 12 18 --tests tests/server/test_faults.py``. As a plugin of
pytest (``-p matrix``) it lets the modules run with the Python that ``PGOPS_MODULE_PYTHON`` names, while pytest itself
stays on its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

_TESTS = Path(__file__).resolve().parent
_ROOT = _TESTS.parent
_VENVS = _ROOT / ".cache" / "matrix"

sys.path.insert(0, str(_TESTS))

from support import record  # noqa: E402

OLDEST = (3, 9)

DRIVERS = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]"}

if os.environ.get("PGOPS_MODULE_PYTHON") and __name__ == "matrix":
    from support import run

    # Test modules take the function by name when they are collected, which is after this.
    run.run_module = functools.partial(run.run_module, python=os.environ["PGOPS_MODULE_PYTHON"])


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: what was combined, and how it went."""

    server: str
    python: str
    driver: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    note: str = ""

    def __str__(self) -> str:
        counts = f"{self.passed:>7} {self.failed:>7} {self.skipped:>8} {self.seconds:>8.0f}"
        return f"{self.server:<11} {self.python:<8} {self.driver:<20} {counts}  {self.note}".rstrip()


HEADER = f"{'PostgreSQL':<11} {'Python':<8} {'driver':<20} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}"


def pythons() -> dict[tuple[int, int], Path]:
    """Find interpreters of supported versions, that can make environments, on PATH and where pyenv keeps them."""
    candidates = [shutil.which(f"python3.{minor}") for minor in range(OLDEST[1], 20)]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    candidates += [sys.executable, *map(str, sorted(pyenv.glob("3.*/bin/python")))]
    found: dict[tuple[int, int], Path] = {}
    for candidate in filter(None, candidates):
        told = subprocess.run(
            [candidate, "-c", "import ensurepip, sys, venv; print(*sys.version_info[:2], sys.executable)"],
            capture_output=True,
            text=True,
            check=False,
        )
        # A shim of pyenv fails here where its version is not switched on.
        if told.returncode == 0:
            major, minor, path = told.stdout.strip().split(" ", 2)
            found.setdefault((int(major), int(minor)), Path(path))
    return dict(sorted((version, path) for version, path in found.items() if version >= OLDEST))


def environment(python: Path, version: tuple[int, int], driver: str) -> tuple[Path, str]:
    """Make an environment with a driver and nothing else; return its interpreter and the driver's version.

    Raises:
        subprocess.CalledProcessError: the driver cannot be had for this Python.
    """
    folder = _VENVS / f"{version[0]}.{version[1]}-{driver}"
    interpreter = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([str(python), "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", DRIVERS[driver]]
        subprocess.run(install, check=True)
        (folder / "installed").touch()
    told = subprocess.run(
        [str(interpreter), "-c", f"import {driver}; print({driver}.__version__)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return interpreter, told.stdout.split()[0]


def tested(server: int, tests: list[str], python: Path | None = None) -> dict[str, Any]:
    """Run tests against one server version; return what :class:`Row` counts."""
    begin = time.monotonic()
    path = os.pathsep.join(filter(None, (str(_TESTS), os.environ.get("PYTHONPATH"))))
    settings = {"PGOPS_PG_VERSIONS": str(server), "PYTHONPATH": path}
    if python:
        settings["PGOPS_MODULE_PYTHON"] = str(python)
    with tempfile.TemporaryDirectory(prefix="pgops-matrix-") as scratch:
        report = Path(scratch, "report.xml")
        command = [sys.executable, "-m", "pytest", "-p", "matrix", "-q", "--tb=short", f"--junitxml={report}", *tests]
        done = subprocess.run(
            command, cwd=_ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 1) or not report.exists():
            raise RuntimeError(f"pytest ended with code {done.returncode}:\n{done.stdout}{done.stderr}")
        suite = next(ElementTree.parse(report).iter("testsuite"))
    counts = {name: int(suite.get(name) or 0) for name in ("tests", "failures", "errors", "skipped")}
    failed = counts["failures"] + counts["errors"]
    if failed:
        print(*re.findall(r"^(?:FAILED|ERROR) .*", done.stdout, re.M), sep="\n", flush=True)
    return {
        "passed": counts["tests"] - failed - counts["skipped"],
        "failed": failed,
        "skipped": counts["skipped"],
        "seconds": time.monotonic() - begin,
    }


def release(version: int) -> str:
    """The release that a server's program says it is, such as ``18.4``."""
    from support.servers import binaries

    command = [str(binaries(version) / "postgres"), "--version"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return told.split()[2]


def remember(row: Row, tests: list[str]) -> None:
    """Keep in the record what a run proved; one that failed takes away what an earlier one did."""
    name = f"{row.python} {row.driver.split()[0]} {row.server}"
    if row.failed:
        record.keep("servers", name, None)
    elif row.passed:
        kept = {"release": release(int(row.server)), "python": row.python, "driver": row.driver, "passed": row.passed}
        record.keep("servers", name, {**kept, "tests": ", ".join(tests)})


def by_server(versions: list[int], tests: list[str]) -> Iterator[Row]:
    """Each server, with this Python and its driver."""
    import psycopg2

    from support.servers import why_unavailable

    python = "{}.{}".format(*sys.version_info[:2])
    for version in versions:
        row = Row(str(version), python, f"psycopg2 {vars(psycopg2)['__version__'].split()[0]}")
        reason = why_unavailable(version)
        yield dataclasses.replace(row, note=reason) if reason else dataclasses.replace(row, **tested(version, tests))


def by_driver(server: int, tests: list[str]) -> Iterator[Row]:
    """Each driver on the oldest and the newest Python, with one server."""
    found = pythons()
    if OLDEST not in found:
        yield Row(str(server), "{}.{}".format(*OLDEST), "", note="not found on PATH nor by pyenv")
    for version in sorted({min(found), max(found)}):
        for driver in DRIVERS:
            row = Row(str(server), "{}.{}".format(*version), driver)
            try:
                python, release = environment(found[version], version, driver)
            except subprocess.CalledProcessError as error:
                yield dataclasses.replace(row, failed=1, note=f"the driver could not be installed: {error}")
                continue
            yield dataclasses.replace(row, driver=f"{driver} {release}", **tested(server, tests, python))


def main() -> int:
    """Do what the command line says; return the exit code."""
    from support.servers import VERSIONS

    parser = argparse.ArgumentParser(description="The module tests, in all combinations that are supported.")
    parser.add_argument("--versions", type=int, nargs="*", default=list(VERSIONS), help="of PostgreSQL")
    parser.add_argument(
        "--driver-version", type=int, default=VERSIONS[-1], help="of PostgreSQL for the drivers; 0: none"
    )
    parser.add_argument("--tests", nargs="+", default=["tests/server"], help="files or folders")
    parser.add_argument("--record", action="store_true", help="write docs/support.json and the table of the README")
    options = parser.parse_args()
    rows = []
    for row in by_server(options.versions, options.tests):
        rows.append(row)
        print(row, flush=True)
        if options.record:
            remember(row, options.tests)
    for row in by_driver(options.driver_version, options.tests) if options.driver_version else ():
        rows.append(row)
        print(row, flush=True)
        if options.record and row.driver:
            remember(row, options.tests)
    print("", HEADER, *rows, sep="\n")
    # A note says why nothing was run: what is not there was not tested.
    return int(any(row.failed or row.note or not row.passed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
