# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts by mail and webhook: through real playbooks to a real mail server and a real web server."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.receivers import MailServer, WebServer, mail_server, web_server
from support.run import run_playbook, sql, told

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
        "mail_host": "localhost",
        "mail_ca_cert": str(tmp_path / "mail.pem"),
        "mail_port": mails.port,
        "mail_username": "alice",
        "mail_password": PASSWORD,
        "mail_secure": "starttls",
        "webhook_url": hook.url,
        "alert_state": str(tmp_path / "state" / "alerts.json"),
    }

    def go(playbook: str, *arguments: str, **more: Any) -> Any:
        chosen = {f"pg_sequences_{name}": value for name, value in {**variables, **more}.items() if value is not None}
        done = run_playbook(f"pgops.sequences.{playbook}", chosen, "-vvv", *arguments)
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
    place = f"localhost {shop['dbname']} public.orders_id_seq"
    assert [mail["subject"] for mail in mails.mails] == [
        f"PostgreSQL sequences: critical: {place}",
        f"PostgreSQL sequences: still critical: {place}",
        f"PostgreSQL sequences: repaired {place}: next value 1 -> 41; nothing left",
    ]
    assert first.get_content_type() == "multipart/alternative" and not list(first.iter_attachments())
    text = first.get_body(("plain",)).get_content()
    message = "behind: the next value is 1, but orders.id already goes up to 40"
    # A mail may be read tomorrow, and a statement be wrong by then.
    assert f"critical {place}: {message}" in text and "setval(" not in text
    assert f"next, to repair, on {socket.gethostname()}:" in text
    assert "/inventory.json pgops.sequences.fix --limit localhost" in text
    assert f"<b>critical</b> {place}<br>{message}" in first.get_body(("html",)).get_content()
    assert f"repaired {place}: next value 1 -> 41" in repaired.get_body(("plain",)).get_content()
    assert hook.bodies[0]["new"][0]["what"] == "critical" and hook.bodies[2]["counts"]["problems"] == 0


def test_a_mail_server_that_is_down_hides_nothing(
    shop: dict[str, str], run: Run, mails: MailServer, hook: WebServer
) -> None:
    sql(shop, "INSERT INTO orders VALUES (40)")
    for wrong in ({"mail_port": 1}, {"mail_password": "wrong"}):
        done = run("check", **wrong)
        said = told(done.stdout)
        assert done.returncode == 2 and "behind: the next value is 1, but orders.id already goes up to 40" in said
        assert (
            "No mail was sent by " in said
            and "The next run tries again" in said
            and "Errno" not in said
            and "1 critical" in said
        )
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
    said = told(done.stdout)
    assert done.returncode == 2 and "The webhook did not take the message: " in said, said
    assert "The next run tries again" in said, said
    assert (len(mails.mails), len(hook.bodies)) == (1, 0)
    hook.code = 200
    assert run("check", fail_on="never", webhook_format="slack").returncode == 0
    assert (len(mails.mails), len(hook.bodies)) == (1, 1)
    assert set(hook.bodies[0]) == {"text"} and "public.orders_id_seq" in hook.bodies[0]["text"]


def test_a_webhook_whose_url_is_none_is_told_of_without_it(shop: dict[str, str], run: Run, mails: MailServer) -> None:
    sql(shop, "INSERT INTO orders VALUES (40)")
    for wrong in ("http://127.0.0.1:1/T0P/s3cr3t x", "gopher://user:T0P@127.0.0.1/s3cr3t"):
        done = run("check", webhook_url=wrong, mail_to=None)
        assert done.returncode == 2 and "must begin with http://" in told(done.stdout)
        assert "s3cr3t" not in done.stdout + done.stderr and "T0P" not in done.stdout + done.stderr
    # Empty is the same as not set.
    assert run("check", webhook_url="", mail_to="", fail_on="never").returncode == 0


def test_a_webhook_takes_a_login_in_its_url(shop: dict[str, str], run: Run, hook: WebServer) -> None:
    sql(shop, "INSERT INTO orders VALUES (40)")
    login = hook.url.replace("http://", "http://alice:p%40ss@")
    assert run("check", webhook_url=f"{login}/@team", mail_to=None).returncode == 2
    assert len(hook.bodies) == 1 and hook.logins == [f"Basic {base64.b64encode(b'alice:p@ss').decode()}"]
    assert hook.paths == ["/s3cr3t-hook/@team"]


def test_a_password_goes_only_where_the_certificate_is_trusted(
    shop: dict[str, str], run: Run, mails: MailServer, tmp_path: Path
) -> None:
    sql(shop, "INSERT INTO orders VALUES (40)")
    for secure in ("starttls", "try", "always"):
        done = run("check", mail_ca_cert=None, mail_secure=secure, webhook_url=None)
        assert done.returncode == 2 and "No mail was sent" in told(done.stdout)
        assert mails.logins == 0 and mails.mails == []
    # One that offers no TLS does not get it either, unless that is said.
    with mail_server(tmp_path, "alice", PASSWORD, encrypted=False) as plain:
        done = run("check", mail_port=plain.port, mail_secure="try", webhook_url=None)
        assert "a password goes only over that" in told(done.stdout) and plain.logins == 0
        run("check", mail_port=plain.port, mail_secure="never", webhook_url=None)
        assert len(plain.mails) == 1


