# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Findings in, changes and what could not be changed out.

``ALTER SEQUENCE ... CACHE`` with the value it has takes SHARE ROW EXCLUSIVE on the sequence: it waits for every
open transaction that called ``nextval()`` or ``setval()``, and holds back all later ones. It also gives the sequence
a new file, so that ``setval()`` rolls back with the transaction and other sessions drop the values they had cached.
Under it everything is read again, and the move is decided on what was read there (facts, A3 and A5).
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils import _judge, _observe
from ansible_collections.pgops.sequences.plugins.module_utils._connect import (
    DatabaseError,
    quote_literal,
)
from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Reading, State, Trouble

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._audit import Database, Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._connect import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence

_DEFINITION = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS sql_name,
       s.seqstart AS start_value, s.seqincrement AS increment, s.seqmin AS min_value, s.seqmax AS max_value,
       s.seqcache AS cache_size, s.seqcycle AS cycle, pg_has_role(c.relowner, 'USAGE') AS owned
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE s.seqrelid = {oid}
"""


@dataclasses.dataclass(frozen=True)
class Options:
    """How to repair: the policy of the moves, and what they may cost.

    :ivar retries: further tries for a sequence whose lock could not be had
    """

    policy: _judge.Policy
    retries: int

    @classmethod
    def of(cls, params: Mapping[str, t.Any]) -> Options:
        """Take them from a module's parameters."""
        policy = _judge.Policy(params["mode"] == "realign", params["margin"], params["max_jump"], params["lock_tables"])
        return cls(policy, params["retries"])


@dataclasses.dataclass(frozen=True)
class Change:
    """A move that was made, or in check mode would be.

    :ivar method: ``locked`` or ``stepped``
    :ivar statement: the SQL that did it
    """

    database: str
    sequence: Sequence
    reasons: tuple[str, ...]
    method: str
    before: State
    after: State
    statement: str


@dataclasses.dataclass(frozen=True)
class Unfixed:
    """A sequence that needs a hand: still critical, or not readable.

    :ivar finding: as it stands after the run
    :ivar reasons: why it needs one
    :ivar role: the role that was not able to repair it
    :ivar refusal: why it was not moved, where a move was due and refused
    :ivar trouble: what went wrong on the way, if anything did
    """

    finding: Finding
    reasons: tuple[str, ...]
    role: str
    refusal: _judge.Refusal | None = None
    trouble: Trouble | None = None


class _Altered(Exception):
    """The sequence is no longer what was discovered."""


class _NothingToDo(Exception):
    """Read again under the lock, the sequence needs no move any more."""


def predict(database: Database, options: Options) -> tuple[list[Change], list[Unfixed]]:
    """What :func:`repair` would do, with the findings left as they would be afterwards; writes nothing."""
    changes = []
    refused: dict[int, _judge.Refusal] = {}
    for oid, finding in list(database.findings.items()):
        step = _judge.plan(finding.observation, finding.verdict, options.policy)
        if isinstance(step, _judge.Refusal):
            refused[oid] = step
        elif step is not None:
            changes.append(_change(finding, step.method, step.after, step.next_value))
            database.findings[oid] = database.finding(dataclasses.replace(finding.observation, state=step.after))
    return changes, _unfixed(database, refused, {})


def repair(database: Database, options: Options) -> tuple[list[Change], list[Unfixed]]:
    """Move what needs it; each sequence in a transaction of its own, so that none spoils another.

    :arg database: audited; its findings are brought up to date
    :arg options: how to repair
    :returns: the changes, and what needs a hand
    """
    changes: dict[int, Change] = {}
    troubles: dict[int, Trouble] = {}
    refused: dict[int, _judge.Refusal] = {}
    due = list(database.findings)
    for attempt in range(options.retries + 1):
        moves = {}
        for oid in due:
            finding = database.findings.get(oid)
            step = _judge.plan(finding.observation, finding.verdict, options.policy) if finding else None
            refused.pop(oid, None)
            if isinstance(step, _judge.Refusal):
                refused[oid] = step
            elif step is not None and finding is not None:
                moves[oid] = (finding, step)
        if not moves:
            break
        altered = set()
        for oid, (finding, step) in moves.items():
            try:
                made = _move(database, finding, step, options, last_try=attempt == options.retries)
            except _Altered:
                altered.add(oid)
            except DatabaseError as error:
                troubles[oid] = _observe.sequence_trouble(error, finding.sequence, database.session)
                if troubles[oid].vanished:
                    altered.add(oid)
            else:
                troubles.pop(oid, None)
                if made:
                    # Over several tries it is one move, from where the sequence first stood.
                    first = changes.get(oid, made)
                    changes[oid] = dataclasses.replace(made, before=first.before, reasons=first.reasons)
        if altered:
            database.look_again(altered)
        database.check_again(set(moves) - altered)
        # In mode realign a sequence that writers used meanwhile always runs ahead a little: one move is enough.
        due = [oid for oid in moves if not options.policy.realign or oid not in changes]
    if changes or troubles:
        database.look_again()
    # What stood in the way of a move that nobody needs any more, because somebody else made it, is no trouble.
    troubles = {oid: trouble for oid, trouble in troubles.items() if _is_due(database.findings.get(oid), options)}
    return list(changes.values()), _unfixed(database, refused, troubles)


