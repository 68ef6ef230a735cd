# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Findings that were judged by a reference in, what was compared with what out: counts of both sides that add up."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.patterns import selected
from ansible_collections.pgops.sequences.plugins.module_utils._reference.differences import (
    alignment,
    counts_alike,
    creation,
)

if t.TYPE_CHECKING:
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._audit.pipeline import Audited
    from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import Selection
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Compared
    from ansible_collections.pgops.sequences.plugins.module_utils._reference.reference import Referred

    Dict = dict[str, t.Any]


def comparison_of(several: List[Audited]) -> Dict | None:
    """What was compared with what (docs/rules.md, section 6).

    ``given`` is ``compared + unreadable + only_there + not_selected + other_databases``, and the number of sequences
    looked at is ``compared + unreadable + only_here``.

    :arg several: the databases asked for
    :returns: None without a reference
    """
    reference = several[0].database.options.rules.reference if several else None
    if reference is None:
        return None
    only_here: list[Dict] = []
    only_there: list[Dict] = []
    standing_ahead: list[Dict] = []
    otherwise: list[Dict] = []
    counts = dict.fromkeys(("compared", "unreadable", "behind", "ahead", "equal", "differs", "not_selected"), 0)
    seen = 0
    for audited in several:
        name, selection = audited.database.name, audited.database.options.selection
        there = reference.of_database(name)
        seen += len(there)
        if audited.database.error:
            # Nothing is known of what it holds.
            counts["unreadable"] += len(there)
            continue
        matched = set()
        for finding in sorted(audited.found.findings.values(), key=lambda finding: finding.place):
            if finding.verdict.reference is None:
                only_here.append(_place(name, finding.place))
            else:
                matched.add(finding.place)
                if _count(counts, finding, finding.verdict.reference):
                    standing_ahead.append(_ahead(name, finding, finding.verdict.reference))
                if finding.verdict.reference.differences or finding.verdict.reference.notes:
                    otherwise.append(_otherwise(name, finding, finding.verdict.reference))
        for entry in there:
            if (entry.schema, entry.name) in matched:
                continue
            if _is_wanted(selection, entry):
                only_there.append({**_place(name, (entry.schema, entry.name)), "statement": creation(entry)})
            else:
                counts["not_selected"] += 1
    return {
        "given": len(reference.entries),
        **counts,
        "other_databases": len(reference.entries) - seen,
        "only_here": only_here,
        "only_there": only_there,
        "standing_ahead": standing_ahead,
        "defined_otherwise": otherwise,
    }


def compared_result(compared: Compared | None, finding: Finding) -> Dict | None:
    """How a sequence stood elsewhere: its entry's ``reference``."""
    if compared is None:
        return None
    entry = compared.entry
    return {
        "database": entry.database,
        "last_value": entry.state.last_value if entry.state else None,
        "is_called": entry.state.is_called if entry.state else None,
        "next_value": entry.next_value,
        "differences": _differences(compared),
        "statement": alignment(finding.sequence, (*compared.differences, *compared.notes), entry),
    }


def nothing_compared(comparison: Dict | None) -> str:
    """Why a comparison is none, in a sentence; empty where something was compared, or nothing was to be."""
    if comparison is None or comparison["compared"] or comparison["unreadable"]:
        return ""
    return (
        f"nothing was compared: of {comparison['given']} sequences of the reference none is among the"
        f" {len(comparison['only_here'])} that were looked at ({len(comparison['only_there'])} are only there,"
        f" {comparison['not_selected']} not selected, {comparison['other_databases']} of other databases)"
    )


def _count(counts: Dict, finding: Finding, compared: Compared) -> bool:
    """Count a pair; return whether the one here stands ahead."""
    here, there = finding.verdict.next_value, compared.entry.next_value
    counts["differs"] += bool(compared.differences)
    # Of two that count in opposite directions neither is ahead.
    if here is None or there is None or not counts_alike(finding.sequence, compared.entry):
        counts["unreadable"] += 1
        return False
    counts["compared"] += 1
    if "behind_reference" in finding.verdict.reasons:
        counts["behind"] += 1
        return False
    # One that is about to begin again has a next value beyond its bounds here.
    equal = here == there or finding.observation.state == compared.entry.state
    counts["equal" if equal else "ahead"] += 1
    return not equal


def _ahead(database: str, finding: Finding, compared: Compared) -> Dict:
    values = {"next_value": finding.verdict.next_value, "reference_next_value": compared.entry.next_value}
    return {**_place(database, finding.place), **values}


def _otherwise(database: str, finding: Finding, compared: Compared) -> Dict:
    result = compared_result(compared, finding) or {}
    return {**_place(database, finding.place), "differences": result["differences"], "statement": result["statement"]}


def _differences(compared: Compared) -> list[Dict]:
    return [difference._asdict() for difference in (*compared.differences, *compared.notes)]


def _is_wanted(selection: Selection, entry: Referred) -> bool:
    """Whether a sequence that is not here would have been looked at."""
    schemas = [(entry.schema,), *((schema,) for schema, _table in entry.tables)]
    tables = [(table, f"{schema}.{table}") for schema, table in entry.tables]
    return (
        any(selected(selection.schemas, names) for names in schemas)
        and (not selection.tables or any(selected(selection.tables, names) for names in tables))
        and selected(selection.sequences, (entry.name, f"{entry.schema}.{entry.name}"))
    )


def _place(database: str, place: tuple[str, str]) -> Dict:
    return {"database": database, "schema": place[0], "name": place[1]}
