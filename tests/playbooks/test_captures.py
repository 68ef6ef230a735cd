# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook on one host and on forty, good, bad and in check mode: kept in tests/output/terminal, with the lines counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playbooks.test_terminal import BAD, GOOD, OUTPUT, Terminal, at, rows

from support.run import sql

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
        code, screen = terminal.type(command, columns, f"{name}-{many}-{state}")
        assert "Traceback" not in screen and "\nverdict: " in screen, screen
        if state == "good":
            assert code == 0, screen
        counts.append((name, rows(screen, columns), len(screen.strip().splitlines())))
        if columns == 80 and name in ("check", "fix"):
            assert rows(screen, 80) <= MOST[many, state], screen
    told = "".join(f"{name:<12} {count} rows, {lines} lines\n" for name, count, lines in counts)
    (OUTPUT / f"counts-{many}-{state}-{columns}.txt").write_text(told)
