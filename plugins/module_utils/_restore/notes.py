# Copyright (c) 2026, pgops contributors
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

# Characters after which notes of earlier restores are dropped.
_LONGEST = 4000

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
  noted bigint;
  missed bigint;
BEGIN
  CREATE TEMP TABLE restore_noted_{tag} ON COMMIT DROP AS
  SELECT n.nspname, c.relname, coalesce(s.n_tup_ins, 0) > 0 AS filled,
         y.xmin::text::bigint = txid_current() % 4294967296 AS made,
         CASE WHEN length(d.description) < {longest} THEN d.description END AS before
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type y ON y.oid = c.reltype
  LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid
  LEFT JOIN pg_description d ON d.objoid = y.oid AND d.classoid = $s{tag}$pg_type$s{tag}$::regclass AND d.objsubid = 0
  WHERE c.relkind = $s{tag}$r$s{tag}$
    AND c.relnamespace <> pg_my_temp_schema()
    AND (s.n_tup_ins > 0 OR y.xmin::text::bigint = txid_current() % 4294967296)
    AND pg_has_role(c.relowner, $s{tag}$USAGE$s{tag}$)
    AND (d.description IS NULL OR d.description LIKE $s{tag}${prefix}%$s{tag}$)
  ORDER BY coalesce(s.n_tup_ins, 0) > 0 DESC, c.oid
  LIMIT {most};
  SELECT count(*), (SELECT count(*) FROM pg_stat_xact_user_tables WHERE n_tup_ins > 0 AND {not_ours}) - count(*) FILTER (WHERE filled)
  INTO noted, missed FROM restore_noted_{tag};
  FOR found IN SELECT * FROM restore_noted_{tag} LOOP
    EXECUTE format($s{tag}$COMMENT ON TYPE %I.%I IS %L$s{tag}$, found.nspname, found.relname,
      concat_ws(chr(10), found.before, concat_ws($s{tag}$ $s{tag}$, $s{tag}${prefix} {fingerprint}$s{tag}$,
        CASE WHEN NOT found.filled THEN $s{tag}$made$s{tag}$ WHEN found.made THEN $s{tag}$filled$s{tag}$ ELSE $s{tag}$rows$s{tag}$ END,
        noted, missed)));
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
    """The statement that notes a restore at its end, in its own transaction; needs a safe ``search_path``.

    :arg fingerprint: of what was restored
    :arg tag: for dollar quotes, so that nothing in a dump ends them
    """
    words = {"tag": tag, "prefix": _PREFIX, "fingerprint": fingerprint, "not_ours": _NOT_OURS}
    return _NOTE.strip().format(most=_MOST, longest=_LONGEST, **words)


def noted(fingerprint: str, tag: str) -> str:
    """An expression: how many tables carry the note, and hold rows by this transaction or were made in it."""
    note = f"$c{tag}$%{_PREFIX} {fingerprint} %$c{tag}$"
    return f"(SELECT count(*) FROM pg_catalog.pg_description WHERE description LIKE {note})"


def note_tables(query: Query, fingerprint: str, kind: str, tables: Iterable[Table]) -> int:
    """Note tables, from a session of our own: for restores that are no one transaction.

    :arg query: runs a statement in an open transaction
    :arg fingerprint: of what is restored
    :arg kind: ``begun``, or ``filled`` for tables that hold rows
    :returns: how many could be noted
    """
    before = {
        (row["schema"], row["name"]): row["note"] or ""
        for row in query(
            "SELECT n.nspname::text AS schema, c.relname::text AS name, obj_description(c.reltype, 'pg_type') AS note"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE')"
        )
    }
    wanted = sorted(set(tables))
    mine = [table for table in wanted if table in before and (not before[table] or before[table].startswith(_PREFIX))][
        :_MOST
    ]
    for schema, name in mine:
        note = f"{_PREFIX} {fingerprint} {kind} {len(mine)} {len(wanted) - len(mine)}"
        lines = [line for line in before[schema, name].split("\n") if line and len(before[schema, name]) < _LONGEST]
        text = quote_literal("\n".join([*lines, note]))
        query(f"COMMENT ON TYPE {quote_identifier(schema)}.{quote_identifier(name)} IS {text}")
    return len(mine)


class Left(t.NamedTuple):
    """What is left of an earlier restore of the same part of the same dump.

    :ivar begun: whether one with several jobs did not come to its end
    :ivar whole: tables that are as it left them, as far as can be told: those it filled hold rows
    :ivar emptied: tables that it filled and that hold none now
    :ivar gone: how many are no more
    :ivar missed: how many it filled that could not be noted
    :ivar otherwise: tables that hold rows of the same dump, restored with other options
    """

    begun: bool
    whole: list[Table]
    emptied: list[Table]
    gone: int
    missed: int
    otherwise: list[Table]

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
    others: list[Table] = []
    total = missed = 0
    dump = fingerprint.partition(" ")[0]
    for row in query(_READ, {"pattern": f"%{_PREFIX} {dump} %"}):
        table = row["schema"], row["name"]
        for line in row["note"].split("\n"):
            if line.startswith(f"{_PREFIX} {fingerprint} "):
                *_words, kinds[table], number, unnoted = line.split(" ")
                total, missed = int(number), int(unnoted)
            elif line.startswith(f"{_PREFIX} {dump} ") and " made " not in line:
                others.append(table)
    filled = [table for table, kind in kinds.items() if kind in ("rows", "filled")]
    holding = set(holding_rows(query, {*filled, *others}))
    emptied = [table for table in filled if table not in holding]
    whole = [table for table, kind in kinds.items() if kind == "made" or (kind != "begun" and table in holding)]
    begun = "begun" in kinds.values()
    gone = 0 if begun else max(0, total - len(kinds))
    return Left(begun, whole, emptied, gone, missed, [table for table in others if table in holding])


def holding_rows(query: Query, tables: Iterable[Table]) -> list[Table]:
    """Those of some tables that hold rows; one that may not be read counts as one that does."""
    tables = sorted(tables)
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
