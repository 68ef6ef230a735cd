# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random sequences over random columns: what must hold of every one of them, on a real server.

``PGOPS_PROPERTY_CASES`` is the number of sequences, ``PGOPS_PROPERTY_SEED`` what they are drawn from. A sequence that
fails is shown as the SQL that makes it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import hypothesis
import psycopg2
import pytest
from hypothesis import strategies as st

from support.run import run_module

CASES = int(os.environ.get("PGOPS_PROPERTY_CASES") or 300)
SEED = int(os.environ.get("PGOPS_PROPERTY_SEED") or 20261123)
BATCH = 100
CALLS = 12

SEQUENCE_TYPES = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
# What a column can store exactly, as the contract's reach has it.
COLUMN_TYPES = {
    "smallint": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
    "numeric": (-(10**30), 10**30),
    "numeric(3)": (-999, 999),
    "numeric(6,2)": (-9999, 9999),
    "real": (-(2**24), 2**24),
    "double precision": (-(2**53), 2**53),
    "small_domain": (-(2**15), 2**15 - 1),
}
FRACTIONAL = ("numeric", "numeric(6,2)", "double precision")


@dataclasses.dataclass(frozen=True)
class Column:
    type_name: str
    indexed: bool
    values: tuple[str | None, ...]


@dataclasses.dataclass(frozen=True)
class Case:
    """A sequence, what has been done with it, and the columns it feeds."""

    type_name: str
    increment: int
    lowest: int
    highest: int
    start: int
    cache: int
    history: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def reach(self) -> tuple[int, int]:
        limits = [COLUMN_TYPES[column.type_name] for column in self.columns]
        return max(self.lowest, *(low for low, _high in limits)), min(self.highest, *(high for _low, high in limits))

    def statements(self, name: str) -> list[str]:
        tables = [f"{name}_t{number}" for number in range(len(self.columns))]
        return [
            f"CREATE SEQUENCE {name} AS {self.type_name} INCREMENT {self.increment} MINVALUE {self.lowest}"
            f" MAXVALUE {self.highest} START {self.start} CACHE {self.cache}",
            *(
                f"CREATE TABLE {table} (id {column.type_name} DEFAULT nextval('{name}'))"
                for table, column in zip(tables, self.columns)
            ),
            *(f"CREATE INDEX ON {table} (id)" for table, column in zip(tables, self.columns) if column.indexed),
            *(
                f"INSERT INTO {table} VALUES " + ", ".join(f"({value or 'NULL'})" for value in column.values)
                for table, column in zip(tables, self.columns)
                if column.values
            ),
            *(statement.format(name) for statement in self.history),
        ]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    type_name = draw(st.sampled_from(sorted(SEQUENCE_TYPES)))
    size = SEQUENCE_TYPES[type_name]
    increment = draw(st.integers(-50, 50).filter(bool))
    whole = (-size, size - 1)
    usual = (1, size - 1) if increment > 0 else (-size, -1)
    lowest, highest = draw(
        st.one_of(
            st.just(usual),
            st.just(whole),
            st.tuples(st.integers(-300, 300), st.integers(1, 600)).map(lambda window: (window[0], sum(window))),
            st.integers(1, 200).map(lambda width: (size - 1 - width, size - 1)),
            st.integers(1, 200).map(lambda width: (-size, -size + width)),
        )
    )
    ends = st.one_of(
        st.just(lowest if increment > 0 else highest),
        st.integers(lowest, min(highest, lowest + 100)),
        st.integers(max(lowest, highest - 100), highest),
        st.integers(lowest, highest),
    )
    start = draw(ends)
    history = []
    place = start
    for what in draw(st.lists(st.sampled_from(["set", "uncalled", "restart", "call"]), max_size=3)):
        place = start if what == "call" else draw(ends)
        history.append(
            {
                "set": f"SELECT setval('{{0}}', {place}, true)",
                "uncalled": f"SELECT setval('{{0}}', {place}, false)",
                "restart": f"ALTER SEQUENCE {{0}} RESTART WITH {place}",
                "call": "ALTER SEQUENCE {0} RESTART; SELECT nextval('{0}')",
            }[what]
        )
    columns = tuple(draw(st.lists(columns_near(place, lowest, highest, increment), min_size=1, max_size=4)))
    cache = draw(st.sampled_from([1, 1, 1, 2, 30]))
    return Case(type_name, increment, lowest, highest, start, cache, tuple(history), columns)


