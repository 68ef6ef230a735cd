# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Types in, the values they can store out. Pure."""

from __future__ import annotations

import functools
import re
import typing as t


class Reach(t.NamedTuple):
    """Values a sequence can hand out and every one of its columns can store; empty where ``lowest > highest``."""

    lowest: int
    highest: int

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.lowest <= value <= self.highest


_INTEGERS = {
    "smallint": Reach(-(2**15), 2**15 - 1),
    "integer": Reach(-(2**31), 2**31 - 1),
    "bigint": Reach(-(2**63), 2**63 - 1),
    # bigint is cast to these by itself; oid8 is new in version 19.
    "oid": Reach(0, 2**32 - 1),
    "oid8": Reach(0, 2**64 - 1),
    # Beyond these a floating-point column no longer tells neighbours apart.
    "real": Reach(-(2**24), 2**24),
    "double precision": Reach(-(2**53), 2**53),
}

# Plain numeric holds 131072 digits before the point; no sequence gets anywhere near this.
_UNBOUNDED = Reach(-(10**40), 10**40)


def type_limits(base_type: str, modifier: int) -> Reach | None:
    """The whole numbers that a type stores exactly.

    :arg base_type: as ``format_type`` names it, without modifier
    :arg modifier: ``atttypmod``; for numeric it packs precision and scale (manual, 8.1.2), -1 for none
    :returns: their range, unbounded, as far as sequences go, for plain numeric; None where the type does not store whole numbers faithfully
    """
    if base_type != "numeric":
        return _INTEGERS.get(base_type)
    if modifier < 4:
        return _UNBOUNDED
    precision = ((modifier - 4) >> 16) & 0xFFFF
    # The scale is an 11-bit signed number; a negative one rounds ids to tens, hundreds, ...
    scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    if scale < 0:
        return None
    largest = 10 ** min(40, max(0, precision - scale)) - 1
    return Reach(-largest, largest)


# A handful of types serve thousands of columns, and each verdict asks several times.
@functools.lru_cache(maxsize=1000)
def limits_of(base_type: str, modifier: int, casts: tuple[str, ...]) -> tuple[Reach, ...]:
    """What a column's type, and the types that its default casts to, can store; what takes no numbers has no limit."""
    limits = [type_limits(base_type, modifier), *map(_cast_limits, casts)]
    return tuple(limit for limit in limits if limit is not None)


def _cast_limits(name: str) -> Reach | None:
    numeric = re.fullmatch(r"numeric\((\d+),(\d+)\)", name)
    if not numeric:
        return type_limits(name, -1)
    return type_limits("numeric", (int(numeric.group(1)) << 16) + int(numeric.group(2)) + 4)
