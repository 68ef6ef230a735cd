# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fails for a host by what the report said of it."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pgops.sequences.plugins.plugin_utils._files import room as _room
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import VERBOSITY, failed
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings.settings import plain

_ARGUMENTS: dict[str, t.Any] = {
    "run": {"type": "str", "required": True, "choices": list(_variables.ENTRY_POINTS)},
}

display = Display()

_NOT_AUDITED = "It was not audited in this run."


class ActionModule(ActionBase):
    """The action; options and result stand in the module's documentation."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Fail where the host has to.

        :returns: the action's result
        """
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validated, options = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        verdict = self._verdict(options["run"], task_vars)
        result["changed"] = False
        if verdict:
            return failed(result, verdict)
        result["_ansible_verbose_override"] = display.verbosity < VERBOSITY
        return result

    def _verdict(self, run: str, task_vars: dict[str, t.Any]) -> str:
        """Why the host fails; empty where it does not."""
        found = plain(task_vars.get("pg_sequences_result"))
        if not isinstance(found, dict) or found.get("run", run) != run:
            return _NOT_AUDITED
        key = _room.key_of(task_vars["inventory_hostname"], found)
        said = self._said(key)
        if said is None:
            # The report was another host's task, which was not for all or has failed.
            self._report(run, task_vars)
            said = self._said(key)
        return _NOT_AUDITED if said is None else said

    def _said(self, key: str) -> str | None:
        with _room.locked() as room:
            found = _room.reported(room).get(key)
            if found is None:
                return None
            return found["verdict"] if _room.take(room, key) else _NOT_AUDITED

    def _report(self, run: str, task_vars: dict[str, t.Any]) -> None:
        task = self._task.copy()
        task.action = "pgops.sequences.pg_sequence_report"
        task.args = {"run": run}
        report = self._shared_loader_obj.action_loader.get(
            task.action,
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        report.run(task_vars=task_vars)
