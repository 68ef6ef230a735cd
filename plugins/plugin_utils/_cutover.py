# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What was seen of two servers in, what is to be said of a cut-over out: lines, a verdict, and why not yet. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._text import visible

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Result = Mapping[str, t.Any]

_MOST = 20
"""How many of each are told; the report has all."""

_BY_CANNOT = (
    "what nobody can see from here: values that sessions and applications hold in memory (CACHE, pooled ids), transactions of the"
    " source that were not committed, and ids that are made outside the database; let clients connect anew"
)


class Reading(t.NamedTuple):
    """One reading of the source.

    :ivar entries: its sequences
    :ivar server: which server it is; empty where a file stands for it
    :ivar activity: what happened on it, or None
    :ivar databases: its databases
    """

    entries: list[dict[str, t.Any]]
    server: Result
    activity: Result | None
    databases: list[dict[str, t.Any]]


class Seen(t.NamedTuple):
    """All that was seen.

    :ivar readings: of the source, in their order
    :ivar file: the file that stands for the source, or nothing
    :ivar may_move: whether the source may go on
    :ivar margin: values that are left free
    :ivar before: the target, as it was found
    :ivar fixed: what the repair returned, or nothing yet
    :ivar target: the target, as it was last found
    :ivar databases: old names by new ones, where they differ
    """

    check_mode: bool
    readings: tuple[Reading, ...]
    file: str
    may_move: bool
    margin: int
    before: Result
    fixed: Result
    target: Result
    databases: Mapping[str, str]

    @property
    def now(self) -> Reading:
        """The last reading of the source."""
        return self.readings[-1]

    def refused(self) -> str:
        """Why these two cannot be meant, in a sentence; empty where they can."""
        here, there = self.before.get("server") or {}, self.now.server
        activity, other = self.before.get("activity") or {}, self.now.activity or {}
        same = here.get("system_identifier") and here.get("system_identifier") == there.get("system_identifier")
        # A physical copy has its origin's identifier, but was not started in the same instant.
        if not self.file and same and activity.get("started_at") == other.get("started_at"):
            names = {database["name"] for database in self.now.databases}
            both = [x["name"] for x in self.before["databases"] if self.databases.get(x["name"], x["name"]) in names]
            for name in both:
                if self.databases.get(name, name) == name:
                    return f'source and target are one: database "{name}" of {_server(here, activity)}'
        if here.get("in_recovery"):
            return f"the target, {_server(here, activity)}, is a standby and takes no changes; name its primary"
        if (
            not self.file
            and self._fed_by(self.now.databases, activity)
            and not self._fed_by(self.target_databases, other)
        ):
            return (
                f"source and target look swapped: the source, {_server(there, other)}, has an enabled subscription that the target"
                " feeds. Name the server that is to take over as the target"
            )
        return ""

    @property
    def target_databases(self) -> list[dict[str, t.Any]]:
        """The target's databases."""
        return list(self.target.get("databases") or [])

    @staticmethod
    def _fed_by(databases: list[dict[str, t.Any]], activity: Result) -> bool:
        slots = {slot["name"] for slot in activity.get("slots", [])}
        return any(
            one["enabled"] and one["slot"] in slots
            for database in databases
            for one in database.get("subscriptions") or []
        )

    def moved(self, first: int = 0, last: int = -1) -> list[dict[str, t.Any]]:
        """The sequences of the source that moved between two readings, from where to where."""
        if len(self.readings) < 2:
            return []
        earlier = {_key(entry): entry for entry in self.readings[first].entries}
        return [
            {
                **{name: entry[name] for name in ("database", "schema", "name")},
                "from": earlier[_key(entry)]["last_value"],
                "to": entry["last_value"],
            }
            for entry in self.readings[last].entries
            if _key(entry) in earlier and _state(entry) != _state(earlier[_key(entry)])
        ]

    def still_written(self) -> str:
        """What shows that the source is written to, in words; empty where nothing does."""
        parts = []
        moved = self.moved()
        if moved:
            first = ", ".join(f"{_name(one)} {one['from']} -> {one['to']}" for one in moved[:3])
            parts.append(f"{_count(len(moved), 'sequence')} of the source moved while looked at ({first})")
        writers = (self.now.activity or {}).get("writers", [])
        if writers:
            first = ", ".join(_writer(one) for one in writers[:3])
            parts.append(
                f"{_count(len(writers), 'transaction')} on the source {'has' if len(writers) == 1 else 'have'} written and {_is(writers)} open ({first})"
            )
        return "; ".join(parts)

    def subscriptions(self) -> list[dict[str, t.Any]]:
        """The target's subscriptions, with what they lag in bytes; None where that cannot be known from the source."""
        slots = {slot["name"]: slot for slot in (self.now.activity or {}).get("slots", [])}
        return [
            {
                "database": database["name"],
                **one,
                "lag_bytes": slots[one["slot"]]["lag_bytes"] if one["slot"] in slots else None,
            }
            for database in self.target_databases
            for one in database.get("subscriptions") or []
        ]

    def lagging(self) -> list[dict[str, t.Any]]:
        """Enabled subscriptions that are behind the source, or have tables that are not ready."""
        return [one for one in self.subscriptions() if one["enabled"] and (one["lag_bytes"] or one["not_ready"])]


