# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Sequences in, their state and the furthest values of their columns out.

Reads go out in bounded batches; a batch that fails is read again one by one, so that a locked, forbidden or broken
table costs its own sequences their verdict and no other.
"""

from __future__ import annotations

import contextlib
import decimal
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import (
    Column,
    Observation,
    Reading,
    Sequence,
    State,
    Trouble,
    takes_numbers,
)
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.settings import MOST_RELATIONS

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader, Session

T = t.TypeVar("T")

Ends = tuple[t.Optional[str], t.Optional[str]]
"""The greatest value of a column, and the least, as text; None where there is none."""

# Measured: 10,000 tables cost 0.87 s by 20 or 40 to a statement, 1.0 s by 5 or 100, 1.1 s by 400.
BATCH_PROBES = 30

_ANSWERS_ALL_STATES = 180000
"""From here on pg_get_sequence_data() tells is_called too, and takes no lock that anybody would wait for."""

PATIENCE = 0.01
"""Seconds to wait for a lock while others are held.

Someone who holds that lock and waits for one of ours would be in a deadlock with us, and the one to be ended may be
a migration. One that lasts shorter than deadlock_timeout (1 s, unless set) is hardly ever noticed.
"""

LONG_SCAN_ROWS = 100_000
"""From about here on a scan is felt: some 10 ms (facts, D)."""

VANISHED = frozenset({"42P01", "42703", "42704", "42809", "3F000", "55000", "XX000"})
"""Errors of a statement whose table, column or schema was dropped, renamed or replaced since it was discovered."""


class Probe(t.NamedTuple):
    """One reading: a part of a UNION ALL that yields two texts.

    :ivar one: the expression of the first
    :ivar two: the expression of the second
    :ivar rest: what follows them in the SELECT
    :ivar relations: how many relations it locks
    """

    one: str
    two: str
    rest: str
    relations: int


class Limits(t.NamedTuple):
    """What an audit may cost.

    :ivar max_scan_rows: rows of the largest table that may be scanned where no index serves; 0 for no bound
    :ivar trust_index_functions: read tables whose indexes call functions of other, ordinary roles
    """

    max_scan_rows: int = 10_000_000
    trust_index_functions: bool = False


def observe(sessions: Sessions, sequences: Iterable[Sequence], limits: Limits) -> list[Observation]:
    """Read the columns of sequences, then their states.

    In that order: a sequence is not transactional, so a state read first and a row read after it would show a lag
    that never was.

    :arg sessions: the sequences' database
    :arg sequences: what to read
    :arg limits: what reading may cost
    :returns: one observation for each sequence, in their order; what could not be read carries its trouble
    """
    sequences = list(sequences)
    columns = [(number, place) for number, sequence in enumerate(sequences) for place in range(len(sequence.columns))]
    judged = [not (sequence.cycle or sequence.of_extension or sequence.system) for sequence in sequences]
    readings: dict[tuple[int, int], Reading] = {}

    wanted = {}
    for number, place in columns:
        sequence = sequences[number]
        column = sequence.columns[place]
        trouble = column_obstacle(column, sessions.first, limits)
        if trouble or not judged[number]:
            readings[number, place] = Reading(trouble=trouble)
        else:
            wanted[number, place] = (sequence, column)
    readings.update(read_columns(sessions, wanted, limits))

    shown = {number: sequence for number, sequence in enumerate(sequences) if judged[number] or sequence.can_select}
    states = read_states(sessions, shown)
    observations = []
    for number, sequence in enumerate(sequences):
        found = states.get(number)
        observations.append(
            Observation(
                sequence,
                found if isinstance(found, State) else None,
                found if isinstance(found, Trouble) else None,
                tuple(readings[number, place] for place in range(len(sequence.columns))),
            )
        )
    return observations


def column_obstacle(column: Column, session: Session, limits: Limits) -> Trouble | None:
    """Why a column is not to be read at all (contract, section 2, *unknown*)."""
    place, table = f"{column.schema}.{column.table}.{column.name}", sql_table(column)
    role = quote_identifier(session.role)
    if column.kind in "vm":
        return Trouble(
            "view",
            f"{place} belongs to a view, and reading it would run the view's functions with this role's rights",
            "map the table behind it with the option columns",
        )
    if column.transformed:
        return Trouble(
            "not_a_number",
            f"the default of {place} does more than nextval(), so its values cannot be compared with the sequence's",
            "compare them by hand; if another column holds the plain number, map it with the option columns",
        )
    if not takes_numbers(column):
        return Trouble(
            "not_a_number",
            f"{place} is of type {column.type_name}, which does not store the sequence's numbers",
            "compare them by hand; if another column holds the plain number, map it with the option columns",
        )
    if column.kind == "f" or column.reaches_foreign:
        where = "is a foreign table" if column.kind == "f" else "has a foreign table among its partitions or children"
        remedy = "compare with the other server by hand"
        return Trouble("foreign_table", f"{column.schema}.{column.table} {where}", remedy)
    if column.unlogged and session.in_recovery:
        return Trouble(
            "unlogged_on_standby",
            f"{column.schema}.{column.table} is unlogged: a standby has no rows of it",
            "audit the primary",
        )
    if not column.schema_usage or not column.can_select:
        grants = [] if column.schema_usage else [f"GRANT USAGE ON SCHEMA {quote_identifier(column.schema)} TO {role};"]
        grants += [] if column.can_select else [f"GRANT SELECT ({quote_identifier(column.name)}) ON {table} TO {role};"]
        return Trouble("no_privilege", f"{session.role} may not read {place}", " ".join(grants))
    if column.untrusted and not limits.trust_index_functions:
        return Trouble(
            "untrusted_code",
            f"an index, statistics or the partition key of {column.schema}.{column.table} call functions of another role,"
            f" and planning a query on the table may run them with the rights of {session.role}",
            f"connect as the table's owner, {column.owner}, or trust them with trust_index_functions: true",
        )
    if column.row_security:
        return Trouble(
            "row_security",
            f"row-level security hides rows of {column.schema}.{column.table} from {session.role}",
            f"ALTER ROLE {role} BYPASSRLS; or connect as its owner with session_role: {column.owner}",
        )
    return None


def sequence_obstacle(sequence: Sequence, session: Session) -> Trouble | None:
    """Why a sequence's state is not to be read at all."""
    name, role = f"{sequence.schema}.{sequence.name}", quote_identifier(session.role)
    if sequence.unlogged and session.in_recovery:
        cause = f"{name} is unlogged: a standby does not have its state"
        return Trouble("unlogged_on_standby", cause, "audit the primary")
    grants = []
    if not sequence.schema_usage:
        grants.append(f"GRANT USAGE ON SCHEMA {quote_identifier(sequence.schema)} TO {role};")
    if not sequence.can_select and not sequence.can_use:
        grants.append(f"GRANT SELECT ON SEQUENCE {sequence.sql_name} TO {role};")
    return Trouble("no_privilege", f"{session.role} may not read {name}", " ".join(grants)) if grants else None


