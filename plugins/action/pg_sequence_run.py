# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Audits, repairs or restores on one host, by the host's variables, and returns what came of it whatever that is."""

from __future__ import annotations

import time
import typing as t
import uuid

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import (
    VERBOSITY,
    Host,
    is_for_people,
    settings_of,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.words import (
    place,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._run.modules import Modules
from ansible_collections.pgops.sequences.plugins.plugin_utils._run.steps import RunError, Steps
from ansible_collections.pgops.sequences.plugins.plugin_utils._run.words import put_into_words
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings.names import SettingsError
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import cleaned

if t.TYPE_CHECKING:
    Result = dict[str, t.Any]

_ARGUMENTS: dict[str, t.Any] = {
    "run": {"type": "str", "required": True, "choices": list(_variables.ENTRY_POINTS)},
    "foretell": {"type": "bool", "default": False},
}

_THRESHOLDS = {"gap_threshold": 1000, "near_limit_percent": 80.0}


display = Display()


class ActionModule(ActionBase):
    """The action; options and result stand in the module's documentation."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        """Do one of the role's runs on the host.

        :returns: the action's result; a failure is its ``error``, and no failure of the task
        """
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        # What module_defaults say of the action group is for the modules.
        defaults = {name: self._task.args.pop(name) for name in list(self._task.args) if name not in _ARGUMENTS}
        _validated, options = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        run = options["run"]
        check_mode = bool(self._task.check_mode) or options["foretell"]
        result.update(run=run, check_mode=check_mode, changed=False, error=None, changes=[], not_fixed=[], sequences=[])
        # By it a report tells what is of its own run from what an earlier one left.
        result["id"] = str(uuid.uuid4())
        result.update(server=None, selection=None, summary=None, databases=[], restored=None, cutover=None)
        result.update(not_logged=None, masked=None)
        begun, listed = time.monotonic(), False
        try:
            settings = settings_of(self, Host(task_vars["inventory_hostname"], task_vars), run, check_mode)
            result["thresholds"] = {name: settings.get(name) or value for name, value in _THRESHOLDS.items()}
            # The report of a cut-over is the reference of the way back.
            listed = run in ("info", "cutover") or bool(settings.get("show_all"))
            modules = Modules(self, task_vars, result, defaults)
            Steps(modules, settings, task_vars["inventory_hostname"], result).take(options["foretell"])
        except (SettingsError, RunError) as error:
            result["error"] = str(error)
        except AnsibleConnectionFailure as error:
            result["error"] = f"the host could not be reached: {error.message}"
        except AnsibleError as error:
            user = task_vars.get("pg_sequences_become_user")
            # As whom it was tried; what went wrong is for Ansible to say.
            result["error"] = (f"as {user} (pg_sequences_become_user): " if user else "") + error.message
        except BaseException as error:
            # It is no Exception, lest an action passes it over.
            if type(error).__name__ != "TaskTimeoutError":
                raise
            result["error"] = "it was not over in time, and was ended"
        put_into_words(result, run)
        self._show(result, time.monotonic() - begun, str(task_vars.get("inventory_hostname")))
        if not listed:
            result["sequences"] = [each for each in result["sequences"] if each["status"] not in ("healthy", "skipped")]
        for name in ("error", "warnings", "diff"):
            if name in result:
                result[name] = cleaned(result[name])
        # Names are in it as they are, for other tasks to use; a terminal gets them by the report.
        result["_ansible_verbose_override"] = display.verbosity < VERBOSITY
        return result

    def _show(self, result: Result, seconds: float, host: str) -> None:
        """With -v, print each sequence that was looked at, and how long that took."""
        if is_for_people():
            for each in result["sequences"]:
                name = f"{host} {cleaned(each['database'])} {place(each['schema'], each['name'])}"
                display.v(f"{name}: {each['status']}, next value {each['next_value']}, {each['percent_used']} % used")
            total = (result["summary"] or {}).get("total", 0)
            display.v(f"{host}: {total} sequence{'' if total == 1 else 's'} in {seconds:.1f} s")
