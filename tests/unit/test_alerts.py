# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics and the alerts that are shipped, by Prometheus's own promtool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Outcome, Run, build_document
from ansible_collections.pgops.sequences.plugins.plugin_utils._render.formats import render
from support.results import audit, finding, repair

RULES = Path(__file__).resolve().parents[2] / "extensions" / "prometheus" / "pg_sequences.rules.yml"

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: in the package prometheus)"
)

# 1970-01-01T00:00:00Z, where promtool's clock begins.
EPOCH = "1970-01-01T00:00:00Z"


def metrics(*findings: dict[str, Any], repaired: bool = False) -> str:
    result = repair(findings=findings, not_fixed=["x"]) if repaired else audit(*findings, healthy=1)
    outcomes = {"db1": Outcome(result, None), "down": Outcome(None, "no route")}
    return render(build_document(outcomes, Run("check", False, EPOCH, "0.1.0", "2.19.0")), "prometheus")


def promtool(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, check=False)


def test_metrics_are_named_as_prometheus_wants_them() -> None:
    done = promtool("check", "metrics", text=metrics(finding("a"), finding("b", status="warning", percent_used=90.0)))
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_can_be_read() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert promtool("check", "rules", str(RULES.with_name("no.yml"))).returncode != 0


@pytest.mark.parametrize(
    ("text", "at", "alerts"),
    [
        (metrics(), "5m", {"PgSequenceHostNotAudited"}),
        (metrics(finding("a")), "5m", {"PgSequenceHostNotAudited", "PgSequenceBehind"}),
        (metrics(finding("a", reasons=["exhausted"])), "5m", {"PgSequenceHostNotAudited", "PgSequenceExhausted"}),
        (
            metrics(finding("a", status="warning", reasons=["near_limit"])),
            "5m",
            {"PgSequenceHostNotAudited", "PgSequenceNearLimit"},
        ),
        (metrics(finding("a", status="unknown", reasons=["locked"])), "5m", {"PgSequenceHostNotAudited"}),
        (metrics(finding("a", status="warning", reasons=["not_synchronized"])), "5m", {"PgSequenceHostNotAudited"}),
        (
            metrics(finding("a", status="warning", reasons=["not_synchronized"])),
            "25m",
            {"PgSequenceHostNotAudited", "PgSequenceNotSynchronized"},
        ),
        (
            metrics(finding("a", status="unknown", reasons=["locked"])),
            "25h",
            {"PgSequenceHostNotAudited", "PgSequenceUnknown", "PgSequenceAuditMissing"},
        ),
        (metrics(repaired=True), "5m", {"PgSequenceHostNotAudited", "PgSequenceNotFixed"}),
        (metrics(), "4h", {"PgSequenceHostNotAudited", "PgSequenceAuditMissing"}),
        ("", "2h", {"PgSequenceAuditAbsent"}),
    ],
)
def test_alerts_fire_for_what_is_written(text: str, at: str, alerts: set[str], tmp_path: Path) -> None:
    names = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    samples = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    case = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "5m",
        "tests": [
            {
                "interval": "5m",
                "input_series": [{"series": name, "values": f"{value}+0x400"} for name, _space, value in samples],
                # That an alert fires without being expected is a failure as well; the labels do not matter here.
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) > bool 0',
                        "eval_time": at,
                        "exp_samples": [{"labels": "{}", "value": 1}] if name in alerts else [],
                    }
                    for name in sorted(names)
                ],
            }
        ],
    }
    place = tmp_path / "case.yml"
    place.write_text(yaml.safe_dump(case))
    done = promtool("test", "rules", str(place))
    assert done.returncode == 0, done.stdout + done.stderr
