# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""The folder of reports: each run under its own time stamp, whole or not at all, and ``latest``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.pgops.sequences.plugins.plugin_utils._fleet import Document

LATEST = "latest"

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z(-\d+)?")
_UNFINISHED = ".unfinished-"

_MOST_BYTES = 100 * 2**20
"""How much of earlier reports is read for the trend, so that a large fleet's does not take minutes."""


def make_ready(folder: Path) -> None:
    """Make the folder if need be, and see that runs can be written to it.

    :raises OSError: they cannot
    """
    try_out(folder)
    latest = folder / LATEST
    if latest.exists() and not latest.is_symlink():
        raise FileExistsError(f"{latest} is there and no symbolic link of ours; move it away")


def try_out(folder: Path) -> None:
    """Make the folder if need be, and see that files can be written to it.

    :raises OSError: they cannot
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=folder):
        pass


def write(folder: Path, generated_at: str, files: Mapping[str, str]) -> Path:
    """Write a run's files into a folder of their own, and let ``latest`` lead to it.

    :arg generated_at: when it was made, in UTC, as ISO 8601
    :arg files: text by name
    :returns: the run's folder
    :raises OSError: it could not be written; what was there before is as it was
    """
    make_ready(folder)
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
    try:
        for name, text in files.items():
            _write(unfinished / name, text)
        unfinished.chmod(0o777 & ~_umask())
        place = _rename(unfinished, folder, generated_at.replace(":", ""))
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    link = folder / f"{_UNFINISHED}{place.name}"
    with contextlib.suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(place.name)
    link.replace(folder / LATEST)
    _remove_remains(folder)
    return place


def replace(path: Path, text: str) -> None:
    """Write a file whole, or leave it as it was.

    :raises OSError: it could not be written
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
    try:
        os.fchmod(descriptor, 0o666 & ~_umask())
        _write(descriptor, text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def earlier(folder: Path, most: int) -> Iterator[Document]:
    """The documents of earlier runs, the newest first; files that hold none are passed over.

    :arg most: how many at most
    """
    read = 0
    for place in _runs(folder)[::-1][:most]:
        report = place / "report.json"
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            read += report.stat().st_size
            if read > _MOST_BYTES:
                return
            document = json.loads(report.read_text(encoding="utf-8"))
            if document.get("schema_version") == 1:
                yield document


def remove_oldest(folder: Path, keep: int) -> None:
    """Remove all runs but the newest so many."""
    for place in _runs(folder)[:-keep]:
        shutil.rmtree(place, ignore_errors=True)


def _write(file: Path | int, text: str) -> None:
    with open(file, "w", encoding="utf-8", errors="backslashreplace", newline="") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())


def _runs(folder: Path) -> list[Path]:
    """The folders of runs, the oldest first."""
    places = [place for place in folder.iterdir() if _STAMP.fullmatch(place.name) and place.is_dir()]

    def moment(place: Path) -> tuple[str, int]:
        stamp, _sign, number = place.name.partition("Z")
        return stamp, int(number[1:] or 0)

    return sorted(places, key=moment)


def _rename(unfinished: Path, folder: Path, stamp: str) -> Path:
    number = 1
    while True:
        place = folder / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            # An empty folder would be replaced, one with files is an error.
            unfinished.rename(place)
            return place
        except OSError:
            if not place.exists():
                raise
            number += 1


def _remove_remains(folder: Path) -> None:
    """Remove what killed runs left, a day later: nothing takes that long to write."""
    for place in folder.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - place.lstat().st_mtime > 86400:
                shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
