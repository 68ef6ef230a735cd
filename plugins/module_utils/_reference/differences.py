# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A sequence and how it stood elsewhere in, in what the two are not alike out (docs/rules.md, section 6).

Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import readable

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence, State
    from ansible_collections.pgops.sequences.plugins.module_utils._reference.reference import Referred

_COMPARED = ("data_type", "increment", "min_value", "max_value", "start_value", "cycle")


class Difference(t.NamedTuple):
    """What is not alike.

    :ivar what: a field of the result, or ``phase``: the remainder modulo the increment
    """

    what: str
    here: str
    there: str

    @property
    def words(self) -> str:
        """It in words."""
        return f"{self.what.replace('_', ' ')} {self.here} here, {self.there} there"


def differences_of(sequence: Sequence, state: State | None, entry: Referred) -> tuple[Difference, ...]:
    """In what a sequence is defined otherwise than the one of the reference.

    :arg sequence: as it is here
    :arg state: where it stands, or None; of increments beyond 1 its phase is compared as well
    :arg entry: as it stood there
    """
    found = [
        Difference(name, _shown(getattr(sequence, name)), _shown(getattr(entry, name)))
        for name in _COMPARED
        if getattr(sequence, name) != getattr(entry, name)
    ]
    step = abs(sequence.increment)
    if state is not None and entry.next_value is not None and entry.increment == sequence.increment and step > 1:
        here, there = state.next_value(sequence.increment) % step, entry.next_value % step
        if here != there:
            found.append(Difference("phase", f"{here} modulo {step}", f"{there} modulo {step}"))
    return tuple(found)


def notes_of(sequence: Sequence, entry: Referred) -> tuple[Difference, ...]:
    """In what else they differ, as far as the reference says: it changes no value that is handed out."""
    found = []
    if entry.cache_size is not None and entry.cache_size != sequence.cache_size:
        found.append(Difference("cache_size", str(sequence.cache_size), str(entry.cache_size)))
    if entry.owner and entry.owner != sequence.owner:
        found.append(Difference("owner", sequence.owner, entry.owner))
    return tuple(found)


def counts_alike(sequence: Sequence, entry: Referred) -> bool:
    """Whether both count in the same direction; otherwise their positions say nothing of each other."""
    return (sequence.increment > 0) == (entry.increment > 0)


def alignment(sequence: Sequence, differences: tuple[Difference, ...], entry: Referred) -> str | None:
    """The statement that gives a sequence the definition of the reference; None where there is nothing to give.

    It names what differs alone, and leaves the sequence where it stands.
    """
    words = {
        "data_type": f"AS {entry.data_type}",
        "increment": f"INCREMENT BY {entry.increment}",
        "min_value": f"MINVALUE {entry.min_value}",
        "max_value": f"MAXVALUE {entry.max_value}",
        "start_value": f"START WITH {entry.start_value}",
        "cycle": "CYCLE" if entry.cycle else "NO CYCLE",
        "cache_size": f"CACHE {entry.cache_size}",
    }
    parts = [words[name] for name in words if any(difference.what == name for difference in differences)]
    return f"ALTER SEQUENCE {sequence.sql_name} {' '.join(parts)};" if parts else None


def creation(entry: Referred) -> str:
    """The statement that makes a sequence as it stood in the reference, with what it would hand out next."""
    name = readable(entry.schema, entry.name)
    cache = f" CACHE {entry.cache_size}" if (entry.cache_size or 1) > 1 else ""
    return (
        f"CREATE SEQUENCE {name} AS {entry.data_type} INCREMENT BY {entry.increment} MINVALUE {entry.min_value}"
        f" MAXVALUE {entry.max_value} START WITH {entry.start_value}{cache}{' CYCLE' if entry.cycle else ''};"
    )


def _shown(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
