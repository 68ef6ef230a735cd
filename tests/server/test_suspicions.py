# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences that only the application draws: what is supposed of them, how certainly, and that nothing moves by it."""

from __future__ import annotations

from typing import Any

import pytest
from server.test_shapes import Dsn, Entry, fix, info

from support.run import run_module, sql

POOLED = """
CREATE SEQUENCE client_seq START 1 INCREMENT 50;
CREATE TABLE client (id bigint PRIMARY KEY, name text);
INSERT INTO client SELECT g, 'c' FROM generate_series(1, 140) g;
"""
INVOICES = """
CREATE SEQUENCE invoice_id_seq;
CREATE TABLE invoice (id integer PRIMARY KEY, note text);
INSERT INTO invoice SELECT g, 'n' FROM generate_series(1, 33) g;
CREATE SEQUENCE global_sequence;
CREATE TABLE dog (id bigint PRIMARY KEY);
CREATE TABLE cat (id bigint PRIMARY KEY);
INSERT INTO dog SELECT generate_series(1, 10);
INSERT INTO cat SELECT generate_series(11, 30);
"""


def filled(*names: str, column: str = "id", count: int = 9) -> str:
    return "".join(
        f"CREATE TABLE {name} ({column} bigint PRIMARY KEY); INSERT INTO {name} SELECT generate_series(1, {count});"
        for name in names
    )


def said(database: Dsn, name: str) -> Entry:
    (found,) = (sequence for sequence in info(database)["sequences"] if sequence["name"] == name)
    return found


def suspected(database: Dsn, name: str) -> str | None:
    """The column that a sequence is suspected of, as the entry of its database has it."""
    (found,) = info(database)["databases"]
    columns = [
        f"{entry['table']}.{entry['column']}" for entry in found["suspected"] if entry["sequence"].endswith(f".{name}")
    ]
    return ",".join(columns) or None


def test_a_suspicion_names_the_column_and_confirms_by_its_entry(database: Dsn) -> None:
    sql(database, POOLED + INVOICES)
    assert not fix(database)["changed"] and not fix(database, mode="realign", confirm=True)["changed"]
    found = said(database, "invoice_id_seq")
    assert (found["status"], found["reasons"]) == ("warning", ["suspected"])
    assert "invoice.id" in found["message"] and "goes up to 33" in found["message"] and "ALTER TABLE" in found["remedy"]
    found = said(database, "client_seq")
    assert (found["status"], found["reasons"]) == ("skipped", ["no_column", "suspected"])
    assert said(database, "global_sequence")["reasons"] == ["no_column"]
    (place,) = info(database)["databases"]
    assert place["skipped"] == {"no_column": 1, "suspected": 2}
    assert [entry.get("allocation") for entry in place["suspected"]] == ["pooled", None]
    result = fix(database, columns=place["suspected"])
    assert {change["name"]: change["after"]["next_value"] for change in result["changes"]} == {
        "client_seq": 201,
        "invoice_id_seq": 34,
    }


def test_the_alter_gives_a_lost_default_back(database: Dsn) -> None:
    sql(database, INVOICES)
    sql(database, said(database, "invoice_id_seq")["remedy"])
    assert said(database, "invoice_id_seq")["reasons"] == ["behind"]
    sql(database, "ALTER SEQUENCE invoice_id_seq OWNED BY invoice.id; ALTER TABLE invoice ALTER id DROP DEFAULT")
    found = said(database, "invoice_id_seq")
    assert found["reasons"] == ["behind"] and "invoice.id has no default any more: ALTER" in found["message"]
    assert fix(database)["changed"]
    sql(database, said(database, "invoice_id_seq")["message"].split("any more: ")[1])
    sql(database, "INSERT INTO invoice (note) VALUES ('n')")
    assert "any more" not in said(database, "invoice_id_seq")["message"]


