# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""Every variable of the roles, once: its type, its choices, and which option of which module it is.

The roles' ``meta/argument_specs.yml`` say the same for people, with defaults; a test holds the two together. Pure.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import (
    audit_arguments,
    connection_arguments,
    repair_arguments,
)

if t.TYPE_CHECKING:
    Spec = dict[str, dict[str, t.Any]]

PREFIX = "pg_sequences_"
"""What the names of all variables begin with."""

_TEXTS: dict[str, t.Any] = {"type": "list", "elements": "str"}
_KEPT = ("type", "elements", "choices", "options", "no_log")


def _named(options: Spec) -> Spec:
    """A module's options as variables. They have no defaults of their own: what is not set is left to the module."""
    return {PREFIX + name: {key: spec[key] for key in _KEPT if key in spec} for name, spec in options.items()}


CONNECTION: Spec = {
    **_named(connection_arguments()),
    "pg_sequences_ssl_rootcert": {"type": "str"},
    "pg_sequences_become_user": {"type": "str"},
}
"""Where to connect to and as whom."""

SELECTION: Spec = {
    "pg_sequences_database": {"type": "str"},
    "pg_sequences_app": {"type": "str"},
    "pg_sequences_table": {"type": "str"},
    **{
        name: spec
        for name, spec in _named(audit_arguments()).items()
        if name
        not in (
            "pg_sequences_show_all",
            "pg_sequences_login_db",
            "pg_sequences_reference",
            "pg_sequences_reference_databases",
        )
    },
}
"""What is looked at, and how it is judged."""

REFERENCE: Spec = {
    "pg_sequences_reference": {"type": "list", "elements": "dict"},
    "pg_sequences_reference_databases": {"type": "dict"},
}
"""How sequences stood elsewhere."""

SOURCE: Spec = {
    **{name.replace(PREFIX, f"{PREFIX}source_"): spec for name, spec in _named(connection_arguments()).items()},
    "pg_sequences_source_seconds": {"type": "float", "default": 2.0},
    "pg_sequences_source_may_move": {"type": "bool", "default": False},
    "pg_sequences_reference_file": {"type": "path"},
}
"""Where a cut-over carries sequences over from."""

SHOWN: Spec = {"pg_sequences_show_all": {"type": "bool"}}

REPAIR: Spec = {
    name: spec
    for name, spec in _named(repair_arguments()).items()
    if name not in ("pg_sequences_fail_on_unfixed", "pg_sequences_jobs")
}
"""How sequences are moved."""

RESTORE: Spec = {
    "pg_sequences_dump": {"type": "path"},
    "pg_sequences_restore_command": {"type": "str"},
    "pg_sequences_restore_tables": _TEXTS,
    "pg_sequences_restore_data_only": {"type": "bool"},
    "pg_sequences_restore_clean": {"type": "bool"},
    "pg_sequences_restore_create": {"type": "bool"},
    "pg_sequences_restore_jobs": {"type": "int"},
    "pg_sequences_restore_analyze": {"type": "bool"},
    "pg_sequences_restore_force": {"type": "bool"},
    "pg_sequences_restore_options": _TEXTS,
    "pg_sequences_restore_exclude": {
        **_TEXTS,
        "choices": [
            *("comments", "event_triggers", "extensions", "materialized_view_data", "owners", "policies", "privileges"),
            *("publications", "security_labels", "subscriptions", "tablespaces"),
        ],
    },
    "pg_sequences_restore_psql_commands": {"type": "bool"},
    "pg_sequences_restore_encoding": {"type": "str"},
    "pg_sequences_restore_locale": {"type": "str"},
    "pg_sequences_restore_template": {"type": "str"},
    "pg_sequences_restore_owner": {"type": "str"},
    "pg_sequences_bin_dir": {"type": "path"},
}
"""What is restored, and how."""

REPORTS: Spec = {
    "pg_sequences_report_dir": {"type": "path"},
    "pg_sequences_report_formats": {
        **_TEXTS,
        "choices": ["csv", "html", "json", "prometheus"],
        "default": ["json", "html"],
    },
    "pg_sequences_report_keep": {"type": "int", "default": 0},
    "pg_sequences_monitor_report_file": {"type": "path"},
}
"""What is written on the controller about a run."""

FAIL_ON: Spec = {
    "pg_sequences_fail_on": {
        "type": "str",
        "choices": ["unknown", "critical", "warning", "never"],
        "default": "unknown",
    },
}

