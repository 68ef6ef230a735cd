# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""The log of changes: JSON lines, appended to one file by any number of runs at once.

What cannot be appended, because the disk is full perhaps, is kept beside the file or in the user's own folder until it can.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import typing as t
from pathlib import Path

from ansible_collections.pgops.sequences.plugins.plugin_utils import _files

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


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
    """Make the file and its folder if need be, see that it can be written to, and append what is waiting for that.

    :raises OSError: it cannot be written
    """
    with _opened(path):
        pass
    for waiting in _waiting(path):
        with contextlib.suppress(FileNotFoundError):
            _catch_up(path, waiting)


def append(path: Path, entries: Iterable[Mapping[str, t.Any]]) -> None:
    """Append entries, a line each, and have them on disk; what cannot be is kept for :func:`make_ready` of a later run.

    :raises OSError: it failed; the text says whether they were kept
    """
    data = "".join(json.dumps(each) + "\n" for each in entries).encode()
    if not data:
        return
    try:
        _append(path, data)
    except OSError as error:
        waiting = _keep(path, data)
        if waiting is None:
            raise
        kept = f"{error.strerror}; the changes are kept in {waiting} and logged by the next run"
        raise KeptError(error.errno, kept, str(path)) from error


def _keep(path: Path, data: bytes) -> Path | None:
    """Keep what cannot be appended; return where, or None where that is not possible either."""
    for waiting in _waiting(path):
        with contextlib.suppress(OSError):
            waiting.parent.mkdir(parents=True, exist_ok=True)
            _append(waiting, data)
            return waiting
    return None


class KeptError(OSError):
    """Entries could not be appended and are kept elsewhere until they can."""


def _catch_up(path: Path, waiting: Path) -> None:
    """Append what waits in a file, once, however many runs try at a time."""
    with _files.folder(waiting.parent) as folder:
        mine = f"{waiting.name}.{secrets.token_hex(8)}"
        os.rename(waiting.name, mine, src_dir_fd=folder, dst_dir_fd=folder)
        try:
            with open(_files.open_in(folder, mine, os.O_RDONLY), "rb") as file:
                _append(path, file.read())
        except OSError:
            os.rename(mine, waiting.name, src_dir_fd=folder, dst_dir_fd=folder)
            raise
        os.unlink(mine, dir_fd=folder)


def _append(path: Path, data: bytes) -> None:
    with _opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            # A run was killed, or the disk was full, in the middle of a line.
            data = b"\n" + data
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        except OSError:
            # Half a line, or some of the lines, would be there twice later.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
            raise


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    place = _files.place_of(path)
    with _files.folder(place.parent) as folder:
        descriptor = _files.open_in(folder, place.name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _waiting(path: Path) -> tuple[Path, Path]:
    """Files in which entries wait: beside the log, and in the user's own folder."""
    mark = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:16]
    return path.with_name(f".{path.name}.waiting"), Path("~/.local/state/pg_sequences").expanduser() / f"{mark}.waiting"
