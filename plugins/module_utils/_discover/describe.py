# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Sequences that were chosen in, their definitions and every column they feed out."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import feed_of
from ansible_collections.pgops.sequences.plugins.module_utils._discover.defaults import (
    Default,
    is_custom,
    parse_default,
)
from ansible_collections.pgops.sequences.plugins.module_utils._discover.tables import facts_of
from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Mapping, Sequence
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import array
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.settings import LOOK_UP

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Mapping as Map
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import Choice, Feed
    from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import Selection
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader


_SEQUENCES = """
SELECT s.seqrelid::bigint AS oid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS sql_name,
       format_type(s.seqtypid, NULL) AS data_type,
       s.seqstart AS start_value,
       s.seqincrement AS increment,
       s.seqmin AS min_value,
       s.seqmax AS max_value,
       s.seqcache AS cache_size,
       s.seqcycle AS cycle,
       c.relpersistence = 'u' AS unlogged,
       n.nspname = 'information_schema' OR left(n.nspname::text, 3) = 'pg_' AS system,
       pg_get_userbyid(c.relowner)::text AS owner,
       EXISTS (SELECT FROM pg_roles r WHERE r.oid = c.relowner AND r.rolsuper) AS owner_is_superuser,
       me.is_superuser OR pg_has_role(c.relowner, 'USAGE') AS owned,
       me.is_superuser OR coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS schema_usage,
       me.is_superuser OR coalesce(has_sequence_privilege(c.oid, 'SELECT'), false) AS can_select,
       me.is_superuser OR coalesce(has_sequence_privilege(c.oid, 'USAGE'), false) AS can_use,
       me.is_superuser OR coalesce(has_sequence_privilege(c.oid, 'UPDATE'), false) AS can_update
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN (SELECT current_setting('is_superuser')::bool AS is_superuser) me
WHERE s.seqrelid = ANY (%(sequences)s::oid[])
"""

# A sequence feeds a column because it is owned by it (serial: 'a', identity: 'i'), or because the column's default
# calls nextval on it.
_FEEDS = """
SELECT d.objid::bigint AS sequence, d.refobjid::bigint AS relation, d.refobjsubid::int AS number,
       CASE d.deptype WHEN 'i' THEN 'identity' ELSE 'owned' END AS via, NULL::text AS expression,
       pg_get_expr(x.adbin, 0) AS owner_default
FROM pg_depend d
LEFT JOIN pg_attrdef x ON x.adrelid = d.refobjid AND x.adnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.objid = ANY (%(sequences)s::oid[]) AND d.objsubid = 0
  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')

UNION ALL
SELECT d.refobjid::bigint, x.adrelid::bigint, x.adnum::int, 'default', pg_get_expr(x.adbin, 0), NULL
FROM pg_depend d
JOIN pg_attrdef x ON x.oid = d.objid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY (%(sequences)s::oid[])
  AND d.classid = 'pg_attrdef'::regclass
"""


def describe(session: Reader, selection: Selection, choice: Choice, oids: List[int]) -> list[Sequence]:
    """Read the definitions of sequences and every column they feed.

    :arg session: the database
    :arg selection: which sequences are wanted
    :arg choice: what :func:`choose` found
    :arg oids: some of its sequences
    :returns: those that are there and selected, in the order of the oids
    :raises DatabaseError: a catalog could not be read
    """
    return [sequence for sequence in described(session, selection, choice, oids) if selection.wants(sequence)]


def described(session: Reader, selection: Selection, choice: Choice, oids: List[int]) -> Iterator[Sequence]:
    """As :func:`describe`, whether or not they are selected."""
    asked = {"sequences": array(oids)}
    rows = {row["oid"]: row for row in session.query(_SEQUENCES, asked, settings=LOOK_UP)}
    feeds: dict[int, list[Feed]] = {oid: list(choice.feeds.get(oid, ())) for oid in rows}
    owners: dict[tuple[int, int, int], str | None] = {}
    for row in session.query(_FEEDS, asked, settings=LOOK_UP):
        if row["sequence"] in feeds:
            feeds[row["sequence"]].append(feed_of(row))
            if row["via"] == "owned":
                owners[row["sequence"], row["relation"], row["number"]] = row["owner_default"]
    columns = _columns(session, choice.domains, _ways(feeds, owners))
    for oid in oids:
        if oid in rows:
            fed = columns.get(oid, ())
            yield Sequence(
                of_extension=oid in choice.of_extensions,
                columns=fed,
                subscription=choice.subscribed.of(oid, [column.relation for column in fed]),
                named=selection.names(rows[oid]["schema"], rows[oid]["name"]),
                **rows[oid],
            )


