# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Columns in, what the catalogs say of them, their tables and all below these out."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import array
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.settings import LOOK_UP, MOST_RELATIONS

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader


# A superuser's privileges are not looked up: asking costs as much as the rest. A generated column takes no value from a
# sequence, even if its expression names one.
# The access method 403 is btree (pg_am.dat). Planning locks every index of a table.
_COLUMNS = """
SELECT q.relation::bigint AS relation, q.number::int AS number,
       n.nspname::text AS schema, c.relname::text AS "table", a.attname::text AS name,
       format_type(a.atttypid, a.atttypmod) AS type_name, a.atttypid::bigint AS type, a.atttypmod AS modifier,
       c.relkind::text AS kind, c.relpersistence = 'u' AS unlogged,
       c.relkind = 'f' AS reaches_foreign, coalesce(x.indexed, false) AS indexed, (1 + x.indexes)::int AS relations,
       pg_get_userbyid(c.relowner)::text AS owner,
       me.is_superuser OR coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS schema_usage,
       me.is_superuser OR coalesce(has_column_privilege(c.oid, a.attnum, 'SELECT'), false) AS can_select,
       me.is_superuser OR coalesce(has_table_privilege(c.oid, %(lock_privileges)s), false) AS can_lock,
       c.relrowsecurity AND row_security_active(c.oid) AS row_security,
       a.attgenerated <> '' AS generated,
       c.relkind = 'p' OR c.relhassubclass
       OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS has_relatives,
       c.relkind = 'p' OR coalesce(x.computed, false)
       OR EXISTS (SELECT FROM pg_statistic_ext e WHERE e.stxrelid = c.oid) AS has_code
FROM unnest(%(relations)s::oid[], %(numbers)s::int2[]) AS q (relation, number)
JOIN pg_class c ON c.oid = q.relation
JOIN pg_namespace n ON n.oid = c.relnamespace AND NOT pg_is_other_temp_schema(n.oid)
JOIN pg_attribute a ON a.attrelid = q.relation AND a.attnum = q.number AND NOT a.attisdropped
CROSS JOIN (SELECT current_setting('is_superuser')::bool AS is_superuser) me
CROSS JOIN LATERAL (
  SELECT count(*) AS indexes,
         bool_or(i.indkey[0] = q.number AND i.indisvalid AND i.indpred IS NULL AND k.relam = 403) AS indexed,
         bool_or(i.indpred IS NOT NULL OR i.indexprs IS NOT NULL) AS computed
  FROM pg_index i
  JOIN pg_class k ON k.oid = i.indexrelid
  WHERE i.indrelid = q.relation
) x
"""

_GENERATED_COLUMNS = 120000

_COLUMNS_BEFORE_12 = _COLUMNS.replace("a.attgenerated <> ''", "false")

# max() on a table reads its partitions and inheritance children too: what holds for one must hold for all of them.
# Where they are too many for one transaction, and each may be read by itself, they are listed as parts.
_FAMILIES = """
WITH RECURSIVE asked AS (
  SELECT relation, number FROM unnest(%(relations)s::oid[], %(numbers)s::int2[]) AS fed (relation, number)
), family AS (
  SELECT relation AS root, relation AS member FROM asked
  UNION
  SELECT f.root, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.member
), members AS (
  SELECT q.relation, q.number, k.oid AS member, k.relkind AS kind, k.relpersistence, x.indexes, x.indexed,
         quote_ident(n.nspname) || '.' || quote_ident(k.relname) AS sql_name,
         coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(k.oid, b.attnum, 'SELECT'), false)
         AND NOT (k.relrowsecurity AND row_security_active(k.oid)) AS readable
  FROM asked q
  JOIN pg_attribute a ON a.attrelid = q.relation AND a.attnum = q.number
  JOIN family f ON f.root = q.relation
  JOIN pg_class k ON k.oid = f.member
  JOIN pg_namespace n ON n.oid = k.relnamespace
  JOIN pg_attribute b ON b.attrelid = k.oid AND b.attname = a.attname AND NOT b.attisdropped
  CROSS JOIN LATERAL (
    SELECT count(*) AS indexes,
           bool_or(i.indkey[0] = b.attnum AND i.indisvalid AND i.indpred IS NULL AND h.relam = 403) AS indexed
    FROM pg_index i
    JOIN pg_class h ON h.oid = i.indexrelid
    WHERE i.indrelid = k.oid
  ) x
)
SELECT m.relation::bigint AS relation, m.number::int AS number,
       sum(1 + m.indexes)::int AS relations,
       bool_or(m.kind = 'f') AS reaches_foreign,
       bool_or(m.relpersistence = 'u') AS unlogged,
       bool_and(m.kind = 'p' OR coalesce(m.indexed, false)) AS indexed,
       array_agg(m.member::bigint) AS members,
       CASE WHEN sum(1 + m.indexes) > %(most)s AND bool_and(m.readable OR m.kind = 'p')
            THEN array_agg(m.sql_name ORDER BY m.member) FILTER (WHERE m.kind <> 'p') END AS parts,
       (SELECT array_agg(f.root::bigint) FROM family f WHERE f.member = m.relation AND f.root <> f.member) AS above
FROM members m
GROUP BY m.relation, m.number
"""

