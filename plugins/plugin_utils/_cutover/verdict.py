# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What was seen of two servers in, the verdict on a cut-over out: why not yet, and the next command for each reason. Pure."""

from __future__ import annotations

import shlex
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import readable
from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.seen import are, count_of, key_of, name_of
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import visible

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.seen import Seen

    Result = Mapping[str, t.Any]


_ALL_ONE = frozenset({"cache_size", "owner", "phase"})
"""Differences that do not keep PostgreSQL from copying a sequence."""


class Reason(t.NamedTuple):
    """Why it may not be switched yet.

    :ivar text: the reason
    :ivar step: what settles it; empty where the same run does
    :ivar hard: whether a run could not settle it by itself
    """

    text: str
    step: str
    hard: bool = True


def reasons_of(seen: Seen) -> list[Reason]:
    """Why it may not be switched yet; none where it may."""
    of_subscriptions = [*_of_subscriptions(seen), *_of_synchronization(seen)]
    return [*_of_sequences(seen), *_of_databases(seen), *_of_source(seen), *of_subscriptions]


def caveats_of(seen: Seen) -> list[str]:
    """What a verdict cannot vouch for, and says so."""
    found = []
    if seen.file:
        found.append("whether the source stands still is not known")
    elif seen.may_move and seen.still_written():
        found.append("the source is still written to: run it again once that has stopped")
    elif not (seen.now.activity or {}).get("sees_all_writers"):
        found.append("who else writes to the source is not seen")
    unknown = [one["name"] for one in seen.subscriptions() if one["enabled"] and one["lag_bytes"] is None]
    if unknown:
        found.append(
            f"how far {'the subscription' if len(unknown) == 1 else 'the subscriptions'} {', '.join(unknown)} lag"
            f"{'s' if len(unknown) == 1 else ''} is not known from here"
        )
    return found


def verdict_of(seen: Seen, reasons: list[Reason]) -> str:
    """The verdict, in one sentence."""
    if reasons:
        return f"not yet, because {'; '.join(reason.text for reason in reasons)}"
    counts = seen.target.get("comparison") or {}
    moved = len(seen.fixed.get("changes", []))
    kept = f"{count_of(counts.get('compared', 0), 'sequence')} compared, none behind the source, {moved} moved"
    if seen.check_mode:
        return f"a run would find nothing to move: {kept}"
    but = "".join(f"; but {caveat}" for caveat in caveats_of(seen))
    return f"may be switched: {kept}, verified in a new session{but}"


def steps_of(seen: Seen, reasons: list[Reason]) -> list[str]:
    """What is to be done next, in order."""
    if reasons:
        steps = list(dict.fromkeys(reason.step for reason in reasons if reason.step))
        again = (
            "to move them" if seen.check_mode and not steps else "run it again; what was moved stays, nothing goes back"
        )
        return [*steps, f"{again}: {seen.command}"]
    if seen.check_mode:
        return ["stop what writes to the source", f"run it without --check: {seen.command}"]
    steps = [
        f"in {visible(one['database'])} of the target: ALTER SUBSCRIPTION {_quoted(one['name'])} DISABLE;{_no_refresh(one)}"
        for one in seen.subscriptions()
        # One that another server feeds is none of this.
        if one["enabled"] and one["lag_bytes"] is not None
    ]
    steps += [
        f"in {visible(one['database'])} of the target: DROP SUBSCRIPTION {_quoted(one['name'])}; enabled again it would set"
        f" {count_of(len(one['not_synchronized']), 'sequence')} to the source's values, also backward"
        for one in seen.subscriptions()
        if not one["enabled"] and waiting(one)
    ]
    steps.append("let the clients connect to the target, with new connections")
    steps.append("for the way back: the same with source and target swapped, before anything replicates back")
    return steps


def stopped_steps(seen: Seen) -> list[str]:
    """What is to be done next where a run did not come to its end."""
    again = f"run it again: {seen.command}"
    if seen.fixed or not seen.still_written():
        return ["settle what the verdict names", again]
    # Room for a hundred times what was seen to be drawn.
    jumps = [abs(one["to"] - one["from"]) for one in seen.moved() if None not in (one["from"], one["to"])]
    room = max(1000, 100 * max(jumps, default=0))
    on = f"or go on all the same: -e pg_sequences_source_may_move=true -e pg_sequences_margin={room}"
    return [f"stop what writes to the source{_ended(seen)}", again, on]


def _of_sequences(seen: Seen) -> Iterator[Reason]:
    if seen.check_mode and seen.fixed.get("changes"):
        yield Reason(f"{count_of(len(seen.fixed['changes']), 'sequence')} would have to be moved first", "", hard=False)
    left = seen.fixed.get("not_fixed", [])
    if left:
        first = name_of(left[0]) + (" first" if left[1:] else "")
        text = f"{count_of(len(left), 'sequence')} could not be brought up to the source ({first})"
        yield Reason(text, 'do what stands behind "Remedy" with each sequence that is left, above')
    told = {key_of(one) for one in left}
    critical = [x for x in seen.target.get("sequences", []) if x["status"] == "critical" and key_of(x) not in told]
    if critical:
        first = f"{name_of(critical[0])}: {critical[0]['message']}"
        yield Reason(f"{count_of(len(critical), 'sequence')} {are(critical)} behind again ({first})", "")
    missing = (seen.target.get("comparison") or {}).get("only_there", [])
    if missing:
        text = f"{count_of(len(missing), 'sequence')} of the source {are(missing)} missing on the target"
        yield Reason(
            f"{text} ({name_of(missing[0])})",
            f"make what is missing, by the CREATE SEQUENCE above; or leave it out: -e {shlex.quote(_without(missing))}",
        )


