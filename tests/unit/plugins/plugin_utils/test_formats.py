# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report files: what is in them, by the schema that is shipped and by the reference readers of their formats."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Outcome, Run, build_document
from ansible_collections.pgops.sequences.plugins.plugin_utils._document.trend import add_trend
from ansible_collections.pgops.sequences.plugins.plugin_utils._render.formats import MOST_SERIES, render
from support.results import audit, finding, repair

ROOT = Path(__file__).resolve().parents[4]
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text())

HOSTILE = 'a "b" \\ \n </script>{label="x"} \u202e\u2028'


def document(outcomes: dict[str, Outcome], at: str = "2026-11-26T15:00:00Z", run: str = "fix") -> dict[str, Any]:
    return build_document(outcomes, Run(run, False, at, "0.1.0", "2.19.0"))


def full() -> dict[str, Any]:
    found = [
        finding(HOSTILE, percent_used=12.5),
        finding("w", status="warning", reasons=["near_limit"], percent_used=90.0, fix=None),
        finding(
            "u", status="unknown", reasons=["no_privilege"], percent_used=None, next_value=None, furthest_value=None
        ),
    ]
    made = document(
        {
            "db1": Outcome(repair(changes=["c"], not_fixed=["n"], findings=found), None),
            "=cmd": Outcome(audit(database_error="database x: no"), None),
            "away": Outcome(None, "+no route"),
        }
    )
    earlier = document({"db1": Outcome(repair(findings=found), None)}, at="2026-11-25T15:00:00Z")
    for sequence in made["sequences"]:
        if sequence["next_value"] is not None:
            sequence["next_value"] += 1000
    add_trend(made, [earlier])
    return made


def test_json_is_what_the_schema_says() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for made in (full(), document({}), document({"db1": Outcome(audit(healthy=1), None)}, run="check")):
        validator.validate(json.loads(render(made, "json")))
    for wrong in ({"schema_version": 3}, {"extra": 1}, {"generated_at": "yesterday"}, {"sequences": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**full(), **wrong})


def test_csv_is_read_back() -> None:
    rows = list(csv.DictReader(io.StringIO(render(full(), "csv"), newline="")))
    assert [(row["host"], row["name"], row["status"]) for row in rows] == [
        ("away", "", "not_audited"),
        ("'=cmd", "", "not_audited"),
        ("db1", HOSTILE, "critical"),
        ("db1", "u", "unknown"),
        ("db1", "w", "warning"),
    ]
    assert rows[0]["message"] == "'+no route"
    assert rows[2]["next_value"] == "1002" and rows[2]["fix"].startswith("SELECT pg_catalog.setval(")


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_it_back() -> None:
    found = samples(render(full(), "prometheus"))

    def value(name: str, **labels: str) -> float | None:
        return found.get((f"pg_sequences_{name}", frozenset(labels.items())))

    place = {"host": "db1", "database": "shop", "schema": "public"}
    assert value("last_run_timestamp_seconds") == 1795705200
    assert value("last_run_success") == 0
    assert value("host_audited", host="away") == 0 and value("host_audited", host="db1") == 1
    assert value("sequences", host="db1", status="critical") == 1
    assert value("reasons", host="db1", reason="behind") == 1 and value("reasons", host="db1", reason="gap") == 0
    assert value("finding", **place, sequence=HOSTILE, status="critical", reasons="behind") == 1
    assert value("percent_used", **place, sequence="w") == 90
    assert value("percent_used", **place, sequence="u") is None
    assert value("changes", host="db1") == 1 and value("not_fixed", host="db1") == 1
    healthy = samples(render(document({"db1": Outcome(audit(healthy=3), None)}, run="check"), "prometheus"))
    assert healthy["pg_sequences_last_run_success", frozenset()] == 1


def test_one_name_that_is_no_text_does_not_spoil_the_metrics() -> None:
    text = render(document({"db1": Outcome(audit(finding("a\udcffb")), None)}, run="check"), "prometheus")
    text.encode()
    assert 'sequence="a\\\\udcffb"' in text
    assert {"a\\udcffb"} == {
        dict(labels)["sequence"] for name, labels in samples(text) if name == "pg_sequences_finding"
    }


