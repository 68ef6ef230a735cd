# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The option ``reference`` in, sequences as they stood elsewhere out (docs/rules.md, section 6).

Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import State

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Sequence as List

_TEXTS = ("database", "schema", "name", "data_type")
_NUMBERS = ("start_value", "increment", "min_value", "max_value")
_TYPES = ("smallint", "integer", "bigint")
_LONGEST = 500
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_HINT = "give the sequences of a pg_sequence_info with show_all: true, or of a report.json made with it"


class ReferenceFault(Exception):
    """A reference that cannot be meant; the text says what would be right."""


class Referred(t.NamedTuple):
    """A sequence as it stood elsewhere.

    :ivar database: the name of its database there
    :ivar cache_size: None where the reference does not say
    :ivar state: where it stood; None where that could not be read
    :ivar tables: schema and name of the tables it fed
    :ivar why: what was said of it where its state could not be read
    :ivar remedy: what would have settled that
    :ivar owner: the role it belonged to; empty where the reference does not say
    """

    database: str
    schema: str
    name: str
    data_type: str
    start_value: int
    increment: int
    min_value: int
    max_value: int
    cycle: bool
    cache_size: int | None
    state: State | None
    tables: tuple[tuple[str, str], ...] = ()
    why: str = ""
    remedy: str = ""
    owner: str = ""

    @property
    def next_value(self) -> int | None:
        """What ``nextval()`` would have returned there; None where that is not known."""
        if self.state is None:
            return None
        found = self.state.next_value(self.increment)
        if self.cycle and not self.min_value <= found <= self.max_value:
            return self.min_value if self.increment > 0 else self.max_value
        return found


class Reference(t.NamedTuple):
    """Sequences as they stood elsewhere.

    :ivar entries: by the database's name there, schema and name
    :ivar databases: names of databases there by their names here, where they differ
    """

    entries: Mapping[tuple[str, str, str], Referred]
    databases: Mapping[str, str]

    def database_of(self, name: str) -> str:
        """What a database of this server is called there."""
        return self.databases.get(name, name)

    def find(self, database: str, schema: str, name: str) -> Referred | None:
        """What stood there of a sequence of this server."""
        return self.entries.get((self.database_of(database), schema, name))

    def of_database(self, database: str) -> list[Referred]:
        """All that stood there of a database of this server."""
        there = self.database_of(database)
        return [entry for key, entry in self.entries.items() if key[0] == there]


def reference_of(given: t.Any, databases: Mapping[str, t.Any] | None) -> Reference | None:
    """Take the options ``reference`` and ``reference_databases``.

    :arg given: entries of ``sequences``, with whatever more they hold, or these as one text of JSON; None: no reference
    :arg databases: old names of databases by their new ones
    :returns: the reference; None where none is given
    :raises ReferenceFault: it cannot be meant
    """
    for new, old in (databases or {}).items():
        # A database may be called 2024.
        if not all(isinstance(name, (str, int)) and not isinstance(name, bool) and str(name) for name in (new, old)):
            raise ReferenceFault(f"reference_databases: {{{new!r}: {old!r}}} is no pair of names, {{new: old}}")
    names = {str(new): str(old) for new, old in (databases or {}).items()}
    if isinstance(given, str) and given.strip():
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise ReferenceFault(f"the reference is a text, but none of JSON; {_HINT}") from None
    if given is not None and not isinstance(given, (list, tuple)) and given:
        raise ReferenceFault(f"the reference is no list; {_HINT}")
    if given is None:
        if names:
            raise ReferenceFault("reference_databases is given without a reference")
        return None
    if not given:
        raise ReferenceFault(f"the reference is empty, so there is nothing to compare with; {_HINT}")
    hosts = {str(entry["host"]) for entry in given if isinstance(entry, dict) and entry.get("host") is not None}
    if len(hosts) > 1:
        raise ReferenceFault(
            f"the reference holds sequences of {len(hosts)} hosts ({', '.join(sorted(hosts)[:5])}): choose those of one"
        )
    entries: dict[tuple[str, str, str], Referred] = {}
    for place, entry in enumerate(given):
        referred = _entry(place, entry)
        key = (referred.database, referred.schema, referred.name)
        if key in entries:
            raise ReferenceFault(
                f'the reference holds {referred.schema}.{referred.name} of database "{referred.database}" twice'
            )
        entries[key] = referred
    there = {key[0] for key in entries}
    for new, old in names.items():
        if old not in there:
            raise ReferenceFault(
                f'reference_databases says that "{new}" was "{old}", but the reference holds no database of that name; it holds'
                f" {_quoted(there)}"
            )
    return Reference(entries, names)


