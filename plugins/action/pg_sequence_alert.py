# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides what is to be told of the hosts of a play, and remembers what was."""

from __future__ import annotations

import datetime
import functools
import json
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import module_loader

from ansible_collections.pgops.sequences.plugins.plugin_utils import _alerts, _folder
from ansible_collections.pgops.sequences.plugins.plugin_utils._play import FLEET_ARGUMENTS, document_of, or_tell

_ARGUMENTS: dict[str, t.Any] = {
    **FLEET_ARGUMENTS,
    "channel": {"type": "str", "required": True, "choices": ["mail", "webhook"]},
    "state_file": {"type": "path", "required": True},
    "reminder_hours": {"type": "float", "default": 24.0},
    "webhook_format": {"type": "str", "default": "json", "choices": ["json", "slack"]},
    "told": {"type": "dict"},
}

_NEEDED = {"mail": "community.general.mail", "webhook": "ansible.builtin.uri"}


class ActionModule(ActionBase):
    """The action; options and result stand in the module's documentation."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Decide what is to be told, or remember that it was.

        :returns: the action's result
        :raises AnsibleActionFail: an option is wrong, or the file of what was told can be neither read nor written
        """
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        state = Path(options["state_file"])
        channel = options["channel"]
        if options["told"] is not None:
            # What was decided on, not what would be now: time has passed.
            keep = functools.partial(_remember, state, channel, options["told"])
            or_tell("pg_sequences_alert_state", state, keep)
            return result
        if module_loader.find_plugin_with_context(_NEEDED[channel]).resolved is False:
            raise AnsibleActionFail(
                f"alerts by {channel} need {_NEEDED[channel]}: ansible-galaxy collection install community.general"
            )
        now = datetime.datetime.now(datetime.timezone.utc)
        check_mode = bool(self._task.check_mode)
        document = document_of(options["hosts"], options["run"], check_mode, (task_vars or {})["hostvars"], now)
        told = or_tell("pg_sequences_alert_state", state, functools.partial(_read, state)).get(channel, {})
        told = _alerts.readable(told)
        alert = _alerts.decide(document, told, options["fail_on"], options["reminder_hours"])
        result["due"] = alert is not None
        if alert:
            result["subject"] = _alerts.subject(alert)
            result["told"] = _alerts.remember(document, told, options["fail_on"])
            result["text"] = _alerts.text(alert)
            result["body"] = _alerts.body(alert, options["webhook_format"])
            if channel == "mail":
                page = state.with_name("pg_sequences_alert.html")
                or_tell("pg_sequences_alert_state", page, functools.partial(_folder.replace, page, _alerts.page(alert)))
                result["page"] = str(page)
        return result


def _read(state: Path) -> dict[str, t.Any]:
    """What was told, by channel; nothing where there is no such file, or none of ours."""
    try:
        found = json.loads(state.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        # It is better to tell twice than not at all.
        return {}
    return found if isinstance(found, dict) and found.get("schema_version") == 1 else {}


def _remember(state: Path, channel: str, told: dict[str, t.Any]) -> None:
    _folder.replace(state, json.dumps({**_read(state), "schema_version": 1, channel: told}, indent=1) + "\n")
