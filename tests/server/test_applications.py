# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences as applications use them: pooled ids, ids of their own making, sequences that only the application draws.

The server is the oracle: what optimizers hand out is simulated with its ``nextval()``.
"""

from __future__ import annotations

import select
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from server.test_shapes import Dsn, Entry, fix, info, session

from support.run import run_module, sql

STAMPED = """
CREATE TABLE posts (id bigserial PRIMARY KEY, body text);
CREATE FUNCTION stamped(seq regclass) RETURNS bigint LANGUAGE sql VOLATILE
AS 'SELECT (extract(epoch FROM now()) * 1000)::bigint * 65536 + nextval(seq) % 65536';
ALTER TABLE posts ALTER COLUMN id SET DEFAULT stamped('posts_id_seq');
INSERT INTO posts (body) SELECT 'p' FROM generate_series(1, 20);
"""
POOLED = """
CREATE SEQUENCE client_seq START 1 INCREMENT 50;
CREATE TABLE client (id bigint PRIMARY KEY, name text);
INSERT INTO client SELECT g, 'c' FROM generate_series(1, 140) g;
"""
WRAPPED = """
CREATE TABLE event (id serial PRIMARY KEY, v text);
INSERT INTO event (id) SELECT 2147483647 - g FROM generate_series(0, 50) g;
ALTER SEQUENCE event_id_seq MINVALUE -2147483648;
SELECT setval('event_id_seq', -2147480001);
"""
RANGES = """
CREATE TABLE trait (id bigint PRIMARY KEY, v text);
CREATE SEQUENCE trait_id_seq START 1000000001 OWNED BY trait.id;
ALTER TABLE trait ALTER COLUMN id SET DEFAULT nextval('trait_id_seq');
INSERT INTO trait SELECT 1000000000 + g, 'own' FROM generate_series(1, 5) g;
INSERT INTO trait SELECT 6000000000 + g, 'theirs' FROM generate_series(1, 7) g;
"""
STREAM = """
CREATE SEQUENCE stream_seq;
CREATE SEQUENCE backfill_seq;
CREATE TABLE stream (name text PRIMARY KEY, position bigint);
INSERT INTO stream SELECT 'e' || g, g FROM generate_series(1, 300) g;
INSERT INTO stream SELECT 'b' || g, -g FROM generate_series(1, 52) g;
"""
OFFERS = """
CREATE SEQUENCE offer_no_seq;
CREATE TABLE offer (id serial PRIMARY KEY, number text UNIQUE);
INSERT INTO offer (id, number) SELECT g, 'OF' || lpad(g::text, 5, '0') FROM generate_series(1, 12) g;
"""


def entry(sequence: str, table: str, column: str, **more: Any) -> dict[str, Any]:
    return {"sequence": sequence, "table": table, "column": column, **more}


def one(result: Entry, name: str) -> Entry:
    (found,) = (sequence for sequence in result["sequences"] if sequence["name"] == name)
    return found


def drawn(database: Dsn, sequence: str, calls: int) -> list[int]:
    with session(database) as cursor:
        cursor.execute("SELECT nextval(%s) FROM generate_series(1, %s)", (sequence, calls))
        return [value for (value,) in cursor.fetchall()]


def pooled(database: Dsn, sequence: str, start: int, size: int, calls: int) -> Iterator[int]:
    """Which ids a pooled optimizer hands out: the first draw that equals START stands for itself alone."""
    for value in drawn(database, sequence, calls):
        yield from [value] if value == start else range(value - size + 1, value + 1)


def ids(database: Dsn, table: str) -> set[int]:
    with session(database) as cursor:
        cursor.execute(f"SELECT id FROM {table}")
        return {value for (value,) in cursor.fetchall()}


def test_a_default_of_the_users_own_is_unknown_and_never_moved(database: Dsn) -> None:
    sql(database, STAMPED)
    found = one(info(database), "posts_id_seq")
    assert (found["status"], found["reasons"]) == ("unknown", ["custom_default"])
    assert found["message"].startswith("custom_default: ") and found["remedy"]
    for mode in ({}, {"mode": "realign", "confirm": True}):
        result = fix(database, **mode)
        assert not result["changed"] and result["not_fixed"] == []


def test_a_default_without_the_sequence_in_it_is_the_users_own_as_well(database: Dsn) -> None:
    sql(
        database,
        "CREATE TABLE t (id bigserial PRIMARY KEY);"
        " CREATE FUNCTION stamp(text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint << 40';"
        " ALTER TABLE t ALTER id SET DEFAULT stamp('t'); INSERT INTO t DEFAULT VALUES",
    )
    assert one(info(database), "t_id_seq")["reasons"] == ["custom_default"]
    assert not fix(database)["changed"]


@pytest.mark.parametrize("furthest", [1, 2, 50, 51, 52, 100, 101, 140, 1000])
def test_no_pooled_id_is_handed_out_twice(database: Dsn, furthest: int) -> None:
    sql(
        database,
        POOLED
        + f"DELETE FROM client WHERE id > {furthest}; INSERT INTO client VALUES ({furthest}) ON CONFLICT DO NOTHING",
    )
    mapped = [entry("client_seq", "client", "id", allocation="pooled")]
    before = one(info(database, columns=mapped), "client_seq")
    assert before["reasons"] == ["behind"] and before["message"].startswith("behind: ")
    assert fix(database, columns=mapped)["changed"] and not fix(database, columns=mapped)["changed"]
    assert one(info(database, columns=mapped), "client_seq")["status"] == "healthy"
    handed = list(pooled(database, "client_seq", 1, 50, 5))
    assert not ids(database, "client").intersection(handed) and len(handed) == len(set(handed))
    assert min(handed) - furthest <= 50 and min(handed) % 50 == 2


@pytest.mark.parametrize("last", [1, 51, 101, 951])
def test_pooled_is_behind_exactly_where_an_optimizer_would_collide(database: Dsn, last: int) -> None:
    sql(database, POOLED + f"SELECT setval('client_seq', {last})")
    mapped = [entry("client_seq", "client", "id", allocation="pooled")]
    status = one(info(database, columns=mapped), "client_seq")["status"]
    handed = set(pooled(database, "client_seq", 1, 50, 1))
    assert (status == "critical") == bool(handed & ids(database, "client"))


def test_pooled_never_called_beside_an_empty_column_is_healthy(database: Dsn) -> None:
    sql(database, POOLED + "TRUNCATE client")
    mapped = [entry("client_seq", "client", "id", allocation="pooled")]
    assert one(info(database, columns=mapped), "client_seq")["status"] == "healthy"


def test_a_sequence_that_starts_a_block_ahead_stands_for_all_of_its_block(database: Dsn) -> None:
    sql(
        database,
        "CREATE SEQUENCE s START 50 INCREMENT 50; CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t VALUES (7)",
    )
    mapped = [entry("s", "t", "id", allocation="pooled")]
    assert one(info(database, columns=mapped), "s")["reasons"] == ["behind"]
    assert fix(database, columns=mapped)["changes"][0]["after"]["next_value"] == 100


@pytest.mark.parametrize("furthest", [1, 50, 51, 140])
def test_no_pooled_lo_id_is_handed_out_twice(database: Dsn, furthest: int) -> None:
    sql(database, POOLED + f"DELETE FROM client WHERE id > {furthest}")
    mapped = [entry("client_seq", "client", "id", allocation="pooled_lo")]
    assert fix(database, columns=mapped)["changed"]
    handed = [number for value in drawn(database, "client_seq", 4) for number in range(value, value + 50)]
    assert not ids(database, "client").intersection(handed) and min(handed) - furthest <= 50


def test_several_tables_of_one_sequence(database: Dsn) -> None:
    sql(
        database,
        "CREATE SEQUENCE global_sequence; CREATE TABLE dog (id bigint PRIMARY KEY); CREATE TABLE cat (id bigint PRIMARY KEY);"
        "INSERT INTO dog SELECT generate_series(1, 10); INSERT INTO cat SELECT generate_series(11, 30)",
    )
    mapped = [entry("global_sequence", table, "id") for table in ("dog", "cat")]
    assert fix(database, columns=mapped)["changed"]
    assert drawn(database, "global_sequence", 1) == [31]


def test_a_key_that_went_on_through_its_negative_half(database: Dsn) -> None:
    sql(database, WRAPPED)
    found = one(info(database), "event_id_seq")
    assert (found["status"], found["reasons"]) == ("warning", ["wrapped"])
    left = 2147483597 + 2147480000
    assert f"{left} inserts are left" in found["message"] and found["percent_used"] == 0.0
    result = run_module(
        "pg_sequence_fix",
        {"login_unix_socket": database["host"], "login_port": database["port"], "login_db": database["dbname"]},
    )
    assert not result["failed"] and not result["changed"]
    sql(database, "INSERT INTO event DEFAULT VALUES; SELECT setval('event_id_seq', 2147483597 - 500)")
    found = one(info(database), "event_id_seq")
    assert found["reasons"][:2] == ["behind", "no_room"]


def test_sentinel_rows_before_the_start_are_no_finding(database: Dsn) -> None:
    sql(
        database,
        "CREATE TABLE dim (id serial PRIMARY KEY, name text); INSERT INTO dim VALUES (-1, 'unknown'), (0, 'none')",
    )
    found = one(info(database), "dim_id_seq")
    assert (found["status"], found["reasons"], found["remedy"]) == ("healthy", [], None)


def test_a_range_of_its_own(database: Dsn) -> None:
    sql(database, RANGES)
    assert one(info(database), "trait_id_seq")["furthest_value"] == 6000000007
    mapped = [entry("trait_id_seq", "trait", "id", minimum=1000000000, maximum=1999999999)]
    assert fix(database, columns=mapped)["changes"][0]["after"]["next_value"] == 1000000006
    found = one(info(database, columns=mapped), "trait_id_seq")
    assert (found["status"], found["limit"]) == ("healthy", 1999999999)
    sql(database, "SELECT setval('trait_id_seq', 5)")
    assert one(info(database, columns=mapped), "trait_id_seq")["reasons"] == ["behind"]
    assert fix(database, columns=mapped)["changes"][0]["after"]["next_value"] == 1000000006
    sql(database, "DELETE FROM trait WHERE id < 2000000000; SELECT setval('trait_id_seq', 5)")
    assert fix(database, columns=mapped)["changes"][0]["after"]["next_value"] == 1000000000
    sql(database, "SELECT setval('trait_id_seq', 1999999999)")
    assert one(info(database, columns=mapped), "trait_id_seq")["reasons"][0] == "exhausted"


@pytest.mark.parametrize("more", [{}, {"lock_tables": True}, {"mode": "realign", "confirm": True}], ids=str)
def test_where_and_expression(database: Dsn, more: dict[str, Any]) -> None:
    sql(database, STREAM + OFFERS)
    mapped = [
        entry("stream_seq", "stream", "position", where="position > 0"),
        entry("backfill_seq", "stream", "position", where="position < 0", expression="-position"),
        entry("offer_no_seq", "offer", "number", expression="substr(number, 3)::bigint"),
    ]
    assert len(fix(database, columns=mapped, **more)["changes"]) == 4
    assert [drawn(database, name, 1) for name in ("stream_seq", "backfill_seq", "offer_no_seq")] == [[301], [53], [13]]


def test_what_nobody_can_settle_leaves_the_remedy_to_what_can_be_moved(database: Dsn) -> None:
    sql(
        database,
        "CREATE SEQUENCE s; CREATE TABLE a (id bigint PRIMARY KEY DEFAULT nextval('s')); INSERT INTO a VALUES (7);"
        "CREATE TABLE b (id bigint PRIMARY KEY DEFAULT 1000 * nextval('s')); INSERT INTO b VALUES (5000)",
    )
    found = one(info(database), "s")
    assert found["reasons"] == ["behind", "not_a_number"]
    sql(database, found["remedy"])
    assert one(info(database), "s")["reasons"] == ["not_a_number"] and drawn(database, "s", 1) == [8]


def test_the_alias_of_login_db(database: Dsn) -> None:
    sql(database, "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t VALUES (3)")
    place = {"login_unix_socket": database["host"], "login_port": database["port"], "database": database["dbname"]}
    assert run_module("pg_sequence_info", place)["summary"]["critical"] == 1


def test_one_grant_for_a_schema_settles_all_of_it(database: Dsn) -> None:
    role = f"auditor_{database['dbname']}"
    sql(
        database,
        f"CREATE ROLE {role}; CREATE SCHEMA app; CREATE TABLE app.a (id serial PRIMARY KEY, other serial);"
        "CREATE TABLE app.b (id serial PRIMARY KEY)",
    )
    try:
        remedies = {found["remedy"] for found in info(database, session_role=role)["sequences"]}
        (remedy,) = remedies
        assert remedy.count("GRANT") == 3 and "superuser" not in remedy.lower()
        sql(database, remedy)
        assert {found["status"] for found in info(database, session_role=role)["sequences"]} == {"healthy"}
    finally:
        sql(database, f"DROP OWNED BY {role}; DROP ROLE {role}")


def _count_connections(listener: socket.socket, server: str, most: list[int]) -> None:
    """Pass connections on to a server until the listener is shut down, and note the most that were open at a time.

    What was closed before another was opened is seen to be closed first, however late this thread comes to it.
    """
    ends: dict[socket.socket, socket.socket] = {}
    clients: set[socket.socket] = set()

    def serve(timeout: float | None, waited: list[socket.socket]) -> bool:
        ready = select.select(waited, [], [], timeout)[0]
        for one in ready:
            if one is listener or one not in ends:
                continue
            other, data = ends[one], one.recv(65536)
            if data:
                other.sendall(data)
                continue
            for end in (one, other):
                ends.pop(end)
                clients.discard(end)
                end.close()
        return listener in ready

    while True:
        if not serve(None, [listener, *ends]):
            continue
        try:
            client = listener.accept()[0]
        except OSError:
            return
        while select.select(list(ends), [], [], 0)[0]:
            serve(0, list(ends))
        onward = socket.socket(socket.AF_UNIX)
        onward.connect(server)
        ends.update({client: onward, onward: client})
        clients.add(client)
        most.append(len(clients))


def test_a_task_opens_no_more_connections_than_jobs(server: Any) -> None:
    dsn, names = server.dsn(), [f"jobs_{number}" for number in range(5)]
    for name in names:
        sql(dsn, f"CREATE DATABASE {name}")
    try:
        for jobs in (1, 2):
            folder, most = tempfile.mkdtemp(prefix="pgops-jobs-"), [0]
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(f"{folder}/.s.PGSQL.{dsn['port']}")
            listener.listen(64)
            target = f"{dsn['host']}/.s.PGSQL.{dsn['port']}"
            thread = threading.Thread(target=_count_connections, args=(listener, target, most), daemon=True)
            thread.start()
            place = {"login_unix_socket": folder, "login_port": dsn["port"], "login_db": "jobs_3"}
            result = run_module("pg_sequence_info", {**place, "databases": names, "jobs": jobs})
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            listener.close()
            shutil.rmtree(folder)
            assert [database["error"] for database in result["databases"]] == [None] * 5
            assert 0 < max(most) <= jobs
    finally:
        for name in names:
            sql(dsn, f"DROP DATABASE {name}")


_NO_DDL = """
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE 'no DDL here'; END $f$;
CREATE EVENT TRIGGER "no DDL" ON ddl_command_start EXECUTE PROCEDURE refuse()
"""


def test_where_ddl_is_forbidden_it_goes_by_steps(database: Dsn) -> None:
    sql(
        database,
        "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t VALUES (4711); CREATE TABLE u (id bigserial PRIMARY KEY);"
        "CREATE TABLE v (id bigserial PRIMARY KEY); INSERT INTO v VALUES (7);"
        "INSERT INTO u VALUES (5000000000)" + ";" + _NO_DDL,
    )
    result = fix(database)
    assert {change["name"]: change["method"] for change in result["changes"]} == {
        "t_id_seq": "stepped",
        "v_id_seq": "stepped",
    }
    (left,) = result["not_fixed"]
    assert left["name"] == "u_id_seq" and "no DDL here" in left["message"]
    assert drawn(database, "t_id_seq", 1) == [4712]
    assert not any("run again once" in left["remedy"] for left in result["not_fixed"])
    for _time in range(2):
        # It runs as it stands, needs no DDL, and the second time it does nothing.
        sql(database, left["remedy"])
    assert not fix(database)["changed"]
    assert drawn(database, "u_id_seq", 1) == [5000000001]


def test_where_ddl_is_forbidden_nothing_goes_back_but_by_hand(database: Dsn) -> None:
    sql(database, "CREATE TABLE t (id serial PRIMARY KEY); SELECT setval('t_id_seq', 40)" + ";" + _NO_DDL)
    result = fix(database, mode="realign", confirm=True)
    (left,) = result["not_fixed"]
    assert not result["changed"] and "nextval() does not go back" in left["message"]
    sql(database, left["remedy"])
    assert drawn(database, "t_id_seq", 1) == [1]
