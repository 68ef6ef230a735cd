# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""Files in folders that may be others': opened relative to the folder, and never by a link that another user laid.

A folder is opened once and everything in it by its descriptor, so that what was checked is what is written to. The last
component of a path, folder or file, may be a symbolic link of root's or of this user's own, and of nobody else's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Iterator

UNFINISHED = ".unfinished-"
"""How names begin of what is being written, or was when its run was killed."""

_MOST_LINKS = 8

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""What a disk says that takes no more: the machine's trouble, and no mistake in what was named."""


@contextlib.contextmanager
def folder(path: Path, make: bool = False) -> Iterator[int]:
    """Open a folder.

    :arg make: whether to make it, and those above it, where they are missing
    :returns: its descriptor
    :raises OSError: it is none, or is reached by a link of another user's
    """
    if make:
        path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(_trusted(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_in(descriptor: int, name: str, flags: int, mode: int = 0o640) -> int:
    """Open a file in a folder, following no link and waiting for nobody at its other end.

    :raises OSError: it cannot be opened, or is neither a file nor a device
    """
    opened = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=descriptor)
    kind = os.fstat(opened).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISCHR(kind)):
        os.close(opened)
        raise OSError(errno.EINVAL, "neither a file nor a device", name)
    return opened


def lock(descriptor: int, seconds: float) -> None:
    """Lock an open file or folder, unless somebody else who may open it holds it for too long.

    :raises OSError: that is so
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OSError(errno.EAGAIN, "somebody else has it locked and does not let go") from None
            time.sleep(0.05)
        else:
            return


def place_of(path: Path) -> Path:
    """Where a file lies: the path itself, or what the links lead to that root or this user laid in its place.

    :raises OSError: a link there is another user's
    """
    return _trusted(path)


def read(path: Path) -> str:
    """The text of a file.

    :raises OSError: it cannot be read
    """
    place = place_of(path)
    with (
        folder(place.parent) as descriptor,
        open(open_in(descriptor, place.name, os.O_RDONLY), encoding="utf-8") as file,
    ):
        return file.read()


def write_in(descriptor: int, name: str, text: str, mode: int | None = None) -> None:
    """Write a new file in a folder, and have it on disk.

    :arg mode: its permissions; by default those of the umask
    :raises OSError: it is there already, or could not be written
    """
    opened = open_in(descriptor, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
    with open(opened, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, text: str, mode: int | None = None) -> None:
    """Write a file whole, or leave it as it was.

    :arg mode: its permissions; by default those of the umask
    :raises OSError: it could not be written
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    place = place_of(path)
    with folder(place.parent) as descriptor:
        unfinished = f"{UNFINISHED}{secrets.token_hex(8)}"
        try:
            write_in(descriptor, unfinished, text, mode)
            os.replace(unfinished, place.name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(unfinished, dir_fd=descriptor)
            raise


def _trusted(path: Path) -> Path:
    """The path, with links in its last component followed as long as they are root's or this user's own.

    :raises PermissionError: a link is another user's
    """
    for _unused in range(_MOST_LINKS):
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return path
        if not stat.S_ISLNK(found.st_mode):
            return path
        if found.st_uid not in (0, os.geteuid()):
            raise PermissionError(
                errno.EPERM, f"a symbolic link that belongs to another user (uid {found.st_uid})", str(path)
            )
        path = path.parent / os.readlink(path)
    raise OSError(errno.ELOOP, "too many symbolic links", str(path))
