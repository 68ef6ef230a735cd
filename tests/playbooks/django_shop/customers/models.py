# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A customer and the orders of one."""

from __future__ import annotations

from django.db import models


class Customer(models.Model):
    """Somebody who buys."""

    name = models.TextField()


class Order(models.Model):
    """What somebody bought."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
