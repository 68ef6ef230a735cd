# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What was found on each host in, one document about all of them out, the worst first; and who fails by it. Pure.

The document is what report.json holds; ``docs/report.schema.json`` describes it.
"""

from __future__ import annotations

import collections
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Document = dict[str, t.Any]

SCHEMA_VERSION = 1

STATUSES = ("critical", "unknown", "warning", "healthy", "skipped")
"""The worst first."""

FAILING = {
    "critical": STATUSES[:1],
    "warning": ("critical", "warning"),
    "unknown": STATUSES[:3],
    "never": (),
}
"""Which statuses are a failure (contract, section 5, ``pg_sequences_fail_on``)."""


RESULTS = ("pg_sequences_restored", "pg_sequences_repair", "pg_sequences_audit")
"""Variables of a host in which the role's tasks leave what the modules returned."""

FAILURE = "__pg_sequences_failure"
"""The variable that holds what ended a host's tasks, by the name of the run."""


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

    :ivar result: what pg_sequence_info or pg_sequence_fix returned, or None
    :ivar error: why it did not come to its end, or None
    """

    result: Mapping[str, t.Any] | None
    error: str | None


def outcome_of(variables: Mapping[str, t.Any], run: str, check_mode: bool) -> Outcome | None:
    """What a host's variables tell of it; None where it has not been tried.

    :arg variables: those named :data:`RESULTS` and :data:`FAILURE`, as far as there are
    :arg run: name of the run
    :arg check_mode: whether it was in check mode
    """
    wanted = {"check": RESULTS[2:], "info": RESULTS[2:], "restore": RESULTS}.get(run, RESULTS[1:])
    results = {name: variables[name] for name in wanted if isinstance(variables.get(name), dict)}
    failure = (variables.get(FAILURE) or {}).get(run)
    if not results and failure is None:
        return None
    broken = [result for result in results.values() if result.get("failed") or result.get("unreachable")]
    ended = {name: result for name, result in results.items() if "summary" in result}
    # What the restore's last audit saw is newer than what its repair saw; before a restore, in check mode, it is older.
    last = "pg_sequences_audit" if run == "restore" and not check_mode else "pg_sequences_repair"
    newest = ended.get(last) or next(iter(ended.values()), None)
    result = None if newest is None else {**ended.get("pg_sequences_repair", {}), **newest}
    error = failure
    if broken:
        error = broken[0].get("msg") or failure or "it failed without a message"
    elif error is None and newest is None and not run == "restore":
        error = "the audit did not come to its end"
    return Outcome(result, None if error is None else _one_line(error))


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


def verdicts(document: Document, fail_on: str) -> dict[str, str]:
    """Why a host's run is a failure, by the names of the hosts where it is.

    :arg fail_on: of an audit; a repair fails for whatever it leaves behind
    """
    run = document["run"]["name"]
    if run == "info":
        return {host["name"]: said for host in document["hosts"] if (said := _unentered(host))}
    if run == "check":
        return {host["name"]: said for host in document["hosts"] if (said := _audit_verdict(host, fail_on))}
    left = collections.Counter(unfixed["host"] for unfixed in document["not_fixed"])
    foretold = document["run"]["check_mode"]
    return {
        host["name"]: said
        for host in document["hosts"]
        if (said := _repair_verdict(host, left[host["name"]], foretold))
    }


def _audit_verdict(host: Document, fail_on: str) -> str:
    if fail_on == "never":
        return ""
    summary = host["summary"] or dict.fromkeys(STATUSES, 0)
    found = any(summary[status] for status in FAILING[fail_on])
    counts = ", ".join(f"{summary[status]} {status}" for status in STATUSES[:3])
    said = [f"{counts} (pg_sequences_fail_on={fail_on})."] if found else []
    if unentered := _unentered(host):
        said.append(unentered)
    if summary["critical"]:
        said.append("Critical sequences are repaired by the playbook pgops.sequences.fix.")
    return " ".join(said)


def _repair_verdict(host: Document, left: int, foretold: bool) -> str:
    said = []
    critical = 0 if foretold else (host["summary"] or {}).get("critical", 0)
    if left:
        said.append(f"{left} sequence(s) need a hand; see above.")
    elif critical:
        said.append(
            f"{critical} sequence(s) are critical after the repair, written to meanwhile perhaps; run the playbook"
            " pgops.sequences.fix again."
        )
    if unentered := _unentered(host):
        said.append(unentered)
    if said and host["summary"]:
        said.append("Everything else was done; running it again continues.")
    return " ".join(said)


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
        "summary": result.get("summary"),
        "selection": result.get("selection"),
        "databases": sorted(
            result.get("databases", []), key=lambda database: (database["error"] is None, *_counts(database["summary"]))
        ),
    }


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
    return " ".join(str(text).split())
