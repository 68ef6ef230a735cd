# Copyright: (c) 2026, pgops contributors
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
_LEAK = re.compile(rb"(?<!\\)\\unrestrict(?![ \t]+[A-Za-z0-9]+[ \t]*\r?$)", re.MULTILINE)
_BEGIN = re.compile(rb"^BEGIN;$", re.MULTILINE)
_COMMIT = re.compile(rb"\nCOMMIT;\n(?=(?:\s|--[^\n]*\n|\\unrestrict [A-Za-z0-9]+\n)*\Z)")

# pg_dump puts large objects' data into transactions of their own, also in a plain dump.
_LARGE_OBJECTS = (
    re.compile(rb"^BEGIN;(?=\n\nSELECT pg_catalog\.lo_open\()", re.MULTILINE),
    re.compile(rb"(?<=SELECT pg_catalog\.lo_close\(0\);\n\n)COMMIT;$", re.MULTILINE),
)
_TOGETHER = re.compile(rb"^(?:BEGIN;|SELECT pg_catalog\.lo_close\(0\);)\n\n?\Z", re.MULTILINE)

# Settings in the head of a dump that older servers do not know: since which version, and the line, in its surroundings.
_SETTINGS = (
    (
        170000,
        re.compile(rb"(?<=^SET idle_in_transaction_session_timeout = 0;\n)SET transaction_timeout = 0;$", re.MULTILINE),
    ),
    (120000, re.compile(rb"(?<=\n\n)SET default_table_access_method = heap;(?=\n\n)")),
)


class Filter:
    r"""Takes out of a dump's text what our own frame replaces, and refuses what would break out of it.

    What somebody appended to a dump was written for a new session: where its own restriction ends, so does its search_path.

    The dump's own ``\restrict`` and ``\unrestrict`` (ours stands around them, and they cannot be nested); the BEGIN and
    COMMIT of ``pg_restore --single-transaction`` and of large objects; two settings that older servers do not know.
    """

    def __init__(self, server_version: int, by_pg_restore: bool, leaky: bool) -> None:
        r"""Begin.

        :arg server_version: ``server_version_num`` of the target
        :arg by_pg_restore: whether the text comes from ``pg_restore --single-transaction``
        :arg leaky: whether this psql expands what follows ``\unrestrict`` (CVE-2026-18408)
        """
        self._settings = [line for since, line in _SETTINGS if server_version < since]
        self._by_pg_restore = self._opens = by_pg_restore
        self._leaky = leaky
        self._rest = b""
        self._at_line_start = True
        self._begun = False
        # The key of the dump's own restriction while it lasts; whether one has ended, so that another may begin.
        self._key: bytes | None = None
        self._between = False

    def feed(self, block: bytes) -> bytes:
        """Take the next part of the dump; return what psql may have of it now.

        :raises RestoreError: it holds what psql must not be given
        """
        if b"\0" in block:
            raise RestoreError(
                "the dump holds a NUL byte, at which psql would drop the rest of a line; dump or copy it again"
            )
        data = self._rest + block
        end = len(data) - _TRAILER if self._by_pg_restore else len(data)
        cut = 0
        if self._settings:
            # What belongs to a setting has no empty line in it.
            cut = data.rfind(b"\n\n", 0, max(0, end)) + 1
        cut = cut or data.rfind(b"\n", 0, max(0, end)) + 1
        together = _TOGETHER.search(data, max(0, cut - 64), cut)
        if together:
            cut = together.start()
        if not cut and len(data) > _LONGEST:
            cut = len(data) - _TRAILER
        self._rest = data[cut:]
        return self._cleaned(data[:cut]) if cut else b""

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
        if b"restrict" in text:
            text = self._without_restrictions(text)
        if self._opens:
            # The first statement that pg_restore prints.
            text, found = _BEGIN.subn(b"", text, 1)
            self._opens = not found
        for line in self._settings:
            text = line.sub(b"", text)
        if b"pg_catalog.lo_" in text:
            for line in _LARGE_OBJECTS:
                text = line.sub(b"", text)
        if text:
            self._begun = True
            self._at_line_start = text.endswith(b"\n")
        return text

    def _without_restrictions(self, text: bytes) -> bytes:
        kept, place = [], 0
        for found in _RESTRICTION.finditer(text):
            ends, key = found.groups()
            if found.start() == 0 and not self._at_line_start:
                continue
            instead = b""
            if ends and key == self._key:
                self._key, self._between = None, True
                instead = b"" if self._by_pg_restore else b"RESET search_path;"
            elif not ends and self._key is None and (self._between or self._first(text, found.start())):
                self._key = key
            else:
                continue
            kept += [text[place : found.start()], instead]
            place = found.end()
        text = b"".join([*kept, text[place:]])
        if self._leaky and _LEAK.search(text):
            raise RestoreError(
                "the dump holds \\unrestrict with something else than a key, which this psql would run;"
                " psql 18.6, 17.11, 16.15, 15.19, 14.24 or newer does not: update its package, or take the line out"
            )
        return text

    def _first(self, text: bytes, place: int) -> bool:
        blank = _BLANK_OR_COMMENT.match(text)
        return not self._begun and blank is not None and blank.end() >= place


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
        rb"^-- (?:Data for )?Name: (.{0,500}); Type: ([A-Z ]+); Schema: (.{0,200}?); Owner: ", re.MULTILINE
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
