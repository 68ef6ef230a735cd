# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What a dump is: its format, who wrote it, what is in it, and whether it is complete.

A path in, facts out. Nothing here talks to a server; the only other program is ``zstd``, for the one
compression Python cannot read by itself.
"""

from __future__ import annotations

import bz2
import dataclasses
import getpass
import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import typing as t
import zlib

from ansible_collections.pgops.sequences.plugins.module_utils._archive import (
    Archive,
    ArchiveError,
    CutOff,
    Entry,
    check_custom_data,
    check_lz4,
    check_zstd,
    codec_of,
    read_archive,
)
from ansible_collections.pgops.sequences.plugins.module_utils._discover.patterns import literals, matches, selected

_BLOCK = 1 << 20
_HEAD = 1 << 16

_COMPRESSIONS = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))

BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)
"""What reading a damaged compressed file raises."""

# What people hand over by mistake: the first bytes, and what it is.
_FOREIGN = (
    (b"\xff\xfe", "text in UTF-16, as PowerShell's > writes it; dump again with pg_dump --file"),
    (b"\xfe\xff", "text in UTF-16; dump again with pg_dump --file"),
    (b"-- MySQL dump", "a dump of MySQL"),
    (b"/*!999999", "a dump of MariaDB"),
    (b"-- MariaDB dump", "a dump of MariaDB"),
    (b"SQLite format 3", "a database of SQLite"),
    (b"PRAGMA ", "a dump of SQLite"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"\x04\x22\x4d\x18", "an LZ4 file; unpack it first with lz4 -d"),
)

_SQL_WORDS = frozenset(
    "abort alter analyze begin call cluster comment commit copy create declare delete discard do drop end execute"
    " explain grant import insert listen load lock merge notify prepare reassign refresh reindex reset revoke"
    " rollback security select set show start table truncate update vacuum values with".split()
)

_COMPLETE = b"-- PostgreSQL database dump complete"


class DumpError(Exception):
    """The dump cannot be restored as it is; the text says why, and what would help."""


class Item(t.NamedTuple):
    """A heading that pg_dump and pg_restore write before each object of a plain dump.

    :ivar line: line of the heading, from 1
    :ivar offset: its place in the text, in bytes
    """

    line: int
    offset: int
    kind: str
    schema: str
    name: str
    owner: str

    @property
    def full_name(self) -> str:
        """Schema and name, for messages."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclasses.dataclass(frozen=True)
