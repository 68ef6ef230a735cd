# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""An observation in, a verdict out. Every rule of the contract's sections 1, 2 and 4 stands here, and nowhere else.

Pure: no SQL, no Ansible; Python's integers, which no bound of a bigint overflows.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Observation, Sequence, Trouble

from ansible_collections.pgops.sequences.plugins.module_utils._model import State

CRITICAL = "critical"
WARNING = "warning"
HEALTHY = "healthy"
UNKNOWN = "unknown"
SKIPPED = "skipped"

STATUSES = (HEALTHY, WARNING, CRITICAL, UNKNOWN, SKIPPED)

QUIET = (HEALTHY, SKIPPED)
"""What is counted but not listed, unless ``show_all`` asks for it (contract, section 3)."""

STRUCTURAL = frozenset({"not_a_number", "foreign_table", "view"})
"""Reasons that no privilege, lock or option settles: ``pg_sequence_fix`` warns of them (contract, section 4)."""


class Thresholds(t.NamedTuple):
    """From when on a sequence is worth a warning.

    :ivar gap: values that may be skipped between furthest and next value, in steps
    :ivar near_limit: per cent of the reach that may be handed out
    """

    gap: int = 1000
    near_limit: float = 80.0


class Verdict(t.NamedTuple):
    """What is to be said of one sequence (contract, sections 2 and 3).

    :ivar status: critical, warning, healthy, unknown or skipped
    :ivar reasons: machine-readable, the gravest first
    :ivar next_value: what ``nextval()`` would return; None where the state could not be read
    :ivar furthest: the furthest value of all readable columns, within the reach
    :ivar limit: the end of the reach, in the direction of counting
    :ivar gap: steps skipped between furthest and next value; None when behind, or with no furthest value
    :ivar percent_used: 0..100, two decimals; None where the state could not be read
    :ivar target: the next value a repair would bring about, None where nothing should or can be done
    :ivar troubles: why columns or the state could not be read
    """

    status: str
    reasons: tuple[str, ...]
    next_value: int | None
    furthest: int | None
    limit: int
    gap: int | None
    percent_used: float | None
    target: int | None
    troubles: tuple[Trouble, ...]


def judge(observation: Observation, thresholds: Thresholds) -> Verdict:
    """Judge one sequence by every column it feeds.

    :arg observation: the sequence as it was found
    :arg thresholds: from when on to warn
    :returns: the verdict
    """
    sequence, state = observation.sequence, observation.state
    reach = sequence.reach
    found = furthest(observation)
    troubles = tuple(reading.trouble for reading in observation.readings if reading.trouble)
    if observation.trouble:
        troubles = (observation.trouble, *troubles)
    verdict = Verdict(
        status=SKIPPED,
        reasons=(),
        next_value=state.next_value(sequence.increment) if state else None,
        furthest=found,
        limit=reach.highest if sequence.ascending else reach.lowest,
        gap=None,
        percent_used=percent_used(sequence, state) if state else None,
        target=None,
        troubles=troubles,
    )

    skipped = _not_judged(sequence)
    if skipped:
        return verdict._replace(reasons=(skipped,))
    if state is None:
        return verdict._replace(status=UNKNOWN, reasons=_reasons_of(troubles))

    next_value = state.next_value(sequence.increment)
    target = first_free(sequence, next_value, found)
    room = target in reach
    behind = found is not None and not _beyond(sequence, next_value, found)
    exhausted = next_value not in reach
    gap = None if behind or found is None else steps_between(sequence, found, next_value)
    outside = any(reading.out_of_bounds for reading in observation.readings)
    used = verdict.percent_used or 0.0

    critical = ["behind"] * behind + ["exhausted"] * exhausted
    critical += ["no_room"] * bool(critical and not room)
    warning = ["gap"] * (gap is not None and gap > thresholds.gap)
    warning += ["near_limit"] * (used >= thresholds.near_limit and not exhausted)
    warning += ["out_of_bounds"] * outside
    unread = list(_reasons_of(troubles))

    if critical:
        status, reasons = CRITICAL, critical + warning + unread
    elif unread:
        status, reasons = UNKNOWN, unread + warning
    elif warning:
        status, reasons = WARNING, warning
    else:
        status, reasons = HEALTHY, []
    # An exhausted sequence has its target behind it: only mode realign may go there.
    advances = room and _beyond(sequence, target, next_value)
    return verdict._replace(
        status=status,
        reasons=tuple(reasons),
        gap=gap,
        target=target if critical and advances else None,
    )


