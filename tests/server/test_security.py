# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile names, code, settings and patterns in a database, and secrets in options, do no harm."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from support.run import run_module, sql
from support.servers import Server

Dsn = dict[str, str]

_NAMES = [
    "a\"b'c",
    "x'; DROP TABLE public.canary; --",
    '"; DROP TABLE public.canary; --',
    "100 %s %(names)s %% %",
    "back\\slash\\",
    "\\'; DROP TABLE public.canary; --",
    "tab\tnew\nline\x01\x7f",
    "größe 数 😀",
    "é" * 31 + "n",
    "{oid} {not_generated} $$ $1",
    "a.b.c",
    " blank ",
    "*[a-z]?!",
    "!not",
    "select",
]


def _run(dsn: Dsn, name: str, check: bool = False, **options: Any) -> dict[str, Any]:
    connection = {
        "login_unix_socket": dsn["host"],
        "login_port": int(dsn["port"]),
        "login_user": dsn["user"],
        "login_db": dsn["dbname"],
    }
    return run_module(name, {**connection, **options}, check=check)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _cut(name: str) -> str:
    return name.encode()[:63].decode(errors="ignore")


def _create_hostile(dsn: Dsn, name: str) -> None:
    """A schema of that name with a sequence that is behind two columns: by default, and by a late-bound default."""
    schema, table, late = _identifier(name), _identifier(name), _identifier(_cut("late " + name))
    sequence = f"{schema}.{_identifier(_cut('s' + name))}"
    sql(
        dsn,
        f"CREATE SCHEMA {schema}; CREATE SEQUENCE {sequence};"
        f"CREATE TABLE {schema}.{table} ({schema} bigint PRIMARY KEY DEFAULT nextval({_literal(sequence)}));"
        f"CREATE TABLE {schema}.{late} ({schema} bigint DEFAULT nextval({_literal(sequence)}::text));"
        f"INSERT INTO {schema}.{table} SELECT generate_series(1, 30); INSERT INTO {schema}.{late} VALUES (44)",
    )


def _next_values(dsn: Dsn) -> list[int]:
    names = sql(dsn, "SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) FROM pg_sequences")
    return [sql(dsn, f"SELECT nextval({_literal(name)})")[0][0] for (name,) in names]


def test_hostile_names_are_only_names(database: Dsn) -> None:
    sql(database, "CREATE TABLE public.canary ()")
    for name in _NAMES:
        _create_hostile(database, name)
    found = _run(database, "pg_sequence_info")
    assert {entry["schema"]: entry["name"] for entry in found["sequences"]} == {n: _cut("s" + n) for n in _NAMES}
    for entry in found["sequences"]:
        assert (entry["status"], entry["furthest_value"]) == ("critical", 44), entry
        assert [column["column"] for column in entry["columns"]] == [entry["schema"]] * 2
    for entry in found["sequences"][::2]:
        sql(database, entry["fix"]["statement"])
    result = _run(database, "pg_sequence_fix", lock_tables=True)
    assert not result["failed"] and len(result["changes"]) == len(_NAMES) // 2
    for change in result["changes"]:
        sql(database, change["statement"])
    assert _next_values(database) == [45] * len(_NAMES)
    sql(database, "SELECT FROM public.canary")


@pytest.mark.parametrize("option", ["schemas", "tables", "qualified tables", "sequences", "columns"])
def test_hostile_names_select_themselves(hostile: Dsn, option: str) -> None:
    # A name that begins with "!" can only be written as a glob.
    names = ["[!a-z]not" if name == "!not" else name for name in _NAMES]
    options: dict[str, dict[str, Any]] = {
        "schemas": {"schemas": names},
        "tables": {"tables": names},
        "qualified tables": {"tables": [f"{name}.{name}" for name in _NAMES if name != "!not"] + ["[!a-z]not.*"]},
        "sequences": {"sequences": [_cut("s" + name) for name in _NAMES]},
        "columns": {
            "columns": [
                {"sequence": f"{name}.{_cut('s' + name)}", "table": f"{name}.{name}", "column": name} for name in _NAMES
            ]
        },
    }
    result = _run(hostile, "pg_sequence_info", **options[option])
    assert not result["failed"], result["msg"]
    assert {entry["schema"] for entry in result["sequences"]} == set(_NAMES)
    if option == "columns":
        mapped = [column for entry in result["sequences"] for column in entry["columns"] if "mapped" in column["via"]]
        assert sorted(column["column"] for column in mapped) == sorted(_NAMES)


