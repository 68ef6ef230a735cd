# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run costs others is bounded: the locks it holds, the relations it opens, the flushes it waits for."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from support.run import run_module, sql, wait_for_replay
from support.servers import Server
from support.servers import standby as standby_of

Dsn = dict[str, str]

_FURTHEST = 100

_LOCKS = """
SELECT coalesce(max(held), 0) FROM (
  SELECT count(*) AS held FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE a.application_name = 'pgops.sequences' AND l.locktype = 'relation' AND l.relation >= 16384
  GROUP BY l.pid
) s
"""


def _run(dsn: Dsn, name: str, check: bool = False, **options: Any) -> dict[str, Any]:
    connection = {"login_unix_socket": dsn["host"], "login_port": int(dsn["port"]), "login_db": dsn["dbname"]}
    return run_module(name, {**connection, **options}, check=check)


def _create(dsn: Dsn, prefix: str, count: int) -> None:
    sql(
        dsn,
        f"DO $$ BEGIN FOR i IN 1..{count} LOOP"
        f" EXECUTE format('CREATE TABLE %I (id serial PRIMARY KEY)', '{prefix}' || i);"
        f" EXECUTE format('INSERT INTO %I SELECT generate_series(1, {_FURTHEST})', '{prefix}' || i);"
        " END LOOP; END $$",
    )


