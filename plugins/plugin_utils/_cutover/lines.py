# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What was seen of two servers in, what is to be said of a cut-over out: facts, and the lines that people read. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.seen import (
    count_of,
    facts_of,
    key_of,
    name_of,
    server_words,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.verdict import (
    Reason,
    caveats_of,
    reasons_of,
    steps_of,
    stopped_steps,
    verdict_of,
    waiting,
)
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import visible

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.seen import Seen

    Result = Mapping[str, t.Any]

_MOST = 20
"""How many of each are told; a report has all."""

_CANNOT_BE_SEEN = (
    "what nobody can see from here: values that sessions and applications hold in memory (CACHE, pooled ids), transactions of the"
    " source that were not committed, and ids that are made outside the database"
)


def told(seen: Seen, stopped: str = "") -> dict[str, t.Any]:
    """What is to be said of a cut-over: facts for machines, lines and verdict for people.

    :arg stopped: why it did not come to its end, if it did not
    """
    if not seen.readings:
        return {"switchable": False, "verdict": None, "reasons": [], "hard": False, "lines": []}
    facts = facts_of(seen)
    # What was not looked at to the end is not judged.
    reasons = [Reason(stopped, "")] if stopped else reasons_of(seen)
    texts = [reason.text for reason in reasons]
    steps = stopped_steps(seen) if stopped else steps_of(seen, reasons)
    verdict = verdict_of(seen, reasons)
    facts.update(
        reasons=texts,
        hard=any(reason.hard for reason in reasons),
        switchable=not reasons and not seen.check_mode,
        verdict=verdict,
    )
    return {**facts, "lines": [*_lines(seen, facts), *_end(seen, facts, steps)]}


def _lines(seen: Seen, facts: Result) -> Iterator[str]:
    activity = seen.now.activity or {}
    yield f"source: {f'the file {visible(seen.file)}' if seen.file else server_words(facts['source'], activity)}"
    yield f"target: {server_words(facts['target'], seen.before.get('activity') or {})}"
    yield from _of_source(seen)
    for one in facts["subscriptions"]:
        lag = "its lag is not known from here" if one["lag_bytes"] is None else f"{one['lag_bytes']} bytes behind"
        ready = f", not ready: {', '.join(map(visible, one['not_ready'][:5]))}" if one["not_ready"] else ""
        state = "enabled" if one["enabled"] else "switched off"
        kept = f", {one['sequences']} sequences" if one.get("sequences") else ""
        kept += f", not synchronized: {', '.join(map(visible, one['not_synchronized'][:5]))}" if waiting(one) else ""
        name = f"{visible(one['name'])} in {visible(one['database'])}"
        yield f"subscription {name}: {state}, {lag}, {one['tables']} tables{ready}{kept}"
    if not facts["comparison"]:
        return
    yield from _counts(seen, facts)
    yield from _first([_move(seen, change) for change in seen.fixed.get("changes", [])])
    yield from _first(list(_left(seen)))
    yield from _first([_missing(one) for one in facts["only_on_source"]])
    lost = facts["lost_databases"].items()
    yield from _first([f"only on the source: database {visible(name)}, {number} sequences" for name, number in lost])
    yield from _first([f"only on the target: {name_of(one)}" for one in facts["only_on_target"]])
    yield from _of_definitions(seen)
    yield from _first(list(_ahead(seen)))


def _end(seen: Seen, facts: Result, steps: list[str]) -> Iterator[str]:
    """Verdict and next steps, a line each."""
    if seen.fixed:
        yield _CANNOT_BE_SEEN
    reasons = facts["reasons"]
    if len(reasons) > 1:
        yield "verdict: not yet, because"
        yield from (f"  - {visible(reason)}" for reason in reasons)
    else:
        yield f"verdict: {visible(facts['verdict'])}"
    if reasons and seen.fixed and not seen.check_mode:
        yield from (f"  - also: {visible(caveat)}" for caveat in caveats_of(seen))
    if len(steps) == 1:
        yield f"next: {steps[0]}"
    else:
        yield "next:"
        yield from (f"  {number}. {step}" for number, step in enumerate(steps, 1))


def _of_source(seen: Seen) -> Iterator[str]:
    if seen.file:
        yield "whether the source stands still is not known: a file stands for it"
        return
    activity = seen.now.activity or {}
    still = seen.still_written()
    if still:
        yield f"the source is still written to: {visible(still)}"
    elif len(seen.readings) > 1:
        yield f"the source stood still over {len(seen.readings)} readings"
    else:
        yield "the source was read once"
    if not activity.get("sees_all_writers"):
        role = visible(activity.get("role") or "the role that reads it")
        yield f"who else writes there is not seen. Remedy, there: GRANT pg_read_all_stats TO {role};"
    if activity.get("read_only"):
        yield "default_transaction_read_only is on there: a default, any session can override it"
    if seen.now.server.get("in_recovery"):
        yield "the source is a standby: its sequences may show up to 32 values more than the primary's"


