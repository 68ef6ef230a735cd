# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks but restore_then_fix, and the role's handlers, through real ansible-playbook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.run import run_playbook, sql, told

SHOP = """
CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40);
CREATE TABLE customers_person (id serial PRIMARY KEY); INSERT INTO customers_person VALUES (7);
CREATE TABLE empty (id serial PRIMARY KEY);
"""


@pytest.fixture
def shop(database: dict[str, str]) -> dict[str, str]:
    sql(database, SHOP)
    return database


def variables(shop: dict[str, str], **more: Any) -> dict[str, Any]:
    chosen = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "database": shop["dbname"], **more}
    return {f"pg_sequences_{name}": value for name, value in chosen.items()}


def next_values(database: dict[str, str]) -> dict[str, int]:
    names = ("orders", "customers_person", "empty")
    statement = "SELECT last_value + is_called::int FROM {}_id_seq"
    return {name: sql(database, statement.format(name))[0][0] for name in names}


BEHIND = {"orders": 1, "customers_person": 1, "empty": 1}
REPAIRED = {"orders": 41, "customers_person": 8, "empty": 1}


def test_check_fails_by_what_it_finds_and_writes_nothing(shop: dict[str, str]) -> None:
    for fail_on, code in (("critical", 2), ("never", 0)):
        done = run_playbook("pgops.sequences.check", variables(shop, fail_on=fail_on))
        assert done.returncode == code, done.stdout
        assert "behind: the next value is 1, but orders.id already goes up to 40" in told(done.stdout)
    assert next_values(shop) == BEHIND


@pytest.mark.parametrize(
    ("statement", "fails"),
    [
        ("SELECT setval('empty_id_seq', 2147483000)", {"critical": 0, "warning": 2, "unknown": 0}),
        # No GRANT, option or retry would settle it.
        ("ALTER TABLE empty ALTER id TYPE text", {"critical": 0, "warning": 2, "unknown": 0}),
    ],
    ids=["warning", "structural"],
)
def test_check_fails_by_pg_sequences_fail_on(shop: dict[str, str], statement: str, fails: dict[str, int]) -> None:
    sql(shop, f"TRUNCATE orders, customers_person; {statement}")
    for fail_on, code in fails.items():
        done = run_playbook("pgops.sequences.check", variables(shop, fail_on=fail_on))
        assert done.returncode == code, (fail_on, done.stdout)


def test_fix_in_four_runs(shop: dict[str, str]) -> None:
    for arguments, changes, after in (
        (["--check", "--diff"], True, BEHIND),
        ([], True, REPAIRED),
        (["--check"], False, REPAIRED),
        ([], False, REPAIRED),
    ):
        done = run_playbook("pgops.sequences.fix", variables(shop), *arguments)
        assert done.returncode == 0, done.stdout
        assert ("changed=1" in done.stdout) == changes
        assert next_values(shop) == after
        assert ("public.orders_id_seq last_value=40" in done.stdout) == ("--diff" in arguments)


def test_app_and_table_choose_what_is_repaired(shop: dict[str, str]) -> None:
    assert run_playbook("pgops.sequences.fix", variables(shop, app="customers")).returncode == 0
    assert next_values(shop) == {**BEHIND, "customers_person": 8}
    assert run_playbook("pgops.sequences.fix", variables(shop, table="public.orders")).returncode == 0
    assert next_values(shop) == REPAIRED


@pytest.mark.parametrize("more", [{"app": "custommers"}, {"tables": ["no_*"]}, {"databases": ["no_such_*"]}], ids=str)
def test_selection_that_fits_nothing_is_not_passed_over(shop: dict[str, str], more: dict[str, Any]) -> None:
    done = run_playbook("pgops.sequences.fix", variables(shop, **more))
    assert done.returncode == 2 and "nothing was looked at: no" in done.stdout, done.stdout
    assert next_values(shop) == BEHIND


