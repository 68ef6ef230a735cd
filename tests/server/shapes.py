# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes of sequences and tables, each in a schema of its own, with what the contract says of them.

The number in a shape's name is its place in the list of 68 shapes that the modules have to get right. Not here:

- 51, 52, 58, 59, 65, 66: need a second session, a second database or other options: test_shapes.py has tests of them.
- 34 in part, 36: names of databases and roles, hostile functions: test_security.py.
- 43 to 47: privileges and row-level security: test_privileges.py.
- 49, 54, 55, 63: held sequences, standbys, DDL between discovery and repair: test_faults.py.
- 50: a race, which only tests under load can show.
- 53: needs a transaction-pooling proxy.
- 60, 61: replication: the contract knows no status of it, and the modules do nothing about it.
- 62: size, which the benchmark measures.
- 64, 67: check mode and the server's version are no shapes: every shape goes through them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

MIN64, MAX64 = -(2**63), 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Expected:
    """What is to be said of one sequence, and what is to become of it.

    Attributes:
        columns: what it feeds, each as ``table.column via,via``, with the schema before it where that is another.
        after: the next value after the fix; None where nothing is moved.
        then: the status after the fix.
        then_reasons: the reasons after the fix.
        unfixed: whether it is listed in ``not_fixed``.
    """

    status: str
    reasons: tuple[str, ...]
    next: int | None
    furthest: int | None
    columns: tuple[str, ...]
    after: int | None
    then: str
    then_reasons: tuple[str, ...]
    unfixed: bool


@dataclasses.dataclass(frozen=True)
class Shape:
    """A schema and what is expected of the sequences in it.

    Attributes:
        name: also the name of the schema; further schemas of the shape begin with it and two underscores.
        sql: makes it, with the schema as search_path.
        sequences: by name; one of a further schema by ``suffix/name``.
        inserts: statements that insert a default, by ``table.column``, where DEFAULT VALUES does not do.
        meanwhile: what another session does before and holds during the runs.
        mapped: entries of the option ``columns``.
        unindexed: columns no index serves; all others have one.
        since: the oldest major version that can make it.
    """

    name: str
    sql: str
    sequences: Mapping[str, Expected]
    inserts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    meanwhile: str = ""
    mapped: Sequence[Mapping[str, str]] = ()
    unindexed: tuple[str, ...] = ()
    since: int = 10


def _expected(
    status: str,
    reasons: str,
    next: int,
    furthest: int | None,
    columns: Sequence[str] | str,
    after: int | None = None,
    then: str = "healthy",
    unfixed: bool = False,
) -> Expected:
    if after is None:
        then = f"{status} {reasons}"
    then_status, *then_reasons = then.split()
    fed = (columns,) if isinstance(columns, str) else tuple(columns)
    unfixed = unfixed or then_status == "critical"
    return Expected(
        status, tuple(reasons.split()), next, furthest, fed, after, then_status, tuple(then_reasons), unfixed
    )


def healthy(next: int, furthest: int | None, columns: Sequence[str] | str = "t.id default") -> Expected:
    return _expected("healthy", "", next, furthest, columns)


def warning(reasons: str, next: int, furthest: int | None, columns: Sequence[str] | str = "t.id default") -> Expected:
    return _expected("warning", reasons, next, furthest, columns)


def critical(
    reasons: str,
    next: int,
    furthest: int | None,
    columns: Sequence[str] | str = "t.id default",
    after: int | None = None,
    then: str = "healthy",
) -> Expected:
    return _expected("critical", reasons, next, furthest, columns, after, then)


def unknown(
    reasons: str,
    next: int,
    furthest: int | None = None,
    columns: Sequence[str] | str = "t.id default",
    unfixed: bool = False,
) -> Expected:
    return _expected("unknown", reasons, next, furthest, columns, unfixed=unfixed)


def skipped(reason: str, next: int, columns: Sequence[str] | str = ()) -> Expected:
    return _expected("skipped", reason, next, None, columns)


SERIAL = "t.id default,owned"
TABLE = "CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s'));\n"


def rows(*values: object, table: str = "t") -> str:
    return f"INSERT INTO {table} VALUES " + ", ".join(f"({value})" for value in values) + ";\n"


def at(value: int, called: bool = True, sequence: str = "s") -> str:
    return f"SELECT setval('{sequence}', {value}, {str(called).lower()});\n"


def plain(definition: str, *values: object, state: str = "") -> str:
    """A sequence, a table it feeds by default, rows and the sequence's state."""
    return f"CREATE SEQUENCE s {definition};\n" + TABLE + (rows(*values) if values else "") + state


def typed(column_type: str, *values: object, definition: str = "", state: str = "") -> str:
    """As plain, with a column of another type."""
    table = f"CREATE TABLE t (id {column_type} DEFAULT nextval('s'));\nCREATE INDEX ON t (id);\n"
    return f"CREATE SEQUENCE s {definition};\n" + table + (rows(*values) if values else "") + state


