# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as it is published: what the file holds, and that it works where only what it declares is installed."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from support.run import sql
from support.toolchain import copy_tree

MOST_BYTES = 355_000
"""Without the guides, which grow. The code alone, as it is installed, is 304,000 of them."""

TOP = {
    *("CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "SECURITY.md"),
    *("docs", "examples", "extensions", "meta", "playbooks", "plugins", "roles"),
}
"""What has a place in it."""

AFTER_A_RELEASE = {"changelogs"}

DOCS = {"docs/docsite", "docs/report.schema.json"}


def run(*command: str | Path, **more: str) -> str:
    # Ansible's programs are those of this environment.
    program, *words = map(str, command)
    beside = Path(sys.executable).parent / program
    done = subprocess.run(
        [str(beside) if beside.exists() else program, *words],
        env={**os.environ, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    run("ansible-galaxy", "collection", "build", "--output-path", folder, copy_tree())
    (file,) = folder.glob("pgops-sequences-*.tar.gz")
    return file


@pytest.fixture(scope="module")
def installed(package: Path) -> Path:
    folder = package.parent / "collections"
    run("ansible-galaxy", "collection", "install", package, "-p", folder, "--offline")
    return folder


def test_it_holds_what_belongs_to_it_and_is_small(package: Path) -> None:
    with tarfile.open(package) as archive, io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=9) as without_guides:
            names = [member.name for member in archive if member.isfile()]
            for name in names:
                if not name.startswith("docs/docsite/"):
                    without_guides.addfile(archive.getmember(name), archive.extractfile(name))
        assert len(buffer.getvalue()) < MOST_BYTES
    top = {name.partition("/")[0] for name in names}
    assert top >= TOP and top - TOP <= AFTER_A_RELEASE, top
    assert {"/".join(name.split("/")[:2]) for name in names if name.startswith("docs/")} == DOCS
    assert not [name for name in names if re.search(r"\.(pyc|png|svg|webp|log)$|/\.|^\.", name)]


def test_what_it_needs_is_declared_and_enough(package: Path, installed: Path, database: dict[str, str]) -> None:
    found = yaml.safe_load(run("ansible-builder", "introspect", installed))
    system = {line.split()[0] for line in found["system"]}
    assert system == {"postgresql", "postgresql-client"}
    python = [line.partition("#")[0].strip() for line in found["python"]]
    environment = package.parent / "environment"
    run(sys.executable, "-m", "venv", environment)
    core = f"ansible-core=={metadata.version('ansible-core')}"
    run(environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", core, *python)
    sql(database, "CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40)")
    variables = {
        "pg_sequences_login_unix_socket": database["host"],
        "pg_sequences_login_port": int(database["port"]),
        "pg_sequences_database": database["dbname"],
    }
    run(
        *(environment / "bin" / "ansible-playbook", "-i", "localhost,", "-c", "local", "pgops.sequences.fix"),
        *("-e", json.dumps({**variables, "ansible_python_interpreter": str(environment / "bin" / "python")})),
        ANSIBLE_COLLECTIONS_PATH=str(installed),
        PYTHONPATH="",
    )
    assert sql(database, "SELECT nextval('orders_id_seq')") == [(41,)]
