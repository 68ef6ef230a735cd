# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the comparison does not show: growth, memory, writers beside an audit, the cost of a task, odd databases."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark import databases
from benchmark.figures import Fact, spread
from support.run import run_module, run_playbook
from support.servers import Server, client_binaries

Dsn = Mapping[str, str]


def login(dsn: Dsn) -> dict[str, Any]:
    """The modules' connection options for a server on a socket."""
    return {
        "login_unix_socket": dsn["host"],
        "login_port": int(dsn["port"]),
        "login_user": dsn["user"],
        "login_db": dsn["dbname"],
    }


def timed(run: Callable[[], object]) -> float:
    """Seconds that a call took."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def in_turn(rounds: int, *runs: Callable[[], object], before: Callable[[], object] = lambda: None) -> list[list[float]]:
    """Seconds of several calls, round by round, one after the other.

    Args:
        rounds: how often each is called.
        runs: the calls.
        before: called before each, not measured.
    """

    def one(run: Callable[[], object]) -> float:
        before()
        return timed(run)

    return [list(seconds) for seconds in zip(*([one(run) for run in runs] for _unused in range(rounds)))]


def _ratio(ones: Sequence[float], others: Sequence[float]) -> str:
    return spread([one / other for one, other in zip(ones, others)], 2)


def audit(dsn: Dsn, sequences: int, **options: Any) -> None:
    """Run an audit that has to find so many sequences, and nothing wrong."""
    result = run_module("pg_sequence_info", {**login(dsn), **options})
    if result["failed"] or result["summary"]["total"] != sequences or result["sequences"]:
        raise AssertionError(f"{result.get('msg')} {result.get('summary')}")


@contextlib.contextmanager
def shop(server: Server, name: str, tables: int, *statements: str) -> Iterator[Dsn]:
    """A healthy database of so many tables, for as long as the block lasts."""
    databases.execute(server.dsn(), f"CREATE DATABASE {name}")
    dsn = server.dsn(name)
    try:
        databases.build(dsn, tables)
        databases.execute(dsn, *statements, "VACUUM ANALYZE")
        databases.set_all(dsn, 2000000)
        yield dsn
    finally:
        databases.execute(server.dsn(), f"DROP DATABASE {name}")


def growth(server: Server, sizes: Sequence[int]) -> Iterator[Fact]:
    """Time per sequence of databases of several sizes."""
    with shop(server, "nothing", 0) as dsn:
        alone = statistics.median(in_turn(5, lambda: audit(dsn, 0))[0])
    for size in sizes:
        with shop(server, f"growth{size}", size) as dsn:
            seconds = in_turn(3, lambda: audit(dsn, size, gap_threshold=10**9))[0]  # noqa: B023
            each = (statistics.median(seconds) - alone) / size * 1e6
            yield Fact(
                f"audit of {size:,} sequences, beyond the {alone:.2f} s of an empty database", f"{each:.0f} µs each"
            )


def memory(dsn: Dsn, size: int) -> Fact:
    """What the module takes at its greatest."""
    return Fact(f"memory of the module, {size:,} sequences, all healthy", f"{_peak_memory(dsn, size):.0f} MiB")


def _peak_memory(dsn: Dsn, size: int) -> float:
    """MiB of the module at its greatest."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_of_child, (dict(dsn), size))


def _peak_of_child(dsn: Dsn, size: int) -> float:
    audit(dsn, size, gap_threshold=10**9)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def many_databases(server: Server) -> Iterator[Fact]:
    """A hundred small databases beside a large one of as many sequences."""
    with shop(server, "large", 5000) as large, contextlib.ExitStack() as stack:
        for number in range(100):
            stack.enter_context(shop(server, f"small{number}", 50))
        several = {"databases": ["small*"], "gap_threshold": 10**9}
        many, one = in_turn(
            3,
            lambda: audit(server.dsn(), 5000, **several),
            lambda: audit(large, 5000, gap_threshold=10**9),
        )
    yield Fact("audit of 100 databases of 50 sequences, by that of one of 5,000", _ratio(many, one))


