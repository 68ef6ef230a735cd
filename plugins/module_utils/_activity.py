# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What happens on a server, for a cut-over: where its log stands, who writes, how far replication lags. Reads only."""

from __future__ import annotations

import contextlib
import json
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import DatabaseError

if t.TYPE_CHECKING:
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader

    Dict = dict[str, t.Any]

_POSITION = """
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS position,
       extract(epoch FROM pg_postmaster_start_time())::text AS started_at, current_setting('server_version') AS version,
       current_setting('default_transaction_read_only')::bool AS read_only,
       quote_ident(current_user) AS role,
       pg_has_role('pg_read_all_stats', 'USAGE') OR current_setting('is_superuser')::bool AS sees_all
"""

# A transaction has an id once it has written; of other roles' sessions only those with pg_read_all_stats see it.
_WRITERS = """
SELECT a.pid, a.datname::text AS database, a.usename::text AS role, a.application_name AS application,
       coalesce(host(a.client_addr), '') AS address,
       round(extract(epoch FROM clock_timestamp() - a.xact_start))::bigint AS seconds
FROM pg_stat_activity a
WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid()
  AND a.datname::text IN (SELECT json_array_elements_text(%(databases)s::json))
ORDER BY a.xact_start
"""

_SLOTS = """
SELECT s.slot_name::text AS name, s.database::text AS database, s.plugin::text AS plugin, s.active,
       s.confirmed_flush_lsn::text AS confirmed,
       greatest(0, pg_wal_lsn_diff(
         CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
         s.confirmed_flush_lsn))::bigint AS lag_bytes
FROM pg_replication_slots s
WHERE s.slot_type = 'logical' AND NOT s.temporary
  AND s.database::text IN (SELECT json_array_elements_text(%(databases)s::json))
ORDER BY s.slot_name
"""


# Servers that replay one log are on one timeline; a promotion begins another.
_TIMELINE = "SELECT timeline_id AS timeline FROM pg_control_checkpoint()"


def activity_of(session: Reader, databases: List[str]) -> Dict:
    """Ask a server what happens in some of its databases.

    :arg databases: their names
    :returns: the module's ``activity``
    :raises DatabaseError: it could not be asked
    """
    asked = {"databases": json.dumps(list(databases))}
    (position,) = session.query(_POSITION)
    timeline = None
    # Not every service lets its users ask.
    with contextlib.suppress(DatabaseError):
        ((timeline,),) = [list(row.values()) for row in session.query(_TIMELINE)]
    return {
        "wal_position": position["position"],
        "started_at": position["started_at"],
        "timeline": timeline,
        "role": position["role"],
        "version": position["version"].partition(" ")[0],
        "read_only": position["read_only"],
        "sees_all_writers": position["sees_all"],
        "writers": session.query(_WRITERS, asked),
        "slots": session.query(_SLOTS, asked),
    }
