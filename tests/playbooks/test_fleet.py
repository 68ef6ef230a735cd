# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts at once: what a terminal shows, report files, the log of changes."""

from __future__ import annotations

import getpass
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from support.receivers import web_server
from support.run import run_playbook, sql, told, wait_for_replay
from support.servers import Server

SHOP = """
CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40);
CREATE TABLE customers_person (id serial PRIMARY KEY); INSERT INTO customers_person VALUES (7);
CREATE TABLE empty (id serial PRIMARY KEY);
"""

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "report.schema.json").read_text())


@pytest.fixture
def shop(database: dict[str, str]) -> dict[str, str]:
    sql(database, SHOP)
    return database


@pytest.fixture
def fleet(shop: dict[str, str], tmp_path: Path) -> list[str]:
    """The command line's part about a host that burns, one in order, one whose server does not run, and one away."""
    login = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "database": shop["dbname"]}
    shop_variables = {f"pg_sequences_{name}": value for name, value in login.items()}
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **shop_variables}
    hosts = {
        "burning": local,
        "calm": {**local, "pg_sequences_table": "empty"},
        "down": {**local, "pg_sequences_login_unix_socket": "/no/such/folder"},
        "away": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, **shop_variables},
    }
    place = tmp_path / "fleet.json"
    place.write_text(json.dumps({"fleet": {"hosts": hosts}}))
    return ["-i", str(place), "-e", "pg_sequences_hosts=fleet"]