def supposed(
    session: Reader, choice: Choice, asked: Map[int, List[tuple[int, int, Mapping]]]
) -> dict[int, tuple[Column, ...]]:
    """Columns that sequences are only supposed to feed, as if they did.

    :arg asked: table, attribute number and what is to be said of the column, by the sequences' oids
    :raises DatabaseError: a catalog could not be read
    """
    ways: dict[tuple[int, int, int], _Way] = {}
    for sequence, keys in asked.items():
        for relation, number, mapping in keys:
            way = ways[sequence, relation, number] = _Way()
            way.via, way.mapping = {"suspected"}, mapping
    return _columns(session, choice.domains, ways)


class _Way:
    """One sequence and one column it feeds, through all the ways found."""

    def __init__(self) -> None:
        self.via: set[str] = set()
        self.transformed = False
        self.casts: tuple[str, ...] = ()
        self.custom_default = False
        self.lost_default = False
        self.mapping = Mapping()


def _ways(
    feeds: Map[int, Iterable[Feed]], owners: Map[tuple[int, int, int], str | None]
) -> dict[tuple[int, int, int], _Way]:
    """What feeds what, by (sequence, relation, attribute number)."""
    ways: dict[tuple[int, int, int], _Way] = {}
    for sequence, found in feeds.items():
        for feed in found:
            default = Default((), False, None) if feed.expression is None else parse_default(feed.expression)
            if default is None:
                continue
            way = ways.setdefault((sequence, feed.relation, feed.number), _Way())
            way.via.add(feed.via)
            way.transformed |= default.transformed
            way.casts += default.casts
            if feed.via == "mapped":
                way.mapping = feed.mapping
    for key, default_text in owners.items():
        way = ways[key]
        # The operator may know that a function hands out the sequence's numbers as they are.
        if is_custom(default_text):
            way.custom_default = "mapped" not in way.via
            way.transformed = way.custom_default
        way.lost_default = default_text is None
    return ways


def _columns(
    session: Reader, domains: Map[int, Row], ways: Map[tuple[int, int, int], _Way]
) -> dict[int, tuple[Column, ...]]:
    """Columns by sequence, without those that a parent of the same sequence and column name covers."""
    if not ways:
        return {}
    facts = facts_of(session, sorted({(relation, number) for _sequence, relation, number in ways}))
    fed = {
        (sequence, relation, facts[relation, number]["name"])
        for sequence, relation, number in ways
        if (relation, number) in facts
    }
    columns: dict[int, list[Column]] = {}
    for (sequence, relation, number), way in ways.items():
        row = facts.get((relation, number))
        if row is None or any((sequence, parent, row["name"]) in fed for parent in row["above"]):
            continue
        base_type, modifier = _base_type(row["type"], row["modifier"], row["type_name"], domains)
        known = {name: row[name] for name in _FACTS}
        known["indexed"] = known["indexed"] and not way.mapping.is_sql
        columns.setdefault(sequence, []).append(
            Column(
                **{**known, "modifier": modifier},
                base_type=base_type,
                via=tuple(sorted(way.via)),
                transformed=way.transformed,
                casts=way.casts,
                custom_default=way.custom_default,
                lost_default=way.lost_default,
                mapping=way.mapping,
            )
        )
    return {
        sequence: tuple(sorted(found, key=lambda column: (column.schema, column.table, column.name)))
        for sequence, found in columns.items()
    }


_MADE = {"base_type", "via", "transformed", "casts", "custom_default", "lost_default", "mapping"}
_FACTS = tuple(set(Column._fields) - _MADE)


def _base_type(oid: int, modifier: int, type_name: str, domains: Map[int, Row]) -> tuple[str, int]:
    """The type and modifier behind a domain, and behind a domain over a domain."""
    if oid not in domains:
        return re.sub(r"\(.*\)$", "", type_name), modifier
    name = type_name
    while oid in domains:
        domain = domains[oid]
        modifier = domain["modifier"] if domain["modifier"] >= 0 else modifier
        oid, name = domain["base"], domain["base_name"]
    return name, modifier
