# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The words of the contract (section 1) as values, passed on from room to room. Pure: no SQL, no Ansible."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._limits import Reach, limits_of, type_limits
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier

SINGLE, POOLED, POOLED_LO = "single", "pooled", "pooled_lo"
"""How applications allocate ids: a drawn value stands for itself, for those up to it, for those from it on."""


class Mapping(t.NamedTuple):
    """What the user says of a column that he maps by hand (contract, section 3, ``columns``).

    :ivar allocation: which ids a drawn value stands for: ``single``, ``pooled``, ``pooled_lo``
    :ivar minimum: the first value of the range that is this sequence's, or None
    :ivar maximum: its last, or None
    :ivar where: which rows count: SQL of the operator's own, checked to stay in its place, or None
    :ivar expression: what stands for the column's value: as ``where``
    """

    allocation: str = SINGLE
    minimum: int | None = None
    maximum: int | None = None
    where: str | None = None
    expression: str | None = None

    @property
    def is_sql(self) -> bool:
        """Whether it has SQL of the operator's own."""
        return self.where is not None or self.expression is not None


class Column(t.NamedTuple):
    """A column whose values a sequence feeds.

    :ivar relation: oid of the table
    :ivar number: attribute number of the column
    :ivar type_name: the declared type, as people write it
    :ivar base_type: the type behind all domains
    :ivar modifier: the base type's modifier (``atttypmod``), -1 for none
    :ivar via: how the sequence feeds it: owned, identity, default, domain, text, mapped
    :ivar transformed: the default is not ``nextval()`` of this sequence and nothing else
    :ivar casts: types that the default casts the value to on its way into the column
    :ivar kind: ``relkind`` of the table
    :ivar unlogged: whether the table is unlogged
    :ivar reaches_foreign: a foreign table is among the table's partitions or children
    :ivar indexed: an index serves ``max()`` and ``min()``, in every partition and child
    :ivar untrusted: its indexes, statistics or partition key call functions of a role that is neither a superuser nor the session's
    :ivar relations: how many relations a reading locks: the table, everything below it, and all their indexes
    :ivar custom_default: a function of the users' own, not ``nextval()``, makes the values of the column that owns the sequence
    :ivar lost_default: it owns the sequence, and has neither a default nor is it an identity column
    :ivar mapping: what the user says of it in the option ``columns``, where he maps it
    :ivar parts: quoted names of the table and everything below it, where those are too many for one transaction
        and each can be read by itself
    :ivar owner: the table's owner
    :ivar schema_usage: the session may use the table's schema
    :ivar can_select: the session may read the column
    :ivar can_lock: the session may lock the table against writers
    :ivar row_security: row-level security applies to the session
    """

    relation: int
    number: int
    schema: str
    table: str
    name: str
    type_name: str
    base_type: str
    modifier: int
    via: tuple[str, ...]
    transformed: bool
    casts: tuple[str, ...]
    kind: str
    unlogged: bool
    reaches_foreign: bool
    indexed: bool
    untrusted: bool
    relations: int
    owner: str
    schema_usage: bool
    can_select: bool
    can_lock: bool
    row_security: bool
    parts: tuple[str, ...] = ()
    custom_default: bool = False
    lost_default: bool = False
    mapping: Mapping = Mapping()

    @property
    def sql_table(self) -> str:
        """The table, quoted for SQL."""
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.table)}"

    @property
    def sql_name(self) -> str:
        """The column's own name, quoted for SQL."""
        return quote_identifier(self.name)


READY = "ready"
"""The state of a table or sequence that a subscription has copied."""


class Subscription(t.NamedTuple):
    """The subscription that a sequence is under: it fills a table that the sequence feeds, or keeps the sequence.

    :ivar name: its name
    :ivar enabled: whether it goes on
    :ivar state: how far it is with the table, or the sequence, in words
    :ivar keeps: it keeps the sequence itself (version 19): REFRESH SEQUENCES sets it to the publisher's value
    :ivar failures: how often it has tried in vain to copy sequences
    """

    name: str
    enabled: bool
    state: str | None
    keeps: bool = False
    failures: int = 0

    @property
    def waits(self) -> bool:
        """Whether it has yet to set the sequence to the publisher's value, and does so as soon as it can."""
        return self.keeps and self.state != READY


class Definition(t.NamedTuple):
    """A sequence's definition (``pg_sequence``), what the session may do with it, and the columns it feeds.

    :ivar oid: its oid; names can change hands, this cannot
    :ivar sql_name: schema and name, quoted for SQL by the server
    :ivar owned: the session has the owner's rights
    :ivar subscription: what brings rows that lag it again, or None
    :ivar named: it is named in the selection, or an entry of ``columns`` names it
    :ivar owner_is_superuser: its owner's rights are not to be handed out
    """

    oid: int
    schema: str
    name: str
    sql_name: str
    data_type: str
    start_value: int
    increment: int
    min_value: int
    max_value: int
    cache_size: int
    cycle: bool
    unlogged: bool
    owner: str
    owned: bool
    schema_usage: bool
    can_select: bool
    can_use: bool
    can_update: bool
    of_extension: bool
    system: bool
    columns: tuple[Column, ...] = ()
    subscription: Subscription | None = None
    named: bool = False
    owner_is_superuser: bool = False