def shown(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines about all hosts."""
    (lines,) = re.findall(r"TASK \[[^\n]*Show the outcome[^\n]*\n(.*?)\nok: \[", done.stdout, re.S)
    return [line for line in lines.splitlines() if not re.match(r" {4}\S|report: |next, ", line)]


def failed(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {host for host, number in re.findall(r"^(\w+) +: .*failed=(\d)", done.stdout, re.M) if number != "0"}


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        ([], {}),
        (["--check"], {}),
        (["-e", "pg_sequences_serial=1"], {}),
        (["--tags", "pg_sequences"], {}),
        ([], {"ANSIBLE_STRATEGY": "free"}),
    ],
    ids=["plain", "check", "serial", "tags", "free"],
)
def test_check_tells_of_all_hosts(fleet: list[str], arguments: list[str], env: dict[str, str]) -> None:
    done = run_playbook("pgops.sequences.check", {}, *fleet, *arguments, env=env)
    assert done.returncode == 2, done.stdout
    lines = shown(done)
    assert lines[0].startswith("not audited away: ") and lines[1].startswith("not audited down: cannot use database")
    assert [line.split(" ")[0:2] for line in lines[2:4]] == [["critical", "burning"]] * 2
    assert lines[3].endswith("public.orders_id_seq: behind: the next value is 1, but orders.id already goes up to 40")
    assert lines[4].split() == ["critical", "unknown", "warning", "healthy", "skipped"]
    assert lines[5].split() == ["burning", "2", "0", "0", "1", "0"]
    assert lines[6] == "hosts: 4, audited: 2, not audited: 2; databases: 2"
    assert lines[7] == "sequences: 4; critical: 2, unknown: 0, warning: 0, healthy: 2, skipped: 0"
    assert lines[8] == "verdict: 2 critical of 4 sequences; 2 hosts could not be audited"
    assert failed(done) == {"burning", "down", "away"}


def test_check_fails_by_what_is_asked_and_of_whom(fleet: list[str]) -> None:
    done = run_playbook("pgops.sequences.check", {}, *fleet, "-e", "pg_sequences_fail_on=never")
    assert done.returncode == 0 and len(shown(done)) == 9, done.stdout
    done = run_playbook("pgops.sequences.check", {}, *fleet, "--limit", "calm")
    assert done.returncode == 0, done.stdout
    assert "sequences: 1; critical: 0" in told(done.stdout)


def test_repairs_go_on_without_those_that_fail(fleet: list[str], shop: dict[str, str], tmp_path: Path) -> None:
    reports, log = tmp_path / "reports", tmp_path / "changes.log"
    more = ["-e", f"pg_sequences_report_dir={reports}", "-e", f"pg_sequences_log_file={log}"]
    for arguments in (["--check"], [], []):
        done = run_playbook("pgops.sequences.auto_fix", {}, *fleet, *more, *arguments)
        assert done.returncode == 2 and failed(done) == {"down", "away"}, done.stdout
    assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(40,)]
    foretold, did, found = (json.loads(path.read_text()) for path in sorted(reports.glob("2*/report.json")))
    for report in (foretold, did, found):
        jsonschema.validate(report, SCHEMA)
        assert report["summary"]["hosts_not_audited"] == 2 and report["summary"]["critical"] == 0
    assert [report["summary"]["repaired"] for report in (foretold, did, found)] == [2, 2, 0]
    assert [report["run"]["check_mode"] for report in (foretold, did, found)] == [True, False, False]
    assert len(found["history"]) == 3
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["check_mode"] for entry in entries] == [True, True, False, False]
    (moved,) = (entry for entry in entries[2:] if entry["sequence"] == "public.orders_id_seq")
    assert moved["before"]["next_value"] == 1 and moved["after"]["next_value"] == 41
    assert moved["host"] == "burning" and moved["database"] == shop["dbname"] and moved["reason"] == "behind"
    assert (
        moved["who"].startswith(f"{os.environ.get('SUDO_USER') or getpass.getuser()}@") and moved["run"] == "auto_fix"
    )


def test_a_report_has_all_hosts_and_no_password(fleet: list[str], tmp_path: Path) -> None:
    more = {
        "report_dir": f"{tmp_path}/reports",
        "report_formats": "json,csv,html,prometheus",
        "login_password": "s3cr3t",
    }
    arguments = [word for name, value in more.items() for word in ("-e", f"pg_sequences_{name}={value}")]
    done = run_playbook("pgops.sequences.check", {}, *fleet, *arguments, "-vvv")
    assert done.returncode == 2, done.stdout
    files = {path.name: path.read_text() for path in (tmp_path / "reports" / "latest").iterdir()}
    assert set(files) == {"report.json", "report.csv", "report.html", "pg_sequences.prom"}
    assert "s3cr3t" not in done.stdout + done.stderr + "".join(files.values())
    report = json.loads(files["report.json"])
    jsonschema.validate(report, SCHEMA)
    assert [host["name"] for host in report["hosts"]] == ["away", "down", "burning", "calm"]
    assert report["hosts"][1]["error"].startswith("cannot use database")
    assert [sequence["name"] for sequence in report["sequences"]] == ["customers_person_id_seq", "orders_id_seq"]
    assert 'pg_sequences_host_audited{host="away"} 0' in files["pg_sequences.prom"]


# An audit has no log.
@pytest.mark.parametrize(
    ("playbook", "variable"), [("check", "report_dir"), ("fix", "report_dir"), ("fix", "log_file")]
)
def test_files_that_cannot_be_written_are_told_of_before_anything_is_done(
    shop: dict[str, str], fleet: list[str], tmp_path: Path, variable: str, playbook: str
) -> None:
    (tmp_path / "file").touch()
    wrong = ["-e", f"pg_sequences_{variable}={tmp_path}/file/below"]
    done = run_playbook(f"pgops.sequences.{playbook}", {}, *fleet, *wrong)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    assert f"pg_sequences_{variable}: cannot write {tmp_path}/file/below on the controller" in told(done.stdout)
    assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(1,)]


def test_findings_are_shown_though_the_report_cannot_be_written(shop: dict[str, str], tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    play = tmp_path / "play.yml"
    # The folder is spoilt between the first look at it and the last.
    play.write_text(
        f"""
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {{name: pgops.sequences.pg_sequences, tasks_from: attempt}}
      vars: {{pg_sequences_run: check}}
    - ansible.builtin.file: {{path: "{reports}", state: absent}}
    - ansible.builtin.file: {{path: "{reports}", state: touch}}
    - ansible.builtin.import_role: {{name: pgops.sequences.pg_sequences, tasks_from: fleet}}
      vars: {{pg_sequences_run: check}}
"""
    )
    login = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "database": shop["dbname"]}
    variables = {f"pg_sequences_{name}": value for name, value in {**login, "report_dir": str(reports)}.items()}
    done = run_playbook(play, variables)
    said = told(done.stdout)
    assert (
        done.returncode == 2
        and "public.orders_id_seq: behind: the next value is 1, but orders.id already goes up to 40" in said
    ), done.stdout
    assert "cannot write" in said and "2 critical" in said


HOSTILE = """a"b'c <img src=x onerror=alert(1)> </script> {{ 1 + 1 }} = \u202e"""


def test_hostile_names_reach_no_interpreter(shop: dict[str, str], fleet: list[str], tmp_path: Path) -> None:
    name = '"' + HOSTILE.replace('"', '""') + '"'
    sql(
        shop,
        f"CREATE SEQUENCE {name}; ALTER TABLE orders ALTER id SET DEFAULT nextval('{name.replace(chr(39), chr(39) * 2)}')",
    )
    more = [
        "-e",
        f"pg_sequences_report_dir={tmp_path}/reports",
        "-e",
        "pg_sequences_report_formats=json,csv,html,prometheus",
    ]
    done = run_playbook("pgops.sequences.check", {}, *fleet, *more)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr, done.stdout
    report = json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())
    assert HOSTILE in [sequence["name"] for sequence in report["sequences"]]
    assert "{{ 1 + 1 }}" in done.stdout
    assert "<img src=x" not in (tmp_path / "reports" / "latest" / "report.html").read_text()


