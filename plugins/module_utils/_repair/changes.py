# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What a repair has to show for itself."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_literal
from ansible_collections.pgops.sequences.plugins.module_utils._repair.statements import statement_of

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._audit.pipeline import Audited
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import Move, Refusal
    from ansible_collections.pgops.sequences.plugins.module_utils._model import State, Subscription, Trouble


class Change(t.NamedTuple):
    """A move that was made, or in check mode would be.

    :ivar increment: the sequence's, which tells next values
    :ivar method: ``locked`` or ``stepped``
    :ivar statement: the SQL that did it, once the lock was held
    :ivar subscription: what the sequence is under, if anything
    """

    database: str
    schema: str
    name: str
    increment: int
    reasons: tuple[str, ...]
    method: str
    before: State
    after: State
    statement: str
    subscription: Subscription | None = None


class Unfixed(t.NamedTuple):
    """A sequence that needs a hand: still critical, or not readable.

    :ivar finding: as it stands after the run
    :ivar reasons: why it needs one
    :ivar refusal: why it was not moved, where a move was due and refused
    :ivar trouble: what went wrong on the way, if anything did
    """

    finding: Finding
    reasons: tuple[str, ...]
    refusal: Refusal | None = None
    trouble: Trouble | None = None


class Repaired(t.NamedTuple):
    """A database after its repair, or in check mode as it would be.

    :ivar audited: what is to be said of its sequences afterwards
    :ivar changes: the moves, by schema and name
    :ivar unfixed: what needs a hand, by schema and name
    """

    audited: Audited
    changes: List[Change] = ()
    unfixed: List[Unfixed] = ()


def change_of(finding: Finding, move: Move, after: State | None = None) -> Change:
    """The move of a sequence that was found to need it.

    :arg after: where it was found to stand afterwards; None: where the move was to bring it
    """
    sequence, before = finding.sequence, finding.observation.state
    if before is None:  # A move needs a state.
        raise AssertionError("a move was decided on for a sequence whose state is not known")
    statement = statement_of(sequence, move, f"{quote_literal(sequence.sql_name)}::regclass")
    return Change(
        database=finding.database,
        schema=sequence.schema,
        name=sequence.name,
        increment=sequence.increment,
        reasons=finding.verdict.reasons,
        method=move.method,
        before=before,
        after=after or move.after,
        statement=f"{statement};",
        subscription=sequence.subscription,
    )


def in_order(changes: Iterable[Change]) -> list[Change]:
    """Changes by schema and name."""
    return sorted(changes, key=lambda change: (change.schema, change.name))
