# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Behind a proxy that pools transactions the modules work, and leave nothing in the sessions that others use next."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from support.run import run_module, sql
from support.servers import Server

Dsn = dict[str, str]

_PROTOCOL_3 = 196608
_SIZE = 2


class _Pooler(threading.Thread):
    """Gives each transaction to the server session that has rested longest (protocol: manual, chapter 54)."""

    def __init__(self, server: Server, database: str, folder: Path) -> None:
        super().__init__(daemon=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.6432"))
        self._listener.listen()
        self._greeting = b""
        self._idle: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        for _unused in range(_SIZE):
            self._idle.put(self._open(server, database))
        self.start()

    def _open(self, server: Server, database: str) -> socket.socket:
        session = socket.socket(socket.AF_UNIX)
        session.connect(str(server.socket_dir / f".s.PGSQL.{server.port}"))
        wanted = f"user\0postgres\0database\0{database}\0client_encoding\0UTF8\0\0".encode()
        session.sendall(struct.pack("!ii", len(wanted) + 8, _PROTOCOL_3) + wanted)
        self._greeting = b"".join(_until_ready(session))
        return session

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(ConnectionError), client:
            while _read(client, struct.unpack("!i", _read(client, 4))[0] - 4)[:4] != struct.pack("!i", _PROTOCOL_3):
                # No encryption.
                client.sendall(b"N")
            client.sendall(self._greeting)
            session = None
            message = _message(client)
            while message[:1] != b"X":
                session = session or self._idle.get()
                session.sendall(message)
                if message[:1] in b"QS":
                    for answer in _until_ready(session):
                        client.sendall(answer)
                    if answer[5:] == b"I":
                        self._idle.put(session)
                        session = None
                message = _message(client)

    def close(self) -> None:
        self._listener.close()
        while not self._idle.empty():
            self._idle.get().close()


def _read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise ConnectionError
        found += part
    return found


def _message(connection: socket.socket) -> bytes:
    head = _read(connection, 5)
    return head + _read(connection, struct.unpack("!i", head[1:])[0] - 4)


def _until_ready(session: socket.socket) -> Iterator[bytes]:
    message = b""
    while message[:1] != b"Z":
        message = _message(session)
        assert message[:1] != b"E" or b"FATAL" not in message, message
        yield message


@contextlib.contextmanager
def _pgbouncer(server: Server, database: str, folder: Path) -> Iterator[None]:
    settings = {
        "listen_addr": "",
        "listen_port": 6432,
        "unix_socket_dir": folder,
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": _SIZE,
        "server_reset_query": "",
        "server_round_robin": 1,
    }
    where = f"{database} = host={server.socket_dir} port={server.port} user=postgres"
    text = f"[databases]\n{where}\n[pgbouncer]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(text)
    folder.chmod(0o777)
    as_other = ["--user=nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(["pgbouncer", "--quiet", *as_other, str(configuration)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not (folder / ".s.PGSQL.6432").exists():
            assert process.poll() is None and time.monotonic() < deadline, "pgbouncer did not start"
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(params=["own", "pgbouncer"])
def pooled(request: pytest.FixtureRequest, server: Server, database: Dsn) -> Iterator[Dsn]:
    """Connection parameters of the database through a pooler with two sessions."""
    name = database["dbname"]
    with tempfile.TemporaryDirectory(prefix="pgops-") as folder:
        if request.param == "own":
            pooler: contextlib.AbstractContextManager[Any] = contextlib.closing(_Pooler(server, name, Path(folder)))
        elif shutil.which("pgbouncer"):
            pooler = _pgbouncer(server, name, Path(folder))
        else:
            pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
        with pooler:
            yield {**database, "host": folder, "port": "6432"}


_TRACES = """
SELECT pg_backend_pid(), current_user, session_user,
       (SELECT array_agg(name || '=' || setting) FROM pg_settings
        WHERE source = 'session' AND name <> 'application_name'),
       (SELECT count(*) FROM pg_prepared_statements),
       (SELECT count(*) FROM pg_cursors WHERE name <> ''),
       (SELECT count(*) FROM pg_listening_channels()),
       (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
       pg_my_temp_schema()::int
"""


def _traces(dsn: Dsn) -> list[tuple[Any, ...]]:
    """What is left in each of the pool's sessions."""
    connections = [psycopg2.connect(**dsn) for _unused in range(_SIZE)]
    # Transactions open at the same time are in different sessions.
    cursors = [connection.cursor() for connection in connections]
    found = []
    for cursor in cursors:
        cursor.execute(_TRACES)
        found += cursor.fetchall()
    for connection in connections:
        connection.rollback()
        connection.close()
    assert len({row[0] for row in found}) == _SIZE
    return sorted(found)


def test_modules_work_behind_a_pooler_and_leave_nothing_behind(server: Server, database: Dsn, pooled: Dsn) -> None:
    names = [f"t{number}" for number in range(6)]
    sql(
        database,
        "CREATE ROLE pooled; GRANT USAGE ON SCHEMA public TO pooled;"
        + "".join(
            f"CREATE TABLE {name} (id serial PRIMARY KEY); INSERT INTO {name} SELECT generate_series(1, 30);"
            f"ALTER TABLE {name} OWNER TO pooled;"
            for name in names
        ),
    )
    try:
        before = _traces(pooled)
        assert [row[1:] for row in before] == [("postgres", "postgres", None, 0, 0, 0, 0, 0)] * _SIZE
        with contextlib.closing(psycopg2.connect(**database)) as blocking, blocking.cursor() as cursor:
            cursor.execute("LOCK TABLE t5 IN ACCESS EXCLUSIVE MODE; SELECT nextval('t4_id_seq')")
            for name, options in (
                ("pg_sequence_info", {}),
                ("pg_sequence_info", {"session_role": "pooled", "jobs": 2}),
                ("pg_sequence_fix", {"sequences": ["t0*"], "session_role": "pooled"}),
                ("pg_sequence_fix", {"sequences": ["t1*"], "mode": "realign", "confirm": True, "lock_tables": True}),
                ("pg_sequence_fix", {"retries": 1, "lock_timeout": 0.1, "fail_on_unfixed": False}),
            ):
                connection = {
                    "login_unix_socket": pooled["host"],
                    "login_port": int(pooled["port"]),
                    "login_db": pooled["dbname"],
                }
                result = run_module(name, {**connection, "lock_timeout": 0.2, **options})
                assert not result["failed"], result["msg"]
                assert _traces(pooled) == before, (name, options)
        assert [entry["name"] for entry in result["not_fixed"]] == ["t5_id_seq"]
        union = " UNION ALL ".join(f"SELECT last_value, is_called FROM {name}_id_seq" for name in names[:5])
        assert set(sql(database, union)) == {(30, True)}
    finally:
        sql(database, "DROP OWNED BY pooled; DROP ROLE pooled")


def test_pooler_shows_what_is_left_behind(pooled: Dsn) -> None:
    before = _traces(pooled)
    sql(pooled, "SET lock_timeout = 1234")
    assert _traces(pooled) != before
