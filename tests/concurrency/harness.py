# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight writers and two fixers at once on a few sequences, and what can be proved from what they saw.

Every value that ``nextval()`` handed out is kept, with the moments before and after the call. From these follows:

- *twice*: a value was handed out more than once. Only a move backward does that.
- *backward*: a call that began after another had ended got a lower value. Where nobody caches, only a move does that.
- *collisions*: default inserts that met a row with their value. An importer's rows a little ahead of the sequence
  cause them without any repair: that is the lag which repairs are for.
- *after repair*: those among them that a repair had to prevent: it moved this sequence, began after the row was
  committed, and ended before the value was asked for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg2
import psycopg2.errors

from support.run import run_module, sql

Dsn = Mapping[str, str]

LOCK_TIMEOUT = 0.5
LONGEST_HOLD = 0.2

_PLAIN = ("p0", "p1", "p2", "p3")
_CACHED = ("c0", "c1")
TABLES = (*_PLAIN, *_CACHED)

_AHEAD = (1, 2, 3, 10, 50, 200, 500)
_KEY = re.compile(r"\(id\)=\((\d+)\)")


@dataclasses.dataclass(frozen=True)
class Call:
    """One value handed out: of which table's sequence, when it was asked for and had."""

    table: str
    value: int
    began: float
    ended: float
    collided: bool = False


@dataclasses.dataclass(frozen=True)
class Repair:
    """One run of a repair, and the tables whose sequences it moved."""

    began: float
    ended: float
    moved: frozenset[str]


@dataclasses.dataclass
class Records:
    """What writers and fixers have seen."""

    calls: list[Call] = dataclasses.field(default_factory=list)
    explicit: dict[tuple[str, int], float] = dataclasses.field(default_factory=dict)
    repairs: list[Repair] = dataclasses.field(default_factory=list)
    errors: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a repair did to the writers; ``longest_stall`` in seconds."""

    name: str
    calls: int
    repairs: int
    moves: int
    twice: int
    backward: int
    collisions: int
    after_repair: int
    longest_stall: float
    errors: list[str]


Fixer = Callable[[Dsn, Any], frozenset[str]]


def module(dsn: Dsn, _cursor: Any) -> frozenset[str]:
    """The module, as a process of its own."""
    result = run_module(
        "pg_sequence_fix",
        {
            "login_unix_socket": dsn["host"],
            "login_port": int(dsn["port"]),
            "login_user": dsn["user"],
            "login_db": dsn["dbname"],
            "lock_timeout": LOCK_TIMEOUT,
            "retries": 1,
            # An importer is never done: what it wrote since is critical again, and no fault.
            "fail_on_unfixed": False,
        },
    )
    if result["failed"]:
        raise AssertionError(result["msg"])
    return frozenset(change["name"].replace("_id_seq", "") for change in result["changes"])


def wiki(_dsn: Dsn, cursor: Any) -> frozenset[str]:
    """The statement of PostgreSQL's wiki, "Fixing Sequences"."""
    for table in TABLES:
        cursor.execute(f"SELECT setval('{table}_id_seq', coalesce(max(id), 1)) FROM {table}")
    return frozenset(TABLES)


def django(_dsn: Dsn, cursor: Any) -> frozenset[str]:
    """The statement that Django's ``sqlsequencereset`` prints."""
    for table in TABLES:
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence('\"{table}\"','id'),"
            f' coalesce(max("id"), 1), max("id") IS NOT null) FROM "{table}"'
        )
    return frozenset(TABLES)


def compare(_dsn: Dsn, cursor: Any) -> frozenset[str]:
    """Read both, and set where the sequence is behind: the careful script."""
    moved = set()
    for table in TABLES:
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}")
        ((furthest,),) = cursor.fetchall()
        cursor.execute(f"SELECT last_value FROM {table}_id_seq")
        ((last_value,),) = cursor.fetchall()
        if last_value < furthest:
            cursor.execute(f"SELECT setval('{table}_id_seq', {furthest})")
            moved.add(table)
    return frozenset(moved)


NAIVE: dict[str, Fixer] = {"wiki": wiki, "django": django, "compare": compare}


def measure(name: str, fixer: Fixer | None, dsn: Dsn, seconds: float, seed: int = 1) -> Outcome:
    """Let everybody work at once on an empty database.

    Args:
        name: what to call the repair.
        fixer: runs the repair once, returns the tables whose sequences it moved; None for no repair.
        dsn: the database; tables are made in it.
        seconds: how long.
        seed: of all random choices but the threads' timing.
    """
    for table in TABLES:
        cache = 20 if table in _CACHED else 1
        sql(dsn, f"CREATE TABLE {table} (id bigserial PRIMARY KEY); ALTER SEQUENCE {table}_id_seq CACHE {cache}")
    records, done = Records(), threading.Event()
    work: list[Callable[[Dsn, Any, Records, random.Random], None]] = [
        _insert_default,
        _insert_default,
        _call_nextval,
        _call_nextval,
        _insert_cached,
        _insert_cached,
        _insert_explicit,
        _hold_nextval,
    ]
    if fixer:
        work += [_repairing(fixer)] * 2
    threads = [
        threading.Thread(target=_repeat, args=(each, dsn, records, random.Random(seed * 100 + number), done))
        for number, each in enumerate(work)
    ]
    for thread in threads:
        thread.start()
    done.wait(seconds)
    done.set()
    for thread in threads:
        thread.join()
    return _judge(name, records)


