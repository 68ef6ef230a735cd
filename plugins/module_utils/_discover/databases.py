# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Patterns in, the databases of a server that they select out."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.patterns import literals, selected
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import SelectionError

if t.TYPE_CHECKING:
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session


_DATABASES = """
SELECT datname::text AS name FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname
"""

_DATABASE = "SELECT FROM pg_database WHERE datname = %(name)s"


def databases(session: Session, patterns: List[str]) -> list[str]:
    """The databases that patterns select.

    :arg session: a session with any database of the server
    :arg patterns: names and globs; globs fit connectable databases that are no templates
    :returns: real names, sorted
    :raises SelectionError: a name fits no database
    """
    found = [row["name"] for row in session.query(_DATABASES)]
    named = []
    for pattern in literals(patterns):
        if pattern not in found:
            if not session.query(_DATABASE, {"name": pattern}):
                raise SelectionError(f'databases: there is no database "{pattern}" at {session.target.address}')
            named.append(pattern)
    return sorted({name for name in found if selected(patterns, [name])}.union(named))