def _of_state() -> list[Shape]:
    return [
        Shape("n01_empty_uncalled", plain("START 5"), {"s": healthy(5, None)}),
        Shape("n02_empty_called", plain("", state=at(500)), {"s": healthy(501, None)}),
        Shape("n02_emptied", plain("", 1, 2, state=at(1) + "DELETE FROM t;"), {"s": healthy(2, None)}),
        Shape("n03_ahead", plain("", 1, 2, 3, state=at(100)), {"s": healthy(101, 3)}),
        Shape("n03_gap_at_threshold", plain("", 3, state=at(1003)), {"s": healthy(1004, 3)}),
        Shape("n03_gap", plain("", 3, state=at(1004)), {"s": warning("gap", 1005, 3)}),
        Shape(
            "n03_gap_in_steps_at_threshold",
            plain("INCREMENT 10", 1, state=at(10001)),
            {"s": healthy(10011, 1)},
        ),
        Shape("n03_gap_in_steps", plain("INCREMENT 10", 1, state=at(10011)), {"s": warning("gap", 10021, 1)}),
        Shape(
            "n03_gap_descending",
            plain("INCREMENT -1", -3, state=at(-2000)),
            {"s": warning("gap", -2001, -3)},
        ),
        Shape("n04_first_id_uncalled", plain("", 1), {"s": critical("behind", 1, 1, after=2)}),
        Shape("n04_set_not_called", plain("", 1, 42, state=at(42, False)), {"s": critical("behind", 42, 42, after=43)}),
        Shape("n04_set_not_called_right", plain("", 41, state=at(42, False)), {"s": healthy(42, 41)}),
        Shape(
            "n05_restart_ahead",
            plain("", 1, 10, state="ALTER SEQUENCE s RESTART WITH 50;"),
            {"s": healthy(50, 10)},
        ),
        Shape(
            "n05_restart_behind",
            plain("", 1, 10, state=at(10) + "ALTER SEQUENCE s RESTART WITH 5;"),
            {"s": critical("behind", 5, 10, after=11)},
        ),
        Shape(
            "n05_restart_changes_phase",
            plain("INCREMENT 10 START 5", 5, 45, state="ALTER SEQUENCE s RESTART WITH 7;"),
            {"s": critical("behind", 7, 45, after=47)},
        ),
        Shape("n06_descending", plain("INCREMENT -1", -1, -9), {"s": critical("behind", -1, -9, after=-10)}),
        Shape("n06_descending_right", plain("INCREMENT -1", -1, -9, state=at(-9)), {"s": healthy(-10, -9)}),
        Shape(
            "n06_descending_through_zero",
            plain("INCREMENT -3 MINVALUE -50 MAXVALUE 50 START 50", 50, 2, -4),
            {"s": critical("behind", 50, -4, after=-7)},
        ),
        Shape(
            "n07_increment_ten",
            plain("INCREMENT 10 START 5", 5, 15, 47, state=at(15)),
            {"s": critical("behind", 25, 47, after=55)},
        ),
        Shape("n07_on_the_value", plain("INCREMENT 10 START 5", 55), {"s": critical("behind", 5, 55, after=65)}),
        Shape(
            "n08_odd_node",
            plain("INCREMENT 2 START 1", 1, 3, 5, 8, state=at(3)),
            {"s": critical("behind", 5, 8, after=9)},
        ),
        Shape("n08_even_node", plain("INCREMENT 2 START 2", 1, 2, 9, state=at(8)), {"s": healthy(10, 9)}),
        Shape(
            "n09_exhausted_by_jump",
            plain("INCREMENT 4 MAXVALUE 10", 1, 5, 9, state=at(9)),
            {"s": critical("exhausted no_room", 13, 9)},
        ),
        Shape(
            "n09_target_jumps_over_maxvalue",
            plain("INCREMENT 4 MAXVALUE 10", 1, 9),
            {"s": critical("behind no_room near_limit", 1, 9)},
        ),
        Shape(
            "n09_target_jumps_over_minvalue",
            plain("INCREMENT -4 MINVALUE -10 MAXVALUE -1", -1, -9),
            {"s": critical("behind no_room near_limit", -1, -9)},
        ),
        Shape(
            "n68_crash_left_32_ahead",
            plain("", 1, state=at(33)),
            {"s": healthy(34, 1)},
        ),
        Shape("cache", plain("CACHE 20", 1, 40), {"s": critical("behind", 1, 40, after=41)}),
        Shape(
            "unlogged",
            plain("", 1, 7) + "ALTER TABLE t SET UNLOGGED;",
            {"s": critical("behind", 1, 7, after=8)},
        ),
        Shape(
            "unlogged_sequence",
            "CREATE UNLOGGED SEQUENCE s;" + TABLE + rows(3),
            {"s": critical("behind", 1, 3, after=4)},
            since=15,
        ),
    ]


def _of_bounds() -> list[Shape]:
    int_max = 2**31 - 1
    return [
        Shape(
            "n10_ids_below_minvalue",
            plain("MINVALUE 1000", 1, 5),
            {"s": healthy(1000, None)},
        ),
        Shape(
            "n10_ids_on_both_sides",
            plain("MINVALUE 1000", 5, 1500),
            {"s": critical("behind", 1000, 1500, after=1501)},
        ),
        Shape(
            "n10_minvalue_itself",
            plain("MINVALUE 1000", 1000),
            {"s": critical("behind", 1000, 1000, after=1001)},
        ),
        Shape(
            "n11_ids_beyond_maxvalue",
            plain("MAXVALUE 100", 50, 9999, state=at(10)),
            {"s": critical("behind out_of_bounds", 11, 50, after=51, then="warning out_of_bounds")},
        ),
        Shape(
            "n11_ids_beyond_minvalue",
            plain("INCREMENT -1 MINVALUE -100", -50, -9999, 12, state=at(-10)),
            {"s": critical("behind out_of_bounds", -11, -50, after=-51, then="warning out_of_bounds")},
        ),
        Shape(
            "n11_integer_sequence_bigint_column",
            plain("AS integer", 1, 3_000_000_000, state=at(1)),
            {"s": warning("out_of_bounds", 2, 1)},
        ),
        Shape(
            "n11_only_beyond",
            plain("AS integer", 3_000_000_000),
            {"s": warning("out_of_bounds", 1, None)},
        ),
        Shape(
            "n12_near_the_column_s_limit",
            typed("integer", 2_000_000_000, state=at(2_000_000_000)),
            {"s": warning("near_limit", 2_000_000_001, 2_000_000_000)},
        ),
        Shape(
            "n12_column_is_full",
            typed("integer", int_max, state=at(int_max)),
            {"s": critical("exhausted no_room", int_max + 1, int_max)},
        ),
        Shape(
            "n12_sequence_beyond_the_column",
            typed("integer", 1, 3, state=at(3_000_000_000)),
            {"s": critical("exhausted gap", 3_000_000_001, 3)},
        ),
        Shape(
            "n12_sequence_before_the_column",
            typed("integer", 3, definition="MINVALUE -3000000000 START -3000000000"),
            {"s": critical("behind exhausted", -3_000_000_000, 3, after=4)},
        ),
        Shape(
            "n12_empty_but_before_the_column",
            typed("integer", definition="MINVALUE -3000000000 START -3000000000"),
            {"s": critical("exhausted", -3_000_000_000, None, after=-(2**31))},
        ),
        Shape(
            "n13_smallint",
            "CREATE TABLE t (id smallserial PRIMARY KEY);" + rows(30000),
            {"t_id_seq": critical("behind near_limit", 1, 30000, SERIAL, after=30001, then="warning near_limit")},
        ),
        Shape(
            "n13_smallint_column_bigint_sequence",
            typed("smallint", 32766, state=at(7)),
            {"s": critical("behind near_limit", 8, 32766, after=32767, then="warning near_limit")},
        ),
        Shape(
            "n14_full_and_behind",
            plain("MAXVALUE 50", 50, state=at(5)),
            {"s": critical("behind no_room near_limit", 6, 50)},
        ),
        Shape(
            "n14_full",
            plain("MAXVALUE 50", 50, state=at(50)),
            {"s": critical("exhausted no_room", 51, 50)},
        ),
        Shape(
            "n14_one_left",
            plain("MAXVALUE 50", 49, state=at(5)),
            {"s": critical("behind near_limit", 6, 49, after=50, then="warning near_limit")},
        ),
        Shape(
            "n14_last_one_next",
            plain("MAXVALUE 50", 49, state=at(50, False)),
            {"s": warning("near_limit", 50, 49)},
        ),
        Shape(
            "n14_exhausted_over_few_rows",
            plain("MAXVALUE 50", 7, state=at(50)),
            {"s": critical("exhausted", 51, 7)},
        ),
        Shape(
            "n15_cycle",
            plain("CYCLE MAXVALUE 100", 1, 60, state=at(10)),
            {"s": skipped("cycle", 11, "t.id default")},
        ),
        Shape(
            "n16_whole_int64_upward",
            plain(f"MINVALUE {MIN64} MAXVALUE {MAX64} START {MIN64}", MAX64 - 1),
            {"s": critical("behind near_limit", MIN64, MAX64 - 1, after=MAX64, then="warning near_limit")},
        ),
        Shape(
            "n16_whole_int64_downward",
            plain(f"INCREMENT -1 MINVALUE {MIN64} MAXVALUE {MAX64} START {MAX64}", MIN64 + 1),
            {"s": critical("behind near_limit", MAX64, MIN64 + 1, after=MIN64, then="warning near_limit")},
        ),
        Shape(
            "n16_whole_int64_full",
            plain(f"MINVALUE {MIN64} MAXVALUE {MAX64} START {MIN64}", MAX64),
            {"s": warning("wrapped", MIN64, MAX64)},
        ),
        Shape(
            "n16_wrapped_over_two_columns",
            plain(f"MINVALUE {MIN64} MAXVALUE {MAX64} START {MIN64}", MAX64)
            + "CREATE TABLE u (id bigint PRIMARY KEY DEFAULT nextval('s'));"
            + rows(2, table="u"),
            {"s": warning("wrapped", MIN64, MAX64, ["t.id default", "u.id default"])},
        ),
        Shape(
            "n16_downward_over_nothing_but_nan",
            typed("numeric", "'NaN'", definition="INCREMENT -1 MINVALUE -100 MAXVALUE -1"),
            {"s": healthy(-1, None)},
        ),
        Shape(
            "n16_whole_int64_first_value",
            plain(f"MINVALUE {MIN64} MAXVALUE {MAX64} START {MIN64}", MIN64),
            {"s": critical("behind", MIN64, MIN64, after=MIN64 + 1)},
        ),
        Shape(
            "n16_whole_int64_both_ends",
            plain(f"INCREMENT 7 MINVALUE {MIN64} MAXVALUE {MAX64} START {MIN64}", MIN64, 0),
            {"s": critical("behind", MIN64, 0, after=next_in_phase(MIN64, 0, 7))},
        ),
        Shape(
            "n16_last_value_of_bigint",
            plain("", MAX64, state=at(MAX64)),
            {"s": critical("exhausted no_room", MAX64 + 1, MAX64)},
        ),
        Shape(
            "n16_huge_increment",
            plain(f"INCREMENT {MAX64} MINVALUE {MIN64} START {MIN64}", MIN64),
            {"s": critical("behind", MIN64, MIN64, after=-1)},
        ),
        Shape(
            "n16_start_far_from_minvalue",
            plain(f"MINVALUE {MIN64} START 0", 0, 100),
            {"s": critical("behind", 0, 100, after=101)},
        ),
        Shape(
            "reach_is_empty",
            typed("smallint", 5, 6, definition="INCREMENT -1 MINVALUE 40000 MAXVALUE 50000"),
            {"s": critical("exhausted no_room out_of_bounds", 50000, None)},
        ),
        Shape(
            "reach_is_empty_upward",
            typed("smallint", 5, 6, definition="MINVALUE -50000 MAXVALUE -40000"),
            {"s": critical("exhausted no_room out_of_bounds", -50000, None)},
        ),
    ]


