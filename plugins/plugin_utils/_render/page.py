# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A document in, one HTML page about it out that needs no network and nothing beside it. Pure but for its own parts.

Names from databases are hostile: they reach the page as JSON in which no markup can begin, its script makes text of them and
never markup, and the page's policy runs nothing but that script.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import typing as t
from pathlib import Path

from ansible_collections.pgops.sequences.plugins.plugin_utils._render.verdict import verdict_of

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Document

_PARTS = Path(__file__).with_name("page_parts")
_SCRIPTS = ("base", "draw", "list", "settle", "overview", "cutover", "main")
"""What the page's script is put together from, in this order."""

_SAFE_INTEGER = 2**53 - 1
"""Beyond it JavaScript's numbers are not exact."""

_FIELDS = (
    *("host", "database", "schema", "name", "status", "reasons", "message", "next_value", "furthest_value", "gap"),
    *(
        "percent_used",
        "limit",
        "data_type",
        "start_value",
        "increment",
        "min_value",
        "max_value",
        "cache_size",
        "cycle",
    ),
    *("last_value", "is_called", "columns", "fix", "remedy", "reference", "trend"),
)
_COLUMN_FIELDS = ("schema", "table", "column", "type", "via", "indexed", "furthest_value", "error")

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render_page(document: Document) -> str:
    """Render the page.

    :arg document: as ``docs/report.schema.json`` describes it
    """
    style, script = _part("report.css"), _script()
    summary = document["summary"]
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    counted = ("critical", "unknown", "warning", "healthy", "skipped")
    plain = ", ".join(f"{summary[status]} {status}" for status in counted)
    without_script = (
        f"{summary['hosts']} hosts, {summary['hosts_not_audited']} not audited, {summary['total']} sequences: {plain}."
        " The list of them needs JavaScript, which nothing but this file provides."
    )
    page = _part("report.html")
    for mark, text in (
        ("POLICY", html.escape(policy, quote=True)),
        ("STYLE", style),
        ("SCRIPT", script),
        ("SUMMARY", html.escape(without_script)),
        # The last, as it may hold anything.
        ("DATA", _data(document)),
    ):
        page = page.replace(f"@{mark}@", text, 1)
    return page


def _data(document: Document) -> str:
    rows = [
        [
            [[column[name] for name in _COLUMN_FIELDS] for column in sequence["columns"]]
            if name == "columns"
            else sequence.get(name)
            for name in _FIELDS
        ]
        for sequence in document["sequences"]
    ]
    slim = {name: value for name, value in document.items() if name != "sequences"}
    slim["verdict"] = verdict_of(document).partition(": ")[2]
    text = json.dumps(_exact({**slim, "fields": _FIELDS, "rows": rows}), separators=(",", ":"))
    for letter, escape in _ESCAPED.items():
        text = text.replace(letter, escape)
    return text


def _exact(value: t.Any) -> t.Any:
    """Integers that JavaScript would round become text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -_SAFE_INTEGER <= value <= _SAFE_INTEGER else str(value)
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(each) for each in value]
    return value


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@functools.cache
def _script() -> str:
    parts = "\n".join(_part(f"{name}.js") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


@functools.cache
def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")
