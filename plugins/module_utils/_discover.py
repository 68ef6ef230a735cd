# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A session and a selection in, sequences with the columns they feed out.

Reads catalogs only: no table is opened, so no lock on one can hold it up. For the same reason expressions are
shown by ``pg_get_expr(..., 0)``: with the table's oid it waits for an ACCESS EXCLUSIVE lock.
"""

from __future__ import annotations

import fnmatch
import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Sequence

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader, Session

_NAMES = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       c.oid IN (SELECT e.objid FROM pg_depend e
                 WHERE e.classid = 'pg_class'::regclass AND e.deptype = 'e') AS of_extension
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND NOT pg_is_other_temp_schema(n.oid) AND {narrowed}
"""

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
       CASE d.deptype WHEN 'i' THEN 'identity' ELSE 'owned' END AS via, NULL::text AS expression
FROM pg_depend d
WHERE d.classid = 'pg_class'::regclass AND d.objid = ANY (%(sequences)s::oid[]) AND d.objsubid = 0
  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')

UNION ALL
SELECT d.refobjid::bigint, x.adrelid::bigint, x.adnum::int, 'default', pg_get_expr(x.adbin, 0)
FROM pg_depend d
JOIN pg_attrdef x ON x.oid = d.objid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY (%(sequences)s::oid[])
  AND d.classid = 'pg_attrdef'::regclass
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

# A superuser's privileges are not looked up: asking costs as much as the rest.
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
       me.is_superuser OR coalesce(has_table_privilege(c.oid, '{lock_privileges}'), false) AS can_lock,
       c.relrowsecurity AND row_security_active(c.oid) AS row_security,
       {generated} AS generated,
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

# What was written by transactions that were still to come, or to end, when the horizon was taken. Transaction ids wrap
# around: half of all 32-bit numbers are after the horizon (manual, 24.1.5); an old row taken for a new one costs a look.
_TOUCHED = """
WITH fed AS (
  SELECT sequence, relation, number
  FROM unnest(%(sequences)s::oid[], %(relations)s::oid[], %(numbers)s::int2[]) AS q (sequence, relation, number)
), rows AS (
  SELECT r.sequence, v.written
  FROM (SELECT sequence, relation FROM fed UNION ALL SELECT s, s FROM unnest(%(sequences)s::oid[]) s) r
  LEFT JOIN pg_class c ON c.oid = r.relation
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (VALUES (c.xmin), (n.xmin)) v (written)

  UNION ALL
  SELECT f.sequence, a.xmin
  FROM fed f
  LEFT JOIN pg_attribute a ON a.attrelid = f.relation AND a.attnum = f.number
  WHERE f.number > 0

  UNION ALL
  SELECT d.objid, d.xmin
  FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.objid = ANY (%(sequences)s::oid[])

  UNION ALL
  SELECT d.refobjid, d.xmin
  FROM pg_depend d
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY (%(sequences)s::oid[])
)
SELECT DISTINCT sequence::bigint AS oid
FROM rows
WHERE written IS NULL OR (written::text::bigint - %(horizon)s + 4294967296) %% 4294967296 < 2147483648
"""

_NAMED = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND NOT pg_is_other_temp_schema(n.oid)
  AND (c.relname = ANY (%(names)s::text[]) OR n.nspname || '.' || c.relname = ANY (%(names)s::text[]))
"""

_ATTRIBUTE = """
SELECT attnum::int AS number FROM pg_attribute
WHERE attrelid = %(relation)s AND attname = %(name)s AND attnum > 0 AND NOT attisdropped
"""

_DATABASES = """
SELECT datname::text AS name FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname
"""

_DATABASE = "SELECT FROM pg_database WHERE datname = %(name)s"

_SERVER = """
SELECT txid_snapshot_xmin(txid_current_snapshot()) AS horizon,
       EXISTS (SELECT FROM pg_event_trigger WHERE evtenabled <> 'D') AS event_triggers,
       current_setting('wal_level') <> 'minimal'
       AND (current_setting('archive_mode') <> 'off'
            OR EXISTS (SELECT FROM pg_stat_replication)
            OR EXISTS (SELECT FROM pg_replication_slots WHERE slot_type = 'physical')) AS is_replayed