def next_in_phase(first: int, beyond: int, step: int) -> int:
    """The first value beyond another that counting from the first by steps meets."""
    return first + ((beyond - first) // step + 1) * step


def _of_feeding() -> list[Shape]:
    return [
        Shape(
            "n17_identity_always",
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);"
            "INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1), (8);",
            {"t_id_seq": critical("behind", 1, 8, "t.id identity", after=9)},
        ),
        Shape(
            "n17_identity_by_default",
            "CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY (START 100 INCREMENT 5) PRIMARY KEY);"
            + rows(1, 107),
            {"t_id_seq": critical("behind", 100, 107, "t.id identity", after=110)},
        ),
        Shape(
            "n18_default_unowned",
            plain("", 1, 2, 30, state=at(2)),
            {"s": critical("behind", 3, 30, after=31)},
        ),
        Shape(
            "n18_serial",
            "CREATE TABLE t (id serial PRIMARY KEY);" + rows(1, 2, 3),
            {"t_id_seq": critical("behind", 1, 3, SERIAL, after=4)},
        ),
        Shape(
            "n18_default_casts_to_integer",
            "CREATE SEQUENCE s; CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('s')::int);" + rows(4),
            {"s": critical("behind", 1, 4, after=5)},
        ),
        Shape(
            "n18_default_casts_to_less",
            "CREATE SEQUENCE s; CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s')::smallint);"
            + rows(4, 40000)
            + at(32767),
            {"s": critical("exhausted gap out_of_bounds", 32768, 4)},
        ),
        Shape(
            "n18_default_casts_to_numeric",
            "CREATE SEQUENCE s; CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s')::numeric(4,1));"
            + rows(4)
            + at(999),
            {"s": critical("exhausted", 1000, 4)},
        ),
        Shape(
            "n18_default_casts_to_numeric_that_rounds",
            "CREATE SEQUENCE s; CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s')::numeric(4,-1));" + rows(4),
            {"s": unknown("not_a_number", 1)},
            since=15,
        ),
        Shape(
            "n19_sequence_in_another_schema",
            "CREATE SCHEMA n19_sequence_in_another_schema__other;"
            "CREATE SEQUENCE n19_sequence_in_another_schema__other.s;"
            "CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('n19_sequence_in_another_schema__other.s'));" + rows(6),
            {"other/s": critical("behind", 1, 6, "n19_sequence_in_another_schema.t.id default", after=7)},
        ),
        Shape(
            "n20_owned_but_default_uses_another",
            "CREATE SEQUENCE used; CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('used'));"
            "CREATE SEQUENCE left_over OWNED BY t.id;" + rows(9),
            {
                "used": critical("behind", 1, 9, "t.id default", after=10),
                "left_over": critical("behind", 1, 9, "t.id owned", after=10),
            },
        ),
        Shape(
            "n21_owned_without_default",
            "CREATE TABLE t (id int PRIMARY KEY); CREATE SEQUENCE s OWNED BY t.id;" + rows(5),
            {"s": critical("behind", 1, 5, "t.id owned", after=6)},
            inserts={"t.id": "INSERT INTO t VALUES (nextval('s')) RETURNING id"},
        ),
        Shape(
            "n22_one_sequence_many_tables",
            plain("", 1, 10, state=at(10))
            + "CREATE TABLE u (id int PRIMARY KEY DEFAULT nextval('s'));"
            + rows(2, 40, table="u")
            + "CREATE TABLE v (id bigserial PRIMARY KEY, other bigint UNIQUE DEFAULT nextval('s'));"
            + "INSERT INTO v VALUES (77, 20);"
            + "CREATE TABLE w (id numeric(9) PRIMARY KEY DEFAULT nextval('s'));",
            {
                "s": critical(
                    "behind", 11, 40, ["t.id default", "u.id default", "v.other default", "w.id default"], after=41
                ),
                "v_id_seq": critical("behind", 1, 77, "v.id default,owned", after=78),
            },
            inserts={"v.id": "INSERT INTO v (other) VALUES (NULL) RETURNING id"},
        ),
        Shape(
            "n22_narrowest_column_counts",
            plain("", 40000, 50, state=at(7))
            + "CREATE TABLE u (id smallint PRIMARY KEY DEFAULT nextval('s'));"
            + rows(30, table="u"),
            {
                "s": critical(
                    "behind out_of_bounds",
                    8,
                    50,
                    ["t.id default", "u.id default"],
                    after=51,
                    then="warning out_of_bounds",
                )
            },
        ),
        Shape(
            "n22_foreign_key_of_the_same_ids",
            plain("", 1, 3) + "CREATE TABLE u (id bigint PRIMARY KEY DEFAULT nextval('s'));",
            {"s": critical("behind", 1, 3, ["t.id default", "u.id default"], after=4)},
        ),
        Shape(
            "n23_two_serials",
            "CREATE TABLE t (id serial PRIMARY KEY, number serial UNIQUE); INSERT INTO t VALUES (1, 100), (9, 2);",
            {
                "t_id_seq": critical("behind", 1, 9, SERIAL, after=10),
                "t_number_seq": critical("behind", 1, 100, "t.number default,owned", after=101),
            },
        ),
        Shape(
            "n24_not_in_a_key",
            "CREATE TABLE t (id serial);" + rows(12, 3),
            {"t_id_seq": critical("behind", 1, 12, SERIAL, after=13)},
            unindexed=("t.id",),
        ),
        Shape(
            "n25_second_in_a_key",
            "CREATE TABLE t (tenant int DEFAULT 1, id serial, PRIMARY KEY (tenant, id));"
            "INSERT INTO t VALUES (1, 5), (2, 9);",
            {"t_id_seq": critical("behind", 1, 9, SERIAL, after=10)},
            unindexed=("t.id",),
        ),
        *(
            Shape(
                f"n26_{name}",
                f"CREATE SEQUENCE s; {before} CREATE TABLE t (id {column_type} DEFAULT {default}); CREATE INDEX ON t (id);"
                f"INSERT INTO t DEFAULT VALUES;",
                {"s": unknown("not_a_number", 2)},
            )
            for name, column_type, default, before in [
                ("plus", "bigint", "nextval('s') + 1000", ""),
                ("plus_before", "bigint", "1000 + nextval('s')", ""),
                ("times", "bigint", "nextval('s') * 10", ""),
                ("negated", "bigint", "-nextval('s')", ""),
                ("text", "text", "'INV-' || nextval('s')", ""),
                ("coalesce", "bigint", "COALESCE(nextval('s'), 0)", ""),
                (
                    "function",
                    "bigint",
                    "wrap('s'::regclass)",
                    "CREATE FUNCTION wrap(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT pg_catalog.nextval($1) * 2';",
                ),
                (
                    "function_of_the_value",
                    "bigint",
                    "scramble(nextval('s'))",
                    "CREATE FUNCTION scramble(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT $1 # 5';",
                ),
                (
                    "function_named_nextval",
                    "bigint",
                    "n26_function_named_nextval.nextval('s'::regclass)",
                    "CREATE FUNCTION nextval(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT pg_catalog.nextval($1) + 7';",
                ),
            ]
        ),
        Shape(
            "n26_currval_and_nextval",
            "CREATE SEQUENCE s; SELECT nextval('s'); CREATE TABLE t (id bigint DEFAULT currval('s') + nextval('s'));"
            "CREATE INDEX ON t (id);" + rows(7),
            {"s": unknown("not_a_number", 2)},
        ),
        Shape(
            "n26_beside_a_plain_column",
            plain("", 8) + "CREATE TABLE u (id text DEFAULT 'no. ' || nextval('s'));",
            {
                "s": critical(
                    "behind not_a_number", 1, 8, ["t.id default", "u.id default"], after=9, then="unknown not_a_number"
                )
            },
            unindexed=("u.id",),
        ),
        Shape(
            "n26_beside_a_plain_column_that_is_right",
            plain("", 8, state=at(8)) + "CREATE TABLE u (id text DEFAULT 'no. ' || nextval('s'));",
            {"s": unknown("not_a_number", 9, 8, ["t.id default", "u.id default"])},
            unindexed=("u.id",),
        ),
        Shape(
            "currval",
            plain("", 4, state=at(4)) + "CREATE TABLE u (id int, of_t bigint UNIQUE DEFAULT currval('s'));"
            "INSERT INTO u VALUES (1, 99);",
            {"s": healthy(5, 4)},
        ),
        Shape(
            "currval_in_an_expression",
            plain("", 4, state=at(4)) + "CREATE TABLE u (id int, of_t text UNIQUE DEFAULT 'of ' || currval('s'));",
            {"s": healthy(5, 4)},
        ),
        Shape(
            "regclass_as_default",
            plain("", 4, state=at(4)) + "CREATE TABLE u (id int, counter regclass DEFAULT 's'::regclass);",
            {"s": healthy(5, 4)},
        ),
    ]


