# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Findings in, changes and what could not be changed out.

An owned sequence is moved under its own lock, for which one waits for every open transaction that called ``nextval()``
or ``setval()``, and which holds back all later ones (facts, A3 and A5).

What is simply behind is moved in batches: one transaction, and one flush to disk, for several sequences.
``ALTER SEQUENCE ... OWNER TO`` the owner it has takes the lock and changes nothing; where standbys would replay that lock
it is ``... CACHE``. A move that was decided a moment ago stands if the sequence was not used since: then all its values
that are in tables were there to be read.

The rest goes one by one: what is in use, what may go backward, what may have values cached by other sessions.
``ALTER SEQUENCE ... CACHE`` with the value it has gives the sequence a new file as well, so that ``setval()`` rolls
back with the transaction and other sessions drop the values they had cached. Under it everything is read again, and
the move is decided on what was read there.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import (
    MOST_STEPS,
    Move,
    Policy,
    Refusal,
    plan,
)
from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Verdict
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import (
    CRITICAL,
    LOCKED,
    STEPPED,
    STRUCTURAL,
    UNKNOWN,
)
from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Reading, State, Trouble
from ansible_collections.pgops.sequences.plugins.module_utils._observe.columns import (
    LONG_SCAN_ROWS,
    furthest_of_ends,
    probes_of_ends,
    probes_within,
    reading_of_ends,
)
from ansible_collections.pgops.sequences.plugins.module_utils._observe.probes import (
    PATIENCE,
    Ends,
    Probe,
    merged,
    read_batch,
    run_probes,
)
from ansible_collections.pgops.sequences.plugins.module_utils._observe.states import (
    probe_of_state,
    quick_states,
    read_states,
    state,
)
from ansible_collections.pgops.sequences.plugins.module_utils._observe.troubles import sequence_trouble
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier, quote_literal

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._audit import Database, Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader, Session

# A batch is decided on what was read at most so long ago: rows that came in meanwhile were not seen.
_FRESH_SECONDS = 0.1

# Larger ones gain nothing, and would hold back more writers for longer.
_BATCH_MOVES = 50

# Whether this very transaction wrote the entry tells a true no-op from an owner that was another one meanwhile.
_DEFINITIONS = """
SELECT s.seqrelid::bigint AS oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS sql_name,
       s.seqstart AS start_value, s.seqincrement AS increment, s.seqmin AS min_value, s.seqmax AS max_value,
       s.seqcache AS cache_size, s.seqcycle AS cycle, pg_has_role(c.relowner, 'USAGE') AS owned,
       pg_get_userbyid(c.relowner)::text AS owner,
       c.xmin::text = (txid_current() % 4294967296)::text AS written
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE s.seqrelid = ANY ('{{oids}}'::oid[])
"""

_SETVALS = """
SELECT pg_catalog.setval(q.oid::regclass, q.last_value, q.is_called)
FROM unnest('{{oids}}'::oid[], '{{last_values}}'::bigint[], '{{are_called}}'::bool[])
     AS q (oid, last_value, is_called)
"""


class Options(t.NamedTuple):
    """How to repair: the policy of the moves, and what they may cost.

    :ivar retries: further tries for a sequence whose lock could not be had
    """

    policy: Policy
    retries: int

    @classmethod
    def of(cls, params: Mapping[str, t.Any]) -> Options:
        """Take them from a module's parameters."""
        policy = Policy(params["mode"] == "realign", params["margin"], params["max_jump"], params["lock_tables"])
        return cls(policy, params["retries"])


class Change(t.NamedTuple):
    """A move that was made, or in check mode would be.

    :ivar increment: the sequence's, which tells next values
    :ivar method: ``locked`` or ``stepped``
    :ivar statement: the SQL that did it, once the lock was held
    """

    database: str
    schema: str
    name: str
    increment: int
    reasons: tuple[str, ...]
    method: str
    before: State
    after: State
    statement: str


