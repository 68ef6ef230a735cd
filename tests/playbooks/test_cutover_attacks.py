# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook cutover where something is not as it should be: what it sees, what it refuses, and what it says to do."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from support.run import run_playbook, sql, told
from support.servers import Server, standby

CUTOVER = "pgops.sequences.cutover"

SHOP = """
CREATE SEQUENCE numbers; CREATE SEQUENCE "{{ 1+1 }} %s ""q"" .x"; CREATE SCHEMA "A.b"; CREATE SEQUENCE "A.b"."c";
CREATE SCHEMA "A"; CREATE SEQUENCE "A"."b.c"; CREATE SEQUENCE "CAPS"; CREATE SEQUENCE caps; CREATE UNLOGGED SEQUENCE unlogged;
CREATE SCHEMA other; CREATE SEQUENCE other.numbers; CREATE SEQUENCE turns MAXVALUE 9000 CYCLE;
"""

NAMES = [
    *("numbers", '"{{ 1+1 }} %s ""q"" .x"', '"A.b"."c"', '"A"."b.c"', '"CAPS"', "unlogged", "other.numbers"),
]


class Two:
    """Two servers of one database each that holds the same, the source further."""

    def __init__(self, source: Server, target: Server) -> None:
        self.source, self.target = source, target
        for server in (source, target):
            sql(server.dsn(), "CREATE DATABASE shop")
            sql(server.dsn("shop"), SHOP)
        for place, name in enumerate(NAMES):
            sql(self.old, "SELECT setval(%s, %s)", [name, 100 + place])
        # About to begin again at 1, where the target stands.
        sql(self.old, "SELECT setval('turns', 9000)")

    @property
    def old(self) -> dict[str, str]:
        return self.source.dsn("shop")

    @property
    def new(self) -> dict[str, str]:
        return self.target.dsn("shop")

    def run(self, *arguments: str, source: Server | None = None, target: Server | None = None, **more: Any) -> Any:
        source, target = source or self.source, target or self.target
        chosen = {
            "source_login_unix_socket": str(source.socket_dir),
            "source_login_port": source.port,
            "login_unix_socket": str(target.socket_dir),
            "login_port": target.port,
            "database": "shop",
            "source_seconds": 0.1,
            **more,
        }
        given = {f"pg_sequences_{name}": value for name, value in chosen.items() if value is not None}
        done = run_playbook(CUTOVER, given, *arguments)
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def numbers(self) -> list[int]:
        return [sql(self.new, f"SELECT last_value FROM {name}")[0][0] for name in NAMES]


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    with Server(18) as source, Server(18) as target:
        yield Two(source, target)


def test_what_is_found_is_counted_as_it_was_and_as_it_is(two: Two, tmp_path: Path) -> None:
    sql(
        two.old, "ALTER SEQUENCE other.numbers CACHE 7; CREATE ROLE shopkeeper; ALTER SEQUENCE caps OWNER TO shopkeeper"
    )
    sql(two.new, "SELECT setval('caps', 50)")
    before = two.numbers()
    done = two.run("--check")
    assert done.returncode == 0, done.stdout
    # First of all, which two servers these are.
    server = r"\S+ port {} \(PostgreSQL 18\.\d+, system identifier \d+\)\n"
    source, target = server.format(two.source.port), server.format(two.target.port)
    assert re.search(f"source: {source}target: {target}the source stood still over 2 readings", done.stdout), (
        done.stdout
    )
    assert "found behind: 7, ahead: 1, equal: 1, defined otherwise: 0" in done.stdout
    assert "7 sequences would have to be moved first" in done.stdout and "now behind" not in done.stdout
    assert re.search(
        r"next: to move them: ansible-playbook -i \S+ pgops\.sequences\.cutover --limit localhost", done.stdout
    ), done.stdout
    assert two.numbers() == before
    # What is named without being another sequence for it.
    assert "defined otherwise: shop other.numbers: cache size 1 here, 7 there" in done.stdout
    assert "ALTER SEQUENCE other.numbers CACHE 7;" in done.stdout
    assert "owner postgres here, shopkeeper there: 1 sequence, shop public.caps first" in done.stdout
    done = two.run(report_dir=str(tmp_path))
    assert done.returncode == 0 and "verdict: may be switched: 9 sequences compared" in done.stdout, done.stdout
    assert "found behind: 7, ahead: 1, equal: 1" in done.stdout and "now behind: 0, ahead: 1, equal: 8" in done.stdout
    assert "ahead: shop public.caps: 51 here, 1 there (in use already" in done.stdout
    # Whatever they are called; the one that is about to begin again is where it has to be.
    assert two.numbers() == [100 + place for place in range(len(NAMES))]
    assert sql(two.new, "SELECT last_value, is_called FROM turns") == [(1, False)]
    assert re.search(r"moved shop public.numbers: 1 -> 101 \(behind_reference; 100 steps, \d+ left\)", done.stdout)
    assert "what nobody can see from here: values that sessions and applications hold" in done.stdout
    assert "for the way back: the same with source and target swapped" in done.stdout
    # On a terminal nobody has to look for the end of a sentence; names and statements are whole, to be copied.
    report = json.loads((tmp_path / "latest" / "report.json").read_text())
    assert report["hosts"][0]["cutover"]["lines"][-1] in done.stdout


