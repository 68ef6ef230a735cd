# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told: when there is a new problem, when it is over, once a day; never the same twice in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Outcome, Run, build_document
from ansible_collections.pgops.sequences.plugins.plugin_utils._news import alerts as _alerts
from ansible_collections.pgops.sequences.plugins.plugin_utils._news import memory as _memory
from ansible_collections.pgops.sequences.plugins.plugin_utils._news.news import Kept
from support.results import audit, finding, repair


def document(
    outcomes: dict[str, Outcome], hour: int = 0, run: str = "check", check_mode: bool = False
) -> dict[str, Any]:
    at = f"2026-11-{26 + hour // 24}T{hour % 24:02}:00:00Z"
    return build_document(outcomes, Run(run, check_mode, at, "0.1.0", "2.19.0"))


COMMANDS = _alerts.Commands("monitor1", "ansible-playbook -i hosts")


class Watch:
    """Runs one after the other, each told of if that is due."""

    def __init__(self, fail_on: str = "critical", reminder_hours: float = 24.0) -> None:
        self._fail_on = fail_on
        self._reminder_hours = reminder_hours
        self.memory: dict[str, Kept] = {}

    def run(
        self, outcomes: dict[str, Outcome], hour: int, run: str = "check", sent: bool = True
    ) -> _alerts.Alert | None:
        judged = {name: outcome._replace(fail_on=self._fail_on) for name, outcome in outcomes.items()}
        made = document(judged, hour, run)
        decision = _alerts.decide(made, self.memory, self._reminder_hours, COMMANDS)
        if decision.alert and sent:
            self.memory = decision.memory
        return decision.alert


HEALTHY = {"db1": Outcome(audit(healthy=3), None)}
PROBLEM = {"db1": Outcome(audit(finding("a")), None)}
TWO_PROBLEMS = {"db1": Outcome(audit(finding("a"), finding("b")), None)}
DOWN = {"db1": Outcome(None, "no route to host")}
SHUT = {"db1": Outcome(audit(database_error="database shop: no"), None)}


def names(alert: _alerts.Alert | None) -> Any:
    return alert and ([problem.place for problem in alert.new], alert.over, len(alert.problems))


def test_the_life_of_a_problem() -> None:
    watch = Watch()
    assert watch.run(HEALTHY, 0) is None
    assert names(watch.run(PROBLEM, 1)) == (["shop public.a"], [], 1)
    assert watch.run(PROBLEM, 2) is None
    assert names(watch.run(TWO_PROBLEMS, 3)) == (["shop public.b"], [], 2)
    assert watch.run(TWO_PROBLEMS, 24) is None
    # A day after it was last told of, which was with the other.
    assert names(watch.run(TWO_PROBLEMS, 27)) == ([], [], 2)
    assert watch.run(TWO_PROBLEMS, 28) is None
    assert names(watch.run(PROBLEM, 29)) == ([], ["db1 shop public.b: no longer critical"], 1)
    assert names(watch.run(HEALTHY, 30)) == ([], ["db1 shop public.a: no longer critical"], 0)
    assert watch.run(HEALTHY, 90) is None
    assert names(watch.run(PROBLEM, 91)) == (["shop public.a"], [], 1)


def test_what_a_run_repairs_is_told_once() -> None:
    watch = Watch()
    watch.run(PROBLEM, 0)
    repaired = {"db1": Outcome(repair(changes=["a", "c"]), None)}
    assert names(watch.run(repaired, 1, "auto_fix")) == (
        [],
        ["repaired db1 shop public.a: next value 2 -> 4712", "repaired db1 shop public.c: next value 2 -> 4712"],
        0,
    )
    assert watch.run(HEALTHY, 2, "auto_fix") is None


def test_check_mode_repairs_nothing() -> None:
    made = document({"db1": Outcome(repair(changes=["a"]), None)}, run="fix", check_mode=True)
    assert _alerts.decide(made, {}, 24, COMMANDS).alert is None


