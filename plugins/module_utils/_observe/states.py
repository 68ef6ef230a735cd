# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Sequences in, what they stand at out."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import State, Trouble
from ansible_collections.pgops.sequences.plugins.module_utils._observe.obstacles import sequence_obstacle
from ansible_collections.pgops.sequences.plugins.module_utils._observe.probes import PATIENCE, Ends, Probe, run_probes
from ansible_collections.pgops.sequences.plugins.module_utils._observe.troubles import sequence_trouble
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import array, readable
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.settings import MOST_RELATIONS

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader


_STATES = """
SELECT q.place AS place, f.last_value::text AS one, f.is_called::text AS two
FROM unnest(%(oids)s::oid[]) WITH ORDINALITY AS q (oid, place)
CROSS JOIN LATERAL pg_get_sequence_data(q.oid) AS f
"""

_STATES_BEFORE_18 = """
SELECT q.place AS place, f.value::text AS one, 'true'::text AS two
FROM unnest(%(oids)s::oid[]) WITH ORDINALITY AS q (oid, place)
CROSS JOIN LATERAL (SELECT pg_sequence_last_value(q.oid) AS value) AS f
"""

_ANSWERS_ALL_STATES = 180000
"""From here on pg_get_sequence_data() tells is_called too, and takes no lock that anybody would wait for."""


def read_states(sessions: Sessions, wanted: Mapping[t.Any, Sequence]) -> dict[t.Any, State | Trouble]:
    """Read what sequences stand at.

    :arg wanted: sequences by any key
    :returns: their states by the same keys, or why one could not be read
    """
    states: dict[t.Any, State | Trouble] = {}
    legible: dict[t.Any, Sequence] = {}
    for key, sequence in wanted.items():
        trouble = sequence_obstacle(sequence, sessions.first)
        if trouble:
            states[key] = trouble
        else:
            legible[key] = sequence
    keys = list(legible)
    for place in range(0, len(keys), MOST_RELATIONS):
        batch = {key: legible[key] for key in keys[place : place + MOST_RELATIONS]}
        # What stays open here, or is locked, is read one by one.
        with contextlib.suppress(DatabaseError):
            states.update(quick_states(sessions, batch, PATIENCE))
    probes = {key: [probe_of_state(sequence)] for key, sequence in legible.items() if key not in states}
    for key, result in run_probes(sessions, probes).items():
        sequence = wanted[key]
        if isinstance(result, DatabaseError):
            states[key] = sequence_trouble(result, sequence, sessions.first)
        elif result[0] is None:
            # With USAGE alone, "never called" and "set, but not called" look the same.
            role = readable(sessions.role)
            states[key] = Trouble(
                "no_privilege",
                f"{sessions.role} may use {sequence.schema}.{sequence.name}"
                " but not see where an uncalled sequence stands",
                f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {readable(sequence.schema)} TO {role};",
            )
        else:
            states[key] = state_of(result)
    return states


def quick_states(reader: Reader, wanted: Mapping[t.Any, Sequence], patience: float | None = None) -> dict[t.Any, State]:
    """Read by one call of a function each what costs a SELECT three times as much.

    Up to version 17 the function says nothing of a sequence that was not called, and waits where its owner alters it.

    :arg reader: where from; in a transaction of one's own the locks taken stay until its end
    :arg patience: seconds to wait for a lock; None: the reader's own
    :returns: states by the same keys, as far as they could be told
    :raises DatabaseError: nothing could be read, for example because one of them is locked
    """
    keys = list(wanted)
    rows = reader.query(
        _STATES if reader.version_number >= _ANSWERS_ALL_STATES else _STATES_BEFORE_18,
        {"oids": array(wanted[key].oid for key in keys)},
        lock_timeout=None if patience is None else min(patience, reader.lock_timeout),
    )
    return {keys[row["place"] - 1]: state_of((row["one"], row["two"])) for row in rows if row["one"] is not None}


def state_of(result: Ends) -> State:
    """A state, of last value and is_called as text."""
    return State(int(result[0] or 0), result[1] == "true")


def probe_of_state(sequence: Sequence) -> Probe:
    """Last value of a sequence and whether it was called; last value NULL where only USAGE is held and it was not."""
    if sequence.can_select:
        return Probe("last_value::text", "is_called::text", f"FROM {sequence.sql_name}", 1)
    return Probe(f"pg_sequence_last_value({sequence.oid}::regclass)::text", "'true'::text", "", 1)
