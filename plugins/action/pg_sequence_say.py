# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints lines as they are, and fails with them where it is to."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import VERBOSITY, is_for_people, refused
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import sentence, visible

_ARGUMENTS: dict[str, t.Any] = {
    "lines": {"type": "list", "elements": "str", "required": True},
    "fails": {"type": "bool", "default": False},
}

display = Display()


class ActionModule(ActionBase):
    """The action; options and result stand in the module's documentation."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Print the lines.

        :returns: the action's result
        """
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        lines = [visible(line.strip()) for line in options["lines"] if line.strip()]
        if lines and options["fails"]:
            name = (task_vars or {}).get("inventory_hostname")
            return refused(result, [f"{name}: {sentence(line)}" for line in lines])
        if lines and is_for_people():
            display.display("\n".join(lines))
        result.update(changed=False, lines=lines, _ansible_verbose_override=display.verbosity < VERBOSITY)
        return result
