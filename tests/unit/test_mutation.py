# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``tests/mutation.py`` is to break is still there: a rule that was rewritten must not fall asleep with its guard."""

from __future__ import annotations

import ast

import mutation
import pytest


@pytest.mark.parametrize("broken", mutation.MUTATIONS, ids=lambda broken: broken.name)
def test_what_is_to_be_broken_stands_once_in_its_file(broken: mutation.Mutation) -> None:
    path = mutation.ROOT / "plugins" / "module_utils" / broken.file
    sound = path.read_text()
    assert sound.count(broken.old) == 1
    # What cannot be compiled is caught by every test, which tells nothing of the rule.
    assert ast.dump(ast.parse(sound.replace(broken.old, broken.new))) != ast.dump(ast.parse(sound))


def test_no_two_broken_rules_bear_one_name() -> None:
    names = [broken.name for broken in mutation.MUTATIONS]
    assert len(set(names)) == len(names)