@pytest.fixture(scope="module")
def hostile(server: Server) -> Iterator[Dsn]:
    name = f"hostile_{secrets.token_hex(4)}"
    sql(server.dsn(), f"CREATE DATABASE {name}")
    for each in _NAMES:
        _create_hostile(server.dsn(name), each)
    yield server.dsn(name)
    sql(server.dsn(), f"DROP DATABASE {name}")


def test_hostile_names_of_databases_and_roles(server: Server) -> None:
    names = [_NAMES[number] for number in (0, 2, 3, 4, 7, 12, 13)]
    for name in names:
        sql(server.dsn(), f"CREATE DATABASE {_identifier(name)}")
        sql(server.dsn(), f"CREATE ROLE {_identifier(name)} LOGIN")
        dsn = server.dsn(name)
        sql(dsn, f"GRANT CREATE ON SCHEMA public TO {_identifier(name)}; SET ROLE {_identifier(name)};")
        sql(dsn, "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t VALUES (5)")
        sql(dsn, f"ALTER TABLE t OWNER TO {_identifier(name)}")
    try:
        found = _run(server.dsn(), "pg_sequence_info", databases=["*", "!postgres", "!*_????????"])
        assert {entry["name"]: entry["error"] for entry in found["databases"]} == dict.fromkeys(names)
        assert found["summary"]["critical"] == len(names)
        for name in names[:3]:
            result = _run({**server.dsn(name), "user": name}, "pg_sequence_fix")
            assert [change["method"] for change in result["changes"]] == ["locked"], result
        written = ["[!a-z]not" if name == "!not" else name for name in names[3:]]
        result = _run(server.dsn(), "pg_sequence_fix", databases=written)
        assert len(result["changes"]) == len(names) - 3
        for name in names[3:5]:
            assert not _run(server.dsn(name), "pg_sequence_fix", session_role=name)["failed"]
    finally:
        for name in names:
            sql(server.dsn(), f"DROP DATABASE {_identifier(name)}")
            sql(server.dsn(), f"DROP ROLE {_identifier(name)}")


_TRAPS = """
CREATE ROLE {mallory};
GRANT {mallory} TO CURRENT_USER;
CREATE SCHEMA evil AUTHORIZATION {mallory};
GRANT CREATE ON SCHEMA public TO {mallory};
SET ROLE {mallory};
CREATE FUNCTION evil.alarm() RETURNS void LANGUAGE plpgsql AS $$
  BEGIN RAISE LOG 'TRAPPED % %', session_user, pg_catalog.current_setting('transaction_read_only'); END $$;
CREATE FUNCTION evil.yes(anyelement) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$
  BEGIN PERFORM evil.alarm(); RETURN true; END $$;
CREATE FUNCTION evil.same(anyelement) RETURNS anyelement IMMUTABLE LANGUAGE plpgsql AS $$
  BEGIN PERFORM evil.alarm(); RETURN $1; END $$;
"""


class Traps:
    """A database in which a user has laid traps: functions that leave a mark in the server's log."""

    def __init__(self, server: Server, database: Dsn) -> None:
        self.server = server
        self.database = database
        self.mallory = f"mallory_{secrets.token_hex(3)}"
        self._seen = 0
        self.lay(_TRAPS)

    def lay(self, statements: str) -> None:
        connection = psycopg2.connect(**self.database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                if "CREATE ROLE" not in statements:
                    cursor.execute(f"SET ROLE {self.mallory}")
                cursor.execute(statements.replace("{mallory}", self.mallory))
        finally:
            connection.close()

    def sprung(self) -> list[str]:
        """What the traps have written since the last call."""
        with self.server.log_file.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._seen)
            lines = log.readlines()
            self._seen = log.tell()
        return [line for line in lines if "LOG:  TRAPPED" in line]


@pytest.fixture
def traps(server: Server, database: Dsn) -> Iterator[Traps]:
    laid = Traps(server, database)
    yield laid
    for name in (database["dbname"], "postgres"):
        sql(server.dsn(name), f"DROP OWNED BY {laid.mallory} CASCADE")
    sql(server.dsn(), f"DROP ROLE {laid.mallory}")


