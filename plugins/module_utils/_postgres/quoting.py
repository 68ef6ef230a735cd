# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Names and texts in, SQL out. Knows no driver."""

from __future__ import annotations

import functools
import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable


def quote_identifier(name: str) -> str:
    """Quote a name for SQL (manual, 4.1.1: a quote inside is doubled)."""
    return '"' + name.replace('"', '""') + '"'


_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_RESERVED = frozenset(
    "all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast"
    " char character check coalesce collate collation column concurrently constraint create cross current_catalog"
    " current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable"
    " desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group"
    " grouping having ilike in initially inner inout int integer intersect interval into is isnull join lateral leading"
    " least left like limit localtime localtimestamp national natural nchar none normalize not notnull null nullif numeric"
    " offset on only or order out outer overlaps overlay placing position precision primary real references returning"
    " right row select session_user setof similar smallint some substring symmetric system_user table tablesample then"
    " time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when where window"
    " with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize"
    " xmltable".split()
)


def readable(*names: str) -> str:
    """A name of one part or several as SQL takes it, with quotes only where it needs them, as ``quote_ident()`` has it."""
    return ".".join(map(_readable, names))


# The same few schemas and columns stand in thousands of messages.
@functools.lru_cache(maxsize=4096)
def _readable(name: str) -> str:
    return name if _PLAIN.match(name) and name not in _RESERVED else quote_identifier(name)


def quote_literal(text: str) -> str:
    """Quote a text for SQL, whatever ``standard_conforming_strings`` is (manual, 4.1.2)."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'" if "\\" not in text else "E'" + doubled.replace("\\", "\\\\") + "'"


def array(values: Iterable[int | bool]) -> str:
    """Whole numbers or truth values as the text of an array, to be given as a parameter and cast in the statement."""
    return "{" + ",".join(map(str, values)) + "}"
