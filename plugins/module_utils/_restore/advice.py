# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""From an error to what helps: by SQLSTATE and message, for archives and for plain dumps apart.

Each advice is followed in a test and gets the user on (tests/server/test_restore_advice.py). None of them gives away a
superuser's rights, and none is a command line of psql that goes on after an error.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier


class Failure(t.NamedTuple):
    """What psql or pg_restore stopped at.

    :ivar sqlstate: PostgreSQL's error code; empty where it is not known
    :ivar message: the server's, or the program's, in one line
    :ivar kind: what was being restored: TABLE DATA, INDEX, ...; empty where it is not known
    :ivar schema: schema of that; may be empty
    :ivar statement: the dump's line at which psql stopped; may be empty
    :ivar table: quoted, where the server says which one it is about
    """

    sqlstate: str
    message: str
    kind: str = ""
    schema: str = ""
    statement: str = ""
    table: str = ""


class Place(t.NamedTuple):
    """Where it happened.

    :ivar plain: whether the dump is SQL for psql, rather than an archive
    :ivar path: of the dump
    :ivar role: who restores
    :ivar database: the database restored into
    :ivar schemas: that rows alone are loaded into, of an archive
    :ivar tables: tables the dump names as having rows, quoted, for a plain dump; may be incomplete
    """

    plain: bool
    path: str
    role: str
    database: str
    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


_AGAIN = "then run this again"
_DUMP = "dump again with pg_dump"


def _both(words: str) -> tuple[str, str]:
    return words, words


