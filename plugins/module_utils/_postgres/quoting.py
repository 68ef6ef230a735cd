# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Names and texts in, SQL out. Knows no driver."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable


def quote_identifier(name: str) -> str:
    """Quote a name for SQL (manual, 4.1.1: a quote inside is doubled)."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Quote a text for SQL, whatever ``standard_conforming_strings`` is (manual, 4.1.2)."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'" if "\\" not in text else "E'" + doubled.replace("\\", "\\\\") + "'"


def array(values: Iterable[int | bool]) -> str:
    """Whole numbers or truth values as the text of an array, to be given as a parameter and cast in the statement."""
    return "{" + ",".join(map(str, values)) + "}"
