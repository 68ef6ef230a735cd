# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A dump into a database, with PostgreSQL's own programs: whole or not at all, and only once.

With one job everything is one stream of SQL: BEGIN, what has to come first, the dump, the note that it
was restored, COMMIT. psql reads it from a pipe. Whatever breaks, here, in the programs, on the way or
in the server, the COMMIT does not arrive, and the server rolls back. ``psql --single-transaction`` would
not do: it commits at the end of its input, also where that is a broken pipe.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import re
import secrets
import subprocess
import tempfile
import threading
import time
import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.pgops.sequences.plugins.module_utils import _dump
from ansible_collections.pgops.sequences.plugins.module_utils._arguments import OptionError, check_values
from ansible_collections.pgops.sequences.plugins.module_utils._dump import DumpError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import DRIVER_IMPORT_ERROR, driver
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier, quote_literal
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target, target_of
from ansible_collections.pgops.sequences.plugins.module_utils._programs import (
    Client,
    Program,
    ProgramError,
    Programs,
    find_programs,
    knows_restrict,
    version_of,
)
from ansible_collections.pgops.sequences.plugins.module_utils._progress import Progress, activity, copied
from ansible_collections.pgops.sequences.plugins.module_utils._restore_plan import (
    NEW_SETTING,
    NEW_SETTING_SINCE,
    Options,
    Plan,
    RestoreError,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore_preflight import check_database, check_server
from ansible_collections.pgops.sequences.plugins.module_utils._restore_record import Record

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.pgops.sequences.plugins.module_utils._archive import Entry
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row

    Query = t.Callable[..., list[Row]]

_BLOCK = 1 << 20
_HEAD = 1 << 14

# Any number will do that nobody else takes for an advisory lock.
_LOCK = 0x7067736571

# Seconds that a server may take to come back after a command that restored it.
_COMES_BACK = 300.0

# Seconds in which a server that broke the connection may say whether it had committed.
_ANSWERS = 5.0

# Seconds; PostgreSQL's timeouts are milliseconds in an int4.
_NO_TIMEOUT = 2147483.0


def run_restore(module: AnsibleModule) -> None:
    """Restore, or find nothing to do, and exit."""
    result = Result(database=module.params["database"])
    restore = None
    try:
        options = Options.of(module.params)
        check_values(module.params)
        if driver is None:
            module.fail_json(msg=missing_required_lib("psycopg2"), exception=DRIVER_IMPORT_ERROR)
        target = target_of(module.params)
        progress = Progress(
            module.params["progress_file"], functools.partial(remove_values, no_log_strings=module.no_log_values)
        )
        # Ansible's own folder for this would be made with a warning where the user never had one.
        with tempfile.TemporaryDirectory(prefix="pgops-") as folder:
            with progress:
                restore = Restore(options, target, folder, progress, module.warn, result, module.check_mode)
                restore.run()
    except (ConnectError, DumpError, OptionError, ProgramError, RestoreError) as error:
        untouched = restore is None or not restore.touched
        kept = ". Nothing was changed" if untouched and "Nothing was changed" not in str(error) else ""
        module.fail_json(msg=f"{error}{kept}", **dataclasses.asdict(result))
    except DatabaseError as error:
        where = f'database "{module.params["database"]}"'
        module.fail_json(msg=f"the restore into {where} could not be prepared: {error}", **dataclasses.asdict(result))
    module.exit_json(**dataclasses.asdict(result))


@dataclasses.dataclass
class Result:
    """What the module returns, by the same names."""

    changed: bool = False
    restored: bool = False
    database: str = ""
    database_exists: bool | None = None
    created: bool = False
    format: str | None = None
    dump_version: str | None = None
    dump_server_version: str | None = None
    tables_total: int | None = None
    seconds: float = 0.0
    already_restored: bool = False
    tool_version: str | None = None


class Restore:
    """One run of the module.

    :ivar touched: whether anything may have been changed
    """

    def __init__(
        self,
        options: Options,
        target: Target,
        directory: str,
        progress: Progress,
        warn: t.Callable[[str], None],
        result: Result,
        check_mode: bool = False,
    ) -> None:
        """Prepare; nothing is connected to yet.

        :arg options: what was asked for
        :arg target: where and as whom
        :arg directory: a folder that nobody else can enter
        :arg progress: told how far the run is
        :arg warn: called with what the operator should know
        :arg result: filled in on the way
        :arg check_mode: whether to stop before anything is touched
        """
        self.result = result
        self.touched = False
        self._looker: _Looker | None = None
        self._options = options
        self._target = target
        self._directory = directory
        self._progress = progress
        self._warn = warn
        self._check_mode = check_mode
        self._client = Client(target, directory, f"pgops.sequences {secrets.token_hex(6)}")

    def run(self) -> None:
        """Restore, or find that nothing is to be done.

        :raises RestoreError: the options, the surroundings or the restore itself
        :raises DumpError: the dump
        :raises ProgramError: the programs
        :raises ConnectError: the server
        """
        try:
            if self._options.command is not None:
                self._run_command(self._options.command)
            elif self._options.dump is not None:
                self._run_dump(self._options.dump)
        finally:
            self.result.seconds = round(self._progress.seconds, 1)

    def _run_dump(self, path: str) -> None:
        options = self._options
        dump = _dump.identify(path)
        self.result.format = dump.format + (f", {dump.compression}" if dump.compression else "")
        self.result.dump_version = dump.dump_version or None
        self.result.dump_server_version = dump.server_version or None
        self._refuse_for_plain(dump)
        exists, session = self._enter()
        self.result.database_exists = exists
        with session:
            programs = self._find_programs(dump, session)
            self._refuse_server(session)
            if not exists:
                self._refuse_create(session)
            server_version = session.version_number
        plan = Plan(dump, options, programs, self._client, self._directory)
        self._progress.begin("reading the dump", None if dump.compression else dump.size)
        contents = _dump.read_through(dump, self._count_bytes)
        self._progress.begin("checking")
        plan.contents = contents
        self.result.tables_total = plan.tables_total
        if exists:
            self._restore_into(plan, server_version)
            return
        with Session(self._target, options.login_db) as session:
            check_server(plan, session.query, f"the server at {self._target.address}")
        self.result.changed = True
        if self._check_mode:
            self.result.created = True
            self._warn_of_newer(plan, server_version)
            return
        self._create(dump.encoding)
        try:
            self._restore_into(plan, server_version)
        except Exception as error:
            if self.result.restored:
                raise
            # The same task can then be run again.
            words = "dropped again" if self._drop() else "still there, and the next run will use it"
            raise RestoreError(f"{error}. The database that was created for this is {words}") from error

    def _restore_into(self, plan: Plan, server_version: int) -> None:
        options = self._options
        with Session(self._target, options.database) as session, self._only_one(session) as query:
            record = Record.read(query)
            if plan.fingerprint in record.restored and not options.force:
                self.result.already_restored = True
                return
            if plan.fingerprint in record.started and not (options.force or options.clean):
                raise RestoreError(
                    f'an earlier restore of {plan.dump.path} into database "{options.database}" with several jobs did not'
                    " end, and the database may hold part of it. Nothing was changed now. Restore it with clean: true,"
                    " which replaces what is there, or drop the database and use create: true; force: true restores"
                    " over what is there"
                )
            check_server(plan, query, f"the server at {self._target.address}")
            check_database(plan, query, options.database)
            self._warn_of_newer(plan, server_version)
            if record.way is None:
                self._warn(
                    f'that the dump was restored cannot be noted in database "{options.database}", because "{session.role}"'
                    " is neither superuser nor the database's owner: another run would restore it again"
                )
            self.result.changed = True
            jobs = plan.jobs(server_version, self._warn)
            if self._check_mode:
                return
            self.touched = True
            record = record.without(plan.supersedes)
            self._progress.begin("restoring", plan.tables_total)
            if jobs > 1:
                self._parallel(plan, jobs, record)
            else:
                self._stream(plan, record, server_version)
            self.result.restored = True
        if options.analyze:
            self._analyze(plan)

    def _warn_of_newer(self, plan: Plan, server_version: int) -> None:
        if version_of(plan.dump.server_version)[0] > server_version // 10000:
            self._warn(
                f"the dump comes from PostgreSQL {plan.dump.server_version}, newer than the server"
                f" ({server_version // 10000}): what the older one does not know will fail"
            )

    def _refuse_for_plain(self, dump: _dump.Dump) -> None:
        if dump.format != "plain":
            return
        for name in ("tables", "data_only", "clean"):
            if getattr(self._options, name):
                raise RestoreError(
                    f"{name} cannot be used with {dump.path}: it is a plain dump, which is restored as it is. "
                    "Dump with pg_dump --format=custom to choose while restoring"
                )

    def _enter(self) -> tuple[bool, Session]:
        """A session with the database, or, where that does not exist, with the one to connect to first."""
        try:
            return True, Session(self._target, self._options.database)
        except ConnectError as error:
            if self._options.login_db == self._options.database:
                raise
            try:
                session = Session(self._target, self._options.login_db)
            except ConnectError:
                raise error from None
            if session.query(
                "SELECT 1 AS found FROM pg_database WHERE datname = %(name)s", {"name": self._options.database}
            ):
                session.close()
                raise
        if not self._options.create:
            session.close()
            raise RestoreError(
                f'there is no database "{self._options.database}" at {self._target.address}. Nothing was changed. Set create: true to have'
                f" it created, or run: CREATE DATABASE {quote_identifier(self._options.database)} TEMPLATE template0;"
            )
        return False, session

    def _find_programs(self, dump: _dump.Dump, session: Session) -> Programs:
        names = ["psql"] if dump.format == "plain" else ["psql", "pg_restore"]
        needed = max(session.version_number // 10000, version_of(dump.dump_version)[0])
        programs = find_programs(names, self._options.bin_dir, needed)
        self.result.tool_version = programs.words
        if dump.restricted and not knows_restrict(programs.version):
            raise RestoreError(
                f"the dump {dump.path} begins with \\restrict, as pg_dump writes it since August 2025, and {programs.paths['psql']}"
                f" {programs.words} does not know that command. Nothing was changed. Update the package of psql to the latest minor"
                " release (18, 17.6, 16.10, 15.14, 14.19, 13.22 or newer), or say with bin_dir where a newer one is"
            )
        return programs

    def _refuse_server(self, session: Session) -> None:
        where = f"the server at {self._target.address}"
        if session.in_recovery:
            raise RestoreError(
                f"{where} is a standby, which takes no changes. Nothing was changed. Restore on its primary"
            )
        if session.read_only:
            raise RestoreError(
                f'{where} opens transactions of "{session.role}" read-only (default_transaction_read_only). Nothing was changed.'
                " To restore all the same, add to connect_params: {options: '-c default_transaction_read_only=off'}"
            )

    def _refuse_create(self, session: Session) -> None:
        role = session.query("SELECT rolsuper OR rolcreatedb AS may FROM pg_roles WHERE rolname = current_user")
        if not role or not role[0]["may"]:
            raise RestoreError(
                f'"{session.role}" may not create the database "{self._options.database}" at {self._target.address}. Nothing was changed.'
                f" Run: ALTER ROLE {quote_identifier(session.role)} CREATEDB;"
            )

    def _count_bytes(self, count: int) -> None:
        self._progress.done += count

    @contextlib.contextmanager
    def _only_one(self, session: Session) -> Iterator[Query]:
        """Hold the database's restore lock, in a transaction that does nothing else.

        The lock goes with this process, however that ends.
        """
        with session.transaction("READ ONLY", statement_timeout=_NO_TIMEOUT) as query:
            query("SET LOCAL idle_in_transaction_session_timeout = 0")
            if not query(f"SELECT pg_try_advisory_xact_lock({_LOCK}) AS had")[0]["had"]:
                holder = query(
                    "SELECT a.pid, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI') AS since FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                    " WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database"
                    " WHERE datname = current_database())"
                    f" AND (l.classid::bigint << 32) | l.objid::bigint = {_LOCK}"
                )
                who = f" since {holder[0]['since']} (server process {holder[0]['pid']})" if holder else ""
                raise RestoreError(
                    f'another restore into database "{self._options.database}" is running{who}. Nothing was changed.'
                    " Wait for its end and run this again: it will see whether anything is left to do"
                    + (f". To end it: SELECT pg_terminate_backend({holder[0]['pid']});" if holder else "")
                )
            yield query

    def _create(self, encoding: str) -> None:
        name = quote_identifier(self._options.database)
        clause = f" ENCODING {quote_literal(encoding)}" if encoding else ""
        # template0: what an administrator added to template1 is in the dump already (manual, pg_dump, Notes).
        self._psql(self._options.login_db, f"CREATE DATABASE {name} TEMPLATE template0{clause}")
        self.result.created = self.result.database_exists = True

    def _drop(self) -> bool:
        """Remove the database this run created; returns whether that is done."""
        for attempt in range(5):
            try:
                self._psql(self._options.login_db, f"DROP DATABASE {quote_identifier(self._options.database)}")
            except RestoreError as error:
                if "being accessed" not in str(error):
                    return False
                # Sessions of a program that was ended take a moment to go.
                time.sleep(0.2 * 2**attempt)
            else:
                self.result.changed = self.result.created = self.result.database_exists = False
                return True
        return False

    def _psql(self, database: str, statement: str) -> None:
        program = find_programs(["psql"], self._options.bin_dir, 0).paths["psql"]
        done = subprocess.run(
            [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "--no-password", f"--dbname={self._client.dsn(database)}"]
            + [part for command in self._roles() + [statement] for part in ("-c", command)],
            env={**self._client.environment, "PGCLIENTENCODING": "UTF8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            message = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise RestoreError(f"{statement} failed at {self._target.address}: {message}. Nothing was changed")

    def _stream(self, plan: Plan, record: Record, server_version: int) -> None:
        arguments = [
            *(plan.programs.paths["psql"], "-X", "-q", "-v", "ON_ERROR_STOP=1", "--no-password"),
            *(plan.options.extra if plan.dump.format == "plain" else ()),
            f"--dbname={self._client.dsn(self._options.database)}",
            "--file=-",
        ]
        # Names are sent in UTF-8; the dump says its own encoding, or is in the database's.
        utf8, default = "SET client_encoding = 'UTF8'", "RESET client_encoding"
        prologue = ["BEGIN", *self._roles(utf8), *plan.emptying, default]
        epilogue = ["RESET SESSION AUTHORIZATION", *self._roles(utf8), *record.note(plan.fingerprint), "COMMIT"]
        seen: list[_dump.Item] = []
        headings = _dump.Headings(plan.dump.encoding)
        source = self._source(plan)
        psql = Program(arguments, self._client.environment, give=True)
        self._watch(plan, seen, headings)
        failure: Exception | None = None
        commit_sent = False
        loads = 0
        try:
            try:
                psql.give(_statements(prologue))
                block = source.head()
                adapted = _adapted(block, server_version)
                while block:
                    found = headings.feed(block)
                    seen += found
                    loads += sum(item.kind == "TABLE DATA" for item in found)
                    # The last one is still being loaded.
                    self._progress.done = loads - bool(loads and seen[-1].kind == "TABLE DATA")
                    psql.give(adapted)
                    block = adapted = source.read(_BLOCK)
                source.check()
                # A file without a last semicolon would otherwise swallow what follows.
                commit_sent = True
                psql.give(b"\n;\n" + _statements(epilogue))
            except BrokenPipeError:
                pass
            except (RestoreError, *_dump.BROKEN) as error:
                # psql must not take what it has got for the whole.
                failure = error
                psql.end()
            code = psql.finish()
        finally:
            psql.end()
            source.close()
            self._stop_watching()
        if failure is None and code == 0:
            return
        committed = self._was_committed(plan, record) if commit_sent and code == 2 else False
        if committed:
            self._warn(
                "the connection broke at the very end; the note in the database shows that the dump was restored"
            )
            return
        raise self._stream_error(plan, failure, psql, seen, len(prologue), committed is None)

    def _roles(self, *first: str) -> list[str]:
        role = self._target.session_role
        return [*first, f"SET ROLE {quote_identifier(role)}"] if role else [*first]

    def _source(self, plan: Plan) -> _Source:
        if plan.dump.format == "plain":
            return _Source(_dump.open_text(plan.dump.path, plan.dump.compression), None)
        arguments = [plan.programs.paths["pg_restore"], "--file=-", *plan.arguments(), "--", plan.dump.path]
        program = Program(arguments, self._client.environment, take=True)
        return _Source(program.output, program)

    def _watch(self, plan: Plan, seen: list[_dump.Item], headings: _dump.Headings) -> None:
        sizes = plan.sizes
        self._looker = looker = _Looker(self._target, self._options.database, self._client.application_name)

        def look() -> str:
            item = seen[-1] if seen else None
            row = looker.look()
            words = activity(row["query"]) if row else ""
            if row and words.startswith("copying") and item is not None and item.kind == "TABLE DATA":
                if row["bytes"] is None:
                    row["bytes"] = headings.offset - item.offset
                return f"copying {item.full_name}{copied(row, sizes.get(item.full_name))}"
            return words or (f"{item.kind.lower()} {item.full_name}" if item else "")

        self._progress.look = look

    def _stop_watching(self) -> None:
        self._progress.look = None
        if self._looker is not None:
            self._looker.close()
            self._looker = None

    def _was_committed(self, plan: Plan, record: Record) -> bool | None:
        """Whether a COMMIT went through before the connection broke; None where that cannot be seen."""
        if record.way is None or plan.fingerprint in record.restored:
            return None
        deadline = time.monotonic() + _ANSWERS
        while True:
            try:
                with Session(self._target, self._options.database) as session:
                    return plan.fingerprint in Record.read(session.query).restored
            except (ConnectError, DatabaseError):
                if time.monotonic() > deadline:
                    return None
                time.sleep(0.5)

    def _stream_error(
        self, plan: Plan, failure: Exception | None, psql: Program, seen: list[_dump.Item], prologue: int, unknown: bool
    ) -> RestoreError:
        what = (
            f'the restore of {plan.dump.path} into database "{self._options.database}" at {self._target.address} failed'
        )
        if plan.contents.own_transactions:
            left = "The dump ends transactions itself, so part of it may have stayed in the database"
        elif unknown:
            left = "All of it was restored or nothing; which, could not be seen. Run this again: it will see"
        else:
            left = "Everything was rolled back: the database is as it was"
        if failure is not None:
            return RestoreError(f"{what}: {failure}. {left}")
        line, message = _psql_error(psql.errors)
        item = None
        if line > prologue:
            item = next((item for item in reversed(seen) if item.line <= line - prologue), None)
        where = f" at {item.kind} {item.full_name}" if item else ""
        if 0 < line <= prologue:
            where = " while its tables were emptied" if plan.emptying else " at its beginning"
        return RestoreError(f"{what}{where}: {message}. {left}. {_next_step(message)}")

    def _parallel(self, plan: Plan, jobs: int, record: Record) -> None:
        self._write([*plan.emptying, *record.note(plan.fingerprint, ended=False)])
        role = self._target.session_role
        arguments = [
            *(plan.programs.paths["pg_restore"], "--verbose", "--exit-on-error", "--no-password", f"--jobs={jobs}"),
            *([f"--role={role}"] if role else []),
            *plan.arguments(),
            f"--dbname={self._client.dsn(self._options.database)}",
            *("--", plan.dump.path),
        ]
        self._looker = looker = _Looker(self._target, self._options.database, self._client.application_name)

        def look() -> str:
            row = looker.look()
            words = activity(row["query"]) if row else ""
            return f"{words}{copied(row, None)}" if row and words else ""

        def watch(line: str) -> None:
            self._progress.done += bool(re.match(r"pg_restore: finished item \d+ TABLE DATA ", line))

        self._progress.look = look
        program = Program(arguments, self._client.environment, watch=watch)
        try:
            code = program.finish()
        finally:
            program.end()
            self._stop_watching()
        if code != 0:
            raise self._parallel_error(plan, program)
        self._write(record.note(plan.fingerprint))

    def _write(self, statements: list[str]) -> None:
        try:
            with Session(self._target, self._options.database, 60.0, _NO_TIMEOUT) as session:
                with session.transaction() as query:
                    for statement in statements:
                        query(statement)
        except DatabaseError as error:
            raise RestoreError(f'database "{self._options.database}" at {self._target.address}: {error}') from None

    def _parallel_error(self, plan: Plan, program: Program) -> RestoreError:
        what = (
            f'the restore of {plan.dump.path} into database "{self._options.database}" at {self._target.address} failed'
        )
        entry, message = _pg_restore_error(program.errors, plan.entries)
        where = f" at {entry.kind} {entry.full_name}" if entry else ""
        left = "With several jobs it is not rolled back"
        if not self.result.created:
            left = self._left_behind(plan) + " Restore it with clean: true, which replaces what is there"
            left += ", or drop the database and use create: true. With jobs: 1 a failed restore leaves nothing behind"
        return RestoreError(f"{what}{where}: {message}. {left}. {_next_step(message)}")

    def _left_behind(self, plan: Plan) -> str:
        try:
            with Session(self._target, self._options.database) as session:
                filled = {
                    (row["schema"], row["name"])
                    for row in session.query(
                        "SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_class c"
                        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND pg_relation_size(c.oid) > 0"
                    )
                }
        except (ConnectError, DatabaseError):
            return "With several jobs a failed restore is not rolled back, and the server does not answer now."
        tables = [f"{schema}.{name}" for schema, name in plan.loads if (schema, name) in filled]
        shown = ", ".join(tables[:10]) + (f" and {len(tables) - 10} more" if len(tables) > 10 else "")
        return f"With several jobs a failed restore is not rolled back; these tables hold rows: {shown or 'none'}."

    def _analyze(self, plan: Plan) -> None:
        """Planner statistics, table by table: a function that fails in one index must not cost all the others theirs."""
        self._progress.begin("analyzing")
        failures: list[str] = []
        try:
            with Session(self._target, self._options.database) as session:
                # A partitioned table's ANALYZE covers its partitions.
                names = [
                    (row["schema"], row["name"])
                    for row in session.query(
                        "SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_class c JOIN pg_namespace n"
                        " ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition"
                        " AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND left(n.nspname::text, 3) <> 'pg_'"
                        " ORDER BY c.relpages DESC"
                    )
                ]
        except (ConnectError, DatabaseError) as error:
            self._warn(f"the dump was restored, but planner statistics could not be made: {error}. Run: ANALYZE;")
            return
        if self._options.tables:
            names = [name for name in names if name in set(plan.loads)]
        queue = collections.deque(names)
        self._progress.total = len(queue) or None

        def work() -> None:
            try:
                with Session(self._target, self._options.database, 60.0, _NO_TIMEOUT) as session:
                    while queue:
                        schema, name = queue.popleft()
                        self._progress.now = f"{schema}.{name}"
                        try:
                            with session.transaction() as query:
                                query(f"ANALYZE {quote_identifier(schema)}.{quote_identifier(name)}")
                        except DatabaseError as error:
                            failures.append(f"{schema}.{name}: {error}")
                        self._progress.done += 1
            except (ConnectError, IndexError) as error:
                if isinstance(error, ConnectError):
                    failures.append(str(error))

        threads = [threading.Thread(target=work) for _unused in range(min(self._options.jobs, len(queue)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            self._warn(
                f"the dump was restored, but {len(failures)} of {len(names)} tables got no planner statistics. First: {failures[0]}. Run: ANALYZE;"
            )

    def _run_command(self, command: str) -> None:
        self.result.changed = True
        if self._check_mode:
            with contextlib.suppress(ConnectError):
                Session(self._target, self._options.database).close()
                self.result.database_exists = True
            return
        self.touched = True
        self._progress.begin("running the restore command")

        def watch(line: str) -> None:
            self._progress.now = line.strip()[:200]

        program = Program(["/bin/sh", "-c", command], None, watch=watch, merge=True)
        try:
            code = program.finish()
        finally:
            program.end()
        if code != 0:
            end = "\n".join(list(program.errors)[-20:])
            how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
            raise RestoreError(
                f"the restore command {how}. What it had done by then stays as it is. The end of its output:\n{end}"
            )
        self._await_server()
        self.result.restored = self.result.database_exists = True

    def _await_server(self) -> None:
        """Wait until the server answers and has left recovery: a command may have stopped and started it."""
        self._progress.begin("waiting for the server")
        deadline = time.monotonic() + _COMES_BACK
        while True:
            try:
                with Session(self._target, self._options.login_db) as session:
                    if not session.in_recovery:
                        return
                    problem = "the server is in recovery and takes no changes; promote it, or restore to a target it promotes at"
            except ConnectError as error:
                problem = str(error)
                if not re.search(
                    r"refused|No such file|starting up|shutting down|not yet accepting|recovery|closed|timeout", problem
                ):
                    raise RestoreError(f"the restore command has run, but {problem}") from None
            if time.monotonic() > deadline:
                raise RestoreError(f"the restore command has run, but after {_COMES_BACK:.0f} seconds {problem}")
            time.sleep(1)


class _Source:
    """Where the SQL comes from: a plain dump, unpacked, or pg_restore."""

    def __init__(self, file: t.Any, program: Program | None) -> None:
        self._file = file
        self._program = program
        # What is there, rather than a whole block: psql should work meanwhile.
        self.read: t.Callable[[int], bytes] = getattr(file, "read1", file.read)

    def head(self) -> bytes:
        """The beginning, long enough to hold what every dump begins with."""
        head = b""
        while len(head) < _HEAD and (block := self.read(_HEAD)):
            head += block
        return head

    def check(self) -> None:
        """After the end: was it the end?

        :raises RestoreError: pg_restore has failed
        """
        if self._program is not None and self._program.finish() != 0:
            raise RestoreError("pg_restore: " + " ".join(list(self._program.errors)[-5:]))

    def close(self) -> None:
        """End what is still running."""
        if self._program is not None:
            self._program.end()
        self._file.close()


class _Looker:
    """Looks at what the programs' sessions do, through a session of its own."""

    def __init__(self, target: Target, database: str, application_name: str) -> None:
        self._target = target
        self._database = database
        self._name = application_name
        self._session: Session | None = None

    def look(self) -> dict[str, t.Any] | None:
        """The statement of the session that has copied most, with ``bytes`` and ``rows`` of a COPY (14 and newer).

        :raises ConnectError: from the first look
        :raises DatabaseError: the server does not answer
        """
        if self._session is None:
            self._session = Session(self._target, self._database)
        join, columns = "", "NULL::bigint AS bytes, NULL::bigint AS rows"
        if self._session.version_number >= 140000:
            join = "LEFT JOIN pg_stat_progress_copy p USING (pid)"
            columns = "p.bytes_processed AS bytes, p.tuples_processed AS rows"
        found = self._session.query(
            f"SELECT a.query, {columns} FROM pg_stat_activity a {join}"
            " WHERE a.application_name = %(name)s AND a.state = 'active' ORDER BY 2 DESC NULLS LAST LIMIT 1",
            {"name": self._name},
        )
        return found[0] if found else None

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()


def _statements(statements: Iterable[str]) -> bytes:
    return "".join(f"{statement};\n" for statement in statements).encode("utf-8", "surrogateescape")


def _adapted(head: bytes, server_version: int) -> bytes:
    """The first block of a dump, without what would stop psql at this place or this server."""
    if head.startswith(b"\xef\xbb\xbf"):
        head = head[3:]
    if server_version < NEW_SETTING_SINCE:
        head = head.replace(f"\nSET {NEW_SETTING} = 0;".encode(), b"\n", 1)
    return head


def _psql_error(lines: Iterable[str]) -> tuple[int, str]:
    """The error psql stopped at: its line in the input (0 where it has none), and its text in one line."""
    line, message = 0, []
    for text in lines:
        found = re.match(r"psql:<stdin>:(\d+): (.*)", text)
        if found:
            line, message = int(found.group(1)), [found.group(2)]
        elif text.startswith("psql: "):
            line, message = 0, [text]
        elif text:
            message.append(text)
    return line, _one_line(message)


def _pg_restore_error(lines: Iterable[str], entries: Iterable[Entry]) -> tuple[Entry | None, str]:
    """The first error of pg_restore: the entry it was at, and its text in one line."""
    by_number = {entry.number: entry for entry in entries}
    entry: Entry | None = None
    message: list[str] = []
    for text in lines:
        # Parallel processes write into each other's lines.
        error = re.search(r"pg_restore: error: (.*)", text)
        found = re.search(r"pg_restore: from TOC entry (\d+);", text)
        if message and re.search(r"pg_restore: |Command was: ", text):
            break
        if error or message:
            message.append(error.group(1) if error else text)
        elif found:
            entry = by_number.get(int(found.group(1)))
    return entry, _one_line(message) or "pg_restore was ended"


def _one_line(parts: list[str]) -> str:
    text = " ".join(" ".join(parts).split())
    return (text[:1000] + " ..." if len(text) > 1000 else text).rstrip(".")


_NEXT_STEPS = (
    (
        r"duplicate key value",
        "What the dump holds is there already: clean: true removes it first, with data_only its rows alone",
    ),
    (r"already exists", "The database already holds it: restore into an empty database, or with clean: true"),
    (
        r'role ".*" does not exist',
        "Create the role, or leave out owners and privileges with options: ['--no-owner', '--no-privileges']",
    ),
    (r"No space left on device", "Free space on the server's disk, then run this again"),
    (
        r"server closed the connection|terminating connection|connection to server|could not connect|in recovery mode|starting up",
        "See the server's log, have it running again, then run this again",
    ),
    (
        r"violates foreign key constraint",
        "Load the tables it refers to as well, or, as a superuser, load without checks with options: ['--disable-triggers']",
    ),
    (
        r"cannot truncate a table referenced",
        "Take the table that refers to it into tables as well, or empty the tables yourself",
    ),
    (r"extension .* is not available|could not open extension", "Install the extension's package on the server's host"),
    (
        r"permission denied|must be owner|must be superuser|must be able to",
        "Restore as a superuser, or as the owner of the objects",
    ),
    (
        r"multiple primary keys|unrecognized configuration parameter|syntax error",
        "Restore with a server as new as the dump's",
    ),
)


def _next_step(message: str) -> str:
    return next(
        (step for expression, step in _NEXT_STEPS if re.search(expression, message)),
        "Correct that, then run this again",
    )
