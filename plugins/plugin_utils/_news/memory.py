# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""The file that remembers what was told, by channel; one run at a time decides, tells and remembers."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import typing as t
from pathlib import Path

from ansible_collections.pgops.sequences.plugins.plugin_utils._files import files as _files
from ansible_collections.pgops.sequences.plugins.plugin_utils._news.news import Kept

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA_VERSION = 2

_LONGEST_WAIT = 300.0
"""Seconds that another run may take to tell what it has to."""

_SERVER = ("address", "port", "system_identifier")
_FACTS = ("host", "server", "selection", "thresholds", "database", "sequence")


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """Keep other runs from deciding by the same file until this one has told and remembered.

    :arg state: the file; the lock is another beside it
    :raises OSError: it cannot be opened, or another run does not come to its end
    """
    with contextlib.ExitStack() as stack:
        try:
            state.parent.mkdir(parents=True, exist_ok=True)
            place = _files.place_of(state)
            folder = stack.enter_context(_files.folder(place.parent))
            descriptor = _files.open_in(folder, f"{place.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            stack.callback(os.close, descriptor)
        except OSError as error:
            # What can be remembered no more must still be told.
            if error.errno not in _files.FULL:
                raise
        else:
            try:
                _files.lock(descriptor, _LONGEST_WAIT)
            except BlockingIOError:
                raise OSError(errno.EAGAIN, "another run has not finished telling", str(state)) from None
        yield


def read(state: Path, channel: str) -> dict[str, Kept]:
    """What was told by a channel; nothing where there is no such file, or none of ours.

    :raises OSError: it is there and cannot be read
    """
    # It is better to tell twice than not at all.
    kept: dict[str, Kept] = {}
    for key, value in _all(state).get(channel, {}).items():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            facts = {name: value["facts"][name] for name in _FACTS}
            # Earlier versions did not keep it.
            facts["fail_on"] = value["facts"].get("fail_on")
            if not _is_ours(facts) or not isinstance(value["state"], str):
                raise TypeError("none of ours")
            kept[key] = Kept(value["state"], float(value["told"]), facts)
    return kept


def write(state: Path, channel: str, kept: Mapping[str, Kept]) -> None:
    """Remember what was told by a channel.

    :raises OSError: it cannot be written
    """
    channels = {**_all(state), channel: {key: each._asdict() for key, each in kept.items()}}
    text = json.dumps({"schema_version": SCHEMA_VERSION, "channels": channels}, indent=1) + "\n"
    _files.replace(state, text, 0o600)


def _is_ours(facts: Mapping[str, t.Any]) -> bool:
    """Whether facts have the form that they are kept in."""
    server, selection = facts["server"], facts["selection"]
    return (
        all(isinstance(facts[name], str) for name in ("host", "database", "sequence"))
        and isinstance(facts["thresholds"], dict)
        and all(isinstance(value, (int, float)) for value in facts["thresholds"].values())
        and (server is None or (isinstance(server, dict) and server.keys() >= set(_SERVER)))
        and (
            selection is None
            or (
                isinstance(selection, dict)
                and "databases" in selection
                and isinstance(selection.get("columns"), (list, type(None)))
            )
        )
    )


def _all(state: Path) -> dict[str, t.Any]:
    try:
        found = json.loads(_files.read(state))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or found.get("schema_version") != SCHEMA_VERSION:
        return {}
    channels = found.get("channels")
    if not isinstance(channels, dict):
        return {}
    return {name: told for name, told in channels.items() if isinstance(told, dict)}
