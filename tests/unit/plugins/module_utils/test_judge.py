# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule of the contract's sections 1, 2 and 4 that needs no server, and a brute-force oracle beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from ansible_collections.pgops.sequences.plugins.module_utils import _limits, _model
from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Rules, decide
from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import Move, Policy, Refusal, plan
from ansible_collections.pgops.sequences.plugins.module_utils._judge.targets import state_for
from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Thresholds, Verdict, judge
from ansible_collections.pgops.sequences.plugins.module_utils._model import Observation, Reading, State, Trouble
from ansible_collections.pgops.sequences.plugins.module_utils._suspect import names, suspicion

MIN64, MAX64 = -(2**63), 2**63 - 1

quickly = hypothesis.settings(max_examples=700, deadline=None, derandomize=True, database=None)


def column(base_type: str = "bigint", modifier: int = -1, **more: Any) -> _model.Column:
    usual = {
        "relation": 1,
        "number": 1,
        "schema": "public",
        "table": "t",
        "name": "id",
        "type_name": base_type,
        "base_type": base_type,
        "modifier": modifier,
        "via": ("default",),
        "transformed": False,
        "casts": (),
        "kind": "r",
        "unlogged": False,
        "reaches_foreign": False,
        "untrusted": False,
        "indexed": True,
        "relations": 1,
        "owner": "owner",
        "schema_usage": True,
        "can_select": True,
        "can_lock": True,
        "row_security": False,
    }
    return _model.Column(**{**usual, **more})


def numeric(precision: int, scale: int) -> _model.Column:
    return column("numeric", ((precision << 16) | (scale & 0x7FF)) + 4)


def sequence(increment: int = 1, columns: Iterable[_model.Column] = (column(),), **more: Any) -> _model.Sequence:
    lowest = more.pop("lowest", 1 if increment > 0 else MIN64)
    highest = more.pop("highest", MAX64 if increment > 0 else -1)
    usual = {
        "oid": 1,
        "schema": "public",
        "name": "s",
        "sql_name": "public.s",
        "data_type": "bigint",
        "start_value": lowest if increment > 0 else highest,
        "increment": increment,
        "min_value": lowest,
        "max_value": highest,
        "cache_size": 1,
        "cycle": False,
        "unlogged": False,
        "owner": "owner",
        "owned": True,
        "schema_usage": True,
        "can_select": True,
        "can_use": True,
        "can_update": True,
        "of_extension": False,
        "system": False,
        "columns": tuple(columns),
    }
    return _model.Sequence(**{**usual, **more})


TROUBLE = Trouble("locked", "cause", "remedy")


def seen(
    of: _model.Sequence, next_value: int, *furthest: int | None | Trouble | Reading, called: bool = True
) -> Observation:
    """A sequence at a next value, over columns with these furthest values."""
    readings = tuple(
        Reading(trouble=value)
        if isinstance(value, Trouble)
        else value
        if isinstance(value, Reading)
        else Reading(furthest=value, empty=value is None)
        for value in furthest
    )
    if len(readings) != len(of.columns):
        of = of._replace(columns=of.columns[:1] * len(readings))
    state = State(next_value - of.increment, True) if called else State(next_value, False)
    return Observation(of, state, None, readings)


def verdict(observation: Observation, gap: int = 1000, near_limit: float = 80.0) -> Verdict:
    return judge(observation, Thresholds(gap, near_limit))


def said(observation: Observation, **thresholds: Any) -> str:
    found = verdict(observation, **thresholds)
    return " ".join((found.status, *found.reasons))


def planned(observation: Observation, **policy: Any) -> Move | Refusal | None:
    return plan(observation, verdict(observation), Policy(**policy))


def next_after(observation: Observation, **policy: Any) -> int | None:
    step = planned(observation, **policy)
    assert not isinstance(step, Refusal), step
    return step.next_value if step else None


def refused(observation: Observation, **policy: Any) -> tuple[str, ...]:
    step = planned(observation, **policy)
    assert isinstance(step, Refusal), step
    return step.reasons


@pytest.mark.parametrize(
    ("state", "increment", "expected"),
    [
        (State(7, True), 1, 8),
        (State(7, False), 1, 7),
        (State(7, True), -3, 4),
        (State(7, False), -3, 7),
        (State(MAX64, True), 1, MAX64 + 1),
    ],
)
def test_next_value_is_the_last_one_until_that_was_handed_out(state: State, increment: int, expected: int) -> None:
    assert state.next_value(increment) == expected


@pytest.mark.parametrize(
    ("base_type", "lowest", "highest"),
    [
        ("smallint", -32768, 32767),
        ("integer", -2147483648, 2147483647),
        ("bigint", MIN64, MAX64),
        ("real", -(2**24), 2**24),
        ("double precision", -(2**53), 2**53),
    ],
)
def test_reach_is_cut_by_the_column_s_type(base_type: str, lowest: int, highest: int) -> None:
    wide = sequence(lowest=MIN64, highest=MAX64, columns=[column(base_type)])
    assert wide.reach == (lowest, highest)
    assert lowest in wide.reach and highest in wide.reach
    assert lowest - 1 not in wide.reach and highest + 1 not in wide.reach


