# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What a restore notes in the database, so that a second run can see what there still is of the first.

Each table that rows were loaded into (or, where there were none, that was made) carries the dump's fingerprint in a
comment on its row type. It is written in the restore's own transaction, needs no more than owning the table, goes with
the table, and stands in no dump: pg_dump does not dump types that a table brings along (measured with servers 10 to 19
and pg_dump 15 to 19, in all formats, also by pg_dumpall; docs/measured.md, Restore). pg_upgrade loses it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier, quote_literal

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row

    Query = t.Callable[..., list[Row]]
    Table = tuple[str, str]

_PREFIX = "pgops.sequences restore"

# Notes cost locks. So many tables are enough to see what is left.
_MOST = 1000

_AT_ONCE = 200

_LOADED = """
(SELECT count(*) FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins > 0 AND {not_ours}),
(SELECT coalesce(sum(n_tup_ins), 0) FROM pg_catalog.pg_stat_xact_user_tables WHERE {not_ours}),
(SELECT count(*) FROM pg_catalog.pg_class WHERE relkind IN ($k{tag}$r$k{tag}$, $k{tag}$p$k{tag}$)
  AND relnamespace <> pg_catalog.pg_my_temp_schema() AND xmin::text::bigint = pg_catalog.txid_current() % 4294967296),
pg_catalog.current_setting($k{tag}$track_counts$k{tag}$)"""
_NOT_OURS = "relid NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema())"


def loaded(tag: str) -> str:
    """Expressions for the end of the transaction: tables loaded, rows loaded, tables made or altered, whether that was counted.

    :arg tag: for dollar quotes, so that nothing in a dump ends them
    """
    return _LOADED.strip().format(tag=tag, not_ours=_NOT_OURS)


_NOTE = """
DO $do{tag}$
DECLARE
  found record;
  total bigint;
BEGIN
  CREATE TEMP TABLE restore_noted_{tag} ON COMMIT DROP AS
  SELECT n.nspname, c.relname, coalesce(s.n_tup_ins, 0) > 0 AS filled
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_xact_user_tables s ON s.relid = c.oid
  LEFT JOIN pg_catalog.pg_description d
    ON d.objoid = c.reltype AND d.classoid = $s{tag}$pg_catalog.pg_type$s{tag}$::regclass AND d.objsubid = 0
  WHERE c.relkind = $s{tag}$r$s{tag}$
    AND c.relnamespace <> pg_catalog.pg_my_temp_schema()
    AND (s.n_tup_ins > 0 OR c.xmin::text::bigint = pg_catalog.txid_current() % 4294967296)
    AND pg_catalog.pg_has_role(c.relowner, $s{tag}$USAGE$s{tag}$)
    AND (d.description IS NULL OR d.description LIKE $s{tag}${prefix}%$s{tag}$)
  ORDER BY coalesce(s.n_tup_ins, 0) > 0 DESC, c.oid
  LIMIT {most};
  SELECT count(*) INTO total FROM restore_noted_{tag};
  FOR found IN SELECT * FROM restore_noted_{tag} LOOP
    EXECUTE format($s{tag}$COMMENT ON TYPE %I.%I IS %L$s{tag}$, found.nspname, found.relname, concat_ws($s{tag}$ $s{tag}$,
      $s{tag}${prefix} {fingerprint}$s{tag}$, CASE WHEN found.filled THEN $s{tag}$rows$s{tag}$ ELSE $s{tag}$made$s{tag}$ END, total));
  END LOOP;
EXCEPTION WHEN OTHERS THEN
  -- What cannot be noted is restored all the same.
  NULL;
END
$do{tag}$ LANGUAGE plpgsql"""

_READ = """
SELECT n.nspname::text AS schema, c.relname::text AS name, d.description AS note
FROM pg_description d
JOIN pg_type y ON y.oid = d.objoid
JOIN pg_class c ON c.oid = y.typrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.classoid = 'pg_type'::regclass AND d.objsubid = 0 AND d.description LIKE %(pattern)s
ORDER BY 1, 2
"""


def note_in_transaction(fingerprint: str, tag: str) -> str:
    """The statement that notes a restore at its end, in its own transaction.

    :arg fingerprint: of what was restored
    :arg tag: for dollar quotes, so that nothing in a dump ends them
    """
    return _NOTE.strip().format(tag=tag, prefix=_PREFIX, fingerprint=fingerprint, most=_MOST)


def count(fingerprint: str, tag: str) -> str:
    """An expression: how many tables carry the note."""
    return f"(SELECT count(*) FROM pg_catalog.pg_description WHERE description LIKE $c{tag}${_PREFIX} {fingerprint} %$c{tag}$)"


def note_tables(query: Query, fingerprint: str, kind: str, tables: Iterable[Table]) -> int:
    """Note tables, from a session of our own: for restores that are no one transaction.

    :arg query: runs a statement in an open transaction
    :arg fingerprint: of what is restored
    :arg kind: ``begun``, or ``rows`` for tables that hold some
    :returns: how many could be noted
    """
    mine = {
        (row["schema"], row["name"])
        for row in query(
            "SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE')"
        )
    }
    noted = sorted(set(tables) & mine)[:_MOST]
    for schema, name in noted:
        text = quote_literal(f"{_PREFIX} {fingerprint} {kind} {len(noted)}")
        query(f"COMMENT ON TYPE {quote_identifier(schema)}.{quote_identifier(name)} IS {text}")
    return len(noted)


class Left(t.NamedTuple):
    """What is left of an earlier restore of the same part of the same dump.

    :ivar begun: whether one with several jobs did not come to its end
    :ivar whole: tables that are as it left them, as far as can be told: those it filled hold rows
    :ivar emptied: tables that it filled and that hold none now
    :ivar gone: how many are no more
    """

    begun: bool
    whole: list[Table]
    emptied: list[Table]
    gone: int

    @property
    def any(self) -> bool:
        """Whether there was such a restore at all."""
        return bool(self.begun or self.whole or self.emptied)


def left_of(query: Query, fingerprint: str) -> Left:
    """Look what is left of an earlier restore.

    :arg query: asks the database
    :arg fingerprint: of what is to be restored
    """
    kinds: dict[Table, str] = {}
    total = 0
    for row in query(_READ, {"pattern": f"{_PREFIX} {fingerprint} %"}):
        *_words, kind, number = row["note"].split(" ")
        kinds[row["schema"], row["name"]], total = kind, int(number)
    filled = [table for table, kind in kinds.items() if kind == "rows"]
    holding = set(holding_rows(query, filled))
    emptied = [table for table in filled if table not in holding]
    whole = [table for table, kind in kinds.items() if kind == "made" or table in holding]
    return Left("begun" in kinds.values(), whole, emptied, max(0, total - len(kinds)))


def holding_rows(query: Query, tables: Iterable[Table]) -> list[Table]:
    """Those of some tables that hold rows; one that may not be read counts as one that does."""
    tables = list(tables)
    found: list[Table] = []
    for place in range(0, len(tables), _AT_ONCE):
        part = tables[place : place + _AT_ONCE]
        names = [f"{quote_identifier(schema)}.{quote_identifier(name)}" for schema, name in part]
        statement = " UNION ALL ".join(
            f"SELECT {number} AS number WHERE EXISTS (SELECT FROM {name})" for number, name in enumerate(names)
        )
        try:
            found += [part[row["number"]] for row in query(statement)]
        except DatabaseError:
            found += part if len(part) == 1 else [table for each in part for table in holding_rows(query, [each])]
    return found
