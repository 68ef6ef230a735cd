# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What will be done, decided before anything is touched: the same in check mode and for real."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._restore import database, parallel
from ansible_collections.pgops.sequences.plugins.module_utils._restore.advice import Failure, advice
from ansible_collections.pgops.sequences.plugins.module_utils._restore.archive import (
    Archive,
    sequence_values,
    switches_of,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.dump import (
    check_directory,
    fingerprint,
    identify,
    open_text,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.filter import Filter
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import RestoreError
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import (
    Programs,
    find_programs,
    knows_restrict,
    leaks,
    version_of,
)

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.job import Job


def make(job: Job, check_mode: bool) -> None:
    """Look at the dump, the server and the programs, and fill in the job.

    :arg check_mode: whether to find out, too, what a real run would see on its way

    :raises RestoreError: the dump, or the server, cannot be used like that
    :raises ProgramError: the programs are missing or too old
    :raises ConnectError: the server cannot be reached
    """
    options, result = job.options, job.result
    job.dump = identify(t.cast(str, options.dump))
    result.format = job.dump.words
    result.dump_version, result.dump_server_version = job.dump.version("by pg_dump"), job.dump.version("from database")
    _refuse_options(job)
    exists, session = database.enter(job.target, options)
    result.database_exists = exists
    with session:
        job.server_version, job.role = session.version_number, session.role
        database.check_server(session, job.target, options, exists)
    _find_programs(job)
    job.progress.begin("reading the dump", job.dump.size)
    job.fingerprint = fingerprint(job.dump, options.scope, lambda block: _watch(job, block))
    job.progress.begin("checking")
    job.jobs = _jobs(job)
    job.direct = job.archive is not None and (job.jobs > 1 or not knows_restrict(job.programs.paths["psql"]))
    if job.archive is not None:
        _select(job, job.archive)
    if job.dump.kind == "directory":
        check_directory(job.dump, unpack=job.direct or check_mode)
    if job.archive is not None and (job.direct or check_mode):
        parallel.check_whole(job.programs.paths["pg_restore"], job.dump.path, job.client.environment)
    elif check_mode:
        _check_text(job)


def _check_text(job: Job) -> None:
    """Let a plain dump pass as it would on its way to psql."""
    leaky = not job.options.psql_commands and leaks(job.programs.version)
    cleaned = Filter(job.server_version, False, leaky)
    try:
        with contextlib.closing(open_text(job.dump.path, job.dump.compression)) as text:
            while block := text.read(1 << 20):
                cleaned.feed(block)
        cleaned.finish()
    except RestoreError as error:
        raise RestoreError(f"{job.dump.path}: {error}. Nothing was changed") from None


def _watch(job: Job, block: bytes) -> None:
    job.progress.done += len(block)
    if job.dump.plain:
        # For the progress alone: a plain dump does not say how many tables it has.
        job.tables_hinted += block.count(b"\n-- Data for Name: ")


def _refuse_options(job: Job) -> None:
    options = job.options
    if not job.dump.plain:
        if options.psql_commands:
            raise RestoreError("psql_commands is for plain dumps; an archive has no commands of psql")
        return
    options.check_for_psql()
    for name in ("tables", "data_only", "clean"):
        if getattr(options, name):
            raise RestoreError(
                f"{name} cannot be used with {job.dump.path}: it is a plain dump, which is restored as it is. "
                "Dump with pg_dump --format=custom to choose while restoring"
            )
    if options.exclude:
        # pg_dump has the same switches as pg_restore; for the others only an archive can be chosen from.
        switches = [switch for switch in switches_of(False, False, options.exclude) if switch]
        instead = f"dump with pg_dump {' '.join(switches)}, or " if len(switches) == len(options.exclude) else "dump "
        raise RestoreError(
            f"exclude cannot be used with {job.dump.path}: it is a plain dump, and nothing can be left out of SQL text for certain."
            f" To leave out {', '.join(options.exclude)}, {instead}with pg_dump --format=custom and keep this option"
        )


def _find_programs(job: Job) -> None:
    options = job.options

    def unfit(programs: Programs) -> str:
        if job.dump.plain:
            if options.psql_commands or knows_restrict(programs.paths["psql"]):
                return ""
            return (
                f"{programs.paths['psql']} {programs.words} does not know \\restrict, by which commands of psql in a dump are kept from"
                " running; psql of 18, 17.6, 16.10, 15.14, 14.19, 13.22 and newer does"
            )
        archive = Archive(
            job.dump.path, job.dump.kind, programs.paths["pg_restore"], job.client.environment, job.folder
        )
        try:
            archive.read([*switches_of(options.data_only, options.clean, options.exclude), *options.options])
        except RestoreError as error:
            if "unsupported version" in str(error):
                return f"{error} (by {programs.paths['pg_restore']} {programs.words}, which is older than the dump)"
            raise RestoreError(f"{error}. Nothing was changed. {advice(Failure('', str(error)), job.place)}") from None
        job.archive = archive
        return ""

    names = ["psql"] if job.dump.plain else ["psql", "pg_restore"]
    job.programs = find_programs(names, options.bin_dir, job.server_version // 10000, unfit)
    job.result.tool_version = job.programs.words


def _jobs(job: Job) -> int:
    wanted, reason, programs = job.options.jobs, "", job.programs
    if job.dump.kind not in ("custom", "directory"):
        reason = f"a {job.dump.kind} dump can be restored with one job only"
    elif job.server_version < 170000 <= programs.version[0] * 10000:
        # The first thing it sends to each session ends it there.
        reason = (
            f"pg_restore {programs.words} sets transaction_timeout, which the server does not know, and so can restore with one job"
            " only; to use several, install the programs of version 16 or older and name their folder in bin_dir"
        )
    if wanted > 1 and reason:
        job.warn(f"{reason}. jobs: {wanted} was not used")
        return 1
    return wanted


def _keep_sequences(job: Job, archive: Archive) -> None:
    """Sequences that the archive positions but does not make stand in the database, and are never to go back."""
    values = archive.of("SEQUENCE SET")
    made = {entry.text for entry in archive.of("SEQUENCE")}
    own = [entry for entry in values if entry.text not in made]
    job.positions = job.positions or sequence_values(archive, own)
    numbers = {entry.number for entry in own}
    archive.keep(lambda entry: entry.number not in numbers)


def _select(job: Job, archive: Archive) -> None:
    """Decide what of an archive is wanted."""
    options = job.options
    job.result.dump_version = archive.dump_version or None
    job.result.dump_server_version = archive.server_version or None
    if job.server_version >= 190000 and not archive.strings_are_standard:
        raise RestoreError(
            f"the dump {job.dump.path} comes from a database with standard_conforming_strings = off, whose texts PostgreSQL 19 does"
            " not know. Nothing was changed. Dump again with pg_dump 19, which writes them in the standard form"
        )
    archive.leave_out(options.exclude)
    if options.tables:
        # The restore leaves them out; where they are in the database, they are brought at least to where the dump has them.
        job.positions = sequence_values(archive, archive.of("SEQUENCE SET"))
        archive.select(options.tables, options.data_only)
        if not options.data_only:
            job.warn(
                "tables by name come as pg_restore --table brings them: without defaults, identities, indexes, constraints and triggers."
                " Their sequences then feed no column that could be judged; to keep what the tables have, use data_only: true"
            )
    _keep_sequences(job, archive)
    job.result.tables_total = len(archive.of("TABLE DATA"))
    if not archive.of("TABLE", "TABLE DATA", "FOREIGN TABLE"):
        job.warn_of_no_table(
            f"The dump {job.dump.path} holds no table" + ("" if archive.entries else ", nor anything else")
        )
    if version_of(archive.server_version)[0] > job.server_version // 10000:
        job.warn(
            f"the dump comes from PostgreSQL {archive.server_version}, newer than the server"
            f" ({job.server_version // 10000}): what the older one does not know will fail"
        )
