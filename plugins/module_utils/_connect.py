# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Options in, a session with one database out. The only place that knows the driver.

Everything a session sets, it sets with SET LOCAL inside a transaction of its own: behind a
transaction-pooling proxy nothing is left behind in a server connection that others use next.
"""

from __future__ import annotations

import contextlib
import queue
import re
import sys
import time
import traceback
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Row = dict[str, t.Any]

DRIVER_IMPORT_ERROR: str | None = None
"""Why neither driver could be imported, or None."""

driver: t.Any = None
try:
    import psycopg2

    driver = psycopg2
except ImportError:
    try:
        import psycopg

        driver = psycopg
    except ImportError:
        DRIVER_IMPORT_ERROR = traceback.format_exc()

OLDEST_SERVER = 100000
"""``server_version_num`` of the oldest server supported: 10.0, the first with pg_sequence and identity columns."""

SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
"""libpq's connection keywords whose values must never be shown (manual, 32.1.2)."""

_SEPARATE_TIMERS = 130000
"""From here on statement_timeout holds for each statement of a message (manual, statement_timeout), not for all of it."""

# As BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET TRANSACTION, without BEGIN, would set it for the session.
_READ_ONLY = "SET LOCAL transaction_isolation = 'read committed';\nSET LOCAL transaction_read_only = on;\n"

_RECONNECT_SECONDS = 0.5

_SWITCH_INTERVAL = 0.0002

# libpq waits without end unless told otherwise; an audit of a fleet must get past a dead host.
_CONNECT_TIMEOUT_SECONDS = 10


class ConnectError(Exception):
    """A session could not be had. The text says where, as whom, why, and what to try."""


class DatabaseError(Exception):
    """A statement failed.

    :ivar sqlstate: PostgreSQL's error code (manual, appendix A), or None where the connection itself broke
    :ivar connection_lost: whether the session can no longer be used
    """

    def __init__(self, message: str, sqlstate: str | None, connection_lost: bool) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.connection_lost = connection_lost


class Target(t.NamedTuple):
    """Where to connect to and as whom.

    :ivar parameters: libpq's connection keywords, without ``dbname``
    :ivar session_role: the role to take on after connecting, or None
    """

    parameters: Mapping[str, t.Any]
    session_role: str | None

    @property
    def address(self) -> str:
        """Host and port in words, for messages."""
        host = self.parameters.get("host") or "the default socket"
        return f"{host}, port {self.parameters.get('port', 5432)}"

    @property
    def user(self) -> str:
        """The role that logs in."""
        return str(self.parameters.get("user", ""))


def target_of(params: Mapping[str, t.Any]) -> Target:
    """Translate the module's connection options to libpq's keywords, as community.postgresql does.

    :arg params: parameters named as in :func:`_arguments.connection_arguments`
    :returns: where to connect to; ``connect_params`` take precedence over every other option
    """
    keywords = {
        "login_host": "host",
        "login_port": "port",
        "login_user": "user",
        "login_password": "password",
        "ssl_mode": "sslmode",
        "ca_cert": "sslrootcert",
        "ssl_cert": "sslcert",
        "ssl_key": "sslkey",
    }
    found = {keyword: params[name] for name, keyword in keywords.items() if params.get(name) not in (None, "")}
    if params.get("login_unix_socket") and found.get("host") in (None, "localhost"):
        found["host"] = params["login_unix_socket"]
    found.setdefault("connect_timeout", _CONNECT_TIMEOUT_SECONDS)
    found.setdefault("application_name", "pgops.sequences")
    found.update({key: value for key, value in (params.get("connect_params") or {}).items() if value is not None})
    found.pop("dbname", None)
    return Target(found, params.get("session_role") or None)


