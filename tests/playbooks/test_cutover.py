# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook cutover on real pairs of servers, with writers on the source until the switch, and the way back."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from support.pairs import DRAWS, WITHOUT_COLUMN, Pair, writers
from support.run import run_module, run_playbook, sql, told
from support.servers import CANDIDATE, Server, standby, why_unavailable

CUTOVER = "pgops.sequences.cutover"

PAIRS = [(12, 18), (15, 16), (18, 18), (18, CANDIDATE)]
_ASKED = os.environ.get("PGOPS_PAIRS")
CHOSEN = [tuple(map(int, pair.split(":"))) for pair in _ASKED.split()] if _ASKED else PAIRS


@pytest.fixture(scope="module", params=CHOSEN, ids=lambda pair: f"{pair[0]}-to-{pair[1]}")
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    if CANDIDATE in request.param:
        request.getfixturevalue("candidate")
    for version in request.param:
        if why_unavailable(version):
            pytest.skip(why_unavailable(version))
    with Pair(*request.param) as running:
        yield running


def states(dsn: dict[str, str]) -> dict[str, tuple[int, bool]]:
    names = [name for (name,) in sql(dsn, "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'S' ORDER BY 1")]
    return {name: sql(dsn, f"SELECT last_value, is_called FROM {name}")[0] for name in names}


def next_values(dsn: dict[str, str]) -> dict[str, int]:
    increments = dict(
        sql(dsn, "SELECT quote_ident(c.relname), seqincrement FROM pg_sequence JOIN pg_class c ON c.oid = seqrelid")
    )
    return {name: last + increments[name] * called for name, (last, called) in states(dsn).items()}


def written(server_dsn: dict[str, str]) -> Any:
    return sql(server_dsn, "SELECT pg_current_wal_insert_lsn()")


def test_a_cut_over_from_the_first_comparison_to_the_way_back(pair: Pair, tmp_path: Path) -> None:
    with writers(pair.old) as handed:
        # Days before: the comparison. The source moves, the target is behind, and nothing is changed.
        before = states(pair.new)
        done = run_playbook(CUTOVER, pair.variables(), "--check")
        assert done.returncode == 0, done.stdout
        assert (
            "the source is still written to" in done.stdout and "would move shop public.invoice_numbers" in done.stdout
        )
        assert "verdict: not yet, because" in done.stdout
        assert states(pair.new) == before
        # For real it does not go on while the source moves.
        done = run_playbook(CUTOVER, pair.variables())
        assert (
            done.returncode == 2 and "verdict: not yet, because" in done.stdout and "Nothing was changed" in done.stdout
        ), done.stdout
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
        deadline = time.monotonic() + 120
        while sum(map(len, later.values())) < 1000:
            assert time.monotonic() < deadline, {draw: len(drawn) for draw, drawn in later.items()}
            time.sleep(0.05)
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
        sql(
            pair.old,
            "INSERT INTO orders (note) SELECT 'x' FROM generate_series(1, 50); SELECT setval('invoice_numbers', 900)",
        )
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


@pytest.fixture(scope="module")
def quiet() -> Iterator[Pair]:
    """A pair whose source nobody writes to, with one database more on each side."""
    with Pair(18, 18) as running:
        sql(
            running.old,
            "INSERT INTO orders (note) SELECT 'x' FROM generate_series(1, 5); SELECT setval('invoice_numbers', 77)",
        )
        sql(running.source.dsn(), "CREATE DATABASE bare")
        running.wait()
        yield running


def kept(path: Path, content: Any) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def entries_of(dsn: dict[str, str], **more: Any) -> dict[str, Any]:
    return run_module(
        "pg_sequence_info",
        {"login_unix_socket": dsn["host"], "login_port": int(dsn["port"]), "login_db": dsn["dbname"], **more},
    )


