# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The text of a dump on its way to psql: what a frame of our own takes the place of, and where an error is.

Lines are taken out and leave an empty line, so that psql's line numbers stay the dump's.
Measured with psql 15 to 19 (docs/measured.md, Restore). Pure: bytes in, bytes out.
"""

from __future__ import annotations

import collections
import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import RestoreError
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import text_of

# A row may be longer than all memory: lines above this pass in parts.
_LONGEST = 1 << 23

# pg_restore ends its one transaction at most this many bytes before the end of what it prints.
_TRAILER = 512

_RESTRICTION = re.compile(rb"^\\(un)?restrict[ \t]+([A-Za-z0-9]+)[ \t]*(?=\r?$)", re.MULTILINE)
_BLANK_OR_COMMENT = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t]*(?:--[^\n]*)?\r?\n)*")
# How pg_dump goes on after its restriction, wherever a dump begins in a file.
_DUMPED_FROM = re.compile(rb"\r?\n\r?\n-- Dumped from database version ")
_UNRESTRICT = re.compile(rb"(\\+)unrestrict([ \t]+[A-Za-z0-9]+[ \t]*\r?$)?", re.MULTILINE)
_BEGIN = re.compile(rb"^BEGIN;$", re.MULTILINE)
_COMMIT = re.compile(rb"\nCOMMIT;\n(?=(?:\s|--[^\n]*\n|\\unrestrict [A-Za-z0-9]+\n)*\Z)")

# pg_dump puts large objects' data into transactions of their own, also in a plain dump. In a text its quotes would be doubled.
_OBJECTS_BEGIN = re.compile(rb"^BEGIN;(?=\r?\n\r?\nSELECT pg_catalog\.lo_open\('\d+', \d+\);)", re.MULTILINE)
_OBJECTS_END = re.compile(rb"(?<=SELECT pg_catalog\.lo_close\(0\);)(\r?\n\r?\n)COMMIT;", re.MULTILINE)
_TOGETHER = re.compile(rb"^(?:BEGIN;|SELECT pg_catalog\.lo_close\(0\);)\r?\n(?:\r?\n)?\Z", re.MULTILINE)

# What a dump begins with, and settings there that older servers do not know.
_HEADER = re.compile(
    rb"(?:(?:SET |RESET |SELECT pg_catalog\.set_config\(|BEGIN;|\\(?:un)?restrict )[^\n]*\n|[ \t]*(?:--[^\n]*)?\r?\n)*"
)
_TIMEOUT = re.compile(rb"^SET transaction_timeout = 0;(?=\r?$)", re.MULTILINE)
_ACCESS_METHOD = re.compile(
    rb"(?<=SET default_tablespace = '';\n\n)SET default_table_access_method = heap;(?=\n\n--\n-- Name: )"
)


class Filter:
    r"""Takes out of a dump's text what our own frame replaces, and refuses what would break out of it.

    The dump's own ``\restrict`` and ``\unrestrict`` (ours stands around them, and they cannot be nested); the BEGIN and
    COMMIT of ``pg_restore --single-transaction`` and of large objects; two settings that older servers do not know.
    What somebody appended to a dump was written for a new session: where its own restriction ends, so does its search_path.
    """

    def __init__(self, server_version: int, by_pg_restore: bool, leaky: bool) -> None:
        r"""Begin.

        :arg server_version: ``server_version_num`` of the target
        :arg by_pg_restore: whether the text comes from ``pg_restore --single-transaction``
        :arg leaky: whether this psql expands what follows ``\unrestrict`` (CVE-2026-18408)
        """
        self._server_version = server_version
        self._by_pg_restore = self._opens = by_pg_restore
        self._leaky = leaky
        self._rest = b""
        self._at_line_start = True
        self._begun = False
        self._in_header = True
        self._in_objects = False
        # The key of the dump's own restriction while it lasts.
        self._key: bytes | None = None

    def feed(self, block: bytes) -> bytes:
        """Take the next part of the dump; return what psql may have of it now.

        :raises RestoreError: it holds what psql must not be given
        """
        if b"\0" in block:
            raise RestoreError(
                "the dump holds a NUL byte, at which psql would drop the rest of a line; dump or copy it again"
            )
        data = self._rest + block
        cut = self._cut(data)
        self._rest = data[cut:]
        return self._cleaned(data[:cut]) if cut else b""

    def _cut(self, data: bytes) -> int:
        """Where to cut, so that nothing that is looked for is cut in two."""
        end = max(0, len(data) - _TRAILER if self._by_pg_restore else len(data))
        cut = data.rfind(b"\n", 0, end) + 1
        if self._in_header or b"restrict" in data[max(0, cut - 2 * _TRAILER) : cut]:
            # What belongs together has no empty line in it, or begins with one.
            cut = data.rfind(b"\n\n", 0, max(0, end - _TRAILER)) + 1 or cut
        spaces = data.rfind(b"SET default_tablespace = ", max(0, cut - 128), cut)
        if self._server_version < 120000 and spaces > 0:
            cut = spaces
        together = _TOGETHER.search(data, max(0, cut - 64), cut)
        if together:
            cut = together.start()
        if not cut and len(data) > _LONGEST:
            cut = len(data) - _TRAILER
            backslash = data.rfind(b"\\", cut - 16, cut)
            cut = backslash if backslash > 0 else cut
        return cut

    def finish(self) -> bytes:
        r"""The rest, after the end of the dump.

        :raises RestoreError: the dump began with ``\restrict`` and did not come to its ``\unrestrict``
        """
        text = self._cleaned(self._rest)
        self._rest = b""
        if self._by_pg_restore:
            text = _COMMIT.sub(b"\n\n", text)
        if self._key is not None:
            raise RestoreError(
                "the dump is cut off: it begins with \\restrict, and the \\unrestrict that pg_dump writes at the end is not there."
                " Dump or copy it again; if you took its end away on purpose, take the line with \\restrict away as well"
            )
        return text

    def _cleaned(self, text: bytes) -> bytes:
        if not self._begun and text.startswith(b"\xef\xbb\xbf"):
            text = text[3:]
        headers = [0] if self._in_header else []
        if b"restrict" in text:
            text = self._without_restrictions(text, headers)
        if self._opens:
            # The first statement that pg_restore prints.
            text, found = _BEGIN.subn(b"", text, 1)
            self._opens = not found
        text = self._without_new_settings(text, headers)
        if self._in_objects or b"pg_catalog.lo_open" in text:
            text = self._without_transactions_of_objects(text)
        if text:
            self._begun = True
            self._at_line_start = text.endswith(b"\n")
        return text

    def _without_restrictions(self, text: bytes, headers: list[int]) -> bytes:
        """Without the dump's own; adds to ``headers`` where another dump may begin."""
        kept, place, length = [], 0, 0
        for found in _RESTRICTION.finditer(text):
            ends, key = found.groups()
            if found.start() == 0 and not self._at_line_start:
                continue
            instead = b""
            if ends and key == self._key:
                self._key = None
                instead = b"" if self._by_pg_restore else b"RESET search_path;"
            elif not ends and self._key is None and self._begins_here(text, found):
                self._key = key
            else:
                continue
            kept += [text[place : found.start()], instead]
            length += found.start() - place + len(instead)
            place = found.end()
            # After the end of its line.
            headers.append(length + text.find(b"\n", place) + 1 - place)
        text = b"".join([*kept, text[place:]])
        if self._leaky and any(_may_run(text, found) for found in _UNRESTRICT.finditer(text)):
            raise RestoreError(
                "the dump holds \\unrestrict, after which this psql would run commands. psql 18.6, 17.11, 16.15, 15.19 and 14.24, and newer,"
                " do not: update its package"
            )
        return text

    def _begins_here(self, text: bytes, found: re.Match[bytes]) -> bool:
        blank = _BLANK_OR_COMMENT.match(text)
        first = not self._begun and blank is not None and blank.end() >= found.start()
        return first or _DUMPED_FROM.match(text, found.end()) is not None

    def _without_new_settings(self, text: bytes, headers: list[int]) -> bytes:
        for start in reversed(headers):
            end = t.cast("re.Match[bytes]", _HEADER.match(text, start)).end()
            if start == max(headers):
                self._in_header = end >= len(text)
            if self._server_version < 170000:
                text = text[:start] + _TIMEOUT.sub(b"", text[start:end]) + text[end:]
        return _ACCESS_METHOD.sub(b"", text) if self._server_version < 120000 else text

    def _without_transactions_of_objects(self, text: bytes) -> bytes:
        place = 0
        while True:
            pattern = _OBJECTS_END if self._in_objects else _OBJECTS_BEGIN
            found = pattern.search(text, place)
            if not found:
                return text
            instead = found[1] if self._in_objects else b""
            text = text[: found.start()] + instead + text[found.end() :]
            place = found.start() + len(instead)
            self._in_objects = not self._in_objects


