# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What a dump is: its format, by its first bytes, and its text, unpacked. Nothing here talks to a server."""

from __future__ import annotations

import bz2
import contextlib
import getpass
import gzip
import hashlib
import lzma
import os
import re
import shutil
import tarfile
import typing as t
import zlib

from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import RestoreError
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import Program

_BLOCK = 1 << 20
_HEAD = 1 << 14

_COMPRESSIONS = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))

BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)
"""What reading a damaged compressed file raises."""

# What people hand over by mistake and no program of PostgreSQL reads: the first bytes, and what it is.
_FOREIGN = (
    (b"\xff\xfe", "text in UTF-16, as PowerShell's > writes it; dump again with pg_dump --file"),
    (b"\xfe\xff", "text in UTF-16; dump again with pg_dump --file"),
    (b"SQLite format 3", "a database of SQLite"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"\x04\x22\x4d\x18", "an LZ4 file; unpack it first with lz4 -d"),
)


class Dump(t.NamedTuple):
    """A dump as its first bytes show it.

    :ivar path: where it lies
    :ivar kind: custom, directory, tar or plain
    :ivar compression: of a plain dump: gzip, bzip2, xz, zstd; otherwise empty
    :ivar size: bytes on disk
    :ivar head: the beginning of a plain dump, unpacked
    """

    path: str
    kind: str
    compression: str
    size: int
    head: bytes = b""

    @property
    def plain(self) -> bool:
        """Whether it is SQL for psql, rather than an archive for pg_restore."""
        return self.kind == "plain"

    def version(self, of: str) -> str | None:
        """What a plain dump's head says it was dumped ``by pg_dump`` or ``from database`` of; for people, nothing is decided by it."""
        found = re.search(rb"^-- Dumped " + of.encode() + rb" version:? ([0-9][0-9a-z.]*)", self.head, re.MULTILINE)
        return found[1].decode() if found else None

    @property
    def words(self) -> str:
        """Format and compression, for people."""
        return f"{self.kind}, {self.compression}" if self.compression else self.kind


def identify(path: str) -> Dump:
    """Look at the first bytes of a dump.

    :arg path: a file, or the directory of ``pg_dump --format=directory``
    :returns: what it is; that it is sound is for PostgreSQL's programs to say
    :raises RestoreError: missing, unreadable, empty, or of a format that neither psql nor pg_restore reads
    """
    try:
        if os.path.isdir(path):
            return _identify_directory(path)
        if not os.path.isfile(path):
            os.stat(path)
            raise RestoreError(f"the dump {path} is neither a file nor a directory")
        with open(path, "rb") as file:
            head = file.read(_HEAD)
        size = os.path.getsize(path)
    except FileNotFoundError:
        raise RestoreError(
            f"there is no dump {path} on this host, where the tools run; copy it here first, or {_path_cure(path)}"
        ) from None
    except PermissionError:
        raise RestoreError(
            f"the dump {path} cannot be read by the user {_user()}, as whom this task runs. "
            "Let that user read it and enter the folders above it, or run the task as another user"
        ) from None
    except OSError as error:
        raise RestoreError(f"the dump {path} cannot be read: {error.strerror}") from None
    if not head:
        raise RestoreError(f"the dump {path} is empty")
    if head.startswith(b"PGDMP"):
        return Dump(path, "custom", "", size)
    if head[257:262] == b"ustar":
        _check_tar(path, size)
        return Dump(path, "tar", "", size)
    compression = next((name for magic, name in _COMPRESSIONS if head.startswith(magic)), "")
    if compression:
        head = _unpacked_head(path, compression)
        if head.startswith(b"PGDMP") or head[257:262] == b"ustar":
            kind = "a custom" if head.startswith(b"PGDMP") else "a tar"
            raise RestoreError(
                f"the dump {path} is {kind} archive compressed once more with {compression}; unpack it first"
            )
    for magic, words in _FOREIGN:
        if head.startswith(magic):
            raise RestoreError(f"{path} is not a dump of PostgreSQL but {words}")
    if b"\0" in head:
        raise RestoreError(
            f"{path} is of no known format: neither an archive of pg_dump (custom, directory, tar) "
            "nor SQL, plain or compressed with gzip, bzip2, xz or zstd"
        )
    return Dump(path, "plain", compression, size, head)


def _path_cure(path: str) -> str:
    return (
        "correct the path"
        if os.path.isabs(path)
        else f"give its whole path: this one is looked for below {os.getcwd()}"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())


def _identify_directory(path: str) -> Dump:
    names = set(os.listdir(path))
    if "toc.dat" in names:
        return Dump(path, "directory", "", sum(item.stat().st_size for item in os.scandir(path) if item.is_file()))
    if names & {"PG_VERSION", "backup_label", "backup_manifest", "base.tar", "base.tar.gz"}:
        raise RestoreError(
            f"{path} is a physical backup of a whole server, which pg_restore cannot read; restore it with its own tool, given as command"
        )
    if names & {"toc.glo", "map.dat"}:
        raise RestoreError(f"{path} is an archive of pg_dumpall; give one of the databases below {path}/databases")
    raise RestoreError(
        f"the directory {path} holds no toc.dat, which pg_dump writes last: it is no dump, or pg_dump did not finish"
    )


def _check_tar(path: str, size: int) -> None:
    # pg_restore waits without end for what a cut tar file lacks, or takes a shortened last member for a whole one.
    try:
        with tarfile.open(path, "r:") as tar:
            members = tar.getmembers()
    except (tarfile.TarError, *BROKEN) as error:
        raise RestoreError(f"the tar file {path} is damaged or cut off: {error}. Dump or copy it again") from None
    if not members or members[0].name != "toc.dat":
        raise RestoreError(
            f"the tar file {path} was not written by pg_dump --format=tar (its first member is not toc.dat); unpack it first"
        )
    if members[-1].offset_data + members[-1].size > size:
        raise RestoreError(f"the tar file {path} is cut off: it ends in {members[-1].name}. Dump or copy it again")


