# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests leave out is counted and named: what is missing on this machine, and not what a server's version lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import left_out
from support.toolchain import ROOT, stages

TESTS = """
import pytest
from support import left_out

@pytest.mark.parametrize("number", [1, 2])
def test_skipped(number):
    pytest.skip("a program is not installed")

@pytest.mark.skipif(True, reason="only root can")
def test_marked():
    raise AssertionError

def test_part():
    left_out.tell_part("another program is not installed")

def test_version():
    pytest.skip("needs PostgreSQL 14")

def test_older():
    pytest.skip("needs an older PostgreSQL than 17")
"""


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["one process", "workers"])
def test_each_reason_is_counted(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    kept = tmp_path / "left_out"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "support.fixtures", "-c", os.devnull, *workers, "test_some.py"],
        cwd=tmp_path,
        # Not with what ansible-test gives to its own pytest.
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        | {"PYTHONPATH": str(ROOT / "tests"), "PGOPS_LEFT_OUT": str(kept), "PGOPS_PG_VERSIONS": "18"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert left_out.read(kept) == [
        "2 tests: a program is not installed",
        "1 part of a test: another program is not installed",
        "1 test: only root can",
    ]


def test_outside_make_test_a_part_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGOPS_LEFT_OUT", raising=False)
    with pytest.warns(UserWarning, match="a part of this test was left out: a program is not installed"):
        left_out.tell_part("a program is not installed")


@pytest.mark.parametrize("needed", ["", "1"], ids=["told", "fails"])
def test_it_is_told_at_the_end_and_fails_where_all_is_needed(
    needed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGOPS_NEED_ALL", needed)
    # This run's own may be under way.
    monkeypatch.setattr("support.toolchain.CACHE", tmp_path)
    monkeypatch.setattr("support.toolchain.read", lambda path: ["1 test: a program is not installed"])
    assert stages([]) == bool(needed)
    assert "== left out\n1 test: a program is not installed\n" in capsys.readouterr().out


def test_what_is_not_released_yet_is_told_and_fails_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGOPS_NEED_ALL", "1")
    monkeypatch.setattr("support.toolchain.CACHE", tmp_path)
    line = f"3 tests: {left_out.NEXT}no network"
    monkeypatch.setattr("support.toolchain.read", lambda path: [line])
    assert stages([]) == 0
    assert f"== left out\n{line}\n" in capsys.readouterr().out
    monkeypatch.setattr("support.toolchain.read", lambda path: [line, "1 test: a program is not installed"])
    assert stages([]) == 1
