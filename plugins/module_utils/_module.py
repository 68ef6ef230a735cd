# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""The module class that all modules of the collection use."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.validation import check_type_dict

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import SECRETS


class SequenceModule(AnsibleModule):
    """An AnsibleModule that also keeps passwords inside ``connect_params`` out of results, errors and logs.

    Its values cannot all be ``no_log``: that would blot out every "require" and every "10" in the results.
    """

    def __init__(self, **settings: t.Any) -> None:
        """Take AnsibleModule's own arguments."""
        self.reference: t.Any = None
        super().__init__(**settings)

    def _load_params(self) -> None:
        # Before the options are validated and logged, either of which shows them.
        super()._load_params()
        # Thousands of entries, which AnsibleModule would copy, log, and return with the result. Their reader checks them.
        self.reference = self.params.pop("reference", None)
        self.no_log_values.update(_secrets(self.params.get("connect_params")))


def _secrets(connect_params: t.Any) -> set[str]:
    try:
        found = check_type_dict(connect_params or {})
    except (TypeError, ValueError):
        # Not a dictionary: the module will refuse it, and show it.
        return {str(connect_params)}
    return {str(found[name]) for name in SECRETS if found.get(name)}
