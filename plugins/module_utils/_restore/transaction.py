# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The restore in one transaction, and what is said of it: the server is asked what became of it."""

from __future__ import annotations

import contextlib
import functools
import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session
from ansible_collections.pgops.sequences.plugins.module_utils._restore import decide, evidence, sequences
from ansible_collections.pgops.sequences.plugins.module_utils._restore.advice import Failure, advice
from ansible_collections.pgops.sequences.plugins.module_utils._restore.dump import BROKEN, Dump, line_of, open_text
from ansible_collections.pgops.sequences.plugins.module_utils._restore.filter import Filter
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import RestoreError, counted
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import knows_restrict, leaks, text_of
from ansible_collections.pgops.sequences.plugins.module_utils._restore.progress import Watcher
from ansible_collections.pgops.sequences.plugins.module_utils._restore.stream import Source, Stream, script_folder

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.job import Job


def restore(job: Job) -> str:
    """Restore in one transaction.

    :returns: what was restored, in words; empty where nothing was to be done
    :raises RestoreError: it failed, or something is in the way
    """
    options, dump, result = job.options, job.dump, job.result
    psql = job.programs.paths["psql"]
    restricted = knows_restrict(psql) and not options.psql_commands
    stream = Stream(
        psql,
        functools.partial(job.client.dsn, options.database),
        job.client.environment,
        job.target.session_role,
        job.server_version,
        restricted,
        options.options if dump.plain else (),
        script_folder(dump) if dump.plain else None,
    )
    said = stream.transcript
    try:
        if said.head is None:
            stream.end()
            raise _failure(job, stream, "Nothing was changed")
        job.client.forget()
        with Session(job.target, options.database) as session:
            if said.head.values[0] != "t":
                decide.refuse_second(session.query, options.database)
            if job.nothing_left(session.query):
                return ""
            emptying = job.compare(session.query)
            before = sequences.states(session.query) if dump.plain else {}
        cleaned = Filter(job.server_version, not dump.plain, restricted and leaks(job.programs.version))
        source = Source(dump, job.pg_restore("--single-transaction", "--file=-"), job.client.environment)
        with Watcher(job.target, options.database, job.client.application_name, job.progress) as watcher:
            watcher.follow(stream.headings, result.tables_total or job.tables_hinted or None)
            stream.send(source, cleaned, emptying, job.fingerprint if job.can_note else None)
    finally:
        stream.stop()
    found = evidence.of_transaction(job.target, options.database, said)
    result.outcome, result.transaction = found.outcome, said.head.transaction
    _make_good(job, before)
    if found.outcome != evidence.RESTORED or said.tail is None:
        result.changed = result.changed or found.outcome == evidence.UNKNOWN
        raise _failure(job, stream, found.words)
    return _restored(job, said.tail.values, found.words)


def _restored(job: Job, values: tuple[str, ...], words: str) -> str:
    loaded, rows, made, counts, noted = values
    job.result.changed = job.result.restored = True
    if counts != "on":
        # The server does not count rows.
        return words
    job.result.rows = int(rows)
    if job.archive is None:
        job.result.tables_total = int(loaded)
    if not int(loaded) and not int(made):
        job.warn_of_no_table(f"The dump {job.dump.path} made no table and loaded no row")
    elif int(noted) < int(loaded):
        job.warn_not_noted(int(loaded) - int(noted))
    if not int(loaded):
        return f"{counted(int(made), 'table')} made, no rows; {words}"
    return f"{counted(int(loaded), 'table')} with {counted(int(rows), 'row')}; {words}"


def _make_good(job: Job, before: dict[int, sequences.Position]) -> None:
    """Sequences that a script set back are moved to where they were: no rollback does that."""
    try:
        with Session(job.target, job.options.database) as session:
            positions = sequences.set_back(session.query, before)
    except (ConnectError, DatabaseError) as error:
        if before:
            job.warn(f"whether the dump set sequences back that were there before could not be looked at: {error}")
        return
    job.advance(positions, "that the dump set back could not be moved to where they were")
    if positions:
        names = ", ".join(name for name, _last, _called in positions[:10])
        job.warn(
            f"the script set {counted(len(positions), 'sequence')} back that stood further: {names}. They are where they were again, but what drew"
            " from them meanwhile got values a second time. An archive (pg_dump --format=custom) with data_only: true never does that"
        )


def _failure(job: Job, stream: Stream, words: str) -> RestoreError:
    """What went wrong, where, what is known of what was left, and what to do.

    :arg words: what is known
    """
    said, dump = stream.transcript, job.dump
    failure, where = evidence.failure_of(said, stream.headings), ""
    line = said.error_line
    heading = stream.headings.before(line) if line else None
    if said.broken is not None:
        failure = Failure("", said.broken)
    elif failure.kind == "END":
        where = " at its end"
    elif line:
        where = (f" at {heading.words}" if heading else "") + (f" (line {line})" if dump.plain else "")
        failure = failure._replace(statement=line_of(dump, line) if dump.plain else "")
        if "backslash commands" in failure.message:
            command = re.search(r"\\\S+( \S+)?", failure.statement)
            there = command[0] if command else failure.statement[:80]
            failure = failure._replace(message=f"{failure.message} (there: {there})")
    elif said.head is not None and not stream.headings.offset:
        where = " while its tables were emptied"
    if said.elsewhere:
        words = f"{words}. The script left the target (psql: {said.elsewhere.rstrip('.')})"
    tables: tuple[str, ...] = ()
    if dump.plain and failure.sqlstate == "23505" and failure.table:
        found = _tables_of(dump)
        tables = found if failure.table in found else (failure.table,)
    helps = advice(failure, job.place._replace(tables=tables))
    return RestoreError(f"{job.what} failed{where}: {failure.message}. {words}. {helps}")


_ROWS = re.compile(
    rb"^-- Data for Name: (.+); Type: TABLE DATA; Schema: (.+); Owner: .*\n--\n\n(?:COPY|INSERT INTO) ", re.MULTILINE
)


def _tables_of(dump: Dump) -> tuple[str, ...]:
    """Tables that a plain dump's text says have rows, quoted: a hint for advice."""
    found: list[tuple[bytes, ...]] = []
    rest = b""
    text = open_text(dump.path, dump.compression)
    with contextlib.suppress(*BROKEN):
        while block := text.read(1 << 20):
            block = rest + block
            found += _ROWS.findall(block)
            rest = block[-4096:]
    text.close()
    names = [(text_of(schema), text_of(name)) for name, schema in dict.fromkeys(found)]
    return tuple(f"{quote_identifier(schema)}.{quote_identifier(name)}" for schema, name in names)