def _late_bound() -> list[Shape]:
    def table(literal: str, name: str = "t", column_type: str = "bigint") -> str:
        return f"CREATE TABLE {name} (id {column_type} PRIMARY KEY DEFAULT nextval({literal}));\n"

    return [
        Shape(
            "n27_qualified",
            "CREATE SEQUENCE s;" + table("'n27_qualified.s'::text") + rows(3),
            {"s": critical("behind", 1, 3, "t.id text", after=4)},
        ),
        Shape(
            "n27_unqualified",
            "CREATE SEQUENCE s;" + table("'s'::text") + rows(3),
            {"s": critical("behind", 1, 3, "t.id text", after=4)},
        ),
        Shape(
            "n27_varchar_and_cast",
            "CREATE SEQUENCE s;" + table("'S'::varchar", column_type="int") + rows(3),
            {"s": critical("behind", 1, 3, "t.id text", after=4)},
        ),
        Shape(
            "n27_quoted",
            'CREATE SEQUENCE "Odd ""name"".it\'s";' + table("""'n27_quoted . "Odd ""name"".it''s"'::text""") + rows(3),
            {'Odd "name".it\'s': critical("behind", 1, 3, "t.id text", after=4)},
        ),
        Shape(
            "n27_backslash",
            r'CREATE SEQUENCE "a\b";' + table(r"""E'"a\\b"'::text""") + rows(3),
            {r"a\b": critical("behind", 1, 3, "t.id text", after=4)},
        ),
        Shape(
            "n27_with_database",
            "CREATE SEQUENCE s; DO $do$ BEGIN EXECUTE format('CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval(%L::text))',"
            " format('%I.n27_with_database.s', current_database())); END $do$;" + rows(3),
            {"s": critical("behind", 1, 3, "t.id text", after=4)},
            # A copy of the database has another name.
            inserts={"t.id": "INSERT INTO t VALUES (nextval('s')) RETURNING id"},
        ),
        Shape(
            "n27_in_another_schema",
            "CREATE SCHEMA n27_in_another_schema__other; CREATE SEQUENCE n27_in_another_schema__other.nowhere_else;"
            + table("'nowhere_else'::text")
            + rows(3),
            {"other/nowhere_else": critical("behind", 1, 3, "n27_in_another_schema.t.id text", after=4)},
            inserts={
                "n27_in_another_schema.t.id": "SET search_path = n27_in_another_schema, n27_in_another_schema__other;"
                "INSERT INTO t DEFAULT VALUES RETURNING id"
            },
        ),
        Shape(
            "n27_garbage_names",
            plain("", 3)
            + table("'no such sequence'::text", "u")
            + table("'\"'::text", "v")
            + table("''::text", "w")
            + table("'a..b'::text", "x")
            + table("'.'::text", "y")
            + table("'%s \\ '' ::regclass)'::text", "z")
            + "CREATE TABLE zz (id bigint DEFAULT nextval(('s' || chr(32) || 'x')::regclass));",
            {"s": critical("behind", 1, 3, after=4)},
        ),
        Shape(
            "n27_transformed",
            "CREATE SEQUENCE s; CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s'::text) + 5);",
            {"s": unknown("not_a_number", 1, None, "t.id text")},
        ),
        Shape(
            "n27_beside_owned",
            "CREATE TABLE t (id bigserial PRIMARY KEY); ALTER TABLE t ALTER id SET DEFAULT nextval('t_id_seq'::text);"
            + rows(3),
            {"t_id_seq": critical("behind", 1, 3, "t.id owned,text", after=4)},
        ),
        Shape(
            "n27_trigger_mapped",
            "CREATE SEQUENCE s; CREATE TABLE t (id bigint PRIMARY KEY); CREATE FUNCTION number() RETURNS trigger LANGUAGE plpgsql"
            " AS $$BEGIN NEW.id := nextval('n27_trigger_mapped.s'); RETURN NEW; END$$;"
            + rows(3)
            + "CREATE TRIGGER number BEFORE INSERT ON t FOR EACH ROW EXECUTE PROCEDURE number();",
            {"s": critical("behind", 1, 3, "t.id mapped", after=4)},
            mapped=[{"sequence": "n27_trigger_mapped.s", "table": "n27_trigger_mapped.t", "column": "id"}],
        ),
        Shape(
            "n27_mapped_and_default",
            plain("", 3) + "CREATE TABLE u (id int UNIQUE);" + rows(20, table="u"),
            {"s": critical("behind", 1, 20, ["t.id default,mapped", "u.id mapped"], after=21)},
            mapped=[
                {"sequence": "n27_mapped_and_default.s", "table": f"n27_mapped_and_default.{table}", "column": "id"}
                for table in "tu"
            ],
            inserts={"u.id": "INSERT INTO u VALUES (nextval('s')) RETURNING id"},
        ),
        Shape("n27_fed_by_nothing_known", "CREATE SEQUENCE s;" + at(7), {"s": skipped("no_column", 8)}),
    ]


