# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk of the controller that is full: what is found is still told, and nothing is changed that could not be logged."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.receivers import WebServer, web_server
from support.run import run_playbook, sql, told


@pytest.fixture
def shop(database: dict[str, str]) -> dict[str, str]:
    sql(database, "CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40)")
    sql(database, "CREATE TABLE parts (id serial PRIMARY KEY)")
    return database


@pytest.fixture
def hook() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


@pytest.fixture
def run(shop: dict[str, str], hook: WebServer, tmp_path: Path) -> Callable[..., Any]:
    login = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "database": shop["dbname"]}

    def go(playbook: str, place: Path, *arguments: str, **more: Any) -> Any:
        places = {"log_file": f"{place}/changes.log", "alert_state": f"{place}/alerts.json", "report_dir": f"{place}/r"}
        variables = {**login, **places, "webhook_url": hook.url, **more}
        chosen = {f"pg_sequences_{name}": value for name, value in variables.items()}
        done = run_playbook(f"pgops.sequences.{playbook}", chosen, *arguments, env={"HOME": str(tmp_path)})
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return go


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk without room, with a log that was begun."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("only who may mount has a disk to fill")
    try:
        (place / "changes.log").write_text("{}\n")
        with pytest.raises(OSError), (place / "filling").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full_keeps_nobody_from_looking_and_telling(
    run: Callable[..., Any], full: Path, hook: WebServer, shop: dict[str, str]
) -> None:
    done = run("check", full)
    assert done.returncode == 2 and "public.orders_id_seq: behind: the next value is 1" in done.stdout, done.stdout
    assert [each["what"] for each in hook.bodies[0]["new"]] == ["critical"]
    said = told(done.stdout)
    assert "pg_sequences_report_dir: cannot write" in said and "No space left on device" in said
    assert "Make room there, or name another." in said and ".." not in said.replace("...", "")
    for number, playbook in enumerate(("auto_fix", "fix"), 1):
        done = run(playbook, full, report_dir="")
        assert done.returncode == 2, done.stdout
        said = told(done.stdout)
        assert "not repaired, since that could not be logged: pg_sequences_log_file: cannot write" in said
        assert [each["what"] for each in hook.bodies[number]["new"]] == ["not repaired"]
        assert sql(shop, "SELECT last_value, is_called FROM orders_id_seq") == [(1, False)]
    # In check mode nothing is changed, so that nothing is refused.
    assert "would be repaired: 1" in run("fix", full, "--check", report_dir="").stdout
    done = run("reset", full, table="orders", confirm=True, report_dir="")
    assert done.returncode == 2 and "nothing was changed, since no change could be logged" in told(done.stdout)
    assert sql(shop, "SELECT last_value, is_called FROM orders_id_seq") == [(1, False)]
    (full / "filling").unlink()
    assert run("auto_fix", full).returncode == 0
    (_begun, *entries) = map(json.loads, (full / "changes.log").read_text().splitlines())
    # What was foretold is logged as that.
    assert [(entry["check_mode"], entry["after"]["next_value"]) for entry in entries] == [(True, 41), (False, 41)]


def test_what_waits_for_a_full_log_is_logged_once_and_refuses_repairs_until_then(
    run: Callable[..., Any], tmp_path: Path, shop: dict[str, str], hook: WebServer
) -> None:
    (tmp_path / "changes.log").symlink_to("/dev/full")
    assert run("auto_fix", tmp_path).returncode == 2 and sql(shop, "SELECT last_value FROM orders_id_seq") == [(40,)]
    sql(shop, "INSERT INTO parts VALUES (7)")
    done = run("auto_fix", tmp_path)
    assert done.returncode == 2 and "parts_id_seq" in done.stdout, done.stdout
    assert "not repaired, since that could not be logged" in told(done.stdout)
    assert sql(shop, "SELECT last_value FROM parts_id_seq") == [(1,)] and len(hook.bodies) == 2
    (tmp_path / "changes.log").unlink()
    assert run("auto_fix", tmp_path).returncode == 0
    lines = (tmp_path / "changes.log").read_text().splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == ["public.orders_id_seq", "public.parts_id_seq"]


@pytest.mark.parametrize("what", ["pipe", "link", "folder"])
def test_what_lies_where_entries_wait_stops_no_repair(
    run: Callable[..., Any], tmp_path: Path, shop: dict[str, str], what: str
) -> None:
    waiting = tmp_path / ".changes.log.waiting"
    if what == "pipe":
        os.mkfifo(waiting)
    elif what == "link":
        (tmp_path / "elsewhere").write_text("{}\n")
        waiting.symlink_to(tmp_path / "elsewhere")
    else:
        waiting.mkdir()
    assert run("fix", tmp_path).returncode == 0
    assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(40,)]
    assert (tmp_path / "changes.log").read_text().count("\n") == 1