def refuse_strangers(reference: Reference, databases: List[str]) -> None:
    """Refuse a reference none of whose databases is looked at, and names that are none: nothing would be compared.

    :arg databases: the names of those that are looked at
    :raises ReferenceFault: none fits
    """
    there = {key[0] for key in reference.entries}
    strange = [name for name in reference.databases if name not in databases]
    if strange:
        raise ReferenceFault(
            f"reference_databases says what {_quoted(strange)} was called, but what is looked at is"
            f" {_quoted(databases) or 'no database'}; it is {{new: old}}. Nothing was changed"
        )
    if any(reference.database_of(name) in there for name in databases):
        return
    raise ReferenceFault(
        f"nothing can be compared: the reference is of {_quoted(there)}, and what is looked at is {_quoted(databases) or 'no database'};"
        " say by reference_databases which was which, as {new: old}. Nothing was changed"
    )


def _entry(place: int, entry: t.Any) -> Referred:
    def fault(what: str) -> ReferenceFault:
        return ReferenceFault(f"entry {place + 1} of the reference {what}; {_HINT}")

    if not isinstance(entry, dict):
        raise fault("is no dictionary")
    missing = [name for name in (*_TEXTS, *_NUMBERS, "cycle", "last_value", "is_called") if name not in entry]
    if missing:
        raise fault(f"has no {', '.join(missing)}")
    for name in _TEXTS:
        if not isinstance(entry[name], str) or not entry[name] or not _is_text(entry[name]):
            raise fault(f"has a {name} that is no name")
    try:
        numbers = {name: _number(entry[name]) for name in _NUMBERS}
        unread = entry["last_value"] is None or entry["is_called"] is None
        state = None if unread else State(_number(entry["last_value"]), _truth(entry["is_called"]))
        cache = None if entry.get("cache_size") is None else _number(entry["cache_size"])
        cycle = _truth(entry["cycle"])
    except ValueError as error:
        raise fault(f"cannot be read: {error}") from None
    wrong = _impossible(entry["data_type"], numbers, state)
    if wrong:
        raise fault(wrong)
    return Referred(
        database=entry["database"],
        schema=entry["schema"],
        name=entry["name"],
        data_type=entry["data_type"],
        start_value=numbers["start_value"],
        increment=numbers["increment"],
        min_value=numbers["min_value"],
        max_value=numbers["max_value"],
        cycle=cycle,
        cache_size=cache,
        state=state,
        tables=_tables(entry.get("columns")),
        why=_line(entry.get("message")) if unread else "",
        remedy=_line(entry.get("remedy")) if unread else "",
        owner=_line(entry.get("owner")),
    )


def _impossible(data_type: str, numbers: Mapping[str, int], state: State | None) -> str:
    """What no sequence can be, in words; empty where it can."""
    if data_type not in _TYPES:
        return f"has a data_type that no sequence has; it is one of {', '.join(_TYPES)}"
    if numbers["increment"] == 0:
        return "has increment 0"
    lowest, highest = numbers["min_value"], numbers["max_value"]
    if not lowest <= numbers["start_value"] <= highest or lowest == highest:
        return f"has the bounds {lowest} to {highest}, and START {numbers['start_value']}, which no sequence has"
    if state and not lowest <= state.last_value <= highest:
        return f"stands at {state.last_value}, which is not between {lowest} and {highest}"
    return ""


def _tables(columns: t.Any) -> tuple[tuple[str, str], ...]:
    """Schema and name of the tables that an entry names; what is none is left out."""
    if not isinstance(columns, (list, tuple)):
        return ()
    pairs = [(x.get("schema"), x.get("table")) for x in columns if isinstance(x, dict)]
    return tuple((schema, table) for schema, table in pairs if isinstance(schema, str) and isinstance(table, str))


def _line(value: t.Any) -> str:
    """A text of the reference in one line that is not too long to be shown."""
    if not isinstance(value, str) or not _is_text(value):
        return ""
    text = "".join(letter if letter.isprintable() else "?" for letter in " ".join(value.split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _is_text(value: str) -> bool:
    """Whether it could be a name: no NUL and no half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _number(value: t.Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        shown = repr(value) if isinstance(value, (bool, float)) else f"a {type(value).__name__}"
        raise ValueError(f"{shown} is no whole number")
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,19}", value):
        raise ValueError(f"{value[:40]!r} is no whole number")
    if not _LOWEST <= int(value) <= _HIGHEST:
        raise ValueError("a number in it is beyond what a sequence can hold")
    return int(value)


def _truth(value: t.Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(f"a {type(value).__name__} is neither true nor false")


def _quoted(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(f'"{name}"' for name in listed[:5]) + (f" and {len(listed) - 5} more" if listed[5:] else "")