def test_what_could_not_be_repaired_comes_with_its_remedy_and_first() -> None:
    left = {"db1": Outcome(repair(not_fixed=["b"], findings=[finding("a"), finding("b")]), None)}
    alert = Watch().run(left, 0, "auto_fix")
    assert alert and [(problem.what, problem.place, problem.command[:5]) for problem in alert.new] == [
        ("not repaired", "shop public.b", "do it"),
        ("critical", "shop public.a", "SELEC"),
    ]


@pytest.mark.parametrize("away", [DOWN, SHUT], ids=["host", "database"])
def test_what_was_not_looked_at_is_neither_over_nor_new(away: dict[str, Outcome]) -> None:
    watch = Watch()
    watch.run(PROBLEM, 0)
    alert = watch.run(away, 1)
    assert alert and [problem.what for problem in alert.new] == ["not audited"] and alert.over == []
    assert watch.run(away, 2) is None
    alert = watch.run(PROBLEM, 3)
    assert alert and alert.new == [] and len(alert.over) == 1 and alert.over[0].endswith("audited again")
    # Nor is what another run, of other hosts, did not look at.
    assert watch.run({"db2": Outcome(audit(healthy=1), None)}, 4) is None
    assert names(watch.run(HEALTHY, 5)) == ([], ["db1 shop public.a: no longer critical"], 0)


@pytest.mark.parametrize(("fail_on", "told"), [("critical", 1), ("warning", 3), ("unknown", 2), ("never", 1)])
def test_a_problem_is_what_fails(fail_on: str, told: int) -> None:
    found = audit(finding("a"), finding("w", status="warning"), finding("u", status="unknown", reasons=["locked"]))
    alert = Watch(fail_on).run({"db1": Outcome(found, None)}, 0)
    assert alert and len(alert.problems) == told


def test_what_can_no_longer_be_judged_is_not_over() -> None:
    watch = Watch()
    watch.run(PROBLEM, 0)
    hidden = {"db1": Outcome(audit(finding("a", status="unknown", reasons=["no_privilege"])), None)}
    alert = watch.run(hidden, 1)
    assert alert and alert.over == [] and [problem.what for problem in alert.new] == ["unknown"]
    assert watch.run(hidden, 2) is None
    # It is reminded of, although no status of its kind is a failure here.
    assert names(watch.run(hidden, 26)) == ([], [], 1)
    assert names(watch.run(PROBLEM, 27)) == (["shop public.a"], [], 1)
    assert names(watch.run(HEALTHY, 28)) == ([], ["db1 shop public.a: no longer critical"], 0)


def test_what_another_selection_left_out_is_not_over() -> None:
    watch = Watch()
    watch.run(PROBLEM, 0)
    other = audit(healthy=1)
    other["selection"] = {**other["selection"], "tables": ["parts"]}
    assert watch.run({"db1": Outcome(other, None)}, 1) is None
    assert names(watch.run(HEALTHY, 2)) == ([], ["db1 shop public.a: no longer critical"], 0)


def test_a_database_whose_name_has_a_space_is_one() -> None:
    watch = Watch()
    result = audit(finding("a", database="my shop"))
    result["databases"][0]["name"] = "my shop"
    watch.run({"db1": Outcome(result, None)}, 0)
    shut = audit(database_error="no")
    shut["databases"][0]["name"] = "my shop"
    alert = watch.run({"db1": Outcome(shut, None)}, 1)
    assert alert and alert.over == [] and [problem.place for problem in alert.new] == ["my shop"]


def test_a_database_that_another_run_left_out_is_not_over() -> None:
    watch = Watch()
    watch.run({"db1": Outcome(audit(database_error="database shop: no"), None)}, 0)
    other = audit(healthy=1)
    other["databases"][0]["name"] = "stock"
    other["selection"] = {**other["selection"], "databases": ["stock"]}
    assert watch.run({"db1": Outcome(other, None)}, 1) is None
    assert names(watch.run(HEALTHY, 2)) == ([], ["db1 shop: audited again"], 0)


