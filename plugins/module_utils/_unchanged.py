# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Is it still what it was? Between any two statements of ours others may alter, drop, swap and use what we read.

========================================  ==================================================  ====================
moment                                    question                                            answered by
========================================  ==================================================  ====================
a chunk was read, perhaps moved           Were catalog rows about it written since the        :func:`altered`
                                          sequences were chosen, and does it matter?
locks of a batch, or of one, are held     Has it still the name, definition and owner that    :func:`is_still`
                                          it had, and did taking the lock write nothing?
the lock is held, and it may go back      Has it also still the same columns, by all ways?    :func:`is_same`
the locks of a batch are held             Did nobody use it since it was observed?            :func:`unused`
a batch failed after ``setval()``         Is it where it was to go, or beyond?                :func:`has_reached`
all batches of a database are done        Does it feed other columns, late or by a domain?    :func:`rebound`
========================================  ==================================================  ====================

Whoever gets "no" reads again before anything more is done. What is dropped or renamed between a question and the next
statement makes that fail, with one of the errors in :data:`._observe.troubles.VANISHED`, which count as "no" as well.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import choose
from ansible_collections.pgops.sequences.plugins.module_utils._discover.describe import describe, described
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import Selection
from ansible_collections.pgops.sequences.plugins.module_utils._model import State
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.pool import tried_twice
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import array
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.settings import LOOK_UP

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from ansible_collections.pgops.sequences.plugins.module_utils._discover.choose import Choice
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Sequence, Trouble
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
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

# Whether this very transaction wrote the entry tells a true no-op from an owner that was another one meanwhile.
_DEFINITIONS = """
SELECT s.seqrelid::bigint AS oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS sql_name,
       s.seqstart AS start_value, s.seqincrement AS increment, s.seqmin AS min_value, s.seqmax AS max_value,
       s.seqcache AS cache_size, s.seqcycle AS cycle, pg_has_role(c.relowner, 'USAGE') AS owned,
       pg_get_userbyid(c.relowner)::text AS owner,
       c.xmin::text = (txid_current() %% 4294967296)::text AS written
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE s.seqrelid = ANY (%(oids)s::oid[])
"""


def altered(session: Reader, selection: Selection, choice: Choice, sequences: Iterable[Sequence]) -> set[int]:
    """The oids of those of some sequences that are no longer what they were described as, or are gone.

    What was read may have been another table's of the name, or not all that a sequence feeds by now.

    :arg session: the database
    :arg selection: which sequences are wanted
    :arg choice: what was found before they were described
    :arg sequences: as they were described
    :raises DatabaseError: a catalog could not be read
    """
    known = {sequence.oid: sequence for sequence in sequences}
    touched = tried_twice(lambda: _touched(session, choice, known.values()))
    known = {oid: known[oid] for oid in touched if oid in known}
    if not known:
        return set()
    found = tried_twice(lambda: describe(session, selection, choice, list(known)))
    return set(known) - {sequence.oid for sequence in found if sequence == known[sequence.oid]}


def _touched(session: Reader, choice: Choice, sequences: Collection[Sequence]) -> set[int]:
    """Those that catalog rows were written about; some that did not change may be among them."""
    fed = [(sequence.oid, column.relation, column.number) for sequence in sequences for column in sequence.columns]
    # Beside each column's sequence, those that feed none.
    fed += [(sequence.oid, sequence.oid, 0) for sequence in sequences if not sequence.columns]
    names = ("sequences", "relations", "numbers")
    asked = dict(zip(names, map(array, zip(*fed)))) if fed else dict.fromkeys(names, "{}")
    rows = session.query(_TOUCHED, {**asked, "horizon": choice.horizon % 2**32}, settings=LOOK_UP)
    return {row["oid"] for row in rows}


def definitions(run: Callable[..., list[Row]], oids: Iterable[int]) -> dict[int, Row]:
    """What :func:`is_still` compares, of those sequences that are there, by their oids.

    :arg run: runs a statement inside an open transaction
    :raises DatabaseError: a catalog could not be read
    """
    return {row["oid"]: row for row in run(_DEFINITIONS, {"oids": array(oids)})}


def is_still(sequence: Sequence, definition: Row | None, untouched: bool = False) -> bool:
    """Whether a sequence is what it was discovered to be.

    :arg definition: what :func:`definitions` says of it now; None where it is gone
    :arg untouched: it was given the owner it has, which is to have written nothing
    """
    if definition is None or (untouched and definition["written"]):
        return False
    return all(getattr(sequence, name) == value for name, value in definition.items() if name != "written")


def is_same(reader: Reader, selection: Selection, sequence: Sequence) -> bool:
    """Whether inside an open transaction a sequence is still all that was discovered, with the same columns.

    :arg reader: the transaction
    :arg selection: as at first, for its ``columns``
    :raises DatabaseError: a catalog could not be read
    """
    same = Selection(sequences=selection.sequences, columns=selection.columns)
    choice = choose(reader, same, only=sequence.oid)
    return next(described(reader, same, choice, [sequence.oid]), None) == sequence


def unused(observation: Observation, state: State | None) -> bool:
    """Whether a sequence still stands where it was observed: then all its values that are in tables were there to be read."""
    return observation.state == state


def has_reached(observation: Observation, after: State, state: State | Trouble | None) -> bool:
    """Whether a sequence is where a move was to bring it, or has gone on from there.

    :arg observation: it before the move
    :arg after: where it was to go
    :arg state: where it stands now, or why that could not be read
    """
    increment = observation.sequence.increment
    return isinstance(state, State) and (
        (state.last_value - after.last_value) * increment >= 0 and state != observation.state
    )


def rebound(before: Choice, now: Choice, oids: Iterable[int]) -> set[int]:
    """The oids of those of some sequences that other columns bind to late, or through a domain, than before."""
    return {oid for oid in oids if now.feeds.get(oid) != before.feeds.get(oid)}