def _counts(seen: Seen, facts: Result) -> Iterator[str]:
    """Counts of both sides that add up, as found; and as left, where something was moved."""
    counts = facts["comparison"]
    total = (seen.target.get("summary") or {}).get("total", 0)
    yield f"sequences on the source: {counts['given']}, on the target: {total}, compared: {counts['compared']}"
    rest = [
        f"only on the source: {len(facts['only_on_source'])}",
        f"only on the target: {len(facts['only_on_target'])}",
    ]
    others = {"not_selected": "not selected", "other_databases": "of other databases"}
    rest += [f"{words}: {counts[name]}" for name, words in others.items() if counts[name]]
    yield f"not readable: {counts['unreadable']}, {', '.join(rest)}"
    found = facts["found"] or counts
    yield f"found behind: {found['behind']}, ahead: {found['ahead']}, equal: {found['equal']}, defined otherwise: {found['differs']}"
    if seen.fixed and not seen.check_mode:
        yield f"now behind: {counts['behind']}, ahead: {counts['ahead']}, equal: {counts['equal']}"


def _move(seen: Seen, change: Result) -> str:
    before, after = change["before"]["next_value"], change["after"]["next_value"]
    listed = [*seen.target.get("sequences", []), *seen.before.get("sequences", [])]
    found = next((one for one in listed if key_of(one) == key_of(change)), None)
    left, steps = "", abs(after - before)
    if found:
        step = abs(found["increment"])
        left, steps = f", {max(0, abs(found['limit'] - after) // step + 1)} left", steps // step
    would = "would move" if seen.check_mode else "moved"
    return f"{would} {name_of(change)}: {before} -> {after} ({', '.join(change['reasons'])}; {steps} steps{left})"


def _left(seen: Seen) -> Iterator[str]:
    """What could not be moved, what one remedy settles together."""
    groups: dict[t.Any, list[Result]] = {}
    for one in seen.fixed.get("not_fixed", []):
        groups.setdefault((one["remedy"], *one["reasons"]), []).append(one)
    for several in groups.values():
        one = several[0]
        others = f" and {len(several) - 1} more" if several[1:] else ""
        remedy = f". Remedy: {visible(one['remedy'])}" if one["remedy"] else ""
        yield f"left {name_of(one)}{others}: {visible(one['message'])}{remedy}"


def _missing(one: Result) -> str:
    return f"only on the source: {name_of(one)}. To make it: {visible(one['statement'])}"


def _of_definitions(seen: Seen) -> Iterator[str]:
    """What differs in definition; other owners, which are often all, by pairs."""
    found: list[str] = []
    owners: dict[tuple[str, str], list[Result]] = {}
    for one in (seen.target.get("comparison") or {}).get("defined_otherwise", []):
        parts = []
        for each in one["differences"]:
            if each["what"] == "owner":
                owners.setdefault((each["here"], each["there"]), []).append(one)
            else:
                parts.append(f"{each['what'].replace('_', ' ')} {each['here']} here, {each['there']} there")
        if parts:
            how = f". To make it as there: {visible(one['statement'])}" if one["statement"] else ""
            found.append(f"defined otherwise: {name_of(one)}: {', '.join(parts)}{how}")
    yield from _first(found)
    yield from _first(
        [
            f"owner {visible(here)} here, {visible(there)} there: {count_of(len(several), 'sequence')},"
            f" {name_of(several[0])} first"
            for (here, there), several in owners.items()
        ]
    )


def _ahead(seen: Seen) -> Iterator[str]:
    """What is ahead for no reason that is known."""
    moved = {key_of(change) for change in seen.fixed.get("changes", [])}
    for one in (seen.target.get("comparison") or {}).get("standing_ahead", []):
        if key_of(one) not in moved:
            yield (
                f"ahead: {name_of(one)}: {one['next_value']} here, {one['reference_next_value']} there (in use already, moved"
                " beyond its rows, or an earlier margin)"
            )


def _first(lines: list[str]) -> list[str]:
    left = len(lines) - _MOST
    return (
        lines
        if left <= 0
        else [*lines[:_MOST], f"... and {left} more; -e pg_sequences_report_dir=FOLDER lists them all"]
    )
