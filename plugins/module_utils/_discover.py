# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A session and a selection in, sequences with the columns they feed out.

Reads catalogs only: no table is opened, so no lock on one can hold it up. For the same reason expressions are
shown by ``pg_get_expr(..., 0)``: with the table's oid it waits for an ACCESS EXCLUSIVE lock.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Sequence

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._connect import Reader, Row, Session

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
       pg_get_userbyid(c.relowner)::text AS owner,
       pg_has_role(c.relowner, 'USAGE') AS owned,
       coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS schema_usage,
       coalesce(has_sequence_privilege(c.oid, 'SELECT'), false) AS can_select,
       coalesce(has_sequence_privilege(c.oid, 'USAGE'), false) AS can_use,
       coalesce(has_sequence_privilege(c.oid, 'UPDATE'), false) AS can_update,
       EXISTS (SELECT FROM pg_depend e
               WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e') AS of_extension,
       n.nspname = 'information_schema' OR left(n.nspname::text, 3) = 'pg_' AS system
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT pg_is_other_temp_schema(n.oid)
ORDER BY n.nspname, c.relname
"""

# A sequence feeds a column because it is owned by it (serial: 'a', identity: 'i'), or because the default of the
# column, or of the column's domain, calls nextval (oid 1574) on it. nextval('name'::text) leaves no dependency:
# there the name stands in the expression, cast by regclass(text) (oid 1079). Both oids are fixed in pg_proc.dat.
_FEEDS = """
SELECT d.objid::bigint AS sequence, d.refobjid::bigint AS relation, d.refobjsubid::int AS number,
       CASE d.deptype WHEN 'i' THEN 'identity' ELSE 'owned' END AS via, NULL::text AS expression
FROM pg_depend d
JOIN pg_sequence s ON s.seqrelid = d.objid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
  AND d.objsubid = 0 AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')

UNION ALL
SELECT d.refobjid::bigint, x.adrelid::bigint, x.adnum::int, 'default', pg_get_expr(x.adbin, 0)
FROM pg_depend d
JOIN pg_sequence s ON s.seqrelid = d.refobjid
JOIN pg_attrdef x ON x.oid = d.objid
JOIN pg_attribute a ON a.attrelid = x.adrelid AND a.attnum = x.adnum AND {not_generated}
WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass

UNION ALL
SELECT d.refobjid::bigint, a.attrelid::bigint, a.attnum::int, 'domain', pg_get_expr(y.typdefaultbin, 0)
FROM pg_depend d
JOIN pg_sequence s ON s.seqrelid = d.refobjid
JOIN pg_type y ON y.oid = d.objid AND y.typtype = 'd'
JOIN pg_attribute a ON a.atttypid = y.oid AND a.attnum > 0
 AND NOT a.attisdropped AND NOT a.atthasdef AND a.attidentity = ''
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'f')
WHERE d.classid = 'pg_type'::regclass AND d.refclassid = 'pg_class'::regclass

UNION ALL
SELECT NULL, x.adrelid::bigint, x.adnum::int, 'text', pg_get_expr(x.adbin, 0)
FROM pg_attrdef x
JOIN pg_attribute a ON a.attrelid = x.adrelid AND a.attnum = x.adnum AND {not_generated}
WHERE strpos(x.adbin::text, ':funcid 1574 ') > 0 AND strpos(x.adbin::text, ':funcid 1079 ') > 0

UNION ALL
SELECT NULL, a.attrelid::bigint, a.attnum::int, 'text', pg_get_expr(y.typdefaultbin, 0)
FROM pg_type y
JOIN pg_attribute a ON a.atttypid = y.oid AND a.attnum > 0
 AND NOT a.attisdropped AND NOT a.atthasdef AND a.attidentity = ''
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'f')
WHERE y.typtype = 'd'
  AND strpos(y.typdefaultbin::text, ':funcid 1574 ') > 0 AND strpos(y.typdefaultbin::text, ':funcid 1079 ') > 0
