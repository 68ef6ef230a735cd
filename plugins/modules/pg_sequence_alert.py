#!/usr/bin/python
# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_alert
short_description: Decide what is to be told of the hosts of a play, and remember what was
version_added: 0.1.0
description:
  - A step of the role P(pgops.sequences.pg_sequences#role), which calls it for you where O(pgops.sequences.pg_sequences#role:fleet:pg_sequences_mail_to)
    or O(pgops.sequences.pg_sequences#role:fleet:pg_sequences_webhook_url) is set, and sends what it returns.
  - To be told are problems that are new or have become others, what was repaired or is over, and, once in O(reminder_hours), what is
    still there. Nothing is told twice in between. What a run did not look at is neither new nor over.
  - A problem is a sequence whose status is a failure by O(fail_on), one that could not be repaired, and a host or database that
    could not be audited.
  - It runs on the controller, connects to no host and no server, and sends nothing itself.
author:
  - pgops contributors (@pgops)
extends_documentation_fragment:
  - pgops.sequences._attributes
  - pgops.sequences._fleet
attributes:
  check_mode:
    support: full
    details:
      - Changes that check mode only foretells are not told of as repaired.
options:
  channel:
    description:
      - By which way it is to be told. Each has its own memory, so that one that is out of order misses nothing.
    type: str
    required: true
    choices: [mail, webhook]
  state_file:
    description:
      - File on the controller that remembers what was told.
    type: path
    required: true
  reminder_hours:
    description:
      - After how many hours a problem that is still there is told of again; V(0) is never.
    type: float
    default: 24
  webhook_format:
    description:
      - V(slack) is a text as Slack, Mattermost and others take it, V(json) all there is.
    type: str
    default: json
    choices: [json, slack]
  told:
    description:
      - What an earlier call returned as RV(told), once it was sent. Then it is only remembered.
    type: dict
"""

EXAMPLES = r"""
- name: Decide what is to be told
  pgops.sequences.pg_sequence_alert:
    hosts: "{{ ansible_play_hosts_all }}"
    run: check
    channel: webhook
    state_file: /var/lib/pg_sequences/alerts.json
  run_once: true
  register: alert

- name: Tell it, and remember that
  when: alert.due
  run_once: true
  block:
    - name: Tell it
      ansible.builtin.uri:
        url: https://alerts.example.com/hook
        method: POST
        body: "{{ alert.body }}"
        body_format: json

    - name: Remember that
      pgops.sequences.pg_sequence_alert:
        hosts: []
        run: check
        channel: webhook
        state_file: /var/lib/pg_sequences/alerts.json
        told: "{{ alert.told }}"
"""

RETURN = r"""
due:
  description: Whether there is anything to tell.
  returned: unless O(told) is given
  type: bool
  sample: true
subject:
  description: The alert in a line.
  returned: if RV(due)
  type: str
  sample: "PostgreSQL sequences: 2 new, 5 burning"
text:
  description: The alert as plain text.
  returned: if RV(due)
  type: str
  sample: "PostgreSQL sequences: 2 new, 5 burning ..."
page:
  description: Path of the alert as HTML.
  returned: if RV(due) and O(channel=mail)
  type: str
  sample: /var/lib/pg_sequences/pg_sequences_alert.html
body:
  description: What to post to a webhook.
  returned: if RV(due)
  type: dict
  sample: {text: "PostgreSQL sequences: 2 new, 5 burning ..."}
told:
  description: What to give as O(told) once it was sent.
  returned: if RV(due)
  type: dict
  sample: {}
"""
