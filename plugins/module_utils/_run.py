# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The way both modules go: options, databases, audit or repair, result."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.pgops.sequences.plugins.module_utils._activity import activity_of
from ansible_collections.pgops.sequences.plugins.module_utils._arguments import OptionError, check_values
from ansible_collections.pgops.sequences.plugins.module_utils._audit.database import enter, enter_all, leave
from ansible_collections.pgops.sequences.plugins.module_utils._audit.options import AuditOptions
from ansible_collections.pgops.sequences.plugins.module_utils._audit.pipeline import look
from ansible_collections.pgops.sequences.plugins.module_utils._comparison import nothing_compared
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import SelectionError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import DRIVER_IMPORT_ERROR, driver
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import target_of
from ansible_collections.pgops.sequences.plugins.module_utils._reference.reference import (
    ReferenceFault,
    refuse_strangers,
)
from ansible_collections.pgops.sequences.plugins.module_utils._results import (
    audit_result,
    positions_result,
    selection_result,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.pgops.sequences.plugins.module_utils._audit.database import Database
    from ansible_collections.pgops.sequences.plugins.module_utils._audit.pipeline import Audited

T = t.TypeVar("T")


_REALIGN = (
    "mode: realign goes back to what rows show, and a reference says what they do not show: use one or the other."
    " Nothing was connected to or changed"
)


def run_info(module: AnsibleModule) -> None:
    """Audit and exit; fails for bad options or a login database that cannot be entered, never for a finding."""
    audits = for_each(find_databases(module), look, module.params["jobs"])
    for audited in audits:
        if audited.database.error:
            module.warn(audited.database.error)
    if module.params["positions"]:
        result = positions_result(audits)
    else:
        warn_if_nothing(module, audits)
        result = audit_result(audits, module.params["show_all"])
    nothing = nothing_compared(result.get("comparison"))
    if nothing:
        module.fail_json(msg=nothing)
    if module.params["activity"]:
        result["activity"] = _activity(module, [audited.database.name for audited in audits])
    module.exit_json(changed=False, selection=selection_result(module.params), **result)


def _activity(module: AnsibleModule, databases: list[str]) -> dict[str, t.Any]:
    params = module.params
    try:
        with Session(
            target_of(params), params["login_db"], params["lock_timeout"], params["statement_timeout"]
        ) as session:
            return activity_of(session, databases)
    except (ConnectError, DatabaseError) as error:
        module.fail_json(msg=f"what happens on the server could not be read: {error}")
        raise AssertionError("fail_json returned") from error


def find_databases(module: AnsibleModule) -> list[Database]:
    """Take the options and find the databases asked for; fails for what cannot be meant, before anything is touched."""
    try:
        reference = getattr(module, "reference", None)
        check_values(module.params, module.check_mode)
        if reference is not None and module.params.get("mode") == "realign":
            raise OptionError(_REALIGN)
        if driver is None:
            module.fail_json(msg=missing_required_lib("psycopg2"), exception=DRIVER_IMPORT_ERROR)
        target, options = target_of(module.params), AuditOptions.of(module.params, reference)
        found = enter_all(target, module.params["login_db"], module.params["databases"] or None, options)
        if options.rules.reference:
            refuse_strangers(options.rules.reference, [database.name for database in found])
        return found
    except (OptionError, ConnectError, SelectionError, ReferenceFault) as error:
        module.fail_json(msg=str(error))
        raise AssertionError("fail_json returned") from error


def for_each(databases: list[Database], work: Callable[[Database], T], jobs: int) -> list[T]:
    """Enter databases, work on each and leave it; a few at the same time where there are several.

    :arg work: is given each database; its ``error`` says whether it could be entered
    :returns: what ``work`` returned, in the databases' order
    """

    def run(database: Database) -> T:
        database = enter(database)
        try:
            return work(database)
        finally:
            leave(database)

    if len(databases) < 2:
        return [run(database) for database in databases]
    # Most tasks have one database: they need not wait for this import.
    from concurrent.futures import ThreadPoolExecutor

    # Each has a session of its own, and no more than its share of those that one task may have.
    with ThreadPoolExecutor(min(jobs, len(databases))) as pool:
        return list(pool.map(run, databases))


def warn_if_nothing(module: AnsibleModule, audits: list[Audited]) -> None:
    """A glob that fits nothing is no error, but a watch that watches nothing should not pass for one that does."""
    chosen = [name for name in ("databases", "schemas", "tables", "sequences") if module.params[name]]
    if chosen and not any(x.found.findings or x.found.quiet or x.database.error for x in audits):
        where = ", ".join(f'"{x.database.name}"' for x in audits[:5]) or "no database"
        module.warn(f"no sequence was looked at: nothing in {where} fits {', '.join(chosen)}")