def told(seen: Seen) -> dict[str, t.Any]:
    """What is to be said of a cut-over: facts for machines, lines and verdict for people."""
    if not seen.readings:
        return {"switchable": False, "verdict": None, "reasons": [], "lines": []}
    reasons = list(_reasons(seen)) if seen.fixed else []
    comparison = seen.target.get("comparison") or {}
    facts = {
        "source": {**seen.now.server, "version": (seen.now.activity or {}).get("version"), "file": seen.file or None},
        "target": {**(seen.before.get("server") or {}), "version": (seen.before.get("activity") or {}).get("version")},
        "source_stood_still": None if seen.file else not seen.still_written(),
        "source_moved": seen.moved(),
        "writers": (seen.now.activity or {}).get("writers", []),
        "subscriptions": seen.subscriptions(),
        "comparison": {key: value for key, value in comparison.items() if not isinstance(value, list)},
        "only_on_source": comparison.get("only_there", []),
        "only_on_target": comparison.get("only_here", []),
        "reasons": reasons,
        "switchable": bool(seen.fixed) and not reasons and not seen.check_mode,
        "verdict": _verdict(seen, reasons) if seen.fixed else None,
    }
    return {**facts, "lines": list(_lines(seen, facts))}


def _reasons(seen: Seen) -> Iterator[str]:
    """Why it may not be switched yet."""
    if seen.check_mode and seen.fixed.get("changes"):
        yield f"{_count(len(seen.fixed['changes']), 'sequence')} would have to be moved first"
    left = seen.fixed.get("not_fixed", [])
    if left:
        first = f"{left[0]['schema']}.{left[0]['name']}: {left[0]['message']}"
        yield f"{_count(len(left), 'sequence')} could not be brought up to the source ({first})"
    told = {(one["schema"], one["name"]) for one in left}
    critical = [x for x in seen.target.get("sequences", []) if x["status"] == "critical" and _place(x) not in told]
    if critical:
        yield f"{_count(len(critical), 'sequence')} {_is(critical)} behind again ({_name(critical[0])}: {critical[0]['message']})"
    missing = (seen.target.get("comparison") or {}).get("only_there", [])
    if missing:
        yield f"{_count(len(missing), 'sequence')} of the source {_is(missing)} missing on the target ({_name(missing[0])})"
    for database in seen.target_databases:
        if database["error"]:
            yield f"database {database['name']} of the target could not be read ({database['error']})"
    still = seen.still_written()
    if still and not seen.may_move:
        yield still
    for one in seen.lagging():
        parts = [f"lags {one['lag_bytes']} bytes behind the source"] if one["lag_bytes"] else []
        parts += [f"has {len(one['not_ready'])} tables that are not ready"] if one["not_ready"] else []
        yield f"the subscription {one['name']} {' and '.join(parts)}"
    for one in seen.subscriptions():
        if not one["enabled"]:
            yield f"the subscription {one['name']} is switched off: whether all rows have arrived is not known"


def _verdict(seen: Seen, reasons: list[str]) -> str:
    if reasons:
        return f"not yet, because {'; '.join(reasons)}"
    counts = seen.target.get("comparison") or {}
    moved = len(seen.fixed.get("changes", []))
    kept = f"{_count(counts.get('compared', 0), 'sequence')} compared, none behind the source, {moved} moved"
    if seen.check_mode:
        return f"a run would find nothing to move: {kept}"
    return f"may be switched: {kept}, verified in a new session"


def _lines(seen: Seen, facts: Result) -> Iterator[str]:
    here, there = facts["target"], facts["source"]
    activity = seen.now.activity or {}
    yield f"source: {f'the file {visible(seen.file)}' if seen.file else _server(there, activity)}"
    yield f"target: {_server(here, seen.before.get('activity') or {})}"
    yield from _source_lines(seen, facts)
    for one in facts["subscriptions"]:
        lag = "its lag is not known from here" if one["lag_bytes"] is None else f"{one['lag_bytes']} bytes behind"
        ready = f", not ready: {', '.join(map(visible, one['not_ready'][:5]))}" if one["not_ready"] else ""
        state = "enabled" if one["enabled"] else "switched off"
        yield f"subscription {visible(one['name'])} in {visible(one['database'])}: {state}, {lag}, {one['tables']} tables{ready}"
    counts = facts["comparison"]
    if not counts:
        return
    yield (
        f"on the source: {counts['given']}; on the target: {(seen.target.get('summary') or {}).get('total', 0)};"
        f" compared: {counts['compared']}, not readable: {counts['unreadable']}, only on the source: {len(facts['only_on_source'])},"
        f" only on the target: {len(facts['only_on_target'])}, not selected: {counts['not_selected']},"
        f" of other databases: {counts['other_databases']}"
    )
    yield f"of those compared, behind: {counts['behind']}, ahead: {counts['ahead']}, equal: {counts['equal']}; defined otherwise: {counts['differs']}"
    yield from _first([_move(seen, change) for change in seen.fixed.get("changes", [])])
    yield from _first([_missing(one) for one in facts["only_on_source"]])
    yield from _first([f"only on the target: {_name(one)}" for one in facts["only_on_target"]])
    yield from _first(list(_of_sequences(seen)))
    if not seen.fixed:
        return
    yield _BY_CANNOT
    yield f"verdict: {visible(facts['verdict'])}"
    yield f"next: {_next(seen, facts)}"