@pytest.mark.parametrize(
    ("precision", "scale", "largest"),
    [(1, 0, 9), (3, 0, 999), (5, 2, 999), (10, 1, 10**9 - 1), (3, 3, 0), (2, 5, 0), (18, 0, 10**18 - 1)],
)
def test_reach_is_cut_by_precision_and_scale(precision: int, scale: int, largest: int) -> None:
    wide = sequence(lowest=MIN64, highest=MAX64, columns=[numeric(precision, scale)])
    assert wide.reach == (-largest, largest)


def test_reach_is_not_cut_by_numeric_without_precision_nor_by_more_than_the_sequence_has() -> None:
    assert sequence(lowest=MIN64, highest=MAX64, columns=[column("numeric")]).reach == (MIN64, MAX64)
    assert sequence(lowest=MIN64, highest=MAX64, columns=[numeric(30, 0)]).reach == (MIN64, MAX64)


def test_reach_is_what_every_column_can_store() -> None:
    columns = [column("bigint"), column("smallint"), numeric(3, 0), column("integer")]
    assert sequence(lowest=-50, highest=MAX64, columns=columns).reach == (-50, 999)
    assert sequence(lowest=-5000, highest=100, columns=columns).reach == (-999, 100)


def test_oid_and_oid8_are_unsigned() -> None:
    assert sequence(lowest=-50, highest=MAX64, columns=[column("oid")]).reach == (0, 2**32 - 1)
    assert sequence(lowest=-50, highest=MAX64, columns=[column("oid8")]).reach == (0, MAX64)


def test_reach_is_that_of_the_sequence_alone_without_columns() -> None:
    assert sequence(lowest=3, highest=9, columns=[]).reach == (3, 9)


@pytest.mark.parametrize("base_type", ["text", "uuid", "bigint[]", "money", "character varying", "date"])
def test_columns_that_hold_no_numbers_do_not_cut_the_reach(base_type: str) -> None:
    assert sequence(lowest=3, highest=9, columns=[column(base_type)]).reach == (3, 9)
    assert not _model.takes_numbers(column(base_type))


@pytest.mark.parametrize(
    "base_type", ["smallint", "oid", "oid8", "integer", "bigint", "numeric", "real", "double precision"]
)
def test_columns_of_numeric_types_take_the_sequence_s_numbers_unless_the_default_changes_them(base_type: str) -> None:
    assert _model.takes_numbers(column(base_type))
    assert not _model.takes_numbers(column(base_type, transformed=True))


def test_columns_whose_values_are_changed_do_not_cut_the_reach() -> None:
    assert sequence(lowest=3, highest=99999, columns=[column("smallint", transformed=True)]).reach == (3, 99999)


@pytest.mark.parametrize("scale", [-1, -2, -1000])
def test_numeric_of_negative_scale_does_not_take_the_sequence_s_numbers(scale: int) -> None:
    assert not _model.takes_numbers(numeric(3, scale))


def test_reach_is_cut_by_a_type_that_the_default_casts_to() -> None:
    assert sequence(lowest=-40000, columns=[column(casts=("smallint", "bigint"))]).reach == (-32768, 32767)
    assert sequence(lowest=-40000, columns=[column(casts=("numeric(4,1)", "bigint"))]).reach == (-999, 999)


UP, DOWN = sequence(), sequence(-1)


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (seen(UP, 8, 7), "healthy"),
        (seen(UP, 7, 7), "critical behind"),
        (seen(UP, 6, 7), "critical behind"),
        (seen(UP, 1, 1, called=False), "critical behind"),
        (seen(UP, 2, 1, called=False), "healthy"),
        (seen(DOWN, -8, -7), "healthy"),
        (seen(DOWN, -7, -7), "critical behind"),
        (seen(DOWN, -6, -7), "critical behind"),
        (seen(DOWN, -1, -1, called=False), "critical behind"),
    ],
)
def test_behind_is_next_value_at_or_before_the_furthest_in_the_direction_of_counting(
    observation: Observation, expected: str
) -> None:
    assert said(observation) == expected


def test_furthest_is_that_of_all_columns_in_the_direction_of_counting() -> None:
    assert verdict(seen(UP, 1, 3, None, 9, 5)).furthest == 9
    assert verdict(seen(DOWN, -1, -3, None, -9, -5)).furthest == -9
    assert verdict(seen(UP, 1, None, None)).furthest is None
    assert verdict(seen(UP, 1, 3, TROUBLE)).furthest == 3


