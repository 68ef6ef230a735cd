# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What is left to do in a database, asked of it under the restore's lock: all, nothing, or what is in the way."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier
from ansible_collections.pgops.sequences.plugins.module_utils._restore import notes
from ansible_collections.pgops.sequences.plugins.module_utils._restore.archive import RELATIONS, large_objects
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import (
    Options,
    RestoreError,
    counted,
    named,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.stream import LOCK

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.archive import Archive

    Query = t.Callable[..., list[Row]]
    Table = tuple[str, str]

_TABLES_HERE = """
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'p' AS partitioned
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'g')
"""

_REFERENCES = """
SELECT n.nspname::text AS schema, c.relname::text AS name, m.nspname::text AS other_schema, o.relname::text AS other_name
FROM pg_constraint x
JOIN pg_class c ON c.oid = x.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class o ON o.oid = x.confrelid
JOIN pg_namespace m ON m.oid = o.relnamespace
WHERE x.contype = 'f'
"""

_HOLDER = f"""
SELECT a.pid, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI') AS since
FROM pg_locks l
JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = {LOCK}
"""


def refuse_second(query: Query, database: str) -> t.NoReturn:
    """Another restore holds the lock.

    :raises RestoreError: always; it says which one
    """
    holder = query(_HOLDER)
    who = f" since {holder[0]['since']} (server process {holder[0]['pid']})" if holder else ""
    raise RestoreError(
        f'another restore into database "{database}" is running{who}. Nothing was changed.'
        " Wait for its end and run this again: it will see whether anything is left to do"
        + (f". To end it: SELECT pg_terminate_backend({holder[0]['pid']});" if holder else "")
    )


def check_temporary(query: Query, role: str, database: str) -> None:
    """The restore guards its transaction with a temporary table.

    :raises RestoreError: the role may not make one
    """
    if not query("SELECT has_database_privilege(current_database(), 'TEMPORARY') AS may")[0]["may"]:
        grant = f"GRANT TEMPORARY ON DATABASE {quote_identifier(database)} TO {quote_identifier(role)};"
        raise RestoreError(
            f'"{role}" may not make temporary tables in database "{database}", by one of which the restore guards its transaction.'
            f" Nothing was changed. Run: {grant}"
        )


def can_note(query: Query) -> bool:
    """Whether a note can be made inside a transaction: that takes PL/pgSQL."""
    rows = query("SELECT has_language_privilege(oid, 'USAGE') AS may FROM pg_language WHERE lanname = 'plpgsql'")
    return bool(rows and rows[0]["may"])


def still_there(
    query: Query, fingerprint: str, options: Options, what: str, plain: bool, loads: list[Table] | None
) -> tuple[str, bool]:
    """Whether what the dump brings is there already, and nothing is to be done.

    :arg fingerprint: of the dump and of what is wanted of it
    :arg what: the restore, in words
    :arg plain: whether it is SQL for psql, rather than an archive
    :arg loads: tables that rows will be loaded into; None where that is not known
    :returns: why nothing is to be done, as sentences, empty where it is to be restored; and whether a part is missing
    :raises RestoreError: it cannot be told what of it is there
    """
    left = notes.left_of(query, fingerprint)
    if options.force or (left.begun and options.clean):
        return "", False
    if left.begun:
        raise RestoreError(
            f"an earlier try of {what} with several jobs did not end, and its tables may hold part of it. Nothing was changed now. Load them"
            " again with clean: true, which empties them first"
        )
    otherwise = left.otherwise if loads is None else sorted(set(left.otherwise) & set(loads))
    if not left.any and otherwise and not options.clean:
        raise RestoreError(
            f"rows of the same dump are in the database already, by a restore with other options: in {named(otherwise)}. Nothing was"
            " changed. force: true loads them a second time; clean: true replaces all rows of these tables"
        )
    if not left.whole:
        if left.any and left.missed and not options.clean:
            raise RestoreError(
                f"{what} was done before; the tables that it could note are empty or gone, but {counted(left.missed, 'table')} that it filled"
                " could not be noted, and may hold their rows still. Nothing was changed. force: true loads them all again"
            )
        return "", False
    replace = (
        "drop the database first"
        if plain
        else "use clean: true and force: true, which replace what is there, also what came since"
    )
    if not left.emptied and not left.gone:
        return (
            f"Not restored, because {what} was done before, and what it brought is still there"
            f" ({counted(len(left.whole), 'table')}; those that it filled hold rows). To have it restored again, {replace}."
        ), False
    if options.clean:
        return "", False
    told = [f"{named(left.emptied)} hold{'s' if len(left.emptied) == 1 else ''} no rows now"] if left.emptied else []
    told += [f"{left.gone} {'is' if left.gone == 1 else 'are'} gone"] if left.gone else []
    total = counted(len(left.whole) + len(left.emptied) + left.gone, "table")
    again = replace if plain else "use clean: true, which replaces what is there, also what came since"
    return (
        f"Not restored, because {what} was done before, and most of what it brought is still there; but of the {total}"
        f" {' and '.join(told)}. To have it restored again, {again}."
    ), True


def compare(query: Query, archive: Archive, options: Options) -> list[str]:
    """Compare an archive with the database, and fit it to that.

    :returns: what has to be emptied first, as statements
    :raises RestoreError: what it creates is there already
    """
    here = {(row["schema"], row["name"]): row["partitioned"] for row in query(_TABLES_HERE)}
    if options.data_only:
        rows = query(_REFERENCES)
        archive.order(((row["schema"], row["name"]), (row["other_schema"], row["other_name"])) for row in rows)
        return _emptying(query, archive, here) if options.clean else []
    if options.clean or {"--clean", "-c"} & set(options.options):
        return []
    makes = archive.names(archive.of(*RELATIONS))
    there = sorted(set(makes) & set(here))
    if there:
        raise RestoreError(
            f'database "{options.database}" already has {len(there)} of the {len(makes)} tables, views and sequences that the dump'
            f" {archive.path} creates: {named(there)}. Nothing was changed. Restore into an empty database, or set clean: true to have"
            " them replaced, or data_only: true to load rows into them"
        )
    _leave_out_schemas(query, archive)
    return []


_CONFIGURATION = """
SELECT n.nspname::text AS schema, c.relname::text AS name, x.condition
FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS x(oid, condition)
JOIN pg_class c ON c.oid = x.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
"""


def _emptying(query: Query, archive: Archive, here: dict[Table, bool]) -> list[str]:
    entries = archive.of("TABLE DATA")
    # pg_dump --load-via-partition-root: rows go elsewhere than the entry says.
    loads = [name if name in here else archive.sql_name(entry) for entry, name in zip(entries, archive.names(entries))]
    # Of an extension's table a dump holds the users' own rows alone.
    configuration = {(row["schema"], row["name"]): row["condition"] or "" for row in query(_CONFIGURATION)}
    tables = list(dict.fromkeys(loads))
    # ONLY: children by inheritance may not be among what is loaded.
    names = [
        ("" if here.get(table) else "ONLY ") + sql_names([table]) for table in tables if table not in configuration
    ]
    statements = [f"TRUNCATE {', '.join(names)}"] if names else []
    statements += [
        f"DELETE FROM {sql_names([table])} {configuration[table]}" for table in tables if table in configuration
    ]
    numbers = large_objects(archive)
    if numbers:
        found = f"FROM pg_catalog.pg_largeobject_metadata WHERE oid IN ({', '.join(numbers)})"
        statements.append(f"SELECT pg_catalog.lo_unlink(oid) {found}")
    return statements


def _leave_out_schemas(query: Query, archive: Archive) -> None:
    """Leave out the making of schemas that are there, as public always is, and keep what else is said of them."""
    schemas = {row["name"] for row in query("SELECT nspname::text AS name FROM pg_namespace")}
    made = {number for number, name in archive.schemas_made().items() if name in schemas}
    archive.keep(lambda entry: entry.number not in made)


def sql_names(tables: Sequence[Table]) -> str:
    """Tables as SQL names them, separated by commas."""
    return ", ".join(f"{quote_identifier(schema)}.{quote_identifier(name)}" for schema, name in tables)