def _may_run(text: bytes, found: re.Match[bytes]) -> bool:
    r"""Whether psql may take this for its command, with an argument that it expands.

    A row of COPY has backslashes doubled. But in some encodings a character ends in a byte that looks like one: then one
    of its first bytes is above 127, at most three bytes before.
    """
    before = text[max(0, found.start() - 3) : found.start()]
    doubled = len(found[1]) % 2 == 0 and len(before) == 3 and max(before) < 128
    alone = len(found[1]) == 1 and before[-1:] in (b"", b"\n") and found[2] is not None
    return not doubled and not alone


class Heading(t.NamedTuple):
    """A comment that pg_dump and pg_restore write before an object: a hint where an error is, no more.

    :ivar line: from 1
    :ivar offset: in bytes
    """

    line: int
    offset: int
    kind: str
    schema: str
    name: str

    @property
    def words(self) -> str:
        """The object, for messages."""
        full = f"{self.schema}.{self.name}" if self.schema else self.name
        return f"{self.kind} {full}"


class Headings:
    """Remembers the last headings of a text that passes by.

    :ivar data: how many of the headings so far are of tables' rows
    :ivar offset: bytes that have passed
    """

    _HEADING = re.compile(
        rb"^-- (?:Data for |Statistics for )?Name: (.{0,500}); Type: ([A-Z ]+); Schema: (.{0,200}?); Owner: ",
        re.MULTILINE,
    )

    def __init__(self) -> None:
        self.data = 0
        self.offset = 0
        self._line = 1
        self._last: collections.deque[Heading] = collections.deque(maxlen=10000)

    def feed(self, text: bytes) -> None:
        """Take the next part, which begins at a line's beginning."""
        counted = 0
        for found in self._HEADING.finditer(text) if b"-- " in text else ():
            self._line += text.count(b"\n", counted, found.start())
            counted = found.start()
            name, kind, schema = (text_of(part) for part in found.groups())
            self._last.append(Heading(self._line, self.offset + counted, kind, "" if schema == "-" else schema, name))
            self.data += kind == "TABLE DATA"
        self._line += text.count(b"\n", counted)
        self.offset += len(text)

    @property
    def all(self) -> list[Heading]:
        """All that are remembered."""
        return list(self._last)

    @property
    def line(self) -> int:
        """The line that comes next."""
        return self._line

    @property
    def last(self) -> Heading | None:
        """The last one so far."""
        return self._last[-1] if self._last else None

    def before(self, line: int) -> Heading | None:
        """The last one that stands before a line."""
        return next((heading for heading in reversed(self._last) if heading.line <= line), None)
