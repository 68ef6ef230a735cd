# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A session in, the database's subscriptions and what they fill out (manual, chapter Logical Replication).

By the parts of the catalogs that every role may read. Before version 14 the oids of pg_subscription are not among them,
but pg_stat_subscription tells them to all (docs/measured.md, Subscriptions).
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._model import READY, Subscription
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import readable

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Reader


_SUBSCRIPTIONS = """
SELECT DISTINCT w.subid::bigint AS oid, s.subname::text AS name, s.subenabled AS enabled, s.subslotname::text AS slot
FROM pg_subscription s
JOIN pg_stat_subscription w ON w.subname = s.subname
WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# A sequence that fills a partitioned table's column is fed into by what fills its partitions.
_FILLED = """
WITH RECURSIVE filled AS (
  SELECT r.srsubid AS subscription, r.srrelid AS relation, r.srsubstate::text AS state, true AS own
  FROM pg_subscription_rel r
  UNION
  SELECT f.subscription, i.inhparent, f.state, false
  FROM filled f
  JOIN pg_inherits i ON i.inhrelid = f.relation
)
SELECT f.subscription::bigint AS subscription, f.relation::bigint AS relation, f.state, f.own,
       n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'S' AS is_sequence
FROM filled f
JOIN pg_class c ON c.oid = f.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
"""

# Version 19 keeps sequences as well. Its worker tries again every few seconds; why it fails stands only in the server's log.
_FAILURES = "SELECT subid::bigint AS oid, sync_seq_error_count::bigint AS number FROM pg_stat_subscription_stats"

_STATES = {"i": "waits for its copy", "d": "is being copied", "f": "was copied", "s": "catches up", "r": READY}


class Subscribed(t.NamedTuple):
    """The subscriptions of a database.

    :ivar all: what is to be said of each, by schema and name
    :ivar of_relation: the subscription that fills a table, or that keeps a sequence (version 19), by the relation's oid
    """

    all: tuple[Mapping[str, t.Any], ...] = ()
    of_relation: Mapping[int, Subscription] = {}

    def of(self, sequence: int, relations: Iterable[int]) -> Subscription | None:
        """The subscription that a sequence is under: an enabled one before one that is not.

        :arg sequence: its oid
        :arg relations: oids of the tables it feeds
        """
        found = [self.of_relation[oid] for oid in (sequence, *relations) if oid in self.of_relation]
        return next((one for one in found if one.enabled), found[0] if found else None)


def subscriptions(session: Reader) -> Subscribed:
    """Find a database's subscriptions.

    :raises DatabaseError: a catalog could not be read
    """
    rows = session.query(_SUBSCRIPTIONS)
    if not rows:
        return Subscribed()
    filled = session.query(_FILLED)
    # Another database may have a subscription of the same name.
    ours = {row["subscription"] for row in filled}
    names = [row["name"] for row in rows]
    rows = [row for row in rows if row["oid"] in ours or names.count(row["name"]) == 1]
    by_oid = {row["oid"]: row for row in rows}
    failures = {}
    if any(row["is_sequence"] for row in filled):
        failures = {row["oid"]: row["number"] for row in session.query(_FAILURES)}
    of_relation: dict[int, Subscription] = {}
    for row in filled:
        subscription = by_oid.get(row["subscription"])
        before = of_relation.get(row["relation"])
        if subscription and not (before and before.enabled):
            state = _STATES.get(row["state"], row["state"])
            of_relation[row["relation"]] = Subscription(
                *(subscription["name"], subscription["enabled"], state),
                *(row["is_sequence"], failures.get(row["subscription"], 0)),
            )
    told = []
    for oid, row in sorted(by_oid.items(), key=lambda pair: str(pair[1]["name"])):
        own = [one for one in filled if one["subscription"] == oid and one["own"]]
        tables = [one for one in own if not one["is_sequence"]]
        sequences = [one for one in own if one["is_sequence"]]
        told.append(
            {
                "name": row["name"],
                "enabled": row["enabled"],
                "slot": row["slot"],
                "tables": len(tables),
                "not_ready": sorted(f"{one['schema']}.{one['name']}" for one in tables if one["state"] != "r"),
                "sequences": len(sequences),
                "not_synchronized": sorted(readable(x["schema"], x["name"]) for x in sequences if x["state"] != "r"),
            }
        )
    return Subscribed(tuple(told), of_relation)
