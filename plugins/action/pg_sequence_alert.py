# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tells what is new or over on the hosts of a play, by mail and webhook, and remembers what was told."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.pgops.sequences.plugins.plugin_utils._news import tell as _tell
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.hosts import Fleet
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables

_ARGUMENTS: dict[str, t.Any] = {
    "run": {"type": "str", "required": True, "choices": list(_variables.ENTRY_POINTS)},
}


class ActionModule(ActionBase):
    """The action; options and result stand in the module's documentation."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Tell what is news, each destination for the hosts that name it.

        :returns: the action's result
        """
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        result.update(failures={}, told=[])
        if not self._task.check_mode:
            fleet = Fleet.of(self, task_vars or {}, options["run"], False, {})
            result["failures"], result["told"] = _tell.tell_all(fleet, _tell.commands_of(task_vars or {}))
        return result
