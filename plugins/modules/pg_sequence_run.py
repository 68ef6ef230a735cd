#!/usr/bin/python
# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_run
short_description: Audit, repair or restore on a host by the role's variables
version_added: 1.0.0
description:
  - The main step of the role P(pgops.sequences.pg_sequences#role), which calls it for you.
  - It takes the host's variables C(pg_sequences_*) and runs M(pgops.sequences.pg_sequence_info), M(pgops.sequences.pg_sequence_fix)
    and M(pgops.sequences.pg_sequence_restore) with them, as the run needs it. What C(module_defaults) give the collection's action
    group goes after the variables.
  - It does not fail. What kept the host from coming to its end is RV(error), so that the other hosts go on and
    M(pgops.sequences.pg_sequence_report) can report it.
author:
  - pgops contributors (@pgops)
extends_documentation_fragment:
  - pgops.sequences._attributes
  - pgops.sequences._fleet
  - pgops.sequences._attributes.ACTIONGROUP
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  foretell:
    description:
      - Return what would be done, of a task that is in check mode for that; it counts as no change.
    type: bool
    default: false
seealso:
  - module: pgops.sequences.pg_sequence_info
  - module: pgops.sequences.pg_sequence_fix
  - module: pgops.sequences.pg_sequence_restore
"""

EXAMPLES = r"""
- name: Audit the sequences
  pgops.sequences.pg_sequence_run:
    run: check
  register: pg_sequences_result
"""

RETURN = r"""
run:
  description: As O(run).
  returned: always
  type: str
  sample: check
id:
  description: What distinguishes it from other results; a result counts in one report.
  returned: always
  type: str
  sample: 0b5c7a52-6f0c-4d0e-9d64-a1a5f4f5d1c3
check_mode:
  description: Whether changes were only foretold.
  returned: always
  type: bool
  sample: false
error:
  description: Why the run did not come to its end, or C(null).
  returned: always
  type: str
  sample: "no database is named, and fix changes something"
server:
  description: As M(pgops.sequences.pg_sequence_info) returns it; C(null) where nothing was looked at.
  returned: always
  type: dict
  sample: {address: shop.example.com, port: 5432, in_recovery: false, system_identifier: "7440973466427316255"}
selection:
  description: What was looked at, as M(pgops.sequences.pg_sequence_info) returns it, or C(null).
  returned: always
  type: dict
  sample: {databases: [shop], schemas: [], tables: [], sequences: [], columns: []}
thresholds:
  description: What it was judged by.
  returned: if the variables could be used
  type: dict
  sample: {gap_threshold: 1000, near_limit_percent: 80.0}
summary:
  description: Counts, as M(pgops.sequences.pg_sequence_info) returns them, after the run; C(null) where nothing was looked at.
  returned: always
  type: dict
  sample: {databases: 1, total: 12, healthy: 12, warning: 0, critical: 0, unknown: 0, skipped: 0}
databases:
  description: As M(pgops.sequences.pg_sequence_info) returns them.
  returned: always
  type: list
  elements: dict
  sample: [{name: shop, server_version: "18.1", in_recovery: false, error: null, summary: {total: 12}}]
sequences:
  description: As M(pgops.sequences.pg_sequence_info) returns them, after the run.
  returned: always
  type: list
  elements: dict
  sample: []
changes:
  description: As M(pgops.sequences.pg_sequence_fix) returns them.
  returned: always
  type: list
  elements: dict
  sample: []
not_fixed:
  description: As M(pgops.sequences.pg_sequence_fix) returns them.
  returned: always
  type: list
  elements: dict
  sample: []
not_logged:
  description: Why the changes, which were made, are not in the log, or C(null).
  returned: always
  type: str
  sample: "pg_sequences_log_file: cannot write /var/log/sequences.log"
restored:
  description: What M(pgops.sequences.pg_sequence_restore) returned, or C(null).
  returned: always
  type: dict
  sample: {database_exists: true}
cutover:
  description:
    - Of a cut-over, what was seen of both servers, what is only on one of them, whether it may be switched, why not yet, and the lines
      that say so; otherwise C(null).
  returned: always
  type: dict
  sample: {switchable: true, verdict: "may be switched: 12 sequences compared, none behind the source, 3 moved, verified in a new session"}
"""
