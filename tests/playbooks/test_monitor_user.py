# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor as root installs it for another user: who owns what, and that nothing of that user's turns against root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.run import run_playbook, sql, told

USER = "nobody"
PASSWORD = "m0nitor-s3cr3t"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/usr/bin/python3").exists(), reason="only root installs for another user"
)


class Monitor:
    """A monitor that root installs under a folder, for another user, by a crontab."""

    def __init__(self, root: Path, shop: dict[str, str]) -> None:
        self.root = root
        self._login = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "database": shop["dbname"]}

    def install(self, *arguments: str, fails: bool = False, **more: Any) -> str:
        """Run the playbook; return what it printed."""
        needed = {"monitor_root": str(self.root), "monitor_become": False, "monitor_user": USER}
        needed = {**needed, "monitor_python": "/usr/bin/python3", "monitor_service": "cron", "login_password": PASSWORD}
        chosen = {f"pg_sequences_{name}": value for name, value in {**needed, **self._login, **more}.items()}
        done = run_playbook("pgops.sequences.monitor", chosen, *arguments)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run it as its user does."""
        command = ["runuser", "-u", USER, "--", str(self.root / "opt/pg_sequences_monitor/run")]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, cwd="/", env={"PATH": os.environ["PATH"]}
        )

    def modes(self) -> dict[str, tuple[str, str]]:
        """Owner and mode of everything but the insides of the program and the system's own folders."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if not name.startswith(("opt/pg_sequences_monitor/venv-", "opt/pg_sequences_monitor/collections-")):
                state = path.lstat()
                found[name] = (pwd.getpwuid(state.st_uid).pw_name, oct(stat.S_IMODE(state.st_mode))[2:])
        return found


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="pgops-monitor-", dir="/var/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def monitor(database: dict[str, str], root: Path) -> Monitor:
    sql(database, "CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40)")
    for place in ("etc", "var"):
        shutil.rmtree(root / place, ignore_errors=True)
    made = Monitor(root, database)
    made.install()
    return made


def test_the_service_owns_its_state_and_its_log_and_nothing_else(monitor: Monitor) -> None:
    done = monitor.run()
    assert done.returncode == 2 and "behind: the next value is 1, but orders.id already goes up to 40" in done.stdout, (
        done.stdout + done.stderr
    )
    modes = monitor.modes()
    own = ("var/lib/pg_sequences_monitor", "var/log/pg_sequences_monitor")
    assert {name for name, (owner, _mode) in modes.items() if owner == USER} == {n for n in modes if n.startswith(own)}
    assert all(
        int(mode, 8) & 0o022 == 0 for name, (_owner, mode) in modes.items() if not (monitor.root / name).is_symlink()
    )
    secrets = [
        name for name in modes if name.startswith("etc/pg_sequences_monitor/") and not (monitor.root / name).is_dir()
    ]
    assert {modes[name] for name in secrets} == {("root", "640")} and len(secrets) == 5
    assert modes["etc/pg_sequences_monitor"] == ("root", "750") and modes["opt/pg_sequences_monitor/run"] == (
        "root",
        "755",
    )
    for path in (monitor.root / "opt").rglob("*"):
        assert path.lstat().st_uid == 0 and (path.is_symlink() or path.lstat().st_mode & 0o022 == 0), path
    # As the user itself: it can change nothing of that.
    for name in ("opt/pg_sequences_monitor", "etc/pg_sequences_monitor", "etc/pg_sequences_monitor/lock"):
        tried = subprocess.run(["runuser", "-u", USER, "--", "test", "-w", str(monitor.root / name)], check=False)
        assert tried.returncode == 1


def test_an_upgrade_follows_and_changes_nothing_of_the_services(monitor: Monitor, tmp_path: Path) -> None:
    assert monitor.run().returncode == 2
    victim = monitor.root / "victim"
    victim.write_text("root's")
    victim.chmod(0o600)
    state, log = (monitor.root / "var" / name / "pg_sequences_monitor" for name in ("lib", "log"))
    # What a service that was taken over would lay.
    shutil.rmtree(state / "reports")
    (state / "reports").symlink_to(monitor.root / "etc")
    (state / "ansible").mkdir(exist_ok=True)
    (log / "changes.log").symlink_to(victim)
    os.mkfifo(state / "lock")
    (state / "ansible.cfg").write_text("[defaults]\ncallback_plugins = /nowhere\n")
    (state / "group_vars").mkdir()
    (state / "group_vars" / "all.yml").write_text(
        "pg_sequences_app: \"{{ lookup('pipe', 'touch " + f"{monitor.root}/owned" + "') }}\"\n"
    )
    subprocess.run(["chown", "-hR", f"{USER}:", str(state), str(log)], check=True)
    (state / "kept").write_text("")
    (state / "kept").chmod(0o604)
    os.chown(state, 0, pwd.getpwnam(USER).pw_gid)
    state.chmod(0o770)
    # An upgrade whose program is another.
    monitor.install(monitor_interval=10)
    assert (victim.read_text(), stat.S_IMODE(victim.stat().st_mode), victim.stat().st_uid) == ("root's", 0o600, 0)
    assert not (monitor.root / "owned").exists()
    # A folder that was there keeps its owner and mode, and so does what is in it.
    assert (state.stat().st_uid, stat.S_IMODE(state.stat().st_mode)) == (0, 0o770)
    assert stat.S_IMODE((state / "kept").stat().st_mode) == 0o604 and (state / "kept").stat().st_uid == 0
    monitor.install(monitor_state="absent")
    assert victim.read_text() == "root's" and not state.exists()


@pytest.mark.parametrize("name", ["etc/pg_sequences_monitor/group_vars/all/variables.yml", "opt/pg_sequences_monitor"])
def test_root_reads_back_only_what_root_owns(monitor: Monitor, name: str) -> None:
    place = monitor.root / name
    os.chown(place, pwd.getpwnam(USER).pw_uid, -1)
    try:
        said = monitor.install(fails=True)
        assert "root alone may write to" in told(said) and "Nothing was changed" in told(said), said
    finally:
        os.chown(place, 0, -1)


def test_a_folder_that_it_cannot_write_to_is_refused(monitor: Monitor) -> None:
    (monitor.root / "var" / "other").mkdir()
    said = monitor.install(fails=True, report_dir=f"{monitor.root}/var/other")
    assert f"User {USER} cannot write to {monitor.root}/var/other: Permission denied" in said
    assert (monitor.root / "var" / "other").stat().st_uid == 0
    assert monitor.run().returncode == 2


@pytest.mark.parametrize("state", ["absent", "present"])
def test_a_lock_that_its_user_holds_keeps_root_waiting_no_longer_than_a_run(monitor: Monitor, state: str) -> None:
    command = monitor.root / "opt/pg_sequences_monitor/run"
    command.write_text(command.read_text().replace("--kill-after=60 60m", "--kill-after=1 0m"))
    lock = monitor.root / "etc/pg_sequences_monitor/lock"
    old = monitor.root / "opt/pg_sequences_monitor/collections-old"
    old.mkdir()
    holder = subprocess.Popen(
        ["runuser", "-u", USER, "--", "flock", str(lock), "sh", "-c", "echo held; exec sleep 600"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        said = monitor.install(monitor_state=state)
        held = f"{lock} is held longer than a run may take, by process "
        assert (
            held if state == "absent" else "programs of earlier installations are kept until the next one"
        ) in said, said
        assert state == "present" or " flock, which is no run" in said
        assert (command.exists(), old.exists()) == (state == "present", state == "present")
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()
    if state == "present":
        monitor.install()
        assert not old.exists()
