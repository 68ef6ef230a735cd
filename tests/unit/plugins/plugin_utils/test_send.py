# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail and webhook on loopback servers that misbehave: they end in time, and no URL and no password is in what is said."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from ansible_collections.pgops.sequences.plugins.plugin_utils._news import send as _send

SECRET = "s3cr3t"
MAIL = {"mail_to": ["a@example.com"], "mail_from": "pg_sequences", "mail_host": "127.0.0.1", "mail_secure": "never"}


@contextlib.contextmanager
def dripping(said: bytes) -> Iterator[int]:
    """The port of a server that says something, and then a letter now and then, for ever."""
    over = threading.Event()

    def drip() -> None:
        with contextlib.suppress(OSError):
            connection, _address = listening.accept()
            with connection:
                connection.sendall(said)
                while not over.wait(0.1):
                    connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip)
        thread.start()
        yield listening.getsockname()[1]
        over.set()
    thread.join()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"])
def test_a_webhook_that_drips_ends_in_time(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_send, "SECONDS", 1.0)
    begin = time.monotonic()
    with dripping(said) as port, contextlib.suppress(_send.SendError):
        _send.webhook({"webhook_url": f"http://127.0.0.1:{port}/{SECRET}"}, {})
    assert time.monotonic() - begin < 3


def test_a_mail_server_that_drips_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_send, "SECONDS", 1.0)
    begin = time.monotonic()
    with dripping(b"220 ") as port, pytest.raises(_send.SendError):
        _send.mail({**MAIL, "mail_port": port}, "subject", "text", "<p>page</p>")
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "it answered with status 500"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            "it answered with status 302",
        ),
        (b"what?\r\n\r\n", "it did not answer as a web server does"),
    ],
    ids=["error", "elsewhere", "nonsense"],
)
def test_what_a_webhook_answers_is_said_without_its_url(answer: bytes, told: str) -> None:
    def reply() -> None:
        connection, _address = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=reply)
        thread.start()
        url = f"http://alice:{SECRET}@127.0.0.1:{listening.getsockname()[1]}/{SECRET}"
        with pytest.raises(_send.SendError) as caught:
            _send.webhook({"webhook_url": url}, {})
        thread.join()
    assert told in str(caught.value) and SECRET not in str(caught.value)


def test_one_that_is_not_there_is_said_without_its_url() -> None:
    for url in (f"http://127.0.0.1:1/{SECRET}", f"https://no-such-host.invalid/{SECRET}"):
        with pytest.raises(_send.SendError) as caught:
            _send.webhook({"webhook_url": url}, {})
        assert "could not be reached" in str(caught.value) and SECRET not in str(caught.value)
