# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees on a terminal of 80 and of 120 columns; what was printed is kept in tests/output/terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from support.run import run_playbook, sql
from support.servers import Server, client_binaries
from support.toolchain import link_tree

OUTPUT = Path(__file__).resolve().parents[1] / "output" / "terminal"

GOOD = "CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE b (id serial PRIMARY KEY); INSERT INTO a DEFAULT VALUES;"
BAD = """
CREATE TABLE "Odd Name" (id serial PRIMARY KEY); INSERT INTO "Odd Name" VALUES (9);
CREATE TABLE "order" (id serial PRIMARY KEY); INSERT INTO "order" VALUES (40);
CREATE TABLE tickets (id smallserial PRIMARY KEY); INSERT INTO tickets VALUES (32767);
SELECT setval('tickets_id_seq', 32760);
CREATE TABLE ahead (id serial PRIMARY KEY); INSERT INTO ahead VALUES (1); SELECT setval('ahead_id_seq', 100000);
"""


WIDENED = (
    r"^    ALTER TABLE public\.tickets ALTER COLUMN id TYPE bigint /\* rewrites the table, \d+ kB with its indexes, and locks it"
    r" meanwhile \*/;"
)


class Terminal:
    """A terminal in a folder of its own, in which somebody types commands.

    Args:
        folder: holds the inventory, ``hosts.json``.
        hosts: the hosts' variables, without the prefix.
    """

    def __init__(self, folder: Path, hosts: dict[str, dict[str, Any]]) -> None:
        self._folder = folder
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        named = {
            name: {**local, **{f"pg_sequences_{key}": value for key, value in variables.items()}}
            for name, variables in hosts.items()
        }
        (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": named}}))
        (folder / "ansible.cfg").touch()

    def type(
        self, command: str, columns: int = 80, keep: str | None = None, env: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Run a command.

        Args:
            keep: by what name to keep what was printed.

        Returns:
            Its exit code, and what stood on the screen.
        """
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        words = shlex.split(command)
        foreign = ("PG", "ANSIBLE_", "PYTHONPATH", "LC_", "LANG")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        with subprocess.Popen(
            [str(Path(sys.executable).with_name(words[0])), *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
            cwd=self._folder,
            env={
                **kept,
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_COLLECTIONS_PATH": str(link_tree()),
                "ANSIBLE_HOME": str(self._folder),
                "ANSIBLE_NOCOLOR": "1",
                **(env or {}),
            },
        ) as running:
            os.close(slave)
            data = b""
            try:
                while part := os.read(master, 65536):
                    data += part
            except OSError:
                # The other end is closed.
                pass
        os.close(master)
        screen = data.decode().replace("\r\n", "\n")
        if keep:
            OUTPUT.mkdir(parents=True, exist_ok=True)
            (OUTPUT / f"{keep}-{columns}.txt").write_text(f"$ {command}\n{screen}")
        return running.returncode, screen


def at(place: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"login_unix_socket": place["host"], "login_port": int(place["port"]), **more}


def line(screen: str, begin: str) -> str:
    """The one line that begins so."""
    (found,) = [each for each in screen.splitlines() if each.startswith(begin)]
    return found


def rows(screen: str, columns: int) -> int:
    """How many rows of a terminal it takes."""
    return sum(max(1, -(-len(each.rstrip()) // columns)) for each in screen.strip().splitlines())


def test_a_check_of_one_healthy_host_fits_on_one_screen(database: dict[str, str], tmp_path: Path) -> None:
    sql(database, GOOD)
    terminal = Terminal(tmp_path, {"db1": at(database, database=database["dbname"])})
    code, screen = terminal.type("ansible-playbook -i hosts.json pgops.sequences.check", keep="check-good")
    assert code == 0 and rows(screen, 80) <= 23, screen
    assert line(screen, "verdict: ") == "verdict: 2 sequences looked at, all in order"
    code, screen = terminal.type("ansible-playbook -i hosts.json pgops.sequences.check -v", keep="check-good-v")
    assert code == 0 and f"db1 {database['dbname']} public.a_id_seq: healthy, next value 2" in screen, screen
    assert re.search(r"^db1: 2 sequences in \d+\.\d s$", screen, re.M) and "ok: [db1] => {" not in screen, screen
    # Looked at in passing, they are no findings.
    assert "healthy " + database["dbname"] not in screen


@pytest.mark.parametrize("columns", [80, 120])
def test_findings_are_whole_lines_and_the_next_command_can_be_pasted(
    database: dict[str, str], tmp_path: Path, columns: int
) -> None:
    sql(database, BAD)
    terminal = Terminal(tmp_path, {"db1": at(database), "db2": at(database, tables=["ahead"])})
    check = f"ansible-playbook -i hosts.json pgops.sequences.check -e pg_sequences_databases={database['dbname']}"
    for env in ({}, {"ANSIBLE_DISPLAY_OK_HOSTS": "0"}):
        code, screen = terminal.type(check, columns, "check-bad", env)
        assert code == 2, screen
        assert "setval(" not in screen, "a statement that grows old"
        assert len(re.findall(WIDENED, screen, re.M)) == 1, screen
        assert line(screen, f"critical db1 {database['dbname']} public.order_id_seq").endswith(
            '"order".id already goes up to 40'
        ), screen
        assert screen.index("critical db1") < screen.index("warning db1") < screen.index("verdict: ")
        assert 'FAILED! => {"changed": false, "msg": "3 critical, 1 warning: see the verdict above"}' in screen
        assert "verdict: 3 critical, 2 warning of 5 sequences\n" in screen
    command = line(screen, "next, to repair: ").partition(": ")[2]
    assert "--limit db1 " in command
    code, screen = terminal.type(f"{command} --check", columns, "fix-check")
    assert "verdict: 2 sequences would be repaired" in screen, screen
    code, screen = terminal.type(command, columns, "fix-bad")
    assert code == 2 and "verdict: 2 sequences repaired; 1 sequence left, with its remedy\n" in screen
    assert re.search(WIDENED, screen, re.M), screen
    assert sql(database, 'SELECT last_value FROM "order_id_seq"') == [(40,)]


def test_what_a_machine_reads_stays_json(database: dict[str, str], tmp_path: Path) -> None:
    sql(database, BAD)
    (tmp_path / "callback_plugins").mkdir()
    (tmp_path / "callback_plugins" / "plain_json.py").write_text(
        "import json\n"
        "from ansible.plugins.callback import CallbackBase\n"
        "class CallbackModule(CallbackBase):\n"
        "    CALLBACK_VERSION = 2.0\n    CALLBACK_TYPE = 'stdout'\n    CALLBACK_NAME = 'plain_json'\n"
        "    def v2_runner_on_failed(self, result, ignore_errors=False):\n"
        "        print(json.dumps({'msg': result._result['msg']}))\n"
    )
    env = {"ANSIBLE_STDOUT_CALLBACK": "plain_json", "ANSIBLE_CALLBACK_PLUGINS": str(tmp_path / "callback_plugins")}
    terminal = Terminal(tmp_path, {"db1": at(database, database=database["dbname"])})
    for more, words in (("", "3 critical"), (" -e pg_sequences_fail_on=x", "pg_sequences_fail_on=x is none of: ")):
        _code, screen = terminal.type(f"ansible-playbook -i hosts.json pgops.sequences.check{more}", env=env)
        found = [each for each in screen.splitlines() if each.startswith("{")]
        assert words in json.loads(found[-1])["msg"] and "verdict" not in screen, screen


def test_a_restore_says_what_failed_what_is_left_and_what_helps_in_lines_of_their_own(
    server: Server, database: dict[str, str], tmp_path: Path
) -> None:
    sql(database, BAD.replace("tickets", "t"))
    dump, tools = tmp_path / "shop.dump", client_binaries(server.version)
    login = ["-h", database["host"], "-p", str(database["port"]), "-U", "postgres"]
    subprocess.run([str(tools / "pg_dump"), "-Fc", f"--file={dump}", *login, database["dbname"]], check=True)
    new = f"{database['dbname']}_new"
    more = {"dump": str(dump), "bin_dir": str(tools), "tables": ["!t"]}
    terminal = Terminal(tmp_path, {"db1": at(database, **more)})
    command = f"ansible-playbook -i hosts.json pgops.sequences.restore_then_fix -e pg_sequences_database={new}"
    try:
        code, screen = terminal.type(command, keep="restore-missing")
        assert code == 2, screen
        assert line(screen, "not restored db1: ").startswith(f'not restored db1: there is no database "{new}"')
        helps = line(screen, "    Set pg_sequences_restore_create=true to have it created")
        assert "    Nothing was changed.\n" in screen and "create: true" not in screen and helps
        assert 'FAILED! => {"changed": false, "msg": "not restored: see the verdict above"}' in screen
        code, screen = terminal.type(f"{command} -e pg_sequences_restore_create=true", keep="restore")
        assert code == 0 and "verdict: 1 database restored; " in screen and "tables with" in screen, screen
        assert line(screen, "next, to look again: ").endswith(
            f"pgops.sequences.check --limit db1 -e pg_sequences_database={new}"
        )
    finally:
        sql(server.dsn(), f"DROP DATABASE IF EXISTS {new}")


MISTAKES = {
    "pg_sequences_mode=realing": "pg_sequences_mode=realing is none of: advance, realign (did you mean realign?)",
    "pg_sequences_gap_threshold=many": "pg_sequences_gap_threshold=many is not a whole number",
    "pg_sequences_report_formats=html,pdf": "pg_sequences_report_formats=pdf is none of: csv, html, json, prometheus",
    "pg_sequences_tabel=x": "There is no variable pg_sequences_tabel; did you mean pg_sequences_table?",
    "pg_sequences_lock_tables=perhaps": "pg_sequences_lock_tables is not true or false",
    "pg_sequences_mode=realign": "pg_sequences_mode=realign may move sequences backward.",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line(database: dict[str, str], tmp_path: Path, mistake: str) -> None:
    terminal = Terminal(tmp_path, {"db1": at(database, database=database["dbname"])})
    code, screen = terminal.type(
        f"ansible-playbook -i hosts.json pgops.sequences.fix -e {mistake}", keep=f"mistake-{mistake.partition('_')[2]}"
    )
    assert code == 2 and line(screen, "db1: ").startswith(f"db1: {MISTAKES[mistake]}"), screen
    assert "Nothing was done; what is wrong stands above" in screen and rows(screen, 80) <= 23, screen


def test_a_password_that_is_part_of_a_name_is_noticed(database: dict[str, str]) -> None:
    sql(database, "CREATE TABLE orders (id serial); INSERT INTO orders VALUES (4)")
    variables = {f"pg_sequences_{key}": value for key, value in at(database, database=database["dbname"]).items()}
    done = run_playbook("pgops.sequences.check", {**variables, "pg_sequences_login_password": "orders"})
    assert done.returncode == 2 and "\nmasked localhost: a password is part of a name here" in done.stdout, done.stdout
    done = run_playbook("pgops.sequences.check", {**variables, "pg_sequences_login_password": "something else"})
    assert "masked" not in done.stdout


def test_a_password_of_the_command_line_is_not_in_the_next_command(database: dict[str, str], tmp_path: Path) -> None:
    sql(database, BAD)
    terminal = Terminal(tmp_path, {"db1": at(database, database=database["dbname"])})
    secrets = """-e pg_sequences_login_password=s3cr3t -e '{"pg_sequences_mail_password": "s3cr3t", "pg_sequences_jobs": 2}'"""
    _code, screen = terminal.type(f"ansible-playbook -i hosts.json pgops.sequences.check {secrets}")
    assert "s3cr3t" not in screen and "-e pg_sequences_jobs=2" in line(screen, "next, to repair: "), screen
