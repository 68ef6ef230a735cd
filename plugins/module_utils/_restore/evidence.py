# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What became of a restore, as the server says it, asked by another session afterwards."""

from __future__ import annotations

import re
import time
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session
from ansible_collections.pgops.sequences.plugins.module_utils._restore.advice import Failure

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.filter import Headings
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.stream import Transcript

# Seconds in which a server that broke the connection may come back.
_ANSWERS = 10.0

# Seconds after which a server process whose program is gone is asked to end: it sees that only between statements.
_LINGERS = 1.0

RESTORED = "restored"
ROLLED_BACK = "rolled back"
UNKNOWN = "unknown"


class Evidence(t.NamedTuple):
    """What became of it.

    :ivar outcome: restored, rolled back or unknown
    :ivar words: how that is known, or what is not known, as a sentence without its full stop
    """

    outcome: str
    words: str


def failure_of(said: Transcript, headings: Headings) -> Failure:
    """The error psql stopped at, and what it was restoring.

    :arg said: what psql and the server said
    :arg headings: of what was sent
    """
    state, message, level, named = "", [], "ERROR", {"SCHEMA": "", "TABLE": ""}
    for text in said.errors:
        found = re.match(
            r"(?:psql:<stdin>:\d+: |psql: )?(ERROR|FATAL|PANIC|error|WARNING|NOTICE): +(?:([0-9A-Z]{5}): +)?(.*)", text
        )
        if found:
            level = found[1]
            if level not in ("WARNING", "NOTICE"):
                state, message = found[2] or "", [found[3]]
        elif level in ("WARNING", "NOTICE"):
            continue
        elif field := re.match(r"(LOCATION|(SCHEMA|TABLE|COLUMN|DATATYPE|CONSTRAINT) NAME): +(.*)", text):
            named[field[2] or ""] = field[3]
        else:
            message.append(text)
    text = " ".join(" ".join(message).split()).rstrip(".")
    text = text[:1000] + " ..." if len(text) > 1000 else text
    if not text and said.code == 0 and said.tail is None:
        # psql took our end for rows.
        return Failure("", "the dump ends inside a table's rows: it is cut off", "TABLE DATA")
    line = said.error_line
    heading = headings.before(line) if line else None
    if line >= headings.line:
        return Failure(state, text, "END")
    table = f"{quote_identifier(named['SCHEMA'])}.{quote_identifier(named['TABLE'])}" if named["TABLE"] else ""
    kind, schema = (heading.kind, heading.schema) if heading else ("", "")
    return Failure(state, text or "psql was ended", kind, schema, table=table)


def of_transaction(target: Target, database: str, said: Transcript) -> Evidence:
    """What became of a stream's transaction.

    :arg target: the server
    :arg database: the database that was restored into
    :arg said: what psql and the server said meanwhile
    """
    if said.head is None:
        return Evidence(ROLLED_BACK, "Nothing was changed: the restore's transaction did not begin")
    number = said.head.transaction
    look = f"SELECT txid_status({number});"
    status, problem = _status(target, database, said)
    if status == "committed" and said.tail is not None and said.tail[:2] == said.head[:2]:
        return Evidence(
            RESTORED, f"the server says that transaction {number}, which holds the whole restore, is committed"
        )
    if status == "aborted":
        # Our own COMMIT is told of as ROLLBACK where the transaction had failed before.
        if (said.tail is None and said.endings) or (said.tail is not None and said.tail[:2] != said.head[:2]):
            return Evidence(
                UNKNOWN,
                f"The server rolled back transaction {number}, with which the restore began, but the script ended transactions of its own"
                f" ({', '.join(said.endings[:5]) or 'as its end shows'}), and what it did after that may be there: look before you run it again",
            )
        return Evidence(ROLLED_BACK, f"Everything was rolled back (the server says so of transaction {number})")
    if status == "committed":
        return Evidence(
            UNKNOWN,
            f"The server says that transaction {number}, with which the restore began, is committed, but the mark at its end was not"
            " seen: what the dump holds is there up to some place; look before you run it again",
        )
    return Evidence(
        UNKNOWN,
        f"What became of it is not known: {problem or f'transaction {number} is {status}'}. See the server's log, have it running again,"
        f' and ask it in database "{database}": {look} "aborted" means that nothing of the dump is there, "committed" that everything is',
    )


def _status(target: Target, database: str, said: Transcript) -> tuple[str, str]:
    """The transaction's status, and why it cannot be had."""
    head = t.cast(t.Any, said.head)
    began = time.monotonic()
    ended = False
    while True:
        status, problem = "", ""
        try:
            with Session(target, database) as session:
                query = "SELECT coalesce(txid_status(%(number)s), 'too old to be known') AS status"
                status = session.query(query, {"number": head.transaction})[0]["status"]
                if status == "in progress" and not ended and time.monotonic() - began > _LINGERS and said.tail is None:
                    ended = True
                    session.query(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %(pid)s AND backend_xid IS NOT NULL"
                        " AND datname = current_database() AND application_name LIKE 'pgops.sequences %%'",
                        {"pid": head.process},
                    )
        except (ConnectError, DatabaseError) as error:
            problem = f"the server does not answer now ({error})"
        if status and status != "in progress":
            return status, ""
        if time.monotonic() - began > (_ANSWERS if problem else 6 * _ANSWERS):
            return status, problem
        time.sleep(0.05 if not problem else 0.5)
