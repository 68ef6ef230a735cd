# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both modules with a reference, and subscriptions as ordinary roles see them, on real servers."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from support.pairs import Pair
from support.run import run_module, sql
from support.servers import why_unavailable

Dsn = dict[str, str]

SHAPES = """
CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders DEFAULT VALUES;
CREATE SEQUENCE invoices; CREATE SEQUENCE tens INCREMENT 10; CREATE SEQUENCE down INCREMENT -1;
CREATE SEQUENCE turns MAXVALUE 9000 CYCLE; CREATE SEQUENCE cached CACHE 20; CREATE SEQUENCE idle;
"""

ADVANCED = """
SELECT setval('orders_id_seq', 700), setval('invoices', 5000), setval('tens', 4001), setval('down', -300), setval('turns', 77),
       setval('cached', 999)
"""


def options(dsn: Dsn, **more: Any) -> dict[str, Any]:
    return {"login_unix_socket": dsn["host"], "login_port": int(dsn["port"]), "login_db": dsn["dbname"], **more}


def positions(dsn: Dsn) -> dict[str, int]:
    names = ("orders_id_seq", "invoices", "tens", "down", "turns", "cached", "idle")
    return {name: sql(dsn, f"SELECT last_value FROM {name}")[0][0] for name in names}


def reference(dsn: Dsn) -> list[dict[str, Any]]:
    """The sequences of a database that stood further, which is then as it was."""
    sql(dsn, SHAPES)
    before = positions(dsn)
    sql(dsn, ADVANCED)
    found: list[dict[str, Any]] = run_module("pg_sequence_info", options(dsn, show_all=True))["sequences"]
    for name, value in before.items():
        sql(dsn, f"SELECT setval('{name}', {value}, {str(name == 'orders_id_seq').lower()})")
    return found


def test_a_repair_by_a_reference_in_four_runs(database: Dsn) -> None:
    there = reference(database)
    before = positions(database)
    told = run_module("pg_sequence_info", options(database, reference=there))
    assert told["comparison"] == {
        **{
            "given": 7,
            "compared": 7,
            "unreadable": 0,
            "behind": 6,
            "ahead": 0,
            "equal": 1,
            "differs": 0,
            "not_selected": 0,
        },
        **{"other_databases": 0, "only_here": [], "only_there": [], "standing_ahead": [], "defined_otherwise": []},
    }
    assert told["summary"]["critical"] == 6
    planned: list[dict[str, Any]] = []
    for check in (True, False, True, False):
        done = run_module("pg_sequence_fix", options(database, reference=there), check=check)
        assert not done["failed"], done
        if check and not planned:
            planned = done["changes"]
            assert len(planned) == 6 and positions(database) == before
        elif planned and not check and positions(database) != before and done["changes"]:
            assert done["changes"] == planned
        else:
            assert done["changes"] == []
    expected = {
        "orders_id_seq": 700,
        "invoices": 5000,
        "tens": 4001,
        "down": -300,
        "turns": 77,
        "cached": 999,
        "idle": 1,
    }
    assert positions(database) == expected


def test_a_role_that_does_not_own_them_steps_up_to_the_reference(database: Dsn) -> None:
    there = reference(database)
    role = f"stepper_{secrets.token_hex(4)}"
    sql(database, f"CREATE ROLE {role} LOGIN; GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")
    try:
        asked = options(database, login_user=role, sequences=["invoices", "down"], reference=there)
        done = run_module("pg_sequence_fix", asked)
        assert not done["failed"] and {change["method"] for change in done["changes"]} == {"stepped"}, done
        assert (positions(database)["invoices"], positions(database)["down"]) == (5000, -300)
        assert done["comparison"]["compared"] == 2 and done["comparison"]["not_selected"] == 5
    finally:
        sql(database, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_what_is_on_one_side_alone_or_defined_otherwise_is_named(database: Dsn) -> None:
    there = reference(database)
    sql(database, "DROP SEQUENCE idle; CREATE SEQUENCE newcomer; ALTER SEQUENCE invoices INCREMENT 5 CACHE 3")
    told = run_module("pg_sequence_info", options(database, reference=there, show_all=True))
    comparison = told["comparison"]
    assert [one["name"] for one in comparison["only_here"]] == ["newcomer"]
    (missing,) = comparison["only_there"]
    assert missing["name"] == "idle"
    (found,) = [one for one in told["sequences"] if one["name"] == "invoices"]
    assert found["reasons"] == ["behind_reference", "differs"]
    statement = found["reference"]["statement"]
    assert statement == "ALTER SEQUENCE public.invoices INCREMENT BY 1 CACHE 1;"
    sql(database, missing["statement"] + statement)
    done = run_module("pg_sequence_fix", options(database, reference=there))
    assert not done["failed"] and done["comparison"]["differs"] == 0 and not done["comparison"]["only_there"], done
    assert positions(database)["invoices"] == 5000


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"reference": []}, "the reference is empty"),
        ({"reference": [{"name": "invoices"}]}, "entry 1 of the reference has no database"),
        ({"reference_databases": {"a": "b"}}, "holds no database of that name"),
        ({"mode": "realign", "confirm": True}, "use one or the other"),
        ({"sequences": ["newcomer"]}, "nothing was compared: of 7 sequences"),
        ({"reference": "other"}, 'nothing can be compared: the reference is of "elsewhere"'),
        ({"max_jump": 100}, "more than max_jump"),
    ],
    ids=str,
)
def test_bad_input_is_told_and_nothing_is_changed(database: Dsn, more: dict[str, Any], told: str) -> None:
    there = reference(database)
    sql(
        database,
        "CREATE SEQUENCE newcomer; SELECT setval('orders_id_seq', 690), setval('turns', 70); DROP SEQUENCE idle",
    )
    given = {"reference": there, **more}
    if given["reference"] == "other":
        given["reference"] = [{**one, "database": "elsewhere"} for one in there]
    before = sql(database, "SELECT last_value FROM invoices")
    done = run_module("pg_sequence_fix", options(database, **given))
    assert done["failed"] and told in str(done), done
    assert "Traceback" not in str(done) and sql(database, "SELECT last_value FROM invoices") == before