@pytest.mark.parametrize("next_value", [1, 2, 500, 5_000_000])
def test_empty_columns_are_healthy_wherever_the_sequence_stands(next_value: int) -> None:
    assert said(seen(UP, next_value, None, None)) == "healthy"
    assert verdict(seen(UP, next_value, None)).gap is None


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (seen(sequence(highest=10), 10, 9), "warning near_limit"),
        (seen(sequence(highest=10), 11, 10), "critical exhausted no_room"),
        (seen(sequence(highest=10), 11, 3), "critical exhausted"),
        (seen(sequence(highest=10), 11, None), "critical exhausted"),
        (seen(sequence(4, highest=10), 13, 9), "critical exhausted no_room"),
        (seen(sequence(-4, lowest=-10), -13, -9), "critical exhausted no_room"),
        (seen(sequence(-1, lowest=-10), -11, -3), "critical exhausted"),
        (seen(sequence(columns=[column("smallint")]), 32768, 32767), "critical exhausted no_room"),
        (seen(sequence(lowest=-40000, columns=[column("smallint")]), -40000, None, called=False), "critical exhausted"),
    ],
)
def test_exhausted_is_next_value_outside_the_reach(observation: Observation, expected: str) -> None:
    assert said(observation) == expected


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (seen(sequence(highest=10), 2, 9), "critical behind near_limit"),
        (seen(sequence(highest=10), 2, 10), "critical behind no_room near_limit"),
        (seen(sequence(4, highest=10), 1, 9, called=False), "critical behind no_room near_limit"),
        (seen(sequence(4, highest=13), 1, 9, called=False), "critical behind"),
        (seen(sequence(-4, lowest=-10), -1, -9, called=False), "critical behind no_room near_limit"),
        (seen(sequence(-4, lowest=-13), -1, -9, called=False), "critical behind"),
        (seen(sequence(columns=[column("smallint")]), 2, 32767), "critical behind no_room near_limit"),
    ],
)
def test_no_room_is_where_no_legal_target_exists(observation: Observation, expected: str) -> None:
    assert said(observation) == expected
    assert (verdict(observation).target is None) == ("no_room" in expected)


@pytest.mark.parametrize(
    ("observation", "gap", "expected"),
    [
        (seen(UP, 8, 7), 0, "healthy"),
        (seen(UP, 1008, 7), 1000, "healthy"),
        (seen(UP, 1009, 7), 1001, "warning gap"),
        (seen(sequence(10), 10017, 7), 1000, "healthy"),
        (seen(sequence(10), 10027, 7), 1001, "warning gap"),
        (seen(sequence(-10), -10027, -7), 1001, "warning gap"),
        (seen(UP, 7, 7), None, "critical behind"),
        (seen(UP, 99999, None), None, "healthy"),
    ],
)
def test_gap_is_counted_in_steps_and_warns_beyond_the_threshold(
    observation: Observation, gap: int | None, expected: str
) -> None:
    assert (verdict(observation).gap, said(observation)) == (gap, expected)


def test_gap_threshold_is_the_user_s() -> None:
    assert said(seen(UP, 9, 7), gap=1) == "healthy"
    assert said(seen(UP, 10, 7), gap=1) == "warning gap"


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (seen(sequence(highest=100), 1, None, called=False), 0),
        (seen(sequence(highest=100), 2, None), 1),
        (seen(sequence(highest=100), 80, 79), 79),
        (seen(sequence(highest=100), 81, 80), 80),
        (seen(sequence(highest=100), 101, 100), 100),
        (seen(sequence(highest=100, start_value=61), 61, 60, called=False), 0),
        (seen(sequence(highest=100, lowest=51), 76, 75), 50),
        (seen(sequence(7, highest=100), 106, 99), 100),
        (seen(sequence(7, highest=100), 99, 92), 93.33),
        (seen(sequence(-1, lowest=-100), -51, -50), 50),
        (seen(sequence(-7, lowest=-100), -106, -99), 100),
        (seen(sequence(columns=[numeric(3, 0)]), 500, 499), 49.95),
        (seen(sequence(lowest=MIN64, highest=MAX64, columns=[column("smallint")]), 0, None), 50),
        (seen(sequence(lowest=MIN64, highest=MAX64), MIN64 + 1, None), 0),
        (seen(sequence(lowest=-40000, columns=[column("smallint")]), -39999, None), 0),
    ],
)
def test_percent_used_is_how_much_of_the_reach_was_handed_out(observation: Observation, expected: float) -> None:
    assert verdict(observation).percent_used == expected


def test_near_limit_warns_from_the_threshold_on() -> None:
    hundred = sequence(highest=100)
    assert said(seen(hundred, 80, 79)) == "healthy"
    assert said(seen(hundred, 81, 80)) == "warning near_limit"
    assert said(seen(hundred, 81, 80), near_limit=80.5) == "healthy"
    assert said(seen(hundred, 91, 99)) == "critical behind near_limit"


@pytest.mark.parametrize(
    ("of", "limit"),
    [
        (sequence(highest=100), 100),
        (sequence(-1, lowest=-100), -100),
        (sequence(columns=[column("smallint")]), 32767),
        (sequence(-1, columns=[column("smallint")]), -32768),
    ],
)
def test_limit_is_the_end_of_the_reach_in_the_direction_of_counting(of: _model.Sequence, limit: int) -> None:
    assert verdict(seen(of, 1 if of.increment > 0 else -1, None)).limit == limit


def test_out_of_bounds_is_told_beside_what_else_there_is() -> None:
    outside = Reading(furthest=5, out_of_bounds=True)
    assert said(seen(UP, 6, outside)) == "warning out_of_bounds"
    assert said(seen(UP, 5, outside)) == "critical behind out_of_bounds"
    assert said(seen(UP, 1, Reading(out_of_bounds=True))) == "warning out_of_bounds"
    assert said(seen(UP, 6, 3, outside)) == "warning out_of_bounds"


def test_reasons_name_the_gravest_first() -> None:
    outside = Reading(furthest=3, out_of_bounds=True)
    few = sequence(highest=5000)
    assert said(seen(few, 4500, outside)) == "warning gap near_limit out_of_bounds"
    assert said(seen(few, 5001, outside, TROUBLE)) == "critical exhausted gap out_of_bounds locked"
    cut = sequence(lowest=-40000, columns=[column("smallint")])
    assert said(seen(cut, -40000, Reading(furthest=32767, out_of_bounds=True), called=False)) == (
        "critical behind exhausted no_room out_of_bounds"
    )


