# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""An observation in, a verdict out: the rules of the contract's section 2.

Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.targets import (
    beyond,
    first_free,
    furthest,
    percent_used,
    steps_between,
)
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import (
    CRITICAL,
    HEALTHY,
    SKIPPED,
    UNKNOWN,
    WARNING,
)

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Sequence, State, Trouble
    from ansible_collections.pgops.sequences.plugins.module_utils._reference.differences import Difference
    from ansible_collections.pgops.sequences.plugins.module_utils._reference.reference import Referred


class Thresholds(t.NamedTuple):
    """From when on a sequence is worth a warning.

    :ivar gap: values that may be skipped between furthest and next value, in steps
    :ivar near_limit: per cent of the reach that may be handed out
    """

    gap: int = 1000
    near_limit: float = 80.0


class Compared(t.NamedTuple):
    """How a sequence stood elsewhere, and in what it is defined otherwise (docs/rules.md, section 6)."""

    entry: Referred
    differences: tuple[Difference, ...] = ()


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
    :ivar bound: what a target has to be beyond, where that is not the furthest value alone
    :ivar reference: how it stood elsewhere; None where no reference holds it
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
    bound: int | None = None
    reference: Compared | None = None


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

    skipped = not_judged(sequence)
    if skipped:
        return verdict._replace(reasons=(skipped,))
    if state is None:
        return verdict._replace(status=UNKNOWN, reasons=_reasons_of(troubles))
    return _judged(verdict, observation, state, thresholds)


def _judged(verdict: Verdict, observation: Observation, state: State, thresholds: Thresholds) -> Verdict:
    """The verdict on a sequence that is to be judged and whose state is known."""
    sequence, reach, found = observation.sequence, observation.sequence.reach, verdict.furthest
    next_value = state.next_value(sequence.increment)
    target = first_free(sequence, next_value, found)
    room = target in reach
    behind = found is not None and not beyond(sequence, next_value, found)
    exhausted = next_value not in reach
    gap = None if behind or found is None else steps_between(sequence, found, next_value)
    outside = any(reading.out_of_bounds for reading in observation.readings)
    used = verdict.percent_used or 0.0

    critical = ["behind"] * behind + ["exhausted"] * exhausted
    critical += ["no_room"] * bool(critical and not room)
    warning = ["gap"] * (gap is not None and gap > thresholds.gap)
    warning += ["near_limit"] * (used >= thresholds.near_limit and not exhausted)
    warning += ["out_of_bounds"] * outside
    unread = list(_reasons_of(verdict.troubles))

    if critical:
        status, reasons = CRITICAL, critical + warning + unread
    elif unread:
        status, reasons = UNKNOWN, unread + warning
    elif warning:
        status, reasons = WARNING, warning
    else:
        status, reasons = HEALTHY, []
    # An exhausted sequence has its target behind it: only mode realign may go there.
    advances = room and beyond(sequence, target, next_value)
    return verdict._replace(
        status=status,
        reasons=tuple(reasons),
        gap=gap,
        target=target if critical and advances else None,
    )


def not_judged(sequence: Sequence) -> str | None:
    """Why a sequence is skipped on purpose, or None (contract, section 2, *skipped*)."""
    if sequence.system:
        return "system"
    if sequence.of_extension:
        return "extension"
    if not sequence.columns:
        return "no_column"
    return "cycle" if sequence.cycle else None


def _reasons_of(troubles: tuple[Trouble, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(trouble.reason for trouble in troubles))
