# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A sequence that needs a hand in, the exact next command or option out.

Pure: no SQL is run, no Ansible.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import MOST_STEPS
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import STRUCTURAL
from ansible_collections.pgops.sequences.plugins.module_utils._model import POOLED_LO, SINGLE, column_limits
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import (
    quote_literal,
    readable,
)
from ansible_collections.pgops.sequences.plugins.module_utils._reference.differences import alignment
from ansible_collections.pgops.sequences.plugins.module_utils._suspect.names import serial_name

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import Refusal
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Verdict
    from ansible_collections.pgops.sequences.plugins.module_utils._model import (
        Column,
        Observation,
        Sequence,
        Subscription,
    )

_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


def remedy(observation: Observation, verdict: Verdict, refusal: Refusal | None, role: str) -> str | None:
    """What settles a finding (contract, section 2), or what a repair leaves (section 4, ``not_fixed``).

    :arg observation: the sequence as it was found
    :arg verdict: what was made of it
    :arg refusal: why it is not moved, where a move is due and refused
    :arg role: the role that was not able to repair it
    :returns: the statement, GRANT or option; None where a move is all there is to do, or nothing helps
    """
    sequence = observation.sequence
    reasons = (*verdict.reasons, *(refusal.reasons if refusal else ()))
    if refusal and refusal.columns:
        tables = sorted({readable(column.schema, column.table) for column in refusal.columns})
        return " ".join(f"GRANT UPDATE ON {table} TO {readable(role)};" for table in tables)
    if "subscribed" in reasons and sequence.subscription and sequence.subscription.keeps:
        return f"repair it on the publisher, then here: {refresh(sequence.subscription)}; or move it now with move_subscribed: true"
    if "subscribed" in reasons:
        return "carry it over at the cut-over, with the playbook pgops.sequences.cutover; or move it now with move_subscribed: true"
    if "max_jump" in reasons and "behind_reference" in reasons and verdict.reference:
        there = verdict.reference.entry
        return (
            f"see whether {there.next_value} is right for {there.schema}.{there.name} in the reference: if so, run with"
            f" max_jump: {refusal.jump if refusal else 0}"
        )
    if "max_jump" in reasons:
        return (
            f"look at {furthest_place(observation, verdict.furthest)}: if {verdict.furthest} is a stray value remove it,"
            f" otherwise run with max_jump: {refusal.jump if refusal else 0}"
        )
    if refusal and refusal.by_margin:
        return "run with a smaller margin"
    if "no_room" in reasons:
        return _widen(observation)
    if "exhausted" in reasons:
        wider = _widen(observation)
        return f"{wider}{' --' * wider.endswith(';')} or go back to unused values with mode: realign and confirm: true"
    if "no_privilege" in reasons and refusal and refusal.jump is not None:
        return _grant_to_move(
            sequence, bool({"behind", "behind_reference"}.intersection(reasons)), refusal.jump, readable(role)
        )
    # What nobody can settle does not keep it from being moved.
    movable = verdict.target is not None and STRUCTURAL.issuperset(trouble.reason for trouble in verdict.troubles)
    if verdict.troubles and not movable:
        return _settle(verdict)
    if {"behind", "behind_reference"}.intersection(reasons):
        return None
    return _for_warning(observation, verdict)


def entries_of(observation: Observation) -> list[dict[str, t.Any]]:
    """The entries of ``columns`` that confirm what a sequence is supposed to feed; none where nothing is supposed."""
    guess, seen = observation.suspicion or (None, None)
    if guess is None or seen is None:
        return []
    sequence, entries = seen.sequence, []
    for column in sequence.columns:
        said = {name: value for name, value in column.mapping._asdict().items() if value not in (None, SINGLE)}
        table = f"{column.schema}.{column.table}"
        place = {"sequence": f"{sequence.schema}.{sequence.name}", "table": table, "column": column.name}
        entries.append({**place, **said})
    return entries


def _confirm(observation: Observation) -> str:
    """What settles a suspicion: the entries that confirm it, or the default that the column has lost.

    Of both, the statement comes first and the other is a comment in it: so it runs as it stands.
    """
    text = f"columns: {json.dumps(entries_of(observation), ensure_ascii=False)}"
    seen = observation.suspicion[1] if observation.suspicion else None
    columns = seen.sequence.columns if seen else ()
    if seen is None or len(columns) != 1 or seen.sequence.name != serial_name(columns[0].table, columns[0].name):
        return text
    return f"{default_of(seen.sequence, columns[0])} -- if the default was lost; if the application draws: {text}"


def default_of(sequence: Sequence, column: Column) -> str:
    """The statement that gives a column the default that it has lost."""
    table, name = readable(column.schema, column.table), quote_literal(sequence.sql_name)
    return f"ALTER TABLE {table} ALTER COLUMN {readable(column.name)} SET DEFAULT nextval({name}::regclass);"


def _settle(verdict: Verdict) -> str:
    """What settles why something could not be read: all GRANTs, each once, or the first that is none."""
    settleable = [x for x in verdict.troubles if x.reason not in STRUCTURAL] or verdict.troubles
    first = settleable[0]
    if first.reason != "no_privilege":
        return first.remedy
    grants = [grant.strip() for x in settleable if x.reason == first.reason for grant in x.remedy.split(";")]
    return " ".join(f"{grant};" if "GRANT " in grant else grant for grant in dict.fromkeys(grants) if grant)


