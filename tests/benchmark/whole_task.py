# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The case after a restore as a user of Ansible meets it: all sequences behind, a whole task less a trivial one.

As a program: ``whole_task.py [--tables 10000] [--rounds 5]``; with the environment of the tests.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark import databases  # noqa: E402
from benchmark.extras import in_turn  # noqa: E402
from benchmark.figures import Fact, spread  # noqa: E402
from benchmark.shop import SETTINGS, Shop  # noqa: E402
from support.run import run_playbook  # noqa: E402
from support.servers import Server  # noqa: E402

_PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - {task}
      register: done
"""


def whole_tasks(shop: Shop, rounds: int, scratch: Path) -> Iterator[Fact]:
    """Audit and repair of a database where all are behind, beside the floor and Django's statements.

    Args:
        shop: the database; its sequences end as they were set last.
        rounds: how often each is measured, in turn.
        scratch: a folder for the plays.
    """
    where = f"login_unix_socket: {shop.dsn['host']}, login_port: {shop.dsn['port']}, login_db: {shop.name}"

    def task(name: str, text: str, code: int = 0) -> Callable[[], None]:
        play = scratch / f"{name}.yml"
        play.write_text(_PLAY.format(task=text))

        def run() -> None:
            done = run_playbook(str(play), {})
            if done.returncode != code:
                raise AssertionError(done.stdout[-2000:] + done.stderr[-2000:])

        return run

    trivial = task("trivial", "ansible.builtin.ping:")
    info = task("info", f"pgops.sequences.pg_sequence_info: {{{where}}}")
    fix = task("fix", f"pgops.sequences.pg_sequence_fix: {{{where}}}")
    runs = {"trivial": trivial, "floor": shop.floor, "audit": info, "repair": fix, "django": shop.django}
    seconds = dict(zip(runs, in_turn(rounds, *runs.values(), before=lambda: databases.set_all(shop.dsn, 1))))
    databases.set_all(shop.dsn, 100)
    net = {
        name: [one - nothing for one, nothing in zip(seconds[name], seconds["trivial"])] for name in ("audit", "repair")
    }
    what = f"{shop.tables:,} sequences, all behind"
    for name, measured in (*seconds.items(), *((f"{name}, less the trivial task", each) for name, each in net.items())):
        yield Fact(f"{what}: {name}", f"{spread(measured, 2)} s")
    for name, by in (("audit", "floor"), ("audit", "django"), ("repair", "django")):
        yield Fact(f"{what}: {name} by {by}", spread([a / b for a, b in zip(net[name], seconds[by])], 2))


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description="Whole tasks over a database where all sequences are behind.")
    parser.add_argument("--tables", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgops-bench-", dir="/var/tmp") as scratch:
        place = Path(scratch)
        place.chmod(0o755)
        with Server(18, settings=SETTINGS, durable=True) as server:
            for fact in whole_tasks(Shop(server, options.tables, place), options.rounds, place):
                print(*fact, sep=": ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