def _is_due(finding: Finding | None, options: Options) -> bool:
    return finding is not None and _judge.plan(finding.observation, finding.verdict, options.policy) is not None


def _move(
    database: Database, finding: Finding, step: _judge.Move, options: Options, last_try: bool
) -> Change | None:
    if step.method == _judge.STEPPED:
        return _move_stepped(database, finding, options)
    try:
        return _move_locked(database, finding, options)
    except DatabaseError as error:
        # An owner who never gets the lock can still go forward without it.
        if not (last_try and error.sqlstate == "55P03" and _can_step(finding, step)):
            raise
        return _move_stepped(database, finding, options)


def _can_step(finding: Finding, step: _judge.Move) -> bool:
    sequence, state = finding.sequence, finding.observation.state
    if state is None:
        return False
    steps = (step.next_value - state.next_value(sequence.increment)) // sequence.increment
    return 0 < steps <= _judge.MOST_STEPS


def _move_locked(database: Database, finding: Finding, options: Options) -> Change | None:
    sequence = finding.sequence
    session = database.session
    everything = options.policy.lock_tables or options.policy.realign
    # Writers wait for what runs under the lock. One second more than lock_timeout, which is to strike first.
    bound = session.statement_timeout if everything else min(session.statement_timeout, session.lock_timeout + 1)
    try:
        with session.transaction(statement_timeout=bound) as run:
            if options.policy.lock_tables:
                _lock_tables(finding, run)
            if not _same(sequence, run(_DEFINITION.replace("{oid}", str(sequence.oid)))):
                raise _Altered
            run(f"ALTER SEQUENCE {sequence.sql_name} CACHE {sequence.cache_size}")
            # Going forward, a column missed is found by the audit after the move; going back it would be too late.
            if not (
                database.same(sequence, run)
                if options.policy.realign
                else _same(sequence, run(_DEFINITION.replace("{oid}", str(sequence.oid))))
            ):
                raise _Altered
            if not options.policy.lock_tables:
                patience = min(session.lock_timeout, _observe.PATIENCE)
                run(f"SET LOCAL lock_timeout = '{round(patience * 1000) or 1}ms'")
            locked = database.finding(_read_again(finding.observation, run, everything))
            step = _judge.plan(locked.observation, locked.verdict, options.policy)
            if not isinstance(step, _judge.Move) or step.method != _judge.LOCKED:
                raise _NothingToDo
            change = _change(locked, step.method, step.after, step.next_value)
            run(_setval(step.after, f"{sequence.oid}::regclass"))
    except _NothingToDo:
        return None
    return change


def _same(sequence: Sequence, rows: list[Row]) -> bool:
    return bool(rows) and all(getattr(sequence, name) == value for name, value in rows[0].items())


