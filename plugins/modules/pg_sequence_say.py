#!/usr/bin/python
# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_say
short_description: Print lines as they are
version_added: 1.0.0
description:
  - A step of the roles, which call it for you. It prints lines whole and without quotes, so that they can be copied, where
    M(ansible.builtin.debug) prints JSON.
  - Where what Ansible prints is for a machine (a callback such as C(json)), it prints nothing; the lines are in the result.
  - With O(fails) it says what is wrong, and fails.
  - It runs on the controller and connects to no host and no server.
author:
  - pgops contributors (@pgops)
extends_documentation_fragment:
  - pgops.sequences._attributes
  - pgops.sequences._fleet.controller
attributes:
  check_mode:
    support: full
options:
  lines:
    description:
      - What to print. Empty lines are left out.
    type: list
    elements: str
    required: true
  fails:
    description:
      - Whether to fail, unless all lines are empty. Each line is printed with the host's name.
      - M(ansible.builtin.fail) and M(ansible.builtin.assert) print a message inside of JSON, and with it lines of the role.
    type: bool
    default: false
seealso:
  - module: pgops.sequences.pg_sequence_report
"""

EXAMPLES = r"""
- name: Say where the monitor logs
  pgops.sequences.pg_sequence_say:
    lines: ["log: journalctl -u pg_sequences_monitor"]

- name: Refuse a folder that is none
  pgops.sequences.pg_sequence_say:
    fails: true
    lines:
      - "{{ '' if monitor_root is abs else 'monitor_root is no absolute path. Nothing was changed' }}"
"""

RETURN = r"""
lines:
  description: What was printed.
  returned: success
  type: list
  elements: str
  sample: ["log: journalctl -u pg_sequences_monitor"]
"""
