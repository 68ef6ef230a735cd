# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every shape of sequence and table gets the contract's verdict and repair; the server is the oracle.

What the modules say of next values is compared with ``nextval()``, and that nothing collides is proved by inserting
defaults: in a copy of the database from before the fix, and in the database itself when all runs are done.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
from server.shapes import SHAPES, Shape, quoted

from support.run import run_module, sql
from support.servers import Server

Dsn = dict[str, str]
Entry = dict[str, Any]
Name = tuple[str, str]

SEQUENCE_IS_FULL, NUMBER_IS_TOO_LARGE, DUPLICATE_KEY = "2200H", "22003", "23505"


@dataclasses.dataclass(frozen=True)
class Probe:
    """What inserting a default gave: whether the value was there before, or an error's SQLSTATE."""

    collides: bool
    error: str | None


@dataclasses.dataclass(frozen=True)
class Run:
    """Results of the modules, and what the server says.

    Attributes:
        states: of all sequences, at first, after the check run, after the fix, and at last.
        nextval: what the server returns, before and after the fix; None where it fails.
        inserts: what inserting defaults gave before and after the fix, several times for each column.
    """

    info: Entry
    predicted: Entry
    fixed: Entry
    predicted_again: Entry
    fixed_again: Entry
    states: tuple[dict[Name, tuple[Any, ...]], ...]
    nextval: tuple[dict[Name, int | None], ...]
    inserts: tuple[dict[Name, list[Probe]], ...]


def options(dsn: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    place = {"login_unix_socket": dsn["host"], "login_port": dsn["port"], "login_db": dsn["dbname"]}
    return {**place, "show_all": True, "lock_timeout": 0.1, **more}


def info(dsn: Mapping[str, Any], **more: Any) -> Entry:
    return run_module("pg_sequence_info", options(dsn, **more))


def fix(dsn: Mapping[str, Any], check: bool = False, **more: Any) -> Entry:
    return run_module("pg_sequence_fix", options(dsn, fail_on_unfixed=False, **more), check=check, diff=True)


@contextlib.contextmanager
def session(dsn: Mapping[str, Any]) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(**dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@contextlib.contextmanager
def copy_of(server: Server, database: str) -> Iterator[Dsn]:
    copy = f"copy_{secrets.token_hex(6)}"
    sql(server.dsn(), f"CREATE DATABASE {copy} TEMPLATE {database}")
    try:
        yield server.dsn(copy)
    finally:
        sql(server.dsn(), f"DROP DATABASE {copy}")


def states(dsn: Mapping[str, Any]) -> dict[Name, tuple[Any, ...]]:
    """Last value, whether called, and file of every permanent sequence."""
    with session(dsn) as cursor:
        cursor.execute(
            "SELECT n.nspname, c.relname, format('%I.%I', n.nspname, c.relname), pg_relation_filenode(c.oid)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'S' AND c.relpersistence <> 't'"
        )
        found = cursor.fetchall()
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT {place}, last_value, is_called FROM {name}" for place, (_s, _n, name, _f) in enumerate(found)
            )
        )
        return {found[place][:2]: (value, called, found[place][3]) for place, value, called in cursor.fetchall()}


def next_values(dsn: Mapping[str, Any], listed: Iterable[Entry]) -> dict[Name, int | None]:
    """What ``nextval()`` returns of sequences, which are then put back to where they were."""
    before = states(dsn)
    found: dict[Name, int | None] = {}
    with session(dsn) as cursor:
        for entry in listed:
            name = (entry["schema"], entry["name"])
            regclass = "format('%%I.%%I', %s::text, %s::text)::regclass"
            try:
                cursor.execute(f"SELECT nextval({regclass})", name)
                found[name] = cursor.fetchall()[0][0]
            except psycopg2.Error as error:
                assert error.pgcode == SEQUENCE_IS_FULL, error
                found[name] = None
            cursor.execute(f"SELECT setval({regclass}, %s, %s)", (*name, *before[name][:2]))
    return found