_EVERY_WAY: list[tuple[str, dict[str, Any]]] = [
    ("pg_sequence_info", {"show_all": True}),
    ("pg_sequence_fix", {"lock_tables": True, "margin": 5}),
    ("pg_sequence_fix", {"mode": "realign", "confirm": True}),
    ("pg_sequence_fix", {}),
]

_SHADOWS = """
CREATE FUNCTION evil.setval(regclass, bigint, boolean) RETURNS bigint LANGUAGE sql AS 'SELECT evil.alarm(); SELECT 1::bigint';
CREATE FUNCTION evil.setval(regclass, integer, boolean) RETURNS bigint LANGUAGE sql AS 'SELECT evil.alarm(); SELECT 1::bigint';
CREATE FUNCTION evil.nextval(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT evil.alarm(); SELECT 1::bigint';
CREATE FUNCTION evil.quote_ident(name) RETURNS text LANGUAGE sql AS 'SELECT evil.alarm(); SELECT $1::text';
CREATE FUNCTION evil.quote_ident(text) RETURNS text LANGUAGE sql AS 'SELECT evil.alarm(); SELECT $1';
CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT evil.alarm(); SELECT ''on''::text';
CREATE FUNCTION evil.pg_is_in_recovery() RETURNS bool LANGUAGE sql AS 'SELECT evil.alarm(); SELECT true';
CREATE FUNCTION evil.pg_get_userbyid(oid) RETURNS name LANGUAGE sql AS 'SELECT evil.alarm(); SELECT ''x''::name';
CREATE FUNCTION evil.row_security_active(oid) RETURNS bool LANGUAGE sql AS 'SELECT evil.alarm(); SELECT false';
CREATE FUNCTION evil.take(bigint, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT evil.alarm(); SELECT $2';
CREATE FUNCTION evil.take(integer, integer) RETURNS integer LANGUAGE sql AS 'SELECT evil.alarm(); SELECT $2';
CREATE AGGREGATE evil.max(bigint) (sfunc = evil.take, stype = bigint);
CREATE AGGREGATE evil.min(bigint) (sfunc = evil.take, stype = bigint);
CREATE AGGREGATE evil.max(integer) (sfunc = evil.take, stype = integer);
CREATE AGGREGATE evil.min(integer) (sfunc = evil.take, stype = integer);
"""

_OPERATORS = [
    (kind, operator)
    for kind in ("bigint", "integer", "smallint", "name", "text", "oid", '"char"')
    for operator in ("=", "<", "<=", ">", ">=", "<>")
]


def test_functions_and_operators_that_shadow_the_server_s_own_are_not_called(traps: Traps) -> None:
    traps.lay(_SHADOWS)
    for number, (kind, operator) in enumerate(_OPERATORS):
        traps.lay(
            f"CREATE FUNCTION evil.compare_{number}({kind}, {kind}) RETURNS bool LANGUAGE plpgsql"
            " AS 'BEGIN PERFORM evil.alarm(); RETURN true; END';"
            f"CREATE OPERATOR evil.{operator} (PROCEDURE = evil.compare_{number}, LEFTARG = {kind}, RIGHTARG = {kind})"
        )
    traps.lay("CREATE TABLE public.t (id bigserial PRIMARY KEY); INSERT INTO public.t SELECT generate_series(1, 9)")
    traps.lay("CREATE TABLE public.u (id serial); INSERT INTO public.u VALUES (9), (2147483647)")
    traps.lay("ALTER SEQUENCE public.u_id_seq MAXVALUE 1000")
    sql(traps.database, f'ALTER DATABASE "{traps.database["dbname"]}" SET search_path = evil, public, pg_catalog')
    sql(
        traps.database,
        f'ALTER ROLE postgres IN DATABASE "{traps.database["dbname"]}" SET search_path = evil, pg_catalog',
    )
    sql(traps.database, "SELECT max(id) FROM public.t WHERE id <= 5")
    assert traps.sprung(), "the traps do not work"
    for name, options in _EVERY_WAY:
        result = _run(traps.database, name, **options)
        assert not result["failed"] and traps.sprung() == [], (name, options)
        sql(traps.database, "SELECT pg_catalog.setval('public.t_id_seq', 3)")
        traps.sprung()
    assert _run(traps.database, "pg_sequence_info")["summary"]["critical"] == 1


