# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the target's part of a cut-over takes, beside the simplest script that sets all sequences in one psql.

As a program: ``cutover.py [NUMBER...]``, of sequences, by default 1000 and 10000. Every third feeds no column. Prints a table.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark.figures import Fact  # noqa: E402
from support.run import run_module, run_playbook, sql
from support.servers import Server, client_binaries

_REPEATS = 3


def _made(dsn: dict[str, str], number: int) -> None:
    columns = """
    DO $$ BEGIN FOR i IN 1..%s LOOP
      IF i %% 3 = 0 THEN EXECUTE format('CREATE SEQUENCE s%%s', i);
      ELSE EXECUTE format('CREATE TABLE t%%s (id bigserial PRIMARY KEY)', i); END IF;
      IF i %% 500 = 0 THEN COMMIT; END IF;
    END LOOP; END $$
    """
    sql(dsn, columns % number)


def _positions(dsn: dict[str, str], value: int) -> None:
    sql(dsn, f"SELECT count(setval(seqrelid::regclass, {value})) FROM pg_sequence")


def _behind(dsn: dict[str, str]) -> int:
    return int(sql(dsn, "SELECT count(*) FROM pg_sequences WHERE last_value < 5000")[0][0])


def _script(source: dict[str, str], target: dict[str, str]) -> None:
    """The simplest there is: read every last value, set every last value, no look at the target."""
    rows = sql(
        source,
        "SELECT format('SELECT setval(%L, %s);', quote_ident(schemaname) || '.' || quote_ident(sequencename), last_value)"
        " FROM pg_sequences",
    )
    psql = [
        str(client_binaries() / "psql"),
        "-qAtX",
        "-1",
        "-h",
        target["host"],
        "-p",
        target["port"],
        "-U",
        "postgres",
        "-d",
        target["dbname"],
    ]
    subprocess.run(psql, input="\n".join(row[0] for row in rows), text=True, stdout=subprocess.DEVNULL, check=True)


def _playbook(source: dict[str, str], target: dict[str, str]) -> None:
    """All of a cut-over: three readings of the source, two of the target, the repair, and Ansible around them."""
    variables = {"pg_sequences_database": "shop", "pg_sequences_source_seconds": 0}
    for prefix, dsn in (("pg_sequences_source_", source), ("pg_sequences_", target)):
        variables |= {f"{prefix}login_unix_socket": dsn["host"], f"{prefix}login_port": int(dsn["port"])}
    done = run_playbook("pgops.sequences.cutover", variables)
    assert done.returncode == 0 and "verdict: may be switched" in done.stdout, done.stdout


def measured(number: int) -> dict[str, float]:
    """Seconds by what was done, the median of some runs."""
    seconds: dict[str, list[float]] = {name: [] for name in ("script", "repair", "again", "playbook")}
    settings = {"max_locks_per_transaction": 512}
    with Server(18, settings=settings) as old, Server(18, settings=settings) as new:
        for server in (old, new):
            sql(server.dsn(), "CREATE DATABASE shop")
            _made(server.dsn("shop"), number)
        source, target = old.dsn("shop"), new.dsn("shop")
        _positions(source, 5000)
        where = {"login_unix_socket": source["host"], "login_port": int(source["port"]), "login_db": "shop"}
        reference = run_module("pg_sequence_info", {**where, "positions": True})["positions"]
        here: dict[str, Any] = {
            "login_unix_socket": target["host"],
            "login_port": int(target["port"]),
            "login_db": "shop",
        }
        for _unused in range(_REPEATS):
            for name in seconds:
                if name != "again":
                    _positions(target, 1)
                before = time.monotonic()
                if name == "script":
                    _script(source, target)
                elif name == "playbook":
                    _playbook(source, target)
                else:
                    done = run_module("pg_sequence_fix", {**here, "reference": reference})
                    assert not done["failed"] and len(done["changes"]) == (number if name == "repair" else 0)
                seconds[name].append(time.monotonic() - before)
                assert _behind(target) == 0
    return {name: statistics.median(found) for name, found in seconds.items()}


def facts() -> list[Fact]:
    """The figures of 1,000 and 10,000 sequences."""
    found = []
    for number in (1000, 10000):
        seconds = measured(number)
        what = f"cut-over of {number:,} sequences, PostgreSQL 18: "
        found += [
            Fact(f"{what}the simplest script", f"{seconds['script']:.2f} s"),
            Fact(f"{what}the target's part, by that of the script", f"{seconds['repair'] / seconds['script']:.2f}"),
            Fact(f"{what}again, where nothing is to do, by the script", f"{seconds['again'] / seconds['script']:.2f}"),
            Fact(f"{what}the whole playbook", f"{seconds['playbook']:.1f} s"),
        ]
        print(*(f"{fact.what}: {fact.figure}" for fact in found[-4:]), sep="\n", flush=True)
    return found


if __name__ == "__main__":
    print("| sequences | simplest script | the target's part | ratio | again, nothing to do | the whole playbook |")
    print("|---|---|---|---|---|---|")
    for asked in map(int, sys.argv[1:] or ("1000", "10000")):
        found = measured(asked)
        ratio = found["repair"] / found["script"]
        print(
            f"| {asked:,} | {found['script']:.2f} s | {found['repair']:.2f} s | {ratio:.1f} | {found['again']:.2f} s |"
            f" {found['playbook']:.1f} s |",
            flush=True,
        )
