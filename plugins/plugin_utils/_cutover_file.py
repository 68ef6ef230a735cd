# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A file in, the sequences out that a cut-over may take for its reference: a report of this collection, or a module's result."""

from __future__ import annotations

import json
import typing as t

import yaml

from ansible_collections.pgops.sequences.plugins.plugin_utils._fleet import SCHEMA_VERSION
from ansible_collections.pgops.sequences.plugins.plugin_utils._play import user

if t.TYPE_CHECKING:
    from pathlib import Path

    Entry = dict[str, t.Any]

_KEPT = (
    *(
        "database",
        "schema",
        "name",
        "data_type",
        "start_value",
        "increment",
        "min_value",
        "max_value",
        "cycle",
        "cache_size",
    ),
    *("last_value", "is_called"),
)
_ALL = "make it again with pg_sequences_show_all=true, by the playbook pgops.sequences.check"


class FileFault(Exception):
    """A file that cannot be the reference; the text says why, and what would be right."""


def slim(entries: list[Entry]) -> list[Entry]:
    """What the option ``reference`` needs of entries of ``sequences``, and no more: thousands are sent to the host."""
    return [
        {
            **{name: entry[name] for name in _KEPT if name in entry},
            "columns": [{"schema": x["schema"], "table": x["table"]} for x in entry.get("columns") or []],
            **({"message": entry.get("message")} if entry.get("last_value") is None else {}),
        }
        for entry in entries
    ]


def read(path: Path) -> list[Entry]:
    """Read a reference from the controller.

    :arg path: a ``report.json``, or what ``pg_sequence_info`` returned, as JSON or YAML
    :returns: the entries
    :raises FileFault: it cannot be the reference
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise FileFault(f"pg_sequences_reference_file: cannot read {path} as user {user()}: {why}") from None
    try:
        found = json.loads(text) if text.lstrip()[:1] in ("{", "[") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise FileFault(f"pg_sequences_reference_file: {path} is neither JSON nor YAML: {_first_line(error)}") from None
    if isinstance(found, dict) and "schema_version" in found:
        return _of_report(path, found)
    if isinstance(found, dict) and isinstance(found.get("sequences"), list):
        _refuse_part(path, found.get("summary"), found["sequences"])
        found = found["sequences"]
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise FileFault(
            f"pg_sequences_reference_file: {path} is neither a report.json nor what pg_sequence_info returned; {_ALL}"
        )
    return found


def _of_report(path: Path, report: Entry) -> list[Entry]:
    version = report["schema_version"]
    if version != SCHEMA_VERSION:
        raise FileFault(
            f"pg_sequences_reference_file: {path} is a report of version {version}, and this collection reads version"
            f" {SCHEMA_VERSION}; {_ALL}"
        )
    hosts = [one["name"] for one in report["hosts"] if one["summary"]]
    if len(hosts) > 1:
        raise FileFault(
            f"pg_sequences_reference_file: {path} is of {len(hosts)} hosts ({', '.join(hosts[:5])}); make one of the source alone,"
            " with --limit"
        )
    if not hosts:
        raise FileFault(f"pg_sequences_reference_file: {path} is of no host that was audited")
    if report["run"]["check_mode"] and report["changes"]:
        raise FileFault(
            f"pg_sequences_reference_file: {path} was made in check mode and holds where sequences would have been; {_ALL}"
        )
    entries = [{**entry} for entry in report["sequences"] if entry["host"] == hosts[0]]
    (summary,) = (one["summary"] for one in report["hosts"] if one["name"] == hosts[0])
    _refuse_part(path, summary, entries)
    for entry in entries:
        del entry["host"]
    return entries


def _refuse_part(path: Path, summary: t.Any, entries: list[Entry]) -> None:
    if isinstance(summary, dict) and summary.get("total") != len(entries):
        raise FileFault(
            f"pg_sequences_reference_file: {path} lists {len(entries)} of {summary.get('total')} sequences, so the others could not be"
            f" compared; {_ALL}"
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
