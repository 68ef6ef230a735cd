# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The way of ``pg_sequence_fix``: as an audit, with the repair, or what it would do, before the result."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._audit.pipeline import Audited, look
from ansible_collections.pgops.sequences.plugins.module_utils._comparison import nothing_compared
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import STRUCTURAL, UNKNOWN
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier, readable
from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Repaired
from ansible_collections.pgops.sequences.plugins.module_utils._repair.predict import predict
from ansible_collections.pgops.sequences.plugins.module_utils._results import (
    audit_result,
    change_result,
    fix_diff,
    selection_result,
    unfixed_result,
)
from ansible_collections.pgops.sequences.plugins.module_utils._run import find_databases, for_each, warn_if_nothing
from ansible_collections.pgops.sequences.plugins.module_utils._run_repair import repair
from ansible_collections.pgops.sequences.plugins.module_utils._sentences import message_of

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.pgops.sequences.plugins.module_utils._audit.database import Database
    from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Change


def run_fix(module: AnsibleModule) -> None:
    """Audit, repair and exit; with something left unfixed, fails after everything else is done."""

    def work(database: Database) -> Repaired:
        error = database.error or _refused(database)
        if error:
            return Repaired(Audited(database._replace(error=error, entered=None)))
        return predict(look(database)) if module.check_mode else repair(database, module.params["retries"])

    repaired = for_each(find_databases(module), work, module.params["jobs"])
    audits = [one.audited for one in repaired]
    for audited in audits:
        database = audited.database
        if database.error and (database.in_recovery or (len(audits) == 1 and not database.entered)):
            module.fail_json(msg=database.error)
        _warn_structural(module, audited)
    changes = [change for one in repaired for change in one.changes]
    _warn_of_refresh(module, changes)
    warn_if_nothing(module, audits)
    result = {
        "changed": bool(changes),
        "changes": [change_result(change) for change in changes],
        "not_fixed": [unfixed_result(left) for one in repaired for left in one.unfixed],
        "selection": selection_result(module.params),
        **audit_result(audits, module.params["show_all"]),
    }
    nothing = nothing_compared(result["comparison"])
    if nothing:
        module.fail_json(msg=nothing, **result)
    if module._diff:
        result["diff"] = fix_diff(changes)
    failures = _failures(audits, result)
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
    if database.in_recovery:
        return f"{refused}. Run it on the primary"
    name = quote_identifier(database.name)
    cure = f"SET default_transaction_read_only = off; ALTER DATABASE {name} RESET default_transaction_read_only;"
    return f"{refused}. Where it was set for the database: {cure}"


def _warn_structural(module: AnsibleModule, audited: Audited) -> None:
    for finding in audited.found.findings.values():
        if finding.verdict.status == UNKNOWN and STRUCTURAL.intersection(finding.verdict.reasons):
            name = f'{finding.sequence.schema}.{finding.sequence.name} in database "{audited.database.name}"'
            module.warn(f"{name} could not be judged: {message_of(finding)}")


def _warn_of_refresh(module: AnsibleModule, changes: list[Change]) -> None:
    """Tell of moves that the next REFRESH SEQUENCES of a subscription undoes."""
    by_subscription: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        if change.subscription and change.subscription.keeps:
            by_subscription.setdefault((change.database, change.subscription.name), []).append(change)
    for (database, name), several in by_subscription.items():
        moved = "would be moved" if module.check_mode else "moved"
        waiting = sum(bool(change.subscription and change.subscription.waits) for change in several)
        soon = f", and {waiting} of them as soon as it can, since they are not synchronized yet" if waiting else ""
        module.warn(
            f'{len(several)} sequence(s) {moved} in database "{database}" that the subscription {name} keeps, first'
            f" {readable(several[0].schema, several[0].name)}: its next REFRESH SEQUENCES sets them back to the publisher's values{soon}."
            " Repair the publisher as well, or drop the subscription where it has done its work"
        )


def _failures(audits: list[Audited], result: dict[str, t.Any]) -> str:
    """What is left, in one sentence; empty where nothing is."""
    parts = []
    if result["not_fixed"]:
        first = result["not_fixed"][0]
        parts.append(
            f"{len(result['not_fixed'])} could not be. First: {first['schema']}.{first['name']} in database"
            f' "{first["database"]}": {first["message"]}. Remedy: {first["remedy"]}'
        )
    parts += [audited.database.error for audited in audits if audited.database.error]
    return "; ".join(parts)
