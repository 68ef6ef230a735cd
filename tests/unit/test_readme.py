# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README holds true where it is read, here and on Galaxy: its links, its table of what was tried, its version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cores
import pytest
import yaml

from support import record

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())
HERE = re.escape(GALAXY["repository"])


def test_it_is_short() -> None:
    # The tables grow with what is tried.
    by_hand = record.with_tables(README, {"cores": {}, "servers": {}})
    assert len(by_hand.splitlines()) <= 150


def test_its_tables_are_those_of_the_record() -> None:
    assert record.with_tables(README, record.read()) == README


def test_what_it_says_is_supported_is_what_is_tried() -> None:
    newest, oldest = max(cores.CORES, key=_number), min(cores.CORES, key=_number)
    assert f"ansible-core {oldest} to {newest}" in " ".join(README.split())
    assert set(record.read()["cores"]) <= {*cores.CORES, cores.CANDIDATE[0]}
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert runtime["requires_ansible"] == f">={oldest}.0"


def _number(core: str) -> list[int]:
    return [int(part) for part in core.split(".")]


def test_a_run_is_kept_and_one_that_fails_takes_it_away(tmp_path: Path) -> None:
    path, readme = tmp_path / "support.json", tmp_path / "README.md"
    readme.write_text(README)
    row = {"release": "19.0", "python": "3.11", "driver": "psycopg2 2.9", "passed": 7, "tests": "tests/server"}
    for server in (19, 9):
        record.keep("servers", f"3.11 psycopg2 {server}", {**row, "release": f"{server}.0"}, path, readme)
    assert list(record.read(path)["servers"]) == ["3.11 psycopg2 9", "3.11 psycopg2 19"]
    assert "| 9.0, 19.0 | 3.11 | psycopg2 2.9 | 7 | tests/server |" in readme.read_text()
    record.keep("servers", "3.11 psycopg2 19", None, path, readme)
    assert "19.0" not in readme.read_text()


def test_its_links_lead_to_what_is_there() -> None:
    # Galaxy and an installed collection know nothing of what lies beside it.
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links and not [link for link in links if not link.startswith("https://")]
    pictures = re.escape(GALAXY["repository"].replace("github.com", "raw.githubusercontent.com"))
    ours = re.findall(rf"(?:{HERE}/(?:blob|tree)/main|{pictures}/main)/([^)#]+)", README)
    assert len(ours) > 10 and any(name.endswith(".png") for name in ours)
    assert not [name for name in ours if not (ROOT / name).exists()]


def test_its_file_is_the_one_that_is_built() -> None:
    assert set(re.findall(r"pgops-sequences-([\d.]+)\.tar", README)) == {GALAXY["version"]}


def documented() -> list[tuple[str, str]]:
    """Everything that says since when it is there, and since when."""
    found = []
    for path in (path for folder in ("plugins", "roles", "extensions") for path in (ROOT / folder).rglob("*")):
        if path.suffix in (".py", ".yml") and path.is_file():
            places = re.findall(r"version_added: *['\"]?([\w.]+)", path.read_text())
            found += [(str(path.relative_to(ROOT)), version) for version in places]
    return found


def test_nothing_is_newer_than_the_release() -> None:
    found = documented()
    assert len(found) > 10
    newest = _number(GALAXY["version"])
    assert [(name, version) for name, version in found if _number(version) > newest] == []


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "modules").glob("*.py")), ids=lambda path: path.stem)
def test_every_module_says_since_when(path: Path) -> None:
    assert (str(path.relative_to(ROOT))) in [name for name, _version in documented()]


@pytest.mark.parametrize("role", sorted(path.parent.name for path in (ROOT / "roles").glob("*/meta")), ids=str)
def test_every_entry_point_says_since_when(role: str) -> None:
    path = ROOT / "roles" / role / "meta" / "argument_specs.yml"
    specs: dict[str, Any] = yaml.safe_load(path.read_text())["argument_specs"]
    assert [name for name, spec in specs.items() if not spec.get("version_added")] == []


def test_galaxy_is_told_of_every_extension_that_it_lists() -> None:
    told = yaml.safe_load((ROOT / "meta" / "extensions.yml").read_text())["extensions"]
    there = [path for path in (ROOT / "extensions" / "eda" / "plugins").iterdir() if any(path.glob("*.py"))]
    assert {entry["args"]["ext_dir"] for entry in told} == {f"eda/plugins/{path.name}" for path in there}
