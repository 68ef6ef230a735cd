# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks the variables of all hosts of a play, and that what they name on the controller can be written to."""

from __future__ import annotations

import functools
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pgops.sequences.plugins.plugin_utils._files import files as _files
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import folder as _folder
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import log as _log
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import room as _room
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import (
    VERBOSITY,
    UnresolvedError,
    WriteError,
    hosts_of,
    or_tell,
    refused,
    settings_of,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import names as _names
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import settings as _settings
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import sentence

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ARGUMENTS: dict[str, t.Any] = {
    "run": {"type": "str", "required": True, "choices": list(_variables.ENTRY_POINTS)},
    "probe": {"type": "bool", "default": True},
}

display = Display()


class ActionModule(ActionBase):
    """The action; options and result stand in the module's documentation."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Check all hosts' variables, then try all they name.

        :returns: the action's result
        """
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        with _room.locked() as room:
            # By strategies that know no run_once it is the task of every host.
            name = f"settings-{self._task._uuid}.json"
            first = not (known := _room.read(room, name))
            wrong = self._wrong(options, task_vars or {}) if first else known["wrong"]
            _room.keep(room, name, {"wrong": wrong})
        if wrong:
            lines = [sentence(f"{_shown(hosts)}: {text}") for text, hosts in wrong.items()]
            return refused(result, lines, again=not first)
        result["_ansible_verbose_override"] = display.verbosity < VERBOSITY
        return result

    def _wrong(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, list[str]]:
        """What is wrong, with the hosts for which it is."""
        found: list[tuple[str, _settings.Settings]] = []
        wrong: dict[str, list[str]] = {}
        for host in hosts_of(self, task_vars):
            try:
                settings = settings_of(self, host, options["run"], bool(self._task.check_mode))
            except UnresolvedError as error:
                # One host's run says so, and keeps no other from its own; nothing is installed by halves.
                if not options["probe"]:
                    wrong.setdefault(str(error), []).append(host.name)
            except _names.SettingsError as error:
                wrong.setdefault(str(error), []).append(host.name)
            else:
                found.append((host.name, settings))
        if not wrong and options["probe"]:
            tried: set[tuple[str, str]] = set()
            for name, settings in found:
                try:
                    _try_out(settings, tried)
                except WriteError as error:
                    wrong.setdefault(f"{error} Nothing was done", []).append(name)
        return wrong


def _try_out(settings: _settings.Settings, tried: set[tuple[str, str]]) -> None:
    """See that what is named on the controller can be written to, each once.

    :raises WriteError: it cannot
    """
    report_file, report_dir = settings.report_file, settings.report_dir
    places = {
        "pg_sequences_report_dir": (report_dir, _folder.make_ready),
        "pg_sequences_monitor_report_file": (report_file, lambda path: _folder.try_out(path.parent)),
        "pg_sequences_log_file": (settings.log_file, _log.make_ready),
        "pg_sequences_alert_state": (
            settings.alert_state if settings.alerts else None,
            lambda path: _folder.try_out(path.parent),
        ),
    }
    for variable, (path, work) in places.items():
        if path is not None and (variable, str(path)) not in tried:
            tried.add((variable, str(path)))
            or_tell(variable, path, functools.partial(_unless_full, work, path))


def _unless_full(work: Callable[[Path], None], path: Path) -> None:
    """Try a path out; a disk that is full keeps nobody from looking and telling, and each run says what it kept it from."""
    try:
        work(path)
    except OSError as error:
        if error.errno not in _files.FULL:
            raise


def _shown(hosts: list[str]) -> str:
    return ", ".join(hosts) if len(hosts) <= 5 else f"{', '.join(hosts[:5])} and {len(hosts) - 5} more"