@st.composite
def columns_near(draw: st.DrawFn, place: int, lowest: int, highest: int, increment: int) -> Column:
    """A column whose values lie about where the sequence is and where its bounds are, as far as the type takes them."""
    type_name = draw(st.sampled_from(sorted(COLUMN_TYPES)))
    low, high = COLUMN_TYPES[type_name]
    near = st.builds(
        lambda base, steps, off: base + steps * increment + off,
        st.sampled_from([place, lowest, highest, low, high]),
        st.integers(-5, 20),
        st.integers(-3, 3),
    )
    numbers = st.one_of(near, near, near, st.integers(low, high)).map(lambda number: str(min(max(number, low), high)))
    values: st.SearchStrategy[str | None] = st.one_of(numbers, numbers, numbers, st.none())
    if type_name in FRACTIONAL:
        inner = st.integers(max(low, -8000), min(high, 8000)).map(lambda number: f"{number}.5")
        values = st.one_of(values, values, inner, st.just("'NaN'"))
    return Column(type_name, draw(st.booleans()), tuple(draw(st.lists(values, max_size=5))))


def drawn() -> list[Case]:
    found: list[Case] = []

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=CASES,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(cases())
    def draw(case: Case) -> None:
        found.append(case)

    draw()
    return found


@dataclasses.dataclass(frozen=True)
class State:
    last_value: int
    is_called: bool
    file: int


