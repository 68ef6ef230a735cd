# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A host's variables in, its settings out, or in a sentence what is wrong with them (contract, section 5).

The one place of the rules about variables, for all playbooks and entry points. Pure: the variables come with their templates
resolved, and nothing is opened or connected to.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import typing as t
from pathlib import Path

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import OptionError, check_values
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings.names import SettingsError, refuse_unknown
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings.variables import PREFIX

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SUFFIXES = {".json": "json", ".csv": "csv", ".html": "html", ".prom": "prometheus"}
"""Format of a report file by the end of its name."""

_PATHS = (
    "report_dir",
    "monitor_report_file",
    "log_file",
    "alert_state",
    "mail_ca_cert",
    "webhook_ca_cert",
    "reference_file",
)
_ON_CONTROLLER = {PREFIX + name for name in _PATHS}

_NARROWS = {PREFIX + name for name in ("app", "table", "tables", "schemas", "sequences")}


class Settings:
    """What one host's variables ask for.

    :ivar run: the run that they are for
    :ivar values: the variables that are set, and defaults of those that have one here, by their names without the prefix
    """

    def __init__(self, run: str, values: Mapping[str, t.Any]) -> None:
        self.run = run
        self.values = dict(values)

    def get(self, name: str) -> t.Any:
        """The value of a variable, by its name without the prefix; None where it is not set."""
        return self.values.get(name)

    @property
    def fail_on(self) -> str:
        """What in an audit is a failure."""
        return str(self.values["fail_on"])

    @property
    def report_file(self) -> Path | None:
        """The report file that each run replaces."""
        named = self._path("monitor_report_file")
        return named if named and named.suffix in SUFFIXES else None

    @property
    def report_dir(self) -> Path | None:
        """The folder of reports."""
        named = self._path("monitor_report_file")
        return named if named and named.suffix not in SUFFIXES else self._path("report_dir")

    @property
    def log_file(self) -> Path | None:
        """The log of changes."""
        return self._path("log_file")

    @property
    def alert_state(self) -> Path:
        """The file that remembers what was told."""
        folder = self.report_dir or Path("~/.local/state/pg_sequences").expanduser()
        return self._path("alert_state") or folder / "alerts.json"

    @property
    def alerts(self) -> bool:
        """Whether somebody is to be told."""
        return bool(self.get("mail_to") or self.get("webhook_url"))

    @property
    def databases(self) -> list[str] | None:
        """The databases that are named; None where none is."""
        if self.get("databases") is not None:
            return list(self.values["databases"])
        if self.get("database") is not None:
            return [str(self.values["database"])]
        if self.get("login_db") is not None and self.run != "restore":
            return [str(self.values["login_db"])]
        return None

    @property
    def tables(self) -> list[str]:
        """One list of patterns from the three ways to name tables. Django names an application's tables app_model."""
        named = [self.values["table"]] if self.get("table") is not None else []
        return [*(self.get("tables") or []), *named, *self.of_application]

    @property
    def of_application(self) -> list[str]:
        """The pattern of an application's tables, if one is named."""
        return [f"{self.values['app']}_*"] if self.get("app") is not None else []

    def connection_options(self) -> dict[str, t.Any]:
        """The options of a module that say where to connect to."""
        names = [name.removeprefix(PREFIX) for name in _variables.CONNECTION]
        options = {name: self.values[name] for name in names if self.get(name) is not None}
        options.pop("become_user", None)
        options.setdefault("ca_cert", options.pop("ssl_rootcert", None))
        return {name: value for name, value in options.items() if value is not None}

    def audit_options(self) -> dict[str, t.Any]:
        """The options of pg_sequence_info."""
        groups = (*_variables.SELECTION, *_variables.REFERENCE, *_variables.SHOWN)
        names = [name.removeprefix(PREFIX) for name in groups]
        options = {name: self.values[name] for name in names if self.get(name) is not None}
        for name in ("database", "app", "table"):
            options.pop(name, None)
        if self.tables:
            options["tables"] = self.tables
        if self.databases is not None:
            options["databases"] = self.databases
        connection = self.connection_options()
        if self.get("database") is not None and (self.run == "restore" or "login_db" not in connection):
            connection["login_db"] = self.values["database"]
        return {**connection, **options}

    def repair_options(self) -> dict[str, t.Any]:
        """The options of pg_sequence_fix. What is left fails the run at its end, after it was shown."""
        names = [name.removeprefix(PREFIX) for name in _variables.REPAIR]
        options = {name: self.values[name] for name in names if self.get(name) is not None}
        return {**self.audit_options(), **options, "fail_on_unfixed": False}

    def source_options(self) -> dict[str, t.Any]:
        """The connection options of pg_sequence_info for a cut-over's source."""
        names = [name.removeprefix(PREFIX) for name in _variables.CONNECTION]
        found = {name: self.get(f"source_{name}") for name in names}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def reference_file(self) -> Path | None:
        """The file that a cut-over takes the reference from."""
        return self._path("reference_file")

    def restore_options(self) -> dict[str, t.Any]:
        """The options of pg_sequence_restore."""
        options = {"database": self.values["database"]}
        for name in _variables.RESTORE:
            value = self.get(name.removeprefix(PREFIX))
            if value is not None:
                options[name.removeprefix(PREFIX).removeprefix("restore_")] = value
        return {**self.connection_options(), **options}

    @property
    def needs_a_database(self) -> bool:
        """Whether it would change something in whatever database comes first."""
        return self.run in _variables.CHANGING and self.databases is None

    @property
    def selects(self) -> bool:
        """Whether it looks at less than all of the databases."""
        return bool(self.tables or self.get("schemas") or self.get("sequences"))

    def _path(self, name: str) -> Path | None:
        return Path(os.path.abspath(self.values[name])) if self.get(name) else None


