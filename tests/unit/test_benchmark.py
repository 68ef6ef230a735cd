# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark calls slower than recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmark.worse import MOST, ratios, worse

RECORDED = Path(__file__).resolve().parents[2] / "docs" / "performance" / "results.json"


def _audit(ours: float, floor: float = 1.0, tables: int = 1000) -> dict[str, Any]:
    return {
        "title": "audit",
        "version": 18,
        "tables": tables,
        "seconds": {"floor": [floor] * 2, "pg_sequence_info": [ours] * 2},
    }


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (_audit(2.0), []),
        (_audit(2.0 * MOST - 0.01), []),
        (
            _audit(2.0 * MOST + 0.01),
            ["audit of 1,000 tables, PostgreSQL 18: pg_sequence_info by floor is 2.51, and was 2.00"],
        ),
        # A slow machine is no slower collection, and a fast one hides none.
        (_audit(6.0, floor=3.0), []),
        (
            _audit(1.5, floor=0.5),
            ["audit of 1,000 tables, PostgreSQL 18: pg_sequence_info by floor is 3.00, and was 2.00"],
        ),
        # Measured only once.
        ({**_audit(9.0), "seconds": {"floor": [1.0], "pg_sequence_info": [9.0]}}, []),
        # Nothing is recorded of it.
        (_audit(9.0, tables=5), []),
    ],
)
def test_only_what_grew_beside_the_others_is_slower(after: dict[str, Any], found: list[str]) -> None:
    assert list(worse([_audit(2.0)], [after])) == found


def test_a_repair_is_measured_by_its_peers_though_it_stands_first() -> None:
    seconds = {"pg_sequence_fix": [3.0, 4.0, 9.0], "sqlsequencereset": [2.0, 2.0, 2.0], "two-step script": [1.0] * 3}
    assert ratios({"seconds": seconds}) == {"pg_sequence_fix by sqlsequencereset": 2.0}


def test_what_is_recorded_can_be_compared() -> None:
    recorded = json.loads(RECORDED.read_text())["comparisons"]
    assert recorded and list(worse(recorded, recorded)) == []
    assert {name.split()[0] for each in recorded for name in ratios(each)} >= {"pg_sequence_info", "pg_sequence_fix"}
