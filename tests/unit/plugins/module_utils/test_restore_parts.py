# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the restore that need no server: what goes to psql, the archive's list, advice, versions, progress."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.pgops.sequences.plugins.module_utils._restore import advice, archive, programs, progress
from ansible_collections.pgops.sequences.plugins.module_utils._restore.dump import (
    check_directory,
    fingerprint,
    identify,
    line_of,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.filter import Filter, Headings
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import (
    _OURS,
    _VARIABLE,
    RestoreError,
    _names,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.sequences import Position

HEAD = b"""--
-- PostgreSQL database dump
--

\\restrict abc

-- Dumped from database version 15.8 (Debian 15.8-1)
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'LATIN1';

SET default_tablespace = '';

SET default_table_access_method = heap;

"""
ROWS = b"""--
-- Name: orders; Type: TABLE; Schema: public; Owner: shop
--

CREATE TABLE public.orders (id integer, note text);

--
-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: shop
--

COPY public.orders (id, note) FROM stdin;
1\ta row of \\\\unrestrict `touch x`
\\.

"""
LARGE_OBJECTS = b"""BEGIN;

SELECT pg_catalog.lo_open('4711', 131072);
SELECT pg_catalog.lowrite(0, '\\\\x61');
SELECT pg_catalog.lo_close(0);

COMMIT;

"""
END = b"""--
-- PostgreSQL database dump complete
--

\\unrestrict abc

"""
WHOLE = HEAD + ROWS + LARGE_OBJECTS + END


def _through(
    text: bytes, size: int = 1 << 20, server: int = 180000, archived: bool = False, leaky: bool = True
) -> bytes:
    passed = Filter(server, archived, leaky)
    parts = [passed.feed(text[start : start + size]) for start in range(0, len(text), size)]
    return b"".join([*parts, passed.finish()])


def _changed(before: bytes, after: bytes) -> list[tuple[bytes, bytes]]:
    old, new = before.split(b"\n"), after.split(b"\n")
    assert len(old) == len(new), "psql's line numbers are the dump's"
    return [pair for pair in zip(old, new) if pair[0] != pair[1]]


TAKEN = [(b"\\restrict abc", b""), (b"BEGIN;", b""), (b"COMMIT;", b""), (b"\\unrestrict abc", b"RESET search_path;")]
NEWER = [(b"SET transaction_timeout = 0;", b"")]
METHOD = [(b"SET default_table_access_method = heap;", b"")]


@pytest.mark.parametrize(
    ("server", "taken"),
    [(180000, TAKEN), (160000, TAKEN[:1] + NEWER + TAKEN[1:]), (110000, TAKEN[:1] + NEWER + METHOD + TAKEN[1:])],
)
@pytest.mark.parametrize("size", [1 << 20, 16384])
def test_what_is_taken_out_of_a_dump(server: int, taken: list[tuple[bytes, bytes]], size: int) -> None:
    assert _changed(WHOLE, _through(WHOLE, size, server)) == taken


@pytest.mark.parametrize("size", [7, 64, 100, 1000])
def test_large_objects_wherever_blocks_end(size: int) -> None:
    text = ROWS + LARGE_OBJECTS * 3
    assert _changed(text, _through(text, size)) == [(b"BEGIN;", b""), (b"COMMIT;", b"")] * 3


@pytest.mark.parametrize("quotes", [b"INSERT INTO t VALUES ('%s');\n", b"CREATE FUNCTION f() AS $$ %s $$;\n"])
def test_what_only_looks_like_it_stays(quotes: bytes) -> None:
    lines = [
        b"BEGIN;\n\nSELECT pg_catalog.lo_open(''4711'', 131072);\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n",
        b"SET idle_in_transaction_session_timeout = 0;\nSET transaction_timeout = 0;\n",
        b"\nSET default_table_access_method = heap;\n\n",
        b"\\restrict other\n\\unrestrict other\n",
    ]
    for line in lines:
        text = HEAD + quotes % (b"\n" + line) + ROWS + END
        through = _through(text, server=100000)
        assert line in through, through


def test_pieces_one_after_the_other_and_what_is_appended() -> None:
    second = WHOLE.replace(b"abc", b"xyz")
    text = WHOLE + second + b"GRANT SELECT ON orders TO PUBLIC;\n"
    changed = _changed(text, _through(text))
    assert [old for old, _new in changed if b"restrict" in old] == [
        b"\\restrict abc",
        b"\\unrestrict abc",
        b"\\restrict xyz",
        b"\\unrestrict xyz",
    ]


def test_a_dump_without_its_end_is_cut_off() -> None:
    with pytest.raises(RestoreError, match="cut off"):
        _through(HEAD + ROWS)
    assert _through(HEAD.replace(b"\\restrict abc", b"") + ROWS)


def test_the_transaction_of_pg_restore() -> None:
    text = HEAD.replace(b"18.4\n", b"18.4\n\nBEGIN;\n", 1) + ROWS + b"COMMIT;\n\n" + END
    for size in (1 << 20, 16384):
        taken = [old for old, _new in _changed(text, _through(text, size, archived=True))]
        assert taken == [b"\\restrict abc", b"BEGIN;", b"COMMIT;", b"\\unrestrict abc"]
    body = ROWS.replace(b"a row of \\\\unrestrict `touch x`", b"COMMIT;")
    inner = text.replace(ROWS, body + b"COMMIT;\n" + body)
    assert b"COMMIT;\n" in _through(inner, archived=True), "only the last one is pg_restore's"


@pytest.mark.parametrize(
    "line",
    [
        b"\\unrestrict `touch x`",
        b"SELECT 1; \\unrestrict :x",
        b"\\unrestrict abc def",
        # A character of two bytes, of which the second is a backslash.
        b"SET client_encoding = 'SJIS';\nSELECT 1 AS \x83\x5c\\unrestrict `touch x`",
        b"SET client_encoding = 'GB18030';\nSELECT 1 AS \x810A\x5c\\unrestrict `touch x`",
    ],
)
def test_a_psql_that_would_run_it_is_not_given_it(line: bytes) -> None:
    text = WHOLE.replace(b"\\.\n", b"\\.\n" + line + b"\n")
    with pytest.raises(RestoreError, match="unrestrict"):
        _through(text)
    assert line in _through(text, leaky=False)


@pytest.mark.parametrize("offset", range(0, 24, 3))
def test_a_long_line_hides_nothing(offset: int) -> None:
    for size in (1 << 20, 1 << 16):
        text = (
            b"SELECT '"
            + b"x" * ((9 << 20) + 512 - offset)
            + b"' \\unrestrict `touch x`\n;\n"
            + b"y" * (1 << 20)
            + b"\n"
        )
        with pytest.raises(RestoreError, match="unrestrict"):
            _through(text, size)


def test_statements_before_a_dump_and_line_ends_of_windows() -> None:
    text = b"SET session_replication_role = replica;\n" + WHOLE
    assert [old for old, _new in _changed(text, _through(text))] == [old for old, _new in TAKEN]
    text = WHOLE.replace(b"\n", b"\r\n")
    taken = [old.rstrip(b"\r") for old, _new in _changed(text, _through(text, server=160000))]
    assert taken == [old for old, _new in TAKEN[:1] + NEWER + TAKEN[1:]]


def test_no_nul_bytes_and_no_mark_of_windows() -> None:
    with pytest.raises(RestoreError, match="NUL"):
        _through(b"SELECT '\0';\n")
    assert _through(b"\xef\xbb\xbfSELECT 1;\n") == b"SELECT 1;\n"


def test_rows_longer_than_memory_should_hold() -> None:
    text = b"COPY t FROM stdin;\n" + b"x" * (9 << 20) + b"\n\\.\n"
    assert _through(text) == text


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_headings_say_where_an_error_is(parts: int) -> None:
    text = ROWS * parts
    headings = Headings()
    for start in range(parts):
        headings.feed(text[start * len(ROWS) : (start + 1) * len(ROWS)])
    lines = ROWS.count(b"\n")
    for number, (line, kind) in enumerate([(2, "TABLE"), (8, "TABLE DATA")] * parts):
        heading = headings.before(number // 2 * lines + line)
        assert heading is not None and (heading.kind, heading.words) == (kind, f"{kind} public.orders")
    assert headings.before(1) is None and headings.data == parts and headings.line == lines * parts + 1


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        ("220; 1259 16518 TABLE public items postgres", "TABLE", "public items postgres"),
        ("2568; 0 16518 TABLE DATA public my items postgres", "TABLE DATA", "public my items postgres"),
        ("2575; 0 0 SEQUENCE OWNED BY public items_id_seq x", "SEQUENCE OWNED BY", "public items_id_seq x"),
        ("6; 2615 16385 SCHEMA - app postgres", "SCHEMA", "- app postgres"),
        ("9; 0 0 MATERIALIZED VIEW DATA public v postgres", "MATERIALIZED VIEW DATA", "public v postgres"),
        ("9; 0 0 PUBLICATION TABLES IN SCHEMA p public x", "PUBLICATION TABLES IN SCHEMA", "p public x"),
        ("9; 0 0 EXTENDED STATISTICS DATA public s x", "EXTENDED STATISTICS DATA", "public s x"),
    ],
)
def test_lines_of_the_list(line: str, kind: str, text: str) -> None:
    found = archive.Entry.of(line)
    assert found is not None and (found.kind, found.text) == (kind, text)


def test_statements_are_whole() -> None:
    sql = (
        "--\n-- Name: x; Type: COMMENT\n--\n\n\\restrict abc\nSET a = 0;\n"
        "COMMENT ON DATABASE shop IS 'it''s\n-- no; comment\nALTER DATABASE live SET a = 1;\n';\n\n\\unrestrict abc\n\\connect shop\n"
        "ALTER DATABASE shop SET search_path TO \"a;b\", 'c';\n"
    )
    assert archive._statements(sql) == [
        "SET a = 0;",
        "COMMENT ON DATABASE shop IS 'it''s\n-- no; comment\nALTER DATABASE live SET a = 1;\n';",
        "ALTER DATABASE shop SET search_path TO \"a;b\", 'c';",
    ]


@pytest.mark.parametrize("argument", ["-Oc", "-xd", "--dbnam=x", "--cle", "-1", "--section", "-sC", "-O1"])
def test_options_that_are_ours_however_they_are_written(argument: str) -> None:
    allowed = argument == "--section"
    names = {name for name in _names(argument) if name in _OURS}
    assert bool(names) is not allowed, names


@pytest.mark.parametrize(
    ("argument", "allowed"),
    [("--set=x=1", True), ("-vx=1", True), ("-v", True), ("x=1", True), ("-q", False), ("-x", False), ("--csv", False)],
)
def test_psql_takes_variables_alone(argument: str, allowed: bool) -> None:
    assert bool(_VARIABLE.fullmatch(argument)) is allowed


def test_every_excludable_kind_has_a_way() -> None:
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import EXCLUDABLE

    assert set(archive._SWITCHES) | set(archive._LINES) == set(EXCLUDABLE)
    assert not set(archive._SWITCHES) & set(archive._LINES)


class _Listed(archive.Archive):
    """An archive with a list of its own."""

    def __init__(self, tables: Sequence[tuple[str, str]]) -> None:
        super().__init__("shop.dump", "custom", "", {}, "")
        kinds = ("TABLE", "TABLE DATA", "INDEX", "SEQUENCE SET")
        pairs = [(kind, table) for table in tables for kind in kinds]
        self.entries = [archive.Entry(number, 0, kind, "") for number, (kind, _table) in enumerate(pairs)]
        self._names = {number: table for number, (_kind, table) in enumerate(pairs)}


TABLES = [("public", "orders"), ("public", "Order lines"), ("old", "orders"), ("public", "a*b")]


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["orders"], ["public.orders", "old.orders"]),
        (["old.orders"], ["old.orders"]),
        (["public.*"], ["public.orders", "public.Order lines", "public.a*b"]),
        (["*", "!old.*"], ["public.orders", "public.Order lines", "public.a*b"]),
        (["!public.*"], ["old.orders"]),
        (["Order lines"], ["public.Order lines"]),
        (["[oO]rder*", "!orders"], ["public.Order lines"]),
        (["a*b"], ["public.a*b"]),
    ],
)
def test_tables_are_chosen_as_written(patterns: list[str], names: list[str]) -> None:
    listed = _Listed(TABLES)
    listed.select(patterns, True)
    assert [".".join(name) for name in listed.names(listed.entries)] == names
    assert {entry.kind for entry in listed.entries} == {"TABLE DATA"}
    listed = _Listed(TABLES)
    listed.select(patterns, False)
    assert {entry.kind for entry in listed.entries} == {"TABLE", "TABLE DATA", "SEQUENCE SET"}


