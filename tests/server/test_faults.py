# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks, timeouts, cuts, kills and changes meanwhile: nothing is made worse, the rest is done, a rerun finishes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from support.run import run_module, sql, wait_for_replay
from support.servers import Server

Dsn = dict[str, str]

KILLS = int(os.environ.get("PGOPS_KILLS", "15"))

_FURTHEST = 100


def _run(dsn: Dsn, name: str, check: bool = False, python: Path | None = None, **options: Any) -> dict[str, Any]:
    connection = {
        "login_unix_socket": dsn["host"],
        "login_port": int(dsn["port"]),
        "login_user": dsn["user"],
        "login_db": dsn["dbname"],
    }
    return run_module(name, {**connection, **options}, check=check, python=python)


def _create(dsn: Dsn, *names: str, statements: str = "") -> None:
    """Tables whose sequences never were called and are behind."""
    one = "CREATE TABLE {0} (id serial PRIMARY KEY, note text); INSERT INTO {0} SELECT generate_series(1, {1});"
    sql(dsn, "".join(one.format(name, _FURTHEST) for name in names) + statements)


def _states(dsn: Dsn) -> dict[str, tuple[int, bool]]:
    names = [name for (name,) in sql(dsn, "SELECT relname FROM pg_class WHERE relkind = 'S'")]
    if not names:
        return {}
    union = " UNION ALL ".join(f"SELECT '{name}', last_value, is_called FROM {name}" for name in names)
    return {name: (last_value, is_called) for name, last_value, is_called in sql(dsn, union)}


def _reasons(result: dict[str, Any], part: str = "sequences") -> dict[str, list[str]]:
    return {entry["name"].replace("_id_seq", ""): entry["reasons"] for entry in result[part]}


