# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""What is news in, the words of a mail or a webhook out. Pure."""

from __future__ import annotations

import html
import shlex
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._news import news as _news
from ansible_collections.pgops.sequences.plugins.plugin_utils._news.news import Kept
from ansible_collections.pgops.sequences.plugins.plugin_utils._news.problems import Problem, is_over, problems_of
from ansible_collections.pgops.sequences.plugins.plugin_utils._render.lines import AS_ABOVE
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import moment, visible

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Document

MOST_TOLD = 50
"""How many problems one alert lists; it says how many more there are."""

_LONGEST = 180 * 86400.0
"""Seconds after which what no run looked at again is forgotten, without a word."""


class Commands(t.NamedTuple):
    """How a playbook is run where this run is.

    :ivar where: the machine
    :ivar playbook: what is to be written before a playbook's name
    """

    where: str
    playbook: str

    def of(self, name: str, hosts: Iterable[str]) -> str:
        """The command that runs a playbook on some hosts."""
        return f"{self.playbook} pgops.sequences.{name} --limit {shlex.quote(','.join(sorted(hosts)))}"


class Alert(t.NamedTuple):
    """What is to be told.

    :ivar new: problems not told of before, or of another status now
    :ivar over: what was told of and is a problem no more, and what this run repaired, a sentence each
    :ivar problems: all there are now
    :ivar at: when the document was made
    :ivar commands: how a playbook is run
    """

    new: list[Problem]
    over: list[str]
    problems: list[Problem]
    at: str
    commands: Commands


class Decision(t.NamedTuple):
    """What is to be told, and what is to be remembered once it was.

    :ivar alert: None where there is nothing to tell
    :ivar memory: what to keep then
    """

    alert: Alert | None
    memory: dict[str, Kept]


def decide(
    document: Document,
    memory: Mapping[str, Kept],
    reminder_hours: float,
    commands: Commands,
    not_logged: Mapping[str, str] | None = None,
) -> Decision:
    """What is to be told of a run.

    :arg memory: what was told before
    :arg reminder_hours: after how many a problem is told of again; 0 for never
    :arg not_logged: why what was repaired on a host is not in the log, where it is not
    """
    problems = problems_of(document, memory)
    at = moment(document["generated_at"]).timestamp()
    states = {problem.key: problem.what for problem in problems}
    news = _news.compare(memory, states, lambda _key, kept: is_over(document, kept), at, reminder_hours * 3600)
    fresh = {*news.new, *news.changed}
    changes = [] if document["run"]["check_mode"] else document["changes"]
    over = []
    repaired = set()
    for change in changes:
        name = f"{change['schema']}.{change['name']}"
        repaired.add((change["host"], change["database"], name))
        moved = f"next value {change['before']['next_value']} -> {change['after']['next_value']}"
        reason = (not_logged or {}).get(change["host"])
        unlogged = f", but it could not be logged: {reason}" if reason else ""
        over.append(f"repaired {change['host']} {visible(change['database'])} {visible(name)}: {moved}{unlogged}")
    for key in news.over:
        facts = memory[key].facts
        if (facts["host"], facts["database"], facts["sequence"]) not in repaired:
            was = memory[key].state
            what = "audited again" if was == "not audited" else f"no longer {was}"
            place = " ".join(visible(facts[part]) for part in ("host", "database", "sequence") if facts[part])
            over.append(f"{place}: {what}")
    told = {problem.key: Kept(problem.what, at, problem.facts) for problem in problems}
    kept = _news.remember(memory, told, news.over, at, _LONGEST)
    new = [problem for problem in problems if problem.key in fresh]
    alert = Alert(new, over, problems, document["generated_at"], commands)
    return Decision(alert if new or over or news.due else None, kept)


def subject(alert: Alert) -> str:
    """One line, as of a mail: what is new, and where, or how many."""
    if alert.new:
        return f"PostgreSQL sequences: {_brief(alert.new)}"
    if alert.over:
        left = f"{len(alert.problems)} left" if alert.problems else "nothing left"
        one = (
            alert.over[0]
            if len(alert.over) == 1 and len(alert.over[0]) < 120
            else f"{len(alert.over)} repaired or over"
        )
        return f"PostgreSQL sequences: {one}; {left}"
    return f"PostgreSQL sequences: still {_brief(alert.problems)}"


def _brief(problems: list[Problem]) -> str:
    """Problems in a few words: which one, or how many and where."""
    first = problems[0]
    if len(problems) == 1:
        return f"{first.what}: {' '.join(part for part in (visible(first.host), first.place) if part)}"
    hosts = {problem.host for problem in problems}
    databases = {(problem.host, problem.database) for problem in problems}
    kinds = {problem.what for problem in problems}
    counts = ", ".join(f"{sum(problem.what == kind for problem in problems)} {kind}" for kind in sorted(kinds))
    if len(databases) == 1 and first.database:
        return f"{counts} in {visible(first.database)} on {visible(first.host)}"
    if len(hosts) == 1:
        return f"{counts} on {visible(first.host)}"
    return f"{counts} on {len(hosts)} servers"


