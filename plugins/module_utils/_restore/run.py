# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A dump into a database, with PostgreSQL's own programs: whole or not at all, and only once.

The way of a run: look at the dump (dump, archive), enter the database (database), decide what is left to do (notes),
restore (stream, or parallel), ask the server what became of it (evidence), say it (advice).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import secrets
import tempfile
import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.pgops.sequences.plugins.module_utils import _connect
from ansible_collections.pgops.sequences.plugins.module_utils._arguments import OptionError, check_values
from ansible_collections.pgops.sequences.plugins.module_utils._connect import (
    ConnectError,
    DatabaseError,
    Session,
    quote_identifier,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore import (
    after,
    database,
    decide,
    evidence,
    parallel,
    sequences,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.advice import Failure, Place, advice
from ansible_collections.pgops.sequences.plugins.module_utils._restore.archive import Archive, switches_of
from ansible_collections.pgops.sequences.plugins.module_utils._restore.dump import (
    BROKEN,
    Dump,
    check_directory,
    fingerprint,
    identify,
    line_of,
    open_text,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.filter import Filter, Headings
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import (
    Options,
    RestoreError,
    Result,
    counted,
    named,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import (
    Client,
    ProgramError,
    Programs,
    find_programs,
    knows_restrict,
    leaks,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.progress import Progress, Watcher
from ansible_collections.pgops.sequences.plugins.module_utils._restore.stream import Source, Stream, script_folder

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.pgops.sequences.plugins.module_utils._connect import Row, Target

    Query = t.Callable[..., list[Row]]
    Table = tuple[str, str]

_SHOWN = 10

def run_restore(module: AnsibleModule) -> None:
    """Restore, or find nothing to do, and exit."""
    result = Result(database=module.params["database"])
    try:
        options = Options.of(module.params)
        check_values(module.params)
        if _connect.driver is None:
            module.fail_json(msg=missing_required_lib("psycopg2"), exception=_connect.DRIVER_IMPORT_ERROR)
        target = _connect.target_of(module.params)
        hide = functools.partial(remove_values, no_log_strings=module.no_log_values)
        # Ansible's own folder for this would be made with a warning where the user never had one.
        with tempfile.TemporaryDirectory(prefix="pgops-") as folder:
            with Progress(module.params["progress_file"], hide) as progress:
                try:
                    Restore(options, target, folder, progress, module.warn, result, module.check_mode).run()
                finally:
                    result.seconds = round(progress.seconds, 1)
    except (ConnectError, OptionError, ProgramError, RestoreError) as problem:
        error: Exception = problem
        helps = advice(Failure("", str(error)), Place(True, "", "", "")) if "too many" in str(error) else ""
        error = RestoreError(f"{error}. {helps}") if helps and helps not in str(error) else error
        kept = "" if result.outcome or "Nothing was changed" in str(error) else ". Nothing was changed"
        module.fail_json(msg=f"{error}{kept}", **dataclasses.asdict(result))
    except DatabaseError as error:
        where = f'database "{module.params["database"]}"'
        module.fail_json(msg=f"the restore into {where} could not be prepared: {error}", **dataclasses.asdict(result))
    module.exit_json(**dataclasses.asdict(result))


class Restore:
    """One run of the module."""

    def __init__(
        self,
        options: Options,
        target: Target,
        folder: str,
        progress: Progress,
        warn: t.Callable[[str], None],
        result: Result,
        check_mode: bool,
    ) -> None:
        """Prepare; nothing is connected to yet.

        :arg options: what was asked for
        :arg target: where and as whom
        :arg folder: one that nobody else can enter
        :arg progress: told how far the run is
        :arg warn: called with what the operator should know
        :arg result: filled in on the way
        :arg check_mode: whether to stop before anything is touched
        """
        self.result = result
        self._options = options
        self._target = target
        self._folder = folder
        self._progress = progress
        self._warn = warn
        self._check_mode = check_mode
        self._client = Client(target, folder, f"pgops.sequences {secrets.token_hex(6)}")
        self._into = f'into database "{options.database}" at {target.address}'
        self._dump = Dump("", "", "", 0)
        self._archive: Archive | None = None
        self._fingerprint = ""
        self._role = ""
        self._server_version = 0
        self._can_note = True
        self._no_table = ""
        self._tables_hinted = 0
        # Positions of sequences that the dump has and that are not to be set as it would.
        self._positions: list[tuple[str, int, bool]] = []

    def run(self) -> None:
        """Restore, or find that nothing is to be done.

        :raises RestoreError: the options, the dump, the surroundings or the restore itself
        :raises ProgramError: the programs
        :raises ConnectError: the server
        """
        options = self._options
        if options.command is not None:
            self._run_command(options.command)
            return
        self._dump = identify(t.cast(str, options.dump))
        self.result.format = self._dump.words
        self.result.dump_version = self._dump.version("by pg_dump")
        self.result.dump_server_version = self._dump.version("from database")
        self._refuse_for_plain()
        exists, session = database.enter(self._target, options)
        self.result.database_exists = exists
        with session:
            self._server_version, self._role = session.version_number, session.role
            database.check_server(session, self._target, options, exists)
        programs = self._find_programs()
        self._progress.begin("reading the dump", self._dump.size)
        self._fingerprint = fingerprint(self._dump, options.scope, self._watch_reading)
        self._progress.begin("checking")
        jobs = self._jobs(programs)
        direct = self._archive is not None and (jobs > 1 or not knows_restrict(programs.paths["psql"]))
        self._select()
        if direct:
            parallel.check_whole(programs.paths["pg_restore"], self._dump.path, self._client.environment)
            if self._dump.kind == "directory":
                check_directory(self._dump)
        if self._check_mode:
            self._foretell(exists)
            return
        maker = database.Maker(self._target, options, self._client, programs.paths["psql"])
        if not exists:
            maker.create(self._server_version)
            self.result.changed = self.result.created = self.result.database_exists = True
        try:
            done = self._direct(programs, jobs) if direct else self._stream(programs)
        except (ConnectError, DatabaseError, RestoreError) as error:
            if exists:
                raise
            self._take_back(maker, error)
        if done:
            self._finish(done)

    def _take_back(self, maker: database.Maker, error: Exception) -> t.NoReturn:
        if self.result.outcome == evidence.UNKNOWN:
            raise error
        words = "still there, and the next run will use it"
        if maker.drop():
            # The same task can then be run again.
            words = "dropped again"
            self.result.changed = self.result.created = self.result.database_exists = False
        raise RestoreError(f"{str(error).rstrip('.')}. The database that was created for this is {words}") from error

    def _watch_reading(self, block: bytes) -> None:
        self._progress.done += len(block)
        if self._dump.plain:
            # For the progress alone: a plain dump does not say how many tables it has.
            self._tables_hinted += block.count(b"\n-- Data for Name: ")

    def _refuse_for_plain(self) -> None:
        options = self._options
        if not self._dump.plain:
            if options.psql_commands:
                raise RestoreError("psql_commands is for plain dumps; an archive has no commands of psql")
            return
        for name in ("tables", "data_only", "clean"):
            if getattr(options, name):
                raise RestoreError(
                    f"{name} cannot be used with {self._dump.path}: it is a plain dump, which is restored as it is. "
                    "Dump with pg_dump --format=custom to choose while restoring"
                )
        if options.exclude:
            # pg_dump has the same switches as pg_restore; for the others only an archive can be chosen from.
            switches = [switch for switch in switches_of(False, False, options.exclude) if switch]
            instead = f"dump with pg_dump {' '.join(switches)}, or " if len(switches) == len(options.exclude) else "dump "
            raise RestoreError(
                f"exclude cannot be used with {self._dump.path}: it is a plain dump, and nothing can be left out of SQL text for certain."
                f" To leave out {', '.join(options.exclude)}, {instead}with pg_dump --format=custom and keep this option"
            )

    def _find_programs(self) -> Programs:
        options = self._options

        def unfit(programs: Programs) -> str:
            if self._dump.plain:
                if options.psql_commands or knows_restrict(programs.paths["psql"]):
                    return ""
                return (
                    f"{programs.paths['psql']} {programs.words} does not know \\restrict, by which commands of psql in a dump are kept from"
                    " running; psql of 18, 17.6, 16.10, 15.14, 14.19, 13.22 and newer does"
                )
            archive = Archive(
                self._dump.path, self._dump.kind, programs.paths["pg_restore"], self._client.environment, self._folder
            )
            try:
                archive.read([*switches_of(options.data_only, options.clean, options.exclude), *options.options])
            except RestoreError as error:
                if "unsupported version" in str(error):
                    return f"{error} (by {programs.paths['pg_restore']} {programs.words}, which is older than the dump)"
                raise RestoreError(f"{error}. Nothing was changed. {advice(Failure('', str(error)), self._place())}") from None
            self._archive = archive
            return ""

        names = ["psql"] if self._dump.plain else ["psql", "pg_restore"]
        programs = find_programs(names, options.bin_dir, self._server_version // 10000, unfit)
        self.result.tool_version = programs.words
        return programs

    def _place(self) -> Place:
        schemas: tuple[str, ...] = ()
        if self._archive is not None and self._options.data_only:
            schemas = tuple(sorted({schema for schema, _name in self._archive.names(self._archive.of("TABLE DATA"))}))
        return Place(self._dump.plain, self._dump.path, self._role, self._options.database, schemas)

    def _jobs(self, programs: Programs) -> int:
        wanted, reason = self._options.jobs, ""
        if self._dump.kind not in ("custom", "directory"):
            reason = f"a {self._dump.kind} dump can be restored with one job only"
        elif self._server_version < 170000 <= programs.version[0] * 10000:
            # The first thing it sends to each session ends it there.
            reason = (
                f"pg_restore {programs.words} sets transaction_timeout, which the server does not know, and so can restore with one job"
                " only; to use several, install the programs of version 16 or older and name their folder in bin_dir"
            )
        if wanted > 1 and reason:
            self._warn(f"{reason}. jobs: {wanted} was not used")
            return 1
        return wanted

    def _select(self) -> None:
        """Decide what of an archive is wanted; the same in check mode and for real."""
        archive, options = self._archive, self._options
        if archive is None:
            return
        self.result.dump_version = archive.dump_version or None
        self.result.dump_server_version = archive.server_version or None
        if self._server_version >= 190000 and not archive.strings_are_standard:
            raise RestoreError(
                f"the dump {self._dump.path} comes from a database with standard_conforming_strings = off, whose texts PostgreSQL 19 does"
                " not know. Nothing was changed. Dump again with pg_dump 19, which writes them in the standard form"
            )
        archive.leave_out(options.exclude)
        if options.tables:
            archive.select(options.tables, options.data_only)
            if not options.data_only:
                self._warn(
                    "tables by name come as pg_restore --table brings them: without defaults, identities, indexes, constraints and triggers."
                    " Their sequences then feed no column that could be judged; to keep what the tables have, use data_only: true"
                )
        if options.data_only:
            values = archive.of("SEQUENCE SET")
            self._positions = archive.sequence_values(values)
            archive.keep(lambda entry: entry.kind != "SEQUENCE SET")
        self.result.tables_total = len(archive.of("TABLE DATA"))
        if not archive.of("TABLE", "TABLE DATA", "FOREIGN TABLE"):
            self._tell_no_table(f"The dump {self._dump.path} holds no table" + ("" if archive.entries else ", nor anything else"))
        if _major(archive.server_version) > self._server_version // 10000:
            self._warn(
                f"the dump comes from PostgreSQL {archive.server_version}, newer than the server"
                f" ({self._server_version // 10000}): what the older one does not know will fail"
            )

    def _foretell(self, exists: bool) -> None:
        result = self.result
        if exists:
            with Session(self._target, self._options.database) as session:
                if self._nothing_left(session.query):
                    return
                if self._archive is not None:
                    decide.compare(session.query, self._archive, self._options)
        result.changed, result.outcome = True, "foretold"
        result.created = not exists
        tables = "" if result.tables_total is None else f" (rows of {result.tables_total} tables)"
        first = "" if exists else "The database would be created. "
        result.message = f"{self._no_table}{first}The dump {self._dump.path}{tables} would be restored {self._into}."

    def _nothing_left(self, query: Query) -> bool:
        """Whether what the dump brings is there already; then the result says so."""
        self._can_note = decide.can_note(query)
        what = f"the restore of {self._dump.path} {self._into}"
        words = decide.still_there(query, self._fingerprint, self._options, what, self._dump.plain)
        if words:
            self.result.already_restored, self.result.outcome, self.result.message = True, "unchanged", words
        return bool(words)

    def _stream(self, programs: Programs) -> str:
        """Restore in one transaction; returns what was restored, in words, or nothing where nothing was to be done."""
        options, dump = self._options, self._dump
        restricted = knows_restrict(programs.paths["psql"]) and not options.psql_commands
        stream = Stream(
            programs.paths["psql"],
            functools.partial(self._client.dsn, options.database),
            self._client.environment,
            self._target.session_role,
            self._server_version,
            restricted,
            options.options if dump.plain else (),
            script_folder(dump) if dump.plain else None,
        )
        said = stream.transcript
        with Watcher(self._target, options.database, self._client.application_name, self._progress) as watcher:
            try:
                if said.head is None:
                    raise self._failure(stream)
                with Session(self._target, options.database) as session:
                    if said.head.values[0] != "t":
                        decide.refuse_second(session.query, options.database)
                    if self._nothing_left(session.query):
                        return ""
                    emptying = decide.compare(session.query, self._archive, options) if self._archive is not None else []
                    before = sequences.states(session.query) if dump.plain else {}
                watcher.follow(stream.headings, self.result.tables_total or self._tables_hinted or None)
                cleaned = Filter(self._server_version, not dump.plain, restricted and leaks(programs.version))
                source = Source(dump, self._restore_arguments(programs, "--single-transaction", "--file=-"), self._client.environment)
                stream.send(source, cleaned, emptying, self._fingerprint if self._can_note else None)
            finally:
                stream.stop()
        found = evidence.of_transaction(self._target, options.database, said)
        self.result.outcome = found.outcome
        self.result.transaction = said.head.transaction
        self._make_good(before)
        if found.outcome != evidence.RESTORED:
            self.result.changed = self.result.changed or found.outcome == evidence.UNKNOWN
            raise self._failure(stream, found.words)
        return self._restored(t.cast(t.Any, said.tail).values, found.words)

    def _restored(self, values: tuple[str, ...], words: str) -> str:
        loaded, rows, made, counts, noted = values
        self.result.changed = self.result.restored = True
        if counts != "on":
            # The server does not count rows.
            return words
        self.result.rows = int(rows)
        self.result.tables_total = int(loaded) if self._archive is None else self.result.tables_total
        if not int(loaded) and not int(made):
            self._tell_no_table(f"The dump {self._dump.path} made no table and loaded no row")
        elif not int(noted):
            self._warn_not_noted()
        return f"{counted(int(loaded), 'table')} with {counted(int(rows), 'row')}; {words}"

    def _tell_no_table(self, words: str) -> None:
        if not self._no_table:
            self._no_table = f"{words}: is it the right one? "
            self._warn(self._no_table.strip())

    def _warn_not_noted(self) -> None:
        self._warn(
            f'that the dump was restored cannot be noted in database "{self._options.database}", because "{self._role}" owns none of its'
            " tables: another run would restore it again"
        )

    def _restore_arguments(self, programs: Programs, *first: str) -> list[str]:
        if self._archive is None:
            return []
        options = self._options
        switches = switches_of(options.data_only, options.clean, options.exclude)
        chosen = [*first, *switches, *options.options, *self._archive.use_list()]
        return [programs.paths["pg_restore"], *chosen, "--", self._dump.path]

    def _failure(self, stream: Stream, words: str = "") -> RestoreError:
        """What went wrong with a stream, where, what is known of what was left, and what to do."""
        said, dump = stream.transcript, self._dump
        if said.head is None:
            stream.end()
            words = "Nothing was changed"
        failure = evidence.failure_of(said, stream.headings)
        where = ""
        if said.broken is not None:
            failure = Failure("", said.broken)
        elif said.head is not None:
            line = said.error_line
            heading = stream.headings.before(line) if line else None
            if failure.kind == "END":
                where = " at its end"
            elif line:
                where = (f" at {heading.words}" if heading else "") + (f" (line {line})" if dump.plain else "")
                text = line_of(dump, line) if dump.plain else ""
                failure = failure._replace(statement=text)
                if "backslash commands" in failure.message:
                    command = re.search(r"\\\S+( \S+)?", text)
                    failure = failure._replace(message=f"{failure.message} (there: {command[0] if command else text[:80]})")
            elif self._options.data_only and self._options.clean and not stream.headings.offset:
                where = " while its tables were emptied"
        if said.elsewhere:
            words = f"{words}. The script left the target (psql: {said.elsewhere.rstrip('.')})"
        tables = _tablesnamed(dump) if dump.plain and failure.sqlstate == "23505" else ()
        helps = advice(failure, self._place()._replace(tables=tables))
        return RestoreError(f"the restore of {dump.path} {self._into} failed{where}: {failure.message}. {words}. {helps}")

    def _direct(self, programs: Programs, jobs: int) -> str:
        """Restore by pg_restore itself; returns what was restored, in words, or nothing where nothing was to be done."""
        options, archive = self._options, t.cast(Archive, self._archive)
        with Session(self._target, options.database) as lock:
            if not parallel.locked(lock):
                decide.refuse_second(lock.query, options.database)
            if self._nothing_left(lock.query):
                return ""
            emptying = decide.compare(lock.query, archive, options)
            loaded = archive.names(archive.of("TABLE DATA"))
            parallel.begin(self._target, options.database, emptying, self._fingerprint, loaded if options.data_only else [])
            self.result.changed, self.result.outcome = True, "partly"
            how = [f"--jobs={jobs}", "--exit-on-error"] if jobs > 1 else ["--single-transaction"]
            role = [f"--role={self._target.session_role}"] if self._target.session_role else []
            arguments = self._restore_arguments(
                programs, "--verbose", "--no-password", *how, *role, f"--dbname={self._client.dsn(options.database)}"
            )
            with Watcher(self._target, options.database, self._client.application_name, self._progress) as watcher:
                watcher.follow(None, len(loaded))
                done, lines = parallel.restore(arguments, self._client.environment, watcher.one_more)
            if not done:
                failure, where = parallel.failure_of(lines, archive)
                left = parallel.left_behind(self._target, options.database, loaded)
                raise RestoreError(
                    f"the restore of {self._dump.path} {self._into} failed{where}: {failure.message}."
                    f" {left}. Restore it with clean: true, which replaces what is there, or drop the database and use create: true. With"
                    f" jobs: 1 a failed restore leaves nothing behind. {advice(failure, self._place())}"
                )
            makes = [] if options.data_only else archive.names(archive.of("TABLE", "SEQUENCE"))
            missing, holding, noted = parallel.check(self._target, options.database, self._fingerprint, makes, loaded)
        if missing:
            raise RestoreError(
                f"pg_restore ended without an error, but {len(missing)} of the tables of {self._dump.path} are not in database"
                f' "{options.database}": {named(missing)}. What is there stays. See the server\'s log, and restore with clean: true'
            )
        self.result.outcome, self.result.restored = evidence.RESTORED, True
        if holding and not noted:
            self._warn_not_noted()
        return (
            f"{counted(len(holding), 'table')} with rows. With several jobs there is no one transaction; afterwards the server was asked: all"
            f" {len(set(makes) | set(loaded))} tables and sequences are there"
        )

    def _make_good(self, before: dict[int, sequences.State]) -> None:
        """Sequences that a script set back are moved to where they were: no rollback does that."""
        try:
            with Session(self._target, self._options.database) as session:
                positions = sequences.set_back(session.query, before)
        except (ConnectError, DatabaseError) as error:
            if before:
                self._warn(f"whether the dump set sequences back that were there before could not be looked at: {error}")
            return
        self._advance(positions, "that the dump set back could not be moved to where they were")

    def _advance(self, positions: list[tuple[str, int, bool]], what: str) -> None:
        _moved, left = sequences.advance(self._target, self._options.database, positions) if positions else ([], [])
        if left:
            self._warn(f"{counted(len(left), 'sequence')} {what}: {'; '.join(left[:_SHOWN])}")

    def _finish(self, done: str) -> None:
        """What follows a restore: sequences, the database's own settings, statistics, and the words of the result."""
        options, result = self._options, self.result
        self._advance(self._positions, "could not be moved to where the dump has them")
        if result.created and self._archive is not None:
            source, statements = self._archive.database_properties()
            failed = database.carry_over(self._target, options.database, source, statements)
            if failed:
                self._warn(f"settings of the source database were not carried over: {'; '.join(failed[:_SHOWN])}")
        seconds = self._progress.seconds
        speed = f" ({result.rows / seconds:,.0f} rows a second)" if result.rows and seconds >= 1 else ""
        made = "The database was created. " if result.created else ""
        result.message = f"{self._no_table}{made}Restored {self._dump.path} {self._into} in {seconds:.1f} s{speed}: {done}."
        if options.analyze:
            only = None
            if options.tables and self._archive is not None:
                only = set(self._archive.names(self._archive.of("TABLE DATA")))
            failed_words = after.analyze(self._target, options.database, options.jobs, only, self._progress)
            if failed_words:
                self._warn(failed_words)

    def _run_command(self, command: str) -> None:
        result, options = self.result, self._options
        result.changed = True
        if self._check_mode:
            with contextlib.suppress(ConnectError):
                Session(self._target, options.database).close()
                result.database_exists = True
            result.outcome, result.message = "foretold", "The restore command would be run; what it does is not known."
            return
        # From here on "Nothing was changed" would be a guess.
        result.outcome = evidence.UNKNOWN
        after.run_command(command, self._target, options.login_db, self._progress)
        result.restored = result.database_exists = True
        result.outcome = evidence.RESTORED
        result.message = f"The restore command has run, and the server at {self._target.address} answers."


def _major(version: str) -> int:
    return int(version.partition(".")[0] or 0)


def _tablesnamed(dump: Dump) -> tuple[str, ...]:
    """Tables that a plain dump's headings say have rows, quoted: for advice, where a wrong one does no harm."""
    found = []
    headings = Headings()
    text = open_text(dump.path, dump.compression)
    with contextlib.suppress(*BROKEN):
        while block := text.read(1 << 20):
            headings.feed(block)
    text.close()
    for heading in headings.all:
        if heading.kind == "TABLE DATA":
            found.append(f"{quote_identifier(heading.schema)}.{quote_identifier(heading.name)}")
    return tuple(found)