class Database:
    """The database of one batch."""

    def __init__(self, dsn: Mapping[str, Any]) -> None:
        self.dsn = dsn
        self.connection = psycopg2.connect(**dsn)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.cursor.execute("SET extra_float_digits = 3")

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        self.cursor.execute(statement)
        found: list[tuple[Any, ...]] = self.cursor.fetchall()
        return found

    def states(self, names: Sequence[str]) -> dict[str, State]:
        selects = (
            f"SELECT '{name}', last_value, is_called, pg_relation_filenode('{name}') FROM {name}" for name in names
        )
        return {name: State(*state) for name, *state in self.rows(" UNION ALL ".join(selects))}

    def values(self, name: str, case: Case) -> list[Decimal]:
        tables = (f"SELECT id::text FROM {name}_t{number}" for number in range(len(case.columns)))
        return [Decimal(value) for (value,) in self.rows(" UNION ALL ".join(tables)) if value is not None]

    def calls(self, name: str) -> list[int]:
        """What ``nextval()`` returns, until the sequence is used up."""
        found: list[int] = []
        for _call in range(CALLS):
            try:
                found += self.rows(f"SELECT nextval('{name}')")[0]
            except psycopg2.Error as error:
                assert error.pgcode == "2200H", error
                break
        return found

    def run(self, check: bool) -> dict[str, Any]:
        place = {"login_unix_socket": self.dsn["host"], "login_port": self.dsn["port"], "login_db": self.dsn["dbname"]}
        args = {**place, "show_all": True, "fail_on_unfixed": False}
        result = run_module("pg_sequence_fix", args, check=check)
        assert not result["failed"], result["msg"]
        return result


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one sequence; ``target`` is the first legal value, found without the modules."""

    case: Case
    before: State
    after: State
    values: list[Decimal]
    calls: list[int]
    entry: dict[str, Any]
    change: dict[str, Any] | None
    not_fixed: dict[str, Any] | None

    def next_of(self, state: State) -> int:
        return state.last_value + self.case.increment if state.is_called else state.last_value

    @property
    def inside(self) -> list[Decimal]:
        low, high = self.case.reach
        return [value for value in self.values if not value.is_nan() and low <= value <= high]

    def problems(self) -> Iterator[str]:
        sign = 1 if self.case.increment > 0 else -1
        low, high = self.case.reach
        before, after = self.next_of(self.before), self.next_of(self.after)
        ahead = [value for value in self.inside if value * sign >= before * sign]
        bad = bool(ahead) or not low <= before <= high
        target = self.target(before)
        wrapped = target is None and low <= before <= high and self.has_wrapped(before, ahead)
        if (self.entry["status"] == "critical") != (bad and target is None and not wrapped):
            yield f"status {self.entry['status']} after the fix"
        if ("wrapped" in self.entry["reasons"]) != wrapped:
            yield "wrapped"
        if bad and target is not None and after != target:
            yield f"next value {after} after the fix, not {target}"
        if (not bad or target is None) and self.before != self.after:
            yield "moved without need"
        if (self.change is None) != (self.before == self.after) or (self.not_fixed is None) == (
            bad and target is None and not wrapped
        ):
            yield "changes and not_fixed do not tell what happened"
        if (after - before) * sign < 0:
            yield "moved backward"
        if (after - before) % self.case.increment:
            yield "lost its phase"
        if self.entry["next_value"] != after or (self.calls and self.calls[0] != after):
            yield f"next value {self.entry['next_value']} is not the server's {self.calls[:1]}"
        # NaN is the greatest of all numbers.
        far = (
            (lambda value: value.is_nan() or value > high)
            if sign > 0
            else (lambda value: not value.is_nan() and value < low)
        )
        out = any(map(far, self.values))
        if out != ("out_of_bounds" in self.entry["reasons"]):
            yield "out_of_bounds"
        if self.entry["status"] != "critical":
            if not self.calls or not low <= self.calls[0] <= high:
                yield "no next value that can be stored"
            if set(self.calls) & set(self.inside):
                yield "a next value collides"

    def has_wrapped(self, before: int, ahead: list[Decimal]) -> bool:
        """Whether more inserts are left before the nearest row ahead than a gap may have (1000)."""
        sign = 1 if self.case.increment > 0 else -1
        return bool(ahead) and min(value * sign for value in ahead) - before * sign > 1000 * abs(self.case.increment)

    def target(self, before: int) -> int | None:
        """Where the contract lets an advance go: forward, in phase, beyond all values within the reach."""
        low, high = self.case.reach
        step, sign = abs(self.case.increment), 1 if self.case.increment > 0 else -1
        first = low if sign > 0 else -high
        beyond = max([first, *(int((value * sign).to_integral_value("ROUND_FLOOR")) + 1 for value in self.inside)])
        found = sign * (beyond + (sign * before - beyond) % step)
        return found if low <= found <= high and (found - before) * sign > 0 else None


def run_batch(database: Database, batch: Sequence[Case], first: int) -> list[Outcome]:
    named = {f"s{first + number}": case for number, case in enumerate(batch)}
    database.cursor.execute("CREATE DOMAIN small_domain AS smallint CHECK (VALUE IS NULL OR VALUE > -40000)")
    for name, case in named.items():
        database.cursor.execute(";".join(case.statements(name)))
    database.cursor.execute("DISCARD SEQUENCES")
    before = database.states(list(named))
    values = {name: database.values(name, case) for name, case in named.items()}
    predicted = database.run(check=True)
    assert database.states(list(named)) == before
    fixed = database.run(check=False)
    after = database.states(list(named))
    assert {**predicted, "invocation": None} == {**fixed, "invocation": None}
    again = database.run(check=False)
    assert not again["changed"] and database.states(list(named)) == after
    assert again["sequences"] == fixed["sequences"]
    entries, changes, not_fixed = (
        {entry["name"]: entry for entry in fixed[key]} for key in ("sequences", "changes", "not_fixed")
    )
    outcomes = []
    for name, case in named.items():
        outcome = Outcome(
            case,
            before[name],
            after[name],
            values[name],
            database.calls(name),
            entries[name],
            changes.get(name),
            not_fixed.get(name),
        )
        outcomes.append(outcome)
    tables = ", ".join(f"{name}_t{number}" for name, case in named.items() for number in range(len(case.columns)))
    database.cursor.execute(f"DROP TABLE {tables}; DROP SEQUENCE {', '.join(named)}; DROP DOMAIN small_domain")
    return outcomes


def test_sequences_of_all_kinds(database: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    batches = drawn()
    with capsys.disabled():
        print(f"\n{len(batches)} sequences from PGOPS_PROPERTY_SEED={SEED}", end=" ")
    place = Database(database)
    outcomes: list[Outcome] = []
    for first in range(0, len(batches), BATCH):
        outcomes += run_batch(place, batches[first : first + BATCH], first)
    place.connection.close()
    failures = [
        "\n".join([*(f"-- {problem}" for problem in problems), ";\n".join(outcome.case.statements("s")) + ";"])
        for outcome in outcomes
        for problems in [list(outcome.problems())]
        if problems
    ]
    assert not failures, f"{len(failures)} of {len(outcomes)} sequences\n\n" + "\n\n".join(failures[:5])
    counts = [sum(outcome.change is not None for outcome in outcomes), sum(o.not_fixed is not None for o in outcomes)]
    assert min(counts) * 20 > len(outcomes), f"too few are worth the test: {counts}"


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A sequence that only an application draws, and how: in blocks, within a range of its own, by the sign of a number."""

    increment: int
    start: int
    calls: int
    allocation: str
    negative: bool
    minimum: int | None
    values: tuple[int, ...]

    @property
    def maximum(self) -> int | None:
        return None if self.minimum is None else self.minimum + 9999

    def entry(self, name: str) -> dict[str, Any]:
        said: dict[str, Any] = {"sequence": name, "table": f"{name}_t", "column": "id"}
        if self.increment > 1:
            said["allocation"] = self.allocation
        if self.minimum is not None:
            said.update(minimum=self.minimum, maximum=self.maximum)
        sign = {"where": "id < 0", "expression": "-id"} if self.negative else {}
        return {**said, **sign}

    def statements(self, name: str) -> str:
        rows = ", ".join(f"({-value if self.negative else value})" for value in self.values)
        call = f"SELECT nextval('{name}') FROM generate_series(1, {self.calls});" if self.calls else ""
        return (
            f"CREATE SEQUENCE {name} INCREMENT {self.increment} START {self.start};"
            f"CREATE TABLE {name}_t (id bigint); INSERT INTO {name}_t VALUES {rows};{call}"
        )

    def block(self, value: int) -> range:
        """The ids that a draw stands for, as the optimizers take them."""
        size = self.increment
        if self.allocation == "pooled_lo":
            return range(value, value + size)
        alone = value == self.start and value - size + 1 < 1
        return range(value if alone or self.allocation == "single" else value - size + 1, value + 1)

    @property
    def inside(self) -> set[int]:
        low, high = (self.minimum, self.maximum) if self.minimum is not None else (1, 2**63 - 1)
        return {value for value in self.values if low <= value <= (high or 0)}


