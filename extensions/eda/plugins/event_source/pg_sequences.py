# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source of ansible-rulebook: watches PostgreSQL servers and says when the status of a sequence changes."""

from __future__ import annotations

import asyncio
import difflib
import json
import math
import os
import runpy
import sys
import typing as t
from pathlib import Path

try:
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
except ImportError as missing:
    raise ImportError(
        f"pgops.sequences.pg_sequences needs ansible-core in the environment of ansible-rulebook, {sys.executable}: {missing}"
    ) from None

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

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

# What is news, as for mail and webhook; the loader of event sources knows no collections.
_NEWS = runpy.run_path(str(_COLLECTION / "plugins" / "plugin_utils" / "_news.py"))

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

_STATUSES = ("critical", "unknown", "warning")

_SOURCE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "servers": {"type": "list", "elements": "dict"},
    "interval": {"type": "float", "default": 60.0},
    "timeout": {"type": "float", "default": 300.0},
    "heartbeat": {"type": "float", "default": 300.0},
    "remind": {"type": "float", "default": 0.0},
    "statuses": {"type": "list", "elements": "str", "choices": list(_STATUSES), "default": list(_STATUSES)},
    "concurrency": {"type": "int", "default": 10},
    "initial": {"type": "bool", "default": True},
}

Event = dict[str, t.Any]


class ArgumentError(ValueError):
    """An argument cannot be used; the text names it and says what would be right."""


class Server(t.NamedTuple):
    """One server to watch.

    :ivar name: what events call it
    :ivar position: its place among all servers, from 0
    :ivar options: the module's options, as they were given
    :ivar login: where it is, for events
    """

    name: str
    position: int
    options: Mapping[str, t.Any]
    login: Mapping[str, t.Any]


class Settings(t.NamedTuple):
    """The source's own arguments; times are in seconds, 0 is never."""

    interval: float
    timeout: float
    heartbeat: float
    remind: float
    statuses: Collection[str]
    concurrency: int
    initial: bool


def read_arguments(args: Mapping[str, t.Any]) -> tuple[list[Server], Settings]:
    """Check the arguments that a rulebook gives.

    :raises ArgumentError: the first that cannot be used
    """
    # The module's own rules, which cannot be imported: the loader of event sources knows no collections.
    rules = runpy.run_path(str(_COLLECTION / "plugins" / "module_utils" / "_arguments.py"))
    module_options = {**rules["connection_arguments"](), **rules["audit_arguments"]()}
    del module_options["show_all"]
    server_options = {"name": {"type": "str"}, **module_options}

    one = {name: value for name, value in args.items() if name not in _SOURCE_OPTIONS}
    if args.get("servers") is None:
        _refuse_unknown(one, {**_SOURCE_OPTIONS, **server_options}, "")
        listed = [one]
    else:
        if one:
            _refuse_unknown(one, {**_SOURCE_OPTIONS, **server_options}, "")
            raise ArgumentError(f"{', '.join(sorted(one))} cannot stand beside servers; give it to each of them")
        listed = args["servers"]
        # A list written as text would be taken apart at its commas.
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed) or not listed:
            raise ArgumentError("servers must be a list of dictionaries, one for each server")
    own = {name: value for name, value in args.items() if name in _SOURCE_OPTIONS and name != "servers"}
    values = _validated(own, _SOURCE_OPTIONS, "")
    del values["servers"]
    settings = Settings(**values)
    for name in ("interval", "timeout", "heartbeat", "remind", "concurrency"):
        value, may_be_none = values[name], name in ("heartbeat", "remind")
        # Written so that NaN, which compares false with everything, is refused.
        if not (1 <= value < math.inf or (may_be_none and value == 0)):
            raise ArgumentError(f"{name} is {value:g}; it must be 1 or more{', or 0 for none' if may_be_none else ''}")

    servers: list[Server] = []
    for position, given in enumerate(listed):
        options = {name: value for name, value in given.items() if name != "name" and value is not None}
        place = f"servers[{position}]: " if args.get("servers") is not None else ""
        _refuse_unknown(given, server_options, place)
        params = _validated(given, server_options, place)
        try:
            rules["check_values"](params)
        except rules["OptionError"] as error:
            raise ArgumentError(_without_secrets(f"{place}{error}", given)) from None
        login = {name: params[f"login_{name}"] or None for name in ("host", "port", "unix_socket")}
        name = params["name"] or f"{login['host'] or login['unix_socket'] or 'localhost'}:{login['port']}"
        if any(server.name == name for server in servers):
            raise ArgumentError(f'{place}another server is called "{name}"; give each a name of its own')
        servers.append(Server(name, position, options, login))
    return servers, settings


def _refuse_unknown(given: Mapping[str, t.Any], spec: Mapping[str, t.Any], place: str) -> None:
    known = {*spec, *(alias for option in spec.values() for alias in option.get("aliases", ()))}
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1, 0)
            raise ArgumentError(f'{place}there is no option "{name}"; did you mean "{close[0]}"?')


def _validated(given: Mapping[str, t.Any], spec: Mapping[str, t.Any], place: str) -> dict[str, t.Any]:
    """Values of the right types, with defaults."""
    done = ArgumentSpecValidator(spec).validate({name: value for name, value in given.items() if value is not None})
    if done.error_messages:
        raise ArgumentError(_without_secrets(place + done.error_messages[0], given))
    return dict(done.validated_parameters)


def _without_secrets(text: str, options: Mapping[str, t.Any]) -> str:
    """A text without what may be a password among options."""
    connect_params = options.get("connect_params")
    more = connect_params.values() if isinstance(connect_params, dict) else [connect_params]
    for secret in {str(value) for value in (options.get("login_password"), *more) if value not in (None, "")}:
        text = text.replace(secret, "********")
    return text


