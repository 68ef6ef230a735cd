# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's handlers after a real Django project's migrations, as docs/monitor.md shows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.run import run_playbook, sql

PROJECT = Path(__file__).with_name("django_shop")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "monitor.md"

INSERT = "from customers.models import Customer, Order; print(Order.objects.create(customer=Customer.objects.create(name='new')).pk)"


@pytest.fixture
def environment(database: dict[str, str]) -> dict[str, str]:
    place = {"HOST": database["host"], "PORT": database["port"], "NAME": database["dbname"], "USER": database["user"]}
    return {**os.environ, **{f"SHOP_{name}": value for name, value in place.items()}}


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def documented(tmp_path: Path, database: dict[str, str], environment: dict[str, str]) -> Path:
    """The play of the documentation, with this project's paths and database in it."""
    (text,) = re.findall(r"```yaml\n(- hosts: app1\n.*?)```", DOCS.read_text(), re.S)
    text = text.replace("/srv/shop/venv/bin/python", sys.executable).replace("/srv/shop", str(PROJECT))
    (play,) = yaml.safe_load(text.replace("customers.json", "more"))
    play["hosts"], play["gather_facts"] = "all", False
    play["vars"] = {
        "pg_sequences_login_unix_socket": database["host"],
        "pg_sequences_login_port": int(database["port"]),
        "pg_sequences_database": database["dbname"],
    }
    play["environment"] = {name: value for name, value in environment.items() if name.startswith("SHOP_")}
    place = tmp_path / "play.yml"
    place.write_text(yaml.safe_dump([play]))
    return place


def test_without_the_handler_the_next_insert_fails(environment: dict[str, str]) -> None:
    assert manage(environment, "migrate").returncode == 0
    done = manage(environment, "shell", "-c", INSERT)
    assert "duplicate key value violates unique constraint" in done.stderr


def test_a_migration_notifies_and_the_sequences_are_repaired_once(
    database: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    play = documented(tmp_path, database, environment)
    done = run_playbook(play, {})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        len(
            re.findall(
                r"TASK \[.*Repair the sequences that are behind\]|HANDLER \[.*Repair the sequences that are behind\]",
                done.stdout,
            )
        )
        == 1
    )
    assert sql(database, "SELECT last_value FROM customers_customer_id_seq") == [(70,)]
    inserted = manage(environment, "shell", "-c", INSERT)
    assert inserted.returncode == 0 and inserted.stdout.split()[-1] == "91", inserted.stdout + inserted.stderr