@pytest.mark.parametrize(
    "reason",
    ["no_privilege", "row_security", "locked", "timeout", "too_large", "unlogged_on_standby", "not_a_number"]
    + ["foreign_table", "view"],
)
def test_one_unreadable_column_makes_it_unknown_unless_a_readable_one_shows_it_critical(reason: str) -> None:
    trouble = Trouble(reason, "cause", "remedy")
    assert said(seen(UP, 8, trouble)) == f"unknown {reason}"
    assert said(seen(UP, 8, 7, trouble)) == f"unknown {reason}"
    assert said(seen(UP, 7, 7, trouble)) == f"critical behind {reason}"
    assert said(seen(sequence(highest=9), 10, trouble, 3)) == f"critical exhausted {reason}"
    assert said(seen(UP, 9000, 7, trouble)).startswith(f"unknown {reason}")
    assert verdict(seen(UP, 8, 7, trouble)).troubles == (trouble,)


def test_each_reason_is_named_once() -> None:
    other = Trouble("timeout", "cause", "remedy")
    assert said(seen(UP, 8, TROUBLE, other, TROUBLE)) == "unknown locked timeout"


def test_unreadable_state_makes_it_unknown() -> None:
    denied = Trouble("no_privilege", "cause", "remedy")
    observation = Observation(UP, None, denied, (Reading(furthest=7),))
    found = verdict(observation)
    assert said(observation) == "unknown no_privilege"
    assert (found.next_value, found.percent_used, found.gap, found.target) == (None, None, None, None)
    assert (found.furthest, found.troubles) == (7, (denied,))
    assert planned(observation) is None and planned(observation, realign=True) is None


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (sequence(cycle=True), "skipped cycle"),
        (sequence(columns=[]), "skipped no_column"),
        (sequence(columns=[], cycle=True), "skipped no_column"),
        (sequence(of_extension=True), "skipped extension"),
        (sequence(system=True), "skipped system"),
    ],
)
def test_some_sequences_are_skipped_on_purpose_and_never_moved(of: _model.Sequence, expected: str) -> None:
    readings = tuple(Reading(furthest=7) for _column in of.columns)
    observation = Observation(of, State(3, True), None, readings)
    assert said(observation) == expected
    assert verdict(observation).target is None
    assert planned(observation) is None and planned(observation, realign=True) is None


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (seen(UP, 1, 4711), 4712),
        (seen(DOWN, -1, -4711), -4712),
        (seen(sequence(10), 25, 47), 55),
        (seen(sequence(10), 25, 55), 65),
        (seen(sequence(10, start_value=5), 7, 45, called=False), 47),
        (seen(sequence(2), 5, 8), 9),
        (seen(sequence(2), 6, 8), 10),
        (seen(sequence(-3, lowest=-50, highest=50), 50, -4), -7),
        (seen(sequence(-3, lowest=-50, highest=50), 49, -4), -5),
        (seen(sequence(lowest=MIN64), MIN64, MAX64 - 1, called=False), MAX64),
        (seen(sequence(lowest=-40000, columns=[column("smallint")]), -40000, None, called=False), -32768),
        (seen(sequence(3, lowest=-40000, columns=[column("smallint")]), -40000, None, called=False), -32767),
        (seen(sequence(-1, highest=40000, columns=[column("smallint")]), 40000, None, called=False), 32767),
    ],
)
def test_target_is_the_first_value_beyond_the_furthest_in_the_live_phase(
    observation: Observation, expected: int
) -> None:
    assert verdict(observation).target == expected
    assert next_after(observation) == expected


def test_nothing_is_due_for_what_is_not_critical() -> None:
    for observation in (seen(UP, 8, 7), seen(UP, 9000, 7), seen(UP, 8, TROUBLE), seen(UP, 8, None)):
        assert verdict(observation).target is None
        assert planned(observation) is None


def test_advance_never_goes_backward() -> None:
    observation = seen(sequence(highest=100), 101, 7)
    assert verdict(observation).target is None
    assert refused(observation) == ("exhausted",)
    assert next_after(observation, realign=True) == 8


def test_margin_leaves_values_free_beyond_the_furthest() -> None:
    assert next_after(seen(UP, 1, 7), margin=20) == 28
    assert next_after(seen(DOWN, -1, -7), margin=20) == -28
    assert next_after(seen(sequence(10), 25, 47), margin=7) == 55
    assert next_after(seen(sequence(10), 25, 47), margin=8) == 65
    assert next_after(seen(UP, 8, 7), margin=20) is None
    assert next_after(seen(UP, 5, 7), margin=20, realign=True) == 28


def test_margin_beyond_the_limit_is_refused() -> None:
    few = sequence(highest=100)
    assert next_after(seen(few, 1, 79), margin=20) == 100
    assert refused(seen(few, 1, 80), margin=20) == ("behind", "near_limit", "no_room")
    down = sequence(-1, lowest=-100)
    assert refused(seen(down, -1, -80), margin=20) == ("behind", "near_limit", "no_room")


