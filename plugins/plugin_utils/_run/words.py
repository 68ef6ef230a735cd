# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What modules said in, the same in the words of the playbooks out. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._play.words import as_variables, sequence_as_variables

if t.TYPE_CHECKING:
    Result = dict[str, t.Any]


def put_into_words(result: Result, run: str) -> None:
    """Say what modules said of their options with the variables of the playbooks, and whether a name was blotted out."""
    if result["error"]:
        result["error"] = as_variables(result["error"], run)
    if result.get("warnings"):
        result["warnings"] = [
            _warning(each, run)
            for each in result["warnings"]
            if not any(text in _said(each) for text in _SAID_BY_THE_REPORT)
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