def _for_warning(observation: Observation, verdict: Verdict) -> str | None:
    sequence = observation.sequence
    if "suspected" in verdict.reasons:
        return _confirm(observation)
    if "wrapped" in verdict.reasons or "near_limit" in verdict.reasons:
        return _widen(observation)
    if "gap" in verdict.reasons:
        return "to close the gap, unless an application holds values of it that are not stored yet: mode: realign, confirm: true"
    if "out_of_bounds" in verdict.reasons:
        sign = ">" if sequence.ascending else "<"
        pairs = zip(sequence.columns, observation.readings)
        return " ".join(
            f"SELECT * FROM {readable(column.schema, column.table)} WHERE {_where(column)} {sign} {verdict.limit};"
            for column, reading in pairs
            if reading.out_of_bounds
        )
    aligned = None
    if "differs" in verdict.reasons and verdict.reference:
        aligned = alignment(sequence, verdict.reference.differences, verdict.reference.entry)
    return aligned or _synchronize(sequence)


def refresh(subscription: Subscription) -> str:
    """The statement that has all sequences of a subscription set to the publisher's values."""
    return f"ALTER SUBSCRIPTION {readable(subscription.name)} REFRESH SEQUENCES"


def _synchronize(sequence: Sequence) -> str | None:
    """What lets a subscription set a sequence that it has yet to set."""
    subscription = sequence.subscription
    if subscription is None or not subscription.waits:
        return None
    name = readable(subscription.name)
    if not subscription.enabled:
        return f"ALTER SUBSCRIPTION {name} ENABLE; -- or, after a cut-over: DROP SUBSCRIPTION {name};"
    if not subscription.failures:
        return "look again in some seconds"
    fields = "data_type, start_value, increment_by, min_value, max_value, cycle"
    where = f"schemaname = {quote_literal(sequence.schema)} AND sequencename = {quote_literal(sequence.name)}"
    return (
        f"on the publisher: GRANT SELECT ON SEQUENCE {sequence.sql_name} TO the role that the subscription connects as; and compare on"
        f" both sides: SELECT {fields} FROM pg_sequences WHERE {where};"
    )


def _where(column: Column) -> str:
    """A condition up to the value that is to be compared, also of the operator's own SQL."""
    mapping = column.mapping
    value = column.sql_name if mapping.expression is None else f"({mapping.expression})"
    return value if mapping.where is None else f"({mapping.where}) AND {value}"


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
        return f"GRANT USAGE ON SEQUENCE {sequence.sql_name} TO {role}; -- or run as its owner: {sequence.owner}"
    if sequence.owner_is_superuser:
        return f"run as its owner: {sequence.owner}; nobody else can move it that far, or back"
    return f"GRANT {readable(sequence.owner)} TO {role}; -- only its owner can move it that far, or back"


def rewritten(sequence: Sequence) -> list[Column]:
    """The columns that need a wider type for more room in the direction of counting: their tables are rewritten."""
    storable = sequence.storable
    end = storable.highest if sequence.ascending else storable.lowest
    return [column for column in sequence.columns if _ends_at(sequence, column, end) and column.base_type != "bigint"]


def _widen(observation: Observation) -> str:
    """The statements that give a sequence and its columns more room in the direction of counting."""
    sequence = observation.sequence
    ascending, reach, storable = sequence.ascending, sequence.reach, sequence.storable
    end = storable.highest if ascending else storable.lowest
    if end != (reach.highest if ascending else reach.lowest):
        name = "maximum" if ascending else "minimum"
        return f"give the entry of columns for {sequence.schema}.{sequence.name} a {name} that leaves room"
    statements, sizes = [], dict(observation.sizes)
    for column in rewritten(sequence):
        size = f", {sizes[column.relation]} with its indexes," if column.relation in sizes else ""
        # A comment, so that it can be pasted as it is.
        warning = f"/* rewrites the table{size} and locks it meanwhile */"
        statements.append(
            f"ALTER TABLE {readable(column.schema, column.table)} ALTER COLUMN {readable(column.name)} TYPE bigint {warning};"
        )
    bound = sequence.max_value if ascending else sequence.min_value
    if bound == end:
        largest = _LARGEST.get(sequence.data_type, 2**63 - 1)
        if abs(bound) >= largest and sequence.data_type != "bigint":
            statements.append(f"ALTER SEQUENCE {sequence.sql_name} AS bigint;")
        elif abs(bound) < largest:
            wider = f"MAXVALUE {largest}" if ascending else f"MINVALUE {-largest - 1}"
            statements.append(f"ALTER SEQUENCE {sequence.sql_name} {wider};")
    return " ".join(statements) or "move the table to a wider type, or give its rows new ids: bigint is used up"


def _ends_at(sequence: Sequence, column: Column, end: int) -> bool:
    """Whether it is this column that lets a sequence count no further than to a value."""
    # A block that is drawn from its low end has to fit with its high end.
    block = abs(sequence.increment) - 1 if column.mapping.allocation == POOLED_LO else 0
    return any(
        end == (limit.highest - block if sequence.ascending else limit.lowest + block)
        for limit in column_limits(column)
    )
