# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A finding in, what is to be said of it to people out."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.remedies import (
    default_of,
    entries_of,
    furthest_place,
    place_of,
)
from ansible_collections.pgops.sequences.plugins.module_utils._judge.targets import beyond, furthest, nearest_ahead
from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import hilo_factor
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import CRITICAL, SKIPPED
from ansible_collections.pgops.sequences.plugins.module_utils._model import POOLED

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Sequence, Subscription
    from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Unfixed

_SKIPPED = {
    "cycle": "it is declared CYCLE: it repeats its values on purpose",
    "no_column": "no catalog shows a column it feeds; if one is fed by code, map it with the option columns",
    "extension": "it belongs to an extension",
    "system": "it belongs to a system schema",
}


def message_of(finding: Finding) -> str:
    """What is to be said of a sequence, for people: each reason, with what it means here."""
    verdict, sequence = finding.verdict, finding.sequence
    if "suspected" in verdict.reasons:
        return _suspected(finding) + _under_subscription(finding)
    if verdict.status == SKIPPED:
        return f"{verdict.reasons[0]}: {_SKIPPED[verdict.reasons[0]]}{_supposed(finding)}{_under_subscription(finding)}"
    sentences = {reason: _SENTENCES[reason](finding) for reason in verdict.reasons if reason in _SENTENCES}
    sentences.update(_by_reference(finding))
    parts = [f"{reason}: {sentences[reason]}" for reason in verdict.reasons if reason in sentences]
    parts += [f"{trouble.reason}: {trouble.cause}" for trouble in verdict.troubles]
    if not parts and "not_synchronized" in verdict.reasons:
        return _under_subscription(finding).removeprefix("; ")
    if not parts:
        parts = [f"the next value {verdict.next_value} is beyond {_found(finding)}"]
        if verdict.reference and verdict.furthest is None:
            entry = verdict.reference.entry
            stands = f"the next value {verdict.next_value} is not behind the reference's {entry.next_value}"
            return stands + _under_subscription(finding)
    if verdict.furthest is None and parts[0].startswith("the next"):
        empty = all(reading.empty for reading in finding.observation.readings)
        held = "no column holds a value" if empty else "no column holds a value that it could hand out"
        parts = [f"{held}; the next value is {verdict.next_value}"]
    parts += [
        f"{place_of(sequence, column)} has no default any more: {default_of(sequence, column)}"
        for column in sequence.columns
        if column.lost_default
    ]
    more = f"; {_suspected(finding)}" if verdict.supposed else ""
    return "; ".join(parts) + _under_subscription(finding) + more


def _suspected(finding: Finding) -> str:
    """What is supposed of a sequence whose supposed column is ahead."""
    guess, seen = finding.observation.suspicion or (None, None)
    if guess is None or seen is None:
        return ""
    found, next_value = furthest(seen), finding.verdict.next_value
    place = furthest_place(seen, found)
    entries = json.dumps(entries_of(finding.observation), ensure_ascii=False)
    who = "no catalog shows all that it feeds" if finding.verdict.supposed else "no catalog shows who draws it"
    return (
        f"suspected: {who}, but by {guess.certainty} it feeds {place}, which goes up to {found}"
        f" while the next value is {next_value}; it is not moved before the option columns confirms that: {entries}"
    )


def _no_room(furthest: int | None, limit: int) -> str:
    if furthest == limit:
        return f"{limit} is the last value there is, so no free one is left"
    beyond = "" if furthest is None else f" beyond {furthest}"
    return f"no free value is left{beyond} up to {limit}"


def _supposed(finding: Finding) -> str:
    """What else is to be said of a sequence that no column is known to draw from."""
    guess, seen = finding.observation.suspicion or (None, None)
    if guess is None:
        return ""
    if guess.tied:
        tied = ", ".join(f"{key.schema}.{key.table}.{key.column}" for key in guess.tied[:5])
        more = f" and {len(guess.tied) - 5} more" if len(guess.tied) > 5 else ""
        return f"; by {guess.certainty} it may be any of {tied}{more}"
    if seen is None:
        return ""
    size = hilo_factor(finding.observation)
    places = ", ".join(place_of(seen.sequence, column) for column in seen.sequence.columns[:5])
    if size is not None:
        (column, *_rest) = seen.sequence.columns
        return (
            f"; by {guess.certainty} it feeds {places}, of which each number seems to stand for {size} ids (hilo):"
            f' columns with expression: "({column.name} + {size - 1}) / {size}" would say so'
        )
    if guess.rivals:
        rivals = ", ".join(guess.rivals[:5])
        return f"; {rivals} and it may feed {places}, one of them a left-over"
    told = [f"{trouble.reason}: {trouble.cause}" for trouble in (r.trouble for r in seen.readings) if trouble]
    told += [f"{seen.trouble.reason}: {seen.trouble.cause}"] if seen.trouble else []
    if told:
        return f"; by {guess.certainty} it may feed {places}, which cannot be compared: {'; '.join(told)}"
    return f"; by {guess.certainty} it may feed {places}, {_standing(seen)}"


def _standing(seen: Observation) -> str:
    """Why a sequence is not suspected of a column that was read."""
    found, state = furthest(seen), seen.state
    if any(reading.out_of_bounds for reading in seen.readings):
        return "where values are beyond what it can hand out: they are not its own"
    if found is None or state is None or beyond(seen.sequence, state.next_value(seen.sequence.increment), found):
        return "and is not behind it"
    return f"where values go so far beyond it, to {found}, that they are hardly its own"