def test_a_hot_standby_is_audited_and_refused_a_repair(
    shop: dict[str, str], server: Server, standby: Server, tmp_path: Path
) -> None:
    wait_for_replay(server, standby)
    hosts = {"primary": login(shop), "standby": login({**shop, **standby.dsn(shop["dbname"])})}
    arguments = inventory(tmp_path / "hosts.json", hosts, {"report_dir": f"{tmp_path}/reports"})
    done = run_playbook("pgops.sequences.check", {}, *arguments)
    assert done.returncode == 2 and failed(done) == {"primary", "standby"}, done.stdout
    report = json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())
    assert {host["name"]: host["server"]["in_recovery"] for host in report["hosts"]} == {
        "primary": False,
        "standby": True,
    }
    assert {host["name"]: host["summary"]["critical"] for host in report["hosts"]} == {"primary": 2, "standby": 2}
    done = run_playbook("pgops.sequences.fix", {}, *arguments, "--limit", "standby")
    assert done.returncode == 2 and "the server is a standby. Nothing was changed" in told(done.stdout), done.stdout
    assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(1,)]


def test_forbidden_databases_are_part_of_the_answer(shop: dict[str, str], fleet: list[str]) -> None:
    sql(shop, f"REVOKE CONNECT ON DATABASE {shop['dbname']} FROM public")
    role = f"visitor_{shop['dbname']}"
    sql(shop, f"CREATE ROLE {role} LOGIN")
    try:
        databases: Any = ["-e", json.dumps({"pg_sequences_databases": ["postgres", shop["dbname"]]})]
        arguments = [*databases, "-e", f"pg_sequences_login_user={role}", "-e", "pg_sequences_login_db=postgres"]
        done = run_playbook("pgops.sequences.check", {}, *fleet, *arguments, "--limit", "burning")
        assert done.returncode == 2, done.stdout
        assert "not audited" in told(done.stdout) and "GRANT CONNECT ON DATABASE" in told(done.stdout)
    finally:
        sql(shop, f"DROP ROLE {role}")


def inventory(place: Path, hosts: dict[str, dict[str, Any]], group: dict[str, Any] | None = None) -> list[str]:
    """The command line's part about some local hosts."""
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    named = {
        name: {**local, **{f"pg_sequences_{key}": value for key, value in variables.items()}}
        for name, variables in hosts.items()
    }
    variables = {f"pg_sequences_{key}": value for key, value in (group or {}).items()}
    place.write_text(json.dumps({"fleet": {"hosts": named, "vars": variables}}))
    return ["-i", str(place), "-e", "pg_sequences_hosts=fleet"]


def login(shop: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "database": shop["dbname"], **more}


STATES = {
    "healthy": set(),
    "skipped": set(),
    "critical": {"unknown", "critical", "warning"},
    "warning": {"warning"},
    "unreadable": {"unknown", "warning"},
    "structural": {"warning"},
    "host_down": {"unknown", "critical", "warning"},
    "database_shut": {"unknown", "critical", "warning"},
    "nothing": {"unknown", "critical", "warning"},
}
"""Which ``pg_sequences_fail_on`` fails for what state of a host (contract, section 5)."""


