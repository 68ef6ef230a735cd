# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Sequences in, their state and the furthest values of their columns out."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Reading, State, Trouble
from ansible_collections.pgops.sequences.plugins.module_utils._observe.columns import read_columns
from ansible_collections.pgops.sequences.plugins.module_utils._observe.obstacles import Limits, column_obstacle
from ansible_collections.pgops.sequences.plugins.module_utils._observe.states import read_states

if t.TYPE_CHECKING:
    from collections.abc import Iterable

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
