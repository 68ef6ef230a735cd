# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook's own words for a module's options, long messages in parts, and the next command."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import readable
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.command import Command
from ansible_collections.pgops.sequences.plugins.plugin_utils._play.words import (
    as_source_variables,
    as_variables,
    parts,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._render.verdict import brief, lacks_verdict, verdict_of


@pytest.mark.parametrize(
    ("module", "playbook"),
    [
        ("Set create: true to have it created", "Set pg_sequences_restore_create=true to have it created"),
        ("exclude: [owners, privileges]", "pg_sequences_restore_exclude=owners,privileges"),
        (
            "(create: true with encoding: UTF8 and locale: C)",
            "(pg_sequences_restore_create=true with pg_sequences_restore_encoding=UTF8 and pg_sequences_restore_locale=C)",
        ),
        ("with max_jump: 39", "with pg_sequences_max_jump=39"),
        ("more than max_jump", "more than pg_sequences_max_jump"),
        ("mode: realign and confirm: true", "pg_sequences_mode=realign and pg_sequences_confirm=true"),
        ("map it with the option columns", "map it with pg_sequences_columns"),
        ("Check login_user and login_password", "Check pg_sequences_login_user and pg_sequences_login_password"),
        ("or with a longer lock_timeout", "or with a longer pg_sequences_lock_timeout"),
        ('tables: "nope" matches nothing', 'pg_sequences_tables: "nope" matches nothing'),
        ('columns: [{"sequence": "s", "table": "t"}]', 'pg_sequences_columns: [{"sequence": "s", "table": "t"}]'),
        # Names are nobody's options.
        ('SELECT 1 FROM "create: true"', 'SELECT 1 FROM "create: true"'),
        ("public.max_jump is of type text", "public.max_jump is of type text"),
    ],
)
def test_a_playbook_names_its_own_variables(module: str, playbook: str) -> None:
    assert as_variables(module, "restore") == playbook


def test_a_long_message_comes_apart_at_its_sentences() -> None:
    said = 'there is no database "a.B". Nothing was changed. Set x, or run: CREATE DATABASE "a.B" TEMPLATE template0;'
    assert parts(said) == [
        'there is no database "a.B".',
        "Nothing was changed.",
        'Set x, or run: CREATE DATABASE "a.B" TEMPLATE template0;',
    ]


@pytest.mark.parametrize(("name", "sql"), [("a_1", "a_1"), ("A", '"A"'), ("order", '"order"'), ('a"b', '"a""b"')])
def test_names_are_quoted_where_sql_wants_it(name: str, sql: str) -> None:
    assert readable(name) == sql


def test_the_next_command_is_this_one_with_another_playbook_and_no_password() -> None:
    given = {
        "inventory": ("/srv/play/hosts", "/etc/ansible/hosts", "db1,"),
        "extra_vars": (
            "@vars.yml",
            "pg_sequences_login_password=s3cr3t pg_sequences_confirm=true pg_sequences_database='a b'",
            '{"pg_sequences_databases": ["x", "y"], "pg_sequences_webhook_url": "https://s3cr3t"}',
        ),
        "become_ask_pass": True,
        "args": ("pgops.sequences.check",),
    }
    command = Command.of(given, "/srv/play")
    assert command.run("fix", {"db2", "db1"}) == (
        "ansible-playbook -i hosts -i db1, -K pgops.sequences.fix --limit db1,db2 -e @vars.yml"
        " -e pg_sequences_login_password=... -e '{\"pg_sequences_database\": \"a b\"}'"
        " -e '{\"pg_sequences_databases\": [\"x\", \"y\"]}' -e pg_sequences_webhook_url=..."
    )  # fmt: skip
    assert not command.own_play and Command.of({**given, "args": ("site.yml",)}, "/").own_play


def test_what_looks_like_a_password_is_none_in_the_next_command_either() -> None:
    # The inventory may have pg_sequences_login_password: "{{ shop_pw }}".
    inside = '{"servers": [{"name": "a", "login_password": "s3cr3t"}], "pg_sequences_reference_databases": {"tokens": "old"}}'
    given = {"extra_vars": ("shop_pw=s3cr3t Vault_Shop=s3cr3t env=prod pg_sequences_ssl_key=/k", inside)}
    assert Command.of(given, "/").run("fix") == (
        "ansible-playbook pgops.sequences.fix -e shop_pw=... -e Vault_Shop=... -e env=prod -e pg_sequences_ssl_key=/k"
        ' -e \'{"servers": [{"name": "a", "login_password": "..."}]}\''
        ' -e \'{"pg_sequences_reference_databases": {"tokens": "old"}}\''
    )


def test_how_hosts_are_reached_is_part_of_the_next_command() -> None:
    given = {
        "inventory": ("localhost,",),
        "connection": "local",
        "private_key_file": "/srv/play/key",
        "become": True,
        "become_user": "postgres",
        "vault_ids": ("prod@prompt",),
        "args": ("pgops.sequences.check",),
    }
    assert Command.of(given, "/srv/play").run("fix") == (
        "ansible-playbook -i localhost, -c local --private-key key -b --become-user postgres --vault-id prod@prompt pgops.sequences.fix"
    )
    assert (
        Command.of({**given, "connection": "ssh"}, "/")
        .run("fix")
        .startswith("ansible-playbook -i localhost, --private-key ")
    )


def test_what_is_restored_is_not_restored_by_the_command_that_follows() -> None:
    given = {"extra_vars": ("pg_sequences_dump=/x pg_sequences_restore_force=true pg_sequences_database=shop",)}
    command = Command.of({**given, "args": ("pgops.sequences.restore_then_fix",)}, "/")
    assert command.run("fix") == "ansible-playbook pgops.sequences.fix -e pg_sequences_database=shop"
    assert "-e pg_sequences_restore_force=true" in command.run("restore_then_fix")


def test_variables_of_a_cut_overs_source_are_named() -> None:
    said = 'cannot use "login_port": check that login_host, login_port and ssl_mode are right; login_hosts'
    assert as_source_variables(said) == (
        'cannot use "login_port": check that pg_sequences_source_login_host, pg_sequences_source_login_port and'
        " pg_sequences_source_ssl_mode are right; login_hosts"
    )
    assert as_variables(as_source_variables(said), "cutover") == as_source_variables(said)


def host(name: str, verdict: str | None, error: str | None = None) -> dict[str, Any]:
    return {"name": name, "error": error, "cutover": verdict and {"verdict": verdict, "lines": [f"verdict: {verdict}"]}}


def test_a_cut_over_that_ended_early_has_a_verdict_too() -> None:
    document: dict[str, Any] = {
        "run": {"name": "cutover", "check_mode": False},
        "summary": {"hosts": 3},
        "hosts": [host("a", None, "no route"), host("b", "not yet, because"), host("c", "may be switched: 8")],
    }
    assert lacks_verdict(document)
    assert (
        verdict_of(document)
        == "verdict: not yet, because 1 host could not be compared; 1 host not yet; 1 host may be switched"
    )
    assert brief(document, "a", "") == "not compared: see the verdict above"
    assert brief(document, "b", "") == "not yet: see the verdict above"
    document["hosts"] = document["hosts"][1:]
    assert not lacks_verdict(document) and verdict_of(document) == "verdict: 1 host not yet; 1 host may be switched"


@pytest.mark.parametrize(
    ("repaired", "words"),
    [(0, "no sequence had to be repaired"), (3, "3 sequences repaired"), (1, "1 sequence repaired")],
)
@pytest.mark.parametrize("outcome", ["restored", "unchanged"])
def test_what_was_repaired_after_a_restore_is_called_so(outcome: str, repaired: int, words: str) -> None:
    counts = dict.fromkeys(
        ("critical", "unknown", "warning", "skipped", "not_fixed", "hosts_not_audited", "databases_not_audited"), 0
    )
    document: dict[str, Any] = {
        "run": {"name": "restore", "check_mode": False},
        "summary": {**counts, "hosts": 1, "total": 43, "healthy": 43, "repaired": repaired},
        "hosts": [{"name": "db1", "error": None, "summary": {}, "restored": {"outcome": outcome}}],
    }
    there = ", as the dump is there from an earlier run" if outcome == "unchanged" else ""
    assert verdict_of(document).startswith(f"verdict: 1 database {outcome}{there}; {words}; ")