@pytest.fixture
def states(shop: dict[str, str], tmp_path: Path) -> Iterator[list[str]]:
    """A host in each state there is."""
    role = f"visitor_{shop['dbname']}"
    sql(
        shop,
        f"""
        CREATE SCHEMA skipped; CREATE SEQUENCE skipped.s CYCLE; CREATE SCHEMA nothing;
        CREATE SCHEMA warning; CREATE TABLE warning.t (id serial); INSERT INTO warning.t VALUES (1);
        SELECT setval('warning.t_id_seq', 100000);
        CREATE SCHEMA structural; CREATE TABLE structural.t (id serial); ALTER TABLE structural.t ALTER id TYPE text;
        CREATE SCHEMA unreadable; CREATE TABLE unreadable.t (id serial);
        CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA unreadable TO {role}; REVOKE CONNECT ON DATABASE {shop["dbname"]} FROM public
        """,
    )
    at = login(shop)
    hosts = {
        **{name: {**at, "schemas": [name]} for name in ("skipped", "warning", "structural")},
        "healthy": {**at, "table": "empty"},
        "critical": {**at, "table": "orders"},
        "unreadable": {**at, "schemas": ["unreadable"], "session_role": role},
        "host_down": {**at, "login_unix_socket": "/no/such/folder"},
        "database_shut": {**at, "login_user": role, "login_db": "postgres", "databases": ["postgres", shop["dbname"]]},
        "nothing": {**at, "schemas": ["nothing*"]},
    }
    yield inventory(tmp_path / "states.json", hosts)
    sql(shop, f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("fail_on", ["unknown", "critical", "warning", "never"])
def test_which_host_fails_by_what_is_asked(states: list[str], fail_on: str) -> None:
    done = run_playbook("pgops.sequences.check", {}, *states, "-e", f"pg_sequences_fail_on={fail_on}")
    expected = {name for name, failing in STATES.items() if fail_on in failing}
    assert (failed(done), done.returncode) == (expected, 2 if expected else 0), done.stdout
    if fail_on == "unknown":
        default = run_playbook("pgops.sequences.check", {}, *states)
        assert (failed(default), default.returncode) == (expected, 2)


def test_each_hosts_own_settings_hold_for_it(shop: dict[str, str], tmp_path: Path) -> None:
    with web_server() as one, web_server() as other:
        own = {
            "report_dir": f"{tmp_path}/own",
            "fail_on": "critical",
            "report_formats": ["csv"],
            "webhook_url": one.url,
        }
        hosts = {
            "lax": login(shop, fail_on="never", report_keep=1),
            "mild": login(shop, table="empty", **own),
            "strict": login(shop, alert_state=f"{tmp_path}/other.json"),
        }
        group = {"report_dir": f"{tmp_path}/shared", "webhook_url": other.url}
        arguments = inventory(tmp_path / "own.json", hosts, group)
        done = run_playbook("pgops.sequences.check", {}, *arguments)
        assert done.returncode == 2 and failed(done) == {"strict"}, done.stdout
        shared = json.loads((tmp_path / "shared/latest/report.json").read_text())
        assert {host["name"]: host["fail_on"] for host in shared["hosts"]} == {"lax": "never", "strict": "unknown"}
        assert os.listdir(tmp_path / "own/latest/") == ["report.csv"]
        # Hosts whose memories are two are told of apart.
        assert len(one.bodies) == 0 and [body["counts"]["problems"] for body in other.bodies] == [2, 2]
        assert (tmp_path / "other.json").exists() and (tmp_path / "shared/alerts.json").exists()
        # A strict host that is in order hides no lax one's exit code, nor the other way round.
        done = run_playbook("pgops.sequences.check", {}, *arguments, "--limit", "lax,mild")
        assert done.returncode == 0, done.stdout
        # The command line goes before them all.
        done = run_playbook(
            "pgops.sequences.check", {}, *arguments, "--limit", "lax", "-e", "pg_sequences_fail_on=critical"
        )
        assert done.returncode == 2


def test_every_destination_is_tried_before_anything_is_done(shop: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    hosts = {"first": login(shop), "last": login(shop, log_file=f"{tmp_path}/file/below")}
    done = run_playbook("pgops.sequences.fix", {}, *inventory(tmp_path / "hosts.json", hosts))
    assert done.returncode == 2 and "last: pg_sequences_log_file: cannot write" in done.stdout, done.stdout
    assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(1,)]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("pg_sequences_tabel", "pg_sequences_table"), ("pg_sequence_database", "pg_sequences_database")],
)
def test_a_variable_that_is_not_known_fails_before_anything_is_done(
    shop: dict[str, str], tmp_path: Path, name: str, nearest: str
) -> None:
    arguments = inventory(tmp_path / "hosts.json", {"a": login(shop), "b": login(shop)})
    for where in (["-e", f"{name}=x"], []):
        if not where:
            (tmp_path / "host_vars").mkdir()
            (tmp_path / "host_vars" / "b.yml").write_text(f"{name}: x\n")
        done = run_playbook("pgops.sequences.fix", {}, *arguments, *where)
        assert done.returncode == 2 and f"There is no variable {name}; did you mean {nearest}?" in done.stdout, (
            done.stdout
        )
        assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(1,)]


