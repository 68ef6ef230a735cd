# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A verdict by rows and a reference in, the verdict by both out: the rules of docs/rules.md, section 6.

Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.targets import (
    beyond,
    covered,
    first_free,
    steps_between,
)
from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Compared
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import (
    CRITICAL,
    HEALTHY,
    SKIPPED,
    UNKNOWN,
    WARNING,
)
from ansible_collections.pgops.sequences.plugins.module_utils._model import Trouble
from ansible_collections.pgops.sequences.plugins.module_utils._reference.differences import (
    counts_alike,
    differences_of,
    notes_of,
)

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Thresholds, Verdict
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Sequence, State
    from ansible_collections.pgops.sequences.plugins.module_utils._reference.reference import Referred

_GRAVE = ("behind", "exhausted")


def compared(observation: Observation, verdict: Verdict, entry: Referred | None, thresholds: Thresholds) -> Verdict:
    """Judge a sequence also by where it stood elsewhere.

    :arg observation: the sequence as it was found
    :arg verdict: what was made of it by its rows
    :arg entry: how it stood elsewhere; None where the reference does not hold it
    :arg thresholds: from when on to warn
    :returns: the verdict; the same where there is no entry
    """
    if entry is None:
        return verdict
    sequence, state = observation.sequence, observation.state
    differences = differences_of(sequence, state, entry)
    verdict = verdict._replace(reference=Compared(entry, differences, notes_of(sequence, entry)))
    troubles = (*verdict.troubles, *_troubles(observation, verdict, entry))
    # What it would have been skipped for is no matter: the reference says where it has to be.
    reasons = [] if verdict.status == SKIPPED else list(verdict.reasons)
    if state is None:
        unknown = dict.fromkeys((*(trouble.reason for trouble in troubles), *reasons))
        return verdict._replace(status=UNKNOWN, reasons=tuple(unknown), troubles=troubles)
    bound, target = verdict.bound, verdict.target
    grave = [reason for reason in reasons if reason in _GRAVE]
    full = ["no_room"] * ("no_room" in reasons)
    reference = _last_of(sequence, entry)
    if reference is not None:
        further = _further(sequence, covered(observation), reference)
        grave, full, bound, target = _advanced(verdict, sequence, state, further, reference, grave, full)
        if verdict.furthest is not None and verdict.gap is not None:
            explained = steps_between(sequence, further, state.next_value(sequence.increment)) <= thresholds.gap
            reasons = [reason for reason in reasons if reason != "gap" or not explained]
    unread = [trouble.reason for trouble in troubles]
    warning = [reason for reason in reasons if reason not in (*_GRAVE, "no_room", *unread)]
    warning += ["differs"] * bool(differences)
    if grave:
        status, told = CRITICAL, [*grave, *full, *warning, *unread]
    elif unread:
        status, told = UNKNOWN, [*unread, *warning]
    else:
        status, told = (WARNING, warning) if warning else (HEALTHY, [])
    return verdict._replace(
        status=status, reasons=tuple(dict.fromkeys(told)), target=target, bound=bound, troubles=troubles
    )


def _advanced(
    verdict: Verdict,
    sequence: Sequence,
    state: State,
    further: int,
    reference: int,
    grave: list[str],
    full: list[str],
) -> tuple[list[str], list[str], int | None, int | None]:
    """Grave reasons, ``no_room``, what a target has to be beyond, and the target, by rows and reference together."""
    next_value = state.next_value(sequence.increment)
    behind = not beyond(sequence, next_value, reference)
    if not behind and not grave:
        return grave, full, verdict.bound, None
    wanted = first_free(sequence, next_value, further)
    grave = [*grave, *["behind_reference"] * behind]
    if wanted in sequence.reach:
        # An exhausted sequence has its target behind it: only mode realign may go there.
        return grave, full, further, wanted if beyond(sequence, wanted, next_value) else None
    # Where the reference is out of reach, it can still be brought beyond its rows.
    return grave, ["no_room"], None, verdict.target


def _last_of(sequence: Sequence, entry: Referred) -> int | None:
    """The last value before the reference's next one; None where nothing can be said of it."""
    if entry.next_value is None or not counts_alike(sequence, entry):
        return None
    return entry.next_value - 1 if sequence.ascending else entry.next_value + 1


def _further(sequence: Sequence, furthest: int | None, reference: int) -> int:
    if furthest is None or beyond(sequence, reference, furthest):
        return reference
    return furthest


def _troubles(observation: Observation, verdict: Verdict, entry: Referred) -> tuple[Trouble, ...]:
    """Why it cannot be compared."""
    sequence = observation.sequence
    if observation.state is None and not verdict.troubles:
        grant = f"GRANT SELECT ON SEQUENCE {sequence.sql_name}"
        return (Trouble("no_privilege", "where it stands could not be read", f"{grant} to the role that audits"),)
    if entry.state is None:
        where = f'in database "{entry.database}" of the reference'
        cause = f"where it stood {where} could not be read" + (f" ({entry.why})" if entry.why else "")
        there = entry.remedy or f"GRANT SELECT ON SEQUENCE {sequence.sql_name} TO the role that reads it"
        return (Trouble("no_privilege", cause, f"on the server of the reference: {there}"),)
    if not counts_alike(sequence, entry):
        cause = "it counts in the other direction than the reference, so the two cannot be compared"
        return (Trouble("differs", cause, "give both the same INCREMENT"),)
    return ()
