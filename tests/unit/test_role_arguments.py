# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' variables: what their documentation says is what is taken, and every option of a module can be set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import (
    audit_arguments,
    connection_arguments,
    repair_arguments,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import restore_arguments
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import names as _names
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import settings as _settings
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables

ROLES = Path(__file__).resolve().parents[2] / "roles"
ROLE = ROLES / "pg_sequences"


def _specs(role: Path) -> dict[str, Any]:
    specs: dict[str, Any] = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    return specs


SPECS = _specs(ROLE)

_RUN = {"pg_sequences_run"}
_TAKEN = {
    **{name: set(spec) for name, spec in _variables.ENTRY_POINTS.items()},
    "main": set(_variables.CHANGE) | set(_variables.REFERENCE),
    "listen": set(_variables.CHANGE) | set(_variables.REFERENCE),
    "attempt": _RUN
    | set(_variables.CHANGE)
    | set(_variables.REFERENCE)
    | set(_variables.RESTORE)
    | set(_variables.SOURCE),
    "fleet": _RUN | set(_variables.FAIL_ON) | set(_variables.REPORTS) | set(_variables.ALERTS),
}


def test_each_entry_point_documents_the_variables_it_takes_and_no_others() -> None:
    assert {entry: set(spec["options"]) for entry, spec in SPECS.items()} == _TAKEN
    for entry, spec in SPECS.items():
        assert (ROLE / "tasks" / f"{entry}.yml").exists()
        assert spec["short_description"] and spec["description"]
        assert all(option["description"] for option in spec["options"].values())


@pytest.mark.parametrize("entry", list(SPECS))
def test_types_choices_and_defaults_are_those_that_hold(entry: str) -> None:
    jobs = "check" if entry in ("check", "info") else "fix"
    modules = {**connection_arguments(), **audit_arguments(), **(repair_arguments() if jobs == "fix" else {})}
    restore = restore_arguments()
    for name, told in SPECS[entry]["options"].items():
        known = _variables.KNOWN[name]
        assert told["type"] == known["type"], name
        if name not in _RUN:
            assert sorted(told.get("choices", [])) == sorted(known.get("choices", [])), name
        option = name.removeprefix(_variables.PREFIX)
        if name in _variables.RESTORE:
            option = option.removeprefix("restore_")
        module = restore if name in _variables.RESTORE else modules
        held = known.get("default", module.get(option, {}).get("default"))
        # What another variable, or another run, decides; and what this version's module does not know yet.
        if name != "pg_sequences_login_db" and (name not in _variables.RESTORE or option in restore):
            assert told.get("default") == (held or None if held == "" else held), name


def test_the_monitor_takes_what_its_runs_take_and_its_own() -> None:
    (spec,) = _specs(ROLES / "pg_sequences_monitor").values()
    assert set(spec["options"]) == set(_variables.CHANGE) | set(_variables.MONITOR)
    for name, told in spec["options"].items():
        known = _variables.KNOWN[name]
        assert (told["type"], told.get("choices")) == (known["type"], known.get("choices")), name
        if name in _variables.MONITOR:
            assert told.get("default") == known.get("default"), name


@pytest.mark.parametrize("run", ["check", "fix"])
def test_every_option_of_a_module_can_be_set(run: str) -> None:
    spec = {**connection_arguments(), **audit_arguments(), **(repair_arguments() if run == "fix" else {})}
    values = {"str": "x", "int": 7, "float": 8.0, "bool": True, "path": "x", "dict": {"a": "1"}, "list": ["x"]}
    given = {
        f"pg_sequences_{name}": option.get("choices", [values[option["type"]]])[-1] for name, option in spec.items()
    }
    given["pg_sequences_reference"] = [{"name": "s"}]
    given["pg_sequences_columns"] = [{"sequence": "s", "table": "t", "column": "c"}]
    given["pg_sequences_tables"] = given["pg_sequences_schemas"] = given["pg_sequences_sequences"] = ["x"]
    given["pg_sequences_databases"] = ["x"]
    given["pg_sequences_confirm"] = True
    given = {name: value for name, value in given.items() if name in _variables.ENTRY_POINTS[run]}
    settings = _settings.read(given, run, False, given)
    options = settings.repair_options() if run == "fix" else settings.audit_options()
    assert set(options) == set(spec)
    assert {name: options[name] for name in options if name != "fail_on_unfixed"} == {
        name.removeprefix("pg_sequences_"): value for name, value in given.items()
    }