class Unfixed(t.NamedTuple):
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
    refusal: Refusal | None = None
    trouble: Trouble | None = None


class _Altered(Exception):
    """Sequences are no longer what was discovered.

    :ivar oids: which
    """

    def __init__(self, oids: Iterable[int]) -> None:
        super().__init__()
        self.oids = frozenset(oids)


class _NothingToDo(Exception):
    """Read again under the lock, the sequence needs no move any more."""


def predict(database: Database, options: Options) -> tuple[list[Change], list[Unfixed]]:
    """Audit a database; say what :func:`repair` would do, with the findings left as they would be afterwards.

    Writes nothing.

    :arg database: entered
    :arg options: how to repair
    :returns: the changes, and what needs a hand
    """
    changes: list[Change] = []
    refused: dict[int, Refusal] = {}

    def foretell(findings: list[Finding], _began: float = 0) -> Iterator[tuple[Finding, bool]]:
        for finding in findings:
            step = plan(finding.observation, finding.verdict, options.policy)
            if isinstance(step, Refusal):
                refused[finding.sequence.oid] = step
                yield finding, True
            elif step is not None:
                changes.append(_change(finding, step.method, step.after, step.next_value))
                yield database.finding(finding.observation._replace(state=step.after)), False
            else:
                yield finding, False

    again = [database.findings[oid] for oid in database.look(foretell) if oid in database.findings]
    for finding, _keep in foretell(again):
        database.keep(finding)
    return sorted(changes, key=_place), _unfixed(database, refused, {})


def _place(change: Change) -> tuple[str, str]:
    return change.schema, change.name


def repair(database: Database, options: Options) -> tuple[list[Change], list[Unfixed]]:
    """Audit a database and move what needs it; no sequence spoils another.

    :arg database: entered
    :arg options: how to repair
    :returns: the changes, and what needs a hand
    """
    batches = _Batches(database, options)
    database.look(batches.move)
    changes, refused = batches.changes, batches.refused
    # A default that binds late, or a domain, may have begun to name a sequence since its columns were looked up.
    again = batches.again | (database.rebound(changes) if changes and not database.error else set())
    if again and not database.error:
        database.look_again(again)
    due = set(database.findings)
    troubles: dict[int, Trouble] = {}
    for attempt in range(options.retries + 1):
        moves = {}
        for oid in sorted(due):
            finding = database.findings.get(oid)
            step = plan(finding.observation, finding.verdict, options.policy) if finding else None
            refused.pop(oid, None)
            if isinstance(step, Refusal):
                refused[oid] = step
            elif step is not None and finding is not None:
                moves[oid] = (finding, step)
        if not moves or database.error:
            break
        for oid, (finding, step) in moves.items():
            try:
                made = _move(database, finding, step, options, last_try=attempt == options.retries)
            except _Altered:
                pass
            except DatabaseError as error:
                troubles[oid] = sequence_trouble(error, finding.sequence, database.session)
            else:
                troubles.pop(oid, None)
                if made:
                    # Over several tries it is one move, from where the sequence first stood.
                    first = changes.get(oid, made)
                    changes[oid] = made._replace(before=first.before, reasons=first.reasons)
        database.look_again(set(moves))
        # In mode realign a sequence that writers used meanwhile always runs ahead a little: one move is enough.
        due = {oid for oid in moves if not options.policy.realign or oid not in changes}
    # What stood in the way of a move that nobody needs any more, because somebody else made it, is no trouble.
    troubles = {oid: trouble for oid, trouble in troubles.items() if _is_due(database.findings.get(oid), options)}
    return sorted(changes.values(), key=_place), _unfixed(database, refused, troubles)


def _is_due(finding: Finding | None, options: Options) -> bool:
    return finding is not None and plan(finding.observation, finding.verdict, options.policy) is not None


_Due = tuple["Finding", Move]
"""A finding, and the move that is due."""


