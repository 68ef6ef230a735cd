# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""The log of changes: JSON lines, appended to one file by any number of runs at once."""

from __future__ import annotations

import fcntl
import json
import os
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def entry(
    host: str, change: Mapping[str, t.Any], run: str, check_mode: bool, who: str, role: str | None, time: str
) -> dict[str, t.Any]:
    """One line.

    :arg change: an entry of ``changes`` (contract, section 4)
    :arg run: name of the entry point
    :arg who: the user who ran it, and where
    :arg role: the role in the database, where one was named
    :arg time: in UTC, as ISO 8601
    """
    return {
        "time": time,
        "host": host,
        "database": change["database"],
        "sequence": f"{change['schema']}.{change['name']}",
        "before": change["before"],
        "after": change["after"],
        "reason": ",".join(change["reasons"]),
        "method": change["method"],
        "statement": change["statement"],
        "who": who,
        "role": role,
        "run": run,
        "check_mode": check_mode,
    }


def make_ready(path: Path) -> None:
    """Make the file and its folder if need be, and see that it can be written to.

    :raises OSError: it cannot
    """
    os.close(_open(path))


def append(path: Path, entries: Iterable[Mapping[str, t.Any]]) -> None:
    """Append entries, a line each, and have them on disk.

    :raises OSError: it failed, perhaps with some of them written
    """
    data = "".join(json.dumps(each) + "\n" for each in entries).encode()
    if not data:
        return
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            # A run was killed, or the disk was full, in the middle of a line.
            data = b"\n" + data
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
