# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What was seen of two servers in, what it means for a cut-over out: whether they can be meant, facts, reasons. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._play.words import place
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import visible

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    Result = Mapping[str, t.Any]


class Reading(t.NamedTuple):
    """One reading of the source.

    :ivar entries: its sequences
    :ivar text: the same, as the option ``reference`` takes them
    :ivar server: which server it is; empty where a file stands for it
    :ivar activity: what happened on it, or None
    :ivar databases: its databases
    """

    entries: list[dict[str, t.Any]]
    text: str
    server: Result
    activity: Result | None
    databases: list[dict[str, t.Any]]


class Seen(t.NamedTuple):
    """All that was seen.

    :ivar host: the target's name in the inventory
    :ivar command: runs the playbook again for it
    :ivar readings: of the source, in their order
    :ivar file: the file that stands for the source, or nothing
    :ivar may_move: whether the source may go on
    :ivar before: the target, as it was found
    :ivar fixed: what the repair returned, or nothing yet
    :ivar target: the target, as it was last found
    :ivar databases: old names by new ones, where they differ
    :ivar still_at: where the source's log was when it was seen to stand still, or nothing
    """

    host: str
    command: str
    check_mode: bool
    readings: tuple[Reading, ...]
    file: str
    may_move: bool
    before: Result
    fixed: Result
    target: Result
    databases: Mapping[str, str]
    still_at: str

    @property
    def now(self) -> Reading:
        """The last reading of the source."""
        return self.readings[-1]

    @property
    def target_databases(self) -> list[dict[str, t.Any]]:
        """The target's databases."""
        return list(self.target.get("databases") or [])

    def refused(self) -> str:
        """Why these two cannot be meant, in a sentence; empty where they can."""
        here, there = self.before.get("server") or {}, self.now.server
        activity, other = self.before.get("activity") or {}, self.now.activity or {}
        if here.get("in_recovery"):
            return f"the target, {server_words(here, activity)}, is a standby and takes no changes; name its primary"
        if self.file:
            return ""
        name = self._shared_database()
        if name and is_one(here, activity, there, other):
            return f'source and target are one: database "{name}" of {server_words(here, activity)}'
        if name and _is_replica(here, activity, there, other):
            return (
                f"the source, {server_words(there, other)}, is a standby of the target, so the target would be compared with itself;"
                " name the old server"
            )
        if _fed_by(self.now.databases, activity) and not _fed_by(self.target_databases, other):
            return (
                f"source and target look swapped: the source, {server_words(there, other)}, has an enabled subscription that the target"
                " feeds. Name the server that is to take over as the target"
            )
        return ""

    def _shared_database(self) -> str:
        """A database that would be compared with one of the same name."""
        names = {database["name"] for database in self.now.databases}
        both = [
            x["name"] for x in self.before.get("databases") or [] if self.databases.get(x["name"], x["name"]) in names
        ]
        return next((name for name in both if self.databases.get(name, name) == name), "")

    def moved(self) -> list[dict[str, t.Any]]:
        """The sequences of the source that moved, came or went between the readings, from where to where."""
        if len(self.readings) < 2:
            return []
        first = {key_of(entry): entry for entry in self.readings[0].entries}
        last = {key_of(entry): entry for entry in self.readings[-1].entries}
        found = []
        for key in [*last, *(key for key in first if key not in last)]:
            one, other = first.get(key), last.get(key)
            if one is None or other is None or _state(one) != _state(other):
                values = {"from": one["last_value"] if one else None, "to": other["last_value"] if other else None}
                found.append({**dict(zip(("database", "schema", "name"), key)), **values})
        return found

    def still_written(self) -> str:
        """What shows that the source is written to, in words; empty where nothing does."""
        parts = []
        moved = self.moved()
        if moved:
            first = ", ".join(
                f"{name_of(one)} {_or(one['from'], 'made')} -> {_or(one['to'], 'dropped')}" for one in moved[:3]
            )
            parts.append(f"{count_of(len(moved), 'sequence')} of the source moved while looked at ({first})")
        writers = (self.now.activity or {}).get("writers", [])
        if writers:
            first = ", ".join(_writer(one) for one in writers[:3])
            have = "has" if len(writers) == 1 else "have"
            parts.append(
                f"{count_of(len(writers), 'transaction')} on the source {have} written and {are(writers)} open ({first})"
            )
        return "; ".join(parts)

    def subscriptions(self) -> list[dict[str, t.Any]]:
        """The target's subscriptions, with what they lag in bytes; None where that cannot be known from the source.

        Once the source was seen to stand still it is what was written until then, whatever else its server goes on to write.
        """
        slots = {slot["name"]: slot for slot in (self.now.activity or {}).get("slots", [])}
        return [
            {"database": database["name"], **one, "lag_bytes": self._lag(slots.get(one["slot"]))}
            for database in self.target_databases
            for one in database.get("subscriptions") or []
        ]

    def _lag(self, slot: Result | None) -> int | None:
        if slot is None or slot["lag_bytes"] is None:
            return None
        if self.still_at and slot["confirmed"]:
            return max(0, _place_in_log(self.still_at) - _place_in_log(slot["confirmed"]))
        return int(slot["lag_bytes"])

    def lags(self) -> bool:
        """Whether rows of the source are still on their way by an enabled subscription."""
        return any(one["enabled"] and one["lag_bytes"] for one in self.subscriptions())

    def lost_databases(self) -> dict[str, int]:
        """How many sequences the source has in each database that was asked for and that the target does not have."""
        if self.file:
            return {}
        here = {self.databases.get(one["name"], one["name"]) for one in self.target_databases}
        found: dict[str, int] = {}
        for entry in self.now.entries:
            if entry["database"] not in here:
                found[entry["database"]] = found.get(entry["database"], 0) + 1
        return found


