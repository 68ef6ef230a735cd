# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A host's changes in, lines of its log of changes out; or in a sentence why they cannot be logged."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._files import log as _log
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import WriteError, or_tell, who

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import settings as _settings

    Result = dict[str, t.Any]


class ChangeLog:
    """The log of changes of one host's run.

    :arg settings: the host's settings
    :arg host: its name in the inventory
    :arg result: the run's result; ``not_logged`` is put into it
    """

    def __init__(self, settings: _settings.Settings, host: str, result: Result) -> None:
        self._settings = settings
        self._host = host
        self._result = result

    def write(self) -> None:
        """Log the changes; one that cannot be logged was made all the same."""
        settings, result = self._settings, self._result
        log = settings.log_file
        if log is None:
            return
        role = settings.get("session_role") or settings.get("login_user")
        time = datetime.datetime.now(datetime.timezone.utc).isoformat()
        entries = [
            _log.entry(self._host, change, settings.run, result["check_mode"], who(), role, time)
            for change in result["changes"]
        ]
        try:
            or_tell("pg_sequences_log_file", log, lambda: _log.append(log, entries))
        except WriteError as error:
            result["not_logged"] = str(error)

    def why_not(self) -> str | None:
        """Why a change could not be logged; None where it could, or where nothing will be changed."""
        log = self._settings.log_file
        if log is None or self._result["check_mode"]:
            return None
        try:
            or_tell("pg_sequences_log_file", log, lambda: _log.make_ready(log))
        except WriteError as error:
            return str(error)
        return None
