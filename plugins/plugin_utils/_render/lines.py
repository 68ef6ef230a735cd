# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A document in, what the terminal shows of it out: plain lines, whole, to be copied. Pure."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import STATUSES
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.words import parts, place
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import visible

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Document

_UNDRAWN = (("suspected", "suspected"), ("no_column", "unknown use"))

AS_ABOVE = "the remedy above settles this as well"

MOST_HOSTS = 40
MOST_FINDINGS = 100
"""How many of each are shown; a report file has all."""


def lines_of(document: Document, where: str) -> list[str]:
    """What was found and done, the worst first.

    :arg where: where all of it can be read, for what is not shown
    """
    if document["run"]["name"] == "cutover":
        # Its verdict stands at the end of what it says itself.
        return [*_heading(document), *_cutover(document)]
    shown: list[str] = []
    shown += _first(list(_not_audited(document)), MOST_HOSTS, where)
    if document["run"]["name"] == "info":
        shown += [line for sequence in document["sequences"] for line in _details(sequence)]
    else:
        shown += _first(list(_left(document)), MOST_FINDINGS, where)
        told = {_place(document, unfixed) for unfixed in document["not_fixed"]}
        findings = [sequence for sequence in document["sequences"] if _place(document, sequence) not in told]
        shown += _first(list(_findings(document, findings)), MOST_FINDINGS, where)
        shown += _first([_change(document, change) for change in document["changes"]], MOST_FINDINGS, where)
    if document["summary"]["hosts"] > 1:
        shown += _first(list(_hosts(document)), MOST_HOSTS + 1, where)
    shown += list(_restored(document))
    shown += _first(list(_not_judged(document)), MOST_FINDINGS, where)
    shown += list(_heading(document))
    # Some are of several lines.
    return [line for text in shown for line in text.split("\n")]


def foretold_lines(document: Document) -> list[str]:
    """What would be moved, before anybody is asked."""
    return _first([_change(document, change) for change in document["changes"]], MOST_FINDINGS, "--check shows all")


def _restored(document: Document) -> Iterator[str]:
    """What a restore says of itself, host by host."""
    for host in document["hosts"]:
        message = (host.get("restored") or {}).get("message")
        if message and not host["error"]:
            begin, *more = parts(visible(str(message)))
            yield _indented(f"{_host(document, host['name'])}{begin}", more)


def _cutover(document: Document) -> Iterator[str]:
    """What a cut-over says of itself, host by host."""
    for host in document["hosts"]:
        cutover = host.get("cutover") or {}
        # What a verdict says is not said twice.
        if host["error"] and not cutover.get("verdict"):
            yield f"stopped {host['name']}: {host['error']}"
        for line in cutover.get("lines", []):
            yield f"{_host(document, host['name'])}{line}"


def _heading(document: Document) -> Iterator[str]:
    summary = document["summary"]
    if summary["hosts"] == summary["hosts_not_audited"]:
        # Nothing was counted.
        return
    counts = ", ".join(f"{status}: {summary[status]}" for status in STATUSES)
    if summary["hosts"] == 1 and not summary["hosts_not_audited"]:
        names = [database["name"] for database in document["hosts"][0]["databases"]]
        yield f"databases: {', '.join(map(_database, names[:10]))}{f' and {len(names) - 10} more' if names[10:] else ''}"
    else:
        yield (
            f"hosts: {summary['hosts']}, audited: {summary['hosts'] - summary['hosts_not_audited']},"
            f" not audited: {summary['hosts_not_audited']}; databases: {summary['databases']}"
        )
    yield f"sequences: {summary['total']}; {counts}"
    if document["run"]["name"] not in ("check", "info"):
        done = "realigned" if document["run"]["name"] == "reset" else "repaired"
        would = "would be " if document["run"]["check_mode"] else ""
        yield f"{would}{done}: {summary['repaired']}, left: {summary['not_fixed']}"


def _not_audited(document: Document) -> Iterator[str]:
    for host in document["hosts"]:
        if host["error"]:
            word = "not restored" if document["run"]["name"] == "restore" else "not audited"
            begin, *more = parts(host["error"])
            yield _indented(f"{word} {host['name']}: {begin}", more)
        for database in host["databases"]:
            if database["error"]:
                begin, *more = parts(visible(database["error"]))
                yield _indented(f"not audited {_host(document, host['name'])}{begin}", more)


def _hosts(document: Document) -> Iterator[str]:
    """A table of the hosts where something was found."""
    found = [host for host in document["hosts"] if host["summary"] and any(map(host["summary"].get, STATUSES[:3]))]
    if not found:
        return
    width = min(40, max(len(host["name"]) for host in found))
    yield " " * width + "".join(f"{status:>10}" for status in STATUSES)
    for host in found:
        yield f"{host['name']:<{width}}" + "".join(f"{host['summary'][status]:>10}" for status in STATUSES)


def _change(document: Document, change: Document) -> str:
    reset = document["run"]["name"] == "reset"
    would, done = ("would realign", "realigned") if reset else ("would repair", "repaired")
    word = would if document["run"]["check_mode"] else done
    moved = f"next value {change['before']['next_value']} -> {change['after']['next_value']}"
    return f"{word} {_place(document, change)}: {moved}"


