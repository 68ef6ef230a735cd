# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A document in, the text of a report file out: JSON, CSV, Prometheus. Pure."""

from __future__ import annotations

import collections
import csv
import io
import json
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import STATUSES
from ansible_collections.pgops.sequences.plugins.plugin_utils._render.page import render_page
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import moment

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Document

_CSV_NUMBERS = ("next_value", "furthest_value", "gap", "percent_used", "limit", "increment")

MOST_SERIES = 200
"""How many sequences, the worst, have series of their own: a database of thousands must not fill a Prometheus."""

_REASONS = ("behind", "exhausted", "no_room", "near_limit", "gap", "out_of_bounds", "not_synchronized")
"""Reasons that are always counted, so that an alert sees them end."""

_HELP = {
    "pg_sequences_last_run_timestamp_seconds": "When the report was made.",
    "pg_sequences_last_run_success": "1 if every host and database could be audited, and nothing was left unrepaired.",
    "pg_sequences_report_schema_version": "Version of the report's schema; the labels say by what it was made.",
    "pg_sequences_host_audited": "1 if the host could be audited.",
    "pg_sequences_databases_not_audited": "Databases of the host that could not be entered.",
    "pg_sequences_sequences": "Sequences of the host by status.",
    "pg_sequences_reasons": "Sequences of the host by the reason of their status.",
    "pg_sequences_changes": "Sequences of the host that this run moved, or would have in check mode.",
    "pg_sequences_not_fixed": "Sequences of the host that this run could not repair.",
    "pg_sequences_finding": f"1 for each critical, unknown or warning sequence, the worst {MOST_SERIES} at most.",
    "pg_sequences_findings_omitted": f"Findings beyond the worst {MOST_SERIES}, which have no series of their own.",
    "pg_sequences_percent_used": "How much of its range a sequence with a finding has handed out, 0 to 100.",
    "pg_sequences_exhausted_timestamp_seconds": "When the values of a sequence with a finding run out at its speed.",
}


def render(document: Document, file_format: str) -> str:
    """Return the text of one of :data:`FORMATS`."""
    return FORMATS[file_format][1](document)


def _json(document: Document) -> str:
    return json.dumps(document, indent=1) + "\n"


def _csv(document: Document) -> str:
    """A line for each sequence, and for each host and database that could not be audited, the latter first."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        ["host", "database", "schema", "name", "status", "reasons", *_CSV_NUMBERS, "columns", "message", "fix"]
    )
    empty = [""] * len(_CSV_NUMBERS)
    for host in document["hosts"]:
        if host["error"]:
            writer.writerow([_cell(host["name"]), "", "", "", "not_audited", "", *empty, "", _cell(host["error"]), ""])
        for database in host["databases"]:
            if database["error"]:
                place = [_cell(host["name"]), _cell(database["name"]), "", ""]
                writer.writerow([*place, "not_audited", "", *empty, "", _cell(database["error"]), ""])
    for sequence in document["sequences"]:
        columns = ", ".join(
            f"{column['schema']}.{column['table']}.{column['column']}" for column in sequence["columns"]
        )
        writer.writerow(
            [
                *(_cell(sequence[name]) for name in ("host", "database", "schema", "name", "status")),
                ",".join(sequence["reasons"]),
                *(sequence[name] for name in _CSV_NUMBERS),
                _cell(columns),
                _cell(sequence["message"]),
                _cell((sequence["fix"] or {}).get("statement", "")),
            ]
        )
    return text.getvalue()


def _cell(text: str) -> str:
    """Spreadsheets run what begins like a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _prometheus(document: Document) -> str:
    """The text format (https://prometheus.io/docs/instrumenting/exposition_formats/), for node_exporter to collect."""
    samples: dict[str, list[str]] = {}
    for name, labels, value in _samples(document):
        inner = ",".join(f'{label}="{_label(text)}"' for label, text in labels.items())
        samples.setdefault(name, []).append(f"{name}{{{inner}}} {value}" if inner else f"{name} {value}")
    lines = []
    for name, of_name in samples.items():
        lines += [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge", *of_name]
    return "\n".join(lines) + "\n"


def _samples(document: Document) -> Iterator[tuple[str, dict[str, str], t.Any]]:
    summary = document["summary"]
    complete = not (summary["hosts_not_audited"] or summary["databases_not_audited"] or summary["not_fixed"])
    complete = complete and not any(host["error"] for host in document["hosts"])
    yield "pg_sequences_last_run_timestamp_seconds", {}, _seconds(document["generated_at"])
    yield "pg_sequences_last_run_success", {}, int(complete)
    made_by = {"collection_version": document["collection_version"], "run": document["run"]["name"]}
    yield "pg_sequences_report_schema_version", made_by, document["schema_version"]
    reasons = collections.Counter((s["host"], reason) for s in document["sequences"] for reason in s["reasons"])
    moved = collections.Counter(change["host"] for change in document["changes"])
    left = collections.Counter(unfixed["host"] for unfixed in document["not_fixed"])
    for host in document["hosts"]:
        name = {"host": host["name"]}
        yield "pg_sequences_host_audited", name, int(host["summary"] is not None and not host["error"])
        if host["summary"] is None:
            continue
        yield "pg_sequences_databases_not_audited", name, sum(bool(each["error"]) for each in host["databases"])
        for status in STATUSES:
            yield "pg_sequences_sequences", {**name, "status": status}, host["summary"][status]
        found = {reason for of_host, reason in reasons if of_host == host["name"]}
        for reason in (*_REASONS, *sorted(found.difference(_REASONS))):
            yield "pg_sequences_reasons", {**name, "reason": reason}, reasons[host["name"], reason]
        yield "pg_sequences_changes", name, moved[host["name"]]
        yield "pg_sequences_not_fixed", name, left[host["name"]]
    findings = [sequence for sequence in document["sequences"] if sequence["status"] in STATUSES[:3]]
    yield "pg_sequences_findings_omitted", {}, max(0, len(findings) - MOST_SERIES)
    for sequence in findings[:MOST_SERIES]:
        place = {
            "host": sequence["host"],
            "database": sequence["database"],
            "schema": sequence["schema"],
            "sequence": sequence["name"],
        }
        finding = {"status": sequence["status"], "reasons": ",".join(sequence["reasons"])}
        yield "pg_sequences_finding", {**place, **finding}, 1
        if sequence["percent_used"] is not None:
            yield "pg_sequences_percent_used", place, sequence["percent_used"]
        if (sequence.get("trend") or {}).get("exhausted_at"):
            end = _seconds(f"{sequence['trend']['exhausted_at']}T00:00:00Z")
            yield "pg_sequences_exhausted_timestamp_seconds", place, end


def _label(text: str) -> str:
    # Half of a pair of surrogates cannot be written, and an escape that is unknown spoils the whole file.
    text = text.encode(errors="backslashreplace").decode()
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _seconds(text: str) -> int:
    return int(moment(text).timestamp())


FORMATS: Mapping[str, tuple[str, Callable[[Document], str]]] = {
    "json": ("report.json", _json),
    "csv": ("report.csv", _csv),
    "html": ("report.html", render_page),
    "prometheus": ("pg_sequences.prom", _prometheus),
}
"""File name and renderer by format."""
