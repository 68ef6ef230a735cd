# Copyright: (c) 2026, pgops contributors
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

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Mapping as Map
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Facts, Key, Orphan

TRIGGER, TABLE_AND_COLUMN = "trigger", "name of table and column"
TABLE, COLUMN, PLURAL, SINGLE_NAME = "name of the table", "name of the column", "plural or run together", "single name"

CERTAIN = frozenset({TRIGGER, TABLE_AND_COLUMN})
"""What is certain enough for a warning."""

SINGLE_NAMES = frozenset({"hibernate_sequence", "openjpa_sequence", "seq_gen_sequence"})
"""One sequence for all tables of an application, as Hibernate, OpenJPA and EclipseLink name it."""

_BEFORE = re.compile(r"^(?:seq|s|sq|sqn|gen)_(?=.)")
_AFTER = re.compile(r"(?<=.)(?:_seq\d*|_sequence|_sq|_gen|_generator)$")
_SIGNALS = re.compile(r"_signaling|^ir_sequence_\d")
_LONGEST = 63


def guesses(facts: Facts, drawn: Map[int, int] | None = None) -> dict[int, Guess]:
    """Say which columns sequences may feed that no catalog shows.

    :arg facts: of the whole database
    :arg drawn: how many values sequences have handed out, by their oids: of several with a claim to one column the one
        that was drawn most has it; a left-over of an older name is drawn no more
    :returns: by the sequences' oids; those that nothing fits are left out
    """
    orphans = [one for one in facts.orphans if not (one.cycle or _SIGNALS.search(one.name.lower()))]
    known = known_mappings(orphans, facts)
    found: dict[int, Guess] = {}
    for orphan in orphans:
        guess = _by_trigger(orphan, facts) or known.get(orphan.oid) or _by_name(orphan, facts.keys)
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
    settled = dict(found)
    for (key, _mapping), several in claims.items():
        if len(several) < 2:
            continue
        rank = min(_rank(found[one.oid]) for one in several)
        best = [one for one in several if _rank(found[one.oid]) == rank]
        most = max(drawn.get(one.oid, 0) for one in best)
        furthest = [one for one in best if drawn.get(one.oid, 0) == most]
        for one in several:
            guess = settled[one.oid]
            if rank < _rank(guess) == _OF_SINGLE_NAMES:
                # The rest of an application's tables is the sequence's all the same.
                settled[one.oid] = guess._replace(keys=tuple(each for each in guess.keys if each != key))
            elif one not in furthest or len(furthest) > 1:
                rivals = {f"{other.schema}.{other.name}" for other in several if other is not one}
                settled[one.oid] = guess._replace(rivals=tuple(sorted({*guess.rivals, *rivals})))
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


def mapping_of(guess: Guess, place: int, increment: int) -> Mapping:
    """What is to be said of one of a guess's columns, were it confirmed.

    Counting by more than one speaks for an application that takes blocks. Which ones nobody can see: pooled is right for
    both ways of taking them, by at most a block too far.
    """
    if guess.mappings:
        return guess.mappings[place]
    return Mapping(allocation=POOLED) if abs(increment) > 1 else Mapping()


def _by_trigger(orphan: Orphan, facts: Facts) -> Guess | None:
    """A trigger's function that names the sequence and assigns a key of its table."""
    names = {orphan.name.lower(), f"{orphan.schema}.{orphan.name}".lower()}
    keys = []
    for trigger in facts.triggers:
        text = trigger.source.lower()
        told = set(re.findall(r"""nextval\s*\(\s*'"?([\w.$]+)"?'""", text)) | set(
            re.findall(r"([\w.$]+)\.nextval\b", text)
        )
        assigned = set(re.findall(r'\bnew\."?([\w$]+)"?\s*:?=', text)) | set(
            re.findall(r'\binto\s+new\."?([\w$]+)"?', text)
        )
        if told & names:
            keys += [key for key in trigger.keys if key.column.lower() in assigned]
    return _one(TRIGGER, keys)


def _by_name(orphan: Orphan, keys: List[Key]) -> Guess | None:
    own = [key for key in keys if key.schema == orphan.schema]
    others = [key for key in keys if key.schema != orphan.schema]
    guess = _through_levels(orphan, own)
    if guess:
        return guess
    guess = _through_levels(orphan, others)
    # A sequence of one schema beside tables of another is usual, and less certain.
    return guess._replace(certainty=f"{guess.certainty}, of another schema") if guess else None