def sql_table(column: Column) -> str:
    """The table of a column, quoted for SQL."""
    return f"{quote_identifier(column.schema)}.{quote_identifier(column.table)}"


def read_columns(
    sessions: Sessions, wanted: Mapping[t.Any, tuple[Sequence, Column]], limits: Limits
) -> dict[t.Any, Reading]:
    """Read what columns hold.

    :arg wanted: sequence and column by any key
    :returns: readings by the same keys
    """
    readings: dict[t.Any, Reading] = {}
    scans: dict[t.Any, int] = {}
    ends: dict[t.Any, list[Probe]] = {}
    for key, (_sequence, column) in wanted.items():
        probes = probes_of_ends(column)
        if not column.indexed:
            try:
                rows = scans[key] = _rows_to_scan(sessions, column)
            except DatabaseError as error:
                readings[key] = Reading(trouble=column_trouble(error, column, sessions.first))
                continue
            if limits.max_scan_rows and rows > limits.max_scan_rows:
                readings[key] = Reading(scan_rows=rows, trouble=_too_large(column, rows))
                continue
            if rows > LONG_SCAN_ROWS:
                # Alone in its batch, so that statement_timeout is all its own.
                probes = [probe._replace(relations=MOST_RELATIONS) for probe in probes]
        ends[key] = probes

    within: dict[t.Any, list[Probe]] = {}
    for key, result in run_probes(sessions, ends).items():
        sequence, column = wanted[key]
        if isinstance(result, DatabaseError):
            readings[key] = Reading(trouble=column_trouble(result, column, sessions.first))
            continue
        readings[key], settled = reading_of_ends(sequence, result)
        if not settled:
            within[key] = probes_within(sequence, column)
    for key, result in run_probes(sessions, within).items():
        sequence, column = wanted[key]
        if isinstance(result, DatabaseError):
            readings[key] = Reading(trouble=column_trouble(result, column, sessions.first))
        else:
            readings[key] = readings[key]._replace(furthest=furthest_of_ends(sequence, result))
    for key, rows in scans.items():
        readings[key] = readings[key]._replace(scan_rows=rows)
    return readings


