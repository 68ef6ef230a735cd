# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers, the second fed from the first by logical replication, and writers on the first."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import psycopg2

from .run import sql
from .servers import Server

SHOP = """
CREATE TABLE orders (id serial PRIMARY KEY, note text);
CREATE TABLE "Odd name" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);
CREATE TABLE regions (id bigint PRIMARY KEY);
CREATE SEQUENCE region_seq INCREMENT 10 START 3 MINVALUE 3; ALTER TABLE regions ALTER id SET DEFAULT nextval('region_seq');
CREATE TABLE down (id int PRIMARY KEY);
CREATE SEQUENCE down_seq INCREMENT -1; ALTER TABLE down ALTER id SET DEFAULT nextval('down_seq');
CREATE SEQUENCE invoice_numbers;
CREATE SEQUENCE "Tickets; odd" INCREMENT 5 CACHE 20;
CREATE SEQUENCE countdown INCREMENT -1 MINVALUE -100000 MAXVALUE 1000 START 1000;
CREATE SEQUENCE never_used;
"""

WITHOUT_COLUMN = ("invoice_numbers", '"Tickets; odd"', "countdown")
"""Sequences of :data:`SHOP` that only the application draws."""

DRAWS = (
    "INSERT INTO orders (note) VALUES ('x') RETURNING id",
    "INSERT INTO \"Odd name\" (note) VALUES ('x') RETURNING id",
    "INSERT INTO regions DEFAULT VALUES RETURNING id",
    "INSERT INTO down DEFAULT VALUES RETURNING id",
    *(f"SELECT nextval('{name}')" for name in WITHOUT_COLUMN),
)
"""What an application does to get a number of each."""


class Pair:
    """A source and a target of one database, with a subscription from the one to the other."""

    def __init__(self, old: int, new: int, schema: str = SHOP, sequences: bool = False) -> None:
        """Set up without starting.

        Args:
            old: the source's version.
            new: the target's.
            schema: made on both.
            sequences: whether they are published as well (19).
        """
        self.source = Server(old, settings={"wal_level": "logical"})
        # How soon it tries again to copy a sequence.
        soon: dict[str, Any] = {"wal_retrieve_retry_interval": "200ms"} if sequences else {}
        self.target = Server(new, settings={"wal_level": "logical", **soon})
        self.schema = schema
        self.sequences = sequences

    def __enter__(self) -> Pair:
        self.source.start()
        self.target.start()
        for server in (self.source, self.target):
            sql(server.dsn(), "CREATE DATABASE shop")
            sql(server.dsn("shop"), self.schema)
        sql(
            self.source.dsn("shop"), f"CREATE PUBLICATION everything FOR ALL TABLES{', ALL SEQUENCES' * self.sequences}"
        )
        where = f"host={self.source.socket_dir} port={self.source.port} user=postgres dbname=shop"
        sql(self.target.dsn("shop"), f"CREATE SUBSCRIPTION from_old CONNECTION '{where}' PUBLICATION everything")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.target.close()
        self.source.close()

    @property
    def old(self) -> dict[str, str]:
        """Connection parameters of the source's database."""
        return self.source.dsn("shop")

    @property
    def new(self) -> dict[str, str]:
        """Connection parameters of the target's."""
        return self.target.dsn("shop")

    def variables(self, swapped: bool = False, **more: Any) -> dict[str, Any]:
        """The playbook's variables."""
        source, target = (self.target, self.source) if swapped else (self.source, self.target)
        chosen = {
            "source_login_unix_socket": str(source.socket_dir),
            "source_login_port": source.port,
            "login_unix_socket": str(target.socket_dir),
            "login_port": target.port,
            "database": "shop",
            "source_seconds": 0.5,
            **more,
        }
        return {f"pg_sequences_{name}": value for name, value in chosen.items() if value is not None}

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until the target has every row that was committed on the source so far."""
        ((position,),) = sql(self.old, "SELECT pg_current_wal_lsn()")
        deadline = time.monotonic() + seconds
        # Of sequences some may never be.
        ready = "SELECT count(*) FROM pg_subscription_rel JOIN pg_class c ON c.oid = srrelid WHERE srsubstate <> 'r' AND relkind <> 'S'"
        flushed = "SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots WHERE slot_name = 'from_old'"
        while sql(self.new, ready) != [(0,)] or sql(self.old, flushed, [position]) != [(True,)]:
            if time.monotonic() > deadline:
                raise TimeoutError("the target did not catch up")
            time.sleep(0.05)

    def refresh(self, *never: str, seconds: float = 30.0) -> None:
        """Have the target's sequences set to the source's values, and wait for all but those that never are (19)."""
        sql(self.new, "ALTER SUBSCRIPTION from_old REFRESH SEQUENCES")
        self.wait_for_sequences(*never, seconds=seconds)

    def wait_for_sequences(self, *never: str, seconds: float = 30.0) -> None:
        """Wait until the subscription has set all sequences but those named."""
        waiting = (
            "SELECT c.relname FROM pg_subscription_rel JOIN pg_class c ON c.oid = srrelid"
            " WHERE srsubstate <> 'r' AND relkind = 'S' AND c.relname <> ALL (%s)"
        )
        deadline = time.monotonic() + seconds
        while left := sql(self.new, waiting, [list(never)]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not synchronized: {left}")
            time.sleep(0.05)


@contextlib.contextmanager
def writers(dsn: dict[str, Any], threads: int = 2) -> Iterator[dict[str, list[int]]]:
    """Draw numbers by every way until the end of the block; yield what was handed out, by statement."""
    handed: dict[str, list[int]] = {draw: [] for draw in DRAWS}
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            connection = psycopg2.connect(**dsn)
            connection.autocommit = True
            with connection.cursor() as cursor:
                while not stop.is_set():
                    for draw in DRAWS:
                        cursor.execute(draw)
                        handed[draw].append(cursor.fetchone()[0])
                    # Handed out and never stored.
                    cursor.execute("BEGIN")
                    cursor.execute(DRAWS[0])
                    handed[DRAWS[0]].append(cursor.fetchone()[0])
                    cursor.execute("ROLLBACK")
                    time.sleep(0.002)
            connection.close()
        except BaseException as error:
            failed.append(error)

    running = [threading.Thread(target=work) for _unused in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield handed
    finally:
        stop.set()
        for thread in running:
            thread.join()
    if failed:
        raise failed[0]
