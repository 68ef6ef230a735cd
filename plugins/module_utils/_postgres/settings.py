# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What every transaction sets for itself.

With SET LOCAL inside a transaction of its own: behind a transaction-pooling proxy nothing is left behind in a server
connection that others use next.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier

if t.TYPE_CHECKING:
    from collections.abc import Mapping

# As BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET TRANSACTION, without BEGIN, would set it for the session.
READ_ONLY = "SET LOCAL transaction_isolation = 'read committed';\nSET LOCAL transaction_read_only = on;\n"

# Every name is found by an index, whatever the statistics of the catalogs say: after a restore they say nothing.
LOOK_UP = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off"}

MOST_RELATIONS = 200
"""How many relations one transaction may lock.

The lock table is shared by the whole server (docs/measured.md, Cost of reading).
"""

_ALWAYS = {
    "search_path": "pg_catalog",
    "row_security": "off",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    # Before version 12 floating-point numbers are otherwise rounded to 15 digits.
    "extra_float_digits": "3",
    # Otherwise the planner evaluates CHECK constraints of partitions and children, with our rights.
    "constraint_exclusion": "off",
    # Workers would take processors from those the server is there for.
    "max_parallel_workers_per_gather": "0",
}


class Server(t.NamedTuple):
    """What a session asks its server before anything else.

    :ivar version_number: ``server_version_num``
    :ivar version: such as ``16.4``, with what a distribution adds
    :ivar in_recovery: it is a hot standby
    :ivar read_only: transactions are read-only unless they say otherwise
    :ivar restricts: it knows ``restrict_nonsystem_relation_kind``
    :ivar role: the role whose privileges hold
    :ivar encoding: of the database
    :ivar system_identifier: the cluster's; None where the role may not read it
    """

    version_number: int = 0
    version: str = ""
    in_recovery: bool = False
    read_only: bool = False
    restricts: bool = False
    role: str = ""
    encoding: str = ""
    system_identifier: str | None = None


ASK_SERVER = """
SELECT current_setting('server_version_num')::int AS version_number,
       current_setting('server_version') AS version,
       pg_is_in_recovery() AS in_recovery,
       current_setting('default_transaction_read_only')::bool AS read_only,
       current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL AS restricts,
       current_user::text AS role,
       current_setting('server_encoding') AS encoding,
       (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier
"""

ASK_SERVER_WITHOUT_IDENTIFIER = ASK_SERVER.replace("(SELECT system_identifier::text FROM pg_control_system())", "NULL")
"""The same for a role that may not run pg_control_system()."""


def local_settings(
    server: Server,
    role: str | None,
    lock_timeout: float,
    statement_timeout: float,
    more: Mapping[str, str] | None = None,
) -> str:
    """The statements that set what a transaction needs, to be sent before its own.

    :arg server: an empty one where nothing is known of it yet
    :arg role: the role to take on, or None
    :arg lock_timeout: seconds a statement may wait for a lock
    :arg statement_timeout: seconds a statement may take
    :arg more: further settings, by name
    """
    settings = {"lock_timeout": _milliseconds(lock_timeout), "statement_timeout": _milliseconds(statement_timeout)}
    settings.update({**_ALWAYS, **(more or {})})
    if server.restricts:
        # Should a view take a table's name after we looked, reading it is an error (CVE-2024-7348, as in pg_dump).
        settings["restrict_nonsystem_relation_kind"] = "'view, foreign-table'"
    if server.version_number >= 110000:
        # Compiling the catalog queries costs more than it saves (docs/measured.md, Cost of reading: 8 s for 10,000 tables on 15).
        settings["jit"] = "off"
    if role:
        settings["role"] = quote_identifier(role)
    return "".join(f"SET LOCAL {name} = {value};\n" for name, value in settings.items())


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
