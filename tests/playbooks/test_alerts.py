# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts by mail and webhook: through real playbooks to a real mail server and a real web server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.receivers import MailServer, WebServer, mail_server, web_server
from support.run import run_playbook, sql, told
from support.toolchain import community_tree, link_tree

PASSWORD = "m4il-s3cr3t"


@pytest.fixture
def shop(database: dict[str, str]) -> dict[str, str]:
    sql(database, "CREATE TABLE orders (id serial PRIMARY KEY); CREATE TABLE parts (id serial PRIMARY KEY)")
    return database


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path, "alice", PASSWORD) as running:
        yield running


@pytest.fixture
def hook() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


Run = Callable[..., Any]


@pytest.fixture
def run(shop: dict[str, str], mails: MailServer, hook: WebServer, tmp_path: Path) -> Run:
    """Run a playbook with both kinds of alerts; returns what came of it."""
    variables = {
        "login_unix_socket": shop["host"],
        "login_port": int(shop["port"]),
        "database": shop["dbname"],
        "mail_to": "ops@example.com, dba@example.com",
        "mail_from": "sequences@example.com",
        "mail_host": "127.0.0.1",
        "mail_port": mails.port,
        "mail_username": "alice",
        "mail_password": PASSWORD,
        "mail_secure": "starttls",
        "webhook_url": hook.url,
        "alert_state": str(tmp_path / "state" / "alerts.json"),
    }

    def go(playbook: str, *arguments: str, collections: bool = True, **more: Any) -> Any:
        chosen = {f"pg_sequences_{name}": value for name, value in {**variables, **more}.items() if value is not None}
        path = f"{link_tree()}:{community_tree()}" if collections else str(link_tree())
        env = {"ANSIBLE_COLLECTIONS_PATH": path}
        done = run_playbook(f"pgops.sequences.{playbook}", chosen, "-vvv", *arguments, env=env)
        for secret in (PASSWORD, hook.url):
            assert secret not in done.stdout + done.stderr
        return done

    return go


def test_told_once_then_repaired_then_quiet(shop: dict[str, str], run: Run, mails: MailServer, hook: WebServer) -> None:
    def counts() -> tuple[int, int]:
        return len(mails.mails), len(hook.bodies)

    assert run("check").returncode == 0 and counts() == (0, 0)
    sql(shop, "INSERT INTO orders VALUES (40)")
    assert run("check", "--check").returncode == 2 and counts() == (0, 0)
    assert run("check").returncode == 2 and counts() == (1, 1)
    assert run("check").returncode == 2 and counts() == (1, 1)
    assert run("check", alert_reminder=0.00001).returncode == 2 and counts() == (2, 2)
    assert run("auto_fix").returncode == 0 and counts() == (3, 3)
    assert run("auto_fix").returncode == 0 and counts() == (3, 3)

    assert mails.encrypted == [True] * 3
    first, reminder, repaired = mails.mails
    assert first["to"] == "ops@example.com, dba@example.com" and first["from"] == "sequences@example.com"
    assert [mail["subject"] for mail in mails.mails] == [
        "PostgreSQL sequences: 1 new, 1 burning",
        "PostgreSQL sequences: still 1 burning",
        "PostgreSQL sequences: 1 repaired or over, 0 burning",
    ]
    text = first.get_body().get_content()
    sentence = f"critical localhost {shop['dbname']} public.orders_id_seq: next value 1 is not beyond 40 (orders.id)"
    assert sentence in text and "SELECT pg_catalog.setval(" in text
    (page,) = first.iter_attachments()
    assert page.get_filename() == "pg_sequences_alert.html"
    assert b"<td>next value 1 is not beyond 40" in page.get_payload(decode=True)
    assert f"localhost {shop['dbname']} public.orders_id_seq: 1 -> 41" in repaired.get_body().get_content()
    assert hook.bodies[0]["new"][0]["what"] == "critical" and hook.bodies[2]["counts"]["problems"] == 0


def test_a_mail_server_that_is_down_hides_nothing(
    shop: dict[str, str], run: Run, mails: MailServer, hook: WebServer
) -> None:
    sql(shop, "INSERT INTO orders VALUES (40)")
    for wrong in ({"mail_port": 1}, {"mail_password": "wrong"}):
        done = run("check", **wrong)
        said = told(done.stdout)
        assert done.returncode == 2 and "next value 1 is not beyond 40" in said
        assert "No mail was sent, so the next run tells it again" in said and "1 critical" in said
    # The other way is told once all the same.
    assert (len(mails.mails), len(hook.bodies)) == (0, 1)
    assert run("check").returncode == 2
    assert (len(mails.mails), len(hook.bodies)) == (1, 1)


def test_a_webhook_that_does_not_answer_hides_nothing(
    shop: dict[str, str], run: Run, mails: MailServer, hook: WebServer
) -> None:
    sql(shop, "INSERT INTO orders VALUES (40)")
    hook.code = 500
    done = run("check", fail_on="never")
    assert done.returncode == 2 and "The webhook was not reached, so the next run tells it again" in told(done.stdout)
    assert (len(mails.mails), len(hook.bodies)) == (1, 0)
    hook.code = 200
    assert run("check", fail_on="never", webhook_format="slack").returncode == 0
    assert (len(mails.mails), len(hook.bodies)) == (1, 1)
    assert set(hook.bodies[0]) == {"text"} and "public.orders_id_seq" in hook.bodies[0]["text"]


def test_a_webhook_whose_url_is_none_is_told_of_without_it(shop: dict[str, str], run: Run, mails: MailServer) -> None:
    sql(shop, "INSERT INTO orders VALUES (40)")
    for wrong in ("http://127.0.0.1:1/T0P/s3cr3t x", "http://user:T0P@127.0.0.1/s3cr3t"):
        done = run("check", webhook_url=wrong, mail_to=None)
        assert done.returncode == 2 and "must begin with http://" in told(done.stdout)
        assert "s3cr3t" not in done.stdout + done.stderr and "T0P" not in done.stdout + done.stderr
    # Empty is the same as not set.
    assert run("check", webhook_url="", mail_to="", fail_on="never").returncode == 0


def test_without_community_general_it_says_what_to_install(shop: dict[str, str], run: Run, hook: WebServer) -> None:
    sql(shop, "INSERT INTO orders VALUES (40)")
    done = run("check", collections=False)
    said = told(done.stdout)
    assert done.returncode == 2 and "ansible-galaxy collection install community.general" in said
    assert "next value 1 is not beyond 40" in said and len(hook.bodies) == 1


def test_what_was_told_can_be_lost_but_nothing_else(
    shop: dict[str, str], run: Run, hook: WebServer, tmp_path: Path
) -> None:
    sql(shop, "INSERT INTO orders VALUES (40)")
    state = tmp_path / "state" / "alerts.json"
    assert run("check", mail_to=None).returncode == 2
    assert json.loads(state.read_text())["schema_version"] == 1
    state.write_text("{")
    assert run("check", mail_to=None).returncode == 2
    assert len(hook.bodies) == 2