def _left(document: Document) -> Iterator[str]:
    """What could not be repaired, and below it what settles it, once."""
    told = set()
    for unfixed in document["not_fixed"]:
        key = (unfixed["host"], unfixed["database"], unfixed["remedy"])
        remedy = [AS_ABOVE if key in told else visible(unfixed["remedy"])] if unfixed["remedy"] else []
        yield _indented(f"left {_place(document, unfixed)}: {visible(unfixed['message'])}", remedy)
        told.add(key)


def _findings(document: Document, findings: list[Document]) -> Iterator[str]:
    """What was found, and below it what settles it, whole, to be copied; what settles several of a database stands once."""
    told = set()
    for sequence in findings:
        remedy = sequence.get("remedy")
        key = (sequence["host"], sequence["database"], remedy)
        yield _finding(document, sequence, AS_ABOVE if remedy and key in told else remedy)
        told.add(key)


def _finding(document: Document, sequence: Document, remedy: str | None) -> str:
    # Of what is only behind, the playbook that repairs it is named once, at the end: a statement grows old.
    movable = sequence["status"] == "critical" and sequence["fix"]
    # What cannot be judged says in its message what would help.
    more = [visible(remedy)] if remedy and not movable and remedy not in sequence["message"] else []
    return _indented(f"{sequence['status']} {_place(document, sequence)}: {visible(sequence['message'])}", more)


def _indented(begin: str, more: list[str]) -> str:
    return "\n    ".join([begin, *more])


def _not_judged(document: Document) -> Iterator[str]:
    """What was not judged, by kind, and all that a database's sequences are suspected of, ready to be copied."""
    for host in document["hosts"]:
        for database in host["databases"]:
            where = f"{_host(document, host['name'])}{_database(database['name'])}"
            kinds = dict(database.get("skipped") or {})
            undrawn = kinds.get("suspected", 0) + kinds.get("no_column", 0)
            if undrawn:
                told = [f"{kinds[kind]} {word}" for kind, word in _UNDRAWN if kinds.get(kind)]
                are = "sequence is" if undrawn == 1 else "sequences are"
                yield f"{where}: {undrawn} {are} drawn by no column: {', '.join(told)}"
            others = [f"{count} {kind}" for kind, count in kinds.items() if kind not in dict(_UNDRAWN)]
            if others:
                yield f"{where}: not judged on purpose: {', '.join(others)}"
            if database.get("suspected"):
                entries = json.dumps(database["suspected"], ensure_ascii=False)
                yield _indented(
                    f"{where}: to confirm what is suspected:", [f"pg_sequences_columns: {visible(entries)}"]
                )
            for table in database.get("not_covered") or ():
                yield f"{where}: not covered, it counts without a sequence: {visible(table)}"


def _details(sequence: Document) -> Iterator[str]:
    reasons = f" ({', '.join(sequence['reasons'])})" if sequence["reasons"] else ""
    database = f"{visible(sequence['database'])} on {sequence['host']}"
    yield f"{_name(sequence)} in database {database}: {sequence['status']}{reasons}"
    yield f"    {visible(sequence['message'])}"
    yield (
        f"    next value {_number(sequence['next_value'])}, furthest value {_number(sequence['furthest_value'])},"
        f" limit {sequence['limit']}"
    )
    yield f"    {_number(sequence['percent_used'])} % used, gap {_number(sequence['gap'])}"
    yield (
        f"    {visible(sequence['data_type'])}, start {sequence['start_value']}, increment {sequence['increment']},"
        f" {sequence['min_value']} to {sequence['max_value']}"
    )
    yield f"    cache {sequence['cache_size']}{', cycle' if sequence['cycle'] else ''}"
    for column in sequence["columns"]:
        name = place(*(column[part] for part in ("schema", "table", "column")))
        yield f"    column {name}: {visible(column['type'])}, via {column['via']}"
        indexed = "indexed" if column["indexed"] else "not indexed"
        error = f", {visible(column['error'])}" if column["error"] else ""
        yield f"        {indexed}, furthest value {_number(column['furthest_value'])}{error}"
    if sequence["fix"]:
        yield f"    repair: {visible(sequence['fix']['statement'])}"
    elif sequence.get("remedy"):
        yield f"    remedy: {visible(sequence['remedy'])}"


def _place(document: Document, entry: Document) -> str:
    return f"{_host(document, entry['host'])}{_database(entry['database'])} {_name(entry)}"


def _database(name: str) -> str:
    """A database's name, in quotes where its end could not be seen without them."""
    return visible(name if re.fullmatch(r"[\w.-]+", name) else '"' + name.replace('"', '""') + '"')


def _host(document: Document, name: str) -> str:
    """The host, where it is not the only one."""
    return f"{name} " if document["summary"]["hosts"] > 1 else ""


def _name(entry: Document) -> str:
    return place(entry["schema"], entry["name"])


def _number(value: float | None) -> str:
    return "-" if value is None else str(value)


def _first(entries: list[str], most: int, where: str) -> list[str]:
    left = len(entries) - most
    return entries if left <= 0 else [*entries[:most], f"... and {left} more: {where}"]
