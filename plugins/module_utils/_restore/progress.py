# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""How far a long run is, for the action plugin: a file with one line in words, and one with the process's id."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session

if t.TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.filter import Headings

# The promise to the operator is 30 seconds; the poll between takes its share.
_INTERVAL = 5.0

_ACTIVITY = (
    (r"^COPY (.+?) (?:\(|FROM)", "copying {0}"),
    (r"^CREATE (?:UNIQUE )?INDEX (.+?) ON (?:ONLY )?(\S+)", "creating index {0} on {1}"),
    (r"^ALTER TABLE (?:ONLY )?(.+?)\s+ADD CONSTRAINT (\S+)", "adding constraint {1} to {0}"),
    (r"^REFRESH MATERIALIZED VIEW (.+?);?$", "filling {0}"),
    (r"^TRUNCATE ", "emptying tables"),
    (r"^COMMIT", "committing"),
)


def elapsed(seconds: float) -> str:
    """A duration as people write it: ``1h02m``, ``1m30s``, ``12s``."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def size(count: float) -> str:
    """A number of bytes as people write it: ``1.2 GB``."""
    for unit, format_ in (("bytes", ".0f"), ("kB", ".0f"), ("MB", ".1f")):
        if count < 1000:
            return f"{count:{format_}} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def activity(query: str) -> str:
    """What a statement of a restore does, in words without any of its data; empty where that is not known."""
    for expression, words in _ACTIVITY:
        found = re.search(expression, query, re.MULTILINE)
        if found:
            return words.format(*found.groups())
    return ""


class Progress:
    """Writes where a run stands every few seconds, from a thread of its own.

    Used as a context manager. What the run reports, it reports by setting the attributes.

    :ivar phase: what is being done: ``reading the dump``, ``restoring``, ...
    :ivar done: tables (or bytes, while reading) finished
    :ivar total: of how many; None where unknown
    :ivar now: what is being worked on
    :ivar look: asked every few seconds for more about that; may be None, and may fail
    """

    def __init__(self, path: str | None, show: t.Callable[[str], str] = str) -> None:
        """Prepare; nothing is written before the block is entered.

        :arg path: the file to write to; None: nothing is written
        :arg show: takes secrets out of a line
        """
        self.phase = "starting"
        self.done = 0
        self.total: int | None = None
        self.now = ""
        self.look: t.Callable[[], str] | None = None
        self._path = path
        self._show = show
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    def begin(self, phase: str, total: int | None = None) -> None:
        """Enter another phase."""
        self.look, self.now, self.done, self.total, self.phase = None, "", 0, total, phase

    def line(self) -> str:
        """Where the run stands, in words."""
        parts = [self.phase, elapsed(self.seconds)]
        if self.phase == "reading the dump":
            parts.append(size(self.done) + (f" of {size(self.total)}" if self.total else ""))
        elif self.total:
            parts.append(f"{min(self.done, self.total)} of {self.total} tables")
        now = ""
        if self.look is not None:
            with contextlib.suppress(Exception):
                now = self.look()
        now = now or self.now
        # One line, whatever names are like.
        return self._show(" ".join(", ".join(parts + [now] if now else parts).split()))

    def __enter__(self) -> Progress:
        if self._path:
            self._thread = threading.Thread(target=self._keep_writing, args=(self._path,), daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread and self._path:
            self._thread.join(_INTERVAL)
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _keep_writing(self, path: str) -> None:
        while True:
            line = self.line()
            # A run goes on without its progress being seen, as on a full disk.
            with contextlib.suppress(OSError):
                self._write(path, line)
            if self._ended.wait(_INTERVAL):
                break

    def _write(self, path: str, line: str) -> None:
        handle, aside = tempfile.mkstemp(prefix=".progress-", dir=os.path.dirname(path) or ".")
        try:
            with open(handle, "w", encoding="utf-8", errors="replace") as file:
                file.write(f"{line}\n{os.getpid()}\n")
            os.replace(aside, path)
        except OSError:
            os.unlink(aside)
            raise


def copied(row: Mapping[str, t.Any], total: int | None) -> str:
    """Bytes and rows of a running COPY, from pg_stat_progress_copy (14 and newer).

    :arg row: ``bytes`` and ``rows``, either may be None
    :arg total: bytes there are, where that is known
    """
    if row.get("bytes") is None:
        return ""
    amount = size(row["bytes"])
    if total and total >= row["bytes"]:
        amount = f"{amount} of {size(total)}"
    return f" ({amount}, {row['rows']} rows)" if row.get("rows") else f" ({amount})"


class Watcher:
    """Looks at what the programs' sessions do, through a session of its own, and tells the progress.

    Used as a context manager. What becomes of that session does not matter: the next look opens another.
    """

    def __init__(self, target: Target, database: str, application_name: str, progress: Progress) -> None:
        """Prepare; nothing is connected to before something is to be shown.

        :arg application_name: of the programs' sessions
        :arg progress: told what they do
        """
        self._target = target
        self._database = database
        self._name = application_name
        self._progress = progress
        self._headings: Headings | None = None
        self._session: Session | None = None

    def follow(self, headings: Headings | None, total: int | None) -> None:
        """The restore begins.

        :arg headings: of what psql is sent; None where pg_restore restores by itself
        :arg total: tables whose rows will come; None where that is not known
        """
        self._headings = headings
        self._progress.begin("restoring", total)
        self._progress.look = self._look

    def one_more(self) -> None:
        """The rows of another table have come."""
        self._progress.done += 1

    def _look(self) -> str:
        heading = self._headings.last if self._headings else None
        if self._headings is not None:
            # The last one is still being loaded.
            self._progress.done = max(0, self._headings.data - (heading is not None and heading.kind == "TABLE DATA"))
        row = self._active()
        words = activity(row["query"]) if row else ""
        if row and self._headings and heading and words.startswith("copying") and row["bytes"] is None:
            row["bytes"] = self._headings.offset - heading.offset
        return f"{words}{copied(row, None)}" if row and words else heading.words if heading else ""

    def _active(self) -> dict[str, t.Any] | None:
        """The statement of the session that has copied most, with ``bytes`` and ``rows`` of a COPY (14 and newer)."""
        if self._session is None:
            self._session = Session(self._target, self._database)
        join, columns = "", "NULL::bigint AS bytes, NULL::bigint AS rows"
        if self._session.version_number >= 140000:
            join = "LEFT JOIN pg_stat_progress_copy p USING (pid)"
            columns = "p.bytes_processed AS bytes, p.tuples_processed AS rows"
        found = self._session.query(
            f"SELECT a.query, {columns} FROM pg_stat_activity a {join}"
            " WHERE a.application_name = %(name)s AND a.state = 'active' ORDER BY 2 DESC NULLS LAST LIMIT 1",
            {"name": self._name},
        )
        return found[0] if found else None

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_unused: object) -> None:
        self._progress.look = None
        if self._session is not None:
            self._session.close()
