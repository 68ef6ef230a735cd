# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module under load, for a few seconds; ``tests/concurrency/run.py`` does it for longer."""

from __future__ import annotations

import pytest
from concurrency.harness import LOCK_TIMEOUT, LONGEST_HOLD, NAIVE, measure, module


def test_repair_under_load_never_goes_backward(database: dict[str, str]) -> None:
    found = measure("pg_sequence_fix", module, database, seconds=6)
    assert found.errors == []
    assert found.moves > 0, "nothing was repaired, so nothing is proved"
    assert (found.twice, found.backward, found.after_repair) == (0, 0, 0), found
    # Half a second and more is for a busy machine.
    assert found.longest_stall < LOCK_TIMEOUT + LONGEST_HOLD + 0.8


@pytest.mark.parametrize("name", NAIVE)
def test_naive_repairs_are_caught(database: dict[str, str], name: str) -> None:
    found = measure(name, NAIVE[name], database, seconds=1.5)
    assert found.errors == [] and found.twice + found.backward > 0


def test_no_repair_is_no_move_backward(database: dict[str, str]) -> None:
    found = measure("none", None, database, seconds=1)
    assert (found.errors, found.twice, found.backward, found.after_repair) == ([], 0, 0, 0)
    assert found.collisions > 0, "the importer causes no lag, so there is nothing to repair"
