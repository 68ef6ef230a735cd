# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks cost beside one bare task of the module they run, over many hosts, in one run by turns.

As a program: ``fleet.py [--hosts 40] [--forks 10] [--times 5]``; with the environment of the tests.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.run import run_playbook, sql  # noqa: E402
from support.servers import Server  # noqa: E402

_BARE = """
- hosts: all
  gather_facts: false
  tasks:
    - pgops.sequences.{module}:
        login_unix_socket: "{{{{ pg_sequences_login_unix_socket }}}}"
        login_port: "{{{{ pg_sequences_login_port }}}}"
        login_db: "{{{{ pg_sequences_database }}}}"
      register: bare
"""


def _timed(playbook: str, inventory: Path, forks: int) -> float:
    """Seconds that a playbook takes.

    Raises:
        RuntimeError: it failed.
    """
    begin = time.monotonic()
    done: subprocess.CompletedProcess[str] = run_playbook(
        playbook, {}, "-i", str(inventory), "-e", "pg_sequences_hosts=fleet", "--limit", "fleet", "--forks", str(forks)
    )
    seconds = time.monotonic() - begin
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return seconds


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description="What the playbooks cost over many hosts.")
    parser.add_argument("--hosts", type=int, default=40)
    parser.add_argument("--forks", type=int, default=10)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with Server(18) as server, tempfile.TemporaryDirectory() as scratch:
        sql(server.dsn(), "CREATE TABLE orders (id serial PRIMARY KEY)")
        place = server.dsn()
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "pg_sequences_login_unix_socket": place["host"],
            "pg_sequences_login_port": int(place["port"]),
            "pg_sequences_database": place["dbname"],
        }
        inventory = Path(scratch, "fleet.json")
        hosts = {f"db{number:02}": variables for number in range(options.hosts)}
        inventory.write_text(json.dumps({"fleet": {"hosts": hosts}}))
        for module, playbook in (("pg_sequence_info", "check"), ("pg_sequence_fix", "fix")):
            bare = Path(scratch, f"{module}.yml")
            bare.write_text(_BARE.format(module=module))
            pairs = [
                (
                    _timed(str(bare), inventory, options.forks),
                    _timed(f"pgops.sequences.{playbook}", inventory, options.forks),
                )
                for _time in range(options.times)
            ]
            alone, whole = (statistics.median(times) for times in zip(*pairs))
            ratio = statistics.median(whole / alone for alone, whole in pairs)
            print(f"{playbook}: {whole:.2f} s beside {alone:.2f} s for {module}: {ratio:.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