def quote_identifier(name: str) -> str:
    """Quote a name for SQL (manual, 4.1.1: a quote inside is doubled)."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Quote a text for SQL, whatever ``standard_conforming_strings`` is (manual, 4.1.2)."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'" if "\\" not in text else "E'" + doubled.replace("\\", "\\\\") + "'"


_HINTS = (
    (r"could not translate host name|Name or service not known", "Check login_host"),
    (
        r"Connection refused|No such file or directory",
        "Check that the server runs and that login_host, login_port and login_unix_socket are right",
    ),
    (
        r"Peer authentication failed",
        "Peer authentication needs the task to run as the operating-system user of the same name:"
        " become: true, become_user: {user}",
    ),
    (r"no password supplied|fe_sendauth", "Set login_password"),
    (r"password authentication failed", "Check login_user and login_password"),
    (r"no pg_hba.conf entry", "The server's pg_hba.conf must admit this host, user and database"),
    (r"permission denied for database", "Run: GRANT CONNECT ON DATABASE {database} TO {role};"),
    (r'database ".*" does not exist', "Check the name; it is case-sensitive"),
    (r'role ".*" does not exist', "Check login_user; it is case-sensitive"),
    (r"timeout expired|timed out", "Check login_host, login_port and the firewall between"),
    (r"too many clients|remaining connection slots", "Try again later, or with fewer jobs"),
    (r"does not support SSL|SSL", "Check ssl_mode, ca_cert, ssl_cert and ssl_key"),
)


class Result(t.NamedTuple):
    """What a statement returned.

    :ivar names: of its columns
    :ivar values: of each row, in their order
    """

    names: tuple[str, ...]
    values: Sequence[tuple[t.Any, ...]]

    def rows(self) -> list[Row]:
        """The rows as dictionaries."""
        return [dict(zip(self.names, values)) for values in self.values]


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
        self.version_number = 0
        self._begins_alone = False
        self._open()

    def _open(self) -> None:
        try:
            self._connection = driver.connect(
                **{**self.target.parameters, "dbname": self.database, "client_encoding": "UTF8"}
            )
            self._connection.autocommit = True
        except Exception as error:  # The drivers raise many types here, ValueError and TypeError among them.
            raise self._connect_error(str(error)) from error
        try:
            facts = self._facts("(SELECT system_identifier::text FROM pg_catalog.pg_control_system())")
        except DatabaseError as error:
            self.close()
            raise self._connect_error(str(error)) from error
        self.version_number = facts["version_number"]
        self.version: str = facts["version"].split(" ")[0]
        self.in_recovery: bool = facts["in_recovery"]
        # Version 10 starts the statement's timer with the whole message, before SET LOCAL can have said how long.
        self._begins_alone = self.version_number < 110000
        self._restricts: bool = facts["restricts"]
        self.read_only: bool = facts["read_only"]
        self.system_identifier: str | None = facts["system_identifier"]
        self.role: str = facts["role"]
        if self.version_number < OLDEST_SERVER:
            self.close()
            raise ConnectError(
                f"the server at {self.target.address} is PostgreSQL {self.version};"
                " version 10 or newer is needed. Nothing was changed"
            )
        if facts["encoding"] == "SQL_ASCII":
            # Names there may be any bytes; LATIN1 carries each byte through unchanged in both directions.
            self._set_client_encoding("LATIN1")

    def _facts(self, identifier: str) -> Row:
        """What is to be known of the server; its identifier, too, where the role may read it.

        :arg identifier: the expression that reads it
        """
        try:
            return self.query(
                "SELECT current_setting('server_version_num')::int AS version_number,"
                " current_setting('server_version') AS version, pg_is_in_recovery() AS in_recovery,"
                " current_setting('default_transaction_read_only')::bool AS read_only,"
                " current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL AS restricts,"
                " current_user::text AS role, current_setting('server_encoding') AS encoding,"
                f" {identifier} AS system_identifier"
            )[0]
        except DatabaseError as error:
            if error.sqlstate != "42501" or identifier == "NULL":
                raise
            return self._facts("NULL")

    def _set_client_encoding(self, encoding: str) -> None:
        if hasattr(self._connection, "set_client_encoding"):
            self._connection.set_client_encoding(encoding)
        else:
            self._connection.execute(f"SET client_encoding = '{encoding}'")

    def _connect_error(self, cause: str) -> ConnectError:
        cause = " ".join(cause.split())
        role = quote_identifier(self.target.session_role or self.target.user)
        hint = next((words for expression, words in _HINTS if re.search(expression, cause)), "")
        hint = hint.format(user=self.target.user, role=role, database=quote_identifier(self.database))
        return ConnectError(
            f'cannot use database "{self.database}" as "{self.target.user}" at {self.target.address}: {cause}'
            + (f"{'' if cause.endswith(('.', '?')) else '.'} {hint}" if hint else "")
        )

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
        begin = self._settings(lock_timeout or self.lock_timeout, self.statement_timeout, settings)
        begin = f"{_READ_ONLY}{begin}"
        return self._run((begin.replace("%", "%%") if parameters else begin) + statement, parameters)

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
        timeouts = (lock_timeout or self.lock_timeout, statement_timeout or self.statement_timeout)
        pending = [begin + self._settings(*timeouts, settings)]

        def run(statement: str, parameters: Mapping[str, t.Any] | None = None) -> list[Row]:
            if pending:
                self._reopen()
            begin = pending.pop() if pending else ""
            if begin and self._begins_alone:
                self._execute(begin)
                begin = ""
            return self._execute((begin.replace("%", "%%") if parameters else begin) + statement, parameters)

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

    def _settings(self, lock_timeout: float, statement_timeout: float, more: Mapping[str, str] | None) -> str:
        settings = {
            "lock_timeout": str(max(1, round(lock_timeout * 1000))),
            "statement_timeout": str(max(1, round(statement_timeout * 1000))),
            "search_path": "pg_catalog",
            "row_security": "off",
            "standard_conforming_strings": "on",
            "quote_all_identifiers": "off",
            # Before version 12 floating-point numbers are otherwise rounded to 15 digits.
            "extra_float_digits": "3",
            # Otherwise the planner evaluates CHECK constraints of partitions and children, with our rights.
            "constraint_exclusion": "off",
            # Workers would take processors from those the server is there for.
            "max_parallel_workers_per_gather": "0",
            **(more or {}),
        }
        if getattr(self, "_restricts", False):
            # Should a view take a table's name after we looked, reading it is an error (CVE-2024-7348, as in pg_dump).
            settings["restrict_nonsystem_relation_kind"] = "'view, foreign-table'"
        if self.version_number >= 110000:
            # Compiling the catalog queries costs more than it saves (facts: 8 s for 10,000 tables on 15).
            settings["jit"] = "off"
        if self.target.session_role:
            settings["role"] = quote_identifier(self.target.session_role)
        return "".join(f"SET LOCAL {name} = {value};\n" for name, value in settings.items())

    def _execute(self, statement: str, parameters: Mapping[str, t.Any] | None = None) -> list[Row]:
        return self._run(statement, parameters).rows()

    def _run(self, statement: str, parameters: Mapping[str, t.Any] | None = None) -> Result:
        try:
            with self._cursor() as cursor:
                cursor.execute(statement, parameters)
                # psycopg 3 begins with the first statement's result, psycopg2 has the last one's alone.
                while driver.__name__ == "psycopg" and cursor.nextset():
                    pass
                if cursor.description is None:
                    return Result((), ())
                return Result(tuple(column[0] for column in cursor.description), cursor.fetchall())
        except UnicodeEncodeError as error:
            part = error.object[error.start : error.end]
            raise DatabaseError(f'"{part}" cannot be written in the database\'s encoding', "22P05", False) from error
        except driver.Error as error:
            sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
            lost = bool(self._connection.closed) or sqlstate is None or sqlstate.startswith(("08", "57P"))
            diagnostics = getattr(error, "diag", None)
            message = getattr(diagnostics, "message_primary", None) or " ".join(str(error).split())
            raise DatabaseError(message, sqlstate, lost) from error

    def _cursor(self) -> t.Any:
        if driver.__name__ == "psycopg":
            return driver.ClientCursor(self._connection)
        return self._connection.cursor()


class Sessions:
    """Sessions with one database that several threads read through, each borrowing one for a statement.

    As a :class:`Reader` they stand for the first of them.
    """

    def __init__(self, connect: t.Callable[[], Session], first: Session | None = None) -> None:
        """Connect once.

        :arg connect: makes a session
        :arg first: an open session to begin with, instead of a new one
        :raises ConnectError: no session could be had
        """
        self._connect = connect
        self.first = first or connect()
        self.all = [self.first]
        self._free: queue.LifoQueue[Session] = queue.LifoQueue()
        self._free.put(self.first)
        self.database, self.role = self.first.database, self.first.role
        self.version_number, self.lock_timeout = self.first.version_number, self.first.lock_timeout

    def grow(self, size: int) -> None:
        """Have up to this many; a server without room for more is read by those there are."""
        with contextlib.suppress(ConnectError):
            while len(self.all) < size:
                session = self._connect()
                self.all.append(session)
                self._free.put(session)

    @property
    def threads(self) -> int:
        """How many threads :meth:`map` has: while some wait for the server, others think."""
        return len(self.all) + 2

    def close(self) -> None:
        """End them all; they come back by themselves when needed again."""
        for session in self.all:
            session.close()

    @contextlib.contextmanager
    def borrow(self) -> Iterator[Session]:
        """Have a session for oneself until the end of the block."""
        session = self._free.get()
        try:
            yield session
        finally:
            self._free.put(session)

    def query(self, *args: t.Any, **more: t.Any) -> list[Row]:
        """As :meth:`Session.query`, in the next session that is free."""
        with self.borrow() as session:
            result = session.fetch(*args, **more)
        # The session is another's while this thread goes on.
        return result.rows()

    def map(self, work: t.Callable[[t.Any], t.Any], items: Iterable[t.Any]) -> Iterator[t.Any]:
        """Work on items at the same time.

        :returns: what ``work`` returned, in the items' order
        """
        items = list(items)
        if len(items) < 2:
            return iter([work(item) for item in items])
        # Most databases are small: they need not wait for this import.
        from concurrent.futures import ThreadPoolExecutor

        # A thread whose answer has come otherwise waits up to 5 ms for the one that thinks, and the server with it.
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        try:
            with ThreadPoolExecutor(self.threads) as pool:
                return iter(list(pool.map(work, items)))
        finally:
            sys.setswitchinterval(usual)