def selection(server: Server) -> Iterator[Fact]:
    """One application's tables among many others'."""
    with shop(server, "crowd", 10000) as crowd, shop(server, "single", 20) as single:
        few, alone = in_turn(
            5,
            lambda: audit(crowd, 20, tables=["app7_*"], gap_threshold=10**9),
            lambda: audit(single, 20, gap_threshold=10**9),
        )
    yield Fact("audit of one application's 20 tables among 10,000, by that of a database of 20", _ratio(few, alone))


def odd_tables(server: Server) -> Iterator[Fact]:
    """Partitions by the thousand, and a large table without an index, among others."""
    parted = [
        "CREATE TABLE parted (id serial, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
        *(
            f"DO $$ BEGIN FOR i IN {first}..{first + 99} LOOP EXECUTE format('CREATE TABLE %I PARTITION OF parted"
            " FOR VALUES FROM (%s) TO (%s)', 'part' || i, i, i + 1); END LOOP; END $$"
            for first in range(0, 1000, 100)
        ),
        "INSERT INTO parted (day) SELECT generate_series(0, 999)",
    ]
    heap = ["CREATE TABLE heap (id serial)", "INSERT INTO heap SELECT generate_series(1, 1000000)"]
    with (
        shop(server, "plain", 1000) as plain,
        shop(server, "with_parted", 1000, *parted) as with_parted,
        shop(server, "with_heap", 1000, *heap) as with_heap,
    ):
        without, partitions, scan = in_turn(
            3,
            lambda: audit(plain, 1000, gap_threshold=10**9),
            lambda: audit(with_parted, 1001, gap_threshold=10**9),
            lambda: audit(with_heap, 1001, gap_threshold=10**9),
        )
    yield Fact("audit of 1,000 tables and one of 1,000 partitions, by that without it", _ratio(partitions, without))
    yield Fact(
        "audit of 1,000 tables and one of 1,000,000 rows without index, by that without it", _ratio(scan, without)
    )


_WRITE = "INSERT INTO app0_t0 (note) VALUES ('written') RETURNING id;\n"


def writers(server: Server, seconds: int = 8, rounds: int = 3) -> Iterator[Fact]:
    """The latency of writers while audits run one after the other, and while a query and its client only compute."""
    with shop(server, "busy", 10000) as dsn, tempfile.TemporaryDirectory(prefix="pgops-bench-") as scratch:
        without, computing, auditing = [], [], []
        for _unused in range(rounds):
            without.append(_latency(dsn, Path(scratch), seconds))
            # What processors that are taken cost by themselves: an audit is a session and its client.
            client = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            computing.append(_beside(_compute_until, dsn, Path(scratch), seconds))
            client.kill()
            client.wait()
            auditing.append(_beside(_audit_until, dsn, Path(scratch), seconds))
    yield Fact("99th percentile of an INSERT's latency, nothing else running", f"{spread(without, 2)} ms")
    yield Fact("... beside a query and a client that only compute, and read no table", f"{spread(computing, 2)} ms")
    yield Fact("... beside audits of 10,000 tables without a pause", f"{spread(auditing, 2)} ms")


def _beside(work: Callable[[Dsn, threading.Event], None], dsn: Dsn, scratch: Path, seconds: int) -> float:
    over = threading.Event()
    thread = threading.Thread(target=work, args=(dsn, over))
    thread.start()
    try:
        return _latency(dsn, scratch, seconds)
    finally:
        over.set()
        thread.join()


def _compute_until(dsn: Dsn, over: threading.Event) -> None:
    while not over.is_set():
        databases.execute(dsn, "SELECT count(*) FROM generate_series(1, 3000000)")


def _audit_until(dsn: Dsn, over: threading.Event) -> None:
    while not over.is_set():
        audit(dsn, 10000, gap_threshold=10**9)