def test_the_alter_of_a_name_that_needs_quotes(database: Dsn) -> None:
    name = 'We "ird\\%s Ünï'.replace('"', '""')
    sql(
        database,
        f'CREATE SCHEMA "{name}"; CREATE SEQUENCE "{name}"."{name}_Id_seq"; CREATE TABLE "{name}"."{name}" ("Id" int PRIMARY KEY);'
        f'INSERT INTO "{name}"."{name}" SELECT generate_series(1, 9)',
    )
    (place,) = info(database)["databases"]
    (found,) = info(database)["sequences"]
    assert found["status"] == "warning" and len(place["suspected"]) == 1
    assert fix(database, columns=place["suspected"])["changes"][0]["after"]["next_value"] == 10
    sql(database, found["remedy"])
    sql(database, f'INSERT INTO "{name}"."{name}" DEFAULT VALUES')
    assert info(database)["sequences"][0]["columns"][0]["furthest_value"] == 10


@pytest.mark.parametrize(
    ("statements", "sequence", "column", "status"),
    [
        (
            "CREATE SEQUENCE ticket_number_seq;" + filled("ticket", column="number"),
            "ticket_number_seq",
            "ticket.number",
            "warning",
        ),
        ("CREATE SEQUENCE seq_ticket;" + filled("ticket", column="nr"), "seq_ticket", "ticket.nr", "skipped"),
        ("CREATE SEQUENCE ticket_sequence;" + filled("ticket"), "ticket_sequence", "ticket.id", "skipped"),
        ("CREATE SEQUENCE group_id_seq;" + filled("groups"), "group_id_seq", "groups.id", "skipped"),
        (
            "CREATE SEQUENCE iso_language_id_seq;" + filled("isolanguages"),
            "iso_language_id_seq",
            "isolanguages.id",
            "skipped",
        ),
        ("CREATE SEQUENCE category_seq;" + filled("categories"), "category_seq", "categories.id", "skipped"),
        (
            "CREATE SEQUENCE alert_id_seq;" + filled("systemwide", column="alert_id"),
            "alert_id_seq",
            "systemwide.alert_id",
            "skipped",
        ),
        ("CREATE SEQUENCE hibernate_sequence;" + filled("a", "b"), "hibernate_sequence", "a.id,b.id", "skipped"),
        ("CREATE SCHEMA app; CREATE SEQUENCE t_id_seq;" + filled("app.t"), "t_id_seq", "app.t.id", "skipped"),
        (f"CREATE SEQUENCE {'t' * 56}_id_seq;" + filled("t" * 60), f"{'t' * 56}_id_seq", f"{'t' * 60}.id", "warning"),
        (
            "CREATE SEQUENCE t_seq; CREATE TABLE t (id numeric(9) PRIMARY KEY); INSERT INTO t VALUES (4)",
            "t_seq",
            "t.id",
            "skipped",
        ),
    ],
    ids=lambda value: value[:50] if value.startswith("CREATE") else "",
)
def test_names_by_the_usual_conventions(
    database: Dsn, statements: str, sequence: str, column: str, status: str
) -> None:
    sql(database, statements)
    found = suspected(database, sequence) or ""
    assert found.replace("public.", "") == column
    assert said(database, sequence)["status"] == status
    assert not fix(database)["changed"]


