# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A document and earlier ones in, how things went over time out. Pure."""

from __future__ import annotations

import contextlib
import datetime
import json
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._text import moment

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Document

MOST_POINTS = 30
"""How many reports, this one among them, a trend is drawn from."""

_SHORTEST = datetime.timedelta(minutes=5)
"""A speed measured over less says little."""

_LARGEST = 2**64
"""No sequence and no count goes beyond; Infinity and NaN, which JSON of Python's may hold, are not within."""

_DAY = datetime.timedelta(days=1)


def add_trend(document: Document, earlier: Iterable[Document]) -> None:
    """Give a document its ``history``, and each sequence its ``trend``: None where no earlier report had it.

    Counts are compared with those of like runs alone: of the same hosts, with the same selection. What cannot be read of an
    earlier document is passed over.

    :arg earlier: documents, the newest first
    """
    now = _Past.of(document)
    pasts = [now, *(past for each in earlier if (past := _past_of(each)))][:MOST_POINTS][::-1]
    document["history"] = [past.counts for past in pasts if past.is_like(now)]
    points: dict[tuple[str, ...], list[list[t.Any]]] = {}
    for past in pasts:
        for key, point in past.points.items():
            if past.servers.get(key[0]) in (None, now.servers.get(key[0])):
                points.setdefault(key, []).append(point)
    for sequence in document["sequences"]:
        sequence["trend"] = _trend(sequence, points[_key(sequence)])


class _Past(t.NamedTuple):
    """What a trend needs of a document.

    :ivar counts: an entry of ``history``
    :ivar selections: what was looked at, by host; None where nothing could be
    :ivar servers: the identifier of each host's server, None where it is not known
    :ivar points: of each sequence
    """

    counts: Document
    selections: dict[str, str | None]
    servers: dict[str, str | None]
    points: dict[tuple[str, ...], list[t.Any]]

    @classmethod
    def of(cls, document: Document) -> _Past:
        """Take them from a document.

        :raises Exception: it is none of ours
        """
        at = document["generated_at"]
        moment(at)
        words = ("hosts", "hosts_not_audited", "total", "critical", "unknown", "warning")
        hosts = document["hosts"]
        return cls(
            {"generated_at": at, **{word: _count(document["summary"][word]) for word in words}},
            {
                host["name"]: None if host["selection"] is None else json.dumps(host["selection"], sort_keys=True)
                for host in hosts
            },
            {host["name"]: (host.get("server") or {}).get("system_identifier") for host in hosts},
            {
                _key(sequence): [at, *(_number(sequence[name]) for name in _NUMBERS)]
                for sequence in document["sequences"]
            },
        )

    def is_like(self, other: _Past) -> bool:
        """Whether the same was looked at, as far as is known."""
        if self.selections.keys() != other.selections.keys():
            return False
        return all(
            None in (selection, other.selections[name]) or selection == other.selections[name]
            for name, selection in self.selections.items()
        )


_NUMBERS = ("next_value", "furthest_value", "percent_used")


def _past_of(document: Document) -> _Past | None:
    """What a trend needs of an earlier document; None where it has not got it, whatever it is that lies there."""
    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError):
        return _Past.of(document)
    return None


def _number(value: t.Any) -> float | None:
    """A number; None where there is none, or one that no trend can be drawn of.

    :raises TypeError: it is something else
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise TypeError("no number")
    number: float | None = value
    return number if number is not None and abs(number) <= _LARGEST else None


def _count(value: t.Any) -> int:
    """A count.

    :raises Exception: it is something else
    """
    if not 0 <= int(value) <= _LARGEST:
        raise ValueError("no count")
    return int(value)


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
    taken: float = (known[-1][1] - known[0][1]) / increment
    return taken / (elapsed / _DAY)


def _exhausted_at(sequence: Document, speed: float, now: datetime.datetime) -> str | None:
    """The day on which the values run out at this speed; None where that lies beyond what a date can say."""
    if speed <= 0 or sequence["next_value"] is None:
        return None
    left = max(0, (sequence["limit"] - sequence["next_value"]) // sequence["increment"] + 1)
    try:
        end: datetime.datetime = now + left / speed * _DAY
    except OverflowError:
        return None
    return end.date().isoformat()


def _key(sequence: Document) -> tuple[str, ...]:
    return tuple(sequence[name] for name in ("host", "database", "schema", "name"))
