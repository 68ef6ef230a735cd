# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The words of the contract (sections 2 and 4) that results are written in."""

from __future__ import annotations

CRITICAL = "critical"
WARNING = "warning"
HEALTHY = "healthy"
UNKNOWN = "unknown"
SKIPPED = "skipped"

STATUSES = (HEALTHY, WARNING, CRITICAL, UNKNOWN, SKIPPED)

QUIET = (HEALTHY, SKIPPED)
"""What is counted but not listed, unless ``show_all`` asks for it (contract, section 3)."""

STRUCTURAL = frozenset({"not_a_number", "foreign_table", "view", "custom_default"})
"""Reasons that no privilege, lock or option settles: ``pg_sequence_fix`` warns of them (contract, section 4)."""

LOCKED = "locked"
STEPPED = "stepped"
"""How a sequence is moved: under its own lock, or by ``nextval()`` (contract, section 4)."""
