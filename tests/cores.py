# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run sanity, the unit tests, the integration targets and the playbooks' smoke test on every ansible-core that is supported.

As a program: ``cores.py``, or ``cores.py --cores 2.17 2.21``; with ``--record`` the README says what passed. Each has an
environment of its own, which is made once and
kept until the requirements change. Exit code 1 if anything failed, or a Python is missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import re
import subprocess
import sys
import time
from concurrent import futures
from importlib import metadata
from pathlib import Path

_TESTS = Path(__file__).resolve().parent
_ROOT = _TESTS.parent
_VENVS = _ROOT / ".cache" / "cores"
_LOGS = _ROOT / "tests" / "output" / "cores"

sys.path.insert(0, str(_TESTS))

from matrix import pythons  # noqa: E402

from support import record  # noqa: E402

CORES = {
    "2.17": ("ansible-core==2.17.14", (3, 10)),
    "2.18": ("ansible-core==2.18.19", (3, 11)),
    "2.19": ("ansible-core==2.19.14", (3, 11)),
    "2.20": ("ansible-core==2.20.10", (3, 12)),
    "2.21": ("ansible-core==2.21.5", (3, 13)),
}
"""What is supported, each with one of its Pythons: all from 3.10 to 3.13 have their turn."""

CANDIDATE = ("2.22", ("ansible-core==2.22.0rc1", (3, 13)))
"""What comes next; where it cannot be installed yet it is left out, and said to be."""

# Of the requirements of make test, what needs no other ansible-core and is not for the other tests alone.
_LEFT_OUT = re.compile(r"#|ansible|antsibull|mypy|playwright|reuse|ruff|types-|yamllint")

# Sanity makes environments of its own; what a candidate pins may not be published yet.
_CANNOT_INSTALL = re.compile(
    r"^ERROR: (?:Could not install packages|No matching distribution|Could not find a version)", re.M
)

# The lines in which ansible-test and pytest say what is wrong.
_TELLING = re.compile(r"ERROR|FATAL|FAILED|E  ")

STEPS = {
    "sanity": ["{python}", "tests/support/toolchain.py", "sanity"],
    "unit": ["{python}", "-m", "pytest", "-q", "tests/unit"],
    "targets": ["{python}", "tests/support/toolchain.py", "targets"],
    "playbooks": ["{python}", "-m", "pytest", "-q", "-n", "2", "tests/playbooks/test_playbooks.py"],
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: a core, and how each step went."""

    core: str
    python: str
    steps: dict[str, str]
    seconds: float = 0.0
    note: str = ""

    @property
    def failed(self) -> bool:
        return any(how not in ("passed", "no install") for how in self.steps.values())

    def __str__(self) -> str:
        steps = " ".join(f"{self.steps.get(step, '-'):<10}" for step in STEPS)
        return f"{self.core:<14} {self.python:<7} {steps} {self.seconds:>7.0f}  {self.note}".rstrip()


HEADER = f"{'ansible-core':<14} {'Python':<7} {' '.join(f'{step:<10}' for step in STEPS)} seconds"


def environment(name: str, core: str, python: Path) -> Path:
    """Make an environment with an ansible-core and what the tests need; return its interpreter.

    Raises:
        subprocess.CalledProcessError: something of it cannot be had for this Python.
    """
    lines = (_TESTS / "requirements.txt").read_text().splitlines()
    wanted = [core, *(line for line in lines if line and not _LEFT_OUT.match(line))]
    folder = _VENVS / name
    interpreter, done = folder / "bin" / "python", folder / "installed"
    mark = hashlib.sha256("\n".join([str(python), *wanted]).encode()).hexdigest()
    if not done.exists() or done.read_text() != mark:
        subprocess.run([str(python), "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *(line.split(";")[0].strip() for line in wanted)], check=True)
        done.write_text(mark)
    return interpreter


def release_of(interpreter: Path) -> str:
    """The ansible-core that an environment has."""
    command = [str(interpreter), "-c", "from importlib.metadata import version; print(version('ansible-core'))"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def run_steps(name: str, interpreter: Path, optional: bool) -> dict[str, str]:
    """Run all steps in an environment, sanity beside the others; what failed is shown at once, and all output kept.

    :arg optional: whether a step may be left out because what it needs cannot be installed
    :returns: ``passed``, ``failed`` or ``no install`` by step
    """
    lanes = [["sanity"], [step for step in STEPS if step != "sanity"]]
    with futures.ThreadPoolExecutor(len(lanes)) as pool:
        several = pool.map(lambda lane: [run_step(step, name, interpreter, optional) for step in lane], lanes)
        found = {step: how for lane, hows in zip(lanes, several) for step, how in zip(lane, hows)}
    return {step: found[step] for step in STEPS}


def run_step(step: str, name: str, interpreter: Path, optional: bool) -> str:
    """Run one step; return ``passed``, ``failed`` or ``no install``."""
    log = _LOGS / name / f"{step}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # The tools call each other by name.
    path = os.pathsep.join([str(interpreter.parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [part.format(python=interpreter) for part in STEPS[step]],
        cwd=_ROOT,
        env={**os.environ, "PATH": path, "PGOPS_PG_VERSIONS": "18"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    log.write_text(done.stdout)
    if done.returncode == 0:
        return "passed"
    lines = done.stdout.splitlines()
    telling = [line for line in lines if _TELLING.match(line)] or lines[-40:]
    print(f"{step} failed on {name}, all of it in {log.relative_to(_ROOT)}:", *telling, sep="\n", flush=True)
    return "no install" if optional and _CANNOT_INSTALL.search(done.stdout) else "failed"


def tried(name: str, core: str, version: tuple[int, int], optional: bool) -> Row:
    """Run all steps on one ansible-core."""
    begin = time.monotonic()
    python = "{}.{}".format(*version)
    found = pythons()
    if version not in found:
        steps = {} if optional else {"sanity": "missing"}
        return Row(name, python, steps, note=f"Python {python} was not found on PATH nor by pyenv")
    try:
        interpreter = environment(name, core, found[version])
    except subprocess.CalledProcessError:
        return Row(name, python, {} if optional else {"sanity": "missing"}, note=f"{core} cannot be installed")
    steps = run_steps(name, interpreter, optional)
    return Row(release_of(interpreter), python, steps, time.monotonic() - begin)


def remember(name: str, row: Row) -> None:
    """Keep in the record what a run proved; one that failed takes away what an earlier one did."""
    ran = not row.failed and set(row.steps) == set(STEPS)
    record.keep("cores", name, {"release": row.core, "python": row.python, **row.steps} if ran else None)


def others() -> list[str]:
    """All cores but the one of this environment, on which ``make test`` runs more than is run here."""
    mine = f"ansible-core=={metadata.version('ansible-core')}", sys.version_info[:2]
    return [*(name for name, both in CORES.items() if both != mine), CANDIDATE[0]]


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description="Sanity, unit tests and playbooks on every supported ansible-core.")
    parser.add_argument("--record", action="store_true", help="write docs/support.json and the table of the README")
    parser.add_argument("--cores", nargs="+", choices=[*CORES, CANDIDATE[0], "others"], default=[*CORES, CANDIDATE[0]])
    rows = []
    options = parser.parse_args()
    for name in others() if options.cores == ["others"] else options.cores:
        core, version = CORES.get(name) or CANDIDATE[1]
        rows.append(tried(name, core, version, optional=name not in CORES))
        print(rows[-1], flush=True)
        if options.record:
            remember(name, rows[-1])
    print("", HEADER, *rows, sep="\n")
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