def read(
    variables: Mapping[str, t.Any], run: str, check_mode: bool, names: Iterable[str], report_only: bool = False
) -> Settings:
    """Check a host's variables and return its settings.

    :arg variables: those of the role that are set, with their templates resolved
    :arg run: the run that they are for
    :arg check_mode: whether nothing will be changed
    :arg names: the names of all variables that the host has
    :arg report_only: see only to what a report needs, once the run itself has been checked
    :raises SettingsError: they cannot be meant
    """
    refuse_unknown(names)
    spec = _variables.ENTRY_POINTS[run]
    given = {}
    for name, value in variables.items():
        if name not in spec or value is None:
            continue
        if name == f"{PREFIX}databases" and not _names_any(value):
            # As if it was not there: no database named is all of them, or none where something is changed.
            continue
        if is_left_empty(name, value, spec[name]):
            # Nothing more than was meant may go backward.
            if name in _NARROWS and (run == "reset" or variables.get(f"{PREFIX}mode") == "realign"):
                raise SettingsError(
                    f"{name} is empty, and {'reset' if run == 'reset' else 'pg_sequences_mode=realign'} may move sequences backward. Nothing"
                    " was done; name what it is for, or leave the variable away"
                )
            continue
        given[name] = _from_text(name, value, spec[name])
    validated = _validated(given, spec)
    settings = Settings(
        run, {name.removeprefix(PREFIX): value for name, value in validated.items() if value is not None}
    )
    if not report_only:
        _check(settings, check_mode)
    return settings


def _from_text(name: str, value: t.Any, spec: Mapping[str, t.Any]) -> t.Any:
    """A list or dictionary that was given as one text, as it is on a command line."""
    if not isinstance(value, str) or spec["type"] not in ("list", "dict"):
        return value
    if value.lstrip()[:1] in ("[", "{") or spec.get("elements") == "dict":
        try:
            found = yaml.safe_load(value)
        except yaml.YAMLError:
            found = value
        if spec.get("elements") == "dict" and not isinstance(found, (list, dict)):
            raise SettingsError(
                f"{name}={value} is not a list of entries; on a command line it is given as -e '{{\"{name}\": [{{...}}]}}'. Nothing was done"
            )
        return [found] if spec["type"] == "list" and isinstance(found, dict) else found
    if spec["type"] == "list":
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _names_any(value: t.Any) -> bool:
    """Whether a list of names, or a text of one, has any in it."""
    if isinstance(value, str) and value.strip() == "[]":
        return False
    return any(str(part).strip() for part in (value.split(",") if isinstance(value, str) else value or ()))


def is_left_empty(name: str, value: t.Any, spec: Mapping[str, t.Any]) -> bool:
    """Whether a variable is what a form or a script leaves for a question that nobody answered, which is as if not given."""
    if isinstance(value, (list, tuple)) and spec.get("elements") == "str":
        return not any(str(part).strip() for part in value)
    return isinstance(value, str) and not value.strip() and name not in _variables.EMPTY_IS_A_VALUE


def _validated(given: Mapping[str, t.Any], spec: Mapping[str, Mapping[str, t.Any]]) -> dict[str, t.Any]:
    types = {
        # What is no path of the controller's must not be looked up here.
        name: {**option, "type": "str"} if option["type"] == "path" and name not in _ON_CONTROLLER else dict(option)
        for name, option in spec.items()
    }
    done = ArgumentSpecValidator(types).validate(dict(given))
    if done.error_messages:
        text = str(done.error_messages[0])
        for name, option in spec.items():
            # A message may hold the value that is wrong.
            if option.get("no_log") and given.get(name) not in (None, ""):
                text = text.replace(str(given[name]), "********")
        raise SettingsError(f"{_plainly(text)}. Nothing was done")
    values = dict(done.validated_parameters)
    columns = values.get(f"{PREFIX}columns")
    if columns:
        # Keys that an entry does not have are none of its.
        values[f"{PREFIX}columns"] = [{k: v for k, v in entry.items() if v is not None} for entry in columns]
    return values


