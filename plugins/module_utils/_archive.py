# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What stands in an archive of pg_dump: its head, its table of contents, whether its data are all there.

The binary head says exactly what ``pg_restore --list`` prints in words separated by blanks, where a
schema or table with a blank in its name cannot be told apart. Pure: bytes in, values out.
"""

from __future__ import annotations

import codecs
import dataclasses
import typing as t

# 8.0 wrote the oldest (1.10); 1.16 came with PostgreSQL 17.
_OLDEST_LAYOUT = (1, 10)

# A cut or foreign file must not make us ask for gigabytes in one read.
_LONGEST_STRING = 1 << 30

_DATA_BLOCK = 1
_LARGE_OBJECTS_BLOCK = 3


class ArchiveError(Exception):
    """The archive cannot be used; the text says what is wrong with it."""


class CutOff(ArchiveError):
    """The archive ends before its end."""


class Source(t.Protocol):
    """Anything bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; fewer only at the end."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of the table of contents.

    :ivar number: the entry's number in the archive, as ``pg_restore --use-list`` takes it
    :ivar kind: what it is, as in ``pg_restore --list``: TABLE, TABLE DATA, SEQUENCE SET, ...
    :ivar schema: the schema, or an empty string
    :ivar name: the object's name
    :ivar owner: the role that will own it, or an empty string
    :ivar has_data: the archive holds data for it beside the definition
    :ivar file: name of the file with the data (directory and tar), or an empty string
    :ivar definition: the SQL that makes it
    :ivar copy: the COPY statement of its data; empty for data written as INSERTs
    """

    number: int
    kind: str
    schema: str
    name: str
    owner: str
    has_data: bool
    file: str
    definition: str
    copy: str

    @property
    def full_name(self) -> str:
        """Schema and name, for messages."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclasses.dataclass(frozen=True)
class Archive:
    """Head and table of contents.

    :ivar database: name of the database that was dumped
    :ivar server_version: version of the server it was dumped from, such as ``16.4``
    :ivar dump_version: version of the pg_dump that wrote it
    :ivar entries: the table of contents
    """

    database: str
    server_version: str
    dump_version: str
    entries: tuple[Entry, ...]

    @property
    def encoding(self) -> str:
        """The encoding the text is in, as PostgreSQL names it; empty if the archive does not say."""
        for entry in self.entries:
            if entry.kind == "ENCODING":
                return entry.definition.partition("'")[2].partition("'")[0]
        return ""


class _Reader:
    """Reads the values an archive is made of.

    :raises CutOff: from every method, at the end of the file
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.integer_size = 4
        self.offset_size = 8

    def take(self, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) < size:
            raise CutOff("it ends in the middle")
        return data

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.take(min(size, 1 << 20)))

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self) -> int:
        data = self.take(1 + self.integer_size)
        value = int.from_bytes(data[1:], "little")
        return -value if data[0] else value

    def string(self) -> str:
        size = self.integer()
        if size > _LONGEST_STRING:
            raise ArchiveError("its table of contents is damaged")
        return self.take(size).decode("utf-8", "surrogateescape") if size > 0 else ""

    def optional_string(self) -> str | None:
        size = self.integer()
        if size > _LONGEST_STRING:
            raise ArchiveError("its table of contents is damaged")
        return None if size < 0 else self.take(size).decode("utf-8", "surrogateescape")


def read_archive(source: Source, custom: bool) -> tuple[Archive, tuple[int, int]]:
    """Read head and table of contents; afterwards ``source`` stands where the data of a custom archive begin.

    :arg source: the archive, or the ``toc.dat`` of a directory or tar archive, from its start
    :arg custom: whether it is a custom archive
    :returns: what it says, and the sizes in bytes of an integer and an offset in it
    :raises ArchiveError: damaged, or older than PostgreSQL 8.0
    :raises CutOff: it ends before the table of contents does
    """
    reader = _Reader(source)
    if reader.take(5) != b"PGDMP":
        raise ArchiveError("it does not begin as an archive of pg_dump does")
    layout = (reader.byte(), reader.byte())
    reader.byte()
    if layout < _OLDEST_LAYOUT:
        raise ArchiveError(f"its layout {layout[0]}.{layout[1]} is older than PostgreSQL 8.0")
    reader.integer_size = reader.byte()
    reader.offset_size = reader.byte()
    reader.byte()
    if layout >= (1, 15):
        reader.byte()
    else:
        reader.integer()
    for _part_of_the_time in range(7):
        reader.integer()
    database = reader.string()
    server_version = reader.string().split(" ")[0]
    dump_version = reader.string().split(" ")[0]
    entries = tuple(_read_entry(reader, layout, custom) for _unused in range(reader.integer()))
    archive = Archive(database, server_version, dump_version, entries)
    # Which encoding the text is in is one of the entries.
    decoded = tuple(_decoded(entry, codec_of(archive.encoding)) for entry in entries)
    return dataclasses.replace(archive, entries=decoded), (reader.integer_size, reader.offset_size)


def codec_of(encoding: str) -> str:
    """Python's name for an encoding of PostgreSQL (manual, 23.3.1); UTF-8 for those it does not know."""
    name = encoding.upper().replace("WIN", "CP", 1) if encoding.upper().startswith("WIN") else encoding
    try:
        return codecs.lookup(
            {"SQL_ASCII": "utf-8", "KOI8R": "koi8-r", "KOI8U": "koi8-u", "UHC": "cp949"}.get(name, name)
        ).name
    except LookupError:
        return "utf-8"


