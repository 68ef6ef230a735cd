# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A database that was entered in, findings out: describe, observe and judge, a chunk of its sequences at a time."""

from __future__ import annotations

import functools
import time
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._audit.found import Found
from ansible_collections.pgops.sequences.plugins.module_utils._audit.sizes import needs_size, sizes_of
from ansible_collections.pgops.sequences.plugins.module_utils._audit.suspects import with_suspicions
from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import choose
from ansible_collections.pgops.sequences.plugins.module_utils._discover.describe import describe
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import SelectionError
from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import decide
from ansible_collections.pgops.sequences.plugins.module_utils._observe.observe import observe, stand
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import tried_twice
from ansible_collections.pgops.sequences.plugins.module_utils._unchanged import altered

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._audit.database import Database, Entered
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence

# Bounds what is held of sequences that are worth no word; larger ones save nothing.
_CHUNK = 1000
# What is observed is judged, and moved, before much can happen to it.
_AT_ONCE = 100
# Below this a second thread costs more than it saves.
_SMALLEST_CHUNK = 200


class Seen(t.NamedTuple):
    """Sequences that were observed together.

    :ivar findings: one for each
    :ivar began: when their observation began, by :func:`time.monotonic`
    """

    findings: list[Finding]
    began: float


class Audited(t.NamedTuple):
    """A database after its audit.

    :ivar database: with what kept us from reading it, if anything did
    :ivar found: what is to be said of its sequences
    """

    database: Database
    found: Found = Found()


class _SeenPart(t.NamedTuple):
    """What became of a chunk.

    :ivar again: oids of sequences that were altered meanwhile
    :ivar error: why the rest of it could not be read, or None
    """

    found: Found
    again: set[int]
    error: str | None


def look(database: Database) -> Audited:
    """Audit a database: every sequence that is selected; those that were altered meanwhile are looked at again.

    :arg database: entered, or with the error that kept us out
    """
    entered = database.entered
    if entered is None:
        return Audited(database)
    parts = entered.sessions.map(functools.partial(_look_at, entered), chunks(entered), lambda part: bool(part.error))
    found = Found.merged(part.found for part in parts)
    error = next((part.error for part in parts if part.error), None)
    again: set[int] = set().union(*(part.again for part in parts))
    if again and not error:
        entered, findings, error = look_again(entered, again)
        if not error:
            found = found.replaced(again, findings, entered.options.show_all)
    return Audited(database._replace(error=error, entered=entered), found)


def _look_at(entered: Entered, oids: List[int]) -> _SeenPart:
    findings: list[Finding] = []
    again, error = set(), None
    try:
        for seen in findings_of(entered, oids):
            findings += seen.findings
        again = vanished(findings) | changed(entered, (finding.sequence for finding in findings))
    except DatabaseError as failure:
        error = unreadable(entered, failure)
    return _SeenPart(Found.of(findings, entered.options.show_all), again, error)


def chunks(entered: Entered) -> list[List[int]]:
    """Cut what is selected into what one thread goes through at a time, and have the sessions for that.

    :returns: oids of sequences
    """
    oids = entered.choice.sequences
    # A small database is not worth another connection.
    entered.sessions.grow(min(entered.options.jobs, -(-len(oids) // _SMALLEST_CHUNK)))
    size = min(_CHUNK, max(_SMALLEST_CHUNK, -(-len(oids) // entered.sessions.threads)))
    return [oids[place : place + size] for place in range(0, len(oids), size)]


def findings_of(entered: Entered, oids: List[int]) -> Iterator[Seen]:
    """Describe, observe and judge sequences, some at a time.

    :arg oids: of the sequences
    :raises DatabaseError: the database could not be read
    """
    sequences = _describe(entered, oids)
    for place in range(0, len(sequences), _AT_ONCE):
        began = time.monotonic()
        yield Seen(observed(entered, sequences[place : place + _AT_ONCE]), began)


def observed(entered: Entered, sequences: List[Sequence]) -> list[Finding]:
    """Observe and judge sequences as they are known.

    :raises DatabaseError: the database could not be read
    """
    rules, role = entered.options.rules, entered.sessions.role
    limits = entered.options.limits
    if entered.options.positions:
        return [decide(entered.name, each, rules, role) for each in stand(entered.sessions, sequences)]
    seen = observe(entered.sessions, sequences, limits)
    seen = with_suspicions(entered.sessions, entered.choice, entered.suspects, seen, limits)
    findings = [decide(entered.name, observation, rules, role) for observation in seen]
    sizes = sizes_of(entered.sessions, findings)
    if not sizes:
        return findings
    return [
        decide(entered.name, x.observation._replace(sizes=tuple(sizes.items())), rules, role) if needs_size(x) else x
        for x in findings
    ]


def vanished(findings: Iterable[Finding]) -> set[int]:
    """The oids of what may have been dropped, renamed or altered before it could be read."""
    return {x.oid for x in findings if any(trouble.vanished for trouble in x.verdict.troubles)}


def changed(entered: Entered, sequences: Iterable[Sequence]) -> set[int]:
    """The oids of what is no longer as it was described.

    :raises DatabaseError: the database could not be read
    """
    return altered(entered.sessions, entered.options.selection, entered.choice, sequences)


def look_again(entered: Entered, oids: Collection[int]) -> tuple[Entered, list[Finding], str | None]:
    """Choose, describe, observe and judge some sequences anew.

    :arg oids: of the sequences
    :returns: the database with what it holds of the selection by now, findings for those that are still there, and why
        it could not be read, or None
    """
    try:
        entered = chosen_again(entered)
        there = [oid for oid in entered.choice.sequences if oid in oids]
        return entered, observed(entered, _describe(entered, there)), None
    except (DatabaseError, SelectionError) as error:
        return entered, [], unreadable(entered, error, " again")


def chosen_again(entered: Entered) -> Entered:
    """Find out anew what the database holds of the selection.

    :raises DatabaseError: the database could not be read
    :raises SelectionError: an entry of ``columns`` fits more than one object by now
    """
    selection, first = entered.options.selection, entered.sessions.first
    return entered._replace(choice=tried_twice(lambda: choose(first, selection)))


def unreadable(entered: Entered, error: Exception, again: str = "") -> str:
    """What is to be said of a database that could not be read."""
    return f'database "{entered.name}" could not be read{again}: {error}'


def _describe(entered: Entered, oids: List[int]) -> list[Sequence]:
    selection, choice = entered.options.selection, entered.choice
    return tried_twice(lambda: describe(entered.sessions, selection, choice, oids))
