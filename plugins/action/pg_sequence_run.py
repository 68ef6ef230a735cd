# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Audits, repairs or restores on one host, by the host's variables, and returns what came of it whatever that is."""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t
import uuid

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import (
    audit_arguments,
    connection_arguments,
    info_arguments,
    repair_arguments,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import restore_arguments
from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover import lines as _cutover_lines
from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.steps import Cutover, CutoverError
from ansible_collections.pgops.sequences.plugins.plugin_utils._document import fleet as _fleet
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import log as _log
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import (
    VERBOSITY,
    Host,
    WriteError,
    command_here,
    is_for_people,
    or_tell,
    settings_of,
    who,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.words import (
    as_variables,
    place,
    sequence_as_variables,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import settings as _settings
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings.names import SettingsError
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import cleaned

if t.TYPE_CHECKING:
    Result = dict[str, t.Any]

_ARGUMENTS: dict[str, t.Any] = {
    "run": {"type": "str", "required": True, "choices": list(_variables.ENTRY_POINTS)},
    "foretell": {"type": "bool", "default": False},
}

_OPTIONS = {
    "pg_sequence_info": {*connection_arguments(), *audit_arguments(), *info_arguments()},
    "pg_sequence_fix": {*connection_arguments(), *audit_arguments(), *repair_arguments()},
    "pg_sequence_restore": {*connection_arguments(), *restore_arguments()},
}

_OF_AUDIT = ("server", "selection", "summary", "databases", "sequences")
_THRESHOLDS = {"gap_threshold": 1000, "near_limit_percent": 80.0}


display = Display()


class RunError(Exception):
    """Why a host's run did not come to its end."""


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
            _Steps(self, settings, task_vars, result, defaults).take(options["foretell"])
        except (SettingsError, RunError) as error:
            result["error"] = str(error)
        except AnsibleConnectionFailure as error:
            result["error"] = f"the host could not be reached: {error.message}"
        except AnsibleError as error:
            user = task_vars.get("pg_sequences_become_user")
            became = f"cannot become {user} (pg_sequences_become_user): " if user and "become" in error.message else ""
            result["error"] = became + error.message
        except BaseException as error:
            # It is no Exception, lest an action passes it over.
            if type(error).__name__ != "TaskTimeoutError":
                raise
            result["error"] = "it was not over in time, and was ended"
        _put_into_words(result, run)
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


def _put_into_words(result: Result, run: str) -> None:
    """Say what modules said of their options with the variables of the playbooks, and whether a name was blotted out."""
    if result["error"]:
        result["error"] = as_variables(result["error"], run)
    if result.get("warnings"):
        result["warnings"] = [
            _warning(each, run) for each in result["warnings"] if not any(x in _said(each) for x in _SAID_BY_THE_REPORT)
        ]
    for name in ("sequences", "not_fixed"):
        result[name] = [sequence_as_variables(entry, run) for entry in result[name]]
    result["databases"] = [
        {**each, "error": each["error"] and as_variables(each["error"], run)} for each in result["databases"]
    ]
    if result["restored"] and result["restored"].get("message"):
        result["restored"]["message"] = as_variables(result["restored"]["message"], run)
    names = [each["name"] for each in result["databases"]]
    names += [each[part] for each in result["sequences"] for part in ("database", "schema", "name")]
    if any("********" in name for name in names):
        result["masked"] = (
            "a password is part of a name here, so that Ansible writes ******** in the place of both, in results, reports"
            " and alerts. Names cannot be told apart so: give the role another password"
        )


_SAID_BY_THE_REPORT = (" could not be judged: ", "no sequence was looked at: ")
"""What warnings of the modules hold that are about something the report says as well."""


def _said(warning: t.Any) -> str:
    """A warning's text; from ansible-core 2.19 on it is an object."""
    return str(getattr(getattr(warning, "event", None), "msg", warning))


def _warning(warning: t.Any, run: str) -> t.Any:
    """A warning with the variables of the playbooks in the place of a module's options."""
    text = as_variables(_said(warning), run)
    if isinstance(warning, str):
        return text
    return dataclasses.replace(warning, event=dataclasses.replace(warning.event, msg=text))


class _Steps:
    """One host's run, step by step; what comes of it is put into the result as it comes."""

    def __init__(
        self,
        action: ActionModule,
        settings: _settings.Settings,
        task_vars: dict[str, t.Any],
        result: Result,
        defaults: Result,
    ) -> None:
        self._action = action
        self._settings = settings
        self._task_vars = task_vars
        self._result = result
        self._defaults = defaults

    def take(self, foretell: bool) -> None:
        """Do all of the run.

        :raises RunError: it did not come to its end
        """
        run = self._settings.run
        if self._settings.needs_a_database and not {"databases", "login_db"}.intersection(self._defaults):
            self._name_databases()
        if run in ("restore", "reset", "cutover") and (why := self._unloggable()):
            raise RunError(f"nothing was changed, since no change could be logged: {why}")
        if run == "restore" and not self._restore():
            return
        if run == "cutover":
            self._cut_over()
            return
        if run not in ("fix", "reset"):
            self._audit()
        if run in ("fix", "reset", "restore") or (run == "auto_fix" and self._is_needed()):
            self._repair(foretell)
        if run == "restore" and not self._result["check_mode"]:
            self._audit()
        if run != "restore":
            self._refuse_nothing()

    def _audit(self) -> None:
        options = self._settings.audit_options()
        if self._settings.run == "info" or display.verbosity:
            options["show_all"] = True
        self._take_over(self._module("pg_sequence_info", options))

    def _repair(self, foretell: bool) -> None:
        if why := self._unloggable():
            self._leave(why)
            return
        options = self._settings.repair_options()
        if self._settings.run == "auto_fix":
            # What lags again with the next row is for the cut-over.
            options.setdefault("move_subscribed", False)
        if self._settings.run == "reset":
            options.update(mode="realign", confirm=True)
        done = self._module("pg_sequence_fix", options)
        # What a reset only foretells has changed nothing yet.
        self._result["changed"] |= bool(done.get("changed")) and not foretell
        self._result["changes"] = done.get("changes", [])
        self._result["not_fixed"] = done.get("not_fixed", [])
        if not foretell:
            self._log()
        if done.get("diff"):
            self._result["diff"] = done["diff"]
        self._take_over(done)

    def _cut_over(self) -> None:
        """Carry sequences over from the source, or a file.

        :raises RunError: it did not come to its end
        """
        result = self._result
        name = self._task_vars["inventory_hostname"]
        again = command_here()
        words = again.run("cutover", [name]) + (" (with the variables of your play)" if again.own_play else "")
        steps = Cutover(self._settings, self._module, name, result["check_mode"], words)
        stopped = "the run did not come to its end"
        try:
            steps.take()
            stopped = ""
        except CutoverError as error:
            stopped = str(error)
            raise RunError(stopped) from None
        finally:
            if steps.fixed:
                result["changed"] |= bool(steps.fixed.get("changed"))
                result.update({name: steps.fixed.get(name, []) for name in ("changes", "not_fixed")})
                self._log()
                if steps.fixed.get("diff"):
                    result["diff"] = steps.fixed["diff"]
            result.update({name: steps.target[name] for name in _OF_AUDIT if name in steps.target})
            result["cutover"] = cleaned(_cutover_lines.told(steps.seen(), stopped))

    def _take_over(self, done: Result) -> None:
        """Put what a module returned into the result.

        :raises RunError: it failed
        """
        if done.get("failed") or "summary" not in done:
            raise RunError(str(done.get("msg") or "the module failed without a message"))
        self._result.update({name: done[name] for name in _OF_AUDIT if name in done})

    def _restore(self) -> bool:
        """Restore; return whether there is a database to look at."""
        task = self._action._task.copy()
        task.action = "pgops.sequences.pg_sequence_restore"
        task.args = self._with_defaults("pg_sequence_restore", self._settings.restore_options())
        restore = self._action._shared_loader_obj.action_loader.get(
            task.action,
            task=task,
            connection=self._action._connection,
            play_context=self._action._play_context,
            loader=self._action._loader,
            templar=self._action._templar,
            shared_loader_obj=self._action._shared_loader_obj,
        )
        done = restore.run(task_vars=self._task_vars)
        self._warn(done)
        self._result["changed"] |= bool(done.get("changed"))
        left_out = ("invocation", "warnings", "deprecations", "diff", "stdout_lines", "stderr_lines", "exception")
        self._result["restored"] = cleaned(
            {name: value for name, value in done.items() if name not in left_out and not name.startswith("_ansible")}
        )
        if done.get("unreachable"):
            raise RunError(f"the host could not be reached: {done.get('msg')}")
        if done.get("failed"):
            raise RunError(str(done.get("msg") or "the restore failed without a message"))
        return bool(done.get("database_exists"))

    def _is_needed(self) -> bool:
        """Whether a repair may help: also of what could not be judged or entered, since it tries again and says why."""
        result = self._result
        unknown = any(each["status"] == "unknown" and _fleet.fails(each, "unknown") for each in result["sequences"])
        return bool(result["summary"]["critical"] or unknown or any(each["error"] for each in result["databases"]))

    def _log(self) -> None:
        """Log the changes; one that cannot be logged was made all the same."""
        settings, result = self._settings, self._result
        log = settings.log_file
        if log is None:
            return
        role = settings.get("session_role") or settings.get("login_user")
        time = datetime.datetime.now(datetime.timezone.utc).isoformat()
        name = self._task_vars["inventory_hostname"]
        entries = [
            _log.entry(name, change, settings.run, result["check_mode"], who(), role, time)
            for change in result["changes"]
        ]
        try:
            or_tell("pg_sequences_log_file", log, lambda: _log.append(log, entries))
        except WriteError as error:
            result["not_logged"] = str(error)

    def _unloggable(self) -> str | None:
        """Why a change could not be logged; None where it could, or where nothing will be changed."""
        log = self._settings.log_file
        if log is None or self._result["check_mode"]:
            return None
        try:
            or_tell("pg_sequences_log_file", log, lambda: _log.make_ready(log))
        except WriteError as error:
            return str(error)
        return None

    def _leave(self, why: str) -> None:
        """Look, and leave to be repaired what would be, since that could not be logged."""
        if self._result["summary"] is None:
            self._audit()
        for each in self._result["sequences"]:
            if _fleet.fails(each, "unknown"):
                entry = {name: each[name] for name in ("database", "schema", "name", "reasons", "message")}
                if each["status"] == "critical":
                    entry["message"] = f"{each['message']}; not repaired, since that could not be logged: {why}"
                self._result["not_fixed"].append({**entry, "remedy": each.get("remedy")})

    def _name_databases(self) -> None:
        """Say what there is where no database is named and something would be changed.

        :raises RunError: always
        """
        nothing = {"databases": ["*"], "schemas": ["!*"]}
        done = self._module("pg_sequence_info", {**self._settings.connection_options(), **nothing})
        self._result.pop("warnings", None)
        if done.get("failed"):
            raise RunError(str(done.get("msg")))
        names = ", ".join(database["name"] for database in done["databases"])
        raise RunError(
            f"no database is named, and {self._settings.run} changes something: name one by pg_sequences_database, or more by"
            f" pg_sequences_databases. The server has: {names}. Nothing was changed"
        )

    def _refuse_nothing(self) -> None:
        """A watch that watches nothing must not pass for one that does.

        :raises RunError: nothing was looked at, or an application that is named has no table
        """
        settings, result = self._settings, self._result
        closed = any(database["error"] for database in result["databases"])
        if closed:
            return
        where = ", ".join(f'"{database["name"]}"' for database in result["databases"][:5]) or "the server"
        application = settings.of_application
        if application and result["summary"]["total"] and (settings.get("table") or settings.get("tables")):
            # Others may have been found by the names beside it.
            alone = self._module("pg_sequence_info", {**settings.audit_options(), "tables": application})
            if not alone.get("summary", {}).get("total"):
                raise RunError(f"nothing fits pg_sequences_app={settings.get('app')} in {where}")
        if result["summary"]["total"]:
            return
        if not settings.selects:
            what = (
                f"there is no sequence in {where}" if result["databases"] else "no database fits pg_sequences_databases"
            )
            raise RunError(f"nothing was looked at: {what}")
        names = ("app", "table", "tables", "schemas", "sequences")
        chosen = ", ".join(f"pg_sequences_{name}={_shown(settings.get(name))}" for name in names if settings.get(name))
        raise RunError(f"nothing was looked at: no sequence in {where} fits {chosen}")

    def _module(self, name: str, options: Result) -> Result:
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


def _shown(value: t.Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