# For each: SQLSTATEs (prefixes will do; a last one that is empty: also where it is not known), what the message says, kind of entry,
# and what helps, for an archive and for a plain dump. One text holds for both; an empty one for neither.
_ADVICE: tuple[tuple[str, str, str, str, str], ...] = (
    ("23505", r"restore_guard", "SET CONSTRAINTS",
     "",
     "The script has deferred constraints checked at once, also the one by which the restore guards its transaction: take that line out"),
    ("23505", r"restore_guard", "",
     "The script ends the transaction itself, and then a restore could be left half done. Take that statement out",
     "The script ends the transaction itself, and then a restore could be left half done. Take its lines BEGIN and COMMIT out, for example with: sed "
     "-E '/^(BEGIN|COMMIT);/d', or restore it by a command of your own (command)"),
    ("25006", r"read-only transaction", "",
     "",
     "The script ended the restore's transaction itself, and nothing may be written outside it. Take its ROLLBACK, or its \\connect, out, or restore "
     "it by a command of your own (command)"),
    ("", r"backslash commands are restricted", "",
     "",
     "Commands of psql in a dump are not run: they could change files and other databases. Take the line out. A dump of a whole server, or by "
     "pg_dump --create, has many of them: {dump} without --create. For a script that you trust, set psql_commands: true"),
    ("", r"\\unrestrict: wrong key", "",
     "",
     "The dump's line with \\restrict was taken out, the one with \\unrestrict at its end was not: take that out as well"),
    ("23505", r"", "",
     "What the dump holds is there already: clean: true removes it first, with data_only its rows alone",
     "What the dump holds is there already. Where it may go, run: TRUNCATE {tables}; {again}"),
    ("42P06", r"", "",
     "The schema is there already: restore into a new database (create: true), or with clean: true",
     "The schema is there already. Where it is empty, run: DROP SCHEMA {object}; {again}, or {dump} without --schema"),
    ("42P07|42710|42723|42P16", r"already exists|multiple primary keys", "",
     "The database already holds it: restore into an empty database, or with clean: true",
     "The database already holds it: restore into an empty database, or {dump} --clean --if-exists to have it replaced"),
    ("42P01|42704|42703|3F000|42883", r"does not exist", "DROP",
     "",
     "The dump drops what it creates (pg_dump --clean without --if-exists), and here that is not there. Take these lines out, for example with: sed "
     "-E '1,/^CREATE /{{/^(DROP |ALTER TABLE .* DROP )/d}}' {path}, or {dump} --clean --if-exists"),
    ("42704", r'role ".*" does not exist', "",
     "Run: CREATE ROLE {object}; {again}, or restore without owners and grants: exclude: [owners, privileges]",
     "Run: CREATE ROLE {object}; {again}, or {dump} --no-owner --no-privileges"),
    ("42704|22023|42P01", r'(?i)tablespace \".*\" does not exist', "",
     "Create the tablespace, or restore into the database's own: exclude: [tablespaces]",
     "Create the tablespace, or {dump} --no-tablespaces"),
    ("42704", r"unrecognized configuration parameter", "",
     "Restore into a server as new as the dump's, or with pg_restore of the server's own version (bin_dir)",
     "The server is older than the dump: restore into a newer one, or take the line out, for example with: sed '/^{line}/d' {path}"),
    ("22023|0A000|42601", r"standard_conforming_strings|non-standard string literals", "",
     *_both("PostgreSQL 19 no longer knows texts in that form: {dump} of version 19, which writes them in the standard one")),
    ("42501", r"must be able to SET ROLE|must be member of role", "",
     "Restore without owners: exclude: [owners]; or as a role that is a member of it",
     "{dump_is} --no-owner, or restore as a role that is a member of it"),
    ("42501", r"permission denied to create extension", "",
     *_both("In the database, as a superuser, run: CREATE EXTENSION {object}; {again}")),
    ("42501", r"must be owner of extension", "",
     "Restore without comments: exclude: [comments]",
     "{dump_is} --no-comments, or take the line COMMENT ON EXTENSION out"),
    ("42501", r"permission denied to create event trigger|Must be superuser to create an event trigger", "",
     "Restore without them: exclude: [event_triggers], or as a superuser",
     "Restore as a superuser, or from an archive (pg_dump --format=custom) with exclude: [event_triggers]"),
    ("42501", r"FOR (ALL )?TABLES|publication", "",
     "Restore without them: exclude: [publications], or as a superuser",
     "{dump_is} --no-publications, or restore as a superuser"),
    ("42501", r"system trigger", "",
     "--disable-triggers needs a superuser: leave it out of options",
     "{dump_is} without --disable-triggers, or restore as a superuser"),
    ("42501", r"set session authorization", "",
     "Leave --use-set-session-authorization out of options",
     "{dump_is} without --use-set-session-authorization"),
    ("42501", r"permission denied to create temporary tables", "",
     *_both("The restore guards its transaction with a temporary table. Run: GRANT TEMPORARY ON DATABASE {database} TO {role};")),
    ("42501", r"permission denied for (table|relation|sequence|schema)", "ROWS",
     "As the owner run: GRANT USAGE ON SCHEMA {schemas} TO {role}; GRANT INSERT, TRUNCATE ON ALL TABLES IN SCHEMA {schemas} TO {role};",
     ""),
    ("42501", r"permission denied for (table|relation|sequence)", "",
     "Restore as the owner of what it is about",
     "As the owner run: GRANT INSERT ON ALL TABLES IN SCHEMA {schema} TO {role}; GRANT UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};"),
    ("42501", r"permission denied for schema", "",
     *_both("Run: GRANT CREATE, USAGE ON SCHEMA {object} TO {role};")),
    ("42501", r"permission denied for database", "",
     *_both("Run: GRANT CREATE ON DATABASE {database} TO {role};")),
    ("42501", r"", "",
     *_both("Restore as the owner of what it is about")),
    ("0A000|58P01|22023|42704", r"extension .* (is not available|has no installation script)|could not open extension", "",
     "Install the extension's package on the server's host; where nothing uses it: exclude: [extensions]",
     "Install the extension's package on the server's host"),
    ("53200", r"shared memory|too many locks", "",
     "One transaction holds a lock for each object. Restore with jobs: 2, which does not need one transaction, or raise max_locks_per_transaction",
     "One transaction holds a lock for each object: raise max_locks_per_transaction and restart the server, or take an archive (pg_dump "
     "--format=custom) and restore it with jobs: 2"),
    ("53100", r"", "",
     *_both("Free space on the server's disk, {again}")),
    ("53300|", r"too many connections|remaining connection slots|too many clients", "",
     *_both("End connections, or allow more (ALTER ROLE or ALTER DATABASE ... CONNECTION LIMIT), {again}")),
    ("42883|42P01|42704", r"", "MATERIALIZED VIEW DATA",
     "A function that the view uses names something without its schema. Restore with exclude: [materialized_view_data]; afterwards give the function "
     "its search path (ALTER FUNCTION ... SET search_path = public) and fill the view (REFRESH MATERIALIZED VIEW)",
     "A function that the view uses names something without its schema. On the source run: ALTER FUNCTION ... SET search_path = public; and dump "
     "again, or take an archive (pg_dump --format=custom) and restore it with exclude: [materialized_view_data]"),
    ("42883|42P01|42704", r"does not exist", "INDEX|CONSTRAINT|CHECK CONSTRAINT|TABLE DATA|TRIGGER",
     "Where a function is named, it names something without its schema: on the source run: ALTER FUNCTION ... SET search_path = public; and dump "
     "again. With data_only, the tables must be there first",
     "Where a function is named, it names something without its schema: on the source run: ALTER FUNCTION ... SET search_path = public; and dump "
     "again. For rows alone, the tables must be there first"),
    ("42883", r"function .* does not exist", "",
     *_both("The function is a newer server's, or an extension's: restore into a server as new as the dump's, or create the extension first")),
    ("42P01|42703|3F000", r"does not exist", "",
     "What it is about must be there first: create it (migrations, or the dump's schema), or restore without data_only and tables",
     "What it is about must be there first: create it (migrations, or the dump's schema)"),
    ("25001", r"(CREATE|DROP) DATABASE", "",
     "",
     "The database to restore into is the one that is named here. Take the lines with DROP DATABASE, CREATE DATABASE and \\connect out, for "
     "example with: sed -E '/^((DROP|CREATE|ALTER) DATABASE |\\\\c)/d' {path}; a dump by pg_dump --create: {dump} without --create"),
    ("25001", r"", "",
     "No transaction takes this statement: restore with jobs: 2, which does not need one",
     "No transaction takes this statement. Take it out of the script, {again}, and run it by itself afterwards"),
    ("23503", r"", "",
     "Load the tables it refers to as well, or, as a superuser, load without checks with options: ['--disable-triggers']",
     "Load the tables it refers to first, or, as a superuser, load without checks with connect_params: {{options: '-c "
     "session_replication_role=replica'}}"),
    ("0A000", r"cannot truncate a table referenced", "",
     "Take the table that refers to it into tables as well, or empty the tables yourself",
     ""),
    ("22021|22P05|22P04", r"encoding|byte sequence", "",
     *_both("The database's encoding cannot hold it: restore into one that can (create: true with encoding: UTF8 and locale: C, or for a source in "
            "SQL_ASCII encoding: SQL_ASCII)")),
    ("428C9", r"", "",
     *_both("Rows written as INSERTs give ids that the column always makes itself: {dump}, which writes OVERRIDING SYSTEM VALUE")),
    ("22P04|22P02", r"", "",
     *_both("The dump is cut off there, or its table is not the one that is here")),
    ("57014", r"timeout", "",
     "Something sets a timeout while it runs: take it out of the dump's functions and settings",
     "The script sets a timeout itself: take that line out"),
    ("42601", r"\bALL\b|unterminated|end of input|REVOKE", "END",
     "",
     "The dump ends in the middle of a statement: it is cut off, or its last statement lacks its semicolon"),
    ("42601", r"", "",
     "Restore with a server as new as the dump's",
     "It is no SQL of PostgreSQL, or of a newer one: dumps of other databases have to be converted first"),
    ("57P|08|", r"server closed the connection|terminating connection|connection to server|could not connect|recovery mode|starting up", "",
     *_both("See the server's log, have it running again, {again}")),
    ("", r"version mismatch|unsupported version|has no|end of file|too short|corrupt|block ID", "",
     "Dump or copy it again, or use a pg_restore as new as the pg_dump that wrote it (bin_dir)",
     "Dump or copy it again"),
)  # fmt: skip