def _unpacked_head(path: str, compression: str) -> bytes:
    text = open_text(path, compression)
    try:
        return t.cast(bytes, text.read(_HEAD))
    except BROKEN as error:
        raise RestoreError(f"the {compression} file {path} is damaged or cut off: {error or 'it ends early'}") from None
    finally:
        text.close()


class _Zstd:
    """The text of a Zstandard file, by the ``zstd`` program."""

    def __init__(self, path: str) -> None:
        program = shutil.which("zstd")
        if not program:
            raise RestoreError(
                f"the dump {path} is compressed with Zstandard, and the program zstd is not on this host. "
                "Install the package zstd, or unpack the dump elsewhere"
            )
        self._program = Program([program, "-dcq", "--", path], None, take=True)

    def read(self, size: int = -1) -> bytes:
        data = t.cast("t.IO[bytes]", self._program.output).read(size)
        if not data and size != 0 and self._program.finish() != 0:
            raise OSError(" ".join(self._program.errors) or "zstd failed")
        return data

    def close(self) -> None:
        self._program.end()
        t.cast("t.IO[bytes]", self._program.output).close()


def open_text(path: str, compression: str) -> t.Any:
    """Open a plain dump for reading, unpacked.

    :arg path: where it lies
    :arg compression: as in :class:`Dump`
    :returns: an object with ``read(size)`` and ``close()``; ``read`` raises one of :data:`BROKEN` where
        the compressed file is damaged or cut off
    :raises RestoreError: the program zstd is missing
    """
    if compression == "zstd":
        return _Zstd(path)
    openers: dict[str, t.Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
    return openers.get(compression, open)(path, "rb")


def line_of(dump: Dump, number: int) -> str:
    """A line of a plain dump, for messages; empty where it cannot be had.

    :arg number: of the line, from 1
    """
    try:
        text = open_text(dump.path, dump.compression)
    except (RestoreError, *BROKEN):
        return ""
    rest, passed = b"", 0
    try:
        while block := text.read(_BLOCK):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            if passed + len(lines) >= number:
                return t.cast(bytes, lines[number - passed - 1]).decode("utf-8", "replace").strip()
            passed += len(lines)
    except BROKEN:
        return ""
    finally:
        text.close()
    return rest.decode("utf-8", "replace").strip() if number == passed + 1 else ""


def fingerprint(dump: Dump, scope: str, watch: t.Callable[[bytes], None] = lambda block: None) -> str:
    """Stands for a dump, 32 hexadecimal digits, and the part of it that is restored, 8 more after a blank.

    A compressed dump is the dump that it unpacks to.

    :arg dump: the dump
    :arg scope: which part
    :arg watch: called with each part read
    :raises RestoreError: the dump cannot be read to its end
    """
    digest = hashlib.sha256()
    paths = [dump.path]
    if dump.kind == "directory":
        found = (os.path.join(dump.path, name) for name in sorted(os.listdir(dump.path)))
        paths = [path for path in found if os.path.isfile(path)]
    try:
        for path in paths:
            if len(paths) > 1:
                digest.update(
                    f"\0{os.path.basename(path)}\0{os.path.getsize(path)}\0".encode("utf-8", "surrogateescape")
                )
            with contextlib.closing(open_text(path, dump.compression)) as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    watch(block)
    except PermissionError as error:
        raise RestoreError(f"{error.filename} of the dump cannot be read by the user {_user()}") from None
    except BROKEN as error:
        raise RestoreError(
            f"the dump {dump.path} is damaged or cut off: {error or 'it ends early'}. Nothing was changed. Dump or copy it again"
        ) from None
    part = hashlib.sha256(scope.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{digest.hexdigest()[:32]} {part}"


def check_directory(dump: Dump, unpack: bool) -> None:
    """Find files of a directory archive that pg_restore would take for whole ones: empty, or cut at a row's end.

    With zlib 1.3.2 or newer it takes also a cut gzip file for a whole one (docs/measured.md, Restore).

    :arg unpack: whether nothing else would see that a gzip file ends early
    :raises RestoreError: the first that is
    """
    for item in sorted(os.scandir(dump.path), key=lambda item: item.name):
        if not item.is_file():
            continue
        if unpack and item.name.endswith(".gz") and (error := _read_whole(item.path)):
            raise RestoreError(
                f"the dump {dump.path} is damaged or cut off: {item.name}: {error}. Nothing was changed. Dump or copy it again"
            )
        if not re.fullmatch(r"\d+\.dat(\.\w+)?", item.name):
            continue
        size = item.stat().st_size
        cut = size == 0
        if size and item.name.endswith(".dat"):
            with open(item.path, "rb") as file:
                file.seek(max(0, size - 5))
                # A COPY's end; data written as INSERTs end in a semicolon and empty lines.
                cut = not file.read().endswith((b"\\.\n\n\n", b"\n\n"))
        if cut:
            raise RestoreError(f"the dump {dump.path} is cut off: {item.name} ends early. Dump or copy it again")


def _read_whole(path: str) -> str:
    """Unpack a gzip file to its end; return what is wrong with it, empty where nothing is."""
    if not os.path.getsize(path):
        # To Python one that unpacks to nothing; pg_dump writes none without a head.
        return "it is empty"
    try:
        with gzip.open(path, "rb") as file:
            while file.read(_BLOCK):
                pass
    except BROKEN as error:
        return str(error) or "it ends early"
    return ""
