# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Which sequences are wanted (contract, section 3)."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.patterns import literals, selected

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row


class SelectionError(Exception):
    """A name in the selection fits nothing, or more than one thing. The text names it."""


class MappedColumn(t.NamedTuple):
    """One entry of the option ``columns``: a mapping no catalog shows."""

    sequence: str
    table: str
    column: str


class Selection(t.NamedTuple):
    """Which sequences are wanted (contract, section 3: schemas, tables, sequences, columns)."""

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    columns: tuple[MappedColumn, ...] = ()

    @classmethod
    def of(cls, params: Mapping[str, t.Any]) -> Selection:
        """Take the selection from a module's parameters."""
        return cls(
            schemas=tuple(params.get("schemas") or ()),
            tables=tuple(params.get("tables") or ()),
            sequences=tuple(params.get("sequences") or ()),
            columns=tuple(MappedColumn(**entry) for entry in params.get("columns") or ()),
        )

    def wants_sequence(self, row: Row) -> bool:
        """Whether a sequence is selected by its own name."""
        return selected(self.sequences, (row["name"], f"{row['schema']}.{row['name']}"))

    def wants(self, sequence: Sequence) -> bool:
        """Whether a sequence is selected: itself, and by any one of the tables it feeds."""
        schemas = [(sequence.schema,)] + [(column.schema,) for column in sequence.columns]
        tables = [(column.table, f"{column.schema}.{column.table}") for column in sequence.columns]
        own = (sequence.name, f"{sequence.schema}.{sequence.name}")
        if (sequence.system or sequence.of_extension) and not any(name in self.sequences for name in own):
            return False
        return (
            any(selected(self.schemas, names) for names in schemas)
            and (not self.tables or any(selected(self.tables, names) for names in tables))
            and selected(self.sequences, own)
        )


def names_something(selection: Selection) -> bool:
    """Whether a selection holds a name that has to be somewhere, or else is an error."""
    patterns = (*selection.schemas, *selection.tables, *selection.sequences)
    return bool(selection.columns or literals(patterns))
