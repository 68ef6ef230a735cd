# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PostgreSQL 19 changes under an audit, a repair and a restore; its subscriptions are in test_synchronization.py."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.run import run_module, sql
from support.servers import Server, client_binaries


@pytest.fixture(scope="module")
def next_server(candidate: int) -> Iterator[Server]:
    with Server(candidate) as running:
        yield running


def options(server: Server, **more: Any) -> dict[str, Any]:
    where = {"login_unix_socket": str(server.socket_dir), "login_port": server.port}
    return {**where, "bin_dir": str(client_binaries(server.version)), **more}


def restore(server: Server, check: bool = False, **more: Any) -> dict[str, Any]:
    return run_module("pg_sequence_restore", options(server, **more), check=check)


def dump(server: Server, database: str, path: Path, *arguments: str) -> Path:
    login = ["-h", str(server.socket_dir), "-p", str(server.port), "-U", "postgres", f"--file={path}"]
    subprocess.run([str(client_binaries(server.version) / "pg_dump"), *login, *arguments, database], check=True)
    return path


def test_the_version_is_told_as_its_programs_tell_it(next_server: Server, tmp_path: Path) -> None:
    said = sql(next_server.dsn(), "SHOW server_version")[0][0].partition(" ")[0]
    sql(next_server.dsn(), "CREATE DATABASE versions")
    sql(next_server.dsn("versions"), "CREATE TABLE t (id serial)")
    for number, arguments in enumerate((["-Fc"], ["-Fp"])):
        path = dump(next_server, "versions", tmp_path / f"dump{number}", *arguments)
        done = restore(next_server, database=f"versions_{number}", create=True, dump=str(path))
        assert not done["failed"], done
        assert (done["dump_version"], done["dump_server_version"], done["tool_version"]) == (said, said, said)


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_texts_in_the_old_form_are_refused_with_what_helps(next_server: Server, tmp_path: Path, form: str) -> None:
    with Server(18) as old:
        sql(old.dsn(), "CREATE DATABASE texts; ".strip("; "))
        sql(old.dsn(), "ALTER DATABASE texts SET standard_conforming_strings = off")
        sql(
            old.dsn("texts"),
            "CREATE TABLE t (id serial, note text DEFAULT 'a\\\\b'); INSERT INTO t (note) VALUES ('c\\\\d')",
        )
        path = dump(old, "texts", tmp_path / "old", f"--format={form}")
        newer = tmp_path / "new"
        login = ["-h", str(old.socket_dir), "-p", str(old.port), "-U", "postgres", f"--file={newer}"]
        program = client_binaries(next_server.version) / "pg_dump"
        subprocess.run([str(program), *login, f"--format={form}", "texts"], check=True)
    done = restore(next_server, database=f"texts_{form}", create=True, dump=str(path))
    assert done["failed"] and "version 19" in done["msg"].replace("pg_dump 19", "version 19"), done
    assert sql(next_server.dsn(), "SELECT count(*) FROM pg_database WHERE datname LIKE 'texts%'") == [(0,)]
    # As it is advised.
    done = restore(next_server, database=f"texts_{form}", create=True, dump=str(newer))
    assert not done["failed"], done
    assert sql(next_server.dsn(f"texts_{form}"), "SELECT note FROM t") == [("c\\d",)]
    sql(next_server.dsn(), f"DROP DATABASE texts_{form}")


def test_the_warning_of_an_md5_password_stands_in_no_message(next_server: Server, tmp_path: Path) -> None:
    secret = "md5" + hashlib.md5(b"secretold").hexdigest()
    sql(next_server.dsn(), f"CREATE ROLE old LOGIN CREATEDB PASSWORD '{secret}'")
    sql(next_server.dsn(), "CREATE DATABASE md5 OWNER old")
    rules = (next_server.data_dir / "pg_hba.conf").read_text()
    next_server.put("pg_hba.conf", f"host all old 127.0.0.1/32 md5\n{rules}")
    next_server.reload()
    program = client_binaries(next_server.version) / "psql"
    login = [str(program), "-h", "127.0.0.1", "-p", str(next_server.port), "-U", "old", "-d", "md5", "-c", "SELECT 1"]
    warned = subprocess.run(login, env={"PGPASSWORD": "secret"}, capture_output=True, text=True, check=True)
    assert "MD5" in warned.stderr
    (tmp_path / "dump.sql").write_text(
        "-- PostgreSQL database dump\n\nCREATE TABLE t (id serial);\nSELECT 1/0;\n\n-- PostgreSQL database dump complete\n"
    )
    given = {"login_host": "127.0.0.1", "login_user": "old", "login_password": "secret", "login_unix_socket": None}
    given = {name: value for name, value in options(next_server, **given).items() if value is not None}
    for module, more in (
        ("pg_sequence_info", {"login_db": "md5"}),
        ("pg_sequence_info", {"login_db": "not there"}),
        ("pg_sequence_restore", {"database": "md5", "dump": str(tmp_path / "dump.sql")}),
        ("pg_sequence_restore", {"database": "md5", "command": " ".join(login).replace("SELECT 1", "'SELECT 1/0'")}),
    ):
        asked = {k: v for k, v in given.items() if k != "bin_dir" or module == "pg_sequence_restore"}
        done = run_module(module, {**asked, **more}, env={"PGPASSWORD": "secret"})
        if "command" in more:
            # What one's own command says is shown as it is, the error and no warning as why it failed.
            assert done["failed"] and "division by zero" in done["msg"], done
            continue
        assert done["failed"] == (more != {"login_db": "md5"}), done
        assert "MD5" not in str(done.get("msg")) + str(done.get("warnings")), done
        if "dump" in more:
            assert "failed (line 4): division by zero" in done["msg"], done


def test_an_ordinary_dump_of_18_goes_into_19(next_server: Server, tmp_path: Path) -> None:
    with Server(18) as old:
        sql(old.dsn(), "CREATE DATABASE shop")
        sql(old.dsn("shop"), "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 30)")
        path = dump(old, "shop", tmp_path / "shop", "-Fd", "-j2")
    done = restore(next_server, database="from_18", create=True, dump=str(path), jobs=2)
    assert not done["failed"] and done["restored"], done
    login = {name: value for name, value in options(next_server, login_db="from_18").items() if name != "bin_dir"}
    fixed = run_module("pg_sequence_fix", login)
    assert [change["after"]["next_value"] for change in fixed["changes"]] == [31]
    assert fixed["databases"][0]["server_version"].startswith("19")
