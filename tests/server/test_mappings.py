# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of ``columns`` with ranges, blocks and SQL of the operator's own: what cannot be is refused, nothing runs unasked."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from server.test_applications import drawn, entry, one
from server.test_shapes import Dsn, fix, info, session

from support.run import sql


@pytest.fixture
def stranger(database: Dsn) -> Iterator[str]:
    """An ordinary role that may make objects in the database."""
    role = f"stranger_{secrets.token_hex(4)}"
    sql(database, f"CREATE ROLE {role}; CREATE SCHEMA theirs AUTHORIZATION {role}")
    yield role
    sql(database, f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"where": "true;"}, "semicolon"),
        ({"where": "true -- all"}, "comment"),
        ({"where": "true /* all"}, "comment"),
        ({"expression": "1) FROM pg_class; DROP TABLE t; SELECT (1"}, "semicolon"),
        ({"expression": "1) UNION SELECT (2"}, "parentheses"),
        ({"expression": "(1"}, "parentheses"),
        ({"expression": "'1"}, "quote"),
        ({"expression": "$$1$$"}, "dollar"),
        # A text that goes on in the next line has the escapes of its beginning.
        ({"expression": "E'a'\n'b\\'' ; DROP TABLE t; --'"}, "quote"),
        ({"expression": " "}, "empty"),
        ({"minimum": 5, "maximum": 4}, "minimum 5 is above maximum 4"),
        ({"maximum": 2**40}, "outside integer"),
        ({"allocation": "pooled"}, "INCREMENT 1"),
    ],
    ids=str,
)
def test_entries_that_cannot_be_are_refused_before_anything_is_done(
    database: Dsn, more: dict[str, Any], told: str
) -> None:
    sql(database, "CREATE SEQUENCE s; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (5)")
    result = fix(database, columns=[entry("s", "t", "id", **more)])
    assert result["failed"] and "s -> t.id" in result["msg"] and told in result["msg"], result["msg"]
    assert drawn(database, "s", 1) == [1]


def test_entries_that_contradict_each_other_are_refused_by_whatever_names(database: Dsn) -> None:
    sql(database, "CREATE SEQUENCE s INCREMENT 5; CREATE TABLE t (id int PRIMARY KEY)")
    for table in ("t", "public.t"):
        mapped = [entry("s", "t", "id", allocation="pooled"), entry("s", table, "id")]
        result = info(database, columns=mapped)
        assert result["failed"] and "contradict" in result["msg"], result["msg"]
    assert not info(database, columns=[entry("s", "t", "id"), entry("s", "public.t", "id")])["failed"]


@pytest.mark.parametrize(
    ("more", "reason", "told"),
    [
        ({"expression": "note"}, "not_a_number", "gives text"),
        ({"expression": "note::bigint"}, "error", 'expression "note::bigint"'),
        ({"expression": "nothing + 1"}, "error", 'expression "nothing + 1"'),
        ({"where": "id"}, "error", 'where "id"'),
        ({"expression": "id + (SELECT 1 FROM pg_sleep(3))"}, "timeout", "pg_sleep"),
        ({"expression": "setval('public.s', 99)"}, "error", "read-only"),
    ],
    ids=str,
)
def test_sql_that_does_not_do_costs_its_own_sequence_its_verdict(
    database: Dsn, more: dict[str, Any], reason: str, told: str
) -> None:
    sql(
        database,
        "CREATE SEQUENCE s; CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t VALUES (5, '5'), (6, 'x');"
        "CREATE TABLE u (id serial PRIMARY KEY); INSERT INTO u VALUES (3)",
    )
    mapped = [entry("s", "t", "id", **more)]
    found = info(database, columns=mapped, statement_timeout=1.0)
    assert (one(found, "s")["status"], one(found, "s")["reasons"]) == ("unknown", [reason])
    assert told in one(found, "s")["message"] and one(found, "s")["remedy"]
    result = fix(database, columns=mapped, statement_timeout=1.0)
    assert [change["name"] for change in result["changes"]] == ["u_id_seq"]
    assert drawn(database, "s", 1) == [1]


