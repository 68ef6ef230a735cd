# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""Whether a restore can work, asked before anything is touched."""

from __future__ import annotations

import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.quoting import quote_identifier
from ansible_collections.pgops.sequences.plugins.module_utils._restore_plan import RELATIONS, RestoreError

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.driver import Row
    from ansible_collections.pgops.sequences.plugins.module_utils._restore_plan import Plan, Table

    Query = t.Callable[..., list[Row]]

# Kinds of entries that are given to their owner after they are made.
_OWNED = RELATIONS | frozenset(
    ("SCHEMA", "FUNCTION", "PROCEDURE", "AGGREGATE", "TYPE", "DOMAIN", "OPERATOR", "COLLATION", "CONVERSION")
)

_SHOWN = 10

_RELATIONS_HERE = """
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'p' AS partitioned,
       coalesce(CASE WHEN c.relkind <> 'S' THEN has_table_privilege(c.oid, 'INSERT') END, false) AS can_insert,
       coalesce(CASE WHEN c.relkind <> 'S' THEN has_table_privilege(c.oid, 'TRUNCATE') END, false) AS can_truncate,
       coalesce(CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'UPDATE') END, false) AS can_update,
       coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS schema_usage
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
"""

_REFERENCES = """
SELECT n.nspname::text AS schema, c.relname::text AS name, m.nspname::text AS other_schema, o.relname::text AS other_name
FROM pg_constraint x
JOIN pg_class c ON c.oid = x.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class o ON o.oid = x.confrelid
JOIN pg_namespace m ON m.oid = o.relnamespace
WHERE x.contype = 'f'
"""


def check_server(plan: Plan, query: Query, where: str) -> None:
    """Check what holds for the whole server, also where the database does not exist yet.

    :arg plan: what will be restored
    :arg query: asks any database of the server
    :arg where: the server, in words
    :raises RestoreError: roles or extensions that the dump needs are missing
    """
    extensions = {item.name for item in plan.objects if item.kind == "EXTENSION"}
    if extensions:
        here = {row["name"] for row in query("SELECT name::text FROM pg_available_extensions")}
        if extensions - here:
            raise RestoreError(
                f"the dump {plan.dump.path} needs the extensions {_listed(extensions - here)}, which are not installed on the host of"
                f" {where}. Nothing was changed. Install their packages there"
            )
    if plan.options.data_only or {"--no-owner", "-O"} & set(plan.options.extra):
        return
    owners = {item.owner for item in plan.objects if item.owner and item.kind in _OWNED}
    me = query("SELECT current_user::text AS name, rolsuper AS superuser FROM pg_roles WHERE rolname = current_user")[0]
    roles = {
        row["name"]: row["member"]
        for row in query("SELECT rolname::text AS name, pg_has_role(oid, 'MEMBER') AS member FROM pg_roles")
    }
    missing = owners - set(roles)
    plain = plan.dump.format == "plain"
    otherwise = (
        ", or dump with pg_dump --no-owner"
        if plain
        else ", or give all to the restoring role with options: ['--no-owner']"
    )
    if missing:
        create = " ".join(f"CREATE ROLE {quote_identifier(name)};" for name in sorted(missing)[:_SHOWN])
        raise RestoreError(
            f"the dump {plan.dump.path} gives objects to the roles {_listed(missing)}, which do not exist at {where}."
            f" Nothing was changed. Run: {create}{otherwise}"
        )
    foreign = {owner for owner in owners if not roles[owner]} - {me["name"]}
    if foreign and not me["superuser"]:
        grant = f"GRANT {', '.join(map(quote_identifier, sorted(foreign)))} TO {quote_identifier(me['name'])};"
        raise RestoreError(
            f'the dump {plan.dump.path} gives objects to the roles {_listed(foreign)}, of which "{me["name"]}" is no member at'
            f" {where}. Nothing was changed. Run: {grant}{otherwise}"
        )


