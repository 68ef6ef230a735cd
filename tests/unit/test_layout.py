# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's rooms: each imports only what stands before it, and none grows too large to be read."""

from __future__ import annotations

import ast
import collections
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.pgops.sequences.plugins.module_utils."

ROOMS = (
    "_arguments",
    "_postgres",
    "_limits",
    "_model",
    "_reference",
    "_activity",
    "_suspect",
    "_discover",
    "_unchanged",
    "_observe",
    "_judge",
    "_audit",
    "_repair",
    "_run_repair",
    "_sentences",
    "_comparison",
    "_results",
    "_run",
    "_run_fix",
    "_restore",
)
"""The way of the data. A room imports from itself and from those before it."""

PURE = ("_limits", "_model", "_reference", "_suspect", "_judge")
"""Rooms that send no SQL and know no Ansible: of connecting they know only how names are quoted."""

LONGEST_FILE, LONGEST_CLASS, LONGEST_FUNCTION = 400, 200, 60


def _files(room: str) -> list[Path]:
    path = UTILS / room
    return sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


FILES = {str(path.relative_to(UTILS)): (room, path) for room in ROOMS for path in _files(room)}


def _imported(path: Path) -> Iterator[str]:
    """What a file imports, for running and for types alike, by absolute names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: imports of the collection are absolute"
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("name", FILES)
def test_a_room_imports_only_what_stands_before_it(name: str) -> None:
    room, path = FILES[name]
    before = ROOMS[: ROOMS.index(room) + 1]
    rooms = {found[len(PACKAGE) :].split(".")[0] for found in _imported(path) if found.startswith(PACKAGE)}
    assert rooms <= set(before)


@pytest.mark.parametrize("room", [room for room in ROOMS if (UTILS / room).is_dir()])
def test_files_of_a_room_do_not_import_each_other_in_a_circle(room: str) -> None:
    waiting = {
        path.stem: {
            found[len(PACKAGE) + len(room) + 1 :].split(".")[0]
            for found in _imported(path)
            if found.startswith(f"{PACKAGE}{room}.")
        }
        for path in _files(room)
    }
    while waiting:
        ready = [name for name, needed in waiting.items() if not needed & waiting.keys() - {name}]
        assert ready, f"these import each other: {sorted(waiting)}"
        for name in ready:
            del waiting[name]


@pytest.mark.parametrize("name", [name for name, (room, _path) in FILES.items() if room in PURE])
def test_pure_rooms_know_no_server_and_no_ansible(name: str) -> None:
    for found in _imported(FILES[name][1]):
        inside = found[len(PACKAGE) :] if found.startswith(PACKAGE) else ""
        assert inside.startswith((*PURE, "_postgres.quoting.")) or not found.startswith(("ansible", "psycopg")), found


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_too_long_to_be_read(name: str) -> None:
    text = FILES[name][1].read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            assert node.end_lineno is not None
            longest = LONGEST_CLASS if isinstance(node, ast.ClassDef) else LONGEST_FUNCTION
            assert node.end_lineno - node.lineno < longest, f"{node.name} is too long"


def test_no_two_classes_bear_one_name() -> None:
    where = collections.defaultdict(list)
    for name, (_room, path) in FILES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                where[node.name.lstrip("_")].append(name)
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def test_every_room_has_its_place_on_the_way() -> None:
    others = ("_module",)
    found = {path.stem for path in UTILS.iterdir() if not path.name.startswith("__")}
    assert {name for name in found if name not in others} == set(ROOMS)


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith("__init__.py")])
def test_every_file_says_that_it_is_private(name: str) -> None:
    assert "# This module util is PRIVATE to the collection" in FILES[name][1].read_text()
