# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This doc fragment is PRIVATE to the collection: it can change at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_db:
    description:
      - Database to connect to first.
    type: str
    default: postgres
    aliases: [database]
  databases:
    description:
      - Databases to work on, as names or shell globs; a leading V(!) takes away.
      - V(["*"]) is every database of the server that can be connected to and is no template.
      - Not given, it is O(login_db) alone.
    type: list
    elements: str
  schemas:
    description:
      - Schemas of the sequences, or of the tables they feed; all by default.
      - Patterns are shell globs that are matched with real names, case-sensitively; a leading V(!) takes away.
      - A pattern without V(!) and without glob characters that fits nothing is an error.
    type: list
    elements: str
  tables:
    description:
      - Tables the sequences feed, as C(name) or C(schema.name); patterns as in O(schemas).
      - A sequence that feeds a selected table is still judged by all its columns, in whatever table they are.
    type: list
    elements: str
  sequences:
    description:
      - Sequences, as C(name) or C(schema.name); patterns as in O(schemas).
      - Sequences of extensions and of system schemas are left out unless they are named here without glob characters.
    type: list
    elements: str
  columns:
    description:
      - Columns a sequence feeds that no catalog shows, because a trigger or the application calls C(nextval).
      - Two entries may name the same sequence or column, but must not contradict each other. What an entry says has to be possible for
        the sequence and the column's type, otherwise nothing is done.
    type: list
    elements: dict
    suboptions:
      sequence:
        description: The sequence, as C(name) or C(schema.name).
        type: str
        required: true
      table:
        description: The table, as C(name) or C(schema.name).
        type: str
        required: true
      column:
        description: The column.
        type: str
        required: true
      allocation:
        description:
          - Which ids a value of the sequence stands for in the application - V(single), for itself, unless
            given; V(pooled), for value - increment + 1 to value, as optimizers of Hibernate and EclipseLink
            take them; V(pooled_lo), for value to value + increment - 1.
        type: str
        choices: [single, pooled, pooled_lo]
      minimum:
        description:
          - The first value of the range that is this sequence's, on machines that share ids by ranges.
        type: int
      maximum:
        description:
          - The last value of that range.
        type: int
      where:
        description:
          - Which rows count, a condition in SQL of your own.
          - It only reads, within the timeouts.
        type: str
      expression:
        description:
          - What stands for the column's value, an expression in SQL of your own that gives a whole number, for
            numbers behind a prefix or a sign.
          - It only reads, within the timeouts.
        type: str
  reference:
    description:
      - How the sequences stood elsewhere - on the server that this one takes over from, or at an earlier time. The C(sequences) of a
        M(pgops.sequences.pg_sequence_info) with C(show_all=true), or of a C(report.json) of it; or these as one text of JSON, as
        C(positions) is. Thousands go faster as a text.
      - They are matched by database, schema and name. One whose next value is not at least the reference's, in the direction of
        counting, is V(critical), reason C(behind_reference), also one that feeds no column.
      - One whose type, increment, bounds, start, cycle or phase differ is a V(warning), reason C(differs). Other CACHE and owners are
        named in C(comparison).
    type: list
    elements: dict
    version_added: 1.0.0
  reference_databases:
    description:
      - >-
        The databases' names in O(reference), if they were different, as C({"new name": "old name"}). A new name that is not looked
        at is an error.
    type: dict
    version_added: 1.0.0
  gap_threshold:
    description:
      - A sequence that runs ahead of the furthest value by more than this many values, counted in steps, is a V(warning).
    type: int
    default: 1000
  near_limit_percent:
    description:
      - A sequence that has handed out at least this much of what it and its columns can hold is a V(warning).
    type: float
    default: 80.0
  max_scan_rows:
    description:
      - Rows, as the planner estimates them, of the largest table that may be scanned where no index serves. V(0) is no bound.
      - Sequences of larger tables are V(unknown), reason C(too_large).
    type: int
    default: 10000000
  trust_index_functions:
    description:
      - Read tables although an index calls a function whose owner is neither a superuser nor the connecting role.
      - The same holds for a table with C(where) or C(expression) in O(columns), one of whose types has a cast by such a function.
      - Planning a query on such a table may run the function with the connecting role's rights. Without this
        option their sequences are V(unknown), reason C(untrusted_code).
    type: bool
    default: false
  lock_timeout:
    description:
      - Seconds that one reading, or one repair, may wait for a lock.
    type: float
    default: 2.0
  statement_timeout:
    description:
      - Seconds that one statement may take.
    type: float
    default: 60.0
  show_all:
    description:
      - List every sequence in the result, not only findings.
    type: bool
    default: false
"""
