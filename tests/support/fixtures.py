# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pytest fixtures: servers of several versions, and a database for each test."""

from __future__ import annotations

import importlib
import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from . import left_out, servers
from .run import sql
from .toolchain import link_tree

_DEFAULT_VERSIONS = "15 18"

link_tree()
# Python may have looked for the tree before it was there, and remembered.
importlib.invalidate_caches()


def _versions() -> tuple[list[int], list[str]]:
    """Return the major versions to test and, for those left out, why."""
    asked = os.environ.get("PGOPS_PG_VERSIONS")
    if asked:
        return [int(version) for version in asked.split()], []
    wanted = [int(version) for version in _DEFAULT_VERSIONS.split()]
    reasons = {version: servers.why_unavailable(version) for version in wanted}
    return [version for version in wanted if not reasons[version]], [reason for reason in reasons.values() if reason]


VERSIONS, LEFT_OUT = _versions()


# Where versions of PostgreSQL make most difference; unless versions are asked for, all others run on the newest alone, and
# on all of them by make matrix.
_ON_EVERY_VERSION = {
    "test_privileges.py",
    "test_readonly.py",
    "test_reference.py",
    "test_restore_cases.py",
    "test_shapes.py",
    "test_suspicions.py",
    "test_testbed.py",
}


# What takes long, or is about what is beside the engine: make long runs them, and .ci/run both.
_LONG = {
    "test_awx.py",
    "test_captures.py",
    "test_cutover.py",
    "test_cutover_19.py",
    "test_cutover_attacks.py",
    "test_cutover_guide.py",
    "test_cutover_others.py",
    "test_django.py",
    "test_examples.py",
    "test_fleet_attacks.py",
    "test_fleet_hosts.py",
    "test_full.py",
    "test_guides.py",
    "test_mistakes.py",
    "test_molecule.py",
    "test_monitor.py",
    "test_monitor_user.py",
    "test_release.py",
    "test_restore_advice.py",
    "test_restore_attacks.py",
    "test_schedulers.py",
    "test_synchronization.py",
    "test_version_19.py",
}


def pytest_report_header() -> list[str]:
    versions = f"PostgreSQL: {' '.join(map(str, VERSIONS))} (PGOPS_PG_VERSIONS chooses)"
    return [versions, *(f"left out: {reason}" for reason in LEFT_OUT)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the part that is asked for, and leave most tests to the newest version; ``make matrix`` runs them on all."""
    if part := os.environ.get("PGOPS_PART"):
        others = [item for item in items if (item.path.name in _LONG) != (part == "long")]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]
    if os.environ.get("PGOPS_PG_VERSIONS"):
        return
    older = [
        item
        for item in items
        if item.get_closest_marker("matrix")
        or (item.path.name not in _ON_EVERY_VERSION and _version(item) not in (None, max(VERSIONS)))
    ]
    config.hook.pytest_deselected(items=older)
    items[:] = [item for item in items if item not in set(older)]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell ``make test`` what was left out for want of something on this machine."""
    # The workers of xdist have a summary too, of what they tell the first process anyway.
    if hasattr(terminalreporter.config, "workerinput"):
        return
    reports = terminalreporter.stats.get("skipped", [])
    left_out.tell_skips(str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports if report.longrepr)
    left_out.tell_versions(LEFT_OUT)


def _version(item: pytest.Item) -> int | None:
    parameters = getattr(item, "callspec", None)
    return parameters.params.get("server") if parameters else None


@pytest.fixture(scope="session", params=VERSIONS, ids="pg{}".format)
def server(request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    """A running server, of each version in turn."""
    with servers.Server(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def standby(server: servers.Server) -> Iterator[servers.Server]:
    """A hot standby of :func:`server`."""
    with servers.standby(server) as running:
        yield running


@pytest.fixture(scope="session")
def candidate() -> int:
    """The version of PostgreSQL that comes next; tests of it are left out where it cannot be had."""
    try:
        servers.binaries(servers.CANDIDATE)
    except servers.ServerError as error:
        pytest.skip(f"{left_out.NEXT}{error}")
    return servers.CANDIDATE


@pytest.fixture
def database(server: servers.Server) -> Iterator[dict[str, str]]:
    """Connection parameters of a new, empty database, dropped after the test with whoever is in it."""
    name = f"test_{secrets.token_hex(6)}"
    sql(server.dsn(), f"CREATE DATABASE {name}")
    yield server.dsn(name)
    if server.version >= 13:
        sql(server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")
    else:
        sql(server.dsn(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        sql(server.dsn(), f"DROP DATABASE {name}")
