# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A database in, what its sequences may feed that no column is known to draw from out, and what is seen if they do."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.describe import described, supposed
from ansible_collections.pgops.sequences.plugins.module_utils._discover.suspects import facts_of_orphans, tables_named
from ansible_collections.pgops.sequences.plugins.module_utils._model import State
from ansible_collections.pgops.sequences.plugins.module_utils._observe.observe import observe
from ansible_collections.pgops.sequences.plugins.module_utils._observe.states import read_states
from ansible_collections.pgops.sequences.plugins.module_utils._suspect.known import COUNTERS, TABLES
from ansible_collections.pgops.sequences.plugins.module_utils._suspect.suspicion import (
    SINGLE_NAMES,
    guesses,
    is_shared,
    mapping_of,
)

if t.TYPE_CHECKING:
    from collections.abc import Mapping as Map
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import Choice
    from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import Selection
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Guess, Observation
    from ansible_collections.pgops.sequences.plugins.module_utils._observe.obstacles import Limits
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions


class Suspects(t.NamedTuple):
    """What a database's names and triggers show beside its catalogs' links.

    :ivar guesses: what sequences may feed, by their oids
    :ivar counters: tables that count instead of a sequence, each with whose they usually are
    """

    guesses: Map[int, Guess] = {}
    counters: List[str] = ()


def suspects_of(sessions: Sessions, selection: Selection, choice: Choice) -> Suspects:
    """Look for what sequences may feed, and for what counts without one.

    :raises DatabaseError: a catalog could not be read
    """
    session = sessions.first
    counters = [f"{schema}.{name} ({COUNTERS[name.lower()]})" for schema, name in tables_named(session, COUNTERS)]
    facts = facts_of_orphans(session, choice, TABLES, SINGLE_NAMES)
    found = guesses(facts)
    rivals = [oid for oid, guess in found.items() if guess.rivals]
    return Suspects(guesses(facts, _drawn(sessions, selection, choice, rivals)) if rivals else found, counters)


def _drawn(sessions: Sessions, selection: Selection, choice: Choice, oids: List[int]) -> dict[int, int]:
    """How many values sequences have handed out, as far as that can be seen."""
    sequences = {one.oid: one for one in described(sessions.first, selection, choice, oids)}
    states = read_states(sessions, sequences)
    return {
        oid: abs(state.last_value - sequences[oid].start_value) + state.is_called
        for oid, state in states.items()
        if isinstance(state, State)
    }


def with_suspicions(
    sessions: Sessions, choice: Choice, suspects: Suspects, seen: List[Observation], limits: Limits
) -> list[Observation]:
    """Add what would be seen of sequences without a column if they fed what they are supposed to.

    :raises DatabaseError: the database could not be read
    """
    wanted = {
        one.sequence.oid: suspects.guesses[one.sequence.oid]
        for one in seen
        if one.sequence.oid in suspects.guesses
        and (not one.sequence.columns or is_shared(suspects.guesses[one.sequence.oid]))
    }
    if not wanted:
        return list(seen)
    sequences = {one.sequence.oid: one.sequence for one in seen}
    asked = {
        oid: [
            (key.relation, key.number, mapping_of(guess, place, sequences[oid].increment))
            for place, key in enumerate(guess.keys)
        ]
        for oid, guess in wanted.items()
    }
    columns = supposed(sessions, choice, asked)
    supposing = [sequences[oid]._replace(columns=columns[oid]) for oid in wanted if oid in columns]
    found = {one.sequence.oid: one for one in observe(sessions, supposing, limits)} if supposing else {}
    return [
        one._replace(suspicion=(wanted[one.sequence.oid], found.get(one.sequence.oid)))
        if one.sequence.oid in wanted
        else one
        for one in seen
    ]
