# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""What an audit looks at, what it may cost, by what it judges, and what it keeps."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._discover.selection import Selection
from ansible_collections.pgops.sequences.plugins.module_utils._judge.finding import Rules
from ansible_collections.pgops.sequences.plugins.module_utils._judge.moves import Policy
from ansible_collections.pgops.sequences.plugins.module_utils._judge.verdict import Thresholds
from ansible_collections.pgops.sequences.plugins.module_utils._observe.obstacles import Limits
from ansible_collections.pgops.sequences.plugins.module_utils._reference.reference import reference_of

if t.TYPE_CHECKING:
    from collections.abc import Mapping


class AuditOptions(t.NamedTuple):
    """The options of an audit (contract, section 3), with what a repair adds to how it judges (section 4).

    :ivar lock_timeout: seconds
    :ivar statement_timeout: seconds
    :ivar jobs: the most sessions with one database
    :ivar show_all: keep also what is not worth a word
    :ivar positions: read where sequences stand, and no rows
    """

    selection: Selection
    limits: Limits
    rules: Rules
    lock_timeout: float
    statement_timeout: float
    jobs: int
    show_all: bool
    positions: bool = False

    @classmethod
    def of(cls, params: Mapping[str, t.Any], reference: t.Any = None) -> AuditOptions:
        """Take them from a module's parameters; where these hold a ``mode``, sequences may be moved.

        :arg reference: the option of that name
        :raises ReferenceFault: the reference cannot be meant
        """
        policy = None
        if "mode" in params:
            realign = params["mode"] == "realign"
            leave = not params["move_subscribed"]
            policy = Policy(realign, params["margin"], params["max_jump"], params["lock_tables"], leave)
        positions = bool(params.get("positions"))
        compared = reference_of(reference, params["reference_databases"])
        return cls(
            selection=Selection.of(params),
            limits=Limits(params["max_scan_rows"], params["trust_index_functions"]),
            rules=Rules(Thresholds(params["gap_threshold"], params["near_limit_percent"]), policy, compared),
            lock_timeout=params["lock_timeout"],
            statement_timeout=params["statement_timeout"],
            jobs=params["jobs"],
            # What is compared is counted by name.
            show_all=params["show_all"] or positions or compared is not None,
            positions=positions,
        )
