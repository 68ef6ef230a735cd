# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents as a report has them, made up to be looked at: a fleet, one host, a cut-over, right-to-left names."""

from __future__ import annotations

from typing import Any

from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Outcome, Run, build_document
from ansible_collections.pgops.sequences.plugins.plugin_utils._document.trend import add_trend
from support.results import Result, audit, finding

_INTEGER = 2**31 - 1
_BIGINT = 2**63 - 1


def _column(table: str, name: str = "id", furthest: int | None = None, **other: Any) -> Result:
    return {**finding("x")["columns"][0], "table": table, "column": name, "furthest_value": furthest, **other}


def behind(table: str, next_value: int, furthest: int, **other: Any) -> Result:
    """A sequence that is behind its rows."""
    name = f"{table}_id_seq"
    statement = f"SELECT pg_catalog.setval('public.{name}'::regclass, {furthest}, true);"
    return finding(
        name,
        **{
            "columns": [_column(table, furthest=furthest)],
            "next_value": next_value,
            "furthest_value": furthest,
            "message": f"behind: the next value is {next_value}, but {table}.id already goes up to {furthest}",
            "fix": {"next_value": furthest + 1, "statement": statement},
            "remedy": statement,
            **other,
        },
    )


def nearly_full(table: str, next_value: int, furthest: int) -> Result:
    """A sequence whose integer range ends soon."""
    used = round(max(next_value, furthest) / _INTEGER * 100, 2)
    return finding(
        f"{table}_id_seq",
        status="warning",
        reasons=["near_limit"],
        columns=[_column(table, furthest=furthest, type="integer")],
        data_type="integer",
        max_value=_INTEGER,
        limit=_INTEGER,
        next_value=next_value,
        furthest_value=furthest,
        percent_used=used,
        gap=next_value - furthest - 1,
        message=f"{used} % of the range is used: the next value is {next_value}, the limit {_INTEGER}",
        remedy=f"ALTER TABLE public.{table} ALTER COLUMN id TYPE bigint; ALTER SEQUENCE public.{table}_id_seq AS bigint;",
        fix=None,
    )


def hidden(table: str, schema: str = "public") -> Result:
    """A sequence whose table the auditor may not read."""
    grants = f"GRANT USAGE ON SCHEMA {schema} TO auditor; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO auditor;"
    return finding(
        f"{table}_id_seq",
        schema=schema,
        status="unknown",
        reasons=["no_privilege"],
        columns=[_column(table, error="permission denied", schema=schema)],
        furthest_value=None,
        percent_used=None,
        message=f"{schema}.{table}.id could not be read: permission denied for schema {schema}",
        remedy=grants,
        fix=None,
    )


def ahead(table: str, next_value: int, furthest: int) -> Result:
    """A sequence that has skipped many values."""
    gap = next_value - furthest - 1
    return finding(
        f"{table}_id_seq",
        status="warning",
        reasons=["gap"],
        columns=[_column(table, furthest=furthest)],
        next_value=next_value,
        furthest_value=furthest,
        gap=gap,
        message=f"gap: {gap} values lie unused between {table}.id, which goes up to {furthest}, and the next value {next_value}",
        remedy="to close the gap, unless an application holds values of it that are not stored yet: pg_sequences_mode=realign, pg_sequences_confirm=true",
        fix=None,
    )


def healthy(table: str, rows: int) -> Result:
    """A sequence in order, as a report with ``pg_sequences_show_all`` has it."""
    return finding(
        f"{table}_id_seq",
        status="healthy",
        reasons=[],
        columns=[_column(table, furthest=rows)],
        next_value=rows + 1,
        furthest_value=rows,
        gap=0,
        message="in order",
        remedy=None,
        fix=None,
    )


def _made(outcomes: dict[str, Outcome], day: int = 26, run: str = "check", clock: str = "15:00:00") -> dict[str, Any]:
    return build_document(outcomes, Run(run, False, f"2026-11-{day:02}T{clock}Z", "1.0.0", "2.19.14"))


def _fleet(factor: float) -> dict[str, Outcome]:
    def so_far(value: int) -> int:
        return int(value * factor)

    shop = [
        behind("orders", 1, so_far(184210)),
        behind("order_items", 5012, so_far(512004)),
        nearly_full("events", so_far(2040109433), so_far(2039998101)),
        ahead("invoices", 1200001, 1042),
        healthy("customers", so_far(48211)),
        healthy("products", 1204),
    ]
    crm = [
        behind("contacts", so_far(90210), so_far(90388), database="crm"),
        {**hidden("salaries", "hr"), "database": "crm"},
        {**hidden("absences", "hr"), "database": "crm"},
        {**hidden("reviews", "hr"), "database": "crm"},
    ]
    mes = [{**nearly_full("readings", so_far(1780000001), so_far(1780000000)), "database": "mes"}]
    outcomes = {
        "db-01.prod.example.com": Outcome(audit(*shop, healthy=410, skipped=3), None),
        "db-02.prod.example.com": Outcome(audit(*crm, healthy=122), None),
        "db-03.prod.example.com": Outcome(audit(*mes, {**hidden("shifts", "hr"), "database": "mes"}, healthy=64), None),
        "db-04.prod.example.com": Outcome(
            None, "the server cannot be reached: connection to 10.0.0.14, port 5432, timed out"
        ),
    }
    for name, database in (("db-02.prod.example.com", "crm"), ("db-03.prod.example.com", "mes")):
        entered = outcomes[name].result
        assert entered
        entered["databases"][0].update(name=database)
    for number in range(5, 41):
        outcomes[f"db-{number:02}.prod.example.com"] = Outcome(audit(healthy=80 + number), None)
    for outcome in outcomes.values():
        if outcome.result:
            outcome.result["selection"].update(databases=["*"])
    supposed = {"sequence": "public.ticket_no", "table": "public.tickets", "column": "number"}
    suspected = outcomes["db-01.prod.example.com"].result
    assert suspected
    suspected["databases"][0].update(suspected=[supposed], skipped={"no_column": 2, "suspected": 1})
    return outcomes


