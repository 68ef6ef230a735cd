# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""An audit in, what a repair would do out. Pure: check mode forks from a real run here, and connects to nothing more."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._repair.changes import Repaired, change_of, in_order
from ansible_collections.pgops.sequences.plugins.module_utils._repair.unfixed import unfixed_of

if t.TYPE_CHECKING:
    from ansible_collections.pgops.sequences.plugins.module_utils._audit.pipeline import Audited


def predict(audited: Audited) -> Repaired:
    """Say what :func:`._run_repair.repair` would do, and what there would be to say afterwards.

    :arg audited: a database after its audit, with a policy among the rules it was judged by
    """
    entered = audited.database.entered
    if entered is None:
        return Repaired(audited)
    changes, after = {}, []
    for oid, finding in audited.found.findings.items():
        if finding.move and finding.moved:
            changes[oid] = change_of(finding, finding.move)
            after.append(finding.moved)
    found = audited.found.replaced(changes, after, entered.options.show_all)
    unfixed = unfixed_of(found.findings.values(), {}, changes)
    return Repaired(audited._replace(found=found), in_order(changes.values()), unfixed)