def test_over_is_told_of_the_same_server_alone() -> None:
    server = {"address": "db.example.com", "port": 5432, "in_recovery": False, "system_identifier": "7"}
    watch = Watch()
    watch.run({"db1": Outcome({**audit(finding("a")), "server": server}, None)}, 0)
    for other in ({"address": "db2.example.com"}, {"port": 5433}, {"system_identifier": "8"}):
        assert watch.run({"db1": Outcome({**audit(healthy=1), "server": {**server, **other}}, None)}, 1) is None
    # By another name in the inventory, and by a role that may not read the identifier, it is the same.
    same = {**server, "system_identifier": None}
    alert = watch.run({"alias": Outcome({**audit(healthy=1), "server": same}, None)}, 2)
    assert names(alert) == ([], ["db1 shop public.a: no longer critical"], 0)


def test_sockets_of_two_hosts_are_two_servers() -> None:
    server = {"address": "/run/postgresql", "port": 5432, "in_recovery": False, "system_identifier": None}
    watch = Watch()
    burning, calm = {**audit(finding("a")), "server": server}, {**audit(healthy=1), "server": server}
    assert names(watch.run({"db1": Outcome(burning, None), "db2": Outcome(calm, None)}, 0)) == (
        ["shop public.a"],
        [],
        1,
    )
    assert watch.run({"db2": Outcome(calm, None)}, 1) is None
    assert names(watch.run({"db2": Outcome(burning, None)}, 2)) == (["shop public.a"], [], 1)


def test_over_is_told_by_thresholds_no_looser_alone() -> None:
    watch = Watch("warning")
    watch.run({"db1": Outcome(audit(finding("a", status="warning")), None)}, 0)
    looser = {**audit(healthy=1), "thresholds": {"gap_threshold": 5000, "near_limit_percent": 80.0}}
    assert watch.run({"db1": Outcome(looser, None)}, 1) is None
    assert names(watch.run(HEALTHY, 2)) == ([], ["db1 shop public.a: no longer warning"], 0)


def test_a_statement_that_grows_old_is_not_in_a_mail_but_a_remedy_is() -> None:
    found = [finding("a"), finding("u", status="unknown", reasons=["no_privilege"], fix=None, remedy="GRANT x TO y;")]
    alert = Watch("unknown").run({"db1": Outcome(audit(*found), None), "db2": Outcome(None, "no route")}, 0)
    assert alert
    lines = _alerts.text(alert).splitlines()
    assert "unknown db1 shop public.u: " + found[1]["message"] in lines and "    GRANT x TO y;" in lines
    assert "next, after the remedies above, on monitor1:" in lines
    assert "    ansible-playbook -i hosts pgops.sequences.check --limit db1,db2" in lines
    for said in ("\n".join(lines), _alerts.page(alert)):
        assert (
            "setval" not in said
            and "GRANT x TO y;" in said
            and "not audited</b> db2" in said.replace("not audited db2", "not audited</b> db2")
        )
    # A machine has it, with when it was made.
    assert "setval" in _alerts.body(alert, "json")["problems"][1]["command"]


def test_what_could_not_be_logged_is_told_as_repaired_and_that() -> None:
    made = document({"db1": Outcome(repair(changes=["a"]), None)}, run="fix")
    alert = _alerts.decide(made, {}, 24, COMMANDS, {"db1": "the disk is full"}).alert
    assert alert and alert.over == [
        "repaired db1 shop public.a: next value 2 -> 4712, but it could not be logged: the disk is full"
    ]


