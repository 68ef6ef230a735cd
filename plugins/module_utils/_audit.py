# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""One database's way through discover, observe and judge, a chunk of its sequences at a time."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils import _discover, _judge, _observe
from ansible_collections.pgops.sequences.plugins.module_utils._connect import (
    ConnectError,
    DatabaseError,
    Session,
    Sessions,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._connect import Reader, Target
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Sequence

T = t.TypeVar("T")

# Bounds what is held of sequences that are worth no word; larger ones save nothing.
_CHUNK = 1000
# What is observed is judged, and moved, before much can happen to it.
_AT_ONCE = 100
# Below this a second thread costs more than it saves.
_SMALLEST_CHUNK = 200


class Finding(t.NamedTuple):
    """A sequence of a database, as it was found and judged."""

    database: str
    observation: Observation
    verdict: _judge.Verdict

    @property
    def sequence(self) -> Sequence:
        """The sequence's definition."""
        return self.observation.sequence

    @property
    def place(self) -> tuple[str, str]:
        """Schema and name, which results are in the order of."""
        return self.sequence.schema, self.sequence.name


class Options(t.NamedTuple):
    """What an audit looks at, what it may cost, from when on it warns, and what it keeps."""

    selection: _discover.Selection
    limits: _observe.Limits
    thresholds: _judge.Thresholds
    lock_timeout: float
    statement_timeout: float
    jobs: int
    show_all: bool

    @classmethod
    def of(cls, params: Mapping[str, t.Any]) -> Options:
        """Take them from a module's parameters."""
        return cls(
            selection=_discover.Selection.of(params),
            limits=_observe.Limits(params["max_scan_rows"], params["trust_index_functions"]),
            thresholds=_judge.Thresholds(params["gap_threshold"], params["near_limit_percent"]),
            lock_timeout=params["lock_timeout"],
            statement_timeout=params["statement_timeout"],
            jobs=params["jobs"],
            show_all=params["show_all"],
        )


class Database:
    """One database under audit.

    :ivar name: its name
    :ivar error: why it could not be entered or read, or None
    :ivar server_version: such as ``16.4``; None before it was entered
    :ivar in_recovery: whether the server is a hot standby; None before it was entered
    :ivar server: which server that is, for results (contract, section 3)
    :ivar sessions: connections to it, once it was entered
    :ivar findings: what was found that is worth a word, by the sequences' oids
    :ivar quiet: the status of each other sequence that was found, by its oid
    """

    sessions: Sessions

    def __init__(self, name: str, target: Target, options: Options) -> None:
        self.name = name
        self.error: str | None = None
        self.server_version: str | None = None
        self.in_recovery: bool | None = None
        self.server: dict[str, str | int | bool | None] | None = None
        self.findings: dict[int, Finding] = {}
        self.quiet: dict[int, str] = {}
        self.unmatched: frozenset[tuple[str, str]] = frozenset()
        self._target = target
        self._options = options
        self._choice: _discover.Choice | None = None

    @property
    def session(self) -> Session:
        """The first of its sessions."""
        return self.sessions.first

    @property
    def read_only(self) -> bool:
        """Whether its transactions are read-only unless they say otherwise."""
        return self.session.read_only

    def enter(self, session: Session | None = None) -> None:
        """Connect and find what is selected, unless that was done; on failure :attr:`error` says why.

        :arg session: an open session with this database, to be used instead of a new one
        """
        if self._choice or self.error:
            return
        try:
            self.sessions = Sessions(self._connect, session)
            self.server_version, self.in_recovery = self.session.version, self.session.in_recovery
            self.server = server_of(self._target, self.session)
            self._choice = self._choose()
            self.unmatched = self._choice.unmatched
        except ConnectError as error:
            self.error = str(error)
        except DatabaseError as error:
            self.error = f'database "{self.name}" could not be read: {error}'

    def look(self, work: Callable[[list[Finding], float], Iterable[tuple[Finding, bool]]] | None = None) -> set[int]:
        """Describe, observe and judge everything that is selected.

        :arg work: what to do with findings, perhaps with several at the same time, given when their observation began;
            returns each as it
            stands then, and whether it is to be kept even if it is healthy
        :returns: the oids of sequences that were altered meanwhile, and looked at again without that
        """
        choice = self.choice
        # A small database is not worth another connection.
        self.sessions.grow(min(self._options.jobs, -(-len(choice.sequences) // _SMALLEST_CHUNK)))
        size = min(_CHUNK, max(_SMALLEST_CHUNK, -(-len(choice.sequences) // self.sessions.threads)))
        chunks = [choice.sequences[place : place + size] for place in range(0, len(choice.sequences), size)]

        def look_at(oids: List[int]) -> set[int]:
            if self.error:
                return set()
            gone = set()
            try:
                sequences = self._describe(choice, oids)
                for place in range(0, len(sequences), _AT_ONCE):
                    began = time.monotonic()
                    findings = self.findings_of(sequences[place : place + _AT_ONCE])
                    for finding, keep in work(findings, began) if work else ((finding, False) for finding in findings):
                        self._store(finding, keep)
                        if any(trouble.vanished for trouble in finding.verdict.troubles):
                            gone.add(finding.sequence.oid)
                # What was read may have been another table's of the name, or not all that a sequence feeds by now.
                gone |= self._altered(choice, sequences)
            except DatabaseError as error:
                self.error = f'database "{self.name}" could not be read: {error}'
            return gone

        again = set().union(*self.sessions.map(look_at, chunks))
        if again and not self.error:
            self.look_again(again)
        return again

    def look_again(self, oids: Collection[int]) -> None:
        """Choose, describe, observe and judge some sequences anew; those that are gone leave the findings."""
        try:
            self._choice = choice = self._choose()
            findings = self.findings_of(self._describe(choice, [oid for oid in choice.sequences if oid in oids]))
        except (DatabaseError, _discover.SelectionError) as error:
            self.error = f'database "{self.name}" could not be read again: {error}'
            return
        for oid in oids:
            self.findings.pop(oid, None)
            self.quiet.pop(oid, None)
        for finding in findings:
            self.keep(finding)

    def _altered(self, choice: _discover.Choice, sequences: Iterable[Sequence]) -> set[int]:
        known = {sequence.oid: sequence for sequence in sequences}
        touched = _tried_twice(lambda: _discover.touched(self.sessions, choice, known.values()))
        if not touched:
            return set()
        known = {oid: known[oid] for oid in touched if oid in known}
        found = self._describe(choice, list(known))
        return set(known) - {sequence.oid for sequence in found if sequence == known[sequence.oid]}

    def rebound(self, oids: Iterable[int]) -> set[int]:
        """The oids of those of some sequences that other columns bind to late, or through a domain, than before."""
        before = self.choice.feeds
        try:
            self._choice = self._choose()
        except (DatabaseError, _discover.SelectionError) as error:
            self.error = f'database "{self.name}" could not be read again: {error}'
            return set()
        return {oid for oid in oids if self._choice.feeds.get(oid) != before.get(oid)}

    def same(self, sequence: Sequence, reader: Reader) -> bool:
        """Whether inside an open transaction a sequence is still what was discovered, with the same columns."""
        return _discover.rediscover(reader, self._options.selection, sequence.oid) == sequence

    def finding(self, observation: Observation) -> Finding:
        """Judge an observation of one of this database's sequences."""
        return Finding(self.name, observation, _judge.judge(observation, self._options.thresholds))

    def leave(self) -> None:
        """End its sessions; they come back by themselves when needed again."""
        if hasattr(self, "sessions"):
            self.sessions.close()

    def _choose(self) -> _discover.Choice:
        return _tried_twice(lambda: _discover.choose(self.session, self._options.selection))

    def _describe(self, choice: _discover.Choice, oids: List[int]) -> list[Sequence]:
        return _tried_twice(lambda: _discover.describe(self.sessions, self._options.selection, choice, oids))

    @property
    def choice(self) -> _discover.Choice:
        """What it holds of the selection, once it was entered."""
        if self._choice is None:
            raise AssertionError(f"{self.name} was not entered")
        return self._choice

    def findings_of(self, sequences: List[Sequence]) -> list[Finding]:
        """Observe and judge sequences as they are known; does not change :attr:`findings`."""
        return [self.finding(seen) for seen in _observe.observe(self.sessions, sequences, self._options.limits)]

    def keep(self, finding: Finding) -> None:
        """Take a finding for what stands now."""
        self._store(finding, keep=True)

    def _connect(self) -> Session:
        return Session(self._target, self.name, self._options.lock_timeout, self._options.statement_timeout)

    def _store(self, finding: Finding, keep: bool) -> None:
        status = finding.verdict.status
        if keep or self._options.show_all or status not in _judge.QUIET:
            self.findings[finding.sequence.oid] = finding
        else:
            self.quiet[finding.sequence.oid] = status


def server_of(target: Target, session: Session) -> dict[str, str | int | bool | None]:
    """The server that a session is with, as every result names it (contract, section 3)."""
    return {
        "address": str(target.parameters.get("host") or ""),
        "port": int(target.parameters.get("port") or 5432),
        "in_recovery": session.in_recovery,
        "system_identifier": session.system_identifier,
    }


def _tried_twice(read: Callable[[], T]) -> T:
    """Read catalogs once more where the connection was cut meanwhile: everything depends on them."""
    try:
        return read()
    except DatabaseError as error:
        if not error.connection_lost:
            raise
    return read()


def enter_all(target: Target, login_database: str, patterns: list[str] | None, options: Options) -> list[Database]:
    """Find the databases asked for and refuse a selection that cannot be meant.

    All of them are entered here only where the selection names something, which has to be somewhere before anything
    is changed anywhere; otherwise each costs one connection, when its turn comes.

    :arg target: where and as whom
    :arg login_database: the database to connect to first
    :arg patterns: the option ``databases``; None: the login database alone
    :arg options: the audit's options
    :returns: one for each database asked for, also those that cannot be entered
    :raises ConnectError: the login database could not be entered
    :raises SelectionError: a name in the selection fits nothing anywhere
    """
    session = Session(target, login_database, options.lock_timeout, options.statement_timeout)
    names = [login_database]
    if patterns is not None:
        try:
            names = _discover.databases(session, patterns)
        except DatabaseError as error:
            session.close()
            raise ConnectError(f"cannot list the databases at {target.address}: {error}") from error
    found = [Database(name, target, options) for name in names]
    if login_database not in names:
        session.close()
    named = _discover.names_something(options.selection)
    for database in found:
        if database.name == login_database:
            database.enter(session)
            if database.error:
                raise ConnectError(database.error)
        elif named:
            database.enter()
        if named and len(found) > 1:
            database.leave()
    if named:
        _refuse_unmatched(found)
    return found


def _refuse_unmatched(found: list[Database]) -> None:
    if not found or any(database.error for database in found):
        return
    nowhere = frozenset.intersection(*(database.unmatched for database in found))
    if nowhere:
        where = ", ".join(f'"{database.name}"' for database in found[:5]) + (", ..." if len(found) > 5 else "")
        names = "; ".join(f'{option}: "{name}"' for option, name in sorted(nowhere))
        raise _discover.SelectionError(
            f"{names} matches nothing in {where}; names are case-sensitive, and a glob may match nothing."
            " Nothing was changed"
        )