_OWN_CODE = """
CREATE SEQUENCE evil.s;
CREATE TABLE evil.defaulted (id bigint DEFAULT evil.same(nextval('evil.s')));
CREATE VIEW evil.a_view AS SELECT evil.same(7) AS id;
CREATE MATERIALIZED VIEW evil.a_matview AS SELECT evil.same(7) AS id;
CREATE SEQUENCE evil.of_view; CREATE SEQUENCE evil.of_matview;
CREATE DOMAIN evil.checked AS int CHECK (evil.yes(VALUE)) DEFAULT nextval('evil.s');
CREATE TABLE evil.domained (id evil.checked PRIMARY KEY); INSERT INTO evil.domained VALUES (8);
CREATE SEQUENCE evil.of_secured;
CREATE TABLE evil.secured (id int PRIMARY KEY DEFAULT nextval('evil.of_secured'), n int CHECK (evil.yes(n)));
INSERT INTO evil.secured VALUES (8, 1);
ALTER TABLE evil.secured ENABLE ROW LEVEL SECURITY; ALTER TABLE evil.secured FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON evil.secured USING (evil.yes(id));
CREATE INDEX ON evil.secured (evil.same(id)) WHERE evil.yes(id);
CREATE FUNCTION evil.trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.alarm(); RETURN NULL; END $$;
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON evil.secured EXECUTE PROCEDURE evil.trigger();
CREATE TABLE evil.parent (id serial); CREATE TABLE evil.child (CHECK (evil.yes(id))) INHERITS (evil.parent);
INSERT INTO evil.child VALUES (90); INSERT INTO evil.child VALUES (2147483647);
ALTER SEQUENCE evil.parent_id_seq MAXVALUE 10000;
"""

_MAPPED = [
    {"sequence": "evil.of_view", "table": "evil.a_view", "column": "id"},
    {"sequence": "evil.of_matview", "table": "evil.a_matview", "column": "id"},
]


def test_code_of_the_database_s_users_is_not_run(traps: Traps) -> None:
    traps.lay(_OWN_CODE)
    sql(traps.database, "SELECT * FROM evil.a_view")
    assert traps.sprung(), "the traps do not work"
    for name, options in _EVERY_WAY:
        result = _run(traps.database, name, columns=_MAPPED, **options)
        assert traps.sprung() == [], (name, options)
        statuses = {entry["name"]: entry["reasons"] for entry in result["sequences"]}
        assert statuses["of_view"] == ["view"]


_FOLDED = {
    "index predicate": "CREATE TABLE evil.t (id serial PRIMARY KEY); CREATE INDEX ON evil.t (id) WHERE evil.yes(1)",
    "index expression": "CREATE TABLE evil.t (id serial, n int); CREATE INDEX ON evil.t ((n + evil.same(1)))",
    "index by an operator": "CREATE OPERATOR evil.!! (PROCEDURE = evil.same, RIGHTARG = anyelement);"
    "CREATE TABLE evil.t (id serial, n int); CREATE INDEX ON evil.t ((n + (OPERATOR(evil.!!) 1)))",
    "index of a partition": "CREATE TABLE evil.t (id serial, n int) PARTITION BY RANGE (n);"
    "CREATE TABLE evil.p PARTITION OF evil.t FOR VALUES FROM (1) TO (9); CREATE INDEX ON evil.p (id) WHERE evil.yes(1)",
    "check of a child": "CREATE TABLE evil.t (id serial); CREATE TABLE evil.c (CHECK (evil.yes(1))) INHERITS (evil.t);"
    "INSERT INTO evil.c VALUES (2147483647); ALTER SEQUENCE evil.t_id_seq MAXVALUE 9",
    "partition key": "CREATE TABLE evil.t (id serial, n int) PARTITION BY RANGE ((n + evil.same(1)));"
    "CREATE TABLE evil.p PARTITION OF evil.t FOR VALUES FROM (1) TO (9)",
    "extended statistics": "CREATE TABLE evil.t (id serial, n int);"
    "CREATE STATISTICS evil.s ON (n + evil.same(1)), n FROM evil.t",
}


@pytest.mark.parametrize("what", _FOLDED)
def test_code_that_the_planner_would_fold_is_not_run(server: Server, traps: Traps, what: str) -> None:
    """Planning a query evaluates what is constant in the expressions that hang on a table, whoever owns it."""
    if what == "extended statistics" and server.version < 14:
        pytest.skip("needs PostgreSQL 14, which brought statistics of expressions")
    traps.lay(_FOLDED[what])
    sql(traps.database, "SELECT max(id) FROM evil.t WHERE id < 5")
    assert traps.sprung(), "the trap does not work"
    for name, options in _EVERY_WAY[:2]:
        _run(traps.database, name, **options)
        assert traps.sprung() == [], (name, options)