def test_what_is_not_selected_may_move(two: Two) -> None:
    stop = threading.Event()

    def draw() -> None:
        connection = psycopg2.connect(**two.old)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("SELECT nextval('other.numbers')")
                time.sleep(0.01)
        connection.close()

    drawing = threading.Thread(target=draw)
    drawing.start()
    try:
        refused = two.run()
        done = two.run(schemas=["public", "A*"])
    finally:
        stop.set()
        drawing.join()
    assert refused.returncode == 2 and "verdict: not yet, because 1 sequence of the source moved" in refused.stdout
    assert "fix once more" not in refused.stdout and refused.stdout.count("stopped localhost") == 0
    assert "1. stop what writes to the source" in refused.stdout
    assert done.returncode == 0 and "may be switched" in done.stdout, done.stdout


def test_sequences_made_between_the_readings_are_seen(two: Two) -> None:
    calls = sql(two.old, "SELECT sessions FROM pg_stat_database WHERE datname = 'shop'")[0][0]

    def make() -> None:
        deadline = time.monotonic() + 60
        seen = "SELECT sessions > %s FROM pg_stat_database WHERE datname = 'shop'"
        while sql(two.source.dsn(), seen, [calls + 1]) != [(True,)] and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        sql(two.old, "CREATE SEQUENCE made_meanwhile")

    making = threading.Thread(target=make)
    making.start()
    done = two.run(source_seconds=8)
    making.join()
    sql(two.old, "DROP SEQUENCE made_meanwhile")
    assert done.returncode == 2 and "public.made_meanwhile made -> 1" in done.stdout, done.stdout


def test_a_database_that_the_target_lacks_is_no_success(two: Two) -> None:
    sql(two.source.dsn(), "CREATE DATABASE crm")
    sql(two.source.dsn("crm"), "CREATE SEQUENCE tickets")
    try:
        done = two.run(database=None, databases=["*"])
    finally:
        sql(two.source.dsn(), "DROP DATABASE crm")
    assert done.returncode == 2, done.stdout
    assert "verdict: not yet, because database crm of the source, with 1 sequence, is not on the target" in told(
        done.stdout
    )


def test_what_is_left_out_by_the_advice_is_left_out(two: Two) -> None:
    sql(two.old, "CREATE SEQUENCE only_old")
    try:
        done = two.run()
        assert done.returncode == 2 and "1 sequence of the source is missing on the target" in done.stdout, done.stdout
        (said,) = re.findall(r"or leave it out: -e '(\{.*?\})'", done.stdout)
        done = two.run("-e", said)
    finally:
        sql(two.old, "DROP SEQUENCE only_old")
    assert done.returncode == 0 and "may be switched" in done.stdout, done.stdout


@pytest.mark.parametrize("names", [{"elsewhere": "shop"}, {"shop": None}, {"shop": ""}], ids=str)
def test_names_of_databases_that_cannot_be_meant(two: Two, names: dict[str, Any]) -> None:
    done = two.run(reference_databases=names)
    assert done.returncode == 2 and "reference_databases" in done.stdout, done.stdout
    assert "{new: old}" in done.stdout


def test_a_target_that_is_read_only_is_told_how_to_be_opened(two: Two) -> None:
    sql(two.old, "SELECT setval('numbers', 900)")
    sql(two.new, "ALTER DATABASE shop SET default_transaction_read_only = on")
    try:
        done = two.run()
        assert done.returncode == 2 and "verdict: not yet, because the target could not be repaired" in done.stdout
        assert "fix once more" not in done.stdout, done.stdout
        cure = re.findall(r"Where it was set for the database: (SET .*?);\\? (ALTER .*?;)", done.stdout)[0]
        connection = psycopg2.connect(**two.new)
        connection.autocommit = True
        for statement in cure:
            connection.cursor().execute(statement)
        connection.close()
    finally:
        sql({**two.new, "options": "-c default_transaction_read_only=off"}, "ALTER DATABASE shop RESET ALL")
    done = two.run()
    assert done.returncode == 0 and "may be switched" in done.stdout, done.stdout


