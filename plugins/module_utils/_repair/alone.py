# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A finding in, its move out, made in a transaction of its own and decided on what is read there.

So goes what is in use, what may go backward, what may have values cached by other sessions.

An owned sequence is moved under its own lock, for which one waits for every open transaction that called ``nextval()``
or ``setval()``, and which holds back all later ones (docs/measured.md, Locks). ``ALTER SEQUENCE ... CACHE`` with the
value it has gives the sequence a new file as well, so that ``setval()`` rolls back with the transaction and other
sessions drop the values they had cached. Under it everything is read again.

Others' sequences are moved by ``nextval()``: never backward, whoever else calls it, and nobody waits.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import decide
from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import MOST_STEPS
from ansible_collections.pgops.sequences.plugins.module_utils._judge.targets import beyond
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import LOCKED, STEPPED
from ansible_collections.pgops.sequences.plugins.module_utils._observe.again import read_again
from ansible_collections.pgops.sequences.plugins.module_utils._observe.probes import PATIENCE
from ansible_collections.pgops.sequences.plugins.module_utils._observe.states import quick_states
from ansible_collections.pgops.sequences.plugins.module_utils._observe.troubles import VANISHED, forbidden_trouble
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_literal
from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import change_of
from ansible_collections.pgops.sequences.plugins.module_utils._repair.statements import setval, statement_of
from ansible_collections.pgops.sequences.plugins.module_utils._unchanged import definitions, is_same, is_still

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._audit.database import Entered
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import Move
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence, Trouble
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session
    from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Change

    Run = Callable[..., list[Row]]

_EVENT_TRIGGERS = """
SELECT evtname::text AS name FROM pg_event_trigger
WHERE evtenabled <> 'D' AND evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop', 'table_rewrite')
ORDER BY 1
"""


class Altered(Exception):
    """The sequence is no longer what was discovered; nothing was changed."""


class Forbidden(DatabaseError):
    """``ALTER SEQUENCE`` is refused here, by an event trigger or the server's own rules; nothing was changed.

    :ivar event_triggers: those that are enabled, any of which may have refused it
    """

    def __init__(self, error: DatabaseError, event_triggers: List[str]) -> None:
        super().__init__(str(error), error.sqlstate, error.connection_lost)
        self.event_triggers = event_triggers


class _NothingToDo(Exception):
    """Read again under the lock, the sequence needs no move any more."""


def move_alone(entered: Entered, finding: Finding, last_try: bool) -> Change | None:
    """Move one sequence.

    :arg entered: its database
    :arg finding: with the move that is due
    :arg last_try: whether one that can go forward without its lock is to do so where that cannot be had
    :returns: the change, or None where none is needed any more
    :raises Altered: it is no longer what was discovered
    :raises DatabaseError: it could not be moved
    """
    # Parts of large tables are read through another session while this one holds the lock.
    wanted = 2 if any(column.parts for column in finding.sequence.columns) else 1
    entered.sessions.grow(min(wanted, entered.options.jobs))
    with entered.sessions.borrow() as session:
        if finding.move and finding.move.method == STEPPED:
            return _move_stepped(entered, session, finding)
        try:
            return _move_locked(entered, session, finding)
        except Forbidden:
            # Nobody needs DDL to go forward by nextval().
            if not _can_step(finding, finding.move):
                raise
            return _move_stepped(entered, session, finding)
        except DatabaseError as error:
            # An owner who never gets the lock can still go forward without it.
            if not (last_try and error.sqlstate == "55P03" and _can_step(finding, finding.move)):
                raise
            return _move_stepped(entered, session, finding)


def forbidden(finding: Finding, error: Forbidden) -> Trouble:
    """What is to be said of a sequence whose lock is refused, and how it can be moved all the same."""
    sequence, move, state = finding.sequence, finding.move, finding.observation.state
    if move is None or state is None:  # What is moved has both.
        raise AssertionError("a move was refused that nobody was to make")
    forward = beyond(sequence, move.next_value, state.next_value(sequence.increment))
    statement = setval(move.after, f"{quote_literal(sequence.sql_name)}::regclass")
    if forward:
        sign = "<" if sequence.ascending else ">"
        statement += f" FROM {sequence.sql_name} WHERE last_value {sign} {move.after.last_value}"
    return forbidden_trouble(str(error), sequence, forward, f"{statement};", error.event_triggers)


