# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A move in, the SQL that makes it out: for people to copy, and for the repair to run."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import LOCKED

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import Move
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Sequence, State


def statement_of(sequence: Sequence, move: Move, regclass: str) -> str:
    """The statement that makes a move, the sequence's lock being held where it has to be.

    :arg sequence: what is moved
    :arg move: where to
    :arg regclass: an SQL expression of type regclass for the sequence
    """
    return setval(move.after, regclass) if move.method == LOCKED else _steps(sequence, move.next_value, regclass)


def setval(after: State, regclass: str) -> str:
    """The statement that gives a sequence a state."""
    return f"SELECT pg_catalog.setval({regclass}, {after.last_value}, {str(after.is_called).lower()})"


def _steps(sequence: Sequence, next_value: int, regclass: str) -> str:
    sign = "<" if sequence.ascending else ">"
    return (
        f"WITH RECURSIVE step(value) AS (SELECT pg_catalog.nextval({regclass}) UNION ALL"
        f" SELECT pg_catalog.nextval({regclass}) FROM step WHERE value {sign} {next_value - sequence.increment})"
        " SELECT count(*) FROM step"
    )
