# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every statement and command of ``docs/cutover.md``, in the order of the page, on a pair of servers."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import Any

import psycopg2
import yaml

from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from support.pairs import Pair
from support.run import run_playbook, sql

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cutover.md").read_text()
_OWN_WAY = re.compile(r"^## PostgreSQL 19's own way.*?(?=^## )", re.M | re.S)


def _steps(own_way: bool = False) -> list[tuple[str, str]]:
    """Language and text of the page's blocks: of the chapter on PostgreSQL 19's own way, or of all others."""
    (chapter,) = _OWN_WAY.findall(PAGE)
    return re.findall(r"^```(\w+)\n(.*?)^```", chapter if own_way else PAGE.replace(chapter, ""), re.M | re.S)


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


def test_the_own_way_of_19_step_by_step(candidate: int, tmp_path: Path) -> None:
    with Pair(candidate, candidate) as pair:
        sql(pair.old, "INSERT INTO orders (note) SELECT 'x' FROM generate_series(1, 30)")
        # Behind its own rows, and defined otherwise on the other side.
        sql(pair.old, "INSERT INTO orders VALUES (31, 'given by hand'); CREATE ROLE replicator")
        sql(pair.new, "ALTER SEQUENCE never_used INCREMENT 7")
        pair.wait()
        ran: list[str] = []
        for language, text in _steps(own_way=True):
            if language == "sql":
                _as_in_psql(
                    {"-- on the old server": pair.old, "-- on the new server": pair.new}[text.splitlines()[0]], text
                )
                continue
            arguments = shlex.split(text.strip().removeprefix("$ "))
            of_old = {
                "pg_sequences_login_unix_socket": str(pair.source.socket_dir),
                "pg_sequences_login_port": pair.source.port,
            }
            fixes = "@old.yml" in arguments
            variables = {**pair.variables(), **(of_old if fixes else {})}
            given = {name: value for name, value in variables.items() if not (fixes and "source" in name)}
            done = run_playbook(arguments[1], given, *(["--check"] if "--check" in arguments else []))
            assert done.returncode == 0, done.stdout
            ran.append(done.stdout)
            if "--check" in arguments:
                (alter,) = set(re.findall(r"ALTER SEQUENCE public.never_used .*?;", done.stdout))
                sql(pair.new, alter)
                # Handed out, and in no row.
                sql(pair.old, "SELECT setval('invoice_numbers', 5000)")
        compared, repaired, carried = ran
        assert "not synchronized: public.never_used" in compared and "verdict: not yet" in compared, compared
        assert (
            "repaired localhost shop public.orders_id_seq" in repaired
            or "repaired shop public.orders_id_seq" in repaired
        )
        assert "found behind: 0," in carried and "verdict: may be switched" in carried, carried
        assert sql(pair.new, "SELECT last_value FROM invoice_numbers") == [(5000,)]
        sql(pair.new, "INSERT INTO orders (note) VALUES ('after the switch')")


def _as_in_psql(dsn: dict[str, Any], text: str) -> None:
    """One session, and each statement for itself; a SELECT until it finds nothing."""
    connection = psycopg2.connect(**dsn)
    try:
        connection.autocommit = True
        for statement in text.partition("\n")[2].split(";"):
            if not statement.strip():
                continue
            cursor, deadline = connection.cursor(), time.monotonic() + 60
            cursor.execute(statement)
            while cursor.description and cursor.fetchall():
                assert time.monotonic() < deadline, statement
                time.sleep(0.1)
                cursor.execute(statement)
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