def test_max_jump_refuses_a_longer_move_in_values() -> None:
    assert next_after(seen(UP, 1, 100), max_jump=100) == 101
    assert refused(seen(UP, 1, 101), max_jump=100) == ("behind", "max_jump")
    assert refused(seen(DOWN, -1, -101), max_jump=100) == ("behind", "max_jump")
    assert refused(seen(sequence(10), 5, 100), max_jump=99) == ("behind", "max_jump")
    assert next_after(seen(sequence(10), 5, 100), max_jump=100) == 105
    assert next_after(seen(UP, 1, 10**12), max_jump=0) == 10**12 + 1
    assert refused(seen(UP, 102, 1), max_jump=99, realign=True)[-1] == "max_jump"


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (seen(UP, 5001, 7), 8),
        (seen(UP, 9, 7), 8),
        (seen(UP, 8, 7), None),
        (seen(UP, 3, 7), 8),
        (seen(sequence(10), 95, 47), 55),
        (seen(DOWN, -5001, -7), -8),
        (seen(sequence(start_value=5), 500, None), 5),
        (seen(sequence(start_value=5), 2, None), 5),
        (seen(sequence(start_value=5), 5, None, called=False), None),
        (seen(sequence(start_value=5), 500, Reading(out_of_bounds=True)), 5),
        (seen(UP, 5001, 7, TROUBLE), None),
        (seen(UP, 5001, TROUBLE), None),
        (seen(UP, 3, 7, TROUBLE), 8),
        (seen(sequence(lowest=-40000, columns=[column("smallint")]), -39999, None), -32768),
    ],
)
def test_realign_goes_right_behind_the_furthest_and_to_start_where_there_is_none(
    observation: Observation, expected: int | None
) -> None:
    assert next_after(observation, realign=True) == expected


def test_owners_move_under_the_lock_and_others_by_steps() -> None:
    for of, method in [
        (sequence(), "locked"),
        (sequence(can_update=False), "stepped"),
        (sequence(owned=False), "stepped"),
        (sequence(owned=False, can_update=False), "stepped"),
        (sequence(owned=False, can_use=False), "stepped"),
    ]:
        step = planned(seen(of, 3, 7))
        assert isinstance(step, Move)
        assert (step.next_value, step.method) == (8, method)


def test_without_privilege_nothing_is_moved() -> None:
    assert refused(seen(sequence(owned=False, can_use=False, can_update=False), 3, 7)) == ("behind", "no_privilege")


def test_steps_never_go_backward_and_not_too_far() -> None:
    other = sequence(owned=False)
    assert refused(seen(other, 50, 7), realign=True)[-1] == "no_privilege"
    assert next_after(seen(other, 1, 1_000_000)) == 1_000_001
    assert refused(seen(other, 1, 1_000_001)) == ("behind", "no_privilege")
    by_ten = sequence(10, owned=False)
    assert next_after(seen(by_ten, 1, 10_000_000)) == 10_000_001
    assert refused(seen(by_ten, 1, 10_000_001)) == ("behind", "no_privilege")


@pytest.mark.parametrize(
    ("of", "next_value", "furthest", "last_value"),
    [
        (sequence(owned=False), 1, 7, 7),
        (sequence(3, owned=False), 1, 7, 7),
        (sequence(-3, owned=False), -1, -8, -7),
        (sequence(owned=False, cache_size=20), 1, 7, 20),
        (sequence(owned=False, cache_size=20), 1, 20, 20),
        (sequence(owned=False, cache_size=20), 1, 21, 40),
        (sequence(5, owned=False, cache_size=20), 1, 7, 96),
        (sequence(owned=False, cache_size=20, highest=12), 1, 7, 12),
        (sequence(-1, owned=False, cache_size=20, lowest=-12), -1, -7, -12),
    ],
)
def test_steps_end_at_the_value_before_the_target_or_at_the_end_of_a_block_of_cached_values(
    of: _model.Sequence, next_value: int, furthest: int, last_value: int
) -> None:
    step = planned(seen(of, next_value, furthest))
    assert isinstance(step, Move)
    assert step.after == State(last_value, True)


@pytest.mark.parametrize(
    ("of", "next_value", "state"),
    [
        (sequence(), 8, State(7, True)),
        (sequence(), 1, State(1, False)),
        (sequence(10), 55, State(45, True)),
        (sequence(10, lowest=-4), 5, State(5, False)),
        (sequence(10, lowest=-5), 5, State(-5, True)),
        (sequence(-1), -8, State(-7, True)),
        (sequence(-1), -1, State(-1, False)),
        (sequence(lowest=MIN64), MIN64, State(MIN64, False)),
        (sequence(lowest=MIN64), MAX64, State(MAX64 - 1, True)),
    ],
)
def test_state_that_brings_a_next_value_about_is_within_the_bounds(
    of: _model.Sequence, next_value: int, state: State
) -> None:
    assert state_for(of, next_value) == state
    assert state.next_value(of.increment) == next_value


def test_lock_tables_needs_the_right_to_lock_them() -> None:
    locked_out = sequence(columns=[column(), column(can_lock=False)])
    assert next_after(seen(locked_out, 3, 7, 7)) == 8
    assert refused(seen(locked_out, 3, 7, 7), lock_tables=True) == ("behind", "no_privilege")
    assert next_after(seen(UP, 3, 7), lock_tables=True) == 8


