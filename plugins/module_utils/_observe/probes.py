# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Readings in, batches of SELECTs out to the server, texts back.

A batch that fails is read again by halves, so that a locked, forbidden or broken table costs its own sequences their
verdict and no other.
"""

from __future__ import annotations

import decimal
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.settings import MOST_RELATIONS

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions

T = t.TypeVar("T")


Ends = tuple[t.Optional[str], t.Optional[str]]
"""The greatest value of a column, and the least, as text; None where there is none."""

# Measured: 10,000 tables cost 0.87 s by 20 or 40 to a statement, 1.0 s by 5 or 100, 1.1 s by 400.
BATCH_PROBES = 30

PATIENCE = 0.01
"""Seconds to wait for a lock while others are held.

Someone who holds that lock and waits for one of ours would be in a deadlock with us, and the one to be ended may be
a migration. One that lasts shorter than deadlock_timeout (1 s, unless set) is hardly ever noticed.
"""


class Probe(t.NamedTuple):
    """One reading: a part of a UNION ALL that yields two texts.

    :ivar one: the expression of the first
    :ivar two: the expression of the second
    :ivar rest: what follows them in the SELECT
    :ivar relations: how many relations it locks
    """

    one: str
    two: str
    rest: str
    relations: int


def run_probes(reader: Sessions, probes: Mapping[t.Any, List[Probe]]) -> dict[t.Any, Ends | DatabaseError]:
    """Run readings in batches; a batch that fails is run again by halves, so that one bad object costs only itself.

    :arg probes: by any key, one or several that are to be taken together
    :returns: greatest first and least second text, or the error, by the same keys
    """
    found: dict[t.Any, list[Ends]] = {}
    errors: dict[t.Any, DatabaseError] = {}

    def run(batch: list[tuple[t.Any, Probe]]) -> None:
        patience = None if len(batch) == 1 else min(reader.lock_timeout, PATIENCE)
        try:
            rows = read_batch(lambda statement: reader.query(statement, lock_timeout=patience), batch)
        except DatabaseError as error:
            if len(batch) == 1:
                errors[batch[0][0]] = error
                return
            # One that takes too long would take as long in its half: each by itself, and only once more.
            size = 1 if error.sqlstate == "57014" else -(-len(batch) // 2)
            for place in range(0, len(batch), size):
                run(batch[place : place + size])
        else:
            for (key, _probe), ends in zip(batch, rows):
                found.setdefault(key, []).append(ends)

    several = ((key, probe) for key, probes_of_key in probes.items() for probe in probes_of_key)
    for batch in batches(several, lambda item: item[1].relations, BATCH_PROBES):
        run(batch)
    return {key: errors.get(key) or merged(found[key]) for key in probes}


def merged(ends: List[Ends]) -> Ends:
    """The greatest of the first and the least of the second texts, as numbers."""
    if len(ends) == 1:
        return ends[0]

    def value(text: str) -> tuple[bool, decimal.Decimal]:
        number = decimal.Decimal(text)
        # For PostgreSQL NaN is greater than all numbers (manual, 8.1.2); Python cannot compare it.
        return (True, decimal.Decimal(0)) if number.is_nan() else (False, number)

    greatest = max((one for one, _two in ends if one is not None), key=value, default=None)
    least = min((two for _one, two in ends if two is not None), key=value, default=None)
    return greatest, least


def read_batch(query: Callable[[str], List[Row]], batch: List[tuple[t.Any, Probe]]) -> list[Ends]:
    """Run readings as one statement.

    :arg query: runs a statement, returns its rows
    :arg batch: probes, with whatever they are known by
    :returns: both texts of each, in the same order
    :raises DatabaseError: the statement failed
    """
    statement = "\nUNION ALL\n".join(
        f"SELECT {place} AS place, {probe.one} AS one, {probe.two} AS two {probe.rest}"
        for place, (_key, probe) in enumerate(batch)
    )
    rows = {row["place"]: (row["one"], row["two"]) for row in query(statement)}
    return [rows[place] for place in range(len(batch))]


def batches(items: Iterable[T], relations: Callable[[T], int], most: int) -> Iterable[list[T]]:
    """Cut items into batches of at most so many, each locking no more relations than a transaction may.

    :arg relations: how many relations an item locks; one that exceeds the bound is a batch of its own
    """
    batch: list[T] = []
    locked = 0
    for item in items:
        more = relations(item)
        if batch and (len(batch) == most or locked + more > MOST_RELATIONS):
            yield batch
            batch, locked = [], 0
        batch.append(item)
        locked += more
    if batch:
        yield batch
