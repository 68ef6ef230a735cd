#!/usr/bin/python
# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_fix
short_description: Repair PostgreSQL sequences that stand behind the columns they feed
version_added: 1.0.0
description:
  - Audits as M(pgops.sequences.pg_sequence_info) does, then moves every sequence that is behind to the first free value.
  - With O(mode=advance) a sequence never goes backward, whatever runs at the same time. It is moved under its own lock,
    where its state, and whatever may have changed since it was judged, is read again; other sessions drop the values they had
    cached, and the phase of increments other than 1 (odd and even ids of two masters) is kept.
  - A role that does not own a sequence but may use it moves it by C(nextval), up to a million steps.
  - Up to 50 sequences share a transaction, and one flush to disk; what fails, is locked or in use is repaired in a transaction
    of its own. What fails for one never stops the others; running it again continues.
author:
  - pgops contributors (@pgops)
extends_documentation_fragment:
  - pgops.sequences._attributes
  - pgops.sequences._attributes.ACTIONGROUP
  - pgops.sequences._connection
  - pgops.sequences._selection
attributes:
  check_mode:
    support: full
    details:
      - Opens only C(READ ONLY) transactions and reports what a real run would do. C(setval) is never called, for it
        would not be undone by a rollback.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  jobs:
    description:
      - The most connections that the task has open to the server at a time, whatever the number of databases.
      - Several databases are gone through at the same time, and a database with more than 200 sequences by several connections.
      - If the server has no room for more connections, the task goes on with those that it has.
      - The default is higher than in M(pgops.sequences.pg_sequence_info), because somebody waits for a repair.
    type: int
    default: 2
  mode:
    description:
      - V(advance) repairs what is behind and never moves a sequence backward.
      - V(realign) also pulls back sequences that run ahead, to the first free value, and those of empty tables to START.
        It is the cure for the warning C(gap), and the only mode that may go backward. Values that an application has
        taken and not yet stored may be handed out again.
    type: str
    default: advance
    choices: [advance, realign]
  confirm:
    description:
      - O(mode=realign) needs V(true) here; without it the task fails before it connects. Check mode needs none.
    type: bool
    default: false
  margin:
    description:
      - Leave this many values free beyond the furthest value, or the reference, of a sequence that has to be moved. It counts values
        in the direction of counting, not steps.
    type: int
    default: 0
  max_jump:
    description:
      - Refuse a single move by more than this many values, because one stray huge id would use up the range. V(0) is no bound.
    type: int
    default: 0
  lock_tables:
    description:
      - Lock the tables C(IN SHARE ROW EXCLUSIVE MODE) before judging, so that inserts of explicit ids that are under way
        are waited for and counted. Without it they show at the next run.
    type: bool
    default: false
  move_subscribed:
    description:
      - Also move sequences that an enabled subscription keeps (PostgreSQL 19), or of tables that it fills. With V(false) they are left
        alone and named in RV(not_fixed), reason C(subscribed), since they are behind again with each row that arrives.
    type: bool
    default: true
  retries:
    description:
      - Further tries for a sequence whose lock could not be had in O(lock_timeout).
    type: int
    default: 3
  fail_on_unfixed:
    description:
      - Fail, after everything else is done, if RV(not_fixed) is not empty or a database could not be entered.
    type: bool
    default: true
seealso:
  - module: pgops.sequences.pg_sequence_info
"""

EXAMPLES = r"""
- name: Repair what is behind in one database
  pgops.sequences.pg_sequence_fix:
    login_db: shop
  become: true
  become_user: postgres

- name: See what a repair of all databases would do
  pgops.sequences.pg_sequence_fix:
    databases: ["*"]
  become: true
  become_user: postgres
  check_mode: true
  diff: true

- name: Leave 10000 ids free on the new primary of a cut-over
  pgops.sequences.pg_sequence_fix:
    login_db: shop
    margin: 10000

- name: Carry the sequences of an old server over, also those that feed no column
  pgops.sequences.pg_sequence_fix:
    login_db: shop
    reference: "{{ old.sequences }}"

- name: Pull the sequences of one table back to the first free id
  pgops.sequences.pg_sequence_fix:
    login_db: shop
    tables: [public.orders]
    mode: realign
    confirm: true
"""

RETURN = r"""
selection:
  description: What was selected, O(databases), O(schemas), O(tables), O(sequences) and O(columns).
  returned: success
  type: dict
  sample: {databases: [shop], schemas: [], tables: ["app_*"], sequences: [], columns: []}
changes:
  description: The moves that were made, or in check mode would be.
  type: list
  elements: dict
  returned: always, once the database was entered
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
    reasons:
      description: Why it had to be moved.
      type: list
      elements: str
    method:
      description: C(locked), under the sequence's own lock, or C(stepped), by C(nextval).
      type: str
    before:
      description: State before the move.
      type: dict
      sample: {last_value: 1, is_called: true, next_value: 2}
    after:
      description: State after the move.
      type: dict
      sample: {last_value: 4711, is_called: true, next_value: 4712}
    statement:
      description: The statement that moved it.
      type: str
not_fixed:
  description: Sequences that were not repaired - still critical, or not readable for a reason that can be settled.
  type: list
  elements: dict
  returned: always, once the database was entered
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
    reasons:
      description: Why, for machines; C(max_jump) or C(subscribed) where an option stood in the way.
      type: list
      elements: str
    message:
      description: Why, for people.
      type: str
    remedy:
      description: The statement or option to use next.
      type: str
      sample: ALTER TABLE public.orders ALTER COLUMN id TYPE bigint /* rewrites the table, 120 MB with its indexes, and locks it meanwhile */;
server:
  description:
    - The server that was looked at. C(address) is as it was given, a host or the folder of a socket, empty for the default socket.
    - C(system_identifier) is C(null) where the role may not read it. The whole is C(null) where no database could be entered.
  returned: success
  type: dict
  sample: {address: shop.example.com, port: 5432, in_recovery: false, system_identifier: "7440973466427316255"}
summary:
  description: As of M(pgops.sequences.pg_sequence_info), after the run.
  type: dict
  returned: always, once the database was entered
databases:
  description: As of M(pgops.sequences.pg_sequence_info), after the run.
  type: list
  elements: dict
  returned: always, once the database was entered
comparison:
  description: As of M(pgops.sequences.pg_sequence_info), after the run.
  type: dict
  returned: always, once the database was entered
sequences:
  description: As of M(pgops.sequences.pg_sequence_info), after the run.
  type: list
  elements: dict
  returned: always, once the database was entered
"""

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import (
    audit_arguments,
    connection_arguments,
    repair_arguments,
)
from ansible_collections.pgops.sequences.plugins.module_utils._module import SequenceModule
from ansible_collections.pgops.sequences.plugins.module_utils._run_fix import run_fix


def main() -> None:
    arguments = {**connection_arguments(), **audit_arguments(), **repair_arguments()}
    run_fix(SequenceModule(argument_spec=arguments, supports_check_mode=True))


if __name__ == "__main__":
    main()
