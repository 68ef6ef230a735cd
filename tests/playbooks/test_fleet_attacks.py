# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that is said from outside, or left from before, makes a host that burns pass for one that does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from support.run import run_playbook, sql, told


@pytest.fixture
def burning(database: dict[str, str]) -> dict[str, Any]:
    """The variables of a host with a sequence that is behind."""
    sql(database, "CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40)")
    login = {"login_unix_socket": database["host"], "login_port": int(database["port"]), "database": database["dbname"]}
    return {f"pg_sequences_{name}": value for name, value in login.items()}


@pytest.mark.parametrize("extra", ["report=/tmp/x", "result=x", "run=fix", 'result={"run":"check"}'])
def test_no_extra_variable_stands_in_for_what_was_found(
    burning: dict[str, Any], database: dict[str, str], extra: str
) -> None:
    name, _is, value = f"pg_sequences_{extra}".partition("=")
    given = json.dumps({name: json.loads(value) if value[0] == "{" else value})
    done = run_playbook("pgops.sequences.check", burning, "-e", given)
    assert done.returncode == 2 and f"There is no variable {name} to be set from outside" in told(done.stdout)
    assert sql(database, "SELECT last_value FROM orders_id_seq") == [(1,)]


@pytest.mark.parametrize(("serial", "code"), [("abc", 2), ("1", 0), ("50%", 0), ("[1, 2]", 0)])
def test_a_serial_that_is_none_is_said_in_a_sentence(burning: dict[str, Any], serial: str, code: int) -> None:
    given = json.dumps({"pg_sequences_serial": serial, "pg_sequences_fail_on": "never"})
    done = run_playbook("pgops.sequences.check", burning, "-e", given)
    assert done.returncode == code and "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    assert code == 0 or "pg_sequences_serial is abc; it is a number of hosts" in told(done.stdout)


def test_what_an_earlier_run_found_is_no_audit_of_this_one(burning: dict[str, Any], tmp_path: Path) -> None:
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **burning}
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps({"fleet": {"hosts": {"a": local, "b": local}}}))
    play = tmp_path / "play.yml"
    play.write_text(
        """
- import_playbook: pgops.sequences.check
- hosts: fleet
  gather_facts: false
  tasks:
    - ansible.builtin.fail:
      when: inventory_hostname == 'b'
- import_playbook: pgops.sequences.check
"""
    )
    arguments = ["-i", str(hosts), "-e", "pg_sequences_hosts=fleet", "-e", "pg_sequences_fail_on=never"]
    done = run_playbook(play, {}, *arguments)
    assert done.returncode == 2 and done.stdout.count("hosts: 2, audited: 2, not audited: 0") == 1, done.stdout
    assert "not audited b: it was not audited in this run" in done.stdout


def test_a_host_of_which_nothing_was_found_out_fails(burning: dict[str, Any], tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    play.write_text(
        """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: pgops.sequences.pg_sequences, tasks_from: fleet}
      vars: {pg_sequences_run: check}
"""
    )
    done = run_playbook(play, burning)
    assert done.returncode == 2 and "It was not audited in this run." in told(done.stdout), done.stdout
