# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command and statement of the site's guides is run, in the order of the guide, on a database as bad as a restore leaves it.

A block with a caption is a file of that name. A block of plain text stands in what the command before it printed. Comments
that a reader does not see say which code a command ends with, and what happens before the next one.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg2
import pytest

from support.run import run_module, run_playbook, sql
from support.servers import Server, client_binaries
from support.toolchain import link_tree

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "docsite" / "rst"

SHOP = """
CREATE ROLE shop_owner; CREATE ROLE admin LOGIN CREATEDB CREATEROLE; GRANT shop_owner TO admin WITH ADMIN OPTION;
ALTER DATABASE shop OWNER TO shop_owner; ALTER SCHEMA public OWNER TO shop_owner;
SET ROLE shop_owner;
CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40);
CREATE TABLE customers_person (id serial PRIMARY KEY); INSERT INTO customers_person VALUES (7);
RESET ROLE;
"""

PRIVATE = "REVOKE ALL ON DATABASE shop FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC;"
"""Nobody may enter, or use the schema, unless he was allowed to."""

BEFORE = {
    "guide_frameworks.rst": """
        CREATE SEQUENCE client_seq INCREMENT 50; CREATE TABLE client (id bigint PRIMARY KEY);
        INSERT INTO client SELECT generate_series(1, 120);
        CREATE SEQUENCE product_id_seq; CREATE TABLE product (id int PRIMARY KEY); INSERT INTO product VALUES (40);
        CREATE SEQUENCE ir_sequence_001; CREATE TABLE artist (id serial PRIMARY KEY, name text)
    """,
    "guide_least_privilege.rst": PRIVATE,
    "guide_troubleshooting.rst": "CREATE ROLE auditor LOGIN",
}

AFTER = {
    "guide_ad_hoc.rst": {"orders_id_seq": 41},
    "guide_after_a_restore.rst": {"orders_id_seq": 81},
    "guide_awx.rst": {"orders_id_seq": 41},
    "guide_cutover.rst": {"orders_id_seq": 901},
    "guide_fleets.rst": {"orders_id_seq": 41},
    "guide_frameworks.rst": {"customers_person_id_seq": 8, "client_seq": 201, "product_id_seq": 41, "artist_id_seq": 4},
    "guide_from_scripts.rst": {"orders_id_seq": 41, "customers_person_id_seq": 8},
    "guide_how_it_decides.rst": {"ticket_seq": 41, "orders_id_seq": 1},
    "guide_least_privilege.rst": {"orders_id_seq": 5000001},
    "guide_managed_servers.rst": {"orders_id_seq": 41},
    "guide_troubleshooting.rst": {"orders_id_seq": 1},
}
"""The next value of sequences when a guide has come to its end."""

ELSEWHERE = {
    # The commands are those of the English one: tests/unit/test_guides.py.
    "guide_from_scripts_ar.rst": "",
    # It holds definitions for others to run.
    "guide_semaphore_rundeck.rst": "test_schedulers.py",
}
"""Guides whose commands another file runs."""


class Step(NamedTuple):
    """A part of a guide that does something."""

    kind: str
    name: str
    text: str


def steps(guide: str) -> list[Step]:
    text = (GUIDES / guide).read_text()
    comment = r"^\.\. (?P<comment>exit code|before the next command): (?P<said>.+)$"
    block = r"^\.\. code-block:: (?P<kind>\w+)\n(?: {4}:caption: (?P<name>\S+)\n)?\n(?P<text>(?: {4}.*\n|\n)+)"
    found = []
    for each in re.finditer(f"{comment}|{block}", text, re.M):
        if each["comment"]:
            found.append(Step(each["comment"], "", each["said"]))
        else:
            lines = [line[4:] for line in each["text"].strip("\n").split("\n")]
            found.append(Step(each["kind"], each["name"] or "", "\n".join(lines)))
    return found