class Dump:
    """What the beginning of a dump says.

    :ivar path: where it lies
    :ivar format: custom, directory, tar or plain
    :ivar compression: of a plain dump: gzip, bzip2, xz, zstd; otherwise empty
    :ivar size: bytes on disk
    :ivar dump_version: version of the pg_dump that wrote it; empty where unknown
    :ivar server_version: version of the server it was dumped from; empty where unknown
    :ivar encoding: encoding of its text; empty where unknown
    :ivar archive: the table of contents; None for a plain dump
    :ivar by_pg_dump: a plain dump was written by pg_dump (or pg_restore), and so has an end that can be recognised
    :ivar restricted: a plain dump begins with ``\\restrict``, which a psql from before August 2025 does not know
    :ivar drops: a plain dump begins by dropping what it creates (``pg_dump --clean``)
    """

    path: str
    format: str
    compression: str
    size: int
    dump_version: str = ""
    server_version: str = ""
    encoding: str = ""
    archive: Archive | None = None
    by_pg_dump: bool = False
    restricted: bool = False
    drops: bool = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The table of contents; empty for a plain dump."""
        return self.archive.entries if self.archive is not None else ()


@dataclasses.dataclass(frozen=True)
class Contents:
    """What reading a dump to its end has shown.

    :ivar fingerprint: SHA-256 of its content; for a plain dump that of its text, however it is compressed
    :ivar items: the objects of a plain dump
    :ivar length: bytes of the text of a plain dump
    :ivar own_transactions: a plain dump ends transactions itself, so that a failure may leave part of it behind
    """

    fingerprint: str
    items: tuple[Item, ...] = ()
    length: int = 0
    own_transactions: bool = False


class Headings:
    """Finds the headings in a plain dump that passes by in blocks."""

    _HEADING = re.compile(
        rb"-- (?:Data for )?Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: (.*?)(?:; Tablespace: .*?)?\r?$"
    )
    # Names can be long; a line of data may be longer, and is none.
    _LONGEST = 4096

    def __init__(self, encoding: str = "") -> None:
        """Begin.

        :arg encoding: PostgreSQL's name for the encoding of the text
        """
        self._codec = codec_of(encoding)
        self.line = 1
        self.offset = 0
        self._rest = b""
        self._begins_line = True

    def feed(self, block: bytes) -> list[Item]:
        """Take the next block; return the headings that are complete in it."""
        text = self._rest + block
        start = self.offset - len(self._rest)
        found = []
        counted = 0
        place = 0 if self._begins_line and text.startswith(b"-- ") else text.find(b"\n-- ") + 1 or -1
        while place >= 0:
            end = text.find(b"\n", place)
            heading = self._HEADING.match(text[place:end]) if 0 <= end - place < self._LONGEST else None
            if heading:
                self.line += text.count(b"\n", counted, place)
                counted = place
                name, kind, schema, owner = (part.decode(self._codec, "surrogateescape") for part in heading.groups())
                schema, owner = ("" if part == "-" else part for part in (schema, owner))
                found.append(Item(self.line, start + place, kind, schema, name, owner))
            place = text.find(b"\n-- ", end) + 1 or -1 if end >= 0 else -1
        self.line += text.count(b"\n", counted)
        self.offset += len(block)
        last_line = text.rfind(b"\n") + 1
        self._begins_line = last_line > 0 or self._begins_line
        self._rest = text[last_line:]
        if len(self._rest) >= self._LONGEST:
            self._rest, self._begins_line = b"", False
        return found


class _Hashing:
    """A file that is hashed while it is read.

    :ivar place: bytes read so far
    """

    def __init__(self, path: str, digest: t.Any, watch: t.Callable[[int], None]) -> None:
        self._file = open(path, "rb")
        self._digest = digest
        self._watch = watch

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        self._watch(len(data))
        return data

    def finish(self) -> None:
        """Read what is left, so that the digest covers all."""
        while self.read(_BLOCK):
            pass

    def close(self) -> None:
        self._file.close()


class _Zstd:
    """The text of a Zstandard file, by the ``zstd`` program."""

    def __init__(self, path: str) -> None:
        program = shutil.which("zstd")
        if not program:
            raise DumpError(
                f"the dump {path} is compressed with Zstandard, and the program zstd is not on this host. "
                "Install the package zstd, or unpack the dump elsewhere"
            )
        self._process = subprocess.Popen(
            [program, "-dcq", "--", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def read(self, size: int = -1) -> bytes:
        data = t.cast("t.IO[bytes]", self._process.stdout).read(size)
        if not data and size != 0:
            message = t.cast("t.IO[bytes]", self._process.stderr).read().decode("utf-8", "replace")
            if self._process.wait() != 0:
                raise OSError(" ".join(message.split()) or "zstd failed")
        return data

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()


def open_text(path: str, compression: str) -> t.Any:
    """Open a plain dump for reading, unpacked.

    :arg path: where it lies
    :arg compression: as in :class:`Dump`
    :returns: an object with ``read(size)`` and ``close()``; ``read`` raises one of :data:`BROKEN` where
        the compressed file is damaged or cut off
    :raises DumpError: the program zstd is missing
    """
    if compression == "zstd":
        return _Zstd(path)
    openers: dict[str, t.Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
    return openers.get(compression, open)(path, "rb")


def identify(path: str) -> Dump:
    """Look at the beginning of a dump.

    :arg path: a file, or the directory of ``pg_dump --format=directory``
    :returns: what it is
    :raises DumpError: missing, unreadable, empty, not a dump, or one that cannot be restored into a named database
    """
    try:
        if os.path.isdir(path):
            return _identify_directory(path)
        if not os.path.isfile(path):
            os.stat(path)
            raise DumpError(f"the dump {path} is neither a file nor a directory")
        with open(path, "rb") as file:
            head = file.read(_HEAD)
        size = os.path.getsize(path)
    except FileNotFoundError:
        raise DumpError(
            f"there is no dump {path} on this host, where the tools run; copy it here first, or correct the path"
        ) from None
    except PermissionError:
        raise DumpError(
            f"the dump {path} cannot be read by the user {_user()}, as whom this task runs. "
            "Let that user read it and enter the folders above it, or run the task as another user"
        ) from None
    except OSError as error:
        raise DumpError(f"the dump {path} cannot be read: {error.strerror}") from None
    if not head:
        raise DumpError(f"the dump {path} is empty")
    if head.startswith(b"PGDMP"):
        return _identify_archive(path, "custom", path, size)
    if head[257:262] == b"ustar":
        return _identify_tar(path, size)
    compression = next((name for magic, name in _COMPRESSIONS if head.startswith(magic)), "")
    if compression:
        head = _unpacked_head(path, compression)
        if head.startswith(b"PGDMP") or head[257:262] == b"ustar":
            kind = "a custom" if head.startswith(b"PGDMP") else "a tar"
            raise DumpError(
                f"the dump {path} is {kind} archive compressed once more with {compression}; unpack it first"
            )
    return _identify_plain(path, compression, size, head)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())


def _unpacked_head(path: str, compression: str) -> bytes:
    text = open_text(path, compression)
    try:
        return t.cast(bytes, text.read(_HEAD))
    except BROKEN as error:
        raise DumpError(f"the {compression} file {path} is damaged or cut off: {error or 'it ends early'}") from None
    finally:
        text.close()


def _identify_directory(path: str) -> Dump:
    names = set(os.listdir(path))
    contents = os.path.join(path, "toc.dat")
    if "toc.dat" in names:
        size = sum(item.stat().st_size for item in os.scandir(path) if item.is_file())
        return _identify_archive(path, "directory", contents, size)
    if names & {"PG_VERSION", "backup_label", "backup_manifest", "base.tar", "base.tar.gz"}:
        raise DumpError(
            f"{path} is a physical backup of a whole server, which pg_restore cannot read; restore it with its own tool, given as command"
        )
    if names & {"toc.glo", "map.dat"}:
        raise DumpError(f"{path} is an archive of pg_dumpall; give one of the databases below {path}/databases")
    raise DumpError(
        f"the directory {path} holds no toc.dat, which pg_dump writes last: it is no dump, or pg_dump did not finish"
    )


def _identify_archive(path: str, kind: str, contents: str, size: int) -> Dump:
    with open(contents, "rb") as file:
        return _archive_dump(path, kind, file, size)


def _archive_dump(path: str, kind: str, file: t.Any, size: int) -> Dump:
    try:
        archive, _unused = read_archive(file, kind == "custom")
    except CutOff:
        raise DumpError(
            f"the dump {path} is cut off: it ends inside its table of contents. Dump or copy it again"
        ) from None
    except ArchiveError as error:
        raise DumpError(f"the dump {path} cannot be read: {error}") from None
    return Dump(path, kind, "", size, archive.dump_version, archive.server_version, archive.encoding, archive)


def _identify_tar(path: str, size: int) -> Dump:
    try:
        with tarfile.open(path, "r:") as tar:
            member = tar.next()
            if member is not None and member.name == "toc.dat":
                return _archive_dump(path, "tar", tar.extractfile(member), size)
    except (tarfile.TarError, *BROKEN) as error:
        raise DumpError(f"the tar file {path} is damaged or cut off: {error}") from None
    raise DumpError(
        f"the tar file {path} was not written by pg_dump --format=tar (its first member is not toc.dat); unpack it first"
    )


def _identify_plain(path: str, compression: str, size: int, head: bytes) -> Dump:
    text = head[3:] if head.startswith(b"\xef\xbb\xbf") else head
    for magic, words in _FOREIGN:
        if text.startswith(magic):
            raise DumpError(f"{path} is not a dump of PostgreSQL but {words}")
    if b"-- PostgreSQL database cluster dump" in text[:4096]:
        raise DumpError(
            f"the dump {path} was written by pg_dumpall and holds a whole server, not one database. "
            "Restore it by command, for example 'psql --file=...', or dump the database with pg_dump"
        )
    by_pg_dump = b"-- PostgreSQL database dump" in text[:4096]
    if b"\0" in text or not (by_pg_dump or _looks_like_sql(text)):
        raise DumpError(
            f"{path} is of no known format: neither an archive of pg_dump (custom, directory, tar) "
            "nor SQL, plain or compressed with gzip, bzip2, xz or zstd"
        )
    if by_pg_dump and re.search(rb"^(CREATE DATABASE|\\connect) ", text, re.MULTILINE):
        raise _creates_database(path)
    return Dump(
        path,
        "plain",
        compression,
        size,
        _said(text, rb"^-- Dumped by pg_(?:dump|restore) version ([0-9.]+)"),
        _said(text, rb"^-- Dumped from database version ([0-9.]+)"),
        _said(text, rb"^SET client_encoding = '([^']+)'"),
        by_pg_dump=by_pg_dump,
        restricted=bool(re.search(rb"^\\restrict ", text, re.MULTILINE)),
        drops=bool(re.search(rb"^(DROP|ALTER TABLE [^;\n]* DROP) ", text, re.MULTILINE)),
    )


def _creates_database(path: str) -> DumpError:
    return DumpError(
        f"the dump {path} creates a database and connects to it (pg_dump --create): it would leave the database it "
        "is restored into. Dump without --create, or restore it by command, for example 'psql --file=...'"
    )


def _said(text: bytes, expression: bytes) -> str:
    found = re.search(expression, text, re.MULTILINE)
    return found.group(1).decode() if found else ""


def _looks_like_sql(text: bytes) -> bool:
    code = re.sub(rb"--[^\n]*(\n|$)|/\*.*?\*/", b" ", text, flags=re.DOTALL).lstrip()
    if not code:
        # Comments so far; a file of comments alone restores nothing.
        return len(text) >= _HEAD - 3 and text.lstrip().startswith((b"--", b"/*"))
    word = re.match(rb"[A-Za-z]+\b", code)
    return bool(re.match(rb"\\[a-z]+\b", code)) or (word is not None and word.group().decode().lower() in _SQL_WORDS)


def read_through(dump: Dump, watch: t.Callable[[int], None] = lambda size: None) -> Contents:
    """Read a dump to its end: is all of it there, and what is its fingerprint?

    The cost is that of reading the file once, small beside that of restoring it.

    :arg dump: what :func:`identify` returned
    :arg watch: called with the bytes of each part read
    :returns: what was found
    :raises DumpError: cut off, damaged, or meant for another database
    """
    try:
        if dump.format == "plain":
            return _read_plain(dump, watch)
        digest = hashlib.sha256()
        if dump.format == "directory":
            _read_directory(dump, digest, watch)
        else:
            _read_archive_file(dump, digest, watch)
        return Contents(digest.hexdigest())
    except CutOff as error:
        raise DumpError(f"the dump {dump.path} cannot be used: {error}. Dump or copy it again") from None
    except (ArchiveError, tarfile.TarError) as error:
        raise DumpError(f"the dump {dump.path} cannot be used: {error}. Dump or copy it again") from None
    except FileNotFoundError as error:
        raise DumpError(f"the dump {dump.path} is not complete: {error.filename} is missing") from None
    except PermissionError as error:
        raise DumpError(f"{error.filename} of the dump cannot be read by the user {_user()}") from None
    except BROKEN as error:
        raise DumpError(
            f"the dump {dump.path} is damaged or cut off: {error or 'it ends early'}. Dump or copy it again"
        ) from None


def _read_plain(dump: Dump, watch: t.Callable[[int], None]) -> Contents:
    digest = hashlib.sha256()
    headings = Headings(dump.encoding)
    items: list[Item] = []
    end = b""
    own_transactions = False
    # In a dump of pg_dump's such lines are data or a function's body.
    transaction = (
        None if dump.by_pg_dump else re.compile(rb"^\s*(COMMIT|ROLLBACK|END)\b[A-Z ]*;", re.MULTILINE | re.IGNORECASE)
    )
    text = open_text(dump.path, dump.compression)
    try:
        while block := text.read(_BLOCK):
            digest.update(block)
            items += headings.feed(block)
            own_transactions = own_transactions or bool(transaction and transaction.search(block))
            end = (end + block)[-1024:]
            watch(len(block))
    finally:
        text.close()
    if dump.by_pg_dump and _COMPLETE not in end:
        raise CutOff(f'it is cut off: it does not end with "{_COMPLETE.decode()}"')
    if any(item.kind == "DATABASE" for item in items):
        raise _creates_database(dump.path)
    return Contents(digest.hexdigest(), tuple(items), headings.offset, own_transactions)


def _read_archive_file(dump: Dump, digest: t.Any, watch: t.Callable[[int], None]) -> None:
    file = _Hashing(dump.path, digest, watch)
    try:
        if dump.format == "custom":
            archive, sizes = read_archive(file, True)
            check_custom_data(file, archive, sizes)
        else:
            # Large objects lie under names of their own, before restore.sql, which pg_dump writes last.
            missing = {entry.file: entry.full_name for entry in dump.entries if entry.kind == "TABLE DATA"}
            missing["restore.sql"] = "the last tables"
            try:
                with tarfile.open(fileobj=t.cast(t.Any, file), mode="r|", bufsize=_BLOCK) as tar:
                    for member in tar:
                        missing.pop(member.name, None)
            except tarfile.ReadError:
                raise CutOff("it is cut off: it ends in the middle") from None
            if missing:
                raise CutOff(f"it is cut off: the data of {next(iter(missing.values()))} are missing")
        file.finish()
    finally:
        file.close()


def _read_directory(dump: Dump, digest: t.Any, watch: t.Callable[[int], None]) -> None:
    expected = {entry.file: entry for entry in dump.entries if entry.file}
    for name in sorted(os.listdir(dump.path)):
        path = os.path.join(dump.path, name)
        if not os.path.isfile(path):
            continue
        digest.update(f"\0{name}\0{os.path.getsize(path)}\0".encode("utf-8", "surrogateescape"))
        stem, extension = os.path.splitext(name)
        compression = extension if extension in (".gz", ".lz4", ".zst") else ""
        entry = expected.pop(stem if compression else name, None)
        file = _Hashing(path, digest, watch)
        try:
            _check_data_file(file, compression, entry)
        except (CutOff, *BROKEN):
            raise CutOff(
                f"it is cut off or damaged: {name}, the data of {entry.full_name if entry else 'a large object'}"
            ) from None
        else:
            file.finish()
        finally:
            file.close()
        if entry is not None and entry.kind.startswith("BLOB"):
            _check_large_objects(dump.path, name)
    if expected:
        entry = next(iter(expected.values()))
        raise CutOff(f"it is not complete: the file {entry.file} with the data of {entry.full_name} is missing")


def _check_data_file(file: _Hashing, compression: str, entry: Entry | None) -> None:
    if compression == ".zst":
        check_zstd(file)
    elif compression == ".lz4":
        check_lz4(file)
    else:
        text: t.Any = gzip.GzipFile(fileobj=t.cast(t.Any, file)) if compression else file
        end = b""
        while block := text.read(_BLOCK):
            end = (end + block)[-16:]
        # pg_restore would load a shortened file without a word: it ends the COPY itself.
        if entry is not None and entry.kind == "TABLE DATA" and entry.copy and not end.endswith(b"\\.\n\n\n"):
            raise CutOff("the end of the data is missing")


def _check_large_objects(directory: str, name: str) -> None:
    with open(os.path.join(directory, name), encoding="utf-8") as listing:
        files = [line.split()[1] for line in listing if len(line.split()) == 2]
    for file in files:
        path = os.path.join(directory, file)
        if not any(os.path.exists(path + extension) for extension in ("", ".gz", ".lz4", ".zst")):
            raise CutOff(f"it is not complete: the large object {file} is missing")


# What pg_restore --table takes (manual, pg_restore): relations and their data, nothing that hangs on them.
_OF_A_TABLE = frozenset(
    (
        "TABLE",
        "TABLE DATA",
        "FOREIGN TABLE",
        "VIEW",
        "MATERIALIZED VIEW",
        "MATERIALIZED VIEW DATA",
        "SEQUENCE",
        "SEQUENCE SET",
    )
)


def select_tables(archive: Archive, patterns: t.Sequence[str], data_only: bool) -> list[Entry]:
    """The entries of an archive that patterns choose.

    :arg archive: the table of contents
    :arg patterns: shell globs on ``schema.table`` or ``table``, matched case-sensitively; a leading ``!`` takes away
    :arg data_only: only the rows of tables; otherwise what ``pg_restore --table`` takes
    :returns: the entries, in the archive's order
    :raises DumpError: a pattern without ``!`` or wildcard matches nothing, or nothing at all is left
    """
    kinds = {"TABLE DATA"} if data_only else _OF_A_TABLE
    candidates = [entry for entry in archive.entries if entry.kind in kinds]
    for pattern in literals(patterns):
        if not any(matches(pattern, name) for entry in candidates for name in _names(entry)):
            wanted = pattern.rpartition(".")[2].lower()
            near = sorted({entry.full_name for entry in candidates if entry.name.lower() == wanted})
            raise DumpError(
                f'tables: the dump holds {"no rows of a table" if data_only else "no table"} "{pattern}"'
                + (f"; names are case-sensitive, and it holds {', '.join(near)}" if near else "")
            )
    chosen = [entry for entry in candidates if selected(patterns, _names(entry))]
    if not chosen:
        raise DumpError(f"tables: nothing in the dump matches {', '.join(patterns)}")
    return chosen


def _names(entry: Entry) -> tuple[str, str]:
    return entry.name, f"{entry.schema}.{entry.name}"
