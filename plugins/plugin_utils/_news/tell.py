# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""Tells what is new or over on hosts, each destination for the hosts that name it, and remembers what was told."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shlex
import socket
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._news import alerts as _alerts
from ansible_collections.pgops.sequences.plugins.plugin_utils._news import memory as _memory
from ansible_collections.pgops.sequences.plugins.plugin_utils._news import send as _send
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.play import MONITOR, WriteError, or_tell
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import sentence, visible

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ansible_collections.pgops.sequences.plugins.plugin_utils._play.hosts import Fleet
    from ansible_collections.pgops.sequences.plugins.plugin_utils._settings.settings import Settings

_MAIL = (
    "mail_to",
    "mail_from",
    "mail_host",
    "mail_port",
    "mail_username",
    "mail_password",
    "mail_secure",
    "mail_ca_cert",
)
_WEBHOOK = ("webhook_url", "webhook_format", "webhook_ca_cert")
_SECRET = ("mail_password",)


class ToldError(Exception):
    """It was told, but there is something to be said about that; the text is whole sentences."""


def tell_all(fleet: Fleet, commands: _alerts.Commands) -> tuple[dict[str, str], list[str]]:
    """Tell what is news, each destination for the hosts that name it.

    :returns: what could not be told, by host; what was told, in a line each
    """
    failures: dict[str, list[str]] = {}
    told: list[str] = []
    for channel, names, tell in (("mail", _MAIL, _mail), ("webhook", _WEBHOOK, _webhook)):
        for hosts in fleet.by(functools.partial(_destination, names)).values():
            settings, said = fleet.settings[hosts[0]], ""
            try:
                told += _tell(fleet, hosts, channel, names, tell, commands)
            except ToldError as error:
                said = visible(str(error))
            except (WriteError, _send.SendError) as error:
                server = f"{settings.get('mail_host')}:{settings.get('mail_port')}"
                word = f"No mail was sent by {server}" if channel == "mail" else "The webhook did not take the message"
                said = sentence(f"{word}: {visible(str(error))}. The next run tries again")
            for host in hosts if said else ():
                failures.setdefault(host, []).append(said)
    return {host: " ".join(sentences) for host, sentences in failures.items()}, told


def _tell(
    fleet: Fleet,
    hosts: list[str],
    channel: str,
    names: tuple[str, ...],
    tell: Callable[[Mapping[str, t.Any], _alerts.Alert], list[str]],
    commands: _alerts.Commands,
) -> list[str]:
    """Tell one destination what is news of some hosts, and remember that.

    :returns: what was told, in a line each
    :raises WriteError: what was told before can be neither read nor written
    :raises SendError: it did not go out
    :raises ToldError: it went out, but not to all, or that could not be remembered
    """
    settings = fleet.settings[hosts[0]]
    values = {name: settings.get(name) for name in names}
    open_ones = {name: value for name, value in values.items() if name not in _SECRET}
    key = f"{channel}:{hashlib.sha256(json.dumps(open_ones, sort_keys=True).encode()).hexdigest()[:16]}"
    state = settings.alert_state
    document = fleet.document(hosts)

    def work() -> list[str]:
        with _memory.locked(state):
            memory = _memory.read(state, key)
            reminder = float(settings.get("alert_reminder"))
            decision = _alerts.decide(document, memory, reminder, commands, fleet.not_logged)
            if decision.alert is None:
                return []
            refused = tell(values, decision.alert)
            try:
                _memory.write(state, key, decision.memory)
            except OSError as error:
                raise ToldError(
                    f"It was sent by {channel}, but that could not be remembered, so the next run sends it again:"
                    f" pg_sequences_alert_state: {state}: {error.strerror or error}."
                ) from None
            if refused:
                raise ToldError(f"The mail server refused {', '.join(refused)}; all others have it.")
            return [f"{channel}: {_alerts.subject(decision.alert)}"]

    return or_tell("pg_sequences_alert_state", state, work)


def _destination(names: tuple[str, ...], settings: Settings) -> str | None:
    """What tells a destination from others: all that is set about it, and where what it was told is kept."""
    if not settings.get(names[0]):
        return None
    values = [settings.get(name) for name in names]
    return json.dumps([values, settings.get("alert_reminder"), str(settings.alert_state)])


def _mail(values: Mapping[str, t.Any], alert: _alerts.Alert) -> list[str]:
    return _send.mail(values, _alerts.subject(alert), _alerts.text(alert), _alerts.page(alert))


def _webhook(values: Mapping[str, t.Any], alert: _alerts.Alert) -> list[str]:
    slack = "hooks.slack.com" in values["webhook_url"]
    _send.webhook(values, _alerts.body(alert, values["webhook_format"] or ("slack" if slack else "json")))
    return []


def commands_of(task_vars: Mapping[str, t.Any]) -> _alerts.Commands:
    """How a playbook is run where this run is: by the monitor's command, or with this run's inventory."""
    if monitor := os.environ.get(MONITOR):
        return _alerts.Commands(socket.gethostname(), monitor)
    sources = [source for source in task_vars.get("ansible_inventory_sources") or [] if isinstance(source, str)]
    inventory = " ".join(f"-i {shlex.quote(source)}" for source in sources)
    return _alerts.Commands(socket.gethostname(), f"ansible-playbook {inventory}".strip())
