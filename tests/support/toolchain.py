# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Makefile needs beyond a command line: the collection's trees, ansible-test, the stages of a test run.

As a program: ``toolchain.py link``, ``copy``, ``sanity``, ``units``, ``targets`` or ``stages STAGE...``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

sys.path.insert(0, str(ROOT / "tests"))

from support.left_out import is_excused, read  # noqa: E402

CACHE = ROOT / ".cache"
COLLECTION = Path("ansible_collections", "pgops", "sequences")

# Each of ansible-test's commands, as it is run here: those that need no other environment run in this one.
_ANSIBLE_TEST = {
    "sanity": ("sanity", "--requirements"),
    "units": ("units", "--local"),
    "targets": ("integration", "--local"),
}

# Files of get-pip, by their names in ansible-core 2.17, 2.18 and 2.19, 2.20 and 2.21.
_GET_PIP_NAMES = ("get_pip_23_1_2.py", "get_pip_24_2.py", "get_pip_25_2.py")


def link_tree() -> Path:
    """Return a collections path in which this checkout stands as the collection, by a symbolic link."""
    tree = CACHE / "tree"
    link = tree / COLLECTION
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(ROOT)
    return tree


def copy_tree() -> Path:
    """Return a copy of the collection under its name, for tools that take no link: all files that git does not ignore.

    The copy is brought up to date rather than made anew, so that the tools' own caches in it survive.
    """
    place = CACHE / "copy" / COLLECTION
    place.mkdir(parents=True, exist_ok=True)
    if not (place / ".git").exists():
        # The copy lies in a folder that git ignores: without a repository of its own the tools would see no files.
        subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)
    wanted = {name for name in _listed(ROOT) if (ROOT / name).is_file()}
    for name in _listed(place) - wanted:
        (place / name).unlink()
        with contextlib.suppress(OSError):
            # Ends at the first folder that is not empty.
            os.removedirs((place / name).parent)
    for name in wanted:
        source, target = ROOT / name, place / name
        if _is_the_same(source, target):
            # Another tool may be reading it.
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    return place


def _is_the_same(source: Path, target: Path) -> bool:
    """Whether a file was copied, and its mode and content are as they were then."""
    if not target.exists():
        return False
    return all(
        getattr(source.stat(), name) == getattr(target.stat(), name) for name in ("st_mode", "st_size", "st_mtime_ns")
    )


def _listed(folder: Path) -> set[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    output = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    return set(filter(None, output.split("\0")))


def ansible_test(command: str, *arguments: str) -> int:
    """Run a command of ansible-test on a copy of the collection, with this Python; return its exit code."""
    place = copy_tree()
    home = CACHE / "home"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name in _GET_PIP_NAMES:
        # ansible-test would download a pip for its environments; Python has one.
        (cache / name).write_text("import ensurepip\n\nensurepip.bootstrap()\n")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    words = [command, *arguments, "--python", version]
    print(f"ansible-test {' '.join(words)}", flush=True)
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    program = str(Path(sys.executable).with_name("ansible-test"))
    return subprocess.run([program, *words], cwd=place, env=environment, check=False).returncode


def stages(names: Sequence[str]) -> int:
    """Make each target, also after one has failed; end with a summary; return 1 if any failed, else 0.

    With ``PGOPS_NEED_ALL`` set, it is a failure as well that tests were left out because a program, a right or a server is missing;
    not one that is not released yet.
    """
    lines = []
    failed = False
    CACHE.mkdir(exist_ok=True)
    kept = CACHE / "left_out"
    kept.unlink(missing_ok=True)
    environment = {**os.environ, "PGOPS_LEFT_OUT": str(kept)}
    for name in names:
        print(f"\n== {name}", flush=True)
        begin = time.monotonic()
        code = subprocess.run(["make", "--no-print-directory", name], cwd=ROOT, env=environment, check=False).returncode
        lines.append(f"{name:<12} {'failed' if code else 'passed'} {time.monotonic() - begin:6.0f} s")
        failed = failed or code != 0
    print("", "== summary", *lines, sep="\n", flush=True)
    told = read(kept)
    print("", "== left out", *(told or ["nothing: all that tests need was there"]), sep="\n", flush=True)
    if os.environ.get("PGOPS_NEED_ALL") and not all(map(is_excused, told)):
        print("PGOPS_NEED_ALL is set: that is a failure", flush=True)
        failed = True
    return int(failed)


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description="Helpers of the Makefile.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("link", help="link this checkout into a collections path, and print it")
    commands.add_parser("copy", help="copy the collection into a tree, and print its folder")
    for name, words in _ANSIBLE_TEST.items():
        commands.add_parser(name, help=f"run ansible-test {words[0]} on a copy")
    commands.add_parser("stages", help="make some targets and sum up").add_argument("names", nargs="+", metavar="STAGE")
    options = parser.parse_args()
    if options.command == "stages":
        return stages(options.names)
    if options.command in _ANSIBLE_TEST:
        return ansible_test(*_ANSIBLE_TEST[options.command])
    print({"link": link_tree, "copy": copy_tree}[options.command]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
