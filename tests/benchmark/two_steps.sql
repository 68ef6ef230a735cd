-- Copyright (c) 2026, pgops contributors
-- SPDX-License-Identifier: GPL-3.0-or-later

-- The two steps of PostgreSQL's wiki page "Fixing Sequences": this prints the statements that are run next, one for
-- each sequence that a column owns.
SELECT format(
           'SELECT setval(%L, coalesce(max(%I), 1)) FROM %s;',
           d.objid::regclass::text,
           a.attname,
           d.refobjid::regclass
       )
FROM pg_depend d
JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
ORDER BY d.objid;
