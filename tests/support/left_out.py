# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests leave out because this machine has not got something, told to ``make test`` by a file of lines."""

from __future__ import annotations

import collections
import json
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

# What a version of PostgreSQL does not have is nobody's fault; any other reason for a skip lies in the machine.
_BY_SERVER = re.compile(r"needs (an older )?PostgreSQL\b")

NEXT = "not released yet, and not to be had here: "
"""What a reason says of a version that comes next: that it is missing is told, and is no failure anywhere."""


def tell_skips(reasons: Iterable[str]) -> None:
    """Tell of tests that were skipped, unless by the server's version."""
    counts = collections.Counter(reason for reason in reasons if not _BY_SERVER.match(reason))
    for reason, tests in counts.items():
        _tell({"reason": reason, "what": "test", "count": tests})


def tell_versions(reasons: Iterable[str]) -> None:
    """Tell of versions of PostgreSQL that nothing was tested on."""
    for reason in reasons:
        _tell({"reason": reason, "what": "version", "count": 1})


def tell_part(reason: str) -> None:
    """Tell that a test that goes on leaves out a part of itself."""
    if not _tell({"reason": reason, "what": "part of a test", "count": 1}):
        warnings.warn(f"a part of this test was left out: {reason}", stacklevel=2)


def _tell(line: dict[str, str | int]) -> bool:
    path = os.environ.get("PGOPS_LEFT_OUT")
    if path:
        with Path(path).open("a") as lines:
            print(json.dumps(line), file=lines)
    return bool(path)


def read(path: Path) -> list[str]:
    """What all runs of pytest told, a line for each reason."""
    if not path.exists():
        return []
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for line in path.read_text().splitlines():
        told = json.loads(line)
        counts[told["reason"], told["what"]] += told["count"]
    return [f"{count} {_plural(what, count)}: {reason}" for (reason, what), count in sorted(counts.items())]


def is_excused(line: str) -> bool:
    """Whether a line of :func:`read` is of what nobody has to have."""
    return NEXT in line


def _plural(what: str, count: int) -> str:
    first, space, rest = what.partition(" ")
    return what if count == 1 else f"{first}s{space}{rest}"