@contextlib.contextmanager
def _holding(dsn: Dsn, statement: str) -> Iterator[Any]:
    """A transaction that has run a statement and stays open until the block ends; its cursor."""
    connection = psycopg2.connect(**dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            yield cursor
    finally:
        connection.close()


class _Background:
    """A module run in a thread, by an interpreter whose process id is told."""

    def __init__(self, folder: Path, dsn: Dsn, name: str, **options: Any) -> None:
        self._pid_file = folder / f"pid-{random.randrange(10**9)}"
        python = folder / f"python-{self._pid_file.name}"
        interpreter = os.environ.get("PGOPS_MODULE_PYTHON") or sys.executable
        python.write_text(f'#!/bin/sh\necho $$ > {self._pid_file}\nexec {interpreter} "$@"\n')
        python.chmod(0o755)
        self._dsn = dsn
        self._outcome: list[dict[str, Any] | BaseException] = []
        self._thread = threading.Thread(target=self._work, args=(name, python, options))
        self._thread.start()

    def _work(self, name: str, python: Path, options: dict[str, Any]) -> None:
        try:
            self._outcome.append(_run(self._dsn, name, python=python, **options))
        except BaseException as error:
            self._outcome.append(error)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> dict[str, Any]:
        self._thread.join()
        (outcome,) = self._outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def kill(self) -> None:
        """End the process at once, as the kernel does when memory is short."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int(self._pid_file.read_text()), signal.SIGKILL)
        self._thread.join()

    def wait_for(self, condition: str, seconds: float = 20.0) -> None:
        """Wait until one of its server processes is as the condition on ``pg_stat_activity`` says."""
        query = f"SELECT 1 FROM pg_stat_activity WHERE application_name = 'pgops.sequences' AND {condition}"
        deadline = time.monotonic() + seconds
        while not sql(self._dsn, query):
            assert self.alive and time.monotonic() < deadline, f"never came to: {condition}"
            time.sleep(0.005)


_WAITS = "wait_event_type = 'Lock'"

Start = Callable[..., _Background]


@pytest.fixture
def start(tmp_path: Path, database: Dsn) -> Iterator[Start]:
    """Start a module in the background; none outlives the test."""
    started: list[_Background] = []

    def run(name: str = "pg_sequence_fix", dsn: Dsn = database, **options: Any) -> _Background:
        started.append(_Background(tmp_path, dsn, name, **options))
        return started[-1]

    yield run
    for each in started:
        each.kill()


def test_locked_table_costs_its_own_sequence_only(database: Dsn) -> None:
    _create(database, "a", "locked", "z")
    with _holding(database, "LOCK TABLE locked IN ACCESS EXCLUSIVE MODE"):
        begin = time.monotonic()
        found = _run(database, "pg_sequence_info", lock_timeout=0.2)
        assert time.monotonic() - begin < 3
        assert _reasons(found) == {"a": ["behind"], "locked": ["locked"], "z": ["behind"]}
        assert found["summary"] == {**found["summary"], "critical": 2, "unknown": 1}
        result = _run(database, "pg_sequence_fix", lock_timeout=0.2, retries=1)
        assert result["failed"] and set(_reasons(result, "changes")) == {"a", "z"}
        assert _reasons(result, "not_fixed") == {"locked": ["locked"]}
        assert _states(database)["locked_id_seq"] == (1, False)
    again = _run(database, "pg_sequence_fix")
    assert not again["failed"] and set(_reasons(again, "changes")) == {"locked"}


def test_locked_index_and_locked_partition_are_told_as_locked(database: Dsn, server: Server) -> None:
    _create(database, "a", "indexed")
    sql(
        database,
        "CREATE TABLE parted (id serial, d int) PARTITION BY RANGE (d); CREATE TABLE p1 PARTITION OF parted FOR VALUES"
        " FROM (1) TO (5); CREATE TABLE p2 PARTITION OF parted FOR VALUES FROM (5) TO (9);"
        "INSERT INTO parted VALUES (50, 2), (60, 7)",
    )
    with _holding(database, "LOCK TABLE p2 IN ACCESS EXCLUSIVE MODE") as cursor:
        cursor.execute("REINDEX INDEX indexed_pkey")
        found = _run(database, "pg_sequence_info", lock_timeout=0.2)
    assert _reasons(found) == {"a": ["behind"], "indexed": ["locked"], "parted": ["locked"]}


def test_sequence_held_by_an_open_transaction_is_stepped_past_it(database: Dsn) -> None:
    _create(database, "a", "held", "z")
    with _holding(database, "SELECT nextval('held_id_seq')"):
        begin = time.monotonic()
        result = _run(database, "pg_sequence_fix", lock_timeout=0.2, retries=1)
        assert time.monotonic() - begin < 5
    assert not result["failed"], result["not_fixed"]
    methods = {change["name"]: change["method"] for change in result["changes"]}
    assert methods == {"a_id_seq": "locked", "held_id_seq": "stepped", "z_id_seq": "locked"}
    assert set(_states(database).values()) == {(_FURTHEST, True)}


def test_sequence_held_and_too_far_to_step_is_left_as_it_was(database: Dsn) -> None:
    _create(database, "a", "held", statements="INSERT INTO held VALUES (2000000000)")
    with _holding(database, "SELECT nextval('held_id_seq')"):
        result = _run(database, "pg_sequence_fix", lock_timeout=0.2, retries=1)
    assert result["failed"] and _reasons(result, "not_fixed") == {"held": ["behind", "near_limit", "locked"]}
    assert _states(database) == {"a_id_seq": (_FURTHEST, True), "held_id_seq": (1, True)}
    assert set(_reasons(_run(database, "pg_sequence_fix"), "changes")) == {"held"}


def test_realign_of_a_held_sequence_never_steps(database: Dsn) -> None:
    _create(database, "a", "held", statements="SELECT setval('a_id_seq', 900), setval('held_id_seq', 900)")
    with _holding(database, "SELECT nextval('held_id_seq')"):
        result = _run(database, "pg_sequence_fix", mode="realign", confirm=True, lock_timeout=0.2, retries=0)
    assert _states(database) == {"a_id_seq": (_FURTHEST, True), "held_id_seq": (901, True)}
    assert result["failed"] and "locked" in _reasons(result, "not_fixed")["held"]


def test_statement_timeout_costs_its_own_sequence_only(database: Dsn) -> None:
    _create(database, "a", "slow", "z")
    with _holding(database, "LOCK TABLE slow IN ACCESS EXCLUSIVE MODE"):
        begin = time.monotonic()
        found = _run(database, "pg_sequence_info", statement_timeout=0.5, lock_timeout=8)
        assert time.monotonic() - begin < 5
    assert _reasons(found) == {"a": ["behind"], "slow": ["timeout"], "z": ["behind"]}
    assert "statement_timeout" in found["sequences"][1]["remedy"]


def test_column_too_large_to_scan_costs_its_own_sequence_only(database: Dsn) -> None:
    _create(database, "a", "z")
    sql(database, "CREATE SEQUENCE s; CREATE TABLE large (id bigint DEFAULT nextval('s'))")
    sql(database, "INSERT INTO large SELECT generate_series(1, 50000); ANALYZE large")
    result = _run(database, "pg_sequence_fix", max_scan_rows=1000)
    assert set(_reasons(result, "changes")) == {"a", "z"}
    assert _reasons(result, "not_fixed") == {"s": ["too_large"]}
    remedy = result["not_fixed"][0]["remedy"]
    statement, option = remedy[: remedy.index(";")], int(remedy.split("max_scan_rows: ")[1])
    assert _reasons(_run(database, "pg_sequence_info", max_scan_rows=option)) == {"s": ["behind"]}
    sql(database, statement)
    assert set(_reasons(_run(database, "pg_sequence_fix", max_scan_rows=1000), "changes")) == {"s"}


def test_cut_connections_do_not_stop_the_rest(database: Dsn, start: Start) -> None:
    names = [f"t{number:03}" for number in range(400)]
    _create(database, *names)
    before = _states(database)
    run = start(jobs=2)
    run.wait_for("query LIKE 'SELECT pg_catalog.setval%' OR query LIKE '%ALTER SEQUENCE%' OR query = 'COMMIT'")
    for _unused in range(3):
        sql(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgops.sequences'",
        )
        time.sleep(0.05)
    result = run.result()
    after = _states(database)
    assert {state for name, state in after.items() if state != before[name]} == {(_FURTHEST, True)}
    left = {entry["name"] for entry in result["not_fixed"]}
    assert {name for name, state in after.items() if state == before[name]} == left
    assert len(left) < 10 and result["failed"] == bool(left)
    assert not _run(database, "pg_sequence_fix")["failed"]
    assert set(_states(database).values()) == {(_FURTHEST, True)}


def test_server_stopped_in_the_middle(server: Server, tmp_path: Path) -> None:
    # Every commit takes 50 ms, so that one sees the run in the middle of several.
    with Server(server.version, durable=True, settings={"commit_delay": 50000, "commit_siblings": 0}) as other:
        _create(other.dsn(), *(f"t{number:03}" for number in range(300)))
        for mode in ("fast", "immediate"):
            run = _Background(tmp_path, other.dsn(), "pg_sequence_fix")
            run.wait_for("query LIKE '%ALTER SEQUENCE%' OR query LIKE 'SELECT pg_catalog.setval%' OR query = 'COMMIT'")
            other.stop(mode)
            result = run.result()
            assert result["failed"] and "Traceback" not in str(result)
            other.start()
            after = _states(other.dsn())
            assert set(after.values()) <= {(1, False), (_FURTHEST, True)}
            told = {change["name"] for change in result.get("changes", [])}
            assert told <= {name for name, state in after.items() if state == (_FURTHEST, True)}
            assert not _run(other.dsn(), "pg_sequence_fix")["failed"]
            assert set(_states(other.dsn()).values()) == {(_FURTHEST, True)}
            sql(other.dsn(), "SELECT " + ", ".join(f"setval('{name}', 1, false)" for name in after))


def test_killed_at_random_points(database: Dsn, start: Start) -> None:
    names = [f"t{number:03}" for number in range(300)]
    _create(
        database,
        *names,
        statements="CREATE SEQUENCE ahead; CREATE TABLE x (id int PRIMARY KEY DEFAULT nextval('ahead'))",
    )
    sql(database, "INSERT INTO x VALUES (5)")
    lagging = "SELECT setval('ahead', 700)" + "".join(f", setval('{name}_id_seq', 7)" for name in names)
    sql(database, lagging)
    begin = time.monotonic()
    assert not start().result()["failed"]
    whole = time.monotonic() - begin
    done_partly = 0
    for number in range(KILLS):
        sql(database, lagging)
        jobs, realign = 1 + number % 2, {"mode": "realign", "confirm": True} if number % 3 == 2 else {}
        run = start(jobs=jobs, lock_tables=bool(number % 2), **realign)
        if number % 4 == 0:
            # As soon as it has begun.
            run.wait_for("query LIKE '%ALTER SEQUENCE%' OR query LIKE '%setval%' OR query = 'COMMIT'")
        else:
            time.sleep(random.uniform(0.4, 1.1) * whole)
        run.kill()
        after = _states(database)
        assert after.pop("ahead") in {(700, True), (5, True)} if realign else after.pop("ahead") == (700, True)
        assert set(after.values()) <= {(7, True), (_FURTHEST, True)}
        done_partly += len(set(after.values())) == 2
    assert not _run(database, "pg_sequence_fix")["failed"]
    assert {state for name, state in _states(database).items() if name != "ahead"} == {(_FURTHEST, True)}
    assert done_partly or KILLS < 10, "no kill struck in the middle"


_MEANWHILE = {
    "sequence dropped": "DROP SEQUENCE {s} CASCADE",
    "table dropped": "DROP TABLE {t}",
    "column dropped": "ALTER TABLE {t} DROP COLUMN id",
    "sequence renamed": "ALTER SEQUENCE {s} RENAME TO renamed_{s}",
    "table renamed": "ALTER TABLE {t} RENAME TO renamed_{t}",
    "column renamed": "ALTER TABLE {t} RENAME id TO renamed",
    "increment changed": "ALTER SEQUENCE {s} INCREMENT 10",
    "direction changed": "ALTER SEQUENCE {s} INCREMENT -1 MINVALUE -1000",
    "cache changed": "ALTER SEQUENCE {s} CACHE 7",
    "bounds changed": "ALTER SEQUENCE {s} MAXVALUE 1000",
    "made to cycle": "ALTER SEQUENCE {s} CYCLE",
    "owned by another column": "CREATE TABLE u_{t} (id int); ALTER SEQUENCE {s} OWNED BY u_{t}.id;"
    "INSERT INTO u_{t} VALUES (500)",
    "another sequence of the name": "ALTER SEQUENCE {s} RENAME TO other_{s}; CREATE SEQUENCE {s} INCREMENT 5 CACHE 3",
    "another table of the name": "ALTER TABLE {t} RENAME TO other_{t}; CREATE TABLE {t} (id int PRIMARY KEY)",
    "type widened": "ALTER TABLE {t} ALTER id TYPE bigint",
    "another owner": "ALTER TABLE {t} OWNER TO pg_signal_backend",
}

_WHILE_WAITING = ("sequence dropped", "column renamed", "owned by another column", "another table of the name")


def _check_told(database: Dsn, result: dict[str, Any]) -> None:
    """What the module says after the run has to be what a fresh audit finds."""
    oracle = _run(database, "pg_sequence_info", show_all=True)
    told, found = (
        {entry["name"]: (entry["status"], entry["reasons"], entry["next_value"]) for entry in each["sequences"]}
        for each in (result, oracle)
    )
    assert told == {name: found[name] for name in told}
    if not result["failed"]:
        assert oracle["summary"]["critical"] == oracle["summary"]["unknown"] == 0
    for name in ("a_id_seq", "z_id_seq"):
        assert found[name] == ("healthy", [], _FURTHEST + 1), result


@pytest.mark.parametrize("mode", ["advance", "realign"])
@pytest.mark.parametrize("what", [*_WHILE_WAITING, "schema renamed"])
def test_altered_while_the_repair_waits_for_the_lock(database: Dsn, start: Start, what: str, mode: str) -> None:
    """What is judged may be gone or other when the lock is had at last: what stands there then decides."""
    sql(database, f'CREATE SCHEMA shop; ALTER DATABASE "{database["dbname"]}" SET search_path = shop, store')
    _create(database, "a", "t", "z")
    sql(database, "INSERT INTO t VALUES (300)")
    if mode == "realign":
        sql(database, "SELECT setval('t_id_seq', 900)")
    statement = {"schema renamed": "ALTER SCHEMA shop RENAME TO store", **_MEANWHILE}[what]
    with _holding(database, "SELECT setval('t_id_seq', last_value, is_called) FROM t_id_seq") as cursor:
        run = start(lock_timeout=20, mode=mode, confirm=True, show_all=True)
        run.wait_for(_WAITS)
        cursor.execute(statement.replace("{s}", "t_id_seq").replace("{t}", "t"))
        cursor.connection.commit()
        result = run.result()
    _check_told(database, result)


@pytest.mark.parametrize("mode", ["advance", "realign"])
def test_altered_after_discovery(database: Dsn, start: Start, mode: str) -> None:
    tables = [f"t{number:02}" for number in range(len(_MEANWHILE))]
    _create(database, "a", *tables, "z")
    for table in tables:
        at = f"SELECT setval('{table}_id_seq', 900)" if mode == "realign" else "SELECT 1"
        sql(database, f"INSERT INTO {table} VALUES (300); {at}")
    with _holding(database, "SELECT nextval('a_id_seq')") as cursor:
        run = start(lock_timeout=20, mode=mode, confirm=True, show_all=True)
        run.wait_for(_WAITS)
        for table, statement in zip(tables, _MEANWHILE.values()):
            cursor.execute(statement.replace("{s}", f"{table}_id_seq").replace("{t}", table))
        cursor.connection.commit()
        result = run.result()
    _check_told(database, result)


def test_table_swapped_for_an_empty_one_is_not_what_realign_goes_by(database: Dsn, start: Start) -> None:
    _create(database, "t", statements="SELECT setval('t_id_seq', 900)")
    with _holding(database, "SELECT nextval('t_id_seq')") as cursor:
        run = start(lock_timeout=20, mode="realign", confirm=True)
        run.wait_for(_WAITS)
        cursor.execute("ALTER TABLE t RENAME TO full_one; CREATE TABLE t (id int PRIMARY KEY)")
        cursor.connection.commit()
        run.result()
    sql(database, "INSERT INTO full_one DEFAULT VALUES")


def test_column_that_came_meanwhile_counts_for_realign(database: Dsn, start: Start) -> None:
    _create(database, "t", statements="SELECT setval('t_id_seq', 900)")
    with _holding(database, "SELECT nextval('t_id_seq')") as cursor:
        run = start(lock_timeout=20, mode="realign", confirm=True)
        run.wait_for(_WAITS)
        cursor.execute(
            "CREATE TABLE another (id int PRIMARY KEY DEFAULT nextval('t_id_seq')); INSERT INTO another VALUES (101)"
        )
        cursor.connection.commit()
        run.result()
    sql(database, "INSERT INTO another DEFAULT VALUES")


def test_sequence_that_somebody_else_repaired_meanwhile_is_not_reported(database: Dsn, start: Start) -> None:
    _create(database, "t")
    with _holding(database, "SELECT nextval('t_id_seq')") as cursor:
        run = start(lock_timeout=2, retries=1)
        run.wait_for(_WAITS)
        cursor.execute("SELECT setval('t_id_seq', 900)")
        result = run.result()
    assert (result["failed"], result["changes"], result["not_fixed"]) == (False, [], [])


def test_migration_is_not_the_victim_of_a_deadlock_with_the_audit(database: Dsn, start: Start) -> None:
    _create(database, "a", "m", "z")
    connections = [psycopg2.connect(**database) for _unused in range(2)]
    with connections[0].cursor() as reader, connections[1].cursor() as migration:
        reader.execute("LOCK TABLE m IN ACCESS EXCLUSIVE MODE")
        migration.execute("LOCK TABLE z IN ACCESS EXCLUSIVE MODE")
        run = start("pg_sequence_info", lock_timeout=10)
        run.wait_for(_WAITS)
        unlock = threading.Timer(0.3, connections[0].rollback)
        unlock.start()
        # The audit may have read "a" in one statement with "z", which it then waits for.
        migration.execute("LOCK TABLE a IN ACCESS EXCLUSIVE MODE")
        connections[1].rollback()
        unlock.join()
        assert _reasons(run.result()) == {"a": ["behind"], "m": ["behind"], "z": ["behind"]}
    for connection in connections:
        connection.close()


def test_objects_that_come_and_go_all_the_time(database: Dsn) -> None:
    stable = [f"stable{number}" for number in range(8)]
    _create(database, *stable)
    done = threading.Event()

    def churn() -> None:
        number = 0
        connection = psycopg2.connect(**database)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not done.is_set():
                number += 1
                one = f"c{number % 40}"
                cursor.execute(f"DROP TABLE IF EXISTS {one}")
                cursor.execute(f"DROP TABLE IF EXISTS renamed{one}")
                cursor.execute(f"CREATE TABLE {one} (id serial PRIMARY KEY)")
                cursor.execute(f"INSERT INTO {one} VALUES (50)")
                if number % 3 == 0:
                    cursor.execute(f"ALTER TABLE {one} RENAME TO renamed{one}")
                if number % 5 == 0:
                    cursor.execute(f"ALTER SEQUENCE {one}_id_seq INCREMENT 3")
        connection.close()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for number in range(6):
            sql(database, "SELECT " + ", ".join(f"setval('{name}_id_seq', 1, false)" for name in stable))
            run = ("pg_sequence_fix", {}) if number % 2 else ("pg_sequence_info", {})
            result = _run(database, run[0], **run[1], **({"mode": "realign", "confirm": True} if number == 5 else {}))
            told = _reasons(result, "changes" if number % 2 else "sequences")
            assert set(stable) <= set(told), result
    finally:
        done.set()
        thread.join()
    assert not _run(database, "pg_sequence_fix")["failed"]


def test_databases_that_cannot_be_entered_among_ten(server: Server) -> None:
    names = [f"ten_{number}" for number in range(10)]
    sql(server.dsn(), "CREATE ROLE ten LOGIN")
    try:
        for name in names:
            sql(server.dsn(), f"CREATE DATABASE {name} OWNER ten")
            _create({**server.dsn(name), "user": "ten"} if server.version < 15 else server.dsn(name), "t")
            sql(server.dsn(name), "ALTER TABLE t OWNER TO ten")
        sql(server.dsn(), "REVOKE CONNECT ON DATABASE ten_3 FROM PUBLIC, ten; ALTER DATABASE ten_5 CONNECTION LIMIT 0")
        sql(server.dsn(), "ALTER DATABASE ten_7 SET default_transaction_read_only = on")
        sql(server.dsn(), "ALTER DATABASE ten_8 ALLOW_CONNECTIONS false")
        mine = {**server.dsn(names[0]), "user": "ten"}
        found = _run(mine, "pg_sequence_info", databases=names)
        errors = {entry["name"]: entry["error"] for entry in found["databases"] if entry["error"]}
        assert not found["failed"] and errors.keys() == {"ten_3", "ten_5", "ten_8"}
        assert "GRANT CONNECT" in errors["ten_3"]
        assert found["summary"]["critical"] == 7
        assert "ten_8" not in {
            entry["name"] for entry in _run(mine, "pg_sequence_info", databases=["ten*"])["databases"]
        }
        result = _run(mine, "pg_sequence_fix", databases=names)
        assert result["failed"] and len(result["changes"]) == 6
        assert {entry["name"] for entry in result["databases"] if entry["error"]} == {
            "ten_3",
            "ten_5",
            "ten_7",
            "ten_8",
        }
        assert _states(server.dsn("ten_7")) == {"t_id_seq": (1, False)}
        assert _states(server.dsn("ten_9")) == {"t_id_seq": (_FURTHEST, True)}
        for name in ("ten_3", "ten_5", "ten_8"):
            alone = _run({**mine, "dbname": name}, "pg_sequence_fix")
            assert alone["failed"] and name in alone["msg"]
    finally:
        for name in names:
            sql(server.dsn(), f"DROP DATABASE IF EXISTS {name}")
        sql(server.dsn(), "DROP ROLE ten")


def test_lock_table_nearly_full(server: Server) -> None:
    small = {"max_locks_per_transaction": 10, "max_connections": 12, "autovacuum": False}
    with Server(server.version, settings={**small, "max_worker_processes": 0, "max_wal_senders": 0}) as other:
        dsn = other.dsn()
        names = [f"t{number:03}" for number in range(60)]
        for name in names:
            _create(dsn, name)
        connection = psycopg2.connect(**dsn)
        with connection.cursor() as cursor:
            taken = 0
            with contextlib.suppress(psycopg2.errors.OutOfMemory):
                while True:
                    cursor.execute("SAVEPOINT s")
                    cursor.execute(
                        "SELECT pg_advisory_xact_lock_shared(i) FROM generate_series(%s, %s) i", [taken, taken + 9]
                    )
                    taken += 10
            cursor.execute("ROLLBACK TO SAVEPOINT s")
            found = _run(dsn, "pg_sequence_info")
            error = found["msg"] if found["failed"] else found["databases"][0]["error"]
            assert not error or "shared memory" in error
            if not error:
                told = {entry["status"] for entry in found["sequences"]}
                assert found["summary"]["total"] == len(names) and told <= {"critical", "unknown"}
            result = _run(dsn, "pg_sequence_fix", retries=0)
        connection.close()
        after = _states(dsn)
        assert set(after.values()) <= {(1, False), (_FURTHEST, True)}
        fixed = {name for name, state in after.items() if state == (_FURTHEST, True)}
        assert {change["name"] for change in result.get("changes", [])} == fixed
        assert result["failed"] or len(fixed) == len(names)
        assert not _run(dsn, "pg_sequence_fix")["failed"]
        assert set(_states(dsn).values()) == {(_FURTHEST, True)}


@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
def test_read_only_database_is_audited_and_refused(database: Dsn, check: bool) -> None:
    _create(database, "t")
    sql(database, f'ALTER DATABASE "{database["dbname"]}" SET default_transaction_read_only = on')
    assert _reasons(_run(database, "pg_sequence_info")) == {"t": ["behind"]}
    result = _run(database, "pg_sequence_fix", check=check)
    assert result["failed"] and "read_only" in result["msg"] and not result.get("changes")
    assert _states(database) == {"t_id_seq": (1, False)}


def test_standby_is_audited_and_refused(server: Server, standby: Server, database: Dsn) -> None:
    _create(database, "t")
    sql(database, "CREATE UNLOGGED TABLE u (id serial PRIMARY KEY); INSERT INTO u VALUES (7)")
    wait_for_replay(server, standby)
    there = standby.dsn(database["dbname"])
    found = _run(there, "pg_sequence_info", jobs=2)
    assert found["databases"][0]["in_recovery"] is True
    assert _reasons(found)["t"] == ["behind"]
    unlogged = [entry for entry in found["sequences"] if entry["name"] == "u_id_seq"][0]
    assert (unlogged["status"], unlogged["reasons"]) == ("unknown", ["unlogged_on_standby"])
    for check in (False, True):
        result = _run(there, "pg_sequence_fix", check=check, databases=["postgres", database["dbname"]])
        assert result["failed"] and "standby" in result["msg"] and "primary" in result["msg"]
    assert _states(database)["t_id_seq"] == (1, False)
