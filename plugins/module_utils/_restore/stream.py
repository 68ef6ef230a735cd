# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""A dump as one stream of SQL through psql, in one transaction with a guard.

Our head, the dump, our tail. The head says the transaction's id before anything of the dump is sent, and puts a
duplicate under a deferred unique constraint into a temporary table: until the tail removes it, every COMMIT fails, the
script's own too. After a ROLLBACK of the script nothing can be written, because the session is read-only. A dump
that is cut inside a statement, a text or a COPY swallows the tail, and the COMMIT never comes. Hence the tail has no
quotes of any kind but dollar quotes with a tag of its own, and begins with a statement that completes no other
(tried with a dump cut at each of 318 places; docs/measured.md, Restore). psql itself, told to make one transaction,
would commit at the end of its input, also where that is a broken pipe.
"""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import threading
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier
from ansible_collections.pgops.sequences.plugins.module_utils._restore import notes
from ansible_collections.pgops.sequences.plugins.module_utils._restore.dump import BROKEN, Dump, open_text
from ansible_collections.pgops.sequences.plugins.module_utils._restore.filter import Filter, Headings
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import RestoreError
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import Program

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BLOCK = 1 << 20
_HEAD = 1 << 14

LOCK = 0x7067736571
"""The advisory lock of a restore: any number that nobody else takes."""

_READ_ONLY = "default_transaction_read_only"

# Tags of commands that end a transaction. Without --quiet psql prints the tag of each command.
_ENDINGS = ("COMMIT", "ROLLBACK", "PREPARE TRANSACTION")


class Mark(t.NamedTuple):
    """What the server said at the beginning, or at the end.

    :ivar transaction: the transaction's id, as for ``txid_status()``
    :ivar process: the id of the server process
    :ivar values: what was asked beside that
    """

    transaction: int
    process: int
    values: tuple[str, ...]


@dataclasses.dataclass
class Transcript:
    """What psql, and the server through it, said.

    :ivar head: before the dump; None where it did not come to that
    :ivar tail: after the dump, before the COMMIT; None where it did not come to that
    :ivar endings: tags of commands that ended a transaction, in their order
    :ivar elsewhere: where the script connected to, in psql's words
    :ivar code: psql's exit code
    :ivar errors: lines that psql wrote to standard error
    :ivar broken: why the dump could not be sent whole; None where it was
    :ivar first_line: the line in psql's input at which the dump begins
    """

    head: Mark | None = None
    tail: Mark | None = None
    endings: list[str] = dataclasses.field(default_factory=list)
    elsewhere: str = ""
    code: int = 0
    errors: list[str] = dataclasses.field(default_factory=list)
    broken: str | None = None
    first_line: int = 1

    @property
    def error_line(self) -> int:
        """The line of the dump that psql was at when it stopped; 0 where it says none."""
        lines = [int(found[1]) for found in map(re.compile(r"psql:<stdin>:(\d+): ").match, self.errors) if found]
        return max(0, lines[-1] - self.first_line + 1) if lines else 0


class Source:
    """Where the dump's text comes from: a plain dump, unpacked, or pg_restore."""

    def __init__(self, dump: Dump, restore: Sequence[str], environment: Mapping[str, str]) -> None:
        """Open it.

        :arg dump: the dump
        :arg restore: of an archive: pg_restore and its arguments, to print SQL in one transaction
        :arg environment: to run that with
        """
        self._program = None if dump.plain else Program(list(restore), environment, take=True)
        self._file = t.cast(t.Any, self._program.output if self._program else open_text(dump.path, dump.compression))
        # What is there, rather than a whole block: psql should work meanwhile.
        self._read: t.Callable[[int], bytes] = self._file.read1 if self._program else self._file.read

    def read(self) -> bytes:
        """The next part; empty at the end."""
        return self._read(_BLOCK)

    def first(self) -> bytes:
        """The beginning, long enough to hold what every dump begins with."""
        head = b""
        while len(head) < _HEAD and (block := self._read(_HEAD)):
            head += block
        return head

    def check(self) -> None:
        """After the end: was it the end?

        :raises RestoreError: pg_restore has failed
        """
        if self._program is not None and self._program.finish() != 0:
            message = " ".join(list(self._program.errors)[-5:]).replace("pg_restore: error: ", "")
            raise RestoreError(f"the dump is damaged or cut off, pg_restore says: {message.rstrip('.')}")

    def close(self) -> None:
        """End what is still running."""
        if self._program is not None:
            self._program.end()
        self._file.close()


