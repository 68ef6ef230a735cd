# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A finding in, what is to be said of it to people out."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.remedies import furthest_place, place_of
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import CRITICAL, SKIPPED

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Unfixed

_SKIPPED = {
    "cycle": "it is declared CYCLE: it repeats its values on purpose",
    "no_column": "no catalog shows a column it feeds; if one is fed by code, map it with the option columns",
    "extension": "it belongs to an extension",
    "system": "it belongs to a system schema",
}


def message_of(finding: Finding) -> str:
    """What is to be said of a sequence, for people; unknown ones with what would settle it."""
    verdict, sequence = finding.verdict, finding.sequence
    if verdict.status == SKIPPED:
        return _SKIPPED[verdict.reasons[0]]
    found = f"{verdict.furthest} ({furthest_place(finding.observation, verdict.furthest)})"
    sentences = {
        "behind": f"next value {verdict.next_value} is not beyond {found}",
        "exhausted": f"next value {verdict.next_value} is outside {_reach(sequence)},"
        " what the sequence and its columns can hold",
        "no_room": f"no free value is left beyond {verdict.furthest} up to {verdict.limit}",
        "gap": f"{verdict.gap} values are skipped between {found} and next value {verdict.next_value}",
        "near_limit": f"{verdict.percent_used} % of the values up to {verdict.limit} are used",
        "out_of_bounds": f"{_outside(finding)} holds values outside {_reach(sequence)}, which cannot collide",
    }
    sentences.update(_by_reference(finding))
    parts = [sentences[reason] for reason in verdict.reasons if reason in sentences]
    parts += [f"{trouble.cause}: {trouble.remedy}" for trouble in verdict.troubles]
    if parts:
        return "; ".join(parts) + _under_subscription(finding)
    if verdict.reference and verdict.furthest is None:
        return f"next value {verdict.next_value} is not behind the reference's {verdict.reference.entry.next_value}"
    if verdict.furthest is None:
        return f"no column holds a value; next value {verdict.next_value}"
    return f"next value {verdict.next_value} is beyond {found}"


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
    """That more rows are on their way, where a sequence is behind."""
    subscription = finding.sequence.subscription
    if subscription is None or not subscription.enabled or finding.verdict.status != CRITICAL:
        return ""
    return f"; the subscription {subscription.name} fills it, and lags it again with every row until it is switched off"


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