def file_variables(pair: Pair, path: str, **more: Any) -> dict[str, Any]:
    given = pair.variables(reference_file=path, **more)
    return {name: value for name, value in given.items() if not name.startswith("pg_sequences_source_login")}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"source_login_unix_socket": "target", "source_login_port": "target"},
            'source and target are one: database "shop"',
        ),
        ({"source_login_unix_socket": "/no/such/folder"}, "the source could not be read"),
        ({"source_login_user": "nobody at all"}, "the source could not be read"),
        ({"source_login_unix_socket": None}, "Say where the sequences are carried over from"),
        ({"reference_file": "/tmp/x"}, "not both"),
        ({"database": None}, "no database is named"),
        ({"database": "no such"}, "does not exist"),
        ({"database": "postgres", "reference_databases": {"postgres": "bare"}}, "holds no sequence in bare"),
        ({"source_seconds": -1}, "it must be 0 or more"),
        ({"source_login_port": 99999}, "pg_sequences_source_login_port is 99999"),
        ({"sourcelogin_host": "x"}, "There is no variable pg_sequences_sourcelogin_host"),
        ({"max_jump": 10}, "more than max_jump"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_told_and_nothing_is_moved(quiet: Pair, more: dict[str, Any], said: str) -> None:
    before = states(quiet.new)
    found = {"source_login_unix_socket": str(quiet.target.socket_dir), "source_login_port": quiet.target.port}
    given = {name: found[name] if value == "target" else value for name, value in more.items()}
    done = run_playbook(CUTOVER, quiet.variables(**given))
    output = " ".join((done.stdout + done.stderr).replace('\\"', '"').split())
    assert done.returncode == 2 and said in output and "Traceback" not in output, output
    moved = {name for name, state in states(quiet.new).items() if state != before[name]}
    assert moved <= ({"orders_id_seq"} if "max_jump" in more else set())


def test_swapped_sides_are_noticed_while_the_subscription_is_enabled(quiet: Pair) -> None:
    done = run_playbook(CUTOVER, quiet.variables(swapped=True))
    assert done.returncode == 2 and "source and target look swapped" in done.stdout, done.stdout


def test_a_standby_is_no_target_but_may_be_the_source(quiet: Pair) -> None:
    with standby(quiet.target) as replica:
        where = {"login_unix_socket": str(replica.socket_dir), "login_port": replica.port}
        done = run_playbook(CUTOVER, quiet.variables(**where))
        assert done.returncode == 2 and "is a standby and takes no changes" in done.stdout, done.stdout
    with standby(quiet.source) as replica:
        where = {"source_login_unix_socket": str(replica.socket_dir), "source_login_port": replica.port}
        done = run_playbook(CUTOVER, quiet.variables(**where), "--check")
        assert done.returncode == 0 and "up to 32 values more" in done.stdout, done.stdout


@pytest.mark.parametrize("kind", ["hosts", "version", "part", "text", "strange", "no_file", "module", "empty"])
def test_files_that_are_no_reference_and_one_that_is(quiet: Pair, tmp_path: Path, kind: str) -> None:
    before = states(quiet.new)
    path = tmp_path / "report.json"
    report = {"schema_version": 2, "hosts": [], "sequences": [], "run": {"check_mode": False}, "changes": []}
    one = {"name": "a", "summary": {"total": 3}}
    content, said = {
        "hosts": ({**report, "hosts": [one, {**one, "name": "b"}]}, "is of 2 hosts (a, b)"),
        "version": ({**report, "schema_version": 1}, "is a report of version 1, and this collection reads version 2"),
        "part": (entries_of(quiet.old), "sequences, so the others could not be compared"),
        "text": ("{no: [json", "is neither JSON nor YAML"),
        "strange": ({"a": 1}, "is neither a report.json nor"),
        "no_file": (None, "No such file"),
        "empty": ([], "the reference is empty"),
        "module": (entries_of(quiet.old, show_all=True), "verdict: not yet, because"),
    }[kind]
    given = kept(path, content) if content is not None else str(path)
    done = run_playbook(CUTOVER, file_variables(quiet, given), *(["--check"] if kind == "module" else []))
    output = " ".join(done.stdout.replace('\\"', '"').split())
    assert (done.returncode == 0) == (kind == "module") and said in output, output
    assert states(quiet.new) == before


def test_databases_of_other_names_and_a_sequence_that_is_missing(quiet: Pair) -> None:
    sql(quiet.target.dsn(), "CREATE DATABASE shop_new")
    dsn = quiet.target.dsn("shop_new")
    sql(dsn, "CREATE SEQUENCE invoice_numbers; CREATE SEQUENCE only_new")
    done = run_playbook(CUTOVER, quiet.variables(database="shop_new"))
    assert done.returncode == 2 and "the source could not be read" in done.stdout, done.stdout
    given = quiet.variables(database="shop_new", reference_databases={"shop_new": "shop"})
    done = run_playbook(CUTOVER, given)
    assert done.returncode == 2, done.stdout
    assert "verdict: not yet, because 7 sequences of the source are missing on the target" in told(done.stdout), (
        done.stdout
    )
    assert 'CREATE SEQUENCE public."Tickets; odd" AS bigint INCREMENT BY 5' in done.stdout
    assert "only on the target: shop_new public.only_new" in done.stdout
    assert sql(dsn, "SELECT last_value FROM invoice_numbers") == [(77,)]


def test_it_may_go_on_while_the_source_moves_with_a_margin(quiet: Pair) -> None:
    with writers(quiet.old):
        done = run_playbook(CUTOVER, quiet.variables(source_may_move=True, margin=100000))
        assert "moved shop public.invoice_numbers" in done.stdout, done.stdout
    assert next_values(quiet.new)["invoice_numbers"] > 100000


def test_an_open_transaction_that_has_written_is_named(quiet: Pair) -> None:
    quiet.wait()
    connection = psycopg2.connect(**quiet.old, application_name="the shop")
    try:
        connection.cursor().execute("INSERT INTO orders (note) VALUES ('open')")
        done = run_playbook(CUTOVER, quiet.variables())
        assert done.returncode == 2 and "1 transaction on the source has written and is open (postgres" in done.stdout
        # How far replication is, and what ends the transaction, stand there before anything is moved.
        assert re.search(r"subscription from_old in shop: enabled, \d+ bytes behind, 4 tables", done.stdout), (
            done.stdout
        )
        ends = re.findall(r"to end what is open there: (SELECT pg_terminate_backend\(\d+\);)", done.stdout)
        assert sql(quiet.old, ends[0]) == [(True,)]
    finally:
        connection.close()


def test_a_table_that_is_not_ready_is_a_reason_for_not_yet(quiet: Pair) -> None:
    table = "CREATE TABLE late (id serial PRIMARY KEY); INSERT INTO late DEFAULT VALUES"
    sql(quiet.old, table)
    # Its copy meets a row of the target, and fails again and again.
    sql(quiet.new, table)
    sql(quiet.new, "ALTER SUBSCRIPTION from_old REFRESH PUBLICATION")
    done = run_playbook(CUTOVER, quiet.variables())
    said = " ".join(done.stdout.split())
    assert done.returncode == 2 and "5 tables, not ready: public.late" in said, said
    assert "verdict: not yet, because the subscription from_old has 1 table that is not ready" in said, said
    (look,) = set(re.findall(r"to see it in shop of the target: (SELECT .*?;)", said))
    assert sql(quiet.new, look)
    sql(quiet.new, "TRUNCATE late")
    quiet.wait()
    done = run_playbook(CUTOVER, quiet.variables())
    assert done.returncode == 0 and "verdict: may be switched" in done.stdout, done.stdout


def test_a_subscription_that_is_off_is_a_reason_for_not_yet(quiet: Pair) -> None:
    quiet.wait()
    sql(quiet.new, "ALTER SUBSCRIPTION from_old DISABLE")
    sql(quiet.old, "INSERT INTO orders (note) SELECT 'after' FROM generate_series(1, 500)")
    done = run_playbook(CUTOVER, quiet.variables())
    said = " ".join(done.stdout.split())
    assert done.returncode == 2 and "subscription from_old in shop: switched off" in said, said
    assert re.search(
        r"verdict: not yet, because the subscription from_old is switched off: \d+ bytes of the source have not arrived",
        said,
    ), said
    # The numbers of the rows that are missing are carried over already.
    assert next_values(quiet.new)["orders_id_seq"] >= next_values(quiet.old)["orders_id_seq"]
    assert "or, if all has arrived, DROP SUBSCRIPTION from_old;" in said
    (enable,) = set(re.findall(r"in shop of the target: (ALTER SUBSCRIPTION from_old ENABLE;)", said))
    sql(quiet.new, enable)
    quiet.wait()
    assert sql(quiet.new, "SELECT count(*) FROM orders WHERE note = 'after'") == [(500,)]
    done = run_playbook(CUTOVER, quiet.variables())
    assert done.returncode == 0 and "verdict: may be switched" in done.stdout, done.stdout


def test_auto_fix_leaves_alone_what_a_live_subscription_fills(quiet: Pair) -> None:
    sql(quiet.old, "INSERT INTO \"Odd name\" (note) SELECT 'x' FROM generate_series(1, 200000)")
    quiet.wait()
    own = {name: value for name, value in quiet.variables().items() if "source" not in name}
    before = states(quiet.new)
    done = run_playbook("pgops.sequences.auto_fix", own)
    assert done.returncode == 2 and "the subscription from_old fills it" in done.stdout, done.stdout
    assert "left alone (pg_sequences_move_subscribed=false)" in done.stdout and states(quiet.new) == before
    done = run_playbook("pgops.sequences.auto_fix", {**own, "pg_sequences_move_subscribed": True})
    assert done.returncode == 0 and states(quiet.new) != before, done.stdout


def plain_variables(source: Server, target: Server, **more: Any) -> dict[str, Any]:
    chosen = {
        "source_login_unix_socket": str(source.socket_dir),
        "source_login_port": source.port,
        "login_unix_socket": str(target.socket_dir),
        "login_port": target.port,
        "database": "shop",
        "source_seconds": 0.2,
        **more,
    }
    return {f"pg_sequences_{name}": value for name, value in chosen.items()}


def test_a_source_that_is_newer_and_two_sources_for_one_target() -> None:
    if why_unavailable(15):
        pytest.skip(why_unavailable(15))
    with Server(18) as one, Server(16) as other, Server(15) as target:
        for server, position in ((one, 500), (other, 800), (target, 1)):
            sql(server.dsn(), "CREATE DATABASE shop")
            sql(server.dsn("shop"), f"CREATE SEQUENCE numbers; SELECT setval('numbers', {position})")
        for source, position in ((other, 800), (one, 800)):
            done = run_playbook(CUTOVER, plain_variables(source, target))
            assert done.returncode == 0 and "may be switched" in done.stdout, done.stdout
            assert sql(target.dsn("shop"), "SELECT last_value FROM numbers") == [(position,)]
        assert "ahead: shop public.numbers: 801 here, 501 there" in done.stdout


def test_a_physical_copy_is_another_server(tmp_path: Path) -> None:
    with Server(18) as blue:
        sql(blue.dsn(), "CREATE DATABASE shop")
        sql(blue.dsn("shop"), "CREATE SEQUENCE numbers")
        with standby(blue) as green:
            sql(green.dsn(), "SELECT pg_promote()")
            sql(blue.dsn("shop"), "SELECT setval('numbers', 4000)")
            done = run_playbook(CUTOVER, plain_variables(blue, green))
            assert done.returncode == 0 and "may be switched" in done.stdout, done.stdout
            assert sql(green.dsn("shop"), "SELECT last_value FROM numbers") == [(4000,)]


def test_a_source_that_is_gone_in_the_middle_leaves_everything_as_it_was() -> None:
    with Server(18) as source, Server(18) as target:
        for server in (source, target):
            sql(server.dsn(), "CREATE DATABASE shop")
            sql(server.dsn("shop"), "CREATE SEQUENCE numbers")
        sql(source.dsn("shop"), "SELECT setval('numbers', 4000)")
        seen = "SELECT count(*) FROM pg_stat_database WHERE datname = 'shop' AND sessions > 1"

        def end() -> None:
            # After the first reading, while it waits for the second.
            deadline = time.monotonic() + 60
            while sql(source.dsn(), seen) != [(1,)] and time.monotonic() < deadline:
                time.sleep(0.1)
            time.sleep(2)
            source.stop("immediate")

        ending = threading.Thread(target=end)
        ending.start()
        try:
            done = run_playbook(CUTOVER, plain_variables(source, target, source_seconds=12))
        finally:
            ending.join()
        assert done.returncode == 2 and "the source could not be read" in done.stdout, done.stdout
        assert "Nothing was changed" in done.stdout and "Traceback" not in done.stdout + done.stderr
        assert sql(target.dsn("shop"), "SELECT last_value FROM numbers") == [(1,)]
