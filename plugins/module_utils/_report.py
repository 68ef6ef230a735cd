# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Findings and changes in, the results users see out: dictionaries, sentences, remedies, the diff."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils import _judge
from ansible_collections.pgops.sequences.plugins.module_utils._connect import quote_identifier, quote_literal
from ansible_collections.pgops.sequences.plugins.module_utils._model import column_limits
from ansible_collections.pgops.sequences.plugins.module_utils._observe import sql_table

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.pgops.sequences.plugins.module_utils._audit import Database, Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Sequence, State
    from ansible_collections.pgops.sequences.plugins.module_utils._repair import Change, Unfixed

    Result = dict[str, t.Any]

_SKIPPED = {
    "cycle": "it is declared CYCLE: it repeats its values on purpose",
    "no_column": "no catalog shows a column it feeds; if one is fed by code, map it with the option columns",
    "extension": "it belongs to an extension",
    "system": "it belongs to a system schema",
}

_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


def summary_of(databases: Iterable[Database]) -> Result:
    """Count sequences by status; ``total`` is their sum."""
    counts: collections.Counter[str] = collections.Counter()
    for database in databases:
        counts.update(database.quiet.values())
        counts.update(finding.verdict.status for finding in database.findings.values())
    return {"total": sum(counts.values()), **{status: counts[status] for status in _judge.STATUSES}}


def audit_result(databases: list[Database], show_all: bool) -> Result:
    """The part of the result that both modules share (contract, section 3).

    :arg show_all: list every sequence, not only those that need a look
    """
    return {
        "server": next((database.server for database in databases if database.server), None),
        "summary": {"databases": len(databases), **summary_of(databases)},
        "databases": [
            {
                "name": database.name,
                "server_version": database.server_version,
                "in_recovery": database.in_recovery,
                "error": database.error,
                "summary": summary_of([database]),
            }
            for database in databases
        ],
        "sequences": [
            sequence_result(finding)
            for database in databases
            for finding in sorted(database.findings.values(), key=lambda found: found.place)
            if show_all or finding.verdict.status not in _judge.QUIET
        ],
    }


def selection_result(params: Result) -> Result:
    """What was looked at, so that results of different runs can be told apart.

    :arg params: the module's options
    """
    selection = {name: params[name] or [] for name in ("schemas", "tables", "sequences", "columns")}
    return {"databases": params["databases"] or [params["login_db"]], **selection}


def sequence_result(finding: Finding) -> Result:
    """One entry of ``sequences``."""
    sequence, verdict, state = finding.sequence, finding.verdict, finding.observation.state
    return {
        "database": finding.database,
        "schema": sequence.schema,
        "name": sequence.name,
        "columns": [
            {
                "schema": column.schema,
                "table": column.table,
                "column": column.name,
                "type": column.type_name,
                "via": ",".join(column.via),
                "indexed": column.indexed,
                "furthest_value": reading.furthest,
                "error": reading.trouble.cause if reading.trouble else None,
            }
            for column, reading in zip(sequence.columns, finding.observation.readings)
        ],
        "data_type": sequence.data_type,
        "start_value": sequence.start_value,
        "increment": sequence.increment,
        "min_value": sequence.min_value,
        "max_value": sequence.max_value,
        "cache_size": sequence.cache_size,
        "cycle": sequence.cycle,
        "last_value": state.last_value if state else None,
        "is_called": state.is_called if state else None,
        "next_value": verdict.next_value,
        "furthest_value": verdict.furthest,
        "limit": verdict.limit,
        "gap": verdict.gap,
        "percent_used": verdict.percent_used,
        "status": verdict.status,
        "reasons": list(verdict.reasons),
        "message": message_of(finding),
        "fix": fix_of(finding),
    }


def fix_of(finding: Finding) -> Result | None:
    """What would repair it; None where nothing should or can be done."""
    target = finding.verdict.target
    if target is None:
        return None
    state = _judge.state_for(finding.sequence, target)
    name = quote_literal(finding.sequence.sql_name)
    called = str(state.is_called).lower()
    return {
        "next_value": target,
        "statement": f"SELECT pg_catalog.setval({name}::regclass, {state.last_value}, {called});",
    }


def message_of(finding: Finding) -> str:
    """What is to be said of a sequence, for people; unknown ones with what would settle it."""
    verdict, sequence = finding.verdict, finding.sequence
    if verdict.status == _judge.SKIPPED:
        return _SKIPPED[verdict.reasons[0]]
    found = f"{verdict.furthest} ({_furthest_column(finding)})"
    sentences = {
        "behind": f"next value {verdict.next_value} is not beyond {found}",
        "exhausted": f"next value {verdict.next_value} is outside {_reach(sequence)},"
        " what the sequence and its columns can hold",
        "no_room": f"no free value is left beyond {verdict.furthest} up to {verdict.limit}",
        "gap": f"{verdict.gap} values are skipped between {found} and next value {verdict.next_value}",
        "near_limit": f"{verdict.percent_used} % of the values up to {verdict.limit} are used",
        "out_of_bounds": f"{_outside(finding)} holds values outside {_reach(sequence)}, which cannot collide",
    }
    parts = [sentences[reason] for reason in verdict.reasons if reason in sentences]
    parts += [f"{trouble.cause}: {trouble.remedy}" for trouble in verdict.troubles]
    if parts:
        return "; ".join(parts)
    if verdict.furthest is None:
        return f"no column holds a value; next value {verdict.next_value}"
    return f"next value {verdict.next_value} is beyond {found}"


