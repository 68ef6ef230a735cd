# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""Modules of this collection run on the host of a task, with what ``module_defaults`` give the action group."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import (
    audit_arguments,
    connection_arguments,
    info_arguments,
    repair_arguments,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import restore_arguments

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

    Result = dict[str, t.Any]

_OPTIONS = {
    "pg_sequence_info": {*connection_arguments(), *audit_arguments(), *info_arguments()},
    "pg_sequence_fix": {*connection_arguments(), *audit_arguments(), *repair_arguments()},
    "pg_sequence_restore": {*connection_arguments(), *restore_arguments()},
}


class Modules:
    """The modules, as the task of an action runs them; their warnings are put into the task's result.

    :arg action: the action whose task it is
    :arg task_vars: the task's variables
    :arg result: the task's result
    :arg defaults: options that ``module_defaults`` give the action group
    """

    def __init__(self, action: ActionBase, task_vars: Result, result: Result, defaults: Result) -> None:
        self._action = action
        self._task_vars = task_vars
        self._result = result
        self._defaults = defaults

    @property
    def name_a_database(self) -> bool:
        """Whether the defaults name one."""
        return bool({"databases", "login_db"}.intersection(self._defaults))

    def run(self, name: str, options: Result) -> Result:
        """What a module returned.

        :arg name: its short name
        :arg options: its options, before the defaults
        """
        done = t.cast(
            "Result",
            self._action._execute_module(
                module_name=f"pgops.sequences.{name}",
                module_args=self._with_defaults(name, options),
                task_vars=self._task_vars,
            ),
        )
        self._warn(done)
        return done

    def restore(self, options: Result) -> Result:
        """What the action ``pg_sequence_restore`` returned."""
        task = self._action._task.copy()
        task.action = "pgops.sequences.pg_sequence_restore"
        task.args = self._with_defaults("pg_sequence_restore", options)
        restore = self._action._shared_loader_obj.action_loader.get(
            task.action,
            task=task,
            connection=self._action._connection,
            play_context=self._action._play_context,
            loader=self._action._loader,
            templar=self._action._templar,
            shared_loader_obj=self._action._shared_loader_obj,
        )
        done: Result = restore.run(task_vars=self._task_vars)
        self._warn(done)
        return done

    def _with_defaults(self, name: str, options: Result) -> Result:
        """Options of a module with those that ``module_defaults`` give the collection's action group, which go after them."""
        defaults = {key: value for key, value in self._defaults.items() if key in _OPTIONS[name]}
        options = {**defaults, **options}
        if name != "pg_sequence_restore" and "databases" not in options and "login_db" not in defaults:
            # Nothing named is everything there is.
            options["databases"] = ["*"]
        return options

    def _warn(self, done: Result) -> None:
        for name in ("warnings", "deprecations"):
            if done.get(name):
                self._result.setdefault(name, []).extend(done[name])
