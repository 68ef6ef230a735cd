# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A sequence that needs a hand in, the exact next command or option out.

Pure: no SQL is run, no Ansible.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import MOST_STEPS
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import STRUCTURAL
from ansible_collections.pgops.sequences.plugins.module_utils._model import column_limits
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier, readable

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import Refusal
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Verdict
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Observation, Sequence

_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


def remedy(observation: Observation, verdict: Verdict, refusal: Refusal | None, role: str) -> str:
    """What settles a sequence that needs a hand (contract, section 4, ``not_fixed``).

    :arg observation: the sequence as it was found
    :arg verdict: what was made of it
    :arg refusal: why it is not moved, where a move is due and refused
    :arg role: the role that was not able to repair it
    """
    sequence = observation.sequence
    reasons = (*verdict.reasons, *(refusal.reasons if refusal else ()))
    if refusal and refusal.columns:
        tables = sorted({column.sql_table for column in refusal.columns})
        return " ".join(f"GRANT UPDATE ON {table} TO {quote_identifier(role)};" for table in tables)
    if "max_jump" in reasons:
        return (
            f"look at {furthest_place(observation, verdict.furthest)}: if {verdict.furthest} is a stray value remove it,"
            f" otherwise run with max_jump: {refusal.jump if refusal else 0}"
        )
    if "no_room" in reasons and "no_room" not in verdict.reasons:
        return "run with a smaller margin"
    if "no_room" in reasons:
        return _widen(sequence)
    if "exhausted" in reasons:
        return f"{_widen(sequence)} or go back to unused values with mode: realign and confirm: true"
    if "no_privilege" in reasons and refusal and refusal.jump is not None:
        return _grant_to_move(sequence, "behind" in reasons, refusal.jump, quote_identifier(role))
    settleable = [trouble.remedy for trouble in verdict.troubles if trouble.reason not in STRUCTURAL]
    return settleable[0] if settleable else "run again"


def furthest_place(observation: Observation, furthest: int | None) -> str:
    """The column that holds the furthest value, in words."""
    for column, reading in zip(observation.sequence.columns, observation.readings):
        if furthest is not None and reading.furthest == furthest:
            return place_of(observation.sequence, column)
    return "no column"


def place_of(sequence: Sequence, column: Column) -> str:
    """A column as SQL names it; its schema only where it is not the sequence's."""
    prefix = "" if column.schema == sequence.schema else f"{readable(column.schema)}."
    return f"{prefix}{readable(column.table)}.{readable(column.name)}"


def _grant_to_move(sequence: Sequence, behind: bool, jump: int, role: str) -> str:
    if behind and jump // abs(sequence.increment) <= MOST_STEPS:
        return f"GRANT USAGE ON SEQUENCE {sequence.sql_name} TO {role}; or run as its owner: {sequence.owner}"
    return f"GRANT {quote_identifier(sequence.owner)} TO {role}; only its owner can move it that far, or back"


def _widen(sequence: Sequence) -> str:
    """The statements that give a sequence and its columns more room in the direction of counting."""
    ascending, reach = sequence.ascending, sequence.reach
    end = reach.highest if ascending else reach.lowest
    statements = [
        f"ALTER TABLE {column.sql_table} ALTER COLUMN {column.sql_name} TYPE bigint;"
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