class _Watch:
    """The most relation locks that the module was seen to hold in one transaction."""

    def __init__(self, dsn: Dsn) -> None:
        self.most = 0
        self.looks = 0
        self._dsn = dsn
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        with contextlib.closing(psycopg2.connect(**self._dsn)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not self._over.is_set():
                cursor.execute(_LOCKS)
                ((most,),) = cursor.fetchall()
                self.most = max(self.most, most)
                self.looks += 1


@pytest.fixture
def partitioned(database: Dsn, server: Server) -> Dsn:
    """A database of 300 tables, and one of 400 partitions with an index each, all behind."""
    _create(database, "t", 300)
    key = "PRIMARY KEY" if server.version >= 11 else ""
    sql(database, f"CREATE TABLE parted (id serial {key}) PARTITION BY RANGE (id)")
    each = "" if server.version >= 11 else "EXECUTE format('CREATE INDEX ON %I (id)', 'part' || i);"
    for first in range(0, 400, 100):
        sql(
            database,
            f"DO $$ BEGIN FOR i IN {first}..{first + 99} LOOP"
            " EXECUTE format('CREATE TABLE %I PARTITION OF parted FOR VALUES FROM (%s) TO (%s)',"
            f" 'part' || i, i * 10 + 1, i * 10 + 11); {each} END LOOP; END $$",
        )
    sql(database, "INSERT INTO parted SELECT generate_series(1, 4000, 7)")
    return database


def test_a_transaction_locks_few_relations(partitioned: Dsn) -> None:
    with _Watch(partitioned) as watch:
        found = _run(partitioned, "pg_sequence_info")
    assert found["summary"]["critical"] == 301
    (large,) = (entry for entry in found["sequences"] if entry["name"] == "parted_id_seq")
    assert large["furthest_value"] == 3998
    assert watch.looks > 20 and 20 < watch.most <= 200
    with _Watch(partitioned) as watch:
        result = _run(partitioned, "pg_sequence_fix")
    assert not result["failed"] and len(result["changes"]) == 301 and result["summary"]["healthy"] == 301
    assert watch.looks > 20 and 20 < watch.most <= 200
    assert sql(partitioned, "SELECT nextval('parted_id_seq'), nextval('t7_id_seq')") == [(3999, _FURTHEST + 1)]


def test_realigning_a_large_table_locks_few_relations(partitioned: Dsn) -> None:
    sql(partitioned, "SELECT setval('parted_id_seq', 9000)")
    with _Watch(partitioned) as watch:
        result = _run(partitioned, "pg_sequence_fix", tables=["parted"], mode="realign", confirm=True)
    assert [change["after"]["next_value"] for change in result["changes"]] == [3999], result.get("msg")
    assert watch.looks > 20 and 20 < watch.most <= 200


@contextlib.contextmanager
def _locked(dsn: Dsn, pattern: str) -> Iterator[None]:
    """All tables of a name locked against everybody."""
    with contextlib.closing(psycopg2.connect(**dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relname ~ %s", [pattern])
        ((names,),) = cursor.fetchall()
        cursor.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize(
    "selection",
    [
        {"tables": ["mine*"]},
        {"tables": ["public.mine*", "!*.other*"]},
        {"sequences": ["mine*"]},
        {"tables": [f"mine{number}" for number in range(1, 21)]},
    ],
    ids=["tables", "qualified", "sequences", "names"],
)
def test_what_is_left_out_is_not_opened(database: Dsn, selection: dict[str, Any]) -> None:
    _create(database, "mine", 20)
    _create(database, "other", 60)
    with _locked(database, "^other[0-9]+$"):
        began = time.monotonic()
        found = _run(database, "pg_sequence_info", lock_timeout=30, **selection)
        result = _run(database, "pg_sequence_fix", lock_timeout=30, **selection)
        assert time.monotonic() - began < 30, "it waited for a table that it was not to look at"
    assert found["summary"]["total"] == found["summary"]["critical"] == 20
    assert len(result["changes"]) == 20 and not result["failed"]


def test_one_locked_table_of_many(database: Dsn) -> None:
    """A batch that fails is read by halves, so that each of the others gets its verdict."""
    _create(database, "t", 150)
    with _locked(database, "^t77$"):
        found = _run(database, "pg_sequence_info", lock_timeout=0.2)
        assert (found["summary"]["critical"], found["summary"]["unknown"]) == (149, 1)
        (left,) = (entry for entry in found["sequences"] if entry["status"] == "unknown")
        assert (left["name"], left["reasons"]) == ("t77_id_seq", ["locked"])
        result = _run(database, "pg_sequence_fix", lock_timeout=0.2, retries=0)
    assert result["failed"] and len(result["changes"]) == 149
    assert [entry["name"] for entry in result["not_fixed"]] == ["t77_id_seq"]


_SLOW_TRIGGER = """
CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); END';
CREATE EVENT TRIGGER slow ON ddl_command_end EXECUTE {} slow()
"""


@pytest.mark.parametrize("alone", [False, True], ids=["together", "event_trigger"])
def test_many_repairs_share_a_flush(server: Server, alone: bool) -> None:
    """A crash loses what was not flushed, and a flush takes milliseconds: hundreds of moves are a handful of them.

    With an event trigger, which every ALTER waits for, none is held while others are altered.
    """
    with Server(server.version, settings={"log_statement": "all"}) as other:
        _create(other.dsn(), "t", 200)
        if alone:
            sql(other.dsn(), _SLOW_TRIGGER.format("FUNCTION" if server.version >= 11 else "PROCEDURE"))
        since = other.log_file.stat().st_size
        result = _run(other.dsn(), "pg_sequence_fix")
        with other.log_file.open() as log:
            log.seek(since)
            written = re.findall("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", log.read())
    assert len(result["changes"]) == 200 and not result["failed"]
    assert {change["method"] for change in result["changes"]} == {"locked"}
    assert len(written) == 200 if alone else 1 <= len(written) <= 10


def test_names_that_statements_of_ours_use(database: Dsn) -> None:
    """Ten is beyond nine also in a column that bears the name of one in the module's own statements."""
    names = ["one", "two", "place", "q", "oid_", "value", "f", "last_value", "is_called", "batch%", 'a"b', "sequence"]
    for name in names:
        quoted = '"{}"'.format(name.replace('"', '""'))
        sql(
            database,
            f"CREATE TABLE {quoted} ({quoted} serial, x_ int, UNIQUE ({quoted}));"
            f" INSERT INTO {quoted} ({quoted}) VALUES (9), (10)",
        )
    found = _run(database, "pg_sequence_info")
    assert {entry["columns"][0]["column"]: entry["furthest_value"] for entry in found["sequences"]} == dict.fromkeys(
        names, 10
    )
    result = _run(database, "pg_sequence_fix")
    assert not result["failed"] and {change["after"]["next_value"] for change in result["changes"]} == {11}
    assert len(result["changes"]) == len(names)


def test_hundreds_of_sequences_through_few_connections(database: Dsn) -> None:
    """More connections than the server has room for are not missed."""
    _create(database, "t", 450)
    expected = _run(database, "pg_sequence_info", jobs=1)["sequences"]
    assert len(expected) == 450
    assert _run(database, "pg_sequence_info", jobs=3)["sequences"] == expected
    role = f"few_{database['dbname']}"
    sql(
        database,
        f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1; GRANT USAGE ON SCHEMA public TO {role};"
        f" GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};"
        f" GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    try:
        assert _run(database, "pg_sequence_info", jobs=8, login_user=role)["sequences"] == expected
    finally:
        sql(database, f"DROP OWNED BY {role}; DROP ROLE {role}")


class _Background:
    """A repair that runs while the test goes on."""

    def __init__(self, dsn: Dsn, **options: Any) -> None:
        self._results: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=lambda: self._results.append(_run(dsn, "pg_sequence_fix", **options)))
        self._thread.start()

    def result(self) -> dict[str, Any]:
        self._thread.join()
        return self._results[0]


def _wait_for_lock(dsn: Dsn) -> None:
    deadline = time.monotonic() + 20
    waits = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pgops.sequences' AND wait_event_type = 'Lock'"
    # Ten milliseconds are what a batch waits; what waits longer waits by itself.
    while not (sql(dsn, waits) and time.sleep(0.05) is None and sql(dsn, waits)):
        assert time.monotonic() < deadline, "it never waited"


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        ("INSERT INTO t1 VALUES (500)", {"t1": 501}),
        ("ALTER TABLE t80 RENAME TO renamed", {"t80": 101, "t1": 101}),
        (
            "TRUNCATE t2; ALTER TABLE t1 RENAME TO x; ALTER TABLE t2 RENAME TO t1; ALTER TABLE x RENAME TO t2",
            {"t1": 101},
        ),
        ("CREATE TABLE late (id int DEFAULT nextval('t1_id_seq')); INSERT INTO late VALUES (7777)", {"t1": 7778}),
        ("ALTER SCHEMA public RENAME TO was_public; CREATE SCHEMA public", {"t1": 101}),
    ],
    ids=["row", "renamed", "swapped", "column", "schema"],
)
@pytest.mark.parametrize("behind", [True, False], ids=["behind", "healthy"])
def test_what_changes_while_others_are_waited_for(
    database: Dsn, meanwhile: str, expected: dict[str, int], behind: bool
) -> None:
    """A locked table makes the rest of its batch wait: what was read before is not all that counts."""
    _create(database, "t", 90)
    if not behind:
        sql(database, "SELECT setval('t1_id_seq', 100)")
    with _locked(database, "^t70$"):
        run = _Background(database, lock_timeout=1, retries=0, fail_on_unfixed=False)
        _wait_for_lock(database)
        sql(database, meanwhile)
        result = run.result()
    schema = "was_public" if "was_public" in meanwhile else "public"
    found = {
        name: sql(database, f"SELECT last_value + is_called::int FROM {schema}.{name}_id_seq")[0][0]
        for name in expected
    }
    if not behind and "INSERT INTO t1" in meanwhile:
        # It was healthy when it was read, and nobody looks twice at that.
        assert found == {"t1": 101}
    else:
        assert found == expected
    assert {entry["name"] for entry in result["not_fixed"]} <= {"t70_id_seq"}


def test_a_standby_s_readers_are_left_alone(server: Server) -> None:
    """ACCESS EXCLUSIVE locks are replayed: a standby then waits for, or ends, those who read there."""
    with Server(server.version, settings={"max_standby_streaming_delay": "1s"}) as primary:
        _create(primary.dsn(), "t", 60)
        with standby_of(primary) as standby:
            wait_for_replay(primary, standby)
            with contextlib.closing(psycopg2.connect(**standby.dsn())) as reader, reader.cursor() as cursor:
                cursor.execute("SELECT last_value FROM t5_id_seq")
                result = _run(primary.dsn(), "pg_sequence_fix")
                wait_for_replay(primary, standby)
                cursor.execute("SELECT last_value FROM t7_id_seq")
    assert len(result["changes"]) == 60 and not result["failed"]


def test_partitions_without_an_index_are_estimated_by_parts(database: Dsn) -> None:
    sql(database, "CREATE TABLE heap (id serial, k int) PARTITION BY LIST (k)")
    for first in range(0, 500, 100):
        sql(
            database,
            f"DO $$ BEGIN FOR i IN {first}..{first + 99} LOOP"
            " EXECUTE format('CREATE TABLE %I PARTITION OF heap FOR VALUES IN (%s)', 'heap' || i, i); END LOOP; END $$",
        )
    sql(database, "INSERT INTO heap (k) SELECT generate_series(0, 499); SELECT setval('heap_id_seq', 1)")
    with _Watch(database) as watch:
        found = _run(database, "pg_sequence_info")
    assert [(entry["furthest_value"], entry["status"]) for entry in found["sequences"]] == [(500, "critical")]
    assert watch.looks > 10 and 20 < watch.most <= 200
    # Five hundred rows are too many only all together.
    bounded = _run(database, "pg_sequence_info", max_scan_rows=499)
    assert [entry["reasons"] for entry in bounded["sequences"]] == [["too_large"]]


def test_an_owner_without_update_steps(database: Dsn) -> None:
    _create(database, "t", 3)
    role = f"owner_{database['dbname']}"
    sql(database, f"CREATE ROLE {role} LOGIN; GRANT USAGE, CREATE ON SCHEMA public TO {role}")
    try:
        sql(database, "".join(f"ALTER TABLE t{number} OWNER TO {role};" for number in (1, 2, 3)))
        sql(database, f"REVOKE UPDATE ON SEQUENCE t2_id_seq FROM {role}")
        foretold = _run(database, "pg_sequence_fix", check=True, login_user=role)
        result = _run(database, "pg_sequence_fix", login_user=role)
        assert not result["failed"] and result["changes"] == foretold["changes"]
        assert [change["method"] for change in result["changes"]] == ["locked", "stepped", "locked"]
    finally:
        sql(database, f"DROP OWNED BY {role}; DROP ROLE {role}")