"""

# max() on a table reads its partitions and inheritance children too: what holds for one must hold for all of them.
# Planning it evaluates what is constant in the expressions of their indexes, extended statistics and partition keys,
# by whatever functions.
_COLUMNS = """
WITH RECURSIVE asked AS (
  SELECT DISTINCT relation, number
  FROM unnest(%(relations)s::oid[], %(numbers)s::int2[]) AS fed (relation, number)
), family AS (
  SELECT relation AS root, relation AS member FROM asked
  UNION
  SELECT f.root, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.member
), planned AS (
  SELECT indrelid AS relation, 'pg_class'::regclass::oid AS class, indexrelid AS object
  FROM pg_index WHERE indpred IS NOT NULL OR indexprs IS NOT NULL
  UNION ALL SELECT stxrelid, 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
  UNION ALL SELECT partrelid, 'pg_class'::regclass, partrelid FROM pg_partitioned_table
), untrusted AS (
  SELECT l.relation
  FROM planned l
  JOIN pg_depend d ON d.classid = l.class AND d.objid = l.object
  LEFT JOIN pg_operator p ON d.refclassid = 'pg_operator'::regclass AND p.oid = d.refobjid
  JOIN pg_proc f ON f.oid = CASE d.refclassid WHEN 'pg_proc'::regclass THEN d.refobjid ELSE p.oprcode END
  JOIN pg_roles r ON r.oid = f.proowner
  WHERE NOT r.rolsuper AND r.rolname <> current_user
), members AS (
  SELECT q.relation, q.number,
         count(*) AS relations,
         bool_or(k.relkind = 'f') AS reaches_foreign,
         bool_or(k.relpersistence = 'u') AS unlogged,
         bool_and(k.relkind = 'p' OR EXISTS (
           SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
           WHERE i.indrelid = k.oid AND i.indkey[0] = b.attnum
             AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree')) AS indexed,
         bool_or(k.oid IN (SELECT relation FROM untrusted)) AS untrusted
  FROM asked q
  JOIN pg_attribute a ON a.attrelid = q.relation AND a.attnum = q.number
  JOIN family f ON f.root = q.relation
  JOIN pg_class k ON k.oid = f.member
  JOIN pg_attribute b ON b.attrelid = k.oid AND b.attname = a.attname AND NOT b.attisdropped
  GROUP BY q.relation, q.number
), parents AS (
  SELECT member, array_agg(root::bigint) AS above FROM family WHERE member <> root GROUP BY member
)
SELECT q.relation::bigint AS relation, q.number::int AS number,
       n.nspname::text AS schema, c.relname::text AS "table", a.attname::text AS name,
       format_type(a.atttypid, a.atttypmod) AS type_name, a.atttypid::bigint AS type, a.atttypmod AS modifier,
       c.relkind::text AS kind, m.unlogged, m.reaches_foreign, m.indexed, m.untrusted, m.relations::int AS relations,
       pg_get_userbyid(c.relowner)::text AS owner,
       coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS schema_usage,
       coalesce(has_column_privilege(c.oid, a.attnum, 'SELECT'), false) AS can_select,
       coalesce(has_table_privilege(c.oid, '{lock_privileges}'), false) AS can_lock,
       row_security_active(c.oid) AS row_security,
       p.above
FROM asked q
JOIN pg_class c ON c.oid = q.relation
JOIN pg_namespace n ON n.oid = c.relnamespace AND NOT pg_is_other_temp_schema(n.oid)
JOIN pg_attribute a ON a.attrelid = q.relation AND a.attnum = q.number AND NOT a.attisdropped
JOIN members m ON m.relation = q.relation AND m.number = q.number
LEFT JOIN parents p ON p.member = q.relation
"""

_DOMAINS = """
SELECT oid::bigint AS oid, typbasetype::bigint AS base, typtypmod AS modifier,
       format_type(typbasetype, NULL) AS base_name
FROM pg_type WHERE typtype = 'd'
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

_TABLE_KINDS = "rpfvm"


class SelectionError(Exception):
    """A name in the selection fits nothing, or more than one thing. The text names it."""


@dataclasses.dataclass(frozen=True)
class MappedColumn:
    """One entry of the option ``columns``: a mapping no catalog shows."""

    sequence: str
    table: str
    column: str


@dataclasses.dataclass(frozen=True)
class Selection:
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


@dataclasses.dataclass(frozen=True)
class Discovery:
    """What a database holds of a selection.

    :ivar sequences: the sequences selected, each with all the columns it feeds, selected or not
    :ivar unmatched: options and literal names in them that fit nothing in this database
    """

    sequences: tuple[Sequence, ...]
    unmatched: frozenset[tuple[str, str]]


def selected(patterns: Iterable[str], names: Collection[str]) -> bool:
    """Whether any of an object's names is taken by the patterns and not taken away by one that begins with ``!``."""
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    taken = not wanted or any(matches(pattern, name) for pattern in wanted for name in names)
    return taken and not any(matches(pattern, name) for pattern in unwanted for name in names)


def matches(pattern: str, name: str) -> bool:
    """Whether a shell glob fits a real name; a name that holds glob characters fits itself."""
    return pattern == name or fnmatch.fnmatchcase(name, pattern)


def literals(patterns: Iterable[str]) -> list[str]:
    """The patterns that name one thing: without ``!`` in front and without glob characters."""
    return [pattern for pattern in patterns if not pattern.startswith("!") and not re.search(r"[*?\[]", pattern)]


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


def discover(session: Session, selection: Selection) -> Discovery:
    """Find the selected sequences of a database and every column they feed.

    :arg session: a session with the database
    :arg selection: which ones are wanted
    :returns: the sequences, by schema and name
    :raises DatabaseError: a catalog could not be read
    :raises SelectionError: an entry of ``columns`` fits more than one object
    """
    sequences, missing = _sequences(session, selection.columns)
    chosen = tuple(sequence for sequence in sequences if selection.wants(sequence))
    return Discovery(chosen, frozenset(missing | _unmatched(session, selection)))


def rediscover(reader: Reader, selection: Selection, oid: int) -> Sequence | None:
    """Find one sequence again, whatever it is called now.

    :arg reader: a session, or a transaction of one
    :arg selection: as at first, for its ``columns``
    :arg oid: the sequence's oid
    :returns: the sequence as it is now, or None where it is gone
    :raises DatabaseError: a catalog could not be read
    """
    found, _missing = _sequences(reader, selection.columns, oid)
    return found[0] if found else None


def _sequences(
    session: Reader, mappings: Iterable[MappedColumn], only: int | None = None
) -> tuple[list[Sequence], set[tuple[str, str]]]:
    """Sequences with their columns, and the mappings that fit nothing here."""

    def narrowed(statement: str) -> str:
        one = f"(SELECT * FROM pg_sequence WHERE seqrelid = {only}) s"
        return statement if only is None else statement.replace("pg_sequence s", one)

    found = {row["oid"]: row for row in session.query(narrowed(_SEQUENCES))}
    feeds, missing = _feeds(session, found, mappings, narrowed(_FEEDS))
    columns = _columns(session, feeds)
    return [Sequence(columns=columns.get(oid, ()), **row) for oid, row in found.items()], missing


@dataclasses.dataclass
class _Feed:
    """One sequence and one column it feeds, through all the ways found."""

    via: set[str] = dataclasses.field(default_factory=set)
    transformed: bool = False
    casts: tuple[str, ...] = ()


def _feeds(
    session: Reader, found: Mapping[int, Row], mappings: Iterable[MappedColumn], statement: str
) -> tuple[dict[tuple[int, int, int], _Feed], set[tuple[str, str]]]:
    """Feeds by (sequence, relation, attribute number), and the mappings that fit nothing here."""
    feeds: dict[tuple[int, int, int], _Feed] = {}
    late: list[Row] = []
    generated = "a.attgenerated = ''" if session.version_number >= 120000 else "true"
    for row in session.query(statement.replace("{not_generated}", generated)):
        if row["via"] == "text":
            late.append(row)
            continue
        default = parse_default(row["expression"]) if row["expression"] is not None else Default((), False, None)
        if default is None or row["sequence"] not in found:
            continue
        feed = feeds.setdefault((row["sequence"], row["relation"], row["number"]), _Feed())
        feed.via.add(row["via"])
        feed.transformed |= default.transformed
        feed.casts += default.casts
    if late:
        _add_late_bound(session, found, late, feeds)
    missing = set()
    for mapping in mappings:
        key = _mapped(session, mapping)
        if key is None:
            missing.add(("columns", f"{mapping.sequence} -> {mapping.table}.{mapping.column}"))
        elif key[0] in found:
            feeds.setdefault(key, _Feed()).via.add("mapped")
    return feeds, missing


def _add_late_bound(
    session: Reader, found: Mapping[int, Row], late: list[Row], feeds: dict[tuple[int, int, int], _Feed]
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
            {"oids": sorted({row["relation"] for row in late})},
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
            feed = feeds.setdefault((candidate["oid"], row["relation"], row["number"]), _Feed())
            feed.via.add("text")
            feed.transformed |= default.transformed
            feed.casts += default.casts


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


def _columns(session: Reader, feeds: Mapping[tuple[int, int, int], _Feed]) -> dict[int, tuple[Column, ...]]:
    """Columns by sequence, without those that a parent of the same sequence and column name covers."""
    if not feeds:
        return {}
    asked = sorted({(relation, number) for _sequence, relation, number in feeds})
    # What LOCK TABLE ... IN SHARE ROW EXCLUSIVE MODE asks for, any one of them (manual, LOCK).
    privileges = "UPDATE, DELETE, TRUNCATE" + (", MAINTAIN" if session.version_number >= 170000 else "")
    rows = session.query(
        _COLUMNS.replace("{lock_privileges}", privileges),
        {"relations": [relation for relation, _number in asked], "numbers": [number for _relation, number in asked]},
    )
    facts = {(row["relation"], row["number"]): row for row in rows}
    domains = {row["oid"]: row for row in session.query(_DOMAINS)}
    fed = {
        (sequence, relation, facts[relation, number]["name"])
        for sequence, relation, number in feeds
        if (relation, number) in facts
    }
    columns: dict[int, list[Column]] = {}
    for (sequence, relation, number), feed in feeds.items():
        if (relation, number) not in facts:
            continue
        row = dict(facts[relation, number])
        above = row.pop("above") or ()
        if any((sequence, parent, row["name"]) in fed for parent in above):
            continue
        base_type, modifier = _base_type(row.pop("type"), row.pop("modifier"), row["type_name"], domains)
        columns.setdefault(sequence, []).append(
            Column(
                **row,
                base_type=base_type,
                modifier=modifier,
                via=tuple(sorted(feed.via)),
                transformed=feed.transformed,
                casts=feed.casts,
            )
        )
    return {
        sequence: tuple(sorted(found, key=lambda column: (column.schema, column.table, column.name)))
        for sequence, found in columns.items()
    }


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


def _unmatched(session: Session, selection: Selection) -> set[tuple[str, str]]:
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


@dataclasses.dataclass(frozen=True)
class Default:
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
