# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A document and what was told before in, what is to be told now out: mail, webhook, what to remember. Pure.

Told is what is new, what is repaired or over, and once in a while what is still there; never the same twice in between.
"""

from __future__ import annotations

import contextlib
import datetime
import html
import json
import shlex
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._fleet import FAILING
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import moment, visible

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.pgops.sequences.plugins.plugin_utils._fleet import Document

MOST_TOLD = 50
"""How many problems one alert lists; it says how many more there are."""


class Problem(t.NamedTuple):
    """Something that burns.

    :ivar host: the host
    :ivar database: the database, or nothing for the host as a whole
    :ivar sequence: the sequence, or nothing for the database as a whole
    :ivar what: status, ``not audited`` or ``not repaired``
    :ivar message: what is to be said of it
    :ivar command: what to run next, or nothing
    """

    host: str
    database: str
    sequence: str
    what: str
    message: str
    command: str

    @property
    def key(self) -> str:
        """What tells it from others, over runs."""
        return _key(self.host, self.database, self.sequence)

    @property
    def place(self) -> str:
        """Database and sequence, as they are shown."""
        return " ".join(part for part in (visible(self.database), visible(self.sequence)) if part)


class Alert(t.NamedTuple):
    """What is to be told.

    :ivar new: problems not told of before, or of another status now
    :ivar over: what was told of and is a problem no more, and what this run repaired, a sentence each
    :ivar problems: all there are now
    :ivar at: when the document was made
    """

    new: list[Problem]
    over: list[str]
    problems: list[Problem]
    at: str


def problems_of(document: Document, fail_on: str) -> list[Problem]:
    """What burns, the worst first.

    :arg fail_on: which statuses do (contract, section 5); with ``never`` critical ones
    """
    burning = FAILING[fail_on] or FAILING["critical"]
    found = []
    for host in document["hosts"]:
        check = f"ansible-playbook pgops.sequences.check --limit {shlex.quote(host['name'])}"
        if host["error"]:
            found.append(Problem(host["name"], "", "", "not audited", host["error"], check))
        for database in host["databases"]:
            if database["error"]:
                found.append(Problem(host["name"], database["name"], "", "not audited", database["error"], check))
    left = {}
    for unfixed in document["not_fixed"]:
        problem = Problem(*_place(unfixed), "not repaired", unfixed["message"], unfixed["remedy"])
        left[problem.key] = problem
    for sequence in document["sequences"]:
        if sequence["status"] in burning and _key(*_place(sequence)) not in left:
            fix = (sequence["fix"] or {}).get("statement", "")
            found.append(Problem(*_place(sequence), sequence["status"], sequence["message"], fix))
    return [*left.values(), *found]


def decide(
    document: Document, told: Mapping[str, Mapping[str, str]], fail_on: str, reminder_hours: float
) -> Alert | None:
    """What is to be told of a run; None where that is nothing.

    :arg told: what :func:`remember` returned when something was told last; nothing at first
    :arg reminder_hours: after how many a problem is told of again; 0 for never
    """
    problems = problems_of(document, fail_on)
    new = [problem for problem in problems if told.get(problem.key, {}).get("what") != problem.what]
    changes = [] if document["run"]["check_mode"] else document["changes"]
    over = [
        f"{change['host']} {_shown(change)}: {change['before']['next_value']} -> {change['after']['next_value']}"
        for change in changes
    ]
    repaired = {_key(*_place(change)) for change in changes}
    for key in _over(document, told, problems):
        if key not in repaired:
            what = "audited again" if told[key]["what"] == "not audited" else f"no longer {told[key]['what']}"
            over.append(f"{' '.join(visible(part) for part in key.split(_BREAK) if part)}: {what}")
    alert = Alert(new, over, problems, document["generated_at"])
    if new or over:
        return alert
    if not problems or not reminder_hours:
        return None
    now, last = moment(document["generated_at"]), min(moment(told[problem.key]["told"]) for problem in problems)
    # A clock that was wrong once must not silence it until then.
    due = now - last >= datetime.timedelta(hours=reminder_hours) or last > now
    return alert if due else None


def remember(document: Document, told: Mapping[str, Mapping[str, str]], fail_on: str) -> dict[str, dict[str, str]]:
    """What is to be kept for the next run, once this one's alert was sent.

    :arg told: what was kept before
    """
    problems = problems_of(document, fail_on)
    over = set(_over(document, told, problems))
    kept = {key: dict(value) for key, value in told.items() if key not in over}
    for problem in problems:
        kept[problem.key] = {
            "what": problem.what,
            "told": document["generated_at"],
            "selection": _selection(document, problem.host),
        }
    return kept


def readable(told: t.Any) -> dict[str, dict[str, str]]:
    """What of a memory can be used: it is better to tell twice than not at all."""
    kept = {}
    for key, value in told.items() if isinstance(told, dict) else ():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            moment(value["told"])
            kept[key] = {"what": str(value["what"]), "told": value["told"], "selection": str(value["selection"])}
    return kept


def _over(document: Document, told: Mapping[str, Mapping[str, str]], problems: list[Problem]) -> list[str]:
    """Keys of what was a problem and is none now: only where this run looked, by the same selection, and could tell."""
    now = {problem.key for problem in problems}
    unknown = {_key(*_place(sequence)) for sequence in document["sequences"] if sequence["status"] == "unknown"}
    hosts = {host["name"]: host for host in document["hosts"]}
    over = []
    for key, before in told.items():
        name, database, sequence = (*key.split(_BREAK), "", "")[:3]
        host = hosts.get(name)
        if key in now or key in unknown or host is None or host["error"]:
            continue
        errors = {each["name"]: each["error"] for each in host["databases"]}
        alike = before["selection"] == _selection(document, name)
        if sequence:
            looked = alike and not errors.get(database)
        else:
            looked = not database or alike or database in errors
        if looked:
            over.append(key)
    return over


def _selection(document: Document, name: str) -> str:
    """What a run looked at on a host, as text that can be compared."""
    (selection,) = [host["selection"] for host in document["hosts"] if host["name"] == name]
    return json.dumps(selection, sort_keys=True)


def subject(alert: Alert) -> str:
    """One line, as of a mail."""
    counts = [(len(alert.new), "new"), (len(alert.over), "repaired or over"), (len(alert.problems), "burning")]
    said = ", ".join(f"{count} {word}" for count, word in counts if count or word == "burning")
    return f"PostgreSQL sequences: {said}" if alert.new or alert.over else f"PostgreSQL sequences: still {said}"


def text(alert: Alert) -> str:
    """The alert as plain text, the worst first, with the commands to run."""
    lines = [subject(alert), f"as of {alert.at}", ""]
    for title, problems in _sections(alert):
        lines.append(title)
        for problem in problems[:MOST_TOLD]:
            lines.append(f"  {problem.what} {problem.host} {problem.place}".rstrip() + f": {visible(problem.message)}")
            if problem.command:
                lines.append(f"    {visible(problem.command)}")
        lines += [f"  ... and {len(problems) - MOST_TOLD} more"] * (len(problems) > MOST_TOLD) + [""]
    if alert.over:
        lines += ["Repaired or over:", *(f"  {said}" for said in _first(alert.over)), ""]
    hosts = sorted({problem.host for problem in alert.problems if problem.sequence})
    lines += [f"  ansible-playbook pgops.sequences.fix --limit {shlex.quote(','.join(hosts))}"] * bool(hosts)
    return "\n".join(lines).rstrip() + "\n"


def page(alert: Alert) -> str:
    """The alert as HTML."""
    parts = [f"<h1>{_safe(subject(alert))}</h1><p>as of {_safe(alert.at)}</p>"]
    for title, problems in _sections(alert):
        rows = "".join(
            f"<tr><td>{_safe(problem.what)}</td><td>{_safe(problem.host)}</td><td>{_safe(problem.place)}</td>"
            f"<td>{_safe(problem.message)}<br><code>{_safe(problem.command)}</code></td></tr>"
            for problem in problems[:MOST_TOLD]
        )
        more = f"<p>... and {len(problems) - MOST_TOLD} more</p>" if len(problems) > MOST_TOLD else ""
        parts.append(
            f"<h2>{_safe(title)}</h2><table border='1' cellpadding='6' style='border-collapse:collapse'>"
            f"<tr><th>what</th><th>host</th><th>where</th><th>message, and what to run</th></tr>{rows}</table>{more}"
        )
    if alert.over:
        items = "".join(f"<li>{_safe(said)}</li>" for said in _first(alert.over))
        parts.append(f"<h2>Repaired or over</h2><ul>{items}</ul>")
    head = f"<meta charset='utf-8'><title>{_safe(subject(alert))}</title>"
    return f"<!DOCTYPE html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def body(alert: Alert, webhook_format: str) -> dict[str, t.Any]:
    """What is posted to a webhook.

    :arg webhook_format: ``slack`` for a message as Slack, Mattermost and others take it, ``json`` for all there is
    """
    if webhook_format == "slack":
        # Slack reads &, < and > as its own markup.
        return {"text": html.escape(text(alert), quote=False)}
    return {
        "schema_version": 1,
        "at": alert.at,
        "subject": subject(alert),
        "text": text(alert),
        "new": [_as_dict(problem) for problem in alert.new[:MOST_TOLD]],
        "over": _first(alert.over),
        "problems": [_as_dict(problem) for problem in alert.problems[:MOST_TOLD]],
        "counts": {"new": len(alert.new), "over": len(alert.over), "problems": len(alert.problems)},
    }


def _sections(alert: Alert) -> Iterable[tuple[str, list[Problem]]]:
    new = {problem.key for problem in alert.new}
    for title, problems in (
        ("New:", alert.new),
        ("Still burning:", [problem for problem in alert.problems if problem.key not in new]),
    ):
        if problems:
            yield title, problems


def _first(said: list[str]) -> list[str]:
    return said[:MOST_TOLD] + [f"... and {len(said) - MOST_TOLD} more"] * (len(said) > MOST_TOLD)


def _as_dict(problem: Problem) -> dict[str, str]:
    return {**problem._asdict(), "place": problem.place}


_BREAK = "\n"


def _key(*place: str) -> str:
    return _BREAK.join(part.replace(_BREAK, "\\n") for part in place)


def _place(entry: Document) -> tuple[str, str, str]:
    """Host, database, and sequence."""
    return entry["host"], entry["database"], f"{entry['schema']}.{entry['name']}"


def _shown(entry: Document) -> str:
    return " ".join(visible(part) for part in _place(entry)[1:])


def _safe(text: str) -> str:
    return html.escape(text)
