# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Sessions with one database that several threads read through."""

from __future__ import annotations

import contextlib
import queue
import sys
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session

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

    def map(self, work: Callable[[t.Any], t.Any], items: Iterable[t.Any]) -> Iterator[t.Any]:
        """Work on items at the same time.

        :returns: what ``work`` returned, in the items' order
        """
        items = list(items)
        if len(items) < 2:
            return iter([work(item) for item in items])
        # Most databases are small: they need not wait for this import.
        from concurrent.futures import ThreadPoolExecutor

        # A thread whose answer has come otherwise waits up to 5 ms for the one that thinks, and the server with it.
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        try:
            with ThreadPoolExecutor(self.threads) as pool:
                return iter(list(pool.map(work, items)))
        finally:
            sys.setswitchinterval(usual)