@pytest.mark.parametrize("playbook", ["fix", "auto_fix"])
def test_what_changes_something_wants_a_database_named(shop: dict[str, str], tmp_path: Path, playbook: str) -> None:
    nowhere = {name: value for name, value in login(shop).items() if name != "database"}
    done = run_playbook(f"pgops.sequences.{playbook}", {}, *inventory(tmp_path / "hosts.json", {"a": nowhere}))
    assert done.returncode == 2 and "no database is named" in done.stdout, done.stdout
    names = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
    assert f"The server has: {', '.join(name for (name,) in sql(shop, names))}" in told(done.stdout), done.stdout
    assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(1,)]
    # An audit looks at all there are.
    done = run_playbook("pgops.sequences.check", {}, *inventory(tmp_path / "hosts.json", {"a": nowhere}))
    assert done.returncode == 2 and f"critical {shop['dbname']} public.orders_id_seq" in done.stdout


OWN_PLAY = """
- hosts: all
  gather_facts: false
  any_errors_fatal: true
  vars:
    pg_sequences_fail_on: {fail_on}
    pg_sequences_report_dir: {reports}
  tasks:
    - ansible.builtin.include_role: {{name: pgops.sequences.pg_sequences, tasks_from: check}}
"""


def test_a_play_of_ones_own_has_its_settings_and_the_same_rules(shop: dict[str, str], tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    variables = {f"pg_sequences_{name}": value for name, value in login(shop).items()}
    for fail_on, code in (("never", 0), ("critical", 2)):
        play.write_text(OWN_PLAY.format(fail_on=fail_on, reports=tmp_path / fail_on))
        done = run_playbook(play, variables)
        assert done.returncode == code, done.stdout
        assert (tmp_path / fail_on / "latest" / "report.json").exists()
        assert ("2 critical: see the verdict above" in done.stdout) == (
            code == 2
        ) and "without a message" not in done.stdout
    done = run_playbook(play, {**variables, "pg_sequences_tabel": "x"})
    assert done.returncode == 2 and "did you mean pg_sequences_table?" in done.stdout
    # The cause is shown, also of a host that could not be audited.
    done = run_playbook(play, {**variables, "pg_sequences_login_unix_socket": "/no/such/folder"})
    assert done.returncode == 2 and "cannot use database" in done.stdout and "/no/such/folder" in done.stdout


def test_a_failure_is_forgotten_when_a_later_attempt_succeeds(shop: dict[str, str], tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    attempt = "ansible.builtin.include_role: {name: pgops.sequences.pg_sequences, tasks_from: attempt}"
    play.write_text(
        f"""
- hosts: all
  gather_facts: false
  tasks:
    - {attempt}
      vars: {{pg_sequences_run: check, pg_sequences_login_unix_socket: /no/such/folder}}
    - {attempt}
      vars: {{pg_sequences_run: check}}
    - ansible.builtin.include_role: {{name: pgops.sequences.pg_sequences, tasks_from: fleet}}
      vars: {{pg_sequences_run: check, pg_sequences_fail_on: critical}}
"""
    )
    variables = {f"pg_sequences_{name}": value for name, value in login(shop, table="empty").items()}
    done = run_playbook(play, variables)
    assert done.returncode == 0 and "not audited" not in done.stdout, done.stdout


def test_a_log_that_is_full_hides_nothing_and_is_caught_up_with(shop: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log" / "changes.log"
    log.parent.mkdir()
    log.symlink_to("/dev/full")
    with web_server() as hook:
        hosts = {"a": login(shop, log_file=str(log), webhook_url=hook.url, alert_state=f"{tmp_path}/alerts.json")}
        arguments = inventory(tmp_path / "hosts.json", hosts)
        done = run_playbook("pgops.sequences.fix", {}, *arguments)
        assert done.returncode == 2 and "public.orders_id_seq: next value 1 -> 41" in done.stdout, done.stdout
        assert "What was repaired could not be logged" in done.stdout and "No space left" in done.stdout
        assert "database was touched" not in done.stdout
        assert any(
            said.startswith("repaired ") and "but it could not be logged" in said for said in hook.bodies[0]["over"]
        )
        log.unlink()
        assert run_playbook("pgops.sequences.fix", {}, *arguments).returncode == 0
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert {entry["sequence"] for entry in entries} == {"public.orders_id_seq", "public.customers_person_id_seq"}


def test_what_a_server_says_steers_no_terminal(shop: dict[str, str], tmp_path: Path) -> None:
    evil = "a\x1b]0;b\x07\x1b[2J\u202ec"
    sql(shop, f'CREATE TABLE "{evil}" (id serial); INSERT INTO "{evil}" VALUES (9); ALTER TABLE "{evil}" ADD t text')
    hosts = {
        "a": login(shop),
        "b": {**login(shop), "database": evil},
        "c": login(shop, tables=[f"{evil}*"], schemas=["no*"]),
    }
    for playbook, more in (("check", ["-v"]), ("fix", ["--diff"]), ("info", [])):
        done = run_playbook(f"pgops.sequences.{playbook}", {}, *inventory(tmp_path / "hosts.json", hosts), *more)
        assert done.returncode == 2 and r"\x1b[2J" in done.stdout, done.stdout
        assert not set("\x1b\x07\u202e") & set(done.stdout + done.stderr), playbook


def test_a_run_of_fewer_hosts_draws_no_trend(shop: dict[str, str], tmp_path: Path) -> None:
    hosts = {name: login(shop, report_dir=f"{tmp_path}/reports", fail_on="never") for name in ("a", "b")}
    arguments = inventory(tmp_path / "hosts.json", hosts)
    for more in ([], ["--limit", "a"], ["-e", "pg_sequences_table=empty"], []):
        assert run_playbook("pgops.sequences.check", {}, *arguments, *more).returncode == 0
    counts = [
        [point["total"] for point in json.loads(path.read_text())["history"]]
        for path in sorted((tmp_path / "reports").glob("2*/report.json"), key=lambda path: path.stat().st_mtime_ns)
    ]
    assert counts == [[6], [3], [2], [6, 6]]


def test_an_odd_earlier_report_hides_nothing(shop: dict[str, str], tmp_path: Path) -> None:
    hosts = {"a": login(shop, report_dir=f"{tmp_path}/reports")}
    for day, text in enumerate(
        ("[" * 100000, '{"schema_version": 2, "hosts": null}', '{"schema_version": 2, "generated_at": 7}', "\0"), 10
    ):
        place = tmp_path / "reports" / f"2026-01-{day}T000000Z"
        place.mkdir(parents=True)
        (place / "report.json").write_text(text)
    (tmp_path / "reports" / "2099-01-01T000000Z").mkdir()
    os.mkfifo(tmp_path / "reports" / "2099-01-01T000000Z" / "report.json")
    done = run_playbook("pgops.sequences.check", {}, *inventory(tmp_path / "hosts.json", hosts))
    assert done.returncode == 2 and "public.orders_id_seq: behind: the next value is 1" in done.stdout, done.stdout
    assert json.loads((tmp_path / "reports/latest/report.json").read_text())["summary"]["critical"] == 2


def test_defaults_of_the_action_group_hold_for_the_role(shop: dict[str, str], tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    play.write_text(
        f"""
- hosts: all
  gather_facts: false
  module_defaults:
    group/pgops.sequences.sequences:
      login_unix_socket: {shop["host"]}
      login_port: {shop["port"]}
      login_db: {shop["dbname"]}
      margin: 10
  tasks:
    - ansible.builtin.include_role: {{name: pgops.sequences.pg_sequences, tasks_from: "{{{{ run }}}}"}}
"""
    )
    done = run_playbook(play, {"run": "check", "pg_sequences_table": "orders"})
    assert done.returncode == 2 and "orders.id already goes up to 40" in done.stdout, done.stdout
    done = run_playbook(play, {"run": "fix", "pg_sequences_margin": 2})
    assert done.returncode == 0 and sql(shop, "SELECT last_value FROM orders_id_seq") == [(42,)], done.stdout
