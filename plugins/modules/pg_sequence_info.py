#!/usr/bin/python
# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_info
short_description: Audit PostgreSQL sequences against the columns they feed
version_added: 1.0.0
description:
  - Finds every sequence of one or more databases and every column it feeds, and says which sequences would hand out
    an id that is already there, which are used up or nearly so, and which could not be judged and why.
  - It looks at all columns a sequence feeds (serial, identity, defaults on sequences nobody owns, several tables on one
    sequence, domains, late-bound defaults, partitions), at the direction of counting, and at what each column can store.
  - It only reads, also on a hot standby, takes no lock that writers notice, and never fails because of a finding.
author:
  - pgops contributors (@pgops)
extends_documentation_fragment:
  - pgops.sequences._attributes
  - pgops.sequences._attributes.INFO_MODULE
  - pgops.sequences._attributes.ACTIONGROUP
  - pgops.sequences._connection
  - pgops.sequences._selection
options:
  jobs:
    description:
      - The most connections that the task has open to the server at a time, whatever the number of databases.
      - Several databases are gone through at the same time, and a database with more than 200 sequences by several connections.
      - If the server has no room for more connections, the task goes on with those that it has.
    type: int
    default: 1
  activity:
    description:
      - Also return RV(activity), what happens on the server - who writes, where its log stands, how far replication lags.
    type: bool
    default: false
    version_added: 1.0.0
  positions:
    description:
      - Only read where the sequences stand, and return that as RV(positions). No table is read and nothing is judged.
    type: bool
    default: false
    version_added: 1.0.0
seealso:
  - module: pgops.sequences.pg_sequence_fix
"""

EXAMPLES = r"""
- name: Audit one database on the host itself
  pgops.sequences.pg_sequence_info:
    login_db: shop
  become: true
  become_user: postgres
  register: audit

- name: Audit every database of a server from the controller
  pgops.sequences.pg_sequence_info:
    login_host: db1.example.com
    login_user: auditor
    login_password: "{{ vault_auditor_password }}"
    ssl_mode: verify-full
    databases: ["*", "!scratch_*"]
  delegate_to: localhost

- name: Look at the tables of one application, and name a column that a trigger fills
  pgops.sequences.pg_sequence_info:
    login_db: shop
    tables: ["customers_*"]
    columns:
      - {sequence: ticket_seq, table: tickets, column: number}
    show_all: true
"""

RETURN = r"""
selection:
  description: What was selected, O(databases), O(schemas), O(tables), O(sequences) and O(columns).
  returned: success
  type: dict
  sample: {databases: [shop], schemas: [], tables: ["app_*"], sequences: [], columns: []}
server:
  description:
    - The server that was looked at. C(address) is as it was given, a host or the folder of a socket, empty for the default socket.
    - C(system_identifier) is C(null) where the role may not read it. The whole is C(null) where no database could be entered.
  returned: success
  type: dict
  sample: {address: shop.example.com, port: 5432, in_recovery: false, system_identifier: "7440973466427316255"}
summary:
  description: How many databases were looked at, and how many sequences have which status.
  type: dict
  returned: success
  sample: {databases: 2, total: 812, healthy: 800, warning: 3, critical: 5, unknown: 2, skipped: 2}
databases:
  description: One entry for each database asked for, also for those that could not be entered.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The database.
      type: str
    server_version:
      description: The server's version.
      type: str
      sample: "16.4"
    in_recovery:
      description: Whether the server is a hot standby.
      type: bool
    error:
      description: Why it could not be entered or read; null if it could.
      type: str
    subscriptions:
      description:
        - Its subscriptions, as far as the role may see them - C(name), C(enabled), C(slot), how many C(tables) it fills, and those that
          are C(not_ready); how many C(sequences) it keeps (PostgreSQL 19), and those that are C(not_synchronized).
      type: list
      elements: dict
      sample: [{name: from_old, enabled: true, slot: from_old, tables: 12, not_ready: [], sequences: 0, not_synchronized: []}]
    summary:
      description: As RV(summary), for this database.
      type: dict
    skipped:
      description: How many of its sequences were not judged, by kind; C(suspected) are those that may feed a column that is ahead.
      type: dict
      sample: {no_column: 1, suspected: 3}
    suspected:
      description:
        - All suspicions as entries of O(columns), to be confirmed - sequences that no catalog shows a column of, but whose name or
          a trigger does, and that column is ahead.
      type: list
      elements: dict
      sample: [{sequence: public.invoice_id_seq, table: public.invoice, column: id}]
    not_covered:
      description: Tables that count without a sequence, which no audit of sequences covers.
      type: list
      elements: str
