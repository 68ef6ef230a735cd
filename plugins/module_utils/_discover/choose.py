# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A session and a selection in, what a database holds of it out.

Reads catalogs only: no table is opened, so no lock on one can hold it up. For the same reason expressions are
shown by ``pg_get_expr(..., 0)``: with the table's oid it waits for an ACCESS EXCLUSIVE lock (docs/measured.md, Catalogs).
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.late import late_bound
from ansible_collections.pgops.sequences.plugins.module_utils._discover.named import mapped, unmatched
from ansible_collections.pgops.sequences.plugins.module_utils._discover.patterns import likely, selected
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import Selection, SelectionError
from ansible_collections.pgops.sequences.plugins.module_utils._discover.subscriptions import Subscribed, subscriptions
from ansible_collections.pgops.sequences.plugins.module_utils._model import Mapping
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import array
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.settings import LOOK_UP

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Mapping as Map
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import MappedColumn
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader


_NAMES = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       c.oid IN (SELECT e.objid FROM pg_depend e
                 WHERE e.classid = 'pg_class'::regclass AND e.deptype = 'e') AS of_extension
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND NOT pg_is_other_temp_schema(n.oid)
  AND (%(only)s::oid IS NULL OR c.oid = %(only)s::oid)
"""

# nextval('name'::text) leaves no dependency: there the name stands in the expression, cast by regclass(text).
# The oids of both functions, 1574 and 1079, are fixed in pg_proc.dat.
_LATE_BOUND = """
SELECT NULL::bigint AS sequence, x.adrelid::bigint AS relation, x.adnum::int AS number,
       'text' AS via, pg_get_expr(x.adbin, 0) AS expression
FROM pg_attrdef x
WHERE x.adbin::text LIKE '%:funcid 1079 %' AND x.adbin::text LIKE '%:funcid 1574 %'
"""

_DOMAINS = """
SELECT oid::bigint AS oid, typbasetype::bigint AS base, typtypmod AS modifier,
       format_type(typbasetype, NULL) AS base_name, coalesce(typdefaultbin::text, '') LIKE '%:funcid %' AS calls
FROM pg_type WHERE typtype = 'd'
"""

# The columns of a domain are listed by no index: this reads all columns there are, and is only for databases with
# domains whose default calls something.
_DOMAIN_FEEDS = """
WITH fed AS (
  SELECT y.oid AS type, y.typdefaultbin AS expression, a.attrelid AS relation, a.attnum AS number
  FROM pg_type y
  JOIN pg_attribute a ON a.atttypid = y.oid AND a.attnum > 0
   AND NOT a.attisdropped AND NOT a.atthasdef AND a.attidentity = ''
  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'f')
  WHERE y.oid = ANY (%(domains)s::oid[])
)
SELECT d.refobjid::bigint AS sequence, f.relation::bigint AS relation, f.number::int AS number,
       'domain' AS via, pg_get_expr(f.expression, 0) AS expression
FROM fed f
JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = f.type AND d.refclassid = 'pg_class'::regclass

UNION ALL
SELECT NULL, f.relation::bigint, f.number::int, 'text', pg_get_expr(f.expression, 0)
FROM fed f
WHERE f.expression::text LIKE '%%:funcid 1079 %%' AND f.expression::text LIKE '%%:funcid 1574 %%'
"""

# The sequences that tables' columns are owned by or have in their defaults, among other objects.
_FED_BY = """
SELECT d.objid::bigint AS oid
FROM pg_depend d
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY (%(relations)s::oid[]) AND d.refobjsubid > 0
  AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
UNION ALL
SELECT d.refobjid::bigint
FROM pg_attrdef x
JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = x.oid AND d.refclassid = 'pg_class'::regclass
WHERE x.adrelid = ANY (%(relations)s::oid[])
"""

_TABLES = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
  AND (c.relname::text LIKE ANY (%(likely)s::text[]) OR n.nspname || '.' || c.relname LIKE ANY (%(likely)s::text[]))
"""

_SERVER = """
SELECT txid_snapshot_xmin(txid_current_snapshot()) AS horizon,
       EXISTS (SELECT FROM pg_event_trigger WHERE evtenabled <> 'D') AS event_triggers,
       has_column_privilege('pg_subscription', 'subname', 'SELECT')
       AND has_table_privilege('pg_stat_subscription', 'SELECT') AS sees_subscriptions,
       current_setting('wal_level') <> 'minimal'
       AND (current_setting('archive_mode') <> 'off'
            OR EXISTS (SELECT FROM pg_stat_replication)
            OR EXISTS (SELECT FROM pg_replication_slots WHERE slot_type = 'physical')) AS is_replayed
"""


class Feed(t.NamedTuple):
    """That a sequence feeds a column, by one way.

    :ivar expression: the default, where it hangs on one
    :ivar mapping: what the user says of it, where he maps it
    """

    relation: int
    number: int
    via: str
    expression: str | None
    mapping: Mapping = Mapping()