@pytest.fixture
def shop(server: Server, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A database of that name, as the guides have it, and what else they name."""
    (roles,) = sql(server.dsn(), "SELECT array_agg(rolname::text) FROM pg_roles")
    sql(server.dsn(), "CREATE DATABASE shop")
    for name in ("bin", "backups"):
        (tmp_path / name).mkdir()
    try:
        yield server.dsn("shop")
    finally:
        sql(server.dsn(), "DROP DATABASE IF EXISTS shop WITH (FORCE)")
        made = sql(server.dsn(), "SELECT rolname FROM pg_roles WHERE rolname <> ALL (%s)", [roles[0]])
        for (role,) in made:
            sql(server.dsn(), f"DROP ROLE {role}")


class Reader:
    """One who follows a guide."""

    def __init__(self, guide: str, shop: dict[str, str], folder: Path, other: Server | None) -> None:
        self.guide = guide
        self.shop = shop
        self.folder = folder
        self.other = other
        # Only where the servers and the dump are differs from the guide.
        self.moved = {
            "/run/postgresql": shop["host"],
            "shop.example.com": shop["host"],
            "old.example.com": other.dsn()["host"] if other else "",
            "/var/backups": str(folder / "backups"),
        }
        (folder / "ansible.cfg").touch()
        ports = {"pg_sequences_source_login_port": int(other.dsn()["port"])} if other else {}
        (folder / "hosts").write_text(json.dumps({"all": {"hosts": {"db1": ports}}}))

    def follow(self) -> int:
        """Do all that the guide says; return how many commands that were."""
        code, output, count = 0, "", 0
        for step in steps(self.guide):
            if step.kind == "exit code":
                code = int(step.text)
            elif step.kind == "before the next command":
                sql(self.shop, step.text)
            elif step.kind == "sql":
                user = "admin" if "managed" in self.guide else "postgres"
                sql({**self.shop, "user": user}, step.text)
            elif step.name:
                (self.folder / step.name).write_text(self.here(step.text))
            elif step.kind == "console":
                for line in step.text.split("\n"):
                    assert line.startswith("$ "), line
                    output = self.run(line[2:], code)
                    count += 1
                code = 0
            elif step.kind == "text":
                missing = [line for line in step.text.split("\n") if line.strip() not in output]
                assert not missing, f"{missing} is not in:\n{output}"
            else:
                raise AssertionError(f"what is to be done with {step}?")
        return count

    def here(self, text: str) -> str:
        for there, here in self.moved.items():
            text = text.replace(there, here)
        return text

    def run(self, command: str, code: int) -> str:
        words = shlex.split(self.here(command))
        before = self.values()
        programs = [str(self.folder / "bin"), str(Path(sys.executable).parent), str(client_binaries())]
        done = subprocess.run(
            words,
            cwd=self.folder,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(link_tree()),
                "ANSIBLE_HOME": str(self.folder / "home"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                "ANSIBLE_TRANSPORT": "local",
                "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
                "PGPORT": self.shop["port"],
                "PGUSER": "postgres",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == code, f"{command}\n{output}"
        if "--check" in words or "info" in command:
            assert self.values() == before, f"{command} wrote"
        return output

    def begin(self) -> None:
        """Make the shop of the guide."""
        sql(self.shop, SHOP + BEFORE.get(self.guide, ""))
        if "restore" in self.guide:
            where = ["-h", self.shop["host"], "-p", self.shop["port"], "-U", "postgres"]
            dump = ["-Fc", "-f", str(self.folder / "backups" / "shop.dump"), "shop"]
            sql(self.shop, "SELECT setval('orders_id_seq', 40)")
            subprocess.run([str(client_binaries() / "pg_dump"), *where, *dump], check=True)
            sql({**self.shop, "dbname": "postgres"}, "DROP DATABASE shop")
            ours = self.folder / "bin" / "our-restore"
            command = f"psql {shlex.join(where)} -d $1 -c 'INSERT INTO orders VALUES (80)'"
            ours.write_text(f"#!/bin/sh\nexec {command}\n")
            ours.chmod(0o755)
        (self.folder / "backups" / "artist.copy").write_text("1\tA\n3\tB\n")
        if self.other:
            sql(self.other.dsn(), "CREATE DATABASE shop")
            sql(
                self.other.dsn("shop"),
                SHOP + "SELECT setval('orders_id_seq', 900); SELECT setval('customers_person_id_seq', 7)",
            )

    def values(self) -> dict[str, int]:
        """The next values of all sequences; none where there is no database yet."""
        try:
            found = sql(self.shop, "SELECT sequencename, schemaname, increment_by FROM pg_sequences")
        except psycopg2.OperationalError:
            return {}
        values = {}
        for name, schema, increment in found:
            ((value,),) = sql(self.shop, f"SELECT last_value + {increment} * is_called::int FROM {schema}.{name}")
            values[name] = value
        return values


def test_every_guide_has_its_end_here() -> None:
    assert sorted([*AFTER, *ELSEWHERE]) == sorted(path.name for path in GUIDES.glob("*.rst"))
    for guide, file in ELSEWHERE.items():
        assert not file or guide in Path(__file__).with_name(file).read_text()


@pytest.mark.parametrize("guide", sorted(AFTER))
def test_its_commands_do_what_it_says(guide: str, shop: dict[str, str], server: Server, tmp_path: Path) -> None:
    other = Server(server.version) if "cutover" in guide else None
    if other:
        other.start()
    try:
        reader = Reader(guide, shop, tmp_path, other)
        reader.begin()
        assert reader.follow()
        assert {name: reader.values()[name] for name in AFTER[guide]} == AFTER[guide]
    finally:
        if other:
            other.stop()


@pytest.mark.parametrize("role", ["auditor", "fixer"])
def test_each_of_its_grants_is_needed(role: str, shop: dict[str, str]) -> None:
    """With all of the GRANTs a role is content, with one of them left out it is not."""
    (text,) = [step.text for step in steps("guide_least_privilege.rst") if f"CREATE ROLE {role} " in step.text]
    create, *grants = [f"{part.strip()};" for part in text.split(";") if part.strip()]
    sql(shop, SHOP + PRIVATE + create)
    module = {"auditor": "pg_sequence_info", "fixer": "pg_sequence_fix"}[role]
    where = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "login_db": "shop", "login_user": role}
    assert len(grants) >= 4
    for left_out in [*grants, None]:
        for grant in grants:
            if grant != left_out:
                sql(shop, grant)
        done = run_module(module, where, check=True)
        settled = not done["failed"] and done["summary"]["unknown"] == 0
        assert settled == (left_out is None), f"without {left_out}: {done}"
        sql(shop, f"DROP OWNED BY {role}")


def test_a_key_alone_is_enough_to_be_read(shop: dict[str, str]) -> None:
    guide = (GUIDES / "guide_least_privilege.rst").read_text()
    (grant,) = re.findall(r"``(GRANT SELECT \(id\) .+?)``", guide)
    sql(shop, f"{SHOP} CREATE ROLE auditor LOGIN; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO auditor; {grant}")
    where = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "login_db": "shop"}
    done = run_module("pg_sequence_info", {**where, "login_user": "auditor", "tables": ["orders"]})
    assert [each["reasons"] for each in done["sequences"]] == [["behind"]]


def test_the_walk_through_the_code_ends_as_it_says(shop: dict[str, str]) -> None:
    """``docs/walk.md`` follows one sequence; what it says of it on the way is so."""
    sql(shop, "CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40)")
    walk = (GUIDES.parents[2] / "docs" / "walk.md").read_text()
    where = {"login_unix_socket": shop["host"], "login_port": int(shop["port"])}
    (found,) = run_module("pg_sequence_info", {**where, "login_db": "shop"})["sequences"]
    (column,) = found["columns"]
    for fact in (column["via"], found["status"], *found["reasons"]):
        assert f"`{fact}`" in walk, fact
    assert (found["last_value"], found["is_called"], found["furthest_value"]) == (1, False, 40)
    variables = {f"pg_sequences_{name}": value for name, value in {**where, "database": "shop"}.items()}
    done = run_playbook("pgops.sequences.fix", variables)
    (lines,) = re.findall(r"```text\n(.*?)```", walk, re.S)
    assert [line for line in lines.splitlines() if line not in done.stdout] == [], done.stdout


def test_what_a_server_says_of_a_timeout_is_what_the_guide_quotes(shop: dict[str, str]) -> None:
    with pytest.raises(psycopg2.errors.QueryCanceled) as error:
        sql({**shop, "options": "-c statement_timeout=1"}, "SELECT pg_sleep(60)")
    assert f"``{str(error.value).strip()}``" in (GUIDES / "guide_troubleshooting.rst").read_text()