def realigned(observation: Observation, margin: int = 0) -> int | None:
    """The next value that ``mode: realign`` would bring about (contract, section 4).

    :arg observation: the sequence as it was found
    :arg margin: values to leave free beyond the furthest
    :returns: the first free value beyond the furthest, START where no column holds a value within the reach;
        None where it stands there already, or nobody can say, or START is beyond the reach
    """
    sequence, state = observation.sequence, observation.state
    unread = any(reading.trouble for reading in observation.readings)
    if state is None or unread or _not_judged(sequence):
        return None
    next_value, found = state.next_value(sequence.increment), furthest(observation)
    if found is None:
        wanted = sequence.start_value if sequence.start_value in sequence.reach else next_value
    else:
        wanted = first_free(sequence, next_value, found, margin)
    return wanted if wanted != next_value else None


LOCKED = "locked"
STEPPED = "stepped"

MOST_STEPS = 1_000_000
"""How far ``nextval()`` is called to move a sequence that is not ours: about 2 seconds and 3 MB of WAL (facts, A4)."""


class Policy(t.NamedTuple):
    """How a repair may move sequences (contract, section 4): its options of the same names."""

    realign: bool = False
    margin: int = 0
    max_jump: int = 0
    lock_tables: bool = False


class Move(t.NamedTuple):
    """A move that is due.

    :ivar next_value: what ``nextval()`` returns afterwards
    :ivar method: ``locked`` or ``stepped``
    :ivar after: the state afterwards, were nobody else to use the sequence meanwhile
    """

    next_value: int
    method: str
    after: State


class Refusal(t.NamedTuple):
    """Why a sequence that needs it is not moved.

    :ivar reasons: as in a verdict, with ``max_jump`` or ``no_privilege`` where that is what stands in the way
    :ivar jump: how far the move would go, in values; None where there is nowhere to go
    :ivar columns: those whose tables the session may not lock, where ``lock_tables`` is what stands in the way
    """

    reasons: tuple[str, ...]
    jump: int | None
    columns: tuple[Column, ...] = ()


def plan(observation: Observation, verdict: Verdict, policy: Policy) -> Move | Refusal | None:
    """Decide what a repair does with one sequence.

    :arg observation: the sequence as it was found
    :arg verdict: what :func:`judge` made of it
    :arg policy: what the user allows
    :returns: the move, or why there is none although one is due; None where nothing is due
    """
    sequence, state = observation.sequence, observation.state
    wanted = realigned(observation, policy.margin) if policy.realign else None
    if state is not None and wanted is None and verdict.target is not None:
        wanted = first_free(sequence, state.next_value(sequence.increment), verdict.furthest, policy.margin)
    if state is None or wanted is None:
        return Refusal(verdict.reasons, None) if verdict.status == CRITICAL else None
    next_value = state.next_value(sequence.increment)
    jump, reasons = abs(wanted - next_value), verdict.reasons
    if wanted not in sequence.reach:
        return Refusal((*reasons, "no_room"), jump)
    if policy.max_jump and jump > policy.max_jump:
        return Refusal((*reasons, "max_jump"), jump)
    pairs = zip(sequence.columns, observation.readings)
    unlockable = tuple(column for column, reading in pairs if not (reading.trouble or column.can_lock))
    if policy.lock_tables and unlockable:
        return Refusal((*reasons, "no_privilege"), jump, unlockable)
    # An owner may have taken UPDATE, which setval() asks for, from himself.
    if sequence.owned and sequence.can_update:
        return Move(wanted, LOCKED, state_for(sequence, wanted))
    forward = _beyond(sequence, wanted, next_value)
    if (sequence.can_use or sequence.can_update) and forward and jump // abs(sequence.increment) <= MOST_STEPS:
        return Move(wanted, STEPPED, state_after_steps(sequence, state, wanted))
    return Refusal((*reasons, "no_privilege"), jump)