def read_states(sessions: Sessions, wanted: Mapping[t.Any, Sequence]) -> dict[t.Any, State | Trouble]:
    """Read what sequences stand at.

    :arg wanted: sequences by any key
    :returns: their states by the same keys, or why one could not be read
    """
    states: dict[t.Any, State | Trouble] = {}
    readable: dict[t.Any, Sequence] = {}
    for key, sequence in wanted.items():
        trouble = sequence_obstacle(sequence, sessions.first)
        if trouble:
            states[key] = trouble
        else:
            readable[key] = sequence
    keys = list(readable)
    for place in range(0, len(keys), MOST_RELATIONS):
        batch = {key: readable[key] for key in keys[place : place + MOST_RELATIONS]}
        # What stays open here, or is locked, is read one by one.
        with contextlib.suppress(DatabaseError):
            states.update(quick_states(sessions, batch, PATIENCE))
    probes = {key: [probe_of_state(sequence)] for key, sequence in readable.items() if key not in states}
    for key, result in run_probes(sessions, probes).items():
        sequence = wanted[key]
        if isinstance(result, DatabaseError):
            states[key] = sequence_trouble(result, sequence, sessions.first)
        elif result[0] is None:
            # With USAGE alone, "never called" and "set, but not called" look the same.
            role = quote_identifier(sessions.role)
            states[key] = Trouble(
                "no_privilege",
                f"{sessions.role} may use {sequence.schema}.{sequence.name}"
                " but not see where an uncalled sequence stands",
                f"GRANT SELECT ON SEQUENCE {sequence.sql_name} TO {role};",
            )
        else:
            states[key] = state(result)
    return states


def quick_states(reader: Reader, wanted: Mapping[t.Any, Sequence], patience: float | None = None) -> dict[t.Any, State]:
    """Read by one call of a function each what costs a SELECT three times as much.

    Up to version 17 the function says nothing of a sequence that was not called, and waits where its owner alters it.

    :arg reader: where from; in a transaction of one's own the locks taken stay until its end
    :arg patience: seconds to wait for a lock; None: the reader's own
    :returns: states by the same keys, as far as they could be told
    :raises DatabaseError: nothing could be read, for example because one of them is locked
    """
    keys = list(wanted)
    if reader.version_number >= _ANSWERS_ALL_STATES:
        columns, function = "f.last_value::text AS one, f.is_called::text AS two", "pg_get_sequence_data(q.oid)"
    else:
        columns, function = (
            "f.value::text AS one, 'true'::text AS two",
            "(SELECT pg_sequence_last_value(q.oid) AS value)",
        )
    oids = ",".join(str(wanted[key].oid) for key in keys)
    rows = reader.query(
        f"SELECT q.place, {columns} FROM unnest('{{{oids}}}'::oid[]) WITH ORDINALITY AS q (oid, place)"
        f" CROSS JOIN LATERAL {function} AS f",
        lock_timeout=None if patience is None else min(patience, reader.lock_timeout),
    )
    return {keys[row["place"] - 1]: state((row["one"], row["two"])) for row in rows if row["one"] is not None}


def state(result: Ends) -> State:
    """A state, of last value and is_called as text."""
    return State(int(result[0] or 0), result[1] == "true")


def probes_of_ends(column: Column) -> list[Probe]:
    """Greatest and least value of a column: the ends of an index, or one scan for both."""
    name = quote_identifier(column.name)
    return _in_parts(column, (f"max({name})::text", f"min({name})::text"))


def probes_within(sequence: Sequence, column: Column) -> list[Probe]:
    """The furthest value of a column within the sequence's reach."""
    name = quote_identifier(column.name)
    # A quoted literal cast to the column's type: a bare -9223372036854775808 would be numeric and miss the index.
    lowest, highest = (f"'{bound}'::{column.base_type}" for bound in sequence.reach)
    inside = f" WHERE {name} >= {lowest} AND {name} <= {highest}"
    ends = (f"max({name})::text", "NULL::text") if sequence.ascending else ("NULL::text", f"min({name})::text")
    return _in_parts(column, ends, inside)