def test_the_operators_sql_cannot_write_where_the_repair_writes(database: Dsn) -> None:
    """A function that writes where it may: it is refused in the audit, and in the transaction that moves as well."""
    sql(
        database,
        "CREATE SEQUENCE s; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (5); CREATE TABLE witness (x int);"
        "CREATE FUNCTION sneaky(int) RETURNS int LANGUAGE plpgsql AS $f$ BEGIN"
        " IF current_setting('transaction_read_only') = 'off' THEN INSERT INTO witness VALUES (1); END IF;"
        " RETURN $1; END $f$",
    )
    mapped = [entry("s", "t", "id", expression="public.sneaky(id)")]
    assert fix(database, columns=mapped, lock_tables=True)["changed"]
    assert drawn(database, "s", 1) == [6]
    with session(database) as cursor:
        cursor.execute("SELECT count(*) FROM witness")
        assert cursor.fetchall() == [(0,)]


_THEIRS = """
CREATE TYPE theirs.number AS (x bigint);
CREATE FUNCTION theirs.ran(theirs.number) RETURNS bigint LANGUAGE plpgsql
AS $f$ BEGIN PERFORM pg_notify('ran', current_user::text); RETURN -5; END $f$;
CREATE CAST (theirs.number AS bigint) WITH FUNCTION theirs.ran(theirs.number) AS IMPLICIT;
"""


@contextlib.contextmanager
def roles_that_ran_it(database: Dsn) -> Iterator[list[str]]:
    """The roles with whose rights the stranger's function was run in the block; known after it."""
    ran: list[str] = []
    with session(database) as cursor:
        cursor.execute("LISTEN ran")
        yield ran
        cursor.execute("SELECT 1")
        cursor.connection.poll()
        ran += [notify.payload for notify in cursor.connection.notifies]


def test_no_function_of_others_runs_for_a_suspicion(database: Dsn, stranger: str) -> None:
    """Tables that bear an application's names, with columns whose operators are looked up through a cast."""
    columns = [("events", "stream_ordering"), ("current_state_delta_stream", "stream_id"), ("pushers", "id")]
    sql(
        database,
        f"SET ROLE {stranger};{_THEIRS} CREATE SEQUENCE theirs.events_backfill_stream_seq;"
        + "".join(
            f"CREATE TABLE theirs.{table} ({column} theirs.number); INSERT INTO theirs.{table} VALUES (ROW(1));"
            for table, column in columns
        ),
    )
    with roles_that_ran_it(database) as ran:
        assert one(info(database), "events_backfill_stream_seq")["reasons"] == ["no_column"]
    assert ran == []


def test_no_function_of_others_runs_for_the_operators_sql(database: Dsn, stranger: str) -> None:
    sql(
        database,
        f"SET ROLE {stranger};{_THEIRS} CREATE SEQUENCE theirs.s; CREATE TABLE theirs.t (n theirs.number, id int);"
        "INSERT INTO theirs.t VALUES (ROW(1), 3)",
    )
    mapped = [entry("theirs.s", "theirs.t", "id", where="n < 0")]
    with roles_that_ran_it(database) as ran:
        found = one(info(database, columns=mapped), "s")
    assert ran == [] and found["reasons"] == ["untrusted_code"] and stranger in found["remedy"]
    with roles_that_ran_it(database) as ran:
        assert one(info(database, columns=mapped, session_role=stranger), "s")["reasons"] == ["behind"]
    assert set(ran) == {stranger}


@pytest.mark.parametrize("more", [{}, {"minimum": 1}, {"maximum": 1000}], ids=str)
def test_an_expression_is_asked_only_of_rows_that_count(database: Dsn, more: dict[str, int]) -> None:
    """A condition that the planner takes for dearer than the expression's range, which it would ask first."""
    sql(
        database,
        "CREATE FUNCTION good(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE COST 10000"
        " AS $f$ BEGIN RETURN $1 ~ '^OF[0-9]+$'; END $f$;"
        "CREATE SEQUENCE s; CREATE TABLE t (number text); INSERT INTO t SELECT 'OF' || g FROM generate_series(1, 50) g;"
        "INSERT INTO t VALUES ('draft'), (NULL), ('50 %')",
    )
    mapped = [entry("s", "t", "number", where="public.good(number)", expression="substr(number, 3)::bigint", **more)]
    assert fix(database, columns=mapped)["changes"][0]["after"]["next_value"] == 51


