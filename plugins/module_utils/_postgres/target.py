# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A module's connection options in, libpq's keywords out."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping

SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
"""libpq's connection keywords whose values must never be shown (manual, 32.1.2)."""

# libpq waits without end unless told otherwise; an audit of a fleet must get past a dead host.
_CONNECT_TIMEOUT_SECONDS = 10


class Target(t.NamedTuple):
    """Where to connect to and as whom.

    :ivar parameters: libpq's connection keywords, without ``dbname``
    :ivar session_role: the role to take on after connecting, or None
    """

    parameters: Mapping[str, t.Any]
    session_role: str | None

    @property
    def address(self) -> str:
        """Host and port in words, for messages."""
        host = self.parameters.get("host") or "the default socket"
        return f"{host}, port {self.parameters.get('port', 5432)}"

    @property
    def user(self) -> str:
        """The role that logs in."""
        return str(self.parameters.get("user", ""))


def target_of(params: Mapping[str, t.Any]) -> Target:
    """Translate the module's connection options to libpq's keywords, as community.postgresql does.

    :arg params: parameters named as in :func:`_arguments.connection_arguments`
    :returns: where to connect to; ``connect_params`` take precedence over every other option
    """
    keywords = {
        "login_host": "host",
        "login_port": "port",
        "login_user": "user",
        "login_password": "password",
        "ssl_mode": "sslmode",
        "ca_cert": "sslrootcert",
        "ssl_cert": "sslcert",
        "ssl_key": "sslkey",
    }
    found = {keyword: params[name] for name, keyword in keywords.items() if params.get(name) not in (None, "")}
    if params.get("login_unix_socket") and found.get("host") in (None, "localhost"):
        found["host"] = params["login_unix_socket"]
    found.setdefault("connect_timeout", _CONNECT_TIMEOUT_SECONDS)
    found.setdefault("application_name", "pgops.sequences")
    found.update({key: value for key, value in (params.get("connect_params") or {}).items() if value is not None})
    found.pop("dbname", None)
    return Target(found, params.get("session_role") or None)
