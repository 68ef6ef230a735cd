# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the collection at work: restore a dump, see the damage, see it repaired, insert.

A server of its own, the dump of a shop, PostgreSQL's own tools, and ``ansible-playbook`` with the collection as
``ansible-galaxy`` installs it. Exits with 1 as soon as a step does not show what it should.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support import servers  # noqa: E402

INSERT = "INSERT INTO sales.orders (customer_id, channel_id, placed) VALUES (1, 1, now()) RETURNING id"


class Unexpected(Exception):
    """A step of the demonstration did not end as it should."""


class Demo:
    """The steps, each in terms of the commands a user would type.

    Args:
        server: running, with nothing in it.
        scratch: a folder for the dump and the installed collection.
    """

    def __init__(self, server: servers.Server, scratch: Path) -> None:
        self._server = server
        self._scratch = scratch
        self._tools = servers.client_binaries()
        # An empty configuration, lest Ansible finds the user's.
        (scratch / "ansible.cfg").touch()
        self._login = ["-h", str(server.socket_dir), "-p", str(server.port), "-U", "postgres"]

    def tool(self, name: str, *args: str, fails: bool = False) -> str:
        """Run one of PostgreSQL's tools and return what it printed."""
        return self._run([str(self._tools / name), *self._login, *args], fails)

    def sql(self, database: str, statement: str, fails: bool = False) -> str:
        """Run a statement with psql and return its rows, or its error where it is to fail."""
        return self.tool("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement, fails=fails)

    def install_collection(self) -> None:
        """Build the collection and install it where ansible-playbook will find it."""
        galaxy = str(Path(sys.executable).with_name("ansible-galaxy"))
        self._run([galaxy, "collection", "build", str(ROOT), "--output-path", str(self._scratch), "--force"])
        (archive,) = self._scratch.glob("pgops-sequences-*.tar.gz")
        self._run(
            [galaxy, "collection", "install", str(archive), "-p", str(self._scratch / "collections"), "--offline"]
        )

    def playbook(self, *args: str) -> str:
        """Run restore_then_fix on the screen, and return what it printed."""
        variables = {
            "pg_sequences_login_unix_socket": str(self._server.socket_dir),
            "pg_sequences_login_port": self._server.port,
            "pg_sequences_bin_dir": str(self._tools),
            "pg_sequences_database": "shop_copy",
            "pg_sequences_dump": str(self._scratch / "shop.dump"),
            "pg_sequences_restore_data_only": True,
            "pg_sequences_restore_tables": ["*"],
        }
        inventory = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
        }
        (self._scratch / "hosts.json").write_text(json.dumps({"all": {"hosts": {"demo": inventory}}}))
        (self._scratch / "shop_copy.json").write_text(json.dumps(variables, indent=2))
        command = [
            "ansible-playbook",
            "-i",
            "hosts.json",
            "pgops.sequences.restore_then_fix",
            "-e",
            "@shop_copy.json",
            *args,
        ]
        print(f"$ {' '.join(command)}", flush=True)
        with subprocess.Popen(
            [str(Path(sys.executable).with_name(command[0])), *command[1:]],
            cwd=self._scratch,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stdout is not None
            lines = []
            for line in running.stdout:
                print(f"  {line}", end="", flush=True)
                lines.append(line)
        if running.returncode:
            raise Unexpected(f"ansible-playbook ended with {running.returncode}")
        return "".join(lines)

    def _run(self, command: list[str], fails: bool = False) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self._scratch, env=self._environment()
        )
        if (done.returncode != 0) != fails:
            raise Unexpected(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
        return (done.stderr if fails else done.stdout).strip()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "ANSIBLE_", "PYTHON"))}
        return {
            **kept,
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(self._scratch / "collections"),
            "ANSIBLE_HOME": str(self._scratch / "ansible"),
            "ANSIBLE_CONFIG": str(self._scratch / "ansible.cfg"),
        }


def show(demo: Demo) -> None:
    """Go through the demonstration.

    Raises:
        Unexpected: a step did not show what it should.
    """
    step("Build the collection from this checkout and install it with ansible-galaxy")
    demo.install_collection()

    step("Build the database of a shop, and dump it")
    demo.sql("postgres", "CREATE DATABASE shop")
    demo.tool("psql", "-Xq", "-d", "shop", "-f", str(ROOT / "tests" / "demo" / "shop.sql"))
    tables, rows = demo.sql(
        "shop", "SELECT count(*), sum(reltuples)::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace IN"
        " ('public'::regnamespace, 'sales'::regnamespace, 'stock'::regnamespace, 'billing'::regnamespace, 'web'::regnamespace)"
    ).split("|")  # fmt: skip
    print(f"{tables} tables, {rows} rows")
    demo.tool("pg_dump", "--format=custom", "--data-only", "--file=shop.dump", "shop")
    demo.tool("pg_dump", "--schema-only", "--file=schema.sql", "shop")

    step("Restore it the way that loses sequences: the schema from migrations, the rows table by table")
    demo.sql("postgres", "CREATE DATABASE by_hand")
    demo.tool("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", "by_hand", "-f", "schema.sql")
    names = demo.sql("shop", "SELECT relname FROM pg_stat_user_tables").splitlines()
    demo.tool("pg_restore", "--data-only", "-d", "by_hand", *(f"--table={name}" for name in names), "shop.dump")
    print(f"$ psql -d by_hand -c '{INSERT}'")
    failure = demo.sql("by_hand", INSERT, fails=True)
    print(failure)
    if "duplicate key value violates unique constraint" not in failure:
        raise Unexpected("the INSERT was to fail with a duplicate key")

    step("The same restore by pgops.sequences.restore_then_fix")
    demo.sql("postgres", "CREATE DATABASE shop_copy")
    demo.tool("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", "shop_copy", "-f", "schema.sql")
    first = demo.playbook()
    print(f"$ psql -d shop_copy -c '{INSERT}'")
    print(f"id {demo.sql('shop_copy', INSERT)} inserted")
    if not re.search(r"changed=[1-9]", first):
        raise Unexpected("the first run was to change something")

    step("Once more: the dump is there and the sequences are right, so nothing changes")
    if not re.search(r"changed=0\b.*failed=0\b", demo.playbook()):
        raise Unexpected("the second run was to change nothing")

    (repaired,) = re.findall(r"^verdict: (.*)$", first, re.MULTILINE)
    print("\nverdict: a restore by hand left sequences behind, and its first INSERT failed;")
    print(f"         restore_then_fix: {repaired}; its INSERT worked, and a second run changed nothing")
    print('next: your own dump, by README.md, "The commonest uses"')


def step(title: str) -> None:
    """Announce a step."""
    print(f"\n== {title}", flush=True)


def main() -> int:
    """Run the demonstration on a server of its own, and stop it."""
    begun = time.monotonic()
    step("Fetch PostgreSQL, unless it is there, and start a server")
    try:
        servers.client_binaries()
        with tempfile.TemporaryDirectory(prefix="pgops-demo-") as scratch, servers.Server(18) as server:
            print(f"PostgreSQL 18, socket in {server.socket_dir}")
            started = time.monotonic()
            show(Demo(server, Path(scratch)))
    except (Unexpected, servers.ServerError) as error:
        print(f"\nThe demonstration failed: {error}", file=sys.stderr)
        return 1
    ended = time.monotonic()
    print(
        f"\nThe server is stopped, nothing is left running. {ended - begun:.0f} s, {ended - started:.0f} s of them after downloads."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
