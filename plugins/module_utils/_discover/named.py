# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Names in options in, the objects of a database that bear them out."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.patterns import literals
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import SelectionError
from ansible_collections.pgops.sequences.plugins.module_utils._limits import type_limits
from ansible_collections.pgops.sequences.plugins.module_utils._model import SINGLE

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import MappedColumn, Selection
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader


_NAMED = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND NOT pg_is_other_temp_schema(n.oid)
  AND (c.relname = ANY (%(names)s::text[]) OR n.nspname || '.' || c.relname = ANY (%(names)s::text[]))
"""

_SCHEMAS = """
SELECT nspname::text AS name FROM pg_namespace WHERE nspname = ANY (%(names)s::text[])
"""

_ATTRIBUTE = """
SELECT attnum::int AS number, format_type(atttypid, NULL) AS base_type, atttypmod AS modifier FROM pg_attribute
WHERE attrelid = %(relation)s AND attname = %(name)s AND attnum > 0 AND NOT attisdropped
"""

_BOUNDS = """
SELECT seqincrement AS increment, seqmin AS lowest, seqmax AS highest FROM pg_sequence WHERE seqrelid = %(oid)s
"""

_TABLE_KINDS = "rpfvm"


def mapped(session: Reader, mapping: MappedColumn) -> tuple[int, int, int] | None:
    """The oids of sequence and table and the number of the column that an entry of ``columns`` names.

    :raises SelectionError: a name fits more than one object
    """
    sequence = _one(session, mapping.sequence, "S")
    table = _one(session, mapping.table, _TABLE_KINDS)
    if sequence is None or table is None:
        return None
    found = session.query(_ATTRIBUTE, {"relation": table, "name": mapping.column})
    if not found:
        return None
    _refuse_what_cannot_be(session, mapping, sequence, found[0])
    return sequence, table, found[0]["number"]


def _refuse_what_cannot_be(session: Reader, entry: MappedColumn, sequence: int, column: Row) -> None:
    """Refuse what an entry of ``columns`` says that sequence and column cannot bear out.

    :raises SelectionError: an allocation in blocks of one, a range outside the type
    """
    mapping = entry.mapping
    place = f'{entry.sequence} -> {entry.table}.{entry.column} in database "{session.database}"'
    (bounds,) = session.query(_BOUNDS, {"oid": sequence})
    increment = bounds["increment"]
    if mapping.allocation != SINGLE and abs(increment) == 1:
        raise SelectionError(
            f"columns: {place}: allocation: {mapping.allocation}, but {entry.sequence} has INCREMENT {increment}: with it"
            " each value stands for itself. If the application takes blocks of n from it all the same, ids collide at its"
            f" next start: ALTER SEQUENCE {entry.sequence} INCREMENT n, or leave allocation out and give an expression:"
            f' "{entry.column} + n - 1"'
        )
    above = mapping.minimum is not None and mapping.minimum > bounds["highest"]
    if above or (mapping.maximum is not None and mapping.maximum < bounds["lowest"]):
        raise SelectionError(
            f"columns: {place}: minimum and maximum leave nothing of what {entry.sequence} hands out,"
            f" {bounds['lowest']}..{bounds['highest']}"
        )
    limits = type_limits(column["base_type"], column["modifier"])
    if limits is None or mapping.expression is not None:
        return
    for name, value in (("minimum", mapping.minimum), ("maximum", mapping.maximum)):
        if value is not None and value not in limits:
            raise SelectionError(
                f"columns: {place}: {name}: {value} is outside {column['base_type']},"
                f" which holds {limits.lowest}..{limits.highest}"
            )


def unmatched(session: Reader, selection: Selection) -> set[tuple[str, str]]:
    """Options and literal names that no object of this database bears, whether or not a sequence feeds it."""
    missing = {("schemas", name) for name in literals(selection.schemas)}
    if missing:
        rows = session.query(_SCHEMAS, {"names": [name for _option, name in missing]})
        missing -= {("schemas", row["name"]) for row in rows}
    wanted = [("tables", name) for name in literals(selection.tables)]
    wanted += [("sequences", name) for name in literals(selection.sequences)]
    if wanted:
        rows = session.query(_NAMED, {"names": [name for _option, name in wanted]})
        there = {
            ("sequences" if row["kind"] == "S" else "tables", name)
            for row in rows
            for name in (row["name"], f"{row['schema']}.{row['name']}")
        }
        missing |= set(wanted) - there
    return missing


def _one(session: Reader, name: str, kinds: str) -> int | None:
    rows = [row for row in session.query(_NAMED, {"names": [name]}) if row["kind"] in kinds]
    if len(rows) > 1:
        places = ", ".join(sorted(f"{row['schema']}.{row['name']}" for row in rows))
        raise SelectionError(f'columns: "{name}" in database "{session.database}" may be {places}; name its schema')
    return rows[0]["oid"] if rows else None
