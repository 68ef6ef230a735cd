# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Columns in, the furthest values they hold out."""

from __future__ import annotations

import decimal
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import LONG_SCAN_ROWS, Reading
from ansible_collections.pgops.sequences.plugins.module_utils._observe.obstacles import Limits, too_large
from ansible_collections.pgops.sequences.plugins.module_utils._observe.own import own_rows, own_trouble
from ansible_collections.pgops.sequences.plugins.module_utils._observe.probes import Ends, Probe, batches, run_probes
from ansible_collections.pgops.sequences.plugins.module_utils._observe.troubles import column_trouble, own_sql_trouble
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.settings import MOST_RELATIONS

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Sequence, Trouble
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader


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
        if column.mapping.is_sql:
            trouble = own_trouble(sessions, column, limits.trust_index_functions)
            if trouble:
                readings[key] = Reading(trouble=trouble)
                continue
        if not column.indexed:
            try:
                rows = scans[key] = _rows_to_scan(sessions, column)
            except DatabaseError as error:
                readings[key] = Reading(trouble=column_trouble(error, column, sessions.first))
                continue
            if limits.max_scan_rows and rows > limits.max_scan_rows:
                readings[key] = Reading(scan_rows=rows, trouble=too_large(column, rows))
                continue
            if rows > LONG_SCAN_ROWS:
                # Alone in its batch, so that statement_timeout is all its own.
                probes = [probe._replace(relations=MOST_RELATIONS) for probe in probes]
        ends[key] = probes

    within: dict[t.Any, list[Probe]] = {}
    for key, result in run_probes(sessions, ends).items():
        sequence, column = wanted[key]
        if isinstance(result, DatabaseError):
            readings[key] = Reading(trouble=_trouble(result, column, sessions))
            continue
        readings[key], settled = reading_of_ends(sequence, result)
        if not settled:
            within[key] = probes_within(sequence, column)
    for key, result in run_probes(sessions, within).items():
        sequence, column = wanted[key]
        if isinstance(result, DatabaseError):
            readings[key] = Reading(trouble=_trouble(result, column, sessions))
        else:
            readings[key] = readings[key]._replace(furthest=furthest_of_ends(sequence, result))
    for key, rows in scans.items():
        readings[key] = readings[key]._replace(scan_rows=rows)
    return readings


def _trouble(error: DatabaseError, column: Column, sessions: Sessions) -> Trouble:
    if column.mapping.is_sql:
        return own_sql_trouble(error, column, sessions.first)
    return column_trouble(error, column, sessions.first)


def read_ahead(sessions: Sessions, wanted: Mapping[t.Any, tuple[Sequence, Column, int]]) -> dict[t.Any, int]:
    """Read which values counting meets first.

    :arg wanted: sequence, column and next value by any key
    :returns: the values by the same keys; those that could not be read are left out
    """
    found = run_probes(sessions, {key: probes_ahead(*asked) for key, asked in wanted.items()})
    ahead: dict[t.Any, int] = {}
    for key, ends in found.items():
        sequence = wanted[key][0]
        if not isinstance(ends, DatabaseError):
            value = whole(ends[1] if sequence.ascending else ends[0], not sequence.ascending)
            if value is not None:
                # A fraction lies before the whole number that follows it.
                ahead[key] = value
    return ahead


def probes_of_ends(column: Column) -> list[Probe]:
    """Greatest and least value of a column: the ends of an index, or one scan for both."""
    value = _value(column)
    return _in_parts(column, (f"max({value})::text", f"min({value})::text"), _conditions(column, *_own_range(column)))


def probes_within(sequence: Sequence, column: Column) -> list[Probe]:
    """The furthest value of a column within the sequence's reach."""
    value, up = _value(column), sequence.ascending
    ends = (f"max({value})::text", "NULL::text") if up else ("NULL::text", f"min({value})::text")
    return _in_parts(column, ends, _conditions(column, *sequence.reach))


