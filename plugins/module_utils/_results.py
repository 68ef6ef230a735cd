# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Findings and changes in, the results users see out: dictionaries and the diff (contract, sections 3 and 4)."""

from __future__ import annotations

import collections
import json
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._comparison import compared_result, comparison_of
from ansible_collections.pgops.sequences.plugins.module_utils._judge.remedies import entries_of
from ansible_collections.pgops.sequences.plugins.module_utils._judge.targets import state_for
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import QUIET, SKIPPED, STATUSES
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_literal
from ansible_collections.pgops.sequences.plugins.module_utils._repair.statements import setval
from ansible_collections.pgops.sequences.plugins.module_utils._sentences import message_of, unfixed_message_of

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Sequence as List

    from ansible_collections.pgops.sequences.plugins.module_utils._audit.pipeline import Audited
    from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding
    from ansible_collections.pgops.sequences.plugins.module_utils._model import State, Subscription
    from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Change, Unfixed

    Dict = dict[str, t.Any]


def summary_of(several: Iterable[Audited]) -> Dict:
    """Count sequences by status; ``total`` is their sum."""
    counts: collections.Counter[str] = collections.Counter()
    for audited in several:
        counts.update(status for status, _reasons in audited.found.quiet.values())
        counts.update(finding.verdict.status for finding in audited.found.findings.values())
    return {"total": sum(counts.values()), **{status: counts[status] for status in STATUSES}}


def skipped_of(audited: Audited) -> Dict:
    """How many were not judged, by kind: ``suspected`` are those of no column that may feed one that is ahead."""
    several = [*audited.found.quiet.values()]
    several += [(finding.verdict.status, finding.verdict.reasons) for finding in audited.found.findings.values()]
    kinds = [reasons[-1] for status, reasons in several if status == SKIPPED]
    kinds += ["suspected" for status, reasons in several if status != SKIPPED and "suspected" in reasons]
    return dict(sorted(collections.Counter(kinds).items()))


def suspected_of(audited: Audited) -> list[Dict]:
    """All suspicions of a database as entries of ``columns``, to be confirmed."""
    findings = sorted(audited.found.findings.values(), key=lambda finding: finding.place)
    return [entry for finding in findings if finding.may_feed_more for entry in entries_of(finding.observation)]


def audit_result(several: List[Audited], show_all: bool) -> Dict:
    """The part of the result that both modules share (contract, section 3).

    :arg several: the databases asked for
    :arg show_all: list every sequence, not only those that need a look
    """
    return {
        "server": next((audited.database.server for audited in several if audited.database.server), None),
        "summary": {"databases": len(several), **summary_of(several)},
        "databases": [
            {
                "name": audited.database.name,
                "server_version": audited.database.server_version,
                "in_recovery": audited.database.in_recovery,
                "error": audited.database.error,
                "subscriptions": _subscriptions(audited),
                "summary": summary_of([audited]),
                "skipped": skipped_of(audited),
                "suspected": suspected_of(audited),
                "not_covered": list(audited.database.entered.suspects.counters) if audited.database.entered else [],
            }
            for audited in several
        ],
        "sequences": [
            sequence_result(finding)
            for audited in several
            for finding in sorted(audited.found.findings.values(), key=lambda finding: finding.place)
            if show_all or finding.verdict.status not in QUIET
        ],
        "comparison": comparison_of(several),
    }


def positions_result(several: List[Audited]) -> Dict:
    """Where sequences stand, as one text that the option ``reference`` takes: thousands go through Ansible as one value.

    :arg several: the databases asked for, whose rows were not read
    """
    entries = [
        _position(finding)
        for audited in several
        for finding in sorted(audited.found.findings.values(), key=lambda finding: finding.place)
    ]
    databases = [
        {
            "name": audited.database.name,
            "server_version": audited.database.server_version,
            "in_recovery": audited.database.in_recovery,
            "error": audited.database.error,
            "subscriptions": _subscriptions(audited),
        }
        for audited in several
    ]
    server = next((audited.database.server for audited in several if audited.database.server), None)
    return {"server": server, "databases": databases, "positions": json.dumps(entries)}


def _position(finding: Finding) -> Dict:
    sequence, state = finding.sequence, finding.observation.state
    entry = _defined(finding)
    if sequence.columns:
        entry["columns"] = [{"schema": column.schema, "table": column.table} for column in sequence.columns]
    if state is None:
        trouble = finding.observation.trouble
        entry.update(message=trouble.cause if trouble else None, remedy=trouble.remedy if trouble else None)
    return entry