def check_database(plan: Plan, query: Query, database: str) -> None:
    """Check what holds for the database; also tells the plan what it has to know about it.

    :arg plan: what will be restored
    :arg query: asks the database
    :arg database: its name, for messages
    :raises RestoreError: tables are missing or already there, or privileges are
    """
    where = f'database "{database}"'
    me = query("SELECT current_user::text AS name, rolsuper AS superuser FROM pg_roles WHERE rolname = current_user")[0]
    here = {(row["schema"], row["name"]): row for row in query(_RELATIONS_HERE)}
    makes = plan.makes
    needed = [table for table in [*plan.loads, *plan.sets] if table not in makes]
    missing = [table for table in needed if table not in here]
    if missing:
        raise RestoreError(
            f"{where} lacks {len(missing)} of the tables and sequences that the dump {plan.dump.path} has data for but is not to create:"
            f" {_named(missing)}. Nothing was changed. Create them first (migrations, or the dump's schema), or restore without data_only"
        )
    plan.partitioned = {table for table in plan.loads if table in here and here[table]["partitioned"]}
    if plan.options.data_only:
        plan.order(
            ((row["schema"], row["name"]), (row["other_schema"], row["other_name"])) for row in query(_REFERENCES)
        )
    replaced = plan.options.clean or plan.dump.drops or {"--clean", "-c"} & set(plan.options.extra)
    there = sorted(makes & set(here))
    if there and not replaced:
        more = (
            "dump with pg_dump --clean --if-exists to have it replaced"
            if plan.dump.format == "plain"
            else "set clean: true to have them replaced, or data_only: true to load rows into them"
        )
        raise RestoreError(
            f"{where} already has {len(there)} of the {len(makes)} tables, views and sequences that the dump {plan.dump.path} creates:"
            f" {_named(there)}. Nothing was changed. Restore into an empty database, or {more}"
        )
    if not me["superuser"]:
        _check_privileges(plan, query, where, me["name"], here, needed)
    _check_schemas(plan, query, where, me)


def _check_privileges(
    plan: Plan, query: Query, where: str, role: str, here: dict[Table, Row], needed: list[Table]
) -> None:
    wanted = {"can_insert": "INSERT", "can_truncate": "TRUNCATE"} if plan.emptying else {"can_insert": "INSERT"}
    loads = set(plan.loads)
    grants = []
    for column, privilege in wanted.items():
        tables = [table for table in dict.fromkeys(needed) if table in loads and not here[table][column]]
        if tables:
            grants.append(f"GRANT {privilege} ON {_quoted(tables)} TO {quote_identifier(role)};")
    sequences = [
        table
        for table in dict.fromkeys(plan.sets)
        if table in here and table not in plan.makes and not here[table]["can_update"]
    ]
    if sequences:
        grants.append(f"GRANT UPDATE ON SEQUENCE {_quoted(sequences)} TO {quote_identifier(role)};")
    schemas = {table[0] for table in needed if not here[table]["schema_usage"]}
    if schemas:
        grants.append(
            f"GRANT USAGE ON SCHEMA {', '.join(map(quote_identifier, sorted(schemas)))} TO {quote_identifier(role)};"
        )
    if grants:
        raise RestoreError(
            f'"{role}" lacks privileges in {where} to load what the dump {plan.dump.path} holds. Nothing was changed.'
            f" As the tables' owner run: {' '.join(grants)}"
        )


def _check_schemas(plan: Plan, query: Query, where: str, me: Row) -> None:
    schemas = {
        row["name"]: row["may"]
        for row in query("SELECT nspname::text AS name, has_schema_privilege(oid, 'CREATE') AS may FROM pg_namespace")
    }
    # An entry for a schema that is there, as public always is, may only give it its owner.
    new = {item.name for item in plan.objects if item.kind == "SCHEMA"} - set(schemas)
    used = {schema for schema, _name in plan.makes} - new
    role = quote_identifier(me["name"])
    missing = used - set(schemas)
    if missing:
        create = " ".join(f"CREATE SCHEMA {quote_identifier(name)};" for name in sorted(missing)[:_SHOWN])
        raise RestoreError(
            f"{where} lacks the schemas {_listed(missing)}, which what is restored of the dump {plan.dump.path} needs."
            f" Nothing was changed. Run: {create}"
        )
    forbidden = {name for name in used if not schemas[name]}
    if forbidden and not me["superuser"]:
        names = ", ".join(map(quote_identifier, sorted(forbidden)))
        raise RestoreError(
            f'"{me["name"]}" may not create tables in the schemas {_listed(forbidden)} of {where}. Nothing was changed.'
            f" Run: GRANT CREATE, USAGE ON SCHEMA {names} TO {role};"
        )
    if new and not me["superuser"]:
        may = query(
            "SELECT has_database_privilege(current_database(), 'CREATE') AS may, current_database()::text AS name"
        )[0]
        if not may["may"]:
            raise RestoreError(
                f'"{me["name"]}" may not create the schemas {_listed(new)} in {where}. Nothing was changed.'
                f" Run: GRANT CREATE ON DATABASE {quote_identifier(may['name'])} TO {role};"
            )


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(f'"{name}"' for name in ordered[:_SHOWN]) + more


def _named(tables: list[Table]) -> str:
    more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
    return ", ".join(f"{schema}.{name}" for schema, name in tables[:_SHOWN]) + more


def _quoted(tables: list[Table]) -> str:
    return ", ".join(f"{quote_identifier(schema)}.{quote_identifier(name)}" for schema, name in tables)