def state_after_steps(sequence: Sequence, state: State, wanted: int) -> State:
    """The state after ``nextval()`` was called until it returned the value before the wanted one.

    A session takes CACHE values at a time, so the sequence ends at the end of such a block (manual, CREATE SEQUENCE).
    """
    first = state.next_value(sequence.increment)
    calls = max(1, (wanted - first) // sequence.increment)
    blocks = -(-calls // sequence.cache_size)
    last = first + (blocks * sequence.cache_size - 1) * sequence.increment
    bound = sequence.max_value if sequence.ascending else sequence.min_value
    steps = min(abs(last - first), abs(bound - first)) // abs(sequence.increment)
    return State(first + steps * sequence.increment, True)


def furthest(observation: Observation) -> int | None:
    """The furthest value within the reach over all readable columns, in the direction of counting."""
    values = [reading.furthest for reading in observation.readings if reading.furthest is not None]
    if not values:
        return None
    return max(values) if observation.sequence.ascending else min(values)


def first_free(sequence: Sequence, next_value: int, found: int | None, margin: int = 0) -> int:
    """The first value beyond the furthest that keeps the phase of the live next value (contract, *target*).

    :arg sequence: its direction, increment and reach count
    :arg next_value: the live next value, whose remainder modulo the increment is kept
    :arg found: the furthest value; None: the first value of the reach is meant
    :arg margin: values to leave free beyond the furthest
    :returns: the value, which may lie beyond the reach
    """
    step, reach = abs(sequence.increment), sequence.reach
    if sequence.ascending:
        bound = reach.lowest if found is None else max(reach.lowest, found + margin + 1)
        return bound + (next_value - bound) % step
    bound = reach.highest if found is None else min(reach.highest, found - margin - 1)
    return bound - (bound - next_value) % step


def state_for(sequence: Sequence, next_value: int) -> State:
    """The state that makes a value the next one: called one step before it, where the bounds leave room for that."""
    before = next_value - sequence.increment
    if sequence.min_value <= before <= sequence.max_value:
        return State(before, True)
    return State(next_value, False)


def steps_between(sequence: Sequence, found: int, next_value: int) -> int:
    """How many values of the sequence lie between the furthest and the next value, both left out."""
    return max(0, (abs(next_value - found) - 1) // abs(sequence.increment))


def percent_used(sequence: Sequence, state: State) -> float:
    """How much of the reach has been handed out, counted in steps from its start to its limit (contract, section 3).

    :returns: 0..100, rounded to two decimals; 0 for a sequence never called
    """
    if not state.is_called and state.last_value == sequence.start_value:
        return 0.0
    reach, step = sequence.reach, abs(sequence.increment)
    ahead = state.next_value(sequence.increment)
    if sequence.ascending:
        used, left = (ahead - reach.lowest) // step, (reach.highest - ahead) // step + 1
    else:
        used, left = (reach.highest - ahead) // step, (ahead - reach.lowest) // step + 1
    used, left = max(0, used), max(0, left)
    return round(100 * used / (used + left), 2) if used else 0.0


def _not_judged(sequence: Sequence) -> str | None:
    if sequence.system:
        return "system"
    if sequence.of_extension:
        return "extension"
    if not sequence.columns:
        return "no_column"
    return "cycle" if sequence.cycle else None


def _beyond(sequence: Sequence, value: int, found: int) -> bool:
    return value > found if sequence.ascending else value < found


def _reasons_of(troubles: tuple[Trouble, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(trouble.reason for trouble in troubles))
