# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recurring monitor: what is installed, that it runs by exactly what was installed, and that nothing is left of it.

It is installed under a folder of the test's, for the user of the test; systemd does not run where tests run, so its units are
verified and their command is run.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import getpass
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import left_out
from support.run import run_playbook, sql, told

PASSWORD = "m0nitor-s3cr3t"


class Monitor:
    """A monitor installed under a folder.

    Args:
        root: the folder.
        variables: of the first installation.
    """

    def __init__(self, root: Path, variables: dict[str, Any]) -> None:
        self.root = root
        self.variables = variables

    def install(self, *arguments: str, fails: bool = False, **more: Any) -> str:
        """Run the playbook; return what it printed."""
        needed = {"monitor_root": str(self.root), "monitor_become": False}
        chosen = {f"pg_sequences_{name}": value for name, value in {**needed, **more}.items()}
        done = run_playbook("pgops.sequences.monitor", chosen, *arguments)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return done.stdout

    def path(self, name: str) -> Path:
        return self.root / name

    @property
    def unit(self) -> str:
        return self.path("etc/systemd/system/pg_sequences_monitor.service").read_text()

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the command of the unit, as systemd would."""
        (command,) = re.findall(r"^ExecStart=(.*)$", self.unit, re.M)
        return subprocess.run([command], capture_output=True, text=True, timeout=120, check=False, env={})

    def metrics(self) -> str:
        return self.path("var/lib/pg_sequences_monitor/reports/latest/pg_sequences.prom").read_text()

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir()}

    def verify(self) -> None:
        """Have systemd look at the units, where it can be had; where not, that is told at the end of make test."""
        units = [str(self.path(f"etc/systemd/system/pg_sequences_monitor.{kind}")) for kind in ("service", "timer")]
        if not shutil.which("systemd-analyze"):
            left_out.tell_part("systemd-analyze is not installed (Debian: apt-get install systemd)")
            return
        done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.fixture
def shop(database: dict[str, str]) -> dict[str, str]:
    sql(database, "CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40)")
    return database


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("monitor")


@pytest.fixture
def monitor(shop: dict[str, str], root: Path) -> Iterator[Monitor]:
    """A monitor of the shop, by a timer; its virtual environment is made once for all tests."""
    login = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "database": shop["dbname"]}
    made = Monitor(root, {**login, "login_password": PASSWORD, "monitor_user": getpass.getuser()})
    for place in ("etc", "var"):
        shutil.rmtree(root / place, ignore_errors=True)
    made.install(**made.variables)
    yield made


@pytest.mark.matrix
def test_install_again_change_one_thing_and_remove(shop: dict[str, str], monitor: Monitor) -> None:
    assert "changed=0" in monitor.install(**monitor.variables)
    variables = monitor.path("etc/pg_sequences_monitor/group_vars/all/variables.yml")
    assert stat.S_IMODE(variables.stat().st_mode) == 0o640 and _holds(variables)
    assert [name for name in monitor.files() if _holds(monitor.path(name))] == [
        "etc/pg_sequences_monitor/group_vars/all/variables.yml"
    ]

    # An upgrade, or a change, names no other settings.
    monitor.install(monitor_interval=10, monitor_auto_fix=True)
    timer = monitor.path("etc/systemd/system/pg_sequences_monitor.timer")
    assert "OnCalendar=*:0/10\n" in timer.read_text() and "Persistent=true" in timer.read_text()
    assert PASSWORD in variables.read_text() and shop["dbname"] in variables.read_text()
    monitor.verify()
    assert "changed=0" in monitor.install()

    before = {name: monitor.path(name).stat().st_mtime for name in monitor.files()}
    assert "changed=2" in monitor.install("--check", monitor_interval=7)
    assert {name: monitor.path(name).stat().st_mtime for name in monitor.files()} == before
    for interval, words in ((7, "OnUnitActiveSec=7min"), (1440, "OnCalendar=0:00")):
        monitor.install(monitor_interval=interval)
        assert words in timer.read_text()
        monitor.verify()

    monitor.install(monitor_state="absent")
    assert monitor.files() == set()
    assert "changed=0" in monitor.install(monitor_state="absent")
    assert "would be installed" in monitor.install("--check")
    assert monitor.files() == set()


def _holds(path: Path) -> bool:
    return path.is_file() and PASSWORD.encode() in path.read_bytes()


def test_its_runs_check_then_repair(shop: dict[str, str], monitor: Monitor, tmp_path: Path) -> None:
    done = monitor.run()
    assert done.returncode == 2 and "behind: the next value is 1, but orders.id already goes up to 40" in told(
        done.stdout
    ), done.stdout + done.stderr
    assert 'reasons{host="localhost",reason="behind"} 1' in monitor.metrics()
    assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(1,)]

    monitor.install(monitor_auto_fix=True)
    done = monitor.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(40,)]
    assert "pg_sequences_last_run_success 1" in monitor.metrics()
    assert 'pg_sequences_changes{host="localhost"} 1' in monitor.metrics()
    (entry,) = monitor.path("var/log/pg_sequences_monitor/changes.log").read_text().splitlines()
    assert json.loads(entry)["run"] == "auto_fix"
    assert PASSWORD not in done.stdout + done.stderr

    # One file that each run replaces, and a log of one's own.
    file = monitor.root / "var" / "new" / "sequences.html"
    monitor.install(monitor_report_file=str(file), log_file=f"{file.parent.parent}/changes.log")
    for _again in range(2):
        assert monitor.run().returncode == 0
        assert file.read_text().startswith("<!")
        file.write_text("")
    assert os.listdir(file.parent) == ["sequences.html"]
    assert (file.parent.parent / "changes.log").exists()


@pytest.mark.matrix
def test_a_crontab_runs_it_as_well(shop: dict[str, str], monitor: Monitor) -> None:
    shown = monitor.install(monitor_service="cron", monitor_interval=15).splitlines()
    assert (
        f"verdict: the monitor is installed and will audit every 15 minutes, as user {getpass.getuser()}, by cron"
        in shown
    )
    assert f"to run it now: {monitor.path('opt/pg_sequences_monitor/run')}" in shown
    assert f"log: {monitor.path('var/log/pg_sequences_monitor/run.log')}" in shown
    assert "next run: none by itself, since pg_sequences_monitor_root is for trying it out" in shown
    assert not [name for name in monitor.files() if name.startswith("etc/systemd")]
    comment, line = monitor.path("etc/cron.d/pg_sequences_monitor").read_text().splitlines()
    when, command = re.fullmatch(rf"((?:\S+ ){{5}}){re.escape(getpass.getuser())} (.*)", line).groups()  # type: ignore[union-attr]
    assert when == "*/15 * * * * " and comment.startswith("#")
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=120, check=False, env={})
    assert done.returncode == 2 and done.stdout + done.stderr == ""
    assert "the next value is 1" in told(monitor.path("var/log/pg_sequences_monitor/run.log").read_text())
    said = told(monitor.install(monitor_interval=7, fails=True))
    assert "a crontab cannot say" in said and "every 7 minutes" in said
    assert "*/15" in monitor.path("etc/cron.d/pg_sequences_monitor").read_text()
    assert "changed=0" in monitor.install()


def test_a_run_excludes_another(monitor: Monitor) -> None:
    with monitor.path("etc/pg_sequences_monitor/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert monitor.run().returncode == 75
    assert "SuccessExitStatus=75" in monitor.unit
    assert monitor.run().returncode == 2


@contextlib.contextmanager
def hanging_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def _alive(root: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if f"{root}/" in command:
                found.append(command)
    return found


@pytest.mark.matrix
def test_a_server_that_hangs_does_not_block_the_next_run(monitor: Monitor) -> None:
    with hanging_server() as port:
        monitor.install(login_host="127.0.0.1", login_port=port, login_unix_socket="", monitor_timeout=1)
        assert "TimeoutStartSec=6min" in monitor.unit
        command = monitor.path("opt/pg_sequences_monitor/run")
        # A minute is long for a test.
        command.write_text(command.read_text().replace("--kill-after=60 1m", "--kill-after=5 5s"))
        begin = time.monotonic()
        assert monitor.run().returncode == 124
        assert time.monotonic() - begin < 30
        with monitor.path("etc/pg_sequences_monitor/lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # systemd ends what is left at once; what a crontab's run leaves ends by its own time limits.
        deadline = time.monotonic() + 60
        while _alive(monitor.root):
            assert time.monotonic() < deadline, _alive(monitor.root)
            time.sleep(0.5)


@pytest.mark.matrix
def test_a_host_that_hangs_does_not_silence_the_others(shop: dict[str, str], monitor: Monitor, tmp_path: Path) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 30\n")
    hanging.chmod(0o755)
    local = {
        "ansible_connection": "local",
        "ansible_python_interpreter": f"{monitor.root}/opt/pg_sequences_monitor/venv/bin/python",
    }
    hosts = {
        "stuck": {**local, "ansible_python_interpreter": str(hanging)},
        "burning": local,
        "other": {**local, "pg_sequences_database": "postgres"},
    }
    monitor.install(monitor_inventory={"all": {"hosts": hosts}})
    command = monitor.path("opt/pg_sequences_monitor/run")
    # What is said for a host goes before what is said for all.
    assert "export ANSIBLE_TASK_TIMEOUT=1800" in command.read_text()
    command.write_text(command.read_text().replace("ANSIBLE_TASK_TIMEOUT=1800", "ANSIBLE_TASK_TIMEOUT=5"))
    assert monitor.run().returncode == 2
    report = json.loads(monitor.path("var/lib/pg_sequences_monitor/reports/latest/report.json").read_text())
    names = {host["name"]: [database["name"] for database in host["databases"]] for host in report["hosts"]}
    assert names == {"stuck": [], "burning": [shop["dbname"]], "other": ["postgres"]}
    assert report["summary"]["critical"] == 1


def test_it_runs_as_its_user_alone(monitor: Monitor) -> None:
    command = monitor.path("opt/pg_sequences_monitor/run")
    command.write_text(command.read_text().replace(f"!= {getpass.getuser()} ]", "!= somebody ]"))
    done = monitor.run()
    assert done.returncode == 77 and "runuser -u" in done.stderr


def test_a_failed_upgrade_leaves_a_monitor_that_works(monitor: Monitor) -> None:
    before = {name: monitor.path(name).lstat().st_mtime for name in monitor.files()}
    # An index that is not there, and an inventory without hosts.
    for more in ({"monitor_requirements": ["--no-index", "no-such-package==1"]}, {"monitor_inventory": {"all": {}}}):
        monitor.install(fails=True, monitor_interval=5, **more)
        assert monitor.run().returncode == 2
        assert before.items() <= {name: monitor.path(name).lstat().st_mtime for name in monitor.files()}.items()


def test_absent_waits_for_a_run_under_way(monitor: Monitor) -> None:
    with monitor.path("etc/pg_sequences_monitor/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            removing = pool.submit(monitor.install, monitor_state="absent")
            time.sleep(6)
            assert not removing.done() and monitor.path("opt/pg_sequences_monitor/run").exists()
            assert not monitor.path("etc/systemd/system/pg_sequences_monitor.timer").exists()
            fcntl.flock(lock, fcntl.LOCK_UN)
            removing.result()
    assert monitor.files() == set()


def test_a_trial_touches_nothing_outside(monitor: Monitor) -> None:
    outside = [Path(place) for place in ("/opt", "/etc/systemd/system", "/etc/cron.d", "/etc/logrotate.d", "/var/lib")]
    before = [set(map(str, place.glob("pg_sequences*"))) for place in outside], Path("/etc/passwd").read_text()
    # No user is named.
    shutil.rmtree(monitor.path("etc"))
    monitor.install(database="postgres")
    assert before == (
        [set(map(str, place.glob("pg_sequences*"))) for place in outside],
        Path("/etc/passwd").read_text(),
    )
    assert f"User={getpass.getuser()}" in monitor.unit


def test_a_repair_of_no_database_is_refused_at_a_second_installation_too(tmp_path: Path) -> None:
    config = tmp_path / "etc" / "pg_sequences_monitor"
    (config / "group_vars" / "all").mkdir(parents=True)
    (config / "group_vars" / "all" / "variables.yml").write_text("pg_sequences_monitor_interval: 5\n")
    (config / "inventory.yml").write_text(json.dumps({"all": {"hosts": {"localhost": {}}}}))
    said = Monitor(tmp_path, {}).install(fails=True, monitor_user=getpass.getuser(), monitor_auto_fix=True)
    assert "name the database by pg_sequences_database" in told(said), said
    assert not (tmp_path / "opt").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"monitor_interval": 0}, "is not a number of minutes from 1 to 44640"),
        ({"monitor_interval": 10**9}, "is not a number of minutes from 1 to 44640"),
        ({"monitor_timeout": 1441}, "is not a number of minutes from 1 to 1440"),
        ({"monitor_auto_fix": True}, "name the database by pg_sequences_database"),
        ({"near_limit_percent": 101}, "pg_sequences_near_limit_percent is 101.0"),
        ({"report_dir": "/tmp/reports"}, "nobody would find what it writes to /tmp/reports"),
        ({"monitor_report_file": "/home/me/x.html"}, "nobody would find what it writes to /home/me"),
        ({"monitor_service": "upstart"}, "pg_sequences_monitor_service=upstart is none of: systemd, cron"),
        ({"become_user": "postgres"}, "pg_sequences_monitor_user=postgres"),
        ({"monitor_python": "/no/such/python"}, "Name another by"),
        ({"login_password": "{{ '{' ~ '{x' }}"}, "would take for a template"),
        (
            {
                **dict.fromkeys(
                    ["monitor_interval", "monitor_timeout", "monitor_state", "monitor_service", "become_user"]
                ),
                "login_password": "{{ '{' ~ '{x' }}",
            },
            "would take for a template",
        ),
        (
            {
                **dict.fromkeys(
                    [
                        *("monitor_interval", "monitor_timeout", "monitor_state", "monitor_service", "become_user"),
                        *("monitor_python", "monitor_inventory", "mail_to", "database", "login_port"),
                    ],
                    "",
                ),
                "login_password": "{{ '{' ~ '{x' }}",
            },
            "would take for a template",
        ),
        ({"monitor_root": ""}, "pg_sequences_monitor_root is empty"),
        (
            {"monitor_servce": "cron"},
            "no variable pg_sequences_monitor_servce; did you mean pg_sequences_monitor_service?",
        ),
        ({"report_dir": '/var/100%done "q"'}, "would not take"),
        ({"monitor_inventory": "no/such/file"}, "no/such/file, which is no file on the controller"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_is_told_and_nothing_is_installed(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    said = Monitor(tmp_path / "none", {}).install(fails=True, monitor_user=getpass.getuser(), **more)
    assert words in told(said) and "Traceback" not in said
    assert not (tmp_path / "none").exists()
