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
  - Where a playbook of this collection is what C(ansible-playbook) was given, it also refuses C(--tags) and C(--skip-tags) that leave no
    task of it, since Ansible would do nothing and end as if all was well.
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

_TAG = "pg_sequences"
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
        if any(context.CLIARGS.get(name) for name in _LISTING):
            return [pattern]
        if ours:
            _refuse_tags(context.CLIARGS.get("tags") or (), context.CLIARGS.get("skip_tags") or ())
        if not manager.get_hosts(pattern):
            limited = f" within --limit {limit}" if limit else ""
            raise AnsibleError(f"No host of the inventory fits pg_sequences_hosts={pattern}{limited}. Nothing was done")
        return [pattern]


def _refuse_tags(wanted: t.Iterable[str], skipped: t.Iterable[str]) -> None:
    """All tasks have one tag; with others there is nothing to do.

    :raises AnsibleError: no task is left
    """
    whole, listed = {_TAG, "all", "tagged"}, set(wanted)
    if listed and not listed & whole:
        raise AnsibleError(
            f"--tags {','.join(sorted(listed))} fits no task of this playbook. Nothing was done; leave --tags away"
        )
    if found := set(skipped) & whole:
        raise AnsibleError(
            f"--skip-tags {','.join(sorted(found))} leaves no task of this playbook. Nothing was done; leave it away"
        )
