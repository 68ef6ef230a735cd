# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Which dumps were restored into a database, noted in the database itself.

The note must live and die with the database, must not be an object of it (dumps, schema comparisons and
migrations would see it), and must be written in the restore's own transaction. A setting of the database
that no program reads is all that. Setting one takes a superuser (measured on 10 to 18: "permission denied
to set parameter", also for the database's owner); for an owner who is none, a line in the comment on the
database has the same properties.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier, quote_literal

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row

_NAME = "pgops_sequences.restored"
_LINE = re.compile(r"\n?\[" + re.escape(_NAME) + r"=([^\]]*)\]")
_KEPT = 20
_STARTED = "started-"

_READ = """
SELECT d.datname::text AS name,
       shobj_description(d.oid, 'pg_database') AS comment,
       pg_has_role(d.datdba, 'USAGE') AS owner,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
       (SELECT string_agg(x, E'\\n') FROM pg_db_role_setting s, unnest(s.setconfig) x WHERE s.setdatabase = d.oid) AS settings
FROM pg_database d
WHERE d.datname = current_database()
"""


@dataclasses.dataclass(frozen=True)
class Record:
    """What is noted, and how more can be.

    :ivar restored: fingerprints of what was restored
    :ivar started: fingerprints of what was begun with several jobs, which is not atomic, and did not end
    :ivar way: ``setting``, ``comment``, or None where this role can note nothing
    """

    restored: tuple[str, ...]
    started: tuple[str, ...]
    way: str | None
    _database: str
    _comment: str

    @classmethod
    def read(cls, query: t.Callable[[str], list[Row]]) -> Record:
        """Read the notes of the database that ``query`` asks.

        :raises DatabaseError: they cannot be read
        """
        row = query(_READ)[0]
        comment = row["comment"] or ""
        texts = _LINE.findall(comment)
        for line in (row["settings"] or "").splitlines():
            name, _equals, value = line.partition("=")
            if name == _NAME:
                texts.append(value)
        tokens = list(dict.fromkeys(token for text in texts for token in text.split(",") if token))
        way = "setting" if row["superuser"] else "comment" if row["owner"] else None
        return cls(
            tuple(token for token in tokens if not token.startswith(_STARTED)),
            tuple(token[len(_STARTED) :] for token in tokens if token.startswith(_STARTED)),
            way,
            row["name"],
            _LINE.sub("", comment),
        )

    def without(self, gone: t.Callable[[str], bool]) -> Record:
        """The record without the fingerprints for which ``gone`` is true."""
        return dataclasses.replace(
            self,
            restored=tuple(fingerprint for fingerprint in self.restored if not gone(fingerprint)),
            started=tuple(fingerprint for fingerprint in self.started if not gone(fingerprint)),
        )

    def note(self, fingerprint: str, ended: bool = True) -> list[str]:
        """The statements that note a restore; none where this role can note nothing.

        :arg fingerprint: of what was restored
        :arg ended: whether the restore is over; otherwise it begins now
        """
        tokens = [token for token in self.restored if token != fingerprint]
        tokens += [_STARTED + token for token in self.started if token != fingerprint]
        tokens.append(fingerprint if ended else _STARTED + fingerprint)
        value = ",".join(tokens[-_KEPT:])
        database = quote_identifier(self._database)
        if self.way == "setting":
            return [f"ALTER DATABASE {database} SET {quote_identifier(_NAME)} = {quote_literal(value)}"]
        if self.way == "comment":
            text = (self._comment + "\n" if self._comment else "") + f"[{_NAME}={value}]"
            return [f"COMMENT ON DATABASE {database} IS {quote_literal(text)}"]
        return []
