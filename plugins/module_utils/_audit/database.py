# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A target and names in, databases that were entered out."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._audit.suspects import Suspects, suspects_of
from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import choose
from ansible_collections.pgops.sequences.plugins.module_utils._discover.databases import databases
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import SelectionError, names_something
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions, tried_twice
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._audit.options import AuditOptions
    from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import Choice
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target


class Entered(t.NamedTuple):
    """The inside of a database: what is read and moved through, and what was found to be looked at.

    :ivar name: the database's name
    :ivar options: the audit's
    :ivar sessions: connections to it
    :ivar choice: what it holds of the selection
    :ivar suspects: what sequences may feed that no column is known to draw from
    """

    name: str
    options: AuditOptions
    sessions: Sessions
    choice: Choice
    suspects: Suspects = Suspects()


class Database(t.NamedTuple):
    """A database that is asked for, and what is known of it so far.

    :ivar name: its name
    :ivar target: where and as whom to connect
    :ivar options: the audit's
    :ivar error: why it could not be entered or read, or None
    :ivar server_version: such as ``16.4``; None before it was entered
    :ivar in_recovery: whether the server is a hot standby; None before it was entered
    :ivar server: which server that is, for results (docs/rules.md, section 3); None before it was entered
    :ivar read_only: whether its transactions are read-only unless they say otherwise
    :ivar entered: its inside; None before it was entered, or where it could not be
    """

    name: str
    target: Target
    options: AuditOptions
    error: str | None = None
    server_version: str | None = None
    in_recovery: bool | None = None
    server: Mapping[str, str | int | bool | None] | None = None
    read_only: bool = False
    entered: Entered | None = None


def enter(database: Database, session: Session | None = None) -> Database:
    """Connect and find what is selected, unless that was done.

    :arg session: an open session with this database, to be used instead of a new one
    :returns: the database, entered or with the error that kept us out
    :raises SelectionError: an entry of ``columns`` fits more than one object
    """
    name, target, options = database.name, database.target, database.options
    if database.entered or database.error:
        return database
    try:
        sessions = Sessions(lambda: Session(target, name, options.lock_timeout, options.statement_timeout), session)
    except ConnectError as error:
        return database._replace(error=str(error))
    first = sessions.first
    database = database._replace(
        server_version=first.version,
        in_recovery=first.in_recovery,
        server=_server_of(target, first),
        read_only=first.read_only,
    )
    try:
        choice = tried_twice(lambda: choose(first, options.selection))
        suspects = tried_twice(lambda: suspects_of(sessions, options.selection, choice))
    except DatabaseError as error:
        sessions.close()
        return database._replace(error=f'database "{name}" could not be read: {error}')
    return database._replace(entered=Entered(name, options, sessions, choice, suspects))


def _server_of(target: Target, session: Session) -> dict[str, str | int | bool | None]:
    return {
        "address": str(target.parameters.get("host") or ""),
        "port": _port_of(target, session),
        "in_recovery": session.in_recovery,
        "system_identifier": session.system_identifier,
    }


def _port_of(target: Target, session: Session) -> int:
    """The port; where several servers are named, each with its own, that of the one that answered (manual, 32.1.1.3)."""
    ports = {port.strip() or "5432" for port in str(target.parameters.get("port") or 5432).split(",")}
    return int(ports.pop()) if len(ports) == 1 else session.port


def leave(database: Database) -> None:
    """End its sessions; they come back by themselves when needed again."""
    if database.entered:
        database.entered.sessions.close()


def enter_all(target: Target, login_database: str, patterns: list[str] | None, options: AuditOptions) -> list[Database]:
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
            names = databases(session, patterns)
        except DatabaseError as error:
            session.close()
            raise ConnectError(f"cannot list the databases at {target.address}: {error}") from error
    if login_database not in names:
        session.close()
    # The most connections that a task has open at a time, whatever the number of databases (contract, section 3).
    options = options._replace(jobs=options.jobs // max(1, min(options.jobs, len(names))))
    named, several = names_something(options.selection), len(names) > 1
    found = [Database(name, target, options) for name in names]
    if login_database in names:
        place = names.index(login_database)
        found[place] = enter(found[place], session)
        refused = found[place].error
        if refused:
            raise ConnectError(refused)
        if several:
            leave(found[place])
    if named and several:
        for place, database in enumerate(found):
            found[place] = enter(database)
            leave(found[place])
    if named:
        _refuse_unmatched(found)
    return found


def _refuse_unmatched(found: list[Database]) -> None:
    unmatched = [database.entered.choice.unmatched for database in found if database.entered]
    if not found or len(unmatched) < len(found):
        return
    nowhere = frozenset.intersection(*unmatched)
    if nowhere:
        where = ", ".join(f'"{database.name}"' for database in found[:5]) + (", ..." if len(found) > 5 else "")
        names = "; ".join(f'{option}: "{name}"' for option, name in sorted(nowhere))
        raise SelectionError(f"{names} matches nothing in {where}. Names are case-sensitive. Nothing was changed")
