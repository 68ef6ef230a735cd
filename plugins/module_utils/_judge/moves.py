# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A verdict and what the user allows in, the move that is due out: the rules of the contract's section 4.

Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.targets import (
    beyond,
    covered,
    first_free,
    state_after_steps,
    state_for,
)
from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import not_judged
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import CRITICAL, LOCKED, STEPPED
from ansible_collections.pgops.sequences.plugins.module_utils._model import State

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Verdict
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Observation


MOST_STEPS = 1_000_000
"""How far ``nextval()`` is called to move a sequence that is not ours.

About 2 seconds and 3 MB of WAL (docs/measured.md, Cost of a move).
"""


class Policy(t.NamedTuple):
    """How a repair may move sequences (contract, section 4): its options of the same names.

    :ivar leave_subscribed: not those under an enabled subscription, which lag again with its next row
    """

    realign: bool = False
    margin: int = 0
    max_jump: int = 0
    lock_tables: bool = False
    leave_subscribed: bool = False


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
    :ivar by_margin: whether there would be room without the margin
    """

    reasons: tuple[str, ...]
    jump: int | None
    columns: tuple[Column, ...] = ()
    by_margin: bool = False


def plan(observation: Observation, verdict: Verdict, policy: Policy) -> Move | Refusal | None:
    """Decide what a repair does with one sequence.

    :arg observation: the sequence as it was found
    :arg verdict: what :func:`judge` made of it
    :arg policy: what the user allows
    :returns: the move, or why there is none although one is due; None where nothing is due
    """
    sequence, state = observation.sequence, observation.state
    wanted = _wanted(observation, verdict, policy)
    if state is None or wanted is None:
        return Refusal(verdict.reasons, None) if verdict.status == CRITICAL else None
    next_value = state.next_value(sequence.increment)
    jump, reasons = abs(wanted - next_value), verdict.reasons
    if policy.leave_subscribed and sequence.subscription and sequence.subscription.enabled:
        return Refusal((*reasons, "subscribed"), jump)
    if wanted not in sequence.reach:
        without = _wanted(observation, verdict, policy._replace(margin=0))
        return Refusal((*reasons, "no_room"), jump, by_margin=without is None or without in sequence.reach)
    if policy.max_jump and jump > policy.max_jump:
        return Refusal((*reasons, "max_jump"), jump)
    pairs = zip(sequence.columns, observation.readings)
    unlockable = tuple(column for column, reading in pairs if not (reading.trouble or column.can_lock))
    if policy.lock_tables and unlockable:
        return Refusal((*reasons, "no_privilege"), jump, unlockable)
    # An owner may have taken UPDATE, which setval() asks for, from himself.
    if sequence.owned and sequence.can_update:
        return Move(wanted, LOCKED, state_for(sequence, wanted))
    forward = beyond(sequence, wanted, next_value)
    if (sequence.can_use or sequence.can_update) and forward and jump // abs(sequence.increment) <= MOST_STEPS:
        return Move(wanted, STEPPED, state_after_steps(sequence, state, wanted))
    return Refusal((*reasons, "no_privilege"), jump)


def _wanted(observation: Observation, verdict: Verdict, policy: Policy) -> int | None:
    """The next value that a policy asks for; None where no move is due."""
    sequence, state = observation.sequence, observation.state
    wanted = realigned(observation, policy.margin) if policy.realign else None
    if state is None or wanted is not None or verdict.target is None:
        return wanted
    bound = covered(observation) if verdict.bound is None else verdict.bound
    return first_free(sequence, state.next_value(sequence.increment), bound, policy.margin)


def realigned(observation: Observation, margin: int = 0) -> int | None:
    """The next value that ``mode: realign`` would bring about (contract, section 4).

    :arg observation: the sequence as it was found
    :arg margin: values to leave free beyond the furthest
    :returns: the first free value beyond the furthest, START where no column holds a value within the reach;
        None where it stands there already, or nobody can say, or START is beyond the reach
    """
    sequence, state = observation.sequence, observation.state
    unread = any(reading.trouble for reading in observation.readings)
    if state is None or unread or not_judged(sequence):
        return None
    next_value, found = state.next_value(sequence.increment), covered(observation)
    if found is None:
        wanted = sequence.start_value if sequence.start_value in sequence.reach else next_value
    else:
        wanted = first_free(sequence, next_value, found, margin)
    return wanted if wanted != next_value else None
