# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded comparisons and new ones in, what got worse out. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark.figures import OURS

MOST = 1.25
"""By so much a ratio may grow: medians of five rounds on an idle machine were up to 1.15 apart."""


def ratios(comparison: Mapping[str, Any]) -> dict[str, float]:
    """Our contenders' time by that of the first other one, the median of the rounds.

    Args:
        comparison: as ``results.json`` has it: ``seconds`` by contender, one for each round.
    """
    seconds: Mapping[str, Sequence[float]] = comparison["seconds"]
    other = next(name for name in seconds if not name.startswith(OURS))
    return {
        f"{name} by {other}": statistics.median(a / b for a, b in zip(values, seconds[other]))
        for name, values in seconds.items()
        if name.startswith(OURS)
    }


def worse(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is slower beside the others than it was; what was measured only once is not compared."""
    recorded = {_key(comparison): ratios(comparison) for comparison in before}
    for comparison in after:
        if any(len(rounds) == 1 for rounds in comparison["seconds"].values()):
            continue
        was = recorded.get(_key(comparison), {})
        for name, now in ratios(comparison).items():
            if name in was and now > MOST * was[name]:
                title, version, tables = _key(comparison)
                yield f"{title} of {tables:,} tables, PostgreSQL {version}: {name} is {now:.2f}, and was {was[name]:.2f}"


def _key(comparison: Mapping[str, Any]) -> tuple[str, int, int]:
    return comparison["title"], comparison["version"], comparison["tables"]
