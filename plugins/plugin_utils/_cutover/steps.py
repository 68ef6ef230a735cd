# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A host's settings in, its sequences carried over from another server out, in steps.

The source is read twice before anything is moved, and once more afterwards; the target is looked at before, and verified
afterwards in new sessions. Nothing is decided here: what was seen is judged by :mod:`._cutover`.
"""

from __future__ import annotations

import fnmatch
import json
import time
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover import file as _cutover_file
from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.seen import Reading, Seen
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.words import as_source_variables

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.pgops.sequences.plugins.plugin_utils._settings.settings import Settings

    Result = dict[str, t.Any]

_TRIES = 8
"""How often replication is looked at until it has caught up with a source that stands still, a second apart."""

_NAMES = ("schemas", "tables", "sequences")
_SELECTION = (*_NAMES, "lock_timeout", "statement_timeout", "jobs")
"""What of the target's options goes for the source as well."""


class CutoverError(Exception):
    """Why a cut-over did not come to its end; the text says whether anything was changed."""


class Cutover:
    """One host's cut-over, as far as it has come.

    :ivar target: what was last found on the target
    :ivar fixed: what pg_sequence_fix returned, once it has run
    """

    def __init__(
        self, settings: Settings, module: Callable[[str, Result], Result], host: str, check_mode: bool, command: str
    ) -> None:
        """Take a host's settings.

        :arg module: runs a module with options
        :arg host: its name in the inventory
        :arg check_mode: whether nothing is to be changed
        :arg command: runs the playbook again for this host
        """
        self._settings = settings
        self._module = module
        self._command = command
        self._host = host
        self._check_mode = check_mode
        self._databases: dict[str, str] = {
            str(new): str(old) for new, old in (settings.get("reference_databases") or {}).items()
        }
        self._readings: list[Reading] = []
        self._before: Result = {}
        self._still_at = ""
        # Where no report is written nobody needs to be sent all that is well.
        self._show_all = bool(settings.report_dir or settings.report_file)
        self.target: Result = {}
        self.fixed: Result = {}

    def seen(self) -> Seen:
        """All that was seen so far."""
        return Seen(
            host=self._host,
            command=self._command,
            check_mode=self._check_mode,
            readings=tuple(self._readings),
            file=str(self._settings.reference_file or ""),
            may_move=bool(self._settings.get("source_may_move")),
            before=self._before,
            fixed=self.fixed,
            target=self.target,
            databases=self._databases,
            still_at=self._still_at,
        )

    def take(self) -> None:
        """Do all of it.

        :raises CutoverError: it did not come to its end
        """
        self._read_source()
        self._look(show_all=False)
        self._before = self.target
        refused = self.seen().refused()
        if refused:
            raise CutoverError(f"{refused}. Nothing was changed")
        if not self._settings.reference_file:
            time.sleep(float(self._settings.get("source_seconds") or 0))
            self._read_source()
        self._stop_if_moving()
        if not self._check_mode:
            self._wait_for_rows()
        options = self._settings.repair_options()
        options.update(self._reference(), show_all=self._check_mode and self._show_all, mode="advance")
        self.fixed = self._done("pg_sequence_fix", options, "the target could not be repaired")
        if self._check_mode:
            self.target = self.fixed
            return
        if not self._settings.reference_file:
            self._read_source()
        self._look(self._show_all)

    def _stop_if_moving(self) -> None:
        """End here where the source is still written to, unless that is foreseen."""
        moving = self.seen().still_written()
        if not moving:
            self._still_at = self._still_at or str((self._readings[-1].activity or {}).get("wal_position") or "")
        elif not (self._check_mode or self._settings.get("source_may_move")):
            raise CutoverError(f"{moving}. Nothing was changed")

    def _wait_for_rows(self) -> None:
        """Wait a little for rows that are on their way: what is moved then need not be moved again."""
        for _attempt in range(_TRIES):
            if not (self._still_at and self.seen().lags()):
                return
            time.sleep(1)
            self._readings.pop()
            self._read_source()
            self._stop_if_moving()

    def _read_source(self) -> None:
        settings = self._settings
        if settings.reference_file:
            try:
                entries = _cutover_file.read(settings.reference_file)
            except _cutover_file.FileFault as error:
                raise CutoverError(f"{error}. Nothing was changed") from None
            self._readings.append(Reading(entries, json.dumps(entries), {}, None, []))
            return
        options = settings.source_options()
        names = self._names_there()
        options.setdefault("login_db", next((name for name in names if not set(name) & set("*?[!")), "postgres"))
        chosen = {name: value for name, value in settings.audit_options().items() if name in _SELECTION}
        # Where its sequences stand is all that is asked: no table of it is read.
        options.update(chosen, databases=names, positions=True, activity=True)
        done = self._done("pg_sequence_info", options, "the source could not be read", "positions")
        errors = [database["error"] for database in done["databases"] if database["error"]]
        if errors:
            raise CutoverError(
                f"the source could not be read: {as_source_variables('; '.join(errors))}{self._changed()}"
            )
        entries = json.loads(done["positions"])
        if not entries:
            what = " that fits what is selected" if set(chosen) & set(_NAMES) else ""
            raise CutoverError(
                f"the source holds no sequence{what} in {', '.join(names)}, so there is nothing to carry over{self._changed()}"
            )
        self._readings.append(Reading(entries, done["positions"], done["server"], done["activity"], done["databases"]))

    def _names_there(self) -> list[str]:
        """The databases to read on the source, as they are called there."""
        names = []
        for pattern in self._settings.databases or []:
            old = [there for here, there in self._databases.items() if fnmatch.fnmatchcase(here, pattern)]
            names += [str(each) for each in old]
            if pattern not in self._databases:
                names.append(pattern)
        return list(dict.fromkeys(names))

    def _look(self, show_all: bool) -> None:
        options = {**self._settings.audit_options(), **self._reference(), "show_all": show_all, "activity": True}
        self.target = self._done("pg_sequence_info", options, "the target could not be read")

    def _reference(self) -> Result:
        given: Result = {"reference": self._readings[-1].text}
        return {**given, "reference_databases": self._databases} if self._databases else given

    def _done(self, name: str, options: Result, what: str, key: str = "summary") -> Result:
        done = self._module(name, options)
        if done.get("failed") or done.get("unreachable") or key not in done:
            why = str(done.get("msg") or "the module failed without a message")
            why = as_source_variables(why) if key == "positions" else why
            raise CutoverError(f"{what}: {why}{self._changed() if 'Nothing was' not in why else ''}")
        return done

    def _changed(self) -> str:
        if not self.fixed:
            return ". Nothing was changed"
        moved = len(self.fixed.get("changes", []))
        return f". {moved} sequence(s) had been moved by then; run it again" if moved else ". Nothing was changed"
