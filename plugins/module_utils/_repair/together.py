# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Findings that were observed together in, those moved in batches out.

What is simply behind is moved in batches: one transaction, and one flush to disk, for several sequences
(docs/measured.md, Many moves). ``ALTER SEQUENCE ... OWNER TO`` the owner it has takes the lock and changes nothing;
where standbys would replay that lock it is ``... CACHE``. A move that was decided on a moment ago stands if the sequence
was not used since: then all its values that are in tables were there to be read.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._audit.pipeline import observed
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import LOCKED
from ansible_collections.pgops.sequences.plugins.module_utils._observe.again import states_within
from ansible_collections.pgops.sequences.plugins.module_utils._observe.probes import PATIENCE
from ansible_collections.pgops.sequences.plugins.module_utils._observe.states import read_states
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import array, quote_identifier
from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import change_of
from ansible_collections.pgops.sequences.plugins.module_utils._unchanged import (
    definitions,
    has_reached,
    is_still,
    unused,
)

if t.TYPE_CHECKING:
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._audit.database import Entered
    from ansible_collections.pgops.sequences.plugins.module_utils._audit.pipeline import Seen
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import Move
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session
    from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Change

    Due = tuple[Finding, Move]

# A batch is decided on what was read at most so long ago: rows that came in meanwhile were not seen.
_FRESH_SECONDS = 0.1

# Larger ones gain nothing, and would hold back more writers for longer.
_BATCH_MOVES = 50

_SETVALS = """
SELECT pg_catalog.setval(q.oid::regclass, q.last_value, q.is_called)
FROM unnest(%(oids)s::oid[], %(last_values)s::bigint[], %(are_called)s::bool[])
     AS q (oid, last_value, is_called)
"""


class Together(t.NamedTuple):
    """What became of findings.

    :ivar findings: each as it stands now; a move that is still due is not for a batch
    :ivar changes: the moves made, by the sequences' oids
    :ivar again: oids of sequences that were moved by less than all there was to know
    """

    findings: list[Finding]
    changes: dict[int, Change]
    again: set[int]


class _Tried(t.NamedTuple):
    """What became of one transaction.

    :ivar begun: the moves it came to; made, unless it failed
    :ivar altered: oids of sequences that are no longer what was discovered; then nothing was changed
    :ivar failed: whether one of them is locked by somebody else, or something else was wrong
    """

    begun: list[Due]
    altered: frozenset[int] = frozenset()
    failed: bool = False


def move_together(entered: Entered, seen: Seen) -> Together:
    """Move what can go in batches.

    :arg entered: the sequences' database
    :arg seen: what is to be said of some of them
    """
    now = {finding.oid: finding for finding in seen.findings}
    changes: dict[int, Change] = {}
    again = set()
    due = _for_batches(entered, seen.findings)
    for place in range(0, len(due), _BATCH_MOVES):
        batch = due[place : place + _BATCH_MOVES]
        if time.monotonic() - seen.began > _FRESH_SECONDS:
            batch = _for_batches(entered, observed(entered, [finding.sequence for finding, _move in batch]))
        for finding, move in _moved(entered, batch):
            changes[finding.oid] = change_of(finding, move)
            now[finding.oid] = finding.moved or finding
            # What was read for long may have grown meanwhile.
            if not finding.observation.was_quick:
                again.add(finding.oid)
    return Together(list(now.values()), changes, again)


def _for_batches(entered: Entered, findings: List[Finding]) -> list[Due]:
    """The moves that can go with others."""
    policy = entered.options.rules.policy
    # What users run with an ALTER may take its time, and all of a batch would be held for as long.
    if policy is None or policy.realign or policy.lock_tables or entered.choice.event_triggers:
        return []
    # Where sessions cache values only a new file makes them drop these (docs/measured.md, Locks).
    return [
        (finding, finding.move)
        for finding in findings
        if finding.move and finding.move.method == LOCKED and finding.sequence.cache_size == 1
    ]


def _moved(entered: Entered, batch: list[Due]) -> list[Due]:
    """Move a batch, and by halves what fails; what fails alone is left.

    :returns: the moves that were made
    """
    if len(batch) < 2:
        return []
    with entered.sessions.borrow() as session:
        tried = _try(session, batch, entered.choice.is_replayed)
    if tried.failed:
        # setval() is not undone by a rollback: what it did until then is done.
        made = _made(entered, tried.begun)
        rest = [due for due in batch if due not in made]
        pieces = [rest[: len(rest) // 2], rest[len(rest) // 2 :]]
    elif tried.altered:
        made, pieces = [], [[due for due in batch if due[0].oid not in tried.altered]]
    else:
        # Those that were used meanwhile are not for a batch.
        made, pieces = tried.begun, []
    return made + [due for piece in pieces for due in _moved(entered, piece)]


def _try(session: Session, batch: List[Due], is_replayed: bool) -> _Tried:
    """Move sequences in one transaction, those that were used since they were observed left out.

    :arg is_replayed: whether others replay this server's locks
    """
    sequences = {finding.oid: finding.sequence for finding, _move in batch}
    # Others wait while this runs. One second more than lock_timeout, as for one sequence.
    bound = min(session.statement_timeout, session.lock_timeout + 1)
    patience = min(session.lock_timeout, PATIENCE)
    begun: list[Due] = []
    altered: frozenset[int] = frozenset()
    try:
        with session.transaction(lock_timeout=patience, statement_timeout=bound) as run:
            run(";\n".join(_lock(sequence, is_replayed) for sequence in sequences.values()))
            there = definitions(run, sequences)
            altered = frozenset(
                oid
                for oid, sequence in sequences.items()
                if not is_still(sequence, there.get(oid), untouched=not is_replayed)
            )
            if altered:
                raise _RollBack
            states = states_within(session.reader(run), sequences)
            begun = [due for due in batch if unused(due[0].observation, states.get(due[0].oid))]
            if begun:
                run(_SETVALS, _values(begun))
    except _RollBack:
        return _Tried([], altered)
    except DatabaseError:
        return _Tried(begun, failed=True)
    return _Tried(begun)


class _RollBack(Exception):
    """Nothing is to be changed."""


def _values(moves: List[Due]) -> dict[str, str]:
    return {
        "oids": array(finding.oid for finding, _move in moves),
        "last_values": array(move.after.last_value for _finding, move in moves),
        "are_called": array(move.after.is_called for _finding, move in moves),
    }


def _lock(sequence: Sequence, is_replayed: bool) -> str:
    """The statement that takes a sequence's lock and changes nothing."""
    if is_replayed:
        # SHARE ROW EXCLUSIVE: a standby would replay ACCESS EXCLUSIVE, and cancel who reads the sequence there.
        return f"ALTER SEQUENCE {sequence.sql_name} CACHE {sequence.cache_size}"
    return f"ALTER SEQUENCE {sequence.sql_name} OWNER TO {quote_identifier(sequence.owner)}"


def _made(entered: Entered, begun: List[Due]) -> list[Due]:
    """Those of some moves that were made although their transaction failed."""
    sequences = {finding.oid: finding.sequence for finding, _move in begun}
    states = read_states(entered.sessions, sequences) if sequences else {}
    return [(f, move) for f, move in begun if has_reached(f.observation, move.after, states[f.oid])]
