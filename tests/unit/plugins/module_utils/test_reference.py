# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of ``docs/rules.md``, section 6: what a reference may be, and how sequences are judged and moved by it."""

from __future__ import annotations

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from ansible_collections.pgops.sequences.plugins.module_utils import _model
from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Finding, Rules, decide
from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import Move, Policy, Refusal
from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Thresholds
from ansible_collections.pgops.sequences.plugins.module_utils._model import (
    Observation,
    Reading,
    State,
    Subscription,
    Trouble,
)
from ansible_collections.pgops.sequences.plugins.module_utils._reference.differences import creation
from ansible_collections.pgops.sequences.plugins.module_utils._reference.reference import (
    ReferenceFault,
    reference_of,
    refuse_strangers,
)
from ansible_collections.pgops.sequences.plugins.module_utils._sentences import message_of

quickly = hypothesis.settings(max_examples=700, deadline=None, derandomize=True, database=None)


def entry(**more: Any) -> dict[str, Any]:
    usual = {
        "database": "shop",
        "schema": "public",
        "name": "s",
        "data_type": "bigint",
        "start_value": 1,
        "increment": 1,
        "min_value": 1,
        "max_value": 2**63 - 1,
        "cycle": False,
        "last_value": 5000,
        "is_called": True,
    }
    return {**usual, **more}


COLUMN = _model.Column(
    *(1, 1, "public", "t", "id", "bigint", "bigint", -1, ("owned",), False, (), "r", False, False, True, False, 1),
    *("owner", True, True, True, False),
)


def sequence(**more: Any) -> _model.Sequence:
    usual: dict[str, Any] = {
        "oid": 1,
        "schema": "public",
        "name": "s",
        "sql_name": "public.s",
        "data_type": "bigint",
        "start_value": 1,
        "increment": 1,
        "min_value": 1,
        "max_value": 2**63 - 1,
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
    }
    return _model.Sequence(**{**usual, **more})


def decided(
    of: _model.Sequence,
    state: State | None,
    there: dict[str, Any] | None,
    *furthest: int | None,
    policy: Policy | None = None,
) -> Finding:
    of = of._replace(columns=(COLUMN,) * len(furthest))
    readings = tuple(Reading(furthest=value, empty=value is None) for value in furthest)
    trouble = None if state else Trouble("locked", "cause", "remedy")
    rules = Rules(Thresholds(), policy or Policy(), reference_of([there], None) if there else None)
    return decide("shop", Observation(of, state, trouble, readings), rules, "role")


def test_a_sequence_without_a_column_is_brought_up_to_the_reference() -> None:
    found = decided(sequence(), State(1, False), entry())
    assert (found.verdict.status, found.verdict.reasons) == ("critical", ("behind_reference",))
    assert found.move and found.move.after == State(5000, True)
    assert "next value 1 is behind the reference's 5001" in message_of(found)
    assert found.moved and found.moved.verdict.status == "healthy"


@pytest.mark.parametrize(("last", "called"), [(5000, True), (5001, False), (9000, True)])
def test_a_sequence_that_is_there_or_beyond_is_healthy_and_stays(last: int, called: bool) -> None:
    found = decided(sequence(), State(last, called), entry())
    assert (found.verdict.status, found.step) == ("healthy", None)


def test_a_reference_never_called_says_its_start() -> None:
    assert decided(sequence(), State(1, False), entry(last_value=1, is_called=False)).step is None
    behind = decided(sequence(), State(1, True), entry(last_value=3, is_called=False))
    assert behind.move and behind.move.next_value == 3


@pytest.mark.parametrize(("furthest", "target"), [(10, 5001), (5000, 5001), (5001, 5002), (7000, 7001), (None, 5001)])
def test_the_target_is_beyond_rows_and_reference(furthest: int | None, target: int) -> None:
    found = decided(sequence(), State(1, True), entry(), furthest)
    assert found.move and found.move.next_value == target
    assert ("behind" in found.verdict.reasons) == (furthest is not None)


def test_the_margin_counts_values_and_keeps_the_phase() -> None:
    found = decided(
        sequence(increment=10), State(3, True), entry(increment=10, last_value=5003), policy=Policy(margin=25)
    )
    assert found.move and found.move.next_value == 5043
    down = sequence(increment=-2, min_value=-(2**63), max_value=-1, start_value=-1)
    there = entry(increment=-2, min_value=-(2**63), max_value=-1, start_value=-1, last_value=-501)
    found = decided(down, State(-1, True), there, policy=Policy(margin=5))
    assert found.move and found.move.next_value == -509


