# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of this collection as sessions of nox, for those who are used to them; ``make lint``, ``sanity`` and ``release`` have these too."""

# /// script
# dependencies = ["nox>=2025.2.9", "antsibull-nox"]
# ///

import sys

import nox

try:
    import antsibull_nox
except ImportError:
    print("antsibull-nox is needed beside nox: python3 -m pip install antsibull-nox")
    sys.exit(1)

antsibull_nox.load_antsibull_nox_toml()

if __name__ == "__main__":
    nox.main()