@dataclasses.dataclass(frozen=True)
class Small:
    """A sequence and columns small enough to try every value."""

    of: _model.Sequence
    state: State
    contents: tuple[tuple[int, ...], ...]

    @property
    def storable(self) -> list[int]:
        """Values that the sequence can hand out and all columns can store, in the direction of counting."""
        digits = [9 if column.modifier >= 0 else 10**6 for column in self.of.columns]
        values = [
            value
            for value in range(self.of.min_value, self.of.max_value + 1)
            if all(abs(value) <= largest for largest in digits)
        ]
        return values if self.of.increment > 0 else values[::-1]

    def handed_out(self, state: State) -> list[int]:
        """What ``nextval()`` returns, call by call, until it fails."""
        value = state.last_value if not state.is_called else state.last_value + self.of.increment
        found = []
        while self.of.min_value <= value <= self.of.max_value:
            found.append(value)
            value += self.of.increment
        return found

    @property
    def taken(self) -> list[int]:
        there = {value for values in self.contents for value in values}
        return [value for value in self.storable if value in there]

    @property
    def observation(self) -> Observation:
        storable = self.storable
        readings = []
        for values in self.contents:
            inside = [value for value in storable if value in values]
            outside = any(value not in storable for value in values)
            readings.append(Reading(inside[-1] if inside else None, not values, outside))
        return Observation(self.of, self.state, None, tuple(readings))


@st.composite
def small(draw: st.DrawFn) -> Small:
    lowest = draw(st.integers(-20, 15))
    highest = draw(st.integers(lowest + 1, lowest + 30))
    increment = draw(st.integers(-6, 6).filter(bool))
    columns = draw(st.lists(st.sampled_from([column(), numeric(1, 0)]), min_size=1, max_size=3))
    contents = tuple(tuple(draw(st.lists(st.integers(-25, 48), max_size=4))) for _column in columns)
    start = draw(st.integers(lowest, highest))
    of = sequence(increment, columns, lowest=lowest, highest=highest, start_value=start)
    return Small(of, State(draw(st.integers(lowest, highest)), draw(st.booleans())), contents)


@quickly
@hypothesis.given(small())
def test_verdict_is_that_of_trying_every_value(case: Small) -> None:
    found = verdict(case.observation)
    coming, storable, taken = case.handed_out(case.state), case.storable, case.taken
    sign = 1 if case.of.increment > 0 else -1
    first = case.state.next_value(case.of.increment)
    behind = bool(taken) and first * sign <= taken[-1] * sign
    exhausted = not coming or coming[0] not in storable
    assert (found.status == "critical") == (behind or exhausted)
    assert ("behind" in found.reasons, "exhausted" in found.reasons) == (behind, exhausted)
    assert found.furthest == (taken[-1] if taken else None)
    if not behind and taken:
        assert not set(coming) & set(taken)
        between = range(taken[-1], first, case.of.increment)[1:]
        skipped = range(first - case.of.increment, taken[-1], -case.of.increment)
        assert found.gap == len(skipped) and len(between) in (found.gap, found.gap + 1)
    else:
        assert found.gap is None


@quickly
@hypothesis.given(small(), st.integers(0, 12))
def test_target_is_that_of_trying_every_value(case: Small, margin: int) -> None:
    observation = case.observation
    found, step = verdict(observation), planned(observation, margin=margin)
    sign = 1 if case.of.increment > 0 else -1
    first = case.state.next_value(case.of.increment)
    legal = [
        value
        for value in case.storable
        if (value - first) % case.of.increment == 0 and (not case.taken or (value - case.taken[-1]) * sign > 0)
    ]
    free = [value for value in legal if not case.taken or (value - case.taken[-1]) * sign > margin]
    assert ("no_room" in found.reasons) == (found.status == "critical" and not legal)
    if found.status != "critical":
        assert (found.target, step) == (None, None)
    elif legal and (legal[0] - first) * sign > 0 and free:
        assert isinstance(step, Move)
        assert (found.target, step.next_value) == (legal[0], free[0])
        coming = case.handed_out(step.after)
        assert coming and coming[0] == free[0]
        assert not set(coming) & set(case.taken)
        assert case.of.min_value <= step.after.last_value <= case.of.max_value
    else:
        assert isinstance(step, Refusal)


@quickly
@hypothesis.given(small())
def test_realign_ends_right_behind_what_is_taken(case: Small) -> None:
    step = planned(case.observation, realign=True)
    if isinstance(step, Refusal):
        assert verdict(case.observation).status == "critical" or case.of.start_value not in case.storable
        return
    after = step.after if step else case.state
    coming = case.handed_out(after)
    assert coming and coming[0] in case.storable and not set(coming) & set(case.taken)
    if case.taken:
        before = coming[0] - case.of.increment
        assert not (before - case.taken[-1]) * (1 if case.of.increment > 0 else -1) > 0 or before not in case.storable
        assert (coming[0] - case.state.next_value(case.of.increment)) % case.of.increment == 0
    else:
        assert coming[0] == case.of.start_value or case.of.start_value not in case.storable