@pytest.mark.parametrize(
    ("statements", "sequence", "told"),
    [
        ("CREATE SEQUENCE group_id_seq;" + filled("groups", "groupes"), "group_id_seq", "public.groupes.id"),
        ("CREATE SCHEMA a; CREATE SCHEMA b; CREATE SEQUENCE t_id_seq;" + filled("a.t", "b.t"), "t_id_seq", "a.t.id"),
        ("CREATE SEQUENCE t_id_seq START 100;" + filled("t"), "t_id_seq", "is not behind"),
        ("CREATE SEQUENCE t_id_seq; CREATE TABLE t (id text PRIMARY KEY); INSERT INTO t VALUES ('9')", "t_id_seq", ""),
        (
            "CREATE SEQUENCE t_id_seq; CREATE TABLE t (id bigserial PRIMARY KEY); INSERT INTO t VALUES (9)",
            "t_id_seq",
            "",
        ),
        ("CREATE SEQUENCE t_id_seq; CREATE TABLE t (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY)", "t_id_seq", ""),
        (
            "CREATE SEQUENCE t_id_seq; CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t VALUES (1::bigint << 50)",
            "t_id_seq",
            "",
        ),
        ("CREATE SEQUENCE t_id_seq MAXVALUE 5;" + filled("t"), "t_id_seq", ""),
        ("CREATE SEQUENCE t_id_seq CYCLE;" + filled("t"), "t_id_seq", ""),
        (
            "CREATE SEQUENCE base_registry_signaling;" + filled("base_registry_signaling_x"),
            "base_registry_signaling",
            "",
        ),
        ("CREATE SEQUENCE t_id_seq; SELECT setval('t_id_seq', 30);" + filled("t", count=900), "t_id_seq", ""),
        (
            filled("p")
            + "CREATE SEQUENCE c_id_seq; CREATE TABLE c (id bigint PRIMARY KEY REFERENCES p); INSERT INTO c VALUES (7)",
            "c_id_seq",
            "",
        ),
        ("CREATE SEQUENCE t_id_seq; CREATE VIEW t AS SELECT 9::bigint AS id", "t_id_seq", ""),
        (
            "CREATE SEQUENCE customer_seq; SELECT setval('customer_seq', 40);" + filled("customer", count=1995),
            "customer_seq",
            "hilo",
        ),
    ],
    ids=lambda value: value[:60] if value.startswith("CREATE") else "",
)
def test_what_is_no_suspicion(database: Dsn, statements: str, sequence: str, told: str) -> None:
    sql(database, statements)
    if "900" in statements:
        sql(database, "DELETE FROM t WHERE id <> 9; UPDATE t SET id = 30")
    (place,) = info(database)["databases"]
    assert [entry for entry in place["suspected"] if entry["sequence"].endswith(f".{sequence}")] == []
    found = said(database, sequence)
    assert "suspected" not in found["reasons"] and told in found["message"], found
    assert not any(change["name"] == sequence for change in fix(database)["changes"])


def test_a_trigger_that_draws_is_the_best_evidence(database: Dsn) -> None:
    sql(
        database,
        filled("orders", column="nr")
        + filled("x")
        + "CREATE SEQUENCE x_seq; CREATE FUNCTION number_it() RETURNS trigger LANGUAGE plpgsql AS"
        " $f$ BEGIN IF new.nr IS NULL THEN NEW.nr := nextval('x_seq'::regclass); END IF; RETURN NEW; END $f$;"
        " CREATE TRIGGER b BEFORE INSERT ON orders FOR EACH ROW EXECUTE PROCEDURE number_it()",
    )
    found = said(database, "x_seq")
    assert found["status"] == "warning" and "by trigger it feeds orders.nr" in found["message"]
    assert suspected(database, "x_seq") == "public.orders.nr"


@pytest.mark.parametrize(
    ("body", "column"),
    [
        ("""NEW."Other Nr" := nextval('"My Seq"')""", "Other Nr"),
        ("""SELECT nextval('public."My Seq"') INTO NEW.id""", "id"),
        ("""NEW.version := 1; NEW.id = nextval( '"My Seq"'::regclass )""", "id"),
        ("""/* NEW.id := nextval('"My Seq"') */ NEW.id := 5 -- nextval('"My Seq"')""", None),
        ("""NEW.id := nextval('elsewhere."My Seq"')""", None),
        ("""x := nextval('"My Seq"'); NEW.id := x; NEW.version := x""", None),
    ],
    ids=["quoted", "into", "near", "comment", "schema", "tie"],
)
def test_what_a_triggers_text_says(database: Dsn, body: str, column: str | None) -> None:
    sql(
        database,
        'CREATE TABLE t (id bigint PRIMARY KEY, "Other Nr" bigint, version int); CREATE SEQUENCE "My Seq";'
        "INSERT INTO t SELECT g, g, g FROM generate_series(1, 9) g; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        f" $f$ DECLARE x bigint; BEGIN {body}\n; RETURN NEW; END $f$;"
        "CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW EXECUTE PROCEDURE f()",
    )
    assert suspected(database, "My Seq") == (column and f"public.t.{column}")
    found = said(database, "My Seq")
    assert ("t.id, public.t.version" in found["message"]) == body.startswith("x :=")