def _plainly(text: str) -> str:
    """One of Ansible's sentences about an argument as a sentence about a variable."""
    choice = re.fullmatch(
        r"value of (\w+) must be one (or more )?of: (.*?)(?:, got:|\. Got no match for:) (.*)", text, re.S
    )
    if choice:
        name, _many, choices, given = choice.groups()
        near = difflib.get_close_matches(given.strip(), choices.split(", "), 1, 0.6)
        meant = f" (did you mean {near[0]}?)" if near else ""
        return f"{name}={given.strip()} is none of: {choices}{meant}"
    kind = re.match(r"argument '(\w+)' is of type .*? and we were unable to convert to (\w+): (.*)", text, re.S)
    if kind:
        words = {"int": "a whole number", "float": "a number", "bool": "true or false", "dict": "a dictionary"}
        given = re.search(r"[\"']+(.*?)[\"']+ cannot be converted", kind[3])
        shown = f"={given[1]}" if given else ""
        return f"{kind[1]}{shown} is not {words.get(kind[2], f'a {kind[2]}')}"
    return text


def _check(settings: Settings, check_mode: bool) -> None:
    """Refuse what no run could use, before anything is opened or connected to."""
    values = settings.values
    confirmed = check_mode or values.get("confirm") or settings.run == "reset"
    if values.get("mode") == "realign" and not confirmed:
        raise SettingsError(
            "pg_sequences_mode=realign may move sequences backward. Nothing was changed; look at it with --check --diff,"
            " then run it with pg_sequences_confirm=true"
        )
    try:
        check_values({**values, "tables": settings.tables, "mode": None})
        if values.get("restore_jobs") is not None:
            check_values({"jobs": values["restore_jobs"]})
    except OptionError as error:
        raise SettingsError(f"{PREFIX}{error}. Nothing was done") from None
    if values.get("report_keep", 0) < 0:
        raise SettingsError(
            f"pg_sequences_report_keep is {values['report_keep']}; it is a number of runs, 0 for all. Nothing was done"
        )
    if values.get("alert_reminder", 0) < 0:
        raise SettingsError(
            f"pg_sequences_alert_reminder is {values['alert_reminder']}; it is hours, 0 for never. Nothing was done"
        )
    for new, old in (values.get("reference_databases") or {}).items():
        if not all(isinstance(name, (str, int)) and not isinstance(name, bool) and str(name) for name in (new, old)):
            raise SettingsError(
                f"pg_sequences_reference_databases: {{{new!r}: {old!r}}} is no pair of names, {{new: old}}. Nothing was done"
            )
    _CHECKS.get(settings.run, _nothing)(settings)
    _check_alerts(settings)


def _check_alerts(settings: Settings) -> None:
    url = settings.get("webhook_url")
    if url and not re.fullmatch(r"https?://[^\s/?#]+([/?#]\S*)?", url):
        # It is not shown: who knows it may post.
        raise SettingsError(
            "pg_sequences_webhook_url must begin with http:// or https://, name a host and hold no blanks. Nothing was done"
        )
    port = settings.get("mail_port")
    if port is not None and not 1 <= port <= 65535:
        raise SettingsError(f"pg_sequences_mail_port is {port}; it must be a port number, 1 to 65535. Nothing was done")
    if settings.get("mail_to"):
        settings.values["mail_to"] = [
            address.strip()
            for text in settings.values["mail_to"]
            for address in str(text).split(",")
            if address.strip()
        ]


def _nothing(settings: Settings) -> None:
    """A run without rules of its own."""


def _check_reset(settings: Settings) -> None:
    table = settings.get("table") or ""
    others = [name for name in ("app", "tables") if settings.get(name)]
    if not table or others or table.startswith("!") or re.search(r"[*?\[]", table):
        raise SettingsError(
            "A reset may move sequences backward, so it is for one table: name it by pg_sequences_table, as name or"
            " schema.name, and nothing by pg_sequences_tables or pg_sequences_app. Nothing was changed"
        )


def _check_restore(settings: Settings) -> None:
    sources = [name for name in ("dump", "restore_command") if settings.get(name)]
    if settings.get("database") is None or len(sources) != 1:
        raise SettingsError(
            "Set pg_sequences_database, and either pg_sequences_dump (a file or folder of pg_dump) or"
            " pg_sequences_restore_command (a command of your own). Nothing was changed"
        )


def _check_cutover(settings: Settings) -> None:
    source = any(settings.get(f"source_{name}") for name in ("login_host", "login_unix_socket", "connect_params"))
    if bool(settings.reference_file) == source:
        raise SettingsError(
            "Say where the sequences are carried over from: the old server by pg_sequences_source_login_host (and"
            " pg_sequences_source_login_user and so on), or a report of it by pg_sequences_reference_file, not both. Nothing was done"
        )
    if settings.values.get("source_seconds", 0) < 0:
        raise SettingsError(
            f"pg_sequences_source_seconds is {settings.values['source_seconds']}; it must be 0 or more. Nothing was done"
        )
    try:
        check_values({"login_port": settings.get("source_login_port")})
    except OptionError as error:
        raise SettingsError(f"{PREFIX}source_{error}. Nothing was done") from None


_CHECKS: dict[str, Callable[[Settings], None]] = {
    "reset": _check_reset,
    "restore": _check_restore,
    "cutover": _check_cutover,
}


def plain(value: t.Any) -> t.Any:
    """A value of Ansible's own types as one of Python's."""
    return json.loads(json.dumps(value, default=str))
