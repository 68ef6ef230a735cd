# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A document in, the end of what the terminal shows out: the verdict, the reports, the next command. Pure."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Document
    from ansible_collections.pgops.sequences.plugins.plugin_utils._play.command import Command


def verdict_of(document: Document) -> str:
    """What came of the run, in one line."""
    summary = document["summary"]
    if not summary["hosts"]:
        return "verdict: no host was looked at"
    if document["run"]["name"] == "cutover":
        return f"verdict: {_of_cutovers(document)}"
    said = [*_done(document), *_found(document)]
    away = sum(host["summary"] is None and bool(host["error"]) for host in document["hosts"])
    shut = summary["databases_not_audited"]
    if away:
        said.append(f"{_counted(away, 'host')} could not be {_word(document)}")
    if shut:
        said.append(f"{_counted(shut, 'database')} could not be entered")
    return f"verdict: {'; '.join(said)}"


def lacks_verdict(document: Document) -> bool:
    """Whether a cut-over ended on a host before there was anything to judge."""
    return bool(_without_verdict(document))


def _of_cutovers(document: Document) -> str:
    """What came of several cut-overs; of one alone its own verdict says more."""
    away = len(_without_verdict(document))
    said = [host["cutover"]["verdict"] for host in document["hosts"] if host["name"] not in _without_verdict(document)]
    later = sum(verdict.startswith("not yet") for verdict in said)
    parts = [f"not yet, because {_counted(away, 'host')} could not be compared"] if away else []
    parts += [f"{_counted(later, 'host')} not yet"] if later else []
    if ready := len(said) - later:
        found = "would have nothing to move" if document["run"]["check_mode"] else "may be switched"
        parts.append(f"{_counted(ready, 'host')} {found}")
    return "; ".join(parts)


def _without_verdict(document: Document) -> list[str]:
    return [host["name"] for host in document["hosts"] if not (host.get("cutover") or {}).get("verdict")]


def reports_of(document: Document, files: list[str]) -> list[str]:
    """Where the reports lie."""
    if files or document["run"]["name"] == "info":
        return [f"report: {file}" for file in files]
    return ["report: none; -e pg_sequences_report_dir=FOLDER writes one"]


def next_of(document: Document, command: Command, databases: Mapping[str, bool]) -> list[str]:
    """The next command, to be pasted.

    :arg command: how a playbook is run here
    :arg databases: of each host, whether its variables name databases
    """
    steps = list(_steps(document, databases))
    own = ", with the variables of your play" if command.own_play else ""
    return [f"{words}{own}: {command.run(name, hosts, more)}" for words, name, hosts, more in steps]


def confirmed(document: Document, command: Command) -> str:
    """The command that does what was foretold, without asking."""
    hosts = {change["host"] for change in document["changes"]}
    return command.run(document["run"]["name"], hosts, {"pg_sequences_confirm": True})


def brief(document: Document, name: str, failure: str) -> str:
    """Why a host fails, for the line that Ansible prints beside the verdict.

    :arg failure: the same at full length
    """
    host = next((host for host in document["hosts"] if host["name"] == name), None)
    if document["run"]["name"] == "cutover" and name not in _without_verdict(document):
        return "not yet: see the verdict above"
    if host is None or host["error"]:
        return f"{_word(document, False)}: see the verdict above"
    counts = [f"{host['summary'][word]} {word}" for word in ("critical", "unknown", "warning") if host["summary"][word]]
    left = sum(unfixed["host"] == name for unfixed in document["not_fixed"])
    if left:
        counts = [f"{left} not repaired"]
    return f"{', '.join(counts) or failure.partition('. ')[0]}: see the verdict above"


def _word(document: Document, done: bool = True) -> str:
    word = {"restore": "restored", "cutover": "compared"}.get(document["run"]["name"], "audited")
    return word if done else f"not {word}"