"""

_TABLE_KINDS = "rpfvm"


class SelectionError(Exception):
    """A name in the selection fits nothing, or more than one thing. The text names it."""


class MappedColumn(t.NamedTuple):
    """One entry of the option ``columns``: a mapping no catalog shows."""

    sequence: str
    table: str
    column: str


class Selection(t.NamedTuple):
    """Which sequences are wanted (contract, section 3: schemas, tables, sequences, columns)."""

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    columns: tuple[MappedColumn, ...] = ()

    @classmethod
    def of(cls, params: Mapping[str, t.Any]) -> Selection:
        """Take the selection from a module's parameters."""
        return cls(
            schemas=tuple(params.get("schemas") or ()),
            tables=tuple(params.get("tables") or ()),
            sequences=tuple(params.get("sequences") or ()),
            columns=tuple(MappedColumn(**entry) for entry in params.get("columns") or ()),
        )

    def wants_sequence(self, row: Row) -> bool:
        """Whether a sequence is selected by its own name."""
        return selected(self.sequences, (row["name"], f"{row['schema']}.{row['name']}"))

    def wants(self, sequence: Sequence) -> bool:
        """Whether a sequence is selected: itself, and by any one of the tables it feeds."""
        schemas = [(sequence.schema,)] + [(column.schema,) for column in sequence.columns]
        tables = [(column.table, f"{column.schema}.{column.table}") for column in sequence.columns]
        own = (sequence.name, f"{sequence.schema}.{sequence.name}")
        if (sequence.system or sequence.of_extension) and not any(name in self.sequences for name in own):
            return False
        return (
            any(selected(self.schemas, names) for names in schemas)
            and (not self.tables or any(selected(self.tables, names) for names in tables))
            and selected(self.sequences, own)
        )


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
    """

    sequences: tuple[int, ...]
    unmatched: frozenset[tuple[str, str]]
    of_extensions: frozenset[int]
    feeds: Mapping[int, List[Feed]]
    domains: Mapping[int, Row]
    horizon: int
    event_triggers: bool
    is_replayed: bool


class Feed(t.NamedTuple):
    """That a sequence feeds a column, by one way.

    :ivar expression: the default, where it hangs on one
    """

    relation: int
    number: int
    via: str
    expression: str | None


def selected(patterns: Iterable[str], names: Collection[str]) -> bool:
    """Whether any of an object's names is taken by the patterns and not taken away by one that begins with ``!``."""
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    taken = not wanted or any(matches(pattern, name) for pattern in wanted for name in names)
    return taken and not any(matches(pattern, name) for pattern in unwanted for name in names)


def _likely(patterns: Iterable[str]) -> list[str]:
    """LIKE patterns for all that shell globs may take, and for more: by what they begin with."""
    # Beyond ASCII a database may have no way to write it, and then no name that fits.
    wanted = [re.split(r"[*?\[]|[^\x01-\x7f]", pattern)[0] for pattern in patterns if not pattern.startswith("!")]
    # A name that holds glob characters fits itself, and begins as the glob does.
    return [re.sub(r"([\\%_])", r"\\\1", begin) + "%" for begin in wanted] or ["%"]


def matches(pattern: str, name: str) -> bool:
    """Whether a shell glob fits a real name; a name that holds glob characters fits itself."""
    return pattern == name or fnmatch.fnmatchcase(name, pattern)


def literals(patterns: Iterable[str]) -> list[str]:
    """The patterns that name one thing: without ``!`` in front and without glob characters."""
    return [pattern for pattern in patterns if not pattern.startswith("!") and not re.search(r"[*?\[]", pattern)]


def names_something(selection: Selection) -> bool:
    """Whether a selection holds a name that has to be somewhere, or else is an error."""
    patterns = (*selection.schemas, *selection.tables, *selection.sequences)
    return bool(selection.columns or literals(patterns))


