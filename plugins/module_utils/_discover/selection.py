# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Which sequences are wanted (contract, section 3)."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.patterns import literals, selected
from ansible_collections.pgops.sequences.plugins.module_utils._model import Mapping

if t.TYPE_CHECKING:
    from collections.abc import Mapping as Map

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row


class SelectionError(Exception):
    """A name in the selection fits nothing, or more than one thing. The text names it."""


class MappedColumn(t.NamedTuple):
    """One entry of the option ``columns``: a mapping no catalog shows."""

    sequence: str
    table: str
    column: str
    mapping: Mapping = Mapping()

    @classmethod
    def of(cls, entry: Map[str, t.Any]) -> MappedColumn:
        """Take an entry as the module has it; keys that are not given are None."""
        given = {name: entry[name] for name in Mapping._fields if entry.get(name) is not None}
        return cls(entry["sequence"], entry["table"], entry["column"], Mapping(**given))


class Selection(t.NamedTuple):
    """Which sequences are wanted (contract, section 3: schemas, tables, sequences, columns)."""

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    columns: tuple[MappedColumn, ...] = ()

    @classmethod
    def of(cls, params: Map[str, t.Any]) -> Selection:
        """Take the selection from a module's parameters."""
        return cls(
            schemas=tuple(params.get("schemas") or ()),
            tables=tuple(params.get("tables") or ()),
            sequences=tuple(params.get("sequences") or ()),
            columns=tuple(MappedColumn.of(entry) for entry in params.get("columns") or ()),
        )

    def names(self, schema: str, name: str) -> bool:
        """Whether a sequence is named itself, in ``sequences`` or in an entry of ``columns``."""
        own = names_of(schema, name)
        return any(each in self.sequences or any(each == entry.sequence for entry in self.columns) for each in own)

    def wants_sequence(self, row: Row) -> bool:
        """Whether a sequence is selected by its own name."""
        return selected(self.sequences, (row["name"], f"{row['schema']}.{row['name']}"))

    def wants(self, sequence: Sequence) -> bool:
        """Whether a sequence is selected: itself, and by any one of the tables it feeds."""
        schemas = [(sequence.schema,)] + [(column.schema,) for column in sequence.columns]
        tables = [(column.table, f"{column.schema}.{column.table}") for column in sequence.columns]
        own = names_of(sequence.schema, sequence.name)
        if sequence.left_out:
            return False
        return (
            any(selected(self.schemas, names) for names in schemas)
            and (not self.tables or any(selected(self.tables, names) for names in tables))
            and selected(self.sequences, own)
        )


def names_of(schema: str, name: str) -> tuple[str, str]:
    """How a sequence may be named in options."""
    return name, f"{schema}.{name}"


def names_something(selection: Selection) -> bool:
    """Whether a selection holds a name that has to be somewhere, or else is an error."""
    patterns = (*selection.schemas, *selection.tables, *selection.sequences)
    return bool(selection.columns or literals(patterns))
