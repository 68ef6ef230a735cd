# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL 19's own way, REFRESH SEQUENCES, and the playbooks: what each sets, what undoes what, what is told of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.pairs import Pair
from support.receivers import web_server
from support.run import run_playbook, sql

CUTOVER = "pgops.sequences.cutover"


@pytest.fixture(scope="module")
def running(candidate: int) -> Iterator[Pair]:
    with Pair(candidate, candidate, sequences=True) as pair:
        yield pair


@pytest.fixture
def pair(running: Pair) -> Pair:
    """A source with rows up to 50 and 900 invoices, and a target that the subscription has brought up to it."""
    sql(running.new, "ALTER SUBSCRIPTION from_old ENABLE")
    sql(running.new, "ALTER SEQUENCE region_seq CACHE 1 INCREMENT 10; ALTER SEQUENCE never_used INCREMENT 1")
    sql(running.old, "TRUNCATE orders; INSERT INTO orders SELECT n, 'x' FROM generate_series(1, 50) n")
    sql(running.old, "SELECT setval('orders_id_seq', 50), setval('invoice_numbers', 900)")
    running.wait()
    running.refresh()
    return running


def last_value(dsn: dict[str, str], name: str) -> int:
    return sql(dsn, f"SELECT last_value FROM {name}")[0][0]


def own(pair: Pair, **more: Any) -> dict[str, Any]:
    """The variables of a playbook that knows the target alone."""
    return {name: value for name, value in pair.variables(**more).items() if "source" not in name}


def test_after_a_refresh_nothing_is_left_and_it_must_not_come_again(pair: Pair) -> None:
    done = run_playbook(CUTOVER, pair.variables())
    assert done.returncode == 0 and "verdict: may be switched" in done.stdout, done.stdout
    assert "found behind: 0," in done.stdout and ", 8 sequences" in done.stdout, done.stdout
    assert "no REFRESH SEQUENCES after this run" in done.stdout and "DROP SUBSCRIPTION from_old;" in done.stdout
    # The target goes on beyond the source, and a refresh takes that back.
    sql(pair.new, "SELECT setval('invoice_numbers', 950)")
    pair.refresh()
    assert last_value(pair.new, "invoice_numbers") == 900


def test_rows_beyond_the_source_are_moved_with_a_warning_that_comes_true(pair: Pair) -> None:
    # The source is behind its own rows, and a refresh copies that.
    sql(pair.old, "INSERT INTO orders SELECT n, 'x' FROM generate_series(51, 80) n")
    pair.wait()
    pair.refresh()
    assert last_value(pair.new, "orders_id_seq") == 50
    done = run_playbook(CUTOVER, pair.variables())
    assert done.returncode == 0 and "moved shop public.orders_id_seq: 51 -> 81 (behind" in done.stdout, done.stdout
    said = " ".join((done.stdout + done.stderr).split())
    assert "its next REFRESH SEQUENCES sets them back to the publisher's values" in said, said
    assert last_value(pair.new, "orders_id_seq") == 80
    pair.refresh()
    assert last_value(pair.new, "orders_id_seq") == 50
    done = run_playbook(CUTOVER, pair.variables(), "--check")
    assert "would move shop public.orders_id_seq" in done.stdout, done.stdout
    # The order that is safe: the publisher first.
    where = own(pair, login_unix_socket=str(pair.source.socket_dir), login_port=pair.source.port)
    assert run_playbook("pgops.sequences.fix", where).returncode == 0
    pair.refresh()
    done = run_playbook(CUTOVER, pair.variables(), "--check")
    assert "a run would find nothing to move" in done.stdout, done.stdout


def test_another_definition_is_a_reason_for_not_yet_and_each_step_settles_it(pair: Pair) -> None:
    sql(pair.new, "ALTER SEQUENCE never_used INCREMENT 3")
    pair.refresh("never_used")
    done = run_playbook(CUTOVER, pair.variables())
    said = " ".join(done.stdout.split())
    assert done.returncode == 2 and "not synchronized: public.never_used" in said, said
    reason = (
        "the subscription from_old has yet to set 1 sequence to the source's values, also backward (public.never_used)"
    )
    assert f"verdict: not yet, because {reason}" in said, said
    assert "give public.never_used the definition of the source, by the ALTER SEQUENCE above" in said
    # One way: the definition of the source.
    (alter,) = set(re.findall(r"ALTER SEQUENCE public.never_used [A-Z 0-9]+;", said))
    sql(pair.new, alter)
    pair.wait_for_sequences()
    done = run_playbook(CUTOVER, pair.variables())
    assert done.returncode == 0 and "verdict: may be switched" in done.stdout, done.stdout


