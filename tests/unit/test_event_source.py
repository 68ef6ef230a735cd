# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source, loaded as ansible-rulebook does: its arguments, and which events come of which audits."""

from __future__ import annotations

import asyncio
import contextlib
import json
import runpy
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import audit_arguments, connection_arguments
from support.results import audit, finding
from support.toolchain import ROOT

Event = dict[str, Any]

PASSWORD = "s3cr3t-event"


@pytest.fixture(scope="module")
def source() -> dict[str, Any]:
    path = str(ROOT / "extensions" / "eda" / "plugins" / "event_source" / "pg_sequences.py")
    # In ansible-test a finder of collections claims what is run by its path, and would have it be a folder.
    for file in (path, *map(str, (ROOT / "plugins").rglob("*.py"))):
        sys.path_importer_cache[file] = None
    return runpy.run_path(path)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that lets in and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


# Arguments


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"login_hots": "db1"}, 'there is no option "login_hots"; did you mean "login_host"?'),
        (
            {"servers": [{}, {"ssl_rootcrt": "x"}]},
            'servers[1]: there is no option "ssl_rootcrt"; did you mean "ssl_rootcert"?',
        ),
        ({"servers": [{}], "intervall": 3}, 'there is no option "intervall"; did you mean "interval"?'),
        ({"show_all": True}, 'there is no option "show_all"'),
        ({"servers": [{}], "login_db": "shop"}, "login_db cannot stand beside servers; give it to each of them"),
        ({"servers": []}, "servers must be a list of dictionaries, one for each server"),
        ({"servers": [f"login_password={PASSWORD}"]}, "servers must be a list of dictionaries, one for each server"),
        ({"servers": f"login_password={PASSWORD}"}, "servers must be a list of dictionaries, one for each server"),
        ({"servers": [{"login_port": "x"}]}, "servers[0]: argument 'login_port' is of type"),
        ({"login_port": 0}, "login_port is 0; it must be a port number, 1 to 65535"),
        ({"near_limit_percent": 101}, "near_limit_percent is 101.0; it must be a percentage, 0 to 100"),
        ({"ssl_mode": PASSWORD, "login_password": PASSWORD}, "value of ssl_mode must be one of: allow, disable,"),
        ({"ssl_mode": PASSWORD, "connect_params": {"password": PASSWORD}}, "got: ********"),
        ({"connect_params": PASSWORD}, "argument 'connect_params' is of type"),
        ({"columns": [{"sequence": "a"}]}, "missing required arguments: column, table found in columns"),
        ({"databases": ["!"]}, "databases has an empty pattern"),
        ({"interval": "often"}, "argument 'interval' is of type"),
        ({"interval": 0}, "interval is 0; it must be 1 or more"),
        ({"timeout": float("inf")}, "timeout is inf; it must be 1 or more"),
        ({"heartbeat": -1}, "heartbeat is -1; it must be 1 or more, or 0 for none"),
        ({"remind": float("nan")}, "remind is nan; it must be 1 or more, or 0 for none"),
        ({"concurrency": 0}, "concurrency is 0; it must be 1 or more"),
        ({"statuses": ["healthy"]}, "value of statuses must be one or more of: critical, unknown, warning"),
        ({"initial": "perhaps"}, "argument 'initial' is of type"),
        ({"servers": [{"name": "a"}, {"name": "a"}]}, 'servers[1]: another server is called "a"'),
        ({"servers": [{}, {"login_host": "localhost"}]}, 'servers[1]: another server is called "localhost:5432"'),
    ],
)
def test_arguments_that_cannot_be_used(source: dict[str, Any], arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(source["ArgumentError"]) as caught:
        asyncio.run(asyncio.wait_for(source["main"](asyncio.Queue(), arguments), 5))
    assert told in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_every_option_of_the_module_is_taken(source: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPORT", raising=False)
    values = {"str": "require", "int": 7, "float": 8.0, "bool": True, "path": "/x", "dict": {}, "list": []}
    spec = {**connection_arguments(), **audit_arguments()}
    del spec["show_all"]
    given = {name: values[option["type"]] for name, option in spec.items()}
    (server,), settings = source["read_arguments"]({**given, "interval": "30", "statuses": None})
    assert server.options == given and server.name == "require:7"
    assert server.login == {"host": "require", "port": 7, "unix_socket": "require"}
    assert settings.interval == 30.0 and settings.statuses == ["critical", "unknown", "warning"]


def test_names_of_servers(source: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "5433")
    given = [
        {"name": "shop", "login_host": "a"},
        {"login_host": "a", "login_port": 6},
        {"login_unix_socket": "/run"},
        {},
    ]
    servers, _settings = source["read_arguments"]({"servers": given})
    assert [server.name for server in servers] == ["shop", "a:6", "/run:5433", "localhost:5433"]
    assert [server.position for server in servers] == [0, 1, 2, 3]
    assert "name" not in servers[0].options


def test_the_documentation_tells_the_options(source: dict[str, Any]) -> None:
    told = yaml.safe_load(source["DOCUMENTATION"])["options"]
    keys = ("type", "elements", "choices", "default")
    strip = {name: {key: option[key] for key in keys if key in option} for name, option in told.items()}
    assert strip == source["_ARGUMENTS"]["_SOURCE_OPTIONS"]
    for example in yaml.safe_load(source["EXAMPLES"]):
        source["read_arguments"](example["pgops.sequences.pg_sequences"])


# Events


class Watch:
    """A server whose audits are made up, one after the other, an hour apart."""

    def __init__(self, source: dict[str, Any], **arguments: Any) -> None:
        (server,), settings = source["read_arguments"]({"login_host": "db1", "login_password": PASSWORD, **arguments})
        self.one = source["Watched"](server, settings)
        self._heartbeat = source["heartbeat"]
        self._hours = 0

    def see(self, result: dict[str, Any] | str) -> list[Event]:
        """The events of an audit that returned a result, or failed with a message."""
        self._hours += 1
        made = self.one.failed(result) if isinstance(result, str) else self.one.audited(result, self._hours * 3600.0)
        events = [event["pg_sequences"] for event in made]
        assert PASSWORD not in json.dumps(events)
        for event in events:
            assert event["server"] == "db1:5432" and event["index"] == 0 and event["message"]
            assert event["login"] == {"host": "db1", "port": 5432, "unix_socket": None}
        return events

    def heartbeat(self) -> Event:
        return self._heartbeat([self.one])["pg_sequences"]


def brief(events: list[Event]) -> list[Any]:
    """Type and place of events, with the change of a status."""
    changes = ("status_changed", "reminder")
    return [
        (event["type"], event["sequence"], event["old_status"], event["status"])
        if event["type"] in changes
        else (event["type"], event.get("database"))
        for event in events
    ]


WARNING = {"status": "warning", "reasons": ["gap"], "fix": None}


def test_the_life_of_a_finding(source: dict[str, Any]) -> None:
    watch = Watch(source)
    assert brief(watch.see(audit(finding("a")))) == [("status_changed", "a", None, "critical")]
    assert watch.see(audit(finding("a"))) == []
    assert brief(watch.see(audit(finding("a"), finding("b")))) == [("status_changed", "b", "healthy", "critical")]
    assert brief(watch.see(audit(finding("a", **WARNING), finding("b")))) == [
        ("status_changed", "a", "critical", "warning")
    ]
    (changed,) = watch.see(audit(finding("a", **{**WARNING, "reasons": ["near_limit"]}), finding("b")))
    assert (changed["old_reasons"], changed["reasons"]) == (["gap"], ["near_limit"])
    assert sorted(brief(watch.see(audit(healthy=2)))) == [
        ("status_changed", "a", "warning", "healthy"),
        ("status_changed", "b", "critical", "healthy"),
    ]
    assert watch.see(audit(healthy=2)) == []
    assert brief(watch.see(audit(finding("a")))) == [("status_changed", "a", "healthy", "critical")]


def test_an_event_says_what_a_repair_needs(source: dict[str, Any]) -> None:
    (event,) = Watch(source).see(audit(finding("a", schema="s")))
    assert event["database"] == "shop" and event["schema"] == "s" and event["reasons"] == ["behind"]
    assert (event["next_value"], event["furthest_value"], event["fix"]["next_value"]) == (2, 4711, 4712)
    assert event["message"] == "behind: the next value is 2, but orders.id already goes up to 4711"


def test_an_unreachable_server_keeps_what_was_known(source: dict[str, Any]) -> None:
    watch = Watch(source)
    watch.see(audit(finding("a")))
    (event,) = watch.see("no route")
    assert event["type"] == "server_unreachable" and event["error"] == "no route"
    assert watch.see("no route") == watch.see("refused") == []
    assert watch.heartbeat()["critical"] == 1 and watch.heartbeat()["unreachable"] == 1
    assert brief(watch.see(audit(finding("a")))) == [("server_reachable", None)]
    assert watch.see(audit(finding("a"))) == []
    assert (watch.heartbeat()["audited"], watch.heartbeat()["unreachable"]) == (1, 0)


def test_a_closed_database_keeps_what_was_known(source: dict[str, Any]) -> None:
    watch = Watch(source)
    watch.see(audit(finding("a")))
    (event,) = watch.see(audit(database_error="closed"))
    assert (event["type"], event["database"], event["error"]) == ("database_unreachable", "shop", "closed")
    assert watch.see(audit(database_error="closed")) == []
    assert watch.heartbeat()["critical"] == 1 and watch.heartbeat()["databases_unreachable"] == 1
    assert brief(watch.see(audit(healthy=1))) == [
        ("database_reachable", "shop"),
        ("status_changed", "a", "critical", "healthy"),
    ]
    assert watch.heartbeat()["critical"] == watch.heartbeat()["databases_unreachable"] == 0


def test_a_database_that_was_never_entered_was_not_healthy(source: dict[str, Any]) -> None:
    watch = Watch(source)
    watch.see(audit(database_error="closed"))
    assert brief(watch.see(audit(finding("a")))) == [
        ("database_reachable", "shop"),
        ("status_changed", "a", None, "critical"),
    ]


def test_a_database_that_is_gone_is_forgotten_not_healthy(source: dict[str, Any]) -> None:
    watch = Watch(source)
    nothing = {**audit(), "databases": []}
    watch.see(audit(finding("a")))
    assert brief(watch.see(nothing)) == [("status_changed", "a", "critical", "gone")]
    watch.see(audit(database_error="closed"))
    assert brief(watch.see(nothing)) == [("database_gone", "shop")]
    assert watch.see(nothing) == []
    assert brief(watch.see(audit(finding("a")))) == [("status_changed", "a", None, "critical")]


def test_the_first_findings_can_be_left_out(source: dict[str, Any]) -> None:
    watch = Watch(source, initial=False)
    assert brief(watch.see("no route")) == [("server_unreachable", None)]
    assert brief(watch.see(audit(finding("a")))) == [("server_reachable", None)]
    assert brief(watch.see(audit(finding("b")))) == [
        ("status_changed", "b", "healthy", "critical"),
        ("status_changed", "a", "critical", "healthy"),
    ]


def test_another_server_behind_the_address_is_no_all_clear(source: dict[str, Any]) -> None:
    watch = Watch(source)
    watch.see({**audit(finding("a")), "server": {"system_identifier": "1"}})
    assert watch.see({**audit(healthy=1), "server": {"system_identifier": "2"}}) == []
    # It is none of the server's that is there now, and is not forgotten.
    assert watch.heartbeat()["critical"] == 0
    assert watch.see({**audit(finding("a")), "server": {"system_identifier": "1"}}) == []
    assert watch.heartbeat()["critical"] == 1
    assert brief(watch.see({**audit(healthy=1), "server": {"system_identifier": "1"}})) == [
        ("status_changed", "a", "critical", "healthy")
    ]


def test_a_finding_of_another_server_behind_the_address_is_new(source: dict[str, Any]) -> None:
    watch = Watch(source)
    watch.see({**audit(finding("a")), "server": {"system_identifier": "1"}})
    assert brief(watch.see({**audit(finding("a")), "server": {"system_identifier": "2"}})) == [
        ("status_changed", "a", None, "critical")
    ]
    assert watch.see({**audit(finding("a")), "server": {"system_identifier": "2"}}) == []
    assert watch.heartbeat()["critical"] == 1
    assert brief(watch.see({**audit(healthy=1), "server": {"system_identifier": "2"}})) == [
        ("status_changed", "a", "critical", "healthy")
    ]


def test_only_the_statuses_asked_for(source: dict[str, Any]) -> None:
    watch = Watch(source, statuses=["critical"])
    assert brief(watch.see(audit(finding("a", **WARNING), finding("b")))) == [("status_changed", "b", None, "critical")]
    assert brief(watch.see(audit(finding("a"), finding("b", **WARNING)))) == [
        ("status_changed", "a", "warning", "critical"),
        ("status_changed", "b", "critical", "warning"),
    ]
    assert brief(watch.see(audit())) == [("status_changed", "a", "critical", "healthy")]


def test_reminders(source: dict[str, Any]) -> None:
    watch = Watch(source, remind=2 * 3600)
    watch.see(audit(finding("a")))
    assert watch.see(audit(finding("a"))) == []
    assert brief(watch.see(audit(finding("a"), finding("b")))) == [
        ("reminder", "a", "critical", "critical"),
        ("status_changed", "b", "healthy", "critical"),
    ]
    assert watch.see(audit(finding("a"), finding("b"))) == []
    assert [event["type"] for event in watch.see(audit(finding("a"), finding("b")))] == ["reminder", "reminder"]
    quiet = Watch(source)
    quiet.see(audit(finding("a")))
    assert [quiet.see(audit(finding("a"))) for _hour in range(48)] == [[]] * 48


def test_nothing_is_held_of_what_is_over(source: dict[str, Any]) -> None:
    watch = Watch(source)
    for number in range(50):
        watch.see(
            {
                **audit(finding(f"s{number}", database=f"d{number}")),
                "databases": [{"name": f"d{number}", "error": None}],
            }
        )
    watch.see({**audit(), "databases": []})
    assert not any(value for value in vars(watch.one).values() if isinstance(value, (dict, set)))


# Running


async def collect(
    source: dict[str, Any], arguments: dict[str, Any], enough: Callable[[list[Event]], bool]
) -> list[Event]:
    """Run the source until its events are enough, at most a minute, and cancel it."""
    queue: asyncio.Queue[Event] = asyncio.Queue(1)
    events: list[Event] = []

    async def read() -> None:
        while not enough(events):
            events.append((await queue.get())["pg_sequences"])

    running = asyncio.ensure_future(source["main"](queue, arguments))
    try:
        await asyncio.wait_for(read(), 60)
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    return events


def audits() -> list[bytes]:
    """Command line and environment of the audits that this process runs."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        children = ""
        # A thread that ends meanwhile has none.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            children = (task / "children").read_text()
        for pid in children.split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.append(Path("/proc", pid, "cmdline").read_bytes() + Path("/proc", pid, "environ").read_bytes())
    return [text for text in found if b"pg_sequence_info" in text]


def test_a_server_that_hangs_is_given_up_and_leaves_nothing(source: dict[str, Any], silent: int) -> None:
    seen: list[bytes] = []

    def enough(events: list[Event]) -> bool:
        running = audits()
        seen.extend(running)
        # Both were given up, a heartbeat has counted them, and another audit has begun.
        down = sum(event["type"] == "server_unreachable" for event in events)
        return down == 2 and events[-1]["type"] == "heartbeat" and bool(running)

    hangs = {"name": "hangs", "login_host": "127.0.0.1", "login_port": silent, "login_password": PASSWORD}
    dead = {"name": "dead", "login_host": "127.0.0.1", "login_port": 1, "login_password": PASSWORD}
    events = asyncio.run(
        collect(source, {"servers": [hangs, dead], "interval": 1, "heartbeat": 1, "timeout": 8}, enough)
    )
    beats = [event for event in events if event["type"] == "heartbeat"]
    down = {event["server"]: event["error"] for event in events if event["type"] == "server_unreachable"}
    assert down["hangs"] == "the audit was not over after 8 seconds"
    assert "Connection refused" in down["dead"]
    # The one that hangs kept the other waiting for nothing.
    assert list(down) == ["dead", "hangs"] and beats[-1]["unreachable"] == 2
    assert len(events) == len(beats) + 2
    assert seen and not any(PASSWORD.encode() in text for text in seen)
    assert PASSWORD not in json.dumps(events)
    assert audits() == []


@pytest.mark.parametrize("times", [1, 2])
def test_the_source_ends_clean_however_often_it_is_cancelled(source: dict[str, Any], silent: int, times: int) -> None:
    problems: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: problems.append(context))
        servers = [{"name": str(n), "login_host": "127.0.0.1", "login_port": silent} for n in range(5)]
        running = asyncio.ensure_future(source["main"](asyncio.Queue(), {"servers": servers}))
        deadline = time.monotonic() + 60
        while len(audits()) < 5:
            assert time.monotonic() < deadline and not running.done(), problems
            await asyncio.sleep(0.05)
        for _time in range(times):
            running.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await running
        assert audits() == [] and [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(run())
    assert problems == []


def test_servers_that_hang_keep_no_other_waiting(source: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"hangs": 0, "answers": 0}

    async def audited(server: Any, _timeout: float) -> dict[str, Any]:
        counts[server.name] += 1
        if server.name == "answers":
            return audit()
        await asyncio.sleep(0.2)
        raise source["AuditError"]("it hangs")

    monkeypatch.setitem(source["watch"].__globals__, "audit", audited)
    servers, settings = source["read_arguments"]({"servers": [{"name": name} for name in counts], "concurrency": 1})

    async def run() -> None:
        watched = [source["Watched"](server, settings._replace(interval=0.01)) for server in servers]
        places = {answering: asyncio.Semaphore(settings.concurrency) for answering in (True, False)}
        running = [source["watch"](asyncio.Queue(), one, settings._replace(interval=0.01), places) for one in watched]
        tasks = [asyncio.create_task(each) for each in running]
        while counts["hangs"] < 4:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    # One waiting for the other would have had as many turns.
    assert counts["answers"] > 2 * counts["hangs"]


def test_the_module_is_found_beside_others(
    source: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As PyPI's package ansible has it.
    hiding = tmp_path / "path" / "ansible_collections"
    hiding.mkdir(parents=True)
    (hiding / "__init__.py").touch()
    (tmp_path / "threading.py").write_text("raise AssertionError('taken out of the working directory')")
    monkeypatch.setenv("PYTHONPATH", str(hiding.parent))
    monkeypatch.chdir(tmp_path)
    (server,), _settings = source["read_arguments"]({"login_host": "127.0.0.1", "login_port": 1})
    with pytest.raises(source["AuditError"], match="Connection refused"):
        asyncio.run(source["audit"](server, 60))
