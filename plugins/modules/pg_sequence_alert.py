#!/usr/bin/python
# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_alert
short_description: Send alerts of what is new or over on the hosts of a play, by mail and webhook
version_added: 1.0.0
description:
  - A step of the role P(pgops.sequences.pg_sequences#role), which calls it for you. It sends where a host's variables C(pg_sequences_mail_to)
    or C(pg_sequences_webhook_url) say so. Hosts that name the same destination share a message.
  - An alert holds problems that are new or have become others, what was repaired or is over, and, once in C(pg_sequences_alert_reminder) hours,
    what is still there. Nothing is sent twice in between.
  - A problem is a sequence whose status is a failure by the host's C(pg_sequences_fail_on), one that could not be repaired, and a host or
    database that could not be audited. Over is only what was looked at again, on the same server, with a selection and
    thresholds no looser, and is no problem then. One that can no longer be judged is a problem of that kind.
  - What was sent is kept in C(pg_sequences_alert_state); runs at the same time wait for each other.
  - It runs on the controller. It does not fail; what could not be sent is in RV(failures), and the next run sends it.
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
      - Sends nothing in check mode.
seealso:
  - module: pgops.sequences.pg_sequence_report
"""

EXAMPLES = r"""
- name: Send what is new or over
  pgops.sequences.pg_sequence_alert:
    run: check
  run_once: true
"""

RETURN = r"""
failures:
  description: What could not be sent, by the names of the hosts.
  returned: success
  type: dict
  sample: {db1: "No mail was sent by mail.example.com:25: Connection refused. The next run tries again."}
told:
  description: What was sent, a line each.
  returned: success
  type: list
  elements: str
  sample: ["mail: PostgreSQL sequences: critical: db1 shop public.orders_id_seq"]
"""
