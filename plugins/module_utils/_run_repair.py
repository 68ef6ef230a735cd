# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A database that was entered in, its sequences moved and what there is to say of them out.

It takes the audit's findings as they come, moves what can go in batches at once, and the rest one by one; what was moved
by itself is looked at again before anybody is told.
"""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._audit.found import Found
from ansible_collections.pgops.sequences.plugins.module_utils._audit.pipeline import (
    Audited,
    changed,
    chosen_again,
    chunks,
    findings_of,
    look_again,
    unreadable,
    vanished,
)
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import SelectionError
from ansible_collections.pgops.sequences.plugins.module_utils._observe.troubles import sequence_trouble
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._repair.alone import (
    Altered,
    Forbidden,
    forbidden,
    move_alone,
)
from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Repaired, in_order
from ansible_collections.pgops.sequences.plugins.module_utils._repair.together import move_together
from ansible_collections.pgops.sequences.plugins.module_utils._repair.unfixed import unfixed_of
from ansible_collections.pgops.sequences.plugins.module_utils._unchanged import rebound

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._audit.database import Database, Entered
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Trouble
    from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Change


class _MovedPart(t.NamedTuple):
    """What became of a chunk.

    :ivar found: what is to be said of its sequences
    :ivar changes: the moves made, by the sequences' oids
    :ivar again: oids of sequences that are to be looked at again
    :ivar error: why the rest of it could not be read, or None
    """

    found: Found
    changes: dict[int, Change]
    again: set[int]
    error: str | None


def repair(database: Database, retries: int) -> Repaired:
    """Audit a database and move what needs it; no sequence spoils another.

    :arg database: entered, or with the error that kept us out
    :arg retries: further tries for a sequence whose lock could not be had
    """
    if database.entered is None:
        return Repaired(Audited(database))
    return _Repair(database, database.entered).run(retries)


def _move_chunk(entered: Entered, oids: List[int]) -> _MovedPart:
    findings: list[Finding] = []
    changes: dict[int, Change] = {}
    again: set[int] = set()
    error = None
    try:
        for seen in findings_of(entered, oids):
            together = move_together(entered, seen)
            findings += together.findings
            changes.update(together.changes)
            again |= together.again | vanished(together.findings)
        again |= changed(entered, (finding.sequence for finding in findings))
    except DatabaseError as failure:
        error = unreadable(entered, failure)
    return _MovedPart(Found.of(findings, entered.options.show_all), changes, again, error)


class _Repair:
    """One database's repair, as far as it has come. One thread's alone: the threads under it return what they did."""

    def __init__(self, database: Database, entered: Entered) -> None:
        self._database = database
        self._entered = entered
        self._found = Found()
        self._changes: dict[int, Change] = {}
        self._troubles: dict[int, Trouble] = {}
        self._error: str | None = None

    def run(self, retries: int) -> Repaired:
        """Move what needs it, in batches and one by one."""
        self._move_in_batches()
        due = self._due(self._found.findings)
        for attempt in range(retries + 1):
            if self._error or not due:
                break
            self._move_one_by_one(due, last_try=attempt == retries)
            self._look_again({finding.oid for finding in due})
            # In mode realign a sequence that writers used meanwhile always runs ahead a little: one move is enough.
            due = self._due({finding.oid for finding in due} - self._settled)
        # What stood in the way of a move that nobody needs any more, because somebody else made it, is no trouble.
        left = {oid for oid, finding in self._found.findings.items() if finding.step is not None}
        troubles = {oid: trouble for oid, trouble in self._troubles.items() if oid in left}
        return Repaired(
            Audited(self._database._replace(error=self._error, entered=self._entered), self._found),
            in_order(self._changes.values()),
            unfixed_of(self._found.findings.values(), troubles, self._settled),
        )

    @property
    def _settled(self) -> frozenset[int]:
        """Oids of sequences that need no more, whatever is decided about them now."""
        policy = self._entered.options.rules.policy
        return frozenset(self._changes if policy and policy.realign else ())

    def _due(self, oids: Iterable[int]) -> list[Finding]:
        findings = [self._found.findings[oid] for oid in sorted(oids) if oid in self._found.findings]
        return [finding for finding in findings if finding.move]

    def _move_in_batches(self) -> None:
        sessions = self._entered.sessions
        work = functools.partial(_move_chunk, self._entered)
        parts = sessions.map(work, chunks(self._entered), lambda part: bool(part.error))
        self._found = Found.merged(part.found for part in parts)
        self._changes = {oid: change for part in parts for oid, change in part.changes.items()}
        self._error = next((part.error for part in parts if part.error), None)
        again: set[int] = set().union(*(part.again for part in parts))
        # A default that binds late, or a domain, may have begun to name a sequence since its columns were looked up.
        if self._changes and not self._error:
            again |= self._rebound(self._changes)
        if again and not self._error:
            self._look_again(again)

    def _move_one_by_one(self, due: List[Finding], last_try: bool) -> None:
        for finding in due:
            oid = finding.oid
            try:
                made = move_alone(self._entered, finding, last_try)
            except Altered:
                continue
            except Forbidden as error:
                self._troubles[oid] = forbidden(finding, error)
                continue
            except DatabaseError as error:
                self._troubles[oid] = sequence_trouble(error, finding.sequence, self._entered.sessions.first)
                continue
            self._troubles.pop(oid, None)
            if made:
                # Over several tries it is one move, from where the sequence first stood.
                first = self._changes.get(oid, made)
                self._changes[oid] = made._replace(before=first.before, reasons=first.reasons)

    def _rebound(self, oids: Iterable[int]) -> set[int]:
        before = self._entered
        try:
            self._entered = chosen_again(before)
        except (DatabaseError, SelectionError) as error:
            self._error = unreadable(before, error, " again")
            return set()
        return rebound(before.choice, self._entered.choice, oids)

    def _look_again(self, oids: Collection[int]) -> None:
        self._entered, findings, self._error = look_again(self._entered, oids)
        if not self._error:
            self._found = self._found.replaced(oids, findings, self._entered.options.show_all)
