#!/usr/bin/python
# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_info
short_description: Audit PostgreSQL sequences against the columns they feed
version_added: 0.1.0
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
      - Parallel connections to a database with more than 200 sequences; a smaller one is gone through by one.
      - Where the server has no room for more connections, those there are do the work.
    type: int
    default: 1
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
    summary:
      description: As RV(summary), for this database.
      type: dict
sequences:
  description: The sequences that need a look, or with O(show_all=true) all of them.
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
          description: The furthest value it holds within the reach, as a whole number; null if there is none.
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
    last_value:
      description: Its last value; null if it could not be read. On a standby it may run up to 32 values ahead.
      type: int
    is_called:
      description: Whether the last value was handed out.
      type: bool
    next_value:
      description: What C(nextval()) would return now.
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
      description: How much of what it and its columns can hold has been handed out, 0 to 100.
      type: float
    status:
      description: One of C(critical), C(warning), C(healthy), C(unknown), C(skipped).
      type: str
    reasons:
      description:
        - Why, for machines. Critical are C(behind), C(exhausted), either with C(no_room). Warnings are C(gap), C(near_limit),
          C(out_of_bounds). Unknown are C(no_privilege), C(row_security), C(locked), C(timeout), C(too_large),
          C(unlogged_on_standby), C(not_a_number), C(foreign_table), C(view), C(untrusted_code), C(error). Skipped are C(cycle), C(no_column),
          C(extension), C(system).
      type: list
      elements: str
    message:
      description: Why, for people; of unknown ones with the GRANT or option that would settle it.
      type: str
    fix:
      description: The next value a repair would bring about and a statement for it; null where nothing should or can be done.
      type: dict
      sample: {next_value: 4712, statement: "SELECT pg_catalog.setval('public.orders_id_seq'::regclass, 4711, true);"}
"""

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import audit_arguments, connection_arguments
from ansible_collections.pgops.sequences.plugins.module_utils._module import SequenceModule
from ansible_collections.pgops.sequences.plugins.module_utils._run import run_info


def main() -> None:
    run_info(SequenceModule(argument_spec={**connection_arguments(), **audit_arguments()}, supports_check_mode=True))


if __name__ == "__main__":
    main()
