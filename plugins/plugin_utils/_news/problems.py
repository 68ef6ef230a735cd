# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin util is PRIVATE to the collection: it can change at any time.

"""A document in, what somebody should be told of it out; and whether a run looked at again what was told. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import STATUSES, fails
from ansible_collections.pgops.sequences.plugins.plugin_utils._text import visible

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import Document
    from ansible_collections.pgops.sequences.plugins.plugin_utils._news.news import Kept

_LOCAL = ("", "localhost", "127.", "::1", "/")
_BREAK = "\n"


class Problem(t.NamedTuple):
    """Something that somebody should look at.

    :ivar key: what tells it from others, over runs: the server, the database, the sequence
    :ivar host: the host, by its name in the inventory
    :ivar database: the database, or nothing for the host as a whole
    :ivar sequence: the sequence, or nothing for the database as a whole
    :ivar what: status, ``not audited`` or ``not repaired``
    :ivar message: what is to be said of it
    :ivar command: what settles it, or nothing
    :ivar facts: what it was found with: server, selection, thresholds, fail_on
    :ivar movable: whether a playbook repairs it: the statement of ``command`` is right only as long as nobody writes
    """

    key: str
    host: str
    database: str
    sequence: str
    what: str
    message: str
    command: str
    facts: Mapping[str, t.Any]
    movable: bool = False

    @property
    def remedy(self) -> str:
        """What settles it whenever it is read, or nothing."""
        return "" if self.movable else self.command

    @property
    def place(self) -> str:
        """Database and sequence, as they are shown."""
        return " ".join(part for part in (visible(self.database), visible(self.sequence)) if part)


def problems_of(document: Document, memory: Mapping[str, Kept]) -> list[Problem]:
    """What somebody should look at, the worst first.

    What is a failure is so by each host's own ``fail_on``; nothing would never be told, so that for ``never`` it is what is
    critical. What was told is a problem until it is healthy or skipped, or gone: of another status that is no failure of its
    own, or that can no longer be judged, it is still one.

    :arg memory: what was told before
    """
    hosts = {host["name"]: host for host in document["hosts"]}
    found = [problem for host in document["hosts"] for problem in _unentered(host, memory)]
    left = {}
    for unfixed in document["not_fixed"]:
        problem = _of_sequence(hosts[unfixed["host"]], unfixed, memory, "not repaired", unfixed["remedy"] or "")
        left[problem.key] = problem
    for sequence in document["sequences"]:
        host = hosts[sequence["host"]]
        fix = (sequence["fix"] or {}).get("statement") or sequence.get("remedy") or ""
        problem = _of_sequence(host, sequence, memory, sequence["status"], fix)._replace(movable=bool(sequence["fix"]))
        fail_on = "critical" if host["fail_on"] == "never" else host["fail_on"]
        told = sequence["status"] in STATUSES[:3] and problem.key in memory
        if problem.key not in left and (told or fails(sequence, fail_on)):
            found.append(problem)
    return [*left.values(), *found]


def is_over(document: Document, kept: Kept) -> bool:
    """Whether this run looked again at what was told: on the same server, with a selection and thresholds no looser.

    :arg kept: what was told, and is no problem of this run
    """
    facts = kept.facts
    for host in document["hosts"]:
        if not _is_same_server(host, facts):
            continue
        if not facts["database"]:
            return not host["error"]
        if host["error"] or host["selection"] is None:
            continue
        errors = {database["name"]: database["error"] for database in host["databases"]}
        if errors.get(facts["database"]):
            continue
        alike = _covers(host, facts)
        if facts["database"] not in errors:
            # It may have been dropped; another selection just left it out.
            if alike and host["selection"]["databases"] == facts["selection"]["databases"]:
                return True
        elif alike or not facts["sequence"]:
            return True
    return False


def _unentered(host: Document, memory: Mapping[str, Kept]) -> Iterator[Problem]:
    if host["error"]:
        facts = {**_facts(host), "server": None, "database": "", "sequence": ""}
        key = _BREAK.join(("host", _part(host["name"])))
        yield Problem(key, host["name"], "", "", "not audited", host["error"], "", facts)
    for database in host["databases"]:
        if database["error"]:
            facts = {**_facts(host), "database": database["name"], "sequence": ""}
            key = _key(host, database["name"], "", memory)
            yield Problem(key, host["name"], database["name"], "", "not audited", database["error"], "", facts)


def _of_sequence(host: Document, entry: Document, memory: Mapping[str, Kept], what: str, command: str) -> Problem:
    name = f"{entry['schema']}.{entry['name']}"
    facts = {**_facts(host), "database": entry["database"], "sequence": name}
    key = _key(host, entry["database"], name, memory)
    return Problem(key, host["name"], entry["database"], name, what, entry["message"], command, facts)


def _facts(host: Document) -> dict[str, t.Any]:
    return {
        "host": host["name"],
        "server": host["server"],
        "selection": host["selection"],
        "thresholds": host["thresholds"] or {},
        "fail_on": host["fail_on"],
    }


def _key(host: Document, database: str, sequence: str, memory: Mapping[str, Kept]) -> str:
    """What tells a problem from others: its server by address and port, and by its identifier where that is another's."""
    server = host["server"]
    if server is None:
        place = f"host {host['name']}"
    else:
        place = f"{server['address']}:{server['port']}"
        if server["address"].startswith(_LOCAL[1:]) or not server["address"]:
            place = f"{host['name']} {place}"
    key = _BREAK.join(map(_part, ("server", place, database, sequence)))
    if key in memory and not _is_same_server(host, memory[key].facts):
        return f"{key}{_BREAK}{(server or {}).get('system_identifier')}"
    return key


def _is_same_server(host: Document, facts: Mapping[str, t.Any]) -> bool:
    """Whether a host's server is the one that something was told of."""
    now, then = host["server"], facts["server"]
    if now is None or then is None:
        return bool(host["name"] == facts["host"])
    if (now["address"], now["port"]) != (then["address"], then["port"]):
        return False
    if not now["address"] or now["address"].startswith(_LOCAL[1:]):
        if host["name"] != facts["host"]:
            return False
    identifiers = {now["system_identifier"], then["system_identifier"]} - {None}
    return len(identifiers) < 2


def _covers(host: Document, facts: Mapping[str, t.Any]) -> bool:
    """Whether a run looked at all of a database that an earlier one looked at, and no less closely."""
    now, then = host["selection"], facts["selection"] or {}
    parts = ("schemas", "tables", "sequences")
    same = all(now[part] == then.get(part) for part in parts) or not any(now[part] for part in parts)
    mapped = {json.dumps(each, sort_keys=True) for each in now["columns"] or []}
    wanted = {json.dumps(each, sort_keys=True) for each in then.get("columns") or []}
    thresholds, before = host["thresholds"] or {}, facts["thresholds"]
    looser = any(thresholds.get(name, 0) > before.get(name, 0) for name in thresholds)
    return same and wanted <= mapped and not looser


def _part(text: str) -> str:
    return text.replace(_BREAK, "\\n")
