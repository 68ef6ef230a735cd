# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the restore need: a server, dumps made by pg_dump itself, the module, and targets that are dropped again."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .run import run_module, sql
from .servers import Server, binaries, client_binaries


@dataclass
class Bench:
    """A server, dumps of its database ``source``, and the module."""

    server: Server
    folder: Path
    _dumps: dict[str, Path] = field(default_factory=dict)

    @property
    def programs(self) -> Path:
        """PostgreSQL's programs, such as people have them on the host of the server."""
        return client_binaries(self.server.version) if self.server.version > 16 else binaries(16)

    def run(self, check: bool = False, tcp: bool = False, **options: Any) -> dict[str, Any]:
        where: dict[str, Any] = {"login_unix_socket": str(self.server.socket_dir)}
        if tcp:
            where = {"login_host": "127.0.0.1", "login_password": self.server.password}
        common = {**where, "login_port": self.server.port, "bin_dir": str(self.programs)}
        if isinstance(options.get("dump"), Path):
            options["dump"] = str(options["dump"])
        # By the variable a test finds its own run among others.
        mark = {"PGOPS_RUN": str(options["database"])}
        return run_module("pg_sequence_restore", {**common, **options}, check=check, env=mark)

    def tool(self, name: str, *arguments: str) -> None:
        where = [f"--host={self.server.socket_dir}", f"--port={self.server.port}", "--username=postgres"]
        subprocess.run([str(self.programs / name), *where, *arguments], check=True, stdin=subprocess.DEVNULL)

    def dump(self, kind: str, *arguments: str, database: str = "source") -> Path:
        """A dump by its format, or for plain ones the extension; made once."""
        name = "-".join([database, *arguments, kind]).replace("/", "_")
        if name not in self._dumps:
            path = self.folder / name
            if kind in ("gz", "bz2", "xz", "zst"):
                compress(self.dump("sql", *arguments, database=database), path, kind)
            else:
                form = {"custom": "c", "directory": "d", "tar": "t", "sql": "p"}[kind]
                self.tool("pg_dump", f"--format={form}", f"--file={path}", *arguments, database)
            self._dumps[name] = path
        return self._dumps[name]

    def sql(self, database: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return sql(self.server.dsn(database), statement, list(values) or None)

    def contents(self, database: str) -> dict[str, int]:
        """Rows by table."""
        tables = self.sql(
            database,
            "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.oid >= 16384 ORDER BY 1",
        )
        return {table: self.sql(database, f"SELECT count(*) FROM {table}")[0][0] for (table,) in tables}

    def databases(self) -> set[str]:
        return {name for (name,) in self.sql("postgres", "SELECT datname FROM pg_database")}


def compress(source: Path, target: Path, kind: str) -> None:
    if kind == "zst":
        if not shutil.which("zstd"):
            pytest.skip("needs the program zstd")
        subprocess.run(["zstd", "-q", str(source), "-o", str(target)], check=True)
        return
    opener: Any = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}[kind]
    with opener(target, "wb") as file:
        file.write(source.read_bytes())


@pytest.fixture
def target(bench: Bench) -> Iterator[str]:
    """The name of a database that does not exist, dropped after the test."""
    name = f"target_{secrets.token_hex(4)}"
    yield name
    drop(bench, name)


def drop(bench: Bench, name: str) -> None:
    bench.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)
    bench.sql("postgres", 'DROP DATABASE IF EXISTS "{}"'.format(name.replace('"', '""')))


@pytest.fixture
def empty(bench: Bench, target: str) -> str:
    """The name of an empty database."""
    bench.sql("postgres", f"CREATE DATABASE {target}")
    return target


def make_extension(folder: Path) -> None:
    """Make an extension ``geo`` with a table whose rows are the user's, and one ``tiny`` without, for ``extension_control_path`` of 18."""
    place = folder / "extension"
    place.mkdir()
    (place / "geo.control").write_text("default_version='1.0'\nrelocatable=true\n")
    (place / "geo--1.0.sql").write_text(
        "CREATE TABLE spatial_ref_sys (srid integer PRIMARY KEY, srtext text);\n"
        "INSERT INTO spatial_ref_sys VALUES (4326, 'WGS 84');\n"
        "SELECT pg_catalog.pg_extension_config_dump('spatial_ref_sys', 'WHERE srid > 900000');\n"
    )
    (place / "tiny.control").write_text("default_version='1.0'\nrelocatable=true\n")
    (place / "tiny--1.0.sql").write_text("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';\n")
    # A server started by root runs as another user.
    for each in (folder, *folder.parents):
        if each.stat().st_uid == os.geteuid() and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o055)
