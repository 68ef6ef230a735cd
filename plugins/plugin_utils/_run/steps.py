# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A host's settings in, what is done on it by them out, step by step."""

from __future__ import annotations

import typing as t

from ansible.utils.display import Display

from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover import lines as _cutover_lines
from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.steps import Cutover, CutoverError
from ansible_collections.pgops.sequences.plugins.plugin_utils._document import fleet as _fleet
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import command_here
from ansible_collections.pgops.sequences.plugins.plugin_utils._run.change_log import ChangeLog
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import cleaned

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.plugin_utils._run.modules import Modules
    from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import settings as _settings

    Result = dict[str, t.Any]

_OF_AUDIT = ("server", "selection", "summary", "databases", "sequences")

display = Display()


class RunError(Exception):
    """Why a host's run did not come to its end."""


class Steps:
    """One host's run, step by step; what comes of it is put into the result as it comes.

    :arg modules: the collection's modules on that host
    :arg settings: its settings
    :arg host: its name in the inventory
    :arg result: the run's result
    """

    def __init__(self, modules: Modules, settings: _settings.Settings, host: str, result: Result) -> None:
        self._modules = modules
        self._settings = settings
        self._host = host
        self._result = result
        self._log = ChangeLog(settings, host, result)

    def take(self, foretell: bool) -> None:
        """Do all of the run.

        :raises RunError: it did not come to its end
        """
        run = self._settings.run
        if self._settings.needs_a_database and not self._modules.name_a_database:
            self._name_databases()
        if run in ("restore", "reset", "cutover") and (why := self._log.why_not()):
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
        self._take_over(self._modules.run("pg_sequence_info", options))

    def _repair(self, foretell: bool) -> None:
        if why := self._log.why_not():
            self._leave(why)
            return
        options = self._settings.repair_options()
        if self._settings.run == "auto_fix":
            # What lags again with the next row is for the cut-over.
            options.setdefault("move_subscribed", False)
        if self._settings.run == "reset":
            options.update(mode="realign", confirm=True)
        done = self._modules.run("pg_sequence_fix", options)
        # What a reset only foretells has changed nothing yet.
        self._result["changed"] |= bool(done.get("changed")) and not foretell
        self._result["changes"] = done.get("changes", [])
        self._result["not_fixed"] = done.get("not_fixed", [])
        if not foretell:
            self._log.write()
        if done.get("diff"):
            self._result["diff"] = done["diff"]
        self._take_over(done)

    def _cut_over(self) -> None:
        """Carry sequences over from the source, or a file.

        :raises RunError: it did not come to its end
        """
        result = self._result
        again = command_here()
        words = again.run("cutover", [self._host]) + (" (with the variables of your play)" if again.own_play else "")
        steps = Cutover(self._settings, self._modules.run, self._host, result["check_mode"], words)
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
                self._log.write()
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
        done = self._modules.restore(self._settings.restore_options())
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
        done = self._modules.run("pg_sequence_info", {**self._settings.connection_options(), **nothing})
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
            alone = self._modules.run("pg_sequence_info", {**settings.audit_options(), "tables": application})
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


def _shown(value: t.Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
