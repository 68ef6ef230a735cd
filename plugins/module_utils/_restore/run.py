# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A dump into a database, with PostgreSQL's own programs: whole or not at all, and only once.

The way of a run: look at the dump, the server and the programs (plan), decide under a lock what is left to do (decide),
restore (transaction, or parallel), ask the server what became of it (evidence), say it (advice).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import secrets
import signal
import tempfile
import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import OptionError, check_values
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import DRIVER_IMPORT_ERROR, driver
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import target_of
from ansible_collections.pgops.sequences.plugins.module_utils._restore import (
    after,
    database,
    evidence,
    parallel,
    plan,
    transaction,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.advice import Failure, Place, advice
from ansible_collections.pgops.sequences.plugins.module_utils._restore.archive import database_properties
from ansible_collections.pgops.sequences.plugins.module_utils._restore.job import Job
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import (
    Options,
    RestoreError,
    RestoreResult,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import Client, ProgramError
from ansible_collections.pgops.sequences.plugins.module_utils._restore.progress import Progress

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_SHOWN = 10


def _end(number: int, _frame: object) -> t.NoReturn:
    # As an exception: files with passwords are removed, and programs ended.
    raise SystemExit(128 + number)


def run_restore(module: AnsibleModule) -> None:
    """Restore, or find nothing to do, and exit."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    result = RestoreResult(database=module.params["database"])
    try:
        options = Options.of(module.params)
        check_values(module.params)
        if driver is None:
            module.fail_json(msg=missing_required_lib("psycopg2"), exception=DRIVER_IMPORT_ERROR)
        target = target_of(module.params)
        hide = functools.partial(remove_values, no_log_strings=module.no_log_values)
        # Ansible's own folder for this would be made with a warning where the user never had one.
        with (
            tempfile.TemporaryDirectory(prefix="pgops-") as folder,
            Progress(module.params["progress_file"], hide) as progress,
        ):
            client = Client(target, folder, f"pgops.sequences {secrets.token_hex(6)}")
            job = Job(options, target, client, folder, progress, module.warn, result)
            try:
                _run_command(job, module.check_mode) if options.command is not None else _run(job, module.check_mode)
            finally:
                result.seconds = round(progress.seconds, 1)
    except (ConnectError, OptionError, ProgramError, RestoreError) as error:
        kept = "" if result.outcome or "Nothing was changed" in str(error) else ". Nothing was changed"
        limit = "too many" in str(error) and isinstance(error, ConnectError)
        helps = f". {advice(Failure('', str(error)), Place(True, '', '', ''))}" if limit else ""
        module.fail_json(msg=f"{error}{kept}{helps}", **dataclasses.asdict(result))
    except DatabaseError as error:
        where = f'database "{module.params["database"]}"'
        module.fail_json(msg=f"the restore into {where} could not be prepared: {error}", **dataclasses.asdict(result))
    module.exit_json(**dataclasses.asdict(result))


def _run(job: Job, check_mode: bool) -> None:
    """Restore a dump, or find that nothing is to be done.

    :raises RestoreError: the options, the dump, the surroundings or the restore itself
    :raises ProgramError: the programs
    :raises ConnectError: the server
    """
    plan.make(job, check_mode)
    result = job.result
    exists = bool(result.database_exists)
    if check_mode:
        _foretell(job, exists)
        return
    maker = database.Maker(job.target, job.options, job.client, job.programs.paths["psql"])
    if not exists:
        maker.create(job.server_version)
        result.changed = result.created = result.database_exists = True
    try:
        done = parallel.restore(job) if job.direct else transaction.restore(job)
    except (ConnectError, DatabaseError, RestoreError) as error:
        if exists or result.outcome == evidence.UNKNOWN:
            raise
        _take_back(job, maker, error)
    if done:
        _finish(job, done)
    else:
        # An earlier run may have ended before it came to them.
        job.advance(job.positions, "could not be moved to where the dump has them")


def _foretell(job: Job, exists: bool) -> None:
    result = job.result
    if exists:
        with Session(job.target, job.options.database) as session:
            if job.nothing_left(session.query):
                return
            job.compare(session.query)
    result.changed, result.created, result.outcome = True, not exists, "foretold"
    tables = "" if result.tables_total is None else f" (rows of {result.tables_total} tables)"
    first = "" if exists else "The database would be created. "
    job.say(f"{first}The dump {job.dump.path}{tables} would be restored {job.into}.")


def _take_back(job: Job, maker: database.Maker, error: Exception) -> t.NoReturn:
    words = "still there, and the next run will use it"
    if maker.drop(only_empty=not job.direct):
        # The same task can then be run again.
        words = "dropped again"
        job.result.changed = job.result.created = job.result.database_exists = False
        job.result.outcome = job.result.outcome and evidence.ROLLED_BACK
    raise RestoreError(f"{str(error).rstrip('.')}. The database that was created for this is {words}") from error


def _finish(job: Job, done: str) -> None:
    """What follows a restore: sequences, the database's own settings, statistics, and the words of the result.

    :arg done: what was restored, in words
    """
    options, result, archive = job.options, job.result, job.archive
    job.advance(job.positions, "could not be moved to where the dump has them")
    if result.created and archive is not None:
        source, statements = database_properties(archive, options.exclude)
        failed = database.carry_over(job.target, options.database, source, statements)
        if failed:
            job.warn(f"settings of the source database were not carried over: {'; '.join(failed[:_SHOWN])}")
    seconds = job.progress.seconds
    speed = f" ({result.rows / seconds:,.0f} rows a second)" if result.rows and seconds >= 1 else ""
    made = "The database was created. " if result.created else ""
    job.say(f"{made}Restored {job.dump.path} {job.into} in {seconds:.1f} s{speed}: {done}.")
    if options.analyze:
        only = set(archive.names(archive.of("TABLE DATA"))) if options.tables and archive is not None else None
        problem = after.analyze(job.target, options.database, options.jobs, only, job.progress)
        if problem:
            job.warn(problem)


def _run_command(job: Job, check_mode: bool) -> None:
    result, options = job.result, job.options
    result.changed = True
    if check_mode:
        with contextlib.suppress(ConnectError):
            Session(job.target, options.database).close()
            result.database_exists = True
        result.outcome, result.message = "foretold", "The restore command would be run; what it does is not known."
        return
    # From here on "Nothing was changed" would be a guess.
    result.outcome = evidence.UNKNOWN
    after.run_command(t.cast(str, options.command), job.target, options.login_db, job.progress)
    result.restored = result.database_exists = True
    result.outcome = evidence.RESTORED
    result.message = f"The restore command has run, and the server at {job.target.address} answers."