class Stream:
    """One run of psql.

    :ivar transcript: what was said so far
    :ivar headings: of what was sent so far
    """

    def __init__(
        self,
        psql: str,
        dsn: t.Callable[[str], str],
        environment: Mapping[str, str],
        role: str | None,
        server_version: int,
        restricted: bool,
        arguments: Sequence[str] = (),
        folder: str | None = None,
    ) -> None:
        """Start psql, begin the transaction, and wait for what the server says of it.

        :arg psql: path of the program
        :arg dsn: the connection string, given a setting for all of psql's sessions
        :arg environment: to run it with
        :arg role: the role to take on
        :arg server_version: ``server_version_num``
        :arg restricted: whether commands of psql in the dump are refused, rather than run
        :arg arguments: more of psql's
        :arg folder: where relative paths of such commands begin
        """
        self.transcript = Transcript()
        self.headings = Headings()
        self._nonce = _number()
        self._guard = f"pg_temp.restore_guard_{secrets.token_hex(4)}"
        self._role = role
        self._answered = threading.Event()
        # A session that the script opens itself must not write either.
        where = dsn("" if restricted else f"{_READ_ONLY}=on")
        options = ["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "--no-password"]
        self._psql = Program(
            [psql, *arguments, *options, f"--dbname={where}", "--file=-"],
            environment,
            give=True,
            hear=self._hear,
            folder=folder,
        )
        self._sent_lines = 0
        try:
            self._give(self._head(server_version, restricted))
            while not self._answered.wait(0.2) and not self._psql.ended:
                pass
            # What it printed before it ended may still be on the way.
            self._answered.wait(1.0 if self._psql.ended else 0)
        except BrokenPipeError:
            self._answered.wait(1.0)

    def _head(self, server_version: int, restricted: bool) -> str:
        statements = ["SET client_encoding = 'UTF8'"]
        statements += [f"SET ROLE {quote_identifier(self._role)}"] if self._role else []
        timeouts = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
        timeouts += ["transaction_timeout"] if server_version >= 170000 else []
        statements += [f"SET {name} = 0" for name in timeouts]
        statements += [
            f"SET {_READ_ONLY} = on",
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
            f"CREATE TEMP TABLE {self._guard.partition('.')[2]} (x int UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP",
            f"INSERT INTO {self._guard} VALUES (1), (1)",
            # Whoever the script leaves the session to can remove it.
            f"GRANT ALL ON {self._guard} TO PUBLIC",
            self._mark(f"pg_catalog.pg_try_advisory_xact_lock({LOCK})"),
        ]
        key = f"\\restrict {secrets.token_hex(16)}\n" if restricted else ""
        return key + "".join(f"{statement};\n" for statement in statements)

    def _mark(self, *values: str) -> str:
        asked = ("pg_catalog.txid_current()", "pg_catalog.pg_backend_pid()", *values)
        return f"SELECT {self._nonce}, {', '.join(asked)}"

    def _hear(self, line: str) -> None:
        said = self.transcript
        if line.startswith(self._nonce + "|"):
            transaction, process, *values = line.split("|")[1:]
            mark = Mark(int(transaction), int(process), tuple(values))
            if said.head is None:
                said.head = mark
                # A script can have read the first one from pg_stat_activity.
                self._nonce = _number()
                self._answered.set()
            else:
                said.tail = mark
        elif line in _ENDINGS:
            said.endings.append(line)
        elif line.startswith("You are now connected to database "):
            said.elsewhere = line

    def _give(self, text: str | bytes) -> None:
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        self._sent_lines += data.count(b"\n")
        self._psql.give(data)

    def send(self, source: Source, cleaned: Filter, emptying: Sequence[str], fingerprint: str | None) -> None:
        """Send the dump and the tail, and let psql come to its end.

        :arg source: the dump's text; closed afterwards
        :arg cleaned: what it goes through
        :arg emptying: statements to run before it
        :arg fingerprint: to note in the database; None: nothing is noted
        """
        try:
            self._give("".join(f"{statement};\n" for statement in [*emptying, "RESET client_encoding"]))
            self.transcript.first_line = self._sent_lines + 1
            block = source.first()
            while block:
                self._pass_on(cleaned.feed(block))
                block = source.read()
            source.check()
            self._pass_on(cleaned.finish())
            self._give(self._tail(fingerprint))
        except BrokenPipeError:
            pass
        except (RestoreError, *BROKEN) as error:
            # psql must not take what it has got for the whole.
            damaged = "" if isinstance(error, RestoreError) else "the dump is damaged or cut off: "
            self.transcript.broken = damaged + (str(error) or "it ends early")
            self._psql.end()
        finally:
            source.close()
            self.end()

    def _pass_on(self, text: bytes) -> None:
        if text:
            self.headings.feed(text)
            self._psql.give(text)

    def _tail(self, fingerprint: str | None) -> str:
        tag = secrets.token_hex(4)
        statements = [
            f"REVOKE ALL ON TABLE {self._guard} FROM PUBLIC",
            # From here on nothing that others have made is found by a name without its schema.
            "SET LOCAL search_path = pg_catalog, pg_temp",
            "SET client_encoding TO UTF8",
            f"DELETE FROM {self._guard}",
        ]
        noted = "0"
        if fingerprint:
            statements.append("RESET SESSION AUTHORIZATION")
            if self._role:
                statements.append(
                    f"SELECT pg_catalog.set_config($r{tag}$role$r{tag}$, $r{tag}${self._role}$r{tag}$, true)"
                )
            statements.append(notes.note_in_transaction(fingerprint, tag))
            noted = notes.noted(fingerprint, tag)
        statements += [self._mark(notes.loaded(tag), noted), "COMMIT"]
        return "\n" + "".join(f"{statement};\n" for statement in statements)

    def end(self) -> None:
        """Let psql come to its end, and take down what it said last. Without a tail nothing is committed."""
        self.transcript.code = self._psql.finish()
        self.transcript.errors = list(self._psql.errors)

    def stop(self) -> None:
        """End psql, whatever it does."""
        self._psql.end()


def _number() -> str:
    return str(secrets.randbelow(10**15) + 10**15)


def script_folder(dump: Dump) -> str:
    """Where relative paths in a plain script begin."""
    return os.path.dirname(os.path.abspath(dump.path))
