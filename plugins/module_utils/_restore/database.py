# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The database to restore into: is it there, can it be made, and what of its own does the dump bring?"""

from __future__ import annotations

import re
import time
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier, quote_literal
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import Options, RestoreError
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import run

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import Client


def enter(target: Target, options: Options) -> tuple[bool, Session]:
    """A session with the database, or, where that does not exist, with the one to connect to first.

    :returns: whether the database exists, and the session
    :raises RestoreError: it does not exist and is not to be made
    :raises ConnectError: neither can be entered
    """
    try:
        return True, Session(target, options.database)
    except ConnectError as error:
        if options.login_db == options.database:
            raise
        try:
            session = Session(target, options.login_db)
        except ConnectError:
            raise error from None
        if session.query("SELECT 1 AS found FROM pg_database WHERE datname = %(name)s", {"name": options.database}):
            session.close()
            raise
    if not options.create:
        session.close()
        raise RestoreError(
            f'there is no database "{options.database}" at {target.address}. Nothing was changed. Set create: true to have'
            f" it created, or run: CREATE DATABASE {quote_identifier(options.database)} TEMPLATE template0;"
        )
    return False, session


def check_server(session: Session, target: Target, options: Options, exists: bool) -> None:
    """Refuse what the server says cannot work.

    :raises RestoreError: a standby, a read-only role, or a missing right to create the database
    """
    where = f"the server at {target.address}"
    if session.in_recovery:
        raise RestoreError(f"{where} is a standby, which takes no changes. Nothing was changed. Restore on its primary")
    if session.read_only:
        raise RestoreError(
            f'{where} opens transactions of "{session.role}" read-only (default_transaction_read_only). Nothing was changed.'
            " To restore all the same, add to connect_params: {options: '-c default_transaction_read_only=off'}"
        )
    role = session.query("SELECT rolsuper OR rolcreatedb AS may FROM pg_roles WHERE rolname = current_user")
    if not exists and not (role and role[0]["may"]):
        raise RestoreError(
            f'"{session.role}" may not create the database "{options.database}" at {target.address}. Nothing was changed.'
            f" Run: ALTER ROLE {quote_identifier(session.role)} CREATEDB;"
        )


class Maker:
    """Makes the database, and removes it again."""

    def __init__(self, target: Target, options: Options, client: Client, psql: str) -> None:
        """Prepare.

        :arg client: how psql learns where to connect
        :arg psql: path of the program
        """
        self._target = target
        self._options = options
        self._client = client
        self._program = psql

    def create(self, server_version: int) -> None:
        """Make it, as the options say, otherwise as the server does by default.

        :arg server_version: ``server_version_num``
        :raises RestoreError: the server does not
        """
        options = self._options
        # template0: what an administrator added to template1 is in the dump already (manual, pg_dump, Notes).
        clauses = [f"TEMPLATE {quote_identifier(options.template or 'template0')}"]
        clauses += [f"OWNER {quote_identifier(options.owner)}"] if options.owner else []
        clauses += [f"ENCODING {quote_literal(options.encoding)}"] if options.encoding else []
        if options.locale:
            names = ("LOCALE",) if server_version >= 130000 else ("LC_COLLATE", "LC_CTYPE")
            clauses += [f"{name} {quote_literal(options.locale)}" for name in names]
        self._psql(f"CREATE DATABASE {quote_identifier(options.database)} {' '.join(clauses)}")

    def drop(self, only_empty: bool) -> bool:
        """Remove the database this run created; returns whether that is done.

        :arg only_empty: whether to leave it where it holds a table: somebody else's restore may have begun
        """
        try:
            with Session(self._target, self._options.database) as session:
                held = session.query(
                    "SELECT count(*) AS number FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384"
                )
            if only_empty and held[0]["number"]:
                return False
        except (ConnectError, DatabaseError):
            return False
        for attempt in range(5):
            try:
                self._psql(f"DROP DATABASE {quote_identifier(self._options.database)}")
                return True
            except RestoreError as error:
                if "being accessed" not in str(error):
                    return False
                # Sessions of a program that was ended take a moment to go.
                time.sleep(0.2 * 2**attempt)
        return False

    def _psql(self, statement: str) -> None:
        role = self._target.session_role
        commands = ([f"SET ROLE {quote_identifier(role)}"] if role else []) + [statement]
        done = run(
            [self._program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "--no-password"]
            + [f"--dbname={self._client.dsn(self._options.login_db)}"]
            + [part for command in commands for part in ("-c", command)],
            {**self._client.environment, "PGCLIENTENCODING": "UTF8"},
        )
        if done.code != 0:
            raise RestoreError(f"{statement} failed at {self._target.address}: {done.errors}. Nothing was changed")


def carry_over(target: Target, database: str, source: str, statements: list[str]) -> list[str]:
    """Give a new database the settings, comment and rights that the dump has of its source.

    :arg source: the source database's name, as quoted in SQL
    :arg statements: as they were for that name
    :returns: those that failed, each for the new name, with the reason
    """
    failed = []
    name = re.compile(rf" DATABASE {re.escape(source)}(?=[ ;])")
    for statement in statements:
        renamed = name.sub(lambda _found: f" DATABASE {quote_identifier(database)}", statement, count=1)
        try:
            with Session(target, database) as session, session.transaction() as run:
                run(renamed)
        except (ConnectError, DatabaseError) as error:
            failed.append(f"{renamed} ({error})")
    return failed
