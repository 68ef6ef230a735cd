# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database of many tables, and what goes through its sequences: the floor, our modules, the peers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark import databases
from benchmark.extras import login
from support.run import run_module
from support.servers import Server, client_binaries

HERE = Path(__file__).resolve().parent

SETTINGS: dict[str, str | bool] = {"shared_buffers": "128MB", "autovacuum": False}
"""PostgreSQL's own defaults, ``fsync`` and ``synchronous_commit`` among them, but nothing else at work meanwhile."""


class Shop:
    """A database of so many tables on a server, with what the contenders are told of it."""

    def __init__(self, server: Server, tables: int, scratch: Path) -> None:
        self.server, self.tables = server, tables
        self.name = f"shop{tables}"
        self.dsn = server.dsn(self.name)
        databases.execute(server.dsn(), f"CREATE DATABASE {self.name}")
        apps = databases.build(self.dsn, tables)
        names = [table for several in apps.values() for table in several]
        self._names = scratch / f"{self.name}.json"
        self._names.write_text(json.dumps([[f"public.{name}", "id", f"public.{name}_id_seq"] for name in names]))
        self._statements = scratch / f"{self.name}.sql"
        of_apps = scratch / f"{self.name}.apps.json"
        of_apps.write_text(json.dumps(apps))
        with self._statements.open("w") as statements:
            subprocess.run([sys.executable, HERE / "django_statements.py", of_apps], stdout=statements, check=True)

    def floor(self, what: str = "last_value") -> None:
        dsn = " ".join(f"{name}={value}" for name, value in self.dsn.items())
        run_program([sys.executable, HERE / "floor.py", dsn, self._names, what])

    def module(self, name: str, **options: Any) -> dict[str, Any]:
        """Run one of our modules as it runs on a managed host."""
        result = run_module(name, {**login(self.dsn), **options})
        if result["failed"] or result["summary"]["healthy"] != self.tables:
            raise AssertionError(f"{name}: {result.get('msg')} {result.get('summary')}")
        return result

    def django(self) -> None:
        self._psql("-f", str(self._statements))

    def two_steps(self) -> None:
        second = self._statements.with_suffix(".second.sql")
        second.write_text(self._psql("-At", "-f", str(HERE / "two_steps.sql")))
        self._psql("-f", str(second))

    def _psql(self, *arguments: str) -> str:
        login_of = [f"--{name}={self.dsn[key]}" for name, key in _PSQL.items()]
        return run_program(
            [client_binaries() / "psql", "-Xq", "-o", "/dev/stdout", "-v", "ON_ERROR_STOP=1", *login_of, *arguments]
        )


_PSQL = {"host": "host", "port": "port", "username": "user", "dbname": "dbname"}


def run_program(command: Sequence[str | os.PathLike[str]]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
