# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What is asked for, and what of a dump will be restored by it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import subprocess
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils import _dump
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ansible_collections.pgops.sequences.plugins.module_utils._archive import Entry
    from ansible_collections.pgops.sequences.plugins.module_utils._programs import Client, Programs

    Spec = dict[str, dict[str, t.Any]]
    Table = tuple[str, str]

NEW_SETTING = "transaction_timeout"
"""The one setting that programs of 17 and newer send and older servers do not know."""

NEW_SETTING_SINCE = 170000

RELATIONS = frozenset(("TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE"))
"""Kinds of entries that create a relation."""

# Options of pg_restore and psql that would get in the way of this module's own.
_OURS = {
    "-d": "database", "--dbname": "database", "-h": "login_host", "--host": "login_host", "-p": "login_port",
    "--port": "login_port", "-U": "login_user", "--username": "login_user", "-W": "login_password",
    "--password": "login_password", "--role": "session_role", "-j": "jobs", "--jobs": "jobs", "-c": "clean",
    "--clean": "clean", "-C": "create", "--create": "create", "-a": "data_only", "--data-only": "data_only",
    "-t": "tables", "--table": "tables", "-L": "tables", "--use-list": "tables", "-f": "dump", "--file": "dump",
    "-1": "", "--single-transaction": "", "-l": "", "--list": "", "--transaction-size": "", "--command": "command",
    "-F": "", "--format": "",
}  # fmt: skip


class RestoreError(Exception):
    """The restore could not begin, or failed. The text says what, where, what was left, and what to do."""


def restore_arguments() -> Spec:
    """Options of the restore."""
    return {
        "database": {"type": "str", "required": True},
        "dump": {"type": "path"},
        "command": {"type": "str"},
        "tables": {"type": "list", "elements": "str"},
        "data_only": {"type": "bool", "default": False},
        "clean": {"type": "bool", "default": False},
        "create": {"type": "bool", "default": False},
        "jobs": {"type": "int", "default": 1},
        "analyze": {"type": "bool", "default": True},
        "force": {"type": "bool", "default": False},
        "options": {"type": "list", "elements": "str"},
        "bin_dir": {"type": "path"},
        "progress_file": {"type": "path"},
    }


@dataclasses.dataclass(frozen=True)
class Options:
    """What was asked for; named as the module's options."""

    database: str
    login_db: str
    dump: str | None
    command: str | None
    tables: tuple[str, ...]
    data_only: bool
    clean: bool
    create: bool
    jobs: int
    analyze: bool
    force: bool
    extra: tuple[str, ...]
    bin_dir: str | None

    @classmethod
    def of(cls, params: Mapping[str, t.Any]) -> Options:
        """Take the options from the module's parameters.

        :raises RestoreError: they contradict each other
        """
        options = cls(
            database=params["database"],
            login_db=params["login_db"],
            dump=params["dump"],
            command=params["command"],
            tables=tuple(params["tables"] or ()),
            data_only=params["data_only"],
            clean=params["clean"],
            create=params["create"],
            jobs=params["jobs"],
            analyze=params["analyze"],
            force=params["force"],
            extra=tuple(params["options"] or ()),
            bin_dir=params["bin_dir"],
        )
        if not options.database or "\0" in options.database:
            raise RestoreError("database is empty; give the name of the database to restore into")
        if options.jobs < 1:
            raise RestoreError(f"jobs is {options.jobs}; it must be 1 or more")
        if any(not pattern.lstrip("!") for pattern in options.tables):
            raise RestoreError("tables has an empty pattern; give a name or a shell glob such as 'orders*'")
        if options.command is not None:
            for name in ("tables", "data_only", "clean", "create", "force"):
                if getattr(options, name):
                    raise RestoreError(f"{name} cannot be used with command, which decides itself what it restores")
        for argument in options.extra:
            name = argument.partition("=")[0] if argument.startswith("--") else argument[:2]
            if name in _OURS:
                instead = (
                    f"use the option {_OURS[name]} instead" if _OURS[name] else "the module decides about that itself"
                )
                raise RestoreError(f"options: {argument} cannot be given; {instead}")
        return options


