# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What default expressions, as the server prints them, and names inside of them are taken for."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from ansible_collections.pgops.sequences.plugins.module_utils._discover.defaults import (
    Default,
    parse_default,
    parse_identifiers,
)
from ansible_collections.pgops.sequences.plugins.module_utils._discover.patterns import matches, selected

quickly = hypothesis.settings(max_examples=500, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize(
    ("expression", "casts"),
    [
        ("nextval('public.s'::regclass)", ()),
        ("(nextval('public.s'::regclass))::integer", ("integer",)),
        ("(nextval('public.s'::regclass))::smallint", ("smallint",)),
        ("((nextval('public.s'::regclass))::smallint)::bigint", ("smallint", "bigint")),
        ("(nextval('public.s'::regclass))::numeric", ("numeric",)),
        ("(nextval('public.s'::regclass))::double precision", ("double precision",)),
        ("""nextval('public."odd ''name'' ("'::regclass)""", ()),
        ("""nextval('public."a)b"'::regclass)""", ()),
        (r"""nextval('public."back\\slash"'::regclass)""", ()),
        (r"""nextval(E'public."back\\\\slash"'::regclass)""", ()),
        ("nextval('public.\"new\nline\"'::regclass)", ()),
        ("nextval('public.\"%s %(name)s\"'::regclass)", ()),
        ("(nextval('public.\"x)::text || (\"'::regclass))::integer", ("integer",)),
    ],
)
def test_plain_default_hands_the_number_out_as_it_is(expression: str, casts: tuple[str, ...]) -> None:
    assert parse_default(expression) == Default(casts, False, None)


@pytest.mark.parametrize(
    "expression",
    [
        "(nextval('public.s'::regclass) + 1000)",
        "(1000 + nextval('public.s'::regclass))",
        "(nextval('public.s'::regclass) * 10)",
        "(- nextval('public.s'::regclass))",
        "((nextval('public.s'::regclass) + 1))::integer",
        "('INV-'::text || nextval('public.s'::regclass))",
        "(nextval('public.s'::regclass))::text",
        "(nextval('public.s'::regclass))::character varying",
        "(nextval('public.s'::regclass))::money",
        "ARRAY[nextval('public.s'::regclass)]",
        "abs(nextval('public.s'::regclass))",
        "COALESCE(nextval('public.s'::regclass), (0)::bigint)",
        "GREATEST(nextval('public.s'::regclass), nextval('public.u'::regclass))",
        "public.scramble(nextval('public.s'::regclass))",
        "public.wrap('public.s'::regclass)",
        "public.nextval('public.s'::regclass)",
        "public.\"pg_catalog.nextval\"('public.s'::regclass)",
        "(currval('public.s'::regclass) + nextval('public.s'::regclass))",
        "((0 * setval('public.s'::regclass, (1)::bigint)) + nextval('public.s'::regclass))",
        "(lpad((nextval('public.s'::regclass))::text, 32, '0'::text))::uuid",
        "(nextval('public.s'::regclass))::public.d",
        "(nextval('public.s'::regclass))::numeric(4,-1)",
        "((nextval('public.s'::regclass))::text)::integer",
        "CASE WHEN true THEN nextval('public.s'::regclass) ELSE (0)::bigint END",
    ],
)
def test_default_that_does_more_is_transformed(expression: str) -> None:
    default = parse_default(expression)
    assert default is not None and default.transformed


@pytest.mark.parametrize(
    "expression",
    [
        "currval('public.s'::regclass)",
        "(currval('public.s'::regclass))::integer",
        "(currval('public.s'::regclass) + 1)",
        "((currval('public.s'::regclass))::text || '-x'::text)",
        "('of '::text || currval('public.s'::regclass))",
        "(1 + currval('public.s'::regclass))",
        "'public.s'::regclass",
        "('public.s'::regclass)::oid",
    ],
)
def test_default_that_hands_nothing_out_feeds_nothing(expression: str) -> None:
    assert parse_default(expression) is None


@pytest.mark.parametrize(
    ("expression", "name", "transformed"),
    [
        ("nextval(('s'::text)::regclass)", "s", False),
        ("nextval(('public.s'::text)::regclass)", "public.s", False),
        ("nextval((('s'::character varying)::text)::regclass)", "s", False),
        ("(nextval(('s'::text)::regclass))::integer", "s", False),
        ("""nextval(('"Odd ''name''"'::text)::regclass)""", "\"Odd 'name'\"", False),
        (r"""nextval((E'"a\\b"'::text)::regclass)""", r'"a\b"', False),
        (r"""nextval(('"a\b"'::text)::regclass)""", r'"a\b"', False),
        (r"""nextval(('%s \ '' ::regclass)'::text)::regclass)""", r"%s \ ' ::regclass)", False),
        ("nextval((''::text)::regclass)", "", False),
        ("(nextval(('s'::text)::regclass) + 5)", "s", True),
        ("('x'::text || nextval(('s'::text)::regclass))", "s", True),
    ],
)
def test_late_bound_default_carries_its_name(expression: str, name: str, transformed: bool) -> None:
    default = parse_default(expression)
    assert default is not None
    assert (default.name, default.transformed) == (name, transformed)


def test_late_bound_name_that_is_computed_is_not_known() -> None:
    default = parse_default("nextval((('s'::text || chr(32)) || 'x'::text)::regclass)")
    assert default is not None and default.name is None and default.transformed


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s", ["s"]),
        ("S", ["s"]),
        ('"S"', ["S"]),
        ("app.s", ["app", "s"]),
        ("App.S", ["app", "s"]),
        ('"App"."S"', ["App", "S"]),
        (' app . "S" ', ["app", "S"]),
        ("db.app.s", ["db", "app", "s"]),
        ('"a""b"', ['a"b']),
        ('"a.b".c', ["a.b", "c"]),
        ('"a b"', ["a b"]),
        ('" a "', [" a "]),
        ("ÜBER", ["Über"]),
        ("x" * 70, ["x" * 63]),
        ('"' + "é" * 40 + '"', ["é" * 31]),
        ("$1", ["$1"]),
        ("o'clock", ["o'clock"]),
        ("back\\slash", ["back\\slash"]),
        ('a"b', ['a"b']),
        ("a,b", ["a,b"]),
    ],
)
def test_name_is_read_as_regclass_reads_it(text: str, parts: list[str]) -> None:
    assert parse_identifiers(text) == parts


