# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL 19 copies sequences by REFRESH SEQUENCES: what an audit says of that, and what a repair is undone by."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from support.pairs import Pair
from support.run import run_module, sql

Dsn = dict[str, str]

SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, note text);
CREATE SEQUENCE invoices; CREATE SEQUENCE tens; CREATE SEQUENCE "Secret; one"; CREATE SEQUENCE turns CYCLE;
"""

READER = """
CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader
"""


@pytest.fixture(scope="module")
def running(candidate: int) -> Iterator[Pair]:
    with Pair(candidate, candidate, SCHEMA, sequences=True) as pair:
        sql(pair.new, READER)
        yield pair


@pytest.fixture
def pair(running: Pair) -> Pair:
    """Both sides alike: rows up to 40, a subscription that may read everything and has set all sequences."""
    owner = _where(running, "postgres")
    sql(running.new, "ALTER SEQUENCE tens INCREMENT 1; ALTER SUBSCRIPTION from_old SET (disable_on_error = false)")
    sql(running.new, f"ALTER SUBSCRIPTION from_old CONNECTION '{owner}'")
    sql(running.new, "ALTER SUBSCRIPTION from_old ENABLE")
    sql(running.old, "TRUNCATE orders; INSERT INTO orders SELECT n, 'x' FROM generate_series(1, 40) n")
    sql(
        running.old,
        "SELECT setval('orders_id_seq', 40), setval('invoices', 900), setval('tens', 7), setval('turns', 5)",
    )
    running.wait()
    running.refresh()
    return running


def _where(pair: Pair, role: str) -> str:
    return f"host={pair.source.socket_dir} port={pair.source.port} user={role} dbname=shop"


def options(dsn: Dsn, **more: Any) -> dict[str, Any]:
    return {"login_unix_socket": dsn["host"], "login_port": int(dsn["port"]), "login_db": dsn["dbname"], **more}


def audit(pair: Pair, **more: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What an ordinary role is told: the result, and its sequences by name."""
    told = run_module("pg_sequence_info", options(pair.new, show_all=True, login_user="reader", **more))
    assert not told["failed"], told
    return told, {one["name"]: one for one in told["sequences"]}


def last_value(dsn: Dsn, name: str) -> int:
    return sql(dsn, f"SELECT last_value FROM {name}")[0][0]


def failures(pair: Pair) -> int:
    return sql(pair.new, "SELECT sync_seq_error_count FROM pg_stat_subscription_stats")[0][0]


def await_failure(pair: Pair) -> None:
    before, deadline = failures(pair), time.monotonic() + 30
    # The first that is seen may have begun before what was changed.
    while failures(pair) < before + 2:
        assert time.monotonic() < deadline, "the subscription never failed"
        time.sleep(0.05)


def test_what_is_synchronized_says_that_it_will_be_set_again(pair: Pair) -> None:
    told, found = audit(pair)
    (subscribed,) = told["databases"][0]["subscriptions"]
    assert (subscribed["tables"], subscribed["sequences"], subscribed["not_synchronized"]) == (1, 5, [])
    assert found["invoices"]["subscription"] == {"name": "from_old", "enabled": True, "state": "ready", "keeps": True}
    assert {one["status"] for one in found.values()} == {"healthy", "skipped"}
    for one in found.values():
        assert "the next REFRESH SEQUENCES sets it to the publisher's value, also backward" in one["message"], one
    assert last_value(pair.new, "invoices") == 900


def test_another_definition_is_never_copied_and_is_told(pair: Pair) -> None:
    sql(pair.new, "ALTER SEQUENCE tens INCREMENT 10")
    pair.refresh("tens")
    await_failure(pair)
    told, found = audit(pair)
    assert told["databases"][0]["subscriptions"][0]["not_synchronized"] == ["public.tens"]
    tens = found.pop("tens")
    assert (tens["status"], tens["reasons"]) == ("warning", ["not_synchronized"])
    assert tens["subscription"]["state"] == "waits for its copy"
    assert "has failed with sequences" in tens["message"] and "defined otherwise there" in tens["message"]
    assert not [one for one in found.values() if "not_synchronized" in one["reasons"]]
    assert told["summary"]["warning"] == 1
    # The comparison that the remedy names runs on both sides, and shows it.
    compare = tens["remedy"].partition("compare on both sides: ")[2]
    assert sql(pair.old, compare) != sql(pair.new, compare)
    # By a reference the cause is known, and the statement settles it.
    there = run_module("pg_sequence_info", options(pair.old, show_all=True))["sequences"]
    _told, found = audit(pair, reference=there)
    assert found["tens"]["reasons"] == ["not_synchronized", "differs"]
    assert found["tens"]["remedy"] == "ALTER SEQUENCE public.tens INCREMENT BY 1;"
    sql(pair.new, found["tens"]["remedy"])
    pair.wait_for_sequences()
    assert audit(pair)[1]["tens"]["status"] == "skipped"


