# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cut-over from replication by others: pglogical and Slony-I, as Debian 12 packages them, for PostgreSQL 15."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.run import run_playbook, sql
from support.servers import Server

SHOP = "CREATE TABLE orders (id serial PRIMARY KEY, note text); CREATE SEQUENCE invoices; CREATE SEQUENCE odd INCREMENT -3;"
DRAWS = """
INSERT INTO orders (note) SELECT 'x' FROM generate_series(1, 120); DELETE FROM orders WHERE id > 100;
SELECT setval('invoices', 5000), setval('odd', -3001)
"""


def _installed(extension: str) -> bool:
    return Path("/usr/share/postgresql/15/extension", extension).exists()


def _conninfo(server: Server) -> str:
    return f"host={server.socket_dir} port={server.port} user=postgres dbname=shop"


def _until(ready: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("the rows did not arrive")
        time.sleep(0.2)


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    settings: dict[str, Any] = {"wal_level": "logical"}
    if _installed("pglogical.control"):
        settings["shared_preload_libraries"] = "pglogical"
    with Server(15, settings=settings) as source, Server(15, settings=settings) as target:
        for server in (source, target):
            sql(server.dsn(), "CREATE DATABASE shop")
            sql(server.dsn("shop"), SHOP)
        yield source, target


def _carried_over(source: Server, target: Server) -> None:
    sql(source.dsn("shop"), DRAWS)
    _until(lambda: sql(target.dsn("shop"), "SELECT count(*), max(id) FROM orders") == [(100, 100)])
    given = {
        "pg_sequences_source_login_unix_socket": str(source.socket_dir),
        "pg_sequences_source_login_port": source.port,
        "pg_sequences_login_unix_socket": str(target.socket_dir),
        "pg_sequences_login_port": target.port,
        "pg_sequences_database": "shop",
        "pg_sequences_schemas": ["public"],
        "pg_sequences_source_seconds": 0.5,
    }
    done = run_playbook("pgops.sequences.cutover", given)
    assert done.returncode == 0 and "verdict: may be switched" in done.stdout, done.stdout
    statement = (
        "SELECT (SELECT last_value FROM orders_id_seq), (SELECT last_value FROM invoices), (SELECT last_value FROM odd)"
    )
    assert sql(target.dsn("shop"), statement) == [(120, 5000, -3001)]
    again = run_playbook("pgops.sequences.cutover", given)
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout


@pytest.mark.skipif(
    not _installed("pglogical.control"), reason="pglogical is not installed (Debian: postgresql-15-pglogical)"
)
def test_pglogical(servers: tuple[Server, Server]) -> None:
    source, target = servers
    for server in servers:
        sql(server.dsn("shop"), "CREATE EXTENSION pglogical")
    name = "SELECT pglogical.create_node(node_name := %s, dsn := %s)"
    sql(source.dsn("shop"), name, ["provider", _conninfo(source)])
    sql(source.dsn("shop"), "SELECT pglogical.replication_set_add_all_tables('default', ARRAY['public'])")
    sql(target.dsn("shop"), name, ["subscriber", _conninfo(target)])
    subscribe = "SELECT pglogical.create_subscription(subscription_name := 's', provider_dsn := %s)"
    sql(target.dsn("shop"), subscribe, [_conninfo(source)])
    status = "SELECT status FROM pglogical.show_subscription_status('s')"
    _until(lambda: sql(target.dsn("shop"), status) == [("replicating",)])
    _carried_over(source, target)


@pytest.mark.skipif(
    not shutil.which("slonik"), reason="Slony-I is not installed (Debian: slony1-2-bin, postgresql-15-slony1-2)"
)
def test_slony(servers: tuple[Server, Server], tmp_path: Path) -> None:
    source, target = servers
    preamble = f"""
    cluster name = shop;
    node 1 admin conninfo = '{_conninfo(source)}';
    node 2 admin conninfo = '{_conninfo(target)}';
    """

    def slonik(script: str) -> None:
        done = subprocess.run(
            ["slonik"], input=preamble + script, text=True, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr

    slonik(f"""
    init cluster (id = 1, comment = 'old');
    create set (id = 1, origin = 1, comment = 'shop');
    set add table (set id = 1, origin = 1, id = 1, fully qualified name = 'public.orders');
    store node (id = 2, comment = 'new', event node = 1);
    store path (server = 1, client = 2, conninfo = '{_conninfo(source)}');
    store path (server = 2, client = 1, conninfo = '{_conninfo(target)}');
    """)
    daemons = []
    try:
        for number, server in enumerate(servers):
            log = (tmp_path / f"slon{number}.log").open("wb")
            command = ["slon", "-s", "500", "shop", _conninfo(server)]
            daemons.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path))
        slonik("subscribe set (id = 1, provider = 1, receiver = 2, forward = no);")
        _carried_over(source, target)
    finally:
        for daemon in daemons:
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(30)
