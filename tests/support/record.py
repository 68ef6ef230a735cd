# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what was tried: ``make cores`` and ``make matrix`` write it, and the tables of the README are made of it alone.

As a program it makes the tables anew: ``record.py``.
"""

from __future__ import annotations

import datetime
import itertools
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "support.json"
README = ROOT / "README.md"

_MARKS = ("<!-- What follows is written by make cores and make matrix. -->", "<!-- So far. -->")
_STEPS = {"sanity": "sanity", "unit": "unit tests", "targets": "targets", "playbooks": "playbooks"}


def read(path: Path = RECORD) -> dict[str, dict[str, Any]]:
    """The rows by ``cores`` and ``servers``, each by its name."""
    return json.loads(path.read_text()) if path.exists() else {"cores": {}, "servers": {}}


def keep(kind: str, name: str, row: dict[str, Any] | None, path: Path = RECORD, readme: Path = README) -> None:
    """Keep a row and make the tables anew; None, for a run that failed, takes away what an earlier one proved.

    :arg kind: ``cores`` or ``servers``
    """
    record = read(path)
    record[kind].pop(name, None)
    if row is not None:
        record[kind][name] = {**row, "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat()}
    record[kind] = dict(sorted(record[kind].items(), key=lambda item: _in_order(item[0])))
    path.write_text(json.dumps(record, indent=2) + "\n")
    readme.write_text(with_tables(readme.read_text(), record))


def with_tables(text: str, record: dict[str, dict[str, Any]]) -> str:
    """A text with its tables as the record has them.

    :raises ValueError: the marks between which they stand are not there
    """
    begin, end = _MARKS
    head, found, rest = text.partition(begin)
    _old, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError("README.md has no place for the tables")
    return "\n".join([head + begin, "", *_tables(record), "", end + tail])


def _tables(record: dict[str, dict[str, Any]]) -> list[str]:
    lines = [f"| ansible-core | Python | {' | '.join(_STEPS.values())} | on |", "|---" * (len(_STEPS) + 3) + "|"]
    for row in record["cores"].values():
        steps = " | ".join("cannot be installed yet" if row[s] == "no install" else row[s] for s in _STEPS)
        lines.append(f"| {row['release']} | {row['python']} | {steps} | {row['date']} |")
    lines += ["", "| PostgreSQL | Python | driver | passed on each | of | on |", "|---|---|---|---|---|---|"]
    by = itertools.groupby(record["servers"].values(), key=lambda row: (row["python"], row["driver"], row["tests"]))
    for (python, driver, of), found in by:
        rows = list(found)
        counts, dates = sorted(row["passed"] for row in rows), sorted(row["date"] for row in rows)
        passed = str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
        releases = ", ".join(row["release"] for row in rows)
        lines.append(f"| {releases} | {python} | {driver} | {passed} | {of} | {dates[-1]} |")
    return lines


def _in_order(name: str) -> list[tuple[int, Any]]:
    """Names in the order in which people count."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name)]


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(), read()))
