# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What attacks on the restore have found: hostile files and neighbours, rows twice, cut files, signals."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fixtures import VERSIONS
from support.restoring import Bench, drop, make_extension
from support.servers import Server


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Server(VERSIONS[-1]) as server:
        yield Bench(server, tmp_path_factory.mktemp("dumps"))


def _dump(bench: Bench, schema: str, kind: str = "custom", *arguments: str) -> Path:
    """A dump of a database that is gone again."""
    source = f"source_{secrets.token_hex(4)}"
    bench.sql("postgres", f"CREATE DATABASE {source}")
    try:
        for statement in schema.split(";;"):
            bench.sql(source, statement)
        return bench.dump(kind, *arguments, database=source)
    finally:
        drop(bench, source)


def _script(folder: Path, text: bytes) -> Path:
    path = folder / f"{secrets.token_hex(3)}.sql"
    path.write_bytes(text)
    return path


# Hostile files and neighbours.


@pytest.mark.parametrize("encoding", ["SJIS", "BIG5", "GBK", "GB18030"])
def test_a_character_that_ends_in_a_backslash(bench: Bench, empty: str, tmp_path: Path, encoding: str) -> None:
    mark = tmp_path / "mark"
    for character in (b"\x83\x5c", b"\x81\x30\x41\x5c"):
        text = b"SET client_encoding='%s';\nSELECT 1 AS %s\\unrestrict `touch %s`\n;\n"
        script = _script(tmp_path, text % (encoding.encode(), character, os.fsencode(mark)))
        assert bench.run(database=empty, dump=script)["outcome"] == "rolled back"
        assert not mark.exists()