def _found(finding: Finding) -> str:
    furthest = finding.verdict.furthest
    return f"{furthest} ({furthest_place(finding.observation, furthest)})"


def _exhausted(finding: Finding) -> str:
    next_value = finding.verdict.next_value
    return (
        f"the next value {next_value} is outside {_reach(finding.sequence)}, what the sequence and its columns can hold"
    )


def _wrapped(finding: Finding) -> str:
    verdict = finding.verdict
    return (
        f"rows stand at the end of what fits, and counting goes on before them, at {verdict.next_value}:"
        f" {verdict.inserts_left} inserts are left up to the nearest row, {nearest_ahead(finding.observation)}"
    )


def _gap(finding: Finding) -> str:
    verdict = finding.verdict
    return f"{verdict.gap} values are skipped between {_found(finding)} and the next value {verdict.next_value}"


def _behind(finding: Finding) -> str:
    verdict, sequence = finding.verdict, finding.sequence
    if verdict.furthest is None:
        return f"the next value {verdict.next_value} is not in {_reach(sequence)}, the range that is its own"
    place = furthest_place(finding.observation, verdict.furthest)
    block = ""
    if any(column.mapping.allocation == POOLED for column in sequence.columns) and verdict.next_value is not None:
        sign = 1 if sequence.ascending else -1
        first = verdict.next_value - sequence.increment + sign
        block = f", which stands for {first} to {verdict.next_value}"
    goes = "goes up" if sequence.ascending else "goes down"
    return f"the next value is {verdict.next_value}{block}, but {place} already {goes} to {verdict.furthest}"


# Of thousands that are behind only their own sentence is written.
_SENTENCES: dict[str, t.Callable[[Finding], str]] = {
    "behind": _behind,
    "exhausted": _exhausted,
    "no_room": lambda found: _no_room(found.verdict.furthest, found.verdict.limit),
    "wrapped": _wrapped,
    "gap": _gap,
    "near_limit": lambda found: f"{found.verdict.percent_used} % of the values up to {found.verdict.limit} are gone",
    "out_of_bounds": lambda found: f"{_outside(found)} holds values beyond {found.verdict.limit}, which cannot collide",
}


def _by_reference(finding: Finding) -> dict[str, str]:
    """Sentences by reason that speak of the reference."""
    verdict = finding.verdict
    if verdict.reference is None:
        return {}
    entry = verdict.reference.entry
    differences = ", ".join(difference.words for difference in verdict.reference.differences)
    sentences = {
        "behind_reference": f"next value {verdict.next_value} is behind the reference's {entry.next_value}",
        "differs": f"it differs from the reference: {differences}",
    }
    if "behind_reference" in verdict.reasons:
        further = max if finding.sequence.ascending else min
        beyond = further(value for value in (verdict.furthest, entry.next_value) if value is not None)
        sentences["no_room"] = f"no free value is left from {beyond} up to {verdict.limit}"
    return sentences


def _under_subscription(finding: Finding) -> str:
    """What a subscription does to it: more rows are on their way, where it is behind; or it is set from elsewhere."""
    subscription = finding.sequence.subscription
    if subscription is None:
        return ""
    if subscription.waits:
        return f"; not_synchronized: {_not_synchronized(subscription)}"
    if subscription.keeps:
        return (
            f"; the subscription {subscription.name} keeps it: the next REFRESH SEQUENCES sets it to the publisher's value, also"
            " backward"
        )
    if not subscription.enabled or finding.verdict.status != CRITICAL:
        return ""
    return (
        f"; the subscription {subscription.name} fills it, so it is behind again with every row until that is disabled"
    )


def _not_synchronized(subscription: Subscription) -> str:
    """Why a subscription has not set a sequence, as far as that can be told from here."""
    begin = f"the subscription {subscription.name} has yet to set it to the publisher's value, also backward"
    if not subscription.enabled:
        off = " (as disable_on_error does after a failure)" if subscription.failures else ""
        return f"{begin}, and is switched off{off}: it goes on with that once it is enabled"
    if not subscription.failures:
        return f"{begin}, which takes some seconds after a REFRESH"
    return (
        f"{begin}, and has failed with sequences {subscription.failures} times. Likely it is defined otherwise there (type, start,"
        " increment, bounds, cycle), or not there any more, or the subscription's role may not SELECT it there; the server's log says which"
    )


def unfixed_message_of(unfixed: Unfixed) -> str:
    """What is to be said of a sequence that needs a hand."""
    message, trouble = message_of(unfixed.finding), unfixed.trouble
    if trouble and trouble not in unfixed.finding.verdict.troubles:
        return f"{message}; could not be moved: {trouble.cause}"
    if "subscribed" in unfixed.reasons:
        return f"{message}; left alone (move_subscribed: false)"
    if "max_jump" in unfixed.reasons:
        jump = unfixed.refusal.jump if unfixed.refusal else None
        return f"{message}; a move of {jump} values is more than max_jump"
    return message


def _outside(finding: Finding) -> str:
    pairs = zip(finding.sequence.columns, finding.observation.readings)
    return ", ".join(place_of(finding.sequence, column) for column, reading in pairs if reading.out_of_bounds)


def _reach(sequence: Sequence) -> str:
    return f"{sequence.reach.lowest}..{sequence.reach.highest}"