def _done(document: Document) -> Iterator[str]:
    """What was done, or would be."""
    summary, run = document["summary"], document["run"]
    if run["name"] in ("check", "info"):
        return
    would = "would be " if run["check_mode"] else ""
    word = "realigned" if run["name"] == "reset" else "repaired"
    if run["name"] == "restore":
        outcomes = [(host.get("restored") or {}).get("outcome") for host in document["hosts"] if not host["error"]]
        for outcome, became in (
            ("restored", "restored"),
            ("foretold", "would be restored"),
            ("unchanged", "unchanged"),
        ):
            if outcome in outcomes:
                there = ", as the dump is there from an earlier run" if outcome == "unchanged" else ""
                yield f"{_counted(outcomes.count(outcome), 'database')} {became}{there}"
    if summary["repaired"]:
        yield f"{_counted(summary['repaired'], 'sequence')} {would}{word}"
    elif summary["total"] and not summary["not_fixed"]:
        yield f"no sequence had to be {word}"
    if summary["not_fixed"]:
        each = "each with its remedy" if summary["not_fixed"] > 1 else "with its remedy"
        yield f"{_counted(summary['not_fixed'], 'sequence')} {would}left, {each}"


def _found(document: Document) -> Iterator[str]:
    """What was found, and after a repair what is left."""
    summary = document["summary"]
    parts = []
    if document["run"]["name"] in ("check", "info") or not summary["not_fixed"]:
        parts = [f"{summary[word]:,} {word}" for word in ("critical", "unknown", "warning") if summary[word]]
    audited = summary["hosts"] > summary["hosts_not_audited"]
    looked = f"{_counted(summary['total'], 'sequence')} looked at"
    if parts:
        yield f"{', '.join(parts)} of {_counted(summary['total'], 'sequence')}"
    elif audited and summary["total"] and not any(summary[word] for word in ("critical", "unknown", "warning")):
        foretold = document["run"]["check_mode"] and summary["repaired"]
        yield f"{looked}, all {'would be ' if foretold else ''}in order"
    elif audited and not summary["total"] and not document["run"]["check_mode"]:
        yield "nothing was looked at"


def _steps(document: Document, databases: Mapping[str, bool]) -> Iterator[tuple[str, str, set[str], dict[str, t.Any]]]:
    """What to run next: in words, the playbook, its hosts, more variables."""
    run, summary = document["run"], document["summary"]
    name = "restore_then_fix" if run["name"] == "restore" else run["name"]
    if run["name"] == "cutover":
        yield "next, after the remedies above", name, set(_without_verdict(document)), {}
        return
    errors = {host["name"] for host in document["hosts"] if host["error"]}
    errors |= {host["name"] for host in document["hosts"] if any(each["error"] for each in host["databases"])}
    left = {unfixed["host"] for unfixed in document["not_fixed"]}
    movable = {each["host"] for each in document["sequences"] if each["status"] == "critical" and each["fix"]}
    if run["name"] in ("check", "info"):
        if movable:
            yield "next, to repair", "fix", movable, _named(document, movable, databases)
        unknown = {each["host"] for each in document["sequences"] if each["status"] == "unknown"}
        if run["name"] == "check" and (errors or (unknown and not movable)):
            yield "next, after the remedies above", "check", errors | unknown, {}
    elif run["check_mode"]:
        changing = {change["host"] for change in document["changes"]}
        if changing or (run["name"] == "restore" and summary["hosts"] > len(errors)):
            yield "next, to do it", name, changing or {h["name"] for h in document["hosts"]} - errors, {}
    elif run["name"] == "restore" and (errors or left):
        stopped = {host["name"] for host in document["hosts"] if host["error"]}
        if stopped:
            yield "next, after the remedies above", name, stopped, {}
        # What is restored is not restored again.
        if there := (errors | left) - stopped:
            yield "next, after the remedies above", "fix", there, {}
    elif errors or left:
        yield "next, after the remedies above", name, errors | left, {}
    elif summary["repaired"]:
        hosts = {change["host"] for change in document["changes"]}
        yield "next, to look again", "check", hosts, {}


def _named(document: Document, hosts: set[str], databases: Mapping[str, bool]) -> dict[str, t.Any]:
    """The databases to repair, where the hosts' variables name none: what changes something wants one named."""
    if any(databases.get(host) for host in hosts):
        return {}
    found = [each for each in document["sequences"] if each["status"] == "critical" and each["fix"]]
    names = sorted({each["database"] for each in found})
    plain = not any(set(name) & set(",[{ *?!") for name in names)
    return {"pg_sequences_databases": names[0] if len(names) == 1 and plain else names}


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