class Sequence(Definition):
    """A definition, and what follows from it: asked for many times while a sequence is judged, worked out once."""

    @functools.cached_property
    def ascending(self) -> bool:
        """Whether it counts upward."""
        return self.increment > 0

    @property
    def left_out(self) -> bool:
        """Whether it is an extension's or the system's, and nobody named it."""
        return (self.system or self.of_extension) and not self.named

    @functools.cached_property
    def storable(self) -> Reach:
        """Its MINVALUE..MAXVALUE, cut by what each numeric column can store."""
        lowest, highest = self.min_value, self.max_value
        for column in self.columns:
            for limits in column_limits(column):
                # A block that is drawn from its low end has to fit with its high end.
                block = abs(self.increment) - 1 if column.mapping.allocation == POOLED_LO else 0
                up, down = (block, 0) if self.ascending else (0, block)
                lowest, highest = max(lowest, limits.lowest + down), min(highest, limits.highest - up)
        return Reach(lowest, highest)

    @functools.cached_property
    def reach(self) -> Reach:
        """What is storable, cut by the range that the user says is its own (contract, section 1)."""
        lowest, highest = self.storable
        for column in self.columns:
            minimum, maximum = column.mapping.minimum, column.mapping.maximum
            lowest = lowest if minimum is None else max(lowest, minimum)
            highest = highest if maximum is None else min(highest, maximum)
        return Reach(lowest, highest)


class Key(t.NamedTuple):
    """An integer column that values of a sequence may be in although no catalog says so.

    :ivar main: it is its table's primary key, or the only column that could be
    """

    relation: int
    number: int
    schema: str
    table: str
    column: str
    main: bool = True


class Orphan(t.NamedTuple):
    """A sequence that no column owns, and no default names."""

    oid: int
    schema: str
    name: str
    cycle: bool


class Trigger(t.NamedTuple):
    """A trigger that may give a row its number, by the text of its function, and its table's integer columns."""

    source: str
    keys: tuple[Key, ...]


class Facts(t.NamedTuple):
    """What a database shows of who may draw from sequences that no column is known to draw from.

    :ivar keys: integer keys without a source of their own
    :ivar columns: of tables that known applications have
    """

    orphans: tuple[Orphan, ...] = ()
    keys: tuple[Key, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    columns: tuple[Key, ...] = ()


class Guess(t.NamedTuple):
    """What a sequence may feed, and how certain that is.

    :ivar keys: the columns; none where several fit equally
    :ivar tied: those that do
    :ivar mappings: what is to be said of each of the keys, where that is known
    :ivar rivals: other sequences that claim the same
    """

    certainty: str
    keys: tuple[Key, ...]
    tied: tuple[Key, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    rivals: tuple[str, ...] = ()


class State(t.NamedTuple):
    """What ``SELECT last_value, is_called`` returns of a sequence."""

    last_value: int
    is_called: bool

    def next_value(self, increment: int) -> int:
        """What ``nextval()`` would return now, were there no bounds (contract, section 1)."""
        return self.last_value + increment if self.is_called else self.last_value


class Trouble(t.NamedTuple):
    """Why something could not be read or done.

    :ivar reason: the machine-readable reason (contract, section 2)
    :ivar cause: what is wrong, for people
    :ivar remedy: the statement or option that would settle it
    :ivar vanished: it may have been dropped, renamed or altered since it was discovered
    """

    reason: str
    cause: str
    remedy: str
    vanished: bool = False


class Reading(t.NamedTuple):
    """What a column was found to hold.

    :ivar furthest: the furthest value within the reach, as a whole number; None where there is none
    :ivar empty: the column holds no value at all
    :ivar out_of_bounds: it holds values beyond the reach's far end, in the direction of counting
    :ivar ahead: the value nearest to the next value, at or after it; None where there is none, or nobody asked
    :ivar scan_rows: about how many rows had to be scanned to read it; None where an index served
    :ivar trouble: why it could not be read; then the rest says nothing
    """

    furthest: int | None = None
    empty: bool = False
    out_of_bounds: bool = False
    ahead: int | None = None
    scan_rows: int | None = None
    trouble: Trouble | None = None


class Observation(t.NamedTuple):
    """A sequence as it was found.

    :ivar sequence: its definition
    :ivar state: its state, or None where it could not be read
    :ivar trouble: why the state could not be read
    :ivar readings: one for each column of the sequence, in the same order
    :ivar sizes: how large tables with their indexes are, in words, by oid; only where a remedy would rewrite one
    :ivar suspicion: of one that no column is known to draw from: what it may feed, and what is seen if it does
    """

    sequence: Sequence
    state: State | None
    trouble: Trouble | None
    readings: tuple[Reading, ...]
    suspicion: tuple[Guess, Observation | None] | None = None
    sizes: tuple[tuple[int, str], ...] = ()

    @property
    def was_quick(self) -> bool:
        """Whether all its columns can be read again while others wait."""
        return all(map(is_quick, self.sequence.columns, self.readings))


LONG_SCAN_ROWS = 100_000
"""From about here on a scan is felt: some 10 ms (docs/measured.md, Cost of reading)."""


def is_quick(column: Column, reading: Reading) -> bool:
    """Whether a column can be read without others waiting for long or too many locks, or was not to be read at all."""
    return not column.parts and (reading.scan_rows or 0) <= LONG_SCAN_ROWS


def column_limits(column: Column) -> tuple[Reach, ...]:
    """What cuts the reach because of this column: its type, and the types its default casts to.

    :returns: the limits; none where the column does not take the sequence's numbers as they are
    """
    # What an expression makes of the column has no limits of its own.
    if column.transformed or column.mapping.expression is not None:
        return ()
    return limits_of(column.base_type, column.modifier, column.casts)


def takes_numbers(column: Column) -> bool:
    """Whether the column stores the sequence's numbers as they are, so that they can be compared."""
    if column.mapping.expression is not None:
        return True
    return not column.transformed and type_limits(column.base_type, column.modifier) is not None