def _source_lines(seen: Seen, facts: Result) -> Iterator[str]:
    if seen.file:
        yield "whether the source stands still is not known: a file stands for it"
        return
    activity = seen.now.activity or {}
    still = seen.still_written()
    yield (
        f"the source is still written to: {visible(still)}"
        if still
        else (
            f"the source stood still over {len(seen.readings)} readings"
            if len(seen.readings) > 1
            else "the source was read once"
        )
    )
    if not activity.get("sees_all_writers"):
        yield "who writes there is not seen: GRANT pg_read_all_stats to the role that reads the source"
    if activity.get("read_only"):
        yield "default_transaction_read_only is on there: a default, which any session can override"
    if seen.now.server.get("in_recovery"):
        yield "the source is a standby: its sequences may show up to 32 values more than the primary's"


def _move(seen: Seen, change: Result) -> str:
    before, after = change["before"]["next_value"], change["after"]["next_value"]
    found = next((x for x in seen.target.get("sequences", []) if _key(x) == _key(change)), None)
    left = f", {abs(found['limit'] - after)} values left" if found else ""
    would = "would move" if seen.check_mode else "moved"
    return f"{would} {_name(change)}: {before} -> {after} ({', '.join(change['reasons'])}; by {abs(after - before)} values{left})"


def _missing(one: Result) -> str:
    return f"only on the source: {_name(one)}. To make it: {visible(one['statement'])}"


def _of_sequences(seen: Seen) -> Iterator[str]:
    """What differs, and what is ahead with no reason that is known."""
    moved = {_key(change) for change in seen.fixed.get("changes", [])}
    for entry in seen.target.get("sequences", []):
        reference = entry.get("reference")
        if not reference:
            continue
        if reference["differences"]:
            words = ", ".join(
                f"{x['what'].replace('_', ' ')} {x['here']} here, {x['there']} there" for x in reference["differences"]
            )
            how = f". To make it as there: {visible(reference['statement'])}" if reference["statement"] else ""
            yield f"defined otherwise: {_name(entry)}: {words}{how}"
        ahead = (
            None not in (entry["next_value"], reference["next_value"])
            and entry["next_value"] != reference["next_value"]
        )
        if ahead and _key(entry) not in moved and "behind_reference" not in entry["reasons"]:
            yield (
                f"ahead: {_name(entry)}: {entry['next_value']} here, {reference['next_value']} there (in use already, moved beyond its rows,"
                " or an earlier margin)"
            )


def _next(seen: Seen, facts: Result) -> str:
    if facts["reasons"]:
        return "settle what stands in the verdict, and run the same again; what was moved stays, and nothing goes back"
    if seen.check_mode:
        return "stop what writes to the source, and run the same without --check"
    enabled = [one for one in facts["subscriptions"] if one["enabled"]]
    parts = [f"ALTER SUBSCRIPTION {visible(one['name'])} DISABLE;" for one in enabled]
    parts.append("let the clients connect to the target")
    parts.append("for the way back, run this with source and target swapped before anything replicates back")
    return " then ".join(parts)


def _server(server: Result, activity: Result) -> str:
    address = server.get("address") or "the default socket"
    version = activity.get("version") or server.get("version")
    parts = [f"PostgreSQL {version}"] if version else []
    parts.append(f"system identifier {server.get('system_identifier') or 'not known'}")
    parts += ["a standby"] if server.get("in_recovery") else []
    return f"{visible(str(address))} port {server.get('port')} ({', '.join(parts)})"


def _writer(one: Result) -> str:
    where = f" from {one['address']}" if one["address"] else ""
    return visible(f"{one['role']}{where} in {one['database']}, process {one['pid']}, for {one['seconds']} s")


def _name(entry: Result) -> str:
    return visible(f"{entry['database']} {entry['schema']}.{entry['name']}")


def _place(entry: Result) -> tuple[str, str]:
    return entry["schema"], entry["name"]


def _key(entry: Result) -> tuple[str, str, str]:
    return entry["database"], entry["schema"], entry["name"]


def _state(entry: Result) -> tuple[t.Any, t.Any]:
    return entry["last_value"], entry["is_called"]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _is(several: list[t.Any]) -> str:
    return "is" if len(several) == 1 else "are"


def _first(lines: list[str]) -> list[str]:
    left = len(lines) - _MOST
    return lines if left <= 0 else [*lines[:_MOST], f"... and {left} more in the report"]
