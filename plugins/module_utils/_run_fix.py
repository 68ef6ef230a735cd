# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The way of ``pg_sequence_fix``: as an audit, with the repair between judging and reporting."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils import _repair, _report
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import STRUCTURAL, UNKNOWN
from ansible_collections.pgops.sequences.plugins.module_utils._run import find_databases, for_each, warn_if_nothing

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.pgops.sequences.plugins.module_utils._audit import Database


def run_fix(module: AnsibleModule) -> None:
    """Audit, repair and exit; with something left unfixed, fails after everything else is done."""
    databases = find_databases(module)
    options = _repair.Options.of(module.params)
    repair = _repair.predict if module.check_mode else _repair.repair
    done: dict[str, tuple[list[_repair.Change], list[_repair.Unfixed]]] = {}

    def work(database: Database) -> None:
        if not database.error:
            database.error = _refused(database)
        if not database.error:
            done[database.name] = repair(database, options)

    for_each(databases, work, module.params["jobs"])
    for database in databases:
        if database.in_recovery or (database.error and len(databases) == 1 and database.name not in done):
            module.fail_json(msg=database.error)
        _warn_structural(module, database)
    changes = [change for database in databases for change in done.get(database.name, ((), ()))[0]]
    unfixed = [left for database in databases for left in done.get(database.name, ((), ()))[1]]
    warn_if_nothing(module, databases)
    result = {
        "changed": bool(changes),
        "changes": [_report.change_result(change) for change in changes],
        "not_fixed": [_report.unfixed_result(left) for left in unfixed],
        "selection": _report.selection_result(module.params),
        **_report.audit_result(databases, module.params["show_all"]),
    }
    if module._diff:
        result["diff"] = _report.fix_diff(changes)
    failures = _failures(databases, result)
    if failures and module.params["fail_on_unfixed"]:
        made = f"{len(changes)} sequence(s) {'would be' if module.check_mode else 'were'} repaired"
        module.fail_json(msg=f"{made}, but {failures}", **result)
    module.exit_json(**result)


def _refused(database: Database) -> str | None:
    """Why nothing can be repaired in a database, or None."""
    if not (database.in_recovery or database.read_only):
        return None
    what = "the server is a standby" if database.in_recovery else "default_transaction_read_only is on"
    refused = f'sequences of database "{database.name}" cannot be repaired: {what}. Nothing was changed in it'
    return f"{refused}. Run it on the primary" if database.in_recovery else refused


def _warn_structural(module: AnsibleModule, database: Database) -> None:
    for finding in database.findings.values():
        if finding.verdict.status == UNKNOWN and STRUCTURAL.intersection(finding.verdict.reasons):
            name = f"{finding.sequence.schema}.{finding.sequence.name}"
            module.warn(f'{name} in database "{database.name}" could not be judged: {_report.message_of(finding)}')


def _failures(databases: list[Database], result: dict[str, t.Any]) -> str:
    """What is left, in one sentence; empty where nothing is."""
    parts = []
    if result["not_fixed"]:
        first = result["not_fixed"][0]
        parts.append(
            f"{len(result['not_fixed'])} could not be. First: {first['schema']}.{first['name']} in database"
            f' "{first["database"]}": {first["message"]}. Remedy: {first["remedy"]}'
        )
    parts += [database.error for database in databases if database.error]
    return "; ".join(parts)