class Plan:
    """What will be restored, and how pg_restore is told.

    :ivar dump: the dump
    :ivar options: what was asked for
    :ivar programs: psql, and for an archive pg_restore
    :ivar contents: what reading the dump to its end has shown
    :ivar entries: the chosen entries of an archive, in the order of their restore
    :ivar partitioned: tables to load that are partitioned in the database
    """

    def __init__(self, dump: _dump.Dump, options: Options, programs: Programs, client: Client, directory: str) -> None:
        """Find the entries of an archive that are to be restored.

        :arg directory: a folder for files that pg_restore reads
        :raises DumpError: a pattern in ``tables`` matches nothing
        :raises RestoreError: pg_restore cannot read the dump
        """
        self.dump = dump
        self.options = options
        self.programs = programs
        self.contents = _dump.Contents("")
        self.entries: list[Entry] = []
        self.partitioned: set[Table] = set()
        self._client = client
        self._directory = directory
        if dump.archive is not None:
            by_number = {entry.number: entry for entry in dump.archive.entries}
            self.entries = [by_number[number] for number in self._listed() if number in by_number]
            if options.tables:
                chosen = {
                    entry.number for entry in _dump.select_tables(dump.archive, options.tables, options.data_only)
                }
                self.entries = [entry for entry in self.entries if entry.number in chosen]

    def _listed(self) -> list[int]:
        # pg_restore itself knows best which entries the options leave.
        data_only = ["--data-only"] if self.options.data_only else []
        done = subprocess.run(
            [self.programs.paths["pg_restore"], "--list", *self.options.extra, *data_only, "--", self.dump.path],
            env=self._client.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            message = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise RestoreError(
                f"pg_restore {self.programs.words} cannot read the dump {self.dump.path}: {message}. Nothing was changed"
            )
        return [int(number) for number in re.findall(rb"^(\d+); \d+ \d+ ", done.stdout, re.MULTILINE)]

    @property
    def objects(self) -> Sequence[Entry | _dump.Item]:
        """Everything that will be restored."""
        return self.entries if self.dump.archive is not None else self.contents.items

    @property
    def loads(self) -> list[Table]:
        """Tables that rows will go into."""
        return [_target(item) for item in self.objects if item.kind == "TABLE DATA"]

    @property
    def makes(self) -> set[Table]:
        """Relations that will be created."""
        return {(item.schema, item.name) for item in self.objects if item.kind in RELATIONS}

    @property
    def sets(self) -> list[Table]:
        """Sequences whose value will be set."""
        return [(item.schema, item.name) for item in self.objects if item.kind == "SEQUENCE SET"]

    @property
    def tables_total(self) -> int | None:
        """Tables that rows will go into; None where that is not known, as for SQL of other programs."""
        return len(self.loads) if self.dump.archive is not None or self.dump.by_pg_dump else None

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each table's rows in a plain dump, by the table's full name."""
        items = self.contents.items
        ends = [item.offset for item in items[1:]] + [self.contents.length]
        return {item.full_name: end - item.offset for item, end in zip(items, ends) if item.kind == "TABLE DATA"}

    @property
    def fingerprint(self) -> str:
        """Stands for what is restored: 8 hexadecimal digits for which part of a dump, 24 for the dump's content."""
        return self._scope + self.contents.fingerprint[:24]

    @property
    def _scope(self) -> str:
        asked = [str(self.options.data_only), *sorted(self.options.tables), *self.options.extra]
        return hashlib.sha256("\0".join(asked).encode("utf-8", "surrogateescape")).hexdigest()[:8]

    def supersedes(self, fingerprint: str) -> bool:
        """Whether this restore replaces what another one has brought, so that the other may be wanted again."""
        whole = not self.options.data_only and not self.options.tables and not self.options.extra
        return self.options.clean and (whole or fingerprint.startswith(self._scope))

    @property
    def emptying(self) -> list[str]:
        """Statements that remove the rows and large objects that are to be loaded, where that was asked for."""
        if not (self.options.data_only and self.options.clean):
            return []
        # ONLY: children by inheritance may not be among what is loaded.
        names = [
            ("" if table in self.partitioned else "ONLY ") + ".".join(quote_identifier(part) for part in table)
            for table in dict.fromkeys(self.loads)
        ]
        statements = [f"TRUNCATE {', '.join(names)}"] if names else []
        numbers = [entry.name for entry in self.entries if entry.kind == "BLOB" and entry.name.isdigit()]
        for entry in self.entries:
            if entry.kind == "BLOB METADATA":
                numbers += re.findall(r"\d+", entry.definition)
        if numbers:
            statements.append(
                "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata"
                f" WHERE oid IN ({', '.join(numbers)})"
            )
        return statements

    def order(self, references: Iterable[tuple[Table, Table]]) -> None:
        """Load tables after those that they refer to: an archive of a whole database does not, its keys come last.

        :arg references: pairs of a table and one that its foreign keys point to
        """
        data = {_target(entry): entry for entry in self.entries if entry.kind == "TABLE DATA"}
        needs: dict[Table, list[Table]] = {}
        for table, other in references:
            if table in data and other in data and table != other:
                needs.setdefault(table, []).append(other)
        done: dict[Table, Entry] = {}
        for start in data:
            # Depth first, without recursion; in a circle the first one found goes first.
            path, entered = [start], {start}
            while path:
                waiting = [other for other in needs.get(path[-1], ()) if other not in done and other not in entered]
                if waiting:
                    path.append(waiting[0])
                    entered.add(waiting[0])
                else:
                    table = path.pop()
                    done.setdefault(table, data[table])
        ordered = iter(done.values())
        # Rows of one table can stand in several entries only where they go through a partitioned table's root.
        if len(done) == sum(entry.kind == "TABLE DATA" for entry in self.entries):
            self.entries = [next(ordered) if entry.kind == "TABLE DATA" else entry for entry in self.entries]

    def jobs(self, server_version: int, warn: t.Callable[[str], None]) -> int:
        """How many jobs can be used.

        :arg server_version: ``server_version_num``
        :arg warn: told if that is not what was asked for
        """
        reason = ""
        if self.dump.format not in ("custom", "directory"):
            reason = f"a {self.dump.format} dump can be restored with one job only"
        elif server_version < NEW_SETTING_SINCE <= self.programs.version[0] * 10000:
            # The first thing it sends to each session ends it. To let it go on after errors is no way: what parallel
            # processes write to standard error can be torn, and an error be overlooked.
            reason = (
                f"pg_restore {self.programs.words} sets {NEW_SETTING}, which the server does not know, and so can restore with"
                " one job only; to use several, install the programs of version 16 or older and name their folder in bin_dir"
            )
        if self.options.jobs > 1 and reason:
            warn(f"{reason}. jobs: {self.options.jobs} was not used")
            return 1
        return self.options.jobs

    def arguments(self) -> list[str]:
        """What of the archive pg_restore takes, as its arguments."""
        options = self.options
        arguments = list(options.extra)
        if options.data_only:
            arguments.append("--data-only")
        elif options.clean:
            arguments += ["--clean", "--if-exists"]
        if options.data_only or options.tables:
            path = os.path.join(self._directory, "pg_restore.list")
            with open(path, "w", encoding="ascii") as file:
                file.writelines(f"{entry.number};\n" for entry in self.entries)
            arguments.append(f"--use-list={path}")
        return arguments


def _target(item: Entry | _dump.Item) -> Table:
    """The table an entry's rows go into: with pg_dump --load-via-partition-root not the one it is named after."""
    copy = getattr(item, "copy", "")
    name = r'("(?:[^"]|"")+"|[^\s".(]+)'
    found = re.match(rf"COPY {name}\.{name} ", copy)
    if not found:
        return item.schema, item.name
    schema, table = (part[1:-1].replace('""', '"') if part.startswith('"') else part for part in found.groups())
    return schema, table
