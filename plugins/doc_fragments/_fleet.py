# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This doc fragment is PRIVATE to the collection: it can change at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  run:
    description:
      - Which of the role's runs it is about.
    type: str
    required: true
    choices: [check, info, fix, auto_fix, reset, restore, cutover]
"""

    CONTROLLER = r"""
options: {}
attributes:
  diff_mode:
    support: N/A
    details:
      - What it writes is on the controller, and about others.
  idempotent:
    support: N/A
    details:
      - Never reports a change.
"""