def test_a_command_at_every_place_of_a_long_line(bench: Bench, empty: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for offset in (0, 5, 6, 11):
        length = (8 << 20) + 16384 - 512 - offset
        script = _script(
            tmp_path, b"SELECT '" + b"x" * (length - 9) + b"'\\unrestrict `touch %s`\n;\n" % os.fsencode(mark)
        )
        assert bench.run(database=empty, dump=script)["outcome"] == "rolled back"
        assert not mark.exists()


def test_functions_of_others_are_not_called_by_the_note(bench: Bench, empty: str, tmp_path: Path) -> None:
    evil = f"evil_{secrets.token_hex(3)}"
    bench.sql("postgres", f"CREATE ROLE {evil}")
    try:
        body = f"'SELECT ''ALTER ROLE {evil} SUPERUSER''::text'"
        for arguments in ("text, name, name, text", "text, text, text, text"):
            bench.sql(empty, f"CREATE FUNCTION public.format({arguments}) RETURNS text LANGUAGE sql AS {body}")
        bench.sql(empty, "CREATE FUNCTION public.txid_current() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'")
        script = _script(
            tmp_path, b"SET search_path = public, pg_catalog;\nCREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\n"
        )
        assert bench.run(database=empty, dump=script)["restored"]
        assert bench.sql("postgres", "SELECT rolsuper FROM pg_roles WHERE rolname = %s", evil) == [(False,)]
        assert bench.run(database=empty, dump=script)["already_restored"]
    finally:
        bench.sql("postgres", f"DROP ROLE {evil}")


def test_text_of_a_comment_is_no_statement(bench: Bench, target: str) -> None:
    live, source = f"live_{secrets.token_hex(3)}", f"source_{secrets.token_hex(3)}"
    for name in (live, source):
        bench.sql("postgres", f"CREATE DATABASE {name}")
    try:
        text = f"To close it:\nALTER DATABASE {live} SET default_transaction_read_only = on;\nand back; ''quoted''."
        bench.sql(source, f"COMMENT ON DATABASE {source} IS E'{text}'; CREATE TABLE t (id int)")
        dump = bench.dump("custom", database=source)
        result = bench.run(database=target, dump=dump, create=True)
        assert result["restored"] and "warnings" not in result, result
        assert bench.sql(live, "SHOW default_transaction_read_only") == [("off",)]
        query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
        assert bench.sql(target, query) == [(text.replace("''", "'"),)]
        drop(bench, target)
        assert bench.run(database=target, dump=dump, create=True, exclude=["comments"])["restored"]
        assert bench.sql(target, query) == [(None,)]
    finally:
        drop(bench, live)
        drop(bench, source)


def test_a_script_that_takes_the_guard_away_is_not_called_rolled_back(bench: Bench, empty: str, tmp_path: Path) -> None:
    bench.sql(empty, "CREATE TABLE live (id int)")
    script = _script(
        tmp_path,
        b"DO $$ DECLARE g text; BEGIN SELECT relname INTO g FROM pg_class WHERE relname LIKE 'restore_guard%' AND relkind = 'r';"
        b" EXECUTE format('PREPARE p AS SELECT %L::text', g); END $$;\nROLLBACK;\nBEGIN READ WRITE;\n"
        b"INSERT INTO live SELECT generate_series(1, 500);\nCOMMIT;\nSELECT 1/0;\n",
    )
    result = bench.run(database=empty, dump=script)
    assert result["outcome"] == "unknown" and "may be there" in result["msg"], result
    assert bench.contents(empty) == {"public.live": 500}


@pytest.mark.parametrize("options", [["-q"], ["-x"], ["--csv"], ["-o", "/tmp/x"], ["-H"], ["--set=ON_ERROR_STOP=0"]])
def test_what_psql_may_not_be_told(bench: Bench, empty: str, tmp_path: Path, options: list[str]) -> None:
    script = _script(tmp_path, b"CREATE TABLE t (id int);\nSELECT 1/0;\n")
    result = bench.run(database=empty, dump=script, options=options)
    assert result["failed"] and bench.contents(empty) == {}
    assert ("variables alone" in result["msg"]) is not options[0].startswith("--set"), result["msg"]


# Rows twice, and rows lost.


def test_two_loads_into_one_table_stay_once_each(bench: Bench, empty: str) -> None:
    schema = "CREATE TABLE t (id int)"
    dumps = [
        _dump(bench, f"{schema}; INSERT INTO t SELECT generate_series(1, {n})", "custom", "--data-only")
        for n in (10, 20)
    ]
    bench.sql(empty, schema)
    for run in range(3):
        for dump in dumps:
            assert bench.run(database=empty, dump=dump, data_only=True)["restored"] is (run == 0)
    assert bench.contents(empty) == {"public.t": 30}


def test_the_same_dump_with_other_options(bench: Bench, empty: str) -> None:
    dump = _dump(bench, "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 10)")
    assert bench.run(database=empty, dump=dump)["restored"]
    for options in ({"data_only": True}, {"data_only": True, "tables": ["t"]}):
        result = bench.run(database=empty, dump=dump, **options)
        assert result["failed"] and "public.t" in result["msg"] and "Nothing was changed" in result["msg"], result
        assert bench.contents(empty) == {"public.t": 10}
    assert bench.run(database=empty, dump=dump, data_only=True, clean=True)["restored"]
    assert bench.contents(empty) == {"public.t": 10}


def test_tables_that_could_not_be_noted(bench: Bench, empty: str) -> None:
    role = f"half {secrets.token_hex(3)}"
    schema = "CREATE TABLE mine (id int); CREATE TABLE theirs (id int)"
    dump = _dump(bench, f"{schema}; INSERT INTO mine VALUES (1); INSERT INTO theirs VALUES (1)")
    bench.sql(empty, schema)
    bench.sql("postgres", f'CREATE ROLE "{role}" LOGIN')
    try:
        bench.sql(
            empty,
            f'ALTER TABLE mine OWNER TO "{role}"; GRANT ALL ON theirs TO "{role}"; GRANT ALL ON SCHEMA public TO "{role}"',
        )
        options: dict[str, Any] = {"database": empty, "dump": dump, "data_only": True, "login_user": role}
        first = bench.run(**options)
        assert first["restored"] and "cannot be noted for 1 table" in str(first["warnings"]), first
        bench.sql(empty, "TRUNCATE mine")
        again = bench.run(**options)
        assert again["failed"] and "could not be noted" in again["msg"] and "force: true" in again["msg"], again
        assert bench.contents(empty) == {"public.mine": 0, "public.theirs": 1}
    finally:
        drop(bench, empty)
        bench.sql("postgres", f'DROP ROLE "{role}"')


def test_several_jobs_load_rows_into_empty_tables_only(bench: Bench, empty: str) -> None:
    schema = "CREATE TABLE t (id int PRIMARY KEY)"
    dump = _dump(bench, f"{schema}; INSERT INTO t VALUES (1), (2)")
    bench.sql(empty, f"{schema}; INSERT INTO t SELECT generate_series(100, 600)")
    result = bench.run(database=empty, dump=dump, data_only=True, jobs=2)
    assert result["failed"] and "public.t" in result["msg"] and "jobs: 1" in result["msg"], result
    assert bench.contents(empty) == {"public.t": 501}
    assert bench.run(database=empty, dump=dump, data_only=True)["restored"]


@pytest.mark.skipif(
    VERSIONS[-1] < 18,
    reason="needs PostgreSQL 18 with its extension_control_path, for an extension outside the server's folders",
)
def test_an_extensions_own_rows_are_not_emptied(tmp_path: Path) -> None:
    make_extension(tmp_path)
    with Server(VERSIONS[-1], settings={"extension_control_path": f"$system:{tmp_path}"}) as server:
        bench = Bench(server, tmp_path)
        bench.sql("postgres", "CREATE DATABASE source")
        bench.sql(
            "source",
            "CREATE EXTENSION geo; INSERT INTO spatial_ref_sys VALUES (900914, 'own'); CREATE TABLE t (id int)",
        )
        dump = bench.dump("custom")
        assert bench.run(database="target", dump=dump, create=True)["restored"]
        assert bench.run(database="target", dump=dump, data_only=True, clean=True, force=True)["restored"]
        assert bench.sql("target", "SELECT srid FROM spatial_ref_sys ORDER BY 1") == [(4326,), (900914,)]


def test_a_section_of_rows_does_not_set_sequences_back(bench: Bench, empty: str) -> None:
    schema = "CREATE TABLE t (id serial)"
    dump = _dump(bench, f"{schema}; INSERT INTO t DEFAULT VALUES")
    bench.sql(empty, f"{schema}; SELECT setval('t_id_seq', 1001)")
    assert bench.run(database=empty, dump=dump, options=["--section=data"])["restored"]
    assert bench.sql(empty, "SELECT last_value FROM t_id_seq") == [(1001,)]


def test_a_script_that_sets_sequences_back_is_told(bench: Bench, empty: str, tmp_path: Path) -> None:
    bench.sql(empty, "CREATE SEQUENCE s; SELECT setval('s', 1001)")
    result = bench.run(
        database=empty, dump=_script(tmp_path, b"CREATE TABLE t (id int);\nSELECT setval('public.s', 5);\n")
    )
    assert result["restored"] and "set 1 sequence back" in str(result["warnings"]), result
    assert bench.sql(empty, "SELECT last_value FROM s") == [(1001,)]


# Good files of odd kinds, and cut ones.


def test_statements_before_a_dump_and_schemas_with_blanks(
    bench: Bench, empty: str, target: str, tmp_path: Path
) -> None:
    plain = _dump(bench, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)", "sql")
    script = _script(tmp_path, b"SET session_replication_role = replica;\n" + plain.read_bytes())
    assert bench.run(database=empty, dump=script)["restored"]
    archive = _dump(bench, 'CREATE SCHEMA "sales 2024"; CREATE SCHEMA sales; CREATE TABLE "sales 2024".t (id int)')
    drop(bench, target)
    bench.sql("postgres", f"CREATE DATABASE {target}")
    bench.sql(target, "CREATE SCHEMA sales")
    assert bench.run(database=target, dump=archive)["restored"]
    drop(bench, target)
    bench.sql("postgres", f"CREATE DATABASE {target}")
    bench.sql(target, 'CREATE SCHEMA "sales 2024"')
    assert bench.run(database=target, dump=archive)["restored"]


def test_names_and_owners_with_blanks_cost_no_call_each(bench: Bench, target: str) -> None:
    owner = f"app owner {secrets.token_hex(3)}"
    bench.sql("postgres", f'CREATE ROLE "{owner}"')
    try:
        tables = "DO $$ BEGIN FOR n IN 1..300 LOOP EXECUTE format('CREATE TABLE %I (id serial)', 'my table ' || n); END LOOP; END $$"
        owned = (
            "DO $$ DECLARE r record; BEGIN FOR r IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'my table%'"
            f" LOOP EXECUTE format('ALTER TABLE %I OWNER TO %I', r.relname, '{owner}'); END LOOP; END $$"
        )
        dump = _dump(bench, f"{tables};;{owned}")
        began = time.monotonic()
        assert bench.run(database=target, dump=dump, create=True)["restored"]
        first = time.monotonic() - began
        assert bench.run(database=target, dump=dump)["already_restored"]
        refused = bench.run(database=target, dump=dump, force=True)
        assert "my table 1" in refused["msg"] and first < 120, refused
        result = bench.run(database=target, dump=dump, data_only=True, clean=True, tables=["my table 1?"])
        assert result["restored"] and result["tables_total"] == 10, result
    finally:
        drop(bench, target)
        bench.sql("postgres", f'DROP ROLE "{owner}"')


@pytest.mark.parametrize("kind", ["custom", "gz", "sql"])
def test_check_mode_sees_a_cut(bench: Bench, empty: str, tmp_path: Path, kind: str) -> None:
    whole = _dump(
        bench,
        "CREATE TABLE t (id int, x text); INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 5000) n",
        kind,
    )
    data = whole.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(data[: len(data) * 3 // 4])
    for check in (True, False):
        result = bench.run(check=check, database=empty, dump=cut)
        assert result["failed"] and "cut off" in result["msg"], (check, result)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_directory_of_inserts_that_lost_rows(bench: Bench, empty: str, tmp_path: Path, compression: str) -> None:
    whole = _dump(
        bench,
        "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 500)",
        "directory",
        "--inserts",
        f"--compress={compression}",
    )
    cut = Path(shutil.copytree(whole, tmp_path / "cut"))
    (data,) = [path for path in cut.iterdir() if path.name != "toc.dat"]
    text = data.read_bytes()
    for part in (b"", text[: text.rfind(b";", 0, len(text) // 2) + 1] if compression == "none" else b""):
        data.write_bytes(part)
        result = bench.run(database=empty, dump=cut)
        assert result["failed"] and "cut off" in result["msg"], result
        assert bench.contents(empty) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_password_stays_on_disk(bench: Bench, empty: str, tmp_path: Path, number: signal.Signals) -> None:
    role, password = f"r{secrets.token_hex(4)}", secrets.token_hex(12)
    bench.sql("postgres", f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD %s", password)
    script = _script(tmp_path, b"CREATE TABLE t (id int);\nSELECT pg_sleep(20);\n")
    ended: list[str] = []

    def run() -> None:
        try:
            bench.run(
                database=empty,
                dump=script,
                login_host="127.0.0.1",
                login_user=role,
                login_password=password,
                login_unix_socket="",
            )
        except AssertionError as error:
            ended.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not bench.sql(
            "postgres", "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND query ~ 'pg_sleep'", empty
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                text = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
                if (
                    f"PGOPS_RUN={empty}".encode() in text
                    and b"python" in (folder / "cmdline").read_bytes().split(b"\0")[0]
                ):
                    os.kill(int(folder.name), number)
            except OSError:
                continue
    finally:
        bench.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", empty)
        thread.join()
        bench.sql("postgres", f"DROP ROLE {role}")
    found = subprocess.run(
        ["grep", "-rls", password, *Path(tempfile.gettempdir()).glob("pgops-*")], check=False, capture_output=True
    )
    assert not found.stdout, found.stdout
    assert bench.contents(empty) == {}
