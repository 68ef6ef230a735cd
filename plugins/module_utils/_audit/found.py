# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What is to be said of a database's sequences, with no more held of what is worth no word than its status."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding


Quiet = tuple[str, tuple[str, ...]]


class Found(t.NamedTuple):
    """Findings, and counts of the rest.

    :ivar findings: what is worth a word, or is due to be moved, by the sequences' oids
    :ivar quiet: status and reasons of each other sequence, by its oid
    """

    findings: Mapping[int, Finding] = {}
    quiet: Mapping[int, Quiet] = {}

    @classmethod
    def of(cls, findings: Iterable[Finding], show_all: bool) -> Found:
        """Keep what has to be kept of findings.

        :arg show_all: whether that is all of them
        """
        kept, quiet = {}, {}
        for finding in findings:
            if show_all or finding.step is not None or not finding.is_quiet or finding.may_feed_more:
                kept[finding.oid] = finding
            else:
                quiet[finding.oid] = (finding.verdict.status, finding.verdict.reasons)
        return cls(kept, quiet)

    @classmethod
    def merged(cls, several: Iterable[Found]) -> Found:
        """All of some, which are of different sequences."""
        kept: dict[int, Finding] = {}
        quiet: dict[int, Quiet] = {}
        for one in several:
            kept.update(one.findings)
            quiet.update(one.quiet)
        return cls(kept, quiet)

    def replaced(self, oids: Iterable[int], findings: Iterable[Finding], show_all: bool) -> Found:
        """Findings instead of what was found of some sequences; those that are gone are left out."""
        gone = frozenset(oids)
        rest = Found(
            {oid: finding for oid, finding in self.findings.items() if oid not in gone},
            {oid: status for oid, status in self.quiet.items() if oid not in gone},
        )
        return Found.merged([rest, Found.of(findings, show_all)])
