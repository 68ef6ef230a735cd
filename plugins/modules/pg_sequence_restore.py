#!/usr/bin/python
# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_sequence_restore
short_description: Restore a PostgreSQL dump, whole or not at all, and only once
version_added: 1.0.0
description:
  - Restores a dump with C(pg_restore) and C(psql). While it runs it shows how far it is, at the latest every 30 seconds.
  - With O(jobs=1) everything happens in one transaction. A restore that fails, or is cut off in any way, leaves the database as it was.
  - What became of it is not concluded from an exit code. Another session asks the server afterwards whether the transaction was
    committed, and the result says what is known.
  - Nothing but the target is touched. Commands of C(psql) in a plain dump, such as C(\connect), are not run unless O(psql_commands=true).
  - A dump that was restored before is not restored a second time while what it brought is still there.
  - Sequences that are in the database already are never left further back than they were. M(pgops.sequences.pg_sequence_fix) repairs
    those that stand behind the restored ids.
author:
  - pgops contributors (@pgops)
extends_documentation_fragment:
  - pgops.sequences._attributes
  - pgops.sequences._attributes.ACTIONGROUP
  - pgops.sequences._connection
attributes:
  check_mode:
    support: full
    details:
      - Restores nothing. Does every check that is possible, reads the dump to its end, and reports whether it would be restored.
  diff_mode:
    support: N/A
    details:
      - What a dump changes is the dump.
  idempotent:
    support: partial
    details:
      - A dump is restored once into a database, while what it brought is there, unless O(force=true). With O(command) every run changes.
      - Tables that were filled carry a note, a comment on their row type, which no dump takes along. A role that owns none of the
        tables can leave none, and gets a warning.
options:
  database:
    description:
      - Name of the database to restore into.
    type: str
    required: true
  dump:
    description:
      - Path of the dump on the host that runs the task.
      - It is recognised by its content. It may be a custom, directory, or tar archive of C(pg_dump), or SQL, plain or compressed
        with gzip, bzip2, xz, or zstd.
      - Exactly one of O(dump) and O(command) is needed.
    type: path
  command:
    description:
      - Command that restores, run by C(/bin/sh -c), for physical backups (pgBackRest, Barman, snapshots) and everything else.
      - If it stops and starts the server, the module waits up to 5 minutes until the server answers and has left recovery.
    type: str
  tables:
    description:
      - Restore only these tables of an archive. Shell globs, matched case-sensitively on V(schema.table) or V(table); a leading V(!) takes
        away. A pattern without V(!) or glob that matches nothing is an error.
      - With O(data_only=true) these are the rows of the tables, and nothing else. This is the usual way to lose the sequences' values.
      - Otherwise it is what C(pg_restore --table) takes. Tables, views, and sequences of these names with their rows and values, but no
        indexes, constraints, defaults, or triggers.
    type: list
    elements: str
  data_only:
    description:
      - Load rows and large objects of an archive into tables that exist.
      - Sequences are moved to where the dump has them, unless they are there or further already; none is moved backward.
      - Tables are loaded after those that their foreign keys refer to, where that is possible.
    type: bool
    default: false
  clean:
    description:
      - Replace what is there. Objects of the archive are dropped before they are created.
      - With O(data_only=true), tables to be loaded are emptied by one C(TRUNCATE) without C(CASCADE), and large objects of the same
        numbers are removed.
    type: bool
    default: false
  exclude:
    description:
      - Kinds of objects of an archive that are left out.
      - A plain dump cannot be taken apart; take it again with the C(pg_dump) option of that name, or as an archive.
    type: list
    elements: str
    choices:
      - comments
      - event_triggers
      - extensions
      - materialized_view_data
      - owners
      - policies
      - privileges
      - publications
      - security_labels
      - subscriptions
      - tablespaces
  psql_commands:
    description:
      - Run commands of C(psql) that a plain script holds, such as C(\i), C(\copy) and C(\!), relative to the script's folder, with
        the rights of the task's operating-system user. Only for scripts that you trust.
      - A script that connects elsewhere cannot write there, fails, and the result says where it connected to.
    type: bool
    default: false
  create:
    description:
      - Create the database if it does not exist. If its restore fails, it is dropped again.
      - It is as the server makes one by default, unless the options O(encoding), O(locale), O(template), and O(owner) say otherwise. The
        encoding that a dump is written in does not matter.
      - Settings, comment, and privileges of the source database itself are carried over from an archive; what fails is named in a warning.
    type: bool
    default: false
  encoding:
    description:
      - Encoding of a database that is created, such as V(UTF8).
    type: str
  locale:
    description:
      - Locale of a database that is created, such as V(C) or V(de_AT.UTF-8).
    type: str
  template:
    description:
      - Template of a database that is created. Not given, it is C(template0), to which nothing was added.
    type: str
  owner:
    description:
      - Owner of a database that is created. Not given, it is the restoring role.
    type: str
  jobs:
    description:
      - Number of parallel jobs, for custom and directory archives. With O(data_only=true) the tables must be empty, or emptied by O(clean=true).
      - A C(pg_restore) of 17 or newer cannot use several with a server before 17; one is used, with a warning.
      - More than one cannot be one transaction. Afterwards the server is asked whether all tables are there and which hold rows. The result
        says what a failed restore left behind. Another run does not load that a second time, and asks for O(clean=true).
      - Also the number of parallel connections for O(analyze).
    type: int
    default: 1
  analyze:
    description:
      - Make planner statistics afterwards. That this fails is a warning.
    type: bool
    default: true
  force:
    description:
      - Restore the dump even if what it brings is there.
    type: bool
    default: false
  options:
    description:
      - Further arguments for C(pg_restore), such as V(--no-owner) or V(--disable-triggers).
      - With a plain dump, variables of C(psql) alone, such as V(--set=name=value).
    type: list
    elements: str
  bin_dir:
    description:
      - Folder of C(psql) and C(pg_restore). They must be as new as the server and the C(pg_dump) that wrote the dump.
      - Not given, they are looked for on the E(PATH), then in C(/usr/lib/postgresql/*/bin) and C(/usr/pgsql-*/bin).
    type: path
  progress_file:
    description:
      - File to write one line to every 5 seconds, saying how far the restore is. It is removed at the end.
      - Set by the action plugin of this name, which shows the line to the operator.
    type: path