@pytest.mark.parametrize(("name", "options"), _EVERY_WAY[:2], ids=["info", "lock_tables"])
def test_view_that_takes_a_table_s_name_meanwhile_is_not_read(traps: Traps, name: str, options: dict[str, Any]) -> None:
    if not sql(traps.database, "SELECT 1 FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'"):
        pytest.skip("needs PostgreSQL with restrict_nonsystem_relation_kind, which minor releases brought")
    traps.lay("CREATE TABLE evil.t (id serial PRIMARY KEY); INSERT INTO evil.t VALUES (50)")
    traps.lay("ALTER SEQUENCE evil.t_id_seq OWNED BY NONE")
    with _holding(traps.database, "LOCK TABLE evil.t IN ACCESS EXCLUSIVE MODE") as cursor:
        done = _background(lambda: _run(traps.database, name, **options))
        _wait_until_waiting(traps.database)
        cursor.execute(f"SET LOCAL ROLE {traps.mallory}")
        cursor.execute("DROP TABLE evil.t; CREATE VIEW evil.t AS SELECT evil.same(70) AS id")
        traps.sprung()
        cursor.connection.commit()
        done()
    assert traps.sprung() == []


class _holding:
    """A transaction that has run a statement and stays open until the block ends."""

    def __init__(self, dsn: Dsn, statement: str) -> None:
        self._connection = psycopg2.connect(**dsn)
        self._statement = statement

    def __enter__(self) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(self._statement)
        return cursor

    def __exit__(self, *_error: object) -> None:
        self._connection.close()