def databases(session: Session, patterns: List[str]) -> list[str]:
    """The databases that patterns select.

    :arg session: a session with any database of the server
    :arg patterns: names and globs; globs fit connectable databases that are no templates
    :returns: real names, sorted
    :raises SelectionError: a name fits no database
    """
    found = [row["name"] for row in session.query(_DATABASES)]
    named = []
    for pattern in literals(patterns):
        if pattern not in found:
            if not session.query(_DATABASE, {"name": pattern}):
                raise SelectionError(f'databases: there is no database "{pattern}" at {session.target.address}')
            named.append(pattern)
    return sorted({name for name in found if selected(patterns, [name])}.union(named))


# Every name is found by an index, whatever the statistics of the catalogs say: after a restore they say nothing.
_LOOK_UP = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off"}

MOST_RELATIONS = 200
"""How many relations one transaction may lock: the lock table is shared by the whole server."""


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
    narrowed = "true" if only is None else f"c.oid = {only}"
    found = {row["oid"]: row for row in session.query(_NAMES.replace("{narrowed}", narrowed))}
    domains = {row["oid"]: row for row in session.query(_DOMAINS)}
    rows = session.query(_LATE_BOUND)
    calling = [oid for oid, domain in domains.items() if domain["calls"]]
    if calling:
        rows += session.query(_DOMAIN_FEEDS, {"domains": _array(calling)})
    feeds: dict[int, list[Feed]] = {}
    for row in rows:
        if row["sequence"] in found:
            feeds.setdefault(row["sequence"], []).append(_feed(row))
    late = [row for row in rows if row["via"] == "text"]
    if late:
        _add_late_bound(session, found, late, feeds)
    missing = set()
    for mapping in selection.columns:
        key = _mapped(session, mapping)
        if key is None:
            missing.add(("columns", f"{mapping.sequence} -> {mapping.table}.{mapping.column}"))
        elif key[0] in found:
            feeds.setdefault(key[0], []).append(Feed(key[1], key[2], "mapped", None))
    chosen = sorted(_candidates(session, selection, found, feeds), key=lambda row: (row["schema"], row["name"]))
    return Choice(
        sequences=tuple(row["oid"] for row in chosen),
        unmatched=frozenset(missing) if only is not None else frozenset(missing | _unmatched(session, selection)),
        of_extensions=frozenset(oid for oid, row in found.items() if row["of_extension"]),
        feeds=feeds,
        domains=domains,
        **server,
    )