LOG: Spec = {"pg_sequences_log_file": {"type": "path"}}

ALERTS: Spec = {
    "pg_sequences_mail_to": _TEXTS,
    "pg_sequences_mail_from": {"type": "str", "default": "pg_sequences"},
    "pg_sequences_mail_host": {"type": "str", "default": "localhost"},
    "pg_sequences_mail_port": {"type": "int", "default": 25},
    "pg_sequences_mail_username": {"type": "str"},
    "pg_sequences_mail_password": {"type": "str", "no_log": True},
    "pg_sequences_mail_secure": {"type": "str", "choices": ["always", "never", "starttls", "try"], "default": "try"},
    "pg_sequences_mail_ca_cert": {"type": "path"},
    "pg_sequences_webhook_url": {"type": "str", "no_log": True},
    "pg_sequences_webhook_format": {"type": "str", "choices": ["json", "slack"]},
    "pg_sequences_webhook_ca_cert": {"type": "path"},
    "pg_sequences_alert_reminder": {"type": "float", "default": 24.0},
    "pg_sequences_alert_state": {"type": "path"},
}
"""Who is told what."""

PLAY: Spec = {
    "pg_sequences_hosts": {"type": "raw"},
    "pg_sequences_serial": {"type": "raw"},
    "pg_sequences_run": {"type": "str"},
}
"""What the playbooks take themselves."""

MONITOR: Spec = {
    "pg_sequences_monitor_state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "pg_sequences_monitor_interval": {"type": "int", "default": 60},
    "pg_sequences_monitor_auto_fix": {"type": "bool", "default": False},
    "pg_sequences_monitor_service": {"type": "str", "choices": ["systemd", "cron"], "default": "systemd"},
    "pg_sequences_monitor_inventory": {"type": "raw"},
    "pg_sequences_monitor_user": {"type": "str", "default": "pg_sequences"},
    "pg_sequences_monitor_timeout": {"type": "int", "default": 60},
    "pg_sequences_monitor_python": {"type": "str", "default": "python3"},
    "pg_sequences_monitor_requirements": _TEXTS,
    "pg_sequences_monitor_become": {"type": "bool", "default": True},
    "pg_sequences_monitor_root": {"type": "path"},
}
"""How the monitor is installed."""

AUDIT: Spec = {**CONNECTION, **SELECTION, **SHOWN, **FAIL_ON, **REPORTS, **ALERTS}
CHANGE: Spec = {**CONNECTION, **SELECTION, **SHOWN, **REPAIR, **FAIL_ON, **REPORTS, **LOG, **ALERTS}

_OF_REALIGN = ("pg_sequences_mode", "pg_sequences_confirm")

ENTRY_POINTS: dict[str, Spec] = {
    "check": {**AUDIT, **REFERENCE},
    "info": {name: spec for name, spec in {**AUDIT, **REFERENCE}.items() if name not in SHOWN},
    "fix": {**CHANGE, **REFERENCE},
    "auto_fix": {**CHANGE, **REFERENCE},
    "reset": {name: spec for name, spec in CHANGE.items() if name != "pg_sequences_mode"},
    "restore": {**CHANGE, **REFERENCE, **RESTORE},
    "cutover": {
        **{name: spec for name, spec in CHANGE.items() if name not in (*_OF_REALIGN, *SHOWN)},
        "pg_sequences_reference_databases": REFERENCE["pg_sequences_reference_databases"],
        **SOURCE,
    },
}
"""The variables that each run takes."""

RESULTS = ("pg_sequences_result", "pg_sequences_report")
"""What the roles leave in a host's variables."""

INSIDE = (*RESULTS, "pg_sequences_run")
"""What the roles set themselves: as an extra variable it would hold in place of that, and no extra variable may be it."""

KNOWN: Spec = {**CHANGE, **REFERENCE, **SOURCE, **RESTORE, **PLAY, **MONITOR}
"""All variables there are: one of another entry point, in a group's variables perhaps, is no mistake."""

CHANGING = ("fix", "auto_fix", "reset", "restore", "cutover")
"""Runs that change something, and therefore want a database named."""

EMPTY_IS_A_VALUE = {
    f"{PREFIX}{whose}login_{name}" for whose in ("", "source_") for name in ("host", "unix_socket", "password")
}
"""Empty, these say the local socket and no password, also against the defaults of a play."""