notes:
  - Needs C(psql), for archives C(pg_restore), and for dumps compressed with zstd the program C(zstd) on the host that runs the task.
  - A dump is code. It runs with the rights of the role that restores it. Restore only dumps from people you trust.
  - Plain dumps need a C(psql) that knows C(\restrict), 18, 17.6, 16.10, 15.14, 14.19, 13.22 or newer. With an older one archives are
    restored by C(pg_restore) alone, and the server cannot be asked about the transaction.
  - A script that ends transactions itself (C(COMMIT)) fails, and is rolled back.
  - The restoring role needs the privilege TEMPORARY on the database, which everybody has unless it was revoked.
  - The restore goes on if Ansible is interrupted or loses its connection. Run the task again to see how it ended.
  - On servers before 17, the setting C(transaction_timeout), which newer programs send, is left out.
seealso:
  - module: pgops.sequences.pg_sequence_info
  - module: pgops.sequences.pg_sequence_fix
  - name: pg_restore
    description: Complete reference of the program.
    link: https://www.postgresql.org/docs/current/app-pgrestore.html
"""

EXAMPLES = r"""
- name: Restore a dump into a new database
  pgops.sequences.pg_sequence_restore:
    database: shop
    dump: /var/backups/shop.dump
    create: true
    jobs: 4
  become: true
  become_user: postgres

- name: Load the rows of one application's tables again
  pgops.sequences.pg_sequence_restore:
    database: shop
    dump: /var/backups/shop.dump
    tables: ["public.customers_*"]
    data_only: true
    clean: true
  become: true
  become_user: postgres

- name: Restore a compressed plain dump into a managed server, from the controller
  pgops.sequences.pg_sequence_restore:
    login_host: db.example.com
    login_user: shop_owner
    login_password: "{{ vault_shop_password }}"
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/ca-certificates.crt
    login_db: shop
    database: shop
    dump: /srv/dumps/shop.sql.gz
  delegate_to: localhost

- name: Let pgBackRest restore
  pgops.sequences.pg_sequence_restore:
    database: shop
    command: pg_ctlcluster 17 main stop && pgbackrest --stanza=main --delta restore && pg_ctlcluster 17 main start
  become: true
  become_user: postgres
"""

RETURN = r"""
restored:
  description: Whether a dump was restored, or the command has run, in this run.
  type: bool
  returned: always
outcome:
  description:
    - V(restored), V(unchanged) where what the dump brings is there already, V(rolled back) where the server says so, V(partly) where
      several jobs left a part, V(foretold) in check mode, V(unknown) where the server cannot be asked or a script ended transactions
      itself; null where nothing was begun.
  type: str
  returned: always
  sample: restored
message:
  description: What was restored, or that and why nothing was, in sentences; empty where the task failed.
  type: str
  returned: always
transaction:
  description: Id of the transaction in which it was restored, as C(txid_status) takes it; null where there was none, or several.
  type: int
  returned: always
rows:
  description: Number of rows that were loaded, as the server counted them; null where that is not known.
  type: int
  returned: always
already_restored:
  description: Whether this dump was restored before, and what it brought is there, so that nothing was done.
  type: bool
  returned: always
database:
  description: Name of the database.
  type: str
  returned: always
database_exists:
  description:
    - Whether the database exists now, and can be audited. False in check mode before the database is created; null where the run
      ended before it looked.
  type: bool
  returned: always
created:
  description: Whether the database was created.
  type: bool
  returned: always
format:
  description: What the dump is; null before it was looked at and with O(command).
  type: str
  returned: always
  sample: plain, gzip
dump_version:
  description: Version of the C(pg_dump) that wrote the dump; null where it does not say.
  type: str
  returned: always
  sample: '16.4'
dump_server_version:
  description: Version of the server that was dumped; null where the dump does not say.
  type: str
  returned: always
  sample: '15.8'
tables_total:
  description: Number of tables that rows are restored into; null where that is not known.
  type: int
  returned: always
  sample: 45
seconds:
  description: How long it took, in seconds.
  type: float
  returned: always
tool_version:
  description: Version of C(psql) and C(pg_restore).
  type: str
  returned: always
  sample: '16.4'
"""

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import connection_arguments
from ansible_collections.pgops.sequences.plugins.module_utils._module import SequenceModule
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import restore_arguments
from ansible_collections.pgops.sequences.plugins.module_utils._restore.run import run_restore


def main() -> None:
    run_restore(
        SequenceModule(
            argument_spec={**connection_arguments(), **restore_arguments()},
            mutually_exclusive=[("dump", "command")],
            required_one_of=[("dump", "command")],
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
