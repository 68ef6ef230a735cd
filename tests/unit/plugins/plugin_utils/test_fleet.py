# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts' variables come to: the document, who fails by it, and what a terminal shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import (
    Outcome,
    Run,
    build_document,
    outcome_of,
    verdicts,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._render.lines import MOST_FINDINGS, lines_of
from support.results import audit, finding, repair

NOW = "2026-11-26T15:00:00Z"


def document(outcomes: dict[str, Outcome], run: str = "check", check_mode: bool = False) -> dict[str, Any]:
    return build_document(outcomes, Run(run, check_mode, NOW, "0.1.0", "2.19.0"))


def audited(*findings: dict[str, Any], **counts: int) -> Outcome:
    return Outcome(audit(*findings, **counts), None)


def test_the_worst_stands_first() -> None:
    made = document(
        {
            "calm": audited(healthy=5),
            "warned": audited(finding("a", status="warning", percent_used=81.0)),
            "away": Outcome(None, "no route to host"),
            "burning": audited(
                finding("b", status="warning", percent_used=95.0), finding("c"), finding("d", status="unknown")
            ),
            "worse": audited(finding("e"), finding("f")),
        }
    )
    assert [host["name"] for host in made["hosts"]] == ["away", "worse", "burning", "warned", "calm"]
    assert [sequence["name"] for sequence in made["sequences"]] == ["c", "e", "f", "d", "b", "a"]
    assert made["summary"] == {
        "hosts": 5,
        "hosts_not_audited": 1,
        "databases": 4,
        "databases_not_audited": 0,
        "total": 11,
        "critical": 3,
        "unknown": 1,
        "warning": 2,
        "healthy": 5,
        "skipped": 0,
        "repaired": 0,
        "not_fixed": 0,
    }


@pytest.mark.parametrize(
    ("found", "failing"),
    [
        ({"healthy": 1, "skipped": 1}, set()),
        ("behind", {"critical", "warning", "unknown"}),
        ("gap", {"warning"}),
        ("locked", {"warning", "unknown"}),
        ("not_a_number", {"warning"}),
        ("view,locked", {"warning", "unknown"}),
        (None, {"critical", "warning", "unknown"}),
        ("database", {"critical", "warning", "unknown"}),
    ],
    ids=["healthy", "critical", "warning", "unknown", "structural", "both", "host", "database"],
)
def test_an_audit_fails_by_what_is_asked(found: Any, failing: set[str]) -> None:
    if found is None:
        outcome = Outcome(None, "no route to host")
    elif found == "database":
        outcome = Outcome(audit(database_error="database shop: no"), None)
    elif isinstance(found, str):
        status = {"behind": "critical", "gap": "warning"}.get(found, "unknown")
        outcome = audited(finding("a", status=status, reasons=found.split(",")))
    else:
        outcome = audited(**found)
    # Each host by its own.
    modes = ("critical", "warning", "unknown", "never")
    outcomes = {mode: outcome._replace(fail_on=mode) for mode in modes}
    assert set(verdicts(document(outcomes), outcomes)) == failing


def test_a_repair_fails_for_what_it_leaves() -> None:
    left = Outcome(repair(not_fixed=["x"]), None)
    clean = Outcome(repair(changes=["x"]), None)
    late = Outcome(repair(findings=[finding("x")]), None)
    never = Outcome(None, "no route to host")
    outcomes = {"left": left, "clean": clean, "late": late, "never": never}
    said = verdicts(document(outcomes, "fix"), outcomes)
    assert set(said) == {"left", "late", "never"}
    assert (
        said["left"].startswith("1 sequence(s) could not be repaired") and "running it again continues" in said["left"]
    )
    assert "Run the playbook pgops.sequences.fix once more" in said["late"]
    assert said["never"] == "no route to host"
    # What check mode foretells is behind still, of course.
    assert verdicts(document({"late": late}, "fix", check_mode=True), {"late": late}) == {}


AUDITED = audit(finding("y"))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, None),
        ("text", None),
        (AUDITED, (AUDITED, None)),
        ({**AUDITED, "error": "a\nb\x1b[2J"}, (AUDITED, r"a b\x1b[2J")),
        ({"run": "check", "error": "no role", "summary": None}, (None, "no role")),
        ({"unreachable": True, "msg": "no\nroute"}, (None, "no route")),
        ({"failed": True, "exception": "Traceback"}, (None, "Traceback")),
        ({"failed": True}, (None, "it was ended before it could say why")),
        ({"skipped": True}, (None, "it was ended before it could say why")),
    ],
)
def test_what_a_host_came_to(result: Any, expected: Any) -> None:
    found = outcome_of(result, "never")
    if expected is None:
        assert found is None
    else:
        assert found and found.error == expected[1] and found.fail_on == "never"
        assert (found.result is None) == (expected[0] is None)


