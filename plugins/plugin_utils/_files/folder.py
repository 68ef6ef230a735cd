# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""The folder of reports: each run under its own time stamp, whole or not at all, and ``latest``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
import time
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._files import files as _files

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Document

LATEST = "latest"

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z(-\d+)?")

_LONGEST_WAIT = 30.0
"""Seconds that others may hold the folder; it takes no run as long to switch to its report."""

_MOST_BYTES = 100 * 2**20
"""How much of earlier reports is read for the trend, so that a large fleet's does not take minutes."""


def make_ready(folder: Path) -> None:
    """Make the folder if need be, and see that runs can be written to it.

    :raises OSError: they cannot
    """
    try_out(folder)
    with _files.folder(folder) as descriptor, contextlib.suppress(FileNotFoundError):
        found = os.stat(LATEST, dir_fd=descriptor, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            raise FileExistsError(f"{folder / LATEST} is there and no symbolic link of ours; move it away")


def try_out(folder: Path) -> None:
    """Make the folder if need be, and see that files can be written to it.

    :raises OSError: they cannot
    """
    with _files.folder(folder, make=True) as descriptor:
        name = f"{_files.UNFINISHED}{secrets.token_hex(8)}"
        try:
            # On a disk that is full a name may find its place, and bytes do not.
            _files.write_in(descriptor, name, "x" * 4096)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=descriptor)


def write(folder: Path, generated_at: str, files: Mapping[str, str], keep: int = 0) -> Path:
    """Write a run's files into a folder of their own, and let ``latest`` lead to it.

    :arg generated_at: when it was made, in UTC, as ISO 8601
    :arg files: text by name
    :arg keep: how many runs are to stay; 0 for all
    :returns: the run's folder
    :raises OSError: it could not be written; what was there before is as it was
    """
    make_ready(folder)
    with _files.folder(folder) as descriptor:
        unfinished = f"{_files.UNFINISHED}{secrets.token_hex(8)}"
        os.mkdir(unfinished, dir_fd=descriptor)
        try:
            inside = os.open(unfinished, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            try:
                for name, text in files.items():
                    _files.write_in(inside, name, text)
            finally:
                os.close(inside)
            # Another run could remove this one before latest leads to it, or the other way round.
            with _locked(descriptor) as alone:
                place = _rename(descriptor, unfinished, generated_at.replace(":", ""))
                link = f"{_files.UNFINISHED}{secrets.token_hex(8)}"
                os.symlink(place, link, dir_fd=descriptor)
                os.replace(link, LATEST, src_dir_fd=descriptor, dst_dir_fd=descriptor)
                if keep and alone:
                    _remove_oldest(descriptor, keep, place)
        except BaseException:
            with contextlib.suppress(OSError):
                _remove(descriptor, unfinished)
            raise
        _remove_remains(descriptor)
    return folder / place


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[bool]:
    """Lock the folder; false where that cannot be had: there the run is written, and none removed."""
    mine = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
    try:
        try:
            _files.lock(mine, _LONGEST_WAIT)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(mine)


def earlier(folder: Path, most: int) -> Iterator[Document]:
    """The documents of earlier runs, the newest first; files that hold none are passed over.

    :arg most: how many at most
    """
    left = _MOST_BYTES
    with _files.folder(folder) as descriptor:
        for place in _runs(descriptor)[::-1][:most]:
            document = None
            # Whatever lies there must not keep this run from telling what it found.
            with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, RecursionError, MemoryError):
                text, left = _report(descriptor, place, left)
                if text is None:
                    return
                document = json.loads(text)
            if isinstance(document, dict) and document.get("schema_version") in (1, 2):
                yield document


def _report(descriptor: int, place: str, left: int) -> tuple[str | None, int]:
    """The text of a run's report, and how much may be read after it; None where it is larger than that."""
    inside = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
    try:
        with open(_files.open_in(inside, "report.json", os.O_RDONLY), encoding="utf-8") as file:
            left -= os.fstat(file.fileno()).st_size
            return (None if left < 0 else file.read()), left
    finally:
        os.close(inside)


def _runs(descriptor: int) -> list[str]:
    """The names of the folders of runs, the oldest first."""

    def moment(name: str) -> tuple[str, int]:
        stamp, _sign, number = name.partition("Z")
        return stamp, int(number[1:] or 0)

    return sorted((name for name in os.listdir(descriptor) if _STAMP.fullmatch(name)), key=moment)


def _rename(descriptor: int, unfinished: str, stamp: str) -> str:
    number = 1
    while True:
        place = stamp if number == 1 else f"{stamp}-{number}"
        try:
            # An empty folder would be replaced, one with files is an error.
            os.rename(unfinished, place, src_dir_fd=descriptor, dst_dir_fd=descriptor)
            return place
        except OSError:
            try:
                os.stat(place, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                pass
            else:
                number += 1
                continue
            raise


def _remove_oldest(descriptor: int, keep: int, place: str) -> None:
    """Remove all runs but the newest so many, and never the one just written, nor where ``latest`` leads: clocks go back."""
    spared = {place}
    with contextlib.suppress(OSError):
        spared.add(os.readlink(LATEST, dir_fd=descriptor))
    others = [name for name in _runs(descriptor) if name not in spared]
    for name in others[: max(0, len(others) - (keep - 1))]:
        with contextlib.suppress(OSError):
            _remove(descriptor, name)


def _remove_remains(descriptor: int) -> None:
    """Remove what killed runs left, a day later: nothing takes that long to write."""
    for name in os.listdir(descriptor):
        if name.startswith(_files.UNFINISHED):
            with contextlib.suppress(OSError):
                if time.time() - os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mtime > 86400:
                    _remove(descriptor, name)


def _remove(descriptor: int, name: str) -> None:
    """Remove a run's folder with the files in it, or a file; a folder that holds folders is none of ours and stays."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=descriptor)
        return
    inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
    try:
        for file in os.listdir(inside):
            os.unlink(file, dir_fd=inside)
    finally:
        os.close(inside)
    os.rmdir(name, dir_fd=descriptor)
