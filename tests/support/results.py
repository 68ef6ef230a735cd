# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules return, made up for tests of what is done with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Result = dict[str, Any]

_STATUSES = ("healthy", "warning", "critical", "unknown", "skipped")


def finding(name: str, **other: Any) -> Result:
    """An entry of ``sequences``: critical, unless it is said otherwise."""
    found = {
        "database": "shop",
        "schema": "public",
        "name": name,
        "columns": [
            {
                "schema": "public",
                "table": "orders",
                "column": "id",
                "type": "bigint",
                "via": "owned",
                "indexed": True,
                "furthest_value": 4711,
                "error": None,
            }
        ],
        "data_type": "bigint",
        "start_value": 1,
        "increment": 1,
        "min_value": 1,
        "max_value": 9223372036854775807,
        "cache_size": 1,
        "owner": "postgres",
        "cycle": False,
        "last_value": 1,
        "is_called": True,
        "next_value": 2,
        "furthest_value": 4711,
        "limit": 9223372036854775807,
        "gap": None,
        "percent_used": 0.0,
        "status": "critical",
        "reasons": ["behind"],
        "message": "behind: the next value is 2, but orders.id already goes up to 4711",
        "fix": {"next_value": 4712, "statement": f"SELECT pg_catalog.setval('public.{name}'::regclass, 4711, true);"},
    }
    return {**found, **other}


def audit(*findings: Result, database_error: str | None = None, **counts: int) -> Result:
    """What pg_sequence_info returns.

    Args:
        findings: its ``sequences``, which are counted.
        database_error: why its one database could not be entered.
        counts: more sequences by status, which are not listed.
    """
    by_status = {
        status: counts.get(status, 0) + sum(found["status"] == status for found in findings) for status in _STATUSES
    }
    summary = {"total": sum(by_status.values()), **by_status}
    database = {
        "name": "shop",
        "server_version": "18.4",
        "in_recovery": False,
        "error": database_error,
        "summary": summary,
    }
    selection = {"databases": ["shop"], "schemas": [], "tables": [], "sequences": [], "columns": []}
    counts_of_all = {"databases": 1, **summary}
    return {
        "run": "check",
        "server": None,
        "thresholds": {"gap_threshold": 1000, "near_limit_percent": 80.0},
        "selection": selection,
        "summary": counts_of_all,
        "databases": [database],
        "sequences": list(findings),
    }


def repair(changes: Sequence[str] = (), not_fixed: Sequence[str] = (), findings: Sequence[Result] = ()) -> Result:
    """What pg_sequence_fix returns, of sequences by their names."""
    place = {"database": "shop", "schema": "public"}
    return {
        **audit(*findings),
        "changes": [
            {
                **place,
                "name": name,
                "reasons": ["behind"],
                "method": "locked",
                "before": {"last_value": 1, "is_called": True, "next_value": 2},
                "after": {"last_value": 4711, "is_called": True, "next_value": 4712},
                "statement": f"SELECT pg_catalog.setval('public.{name}'::regclass, 4711, true);",
            }
            for name in changes
        ],
        "not_fixed": [
            {**place, "name": name, "reasons": ["behind"], "message": "it is behind", "remedy": "do it"}
            for name in not_fixed
        ],
    }
