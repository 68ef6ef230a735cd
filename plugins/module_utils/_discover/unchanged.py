# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Is it still what it was?"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import choose
from ansible_collections.pgops.sequences.plugins.module_utils._discover.describe import described
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import Selection
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import array
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.settings import LOOK_UP

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import Choice
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader

# What was written by transactions that were still to come, or to end, when the horizon was taken. Transaction ids wrap
# around: half of all 32-bit numbers are after the horizon (manual, 24.1.5); an old row taken for a new one costs a look.
_TOUCHED = """
WITH fed AS (
  SELECT sequence, relation, number
  FROM unnest(%(sequences)s::oid[], %(relations)s::oid[], %(numbers)s::int2[]) AS q (sequence, relation, number)
), rows AS (
  SELECT r.sequence, v.written
  FROM (SELECT sequence, relation FROM fed UNION ALL SELECT s, s FROM unnest(%(sequences)s::oid[]) s) r
  LEFT JOIN pg_class c ON c.oid = r.relation
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (VALUES (c.xmin), (n.xmin)) v (written)

  UNION ALL
  SELECT f.sequence, a.xmin
  FROM fed f
  LEFT JOIN pg_attribute a ON a.attrelid = f.relation AND a.attnum = f.number
  WHERE f.number > 0

  UNION ALL
  SELECT d.objid, d.xmin
  FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.objid = ANY (%(sequences)s::oid[])

  UNION ALL
  SELECT d.refobjid, d.xmin
  FROM pg_depend d
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY (%(sequences)s::oid[])
)
SELECT DISTINCT sequence::bigint AS oid
FROM rows
WHERE written IS NULL OR (written::text::bigint - %(horizon)s + 4294967296) %% 4294967296 < 2147483648
"""


def touched(session: Reader, choice: Choice, sequences: Collection[Sequence]) -> set[int]:
    """Those of some sequences that may be no longer what they were, because catalog rows about them were written.

    :arg session: the database
    :arg choice: what :func:`choose` found before they were described
    :arg sequences: as they were described
    :returns: their oids; those of some that did not change may be among them
    :raises DatabaseError: a catalog could not be read
    """
    fed = [(sequence.oid, column.relation, column.number) for sequence in sequences for column in sequence.columns]
    # Beside each column's sequence, those that feed none.
    fed += [(sequence.oid, sequence.oid, 0) for sequence in sequences if not sequence.columns]
    names = ("sequences", "relations", "numbers")
    asked = dict(zip(names, map(array, zip(*fed)))) if fed else dict.fromkeys(names, "{}")
    rows = session.query(_TOUCHED, {**asked, "horizon": choice.horizon % 2**32}, settings=LOOK_UP)
    return {row["oid"] for row in rows}


def rediscover(reader: Reader, selection: Selection, oid: int) -> Sequence | None:
    """Find one sequence again, whatever it is called now.

    :arg reader: a session, or a transaction of one
    :arg selection: as at first, for its ``columns``
    :arg oid: the sequence's oid
    :returns: the sequence as it is now, or None where it is gone
    :raises DatabaseError: a catalog could not be read
    """
    choice = choose(reader, Selection(columns=selection.columns), only=oid)
    return next(iter(described(reader, choice, [oid])), None)
