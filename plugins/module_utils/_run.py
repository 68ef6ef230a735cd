# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The way both modules go: options, databases, audit; ``pg_sequence_fix`` forks off at the last step."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.pgops.sequences.plugins.module_utils import _audit, _connect, _judge, _repair, _report
from ansible_collections.pgops.sequences.plugins.module_utils._arguments import OptionError, check_values
from ansible_collections.pgops.sequences.plugins.module_utils._discover import SelectionError

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def _warn_if_nothing(module: AnsibleModule, databases: list[_audit.Database]) -> None:
    """A glob that fits nothing is no error, but a watch that watches nothing should not pass for one that does."""
    chosen = [name for name in ("databases", "schemas", "tables", "sequences") if module.params[name]]
    if chosen and not any(database.findings or database.error for database in databases):
        where = ", ".join(f'"{database.name}"' for database in databases[:5]) or "no database"
        module.warn(f"no sequence was looked at: nothing in {where} fits {', '.join(chosen)}")


def run_info(module: AnsibleModule) -> None:
    """Audit and exit; fails for bad options or a login database that cannot be entered, never for a finding."""
    databases = _enter(module)
    for database in databases:
        if not database.error:
            database.look()
        database.leave()
        if database.error:
            module.warn(database.error)
    _warn_if_nothing(module, databases)
    module.exit_json(changed=False, **_report.audit_result(databases, module.params["show_all"]))


def run_fix(module: AnsibleModule) -> None:
    """Audit, repair and exit; with something left unfixed, fails after everything else is done."""
    databases = _enter(module)
    for database in databases:
        if not database.error and (database.in_recovery or database.session.read_only):
            what = "the server is a standby" if database.in_recovery else "default_transaction_read_only is on"
            refused = f'sequences of database "{database.name}" cannot be repaired: {what}. Nothing was changed in it'
            if len(databases) == 1 or database.in_recovery:
                module.fail_json(msg=f"{refused}. Run it on the primary" if database.in_recovery else refused)
            database.error = refused
    options = _repair.Options.of(module.params)
    changes: list[_repair.Change] = []
    unfixed: list[_repair.Unfixed] = []
    for database in databases:
        if not database.error:
            database.look()
        if not database.error:
            made, left = (_repair.predict if module.check_mode else _repair.repair)(database, options)
            changes += made
            unfixed += left
            _warn_structural(module, database)
        database.leave()
    _warn_if_nothing(module, databases)
    result = {
        "changed": bool(changes),
        "changes": [_report.change_result(change) for change in changes],
        "not_fixed": [_report.unfixed_result(left) for left in unfixed],
        **_report.audit_result(databases, module.params["show_all"]),
    }
    if module._diff:
        result["diff"] = _report.fix_diff(changes)
    failures = _failures(databases, result)
    if failures and module.params["fail_on_unfixed"]:
        done = f"{len(changes)} sequence(s) {'would be' if module.check_mode else 'were'} repaired"
        module.fail_json(msg=f"{done}, but {failures}", **result)
    module.exit_json(**result)


def _enter(module: AnsibleModule) -> list[_audit.Database]:
    try:
        check_values(module.params, module.check_mode)
        if _connect.driver is None:
            module.fail_json(msg=missing_required_lib("psycopg2"), exception=_connect.DRIVER_IMPORT_ERROR)
        target = _connect.target_of(module.params)
        options = _audit.Options.of(module.params)
        return _audit.enter_all(target, module.params["login_db"], module.params["databases"] or None, options)
    except (OptionError, _connect.ConnectError, SelectionError) as error:
        module.fail_json(msg=str(error))
        raise AssertionError("fail_json returned") from error


def _warn_structural(module: AnsibleModule, database: _audit.Database) -> None:
    for finding in database.findings.values():
        if finding.verdict.status == _judge.UNKNOWN and _judge.STRUCTURAL.intersection(finding.verdict.reasons):
            name = f"{finding.sequence.schema}.{finding.sequence.name}"
            module.warn(f'{name} in database "{database.name}" could not be judged: {_report.message_of(finding)}')


def _failures(databases: list[_audit.Database], result: dict[str, t.Any]) -> str:
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
