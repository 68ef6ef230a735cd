# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A default as the server prints it in, what it does with its sequence out.

Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import re
import typing as t


class Default(t.NamedTuple):
    """What a default expression does with its sequence.

    :ivar casts: the types that the value is cast to on its way, innermost first
    :ivar transformed: it does more than ``nextval()`` and casts between numbers
    :ivar name: the sequence's name as text, where it is looked up at run time
    """

    casts: tuple[str, ...]
    transformed: bool
    name: str | None


_NEXTVAL = re.compile(
    r"nextval\((?:E?'(?:[^']|'')*'::regclass"
    r"|\(+(?P<escaped>E?)'(?P<text>(?:[^']|'')*)'::(?:text|character varying)\)*(?:::text\)*)?::regclass\)*)\)"
)
_CAST = re.compile(r"::(smallint|integer|bigint|oid8?|numeric|real|double precision|numeric\(\d+,\d+\))$")
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_SHAPES = frozenset({"numeric"})
"""What stands before a parenthesis and is no call: types with modifiers."""

_CALLED = re.compile(r'([\w.$"]+)\(')


def parse_default(expression: str) -> Default | None:
    """Read a default as ``pg_get_expr`` prints it with ``search_path = pg_catalog``.

    :arg expression: such as ``nextval('public.t_id_seq'::regclass)`` or ``(nextval('s'::regclass))::integer``;
        functions that are not the server's own are printed with their schema
    :returns: what it does, or None where it hands out no value of the sequence (``currval``); a function of the users
        that is given the sequence is taken to hand one out
    """
    rest, casts = expression.strip(), []
    while True:
        cast = _CAST.search(rest)
        if cast:
            casts.append(cast.group(1))
            rest = rest[: cast.start()]
        elif rest.startswith("(") and rest.endswith(")") and _closes_at_end(rest):
            rest = rest[1:-1]
        else:
            break
    plain = _NEXTVAL.fullmatch(rest)
    if plain:
        return Default(tuple(reversed(casts)), False, _literal(plain))
    called = set(_CALLED.findall(_LITERAL.sub("''", rest)))
    if "nextval" not in called and not any("." in name for name in called):
        return None
    late = _NEXTVAL.search(rest)
    return Default((), True, _literal(late) if late else None)


def is_custom(expression: str | None) -> bool:
    """Whether a default takes its values from a function of the users' own, or from another than ``nextval()``.

    :arg expression: as for :func:`parse_default`, or None where there is no default
    """
    called = set(_CALLED.findall(_LITERAL.sub("''", expression or "")))
    return bool(called - _SHAPES) and "nextval" not in called


def _literal(found: re.Match[str]) -> str | None:
    """The value of the string literal that names the sequence."""
    text = found.group("text")
    if text is None:
        return None
    return text.replace("''", "'").replace("\\\\", "\\") if found.group("escaped") else text.replace("''", "'")


def _closes_at_end(expression: str) -> bool:
    """Whether the parenthesis that opens an expression is closed by its last character."""
    depth, quoted = 0, False
    for place, character in enumerate(expression):
        if character == "'":
            quoted = not quoted
        elif not quoted and character == "(":
            depth += 1
        elif not quoted and character == ")":
            depth -= 1
            if depth == 0:
                return place == len(expression) - 1
    return False


_IDENTIFIER = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^\s".][^\s.]*))\s*')
_LONGEST_NAME_BYTES = 63


def parse_identifiers(text: str) -> list[str] | None:
    """Split a qualified name as ``regclass`` reads it (manual, 8.19 and 4.1.1).

    :arg text: such as ``s``, ``app.s`` or ``"App"."S"``
    :returns: its parts, unquoted ones in lower case, cut to 63 bytes; None where it is no name
    """
    parts, place = [], 0
    while True:
        found = _IDENTIFIER.match(text, place)
        if not found:
            return None
        name = (found.group("quoted") or "").replace('""', '"')
        if found.group("plain"):
            # Only ASCII letters are folded in UTF-8 databases.
            name = re.sub("[A-Z]+", lambda upper: upper.group().lower(), found.group("plain"))
        parts.append(name.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore"))
        place = found.end()
        if place == len(text):
            return parts
        if text[place] != ".":
            return None
        place += 1
