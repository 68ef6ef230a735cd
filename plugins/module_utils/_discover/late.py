# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Defaults that look their sequence up by name at run time."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.defaults import parse_default, parse_identifiers
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import array

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader


_SEARCH_PATH = """
SELECT reset_val AS value FROM pg_settings WHERE name = 'search_path'
"""

_SCHEMAS = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY (%(relations)s::oid[])
"""


def late_bound(session: Reader, found: Mapping[int, Row], late: Iterable[Row]) -> Iterator[tuple[int, Row]]:
    """Find what is meant by defaults that look their sequence up by name at run time.

    An unqualified name is looked up in the search_path of whoever inserts, which nobody can know: every sequence
    that it may mean counts the column as its own, those in the table's schema and on the session's path before others.

    :arg session: the database
    :arg found: its sequences, by their oids
    :arg late: the defaults, with their expressions
    :returns: the oid of a sequence and the default that may mean it
    :raises DatabaseError: a catalog could not be read
    """
    by_name: dict[str, list[Row]] = {}
    for row in found.values():
        by_name.setdefault(row["name"], []).append(row)
    # Our transactions set search_path; the reset value is what the role's and the database's settings say.
    path = session.query(_SEARCH_PATH)[0]["value"] or ""
    names = [name for part in path.split(",") for name in parse_identifiers(part) or ()]
    visible = {session.role if name == "$user" else name for name in names}
    schemas = {
        row["oid"]: row["schema"]
        for row in session.query(_SCHEMAS, {"relations": array({row["relation"] for row in late})})
    }
    for row in late:
        default = parse_default(row["expression"])
        name = parse_identifiers(default.name) if default and default.name is not None else None
        if default is None or not name:
            continue
        candidates = by_name.get(name[-1], [])
        if len(name) > 1:
            candidates = [candidate for candidate in candidates if candidate["schema"] == name[-2]]
        else:
            likely = visible | {schemas.get(row["relation"])}
            candidates = [candidate for candidate in candidates if candidate["schema"] in likely] or candidates
        for candidate in candidates:
            yield candidate["oid"], row
