# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""Names of variables in, in a sentence which of them cannot be meant out. Pure."""

from __future__ import annotations

import difflib
import functools
import re
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from ansible_collections.pgops.sequences.plugins.plugin_utils._settings.variables import PREFIX

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LIKE = ("pgseq", "pgseqs", "sequences", "postgressequences", "postgresqlsequences", "postgresseq", "postgresqlseq")
_ALIKE = 0.85
"""What is taken for the prefix, without underscores: some words, and what is that much like it."""

_SERIAL = re.compile(r"\[?[ '\"]*[0-9]+%?[ '\"]*(,[ '\"]*[0-9]+%?[ '\"]*)*\]?")


class SettingsError(Exception):
    """Variables that cannot be meant; the text names them and says what would be right."""


def refuse_unknown(names: Iterable[str]) -> None:
    """Refuse names that begin as the role's do, or nearly so, and are none of them.

    :raises SettingsError: there are some; it names the nearest of the role's
    """
    wrong = []
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in _variables.KNOWN and name not in _variables.RESULTS:
            nearest = difflib.get_close_matches(name, _variables.KNOWN, 1, 0)[0]
            wrong.append(f"there is no variable {name}; did you mean {nearest}?")
        elif not name.startswith(PREFIX) and (near := _meant_by(name)):
            wrong.append(f"there is no variable {name}; did you mean {near}?")
    if wrong:
        raise SettingsError(f"{' '.join(word[0].upper() + word[1:] for word in wrong)} Nothing was done")


@functools.cache
def _meant_by(name: str) -> str | None:
    """The variable of ours that a name without our prefix is meant for; None where it is somebody else's.

    The prefix is compared apart from the rest, since a short name after a wrong prefix looks like nothing of ours as a whole.
    """
    low = name.lower()
    if low.startswith("__") or not re.match(r"_?(pg|gp|postgres|seq)", low):
        return None
    if re.match(r"_?pg_?seq", low) and (near := difflib.get_close_matches(low, _variables.KNOWN, 1, 0.92)):
        return near[0]
    for place in re.finditer("_+", low.removeprefix("_")):
        head = low.removeprefix("_")[: place.start()].replace("_", "")
        rest = low.removeprefix("_")[place.end() :]
        if f"{PREFIX}{rest}" not in _variables.KNOWN:
            continue
        if head in _LIKE or difflib.SequenceMatcher(None, head, "pgsequences").ratio() >= _ALIKE:
            return f"{PREFIX}{rest}"
    return None


def refuse_serial(value: t.Any) -> None:
    """Refuse what no play can go by; the playbooks take all hosts at once then, and come to this sentence.

    :raises SettingsError: it is none
    """
    text = "" if value is None else str(value)
    if text and "{{" not in text and not _SERIAL.fullmatch(text):
        raise SettingsError(
            f"pg_sequences_serial is {text}; it is a number of hosts, a percentage such as 25%, or a list of them. Nothing was done"
        )


def refuse_from_outside(extra: Mapping[str, t.Any]) -> None:
    """Refuse extra variables that would hold in place of what the roles set themselves.

    :arg extra: the variables of the command line
    :raises SettingsError: there are some
    """
    known = {name: spec for name, spec in _variables.KNOWN.items() if name not in _variables.INSIDE}
    for name in _variables.INSIDE:
        if name in extra:
            nearest = difflib.get_close_matches(name, known, 1, 0)[0]
            raise SettingsError(
                f"There is no variable {name} to be set from outside; did you mean {nearest}? Nothing was done"
            )