def test_lines_are_whole_and_bounded() -> None:
    long = finding("s" * 50, message="could not be read: " + "GRANT SELECT ON TABLE somewhere TO somebody; " * 5)
    many = {f"db{number}.example.com": audited(*[long] * 5, finding("x", status="warning")) for number in range(200)}
    lines = lines_of(document(many), "in the folder")
    assert sum("GRANT SELECT ON TABLE somewhere TO somebody; " * 4 in line for line in lines) == MOST_FINDINGS
    assert len(lines) < 300
    assert f"... and {200 * 6 - MOST_FINDINGS} more: in the folder" in lines
    assert lines[-2] == "hosts: 200, audited: 200, not audited: 0; databases: 200"


def test_names_cannot_move_the_cursor() -> None:
    lines = lines_of(document({"db1": audited(finding("a\x1b[2Jb\u202ec\n"))}), "")
    (line,) = (line for line in lines if line.startswith("critical "))
    assert r'public."a\x1b[2Jb\u202ec\n":' in line and not set("\x1b\u202e") & set("".join(lines))


def test_details_cannot_move_the_cursor() -> None:
    bad = "\x1b[2J\x07"
    found = finding(f"a{bad}", data_type=bad, message=bad, fix={"next_value": 2, "statement": f"SELECT {bad}"})
    found["columns"] = [{**found["columns"][0], "table": bad, "type": bad, "error": bad}]
    lines = lines_of(document({"db1": audited(found)}, "info"), "")
    assert all(line.isprintable() for line in lines) and sum("\\x1b" in line for line in lines) >= 5


def test_what_is_left_is_told_once_with_its_remedy() -> None:
    outcome = Outcome(repair(not_fixed=["x"], findings=[finding("x"), finding("y", status="warning")]), None)
    told = "\n".join(lines_of(document({"db1": outcome}, "fix"), ""))
    assert told.count("public.x:") == 1 and "left shop public.x: it is behind\n    do it\n" in told
    assert "warning shop public.y" in told


@pytest.mark.parametrize(
    ("skipped", "told"),
    [
        ({"no_column": 1, "suspected": 3}, ["4 sequences are drawn by no column: 3 suspected, 1 unknown use"]),
        ({"no_column": 1}, ["1 sequence is drawn by no column: 1 unknown use"]),
        ({"cycle": 2, "extension": 1}, ["not judged on purpose: 2 cycle, 1 extension"]),
        ({}, []),
    ],
    ids=str,
)
def test_what_was_not_judged_is_named_by_number_and_kind(skipped: dict[str, int], told: list[str]) -> None:
    result = audit(healthy=1)
    result["databases"][0]["skipped"] = skipped
    made = document({"db1": Outcome(result, None)})
    assert [line for line in lines_of(made, "") if line.startswith("shop: ")] == [f"shop: {line}" for line in told]


def test_all_suspicions_of_a_database_are_one_variable_to_copy() -> None:
    entries = [{"sequence": "public.s", "table": "public.t", "column": "id", "allocation": "pooled"}]
    result = audit(healthy=1)
    result["databases"][0].update(suspected=entries, not_covered=["public.counter (Liferay)"])
    made = document({"db1": Outcome(result, None)})
    lines = lines_of(made, "")
    (found,) = (line for line in lines if "pg_sequences_columns: " in line)
    assert json.loads(found.partition("pg_sequences_columns: ")[2]) == entries
    assert any("not covered" in line and "public.counter" in line for line in lines)


def test_names_of_databases_end_where_they_end() -> None:
    found = [{**finding("a"), "database": name} for name in ("my-app", "Shop", "we ird", 'q"uote', "a,b")]
    told = {line.partition(" public.a:")[0] for line in lines_of(document({"db1": audited(*found)}), "")}
    assert told >= {"critical my-app", "critical Shop", 'critical "we ird"', 'critical "q""uote"', 'critical "a,b"'}


def test_what_settles_several_that_are_left_stands_once() -> None:
    grant = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO me;"
    left = [
        {
            "database": "shop",
            "schema": "public",
            "name": name,
            "reasons": ["no_privilege"],
            "message": "m",
            "remedy": grant,
        }
        for name in ("a", "b", "c")
    ]
    outcome = Outcome({**repair(), "not_fixed": left}, None)
    lines = lines_of(document({"db1": outcome}, "fix"), "")
    assert lines.count(f"    {grant}") == 1 and lines.count("    the remedy above settles this as well") == 2


def test_nothing_is_counted_where_nothing_was_looked_at() -> None:
    assert lines_of(document({"db1": Outcome(None, "no route")}), "") == ["not audited db1: no route"]
