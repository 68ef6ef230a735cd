# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Sequences in, their state and the furthest values of their columns out."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Reading, State, Trouble
from ansible_collections.pgops.sequences.plugins.module_utils._observe.columns import read_ahead, read_columns
from ansible_collections.pgops.sequences.plugins.module_utils._observe.obstacles import Limits, column_obstacle
from ansible_collections.pgops.sequences.plugins.module_utils._observe.states import read_states

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions


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
    judged = [not (sequence.cycle or sequence.left_out) for sequence in sequences]
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
    _look_ahead(sessions, sequences, readings, states)
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


def stand(sessions: Sessions, sequences: Iterable[Sequence]) -> list[Observation]:
    """Read where sequences stand, and no rows.

    :returns: one observation for each sequence, in their order, whose columns say nothing
    """
    sequences = list(sequences)
    states = read_states(sessions, dict(enumerate(sequences)))
    observations = []
    for number, sequence in enumerate(sequences):
        found = states[number]
        state, trouble = (found, None) if isinstance(found, State) else (None, found)
        observations.append(Observation(sequence, state, trouble, tuple(Reading() for _column in sequence.columns)))
    return observations


def _look_ahead(
    sessions: Sessions,
    sequences: List[Sequence],
    readings: dict[tuple[int, int], Reading],
    states: Mapping[int, State | Trouble],
) -> None:
    """Read which row is nearest, where rows stand at the very end of the reach and the next value before them."""
    wanted = {}
    for number, sequence in enumerate(sequences):
        state, sign = states.get(number), 1 if sequence.ascending else -1
        found = {
            place: reading.furthest
            for place in range(len(sequence.columns))
            for reading in [readings[number, place]]
            if reading.furthest is not None
        }
        if not found or not isinstance(state, State):
            continue
        next_value = state.next_value(sequence.increment)
        end = sequence.reach.highest if sequence.ascending else sequence.reach.lowest
        # Anything further from the end than a block or two leaves room beyond it.
        if next_value not in sequence.reach or min(abs(end - x) for x in found.values()) >= 2 * abs(sequence.increment):
            continue
        for place, value in found.items():
            if (value - next_value) * sign > 0:
                wanted[number, place] = (sequence, sequence.columns[place], next_value)
    for key, value in (read_ahead(sessions, wanted) if wanted else {}).items():
        readings[key] = readings[key]._replace(ahead=value)
