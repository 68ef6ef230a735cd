# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A file in, the sequences out that a cut-over may take for its reference: a report of this collection, or a module's result."""

from __future__ import annotations

import json
import stat
import typing as t

import yaml

from ansible_collections.pgops.sequences.plugins.module_utils._reference.reference import (
    ReferenceFault,
    reference_of,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import SCHEMA_VERSION
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import user

if t.TYPE_CHECKING:
    from pathlib import Path

    Entry = dict[str, t.Any]

_KEPT = (
    *("database", "schema", "name", "data_type", "start_value", "increment", "min_value", "max_value", "cycle"),
    *("cache_size", "owner", "last_value", "is_called"),
)
_ALL = "make it again with pg_sequences_show_all=true, by the playbook pgops.sequences.check"
_NAME = "pg_sequences_reference_file"

_MOST_BYTES, _MOST_YAML = 256 * 2**20, 16 * 2**20
"""What a file may have: a report has about a thousand bytes for each sequence. YAML takes a second for each of its millions."""


class FileFault(Exception):
    """A file that cannot be the reference; the text says why, and what would be right."""


def read(path: Path) -> list[Entry]:
    """Read a reference from the controller.

    :arg path: a ``report.json``, or what ``pg_sequence_info`` returned, as JSON or YAML
    :returns: the entries, with no more than the option ``reference`` needs
    :raises FileFault: it cannot be the reference
    """
    found = _parsed(path, _text(path))
    if isinstance(found, dict) and "schema_version" in found:
        found = _of_report(path, found)
    elif isinstance(found, dict) and isinstance(found.get("positions"), str):
        found = _parsed(path, found["positions"])
    elif isinstance(found, dict) and isinstance(found.get("sequences"), list):
        _refuse_part(path, found.get("summary"), found["sequences"])
        found = found["sequences"]
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise FileFault(f"{_NAME}: {path} is neither a report.json nor what pg_sequence_info returned; {_ALL}")
    try:
        reference_of(found, None)
    except ReferenceFault as error:
        raise FileFault(f"{_NAME}: {path}: {error}") from None
    return [_slim(entry) for entry in found]


def _slim(entry: Entry) -> Entry:
    kept = {name: entry[name] for name in _KEPT if name in entry}
    columns = entry.get("columns")
    tables = [x for x in columns if isinstance(x, dict)] if isinstance(columns, list) else []
    kept["columns"] = [{"schema": x.get("schema"), "table": x.get("table")} for x in tables]
    if entry.get("last_value") is None:
        kept.update(message=entry.get("message"), remedy=entry.get("remedy"))
    return kept


def _text(path: Path) -> str:
    try:
        status = path.stat()
        # Opening a pipe would wait for somebody to write into it.
        if not stat.S_ISREG(status.st_mode):
            raise FileFault(f"{_NAME}: {path} is no file")
        if status.st_size > _MOST_BYTES:
            raise FileFault(f"{_NAME}: {path} has {status.st_size} bytes, and no report is larger than {_MOST_BYTES}")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise FileFault(f"{_NAME}: cannot read {path} as user {user()}: {why}") from None


def _parsed(path: Path, text: str) -> t.Any:
    try:
        if text.lstrip()[:1] in ("{", "["):
            return json.loads(text)
        if len(text) > _MOST_YAML:
            raise ValueError(f"it has {len(text)} letters, and is no JSON")
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except RecursionError:
        raise FileFault(f"{_NAME}: {path} is nested deeper than any report; {_ALL}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise FileFault(f"{_NAME}: {path} is neither JSON nor YAML: {_first_line(error)}") from None


def _of_report(path: Path, report: Entry) -> list[Entry]:
    version = report["schema_version"]
    if version != SCHEMA_VERSION:
        shown = version if isinstance(version, int) else "no number"
        raise FileFault(
            f"{_NAME}: {path} is a report of version {shown}, and this collection reads version {SCHEMA_VERSION}; {_ALL}"
        )
    run, listed, entries = report.get("run"), _dicts(report.get("hosts")), _dicts(report.get("sequences"))
    if (
        not isinstance(run, dict)
        or listed is None
        or entries is None
        or not all("name" in one and isinstance(one.get("summary"), (dict, type(None))) for one in listed)
    ):
        raise FileFault(f"{_NAME}: {path} is a report that lacks parts of it; {_ALL}")
    hosts = [one for one in listed if one["summary"]]
    if len(hosts) > 1:
        names = ", ".join(str(one["name"]) for one in hosts[:5])
        raise FileFault(
            f"{_NAME}: {path} is of {len(hosts)} hosts ({names}); make one of the source alone, with --limit"
        )
    if not hosts:
        raise FileFault(f"{_NAME}: {path} is of no host that was audited")
    if run.get("check_mode") and report.get("changes"):
        raise FileFault(f"{_NAME}: {path} was made in check mode and holds where sequences would have been; {_ALL}")
    kept = [entry for entry in entries if entry.get("host") == hosts[0]["name"]]
    _refuse_part(path, hosts[0]["summary"], kept)
    return kept


def _dicts(value: t.Any) -> list[Entry] | None:
    """A list of dictionaries; None where it is none."""
    return value if isinstance(value, list) and all(isinstance(each, dict) for each in value) else None


def _refuse_part(path: Path, summary: t.Any, entries: list[Entry]) -> None:
    if isinstance(summary, dict) and summary.get("total") != len(entries):
        raise FileFault(
            f"{_NAME}: {path} lists {len(entries)} of {str(summary.get('total'))[:20]} sequences, so the others could not be"
            f" compared; {_ALL}"
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