def test_prometheus_gets_a_bounded_number_of_series() -> None:
    found = [finding(f"s{number}") for number in range(5000)]
    text = render(document({"db1": Outcome(audit(*found), None)}, run="check"), "prometheus")
    assert len(samples(text)) < 3 * MOST_SERIES + 50
    assert samples(text)["pg_sequences_findings_omitted", frozenset()] == 5000 - MOST_SERIES


def test_alerts_and_dashboard_ask_for_metrics_that_are_written() -> None:
    # A sequence that runs out has a series of its own as well.
    written = {sample[0] for sample in samples(render(full(), "prometheus"))} | {
        "pg_sequences_exhausted_timestamp_seconds"
    }
    rules = yaml.safe_load((ROOT / "extensions" / "prometheus" / "pg_sequences.rules.yml").read_text())
    board = json.loads((ROOT / "extensions" / "grafana" / "pg_sequences.json").read_text())
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    asked += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    names = {name for expression in asked for name in re.findall(r"\bpg_sequences_\w+", expression)}
    assert len(asked) > 15 and names <= written


def test_trend_tells_when_values_run_out() -> None:
    def report(day: int, **numbers: Any) -> dict[str, Any]:
        found = finding("s", limit=2147483647, **numbers)
        return document({"db1": Outcome(audit(found), None)}, at=f"2026-11-{day:02}T00:00:00Z")

    now = report(21, next_value=2147383648, furthest_value=None)
    add_trend(now, [report(20, next_value=2147373648), report(11, next_value=2147283648, percent_used=99.0)])
    trend = now["sequences"][0]["trend"]
    # 100,000 values in ten days, and as many are left.
    assert trend["values_per_day"] == 10000 and trend["exhausted_at"] == "2026-12-01"
    assert [point[0][:10] for point in trend["points"]] == ["2026-11-11", "2026-11-20", "2026-11-21"]
    assert [each["generated_at"][:10] for each in now["history"]] == ["2026-11-11", "2026-11-20", "2026-11-21"]


@pytest.mark.parametrize(
    ("before", "after", "increment", "speed", "ends"),
    [
        (100, 100, 1, 0, None),
        (200, 100, 1, -100, None),
        (-100, -200, -1, 100, "2026-11-20"),
        (None, 100, 1, None, None),
        (100, 101, 1, 1, None),
    ],
)
def test_trend_of_other_sequences(before: Any, after: int, increment: int, speed: Any, ends: str | None) -> None:
    limit = -1000 if increment < 0 else 9223372036854775807
    first = document({"a": Outcome(audit(finding("s", next_value=before)), None)}, at="2026-11-11T00:00:00Z")
    found = finding("s", next_value=after, increment=increment, limit=limit)
    now = document({"a": Outcome(audit(found), None)}, at="2026-11-12T00:00:00Z")
    add_trend(now, [first])
    trend = now["sequences"][0]["trend"]
    assert (trend["values_per_day"], trend["exhausted_at"]) == (speed, ends)


@pytest.mark.parametrize("odd", [10**400, float("nan"), float("inf"), -(10**400), "1", True, [1]], ids=repr)
def test_an_odd_earlier_report_is_passed_over(odd: Any) -> None:
    now = document({"a": Outcome(audit(finding("s", next_value=3)), None)}, at="2026-11-11T00:00:00Z")
    for name in ("next_value", "furthest_value", "percent_used"):
        first = document({"a": Outcome(audit(finding("s")), None)}, at="2026-11-10T00:00:00Z")
        first["sequences"][0][name] = odd
        add_trend(now, [first])
        json.loads(render(now, "json"), parse_constant=pytest.fail)
    first = document({"a": Outcome(audit(finding("s", next_value=1)), None)}, at="2026-11-10T00:00:00Z")
    first["summary"]["total"] = "many" if odd in ("1", True) else odd
    add_trend(now, [first])
    assert len(now["history"]) == 1


def test_trend_needs_an_earlier_report_and_some_time() -> None:
    first = document({"a": Outcome(audit(finding("s", next_value=1)), None)}, at="2026-11-11T00:00:00Z")
    now = document({"a": Outcome(audit(finding("s"), finding("new")), None)}, at="2026-11-11T00:00:30Z")
    add_trend(now, [first])
    assert {
        sequence["name"]: sequence["trend"] and sequence["trend"]["values_per_day"] for sequence in now["sequences"]
    } == {
        "s": None,
        "new": None,
    }
    assert now["sequences"][0]["trend"] is None and now["sequences"][1]["trend"] is not None