@pytest.mark.parametrize(
    ("statements", "entries", "told"),
    [
        (
            "CREATE SEQUENCE s; CREATE TABLE u (id int)",
            [entry("s", "t", "id", maximum=100), entry("s", "u", "id", minimum=1000)],
            "a range from 1000 to 100 is empty",
        ),
        ("CREATE SEQUENCE s MAXVALUE 99", [entry("s", "t", "id", minimum=100)], "leave nothing"),
        ("CREATE SEQUENCE s MINVALUE 5 START 5", [entry("s", "t", "id", maximum=0)], "leave nothing"),
    ],
    ids=["disjoint", "above", "below"],
)
def test_ranges_that_leave_nothing_are_refused(
    database: Dsn, statements: str, entries: list[dict[str, Any]], told: str
) -> None:
    sql(database, f"CREATE TABLE t (id int); {statements}")
    result = fix(database, columns=entries)
    assert result["failed"] and told in result["msg"], result["msg"]


def test_what_is_full_of_its_own_range_is_told_to_widen_that(database: Dsn) -> None:
    sql(database, "CREATE SEQUENCE s; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (100)")
    found = one(info(database, columns=[entry("s", "t", "id", maximum=100)]), "s")
    assert "no_room" in found["reasons"] and "a maximum that leaves room" in found["remedy"]
    assert fix(database, columns=[entry("s", "t", "id", maximum=200)])["changed"]


def test_a_block_that_does_not_fit_the_type_is_told_to_widen_it(database: Dsn) -> None:
    sql(database, "CREATE SEQUENCE s AS int INCREMENT 50; CREATE TABLE t (id int PRIMARY KEY)")
    sql(database, "INSERT INTO t VALUES (2147483590)")
    mapped = [entry("s", "t", "id", allocation="pooled_lo")]
    (left,) = fix(database, columns=mapped)["not_fixed"]
    sql(database, left["remedy"])
    assert fix(database, columns=mapped)["changed"] and fix(database, columns=mapped)["not_fixed"] == []


def test_rows_beyond_the_end_are_looked_for_as_they_are_mapped(database: Dsn) -> None:
    sql(
        database,
        "CREATE SEQUENCE s MAXVALUE 50; CREATE TABLE t (no text); INSERT INTO t VALUES ('A7'), ('A70'), ('B99')",
    )
    mapped = [entry("s", "t", "no", where="no LIKE 'A%'", expression="substr(no, 2)::bigint")]
    found = one(info(database, columns=mapped), "s")
    assert "out_of_bounds" in found["reasons"]
    with session(database) as cursor:
        cursor.execute("SELECT setval('s', 9)")
        cursor.execute(one(info(database, columns=mapped), "s")["remedy"])
        assert cursor.fetchall() == [("A70",)]


def test_what_is_too_large_is_settled_by_an_index_where_one_can_serve(database: Dsn) -> None:
    sql(
        database,
        "CREATE SEQUENCE a; CREATE SEQUENCE b; CREATE SEQUENCE c; CREATE TABLE t (id int);"
        "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (9999);"
        "INSERT INTO t SELECT generate_series(1, 2000); INSERT INTO p SELECT generate_series(1, 2000); ANALYZE",
    )
    mapped = [entry("a", "t", "id"), entry("b", "t", "id", expression="id + 1")]
    if server_version(database) >= 110000:
        mapped.append(entry("c", "p", "id"))
    before = info(database, columns=mapped, max_scan_rows=100)
    assert one(before, "b")["remedy"] == "max_scan_rows: 2200"
    for name in {"a", "c"} & {mapping["sequence"] for mapping in mapped}:
        sql(database, one(before, name)["remedy"])
        assert one(info(database, columns=mapped, max_scan_rows=100), name)["reasons"] == ["behind"]


def server_version(database: Dsn) -> int:
    with session(database) as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int")
        ((number,),) = cursor.fetchall()
        return int(number)