def test_of_two_that_claim_a_column_the_one_near_its_rows_is_suspected(database: Dsn) -> None:
    sql(
        database,
        filled("t", count=5000)
        + "CREATE SEQUENCE t_id_seq; CREATE SEQUENCE t_id_seq1; SELECT setval('t_id_seq1', 4990)",
    )
    assert suspected(database, "t_id_seq1") == "public.t.id" and suspected(database, "t_id_seq") is None


def test_of_two_with_an_equal_claim_both_are_named_and_none_is_suspected(database: Dsn) -> None:
    sql(database, filled("t") + "CREATE SEQUENCE t_id_seq; CREATE SEQUENCE t_id_seq1")
    for name, other in (("t_id_seq", "t_id_seq1"), ("t_id_seq1", "t_id_seq")):
        found = said(database, name)
        assert (
            found["reasons"] == ["no_column"] and f"public.{other}" in found["message"] and "t.id" in found["message"]
        )


def test_a_trigger_is_better_evidence_than_a_name(database: Dsn) -> None:
    sql(
        database,
        filled("orders", column="nr", count=5000)
        + "CREATE SEQUENCE x_seq; CREATE SEQUENCE orders_nr_seq; SELECT setval('orders_nr_seq', 4990);"
        "CREATE FUNCTION number_it() RETURNS trigger LANGUAGE plpgsql AS"
        " $f$ BEGIN NEW.nr := nextval('x_seq'); RETURN NEW; END $f$;"
        "CREATE TRIGGER b BEFORE INSERT ON orders FOR EACH ROW EXECUTE PROCEDURE number_it()",
    )
    assert suspected(database, "x_seq") == "public.orders.nr" and suspected(database, "orders_nr_seq") is None


def test_one_sequence_for_all_tables_leaves_those_that_another_has_a_claim_to(database: Dsn) -> None:
    sql(database, filled("a", "b", "client") + "CREATE SEQUENCE hibernate_sequence; CREATE SEQUENCE client_seq")
    assert suspected(database, "hibernate_sequence") == "public.a.id,public.b.id"
    assert suspected(database, "client_seq") == "public.client.id"


def test_one_sequence_for_all_tables_that_is_the_default_of_some(database: Dsn) -> None:
    sql(
        database,
        filled("b", "c")
        + "CREATE SEQUENCE hibernate_sequence; CREATE TABLE a (id bigint PRIMARY KEY DEFAULT nextval('hibernate_sequence'));"
        "INSERT INTO a DEFAULT VALUES",
    )
    assert not fix(database)["changed"]
    found = said(database, "hibernate_sequence")
    assert found["status"] == "healthy" and "b.id, which goes up to 9" in found["message"]
    assert suspected(database, "hibernate_sequence") == "public.b.id,public.c.id"
    # Without show_all as well, and no longer once the operator has said what it feeds.
    place = {"login_unix_socket": database["host"], "login_port": database["port"], "login_db": database["dbname"]}
    (short,) = run_module("pg_sequence_info", place)["databases"]
    assert len(short["suspected"]) == 2
    result = fix(database, columns=short["suspected"])
    assert [change["after"]["next_value"] for change in result["changes"]] == [10]
    assert result["databases"][0]["suspected"] == []


def test_what_could_not_be_compared_is_not_said_to_be_in_order(database: Dsn) -> None:
    role = f"blind_{database['dbname']}"
    sql(
        database,
        filled("t") + f"CREATE SEQUENCE t_id_seq; CREATE ROLE {role}; GRANT SELECT ON SEQUENCE t_id_seq TO {role}",
    )
    try:
        (found,) = info(database, session_role=role)["sequences"]
        assert "not behind" not in found["message"] and "no_privilege" in found["message"]
    finally:
        sql(database, f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        ("CREATE SEQUENCE t_id_seq; INSERT INTO t VALUES (1::bigint << 50)", "far beyond it"),
        ("CREATE SEQUENCE t_id_seq MAXVALUE 5; INSERT INTO t VALUES (9)", "beyond what it can hand out"),
        ("CREATE SEQUENCE t_id_seq START 20; INSERT INTO t VALUES (9)", "is not behind it"),
    ],
    ids=["times", "bounds", "ahead"],
)
def test_why_a_fitting_column_is_no_suspicion(database: Dsn, statements: str, told: str) -> None:
    sql(database, "CREATE TABLE t (id bigint PRIMARY KEY);" + statements)
    assert told in said(database, "t_id_seq")["message"]