def _repeat(
    each: Callable[[Dsn, Any, Records, random.Random], None],
    dsn: Dsn,
    records: Records,
    chance: random.Random,
    done: threading.Event,
) -> None:
    connection = psycopg2.connect(**dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            while not done.is_set():
                each(dsn, cursor, records, chance)
    except Exception as error:
        records.errors.append(f"{each.__name__}: {error!r}")
        done.set()
    finally:
        connection.close()


@contextlib.contextmanager
def _handing_out(records: Records, table: str, began: float | None = None) -> Iterator[Callable[[Any], None]]:
    """Record the value that an insert got, or the one it collided with."""
    began = time.monotonic() if began is None else began
    try:
        yield lambda cursor: records.calls.append(Call(table, cursor.fetchone()[0], began, time.monotonic()))
    except psycopg2.errors.UniqueViolation as error:
        key = _KEY.search(str(error))
        assert key, error
        records.calls.append(Call(table, int(key[1]), began, time.monotonic(), collided=True))


def _insert_default(_dsn: Dsn, cursor: Any, records: Records, chance: random.Random) -> None:
    table = chance.choice(_PLAIN)
    with _handing_out(records, table) as got:
        cursor.execute(f"INSERT INTO {table} DEFAULT VALUES RETURNING id")
        got(cursor)


def _insert_cached(_dsn: Dsn, cursor: Any, records: Records, chance: random.Random) -> None:
    table = chance.choice(_CACHED)
    with _handing_out(records, table) as got:
        cursor.execute(f"INSERT INTO {table} DEFAULT VALUES RETURNING id")
        got(cursor)


def _call_nextval(_dsn: Dsn, cursor: Any, records: Records, chance: random.Random) -> None:
    table = chance.choice(TABLES)
    with _handing_out(records, table) as got:
        cursor.execute(f"SELECT nextval('{table}_id_seq')")
        got(cursor)


def _insert_explicit(_dsn: Dsn, cursor: Any, records: Records, chance: random.Random) -> None:
    """An importer that brings its own ids, a little ahead of the sequence."""
    table = chance.choice(TABLES)
    cursor.execute(f"SELECT last_value FROM {table}_id_seq")
    value = cursor.fetchone()[0] + chance.choice(_AHEAD)
    # An id that is taken is the importer's own misfortune.
    with contextlib.suppress(psycopg2.errors.UniqueViolation):
        cursor.execute(f"INSERT INTO {table} VALUES ({value})")
        records.explicit[table, value] = time.monotonic()
    time.sleep(0.003)


def _hold_nextval(_dsn: Dsn, cursor: Any, records: Records, chance: random.Random) -> None:
    """A transaction that takes a value, thinks, and inserts it."""
    table = chance.choice(TABLES)
    cursor.execute("BEGIN")
    began = time.monotonic()
    cursor.execute(f"SELECT nextval('{table}_id_seq')")
    ((value,),) = cursor.fetchall()
    ended = time.monotonic()
    time.sleep(chance.uniform(0.01, LONGEST_HOLD))
    collided = False
    try:
        cursor.execute(f"INSERT INTO {table} VALUES ({value})")
    except psycopg2.errors.UniqueViolation:
        collided = True
    cursor.execute("COMMIT")
    records.calls.append(Call(table, value, began, ended, collided))


def _repairing(fixer: Fixer) -> Callable[[Dsn, Any, Records, random.Random], None]:
    def repair(dsn: Dsn, cursor: Any, records: Records, _chance: random.Random) -> None:
        began = time.monotonic()
        moved = fixer(dsn, cursor)
        records.repairs.append(Repair(began, time.monotonic(), moved))
        time.sleep(0.01)

    return repair


def _judge(name: str, records: Records) -> Outcome:
    handed_out = Counter((call.table, call.value) for call in records.calls)
    collided = [call for call in records.calls if call.collided]
    return Outcome(
        name=name,
        calls=len(records.calls),
        repairs=len(records.repairs),
        moves=sum(len(repair.moved) for repair in records.repairs),
        twice=sum(times - 1 for times in handed_out.values()),
        backward=sum(_backward([call for call in records.calls if call.table == table]) for table in _PLAIN),
        collisions=len(collided),
        after_repair=sum(_had_been_repaired(call, records) for call in collided),
        longest_stall=max((call.ended - call.began for call in records.calls), default=0.0),
        errors=records.errors,
    )


def _backward(calls: list[Call]) -> int:
    by_end = sorted(calls, key=lambda call: call.ended)
    furthest, place, found = 0, 0, 0
    for call in sorted(calls, key=lambda call: call.began):
        while place < len(by_end) and by_end[place].ended < call.began:
            furthest = max(furthest, by_end[place].value)
            place += 1
        found += call.value <= furthest
    return found


def _had_been_repaired(call: Call, records: Records) -> bool:
    committed = records.explicit.get((call.table, call.value))
    return committed is not None and any(
        call.table in repair.moved and repair.began > committed and repair.ended < call.began
        for repair in records.repairs
    )
