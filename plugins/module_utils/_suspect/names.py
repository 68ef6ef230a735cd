# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Names of sequences in, the keys of tables that usual conventions make such names of out.

Every key is looked up by the names it may give, so that ten thousand sequences beside ten thousand keys cost no more than
both together. Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Key

TABLE_AND_COLUMN = "name of table and column"
TABLE, COLUMN, PLURAL = "name of the table", "name of the column", "plural or run together"

_BEFORE = re.compile(r"^(?:seq|s|sq|sqn|gen)_(?=.)")
_AFTER = re.compile(r"(?<=.)(?:_seq\d*|_sequence|_sq|_gen|_generator)$")
_LONGEST = 63


class Names:
    """Keys by the names of sequences that may feed them, by falling certainty."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = list(keys)
        self._by_level: dict[int, tuple[dict[str, list[Key]], dict[tuple[str, str], list[Key]]]] = {}
        self.by_schema: dict[str, list[Key]] = {}
        for key in self._keys:
            self.by_schema.setdefault(key.schema, []).append(key)

    def fitting(self, name: str, schema: str, inside: bool) -> tuple[str, list[Key]] | None:
        """The keys that fit a name at the first level where any does.

        :arg name: of a sequence
        :arg schema: the sequence's
        :arg inside: keys of that schema, or those of all others
        :returns: how certain that is, and the keys
        """
        base = base_of(name)
        for level, (certainty, sought, _given) in enumerate(_LEVELS):
            anywhere, of_schema = self._index(level)
            found: dict[Key, None] = {}
            for each in sought(name, base):
                if inside:
                    found.update(dict.fromkeys(of_schema.get((schema, each), ())))
                else:
                    found.update(dict.fromkeys(key for key in anywhere.get(each, ()) if key.schema != schema))
            if found:
                return certainty, list(found)
        return None

    def _index(self, level: int) -> tuple[dict[str, list[Key]], dict[tuple[str, str], list[Key]]]:
        if level not in self._by_level:
            anywhere: dict[str, list[Key]] = {}
            of_schema: dict[tuple[str, str], list[Key]] = {}
            given = _LEVELS[level][2]
            for key in self._keys:
                for name in given(key):
                    anywhere.setdefault(name, []).append(key)
                    of_schema.setdefault((key.schema, name), []).append(key)
            self._by_level[level] = anywhere, of_schema
        return self._by_level[level]


def _of_table_and_column(key: Key) -> set[str]:
    # What PostgreSQL and others make of it counts as it is written; a slash is in no base.
    return {f"{key.table}_{key.column}".lower(), *(f"/{name}" for name in made_names(key))}


def _plurals_of(key: Key) -> set[str]:
    return {f"{each}{end}" for each in _plurals(key.table.lower()) for end in _ends(key)}


def _ends(key: Key) -> tuple[str, ...]:
    """What may follow a table's name in a sequence's."""
    return ("", "_id", "_pk", f"_{key.column.lower()}") if key.main else (f"_{key.column.lower()}",)


def _together(names: Iterable[str]) -> set[str]:
    return {name.replace("_", "") for name in names}


_Level = tuple[str, "Callable[[str, str], Iterable[str]]", "Callable[[Key], Iterable[str]]"]

_LEVELS: List[_Level] = (
    (TABLE_AND_COLUMN, lambda name, base: (base, "/" + re.sub(r"\d+$", "", name)), _of_table_and_column),
    (TABLE, lambda _name, base: (base,), lambda key: [key.table.lower()] if key.main else []),
    (
        TABLE,
        lambda _name, base: (base,),
        lambda key: [f"{key.table}_id".lower(), f"{key.table}_pk".lower()] if key.main else [],
    ),
    (COLUMN, lambda _name, base: (base,) if "_" in base else (), lambda key: [key.column.lower()]),
    (PLURAL, lambda _name, base: sorted(_plurals(base)), _plurals_of),
    (PLURAL, lambda _name, base: sorted(_together(_plurals(base))), lambda key: _together(_plurals_of(key))),
)
"""How certain it is, what is looked up of a sequence's name and its base, and what is found of a key."""


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