@pytest.mark.parametrize("patterns", [["order lines"], ["orders", "missing"], ["x*"], ["*", "!*"]])
def test_patterns_that_match_nothing(patterns: list[str]) -> None:
    with pytest.raises(RestoreError, match="tables: "):
        _Listed(TABLES).select(patterns, True)


def test_rows_are_loaded_after_what_they_refer_to() -> None:
    one, two, three = [("public", name) for name in "abc"]
    for kind, expected in (("custom", [two, three, one]), ("tar", [one, two, three])):
        listed = _Listed([one, two, three])
        listed.kind = kind
        listed.keep(lambda entry: entry.kind == "TABLE DATA")
        listed.order([(one, three), (three, two), (two, two), (one, ("public", "elsewhere"))])
        assert listed.names(listed.entries) == expected


def test_advice_can_be_said_for_every_error() -> None:
    failure = advice.Failure("", 'a "name"', "TABLE DATA", "public", "SET x = 1;")
    for states, _message, kind, archived, plain in advice._ADVICE:
        for words in (archived, plain):
            said = words.format_map(advice._values(failure, advice.Place(True, "/x y", 'r"ole', "shop")))
            assert "{" not in said.replace("{/^(DROP", "").replace("{options: '-c", "")
            assert "superuser TO" not in said and "SUPERUSER" not in said, "never a superuser's rights"
        assert archived or plain, (states, kind)
    unknown = advice.advice(advice.Failure("XX000", "odd"), advice.Place(True, "/x", "r", "d"))
    assert unknown == "Correct that, then run this again"