def facts_of(seen: Seen) -> dict[str, t.Any]:
    """What was seen, for machines."""
    comparison = seen.target.get("comparison") or {}
    found = seen.before.get("comparison") or {}
    return {
        "source": {**seen.now.server, "version": (seen.now.activity or {}).get("version"), "file": seen.file or None},
        "target": {**(seen.before.get("server") or {}), "version": (seen.before.get("activity") or {}).get("version")},
        "source_stood_still": None if seen.file else not seen.still_written(),
        "source_moved": seen.moved(),
        "writers": (seen.now.activity or {}).get("writers", []),
        "subscriptions": seen.subscriptions(),
        "found": {key: value for key, value in found.items() if not isinstance(value, list)},
        "comparison": {key: value for key, value in comparison.items() if not isinstance(value, list)},
        "only_on_source": comparison.get("only_there", []),
        "only_on_target": comparison.get("only_here", []),
        "lost_databases": seen.lost_databases(),
    }


def is_one(here: Result, activity: Result, there: Result, other: Result) -> bool:
    """Whether both are one server, by whatever address each was reached."""
    known = [server.get("system_identifier") for server in (here, there)]
    # A physical copy has its origin's identifier, but was not started in the same instant.
    alike = known[0] == known[1] or None in known
    return bool(alike and activity.get("started_at") and activity["started_at"] == other.get("started_at"))


def _is_replica(here: Result, activity: Result, there: Result, other: Result) -> bool:
    """Whether the source replays what the target writes: a standby, of the same origin, that no promotion came between."""
    same = here.get("system_identifier") and here["system_identifier"] == there.get("system_identifier")
    line = activity.get("timeline")
    return bool(same and there.get("in_recovery") and line and line == other.get("timeline"))


def _fed_by(databases: list[dict[str, t.Any]], activity: Result) -> bool:
    slots = {slot["name"] for slot in activity.get("slots", [])}
    return any(
        one["enabled"] and one["slot"] in slots for database in databases for one in database.get("subscriptions") or []
    )


def server_words(server: Result, activity: Result) -> str:
    """Which server it is."""
    address = server.get("address") or "the default socket"
    version = activity.get("version") or server.get("version")
    parts = [f"PostgreSQL {version}"] if version else []
    parts.append(f"system identifier {server.get('system_identifier') or 'not known'}")
    parts += ["a standby"] if server.get("in_recovery") else []
    return f"{visible(str(address))} port {server.get('port')} ({', '.join(parts)})"


def _place_in_log(text: str) -> int:
    high, _slash, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def _writer(one: Result) -> str:
    where = f" from {one['address']}" if one["address"] else ""
    return visible(f"{one['role']}{where} in {one['database']}, process {one['pid']}, for {one['seconds']} s")


def name_of(entry: Result) -> str:
    """A sequence with its database, both as SQL takes them."""
    return f"{place(entry['database'])} {place(entry['schema'], entry['name'])}"


def key_of(entry: Result) -> tuple[str, str, str]:
    """What tells a sequence from others."""
    return entry["database"], entry["schema"], entry["name"]


def _state(entry: Result) -> tuple[t.Any, t.Any]:
    return entry["last_value"], entry["is_called"]


def _or(value: t.Any, word: str) -> str:
    return word if value is None else str(value)


def count_of(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def are(several: list[t.Any]) -> str:
    """The verb for them."""
    return "is" if len(several) == 1 else "are"