def test_fix_repairs_what_it_can_and_then_fails(shop: dict[str, str]) -> None:
    sql(shop, "CREATE SEQUENCE small MAXVALUE 5; ALTER TABLE empty ALTER id SET DEFAULT nextval('small')")
    sql(shop, "INSERT INTO empty VALUES (5)")
    done = run_playbook("pgops.sequences.fix", variables(shop))
    assert done.returncode == 2
    assert "MAXVALUE" in told(done.stdout)
    assert next_values(shop)["orders"] == 41


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"mode": "realign"}, "pg_sequences_confirm=true"),
        ({"table": "Orders"}, "matches nothing"),
        ({"near_limit_percent": 101}, "near_limit_percent is 101"),
        ({"fail_on": "nothing"}, "pg_sequences_fail_on=nothing is none of"),
        ({"database": "no such\" 'database' %s"}, "does not exist"),
        ({"login_user": "nobody at all"}, "does not exist"),
        ({"login_unix_socket": "/no/such/folder"}, "Check that the server runs"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_is_told_and_nothing_is_changed(shop: dict[str, str], more: dict[str, Any], message: str) -> None:
    done = run_playbook("pgops.sequences.fix", variables(shop, **more))
    output = told(done.stdout + done.stderr)
    assert done.returncode == 2 and message in output, output
    assert "Traceback" not in output
    assert next_values(shop) == BEHIND


HANDLER = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: pgops.sequences.pg_sequences
        tasks_from: listen
    - ansible.builtin.command: "true"
      changed_when: {restored}
      notify: database {topic}
"""


@pytest.mark.parametrize("topic", ["restored", "migrated"])
def test_a_task_that_restores_only_notifies(shop: dict[str, str], topic: str, tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    for restored, after in ((False, BEHIND), (True, REPAIRED)):
        play.write_text(HANDLER.format(restored=str(restored).lower(), topic=topic))
        done = run_playbook(play, variables(shop))
        assert done.returncode == 0, done.stdout
        assert next_values(shop) == after


def test_info_shows_everything_and_fails_for_no_finding(shop: dict[str, str]) -> None:
    done = run_playbook("pgops.sequences.info", variables(shop))
    assert done.returncode == 0, done.stdout
    for words in (
        f"public.orders_id_seq in database {shop['dbname']} on localhost: critical (behind)",
        "column public.orders.id: integer, via default,owned indexed, furthest value 40",
        "SELECT pg_catalog.setval('public.orders_id_seq'::regclass, 40, true);",
        f"public.empty_id_seq in database {shop['dbname']} on localhost: healthy",
        "next value 1, furthest value -, limit 2147483647",
    ):
        assert words in told(done.stdout), words
    assert next_values(shop) == BEHIND
    done = run_playbook("pgops.sequences.info", variables(shop, table="empty"))
    assert done.returncode == 0 and "sequences: 1" in done.stdout and "orders" not in done.stdout


def test_auto_fix_repairs_only_where_that_is_needed(shop: dict[str, str]) -> None:
    for arguments, repaired, after in ((["--check"], True, BEHIND), ([], True, REPAIRED), ([], False, REPAIRED)):
        done = run_playbook("pgops.sequences.auto_fix", variables(shop), *arguments)
        assert done.returncode == 0, done.stdout
        assert ("changed=1" in done.stdout) == repaired
        assert next_values(shop) == after


def test_auto_fix_fails_for_what_it_cannot_judge(shop: dict[str, str]) -> None:
    role = f"auditor_{shop['dbname']}"
    sql(shop, f"CREATE ROLE {role} LOGIN")
    try:
        done = run_playbook("pgops.sequences.auto_fix", variables(shop, login_user=role))
        assert done.returncode == 2 and "GRANT SELECT" in done.stdout, done.stdout
    finally:
        sql(shop, f"DROP ROLE {role}")
    assert next_values(shop) == BEHIND


AHEAD = {**REPAIRED, "orders": 901}


def test_reset_realigns_one_table_once_it_is_confirmed(shop: dict[str, str]) -> None:
    sql(shop, "SELECT setval('orders_id_seq', 900), setval('customers_person_id_seq', 7)")
    for more, arguments, code, words, after in (
        ({}, [], 2, "name it by pg_sequences_table", AHEAD),
        ({"table": "order*"}, [], 2, "name it by pg_sequences_table", AHEAD),
        ({"table": "orders", "app": "customers"}, [], 2, "name it by pg_sequences_table", AHEAD),
        ({"table": "orders"}, [], 2, "verdict: not confirmed, so nothing was changed", AHEAD),
        ({"table": "orders"}, ["--check"], 0, "901 -> 41", AHEAD),
        ({"table": "orders", "confirm": True}, [], 0, "901 -> 41", REPAIRED),
        ({"table": "orders", "confirm": True}, [], 0, "no sequence had to be realigned", REPAIRED),
    ):
        done = run_playbook("pgops.sequences.reset", variables(shop, **more), *arguments)
        assert done.returncode == code, done.stdout
        # Messages are wrapped.
        assert words in told(done.stdout), done.stdout
        assert done.stdout.count("verdict: ") == ("verdict: " in done.stdout)
        assert ("changed=1" in done.stdout) == (words == "901 -> 41")
        assert ("changed=0" in done.stdout) == (words != "901 -> 41")
        assert next_values(shop) == after
