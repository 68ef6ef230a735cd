# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what ``manage.py sqlsequencereset`` prints for as many apps as a JSON file names, app by app.

``django_statements.py FILE``: FILE holds a JSON object of table names by app. The statements come from Django's own
backend, by the call that the command makes, wrapped in BEGIN and COMMIT as the command wraps them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management.color import no_style
from django.db import connection, models


def main(names: str) -> None:
    """Print the statements."""
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "unused"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()
    for app, tables in json.loads(Path(names).read_text()).items():
        classes = []
        for table in tables:
            meta = type("Meta", (), {"app_label": app, "db_table": table})
            name = table.title().replace("_", "")
            classes.append(type(name, (models.Model,), {"__module__": __name__, "Meta": meta}))
        print("BEGIN;", *connection.ops.sequence_reset_sql(no_style(), classes), "COMMIT;", sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
