# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every statement and command of ``docs/cutover.md``, in the order of the page, on a pair of servers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import psycopg2
import yaml

from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from support.pairs import Pair
from support.run import run_playbook, sql

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cutover.md").read_text()


def _steps() -> list[tuple[str, str]]:
    """Language and text of the page's blocks."""
    return re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.M | re.S)


def test_the_page_step_by_step(tmp_path: Path) -> None:
    with Pair(18, 18) as pair:
        sql(
            pair.old,
            "INSERT INTO orders (note) SELECT 'x' FROM generate_series(1, 30); SELECT setval('invoice_numbers', 900)",
        )
        pair.wait()
        ran = []
        for language, text in _steps():
            if language == "yaml":
                (variables,) = yaml.safe_load(text)["all"]["hosts"].values()
                assert set(variables) <= set(_variables.ENTRY_POINTS["cutover"])
            elif language == "sql":
                where = text.splitlines()[0]
                dsn = {"-- on the old server": pair.old, "-- on the new server": pair.new}[where]
                _as_in_psql(dsn, text)
            else:
                ran.append(_run(pair, text, tmp_path))
        assert len(ran) == text_count(), ran
        assert ran[0] == (0, "not yet") and all(found == (0, "may be switched") for found in ran[1:]), ran
        assert (tmp_path / "latest" / "report.json").exists()


def _as_in_psql(dsn: dict[str, Any], text: str) -> None:
    """One session, and each statement for itself."""
    connection = psycopg2.connect(**dsn)
    try:
        connection.autocommit = True
        for statement in text.partition("\n")[2].split(";"):
            if statement.strip():
                connection.cursor().execute(statement)
    finally:
        connection.close()


def text_count() -> int:
    return sum(language == "console" for language, _text in _steps())


def _run(pair: Pair, text: str, folder: Path) -> tuple[int, str]:
    program, playbook, *arguments = shlex.split(text.strip().removeprefix("$ "))
    assert program == "ansible-playbook"
    swapped = "@swapped.yml" in arguments
    if swapped:
        place = arguments.index("@swapped.yml")
        del arguments[place - 1 : place + 1]
    arguments = [argument.replace("=reports", f"={folder}") for argument in arguments]
    variables: dict[str, Any] = pair.variables(swapped=swapped)
    if not swapped:
        variables["pg_sequences_source_login_user"] = "sequence_reader"
    done = run_playbook(playbook, variables, *arguments)
    verdict = re.search(r"verdict: (not yet|may be switched)", done.stdout)
    assert verdict, done.stdout
    return done.returncode, verdict[1]