def _of_tables() -> list[Shape]:
    by_list = "PARTITION BY LIST (k)"
    parts = "".join(f"CREATE TABLE p{k} PARTITION OF t FOR VALUES IN ({k});" for k in (1, 2))
    part_keys = "".join(f"CREATE INDEX ON p{k} (id);" for k in (1, 2))
    wrapper = "CREATE FOREIGN DATA WRAPPER {0}; CREATE SERVER {0} FOREIGN DATA WRAPPER {0};"
    return [
        Shape(
            "n28_partitioned_serial",
            f"CREATE TABLE t (id serial, k int DEFAULT 1) {by_list};"
            + parts
            + part_keys
            + "INSERT INTO t VALUES (1, 1), (7, 2);",
            {"t_id_seq": critical("behind", 1, 7, SERIAL, after=8)},
        ),
        Shape(
            "n28_partitioned_key_takes_duplicates",
            f"CREATE TABLE t (id bigserial, k int DEFAULT 1, PRIMARY KEY (id, k)) {by_list};"
            + parts
            + "INSERT INTO t VALUES (1, 2), (7, 2);",
            {"t_id_seq": critical("behind", 1, 7, SERIAL, after=8)},
            since=11,
        ),
        Shape(
            "n28_partitioned_identity",
            f"CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY, k int DEFAULT 1) {by_list};"
            + parts
            + part_keys
            + "INSERT INTO t VALUES (1, 1), (7, 2);",
            {"t_id_seq": critical("behind", 1, 7, "t.id identity", after=8)},
        ),
        Shape(
            "n28_sub_partitions",
            f"CREATE TABLE t (id serial, k int DEFAULT 1) {by_list};"
            "CREATE TABLE p1 PARTITION OF t FOR VALUES IN (1) PARTITION BY RANGE (id);"
            "CREATE TABLE p11 PARTITION OF p1 FOR VALUES FROM (0) TO (100); CREATE INDEX ON p11 (id);"
            "INSERT INTO t VALUES (7, 1);",
            {"t_id_seq": critical("behind", 1, 7, SERIAL, after=8)},
        ),
        Shape(
            "n28_no_partitions",
            f"CREATE TABLE t (id serial, k int DEFAULT 1) {by_list};",
            {"t_id_seq": healthy(1, None, SERIAL)},
            inserts={"t.id": "SELECT nextval('t_id_seq')"},
        ),
        Shape(
            "n29_partition_with_its_own_sequence",
            f"CREATE TABLE t (id bigserial, k int DEFAULT 1) {by_list};"
            + parts
            + part_keys
            + "CREATE SEQUENCE own START 1000;"
            "ALTER TABLE p2 ALTER id SET DEFAULT nextval('own'); INSERT INTO t VALUES (5, 1), (1004, 2);",
            {
                "t_id_seq": critical("behind", 1, 1004, SERIAL, after=1005),
                "own": critical("behind", 1000, 1004, "p2.id default", after=1005),
            },
            # Both sequences feed t: each keeps out of the way of what is there, not of the other.
            inserts={"p2.id": "SELECT nextval('own')"},
        ),
        Shape(
            "n30_attached_with_higher_ids",
            f"CREATE TABLE t (id bigserial, k int DEFAULT 1) {by_list};"
            + parts
            + part_keys
            + "INSERT INTO t VALUES (1, 1);"
            + at(1, sequence="t_id_seq")
            + "CREATE TABLE p3 (id bigint NOT NULL, k int); INSERT INTO p3 VALUES (500, 3); CREATE INDEX ON p3 (id);"
            "ALTER TABLE t ATTACH PARTITION p3 FOR VALUES IN (3);",
            {"t_id_seq": critical("behind", 2, 500, SERIAL, after=501)},
        ),
        Shape(
            "n30_detached_still_fed",
            f"CREATE TABLE t (id bigserial, k int DEFAULT 1) {by_list};"
            + parts
            + part_keys
            + "INSERT INTO t VALUES (1, 1), (600, 2); ALTER TABLE t DETACH PARTITION p2;",
            {"t_id_seq": critical("behind", 1, 600, [SERIAL, "p2.id default"], after=601)},
        ),
        Shape(
            "n30_detached_not_fed",
            f"CREATE TABLE t (id bigserial, k int DEFAULT 1) {by_list};"
            + parts
            + part_keys
            + "INSERT INTO t VALUES (1, 1), (600, 2); ALTER TABLE t DETACH PARTITION p2;"
            "ALTER TABLE p2 ALTER id DROP DEFAULT;",
            {"t_id_seq": critical("behind", 1, 1, SERIAL, after=2)},
        ),
        Shape(
            "n30_detached_identity",
            f"CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY, k int DEFAULT 1) {by_list};"
            + parts
            + part_keys
            + "INSERT INTO t VALUES (1, 1), (600, 2); ALTER TABLE t DETACH PARTITION p2;",
            {"t_id_seq": critical("behind", 1, 1, "t.id identity", after=2)},
        ),
        Shape(
            "n31_inheritance",
            "CREATE TABLE t (id serial PRIMARY KEY); CREATE TABLE child (extra int, PRIMARY KEY (id)) INHERITS (t);"
            "INSERT INTO t VALUES (2); INSERT INTO child VALUES (30);",
            {"t_id_seq": critical("behind", 1, 30, SERIAL, after=31)},
        ),
        Shape(
            "n31_child_with_its_own_sequence",
            "CREATE TABLE t (id serial PRIMARY KEY); CREATE SEQUENCE own;"
            "CREATE TABLE child (id int PRIMARY KEY DEFAULT nextval('own')) INHERITS (t);"
            "INSERT INTO t VALUES (2); INSERT INTO child VALUES (30);",
            {
                "t_id_seq": critical("behind", 1, 30, SERIAL, after=31),
                "own": critical("behind", 1, 30, "child.id default", after=31),
            },
            inserts={"child.id": "SELECT nextval('own')"},
        ),
        Shape(
            "n31_child_without_index",
            "CREATE TABLE t (id serial PRIMARY KEY); CREATE TABLE child () INHERITS (t);"
            "INSERT INTO t VALUES (2); INSERT INTO child VALUES (30);",
            {"t_id_seq": critical("behind", 1, 30, SERIAL, after=31)},
            unindexed=("t.id",),
        ),
        Shape(
            "n32_foreign_table",
            wrapper.format("n32_foreign_table") + "CREATE SEQUENCE s;"
            "CREATE FOREIGN TABLE t (id bigint DEFAULT nextval('s')) SERVER n32_foreign_table;",
            {"s": unknown("foreign_table", 1)},
            unindexed=("t.id",),
        ),
        Shape(
            "n32_foreign_partition",
            wrapper.format("n32_foreign_partition")
            + f"CREATE TABLE t (id bigserial, k int DEFAULT 1) {by_list};"
            + parts
            + part_keys
            + "INSERT INTO t VALUES (3, 1);"
            "CREATE FOREIGN TABLE p3 PARTITION OF t FOR VALUES IN (3) SERVER n32_foreign_partition;",
            {"t_id_seq": unknown("foreign_table", 1, None, SERIAL)},
            unindexed=("t.id",),
        ),
        Shape(
            "n32_beside_a_local_table",
            wrapper.format("n32_beside_a_local_table")
            + plain("", 5)
            + "CREATE FOREIGN TABLE u (id bigint DEFAULT nextval('s')) SERVER n32_beside_a_local_table;",
            {
                "s": critical(
                    "behind foreign_table",
                    1,
                    5,
                    ["t.id default", "u.id default"],
                    after=6,
                    then="unknown foreign_table",
                )
            },
            unindexed=("u.id",),
        ),
        Shape(
            "n33_partitions_without_index",
            f"CREATE TABLE t (id serial, k int DEFAULT 1) {by_list};" + parts + "INSERT INTO t VALUES (1, 1), (7, 2);",
            {"t_id_seq": critical("behind", 1, 7, SERIAL, after=8)},
            unindexed=("t.id",),
        ),
        Shape(
            "n33_too_large",
            # The message has the server's estimate of rows, which it may make anew between two runs.
            "CREATE TABLE t (id serial) WITH (autovacuum_enabled = off); INSERT INTO t SELECT generate_series(1, 40000);",
            {"t_id_seq": unknown("too_large", 1, None, SERIAL, unfixed=True)},
            unindexed=("t.id",),
        ),
        Shape(
            "n33_partial_index",
            "CREATE TABLE t (id serial); CREATE INDEX ON t (id) WHERE id < 10;" + rows(5, 70),
            {"t_id_seq": critical("behind", 1, 70, SERIAL, after=71)},
            unindexed=("t.id",),
        ),
        Shape(
            "n37_dropped_columns",
            "CREATE TABLE t (a int, b int, id serial PRIMARY KEY, c int); ALTER TABLE t DROP a, DROP c;"
            "INSERT INTO t (id) VALUES (21);",
            {"t_id_seq": critical("behind", 1, 21, SERIAL, after=22)},
        ),
        Shape(
            "n37_fed_column_dropped",
            "CREATE SEQUENCE s; CREATE TABLE t (a bigint DEFAULT nextval('s'), id bigint UNIQUE DEFAULT nextval('s'));"
            "INSERT INTO t (a, id) VALUES (90, 21); ALTER TABLE t DROP a;",
            {"s": critical("behind", 1, 21, after=22)},
        ),
        Shape(
            "n42_generated_column",
            "CREATE SEQUENCE s; CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s'),"
            " counter oid GENERATED ALWAYS AS ('n42_generated_column.s'::regclass::oid) STORED);" + rows(6),
            {"s": critical("behind", 1, 6, after=7)},
            since=12,
        ),
        Shape(
            "n42_typed_table",
            "CREATE SEQUENCE s; CREATE TYPE row_of_t AS (id bigint, name text);"
            "CREATE TABLE t OF row_of_t (id PRIMARY KEY DEFAULT nextval('s'));" + rows("6, ''"),
            {"s": critical("behind", 1, 6, after=7)},
        ),
        Shape(
            "view_with_a_default",
            plain("", 6, state=at(6))
            + "CREATE VIEW w AS SELECT id FROM t; ALTER VIEW w ALTER id SET DEFAULT nextval('s');",
            {"s": unknown("view", 7, 6, ["t.id default", "w.id default"])},
            unindexed=("w.id",),
        ),
        Shape(
            "temporary_sequence",
            "CREATE TABLE t (id int);",
            {},
            meanwhile="CREATE TEMP SEQUENCE of_another_session; SELECT pg_catalog.nextval('of_another_session');",
        ),
        Shape(
            "n56_temporary_copy_of_a_table",
            plain("", 6),
            {"s": critical("behind", 1, 6, after=7)},
            meanwhile="CREATE TEMP TABLE copy (LIKE n56_temporary_copy_of_a_table.t INCLUDING DEFAULTS);"
            "INSERT INTO copy VALUES (500);",
        ),
        Shape(
            "n48_locked",
            "CREATE TABLE t (id serial PRIMARY KEY); CREATE TABLE u (id serial PRIMARY KEY);"
            + rows(4)
            + rows(4, table="u"),
            {
                "t_id_seq": unknown("locked", 1, None, SERIAL, unfixed=True),
                "u_id_seq": critical("behind", 1, 4, "u.id default,owned", after=5),
            },
            meanwhile="BEGIN; LOCK TABLE n48_locked.t IN ACCESS EXCLUSIVE MODE",
        ),
        Shape(
            "n57_extension",
            plain("", 6) + "ALTER EXTENSION plpgsql ADD SEQUENCE s; CREATE TABLE u (id serial PRIMARY KEY);",
            {"u_id_seq": healthy(1, None, "u.id default,owned")},
        ),
    ]


