# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts together what was found on the hosts of a play, shows it, and writes it down on the controller."""

from __future__ import annotations

import functools
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import verdicts
from ansible_collections.pgops.sequences.plugins.plugin_utils._document.trend import MOST_POINTS, add_trend
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import files as _files
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import folder as _folder
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import room as _room
from ansible_collections.pgops.sequences.plugins.plugin_utils._news import tell as _tell
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.hosts import Fleet
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import (
    VERBOSITY,
    WriteError,
    command_here,
    is_for_people,
    or_tell,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._render import verdict as _verdict
from ansible_collections.pgops.sequences.plugins.plugin_utils._render.formats import FORMATS, render
from ansible_collections.pgops.sequences.plugins.plugin_utils._render.lines import foretold_lines, lines_of
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings.settings import SUFFIXES

if t.TYPE_CHECKING:
    from pathlib import Path


_ARGUMENTS: dict[str, t.Any] = {
    "run": {"type": "str", "required": True, "choices": list(_variables.ENTRY_POINTS)},
    "foretold": {"type": "bool", "default": False},
}

display = Display()


class ActionModule(ActionBase):
    """The action; options and result stand in the module's documentation."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Show, and write down, what came of the hosts.

        :returns: the action's result
        """
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        result["_ansible_verbose_override"] = display.verbosity < VERBOSITY
        check_mode = bool(self._task.check_mode) or options["foretold"]
        with _room.locked() as room:
            fleet = Fleet.of(self, task_vars or {}, options["run"], check_mode, _room.reported(room))
            if fleet.outcomes or not fleet.again:
                self._report(fleet, options["foretold"], task_vars or {}, result)
                play = self._task.get_play()._uuid
                said = result["brief"]
                _room.add_reported(
                    room, {fleet.keys[name]: {"play": play, "verdict": said[name]} for name in fleet.outcomes}
                )
        return result

    def _report(self, fleet: Fleet, foretold: bool, task_vars: dict[str, t.Any], result: dict[str, t.Any]) -> None:
        """Show, tell and write down what came of hosts, and put it into the action's result."""
        document = fleet.document()
        run = fleet.run.name
        said = verdicts(document, fleet.outcomes)
        if foretold:
            # What is moved then has a verdict of its own, and says what kept it from others.
            _show(foretold_lines(document))
            result.update(moves=bool(document["changes"]), next=_verdict.confirmed(document, command_here()))
            result.update(
                summary=document["summary"], verdicts={}, brief=dict.fromkeys(fleet.outcomes, ""), lines=[], files=[]
            )
            return
        failures: dict[str, list[str]] = {name: [said[name]] for name in said}
        for name, sentence in fleet.not_logged.items():
            failures.setdefault(name, []).append(f"What was repaired could not be logged. {sentence}")
        files: list[str] = []
        for names, sentence in _write_all(fleet, files):
            for name in names:
                failures.setdefault(name, []).append(sentence)
        where = files[0] if files else "pg_sequences_report_dir puts everything into files"
        lines = lines_of(document, where)
        lines += [f"masked {name}: {fleet.masked[name]}" for name in sorted(fleet.masked)]
        _show(lines)
        told: list[str] = []
        if not fleet.run.check_mode:
            not_told, told = _tell.tell_all(fleet, _tell.commands_of(task_vars))
            for name, sentence in not_told.items():
                failures.setdefault(name, []).append(sentence)
        last = [f"{name}: {text}" for name in sorted(failures) for text in failures[name] if text != said.get(name)]
        # A cut-over says itself what came of it, host by host, and what is next.
        judged = run != "cutover" or _verdict.lacks_verdict(document)
        last += [*(f"sent {each}" for each in told), *([_verdict.verdict_of(document)] if judged else [])]
        last += _verdict.reports_of(document, files)
        if judged:
            named = {name: settings.databases is not None for name, settings in fleet.settings.items()}
            last += _verdict.next_of(document, command_here(), named)
        _show(last)
        result["summary"] = document["summary"]
        # A host that is not in it was not looked at, whatever its variables hold.
        result["verdicts"] = {name: " ".join(failures.get(name, [])) for name in fleet.outcomes}
        result["brief"] = {
            name: _verdict.brief(document, name, text) if text and is_for_people() else text
            for name, text in result["verdicts"].items()
        }
        result["lines"] = lines + last
        result["files"] = files


def _write_all(fleet: Fleet, files: list[str]) -> t.Iterator[tuple[list[str], str]]:
    """Write the reports, one for each place that hosts name.

    :arg files: takes the paths of what was written
    :returns: what could not be written, with the hosts that named it
    """
    for folder, names in fleet.by(lambda settings: settings.report_dir).items():
        try:
            files += or_tell("pg_sequences_report_dir", folder, functools.partial(_write, fleet, folder, names))
        except WriteError as error:
            yield names, str(error)
    for file, names in fleet.by(lambda settings: settings.report_file).items():
        text = render(fleet.document(names), SUFFIXES[file.suffix])
        try:
            or_tell("pg_sequences_monitor_report_file", file, functools.partial(_files.replace, file, text))
            files.append(str(file))
        except WriteError as error:
            yield names, str(error)


def _write(fleet: Fleet, folder: Path, names: list[str]) -> list[str]:
    """Write the report of some hosts into a folder.

    :returns: the paths of its files
    """
    settings = [fleet.settings[name] for name in names]
    wanted = {name for each in settings for name in each.get("report_formats")}
    keeps = [each.get("report_keep") for each in settings]
    document = fleet.document(names)
    add_trend(document, _folder.earlier(folder, MOST_POINTS))
    texts = {FORMATS[name][0]: render(document, name) for name in FORMATS if name in wanted}
    place = _folder.write(folder, document["generated_at"], texts, 0 if 0 in keeps else max(keeps))
    return [str(place / name) for name in texts]


def _show(lines: list[str]) -> None:
    """Print lines as they are, unless what Ansible prints is for a machine."""
    if lines and is_for_people():
        display.display("\n".join(lines))
