# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""The variables of a play's hosts in, the document about them out; and who runs the play."""

from __future__ import annotations

import datetime
import functools
import getpass
import json
import os
import socket
import typing as t
from pathlib import Path

import yaml
from ansible.errors import AnsibleActionFail
from ansible.release import __version__ as ansible_version

from ansible_collections.pgops.sequences.plugins.plugin_utils._fleet import (
    FAILING,
    FAILURE,
    RESULTS,
    Run,
    build_document,
    outcome_of,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ansible_collections.pgops.sequences.plugins.plugin_utils._fleet import Document

FLEET_ARGUMENTS: dict[str, t.Any] = {
    "hosts": {"type": "list", "elements": "str", "required": True},
    "run": {
        "type": "str",
        "required": True,
        "choices": ["check", "fix", "auto_fix", "restore", "reset", "info"],
    },
    "fail_on": {"type": "str", "default": "critical", "choices": list(FAILING)},
}
"""Options of the actions that tell of several hosts."""

_T = t.TypeVar("_T")


def document_of(hosts: Iterable[str], run: str, check_mode: bool, hostvars: t.Any, now: datetime.datetime) -> Document:
    """What the role's tasks left in the variables of hosts, put together; a host that was not tried is left out.

    :arg hosts: their names
    :arg run: the entry point
    :arg check_mode: whether changes were only foretold
    :arg hostvars: Ansible's variable of that name
    :arg now: in UTC
    """
    outcomes = {}
    for host in hosts:
        # What modules returned holds nothing to be templated.
        variables = hostvars.raw_get(host)
        ours = {name: variables[name] for name in (*RESULTS, FAILURE) if name in variables}
        outcome = outcome_of(json.loads(json.dumps(ours, default=str)), run, check_mode)
        if outcome is not None:
            outcomes[host] = outcome
    made = Run(run, check_mode, now.strftime("%Y-%m-%dT%H:%M:%SZ"), collection_version(), ansible_version)
    return build_document(outcomes, made)


@functools.cache
def collection_version() -> str:
    """This collection's version, as installed or in a checkout."""
    root = Path(__file__).resolve().parents[2]
    if (root / "MANIFEST.json").exists():
        return str(json.loads((root / "MANIFEST.json").read_text())["collection_info"]["version"])
    return str(yaml.safe_load((root / "galaxy.yml").read_text())["version"])


def who() -> str:
    """Who runs this, and on which controller."""
    return f"{os.environ.get('SUDO_USER') or _user()}@{socket.gethostname()}"


def or_tell(variable: str, path: Path, work: Callable[[], _T]) -> _T:
    """Do what writes to a path that a variable names.

    :returns: what it returns
    :raises AnsibleActionFail: it could not write
    """
    try:
        return work()
    except OSError as error:
        what = f"{error.strerror}: {error.filename}" if error.strerror else str(error)
        raise AnsibleActionFail(
            f"{variable}: cannot write {path} on the controller as user {_user()}: {what}. No database was touched by"
            " this; give that user the folder, or name another."
        ) from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a user that has no name.
        return f"uid {os.getuid()}"