@st.composite
def draws(draw: st.DrawFn) -> Drawn:
    minimum = draw(st.sampled_from([None, None, 100_000]))
    base = minimum or 0
    near = st.integers(base + 1, base + 400)
    values = draw(st.lists(st.one_of(near, near, st.integers(1, 900_000)), min_size=1, max_size=6))
    increment = draw(st.sampled_from([1, 2, 10, 50]))
    start = draw(st.one_of(st.just(base + 1), st.just(base + increment), near, st.integers(1, 60)))
    allocation = draw(st.sampled_from(["single", "pooled", "pooled_lo"])) if increment > 1 else "single"
    return Drawn(increment, start, draw(st.integers(0, 4)), allocation, draw(st.booleans()), minimum, tuple(values))


def test_sequences_as_applications_draw_them(database: dict[str, str]) -> None:
    found: list[Drawn] = []

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=max(100, CASES // 2),
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(draws())
    def collect(case: Drawn) -> None:
        found.append(case)

    collect()
    place = Database(database)
    named = {f"a{number}": case for number, case in enumerate(found)}
    for name, case in named.items():
        place.cursor.execute(case.statements(name))
    login = {"login_unix_socket": database["host"], "login_port": database["port"], "login_db": database["dbname"]}
    args = {**login, "show_all": True, "fail_on_unfixed": False}
    before = place.states(list(named))
    # What nobody confirmed moves nothing.
    assert not run_module("pg_sequence_fix", args)["changed"] and place.states(list(named)) == before
    args["columns"] = [case.entry(name) for name, case in named.items()]
    predicted = run_module("pg_sequence_fix", args, check=True)
    assert not predicted["failed"] and place.states(list(named)) == before
    fixed = run_module("pg_sequence_fix", args)
    assert fixed["changes"] == predicted["changes"] and fixed["not_fixed"] == []
    moved = {change["name"] for change in fixed["changes"]}
    failures = []
    for name, case in named.items():
        state, increment = before[name], case.increment
        following = state.last_value + increment if state.is_called else state.last_value
        low = case.minimum or 1
        collides = bool(case.inside) and case.block(following)[0] <= max(case.inside)
        if (name in moved) != (collides or following < low):
            failures.append(f"{name} moved: {name in moved}; {case}")
        calls = place.calls(name)[:4]
        ids = [number for value in calls for number in case.block(value)]
        if set(ids) & case.inside or len(ids) != len(set(ids)) or (case.minimum and calls[0] < case.minimum):
            failures.append(f"{name} hands out {ids[:3]}...; {case}")
    place.connection.close()
    assert not failures, f"{len(failures)} of {len(named)}\n" + "\n".join(failures[:5])
    assert len(moved) * 5 > len(named)
