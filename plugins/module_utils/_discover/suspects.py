# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A session in, the facts by which sequences that no column is known to draw from may be suspected of a column out.

Catalogs alone are read; functions of triggers are read as text, never run. Where there is no such sequence, one statement
is all it costs.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import Facts, Key, Orphan, Trigger

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import Choice
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader

# One that all tables of an application share may be the default of some, and drawn by the application for the others.
# A default hangs on its sequence by 'n'; up to version 13 a sequence's own row type does by 'i'.
_ORPHANS = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, s.seqcycle AS cycle
FROM pg_class c
JOIN pg_sequence s ON s.seqrelid = c.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND n.nspname <> 'information_schema' AND left(n.nspname::text, 3) <> 'pg_'
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                    AND (d.deptype IN ('i', 'e') OR d.deptype = 'a' AND d.refobjsubid > 0))
  AND (NOT EXISTS (SELECT FROM pg_depend d
                   WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                     AND d.classid IN ('pg_attrdef'::regclass, 'pg_type'::regclass) AND d.deptype = 'n')
       OR lower(c.relname::text) = ANY (%(shared)s::text[]))
"""

# Keys of one integer column that have no source of their own: no default, no identity, no sequence they own, and no key
# of another table that they refer to. The parent stands for partitions and children. Nearly all keys have a default: they go
# before anything else is looked up of them.
_KEYS = """
WITH keys AS (
  SELECT i.indrelid AS relation, i.indkey[0] AS number, bool_or(i.indisprimary) AS is_primary
  FROM pg_index i
  WHERE i.indisvalid AND i.indisunique AND i.indpred IS NULL AND i.indkey[0] > 0 AND {columns} = 1
    AND NOT EXISTS (SELECT FROM pg_attrdef x WHERE x.adrelid = i.indrelid AND x.adnum = i.indkey[0])
  GROUP BY i.indrelid, i.indkey[0]
)
SELECT k.relation::bigint AS relation, k.number::int AS number, n.nspname::text AS schema, c.relname::text AS "table",
       a.attname::text AS column, k.is_primary OR count(*) OVER (PARTITION BY k.relation) = 1 AS main
FROM keys k
JOIN pg_class c ON c.oid = k.relation AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> 'information_schema' AND left(n.nspname::text, 3) <> 'pg_'
JOIN pg_attribute a ON a.attrelid = k.relation AND a.attnum = k.number AND NOT a.attisdropped
JOIN pg_type y ON y.oid = a.atttypid
WHERE (k.is_primary OR a.attnotnull)
  AND (CASE WHEN y.typtype = 'd' THEN y.typbasetype ELSE y.oid END IN (20, 21, 23)
       OR a.atttypid = 1700 AND (a.atttypmod < 4 OR (a.atttypmod - 4) & 2047 = 0))
  AND a.attidentity = ''
  AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = k.relation AND d.refobjsubid = k.number
                    AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
                    AND EXISTS (SELECT FROM pg_sequence s WHERE s.seqrelid = d.objid))
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = k.relation AND d.deptype = 'e')
  AND NOT EXISTS (SELECT FROM pg_constraint f
                  WHERE f.conrelid = k.relation AND f.contype = 'f' AND f.conkey = ARRAY[k.number])
"""

_KEY_COLUMNS, _KEY_COLUMNS_BEFORE_11 = "i.indnkeyatts", "i.indnatts"
_INCLUDED_COLUMNS = 110000
"""From here on an index may include columns that are no key (CREATE INDEX, INCLUDE)."""

# Row triggers before INSERT: bits 0, 1 and 2 of tgtype (pg_trigger.h).
_TRIGGERS = """
SELECT t.oid::bigint AS trigger, p.prosrc AS source, t.tgrelid::bigint AS relation, a.attnum::int AS number,
       n.nspname::text AS schema, c.relname::text AS "table", a.attname::text AS column
FROM pg_trigger t
JOIN pg_proc p ON p.oid = t.tgfoid
JOIN pg_class c ON c.oid = t.tgrelid AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = ''
 AND (a.atttypid IN (20, 21, 23) OR a.atttypid = 1700)
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 7 = 7 AND p.prosrc ILIKE '%nextval%'
  AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid)
"""

# Whole numbers and texts of the server's own: anybody may give a table such a name, and a type of his an implicit cast,
# which is a function of his that our rights would run.
_COLUMNS = """
SELECT c.oid::bigint AS relation, a.attnum::int AS number, n.nspname::text AS schema, c.relname::text AS "table",
       a.attname::text AS column
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type y ON y.oid = a.atttypid
WHERE c.relkind IN ('r', 'p') AND c.relname = ANY (%(tables)s::text[])
  AND CASE WHEN y.typtype = 'd' THEN y.typbasetype ELSE y.oid END IN (20, 21, 23, 25, 1043, 1700)
"""

_TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relname = ANY (%(names)s::text[])
ORDER BY 1, 2
"""


def facts_of_orphans(session: Reader, choice: Choice, tables: Iterable[str], shared: Iterable[str]) -> Facts:
    """Read what shows who may draw from sequences that no column is known to draw from.

    :arg session: the database
    :arg choice: what was found in it; what it feeds late, through domains or by hand is known
    :arg tables: names of tables that known applications have
    :arg shared: names of sequences, in lower case, that all tables of an application share
    :returns: no facts at all where there is no such sequence
    :raises DatabaseError: a catalog could not be read
    """
    shared = list(shared)
    rows = [
        row
        for row in session.query(_ORPHANS, {"shared": shared})
        if not any(row["name"].lower() not in shared or x.via == "mapped" for x in choice.feeds.get(row["oid"], ()))
    ]
    if not rows:
        return Facts()
    inner = _KEY_COLUMNS if session.version_number >= _INCLUDED_COLUMNS else _KEY_COLUMNS_BEFORE_11
    triggers: dict[int, list[Row]] = {}
    for row in session.query(_TRIGGERS):
        triggers.setdefault(row["trigger"], []).append(row)
    return Facts(
        orphans=tuple(Orphan(row["oid"], row["schema"], row["name"], row["cycle"]) for row in rows),
        keys=tuple(_key(row) for row in session.query(_KEYS.format(columns=inner))),
        triggers=tuple(Trigger(found[0]["source"], tuple(map(_key, found))) for found in triggers.values()),
        columns=tuple(_key(row) for row in session.query(_COLUMNS, {"tables": list(tables)})),
    )


def tables_named(session: Reader, names: Iterable[str]) -> list[tuple[str, str]]:
    """Schema and name of the tables that bear one of some names, in lower or in upper case.

    :raises DatabaseError: a catalog could not be read
    """
    wanted = [written for name in names for written in (name, name.upper())]
    return [(row["schema"], row["name"]) for row in session.query(_TABLES, {"names": wanted})]


def _key(row: Row) -> Key:
    return Key(row["relation"], row["number"], row["schema"], row["table"], row["column"], row.get("main", True))
