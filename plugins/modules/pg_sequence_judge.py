#!/usr/bin/python
# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_judge
short_description: Fail for a host by what the report said of it
version_added: 1.0.0
description:
  - The last step of the role P(pgops.sequences.pg_sequences#role), which calls it for you. It fails where M(pgops.sequences.pg_sequence_report)
    found a failure by the host's own variables, and where the host was not looked at since it last judged it.
  - A host of which no report was made, because another host's task failed or was for that host alone, is reported by it.
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
seealso:
  - module: pgops.sequences.pg_sequence_report
"""

EXAMPLES = r"""
- name: Fail each host with problems
  pgops.sequences.pg_sequence_judge:
    run: check
"""

RETURN = r"""
"""
