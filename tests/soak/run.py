# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the installed monitor watch servers that restart, refuse, fail over and come back, and print what came of it.

``python tests/soak/run.py --minutes 20``. The monitor is installed by its playbook, under a folder, and its command run at a
short interval as a timer would. The exit code is 1 where a break was not found and repaired within an interval after its
server was back, or where memory or connections grew.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.run import run_playbook, sql  # noqa: E402
from support.servers import Server, standby  # noqa: E402

Dsn = dict[str, str]


class Watched:
    """One database under watch, with a table whose sequence is broken now and then.

    Args:
        name: the monitor's name of its host.
        dsn: where its writers go; several servers, if it can fail over.
        servers: those it runs on, the first one first.
    """

    def __init__(self, name: str, dsn: Dsn, servers: list[Server]) -> None:
        self.name = name
        self.dsn = dsn
        self.servers = servers
        self.broken_at: float | None = None
        self.back_at = 0.0
        self.repaired_after: list[float] = []
        self.events: dict[str, int] = {}

    @property
    def server(self) -> Server:
        """The one that is to answer."""
        return self.servers[0]

    def prepare(self) -> None:
        """Make the table."""
        sql(self.dsn, "CREATE TABLE orders (id bigserial PRIMARY KEY)")

    def break_it(self) -> None:
        """Store an id that the sequence has yet to hand out, unless it is broken already."""
        if self.broken_at is None:
            sql(self.dsn, "INSERT INTO orders SELECT last_value + 50 FROM orders_id_seq")
            self.broken_at = time.monotonic()
            self._count("broken")

    def look(self) -> None:
        """See whether it has been repaired; not while the server does not answer."""
        if self.broken_at is None:
            return
        with contextlib.suppress(psycopg2.Error):
            (behind,) = sql(self.dsn, "SELECT last_value < (SELECT max(id) FROM orders) FROM orders_id_seq")[0]
            if not behind:
                self.repaired_after.append(time.monotonic() - max(self.broken_at, self.back_at))
                self.broken_at = None

    def connections(self) -> int:
        """Sessions of others with the database."""
        where = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        with contextlib.suppress(psycopg2.Error):
            return int(sql(self.dsn, f"SELECT count(*) FROM pg_stat_activity WHERE {where}")[0][0])
        return 0

    def restart(self) -> None:
        """Restart as after a crash."""
        self._count("restarted")
        self.server.restart("immediate")
        self.back_at = time.monotonic()

    def go_away(self, seconds: float) -> None:
        """Stop for a while."""
        self._count("stopped")
        self.server.stop("fast")
        time.sleep(seconds)
        self.server.start()
        self.back_at = time.monotonic()

    def refuse(self, seconds: float) -> None:
        """Let nobody in for a while."""
        self._count("refused")
        rules = (self.server.data_dir / "pg_hba.conf").read_text()
        self.server.put("pg_hba.conf", "local all all reject\nhost all all 127.0.0.1/32 reject\n")
        self.server.reload()
        time.sleep(seconds)
        self.server.put("pg_hba.conf", rules)
        self.server.reload()
        time.sleep(0.5)
        self.back_at = time.monotonic()

    def fail_over(self) -> None:
        """Lose the primary; the standby takes over."""
        self._count("failed over")
        self.servers.pop(0).stop("immediate")
        there: Dsn = self.server.dsn()
        sql(there, "SELECT pg_promote()")
        self.back_at = time.monotonic()

    def _count(self, event: str) -> None:
        self.events[event] = self.events.get(event, 0) + 1


class Timer(threading.Thread):
    """Runs the monitor's command at an interval, as a timer would.

    Args:
        command: the monitor's.
        interval: seconds from the begin of a run to that of the next.
    """

    def __init__(self, command: Path, interval: float) -> None:
        super().__init__(daemon=True)
        self._command = command
        self._interval = interval
        self._over = threading.Event()
        self.codes: dict[int, int] = {}
        self.seconds: list[float] = []
        self.peaks: list[float] = []
        self.told = ""

    def run(self) -> None:
        """Until :meth:`end`."""
        while not self._over.is_set():
            begin = time.monotonic()
            done = subprocess.run(
                ["/usr/bin/env", "-i", sys.executable, "-c", _MEASURED, str(self._command)],
                capture_output=True,
                text=True,
                check=False,
            )
            code, peak, self.told = json.loads(done.stdout.splitlines()[-1])
            self.codes[code] = self.codes.get(code, 0) + 1
            self.seconds.append(time.monotonic() - begin)
            self.peaks.append(peak)
            self._over.wait(max(0.0, self._interval - self.seconds[-1]))

    def end(self) -> None:
        """After the run that is under way."""
        self._over.set()
        self.join()


