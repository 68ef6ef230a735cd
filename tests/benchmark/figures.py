# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures as people read them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

OURS = ("pg_sequence_info", "pg_sequence_fix")
"""What names of our contenders begin with."""


class Fact(NamedTuple):
    """One more figure: what was measured, and what came out."""

    what: str
    figure: str


def spread(values: Sequence[float], digits: int) -> str:
    """Median, least and greatest, for people."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
