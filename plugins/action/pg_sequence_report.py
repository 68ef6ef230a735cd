# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts together what the role's tasks found on the hosts of a play, and writes it down on the controller."""

from __future__ import annotations

import datetime
import functools
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.pgops.sequences.plugins.plugin_utils import _folder, _log
from ansible_collections.pgops.sequences.plugins.plugin_utils._fleet import verdicts
from ansible_collections.pgops.sequences.plugins.plugin_utils._formats import FORMATS, SUFFIXES, render
from ansible_collections.pgops.sequences.plugins.plugin_utils._lines import lines_of
from ansible_collections.pgops.sequences.plugins.plugin_utils._play import FLEET_ARGUMENTS, document_of, or_tell, who
from ansible_collections.pgops.sequences.plugins.plugin_utils._trend import MOST_POINTS, add_trend

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.plugin_utils._fleet import Document

_ARGUMENTS: dict[str, t.Any] = {
    **FLEET_ARGUMENTS,
    "report_dir": {"type": "path"},
    "report_file": {"type": "path"},
    "report_formats": {"type": "list", "elements": "str", "default": ["json", "html"], "choices": sorted(FORMATS)},
    "report_keep": {"type": "int", "default": 0},
    "log_file": {"type": "path"},
    "role": {"type": "str"},
    "probe": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """The action; options and result stand in the module's documentation."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Tell, and write down, what came of the hosts.

        :returns: the action's result
        :raises AnsibleActionFail: an option is wrong, or a file cannot be written
        """
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        if options["report_keep"] < 0:
            raise AnsibleActionFail(f"report_keep is {options['report_keep']}; it is a number of runs, 0 for all")
        folder = Path(options["report_dir"]) if options["report_dir"] else None
        file = Path(options["report_file"]) if options["report_file"] else None
        if file and file.suffix not in SUFFIXES:
            raise AnsibleActionFail(f"report_file is {file}; its name must end with one of {', '.join(SUFFIXES)}")
        log = Path(options["log_file"]) if options["log_file"] else None
        if options["probe"]:
            if folder:
                or_tell("pg_sequences_report_dir", folder, functools.partial(_folder.make_ready, folder))
            if file:
                or_tell("the report file", file, functools.partial(_folder.try_out, file.parent))
            if log:
                or_tell("pg_sequences_log_file", log, functools.partial(_log.make_ready, log))
            return result
        where = "pg_sequences_report_dir puts all of it into files"
        now = datetime.datetime.now(datetime.timezone.utc)
        check_mode = bool(self._task.check_mode)
        document = document_of(options["hosts"], options["run"], check_mode, (task_vars or {})["hostvars"], now)
        try:
            if log:
                role, time = options["role"], now.isoformat()
                entries = [
                    _log.entry(change["host"], change, options["run"], check_mode, who(), role, time)
                    for change in document["changes"]
                ]
                or_tell("pg_sequences_log_file", log, functools.partial(_log.append, log, entries))
            if folder:
                written = functools.partial(self._write, folder, document, options)
                result["files"] = or_tell("pg_sequences_report_dir", folder, written)
                where = f"all of it stands in {folder / _folder.LATEST}"
            if file:
                text = render(document, SUFFIXES[file.suffix])
                or_tell("the report file", file, functools.partial(_folder.replace, file, text))
        except AnsibleActionFail as error:
            result.update(failed=True, msg=str(error))
        result["summary"] = document["summary"]
        result["verdicts"] = verdicts(document, options["fail_on"])
        result["lines"] = lines_of(document, where)
        return result

    def _write(self, folder: Path, document: Document, options: dict[str, t.Any]) -> dict[str, str]:
        folder.mkdir(parents=True, exist_ok=True)
        add_trend(document, _folder.earlier(folder, MOST_POINTS))
        texts = {FORMATS[name][0]: render(document, name) for name in options["report_formats"]}
        place = _folder.write(folder, document["generated_at"], texts)
        if options["report_keep"]:
            _folder.remove_oldest(folder, options["report_keep"])
        return {name: str(place / FORMATS[name][0]) for name in options["report_formats"]}
