# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Break the judging rules one at a time, in a copy, and see whether the unit tests notice.

As a program: ``mutation.py [WORD...]``, only those whose name holds one of the words. Exit code 1 if one survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = Path("ansible_collections", "pgops", "sequences", "plugins")
TESTS = [f"tests/unit/plugins/module_utils/test_{name}.py" for name in ("judge", "reference")]


class Mutation(NamedTuple):
    """A rule that is broken: in one file, the only place where one text stands is given another."""

    name: str
    file: str
    old: str
    new: str


MUTATIONS = [
    Mutation(
        "reference: equal is behind",
        "_judge/by_reference.py",
        "return entry.next_value - 1 if sequence.ascending",
        "return entry.next_value if sequence.ascending",
    ),
    Mutation(
        "reference: descending ignored",
        "_judge/by_reference.py",
        "else entry.next_value + 1",
        "else entry.next_value - 1",
    ),
    Mutation(
        "reference: rows forgotten",
        "_judge/by_reference.py",
        "further = _further(sequence, covered(observation), reference)",
        "further = reference",
    ),
    Mutation(
        "reference: never behind",
        "_judge/by_reference.py",
        '*["behind_reference"] * behind',
        '*["behind_reference"] * False',
    ),
    Mutation(
        "reference: bound dropped",
        "_judge/moves.py",
        "covered(observation) if verdict.bound is None else verdict.bound",
        "covered(observation)",
    ),
    Mutation(
        "reference: unread passes for equal",
        "_judge/by_reference.py",
        "    if entry.state is None:\n",
        "    if False:\n",
    ),
    Mutation(
        "reference: other direction compared",
        "_reference/differences.py",
        "return (sequence.increment > 0) == (entry.increment > 0)",
        "return True",
    ),
    Mutation(
        "reference: phase not compared", "_reference/differences.py", "        if here != there:", "        if False:"
    ),
    Mutation("subscribed: moved all the same", "_judge/moves.py", "if policy.leave_subscribed and", "if False and"),
    Mutation(
        "subscribed: what waits passes for set",
        "_model.py",
        "return self.keeps and self.state != READY",
        "return False",
    ),
    Mutation(
        "subscribed: a table's copy passes for a sequence's", "_model.py", "return self.keeps and self", "return self"
    ),
    Mutation("reach: oid signed", "_limits.py", "Reach(0, 2**32 - 1)", "Reach(-(2**31), 2**31 - 1)"),
    Mutation("subscribed: also when disabled", "_judge/moves.py", "and sequence.subscription.enabled:", ":"),
    Mutation(
        "next value: is_called ignored", "_model.py", "+ increment if self.is_called else", "+ increment if True else"
    ),
    Mutation("reach: column type ignored", "_model.py", "for limits in column_limits(column):", "for limits in ():"),
    Mutation(
        "reach: first column only",
        "_model.py",
        "for limits in column_limits(column):",
        "for limits in column_limits(self.columns[0]):",
    ),
    Mutation("reach: lower end not cut", "_model.py", "max(lowest, limits.lowest + down), min", "lowest, min"),
    Mutation("reach: upper end not cut", "_model.py", "min(highest, limits.highest - up)", "highest"),
    Mutation(
        "reach: end excluded",
        "_limits.py",
        "self.lowest <= value <= self.highest",
        "self.lowest <= value < self.highest",
    ),
    Mutation("reach: smallint unsigned", "_limits.py", "Reach(-(2**15), 2**15 - 1)", "Reach(-(2**15), 2**16 - 1)"),
    Mutation("reach: integer one too many", "_limits.py", "2**31 - 1)", "2**31)"),
    Mutation("reach: float as bigint", "_limits.py", "Reach(-(2**53), 2**53)", "Reach(-(2**63), 2**63 - 1)"),
    Mutation("reach: scale ignored", "_limits.py", "precision - scale)", "precision)"),
    Mutation("reach: negative scale taken", "_limits.py", "if scale < 0:", "if scale < -2000:"),
    Mutation("reach: casts ignored", "_limits.py", "*map(_cast_limits, casts)]", "]"),
    Mutation(
        "reach: cut by transformed columns",
        "_model.py",
        "    if column.transformed or column.mapping",
        "    if column.mapping",
    ),
    Mutation("column: transformed default compared", "_model.py", "return not column.transformed and", "return"),
    Mutation("behind: equal is not behind", "_judge/targets.py", "return value > found if", "return value >= found if"),
    Mutation(
        "behind: descending equal is not behind", "_judge/targets.py", "else value < found", "else value <= found"
    ),
    Mutation(
        "behind: descending ignored",
        "_judge/targets.py",
        "value > found if sequence.ascending else value < found",
        "value > found",
    ),
    Mutation(
        "furthest: descending ignored",
        "_judge/targets.py",
        "max(values) if observation.sequence.ascending else min(values)",
        "max(values)",
    ),
    Mutation(
        "furthest: first column only",
        "_judge/targets.py",
        "    return max(values) if observation.sequence.ascending",
        "    return values[0] if observation.sequence.ascending",
    ),
    Mutation("exhausted: never", "_judge/verdict.py", "exhausted = next_value not in reach", "exhausted = False"),
    Mutation(
        "exhausted: only by MAXVALUE",
        "_judge/verdict.py",
        "exhausted = next_value not in reach",
        "exhausted = next_value > sequence.max_value",
    ),
    Mutation("no_room: never", "_judge/verdict.py", "room = target in reach", "room = True"),
    Mutation(
        "target: phase dropped upward",
        "_judge/targets.py",
        "return bound + (next_value - bound) % step",
        "return bound",
    ),
    Mutation(
        "target: phase dropped downward",
        "_judge/targets.py",
        "return bound - (bound - next_value) % step",
        "return bound",
    ),
    Mutation(
        "target: phase of START",
        "_judge/targets.py",
        "bound + (next_value - bound) % step",
        "bound + (sequence.start_value - bound) % step",
    ),
    Mutation("target: one too far", "_judge/targets.py", "found + margin + 1)", "found + margin + 2)"),
    Mutation("target: the furthest itself", "_judge/targets.py", "found + margin + 1)", "found + margin)"),
    Mutation("target: margin ignored upward", "_judge/targets.py", "found + margin + 1)", "found + 1)"),
    Mutation("target: margin ignored downward", "_judge/targets.py", "found - margin - 1)", "found - 1)"),
    Mutation(
        "target: below the reach",
        "_judge/targets.py",
        "reach.lowest if found is None",
        "sequence.min_value if found is None",
    ),
    Mutation(
        "target: above the reach",
        "_judge/targets.py",
        "reach.highest if found is None",
        "sequence.max_value if found is None",
    ),
    Mutation(
        "target: backward",
        "_judge/verdict.py",
        "advances = room and beyond(sequence, target, next_value)",
        "advances = room",
    ),
    Mutation("gap: threshold included", "_judge/verdict.py", "gap > thresholds.gap)", "gap >= thresholds.gap)"),
    Mutation(
        "gap: counted in values",
        "_judge/targets.py",
        "(abs(next_value - found) - 1) // abs(sequence.increment)",
        "abs(next_value - found) - 1",
    ),
    Mutation(
        "gap: one too many", "_judge/targets.py", "(abs(next_value - found) - 1) //", "abs(next_value - found) //"
    ),
    Mutation(
        "near_limit: threshold excluded",
        "_judge/verdict.py",
        "used >= thresholds.near_limit",
        "used > thresholds.near_limit",
    ),
    Mutation(
        "percent_used: uncalled counts",
        "_judge/targets.py",
        "if not behind and not state.is_called and state.last_value == sequence.start_value:",
        "if False:",
    ),
    Mutation(
        "percent_used: of the sequence, not the reach",
        "_judge/targets.py",
        "(reach.highest - ahead) // step + 1\n    else",
        "(sequence.max_value - ahead) // step + 1\n    else",
    ),
    Mutation("out_of_bounds: not told", "_judge/verdict.py", "* outside", "* False"),
    Mutation(
        "unknown: beats critical",
        "_judge/verdict.py",
        "    if critical:\n        status",
        "    if critical and not unread:\n        status",
    ),
    Mutation("unknown: called healthy", "_judge/verdict.py", "    elif unread:\n", "    elif False:\n"),
    Mutation("skipped: cycle judged", "_judge/verdict.py", 'return "cycle" if sequence.cycle else None', "return None"),
    Mutation("skipped: extension judged", "_judge/verdict.py", "    if sequence.left_out:\n", "    if False:\n"),
    Mutation("skipped: system judged", "_judge/verdict.py", "if sequence.left_out and sequence.system:", "if False:"),
    Mutation("realign: over unread columns", "_judge/moves.py", "if state is None or unread or", "if state is None or"),
    Mutation(
        "realign: empty stays",
        "_judge/moves.py",
        "wanted = sequence.start_value if sequence.start_value in sequence.reach else",
        "wanted = next_value if True else",
    ),
    Mutation(
        "realign: to a START that cannot be stored",
        "_judge/moves.py",
        "sequence.start_value if sequence.start_value in sequence.reach else next_value",
        "sequence.start_value",
    ),
    Mutation("max_jump: one too short", "_judge/moves.py", "jump > policy.max_jump", "jump >= policy.max_jump"),
    Mutation("max_jump: ignored", "_judge/moves.py", "if policy.max_jump and", "if False and"),
    Mutation("lock_tables: ignored", "_judge/moves.py", "if policy.lock_tables and unlockable:", "if False:"),
    Mutation("stepped: backward", "_judge/moves.py", "and forward and", "and"),
    Mutation("stepped: any distance", "_judge/moves.py", "and jump // abs(sequence.increment) <= MOST_STEPS", ""),
    Mutation("stepped: without privilege", "_judge/moves.py", "if (sequence.can_use or sequence.can_update) and", "if"),
    Mutation(
        "stepped: cache ignored", "_judge/targets.py", "blocks = -(-calls // sequence.cache_size)", "blocks = calls"
    ),
    Mutation(
        "locked: without ownership",
        "_judge/moves.py",
        "if sequence.owned and sequence.can_update:",
        "if sequence.can_update:",
    ),
    Mutation(
        "state: outside the bounds",
        "_judge/targets.py",
        "if sequence.min_value <= before <= sequence.max_value:",
        "if True:",
    ),
    Mutation(
        "plan: an owner without UPDATE sets",
        "_judge/moves.py",
        "if sequence.owned and sequence.can_update:",
        "if sequence.owned:",
    ),
    Mutation("pooled: as single", "_judge/targets.py", "== POOLED else 0", "== 'no such' else 0"),
    Mutation(
        "pooled: one too few",
        "_judge/targets.py",
        "    block = abs(sequence.increment) - 1\n",
        "    block = abs(sequence.increment) - 2\n",
    ),
    Mutation(
        "pooled: every draw alone",
        "_judge/targets.py",
        "return next_value == sequence.start_value and not",
        "return not",
    ),
    Mutation(
        "pooled: the first draw never alone",
        "_judge/verdict.py",
        "return not (stands_alone(sequence, next_value) and",
        "return not (False and",
    ),
    Mutation("pooled_lo: need not fit", "_model.py", "block = abs(self.increment) - 1 if", "block = 0 if"),
    Mutation("range: minimum ignored", "_model.py", "max(lowest, minimum)", "lowest"),
    Mutation("range: maximum ignored", "_model.py", "min(highest, maximum)", "highest"),
    Mutation(
        "range: before it is exhausted",
        "_judge/verdict.py",
        "short = _is_before_its_range(sequence, next_value)",
        "short = False",
    ),
    Mutation(
        "wrapped: threshold included",
        "_judge/verdict.py",
        "wrapped = left > thresholds.gap",
        "wrapped = left >= thresholds.gap",
    ),
    Mutation(
        "wrapped: over rows not looked at", "_judge/verdict.py", "if ahead is None or unasked or", "if ahead is None or"
    ),
    Mutation("suspected: always a warning", "_judge/verdict.py", "if guess and is_certain(guess):", "if guess:"),
    Mutation("suspected: also where it is ahead", "_judge/verdict.py", 'if "behind" not in inner.reasons or', "if"),
    Mutation("suspected: times and snowflakes", "_judge/verdict.py", "if abs(found) > _FAR and", "if False and"),
    Mutation("suspected: a left-over too", "_judge/verdict.py", "if guess.rivals:", "if False:"),
    Mutation("suspected: hilo too", "_judge/verdict.py", "return hilo_factor(observation) is None", "return True"),
    Mutation(
        "suspected: another schema as certain",
        "_suspect/suspicion.py",
        'f"{guess.certainty}, of another schema"',
        "guess.certainty",
    ),
    Mutation(
        "suspected: the first of two",
        "_suspect/suspicion.py",
        "if len(keys) == 1 else Guess(certainty, (), tuple(keys))",
        "if keys else Guess(certainty, (), ())",
    ),
    Mutation(
        "suspected: signals",
        "_suspect/suspicion.py",
        "if not (one.cycle or _SIGNALS.search(one.name.lower()))",
        "if not one.cycle",
    ),
]