def _move_locked(entered: Entered, session: Session, finding: Finding) -> Change | None:
    sequence, policy = finding.sequence, entered.options.rules.policy
    lock_tables, realign = bool(policy and policy.lock_tables), bool(policy and policy.realign)
    # Writers wait for what runs under the lock. One second more than lock_timeout, which is to strike first.
    everything = lock_tables or realign
    bound = session.statement_timeout if everything else min(session.statement_timeout, session.lock_timeout + 1)
    with contextlib.suppress(_NothingToDo), session.transaction(statement_timeout=bound) as run:
        if lock_tables:
            _lock_tables(finding, run)
        _refuse_altered(sequence, run)
        _alter(session, sequence, run)
        # Going forward, a column missed is found by the audit after the move; going back it would be too late.
        if not realign:
            _refuse_altered(sequence, run)
        elif not is_same(session.reader(run), entered.options.selection, sequence):
            raise Altered
        if not lock_tables:
            patience = min(session.lock_timeout, PATIENCE)
            run(f"SET LOCAL lock_timeout = '{round(patience * 1000) or 1}ms'")
        locked = _decided_again(entered, session, finding, run, everything)
        move = locked.move
        if not move or move.method != LOCKED:
            raise _NothingToDo
        run(setval(move.after, f"{sequence.oid}::regclass"))
        return change_of(locked, move)
    return None


def _alter(session: Session, sequence: Sequence, run: Run) -> None:
    """Take the sequence's lock by DDL that changes nothing.

    :raises Forbidden: there is to be no DDL here
    :raises DatabaseError: the lock could not be had, or the sequence is gone
    """
    try:
        run(f"ALTER SEQUENCE {sequence.sql_name} CACHE {sequence.cache_size}")
    except DatabaseError as error:
        # Locks, cancellations, resources, the connection, and what vanished are not about DDL.
        passing = (error.sqlstate or "08")[:2] in ("08", "40", "53", "55", "57", "58") or error.sqlstate in VANISHED
        if passing or error.connection_lost:
            raise
        run("ROLLBACK")
        found = session.query(_EVENT_TRIGGERS)
        raise Forbidden(error, [row["name"] for row in found]) from error


def _move_stepped(entered: Entered, session: Session, finding: Finding) -> Change | None:
    sequence, policy = finding.sequence, entered.options.rules.policy
    with session.transaction() as run:
        if policy and policy.lock_tables:
            _lock_tables(finding, run)
        fresh = _decided_again(entered, session, finding, run, everything=True)
        if not fresh.move or not _can_step(fresh, fresh.move):
            return None
        # Its owner may step as well, where he does not get the lock.
        move = fresh.move._replace(method=STEPPED)
        run(statement_of(sequence, move, f"{sequence.oid}::regclass"))
        states = quick_states(session.reader(run), {0: sequence})
    return change_of(fresh, move, states.get(0))


def _decided_again(entered: Entered, session: Session, finding: Finding, run: Run, everything: bool) -> Finding:
    """Observe and decide anew inside the open transaction."""
    observation = read_again(finding.observation, session.reader(run), entered.sessions, everything)
    return decide(entered.name, observation, entered.options.rules, entered.sessions.role)


def _can_step(finding: Finding, move: Move | None) -> bool:
    sequence, state = finding.sequence, finding.observation.state
    if state is None or move is None:
        return False
    steps = (move.next_value - state.next_value(sequence.increment)) // sequence.increment
    return 0 < steps <= MOST_STEPS


def _refuse_altered(sequence: Sequence, run: Run) -> None:
    if not is_still(sequence, definitions(run, [sequence.oid]).get(sequence.oid)):
        raise Altered


def _lock_tables(finding: Finding, run: Run) -> None:
    """Wait for the writers of every column that is read, and hold back new ones until the transaction ends."""
    pairs = zip(finding.sequence.columns, finding.observation.readings)
    tables = sorted({column.sql_table for column, reading in pairs if reading.trouble is None})
    if tables:
        run(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")
