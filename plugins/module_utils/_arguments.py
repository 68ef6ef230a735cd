# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The options the modules share, with their constraints (contract, sections 3 and 4)."""

from __future__ import annotations

import math
import re
import typing as t

from ansible.module_utils.basic import env_fallback

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Spec = dict[str, dict[str, t.Any]]


class OptionError(Exception):
    """An option holds a value that cannot be used; the text names the option and what would be right."""


def connection_arguments() -> Spec:
    """Options of the connection: names, defaults and environment variables of community.postgresql 4.x.

    Its deprecated aliases (login, host, port, unix_socket) are left out (contract, section 3).
    """
    return {
        "login_host": {"type": "str", "default": ""},
        "login_port": {"type": "int", "default": 5432, "fallback": (env_fallback, ["PGPORT"])},
        "login_user": {"type": "str", "default": "postgres", "fallback": (env_fallback, ["PGUSER"])},
        "login_password": {"type": "str", "default": "", "no_log": True},
        "login_unix_socket": {"type": "str", "default": ""},
        "ssl_mode": {
            "type": "str",
            "default": "prefer",
            "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
        },
        "ca_cert": {"type": "str", "aliases": ["ssl_rootcert"]},
        "ssl_cert": {"type": "path"},
        "ssl_key": {"type": "path", "no_log": False},
        "connect_params": {"type": "dict", "default": {}},
        "session_role": {"type": "str"},
        "login_db": {"type": "str", "default": "postgres"},
    }


def audit_arguments() -> Spec:
    """Options of the audit: what is looked at, and how it is judged (contract, section 3)."""
    return {
        # A restore has an option of its own by the name of the alias.
        "login_db": {"type": "str", "default": "postgres", "aliases": ["database"]},
        "databases": {"type": "list", "elements": "str"},
        "schemas": {"type": "list", "elements": "str"},
        "tables": {"type": "list", "elements": "str"},
        "sequences": {"type": "list", "elements": "str"},
        "columns": {
            "type": "list",
            "elements": "dict",
            "options": {
                "sequence": {"type": "str", "required": True},
                "table": {"type": "str", "required": True},
                "column": {"type": "str", "required": True},
                "allocation": {"type": "str", "choices": ["single", "pooled", "pooled_lo"]},
                "minimum": {"type": "int"},
                "maximum": {"type": "int"},
                "where": {"type": "str"},
                "expression": {"type": "str"},
            },
        },
        # Taken out of the arguments before they are checked, and checked by its reader: it may be one text as well.
        "reference": {"type": "list", "elements": "dict"},
        "reference_databases": {"type": "dict"},
        "gap_threshold": {"type": "int", "default": 1000},
        "near_limit_percent": {"type": "float", "default": 80.0},
        "max_scan_rows": {"type": "int", "default": 10000000},
        "trust_index_functions": {"type": "bool", "default": False},
        "lock_timeout": {"type": "float", "default": 2.0},
        "statement_timeout": {"type": "float", "default": 60.0},
        "jobs": {"type": "int", "default": 1},
        "show_all": {"type": "bool", "default": False},
    }


def info_arguments() -> Spec:
    """Options of the audit alone (contract, section 3)."""
    return {"activity": {"type": "bool", "default": False}, "positions": {"type": "bool", "default": False}}


def repair_arguments() -> Spec:
    """Options of the repair (contract, section 4)."""
    return {
        "mode": {"type": "str", "default": "advance", "choices": ["advance", "realign"]},
        "confirm": {"type": "bool", "default": False},
        "margin": {"type": "int", "default": 0},
        "max_jump": {"type": "int", "default": 0},
        "lock_tables": {"type": "bool", "default": False},
        "move_subscribed": {"type": "bool", "default": True},
        "retries": {"type": "int", "default": 3},
        "fail_on_unfixed": {"type": "bool", "default": True},
        # An audit runs beside production, a repair in somebody's downtime.
        "jobs": {"type": "int", "default": 2},
    }


# The largest timeout PostgreSQL takes is 2147483647 milliseconds.
_LONGEST_TIMEOUT = 2147483.0