@pytest.mark.parametrize(
    "memory",
    [
        "[]",
        "{",
        "null",
        '{"schema_version": 2, "channels": []}',
        '{"schema_version": 2, "channels": {"mail": {"a": {}}}}',
    ]
    + ['{"schema_version": 1, "mail": {}}', "[" * 100000],
    ids=str.__len__,
)
def test_a_memory_that_cannot_be_read_silences_nothing(memory: str, tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_text(memory)
    assert _memory.read(tmp_path / "alerts.json", "mail") == {}
    _memory.write(tmp_path / "alerts.json", "mail", {})


@pytest.mark.parametrize(
    "damage",
    [
        {"server": "x"},
        {"server": {}},
        {"selection": ["x"]},
        {"selection": {}},
        {"selection": {"databases": [], "columns": 1}},
        {"thresholds": {"gap_threshold": "x"}},
        {"host": None},
        {"database": 1},
    ],
    ids=str,
)
def test_an_entry_that_is_damaged_within_is_passed_over(damage: dict[str, Any], tmp_path: Path) -> None:
    state = tmp_path / "alerts.json"
    watch = Watch()
    watch.run(PROBLEM, 0)
    ((key, kept),) = watch.memory.items()
    _memory.write(state, "mail", {key: kept})
    assert _memory.read(state, "mail") == {key: kept}
    _memory.write(state, "mail", {key: kept._replace(facts={**kept.facts, **damage})})
    assert _memory.read(state, "mail") == {}


def test_over_is_not_told_of_what_is_still_a_finding() -> None:
    warned = {"db1": Outcome(audit(finding("a", status="warning", reasons=["near_limit"])), None)}
    watch = Watch("warning")
    watch.run(warned, 0)
    watch._fail_on = "unknown"
    assert watch.run(warned, 1) is None
    watch = Watch()
    watch.run(PROBLEM, 0)
    alert = watch.run(warned, 1)
    assert alert and alert.over == [] and [problem.what for problem in alert.new] == ["warning"]
    assert names(watch.run(HEALTHY, 2)) == ([], ["db1 shop public.a: no longer warning"], 0)


def test_a_clock_that_was_wrong_silences_nothing() -> None:
    watch = Watch()
    watch.run(PROBLEM, 0)
    watch.memory = {key: kept._replace(told=4e9) for key, kept in watch.memory.items()}
    assert watch.run(PROBLEM, 1)


def test_names_with_lines_of_their_own_make_none() -> None:
    alert = Watch().run({"db1": Outcome(audit(finding("x\n    rm -rf / # run this")), None)}, 0)
    assert alert and "\n    rm" not in _alerts.text(alert) and "x\\n    rm" in _alerts.text(alert)


def test_a_status_that_becomes_another_is_new() -> None:
    watch = Watch("warning")
    watch.run({"db1": Outcome(audit(finding("a", status="warning")), None)}, 0)
    assert names(watch.run(PROBLEM, 1)) == (["shop public.a"], [], 1)


def test_what_was_not_sent_is_told_again() -> None:
    watch = Watch()
    assert watch.run(PROBLEM, 0, sent=False)
    assert names(watch.run(PROBLEM, 1)) == (["shop public.a"], [], 1)
    assert watch.run(PROBLEM, 2) is None


def test_no_reminder_if_none_is_wanted() -> None:
    watch = Watch(reminder_hours=0)
    watch.run(PROBLEM, 0)
    assert watch.run(PROBLEM, 24 * 4) is None


def test_texts_are_bounded_and_escaped() -> None:
    name = "<script>alert(1)</script>&"
    many = [finding(f"s{number}") for number in range(1000)]
    alert = Watch().run({"db1": Outcome(audit(finding(name), *many), None)}, 0)
    assert alert
    assert _alerts.subject(alert) == "PostgreSQL sequences: 1001 critical in shop on db1"
    said = _alerts.text(alert)
    assert name in said and "... and 951 more" in said and len(said) < 20000
    assert "\nnext, to repair, on monitor1:\n    ansible-playbook -i hosts pgops.sequences.fix --limit db1\n" in said
    page = _alerts.page(alert)
    assert "<script>" not in page and "&lt;script&gt;" in page and "... and 951 more" in page
    assert "<script>" not in _alerts.body(alert, "slack")["text"]
    assert _alerts.body(alert, "json")["counts"] == {"new": 1001, "over": 0, "problems": 1001}
    assert len(_alerts.body(alert, "json")["problems"]) == _alerts.MOST_TOLD
