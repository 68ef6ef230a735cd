# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook cutover on real pairs of servers, with writers on the source until the switch, and the way back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.pairs import DRAWS, WITHOUT_COLUMN, Pair, writers
from support.run import run_playbook, sql
from support.servers import why_unavailable

CUTOVER = "pgops.sequences.cutover"

PAIRS = [(12, 18), (15, 16), (18, 18)]
_ASKED = os.environ.get("PGOPS_PAIRS")
CHOSEN = [tuple(map(int, pair.split(":"))) for pair in _ASKED.split()] if _ASKED else PAIRS


@pytest.fixture(scope="module", params=CHOSEN, ids=lambda pair: f"{pair[0]}-to-{pair[1]}")
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    for version in request.param:
        if why_unavailable(version):
            pytest.skip(why_unavailable(version))
    with Pair(*request.param) as running:
        yield running


def states(dsn: dict[str, str]) -> dict[str, tuple[int, bool]]:
    names = [name for (name,) in sql(dsn, "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'S' ORDER BY 1")]
    return {name: sql(dsn, f"SELECT last_value, is_called FROM {name}")[0] for name in names}


def next_values(dsn: dict[str, str]) -> dict[str, int]:
    increments = dict(sql(dsn, "SELECT quote_ident(c.relname), seqincrement FROM pg_sequence JOIN pg_class c ON c.oid = seqrelid"))
    return {name: last + increments[name] * called for name, (last, called) in states(dsn).items()}


def written(server_dsn: dict[str, str]) -> Any:
    return sql(server_dsn, "SELECT pg_current_wal_insert_lsn()")


def test_a_cut_over_from_the_first_comparison_to_the_way_back(pair: Pair, tmp_path: Path) -> None:
    with writers(pair.old) as handed:
        # Days before: the comparison. The source moves, the target is behind, and nothing is changed.
        before = states(pair.new)
        done = run_playbook(CUTOVER, pair.variables(), "--check")
        assert done.returncode == 0, done.stdout
        assert "the source is still written to" in done.stdout and "would move shop public.invoice_numbers" in done.stdout
        assert "verdict: not yet, because" in done.stdout
        assert states(pair.new) == before
        # For real it does not go on while the source moves.
        done = run_playbook(CUTOVER, pair.variables())
        assert done.returncode == 2 and "not yet: " in done.stdout and "Nothing was changed" in done.stdout, done.stdout
        assert states(pair.new) == before
    # The switch.
    drawn = states(pair.old)
    done = run_playbook(CUTOVER, pair.variables(report_dir=str(tmp_path)))
    assert done.returncode == 0, done.stdout
    assert "verdict: may be switched" in done.stdout, done.stdout
    assert states(pair.old) == drawn, "nothing is drawn from the source"
    old, new = next_values(pair.old), next_values(pair.new)
    assert {name: new[name] for name in WITHOUT_COLUMN} == {name: old[name] for name in WITHOUT_COLUMN}
    # The same again changes nothing.
    after = states(pair.new)
    again = run_playbook(CUTOVER, pair.variables())
    assert again.returncode == 0 and "changed=0" in again.stdout and "may be switched" in again.stdout, again.stdout
    assert states(pair.new) == after
    # Numbers handed out twice after the switch: none.
    sql(pair.new, "ALTER SUBSCRIPTION from_old DISABLE")
    with writers(pair.new) as later:
        # At least a thousand draws.
        while sum(map(len, later.values())) < 1000:
            pass
    twice = {draw: set(handed[draw]) & set(later[draw]) for draw in DRAWS}
    assert not any(twice.values()), twice
    assert all(len(handed[draw]) > 10 and len(later[draw]) > 10 for draw in DRAWS)
    # The way back, by swapping both sides, and once more by the report.
    done = run_playbook(CUTOVER, pair.variables(swapped=True))
    assert done.returncode == 0 and "may be switched" in done.stdout, done.stdout
    old, new = next_values(pair.old), next_values(pair.new)
    assert all(old[name] >= new[name] if "down" not in name else old[name] <= new[name] for name in new)


def test_the_report_of_a_cut_over_is_the_reference_of_the_way_back(tmp_path: Path) -> None:
    with Pair(18, 18) as pair:
        sql(pair.old, "INSERT INTO orders (note) SELECT 'x' FROM generate_series(1, 50); SELECT setval('invoice_numbers', 900)")
        pair.wait()
        folder = tmp_path / "reports"
        done = run_playbook(CUTOVER, pair.variables(report_dir=str(folder)))
        assert done.returncode == 0, done.stdout
        report = json.loads((folder / "latest" / "report.json").read_text())
        assert len(report["sequences"]) == report["summary"]["total"]
        assert report["hosts"][0]["cutover"]["switchable"] is True
        found = {entry["name"]: entry for entry in report["sequences"]}
        assert found["invoice_numbers"]["reference"]["next_value"] == 901
        assert found["orders_id_seq"]["subscription"]["name"] == "from_old"
        # The old server is lost and restored from yesterday.
        sql(pair.old, "SELECT setval('invoice_numbers', 10); SELECT setval('orders_id_seq', 5)")
        back = pair.variables(swapped=True, reference_file=str(folder / "latest" / "report.json"))
        back = {name: value for name, value in back.items() if "source_login" not in name}
        done = run_playbook(CUTOVER, back)
        assert done.returncode == 0 and "a file stands for it" in done.stdout, done.stdout
        assert next_values(pair.old)["invoice_numbers"] == 901
        assert next_values(pair.old)["orders_id_seq"] == 51
