# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a newcomer gets wrong, and the sentence that helps; what was printed is kept in tests/output/terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playbooks.test_terminal import BAD, Terminal, at, rows

from support.run import sql
from support.servers import Server, client_binaries

PASSWORD = "s3cr3t-of-mine"


class Mistake(NamedTuple):
    """A command, and the sentence that has to stand in what it prints.

    Attributes:
        given: variables of the command line, without the prefix.
        host: other variables of the host; None takes one away.
    """

    playbook: str
    given: str
    sentence: str
    host: dict[str, Any] = {}
    more: str = ""


TCP = {"login_host": "127.0.0.1", "login_unix_socket": None}

MISTAKES = {
    "variable": Mistake("fix", "tabel=x", "There is no variable pg_sequences_tabel; did you mean pg_sequences_table?"),
    "prefix": Mistake("fix", "", "did you mean pg_sequences_tables?", more="-e pg_sequence_tables=x"),
    "hosts": Mistake("check", "hosts=db9", "No host of the inventory fits pg_sequences_hosts=db9"),
    "limit": Mistake("check", "", "--limit leaves us with no hosts to target", more="--limit db9"),
    "choice": Mistake("fix", "mode=realing", "is none of: advance, realign (did you mean realign?)"),
    "number": Mistake("check", "login_port=abc", "pg_sequences_login_port=abc is not a whole number"),
    "boolean": Mistake("fix", "lock_tables=perhaps", "pg_sequences_lock_tables is not true or false"),
    "list": Mistake("check", "columns=ticket_seq", "pg_sequences_columns=ticket_seq is not a list of entries"),
    "database": Mistake("check", "database=shopp", 'database "shopp" does not exist. Check the name'),
    "no-database": Mistake("fix", "", "The server has: postgres, {name}", host={"database": None}),
    "table": Mistake("check", "table=nope", 'pg_sequences_tables: "nope" matches nothing in "{name}"'),
    "app": Mistake("check", "app=nope", 'no sequence in "{name}" fits pg_sequences_app=nope'),
    "port": Mistake("check", "login_port=1", "Check that the server runs and that pg_sequences_login_host"),
    "address": Mistake("check", "login_host=no.invalid", "Check pg_sequences_login_host", {"login_unix_socket": None}),
    "role": Mistake("check", "login_user=nobody_here", "Check pg_sequences_login_user; it is case-sensitive"),
    "password": Mistake(
        "check", "login_user={user}", "Check pg_sequences_login_user and pg_sequences_login_password", TCP
    ),
    "rights": Mistake("check", "login_user={user}", "GRANT SELECT ON ALL TABLES IN SCHEMA hidden TO {user};"),
    "driver": Mistake("check", "", "the required Python library (psycopg2)", {"ansible_python_interpreter": "{bare}"}),
    "tls": Mistake("check", "ssl_mode=require", "server does not support SSL, but SSL was required", TCP),
    "certificate": Mistake("check", "ca_cert=/nowhere.pem ssl_mode=verify-full", "/nowhere.pem", TCP),
    "become": Mistake("check", "become_user=nobody_here", "Failed to change ownership of the temporary files"),
    "tags": Mistake("check", "", "--tags nope fits no task of this playbook", more="--tags nope"),
    "skip-tags": Mistake(
        "fix", "", "--skip-tags pg_sequences leaves no task of this playbook", more="--skip-tags pg_sequences"
    ),
    "reset-tags": Mistake("reset", "table=ahead", "--tags check fits no task of this playbook", more="--tags check"),
    "reset-table": Mistake(
        "reset", "table=nope confirm=true", 'pg_sequences_tables: "nope" matches nothing in "{name}"'
    ),
    "odd-name": Mistake("check", "login_user={user}", 'may not read public."Odd Name".id'),
    "socket": Mistake("check", "login_port=1", "failed: No such file or directory. Is the server running locally"),
    "mail": Mistake(
        "check", "mail_to=me@localhost mail_port=1", "No mail was sent by localhost:1: Connection refused."
    ),
    "relative": Mistake("restore_then_fix", "dump=my.dump", "give its whole path: this one is looked for below /"),
    "source": Mistake(
        "cutover",
        "source_login_host=127.0.0.1 source_login_port=1",
        "and that pg_sequences_source_login_host, pg_sequences_source",
    ),
    "monitor-service": Mistake(
        "monitor", "monitor_service=upstart", "pg_sequences_monitor_service=upstart is none of: systemd, cron"
    ),
    "monitor-become": Mistake(
        "monitor", "become_user=postgres", "let it run as that user: pg_sequences_monitor_user=postgres."
    ),
    "dump": Mistake("restore_then_fix", "dump=/nowhere.dump", "there is no dump /nowhere.dump on this host"),
    "no-dump": Mistake("restore_then_fix", "", "Set pg_sequences_database, and either pg_sequences_dump"),
    "text": Mistake("restore_then_fix", "dump={text} bin_dir={tools}", "syntax error"),
    "reset": Mistake("reset", "table=ahead", "next, to do it without being asked: ansible-playbook -i hosts.json"),
    "reset-what": Mistake("reset", "confirm=true", "name it by pg_sequences_table"),
    "folder": Mistake("check", "report_dir=/proc/reports", "cannot write /proc/reports on the controller"),
    "webhook": Mistake("check", "webhook_url=chat.example.com", "pg_sequences_webhook_url must begin with http://"),
    "interval": Mistake("monitor", "monitor_interval=0", "pg_sequences_monitor_interval=0 is not a number of minutes"),
    "file": Mistake(
        "cutover", "reference_file=/nowhere.json", "pg_sequences_reference_file: cannot read /nowhere.json"
    ),
}


