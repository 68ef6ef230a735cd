# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Sequences that stand in the database already: a restore into them never leaves one further back than it was.

``setval()`` in a dump moves a sequence backward as readily as forward, and no rollback undoes it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target

    Query = t.Callable[..., list[Row]]

_AT_ONCE = 200
_TRIES = 3

# undefined_table, invalid_schema_name
_NOT_THERE = ("42P01", "3F000")

_READABLE = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, s.seqincrement AS increment
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
"""

_ONE = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, s.seqincrement AS increment, s.seqcache AS cache
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE s.seqrelid = %(name)s::regclass
"""


class Position(t.NamedTuple):
    """Where a sequence stands.

    :ivar name: as for ``regclass``: quoted where it has to be
    """

    name: str
    increment: int
    last_value: int
    is_called: bool

    @property
    def next_value(self) -> int:
        """What ``nextval()`` would return."""
        return self.last_value + self.increment if self.is_called else self.last_value

    def behind(self, other: Position) -> bool:
        """Whether it stands behind another state, in the direction of counting."""
        return (other.next_value - self.next_value) * self.increment > 0


def _sql_name(row: Row) -> str:
    return f"{quote_identifier(row['schema'])}.{quote_identifier(row['name'])}"


def states(query: Query) -> dict[int, Position]:
    """The sequences that can be read, by their oid.

    :arg query: asks the database
    :raises DatabaseError: they cannot be read
    """
    rows = {row["oid"]: row for row in query(_READABLE)}
    found: dict[int, Position] = {}
    oids = list(rows)
    for place in range(0, len(oids), _AT_ONCE):
        part = oids[place : place + _AT_ONCE]
        selects = (f"SELECT {oid}::bigint AS oid, last_value, is_called FROM {_sql_name(rows[oid])}" for oid in part)
        for row in query(" UNION ALL ".join(selects)):
            of = rows[row["oid"]]
            found[row["oid"]] = Position(_sql_name(of), of["increment"], row["last_value"], row["is_called"])
    return found


def set_back(query: Query, before: dict[int, Position]) -> list[tuple[str, int, bool]]:
    """Name and earlier position of those sequences that stand further back than before; dropped ones do not count."""
    now = states(query) if before else {}
    return [
        (state.name, state.last_value, state.is_called)
        for oid, state in before.items()
        if oid in now and now[oid].increment == state.increment and now[oid].behind(state)
    ]


def advance(
    target: Target, database: str, positions: Iterable[tuple[str, int, bool]]
) -> tuple[int, list[str], list[str]]:
    """Move sequences forward, never backward, each under its own lock (docs/measured.md, Locks).

    :arg positions: for each its name as for ``regclass``, and ``last_value`` and ``is_called`` it is to have at least
    :returns: how many were moved, and for each that could not be the reason, with the statement that is left to do; and those that
        are not there
    """
    moved = 0
    left: list[str] = []
    missing: list[str] = []
    positions = list(positions)
    try:
        with Session(target, database) as session:
            for name, last_value, is_called in positions:
                try:
                    moved += _advance(session, name, last_value, is_called)
                except DatabaseError as error:
                    if error.sqlstate in _NOT_THERE:
                        missing.append(name)
                        continue
                    # Only if it is still behind: the statement may be run much later.
                    statement = (
                        f"{_setval(quoted(name), last_value, is_called)} FROM {name} WHERE last_value < {last_value}"
                    )
                    left.append(f"{name}: {error} (left to do: {statement};)")
    except ConnectError as error:
        left += [f"{name}: {error}" for name, _last, _called in positions]
    return moved, left, missing


def quoted(name: str) -> str:
    """A name for ``regclass`` as an SQL literal."""
    return "'" + name.replace("'", "''") + "'::regclass"


def _setval(regclass: str, last_value: int, is_called: bool) -> str:
    return f"SELECT pg_catalog.setval({regclass}, {last_value}, {str(is_called).lower()})"


def _advance(session: Session, name: str, last_value: int, is_called: bool) -> bool:
    for attempt in range(_TRIES):
        try:
            with session.transaction() as run:
                (row,) = run(_ONE, {"name": name})
                sequence = _sql_name(row)
                live = _state(row, run(f"SELECT last_value, is_called FROM {sequence}")[0])
                wanted = Position(name, row["increment"], last_value, is_called)
                if not live.behind(wanted):
                    return False
                # Waits for all who use it, and keeps all others waiting.
                run(f"ALTER SEQUENCE {sequence} CACHE {row['cache']}")
                live = _state(row, run(f"SELECT last_value, is_called FROM {sequence}")[0])
                if live.behind(wanted):
                    run(_setval(f"{row['oid']}::regclass", last_value, is_called))
                return live.behind(wanted)
        except DatabaseError as error:
            # 55P03: its lock could not be had.
            if error.sqlstate != "55P03" or attempt + 1 == _TRIES:
                raise
    return False


def _state(row: Row, position: Row) -> Position:
    return Position(_sql_name(row), row["increment"], position["last_value"], position["is_called"])
