# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Where a sequence stands, and where it may go: the contract's *furthest value*, *target* and *gap* (section 1).

Pure: no SQL, no Ansible; Python's integers, which no bound of a bigint overflows.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import POOLED, State

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Sequence


def furthest(observation: Observation) -> int | None:
    """The furthest value within the reach over all readable columns, in the direction of counting."""
    values = [reading.furthest for reading in observation.readings if reading.furthest is not None]
    if not values:
        return None
    return max(values) if observation.sequence.ascending else min(values)


def covered(observation: Observation) -> int | None:
    """The furthest draw that is not to be made any more: one that stands for a value that is there.

    Where applications take values in blocks (``columns``, ``allocation``), a pooled draw stands for those before it too.

    :returns: the furthest value, for a sequence whose draws stand for themselves; None where no column holds one
    """
    sequence = observation.sequence
    block = abs(sequence.increment) - 1
    sign = 1 if sequence.ascending else -1
    values = [
        reading.furthest + sign * (block if column.mapping.allocation == POOLED else 0)
        for column, reading in zip(sequence.columns, observation.readings)
        if reading.furthest is not None
    ]
    if not values:
        return None
    return max(values) if sequence.ascending else min(values)


def stands_alone(sequence: Sequence, next_value: int) -> bool:
    """Whether a pooled draw is the very first, for whose block there is no room below MINVALUE: it stands for itself alone.

    An optimizer whose first draw equals the initial value takes that value alone; one that creates its sequence with
    START a block ahead takes all of the block, which begins within the bounds.
    """
    begin = next_value - sequence.increment + (1 if sequence.ascending else -1)
    return next_value == sequence.start_value and not sequence.min_value <= begin <= sequence.max_value


def beyond(sequence: Sequence, value: int, found: int) -> bool:
    """Whether a value comes after another, in the direction of counting."""
    return value > found if sequence.ascending else value < found


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


def steps_between(sequence: Sequence, found: int, next_value: int) -> int:
    """How many values of the sequence lie between the furthest and the next value, both left out."""
    return max(0, (abs(next_value - found) - 1) // abs(sequence.increment))


def percent_used(sequence: Sequence, state: State, found: int | None) -> float:
    """How much of the reach is gone, counted in steps from its start to its limit (contract, section 3).

    Up to the next value or the furthest value in the columns, whichever is further.

    :arg found: the furthest value, or None
    :returns: 0..100, rounded to two decimals; 0 for a sequence never called that no value is ahead of
    """
    ahead = state.next_value(sequence.increment)
    behind = found is not None and not beyond(sequence, ahead, found)
    if not behind and not state.is_called and state.last_value == sequence.start_value:
        return 0.0
    reach, step = sequence.reach, abs(sequence.increment)
    if found is not None and behind:
        ahead = first_free(sequence, ahead, found)
    if sequence.ascending:
        used, left = (ahead - reach.lowest) // step, (reach.highest - ahead) // step + 1
    else:
        used, left = (reach.highest - ahead) // step, (ahead - reach.lowest) // step + 1
    used, left = max(0, used), max(0, left)
    return round(100 * used / (used + left), 2) if used else 0.0


def nearest_ahead(observation: Observation) -> int | None:
    """The value in any column that counting meets first from the next value on, as far as it was looked for."""
    values = [reading.ahead for reading in observation.readings if reading.ahead is not None]
    if not values:
        return None
    return min(values) if observation.sequence.ascending else max(values)


def inserts_left(sequence: Sequence, next_value: int, ahead: int) -> int:
    """How many values from the next one on come before one that is there."""
    return max(0, -(-abs(ahead - next_value) // abs(sequence.increment)))
