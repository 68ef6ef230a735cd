# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remedies are pasted as they are: names in quotes only where SQL needs them, and what an ALTER costs said in it."""

from __future__ import annotations

import contextlib
import re

import psycopg2
import pytest
from server.test_shapes import Dsn, Entry, fix, info

from support.run import sql

FULL = {
    "plain": ("CREATE TABLE tickets (id smallserial PRIMARY KEY, t text)", "tickets"),
    "odd": ('CREATE TABLE "Odd; /* name" (id smallserial PRIMARY KEY, t text)', '"Odd; /* name"'),
    "reserved": ('CREATE TABLE "user" (id smallserial PRIMARY KEY, t text)', '"user"'),
    "partitioned": (
        "CREATE TABLE tickets (id smallserial, t text) PARTITION BY RANGE (t);"
        "CREATE TABLE low PARTITION OF tickets FOR VALUES FROM ('a') TO ('b');"
        "CREATE TABLE rest PARTITION OF tickets FOR VALUES FROM ('b') TO ('z')",
        "tickets",
    ),
}


def full(database: Dsn, shape: str) -> Entry:
    """Make a table whose ids are used up, of 300 rows."""
    create, table = FULL[shape]
    sql(database, f"{create}; INSERT INTO {table} SELECT 32767 - g, repeat('x', 900) FROM generate_series(0, 299) g;")
    sql(database, "SELECT setval(pg_get_serial_sequence(%s, 'id'), 32767)", [f"public.{table}"])
    (found,) = info(database)["sequences"]
    return found


@pytest.mark.parametrize("shape", FULL)
def test_an_alter_that_rewrites_says_so_with_the_tables_size(database: Dsn, shape: str) -> None:
    remedy = full(database, shape)["remedy"]
    table = re.escape(FULL[shape][1])
    said = re.match(
        rf"ALTER TABLE public\.{table} ALTER COLUMN id TYPE bigint /\* rewrites the table, (\d+) kB with its indexes,"
        r" and locks it meanwhile \*/; ALTER SEQUENCE ",
        remedy,
    )
    # 300 rows of 900 bytes, and an index.
    assert said and 280 < int(said[1]) < 500, remedy
    # What a repair leaves says the same, and it is SQL that settles it.
    left = fix(database)["not_fixed"]
    assert [entry["remedy"] for entry in left] == [remedy]
    sql(database, remedy.partition(" or go back")[0])
    assert info(database)["summary"]["healthy"] == 1


def test_the_size_of_a_table_that_is_locked_is_not_waited_for(database: Dsn) -> None:
    full(database, "plain")
    with contextlib.closing(psycopg2.connect(**database)) as other, other.cursor() as cursor:
        cursor.execute("SELECT setval('tickets_id_seq', 32760); LOCK TABLE tickets")
        # By its state it is nearly full, and would be asked for its size.
        (found,) = info(database, lock_timeout=0.2)["sequences"]
        assert found["reasons"] == ["locked", "near_limit"] and "run again when it is free" in found["remedy"]


def test_only_what_needs_it_is_asked_for_its_size(database: Dsn) -> None:
    sql(database, "CREATE TABLE wide (id bigserial PRIMARY KEY); INSERT INTO wide VALUES (9)")
    sql(
        database,
        "CREATE SEQUENCE short AS bigint MAXVALUE 10; CREATE TABLE s (id bigint PRIMARY KEY DEFAULT nextval('short'))",
    )
    sql(database, "INSERT INTO s VALUES (10); SELECT setval('short', 10)")
    remedies = {entry["name"]: entry["remedy"] for entry in info(database)["sequences"]}
    assert remedies["short"].startswith("ALTER SEQUENCE public.short MAXVALUE") and "rewrites" not in remedies["short"]
    assert "rewrites" not in remedies["wide_id_seq"]


def test_grants_name_what_needs_no_quotes_without_them(database: Dsn) -> None:
    user = f"auditor_{database['dbname']}"
    sql(database, f"CREATE TABLE orders (id serial PRIMARY KEY); CREATE ROLE {user} LOGIN; CREATE SCHEMA hr")
    sql(database, 'CREATE TABLE hr."Staff" (id serial PRIMARY KEY)')
    try:
        found = info(database, login_user=user)["sequences"]
        grants = {grant.strip() for entry in found for grant in entry["remedy"].split(";") if grant}
        assert '"' not in "".join(grants) and f"GRANT USAGE ON SCHEMA hr TO {user}" in grants, grants
        for grant in grants:
            sql(database, grant)
        assert info(database, login_user=user)["summary"]["healthy"] == 2
    finally:
        sql(database, f"DROP OWNED BY {user}; DROP ROLE {user}")
