# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Texts of triggers' functions in, the columns that they give the numbers of sequences out. They are read, never run.

Pure: no SQL, no Ansible.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.pgops.sequences.plugins.module_utils._model import Key, Trigger

    Name = tuple[str, ...]

# The texts are anybody's: whatever is in one, each part of it is looked at a bounded number of times.
_COMMENT = re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)", re.S)
_NAME = r'(?:"(?:[^"]|""){1,63}"|[\w$]{1,63})'
_PART = re.compile(r'"((?:[^"]|"")+)"|([\w$]+)')
_DRAWN = re.compile(
    rf"""nextval\s*\(\s*'\s*({_NAME}(?:\s*\.\s*{_NAME})?)\s*'|(?<![\w$"])({_NAME}(?:\.{_NAME})?)\.nextval\b""", re.I
)
_ASSIGNED = re.compile(rf"\bnew\.({_NAME})\s*:?=|\binto\s+(?:strict\s+)?new\.({_NAME})", re.I)


def drawn_by(triggers: Iterable[Trigger]) -> dict[Name, list[Key]]:
    """Columns that triggers assign whose functions draw, by the names that are told there, in lower case.

    :returns: by (name) or (schema, name). What is assigned in the statement that draws counts before what is assigned
        anywhere in the function
    """
    found: dict[Name, list[Key]] = {}
    texts: dict[str, dict[Name, set[str]]] = {}
    for trigger in triggers:
        if trigger.source not in texts:
            texts[trigger.source] = _assigned(trigger.source)
        for name, columns in texts[trigger.source].items():
            found.setdefault(name, []).extend(key for key in trigger.keys if key.column.lower() in columns)
    return found


def _assigned(source: str) -> dict[Name, set[str]]:
    """The columns that a function assigns, by the sequences that it draws from."""
    text = _COMMENT.sub(" ", source)
    anywhere = _columns(text)
    near: dict[Name, set[str]] = {}
    for statement in text.split(";"):
        for one, other in _DRAWN.findall(statement):
            near.setdefault(_parts(one or other), set()).update(_columns(statement))
    return {name: columns or anywhere for name, columns in near.items()}


def _columns(text: str) -> set[str]:
    return {_parts(one or other)[0] for one, other in _ASSIGNED.findall(text)}


def _parts(name: str) -> Name:
    return tuple((quoted.replace('""', '"') or plain).lower() for quoted, plain in _PART.findall(name))
