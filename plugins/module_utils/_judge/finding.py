# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""An observation in, all that is decided about it out: computed once, and read by everything that comes after.

Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.by_reference import compared
from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import Move, Policy, Refusal, plan
from ansible_collections.pgops.sequences.plugins.module_utils._judge.remedies import remedy
from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Thresholds, Verdict, judge
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import CRITICAL, QUIET, STRUCTURAL, UNKNOWN

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._reference.reference import Reference


class Rules(t.NamedTuple):
    """By what sequences are judged.

    :ivar thresholds: from when on to warn
    :ivar policy: how they may be moved; None: they are only looked at
    :ivar reference: how they stood elsewhere, if that is known
    """

    thresholds: Thresholds
    policy: Policy | None = None
    reference: Reference | None = None


class Finding(t.NamedTuple):
    """A sequence of a database, as it was found, and what is decided about it.

    :ivar database: the database's name
    :ivar observation: the sequence as it was found
    :ivar verdict: status, reasons and numbers (contract, sections 2 and 3)
    :ivar step: the move that is due, or why there is none although one is; None where nothing is due, or may be done
    :ivar remedy: what settles it, ready to be copied; None where nothing does, or where a move does
    :ivar moved: what is to be said of it once the move is made, were nobody else to use it meanwhile; None without one
    """

    database: str
    observation: Observation
    verdict: Verdict
    step: Move | Refusal | None = None
    remedy: str | None = None
    moved: Finding | None = None

    @property
    def sequence(self) -> Sequence:
        """The sequence's definition."""
        return self.observation.sequence

    @property
    def oid(self) -> int:
        """The sequence's oid."""
        return self.observation.sequence.oid

    @property
    def place(self) -> tuple[str, str]:
        """Schema and name, which results are in the order of."""
        return self.sequence.schema, self.sequence.name

    @property
    def move(self) -> Move | None:
        """The move that is due, if one is and may be made."""
        return self.step if isinstance(self.step, Move) else None

    @property
    def refusal(self) -> Refusal | None:
        """Why it is not moved although a move is due."""
        return self.step if isinstance(self.step, Refusal) else None

    @property
    def may_feed_more(self) -> bool:
        """Whether it is suspected of columns that it is not known to feed."""
        return self.verdict.supposed or "suspected" in self.verdict.reasons

    @property
    def is_quiet(self) -> bool:
        """Whether it is counted but not listed (contract, section 3, ``show_all``)."""
        return self.verdict.status in QUIET


def decide(database: str, observation: Observation, rules: Rules, role: str) -> Finding:
    """Decide all there is to decide about a sequence: verdict, move or refusal, remedy.

    :arg database: the database's name
    :arg observation: the sequence as it was found
    :arg rules: by what it is judged
    :arg role: the role whose rights hold, which remedies name
    """
    verdict = _verdict(database, observation, rules)
    if rules.policy is None:
        return Finding(database, observation, verdict, remedy=_remedy(observation, verdict, None, role))
    step = plan(observation, verdict, rules.policy)
    if not isinstance(step, Move):
        return Finding(database, observation, verdict, step, _remedy(observation, verdict, step, role))
    after = observation._replace(state=step.after)
    verdict_after = _verdict(database, after, rules)
    moved = Finding(database, after, verdict_after, None, _remedy(after, verdict_after, None, role))
    return Finding(database, observation, verdict, step, _remedy(observation, verdict, None, role), moved)


def _verdict(database: str, observation: Observation, rules: Rules) -> Verdict:
    """By rows, and by how it stood elsewhere where that is known."""
    verdict = judge(observation, rules.thresholds)
    if rules.reference is None:
        return verdict
    sequence = observation.sequence
    entry = rules.reference.find(database, sequence.schema, sequence.name)
    return compared(observation, verdict, entry, rules.thresholds)


def _remedy(observation: Observation, verdict: Verdict, refusal: Refusal | None, role: str) -> str | None:
    quiet = verdict.status in QUIET and refusal is None and "suspected" not in verdict.reasons
    return None if quiet else remedy(observation, verdict, refusal, role)


def needs_a_hand(verdict: Verdict, refusal: Refusal | None) -> bool:
    """Whether a sequence belongs to what is not fixed (contract, section 4).

    Critical, or not readable for a reason that can be settled, or due to be moved further than is allowed.
    """
    if verdict.status == CRITICAL or (refusal is not None and "max_jump" in refusal.reasons):
        return True
    return verdict.status == UNKNOWN and any(trouble.reason not in STRUCTURAL for trouble in verdict.troubles)
