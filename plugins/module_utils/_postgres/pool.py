# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Sessions with one database that several threads read through."""

from __future__ import annotations

import contextlib
import queue
import sys
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session

T = t.TypeVar("T")
U = t.TypeVar("U")

_SWITCH_INTERVAL = 0.0002


class Sessions:
    """Sessions with one database that several threads read through, each borrowing one for a statement.

    As a :class:`Reader` they stand for the first of them.
    """

    def __init__(self, connect: Callable[[], Session], first: Session | None = None) -> None:
        """Connect once.

        :arg connect: makes a session
        :arg first: an open session to begin with, instead of a new one
        :raises ConnectError: no session could be had
        """
        self._connect = connect
        self.first = first or connect()
        self.all = [self.first]
        self._free: queue.LifoQueue[Session] = queue.LifoQueue()
        self._free.put(self.first)
        self.database, self.role = self.first.database, self.first.role
        self.version_number, self.lock_timeout = self.first.version_number, self.first.lock_timeout

    def grow(self, size: int) -> None:
        """Have up to this many; a server without room for more is read by those there are."""
        with contextlib.suppress(ConnectError):
            while len(self.all) < size:
                session = self._connect()
                self.all.append(session)
                self._free.put(session)

    @property
    def threads(self) -> int:
        """How many threads :meth:`map` has: while some wait for the server, others think."""
        return len(self.all) + 2

    def close(self) -> None:
        """End them all; they come back by themselves when needed again."""
        for session in self.all:
            session.close()

    @contextlib.contextmanager
    def borrow(self) -> Iterator[Session]:
        """Have a session for oneself until the end of the block."""
        session = self._free.get()
        try:
            yield session
        finally:
            self._free.put(session)

    def query(self, *args: t.Any, **more: t.Any) -> list[Row]:
        """As :meth:`Session.query`, in the next session that is free."""
        with self.borrow() as session:
            result = session.fetch(*args, **more)
        # The session is another's while this thread goes on.
        return result.rows()

    def map(self, work: Callable[[T], U], items: Iterable[T], failed: Callable[[U], bool]) -> list[U]:
        """Work on items at the same time.

        :arg work: is given each item, perhaps several at once in as many threads
        :arg failed: whether a result says that the rest is not worth beginning
        :returns: what ``work`` returned, in the items' order, without those that were not begun
        """
        items = list(items)
        if len(items) < 2:
            return [work(item) for item in items]
        # Most databases are small: they need not wait for this import.
        from concurrent.futures import ThreadPoolExecutor, as_completed

        # A thread whose answer has come otherwise waits up to 5 ms for the one that thinks, and the server with it.
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        try:
            with ThreadPoolExecutor(self.threads) as pool:
                futures = [pool.submit(work, item) for item in items]
                for future in as_completed(futures):
                    if not future.cancelled() and failed(future.result()):
                        for other in futures:
                            other.cancel()
                return [future.result() for future in futures if not future.cancelled()]
        finally:
            sys.setswitchinterval(usual)


def tried_twice(read: Callable[[], T]) -> T:
    """Read catalogs once more where the connection was cut meanwhile: everything depends on them.

    :raises DatabaseError: it failed for another reason, or twice
    """
    try:
        return read()
    except DatabaseError as error:
        if not error.connection_lost:
            raise
    return read()