def _background(work: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Start it in a thread; the result waits for its end."""
    results: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()

    def result() -> dict[str, Any]:
        thread.join()
        return results[0]

    return result


def _wait_until_waiting(dsn: Dsn, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pgops.sequences' AND wait_event_type = 'Lock'"
    while not sql(dsn, waiting):
        assert time.monotonic() < deadline, "the module does not wait for the lock"
        time.sleep(0.01)


_SETTINGS = {
    "backslash_quote": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "extra_float_digits": "-15",
    "datestyle": "'SQL, DMY'",
    "intervalstyle": "iso_8601",
    "row_security": "on",
    "client_min_messages": "error",
    "statement_timeout": "'150ms'",
    "lock_timeout": "'1ms'",
    "idle_in_transaction_session_timeout": "'5s'",
    "enable_indexscan": "off",
    "max_parallel_workers_per_gather": "0",
    "application_name": "'x'",
    "timezone": "'Asia/Kathmandu'",
    "synchronous_commit": "off",
}


# Those that are known to change how the server prints defaults, each alone; then all others.
_SETS = [{"quote_all_identifiers": "on"}, {"standard_conforming_strings": "off"}, _SETTINGS]


@pytest.mark.parametrize(
    ("where", "settings"),
    [("DATABASE", _SETS[0]), ("DATABASE", _SETS[1]), ("DATABASE", _SETS[2]), ("ROLE", _SETS[2])],
    ids=["quote_all_identifiers", "standard_conforming_strings", "others", "others of the role"],
)
def test_settings_of_the_database_and_the_role_change_nothing(
    server: Server, database: Dsn, where: str, settings: dict[str, str]
) -> None:
    if server.version >= 19 and "standard_conforming_strings" in settings:
        pytest.skip("needs an older PostgreSQL than 19, which refuses the setting")
    _create_hostile(database, _NAMES[0])
    _create_hostile(database, _NAMES[4])
    sql(
        database,
        "CREATE TABLE t (id real PRIMARY KEY, n int GENERATED BY DEFAULT AS IDENTITY,"
        " m smallint DEFAULT nextval('t_n_seq')); INSERT INTO t VALUES (16777215, 16777215, 7);"
        "CREATE SEQUENCE f; ALTER TABLE t ALTER id SET DEFAULT nextval('f')",
    )
    expected = _run(database, "pg_sequence_info", show_all=True)["sequences"]
    assert {entry["status"] for entry in expected} == {"critical"}
    role = f"settings_{secrets.token_hex(3)}"
    sql(database, f"CREATE ROLE {role} LOGIN SUPERUSER")
    try:
        of = f'DATABASE "{database["dbname"]}"' if where == "DATABASE" else f"ROLE {role}"
        statements = [f"ALTER {of} SET {name} = {value}" for name, value in settings.items()]
        sql(database, ";".join(statements))
        mine = {**database, "user": role}
        assert _run(mine, "pg_sequence_info", show_all=True)["sequences"] == expected
        result = _run(mine, "pg_sequence_fix")
        assert [change["name"] for change in result["changes"]] == [entry["name"] for entry in expected]
    finally:
        sql(database, f"DROP ROLE {role}")


_PATTERNS = [
    "a\0b",
    "\ud800",
    "*a" * 40 + "b",
    "'; DROP TABLE t; --",
    "no such",
    "%",
    "\\",
    "[" * 3000,
    "x" * 100_000,
    "[z-a]",
    "!*",
    "!",
    "",
]


@pytest.mark.parametrize(
    ("option", "pattern"),
    [("sequences", pattern) for pattern in _PATTERNS] + [("databases", pattern) for pattern in _PATTERNS[:3]],
    ids=lambda text: ascii(text[:12]),
)
def test_hostile_patterns_select_nothing_and_end_in_words(trapped: Dsn, option: str, pattern: str) -> None:
    result = _run(trapped, "pg_sequence_info", **{option: [pattern]}, show_all=True)
    # A glob may match nothing; a name, and what is none, is an error that names the option.
    if set("*?[") & set(pattern) and not result["failed"]:
        assert result["sequences"] == [], result
    else:
        assert result["failed"] and f"{option}" in result["msg"] and "Traceback" not in str(result), result
    assert sql(trapped, "SELECT count(*) FROM t") == [(1,)]


@pytest.fixture(scope="module")
def trapped(server: Server) -> Iterator[Dsn]:
    """A database with one sequence, of a name that makes bad patterns slow."""
    name = f"patterns_{secrets.token_hex(4)}"
    sql(server.dsn(), f"CREATE DATABASE {name}")
    sql(server.dsn(name), f"CREATE TABLE t AS SELECT 1; CREATE SEQUENCE {'a' * 63}")
    yield server.dsn(name)
    sql(server.dsn(), f"DROP DATABASE {name}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"session_role": "a\0b"}, "session_role holds a NUL"),
        ({"login_db": "a\0b"}, "login_db holds a NUL"),
        ({"columns": [{"sequence": "a\0", "table": "t", "column": "c"}]}, "columns holds a NUL"),
        ({"connect_params": {"no_such_option": "1"}}, "no_such_option"),
        ({"connect_params": {"connect_timeout": "soon"}}, "connect_timeout"),
        ({"connect_params": {"options": ["-c", "x"]}}, "-c"),
        ({"connect_params": {"options": "-c no_such_setting=1"}}, "no_such_setting"),
        ({"connect_params": {"autocommit": True}}, "autocommit"),
    ],
    ids=str,
)
def test_options_that_cannot_work_end_in_words(trapped: Dsn, options: dict[str, Any], words: str) -> None:
    result = _run(trapped, "pg_sequence_info", **options)
    assert result["failed"] and words in result["msg"]
    assert "sequences" not in result


@pytest.mark.parametrize(
    "options",
    [
        {"connect_params": {"client_encoding": "LATIN1"}},
        {"ssl_mode": "verify-full"},
        {"ca_cert": "/no/such/file", "ssl_mode": "verify-ca"},
    ],
    ids=str,
)
def test_options_that_do_not_matter_here_do_no_harm(trapped: Dsn, options: dict[str, Any]) -> None:
    """The encoding is ours to choose, and libpq speaks no TLS over a socket (manual, 32.19)."""
    result = _run(trapped, "pg_sequence_info", **options, show_all=True)
    assert not result["failed"] and [found["name"] for found in result["sequences"]] == ["a" * 63]


def test_names_that_are_no_text_in_a_database_without_encoding(server: Server) -> None:
    name = f"ascii_{secrets.token_hex(4)}"
    sql(server.dsn(), f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        connection = psycopg2.connect(**server.dsn(name))
        connection.autocommit = True
        connection.set_client_encoding("LATIN1")
        with connection.cursor() as cursor:
            for bytes_as_text in ("\xff\xfe\x80", "caf\xe9", "größe".encode().decode("latin1")):
                cursor.execute(f'CREATE TABLE "{bytes_as_text}" (id serial PRIMARY KEY, "n{bytes_as_text}" serial)')
                cursor.execute(f'INSERT INTO "{bytes_as_text}" VALUES (7, 9)')
        connection.close()
        sql(server.dsn(name), "CREATE TABLE plain (id serial PRIMARY KEY); INSERT INTO plain VALUES (7)")
        assert _run(server.dsn(name), "pg_sequence_info")["summary"]["critical"] == 7
        assert not _run(server.dsn(name), "pg_sequence_info", tables=["€*"])["failed"]
        assert "€" in _run(server.dsn(name), "pg_sequence_info", tables=["€"])["msg"]
        result = _run(server.dsn(name), "pg_sequence_fix", lock_tables=True)
        assert not result["failed"] and len(result["changes"]) == 7
        assert _run(server.dsn(name), "pg_sequence_info")["summary"]["healthy"] == 7
    finally:
        sql(server.dsn(), f"DROP DATABASE {name}")


@pytest.fixture
def secret(server: Server) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Options that lead to the server by password, without it; the role's name and its password."""
    role, password = f"login_{secrets.token_hex(3)}", f"pass{secrets.token_hex(8)}"
    sql(server.dsn(), f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    where = {"login_host": "127.0.0.1", "login_port": server.port, "login_user": role}
    yield where, role, password
    sql(server.dsn(), f"DROP ROLE {role}")


_MISTAKES: dict[str, dict[str, Any]] = {
    "none": {},
    "wrong database": {"login_db": "no such"},
    "wrong port": {"login_port": 1},
    "value out of range": {"lock_timeout": -1},
    "value of a wrong type": {"jobs": "many"},
    "unsupported option": {"login_passwd": "x"},
    "wrong choice": {"ssl_mode": "none"},
    "no such name": {"sequences": ["no such"]},
    "no such role": {"session_role": "no such"},
    "empty pattern": {"tables": [""]},
    "realign": {"mode": "realign"},
}


@pytest.mark.parametrize(
    ("by", "mistake"),
    [pytest.param("connect_params", mistake, id=f"connect_params, {name}") for name, mistake in _MISTAKES.items()]
    + [pytest.param("login_password", _MISTAKES[name], id=name) for name in ("none", "value of a wrong type")],
)
def test_password_is_shown_nowhere(secret: tuple[dict[str, Any], str, str], by: str, mistake: dict[str, Any]) -> None:
    where, _role, password = secret
    given = {by: {"password": password} if by == "connect_params" else password}
    result = run_module("pg_sequence_fix", {**where, **given, **mistake})
    assert result["failed"] == bool(mistake), result
    assert password not in str(result)


@pytest.mark.parametrize("by", ["login_password", "connect_params"])
def test_wrong_password_is_told_but_not_shown(secret: tuple[dict[str, Any], str, str], by: str) -> None:
    where, role, password = secret
    wrong = password[::-1]
    given = {by: {"password": wrong} if by == "connect_params" else wrong}
    result = run_module("pg_sequence_info", {**where, **given})
    assert result["failed"] and role in result["msg"] and "password" in result["msg"]
    assert wrong not in str(result)


@pytest.mark.parametrize("by", ["login_password", "connect_params"])
def test_password_is_in_no_command_line(
    server: Server, database: Dsn, secret: tuple[dict[str, Any], str, str], by: str
) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("command lines are read from /proc")
    where, role, password = secret
    sql(database, f"CREATE TABLE t (id serial PRIMARY KEY); GRANT SELECT ON t, t_id_seq TO {role}")
    given = {by: {"password": password} if by == "connect_params" else password}
    with _holding(database, "LOCK TABLE t IN ACCESS EXCLUSIVE MODE"):
        done = _background(
            lambda: run_module(
                "pg_sequence_info", {**where, **given, "login_db": database["dbname"], "lock_timeout": 1}
            )
        )
        _wait_until_waiting(database)
        shown = _command_lines()
        asked = str(sql(database, "SELECT * FROM pg_stat_activity"))
        assert done()["summary"]["unknown"] == 1
    sql(database, f"DROP OWNED BY {role}")
    assert "pg_sequence_info" in shown and password not in shown + asked


def _command_lines() -> str:
    shown = ""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # A process may have ended meanwhile.
        with contextlib.suppress(OSError):
            shown += path.read_text(errors="replace")
    return shown
