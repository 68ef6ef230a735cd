# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What a repair leaves in, what needs a hand out (contract, section 4, ``not_fixed``)."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import needs_a_hand
from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Unfixed

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Trouble


def unfixed_of(
    findings: Iterable[Finding], troubles: Mapping[int, Trouble], moved: Collection[int] = ()
) -> list[Unfixed]:
    """Say what needs a hand.

    :arg findings: what is to be said of the sequences after the run
    :arg troubles: what went wrong on the way, by the sequences' oids
    :arg moved: oids of those that are not due any more, whatever is decided about them now
    :returns: by schema and name
    """
    found = []
    for finding in sorted(findings, key=lambda finding: finding.place):
        refusal = None if finding.oid in moved else finding.refusal
        trouble = troubles.get(finding.oid)
        if trouble is None and not needs_a_hand(finding.verdict, refusal):
            continue
        reasons = (*finding.verdict.reasons, *(refusal.reasons if refusal else ()))
        if trouble:
            reasons = (*reasons, trouble.reason)
        found.append(Unfixed(finding, tuple(dict.fromkeys(reasons)), refusal, trouble))
    return found
