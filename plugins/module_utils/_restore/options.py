# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What is asked for, and what the module returns."""

from __future__ import annotations

import dataclasses
import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Spec = dict[str, dict[str, t.Any]]

EXCLUDABLE = (
    "comments",
    "event_triggers",
    "extensions",
    "materialized_view_data",
    "owners",
    "policies",
    "privileges",
    "publications",
    "security_labels",
    "subscriptions",
    "tablespaces",
)
"""Kinds of objects that an archive can be restored without."""

# Options of pg_restore that would get in the way of this module's own, and what to use instead.
_OURS = {
    "-d": "database", "--dbname": "database", "-h": "login_host", "--host": "login_host", "-p": "login_port",
    "--port": "login_port", "-U": "login_user", "--username": "login_user", "-W": "login_password",
    "--password": "login_password", "--role": "session_role", "-j": "jobs", "--jobs": "jobs", "-c": "clean",
    "--clean": "clean", "-C": "create", "--create": "create", "-a": "data_only", "--data-only": "data_only",
    "-t": "tables", "--table": "tables", "-L": "tables", "--use-list": "tables", "-f": "dump", "--file": "dump",
    "-1": "", "--single-transaction": "", "-l": "", "--list": "", "--transaction-size": "",
    "-F": "", "--format": "", "--restrict-key": "", "-V": "", "--version": "", "-?": "", "--help": "",
}  # fmt: skip
# Short ones that take a value, which may follow at once.
_WITH_VALUE = "dfFhIjLnNpPStTU"
# All that psql may be told of a plain dump: everything else changes what it prints, or where it connects to.
_VARIABLE = re.compile(r"(-v|--set|--variable)(=?\w+=.*)?|\w+=.*", re.DOTALL)


class RestoreError(Exception):
    """The restore could not begin, or failed. The text says what, where, what was left, and what to do."""


def restore_arguments() -> Spec:
    """Options of the restore."""
    return {
        "database": {"type": "str", "required": True},
        "dump": {"type": "path"},
        "command": {"type": "str"},
        "tables": {"type": "list", "elements": "str"},
        "data_only": {"type": "bool", "default": False},
        "clean": {"type": "bool", "default": False},
        "exclude": {"type": "list", "elements": "str", "choices": list(EXCLUDABLE)},
        "psql_commands": {"type": "bool", "default": False},
        "create": {"type": "bool", "default": False},
        "encoding": {"type": "str"},
        "locale": {"type": "str"},
        "template": {"type": "str"},
        "owner": {"type": "str"},
        "jobs": {"type": "int", "default": 1},
        "analyze": {"type": "bool", "default": True},
        "force": {"type": "bool", "default": False},
        "options": {"type": "list", "elements": "str"},
        "bin_dir": {"type": "path"},
        "progress_file": {"type": "path"},
    }


@dataclasses.dataclass(frozen=True)
class Options:
    """What was asked for; named as the module's options."""

    database: str
    login_db: str
    dump: str | None
    command: str | None
    tables: tuple[str, ...]
    data_only: bool
    clean: bool
    exclude: tuple[str, ...]
    psql_commands: bool
    create: bool
    encoding: str | None
    locale: str | None
    template: str | None
    owner: str | None
    jobs: int
    analyze: bool
    force: bool
    options: tuple[str, ...]
    bin_dir: str | None

    @classmethod
    def of(cls, params: Mapping[str, t.Any]) -> Options:
        """Take the options from the module's parameters.

        :raises RestoreError: they contradict each other
        """
        values = {field.name: params[field.name] for field in dataclasses.fields(cls)}
        for name in ("tables", "exclude", "options"):
            values[name] = tuple(values[name] or ())
        options = cls(**values)
        options._check()
        return options

    def _check(self) -> None:
        if not self.database or "\0" in self.database:
            raise RestoreError("database is empty; give the name of the database to restore into")
        if self.jobs < 1:
            raise RestoreError(f"jobs is {self.jobs}; it must be 1 or more")
        if any(not pattern.lstrip("!") for pattern in self.tables):
            raise RestoreError("tables has an empty pattern; give a name or a shell glob such as 'orders*'")
        if self.command is not None:
            for name in ("tables", "data_only", "clean", "exclude", "psql_commands", "create", "force"):
                if getattr(self, name):
                    raise RestoreError(f"{name} cannot be used with command, which decides itself what it restores")
        for name in ("encoding", "locale", "template", "owner"):
            if getattr(self, name) and not self.create:
                raise RestoreError(
                    f"{name} is for a database that is created; set create: true as well, or leave it out"
                )
        for argument in self.options:
            for name in _names(argument):
                if name in _OURS:
                    ours = _OURS[name]
                    instead = f"use the option {ours} instead" if ours else "the module decides about that itself"
                    raise RestoreError(f"options: {argument} cannot be given; {instead}")

    def check_for_psql(self) -> None:
        """Check the options for a plain dump.

        :raises RestoreError: they are not variables of psql
        """
        for argument in self.options:
            if not _VARIABLE.fullmatch(argument):
                raise RestoreError(
                    f"options: {argument} cannot be given with a plain dump; psql takes variables alone here, as in ['--set=name=value']"
                )

    @property
    def scope(self) -> str:
        """What part of a dump is wanted, as one text: two runs with the same one restore the same part."""
        chosen = [str(self.data_only), *sorted(self.tables), *sorted(self.exclude), *self.options]
        return "\0".join(chosen)


_SHOWN = 10


def _names(argument: str) -> list[str]:
    """The names in :data:`_OURS` that an argument of pg_restore may stand for: long ones may be cut short, short ones joined."""
    if argument.startswith("--"):
        name = argument.partition("=")[0]
        return [ours for ours in _OURS if ours.startswith(name) and len(name) > 3]
    if not argument.startswith("-"):
        return []
    names = []
    for letter in argument[1:]:
        names.append(f"-{letter}")
        if letter in _WITH_VALUE:
            break
    return names


def counted(number: int, what: str) -> str:
    """A number of things, for people: ``1 table``, ``1,200 rows``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def named(tables: Sequence[tuple[str, str]]) -> str:
    """Some tables, for people; the first ten."""
    more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
    return ", ".join(f"{schema}.{name}" for schema, name in tables[:_SHOWN]) + more


@dataclasses.dataclass
class RestoreResult:
    """What the module returns, by the same names."""

    changed: bool = False
    restored: bool = False
    outcome: str | None = None
    message: str = ""
    database: str = ""
    database_exists: bool | None = None
    created: bool = False
    format: str | None = None
    dump_version: str | None = None
    dump_server_version: str | None = None
    tables_total: int | None = None
    rows: int | None = None
    transaction: int | None = None
    seconds: float = 0.0
    already_restored: bool = False
    tool_version: str | None = None
