# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of engine and controller: each imports only what stands before it, and none grows too large to be read."""

from __future__ import annotations

import ast
import collections
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
PACKAGE = "ansible_collections.pgops.sequences.plugins."

ENGINE = (
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
"""The way of the data on a managed host. A room imports from itself and from those before it."""

CONTROLLER = (
    "_text",
    "_settings",
    "_document",
    "_files",
    "_play",
    "_render",
    "_news",
    "_cutover",
    "_run",
)
"""And on the controller: what hosts are told to do, what came of it, as people and machines read it."""

ROOMS = {"module_utils": ENGINE, "plugin_utils": CONTROLLER}

PURE = tuple(f"module_utils.{room}" for room in ("_limits", "_model", "_reference", "_suspect", "_judge"))
"""Rooms that send no SQL and know no Ansible: of connecting they know only how names are quoted."""

LONGEST_FILE, LONGEST_CLASS, LONGEST_FUNCTION = 400, 200, 60


WAY = tuple(f"{tree}.{room}" for tree, rooms in ROOMS.items() for room in rooms)


def _files(room: str) -> list[Path]:
    path = PLUGINS.joinpath(*room.split("."))
    return sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


FILES = {str(path.relative_to(PLUGINS)): (room, path) for room in WAY for path in _files(room)}

READ = {
    str(path.relative_to(ROOT)): path
    for folder in ("plugins", "extensions", "roles")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
"""Everything that is shipped."""


def _imported(path: Path) -> Iterator[str]:
    """What a file imports, for running and for types alike, by absolute names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: imports of the collection are absolute"
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def _rooms(path: Path) -> set[str]:
    """The rooms of the collection that a file imports from."""
    inside = (found[len(PACKAGE) :].split(".") for found in _imported(path) if found.startswith(PACKAGE))
    return {f"{tree}.{room}" for tree, room, *_rest in inside}


@pytest.mark.parametrize("name", FILES)
def test_a_room_imports_only_what_stands_before_it(name: str) -> None:
    room, path = FILES[name]
    assert _rooms(path) <= set(WAY[: WAY.index(room) + 1])


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("module_utils")])
def test_what_runs_on_a_managed_host_knows_nothing_of_the_controller(name: str) -> None:
    assert not [room for room in _rooms(FILES[name][1]) if not room.startswith("module_utils.")]


@pytest.mark.parametrize("room", [room for room in WAY if PLUGINS.joinpath(*room.split(".")).is_dir()])
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
        assert inside.startswith((*PURE, "module_utils._postgres.quoting.")) or not found.startswith(
            ("ansible", "psycopg")
        ), found


@pytest.mark.parametrize("name", READ)
def test_nothing_is_too_long_to_be_read(name: str) -> None:
    text = READ[name].read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            assert node.end_lineno is not None
            longest = LONGEST_CLASS if isinstance(node, ast.ClassDef) else LONGEST_FUNCTION
            assert node.end_lineno - node.lineno < longest, f"{node.name} is too long"


@pytest.mark.parametrize("tree", ROOMS)
def test_no_two_classes_bear_one_name(tree: str) -> None:
    where = collections.defaultdict(list)
    for name, (_room, path) in FILES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and name.startswith(tree):
                where[node.name.lstrip("_")].append(name)
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


@pytest.mark.parametrize("tree", ROOMS)
def test_every_room_has_its_place_on_the_way(tree: str) -> None:
    others = ("_module",)
    found = {path.stem for path in (PLUGINS / tree).iterdir() if not path.name.startswith("__")}
    assert {name for name in found if name not in others} == set(ROOMS[tree])


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith("__init__.py")])
def test_every_file_says_that_it_is_private(name: str) -> None:
    what = "module" if name.startswith("module_utils") else "plugin"
    assert f"# This {what} util is PRIVATE to the collection" in FILES[name][1].read_text()
