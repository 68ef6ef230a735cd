# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What is not to be read at all, and why (contract, section 2, *unknown*)."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import Trouble, takes_numbers
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import readable

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._model import Column, Sequence
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session


class Limits(t.NamedTuple):
    """What an audit may cost.

    :ivar max_scan_rows: rows of the largest table that may be scanned where no index serves; 0 for no bound
    :ivar trust_index_functions: read tables whose indexes call functions of other, ordinary roles
    """

    max_scan_rows: int = 10_000_000
    trust_index_functions: bool = False


def column_obstacle(column: Column, session: Session, limits: Limits) -> Trouble | None:
    """Why a column is not to be read at all (contract, section 2, *unknown*)."""
    place = readable(column.schema, column.table, column.name)
    role = readable(session.role)
    if column.kind in "vm":
        return Trouble(
            "view",
            f"{place} belongs to a view, and reading it would run the view's functions with this role's rights",
            "map the table behind it with the option columns",
        )
    if column.custom_default:
        return Trouble(
            "custom_default",
            f"the default of {place} is a function of the users' own, so its values are not the sequence's",
            "nothing is to be done where the ids are times or snowflakes; if the function hands out the sequence's"
            " numbers as they are, map the column with the option columns",
        )
    if column.transformed and column.mapping.expression is None:
        return Trouble(
            "not_a_number",
            f"the default of {place} does more than nextval(), so its values cannot be compared with the sequence's",
            "compare them by hand; if another column holds the plain number, map it with the option columns",
        )
    if not takes_numbers(column):
        return Trouble(
            "not_a_number",
            f"{place} is of type {column.type_name}, which does not store the sequence's numbers",
            "compare them by hand; if another column holds the plain number, map it with the option columns",
        )
    if column.kind == "f" or column.reaches_foreign:
        where = "is a foreign table" if column.kind == "f" else "has a foreign table among its partitions or children"
        remedy = "compare with the other server by hand"
        return Trouble("foreign_table", f"{readable(column.schema, column.table)} {where}", remedy)
    if column.unlogged and session.in_recovery:
        return Trouble(
            "unlogged_on_standby",
            f"{readable(column.schema, column.table)} is unlogged: a standby has no rows of it",
            "audit the primary",
        )
    if not column.schema_usage or not column.can_select:
        schema = readable(column.schema)
        grants = [] if column.schema_usage else [f"GRANT USAGE ON SCHEMA {schema} TO {role};"]
        grants += [] if column.can_select else [f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};"]
        return Trouble("no_privilege", f"{role} may not read {place}", " ".join(grants))
    if column.untrusted and not limits.trust_index_functions:
        return Trouble(
            "untrusted_code",
            f"an index, statistics or the partition key of {readable(column.schema, column.table)} call functions of another role,"
            f" and planning a query on the table may run them with the rights of {session.role}",
            f"connect as the table's owner, {column.owner}, or trust them with trust_index_functions: true",
        )
    if column.row_security:
        return Trouble(
            "row_security",
            f"row-level security hides rows of {readable(column.schema, column.table)} from {role}",
            f"ALTER ROLE {role} BYPASSRLS; -- or connect as its owner with session_role: {column.owner}",
        )
    return None


def sequence_obstacle(sequence: Sequence, session: Session) -> Trouble | None:
    """Why a sequence's state is not to be read at all."""
    name, role = readable(sequence.schema, sequence.name), readable(session.role)
    if sequence.unlogged and session.in_recovery:
        cause = f"{name} is unlogged: a standby does not have its state"
        return Trouble("unlogged_on_standby", cause, "audit the primary")
    # One for all of the schema: whoever has to ask for it asks once.
    grants, schema = [], readable(sequence.schema)
    if not sequence.schema_usage:
        grants.append(f"GRANT USAGE ON SCHEMA {schema} TO {role};")
    if not sequence.can_select and not sequence.can_use:
        grants.append(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};")
    return Trouble("no_privilege", f"{role} may not read {name}", " ".join(grants)) if grants else None


def too_large(column: Column, rows: int) -> Trouble:
    """Why a column is not scanned."""
    # No index serves what has to be computed; one of a partitioned table cannot be made concurrently.
    how = "" if column.kind == "p" else "CONCURRENTLY "
    place = f"{readable(column.schema, column.table)} ({readable(column.name)})"
    index = "" if column.mapping.is_sql else f"CREATE INDEX {how}ON {place}; -- or "
    return Trouble(
        "too_large",
        f"{column.schema}.{column.table}.{column.name} has no usable index and about {rows} rows,"
        " more than max_scan_rows",
        f"{index}max_scan_rows: {rows + rows // 10}",
    )
