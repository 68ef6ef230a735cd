# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A document and earlier ones in, how things went over time out. Pure."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._text import moment

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.pgops.sequences.plugins.plugin_utils._fleet import Document

MOST_POINTS = 30
"""How many reports, this one among them, a trend is drawn from."""

_SHORTEST = datetime.timedelta(minutes=5)
"""A speed measured over less says little."""

_DAY = datetime.timedelta(days=1)


def add_trend(document: Document, earlier: Iterable[Document]) -> None:
    """Give a document its ``history``, and each sequence its ``trend``: None where no earlier report had it.

    :arg earlier: documents, the newest first
    """
    documents = [document, *list(earlier)[: MOST_POINTS - 1]][::-1]
    counted = ("hosts", "hosts_not_audited", "total", "critical", "unknown", "warning")
    document["history"] = [
        {"generated_at": each["generated_at"], **{word: each["summary"][word] for word in counted}}
        for each in documents
    ]
    points: dict[tuple[str, ...], list[list[t.Any]]] = {}
    for each in documents:
        for sequence in each["sequences"]:
            points.setdefault(_key(sequence), []).append(
                [each["generated_at"], *(sequence[name] for name in ("next_value", "furthest_value", "percent_used"))]
            )
    for sequence in document["sequences"]:
        sequence["trend"] = _trend(sequence, points[_key(sequence)])


def _trend(sequence: Document, points: list[list[t.Any]]) -> Document | None:
    if len(points) < 2:
        return None
    speed = _steps_per_day(points, sequence["increment"])
    return {
        "points": points,
        "values_per_day": None if speed is None else round(speed, 2),
        "exhausted_at": None if speed is None else _exhausted_at(sequence, speed, moment(points[-1][0])),
    }


def _steps_per_day(points: list[list[t.Any]], increment: int) -> float | None:
    """How many values were taken in a day, between the first and the last point; None where that cannot be told."""
    known = [(moment(point[0]), point[1]) for point in points if point[1] is not None]
    if len(known) < 2:
        return None
    elapsed = known[-1][0] - known[0][0]
    if elapsed < _SHORTEST:
        return None
    return (known[-1][1] - known[0][1]) / increment / (elapsed / _DAY)


def _exhausted_at(sequence: Document, speed: float, now: datetime.datetime) -> str | None:
    """The day on which the values run out at this speed; None where that lies beyond what a date can say."""
    if speed <= 0 or sequence["next_value"] is None:
        return None
    left = max(0, (sequence["limit"] - sequence["next_value"]) // sequence["increment"] + 1)
    try:
        return (now + left / speed * _DAY).date().isoformat()
    except OverflowError:
        return None


def _key(sequence: Document) -> tuple[str, ...]:
    return tuple(sequence[name] for name in ("host", "database", "schema", "name"))
