# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook on one host and on forty, good, bad and in check mode: kept in tests/output/terminal, with the lines counted."""

from __future__ import annotations

import getpass
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playbooks.test_terminal import BAD, GOOD, OUTPUT, Terminal, at, rows

from support.pairs import Pair
from support.run import sql
from support.servers import Server, client_binaries

PLAYBOOKS = {
    "check": "",
    "info": "-e pg_sequences_sequences=b_id_seq,ahead_id_seq*",
    "fix": "",
    "fix-checked": "--check --diff",
    "auto_fix": "",
    "reset": "-e pg_sequences_table={table} -e pg_sequences_confirm=true",
}
MOST = {
    ("one", "good"): 24,
    ("one", "bad"): 60,
    ("forty", "good"): 190,
    ("forty", "bad"): 420,
}
"""How many rows of a terminal of 80 columns a run may take: one host in order fits on a screen."""


def seen(terminal: Terminal, command: str, columns: int, keep: str, most: int = 0) -> tuple[int, str]:
    """Type a command; look at what no run may show."""
    code, screen = terminal.type(command, columns, keep)
    assert "Traceback" not in screen and "Origin: " not in screen, screen
    # Of two verdicts nobody knows which one holds.
    assert len(re.findall(r"^verdict: ", screen, re.M)) == 1, screen
    # Nothing that is to be copied or read stands in quotes that JSON has put before its own.
    assert '\\"' not in screen, screen
    if most and columns == 80:
        assert rows(screen, 80) <= most, (rows(screen, 80), screen)
    return code, screen


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("state", ["good", "bad"])
@pytest.mark.parametrize("many", ["one", "forty"])
def test_captures(database: dict[str, str], tmp_path: Path, many: str, state: str, columns: int) -> None:
    sql(database, GOOD if state == "good" else BAD + "CREATE TABLE fine (id serial PRIMARY KEY);")
    count = 1 if many == "one" else 40
    # Of forty hosts with findings most are in order, as in a fleet; they are one server here.
    hosts: dict[str, dict[str, Any]] = {}
    for number in range(1, count + 1):
        more = {"tables": ["fine"]} if state == "bad" and number > 4 else {}
        hosts[f"db{number:02}"] = at(database, database=database["dbname"], **more)
    terminal = Terminal(tmp_path, hosts)
    # For forty hosts the playbook that looks and the one that repairs show what is to be seen.
    playbooks = (
        PLAYBOOKS
        if many == "one"
        else {name: PLAYBOOKS[name] for name in (("check", "fix-checked") if state == "bad" else ("check",))}
    )
    counts = []
    for name, more in playbooks.items():
        table = "a" if state == "good" else "ahead"
        command = f"ansible-playbook -i hosts.json pgops.sequences.{name.partition('-')[0]} {more.format(table=table)}"
        most = MOST[many, state] if name in ("check", "fix") else 0
        code, screen = seen(terminal, command, columns, f"{name}-{many}-{state}", most)
        if state == "good":
            assert code == 0, screen
        counts.append((name, rows(screen, columns), len(screen.strip().splitlines())))
    told = "".join(f"{name:<12} {count} rows, {lines} lines\n" for name, count, lines in counts)
    (OUTPUT / f"counts-{many}-{state}-{columns}.txt").write_text(told)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("state", ["good", "bad"])
