# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""Names and times as a document has them. Pure."""

from __future__ import annotations

import datetime
import typing as t


def visible(text: str) -> str:
    """A name from a database as it can be shown: one with control characters could look like lines of ours."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def sentence(text: str) -> str:
    """A text that ends with one full stop, whether it did before or not."""
    return f"{text.rstrip().rstrip('.')}."


def cleaned(value: t.Any) -> t.Any:
    """What a module said, line by line as it can be shown: nothing in it may steer a terminal or a journal."""
    if isinstance(value, str):
        return "\n".join(map(visible, value.split("\n")))
    if isinstance(value, dict):
        return {name: cleaned(each) for name, each in value.items()}
    if isinstance(value, list):
        return [cleaned(each) for each in value]
    return value


def moment(text: str) -> datetime.datetime:
    """A document's time, which is in UTC.

    :raises ValueError: it is none
    """
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