_RANGES: dict[str, tuple[float, float, str]] = {
    "login_port": (1, 65535, "a port number, 1 to 65535"),
    "gap_threshold": (0, math.inf, "0 or more"),
    "near_limit_percent": (0, 100, "a percentage, 0 to 100"),
    "max_scan_rows": (0, math.inf, "0 (no bound) or more"),
    "lock_timeout": (0.001, _LONGEST_TIMEOUT, "seconds, 0.001 to 2147483"),
    "statement_timeout": (0.001, _LONGEST_TIMEOUT, "seconds, 0.001 to 2147483"),
    "jobs": (1, 32, "1 to 32 connections"),
    "margin": (0, math.inf, "0 or more"),
    "max_jump": (0, math.inf, "0 (no bound) or more"),
    "retries": (0, 100, "0 to 100"),
}


def _is_text(value: t.Any) -> bool:
    """Whether all strings in a value can be sent to a server."""
    if isinstance(value, dict):
        return all(_is_text(part) for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple)):
        return all(_is_text(part) for part in value)
    return not isinstance(value, str) or ("\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value))


def check_values(params: Mapping[str, t.Any], check_mode: bool = False) -> None:
    """Refuse values no run could use, before anything is connected to.

    :arg params: the module's parameters
    :arg check_mode: whether nothing will be written
    :raises OptionError: the first value that cannot be used
    """
    for name, value in params.items():
        if not _is_text(value):
            raise OptionError(f"{name} holds a NUL or half a surrogate pair, which no name in PostgreSQL can have")
    for name, (lowest, highest, words) in _RANGES.items():
        value = params.get(name)
        # Written so that NaN, which compares false with everything, is refused.
        if value is not None and not lowest <= value <= highest:
            raise OptionError(f"{name} is {value}; it must be {words}")
    for name in ("databases", "schemas", "tables", "sequences"):
        for pattern in params.get(name) or []:
            if not pattern.lstrip("!"):
                raise OptionError(f"{name} has an empty pattern; give a name or a shell glob such as 'orders*'")
    _check_columns(params.get("columns") or [])
    if params.get("mode") == "realign" and not params.get("confirm") and not check_mode:
        raise OptionError(
            "mode: realign may move sequences backward; nothing was connected to or changed. "
            "Look at it with --check first, then run it with confirm: true"
        )


def _check_columns(entries: Iterable[Mapping[str, t.Any]]) -> None:
    """Refuse entries of ``columns`` that no database could bear out.

    :raises OptionError: the first one
    """
    known: dict[tuple[str, ...], dict[str, t.Any]] = {}
    for entry in entries:
        place = f"columns: {entry['sequence']} -> {entry['table']}.{entry['column']}"
        minimum, maximum = entry.get("minimum"), entry.get("maximum")
        if minimum is not None and maximum is not None and minimum > maximum:
            raise OptionError(f"{place}: minimum {minimum} is above maximum {maximum}")
        for name in ("where", "expression"):
            if entry.get(name) is not None:
                _check_sql(place, name, entry[name])
        said = {name: value for name, value in entry.items() if value is not None}
        if known.setdefault((entry["sequence"], entry["table"], entry["column"]), said) != said:
            raise OptionError(f"{place}: two entries contradict each other; keep one of them")


_QUOTED = re.compile(
    r"""(?P<escaped>(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*'(?:\s*[\r\n]\s*'(?:[^'\\]|''|\\.)*')*) | (?P<plain>'(?:[^']|'')*') | (?P<name>"(?:[^"]|"")*")""",
    re.S | re.X,
)


def _check_sql(place: str, name: str, text: str) -> None:
    """Refuse SQL of the operator's own that would not stay in its place: between parentheses, in one statement.

    Texts and names in quotes may hold anything; outside of them there are no comments, no semicolons, no dollar quotes,
    and every parenthesis is closed that was opened here (manual, 4.1).

    :raises OptionError: it does
    """
    outside = _QUOTED.sub("''", text)
    wrong = ""
    if not text.strip():
        wrong = "it is empty"
    elif re.search(r"""['"]""", outside.replace("''", "")):
        wrong = "a quote in it is not closed"
    elif ";" in outside:
        wrong = "it has a semicolon; it is one expression, not a statement"
    elif "--" in outside or "/*" in outside:
        wrong = "it has a comment"
    elif "$" in outside:
        wrong = "it has a dollar sign; write texts in single quotes"
    else:
        depth = 0
        for letter in outside:
            depth += (letter in "([") - (letter in ")]")
            if depth < 0:
                break
        wrong = "its parentheses do not match" if depth else ""
    if wrong:
        raise OptionError(f"{place}: {name} cannot be used: {wrong}. It is: {text}")
