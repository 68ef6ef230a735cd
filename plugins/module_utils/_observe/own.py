# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.


"""The operator's own SQL of a column (``columns``: ``where``, ``expression``) in, what it may stand in out.

It is the operator's, not the database's: it runs with the rights he connects with, in read-only transactions, under the
session's timeouts. That it stays in its place was checked before anything was connected to (``_arguments``); here it
stands in parentheses on lines of its own.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import Trouble
from ansible_collections.pgops.sequences.plugins.module_utils._observe.troubles import own_sql_trouble, own_texts
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Column
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions

# An operator that no type of a column has is looked up through its casts, whoever owns their functions.
_CASTS = """
SELECT FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_type y ON y.oid = a.atttypid
JOIN pg_cast k ON k.castsource IN (y.oid, y.typbasetype, y.typelem, c.reltype)
JOIN pg_proc p ON p.oid = k.castfunc
JOIN pg_roles r ON r.oid = p.proowner
WHERE a.attrelid = %(relation)s AND a.attnum > 0 AND NOT a.attisdropped
  AND NOT (r.rolsuper OR r.rolname = current_user)
LIMIT 1
"""

_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")


def own_rows(column: Column, table: str, more: str = "") -> str:
    """A table expression of the values that count, as ``own.value``.

    :arg table: the table, quoted, or one of its parts
    :arg more: what follows its WHERE, where no row is to be read
    """
    mapping = column.mapping
    value = column.sql_name if mapping.expression is None else f"(\n{mapping.expression}\n)"
    condition = "" if mapping.where is None else f" WHERE (\n{mapping.where}\n)"
    # OFFSET 0 keeps the planner from asking a range of the value first, of rows that the condition leaves out.
    return f"(SELECT {value} AS value FROM {table}{condition}{more or ' OFFSET 0'}) AS own"


def own_trouble(sessions: Sessions, column: Column, trusted: bool) -> Trouble | None:
    """Have the server parse it without reading a row: why it cannot be used, or None.

    :arg trusted: functions of other, ordinary roles may be run
    """
    if not trusted and sessions.query(_CASTS, {"relation": column.relation}):
        return Trouble(
            "untrusted_code",
            f"{column.schema}.{column.table} has a column of a type whose casts call functions of another role, and"
            f" {own_texts(column)} may run them with the rights of {sessions.role}",
            f"connect as the table's owner, {column.owner}, or trust them with trust_index_functions: true",
        )
    rows = own_rows(column, column.sql_table, " LIMIT 0")
    statement = f"SELECT pg_typeof(own.value)::text AS type FROM (SELECT 1) AS one LEFT JOIN {rows} ON true"
    try:
        found = sessions.query(statement)[0]["type"]
    except DatabaseError as error:
        return own_sql_trouble(error, column, sessions.first)
    if found in _NUMBERS or column.mapping.expression is None:
        return None
    return Trouble(
        "not_a_number",
        f"{own_texts(column)} gives {found}, which is no number",
        "correct the entry of columns: the expression has to give a whole number, by a cast such as ::bigint perhaps",
    )
