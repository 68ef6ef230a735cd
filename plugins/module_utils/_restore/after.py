# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What follows a restore, or stands in its place: planner statistics, and the user's own command."""

from __future__ import annotations

import collections
import re
import threading
import time
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.errors import ConnectError, DatabaseError
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier
from ansible_collections.pgops.sequences.plugins.module_utils._postgres.session import Session
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import RestoreError
from ansible_collections.pgops.sequences.plugins.module_utils._restore.parallel import NO_TIMEOUT
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import Program

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.progress import Progress

# Seconds that a server may take to come back after a command that restored it.
_COMES_BACK = 300.0

# A partitioned table's ANALYZE covers its partitions.
_TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND left(n.nspname::text, 3) <> 'pg_'
ORDER BY c.relpages DESC
"""


def analyze(target: Target, database: str, jobs: int, only: set[tuple[str, str]] | None, progress: Progress) -> str:
    """Planner statistics, table by table: a function that fails in one index must not cost all the others theirs.

    :arg jobs: how many sessions
    :arg only: the tables; None: all
    :returns: what failed, as a sentence; empty where nothing did
    """
    progress.begin("analyzing")
    failures: list[str] = []
    try:
        with Session(target, database) as session:
            names = [(row["schema"], row["name"]) for row in session.query(_TABLES)]
            settings = {"transaction_timeout": "0"} if session.version_number >= 170000 else {}
    except (ConnectError, DatabaseError) as error:
        return f"the dump was restored, but planner statistics could not be made: {error}. Run: ANALYZE;"
    queue = collections.deque(name for name in names if only is None or name in only)
    total = progress.total = len(queue)

    def work() -> None:
        try:
            with Session(target, database, 60.0, NO_TIMEOUT) as session:
                while queue:
                    schema, name = queue.popleft()
                    progress.now = f"{schema}.{name}"
                    try:
                        with session.transaction(settings=settings) as query:
                            query(f"ANALYZE {quote_identifier(schema)}.{quote_identifier(name)}")
                    except DatabaseError as error:
                        failures.append(f"{schema}.{name}: {error}")
                    progress.done += 1
        except ConnectError as error:
            failures.append(str(error))
        except IndexError:
            # Another thread had the last one.
            return

    threads = [threading.Thread(target=work) for _unused in range(min(jobs, total))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not failures:
        return ""
    return f"the dump was restored, but {len(failures)} of {total} tables got no planner statistics. First: {failures[0]}. Run: ANALYZE;"


def run_command(command: str, target: Target, database: str, progress: Progress) -> None:
    """Run the user's own command, and wait until the server answers and has left recovery.

    :raises RestoreError: the command failed, or the server does not come back
    """
    progress.begin("running the restore command")

    def watch(line: str) -> None:
        progress.now = line.strip()[:200]

    program = Program(["/bin/sh", "-c", command], None, watch=watch, merge=True)
    try:
        code = program.finish()
    finally:
        program.end()
    if code != 0:
        end = "\n".join(list(program.errors)[-20:])
        how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
        raise RestoreError(
            f"the restore command {how}. What it had done by then stays as it is. The end of its output:\n{end}"
        )
    progress.begin("waiting for the server")
    deadline = time.monotonic() + _COMES_BACK
    while True:
        try:
            with Session(target, database) as session:
                if not session.in_recovery:
                    return
                problem = (
                    "the server is in recovery and takes no changes; promote it, or restore to a target it promotes at"
                )
        except ConnectError as error:
            problem = str(error)
            if not re.search(
                r"refused|No such file|starting up|shutting down|not yet accepting|recovery|closed|timeout", problem
            ):
                raise RestoreError(f"the restore command has run, but {problem}") from None
        if time.monotonic() > deadline:
            raise RestoreError(f"the restore command has run, but after {_COMES_BACK:.0f} seconds {problem}")
        time.sleep(1)
