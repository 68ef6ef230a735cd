# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This doc fragment is PRIVATE to the collection: it can change at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  diff_mode:
    support: N/A
    details:
      - What it writes is on the controller, and about others.
  idempotent:
    support: N/A
    details:
      - Never reports a change.
options:
  hosts:
    description:
      - Names of the hosts. One that has no result is left out.
    type: list
    elements: str
    required: true
  run:
    description:
      - Which of the role's entry points the results are of. Those of V(check) and V(info) are audits; for the others what the
        repair returned goes first.
    type: str
    required: true
    choices: [check, fix, auto_fix, restore, reset, info]
  fail_on:
    description:
      - What in an audit is a failure. V(warning) is also V(critical), V(unknown) is everything that is not known to be healthy,
        V(never) nothing; nothing would never be told, so that for alerts it is V(critical).
    type: str
    default: critical
    choices: [critical, warning, unknown, never]
"""