def probes_ahead(sequence: Sequence, column: Column, next_value: int) -> list[Probe]:
    """The value of a column that counting meets first from the next value on, within the reach."""
    value, up, (lowest, highest) = _value(column), sequence.ascending, sequence.reach
    ends = ("NULL::text", f"min({value})::text") if up else (f"max({value})::text", "NULL::text")
    bounds = (max(lowest, next_value), highest) if up else (lowest, min(highest, next_value))
    return _in_parts(column, ends, _conditions(column, *bounds))


def _value(column: Column) -> str:
    return "own.value" if column.mapping.is_sql else column.sql_name


def _own_range(column: Column) -> tuple[int | None, int | None]:
    return column.mapping.minimum, column.mapping.maximum


def _conditions(column: Column, lowest: int | None, highest: int | None) -> str:
    """A WHERE that takes the values within bounds, or nothing."""
    # A quoted literal cast to the column's type: a bare -9223372036854775808 would be numeric and miss the index.
    of_type = "numeric" if column.mapping.expression is not None else column.base_type
    pairs = [(">=", lowest), ("<=", highest)]
    found = [f"{_value(column)} {sign} '{bound}'::{of_type}" for sign, bound in pairs if bound is not None]
    return f" WHERE {' AND '.join(found)}" if found else ""


def _in_parts(column: Column, ends: tuple[str, str], condition: str = "") -> list[Probe]:
    """A probe of a table and all below it; where those are too many for one transaction, one of each of them."""
    if column.mapping.is_sql:
        # Alone in its batch: what goes wrong with it is its own.
        return [Probe(*ends, f"FROM {own_rows(column, table)}{condition}", MOST_RELATIONS) for table in _tables(column)]
    average = max(1, column.relations // (len(column.parts) or 1))
    return [Probe(*ends, f"FROM {table}{condition}", average) for table in _tables(column)]


def _tables(column: Column) -> list[str]:
    return [f"ONLY {part}" for part in column.parts] or [column.sql_table]


def reading_of_ends(sequence: Sequence, ends: Ends) -> tuple[Reading, bool]:
    """What greatest and least value say of a column.

    :arg ends: both as text; ``NaN`` is the greatest of all numbers for PostgreSQL
    :returns: the reading, and whether it is final: False where the furthest value within the reach is still to be read
    """
    if ends[0] is None or ends[1] is None:
        return Reading(empty=True), True
    reach = sequence.reach
    greatest, least = decimal.Decimal(ends[0]), decimal.Decimal(ends[1])
    if sequence.ascending:
        beyond, text = greatest.is_nan() or greatest > reach.highest, ends[0]
        inside_end = not beyond and greatest >= reach.lowest
    else:
        # Where the least is NaN all are, and lie before the near end.
        beyond, text = not least.is_nan() and least < reach.lowest, ends[1]
        inside_end = not (beyond or least.is_nan()) and least <= reach.highest
    if beyond:
        # Where no value is within the reach there is nothing more to read.
        return Reading(out_of_bounds=True), reach.lowest > reach.highest
    return Reading(furthest=whole(text, sequence.ascending) if inside_end else None), True


def whole(value: str | None, ascending: bool) -> int | None:
    """The last whole number that counting meets at or before a value: only whole numbers are handed out."""
    if value is None:
        return None
    rounding = decimal.ROUND_FLOOR if ascending else decimal.ROUND_CEILING
    return int(decimal.Decimal(value).to_integral_value(rounding))


def furthest_of_ends(sequence: Sequence, ends: Ends) -> int | None:
    """The furthest of both, in the direction of counting, as a whole number."""
    return whole(ends[0] if sequence.ascending else ends[1], sequence.ascending)


def _rows_to_scan(reader: Reader, column: Column) -> int:
    """How many rows the planner expects to scan.

    Its estimate follows the size on disk, also of tables that were never analyzed, as after a restore.
    """
    name = column.sql_name
    average = column.relations // (len(column.parts) or 1)
    rows = 0
    for tables in batches(_tables(column), lambda _table: average, MOST_RELATIONS):
        union = " UNION ALL ".join(f"SELECT {name} FROM {table}" for table in tables)
        plan = next(iter(reader.query(f"EXPLAIN (FORMAT JSON) {union}")[0].values()))
        rows += int(plan[0]["Plan"]["Plan Rows"])
    return rows
