# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences for people: no word that is a value of Python's, and what stands in several lines reads as several sentences."""

from __future__ import annotations

import pytest

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import _one_line
from ansible_collections.pgops.sequences.plugins.module_utils._sentences import _no_room


@pytest.mark.parametrize(
    ("furthest", "said"),
    [
        (32767, "32767 is the last value there is, so no free one is left"),
        (32766, "no free value is left beyond 32766 up to 32767"),
        (None, "no free value is left up to 32767"),
    ],
)
def test_where_no_room_is_left(furthest: int | None, said: str) -> None:
    assert _no_room(furthest, 32767) == said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("failed: No such file\n\tIs it running?\n", "failed: No such file. Is it running?"),
        ("FATAL:  no such role\n", "FATAL: no such role"),
        ("first one failed:\nfor a reason", "first one failed: for a reason"),
        ("", ""),
    ],
)
def test_lines_of_the_driver_are_sentences(lines: str, said: str) -> None:
    assert _one_line(lines) == said