# Planning a query on a table evaluates what is constant in the expressions of its indexes, extended statistics and
# partition key, by whatever functions.
_UNTRUSTED = """
WITH planned AS (
  SELECT indrelid AS relation, 'pg_class'::regclass::oid AS class, indexrelid AS object
  FROM pg_index WHERE indrelid = ANY (%(relations)s::oid[]) AND (indpred IS NOT NULL OR indexprs IS NOT NULL)
  UNION ALL
  SELECT stxrelid, 'pg_statistic_ext'::regclass, oid
  FROM pg_statistic_ext WHERE stxrelid = ANY (%(relations)s::oid[])
  UNION ALL
  SELECT partrelid, 'pg_class'::regclass, partrelid
  FROM pg_partitioned_table WHERE partrelid = ANY (%(relations)s::oid[])
)
SELECT DISTINCT l.relation::bigint AS relation
FROM planned l
JOIN pg_depend d ON d.classid = l.class AND d.objid = l.object
LEFT JOIN pg_operator p ON d.refclassid = 'pg_operator'::regclass AND p.oid = d.refobjid
JOIN pg_proc f ON f.oid = CASE d.refclassid WHEN 'pg_proc'::regclass THEN d.refobjid ELSE p.oprcode END
JOIN pg_roles r ON r.oid = f.proowner
WHERE NOT r.rolsuper AND r.rolname <> current_user
"""


def facts_of(session: Reader, asked: List[tuple[int, int]]) -> dict[tuple[int, int], Row]:
    """What the catalogs say of columns and their tables, by relation and attribute number.

    :raises DatabaseError: a catalog could not be read
    """
    # What LOCK TABLE ... IN SHARE ROW EXCLUSIVE MODE asks for, any one of them (manual, LOCK).
    privileges = "UPDATE, DELETE, TRUNCATE" + (", MAINTAIN" if session.version_number >= 170000 else "")
    statement = _COLUMNS if session.version_number >= _GENERATED_COLUMNS else _COLUMNS_BEFORE_12
    facts: dict[tuple[int, int], Row] = {}
    for row in session.query(statement, {**_pairs(asked), "lock_privileges": privileges}, settings=LOOK_UP):
        if not row["generated"]:
            facts[row["relation"], row["number"]] = {**row, "parts": (), "above": (), "members": ()}
    related = [key for key, row in facts.items() if row["has_relatives"]]
    if related:
        for row in session.query(_FAMILIES, {**_pairs(related), "most": MOST_RELATIONS}):
            row["parts"], row["above"] = tuple(row["parts"] or ()), row["above"] or ()
            facts[row["relation"], row["number"]].update(row)
    suspects = {relation for (relation, _number), row in facts.items() if row["has_code"]}
    suspects.update(member for row in facts.values() for member in row["members"])
    found = session.query(_UNTRUSTED, {"relations": array(suspects)}, settings=LOOK_UP) if suspects else []
    untrusted = {row["relation"] for row in found}
    for (relation, _number), row in facts.items():
        row["untrusted"] = relation in untrusted or not untrusted.isdisjoint(row["members"])
    return facts


def _pairs(asked: Iterable[tuple[int, int]]) -> dict[str, str]:
    relations, numbers = zip(*asked)
    return {"relations": array(relations), "numbers": array(numbers)}
