-- Which sequences do the defaults of the columns that we do not write draw from, and may this role? One row a sequence.
--
-- An INSERT that leaves such a column to its default needs USAGE on its sequence. An identity column does not.
SELECT DISTINCT
    pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.relname) AS full_name,
    pg_catalog.has_sequence_privilege(s.oid, 'USAGE') AS granted
FROM pg_catalog.pg_attrdef AS a
JOIN pg_catalog.pg_depend AS d
    ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = a.oid
    AND d.refclassid = 'pg_catalog.pg_class'::regclass
JOIN pg_catalog.pg_class AS s ON s.oid = d.refobjid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace AS n ON n.oid = s.relnamespace
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = a.adrelid AND c.attnum = a.adnum
WHERE a.adrelid = %(oid)s AND c.attname <> ALL (%(columns)s)
ORDER BY 1
