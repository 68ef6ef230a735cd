# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""An archive straight from pg_restore into the database: with several jobs, or where psql is too old for a stream.

Several jobs are several transactions, of which none knows the others. What became of it is then asked of the
tables: whether all are there, and which hold rows.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._connect import (
    ConnectError,
    DatabaseError,
    Session,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore import notes
from ansible_collections.pgops.sequences.plugins.module_utils._restore.advice import Failure
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import RestoreError, named
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import Program
from ansible_collections.pgops.sequences.plugins.module_utils._restore.stream import LOCK

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ansible_collections.pgops.sequences.plugins.module_utils._connect import Target
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.archive import Archive

    Table = tuple[str, str]

# Seconds; PostgreSQL's timeouts are milliseconds in an int4.
NO_TIMEOUT = 2147483.0


def check_whole(program: str, path: str, environment: Mapping[str, str]) -> None:
    """Have pg_restore read an archive to its end: with several jobs, what a cut one brings would stay.

    :raises RestoreError: it cannot
    """
    reading = Program([program, f"--file={os.devnull}", "--", path], environment)
    if reading.finish() != 0:
        message = " ".join(list(reading.errors)[-3:]).replace("pg_restore: error: ", "")
        raise RestoreError(f"the dump {path} is damaged or cut off: {message.rstrip('.')}. Nothing was changed. Dump or copy it again")


def locked(session: Session) -> bool:
    """Take the database's restore lock, held until the session ends; returns whether nobody else has it."""
    settings = ["idle_in_transaction_session_timeout", "idle_session_timeout", "transaction_timeout"]
    known = {row["name"] for row in session.query("SELECT name FROM pg_settings WHERE name LIKE '%timeout'")}
    with session.transaction() as run:
        for name in known.intersection(settings):
            run(f"SET {name} = 0")
        return bool(run(f"SELECT pg_try_advisory_lock({LOCK}) AS had")[0]["had"])


def restore(
    arguments: Sequence[str], environment: Mapping[str, str], finished: Callable[[], None]
) -> tuple[bool, list[str]]:
    """Run pg_restore.

    :arg arguments: the program and its arguments, with ``--verbose``
    :arg finished: called for every table whose rows have come
    :returns: whether it ended without an error, and what it wrote
    """

    def watch(line: str) -> None:
        if re.match(r"pg_restore: finished item \d+ TABLE DATA ", line):
            finished()

    program = Program(list(arguments), environment, watch=watch)
    try:
        return program.finish() == 0, list(program.errors)
    finally:
        program.end()


def failure_of(lines: Sequence[str], archive: Archive) -> tuple[Failure, str]:
    """The first error that pg_restore wrote, and what it was restoring, in words."""
    by_number = {entry.number: entry for entry in archive.entries}
    kind, schema, where = "", "", ""
    message: list[str] = []
    for text in lines:
        # Parallel processes write into each other's lines.
        error = re.search(r"pg_restore: error: (.*)", text)
        found = re.search(r"pg_restore: from TOC entry (\d+);", text)
        if message and re.search(r"pg_restore: |Command was: ", text):
            break
        if error or message:
            message.append(error[1] if error else text)
        elif found and int(found[1]) in by_number:
            entry = by_number[int(found[1])]
            kind, (schema, name) = entry.kind, archive.names([entry])[0]
            where = f" at {kind} {name if schema == '-' else f'{schema}.{name}'}"
    text = " ".join(" ".join(message).split()) or "pg_restore was ended"
    return Failure("", re.sub(r"^could not execute query: ERROR: +", "", text), kind, schema), where


def begin(target: Target, database: str, emptying: Sequence[str], fingerprint: str, tables: Sequence[Table]) -> None:
    """Empty tables, and note that rows are about to come, so that a second run after a break does not load them twice.

    :raises DatabaseError: a table cannot be emptied; nothing was changed
    """
    with Session(target, database, 60.0, NO_TIMEOUT) as session, session.transaction() as run:
        for statement in emptying:
            run(statement)
        if tables:
            notes.note_tables(run, fingerprint, "begun", tables)


def check(target: Target, database: str, fingerprint: str, made: Sequence[Table], loaded: Sequence[Table]) -> tuple[list[Table], list[Table], int]:
    """Ask the server what is there after pg_restore, and note it.

    :arg made: relations that must be there
    :arg loaded: tables that rows were to be loaded into
    :returns: which of them are missing, which of those loaded hold rows, and how many were noted
    :raises ConnectError: the server does not answer
    """
    with Session(target, database, 60.0, NO_TIMEOUT) as session:
        there = {
            (row["schema"], row["name"])
            for row in session.query(
                "SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            )
        }
        missing = [table for table in dict.fromkeys([*made, *loaded]) if table not in there]
        holding = notes.holding_rows(session.query, [table for table in dict.fromkeys(loaded) if table in there])
        noted = 0
        if not missing:
            try:
                with session.transaction() as run:
                    noted = notes.note_tables(run, fingerprint, "rows", holding)
            except DatabaseError:
                noted = 0
    return missing, holding, noted


def left_behind(target: Target, database: str, loaded: Sequence[Table]) -> str:
    """Which tables hold rows after a restore with several jobs has failed, as a sentence without its full stop."""
    try:
        _missing, holding, _noted = check(target, database, "-", [("", "")], loaded)
    except (ConnectError, DatabaseError) as error:
        return f"With several jobs it is not rolled back, and what is there is not known: {error}"
    return f"With several jobs a failed restore is not rolled back; these of its tables hold rows: {named(holding) or 'none'}"
