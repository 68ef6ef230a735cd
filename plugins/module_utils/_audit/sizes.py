# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Findings in, how large the tables are that their remedies would rewrite out."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.remedies import rewritten
from ansible_collections.pgops.sequences.plugins.module_utils._observe.probes import PATIENCE
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import array

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import Sessions

_WIDENED = frozenset({"no_room", "exhausted", "wrapped", "near_limit"})

# The functions look at the files, need no privilege on the table, and give each lock back at once.
_SIZES = """
WITH RECURSIVE tree (root, relation) AS (
  SELECT q.oid, q.oid FROM unnest(%(oids)s::oid[]) AS q (oid)
  UNION ALL
  SELECT t.root, i.inhrelid FROM tree AS t JOIN pg_inherits AS i ON i.inhparent = t.relation
)
SELECT root::bigint AS oid, pg_size_pretty(sum(pg_total_relation_size(relation))) AS size FROM tree GROUP BY root
"""


def needs_size(finding: Finding) -> bool:
    """Whether its remedy would rewrite a table."""
    return bool(_WIDENED.intersection(finding.verdict.reasons) and rewritten(finding.sequence))


def sizes_of(sessions: Sessions, findings: Iterable[Finding]) -> dict[int, str]:
    """How large tables are with their indexes and partitions, in words, by oid; without those that are locked.

    :arg findings: of which some may need it
    """
    tables = {column.relation for x in findings if needs_size(x) for column in rewritten(x.sequence)}
    found: dict[int, str] = {}
    for table in sorted(tables):
        with contextlib.suppress(DatabaseError):
            rows = sessions.first.query(
                _SIZES, {"oids": array([table])}, lock_timeout=min(PATIENCE, sessions.first.lock_timeout)
            )
            found.update((row["oid"], row["size"]) for row in rows if row["size"])
    return found
