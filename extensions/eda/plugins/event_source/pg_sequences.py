# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source of ansible-rulebook: watches PostgreSQL servers and says when the status of a sequence changes."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping

DOCUMENTATION = r"""
---
short_description: Watch PostgreSQL servers and send an event when the status of a sequence changes
description:
  - Audits servers again and again by M(pgops.sequences.pg_sequence_info), which only reads, and sends an event for each
    sequence whose status, or the reasons for it, changed, for servers and databases that can no longer be audited, or
    can again, and a heartbeat. While nothing changes, only the heartbeat is sent.
  - Each audit is a process of its own with a time limit, so that a server that does not answer keeps no other waiting.
  - Passwords are given to that process by a pipe. They are in no event, no message and no process list.
  - What was found is remembered while the source runs. After a start the findings are sent as at the first time.
options:
  servers:
    description:
      - The servers. Each takes the options of M(pgops.sequences.pg_sequence_info) but C(show_all), and C(name), which
        events call it by, by default C(host:port).
      - One server may be given without this, by the same options beside those below.
    type: list
    elements: dict
  interval:
    description: Seconds from the beginning of an audit to that of the server's next, 1 or more. An audit that takes longer is followed at once.
    type: float
    default: 60
  timeout:
    description: Seconds an audit may take, 1 or more. After that it is ended, and the server counts as unreachable.
    type: float
    default: 300
  heartbeat:
    description: Seconds between heartbeats, 1 or more; 0 is none.
    type: float
    default: 300
  remind:
    description: Seconds after which a finding that is still there is sent again, as C(reminder), 1 or more; 0 is never.
    type: float
    default: 0
  statuses:
    description: The statuses to send events for. That a sequence leaves one of them is an event, too.
    type: list
    elements: str
    choices: [critical, unknown, warning]
    default: [critical, unknown, warning]
  concurrency:
    description:
      - How many servers are audited at the same time, 1 or more.
      - Servers that could not be audited the last time have as many places of their own.
    type: int
    default: 10
  initial:
    description: Whether what a server's first audit finds is sent.
    type: bool
    default: true
notes:
  - "Every event is C({pg_sequences: {type: ..., ...}}). All but the heartbeat have C(server), its name; C(index), its place
    in O(servers), from 0; C(login), a dictionary of C(host), C(port) and C(unix_socket), as given; C(message), for people."
  - "C(status_changed) and C(reminder) have C(database), C(schema), C(sequence), C(old_status), C(old_reasons), C(status),
    C(reasons), C(next_value), C(furthest_value), C(fix). C(old_status) is C(null) where the database was not seen before.
    C(status) is as in M(pgops.sequences.pg_sequence_info); C(healthy) also of one that is now skipped or dropped; C(gone) where
    its database is no longer there to be connected to."
  - "C(server_unreachable) has C(error). C(server_reachable) has nothing more."
  - "C(database_unreachable) has C(database) and C(error), C(database_reachable) and C(database_gone) have C(database). What is known of
    its sequences is kept while a server or database is unreachable."
  - "C(heartbeat) has the numbers of C(servers), of those C(audited) and C(unreachable) the last time, of C(databases_unreachable), and of
    sequences by status: C(critical), C(warning), C(unknown)."
"""

EXAMPLES = r"""
- pgops.sequences.pg_sequences:
    servers:
      - name: shop
        login_host: shop.example.com
        login_user: auditor
        login_password: "{{ auditor_password }}"
        ssl_mode: verify-full
        databases: ["*"]
      - login_unix_socket: /var/run/postgresql
        login_db: ledger
    interval: 30

# One server
- pgops.sequences.pg_sequences:
    login_host: shop.example.com
    login_user: auditor
    login_db: shop
"""

_COLLECTION = Path(__file__).absolute().parents[4]

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.plugin_utils._news.event_arguments import (
        ArgumentError,
        Server,
        SourceSettings,
        read_arguments,
        without_secrets,
    )
    from ansible_collections.pgops.sequences.plugins.plugin_utils._news.watched import Watched, heartbeat
else:
    # The loader of event sources knows no collections: what is not here is loaded by its path.
    _UTILS = _COLLECTION / "plugins" / "plugin_utils"
    _ARGUMENTS = runpy.run_path(str(_UTILS / "_news" / "event_arguments.py"))
    _WATCHED = runpy.run_path(str(_UTILS / "_news" / "watched.py"))
    Watched, heartbeat = _WATCHED["Watched"], _WATCHED["heartbeat"]
    ArgumentError, Server, SourceSettings = (_ARGUMENTS[name] for name in ("ArgumentError", "Server", "SourceSettings"))
    read_arguments, without_secrets = _ARGUMENTS["read_arguments"], _ARGUMENTS["without_secrets"]

