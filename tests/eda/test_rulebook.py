# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebooks in ansible-rulebook itself, on a live server with others beside it that cannot be reached."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.fixtures import VERSIONS
from support.receivers import web_server
from support.run import sql
from support.servers import Server
from support.toolchain import CACHE, link_tree

RULEBOOK = (
    os.environ.get("PGOPS_RULEBOOK")
    or shutil.which("ansible-rulebook")
    or CACHE / "rulebook" / "bin" / "ansible-rulebook"
)

pytestmark = [
    pytest.mark.skipif(
        not Path(RULEBOOK).exists(),
        reason="ansible-rulebook is not there: install tests/eda/requirements.txt into .cache/rulebook, "
        "or name it by PGOPS_RULEBOOK",
    ),
    pytest.mark.skipif(
        shutil.which("java") is None and "JAVA_HOME" not in os.environ,
        reason="ansible-rulebook needs Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless)",
    ),
]

# Jinja's native types would make a number of it.
PASSWORD = "31_415e26"


@pytest.fixture(scope="module")
def live() -> Iterator[Server]:
    """A server that can be reached by password only."""
    with Server(max(VERSIONS), password=PASSWORD) as running:
        yield running


@pytest.fixture
def shop(live: Server) -> Iterator[str]:
    """A database with two tables."""
    sql(live.dsn(), "CREATE DATABASE shop")
    sql(live.dsn("shop"), "CREATE TABLE orders (id serial PRIMARY KEY); CREATE TABLE parts (id serial PRIMARY KEY)")
    yield "shop"
    sql(live.dsn(), "DROP DATABASE shop")


@pytest.fixture
def servers(live: Server, shop: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """One server that never answers, one that refuses, one that lives, at the environment's port."""
    monkeypatch.setenv("PGPORT", str(live.port))
    login = {"login_host": "127.0.0.1", "login_password": PASSWORD}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield [
            {"name": "silent", **login, "login_port": silent.getsockname()[1]},
            {"name": "dead", **login, "login_port": 1},
            {"name": "live", **login, "databases": ["*"]},
        ]


class Running:
    """A rulebook that runs.

    Attributes:
        log_file: all it printed.
        seen: command line and environment of all its processes.
    """

    def __init__(self, log_file: Path) -> None:
        self.log_file = log_file
        self.seen: dict[str, str] = {}

    @property
    def printed(self) -> str:
        return self.log_file.read_text()

    def wait(self, true: Callable[[], bool], seconds: float = 30.0) -> float:
        """Wait until something is true; return how many seconds that took."""
        begin = time.monotonic()
        while not true():
            assert time.monotonic() < begin + seconds, self.printed
            time.sleep(0.02)
        return time.monotonic() - begin


def processes(session: int) -> dict[str, str]:
    """Command line and environment of the processes of a session, and of those they started, by process id."""
    parents, sessions = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[folder.name], sessions[folder.name] = fields[1], int(fields[3])
    chosen = {pid for pid in parents if sessions[pid] == session}
    while more := {pid for pid, parent in parents.items() if parent in chosen} - chosen:
        chosen |= more
    found = {}
    for pid in chosen:
        with contextlib.suppress(OSError):
            texts = [Path("/proc", pid, name).read_text(errors="replace") for name in ("cmdline", "environ")]
            found[pid] = " ".join(texts)
    return found


@contextlib.contextmanager
def rulebook(name: str, variables: Mapping[str, Any], folder: Path) -> Iterator[Running]:
    """Run a rulebook of the collection; afterwards it and its processes are gone, and told nobody the password."""
    (folder / "variables.json").write_text(json.dumps(variables))
    host = {"pg_sequences_log_file": str(folder / "changes.log")}
    (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": {"localhost": host}}}))
    kept = ("HOME", "JAVA_HOME", "LANG", "PGPORT", "TMPDIR")
    environment = {key: os.environ[key] for key in kept if key in os.environ} | {
        "ANSIBLE_COLLECTIONS_PATH": str(link_tree()),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{Path(RULEBOOK).parent}:{os.environ['PATH']}",
    }
    command = [str(RULEBOOK), "--rulebook", f"pgops.sequences.{name}", "--vars", "variables.json"]
    running = Running(folder / "log")
    with running.log_file.open("w") as log:
        process = subprocess.Popen(
            [*command, "--inventory", "inventory.json", "--print-events"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            running.seen.update(processes(process.pid))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield running
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        # An audit of the server that never answers would go on for longer.
        running.wait(lambda: not processes(process.pid), 5)
    finally:
        over.set()
        looking.join()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert PASSWORD not in running.printed
    assert len(running.seen) > 3 and not any(PASSWORD in text for text in running.seen.values())


def is_behind(dsn: dict[str, str], table: str) -> bool:
    return sql(dsn, f'SELECT last_value < (SELECT max(id) FROM "{table}") FROM "{table}_id_seq"') == [(True,)]


def test_what_breaks_is_repaired(
    live: Server,
    servers: list[dict[str, Any]],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = live.dsn("shop")
    servers[2]["tables"] = ["orders", "parts"]
    variables = {"pg_sequences_servers": servers, "pg_sequences_interval": 1, "pg_sequences_timeout": 3}
    with rulebook("repair", variables, tmp_path) as running:
        running.wait(lambda: "'server': 'dead'" in running.printed)
        assert "PLAY" not in running.printed
        # A burst is one run.
        sql(shop, "INSERT INTO orders VALUES (1000); INSERT INTO parts VALUES (2000)")
        seconds = running.wait(lambda: not is_behind(shop, "orders") and not is_behind(shop, "parts"))
        running.wait(lambda: "'status': 'healthy'" in running.printed)
        assert sql(shop, "INSERT INTO orders DEFAULT VALUES RETURNING id") == [(1001,)]
        # The server that hung from the beginning kept nobody waiting.
        running.wait(lambda: "the audit was not over after 3 seconds" in running.printed)
        running.wait(lambda: "PLAY RECAP" in running.printed)
        # Time for another run to begin.
        time.sleep(2)
        assert running.printed.count("PLAY [Repair the sequences that are behind]") == 1
        assert running.printed.count("'type': 'server_unreachable'") == 2
        log = (tmp_path / "changes.log").read_text()
        assert [json.loads(line)["sequence"] for line in log.splitlines()] == [
            "public.orders_id_seq",
            "public.parts_id_seq",
        ]
        assert PASSWORD not in log
    record_property("break_to_repair_seconds", round(seconds, 2))
    with capsys.disabled():
        print(f" [from break to repair: {seconds:.1f} s at an interval of 1 s]", end="")


@pytest.fixture
def trap() -> Iterator[Path]:
    """A file that nobody must make, of a path short enough for a name in PostgreSQL."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    yield folder / "trap"
    shutil.rmtree(folder)


def test_names_are_no_templates(live: Server, servers: list[dict[str, Any]], tmp_path: Path, trap: Path) -> None:
    evil = f"{{{{ lookup('pipe', 'touch {trap}') }}}}"
    shop = live.dsn("shop")
    sql(shop, f'CREATE TABLE "{evil}" (id serial PRIMARY KEY); INSERT INTO "{evil}" VALUES (7)')
    sql(live.dsn(), f'CREATE DATABASE "{evil}" TEMPLATE shop')
    both = [shop, live.dsn(evil)]
    variables = {"pg_sequences_servers": servers[2:], "pg_sequences_interval": 1}
    try:
        with rulebook("repair", variables, tmp_path) as running:
            running.wait(lambda: not any(is_behind(dsn, evil) for dsn in both))
        for dsn in both:
            sql(dsn, f'INSERT INTO "{evil}" VALUES (70)')
        with web_server() as hook, rulebook("alert", {**variables, "pg_sequences_webhook_url": hook.url}, tmp_path):
            running.wait(lambda: len(hook.bodies) == 2)
        told = (
            "PostgreSQL sequences, live, database {}, public.{}_id_seq is critical:"
            ' behind: the next value is 8, but "{}".id already goes up to 70'
        )
        harmless = evil.replace("{", "(")
        assert {body["text"] for body in hook.bodies} == {
            told.format(name, harmless, harmless) for name in ("shop", harmless)
        }
        assert not trap.exists()
    finally:
        sql(live.dsn(), f'DROP DATABASE "{evil}"')


def test_changes_are_told(live: Server, servers: list[dict[str, Any]], tmp_path: Path) -> None:
    shop = live.dsn("shop")
    variables = {"pg_sequences_servers": servers[1:], "pg_sequences_interval": 1, "pg_sequences_webhook_url": ""}
    with rulebook("alert", variables, tmp_path) as running:

        def told(words: str) -> bool:
            # What arrives is printed as well, whatever the rules do with it.
            by_rule = re.findall(r"\[event\] \*+\n(.*?)\n\*\*\*", running.printed, re.S)
            return any(words in event for event in by_rule)

        running.wait(lambda: told("'server': 'dead'"))
        sql(shop, "INSERT INTO orders VALUES (1000)")
        running.wait(lambda: told("'status': 'critical'"))
        sql(shop, "SELECT setval('orders_id_seq', 1000)")
        running.wait(lambda: told("'status': 'healthy'"))
        assert "PLAY" not in running.printed


def test_what_is_not_taken_is_posted_again_and_the_url_is_printed_nowhere(
    live: Server, servers: list[dict[str, Any]], tmp_path: Path
) -> None:
    sql(live.dsn("shop"), "INSERT INTO orders VALUES (1000)")
    with web_server() as hook:
        hook.code = 500
        variables = {"pg_sequences_servers": servers[2:], "pg_sequences_interval": 1, "pg_sequences_post_delay": 1}
        variables = {**variables, "pg_sequences_webhook_url": hook.url, "pg_sequences_remind": 15}
        with rulebook("alert", variables, tmp_path) as running:
            running.wait(lambda: len(hook.paths) > 1)
            hook.code = 200
            running.wait(lambda: len(hook.bodies) > 0)
            assert "public.orders_id_seq is critical" in hook.bodies[0]["text"]
            # What is still there is told again.
            running.wait(lambda: len(hook.bodies) > 1, 60)
            assert hook.bodies[1] == hook.bodies[0]
            assert "s3cr3t-hook" not in running.printed
