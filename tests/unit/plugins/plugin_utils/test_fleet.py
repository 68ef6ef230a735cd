# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts' variables come to: the document, who fails by it, and what a terminal shows."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pgops.sequences.plugins.plugin_utils._fleet import (
    Outcome,
    Run,
    build_document,
    outcome_of,
    verdicts,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._lines import MOST_FINDINGS, lines_of
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
        ({"critical": 1}, {"critical", "warning", "unknown"}),
        ({"warning": 1}, {"warning", "unknown"}),
        ({"unknown": 1}, {"unknown"}),
        (None, {"critical", "warning", "unknown"}),
        ("database", {"critical", "warning", "unknown"}),
    ],
    ids=["healthy", "critical", "warning", "unknown", "host", "database"],
)
def test_an_audit_fails_by_what_is_asked(found: Any, failing: set[str]) -> None:
    if found is None:
        outcome = Outcome(None, "no route to host")
    elif found == "database":
        outcome = Outcome(audit(database_error="database shop: no"), None)
    else:
        outcome = audited(**found)
    made = document({"db1": outcome})
    assert {mode for mode in ("critical", "warning", "unknown", "never") if verdicts(made, mode)} == failing


def test_a_repair_fails_for_what_it_leaves() -> None:
    left = Outcome(repair(not_fixed=["x"]), None)
    clean = Outcome(repair(changes=["x"]), None)
    late = Outcome(repair(findings=[finding("x")]), None)
    never = Outcome(None, "no route to host")
    said = verdicts(document({"left": left, "clean": clean, "late": late, "never": never}, "fix"), "never")
    assert set(said) == {"left", "late", "never"}
    assert said["left"].startswith("1 sequence(s) need a hand") and "running it again continues" in said["left"]
    assert "run the playbook pgops.sequences.fix again" in said["late"]
    assert said["never"] == "no route to host"
    # What check mode foretells is behind still, of course.
    assert verdicts(document({"late": late}, "fix", check_mode=True), "never") == {}


REPAIRED, AUDITED = repair(changes=["x"]), audit(finding("y"))


@pytest.mark.parametrize(
    ("run", "check_mode", "variables", "expected"),
    [
        ("check", False, {}, None),
        ("check", False, {"pg_sequences_repair": REPAIRED}, None),
        ("check", False, {"pg_sequences_audit": AUDITED, "pg_sequences_repair": REPAIRED}, (AUDITED, None)),
        ("check", False, {"pg_sequences_audit": {"unreachable": True, "msg": "no\nroute"}}, (None, "no route")),
        ("check", False, {"pg_sequences_audit": {"failed": True, "msg": "no role"}}, (None, "no role")),
        ("check", False, {"__pg_sequences_failure": {"check": "bad option"}}, (None, "bad option")),
        ("check", False, {"__pg_sequences_failure": {"fix": "of another run"}}, None),
        ("fix", False, {"pg_sequences_repair": REPAIRED}, (REPAIRED, None)),
        ("auto_fix", False, {"pg_sequences_audit": AUDITED, "pg_sequences_repair": {"skipped": True}}, (AUDITED, None)),
        ("auto_fix", False, {"pg_sequences_audit": AUDITED, "pg_sequences_repair": REPAIRED}, (REPAIRED, None)),
        (
            "restore",
            False,
            {"pg_sequences_restored": {}, "pg_sequences_audit": AUDITED, "pg_sequences_repair": REPAIRED},
            ({**REPAIRED, **AUDITED}, None),
        ),
        (
            "restore",
            True,
            {"pg_sequences_restored": {}, "pg_sequences_audit": AUDITED, "pg_sequences_repair": REPAIRED},
            ({**AUDITED, **REPAIRED}, None),
        ),
        ("restore", True, {"pg_sequences_restored": {"database_exists": False}}, (None, None)),
        ("restore", False, {"pg_sequences_restored": {"failed": True, "msg": "no dump"}}, (None, "no dump")),
    ],
)
def test_what_a_host_came_to(run: str, check_mode: bool, variables: dict[str, Any], expected: Any) -> None:
    assert outcome_of(variables, run, check_mode) == (None if expected is None else Outcome(*expected))


def test_a_terminal_of_100_columns_shows_one_host_and_200() -> None:
    long = finding("s" * 50, message="could not be read: " + "GRANT SELECT ON TABLE somewhere TO somebody; " * 5)
    many = {f"db{number}.example.com": audited(*[long] * 5, finding("x", status="warning")) for number in range(200)}
    for outcomes in ({"db1": audited(long)}, many):
        lines = lines_of(document(outcomes), "in the folder")
        # Ansible indents by eight, quotes, and sets a comma.
        assert all(len(line) <= 100 - 11 for line in lines)
        assert len(lines) < 600
    assert f"... and {200 * 6 - MOST_FINDINGS} more: in the folder" in lines
    assert lines[0] == "hosts: 200, audited: 200, not audited: 0; databases: 200"


def test_info_is_wrapped_but_for_statements() -> None:
    away = Outcome(None, "no route to host " * 20)
    lines = lines_of(document({"db1": audited(finding("x" * 60)), "away": away}, "info"), "")
    assert [line for line in lines if len(line) > 89] == [line for line in lines if line.startswith("    repair: ")]
    assert any(line.startswith("    repair: SELECT") for line in lines)


def test_names_cannot_move_the_cursor() -> None:
    (line,) = (
        line for line in lines_of(document({"db1": audited(finding("a\x1b[2Jb\u202ec\n"))}), "") if "public" in line
    )
    assert r"public.a\x1b[2Jb\u202ec\n:" in line


def test_what_is_left_is_told_once_with_its_remedy() -> None:
    outcome = Outcome(repair(not_fixed=["x"], findings=[finding("x"), finding("y", status="warning")]), None)
    told = "\n".join(lines_of(document({"db1": outcome}, "fix"), ""))
    assert told.count("public.x") == 1 and "left shop public.x" in told and "Remedy: do it" in told
    assert "warning shop public.y" in told