def test_another_phase_is_said_and_kept() -> None:
    found = decided(sequence(increment=10), State(1, True), entry(increment=10, last_value=5005))
    assert found.verdict.reasons == ("behind_reference", "differs") and "phase 1 modulo 10 here, 5" in message_of(found)
    assert found.move and found.move.next_value == 5021


def test_rows_beyond_their_gap_are_explained_by_the_reference() -> None:
    assert decided(sequence(), State(5000, True), entry(), 10).verdict.status == "healthy"
    assert decided(sequence(), State(9000, True), entry(), 10).verdict.reasons == ("gap",)


def test_another_definition_is_a_warning_and_is_moved_all_the_same() -> None:
    found = decided(sequence(data_type="integer", max_value=2**31 - 1), State(1, True), entry())
    assert found.verdict.reasons == ("behind_reference", "differs") and found.move
    assert found.moved and (found.moved.verdict.status, found.moved.verdict.reasons) == ("warning", ("differs",))
    assert "data type integer here, bigint there" in message_of(found.moved)


def test_another_direction_cannot_be_compared() -> None:
    found = decided(sequence(), State(1, True), entry(increment=-1, min_value=-100, max_value=9000))
    assert found.verdict.status == "unknown" and "differs" in found.verdict.reasons and found.step is None
    assert found.remedy == "give both the same INCREMENT"


def test_what_could_not_be_read_there_is_not_called_equal() -> None:
    found = decided(sequence(), State(1, True), entry(last_value=None, is_called=None, message="no privilege"))
    assert (found.verdict.status, found.verdict.reasons) == ("unknown", ("no_privilege",))
    assert "could not be read (no privilege)" in message_of(found) and found.remedy and "GRANT SELECT" in found.remedy


def test_what_cannot_be_read_here_is_unknown() -> None:
    assert decided(sequence(), None, entry()).verdict.status == "unknown"


def test_a_reference_out_of_reach_is_said_and_rows_still_count() -> None:
    found = decided(sequence(max_value=1000), State(1, True), entry(), 40)
    assert found.verdict.reasons[:3] == ("behind", "behind_reference", "no_room")
    assert found.move and found.move.next_value == 41
    assert found.remedy and "MAXVALUE" in found.remedy
    alone = decided(sequence(max_value=1000), State(1, True), entry())
    assert isinstance(alone.step, Refusal) and "no free value is left from 5001 up to 1000" in message_of(alone)


def test_max_jump_holds_and_its_remedy_names_the_reference() -> None:
    found = decided(sequence(), State(1, True), entry(), policy=Policy(max_jump=100))
    assert isinstance(found.step, Refusal) and "max_jump" in found.step.reasons
    assert found.remedy and "4999" in found.remedy and "reference" in found.remedy


def test_cycle_is_judged_by_the_reference_alone() -> None:
    assert decided(sequence(cycle=True), State(9, True), entry(cycle=True), 4000).move
    assert decided(sequence(cycle=True), State(5000, True), entry(cycle=True), 9000).step is None


@pytest.mark.parametrize("enabled", [True, False])
def test_a_live_subscription_is_left_alone_where_that_is_asked(enabled: bool) -> None:
    under = sequence(subscription=Subscription("from_old", enabled, "ready"))
    found = decided(under, State(1, True), entry(), 40, policy=Policy(leave_subscribed=True))
    assert (isinstance(found.step, Refusal) and "subscribed" in found.step.reasons) == enabled
    assert ("from_old fills it" in message_of(found)) == enabled
    assert decided(under, State(1, True), entry(), 40).move


_KEPT = Subscription("from_old", True, "waits for its copy", keeps=True)