def _of_databases(seen: Seen) -> Iterator[Reason]:
    for name, number in seen.lost_databases().items():
        yield Reason(
            f"database {visible(name)} of the source, with {count_of(number, 'sequence')}, is not on the target",
            f"make {visible(name)} on the target; or say by pg_sequences_reference_databases what it is called there; or name"
            " the databases that are meant by pg_sequences_databases",
        )
    for database in seen.target_databases:
        if database["error"]:
            text = f"database {visible(database['name'])} of the target could not be read ({database['error']})"
            yield Reason(text, f"see to it that {visible(database['name'])} of the target can be read")


def _of_source(seen: Seen) -> Iterator[Reason]:
    still = seen.still_written()
    if still and not seen.may_move:
        yield Reason(still, f"stop what writes to the source{_ended(seen)}", hard=False)


def _of_subscriptions(seen: Seen) -> Iterator[Reason]:
    for one in seen.subscriptions():
        name, where = visible(one["name"]), f"in {visible(one['database'])} of the target"
        if not one["enabled"]:
            if one["lag_bytes"] == 0 and seen.still_at and not one["not_ready"]:
                continue
            yield Reason(
                f"the subscription {name} is switched off: {_not_arrived(one)}",
                f"{where}: ALTER SUBSCRIPTION {_quoted(one['name'])} ENABLE; or, if all has arrived,"
                f" DROP SUBSCRIPTION {_quoted(one['name'])};",
                hard=False,
            )
            continue
        parts = [f"lags {one['lag_bytes']} bytes behind the source"] if one["lag_bytes"] else []
        ready = f"{count_of(len(one['not_ready']), 'table')} that {are(one['not_ready'])} not ready"
        parts += [f"has {ready}"] if one["not_ready"] else []
        if parts:
            look = f"SELECT * FROM pg_stat_subscription WHERE subname = {_literal(one['name'])};"
            text = f"the subscription {name} {' and '.join(parts)}"
            yield Reason(text, f"wait until its rows have arrived; to see it {where}: {look}", hard=False)


def _of_synchronization(seen: Seen) -> Iterator[Reason]:
    """What an enabled subscription has yet to set to the publisher's value: it may do so after this run."""
    for one in seen.subscriptions():
        if not one["enabled"] or not waiting(one):
            continue
        where = f"in {visible(one['database'])} of the target"
        otherwise = {
            readable(each["schema"], each["name"])
            for each in (seen.target.get("comparison") or {}).get("defined_otherwise", [])
            if each["database"] == one["database"] and not {x["what"] for x in each["differences"]} <= _ALL_ONE
        }
        mismatched = [name for name in one["not_synchronized"] if name in otherwise]
        others = [name for name in one["not_synchronized"] if name not in otherwise]
        text = f"the subscription {visible(one['name'])} has yet to set {count_of(len(one['not_synchronized']), 'sequence')}"
        steps = []
        if mismatched:
            steps.append(f"give {_some(mismatched)} the definition of the source, by the ALTER SEQUENCE above")
        if others:
            role = "the role that the subscription connects as"
            steps.append(
                f"wait some seconds for {_some(others)}; where that does not help: GRANT SELECT ON SEQUENCE"
                f" {visible(', '.join(others[:3]))} TO {role}, on the source; the target's log says more"
            )
        drop = f"DROP SUBSCRIPTION {_quoted(one['name'])};"
        yield Reason(
            f"{text} to the source's values, also backward ({visible(one['not_synchronized'][0])})",
            f"{'; '.join(steps)}; or, once all rows have arrived, {where}: {drop}",
            hard=False,
        )


def waiting(one: Result) -> bool:
    """Whether a subscription has sequences that it has yet to set (PostgreSQL 19)."""
    return bool(one.get("not_synchronized"))


def _no_refresh(one: Result) -> str:
    """What must not be done afterwards with a subscription that keeps sequences."""
    if not one.get("sequences"):
        return ""
    kept = count_of(one["sequences"], "sequence")
    return (
        f" and no REFRESH SEQUENCES after this run: it would set the {kept} that the subscription keeps to the source's values, also"
        f" backward; once the clients are here: DROP SUBSCRIPTION {_quoted(one['name'])};"
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if names[3:] else ""
    return visible(", ".join(names[:3])) + more


def _not_arrived(one: Result) -> str:
    if one["lag_bytes"]:
        return f"{one['lag_bytes']} bytes of the source have not arrived"
    if one["not_ready"]:
        return f"{count_of(len(one['not_ready']), 'table')} {are(one['not_ready'])} not ready"
    return "whether all rows have arrived is not known"


def _ended(seen: Seen) -> str:
    """The statement that ends the transactions that are open."""
    writers = (seen.now.activity or {}).get("writers", [])
    calls = ", ".join(f"pg_terminate_backend({one['pid']})" for one in writers[:5])
    return f"; to end what is open there: SELECT {calls};" if calls else ""


def _without(missing: list[dict[str, t.Any]]) -> str:
    """The variable that takes away the first few; names in it are as the module takes them."""
    names = ", ".join(
        '"!' + f"{one['schema']}.{one['name']}".replace("\\", "\\\\").replace('"', '\\"') + '"' for one in missing[:3]
    )
    return f'{{"pg_sequences_sequences": [{visible(names)}{", ..." if missing[3:] else ""}]}}'


def _quoted(name: str) -> str:
    """A name as SQL takes it."""
    plain = name.isascii() and name.replace("_", "a").isalnum() and name == name.lower() and not name[:1].isdigit()
    return visible(name if plain else '"' + name.replace('"', '""') + '"')


def _literal(text: str) -> str:
    return visible("'" + text.replace("'", "''") + "'")
