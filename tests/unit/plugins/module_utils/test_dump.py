# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps are known by their content, and tables chosen as written; archives of pg_dump itself are in tests/server."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.pgops.sequences.plugins.module_utils import _archive, _dump, _programs, _progress
from ansible_collections.pgops.sequences.plugins.module_utils._restore_record import Record

PLAIN = b"""--
-- PostgreSQL database dump
--

\\restrict abc

-- Dumped from database version 15.8 (Debian 15.8-1)
-- Dumped by pg_dump version 16.4 (Debian 16.4-1)

SET statement_timeout = 0;
SET client_encoding = 'LATIN1';

--
-- Name: orders; Type: TABLE; Schema: public; Owner: shop
--

CREATE TABLE public.orders (id integer);

--
-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: shop
--

COPY public.orders (id) FROM stdin;
1
\\.

--
-- Name: my ; odd table; Type: INDEX; Schema: Odd one; Owner: -; Tablespace: fast
--

--
-- PostgreSQL database dump complete
--

\\unrestrict abc
"""

PACKERS = {"": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "100% odd 'name"


@pytest.mark.parametrize("compression", PACKERS)
def test_plain_dumps(path: Path, compression: str) -> None:
    path.write_bytes(PACKERS[compression](PLAIN))
    dump = _dump.identify(str(path))
    assert (dump.format, dump.compression) == ("plain", compression)
    assert (dump.dump_version, dump.server_version, dump.encoding) == ("16.4", "15.8", "LATIN1")
    assert dump.by_pg_dump and dump.restricted and not dump.drops
    contents = _dump.read_through(dump)
    assert [(item.line, item.kind, item.schema, item.name, item.owner) for item in contents.items] == [
        (14, "TABLE", "public", "orders", "shop"),
        (20, "TABLE DATA", "public", "orders", "shop"),
        (28, "INDEX", "Odd one", "my ; odd table", ""),
    ]
    assert contents.length == len(PLAIN)
    path.write_bytes(PLAIN)
    assert contents.fingerprint == _dump.read_through(_dump.identify(str(path))).fingerprint


def test_a_changed_row_is_another_dump(path: Path) -> None:
    path.write_bytes(PLAIN)
    one = _dump.read_through(_dump.identify(str(path))).fingerprint
    path.write_bytes(PLAIN.replace(b"\n1\n", b"\n2\n"))
    assert _dump.read_through(_dump.identify(str(path))).fingerprint != one


@pytest.mark.parametrize("compression", PACKERS)
def test_a_cut_is_found_wherever_it_is(path: Path, compression: str) -> None:
    whole = PACKERS[compression](PLAIN)
    end = whole.rindex(b"complete") if not compression else len(whole)
    for cut in range(1, end):
        path.write_bytes(whole[:cut])
        with pytest.raises(_dump.DumpError):
            _dump.read_through(_dump.identify(str(path)))


@pytest.mark.parametrize("size", [1, 2, 5, 64, 1000])
def test_headings_do_not_depend_on_where_blocks_end(size: int) -> None:
    text = PLAIN.replace(b"\n1\n", b"\n" + b"1" * 10000 + b"-- Name: no; Type: TABLE; Schema: x; Owner: y\n2\n") * 3
    whole = _dump.Headings().feed(text)
    headings = _dump.Headings()
    found = [item for start in range(0, len(text), size) for item in headings.feed(text[start : start + size])]
    assert found == whole and len(whole) == 9
    for item in whole:
        line = text.split(b"\n")[item.line - 1]
        assert text[item.offset :].startswith(line) and item.name.encode() in line


@pytest.mark.parametrize(
    ("text", "restorable"),
    [
        (b"select 1;", True),
        (b"/* by hand */ BEGIN;", True),
        (b"-- only a comment\n", False),
        (b"-- a comment\n" * 10000 + b"SELECT 1;", True),
        (b"\xef\xbb\xbfSET x = 1;", True),
        (b"\\set x 1\n", True),
        (b"Dear all,\nplease find", False),
        (b"<html>", False),
        (b"{}", False),
        (b"12;13\n", False),
        (b"select \0", False),
    ],
)
def test_what_is_sql(path: Path, text: bytes, restorable: bool) -> None:
    path.write_bytes(text)
    if restorable:
        assert _dump.identify(str(path)).format == "plain"
    else:
        with pytest.raises(_dump.DumpError, match="no known format"):
            _dump.identify(str(path))


def test_sql_that_ends_transactions_itself(path: Path) -> None:
    for text, ends in (
        (b"BEGIN;\nINSERT INTO t VALUES (1);\ncommit ;\n", True),
        (b"INSERT INTO t VALUES ('commit');\n", False),
    ):
        path.write_bytes(text)
        assert _dump.read_through(_dump.identify(str(path))).own_transactions is ends


@pytest.mark.skipif(not shutil.which("zstd"), reason="needs the program zstd")
def test_zstandard_frames_are_walked(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(200_000) + bytes(300_000))
    for options in ([], ["--no-check"], ["-19"], ["--stream-size=500000"]):
        packed = subprocess.run(["zstd", "-qc", *options, str(path)], check=True, capture_output=True).stdout
        _archive.check_zstd(io.BytesIO(packed + packed))
        for cut in [*range(1, 20), *range(20, len(packed), 997), len(packed) - 1]:
            with pytest.raises(_archive.CutOff):
                _archive.check_zstd(io.BytesIO(packed[:cut]))


def test_lz4_frames_are_walked() -> None:
    # Frame with a content size, one stored block of 5 bytes, the end mark and a checksum (LZ4 frame format 1.6).
    frame = b"\x04\x22\x4d\x18\x6c\x40" + (5).to_bytes(8, "little") + b"\0" + b"\x05\0\0\x80hello" + bytes(4) + b"sum!"
    _archive.check_lz4(io.BytesIO(frame + frame))
    for cut in range(1, len(frame)):
        with pytest.raises(_archive.CutOff):
            _archive.check_lz4(io.BytesIO(frame[:cut]))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_dump_that_this_user_may_not_read(path: Path) -> None:
    path.write_bytes(PLAIN)
    path.chmod(0o600)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setuid(65534)
        try:
            _dump.identify(str(path))
        except _dump.DumpError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert "cannot be read by the user" in os.read(reading, 10000).decode()


def _entry(kind: str, schema: str, name: str) -> _archive.Entry:
    return _archive.Entry(1, kind, schema, name, "", kind == "TABLE DATA", "", "", "")


ARCHIVE = _archive.Archive(
    "shop",
    "16.4",
    "16.4",
    tuple(
        _entry(kind, schema, name)
        for schema, name in (("public", "orders"), ("public", "Order lines"), ("old", "orders"), ("public", "a*b"))
        for kind in ("TABLE", "TABLE DATA", "INDEX", "SEQUENCE SET")
    ),
)


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
    chosen = _dump.select_tables(ARCHIVE, patterns, True)
    assert [entry.full_name for entry in chosen] == names
    assert {entry.kind for entry in chosen} == {"TABLE DATA"}
    assert {entry.kind for entry in _dump.select_tables(ARCHIVE, patterns, False)} == {
        "TABLE",
        "TABLE DATA",
        "SEQUENCE SET",
    }


@pytest.mark.parametrize("patterns", [["order lines"], ["orders", "missing"], ["x*"], ["*", "!*"]])
def test_patterns_that_match_nothing(patterns: list[str]) -> None:
    with pytest.raises(_dump.DumpError, match="tables: "):
        _dump.select_tables(ARCHIVE, patterns, True)


@pytest.mark.parametrize(
    ("text", "version", "restrict"),
    [
        ("psql (PostgreSQL) 18.4", (18, 4), True),
        ("psql (PostgreSQL) 18beta1", (18, 0), True),
        ("pg_restore (PostgreSQL) 17.5 (Debian 17.5-1)", (17, 5), False),
        ("psql (PostgreSQL) 17.6", (17, 6), True),
        ("psql (PostgreSQL) 16.9", (16, 9), False),
        ("psql (PostgreSQL) 13.22", (13, 22), True),
        ("psql (PostgreSQL) 12.22", (12, 22), False),
        ("16.4", (16, 4), False),
        ("", (0, 0), False),
    ],
)
def test_versions(text: str, version: tuple[int, int], restrict: bool) -> None:
    assert _programs.version_of(text) == version
    assert _programs.knows_restrict(version) is restrict


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [("UTF8", "utf-8"), ("LATIN1", "iso8859-1"), ("LATIN9", "iso8859-15"), ("WIN1252", "cp1252"), ("EUC_JP", "euc_jp")]
    + [
        ("ISO_8859_5", "iso8859-5"),
        ("KOI8R", "koi8-r"),
        ("SQL_ASCII", "utf-8"),
        ("", "utf-8"),
        ("MULE_INTERNAL", "utf-8"),
    ],
)
def test_encodings(encoding: str, codec: str) -> None:
    assert _archive.codec_of(encoding) == codec


