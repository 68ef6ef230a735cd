# Copyright (c) 2026, pgops contributors
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
    covered,
    first_free,
    furthest,
    inserts_left,
    nearest_ahead,
    percent_used,
    stands_alone,
    steps_between,
)
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import (
    CRITICAL,
    HEALTHY,
    QUIET,
    SKIPPED,
    UNKNOWN,
    WARNING,
)
from ansible_collections.pgops.sequences.plugins.module_utils._model import SINGLE
from ansible_collections.pgops.sequences.plugins.module_utils._suspect.suspicion import is_certain

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Sequence, State, Trouble
    from ansible_collections.pgops.sequences.plugins.module_utils._reference.differences import Difference
    from ansible_collections.pgops.sequences.plugins.module_utils._reference.reference import Referred


_FAR, _NEAR = 2**40, 2**31
"""Rows beyond the one and a sequence before the other: times, snowflakes, numbers of 53 bits."""

_HILO_SIZES, _FEWEST_DRAWS = (10, 20, 32, 50, 100, 500, 1000, 32767, 32768), 10
"""How many ids hilo generators usually take for a number, and from how many draws on that can be told from chance."""


class Thresholds(t.NamedTuple):
    """From when on a sequence is worth a warning.

    :ivar gap: values that may be skipped between furthest and next value, in steps
    :ivar near_limit: per cent of the reach that may be handed out
    """

    gap: int = 1000
    near_limit: float = 80.0


class Compared(t.NamedTuple):
    """How a sequence stood elsewhere, and in what it is defined otherwise (docs/rules.md, section 6).

    :ivar notes: in what they differ without being another sequence for it: CACHE and owner
    """

    entry: Referred
    differences: tuple[Difference, ...] = ()
    notes: tuple[Difference, ...] = ()


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
    :ivar inserts_left: of one that has wrapped: values up to the nearest that is there
    :ivar supposed: beside the columns it is known to feed it may feed others, and is behind them
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
    inserts_left: int | None = None
    supposed: bool = False


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
        percent_used=percent_used(sequence, state, found) if state else None,
        target=None,
        troubles=troubles,
    )

    return _synchronized(_by_rows(verdict, observation, thresholds), sequence)


def _synchronized(verdict: Verdict, sequence: Sequence) -> Verdict:
    """The same, with a warning where a subscription has yet to set the sequence, whatever it feeds."""
    if sequence.left_out or sequence.subscription is None or not sequence.subscription.waits:
        return verdict
    # What it would have been skipped for is no matter: somebody relies on where it stands.
    reasons = tuple(x for x in verdict.reasons if verdict.status != SKIPPED or x == "suspected")
    status = WARNING if verdict.status in QUIET else verdict.status
    return verdict._replace(status=status, reasons=(*reasons, "not_synchronized"))


def _by_rows(verdict: Verdict, observation: Observation, thresholds: Thresholds) -> Verdict:
    """What is to be said by its rows."""
    sequence, state, troubles = observation.sequence, observation.state, verdict.troubles
    skipped = not_judged(sequence)
    if skipped == "no_column" and is_suspected(observation, thresholds):
        guess = observation.suspicion[0] if observation.suspicion else None
        if guess and is_certain(guess):
            return verdict._replace(status=WARNING, reasons=(*verdict.reasons, "suspected"))
        return verdict._replace(reasons=(skipped, "suspected"))
    if skipped:
        return verdict._replace(reasons=(skipped,))
    if state is None:
        return verdict._replace(status=UNKNOWN, reasons=_reasons_of(troubles))
    found_so = _judged(verdict, observation, state, thresholds)
    return found_so._replace(supposed=is_suspected(observation, thresholds))


def is_suspected(observation: Observation, thresholds: Thresholds) -> bool:
    """Whether a sequence that no column is known to draw from would be behind the one it is supposed to feed.

    Not where rows lie outside of what it could hand out, or so far ahead that they are times or snowflakes; nor where
    each number stands for as many ids again and again, or another sequence has as good a claim to the column.
    """
    guess, seen = observation.suspicion or (None, None)
    if guess is None or seen is None:
        return False
    found, state = furthest(seen), seen.state
    inner = judge(seen, thresholds)
    if "behind" not in inner.reasons or found is None or state is None or "out_of_bounds" in inner.reasons:
        return False
    next_value = state.next_value(seen.sequence.increment)
    if abs(found) > _FAR and abs(next_value) < _NEAR:
        return False
    if guess.rivals:
        return False
    return hilo_factor(observation) is None