def _latency(dsn: Dsn, scratch: Path, seconds: int) -> float:
    """Milliseconds of the 99th percentile, of 100 transactions a second."""
    script, prefix = scratch / "write.sql", scratch / "latency"
    script.write_text(_WRITE)
    subprocess.run(
        [client_binaries() / "pgbench", "-n", "-c", "2", "-R", "100", "-T", str(seconds), "-f", script]
        + ["-l", "--log-prefix", str(prefix), "-h", dsn["host"], "-p", dsn["port"], "-U", dsn["user"], dsn["dbname"]],
        check=True,
        capture_output=True,
    )
    found = []
    for log in scratch.glob("latency.*"):
        # Client, number, microseconds, script, time in two parts, how late it began.
        lines = (line.split() for line in log.read_text().splitlines())
        found += [(int(fields[2]) - int(fields[6])) / 1000 for fields in lines]
        log.unlink()
    return statistics.quantiles(found, n=100)[98]


def tasks(server: Server) -> Iterator[Fact]:
    """The cost of a task, beside that of the smallest task of the community's collection, and on many hosts."""
    with shop(server, "small", 10) as dsn:
        info = {"pgops.sequences.pg_sequence_info": {**login(dsn), "gap_threshold": 10**9}}
        ping = {"community.postgresql.postgresql_ping": login(dsn)}
        debug = {"ansible.builtin.meta": "noop"}
        empty, ours, theirs = in_turn(5, *(_playbook([task] * 10) for task in (debug, info, ping)))
        yield Fact(
            "a task of pg_sequence_info, database of 10 tables, by one of postgresql_ping",
            spread([(one - none) / (other - none) for none, one, other in zip(empty, ours, theirs)], 2),
        )
        one, many = in_turn(3, _playbook([info] * 10), _playbook([info], hosts=50, forks=10))
        none, none_of_many = in_turn(3, _playbook([debug]), _playbook([debug], hosts=50, forks=10))
        each = [
            (total - least) / 50 / ((alone - nothing) / 10)
            for total, least, alone, nothing in zip(many, none_of_many, one, none)
        ]
        yield Fact(
            "time per host of 50 hosts at forks: 10, by that of one host alone (two processors)", spread(each, 2)
        )


_SET = """SELECT setval('app0_t{{ item }}_id_seq', max(id)) FROM app0_t{{ item }}"""


def loop_of_tasks(server: Server) -> Iterator[Fact]:
    """The cost per sequence of a loop that sets them one by one."""
    with shop(server, "looped", 20) as dsn:
        query = {"community.postgresql.postgresql_query": {**login(dsn), "query": _SET}}
        once, all_of_them = (_playbook([{**query, "loop": list(range(number))}]) for number in (1, 20))
        one, several = in_turn(3, once, all_of_them)
        each = statistics.median((total - least) / 19 for total, least in zip(several, one))
    yield Fact(
        "a loop of community.postgresql.postgresql_query, for 10,000 sequences",
        f"{each:.2f} s each, {each * 10000 / 60:.0f} min",
    )


def _playbook(tasks: Sequence[Mapping[str, Any]], hosts: int = 1, forks: int = 1) -> Callable[[], None]:
    def run() -> None:
        with tempfile.TemporaryDirectory(prefix="pgops-bench-") as scratch:
            local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
            names = {f"host{number}": local for number in range(hosts)}
            inventory, playbook = Path(scratch, "inventory.json"), Path(scratch, "tasks.json")
            inventory.write_text(json.dumps({"all": {"hosts": names}}))
            playbook.write_text(json.dumps([{"hosts": "host*", "gather_facts": False, "tasks": list(tasks)}]))
            done = run_playbook(playbook, {}, "-i", str(inventory), "--forks", str(forks))
            if done.returncode:
                raise AssertionError(done.stdout[-3000:] + done.stderr[-1000:])

    return run


def all_facts(server: Server, sizes: Sequence[int]) -> Iterator[Fact]:
    """Every figure, as it comes."""
    yield from growth(server, sizes)
    yield from many_databases(server)
    yield from selection(server)
    yield from odd_tables(server)
    yield from writers(server)
    yield from tasks(server)
    yield from loop_of_tasks(server)
