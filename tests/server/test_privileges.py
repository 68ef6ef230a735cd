# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every privilege gets the contract's answer, and the statement given as the remedy settles it when it is run."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest

from support.run import run_module, sql
from support.servers import Server

Dsn = dict[str, str]

_FURTHEST = 500
_STATEMENT = re.compile(r"""(?:GRANT|ALTER ROLE) (?:"(?:[^"]|"")*"|[^";])+;""")


@dataclass
class Scene:
    """A sequence that is behind its only column, each in a schema of its own, and two roles.

    ``{owner}``, ``{auditor}``, ``{sequence}``, ``{table}`` in statements stand for their quoted names.
    """

    database: Dsn
    owner: str
    auditor: str
    login: str = field(init=False)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.login = self.auditor

    def run(self, name: str, check: bool = False, **options: Any) -> dict[str, Any]:
        connection = {
            "login_unix_socket": self.database["host"],
            "login_port": int(self.database["port"]),
            "login_user": self.login,
            "login_db": self.database["dbname"],
        }
        return run_module(name, {**connection, **self.options, **options}, check=check)

    def sequence(self) -> dict[str, Any]:
        result = self.run("pg_sequence_info", show_all=True)
        assert not result["failed"], result
        (found,) = result["sequences"]
        return found

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        names = {"owner": _quoted(self.owner), "auditor": _quoted(self.auditor)}
        for name, quoted in {**names, "sequence": '"Seq s"."the; seq"', "table": '"Tab s"."the ""table"'}.items():
            statement = statement.replace("{" + name + "}", quoted)
        return sql(self.database, statement)

    def state(self) -> tuple[int, bool]:
        ((last_value, is_called),) = self.sql("SELECT last_value, is_called FROM {sequence}")
        return last_value, is_called

    def obey(self, text: str) -> None:
        """Run the statements that a message or a remedy advises, as superuser."""
        statements = _STATEMENT.findall(text)
        assert statements, f"no statement that could be run: {text}"
        for statement in statements:
            sql(self.database, statement)