def survives(mutation: Mutation, tree: Path) -> bool:
    """Break one rule in the tree, run the tests on it, mend it; whether no test failed.

    Raises:
        SystemExit: the tests could not run.
    """
    path = tree / PLUGINS / "module_utils" / mutation.file
    sound = path.read_text()
    if sound.count(mutation.old) != 1:
        raise SystemExit(
            f"{mutation.name}: {mutation.old!r} stands {sound.count(mutation.old)} times in {mutation.file}"
        )
    path.write_text(sound.replace(mutation.old, mutation.new))
    try:
        return passes(tree)
    finally:
        path.write_text(sound)


def check_up_to_date(mutations: list[Mutation]) -> None:
    """Check that the code still has what is to be broken.

    Raises:
        SystemExit: a text does not stand exactly once in its file.
    """
    for mutation in mutations:
        count = (ROOT / "plugins" / "module_utils" / mutation.file).read_text().count(mutation.old)
        if count != 1:
            raise SystemExit(f"{mutation.name}: {mutation.old!r} stands {count} times in {mutation.file}")


def passes(tree: Path) -> bool:
    """Whether the unit tests pass on the collection in a tree."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *TESTS, "-x", "-q", "--tb=no"]
        + ["-o", f"pythonpath=tests {tree}", "-o", f"cache_dir={tree / 'cache'}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"the tests could not run:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def main(words: list[str]) -> int:
    """Try the mutations whose names hold one of the words, or all; return the exit code."""
    chosen = [mutation for mutation in MUTATIONS if not words or any(word in mutation.name for word in words)]
    check_up_to_date(chosen)
    with tempfile.TemporaryDirectory(prefix="pgops-mutation-") as scratch:
        tree = Path(scratch)
        shutil.copytree(ROOT / "plugins", tree / PLUGINS, ignore=shutil.ignore_patterns("__pycache__"))
        if not passes(tree):
            raise SystemExit("the tests fail without any mutation")
        survivors = 0
        for mutation in chosen:
            survived = survives(mutation, tree)
            survivors += survived
            print(f"{'SURVIVED' if survived else 'caught  '} {mutation.name}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} caught")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
