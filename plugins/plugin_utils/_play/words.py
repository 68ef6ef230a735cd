# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What a module says in, the same with the variables of the playbooks in the place of its options out. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import readable
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import visible

if t.TYPE_CHECKING:
    from collections.abc import Mapping

_OF_RESTORE = {
    name.removeprefix("pg_sequences_").removeprefix("restore_"): name
    for name in _variables.RESTORE
    if name != "pg_sequences_restore_command"
}
_OF_AUDIT = {name.removeprefix("pg_sequences_"): name for name in (*_variables.CONNECTION, *_variables.CHANGE)}
_VALUE = r"true|false|\d+|\[[^\]]*\]|realign|advance|UTF8|SQL_ASCII|C\b"

# Words that stand in a sentence without a value, and can be nothing else.
_ALONE = (
    *("max_jump", "max_scan_rows", "psql_commands", "data_only", "bin_dir", "connect_params"),
    *("login_host", "login_port", "login_user", "login_password", "login_unix_socket", "login_db", "session_role"),
    *("ssl_mode", "ca_cert", "lock_timeout", "statement_timeout"),
)


_WHOLE = {
    "the option columns": "pg_sequences_columns",
    "become: true, become_user: ": "pg_sequences_become_user=",
    " connect_params: {": " pg_sequences_connect_params: {",
}


def as_variables(text: str, run: str) -> str:
    """A sentence of a module, as a playbook says it: ``create: true`` is ``pg_sequences_restore_create=true``.

    :arg run: the run whose variables are meant
    """
    names = {**_OF_AUDIT, **_OF_RESTORE} if run == "restore" else _OF_AUDIT

    def assigned(found: re.Match[str]) -> str:
        value = found[2]
        if value.startswith("[{"):
            # Entries, as a file of variables takes them.
            return f"{names[found[1]]}: {value}"
        if value.startswith("["):
            value = ",".join(part.strip().strip("'\"") for part in value[1:-1].split(","))
        return f"{names[found[1]]}={value}"

    options = "|".join(sorted(names, key=len, reverse=True))
    text = re.sub(rf"(?<![\w\".'-])({options}): ({_VALUE})(?![\w\"'])", assigned, text)
    alone = "|".join(name for name in _ALONE if name in names)
    text = re.sub(rf"(?<![\w\".'-])({alone})(?![\w\".'(=:-])", lambda found: names[found[1]], text)
    # A selection that fits nothing is named before what it says.
    text = re.sub(r"\A(tables|schemas|sequences|databases): (?=\")", r"pg_sequences_\1: ", text)
    text = re.sub(r"\bmargin\b(?=$|;)", "pg_sequences_margin", text)
    for option, variable in _WHOLE.items():
        text = text.replace(option, variable)
    return text


def as_source_variables(text: str) -> str:
    """What a module says of a cut-over's source: ``login_port`` is ``pg_sequences_source_login_port``."""
    names = "|".join(
        name.removeprefix(f"{_variables.PREFIX}source_") for name in _variables.SOURCE if "_source_" in name
    )
    return re.sub(rf"(?<![\w\".'-])({names})(?![\w\".'(=-])", rf"{_variables.PREFIX}source_\1", text)


def sequence_as_variables(entry: Mapping[str, t.Any], run: str) -> dict[str, t.Any]:
    """An entry of ``sequences`` or ``not_fixed``, as a playbook says it."""
    said = {name: as_variables(entry[name], run) for name in ("message", "remedy") if entry.get(name)}
    return {**entry, **said}


def parts(text: str) -> list[str]:
    """A long message, sentence by sentence: what failed, what is left, what helps."""
    return [part for part in re.split(r"(?<=[^.\s]\.) +(?=[A-Z\"][a-z])", text.strip()) if part]


def place(*names: str) -> str:
    """A name of several parts as SQL takes it, and as a terminal can show it."""
    return ".".join(visible(readable(name)) for name in names)