def test_what_a_role_may_not_read_on_the_source_is_left_with_the_grant(two: Two) -> None:
    sql(two.old, 'CREATE ROLE "Reader" LOGIN; GRANT SELECT ON SEQUENCE numbers, caps TO "Reader"')
    done = two.run(source_login_user="Reader", schemas=["public"])
    assert done.returncode == 2 and "could not be brought up to the source" in done.stdout, done.stdout
    grants = re.findall(r"on the server of the reference: (GRANT .*?;)", done.stdout)
    other = re.findall(r"Remedy, there: (GRANT .*?;)", done.stdout)
    assert len(grants) == 1 and len(other) == 1, done.stdout
    sql(two.old, grants[0] + other[0])
    done = two.run(source_login_user="Reader", schemas=["public"])
    assert done.returncode == 0 and "who else" not in done.stdout, done.stdout


def test_the_target_is_not_compared_with_itself(two: Two) -> None:
    with standby(two.target) as replica:
        done = two.run(source=replica)
        assert done.returncode == 2 and "is a standby of the target" in done.stdout, done.stdout
    role = "CREATE ROLE plain LOGIN; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO plain"
    sql(two.new, f"REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public; {role}")
    done = two.run(source=two.target, source_login_user="plain", login_user="plain", schemas=["public"])
    assert done.returncode == 2 and "source and target are one" in done.stdout, done.stdout
    assert "system identifier not known" in done.stdout


def test_a_subscription_of_another_server_is_not_vouched_for(two: Two) -> None:
    other = "CREATE SUBSCRIPTION third CONNECTION 'host=/no/such port=1' PUBLICATION p WITH (connect = false, slot_name = 'third')"
    sql(two.new, f"{other}; ALTER SUBSCRIPTION third ENABLE")
    try:
        done = two.run()
    finally:
        sql(two.new, "ALTER SUBSCRIPTION third DISABLE")
        sql(two.new, "ALTER SUBSCRIPTION third SET (slot_name = NONE)")
        sql(two.new, "DROP SUBSCRIPTION third")
    assert done.returncode == 0, done.stdout
    assert "but how far the subscription third lags is not known from here" in done.stdout
    assert "ALTER SUBSCRIPTION third DISABLE" not in done.stdout


def test_a_read_only_source_is_told_to_be_so_by_default_alone(two: Two) -> None:
    sql(two.old, "ALTER DATABASE shop SET default_transaction_read_only = on")
    try:
        done = two.run("--check")
    finally:
        sql({**two.old, "options": "-c default_transaction_read_only=off"}, "ALTER DATABASE shop RESET ALL")
    assert "default_transaction_read_only is on there: a default" in done.stdout, done.stdout


def test_a_target_that_is_gone_in_the_middle_is_continued_by_the_same_again() -> None:
    with Server(18) as source, Server(18) as target:
        two = Two(source, target)
        many = "DO $$ BEGIN FOR i IN 1..400 LOOP EXECUTE format('CREATE SEQUENCE z%s', i); END LOOP; END $$"
        for dsn in (two.old, two.new):
            sql(dsn, many)
        sql(two.old, "SELECT count(setval(seqrelid::regclass, 500)) FROM pg_sequence")

        def end() -> None:
            deadline = time.monotonic() + 60
            moved = "SELECT count(*) > 40 FROM pg_sequences WHERE last_value = 500"
            while time.monotonic() < deadline and sql(two.new, moved) != [(True,)]:
                time.sleep(0.01)
            target.stop("immediate")

        ending = threading.Thread(target=end)
        ending.start()
        done = two.run()
        ending.join()
        assert done.returncode == 2 and "verdict: not yet, because the target could not be" in done.stdout, done.stdout
        assert "may be switched" not in done.stdout and "behind again" not in done.stdout
        target.start()
        done = two.run()
        assert done.returncode == 0 and "may be switched" in done.stdout, done.stdout
        assert sql(two.new, "SELECT count(*) FROM pg_sequences WHERE last_value < 500") == [(0,)]