@pytest.mark.parametrize(
    ("text", "version", "leaks"),
    [
        ("psql (PostgreSQL) 18.4", (18, 4), True),
        ("psql (PostgreSQL) 18.6", (18, 6), False),
        ("psql (PostgreSQL) 18beta1", (18, 0), True),
        ("pg_restore (PostgreSQL) 17.5 (Debian 17.5-1)", (17, 5), True),
        ("psql (PostgreSQL) 17.11", (17, 11), False),
        ("psql (PostgreSQL) 13.23", (13, 23), True),
        ("psql (PostgreSQL) 19.0", (19, 0), False),
        ("16.4", (16, 4), True),
        ("", (0, 0), True),
    ],
)
def test_versions(text: str, version: tuple[int, int], leaks: bool) -> None:
    assert programs.version_of(text) == version
    assert programs.leaks(version) is leaks


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [("UTF8", "utf-8"), ("LATIN1", "iso8859-1"), ("LATIN9", "iso8859-15"), ("WIN1252", "cp1252"), ("EUC_JP", "euc_jp")]
    + [("ISO_8859_5", "iso8859-5"), ("KOI8R", "koi8-r"), ("SQL_ASCII", "utf-8"), ("MULE_INTERNAL", "utf-8")],
)
def test_encodings(encoding: str, codec: str) -> None:
    assert archive.codec_of(encoding) == codec


