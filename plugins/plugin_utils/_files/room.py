# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What the tasks of one ansible-playbook know together, though each host's task is a process of its own.

By it one host's task does a work for all hosts, whatever the strategy, and the others see that it is done. It is kept in the
folder that ansible-playbook makes for itself, and goes with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import typing as t
from pathlib import Path

from ansible import constants

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REPORTED = "reported.json"


@contextlib.contextmanager
def locked() -> Iterator[Path]:
    """Keep the tasks of other hosts waiting.

    :returns: the folder
    """
    folder = Path(str(vars(constants)["DEFAULT_LOCAL_TMP"])) / "pg_sequences"
    folder.mkdir(0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(descriptor)


def key_of(host: str, result: Mapping[str, t.Any]) -> str:
    """What tells a host's result from all others; Ansible's own, of a task that could not begin, have no ``id``."""
    return str(result.get("id") or hashlib.sha256(json.dumps([host, result], sort_keys=True).encode()).hexdigest())


def read(folder: Path, name: str) -> dict[str, t.Any]:
    """What was kept under a name; nothing where nothing was."""
    try:
        return t.cast("dict[str, t.Any]", json.loads((folder / name).read_text()))
    except FileNotFoundError:
        return {}


def keep(folder: Path, name: str, values: Mapping[str, t.Any]) -> None:
    """Keep something under a name."""
    unfinished = folder / f"{name}.unfinished"
    unfinished.write_text(json.dumps(values))
    unfinished.replace(folder / name)


def reported(folder: Path) -> dict[str, dict[str, str]]:
    """The results that a report has shown, by their keys: ``play``, by which one, and ``verdict``, why the host fails."""
    return read(folder, _REPORTED)


def add_reported(folder: Path, more: Mapping[str, Mapping[str, str]]) -> None:
    """Take down what a report has shown."""
    keep(folder, _REPORTED, {**reported(folder), **more})


def take(folder: Path, key: str) -> bool:
    """Use a result's verdict; false where that was done before."""
    mark = folder / f"taken-{hashlib.sha256(key.encode()).hexdigest()}"
    try:
        mark.touch(0o600, exist_ok=False)
    except FileExistsError:
        return False
    return True
