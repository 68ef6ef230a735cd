# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What can go wrong with a server, and what to try."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import readable

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target

_HINTS = (
    (r"could not translate host name|Name or service not known", "Check login_host"),
    (
        r"Connection refused|No such file or directory",
        "Check that the server runs and that login_host, login_port and login_unix_socket are right",
    ),
    (
        r"Peer authentication failed",
        "Peer authentication needs the task to run as the operating-system user of the same name:"
        " become: true, become_user: {user}",
    ),
    (r"no password supplied|fe_sendauth", "Set login_password"),
    (r"password authentication failed", "Check login_user and login_password"),
    (r"no pg_hba.conf entry", "The server's pg_hba.conf must admit this host, user and database"),
    (r"permission denied for database", "Run: GRANT CONNECT ON DATABASE {database} TO {role};"),
    (r'database ".*" does not exist', "Check the name; it is case-sensitive"),
    (r'role ".*" does not exist', "Check login_user; it is case-sensitive"),
    (r"timeout expired|timed out", "Check login_host, login_port and the firewall between"),
    (r"too many clients|remaining connection slots", "Try again later, or with fewer jobs"),
    (r"does not support SSL|SSL", "Check ssl_mode, ca_cert, ssl_cert and ssl_key"),
)


class ConnectError(Exception):
    """A session could not be had. The text says where, as whom, why, and what to try."""


class DatabaseError(Exception):
    """A statement failed.

    :ivar sqlstate: PostgreSQL's error code (manual, appendix A), or None where the connection itself broke
    :ivar connection_lost: whether the session can no longer be used
    """

    def __init__(self, message: str, sqlstate: str | None, connection_lost: bool) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.connection_lost = connection_lost


def connect_error(target: Target, database: str, cause: str) -> ConnectError:
    """Say why a session could not be had, and what to try.

    :arg target: where to and as whom
    :arg database: which database
    :arg cause: what the driver or the server said
    """
    cause = _one_line(cause)
    role = readable(target.session_role or target.user)
    hint = next((words for expression, words in _HINTS if re.search(expression, cause)), "")
    hint = hint.format(user=target.user, role=role, database=readable(database))
    return ConnectError(
        f'cannot use database "{database}" as "{target.user}" at {target.address}: {cause}'
        + (f"{'' if cause.endswith(('.', '?')) else '.'} {hint}" if hint else "")
    )


def _one_line(cause: str) -> str:
    """What stands in several lines, each a sentence."""
    *lines, last = [" ".join(line.split()) for line in cause.splitlines() if line.strip()] or [""]
    return " ".join([*(line if line[-1] in ".:;?!" else f"{line}." for line in lines), last])