def test_known_applications_are_recognised_by_their_tables(database: Dsn) -> None:
    sql(
        database,
        filled("batch_job_instance", column="job_instance_id")
        + filled("batch_job_execution", column="job_execution_id")
        + filled("batch_step_execution", column="step_execution_id")
        + "CREATE SEQUENCE batch_job_seq; CREATE SEQUENCE batch_job_execution_seq; CREATE SEQUENCE batch_step_execution_seq;"
        + filled("celery_taskmeta", "celery_tasksetmeta", column="id")
        + filled("audit", column="task_id")
        + "CREATE SEQUENCE task_id_sequence; CREATE SEQUENCE taskset_id_sequence;"
        # Streams, forward and backward, of which no column is a key.
        + "CREATE TABLE events (stream_ordering bigint); CREATE TABLE current_state_delta_stream (stream_id bigint);"
        " CREATE TABLE pushers (id bigint PRIMARY KEY); CREATE SEQUENCE events_stream_seq;"
        " CREATE SEQUENCE events_backfill_stream_seq;"
        " INSERT INTO events SELECT generate_series(-52, 30); INSERT INTO current_state_delta_stream VALUES (41)",
    )
    (place,) = info(database)["databases"]
    assert place["skipped"].get("suspected", 0) == 7, place
    result = fix(database, columns=place["suspected"])
    assert result["not_fixed"] == [] and {
        change["name"]: change["after"]["next_value"] for change in result["changes"]
    } == {
        **dict.fromkeys(["batch_job_seq", "batch_job_execution_seq", "batch_step_execution_seq"], 10),
        **dict.fromkeys(["task_id_sequence", "taskset_id_sequence"], 10),
        "events_stream_seq": 42,
        "events_backfill_stream_seq": 53,
    }


@pytest.mark.parametrize(
    ("sequence", "table", "column", "others"),
    [
        ("alf_activity_post_seq", "alf_activity_post", "sequence_id", ("alf_node", "alf_store")),
        ("process_id_seq", "process", "process_id", ("doi", "handle")),
        ("orcid_token_id_seq", "orcid_token", "id", ("doi", "handle")),
        ("thread_subscriptions_sequence", "thread_subscriptions", "stream_id", ("pushers", "events")),
    ],
)
def test_ready_mappings_cover_what_the_applications_draw(
    database: Dsn, sequence: str, table: str, column: str, others: tuple[str, ...]
) -> None:
    """Columns that no key shows, of applications that are known by two other tables."""
    sql(
        database,
        f"CREATE TABLE {table} ({column} bigint); INSERT INTO {table} VALUES (7); CREATE SEQUENCE {sequence};"
        + "".join(f"CREATE TABLE {other} (id bigint);" for other in others),
    )
    assert said(database, sequence)["status"] == "warning"
    assert suspected(database, sequence) == f"public.{table}.{column}"


def test_table_counters_are_named_as_not_covered(database: Dsn) -> None:
    sql(database, "CREATE TABLE act_ge_property (name_ text, value_ text); CREATE TABLE hibernate_sequences (n text)")
    (place,) = info(database)["databases"]
    assert place["not_covered"] == [
        "public.act_ge_property (Flowable, Activiti, Camunda)",
        "public.hibernate_sequences (Hibernate's table generator)",
    ]


def test_a_suspicion_never_fails_a_restore_or_a_repair(database: Dsn) -> None:
    sql(database, INVOICES)
    place: dict[str, Any] = {
        "login_unix_socket": database["host"],
        "login_port": database["port"],
        "login_db": database["dbname"],
    }
    result = run_module("pg_sequence_fix", place)
    assert not result["failed"] and [one["name"] for one in result["sequences"]] == ["invoice_id_seq"]
