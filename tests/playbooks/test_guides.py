# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of the site's guides is run, in the order of the guide, on a database that is as bad as a restore leaves it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.run import sql
from support.toolchain import link_tree

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "docsite" / "rst"

SHOP = """
CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40);
CREATE TABLE customers_person (id serial PRIMARY KEY); INSERT INTO customers_person VALUES (7);
"""


def commands(guide: str) -> list[str]:
    return re.findall(r"^    \$ (.+)$", (GUIDES / guide).read_text(), re.M)


@pytest.mark.parametrize("guide", sorted(path.name for path in GUIDES.glob("guide_*.rst")))
def test_its_commands_do_what_it_says(guide: str, database: dict[str, str], tmp_path: Path) -> None:
    sql(database, SHOP)
    (tmp_path / "ansible.cfg").touch()
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts").write_text(json.dumps({"all": {"hosts": {"db1": here}}}))
    found = commands(guide)
    assert found
    for text in found:
        # Only where the server is differs from the guide.
        moved = text.replace("/run/postgresql", database["host"]).replace("shop", database["dbname"])
        done = subprocess.run(
            [str(Path(sys.executable).parent / shlex.split(moved)[0]), *shlex.split(moved)[1:]],
            cwd=tmp_path,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(link_tree()), "PGPORT": database["port"]},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        looks = ".check" in text and sql(database, "SELECT last_value FROM orders_id_seq") == [(1,)]
        assert done.returncode == (2 if looks else 0), f"{text}\n{done.stdout}{done.stderr}"
        writes = re.search(r"[._](fix|reset)\b", text) and "--check" not in text
        table = "customers_person" if "customers" in text else "orders"
        if writes:
            ((value,),) = sql(database, f"SELECT last_value + is_called::int FROM {table}_id_seq")
            assert value == {"customers_person": 8, "orders": 41}[table], text
    assert sql(database, "SELECT nextval('orders_id_seq')") == [(41,)]
