# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the collection's modules and playbooks, and SQL, the way users do: as processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import Any

import psycopg2

from .servers import Server
from .toolchain import CACHE, link_tree

_TIMEOUT = 300.0


def sql(
    dsn: Mapping[str, Any], statement: str, params: Sequence[object] | Mapping[str, object] | None = None
) -> list[tuple[Any, ...]]:
    """Run a statement in a connection of its own, committed at once; return its rows, if any."""
    connection = psycopg2.connect(**dsn)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, params)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def wait_for_replay(primary: Server, standby: Server, seconds: float = 30.0) -> None:
    """Wait until a standby has replayed everything that the primary has written so far.

    Raises:
        TimeoutError: it has not within that many seconds.
    """
    ((position,),) = sql(primary.dsn(), "SELECT pg_current_wal_lsn()")
    deadline = time.monotonic() + seconds
    while sql(standby.dsn(), "SELECT pg_last_wal_replay_lsn() >= %s", [position]) != [(True,)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the standby did not replay {position} within {seconds:.0f} seconds")
        time.sleep(0.02)


def run_module(
    name: str,
    args: Mapping[str, Any],
    check: bool = False,
    diff: bool = False,
    python: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a module as on a managed host: only ``ansible.module_utils`` and the collection can be imported.

    Args:
        name: the module's short name.
        args: its options.
        check: whether in check mode.
        diff: whether in diff mode.
        python: the interpreter, this one by default; another must have the database driver.
        env: environment variables on top of this process's.

    Returns:
        What the module returned; ``failed`` is true where it failed.

    Raises:
        AssertionError: it did not end as a module has to, with one JSON object and no traceback.
    """
    with tempfile.TemporaryDirectory(prefix="pgops-module-") as scratch:
        internal = {"check_mode": check, "diff": diff, "remote_tmp": scratch, "verbosity": 0, "module_name": name}
        arguments = Path(scratch, "arguments.json")
        arguments.write_text(
            json.dumps({"ANSIBLE_MODULE_ARGS": {**args, **{f"_ansible_{key}": to for key, to in internal.items()}}})
        )
        done = subprocess.run(
            [str(python or sys.executable), "-m", f"ansible_collections.pgops.sequences.plugins.modules.{name}"]
            + [str(arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=scratch,
            env={**_environment(), "PYTHONPATH": f"{_target_path()}:{link_tree()}", **(env or {})},
            timeout=_TIMEOUT,
            check=False,
        )
    try:
        result = json.loads(done.stdout)
    except ValueError:
        result = None
    if not isinstance(result, dict) or "Traceback" in done.stderr or done.returncode not in (0, 1):
        raise AssertionError(
            f"{name} ended with code {done.returncode} and this output:\n{done.stdout}\n{done.stderr}".rstrip()
        )
    return {"failed": done.returncode != 0, **result}


def run_playbook(
    playbook: str | os.PathLike[str],
    host_vars: Mapping[str, Any],
    *args: str,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``ansible-playbook`` against localhost; whether it succeeded is for the caller to judge.

    Args:
        playbook: a path, or a name such as ``pgops.sequences.check``.
        host_vars: variables of the host.
        args: more of the command line, for example ``--check``.
        env: environment variables on top of this process's.

    Returns:
        Exit code, standard output and standard error.
    """
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    with tempfile.TemporaryDirectory(prefix="pgops-playbook-") as scratch:
        inventory = Path(scratch, "inventory.json")
        inventory.write_text(json.dumps({"all": {"hosts": {"localhost": {**local, **host_vars}}}}))
        # An empty configuration where Ansible looks first, lest it finds the developer's.
        Path(scratch, "ansible.cfg").touch()
        return subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory)]
            + [str(Path(playbook).absolute() if Path(playbook).exists() else playbook), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=scratch,
            env={
                **_environment(),
                "ANSIBLE_COLLECTIONS_PATH": str(link_tree()),
                "ANSIBLE_HOME": scratch,
                "ANSIBLE_NOCOLOR": "1",
                **(env or {}),
            },
            timeout=_TIMEOUT,
            check=False,
        )


def told(output: str) -> str:
    """What a playbook printed, with lines that were wrapped put together again."""
    return " ".join(re.sub(r'",\n\s*"\s*', " ", output).split())


def _environment() -> dict[str, str]:
    """Return this process's environment without what libpq or Ansible would obey."""
    foreign = ("PG", "ANSIBLE_", "PYTHONPATH", "LC_", "LANG")
    # Ansible insists on a UTF-8 locale.
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {"LC_ALL": "C.UTF-8"}


def _target_path() -> Path:
    """Return an import path with what Ansible sends to a managed host of itself: ``ansible.module_utils``."""
    version = metadata.version("ansible-core")
    package = CACHE / f"target-{version}" / "ansible"
    spec = util.find_spec("ansible")
    assert spec is not None and spec.origin is not None
    source, link = Path(spec.origin).parent / "module_utils", package / "module_utils"
    # The environment it was made from may be gone.
    if not (package / "__init__.py").exists() or link.resolve() != source.resolve():
        package.mkdir(parents=True, exist_ok=True)
        if link.is_symlink() and link.resolve() != source.resolve():
            link.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError):
            link.symlink_to(source)
        (package / "__init__.py").write_text(f'__version__ = "{version}"\n__author__ = "Ansible, Inc."\n')
    return package.parent
