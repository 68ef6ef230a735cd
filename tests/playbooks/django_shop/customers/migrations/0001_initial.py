# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Make them."""

    initial = True

    operations = [
        migrations.CreateModel(
            "Customer", [("id", models.BigAutoField(primary_key=True)), ("name", models.TextField())]
        ),
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("customer", models.ForeignKey("customers.Customer", django.db.models.deletion.CASCADE)),
            ],
        ),
    ]