def test_a_subscription_that_is_dropped_sets_nothing_more(candidate: int) -> None:
    with Pair(candidate, candidate, sequences=True) as pair:
        sql(pair.old, "SELECT setval('invoice_numbers', 900)")
        sql(pair.new, "ALTER SEQUENCE never_used INCREMENT 3")
        pair.refresh("never_used")
        said = " ".join(run_playbook(CUTOVER, pair.variables()).stdout.split())
        (drop,) = set(
            re.findall(r"once all rows have arrived, in shop of the target: (DROP SUBSCRIPTION from_old;)", said)
        )
        sql(pair.new, drop)
        done = run_playbook(CUTOVER, pair.variables())
        assert done.returncode == 0 and "verdict: may be switched" in done.stdout, done.stdout
        assert "REFRESH" not in done.stdout


def test_a_grant_that_is_missing_on_the_source_is_named(pair: Pair) -> None:
    owner = sql(pair.new, "SELECT subconninfo FROM pg_subscription")[0][0]
    sql(pair.old, "CREATE ROLE rep LOGIN REPLICATION; GRANT SELECT ON ALL TABLES IN SCHEMA public TO rep")
    sql(
        pair.old, "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO rep; REVOKE SELECT ON SEQUENCE never_used FROM rep"
    )
    sql(pair.new, f"ALTER SUBSCRIPTION from_old CONNECTION '{owner.replace('user=postgres', 'user=rep')}'")
    try:
        pair.refresh("never_used")
        done = run_playbook(CUTOVER, pair.variables())
        said = " ".join(done.stdout.split())
        assert done.returncode == 2 and "has yet to set 1 sequence" in said, said
        (grant,) = set(re.findall(r"GRANT SELECT ON SEQUENCE public.never_used TO ", said))
        sql(pair.old, f"{grant} rep")
        pair.wait_for_sequences()
        done = run_playbook(CUTOVER, pair.variables())
        assert done.returncode == 0, done.stdout
    finally:
        sql(pair.new, f"ALTER SUBSCRIPTION from_old CONNECTION '{owner}'")


def test_auto_fix_leaves_alone_what_a_refresh_would_set_back(pair: Pair) -> None:
    sql(pair.old, "INSERT INTO orders SELECT n, 'x' FROM generate_series(51, 60) n")
    pair.wait()
    done = run_playbook("pgops.sequences.auto_fix", own(pair))
    said = " ".join(done.stdout.split())
    assert done.returncode == 2 and "left alone (pg_sequences_move_subscribed=false)" in said, said
    assert "repair it on the publisher, then here: ALTER SUBSCRIPTION from_old REFRESH SEQUENCES" in said, said
    assert last_value(pair.new, "orders_id_seq") == 50


def test_what_is_not_synchronized_is_in_reports_and_alerts(pair: Pair, tmp_path: Path) -> None:
    sql(pair.new, "ALTER SEQUENCE never_used INCREMENT 3")
    pair.refresh("never_used")
    formats = ["json", "html", "csv", "prometheus"]
    with web_server() as hook:
        told = {"webhook_url": hook.url, "alert_state": str(tmp_path / "state"), "fail_on": "warning"}
        variables = own(pair, report_dir=str(tmp_path / "reports"), report_formats=formats, **told)
        done = run_playbook("pgops.sequences.check", variables)
        assert done.returncode == 2, done.stdout
        assert "never_used: not_synchronized: the subscription from_old has yet to set it" in done.stdout, done.stdout
        (body,) = hook.bodies
    (problem,) = body["problems"]
    assert (problem["sequence"], problem["what"]) == ("public.never_used", "warning")
    assert "not_synchronized" in problem["message"]
    folder = tmp_path / "reports" / "latest"
    report = json.loads((folder / "report.json").read_text())
    (sequence,) = report["sequences"]
    assert sequence["reasons"] == ["not_synchronized"] and sequence["subscription"]["keeps"] is True
    assert report["hosts"][0]["databases"][0]["subscriptions"][0]["not_synchronized"] == ["public.never_used"]
    for name in ("report.html", "report.csv", "pg_sequences.prom"):
        assert "not_synchronized" in (folder / name).read_text(), name
