# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What an archive holds, as ``pg_restore --list`` and the SQL that ``pg_restore --file=-`` prints say it.

A line of the list is separated by blanks and quotes nothing: its number and kind are sure, its names only
where no name in it has a blank. The others are read from the SQL, where they are quoted.
"""

from __future__ import annotations

import codecs
import dataclasses
import os
import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.patterns import literals, matches, selected
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import RestoreError
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import run

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Table = tuple[str, str]

RELATIONS = ("TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "PROPERTY GRAPH")
"""Kinds of entries that create a relation."""

# What pg_restore --table takes (manual, pg_restore): relations and their data, nothing that hangs on them.
_OF_A_TABLE = ("TABLE", "TABLE DATA", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "MATERIALIZED VIEW DATA") + (
    "SEQUENCE",
    "SEQUENCE SET",
)

# Kinds of two or more words (pg_dump's source, 10 to 19); all others are one word.
_LONG_KINDS = """ACCESS METHOD,BLOB METADATA,CHECK CONSTRAINT,DATABASE PROPERTIES,DEFAULT ACL,EVENT TRIGGER,
EXTENDED STATISTICS DATA,FK CONSTRAINT,FOREIGN DATA WRAPPER,FOREIGN TABLE,INDEX ATTACH,MATERIALIZED VIEW DATA,
MATERIALIZED VIEW,OPERATOR CLASS,OPERATOR FAMILY,PROCEDURAL LANGUAGE,PROPERTY GRAPH,PUBLICATION TABLES IN SCHEMA,
PUBLICATION TABLE,ROW SECURITY,SECURITY LABEL,SEQUENCE OWNED BY,SEQUENCE SET,SHELL TYPE,STATISTICS DATA,
SUBSCRIPTION TABLE,TABLE ATTACH,TABLE DATA,TEXT SEARCH CONFIGURATION,TEXT SEARCH DICTIONARY,TEXT SEARCH PARSER,
TEXT SEARCH TEMPLATE,USER MAPPING""".replace("\n", "").split(",")
_LINE = re.compile(rf"(\d+); \d+ (\d+) ({'|'.join(_LONG_KINDS)}|\S+) (.*)")

# Kinds of objects that can be left out: by a switch of pg_restore, or by their lines in its list.
_SWITCHES = {
    "comments": "--no-comments",
    "owners": "--no-owner",
    "privileges": "--no-privileges",
    "publications": "--no-publications",
    "security_labels": "--no-security-labels",
    "subscriptions": "--no-subscriptions",
    "tablespaces": "--no-tablespaces",
}
_LINES = {
    "event_triggers": re.compile("EVENT TRIGGER |(COMMENT|SECURITY LABEL) - EVENT TRIGGER "),
    "extensions": re.compile("EXTENSION |(COMMENT|SECURITY LABEL) - EXTENSION "),
    "materialized_view_data": re.compile("MATERIALIZED VIEW DATA "),
    # As pg_restore 18 has it: also whether a table has policies at all.
    "policies": re.compile("(POLICY|ROW SECURITY) |COMMENT \\S+ POLICY "),
}

_IDENTIFIER = r'("(?:[^"]|"")+"|[^\s."(;\']+)'
_NAMED = re.compile(
    rf"^(?:CREATE (?:UNLOGGED |FOREIGN |MATERIALIZED |PROPERTY )*(?:TABLE|VIEW|SEQUENCE|GRAPH)|COPY|INSERT INTO"
    rf"|REFRESH MATERIALIZED VIEW|SELECT pg_catalog\.setval\(') ?{_IDENTIFIER}\.{_IDENTIFIER}",
    re.MULTILINE,
)
_SETVAL = re.compile(r"^SELECT pg_catalog\.setval\('((?:[^']|'')+)', (-?\d+), (true|false)\);$", re.MULTILINE)


@dataclasses.dataclass
class Entry:
    """One line of the list.

    :ivar number: as ``pg_restore --use-list`` takes it
    :ivar oid: of the object in the database that was dumped; 0 where it is none
    :ivar kind: TABLE, TABLE DATA, SEQUENCE SET, ...
    :ivar text: what follows: schema, name and owner, separated by blanks
    """

    number: int
    oid: int
    kind: str
    text: str

    @classmethod
    def of(cls, line: str) -> Entry | None:
        """The entry of a line; None where it is none."""
        found = _LINE.fullmatch(line)
        return cls(int(found[1]), int(found[2]), found[3], found[4]) if found else None


class Archive:
    """An archive, and what of it is wanted.

    :ivar entries: the wanted entries, in the order of their restore
    :ivar dump_version: version of the pg_dump that wrote it; empty where unknown
    :ivar server_version: version of the server it was dumped from; empty where unknown
    """

    def __init__(self, path: str, kind: str, program: str, environment: Mapping[str, str], folder: str) -> None:
        """Prepare; nothing is read yet.

        :arg path: where it lies
        :arg kind: custom, directory or tar
        :arg program: path of pg_restore
        :arg environment: to run it with
        :arg folder: for files that pg_restore reads
        """
        self.path = path
        self.kind = kind
        self.entries: list[Entry] = []
        self.dump_version = self.server_version = ""
        self._program = program
        self._environment = environment
        self._folder = folder
        self._codec = "utf-8"
        self._names: dict[int, Table] = {}
        self._all: list[Entry] = []
        self._whole = True

    def read(self, switches: Iterable[str]) -> None:
        """Read the list.

        :arg switches: of pg_restore, which knows best what they leave
        :raises RestoreError: pg_restore cannot read it
        """
        settings = self._run("--use-list=" + os.devnull, "--file=-")
        found = re.search(rb"^SET client_encoding = '([^']+)'", settings, re.MULTILINE)
        self._codec = codec_of(found.group(1).decode()) if found else "utf-8"
        self.strings_are_standard = b"SET standard_conforming_strings = off" not in settings
        text = self._run("--list", *switches).decode(self._codec, "surrogateescape")
        self.entries = self._all = _entries(text)
        for name, words in (("server_version", "from database"), ("dump_version", "by pg_dump")):
            version = re.search(rf"^; +Dumped {words} version: (\d[\w.]*)", text, re.MULTILINE)
            setattr(self, name, version[1] if version else "")

    def _run(self, *arguments: str) -> bytes:
        done = run([self._program, *arguments, "--", self.path], self._environment)
        if done.code != 0:
            message = done.errors.replace("pg_restore: error: ", "")
            cut = " (it is cut off or damaged)" if re.search("end of file|too short|corrupt", message) else ""
            raise RestoreError(f"pg_restore cannot read the dump {self.path}: {message.rstrip('.')}{cut}")
        return done.raw

    def listed(self, *switches: str) -> list[Entry]:
        """All entries that pg_restore lists, given some switches."""
        return _entries(self._run("--list", *switches).decode(self._codec, "surrogateescape"))

    def keep(self, wanted: t.Callable[[Entry], bool]) -> None:
        """Leave out all entries but some."""
        before = len(self.entries)
        self.entries = [entry for entry in self.entries if wanted(entry)]
        self._whole = self._whole and len(self.entries) == before

    def of(self, *kinds: str) -> list[Entry]:
        """The entries of some kinds."""
        return [entry for entry in self.entries if entry.kind in kinds]

    def names(self, entries: Iterable[Entry]) -> list[Table]:
        """Schema and name of each of some entries."""
        entries = list(entries)
        unsure = []
        for entry in entries:
            parts = entry.text.split(" ")
            if entry.number not in self._names and len(parts) == 3:
                self._names[entry.number] = (parts[0], parts[1])
            elif entry.number not in self._names:
                unsure.append(entry)
        if unsure:
            self._find_names(unsure)
        return [self._names[entry.number] for entry in entries]

    def _find_names(self, entries: list[Entry]) -> None:
        """Find names that the list cannot tell apart, in the SQL: rows have those of their table."""
        tables = {entry.oid: entry for entry in self._all if entry.kind in ("TABLE", "MATERIALIZED VIEW")}
        rows = [entry for entry in entries if entry.kind.endswith(" DATA") and entry.oid in tables]
        asked = list({entry.number: entry for entry in [*(tables[row.oid] for row in rows), *entries]}.values())
        asked = [entry for entry in asked if entry not in rows and entry.number not in self._names]
        small = [entry for entry in asked if not entry.kind.endswith(" DATA")]
        # A heading stands before each, in the order of the list.
        parts = re.split(r"(?m)^-- Name: .*; Type: .*; Schema: .*; Owner: .*$", self.sql(small))[1:] if small else []
        for entry, part in zip(small, parts) if len(parts) == len(small) else ():
            found = _NAMED.search(part)
            if found:
                self._names[entry.number] = _unquoted(found[1]), _unquoted(found[2])
        for entry in asked:
            if entry.number not in self._names:
                self._names[entry.number] = self.sql_name(entry)
        for row in rows:
            self._names[row.number] = self._names[tables[row.oid].number]

    def schemas_made(self) -> dict[int, str]:
        """The entries that make a schema, by their number, and its name; that of ``public`` mostly only describes it."""
        entries = self.of("SCHEMA")
        parts = re.split(r"(?m)^-- Name: .*; Type: SCHEMA; .*$", self.sql(entries))[1:] if entries else []
        made = {}
        for entry, part in zip(entries, parts) if len(parts) == len(entries) else ():
            found = re.search(rf"^CREATE SCHEMA {_IDENTIFIER};$", part, re.MULTILINE)
            if found:
                made[entry.number] = _unquoted(found[1])
        return made

    def sql_name(self, entry: Entry) -> Table:
        """Schema and name as the entry's SQL has them: for rows, those of the table that they are loaded into."""
        found = _NAMED.search(self.sql([entry], 1 << 16))
        if not found:
            schema, _blank, name = entry.text.rpartition(" ")[0].partition(" ")
            return schema, name
        return t.cast("Table", tuple(_unquoted(part) for part in found.groups()))

    def sql(self, entries: Sequence[Entry], most: int = -1, *switches: str) -> str:
        """The SQL that pg_restore prints for some entries.

        :arg most: bytes after which it is enough
        """
        chosen = f"--use-list={self._list(entries, 'sql.list')}"
        arguments = [self._program, "--file=-", *switches, chosen, "--", self.path]
        return run(arguments, self._environment, most).raw.decode(self._codec, "surrogateescape")

    def _list(self, entries: Iterable[Entry], name: str) -> str:
        path = os.path.join(self._folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.writelines(f"{entry.number};\n" for entry in entries)
        return path

    def use_list(self) -> list[str]:
        """How pg_restore is told what is wanted, as its arguments; none where it is everything."""
        return [] if self._whole else [f"--use-list={self._list(self.entries, 'pg_restore.list')}"]

    def leave_out(self, kinds: Iterable[str]) -> None:
        """Leave out kinds of objects that no switch of pg_restore leaves out."""
        lines = [_LINES[kind] for kind in kinds if kind in _LINES]
        self.keep(lambda entry: not any(line.match(f"{entry.kind} {entry.text}") for line in lines))

    def select(self, patterns: Sequence[str], data_only: bool) -> None:
        """Keep the tables that patterns choose, as ``pg_restore --table`` does, or only their rows.

        :arg patterns: shell globs on ``schema.table`` or ``table``, matched case-sensitively; a leading ``!`` takes away
        :raises RestoreError: a pattern without ``!`` or wildcard matches nothing, or nothing at all is left
        """
        candidates = self.of(*(("TABLE DATA",) if data_only else _OF_A_TABLE))
        names = {
            entry.number: (name, f"{schema}.{name}")
            for entry, (schema, name) in zip(candidates, self.names(candidates))
        }
        for pattern in literals(patterns):
            if not any(matches(pattern, name) for both in names.values() for name in both):
                wanted = pattern.rpartition(".")[2].lower()
                near = sorted({full for name, full in names.values() if name.lower() == wanted})
                raise RestoreError(
                    f'tables: the dump holds {"no rows of a table" if data_only else "no table"} "{pattern}"'
                    + (f"; names are case-sensitive, and it holds {', '.join(near)}" if near else "")
                )
        chosen = {number for number, both in names.items() if selected(patterns, both)}
        if not chosen:
            raise RestoreError(f"tables: nothing in the dump matches {', '.join(patterns)}")
        self.keep(lambda entry: entry.number in chosen)

    def order(self, references: Iterable[tuple[Table, Table]]) -> None:
        """Load tables after those that they refer to: an archive of a whole database does not, its keys come last.

        A tar archive cannot be read in another order.

        :arg references: pairs of a table and one that its foreign keys point to
        """
        rows = self.of("TABLE DATA")
        data = dict(zip(self.names(rows), rows))
        if self.kind == "tar" or len(data) != len(rows):
            return
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
                    done.setdefault(path[-1], data[path.pop()])
        if list(done.values()) != rows:
            ordered = iter(done.values())
            self.entries = [next(ordered) if entry.kind == "TABLE DATA" else entry for entry in self.entries]
            self._whole = False


def sequence_values(archive: Archive, entries: Sequence[Entry]) -> list[tuple[str, int, bool]]:
    """Name as for ``regclass``, ``last_value`` and ``is_called`` of the sequences whose values are in some entries."""
    found = _SETVAL.findall(archive.sql(entries)) if entries else []
    return [(name.replace("''", "'"), int(value), called == "true") for name, value, called in found]


def large_objects(archive: Archive) -> list[str]:
    """The numbers of the large objects."""
    entries = archive.of("BLOB", "BLOB METADATA")
    return re.findall(r"lo_create\('(\d+)'\)", archive.sql(entries)) if entries else []


# By which option what is said of a database itself is left out.
_DATABASE_KINDS = {"comments": "COMMENT", "privileges": "ACL", "security_labels": "SECURITY LABEL"}

_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|^\\[^\n]*|;|.", re.DOTALL | re.MULTILINE)


def _statements(sql: str) -> list[str]:
    """The statements in text that pg_restore printed, without comments and psql's commands."""
    statements, parts = [], []
    for found in _TOKEN.finditer(sql):
        token = found[0]
        if not token.startswith(("--", "\\")):
            parts.append(token)
        if token == ";":
            statements.append("".join(parts).strip())
            parts = []
    return statements


def database_properties(archive: Archive, exclude: Iterable[str]) -> tuple[str, list[str]]:
    """The source database's name, as quoted in SQL, and its settings, comment and rights, as statements for that name.

    :arg exclude: kinds of objects that are left out
    """
    found = archive.listed("--create")
    source = [entry for entry in found if entry.kind == "DATABASE"]
    name = (
        re.search(rf"^CREATE DATABASE {_IDENTIFIER} ", archive.sql(source, -1, "--create"), re.MULTILINE)
        if source
        else None
    )
    if not name:
        return "", []
    # Any text may stand in a comment: whole statements count, and only those about this database.
    about = re.compile(
        rf"(ALTER DATABASE {re.escape(name[1])} (SET|RESET) |ALTER ROLE {_IDENTIFIER} IN DATABASE {re.escape(name[1])} (SET|RESET) "
        rf"|COMMENT ON DATABASE {re.escape(name[1])} IS |(GRANT|REVOKE) [A-Z, ]+ ON DATABASE {re.escape(name[1])} "
        rf"|SECURITY LABEL FOR {_IDENTIFIER} ON DATABASE {re.escape(name[1])} IS )"
    )
    statements = []
    left_out = {_DATABASE_KINDS[kind] for kind in exclude if kind in _DATABASE_KINDS}
    for entry in found:
        of_database = entry.kind == "DATABASE PROPERTIES" or entry.text.startswith("- DATABASE ")
        if of_database and entry.kind not in left_out:
            statements += [part for part in _statements(archive.sql([entry], -1, "--create")) if about.match(part)]
    return name[1], statements


def _entries(text: str) -> list[Entry]:
    return [entry for entry in map(Entry.of, text.split("\n")) if entry]


def switches_of(data_only: bool, clean: bool, exclude: Iterable[str]) -> list[str]:
    """The switches by which pg_restore does what was asked for."""
    mode = ["--data-only"] if data_only else ["--clean", "--if-exists"] if clean else []
    return mode + [_SWITCHES[kind] for kind in exclude if kind in _SWITCHES]


def codec_of(encoding: str) -> str:
    """Python's name for an encoding of PostgreSQL (manual, 23.3.1); UTF-8 for those it does not know."""
    name = encoding.upper().replace("WIN", "CP", 1) if encoding.upper().startswith("WIN") else encoding
    special = {"SQL_ASCII": "utf-8", "KOI8R": "koi8-r", "KOI8U": "koi8-u", "UHC": "cp949"}
    try:
        return codecs.lookup(special.get(name, name)).name
    except LookupError:
        return "utf-8"


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