@pytest.mark.parametrize(
    ("subscription", "said", "remedy"),
    [
        (_KEPT, "takes some seconds after a REFRESH", "look again"),
        (
            _KEPT._replace(failures=7),
            "has failed with sequences 7 times. Likely it is defined otherwise there",
            "GRANT SELECT ON",
        ),
        (_KEPT._replace(enabled=False), "is switched off: it goes on", "ALTER SUBSCRIPTION from_old ENABLE;"),
        (_KEPT._replace(enabled=False, failures=2), "is switched off (as disable_on_error does", "DROP SUBSCRIPTION"),
    ],
    ids=["on its way", "failed", "off", "switched off"],
)
@pytest.mark.parametrize("shape", ["column", "no column", "cycle"])
def test_what_a_subscription_has_yet_to_set_is_a_warning(
    subscription: Subscription, said: str, remedy: str, shape: str
) -> None:
    under = sequence(subscription=subscription, cycle=shape == "cycle")
    found = decided(under, State(9, True), None, *([] if shape == "no column" else [5]))
    assert (found.verdict.status, found.verdict.reasons) == ("warning", ("not_synchronized",))
    assert said in message_of(found) and found.remedy and remedy in found.remedy
    behind = decided(under, State(1, True), None, *([] if shape == "no column" else [5]))
    graver = shape == "column"
    assert behind.verdict.status == ("critical" if graver else "warning")
    assert "not_synchronized" in behind.verdict.reasons and bool(behind.move) == graver
    assert "not_synchronized: the subscription from_old" in message_of(behind)


@pytest.mark.parametrize("subscription", [None, _KEPT._replace(state="ready"), _KEPT._replace(keeps=False)])
def test_what_is_set_or_not_kept_is_no_finding(subscription: Subscription | None) -> None:
    found = decided(sequence(subscription=subscription), State(9, True), None, 5)
    assert found.verdict.status == "healthy"
    kept = subscription is not None and subscription.keeps
    assert ("the next REFRESH SEQUENCES sets it to the publisher's value, also backward" in message_of(found)) == kept


def test_one_of_an_extension_is_left_out_whatever_keeps_it() -> None:
    assert decided(sequence(subscription=_KEPT, of_extension=True), State(9, True), None).verdict.status == "skipped"


def test_another_definition_is_why_it_is_not_synchronized() -> None:
    found = decided(sequence(subscription=_KEPT), State(5001, True), entry(increment=2))
    assert set(found.verdict.reasons) == {"differs", "not_synchronized"}
    assert found.remedy == "ALTER SEQUENCE public.s INCREMENT BY 2;"


def test_what_a_subscription_keeps_is_repaired_on_the_publisher() -> None:
    under = sequence(subscription=_KEPT._replace(name="From old"))
    found = decided(under, State(1, True), entry(), 40, policy=Policy(leave_subscribed=True))
    assert found.remedy and 'then here: ALTER SUBSCRIPTION "From old" REFRESH SEQUENCES' in found.remedy


@quickly
@hypothesis.given(
    increment=st.sampled_from([1, 2, 7, 50, -1, -3]),
    here=st.integers(-3000, 3000),
    there=st.integers(-3000, 3000),
    row=st.none() | st.integers(-3000, 3000),
    margin=st.sampled_from([0, 1, 33]),
)
def test_against_a_brute_force_oracle(increment: int, here: int, there: int, row: int | None, margin: int) -> None:
    bounds: dict[str, Any] = {"min_value": -100000, "max_value": 100000, "start_value": 0}
    of = sequence(increment=increment, **bounds)
    values = entry(increment=increment, last_value=there, is_called=False, **bounds)
    found = decided(of, State(here, False), values, *(() if row is None else (row,)), policy=Policy(margin=margin))
    sign = 1 if increment > 0 else -1
    behind = here * sign < there * sign or (row is not None and here * sign <= row * sign)
    assert (found.move is not None) == behind
    if behind:
        wanted = here
        beyond = max(there * sign, -(10**9) if row is None else row * sign + 1) + margin
        while wanted * sign < beyond:
            wanted += increment
        assert isinstance(found.step, Move) and found.step.next_value == wanted
        again = decided(of, found.step.after, values, *(() if row is None else (row,)), policy=Policy(margin=margin))
        assert again.step is None


@pytest.mark.parametrize(
    ("given", "databases", "told"),
    [
        ([], None, "the reference is empty"),
        ([{"name": "s"}], None, "entry 1 of the reference has no database, schema"),
        ([entry(), 7], None, "entry 2 of the reference is no dictionary"),
        ([entry(), entry()], None, 'holds public.s of database "shop" twice'),
        ([entry(host="a"), entry(host="b", name="r")], None, "2 hosts (a, b)"),
        ([entry(last_value="many")], None, "'many' is no whole number"),
        ([entry(is_called="maybe")], None, "neither true nor false"),
        ([entry(increment=0)], None, "increment 0"),
        ([entry()], {"new": "old"}, 'holds no database of that name; it holds "shop"'),
        (None, {"new": "old"}, "without a reference"),
    ],
)
def test_a_reference_that_cannot_be_meant_is_refused(given: Any, databases: Any, told: str) -> None:
    with pytest.raises(ReferenceFault) as caught:
        reference_of(given, databases)
    assert told in str(caught.value)