sequences:
  description: The findings, or with O(show_all=true) all of them.
  type: list
  elements: dict
  returned: success
  contains:
    database:
      description: Its database.
      type: str
    schema:
      description: Its schema.
      type: str
    name:
      description: Its name.
      type: str
    columns:
      description: Every column it feeds. Partitions and children that share their parent's sequence are part of the parent.
      type: list
      elements: dict
      contains:
        schema:
          description: The table's schema.
          type: str
        table:
          description: The table.
          type: str
        column:
          description: The column.
          type: str
        type:
          description: The column's type.
          type: str
        via:
          description:
            - How the sequence feeds it, comma-joined where several hold - C(owned), C(identity), C(default), C(domain),
              C(text) (looked up by name at run time), C(mapped) (by O(columns)).
          type: str
        indexed:
          description: Whether an index serves the reading, in every partition.
          type: bool
        furthest_value:
          description:
            - The furthest value it holds among those that the sequence can hand out and the column can store, as a whole number.
            - Null if there is none.
          type: int
        error:
          description: Why it could not be read; null if it could.
          type: str
    data_type:
      description: The sequence's type.
      type: str
    start_value:
      description: START of its definition.
      type: int
    increment:
      description: INCREMENT of its definition.
      type: int
    min_value:
      description: MINVALUE of its definition.
      type: int
    max_value:
      description: MAXVALUE of its definition.
      type: int
    cache_size:
      description: CACHE of its definition.
      type: int
    cycle:
      description: Whether it is declared CYCLE.
      type: bool
    owner:
      description: The role it belongs to.
      type: str
    last_value:
      description: Its last value; null if it could not be read. On a standby it may run up to 32 values ahead.
      type: int
    is_called:
      description: Whether the last value was handed out.
      type: bool
    next_value:
      description: What C(nextval) would return now.
      type: int
    furthest_value:
      description: The furthest value of all its columns that it could hand out itself.
      type: int
    limit:
      description: The last value that the sequence and all its columns can hold, in the direction of counting.
      type: int
    gap:
      description: Values skipped between furthest and next value, in steps; null when behind or where no column holds a value.
      type: int
    percent_used:
      description:
        - How much of what it and its columns can hold is gone, up to the next or the furthest value, 0 to 100.
        - Of one that has C(wrapped), of the values up to the nearest row.
      type: float
    status:
      description: One of C(critical), C(warning), C(healthy), C(unknown), C(skipped).
      type: str
    reasons:
      description:
        - Why, for machines. Critical are C(behind), C(exhausted), C(behind_reference), each with C(no_room). Warnings are C(gap),
          C(near_limit), C(out_of_bounds), C(wrapped), C(suspected), C(differs), C(not_synchronized). Unknown are C(no_privilege),
          C(row_security), C(locked), C(timeout), C(too_large), C(unlogged_on_standby), C(not_a_number), C(foreign_table), C(view), C(custom_default),
          C(untrusted_code), C(error). Skipped are C(cycle), C(no_column),
          C(extension), C(system).
      type: list
      elements: str
    message:
      description: Why, for people; each reason, and what it means here.
      type: str
    remedy:
      description:
        - What to run next, ready to be copied - a statement, a GRANT, an option; null where nothing does. GRANTs are for all
          of a schema. An ALTER that rewrites a table says so in a comment, with the size of the table and its indexes.
      type: str
      sample: SELECT pg_catalog.setval('public.orders_id_seq'::regclass, 4711, true);
    fix:
      description: The next value a repair would bring about and a statement for it; null where nothing should or can be done.
      type: dict
      sample: {next_value: 4712, statement: "SELECT pg_catalog.setval('public.orders_id_seq'::regclass, 4711, true);"}
    reference:
      description:
        - How it stood in O(reference), in what it is defined otherwise, and the statement that would give it the definition of the
          reference; null where that does not hold it.
      type: dict
      sample: {database: shop, last_value: 5000, is_called: true, next_value: 5001, differences: [], statement: null}
    subscription:
      description:
        - The subscription that fills a table of it, or (PostgreSQL 19) C(keeps) it itself, so that the next C(REFRESH SEQUENCES) sets it to the
          publisher's value, also backward; null where none does, or the role may not see it.
      type: dict
      sample: {name: from_old, enabled: true, state: ready, keeps: false}
comparison:
  description:
    - What was compared with O(reference); null without one. C(given) is the sum of C(compared), C(unreadable), C(only_there),
      C(not_selected) and C(other_databases); what was looked at is the sum of C(compared), C(unreadable) and C(only_here).
    - What is C(only_there) comes with the statement that would make it; what is in C(defined_otherwise) with what differs, also in CACHE and
      owner, and the statement that would make it alike; what is in C(standing_ahead) with both next values.
  type: dict
  returned: success
  sample: {given: 12, compared: 12, unreadable: 0, behind: 1, ahead: 2, equal: 9, differs: 0, not_selected: 0, other_databases: 0,
           only_here: [], only_there: [], standing_ahead: [], defined_otherwise: []}
positions:
  description: The sequences and where they stand, as one text of JSON that the option C(reference) takes.
  type: str
  returned: with O(positions=true), in place of RV(summary), RV(sequences) and RV(comparison)
  sample: '[{"database": "shop", "schema": "public", "name": "orders_id_seq", "last_value": 5000, "is_called": true}]'
activity:
  description:
    - What happens on the server, in the databases looked at - its version, when it was started, its position and timeline in the log,
      whether transactions are read-only by default, transactions that have written and are open, and
      logical replication slots with the bytes they lag. C(sees_all_writers) is V(false) for a role that sees its own sessions alone;
      GRANT pg_read_all_stats to it.
  type: dict
  returned: with O(activity=true)
  sample:
    wal_position: 0/3000060
    started_at: "1795831200.123456"
    timeline: 1
    role: sequence_reader
    version: "18.4"
    read_only: false
    sees_all_writers: true
    writers: []
    slots: [{name: from_old, database: shop, plugin: pgoutput, active: true, confirmed: 0/3000060, lag_bytes: 0}]
"""

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import (
    audit_arguments,
    connection_arguments,
    info_arguments,
)
from ansible_collections.pgops.sequences.plugins.module_utils._module import SequenceModule
from ansible_collections.pgops.sequences.plugins.module_utils._run import run_info


def main() -> None:
    arguments = {**connection_arguments(), **audit_arguments(), **info_arguments()}
    run_info(SequenceModule(argument_spec=arguments, supports_check_mode=True))


if __name__ == "__main__":
    main()
