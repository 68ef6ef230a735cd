# Copyright (c) 2026, pgops contributors
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

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session
from ansible_collections.pgops.sequences.plugins.module_utils._restore import decide, notes
from ansible_collections.pgops.sequences.plugins.module_utils._restore.advice import Failure, advice
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import RestoreError, counted, named
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import Program
from ansible_collections.pgops.sequences.plugins.module_utils._restore.progress import Watcher
from ansible_collections.pgops.sequences.plugins.module_utils._restore.stream import LOCK

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.archive import Archive
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.job import Job

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
        raise RestoreError(
            f"the dump {path} is damaged or cut off: {message.rstrip('.')}. Nothing was changed. Dump or copy it again"
        )


def locked(session: Session) -> bool:
    """Take the database's restore lock, held until the session ends; returns whether nobody else has it."""
    settings = ["idle_in_transaction_session_timeout", "idle_session_timeout", "transaction_timeout"]
    known = {row["name"] for row in session.query("SELECT name FROM pg_settings WHERE name LIKE '%timeout'")}
    with session.transaction() as run:
        for name in known.intersection(settings):
            run(f"SET {name} = 0")
        return bool(run(f"SELECT pg_try_advisory_lock({LOCK}) AS had")[0]["had"])


def restore(job: Job) -> str:
    """Let pg_restore restore by itself.

    :returns: what was restored, in words; empty where nothing was to be done
    :raises RestoreError: it failed, or something is in the way
    """
    options, archive, result = job.options, t.cast("Archive", job.archive), job.result
    with Session(job.target, options.database) as lock:
        if not locked(lock):
            decide.refuse_second(lock.query, options.database)
        if job.nothing_left(lock.query):
            return ""
        emptying = job.compare(lock.query)
        loaded = archive.names(archive.of("TABLE DATA"))
        if options.data_only and not options.clean:
            _refuse_rows(lock, loaded)
        begin(job.target, options.database, emptying, job.fingerprint, loaded if options.data_only else [])
        result.changed, result.outcome = True, "partly"
        done, lines = _run(job, len(loaded))
        if not done:
            raise _failure(job, archive, lines, loaded)
        makes = [] if options.data_only else archive.names(archive.of("TABLE", "SEQUENCE"))
        missing, holding, noted = check(job.target, options.database, job.fingerprint, makes, loaded)
    if missing:
        raise RestoreError(
            f"pg_restore ended without an error, but {len(missing)} of the tables of {job.dump.path} are not in database"
            f' "{options.database}": {named(missing)}. What is there stays. See the server\'s log, and restore with clean: true'
        )
    result.outcome, result.restored = "restored", True
    if noted < len(holding):
        job.warn_not_noted(len(holding) - noted)
    return (
        f"{counted(len(holding), 'table')} with rows. There is no one transaction that the server could be asked about; afterwards all"
        f" {len(set(makes) | set(loaded))} tables and sequences are there"
    )


def _refuse_rows(session: Session, tables: Sequence[Table]) -> None:
    """Rows of a load that fails could not be told from those that were there."""
    there = {
        (row["schema"], row["name"])
        for row in session.query(
            "SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        )
    }
    holding = notes.holding_rows(session.query, set(tables) & there)
    if holding:
        raise RestoreError(
            f"with several jobs rows alone are loaded into empty tables only, and these hold rows: {named(holding)}. Nothing was changed."
            " Use jobs: 1, where a load that fails leaves nothing behind"
        )


def _run(job: Job, tables: int) -> tuple[bool, list[str]]:
    """Run pg_restore; returns whether it ended without an error, and what it wrote."""
    how = [f"--jobs={job.jobs}", "--exit-on-error"] if job.jobs > 1 else ["--single-transaction"]
    role = [f"--role={job.target.session_role}"] if job.target.session_role else []
    where = f"--dbname={job.client.dsn(job.options.database)}"
    with Watcher(job.target, job.options.database, job.client.application_name, job.progress) as watcher:
        watcher.follow(None, tables)

        def watch(line: str) -> None:
            if re.match(r"pg_restore: finished item \d+ TABLE DATA ", line):
                watcher.one_more()

        program = Program(
            job.pg_restore("--verbose", "--no-password", *how, *role, where), job.client.environment, watch=watch
        )
        try:
            return program.finish() == 0, list(program.errors)
        finally:
            program.end()


def _failure(job: Job, archive: Archive, lines: Sequence[str], loaded: Sequence[Table]) -> RestoreError:
    failure, where = failure_of(lines, archive)
    if job.result.created:
        left = "With several jobs it is not rolled back"
    elif job.jobs > 1:
        left = (
            f"{left_behind(job.target, job.options.database, loaded)}. Restore it with clean: true, which replaces what is there."
            " With jobs: 1 a failed restore leaves nothing behind"
        )
    else:
        job.result.outcome = "unknown"
        left = (
            "pg_restore was to make one transaction of it, which is rolled back where it fails; with a psql that knows \\restrict the server"
            " could be asked whether it was"
        )
    return RestoreError(f"{job.what} failed{where}: {failure.message}. {left}. {advice(failure, job.place)}")


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


def check(
    target: Target, database: str, fingerprint: str, made: Sequence[Table], loaded: Sequence[Table]
) -> tuple[list[Table], list[Table], int]:
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
                    noted = notes.note_tables(run, fingerprint, "filled", holding)
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