def _array(values: Iterable[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _feed(row: Row) -> Feed:
    return Feed(row["relation"], row["number"], row["via"], row["expression"])


def _candidates(
    session: Reader, selection: Selection, found: Mapping[int, Row], feeds: Mapping[int, List[Feed]]
) -> Iterable[Row]:
    """The sequences that a selection may mean, by names alone: no more is read about others."""
    rows = [row for row in found.values() if selection.wants_sequence(row)]
    if not selection.tables and not selection.schemas:
        return rows

    def fed(patterns: List[str], names: Callable[[Row], tuple[str, ...]]) -> set[int]:
        tables = session.query(_TABLES, {"likely": _likely(patterns)})
        relations = {row["oid"] for row in tables if selected(patterns, names(row))}
        other = {oid for oid, found in feeds.items() if any(feed.relation in relations for feed in found)}
        near = session.query(_FED_BY, {"relations": _array(relations)}, settings=_LOOK_UP) if relations else []
        return other.union(row["oid"] for row in near)

    if selection.tables:
        of_tables = fed(selection.tables, lambda row: (row["name"], f"{row['schema']}.{row['name']}"))
        rows = [row for row in rows if row["oid"] in of_tables]
    if selection.schemas and rows:
        of_schemas = fed(selection.schemas, lambda row: (row["schema"],))
        rows = [row for row in rows if row["oid"] in of_schemas or selected(selection.schemas, [row["schema"]])]
    return rows


def describe(session: Reader, selection: Selection, choice: Choice, oids: List[int]) -> list[Sequence]:
    """Read the definitions of sequences and every column they feed.

    :arg session: the database
    :arg selection: which sequences are wanted
    :arg choice: what :func:`choose` found
    :arg oids: some of its sequences
    :returns: those that are there and selected, in the order of the oids
    :raises DatabaseError: a catalog could not be read
    """
    return [sequence for sequence in _described(session, choice, oids) if selection.wants(sequence)]


def touched(session: Reader, choice: Choice, sequences: Collection[Sequence]) -> set[int]:
    """Those of some sequences that may be no longer what they were, because catalog rows about them were written.

    :arg session: the database
    :arg choice: what :func:`choose` found before they were described
    :arg sequences: as they were described
    :returns: their oids; those of some that did not change may be among them
    :raises DatabaseError: a catalog could not be read
    """
    fed = [(sequence.oid, column.relation, column.number) for sequence in sequences for column in sequence.columns]
    # Beside each column's sequence, those that feed none.
    fed += [(sequence.oid, sequence.oid, 0) for sequence in sequences if not sequence.columns]
    names = ("sequences", "relations", "numbers")
    asked = dict(zip(names, map(_array, zip(*fed)))) if fed else dict.fromkeys(names, "{}")
    rows = session.query(_TOUCHED, {**asked, "horizon": choice.horizon % 2**32}, settings=_LOOK_UP)
    return {row["oid"] for row in rows}


def rediscover(reader: Reader, selection: Selection, oid: int) -> Sequence | None:
    """Find one sequence again, whatever it is called now.

    :arg reader: a session, or a transaction of one
    :arg selection: as at first, for its ``columns``
    :arg oid: the sequence's oid
    :returns: the sequence as it is now, or None where it is gone
    :raises DatabaseError: a catalog could not be read
    """
    choice = choose(reader, Selection(columns=selection.columns), only=oid)
    return next(iter(_described(reader, choice, [oid])), None)


def _described(session: Reader, choice: Choice, oids: List[int]) -> Iterable[Sequence]:
    asked = {"sequences": _array(oids)}
    rows = {row["oid"]: row for row in session.query(_SEQUENCES, asked, settings=_LOOK_UP)}
    feeds: dict[int, list[Feed]] = {oid: list(choice.feeds.get(oid, ())) for oid in rows}
    for row in session.query(_FEEDS, asked, settings=_LOOK_UP):
        if row["sequence"] in feeds:
            feeds[row["sequence"]].append(_feed(row))
    columns = _columns(session, choice.domains, _ways(feeds))
    for oid in oids:
        if oid in rows:
            yield Sequence(of_extension=oid in choice.of_extensions, columns=columns.get(oid, ()), **rows[oid])


class _Way:
    """One sequence and one column it feeds, through all the ways found."""

    def __init__(self) -> None:
        self.via: set[str] = set()
        self.transformed = False
        self.casts: tuple[str, ...] = ()


def _ways(feeds: Mapping[int, Iterable[Feed]]) -> dict[tuple[int, int, int], _Way]:
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
    return ways


def _add_late_bound(
    session: Reader, found: Mapping[int, Row], late: Iterable[Row], feeds: dict[int, list[Feed]]
) -> None:
    """Attach defaults that look their sequence up by name at run time.

    An unqualified name is looked up in the search_path of whoever inserts, which nobody can know: every sequence
    that it may mean counts the column as its own, those in the table's schema and on the session's path before others.
    """
    by_name: dict[str, list[Row]] = {}
    for row in found.values():
        by_name.setdefault(row["name"], []).append(row)
    # Our transactions set search_path; the reset value is what the role's and the database's settings say.
    path = session.query("SELECT reset_val AS value FROM pg_settings WHERE name = 'search_path'")[0]["value"] or ""
    names = [name for part in path.split(",") for name in parse_identifiers(part) or ()]
    visible = {session.role if name == "$user" else name for name in names}
    schemas = {
        row["oid"]: row["schema"]
        for row in session.query(
            "SELECT c.oid::bigint AS oid, n.nspname::text AS schema FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY (%(oids)s::oid[])",
            {"oids": _array({row["relation"] for row in late})},
        )
    }
    for row in late:
        default = parse_default(row["expression"])
        name = parse_identifiers(default.name) if default and default.name is not None else None
        if default is None or not name:
            continue
        candidates = by_name.get(name[-1], [])
        if len(name) > 1:
            candidates = [candidate for candidate in candidates if candidate["schema"] == name[-2]]
        else:
            likely = visible | {schemas.get(row["relation"])}
            candidates = [candidate for candidate in candidates if candidate["schema"] in likely] or candidates
        for candidate in candidates:
            feeds.setdefault(candidate["oid"], []).append(_feed(row))


def _mapped(session: Reader, mapping: MappedColumn) -> tuple[int, int, int] | None:
    sequence = _one(session, mapping.sequence, "S")
    table = _one(session, mapping.table, _TABLE_KINDS)
    if sequence is None or table is None:
        return None
    number = session.query(_ATTRIBUTE, {"relation": table, "name": mapping.column})
    return (sequence, table, number[0]["number"]) if number else None


def _one(session: Reader, name: str, kinds: str) -> int | None:
    rows = [row for row in session.query(_NAMED, {"names": [name]}) if row["kind"] in kinds]
    if len(rows) > 1:
        places = ", ".join(sorted(f"{row['schema']}.{row['name']}" for row in rows))
        raise SelectionError(f'columns: "{name}" in database "{session.database}" may be {places}; name its schema')
    return rows[0]["oid"] if rows else None


def _columns(
    session: Reader, domains: Mapping[int, Row], ways: Mapping[tuple[int, int, int], _Way]
) -> dict[int, tuple[Column, ...]]:
    """Columns by sequence, without those that a parent of the same sequence and column name covers."""
    if not ways:
        return {}
    facts = _facts(session, sorted({(relation, number) for _sequence, relation, number in ways}))
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
        columns.setdefault(sequence, []).append(
            Column(
                **{**known, "modifier": modifier},
                base_type=base_type,
                via=tuple(sorted(way.via)),
                transformed=way.transformed,
                casts=way.casts,
            )
        )
    return {
        sequence: tuple(sorted(found, key=lambda column: (column.schema, column.table, column.name)))
        for sequence, found in columns.items()
    }


_FACTS = tuple(set(Column._fields) - {"base_type", "via", "transformed", "casts"})


def _facts(session: Reader, asked: List[tuple[int, int]]) -> dict[tuple[int, int], Row]:
    """What the catalogs say of columns and their tables, by relation and attribute number."""
    # What LOCK TABLE ... IN SHARE ROW EXCLUSIVE MODE asks for, any one of them (manual, LOCK).
    privileges = "UPDATE, DELETE, TRUNCATE" + (", MAINTAIN" if session.version_number >= 170000 else "")
    # A generated column takes no value from a sequence, even if its expression names one.
    generated = "a.attgenerated <> ''" if session.version_number >= 120000 else "false"
    statement = _COLUMNS.replace("{lock_privileges}", privileges).replace("{generated}", generated)
    facts: dict[tuple[int, int], Row] = {}
    for row in session.query(statement, _pairs(asked), settings=_LOOK_UP):
        if not row["generated"]:
            facts[row["relation"], row["number"]] = {**row, "parts": (), "above": (), "members": ()}
    related = [key for key, row in facts.items() if row["has_relatives"]]
    if related:
        for row in session.query(_FAMILIES, {**_pairs(related), "most": MOST_RELATIONS}):
            row["parts"], row["above"] = tuple(row["parts"] or ()), row["above"] or ()
            facts[row["relation"], row["number"]].update(row)
    suspects = {relation for (relation, _number), row in facts.items() if row["has_code"]}
    suspects.update(member for row in facts.values() for member in row["members"])
    found = session.query(_UNTRUSTED, {"relations": _array(suspects)}, settings=_LOOK_UP) if suspects else []
    untrusted = {row["relation"] for row in found}
    for (relation, _number), row in facts.items():
        row["untrusted"] = relation in untrusted or not untrusted.isdisjoint(row["members"])
    return facts


def _pairs(asked: Iterable[tuple[int, int]]) -> dict[str, str]:
    relations, numbers = zip(*asked)
    return {"relations": _array(relations), "numbers": _array(numbers)}


def _base_type(oid: int, modifier: int, type_name: str, domains: Mapping[int, Row]) -> tuple[str, int]:
    """The type and modifier behind a domain, and behind a domain over a domain."""
    if oid not in domains:
        return re.sub(r"\(.*\)$", "", type_name), modifier
    name = type_name
    while oid in domains:
        domain = domains[oid]
        modifier = domain["modifier"] if domain["modifier"] >= 0 else modifier
        oid, name = domain["base"], domain["base_name"]
    return name, modifier


def _unmatched(session: Reader, selection: Selection) -> set[tuple[str, str]]:
    """Options and literal names that no object of this database bears, whether or not a sequence feeds it."""
    missing = {("schemas", name) for name in literals(selection.schemas)}
    if missing:
        rows = session.query(
            "SELECT nspname::text AS name FROM pg_namespace WHERE nspname = ANY (%(names)s::text[])",
            {"names": [name for _option, name in missing]},
        )
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


class Default(t.NamedTuple):
    """What a default expression does with its sequence.

    :ivar casts: the types that the value is cast to on its way, innermost first
    :ivar transformed: it does more than ``nextval()`` and casts between numbers
    :ivar name: the sequence's name as text, where it is looked up at run time
    """

    casts: tuple[str, ...]
    transformed: bool
    name: str | None


_NEXTVAL = re.compile(
    r"nextval\((?:E?'(?:[^']|'')*'::regclass"
    r"|\(+(?P<escaped>E?)'(?P<text>(?:[^']|'')*)'::(?:text|character varying)\)*(?:::text\)*)?::regclass\)*)\)"
)
_CAST = re.compile(r"::(smallint|integer|bigint|numeric|real|double precision|numeric\(\d+,\d+\))$")
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_CALLED = re.compile(r'([\w.$"]+)\(')


def parse_default(expression: str) -> Default | None:
    """Read a default as ``pg_get_expr`` prints it with ``search_path = pg_catalog``.

    :arg expression: such as ``nextval('public.t_id_seq'::regclass)`` or ``(nextval('s'::regclass))::integer``;
        functions that are not the server's own are printed with their schema
    :returns: what it does, or None where it hands out no value of the sequence (``currval``); a function of the users
        that is given the sequence is taken to hand one out
    """
    rest, casts = expression.strip(), []
    while True:
        cast = _CAST.search(rest)
        if cast:
            casts.append(cast.group(1))
            rest = rest[: cast.start()]
        elif rest.startswith("(") and rest.endswith(")") and _closes_at_end(rest):
            rest = rest[1:-1]
        else:
            break
    plain = _NEXTVAL.fullmatch(rest)
    if plain:
        return Default(tuple(reversed(casts)), False, _literal(plain))
    called = set(_CALLED.findall(_LITERAL.sub("''", rest)))
    if "nextval" not in called and not any("." in name for name in called):
        return None
    late = _NEXTVAL.search(rest)
    return Default((), True, _literal(late) if late else None)


def _literal(found: re.Match[str]) -> str | None:
    """The value of the string literal that names the sequence."""
    text = found.group("text")
    if text is None:
        return None
    return text.replace("''", "'").replace("\\\\", "\\") if found.group("escaped") else text.replace("''", "'")


def _closes_at_end(expression: str) -> bool:
    """Whether the parenthesis that opens an expression is closed by its last character."""
    depth, quoted = 0, False
    for place, character in enumerate(expression):
        if character == "'":
            quoted = not quoted
        elif not quoted and character == "(":
            depth += 1
        elif not quoted and character == ")":
            depth -= 1
            if depth == 0:
                return place == len(expression) - 1
    return False


_IDENTIFIER = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^\s".][^\s.]*))\s*')
_LONGEST_NAME_BYTES = 63


def parse_identifiers(text: str) -> list[str] | None:
    """Split a qualified name as ``regclass`` reads it (manual, 8.19 and 4.1.1).

    :arg text: such as ``s``, ``app.s`` or ``"App"."S"``
    :returns: its parts, unquoted ones in lower case, cut to 63 bytes; None where it is no name
    """
    parts, place = [], 0
    while True:
        found = _IDENTIFIER.match(text, place)
        if not found:
            return None
        name = (found.group("quoted") or "").replace('""', '"')
        if found.group("plain"):
            # Only ASCII letters are folded in UTF-8 databases.
            name = re.sub("[A-Z]+", lambda upper: upper.group().lower(), found.group("plain"))
        parts.append(name.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore"))
        place = found.end()
        if place == len(text):
            return parts
        if text[place] != ".":
            return None
        place += 1
