# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""All hosts of a play after their run: what came of each, and what each one's settings ask for."""

from __future__ import annotations

import datetime
import typing as t

from ansible.release import __version__ as ansible_version

from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import (
    Outcome,
    Run,
    build_document,
    outcome_of,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import room as _room
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import (
    collection_version,
    hosts_of,
    settings_of,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import names as _names
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import settings as _settings
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings.settings import Settings, plain
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import cleaned

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ansible.plugins.action import ActionBase

    from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Document

_T = t.TypeVar("_T")


class Fleet:
    """What came of the hosts that a run was tried on.

    :ivar run: what was run
    :ivar settings: of each host
    :ivar outcomes: of each host
    :ivar keys: by which each host's result is known
    :ivar again: hosts of this play whose results an earlier report has shown
    :ivar not_logged: why a host's changes are not in the log, where they are not
    :ivar masked: what Ansible has blotted out of a host's names, where it has
    """

    def __init__(self, run: Run, settings: Mapping[str, Settings], results: Mapping[str, t.Any]) -> None:
        self.run = run
        self.settings = settings
        self.outcomes: dict[str, Outcome] = {}
        self.not_logged: dict[str, str] = {}
        self.masked: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.again: set[str] = set()
        for name, result in results.items():
            outcome = outcome_of(result, settings[name].fail_on)
            if outcome:
                self.outcomes[name] = outcome
                if result.get("not_logged"):
                    self.not_logged[name] = str(cleaned(result["not_logged"]))
                if result.get("masked"):
                    self.masked[name] = str(cleaned(result["masked"]))

    @classmethod
    def of(
        cls,
        action: ActionBase,
        task_vars: Mapping[str, t.Any],
        name: str,
        check_mode: bool,
        before: Mapping[str, Mapping[str, str]],
    ) -> Fleet:
        """Take them from the variables of the play's hosts.

        A result counts in one report. By strategies other than linear there is one for whoever has come so far; what an
        earlier play left on a host that was not looked at since is no audit of now.

        :arg name: what was run; results of other runs in the same play are passed over
        :arg before: what was reported before (:func:`_room.reported`)
        """
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        run = Run(name, check_mode, now, collection_version(), ansible_version)
        settings, results = {}, {}
        keys: dict[str, str] = {}
        again = set()
        for host in hosts_of(action, task_vars):
            result = plain(host.variables.get("pg_sequences_result"))
            if not isinstance(result, dict) or result.get("run", name) != name:
                continue
            key = _room.key_of(host.name, result)
            if key in before:
                if before[key]["play"] == action._task.get_play()._uuid:
                    again.add(host.name)
                    continue
                result = {"run": name, "error": "it was not audited in this run"}
            keys[host.name] = key
            results[host.name] = result
            try:
                settings[host.name] = settings_of(action, host, name, check_mode, report_only=True)
            except _names.SettingsError as error:
                # Its own run has failed by the same, unless they were changed since.
                settings[host.name] = _settings.read({}, name, True, (), report_only=True)
                result["error"] = result.get("error") or str(error)
        fleet = cls(run, settings, results)
        fleet.keys, fleet.again = keys, again
        return fleet

    def document(self, names: list[str] | None = None) -> Document:
        """The document about some of the hosts, by default about all."""
        chosen = self.outcomes if names is None else {name: self.outcomes[name] for name in names}
        return build_document(chosen, self.run)

    def by(self, choose: Callable[[Settings], _T | None]) -> dict[_T, list[str]]:
        """The hosts that a run was tried on, by what their settings say; those that say nothing are left out."""
        found: dict[_T, list[str]] = {}
        for name in self.outcomes:
            value = choose(self.settings[name])
            if value is not None:
                found.setdefault(value, []).append(name)
        return found
