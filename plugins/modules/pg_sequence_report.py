#!/usr/bin/python
# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_report
short_description: Put what was found on the hosts of a play together, and write it down on the controller
version_added: 0.1.0
description:
  - The last step of the role P(pgops.sequences.pg_sequences#role), which calls it for you. It reads what the role's audits
    and repairs left in the hosts' variables C(pg_sequences_audit) and C(pg_sequences_repair), puts it together, the worst first,
    with the hosts that could not be audited, and says which hosts' runs are failures.
  - With O(report_dir) it writes report files, with O(log_file) a line for every change. Both are written in check mode as
    well, since they tell what was found and would be done; they say so.
  - It runs on the controller and connects to no host and no server.
author:
  - pgops contributors (@pgops)
extends_documentation_fragment:
  - pgops.sequences._attributes
  - pgops.sequences._fleet
attributes:
  check_mode:
    support: full
    details:
      - Writes its files also in check mode. What they tell of is left alone.
options:
  report_dir:
    description:
      - Folder for report files. Each run has a folder of its own in it, named by the time, such as C(2026-11-26T150000Z);
        the link C(latest) leads to the newest. A run's files appear together or not at all.
    type: path
  report_formats:
    description:
      - V(json) is C(report.json), described by C(docs/report.schema.json); earlier ones are what trends are drawn from.
      - V(csv) is C(report.csv). Text that a spreadsheet would run as a formula has an apostrophe before it.
      - V(html) is C(report.html), a page that needs nothing else.
      - V(prometheus) is C(pg_sequences.prom), for the textfile collector of C(node_exporter).
    type: list
    elements: str
    default: [json, html]
    choices: [csv, html, json, prometheus]
  report_file:
    description:
      - One report file that each run replaces, its format by the end of its name - C(.json), C(.csv), C(.html), C(.prom).
    type: path
  report_keep:
    description:
      - How many runs to keep in O(report_dir); V(0) is all.
    type: int
    default: 0
  log_file:
    description:
      - File to which a line of JSON is appended for each change.
    type: path
  role:
    description:
      - Role in the database that the changes were made by, for O(log_file).
    type: str
  probe:
    description:
      - Only see that O(report_dir) and O(log_file) can be written, before anything is done.
    type: bool
    default: false
seealso:
  - module: pgops.sequences.pg_sequence_info
  - module: pgops.sequences.pg_sequence_fix
"""

EXAMPLES = r"""
- name: Put the audits of a play's hosts together, and write a page and a file for machines
  pgops.sequences.pg_sequence_report:
    hosts: "{{ ansible_play_hosts_all }}"
    run: check
    report_dir: /var/lib/pg_sequences
  run_once: true
"""

RETURN = r"""
summary:
  description: Counts over all hosts.
  returned: unless O(probe=true)
  type: dict
  sample:
    {hosts: 4, hosts_not_audited: 1, databases: 9, databases_not_audited: 0, total: 812, critical: 5, unknown: 2,
     warning: 3, healthy: 800, skipped: 2, repaired: 0, not_fixed: 0}
verdicts:
  description: Why a host's run is a failure, by the names of those hosts where it is.
  returned: unless O(probe=true)
  type: dict
  sample: {db1: "5 critical, 2 unknown, 3 warning (pg_sequences_fail_on=critical)."}
lines:
  description: What was found and done, for a terminal, the worst first.
  returned: unless O(probe=true)
  type: list
  elements: str
  sample: ["critical db1 shop public.orders_id_seq: next value 2 is not beyond 4711 (orders.id)"]
files:
  description: Paths of the report files by format.
  returned: with O(report_dir)
  type: dict
  sample: {html: /var/lib/pg_sequences/2026-11-26T150000Z/report.html}
"""
