-- What do our columns reference, under which constraint's name, and may this role look whether it is there?
--
-- One row for each foreign key and column. A partition's copy of a foreign key may have a name of its own, and errors
-- name the copy. A parent under row security is not looked at: rows that are hidden would seem to be missing.
SELECT
    k.conname,
    a.attname,
    pn.nspname,
    p.relname,
    pa.attname,
    k.conrelid = t.oid AND pg_catalog.cardinality(k.conkey) = 1
    AND pg_catalog.has_column_privilege(p.oid, pa.attnum, 'SELECT')
    AND pg_catalog.has_schema_privilege(pn.oid, 'USAGE')
    AND NOT pg_catalog.row_security_active(p.oid) AS joinable
FROM (SELECT %(oid)s::oid AS oid) AS t
JOIN pg_catalog.pg_constraint AS k
    ON k.conrelid = t.oid OR k.conrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(t.oid))
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = p.oid AND pa.attnum = k.confkey[1]
WHERE k.contype = 'f' AND a.attname = ANY (%(columns)s)
