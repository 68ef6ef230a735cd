# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""An observation in, what is found of it now out, inside an open transaction that holds the sequence's lock."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import is_quick
from ansible_collections.pgops.sequences.plugins.module_utils._observe.columns import (
    furthest_of_ends,
    probes_of_ends,
    probes_within,
    reading_of_ends,
)
from ansible_collections.pgops.sequences.plugins.module_utils._observe.probes import (
    Ends,
    Probe,
    merged,
    read_batch,
    run_probes,
)
from ansible_collections.pgops.sequences.plugins.module_utils._observe.states import (
    probe_of_state,
    quick_states,
    state_of,
)
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError

if t.TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._model import (
        Observation,
        Sequence,
        State,
    )
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader


def read_again(observation: Observation, reader: Reader, aside: Sessions, everything: bool) -> Observation:
    """Read columns and state anew inside the open transaction, each statement with a snapshot of its own.

    :arg observation: of a sequence
    :arg reader: the transaction
    :arg aside: sessions that tables of too many relations for one transaction are read through
    :arg everything: also columns that have to be scanned for long, or that are in many parts
    :returns: what is found now; columns not read again stay as they were
    """
    sequence = observation.sequence
    readings = list(observation.readings)
    # Writers wait for the lock; what a long scan would have found more shows in the audit after the move.
    wanted = [
        (place, column)
        for place, (column, reading) in enumerate(zip(sequence.columns, readings))
        if reading.trouble is None and (everything or is_quick(column, reading))
    ]
    for place, column in wanted:
        own = column.mapping.is_sql
        reading, settled = reading_of_ends(sequence, _ends(reader, aside, probes_of_ends(column), own))
        if not settled:
            within = _ends(reader, aside, probes_within(sequence, column), own)
            reading = reading._replace(furthest=furthest_of_ends(sequence, within))
        readings[place] = reading._replace(scan_rows=readings[place].scan_rows)
    state = states_within(reader, {sequence.oid: sequence}).get(sequence.oid)
    return observation._replace(state=state, readings=tuple(readings))


def states_within(reader: Reader, sequences: Mapping[int, Sequence]) -> dict[int, State]:
    """Read states inside a transaction, as far as they can be read."""
    states = quick_states(reader, sequences)
    rest = [(key, probe_of_state(sequence)) for key, sequence in sequences.items() if key not in states]
    if rest:
        for (key, _probe), found in zip(rest, read_batch(reader.query, rest)):
            if found[0] is not None:
                states[key] = state_of(found)
    return states


def _ends(reader: Reader, aside: Sessions, probes: List[Probe], own: bool) -> Ends:
    """Run a reading, in one part or many, while a transaction is open.

    :arg own: it has SQL of the operator's own, which may only read, in a transaction that writes as well
    """
    if own:
        reader.query("SAVEPOINT own; SET LOCAL transaction_read_only = on")
        found = merged([read_batch(reader.query, [(0, probe)])[0] for probe in probes])
        reader.query("ROLLBACK TO SAVEPOINT own; RELEASE SAVEPOINT own")
        return found
    if len(probes) > 1 and len(aside.all) > 1:
        ends = run_probes(aside, {0: probes})[0]
        if isinstance(ends, DatabaseError):
            raise ends
        return ends
    return merged([read_batch(reader.query, [(0, probe)])[0] for probe in probes])
