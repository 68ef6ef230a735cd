# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Sequences in, their state and the furthest values of their columns out.

Reads go out in bounded batches; a batch that fails is read again one by one, so that a locked, forbidden or broken
table costs its own sequences their verdict and no other.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import decimal
import queue
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._connect import DatabaseError, quote_identifier
from ansible_collections.pgops.sequences.plugins.module_utils._model import (
    Column,
    Observation,
    Reading,
    Sequence,
    State,
    Trouble,
    takes_numbers,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._connect import Row, Session

# Measured (facts, D): from 20 to 500 per statement cost the same, one at a time costs 1.4 to 5 times as much.
_BATCH_STATEMENTS = 50
# The lock table is shared by the whole server; a statement holds a lock on every table, partition and index it reads.
_BATCH_RELATIONS = 200

PATIENCE = 0.01
"""Seconds to wait for a lock while others are held.

Someone who holds that lock and waits for one of ours would be in a deadlock with us, and the one to be ended may be
a migration. One that lasts shorter than deadlock_timeout (1 s, unless set) is hardly ever noticed.
"""

LONG_SCAN_ROWS = 100_000
"""From about here on a scan is felt: some 10 ms (facts, D)."""

VANISHED = frozenset({"42P01", "42703", "42704", "42809", "3F000", "55000", "XX000"})
"""Errors of a statement whose table, column or schema was dropped, renamed or replaced since it was discovered."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """One reading: a SELECT list item's worth of work that can stand in a UNION ALL.

    :ivar statement: a SELECT of two columns, both text
    :ivar relations: how many relations it locks
    """

    statement: str
    relations: int


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an audit may cost.

    :ivar max_scan_rows: rows of the largest table that may be scanned where no index serves; 0 for no bound
    :ivar trust_index_functions: read tables whose indexes call functions of other, ordinary roles
    """

    max_scan_rows: int = 10_000_000
    trust_index_functions: bool = False


def observe(sessions: List[Session], sequences: Iterable[Sequence], limits: Limits) -> list[Observation]:
    """Read the columns of sequences, then their states.

    In that order: a sequence is not transactional, so a state read first and a row read after it would show a lag
    that never was.

    :arg sessions: sessions with the sequences' database, used at the same time
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
        trouble = column_obstacle(column, sessions[0], limits)
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
    sessions: List[Session], wanted: Mapping[t.Any, tuple[Sequence, Column]], limits: Limits
) -> dict[t.Any, Reading]:
    """Read what columns hold.

    :arg wanted: sequence and column by any key
    :returns: readings by the same keys
    """
    readings: dict[t.Any, Reading] = {}
    unindexed = {key: pair for key, pair in wanted.items() if not pair[1].indexed}
    scans = _scans(sessions, unindexed)
    for key, rows in scans.items():
        column = wanted[key][1]
        if isinstance(rows, DatabaseError):
            readings[key] = Reading(trouble=column_trouble(rows, column, sessions[0]))
        elif limits.max_scan_rows and rows > limits.max_scan_rows:
            readings[key] = Reading(scan_rows=rows, trouble=_too_large(column, rows))

    both_ends = {key: probe_of_ends(column) for key, (_s, column) in wanted.items() if key not in readings}
    for key, rows in scans.items():
        if key in both_ends and isinstance(rows, int) and rows > LONG_SCAN_ROWS:
            # Alone in its batch, so that statement_timeout is all its own.
            both_ends[key] = dataclasses.replace(both_ends[key], relations=_BATCH_RELATIONS)
    again: dict[t.Any, Probe] = {}
    for key, result in run_probes(sessions, both_ends).items():
        sequence, column = wanted[key]
        if isinstance(result, DatabaseError):
            readings[key] = Reading(trouble=column_trouble(result, column, sessions[0]))
            continue
        readings[key], settled = reading_of_ends(sequence, result)
        if not settled:
            again[key] = probe_within(sequence, column)
    for key, result in run_probes(sessions, again).items():
        sequence, column = wanted[key]
        if isinstance(result, DatabaseError):
            readings[key] = Reading(trouble=column_trouble(result, column, sessions[0]))
        else:
            readings[key] = dataclasses.replace(readings[key], furthest=whole(result[0], sequence.ascending))
    for key, rows in scans.items():
        if isinstance(rows, int):
            readings[key] = dataclasses.replace(readings[key], scan_rows=rows)
    return readings


def read_states(sessions: List[Session], wanted: Mapping[t.Any, Sequence]) -> dict[t.Any, State | Trouble]:
    """Read what sequences stand at.

    :arg wanted: sequences by any key
    :returns: their states by the same keys, or why one could not be read
    """
    states: dict[t.Any, State | Trouble] = {}
    probes = {}
    for key, sequence in wanted.items():
        trouble = sequence_obstacle(sequence, sessions[0])
        if trouble:
            states[key] = trouble
        else:
            probes[key] = probe_of_state(sequence)
    for key, result in run_probes(sessions, probes).items():
        sequence = wanted[key]
        if isinstance(result, DatabaseError):
            states[key] = sequence_trouble(result, sequence, sessions[0])
        elif result[0] is None:
            # With USAGE alone, "never called" and "set, but not called" look the same.
            role = quote_identifier(sessions[0].role)
            states[key] = Trouble(
                "no_privilege",
                f"{sessions[0].role} may use {sequence.schema}.{sequence.name}"
                " but not see where an uncalled sequence stands",
                f"GRANT SELECT ON SEQUENCE {sequence.sql_name} TO {role};",
            )
        else:
            states[key] = State(int(result[0]), result[1] == "true")
    return states


def probe_of_ends(column: Column) -> Probe:
    """Greatest and least value of a column."""
    name = quote_identifier(column.name)
    return Probe(
        f"SELECT max({name})::text AS one, min({name})::text AS two FROM {sql_table(column)}", 2 * column.relations
    )


def probe_within(sequence: Sequence, column: Column) -> Probe:
    """The furthest value of a column within the sequence's reach."""
    name, reach = quote_identifier(column.name), sequence.reach
    aggregate = "max" if sequence.ascending else "min"
    # A quoted literal cast to the column's type: a bare -9223372036854775808 would be numeric and miss the index.
    lowest, highest = (f"'{bound}'::{column.base_type}" for bound in reach)
    return Probe(
        f"SELECT {aggregate}({name})::text AS one, NULL::text AS two FROM {sql_table(column)}"
        f" WHERE {name} >= {lowest} AND {name} <= {highest}",
        2 * column.relations,
    )


def probe_of_state(sequence: Sequence) -> Probe:
    """Last value of a sequence and whether it was called; last value NULL where only USAGE is held and it was not."""
    if sequence.can_select:
        return Probe(f"SELECT last_value::text AS one, is_called::text AS two FROM {sequence.sql_name}", 1)
    return Probe(f"SELECT pg_sequence_last_value({sequence.oid}::regclass)::text AS one, 'true'::text AS two", 1)


def reading_of_ends(sequence: Sequence, ends: tuple[str | None, str | None]) -> tuple[Reading, bool]:
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


def run_probes(
    sessions: List[Session], probes: Mapping[t.Any, Probe]
) -> dict[t.Any, tuple[str | None, str | None] | DatabaseError]:
    """Run readings in batches, on all sessions at once; a batch that fails is run again one by one.

    :returns: both values, or the error, by the probes' keys
    """

    def work(session: Session, batch: List[tuple[t.Any, Probe]]) -> dict[t.Any, t.Any]:
        patience = session.lock_timeout if len(batch) == 1 else min(session.lock_timeout, PATIENCE)
        try:
            return read_batch(lambda statement: session.query(statement, lock_timeout=patience), batch)
        except DatabaseError as error:
            if len(batch) == 1:
                return {batch[0][0]: error}
        found: dict[t.Any, t.Any] = {}
        for single in batch:
            found.update(work(session, [single]))
        return found

    found: dict[t.Any, t.Any] = {}
    for part in _share_out(sessions, list(_batches(probes)), work):
        found.update(part)
    return found


def read_batch(
    query: Callable[[str], List[Row]], batch: List[tuple[t.Any, Probe]]
) -> dict[t.Any, tuple[str | None, str | None]]:
    """Run readings as one statement.

    :arg query: runs a statement, returns its rows
    :returns: both values by the probes' keys
    :raises DatabaseError: the statement failed
    """
    selects = (
        f"SELECT {place} AS place, p.one, p.two FROM ({probe.statement}) p" for place, (_key, probe) in enumerate(batch)
    )
    return {batch[row["place"]][0]: (row["one"], row["two"]) for row in query("\nUNION ALL\n".join(selects))}


def _batches(probes: Mapping[t.Any, Probe]) -> Iterable[list[tuple[t.Any, Probe]]]:
    batch: list[tuple[t.Any, Probe]] = []
    relations = 0
    for key, probe in probes.items():
        if batch and (len(batch) == _BATCH_STATEMENTS or relations + probe.relations > _BATCH_RELATIONS):
            yield batch
            batch, relations = [], 0
        batch.append((key, probe))
        relations += probe.relations
    if batch:
        yield batch


def _share_out(sessions: List[Session], tasks: List[t.Any], work: Callable[[Session, t.Any], t.Any]) -> list[t.Any]:
    if len(sessions) == 1 or len(tasks) < 2:
        return [work(sessions[0], task) for task in tasks]
    free: queue.SimpleQueue[Session] = queue.SimpleQueue()
    for session in sessions:
        free.put(session)

    def borrow(task: t.Any) -> t.Any:
        session = free.get()
        try:
            return work(session, task)
        finally:
            free.put(session)

    with concurrent.futures.ThreadPoolExecutor(len(sessions)) as pool:
        return list(pool.map(borrow, tasks))


def _scans(
    sessions: List[Session], unindexed: Mapping[t.Any, tuple[Sequence, Column]]
) -> dict[t.Any, int | DatabaseError]:
    """How many rows the planner expects to scan.

    Its estimate follows the size on disk, also of tables that were never analyzed, as after a restore.
    """

    def estimate(session: Session, item: tuple[t.Any, tuple[Sequence, Column]]) -> tuple[t.Any, int | DatabaseError]:
        key, (_sequence, column) = item
        statement = f"EXPLAIN (FORMAT JSON) SELECT {quote_identifier(column.name)} FROM {sql_table(column)}"
        try:
            plan = next(iter(session.query(statement)[0].values()))
        except DatabaseError as error:
            return key, error
        return key, int(plan[0]["Plan"]["Plan Rows"])

    return dict(_share_out(sessions, list(unindexed.items()), estimate))


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