class Watched:
    """What is known of a server, which events come of news about it.

    It holds the findings, not the sequences that are healthy.

    :ivar reachable: whether its last audit succeeded; None before the first
    """

    def __init__(self, server: Server, settings: Settings) -> None:
        self.server = server
        self.reachable: bool | None = None
        self._settings = settings
        self._audited = False
        # The server that the last audit met.
        self._met: Mapping[str, t.Any] | None = None
        self._entered: set[str] = set()
        self._closed: set[str] = set()
        # By database, schema and name, as JSON.
        self._findings: dict[str, t.Any] = {}

    def failed(self, error: str) -> Iterator[Event]:
        """Take in that the server could not be audited."""
        if self.reachable is not False:
            yield self._event("server_unreachable", f"the server could not be audited: {error}", error=error)
        self.reachable = False

    def audited(self, result: Mapping[str, t.Any], now: float) -> Iterator[Event]:
        """Take in what an audit found.

        :arg result: what the module returned
        :arg now: seconds, by the event loop's clock
        """
        if self.reachable is False:
            yield self._event("server_reachable", "the server can be audited again")
        first, self.reachable, self._audited = not self._audited, True, True
        errors = {database["name"]: database["error"] for database in result["databases"]}
        for name, error in errors.items():
            if error and name not in self._closed:
                yield self._event("database_unreachable", error, database=name, error=error)
            elif name in self._closed and not error:
                yield self._event("database_reachable", "the database can be audited again", database=name)
        for name in sorted(self._closed - set(errors)):
            yield self._event("database_gone", "the database is no longer there", database=name)

        found = {
            json.dumps([entry["database"], entry["schema"], entry["name"]]): entry for entry in result["sequences"]
        }
        states = {key: json.dumps([entry["status"], entry["reasons"]]) for key, entry in found.items()}
        server = result.get("server")
        # Another server's finding is none of this one's: it is new here.
        self._findings = {
            key: kept
            for key, kept in self._findings.items()
            if key not in states or _is_same(server, kept.facts["server"])
        }
        if not _is_same(server, self._met):
            self._entered = set()
        self._met = server or self._met
        news = _NEWS["compare"](
            self._findings,
            states,
            lambda _key, kept: not errors.get(kept.facts["database"]) and _is_same(server, kept.facts["server"]),
            now,
            self._settings.remind,
        )
        told = {}
        fresh = {*news.new, *news.changed, *news.due}
        for key, entry in found.items():
            if key not in fresh:
                continue
            before = self._findings.get(key)
            told[key] = _NEWS["Kept"](states[key], now, {"database": entry["database"], "server": server})
            if not first or self._settings.initial:
                yield from self._told("reminder" if key in news.due else "status_changed", key, before, entry)
        for key in news.over:
            if self._findings[key].facts["database"] in errors:
                over = {"status": "healthy", "message": "no longer among the findings: healthy, skipped or dropped"}
            else:
                over = {"status": "gone", "message": "its database is no longer there"}
            yield from self._told("status_changed", key, self._findings[key], over)
        self._findings = _NEWS["remember"](self._findings, told, news.over, now, math.inf)
        self._closed = {name for name, error in errors.items() if error}
        self._entered = (self._entered & set(errors)) | (set(errors) - self._closed)

    def count(self, status: str) -> int:
        """How many sequences have a status, as far as is known."""
        return sum(json.loads(kept.state)[0] == status for kept in self._findings.values())

    @property
    def closed(self) -> int:
        """How many databases could not be entered or read."""
        return len(self._closed)

    def _told(self, kind: str, key: str, before: t.Any, entry: Mapping[str, t.Any]) -> Iterator[Event]:
        old_status, old_reasons = json.loads(before.state) if before else (None, [])
        if not {entry["status"], old_status} & set(self._settings.statuses):
            return
        database, schema, sequence = json.loads(key)
        unseen = "healthy" if database in self._entered else None
        yield self._event(
            kind,
            entry["message"],
            database=database,
            schema=schema,
            sequence=sequence,
            old_status=old_status if before else unseen,
            old_reasons=old_reasons,
            status=entry["status"],
            reasons=entry.get("reasons", []),
            next_value=entry.get("next_value"),
            furthest_value=entry.get("furthest_value"),
            fix=entry.get("fix"),
        )

    def _event(self, kind: str, message: str, **more: t.Any) -> Event:
        server = {"server": self.server.name, "index": self.server.position, "login": dict(self.server.login)}
        return {"pg_sequences": {"type": kind, **server, **more, "message": message}}


def _is_same(now: Mapping[str, t.Any] | None, then: Mapping[str, t.Any] | None) -> bool:
    """Whether an audit met the same server as an earlier one, as far as is known: behind one address may be another."""
    known = {server.get("system_identifier") for server in (now, then) if server} - {None}
    return len(known) < 2


def heartbeat(watched: Collection[Watched]) -> Event:
    """The event that tells how things stand."""
    return {
        "pg_sequences": {
            "type": "heartbeat",
            "servers": len(watched),
            "audited": sum(one.reachable is True for one in watched),
            "unreachable": sum(one.reachable is False for one in watched),
            "databases_unreachable": sum(one.closed for one in watched),
            **{status: sum(one.count(status) for one in watched) for status in _STATUSES},
        }
    }


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
            _without_secrets(f"the audit ended with code {process.returncode}: {last}", server.options)
        ) from None
    if result.get("failed"):
        raise AuditError(result["msg"])
    return t.cast("dict[str, t.Any]", result)


async def watch(
    queue: asyncio.Queue[Event], one: Watched, settings: Settings, places: Mapping[bool, asyncio.Semaphore]
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
