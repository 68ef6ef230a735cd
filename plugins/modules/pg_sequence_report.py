#!/usr/bin/python
# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_report
short_description: Show what was found on the hosts of a play, and write it down on the controller
version_added: 1.0.0
description:
  - A step of the role P(pgops.sequences.pg_sequences#role), which calls it for you. It reads C(pg_sequences_result) of all hosts
    of the play, what M(pgops.sequences.pg_sequence_run) returned, and prints it, the worst first, with the hosts that could not be audited.
  - It ends with a verdict, where the reports lie, and the next command with the inventory and the variables of this run.
    Passwords of the command line are left out of it.
  - It has M(pgops.sequences.pg_sequence_alert) send what is new or over.
  - Each host's variables say where its report goes and what is a failure. Hosts that name the same folder share a report.
  - Reports are written in check mode as well, and say so.
  - It runs on the controller and connects to no host and no server.
author:
  - pgops contributors (@pgops)
extends_documentation_fragment:
  - pgops.sequences._attributes
  - pgops.sequences._fleet
  - pgops.sequences._fleet.controller
attributes:
  check_mode:
    support: full
    details:
      - Writes its files also in check mode. Servers are left alone.
options:
  foretold:
    description:
      - The results are of a run in check mode; then nothing is written and no alert is sent.
    type: bool
    default: false
seealso:
  - module: pgops.sequences.pg_sequence_run
  - module: pgops.sequences.pg_sequence_alert
"""

EXAMPLES = r"""
- name: Show what came of all hosts, and write the reports
  pgops.sequences.pg_sequence_report:
    run: check
  run_once: true
  register: pg_sequences_report
"""

RETURN = r"""
summary:
  description: Counts over all hosts.
  returned: success
  type: dict
  sample:
    {hosts: 4, hosts_not_audited: 1, databases: 9, databases_not_audited: 0, total: 812, critical: 5, unknown: 2,
     warning: 3, healthy: 800, skipped: 2, repaired: 0, not_fixed: 0}
verdicts:
  description: Why a host's run is a failure, by the names of the hosts that it was tried on; empty where it is none.
  returned: success
  type: dict
  sample: {db1: "5 critical, 2 unknown, 3 warning (pg_sequences_fail_on=critical)."}
brief:
  description: The same in a few words, for the line that Ansible prints of a host that fails.
  returned: success
  type: dict
  sample: {db1: "5 critical, 2 unknown: see the verdict above"}
lines:
  description: What was printed.
  returned: success
  type: list
  elements: str
  sample: ["critical db1 shop public.orders_id_seq: behind: the next value is 2, but orders.id already goes up to 4711"]
files:
  description: Paths of the report files.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/pg_sequences/2026-11-26T150000Z/report.html]
"""
