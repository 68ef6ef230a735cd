# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release, made of this tree in a repository of its own: up to what leaves the machine, and refused where something is amiss."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from support.toolchain import ROOT, copy_tree

VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """This tree as the only commit of a repository, with the environment that runs the tests."""
    place = tmp_path / "sequences"
    shutil.copytree(copy_tree(), place, ignore=shutil.ignore_patterns(".git", ".cache"))
    (place / ".venv").symlink_to(Path(sys.prefix))
    # What is ignored as a folder is a link here.
    with (place / ".gitignore").open("a") as ignored:
        ignored.write("/.venv\n")
    git(place, "init", "--quiet", "--initial-branch", "main")
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--message", "All of it")
    return place


def environment() -> dict[str, str]:
    somebody = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**os.environ, **somebody}


def git(place: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=place, env=environment(), check=True, capture_output=True, text=True)
    return done.stdout


def release(place: Path, checks: str = "true") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [".ci/release"],
        cwd=place,
        env={**environment(), "CHECKS": checks},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_it_is_made_whole(clone: Path) -> None:
    done = release(clone)
    assert done.returncode == 0, done.stdout
    assert "## v" + VERSION.replace(".", "\\.") in (clone / "CHANGELOG.md").read_text()
    assert not list((clone / "changelogs" / "fragments").glob("*.yml"))
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "tag", "--points-at", "HEAD").strip() == VERSION
    file = clone / ".cache" / "release" / f"pgops-sequences-{VERSION}.tar.gz"
    with tarfile.open(file) as archive:
        assert "changelogs/changelog.yaml" in archive.getnames()
        assert archive.extractfile("CHANGELOG.md").read() == (clone / "CHANGELOG.md").read_bytes()  # type: ignore[union-attr]
    again = release(clone)
    assert again.returncode == 1 and f"{VERSION} is released" in again.stdout


def test_it_is_refused_and_nothing_is_done(clone: Path) -> None:
    before = git(clone, "rev-parse", "HEAD")
    assert release(clone, checks="false").returncode == 1
    (clone / "left.txt").touch()
    done = release(clone)
    assert done.returncode == 1 and "changes that are not committed" in done.stdout
    (clone / "left.txt").unlink()
    for fragment in (clone / "changelogs" / "fragments").glob("*.yml"):
        fragment.write_text("".join(fragment.read_text().partition("minor_changes:")[1:]))
    git(clone, "commit", "--all", "--quiet", "--message", "No summary")
    done = release(clone)
    assert done.returncode == 1 and "release_summary" in done.stdout
    assert git(clone, "rev-parse", "HEAD~").strip() == before.strip() and git(clone, "tag") == ""
