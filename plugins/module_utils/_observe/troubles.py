# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""An error of a statement in, why something could not be read or done out (contract, section 2)."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import Trouble
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import readable

if t.TYPE_CHECKING:
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session


VANISHED = frozenset({"42P01", "42703", "42704", "42809", "3F000", "55000", "XX000"})
"""Errors of a statement whose table, column or schema was dropped, renamed or replaced since it was discovered."""


_LOOK = "see what the server's log says of it at this time"
_REMEDIES = {
    "08": "run again when the server answers",
    "40": "run again",
    "53": "run again when the server has the resources",
    "57": "run again when the server answers",
    "58": "the server cannot read its files: look after its disk, or restore the table",
    "XX": "its files are damaged: REINDEX the table where it is an index, or restore it",
}
"""What settles errors that are nobody's option, by the class of their SQLSTATE (manual, appendix A)."""


def column_trouble(error: DatabaseError, column: Column, session: Session) -> Trouble:
    """Translate a failed reading of a column to the contract's reasons."""
    role = readable(session.role)
    if error.sqlstate == "42501" and "row-level security" in str(error):
        remedy = f"ALTER ROLE {role} BYPASSRLS; -- or connect as its owner with session_role: {column.owner}"
        return Trouble("row_security", f"{column.schema}.{column.table}: {error}", remedy)
    grant = f"GRANT SELECT ({readable(column.name)}) ON {readable(column.schema, column.table)} TO {role};"
    return _trouble(error, f"{column.schema}.{column.table}.{column.name}", grant)


def own_texts(column: Column) -> str:
    """The operator's own SQL of a column, in words."""
    mapping = column.mapping
    pairs = [("where", mapping.where), ("expression", mapping.expression)]
    texts = " and ".join(f'{name} "{text}"' for name, text in pairs if text is not None)
    return f"{texts} of {column.schema}.{column.table}.{column.name}"


def own_sql_trouble(error: DatabaseError, column: Column, session: Session) -> Trouble:
    """Translate a failed reading by the operator's own SQL."""
    cause, role = f"{own_texts(column)}: {error}", readable(session.role)
    if error.sqlstate == "42501":
        grant = f"GRANT SELECT ON {readable(column.schema, column.table)} TO {role};"
        return Trouble("no_privilege", cause, f"{grant} -- and on what else the entry of columns uses")
    if error.sqlstate == "55P03":
        return Trouble("locked", cause, "run again when it is free, or with a longer lock_timeout")
    if error.sqlstate == "57014":
        remedy = "run again with a longer statement_timeout, or with an index for the entry of columns"
        return Trouble("timeout", cause, remedy)
    return Trouble("error", cause, "correct where or expression in the entry of columns, and run again")


def sequence_trouble(error: DatabaseError, sequence: Sequence, session: Session) -> Trouble:
    """Translate a failed reading or repair of a sequence to the contract's reasons."""
    grant = f"GRANT SELECT ON SEQUENCE {sequence.sql_name} TO {readable(session.role)};"
    return _trouble(error, f"{sequence.schema}.{sequence.name}", grant)


def forbidden_trouble(
    cause: str, sequence: Sequence, forward: bool, statement: str, event_triggers: List[str]
) -> Trouble:
    """Why a sequence cannot be moved where DDL is refused, and ``nextval()`` does not bring it there.

    :arg forward: whether the move goes in the direction of counting
    :arg statement: what moves it without the lock
    :arg event_triggers: those that may have refused it
    """
    far = "it is too far to go there by nextval()" if forward else "nextval() does not go back"
    names = ", ".join(map(readable, event_triggers))
    lock = f"without the event trigger {names}" if names else f"as a role that may ALTER SEQUENCE {sequence.sql_name}"
    cause = (
        f"{sequence.schema}.{sequence.name}: its lock needs ALTER SEQUENCE, which is refused here ({cause}); {far},"
        " and without the lock a sequence in use might go backward"
    )
    return Trouble("error", cause, f"{statement} -- while nothing draws from it; or run again {lock}")


def _trouble(error: DatabaseError, place: str, grant: str) -> Trouble:
    cause = f"{place}: {error}"
    if error.sqlstate == "42501":
        return Trouble("no_privilege", cause, grant)
    if error.sqlstate == "55P03":
        remedy = "run again when it is free, or with a longer lock_timeout"
        return Trouble("locked", f"{place} is locked by another session", remedy)
    if error.sqlstate == "53200":
        remedy = "the server's lock table is full: run again later, or raise max_locks_per_transaction"
        return Trouble("locked", cause, remedy)
    if error.sqlstate == "57014":
        return Trouble("timeout", cause, "run again with a longer statement_timeout")
    if error.sqlstate in VANISHED:
        cause = f"{cause}: it was dropped or renamed meanwhile, or is damaged"
        return Trouble("error", cause, "run again", vanished=True)
    return Trouble("error", cause, _REMEDIES.get((error.sqlstate or "08")[:2], _LOOK))