def fleet() -> dict[str, Any]:
    """Forty hosts, four with findings, one away, after a fortnight of daily reports."""
    made = _made(_fleet(1))
    earlier = [_made(_fleet(1 - back / 100), day=26 - back) for back in range(1, 15)]
    for back, document in enumerate(earlier):
        document["summary"]["critical"] = (0, 0, 1, 1, 0, 4, 4, 3, 1, 1, 1, 0, 0, 2)[back]
        document["summary"]["warning"] = 3 - back // 5
    add_trend(made, earlier)
    return made


def one_host() -> dict[str, Any]:
    """One host with three databases."""
    found = [
        behind("tickets", 77, 14005),
        behind("messages", 14000, 14005, database="chat"),
        {**nearly_full("log", 2100000000, 2000000000), "database": "chat"},
    ]
    result = audit(*found, healthy=30)
    shop = result["databases"][0]
    counts = {"total": 0, "healthy": 0, "warning": 0, "critical": 0, "unknown": 0, "skipped": 0}
    result["databases"] = [
        {**shop, "summary": {**counts, "total": 21, "critical": 1, "healthy": 20}},
        {**shop, "name": "chat", "summary": {**counts, "total": 12, "critical": 1, "warning": 1, "healthy": 10}},
        {**shop, "name": "old", "error": "cannot enter database old: GRANT CONNECT ON DATABASE old TO auditor;"},
    ]
    return _made({"db1": Outcome(result, None)})


def right_to_left() -> dict[str, Any]:
    """Names in Arabic and Hebrew beside those in Latin letters."""
    found = [
        behind("طلبات", 12, 4200, database="متجر"),
        behind("הזמנות", 400, 4200, database="חנות"),
        behind("orders", 12, 4200),
    ]
    return _made({"خادم-1": Outcome(audit(*found), None), "db2": Outcome(audit(behind("parts", 3, 90)), None)})


def cutover() -> dict[str, Any]:
    """A cut-over that may not be switched yet."""
    there = {"database": "shop", "is_called": True, "differences": [], "statement": None}
    there_statement = "SELECT pg_catalog.setval('public.orders_id_seq'::regclass, 184259, true);"
    moving = behind(
        "orders",
        184211,
        184210,
        reasons=["behind_reference"],
        message="behind the reference: the next value is 184211, there it is 184260",
        fix={"next_value": 184260, "statement": there_statement},
        remedy=there_statement,
        reference={**there, "last_value": 184259, "next_value": 184260},
    )
    alter = "ALTER SEQUENCE public.invoices_id_seq INCREMENT BY 2;"
    other = finding(
        "invoices_id_seq",
        status="warning",
        reasons=["differs"],
        message="defined otherwise: increment 1 here, 2 there",
        remedy=alter,
        fix=None,
        next_value=2,
        furthest_value=1,
        gap=0,
        reference={
            **there,
            "last_value": 1,
            "next_value": 1,
            "statement": alter,
            "differences": [{"what": "increment", "here": "1", "there": "2"}],
        },
    )
    result = audit(moving, other, healthy=410)
    change = {"last_value": 9, "is_called": True, "next_value": 10}
    result["changes"] = [
        {
            **{"database": "shop", "schema": "public", "name": "customers_id_seq", "reasons": ["behind_reference"]},
            **{"method": "locked", "before": change, "after": {**change, "last_value": 48211, "next_value": 48212}},
            "statement": "SELECT pg_catalog.setval('public.customers_id_seq'::regclass, 48211, true);",
        }
    ]
    reasons = [
        "1 sequence is behind again (shop public.orders_id_seq)",
        "1 sequence of the source is missing on the target",
    ]
    server = {"port": 5432, "in_recovery": False, "system_identifier": "7300000000000000001"}
    result["cutover"] = {
        "source": {**server, "address": "10.0.0.1", "version": "14.9", "file": None},
        "target": {**server, "address": "10.0.0.2", "version": "18.4"},
        "source_stood_still": False,
        "source_moved": [
            {"database": "shop", "schema": "public", "name": "orders_id_seq", "from": 184210, "to": 184259}
        ],
        "writers": [],
        "subscriptions": [],
        "comparison": {
            **{"given": 414, "compared": 413, "unreadable": 0, "behind": 1, "ahead": 3, "equal": 409, "differs": 1},
            **{"not_selected": 0, "other_databases": 0},
        },
        "only_on_source": [
            {
                **{"database": "shop", "schema": "public", "name": "receipts_no"},
                "statement": "CREATE SEQUENCE public.receipts_no AS bigint START WITH 9001;",
            }
        ],
        "only_on_target": [{"database": "shop", "schema": "public", "name": "scratch_seq"}],
        "reasons": reasons,
        "switchable": False,
        "verdict": f"not yet, because {'; '.join(reasons)}",
        "lines": [
            "source: 10.0.0.1 port 5432",
            "target: 10.0.0.2 port 5432",
            f"verdict: not yet, because {'; '.join(reasons)}",
        ],
    }
    return _made({"db-new": Outcome(result, None)}, run="cutover")