# The exit code, the MiB of the largest process, and what was printed, of one run.
_MEASURED = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
print(json.dumps([done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, done.stdout]))
"""


def install(root: Path, watched: list[Watched]) -> Path:
    """Install the monitor; return its command."""
    local = {
        "ansible_connection": "local",
        "ansible_python_interpreter": f"{root}/opt/pg_sequences_monitor/venv/bin/python",
    }
    hosts: dict[str, Any] = {}
    for each in watched:
        params = {name: each.dsn[name] for name in ("host", "port", "target_session_attrs") if name in each.dsn}
        hosts[each.name] = {**local, "pg_sequences_connect_params": {**params, "connect_timeout": "3"}}
    variables = {
        "pg_sequences_monitor_root": str(root),
        "pg_sequences_monitor_become": False,
        "pg_sequences_monitor_user": getpass.getuser(),
        "pg_sequences_monitor_auto_fix": True,
        "pg_sequences_monitor_inventory": {"all": {"hosts": hosts}},
        "pg_sequences_login_user": "postgres",
        "pg_sequences_database": "postgres",
        "pg_sequences_report_keep": 20,
    }
    done = run_playbook("pgops.sequences.monitor", variables)
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return root / "opt/pg_sequences_monitor/run"


@contextlib.contextmanager
def fleet() -> Iterator[list[Watched]]:
    """A database that can fail over, and two that cannot."""
    with Server(18) as primary, standby(primary) as other, Server(15) as old, Server(17) as third:
        both = {
            **primary.dsn(),
            "host": f"{primary.socket_dir},{other.socket_dir}",
            "port": f"{primary.port},{other.port}",
            "target_session_attrs": "read-write",
        }
        watched = [
            Watched("shop", both, [primary, other]),
            Watched("stock", old.dsn(), [old]),
            Watched("crm", third.dsn(), [third]),
        ]
        for each in watched:
            each.prepare()
        yield watched


def soak(watched: list[Watched], minutes: float, away: float, dice: random.Random) -> list[int]:
    """Break, restart, refuse and fail over until the time is over; return how many connections there were over time."""
    begin = time.monotonic()
    end = begin + minutes * 60
    connections = []
    next_trouble = begin + 5
    while time.monotonic() < end:
        for each in watched:
            each.look()
        connections.append(sum(each.connections() for each in watched))
        if time.monotonic() > next_trouble:
            each = dice.choice(watched)
            each.break_it()
            if each.name == "shop" and len(each.servers) > 1 and time.monotonic() - begin > minutes * 30:
                # What was written must have got there.
                time.sleep(2)
                each.fail_over()
            else:
                what = dice.choice(["nothing", "nothing", "restart", "refuse", "away"])
                if what == "restart":
                    each.restart()
                elif what == "refuse":
                    each.refuse(away)
                elif what == "away":
                    each.go_away(away)
            next_trouble = time.monotonic() + dice.uniform(2, 15)
        time.sleep(0.5)
    return connections


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description="The monitor under trouble.")
    parser.add_argument("--minutes", type=float, default=20, help="how long")
    parser.add_argument("--interval", type=float, default=20, help="seconds between two runs")
    parser.add_argument("--away", type=float, default=15, help="seconds that a server is away or refuses")
    parser.add_argument("--seed", type=int, default=1, help="of the dice")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgops-soak-") as scratch, fleet() as watched:
        root = Path(scratch)
        timer = Timer(install(root, watched), options.interval)
        timer.start()
        connections = soak(watched, options.minutes, options.away, random.Random(options.seed))
        # What was broken last has an interval, too.
        deadline = time.monotonic() + 2 * options.interval
        while any(each.broken_at for each in watched) and time.monotonic() < deadline:
            time.sleep(0.5)
            for each in watched:
                each.look()
        timer.end()
        reports = len(list((root / "var/lib/pg_sequences_monitor/reports").glob("2*")))
        logged = len((root / "var/log/pg_sequences_monitor/changes.log").read_text().splitlines())
        remains = len(list((root / "var/lib/pg_sequences_monitor").rglob(".unfinished*")))
    return report(watched, timer, connections, {"reports": reports, "logged": logged, "remains": remains}, options)


def report(
    watched: list[Watched], timer: Timer, connections: list[int], files: dict[str, int], options: argparse.Namespace
) -> int:
    """Print what came of it; return the exit code."""
    events: dict[str, int] = {}
    for each in watched:
        for event, count in each.events.items():
            events[event] = events.get(event, 0) + count
    delays = [delay for each in watched for delay in each.repaired_after]
    # A run that began before the server was back may miss it; the next is an interval later and takes its time.
    bound = options.interval + 2 * max(timer.seconds)
    quarter = max(1, len(timer.peaks) // 4)
    first, last = statistics.median(timer.peaks[:quarter]), statistics.median(timer.peaks[-quarter:])
    wrong = []
    if len(delays) != events.get("broken", 0):
        wrong.append(f"{events.get('broken', 0) - len(delays)} breaks were not repaired")
    if delays and max(delays) > bound:
        wrong.append(f"a repair took {max(delays):.1f} s, more than {bound:.1f} s")
    if last > first * 1.1:
        wrong.append(f"memory grew from {first:.0f} to {last:.0f} MiB")
    tail = connections[-len(connections) // 4 :]
    if tail and statistics.median(tail) > statistics.median(connections[: len(connections) // 4]) + 1:
        wrong.append("connections grew")
    if files["remains"]:
        wrong.append("unfinished files remain")
    if files["logged"] < len(delays):
        wrong.append("repairs are missing from the log")
    print(f"{options.minutes:g} minutes, a run every {options.interval:g} s; what happened: {events}")
    print(
        f"runs by exit code: {timer.codes}; seconds each: {statistics.median(timer.seconds):.1f}, at most {max(timer.seconds):.1f}"
    )
    if delays:
        print(
            f"from break, or the server's return, to repair: median {statistics.median(delays):.1f} s, at most {max(delays):.1f} s"
        )
    print(
        f"memory of the largest process: {first:.0f} MiB at first, {last:.0f} MiB at last; connections at most {max(connections)}"
    )
    print(f"files: {files}")
    if wrong:
        print("what the last run printed:", timer.told, sep="\n")
    print("\n".join(wrong) if wrong else "all as it should be")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
