# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the module under load beside three naive repairs, and print a table.

``python tests/concurrency/run.py --version 18 --seconds 60``; the exit code is 1 where the module did harm, or where
the naive repairs did none, so that nothing is proved.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from concurrency.harness import LOCK_TIMEOUT, LONGEST_HOLD, NAIVE, Fixer, Outcome, measure, module  # noqa: E402
from support.run import sql  # noqa: E402
from support.servers import Server  # noqa: E402

_COLUMNS = ("calls", "repairs", "moves", "twice", "backward", "collisions", "after_repair")


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description="Repairs under load.")
    parser.add_argument("--version", type=int, default=18, help="PostgreSQL's major version")
    parser.add_argument("--seconds", type=float, default=60, help="how long the module is measured")
    parser.add_argument("--naive-seconds", type=float, help="how long each naive repair is; at most 10 by default")
    options = parser.parse_args()
    naive_seconds = options.naive_seconds or min(10.0, options.seconds)
    fixers: dict[str, Fixer | None] = {"none": None, **NAIVE, "pg_sequence_fix": module}
    outcomes: dict[str, Outcome] = {}
    with Server(options.version) as server:
        print(f"PostgreSQL {options.version}, lock_timeout {LOCK_TIMEOUT} s, transactions held up to {LONGEST_HOLD} s")
        print(f"{'repair':<16} {'s':>4}" + "".join(f"{name:>13}" for name in (*_COLUMNS, "stall in s")))
        for name, fixer in fixers.items():
            sql(server.dsn(), f"CREATE DATABASE {name}_load")
            seconds = options.seconds if fixer is module else naive_seconds
            found = outcomes[name] = measure(name, fixer, server.dsn(f"{name}_load"), seconds)
            figures = "".join(f"{getattr(found, column):>13}" for column in _COLUMNS)
            print(f"{name:<16} {seconds:>4.0f}{figures}{found.longest_stall:>13.2f}", *found.errors, flush=True)
    ours = outcomes["pg_sequence_fix"]
    harmless = ours.moves and not (ours.twice or ours.backward or ours.after_repair or ours.errors)
    proved = all(outcomes[name].twice for name in NAIVE)
    return 0 if harmless and proved else 1


if __name__ == "__main__":
    sys.exit(main())