def advice(failure: Failure, place: Place) -> str:
    """What helps, as a sentence without its full stop.

    :arg failure: what happened
    :arg place: where
    """
    for states, message, kind, archive, plain in _ADVICE:
        words = plain if place.plain else archive
        if words and (kind != "ROWS" or place.schemas) and _fits(failure, states, message, kind):
            return words.format_map(_values(failure, place))
    return "Correct that, then run this again"


def _values(failure: Failure, place: Place) -> dict[str, str]:
    return {
        "again": _AGAIN,
        "dump": _DUMP,
        "dump_is": _DUMP[0].upper() + _DUMP[1:],
        "path": shlex.quote(place.path),
        "role": quote_identifier(place.role),
        "database": quote_identifier(place.database),
        "schemas": ", ".join(map(quote_identifier, place.schemas)),
        "tables": ", ".join(place.tables) or "the tables it loads",
        "schema": quote_identifier(failure.schema or "public"),
        "object": quote_identifier(_object(failure.message)),
        "line": failure.statement,
    }


def _fits(failure: Failure, states: str, message: str, kind: str) -> bool:
    if states and not (
        re.match(states, failure.sqlstate) if failure.sqlstate else "|" in states and states.endswith("|")
    ):
        return False
    if not re.search(message, failure.message):
        return False
    if kind == "SET CONSTRAINTS":
        return failure.statement.startswith(kind)
    if kind == "DROP":
        return re.match(r"DROP |ALTER TABLE .* DROP ", failure.statement) is not None
    return kind in ("", "ROWS") or failure.kind in kind.split("|")


def _object(message: str) -> str:
    """The name that a message is about: what was denied, or the first one in quotes."""
    found = re.search(r"permission denied for \w+ (.+?)(?= LINE 1: |$)", message) or re.search(
        r'"((?:[^"]|"")+)"', message
    )
    return found[1] if found else message