@pytest.mark.parametrize("text", ["", " ", ".", "a.", ".a", "a..b", '"', '"a', "a b", '"a" "b"', '"a"b', "a.b c"])
def test_what_is_no_name_is_none(text: str) -> None:
    assert parse_identifiers(text) is None


names = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: len(name.encode()) <= 63
)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@quickly
@hypothesis.given(st.lists(names, min_size=1, max_size=3))
def test_every_quoted_name_comes_back(parts: list[str]) -> None:
    assert parse_identifiers(".".join(map(quoted, parts))) == parts


@quickly
@hypothesis.given(names, names, st.booleans())
def test_every_name_is_found_in_a_default(schema: str, name: str, escaped: bool) -> None:
    text = f"{quoted(schema)}.{quoted(name)}"
    literal = "'" + text.replace("'", "''") + "'"
    if escaped:
        literal = "E" + literal.replace("\\", "\\\\")
    assert parse_default(f"nextval({literal}::regclass)") == Default((), False, None)
    assert parse_default(f"(nextval({literal}::regclass))::integer") == Default(("integer",), False, None)
    late = parse_default(f"nextval(({literal}::text)::regclass)")
    assert late is not None and late.name == text and not late.transformed
    changed = parse_default(f"(nextval({literal}::regclass) + 1)")
    assert changed is not None and changed.transformed


@quickly
@hypothesis.given(st.text(max_size=40))
def test_no_text_breaks_the_parsers(text: str) -> None:
    parse_identifiers(text)
    parse_default(text)


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        ([], {"orders", "Orders", "audit.log"}),
        (["orders"], {"orders"}),
        (["*rders"], {"orders", "Orders"}),
        (["[oO]rders"], {"orders", "Orders"}),
        (["audit.*"], {"audit.log"}),
        (["!orders"], {"Orders", "audit.log"}),
        (["*", "!O*"], {"orders", "audit.log"}),
        (["!O*", "*"], {"orders", "audit.log"}),
        (["orders", "!orders"], set()),
        (["ORDERS"], set()),
    ],
)
def test_patterns_are_globs_on_real_names_and_take_away_with_an_exclamation_mark(
    patterns: list[str], taken: set[str]
) -> None:
    assert {name for name in ("orders", "Orders", "audit.log") if selected(patterns, [name])} == taken


def test_name_that_holds_glob_characters_fits_itself() -> None:
    assert matches("a[b]*", "a[b]*") and matches("a[b]*", "abc") and not matches("a[b]*", "acb")
