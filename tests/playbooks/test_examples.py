# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples are run as they stand; only where the servers are comes from the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.run import run_playbook, sql
from support.servers import Server, client_binaries

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

SHOP = """
CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40);
CREATE TABLE customers_person (id serial PRIMARY KEY); INSERT INTO customers_person VALUES (7);
"""


@pytest.fixture
def shop(database: dict[str, str]) -> dict[str, str]:
    sql(database, SHOP)
    return database


def at(shop: dict[str, str], **more: Any) -> dict[str, Any]:
    place = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "database": shop["dbname"]}
    # The tests' servers trust everybody, whoever runs the modules.
    found = {"become_user": "", **place, **more}
    return {f"pg_sequences_{name}": value for name, value in found.items()}


def run(name: str, tmp_path: Path, variables: dict[str, Any], *hosts: str) -> subprocess.CompletedProcess[str]:
    inventory = tmp_path / "hosts"
    inventory.write_text("".join(f"{host} ansible_connection=local\n" for host in hosts))
    here = {"ansible_python_interpreter": sys.executable, "vault_reader_password": "", **variables}
    return run_playbook(str(EXAMPLES / name), {}, "-i", str(inventory), "-e", json.dumps(here))


def next_value(shop: dict[str, str], table: str) -> int:
    ((value,),) = sql(shop, f"SELECT last_value + is_called::int FROM {table}")
    return int(value)


def test_every_example_has_a_test() -> None:
    text = Path(__file__).read_text()
    names = [path.name for path in EXAMPLES.glob("*.yml")]
    assert names and not [name for name in names if f'"{name}"' not in text]


def test_restore_then_fix(shop: dict[str, str], server: Server, tmp_path: Path) -> None:
    dump = tmp_path / "shop.dump"
    where = ["-h", shop["host"], "-p", str(shop["port"]), "-U", "postgres"]
    subprocess.run(
        [str(client_binaries(server.version) / "pg_dump"), *where, "-Fc", "-f", str(dump), shop["dbname"]],
        check=True,
        timeout=60,
    )
    new = {**shop, "dbname": f"{shop['dbname']}_new"}
    bin_dir = {"bin_dir": str(client_binaries(server.version)), "dump": str(dump)}
    try:
        done = run("restore_then_fix.yml", tmp_path, at(new, **bin_dir), "db1")
        assert done.returncode == 0, done.stdout
        assert next_value(new, "orders_id_seq") == 41
    finally:
        sql(server.dsn(), f'DROP DATABASE IF EXISTS "{new["dbname"]}"')


def test_managed_server(shop: dict[str, str], tmp_path: Path) -> None:
    play = (EXAMPLES / "managed_server.yml").read_text()
    place = f"login_unix_socket: {shop['host']}\n      login_port: {shop['port']}"
    # The rest is the user's and the certificate of a server that is not here.
    begin, end = play.index("login_host:"), play.index("  tasks:")
    assert "ca_cert" in play[begin:end]
    file = tmp_path / "managed_server.yml"
    (databases,) = re.findall(r"databases: (\[.*\])", play)
    # Those of a service that are not there are no error; the other databases are other tests'.
    here = json.dumps([shop["dbname"], *(name for name in json.loads(databases) if name != "*")])
    file.write_text(play[:begin] + place + "\n" + play[end:].replace(databases, here))
    done = run_playbook(str(file), {})
    assert done.returncode == 0 and "public.orders_id_seq: 1 -> 41" in done.stdout, done.stdout
    assert next_value(shop, "orders_id_seq") == 41


def test_application_tables(shop: dict[str, str], tmp_path: Path) -> None:
    done = run("application_tables.yml", tmp_path, at(shop), "db1")
    assert done.returncode == 0, done.stdout
    assert (next_value(shop, "customers_person_id_seq"), next_value(shop, "orders_id_seq")) == (8, 1)


def test_after_your_own_restore(shop: dict[str, str], tmp_path: Path) -> None:
    done = run("after_your_own_restore.yml", tmp_path, at(shop) | {"restore_command": "true"}, "db1")
    assert done.returncode == 0, done.stdout
    assert done.stdout.index("verdict: ") < done.stdout.index("The application may start.")
    assert next_value(shop, "orders_id_seq") == 41


def test_fleet_report(shop: dict[str, str], tmp_path: Path) -> None:
    done = run("fleet_report.yml", tmp_path, at(shop, report_dir=str(tmp_path / "reports")), "db1", "db2", "localhost")
    assert done.returncode == 2, done.stdout
    report = json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())
    assert (report["summary"]["hosts"], report["summary"]["critical"]) == (3, 6)
    assert (tmp_path / "reports" / "latest" / "report.html").is_file()


def test_cutover(shop: dict[str, str], server: Server, tmp_path: Path) -> None:
    sql(server.dsn(), f'CREATE DATABASE "{shop["dbname"]}_old"')
    old = {**shop, "dbname": f"{shop['dbname']}_old"}
    try:
        sql(old, SHOP + "SELECT setval('orders_id_seq', 5000)")
        source = {
            "source_login_host": "",
            "source_login_unix_socket": shop["host"],
            "source_login_port": int(shop["port"]),
            "source_login_user": "postgres",
            "source_login_password": "",
            "reference_databases": {shop["dbname"]: old["dbname"]},
            "source_seconds": 0.2,
        }
        done = run("cutover.yml", tmp_path, at(shop, **source), "db_new")
        assert "verdict: may be switched" in done.stdout and next_value(shop, "orders_id_seq") == 5001, done.stdout
    finally:
        sql(server.dsn(), f'DROP DATABASE "{old["dbname"]}"')


def test_ids_of_the_application(shop: dict[str, str], tmp_path: Path) -> None:
    sql(
        shop,
        "DROP TABLE orders; CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders VALUES (140);"
        "CREATE SEQUENCE orders_seq INCREMENT 50; CREATE SEQUENCE ticket_seq;"
        "CREATE TABLE tickets (number int PRIMARY KEY); INSERT INTO tickets VALUES (12)",
    )
    done = run("ids_of_the_application.yml", tmp_path, at(shop), "db1")
    assert done.returncode == 0, done.stdout
    assert next_value(shop, "ticket_seq") == 13
    # A pooled draw of n stands for n - 49 to n.
    ((drawn,),) = sql(shop, "SELECT nextval('orders_seq')")
    assert drawn - 49 > 140
