# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What is there now and what was told before in, what is news out: new, changed, over, to be reminded of. Pure.

The one place of that for mail, webhook and event source. The last of them loads this file by its path, so that it imports
nothing of the collection.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Kept(t.NamedTuple):
    """What is remembered of something that was told.

    :ivar state: what it was then; another one is news
    :ivar told: when it was told last, in seconds of one clock
    :ivar facts: what a later run must know to say whether it looked at the same again
    """

    state: str
    told: float
    facts: Mapping[str, t.Any]


class News(t.NamedTuple):
    """What is to be told, as keys.

    :ivar new: not told before
    :ivar changed: told before, and something else now
    :ivar due: told before, the same now, and long ago
    :ivar over: told before, looked at again, and found well
    """

    new: list[str]
    changed: list[str]
    due: list[str]
    over: list[str]

    def __bool__(self) -> bool:
        return any(self)


def compare(
    memory: Mapping[str, Kept],
    now: Mapping[str, str],
    is_over: Callable[[str, Kept], bool],
    at: float,
    remind: float,
) -> News:
    """Find what is news.

    :arg memory: what was told, by key
    :arg now: the state of all there is now, by key
    :arg is_over: whether what is not there any more was looked at again, on the same server and no less closely. What was
        not is neither over nor forgotten
    :arg at: the time, by the clock of ``memory``
    :arg remind: seconds after which something is told again; 0 for never
    """
    new = [key for key in now if key not in memory]
    changed = [key for key, state in now.items() if key in memory and memory[key].state != state]
    same = [key for key, state in now.items() if key in memory and memory[key].state == state]
    # A clock that was wrong once must not silence anything until then.
    due = [key for key in same if remind and not 0 <= at - memory[key].told < remind]
    over = [key for key, kept in memory.items() if key not in now and is_over(key, kept)]
    return News(new, changed, due, over)


def remember(
    memory: Mapping[str, Kept], told: Mapping[str, Kept], over: list[str], at: float, longest: float
) -> dict[str, Kept]:
    """What is to be kept once news was told.

    :arg told: what was told just now, by key
    :arg over: what is to be forgotten
    :arg longest: seconds after which what nobody looked at again is forgotten; that is never told as over
    """
    kept = {key: each for key, each in memory.items() if key not in over and at - each.told < longest}
    return {**kept, **told}
