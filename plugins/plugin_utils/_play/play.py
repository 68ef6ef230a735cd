# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What a play knows of its hosts: their settings, what came of them, who runs it."""

from __future__ import annotations

import contextlib
import functools
import getpass
import json
import os
import shlex
import socket
import typing as t
from pathlib import Path

import yaml
from ansible import constants, context
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.utils.display import Display

from ansible_collections.pgops.sequences.plugins.plugin_utils._files import files as _files
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.command import Command
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import names as _names
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import settings as _settings
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ansible.plugins.action import ActionBase

_T = t.TypeVar("_T")


MONITOR = "PG_SEQUENCES_MONITOR_RUN"
"""The environment variable by which the monitor says how it is run by hand."""

VERBOSITY = 3
"""From where on results are printed as they are, for those who look for a fault."""


def is_for_people() -> bool:
    """Whether what Ansible prints is for people; lines of ours would break what a machine reads."""
    return "json" not in str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK"))


class Host(t.NamedTuple):
    """A host of the play.

    :ivar name: its name in the inventory
    :ivar variables: all that hold for it in the task at hand, those of the play and of the command line among them
    """

    name: str
    variables: Mapping[str, t.Any]


class _PlainFailure(AnsibleActionFail):
    """A failure that Ansible prints in one line."""

    omit_exception_key = True


def failed(result: dict[str, t.Any], message: str) -> dict[str, t.Any]:
    """An action's result as that of a failure.

    From ansible-core 2.19 on a result alone would be printed as an error of the code, with the lines of the task.

    :raises AnsibleActionFail: where this is how an action fails in one line
    """
    if hasattr(AnsibleActionFail, "omit_exception_key"):
        raise _PlainFailure(message, result=result)
    return {**result, "failed": True, "msg": message}


def refused(result: dict[str, t.Any], lines: list[str], again: bool = False) -> dict[str, t.Any]:
    """An action's result where it does nothing, and says why.

    The lines are printed whole, to be copied; Ansible would print them inside of JSON.

    :arg again: whether they have been printed before
    :raises AnsibleActionFail: as :func:`failed`
    """
    if not is_for_people():
        return failed(result, " ".join(lines))
    if not again:
        Display().display("\n".join(lines))
    return failed(result, "Nothing was done; what is wrong stands above")


class UnresolvedError(_names.SettingsError):
    """A variable whose template cannot be resolved: for this host perhaps, and for no other."""


def hosts_of(action: ActionBase, task_vars: Mapping[str, t.Any]) -> list[Host]:
    """All hosts of the play, each with the variables that it would have if the task at hand were its own.

    Those that stand with the task itself are left out.
    """
    manager = action._task.get_variable_manager()
    inventory, play = manager._inventory, action._task.get_play()
    task = action._task.copy()
    # Of the task alone: by them it reaches nobody (roles/pg_sequences/tasks).
    task.vars = {}
    names = task_vars["ansible_play_hosts_all"]
    return [Host(name, manager.get_vars(play=play, host=inventory.get_host(name), task=task)) for name in names]


def settings_of(
    action: ActionBase, host: Host, run: str, check_mode: bool, report_only: bool = False
) -> _settings.Settings:
    """A host's settings.

    :arg run: the run that they are for
    :arg check_mode: whether nothing will be changed
    :arg report_only: see only to what a report needs, as far as it can be made out
    :raises UnresolvedError: a template among its variables cannot be resolved
    :raises SettingsError: its variables cannot be meant
    """
    _names.refuse_from_outside(action._task.get_variable_manager().extra_vars)
    if not report_only:
        _names.refuse_serial(host.variables.get("pg_sequences_serial"))
    variables = _answered(action, host, run)
    ours = {name: variables[name] for name in _variables.ENTRY_POINTS[run] if name in variables}
    # Its setter takes a mapping, whatever its type says.
    templar: t.Any = action._templar
    before = templar.available_variables
    values = {}
    try:
        templar.available_variables = variables
        for name, value in ours.items():
            try:
                found = templar.template(value)
            except AnsibleError as error:
                if type(error).__name__ == "AnsibleValueOmittedError":
                    # From ansible-core 2.19 on, a template that comes to omit: it is not set.
                    continue
                if report_only:
                    # Its own run says so; what is left may still say where to.
                    continue
                raise UnresolvedError(f"{name} cannot be made out: {error.message}. Nothing was done") from None
            if not _is_omitted(found):
                values[name] = _settings.plain(found)
    finally:
        templar.available_variables = before
    return _settings.read(values, run, check_mode, host.variables, report_only)


def _answered(action: ActionBase, host: Host, run: str) -> Mapping[str, t.Any]:
    """A host's variables without the extra ones that were left empty, as in a form: they would hide what is set elsewhere."""
    manager = action._task.get_variable_manager()
    spec, given = _variables.ENTRY_POINTS[run], manager.extra_vars
    empty = {name for name, value in given.items() if name in spec and _settings.is_left_empty(name, value, spec[name])}
    if not empty:
        return host.variables
    try:
        manager._extra_vars = {name: value for name, value in given.items() if name not in empty}
        beneath = hosts_of(action, {"ansible_play_hosts_all": [host.name]})[0].variables
    finally:
        manager._extra_vars = given
    # What is set nowhere else stays empty: a rule may ask for it.
    return {**{name: given[name] for name in empty}, **beneath}


def _is_omitted(value: t.Any) -> bool:
    """Whether a value is ``omit``, which is a text in ansible-core up to 2.18, and an object after it."""
    return type(value).__name__.lstrip("_") == "OmitType" or str(value).startswith("__omit_place_holder__")


@functools.cache
def collection_version() -> str:
    """This collection's version, as installed or in a checkout."""
    root = Path(__file__).resolve().parents[3]
    if (root / "MANIFEST.json").exists():
        return str(json.loads((root / "MANIFEST.json").read_text())["collection_info"]["version"])
    return str(yaml.safe_load((root / "galaxy.yml").read_text())["version"])


def command_here() -> Command:
    """How a playbook is run where this run is: by the monitor's command, or as this run was."""
    if monitor := os.environ.get(MONITOR):
        return Command(shlex.split(monitor), [])
    return Command.of(context.CLIARGS, os.getcwd())


def who() -> str:
    """Who runs this, and on which controller."""
    return f"{os.environ.get('SUDO_USER') or user()}@{socket.gethostname()}"


def user() -> str:
    """The name of the user that runs this; a container may run as one that has none."""
    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return f"uid {os.getuid()}"


class WriteError(Exception):
    """A file on the controller that cannot be written; the text says which variable names it, and why."""


def or_tell(variable: str, path: Path, work: Callable[[], _T]) -> _T:
    """Do what writes to a path that a variable names.

    :returns: what it returns
    :raises WriteError: it could not write
    """
    try:
        return work()
    except OSError as error:
        what = f"{error.strerror}: {error.filename}" if error.strerror and error.filename else str(error)
        cure = "Make room there" if error.errno in _files.FULL else "Give that user the folder"
        raise WriteError(
            f"{variable}: cannot write {path} on the controller as user {user()}: {what}. {cure}, or name another."
        ) from None
