# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each advice of a failed restore is followed, as it is printed, and gets the user on."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fixtures import VERSIONS
from support.restoring import Bench, drop, make_extension
from support.servers import Server


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A server with extensions of its own."""
    folder = tmp_path_factory.mktemp("dumps")
    settings: dict[str, Any] = {"allow_in_place_tablespaces": True} if VERSIONS[-1] >= 15 else {}
    if VERSIONS[-1] >= 18:
        settings["extension_control_path"] = f"$system:{folder}"
        make_extension(folder)
    with Server(VERSIONS[-1], settings=settings) as server:
        yield Bench(server, folder)


needs_extension = pytest.mark.skipif(
    VERSIONS[-1] < 18,
    reason="needs PostgreSQL 18 with its extension_control_path, for an extension outside the server's folders",
)


@pytest.fixture
def role(bench: Bench) -> Iterator[str]:
    """A role that may log in and create databases, and nothing else."""
    name = f"Plain {secrets.token_hex(3)}"
    bench.sql("postgres", f'CREATE ROLE "{name}" LOGIN CREATEDB')
    yield name
    for database in bench.databases() - {"template0", "template1", "postgres"}:
        drop(bench, database)
    bench.sql("postgres", f'DROP ROLE "{name}"')


def _dumps(bench: Bench, schema: str, *arguments: str, kinds: tuple[str, ...] = ("custom", "sql")) -> list[Path]:
    """Dumps of a database that is gone again."""
    source = f"source_{secrets.token_hex(4)}"
    bench.sql("postgres", f"CREATE DATABASE {source}")
    try:
        for statement in schema.split(";;"):
            bench.sql(source, statement)
        return [bench.dump(kind, *arguments, database=source) for kind in kinds]
    finally:
        drop(bench, source)


def _fails(bench: Bench, words: str, **options: Any) -> str:
    """The advice that the failure ends with."""
    result = bench.run(**options)
    assert result["failed"], result
    assert re.search(words, result["msg"]), result["msg"]
    assert "Correct that" not in result["msg"], result["msg"]
    return str(result["msg"])


def _works(bench: Bench, **options: Any) -> None:
    result = bench.run(**options)
    assert result["restored"], result


def _statements(message: str) -> list[str]:
    """The statements of an advice: what stands after ``run:``, up to its last semicolon."""
    assert re.search(r"[Rr]un: ", message), message
    return [part.strip() for part in re.split(r"[Rr]un: ", message, maxsplit=1)[1].rpartition(";")[0].split(";")]


def _sed(message: str, script: Path) -> Path:
    """Run the command that an advice names on the script."""
    command = re.search(r"(sed (?:-E )?'[^']*')", message)
    assert command, message
    edited = script.with_suffix(".edited.sql")
    edited.write_bytes(
        subprocess.run(["/bin/sh", "-c", command[1]], input=script.read_bytes(), check=True, capture_output=True).stdout
    )
    return edited


def _script(folder: Path, text: str) -> Path:
    path = folder / "script.sql"
    path.write_text(text)
    return path


def test_a_script_with_a_transaction_of_its_own(bench: Bench, empty: str, tmp_path: Path) -> None:
    script = _script(tmp_path, "BEGIN;\nCREATE TABLE t (id int);\nCOMMIT;\n")
    message = _fails(bench, "ends the transaction itself", database=empty, dump=script)
    _works(bench, database=empty, dump=_sed(message, script))


def test_a_script_with_commands_of_psql(bench: Bench, empty: str, tmp_path: Path) -> None:
    script = _script(tmp_path, "\\echo hello\nCREATE TABLE t (id int);\n")
    assert "psql_commands: true" in _fails(bench, "there: .echo", database=empty, dump=script)
    _works(bench, database=empty, dump=script, psql_commands=True)


def test_a_dump_of_which_the_first_line_was_taken_out(bench: Bench, empty: str, tmp_path: Path) -> None:
    (dump,) = _dumps(bench, "CREATE TABLE t (id int)", kinds=("sql",))
    text = re.sub(r"(?m)^\\restrict .*\n", "", dump.read_text())
    assert "take that out as well" in _fails(bench, "wrong key", database=empty, dump=_script(tmp_path, text))
    _works(bench, database=empty, dump=_script(tmp_path, re.sub(r"(?m)^\\unrestrict .*\n", "", text)))


def test_rows_that_are_there_already(bench: Bench, empty: str, tmp_path: Path) -> None:
    schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a)"
    archive, script = _dumps(bench, f"{schema}; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)", "--data-only")
    bench.sql(empty, f"{schema}; INSERT INTO a VALUES (1)")
    for statement in _statements(_fails(bench, "duplicate key", database=empty, dump=script)):
        bench.sql(empty, statement)
    _works(bench, database=empty, dump=script)
    assert "clean: true" in _fails(bench, "duplicate key", database=empty, dump=archive, data_only=True)
    _works(bench, database=empty, dump=archive, data_only=True, clean=True)
    assert bench.contents(empty) == {"public.a": 1, "public.b": 1}


def test_the_schema_public_in_a_plain_dump(bench: Bench, empty: str) -> None:
    (script,) = _dumps(bench, "CREATE TABLE t (id int)", "--schema=public", kinds=("sql",))
    for statement in _statements(_fails(bench, "already exists", database=empty, dump=script)):
        bench.sql(empty, statement)
    _works(bench, database=empty, dump=script)


def test_tables_that_are_there_already(bench: Bench, empty: str) -> None:
    archive, script = _dumps(bench, "CREATE TABLE t (id int)")
    bench.sql(empty, "CREATE TABLE t (mine int)")
    assert "--clean --if-exists" in _fails(bench, "already exists", database=empty, dump=script)
    (again,) = _dumps(bench, "CREATE TABLE t (id int)", "--clean", "--if-exists", kinds=("sql",))
    _works(bench, database=empty, dump=again)
    assert "clean: true" in _fails(bench, "already has", database=empty, dump=archive)
    _works(bench, database=empty, dump=archive, clean=True)


def test_a_dump_that_drops_what_is_not_there(bench: Bench, empty: str) -> None:
    schema = "CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE b (id bigint GENERATED ALWAYS AS IDENTITY, a int REFERENCES a)"
    (script,) = _dumps(bench, f"{schema}; INSERT INTO a VALUES (1)", "--clean", kinds=("sql",))
    edited = _sed(_fails(bench, "drops what it creates", database=empty, dump=script), script)
    _works(bench, database=empty, dump=edited)
    assert bench.contents(empty) == {"public.a": 1, "public.b": 0}


def test_roles_that_are_not_there(bench: Bench, target: str) -> None:
    gone = f"gone {secrets.token_hex(3)}"
    bench.sql("postgres", f'CREATE ROLE "{gone}"')
    archive, script = _dumps(bench, f'CREATE TABLE t (id int); ALTER TABLE t OWNER TO "{gone}"')
    bench.sql("postgres", f'DROP ROLE "{gone}"')
    options: dict[str, Any] = {"database": target, "create": True}
    assert "exclude: [owners, privileges]" in _fails(bench, "does not exist", dump=archive, **options)
    _works(bench, dump=archive, **options, exclude=["owners", "privileges"])
    drop(bench, target)
    try:
        for statement in _statements(_fails(bench, "does not exist", dump=script, **options)):
            bench.sql("postgres", statement)
        _works(bench, dump=script, **options)
    finally:
        drop(bench, target)
        bench.sql("postgres", f'DROP ROLE IF EXISTS "{gone}"')


@pytest.mark.skipif(VERSIONS[-1] < 15, reason="needs PostgreSQL 15, for a tablespace without a folder of its own")
def test_a_tablespace_that_is_not_there(bench: Bench, target: str, tmp_path: Path) -> None:
    bench.sql("postgres", "CREATE TABLESPACE fast LOCATION ''")
    try:
        archive, script = _dumps(bench, "CREATE TABLE t (id int) TABLESPACE fast")
        (again,) = _dumps(bench, "CREATE TABLE t (id int) TABLESPACE fast", "--no-tablespaces", kinds=("sql",))
    finally:
        bench.sql("postgres", "DROP TABLESPACE fast")
    options: dict[str, Any] = {"database": target, "create": True}
    assert "exclude: [tablespaces]" in _fails(bench, "tablespace", dump=archive, **options)
    _works(bench, dump=archive, **options, exclude=["tablespaces"])
    drop(bench, target)
    assert "--no-tablespaces" in _fails(bench, "tablespace", dump=script, **options)
    _works(bench, dump=again, **options)


def test_a_setting_that_the_server_does_not_know(bench: Bench, empty: str, tmp_path: Path) -> None:
    script = _script(tmp_path, "SET from_the_future = 0;\nCREATE TABLE t (id int);\n")
    message = _fails(bench, "unrecognized configuration parameter", database=empty, dump=script)
    _works(bench, database=empty, dump=_sed(message, script))


def test_owners_that_the_restoring_role_is_no_member_of(bench: Bench, target: str, role: str) -> None:
    archive, script = _dumps(bench, "CREATE TABLE t (id int)")
    (again,) = _dumps(bench, "CREATE TABLE t (id int)", "--no-owner", kinds=("sql",))
    options: dict[str, Any] = {"database": target, "create": True, "login_user": role}
    assert "exclude: [owners]" in _fails(bench, "SET ROLE|member of role", dump=archive, **options)
    _works(bench, dump=archive, **options, exclude=["owners"])
    drop(bench, target)
    assert "--no-owner" in _fails(bench, "SET ROLE|member of role", dump=script, **options)
    _works(bench, dump=again, **options)


@needs_extension
def test_extensions_and_an_ordinary_role(bench: Bench, empty: str, role: str) -> None:
    schema = "CREATE EXTENSION tiny; COMMENT ON EXTENSION tiny IS 'small'; CREATE TABLE t (id int)"
    archive, script = _dumps(bench, schema, "--no-owner")
    bench.sql(empty, f'GRANT CREATE, USAGE ON SCHEMA public TO "{role}"')
    options: dict[str, Any] = {"database": empty, "login_user": role}
    for statement in _statements(_fails(bench, "permission denied to create extension", dump=script, **options)):
        bench.sql(empty, statement)
    assert "--no-comments" in _fails(bench, "must be owner of extension", dump=script, **options)
    (again,) = _dumps(bench, schema, "--no-owner", "--no-comments", kinds=("sql",))
    _works(bench, dump=again, **options)
    bench.sql(empty, "DROP TABLE t")
    options["exclude"] = ["owners"]
    assert "exclude: [comments]" in _fails(bench, "must be owner of extension", dump=archive, **options)
    options["exclude"] = ["owners", "comments"]
    _works(bench, dump=archive, **options)


@needs_extension
def test_an_extension_that_is_not_installed(bench: Bench, target: str) -> None:
    (archive,) = _dumps(bench, "CREATE EXTENSION tiny; CREATE TABLE t (id int)", kinds=("custom",))
    control = bench.folder / "extension" / "tiny.control"
    control.rename(control.with_suffix(".away"))
    try:
        message = _fails(bench, "not available|could not open", database=target, dump=archive, create=True)
        assert "exclude: [extensions]" in message
        _works(bench, database=target, dump=archive, create=True, exclude=["extensions"])
    finally:
        control.with_suffix(".away").rename(control)


def test_event_triggers_and_publications_of_all_tables(bench: Bench, target: str, role: str) -> None:
    schema = (
        "CREATE TABLE t (id int); CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'"
        ";; CREATE EVENT TRIGGER quiet ON ddl_command_end EXECUTE PROCEDURE f()"
    )
    options: dict[str, Any] = {"database": target, "create": True, "login_user": role}
    (archive,) = _dumps(bench, schema, kinds=("custom",))
    assert "exclude: [event_triggers]" in _fails(bench, "event trigger", dump=archive, **options, exclude=["owners"])
    _works(bench, dump=archive, **options, exclude=["owners", "event_triggers"])
    drop(bench, target)
    schema = "CREATE TABLE t (id int); CREATE PUBLICATION p FOR ALL TABLES"
    archive, script = _dumps(bench, schema, "--no-owner")
    assert "exclude: [publications]" in _fails(bench, "ALL TABLES", dump=archive, **options, exclude=["owners"])
    _works(bench, dump=archive, **options, exclude=["owners", "publications"])
    drop(bench, target)
    assert "--no-publications" in _fails(bench, "ALL TABLES", dump=script, **options)
    (again,) = _dumps(bench, schema, "--no-owner", "--no-publications", kinds=("sql",))
    _works(bench, dump=again, **options)


def test_switches_that_need_a_superuser(bench: Bench, empty: str, target: str, role: str) -> None:
    schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a); INSERT INTO a VALUES (1)"
    archive, script = _dumps(bench, schema, "--data-only", "--disable-triggers")
    (again,) = _dumps(bench, schema, "--data-only", kinds=("sql",))
    bench.sql(
        empty, f'{schema.partition("; INSERT")[0]}; ALTER TABLE a OWNER TO "{role}"; ALTER TABLE b OWNER TO "{role}"'
    )
    options: dict[str, Any] = {"database": empty, "login_user": role}
    more = {"data_only": True, "options": ["--disable-triggers"]}
    assert "leave it out of options" in _fails(bench, "system trigger", dump=archive, **options, **more)
    _works(bench, dump=archive, **options, data_only=True)
    bench.sql(empty, "TRUNCATE a, b")
    assert "without --disable-triggers" in _fails(bench, "system trigger", dump=script, **options)
    _works(bench, dump=again, **options)
    archive, script = _dumps(bench, schema, "--use-set-session-authorization")
    drop(bench, target)
    options = {"database": target, "create": True, "login_user": role}
    bad = {"options": ["--use-set-session-authorization"]}
    assert "out of options" in _fails(bench, "set session authorization", dump=archive, **options, **bad)
    _works(bench, dump=archive, **options, exclude=["owners"])
    drop(bench, target)
    message = _fails(bench, "set session authorization", dump=script, **options)
    assert "without --use-set-session-authorization" in message


def test_privileges_on_schemas_databases_and_tables(bench: Bench, empty: str, role: str) -> None:
    (script,) = _dumps(bench, "CREATE TABLE t (id serial); CREATE SCHEMA app", "--no-owner", kinds=("sql",))
    bench.sql(empty, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    options: dict[str, Any] = {"database": empty, "dump": script, "login_user": role}
    for words in ("permission denied for database", "permission denied for schema"):
        for statement in _statements(_fails(bench, words, **options)):
            bench.sql(empty, statement)
    _works(bench, **options)
    bench.sql(empty, "DROP TABLE t; CREATE TABLE t (id serial)")
    (rows,) = _dumps(bench, "CREATE TABLE t (id serial); INSERT INTO t VALUES (1)", "--data-only", kinds=("sql",))
    for statement in _statements(_fails(bench, "permission denied for table", **{**options, "dump": rows})):
        bench.sql(empty, statement)
    result = bench.run(**{**options, "dump": rows})
    assert result["restored"] and "does not own" in str(result["warnings"]), result


def _restart_with_locks(bench: Bench, number: int) -> None:
    bench.sql("postgres", f"ALTER SYSTEM SET max_locks_per_transaction = {number}")
    bench.server.stop()
    bench.server.start()


def test_too_many_locks(tmp_path: Path) -> None:
    tables = "DO $$ BEGIN FOR n IN 1..3000 LOOP EXECUTE format('CREATE TABLE t%s (id int)', n); IF n % 100 = 0 THEN COMMIT; END IF; END LOOP; END $$"
    settings = {"max_locks_per_transaction": 10, "max_connections": 10}
    with Server(VERSIONS[-1], settings=settings) as server:
        bench = Bench(server, tmp_path)
        bench.sql("postgres", "CREATE DATABASE source")
        bench.sql("source", tables)
        # pg_dump needs them too.
        _restart_with_locks(bench, 500)
        archive, script = bench.dump("custom"), bench.dump("sql")
        _restart_with_locks(bench, 10)
        message = _fails(bench, "shared memory", database="target", dump=archive, create=True)
        assert "jobs: 2" in message
        _works(bench, database="target", dump=archive, create=True, jobs=2)
        drop(bench, "target")
        message = _fails(bench, "shared memory", database="target", dump=script, create=True)
        assert "raise max_locks_per_transaction and restart" in message
        _restart_with_locks(bench, 500)
        _works(bench, database="target", dump=script, create=True)


def test_a_limit_of_connections(bench: Bench, empty: str, role: str) -> None:
    (script,) = _dumps(bench, "CREATE TABLE t (id int)", "--no-owner", kinds=("sql",))
    bench.sql(empty, f'GRANT ALL ON SCHEMA public TO "{role}"; ALTER ROLE "{role}" CONNECTION LIMIT 1')
    options: dict[str, Any] = {"database": empty, "dump": script, "login_user": role}
    message = _fails(bench, "too many connections", **options)
    assert "CONNECTION LIMIT" in message, message
    assert bench.contents(empty) == {}
    bench.sql(empty, f'ALTER ROLE "{role}" CONNECTION LIMIT 3')
    _works(bench, **options)


@pytest.mark.parametrize("how", ["INDEX", "CHECK"])
def test_a_function_that_names_something_without_its_schema(bench: Bench, target: str, how: str) -> None:
    use = {
        "INDEX": "CREATE INDEX i ON t (f(id))",
        "CHECK": "ALTER TABLE t ADD CHECK (f(id) > 0)",
    }[how]
    schema = (
        "CREATE FUNCTION g(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';;"
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE SET search_path = public AS 'BEGIN RETURN g($1); END';;"
        f"CREATE TABLE t (id int); INSERT INTO t VALUES (1); {use};;"
    )
    broken = schema + "ALTER FUNCTION f(int) RESET ALL"
    for dump in _dumps(bench, broken):
        message = _fails(bench, "does not exist", database=target, dump=dump, create=True)
        assert "ALTER FUNCTION ... SET search_path = public" in message
    for dump in _dumps(bench, schema + "ALTER FUNCTION f(int) SET search_path = public"):
        drop(bench, target)
        _works(bench, database=target, dump=dump, create=True)


def test_a_materialized_view_in_a_plain_dump(bench: Bench, target: str) -> None:
    schema = (
        "CREATE TABLE docs (id int); INSERT INTO docs VALUES (1);;"
        "CREATE FUNCTION words() RETURNS bigint LANGUAGE sql STABLE SET search_path = public AS 'SELECT count(*) FROM docs';;"
        "CREATE MATERIALIZED VIEW total AS SELECT words() AS n;;"
    )
    archive, script = _dumps(bench, schema + "ALTER FUNCTION words() RESET search_path")
    message = _fails(bench, "does not exist", database=target, dump=script, create=True)
    assert "exclude: [materialized_view_data]" in message and "SET search_path = public" in message
    _works(bench, database=target, dump=archive, create=True, exclude=["materialized_view_data"])
    bench.sql(target, "ALTER FUNCTION words() SET search_path = public; REFRESH MATERIALIZED VIEW total")
    assert bench.sql(target, "SELECT n FROM total") == [(1,)]
    drop(bench, target)
    (again,) = _dumps(bench, schema + "ALTER FUNCTION words() SET search_path = public", kinds=("sql",))
    _works(bench, database=target, dump=again, create=True)


def test_a_statement_that_no_transaction_takes(bench: Bench, empty: str, tmp_path: Path) -> None:
    script = _script(
        tmp_path,
        "CREATE TABLE items (id serial PRIMARY KEY);\nINSERT INTO items VALUES (1),(2);\nVACUUM ANALYZE items;\n",
    )
    message = _fails(bench, "line 3", database=empty, dump=script)
    assert "Take it out of the script" in message
    _works(bench, database=empty, dump=_script(tmp_path, script.read_text().replace("VACUUM ANALYZE items;", "")))
    bench.sql(empty, "VACUUM ANALYZE items")


def test_a_script_that_makes_its_own_database(bench: Bench, empty: str, tmp_path: Path) -> None:
    script = _script(
        tmp_path,
        "DROP DATABASE IF EXISTS shop_of_theirs;\nCREATE DATABASE shop_of_theirs;\n\\c shop_of_theirs;\nCREATE TABLE t (id int);\n",
    )
    edited = _sed(_fails(bench, "DROP DATABASE cannot run", database=empty, dump=script), script)
    _works(bench, database=empty, dump=edited)
    assert bench.contents(empty) == {"public.t": 0} and "shop_of_theirs" not in bench.databases()


def test_rows_whose_references_are_missing(bench: Bench, empty: str) -> None:
    schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a)"
    rows = "; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)"
    archive, script = _dumps(bench, schema + rows, "--data-only", "--table=b")
    bench.sql(empty, schema)
    options: dict[str, Any] = {"database": empty}
    assert "['--disable-triggers']" in _fails(bench, "foreign key", dump=archive, data_only=True, **options)
    _works(bench, dump=archive, data_only=True, options=["--disable-triggers"], **options)
    bench.sql(empty, "TRUNCATE a, b")
    message = _fails(bench, "foreign key", dump=script, **options)
    assert "connect_params: {options: '-c session_replication_role=replica'}" in message
    _works(bench, dump=script, connect_params={"options": "-c session_replication_role=replica"}, **options)


def test_texts_that_the_encoding_cannot_hold(bench: Bench, target: str) -> None:
    for dump in _dumps(bench, "CREATE TABLE t (t text); INSERT INTO t VALUES ('\u20ac')"):
        options: dict[str, Any] = {"database": target, "dump": dump, "create": True, "locale": "C"}
        message = _fails(bench, "encoding", encoding="LATIN1", **options)
        assert "encoding: UTF8" in message
        _works(bench, encoding="UTF8", **options)
        drop(bench, target)


def test_ids_that_the_column_always_makes(bench: Bench, target: str, tmp_path: Path) -> None:
    schema = "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY)"
    script = _script(tmp_path, f"{schema};\nINSERT INTO t VALUES (7);\n")
    assert "OVERRIDING SYSTEM VALUE" in _fails(bench, "generated|GENERATED", database=target, dump=script, create=True)
    (again,) = _dumps(bench, f"{schema}; INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (7)", "--inserts", kinds=("sql",))
    _works(bench, database=target, dump=again, create=True)


def test_rows_for_tables_that_are_not_there(bench: Bench, empty: str) -> None:
    schema = "CREATE SCHEMA app; CREATE TABLE app.t (id int, more int)"
    archive, script = _dumps(bench, f"{schema}; INSERT INTO app.t VALUES (1, 2)", "--data-only")
    for dump, more in ((archive, {"data_only": True}), (script, {})):
        assert "must be there first" in _fails(bench, "does not exist", database=empty, dump=dump, **more)
    bench.sql(empty, schema)
    _works(bench, database=empty, dump=archive, data_only=True)
    _works(bench, database=empty, dump=script)


def test_tables_that_refer_to_what_is_emptied(bench: Bench, empty: str) -> None:
    schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a); INSERT INTO a VALUES (1)"
    (archive,) = _dumps(bench, schema, "--data-only", kinds=("custom",))
    bench.sql(empty, schema)
    options: dict[str, Any] = {"database": empty, "dump": archive, "data_only": True, "clean": True}
    assert "into tables as well" in _fails(bench, "referenced in a foreign key", tables=["a"], **options)
    _works(bench, tables=["a", "b"], **options)