@pytest.mark.parametrize(
    ("increment", "one", "other", "behind"),
    [
        (1, (5, True), (6, False), False),
        (1, (5, True), (6, True), True),
        (-1, (-5, True), (-6, True), True),
        (-1, (-6, True), (-5, True), False),
        (10, (1, False), (1, True), True),
    ],
)
def test_which_sequence_is_behind(increment: int, one: tuple[int, bool], other: tuple[int, bool], behind: bool) -> None:
    assert Position("s", increment, *one).behind(Position("s", increment, *other)) is behind


def test_a_dump_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "100% odd 'name"
    path.write_bytes(WHOLE)
    dump = identify(str(path))
    assert (dump.kind, dump.version("by pg_dump"), dump.version("from database")) == ("plain", "18.4", "15.8")
    assert line_of(dump, 5) == "\\restrict abc" and line_of(dump, 10000) == ""
    one = fingerprint(dump, "whole")
    assert one == fingerprint(dump, "whole") != fingerprint(dump, "rows")
    path.write_bytes(WHOLE.replace(b"\n1\t", b"\n2\t"))
    assert fingerprint(identify(str(path)), "whole") != one


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.parametrize("name", ["3496.dat.gz", "blob_16400.dat.gz"])
@pytest.mark.parametrize("part", [0.0, 0.4, 0.999, 1.0])
def test_a_cut_gzip_file_is_found_whatever_the_zlib_of_pg_restore(tmp_path: Path, name: str, part: float) -> None:
    (tmp_path / "toc.dat").write_bytes(b"PGDMP")
    rows = b"".join(b"%d\tnote %d\n" % (number, number**2) for number in range(5000))
    packed = gzip.compress(rows + b"\\.\n\n\n")
    (tmp_path / name).write_bytes(packed[: int(len(packed) * part)])
    found = identify(str(tmp_path))
    if part == 1.0:
        check_directory(found, unpack=True)
        return
    with pytest.raises(RestoreError, match="cut off"):
        check_directory(found, unpack=True)
    if part:
        # One stream shows it by the text that follows.
        check_directory(found, unpack=False)


