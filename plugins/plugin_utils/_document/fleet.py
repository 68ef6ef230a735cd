# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What was found on each host in, one document about all of them out, the worst first; and who fails by it. Pure.

The document is what report.json holds; ``docs/report.schema.json`` describes it.
"""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._text import visible

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Document = dict[str, t.Any]

SCHEMA_VERSION = 2

STATUSES = ("critical", "unknown", "warning", "healthy", "skipped")
"""The worst first."""

FAIL_ON = ("unknown", "critical", "warning", "never")
"""What ``pg_sequences_fail_on`` may be (contract, section 5)."""

STRUCTURAL = frozenset({"not_a_number", "foreign_table", "view", "custom_default"})
"""Why a sequence cannot be judged for good: no GRANT, option or retry would settle it."""


def fails(sequence: Mapping[str, t.Any], fail_on: str) -> bool:
    """Whether a sequence is a failure.

    :arg sequence: an entry of ``sequences``
    :arg fail_on: one of :data:`FAIL_ON`
    """
    status = sequence["status"]
    if fail_on == "warning":
        return status in ("critical", "unknown", "warning")
    if fail_on == "unknown" and status == "unknown":
        return not STRUCTURAL.issuperset(sequence["reasons"])
    return fail_on != "never" and status == "critical"


class Run(t.NamedTuple):
    """What was run.

    :ivar name: the entry point, such as ``check``
    :ivar check_mode: whether it only told what it would do
    :ivar generated_at: when, in UTC, as ISO 8601
    :ivar collection_version: this collection's version
    :ivar ansible_version: ansible-core's version
    """

    name: str
    check_mode: bool
    generated_at: str
    collection_version: str
    ansible_version: str


class Outcome(t.NamedTuple):
    """What came of one host.

    :ivar result: what pg_sequence_run returned, or None
    :ivar error: why it did not come to its end, or None
    :ivar fail_on: what in an audit is a failure for this host
    """

    result: Mapping[str, t.Any] | None
    error: str | None
    fail_on: str = "unknown"


def outcome_of(result: t.Any, fail_on: str) -> Outcome | None:
    """What a host's ``pg_sequences_result`` tells of it; None where it has not been tried.

    :arg result: the variable's value, or None
    :arg fail_on: what in an audit is a failure for this host
    """
    if not isinstance(result, dict):
        return None
    error = result.get("error")
    if error is None and (result.get("failed") or result.get("unreachable") or "run" not in result):
        error = result.get("msg") or result.get("exception") or "it was ended before it could say why"
    # In check mode there may be no database yet to look at.
    found = result.get("summary") or (result.get("restored") or {}).get("outcome") == "foretold"
    return Outcome(result if found else None, None if error is None else _one_line(error), fail_on)


def build_document(outcomes: Mapping[str, Outcome], run: Run) -> Document:
    """Put what was found on all hosts together.

    :arg outcomes: by the hosts' names
    """
    hosts = sorted((_host(name, outcome) for name, outcome in outcomes.items()), key=_host_rank)
    return {
        "schema_version": SCHEMA_VERSION,
        "generated_at": run.generated_at,
        "collection_version": run.collection_version,
        "ansible_version": run.ansible_version,
        "run": {"name": run.name, "check_mode": run.check_mode},
        "summary": _summary(hosts, outcomes.values()),
        "hosts": hosts,
        "sequences": sorted(_all(outcomes, "sequences"), key=_sequence_rank),
        "changes": list(_all(outcomes, "changes")),
        "not_fixed": list(_all(outcomes, "not_fixed")),
        "history": [],
    }


def verdicts(document: Document, outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """Why a host's run is a failure, by the names of the hosts where it is.

    An audit fails by each host's own ``fail_on``, a repair for whatever it leaves behind.

    :arg outcomes: those that the document was made of
    """
    run = document["run"]["name"]
    found = collections.defaultdict(list)
    for sequence in document["sequences"]:
        found[sequence["host"]].append(sequence)
    left = collections.Counter(unfixed["host"] for unfixed in document["not_fixed"])
    said = {}
    for host in document["hosts"]:
        name = host["name"]
        if run == "info":
            said[name] = _unentered(host)
        elif run == "check":
            said[name] = _audit_verdict(host, found[name], outcomes[name].fail_on)
        else:
            said[name] = _repair_verdict(host, left[name], document["run"]["check_mode"])
    return {name: sentence for name, sentence in said.items() if sentence}


def _audit_verdict(host: Document, sequences: list[Document], fail_on: str) -> str:
    if fail_on == "never":
        return ""
    said = []
    if any(fails(sequence, fail_on) for sequence in sequences):
        counts = ", ".join(f"{host['summary'][status]} {status}" for status in STATUSES[:3])
        said.append(f"{counts} (pg_sequences_fail_on={fail_on}).")
    if unentered := _unentered(host):
        said.append(unentered)
    if (host["summary"] or {}).get("critical"):
        said.append("Critical sequences are repaired by the playbook pgops.sequences.fix.")
    return " ".join(said)


def _repair_verdict(host: Document, left: int, foretold: bool) -> str:
    said = []
    # One that did not come to its repair has repaired nothing.
    critical = 0 if foretold or host["error"] else (host["summary"] or {}).get("critical", 0)
    if left:
        said.append(f"{left} sequence(s) could not be repaired; the reasons and remedies stand above.")
    elif critical:
        said.append(
            f"{critical} sequence(s) are critical again after the repair: rows were written meanwhile. Run the playbook"
            " pgops.sequences.fix once more."
        )
    if unentered := _unentered(host):
        said.append(unentered)
    if cutover := _cutover_verdict(host, foretold):
        # Its verdict says why it ended before its end.
        return cutover if host["error"] else " ".join([*([unentered] if unentered else []), cutover])
    if said and host["summary"] and not host["error"]:
        said.append("Everything else was done; running it again continues.")
    return " ".join(said)


def _cutover_verdict(host: Document, foretold: bool) -> str:
    """Why a cut-over is a failure; before it, only by what it could not settle itself."""
    cutover = host.get("cutover") or {}
    if cutover.get("switchable", True) or not cutover.get("verdict"):
        return ""
    return "" if foretold and not cutover["hard"] else f"{cutover['verdict'][0].upper()}{cutover['verdict'][1:]}."


def _unentered(host: Document) -> str:
    """What kept the host, or databases of it, from being looked at; empty where nothing did."""
    errors = [host["error"]] if host["error"] else []
    errors += [database["error"] for database in host["databases"] if database["error"]]
    return "; ".join(errors)


def _host(name: str, outcome: Outcome) -> Document:
    result = outcome.result or {}
    return {
        "name": name,
        "error": outcome.error,
        "fail_on": outcome.fail_on,
        "server": result.get("server"),
        "restored": _restored(result.get("restored")),
        "cutover": result.get("cutover"),
        "thresholds": result.get("thresholds"),
        "summary": result.get("summary"),
        "selection": result.get("selection"),
        "databases": sorted(
            map(_database, result.get("databases", [])),
            key=lambda database: (database["error"] is None, *_counts(database["summary"])),
        ),
    }


def _restored(restored: Mapping[str, t.Any] | None) -> Document | None:
    """What a restore says of itself, without the rest of what its module returned."""
    return None if restored is None else {name: restored.get(name) for name in ("message", "outcome")}


def _database(database: Document) -> Document:
    return {**database, "error": None if database["error"] is None else _one_line(database["error"])}


def _summary(hosts: list[Document], outcomes: Iterable[Outcome]) -> Document:
    audited = [host["summary"] for host in hosts if host["summary"]]
    results = [outcome.result for outcome in outcomes if outcome.result]
    return {
        "hosts": len(hosts),
        "hosts_not_audited": sum(host["summary"] is None for host in hosts),
        "databases": sum(len(host["databases"]) for host in hosts),
        "databases_not_audited": sum(bool(database["error"]) for host in hosts for database in host["databases"]),
        **{word: sum(summary[word] for summary in audited) for word in ("total", *STATUSES)},
        "repaired": sum(len(result.get("changes", [])) for result in results),
        "not_fixed": sum(len(result.get("not_fixed", [])) for result in results),
    }


def _all(outcomes: Mapping[str, Outcome], key: str) -> Iterable[Document]:
    for name in sorted(outcomes):
        result = outcomes[name].result or {}
        for entry in result.get(key, []):
            yield {"host": name, **entry}


def _host_rank(host: Document) -> tuple[t.Any, ...]:
    unentered = sum(bool(database["error"]) for database in host["databases"])
    return (host["error"] is None, -unentered, *_counts(host["summary"]), host["name"])


def _counts(summary: Document | None) -> tuple[int, ...]:
    return tuple(-(summary or {}).get(status, 0) for status in STATUSES[:3])


def _sequence_rank(sequence: Document) -> tuple[t.Any, ...]:
    used = sequence["percent_used"]
    return (
        STATUSES.index(sequence["status"]),
        -(used or 0),
        sequence["host"],
        sequence["database"],
        sequence["schema"],
        sequence["name"],
    )


def _one_line(text: object) -> str:
    return visible(" ".join(str(text).split()))
