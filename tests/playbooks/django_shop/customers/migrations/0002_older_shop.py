# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of an older shop, with the ids they had there: what leaves sequences behind."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def move(apps: Any, schema_editor: Any) -> None:
    """Bring the rows in."""
    customer, order = apps.get_model("customers", "Customer"), apps.get_model("customers", "Order")
    customer.objects.bulk_create(customer(id=number, name=f"customer {number}") for number in range(1, 41))
    order.objects.bulk_create(order(id=number, customer_id=number) for number in range(1, 31))


class Migration(migrations.Migration):
    """Move them."""

    dependencies = [("customers", "0001_initial")]
    operations = [migrations.RunPython(move)]