def test_a_reference_of_other_databases_is_refused_before_anything_is_done() -> None:
    reference = reference_of([entry(last_value="5000", is_called="True")], None)
    assert reference and reference.find("shop", "public", "s")
    with pytest.raises(ReferenceFault, match="reference_databases"):
        refuse_strangers(reference, ["shop_new"])
    renamed = reference_of([entry()], {"shop_new": "shop"})
    assert renamed and renamed.find("shop_new", "public", "s")
    refuse_strangers(renamed, ["shop_new"])


def test_what_is_missing_can_be_made() -> None:
    reference = reference_of([entry(name='o"dd', cache_size=20, cycle=True)], None)
    assert reference
    (found,) = reference.entries.values()
    assert creation(found) == (
        'CREATE SEQUENCE public."o""dd" AS bigint INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 20 CYCLE;'
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"last_value": 10**30}, "beyond what a sequence can hold"),
        ({"last_value": "1_000"}, "'1_000' is no whole number"),
        ({"last_value": [[1]] * 100000}, "a list is no whole number"),
        ({"is_called": {"a": 1}}, "a dict is neither true nor false"),
        ({"last_value": -5}, "stands at -5, which is not between 1 and"),
        ({"min_value": 10, "max_value": 1}, "has the bounds 10 to 1"),
        ({"data_type": "bigint; DROP TABLE t"}, "has a data_type that no sequence has"),
        ({"database": None}, "has a database that is no name"),
        ({"name": {"a": 1}}, "has a name that is no name"),
        ({"name": ""}, "has a name that is no name"),
        ({"schema": "a\0b"}, "has a schema that is no name"),
        ({"name": "\ud800"}, "has a name that is no name"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_no_sequence_can_be_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ReferenceFault) as caught:
        reference_of([entry(**more)], None)
    assert said in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("columns", [5, "abc", ["a", {}, {"schema": 1, "table": 2}], [None]], ids=str)
def test_columns_that_are_none_say_nothing(columns: Any) -> None:
    reference = reference_of([entry(columns=columns)], None)
    assert reference and reference.of_database("shop")[0].tables == ()


def test_what_was_said_of_one_that_could_not_be_read_stays_short_and_steers_no_terminal() -> None:
    reference = reference_of([entry(last_value=None, message="\x1b[2J\nevil" + "x" * 100000)], None)
    assert reference
    why = reference.of_database("shop")[0].why
    assert why.isprintable() and len(why) < 600


@pytest.mark.parametrize("text", ["[1", "{}", '"a"', "[" * 100000, "5"])
def test_a_text_that_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ReferenceFault):
        reference_of(text, None)


def test_a_text_of_json_is_a_reference() -> None:
    assert reference_of(json.dumps([entry()]), None) == reference_of([entry()], None)


@pytest.mark.parametrize("names", [{"shop": None}, {"shop": ""}, {"shop": True}, {"shop": ["shop"]}], ids=str)
def test_names_of_databases_that_are_none_are_refused(names: Any) -> None:
    with pytest.raises(ReferenceFault, match="is no pair of names"):
        reference_of([entry()], names)


def test_a_name_for_a_database_that_is_not_looked_at_is_refused() -> None:
    reference = reference_of([entry()], {"shp": "shop"})
    assert reference
    with pytest.raises(ReferenceFault, match='says what "shp" was called, but what is looked at is "shop"'):
        refuse_strangers(reference, ["shop"])


@pytest.mark.parametrize(("increment", "last", "first"), [(1, 90, 1), (-1, 1, 90)])
def test_a_reference_that_is_about_to_begin_again_asks_for_its_first_value(
    increment: int, last: int, first: int
) -> None:
    bounds = {"min_value": 1, "max_value": 90, "increment": increment, "cycle": True, "start_value": first}
    there = entry(**bounds, last_value=last)
    here = sequence(**bounds)
    assert decided(here, State(first, False), there).step is None
    assert decided(here, State(last, True), there).step is None


def test_other_cache_and_owner_are_named_and_are_no_warning() -> None:
    found = decided(sequence(), State(5000, True), entry(cache_size=20, owner="somebody"))
    assert found.verdict.status == "healthy" and found.verdict.reference
    assert [note.what for note in found.verdict.reference.notes] == ["cache_size", "owner"]
