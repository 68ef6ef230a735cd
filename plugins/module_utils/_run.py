# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The way a module goes: options, databases, audit, result."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.pgops.sequences.plugins.module_utils import _audit, _report
from ansible_collections.pgops.sequences.plugins.module_utils._arguments import OptionError, check_values
from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import SelectionError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import DRIVER_IMPORT_ERROR, driver
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import target_of

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from ansible.module_utils.basic import AnsibleModule


def run_info(module: AnsibleModule) -> None:
    """Audit and exit; fails for bad options or a login database that cannot be entered, never for a finding."""
    databases = find_databases(module)

    def look(database: _audit.Database) -> None:
        if not database.error:
            database.look()

    for_each(databases, look, module.params["jobs"])
    for database in databases:
        if database.error:
            module.warn(database.error)
    warn_if_nothing(module, databases)
    module.exit_json(
        changed=False,
        selection=_report.selection_result(module.params),
        **_report.audit_result(databases, module.params["show_all"]),
    )


def find_databases(module: AnsibleModule) -> list[_audit.Database]:
    """Take the options and find the databases asked for; fails for what cannot be meant, before anything is touched."""
    try:
        check_values(module.params, module.check_mode)
        if driver is None:
            module.fail_json(msg=missing_required_lib("psycopg2"), exception=DRIVER_IMPORT_ERROR)
        target = target_of(module.params)
        options = _audit.Options.of(module.params)
        return _audit.enter_all(target, module.params["login_db"], module.params["databases"] or None, options)
    except (OptionError, ConnectError, SelectionError) as error:
        module.fail_json(msg=str(error))
        raise AssertionError("fail_json returned") from error


def for_each(databases: list[_audit.Database], work: Callable[[_audit.Database], None], jobs: int) -> None:
    """Enter databases, work on each and leave it; a few at the same time where there are several.

    :arg work: is given each database; its :attr:`error` says whether it could be entered
    """

    def run(database: _audit.Database) -> None:
        database.enter()
        try:
            work(database)
        finally:
            database.leave()

    if len(databases) < 2:
        for database in databases:
            run(database)
        return
    # Most tasks have one database: they need not wait for this import.
    from concurrent.futures import ThreadPoolExecutor

    # While one database answers, the next is connected to.
    with ThreadPoolExecutor(jobs + 1) as pool:
        for _unused in pool.map(run, databases):
            pass


def warn_if_nothing(module: AnsibleModule, databases: list[_audit.Database]) -> None:
    """A glob that fits nothing is no error, but a watch that watches nothing should not pass for one that does."""
    chosen = [name for name in ("databases", "schemas", "tables", "sequences") if module.params[name]]
    if chosen and not any(database.findings or database.quiet or database.error for database in databases):
        where = ", ".join(f'"{database.name}"' for database in databases[:5]) or "no database"
        module.warn(f"no sequence was looked at: nothing in {where} fits {', '.join(chosen)}")