def change_result(change: Change) -> Result:
    """One entry of ``changes``."""
    return {
        "database": change.database,
        "schema": change.schema,
        "name": change.name,
        "reasons": list(change.reasons),
        "method": change.method,
        "before": _state_result(change.increment, change.before),
        "after": _state_result(change.increment, change.after),
        "statement": change.statement,
    }


def unfixed_result(unfixed: Unfixed) -> Result:
    """One entry of ``not_fixed``."""
    finding, trouble = unfixed.finding, unfixed.trouble
    message = message_of(finding)
    if trouble and trouble not in finding.verdict.troubles:
        message = f"{message}; could not be moved: {trouble.cause}"
    elif "max_jump" in unfixed.reasons:
        jump = unfixed.refusal.jump if unfixed.refusal else None
        message = f"{message}; a move of {jump} values is more than max_jump"
    return {
        "database": finding.database,
        "schema": finding.sequence.schema,
        "name": finding.sequence.name,
        "reasons": list(unfixed.reasons),
        "message": message,
        "remedy": remedy_of(unfixed),
    }


def remedy_of(unfixed: Unfixed) -> str:
    """The exact next command or option for a sequence that needs a hand."""
    finding, sequence, reasons = unfixed.finding, unfixed.finding.sequence, unfixed.reasons
    refusal, role = unfixed.refusal, quote_identifier(unfixed.role)
    if unfixed.trouble:
        return unfixed.trouble.remedy
    if refusal and refusal.columns:
        tables = sorted({sql_table(column) for column in refusal.columns})
        return " ".join(f"GRANT UPDATE ON {table} TO {role};" for table in tables)
    if "max_jump" in reasons:
        return (
            f"look at {_furthest_column(finding)}: if {finding.verdict.furthest} is a stray value remove it,"
            f" otherwise run with max_jump: {refusal.jump if refusal else 0}"
        )
    if "no_room" in reasons and "no_room" not in finding.verdict.reasons:
        return "run with a smaller margin"
    if "no_room" in reasons:
        return _widen(sequence)
    if "exhausted" in reasons:
        return f"{_widen(sequence)} or go back to unused values with mode: realign and confirm: true"
    if "no_privilege" in reasons and refusal and refusal.jump is not None:
        if "behind" in reasons and refusal.jump // abs(sequence.increment) <= _judge.MOST_STEPS:
            return f"GRANT USAGE ON SEQUENCE {sequence.sql_name} TO {role}; or run as its owner: {sequence.owner}"
        return f"GRANT {quote_identifier(sequence.owner)} TO {role}; only its owner can move it that far, or back"
    settleable = [x.remedy for x in finding.verdict.troubles if x.reason not in _judge.STRUCTURAL]
    return settleable[0] if settleable else "run again"


def fix_diff(changes: list[Change]) -> Result:
    """Before and after of every change, a line each, for ``--diff``."""

    def lines(which: str) -> str:
        return "".join(
            f"{change.database}: {change.schema}.{change.name}"
            f" last_value={state.last_value} is_called={str(state.is_called).lower()}"
            f" next_value={state.next_value(change.increment)}\n"
            for change in changes
            for state in [getattr(change, which)]
        )

    return {
        "before_header": "sequences",
        "after_header": "sequences",
        "before": lines("before"),
        "after": lines("after"),
    }


def _state_result(increment: int, state: State) -> Result:
    return {
        "last_value": state.last_value,
        "is_called": state.is_called,
        "next_value": state.next_value(increment),
    }


def _furthest_column(finding: Finding) -> str:
    furthest = finding.verdict.furthest
    for column, reading in zip(finding.sequence.columns, finding.observation.readings):
        if furthest is not None and reading.furthest == furthest:
            return _place(finding.sequence, column)
    return "no column"


def _outside(finding: Finding) -> str:
    pairs = zip(finding.sequence.columns, finding.observation.readings)
    return ", ".join(_place(finding.sequence, column) for column, reading in pairs if reading.out_of_bounds)


def _place(sequence: Sequence, column: Column) -> str:
    prefix = "" if column.schema == sequence.schema else f"{column.schema}."
    return f"{prefix}{column.table}.{column.name}"


def _reach(sequence: Sequence) -> str:
    return f"{sequence.reach.lowest}..{sequence.reach.highest}"


def _widen(sequence: Sequence) -> str:
    """The statements that give a sequence and its columns more room in the direction of counting."""
    ascending, reach = sequence.ascending, sequence.reach
    end = reach.highest if ascending else reach.lowest
    statements = [
        f"ALTER TABLE {sql_table(column)} ALTER COLUMN {quote_identifier(column.name)} TYPE bigint;"
        for column in sequence.columns
        if any((limit.highest if ascending else limit.lowest) == end for limit in column_limits(column))
        and column.base_type != "bigint"
    ]
    bound = sequence.max_value if ascending else sequence.min_value
    if bound == end:
        largest = _LARGEST.get(sequence.data_type, 2**63 - 1)
        if abs(bound) >= largest and sequence.data_type != "bigint":
            statements.append(f"ALTER SEQUENCE {sequence.sql_name} AS bigint;")
        elif abs(bound) < largest:
            wider = f"MAXVALUE {largest}" if ascending else f"MINVALUE {-largest - 1}"
            statements.append(f"ALTER SEQUENCE {sequence.sql_name} {wider};")
    return " ".join(statements) or "move the table to a wider type, or give its rows new ids: bigint is used up"
