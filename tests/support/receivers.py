# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail server and a web server on loopback that keep what they get."""

from __future__ import annotations

import contextlib
import email
import email.policy
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class MailServer:
    """What a mail server got.

    Attributes:
        port: on 127.0.0.1.
        mails: in the order they came.
        encrypted: whether the connection was, for each mail.
        logins: how often somebody gave a password.
    """

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.encrypted: list[bool] = []
        self.logins = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep a mail (called by aiosmtpd)."""
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"


@contextlib.contextmanager
def mail_server(folder: Path, user: str, password: str, encrypted: bool = True) -> Iterator[MailServer]:
    """A mail server that takes mail only after a login, and over STARTTLS unless it has none.

    Args:
        folder: for its certificate, which it signs itself.
        user: who may log in.
        password: by what.
        encrypted: whether it has STARTTLS.
    """
    key, certificate = folder / "mail.key", folder / "mail.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    received = MailServer()
    with socket.create_server(("127.0.0.1", 0)) as free:
        received.port = free.getsockname()[1]

    def log_in(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        received.logins += 1
        expected = LoginPassword(user.encode(), password.encode())
        return AuthResult(success=given == expected)

    controller = Controller(
        received,
        hostname="127.0.0.1",
        port=received.port,
        tls_context=context if encrypted else None,
        require_starttls=encrypted,
        auth_require_tls=encrypted,
        auth_required=True,
        authenticator=log_in,
    )
    controller.start()
    try:
        yield received
    finally:
        controller.stop()


class WebServer:
    """What a web server got.

    Attributes:
        url: where to post.
        bodies: what was posted, in the order it came.
        code: what is answered.
        logins: the Authorization headers that came.
        paths: where it was posted.
        seconds: how long an answer takes.
    """

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[Any] = []
        self.code = 200
        self.logins: list[str] = []
        self.paths: list[str] = []
        self.seconds = 0.0


@contextlib.contextmanager
def web_server() -> Iterator[WebServer]:
    """A web server that keeps the JSON that is posted to it."""
    received = WebServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.logins += filter(None, [self.headers["Authorization"]])
            received.paths.append(self.path)
            time.sleep(received.seconds)
            if received.code == 200:
                received.bodies.append(body)
            self.send_response(received.code)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        received.url = f"http://127.0.0.1:{server.server_port}/s3cr3t-hook"
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
