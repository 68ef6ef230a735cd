# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What the event source knows of the servers that it watches, which events come of news, and the heartbeat. Pure.

Loaded by its path, as the loader of event sources knows no collections, so that it imports nothing of the collection.
"""

from __future__ import annotations

import functools
import json
import math
import runpy
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    Event = dict[str, t.Any]

_STATUSES = ("critical", "unknown", "warning")


@functools.cache
def _news() -> dict[str, t.Any]:
    """What is news, as for mail and webhook; loaded by its path, as this file is."""
    return runpy.run_path(str(Path(__file__).with_name("news.py")))


class Watched:
    """What is known of a server, which events come of news about it.

    It holds the findings, not the sequences that are healthy.

    :ivar reachable: whether its last audit succeeded; None before the first
    """

    def __init__(self, server: t.Any, settings: t.Any) -> None:
        self.server = server
        self.reachable: bool | None = None
        self._settings = settings
        self._audited = False
        # The server that the last audit met.
        self._met: Mapping[str, t.Any] | None = None
        self._entered: set[str] = set()
        self._closed: set[str] = set()
        # By database, schema and name, as JSON.
        self._findings: dict[str, t.Any] = {}

    def failed(self, error: str) -> Iterator[Event]:
        """Take in that the server could not be audited."""
        if self.reachable is not False:
            yield self._event("server_unreachable", f"the server could not be audited: {error}", error=error)
        self.reachable = False

    def audited(self, result: Mapping[str, t.Any], now: float) -> Iterator[Event]:
        """Take in what an audit found.

        :arg result: what the module returned
        :arg now: seconds, by the event loop's clock
        """
        if self.reachable is False:
            yield self._event("server_reachable", "the server can be audited again")
        first, self.reachable, self._audited = not self._audited, True, True
        errors = {database["name"]: database["error"] for database in result["databases"]}
        for name, error in errors.items():
            if error and name not in self._closed:
                yield self._event("database_unreachable", error, database=name, error=error)
            elif name in self._closed and not error:
                yield self._event("database_reachable", "the database can be audited again", database=name)
        for name in sorted(self._closed - set(errors)):
            yield self._event("database_gone", "the database is no longer there", database=name)

        found = {
            json.dumps([entry["database"], entry["schema"], entry["name"]]): entry for entry in result["sequences"]
        }
        states = {key: json.dumps([entry["status"], entry["reasons"]]) for key, entry in found.items()}
        server = result.get("server")
        # Another server's finding is none of this one's: it is new here.
        self._findings = {
            key: kept
            for key, kept in self._findings.items()
            if key not in states or _is_same(server, kept.facts["server"])
        }
        if not _is_same(server, self._met):
            self._entered = set()
        self._met = server or self._met
        news = _news()["compare"](
            self._findings,
            states,
            lambda _key, kept: not errors.get(kept.facts["database"]) and _is_same(server, kept.facts["server"]),
            now,
            self._settings.remind,
        )
        told = {}
        fresh = {*news.new, *news.changed, *news.due}
        for key, entry in found.items():
            if key not in fresh:
                continue
            before = self._findings.get(key)
            told[key] = _news()["Kept"](states[key], now, {"database": entry["database"], "server": server})
            if not first or self._settings.initial:
                yield from self._told("reminder" if key in news.due else "status_changed", key, before, entry)
        for key in news.over:
            if self._findings[key].facts["database"] in errors:
                over = {"status": "healthy", "message": "no longer among the findings: healthy, skipped or dropped"}
            else:
                over = {"status": "gone", "message": "its database is no longer there"}
            yield from self._told("status_changed", key, self._findings[key], over)
        self._findings = _news()["remember"](self._findings, told, news.over, now, math.inf)
        self._closed = {name for name, error in errors.items() if error}
        self._entered = (self._entered & set(errors)) | (set(errors) - self._closed)

    def count(self, status: str) -> int:
        """How many sequences have a status, as far as is known."""
        return sum(
            json.loads(kept.state)[0] == status
            for kept in self._findings.values()
            # What another server had, which was behind the address before, is remembered for when it is back.
            if _is_same(self._met, kept.facts["server"])
        )

    @property
    def closed(self) -> int:
        """How many databases could not be entered or read."""
        return len(self._closed)

    def _told(self, kind: str, key: str, before: t.Any, entry: Mapping[str, t.Any]) -> Iterator[Event]:
        old_status, old_reasons = json.loads(before.state) if before else (None, [])
        if not {entry["status"], old_status} & set(self._settings.statuses):
            return
        database, schema, sequence = json.loads(key)
        unseen = "healthy" if database in self._entered else None
        yield self._event(
            kind,
            entry["message"],
            database=database,
            schema=schema,
            sequence=sequence,
            old_status=old_status if before else unseen,
            old_reasons=old_reasons,
            status=entry["status"],
            reasons=entry.get("reasons", []),
            next_value=entry.get("next_value"),
            furthest_value=entry.get("furthest_value"),
            fix=entry.get("fix"),
        )

    def _event(self, kind: str, message: str, **more: t.Any) -> Event:
        server = {"server": self.server.name, "index": self.server.position, "login": dict(self.server.login)}
        return {"pg_sequences": {"type": kind, **server, **more, "message": message}}


def _is_same(now: Mapping[str, t.Any] | None, then: Mapping[str, t.Any] | None) -> bool:
    """Whether an audit met the same server as an earlier one, as far as is known: behind one address may be another."""
    known = {server.get("system_identifier") for server in (now, then) if server} - {None}
    return len(known) < 2


def heartbeat(watched: Collection[Watched]) -> Event:
    """The event that tells how things stand."""
    return {
        "pg_sequences": {
            "type": "heartbeat",
            "servers": len(watched),
            "audited": sum(one.reachable is True for one in watched),
            "unreachable": sum(one.reachable is False for one in watched),
            "databases_unreachable": sum(one.closed for one in watched),
            **{status: sum(one.count(status) for one in watched) for status in _STATUSES},
        }
    }
