# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Sequences that no column is known to draw from in, the column that each may feed out (contract, section 2, *Suspicion*).

By falling certainty, and never further than the first that fits: it ends where one key fits, and where two fit equally
there is no suspicion, but both are named. Nothing is moved by it.

Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import POOLED, Guess, Mapping
from ansible_collections.pgops.sequences.plugins.module_utils._suspect.known import KNOWN, known_mappings
from ansible_collections.pgops.sequences.plugins.module_utils._suspect.names import (
    COLUMN,
    PLURAL,
    TABLE,
    TABLE_AND_COLUMN,
    Names,
    made_names,
)
from ansible_collections.pgops.sequences.plugins.module_utils._suspect.triggers import drawn_by

if t.TYPE_CHECKING:
    from collections.abc import Mapping as Map
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Facts, Key, Orphan

TRIGGER, SINGLE_NAME = "trigger", "single name"

CERTAIN = frozenset({TRIGGER, TABLE_AND_COLUMN})
"""What is certain enough for a warning."""

SINGLE_NAMES = frozenset({"hibernate_sequence", "openjpa_sequence", "seq_gen_sequence"})
"""One sequence for all tables of an application, as Hibernate, OpenJPA and EclipseLink name it."""

_SIGNALS = re.compile(r"_signaling|^ir_sequence_\d")


def guesses(facts: Facts, drawn: Map[int, int] | None = None) -> dict[int, Guess]:
    """Say which columns sequences may feed that no catalog shows.

    :arg facts: of the whole database
    :arg drawn: how many values sequences have handed out, by their oids: of several with a claim to one column the one
        that was drawn most has it; a left-over of an older name is drawn no more
    :returns: by the sequences' oids; those that nothing fits are left out
    """
    orphans = [one for one in facts.orphans if not (one.cycle or _SIGNALS.search(one.name.lower()))]
    known, names, drawing = known_mappings(orphans, facts), Names(facts.keys), drawn_by(facts.triggers)
    found: dict[int, Guess] = {}
    for orphan in orphans:
        guess = _by_trigger(orphan, drawing) or known.get(orphan.oid) or _by_name(orphan, names)
        if guess:
            found[orphan.oid] = guess
    return _settled(orphans, found, drawn or {})


def _settled(orphans: List[Orphan], found: Map[int, Guess], drawn: Map[int, int]) -> dict[int, Guess]:
    """Settle what several sequences claim; where there is no telling all of them are rivals."""
    claims: dict[tuple[Key, Mapping], list[Orphan]] = {}
    for orphan in orphans:
        guess = found.get(orphan.oid)
        for place, key in enumerate(guess.keys if guess else ()):
            claims.setdefault((key, guess.mappings[place] if guess and guess.mappings else Mapping()), []).append(
                orphan
            )
    rivals: dict[int, set[str]] = {}
    taken: dict[int, set[Key]] = {}
    for (key, _mapping), several in claims.items():
        if len(several) < 2:
            continue
        rank = min(_rank(found[one.oid]) for one in several)
        best = [one for one in several if _rank(found[one.oid]) == rank]
        most = max(drawn.get(one.oid, 0) for one in best)
        furthest = [one for one in best if drawn.get(one.oid, 0) == most]
        for one in several:
            if rank < _rank(found[one.oid]) == _OF_SINGLE_NAMES:
                # The rest of an application's tables is the sequence's all the same.
                taken.setdefault(one.oid, set()).add(key)
            elif one not in furthest or len(furthest) > 1:
                others = (f"{other.schema}.{other.name}" for other in several if other is not one)
                rivals.setdefault(one.oid, set()).update(others)
    settled = {
        oid: guess._replace(
            keys=tuple(key for key in guess.keys if key not in taken[oid]) if oid in taken else guess.keys,
            rivals=tuple(sorted(rivals.get(oid, ()))),
        )
        for oid, guess in found.items()
    }
    return {oid: guess for oid, guess in settled.items() if guess.keys or guess.tied}


_OF_SINGLE_NAMES = 99


def _rank(guess: Guess) -> int:
    """The certainty of a guess as a number: the lower, the more certain."""
    if guess.certainty.startswith(SINGLE_NAME):
        return _OF_SINGLE_NAMES
    base, *weaker = guess.certainty.split(", ")
    order = [TRIGGER, base if base.startswith(KNOWN) else "", TABLE_AND_COLUMN, TABLE, COLUMN, PLURAL]
    return 2 * order.index(base) + bool(weaker)


def is_certain(guess: Guess) -> bool:
    """Whether a guess is certain enough for a warning."""
    return guess.certainty in CERTAIN or guess.certainty.startswith(f"{KNOWN}: ")


def is_shared(guess: Guess) -> bool:
    """Whether it is of a sequence that all tables of an application share, the default of some of them perhaps."""
    return guess.certainty.startswith(SINGLE_NAME)


def mapping_of(guess: Guess, place: int, increment: int) -> Mapping:
    """What is to be said of one of a guess's columns, were it confirmed.

    Counting by more than one speaks for an application that takes blocks. Which ones nobody can see: pooled is right for
    both ways of taking them, by at most a block too far.
    """
    if guess.mappings:
        return guess.mappings[place]
    return Mapping(allocation=POOLED) if abs(increment) > 1 else Mapping()


def _by_trigger(orphan: Orphan, drawing: Map[tuple[str, ...], List[Key]]) -> Guess | None:
    """A trigger's function that names the sequence and assigns a key of its table."""
    name, schema = orphan.name.lower(), orphan.schema.lower()
    keys = list(dict.fromkeys(key for told in ((name,), (schema, name)) for key in drawing.get(told, ())))
    return _of(TRIGGER, keys) if keys else None


def _by_name(orphan: Orphan, names: Names) -> Guess | None:
    if orphan.name.lower() in SINGLE_NAMES:
        keys = names.by_schema.get(orphan.schema)
        if keys:
            return Guess(SINGLE_NAME, tuple(keys), ())
        keys = [key for several in names.by_schema.values() for key in several]
        return Guess(f"{SINGLE_NAME}, of another schema", tuple(keys), ()) if keys else None
    for inside in (True, False):
        found = names.fitting(orphan.name, orphan.schema, inside)
        if found:
            guess = _of(*found)
            folded = orphan.name != orphan.name.lower() and not any(orphan.name in made_names(x) for x in guess.keys)
            if folded and guess.keys:
                guess = guess._replace(certainty=f"{guess.certainty}, but for upper and lower case")
            # A sequence of one schema beside tables of another is usual, and less certain.
            return guess if inside else guess._replace(certainty=f"{guess.certainty}, of another schema")
    return None


def _of(certainty: str, keys: List[Key]) -> Guess:
    """One key that fits, or several that do so equally."""
    return Guess(certainty, tuple(keys), ()) if len(keys) == 1 else Guess(certainty, (), tuple(keys))
