# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Patterns and names in, what they take out: shell globs, a leading ``!`` takes away (contract, section 3)."""

from __future__ import annotations

import fnmatch
import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def selected(patterns: Iterable[str], names: Collection[str]) -> bool:
    """Whether any of an object's names is taken by the patterns and not taken away by one that begins with ``!``."""
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    taken = not wanted or any(matches(pattern, name) for pattern in wanted for name in names)
    return taken and not any(matches(pattern, name) for pattern in unwanted for name in names)


def matches(pattern: str, name: str) -> bool:
    """Whether a shell glob fits a real name; a name that holds glob characters fits itself."""
    return pattern == name or fnmatch.fnmatchcase(name, pattern)


def literals(patterns: Iterable[str]) -> list[str]:
    """The patterns that name one thing: without ``!`` in front and without glob characters."""
    return [pattern for pattern in patterns if not pattern.startswith("!") and not re.search(r"[*?\[]", pattern)]


def likely(patterns: Iterable[str]) -> list[str]:
    """LIKE patterns for all that shell globs may take, and for more: by what they begin with."""
    # Beyond ASCII a database may have no way to write it, and then no name that fits.
    wanted = [re.split(r"[*?\[]|[^\x01-\x7f]", pattern)[0] for pattern in patterns if not pattern.startswith("!")]
    # A name that holds glob characters fits itself, and begins as the glob does.
    return [re.sub(r"([\\%_])", r"\\\1", begin) + "%" for begin in wanted] or ["%"]