@pytest.fixture
def scene(database: Dsn) -> Iterator[Scene]:
    mark = secrets.token_hex(3)
    scene = Scene(database, f'Own er "{mark}"; \\ %s', f'Audi\'tor "{mark}" %(x)s é')
    scene.sql("CREATE ROLE {owner} LOGIN; CREATE ROLE {auditor} LOGIN")
    scene.sql(
        'CREATE SCHEMA "Seq s" AUTHORIZATION {owner}; CREATE SCHEMA "Tab s" AUTHORIZATION {owner};'
        "SET ROLE {owner}; CREATE SEQUENCE {sequence};"
        "CREATE TABLE {table} (id bigint PRIMARY KEY DEFAULT nextval('{sequence}'), note text);"
        f"INSERT INTO {{table}} SELECT generate_series(1, {_FURTHEST}); SELECT setval('{{sequence}}', 10)"
    )
    yield scene
    scene.sql("DROP OWNED BY {owner} CASCADE; DROP OWNED BY {auditor} CASCADE")
    scene.sql("DROP ROLE {auditor}; DROP ROLE {owner}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_SCHEMAS = 'GRANT USAGE ON SCHEMA "Seq s", "Tab s" TO {auditor};'
_TABLE = "GRANT SELECT ON {table} TO {auditor};"


@dataclass
class Case:
    """What a role is given, and what it is told then.

    :ivar reasons: what the audit says; ``critical`` where it is ``behind``, else ``unknown``
    :ivar method: how the fix moves the sequence at once; None where it cannot
    :ivar told: the reasons in ``not_fixed`` where it cannot
    :ivar oldest: the first major version that has it
    """

    name: str
    given: str
    reasons: list[str]
    method: str | None = None
    told: list[str] = field(default_factory=list)
    oldest: int = 10


_BEHIND = ["behind"]
_DENIED = ["no_privilege"]

CASES = [
    Case("member of the owner", "GRANT {owner} TO {auditor}", _BEHIND, "locked"),
    Case(
        "usage",
        _SCHEMAS + _TABLE + "GRANT USAGE ON SEQUENCE {sequence} TO {auditor}",
        _BEHIND,
        "stepped",
    ),
    Case(
        "select and update",
        _SCHEMAS + _TABLE + "GRANT SELECT, UPDATE ON SEQUENCE {sequence} TO {auditor}",
        _BEHIND,
        "stepped",
    ),
    Case(
        "usage and one column",
        _SCHEMAS + "GRANT SELECT (id) ON {table} TO {auditor}; GRANT USAGE ON SEQUENCE {sequence} TO {auditor}",
        _BEHIND,
        "stepped",
    ),
    Case(
        "usage, never called",
        _SCHEMAS + _TABLE + "GRANT USAGE ON SEQUENCE {sequence} TO {auditor}; SELECT setval('{sequence}', 11, false)",
        _DENIED,
        told=_DENIED,
    ),
    Case(
        "update",
        _SCHEMAS + _TABLE + "GRANT UPDATE ON SEQUENCE {sequence} TO {auditor}",
        _DENIED,
        told=_DENIED,
    ),
    Case(
        "select",
        _SCHEMAS + _TABLE + "GRANT SELECT ON SEQUENCE {sequence} TO {auditor}",
        _BEHIND,
        told=[*_BEHIND, *_DENIED],
    ),
    Case("nothing", "", _DENIED, told=_DENIED),
    Case("nothing on the sequence", _SCHEMAS + _TABLE, _DENIED, told=_DENIED),
    Case(
        "nothing on the table",
        _SCHEMAS + "GRANT SELECT ON SEQUENCE {sequence} TO {auditor}",
        _DENIED,
        told=_DENIED,
    ),
    Case(
        "select on another column",
        _SCHEMAS + "GRANT SELECT (note) ON {table} TO {auditor}; GRANT ALL ON SEQUENCE {sequence} TO {auditor}",
        _DENIED,
        told=_DENIED,
    ),
    Case(
        "no usage on the table's schema",
        'GRANT USAGE ON SCHEMA "Seq s" TO {auditor}; GRANT ALL ON SEQUENCE {sequence} TO {auditor};' + _TABLE,
        _DENIED,
        told=_DENIED,
    ),
    Case(
        "no usage on the sequence's schema",
        'GRANT USAGE ON SCHEMA "Tab s" TO {auditor}; GRANT ALL ON SEQUENCE {sequence} TO {auditor};' + _TABLE,
        _DENIED,
        told=_DENIED,
    ),
    Case(
        "row-level security",
        _SCHEMAS + _TABLE + "GRANT USAGE ON SEQUENCE {sequence} TO {auditor};"
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {table} USING (id < 5)",
        ["row_security"],
        told=["row_security"],
    ),
    Case(
        "pg_read_all_data",
        "GRANT pg_read_all_data TO {auditor}",
        _BEHIND,
        told=[*_BEHIND, *_DENIED],
        oldest=14,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_privilege_has_its_answer_and_its_remedy_settles_it(server: Server, scene: Scene, case: Case) -> None:
    if server.version < case.oldest:
        pytest.skip(f"needs PostgreSQL {case.oldest}")
    if case.given:
        scene.sql(case.given)
    before = scene.state()

    predicted = scene.run("pg_sequence_fix", check=True)
    assert scene.state() == before
    if case.method:
        assert [change["reasons"] for change in predicted["changes"]] == [case.reasons]
    else:
        (found,) = predicted["sequences"]
        status = "critical" if case.reasons == _BEHIND else "unknown"
        assert (found["status"], found["reasons"]) == (status, case.reasons)
    result = scene.run("pg_sequence_fix")
    assert (predicted["changes"], predicted["not_fixed"]) == (result["changes"], result["not_fixed"])
    if case.method:
        assert not result["failed"] and result["not_fixed"] == []
        assert [change["method"] for change in result["changes"]] == [case.method]
    else:
        assert result["failed"] and not result["changed"] and scene.state() == before
        (left,) = result["not_fixed"]
        assert left["reasons"] == case.told and left["remedy"] == found["remedy"]
        _settle(scene, result)
    assert scene.state() == (_FURTHEST, True)


def _settle(scene: Scene, result: dict[str, Any], most: int = 3) -> None:
    """Do what the remedies say until nothing is left; each must bring the repair a step nearer."""
    said: list[str] = []
    for _unused in range(most):
        (left,) = result["not_fixed"]
        assert left["remedy"] not in said, f"doing what it says did not help: {left['remedy']}"
        said.append(left["remedy"])
        scene.obey(left["remedy"])
        result = scene.run("pg_sequence_fix")
        if not result["failed"]:
            assert result["summary"]["healthy"] == 1
            return
    raise AssertionError(f"still not settled after: {said}; {result['not_fixed']}")


def test_owner_repairs_under_the_lock(scene: Scene) -> None:
    scene.login = scene.owner
    assert scene.sequence()["reasons"] == _BEHIND
    assert [change["method"] for change in scene.run("pg_sequence_fix")["changes"]] == ["locked"]
    assert scene.state() == (_FURTHEST, True)


def test_row_security_does_not_hold_for_an_owner_unless_forced(scene: Scene) -> None:
    scene.login = scene.owner
    scene.sql("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {table} USING (id < 5)")
    assert scene.sequence()["reasons"] == _BEHIND
    scene.sql("ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    found = scene.sequence()
    assert (found["status"], found["reasons"]) == ("unknown", ["row_security"])
    result = scene.run("pg_sequence_fix")
    assert [left["reasons"] for left in result["not_fixed"]] == [["row_security"]]
    _settle(scene, result)
    assert scene.state() == (_FURTHEST, True)


def test_session_role_lends_the_rights_of_a_role_that_is_not_inherited(scene: Scene) -> None:
    scene.sql("ALTER ROLE {auditor} NOINHERIT; GRANT {owner} TO {auditor}")
    assert scene.sequence()["reasons"] == _DENIED
    scene.options["session_role"] = scene.owner
    assert scene.sequence()["reasons"] == _BEHIND
    result = scene.run("pg_sequence_fix")
    assert [change["method"] for change in result["changes"]] == ["locked"]
    assert scene.sql("SELECT rolname FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE relkind = 'S'") == [
        (scene.owner,)
    ]


def test_session_role_takes_rights_away_from_a_superuser(scene: Scene) -> None:
    scene.login = "postgres"
    scene.options["session_role"] = scene.auditor
    assert scene.sequence()["reasons"] == _DENIED
    scene.obey(scene.sequence()["remedy"])
    assert scene.sequence()["reasons"] == _BEHIND


def test_session_role_that_may_not_be_taken_on_is_refused_by_name(scene: Scene) -> None:
    scene.options["session_role"] = scene.owner
    result = scene.run("pg_sequence_fix")
    assert result["failed"] and scene.owner in result["msg"] and "changes" not in result


def test_unreadable_column_beside_one_that_shows_the_lag(scene: Scene) -> None:
    scene.sql(_SCHEMAS + _TABLE + "GRANT USAGE ON SEQUENCE {sequence} TO {auditor}")
    scene.sql("CREATE TABLE \"Tab s\".secret (id bigint PRIMARY KEY DEFAULT nextval('{sequence}'))")
    scene.sql(f'INSERT INTO "Tab s".secret VALUES ({_FURTHEST + 7})')
    found = scene.sequence()
    assert found["status"] == "critical" and set(found["reasons"]) == {"behind", "no_privilege"}
    result = scene.run("pg_sequence_fix")
    # What can be seen is put right; what cannot is not called healthy.
    assert [change["method"] for change in result["changes"]] == ["stepped"] and scene.state() == (_FURTHEST, True)
    assert result["failed"] and [left["reasons"] for left in result["not_fixed"]] == [_DENIED]
    _settle(scene, result)
    assert scene.state() == (_FURTHEST + 7, True)


def test_lock_tables_without_the_right_to_lock_names_the_grant(scene: Scene) -> None:
    scene.sql(_SCHEMAS + _TABLE + "ALTER SEQUENCE {sequence} OWNER TO {auditor}")
    scene.options["lock_tables"] = True
    result = scene.run("pg_sequence_fix")
    assert result["failed"] and scene.state() == (10, True)
    _settle(scene, result)
    assert scene.state() == (_FURTHEST, True)


@pytest.mark.parametrize("rights", ["USAGE", "SELECT, UPDATE"])
def test_stepping_never_sets_and_never_goes_back(scene: Scene, rights: str) -> None:
    # Far enough that the two do not get there themselves.
    reach = 600_000
    scene.sql(_SCHEMAS + _TABLE + f"GRANT {rights} ON SEQUENCE {{sequence}} TO {{auditor}}")
    scene.sql(f"INSERT INTO {{table}} VALUES ({reach})")
    handed_out: list[int] = []
    done = threading.Event()

    def use() -> None:
        connection = psycopg2.connect(**scene.database)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not done.is_set():
                cursor.execute('SELECT nextval(\'"Seq s"."the; seq"\')')
                handed_out.append(cursor.fetchone()[0])
        connection.close()

    users = [threading.Thread(target=use) for _unused in range(2)]
    for user in users:
        user.start()
    try:
        # With USAGE alone, a sequence that was never called cannot be judged.
        while not handed_out:
            time.sleep(0.01)
        result = scene.run("pg_sequence_fix")
    finally:
        done.set()
        for user in users:
            user.join()
    assert not result["failed"], result["not_fixed"]
    (change,) = result["changes"]
    assert change["method"] == "stepped" and "setval" not in change["statement"].lower()
    assert len(handed_out) == len(set(handed_out)), "a value was handed out twice"
    assert scene.state()[0] >= max(reach, *handed_out)


@pytest.mark.parametrize(("increment", "cache"), [(-3, 1), (7, 20)], ids=["descending", "cached"])
def test_stepping_keeps_direction_and_phase(scene: Scene, increment: int, cache: int) -> None:
    scene.sql(
        f"ALTER SEQUENCE {{sequence}} INCREMENT {increment} MINVALUE -100000 MAXVALUE 100000 CACHE {cache};"
        "SELECT setval('{sequence}', 10);"
        f"DELETE FROM {{table}}; INSERT INTO {{table}} VALUES ({increment * 50})"
    )
    scene.sql(_SCHEMAS + _TABLE + "GRANT USAGE ON SEQUENCE {sequence} TO {auditor}")
    predicted = scene.run("pg_sequence_fix", check=True)
    result = scene.run("pg_sequence_fix")
    assert not result["failed"] and result["changes"] == predicted["changes"]
    last_value, is_called = scene.state()
    assert is_called and (last_value - 10) % increment == 0
    assert (last_value + increment - increment * 50) * increment > 0
    (change,) = result["changes"]
    assert change["after"]["last_value"] == last_value


def test_every_result_names_the_server(server: Server, database: Dsn) -> None:
    """Its identifier, too, where the role may read it (contract, section 3)."""
    login = {"login_unix_socket": database["host"], "login_port": int(database["port"]), "login_db": database["dbname"]}
    ((identifier,),) = sql(database, "SELECT system_identifier::text FROM pg_control_system()")
    known = {"address": database["host"], "port": int(database["port"]), "in_recovery": False}
    for module in ("pg_sequence_info", "pg_sequence_fix"):
        assert run_module(module, login)["server"] == {**known, "system_identifier": identifier}
    role = f"visitor_{secrets.token_hex(4)}"
    sql(database, f"CREATE ROLE {role} LOGIN; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
    found = run_module("pg_sequence_info", {**login, "login_user": role})
    sql(database, f"DROP ROLE {role}")
    assert not found.get("failed") and found["server"] == {**known, "system_identifier": None}


@pytest.mark.parametrize("module", ["pg_sequence_info", "pg_sequence_fix"])
def test_of_several_servers_the_one_that_answers_is_named(database: Dsn, module: str) -> None:
    """As before a fail-over: libpq goes through a list of hosts, each with its port."""
    hosts = {"host": f"/no/such/folder,{database['host']}", "port": f"1,{database['port']}"}
    result = run_module(module, {"connect_params": hosts, "login_db": database["dbname"]})
    assert not result["failed"] and result["server"]["port"] == int(database["port"])
    assert result["server"]["address"] == hosts["host"]