@quickly
@hypothesis.given(small(), st.integers(1, 5))
def test_steps_end_where_calling_nextval_ends(case: Small, cache: int) -> None:
    other = case.of._replace(owned=False, cache_size=cache)
    observation = case.observation._replace(sequence=other)
    step = planned(observation)
    if not isinstance(step, Move):
        return
    coming = case.handed_out(case.state)
    block: list[int] = []
    value = None
    while value is None or (step.next_value - other.increment - value) * other.increment > 0:
        if not block:
            block, coming = coming[:cache], coming[cache:]
            last = block[-1]
        value = block.pop(0)
    assert step.after == State(last, True)


def mapped(base_type: str = "bigint", **more: Any) -> _model.Column:
    return column(base_type, mapping=_model.Mapping(**more))


POOLED = sequence(50, columns=[mapped(allocation="pooled")])


@pytest.mark.parametrize(
    ("observation", "expected", "after"),
    [
        (seen(POOLED, 201, 140), "healthy", None),
        (seen(POOLED, 151, 140), "critical behind", 201),
        (seen(POOLED, 151, 101), "healthy", None),
        (seen(POOLED, 151, 102), "critical behind", 201),
        (seen(POOLED, 1, 1, called=False), "critical behind", 51),
        (seen(POOLED, 1, None, called=False), "healthy", None),
        (seen(POOLED._replace(min_value=-100), 1, 0, called=False), "critical behind", 51),
        (seen(POOLED._replace(start_value=50), 50, 7, called=False), "critical behind", 100),
        (seen(POOLED._replace(start_value=20), 20, 7, called=False), "healthy", None),
        (seen(POOLED._replace(start_value=20), 40, 25), "critical behind", 90),
        (seen(sequence(-50, columns=[mapped(allocation="pooled")]), -151, -140), "critical behind", -201),
        (seen(sequence(-50, columns=[mapped(allocation="pooled")]), -201, -140), "healthy", None),
        (seen(sequence(50, columns=[mapped(allocation="pooled_lo")]), 151, 140), "healthy", None),
        (seen(sequence(50, columns=[mapped(allocation="pooled_lo")]), 101, 140), "critical behind", 151),
    ],
)
def test_draws_that_stand_for_blocks(observation: Observation, expected: str, after: int | None) -> None:
    assert said(observation) == expected
    assert next_after(observation) == after


def test_a_block_from_its_low_end_has_to_fit_with_its_high_end() -> None:
    low = sequence(50, columns=[mapped("smallint", allocation="pooled_lo")])
    assert low.reach.highest == 32767 - 49
    assert sequence(-50, columns=[mapped("smallint", allocation="pooled_lo")]).reach.lowest == -32768 + 49
    assert said(seen(low, 32750, None)) == "critical exhausted"


RANGED = sequence(columns=[mapped(minimum=1000, maximum=1999)])


def test_a_range_of_its_own_cuts_the_reach() -> None:
    assert RANGED.reach == _limits.Reach(1000, 1999)
    assert RANGED.storable == _limits.Reach(1, MAX64)
    assert said(seen(RANGED, 1501, 1500)) == "healthy"
    assert said(seen(RANGED, 5, None)) == "critical behind" and next_after(seen(RANGED, 5, None)) == 1000
    assert next_after(seen(RANGED, 5, 1500)) == 1501
    assert said(seen(RANGED, 2000, 1500)) == "critical exhausted"
    down = sequence(-1, columns=[mapped(minimum=-1999, maximum=-1000)])
    assert said(seen(down, -5, None)) == "critical behind" and next_after(seen(down, -5, None)) == -1000


def full(ahead: int | None, next_value: int = -2147480000, gap: int = 1000, **more: Any) -> str:
    whole = sequence(lowest=-(2**31), highest=2**31 - 1, data_type="integer", **more)
    return said(seen(whole, next_value, Reading(furthest=2**31 - 1, ahead=ahead)), gap=gap)


def test_counting_that_goes_on_before_its_rows_has_wrapped() -> None:
    assert full(2147483597) == "warning wrapped"
    assert full(-2147480000 + 1001) == "warning wrapped"
    assert full(-2147480000 + 1000) == "critical behind no_room near_limit"
    assert full(-2147480000 + 1000, gap=999) == "warning wrapped"
    assert full(None) == "critical behind no_room near_limit"
    whole = sequence(lowest=-(2**31), highest=2**31 - 1)
    found = verdict(seen(whole, -(2**31) + 100, Reading(furthest=2**31 - 1, ahead=-(2**31) + 10100)), gap=100)
    assert (found.inserts_left, found.percent_used, found.target) == (10000, 0.99, None)
    apart = seen(whole, 0, Reading(furthest=2**31 - 1, ahead=5000), Reading(furthest=2**31 - 1))
    assert said(apart) == "critical behind no_room near_limit"


def test_named_sequences_of_extensions_and_systems_are_judged() -> None:
    for more in ({"system": True}, {"of_extension": True}):
        assert said(seen(sequence(**more, named=True), 1, 7)) == "critical behind"
        assert said(seen(sequence(**more), 1, 7)) == f"skipped {'system' if 'system' in more else 'extension'}"


def key(table: str, name: str = "id", schema: str = "public", number: int = 1, main: bool = True) -> _model.Key:
    return _model.Key(number, 1, schema, table, name, main)


def guess(name: str, *keys: _model.Key, schema: str = "public") -> tuple[str, str] | None:
    facts = _model.Facts((_model.Orphan(7, schema, name, False),), keys)
    found = suspicion.guesses(facts).get(7)
    if not found:
        return None
    return found.certainty, ",".join(f"{k.table}.{k.column}" for k in found.keys or found.tied)