# Runs the module out of the collection's folder, whatever that is called: the regular import would need the right tree
# above it, and PyPI's package ansible hides every other ansible_collections. It ends when nobody holds the other end of
# the pipe any more: SIGTERM is taken by ansible-rulebook's Java, and nothing here is told.
_PROGRAM = """
import sys
sys.path = [place for place in sys.path if place]
import os, runpy, threading, types
pipe, collection = int(sys.argv.pop()), sys.argv.pop()
threading.Thread(target=lambda: (os.read(pipe, 1), os._exit(1)), daemon=True).start()
for name, places in (("", []), (".pgops", []), (".pgops.sequences", [collection])):
    package = types.ModuleType("ansible_collections" + name)
    package.__path__ = places
    sys.modules[package.__name__] = package
runpy.run_module("ansible_collections.pgops.sequences.plugins.modules.pg_sequence_info", run_name="__main__")
"""

Event = dict[str, t.Any]


class AuditError(Exception):
    """A server could not be audited; the text says why."""


async def audit(server: Server, timeout: float) -> dict[str, t.Any]:
    """Run the module in a process of its own, which does not outlive this call.

    :arg timeout: seconds it may take
    :returns: what the module returned
    :raises AuditError: it failed or was not over in time
    """
    # A poll a minute need not be in the system's log.
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**server.options, "_ansible_no_log": True}})
    theirs, ours = os.pipe()
    process = None
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROGRAM, str(_COLLECTION), str(theirs)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=[theirs],
        )
        output, errors = await asyncio.wait_for(process.communicate(arguments.encode()), timeout)
    except asyncio.TimeoutError:
        raise AuditError(f"the audit was not over after {timeout:g} seconds") from None
    finally:
        os.close(theirs)
        os.close(ours)
        if process and process.returncode is None:
            process.kill()
            # What it was still told or said is of no use to anybody.
            await process.wait()
    try:
        result = json.loads(output)
    except ValueError:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2][:1000]
        raise AuditError(
            without_secrets(f"the audit ended with code {process.returncode}: {last}", server.options)
        ) from None
    if result.get("failed"):
        raise AuditError(result["msg"])
    return t.cast("dict[str, t.Any]", result)


async def watch(
    queue: asyncio.Queue[Event], one: Watched, settings: SourceSettings, places: Mapping[bool, asyncio.Semaphore]
) -> None:
    """Audit a server again and again.

    :arg places: how many audits may run, of servers that could be audited the last time and of those that could not
    """
    clock = asyncio.get_running_loop().time
    while True:
        begin = clock()
        async with places[one.reachable is not False]:
            try:
                events = one.audited(await audit(one.server, settings.timeout), clock())
            except AuditError as error:
                events = one.failed(str(error))
        for event in events:
            await queue.put(event)
        await asyncio.sleep(max(0.0, begin + settings.interval - clock()))


async def beat(queue: asyncio.Queue[Event], watched: Collection[Watched], seconds: float) -> None:
    """Send heartbeats."""
    while True:
        await asyncio.sleep(seconds)
        await queue.put(heartbeat(watched))


async def main(queue: asyncio.Queue[Event], args: dict[str, t.Any]) -> None:
    """Watch until cancelled.

    :arg queue: where events go
    :arg args: the arguments, see DOCUMENTATION
    :raises ArgumentError: they cannot be used
    """
    servers, settings = read_arguments(args)
    watched = [Watched(server, settings) for server in servers]
    places = {answering: asyncio.Semaphore(settings.concurrency) for answering in (True, False)}
    tasks = [asyncio.ensure_future(watch(queue, one, settings, places)) for one in watched]
    if settings.heartbeat:
        tasks.append(asyncio.ensure_future(beat(queue, watched, settings.heartbeat)))
    try:
        done, _others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        # Once: another cancellation would take a task out of waiting for the end of its audit.
        for task in tasks:
            task.cancel()
        await _ended(tasks)


async def _ended(tasks: Collection[asyncio.Task[t.Any]]) -> None:
    """Wait until tasks have ended, also while this is cancelled: each ends the process that it runs.

    :raises asyncio.CancelledError: it was cancelled meanwhile
    """
    cancelled: asyncio.CancelledError | None = None
    left = set(tasks)
    while left:
        try:
            _done, left = await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled
