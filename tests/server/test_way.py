# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a database through a repair, followed from call to call, is short and goes one way."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest

from support.run import run_module, sql

STATIONS = {
    "_suspect": "discover",
    "_discover": "discover",
    "_observe": "observe",
    "_judge": "judge",
    "_repair": "repair",
    "_sentences": "report",
    "_results": "report",
}
"""Rooms where something is done to the data, in the order of their way.

Left out are those that conduct (``_audit``, ``_run*``), and those that are asked and answer (``_postgres``, ``_model``,
``_unchanged``), and methods of values, wherever they are defined.
"""

WAY = list(dict.fromkeys(STATIONS.values()))

_TRACER = """#!{python}
import atexit, json, runpy, sys, threading

calls = []

def note(frame, event, _argument):
    path = frame.f_code.co_filename
    # Functions alone: the body of a class runs when it is imported.
    if event != "call" or "/plugins/module_utils/" not in path or not frame.f_code.co_flags & 1:
        return
    if frame.f_code.co_name.startswith("<"):
        return
    own = frame.f_locals.get("self", frame.f_locals.get("cls"))
    if isinstance(own, tuple) or (isinstance(own, type) and issubclass(own, tuple)):
        return
    calls.append(path.split("/plugins/module_utils/")[1].split("/")[0].removesuffix(".py"))

atexit.register(lambda: open({report!r}, "w").write(json.dumps(calls)))
name, sys.argv = sys.argv[2], sys.argv[2:]
threading.setprofile(note)
sys.setprofile(note)
runpy.run_module(name, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("tables", [1, 2], ids=["alone", "in a batch"])
def test_a_database_goes_one_way(database: dict[str, str], tmp_path: Path, tables: int) -> None:
    for number in range(tables):
        sql(database, f"CREATE TABLE t{number} (id serial); INSERT INTO t{number} VALUES (50)")
    python, report = tmp_path / "python", tmp_path / "calls.json"
    python.write_text(_TRACER.format(python=sys.executable, report=str(report)))
    python.chmod(0o755)
    where = {
        "login_unix_socket": database["host"],
        "login_port": int(database["port"]),
        "login_user": database["user"],
        "login_db": database["dbname"],
    }
    result = run_module("pg_sequence_fix", where, python=python)
    assert len(result["changes"]) == tables
    called = [STATIONS[room] for room in json.loads(report.read_text()) if room in STATIONS]
    way = [station for station, _calls in itertools.groupby(called)]
    climbs = [pair for pair in itertools.pairwise(way) if WAY.index(pair[1]) < WAY.index(pair[0])]
    assert len(way) - 1 < 12 and len(climbs) <= 2, " ".join(way)