def test_every_variable_of_a_restore_reaches_its_module() -> None:
    values = {"str": "x", "path": "x", "int": 2, "bool": True, "list": ["owners"]}
    given = {name: values[spec["type"]] for name, spec in _variables.RESTORE.items()}
    del given["pg_sequences_restore_command"]
    settings = _settings.read({**given, "pg_sequences_database": "shop"}, "restore", False, given)
    expected = {name.removeprefix("pg_sequences_").removeprefix("restore_"): value for name, value in given.items()}
    assert settings.restore_options() == {"database": "shop", **expected}
    known = {*restore_arguments(), "exclude", "psql_commands", "encoding", "locale", "template", "owner"}
    assert set(expected) | {"database", "command", "progress_file"} == known


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"pg_sequences_databse": "x"},
            "There is no variable pg_sequences_databse; did you mean pg_sequences_database?",
        ),
        (
            {"pg_sequence_database": "x"},
            "There is no variable pg_sequence_database; did you mean pg_sequences_database?",
        ),
        ({"pgsequences_dump": "x"}, "did you mean pg_sequences_dump?"),
        (
            {"pg_sequences_tables": [{"a": 1}], "pg_sequences_fail_on": "nothing"},
            "pg_sequences_fail_on=nothing is none of: unknown, critical, warning, never",
        ),
        ({"pg_sequences_app": " ", "pg_sequences_mode": "realign"}, "pg_sequences_app is empty"),
        ({"pg_sequences_near_limit_percent": 101}, "pg_sequences_near_limit_percent is 101.0; it must be a percentage"),
        ({"pg_sequences_jobs": "many"}, "pg_sequences_jobs"),
        ({"pg_sequences_mode": "realign"}, "run it with pg_sequences_confirm=true"),
        ({"pg_sequences_webhook_url": "ftp://s3cr3t"}, "must begin with http://"),
        ({"pg_sequences_report_keep": -1}, "pg_sequences_report_keep is -1"),
        ({"pg_sequences_alert_reminder": -1}, "pg_sequences_alert_reminder is -1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_meant_is_said_in_a_sentence(given: dict[str, Any], told: str) -> None:
    with pytest.raises(_settings.SettingsError) as caught:
        _settings.read(given, "fix", False, given)
    assert told in str(caught.value) and "s3cr3t" not in str(caught.value)
    assert "Nothing was" in str(caught.value)


@pytest.mark.parametrize("name", ["pg_sequences_result", "pg_sequences_report", "pg_sequences_run"])
def test_what_the_roles_set_is_not_to_be_set_from_outside(name: str) -> None:
    with pytest.raises(_settings.SettingsError, match=f"There is no variable {name} to be set from outside; did you"):
        _names.refuse_from_outside({name: "fix"})
    _names.refuse_from_outside({"pg_sequences_report_dir": "reports", "pg_sequences_hosts": "all"})


def test_what_was_left_empty_is_not_given() -> None:
    names = set(_variables.ENTRY_POINTS["restore"]) - {"pg_sequences_database", "pg_sequences_dump"}
    given = {"pg_sequences_database": "shop", "pg_sequences_dump": "/x"}
    told = _settings.read({**given, **dict.fromkeys(names, "")}, "restore", False, ())
    plain = _settings.read(given, "restore", False, ())
    empty = {"login_host": "", "login_unix_socket": "", "login_password": ""}
    assert told.values == {**plain.values, **empty}
    texts = [name for name in names if _variables.KNOWN[name].get("elements") == "str"]
    assert _settings.read({**given, **dict.fromkeys(texts, [""])}, "restore", False, ()).values == plain.values


@pytest.mark.parametrize("nothing", [[], "", ",", "[]", [" "]])
def test_no_name_in_a_list_of_databases_is_no_database_named(nothing: Any) -> None:
    given = {"pg_sequences_databases": nothing, "pg_sequences_login_user": "x"}
    assert _settings.read(given, "fix", False, given).needs_a_database
    assert "databases" not in _settings.read(given, "check", False, given).audit_options()


@pytest.mark.parametrize(
    "name",
    [
        *("pg_seq_database", "pg_sequence_app", "pg_squences_app", "pg_sqeuences_fail_on", "pg__sequences_app"),
        *("pgsql_sequences_table", "sequences_fail_on", "_pg_sequences_app", "postgresql_sequences_jobs"),
        *("PG_SEQUENCES_DATABASE", "gp_sequences_app", "pgsequences_app", "pg_sequences_databases_"),
    ],
)
def test_a_name_that_nearly_has_the_prefix_is_refused(name: str) -> None:
    with pytest.raises(_settings.SettingsError, match=f"There is no variable {name}; did you mean pg_sequences_"):
        _names.refuse_unknown([name])


@pytest.mark.parametrize("serial", ["abc", "1.5", "%", "-1", "1,"])
def test_a_serial_that_is_none_is_said(serial: str) -> None:
    with pytest.raises(_settings.SettingsError, match=f"pg_sequences_serial is {serial}; it is a number of hosts"):
        _names.refuse_serial(serial)


@pytest.mark.parametrize("serial", [None, 1, 0, "1", "25%", ["10%", 5], "[1, 2]", "{{ some }}"], ids=repr)
def test_a_serial_that_is_one_is_taken(serial: Any) -> None:
    _names.refuse_serial(serial)


def test_names_of_somebody_elses_are_left_alone() -> None:
    of_others = ["postgresql_databases", "postgres_database", "pg_hba_database", "pg_version", "pg_database", "pg_jobs"]
    of_others += [
        "postgresql_port",
        "pgbouncer_databases",
        "sequence_table",
        "pg_dump_jobs",
        "seq_app",
        "pgsql_database",
    ]
    _names.refuse_unknown([*of_others, "__pg_sequences_monitor_user", "__pg_sequences_database"])
    others = ["pg_sequence_info_of_mine", "pg_sequences_result", "postgresql_database", "pgseq", "pg_sequence"]
    _names.refuse_unknown([*others, *_variables.KNOWN])


@pytest.mark.parametrize(
    ("text", "read"),
    [("a, b", ["a", "b"]), ("*", ["*"]), ('["a", "!b*"]', ["a", "!b*"]), ("[a", ["[a"]), (["a"], ["a"]), ("a", ["a"])],
)
def test_a_list_may_be_given_as_one_text(text: Any, read: list[str]) -> None:
    settings = _settings.read({"pg_sequences_databases": text}, "fix", False, ())
    assert settings.databases == read


def test_columns_may_be_given_as_one_text() -> None:
    text = "{sequence: s, table: t, column: c}"
    settings = _settings.read({"pg_sequences_columns": text, "pg_sequences_database": "x"}, "fix", False, ())
    assert settings.audit_options()["columns"] == [{"sequence": "s", "table": "t", "column": "c"}]
