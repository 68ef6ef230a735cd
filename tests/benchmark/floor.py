# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The least that an audit has to do: open every table, its key's index and its sequence once, and read one row each.

``floor.py DSN FILE [state]``: FILE holds a JSON list of [table, column, sequence], quoted for SQL. Nothing is looked up
and nothing is judged. Last values alone, by a function, cost least; the whole state, with ``is_called``, is what
tells the next value.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import psycopg2

_BATCH = 100


def main(dsn: str, names: str, what: str = "last_value") -> None:
    """Read all of them through one connection; prints how many values were read."""
    entries = json.loads(Path(names).read_text())
    read = 0
    with contextlib.closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for place in range(0, len(entries), _BATCH):
            batch = entries[place : place + _BATCH]
            cursor.execute(
                " UNION ALL ".join(
                    f"(SELECT {column} FROM {table} ORDER BY {column} DESC LIMIT 1)"
                    for table, column, _sequence in batch
                )
            )
            read += len(cursor.fetchall())
            sequences = [sequence for _table, _column, sequence in batch]
            if what == "state":
                cursor.execute(" UNION ALL ".join(f"SELECT last_value, is_called FROM {name}" for name in sequences))
            else:
                cursor.execute(
                    "SELECT pg_sequence_last_value(s) FROM unnest(%s::regclass[]) s",
                    ["{" + ",".join(map(json.dumps, sequences)) + "}"],
                )
            read += len(cursor.fetchall())
    print(read)


if __name__ == "__main__":
    main(*sys.argv[1:])