def insert_defaults(dsn: Mapping[str, Any], listed: Iterable[Entry]) -> dict[Name, list[Probe]]:
    """Insert a default into each readable column of sequences that were judged, in turn, three times."""
    found: dict[Name, list[Probe]] = {}
    with session(dsn) as cursor:
        cursor.execute("SET extra_float_digits = 3")
        for entry in listed:
            if entry["status"] in ("unknown", "skipped"):
                continue
            shape = shape_of(entry)
            cursor.execute(f"SET search_path = {quoted(shape.name)}")
            there: set[Decimal] = set()
            inserts = []
            for label, column in zip(labels(entry), entry["columns"]):
                if column["error"] or label not in fed_by(shape, entry):
                    continue
                table, name = f"{quoted(column['schema'])}.{quoted(column['table'])}", quoted(column["column"])
                cursor.execute(f"SELECT DISTINCT {name}::text FROM {table} WHERE {name} IS NOT NULL")
                there |= {Decimal(value) for (value,) in cursor.fetchall()}
                default = f"INSERT INTO {table} DEFAULT VALUES RETURNING {name}::text"
                inserts.append(shape.inserts.get(label, default))
            probes = found.setdefault((entry["schema"], entry["name"]), [])
            for statement in inserts * 3:
                try:
                    cursor.execute(statement)
                except psycopg2.Error as error:
                    probes.append(Probe(error.pgcode == DUPLICATE_KEY, error.pgcode))
                else:
                    value = Decimal(cursor.fetchall()[0][0])
                    probes.append(Probe(value in there, None))
                    there.add(value)
    return found


def belongs(schema: str, shape: Shape) -> bool:
    return schema == shape.name or schema.startswith(f"{shape.name}__")


def shape_of(entry: Entry) -> Shape:
    (shape,) = (shape for shape in SHAPES if belongs(entry["schema"], shape))
    return shape


def name_in(shape: Shape, entry: Entry) -> str:
    """The name that a shape has for a sequence."""
    suffix = entry["schema"][len(shape.name) + 2 :]
    return f"{suffix}/{entry['name']}" if suffix else str(entry["name"])


def of_shape(entries: Iterable[Entry], shape: Shape) -> dict[str, Entry]:
    return {name_in(shape, entry): entry for entry in entries if belongs(entry["schema"], shape)}


def labels(entry: Entry) -> list[str]:
    return [
        ("" if column["schema"] == entry["schema"] else f"{column['schema']}.")
        + f"{column['table']}.{column['column']}"
        for column in entry["columns"]
    ]


def fed_by(shape: Shape, entry: Entry) -> dict[str, set[str]]:
    """The columns that a shape says a sequence feeds, and how."""
    texts = shape.sequences[name_in(shape, entry)].columns
    return {label: set(via.split(",")) for label, _space, via in (text.rpartition(" ") for text in texts)}


@pytest.fixture(scope="module")
def run(server: Server) -> Iterator[Run]:
    """A database of all shapes, through which the modules have gone."""
    name = f"shapes_{secrets.token_hex(6)}"
    sql(server.dsn(), f"CREATE DATABASE {name}")
    dsn = server.dsn(name)
    shapes = [shape for shape in SHAPES if server.version >= shape.since]
    with session(dsn) as cursor:
        for shape in shapes:
            cursor.execute(f"CREATE SCHEMA {quoted(shape.name)}; SET search_path = {quoted(shape.name)}")
            cursor.execute(shape.sql)
    more: dict[str, Any] = {
        "max_scan_rows": 20000,
        "columns": [dict(entry) for shape in shapes for entry in shape.mapped],
    }
    found = [states(dsn)]
    try:
        with copy_of(server, name) as copy:
            with contextlib.ExitStack() as others:
                for shape in shapes:
                    if shape.meanwhile:
                        others.enter_context(session(dsn)).execute(shape.meanwhile)
                audited = info(dsn, **more)
                predicted = fix(dsn, check=True, **more)
                found.append(states(dsn))
                fixed = fix(dsn, **more)
                found.append(states(dsn))
                predicted_again = fix(dsn, check=True, **more)
                fixed_again = fix(dsn, **more)
                found.append(states(dsn))
            nextval = [next_values(copy, audited["sequences"]), next_values(dsn, fixed["sequences"])]
            inserts = [insert_defaults(copy, audited["sequences"]), insert_defaults(dsn, fixed["sequences"])]
        yield Run(audited, predicted, fixed, predicted_again, fixed_again, tuple(found), tuple(nextval), tuple(inserts))
    finally:
        sql(server.dsn(), f"DROP DATABASE {name}")


