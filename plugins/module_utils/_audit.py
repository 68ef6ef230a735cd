# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""One database's way through discover, observe and judge, and several databases side by side."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils import _discover, _judge, _observe
from ansible_collections.pgops.sequences.plugins.module_utils._connect import ConnectError, DatabaseError, Session

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._connect import Row, Target
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Sequence


@dataclasses.dataclass(frozen=True)
class Finding:
    """A sequence of a database, as it was found and judged."""

    database: str
    observation: Observation
    verdict: _judge.Verdict

    @property
    def sequence(self) -> Sequence:
        """The sequence's definition."""
        return self.observation.sequence


@dataclasses.dataclass(frozen=True)
class Options:
    """What an audit looks at, what it may cost and from when on it warns."""

    selection: _discover.Selection
    limits: _observe.Limits
    thresholds: _judge.Thresholds
    lock_timeout: float
    statement_timeout: float
    jobs: int

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
        )


class Database:
    """One database under audit.

    :ivar name: its name
    :ivar error: why it could not be entered or read, or None
    :ivar server_version: such as ``16.4``; None before it was entered
    :ivar in_recovery: whether the server is a hot standby; None before it was entered
    :ivar findings: what was found, by the sequences' oids
    """

    def __init__(self, name: str, target: Target, options: Options) -> None:
        self.name = name
        self.error: str | None = None
        self.server_version: str | None = None
        self.in_recovery: bool | None = None
        self.findings: dict[int, Finding] = {}
        self.unmatched: frozenset[tuple[str, str]] = frozenset()
        self._target = target
        self._options = options
        self._sessions: list[Session] = []
        self._discovered: tuple[Sequence, ...] = ()

    @property
    def session(self) -> Session:
        """The first of its sessions."""
        return self._sessions[0]

    def enter(self) -> None:
        """Connect and discover; on failure :attr:`error` says why."""
        try:
            session = self._connect()
            self._sessions.append(session)
            self.server_version, self.in_recovery = session.version, session.in_recovery
            found = _discover.discover(session, self._options.selection)
        except ConnectError as error:
            self.error = str(error)
        except DatabaseError as error:
            self.error = f'database "{self.name}" could not be read: {error}'
        else:
            self._discovered, self.unmatched = found.sequences, found.unmatched

    def look(self) -> None:
        """Observe and judge everything that was discovered."""
        # A server that has no room for more connections is read by those there are.
        with contextlib.suppress(ConnectError):
            while len(self._sessions) < self._options.jobs:
                self._sessions.append(self._connect())
        self.findings = self._judged(self._discovered)
        vanished = {oid for oid, finding in self.findings.items() if any(x.vanished for x in finding.verdict.troubles)}
        if vanished:
            self.look_again(vanished)

    def look_again(self, oids: Collection[int] | None = None) -> None:
        """Discover, observe and judge anew; sequences that are gone leave the findings.

        :arg oids: the sequences meant; None for all
        """
        try:
            found = _discover.discover(self.session, self._options.selection)
        except DatabaseError as error:
            self.error = f'database "{self.name}" could not be read again: {error}'
            return
        sequences = [sequence for sequence in found.sequences if oids is None or sequence.oid in oids]
        for oid in list(self.findings) if oids is None else oids:
            self.findings.pop(oid, None)
        self.findings.update(self._judged(sequences))

    def same(self, sequence: Sequence, run: t.Callable[..., list[Row]]) -> bool:
        """Whether inside an open transaction a sequence is still what was discovered, with the same columns."""
        reader = self.session.reader(run)
        return _discover.rediscover(reader, self._options.selection, sequence.oid) == sequence

    def check_again(self, oids: Collection[int]) -> None:
        """Observe and judge some sequences anew, by the columns known."""
        self.findings.update(self._judged([self.findings[oid].sequence for oid in self.findings if oid in oids]))

    def finding(self, observation: Observation) -> Finding:
        """Judge an observation of one of this database's sequences."""
        return Finding(self.name, observation, _judge.judge(observation, self._options.thresholds))

    def leave(self) -> None:
        """End its sessions; they come back by themselves when needed again."""
        for session in self._sessions:
            session.close()

    def _connect(self) -> Session:
        return Session(self._target, self.name, self._options.lock_timeout, self._options.statement_timeout)

    def _judged(self, sequences: Iterable[Sequence]) -> dict[int, Finding]:
        observations = _observe.observe(self._sessions, sequences, self._options.limits)
        return {observation.sequence.oid: self.finding(observation) for observation in observations}


def enter_all(target: Target, login_database: str, patterns: list[str] | None, options: Options) -> list[Database]:
    """Find the databases asked for, enter each and discover its sequences.

    :arg target: where and as whom
    :arg login_database: the database to connect to first
    :arg patterns: the option ``databases``; None: the login database alone
    :arg options: the audit's options
    :returns: one for each database asked for, also those that could not be entered
    :raises ConnectError: the login database could not be entered
    :raises SelectionError: a name in the selection fits nothing anywhere
    """
    if patterns is None:
        names = [login_database]
    else:
        with Session(target, login_database, options.lock_timeout, options.statement_timeout) as session:
            try:
                names = _discover.databases(session, patterns)
            except DatabaseError as error:
                raise ConnectError(f"cannot list the databases at {target.address}: {error}") from error
    found = [Database(name, target, options) for name in names]
    for database in found:
        database.enter()
        if database.error and database.name == login_database:
            raise ConnectError(database.error)
        if len(found) > 1:
            database.leave()
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
