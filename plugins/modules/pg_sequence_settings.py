#!/usr/bin/python
# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_settings
short_description: Check the variables of all hosts of a play, and the files they name on the controller
version_added: 1.0.0
description:
  - The first step of the role P(pgops.sequences.pg_sequences#role), which calls it for you.
  - It reads the variables C(pg_sequences_*) of all hosts of the play, wherever they are set, and fails for one that the role
    does not know, with the nearest that it knows, for values that no run could use, and for report folders, logs and files of
    alerts that cannot be written to.
  - Nothing has been connected to or changed then. It runs on the controller, once for all hosts, whatever the strategy.
  - A template that cannot be resolved, or a full disk, is no reason to fail here. What they keep a host from is in its own
    result.
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
      - Makes missing folders also in check mode, since reports are written there.
options:
  probe:
    description:
      - Whether to see that the files can be written to. They may be another machine's, as the monitor's are.
    type: bool
    default: true
seealso:
  - module: pgops.sequences.pg_sequence_run
"""

EXAMPLES = r"""
- name: Check the variables before anything is done
  pgops.sequences.pg_sequence_settings:
    run: check
  run_once: true
"""

RETURN = r"""
"""
