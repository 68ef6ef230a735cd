# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""The log of changes: JSON lines, appended to one file by any number of runs at once.

What cannot be appended, because the disk is full perhaps, is kept beside the file or in the user's own folder until it can.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import typing as t
from pathlib import Path

from ansible_collections.pgops.sequences.plugins.plugin_utils._files import files as _files
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import folder as _folder

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LONGEST_WAIT = 60.0
"""Seconds that others may hold the file; it takes no run as long to append its lines."""

_TAIL = 2**20
"""How much of the log's end is searched for lines that were appended already."""


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
    """Make the file and its folder if need be, append what is waiting for that, and see that there is room for more.

    :raises OSError: it cannot be written
    """
    with _opened(path):
        pass
    for waiting in _waiting(path):
        _catch_up(path, waiting)
    try:
        place = _files.place_of(path)
        if stat.S_ISREG(os.stat(place).st_mode):
            _folder.try_out(place.parent)
    except OSError as error:
        # The file may be this user's, and its folder not.
        if error.errno in _files.FULL:
            raise


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
        with contextlib.suppress(OSError), _files.folder(waiting.parent, make=True) as folder:
            while True:
                descriptor = _files.open_in(folder, waiting.name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
                with _ours(descriptor, waiting.name):
                    if not os.fstat(descriptor).st_nlink:
                        # It was caught up with meanwhile.
                        continue
                    _write(descriptor, data)
                    return waiting
    return None


@contextlib.contextmanager
def _ours(descriptor: int, name: str) -> Iterator[None]:
    """Lock a file in which entries wait, and close it at the end.

    :raises OSError: it is somebody else's, who could put words into the log by it
    """
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_nlink > 1:
            raise OSError(errno.EPERM, "another user's", name)
        _files.lock(descriptor, _LONGEST_WAIT)
        yield
    finally:
        os.close(descriptor)


class KeptError(OSError):
    """Entries could not be appended and are kept elsewhere until they can."""


def _catch_up(path: Path, waiting: Path) -> None:
    """Append what waits, once, however many runs try at a time, and whenever one of them was killed.

    Whatever else lies in that place is passed over: it must not keep anything from being repaired.

    :raises OSError: it cannot be appended
    """
    try:
        with _files.folder(waiting.parent) as folder:
            # Earlier versions gave them another name meanwhile, which a kill left.
            begun = re.compile(re.escape(waiting.name) + "([.][0-9a-f]{16})?")
            for name in sorted(filter(begun.fullmatch, os.listdir(folder))):
                with contextlib.suppress(OSError):
                    descriptor = _files.open_in(folder, name, os.O_RDONLY)
                    with _ours(descriptor, name):
                        _move(path, folder, name, descriptor)
    except FullError as error:
        raise OSError(error.errno, error.strerror, error.filename) from None
    except OSError:
        return


class FullError(Exception):
    """The log takes no more; it is no OSError, lest it is passed over."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.errno, error.strerror, error.filename)
        self.errno, self.strerror, self.filename = error.errno, error.strerror, error.filename


def _move(path: Path, folder: int, name: str, descriptor: int) -> None:
    """Move entries to the log.

    :raises FullError: they cannot be appended
    """
    if not os.fstat(descriptor).st_nlink:
        return
    with open(os.dup(descriptor), "rb") as file:
        data = file.read()
    try:
        _append(path, data, again=True)
    except OSError as error:
        raise FullError(error) from None
    os.unlink(name, dir_fd=folder)


def _append(path: Path, data: bytes, again: bool = False) -> None:
    """Append lines.

    :arg again: whether they may be there already: a run was killed before it removed them where they waited
    """
    with _opened(path) as descriptor:
        _files.lock(descriptor, _LONGEST_WAIT)
        if again:
            data = b"".join(_new(descriptor, data))
        _write(descriptor, data)


def _new(descriptor: int, data: bytes) -> Iterator[bytes]:
    """The lines that are not at the end of the file yet."""
    size = os.fstat(descriptor).st_size
    begin = max(0, size - len(data) - _TAIL)
    there = set(os.pread(descriptor, size - begin, begin).split(b"\n")) if size else set()
    for line in data.split(b"\n"):
        if line and line not in there:
            yield line + b"\n"


def _write(descriptor: int, data: bytes) -> None:
    """Write lines to the end of a file that is locked, all or none, and have them on disk."""
    size = os.fstat(descriptor).st_size
    if size and data and os.pread(descriptor, 1, size - 1) != b"\n":
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