def test_a_reference_never_moves_backward_while_others_draw(database: Dsn) -> None:
    there = reference(database)
    sql(database, "SELECT setval('invoices', 9000), setval('down', -9000)")
    done = run_module("pg_sequence_fix", options(database, reference=there))
    assert not done["failed"] and not {"invoices", "down"} & {change["name"] for change in done["changes"]}
    assert (positions(database)["invoices"], positions(database)["down"]) == (9000, -9000)


@pytest.mark.parametrize(("old", "new"), [(12, 12), (15, 16), (18, 18)])
def test_every_role_sees_the_subscriptions_and_what_they_fill(old: int, new: int) -> None:
    for version in (old, new):
        if why_unavailable(version):
            pytest.skip(why_unavailable(version))
    schema = """
    CREATE TABLE orders (id serial PRIMARY KEY, note text); CREATE SEQUENCE invoices;
    CREATE TABLE parts (id serial, at int, PRIMARY KEY (id, at)) PARTITION BY LIST (at);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
    """
    with Pair(old, new, schema) as pair:
        sql(
            pair.old,
            "INSERT INTO orders (note) SELECT 'x' FROM generate_series(1, 40); INSERT INTO parts (at) VALUES (1)",
        )
        pair.wait()
        for name, subscription in (("other", "from_old"),):
            sql(pair.target.dsn(), f"CREATE DATABASE {name}")
            # Another database may have a subscription of the same name.
            dsn = pair.target.dsn(name)
            where = f"host={pair.source.socket_dir} port={pair.source.port} user=postgres dbname=shop"
            sql(
                dsn,
                f"CREATE SUBSCRIPTION {subscription} CONNECTION '{where}' PUBLICATION everything WITH (connect = false)",
            )
        sql(pair.new, "CREATE ROLE nothing LOGIN; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO nothing")
        sql(pair.new, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO nothing")
        asked = options(pair.new, show_all=True, login_user="nothing")
        told = run_module("pg_sequence_info", asked)
        assert not told["failed"], told
        (subscribed,) = told["databases"][0]["subscriptions"]
        assert (subscribed["name"], subscribed["enabled"], subscribed["not_ready"]) == ("from_old", True, [])
        found = {one["name"]: one for one in told["sequences"]}
        assert found["orders_id_seq"]["subscription"] == {
            "name": "from_old",
            "enabled": True,
            "state": "ready",
            "keeps": False,
        }
        assert found["parts_id_seq"]["subscription"]["name"] == "from_old"
        assert found["invoices"]["subscription"] is None
        assert "the subscription from_old fills it" in found["orders_id_seq"]["message"]
        done = run_module("pg_sequence_fix", options(pair.new, move_subscribed=False))
        assert done["failed"] and {one["name"] for one in done["not_fixed"]} == {"orders_id_seq", "parts_id_seq"}
        assert "subscribed" in done["not_fixed"][0]["reasons"] and "cutover" in done["not_fixed"][0]["remedy"]
        assert not done["changes"]
        sql(pair.new, "ALTER SUBSCRIPTION from_old DISABLE")
        done = run_module("pg_sequence_fix", options(pair.new, move_subscribed=False))
        assert not done["failed"] and len(done["changes"]) == 2
        activity = run_module("pg_sequence_info", options(pair.old, activity=True))["activity"]
        assert [slot["name"] for slot in activity["slots"]] == ["from_old"] and activity["sees_all_writers"]
