# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""Mail and webhook: a text goes out, in time, or a sentence says why not; no password and no URL is in it.

Mail goes by Python's own smtplib and email: community.general.mail can send neither text and HTML as one message nor over TLS
whose certificate it has verified.
"""

from __future__ import annotations

import email.message
import email.policy
import email.utils
import json
import smtplib
import ssl
import threading
import typing as t
import urllib.error
import urllib.parse

from ansible.module_utils.urls import open_url

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = t.TypeVar("_T")

SECONDS = 30.0
"""How long a mail server or a webhook may take, whatever it says meanwhile."""

_ACCEPTED = (200, 201, 202, 204)


class SendError(Exception):
    """It did not go out; the text says why."""


def within(seconds: float, work: Callable[[], _T]) -> _T:
    """Do something that has a time limit as a whole: one that drips a byte now and then keeps no socket's own.

    :raises SendError: it was not over
    """
    done: list[t.Any] = []

    def run() -> None:
        try:
            done.append((work(), None))
        except Exception as error:
            done.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise SendError(f"it was not over after {seconds:g} seconds")
    value, error = done[0]
    if error is not None:
        raise error
    return t.cast("_T", value)


def mail(settings: Mapping[str, t.Any], subject: str, text: str, page: str) -> list[str]:
    """Send a mail as text with the same as HTML.

    :arg settings: ``mail_*`` of a host
    :returns: addresses that the server refused
    :raises SendError: it did not go out
    """
    message = email.message.EmailMessage(email.policy.SMTP)
    try:
        message["Subject"] = subject
        message["From"] = settings["mail_from"]
        message["To"] = ", ".join(settings["mail_to"])
        message["Date"] = email.utils.localtime()
        message["Message-ID"] = email.utils.make_msgid()
        message.set_content(text)
        message.add_alternative(page, subtype="html")
        return within(SECONDS * 2, lambda: _deliver(settings, message))
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise SendError(_why(error, settings.get("mail_password"))) from None


def _deliver(settings: Mapping[str, t.Any], message: email.message.EmailMessage) -> list[str]:
    context = ssl.create_default_context(cafile=settings.get("mail_ca_cert") or None)
    host, port, secure = settings["mail_host"], settings["mail_port"], settings["mail_secure"]
    password = settings.get("mail_password")
    # 465 is for TLS from the start (RFC 8314).
    if secure == "always" or (secure == "try" and port == 465):
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
        safe = True
    else:
        server = smtplib.SMTP(host, port, timeout=SECONDS)
        safe = False
    with server:
        server.ehlo()
        if secure == "starttls" or (secure == "try" and not safe and server.has_extn("starttls")):
            if secure == "try" and not password:
                # Without a secret, what anybody may read is better than nothing.
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            server.starttls(context=context)
            server.ehlo()
            safe = True
        if settings.get("mail_username") and password:
            if not safe and secure != "never":
                raise SendError(
                    "the server offers no TLS, and a password goes only over that: set pg_sequences_mail_secure=never to send it"
                    " all the same"
                )
            server.login(settings["mail_username"], password)
        return sorted(server.send_message(message))


def webhook(settings: Mapping[str, t.Any], body: Mapping[str, t.Any]) -> None:
    """Post to a webhook.

    :arg settings: ``webhook_*`` of a host
    :raises SendError: it was not accepted
    """
    parts = urllib.parse.urlsplit(settings["webhook_url"])
    login, _at, place = parts.netloc.rpartition("@")
    user, _colon, password = login.partition(":")
    url = urllib.parse.urlunsplit(parts._replace(netloc=place))

    def post() -> int:
        # Who knows where it leads may not be who may post.
        with open_url(
            url,
            method="POST",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            url_username=urllib.parse.unquote(user) or None,
            url_password=urllib.parse.unquote(password) or None,
            force_basic_auth=bool(login),
            follow_redirects="none",
            ca_path=settings.get("webhook_ca_cert"),
            timeout=SECONDS,
        ) as answer:
            return int(answer.status)

    try:
        status = within(SECONDS, post)
    except urllib.error.HTTPError as error:
        status = error.code
    except ssl.SSLError as error:
        raise SendError(f"its certificate was not accepted: {error.reason or 'TLS failed'}") from None
    except urllib.error.URLError as error:
        cause = error.reason
        said = cause.strerror if isinstance(cause, OSError) and cause.strerror else "it did not answer"
        raise SendError(f"it could not be reached: {said}") from None
    except SendError:
        raise
    except Exception as error:
        # A message of the library's may hold the URL.
        raise SendError(f"it did not answer as a web server does ({type(error).__name__})") from None
    if status not in _ACCEPTED:
        raise SendError(f"it answered with status {status}")


def _why(error: Exception, password: str | None) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        text = f"{error.smtp_code} {said.decode(errors='replace') if isinstance(said, bytes) else said}"
    if isinstance(error, ssl.SSLCertVerificationError):
        text = (
            f"the server's certificate was not accepted ({error.verify_message}); name the authority's by"
            " pg_sequences_mail_ca_cert"
        )
    text = text or type(error).__name__
    return text.replace(password, "********") if password else text
