# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A connection and a statement in, its result out. The only place that knows the drivers apart."""

from __future__ import annotations

import traceback
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def connect(parameters: Mapping[str, t.Any]) -> t.Any:
    """Connect; every statement is a transaction of its own unless it says otherwise.

    :arg parameters: libpq's connection keywords
    :returns: the driver's connection
    :raises Exception: the drivers raise many types here, ValueError and TypeError among them
    """
    connection = driver.connect(**parameters)
    connection.autocommit = True
    return connection


def port_of(connection: t.Any) -> int:
    """The port that a connection goes to, which libpq may have chosen of several."""
    return int(connection.info.port)


def set_client_encoding(connection: t.Any, encoding: str) -> None:
    """Have the driver and the server exchange texts in an encoding."""
    if hasattr(connection, "set_client_encoding"):
        connection.set_client_encoding(encoding)
    else:
        connection.execute(f"SET client_encoding = '{encoding}'")


def execute(connection: t.Any, statement: str, parameters: Mapping[str, t.Any] | None = None) -> Result:
    """Run one or several statements, sent as one message.

    :arg statement: SQL; per cent signs are doubled only where parameters are given
    :arg parameters: values for ``%(name)s`` in the statement
    :returns: what the last of them returned
    :raises DatabaseError: one failed
    """
    try:
        with _cursor(connection) as cursor:
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
        lost = bool(connection.closed) or sqlstate is None or sqlstate.startswith(("08", "57P"))
        diagnostics = getattr(error, "diag", None)
        message = getattr(diagnostics, "message_primary", None) or " ".join(str(error).split())
        raise DatabaseError(message, sqlstate, lost) from error


def _cursor(connection: t.Any) -> t.Any:
    if driver.__name__ == "psycopg":
        return driver.ClientCursor(connection)
    return connection.cursor()