def _decoded(entry: Entry, codec: str) -> Entry:
    if codec == "utf-8":
        return entry

    def decode(text: str) -> str:
        return text.encode("utf-8", "surrogateescape").decode(codec, "surrogateescape")

    return dataclasses.replace(
        entry,
        schema=decode(entry.schema),
        name=decode(entry.name),
        owner=decode(entry.owner),
        definition=decode(entry.definition),
        copy=decode(entry.copy),
    )


def _read_entry(reader: _Reader, layout: tuple[int, int], custom: bool) -> Entry:
    number = reader.integer()
    has_data = reader.integer() != 0
    reader.string()
    reader.string()
    name = reader.string()
    kind = reader.string()
    if layout >= (1, 11):
        reader.integer()
    definition = reader.string()
    reader.string()
    copy = reader.string()
    schema = reader.string()
    reader.string()
    if layout >= (1, 14):
        reader.string()
    if layout >= (1, 16):
        reader.integer()
    owner = reader.string()
    reader.string()
    while reader.optional_string() is not None:
        pass
    file = ""
    if custom:
        reader.skip(1 + reader.offset_size)
    else:
        file = reader.string()
    return Entry(number, kind, schema, name, owner, has_data, file, definition, copy)


def check_custom_data(source: Source, archive: Archive, sizes: tuple[int, int]) -> None:
    """Go through the data of a custom archive to its end.

    Data are stored as blocks, each a chain of chunks with their sizes before them: they can be walked
    without unpacking them.

    :arg source: the archive, where :func:`read_archive` left it
    :arg archive: what that returned, with ``sizes``
    :raises CutOff: data are missing; the text says of what
    :raises ArchiveError: something else stands where data should
    """
    reader = _Reader(source)
    reader.integer_size, reader.offset_size = sizes
    missing = {entry.number: entry for entry in archive.entries if entry.has_data}
    current: Entry | None = None
    try:
        while missing:
            current = None
            kind = reader.byte()
            current = missing.pop(reader.integer(), None)
            if kind == _DATA_BLOCK:
                _skip_chunks(reader)
            elif kind == _LARGE_OBJECTS_BLOCK:
                while reader.integer() != 0:
                    _skip_chunks(reader)
            else:
                raise ArchiveError("it is damaged: something else stands where data should")
    except CutOff as error:
        entry = current or next(iter(missing.values()))
        raise CutOff(f"it is cut off: the data of {entry.full_name} are not all there") from error


def _skip_chunks(reader: _Reader) -> None:
    while size := reader.integer():
        if size < 0:
            raise ArchiveError("it is damaged: a chunk of data has a negative size")
        reader.skip(size)


def check_zstd(source: Source) -> None:
    """Go through a Zstandard file frame by frame, without unpacking it (RFC 8878, section 3).

    :raises CutOff: it ends inside a frame
    :raises ArchiveError: it is no such file
    """
    reader = _Reader(source)
    while magic := source.read(4):
        number = int.from_bytes(magic, "little")
        if number & 0xFFFFFFF0 == 0x184D2A50:
            reader.skip(int.from_bytes(reader.take(4), "little"))
            continue
        if number != 0xFD2FB528:
            raise CutOff("it ends in the middle") if len(magic) < 4 else ArchiveError("it is damaged")
        flags = reader.byte()
        single_segment = bool(flags & 0x20)
        reader.skip(not single_segment)
        reader.skip((0, 1, 2, 4)[flags & 3])
        reader.skip((1 if single_segment else 0, 2, 4, 8)[flags >> 6])
        last = False
        while not last:
            block = int.from_bytes(reader.take(3), "little")
            last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
            reader.skip(1 if kind == 1 else size)
        reader.skip(4 if flags & 4 else 0)


def check_lz4(source: Source) -> None:
    """Go through an LZ4 file frame by frame, without unpacking it (LZ4 frame format, version 1.6).

    :raises CutOff: it ends inside a frame
    :raises ArchiveError: it is no such file
    """
    reader = _Reader(source)
    while magic := source.read(4):
        if int.from_bytes(magic, "little") != 0x184D2204:
            raise CutOff("it ends in the middle") if len(magic) < 4 else ArchiveError("it is damaged")
        flags = reader.take(2)[0]
        reader.skip((8 if flags & 8 else 0) + (4 if flags & 1 else 0) + 1)
        while size := int.from_bytes(reader.take(4), "little") & 0x7FFFFFFF:
            reader.skip(size + (4 if flags & 0x10 else 0))
        reader.skip(4 if flags & 4 else 0)