def _through_levels(orphan: Orphan, keys: List[Key]) -> Guess | None:
    if not keys:
        return None
    if orphan.name.lower() in SINGLE_NAMES:
        return Guess(SINGLE_NAME, tuple(keys), ())
    base = base_of(orphan.name)
    exact = orphan.name == orphan.name.lower()
    for certainty, fits in _levels(orphan.name, base):
        found = list(dict.fromkeys(key for key in keys if fits(key)))
        if found:
            guess = _of(certainty, found)
            folded = not exact and guess.keys and not any(orphan.name in made_names(key) for key in guess.keys)
            return guess._replace(certainty=f"{certainty}, but for upper and lower case") if folded else guess
    return None


def _levels(name: str, base: str) -> Iterable[tuple[str, Callable[[Key], bool]]]:
    def table_and_column(key: Key) -> bool:
        return base == f"{key.table}_{key.column}".lower() or re.sub(r"\d+$", "", name) in made_names(key)

    def table(key: Key) -> bool:
        return key.main and base == key.table.lower()

    def table_id(key: Key) -> bool:
        return key.main and base in (f"{key.table}_id".lower(), f"{key.table}_pk".lower())

    def column(key: Key) -> bool:
        return base == key.column.lower() and "_" in base

    def plural(key: Key) -> bool:
        return bool(_plurals(base) & {f"{each}{end}" for each in _plurals(key.table.lower()) for end in _ends(key)})

    def together(key: Key) -> bool:
        bases = {each.replace("_", "") for each in _plurals(base)}
        tables = _plurals(key.table.lower())
        return bool(bases & {f"{each}{end}".replace("_", "") for each in tables for end in _ends(key)})

    return [
        (TABLE_AND_COLUMN, table_and_column),
        (TABLE, table),
        (TABLE, table_id),
        (COLUMN, column),
        (PLURAL, plural),
        (PLURAL, together),
    ]


def _ends(key: Key) -> tuple[str, ...]:
    """What may follow a table's name in a sequence's."""
    return ("", "_id", "_pk", f"_{key.column.lower()}") if key.main else (f"_{key.column.lower()}",)


def _one(certainty: str, keys: Iterable[Key]) -> Guess | None:
    found = list(dict.fromkeys(keys))
    return _of(certainty, found) if found else None


def _of(certainty: str, keys: List[Key]) -> Guess:
    """One key that fits, or several that do so equally."""
    return Guess(certainty, tuple(keys), ()) if len(keys) == 1 else Guess(certainty, (), tuple(keys))


def base_of(name: str) -> str:
    """What is left of a sequence's name without what says that it is one."""
    return _AFTER.sub("", _BEFORE.sub("", name.lower(), count=1), count=1)


def made_names(key: Key) -> set[str]:
    """The names that a table and a column make, as far as 63 bytes take them: PostgreSQL's, TypeORM's, a plain cut."""
    return {
        serial_name(key.table, key.column),
        f"{key.table[:29]}_{key.column}_seq",
        f"{key.table}_{key.column}_seq".encode()[:_LONGEST].decode(errors="ignore"),
    }


def serial_name(table: str, column: str) -> str:
    """The name that PostgreSQL makes for a serial column: the longer of both is cut, byte by byte (docs/measured.md, Names)."""
    first, second, room = len(table.encode()), len(column.encode()), _LONGEST - len("__seq")
    while first + second > room:
        if first > second:
            first -= 1
        else:
            second -= 1
    parts = (table.encode()[:first].decode(errors="ignore"), column.encode()[:second].decode(errors="ignore"))
    return f"{'_'.join(parts)}_seq"


def _plurals(word: str) -> set[str]:
    """A word, and what English makes of it in the singular or plural."""
    found = {word, f"{word}s", f"{word}es"}
    if word.endswith("y"):
        found.add(f"{word[:-1]}ies")
    if word.endswith("ies"):
        found.add(f"{word[:-3]}y")
    if word.endswith("es"):
        found.add(word[:-2])
    if word.endswith("s"):
        found.add(word[:-1])
    return found