def _in_parts(column: Column, ends: tuple[str, str], condition: str = "") -> list[Probe]:
    """A probe of a table and all below it; where those are too many for one transaction, one of each of them."""
    average = max(1, column.relations // (len(column.parts) or 1))
    return [Probe(*ends, f"FROM {table}{condition}", average) for table in _tables(column)]


def _tables(column: Column) -> list[str]:
    return [f"ONLY {part}" for part in column.parts] or [sql_table(column)]


def probe_of_state(sequence: Sequence) -> Probe:
    """Last value of a sequence and whether it was called; last value NULL where only USAGE is held and it was not."""
    if sequence.can_select:
        return Probe("last_value::text", "is_called::text", f"FROM {sequence.sql_name}", 1)
    return Probe(f"pg_sequence_last_value({sequence.oid}::regclass)::text", "'true'::text", "", 1)


def reading_of_ends(sequence: Sequence, ends: Ends) -> tuple[Reading, bool]:
    """What greatest and least value say of a column.

    :arg ends: both as text; ``NaN`` is the greatest of all numbers for PostgreSQL
    :returns: the reading, and whether it is final: False where the furthest value within the reach is still to be read
    """
    if ends[0] is None or ends[1] is None:
        return Reading(empty=True), True
    reach = sequence.reach
    greatest, least = decimal.Decimal(ends[0]), decimal.Decimal(ends[1])
    over = greatest.is_nan() or greatest > reach.highest
    under = least.is_nan() or least < reach.lowest
    outside = over or under
    beyond, inside_end, text = (over, greatest >= reach.lowest if not over else False, ends[0])
    if not sequence.ascending:
        beyond, inside_end, text = (under, least <= reach.highest if not under else False, ends[1])
    if beyond:
        # Where no value is within the reach there is nothing more to read.
        return Reading(out_of_bounds=True), reach.lowest > reach.highest
    return Reading(furthest=whole(text, sequence.ascending) if inside_end else None, out_of_bounds=outside), True


def whole(value: str | None, ascending: bool) -> int | None:
    """The last whole number that counting meets at or before a value: only whole numbers are handed out."""
    if value is None:
        return None
    rounding = decimal.ROUND_FLOOR if ascending else decimal.ROUND_CEILING
    return int(decimal.Decimal(value).to_integral_value(rounding))


def furthest_of_ends(sequence: Sequence, ends: Ends) -> int | None:
    """The furthest of both, in the direction of counting, as a whole number."""
    return whole(ends[0] if sequence.ascending else ends[1], sequence.ascending)


def run_probes(reader: Sessions, probes: Mapping[t.Any, List[Probe]]) -> dict[t.Any, Ends | DatabaseError]:
    """Run readings in batches; a batch that fails is run again by halves, so that one bad object costs only itself.

    :arg probes: by any key, one or several that are to be taken together
    :returns: greatest first and least second text, or the error, by the same keys
    """
    found: dict[t.Any, list[Ends]] = {}
    errors: dict[t.Any, DatabaseError] = {}

    def run(batch: list[tuple[t.Any, Probe]]) -> None:
        patience = None if len(batch) == 1 else min(reader.lock_timeout, PATIENCE)
        try:
            rows = read_batch(lambda statement: reader.query(statement, lock_timeout=patience), batch)
        except DatabaseError as error:
            if len(batch) == 1:
                errors[batch[0][0]] = error
                return
            # One that takes too long would take as long in its half: each by itself, and only once more.
            size = 1 if error.sqlstate == "57014" else -(-len(batch) // 2)
            for place in range(0, len(batch), size):
                run(batch[place : place + size])
        else:
            for (key, _probe), ends in zip(batch, rows):
                found.setdefault(key, []).append(ends)

    several = ((key, probe) for key, probes_of_key in probes.items() for probe in probes_of_key)
    for batch in batches(several, lambda item: item[1].relations, BATCH_PROBES):
        run(batch)
    return {key: errors.get(key) or merged(found[key]) for key in probes}


def merged(ends: List[Ends]) -> Ends:
    """The greatest of the first and the least of the second texts, as numbers."""
    if len(ends) == 1:
        return ends[0]

    def value(text: str) -> tuple[bool, decimal.Decimal]:
        number = decimal.Decimal(text)
        # For PostgreSQL NaN is greater than all numbers (manual, 8.1.2); Python cannot compare it.
        return (True, decimal.Decimal(0)) if number.is_nan() else (False, number)

    greatest = max((one for one, _two in ends if one is not None), key=value, default=None)
    least = min((two for _one, two in ends if two is not None), key=value, default=None)
    return greatest, least


def read_batch(query: Callable[[str], List[Row]], batch: List[tuple[t.Any, Probe]]) -> list[Ends]:
    """Run readings as one statement.

    :arg query: runs a statement, returns its rows
    :arg batch: probes, with whatever they are known by
    :returns: both texts of each, in the same order
    :raises DatabaseError: the statement failed
    """
    statement = "\nUNION ALL\n".join(
        f"SELECT {place} AS place, {probe.one} AS one, {probe.two} AS two {probe.rest}"
        for place, (_key, probe) in enumerate(batch)
    )
    rows = {row["place"]: (row["one"], row["two"]) for row in query(statement)}
    return [rows[place] for place in range(len(batch))]


def batches(items: Iterable[T], relations: Callable[[T], int], most: int) -> Iterable[list[T]]:
    """Cut items into batches of at most so many, each locking no more relations than a transaction may.

    :arg relations: how many relations an item locks; one that exceeds the bound is a batch of its own
    """
    batch: list[T] = []
    locked = 0
    for item in items:
        more = relations(item)
        if batch and (len(batch) == most or locked + more > MOST_RELATIONS):
            yield batch
            batch, locked = [], 0
        batch.append(item)
        locked += more
    if batch:
        yield batch


def _rows_to_scan(reader: Reader, column: Column) -> int:
    """How many rows the planner expects to scan.

    Its estimate follows the size on disk, also of tables that were never analyzed, as after a restore.
    """
    name = quote_identifier(column.name)
    average = column.relations // (len(column.parts) or 1)
    rows = 0
    for tables in batches(_tables(column), lambda _table: average, MOST_RELATIONS):
        union = " UNION ALL ".join(f"SELECT {name} FROM {table}" for table in tables)
        plan = next(iter(reader.query(f"EXPLAIN (FORMAT JSON) {union}")[0].values()))
        rows += int(plan[0]["Plan"]["Plan Rows"])
    return rows


def _too_large(column: Column, rows: int) -> Trouble:
    index = f"CREATE INDEX CONCURRENTLY ON {sql_table(column)} ({quote_identifier(column.name)});"
    return Trouble(
        "too_large",
        f"{column.schema}.{column.table}.{column.name} has no usable index and about {rows} rows,"
        " more than max_scan_rows",
        f"{index} or max_scan_rows: {rows + rows // 10}",
    )


def column_trouble(error: DatabaseError, column: Column, session: Session) -> Trouble:
    """Translate a failed reading of a column to the contract's reasons."""
    role = quote_identifier(session.role)
    if error.sqlstate == "42501" and "row-level security" in str(error):
        remedy = f"ALTER ROLE {role} BYPASSRLS; or connect as its owner with session_role: {column.owner}"
        return Trouble("row_security", f"{column.schema}.{column.table}: {error}", remedy)
    grant = f"GRANT SELECT ({quote_identifier(column.name)}) ON {sql_table(column)} TO {role};"
    return _trouble(error, f"{column.schema}.{column.table}.{column.name}", grant)


def sequence_trouble(error: DatabaseError, sequence: Sequence, session: Session) -> Trouble:
    """Translate a failed reading or repair of a sequence to the contract's reasons."""
    grant = f"GRANT SELECT ON SEQUENCE {sequence.sql_name} TO {quote_identifier(session.role)};"
    return _trouble(error, f"{sequence.schema}.{sequence.name}", grant)


def _trouble(error: DatabaseError, place: str, grant: str) -> Trouble:
    cause = f"{place}: {error}"
    if error.sqlstate == "42501":
        return Trouble("no_privilege", cause, grant)
    if error.sqlstate == "55P03":
        remedy = "run again when it is free, or with a longer lock_timeout"
        return Trouble("locked", f"{place} is locked by another session", remedy)
    if error.sqlstate == "53200":
        remedy = "the server's lock table is full: run again later, or raise max_locks_per_transaction"
        return Trouble("locked", cause, remedy)
    if error.sqlstate == "57014":
        return Trouble("timeout", cause, "run again with a longer statement_timeout")
    if error.sqlstate in VANISHED:
        cause = f"{cause}: it was dropped or renamed meanwhile, or is damaged"
        return Trouble("error", cause, "run again", vanished=True)
    return Trouble("error", cause, "run again once this is settled")