@pytest.mark.parametrize("text", ["19rc1", "19beta2", "18.4", "20devel"])
def test_a_version_is_told_as_the_program_says_it(tmp_path: Path, text: str) -> None:
    for name in ("psql", "pg_restore"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {text} (Debian {text}-1)'\n")
        (tmp_path / name).chmod(0o755)
    found = programs.find_programs(["psql", "pg_restore"], str(tmp_path), 18)
    assert (found.words, found.version[0]) == (text, int(text[:2]))
    (tmp_path / "plain.sql").write_text(
        f"--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version {text} (Debian)\n"
    )
    assert identify(str(tmp_path / "plain.sql")).version("from database") == text


def test_a_dump_that_this_user_may_not_read(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(WHOLE)
    path.chmod(0o600)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setuid(65534)
        try:
            identify(str(path))
        except RestoreError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert "cannot be read by the user" in os.read(reading, 10000).decode()


def test_progress_in_words() -> None:
    assert [progress.elapsed(seconds) for seconds in (5.9, 90, 3720)] == ["5s", "1m30s", "1h02m"]
    sizes = [progress.size(count) for count in (7, 4_400, 5_600_000, 3_400_000_000)]
    assert sizes == ["7 bytes", "4 kB", "5.6 MB", "3.4 GB"]
    assert progress.activity('-- x\nCOPY public."a b" (id, "of (it") FROM stdin;') == 'copying public."a b"'
    index = "CREATE UNIQUE INDEX i ON ONLY public.t USING btree (id);"
    assert progress.activity(index) == "creating index i on public.t"
    constraint = "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);"
    assert progress.activity(constraint) == "adding constraint t_pkey to public.t"
    assert progress.activity("INSERT INTO users VALUES ('a secret')") == ""