def test_progress_in_words() -> None:
    assert [_progress.elapsed(seconds) for seconds in (5.9, 90, 3720)] == ["5s", "1m30s", "1h02m"]
    assert [_progress.size(count) for count in (7, 4_400, 5_600_000, 3_400_000_000)] == [
        "7 bytes",
        "4 kB",
        "5.6 MB",
        "3.4 GB",
    ]
    assert _progress.activity('-- x\nCOPY public."a b" (id, "of (it") FROM stdin;') == 'copying public."a b"'
    assert (
        _progress.activity("CREATE UNIQUE INDEX i ON ONLY public.t USING btree (id);") == "creating index i on public.t"
    )
    assert _progress.activity("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);") == (
        "adding constraint t_pkey to public.t"
    )
    assert _progress.activity("INSERT INTO users VALUES ('a secret')") == ""


def _record(settings: str | None = None, comment: str | None = None, superuser: bool = True) -> Record:
    row = {"name": 'o"dd', "comment": comment, "owner": True, "superuser": superuser, "settings": settings}
    return Record.read(lambda _statement: [row])


def test_the_note_in_the_settings() -> None:
    record = _record("search_path=x\npgops_sequences.restored=aa,started-bb,cc\n")
    assert (record.restored, record.started) == (("aa", "cc"), ("bb",))
    assert record.note("bb") == ["""ALTER DATABASE "o""dd" SET "pgops_sequences.restored" = 'aa,cc,bb'"""]
    assert record.note("dd", ended=False)[0].endswith("= 'aa,cc,started-bb,started-dd'")
    assert record.without(lambda fingerprint: fingerprint != "cc").note("ee")[0].endswith("= 'cc,ee'")


def test_the_note_in_the_comment_leaves_the_comment() -> None:
    (first,) = _record(comment="it's ours", superuser=False).note("aa")
    assert first == """COMMENT ON DATABASE "o""dd" IS 'it''s ours\n[pgops_sequences.restored=aa]'"""
    (second,) = _record(comment="it's ours\n[pgops_sequences.restored=aa]", superuser=False).note("bb")
    assert second == """COMMENT ON DATABASE "o""dd" IS 'it''s ours\n[pgops_sequences.restored=aa,bb]'"""
