# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A target in, a session with one database out.

Every statement runs in a transaction that sets what it needs for itself and ends before the call returns.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres import driver
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Result
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import (
    ConnectError,
    DatabaseError,
    connect_error,
)
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.settings import (
    ASK_SERVER,
    ASK_SERVER_WITHOUT_IDENTIFIER,
    READ_ONLY,
    Server,
    local_settings,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target

OLDEST_SERVER = 100000
"""``server_version_num`` of the oldest server supported: 10.0, the first with pg_sequence and identity columns."""

_SEPARATE_TIMERS = 130000
"""From here on statement_timeout holds for each statement of a message (manual, statement_timeout), not for all of it."""

_TIMER_BY_STATEMENT = 110000
"""From here on SET LOCAL statement_timeout holds for what follows it in the same message."""

_RECONNECT_SECONDS = 0.5


class Reader(t.Protocol):
    """What reading needs: a session, one of several, or a transaction of one."""

    @property
    def database(self) -> str:
        """The database's name."""

    @property
    def role(self) -> str:
        """The role whose privileges hold."""

    @property
    def version_number(self) -> int:
        """The server's ``server_version_num``."""

    @property
    def lock_timeout(self) -> float:
        """Seconds a statement waits for a lock."""

    def query(
        self,
        statement: str,
        parameters: Mapping[str, t.Any] | None = None,
        *,
        lock_timeout: float | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> list[Row]:
        """Run a statement and return its rows."""


class Transaction(t.NamedTuple):
    """An open transaction of a session, as a :class:`Reader`; settings last until its end."""

    database: str
    role: str
    version_number: int
    lock_timeout: float
    run: t.Callable[..., list[Row]]

    def query(self, statement: str, parameters: Mapping[str, t.Any] | None = None, **_unused: t.Any) -> list[Row]:
        """Run a statement in the transaction, under the timeouts and settings it has."""
        return self.run(statement, parameters)


class Session:
    """A connection to one database. Every statement runs in a transaction that ends before the call returns."""

    def __init__(
        self, target: Target, database: str, lock_timeout: float = 2.0, statement_timeout: float = 60.0
    ) -> None:
        """Connect.

        :arg target: where and as whom
        :arg database: name of the database
        :arg lock_timeout: seconds a statement may wait for a lock
        :arg statement_timeout: seconds a statement may take
        :raises ConnectError: no session could be had, or the server is older than PostgreSQL 10
        """
        self.target = target
        self.database = database
        self.lock_timeout = lock_timeout
        self.statement_timeout = statement_timeout
        self._lost: str | None = None
        self._server = Server()
        self._open()

    def _open(self) -> None:
        parameters = {**self.target.parameters, "dbname": self.database, "client_encoding": "UTF8"}
        try:
            self._connection = driver.connect(parameters)
            self.port = driver.port_of(self._connection)
        except Exception as error:  # The drivers raise many types here, ValueError and TypeError among them.
            raise connect_error(self.target, self.database, str(error)) from error
        try:
            self._server = self._ask_server()
        except DatabaseError as error:
            self.close()
            raise connect_error(self.target, self.database, str(error)) from error
        if self.version_number < OLDEST_SERVER:
            self.close()
            raise ConnectError(
                f"the server at {self.target.address} is PostgreSQL {self.version};"
                " version 10 or newer is needed. Nothing was changed"
            )
        if self._server.encoding == "SQL_ASCII":
            # Names there may be any bytes; LATIN1 carries each byte through unchanged in both directions.
            driver.set_client_encoding(self._connection, "LATIN1")

    def _ask_server(self) -> Server:
        try:
            return Server(**self.query(ASK_SERVER)[0])
        except DatabaseError as error:
            if error.sqlstate != "42501":
                raise
            return Server(**self.query(ASK_SERVER_WITHOUT_IDENTIFIER)[0])

    @property
    def version_number(self) -> int:
        """The server's ``server_version_num``."""
        return self._server.version_number

    @property
    def version(self) -> str:
        """The server's version, such as ``16.4``."""
        return self._server.version.partition(" ")[0]

    @property
    def in_recovery(self) -> bool:
        """Whether the server is a hot standby."""
        return self._server.in_recovery

    @property
    def read_only(self) -> bool:
        """Whether transactions are read-only unless they say otherwise."""
        return self._server.read_only

    @property
    def role(self) -> str:
        """The role whose privileges hold."""
        return self._server.role

    @property
    def system_identifier(self) -> str | None:
        """The cluster's identifier; None where the role may not read it."""
        return self._server.system_identifier

    def close(self) -> None:
        """End the session; never raises."""
        with contextlib.suppress(Exception):
            self._connection.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def query(
        self,
        statement: str,
        parameters: Mapping[str, t.Any] | None = None,
        lock_timeout: float | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> list[Row]:
        """Run one reading statement in a read-only transaction of its own.

        :arg statement: SQL; per cent signs are doubled only where parameters are given
        :arg parameters: values for ``%(name)s`` in the statement
        :arg lock_timeout: seconds to wait for a lock; None: the session's
        :arg settings: more settings for this statement, by name
        :returns: the rows, as dictionaries
        :raises DatabaseError: the statement failed; nothing is left open
        """
        return self.fetch(statement, parameters, lock_timeout, settings).rows()

    def fetch(
        self,
        statement: str,
        parameters: Mapping[str, t.Any] | None = None,
        lock_timeout: float | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Result:
        """As :meth:`query`, with the rows as the driver has them."""
        if self.version_number < _SEPARATE_TIMERS:
            with self.transaction("READ ONLY", lock_timeout, settings=settings) as run:
                rows = run(statement, parameters)
            return Result(tuple(rows[0]) if rows else (), [tuple(row.values()) for row in rows])
        # Statements sent as one message are one transaction (manual, 53.2.2.1): a single round trip.
        self._reopen()
        begin = READ_ONLY + self._settings(lock_timeout, settings)
        return driver.execute(self._connection, _with(begin, statement, parameters), parameters)

    @contextlib.contextmanager
    def transaction(
        self,
        access: str = "READ WRITE",
        lock_timeout: float | None = None,
        statement_timeout: float | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[t.Callable[..., list[Row]]]:
        """A transaction: committed at the end of the block, rolled back if anything in it raises.

        :arg access: ``READ ONLY`` or ``READ WRITE``
        :arg lock_timeout: seconds a statement may wait for a lock; None: the session's
        :arg statement_timeout: seconds a statement may take; None: the session's
        :arg settings: more settings for its statements, by name
        :returns: a callable as :meth:`query`, for use inside the block
        :raises DatabaseError: a statement, or the commit, failed
        """
        # Sent together with the first statement: no round trip of its own.
        begin = f"BEGIN ISOLATION LEVEL READ COMMITTED {access};\n"
        pending = [begin + self._settings(lock_timeout, settings, statement_timeout)]

        def run(statement: str, parameters: Mapping[str, t.Any] | None = None) -> list[Row]:
            if pending:
                self._reopen()
            begin = pending.pop() if pending else ""
            # Version 10 starts the statement's timer with the whole message, before SET LOCAL can have said how long.
            if begin and 0 < self.version_number < _TIMER_BY_STATEMENT:
                self._execute(begin)
                begin = ""
            return self._execute(_with(begin, statement, parameters), parameters)

        try:
            yield run
        except BaseException:
            if not self._connection.closed:
                with contextlib.suppress(DatabaseError):
                    self._execute("ROLLBACK")
            raise
        if not pending:
            self._execute("COMMIT")

    def reader(self, run: t.Callable[..., list[Row]]) -> Transaction:
        """An open transaction of this session as a :class:`Reader`."""
        return Transaction(self.database, self.role, self.version_number, self.lock_timeout, run)

    def _reopen(self) -> None:
        """Connect again after the connection was closed or cut; once it cannot, later calls fail without trying."""
        if not self._connection.closed:
            return
        if self._lost is None:
            try:
                self._open()
                return
            except ConnectError:
                # Whatever cut the connection may have cut this one too, or be about to end.
                time.sleep(_RECONNECT_SECONDS)
            try:
                self._open()
                return
            except ConnectError as error:
                self._lost = str(error)
        raise DatabaseError(self._lost, None, True)

    def _settings(
        self, lock_timeout: float | None, more: Mapping[str, str] | None, timeout: float | None = None
    ) -> str:
        lock_timeout, timeout = lock_timeout or self.lock_timeout, timeout or self.statement_timeout
        return local_settings(self._server, self.target.session_role, lock_timeout, timeout, more)

    def _execute(self, statement: str, parameters: Mapping[str, t.Any] | None = None) -> list[Row]:
        return driver.execute(self._connection, statement, parameters).rows()


def _with(begin: str, statement: str, parameters: Mapping[str, t.Any] | None) -> str:
    """What goes before a statement, and the statement, as one message."""
    return (begin.replace("%", "%%") if parameters else begin) + statement
