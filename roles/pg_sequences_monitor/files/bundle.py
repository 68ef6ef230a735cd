# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put this collection as it is on the controller into an archive, the same bytes for the same files.

``bundle.py ARCHIVE ROOT``: ROOT is the collection's root folder.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

# Of a checkout neither its environments nor its tests.
_OURS = ["CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "galaxy.yml"]
_OURS += ["docs", "extensions", "meta", "playbooks", "plugins", "roles"]

# What is unpacked last, so that half an unpacked archive can be told from a whole one.
COMPLETE = "complete"


def main() -> int:
    """Write the archive and print its SHA-256; return the exit code."""
    parser = argparse.ArgumentParser(description="Put the collection into an archive.")
    parser.add_argument("archive", type=Path)
    parser.add_argument("root", type=Path)
    options = parser.parse_args()
    members = list(_members(options.root, "pgops/sequences", _OURS))
    with options.archive.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for name, path in members:
                _add(archive, f"ansible_collections/{name}", path.read_bytes())
            _add(archive, COMPLETE, b"")
    print(hashlib.sha256(options.archive.read_bytes()).hexdigest())
    return 0


def _members(root: Path, name: str, parts: list[str]) -> Iterator[tuple[str, Path]]:
    for part in parts:
        found = root / part
        for path in sorted(found.rglob("*")) if found.is_dir() else [found] * found.exists():
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{name}/{path.relative_to(root).as_posix()}", path


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))


if __name__ == "__main__":
    sys.exit(main())