@pytest.fixture
def role(server: Server, database: dict[str, str]) -> Any:
    """A role with a password and without rights."""
    name = f"new_{database['dbname']}"
    sql(
        database,
        f"CREATE ROLE {name} LOGIN PASSWORD 'an0ther'; CREATE SCHEMA hidden; CREATE TABLE hidden.t (id serial)",
    )
    yield name
    sql(database, f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_by_a_sentence(
    server: Server, database: dict[str, str], role: str, tmp_path: Path, name: str
) -> None:
    mistake = MISTAKES[name]
    sql(database, BAD)
    (tmp_path / "notes.txt").write_text("not SQL at all\n")
    (tmp_path / "bare").write_text('#!/bin/sh\nexec /usr/bin/env python3 -S "$@"\n')
    (tmp_path / "bare").chmod(0o755)
    known = {
        "user": role,
        "text": str(tmp_path / "notes.txt"),
        "bare": str(tmp_path / "bare"),
        "name": database["dbname"],
        "tools": str(client_binaries(server.version)),
    }
    host = {**at(database, database=database["dbname"], login_password=PASSWORD), **mistake.host}
    plain = {key: str(value).format(**known) for key, value in host.items() if value is not None}
    variables = {key: value for key, value in plain.items() if not key.startswith("ansible_")}
    terminal = Terminal(tmp_path, {"db1": variables})
    given = "".join(f" -e pg_sequences_{each}" for each in mistake.given.format(**known).split())
    interpreter = plain.get("ansible_python_interpreter")
    given += f" -e ansible_python_interpreter={interpreter}" if interpreter else ""
    command = f"ansible-playbook -i hosts.json pgops.sequences.{mistake.playbook}{given} {mistake.more}"
    code, screen = terminal.type(command, keep=f"newcomer-{name}")
    flat = " ".join(screen.split())
    assert code != 0 and mistake.sentence.format(**known) in flat, screen
    for never in ("Traceback", PASSWORD, "an0ther", "NoneType", "KeyError", "Errno", "assertion"):
        assert never not in screen, never
    # Of the play's head, Ansible itself says so, with its lines.
    assert "Origin: " not in screen or mistake.more or name == "hosts", screen
    assert rows(screen, 80) <= 64, screen
