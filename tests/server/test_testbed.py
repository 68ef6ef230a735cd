# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test bed holds what the other tests take for granted."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest

from support.run import run_playbook, sql, wait_for_replay
from support.servers import Server


def test_server_is_of_the_version_asked_for(server: Server) -> None:
    ((number,),) = sql(server.dsn(), "SELECT current_setting('server_version_num')::int / 10000")
    assert number == server.version


def test_database_is_new_for_each_test(database: dict[str, str]) -> None:
    assert sql(database, "SELECT relname FROM pg_class WHERE oid >= 16384") == []


def test_tcp_asks_for_the_password_by_scram(server: Server) -> None:
    assert sql(server.dsn(tcp=True), "SELECT inet_server_addr()::text") == [("127.0.0.1/32",)]
    ((verifier,),) = sql(server.dsn(), "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
    assert verifier.startswith("SCRAM-SHA-256$")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        sql(server.dsn(tcp=True, password="wrong"), "SELECT 1")


def test_standby_replays(server: Server, standby: Server, database: dict[str, str]) -> None:
    sql(database, "CREATE TABLE t AS SELECT 42 AS a")
    wait_for_replay(server, standby)
    assert sql(standby.dsn(database["dbname"]), "SELECT pg_is_in_recovery(), a FROM t") == [(True, 42)]


def test_restart_after_a_crash_keeps_data_and_applies_settings() -> None:
    with Server(18, durable=True) as server:
        sql(server.dsn(), "CREATE TABLE t AS SELECT 42 AS a")
        server.settings["work_mem"] = "7MB"
        server.restart("immediate")
        assert sql(server.dsn(), "SELECT a, current_setting('work_mem') FROM t") == [(42, "7MB")]
    assert not server.running and not server.socket_dir.exists()


def test_playbook_runs_on_localhost_with_the_variables(tmp_path: Path) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.assert: {that: [wanted == 7, ansible_check_mode]}\n"
    )
    done = run_playbook(playbook, {"wanted": 7}, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
