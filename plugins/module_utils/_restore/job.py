# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""One run of the restore: what was asked for, what was found out, and what is returned."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._restore import decide, sequences
from ansible_collections.pgops.sequences.plugins.module_utils._restore.advice import Place
from ansible_collections.pgops.sequences.plugins.module_utils._restore.archive import Archive, switches_of
from ansible_collections.pgops.sequences.plugins.module_utils._restore.dump import Dump
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import Options, RestoreResult, counted
from ansible_collections.pgops.sequences.plugins.module_utils._restore.programs import Client, Programs

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target
    from ansible_collections.pgops.sequences.plugins.module_utils._restore.progress import Progress

    Query = t.Callable[..., list[Row]]

_SHOWN = 10


@dataclasses.dataclass
class Job:
    """What all parts of a run work on; the plan fills in what it finds out.

    :ivar options: what was asked for
    :ivar target: where and as whom
    :ivar client: how PostgreSQL's programs learn that
    :ivar folder: one that nobody else can enter
    :ivar progress: told how far the run is
    :ivar warn: called with what the operator should know
    :ivar result: filled in on the way
    :ivar dump: the dump
    :ivar archive: what it holds, unless it is plain
    :ivar programs: those that restore
    :ivar jobs: how many at the same time
    :ivar direct: whether pg_restore restores by itself, rather than one stream through psql
    :ivar server_version: ``server_version_num``
    :ivar role: who restores
    :ivar fingerprint: of the dump, and of what is wanted of it
    :ivar tables_hinted: how many tables a plain dump seems to have rows of
    :ivar can_note: whether the restore can be noted in its transaction
    :ivar positions: where sequences are to be at least, that the dump is not to set itself
    """

    options: Options
    target: Target
    client: Client
    folder: str
    progress: Progress
    warn: t.Callable[[str], None]
    result: RestoreResult
    dump: Dump = Dump("", "", "", 0)
    archive: Archive | None = None
    programs: Programs = Programs({}, (0, 0))
    jobs: int = 1
    direct: bool = False
    server_version: int = 0
    role: str = ""
    fingerprint: str = ""
    tables_hinted: int = 0
    can_note: bool = True
    positions: list[tuple[str, int, bool]] = dataclasses.field(default_factory=list)
    _no_table: str = ""

    @property
    def into(self) -> str:
        """The target, in words."""
        return f'into database "{self.options.database}" at {self.target.address}'

    @property
    def what(self) -> str:
        """The restore, in words."""
        return f"the restore of {self.dump.path} {self.into}"

    @property
    def place(self) -> Place:
        """Where an error happens, for advice."""
        schemas: set[str] = set()
        if self.archive is not None and self.options.data_only:
            schemas = {schema for schema, _name in self.archive.names(self.archive.of("TABLE DATA"))}
        return Place(self.dump.plain, self.dump.path, self.role, self.options.database, tuple(sorted(schemas)))

    def pg_restore(self, *first: str) -> list[str]:
        """pg_restore and its arguments; nothing for a plain dump."""
        if self.archive is None:
            return []
        options = self.options
        switches = switches_of(options.data_only, options.clean, options.exclude)
        chosen = [*first, *switches, *options.options, *self.archive.use_list()]
        return [self.programs.paths["pg_restore"], *chosen, "--", self.dump.path]

    def nothing_left(self, query: Query) -> bool:
        """Whether what the dump brings is there already; then the result says so.

        :raises RestoreError: that cannot be told, or the role may not do what a restore begins with
        """
        if not self.direct:
            decide.check_temporary(query, self.role, self.options.database)
        self.can_note = decide.can_note(query)
        loads = None if self.archive is None else self.archive.names(self.archive.of("TABLE DATA"))
        words, lacking = decide.still_there(query, self.fingerprint, self.options, self.what, self.dump.plain, loads)
        if words:
            self.result.already_restored, self.result.outcome, self.result.message = True, "unchanged", words
        if lacking:
            self.warn(words)
        return bool(words)

    def compare(self, query: Query) -> list[str]:
        """Fit an archive to the database; returns what has to be emptied first, as statements."""
        return [] if self.archive is None else decide.compare(query, self.archive, self.options)

    def say(self, words: str) -> None:
        """Say in the result what was or would be done."""
        self.result.message = f"{self._no_table}{words}"

    def warn_of_no_table(self, words: str) -> None:
        """Warn that the dump brings no table, once, and where it cannot be overlooked."""
        if not self._no_table:
            self._no_table = f"{words}: is it the right one? "
            self.warn(self._no_table.strip())

    def warn_not_noted(self, missed: int) -> None:
        """Warn that a second run will not know of all that this one did.

        :arg missed: how many tables were filled and could not be noted
        """
        self.warn(
            f'that rows were loaded cannot be noted for {counted(missed, "table")} of database "{self.options.database}", which "{self.role}"'
            " does not own: another run would not know of them, and load them again"
        )

    def advance(self, positions: list[tuple[str, int, bool]], what: str) -> None:
        """Move sequences forward, and warn of those that cannot be moved."""
        moved, left, missing = (
            sequences.advance(self.target, self.options.database, positions) if positions else (0, [], [])
        )
        self.result.changed = self.result.changed or moved > 0
        if missing:
            self.warn(
                f"{counted(len(missing), 'sequence')} of the dump {'is' if len(missing) == 1 else 'are'} not in the database, so that the"
                f" positions were not brought: {', '.join(missing[:_SHOWN])}"
            )
        if left:
            self.warn(f"{counted(len(left), 'sequence')} {what}: {'; '.join(left[:_SHOWN])}")