class Choice(t.NamedTuple):
    """What a database holds of a selection, and what describing it takes that is looked up once.

    :ivar sequences: oids of the sequences that may be selected, by schema and name
    :ivar unmatched: options and literal names in them that fit nothing in this database
    :ivar of_extensions: those of all the database's sequences that belong to an extension
    :ivar feeds: feeds that do not hang on a sequence's own records, by the sequence's oid
    :ivar domains: facts of the database's domains, by their oids
    :ivar horizon: the oldest transaction that had not ended by then
    :ivar event_triggers: what users run with every ALTER, and for as long as that takes
    :ivar is_replayed: others may replay what this server writes, and its ACCESS EXCLUSIVE locks with it
    :ivar subscribed: the database's subscriptions, and what they fill
    """

    sequences: tuple[int, ...]
    unmatched: frozenset[tuple[str, str]]
    of_extensions: frozenset[int]
    feeds: Map[int, List[Feed]]
    domains: Map[int, Row]
    horizon: int
    event_triggers: bool
    is_replayed: bool
    subscribed: Subscribed = Subscribed()


def choose(session: Reader, selection: Selection, only: int | None = None) -> Choice:
    """Find what a selection means in a database.

    :arg session: the database
    :arg selection: which sequences are wanted
    :arg only: the one sequence that is looked for
    :returns: the sequences that may be selected; :func:`describe` tells which are
    :raises DatabaseError: a catalog could not be read
    :raises SelectionError: an entry of ``columns`` fits more than one object
    """
    server = session.query(_SERVER)[0]
    subscribed = subscriptions(session) if server.pop("sees_subscriptions") else Subscribed()
    found = {row["oid"]: row for row in session.query(_NAMES, {"only": only})}
    domains = {row["oid"]: row for row in session.query(_DOMAINS)}
    rows = session.query(_LATE_BOUND)
    calling = [oid for oid, domain in domains.items() if domain["calls"]]
    if calling:
        rows += session.query(_DOMAIN_FEEDS, {"domains": array(calling)})
    feeds: dict[int, list[Feed]] = {}
    for row in rows:
        if row["sequence"] in found:
            feeds.setdefault(row["sequence"], []).append(feed_of(row))
    late = [row for row in rows if row["via"] == "text"]
    for oid, row in late_bound(session, found, late) if late else ():
        feeds.setdefault(oid, []).append(feed_of(row))
    missing = set()
    ranges: dict[int, tuple[int | None, int | None]] = {}
    known: dict[tuple[int, int, int], MappedColumn] = {}
    for mapping in selection.columns:
        key = mapped(session, mapping)
        _refuse_contradiction(mapping, key, known)
        if key is None:
            missing.add(("columns", f"{mapping.sequence} -> {mapping.table}.{mapping.column}"))
        elif key[0] in found:
            ranges[key[0]] = _common_range(mapping, ranges.get(key[0], (None, None)))
            feeds.setdefault(key[0], []).append(Feed(key[1], key[2], "mapped", None, mapping.mapping))
    chosen = sorted(_candidates(session, selection, found, feeds), key=lambda row: (row["schema"], row["name"]))
    return Choice(
        sequences=tuple(row["oid"] for row in chosen),
        unmatched=frozenset(missing if only is not None else missing | unmatched(session, selection)),
        of_extensions=frozenset(oid for oid, row in found.items() if row["of_extension"]),
        feeds=feeds,
        domains=domains,
        subscribed=subscribed,
        **server,
    )


def _refuse_contradiction(
    entry: MappedColumn, key: tuple[int, int, int] | None, known: dict[tuple[int, int, int], MappedColumn]
) -> None:
    """Refuse two entries of ``columns`` that say different things of one sequence and column, by whatever names."""
    other = known.setdefault(key, entry) if key else entry
    if other.mapping != entry.mapping:
        place = f"{entry.sequence} -> {entry.table}.{entry.column}"
        raise SelectionError(f"columns: two entries for {place} contradict each other; keep one of them")


def _common_range(entry: MappedColumn, known: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    """What the entries of ``columns`` for one sequence say of its range, each of which cuts it.

    :raises SelectionError: they leave nothing of it
    """
    minimum = max((x for x in (entry.mapping.minimum, known[0]) if x is not None), default=None)
    maximum = min((x for x in (entry.mapping.maximum, known[1]) if x is not None), default=None)
    if minimum is not None and maximum is not None and minimum > maximum:
        raise SelectionError(
            f"columns: the entries for {entry.sequence} contradict each other: a range from {minimum} to {maximum} is empty"
        )
    return minimum, maximum


def feed_of(row: Row) -> Feed:
    """A feed, of a catalog query's row."""
    return Feed(row["relation"], row["number"], row["via"], row["expression"])


def _candidates(
    session: Reader, selection: Selection, found: Map[int, Row], feeds: Map[int, List[Feed]]
) -> Iterable[Row]:
    """The sequences that a selection may mean, by names alone: no more is read about others."""
    rows = [row for row in found.values() if selection.wants_sequence(row)]
    if not selection.tables and not selection.schemas:
        return rows

    def fed(patterns: List[str], names: Callable[[Row], tuple[str, ...]]) -> set[int]:
        tables = session.query(_TABLES, {"likely": likely(patterns)})
        relations = {row["oid"] for row in tables if selected(patterns, names(row))}
        other = {oid for oid, found in feeds.items() if any(feed.relation in relations for feed in found)}
        near = session.query(_FED_BY, {"relations": array(relations)}, settings=LOOK_UP) if relations else []
        return other.union(row["oid"] for row in near)

    if selection.tables:
        of_tables = fed(selection.tables, lambda row: (row["name"], f"{row['schema']}.{row['name']}"))
        rows = [row for row in rows if row["oid"] in of_tables]
    if selection.schemas and rows:
        of_schemas = fed(selection.schemas, lambda row: (row["schema"],))
        rows = [row for row in rows if row["oid"] in of_schemas or selected(selection.schemas, [row["schema"]])]
    return rows