class _Batches:
    """The moves of a database that go several to a transaction.

    :ivar changes: moves made, by the sequences' oids
    :ivar refused: why a sequence that needs it is not moved
    :ivar left: sequences that are to be moved one by one
    :ivar again: sequences that were moved by less than all there was to know
    """

    def __init__(self, database: Database, options: Options) -> None:
        self.changes: dict[int, Change] = {}
        self.refused: dict[int, Refusal] = {}
        self.left: set[int] = set()
        self.again: set[int] = set()
        self._database = database
        self._policy = options.policy

    def move(self, findings: list[Finding], began: float) -> Iterator[tuple[Finding, bool]]:
        """Move what can go in batches.

        :arg findings: of some sequences
        :arg began: when their observation began, by :func:`time.monotonic`
        :returns: each as it stands now, and whether there is more to be done about it
        """
        now = {finding.sequence.oid: finding for finding in findings}
        due: list[_Due] = []
        for oid, finding in now.items():
            step = plan(finding.observation, finding.verdict, self._policy)
            if isinstance(step, Refusal):
                self.refused[oid] = step
            elif step is not None:
                self.left.add(oid)
                if step.method == LOCKED and self._goes_in_a_batch(finding):
                    due.append((finding, step))
        for place in range(0, len(due), _BATCH_MOVES):
            batch = due[place : place + _BATCH_MOVES]
            if time.monotonic() - began > _FRESH_SECONDS:
                batch = self._afresh(batch)
            done = self._move(batch)
            now.update(done)
            # What was read for long may have grown meanwhile.
            self.again.update(oid for oid, finding in done.items() if not _was_quick(finding))
        for oid, finding in now.items():
            yield finding, oid in self.left or oid in self.refused or oid in self.again

    def _goes_in_a_batch(self, finding: Finding) -> bool:
        # Where sessions cache values only a new file makes them drop these (facts, A5). What users run with an ALTER
        # may take its time, and all of a batch would be held for as long.
        plain = finding.sequence.cache_size == 1 and not self._database.choice.event_triggers
        return plain and not self._policy.realign and not self._policy.lock_tables

    def _afresh(self, batch: List[_Due]) -> list[_Due]:
        """Observe again what took long to come here, and decide on that."""
        due = []
        for finding in self._database.findings_of([finding.sequence for finding, _step in batch]):
            step = plan(finding.observation, finding.verdict, self._policy)
            if isinstance(step, Move) and step.method == LOCKED:
                due.append((finding, step))
        return due

    def _move(self, batch: List[_Due]) -> dict[int, Finding]:
        """Move a batch, and by halves what fails; what fails alone is left.

        :returns: findings as they stand now, of those that need nothing more
        """
        if len(batch) < 2:
            return {}
        begun: list[_Due] = []
        try:
            with self._database.sessions.borrow() as session:
                _move_together(session, batch, begun, self._database.choice.is_replayed)
            made, rest = begun, [due for due in batch if due not in begun]
            # Those that were used meanwhile are not for a batch.
            pieces: list[list[_Due]] = []
        except _Altered as error:
            made, rest = [], [due for due in batch if due[0].sequence.oid not in error.oids]
            pieces = [rest]
        except DatabaseError:
            # setval() is not undone by a rollback: what it did until then is done.
            made = self._made(begun)
            rest = [due for due in batch if due not in made]
            pieces = [rest[: len(rest) // 2], rest[len(rest) // 2 :]]
        done = {}
        for finding, step in made:
            oid = finding.sequence.oid
            self.changes[oid] = _change(finding, step.method, step.after, step.next_value)
            done[oid] = self._database.finding(finding.observation._replace(state=step.after))
        self.left.difference_update(done)
        for piece in pieces:
            done.update(self._move(piece))
        return done

    def _made(self, begun: List[_Due]) -> list[_Due]:
        """Those of some moves that were made although their transaction failed."""
        sequences = {finding.sequence.oid: finding.sequence for finding, _step in begun}
        states = read_states(self._database.sessions, sequences) if sequences else {}
        return [due for due in begun if _reached(due, states[due[0].sequence.oid])]


def _reached(due: _Due, state: State | Trouble) -> bool:
    """Whether a sequence is where a move was to bring it, or has gone on from there."""
    finding, step = due
    return isinstance(state, State) and (
        (state.last_value - step.after.last_value) * finding.sequence.increment >= 0
        and state != finding.observation.state
    )


def _was_quick(finding: Finding) -> bool:
    return all(map(_is_quick, finding.sequence.columns, finding.observation.readings))


def _is_quick(column: Column, reading: Reading) -> bool:
    """Whether a column can be read without others waiting for long or too many locks, or was not to be read at all."""
    return not column.parts and (reading.scan_rows or 0) <= LONG_SCAN_ROWS


def _move_together(session: Session, batch: List[_Due], begun: list[_Due], is_replayed: bool) -> None:
    """Move sequences in one transaction, those that were used since they were observed left out.

    :arg is_replayed: whether others replay this server's locks
    :arg begun: is given the moves before they are made
    :raises _Altered: some are no longer what was discovered; nothing was changed
    :raises DatabaseError: one is locked by somebody else, or something else is wrong
    """
    sequences = {finding.sequence.oid: finding.sequence for finding, _step in batch}
    # Others wait while this runs. One second more than lock_timeout, as for one sequence.
    bound = min(session.statement_timeout, session.lock_timeout + 1)
    patience = min(session.lock_timeout, PATIENCE)
    with session.transaction(lock_timeout=patience, statement_timeout=bound) as run:
        run(";\n".join(_lock(sequence, is_replayed) for sequence in sequences.values()))
        there = {row["oid"]: row for row in run(_DEFINITIONS.replace("{oids}", ",".join(map(str, sequences))))}
        altered = [
            oid
            for oid, sequence in sequences.items()
            if not _is_still(sequence, there.get(oid), untouched=not is_replayed)
        ]
        if altered:
            raise _Altered(altered)
        states = _states(session.reader(run), sequences)
        begun += [due for due in batch if due[0].observation.state == states.get(due[0].sequence.oid)]
        if begun:
            values: dict[str, list[t.Any]] = {
                "oids": [finding.sequence.oid for finding, _step in begun],
                "last_values": [step.after.last_value for _finding, step in begun],
                "are_called": [step.after.is_called for _finding, step in begun],
            }
            statement = _SETVALS
            for name, several in values.items():
                statement = statement.replace("{" + name + "}", ",".join(map(str, several)))
            run(statement)


def _lock(sequence: Sequence, is_replayed: bool) -> str:
    """The statement that takes a sequence's lock and changes nothing."""
    if is_replayed:
        # SHARE ROW EXCLUSIVE: a standby would replay ACCESS EXCLUSIVE, and cancel who reads the sequence there.
        return f"ALTER SEQUENCE {sequence.sql_name} CACHE {sequence.cache_size}"
    return f"ALTER SEQUENCE {sequence.sql_name} OWNER TO {quote_identifier(sequence.owner)}"


def _states(reader: Reader, sequences: Mapping[int, Sequence]) -> dict[int, State]:
    """Read states inside a transaction, as far as they can be read."""
    states = quick_states(reader, sequences)
    rest = [(key, probe_of_state(sequence)) for key, sequence in sequences.items() if key not in states]
    if rest:
        for (key, _probe), found in zip(rest, read_batch(reader.query, rest)):
            if found[0] is not None:
                states[key] = state(found)
    return states


def _move(database: Database, finding: Finding, step: Move, options: Options, last_try: bool) -> Change | None:
    # Parts of large tables are read through another session while this one holds the lock.
    database.sessions.grow(2 if any(column.parts for column in finding.sequence.columns) else 1)
    with database.sessions.borrow() as session:
        if step.method == STEPPED:
            return _move_stepped(database, session, finding, options)
        try:
            return _move_locked(database, session, finding, options)
        except DatabaseError as error:
            # An owner who never gets the lock can still go forward without it.
            if not (last_try and error.sqlstate == "55P03" and _can_step(finding, step)):
                raise
            return _move_stepped(database, session, finding, options)


def _can_step(finding: Finding, step: Move) -> bool:
    sequence, state = finding.sequence, finding.observation.state
    if state is None:
        return False
    steps = (step.next_value - state.next_value(sequence.increment)) // sequence.increment
    return 0 < steps <= MOST_STEPS


def _move_locked(database: Database, session: Session, finding: Finding, options: Options) -> Change | None:
    sequence = finding.sequence
    everything = options.policy.lock_tables or options.policy.realign
    # Writers wait for what runs under the lock. One second more than lock_timeout, which is to strike first.
    bound = session.statement_timeout if everything else min(session.statement_timeout, session.lock_timeout + 1)
    definition = _DEFINITIONS.replace("{oids}", str(sequence.oid))
    with contextlib.suppress(_NothingToDo), session.transaction(statement_timeout=bound) as run:
        if options.policy.lock_tables:
            _lock_tables(finding, run)
        _refuse_altered(sequence, run(definition))
        run(f"ALTER SEQUENCE {sequence.sql_name} CACHE {sequence.cache_size}")
        # Going forward, a column missed is found by the audit after the move; going back it would be too late.
        if not options.policy.realign:
            _refuse_altered(sequence, run(definition))
        elif not database.same(sequence, session.reader(run)):
            raise _Altered([sequence.oid])
        if not options.policy.lock_tables:
            patience = min(session.lock_timeout, PATIENCE)
            run(f"SET LOCAL lock_timeout = '{round(patience * 1000) or 1}ms'")
        observation = _read_again(finding.observation, session.reader(run), database.sessions, everything)
        locked = database.finding(observation)
        step = plan(locked.observation, locked.verdict, options.policy)
        if not isinstance(step, Move) or step.method != LOCKED:
            raise _NothingToDo
        change = _change(locked, step.method, step.after, step.next_value)
        run(_setval(step.after, f"{sequence.oid}::regclass"))
        return change
    return None


def _refuse_altered(sequence: Sequence, rows: List[Row]) -> None:
    if not _is_still(sequence, rows[0] if rows else None):
        raise _Altered([sequence.oid])


def _is_still(sequence: Sequence, definition: Row | None, untouched: bool = False) -> bool:
    """Whether a sequence is what it was discovered to be.

    :arg untouched: it was given the owner it has, which is to have written nothing
    """
    if definition is None or (untouched and definition["written"]):
        return False
    return all(getattr(sequence, name) == value for name, value in definition.items() if name != "written")


def _read_again(observation: Observation, reader: Reader, aside: Sessions, everything: bool) -> Observation:
    """Read columns and state anew inside the open transaction, each statement with a snapshot of its own.

    :arg observation: of a sequence
    :arg reader: the transaction
    :arg aside: sessions that tables of too many relations for one transaction are read through
    :arg everything: also columns that have to be scanned for long, or that are in many parts
    :returns: what is found now; columns not read again stay as they were
    """
    sequence = observation.sequence
    readings = list(observation.readings)
    # Writers wait for the lock; what a long scan would have found more shows in the audit after the move.
    wanted = [
        (place, column)
        for place, (column, reading) in enumerate(zip(sequence.columns, readings))
        if reading.trouble is None and (everything or _is_quick(column, reading))
    ]
    for place, column in wanted:
        reading, settled = reading_of_ends(sequence, _ends(reader, aside, probes_of_ends(column)))
        if not settled:
            within = _ends(reader, aside, probes_within(sequence, column))
            reading = reading._replace(furthest=furthest_of_ends(sequence, within))
        readings[place] = reading._replace(scan_rows=readings[place].scan_rows)
    state = _states(reader, {sequence.oid: sequence}).get(sequence.oid)
    return observation._replace(state=state, readings=tuple(readings))


def _ends(reader: Reader, aside: Sessions, probes: List[Probe]) -> Ends:
    """Run a reading, in one part or many, while a transaction is open."""
    if len(probes) > 1 and len(aside.all) > 1:
        ends = run_probes(aside, {0: probes})[0]
        if isinstance(ends, DatabaseError):
            raise ends
        return ends
    return merged([read_batch(reader.query, [(0, probe)])[0] for probe in probes])


def _move_stepped(database: Database, session: Session, finding: Finding, options: Options) -> Change | None:
    """Call ``nextval()`` until it is there: never backward, whoever else calls it, and nobody waits."""
    sequence = finding.sequence
    with session.transaction() as run:
        if options.policy.lock_tables:
            _lock_tables(finding, run)
        observation = _read_again(finding.observation, session.reader(run), database.sessions, everything=True)
        fresh = database.finding(observation)
        step = plan(fresh.observation, fresh.verdict, options.policy)
        if not isinstance(step, Move) or not _can_step(fresh, step):
            return None
        run(_steps(sequence, step.next_value, f"{sequence.oid}::regclass"))
        states = quick_states(session.reader(run), {0: sequence})
    return _change(fresh, STEPPED, states.get(0, step.after), step.next_value)


def _lock_tables(finding: Finding, run: Callable[[str], list[Row]]) -> None:
    """Wait for the writers of every column that is read, and hold back new ones until the transaction ends."""
    pairs = zip(finding.sequence.columns, finding.observation.readings)
    tables = sorted({column.sql_table for column, reading in pairs if reading.trouble is None})
    if tables:
        run(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")


def _change(finding: Finding, method: str, after: State, next_value: int) -> Change:
    state = finding.observation.state
    if state is None:  # A plan needs a state.
        raise AssertionError("a move was planned for a sequence whose state is not known")
    sequence = finding.sequence
    name = f"{quote_literal(sequence.sql_name)}::regclass"
    statement = _setval(after, name) if method == LOCKED else _steps(sequence, next_value, name)
    return Change(
        database=finding.database,
        schema=sequence.schema,
        name=sequence.name,
        increment=sequence.increment,
        reasons=finding.verdict.reasons,
        method=method,
        before=state,
        after=after,
        statement=f"{statement};",
    )


def _setval(after: State, regclass: str) -> str:
    return f"SELECT pg_catalog.setval({regclass}, {after.last_value}, {str(after.is_called).lower()})"


def _steps(sequence: Sequence, next_value: int, regclass: str) -> str:
    sign = "<" if sequence.ascending else ">"
    return (
        f"WITH RECURSIVE step(value) AS (SELECT pg_catalog.nextval({regclass}) UNION ALL"
        f" SELECT pg_catalog.nextval({regclass}) FROM step WHERE value {sign} {next_value - sequence.increment})"
        " SELECT count(*) FROM step"
    )


def _unfixed(database: Database, refused: Mapping[int, Refusal], troubles: Mapping[int, Trouble]) -> list[Unfixed]:
    """What needs a hand (contract, section 4): still critical, or unreadable for a reason that can be settled."""
    found = []
    for oid, finding in sorted(database.findings.items(), key=lambda item: item[1].place):
        verdict, refusal, trouble = finding.verdict, refused.get(oid), troubles.get(oid)
        needs = verdict.status == CRITICAL or (
            verdict.status == UNKNOWN and not STRUCTURAL.issuperset(_unread(verdict))
        )
        if not needs and trouble is None and not (refusal and "max_jump" in refusal.reasons):
            continue
        reasons = tuple(dict.fromkeys((*verdict.reasons, *(refusal.reasons if refusal else ()))))
        if trouble:
            reasons = tuple(dict.fromkeys((*reasons, trouble.reason)))
        found.append(Unfixed(finding, reasons, database.session.role, refusal, trouble))
    return found


def _unread(verdict: Verdict) -> Iterable[str]:
    return [trouble.reason for trouble in verdict.troubles]
