# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses a pattern of hosts that fits none."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pg_sequence_hosts
short_description: Refuse a pattern of hosts that fits none
version_added: 1.0.0
description:
  - The playbooks of this collection name their hosts by it. Ansible itself passes over a play whose pattern fits no host, and ends as if
    all was well.
  - A pattern that fits no host of the inventory is refused, and where a playbook of this collection is what C(ansible-playbook) was
    given, also one that fits none within C(--limit). In a playbook that imports it, C(--limit) may be about others.
  - It refuses nothing where hosts or tasks are only listed.
author:
  - pgops contributors (@pgops)
options:
  _terms:
    description: The pattern of hosts, as for a play.
    required: true
"""

EXAMPLES = r"""
- name: Audit the sequences of the shop's servers, and fail where there are none
  hosts: "{{ lookup('pgops.sequences.pg_sequence_hosts', 'shop') }}"
  gather_facts: false
  tasks:
    - name: Audit them
      ansible.builtin.import_role:
        name: pgops.sequences.pg_sequences
        tasks_from: check
"""

RETURN = r"""
_raw:
  description: The pattern, as it was given.
  type: list
  elements: str
"""

import typing as t

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.lookup import LookupBase

_LISTING = ("syntax", "listhosts", "listtasks", "listtags")


class LookupModule(LookupBase):
    """The lookup; options and result stand in its documentation."""

    def run(self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **_more: t.Any) -> list[str]:
        """Return the pattern.

        :raises AnsibleError: it fits no host
        """
        variables = variables or {}
        pattern = ",".join(map(str, terms[0])) if isinstance(terms[0], list) else str(terms[0])
        ours = any(str(name).startswith("pgops.sequences.") for name in context.CLIARGS.get("args") or ())
        limit = variables.get("ansible_limit") if ours else None
        manager = InventoryManager(self._loader, parse=False)
        for group, hosts in (variables.get("groups") or {}).items():
            manager.add_group(group)
            for host in hosts:
                manager.add_host(host, group=group)
        manager.subset(limit)
        if not manager.get_hosts(pattern) and not any(context.CLIARGS.get(name) for name in _LISTING):
            limited = f" within --limit {limit}" if limit else ""
            raise AnsibleError(f"No host of the inventory fits pg_sequences_hosts={pattern}{limited}. Nothing was done")
        return [pattern]