def _read_again(observation: Observation, run: Callable[[str], list[Row]], everything: bool) -> Observation:
    """Read columns and state anew inside the open transaction, each statement with a snapshot of its own.

    :arg everything: also columns that have to be scanned
    """
    sequence = observation.sequence
    readings = list(observation.readings)

    def wanted(reading: Reading) -> bool:
        # Writers wait for the lock; what a long scan would have found more shows in the audit after the move.
        return reading.trouble is None and (everything or (reading.scan_rows or 0) <= _observe.LONG_SCAN_ROWS)

    columns = [(place, sequence.columns[place]) for place, reading in enumerate(readings) if wanted(reading)]
    probes = [(place, _observe.probe_of_ends(column)) for place, column in columns]
    found = _observe.read_batch(run, probes) if probes else {}
    for place, column in columns:
        reading, settled = _observe.reading_of_ends(sequence, found[place])
        if not settled:
            within = _observe.read_batch(run, [(place, _observe.probe_within(sequence, column))])[place]
            reading = dataclasses.replace(reading, furthest=_observe.whole(within[0], sequence.ascending))
        readings[place] = dataclasses.replace(reading, scan_rows=readings[place].scan_rows)
    last_value, is_called = _observe.read_batch(run, [("state", _observe.probe_of_state(sequence))])["state"]
    state = None if last_value is None else State(int(last_value), is_called == "true")
    return dataclasses.replace(observation, state=state, readings=tuple(readings))


def _move_stepped(database: Database, finding: Finding, options: Options) -> Change | None:
    """Call ``nextval()`` until it is there: never backward, whoever else calls it, and nobody waits."""
    sequence, session = finding.sequence, database.session
    with session.transaction() as run:
        if options.policy.lock_tables:
            _lock_tables(finding, run)
        fresh = database.finding(_read_again(finding.observation, run, everything=True))
        step = _judge.plan(fresh.observation, fresh.verdict, options.policy)
        if not isinstance(step, _judge.Move) or not _can_step(fresh, step):
            return None
        run(_steps(sequence, step.next_value, f"{sequence.oid}::regclass"))
    state = _observe.read_states([session], {0: sequence})[0]
    after = state if isinstance(state, State) else step.after
    return _change(fresh, _judge.STEPPED, after, step.next_value)


def _lock_tables(finding: Finding, run: Callable[[str], list[Row]]) -> None:
    """Wait for the writers of every column that is read, and hold back new ones until the transaction ends."""
    pairs = zip(finding.sequence.columns, finding.observation.readings)
    tables = sorted({_observe.sql_table(column) for column, reading in pairs if reading.trouble is None})
    if tables:
        run(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")


def _change(finding: Finding, method: str, after: State, next_value: int) -> Change:
    state = finding.observation.state
    if state is None:  # A plan needs a state.
        raise AssertionError("a move was planned for a sequence whose state is not known")
    sequence = finding.sequence
    name = f"{quote_literal(sequence.sql_name)}::regclass"
    statement = (
        f"ALTER SEQUENCE {sequence.sql_name} CACHE {sequence.cache_size}; {_setval(after, name)};"
        if method == _judge.LOCKED
        else f"{_steps(sequence, next_value, name)};"
    )
    reasons = finding.verdict.reasons
    return Change(finding.database, sequence, reasons, method, state, after, statement)


def _setval(after: State, regclass: str) -> str:
    return f"SELECT pg_catalog.setval({regclass}, {after.last_value}, {str(after.is_called).lower()})"


def _steps(sequence: Sequence, next_value: int, regclass: str) -> str:
    sign = "<" if sequence.ascending else ">"
    return (
        f"WITH RECURSIVE step(value) AS (SELECT pg_catalog.nextval({regclass}) UNION ALL"
        f" SELECT pg_catalog.nextval({regclass}) FROM step WHERE value {sign} {next_value - sequence.increment})"
        " SELECT count(*) FROM step"
    )


def _unfixed(
    database: Database, refused: Mapping[int, _judge.Refusal], troubles: Mapping[int, Trouble]
) -> list[Unfixed]:
    """What needs a hand (contract, section 4): still critical, or unreadable for a reason that can be settled."""
    found = []
    for oid, finding in database.findings.items():
        verdict, refusal, trouble = finding.verdict, refused.get(oid), troubles.get(oid)
        needs = verdict.status == _judge.CRITICAL or (
            verdict.status == _judge.UNKNOWN and not _judge.STRUCTURAL.issuperset(_unread(verdict))
        )
        if not needs and trouble is None and not (refusal and "max_jump" in refusal.reasons):
            continue
        reasons = tuple(dict.fromkeys((*verdict.reasons, *(refusal.reasons if refusal else ()))))
        if trouble:
            reasons = tuple(dict.fromkeys((*reasons, trouble.reason)))
        found.append(Unfixed(finding, reasons, database.session.role, refusal, trouble))
    return found


def _unread(verdict: _judge.Verdict) -> Iterable[str]:
    return [trouble.reason for trouble in verdict.troubles]
