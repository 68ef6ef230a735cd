# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of many tables for measuring."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import psycopg2

TABLES_PER_APP = 20
"""How many tables one application has, as its developers would group them."""

_BUILD = """
DO $$
BEGIN
  FOR i IN {first}..{last} LOOP
    EXECUTE format('CREATE TABLE %I (id serial PRIMARY KEY, note text)', '{prefix}' || i);
    EXECUTE format('INSERT INTO %I SELECT generate_series(1, 100), ''note''', '{prefix}' || i);
  END LOOP;
END $$
"""

Dsn = Mapping[str, str]


def execute(dsn: Dsn, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements, each a transaction of its own; return the last one's rows."""
    with contextlib.closing(psycopg2.connect(**dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SET synchronous_commit = off")
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def build(dsn: Dsn, tables: int) -> dict[str, list[str]]:
    """Fill a database with tables of a serial key and 100 rows, whose sequences never were called.

    Returns:
        The tables' names by application.
    """
    apps: dict[str, list[str]] = {}
    statements = []
    for first in range(0, tables, TABLES_PER_APP):
        app, last = f"app{first // TABLES_PER_APP}", min(first + TABLES_PER_APP, tables) - 1
        apps[app] = [f"{app}_t{number}" for number in range(first, last + 1)]
        statements.append(_BUILD.format(first=first, last=last, prefix=f"{app}_t"))
    execute(dsn, *statements, "VACUUM ANALYZE", "CHECKPOINT")
    return apps


def set_all(dsn: Dsn, value: int) -> None:
    """Set all sequences, and leave the server with nothing to write."""
    parts = _parts(dsn)
    execute(dsn, *(f"SELECT count(setval(s, {value})) FROM unnest({part}) s" for part in parts), "CHECKPOINT")


def count_behind(dsn: Dsn) -> int:
    """How many sequences are behind the 100 rows of their tables."""
    behind = "SELECT count(*) FROM unnest({}) s WHERE coalesce(pg_sequence_last_value(s), 0) < 100"
    return sum(execute(dsn, behind.format(part))[0][0] for part in _parts(dsn))


def _parts(dsn: Dsn) -> list[str]:
    """The database's sequences, as arrays of as many as one transaction can lock."""
    oids = [oid for (oid,) in execute(dsn, "SELECT oid FROM pg_class WHERE relkind = 'S' ORDER BY oid")]
    return [f"'{{{','.join(map(str, oids[n : n + 1000]))}}}'::regclass[]" for n in range(0, len(oids), 1000)]
