# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""The command line of this run in, the next command out, to be pasted. Pure."""

from __future__ import annotations

import json
import os
import re
import shlex
import typing as t

import yaml
from ansible.parsing.splitter import parse_kv

from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SECRET = {
    *(name for name, spec in _variables.KNOWN.items() if spec.get("no_log")),
    "pg_sequences_connect_params",
    "ansible_password",
    "ansible_become_password",
    "ansible_ssh_pass",
}
# A template of the inventory may take a password from a variable of any name, such as vault_shop_password.
_LOOKS_SECRET = re.compile("pass|pwd|pw$|secret|token|vault|credential|key$", re.I)
_DEFAULT_CONNECTIONS = ("ssh", "smart")
_OF_RESTORE = frozenset(_variables.RESTORE)
_ASKED = {"ask_vault_pass": "-J", "ask_vault_passwords": "-J", "become_ask_pass": "-K", "connection_password": "-k"}


class Command:
    """How a playbook is run where this run is, with the inventory and the variables of this run.

    Passwords of the command line are left out: where one is, three dots stand in its place.
    """

    def __init__(self, begin: list[str], rest: list[tuple[str, list[str]]], own_play: bool = False) -> None:
        """Take what stands before the playbook's name, and what after it: by the variable's name, or an empty one.

        :arg own_play: whether the play is a user's own, whose variables stand in it
        """
        self._begin = begin
        self._rest = rest
        self.own_play = own_play

    @classmethod
    def of(cls, given: Mapping[str, t.Any], folder: str) -> Command:
        """Take it from Ansible's command line.

        :arg given: its arguments, as Ansible has read them
        :arg folder: the current one
        """
        begin = ["ansible-playbook"]
        for source in given.get("inventory") or ():
            if source != "/etc/ansible/hosts":
                begin += ["-i", _short(str(source), folder)]
        if given.get("remote_user"):
            begin += ["-u", str(given["remote_user"])]
        # Ansible's own defaults are not repeated.
        if given.get("connection") not in (None, *_DEFAULT_CONNECTIONS):
            begin += ["-c", str(given["connection"])]
        if given.get("private_key_file"):
            begin += ["--private-key", _short(str(given["private_key_file"]), folder)]
        if given.get("become"):
            begin.append("-b")
        if given.get("become_user"):
            begin += ["--become-user", str(given["become_user"])]
        begin += sorted({flag for name, flag in _ASKED.items() if given.get(name)})
        for name in given.get("vault_ids") or ():
            begin += ["--vault-id", str(name)]
        for file in given.get("vault_password_files") or ():
            begin += ["--vault-password-file", _short(str(file), folder)]
        rest = [each for text in given.get("extra_vars") or () for each in _extra(_text(text))]
        playbooks = given.get("args") or ()
        own = not any(str(name).startswith("pgops.sequences.") for name in playbooks)
        return cls(begin, rest, own)

    def run(self, playbook: str, hosts: Iterable[str] = (), variables: Mapping[str, t.Any] | None = None) -> str:
        """The command that runs one of the collection's playbooks.

        :arg hosts: the hosts to run it on; all of this run where none is named
        :arg variables: more variables, by their whole names
        """
        words = [*self._begin, f"pgops.sequences.{playbook}"]
        if limit := ",".join(sorted(hosts)):
            words += ["--limit", limit]
        words += [
            word
            for name, given in self._rest
            if playbook == "restore_then_fix" or name not in _OF_RESTORE
            for word in given
        ]
        for name, value in (variables or {}).items():
            words += ["-e", _assignment(name, value)]
        return shlex.join(words)


def _short(source: str, folder: str) -> str:
    """A path as somebody would type it in the current folder."""
    if not os.path.isabs(source):
        return source
    near = os.path.relpath(source, folder)
    return source if near.startswith("..") else near


def _text(value: t.Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _extra(text: str) -> list[tuple[str, list[str]]]:
    """One ``-e`` of the command line, without passwords: each variable by its name."""
    if text.startswith("@"):
        return [("", ["-e", text])]
    if text.lstrip()[:1] in ("{", "["):
        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError:
            return []
    else:
        found = parse_kv(text)
    if not isinstance(found, dict):
        return []
    return [
        (str(name), ["-e", _assignment(str(name), _open(str(name), value, str(name) in _variables.KNOWN))])
        for name, value in found.items()
        if str(name) != "pg_sequences_confirm"
    ]


def _open(name: str, value: t.Any, known: bool) -> t.Any:
    """A value without passwords, also of what is inside of it; only what is not the collection's own is judged by its looks."""
    if name in _SECRET or (not known and _LOOKS_SECRET.search(name)):
        return "..."
    if isinstance(value, dict):
        return {key: _open(str(key), part, known) for key, part in value.items()}
    return [_open("", part, known) for part in value] if isinstance(value, list) else value


def _assignment(name: str, value: t.Any) -> str:
    """A variable as ``-e`` takes it: JSON where a text could be read as something else."""
    if isinstance(value, str) and value and not set(value) & set(" \t\n\"'\\{}[]=,"):
        return f"{name}={value}"
    if isinstance(value, (bool, int, float)):
        return f"{name}={json.dumps(value)}"
    return json.dumps({name: value}, default=str)
