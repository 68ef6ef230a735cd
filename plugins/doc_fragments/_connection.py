# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This doc fragment is PRIVATE to the collection: it can change at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Host that runs the server. Empty means the local socket.
    type: str
    default: ''
  login_port:
    description:
      - The server's port.
      - The environment variable E(PGPORT) on the managed host is used where the option is not given.
    type: int
    default: 5432
  login_user:
    description:
      - Role to log in as.
      - The environment variable E(PGUSER) on the managed host is used where the option is not given.
    type: str
    default: postgres
  login_password:
    description:
      - The role's password. It never appears in output, logs, or process lists.
      - Empty leaves it to libpq, which looks into its password file.
    type: str
    default: ''
  login_unix_socket:
    description:
      - Folder of the server's Unix-domain socket, used where O(login_host) is empty or V(localhost).
    type: str
    default: ''
  ssl_mode:
    description:
      - Whether, and with what care, the connection is encrypted. V(prefer) is libpq's own default.
    type: str
    default: prefer
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
  ca_cert:
    description:
      - File with certificates of the authorities that may sign the server's certificate.
    type: str
    aliases: [ssl_rootcert]
  ssl_cert:
    description:
      - File with the client's certificate.
    type: path
  ssl_key:
    description:
      - File with the key of the client's certificate.
    type: path
  connect_params:
    description:
      - Further connection parameters of libpq, such as C(connect_timeout) (here 10 seconds unless given) or C(options).
      - They take precedence over all other options; C(dbname) is ignored.
    type: dict
    default: {}
  session_role:
    description:
      - Role to take on for every transaction, as by C(SET LOCAL ROLE). O(login_user) must be a member of it.
    type: str
  login_db:
    description:
      - Database to connect to first.
    type: str
    default: postgres
requirements:
  - PostgreSQL 10 or newer
  - psycopg2 (or psycopg 3.1 or newer) on the host that runs the module
  - Python 3.9 or newer on the host that runs the module
notes:
  - Peer authentication, the default on a database host, needs the task to run as the operating-system user of the
    role's name, so C(become) with C(become_user=postgres).
  - Everything a session sets, it sets inside a transaction, so it may run through a transaction-pooling proxy.
"""