def _of_types() -> list[Shape]:
    return [
        Shape(
            "n38_domain",
            "CREATE DOMAIN d AS integer CHECK (VALUE > 0);" + typed("d", 4, state=at(2**31 - 1)),
            {"s": critical("exhausted gap", 2**31, 4)},
        ),
        Shape(
            "n38_domain_over_domain",
            "CREATE DOMAIN d AS numeric(3); CREATE DOMAIN e AS d NOT NULL;" + typed("e", 4, 998),
            {"s": critical("behind near_limit", 1, 998, after=999, then="warning near_limit")},
        ),
        Shape(
            "n38_domain_s_default",
            "CREATE SEQUENCE s; CREATE DOMAIN d AS bigint DEFAULT nextval('s'); CREATE TABLE t (id d PRIMARY KEY);"
            "CREATE TABLE u (id d DEFAULT 0);" + rows(5) + rows(800, table="u"),
            {"s": critical("behind", 1, 5, "t.id domain", after=6)},
        ),
        Shape(
            "n38_domain_s_default_inherited",
            "CREATE SEQUENCE s; CREATE DOMAIN d AS bigint DEFAULT nextval('s'); CREATE DOMAIN e AS d;"
            "CREATE TABLE t (id e PRIMARY KEY);" + rows(5),
            {"s": critical("behind", 1, 5, "t.id domain", after=6)},
        ),
        Shape(
            "n38_domain_s_late_bound_default",
            "CREATE SEQUENCE s; CREATE DOMAIN d AS int DEFAULT nextval('n38_domain_s_late_bound_default.s'::text);"
            "CREATE TABLE t (id d PRIMARY KEY);" + rows(5),
            {"s": critical("behind", 1, 5, "t.id text", after=6)},
        ),
        Shape(
            "n39_numeric",
            typed("numeric", 5, "7.5", state=at(2)),
            {"s": critical("behind", 3, 7, after=8)},
        ),
        Shape(
            "n39_numeric_fraction_of_the_next_value",
            typed("numeric", "7.5", state=at(7)),
            {"s": healthy(8, 7)},
        ),
        Shape(
            "n39_numeric_downward",
            typed("numeric", "-7.5", definition="INCREMENT -1"),
            {"s": critical("behind", -1, -7, after=-8)},
        ),
        Shape(
            "n39_numeric_not_a_number",
            typed("numeric", "'NaN'", 6),
            {"s": critical("behind out_of_bounds", 1, 6, after=7, then="warning out_of_bounds")},
        ),
        Shape(
            "n39_numeric_only_not_a_number",
            typed("numeric", "'NaN'", definition="INCREMENT -1"),
            {"s": healthy(-1, None)},
        ),
        Shape(
            "n39_numeric_beyond_int64",
            typed("numeric", "1e30", "-1e30", 6),
            {"s": critical("behind out_of_bounds", 1, 6, after=7, then="warning out_of_bounds")},
        ),
        Shape(
            "n39_numeric_with_precision",
            typed("numeric(4,1)", "998.9", state=at(3)),
            {"s": critical("behind near_limit", 4, 998, after=999, then="warning near_limit")},
        ),
        Shape(
            "n39_numeric_with_precision_full",
            typed("numeric(4,1)", "999", state=at(3)),
            {"s": critical("behind no_room near_limit", 4, 999)},
        ),
        Shape(
            "n39_numeric_of_fractions_only",
            typed("numeric(3,3)", "0.5"),
            {"s": critical("exhausted no_room out_of_bounds", 1, None)},
        ),
        Shape(
            "n39_numeric_negative_scale",
            typed("numeric(3,-2)", 100),
            {"s": unknown("not_a_number", 1)},
            since=15,
        ),
        Shape(
            "n39_numeric_scale_beyond_precision",
            typed("numeric(2,4)", "0.005"),
            {"s": critical("exhausted no_room out_of_bounds", 1, None)},
            since=15,
        ),
        Shape(
            "n39_double_precision",
            typed("double precision", 5, "'NaN'", "'Infinity'", "'-Infinity'"),
            {"s": critical("behind out_of_bounds", 1, 5, after=6, then="warning out_of_bounds")},
        ),
        Shape(
            "n39_double_precision_full",
            typed("double precision", 2**53, state=at(2**53)),
            {"s": critical("exhausted no_room", 2**53 + 1, 2**53)},
        ),
        Shape(
            "n39_double_precision_fraction",
            typed("double precision", "123456789012.75"),
            {"s": critical("behind", 1, 123456789012, after=123456789013)},
        ),
        Shape(
            "n39_real",
            typed("real", 16777200, state=at(5)),
            {"s": critical("behind near_limit", 6, 16777200, after=16777201, then="warning near_limit")},
        ),
        Shape("n39_oid", typed("oid", 3000000000), {"s": critical("behind", 1, 3000000000, after=3000000001)}),
        Shape(
            "n39_oid_full",
            typed("oid", 2**32 - 1, state=at(2**32 - 1)),
            {"s": critical("exhausted no_room", 2**32, 2**32 - 1)},
        ),
        Shape(
            "n39_oid_cast",
            "CREATE SEQUENCE s; CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s')::oid);" + rows(7, 2**33),
            {"s": critical("behind out_of_bounds", 1, 7, after=8, then="warning out_of_bounds")},
        ),
        Shape(
            "n39_oid_downward", typed("oid", definition="INCREMENT -1"), {"s": critical("exhausted no_room", -1, None)}
        ),
        Shape("n39_oid8", typed("oid8", 2**33), {"s": critical("behind", 1, 2**33, after=2**33 + 1)}, since=19),
        Shape(
            "n39_oid8_beyond_bigint",
            typed("oid8", "'18446744073709551615'", 6),
            {"s": critical("behind out_of_bounds", 1, 6, after=7, then="warning out_of_bounds")},
            since=19,
        ),
        Shape("n40_text", typed("text", "'7'"), {"s": unknown("not_a_number", 1)}),
        Shape("n40_varchar", typed("varchar(20)", "'7'"), {"s": unknown("not_a_number", 1)}),
        Shape(
            "n40_array",
            "CREATE SEQUENCE s; CREATE TABLE t (id bigint[] PRIMARY KEY DEFAULT ARRAY[nextval('s')]);" + rows("'{7}'"),
            {"s": unknown("not_a_number", 1)},
        ),
        Shape(
            "n40_uuid",
            "CREATE SEQUENCE s; CREATE TABLE t (id uuid PRIMARY KEY DEFAULT lpad(nextval('s')::text, 32, '0')::uuid);",
            {"s": unknown("not_a_number", 1)},
        ),
        Shape(
            "n40_text_owned",
            "CREATE TABLE t (id text PRIMARY KEY); CREATE SEQUENCE s OWNED BY t.id;" + rows("'x'"),
            {"s": unknown("not_a_number", 1, None, "t.id owned")},
        ),
        Shape("n41_nulls_only", typed("bigint", "NULL", "NULL"), {"s": healthy(1, None)}),
        Shape(
            "n41_nulls_among",
            typed("bigint", "NULL", 5, "NULL", definition="INCREMENT -1 MINVALUE -5 MAXVALUE 9 START 9"),
            {"s": critical("behind", 9, 5, after=4)},
        ),
        Shape("n41_negative_only", typed("bigint", -5, -1), {"s": healthy(1, None)}),
        Shape(
            "n41_positive_only_downward",
            typed("bigint", 5, 1, definition="INCREMENT -1"),
            {"s": healthy(-1, None)},
        ),
        Shape(
            "n41_zero_allowed",
            typed("bigint", -5, 0, definition="MINVALUE 0"),
            {"s": critical("behind", 0, 0, after=1)},
        ),
    ]