def hilo_factor(observation: Observation) -> int | None:
    """How many ids each number seems to stand for, where an application multiplies what it draws (hilo); or None."""
    seen = observation.suspicion[1] if observation.suspicion else None
    if seen is None or seen.state is None or not seen.state.is_called or seen.sequence.increment != 1:
        return None
    found, last = furthest(seen), seen.state.last_value
    if found is None or last < _FEWEST_DRAWS:
        return None
    return next((size for size in _HILO_SIZES if (last - 1) * size <= found <= (last + 1) * size), None)


def _judged(verdict: Verdict, observation: Observation, state: State, thresholds: Thresholds) -> Verdict:
    """The verdict on a sequence that is to be judged and whose state is known."""
    sequence, reach, found = observation.sequence, observation.sequence.reach, verdict.furthest
    next_value = state.next_value(sequence.increment)
    taken = covered(observation)
    target = first_free(sequence, next_value, taken)
    room = target in reach
    # One before the range that is its own would hand out what is another's.
    short = _is_before_its_range(sequence, next_value)
    exhausted = next_value not in reach and not short
    behind = short or _is_behind(observation, next_value, taken)
    left = _left_before_a_row(observation, next_value) if behind and not (room or exhausted or short) else 0
    wrapped = left > thresholds.gap
    behind = behind and not wrapped
    gap = None if behind or wrapped or found is None else steps_between(sequence, found, next_value)
    outside = any(reading.out_of_bounds for reading in observation.readings)
    used = (_stretch_used(observation, next_value) if wrapped else verdict.percent_used) or 0.0

    critical = ["behind"] * behind + ["exhausted"] * exhausted
    critical += ["no_room"] * bool(critical and not room)
    warning = ["wrapped"] * wrapped
    warning += ["gap"] * (gap is not None and gap > thresholds.gap)
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
        percent_used=used,
        target=target if critical and advances else None,
        inserts_left=left if wrapped else None,
    )


def _is_behind(observation: Observation, next_value: int, taken: int | None) -> bool:
    """Whether the next draw stands for a value that may be there (contract, *behind*)."""
    sequence, found = observation.sequence, furthest(observation)
    if found is None or taken is None or beyond(sequence, next_value, taken):
        return False
    return not (stands_alone(sequence, next_value) and beyond(sequence, next_value, found))


def _is_before_its_range(sequence: Sequence, next_value: int) -> bool:
    """Whether counting has yet to come to the range that the user says is the sequence's own."""
    if next_value in sequence.reach or next_value not in sequence.storable:
        return False
    end = sequence.reach.highest if sequence.ascending else sequence.reach.lowest
    return beyond(sequence, end, next_value)


def _left_before_a_row(observation: Observation, next_value: int) -> int:
    """How many inserts come before the nearest row ahead; 0 where that is not known of every column with rows ahead."""
    sequence, ahead = observation.sequence, nearest_ahead(observation)
    unasked = any(
        reading.furthest is not None and not beyond(sequence, next_value, reading.furthest) and reading.ahead is None
        for reading in observation.readings
    )
    if ahead is None or unasked or any(column.mapping.allocation != SINGLE for column in sequence.columns):
        return 0
    return inserts_left(sequence, next_value, ahead)


def _stretch_used(observation: Observation, next_value: int) -> float:
    """Per cent that is gone of the values from the reach's start to the nearest row ahead."""
    sequence, ahead = observation.sequence, nearest_ahead(observation)
    start = sequence.reach.lowest if sequence.ascending else sequence.reach.highest
    if ahead is None:
        return 0.0
    used = inserts_left(sequence, start, next_value)
    return round(100 * used / (used + inserts_left(sequence, next_value, ahead)), 2)


def not_judged(sequence: Sequence) -> str | None:
    """Why a sequence is skipped on purpose, or None (contract, section 2, *skipped*)."""
    if sequence.left_out and sequence.system:
        return "system"
    if sequence.left_out:
        return "extension"
    if not sequence.columns:
        return "no_column"
    return "cycle" if sequence.cycle else None


def _reasons_of(troubles: tuple[Trouble, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(trouble.reason for trouble in troubles))