def _defined(finding: Finding) -> Dict:
    """What a sequence is, and where it stands."""
    sequence, state = finding.sequence, finding.observation.state
    return {
        "database": finding.database,
        "schema": sequence.schema,
        "name": sequence.name,
        "data_type": sequence.data_type,
        "start_value": sequence.start_value,
        "increment": sequence.increment,
        "min_value": sequence.min_value,
        "max_value": sequence.max_value,
        "cache_size": sequence.cache_size,
        "cycle": sequence.cycle,
        "owner": sequence.owner,
        "last_value": state.last_value if state else None,
        "is_called": state.is_called if state else None,
    }


def _subscriptions(audited: Audited) -> list[Dict]:
    entered = audited.database.entered
    return [dict(one) for one in entered.choice.subscribed.all] if entered else []


def selection_result(params: Mapping[str, t.Any]) -> Dict:
    """What was looked at, so that results of different runs can be told apart.

    :arg params: the module's options
    """
    selection: Dict = {name: params[name] or [] for name in ("schemas", "tables", "sequences")}
    selection["columns"] = [
        {name: value for name, value in entry.items() if value is not None} for entry in params["columns"] or []
    ]
    return {"databases": params["databases"] or [params["login_db"]], **selection}


def sequence_result(finding: Finding) -> Dict:
    """One entry of ``sequences``."""
    sequence, verdict, fix = finding.sequence, finding.verdict, fix_of(finding)
    return {
        **_defined(finding),
        "columns": _columns_result(finding),
        "next_value": verdict.next_value,
        "furthest_value": verdict.furthest,
        "limit": verdict.limit,
        "gap": verdict.gap,
        "percent_used": verdict.percent_used,
        "status": verdict.status,
        "reasons": list(verdict.reasons),
        "message": message_of(finding),
        "remedy": _remedy(finding, fix),
        "fix": fix,
        "reference": compared_result(verdict.reference, finding),
        "subscription": _subscription_result(sequence.subscription),
    }


def _subscription_result(subscription: Subscription | None) -> Dict | None:
    if subscription is None:
        return None
    return {name: getattr(subscription, name) for name in ("name", "enabled", "state", "keeps")}


def _columns_result(finding: Finding) -> list[Dict]:
    return [
        {
            "schema": column.schema,
            "table": column.table,
            "column": column.name,
            "type": column.type_name,
            "via": ",".join(column.via),
            "indexed": column.indexed,
            "furthest_value": reading.furthest,
            "error": reading.trouble.cause if reading.trouble else None,
        }
        for column, reading in zip(finding.sequence.columns, finding.observation.readings)
    ]


def remedy_of(finding: Finding) -> str | None:
    """What settles it, ready to be copied: as it was decided, or the statement that moves it."""
    return _remedy(finding, fix_of(finding))


def _remedy(finding: Finding, fix: Dict | None) -> str | None:
    return finding.remedy or (fix["statement"] if fix else None)


def fix_of(finding: Finding) -> Dict | None:
    """What would repair it; None where nothing should or can be done."""
    target, sequence = finding.verdict.target, finding.sequence
    if target is None:
        return None
    statement = setval(state_for(sequence, target), f"{quote_literal(sequence.sql_name)}::regclass")
    return {"next_value": target, "statement": f"{statement};"}


def change_result(change: Change) -> Dict:
    """One entry of ``changes``."""
    return {
        "database": change.database,
        "schema": change.schema,
        "name": change.name,
        "reasons": list(change.reasons),
        "method": change.method,
        "before": _state_result(change.increment, change.before),
        "after": _state_result(change.increment, change.after),
        "statement": change.statement,
    }


def unfixed_result(unfixed: Unfixed) -> Dict:
    """One entry of ``not_fixed``."""
    finding = unfixed.finding
    return {
        "database": finding.database,
        "schema": finding.sequence.schema,
        "name": finding.sequence.name,
        "reasons": list(unfixed.reasons),
        "message": unfixed_message_of(unfixed),
        # What went wrong on the way has to be settled first.
        "remedy": unfixed.trouble.remedy if unfixed.trouble else remedy_of(finding) or "run again",
    }


def fix_diff(changes: List[Change]) -> Dict:
    """Before and after of every change, a line each, for ``--diff``."""

    def lines(which: str) -> str:
        return "".join(
            f"{change.database}: {change.schema}.{change.name}"
            f" last_value={state.last_value} is_called={str(state.is_called).lower()}"
            f" next_value={state.next_value(change.increment)}\n"
            for change in changes
            for state in [getattr(change, which)]
        )

    return {
        "before_header": "sequences",
        "after_header": "sequences",
        "before": lines("before"),
        "after": lines("after"),
    }


def _state_result(increment: int, state: State) -> Dict:
    return {
        "last_value": state.last_value,
        "is_called": state.is_called,
        "next_value": state.next_value(increment),
    }
