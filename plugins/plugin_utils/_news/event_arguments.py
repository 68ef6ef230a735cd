# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""The arguments of the event source.

Loaded by its path, as the loader of event sources knows no collections, so that it imports nothing of the collection.
"""

from __future__ import annotations

import difflib
import math
import runpy
import sys
import typing as t
from pathlib import Path

try:
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
except ImportError as missing:
    raise ImportError(
        f"pgops.sequences.pg_sequences needs ansible-core in the environment of ansible-rulebook, {sys.executable}: {missing}"
    ) from None

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_STATUSES = ("critical", "unknown", "warning")

_SOURCE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "servers": {"type": "list", "elements": "dict"},
    "interval": {"type": "float", "default": 60.0},
    "timeout": {"type": "float", "default": 300.0},
    "heartbeat": {"type": "float", "default": 300.0},
    "remind": {"type": "float", "default": 0.0},
    "statuses": {"type": "list", "elements": "str", "choices": list(_STATUSES), "default": list(_STATUSES)},
    "concurrency": {"type": "int", "default": 10},
    "initial": {"type": "bool", "default": True},
}


class ArgumentError(ValueError):
    """An argument cannot be used; the text names it and says what would be right."""


class Server(t.NamedTuple):
    """One server to watch.

    :ivar name: what events call it
    :ivar position: its place among all servers, from 0
    :ivar options: the module's options, as they were given
    :ivar login: where it is, for events
    """

    name: str
    position: int
    options: Mapping[str, t.Any]
    login: Mapping[str, t.Any]


class SourceSettings(t.NamedTuple):
    """The source's own arguments; times are in seconds, 0 is never."""

    interval: float
    timeout: float
    heartbeat: float
    remind: float
    statuses: Collection[str]
    concurrency: int
    initial: bool


def read_arguments(args: Mapping[str, t.Any]) -> tuple[list[Server], SourceSettings]:
    """Check the arguments that a rulebook gives.

    :raises ArgumentError: the first that cannot be used
    """
    # The module's own rules, which cannot be imported: the loader of event sources knows no collections.
    rules = runpy.run_path(str(Path(__file__).parents[2] / "module_utils" / "_arguments.py"))
    module_options = {**rules["connection_arguments"](), **rules["audit_arguments"]()}
    del module_options["show_all"]
    server_options = {"name": {"type": "str"}, **module_options}

    one = {name: value for name, value in args.items() if name not in _SOURCE_OPTIONS}
    if args.get("servers") is None:
        _refuse_unknown(one, {**_SOURCE_OPTIONS, **server_options}, "")
        listed = [one]
    else:
        if one:
            _refuse_unknown(one, {**_SOURCE_OPTIONS, **server_options}, "")
            raise ArgumentError(f"{', '.join(sorted(one))} cannot stand beside servers; give it to each of them")
        listed = args["servers"]
        # A list written as text would be taken apart at its commas.
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed) or not listed:
            raise ArgumentError("servers must be a list of dictionaries, one for each server")
    own = {name: value for name, value in args.items() if name in _SOURCE_OPTIONS and name != "servers"}
    values = _validated(own, _SOURCE_OPTIONS, "")
    del values["servers"]
    settings = SourceSettings(**values)
    for name in ("interval", "timeout", "heartbeat", "remind", "concurrency"):
        value, may_be_none = values[name], name in ("heartbeat", "remind")
        # Written so that NaN, which compares false with everything, is refused.
        if not (1 <= value < math.inf or (may_be_none and value == 0)):
            raise ArgumentError(f"{name} is {value:g}; it must be 1 or more{', or 0 for none' if may_be_none else ''}")

    servers: list[Server] = []
    for position, given in enumerate(listed):
        options = {name: value for name, value in given.items() if name != "name" and value is not None}
        place = f"servers[{position}]: " if args.get("servers") is not None else ""
        _refuse_unknown(given, server_options, place)
        params = _validated(given, server_options, place)
        try:
            rules["check_values"](params)
        except rules["OptionError"] as error:
            raise ArgumentError(without_secrets(f"{place}{error}", given)) from None
        login = {name: params[f"login_{name}"] or None for name in ("host", "port", "unix_socket")}
        name = params["name"] or f"{login['host'] or login['unix_socket'] or 'localhost'}:{login['port']}"
        if any(server.name == name for server in servers):
            raise ArgumentError(f'{place}another server is called "{name}"; give each a name of its own')
        servers.append(Server(name, position, options, login))
    return servers, settings


def _refuse_unknown(given: Mapping[str, t.Any], spec: Mapping[str, t.Any], place: str) -> None:
    known = {*spec, *(alias for option in spec.values() for alias in option.get("aliases", ()))}
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1, 0)
            raise ArgumentError(f'{place}there is no option "{name}"; did you mean "{close[0]}"?')


def _validated(given: Mapping[str, t.Any], spec: Mapping[str, t.Any], place: str) -> dict[str, t.Any]:
    """Values of the right types, with defaults."""
    done = ArgumentSpecValidator(spec).validate({name: value for name, value in given.items() if value is not None})
    if done.error_messages:
        raise ArgumentError(without_secrets(place + done.error_messages[0], given))
    return dict(done.validated_parameters)


def without_secrets(text: str, options: Mapping[str, t.Any]) -> str:
    """A text without what may be a password among options."""
    connect_params = options.get("connect_params")
    more = connect_params.values() if isinstance(connect_params, dict) else [connect_params]
    for secret in {str(value) for value in (options.get("login_password"), *more) if value not in (None, "")}:
        text = text.replace(secret, "********")
    return text