def test_captures_of_a_restore(
    server: Server, database: dict[str, str], tmp_path: Path, state: str, columns: int
) -> None:
    sql(database, GOOD if state == "good" else BAD)
    dump, tools, new = tmp_path / "shop.dump", client_binaries(), f"{database['dbname']}_new"
    login = ["-h", database["host"], "-p", str(database["port"]), "-U", "postgres"]
    subprocess.run([str(tools / "pg_dump"), "-Fc", f"--file={dump}", *login, database["dbname"]], check=True)
    terminal = Terminal(tmp_path, {"db1": at(database, bin_dir=str(tools))})
    command = (
        "ansible-playbook -i hosts.json pgops.sequences.restore_then_fix"
        f" -e pg_sequences_database={new} -e pg_sequences_dump={dump}"
    )
    try:
        code, screen = seen(terminal, command, columns, f"restore-missing-{state}", 40)
        assert code == 2 and "verdict: 1 host could not be restored\n" in screen, screen
        command += " -e pg_sequences_restore_create=true"
        # The database is not there yet, and in check mode it is not made.
        code, screen = seen(terminal, f"{command} --check", columns, f"restore-checked-{state}", 35)
        assert code == 0 and "verdict: 1 database would be restored\n" in screen, screen
        assert "The database would be created.\n" in screen and "sequences: 0" not in screen, screen
        code, screen = seen(terminal, command, columns, f"restore-{state}", 36 if state == "good" else 50)
        assert code == (0 if state == "good" else 2) and "verdict: 1 database restored; " in screen, screen
        if state == "bad":
            # Pasted as it is, it must not restore again.
            (again,) = re.findall(r"^next, after the remedies above: (.*)$", screen, re.M)
            assert "pgops.sequences.fix --limit db1" in again and "restore" not in again and "dump" not in again
            sql({**database, "dbname": new}, "ALTER TABLE tickets ALTER id TYPE bigint; ALTER SEQUENCE tickets_id_seq AS bigint")  # fmt: skip
            code, screen = seen(terminal, again, columns, "restore-then-fixed", 36)
            assert code == 0 and "verdict: 1 sequence repaired; " in screen, screen
    finally:
        sql(server.dsn(), f"DROP DATABASE IF EXISTS {new}")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Pair(18, 18) as running:
        yield running


@pytest.mark.parametrize("columns", [80, 120])
def test_captures_of_a_cut_over(pair: Pair, tmp_path: Path, columns: int) -> None:
    sql(pair.old, "SELECT setval('invoice_numbers', nextval('invoice_numbers') + 900)")
    pair.wait()
    given = {name.removeprefix("pg_sequences_"): value for name, value in pair.variables().items()}
    terminal = Terminal(tmp_path, {"db1": given})
    command = "ansible-playbook -i hosts.json pgops.sequences.cutover"
    code, screen = seen(terminal, f"{command} --check", columns, "cutover-checked", 50)
    assert code == 0 and "verdict: not yet, because 1 sequence would have to be moved first\n" in screen, screen
    (pasted,) = re.findall(r"^next: to move them: (.*)$", screen, re.M)
    code, screen = seen(terminal, pasted, columns, "cutover-good", 50)
    assert code == 0 and "verdict: may be switched: " in screen, screen
    code, screen = seen(terminal, f"{command} -e pg_sequences_source_login_port=1", columns, "cutover-bad", 40)
    assert code == 2 and "verdict: not yet, because 1 host could not be compared\n" in screen, screen
    flat = " ".join(screen.split())
    assert "that pg_sequences_source_login_host, pg_sequences_source_login_port and" in flat, screen
    assert 'msg": "not compared: see the verdict above' in screen, screen


def test_captures_of_the_monitor(database: dict[str, str], tmp_path: Path) -> None:
    root = tmp_path / "root"
    terminal = Terminal(tmp_path, {"db1": at(database, database=database["dbname"])})
    command = (
        f"ansible-playbook -i hosts.json pgops.sequences.monitor -e pg_sequences_monitor_root={root}"
        f" -e pg_sequences_monitor_become=false -e pg_sequences_monitor_user={getpass.getuser()}"
    )
    for columns in (80, 120):
        for number, (keep, more, code, words) in enumerate(
            (
                ("checked", " --check", 0, "verdict: the monitor would be installed"),
                ("good", "", 0, "verdict: the monitor is installed and will audit every 60 minutes"),
                ("gone", " -e pg_sequences_monitor_state=absent", 0, "verdict: the monitor is removed"),
            )
        ):
            found, screen = seen(terminal, command + more, columns, f"monitor-{keep}", (80, 300, 100)[number])
            assert found == code and f"\n{words}" in screen, screen
        found, screen = terminal.type(f"{command} -e pg_sequences_monitor_interval=0", columns, "monitor-bad")
        assert found == 2 and rows(screen, 80) <= 20 and "Origin: " not in screen, screen
        assert "\ndb1: pg_sequences_monitor_interval=0 is not a number of minutes from 1 to 44640" in screen, screen