@pytest.fixture
def shape(request: pytest.FixtureRequest, server: Server) -> Shape:
    wanted: Shape = request.param
    if server.version < wanted.since:
        pytest.skip(f"needs PostgreSQL {wanted.since}")
    return wanted


each_shape = pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES], indirect=True)


@each_shape
def test_verdict(shape: Shape, run: Run) -> None:
    found = of_shape(run.info["sequences"], shape)
    assert sorted(found) == sorted(shape.sequences)
    for name, expected in shape.sequences.items():
        entry = found[name]
        assert (entry["status"], tuple(entry["reasons"])) == (expected.status, expected.reasons), entry["message"]
        assert (entry["next_value"], entry["furthest_value"]) == (expected.next, expected.furthest)
        vias = [set(column["via"].split(",")) for column in entry["columns"]]
        assert dict(zip(labels(entry), vias)) == fed_by(shape, entry)
        unindexed = {label for label, column in zip(labels(entry), entry["columns"]) if not column["indexed"]}
        assert unindexed == {label for label in labels(entry) if label in shape.unindexed}
        assert (entry["fix"] or {"next_value": None})["next_value"] == expected.after
        assert entry["gap"] == gap_of(entry)
        assert 0 <= entry["percent_used"] <= 100


def gap_of(entry: Entry) -> int | None:
    if entry["furthest_value"] is None or entry["status"] == "skipped":
        return None
    ahead = entry["next_value"] - entry["furthest_value"]
    return int((abs(ahead) - 1) // abs(entry["increment"])) if ahead * entry["increment"] > 0 else None


@each_shape
def test_next_value_is_the_server_s(shape: Shape, run: Run) -> None:
    for result, nextval in zip((run.info, run.fixed), run.nextval):
        for entry in of_shape(result["sequences"], shape).values():
            value = nextval[entry["schema"], entry["name"]]
            if value is None:
                assert not entry["min_value"] <= entry["next_value"] <= entry["max_value"]
            else:
                assert entry["next_value"] == value


@each_shape
def test_inserts_bear_the_verdict_out(shape: Shape, run: Run) -> None:
    for result, inserts in zip((run.info, run.fixed), run.inserts):
        for entry in of_shape(result["sequences"], shape).values():
            probes = inserts.get((entry["schema"], entry["name"]), [])
            if entry["status"] in ("healthy", "warning"):
                assert probes[0].error is None
                # The first insert may have used the last value that is left.
                assert {probe.error for probe in probes} <= {None, SEQUENCE_IS_FULL, NUMBER_IS_TOO_LARGE}
                assert not any(probe.collides for probe in probes)
            elif "exhausted" in entry["reasons"]:
                # A floating-point column takes more, but no longer tells it from the last value.
                assert probes and (probes[0].collides or probes[0].error in (SEQUENCE_IS_FULL, NUMBER_IS_TOO_LARGE))


@each_shape
def test_repair(shape: Shape, run: Run) -> None:
    changes, after = of_shape(run.fixed["changes"], shape), of_shape(run.fixed["sequences"], shape)
    not_fixed = of_shape(run.fixed["not_fixed"], shape)
    assert set(changes) == {name for name, expected in shape.sequences.items() if expected.after is not None}
    assert set(not_fixed) == {name for name, expected in shape.sequences.items() if expected.unfixed}
    for name, expected in shape.sequences.items():
        assert (after[name]["status"], tuple(after[name]["reasons"])) == (expected.then, expected.then_reasons)
        if expected.unfixed:
            assert tuple(not_fixed[name]["reasons"]) == expected.then_reasons
            assert not_fixed[name]["message"] and not_fixed[name]["remedy"]
    for name, change in changes.items():
        expected = shape.sequences[name]
        assert (change["method"], tuple(change["reasons"])) == ("locked", expected.reasons)
        assert change["before"]["next_value"] == expected.next
        assert change["after"]["next_value"] == after[name]["next_value"] == expected.after
        for which, state in ((1, change["before"]), (2, change["after"])):
            last_value, is_called, _file = run.states[which][change["schema"], change["name"]]
            assert (last_value, is_called) == (state["last_value"], state["is_called"])


@each_shape
def test_nothing_else_is_touched(shape: Shape, run: Run) -> None:
    changed = {(change["schema"], change["name"]) for change in run.fixed["changes"]}
    at_first, after_check, after_fix, at_last = (
        {name: state for name, state in found.items() if belongs(name[0], shape)} for found in run.states
    )
    assert after_check == at_first
    assert {name for name in at_first if after_fix[name] != at_first[name]} <= changed
    assert at_last == after_fix


@each_shape
def test_check_mode_foretells_the_run(shape: Shape, run: Run) -> None:
    for key in ("changes", "not_fixed", "sequences"):
        assert of_shape(run.predicted[key], shape) == of_shape(run.fixed[key], shape)


@each_shape
def test_second_run_changes_nothing(shape: Shape, run: Run) -> None:
    for again in (run.predicted_again, run.fixed_again):
        assert not of_shape(again["changes"], shape)
        for key in ("not_fixed", "sequences"):
            assert of_shape(again[key], shape) == of_shape(run.fixed[key], shape)


def test_results_as_a_whole(run: Run, server: Server) -> None:
    names = {
        (schema, name)
        for shape in SHAPES
        if server.version >= shape.since
        for name in shape.sequences
        for schema, name in [in_schema(shape, name)]
    }
    for result in (run.info, run.predicted, run.fixed, run.predicted_again, run.fixed_again):
        assert not result["failed"]
        assert {(entry["schema"], entry["name"]) for entry in result["sequences"]} == names
        assert result["summary"] == {"databases": 1, **result["databases"][0]["summary"]}
        counts = dict(result["databases"][0]["summary"])
        assert counts.pop("total") == sum(counts.values()) == len(names)
    for key in ("changed", "summary", "databases", "diff"):
        assert run.predicted[key] == run.fixed[key]
    assert [run.info["changed"], run.fixed["changed"], run.fixed_again["changed"]] == [False, True, False]
    assert run.info["summary"] != run.fixed["summary"] == run.fixed_again["summary"]


def in_schema(shape: Shape, name: str) -> Name:
    suffix, slash, rest = name.partition("/")
    return (f"{shape.name}__{suffix}", rest) if slash else (shape.name, name)


_BEHIND = """
CREATE SEQUENCE {0} {1};
CREATE TABLE t_{0} (id bigint PRIMARY KEY DEFAULT nextval('{0}'));
INSERT INTO t_{0} SELECT unnest('{{{2}}}'::bigint[]);
"""


def behind(name: str, definition: str, *values: int) -> str:
    return _BEHIND.format(name, definition, ",".join(map(str, values)))


def outcome(result: Entry) -> dict[str, int]:
    return {change["name"]: change["after"]["next_value"] for change in result["changes"]}


def left(result: Entry) -> dict[str, list[str]]:
    return {entry["name"]: entry["reasons"] for entry in result["not_fixed"]}


def foretold(dsn: Dsn, **more: Any) -> Entry:
    """A real run, that a check run has told beforehand and a second run does not change."""
    at_first = states(dsn)
    predicted = fix(dsn, check=True, **more)
    assert states(dsn) == at_first
    done = fix(dsn, **more)
    assert {**predicted, "invocation": None} == {**done, "invocation": None}
    for change in done["changes"]:
        last_value, is_called, _file = states(dsn)[change["schema"], change["name"]]
        assert (last_value, is_called) == (change["after"]["last_value"], change["after"]["is_called"])
    assert not fix(dsn, **more)["changed"]
    return done


def test_52_values_cached_by_a_session_are_not_handed_out_again(database: Dsn) -> None:
    sql(database, behind("s", "CACHE 20"))
    with session(database) as cursor:
        cursor.execute("INSERT INTO t_s DEFAULT VALUES; INSERT INTO t_s VALUES (30), (31)")
        assert outcome(foretold(database)) == {"s": 32}
        cursor.execute("INSERT INTO t_s DEFAULT VALUES RETURNING id")
        assert cursor.fetchall() == [(32,)]


def test_51_ids_not_yet_committed_count_with_lock_tables(database: Dsn) -> None:
    sql(database, behind("s", "", 3))
    with session(database) as cursor:
        cursor.execute("BEGIN; INSERT INTO t_s VALUES (500)")
        result = fix(database, lock_tables=True, retries=0)
        assert (outcome(result), left(result)) == ({}, {"s": ["behind", "locked"]})
        cursor.execute("COMMIT")
    assert outcome(foretold(database, lock_tables=True)) == {"s": 501}


def test_57_58_sequences_of_extensions_and_system_schemas_are_judged_where_named(database: Dsn) -> None:
    sql(database, behind("s", "", 3) + "CREATE SEQUENCE information_schema.of_system;")
    sql(database, "CREATE SEQUENCE of_extension; CREATE TABLE e (id int DEFAULT nextval('of_extension'))")
    sql(database, "INSERT INTO e VALUES (7); ALTER EXTENSION plpgsql ADD SEQUENCE of_extension")
    assert [entry["name"] for entry in info(database)["sequences"]] == ["s"]
    for sequences in (["of_extension", "of_system"], ["public.of_extension", "information_schema.of_system"]):
        found = {
            entry["name"]: (entry["status"], entry["reasons"])
            for entry in info(database, sequences=sequences)["sequences"]
        }
        assert found == {"of_extension": ("critical", ["behind"]), "of_system": ("skipped", ["no_column"])}
    assert info(database, sequences=["of_*", "s"])["summary"]["total"] == 1


def test_59_every_database_but_templates_and_closed_ones(server: Server, database: Dsn) -> None:
    closed = f"closed_{secrets.token_hex(6)}"
    sql(server.dsn(), f"CREATE DATABASE {closed} ALLOW_CONNECTIONS false")
    try:
        found = {entry["name"]: entry["error"] for entry in info(database, databases=["*"])["databases"]}
    finally:
        sql(server.dsn(), f"DROP DATABASE {closed}")
    assert found.keys() >= {"postgres", database["dbname"]}
    assert not found.keys() & {"template0", "template1", closed}


def test_65_margin_keeps_direction_and_phase_and_is_refused_beyond_the_limit(database: Dsn) -> None:
    sql(
        database,
        behind("plain", "", 7)
        + behind("by_ten", "INCREMENT 10 START 5", 47)
        + behind("down", "INCREMENT -3", -7)
        + behind("small", "MAXVALUE 100", 80)
        + behind("healthy", "START 9", 8),
    )
    result = foretold(database, margin=20)
    assert outcome(result) == {"plain": 28, "by_ten": 75, "down": -28}
    assert left(result) == {"small": ["behind", "near_limit", "no_room"]}
    assert outcome(foretold(database, margin=19)) == {"small": 100}


def test_66_max_jump_refuses_one_move_and_makes_the_others(database: Dsn) -> None:
    sql(database, behind("near", "", 100) + behind("stray", "", 101) + behind("down", "INCREMENT -1", -101))
    result = foretold(database, max_jump=100)
    assert outcome(result) == {"near": 101}
    assert left(result) == {"down": ["behind", "max_jump"], "stray": ["behind", "max_jump"]}
    assert outcome(foretold(database, max_jump=101)) == {"down": -102, "stray": 102}


def test_realign_pulls_back_what_runs_ahead(database: Dsn) -> None:
    sql(
        database,
        behind("ahead", "", 7)
        + behind("ahead_by_ten", "INCREMENT 10 START 5", 47)
        + behind("down", "INCREMENT -3", -7)
        + behind("empty", "START 5")
        + behind("empty_from_its_minvalue", "")
        + behind("exhausted", "MAXVALUE 100", 50)
        + behind("late", "", 9)
        + behind("beyond", "MAXVALUE 100", 50, 200)
        + behind("correct", "START 9", 8)
        + behind("cycling", "CYCLE", 3)
        + "SELECT setval('ahead', 5000), setval('ahead_by_ten', 90005), setval('down', -3001), setval('empty', 500),"
        " setval('empty_from_its_minvalue', 500),"
        " setval('exhausted', 100), setval('beyond', 90), setval('cycling', 70)",
    )
    result = foretold(database, mode="realign", confirm=True)
    assert outcome(result) == {
        "ahead": 8,
        "ahead_by_ten": 55,
        "beyond": 51,
        "down": -10,
        "empty": 5,
        "empty_from_its_minvalue": 1,
        "exhausted": 51,
        "late": 10,
    }
    assert left(result) == {}
    assert result["summary"]["critical"] == 0


def test_realign_leaves_alone_what_cannot_be_read_to_the_end(database: Dsn) -> None:
    sql(database, behind("s", "", 8) + "SELECT setval('s', 5000); CREATE TABLE u (id text DEFAULT 'x' || nextval('s'))")
    assert outcome(foretold(database, mode="realign", confirm=True)) == {}


def test_advance_never_goes_back(database: Dsn) -> None:
    sql(database, behind("ahead", "", 7) + behind("exhausted", "MAXVALUE 100", 50))
    sql(database, "SELECT setval('ahead', 5000), setval('exhausted', 100)")
    result = foretold(database)
    assert (outcome(result), left(result)) == ({}, {"exhausted": ["exhausted"]})


@pytest.mark.parametrize(
    "statements",
    [
        "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t VALUES (2147483647)",
        "CREATE TABLE t (id smallint PRIMARY KEY GENERATED ALWAYS AS IDENTITY);"
        "INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (32767)",
        "CREATE SEQUENCE s MAXVALUE 50; CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('s'));"
        "INSERT INTO t VALUES (50); SELECT setval('s', 50)",
        "CREATE SEQUENCE s AS smallint INCREMENT -1; CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('s'));"
        "INSERT INTO t VALUES (-32768)",
        "CREATE SEQUENCE s; CREATE TABLE t (id smallint PRIMARY KEY DEFAULT nextval('s'));"
        "CREATE TABLE u (id int PRIMARY KEY DEFAULT nextval('s')); INSERT INTO t VALUES (32767)",
        "CREATE SEQUENCE s; CREATE TABLE t (id numeric(3) PRIMARY KEY DEFAULT nextval('s')); INSERT INTO t VALUES (999)",
        "CREATE SEQUENCE s MAXVALUE 10; CREATE DOMAIN d AS int; CREATE TABLE t (id d PRIMARY KEY DEFAULT nextval('s'));"
        "INSERT INTO t VALUES (10)",
    ],
    ids=["serial", "identity", "maxvalue", "smallint downward", "two columns", "numeric", "domain"],
)
def test_remedy_for_no_room_makes_room(database: Dsn, statements: str) -> None:
    sql(database, statements)
    # However far the row is: a stretch before it would otherwise be worth a warning alone.
    (unfixed,) = fix(database, gap_threshold=10**12)["not_fixed"]
    assert "no_room" in unfixed["reasons"]
    sql(database, unfixed["remedy"])
    result = fix(database)
    assert result["not_fixed"] == []
    sql(database, "INSERT INTO t DEFAULT VALUES")
