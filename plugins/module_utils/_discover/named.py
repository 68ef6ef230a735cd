# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Names in options in, the objects of a database that bear them out."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.patterns import literals
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import SelectionError

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import MappedColumn, Selection
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
SELECT attnum::int AS number FROM pg_attribute
WHERE attrelid = %(relation)s AND attname = %(name)s AND attnum > 0 AND NOT attisdropped
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
    number = session.query(_ATTRIBUTE, {"relation": table, "name": mapping.column})
    return (sequence, table, number[0]["number"]) if number else None


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