def text(alert: Alert) -> str:
    """The alert as plain text, the worst first, with what settles each."""
    lines = [subject(alert), f"as of {_when(alert)}", ""]
    for title, problems in _sections(alert):
        lines += [f"{title}:", ""]
        for problem, remedy in _with_remedies(problems[:MOST_TOLD]):
            lines.append(f"{problem.what} {problem.host} {problem.place}".rstrip() + f": {visible(problem.message)}")
            lines += [f"    {visible(remedy)}"] * bool(remedy) + [""]
        lines += [f"... and {len(problems) - MOST_TOLD} more", ""] * (len(problems) > MOST_TOLD)
    if alert.over:
        lines += ["Repaired or over:", *_first(alert.over), ""]
    for words, command in _next(alert):
        lines += [f"{words}:", f"    {command}", ""]
    return "\n".join(lines).rstrip() + "\n"


def _when(alert: Alert) -> str:
    return alert.at.replace("T", " ").replace("Z", " UTC")


def _next(alert: Alert) -> Iterable[tuple[str, str]]:
    """The playbooks to run, and where, in the words of the terminal."""
    fix = {problem.host for problem in alert.problems if problem.movable}
    again = {problem.host for problem in alert.problems if not problem.movable}
    if fix:
        yield f"next, to repair, on {alert.commands.where}", alert.commands.of("fix", fix)
    if again:
        yield f"next, after the remedies above, on {alert.commands.where}", alert.commands.of("check", again)


_PAGE = (
    "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    "<meta name='color-scheme' content='light dark'><title>{title}</title></head>"
    "<body style='margin:0;padding:16px;font:16px/1.45 sans-serif;overflow-wrap:break-word'>{body}</body></html>\n"
)
_BLOCK = "<div style='border-left:4px solid {tone};padding:2px 0 2px 12px;margin:0 0 16px'>{body}</div>"
_CODE = "<pre style='white-space:pre-wrap;overflow-wrap:anywhere;font-size:14px;margin:6px 0;padding:8px;border:1px solid #999'>{code}</pre>"
_TONES = {"warning": "#b07400", "unknown": "#8a55c8"}
_WORST = "#c8382e"


def page(alert: Alert) -> str:
    """The alert as HTML that a mail program shows on a phone: no table, no script, no picture, styles in place."""
    title = _safe(subject(alert))
    parts = [
        f"<h1 style='font-size:20px;margin:0'>{title}</h1><p style='margin:4px 0 16px'>as of {_safe(_when(alert))}</p>"
    ]
    for section, problems in _sections(alert):
        parts.append(_heading(section))
        parts += [_block(*each) for each in _with_remedies(problems[:MOST_TOLD])]
        parts += [f"<p>... and {len(problems) - MOST_TOLD} more</p>"] * (len(problems) > MOST_TOLD)
    if alert.over:
        said = "<br>".join(_safe(each) for each in _first(alert.over))
        parts += [_heading("Repaired or over"), _BLOCK.format(tone="#2e8b57", body=said)]
    for words, command in _next(alert):
        parts.append(f"<p style='margin:16px 0 0'>{_safe(words)}:</p>{_CODE.format(code=_safe(command))}")
    return _PAGE.format(title=title, body="".join(parts))


def _heading(text_: str) -> str:
    return f"<h2 style='font-size:17px;margin:20px 0 8px'>{_safe(text_)}</h2>"


def _with_remedies(problems: list[Problem]) -> Iterable[tuple[Problem, str]]:
    """Each problem with what settles it: a remedy that settles several of a database stands once."""
    told = set()
    for problem in problems:
        key = (problem.host, problem.database, problem.remedy)
        yield problem, AS_ABOVE if problem.remedy and key in told else problem.remedy
        told.add(key)


def _block(problem: Problem, remedy: str) -> str:
    """A problem: what it is and where, the message, what settles it."""
    where = " ".join(_safe(part) for part in (problem.host, problem.place) if part)
    code = "" if not remedy else f"<br>{remedy}" if remedy == AS_ABOVE else _CODE.format(code=_safe(remedy))
    body_ = f"<b>{_safe(problem.what)}</b> {where}<br>{_safe(problem.message)}{code}"
    return _BLOCK.format(tone=_TONES.get(problem.what, _WORST), body=body_)


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
        ("New", alert.new),
        ("Still there", [problem for problem in alert.problems if problem.key not in new]),
    ):
        if problems:
            yield title, problems


def _first(said: list[str]) -> list[str]:
    return said[:MOST_TOLD] + [f"... and {len(said) - MOST_TOLD} more"] * (len(said) > MOST_TOLD)


def _as_dict(problem: Problem) -> dict[str, str]:
    names = ("host", "database", "sequence", "what", "message", "command", "place")
    return {name: getattr(problem, name) for name in names}


def _safe(text: str) -> str:
    return html.escape(visible(text))
