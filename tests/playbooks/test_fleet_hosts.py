# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every host is looked at, judged and told of, whatever the strategy, and whatever is wrong with the first of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.receivers import web_server
from support.run import run_playbook, sql, told

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@pytest.fixture
def shop(database: dict[str, str]) -> dict[str, Any]:
    """The variables of a host with a sequence that is behind, and a table in order."""
    sql(database, "CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40)")
    sql(database, "CREATE TABLE empty (id serial PRIMARY KEY)")
    login = {"login_unix_socket": database["host"], "login_port": int(database["port"]), "database": database["dbname"]}
    return {**LOCAL, **{f"pg_sequences_{name}": value for name, value in login.items()}}


def inventory(place: Path, hosts: dict[str, dict[str, Any]], **group: Any) -> list[str]:
    """The command line's part about hosts."""
    variables = {f"pg_sequences_{name}": value for name, value in group.items()}
    place.write_text(json.dumps({"fleet": {"hosts": hosts, "vars": variables}}))
    return ["-i", str(place), "-e", "pg_sequences_hosts=fleet"]


def failed(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {host for host, number in re.findall(r"^(\S+) +: .*failed=(\d)", done.stdout, re.M) if number != "0"}


OWN_PLAY = """
- hosts: fleet
  gather_facts: false
  tasks:
    - ansible.builtin.{how}_role: {{name: pgops.sequences.pg_sequences, tasks_from: check}}
"""

STRATEGIES = {
    "mine": True,
    "ansible.builtin.linear": True,
    "ansible.builtin.free": False,
    "ansible.builtin.host_pinned": False,
}
"""Whether all hosts go through a task together."""


@pytest.mark.parametrize("how", ["import", "include"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_host_is_judged_by_any_strategy(shop: dict[str, Any], tmp_path: Path, strategy: str, how: str) -> None:
    (tmp_path / "mine.py").write_text(
        "from ansible.plugins.strategy.linear import StrategyModule as Linear\n\n\nclass StrategyModule(Linear):\n    pass\n"
    )
    play = tmp_path / "play.yml"
    play.write_text(OWN_PLAY.format(how=how))
    hosts = {"calm": {**shop, "pg_sequences_table": "empty"}, "burning": shop, "down": {**shop}}
    hosts["down"]["pg_sequences_login_unix_socket"] = "/no/such/folder"
    env = {"ANSIBLE_STRATEGY": strategy, "ANSIBLE_STRATEGY_PLUGINS": str(tmp_path)}
    arguments = inventory(tmp_path / "hosts.json", hosts, report_dir=f"{tmp_path}/reports")
    done = run_playbook(play, {}, *arguments, env=env)
    assert (done.returncode, failed(done)) == (2, {"burning", "down"}), done.stdout + done.stderr
    reports = [json.loads(path.read_text()) for path in (tmp_path / "reports").glob("2*/report.json")]
    names = [host["name"] for report in reports for host in report["hosts"]]
    assert sorted(names) == ["burning", "calm", "down"], done.stdout
    assert "It was not audited in this run" not in done.stdout
    if STRATEGIES[strategy]:
        assert len(reports) == 1 and done.stdout.count("\nverdict: ") == 1


BROKEN = {
    "a setting": {"pg_sequences_login_host": "{{ nope }}"},
    "a folder": {"pg_sequences_report_dir": "{{ nope }}"},
    "become_user": {"pg_sequences_become_user": "{{ nope }}"},
    "address": {"ansible_host": "{{ nope }}"},
    "port": {"ansible_port": "{{ nope }}"},
    "connection": {"ansible_connection": "{{ nope }}"},
    "become": {"ansible_become": True, "ansible_become_password": "{{ nope }}"},
    "folder there": {"ansible_remote_tmp": "{{ nope }}"},
    "interpreter": {"ansible_python_interpreter": "/no/such/python"},
    "interpreter's template": {"ansible_python_interpreter": "{{ nope }}"},
    "unreachable": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_first_host_that_is_broken_keeps_no_other_from_being_told_of(
    shop: dict[str, Any], tmp_path: Path, what: str
) -> None:
    with web_server() as hook:
        # The second host's name is the controller's: it may be the one that is broken.
        hosts = {
            "localhost": {**shop, **BROKEN[what]},
            "burning": shop,
            "calm": {**shop, "pg_sequences_table": "empty"},
        }
        group = {"webhook_url": hook.url, "alert_state": f"{tmp_path}/alerts.json", "report_dir": f"{tmp_path}/reports"}
        arguments = inventory(tmp_path / "hosts.json", hosts, **group)
        done = run_playbook("pgops.sequences.check", {}, *arguments)
        assert (done.returncode, failed(done)) == (2, {"localhost", "burning"}), done.stdout + done.stderr
        assert "\nnot audited localhost: " in done.stdout and "Traceback" not in done.stdout + done.stderr
        assert "hosts: 3, audited: 2, not audited: 1" in done.stdout
        (body,) = hook.bodies
        assert {(each["host"], each["what"]) for each in body["new"]} == {
            ("localhost", "not audited"),
            ("burning", "critical"),
        }
    report = json.loads((tmp_path / "reports/latest/report.json").read_text())
    names = {"burning", "calm"} if what == "a folder" else {"localhost", "burning", "calm"}
    assert {host["name"] for host in report["hosts"]} == names


def test_how_hosts_are_reached_may_be_a_template_of_all(shop: dict[str, Any], tmp_path: Path) -> None:
    reach = {name: f"{{{{ my_{name} }}}}" for name in ("host", "port", "user", "connection", "become", "remote_tmp")}
    mine = {"my_host": "localhost", "my_port": 22, "my_user": "", "my_connection": "local", "my_become": False}
    hosts = {name: {**mine, "my_remote_tmp": str(tmp_path), "my_name": name} for name in ("controller", "b")}
    shared = {**shop, **{f"ansible_{name}": value for name, value in reach.items()}}
    shared["pg_sequences_report_dir"] = f"{tmp_path}/{{{{ ansible_host }}}}-{{{{ my_name }}}}"
    place = tmp_path / "hosts.json"
    place.write_text(json.dumps({"all": {"vars": shared, "children": {"fleet": {"hosts": hosts}}}}))
    done = run_playbook("pgops.sequences.check", {}, "-i", str(place), "-e", "pg_sequences_hosts=fleet")
    assert (done.returncode, failed(done)) == (2, {"controller", "b"}), done.stdout + done.stderr
    for name in hosts:
        report = json.loads((tmp_path / f"localhost-{name}" / "latest" / "report.json").read_text())
        assert [host["name"] for host in report["hosts"]] == [name] and report["summary"]["critical"] == 1


ODD = ["a b", "d\u00e9j\u00e0", "a'b", "-x", "..", "%h", "a,b", "this controller"]


def test_odd_names_of_hosts(shop: dict[str, Any], tmp_path: Path) -> None:
    hosts = {name: shop for name in ODD}
    done = run_playbook("pgops.sequences.check", {}, *inventory(tmp_path / "h.json", hosts, report_dir=f"{tmp_path}/r"))
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    report = json.loads((tmp_path / "r/latest/report.json").read_text())
    found = {host["name"]: host["summary"]["critical"] for host in report["hosts"]}
    assert set(found.values()) == {1} and set(found) == set(ODD), found


def test_a_broken_host_keeps_no_other_from_being_repaired(shop: dict[str, Any], tmp_path: Path) -> None:
    hosts = {"a": {**shop, "ansible_host": "{{ nope }}"}, "b": {**shop, "pg_sequences_margin": "{{ nope }}"}, "c": shop}
    done = run_playbook("pgops.sequences.fix", {}, *inventory(tmp_path / "hosts.json", hosts))
    assert (done.returncode, failed(done)) == (2, {"a", "b"}), done.stdout + done.stderr
    assert "public.orders_id_seq: next value 1 -> 41" in done.stdout
    assert "not audited b: pg_sequences_margin cannot be made out: 'nope' is undefined" in told(done.stdout)


def test_a_fleet_of_one_that_is_broken_is_told_of(shop: dict[str, Any], tmp_path: Path) -> None:
    with web_server() as hook:
        hosts = {"localhost": {**shop, "ansible_port": "{{ nope }}"}}
        group = {"webhook_url": hook.url, "alert_state": f"{tmp_path}/alerts.json"}
        done = run_playbook("pgops.sequences.auto_fix", {}, *inventory(tmp_path / "hosts.json", hosts, **group))
        assert done.returncode == 2 and [each["what"] for each in hook.bodies[0]["new"]] == ["not audited"], done.stdout


def test_the_role_twice_in_a_play_and_by_batches(shop: dict[str, Any], tmp_path: Path) -> None:
    role = "ansible.builtin.include_role: {name: pgops.sequences.pg_sequences, tasks_from: check}"
    play = tmp_path / "play.yml"
    hosts = {"calm": {**shop, "pg_sequences_table": "empty"}, "burning": shop, "last": shop}
    for serial in (1, 2, 10):
        play.write_text(
            f"""
- hosts: fleet
  gather_facts: false
  serial: {serial}
  tasks:
    - {role}
      vars: {{pg_sequences_fail_on: never}}
    - {role}
"""
        )
        done = run_playbook(play, {}, *inventory(tmp_path / "hosts.json", hosts, report_dir=f"{tmp_path}/{serial}"))
        # Ansible ends a play at a batch in which every host has failed.
        expected = {"burning"} if serial == 1 else {"burning", "last"}
        assert (done.returncode, failed(done)) == (2, expected), done.stdout
        assert "not audited in this run" not in done.stdout
        reports = [json.loads(path.read_text()) for path in (tmp_path / str(serial)).glob("2*/report.json")]
        assert {host["error"] for report in reports for host in report["hosts"]} == {None}


def test_a_task_that_is_not_for_a_host_is_no_audit_of_it(shop: dict[str, Any], tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    attempt = "ansible.builtin.include_role: {name: pgops.sequences.pg_sequences, tasks_from: attempt}"
    judge = "ansible.builtin.include_role: {name: pgops.sequences.pg_sequences, tasks_from: fleet}"
    play.write_text(
        f"""
- hosts: fleet
  gather_facts: false
  vars: {{pg_sequences_run: check, pg_sequences_fail_on: never}}
  tasks:
    - {attempt}
    - {judge}
    - {attempt}
      when: inventory_hostname == 'a'
    - {judge}
"""
    )
    done = run_playbook(play, {}, *inventory(tmp_path / "hosts.json", {"a": shop, "b": shop}))
    assert (done.returncode, failed(done)) == (2, {"b"}), done.stdout
    assert "It was not audited in this run." in told(done.stdout)


def test_few_words_for_each_host(shop: dict[str, Any], tmp_path: Path) -> None:
    hosts = {"calm": {**shop, "pg_sequences_table": "empty"}, "burning": shop}
    done = run_playbook("pgops.sequences.check", {}, *inventory(tmp_path / "hosts.json", hosts))
    assert "skipping" not in done.stdout and "skipped=0" in done.stdout, done.stdout
    # Nothing but that, as of 2.19 an error of the code would be told with its lines.
    _before, after = re.split(r"TASK .*Fail each host with problems.*\n", done.stdout)
    assert done.stderr == ""
    (line,) = (line for line in after.partition("PLAY RECAP")[0].splitlines() if line and line != "ok: [calm]")
    assert line == 'fatal: [burning]: FAILED! => {"changed": false, "msg": "1 critical: see the verdict above"}'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-e", "pg_sequences_hosts=fleeet"], "pg_sequences_hosts=fleeet"),
        (["-e", "pg_sequences_hosts=a", "--limit", "b"], "pg_sequences_hosts=a within --limit b"),
    ],
)
@pytest.mark.parametrize("playbook", ["check", "fix", "reset", "monitor"])
def test_a_pattern_that_fits_no_host_fails(
    shop: dict[str, Any], tmp_path: Path, playbook: str, arguments: list[str], said: str
) -> None:
    hosts = inventory(tmp_path / "hosts.json", {"a": shop, "b": shop})
    done = run_playbook(f"pgops.sequences.{playbook}", {}, *hosts, *arguments)
    assert done.returncode not in (0, 2) and f"No host of the inventory fits {said}. Nothing was done" in told(
        done.stdout + done.stderr
    ), done.stdout + done.stderr
    listed = run_playbook(f"pgops.sequences.{playbook}", {}, *hosts, *arguments, "--list-tasks")
    assert listed.returncode == 0, listed.stderr


def test_a_playbook_that_imports_ours_may_be_limited_to_others(shop: dict[str, Any], tmp_path: Path) -> None:
    play = tmp_path / "site.yml"
    play.write_text(
        "- import_playbook: pgops.sequences.check\n  vars: {pg_sequences_hosts: a}\n- hosts: b\n  gather_facts: false\n"
    )
    hosts = inventory(tmp_path / "hosts.json", {"a": shop, "b": shop})[:2]
    done = run_playbook(play, {}, *hosts, "--limit", "b")
    assert done.returncode == 0 and "PLAY [b]" in done.stdout, done.stdout + done.stderr