HOSTILE = [
    "Mixed Case",
    'quo"te',
    "apo'strophe",
    "dot.ted",
    " sp ace ",
    "ünïcödé 数",
    "select",
    "per%cent %s %(name)s %%",
    "back\\slash\\'",
    "new\nline\ttab\x01",
    "semi;colon -- $$ $1",
    "{brace} {{ jinja }} {% raw",
    "pg_catalog.nextval('x')",
    "x" * 63,
    "é" * 31,
]


def _hostile() -> list[Shape]:
    shape = "n34_names"
    sql, expected = "", {}
    for name in HOSTILE:
        schema = f"{shape}__{name}".encode()[:63].decode(errors="ignore")
        identifier, schema_identifier = quoted(name), quoted(schema)
        regclass = literal(f"{schema_identifier}.{quoted('S' + name[1:])}")
        table = f"{schema_identifier}.{identifier}"
        sql += (
            f"CREATE SCHEMA {schema_identifier}; CREATE SEQUENCE {schema_identifier}.{quoted('S' + name[1:])};"
            f"CREATE TABLE {table} ({identifier} bigint PRIMARY KEY DEFAULT nextval({regclass}::regclass));"
            f"CREATE TABLE {schema_identifier}.late ({identifier} bigint PRIMARY KEY DEFAULT nextval({regclass}::text));"
            f"INSERT INTO {table} VALUES (4); INSERT INTO {schema_identifier}.late VALUES (8);"
        )
        suffix = schema[len(shape) + 2 :]
        columns = [f"{name}.{name} default", f"late.{name} text"]
        expected[f"{suffix}/S{name[1:]}"] = critical("behind", 1, 8, columns, after=9)
    return [Shape(shape, sql, expected)]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _same_names() -> list[Shape]:
    table = "CREATE TABLE {0}.t (id serial PRIMARY KEY);"
    schema, other = "n35_same_names", "n35_same_names__other"
    return [
        Shape(
            schema,
            f"CREATE SCHEMA {other};"
            + table.format(schema)
            + table.format(other)
            + rows(4, table=f"{schema}.t")
            + rows(90, table=f"{other}.t")
            + at(90, sequence=f"{other}.t_id_seq"),
            {
                "t_id_seq": critical("behind", 1, 4, SERIAL, after=5),
                "other/t_id_seq": healthy(91, 90, SERIAL),
            },
        )
    ]


def _identity_of_partitions() -> list[Shape]:
    return [
        Shape(
            "identity_of_partitions",
            "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, k int DEFAULT 1) PARTITION BY LIST (k);"
            "CREATE TABLE p1 PARTITION OF t FOR VALUES IN (1); CREATE INDEX ON p1 (id); CREATE TABLE p2 (id bigint NOT NULL, k int);"
            "INSERT INTO p2 VALUES (70, 2); CREATE INDEX ON p2 (id); ALTER TABLE t ATTACH PARTITION p2 FOR VALUES IN (2);"
            "INSERT INTO p1 (k) VALUES (1);",
            {"t_id_seq": critical("behind", 2, 70, "t.id identity", after=71)},
            since=17,
        )
    ]


SHAPES = [
    *_of_state(),
    *_of_bounds(),
    *_of_feeding(),
    *_late_bound(),
    *_of_tables(),
    *_of_types(),
    *_hostile(),
    *_same_names(),
    *_identity_of_partitions(),
]