def test_what_the_role_may_not_read_there_is_told_with_the_grant(pair: Pair) -> None:
    sql(
        pair.old,
        "CREATE ROLE rep LOGIN REPLICATION; GRANT SELECT ON orders, orders_id_seq, invoices, tens, turns TO rep",
    )
    sql(pair.new, f"ALTER SUBSCRIPTION from_old CONNECTION '{_where(pair, 'rep')}'")
    pair.refresh("Secret; one")
    await_failure(pair)
    told, found = audit(pair)
    assert told["databases"][0]["subscriptions"][0]["not_synchronized"] == ['public."Secret; one"']
    secret = found["Secret; one"]
    assert secret["reasons"] == ["not_synchronized"] and "may not SELECT it there" in secret["message"]
    (grant,) = re.findall(r"GRANT SELECT ON SEQUENCE .* TO ", secret["remedy"])
    sql(pair.old, f"{grant} rep")
    pair.wait_for_sequences()
    assert not audit(pair)[0]["databases"][0]["subscriptions"][0]["not_synchronized"]


def test_a_refresh_undoes_a_repair_that_was_warned_of_that(pair: Pair) -> None:
    # The publisher is behind itself, and a refresh copies that.
    sql(pair.old, "INSERT INTO orders SELECT n, 'x' FROM generate_series(41, 90) n")
    pair.wait()
    pair.refresh()
    assert audit(pair)[1]["orders_id_seq"]["reasons"] == ["behind"]
    left = run_module("pg_sequence_fix", options(pair.new, move_subscribed=False))
    (unfixed,) = left["not_fixed"]
    assert left["failed"] and "subscribed" in unfixed["reasons"] and not left["changes"]
    assert "repair it on the publisher, then here: ALTER SUBSCRIPTION from_old REFRESH SEQUENCES" in unfixed["remedy"]
    for check in (True, False):
        done = run_module("pg_sequence_fix", options(pair.new), check=check)
        assert not done["failed"] and [change["name"] for change in done["changes"]] == ["orders_id_seq"], done
        (warned,) = done["warnings"]
        assert "that the subscription from_old keeps, first public.orders_id_seq" in str(warned), warned
        assert "its next REFRESH SEQUENCES sets them back" in str(warned)
        assert ("would be moved" in str(warned)) == check
    assert last_value(pair.new, "orders_id_seq") == 90
    pair.refresh()
    assert last_value(pair.new, "orders_id_seq") == 40
    with pytest.raises(psycopg2.errors.UniqueViolation):
        sql(pair.new, "INSERT INTO orders (note) VALUES ('a duplicate')")
    # The order that is safe: the publisher first, then the refresh, and then there is nothing to move here.
    assert not run_module("pg_sequence_fix", options(pair.old))["failed"]
    pair.refresh()
    done = run_module("pg_sequence_fix", options(pair.new))
    assert not done["changed"] and not done["failed"] and not done.get("warnings"), done
    sql(pair.new, "INSERT INTO orders (note) VALUES ('no duplicate')")


def test_what_waits_is_set_back_as_soon_as_it_can_be(pair: Pair) -> None:
    sql(pair.new, "ALTER SEQUENCE tens INCREMENT 10")
    pair.refresh("tens")
    there = [{**one, "last_value": 70} for one in _entries(pair) if one["name"] == "tens"]
    done = run_module("pg_sequence_fix", options(pair.new, reference=there, sequences=["tens"]))
    assert [change["name"] for change in done["changes"]] == ["tens"], done
    assert "1 of them as soon as it can" in str(done["warnings"]), done["warnings"]
    moved = last_value(pair.new, "tens")
    sql(pair.new, "ALTER SEQUENCE tens INCREMENT 1")
    pair.wait_for_sequences()
    assert last_value(pair.new, "tens") == 7 < moved


def _entries(pair: Pair) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run_module("pg_sequence_info", options(pair.old, show_all=True))["sequences"]
    return found


def test_a_mismatch_switches_a_whole_subscription_off(pair: Pair) -> None:
    sql(pair.new, "ALTER SUBSCRIPTION from_old SET (disable_on_error = true); ALTER SEQUENCE tens INCREMENT 10")
    sql(pair.new, "ALTER SUBSCRIPTION from_old REFRESH SEQUENCES")
    deadline = time.monotonic() + 30
    while sql(pair.new, "SELECT subenabled FROM pg_subscription") == [(True,)]:
        assert time.monotonic() < deadline, "it was never switched off"
        time.sleep(0.05)
    told, found = audit(pair)
    assert told["databases"][0]["subscriptions"][0]["enabled"] is False
    tens = found["tens"]
    assert (
        tens["status"] == "warning" and "is switched off (as disable_on_error does after a failure)" in tens["message"]
    )
    assert tens["remedy"].startswith("ALTER SUBSCRIPTION from_old ENABLE;")
    sql(pair.new, "ALTER SEQUENCE tens INCREMENT 1")
    sql(pair.new, tens["remedy"].partition(" --")[0])
    pair.wait_for_sequences()
    assert audit(pair)[0]["summary"]["warning"] == 0