@pytest.mark.parametrize(
    ("name", "keys", "expected"),
    [
        ("t_id_seq", [key("t"), key("t_id")], ("name of table and column", "t.id")),
        ("t_id_seq3", [key("t")], ("name of table and column", "t.id")),
        ("s_t_id", [key("t")], ("name of table and column", "t.id")),
        ("T_id_seq", [key("t")], ("name of table and column, but for upper and lower case", "t.id")),
        ("T_id_seq", [key("T")], ("name of table and column", "T.id")),
        (
            "entity_type_id_seq",
            [key("entity_type"), key("entity", "type_id")],
            ("name of table and column", "entity_type.id,entity.type_id"),
        ),
        ("t_seq", [key("t", "nr")], ("name of the table", "t.nr")),
        ("t_seq", [key("t", "nr", main=False)], None),
        ("t_gen", [key("t"), key("ts")], ("name of the table", "t.id")),
        ("foo_seq", [key("t"), key("u")], None),
        ("groups_seq", [key("group")], ("plural or run together", "group.id")),
        ("inspire_atom_feed_id_seq", [key("inspireatomfeed")], ("plural or run together", "inspireatomfeed.id")),
        ("t_id_seq", [key("t", schema="app")], ("name of table and column, of another schema", "t.id")),
        ("ir_sequence_007", [key("ir_sequence_007")], None),
        ("base_registry_signaling", [key("base_registry_signaling")], None),
        ("hibernate_sequence", [key("a"), key("b")], ("single name", "a.id,b.id")),
    ],
)
def test_guesses_by_names(name: str, keys: list[_model.Key], expected: tuple[str, str] | None) -> None:
    found = guess(name, *(one._replace(relation=place) for place, one in enumerate(keys)))
    assert found == expected


def test_two_that_fit_equally_are_named_and_none_is_suspected() -> None:
    facts = _model.Facts((_model.Orphan(7, "public", "g_id_seq", False),), (key("gs"), key("ges", number=2)))
    found = suspicion.guesses(facts)[7]
    assert found.keys == () and {one.table for one in found.tied} == {"gs", "ges"}


@pytest.mark.parametrize(
    "filling",
    ["a" * 10**6, '"' * 10**6, "/*" * 500_000, "-" * 10**6, "nextval('" * 10**5, "a." * 500_000],
    ids=lambda text: text[:2],
)
def test_a_triggers_text_of_a_megabyte_is_read_in_one_go(filling: str) -> None:
    source = f"new.id := nextval('s'); {filling} ; new.id := nextval('s')"
    facts = _model.Facts((_model.Orphan(7, "public", "s", False),), (), (_model.Trigger(source, (key("t"),)),))
    assert suspicion.guesses(facts)[7].keys == (key("t"),)


def test_names_are_cut_as_postgresql_cuts_them() -> None:
    assert names.serial_name("t" * 60, "id") == f"{'t' * 56}_id_seq"
    assert names.serial_name("t" * 40, "c" * 40) == f"{'t' * 29}_{'c' * 29}_seq"
    assert names.serial_name("t", "id") == "t_id_seq"


def supposed(next_value: int, found: int, certainty: str = "trigger", called: bool = True, **more: Any) -> str:
    """What is said of a sequence of no column that is supposed to feed one."""
    rivals = more.pop("rivals", ())
    inner = seen(
        sequence(**more),
        next_value,
        Reading(furthest=found, out_of_bounds=more.get("highest", MAX64) < found),
        called=called,
    )
    outer = seen(inner.sequence._replace(columns=()), next_value, called=called)
    about = (_model.Guess(certainty, (key("t"),), (), (), rivals), inner)
    return said(outer._replace(suspicion=about))


def test_only_what_is_certain_enough_is_a_warning_and_only_what_is_ahead_is_suspected() -> None:
    assert supposed(1, 9) == "warning suspected"
    assert supposed(1, 9, "name of table and column") == "warning suspected"
    assert supposed(1, 9, "known application: x") == "warning suspected"
    assert supposed(1, 9, "name of the table") == "skipped no_column suspected"
    assert supposed(1, 9, "name of table and column, of another schema") == "skipped no_column suspected"
    assert supposed(10, 9) == "skipped no_column"
    assert supposed(1, 2**50) == "skipped no_column"
    assert supposed(2**32, 2**50) == "warning suspected"
    assert supposed(1, 2000, rivals=("public.other",)) == "skipped no_column"
    assert supposed(1500, 2000, rivals=("public.other",)) == "skipped no_column"
    assert supposed(41, 1995) == "skipped no_column"
    assert supposed(41, 1995, called=False) == "warning suspected"
    assert supposed(41, 1700) == "warning suspected"


def test_a_suspicion_moves_nothing() -> None:
    inner = seen(sequence(), 1, 9)
    outer = inner._replace(
        sequence=inner.sequence._replace(columns=()),
        readings=(),
        suspicion=(_model.Guess("trigger", (key("t"),)), inner),
    )
    for policy in (Policy(), Policy(realign=True)):
        found = decide("d", outer, Rules(Thresholds(), policy), "r")
        assert found.step is None and (found.remedy or "").startswith("columns: ")