def test_one_address_that_is_refused_is_named_and_the_others_are_told_once(
    shop: dict[str, str], run: Run, mails: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take(_self: MailServer, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address.startswith("gone"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    monkeypatch.setattr(MailServer, "handle_RCPT", take, raising=False)
    sql(shop, "INSERT INTO orders VALUES (40)")
    done = run("check", mail_to="ops@example.com,gone@example.com", webhook_url=None)
    assert done.returncode == 2 and "The mail server refused gone@example.com; all others have it." in told(done.stdout)
    assert "No mail was sent" not in told(done.stdout) and len(mails.mails) == 1
    done = run("check", mail_to="ops@example.com,gone@example.com", webhook_url=None)
    assert len(mails.mails) == 1 and "refused" not in told(done.stdout)


def test_what_was_told_and_cannot_be_remembered_is_said(
    shop: dict[str, str], run: Run, mails: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "memory"
    take = MailServer.handle_DATA

    async def spoil(self: MailServer, server: Any, session: Any, envelope: Any) -> str:
        folder.rename(tmp_path / "moved")
        folder.touch()
        return await take(self, server, session, envelope)

    monkeypatch.setattr(MailServer, "handle_DATA", spoil)
    sql(shop, "INSERT INTO orders VALUES (40)")
    done = run("check", alert_state=str(folder / "alerts.json"), webhook_url=None)
    assert done.returncode == 2 and len(mails.mails) == 1
    assert "It was sent by mail, but that could not be remembered" in told(done.stdout), done.stdout


def test_critical_that_becomes_unknown_is_told_and_not_over(shop: dict[str, str], run: Run, hook: WebServer) -> None:
    role = f"auditor_{shop['dbname']}"
    sql(
        shop,
        f"INSERT INTO orders VALUES (40); CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    )
    sql(shop, f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
    try:
        quiet = {"mail_to": None, "login_user": role, "fail_on": "critical"}
        assert run("check", **quiet).returncode == 2
        sql(shop, f"REVOKE SELECT ON orders FROM {role}")
        assert run("check", **quiet).returncode == 0
        assert run("check", **quiet).returncode == 0
        assert run("check", **quiet, alert_reminder=0.00001).returncode == 0
        # Another destination's memory.
        assert [body["new"][0]["what"] if body["new"] else "" for body in hook.bodies] == ["critical", "unknown", ""]
        assert hook.bodies[2]["problems"][0]["what"] == "unknown" and not any(body["over"] for body in hook.bodies)
        sql(shop, "SELECT setval('orders_id_seq', 40)")
        sql(shop, f"GRANT SELECT ON orders TO {role}")
        assert run("check", **quiet).returncode == 0
        (over,) = hook.bodies[3]["over"]
        assert over.endswith("public.orders_id_seq: no longer unknown")
    finally:
        sql(shop, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_over_is_only_what_was_looked_at_again(shop: dict[str, str], run: Run, hook: WebServer) -> None:
    sql(shop, "SELECT setval('orders_id_seq', 500); INSERT INTO orders VALUES (1)")
    hooked = {"mail_to": None, "fail_on": "warning"}
    assert run("check", gap_threshold=10, **hooked).returncode == 2
    # Looser, and somewhere else.
    assert run("check", gap_threshold=100000, **hooked).returncode == 0
    assert run("check", gap_threshold=10, table="parts", **hooked).returncode == 0
    assert len(hook.bodies) == 1
    sql(shop, "SELECT setval('orders_id_seq', 1)")
    assert run("check", gap_threshold=10, **hooked).returncode == 0
    assert len(hook.bodies) == 2 and len(hook.bodies[1]["over"]) == 1


def test_another_fail_on_is_no_all_clear(shop: dict[str, str], run: Run, hook: WebServer, tmp_path: Path) -> None:
    sql(shop, "SELECT setval('orders_id_seq', 500); INSERT INTO orders VALUES (1)")
    hooked = {"mail_to": None, "gap_threshold": 10}
    assert run("check", fail_on="warning", **hooked).returncode == 2
    (told,) = json.loads((tmp_path / "state" / "alerts.json").read_text())["channels"].values()
    assert [kept["facts"]["fail_on"] for kept in told.values()] == ["warning"]
    for fail_on in ("critical", "unknown", "never"):
        assert run("check", fail_on=fail_on, **hooked).returncode == 0
    assert len(hook.bodies) == 1
    # It is a problem until it is healthy, by whatever it is asked for.
    assert run("check", fail_on="never", alert_reminder=0.00001, **hooked).returncode == 0
    assert [each["what"] for each in hook.bodies[1]["problems"]] == ["warning"]
    sql(shop, "SELECT setval('orders_id_seq', 1)")
    assert run("check", fail_on="critical", **hooked).returncode == 0
    assert len(hook.bodies) == 3 and len(hook.bodies[2]["over"]) == 1


def test_two_runs_at_once_tell_once_and_lose_nothing(shop: dict[str, str], run: Run, hook: WebServer) -> None:
    sql(shop, "INSERT INTO orders VALUES (40); INSERT INTO parts VALUES (40)")
    hook.seconds = 1.0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = [pool.submit(run, "check", mail_to=None, table=table) for table in ("orders", "parts")]
        assert [each.result().returncode for each in both] == [2, 2]
    assert len(hook.bodies) == 2
    assert run("check", mail_to=None).returncode == 2
    assert len(hook.bodies) == 2


def test_what_was_told_can_be_lost_but_nothing_else(
    shop: dict[str, str], run: Run, hook: WebServer, tmp_path: Path
) -> None:
    sql(shop, "INSERT INTO orders VALUES (40)")
    state = tmp_path / "state" / "alerts.json"
    assert run("check", mail_to=None).returncode == 2
    assert json.loads(state.read_text())["schema_version"] == 2
    state.write_text("{")
    assert run("check", mail_to=None).returncode == 2
    assert len(hook.bodies) == 2
